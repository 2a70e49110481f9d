from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urlsweep.core.forecast import (
    Assumptions,
    Constraint,
    HostBounds,
    Load,
    RulesPace,
    Said,
    bounds_of,
    forecast,
    pace_of,
    rounds_of,
    seconds_of,
)
from urlsweep.core.limits import Bounds, Limits
from urlsweep.core.policy import Method, Policy, Rule
from urlsweep.core.urls import Url, parse

LEARNED = Bounds(4, 32)
EXACT = Assumptions(latency=0.25, private_latency=0.25, get_share=0.0, redirect_share=0.0)


def url_of(text: str) -> Url:
    url = parse(text)
    assert isinstance(url, Url)
    return url


def rule(pattern: str, per_host: int | None = None, rate: float | None = None, delay: float | None = None) -> Rule:
    return Rule(re.compile(pattern), per_host=per_host, rate=rate, delay=delay)


def simulated_rounds(requests: int, bounds: Bounds) -> int:
    """The same as `rounds_of`, round by round."""
    at_once = min(bounds.start, bounds.cap)
    rounds = 0
    if bounds.first < at_once and requests > 0:
        rounds, requests = 1, requests - bounds.first
    while requests > 0:
        rounds, requests, at_once = rounds + 1, requests - at_once, min(at_once + 1, bounds.cap)
    return rounds


class TestOneHost:
    """Rounds, growing, and gaps."""

    @pytest.mark.parametrize(
        ("requests", "bounds", "rounds"),
        [
            (0, LEARNED, 0),
            (1, LEARNED, 1),  # alone
            (5, LEARNED, 2),  # 1 + 4
            (6, LEARNED, 3),  # 1 + 4 + 1 of 5
            (10, LEARNED, 3),  # 1 + 4 + 5
            (1 + sum(range(4, 32)), LEARNED, 29),  # as long as it grows
            (1 + sum(range(4, 32)) + 32, LEARNED, 30),
            (1 + sum(range(4, 32)) + 33, LEARNED, 31),
            (100, Bounds(8, 8, first=8), 13),
            (100, Bounds(1, 1), 100),
            (100, Bounds(32, 10, first=32), 10),  # a private host where --concurrency is less than its start
        ],
    )
    def test_rounds(self, requests: int, bounds: Bounds, rounds: int) -> None:
        assert rounds_of(requests, bounds) == rounds

    @given(st.integers(0, 20_000), st.integers(1, 64), st.integers(1, 300), st.integers(1, 64))
    def test_rounds_are_those_of_a_simulation(self, requests: int, start: int, cap: int, first: int) -> None:
        bounds = Bounds(start, cap, first=first)
        assert rounds_of(requests, bounds) == simulated_rounds(requests, bounds)

    def test_a_round_takes_a_latency(self) -> None:
        assert seconds_of(10, LEARNED, 0.25) == 0.75
        assert seconds_of(0, Bounds(4, 32, gap=5.0), 0.25) == 0.0

    def test_a_gap_stands_between_two_starts(self) -> None:
        assert seconds_of(1, Bounds(4, 32, gap=5.0), 0.25) == 0.25
        assert seconds_of(101, Bounds(4, 32, gap=5.0), 0.25) == 500.25
        assert seconds_of(10, Bounds(4, 32, gap=0.001), 0.25) == 0.75  # too small to be felt


class TestBounds:
    """Which of limits and rules holds, and which rule it is."""

    def test_without_rules_the_limits_hold(self) -> None:
        assert bounds_of("a.test:443", Limits()) == HostBounds(LEARNED, is_learned=True)
        assert bounds_of("a.test:443", Limits(per_host=8, rate=4.0)) == HostBounds(
            Bounds(8, 8, 0.25, 8), is_learned=False
        )
        assert bounds_of("127.0.0.1:80", Limits()) == HostBounds(
            Bounds(32, 256, 0.0, 32, doubles=True), is_learned=True
        )

    def test_rules_are_stronger_than_limits(self) -> None:
        pace = RulesPace(per_host=Said(2, 1), rate=Said(5.0, 3))
        assert bounds_of("a.test:443", Limits(per_host=8, rate=1.0), pace) == HostBounds(
            Bounds(2, 2, 0.2, 2), is_learned=False, at_once_rule=1, gap_rule=3
        )

    @pytest.mark.parametrize(
        ("limits", "pace", "gap", "gap_rule"),
        [
            (Limits(), RulesPace(rate=Said(5.0, 1), delay=Said(1.0, 2)), 1.0, 2),
            (Limits(), RulesPace(rate=Said(0.5, 1), delay=Said(1.0, 2)), 2.0, 1),
            (Limits(delay=3.0), RulesPace(rate=Said(0.5, 1)), 3.0, None),  # the setting is the stricter of the two
            (Limits(rate=1.0), RulesPace(delay=Said(0.0, 1)), 1.0, None),
            (Limits(), RulesPace(delay=Said(0.0, 1)), 0.0, None),
        ],
    )
    def test_of_rate_and_delay_the_stricter_one_is_named(
        self, limits: Limits, pace: RulesPace, gap: float, gap_rule: int | None
    ) -> None:
        found = bounds_of("a.test:443", limits, pace)
        assert (found.bounds.gap, found.gap_rule) == (gap, gap_rule)
        assert found.is_learned

    def test_later_rules_are_over_earlier_ones_for_one_url(self) -> None:
        rules = [rule("a", per_host=2, rate=5.0), Rule(re.compile("a"), timeout=3.0), rule("slow", rate=1.0)]
        assert pace_of(url_of("http://a.test/"), rules) == RulesPace(Said(2, 1), Said(5.0, 1))
        assert pace_of(url_of("http://a.test/slow"), rules) == RulesPace(Said(2, 1), Said(1.0, 3))
        assert pace_of(url_of("http://b.test/"), rules) is None

    @given(
        st.lists(
            st.builds(
                rule,
                st.sampled_from(["a", "b", "c", "."]),
                st.none() | st.integers(1, 9),
                st.none() | st.floats(0.1, 9),
                st.none() | st.floats(0, 9),
            ),
            max_size=5,
        )
    )
    def test_a_urls_pace_is_the_policys(self, rules: list[Rule]) -> None:
        url = url_of("http://ab.test/")
        policy = Policy(rules=tuple(rules))
        said = pace_of(url, rules)
        values = None if said is None else tuple(None if each is None else each.value for each in said)
        assert values == policy.by_hand(url)

    def test_the_strictest_of_what_its_urls_are_told_holds_for_a_host(self) -> None:
        one = RulesPace(per_host=Said(2, 1), rate=Said(5.0, 1))
        other = RulesPace(per_host=Said(4, 2), rate=Said(1.0, 2), delay=Said(0.0, 2))
        both = RulesPace(Said(2, 1), Said(1.0, 2), Said(0.0, 2))
        assert one.strictest(other) == other.strictest(one) == both
        assert one.strictest(one) == one
        assert other.strictest(RulesPace(delay=Said(3.0, 3))).delay == Said(3.0, 3)


class TestAssumptions:
    """What is taken for granted, and what follows from it."""

    def test_they_fit_the_policy(self) -> None:
        assert Assumptions.of(Policy()).requests_per_url == pytest.approx(1.2)
        assert Assumptions.of(Policy(method=Method.GET)).requests_per_url == pytest.approx(1.1)
        assert Assumptions.of(Policy(method=Method.GET, follow=False)).requests_per_url == 1

    def test_a_latency_that_is_known_holds_for_every_host(self) -> None:
        assumed, known = Assumptions.of(Policy()), Assumptions.of(Policy(), latency=2.0)
        assert [assumed.latency_of(host) for host in ("a.test:443", "localhost:80", "[::1]:80")] == [0.25, 0.01, 0.01]
        assert [known.latency_of(host) for host in ("a.test:443", "localhost:80")] == [2.0, 2.0]

    @pytest.mark.parametrize(("urls", "requests"), [(0, 0), (1, 1), (2, 2), (3, 4), (10, 12), (10_000, 12_000)])
    def test_a_url_is_asked_once_at_least(self, urls: int, requests: int) -> None:
        assert Assumptions().requests_of(urls) == requests


class TestRun:
    """The longest of what a run cannot be faster than."""

    @pytest.mark.parametrize(
        ("loads", "limits", "seconds", "constraint"),
        [
            ([Load(10, LEARNED, 0.25), Load(1, LEARNED, 0.25)], Limits(), 0.75, Constraint.HOST),
            ([Load(4, LEARNED, 0.25)] * 1024, Limits(), 4.0, Constraint.SLOTS),
            ([Load(4, LEARNED, 0.25)] * 1024, Limits(concurrency=8), 128.0, Constraint.SLOTS),
            ([Load(1, LEARNED, 0.25)] * 101, Limits(total_rate=10.0), 10.25, Constraint.TOTAL_RATE),
            ([Load(100, LEARNED, 0.001)] * 1000, Limits(), 20.0, Constraint.PROGRAM),
            ([], Limits(total_rate=10.0), 0.0, Constraint.HOST),
        ],
    )
    def test_it_takes_as_long_as_its_constraint(
        self, loads: list[Load], limits: Limits, seconds: float, constraint: Constraint
    ) -> None:
        found = forecast(loads, limits, EXACT)
        assert found.seconds == pytest.approx(seconds)
        assert found.constraint is constraint
        assert found.requests == sum(load.urls for load in loads)

    def test_further_requests_are_counted_for_all_hosts_together(self) -> None:
        found = forecast(itertools.repeat(Load(1, LEARNED, 0.25), 100), Limits(concurrency=1), Assumptions())
        assert found.requests == 120
        assert found.seconds == pytest.approx(30.0)
