"""What a report may be told about its surroundings.

Contract: frozen values; a report takes what concerns it and ignores the rest.
Not in here: where the values come from (flags, the terminal), which is the CLI's to know.
"""

from __future__ import annotations

import msgspec


class ReportOptions(msgspec.Struct, frozen=True):
    """How rows are to be written. The defaults suit a file or a pipe."""

    bom: bool = False  # begin CSV and TSV with U+FEFF: Excel takes UTF-8 for the local code page without it
    color: bool = False  # ANSI colours in the text report
    width: int | None = None  # the terminal's columns; None where the stream is no terminal
    verbose: int = 0  # text: from 1 on, rows that are ok or skipped are written too

    input_columns: tuple[str, ...] = ()
    """CSV: the inputs' columns that are known before the first row, in the order they are to come back. Where none are
    given, the first row's `input` tells them."""

    columns_are_complete: bool = False
    """CSV: no row's `input` has a key that is not in `input_columns`: the CLI says so of a run over arguments, text,
    sitemaps and CSV files whose headers it has read. Otherwise a last column `input` is there for what has no column
    of its own."""

    url_column: str | None = None
    """CSV: the one of `input_columns` that holds the URLs; the result's own `url` column is left out then."""

    def __post_init__(self) -> None:
        """Raises ValueError where the values contradict each other."""
        if self.width is not None and self.width < 1:
            raise ValueError(f"width must be 1 or more columns, not {self.width}")
        if len(set(self.input_columns)) != len(self.input_columns):
            raise ValueError(f"input_columns names a column twice: {', '.join(self.input_columns)}")
        if self.url_column is not None and self.url_column not in self.input_columns:
            raise ValueError(f"url_column {self.url_column!r} is not one of input_columns")
