"""CSV (RFC 4180) and TSV: a spreadsheet goes in and comes out.

The columns are, in this order:

1. the input's own, where rows come from a CSV file or from JSON objects, in their order and with their names;
2. the result's (`RESULT_COLUMNS`). One whose name the input has already is called ``urlsweep_<name>``. `url` is left
   out where `ReportOptions.url_column` says which input column holds it;
3. `input`, a JSON object of what the row's input has beside those columns: the header is written before all rows are
   known, and nothing may be lost. It is left out with `ReportOptions.columns_are_complete`.

A row without input has empty cells there (but its URL in `url_column`), and null is an empty cell. `hops` is
``<status> <url> <status> <url> ...``, each hop the status that a URL gave.

Contract: every line has as many cells as the header; no cell is a formula to a spreadsheet (see
`escaping.escape_formula`, the only change that is made to a value). The encoding is UTF-8, lines end in CRLF.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from typing import Any, BinaryIO, Final

from urlsweep.core.model import RESULT_COLUMNS, Hop, Result
from urlsweep.core.summary import Summary
from urlsweep.reports.escaping import encode, escape_formula, escape_terminal
from urlsweep.reports.json_lines import encode_value
from urlsweep.reports.options import ReportOptions

OTHER_INPUT: Final = "input"
"""The column for what a row's input has beside the columns known when the header was written."""

PREFIX: Final = "urlsweep_"


class _Line:
    """What csv.writer writes to: its `writerow` returns what this gives back, the finished line."""

    @staticmethod
    def write(line: str) -> str:
        return line


class CsvReport:
    """Writes rows as comma-separated values."""

    delimiter = ","

    def __init__(self, stream: BinaryIO, options: ReportOptions) -> None:
        self._stream = stream
        self._options = options
        self._line = csv.writer(_Line, delimiter=self.delimiter, lineterminator="\r\n").writerow
        self._columns: _Columns | None = None

    def write(self, result: Result) -> None:
        """Write one row and flush it.

        Raises ValueError for input that has no column although the options said that the columns were complete.
        """
        if self._columns is None:
            self._columns = self._begin(result.input)
        self._write_cells(self._columns.cells(result))
        self._stream.flush()

    def close(self, summary: Summary) -> None:  # noqa: ARG002 - the protocol's
        """Write the header if no row did."""
        if self._columns is None:
            self._columns = self._begin(None)
        self._stream.flush()

    def _begin(self, first_input: Mapping[str, Any] | None) -> _Columns:
        columns = _Columns(self._options, first_input)
        if self._options.bom:
            self._stream.write(b"\xef\xbb\xbf")
        self._write_cells(map(escape_formula, columns.header))
        return columns

    def _write_cells(self, cells: Iterable[object]) -> None:
        if self._options.width is not None:
            cells = [escape_terminal(cell) if isinstance(cell, str) else cell for cell in cells]
        line: str = self._line(cells)
        self._stream.write(encode(line))


class TsvReport(CsvReport):
    """Writes rows as tab-separated values; quoting is that of CSV."""

    delimiter = "\t"


class _Columns:
    """Which columns there are, and what a row has in each."""

    def __init__(self, options: ReportOptions, first_input: Mapping[str, Any] | None) -> None:
        self._has_other = not options.columns_are_complete
        self._input = options.input_columns or tuple(first_input or () if self._has_other else ())
        self._known = frozenset(self._input)
        self._url_column = options.url_column
        taken = set(self._input)
        own = RESULT_COLUMNS[1:] if self._url_column is not None else RESULT_COLUMNS
        if self._has_other:
            own += (OTHER_INPUT,)
        self.header = [*self._input, *(_free_name(name, taken) for name in own)]

    def cells(self, result: Result) -> list[object]:
        given = result.input
        cells: list[object] = []
        other: str | None = None
        if given is None:
            cells.extend(escape_formula(result.url) if name == self._url_column else None for name in self._input)
        else:
            cells.extend(_input_cell(given.get(name)) for name in self._input)
            if given.keys() != self._known:
                other = self._other_input(given)
        own = _own_cells(result)
        cells.extend(own[1:] if self._url_column is not None else own)
        if self._has_other:
            cells.append(other)
        return cells

    def _other_input(self, given: Mapping[str, Any]) -> str | None:
        other = {name: value for name, value in given.items() if name not in self._known}
        if not other:
            return None
        if not self._has_other:
            names = ", ".join(map(str, other))
            raise ValueError(f"a row's input has columns that the header has not ({names}): give them in input_columns")
        return encode_value(other).decode()


def _free_name(name: str, taken: set[str]) -> str:
    candidate, number = name, 1
    while candidate in taken:
        candidate = f"{PREFIX}{name}" if number == 1 else f"{PREFIX}{name}_{number}"
        number += 1
    taken.add(candidate)
    return candidate


def _own_cells(result: Result) -> list[object]:
    # In the order of RESULT_COLUMNS (a test holds them together). Our own words and numbers need no escaping.
    return [
        escape_formula(result.url),
        result.outcome,
        result.reason,
        result.status,
        result.category,
        result.detail and escape_formula(result.detail),
        result.method,
        result.final_url and escape_formula(result.final_url),
        _hops(result.hops) if result.hops else None,
        result.attempts,
        result.elapsed_ms,
        escape_formula(result.found_in),
        result.checked_at,
        result.cached_at,
    ]


def _hops(hops: tuple[Hop, ...]) -> str:
    return " ".join(f"{hop.status} {hop.url.replace(' ', '%20')}" for hop in hops)


def _input_cell(value: object) -> object:
    if isinstance(value, str):
        return escape_formula(value)
    if value is None or type(value) in (int, float):
        return value
    return encode_value(value).decode()  # true, a list, an object: as JSON has them
