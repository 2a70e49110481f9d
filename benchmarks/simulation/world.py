"""The simulated internet: hosts with their latencies, and the network before them.

Contract: deterministic; `ask` is called with times that never go back. A host decides at the moment a request is sent,
and says how long the answer takes. What it will be judged by stands with it: `truth`, and `ideal`, the least time in
which it could serve so many URLs.
Not in here: who asks and when (see `run`), what hosts do that bound or fail their visitors (see `hosts`).
"""

# ruff: noqa: ARG002  (of what is asked, each kind of host looks at what matters to it)

from __future__ import annotations

import math
import random as random_module
from collections.abc import Iterable, Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import Final, NamedTuple

from urlsweep.core.limits import Limits
from urlsweep.core.model import Failure, Reason, Reply
from urlsweep.core.policy import Policy

Event = Reply | Failure
Answer = tuple[float, Event]
"""Seconds until it is there, and what it is."""

EPOCH: Final = 1_700_000_000.0
"""The time of day at which every simulation starts, in seconds since the epoch."""

CONNECT_TIMEOUT: Final = Policy().connect_timeout
TIMEOUT: Final = Policy().timeout
CAP: Final = Limits().host_cap


class Truth(NamedTuple):
    """What is right to say of a URL."""

    outcome: str
    reason: str | None = None


OK: Final = Truth("ok")
RATE_LIMITED: Final = Truth("unverified", Reason.RATE_LIMITED)

_STEPS: Final = 1009  # a prime: no pattern of requests keeps meeting the same ones


@lru_cache
def _factors(sigma: float) -> tuple[float, ...]:
    """The quantiles of a log-normal distribution whose mean is 1, in a fixed disorder."""
    normal = NormalDist()
    quantiles = [math.exp(sigma * normal.inv_cdf((step + 0.5) / _STEPS)) for step in range(_STEPS)]
    random_module.Random(sigma).shuffle(quantiles)
    mean = sum(quantiles) / _STEPS
    return tuple(quantile / mean for quantile in quantiles)


class Latency:
    """Log-normal times with a given mean. Each host walks its own way through them, whoever else is asked meanwhile."""

    __slots__ = ("_factors", "_step", "mean")

    def __init__(self, mean: float, sigma: float = 0.1, step: int = 0) -> None:
        """`sigma`: 0.1 is steady (nearly all within 25 %), 1.0 heavy-tailed (one in a hundred takes 6 means)."""
        self.mean = mean
        self._factors = _factors(sigma)
        self._step = step % _STEPS

    def draw(self) -> float:
        """Seconds of the next answer."""
        self._step = step = (self._step + 1) % _STEPS
        return self.mean * self._factors[step]


class Host:
    """A host that is glad of every request; the others are made of it.

    `ask` sees a URL as the number it has on its host, from 0 on.
    """

    __slots__ = ("address", "connect_seconds", "key", "latency", "pushed")

    def __init__(self, key: str, latency: Latency) -> None:
        self.key = key
        self.latency = latency
        self.address: str | None = None
        self.pushed = 0  # requests turned away for being too many
        self.connect_seconds = 0.0  # until it accepts a connection, where that takes so long that it matters

    def ask(self, now: float, page: int) -> Answer:
        """What becomes of a request that is sent at `now` for URL number `page`."""
        return self.served()

    def truth(self, page: int) -> frozenset[Truth]:
        """All that is right to say of URL number `page`."""
        return _ONLY_OK

    def ideal(self, urls: int) -> float:
        """The least seconds in which `urls` URLs can be told, by whoever knows the host, at the Pacer's cap at once."""
        return self.latency.mean * math.ceil(urls / CAP)

    def served(self, fields: tuple[tuple[str, str], ...] = ()) -> Answer:
        """A good answer."""
        elapsed = self.latency.draw()
        return elapsed, Reply(200, fields, elapsed, self.address)

    def answered(self, status: int, fields: tuple[tuple[str, str], ...] = ()) -> Answer:
        """An answer that is quick, since no work is done for it."""
        elapsed = min(self.latency.draw(), ROUND_TRIP)
        return elapsed, Reply(status, fields, elapsed, self.address)

    def turned_away(self, status: int, fields: tuple[tuple[str, str], ...] = ()) -> Answer:
        """A push-back."""
        self.pushed += 1
        return self.answered(status, fields)

    def failed(self, reason: Reason, elapsed: float | None = None) -> Answer:
        """No answer; known after `elapsed` seconds, or after a round trip."""
        if elapsed is None:
            elapsed = min(self.latency.draw(), ROUND_TRIP)
        return elapsed, failure_of(reason, elapsed, self.address)


ROUND_TRIP: Final = 0.02
"""Seconds, at the most: to a server not too far away."""

_ONLY_OK: Final = frozenset({OK})


def failure_of(reason: Reason, elapsed: float, address: str | None) -> Failure:
    """A Failure as the transport gives it: the address only where that was what failed."""
    return Failure(reason, f"simulated: {reason}", elapsed, address if reason.startswith("connect.") else None)


class Outage(NamedTuple):
    """A time in which the asking side's own network is gone."""

    start: float
    end: float
    reason: Reason = Reason.CONNECT_UNREACHABLE
    elapsed: float = 0.001  # seconds until a request is known to have failed


class World:
    """Hosts, how many URLs each has, and the network between them and who asks."""

    def __init__(self, hosts: Iterable[tuple[Host, int]], outages: Sequence[Outage] = ()) -> None:
        """`hosts`: each with the number of its URLs. Hosts get addresses of their own here."""
        pairs = list(hosts)
        self.hosts: Sequence[Host] = [host for host, _ in pairs]
        self.sizes: Sequence[int] = [size for _, size in pairs]
        self.urls = sum(self.sizes)
        self._outages = outages
        for number, host in enumerate(self.hosts):
            host.address = f"198.{18 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"  # RFC 2544: for benchmarks

    def ask(self, host_number: int, page: int, now: float) -> Answer:
        """What becomes of a request to host `host_number` that is sent at `now`."""
        host = self.hosts[host_number]
        for outage in self._outages:
            if outage.start <= now < outage.end:
                return outage.elapsed, failure_of(outage.reason, outage.elapsed, host.address)
        return host.ask(now, page)

    def order(self, seed: int) -> list[int]:
        """The list that is swept, as host numbers: in an order that has nothing to do with the hosts."""
        order = [number for number, size in enumerate(self.sizes) for _ in range(size)]
        random_module.Random(seed).shuffle(order)
        return order

    def ideal(self, concurrency: int) -> float:
        """The least seconds for all of it: the slowest host's, or all slots busy to the end, whichever is more."""
        slowest = max(host.ideal(size) for host, size in zip(self.hosts, self.sizes, strict=True))
        work = sum(host.latency.mean * size for host, size in zip(self.hosts, self.sizes, strict=True))
        return max(slowest, work / concurrency)
