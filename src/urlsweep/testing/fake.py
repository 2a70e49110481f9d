"""A transport that asks a made-up world instead of the network, and remembers what it was asked and when.

Contract: `FakeTransport` keeps the `Transport` protocol, time-outs included, waits on the running loop's timers alone
(so that it is exact under `virtual_time`), and is deterministic.
Not in here: what can be answered (`answers`) and the kinds of hosts (`hosts`), whose names can be imported from here
too; sockets (see `faults`).

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
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

import msgspec

from urlsweep.core import urls
from urlsweep.core.model import Failure, Reason, Reply, Request
from urlsweep.testing.answers import Answer, Behaviour, answer_of, at_address, by_method, failure, never, reply
from urlsweep.testing.hosts import (
    ConcurrencyLimitedHost,
    DeadHost,
    FixedWindowHost,
    FlakyHost,
    FlappingHost,
    TokenBucketHost,
)
from urlsweep.transport import BodyError, Done, started

__all__ = [
    "Answer",
    "Behaviour",
    "ConcurrencyLimitedHost",
    "DeadHost",
    "Exchange",
    "FakeTransport",
    "FixedWindowHost",
    "FlakyHost",
    "FlappingHost",
    "NetworkOutage",
    "TokenBucketHost",
    "at_address",
    "by_method",
    "failure",
    "never",
    "reply",
]

LOOKUP_SECONDS: Final = 5.0
"""How long a look-up lasts that gets no answer: as in `urlsweep.transport.dns`, which would bring aiohttp along."""

_SILENCES: Final = frozenset({Reason.DNS_TIMEOUT, Reason.CONNECT_TIMEOUT, Reason.RESPONSE_TIMEOUT})


class NetworkOutage(NamedTuple):
    """A time without a network: from `start` on, and over at `end`, both the loop's time in seconds.

    Hosts that the URL itself names as loopback or private (`urls.names_private_host`) stay as they are. For all others
    nothing gets through: a name that was asked before is still known and cannot be connected to (`connect.timeout`),
    any other cannot be looked up (`dns.timeout`). What was under way when it began gets no answer at all.
    """

    start: float
    end: float


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
    ``host`` for any port. What neither knows is a name that does not exist (`dns.not_found`). `outages` are the times
    when the network is down, each a `NetworkOutage` or such a pair; a request that is sent meanwhile reaches nobody
    and counts for no `Behaviour`.

    >>> world = FakeTransport(
    ...     {"http://a.test/old": reply(301, ("location", "/new")), "http://a.test/new": reply(200, after=0.1)},
    ...     hosts={"busy.test": TokenBucketHost(rate=5, burst=2, retry_after=True), "dead.test:443": DeadHost()},
    ... )
    >>> offline_for_a_minute = FakeTransport(hosts={"a.test": reply(200)}, outages=[NetworkOutage(5.0, 65.0)])

    Raises ValueError for a key of `world` that is no http(s) URL (keys are normalised as a browser would), and for an
    outage that does not end after its start.
    """

    def __init__(
        self,
        world: Mapping[str, Behaviour] | None = None,
        *,
        hosts: Mapping[str, Behaviour] | None = None,
        outages: Sequence[tuple[float, float]] = (),
    ) -> None:
        self._world = {_normalised(url): behaviour for url, behaviour in (world or {}).items()}
        self._hosts = dict(hosts or {})
        self._outages = [NetworkOutage(*outage) for outage in outages]
        for outage in self._outages:
            if not outage.start < outage.end:
                raise ValueError(f"an outage has to end after its start, not {outage!r}")
        self._known: dict[str, str | None] = {}  # the names that were asked so far, and where their servers are
        self._counts: Counter[str] = Counter()
        self._asked: set[_Asked] = set()
        self.log: list[Exchange] = []  # in the order of sending
        self.in_flight = 0
        self.in_flight_by_host: Counter[str] = Counter()  # by host_key
        self.peak = 0  # the most requests ever in flight
        self.peak_by_host: Counter[str] = Counter()
        self.is_closed = False
        self.lookup_seconds = 0.0  # of the protocol; set it to what a test wants to be told

    def start(self, request: Request, done: Done) -> _Asked:
        """Ask the world. Raises RuntimeError after `aclose`, which no engine should do."""
        return self._ask(request, lambda answer: done(answer.event))

    async def send(self, request: Request) -> Reply | Failure:
        """`start`, and wait for the answer."""
        return await started(self, request)

    @asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[tuple[Reply | Failure, AsyncIterator[bytes]]]:
        """Like `send`, with the answer's body."""
        answered: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        asked = self._ask(request, answered.set_result)
        try:
            answer = await answered
        except asyncio.CancelledError:
            asked.cancel()
            asked.exchange.is_cancelled = True  # also where its answer came in this very moment: nobody has it
            raise
        yield answer.event, _chunks(answer)

    async def aclose(self) -> None:
        """End what is under way with `response.reset`. Idempotent."""
        self.is_closed = True
        for asked in list(self._asked):
            asked.give_up()

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

    def _ask(self, request: Request, answered: Callable[[Answer], None]) -> _Asked:
        if self.is_closed:
            raise RuntimeError("a request was sent on a closed transport")
        loop = asyncio.get_running_loop()
        answer = self._answer_to(request, loop.time())
        if answer.after > request.timeout:
            answer = _no_answer(request)
        exchange = Exchange(loop.time(), request)
        self.log.append(exchange)
        self._count(request.host_key, +1)
        asked = _Asked(loop, exchange, answer, answered, self._on_over)
        self._asked.add(asked)
        return asked

    def _on_over(self, asked: _Asked) -> None:
        self._asked.discard(asked)
        self._count(asked.exchange.request.host_key, -1)

    def _answer_to(self, request: Request, now: float) -> Answer:
        host = request.host_key.rpartition(":")[0]
        outages = () if urls.names_private_host(host) else self._outages
        if any(outage.start <= now < outage.end for outage in outages):
            return self._unreached(host, request)
        self._counts[request.url] += 1
        answer = answer_of(self._behaviour(request), request, now, self._counts[request.url])
        if outages:
            if not _is_of_lookup(answer):
                self._known[host] = answer.event.address or self._known.get(host)
            if any(now < outage.start < now + answer.after for outage in outages) and not _is_silence(answer):
                return _no_answer(request)
        return answer

    def _unreached(self, host: str, request: Request) -> Answer:
        literal = urls.address_of(host)
        if literal is None and host not in self._known:
            after = min(LOOKUP_SECONDS, request.connect_timeout)
            return failure(Reason.DNS_TIMEOUT, f"no DNS server answered for {host}", after=after)
        address = self._known.get(host) if literal is None else str(literal)
        told = f"{request.host_key} did not accept a connection"
        return failure(Reason.CONNECT_TIMEOUT, told, after=request.connect_timeout, address=address)

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


class _Asked:
    """A request under way."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        exchange: Exchange,
        answer: Answer,
        answered: Callable[[Answer], None],
        on_over: Callable[[_Asked], None],
    ) -> None:
        self.exchange = exchange
        self._loop = loop
        self._answer = answer
        self._answered = answered
        self._on_over = on_over
        self._timer = loop.call_at(exchange.sent + answer.after, self._end)

    def give_up(self) -> None:
        """The transport is being closed."""
        self._timer.cancel()
        self._answer = failure(Reason.RESPONSE_RESET, "the transport was closed")
        self._timer = self._loop.call_soon(self._end)  # type: ignore[assignment]  # a Handle: all it needs is cancel

    def cancel(self) -> None:
        """See `Handle.cancel`."""
        if self.exchange.answered is None and not self.exchange.is_cancelled:
            self.exchange.is_cancelled = True
            self._timer.cancel()
            self._on_over(self)

    def _end(self) -> None:
        exchange, event = self.exchange, self._answer.event
        exchange.answered = self._loop.time()
        elapsed = event.elapsed or exchange.answered - exchange.sent
        exchange.event = msgspec.structs.replace(event, elapsed=elapsed)
        self._on_over(self)
        self._answered(replace(self._answer, event=exchange.event))


def _is_of_lookup(answer: Answer) -> bool:
    return isinstance(answer.event, Failure) and answer.event.reason.startswith("dns.")


def _is_silence(answer: Answer) -> bool:
    return isinstance(answer.event, Failure) and answer.event.reason in _SILENCES


def _no_answer(request: Request) -> Answer:
    return failure(Reason.RESPONSE_TIMEOUT, f"no answer within {request.timeout:g} s", after=request.timeout)


async def _chunks(answer: Answer) -> AsyncIterator[bytes]:
    for chunk in answer.body:
        await asyncio.sleep(0)
        yield chunk
    if answer.breaks_off is not None:
        raise BodyError(answer.breaks_off)


def _normalised(url: str) -> str:
    parsed = urls.parse(url)
    if not isinstance(parsed, urls.Url):
        raise ValueError(f"{url!r} is not an http(s) URL: {parsed.detail}")
    return parsed.href
