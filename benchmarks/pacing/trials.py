"""What is tried, what came of it, and the figures that it is held against: issue 3's ideal times.

Contract: a trial is an async function that gives findings; it leaves nothing running. Every figure that something is
held against stands here, with what it is taken from.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import statistics
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.pacing.site import LATENCY, Host, Site
from benchmarks.pacing.sweep import Swept, attempts_of, examples, sweep, sweep_until
from benchmarks.world.answers import End
from benchmarks.world.limit import AtOnce, TokenBucket
from urlsweep.core.limits import Limits
from urlsweep.core.policy import Policy

BUCKET_SECONDS: Final = 30
"""N = 30 r: what is learned must have paid off by then."""
BUCKET_RATIO: Final = 1.15
BUCKET_REFUSED: Final = 0.03
"""Of all requests, once N > 20 r."""

AT_ONCE_SECONDS: Final = 30
AT_ONCE_RATIO: Final = 1.25

CLIMB_URLS: Final = 20_000
CLIMB_SECONDS: Final = 3.0

BAD_URLS: Final = 2_000
GOOD_HOSTS: Final = 200
FIRST_REQUEST_DELAY: Final = 0.010
ROUNDS: Final = 9
MOST_ROUNDS: Final = 36
"""Of sweeps for what is told in milliseconds. The kinds take turns, one sweep each and every second round in reverse,
so that what a machine does for some seconds is in all of them; and of each host's delays the middle one is taken. The
least of them says little: they count from the first request of all, and where that was late, once in some runs,
everybody after it looks early. What pacing adds is in every run, and to the same hosts, since a list is read in its
order: in the middle, too."""
LIKENESS: Final = FIRST_REQUEST_DELAY / 2
"""Two kinds that are the same have to come out as alike as this before anything is told of the others: on a busy
machine that takes more rounds."""

HOSTS: Final = 200
DEAD_HOSTS: Final = 20
URLS_A_HOST: Final = 60
LONG_LATENCY: Final = 1.0
"""256 at once are then 256 requests a second, little work for a processor: the 42 s of the living hosts are long enough
for the three tries that a dead host is owed, 10 s each to connect."""


@dataclass(frozen=True)
class Finding:
    """One figure, and whether it is what it has to be."""

    what: str
    found: str
    aim: str  # "" where nothing is asked of it
    is_met: bool = True
    notes: Sequence[str] = field(default=())


@dataclass(frozen=True)
class Place:
    """Where a trial runs, and under what."""

    directory: Path
    limit: float  # seconds that one sweep may take
    retry_after: int | None = None  # what refusals tell


Trial = Callable[[Place], Awaitable[list[Finding]]]


def _right(swept: Swept) -> Finding:
    return Finding("wrong rows", str(len(swept.wrong)), "0", not swept.wrong, examples(swept.wrong))


def _against(swept: Swept, ideal: float, most: float) -> Finding:
    ratio = swept.seconds / ideal
    cpu = swept.figures.user + swept.figures.system
    found = f"{swept.seconds:.1f} s = {ratio:.3f} x {ideal:.1f} s"
    return Finding("time", found, f"at most {most:.2f} x", ratio <= most, [f"    processor {cpu:.1f} s"])


async def bucket(rate: int, burst: int, place: Place) -> list[Finding]:
    """A token bucket of `rate` requests a second."""
    host = Host(
        name="bucket.example.net",
        urls=BUCKET_SECONDS * rate,
        limit=lambda: TokenBucket(rate, burst),
        retry_after=place.retry_after,
    )
    async with Site([host]).served() as site:
        swept = await sweep(site, site.urls(host.name), place.directory / f"bucket-{rate}-{burst}", place.limit)
    carried = site.loads[host.name].carried()
    share = swept.refused_share
    return [
        _against(swept, host.urls / rate, BUCKET_RATIO),
        Finding(
            "pushed back", f"{share:.2%} of {swept.requests}", f"at most {BUCKET_REFUSED:.0%}", share <= BUCKET_REFUSED
        ),
        _right(swept),
        Finding(
            "peak load",
            f"{carried.most_at_once} at once, {carried.most_a_second} in one second",
            "",
            notes=[
                f"    requests came {spacing(site.arrivals)} apart, the bucket is filled every {1000 / rate:.1f} ms"
            ],
        ),
    ]


def spacing(arrivals: Sequence[float]) -> str:
    """How evenly requests came in the later half, when the rate has been learned: a fifth of them came closer than the
    first figure, a fifth farther apart than the last."""
    gaps = [later - earlier for earlier, later in itertools.pairwise(arrivals[len(arrivals) // 2 :])]
    if len(gaps) < 2:
        return "too rarely to tell"
    fifths = statistics.quantiles(gaps, n=5)
    return f"{fifths[0] * 1000:.1f}, {statistics.median(gaps) * 1000:.1f} and {fifths[-1] * 1000:.1f} ms"


async def at_once(most: int, refusal: int, place: Place) -> list[Finding]:
    """A server that lets `most` requests through at once."""
    ideal = float(AT_ONCE_SECONDS)
    host = Host(
        name="narrow.example.net",
        urls=round(ideal * most / LATENCY),
        limit=lambda: AtOnce(most),
        refusal=refusal,
        retry_after=place.retry_after,
    )
    async with Site([host]).served() as site:
        swept = await sweep(site, site.urls(host.name), place.directory / f"at-once-{most}-{refusal}", place.limit)
    carried = site.loads[host.name].carried()
    return [
        _against(swept, ideal, AT_ONCE_RATIO),
        _right(swept),
        Finding("pushed back", f"{swept.refused_share:.2%} of {swept.requests}", ""),
        Finding("peak load", f"{carried.most_at_once} at once, {carried.most_a_second} in one second", ""),
    ]


async def climb(place: Place) -> list[Finding]:
    """A healthy host: how long until it is asked as much at once as may be."""
    cap = Limits().host_cap
    host = Host(name="healthy.example.net", urls=CLIMB_URLS)
    async with Site([host]).served() as site:
        swept = await sweep(site, site.urls(host.name), place.directory / "climb", place.limit)
    reached = site.loads[host.name].climb
    start = site.first_request()
    steps = ", ".join(
        f"{level}: {reached[level - 1] - start:.2f} s" for level in (4, 8, 16, 24) if level <= len(reached)
    )
    if len(reached) < cap:
        full = Finding(
            "at full cap", f"never: at most {len(reached)} of {cap} at once", f"within {CLIMB_SECONDS} s", False
        )
    else:
        seconds = reached[cap - 1] - start
        full = Finding("at full cap", f"{cap} at once after {seconds:.2f} s ({steps})", f"within {CLIMB_SECONDS:.0f} s",
                       seconds <= CLIMB_SECONDS)  # fmt: skip
    ideal = CLIMB_URLS * LATENCY / cap
    found = f"{swept.seconds:.1f} s = {swept.seconds / ideal:.3f} x {ideal:.1f} s"
    late = f"    the site's latest answer was {site.latest * 1000:.0f} ms late"
    return [full, _right(swept), Finding("time", found, "", notes=[late])]


_BAD: Final[Mapping[str, Host]] = {
    "healthy": Host(name="bad.example.net", urls=BAD_URLS),
    "healthy, too": Host(name="bad.example.net", urls=BAD_URLS),
    "pushes back always": Host(name="bad.example.net", urls=BAD_URLS, limit=lambda: AtOnce(0)),
    "never answers": Host(name="bad.example.net", urls=BAD_URLS, end=End.HANG),
    "is dead": Host(name="bad.example.net", urls=BAD_URLS, is_dead=True),
    "resets": Host(name="bad.example.net", urls=BAD_URLS, end=End.RESET),
    "takes 5 s": Host(name="bad.example.net", urls=BAD_URLS, latency=5.0),
}
"""The first one is what the others are held against: what is left is not its URLs' doing but its badness's. The second
is the same, and so tells what the machine makes of nothing."""

_MARKER: Final = "first.example.net"


async def beside_a_bad_host(place: Place) -> list[Finding]:
    """One host of 2,000 URLs beside 200 with one each: how much later those are asked than beside a healthy one."""
    runs: dict[str, list[list[float]]] = {kind: [] for kind in _BAD}
    usual, same, *others = _BAD
    rounds = 0
    while rounds < ROUNDS or (worst_of(runs[usual], runs[same]) > LIKENESS and rounds < MOST_ROUNDS):
        for kind in reversed(list(_BAD)) if rounds % 2 else _BAD:
            runs[kind].append(await _first_requests(kind, place, rounds))
        rounds += 1
    aim = f"less than {FIRST_REQUEST_DELAY * 1000:.0f} ms"
    findings = []
    for kind in others:
        is_met = worst_of(runs[usual], runs[kind]) < FIRST_REQUEST_DELAY
        findings.append(Finding(f"it {kind}", _added(runs[usual], runs[kind]), aim, is_met))
    is_quiet = worst_of(runs[usual], runs[same]) <= LIKENESS
    notes = [] if is_quiet else ["    the machine was not quiet enough to tell: none of these says much"]
    last = max(middle(runs[usual]))
    return [
        *findings,
        Finding(f"it is {same}", f"{_added(runs[usual], runs[same])}, {rounds} rounds", "", notes=notes),
        Finding(f"it is {usual}", f"all asked within {last * 1000:.0f} ms of the first", ""),
    ]


def middle(runs: Sequence[Sequence[float]]) -> list[float]:
    """The median over `runs` of each host's delay."""
    return [statistics.median(each) for each in zip(*runs, strict=True)]


def _later(usual: Sequence[Sequence[float]], others: Sequence[Sequence[float]]) -> list[float]:
    return [late - early for late, early in zip(middle(others), middle(usual), strict=True)]


def worst_of(usual: Sequence[Sequence[float]], others: Sequence[Sequence[float]]) -> float:
    """Seconds by which any host was asked later in `others` than in `usual`, runs of each."""
    return max(_later(usual, others))


def _added(usual: Sequence[Sequence[float]], others: Sequence[Sequence[float]]) -> str:
    later = _later(usual, others)
    return f"{max(later) * 1000:+.1f} ms at worst, {statistics.median(later) * 1000:+.1f} ms in the middle"


async def _first_requests(kind: str, place: Place, number: int) -> list[float]:
    """Seconds from the very first request to the first one to each good host, in one sweep."""
    good = [Host(name=f"good-{index}.example.org", urls=1) for index in range(GOOD_HOSTS)]
    marker = Host(name=_MARKER, urls=1)
    bad = _BAD[kind]
    site = Site([marker, bad, *good])
    everybody = asyncio.Event()
    unasked = {host.name for host in good} | {_MARKER}

    def look() -> None:
        unasked.difference_update([name for name in unasked if site.loads[name].requests])
        if not unasked:
            everybody.set()

    site.answer_seen = look
    async with site.served():
        lines = _spread(site.urls(bad.name), [site.urls(host.name)[0] for host in good])
        directory = place.directory / f"beside-{list(_BAD).index(kind)}-{number}"
        await sweep_until(site, [*site.urls(_MARKER), *lines], directory, everybody, place.limit)
    start = site.loads[_MARKER].first or 0.0
    return [(site.loads[host.name].first or 0.0) - start for host in good]


def _spread(many: Sequence[str], few: Sequence[str]) -> Iterator[str]:
    """`few` among `many`, evenly."""
    step = len(many) // len(few)
    for index, one in enumerate(few):
        yield from many[index * step : (index + 1) * step]
        yield one
    yield from many[len(few) * step :]


async def dead_hosts(place: Place) -> list[Finding]:
    """Hosts that are switched off among others: what they add to the run."""
    alone, _ = await _with_dead(0, place)
    beside, connects = await _with_dead(DEAD_HOSTS, place)
    added = beside.seconds - alone.seconds
    most = Policy().connect_timeout
    found = f"{added:+.1f} s ({alone.seconds:.1f} s without them, {beside.seconds:.1f} s with them)"
    return [
        Finding("added", found, f"less than {most:.0f} s", added < most),
        _right(beside),
        Finding("tries", f"{connects} for {DEAD_HOSTS * URLS_A_HOST} URLs", ""),
    ]


async def _with_dead(dead: int, place: Place) -> tuple[Swept, int]:
    living = [
        Host(name=f"living-{index}.example.org", urls=URLS_A_HOST, latency=LONG_LATENCY)
        for index in range(HOSTS - DEAD_HOSTS)
    ]
    silent = [
        Host(name=f"dead-{index}.example.org", urls=URLS_A_HOST, is_dead=True, expected=("down", "connect.timeout"))
        for index in range(dead)
    ]
    directory = place.directory / f"dead-{dead}"
    async with Site([*living, *silent]).served() as site:
        by_host = [site.urls(host.name) for host in (*living, *silent)]
        swept = await sweep(
            site, list(itertools.chain.from_iterable(zip(*by_host, strict=True))), directory, place.limit
        )
    return swept, attempts_of(directory, "//dead-")


TRIALS: Final[Mapping[str, tuple[str, Trial]]] = {
    **{
        f"bucket-{rate}-{burst}": (f"token bucket, {rate}/s, burst {burst}, {BUCKET_SECONDS * rate} URLs",
                                   functools.partial(bucket, rate, burst))
        for rate in (20, 100, 400) for burst in (1, rate)
    },
    **{
        f"at-once-{most}-{refusal}": (f"{most} at once, else {refusal}, {round(AT_ONCE_SECONDS * most / LATENCY)} URLs",
                                      functools.partial(at_once, most, refusal))
        for most in (2, 10) for refusal in (429, 503)
    },
    "climb": (f"a healthy host, {CLIMB_URLS} URLs", climb),
    "beside": (f"{GOOD_HOSTS} hosts beside one of {BAD_URLS} URLs", beside_a_bad_host),
    "dead": (f"{DEAD_HOSTS} dead hosts among {HOSTS}", dead_hosts),
}  # fmt: skip
"""By name: what is tried, for people, and the trial."""
