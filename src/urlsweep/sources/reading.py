"""One document from its raw bytes to its targets: gzip undone, its format told, its parser fed.

Contract: itself a `Parser`, pure. It adds what is the same for all formats: the faults of gzip, a bound on what a
fetched document may unpack to, and the warnings about sitemaps.org's limits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from urlsweep.core.model import Reason, Target
from urlsweep.sources import Parser
from urlsweep.sources.child import Child
from urlsweep.sources.detect import detect, foreign_kind, may_be_foreign
from urlsweep.sources.gunzip import DamageError, Gunzip
from urlsweep.sources.head import HEAD_LIMIT, Head
from urlsweep.sources.input import Input
from urlsweep.sources.registry import FORMATS, SITEMAP_FORMATS

SITEMAP_URLS: Final = 50_000
SITEMAP_BYTES: Final = 52_428_800
"""What one sitemap may hold (sitemaps.org, "Sitemap file format"): warned about, since servers live with more."""

FETCHED_BYTES: Final = 1024 * 1024 * 1024
"""Unpacked bytes of one fetched document, twenty times the limit of sitemaps.org: a server that sends for ever must not
keep a run from ending. A file or a pipe, which somebody chose to give, may be of any length."""

_LONG_LINE: Final = 4096  # bytes
_LAYERS: Final = 2
"""Of gzip: some servers compress a .gz file once more and do not say so."""


class Reading:
    """Reads one document: of the format called `format_name`, or of whichever it is told to be.

    With `expects_sitemap` it is one of the two that a sitemap can have, and an empty document is a fault.
    """

    def __init__(
        self,
        given: Input,
        format_name: str | None = None,
        *,
        expects_sitemap: bool = False,
        limit_bytes: int | None = None,
    ) -> None:
        self._given = given
        self._expects_sitemap = expects_sitemap
        self._formats = SITEMAP_FORMATS if expects_sitemap else FORMATS
        self._limit_bytes = FETCHED_BYTES if limit_bytes is None and given.url is not None else limit_bytes
        self._layers = [Gunzip() for _ in range(_LAYERS)]
        self._head: bytearray | None = bytearray()  # what came before the parser was chosen; None afterwards
        self._format_name = format_name
        self._size = 0  # unpacked bytes
        self._count = 0  # of what a sitemap gave
        self.parser: Parser | None = None  # None until the format is known
        self.is_over = False  # a fault or the end was reached: there is nothing more to feed

    def feed(self, data: bytes) -> Iterator[Target | Child]:
        """Everything that `data` completes; nothing once `is_over`."""
        if self.is_over:
            return
        try:
            for piece in self._unpacked(data, 0):
                yield from self._read(piece)
                if self.is_over:
                    return
        except DamageError as error:
            yield self._fault(error.reason, error.detail)

    def close(self) -> Iterator[Target | Child]:
        """Everything that the end completes; nothing once `is_over`."""
        if self.is_over:
            return
        try:
            for depth, layer in enumerate(self._layers, 1):
                for held_back in layer.close():
                    for piece in self._unpacked(held_back, depth):
                        yield from self._read(piece)
        except DamageError as error:
            # The parser is not closed: a line or an element that was cut in two must not pass for a whole one.
            yield self._fault(error.reason, error.detail)
            return
        if self._head is not None:
            yield from self._choose_parser(is_whole=True)
        if self.parser is None or self.is_over:
            return
        yield from self._counted(self.parser.close())
        self.is_over = True
        if self._is_sitemap and self._count == 0:
            self._given.warn(f"{self._given.name} holds no URL")

    def _unpacked(self, data: bytes, depth: int) -> Iterator[bytes]:
        if depth == len(self._layers):
            yield data
            return
        for piece in self._layers[depth].feed(data):
            yield from self._unpacked(piece, depth + 1)

    def _read(self, piece: bytes) -> Iterator[Target | Child]:
        size_before = self._size
        self._size += len(piece)
        if self._limit_bytes is not None and self._size > self._limit_bytes:
            yield self._fault(Reason.SOURCE_UNSAFE, f"refused: the document is longer than {self._limit_bytes:,} bytes")
            return
        if size_before <= SITEMAP_BYTES < self._size and self._is_sitemap:
            self._given.warn(f"{self._given.name} is longer than the {SITEMAP_BYTES:,} bytes a sitemap should have")
        if self._head is not None:
            self._head += piece
            # A long line that comes in crumbs is not looked at again until it ends or is long enough to be judged.
            if len(self._head) < _LONG_LINE or b"\n" in piece or b"\r" in piece or len(self._head) >= HEAD_LIMIT:
                yield from self._choose_parser(is_whole=False)
        elif self.parser is not None:
            yield from self._counted(self.parser.feed(piece))

    def _choose_parser(self, *, is_whole: bool) -> Iterator[Target | Child]:
        """Feeds the parser what was held back, as soon as it can be chosen."""
        data = bytes(self._head or b"")
        kind = foreign_kind(data)
        if kind is not None and self._format_name is None:
            yield self._fault(Reason.SOURCE_MALFORMED, f"this is {kind}")
            return
        if self._format_name is None:
            if may_be_foreign(data) and not is_whole:
                return
            head = Head(
                data,
                is_whole=is_whole,
                ending=self._given.ending,
                is_column_asked_for=self._given.column is not None,
            )
            if self._expects_sitemap and is_whole and not head.text:
                yield self._fault(Reason.SOURCE_MALFORMED, "the document is empty: a sitemap was expected")
                return
            self._format_name = detect(head, self._formats)
            if self._format_name is None:
                return
        self.parser = self._formats[self._format_name].parser(self._given)
        self._head = None
        yield from self._counted(self.parser.feed(data))

    @property
    def _is_sitemap(self) -> bool:
        return self._expects_sitemap or self._format_name == "sitemap"

    def _counted(self, items: Iterator[Target | Child]) -> Iterator[Target | Child]:
        if not self._is_sitemap:
            yield from items
            return
        for item in items:
            self._count += 1
            if self._count == SITEMAP_URLS + 1:
                self._given.warn(f"{self._given.name} holds more than the {SITEMAP_URLS:,} URLs a sitemap should have")
            yield item

    def _fault(self, reason: Reason, detail: str) -> Target:
        self.is_over = True
        return self._given.fault(reason, detail)
