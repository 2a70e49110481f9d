"""The CSV and TSV source: a spreadsheet with URLs in one column; the row's columns go along and come back.

Contract: `Target.input` holds every column of the row, in order and as it stood, the URL's included, so that a report
can write the spreadsheet back with its findings beside it. A row with an empty URL cell is a row; a blank line is none.
Missing cells are "", surplus ones are kept under ``column_N``. Line ends within quoted cells become LF.

The URL's column is the one asked for by name or 1-based number; else the one called ``url`` (in any case); else the
first whose first filled cell is a URL. Where the first row itself has a URL there, the file has no header.

csv.reader reads the cells, but it cannot be fed: it takes a partial record for a whole one when its lines run out. So
records are put together here, by the same rules of quoting, and a record without quotes is split without it. That
also leaves `csv.field_size_limit`, which is global to the process, as it is: 131,072 characters in a quoted cell, four
times what a spreadsheet's cell can hold.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Container, Iterator, Sequence
from functools import partial
from typing import Final

from urlsweep.core.model import Fault, Outcome, Reason, Target
from urlsweep.core.urls import clip, is_web_url
from urlsweep.sources import SourceError
from urlsweep.sources.head import Head
from urlsweep.sources.input import Input
from urlsweep.sources.lines import LONGEST_LINE, PERCENT, Block, Lines, LongLine

LONGEST_SEARCH: Final = 1000
"""Rows held back while a column with URLs is looked for: a list that has none in a thousand rows needs `--column`."""

_DELIMITERS: Final = (",", ";", "\t")
"""On a tie the first wins: the comma is RFC 4180's, the semicolon what Excel writes in much of Europe."""

_NOT_UTF8: Final = re.compile("[\udc80-\udcff]")  # what the error handler surrogateescape makes of such bytes


class TabularParser:
    """Reads delimited rows. Without a `delimiter` it is told from the first row."""

    def __init__(self, given: Input, delimiter: str | None = None) -> None:
        self._given = given
        self._delimiter = delimiter
        self._lines = Lines()
        self._records = _Records(re.compile(f"[{''.join(_DELIMITERS) if delimiter is None else delimiter}]"))
        self._header: list[str] | None = None  # the first row, once it is there
        self._waiting: list[tuple[int, str]] = []  # rows read before the URL's column was known
        self._ruled_out: set[int] = set()  # columns whose first filled cell is no URL
        self._column = -1  # the URL's, counted from 0; -1 while not known
        self._is_utf8 = True  # nothing else was met yet
        self.columns: tuple[str, ...] | None = None  # the keys of every row's `input`, once they are known

    @property
    def url_column(self) -> str | None:
        """The one of `columns` that holds the URLs, once they are known."""
        return self.columns[self._column] if self.columns is not None and self._column >= 0 else None

    def feed(self, data: bytes) -> Iterator[Target]:
        """The rows that `data` completes. Raises SourceError where there is no such column."""
        return self._targets(self._lines.feed(data))

    def close(self) -> Iterator[Target]:
        """What the end completes. Raises SourceError where no column holds a URL."""
        yield from self._targets(self._lines.close())
        if self._records.is_open:
            yield self._unclosed_quote()
        if self._column < 0 and self._waiting:
            raise self._no_column_holds_urls()

    def _targets(self, blocks: Iterator[Block | LongLine]) -> Iterator[Target]:
        for block in blocks:
            if isinstance(block, LongLine):
                if self._records.is_open:
                    yield self._unclosed_quote()
                fault = Fault(Outcome.INVALID, Reason.URL_MALFORMED, block.detail)
                yield Target(block.beginning, self._given.at(block.number), fault=fault)
                continue
            for number, line in enumerate(self._text(block.content).split("\n"), block.number):
                record = self._records.add(number, line)
                if record is None:
                    if self._records.size > LONGEST_LINE:
                        yield self._unclosed_quote()
                elif not record.strip(" "):
                    continue
                elif self._column >= 0:
                    yield self._target(self._records.start, record)
                else:
                    yield from self._first_rows(self._records.start, record)

    def _text(self, content: bytes) -> str:
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            if self._is_utf8:
                self._is_utf8 = False
                self._given.warn(
                    f"{self._given.name} is not UTF-8: taken for Windows-1252; "
                    "save it as UTF-8 if its letters come back wrong"
                )
            return content.decode("utf-8", "surrogateescape")

    def _first_rows(self, number: int, record: str) -> Iterator[Target]:
        """The rows that were held back, as soon as the URL's column is known."""
        if self._delimiter is None:
            self._delimiter = _sniff_delimiter(record, self._given.column)
            self._records.delimiters = re.compile(self._delimiter)
        try:
            cells = _cells(record, self._delimiter)
        except csv.Error:  # told as a row below, or it is a header that nobody can read
            cells = []
        if self._header is None:
            self._header = cells
            self._column, has_header = self._choose_by_first_row(cells)
            if not has_header:
                self._waiting.append((number, record))
        else:
            has_header = True
            self._waiting.append((number, record))
            self._column = self._choose_by_values(cells)
        if self._column < 0:
            return
        self.columns = _column_names([self._readable(name) if has_header else "" for name in self._header])
        for waiting_number, waiting_record in self._waiting:
            yield self._target(waiting_number, waiting_record)
        self._waiting.clear()

    def _target(self, number: int, record: str) -> Target:
        try:
            cells = _cells(record, self._delimiter or _DELIMITERS[0])
        except csv.Error as error:
            fault = Fault(Outcome.INVALID, Reason.URL_MALFORMED, f"the row cannot be read: {error}")
            return Target(clip(record), self._given.at(number), fault=fault)
        columns = self.columns or ()
        url = cells[self._column] if self._column < len(cells) else ""
        if not self._is_utf8:
            url = url.encode("utf-8", "surrogateescape").decode("utf-8", PERCENT)
            cells = [self._readable(cell) for cell in cells]
        row = dict(zip(columns, cells, strict=False))
        for position in range(len(cells), len(columns)):
            row[columns[position]] = ""
        for position in range(len(columns), len(cells)):
            row[_unused(f"column_{position + 1}", row)] = cells[position]
        return Target(url.strip(), self._given.at(number), row)

    def _readable(self, cell: str) -> str:
        """`cell`, its bytes taken for Windows-1252 where they are not UTF-8 (as browsers do: WHATWG Encoding)."""
        if _NOT_UTF8.search(cell) is None:
            return cell
        return cell.encode("utf-8", "surrogateescape").decode("cp1252", "replace")

    def _choose_by_first_row(self, cells: list[str]) -> tuple[int, bool]:
        """The URL's column (-1: look at the values) and whether `cells` is a header."""
        wanted = self._given.column
        if wanted is not None:
            position = _position(wanted, cells)
            if position is None:
                raise self._no_such_column(wanted, cells)
            return position, not _holds_url(cells[position])
        position = _position("url", cells)
        if position is not None:
            return position, True
        position = next((index for index, cell in enumerate(cells) if _holds_url(cell)), -1)
        return position, position < 0

    def _choose_by_values(self, cells: list[str]) -> int:
        """The first column whose first filled cell is a URL, -1 while there is none; `cells` are the row read last."""
        for index, cell in enumerate(cells):
            if index not in self._ruled_out and cell.strip():
                if _holds_url(cell):
                    return index
                self._ruled_out.add(index)
        if len(self._waiting) >= LONGEST_SEARCH:
            raise self._no_column_holds_urls()
        return -1

    def _unclosed_quote(self) -> Target:
        start, end = self._records.start, self._records.end
        self._records.drop()
        detail = (
            f"lines {start} to {end} could not be read as rows: the quote opened in the row of line {start} "
            f"is not closed before the end, nor within {LONGEST_LINE:,} characters; close it or double it"
        )
        return self._given.fault(Reason.SOURCE_MALFORMED, detail, start)

    def _no_such_column(self, wanted: str, cells: Sequence[str]) -> SourceError:
        if any(_holds_url(cell) for cell in cells):
            there_are = f"it has no header; its columns are 1 to {len(cells)}"
        else:
            there_are = f"its columns are {self._listed(cells)}"
        return SourceError(f"{self._given.name} has no column {clip(wanted)!r}: {there_are}")

    def _no_column_holds_urls(self) -> SourceError:
        return SourceError(
            f"{self._given.name}: no column begins with an http(s) URL; choose one with --column "
            f"(its columns are {self._listed(self._header or [])})"
        )

    def _listed(self, cells: Sequence[str]) -> str:
        names = [repr(clip(self._readable(name), 40)) for name in cells]
        return ", ".join(names[:50]) + (", ..." if len(names) > 50 else "")


TsvParser = partial(TabularParser, delimiter="\t")
"""Reads rows with a tab between the cells, whatever else stands in them."""


def resembles_table(head: Head) -> bool | None:
    """Whether a document without a telling name is CSV or TSV; None while more of it is needed.

    A line that is one URL is never split: commas are lawful in URLs. What shows a table is a tab, a cell called
    ``url``, or a cell that is a URL in a line that is none, in the first or, after what may be a header, second line.
    """
    if head.is_column_asked_for:
        return True
    first = head.line(0)
    if first is None:
        return None
    if first.startswith("#"):
        return False
    if _shows_table(first):
        return True
    if _holds_url(first) or not any(delimiter in first for delimiter in _DELIMITERS):
        return False
    second = head.line(1)
    return None if second is None else _shows_table(second)


def _shows_table(line: str) -> bool:
    for delimiter in _DELIMITERS:
        cells = _cells(line, delimiter)
        if _position("url", cells) is not None:
            return True
        if len(cells) > 1 and (delimiter == "\t" or not is_web_url(line)) and any(map(is_web_url, cells)):
            return True
    return False


class _Records:
    """Puts lines together to records: a line end within quotes ends nothing (RFC 4180 section 2.6)."""

    def __init__(self, delimiters: re.Pattern[str]) -> None:
        self.delimiters = delimiters  # matches any character that may end a cell
        self.start = 0  # the line where the record added to last starts
        self.size = 0  # characters of the open record
        self._lines: list[str] = []  # of the open record

    @property
    def end(self) -> int:
        """The line where the open record ends so far."""
        return self.start + len(self._lines) - 1

    @property
    def is_open(self) -> bool:
        """Whether a quote waits for its end."""
        return bool(self._lines)

    def add(self, number: int, line: str) -> str | None:
        """The record that `line` completes, if it completes one: it starts at line `start`."""
        if not self._lines:
            self.start = number
            if '"' not in line or not self._leaves_open(line, False):
                return line
        self._lines.append(line)
        self.size += len(line) + 1
        if len(self._lines) == 1 or '"' not in line or self._leaves_open(line, True):
            return None
        record = "\n".join(self._lines)
        self.drop()
        return record

    def drop(self) -> None:
        """Forget the open record."""
        self._lines.clear()
        self.size = 0

    def _leaves_open(self, line: str, is_quoted: bool) -> bool:
        """Whether a quoted cell goes on after `line`, by csv.reader's rules: a quote opens a cell only as its first
        character, two stand for one, and what follows the closing one up to the delimiter belongs to the cell."""
        position = 0
        while True:
            if not is_quoted and line.startswith('"', position):
                is_quoted = True
                position += 1
            while is_quoted:
                quote = line.find('"', position)
                if quote < 0:
                    return True
                is_quoted = line.startswith('"', quote + 1)
                position = quote + (2 if is_quoted else 1)
            end = self.delimiters.search(line, position)
            if end is None:
                return False
            position = end.end()


def _cells(record: str, delimiter: str) -> list[str]:
    if '"' not in record:
        return record.split(delimiter)
    return next(csv.reader((record,), delimiter=delimiter))


def _sniff_delimiter(record: str, column: str | None) -> str:
    """The delimiter that makes most sense of the first row.

    The one that shows the column that is looked for; else the one that sets a URL free; else the one that gives most
    cells. A row that is one URL as it stands is not cut at a semicolon, which is more often the URL's than the table's.
    """

    def sense(delimiter: str) -> tuple[bool, bool, int]:
        try:
            cells = _cells(record, delimiter)
        except csv.Error:
            return False, False, 0
        if delimiter == ";" and column is None and is_web_url(record):
            return False, False, 0
        position = _position(column or "url", cells)
        candidates = cells if position is None or column is None else [cells[position]]
        return position is not None, any(map(is_web_url, candidates)), len(cells)

    return max(_DELIMITERS, key=sense)


def _position(wanted: str, cells: Sequence[str]) -> int | None:
    """Where in a header the column `wanted`, a 1-based number or a name, stands."""
    if wanted.isdecimal() and 1 <= int(wanted) <= len(cells):
        return int(wanted) - 1
    if wanted in cells:
        return cells.index(wanted)
    name = wanted.strip().casefold()
    return next((index for index, cell in enumerate(cells) if cell.strip().casefold() == name), None)


def _holds_url(cell: str) -> bool:
    """Whether `cell` is no header: a URL, or what was meant as one."""
    return "://" in cell or is_web_url(cell)


def _column_names(names: list[str]) -> tuple[str, ...]:
    """One key for each column: an empty name becomes ``column_N``, one that was there before gets its number
    behind it: ``name_N``."""
    unique: dict[str, None] = {}
    for position, name in enumerate(names, 1):
        key = name or f"column_{position}"
        unique[key if key not in unique else _unused(f"{key}_{position}", unique)] = None
    return tuple(unique)


def _unused(name: str, names: Container[str]) -> str:
    while name in names:
        name += "_"
    return name
