from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from urlsweep.core.model import RESULT_COLUMNS, Category, Hop, Outcome, Result
from urlsweep.core.summary import Summary
from urlsweep.reports.escaping import escape_formula
from urlsweep.reports.options import ReportOptions
from urlsweep.reports.registry import create

PLAIN = ReportOptions(columns_are_complete=True)
ROW = Result(
    url="http://example.org/a,b",
    outcome=Outcome.BROKEN,
    reason="http.404",
    status=404,
    category=Category.CLIENT_ERROR,
    detail='it said "no"',
    method="GET",
    final_url="https://www.example.org/a,b",
    hops=(Hop("http://example.org/a,b", 301), Hop("https://example.org/a,b", 302)),
    attempts=4,
    elapsed_ms=12.5,
    found_in="urls.txt:7",
    checked_at="2025-03-01T12:00:00.000Z",
)


def written(rows: Iterable[Result], options: ReportOptions = PLAIN, name: str = "csv") -> bytes:
    stream = io.BytesIO()
    report = create(name, stream, options)
    for row in rows:
        report.write(row)
    report.close(Summary())
    return stream.getvalue()


def table(rows: Iterable[Result], options: ReportOptions = PLAIN) -> list[list[str]]:
    return list(csv.reader(io.StringIO(written(rows, options).decode(), newline=""), strict=True))


def with_input(given_input: Mapping[str, object], url: str = "https://example.org/") -> Result:
    return Result(url=url, outcome=Outcome.OK, status=200, input=given_input)


def test_golden() -> None:
    assert written([ROW, Result(url="mailto:x", outcome=Outcome.SKIPPED)]).decode() == (
        "url,outcome,reason,status,category,detail,method,final_url,hops,attempts,elapsed_ms,found_in,checked_at,"
        "cached_at\r\n"
        '"http://example.org/a,b",broken,http.404,404,client_error,"it said ""no""",GET,"https://www.example.org/a,b",'
        '"301 http://example.org/a,b 302 https://example.org/a,b",4,12.5,urls.txt:7,2025-03-01T12:00:00.000Z,\r\n'
        "mailto:x,skipped,,,,,,,,0,,,,\r\n"
    )


def test_tsv_golden() -> None:
    assert written([with_input({"a\tb": 'x"y', "c": None})], ReportOptions(), "tsv").decode() == (
        '"a\tb"\tc\turl\toutcome\treason\tstatus\tcategory\tdetail\tmethod\tfinal_url\thops\tattempts\telapsed_ms'
        '\tfound_in\tchecked_at\tcached_at\tinput\r\n"x""y"\t\thttps://example.org/\tok\t\t200\t\t\t\t\t\t0\t\t\t\t\t\r\n'
    )


def test_bom_comes_first_and_once_also_without_rows() -> None:
    bom = b"\xef\xbb\xbf"
    options = ReportOptions(bom=True, columns_are_complete=True)
    assert written([], options).startswith(bom + b"url,")
    assert written([ROW, ROW], options).count(bom) == 1
    assert bom not in written([ROW])


def test_hops_can_be_read_back_from_their_cell() -> None:
    hops = (Hop("http://example.org/with space", 301), Hop("https://example.org/", 307))
    row = msgspec.structs.replace(ROW, hops=hops)
    words = table([row])[1][RESULT_COLUMNS.index("hops")].split(" ")
    assert list(zip(map(int, words[::2]), words[1::2], strict=True)) == [
        (301, "http://example.org/with%20space"),
        (307, "https://example.org/"),
    ]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_result_comes_back_through_a_reader(any_rows: SearchStrategy[Result], data: st.DataObject) -> None:
    row = msgspec.structs.replace(data.draw(any_rows), input=None)
    header, cells = table([row])
    assert tuple(header) == RESULT_COLUMNS
    for name, cell in zip(RESULT_COLUMNS, cells, strict=True):
        value = getattr(row, name)
        if name == "hops":
            value = " ".join(f"{hop.status} {hop.url.replace(' ', '%20')}" for hop in row.hops)
        text = "" if value is None else str(value)
        assert cell == escape_formula(text).encode("utf-8", "backslashreplace").decode()


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_mix_of_inputs_keeps_its_shape_and_loses_nothing(
    any_rows: SearchStrategy[Result], data: st.DataObject
) -> None:
    rows = data.draw(st.lists(any_rows, min_size=1, max_size=4))
    header, *lines = table(rows, ReportOptions())
    assert len(header) == len(set(header)) == len(lines[0])
    known = list(rows[0].input or ())
    for row, line in zip(rows, lines, strict=True):
        assert len(line) == len(header)
        strays = json.loads(line[-1] or "{}")
        assert len(strays) == len([name for name in row.input or () if name not in known])
        assert not [cell for cell in line if cell != escape_formula(cell)]


def test_a_spreadsheet_comes_back_with_the_result_beside_it() -> None:
    options = ReportOptions(input_columns=("name", "url", "price"), columns_are_complete=True, url_column="url")
    rows = [
        with_input({"name": "=HYPERLINK(1)", "url": " https://example.org/ ", "price": "-5"}),
        Result(url="https://example.net/", outcome=Outcome.OK, status=204, found_in="argument 1"),
    ]
    header, first, second = table(rows, options)
    assert header == ["name", "url", "price", *RESULT_COLUMNS[1:]]
    assert first[:5] == ["'=HYPERLINK(1)", " https://example.org/ ", "-5", "ok", ""]
    assert second[:4] == ["", "https://example.net/", "", "ok"]
    assert second[header.index("found_in")] == "argument 1"


def test_without_a_known_url_column_the_results_own_gets_a_prefix() -> None:
    given_input = {"url": "http://a/", "homepage": "https://example.org/", "status": "new"}
    header, line = table([with_input(given_input)], ReportOptions())
    assert header[:6] == ["url", "homepage", "status", "urlsweep_url", "outcome", "reason"]
    assert header[6] == "urlsweep_status"
    assert header[-1] == "input"
    assert line[:4] == ["http://a/", "https://example.org/", "new", "https://example.org/"]


def test_a_report_that_is_swept_again_keeps_every_column_apart() -> None:
    once = table([with_input({"site": "A", "status": "new"})], ReportOptions())
    twice = table([with_input(dict(zip(*once, strict=True)))], ReportOptions())
    thrice = table([with_input(dict(zip(*twice, strict=True)))], ReportOptions())
    assert [name for name in thrice[0] if "status" in name] == [
        "status",
        "urlsweep_status",
        "urlsweep_status_2",
        "urlsweep_status_3",
    ]
    assert len(set(thrice[0])) == len(thrice[0])


def test_what_has_no_column_goes_to_the_last_one() -> None:
    rows = [with_input({"a": 1}), with_input({"b": [1, None], "a": True}), with_input({"c": "=1"})]
    header, *lines = table(rows, ReportOptions())
    assert header[0] == "a"
    assert [(line[0], line[-1]) for line in lines] == [("1", ""), ("true", '{"b":[1,null]}'), ("", '{"c":"=1"}')]


def test_input_after_a_first_row_without_any_is_not_lost() -> None:
    header, *lines = table([ROW, with_input({"id": 7})], ReportOptions())
    assert header == [*RESULT_COLUMNS, "input"]
    assert [line[-1] for line in lines] == ["", '{"id":7}']


def test_a_promise_that_was_not_kept_is_an_error() -> None:
    options = ReportOptions(input_columns=("a",), columns_are_complete=True)
    with pytest.raises(ValueError, match=r"columns that the header has not \(b\): give them in input_columns"):
        written([with_input({"a": "1", "b": "2"})], options)


def test_a_column_that_a_row_lacks_is_an_empty_cell() -> None:
    options = ReportOptions(input_columns=("a", "b"), columns_are_complete=True)
    assert table([with_input({"b": "2"})], options)[1][:3] == ["", "2", "https://example.org/"]


def test_a_column_name_is_no_formula_either() -> None:
    assert table([with_input({"=1+1": "x"})], ReportOptions())[0][0] == "'=1+1"


def test_on_a_terminal_controls_are_spelled_out() -> None:
    row = Result(url="a\x1b[31m\u202eb", outcome=Outcome.INVALID)
    assert table([row])[1][0] == row.url
    shown = table([row], ReportOptions(columns_are_complete=True, width=80))
    assert shown[1][0] == "a\\x1b[31m\\u202eb"
