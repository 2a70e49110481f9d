"""Cuts a document's bytes into lines for the line-based parsers: bounded, and a block at a time for speed.

Contract: a line ends with LF, CRLF or a lone CR, and the blocks that come out hold LF only. A BOM is dropped; UTF-16,
told by its BOM (Windows Notepad and PowerShell write it), becomes UTF-8. What is given does not depend on how the
bytes were cut into chunks, save where one block ends and the next begins.
Not in here: what a line means.

A lone CR ends a line because WHATWG URL parsing drops CR and LF from within a URL: two lines of an old Macintosh
file would otherwise become one wrong URL, silently.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Final, NamedTuple

from urlsweep.sources.utf8 import Utf8

LONGEST_LINE: Final = 1024 * 1024
"""Bytes. No browser or server takes a URL of a megabyte (RFC 9110 section 4.1 asks for 8,000 bytes at least); a JSON
object with a page's whole text beside its URL still fits."""

_PIECE: Final = 64 * 1024  # bytes worked on at a time: must not be above LONGEST_LINE
_BEGINNING: Final = 200  # bytes shown of a line that is too long

PERCENT: Final = "urlsweep.percent"
"""Name of the decoding error handler that gives each byte that is not UTF-8 as ``%E9``: what a URL's bytes would be
on the wire."""


def _percent_encode(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    wrong = error.object[error.start : error.end]
    return "".join(f"%{byte:02X}" for byte in wrong), error.end


codecs.register_error(PERCENT, _percent_encode)


class Block(NamedTuple):
    """Some whole lines that follow each other."""

    number: int  # of the first of them, counted from 1
    content: bytes  # the lines, with LF between them and none at the end


class LongLine(NamedTuple):
    """A line above `LONGEST_LINE`. The rest of it is passed over."""

    number: int
    beginning: str  # enough of it to find it by

    @property
    def detail(self) -> str:
        """What is wrong with it, in one sentence."""
        return f"the line is longer than {LONGEST_LINE:,} bytes: put one URL on a line"


class Lines:
    """Takes chunks, gives blocks of whole lines."""

    def __init__(self) -> None:
        self._utf8 = Utf8()
        self._number = 1  # of the line that `_tail` begins
        self._tail = bytearray()  # a line whose end has not come yet
        self._is_skipping = False  # in the rest of a line that was too long
        self._after_cr = False  # the last byte was a CR, already counted as a line's end

    def feed(self, data: bytes) -> Iterator[Block | LongLine]:
        """The lines that `data` completes."""
        for start in range(0, len(data), _PIECE):
            yield from self._cut(self._utf8.decode(data[start : start + _PIECE]))

    def close(self) -> Iterator[Block | LongLine]:
        """The last line, where no line end followed it."""
        yield from self._cut(self._utf8.decode(b"", is_end=True))
        if self._tail:
            yield Block(self._number, bytes(self._tail))
            self._tail.clear()

    def _cut(self, piece: bytes) -> Iterator[Block | LongLine]:
        if self._after_cr and piece.startswith(b"\n"):
            piece = piece[1:]
            self._after_cr = False
        if not piece:
            return
        self._after_cr = piece.endswith(b"\r")
        if b"\r" in piece:
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        first = piece.find(b"\n")
        # A piece is shorter than the longest line may be: only the line that began before it can be too long.
        if first >= 0 and (self._is_skipping or len(self._tail) + first > LONGEST_LINE):
            if not self._is_skipping:
                yield self._long_line(piece)
            self._is_skipping = False
            self._number += 1
            self._tail.clear()
            piece = piece[first + 1 :]
        last = piece.rfind(b"\n")
        if last >= 0:
            block = Block(self._number, bytes(self._tail) + piece[:last])
            self._number += piece.count(b"\n")
            self._tail.clear()
            yield block
        if not self._is_skipping:
            self._tail += piece[last + 1 :]
            if len(self._tail) > LONGEST_LINE:
                yield self._long_line(b"")
                self._tail.clear()
                self._is_skipping = True

    def _long_line(self, more: bytes) -> LongLine:
        beginning = bytes(self._tail[:_BEGINNING]) + more[: max(0, _BEGINNING - len(self._tail))]
        return LongLine(self._number, beginning.decode("utf-8", "replace"))
