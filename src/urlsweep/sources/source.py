"""Sources: what one argument of a run gives, block by block.

Contract: `blocks` is lazy and is run once. It may raise SourceError before its first target (a pipe without the column
that was asked for); whatever goes wrong later, and all that goes wrong with fetched documents, is a row.
Not in here: what an argument means (see `opening`), what a document's bytes mean (see `reading`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import aclosing
from itertools import chain, islice
from typing import Final, NamedTuple, Protocol
from urllib.parse import quote

from urlsweep.core.documents import Fetcher, FetchError
from urlsweep.core.model import Fault, Outcome, Reason, Target
from urlsweep.core.urls import Url, clip, parse, redact, resolve
from urlsweep.sources import SourceError
from urlsweep.sources.child import Child
from urlsweep.sources.download import Download
from urlsweep.sources.input import Input
from urlsweep.sources.pump import OpenStream, pump
from urlsweep.sources.reading import Reading
from urlsweep.sources.robots import ROBOTS_LIMIT, RobotsParser
from urlsweep.sources.tabular import TabularParser

DEEPEST_INDEX: Final = 5
"""Indexes within indexes. sitemaps.org allows none; sites that do it all the same have two or three."""

MOST_SITEMAPS: Final = 200_000
"""Sitemaps read for one argument: at 50,000 URLs each ten thousand million, so that more of them is a trap."""

MOST_IN_BLOCK: Final = 256
"""Targets that are given at once: each that were given alone would pass through every layer between here and the
engine."""


class Source(Protocol):
    """Gives the targets of one argument."""

    @property
    def name(self) -> str:
        """What people know it by; without a password."""

    @property
    def found(self) -> int:
        """Rows given so far that came from the input."""

    @property
    def failed(self) -> bool:
        """Whether something could not be read, and no row was found at all: exit code 3."""

    @property
    def columns(self) -> tuple[str, ...] | None:
        """A table's: a CSV file's from the start, a pipe's from its first target on; None for anything else."""

    @property
    def url_column(self) -> str | None:
        """The one of `columns` that holds the URLs, from the first target on."""

    def blocks(self) -> AsyncGenerator[Sequence[Target], None]:
        """Every target, faults included, `MOST_IN_BLOCK` at a time at the most and never waiting for more to come.
        Close it (`contextlib.aclosing`) when it is left early."""


async def each_target(source: Source) -> AsyncGenerator[Target, None]:
    """The targets of `source`, one by one: for who has no use for blocks. Close it when it is left early."""
    async with aclosing(source.blocks()) as blocks:
        async for block in blocks:
            for target in block:
                yield target


class UrlSource:
    """An argument that is itself a URL."""

    def __init__(self, url: str, position: int) -> None:
        self.failed = False
        self.name = redact(url)
        self.found = 0
        self._target = Target(url.strip(), f"argument {position}")

    columns = None
    url_column = None

    async def blocks(self) -> AsyncGenerator[Sequence[Target], None]:
        """The one target."""
        self.found = 1
        yield (self._target,)


class _Pending(NamedTuple):
    """A document to be read."""

    url: str  # "" for the local one that the source was made for
    found_in: str
    depth: int  # how many documents lead to it
    is_named_by_public: bool = False  # a public server led to it: it must not be private


class _Batch(NamedTuple):
    """What one chunk of a document gave."""

    base: str  # what the document's relative URLs are resolved against; "" for a local one
    is_public: bool  # the document comes from a public server
    items: Iterator[Target | Child]


class DocumentSource:
    """A document, local or fetched, and all documents that it names, each read to its end before the next.

    The sitemaps that an index names are asked for once the index is read; one that was read before is not read again,
    which also ends every cycle. One that cannot be had is a row, and the others go on.
    """

    def __init__(
        self,
        given: Input,
        *,
        open_stream: OpenStream | None = None,
        format_name: str | None = None,
        expects_sitemap: bool = False,
        columns: tuple[str, ...] | None = None,
        fetcher: Fetcher | None = None,
    ) -> None:
        """Without `open_stream`, `given.name` is a URL: a sitemap's, or a site's root."""
        self.name = redact(given.name)
        self._columns = columns
        self._table: TabularParser | None = None  # what reads it, where it is a local table
        self.found = 0
        self._has_fault = False
        self._given = given
        self._open_stream = open_stream
        self._format_name = format_name
        self._expects_sitemap = expects_sitemap
        self._fetcher = fetcher
        self._seen: set[str] = set()  # sitemaps that were read or wait to be
        self._repeats = 0  # in the document that is being read: names of sitemaps seen before

    @property
    def failed(self) -> bool:
        """See `Source.failed`."""
        return self._has_fault and not self.found

    @property
    def columns(self) -> tuple[str, ...] | None:
        """See `Source.columns`."""
        return self._columns if self._table is None else self._table.columns

    @property
    def url_column(self) -> str | None:
        """See `Source.url_column`."""
        return None if self._table is None else self._table.url_column

    async def blocks(self) -> AsyncGenerator[Sequence[Target], None]:
        """Every target in the documents' order, faults included."""
        pending = await self._first()  # the next one last
        while pending:
            document = pending.pop()
            children: list[_Pending] = []
            self._repeats = 0
            if document.url or self._open_stream is None:
                batches = self._read_fetched(document)
            else:
                batches = self._read_local(self._open_stream)
            async with aclosing(batches):
                async for base, is_public, items in batches:
                    while given := list(islice(items, MOST_IN_BLOCK)):
                        block = [item for item in given if isinstance(item, Target)]
                        if len(block) < len(given):
                            block = []
                            for item in given:
                                named = (
                                    self._admit(item, base, document.depth + 1, is_named_by_public=is_public)
                                    if isinstance(item, Child)
                                    else item
                                )
                                if isinstance(named, _Pending):
                                    children.append(named)
                                elif named is not None:  # a sitemap that cannot be read is a row
                                    block.append(named)
                        self._count(block)
                        if block:
                            yield block
            if self._repeats:
                name = redact(document.url) or self.name
                self._given.warn(f"{name} names {self._repeats:,} sitemap(s) again that were already named: read once")
            pending.extend(reversed(children))

    def _count(self, block: Sequence[Target]) -> None:
        faults = [target.fault for target in block if target.fault is not None]
        unread = sum(fault.outcome is not Outcome.INVALID for fault in faults)
        self.found += len(block) - unread
        self._has_fault = self._has_fault or unread > 0

    async def _first(self) -> list[_Pending]:
        if self._open_stream is not None:
            return [_Pending("", "", 0)]
        url = parse(self._given.name)
        if not isinstance(url, Url):
            raise SourceError(f"{self.name}: {url.detail}")
        if url.href == f"{url.origin}/":
            return await self._sitemaps_of_site(url)
        self._seen.add(url.href)
        return [_Pending(self._given.name, self.name, 0)]

    async def _sitemaps_of_site(self, root: Url) -> list[_Pending]:
        """What the site's robots.txt names, the last one first; else its /sitemap.xml."""
        robots = _beside(root, "/robots.txt")
        children: list[Child] = []
        base, is_public = robots, True
        try:
            async with Download(self._fetcher_or_fault(), robots) as download:
                base = await download.final_url()
                is_public = download.is_public
                parser = RobotsParser(Input(redact(robots), url=base))
                size = 0
                async with aclosing(download.chunks()) as chunks:
                    async for chunk in chunks:
                        children.extend(parser.feed(chunk))
                        size += len(chunk)
                        if size > ROBOTS_LIMIT:
                            break
                    else:
                        children.extend(parser.close())
        except FetchError as error:
            # 4xx: there is none, and nothing to say about it (RFC 9309 section 2.3.1.3).
            if not 400 <= (error.fault.status or 0) < 500:
                self._given.warn(f"{redact(robots)} could not be read ({error.fault.detail})")
        admitted = [self._admit(child, base, 0, is_named_by_public=is_public) for child in children]
        pending = [entry for entry in admitted if isinstance(entry, _Pending)]
        for entry in admitted:
            if isinstance(entry, Target):
                self._given.warn(f"{redact(robots)} names the sitemap {clip(entry.url)!r}, which is no URL to fetch")
        return pending[::-1] or [_Pending(_beside(root, "/sitemap.xml"), self.name, 0)]

    async def _read_local(self, open_stream: OpenStream) -> AsyncGenerator[_Batch, None]:
        reading = Reading(self._given, self._format_name, expects_sitemap=self._expects_sitemap)
        try:
            async with aclosing(pump(open_stream)) as chunks:
                async for chunk in chunks:
                    yield _Batch("", False, self._noting_table(reading, reading.feed(chunk)))
                    if reading.is_over:
                        return
            yield _Batch("", False, self._noting_table(reading, reading.close()))
        except OSError as error:
            detail = f"reading it failed: {error.strerror or error}"
            yield _Batch("", False, iter([self._given.fault(Reason.SOURCE_UNREADABLE, detail)]))

    def _noting_table(self, reading: Reading, items: Iterator[Target | Child]) -> Iterator[Target | Child]:
        """`items`; what reads them is known once there is one."""
        first = next(items, None)
        if first is None:
            return items
        if isinstance(reading.parser, TabularParser):
            self._table = reading.parser
        return chain((first,), items)

    async def _read_fetched(self, document: _Pending) -> AsyncGenerator[_Batch, None]:
        name = redact(document.url)
        try:
            only = document.is_named_by_public
            async with Download(self._fetcher_or_fault(), document.url, public_only=only) as download:
                base = await download.final_url()
                reading = Reading(Input(name, url=base, warn=self._given.warn), expects_sitemap=True)
                async with aclosing(download.chunks()) as chunks:
                    async for chunk in chunks:
                        yield _Batch(base, download.is_public, reading.feed(chunk))
                        if reading.is_over:
                            return
                yield _Batch(base, download.is_public, reading.close())
        except FetchError as error:
            # What the body broke off in, a line or an element, is not closed: it must not pass for a whole one.
            yield _Batch("", True, iter([Target(name, document.found_in, fault=error.fault)]))

    def _fetcher_or_fault(self) -> Fetcher:
        if self._fetcher is None:
            raise FetchError(
                Fault(Outcome.BROKEN, Reason.SOURCE_UNREADABLE, "nothing was given to fetch documents with")
            )
        return self._fetcher

    def _admit(self, child: Child, base: str, depth: int, *, is_named_by_public: bool) -> _Pending | Target | None:
        """The document to read for `child`; a row where it cannot be read; None where it was named before."""
        base_url = parse(base)
        url = resolve(base_url._replace(fragment=""), child.url) if isinstance(base_url, Url) else parse(child.url)
        if not isinstance(url, Url):
            return Target(redact(child.url), child.found_in, fault=url)
        if url.href in self._seen:
            self._repeats += 1
            return None
        if depth > DEEPEST_INDEX:
            refusal = f"refused: sitemap indexes nested more than {DEEPEST_INDEX} deep"
        elif len(self._seen) >= MOST_SITEMAPS:
            refusal = f"refused: more than {MOST_SITEMAPS:,} sitemaps"
        else:
            self._seen.add(url.href)
            # A sitemap's own URL is asked with the user name it was written with; only an absolute one can have it.
            named = child.url if url.has_credentials else url.href
            return _Pending(named, child.found_in, depth, is_named_by_public)
        fault = Fault(Outcome.BROKEN, Reason.SOURCE_UNSAFE, refusal)
        return Target(url.shown, child.found_in, fault=fault)


def _beside(root: Url, path: str) -> str:
    """`path` on the site of `root`, with the credentials that its URL was given with."""
    userinfo = ""
    if root.has_credentials:
        userinfo = f"{quote(root.username, safe='')}:{quote(root.password, safe='')}@"
    return f"{root.scheme}://{userinfo}{root.origin.partition('://')[2]}{path}"
