"""The inputs of one run: opened before anything is asked, read one after the other.

Contract: `opened` raises SourceError for whatever can be known to be wrong beforehand. Not in here:
what an input's bytes mean (`sources`), what a URL's check may do (`core.policy`).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Final, NamedTuple

from urlsweep.cli.console import Console
from urlsweep.cli.exit_codes import UsageError
from urlsweep.core.documents import Fetcher
from urlsweep.core.model import Outcome, Target
from urlsweep.core.policy import Policy
from urlsweep.core.urls import Url, parse
from urlsweep.engine import UnscopedCredentialError
from urlsweep.settings import Settings
from urlsweep.sources import SourceError
from urlsweep.sources.input import Input
from urlsweep.sources.jsonl import JsonLinesParser
from urlsweep.sources.opening import STDIN, open_sitemap, open_source
from urlsweep.sources.pump import CHUNK, RawStream
from urlsweep.sources.reading import Reading
from urlsweep.sources.source import Source, each_target

FAULTS_TOLD: Final = 20
"""Faults of inputs that are told as they are met; all of them are rows of the report."""

LOOKED_AHEAD: Final = 100_000
"""Targets of each file that are looked at for their origin before a credential without one is sent anywhere. What lies
behind them is held against that origin when it is read."""

_TABLES: Final = ("csv", "tsv")


class Argument(NamedTuple):
    """One input as the command line names it."""

    text: str
    position: int  # among the arguments, from 1; 0 for --sitemap
    is_sitemap: bool

    @property
    def url(self) -> Url | None:
        """The URL that it is, or None for a file or stdin."""
        url = parse(self.text)
        return url if isinstance(url, Url) else None

    @property
    def path(self) -> Path | None:
        """The file that it names, or None for stdin and for what was at least meant as a URL."""
        if self.text == STDIN or self.text.strip().lower().startswith(("http://", "https://")):
            return None
        return Path(self.text)


def arguments_of(positional: Sequence[str], settings: Settings) -> list[Argument]:
    """All inputs of a run, in their order. Raises UsageError where there is none, or one that can be read only once is
    named twice."""
    arguments = [Argument(text, position, is_sitemap=False) for position, text in enumerate(positional, start=1)]
    arguments += [Argument(text, 0, is_sitemap=True) for text in settings.sitemap]
    if not arguments:
        raise UsageError("nothing to check: give URLs, files, - for standard input, or --sitemap URL")
    if sum(argument.text == STDIN for argument in arguments) > 1:
        raise UsageError("standard input (-) can be read only once")
    return arguments


def reads_stdin(arguments: Sequence[Argument]) -> bool:
    """Whether standard input is one of them."""
    return any(argument.text == STDIN for argument in arguments)


class Inputs:
    """Opened inputs."""

    def __init__(self, sources: Sequence[Source], console: Console) -> None:
        self._sources = sources
        self._console = console
        self._faults = 0
        self._begun: tuple[Source, Sequence[Target], AsyncGenerator[Sequence[Target], None]] | None = None

    def wrap(self, wrap: Callable[[Source, int], Source]) -> None:
        """Put what `wrap` makes of each source, and of its position, in the source's place."""
        self._sources = [wrap(source, position) for position, source in enumerate(self._sources)]

    async def begin(self, arguments: Sequence[Argument]) -> None:
        """Where the first input is a file or a pipe, read it up to its first target, so that the columns of a table are
        known before a report of them is begun. Raises SourceError."""
        first = arguments[0]
        if not first.is_sitemap and (first.path is not None or first.text == STDIN):
            blocks = self._sources[0].blocks()
            self._begun = (self._sources[0], await anext(blocks, ()), blocks)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of all tables among them that are known by now, each once, in their order."""
        return tuple(dict.fromkeys(name for source in self._sources for name in source.columns or ()))

    @property
    def url_columns(self) -> frozenset[str]:
        """Those of `columns` that are known to hold the URLs of their table."""
        return frozenset(source.url_column for source in self._sources if source.url_column is not None)

    def is_known_table(self, position: int) -> bool:
        """Whether the input at `position`, counted from 0, is a table whose columns are known."""
        return self._sources[position].columns is not None

    def is_empty_handed(self) -> bool:
        """Whether an input, read to its end, gave nothing to ask; says so for each."""
        found_nothing = [source for source in self._sources if source.failed or not source.found]
        for source in found_nothing:
            why = "could not be read: no URL was got from it" if source.failed else "holds no URL"
            self._console.error(f"{source.name} {why}")
        return bool(found_nothing)

    async def blocks(self) -> AsyncGenerator[Sequence[Target], None]:
        """Every target of every input, as `Source.blocks`. Close it when it is left early.

        Raises SourceError where a stream proves to be of no use.
        """
        for source in self._sources:
            first: Sequence[Target] = ()
            if self._begun is not None and self._begun[0] is source:
                _, first, rest = self._begun
            else:
                rest = source.blocks()
            async with aclosing(rest):
                if first:
                    yield self._told(first)
                async for block in rest:
                    yield self._told(block)

    def _told(self, block: Sequence[Target]) -> Sequence[Target]:
        """`block`, after a word about each in it that stands for an input that could not be read."""
        for target in block:
            if target.fault is not None and target.fault.outcome is not Outcome.INVALID:
                self._tell(target)
        return block

    def _tell(self, target: Target) -> None:
        self._faults += 1
        if self._faults <= FAULTS_TOLD and target.fault is not None:
            self._console.warning(f"{target.url}: {target.fault.detail}")
        elif self._faults == FAULTS_TOLD + 1:
            self._console.warning("further inputs that could not be read are in the report alone")


def opened(
    argument: Argument, settings: Settings, fetcher: Fetcher, console: Console, stdin: RawStream | None
) -> Source:
    """The source that `argument` means. Raises SourceError."""
    if argument.is_sitemap:
        return open_sitemap(argument.text, fetcher=fetcher, warn=console.warning, stdin=stdin)
    return open_source(
        argument.text,
        position=argument.position,
        input_format=settings.input_format,
        column=settings.column,
        fetcher=fetcher,
        warn=console.warning,
        stdin=stdin,
    )


def is_sorted_by_default(arguments: Sequence[Argument], inputs: Inputs, settings: Settings) -> bool:
    """Whether CSV made from this run is a table that goes back to where it came from, row by row."""
    return bool(inputs.columns) or (settings.input_format in _TABLES and any(not a.is_sitemap for a in arguments))


def url_column(inputs: Inputs, settings: Settings) -> str | None:
    """The one of the tables' columns that holds the URLs, where that is plain: the one asked for, else the one called
    url."""
    columns = inputs.columns
    if len(inputs.url_columns) == 1:
        return next(iter(inputs.url_columns))
    wanted = settings.column if settings.column is not None else "url"
    for name in columns:
        if name == wanted:
            return name
    for name in columns:
        if name.lower() == wanted.lower():
            return name
    if wanted.isascii() and wanted.isdigit() and 0 < int(wanted) <= len(columns):
        return columns[int(wanted) - 1]
    return None


def columns_are_known(arguments: Sequence[Argument], inputs: Inputs, settings: Settings) -> bool:
    """Whether what stands beside the URLs of all inputs is known by now: there is nothing but the columns of tables."""
    return not any(
        _may_bring_more(argument, settings)
        for position, argument in enumerate(arguments)
        if not inputs.is_known_table(position)
    )


def _may_bring_more(argument: Argument, settings: Settings) -> bool:
    if argument.is_sitemap or (argument.path is None and argument.text != STDIN):
        return False
    is_stream = argument.path is None or not argument.path.is_file()
    if settings.input_format is not None:
        return settings.input_format == "jsonl" or (is_stream and settings.input_format in _TABLES)
    if argument.path is None or is_stream:
        return True
    reading = Reading(Input(argument.text, column=settings.column))
    with argument.path.open("rb") as stream:
        while reading.parser is None and not reading.is_over and (chunk := stream.read(CHUNK)):
            for _ in reading.feed(chunk):
                break
    return isinstance(reading.parser, JsonLinesParser)


async def bound(policy: Policy, arguments: Sequence[Argument], settings: Settings) -> Policy:
    """`policy` with its credentials that have no origin bound to the one that all inputs speak of.

    Looks at as much as can be seen before anything is asked. Raises UnscopedCredentialError where that speaks of two.
    """
    if not policy.unscoped_credentials:
        return policy
    names = [name for name, _ in policy.unscoped_credentials]
    first: str | None = None
    async with aclosing(_origins(policy, arguments, settings)) as origins:
        async for origin in origins:
            if first is not None and origin != first:
                raise UnscopedCredentialError(names, first, origin)
            first = origin
    return policy if first is None else policy.bound_to(first)


async def _origins(policy: Policy, arguments: Sequence[Argument], settings: Settings) -> AsyncGenerator[str, None]:
    for argument in arguments:
        url = argument.url
        if url is not None and (argument.is_sitemap or policy.refusal(url) is None):
            yield url.origin
    for argument in arguments:
        if argument.path is None or not argument.path.is_file():
            continue
        try:
            source = _file_source(argument, settings)
        except SourceError:
            continue  # told in full when it is opened for the run
        taken = 0
        async with aclosing(each_target(source)) as targets:
            async for target in targets:
                url_found = parse(target.url) if target.fault is None else None
                if isinstance(url_found, Url) and policy.refusal(url_found) is None:
                    yield url_found.origin
                taken += 1
                if taken >= LOOKED_AHEAD:
                    break


def _file_source(argument: Argument, settings: Settings) -> Source:
    if argument.is_sitemap:
        return open_sitemap(argument.text)
    return open_source(argument.text, input_format=settings.input_format, column=settings.column)
