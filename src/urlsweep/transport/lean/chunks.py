"""A chunked body's frames undone (RFC 9112 section 7.1).

Contract: `feed` gives the pieces of the body, bounded by what was fed; raises ChunkError for what is no chunked body.
Lenient only where llhttp, the reference, is as aiohttp sets it: a lone LF ends a line, and spaces may follow a size.
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n\0]*)?\r?\n")
_LONGEST_LINE: Final = 4096
"""Of a size with its extensions, which nobody sends."""

_TRAILER_BYTES: Final = 64 * 1024
"""Of all trailer fields together; none of them is wanted."""


class ChunkError(Exception):
    """The bytes are no chunked body."""


class _Expected(Enum):
    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILER = auto()
    NOTHING = auto()


class Dechunker:
    """One body."""

    __slots__ = ("_buffer", "_expected", "_left", "_trailer_left")

    def __init__(self) -> None:
        self._buffer = b""
        self._expected = _Expected.SIZE
        self._left = 0  # bytes of the chunk
        self._trailer_left = _TRAILER_BYTES

    @property
    def is_complete(self) -> bool:
        """Whether the body has ended."""
        return self._expected is _Expected.NOTHING

    @property
    def rest(self) -> bytes:
        """What came after the end of the body."""
        return self._buffer if self.is_complete else b""

    def feed(self, data: bytes) -> list[bytes]:
        """The pieces of the body in `data`. Raises ChunkError."""
        data = self._buffer + data
        pieces: list[bytes] = []
        start = 0
        while start < len(data) and self._expected is not _Expected.NOTHING:
            if self._expected is _Expected.DATA:
                piece = data[start : start + self._left]
                pieces.append(piece)
                start += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._expected = _Expected.DATA_END
                continue
            end = data.find(b"\n", start)
            if end < 0:
                if len(data) - start > _LONGEST_LINE:
                    raise ChunkError
                break
            self._take_line(data[start : end + 1])
            start = end + 1
        self._buffer = data[start:]
        return pieces

    def _take_line(self, line: bytes) -> None:
        if self._expected is _Expected.SIZE:
            match = _SIZE.fullmatch(line)
            if match is None or len(line) > _LONGEST_LINE:
                raise ChunkError
            self._left = int(match[1], 16)
            self._expected = _Expected.DATA if self._left else _Expected.TRAILER
        elif self._expected is _Expected.DATA_END:
            if line not in (b"\r\n", b"\n"):
                raise ChunkError
            self._expected = _Expected.SIZE
        else:
            self._trailer_left -= len(line)
            if self._trailer_left < 0:
                raise ChunkError
            if line in (b"\r\n", b"\n"):
                self._expected = _Expected.NOTHING
