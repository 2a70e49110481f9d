"""Sources of a run that is kept: each target goes to its run file as it is read, or comes from there.

Contract: each is a `Source` around one. Numbers are given in the order in which targets are read, which is the order in
which they are given. Not in here: what a source reads (`sources`), the file (`recording`).

`Recorded` reads as fast as targets are taken; `Spooled`, for what can be read only once, as fast as it comes, so that a
pipe is safe on disk long before its URLs are asked; `Replayed` gives what was read before a run was cut; `Continued`
reads the input again, and goes on where the run was cut.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Sequence
from contextlib import aclosing
from typing import Final

from urlsweep.cli.distinct import Distinct
from urlsweep.cli.inputs import Argument
from urlsweep.cli.recording import KeptInput, Recording, identity_of, is_same
from urlsweep.core.model import Fault, Outcome, Reason, Target
from urlsweep.core.urls import clip
from urlsweep.journal.run_file import PAGE
from urlsweep.sources import SourceError
from urlsweep.sources.opening import STDIN
from urlsweep.sources.source import MOST_IN_BLOCK, Source, each_target

NEAR: Final = 10_000
"""Targets that are read ahead of being taken and stay in memory; what lies further ahead is on disk alone."""

PASSWORDS: Final = 100_000
"""URLs with a password among these, which no disk gets: from that many on, the reading waits."""


class Recorded:
    """Passes on what `source`, input number `position`, gives, and keeps it."""

    def __init__(self, source: Source, position: int, recording: Recording) -> None:
        self._source = source
        self._position = position
        self._recording = recording
        self.name = source.name

    @property
    def found(self) -> int:
        """See `Source`."""
        return self._source.found

    @property
    def failed(self) -> bool:
        """See `Source`."""
        return self._source.failed

    @property
    def columns(self) -> tuple[str, ...] | None:
        """See `Source`."""
        return self._source.columns

    @property
    def url_column(self) -> str | None:
        """See `Source`."""
        return self._source.url_column

    async def blocks(self) -> AsyncGenerator[Sequence[Target], None]:
        """See `Source`."""
        recording, position = self._recording, self._position
        recording.begin_input(position, self.name)
        async with aclosing(self._source.blocks()) as blocks:
            async for block in blocks:
                recording.read(position, block)
                await recording.room()
                yield block
        self._end()

    def _end(self) -> None:
        source = self._source
        self._recording.end_input(
            self._position,
            found=source.found,
            failed=source.failed,
            columns=source.columns,
            url_column=source.url_column,
        )


class Spooled(Recorded):
    """Reads `source` to its end as fast as it gives targets, whatever is taken."""

    async def blocks(self) -> AsyncGenerator[Sequence[Target], None]:
        """See `Source`."""
        recording = self._recording
        recording.begin_input(self._position, self.name)
        given = recording.number  # the number of the next target to give
        near: deque[Target] = deque()
        passwords: dict[int, str] = {}
        news, taken = asyncio.Event(), asyncio.Event()

        async def read_all() -> None:
            async with aclosing(self._source.blocks()) as blocks:
                async for block in blocks:
                    first = recording.number
                    recording.read(self._position, block)
                    for index, target in enumerate(block, start=first):
                        # In memory as long as nothing before it is on disk alone.
                        if len(near) < NEAR and given + len(near) == index:
                            near.append(target)
                        elif recording.redacted(target).url != target.url:
                            passwords[index] = target.url
                    news.set()
                    while len(passwords) >= PASSWORDS or (recording.failure is not None and len(near) >= NEAR):
                        taken.clear()
                        await taken.wait()
                    await recording.room()
            self._end()

        reading = asyncio.get_running_loop().create_task(read_all(), name="urlsweep spool")
        reading.add_done_callback(lambda _: news.set())
        try:
            while True:
                while near:
                    given_now = [near.popleft() for _ in range(min(len(near), MOST_IN_BLOCK))]
                    given += len(given_now)  # before they are given away: what is read meanwhile is counted from here
                    yield given_now
                taken.set()
                if given < recording.number:
                    await recording.written(given)
                    for target in recording.run_file.targets(given, given + PAGE):
                        password = passwords.pop(given + len(near), None)
                        near.append(target if password is None else _with_url(target, password))
                elif reading.done():
                    break
                else:
                    news.clear()
                    await news.wait()
            await reading
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


def _with_url(target: Target, url: str) -> Target:
    return Target(url, target.found_in, target.input, target.fault)


class Replayed:
    """Gives what was read of an input before the run was cut, and no more."""

    def __init__(self, entry: KeptInput, recording: Recording) -> None:
        self._entry = entry
        self._recording = recording
        self.name = entry.name or entry.text
        self.found = 0
        self.failed = entry.failed

    @property
    def columns(self) -> tuple[str, ...] | None:
        """See `Source`."""
        return self._entry.columns

    @property
    def url_column(self) -> str | None:
        """See `Source`."""
        return self._entry.url_column

    async def blocks(self) -> AsyncGenerator[Sequence[Target], None]:
        """See `Source`."""
        first = self._entry.first or 0
        number = self._entry.number if self._entry.number is not None else self._recording.kept - first
        for index, target in enumerate(self._recording.run_file.targets(first, first + number), start=first):
            self.found += target.fault is None or target.fault.outcome is Outcome.INVALID
            yield (self._askable(index, target),)

    def _askable(self, index: int, target: Target) -> Target:
        if target.fault is None and ":***@" in target.url and not self._recording.has_earlier(index):
            return Target(target.url, target.found_in, target.input, _WITHHELD)
        return target


_WITHHELD: Final = Fault(
    Outcome.SKIPPED,
    Reason.SKIP_UNFINISHED,
    "the password in this URL was not kept with the run, and its input cannot be read again: check it anew",
)


class Continued(Recorded):
    """Reads `source` again from its beginning: what was read before, which has to be the same, and then what was not
    read yet."""

    def __init__(
        self, source: Source, position: int, recording: Recording, *, warn: Callable[[str], None], is_fixed: bool
    ) -> None:
        """`is_fixed`: the input must not have changed at all, as a file must not; else what was read before stands."""
        super().__init__(source, position, recording)
        self._warn = warn
        self._is_fixed = is_fixed

    async def blocks(self) -> AsyncGenerator[Sequence[Target], None]:
        """See `Source`. Raises SourceError where it is not what it was."""
        async with aclosing(self._targets()) as targets:
            async for target in targets:
                yield (target,)

    async def _targets(self) -> AsyncGenerator[Target, None]:
        recording = self._recording
        entry = recording.inputs[self._position]
        index = entry.first if entry.first is not None else recording.kept
        stop = index + entry.number if entry.number is not None else recording.kept
        before = recording.run_file.targets(index, stop)
        async with aclosing(each_target(self._source)) as targets:
            async for target in targets:
                kept = next(before, None)
                if kept is not None and recording.redacted(target).url == kept.url:
                    yield target
                elif kept is None and entry.number is not None:
                    break  # it was read to its end: what stands behind that came later
                elif kept is None:
                    await self._keep(target)
                    yield target
                else:
                    self._tell_change(kept, target)
                    async with aclosing(self._changed(before, kept, target, targets)) as others:
                        async for other in others:
                            yield other
        for number, kept in enumerate(before):
            if not number:
                self._tell_change(kept, None)
            yield kept
        if entry.number is None:
            self._end()

    async def _changed(
        self, before: Iterator[Target], kept: Target, target: Target, targets: AsyncIterator[Target]
    ) -> AsyncGenerator[Target, None]:
        """What was read before, from `kept` on, as it was; then what it has now, from `target` on, and had not then."""
        entry = self._recording.inputs[self._position]
        with Distinct() as known:
            for earlier in self._recording.run_file.targets(entry.first or 0, self._recording.kept):
                known.adds(earlier.url)
            yield kept
            for earlier in before:
                yield earlier
            if entry.number is not None:
                return
            if known.adds(self._recording.redacted(target).url):
                await self._keep(target)
                yield target
            async for other in targets:
                if known.adds(self._recording.redacted(other).url):
                    await self._keep(other)
                    yield other

    async def _keep(self, target: Target) -> None:
        self._recording.read(self._position, (target,))
        await self._recording.room()

    def _tell_change(self, kept: Target, target: Target | None) -> None:
        now = "ends before it" if target is None else f"has {clip(self._recording.redacted(target).url, 80)!r} there"
        change = f"{self.name} has changed since the run was cut: {clip(kept.url, 80)!r} was read at {kept.found_in}, "
        if self._is_fixed:
            raise SourceError(f"{change}and it {now}: put the file back as it was and resume again, or check it anew")
        self._warn(f"{change}and it {now}: what was read before is finished as it was, what is new is added")


def wrapped(source: Source, position: int, argument: Argument, recording: Recording) -> Source:
    """`source`, the one of `argument`, in a new run that is kept."""
    kind = Recorded if _can_be_read_again(argument) else Spooled
    return kind(source, position, recording)


def resumed(
    argument: Argument,
    position: int,
    recording: Recording,
    *,
    open_source: Callable[[Argument], Source],
    warn: Callable[[str], None],
) -> Source:
    """The source of `argument` in a run that goes on. Raises SourceError where it has to be read and cannot be."""
    entry = recording.inputs[position]
    has_password = ":***@" in argument.text
    is_read = entry.number is not None
    if not _can_be_read_again(argument) or has_password:
        if not is_read:
            recording.lost.append(entry.name or entry.text)
        return Replayed(entry, recording)
    is_changed = argument.path is not None and not is_same(entry.identity, identity_of(argument.path))
    if is_read:
        if is_changed:
            warn(f"{entry.text} has changed since the run began, or is gone: what was read of it then is finished")
        if is_changed or not entry.withheld:
            return Replayed(entry, recording)
    elif is_changed and entry.first is not None:
        warn(f"{entry.text} has changed since the run began: it is read on only if what was read before is the same")
    source = open_source(argument)
    if entry.first is None:
        return Recorded(source, position, recording)
    return Continued(source, position, recording, warn=warn, is_fixed=argument.path is not None)


def _can_be_read_again(argument: Argument) -> bool:
    return argument.text != STDIN and (argument.path is None or not argument.path.exists() or argument.path.is_file())
