"""Several workers are one run: its rows, its bounds for each host, its end are those of one process.

Under virtual time, over workers within the process that are spoken to in bytes (`memory`); real ones stand in
`tests/cli/test_workers.py`. `URLSWEEP_SHARDS=2 pytest tests/engine` makes all of the engine's runs over workers.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engine.conftest import swept as swept_over
from tests.workers.memory import MemoryCrew

from urlsweep.asking import WorkerError
from urlsweep.core.limits import Limits, PaceBy
from urlsweep.core.model import Outcome, Reason, Request, Result, Target
from urlsweep.core.pacer import Gated
from urlsweep.core.policy import Policy, Rule
from urlsweep.core.summary import Summary
from urlsweep.engine import Sweep
from urlsweep.testing.fake import (
    Behaviour,
    ConcurrencyLimitedHost,
    FakeTransport,
    TokenBucketHost,
    at_address,
    by_method,
    failure,
    never,
    reply,
)
from urlsweep.testing.virtual_time import run_virtual
from urlsweep.workers.sharding import Sharding

if TYPE_CHECKING:
    from tests.engine.conftest import Swept

EXACT = Policy(jitter=0)
OK = reply(200)


def host_of(shard: int, shards: int = 2, *, nth: int = 0, port: int = 80) -> str:
    """The name of the `nth` host of a shard."""
    sharding = Sharding(shards, PaceBy.HOST)
    names = (f"h{number}.test" for number in itertools.count())
    return next(itertools.islice((name for name in names if sharding.shard_of(f"{name}:{port}") == shard), nth, None))


HERE, THERE = host_of(0), host_of(1)
BOTH_WAYS = pytest.mark.parametrize(("start", "end"), [(HERE, THERE), (THERE, HERE)], ids=["there", "back"])


def told(row: Result) -> tuple[Any, ...]:
    """Of a row what does not depend on who was asked before whom."""
    return (row.url, row.outcome, row.reason, row.status, row.final_url, row.hops, row.found_in, row.input)


# --- any run ----------------------------------------------------------------------------------------------------------

HOSTS = [host_of(shard, 3, nth=nth) for shard in range(3) for nth in range(2)]

# The same answer whenever it is asked, so that no row depends on which came first.
behaviours: st.SearchStrategy[Behaviour] = st.one_of(
    st.builds(lambda after: reply(200, after=after), st.sampled_from([0.0, 0.2, 3.0])),
    st.builds(lambda status: reply(status, after=0.1), st.sampled_from([404, 410, 500, 204])),
    *[
        st.builds(
            lambda host, path, status, cookie: reply(
                status, ("location", f"http://{host}/{path}"), ("set-cookie", cookie), after=0.1
            ),
            st.sampled_from(HOSTS),
            st.sampled_from(["0", "1", "2#part", "robots.txt"]),
            st.sampled_from([301, 302, 307]),
            st.sampled_from(["n=v", "n=w; Path=/"]),
        )
    ]
    * 3,
    st.builds(
        lambda reason: failure(reason, after=0.5),
        st.sampled_from([Reason.RESPONSE_RESET, Reason.TLS_EXPIRED, Reason.DNS_NOT_FOUND]),
    ),
    st.just(by_method(head=reply(405), get=reply(200, after=0.3))),
    st.just(reply(403, ("cf-mitigated", "challenge"))),
)
robots: st.SearchStrategy[Behaviour] = st.sampled_from(
    [
        reply(404),
        reply(200, body=b"User-agent: *\nDisallow: /1\n"),
        reply(301, ("location", f"http://{HOSTS[0]}/robots.txt")),
        reply(301, ("location", f"http://{HOSTS[-1]}/robots.txt")),
        reply(500),
    ]
)
paths = st.integers(0, 5).map(str)


@settings(max_examples=120, deadline=None)
@given(
    urls=st.lists(st.builds(lambda host, path: f"http://{host}/{path}", st.sampled_from(HOSTS), paths), max_size=40),
    world=st.dictionaries(
        st.builds(lambda host, path: f"http://{host}/{path}", st.sampled_from(HOSTS), paths), behaviours, max_size=36
    ),
    rules_of=st.dictionaries(st.sampled_from(HOSTS), robots),
    policy=st.builds(Policy, jitter=st.just(0), robots=st.booleans(), max_redirects=st.integers(0, 4)),
    limits=st.builds(Limits, concurrency=st.sampled_from([3, 7, 256]), per_host=st.sampled_from([None, 1])),
    shards=st.sampled_from([2, 3]),
    delay=st.sampled_from([0.0, 0.003, 0.3]),
    is_ordered=st.booleans(),
)
def test_the_rows_are_those_of_one_process(
    urls: list[str],
    world: dict[str, Behaviour],
    rules_of: dict[str, Behaviour],
    policy: Policy,
    limits: Limits,
    shards: int,
    delay: float,
    is_ordered: bool,
) -> None:
    world = {f"http://{host}/robots.txt": reply(404) for host in HOSTS} | {
        f"http://{host}/robots.txt": behaviour for host, behaviour in rules_of.items()
    } | world  # fmt: skip
    targets = [Target(url, f"list:{index}", {"n": index}) for index, url in enumerate(urls)]
    options: dict[str, Any] = {
        "hosts": dict.fromkeys(HOSTS, reply(200, after=0.4)), "policy": policy, "limits": limits,
        "is_ordered": is_ordered,
    }  # fmt: skip
    one = swept_over(targets, world, **options, shards=1)
    several = swept_over(targets, world, **options, shards=shards, delay=delay)
    rows, expected = ([told(row) for row in run.rows] for run in (several, one))
    if is_ordered:
        assert rows == expected
    else:
        assert Counter(map(repr, rows)) == Counter(map(repr, expected))
    assert several.summary.duplicates == one.summary.duplicates
    assert several.summary.outcomes == one.summary.outcomes


# --- jobs that move ---------------------------------------------------------------------------------------------------


@BOTH_WAYS
def test_a_redirect_takes_its_job_to_the_other_shard_with_all_that_it_has(swept: Swept, start: str, end: str) -> None:
    run = swept(
        [f"http://{start}/"],
        {
            f"http://{start}/": reply(302, ("location", f"http://{end}/a"), ("set-cookie", "one=1; Path=/")),
            f"http://{end}/a": reply(307, ("location", "/b"), ("set-cookie", "two=2; Path=/")),
            f"http://{end}/b": reply(302, ("location", f"http://{start}/c")),
            f"http://{start}/c": OK,
        },
        shards=2,
    )
    (row,) = run.rows
    assert (row.outcome, row.final_url, row.attempts) == (Outcome.OK, f"http://{start}/c", 4)
    assert [(hop.url, hop.status) for hop in row.hops] == [
        (f"http://{start}/", 302), (f"http://{end}/a", 307), (f"http://{end}/b", 302),
    ]  # fmt: skip
    cookies = [dict(exchange.request.headers).get("Cookie") for exchange in run.transport.log]
    assert cookies == [None, None, "two=2", "one=1"]


@BOTH_WAYS
def test_tries_go_on_where_the_job_went_and_begin_again_at_home(swept: Swept, start: str, end: str) -> None:
    run = swept(
        [f"http://{start}/"],
        {f"http://{start}/": reply(302, ("location", f"http://{end}/")), f"http://{end}/": reply(500)},
        policy=EXACT,
        shards=2,
    )
    (row,) = run.rows
    assert (row.outcome, row.reason, row.detail) == (
        Outcome.DOWN, "http.500", "answered 500 Internal Server Error on the last of 3 tries",
    )  # fmt: skip
    # HEAD's chain, the GET that confirms it, and two later tries: each from the chain's start.
    asked = [(exchange.request.host_key, exchange.request.method) for exchange in run.transport.log]
    first, second = f"{start}:80", f"{end}:80"
    assert asked == [(first, "HEAD"), (second, "HEAD"), *[(first, "GET"), (second, "GET")] * 3]
    assert run.sent(first) == pytest.approx([0, 0, 1, 6], abs=0.1)


def test_what_a_job_finds_out_elsewhere_about_its_own_hosts_head_is_told_at_home(swept: Swept) -> None:
    """HEAD misleads at the end of the redirect: after two such URLs the host is asked by GET alone."""
    count = 6
    world: dict[str, Behaviour] = {
        f"http://{HERE}/{number}": reply(302, ("location", f"http://{THERE}/{number}")) for number in range(count)
    }

    async def one_by_one() -> AsyncIterator[Target]:
        for url in world:
            yield Target(url)
            await asyncio.sleep(1.0)

    run = swept(one_by_one(), world, hosts={THERE: by_method(head=reply(404), get=OK)}, shards=2)
    assert {row.outcome for row in run.rows} == {Outcome.OK}
    assert [row.attempts for row in run.rows] == [4, 4, 2, 2, 2, 2]


@BOTH_WAYS
def test_a_storm_of_redirects_keeps_to_the_bounds_of_the_host_it_leads_to(swept: Swept, start: str, end: str) -> None:
    """From every shard and from the host's own: one Pacer asks it, at most so many at once."""
    home = [f"http://{end}/own/{number}" for number in range(30)]
    storm = [f"http://{start}/{number}" for number in range(60)]
    world: dict[str, Behaviour] = {url: reply(301, ("location", f"http://{end}/{url[-2:]}")) for url in storm}
    run = swept(
        [*home, *storm], world, hosts={end: reply(200, after=0.3)}, limits=Limits(per_host=3), shards=2, delay=0.001
    )
    assert {row.outcome for row in run.rows} == {Outcome.OK}
    assert run.transport.peak_by_host[f"{end}:80"] == 3
    bucket = TokenBucketHost(rate=10, burst=5, retry_after=True)
    slowed = swept(storm, world, hosts={end: bucket}, shards=2, policy=EXACT)
    assert {row.outcome for row in slowed.rows} == {Outcome.OK}


def test_a_rules_pace_holds_for_where_a_redirect_leads_in_another_shard(swept: Swept) -> None:
    urls = [f"http://{HERE}/{number}" for number in range(5)]
    policy = replace(EXACT, rules=(Rule(re.compile(f"//{THERE}/"), delay=2.0),))
    run = swept(urls, {url: reply(301, ("location", f"http://{THERE}{url[-2:]}")) for url in urls},
                hosts={THERE: OK}, policy=policy, shards=2)  # fmt: skip
    assert {row.outcome for row in run.rows} == {Outcome.OK}
    sent = run.sent(f"{THERE}:80")
    assert all(second - first >= 2.0 - 1e-9 for first, second in itertools.pairwise(sent))
    assert len(sent) == 5


@BOTH_WAYS
def test_a_robots_txt_that_redirects_to_another_shard_comes_home(swept: Swept, start: str, end: str) -> None:
    run = swept(
        [f"http://{start}/open", f"http://{start}/shut"],
        {
            f"http://{start}/robots.txt": reply(301, ("location", f"http://{end}/robots.txt")),
            f"http://{end}/robots.txt": reply(200, body=b"User-agent: *\nDisallow: /shut\n"),
        },
        hosts={start: OK},
        policy=replace(EXACT, robots=True),
        shards=2,
    )
    assert run.verdicts == {
        f"http://{start}/open": (Outcome.OK, None),
        f"http://{start}/shut": (Outcome.SKIPPED, "skip.robots"),
    }
    assert len(run.sent(f"{end}:80")) == 1


@BOTH_WAYS
def test_the_robots_txt_of_where_a_redirect_leads_is_read_there_once(swept: Swept, start: str, end: str) -> None:
    urls = [f"http://{start}/{number}" for number in range(6)]
    world: dict[str, Behaviour] = {url: reply(302, ("location", f"http://{end}{url[-2:]}")) for url in urls}
    world[f"http://{start}/robots.txt"] = reply(404)
    world[f"http://{end}/robots.txt"] = reply(200, body=b"User-agent: *\nDisallow: /3\n")
    run = swept(urls, world, hosts={end: OK}, policy=replace(EXACT, robots=True), shards=2)
    assert run.outcomes == {(Outcome.OK, None): 5, (Outcome.SKIPPED, "skip.robots"): 1}
    assert len(run.transport.sent_to(f"http://{end}/robots.txt")) == 1


# --- the network is everybody's ---------------------------------------------------------------------------------------


def internet(shard: int, hosts: int) -> dict[str, Behaviour]:
    return {host_of(shard, nth=nth): at_address(f"192.0.{shard}.{nth}", reply(200, after=0.1)) for nth in range(hosts)}


def each_of(hosts: Iterable[str], count: int) -> list[str]:
    return [f"http://{host}/{number}" for number in range(count) for host in hosts]


def test_a_network_that_is_gone_is_told_by_hosts_of_several_shards_together(swept: Swept) -> None:
    """Each has fewer hosts than would tell it alone."""
    hosts = internet(0, 2) | internet(1, 2)
    run = swept(each_of(hosts, 200), hosts=hosts, outages=[(0.5, 1e9)], shards=2, limits=Limits(outage_patience=10))
    assert run.summary.is_network_lost
    assert set(run.outcomes) == {(Outcome.OK, None), (Outcome.SKIPPED, "skip.unfinished")}
    alone = swept(each_of(internet(0, 2), 200), hosts=hosts, outages=[(0.5, 1e9)], shards=2)
    assert not alone.summary.is_network_lost  # two hosts may be one data centre's: as in one process


def test_hosts_that_fail_in_one_shard_are_no_sign_where_another_shards_answer(swept: Swept) -> None:
    """All hosts of one shard go away at once: their own matter, as those of the other go on."""
    gone: dict[str, Behaviour] = {
        name: [*[OK] * 20, *[failure(Reason.CONNECT_TIMEOUT, after=4.0)] * 400] for name in internet(0, 8)
    }
    well = internet(1, 8)
    run = swept(
        [*each_of(gone, 40), *each_of(well, 2000)],
        hosts=gone | well,
        limits=Limits(outage_patience=20),
        shards=2,
    )
    assert not run.summary.is_network_lost
    assert run.summary.outcomes[Outcome.OK] >= 16_000


# --- the whole run ----------------------------------------------------------------------------------------------------


def test_a_list_for_one_shard_alone_is_read_and_asked(swept: Swept) -> None:
    run = swept([f"http://{HERE}/{number}" for number in range(3000)], hosts={HERE: OK}, shards=2)
    assert run.outcomes == {(Outcome.OK, None): 3000}


def test_figures_come_together(swept: Swept) -> None:
    hosts = {HERE: ConcurrencyLimitedHost(2, served=reply(200, after=0.2)), THERE: reply(200, after=0.05)}
    run = swept(each_of(hosts, 60), hosts=hosts, shards=2, policy=EXACT)
    assert run.summary.requests == len(run.transport.log)
    bottleneck = run.summary.bottleneck
    assert [host.host for host in bottleneck.slowed][:1] == [f"{HERE}:80"]
    assert bottleneck.slowed[0].pushed == bottleneck.slowed[0].push_backs["503"] > 0
    assert bottleneck.processes == 3
    assert {times.host for times in run.summary.slowest_hosts(5)} == {f"{HERE}:80", f"{THERE}:80"}
    elapsed = sum(exchange.event.elapsed for exchange in run.transport.log if exchange.event is not None)
    assert bottleneck.request_seconds == pytest.approx(elapsed)


def test_progress_is_told_of_hosts_that_wait(swept: Swept) -> None:
    seen: list[Gated] = []
    run = swept(
        [f"http://{HERE}/1", *(f"http://{THERE}/{number}" for number in range(40))],
        {f"http://{HERE}/1": [reply(429, ("retry-after", "30")), OK]},
        hosts={THERE: reply(200, after=1.0)},
        policy=EXACT,
        shards=2,
        limits=Limits(per_host=4),
        each=lambda run: seen.append(run.sweep.waiting_hosts),
    )
    assert run.outcomes == {(Outcome.OK, None): 41}
    assert Gated(1, 30.0) in seen


def test_a_run_that_is_stopped_closes_the_rows_that_are_open_wherever_they_are(swept: Swept) -> None:
    world: dict[str, Behaviour] = {
        f"http://{HERE}/away": reply(302, ("location", f"http://{THERE}/hangs")),
        f"http://{HERE}/tried": reply(500),
    }
    urls = [f"http://{HERE}/away", f"http://{HERE}/tried", f"http://{HERE}/done", f"http://{THERE}/hangs"]
    run = swept(urls, world, hosts={HERE: OK, THERE: never()}, stop_at=2.0, shards=2, is_ordered=True, policy=EXACT)
    assert [(row.reason, row.attempts, len(row.hops)) for row in run.rows] == [
        ("skip.unfinished", 1, 1), ("skip.unfinished", 3, 0), (None, 1, 0), ("skip.unfinished", 0, 0),
    ]  # fmt: skip
    assert run.rows[0].final_url == f"http://{THERE}/hangs"
    assert run.summary.is_partial


def test_what_no_worker_was_told_yet_is_unfinished_too(swept: Swept) -> None:
    run = swept([f"http://{HERE}/"], hosts={HERE: OK}, stop_at=0.0, shards=2, delay=0.1)
    assert [row.reason for row in run.rows] in ([], ["skip.unfinished"])
    assert run.transport.log == []


def _cut(
    crew_of: Any, targets: list[str], hosts: dict[str, Behaviour]
) -> tuple[list[Result], Summary, Exception | None]:
    transport = FakeTransport(hosts=hosts)
    summary = Summary()

    async def go() -> tuple[list[Result], Summary, Exception | None]:
        crew = crew_of(transport)
        sweep = Sweep([Target(url) for url in targets], EXACT, Limits(), transport, crew=crew, summary=summary)
        rows = []
        try:
            async for row in sweep:
                rows.append(row)  # noqa: PERF401  those before the error are wanted
        except WorkerError as error:
            return rows, summary, error
        return rows, summary, None

    return run_virtual(go())


def test_a_worker_that_is_lost_ends_the_run_and_loses_no_row() -> None:
    def crew_of(transport: FakeTransport) -> MemoryCrew:
        crew = MemoryCrew(2, transport)
        asyncio.get_running_loop().call_later(2.5, crew.links[1].cut)
        return crew

    hosts: dict[str, Behaviour] = {HERE: reply(200, after=1.0), THERE: reply(200, after=1.0)}
    targets = each_of(hosts, 40)
    rows, summary, error = _cut(crew_of, targets, hosts)
    assert isinstance(error, WorkerError)
    assert str(error) == "worker 2 was killed by SIGKILL"
    assert Counter(row.url for row in rows) == Counter(targets)
    done = {HERE: 0, THERE: 0} | Counter(row.url.split("/")[2] for row in rows if row.outcome is Outcome.OK)
    assert done[HERE] > 0
    assert done[THERE] > 0
    assert {row.reason for row in rows if row.outcome is not Outcome.OK} == {"skip.unfinished"}
    assert summary.is_partial


def test_a_bug_in_a_worker_is_told_with_where_it_was() -> None:
    def bug(request: Request, now: float, nth: int) -> Any:
        raise ZeroDivisionError(request.url)

    rows, summary, error = _cut(lambda transport: MemoryCrew(2, transport), [f"http://{THERE}/"], {THERE: bug})
    assert isinstance(error, WorkerError)
    assert str(error) == f"worker 2: ZeroDivisionError: http://{THERE}/"
    assert "in bug" in error.__notes__[0]
    assert [row.reason for row in rows] == ["skip.unfinished"]
    assert summary.is_partial


def test_a_worker_that_does_not_answer_at_the_end_is_not_waited_for_long() -> None:
    hosts = {HERE: never(), THERE: never()}
    transport = FakeTransport(hosts=hosts)

    async def go() -> tuple[list[Result], float]:
        loop = asyncio.get_running_loop()
        crew = MemoryCrew(2, transport)
        sweep = Sweep([Target(f"http://{host}/") for host in hosts], EXACT, Limits(), transport, crew=crew)

        def stop() -> None:
            crew.links[0].is_stuck = True
            sweep.stop()

        loop.call_later(3.0, stop)
        rows = [row async for row in sweep]
        return rows, loop.time()

    rows, ended_at = run_virtual(go())
    assert [row.reason for row in rows] == ["skip.unfinished"] * 2
    assert ended_at == pytest.approx(4.0)


def test_a_credential_without_an_origin_is_told_to_no_worker_before_it_is_bound(swept: Swept) -> None:
    policy = replace(EXACT, unscoped_credentials=(("Authorization", "secret"),))

    async def slowly() -> AsyncIterator[Target]:
        for number in range(3):
            yield Target(f"http://{HERE}/{number}")
            await asyncio.sleep(1.0)

    run = swept(slowly(), hosts={HERE: OK}, policy=policy, shards=2)
    assert {exchange.sent for exchange in run.transport.log} == {3.0}
    assert all(("Authorization", "secret") in exchange.request.headers for exchange in run.transport.log)
