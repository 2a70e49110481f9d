"""Worlds drawn at random: mixtures of hosts of every kind, of any rate, burst, latency and way of saying no.

Contract: a seed is a world. Nothing untrue may be said of any URL in it, and every bound is kept at every request (see
`watched`). What nobody could know is no mistake: a host that is down when it is first asked, and stays so for all tries
of a URL, is truly told so; so is one where chance fails a URL three times. What is wrong is told by its world, which
`draw` gives again.
"""

from __future__ import annotations

import math
import random as random_module
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from benchmarks.simulation.findings import Finding
from benchmarks.simulation.hosts import (
    AtOnce,
    BadPages,
    Banning,
    Dead,
    FixedWindow,
    Flaky,
    Flapping,
    Hostile,
    Interrupted,
    Jittery,
    Late,
    LimitedWithBadPages,
    Over,
    Pessimist,
    Quota,
    Slow,
    TokenBucket,
    ToldWindow,
)
from benchmarks.simulation.options import Options
from benchmarks.simulation.run import Clock, Record, simulate
from benchmarks.simulation.watched import Watched
from benchmarks.simulation.world import CONNECT_TIMEOUT, Answer, Host, Latency, Outage, Truth, World
from urlsweep.core.limits import Limits
from urlsweep.core.model import Reason, Reply, http_reason

_DOWN: Final = frozenset(
    Truth("down", reason)
    for reason in (
        Reason.CONNECT_REFUSED,
        Reason.CONNECT_RESET,
        Reason.CONNECT_TIMEOUT,
        Reason.RESPONSE_RESET,
        http_reason(503),
    )
)


class Fickle(Host):
    """A host that comes and goes. Down when it is first asked, it is, for all that is known, down for good."""

    __slots__ = ("_host", "_was_well")

    def __init__(self, host: Host) -> None:
        super().__init__(host.key, host.latency)
        self._host = host
        self._was_well: bool | None = None

    def ask(self, now: float, page: int) -> Answer:
        self._host.address = self.address
        answer = self._host.ask(now, page)
        if self._was_well is None:
            self._was_well = isinstance(answer[1], Reply) and answer[1].status < 400
        return answer

    def truth(self, page: int) -> frozenset[Truth]:
        return self._host.truth(page) if self._was_well else self._host.truth(page) | _DOWN

    def ideal(self, urls: int) -> float:
        return self._host.ideal(urls)


class VeryFlaky(Flaky):
    __slots__ = ()

    def truth(self, page: int) -> frozenset[Truth]:
        return super().truth(page) | _DOWN


@dataclass(frozen=True, slots=True)
class Drawn:
    """One world."""

    seed: int
    hosts: tuple[tuple[Host, int], ...]
    outages: tuple[Outage, ...]
    limits: Limits
    clock: Clock
    order: list[int] | None

    def sweep(self) -> Record:
        """Raises AssertionError where a bound is broken, and StuckError."""
        return simulate(
            World(self.hosts, self.outages),
            self.limits,
            seed=self.seed,
            clock=self.clock,
            pacer=Watched(self.limits),
            order=self.order,
        )


def draw(seed: int) -> Drawn:
    """The world of that number."""
    random = random_module.Random(seed)
    count = random.choice((1, 1, 1, 2, 2, 3, 4, 6, 10, 20, 30))
    outages: tuple[Outage, ...] = ()
    if count >= 6 and random.random() < 0.1:  # fewer tell no network that is gone from hosts that are
        start = random.uniform(0.2, 10)
        reason, elapsed = random.choice(
            ((Reason.CONNECT_UNREACHABLE, 0.001), (Reason.DNS_FAILURE, 0.01), (Reason.CONNECT_TIMEOUT, CONNECT_TIMEOUT))
        )
        outages = (Outage(start, start + _between(random, 0.5, 20), reason, elapsed),)
    hosts = tuple(_draw_host(random, f"h{number}.d{number // 2}.example:443") for number in range(count))
    limits = Limits(
        concurrency=random.choice((1, 1, 2, 4, 16, 64, 256, 256, 256)),
        per_host=random.choice((None,) * 27 + (1, 2, 8)),
        rate=random.choice((None,) * 14 + (_between(random, 2, 50),)),
        delay=random.choice((0.0,) * 38 + (0.05, 0.5)),
        total_rate=random.choice((None,) * 19 + (_between(random, 5, 500),)),
    )
    is_sorted = random.random() < 0.2
    order = [number for number, (_, urls) in enumerate(hosts) for _ in range(urls)] if is_sorted else None
    return Drawn(seed, hosts, outages, limits, Clock(timer_step=random.choice((0.0, 0.0, 0.001))), order)


def _between(random: random_module.Random, low: float, high: float) -> float:
    """Spread evenly over the orders of magnitude; three digits."""
    return float(f"{math.exp(random.uniform(math.log(low), math.log(high))):.3g}")


def _draw_host(random: random_module.Random, key: str) -> tuple[Host, int]:
    latency = Latency(_between(random, 0.001, 2), random.choice((0.1, 0.1, 0.6, 1.0)), random.randrange(1_000))
    urls = int(_between(random, 1, 300))
    return random.choice(_KINDS)(random, key, latency, urls)


Kind = Callable[[random_module.Random, str, Latency, int], tuple[Host, int]]


def _good(_random: random_module.Random, key: str, latency: Latency, urls: int) -> tuple[Host, int]:
    return Host(key, latency), urls


def _rate_and_burst(random: random_module.Random) -> tuple[float, float]:
    rate = _between(random, 0.5, 400)
    return rate, random.choice((1.0, 1.0, rate, 5 * rate, 1 + random.random() * rate))


def _bucket(random: random_module.Random, key: str, latency: Latency, urls: int) -> tuple[Host, int]:
    rate, burst = _rate_and_burst(random)
    status, says_when = random.choice(
        ((429, True), (429, False), (429, False), (503, True), (503, False), (503, False), (403, True), (None, False))
    )
    return TokenBucket(key, latency, rate, burst, status=status, says_when=says_when), urls


def _jittery(random: random_module.Random, key: str, latency: Latency, urls: int) -> tuple[Host, int]:
    return Jittery(key, latency, *_rate_and_burst(random), _between(random, 0.0001, 0.05)), urls


def _limited_with_bad_pages(random: random_module.Random, key: str, latency: Latency, urls: int) -> tuple[Host, int]:
    share = _between(random, 0.005, 0.1)
    bad = {page: random.choice((503, None, 500)) for page in range(urls) if random.random() < share}
    return LimitedWithBadPages(key, latency, *_rate_and_burst(random), bad), urls


def _window(random: random_module.Random, key: str, latency: Latency, urls: int) -> tuple[Host, int]:
    allowed, seconds = int(_between(random, 1, 600)), random.choice((1.0, 2.0, 10.0, 30.0, 60.0))
    kind = random.choice((FixedWindow, ToldWindow, Quota))
    status = random.choice((403, 429) if kind is Quota else (429, 503))
    return kind(key, latency, allowed, seconds, status=status), min(urls, 6 * allowed)


def _at_once(random: random_module.Random, key: str, latency: Latency, urls: int) -> tuple[Host, int]:
    return AtOnce(key, latency, int(_between(random, 1, 32)), random.choice(list(Over))), urls


def _pessimist(random: random_module.Random, key: str, latency: Latency, urls: int) -> tuple[Host, int]:
    return Pessimist(key, latency, random.choice((1, 10, 60))), min(urls, 20)


def _flapping(random: random_module.Random, key: str, latency: Latency, urls: int) -> tuple[Host, int]:
    reason = random.choice((Reason.CONNECT_REFUSED, Reason.CONNECT_TIMEOUT, Reason.CONNECT_RESET))
    up, down = _between(random, 3, 60), _between(random, 0.5, 15)
    return Fickle(Flapping(key, latency, up, down, reason, is_bad_luck_allowed=down > 5)), urls


def _interrupted(random: random_module.Random, key: str, latency: Latency, urls: int) -> tuple[Host, int]:
    start, status = random.uniform(0.5, 10), random.choice((None, 503, 503))
    return Fickle(Interrupted(key, latency, start, start + _between(random, 0.5, 45), status=status)), urls


def _flaky(random: random_module.Random, key: str, latency: Latency, urls: int) -> tuple[Host, int]:
    share, status, seed = _between(random, 0.002, 0.5), random.choice((503, 503, None)), random.randrange(1_000)
    return (Flaky if share <= 0.02 else VeryFlaky)(key, latency, share, status=status, seed=seed), urls


def _bad_pages(random: random_module.Random, key: str, latency: Latency, urls: int) -> tuple[Host, int]:
    share, status = _between(random, 0.005, 0.5), random.choice((500, 503, 503, 429, None))
    return BadPages(key, latency, [page for page in range(urls) if random.random() < share], status), urls


def _dead(random: random_module.Random, key: str, _latency: Latency, urls: int) -> tuple[Host, int]:
    reason, seconds = random.choice(
        (
            (Reason.CONNECT_TIMEOUT, CONNECT_TIMEOUT),
            (Reason.CONNECT_REFUSED, 0.02),
            (Reason.DNS_FAILURE, 0.1),
            (Reason.DNS_TIMEOUT, 10.0),
        )
    )
    return Dead(key, reason, seconds), urls


def _hostile(_random: random_module.Random, key: str, latency: Latency, urls: int) -> tuple[Host, int]:
    return Hostile(key, latency), urls


def _banning(random: random_module.Random, key: str, latency: Latency, urls: int) -> tuple[Host, int]:
    return Banning(key, latency, int(_between(random, 2, 400)), _between(random, 1, 40)), urls


def _slow(_random: random_module.Random, key: str, _latency: Latency, urls: int) -> tuple[Host, int]:
    return Slow(key), min(urls, 30)


def _late(random: random_module.Random, key: str, _latency: Latency, urls: int) -> tuple[Host, int]:
    return Late(key, random.uniform(0.5, 9)), urls


_KINDS: Final[tuple[Kind, ...]] = (
    *(_good, _good, _bucket, _bucket, _bucket, _bucket, _jittery, _limited_with_bad_pages, _window, _window, _window),
    *(_at_once, _at_once, _pessimist, _flapping, _interrupted, _flaky, _bad_pages, _dead, _hostile, _banning, _slow),
    _late,
)


def mistakes(drawn: Drawn, record: Record) -> Counter[tuple[str, Truth]]:
    """What was said that is not so: the outcome, that is. Whoever is given up is told by what its host failed of last,
    which need not be what each of its pages would have failed of; and while the network is gone all fail alike."""
    found: Counter[tuple[str, Truth]] = Counter()
    for (host, said), count in record.wrong.items():
        number = int(host[1 : host.index(".")])
        of, urls = drawn.hosts[number]
        fitting = sum(any(truth.outcome == said.outcome for truth in of.truth(page)) for page in range(urls))
        told = sum(n for (name, other), n in record.wrong.items() if name == host and other.outcome == said.outcome)
        if told > fitting:
            found[host, said] = count
    return found


def search(options: Options) -> Iterator[Finding]:
    """`options.worlds` worlds; those in which something is wrong, and what all came to."""
    wrong = urls = requests = 0
    first = options.seed * 1_000_000
    for seed in range(first, first + options.worlds):
        drawn = draw(seed)
        record = drawn.sweep()
        urls += record.urls
        requests += record.requests
        found = mistakes(drawn, record)
        if not found and not record.is_network_lost:
            continue
        wrong += 1
        record.wrong = found
        figure = f"{drawn.limits.concurrency} at once; {len(drawn.hosts)} hosts" + (
            ", network lost" * record.is_network_lost
        )
        yield Finding(f"world {seed}", record, None, max(record.most_at_once), figure, is_met=False)
    figure = f"{urls:,} URLs in {options.worlds:,} worlds, {requests:,} requests: {wrong} worlds with something wrong"
    yield Finding("all worlds", Record(urls, requests=requests), None, 0, figure, is_met=not wrong)
