"""Content-Encoding undone, in pieces of bounded size.

Contract: `feed` gives pieces of at most PIECE_BYTES however much a few bytes blow up to; `finish` raises if the coded
body was not complete. Only what Python itself can undo: gzip and deflate, which is what a request should ask for.
aiohttp's own decoding is not used: it takes a gzip body that breaks off for a complete one.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

PIECE_BYTES: Final = 64 * 1024
"""The largest piece of a decoded body: what a bomb can cost before the caller has counted it."""

_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS
_NAMES: Final = {"gzip": "gzip", "x-gzip": "gzip", "deflate": "deflate"}  # RFC 9110 section 8.4.1


class DecodingError(Exception):
    """The body is not what its Content-Encoding says; the text is fit for a sentence."""


class Decoder:
    """Undoes one Content-Encoding."""

    def __init__(self, content_encoding: str) -> None:
        """`content_encoding`: the field's value, "" where there is none. Raises DecodingError for an unknown one."""
        codings = [coding.strip().lower() for coding in content_encoding.split(",")]
        codings = [coding for coding in codings if coding not in ("", "identity")]
        if len(codings) > 1 or any(coding not in _NAMES for coding in codings):
            raise DecodingError(f"is encoded as {', '.join(codings)[:40]!r}, which is not spoken here")
        self._coding = _NAMES[codings[0]] if codings else ""
        self._inflater: zlib._Decompress | None = None
        self._held = b""  # a first byte alone does not tell which deflate it is
        self._has_ended = False  # one member of it at least
        self._is_over = False  # the coded body has ended: what comes behind it, padding mostly, says nothing

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The decoded pieces of `data`. Raises DecodingError."""
        if not self._coding:
            for position in range(0, len(data), PIECE_BYTES):
                yield data[position : position + PIECE_BYTES]
            return
        data, self._held = self._held + data, b""
        while data and not self._is_over:
            if self._inflater is None:
                if self._has_ended and not data.startswith(b"\x1f"):
                    self._is_over = True
                    return
                if self._coding == "deflate" and len(data) == 1:
                    self._held = data
                    return
                self._inflater = self._new_inflater(data)
            piece, data = self._inflate(self._inflater, data)
            if piece:
                yield piece

    def finish(self) -> None:
        """Say that the body has ended. Raises DecodingError if the coding had not."""
        if self._inflater is not None or self._held:
            raise DecodingError(f"breaks off within its {self._coding} encoding")

    def _inflate(self, inflater: zlib._Decompress, data: bytes) -> tuple[bytes, bytes]:
        try:
            piece = inflater.decompress(data, PIECE_BYTES)
        except zlib.error:
            raise DecodingError(f"is not what its Content-Encoding, {self._coding}, says") from None
        if not inflater.eof:
            return piece, inflater.unconsumed_tail
        self._inflater = None
        self._has_ended = True
        self._is_over = self._coding != "gzip"  # of gzip, another member may follow (RFC 1952 section 2.2)
        return piece, inflater.unused_data

    def _new_inflater(self, data: bytes) -> zlib._Decompress:
        if self._coding == "gzip":
            return zlib.decompressobj(_GZIP_WINDOW)
        # "deflate" is the zlib format; some servers send the bare stream (RFC 9110 section 8.4.1.2).
        is_zlib = data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0
        return zlib.decompressobj(zlib.MAX_WBITS if is_zlib else -zlib.MAX_WBITS)
