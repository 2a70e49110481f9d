"""How near to the ideal the Pacer and the Check come in a simulated internet: the figures that were promised.

Simulated time: exact, the same on every machine. All cases, and larger ones: `python -m benchmarks.simulation`.
"""

from __future__ import annotations

import pytest
from benchmarks.simulation import many_hosts, one_host
from benchmarks.simulation.findings import Finding, heading, lines_below, row
from benchmarks.simulation.hosts import Dead, Hostile, LimitedWithBadPages, Over, Slow
from benchmarks.simulation.options import Options
from benchmarks.simulation.world import OK, Host, Latency

OPTIONS = Options()
BAD = "bad.example:443"


def assert_met(finding: Finding) -> None:
    assert finding.is_met, "\n".join([heading(), row(finding), *lines_below(finding)])


@pytest.mark.parametrize("says_when", [True, False], ids=["told", "not_told"])
@pytest.mark.parametrize("latency", [0.005, 0.05, 0.3])
@pytest.mark.parametrize("burst_seconds", [1, 5])
@pytest.mark.parametrize(("rate", "urls"), [(20, 2000), (200, 4000)])
def test_a_token_bucket_ends_within_1_15_times_its_ideal(
    rate: int, urls: int, burst_seconds: int, latency: float, says_when: bool
) -> None:
    assert_met(one_host.token_bucket(rate, burst_seconds * rate, latency, urls, OPTIONS, says_when=says_when))


@pytest.mark.parametrize("says_when", [True, False], ids=["told", "not_told"])
@pytest.mark.parametrize("latency", [0.005, 0.05, 0.3])
@pytest.mark.parametrize(("rate", "urls"), [(20, 1000), (200, 4000)])
def test_a_server_that_stands_no_burst_at_all_takes_longer_to_learn(
    rate: int, urls: int, latency: float, says_when: bool
) -> None:
    """Not even two requests at the same moment: every one of the few push-backs there are costs a whole second where
    that is what it says (Retry-After has no smaller unit)."""
    finding = one_host.token_bucket(rate, 1, latency, urls, OPTIONS, says_when=says_when)
    assert finding.record.told[OK] == urls
    assert finding.record.pushed_share <= one_host.PUSHED_SHARE
    assert finding.ideal is not None
    assert finding.record.seconds <= 1.6 * finding.ideal


@pytest.mark.parametrize("status", [429, 503])
def test_few_are_pushed_back_by_a_token_bucket(status: int) -> None:
    finding = one_host.token_bucket(100, 100, 0.05, 5000, OPTIONS, status=status)
    assert_met(finding)
    assert finding.record.pushed_share <= one_host.PUSHED_SHARE


def test_a_few_bad_pages_are_not_taken_for_a_rate() -> None:
    """One page in fifty answers 503 or hangs up, as many as that in a row now and then: the others wait for nobody."""
    bad = {page: (503, None)[page % 4 // 2] for page in range(1, 8000, 50)}
    record = one_host.sweep(LimitedWithBadPages(one_host.KEY, Latency(0.05), 400, 400, bad), 8000, OPTIONS)
    assert not record.wrong
    assert record.seconds <= 2 * 8000 / 400


@pytest.mark.parametrize("over", Over)
@pytest.mark.parametrize(("places", "rounds"), [(1, 400), (2, 400), (5, 400), (10, 200), (20, 200)])
def test_so_many_at_once_end_within_1_25_times_running_at_exactly_that(places: int, rounds: int, over: Over) -> None:
    assert_met(one_host.at_once(places, over, 0.1, rounds * places, OPTIONS))


def test_a_healthy_host_reaches_its_full_cap_within_3_seconds() -> None:
    finding = one_host.full_cap(0.05, 3000, OPTIONS)
    assert_met(finding)
    assert finding.record.capped_at[0] <= 3.0


@pytest.mark.parametrize(
    "bad", [Dead(BAD), Hostile(BAD, Latency(0.05)), Slow(BAD)], ids=["blackholed", "429_always", "slow"]
)
def test_one_bad_host_delays_nobodys_first_request_by_10_ms(bad: Host) -> None:
    assert_met(many_hosts.one_bad_host("", lambda: bad, 1200, 500, OPTIONS))


def test_dead_hosts_add_less_than_one_connect_time_out() -> None:
    # The largest host has 40 s of work: longer than the tries of a dead host's one URL.
    sizes = [16_000, 3000, *[10] * 198]
    finding = many_hosts.dead_hosts("", sizes, 0.1, OPTIONS)
    assert_met(finding)
    assert finding.most_at_once == 1


def test_every_host_that_accepts_late_is_met_beside_dead_ones() -> None:
    assert_met(many_hosts.late_hosts(OPTIONS))
