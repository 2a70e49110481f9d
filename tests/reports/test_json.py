from __future__ import annotations

import io
import json
from types import MappingProxyType

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from urlsweep.core.model import RESULT_COLUMNS, Category, Hop, Outcome, Result
from urlsweep.core.summary import Summary
from urlsweep.reports.json_document import summary_object
from urlsweep.reports.json_lines import encode_row, encode_value
from urlsweep.reports.options import ReportOptions
from urlsweep.reports.registry import create

BROKEN = Result(
    url="http://example.org/old",
    outcome=Outcome.BROKEN,
    reason="http.404",
    status=404,
    category=Category.CLIENT_ERROR,
    detail="Not Found",
    method="GET",
    final_url="https://example.org/old",
    hops=(Hop("http://example.org/old", 301),),
    attempts=3,
    elapsed_ms=12.5,
    found_in="urls.txt:7",
    checked_at="2025-03-01T12:00:00.000Z",
)
UNASKED = Result(url="mailto:a@example.org", outcome=Outcome.SKIPPED, reason="skip.unsupported_scheme")


def spelled(value: object) -> object:
    """`value` as JSON must give it back: lone surrogates spelled out."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {spelled(key): spelled(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [spelled(item) for item in value]
    return value


def test_a_line_has_the_schemas_keys_in_their_order() -> None:
    assert encode_row(BROKEN).decode() == (
        '{"url":"http://example.org/old","outcome":"broken","reason":"http.404","status":404,"category":"client_error",'
        '"detail":"Not Found","method":"GET","final_url":"https://example.org/old",'
        '"hops":[{"url":"http://example.org/old","status":301}],"attempts":3,"elapsed_ms":12.5,'
        '"found_in":"urls.txt:7","checked_at":"2025-03-01T12:00:00.000Z","cached_at":null}'
    )


def test_null_is_written_and_input_only_where_there_is_one() -> None:
    assert tuple(json.loads(encode_row(UNASKED))) == RESULT_COLUMNS
    row = msgspec.structs.replace(UNASKED, input={"id": 7, "tags": ["a"]})
    assert tuple(json.loads(encode_row(row))) == (*RESULT_COLUMNS, "input")
    assert json.loads(encode_row(row))["input"] == {"id": 7, "tags": ["a"]}


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
@pytest.mark.parametrize("is_shown", [False, True])
def test_any_row_comes_back_equal(any_rows: SearchStrategy[Result], is_shown: bool, data: st.DataObject) -> None:
    row = data.draw(any_rows)
    encoded = encode_row(row, is_shown=is_shown)
    expected = msgspec.structs.asdict(row)
    expected["hops"] = [{"url": hop.url, "status": hop.status} for hop in row.hops]
    if row.input is None:
        del expected["input"]
    assert json.loads(encoded) == spelled(expected)
    assert b"\n" not in encoded
    assert not is_shown or encoded.decode().isprintable()


def test_values_of_no_json_type_become_text() -> None:
    assert encode_value({None: 1, "path": io.StringIO}) == b'{"None":1,"path":"<class \'_io.StringIO\'>"}'
    assert encode_value(MappingProxyType({"a": MappingProxyType({"b": 1})})) == b'{"a":{"b":1}}'


def test_nesting_that_would_exhaust_the_encoder_is_cut() -> None:
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    row = msgspec.structs.replace(UNASKED, input={"a": value, "b": 1})
    decoded = json.loads(encode_row(row))
    assert decoded["url"] == UNASKED.url
    assert decoded["input"]["b"] == 1
    assert b"nested too deep" in encode_row(row)


def test_the_document_golden() -> None:
    stream, summary = io.BytesIO(), Summary()
    report = create("json", stream)
    for row in (BROKEN, UNASKED):
        summary.add(row)
        report.write(row)
    summary.asked("example.org:443", 0.25)
    summary.rows_in, summary.seconds, summary.input_exhausted = 2, 1.23456, True
    summary.warnings.append("a warning")
    report.close(summary)
    first, *rows, last = stream.getvalue().decode().splitlines()
    assert first == '{"version":1,"results":['
    assert rows == [encode_row(BROKEN).decode() + ",", encode_row(UNASKED).decode()]
    assert last == (
        '],"summary":{"rows_in":2,"rows_out":2,"requests":1,"duplicates":0,"seconds":1.235,"is_partial":false,'
        '"input_exhausted":true,"is_network_lost":false,'
        '"outcomes":{"ok":0,"broken":1,"down":0,"unverified":0,"invalid":0,"skipped":1},'
        '"reasons":{"broken":{"http.404":1},"skipped":{"skip.unsupported_scheme":1}},'
        '"categories":{"informational":0,"success":0,"redirection":0,"client_error":1,"server_error":0,"none":1},'
        '"slowest_hosts":[{"host":"example.org:443","requests":1,"mean_seconds":0.25,"slowest_seconds":0.25}],'
        '"limited_by":{"network":0.0,"slots":0.0,"total_rate":0.0,"hosts":0.0,"input":0.0,"timeouts":0.0,'
        '"later_tries":0.0,"answers":0.0},'
        '"slowed_hosts":[],'
        '"warnings":["a warning"]}}'
    )


def test_a_document_on_a_terminal_holds_no_controls() -> None:
    stream, summary = io.BytesIO(), Summary(warnings=["bidi \u202e and C1 \x9b"])
    create("json", stream, ReportOptions(width=80)).close(summary)
    text = stream.getvalue().decode()
    assert text.replace("\n", "").isprintable()
    assert json.loads(text)["summary"]["warnings"] == summary.warnings


def test_reasons_are_counted_under_their_outcome() -> None:
    summary = Summary()
    for outcome in (Outcome.BROKEN, Outcome.DOWN, Outcome.DOWN):
        summary.add(Result(url="u", outcome=outcome, reason="response.timeout"))
    assert summary_object(summary)["reasons"] == {"broken": {"response.timeout": 1}, "down": {"response.timeout": 2}}
