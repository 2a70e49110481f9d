"""The reports there are: by name for `--format`, by a file's ending for `--output`.

Contract: a new report is its own file, a line in `REPORTS` (with its endings in `ENDINGS`) and the contract suite.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import PurePath
from types import MappingProxyType
from typing import BinaryIO, Final

from urlsweep.reports import Report
from urlsweep.reports.json_document import JsonReport
from urlsweep.reports.json_lines import JsonLinesReport
from urlsweep.reports.options import ReportOptions
from urlsweep.reports.tabular import CsvReport, TsvReport
from urlsweep.reports.text import TextReport

ReportFactory = Callable[[BinaryIO, ReportOptions], Report]

REPORTS: Final[Mapping[str, ReportFactory]] = MappingProxyType(
    {
        "text": TextReport,
        "csv": CsvReport,
        "tsv": TsvReport,
        "jsonl": JsonLinesReport,
        "json": JsonReport,
    }
)
"""Name -> what makes the report: `REPORTS["csv"](stream, options)`."""

ENDINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        ".txt": "text",
        ".csv": "csv",
        ".tsv": "tsv",
        ".jsonl": "jsonl",
        ".ndjson": "jsonl",
        ".json": "json",
    }
)
"""A file's ending, in lower case -> the report's name."""


class UnknownFormatError(ValueError):
    """No report has this name, or no report is known for this file's ending."""


def for_path(path: str | os.PathLike[str]) -> str:
    """The name of the report for a file, told by its ending, upper or lower case.

    Raises UnknownFormatError, naming the endings there are.
    """
    ending = PurePath(path).suffix
    try:
        return ENDINGS[ending.lower()]
    except KeyError:
        problem = f"the ending {ending!r} names no format" if ending else "a file without an ending names no format"
        raise UnknownFormatError(f"{os.fspath(path)}: {problem}; use one of {', '.join(ENDINGS)}") from None


def create(name: str, stream: BinaryIO, options: ReportOptions | None = None) -> Report:
    """The report called `name`, writing to `stream`. Raises UnknownFormatError, naming the formats there are."""
    try:
        factory = REPORTS[name]
    except KeyError:
        raise UnknownFormatError(f"there is no format {name!r}; use one of {', '.join(REPORTS)}") from None
    return factory(stream, options or ReportOptions())
