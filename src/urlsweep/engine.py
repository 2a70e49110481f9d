"""The run: pulls targets, tells duplicates, has the others asked, gives the rows.

Contract: it owns every task of a run; whatever ends the run (its last row, `stop`, an error, the consumer going away)
ends them all. Every target read gives exactly one row, checked at the end.
Not in here: asking, and what follows from an answer (`asking`), any network (`transport`), any output.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Final

from urlsweep.asking import Asker, Asking, Crew, Job, Owner, SweepError
from urlsweep.core.check import Verdict
from urlsweep.core.limits import Limits
from urlsweep.core.model import Fault, Reason, Result, Target
from urlsweep.core.nesting import NESTING_LIMIT
from urlsweep.core.pacer import Gated
from urlsweep.core.policy import Policy
from urlsweep.core.summary import Summary
from urlsweep.core.urls import Url, parse
from urlsweep.journal import Journal
from urlsweep.ledger import Ledger, digest_of
from urlsweep.transport import Transport

WINDOW: Final = 100_000
"""Targets read and not yet given as rows, at most: a list sorted by host still finds other hosts to ask, and memory
stays flat."""

WINDOW_CHARACTERS: Final = 64 * 1024 * 1024
"""And as many characters of URLs and of what stands beside them in their rows: a JSON object may hold a whole page."""

READ_AHEAD: Final = 4
"""Targets read ahead per slot while there is something ready to ask; further only when slots stand empty, or are held
by hosts that keep silent."""

FAR_AHEAD: Final = 32
"""Targets read ahead per slot in any case where the list goes from host to host: the one that will take longest, at its
own rate, had better begin early. Of Debian's homepages its 1,098 begin at the 6,018th line, and began after 5 s of 75.
Some 7 MiB with 256 slots; a list of few hosts has nothing to find, and spares them."""
IN_A_ROW: Final = 16
"""Targets of one host in a row, on average, of a list that goes from host to host: Debian's, sorted, has four."""

BREATH: Final = 128
"""Targets taken in a row before others get their turn on the loop: a source may never wait, and what was begun goes out
in that turn. With 256 a run's first request went out some 8 ms later, with 64 the 200th host was asked 10 ms later."""

Targets = AsyncIterable[Target | Sequence[Target]] | Iterable[Target]


class UnscopedCredentialError(SweepError):
    """A credential was given without an origin and the targets have more than one."""

    def __init__(self, names: Iterable[str], first: str, other: str) -> None:
        listed = ", ".join(sorted(set(names)))
        super().__init__(
            f"{listed} would go to more than one origin ({first} and {other}): say which one it is for, "
            f"with --header-for {first} '{listed.partition(',')[0]}: ...'"
        )


class RowCountError(SweepError):
    """Rows in and rows out differ: a bug, told rather than hidden."""


async def _each(targets: Iterable[Target]) -> AsyncIterator[Target]:
    for target in targets:
        yield target


def _characters_of(target: Target | Result) -> int:
    """About how much of a list is held by `target`, or by its row: the same for both."""
    return len(target.url) if target.input is None else len(target.url) + _characters_in(target.input)


def _characters_in(value: object, depth: int = 0) -> int:
    if isinstance(value, str):
        return len(value)
    if not isinstance(value, Mapping | list | tuple) or depth > NESTING_LIMIT:
        return 0
    items = itertools.chain(value, value.values()) if isinstance(value, Mapping) else value
    return sum(_characters_in(item, depth + 1) for item in items)


_NOWHERE: Final = Target("")  # in place of what a job that is settled was for


class _Wanted(Job):
    """A job, and the targets that wait for it."""

    __slots__ = ("followers", "index", "key", "target")

    def __init__(self, index: int, target: Target, url: Url, key: bytes) -> None:
        super().__init__(url)
        self.index = index
        self.target = target
        self.key = key
        self.followers: list[tuple[int, Target, Url]] | None = None


class Sweep:
    """One run over `targets`. Iterate it once, by row (`async for`) or by `batches`."""

    def __init__(
        self,
        targets: Targets,
        policy: Policy,
        limits: Limits,
        transport: Transport,
        *,
        crew: Crew | None = None,
        summary: Summary | None = None,
        journal: Journal | None = None,
        is_ordered: bool = False,
        seed: int | None = None,
        wall: Callable[[], float] = time.time,
        window: int = WINDOW,
    ) -> None:
        """`crew` are others who ask, in place of this process and `transport`. `journal` is told every row as soon as
        it is known, and says what is known from before. `is_ordered` gives rows in the order of the targets; `seed`
        fixes the random that spreads retries; `wall` gives the time of day in seconds since the epoch. The transport,
        `crew` and `targets` stay the caller's to close.

        Credentials that `policy` has no origin for belong to the one that all targets share: nothing is asked before
        all of them, or as many as fit the window, have been seen to share it."""
        self.summary = summary if summary is not None else Summary()
        self._targets = targets
        self._policy = policy
        self._limits = limits
        self._journal = journal
        self._kept = 0 if journal is None else journal.kept
        self._recall = journal.recall if journal is not None and journal.is_trusting else None
        self._refusal = policy.refusal if policy.refuses_any else None
        self._is_ordered = is_ordered
        self._window = window
        self._read_ahead = min(window, READ_AHEAD * limits.concurrency)
        self._far_ahead = min(window, FAR_AHEAD * limits.concurrency)
        owner = Owner(self._settled, self._looked, self._fail)
        self._asking: Asker = (
            Asking(policy, limits, transport, self.summary, owner, seed=seed, wall=wall)
            if crew is None
            else crew.asker(policy, limits, self.summary, owner, seed=seed)
        )
        self._asking.is_held_back = bool(policy.unscoped_credentials)
        self._binds_credentials = bool(policy.unscoped_credentials) or policy.exclusive_origin is not None
        self._ledger = Ledger()
        self._pending: dict[bytes, _Wanted] = {}  # every URL without a verdict, by its duplicate key's digest
        self._rows: list[Result] = []  # given, not yet fetched by the consumer
        self._held: list[tuple[int, Result]] = []  # out of order: a heap, in ordered runs only
        self._next_index = 0  # of the next target to read
        self._host_key = ""  # of the last one that is to be asked
        self._host_changes = 0  # how often that was another one than the time before
        self._next_row = 0  # index of the next row to give, in ordered runs
        self._unfetched = 0  # targets read whose rows the consumer has not got
        self._unfetched_characters = 0  # of these targets
        self._has_begun = False
        self._news = asyncio.Event()  # rows to fetch, or the end
        self._more = asyncio.Event()  # room for more targets
        self._done = asyncio.Event()  # nothing left, `stop`, or a failure
        self._is_fed = False
        self._is_stopping = False
        self._error: BaseException | None = None  # what ended the run

    @property
    def open_requests(self) -> int:
        """Requests under way."""
        return self._asking.open_requests

    @property
    def waiting_hosts(self) -> Gated:
        """Hosts that are being left alone for a while and have work left, and until when (the loop's time)."""
        return self._asking.waiting_hosts

    @property
    def is_network_down(self) -> bool:
        """Whether nobody answers any more, and nothing but probes is sent."""
        return self._asking.is_network_down

    async def __aiter__(self) -> AsyncIterator[Result]:
        """The rows, as they finish. Raises SweepError where the run cannot go on."""
        async with aclosing(self.batches()) as batches:
            async for batch in batches:
                for row in batch:
                    yield row

    async def batches(self) -> AsyncGenerator[list[Result], None]:
        """The rows, in lists of all that have finished since the last one: cheaper than one at a time.

        Closing the generator early ends the run. Raises as iterating the Sweep does.
        """
        if self._has_begun:
            raise RuntimeError("a Sweep can be iterated only once")
        self._has_begun = True
        loop = asyncio.get_running_loop()
        run = loop.create_task(self._run(loop), name="urlsweep run")
        run.add_done_callback(self._on_run_end)
        try:
            while True:
                if self._rows:
                    batch, self._rows = self._rows, []
                    self.summary.add(*batch)
                    self._unfetched -= len(batch)
                    self._unfetched_characters -= sum(map(_characters_of, batch))
                    yield batch
                    self._more.set()
                elif run.done():
                    break
                else:
                    self._news.clear()
                    await self._news.wait()
            await run
            if self.summary.rows_lost:
                raise RowCountError(f"{self.summary.rows_in} targets were read, {self.summary.rows_out} rows given")
        finally:
            if not run.done():  # the consumer went away
                self._cut()
                await asyncio.wait([run])
            self._ledger.close()

    def stop(self) -> None:
        """End the run now: open requests are dropped, every target read and not settled gives a row `skip.unfinished`.

        To be called from the loop's own thread. Idempotent.
        """
        if not self._is_stopping:
            self._is_stopping = True
            self._cut()

    def _cut(self) -> None:
        """End the run before its time."""
        self.summary.is_partial = True
        self._end()

    def _end(self) -> None:
        self._asking.is_over = True
        self._done.set()

    # -- the run's task

    def _on_run_end(self, run: asyncio.Task[None]) -> None:
        self._news.set()
        if not run.cancelled():
            run.exception()  # seen: a consumer that has gone away is not there to get it

    async def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        started = loop.time()
        asking = self._asking
        asking.begin(loop)
        feeder = loop.create_task(self._feed(loop), name="urlsweep feeder")
        feeder.add_done_callback(self._on_feeder_end)
        try:
            await self._done.wait()
            if asking.open_requests:  # what came in the very moment in which the run ended is taken, too
                await asyncio.sleep(0)
            if self._error is None:
                asking.take_answers(loop.time())
        finally:
            feeder.cancel()
            await asyncio.wait([feeder])
            await asking.end(self._pending.values())
            self.summary.seconds = loop.time() - started
        if self._error is not None:
            self._close_open_rows()
            raise self._error
        if self._is_stopping:
            self._close_open_rows()

    def _fail(self, error: BaseException) -> None:
        """End the run: something went wrong that is no row's matter."""
        if self._error is None:
            self._error = error
        self._cut()

    def _on_feeder_end(self, feeder: asyncio.Task[None]) -> None:
        if not feeder.cancelled() and (error := feeder.exception()) is not None:
            self._fail(error)

    def _close_open_rows(self) -> None:
        for job in list(self._pending.values()):
            self._settled(job, self._asking.unfinished(job))

    # -- targets in

    async def _feed(self, loop: asyncio.AbstractEventLoop) -> None:
        targets = self._targets if isinstance(self._targets, AsyncIterable) else _each(self._targets)
        asking = self._asking
        taken_in_a_row = 0
        async for given in targets:
            now = loop.time()
            for target in (given,) if isinstance(given, Target) else given:
                self._take(target, now)
                taken_in_a_row += 1
                is_ahead = self._unfetched >= self._read_ahead
                if is_ahead and asking.may_start:
                    asking.pump(now)  # whether to read on depends on what this may start
                elif not asking.is_turn_due:
                    asking.be_called()
                if (is_ahead or self._unfetched_characters >= WINDOW_CHARACTERS) and self._is_full():
                    if self._is_window_full:
                        self._release(now)
                    await self._make_room()
                    now = loop.time()
                elif taken_in_a_row >= BREATH:
                    await asyncio.sleep(0)
                    now = loop.time()
                    taken_in_a_row = 0
        self._is_fed = asking.is_fed = True
        self.summary.input_exhausted = True
        asking.is_held_back = False
        asking.pump(loop.time())

    def _release(self, now: float) -> None:
        """Ask, if that was held back so far: no more targets can be seen before some are asked."""
        if self._asking.is_held_back:
            self._asking.is_held_back = False
            self._asking.pump(now)

    async def _make_room(self) -> None:
        while self._is_full():
            self._more.clear()
            await self._more.wait()

    @property
    def _is_window_full(self) -> bool:
        return self._unfetched >= self._window or self._unfetched_characters >= WINDOW_CHARACTERS

    def _is_full(self) -> bool:
        """Whether reading on would help nobody: enough is ready for every slot, or the window is full."""
        if self._unfetched < self._read_ahead and self._unfetched_characters < WINDOW_CHARACTERS:
            return False
        if self._is_window_full or len(self._rows) >= READ_AHEAD * self._limits.concurrency:
            return True
        if self._unfetched < self._far_ahead and self._host_changes * IN_A_ROW >= self._next_index:
            return False
        return not self._asking.has_room_for_more

    def _take(self, target: Target, now: float) -> None:
        index = self._next_index
        self._next_index += 1
        self._unfetched += 1
        self.summary.rows_in += 1
        self._unfetched_characters += len(target.url) if target.input is None else _characters_of(target)
        if index < self._kept and self._journal is not None:
            row = self._journal.earlier(index, target)
            if row is not None:
                self._take_earlier(index, target, row)
                return
        if target.fault is not None:
            self._give(index, Result.of_fault(target, target.fault))
            return
        url = parse(target.url)
        if isinstance(url, Fault):
            self._give(index, Result.of_fault(target, url))
            return
        if self._refusal is not None and (refusal := self._refusal(url)) is not None:
            self._give(index, Result.of_fault(target, refusal))
            return
        if self._binds_credentials:
            try:
                self._bind_credentials(url)
            except UnscopedCredentialError:
                self._give(index, self._asking.unfinished(Job(url)).row(target, url))
                raise
        key = digest_of(url.duplicate_key)
        job = self._pending.get(key)
        if job is not None:
            self.summary.duplicates += 1
            if job.followers is None:
                job.followers = []
            job.followers.append((index, target, url))
            return
        verdict = self._ledger.get(key)
        if verdict is not None:
            self.summary.duplicates += 1
            self._give(index, verdict.row(target, url))
            return
        if self._recall is not None and (verdict := self._recall(url)) is not None:
            self._ledger.put(key, verdict)
            self._give(index, verdict.row(target, url))
            return
        if url.host_key != self._host_key:
            self._host_key = url.host_key
            self._host_changes += 1
        job = self._pending[key] = _Wanted(index, target, url, key)
        self._asking.add(job, now)

    def _take_earlier(self, index: int, target: Target, row: Result) -> None:
        """`target` has its row from before this run was cut: its duplicates share it, and nothing is asked."""
        url = parse(target.url) if target.fault is None else None
        if isinstance(url, Url) and (verdict := Verdict.of_row(row, url)) is not None:
            self._bind_credentials(url)
            key = digest_of(url.duplicate_key)
            if self._ledger.get(key) is None:
                self._ledger.put(key, verdict)
                self.summary.requests += row.attempts
            else:
                self.summary.duplicates += 1
        self._line_up(index, row)

    def _bind_credentials(self, url: Url) -> None:
        """Hold every target against the origin that unscoped credentials are for: the first target's."""
        if self._policy.unscoped_credentials:
            self._policy = self._asking.policy = self._policy.bound_to(url.origin)
        exclusive = self._policy.exclusive_origin
        if exclusive is not None and url.origin != exclusive:
            raise UnscopedCredentialError(self._policy.exclusive_names, exclusive, url.origin)

    # -- rows out

    def _looked(self) -> None:
        """Everything has been asked that may be for now."""
        if self._asking.is_network_lost:
            self.summary.is_network_lost = True
            self.stop()
        elif self._is_fed:
            if not self._pending:
                self._end()
        elif not self._is_full():
            self._more.set()

    def _settled(self, job: Job, verdict: Verdict) -> None:
        assert isinstance(job, _Wanted)  # noqa: S101  the only kind that is added
        del self._pending[job.key]
        if verdict.reason != Reason.SKIP_UNFINISHED:
            self._ledger.put(job.key, verdict)
        self._give(job.index, verdict.row(job.target, job.url))
        if job.followers is not None:
            for index, target, url in job.followers:
                self._give(index, verdict.row(target, url))
        # See `Asking`: the Pacer may remember the job, but nothing of the list.
        job.check = job.ask = job.followers = None
        job.target = _NOWHERE

    def _give(self, index: int, row: Result) -> None:
        if self._journal is not None:
            self._journal.settled(index, row)
        self._line_up(index, row)

    def _line_up(self, index: int, row: Result) -> None:
        rows = self._rows
        was_empty = not rows
        if not self._is_ordered:
            rows.append(row)
        else:
            heapq.heappush(self._held, (index, row))
            while self._held and self._held[0][0] == self._next_row:
                self._next_row += 1
                rows.append(heapq.heappop(self._held)[1])
        if was_empty and rows:
            self._news.set()
