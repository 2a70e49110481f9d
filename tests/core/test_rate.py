"""What is learned of a rate, rule by rule; in whole runs it is tested with `test_pace`."""

from __future__ import annotations

import pytest

from urlsweep.core.rate import LESS_AFTER_LOSS, SAME_RATE, Rate


def pushed_back_at(rate: float) -> Rate:
    """As after a push-back at `rate` requests a second, of which nine tenths were let through."""
    learned = Rate(0.0, 60.0)
    learned.pushed_back(0.9 * rate, rate, 10)
    return learned


def test_failures_of_what_was_out_together_lower_a_rate_once() -> None:
    rate = pushed_back_at(100.0)
    before = rate.value
    assert before is not None
    for sent_at in (9.80, 9.82, 9.84):
        rate.lost(10.0, sent_at)
    assert rate.value == pytest.approx(LESS_AFTER_LOSS * before)
    rate.lost(10.2, 10.0)
    assert rate.value == pytest.approx(LESS_AFTER_LOSS**2 * before)


def test_a_rate_that_goes_well_where_it_was_too_much_is_the_new_ground_to_climb_from() -> None:
    rate = pushed_back_at(100.0)
    now = growth = 0.0
    while rate.value is not None and rate.value < 2 * 100 and now < 120:
        before = rate.value
        now += 1 / before
        rate.speed_up(now, 0.0, 0.0)
        rate.answered(now)
        if before > 100 * SAME_RATE:
            growth = max(growth, rate.value / before)
    assert rate.value is not None
    assert rate.value >= 200
    assert growth > 1.05  # a step


def test_the_hold_doubles_where_a_host_that_stands_bursts_pushes_back_at_the_same_rate_again() -> None:
    rate, now, holds = Rate(0.0, 60.0), 0.0, []
    rate.is_bursty = True
    for _ in range(6):
        rate.pushed_back(20.0, 20.0, 10)
        pushed_at, held_at = now, rate.value
        while rate.value == held_at:
            now += 0.05
            rate.speed_up(now, pushed_at, 0.0)
            rate.answered(now)
        holds.append(now - pushed_at)
    assert holds == pytest.approx([2, 4, 8, 16, 30, 30], rel=0.1)


def test_what_was_learned_in_an_outage_is_taken_back() -> None:
    rate = pushed_back_at(100.0)
    before = rate.learned()
    rate.pushed_back(1.0, 10.0, 1)
    assert rate.learned() != before
    rate.unlearn(before)
    assert rate.learned() == before
