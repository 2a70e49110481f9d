"""The counts at a run's end, and that they stay small."""

from __future__ import annotations

from collections import Counter

import pytest

from urlsweep.core.bottleneck import Limiter, SlowedHost
from urlsweep.core.model import Category, Hop, Outcome, Reason, Result
from urlsweep.core.summary import EXAMPLES_PER_REASON, HOSTS_KEPT, Summary


def row(outcome: Outcome, reason: str | None = None, status: int | None = None) -> Result:
    return Result("http://a.test/", outcome, reason, status, Category.of(status))


def test_rows_are_counted_by_outcome_reason_and_category() -> None:
    summary = Summary(rows_in=5)
    for result in (
        row(Outcome.OK, None, 200),
        row(Outcome.OK, "http.404", 404),
        row(Outcome.BROKEN, "http.404", 404),
        row(Outcome.DOWN, Reason.CONNECT_REFUSED),
        row(Outcome.SKIPPED, Reason.SKIP_EXCLUDED),
    ):
        summary.add(result)
    assert summary.rows_out == 5
    assert summary.rows_lost == 0
    assert summary.outcomes == {Outcome.OK: 2, Outcome.BROKEN: 1, Outcome.DOWN: 1, Outcome.SKIPPED: 1}
    assert summary.categories == {Category.SUCCESS: 1, Category.CLIENT_ERROR: 2, None: 2}
    assert summary.reasons[Outcome.OK, "http.404"] == summary.reasons[Outcome.BROKEN, "http.404"] == 1
    assert set(summary.examples) == {(Outcome.BROKEN, "http.404"), (Outcome.DOWN, "connect.refused")}


def test_giant_rows_are_not_kept_without_number() -> None:
    summary = Summary()
    giant = "http://a.test/" + "x" * 1_000_000
    for status in range(400, 500):
        summary.add(Result(giant, Outcome.BROKEN, f"http.{status}", hops=(Hop(giant, 301),) * 3))
    assert len(summary.examples) == 100
    assert sum(map(len, summary.examples.values())) == 9
    assert summary.outcomes == {Outcome.BROKEN: 100}


def test_which_outcomes_fail_a_run() -> None:
    summary = Summary()
    for outcome in Outcome:
        summary.add(row(outcome, "x"))
    assert summary.failed() == 3
    assert summary.failed([Outcome.UNVERIFIED, Outcome.UNVERIFIED]) == 1
    assert summary.failed([]) == 0


def test_a_new_summary_says_nothing_was_limited_by_anything() -> None:
    summary = Summary()
    assert not summary.is_network_lost
    assert summary.bottleneck.seconds == dict.fromkeys(Limiter, 0.0)
    assert (summary.bottleneck.slowed, summary.bottleneck.slowed_hosts) == ([], 0)
    other = Summary()
    other.bottleneck.seconds[Limiter.SLOTS] += 1.0
    assert summary.bottleneck.seconds[Limiter.SLOTS] == 0.0


def test_a_slowed_hosts_push_backs_of_all_kinds() -> None:
    slowed = SlowedHost("a.test:80", push_backs=Counter({"429": 3, "connect.refused": 2}))
    assert slowed.pushed == 5
    assert SlowedHost("b.test:80").pushed == 0


def test_a_lost_row_is_told() -> None:
    summary = Summary(rows_in=2)
    summary.add(row(Outcome.OK))
    assert summary.rows_lost == 1


def test_examples_are_bounded_and_the_counts_are_not() -> None:
    summary = Summary()
    for _ in range(EXAMPLES_PER_REASON + 50):
        summary.add(row(Outcome.BROKEN, "http.404", 404))
    assert len(summary.examples[Outcome.BROKEN, "http.404"]) == EXAMPLES_PER_REASON
    assert summary.reasons[Outcome.BROKEN, "http.404"] == EXAMPLES_PER_REASON + 50


def test_the_slowest_hosts_by_mean_time() -> None:
    summary = Summary()
    for host, seconds in (("a", 1.0), ("a", 3.0), ("b", 2.5), ("c", 0.1)):
        summary.asked(host, seconds)
    assert summary.requests == 4
    assert summary.bottleneck.request_seconds == pytest.approx(6.6)
    assert [(times.host, times.mean, times.slowest) for times in summary.slowest_hosts(2)] == [
        ("b", 2.5, 2.5),
        ("a", 2.0, 3.0),
    ]


def test_a_million_hosts_are_not_kept_and_the_slowest_is() -> None:
    summary = Summary()
    summary.asked("slow", 99.0)
    for number in range(3 * HOSTS_KEPT):
        summary.asked(f"h{number}", 0.001 * (number % 7))
    assert summary.requests == 3 * HOSTS_KEPT + 1
    assert len(summary.slowest_hosts(10**9)) <= HOSTS_KEPT
    assert summary.slowest_hosts(1)[0].host == "slow"
