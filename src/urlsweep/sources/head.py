"""The beginning of a document, as far as it is there: what the kind of a source is told from.

Contract: answers depend on the bytes alone, never on how many more happen to be there already, so that a slow pipe and
a file are read alike.
"""

from __future__ import annotations

import codecs
from functools import cached_property
from typing import Final

from urlsweep.sources.utf8 import Utf8

HEAD_LIMIT: Final = 64 * 1024
"""Bytes: a first line that goes on for longer is judged by what is there."""


class Head:
    """Some first bytes of a document."""

    def __init__(
        self, data: bytes, *, is_whole: bool = False, ending: str = "", is_column_asked_for: bool = False
    ) -> None:
        self.ending = ending  # the name's, in lower case, with its dot
        self.is_column_asked_for = is_column_asked_for
        self.is_whole = is_whole or len(data) >= HEAD_LIMIT  # nothing comes behind it
        self._data = data[:HEAD_LIMIT]

    @cached_property
    def text(self) -> str:
        """It, decoded, without a BOM and without white space before the first character."""
        content = Utf8().decode(self._data, is_end=self.is_whole)
        # A decoder that may wait: a character cut in two is not yet there, rather than wrong.
        return codecs.getincrementaldecoder("utf-8")("replace").decode(content, self.is_whole).lstrip()

    @cached_property
    def _lines(self) -> list[str]:
        lines = self.text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        if not self.is_whole:
            del lines[-1]  # its end has not come yet
        return [line for line in lines if line.strip()]

    def line(self, index: int) -> str | None:
        """Line `index` (from 0), blank ones not counted; None while it is not there whole, "" where there is none."""
        if index < len(self._lines):
            return self._lines[index]
        return "" if self.is_whole else None
