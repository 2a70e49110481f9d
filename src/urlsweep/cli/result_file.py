"""Reads the rows of a report file back, JSON Lines or CSV: what `urlsweep diff` compares beside runs.

Contract: lazy; as much of a row as a comparison looks at. Raises UsageError with line and remedy for what is no report.
Rows of CSV are to be read within `long_cells`.
Not in here: how reports are written (`reports`).
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from urlsweep.cli.exit_codes import UsageError
from urlsweep.core.model import Hop, Outcome, Result
from urlsweep.reports.registry import UnknownFormatError, for_path
from urlsweep.reports.tabular import PREFIX

_DELIMITERS: Final = {"csv": ",", "tsv": "\t"}


class _Line(msgspec.Struct):
    """A row of JSON Lines, what is not looked at left out."""

    url: str
    outcome: Outcome
    reason: str | None = None
    final_url: str | None = None
    hops: tuple[Hop, ...] = ()
    found_in: str = ""
    checked_at: str | None = None


def rows_of_file(path: Path) -> Iterator[Result]:
    """The rows of the report at `path`, whose ending says what it is. Raises UsageError."""
    try:
        format_name = for_path(path)
    except UnknownFormatError:
        format_name = "none"
    if format_name == "jsonl":
        return _of_lines(path)
    if format_name in _DELIMITERS:
        return _of_table(path, _DELIMITERS[format_name])
    raise UsageError(f"{path} cannot be compared: give runs, or reports in JSON Lines (.jsonl) or CSV (.csv)")


def _of_lines(path: Path) -> Iterator[Result]:
    decode = msgspec.json.Decoder(_Line).decode
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if line.isspace():
                continue
            try:
                row = decode(line)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise UsageError(f"{path}:{number} is no row of a report ({error})") from None
            yield Result(
                url=row.url,
                outcome=row.outcome,
                reason=row.reason,
                final_url=row.final_url,
                hops=row.hops,
                found_in=row.found_in,
                checked_at=row.checked_at,
            )


def _of_table(path: Path, delimiter: str) -> Iterator[Result]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
        try:
            table = csv.DictReader(stream, delimiter=delimiter)
            names = table.fieldnames or ()
            column = {
                name: f"{PREFIX}{name}" if f"{PREFIX}{name}" in names else name for name in _Line.__struct_fields__
            }
            missing = [name for name in ("url", "outcome") if column[name] not in names]
            if missing:
                raise UsageError(
                    f"{path} has no column {missing[0]!r}: give a report of urlsweep's (JSON Lines always has it)"
                )
            for cells in table:
                yield _of_cells({name: cells.get(column[name]) or "" for name in column}, path, table.line_num)
        except csv.Error as error:
            raise UsageError(f"{path} is not CSV ({error})") from None


def _of_cells(cells: Mapping[str, str], path: Path, line: int) -> Result:
    try:
        outcome = Outcome(cells["outcome"])
    except ValueError:
        raise UsageError(f"{path}:{line} has the outcome {cells['outcome']!r}, which there is not") from None
    return Result(
        url=cells["url"],
        outcome=outcome,
        reason=cells["reason"] or None,
        final_url=cells["final_url"] or None,
        hops=(Hop("", 0),) if cells["hops"] else (),
        found_in=cells["found_in"],
        checked_at=cells["checked_at"] or None,
    )


@contextmanager
def long_cells() -> Iterator[None]:
    """While in it, csv reads cells of any length: it refuses those beyond 128 KiB, and URLs and their hops may be
    longer. The limit is the process's, which may not be ours alone, so it is put back."""
    before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        yield
    finally:
        csv.field_size_limit(before)
