"""The run's side: jobs go to the worker that their host belongs to, and what the workers find out comes together.

Contract: an `Asker`. Every job that is added has one verdict in the end; one whose worker is gone is unfinished. Memory
is bounded by whoever adds jobs: the engine's window.
Not in here: processes and pipes (`processes`), what a worker does (`worker`, `shard`).
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final, Protocol, assert_never

import msgspec

from urlsweep.asking import Job, Owner, WorkerError
from urlsweep.core.bottleneck import Limiter
from urlsweep.core.check import Check, HeadTrust, Verdict
from urlsweep.core.limits import Limits
from urlsweep.core.model import Reason
from urlsweep.core.pacer import SLOWED_TOLD, Gated
from urlsweep.core.policy import Policy
from urlsweep.core.summary import Summary
from urlsweep.core.urls import Url
from urlsweep.transport.options import TransportOptions
from urlsweep.workers.messages import (
    ROBOTS,
    Begin,
    Closing,
    Failed,
    Fed,
    Frames,
    FromWorker,
    Move,
    NetworkAnswered,
    NetworkFailed,
    NetworkMet,
    RobotsRead,
    Settled,
    Standing,
    Stop,
    Take,
    ToWorker,
    Trusted,
    frame,
    from_worker,
)
from urlsweep.workers.sharding import Sharding

AHEAD: Final = 4
"""Jobs per slot that a worker is sent at most after it said that it has room for more: that is a moment old."""

CLOSING: Final = 1.0
"""Seconds that workers have to say what became of their jobs, once they are told to stop: a signal leaves the process
1.7 in all (`cli.interruption`)."""


class Link(Protocol):
    """The way to one worker."""

    name: str  # "worker 2 (process 4711)"

    def send(self, data: bytes) -> None:
        """Send `data`, in order, without waiting. Nothing happens where the worker is gone."""

    def listen(self, received: Callable[[bytes], None], lost: Callable[[str], None]) -> None:
        """`received` is called with what it sends; `lost` once, when it is gone, with how ("was killed by SIGKILL")."""


class _Shard:
    """What is known of one worker."""

    __slots__ = ("ahead", "closing", "frames", "is_stopped", "jobs", "link", "lost", "out", "sent", "standing")

    def __init__(self, link: Link, slots: int) -> None:
        self.link = link
        self.ahead = AHEAD * slots
        self.frames = Frames()
        self.jobs: list[tuple[int, Url]] = []  # to be sent
        self.out: list[ToWorker] = []  # the same, behind them
        self.sent = 0  # jobs, ever
        self.standing = Standing(0, True, 0, 0, 0, None, False, False)
        self.is_stopped = False  # was told to
        self.closing: Closing | None = None
        self.lost: str | None = None  # how it went

    @property
    def is_over(self) -> bool:
        return self.closing is not None or self.lost is not None

    @property
    def has_room(self) -> bool:
        """Whether jobs of other hosts would find a slot there: it said so not many jobs ago."""
        return self.standing.has_room and self.sent - self.standing.taken < self.ahead

    def flush(self) -> None:
        messages, self.out = self.out, []
        if self.jobs:
            messages.append(Take(self.jobs))
            self.jobs = []
        if messages:
            self.link.send(frame(messages))


class ShardedAsking:
    """Asks over several workers."""

    may_start = False  # what a worker may start is not known in the same moment

    def __init__(
        self,
        links: Sequence[Link],
        options: TransportOptions,
        policy: Policy,
        limits: Limits,
        summary: Summary,
        owner: Owner,
        *,
        seed: int | None = None,
    ) -> None:
        self.policy = policy
        self.is_held_back = self.is_fed = self.is_over = False
        self.is_turn_due = False
        self._options = options
        self._limits = limits
        self._summary = summary
        self._settled, self._looked, self._failed = owner
        self._seed = seed
        self._sharding: Final = Sharding(len(links), limits.pace_by)
        self._shards = [
            _Shard(link, self._sharding.share_of(limits, number).concurrency) for number, link in enumerate(links)
        ]
        self._jobs: dict[int, Job] = {}  # without a verdict, by number
        self._numbers: dict[Job, int] = {}  # of those whose verdict has to be looked for, at the end
        self._next_number = 0
        self._unfinished: dict[int, Verdict] = {}  # what workers said of open jobs, at the end
        self._has_begun = False
        self._is_fed_told = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started = self._cpu_before = 0.0
        self._all_over = asyncio.Event()
        self._is_summed_up = False

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """See `Asker`."""
        self._loop = loop
        self._started = loop.time()
        self._cpu_before = time.process_time()
        for shard in self._shards:
            self._listen(shard)

    def _listen(self, shard: _Shard) -> None:
        shard.link.listen(lambda data: self._received(shard, data), lambda how: self._lost(shard, how))

    # -- how things stand

    @property
    def open_requests(self) -> int:
        """See `Asker`."""
        return sum(shard.standing.open_requests for shard in self._shards)

    @property
    def has_room_for_more(self) -> bool:
        """See `Asker`."""
        return any(shard.has_room for shard in self._shards)

    @property
    def waiting_hosts(self) -> Gated:
        """See `Asker`."""
        standings = [shard.standing for shard in self._shards]
        until = [standing.waiting_until for standing in standings if standing.waiting_until is not None]
        return Gated(sum(standing.waiting_hosts for standing in standings), min(until, default=None))

    @property
    def is_network_down(self) -> bool:
        """See `Asker`."""
        return any(shard.standing.is_network_down for shard in self._shards)

    @property
    def is_network_lost(self) -> bool:
        """See `Asker`."""
        return any(shard.standing.is_network_lost for shard in self._shards)

    # -- to the workers

    def add(self, job: Job, now: float) -> None:  # noqa: ARG002  an Asker's signature
        """See `Asker`."""
        number = self._next_number
        self._next_number += 1
        self._jobs[number] = job
        shard = self._shards[self._sharding.shard_of(job.url.host_key)]
        shard.jobs.append((number, job.url))
        shard.sent += 1

    def be_called(self) -> None:
        """See `Asker`."""
        self.is_turn_due = True
        if self._loop is None:
            raise RuntimeError("the run has not started")
        self._loop.call_soon(self._on_turn)

    def _on_turn(self) -> None:
        self.is_turn_due = False
        if self._loop is not None:
            self.pump(self._loop.time())

    def pump(self, now: float) -> None:  # noqa: ARG002  an Asker's signature
        """See `Asker`."""
        if self.is_over or self.is_held_back:
            return
        try:
            self._flush()
            self._looked()
        except Exception as error:
            self._failed(error)

    def _flush(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            for number, shard in enumerate(self._shards):
                shard.out.insert(0, self._begin(number))
        if self.is_fed and not self._is_fed_told:
            self._is_fed_told = True
            for shard in self._shards:
                shard.flush()  # what was added before stands before it
                shard.out.append(Fed())
        for shard in self._shards:
            shard.flush()

    def _begin(self, number: int) -> Begin:
        limits = self._sharding.share_of(self._limits, number)
        return Begin(
            number,
            len(self._shards),
            # What is not to be asked was not added.
            replace(self.policy, include=(), exclude=()),
            limits,
            msgspec.structs.replace(self._options, concurrency=limits.concurrency),
            None if self._seed is None else self._seed + number,
        )

    # -- from the workers

    def _received(self, shard: _Shard, data: bytes) -> None:
        if self._is_summed_up:  # too late
            return
        try:
            for body in shard.frames.bodies(data):
                for message in from_worker(body):
                    self._heed(shard, message)
            if not self.is_over:
                self._flush()
                self._looked()
        except Exception as error:
            self._failed(error)

    def _heed(self, shard: _Shard, message: FromWorker) -> None:
        match message:
            case Settled(verdicts):
                for number, verdict in verdicts:
                    if verdict.reason == Reason.SKIP_UNFINISHED:
                        self._unfinished[number] = verdict
                    elif (job := self._jobs.pop(number, None)) is not None:
                        self._settled(job, verdict)
            case Standing():
                shard.standing = message
            case Move():
                self._move(message)
            case RobotsRead() | Trusted():
                self._to(self._sharding.shard_of(message.host_key), message)
            case NetworkMet() | NetworkAnswered() | NetworkFailed():
                for number, other in enumerate(self._shards):
                    if other is not shard:
                        self._to(number, message)
            case Failed(what, traceback):
                error = WorkerError(f"{shard.link.name}: {what}")
                error.add_note(traceback)
                self._failed(error)
            case Closing():
                shard.closing = message
                self._see_whether_over()
            case _:
                assert_never(message)

    def _move(self, move: Move) -> None:
        number = self._sharding.shard_of(move.ask.request.host_key)
        shard = self._shards[number]
        if not shard.is_stopped and shard.lost is None:
            self._to(number, move)
        elif move.number != ROBOTS:  # the run is at its end
            url = move.state.url
            check = Check.of_state(move.state, self.policy.for_url(url), HeadTrust())
            self._unfinished[move.number] = check.unfinished()

    def _to(self, number: int, message: ToWorker) -> None:
        self._shards[number].out.append(message)

    def _lost(self, shard: _Shard, how: str) -> None:
        if shard.is_over:
            return
        shard.lost = how
        self._see_whether_over()
        if not shard.is_stopped:
            self._failed(WorkerError(f"{shard.link.name} {how}"))

    def _see_whether_over(self) -> None:
        if all(shard.is_over for shard in self._shards):
            self._all_over.set()

    # -- the end

    def take_answers(self, now: float) -> None:
        """See `Asker`. What has been sent is taken as it comes, until all is said."""

    def unfinished(self, job: Job) -> Verdict:
        """See `Asker`."""
        verdict = self._unfinished.get(self._numbers.get(job, -1))
        if verdict is not None:
            return verdict
        return Check(job.url, self.policy.for_url(job.url), HeadTrust()).unfinished()

    async def end(self, jobs: Iterable[Job]) -> None:  # noqa: ARG002  an Asker's signature
        """See `Asker`. Workers that do not end in time are given up."""
        self.is_over = True
        for shard in self._shards:
            shard.jobs = []
            shard.out = [Stop()]
            shard.is_stopped = True
            shard.flush()
        self._see_whether_over()
        try:
            async with asyncio.timeout(CLOSING):
                await self._all_over.wait()
        except TimeoutError:
            pass
        self._is_summed_up = True
        self._numbers = {job: number for number, job in self._jobs.items()}
        self._sum_up()

    def _sum_up(self) -> None:
        assert self._loop is not None  # noqa: S101  the run has started
        parts = [shard.closing for shard in self._shards if shard.closing is not None]
        summary, bottleneck = self._summary, self._summary.bottleneck
        summary.requests += sum(shard.standing.requests for shard in self._shards)
        bottleneck.request_seconds = sum(part.request_seconds for part in parts)
        bottleneck.timeout_seconds = sum(part.timeout_seconds for part in parts)
        bottleneck.lookup_seconds = sum(part.lookup_seconds for part in parts)
        own = time.process_time() - self._cpu_before
        bottleneck.cpu_seconds = max(own, *(part.cpu_seconds for part in parts), 0.0)
        bottleneck.processes = 1 + len(self._shards)
        # Each worker's time is taken for as much as another's, but for the time in which it had no more to do.
        total = sum(sum(part.seconds.values()) for part in parts)
        run = self._loop.time() - self._started
        for limiter in Limiter:
            seconds = sum(part.seconds.get(limiter, 0.0) for part in parts)
            bottleneck.seconds[limiter] = run * seconds / total if total else 0.0
        if not total:
            bottleneck.seconds[Limiter.INPUT] = run
        slowed = [host for part in parts for host in part.slowed]
        bottleneck.slowed = heapq.nlargest(SLOWED_TOLD, slowed, key=lambda host: (host.held, host.pushed))
        bottleneck.slowed_hosts = sum(part.slowed_hosts for part in parts)
        for part in parts:
            summary.add_hosts(part.hosts)
