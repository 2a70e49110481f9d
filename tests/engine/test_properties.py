"""Any list against any world: what must hold of every run, by hypothesis, under virtual time."""

from __future__ import annotations

import asyncio
import itertools
import re
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.workers.memory import MemoryCrew

from urlsweep.core.groups import pace_key
from urlsweep.core.limits import Limits, PaceBy
from urlsweep.core.model import Outcome, Reason, Result, Target
from urlsweep.core.policy import ByHand, Method, Policy, Rule
from urlsweep.core.summary import Summary
from urlsweep.core.urls import Url, parse
from urlsweep.engine import Sweep
from urlsweep.testing.fake import (
    Answer,
    Behaviour,
    ConcurrencyLimitedHost,
    Exchange,
    FakeTransport,
    FixedWindowHost,
    TokenBucketHost,
    at_address,
    by_method,
    failure,
    never,
    reply,
)
from urlsweep.testing.virtual_time import run_virtual

HOSTS = ["a.test", "b.test", "www.b.test", "127.0.0.1"]  # two of one domain
PATHS = ["", "1", "2", "3?q", "4", "robots.txt"]
WALL = 784_111_777.0
FAILURES = [
    reason
    for reason in Reason
    if reason.startswith(("dns.", "connect.", "tls.", "response."))
    or reason in (Reason.REDIRECT_FORBIDDEN, Reason.SKIP_PRIVATE_ADDRESS)
]
"""What a transport may say."""

times = st.sampled_from([0.0, 0.0, 0.01, 0.5, 3.0, 19.0])
locations = st.one_of(
    st.builds(lambda host, path: f"http://{host}/{path}", st.sampled_from(HOSTS), st.sampled_from(PATHS)),
    st.sampled_from(["1", "//b.test/2#f", "http://u:p@www.b.test/", "http://", "mailto:x@y"]),
)
answers: st.SearchStrategy[Answer] = st.one_of(
    st.builds(lambda after: reply(200, after=after), times),
    st.builds(
        lambda status, after: reply(status, after=after),
        st.sampled_from([204, 404, 410, 500, 502, 503, 429, 999]),
        times,
    ),
    st.builds(
        lambda status, location, after, cookie: reply(
            status, ("location", location), ("set-cookie", cookie), after=after
        ),
        st.sampled_from([301, 302, 303, 307, 308]),
        locations,
        times,
        st.sampled_from(["n=v", "n=w; Path=/", "m=1; Max-Age=0"]),
    ),
    st.builds(
        lambda status, seconds: reply(status, ("retry-after", seconds)),
        st.sampled_from([429, 503]),
        st.sampled_from(["0", "2", "100000"]),
    ),
    st.builds(lambda reason, after: failure(reason, after=after), st.sampled_from(FAILURES), times),
    st.just(never()),
    st.just(reply(403, ("cf-mitigated", "challenge"))),
    st.just(reply(200, ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "3"))),
    st.builds(
        lambda line: reply(200, body=f"User-agent: *\n{line}\n".encode()),
        st.sampled_from(["Disallow: /", "Disallow: /1", "Crawl-delay: 2"]),
    ),
)
in_turn = st.lists(answers, min_size=1, max_size=4)


@dataclass(frozen=True)
class Host:
    """What a host does with HEAD and with GET, answer by answer: made anew for every run, as behaviours count."""

    head: list[Answer]
    get: list[Answer]
    address: str

    def behaviour(self) -> Behaviour:
        return at_address(self.address, by_method(head=self.head, get=self.get))


hosts = st.builds(Host, in_turn, in_turn, st.sampled_from(["192.0.2.1", "192.0.2.2"]))
targets = st.builds(
    lambda scheme, userinfo, host, path, fragment: f"{scheme}://{userinfo}{host}/{path}{fragment}",
    st.sampled_from(["http", "http", "http", "https"]),
    st.sampled_from(["", "", "", "u:p@"]),
    st.sampled_from([*HOSTS, "nowhere.test"]),
    st.sampled_from(PATHS),
    st.sampled_from(["", "#f", "#g"]),
)
lines = st.one_of(targets, targets, targets, st.sampled_from(["", "nonsense", "mailto:x@y", "htp://z/", "http://a b/"]))
RULES = [
    Rule(re.compile("//b.test/"), per_host=1),
    Rule(re.compile("//b.test/"), delay=3.0, robots=False),
    Rule(re.compile("//a.test/"), rate=2.0, per_host=2),
]
"""Each for all URLs of a host, so that it holds from the first request to it."""

policies = st.builds(
    Policy,
    method=st.sampled_from(Method),
    tries=st.integers(1, 3),
    max_redirects=st.integers(0, 3),
    follow=st.sampled_from([True, True, False]),
    allow_private=st.booleans(),
    robots=st.booleans(),
    rules=st.lists(st.sampled_from(RULES), max_size=2, unique_by=id).map(tuple),
)
limits = st.builds(
    Limits,
    concurrency=st.integers(1, 8),
    total_rate=st.sampled_from([None, None, None, 4.0]),
    per_host=st.sampled_from([None, None, 1, 3]),
    rate=st.sampled_from([None, None, None, 5.0]),
    delay=st.sampled_from([0.0, 0.0, 0.0, 1.5]),
    pace_by=st.sampled_from([PaceBy.HOST, PaceBy.HOST, PaceBy.DOMAIN, PaceBy.ADDRESS]),
    patience=st.sampled_from([300.0, 300.0, 10.0, 0.0]),
    outage_patience=st.sampled_from([60.0, 5.0, 0.0]),
    probes=st.integers(1, 4),
    silent_share=st.sampled_from([0.5, 0.01, 1.0]),
)
outages = st.one_of(
    st.just([]),
    st.just([]),
    st.lists(
        st.builds(
            lambda start, length: (start, start + length),
            st.sampled_from([0.0, 0.2, 2.0]),
            st.sampled_from([1.0, 30.0, 1e9]),
        ),
        min_size=1,
        max_size=1,
    ),
)


@dataclass(frozen=True)
class Run:
    """Everything that a run depends on."""

    urls: list[str]
    world: dict[str, Host]
    policy: Policy
    limits: Limits
    is_ordered: bool
    window: int
    seed: int
    pauses: list[float]  # of the source, by target; and of the consumer, by row
    outages: list[tuple[float, float]]
    stop_at: float | None
    shards: int = 1
    delay: float = 0.0  # of what workers are told and tell

    async def go(self) -> tuple[list[Result], Summary, FakeTransport, float]:
        behaviours = {name: host.behaviour() for name, host in self.world.items()}
        transport = FakeTransport(hosts=behaviours, outages=self.outages)
        summary = Summary()

        async def source() -> AsyncIterator[Target]:
            for index, url in enumerate(self.urls):
                if pause := self.pauses[index % len(self.pauses)]:
                    await asyncio.sleep(pause)
                yield Target(url, f"list:{index}", {"index": index})

        crew = MemoryCrew(self.shards, transport, wall=lambda: WALL, delay=self.delay) if self.shards > 1 else None
        sweep = Sweep(
            source(), self.policy, self.limits, transport,
            crew=crew, summary=summary, is_ordered=self.is_ordered,
            seed=self.seed, window=self.window, wall=lambda: WALL,
        )  # fmt: skip
        loop = asyncio.get_running_loop()
        if self.stop_at is not None:
            loop.call_later(self.stop_at, sweep.stop)
        rows = []
        async for row in sweep:
            rows.append(row)
            if pause := self.pauses[-1 - len(rows) % len(self.pauses)]:
                await asyncio.sleep(pause)
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
        assert transport.in_flight == 0
        return rows, summary, transport, loop.time()


runs = st.builds(
    Run,
    urls=st.lists(lines, max_size=40),
    world=st.fixed_dictionaries(dict.fromkeys(HOSTS, hosts)),
    policy=policies,
    limits=limits,
    is_ordered=st.booleans(),
    window=st.sampled_from([1, 3, 100_000]),
    seed=st.integers(0, 3),
    pauses=st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.3, 25.0]), min_size=1, max_size=5),
    outages=outages,
    stop_at=st.none(),
)


def _over_shards(run: Run, shards: int, delay: float) -> Run:
    # Fewer than one slot each cannot be shared out, and by address not at all.
    limits = replace(run.limits, concurrency=max(shards, run.limits.concurrency))
    if limits.pace_by is PaceBy.ADDRESS:
        limits = replace(limits, pace_by=PaceBy.DOMAIN)
    return replace(run, limits=limits, shards=shards, delay=delay)


runs_over_shards = st.builds(_over_shards, runs, st.sampled_from([2, 3]), st.sampled_from([0.0, 0.001, 0.2]))
stopped_runs = st.builds(
    replace, st.one_of(runs, runs_over_shards), stop_at=st.sampled_from([0.0, 0.01, 0.75, 2.0, 20.0, 45.0])
)


def _assert_sound(run: Run, rows: list[Result], summary: Summary, transport: FakeTransport) -> None:
    read = summary.rows_in
    assert len(rows) == summary.rows_out == read
    # each row for its target, once
    assert Counter(row.found_in for row in rows) == Counter(f"list:{index}" for index in range(read))
    for row in rows:
        assert row.input is not None
        assert row.url == run.urls[row.input["index"]]
        assert row.detail or row.outcome is Outcome.OK
        assert (row.reason is not None) or row.outcome is Outcome.OK
        assert (row.checked_at is None) == (row.attempts == 0)
        assert row.status is None or row.method is not None
        assert len(row.hops) <= run.policy.max_redirects
        assert "@" not in (row.final_url or "")
    if run.is_ordered:
        assert [row.found_in for row in rows] == [f"list:{index}" for index in range(read)]
    assert sum(summary.outcomes.values()) == sum(summary.categories.values()) == read
    # rows that ask for the same have the same answer
    answers_by_key: dict[Any, set[Any]] = {}
    for row in rows:
        parsed = parse(row.url)
        if isinstance(parsed, Url):
            key = (parsed.href, parsed.username, parsed.password)
            answers_by_key.setdefault(key, set()).add((row.outcome, row.reason, row.status, row.attempts, row.hops))
    assert all(len(found) == 1 for found in answers_by_key.values())
    assert sum(summary.bottleneck.seconds.values()) == pytest.approx(summary.seconds)
    # what is sent is counted
    assert summary.requests == sum(1 for exchange in transport.log if not exchange.is_cancelled)
    _assert_within_bounds(run, transport)


def _assert_within_bounds(run: Run, transport: FakeTransport) -> None:
    assert transport.peak <= run.limits.concurrency
    sent = [exchange.sent for exchange in transport.log]
    if run.limits.total_rate is not None:
        # One that is late by no more than its turn may be made up for; each shard has its part of the rate.
        assert all(
            last - first >= run.shards / run.limits.total_rate - 1e-9
            for first, last in zip(sent, sent[2 * run.shards :], strict=False)
        )
    groups: dict[str, list[Exchange]] = defaultdict(list)
    for exchange in transport.log:
        groups[pace_key(exchange.request.host_key, run.limits.pace_by)].append(exchange)
    for exchanges in groups.values():
        host_keys = {exchange.request.host_key for exchange in exchanges}
        # A group may have been asked before it was known that a rule holds for another of its hosts.
        bounds = [run.limits.bounds_of(host_key, _by_hand(run.policy, host_key)) for host_key in host_keys]
        cap, gap = max(bound.cap for bound in bounds), min(bound.gap for bound in bounds)
        for first, second in itertools.pairwise(exchanges):
            assert second.sent - first.sent >= gap - 1e-9
        for exchange in exchanges:
            at = exchange.sent
            assert cap >= sum(
                1 for other in exchanges if other.sent <= at and (other.answered is None or at < other.answered)
            )


def _by_hand(policy: Policy, host_key: str) -> ByHand | None:
    url = parse(f"http://{host_key}/")
    assert isinstance(url, Url)
    return policy.by_hand(url)


@settings(max_examples=300, deadline=None)
@given(st.one_of(runs, runs_over_shards))
def test_any_run_to_its_end(run: Run) -> None:
    rows, summary, transport, _ = run_virtual(run.go())
    if not summary.is_network_lost:
        assert summary.rows_in == len(run.urls)
        assert summary.input_exhausted
        assert not summary.is_partial
        assert all(row.reason != Reason.SKIP_UNFINISHED for row in rows)
    _assert_sound(run, rows, summary, transport)
    assert all(row.outcome is not Outcome.INVALID for row in rows if row.attempts)


@settings(max_examples=150, deadline=None)
@given(stopped_runs)
def test_any_run_that_is_stopped(run: Run) -> None:
    rows, summary, transport, _ = run_virtual(run.go())
    _assert_sound(run, rows, summary, transport)


@settings(max_examples=75, deadline=None)
@given(st.one_of(runs, runs_over_shards))
def test_the_same_seed_gives_the_same_rows(run: Run) -> None:
    first, second = (run_virtual(run.go()) for _ in range(2))
    assert first[0] == second[0]
    assert first[3] == second[3]
    assert [(one.sent, one.request) for one in first[2].log] == [(one.sent, one.request) for one in second[2].log]


# --- hosts that let only so much through ------------------------------------------------------------------------------

LIMITED = st.sampled_from(
    [
        reply(429),
        reply(429, ("retry-after", "2")),
        reply(503, ("retry-after", "1")),
        reply(403, ("retry-after", "3")),
        reply(403, ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "0")),
    ]
)
"""How a host says that it is asked too much."""

pages = st.builds(lambda after: reply(200, after=after), st.sampled_from([0.0, 0.01, 0.1, 1.0]))
limited_hosts: st.SearchStrategy[Behaviour] = st.one_of(
    st.builds(
        lambda rate, burst, page, over: TokenBucketHost(rate, burst, allowed=page, over=over),
        st.sampled_from([0.5, 3.0, 20.0, 150.0]),
        st.sampled_from([1, 5, 40]),
        pages,
        LIMITED,
    ),
    st.builds(
        lambda limit, seconds, page, over: FixedWindowHost(limit, seconds, allowed=page, over=over),
        st.sampled_from([1, 10, 60]),
        st.sampled_from([1.0, 10.0, 60.0]),
        pages,
        LIMITED,
    ),
    st.builds(
        lambda limit, page, over: ConcurrencyLimitedHost(limit, served=page, over=over),
        st.integers(1, 6),
        pages,
        LIMITED,
    ),
)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(limited_hosts, min_size=1, max_size=4),
    st.integers(1, 120),
    st.sampled_from([Limits(), Limits(concurrency=3), Limits(per_host=2), Limits(rate=10), Limits(patience=20)]),
    st.booleans(),
    st.integers(0, 3),
)
def test_nothing_under_a_limit_that_its_host_states_is_broken_or_down(
    behaviours: list[Behaviour], count: int, limits: Limits, robots: bool, seed: int
) -> None:
    hosts = {f"h{number}.test": behaviour for number, behaviour in enumerate(behaviours)}
    world = {f"http://{host}/robots.txt": reply(404) for host in hosts}
    transport = FakeTransport(world, hosts=hosts)
    targets = [Target(f"http://{host}/{number}") for number in range(count) for host in hosts]

    async def go() -> list[Result]:
        sweep = Sweep(targets, Policy(robots=robots), limits, transport, seed=seed, wall=lambda: WALL)
        return [row async for row in sweep]

    rows = run_virtual(go())
    assert len(rows) == len(targets)
    assert {row.outcome for row in rows} <= {Outcome.OK, Outcome.UNVERIFIED}
    if limits.patience >= 300:
        assert {row.outcome for row in rows} == {Outcome.OK}
