"""What cannot be reached: dead hosts cost little, outages are waited for, a network that has gone condemns nobody."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from tests.workers.memory import SHARDS, of_one_process

from urlsweep.core.check import EARLY_CONNECT
from urlsweep.core.limits import Limits
from urlsweep.core.model import Outcome, Reason, Request, Target
from urlsweep.core.policy import Policy
from urlsweep.testing.fake import (
    Answer,
    Behaviour,
    DeadHost,
    FlappingHost,
    NetworkOutage,
    at_address,
    failure,
    never,
    reply,
)

if TYPE_CHECKING:
    from tests.engine.conftest import Run, Swept

OK, UNFINISHED = (Outcome.OK, None), (Outcome.SKIPPED, "skip.unfinished")
TIMED_OUT, REFUSED = (Outcome.DOWN, "connect.timeout"), (Outcome.DOWN, "connect.refused")
PAGE = reply(200, after=0.1)
FOR_EVER = 1e9


def many(host: str, count: int) -> list[str]:
    return [f"http://{host}/{number}" for number in range(count)]


def each_of(hosts: dict[str, Behaviour], count: int) -> list[str]:
    return [url for host in hosts for url in many(host, count)]


# --- dead hosts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 400])
@pytest.mark.parametrize(
    ("dead", "seconds"),
    [
        (DeadHost(), EARLY_CONNECT + 1 + EARLY_CONNECT + 5 + 10),
        (failure(Reason.CONNECT_REFUSED), 6),
        (failure(Reason.CONNECT_UNREACHABLE), 6),
        (failure(Reason.CONNECT_RESET), 6),
        (failure(Reason.DNS_FAILURE), 6),
        (failure(Reason.DNS_TIMEOUT, after=4.0), 4 + 1 + 4 + 5 + 4),
    ],
    ids=["connect.timeout", "connect.refused", "connect.unreachable", "connect.reset", "dns.failure", "dns.timeout"],
)
def test_a_dead_hosts_urls_wait_for_one_urls_tries(swept: Swept, dead: Behaviour, seconds: float, count: int) -> None:
    run = swept(many("a.test", count), hosts={"a.test": dead})
    ((outcome, reason),) = run.outcomes
    assert outcome is Outcome.DOWN
    assert reason == run.transport.log[0].event.reason  # type: ignore[union-attr]  # a Failure
    assert Counter(row.attempts for row in run.rows) == Counter({3: 1, 0: count - 1})
    assert run.summary.seconds == seconds
    assert all(row.checked_at is None and "a.test:80" in str(row.detail) for row in run.rows if not row.attempts)
    assert len(run.transport.log) == 3


def test_a_name_that_does_not_exist_is_proof_for_each_url(swept: Swept) -> None:
    run = swept(many("nowhere.test", 20))
    assert run.outcomes == {(Outcome.BROKEN, "dns.not_found"): 20}
    assert {row.attempts for row in run.rows} == {1}


def test_a_host_that_only_hangs_is_told_by_a_few_urls(swept: Swept) -> None:
    run = swept(many("a.test", 400), hosts={"a.test": never()})
    assert run.outcomes == {(Outcome.DOWN, "response.timeout"): 400}
    assert len(run.transport.log) < 20
    assert run.summary.seconds < 200.0


def test_a_host_whose_first_pages_hang_is_not_dead(swept: Swept) -> None:
    run = swept(
        many("a.test", 100), {f"http://a.test/{number}": never() for number in range(2)}, hosts={"a.test": PAGE}
    )
    assert run.outcomes == {OK: 98, (Outcome.DOWN, "response.timeout"): 2}


def test_a_host_that_comes_up_in_time_is_not_dead(swept: Swept) -> None:
    def boots(request: Request, now: float, nth: int) -> Answer:
        return PAGE if now > 5.0 else failure(Reason.CONNECT_REFUSED)

    run = swept(many("a.test", 400), hosts={"a.test": boots})
    assert run.outcomes == {OK: 400}


def test_hosts_at_one_dead_address_are_told_together(swept: Swept) -> None:
    dead: dict[str, Behaviour] = {f"h{number}.test": at_address("192.0.2.1", DeadHost()) for number in range(60)}
    run = swept(each_of(dead, 5), hosts=dead, limits=Limits(concurrency=8))
    assert run.outcomes == {TIMED_OUT: 300}
    # Each alone, in half of the slots, would have taken 60 x 24 / 4 seconds: the address is dead after three rounds.
    assert run.summary.seconds < 60.0
    assert sum(row.attempts for row in run.rows) == len(run.transport.log) < 100


@pytest.mark.parametrize("other", ["a.test:8080", "b.test:8080", "b.test"])
def test_a_dead_port_says_nothing_of_another_nor_of_a_host_that_answers(swept: Swept, other: str) -> None:
    hosts: dict[str, Behaviour] = {
        "a.test:80": at_address("192.0.2.1", DeadHost()),
        other: at_address("192.0.2.1", reply(200, after=0.5)),
    }
    run = swept([*many("a.test", 20), *many(other, 100)], hosts=hosts)
    assert run.outcomes == {TIMED_OUT: 20, OK: 100}
    assert len(run.of("a.test")) == 20
    assert {row.outcome for row in run.of("a.test")} == {Outcome.DOWN}


def test_where_a_redirect_leads_to_a_dead_host_the_link_is_down(swept: Swept) -> None:
    planted = {
        f"http://a.test/{number}": reply(302, ("location", f"http://dead.test/{number}")) for number in range(50)
    }
    run = swept(many("a.test", 60), planted, hosts={"a.test": PAGE, "dead.test": DeadHost()})
    assert run.outcomes == {OK: 10, TIMED_OUT: 50}
    assert len(run.exchanges("dead.test:80")) == 3
    assert {row.final_url for row in run.rows if row.outcome is Outcome.DOWN} == {
        f"http://dead.test/{number}" for number in range(50)
    }


def test_duplicates_of_what_was_never_asked_have_rows_too(swept: Swept) -> None:
    targets = many("a.test", 10) * 3
    run = swept(targets, hosts={"a.test": DeadHost()}, is_ordered=True)
    assert [row.url for row in run.rows] == targets
    assert run.outcomes == {TIMED_OUT: 30}
    assert run.summary.duplicates == 20


def test_what_comes_in_long_after_its_host_was_given_up_is_asked_anew(swept: Swept) -> None:
    async def source() -> AsyncIterator[Target]:
        for url in many("a.test", 10):
            yield Target(url)
        await asyncio.sleep(100)
        yield Target("http://a.test/soon")
        await asyncio.sleep(1000)
        yield Target("http://a.test/later")

    def repaired(request: Request, now: float, nth: int) -> Answer:
        return PAGE if now > 50.0 else failure(Reason.CONNECT_REFUSED)

    run = swept(source(), hosts={"a.test": repaired})
    assert run.outcomes == {REFUSED: 11, OK: 1}
    assert run.verdicts["http://a.test/later"] == OK


# --- outages of one host ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("down", [3.0, 20.0, 55.0])
@pytest.mark.parametrize(
    "while_down", [failure(Reason.CONNECT_REFUSED), failure(Reason.CONNECT_RESET), DeadHost()], ids=str
)
def test_a_restart_costs_no_url_a_try(swept: Swept, while_down: Behaviour, down: float) -> None:
    host = FlappingHost(2.0, down, while_up=PAGE, while_down=while_down)

    def restarts(request: Request, now: float, nth: int) -> Answer:
        return host(request, now, nth) if now < 2.0 + down else PAGE

    run = swept(many("a.test", 400), hosts={"a.test": restarts})
    assert run.outcomes == {OK: 400}
    assert run.summary.seconds < 2.0 + down + 60.0


def test_an_outage_that_lasts_is_told_and_no_url_is_asked_for_nothing(swept: Swept) -> None:
    host = FlappingHost(2.0, FOR_EVER, while_up=PAGE)
    run = swept(many("a.test", 1000), hosts={"a.test": host}, limits=Limits(outage_patience=30.0))
    assert set(run.outcomes) == {OK, REFUSED}
    assert run.summary.seconds == pytest.approx(32.0, abs=0.5)
    assert len(run.transport.log) < run.outcomes[OK] + 50


# --- the network ------------------------------------------------------------------------------------------------------


def internet(hosts: int) -> dict[str, Behaviour]:
    return {f"h{number}.test": at_address(f"192.0.2.{number}", PAGE) for number in range(hosts)}


@pytest.mark.parametrize(
    "outage", [NetworkOutage(0.5, 20.0), NetworkOutage(0.5, 55.0), NetworkOutage(0.0, 3.0), NetworkOutage(0.0, 20.0)]
)
@pytest.mark.parametrize(
    "limits",
    [Limits(), Limits(concurrency=3), Limits(total_rate=50), Limits(per_host=1), Limits(concurrency=2, total_rate=30)],
    ids=["as it is", "few slots", "a rate in all", "one at a time", "few slots and a rate"],
)
def test_an_outage_of_the_network_that_passes_costs_nobody_anything(
    swept: Swept, outage: NetworkOutage, limits: Limits
) -> None:
    if limits.concurrency <= SHARDS:
        pytest.skip("with one slot a worker too few hosts have answered when it goes: that it did cannot be told")
    hosts = internet(12)
    run = swept(each_of(hosts, 50), hosts=hosts, outages=[outage], limits=limits)
    assert run.outcomes == {OK: 600}
    assert not run.summary.is_network_lost
    assert not run.summary.is_partial
    if limits.per_host:
        assert set(run.transport.peak_by_host.values()) == {1}


@pytest.mark.parametrize("start", [0.0, 0.5])
def test_a_network_that_stays_away_ends_the_run_and_calls_nothing_down(swept: Swept, start: float) -> None:
    hosts = internet(12)
    targets = each_of(hosts, 100)
    run = swept(targets, hosts=hosts, outages=[(start, FOR_EVER)], is_ordered=True)
    assert run.summary.is_network_lost
    assert run.summary.is_partial
    assert set(run.outcomes) <= {OK, UNFINISHED}
    assert run.outcomes[UNFINISHED] > 100
    assert [row.url for row in run.rows] == targets
    assert 60.0 <= run.summary.seconds - start < 75.0
    # A handful of probes and what was under way, not a try for each URL.
    assert len(run.transport.log) < run.outcomes[OK] + 200


def test_patience_with_the_network_is_what_was_told(swept: Swept) -> None:
    hosts = internet(12)
    run = swept(each_of(hosts, 100), hosts=hosts, outages=[(0.5, FOR_EVER)], limits=Limits(outage_patience=10.0))
    assert run.summary.is_network_lost
    assert run.summary.seconds < 25.0


def test_progress_is_told_that_the_network_is_down(swept: Swept) -> None:
    told: dict[float, bool] = {}
    hosts = internet(12)

    async def source() -> AsyncIterator[Target]:
        for url in each_of(hosts, 50):
            yield Target(url)
        for _ in range(4):
            await asyncio.sleep(15)
            yield Target("nonsense")  # a row at once

    def look(run: Run) -> None:
        if run.rows[-1].url == "nonsense":
            told[run.times[-1]] = run.sweep.is_network_down

    swept(source(), hosts=hosts, outages=[(0.5, 40.0)], each=look)
    assert told == {15.0: True, 30.0: True, 45.0: True, 60.0: False}  # the probe that finds it back goes at 53


@pytest.mark.parametrize("slots", [2, 16])
def test_a_network_that_goes_away_among_hosts_that_are_asked_once_each_calls_nothing_down(
    swept: Swept, slots: int
) -> None:
    """As in a list of links to everywhere: those that answered have nothing left, those that fail never answered."""
    hosts = internet(200)
    targets = [f"http://{host}/" for host in hosts]
    run = swept(targets, hosts=hosts, outages=[(0.35, FOR_EVER)], limits=Limits(concurrency=slots * SHARDS))
    assert run.summary.is_network_lost
    assert run.outcomes.keys() == {OK, UNFINISHED}
    assert len(run.transport.log) < 300


@of_one_process
@pytest.mark.parametrize("slots", [3, 16])
def test_a_network_that_comes_back_costs_hosts_that_are_asked_once_each_nothing(swept: Swept, slots: int) -> None:
    hosts = internet(200)
    targets = [f"http://{host}/" for host in hosts]
    run = swept(targets, hosts=hosts, outages=[(0.35, 40.0)], limits=Limits(concurrency=slots * SHARDS))
    assert run.outcomes == {OK: 200}


@pytest.mark.parametrize("dead", [DeadHost(), failure(Reason.DNS_TIMEOUT, after=4.0), failure(Reason.DNS_FAILURE)])
def test_a_tail_of_dead_hosts_is_told_from_a_dead_network_by_who_answered_before(swept: Swept, dead: Behaviour) -> None:
    good = internet(12)
    tail: dict[str, Behaviour] = {f"dead{number}.test": dead for number in range(300)}
    run = swept([*each_of(good, 1), *each_of(tail, 1)], hosts={**good, **tail}, limits=Limits(concurrency=64))
    assert not run.summary.is_network_lost
    assert {outcome for outcome, _ in run.outcomes} == {Outcome.OK, Outcome.DOWN}
    assert run.outcomes[OK] == 12
    again = sum(exchange.request.url.startswith("http://h") for exchange in run.transport.log) - 12
    assert again <= 10 * SHARDS  # the more have been shown to be dead, the more it takes to doubt


def test_local_hosts_need_no_network(swept: Swept) -> None:
    hosts: dict[str, Behaviour] = dict.fromkeys(["localhost", "127.0.0.1", "[::1]", "192.168.1.7"], PAGE)
    run = swept(each_of(hosts, 50), hosts=hosts, outages=[(0.0, FOR_EVER)])
    assert run.outcomes == {OK: 200}
    assert run.summary.seconds < 1.0


def test_local_hosts_that_are_down_say_nothing_of_the_network(swept: Swept) -> None:
    ports = [f"127.0.0.1:{8000 + number}" for number in range(20)]
    run = swept(
        [*itertools.chain.from_iterable(many(port, 5) for port in ports), *many("a.test", 200)],
        hosts={**dict.fromkeys(ports, DeadHost()), "a.test": PAGE},
    )
    assert not run.summary.is_network_lost
    assert run.outcomes == {TIMED_OUT: 100, OK: 200}


@pytest.mark.parametrize("dead", [DeadHost(), failure(Reason.CONNECT_REFUSED)])
def test_a_list_of_dead_hosts_is_not_taken_for_a_dead_network(swept: Swept, dead: Behaviour) -> None:
    hosts = {f"h{number}.test": dead for number in range(50)}
    run = swept(each_of(hosts, 5), hosts=hosts)
    assert {outcome for outcome, _ in run.outcomes} == {Outcome.DOWN}
    assert not run.summary.is_network_lost


def test_dead_hosts_among_live_ones_are_not_taken_for_a_dead_network(swept: Swept) -> None:
    hosts: dict[str, Behaviour] = {f"dead{number}.test": DeadHost() for number in range(50)}
    run = swept([*each_of(hosts, 5), *many("a.test", 5)], hosts={**hosts, "a.test": PAGE})
    assert run.outcomes == {TIMED_OUT: 250, OK: 5}
    assert not run.summary.is_network_lost


@pytest.mark.parametrize("banning", [3, 5, 20])
def test_when_none_are_left_but_hosts_that_shut_us_out_the_network_is_not_taken_for_gone(
    swept: Swept, banning: int
) -> None:
    """At its end a run may have no others left to tell it by: one that answered well is asked once more."""

    class Firewall:
        """Drops all that comes from us, once that has been much."""

        def __init__(self) -> None:
            self._asked = 0

        def __call__(self, request: Request, now: float, nth: int) -> Answer:
            self._asked += 1
            return PAGE if self._asked <= 20 else failure(Reason.CONNECT_TIMEOUT, after=4.0)

    good = internet(12)
    bad: dict[str, Behaviour] = {f"bad{number}.test": Firewall() for number in range(banning)}
    run = swept([*each_of(good, 10), *each_of(bad, 40)], hosts={**good, **bad})
    assert not run.summary.is_network_lost
    assert run.outcomes == {OK: 120 + 20 * banning, TIMED_OUT: 20 * banning}
    assert run.summary.seconds < 120.0
    asked = Counter(exchange.request.host_key for exchange in run.transport.log)
    assert all(asked[f"{host}:80"] <= 10 + 3 for host in good)


def test_answers_that_were_on_their_way_when_the_network_went_acquit_nobody(swept: Swept) -> None:
    """As on a machine whose cable was pulled: what is asked from then on fails at once."""

    def until_pulled(seconds: float) -> Behaviour:
        def behave(request: Request, now: float, nth: int) -> Answer:
            return failure(Reason.CONNECT_UNREACHABLE) if now >= 4.0 else reply(200, after=seconds)

        return behave

    hosts = {f"h{number}.test": until_pulled(0.1 + number / 100) for number in range(250)}
    run = swept(each_of(hosts, 40), hosts=hosts)
    assert run.summary.is_network_lost
    assert set(run.outcomes) == {OK, UNFINISHED}


def test_a_run_may_be_stopped_while_the_network_is_down(swept: Swept) -> None:
    hosts = internet(12)
    run = swept(each_of(hosts, 100), hosts=hosts, outages=[(0.5, FOR_EVER)], stop_at=30.0)
    assert run.summary.seconds == 30.0
    assert run.summary.is_partial
    assert not run.summary.is_network_lost
    assert set(run.outcomes) == {OK, UNFINISHED}


def test_one_try_is_enough_to_tell_a_dead_host_but_a_network_outage_is_no_try(swept: Swept) -> None:
    policy = Policy(jitter=0, tries=1)
    hosts = internet(12)
    run = swept(
        [*each_of(hosts, 50), *many("dead.test", 5)],
        hosts={**hosts, "dead.test": DeadHost()},
        policy=replace(policy, connect_timeout=2.0),
        outages=[(1.0, 20.0)],
    )
    assert run.outcomes == {OK: 600, TIMED_OUT: 5}
