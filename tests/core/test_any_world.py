"""Any small internet, swept by the real Pacer and Check in simulated time: what was promised holds in all of them.

Every URL has one verdict (the simulation raises where one is lost, told twice or waited for in vain), every bound is
kept at every request, and a host in trouble costs the others nothing but time.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
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
    Over,
    Quota,
    Slow,
    TokenBucket,
    ToldWindow,
)
from benchmarks.simulation.run import Clock, Record, simulate
from benchmarks.simulation.watched import Watched
from benchmarks.simulation.world import OK, Host, Latency, Outage, World
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from urlsweep.core.limits import Limits, PaceBy
from urlsweep.core.model import Reason
from urlsweep.core.pacer import Pacer

# --- worlds -----------------------------------------------------------------------------------------------------------

Maker = Callable[[str], Host]

LATENCIES = st.sampled_from([0.005, 0.05, 0.5])
GONE = [Reason.CONNECT_REFUSED, Reason.CONNECT_TIMEOUT, Reason.DNS_FAILURE, Reason.CONNECT_UNREACHABLE]


@st.composite
def bounded(draw: st.DrawFn) -> Maker:
    """Hosts that bound their visitors: told when to come again or not, all of their URLs are there."""
    latency = draw(LATENCIES)
    says_when = draw(st.booleans())
    rate, burst = draw(st.sampled_from([2.0, 20.0])), draw(st.sampled_from([1.0, 5.0, 40.0]))
    status = draw(st.sampled_from([429, 503]))
    makers: list[Maker] = [
        lambda key: TokenBucket(key, Latency(latency), rate, burst, status=status, says_when=says_when),
        lambda key: AtOnce(key, Latency(latency), 1 + int(burst) % 5, Over.TOO_MANY),
        lambda key: ToldWindow(key, Latency(latency), int(burst), 10.0, status=status),
        lambda key: Quota(key, Latency(latency), int(burst), 10.0),
        lambda key: FixedWindow(key, Latency(latency), int(burst) + 5, 10.0),
    ]
    return draw(st.sampled_from(makers))


@st.composite
def troubled(draw: st.DrawFn) -> Maker:
    """Hosts that fail: always, now and then, for a while, or for some of their pages."""
    latency = draw(LATENCIES)
    reason = draw(st.sampled_from(GONE))
    seconds = draw(st.sampled_from([0.01, 10.0]))
    start, lasts = draw(st.sampled_from([0.1, 3.0])), draw(st.sampled_from([2.0, 30.0, 500.0]))
    status = draw(st.sampled_from([None, 429, 500, 503]))
    makers: list[Maker] = [
        lambda key: Dead(key, reason, seconds),
        lambda key: Flapping(key, Latency(latency), start, lasts, reason),
        lambda key: Interrupted(key, Latency(latency), start, start + lasts, status=status),
        lambda key: Flaky(key, Latency(latency), 0.3, status=status),
        lambda key: BadPages(key, Latency(latency), range(0, 40, 3), status),
        lambda key: Hostile(key, Latency(latency)),
        lambda key: Banning(key, Latency(latency), 5, 30.0),
        lambda key: Slow(key),
    ]
    return draw(st.sampled_from(makers))


def good(latency: float, key: str) -> Host:
    return Host(key, Latency(latency))


def dead(reason: Reason) -> Maker:
    return partial(Dead, reason=reason, seconds=10.0)


GOOD = LATENCIES.map(lambda latency: partial(good, latency))
SIZES = st.integers(1, 40) | st.just(150)

LIMITS = st.builds(
    Limits,
    concurrency=st.sampled_from([1, 2, 7, 256]),
    total_rate=st.sampled_from([None, None, None, 3.0, 50.0]),
    per_host=st.sampled_from([None, None, None, 1, 3]),
    rate=st.sampled_from([None, None, None, 4.0, 30.0]),
    delay=st.sampled_from([0.0, 0.0, 0.0, 0.2]),
    pace_by=st.sampled_from([PaceBy.HOST, PaceBy.HOST, PaceBy.DOMAIN, PaceBy.ADDRESS]),
    patience=st.sampled_from([300.0, 300.0, 20.0, 0.0]),
    outage_patience=st.sampled_from([60.0, 5.0, 0.0]),
    probes=st.integers(1, 4),
    silent_share=st.sampled_from([0.5, 0.01]),
)

OUTAGES = st.builds(
    lambda start, lasts, reason, elapsed: Outage(start, start + lasts, reason, elapsed),
    st.sampled_from([0.0, 0.3, 5.0]),
    st.sampled_from([1.0, 20.0, 45.0, 1e9]),
    st.sampled_from([Reason.CONNECT_UNREACHABLE, Reason.DNS_FAILURE, Reason.CONNECT_TIMEOUT, Reason.RESPONSE_TIMEOUT]),
    st.sampled_from([0.001, 5.0]),
)

BOUNDED_RUN = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def swept(
    hosts: list[tuple[Maker, int]], limits: Limits, seed: int, outages: tuple[Outage, ...] = (), *, late: float = 0.0
) -> Record:
    # Two hosts to a domain, and likewise to an address.
    pairs = [(make(f"h{number}.d{number // 2}.example:443"), size) for number, (make, size) in enumerate(hosts)]
    world = World(pairs, outages)
    for number, host in enumerate(world.hosts):
        host.address = f"198.18.0.{number // 2}"
    watched = Watched(limits)
    record = simulate(world, limits, seed=seed, pacer=watched, clock=Clock(timer_step=late))
    pacer = watched.pacer
    if record.is_network_lost:
        event("the network was lost")
        assert record.unfinished == pacer.waiting + pacer.in_flight
    else:
        assert record.unfinished == pacer.waiting == pacer.in_flight == pacer.put_off == 0
    assert record.told.total() + record.unfinished == record.urls
    assert list(pacer.take_given_up()) == []
    return record


def wrong_of(record: Record, *kinds: type[Host]) -> list[object]:
    names = tuple(f"({kind.__name__})" for kind in kinds)
    return [(host, truth) for host, truth in record.wrong if host.endswith(names)]


@BOUNDED_RUN
@given(
    hosts=st.lists(st.tuples(GOOD | bounded() | troubled(), SIZES), min_size=1, max_size=6),
    limits=LIMITS,
    outages=st.lists(OUTAGES, max_size=1).map(tuple),
    seed=st.integers(0, 99),
    late=st.sampled_from([0.0, 0.001]),
)
def test_every_url_ends_and_every_bound_is_kept(
    hosts: list[tuple[Maker, int]], limits: Limits, outages: tuple[Outage, ...], seed: int, late: float
) -> None:
    swept(hosts, limits, seed, outages, late=late)


@BOUNDED_RUN
@given(
    hosts=st.lists(st.tuples(GOOD, SIZES), min_size=1, max_size=3),
    others=st.lists(st.tuples(bounded() | troubled(), SIZES), min_size=1, max_size=3),
    limits=LIMITS,
    seed=st.integers(0, 99),
)
def test_nothing_wrong_is_said_of_a_good_host_whoever_else_is_asked(
    hosts: list[tuple[Maker, int]], others: list[tuple[Maker, int]], limits: Limits, seed: int
) -> None:
    record = swept([*hosts, *others], limits, seed)
    assert wrong_of(record, Host) == []


@BOUNDED_RUN
@given(
    latency=LATENCIES,
    size=SIZES,
    others=st.lists(st.tuples(bounded() | troubled(), SIZES), min_size=1, max_size=2),
    seed=st.integers(0, 99),
)
def test_where_there_are_slots_for_all_a_good_host_is_asked_as_if_it_were_alone(
    latency: float, size: int, others: list[tuple[Maker, int]], seed: int
) -> None:
    """No more than two others: three that fail together might be the network."""
    host = (partial(good, latency), size)
    alone, among = swept([host], Limits(), seed), swept([host, *others], Limits(), seed)
    assert among.first_sent[0] == alone.first_sent[0] == 0.0
    assert among.settled_at[0] == pytest.approx(alone.settled_at[0])


@BOUNDED_RUN
@given(
    latency=LATENCIES,
    size=SIZES,
    others=st.lists(st.tuples(st.builds(dead, st.sampled_from(GONE)), SIZES), min_size=1, max_size=6),
    seed=st.integers(0, 99),
)
def test_where_dead_hosts_want_all_slots_a_good_host_has_one_of_two_once_they_have_kept_silent(
    latency: float, size: int, others: list[tuple[Maker, int]], seed: int
) -> None:
    """Whoever was never asked may be a good host: the one with most work goes first, but that only once."""
    host = (partial(good, latency), size)
    alone = swept([host], Limits(concurrency=1), seed)
    among = swept([host, *others], Limits(concurrency=2), seed)
    assert among.settled_at[0] <= alone.settled_at[0] + 10.0 * ((len(others) + 1) // 2) + 0.001


@BOUNDED_RUN
@given(
    hosts=st.lists(st.tuples(bounded() | GOOD, SIZES), min_size=1, max_size=4),
    concurrency=st.sampled_from([1, 5, 256]),
    pace_by=st.sampled_from(PaceBy),
    seed=st.integers(0, 99),
)
def test_no_limit_that_a_host_states_or_shows_is_ever_told_as_trouble(
    hosts: list[tuple[Maker, int]], concurrency: int, pace_by: PaceBy, seed: int
) -> None:
    record = swept(hosts, Limits(concurrency=concurrency, pace_by=pace_by), seed)
    assert {truth.outcome for truth in record.told} <= {"ok", "unverified"}
    assert not record.is_network_lost


@BOUNDED_RUN
@given(
    hosts=st.lists(st.tuples(GOOD, SIZES), min_size=3, max_size=6),
    start=st.sampled_from([0.0, 0.2, 1.0]),
    reason=st.sampled_from([Reason.CONNECT_UNREACHABLE, Reason.DNS_FAILURE]),
    seed=st.integers(0, 99),
)
def test_a_short_outage_of_ones_own_network_is_nobodys_fault(
    hosts: list[tuple[Maker, int]], start: float, reason: Reason, seed: int
) -> None:
    record = swept(hosts, Limits(), seed, (Outage(start, start + 20.0, reason),))
    assert not record.is_network_lost
    assert wrong_of(record, Host) == []


@pytest.mark.parametrize("concurrency", [1, 16, 256])
@pytest.mark.parametrize(("reason", "elapsed"), [(Reason.CONNECT_UNREACHABLE, 0.001), (Reason.CONNECT_TIMEOUT, 10.0)])
@pytest.mark.parametrize("lasts", [20.0, 1e9])
def test_a_network_that_goes_while_hosts_with_one_url_each_are_asked_is_not_their_fault(
    concurrency: int, reason: Reason, elapsed: float, lasts: float
) -> None:
    """Nobody who is asked then answered before: those that did have nothing left, and are witnesses."""
    limits = Limits(concurrency=concurrency)
    hosts = [(Host(f"h{number}.example:443", Latency(0.05)), 1) for number in range(max(60, 3 * concurrency))]
    record = simulate(World(hosts, [Outage(0.06, 0.06 + lasts, reason, elapsed)]), limits)
    assert record.told.keys() <= {OK}
    assert record.is_network_lost is (lasts > limits.outage_patience)


def test_what_breaks_a_promise_is_seen() -> None:
    """The watch itself: a Pacer that sends two at once where one may be is told."""
    limits = Limits(per_host=1)
    watched = Watched(limits)
    watched.pacer = Pacer(Limits(per_host=2))
    with pytest.raises(AssertionError):
        simulate(World([(Host("a.example:443", Latency(0.05)), 9)]), limits, pacer=watched)


@pytest.mark.parametrize("rate", [0.02, 0.06, 0.08, 0.13, 0.25, 0.4, 0.7, 1.5])
@pytest.mark.parametrize("latency", [0.005, 0.5, 2.0])
@pytest.mark.parametrize("urls", [2, 5, 9])
def test_a_slow_limit_is_not_taken_for_a_page_of_its_own(rate: float, latency: float, urls: int) -> None:
    for host in (
        TokenBucket("a.test:443", Latency(latency), rate, 1, says_when=False),
        FixedWindow("a.test:443", Latency(latency), 2, 2 / rate),
        ToldWindow("a.test:443", Latency(latency), 1, 1 / rate),
    ):
        assert simulate(World([(host, urls)]), seed=3).told == {OK: urls}
