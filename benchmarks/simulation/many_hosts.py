"""Many hosts: what does one's trouble cost the others?

Contract: as in `one_host`. Healthy hosts have heavy-tailed latencies, between hosts and between one's answers.
"""

from __future__ import annotations

import math
import random as random_module
from collections.abc import Callable, Iterator
from statistics import NormalDist
from typing import Final

from benchmarks.simulation.cost import MeteredPacer
from benchmarks.simulation.findings import Finding
from benchmarks.simulation.hosts import (
    AtOnce,
    Banning,
    Dead,
    FixedWindow,
    Flaky,
    Flapping,
    Hostile,
    Interrupted,
    Late,
    Over,
    Slow,
    TokenBucket,
    ToldWindow,
)
from benchmarks.simulation.options import Options
from benchmarks.simulation.run import Record, simulate
from benchmarks.simulation.sizes import fitted_sizes, sizes_of_list
from benchmarks.simulation.world import CONNECT_TIMEOUT, OK, Host, Latency, World
from urlsweep.core.limits import Limits
from urlsweep.core.model import Reason
from urlsweep.core.pacer import Pacer

FIRST_REQUEST_DELAY: Final = 0.010
"""Seconds by which one bad host may put off the first request to any other."""

DEAD_HOSTS_SECONDS: Final = CONNECT_TIMEOUT
"""What 200 dead hosts of 2,000 may add to a run."""

COST: Final = 5e-6
"""Seconds of the processor's for each URL."""

COST_GROWTH: Final = 1.25
"""What is called flat: at a hundred times as many hosts, at most this many times the cost."""

MEDIAN_LATENCY: Final = 0.08
"""Seconds, between all hosts; one in twenty is slower than 250 ms on average, one in twenty faster than 25 ms."""
_BETWEEN_HOSTS: Final = 0.7
_WITHIN_HOST: Final = 0.6


def latency_of(number: int) -> Latency:
    """The latency of host `number`: their means are spread evenly over a log-normal distribution, in a fixed disorder.

    Host 0, often the largest by far, has the median: no scenario is about how fast that one happens to be.
    """
    quantile = (0.5 + number * _GOLDEN_RATIO) % 1.0
    factor = math.exp(_BETWEEN_HOSTS * NormalDist().inv_cdf(min(max(quantile, 0.0001), 0.9999)))
    return Latency(MEDIAN_LATENCY * factor, _WITHIN_HOST, number * 31)


_GOLDEN_RATIO: Final = 0.618033988749895  # its multiples, modulo 1, fill the interval as evenly as can be


def _healthy(number: int) -> Host:
    return Host(f"host-{number}.example:443", latency_of(number))


def _run(world: World, options: Options) -> Record:
    return simulate(world, seed=options.seed, clock=options.clock, trace=options.trace)


# --- one bad host -----------------------------------------------------------------------------------------------------


def one_bad_host(case: str, make: Callable[[], Host], urls: int, others: int, options: Options) -> Finding:
    """The first requests to `others` healthy hosts with 20 URLs each, beside a bad one with `urls`."""
    healthy = [(_healthy(number), 20) for number in range(others)]
    without = _run(World(healthy), options)
    healthy = [(_healthy(number), 20) for number in range(others)]
    world = World([*healthy, (make(), urls)])
    # The bad host's URLs come first in the list: the worst that can happen to the others.
    record = simulate(
        world,
        seed=options.seed,
        clock=options.clock,
        order=[others] * urls + World(healthy).order(options.seed),
        trace=options.trace,
    )
    delay = max(later - sooner for later, sooner in zip(record.first_sent[:others], without.first_sent, strict=True))
    figure = f"first requests {delay * 1000:.1f} ms later at the most (promised: {FIRST_REQUEST_DELAY * 1000:g} ms)"
    is_met = delay < FIRST_REQUEST_DELAY and not record.wrong
    return Finding(case, record, None, record.most_at_once[others], figure, is_met)


def bad_hosts(options: Options, urls: int = 12_000, others: int = 500) -> Iterator[Finding]:
    """Blackholed, pushing everybody back, and slow to the edge of the time-out."""
    key = "bad.example:443"
    yield one_bad_host("blackholed", lambda: Dead(key), urls, others, options)
    yield one_bad_host("429 always", lambda: Hostile(key, Latency(0.05)), urls, others, options)
    yield one_bad_host("19 s for each answer", lambda: Slow(key), urls, others, options)


# --- dead hosts -------------------------------------------------------------------------------------------------------


def dead_hosts(
    case: str, sizes: list[int], dead_share: float, options: Options, *, is_promised: bool = True
) -> Finding:
    """Every so many-th host is blackholed: what does that add to the sweep of the others?

    The largest hosts, the first in `sizes`, live: what they cost is the base run's time.
    """
    step = round(1 / dead_share)

    def is_dead(number: int) -> bool:
        return number % step == step - 1

    alive = [(_healthy(number), size) for number, size in enumerate(sizes) if not is_dead(number)]
    base = _run(World(alive), options)
    world = World(
        (Dead(f"dead-{number}.example:443") if is_dead(number) else _healthy(number), size)
        for number, size in enumerate(sizes)
    )
    record = _run(world, options)
    added = record.seconds - base.seconds
    promise = f" (promised: {DEAD_HOSTS_SECONDS:g} s)" if is_promised else " (nothing promised)"
    figure = f"added {added:.2f} s to {base.seconds:.1f} s{promise}"
    is_met = added < DEAD_HOSTS_SECONDS and not record.wrong if is_promised else None
    peak = max(at_once for number, at_once in enumerate(record.most_at_once) if is_dead(number))
    return Finding(case, record, base.seconds, peak, figure, is_met)


def all_dead_hosts(options: Options) -> Iterator[Finding]:
    """2,000 hosts, 200 of them dead: a list in the common shape, one of equal hosts, and short ones."""
    yield dead_hosts("200 of 2,000, sizes as fitted", fitted_sizes(150_000, 2000), 0.1, options)
    yield dead_hosts("200 of 2,000, 150 URLs each", [150] * 2000, 0.1, options)
    yield dead_hosts("200 of 2,000, short base", fitted_sizes(10_000, 2000), 0.1, options, is_promised=False)
    yield dead_hosts("200 of 2,000, one URL each", [1] * 2000, 0.1, options, is_promised=False)
    yield late_hosts(options)


def late_hosts(options: Options) -> Finding:
    """Beside 200 dead hosts, 200 that accept a connection after 4.1 to 9.9 s: all of these are to be met."""
    late = [Late(f"late-{number}.example:443", 4.1 + 5.8 * number / 199) for number in range(200)]
    dead = [Dead(f"dead-{number}.example:443") for number in range(200)]
    world = World((host, 1) for host in [*late, *dead, *(_healthy(number) for number in range(1600))])
    record = _run(world, options)
    figure = f"{record.told[OK]:,} of 1,800 met (promised: all)"
    is_met = record.told[OK] == 1800 and not record.wrong
    return Finding("200 of 2,000 dead, 200 late", record, None, max(record.most_at_once), figure, is_met)


# --- the internet -----------------------------------------------------------------------------------------------------


def _limited(number: int, size: int, random: random_module.Random) -> Host:
    """A host of the internet: half are glad of everything, the rest in many ways are not.

    Bounds fit sizes, as on the web: who has ten thousand pages linked serves more than two in a second.
    """
    key = f"host-{number}.example:443"
    latency = latency_of(number)
    if number == 0:
        return TokenBucket(key, latency, 400, 400)  # as github.com in the Debian world
    if number == 1:
        return TokenBucket(key, latency, 200, 200, says_when=False)  # as metacpan.org
    draw = random.random()
    least_rate = size / 500
    if draw < 0.10:
        rate = max(least_rate, random.choice((2, 5, 20, 50)))
        return TokenBucket(key, latency, rate, random.choice((1.0, rate, 5 * rate)), says_when=random.random() < 0.5)
    if draw < 0.16:
        places = max(random.choice((2, 5, 10, 20)), math.ceil(least_rate * latency.mean))
        return AtOnce(key, latency, places, random.choice(list(Over)))
    if draw < 0.20:
        kind = ToldWindow if random.random() < 0.5 else FixedWindow
        return kind(key, latency, max(60, int(least_rate * 60)))
    if size > 1000:
        return Host(key, latency)
    if draw < 0.24:
        return Dead(key)
    if draw < 0.25:
        return Dead(key, Reason.CONNECT_REFUSED, 0.05)
    if draw < 0.26:
        return Dead(key, Reason.DNS_FAILURE, 0.1)
    if draw < 0.28:
        return Flaky(key, latency, 0.02, seed=number)
    if draw < 0.29:
        return Flaky(key, latency, 0.02, status=None, seed=number)
    if draw < 0.30:
        # Shorter than one URL's tries, but among a thousand such hosts some are met down by all of them.
        return Flapping(key, latency, up=20, down=5, is_bad_luck_allowed=True)
    if draw < 0.31:
        start = random.uniform(0, 60)
        return Interrupted(key, latency, start, start + 300, is_short=False)
    if draw < 0.315:
        return Banning(key, latency, allowed=max(20, int(2 * least_rate)))
    if draw < 0.32:
        return Hostile(key, latency)
    return Host(key, latency)


def internet(case: str, sizes: list[int], options: Options) -> tuple[Finding, float]:
    """The whole of it, and the seconds of the processor's that the Pacer took for each URL."""
    random = random_module.Random(options.seed)
    world = World((_limited(number, size, random), size) for number, size in enumerate(sizes))
    limits = Limits()
    pacer = MeteredPacer(Pacer(limits), Pacer(limits))
    record = simulate(world, limits, seed=options.seed, clock=options.clock, pacer=pacer, trace=options.trace)
    cost = pacer.seconds / record.urls
    figure = f"Pacer: {cost * 1e6:.2f} us a URL (promised: {COST * 1e6:g}), {pacer.calls / record.urls:.1f} calls"
    is_met = cost < COST and not record.wrong
    peak = max(record.most_at_once)
    notes = tuple(_latest(world, record))
    return Finding(case, record, world.ideal(limits.concurrency), peak, figure, is_met, notes), cost


def _latest(world: World, record: Record, most: int = 5) -> Iterator[str]:
    """The hosts that were done last."""
    numbers = range(len(world.hosts))
    for number in sorted(numbers, key=record.settled_at.__getitem__, reverse=True)[:most]:
        host, size = world.hosts[number], world.sizes[number]
        yield (
            f"done after {record.settled_at[number]:,.0f} s: {host.key}, {type(host).__name__}, {size:,} URLs, "
            f"ideal {host.ideal(size):,.0f} s"
        )


def internets(options: Options) -> Iterator[Finding]:
    """The same number of URLs over more and more hosts: the cost of one has to stay the same."""
    if options.list is not None:
        yield internet(f"the hosts of {options.list.name}", sizes_of_list(options.list), options)[0]
        return
    costs = []
    parts = (1_000, 100, 10)
    for hosts in [options.hosts] if options.hosts is not None else [options.urls // part for part in parts]:
        finding, cost = internet(f"{hosts:,} hosts", fitted_sizes(options.urls, hosts), options)
        yield finding
        costs.append(cost)
    if len(costs) == len(parts):
        growth = costs[-1] / costs[0]
        figure = f"{growth:.2f} times the cost at 100 times the hosts (promised: flat, {COST_GROWTH:g})"
        yield Finding("flat", Record(0), None, 0, figure, growth <= COST_GROWTH)
