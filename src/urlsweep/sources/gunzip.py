"""Undoes gzip, told by its magic bytes whatever the name says; anything else passes through as it is.

Contract: push-style, in pieces of about `PIECE` bytes, so that a bomb is stopped before it is unpacked. All that can
be read before a fault is given before `DamageError` is raised. Several members behind each other are one document, zero
bytes behind the last are padding (RFC 1952 section 2.2, and what gzip(1) does).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

from urlsweep.core.model import Reason

PIECE: Final = 64 * 1024  # bytes

_MAGIC: Final = b"\x1f\x8b"  # RFC 1952 section 2.3.1
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS  # zlib's way to ask for a gzip header and checksum

HIGHEST_RATIO: Final = 200
"""Times the compressed size. Deflate reaches 1,032; sitemaps, the most regular of texts, stay under 50."""

FREE_BYTES: Final = 10 * 1024 * 1024
"""Unpacked bytes that do no harm whatever their ratio: small lists of much the same URL compress very well."""


class DamageError(Exception):
    """Gzip data cannot be read on: `reason` is a `source.*` reason, `detail` a sentence for people."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class Gunzip:
    """Takes a document's chunks, gives them unpacked."""

    def __init__(self) -> None:
        self._head: bytes | None = b""  # first bytes that may yet become the magic ones; None once that is known
        self._is_gzip = False
        self._inflate: zlib._Decompress | None = None  # None between two members
        self._bytes_in = 0
        self._bytes_out = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What `data` unpacks to. Raises DamageError."""
        if self._head is not None:
            data = self._head + data
            self._head = None
            if len(data) < len(_MAGIC) and _MAGIC.startswith(data):
                self._head = data
                return
            self._is_gzip = data.startswith(_MAGIC)
            self._inflate = zlib.decompressobj(_GZIP_WINDOW)
        if not self._is_gzip:
            if data:
                yield data
            return
        for start in range(0, len(data), PIECE):
            yield from self._unpack(data[start : start + PIECE])

    def close(self) -> Iterator[bytes]:
        """What was held back. Raises DamageError where the last member is not whole."""
        if self._head:
            yield self._head
        elif self._is_gzip and self._inflate is not None:
            raise DamageError(Reason.SOURCE_TRUNCATED, "the gzip data ends before its end: it is cut off")

    def _unpack(self, data: bytes) -> Iterator[bytes]:
        self._bytes_in += len(data)
        has_more = True
        while data or has_more:
            if self._inflate is None:
                data = data.lstrip(b"\0")
                if not data:
                    return
                self._inflate = zlib.decompressobj(_GZIP_WINDOW)
            before = self._inflate.copy()
            try:
                piece = self._inflate.decompress(data, PIECE)
            except zlib.error as error:
                yield from _salvage(before, data)
                raise DamageError(Reason.SOURCE_MALFORMED, f"the gzip data is damaged ({error})") from error
            if piece:
                self._bytes_out += len(piece)
                self._refuse_bomb()
                yield piece
            if self._inflate.eof:
                data = self._inflate.unused_data
                self._inflate = None
                has_more = False
            else:
                data = self._inflate.unconsumed_tail
                has_more = len(piece) == PIECE  # some output may still wait within zlib

    def _refuse_bomb(self) -> None:
        if self._bytes_out > FREE_BYTES and self._bytes_out > HIGHEST_RATIO * self._bytes_in:
            raise DamageError(
                Reason.SOURCE_UNSAFE,
                f"the gzip data unpacks to more than {HIGHEST_RATIO} times its size, as bombs do: "
                "if it is what it should be, unpack it first",
            )


def _salvage(inflate: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    """What `data` holds before its damage: zlib keeps back what it read in the very call that fails."""
    for position in range(len(data)):
        try:
            piece = inflate.decompress(data[position : position + 1])
        except zlib.error:
            return
        if piece:
            yield piece
