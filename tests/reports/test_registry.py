from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from urlsweep.reports.json_lines import JsonLinesReport
from urlsweep.reports.options import ReportOptions
from urlsweep.reports.registry import ENDINGS, REPORTS, UnknownFormatError, create, for_path


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("out.csv", "csv"),
        ("OUT.CSV", "csv"),
        ("out.tsv", "tsv"),
        ("out.jsonl", "jsonl"),
        ("out.ndjson", "jsonl"),
        ("a.b/out.json", "json"),
        ("out.txt", "text"),
    ],
)
def test_the_ending_tells_the_format(path: str, name: str) -> None:
    assert for_path(path) == name
    assert for_path(Path(path)) == name


@pytest.mark.parametrize(
    ("path", "problem"), [("out.xlsx", "the ending '.xlsx' names no format"), ("out", "a file without an ending")]
)
def test_an_unknown_ending_is_told_with_the_known_ones(path: str, problem: str) -> None:
    with pytest.raises(UnknownFormatError) as caught:
        for_path(path)
    assert str(caught.value).startswith(f"{path}: {problem}")
    assert all(ending in str(caught.value) for ending in ENDINGS)


def test_create_by_name() -> None:
    assert isinstance(create("jsonl", io.BytesIO()), JsonLinesReport)
    with pytest.raises(UnknownFormatError, match="there is no format 'xml'; use one of text, csv, tsv, jsonl, json"):
        create("xml", io.BytesIO())


def test_every_report_has_an_ending() -> None:
    assert set(ENDINGS.values()) == set(REPORTS)


@pytest.mark.parametrize(
    ("make", "problem"),
    [
        (lambda: ReportOptions(width=0), "width must be"),
        (lambda: ReportOptions(input_columns=("a", "b", "a")), "twice"),
        (lambda: ReportOptions(input_columns=("a",), url_column="b"), "'b' is not one of"),
    ],
)
def test_contradicting_options_are_refused(make: Callable[[], ReportOptions], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        make()
