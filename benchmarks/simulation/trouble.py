"""Hosts and networks in trouble that passes, or does not: nothing untrue may be said of anybody's URLs.

Contract: as in `one_host`. The time is told, and nothing promised of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from benchmarks.simulation.findings import Finding
from benchmarks.simulation.hosts import (
    BadPages,
    Banning,
    Dead,
    FixedWindow,
    Flaky,
    Flapping,
    Hostile,
    Interrupted,
    LimitedWithBadPages,
    Pessimist,
    Quota,
    TokenBucket,
    ToldWindow,
)
from benchmarks.simulation.many_hosts import latency_of
from benchmarks.simulation.options import Options
from benchmarks.simulation.run import simulate
from benchmarks.simulation.world import CONNECT_TIMEOUT, Host, Latency, Outage, World
from urlsweep.core.limits import Limits
from urlsweep.core.model import Reason

KEY: Final = "host.example:443"


def one_host(case: str, host: Host, urls: int, options: Options) -> Finding:
    """A single host."""
    return _finding(case, World([(host, urls)]), options)


def _finding(case: str, world: World, options: Options, *, is_network_lost: bool = False) -> Finding:
    record = simulate(world, seed=options.seed, clock=options.clock, trace=options.trace)
    is_met = not record.wrong and record.is_network_lost is is_network_lost
    figure = ", ".join(
        f"{count:,} {truth.outcome}" + (f" ({truth.reason})" if truth.reason else "")
        for truth, count in record.told.most_common()
    )
    if record.is_network_lost:
        figure += f"; the network was lost, {record.unfinished:,} left"
    ideal = world.ideal(Limits().concurrency)
    return Finding(case, record, ideal, max(record.most_at_once), figure, is_met)


def windows(options: Options) -> Iterator[Finding]:
    """So many requests a minute, told or not, and by fields as GitHub's."""
    for allowed in (60, 600):
        urls = 5 * allowed
        for status in (429, 503):
            yield one_host(
                f"{allowed} a minute, {status}, Retry-After",
                ToldWindow(KEY, Latency(0.05), allowed, status=status),
                urls,
                options,
            )
        for status in (429, 503):
            window = FixedWindow(KEY, Latency(0.05), allowed, status=status)
            yield one_host(f"{allowed} a minute, {status}", window, urls, options)
        for status in (403, 429):
            yield one_host(
                f"{allowed} a minute, {status}, X-RateLimit",
                Quota(KEY, Latency(0.05), allowed, status=status),
                urls,
                options,
            )
    window = FixedWindow(KEY, Latency(0.05), 600, 30, status=503)
    yield one_host("600 in 30 s, 503", window, 1_000, options)
    yield one_host("1 in 30 s, 429, X-RateLimit", Quota(KEY, Latency(0.05), 1, 30), 40, options)
    yield one_host("always: nothing left for 300 s", Pessimist(KEY, Latency(0.05), 300), 60, options)
    yield one_host("60 an hour, 403, X-RateLimit", Quota(KEY, Latency(0.05), 60, 3600.0, status=403), 300, options)


def unsteady_hosts(options: Options) -> Iterator[Finding]:
    """Hosts that come and go, fail now and then, ban, or have some bad pages."""
    latency = 0.05
    cases: dict[str, tuple[Callable[[], Host], int]] = {
        "up 20 s, down 10 s, refused": (lambda: Flapping(KEY, Latency(latency), 20, 10), 40_000),
        "up 20 s, down 10 s, silent": (
            lambda: Flapping(KEY, Latency(latency), 20, 10, Reason.CONNECT_TIMEOUT),
            40_000,
        ),
        "up 3 s, down 2 s, refused": (lambda: Flapping(KEY, Latency(latency), 3, 2), 10_000),
        "restart: refused for 5 s": (lambda: Interrupted(KEY, Latency(latency), 5, 10), 10_000),
        "restart: 503 for 5 s": (lambda: Interrupted(KEY, Latency(latency), 5, 10, status=503), 10_000),
        "refused for 45 s": (lambda: Interrupted(KEY, Latency(latency), 5, 50), 10_000),
        "503 for 2 minutes": (
            lambda: Interrupted(KEY, Latency(latency), 5, 125, status=503, is_short=False),
            10_000,
        ),
        "refused for 5 minutes": (lambda: Interrupted(KEY, Latency(latency), 5, 305, is_short=False), 10_000),
        "2 % of requests get 503": (lambda: Flaky(KEY, Latency(latency), 0.02), 10_000),
        "2 % of requests are reset": (lambda: Flaky(KEY, Latency(latency), 0.02, status=None), 10_000),
        "banned for 60 s above 100/s": (lambda: Banning(KEY, Latency(latency), 100), 5_000),
        "banned for 60 s above 20/s": (lambda: Banning(KEY, Latency(latency), 20), 1_000),
        "one page of 1,000 always 429": (lambda: BadPages(KEY, Latency(latency), [500], 429), 1_000),
        "one page of 1,000 always 503": (lambda: BadPages(KEY, Latency(latency), [500], 503), 1_000),
        "one page of 1,000 hangs": (lambda: BadPages(KEY, Latency(latency), [500], None), 1_000),
        "five pages of 1,000 always 429": (
            lambda: BadPages(KEY, Latency(latency), range(100, 105), 429),
            1_000,
        ),
        "one page of 1,000 always 429, Retry-After: 3600": (
            lambda: BadPages(KEY, Latency(latency), [500], 429, retry_after=3600),
            1_000,
        ),
        "one page in ten always 429, Retry-After: 3600": (
            lambda: BadPages(KEY, Latency(latency), range(0, 1_000, 10), 429, retry_after=3600),
            1_000,
        ),
        "one page in fifty always 503": (lambda: BadPages(KEY, Latency(latency), range(7, 1_000, 50), 503), 1_000),
        "the last page of ten always 503": (lambda: BadPages(KEY, Latency(latency), [9], 503), 10),
        "20/s, and one page in fifty 503 or reset": (
            lambda: LimitedWithBadPages(
                KEY, Latency(latency), 20, 20, {page: (503, None)[page % 4 // 2] for page in range(1, 1_000, 50)}
            ),
            1_000,
        ),
        "400/s, and one page in fifty 503 or reset": (
            lambda: LimitedWithBadPages(
                KEY, Latency(latency), 400, 400, {page: (503, None)[page % 4 // 2] for page in range(1, 12_700, 50)}
            ),
            12_700,
        ),
        "2/s, burst 100, then resets": (lambda: TokenBucket(KEY, Latency(latency), 2, 100, status=None), 1_000),
        "20/s, burst 20, then resets": (lambda: TokenBucket(KEY, Latency(latency), 20, 20, status=None), 1_000),
        "the first three pages hang": (lambda: BadPages(KEY, Latency(latency), range(3), None), 1_000),
        "429 always": (lambda: Hostile(KEY, Latency(latency)), 1_000),
        "blackholed": (lambda: Dead(KEY), 1_000),
        "refused": (lambda: Dead(KEY, Reason.CONNECT_REFUSED, 0.02), 1_000),
        "name look-ups time out": (lambda: Dead(KEY, Reason.DNS_TIMEOUT), 1_000),
    }
    for case, (make, urls) in cases.items():
        yield one_host(case, make(), urls, options)


def network_outages(options: Options) -> Iterator[Finding]:
    """The asking side's own network goes, for a while or for good."""
    never = float("inf")
    for case, outage, is_lost in (
        ("network gone for 20 s, told at once", Outage(3, 23), False),
        ("network gone for 20 s, silent", Outage(3, 23, Reason.CONNECT_TIMEOUT, CONNECT_TIMEOUT), False),
        ("network gone for 20 s, no names", Outage(3, 23, Reason.DNS_FAILURE, 0.01), False),
        ("network gone for good, told at once", Outage(3, never), True),
        ("network gone for good, silent", Outage(3, never, Reason.CONNECT_TIMEOUT, CONNECT_TIMEOUT), True),
        ("no network from the start", Outage(0, never), True),
        ("no network for the first 20 s", Outage(0, 20), False),
    ):
        for count, urls, of in ((300, 100, ""), (3_000, 1, ", 1 each")):
            hosts = [(Host(f"host-{number}.example:443", latency_of(number)), urls) for number in range(count)]
            outages = [outage._replace(start=outage.start * urls / 100, end=outage.end)]  # while all is being asked
            yield _finding(case + of, World(hosts, outages), options, is_network_lost=is_lost)


def all_trouble(options: Options) -> Iterator[Finding]:
    """All of the above."""
    yield from windows(options)
    yield from unsteady_hosts(options)
    yield from network_outages(options)
