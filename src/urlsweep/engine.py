"""The run: pulls targets, asks them within the Pacer's bounds, lets the Check decide, gives the rows.

Contract: the only asyncio orchestrator. It owns every task of a run; whatever ends the run (its last row, `stop`, an
error, the consumer going away) ends them all. Every target read gives exactly one row, checked at the end.
Not in here: any decision about a URL (`core.check`) or a host (`core.pacer`), any network (`transport`), any output.

A URL that waits, for its host or for a later try, is an entry in the Pacer and nothing else: no task, no slot.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import random as random_module
import time
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Final

import msgspec

from urlsweep.core.bottleneck import Limiter
from urlsweep.core.check import Ask, Check, HeadTrust, Verdict
from urlsweep.core.limits import Limits
from urlsweep.core.model import Failure, Fault, Reason, Reply, Request, Result, Target
from urlsweep.core.pacer import Gated, Pacer
from urlsweep.core.policy import ByHand, Method, Policy, StatusSet
from urlsweep.core.pressure import MAYBE_ITS_OWN
from urlsweep.core.robots import LONGEST_ROBOTS, RobotsRules, robots_url
from urlsweep.core.summary import Summary
from urlsweep.core.ticket import Ticket
from urlsweep.core.turn import Turn
from urlsweep.core.urls import Url, parse
from urlsweep.journal import Journal
from urlsweep.ledger import Ledger, digest_of
from urlsweep.robots import RobotsBook
from urlsweep.transport import BodyError, Handle, Transport

WINDOW: Final = 100_000
"""Targets read and not yet given as rows, at most: a list sorted by host still finds other hosts to ask, and memory
stays flat."""

WINDOW_CHARACTERS: Final = 64 * 1024 * 1024
"""And as many characters of URLs and of what stands beside them in their rows: a JSON object may hold a whole page."""

DEEPEST_INPUT: Final = 100
"""Levels of a JSON object that are counted for it."""

READ_AHEAD: Final = 4
"""Targets read ahead per slot while there is something ready to ask; further only when slots stand empty, or are held
by hosts that keep silent."""

BREATH: Final = 256
"""Targets taken in a row before others get their turn on the loop: a source may never wait."""

SUCCESS: Final = StatusSet(((200, 299),))
TIMEOUTS: Final = frozenset({Reason.DNS_TIMEOUT, Reason.CONNECT_TIMEOUT, Reason.RESPONSE_TIMEOUT})

Targets = AsyncIterable[Target] | Iterable[Target]


class SweepError(Exception):
    """The run cannot go on."""


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
    if not isinstance(value, Mapping | list | tuple) or depth > DEEPEST_INPUT:
        return 0
    items = itertools.chain(value, value.values()) if isinstance(value, Mapping) else value
    return sum(_characters_in(item, depth + 1) for item in items)


_NOWHERE: Final = Target("")  # in place of what a job that is settled was for


class _Job:
    """One URL on its way to a verdict, and the targets that wait for it."""

    __slots__ = ("ask", "body", "check", "failed_at", "followers", "handle", "index", "key", "target", "url")

    def __init__(self, index: int, target: Target, url: Url, key: bytes) -> None:
        self.index = index
        self.target = target
        self.url = url
        self.key = key
        self.check: Check | None = None  # made when its first request may go: a waiting URL stays small
        self.ask: Ask | None = None
        self.handle: Handle | None = None  # of the request that is under way
        self.followers: list[tuple[int, Target, Url]] | None = None
        self.failed_at: float | None = None  # when that was sent by which it had trouble, by the loop's clock
        self.body: bytes | None = None  # of a robots.txt: read for the run itself, and no row of it


class Sweep:
    """One run over `targets`. Iterate it once, by row (`async for`) or by `batches`."""

    def __init__(
        self,
        targets: Targets,
        policy: Policy,
        limits: Limits,
        transport: Transport,
        *,
        summary: Summary | None = None,
        journal: Journal | None = None,
        is_ordered: bool = False,
        seed: int | None = None,
        wall: Callable[[], float] = time.time,
        window: int = WINDOW,
    ) -> None:
        """`journal` is told every row as soon as it is known, and says what is known from before. `is_ordered` gives
        rows in the order of the targets; `seed` fixes the random that spreads retries; `wall` gives the time of day in
        seconds since the epoch. The transport and `targets` stay the caller's to close.

        Credentials that `policy` has no origin for belong to the one that all targets share: nothing is asked before
        all of them, or as many as fit the window, have been seen to share it."""
        self.summary = summary if summary is not None else Summary()
        self._targets = targets
        self._policy = policy
        self._limits = limits
        self._transport = transport
        self._journal = journal
        self._is_ordered = is_ordered
        self._random = random_module.Random(seed)
        self._wall = wall
        self._window = window
        self._read_ahead = min(window, READ_AHEAD * limits.concurrency)
        self._pacer: Pacer[_Job] = Pacer(limits)
        self._trust = HeadTrust()
        self._ledger = Ledger()
        self._pending: dict[bytes, _Job] = {}  # every URL without a verdict, by its duplicate key's digest
        self._rows: list[Result] = []  # given, not yet fetched by the consumer
        self._held: list[tuple[int, Result]] = []  # out of order: a heap, in ordered runs only
        self._next_index = 0  # of the next target to read
        self._next_row = 0  # index of the next row to give, in ordered runs
        self._unfetched = 0  # targets read whose rows the consumer has not got
        self._unfetched_characters = 0  # of these targets
        self._loop: asyncio.AbstractEventLoop | None = None  # the run's, once it has started
        self._news = asyncio.Event()  # rows to fetch, or the end
        self._more = asyncio.Event()  # room for more targets
        self._done = asyncio.Event()  # nothing left, `stop`, or a failure
        self._robots: RobotsBook[_Job] = RobotsBook(policy.headers)
        self._obeys_robots = policy.robots_matter
        self._paces_by_rule = policy.paces_by_rule
        self._limiter = Limiter.INPUT  # what keeps the run from being faster, ...
        self._limited_since = 0.0  # ... since then
        self._is_fed = False
        self._binds_credentials = bool(policy.unscoped_credentials) or policy.exclusive_origin is not None
        self._is_held_back = bool(policy.unscoped_credentials)
        self._is_stopping = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._tasks: set[asyncio.Task[None]] = set()  # the feeder's, and those that read a robots.txt
        self._controls: dict[object, Handle] = {}  # requests under way for their host's sake
        self._answers: list[tuple[Ticket, _Job | None, Request, Reply | Failure | Exception]] = []  # to be taken
        self._is_turn_due = False  # the loop will call `_on_turn`
        self._error: Exception | None = None  # what went wrong in a callback

    @property
    def open_requests(self) -> int:
        """Requests under way."""
        return self._pacer.in_flight

    @property
    def waiting_hosts(self) -> Gated:
        """Hosts that are being left alone for a while and have work left, and until when (the loop's time)."""
        return self._pacer.gated(self._loop.time()) if self._loop is not None else Gated(0, None)

    @property
    def is_network_down(self) -> bool:
        """Whether nobody answers any more, and nothing but probes is sent."""
        return self._pacer.is_network_down

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
        if self._loop is not None:
            raise RuntimeError("a Sweep can be iterated only once")
        loop = self._loop = asyncio.get_running_loop()
        run = loop.create_task(self._run(loop), name="urlsweep run")
        run.add_done_callback(self._on_run_end)
        try:
            while True:
                if self._rows:
                    batch, self._rows = self._rows, []
                    self._unfetched -= len(batch)
                    self._unfetched_characters -= sum(_characters_of(row) for row in batch)
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
                self.summary.is_partial = True
                self._done.set()
                await asyncio.wait([run])
            self._ledger.close()

    def stop(self) -> None:
        """End the run now: open requests are dropped, every target read and not settled gives a row `skip.unfinished`.

        To be called from the loop's own thread. Idempotent.
        """
        if not self._is_stopping:
            self._is_stopping = True
            self.summary.is_partial = True
            self._done.set()

    # -- the run's task

    def _on_run_end(self, run: asyncio.Task[None]) -> None:
        self._news.set()
        if not run.cancelled():
            run.exception()  # seen: a consumer that has gone away is not there to get it

    async def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        started = self._limited_since = loop.time()
        cpu_started = time.process_time()
        looked_up_before = self._transport.lookup_seconds
        self._own(loop.create_task(self._feed(loop), name="urlsweep feeder"))
        try:
            await self._done.wait()
            if self._pacer.in_flight:  # what came in the very moment in which the run ended is taken, too
                await asyncio.sleep(0)
            if self._error is None:
                self._take_answers(loop.time())
        finally:
            if self._timer is not None:
                self._timer.cancel()
            for handle in (*self._controls.values(), *(job.handle for job in self._pending.values())):
                if handle is not None:
                    handle.cancel()
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)
            now = loop.time()
            self.summary.seconds = now - started
            self._account(now)
            bottleneck = self.summary.bottleneck
            bottleneck.cpu_seconds = time.process_time() - cpu_started
            bottleneck.lookup_seconds = self._transport.lookup_seconds - looked_up_before
            bottleneck.slowed, bottleneck.slowed_hosts = self._pacer.slowed(now)
        failures = [error for task in tasks if not task.cancelled() and (error := task.exception()) is not None]
        error = self._error or next(iter(failures), None)
        if error is not None:
            self._close_open_rows()
            raise error
        if self._is_stopping:
            self._close_open_rows()

    @property
    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise RuntimeError("the run has not started")
        return self._loop

    def _fail(self, error: Exception) -> None:
        """End the run: an error in a callback of its own."""
        if self._error is None:
            self._error = error
        self.summary.is_partial = True
        self._done.set()

    def _own(self, task: asyncio.Task[None]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._on_task_end)

    def _on_task_end(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._tasks.add(task)  # kept for `_run`, which raises it
            self.summary.is_partial = True
            self._done.set()

    def _close_open_rows(self) -> None:
        for job in list(self._pending.values()):
            self._settle(job, self._check_of(job).unfinished())

    # -- targets in

    async def _feed(self, loop: asyncio.AbstractEventLoop) -> None:
        targets = self._targets if isinstance(self._targets, AsyncIterable) else _each(self._targets)
        taken_in_a_row = 0
        async for target in targets:
            now = loop.time()
            self._take(target, now)
            taken_in_a_row += 1
            if self._unfetched >= self._read_ahead and self._pacer.in_flight < self._limits.concurrency:
                self._pump(now)  # whether to read on depends on what this may start
            elif not self._is_turn_due:
                self._be_called()
            if self._is_full():
                await self._make_room()
            elif taken_in_a_row >= BREATH:
                await asyncio.sleep(0)
                taken_in_a_row = 0
        self._is_fed = True
        self.summary.input_exhausted = True
        self._pump(loop.time())

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
        if self._is_window_full:
            return True
        return not self._pacer.has_room_for_more or len(self._rows) >= READ_AHEAD * self._limits.concurrency

    def _take(self, target: Target, now: float) -> None:
        index = self._next_index
        self._next_index += 1
        self._unfetched += 1
        self.summary.rows_in += 1
        self._unfetched_characters += len(target.url) if target.input is None else _characters_of(target)
        if self._journal is not None and (row := self._journal.earlier(index, target)) is not None:
            self._take_earlier(index, target, row)
            return
        if target.fault is not None:
            self._give(index, Result.of_fault(target, target.fault))
            return
        url = parse(target.url)
        if isinstance(url, Fault):
            self._give(index, Result.of_fault(target, url))
            return
        refusal = self._policy.refusal(url)
        if refusal is not None:
            self._give(index, Result.of_fault(target, refusal))
            return
        if self._binds_credentials:
            try:
                self._bind_credentials(url)
            except UnscopedCredentialError:
                self._give(index, Check(url, self._policy, self._trust).unfinished().row(target, url))
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
        if self._journal is not None and (verdict := self._journal.recall(url)) is not None:
            self._ledger.put(key, verdict)
            self._give(index, verdict.row(target, url))
            return
        job = self._pending[key] = _Job(index, target, url, key)
        if self._obeys_robots and self._policy.obeys_robots(url):
            self._admit(job, url, now)
        else:
            self._enqueue(job, url, now)

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

    def _enqueue(self, job: _Job, url: Url, now: float) -> None:
        """Queue `job` for what it asks next, which is `url`: its own, or where a redirect leads."""
        self._bind_by_rule(url, now)
        if job.ask is None:
            self._pacer.add(url.host_key, job, now)
        else:
            self._pacer.add(url.host_key, job, now, delay=job.ask.delay, turn=job.ask.turn)

    def _bind_by_rule(self, url: Url, now: float) -> None:
        """Keep the host of `url`, a target's or where a redirect leads, within what rules say for its pace."""
        if self._paces_by_rule and (by_hand := self._policy.by_hand(url)) is not None:
            self._pacer.bind(url.host_key, by_hand, now)

    # -- robots.txt

    def _admit(self, job: _Job, url: Url, now: float) -> None:
        """Queue `job` if the robots.txt of `url`, which it asks next, lets that be asked, as soon as that is known."""
        origin = url.origin
        known = self._robots.known(origin)
        if isinstance(known, RobotsRules):
            if not known.allows(url.href):
                self._settle(job, self._check_of(job).kept_out(None))
                return
            if known.crawl_delay is not None:
                slowest = max(known.crawl_delay, self._limits.delay)  # the host may have been forgotten
                self._pacer.bind(url.host_key, ByHand(delay=slowest), now)
            self._enqueue(job, url, now)
        elif known is not None:
            self._settle(job, self._check_of(job).kept_out(known))
        elif self._robots.wait(origin, job):
            self._bind_by_rule(url, now)
            robots = url._replace(href=robots_url(url), fragment="")
            self._pacer.add(robots.host_key, self._robots_job(robots), now, turn=Turn.FIRST)

    def _robots_job(self, url: Url) -> _Job:
        job = _Job(-1, Target(url.href), url, b"")
        job.body = b""
        policy = replace(self._policy.for_url(url), method=Method.GET, accept=SUCCESS, follow=True)
        job.check = Check(url, policy, self._trust)
        return job

    async def _read_robots(self, job: _Job, request: Request) -> Reply | Failure:
        async with self._transport.open(request) as (event, chunks):
            if isinstance(event, Failure) or event.status not in SUCCESS:
                return event
            body = bytearray()
            try:
                async with asyncio.timeout(request.timeout):  # piece by piece it could come for ever
                    async for chunk in chunks:
                        body += chunk
                        if len(body) >= LONGEST_ROBOTS:
                            break
            except BodyError as error:
                return error.failure
            except TimeoutError:
                detail = f"{request.url} did not come to its end within {request.timeout:g} s"
                return Failure(Reason.RESPONSE_TIMEOUT, detail, event.elapsed + request.timeout)
            job.body = bytes(body)
            return event

    def _settle_robots(self, job: _Job, verdict: Verdict) -> None:
        now = asyncio.get_running_loop().time()
        body, job.body = job.body or b"", b""  # the Pacer may remember the job: see `_settle`
        for waiting in self._robots.settle(job.url.origin, verdict, body):
            self._admit(waiting, self._next_url(waiting), now)

    def _bind_credentials(self, url: Url) -> None:
        """Hold every target against the origin that unscoped credentials are for: the first target's."""
        if self._policy.unscoped_credentials:
            self._policy = self._policy.bound_to(url.origin)
        exclusive = self._policy.exclusive_origin
        if exclusive is not None and url.origin != exclusive:
            raise UnscopedCredentialError(self._policy.exclusive_names, exclusive, url.origin)

    # -- requests out

    def _pump(self, now: float) -> None:
        """Start whatever may start now, and see to being called again when more may."""
        if self._done.is_set():
            return
        if self._is_held_back:
            if not self._is_fed and not self._is_window_full:
                return
            self._is_held_back = False
        self._start_ready(now)
        self._settle_given_up()
        self._account(now)
        if self._pacer.is_network_lost:
            self.summary.is_network_lost = True
            self.stop()
            return
        if not self._is_fed and not self._is_full():
            self._more.set()
        if self._is_fed and not self._pending:
            self._done.set()
            return
        wake_at = self._pacer.wake_at()
        if wake_at is not None and (self._timer is None or wake_at != self._timer_at):
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = wake_at
            self._timer = self._running_loop.call_at(wake_at, self._on_timer)

    def _start_ready(self, now: float) -> None:
        if self._done.is_set():
            return
        while (ready := self._pacer.next(now)) is not None:
            self._ask(*ready)

    def _account(self, now: float) -> None:
        """Count the time since the last look for what limited the run then, and see what does now."""
        self.summary.bottleneck.seconds[self._limiter] += now - self._limited_since
        self._limited_since = now
        if not self._is_fed and not self._pacer.waiting:
            self._limiter = Limiter.INPUT
        else:
            self._limiter = self._pacer.limiter()

    def _on_timer(self) -> None:
        self._timer = None
        try:
            self._pump(self._running_loop.time())
        except Exception as error:
            self._fail(error)

    def _ask(self, ticket: Ticket, job: _Job) -> None:
        """Send the next request of `job`, or a control. No task, unless it is a document that is read."""
        if ticket.is_control:
            key, request = object(), self._control_of(job)
            self._controls[key] = self._transport.start(request, partial(self._on_control, key, ticket, request))
            return
        request = self._request_of(job)
        if job.body is None:
            job.handle = self._transport.start(request, partial(self._on_answer, ticket, job, request))
        else:
            self._own(self._running_loop.create_task(self._ask_robots(ticket, job, request)))

    async def _ask_robots(self, ticket: Ticket, job: _Job, request: Request) -> None:
        self._on_answer(ticket, job, request, await self._read_robots(job, request))

    def _on_answer(self, ticket: Ticket, job: _Job, request: Request, event: Reply | Failure | Exception) -> None:
        """The transport calls."""
        job.handle = None
        self._note(ticket, job, request, event)

    def _on_control(self, key: object, ticket: Ticket, request: Request, event: Reply | Failure | Exception) -> None:
        """The transport calls: what was asked for its host's sake, and not for its URL's."""
        del self._controls[key]
        self._note(ticket, None, request, event)

    def _note(self, ticket: Ticket, job: _Job | None, request: Request, event: Reply | Failure | Exception) -> None:
        self._answers.append((ticket, job, request, event))
        if not self._is_turn_due:
            self._be_called()

    def _be_called(self) -> None:
        """Have `_on_turn` called in the loop's next round.

        Answers come in batches: whatever has to be looked at after one of them (what the run is limited by, when to
        look again, whether to read on) is looked at once for all that came in this round, not sixty times.
        """
        self._is_turn_due = True
        self._running_loop.call_soon(self._on_turn)

    def _on_turn(self) -> None:
        """Take all answers that have come, and start what may start. What goes wrong in here ends the run, as does a
        bug of the transport's: in a callback it would be lost."""
        self._is_turn_due = False
        if self._done.is_set():
            return  # see `_run`
        try:
            now = self._running_loop.time()
            self._take_answers(now)
            self._pump(now)
        except Exception as error:
            self._fail(error)

    def _take_answers(self, now: float) -> None:
        if not self._answers:
            return
        wall = self._wall()
        summary = self.summary
        answers, self._answers = self._answers, []
        for ticket, job, request, event in answers:
            if isinstance(event, Exception):
                raise event
            summary.asked(request.host_key, event.elapsed)
            if isinstance(event, Failure) and event.reason in TIMEOUTS:
                summary.bottleneck.timeout_seconds += event.elapsed
            if job is None:
                self._pacer.release(ticket, event, now, wall)
            else:
                self._go_on(ticket, job, request, event, now, wall)
            self._start_ready(now)  # with each, for the Pacer sees in how full its bounds are whether to widen them

    def _go_on(
        self, ticket: Ticket, job: _Job, request: Request, event: Reply | Failure, now: float, wall: float
    ) -> None:
        """Let the Pacer and the Check learn from `event`, and do what follows for `job`."""
        check = self._check_of(job)
        pressure = check.pressure_of(event, wall)
        may_be_control = request.host_key == job.url.host_key
        is_free = self._pacer.release(
            ticket, event, now, wall, item=job if may_be_control else None, pressure=pressure, failed_at=job.failed_at
        )
        if pressure in MAYBE_ITS_OWN and (is_free or job.failed_at is None):
            job.failed_at = ticket.sent_at
        step = check.next(event, wall, self._random, is_free=is_free)
        if isinstance(step, Verdict):
            self._settle(job, step)
            return
        job.ask = step
        if not (self._paces_by_rule or self._obeys_robots):
            self._pacer.add(step.request.host_key, job, now, delay=step.delay, turn=step.turn)
            return
        url = self._next_url(job)
        # Nobody's robots.txt keeps another robots.txt out (RFC 9309 section 2.2.2), and the job's own URL was let in.
        if job.body is None and url.href != job.url.href and self._policy.obeys_robots(url):
            self._admit(job, url, now)
        else:
            self._enqueue(job, url, now)

    def _next_url(self, job: _Job) -> Url:
        """What `job` asks next: its own URL, or where a redirect leads."""
        if job.ask is None or job.ask.request.url == job.url.href:
            return job.url
        url = parse(job.ask.request.url)
        return url if isinstance(url, Url) else job.url

    def _control_of(self, job: _Job) -> Request:
        """The request for the URL of `job` once more: by GET, for HEAD proves nothing when it fails."""
        first = Check(job.url, self._policy.for_url(job.url), self._trust).first()
        return msgspec.structs.replace(first.request, method="GET")

    def _request_of(self, job: _Job) -> Request:
        if job.ask is None:
            job.ask = self._check_of(job).first()
        return job.ask.request

    def _check_of(self, job: _Job) -> Check:
        check = job.check
        if check is None:
            check = job.check = Check(job.url, self._policy.for_url(job.url), self._trust)
        return check

    # -- rows out

    def _settle_given_up(self) -> None:
        for host_key, job, event in self._pacer.take_given_up():
            self._settle(job, self._check_of(job).given_up(host_key, event))

    def _settle(self, job: _Job, verdict: Verdict) -> None:
        if job.body is not None:
            self._settle_robots(job, verdict)
            return
        del self._pending[job.key]
        if verdict.reason != Reason.SKIP_UNFINISHED:
            self._ledger.put(job.key, verdict)
        self._give(job.index, verdict.row(job.target, job.url))
        if job.followers is not None:
            for index, target, url in job.followers:
                self._give(index, verdict.row(target, url))
        # The Pacer may remember the job, to ask its URL once more (see `_control_of`), but nothing of the list.
        job.check = job.ask = job.followers = None
        job.target = _NOWHERE

    def _give(self, index: int, row: Result) -> None:
        if self._journal is not None:
            self._journal.settled(index, row)
        self._line_up(index, row)

    def _line_up(self, index: int, row: Result) -> None:
        if not self._is_ordered:
            self._hand_over(row)
            return
        heapq.heappush(self._held, (index, row))
        while self._held and self._held[0][0] == self._next_row:
            self._next_row += 1
            self._hand_over(heapq.heappop(self._held)[1])

    def _hand_over(self, row: Result) -> None:
        self.summary.add(row)
        self._rows.append(row)
        self._news.set()
