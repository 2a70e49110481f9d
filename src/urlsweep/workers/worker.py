"""A worker: told what to ask by messages, tells what became of it by messages.

Contract: one run, one shard. It ends when it is told to (`Stop`), and then says `Closing`. Where it is told is not its
matter, nor whether that is still there: see `__main__`.
Not in here: asking (`shard`), the pipes (`__main__`, `processes`).
"""

from __future__ import annotations

import asyncio
import time
import traceback
from collections.abc import Callable
from typing import Final, assert_never

from urlsweep.asking import Job, Owner
from urlsweep.core.check import Verdict
from urlsweep.core.summary import HOSTS_KEPT, Summary
from urlsweep.transport import Transport
from urlsweep.transport.options import TransportOptions
from urlsweep.workers.messages import (
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
    Routed,
    Settled,
    Shared,
    Standing,
    Stop,
    Take,
    ToWorker,
    Trusted,
    frame,
    to_worker,
)
from urlsweep.workers.shard import NumberedJob, ShardAsking

GATHERED: Final = 0.01
"""Seconds for which verdicts are gathered: nobody waits for a row, and each frame costs both ends a turn of a loop."""

MOST_GATHERED: Final = 256
"""Verdicts that are not kept back any longer; nor are as many as there are jobs left: more are read when rows come."""

LOOKED_EVERY: Final = 0.25
"""Seconds after which it is told anew how things stand, where that is all there is to tell."""

OpenTransport = Callable[[TransportOptions], Transport]


class Worker:
    """One worker."""

    def __init__(
        self,
        send: Callable[[bytes], None],
        open_transport: OpenTransport,
        ended: Callable[[], None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`ended` is called when all has been said."""
        self._send = send
        self._open_transport = open_transport
        self._ended = ended
        self._wall = wall
        self._frames = Frames()
        self._loop = asyncio.get_running_loop()
        self._summary = Summary()
        self._transport: Transport | None = None
        self._asking: ShardAsking | None = None
        self._shards = 1
        self._jobs: dict[int, NumberedJob] = {}  # that are here and not settled
        self._taken = 0
        self._verdicts: list[tuple[int, Verdict]] = []
        self._news: list[FromWorker] = []
        self._told: Standing | None = None
        self._looked_at = 0.0
        self._flush: asyncio.Handle | None = None
        self._look: asyncio.Handle | None = None
        self._is_flush_near = False
        self._is_stopping = False
        self._closing: asyncio.Task[None] | None = None

    # -- messages in

    def received(self, data: bytes) -> None:
        """Bytes came from the run's process. A bug is told there, and is not raised."""
        try:
            for body in self._frames.bodies(data):
                for message in to_worker(body):
                    self._heed(message)
            asking = self._asking
            if asking is not None and not asking.is_over and not asking.is_turn_due:
                asking.be_called()
        except Exception as error:
            self._failed(error)

    def _heed(self, message: ToWorker) -> None:
        if isinstance(message, Stop):
            if not self._is_stopping:
                self._is_stopping = True
                self._closing = self._loop.create_task(self._close(), name="urlsweep worker's end")
            return
        if self._is_stopping:
            return
        if isinstance(message, Begin):
            self._begin(message)
            return
        asking = self._asking
        assert asking is not None  # noqa: S101  Begin comes first
        now = self._loop.time()
        match message:
            case Take(jobs):
                self._taken += len(jobs)
                for number, url in jobs:
                    job = self._jobs[number] = NumberedJob(url, number)
                    asking.add(job, now)
            case Fed():
                asking.is_fed = True
            case Move():
                taken_over = asking.taken_over(message)
                if isinstance(taken_over, NumberedJob):
                    self._jobs[taken_over.number] = taken_over
                asking.go_on(taken_over, now)
            case RobotsRead() | Trusted() | NetworkMet() | NetworkAnswered() | NetworkFailed():
                asking.hear(message, now)
            case _:
                assert_never(message)

    def _begin(self, begin: Begin) -> None:
        self._transport = self._open_transport(begin.options)
        self._shards = begin.shards
        self._asking = ShardAsking(
            begin,
            self._transport,
            self._summary,
            Owner(self._settled, self._looked, self._failed),
            tell=self._tell,
            moved=self._moved,
            wall=self._wall,
        )
        self._asking.begin(self._loop)

    # -- what becomes of jobs

    def _settled(self, job: Job, verdict: Verdict) -> None:
        assert isinstance(job, NumberedJob)  # noqa: S101  the only kind that is a row's
        del self._jobs[job.number]
        job.check = job.ask = None
        self._verdicts.append((job.number, verdict))
        self._be_flushed(is_soon=len(self._verdicts) >= min(MOST_GATHERED, len(self._jobs)))

    def _moved(self, job: Job) -> None:
        if isinstance(job, NumberedJob):
            del self._jobs[job.number]

    def _tell(self, news: Move | Routed | Shared) -> None:
        self._news.append(news)
        self._be_flushed(is_soon=True)

    def _looked(self) -> None:
        asking, told = self._asking, self._told
        assert asking is not None  # noqa: S101  it calls
        has_room = asking.has_room_for_more
        if (
            told is None
            or has_room is not told.has_room
            or (has_room and self._taken != told.taken)
            or asking.is_network_lost
        ):
            self._be_flushed(is_soon=not asking.open_requests)
        elif self._loop.time() - self._looked_at >= LOOKED_EVERY:
            self._be_flushed(is_soon=False)

    def _failed(self, error: BaseException) -> None:
        self._news.append(Failed(f"{type(error).__name__}: {error}", "".join(traceback.format_exception(error))))
        self._be_flushed(is_soon=True)

    # -- messages out

    def _be_flushed(self, *, is_soon: bool) -> None:
        if self._flush is not None:
            if self._is_flush_near or not is_soon:
                return
            self._flush.cancel()
        self._is_flush_near = is_soon
        self._flush = (
            self._loop.call_soon(self._on_flush) if is_soon else self._loop.call_later(GATHERED, self._on_flush)
        )

    def _on_flush(self) -> None:
        self._flush = None
        messages, self._news = self._news, []
        if self._verdicts:
            messages.append(Settled(self._verdicts))
            self._verdicts = []
        if self._asking is not None:
            standing = self._standing(self._asking)
            if standing != self._told:
                messages.append(standing)
                self._told = standing
        if messages:
            self._send(frame(messages))

    def _on_look(self) -> None:
        self._look = None
        self._be_flushed(is_soon=False)

    def _standing(self, asking: ShardAsking) -> Standing:
        now = self._loop.time()
        if self._told is None or now - self._looked_at >= LOOKED_EVERY:
            hosts, until = asking.waiting_hosts
            self._looked_at = now
        else:  # it looks at every one of them; when nothing else happens any more, they wait all the same
            hosts, until = self._told.waiting_hosts, self._told.waiting_until
            if self._look is None:
                self._look = self._loop.call_later(LOOKED_EVERY, self._on_look)
        return Standing(
            taken=self._taken,
            has_room=asking.has_room_for_more,
            open_requests=asking.open_requests,
            requests=self._summary.requests,
            waiting_hosts=hosts,
            waiting_until=until,
            is_network_down=asking.is_network_down,
            is_network_lost=asking.is_network_lost,
        )

    # -- the end

    async def _close(self) -> None:
        if self._flush is not None:
            self._flush.cancel()
        asking = self._asking
        if asking is not None:
            try:
                asking.is_over = True
                if asking.open_requests:  # what came in the very moment in which the run ended is taken, too
                    await asyncio.sleep(0)
                asking.take_answers(self._loop.time())
                await asking.end(self._jobs.values())
                begun = [(number, job) for number, job in self._jobs.items() if job.check is not None]
                self._verdicts += [(number, asking.unfinished(job)) for number, job in begun]
            except Exception as error:
                self._failed(error)
        self._asking = None
        if asking is not None:
            self._news.append(self._standing(asking))
        for handle in (self._flush, self._look):
            if handle is not None:
                handle.cancel()
        self._on_flush()
        self._send(frame([self._part(asking)]))
        if self._transport is not None:
            await self._transport.aclose()
        self._ended()

    def _part(self, asking: ShardAsking | None) -> Closing:
        bottleneck = self._summary.bottleneck
        return Closing(
            request_seconds=bottleneck.request_seconds,
            timeout_seconds=bottleneck.timeout_seconds,
            lookup_seconds=bottleneck.lookup_seconds,
            cpu_seconds=bottleneck.cpu_seconds,
            seconds=bottleneck.seconds if asking is not None else {},
            slowed=bottleneck.slowed,
            slowed_hosts=bottleneck.slowed_hosts,
            hosts=self._summary.slowest_hosts(HOSTS_KEPT // self._shards),
        )
