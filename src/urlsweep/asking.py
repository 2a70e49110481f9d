"""Asking: jobs in, requests out within the Pacer's bounds, the Check decides, verdicts out.

Contract: owns what asking costs: the Pacer, the requests under way, the timer, the tasks that read a robots.txt. Every
job that is added is settled once, or is its owner's to close when the run ends. The transport and the jobs stay the
owner's.
Not in here: where jobs come from, which of them are duplicates, rows (`engine`); any decision about a URL
(`core.check`) or a host (`core.pacer`).

A job that waits, for its host or for a later try, is an entry in the Pacer and nothing else: no task, no slot.
"""

from __future__ import annotations

import asyncio
import random as random_module
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Final, NamedTuple, Protocol

import msgspec

from urlsweep.core.bottleneck import Limiter
from urlsweep.core.check import Ask, Check, HeadTrust, Verdict
from urlsweep.core.limits import Limits
from urlsweep.core.model import Failure, Reason, Reply, Request
from urlsweep.core.pacer import Gated, Pacer
from urlsweep.core.policy import ByHand, Method, Policy, StatusSet
from urlsweep.core.pressure import MAYBE_ITS_OWN
from urlsweep.core.robots import LONGEST_ROBOTS, RobotsRules, robots_url
from urlsweep.core.summary import Summary
from urlsweep.core.ticket import Ticket
from urlsweep.core.turn import Turn
from urlsweep.core.urls import Url, parse
from urlsweep.robots import RobotsBook
from urlsweep.transport import BodyError, Handle, Transport

SUCCESS: Final = StatusSet(((200, 299),))
TIMEOUTS: Final = frozenset({Reason.DNS_TIMEOUT, Reason.CONNECT_TIMEOUT, Reason.RESPONSE_TIMEOUT})


class Job:
    """One URL on its way to a verdict. Its owner may know it by more: see `engine`."""

    __slots__ = ("ask", "body", "check", "failed_at", "handle", "url")

    def __init__(self, url: Url) -> None:
        self.url = url
        self.check: Check | None = None  # made when its first request may go: a waiting URL stays small
        self.ask: Ask | None = None
        self.handle: Handle | None = None  # of the request that is under way
        self.failed_at: float | None = None  # when that was sent by which it had trouble, by the loop's clock
        self.body: bytes | None = None  # of a robots.txt: read for the run itself, and no row of it


class Owner(NamedTuple):
    """Who has jobs asked: what is called when something becomes of them, on the loop."""

    settled: Callable[[Job, Verdict], None]
    """A job and its verdict. The Pacer may remember the job, to ask its URL once more (`Asking._control_of`), but
    nothing else of it: what it holds beside is for the owner to drop."""

    looked: Callable[[], None]
    """All has been asked that may be for now: the moment to add more, or to end."""

    failed: Callable[[BaseException], None]
    """Something went wrong that is none of the network's faults: the run has to end."""


class Asker(Protocol):
    """What a run needs of whoever asks: `Asking` in this process, or several of them in others (`workers`)."""

    policy: Policy  # may be set as long as it `is_held_back`
    is_held_back: bool  # nothing is asked yet
    is_fed: bool  # the owner has no more jobs to add
    is_over: bool  # nothing new is started
    is_turn_due: bool  # the loop will see to what was added

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """The run starts, on this loop."""

    @property
    def open_requests(self) -> int:
        """Requests under way."""

    @property
    def may_start(self) -> bool:
        """Whether `pump` may start what was just added."""

    @property
    def has_room_for_more(self) -> bool:
        """Whether jobs for other hosts would find a slot."""

    @property
    def waiting_hosts(self) -> Gated:
        """Hosts that are being left alone for a while and have work left, and until when (the loop's time)."""

    @property
    def is_network_down(self) -> bool:
        """Whether nobody answers any more, and nothing but probes is sent."""

    @property
    def is_network_lost(self) -> bool:
        """Whether that has lasted for as long as patience goes."""

    def add(self, job: Job, now: float) -> None:
        """Ask `job`, when its host lets it. Nothing is sent before `pump`, or the turn that `be_called` asks for."""

    def be_called(self) -> None:
        """Have the loop see to what was added, in its next round; not to be called where that `is_turn_due`."""

    def pump(self, now: float) -> None:
        """Start whatever may start now, and see to being called again when more may."""

    def take_answers(self, now: float) -> None:
        """Take what has come so far. Once it `is_over`: also what came in the very moment in which it ended."""

    def unfinished(self, job: Job) -> Verdict:
        """The verdict of `job` where the run ends now."""

    async def end(self, jobs: Iterable[Job]) -> None:
        """Drop every request under way: of `jobs`, which are the owner's that are not settled, and of its own. Tells
        the summary what the run was limited by."""


class SweepError(Exception):
    """The run cannot go on."""


class CrewError(SweepError):
    """There can be no others here who ask. The message says why."""


class WorkerError(SweepError):
    """Others who ask went wrong, or away: what they had not finished is unfinished. The message says who, and how."""


class Crew(Protocol):
    """Others who ask, and what a run has of them."""

    def asker(self, policy: Policy, limits: Limits, summary: Summary, owner: Owner, *, seed: int | None) -> Asker:
        """What asks the jobs of one run, within `limits` in all; see `Asking`."""


class Asking:
    """Asks jobs, on one event loop, over one transport."""

    def __init__(
        self,
        policy: Policy,
        limits: Limits,
        transport: Transport,
        summary: Summary,
        owner: Owner,
        *,
        seed: int | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """`summary` is told of every request. `seed` fixes the random that spreads retries; `wall` gives the time of
        day in seconds since the epoch."""
        self.policy = policy
        self.is_held_back = self.is_fed = self.is_over = False
        self.is_turn_due = False  # the loop will call `_on_turn`
        self._limits = limits
        self._transport = transport
        self._settled, self._looked, self._failed = owner
        self._summary = summary
        self._random = random_module.Random(seed)
        self._wall = wall
        self._pacer: Pacer[Job] = Pacer(limits)
        self._trust = HeadTrust()
        self._robots: RobotsBook[Job] = RobotsBook(policy.headers)
        self._obeys_robots = policy.robots_matter
        self._paces_by_rule = policy.paces_by_rule
        self._goes_straight_on = not (self._paces_by_rule or self._obeys_robots)  # see `_proceed`
        self._loop: asyncio.AbstractEventLoop | None = None  # the run's, once it has started
        self._limiter = Limiter.INPUT  # what keeps the run from being faster, ...
        self._limited_since = 0.0  # ... since then
        self._cpu_before = self._lookups_before = 0.0  # seconds of each that are not this run's
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._readers: set[asyncio.Task[None]] = set()  # of robots.txt
        self._controls: dict[object, Handle] = {}  # requests under way for their host's sake
        self._answers: list[tuple[Ticket, Job | None, Request, Reply | Failure | Exception]] = []  # to be taken

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """See `Asker`."""
        self._loop = loop
        self._limited_since = loop.time()
        self._cpu_before = time.process_time()
        self._lookups_before = self._transport.lookup_seconds

    @property
    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise RuntimeError("the run has not started")
        return self._loop

    # -- how things stand

    @property
    def open_requests(self) -> int:
        """See `Asker`."""
        return self._pacer.in_flight

    @property
    def may_start(self) -> bool:
        """See `Asker`."""
        return self._pacer.is_ready

    @property
    def has_room_for_more(self) -> bool:
        """See `Asker`."""
        return self._pacer.has_room_for_more

    @property
    def waiting_hosts(self) -> Gated:
        """See `Asker`."""
        return self._pacer.gated(self._loop.time()) if self._loop is not None else Gated(0, None)

    @property
    def is_network_down(self) -> bool:
        """See `Asker`."""
        return self._pacer.is_network_down

    @property
    def is_network_lost(self) -> bool:
        """See `Asker`."""
        return self._pacer.is_network_lost

    # -- jobs in

    def add(self, job: Job, now: float) -> None:
        """See `Asker`."""
        url = job.url
        if self._obeys_robots and self.policy.obeys_robots(url):
            self._admit(job, url, now)
        elif self._paces_by_rule:
            self._enqueue(job, url, now)
        else:
            self._pacer.add(url.host_key, job, now)

    def _enqueue(self, job: Job, url: Url, now: float) -> None:
        """Queue `job` for what it asks next, which is `url`: its own, or where a redirect leads."""
        self._bind_by_rule(url, now)
        if job.ask is None:
            self._pacer.add(url.host_key, job, now)
        else:
            self._pacer.add(url.host_key, job, now, delay=job.ask.delay, turn=job.ask.turn)

    def _bind_by_rule(self, url: Url, now: float) -> None:
        """Keep the host of `url`, a job's or where a redirect leads, within what rules say for its pace."""
        if self._paces_by_rule and (by_hand := self.policy.by_hand(url)) is not None:
            self._pacer.bind(url.host_key, by_hand, now)

    # -- robots.txt

    def _admit(self, job: Job, url: Url, now: float) -> None:
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

    def _robots_job(self, url: Url) -> Job:
        job = Job(url)
        job.body = b""
        job.check = Check(url, self._policy_of(job), self._trust)
        return job

    def _policy_of(self, job: Job) -> Policy:
        policy = self.policy.for_url(job.url)
        return policy if job.body is None else replace(policy, method=Method.GET, accept=SUCCESS, follow=True)

    async def _read_robots(self, job: Job, request: Request) -> Reply | Failure:
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

    def _settle_robots(self, job: Job, verdict: Verdict) -> None:
        body, job.body = job.body or b"", b""  # the Pacer may remember the job: see `Owner.settled`
        self._robots_known(job.url.origin, verdict, body)

    def _robots_known(self, origin: str, verdict: Verdict, body: bytes) -> None:
        now = self._running_loop.time()
        for waiting in self._robots.settle(origin, verdict, body):
            self._admit(waiting, self._next_url(waiting), now)

    # -- requests out

    def pump(self, now: float) -> None:
        """See `Asker`."""
        if self.is_over or self.is_held_back:
            return
        self._start_ready(now)
        self._settle_given_up()
        self._account(now)
        self._looked()
        if self.is_over:
            return
        wake_at = self._pacer.wake_at()
        if wake_at is not None and (self._timer is None or wake_at != self._timer_at):
            if self._timer is not None:
                self._timer.cancel()
            self._timer_at = wake_at
            self._timer = self._running_loop.call_at(wake_at, self._on_timer)

    def _start_ready(self, now: float) -> None:
        if self.is_over:
            return
        while (ready := self._pacer.next(now)) is not None:
            self._ask(*ready)

    def _account(self, now: float) -> None:
        """Count the time since the last look for what limited the run then, and see what does now."""
        self._summary.bottleneck.seconds[self._limiter] += now - self._limited_since
        self._limited_since = now
        if not self.is_fed and not self._pacer.waiting:
            self._limiter = Limiter.INPUT
        else:
            self._limiter = self._pacer.limiter()

    def _on_timer(self) -> None:
        self._timer = None
        try:
            self.pump(self._running_loop.time())
        except Exception as error:
            self._failed(error)

    def _ask(self, ticket: Ticket, job: Job) -> None:
        """Send the next request of `job`, or a control. No task, unless it is a document that is read."""
        if ticket.is_control:
            key, request = object(), self._control_of(job)
            self._controls[key] = self._transport.start(request, partial(self._on_control, key, ticket, request))
            return
        request = (self._check_of(job).first() if job.ask is None else job.ask).request
        if job.body is None:
            job.handle = self._transport.start(request, partial(self._on_answer, ticket, job, request))
        else:
            reader = self._running_loop.create_task(self._ask_robots(ticket, job, request))
            self._readers.add(reader)
            reader.add_done_callback(self._on_read)

    async def _ask_robots(self, ticket: Ticket, job: Job, request: Request) -> None:
        self._on_answer(ticket, job, request, await self._read_robots(job, request))

    def _on_read(self, reader: asyncio.Task[None]) -> None:
        self._readers.discard(reader)
        if not reader.cancelled() and (error := reader.exception()) is not None:
            self._failed(error)

    def _on_control(self, key: object, ticket: Ticket, request: Request, event: Reply | Failure | Exception) -> None:
        """The transport calls: what was asked for its host's sake, and not for its URL's."""
        del self._controls[key]
        self._on_answer(ticket, None, request, event)

    def _on_answer(self, ticket: Ticket, job: Job | None, request: Request, event: Reply | Failure | Exception) -> None:
        """The transport calls. The answer is noted, and taken with all that come in this round."""
        self._answers.append((ticket, job, request, event))
        if not self.is_turn_due:
            self.be_called()

    def be_called(self) -> None:
        """See `Asker`: `_on_turn` is called.

        Answers come in batches: whatever has to be looked at after one of them (what the run is limited by, when to
        look again, whether to read on) is looked at once for all that came in this round, not sixty times.
        """
        self.is_turn_due = True
        self._running_loop.call_soon(self._on_turn)

    def _on_turn(self) -> None:
        """Take all answers that have come, and start what may start. What goes wrong in here ends the run, as does a
        bug of the transport's: in a callback it would be lost."""
        self.is_turn_due = False
        if self.is_over:
            return  # see `take_answers`
        try:
            now = self._running_loop.time()
            self.take_answers(now)
            self.pump(now)
        except Exception as error:
            self._failed(error)

    def take_answers(self, now: float) -> None:
        """See `Asker`."""
        if not self._answers:
            return
        wall = self._wall()
        summary = self._summary
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
        self, ticket: Ticket, job: Job, request: Request, event: Reply | Failure, now: float, wall: float
    ) -> None:
        """Let the Pacer and the Check learn from `event`, and do what follows for `job`."""
        job.handle = None
        check = job.check or self._check_of(job)
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
        if self._goes_straight_on:
            self._pacer.add(step.request.host_key, job, now, delay=step.delay, turn=step.turn)
            return
        self._proceed(job, now)

    def _proceed(self, job: Job, now: float) -> None:
        """Queue `job` for its next request, where more than its host has a word in it: rules, a robots.txt."""
        url = self._next_url(job)
        # Nobody's robots.txt keeps another robots.txt out (RFC 9309 section 2.2.2), and the job's own URL was let in.
        if job.body is None and url.href != job.url.href and self.policy.obeys_robots(url):
            self._admit(job, url, now)
        else:
            self._enqueue(job, url, now)

    def _next_url(self, job: Job) -> Url:
        """What `job` asks next: its own URL, or where a redirect leads."""
        if job.ask is None or job.ask.request.url == job.url.href:
            return job.url
        url = parse(job.ask.request.url)
        return url if isinstance(url, Url) else job.url

    def _control_of(self, job: Job) -> Request:
        """The request for the URL of `job` once more: by GET, for HEAD proves nothing when it fails."""
        first = Check(job.url, self.policy.for_url(job.url), self._trust).first()
        return msgspec.structs.replace(first.request, method="GET")

    def _check_of(self, job: Job) -> Check:
        """The Check of `job`, made when it is first needed."""
        check = job.check
        if check is None:
            check = job.check = Check(job.url, self._policy_of(job), self._trust)
        return check

    def unfinished(self, job: Job) -> Verdict:
        """See `Asker`."""
        return self._check_of(job).unfinished()

    # -- verdicts out

    def _settle_given_up(self) -> None:
        while given_up := self._pacer.take_given_up():
            for host_key, job, event in given_up:
                self._settle(job, self._check_of(job).given_up(host_key, event))

    def _settle(self, job: Job, verdict: Verdict) -> None:
        if job.body is None:
            self._settled(job, verdict)
        else:
            self._settle_robots(job, verdict)

    # -- the end

    async def end(self, jobs: Iterable[Job]) -> None:
        """See `Asker`."""
        self.is_over = True
        if self._timer is not None:
            self._timer.cancel()
        for handle in (*self._controls.values(), *(job.handle for job in jobs)):
            if handle is not None:
                handle.cancel()
        readers = list(self._readers)
        for reader in readers:
            reader.cancel()
        if readers:
            await asyncio.wait(readers)
        now = self._running_loop.time()
        self._account(now)
        bottleneck = self._summary.bottleneck
        bottleneck.cpu_seconds = time.process_time() - self._cpu_before
        bottleneck.lookup_seconds = self._transport.lookup_seconds - self._lookups_before
        bottleneck.slowed, bottleneck.slowed_hosts = self._pacer.slowed(now)
