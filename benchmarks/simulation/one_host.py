"""One host and its bound: how near to the ideal does learning it come?

Contract: each function runs one case; each generator runs a scenario's cases, lazily.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Final

from benchmarks.simulation.findings import Finding
from benchmarks.simulation.hosts import AtOnce, Jittery, Over, TokenBucket
from benchmarks.simulation.options import Options
from benchmarks.simulation.run import Record, simulate
from benchmarks.simulation.world import CAP, OK, Host, Latency, World

KEY: Final = "host.example:443"

BUCKET_RATIO: Final = 1.15
"""Of N / r: what a sweep of N URLs over a bucket of r requests a second may take."""

PUSHED_SHARE: Final = 0.03
"""Of all requests, where there is time to learn: with more than ...  """
LEARNING_SECONDS: Final = 20.0
"""... 20 r URLs."""

AT_ONCE_RATIO: Final = 1.25
"""Of running at exactly as many at once as the server allows."""

FULL_CAP_SECONDS: Final = 3.0
"""In which a healthy host with 50 ms of latency is asked as much at once as it ever will be."""


def sweep(host: Host, urls: int, options: Options) -> Record:
    """`urls` of `host` alone."""
    world = World([(host, urls)])
    return simulate(world, seed=options.seed, clock=options.clock, trace=options.trace)


def _is_all_ok(record: Record) -> bool:
    return record.told[OK] == record.urls


def token_bucket(
    rate: float, burst: float, latency: float, urls: int, options: Options, *, status: int = 429, says_when: bool = True
) -> Finding:
    """A server that serves `rate` requests a second."""
    host = TokenBucket(KEY, Latency(latency), rate, burst, status=status, says_when=says_when)
    record = sweep(host, urls, options)
    # Of the bucket alone: a burst would let it end sooner, and the promise is not to need that.
    ideal = host.ideal(urls)
    is_met = record.seconds <= BUCKET_RATIO * ideal and _is_all_ok(record)
    if urls > LEARNING_SECONDS * rate:
        is_met = is_met and record.pushed_share <= PUSHED_SHARE
    told = f"{status}, Retry-After" if says_when else f"{status}"
    case = f"{rate:g}/s, burst {burst:g}, {latency * 1000:g} ms, {told}"
    return Finding(case, record, ideal, record.most_at_once[0], is_met=is_met)


def token_buckets(options: Options) -> Iterator[Finding]:
    """Rates of 2 to 400 a second, with no burst, one of ten, and of one and five seconds' worth; near and far away,
    told when or not. Between two easy rates there may be one that is not: 50 a second are 2.5 at once."""
    for rate, holds, latency, says_when, seconds in product(
        (2, 5, 20, 50, 100, 200, 400), ("1", "10", "1 s", "5 s"), (0.005, 0.05, 0.3), (True, False), (20, 50)
    ):
        burst = int(holds.removesuffix(" s")) * (rate if holds.endswith("s") else 1)
        yield token_bucket(rate, burst, latency, seconds * rate, options, says_when=says_when)
        if latency == 0.05:
            yield token_bucket(rate, burst, latency, seconds * rate, options, status=503, says_when=says_when)
    for rate, jitter in product((20, 100, 400), (0.0002, 0.001)):
        yield jittery_bucket(rate, jitter, options)


def jittery_bucket(rate: float, jitter: float, options: Options) -> Finding:
    """A strict one whose requests come a little later than they were sent. Nothing is promised: two that come closer
    together than the bucket is filled are turned away, however evenly they were sent."""
    host = Jittery(KEY, Latency(0.05), rate, 1, jitter)
    record = sweep(host, round(30 * rate), options)
    return Finding(
        f"{rate:g}/s, burst 1, {jitter * 1000:g} ms of jitter",
        record,
        host.ideal(record.urls),
        record.most_at_once[0],
        is_met=None,
    )


def at_once(places: int, over: Over, latency: float, urls: int, options: Options) -> Finding:
    """A server that serves `places` requests at once."""
    host = AtOnce(KEY, Latency(latency), places, over)
    record = sweep(host, urls, options)
    ideal = host.ideal(urls)
    is_met = record.seconds <= AT_ONCE_RATIO * ideal and _is_all_ok(record)
    case = f"{places} at once, {latency * 1000:g} ms, over: {over.name.lower()}"
    return Finding(case, record, ideal, record.most_at_once[0], is_met=is_met)


def servers_at_once(options: Options) -> Iterator[Finding]:
    """1 to 20 at once, turned away in each way, for two hundred rounds and for a thousand."""
    for places, over, latency, rounds in product((1, 2, 5, 10, 20), Over, (0.02, 0.1), (200, 1000)):
        yield at_once(places, over, latency, rounds * places, options)


def full_cap(latency: float, urls: int, options: Options, *, is_promised: bool = True) -> Finding:
    """A healthy host: when is it first asked as much at once as it ever will be?"""
    host = Host(KEY, Latency(latency))
    record = sweep(host, urls, options)
    after = record.capped_at.get(0)
    is_met = after is not None and after <= FULL_CAP_SECONDS and _is_all_ok(record) if is_promised else None
    reached = "never" if after is None else f"after {after:.2f} s"
    promise = f" (promised: {FULL_CAP_SECONDS:g} s)" if is_promised else ""
    case = f"healthy, {latency * 1000:g} ms"
    figure = f"{CAP} at once {reached}{promise}"
    return Finding(case, record, host.ideal(urls), record.most_at_once[0], figure, is_met)


def healthy_hosts(options: Options) -> Iterator[Finding]:
    """20,000 URLs at 50 ms, as promised; nearer and further hosts beside it."""
    yield full_cap(0.05, 20_000, options)
    for latency in (0.005, 0.2, 1.0):
        yield full_cap(latency, 20_000, options, is_promised=False)
