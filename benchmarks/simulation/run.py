"""One sweep of a simulated world: the engine's loop without asyncio, the real Pacer and Check within it.

Contract: deterministic; the simulated clock jumps from one event to the next. Every URL ends with exactly one verdict,
or `StuckError` is raised: a Pacer that loses one, or that wakes for ever with nothing to do, is not waited for.
"""

from __future__ import annotations

import heapq
import math
import random as random_module
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec

from benchmarks.simulation.world import CAP, EPOCH, Event, Truth, World
from urlsweep.core.check import Ask, Check, HeadTrust, Verdict
from urlsweep.core.limits import Limits
from urlsweep.core.model import Failure, Reason, Reply, Request
from urlsweep.core.pacer import Pacer
from urlsweep.core.policy import Policy
from urlsweep.core.pressure import MAYBE_ITS_OWN, Pressure
from urlsweep.core.ticket import Ticket
from urlsweep.core.turn import Turn
from urlsweep.core.urls import Url
from urlsweep.transport.lean.race import HELD_SECONDS

WINDOW: Final = 100_000
"""Targets that have been read and not settled, at the most, as in the engine."""

LONGEST_RUN: Final = 7 * 86_400.0
"""Simulated seconds; no world in here needs a week."""

WAKES_IN_VAIN: Final = 10_000
"""In a row, and ten for each host: more than a world can need, so that a Pacer that never ends is told."""


class StuckError(RuntimeError):
    """The run cannot go on; the message says what is left."""


class Job:
    """One URL on its way."""

    __slots__ = ("check", "failed_at", "host_number", "page", "request")

    def __init__(self, host_number: int, page: int) -> None:
        self.host_number = host_number
        self.page = page  # which of its host's URLs it is
        self.check: Check | None = None
        self.failed_at: float | None = None
        self.request: Request | None = None  # the next one


class Pacing(Protocol):
    """What is asked of a Pacer here: to be measured, it is wrapped (see `cost`)."""

    @property
    def waiting(self) -> int: ...
    @property
    def is_network_lost(self) -> bool: ...
    def add(self, host_key: str, item: Job, now: float, *, delay: float = ..., turn: Turn = ...) -> None: ...
    def next(self, now: float) -> tuple[Ticket, Job] | None: ...
    def release(
        self,
        ticket: Ticket,
        event: Event,
        now: float,
        wall: float,
        *,
        item: Job | None = ...,
        pressure: Pressure | None = ...,
        failed_at: float | None = ...,
    ) -> bool: ...
    def take_given_up(self) -> Sequence[tuple[str, Job, Event]]: ...
    def wake_at(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class Clock:
    """What the machine that asks adds to the world's own times."""

    per_request: float = 0.0  # seconds of the processor's for each request sent
    timer_step: float = 0.0  # a timer fires at a multiple of it: asyncio's, on epoll, are late by up to a millisecond

    def wake(self, when: float) -> float:
        """When a timer set for `when` fires."""
        # Never before, not even by the rounding of the product.
        return max(when, math.ceil(when / self.timer_step) * self.timer_step) if self.timer_step else when


@dataclass(slots=True)
class Second:
    """One host in one second."""

    sent: int = 0
    served: int = 0  # sent, and answered with a code below 400
    most_at_once: int = 0


@dataclass(slots=True)
class Record:
    """What a run came to. Lists are by host number."""

    urls: int
    seconds: float = 0.0
    requests: int = 0
    pushed: int = 0  # requests turned away for being too many
    told: Counter[Truth] = field(default_factory=Counter)
    wrong: Counter[tuple[str, Truth]] = field(default_factory=Counter)  # host and its kind, what was said
    unfinished: int = 0  # left when the network was found lost
    first_sent: list[float] = field(default_factory=list)  # infinity: never
    most_at_once: list[int] = field(default_factory=list)
    capped_at: dict[int, float] = field(default_factory=dict)  # host -> when it was first asked `CAP` at once
    settled_at: list[float] = field(default_factory=list)  # the last of its URLs
    trace: dict[int, Second] = field(default_factory=dict)  # of the traced host, by the second
    is_network_lost: bool = False

    @property
    def pushed_share(self) -> float:
        """The part of all requests that was turned away."""
        return self.pushed / self.requests if self.requests else 0.0


def simulate(
    world: World,
    limits: Limits | None = None,
    *,
    seed: int = 0,
    clock: Clock | None = None,
    pacer: Pacing | None = None,
    order: list[int] | None = None,
    trace: str | None = None,
) -> Record:
    """Sweep `world` and tell what came of it.

    `limits` are the defaults where not given; `pacer` is made of them unless given; `order` is the list, as host
    numbers (default: the world's own disorder); `trace` is the key of a host to be watched second by second.
    Raises StuckError.
    """
    order = world.order(seed) if order is None else order
    limits = limits or Limits()
    run = _Run(world, pacer or Pacer(limits), limits, seed, clock or Clock(), order, trace)
    run.sweep()
    return run.record


class _Run:
    def __init__(
        self, world: World, pacer: Pacing, limits: Limits, seed: int, clock: Clock, order: list[int], trace: str | None
    ) -> None:
        count = len(world.hosts)
        self.record = Record(
            len(order), first_sent=[math.inf] * count, most_at_once=[0] * count, settled_at=[0.0] * count
        )
        self._world = world
        self._pacer = pacer
        self._random = random_module.Random(seed)
        self._clock = clock
        self._list = iter(order)
        self._trace = next((number for number, host in enumerate(world.hosts) if host.key == trace), -1)
        self._policy = Policy()
        self._trust = HeadTrust()
        self._pages = [0] * count  # how many of each host's URLs have been read
        self._at_once = [0] * count
        self._open = 0  # read and not settled
        self._has_more = True
        self._most_in_vain = WAKES_IN_VAIN + 10 * count
        self._coming: list[tuple[float, int, Ticket, Job, Event]] = []  # answers, the next one first
        self._now = 0.0
        self._slots = limits.concurrency
        self._left: dict[int, tuple[float, float]] = {}  # attempts that outlast their request, by host: begin and end
        self._slow_from: dict[int, float] = {}  # when one of these succeeded, by host: who comes later waits in full

    def sweep(self) -> None:
        """Send what may go, settle what was given up, go on to whatever comes next: an answer or a timer."""
        pacer = self._pacer
        in_vain = 0
        while True:
            self._read()
            was_sent, was_settled = self._send_all(), self._settle_given_up()
            in_vain = 0 if was_sent or was_settled else in_vain + 1
            if pacer.is_network_lost or not (self._open or self._has_more):
                break
            if self._open < WINDOW and self._has_more:
                continue  # what was given up left room to read on
            wake_at = pacer.wake_at()
            answer_at = self._coming[0][0] if self._coming else math.inf
            moment = min(answer_at, math.inf if wake_at is None else self._clock.wake(wake_at))
            if moment > LONGEST_RUN or in_vain > self._most_in_vain:
                raise StuckError(self._why_stuck(in_vain))
            self._now = max(self._now, moment)
            if answer_at <= self._now:  # one at a time: what it sets free is sent before the next is looked at
                in_vain = 0
                self._receive()
        record = self.record
        record.seconds = self._now
        record.is_network_lost = pacer.is_network_lost
        record.unfinished = record.urls - record.told.total()
        record.pushed = sum(host.pushed for host in self._world.hosts)

    def _read(self) -> None:
        hosts, pages, pacer, now = self._world.hosts, self._pages, self._pacer, self._now
        while self._open < WINDOW and self._has_more:
            number = next(self._list, -1)
            if number < 0:
                self._has_more = False
                return
            job = Job(number, pages[number])
            pages[number] += 1
            self._open += 1
            pacer.add(hosts[number].key, job, now)

    def _send_all(self) -> bool:
        """Whether anything was sent."""
        pacer, before = self._pacer, self.record.requests
        while (ready := pacer.next(self._now)) is not None:
            self._send(*ready)
        return self.record.requests > before

    def _send(self, ticket: Ticket, job: Job) -> None:
        record, number, now = self.record, job.host_number, self._now
        if ticket.is_control:
            job.request = Check(self._url_of(job), self._policy, self._trust).first().request
        elif job.check is None:
            record.first_sent[number] = min(now, record.first_sent[number])
            job.request = self._check_of(job).first().request
        record.requests += 1
        self._at_once[number] = at_once = self._at_once[number] + 1
        if at_once > record.most_at_once[number]:
            record.most_at_once[number] = at_once
            if at_once == CAP:
                record.capped_at[number] = now
        seconds, event = self._world.ask(number, job.page, now)
        if job.request is not None:
            if isinstance(event, Failure) and event.reason is Reason.DNS_TIMEOUT:
                seconds = min(seconds, job.request.connect_timeout)
            elif isinstance(event, Failure) and event.reason is Reason.CONNECT_TIMEOUT:
                seconds, event = self._connecting(number, math.inf, event, job.request)
            elif self._world.hosts[number].connect_seconds:
                connecting, event = self._connecting(
                    number, self._world.hosts[number].connect_seconds, event, job.request
                )
                seconds = connecting + seconds if isinstance(event, Reply) else connecting
        if number == self._trace:
            self._note(event, at_once)
        heapq.heappush(self._coming, (now + seconds, record.requests, ticket, job, event))
        self._now = now + self._clock.per_request

    def _connecting(self, number: int, needed: float, event: Event, request: Request) -> tuple[float, Event]:
        """How long `request` waits for a host that accepts a connection `needed` seconds after an attempt began, and
        what becomes of it: `event` where it stands in time.

        As the lean transport does it: of a host's attempts the oldest goes on after its request, for its own time,
        where there are fewer of these than slots; the host's next request takes it over, or the connection that came
        of it meanwhile.
        """
        now = self._now
        window = request.connect_timeout
        if now < self._slow_from.get(number, math.inf):
            window = min(window, request.reach_timeout)
        began, ends = self._left.pop(number, (now, now))
        if ends <= now:
            began = now
        if min(now + needed, max(now, began + needed)) <= now + window:
            return max(0.0, began + needed - now), event
        detail = f"simulated: no connection within {window:g} s"
        failure = Failure(Reason.CONNECT_TIMEOUT, detail, window, self._world.hosts[number].address)
        if ends <= now + window:
            began, ends = now, now + request.attempt_timeout
            if needed <= request.attempt_timeout:
                ends = began + needed + HELD_SECONDS
                self._slow_from.setdefault(number, began + needed)
        if ends <= now + window:
            return window, failure
        if len(self._left) >= self._slots:  # some of them will have had their time
            self._left = {host: left for host, left in self._left.items() if left[1] > now}
        if len(self._left) < self._slots:
            self._left[number] = (began, ends)
            failure = msgspec.structs.replace(failure, under_way=now + window - began)
        return window, failure

    def _receive(self) -> None:
        _, _, ticket, job, event = heapq.heappop(self._coming)
        now = self._now
        wall = EPOCH + now
        self._at_once[job.host_number] -= 1
        if ticket.is_control:
            self._pacer.release(ticket, event, now, wall)
            return
        check = self._check_of(job)
        pressure = check.pressure_of(event, wall)
        is_free = self._pacer.release(ticket, event, now, wall, item=job, pressure=pressure, failed_at=job.failed_at)
        if pressure in MAYBE_ITS_OWN and (is_free or job.failed_at is None):
            job.failed_at = ticket.sent_at
        step = check.next(event, wall, self._random, is_free=is_free)
        if isinstance(step, Ask):
            job.request = step.request
            self._pacer.add(step.request.host_key, job, now, delay=step.delay, turn=step.turn)
        else:
            self._settle(job, step)

    def _check_of(self, job: Job) -> Check:
        if job.check is None:
            job.check = Check(self._url_of(job), self._policy, self._trust)
        return job.check

    def _url_of(self, job: Job) -> Url:
        key = self._world.hosts[job.host_number].key
        host, _, port = key.rpartition(":")
        return Url(f"https://{host}/{job.page}", "", "https", host, int(port), f"{host}:{port}")

    def _settle_given_up(self) -> bool:
        """Whether there were any."""
        before = self._open
        for host_key, job, event in self._pacer.take_given_up():
            self._settle(job, self._check_of(job).given_up(host_key, event))
        return self._open < before

    def _settle(self, job: Job, verdict: Verdict) -> None:
        self._open -= 1
        job.check = None
        truth = Truth(str(verdict.outcome), verdict.reason)
        self.record.told[truth] += 1
        self.record.settled_at[job.host_number] = self._now
        host = self._world.hosts[job.host_number]
        if truth not in host.truth(job.page):
            self.record.wrong[f"{host.key} ({type(host).__name__})", truth] += 1

    def _note(self, event: Event, at_once: int) -> None:
        second = self.record.trace.setdefault(int(self._now), Second())
        second.sent += 1
        second.served += isinstance(event, Reply) and event.status < 400
        second.most_at_once = max(second.most_at_once, at_once)

    def _why_stuck(self, in_vain: int) -> str:
        what = f"{in_vain} wakes in a row gave nothing to send" if in_vain > self._most_in_vain else "nothing comes"
        return (
            f"after {self._now:.3f} simulated seconds {self._open} URLs are open, {self._pacer.waiting} wait, "
            f"{len(self._coming)} answers are to come, the next wake is at {self._pacer.wake_at()}: {what}"
        )
