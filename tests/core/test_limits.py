"""The bounds that hold for a host as long as nothing was learned, and the values that are refused."""

from __future__ import annotations

from typing import Any

import pytest

from urlsweep.core.limits import LONGEST_PATIENCE, MOST_AT_ONCE, Bounds, Limits, PaceBy
from urlsweep.core.policy import ByHand, PolicyError

A = "a.test:443"
OWN = ["127.0.0.1:80", "[::1]:8080", "localhost:80", "app.localhost:3000", "192.168.1.1:80", "10.0.0.1:443"]


@pytest.mark.parametrize(
    ("limits", "bounds"),
    [
        (Limits(), Bounds(start=4, cap=32, gap=0.0, first=1)),
        (Limits(host_start=2, host_cap=3), Bounds(2, 3)),
        (Limits(per_host=7), Bounds(7, 7, 0.0, 7)),
        (Limits(per_host=500), Bounds(500, 500, 0.0, 500)),  # said by hand: no cap but that
        (Limits(rate=4), Bounds(4, 32, 0.25)),
        (Limits(delay=2), Bounds(4, 32, 2.0)),
        (Limits(rate=4, delay=2), Bounds(4, 32, 2.0)),  # the slower of the two
        (Limits(rate=0.25, delay=2), Bounds(4, 32, 4.0)),
        (Limits(total_rate=1), Bounds(4, 32)),  # holds over all hosts, not for each
    ],
)
def test_bounds_of_a_stranger(limits: Limits, bounds: Bounds) -> None:
    assert limits.bounds_of(A) == bounds


@pytest.mark.parametrize("host_key", OWN)
def test_ones_own_hosts_start_high_and_have_no_cap_but_the_one_for_all(host_key: str) -> None:
    assert Limits(concurrency=99).bounds_of(host_key) == Bounds(32, 99, 0.0, 32, doubles=True)
    assert Limits(per_host=7, delay=1).bounds_of(host_key) == Bounds(7, 7, 1.0, 7)


@pytest.mark.parametrize(
    ("by_hand", "bounds"),
    [
        (ByHand(), Bounds(9, 9, 0.5, 9)),
        (ByHand(per_host=3), Bounds(3, 3, 0.5, 3)),
        (ByHand(per_host=90), Bounds(90, 90, 0.5, 90)),
        (ByHand(rate=1), Bounds(9, 9, 1.0, 9)),
        (ByHand(rate=10), Bounds(9, 9, 0.1, 9)),
        (ByHand(delay=3), Bounds(9, 9, 3.0, 9)),
        (ByHand(rate=4, delay=0), Bounds(9, 9, 0.25, 9)),
    ],
)
def test_what_a_rule_says_is_stronger_than_what_holds_for_all(by_hand: ByHand, bounds: Bounds) -> None:
    assert Limits(per_host=9, rate=2).bounds_of(A, by_hand) == bounds


@pytest.mark.parametrize(("concurrency", "share", "slots"), [(256, 0.5, 128), (5, 0.5, 2), (1, 0.5, 1), (100, 1, 100)])
def test_slots_for_silent_hosts(concurrency: int, share: float, slots: int) -> None:
    assert Limits(concurrency=concurrency, silent_share=share).silent_slots == slots


@pytest.mark.parametrize(
    "wrong",
    [
        {"concurrency": 0},
        {"concurrency": MOST_AT_ONCE + 1},
        {"total_rate": 0},
        {"total_rate": -1.0},
        {"total_rate": float("nan")},
        {"per_host": 0},
        {"per_host": -1},
        {"rate": 0},
        {"rate": float("inf")},
        {"delay": -0.1},
        {"delay": 3601},
        {"patience": -1},
        {"patience": LONGEST_PATIENCE + 1},
        {"patience": float("nan")},
        {"outage_patience": -1},
        {"outage_patience": float("inf")},
        {"silent_share": 0},
        {"silent_share": 1.1},
    ],
)
def test_what_nothing_can_be_asked_within_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(PolicyError, match=next(iter(wrong))):
        Limits(**wrong)


@pytest.mark.parametrize(
    "right",
    [
        {"concurrency": 1},
        {"concurrency": MOST_AT_ONCE},
        {"patience": 0},
        {"patience": LONGEST_PATIENCE},
        {"outage_patience": 0},
        {"silent_share": 1},
        {"delay": 3600},
        {"rate": 0.0001},
        {"total_rate": 1_000_000},
        {"pace_by": PaceBy.ADDRESS},
    ],
)
def test_the_edges_are_allowed(right: dict[str, Any]) -> None:
    (name, value) = next(iter(right.items()))
    assert getattr(Limits(**right), name) == value
