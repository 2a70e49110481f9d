"""What is learned of a rate, rule by rule; in whole runs it is tested with `test_pace`."""

from __future__ import annotations

import pytest

from urlsweep.core.rate import (
    JUST_UNDER,
    LESS_AFTER_LOSS,
    LESS_BY_CHANCE,
    QUIET_REQUESTS,
    STEEPEST_CREEP,
    STEP_REQUESTS,
    Rate,
)


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


def test_a_rate_that_goes_well_where_it_was_too_much_is_the_new_ground_to_creep_from() -> None:
    rate = pushed_back_at(100.0)
    now = growth = 0.0
    while rate.value is not None and rate.value < 2 * 100 and now < 60:
        before = rate.value
        now += 1 / before
        rate.speed_up(now, now, 0.0, 0.0)
        rate.answered(now)
        growth = max(growth, (rate.value / before - 1) * before)
    assert rate.value is not None
    assert rate.value >= 200
    assert growth <= 1.01 * STEEPEST_CREEP  # a second


def test_the_hold_doubles_where_a_host_that_stands_bursts_pushes_back_at_the_same_rate_again() -> None:
    rate, now, holds = Rate(0.0, 60.0), 0.0, []
    rate.is_bursty = True
    for _ in range(6):
        rate.pushed_back(19.0, 20.0, 10)
        pushed_at, held_at = now, rate.value
        while rate.value == held_at:
            now += 0.05
            rate.speed_up(now, now, pushed_at, 0.0)
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


def held_at(rate: float, cost: float = 0.0) -> Rate:
    """That went well for long, and then crept up until it was pushed back."""
    learned = pushed_back_at(rate)
    now = 0.0
    while learned.value is not None and learned.value < rate:
        now += 1 / learned.value
        learned.speed_up(now, now, 0.0, cost)
        learned.answered(now)
    learned.pushed_back(0.9 * rate, rate * 1.001, 1000)
    return learned


def test_a_rate_that_is_known_is_asked_at_just_under_it() -> None:
    """Not at what was let through, which is less by the time for which the gate was closed."""
    assert held_at(100.0).value == pytest.approx(JUST_UNDER * 100.0, rel=0.01)


def test_push_back_by_chance_soon_after_costs_little() -> None:
    rate = held_at(100.0)
    known = rate.value
    assert known is not None
    rate.pushed_back(0.8 * known, known, 20)
    assert not rate.is_bursty
    assert rate.value == pytest.approx(JUST_UNDER * LESS_BY_CHANCE * known)


def test_a_burst_is_told_by_how_little_is_let_through() -> None:
    rate = held_at(100.0)
    assert rate.value is not None
    rate.pushed_back(10.0, rate.value, 10)
    assert rate.is_bursty
    assert rate.value == pytest.approx(JUST_UNDER * 10.0)


def test_a_burst_is_told_by_as_much_being_let_through_again() -> None:
    """Where the gate is closed for a second, a bucket of 200 a second lets 200 through before it is empty again."""
    rate = held_at(4000.0)
    for _ in range(2):
        assert not rate.is_bursty
        assert rate.value is not None
        rate.pushed_back(200.0, rate.value, 210)
    assert rate.is_bursty
    assert rate.value == pytest.approx(JUST_UNDER * 200.0)


def test_what_is_not_let_through_so_much_when_asked_for_it_is_no_burst() -> None:
    rate = held_at(100.0)
    rate.is_bursty = True
    rate.pushed_back(50.0, 50.0, 4)
    assert not rate.is_bursty


def test_only_answers_to_what_was_sent_since_a_step_are_counted_for_the_next() -> None:
    rate = Rate(0.0, 60.0)
    rate.pushed_back(10.0, 1000.0, 10)
    before = rate.value
    assert before is not None
    for _ in range(STEP_REQUESTS):
        rate.speed_up(1.0, 0.5, 0.0, 0.0)
    first = rate.value
    for _ in range(10):
        rate.speed_up(1.1, 0.9, 0.0, 0.0)
    assert rate.value == first
    for _ in range(STEP_REQUESTS):
        rate.speed_up(1.2, 1.1, 0.0, 0.0)
    assert first is not None
    assert rate.value is not None
    assert before < first < rate.value


@pytest.mark.parametrize("cost", [0.1, 0.25, 1.0])
def test_the_costlier_push_back_is_and_the_better_the_limit_is_known_the_longer_a_rate_is_held(cost: float) -> None:
    holds = []
    for floor in (80.0, 95.0):
        rate = Rate(0.0, 60.0)
        rate.went_well(floor)
        rate.pushed_back(1.0, 100.0, 10)
        held, now = rate.value, 0.0
        while rate.value == held:
            now += 0.01
            rate.speed_up(now, now, 0.0, cost)
            rate.answered(now)
        holds.append(now)
    assert holds == pytest.approx([max(QUIET_REQUESTS / (JUST_UNDER * 80), cost / 0.2), cost / 0.05], rel=0.05)
