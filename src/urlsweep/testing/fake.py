"""A transport that asks a made-up world instead of the network, and remembers what it was asked and when.

Contract: `FakeTransport` keeps the `Transport` protocol, time-outs included, waits on the running loop's timers alone
(so that it is exact under `virtual_time`), and is deterministic.
Not in here: sockets (see `faults`).

    >>> from urlsweep.core.model import Request
    >>> from urlsweep.testing.virtual_time import run_virtual
    >>> world = FakeTransport({"http://a.test/": [reply(503, after=0.5), reply(200)]})
    >>> request = Request("http://a.test/", "GET", "a.test:80")
    >>> run_virtual(world.send(request)).status, run_virtual(world.send(request)).status
    (503, 200)
    >>> [(exchange.sent, exchange.answered) for exchange in world.log]
    [(0.0, 0.5), (0.0, 0.0)]
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import msgspec

from urlsweep.core import urls
from urlsweep.core.model import Failure, Reason, Reply, Request
from urlsweep.transport import BodyError


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of one request."""

    after: float  # seconds from the send
    event: Reply | Failure
    body: tuple[bytes, ...] = ()  # the chunks that `open` gives
    breaks_off: Failure | None = None  # what ends the body instead of its end


Behaviour: TypeAlias = Answer | Sequence[Answer] | Callable[[Request, float, int], Answer]
"""How a URL or a host answers: always alike; in turn (the last one for ever); or as a function of the request, the
loop's time in seconds and how many requests this URL has had, this one included."""


def reply(
    status: int,
    *fields: tuple[str, str],
    after: float = 0.0,
    body: bytes | Sequence[bytes] = b"",
    breaks_off: Failure | None = None,
) -> Answer:
    """An answer with `status` and header `fields` ((name, value), names in any case) after `after` seconds.

    >>> reply(301, ("Location", "/new"), after=0.25).event.get("location")
    '/new'
    """
    chunks = (body,) if isinstance(body, bytes) else tuple(body)
    lowered = tuple((name.lower(), value) for name, value in fields)
    return Answer(after, Reply(status, lowered), tuple(chunk for chunk in chunks if chunk), breaks_off)


def failure(reason: Reason, detail: str = "", *, after: float = 0.0) -> Answer:
    """No answer, for `reason`, known after `after` seconds."""
    return Answer(after, Failure(reason, detail or f"planted: {reason}"))


def never() -> Answer:
    """No answer ever: what asks waits until its own time-out."""
    return failure(Reason.RESPONSE_TIMEOUT, after=float("inf"))


def by_method(*, head: Behaviour, get: Behaviour) -> Behaviour:
    """HEAD is answered by `head`, everything else by `get`; lists within are in turn per method.

    >>> hates_head = by_method(head=reply(405), get=reply(200))
    """
    counts: Counter[tuple[str, str]] = Counter()

    def answer(request: Request, now: float, nth: int) -> Answer:  # noqa: ARG001 - counted per method instead
        counts[request.url, request.method] += 1
        behaviour = head if request.method == "HEAD" else get
        return _answer(behaviour, request, now, counts[request.url, request.method])

    return answer


@dataclass(slots=True)
class TokenBucketHost:
    """Lets `rate` requests a second through, `burst` at once at most; answers the rest with 429.

    Each instance is one host with its own bucket. `retry_after` says whether a 429 tells in how many whole seconds a
    request will be let through again.
    """

    rate: float
    burst: int = 1
    retry_after: bool = False
    allowed: Behaviour = field(default_factory=lambda: reply(200))
    refused: int = 0  # how many requests got a 429
    _tokens: float = field(init=False, repr=False)
    _filled_at: float = field(init=False, default=float("-inf"), repr=False)

    def __post_init__(self) -> None:
        if self.rate <= 0 or self.burst < 1:
            raise ValueError(f"a token bucket needs a rate above 0 and a burst of 1 or more, not {self!r}")
        self._tokens = self.burst

    def __call__(self, request: Request, now: float, nth: int) -> Answer:
        self._tokens = min(self.burst, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
        # What a float loses in adding up must not cost a token: a client that waits exactly 1/rate is within the rate.
        if self._tokens >= 1 - 1e-9:
            self._tokens = max(0.0, self._tokens - 1)
            return _answer(self.allowed, request, now, nth)
        self.refused += 1
        if not self.retry_after:
            return reply(429)
        seconds = -(-(1 - self._tokens) // self.rate)
        return reply(429, ("retry-after", str(int(max(1, seconds)))))


@dataclass(slots=True)
class ConcurrencyLimitedHost:
    """Serves `limit` requests at once; what comes on top gets `over` (503 unless told otherwise).

    A served request holds its place for as long as its answer takes, whether or not the client is still there: as with
    a real server that is busy with it.
    """

    limit: int
    served: Behaviour = field(default_factory=lambda: reply(200, after=0.1))
    over: Behaviour = field(default_factory=lambda: reply(503))
    refused: int = 0  # how many requests came on top
    _ends: list[float] = field(default_factory=list, repr=False)  # when each served one is done, a heap

    def __call__(self, request: Request, now: float, nth: int) -> Answer:
        while self._ends and self._ends[0] <= now:
            heapq.heappop(self._ends)
        if len(self._ends) >= self.limit:
            self.refused += 1
            return _answer(self.over, request, now, nth)
        answer = _answer(self.served, request, now, nth)
        heapq.heappush(self._ends, now + answer.after)
        return answer


@dataclass(frozen=True, slots=True)
class FlakyHost:
    """Fails a request with `probability` (0 to 1). Which ones is told by seed, URL, method and count, not by order."""

    probability: float
    seed: int = 0
    works: Behaviour = field(default_factory=lambda: reply(200))
    fails: Behaviour = field(default_factory=lambda: failure(Reason.CONNECT_RESET))

    def __call__(self, request: Request, now: float, nth: int) -> Answer:
        drawn = random.Random(f"{self.seed} {request.method} {request.url} {nth}").random()
        return _answer(self.fails if drawn < self.probability else self.works, request, now, nth)


@dataclass(frozen=True, slots=True)
class DeadHost:
    """Never lets anybody connect: every request ends at its own `connect_timeout`."""

    def __call__(self, request: Request, now: float, nth: int) -> Answer:  # noqa: ARG002 - the Behaviour's arguments
        return failure(Reason.CONNECT_TIMEOUT, after=request.connect_timeout)


@dataclass(slots=True)
class Exchange:
    """One request and what became of it."""

    sent: float  # the loop's time
    request: Request
    answered: float | None = None  # the loop's time; None while it is under way and where it was cancelled
    event: Reply | Failure | None = None
    is_cancelled: bool = False


class FakeTransport:
    """A `Transport` over a made-up world.

    `world` tells how each URL answers; `hosts`, how every other URL of a host does, keyed by ``host:port`` or by
    ``host`` for any port. What neither knows is a name that does not exist (`dns.not_found`).

    >>> world = FakeTransport(
    ...     {"http://a.test/old": reply(301, ("location", "/new")), "http://a.test/new": reply(200, after=0.1)},
    ...     hosts={"busy.test": TokenBucketHost(rate=5, burst=2, retry_after=True), "dead.test:443": DeadHost()},
    ... )

    Raises ValueError for a key of `world` that is no http(s) URL; keys are normalised as a browser would.
    """

    def __init__(
        self, world: Mapping[str, Behaviour] | None = None, *, hosts: Mapping[str, Behaviour] | None = None
    ) -> None:
        self._world = {_normalised(url): behaviour for url, behaviour in (world or {}).items()}
        self._hosts = dict(hosts or {})
        self._counts: Counter[str] = Counter()
        self._waiting: set[asyncio.Future[None]] = set()
        self.log: list[Exchange] = []  # in the order of sending
        self.in_flight = 0
        self.in_flight_by_host: Counter[str] = Counter()  # by host_key
        self.peak = 0  # the most requests ever in flight
        self.peak_by_host: Counter[str] = Counter()
        self.is_closed = False

    async def send(self, request: Request) -> Reply | Failure:
        """Ask the world. Raises RuntimeError after `aclose`, which no engine should do."""
        answer = await self._ask(request)
        return answer.event

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[tuple[Reply | Failure, AsyncIterator[bytes]]]:
        """Like `send`, with the answer's body."""
        answer = await self._ask(request)
        yield answer.event, _chunks(answer)

    async def aclose(self) -> None:
        """End what is under way with `response.reset`. Idempotent."""
        self.is_closed = True
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def sent_to(self, url: str) -> list[float]:
        """When each request to `url` was sent, in order.

        >>> FakeTransport().sent_to("http://a.test/")
        []
        """
        href = _normalised(url)
        return [exchange.sent for exchange in self.log if exchange.request.url == href]

    def methods_of(self, url: str) -> list[str]:
        """The method of each request to `url`, in order of sending."""
        href = _normalised(url)
        return [exchange.request.method for exchange in self.log if exchange.request.url == href]

    async def _ask(self, request: Request) -> Answer:
        if self.is_closed:
            raise RuntimeError("a request was sent on a closed transport")
        loop = asyncio.get_running_loop()
        self._counts[request.url] += 1
        answer = _answer(self._behaviour(request), request, loop.time(), self._counts[request.url])
        if answer.after > request.timeout:
            timed_out = f"no answer within {request.timeout:g} s"
            answer = failure(Reason.RESPONSE_TIMEOUT, timed_out, after=request.timeout)
        exchange = Exchange(loop.time(), request)
        self.log.append(exchange)
        self._count(request.host_key, +1)
        try:
            await self._wait(exchange.sent + answer.after)
        except asyncio.CancelledError:
            exchange.is_cancelled = True
            raise
        finally:
            self._count(request.host_key, -1)
        exchange.answered = loop.time()
        if self.is_closed:
            answer = failure(Reason.RESPONSE_RESET, "the transport was closed")
        elapsed = answer.event.elapsed or exchange.answered - exchange.sent
        exchange.event = msgspec.structs.replace(answer.event, elapsed=elapsed)
        return replace(answer, event=exchange.event)

    def _behaviour(self, request: Request) -> Behaviour:
        if (planted := self._world.get(request.url)) is not None:
            return planted
        host = request.host_key.rpartition(":")[0]
        known = self._hosts.get(request.host_key, self._hosts.get(host))
        return failure(Reason.DNS_NOT_FOUND, f"the name {host} does not exist") if known is None else known

    def _count(self, host_key: str, step: int) -> None:
        self.in_flight += step
        self.in_flight_by_host[host_key] += step
        self.peak = max(self.peak, self.in_flight)
        if step > 0:
            self.peak_by_host[host_key] = max(self.peak_by_host[host_key], self.in_flight_by_host[host_key])

    async def _wait(self, until: float) -> None:
        # asyncio.sleep by hand: until an absolute time (exact), and `aclose` can end it early
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        timer = loop.call_at(until, _wake, future)
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)
            timer.cancel()


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


async def _chunks(answer: Answer) -> AsyncIterator[bytes]:
    for chunk in answer.body:
        await asyncio.sleep(0)
        yield chunk
    if answer.breaks_off is not None:
        raise BodyError(answer.breaks_off)


def _answer(behaviour: Behaviour, request: Request, now: float, nth: int) -> Answer:
    if isinstance(behaviour, Answer):
        return behaviour
    if isinstance(behaviour, Sequence):
        return behaviour[min(nth, len(behaviour)) - 1]
    return behaviour(request, now, nth)


def _normalised(url: str) -> str:
    parsed = urls.parse(url)
    if not isinstance(parsed, urls.Url):
        raise ValueError(f"{url!r} is not an http(s) URL: {parsed.detail}")
    return parsed.href
