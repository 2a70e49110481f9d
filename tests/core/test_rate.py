"""What is learned of a rate, rule by rule; in whole runs it is tested with `test_pace`."""

from __future__ import annotations

import math

import pytest

from urlsweep.core.bucket import Cycle
from urlsweep.core.rate import (
    JUST_UNDER,
    LESS_AFTER_LOSS,
    LESS_BY_CHANCE,
    MOST_STEP_REQUESTS,
    QUIET_REQUESTS,
    STEEPEST_CREEP,
    STEP,
    STEP_REQUESTS,
    Rate,
)


def cycle(admitted: int, seconds: float, pause: float = 0.0) -> Cycle:
    """As many were let through in so many seconds, after a pause in which nothing was asked."""
    return Cycle(admitted, pause + seconds, ((admitted, seconds),))


def pushed_back_at(rate: float) -> Rate:
    """As after a push-back at `rate` requests a second, of which nine tenths were let through."""
    learned = Rate(60.0)
    learned.pushed_back(cycle(100, 100 / rate, 11.1 / rate), rate)
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


def creep(rate: Rate, now: float, until: float, cost: float = 0.0) -> float:
    """Good answers as fast as it may be, until it has grown so far; gives when."""
    pushed_at = now
    while rate.value is not None and rate.value < until and now < 600:
        now += 1 / rate.value
        rate.speed_up(now, now, pushed_at, cost)
        rate.answered(now)
    return now


def test_a_rate_that_goes_well_where_it_was_too_much_is_the_new_ground_to_creep_from() -> None:
    rate = pushed_back_at(100.0)
    now = growth = 0.0
    creep(rate, now, until=95.0)  # in steps
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
    rate, now, holds = bursty(20.0), 0.0, []
    for _ in range(6):
        rate.pushed_back(cycle(40, 2.0), 20.0)
        assert rate.is_bursty
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
    rate.pushed_back(cycle(1, 0.1, 1.0), 10.0)
    assert rate.learned() != before
    rate.unlearn(before)
    assert rate.learned() == before


def held_at(rate: float, cost: float = 0.0) -> Rate:
    """That went well for long, and then crept up until it was pushed back."""
    learned = pushed_back_at(rate)
    creep(learned, 0.0, until=rate, cost=cost)
    learned.pushed_back(cycle(1000, 1000 / rate, 0.1), rate * 1.001)
    return learned


def test_a_rate_that_is_known_is_asked_at_just_under_it() -> None:
    """Not at what was let through, which is less by the time for which the gate was closed."""
    assert held_at(100.0).value == pytest.approx(JUST_UNDER * 100.0, rel=0.01)


def test_push_back_by_chance_soon_after_costs_little_and_again_and_again_more() -> None:
    rate = held_at(100.0)
    known = rate.value
    assert known is not None
    asked_at: float = known
    for less in (1, 2, 4):
        rate.pushed_back(cycle(1, 0.5 / asked_at, 0.05), asked_at)
        assert not rate.is_bursty
        expected = JUST_UNDER * LESS_BY_CHANCE**less * asked_at
        assert rate.value == pytest.approx(expected)
        asked_at = expected


def bursty(rate: float, held: float = 200.0) -> Rate:
    """A bucket that holds much: it was emptied at first, and is never full again."""
    learned = Rate(60.0)
    learned.took_in(Cycle(int(held) + 10, 10 / rate, ((int(held) + 10, 10 / rate),), is_between=False))
    learned.pushed_back(cycle(round(rate), 0.05, 0.95), 20 * rate)
    assert learned.is_bursty
    return learned


def test_a_bucket_that_was_not_full_after_the_pause_is_filled_at_what_it_let_through() -> None:
    """It held far more at first than it does after a pause: so it was filled for as long as that took, and no more."""
    assert bursty(20.0).value == pytest.approx(JUST_UNDER * 20.0)


def test_what_is_let_through_after_a_pause_says_nothing_of_a_small_bucket_s_rate() -> None:
    """Ten each time, in a fiftieth of each second: 10 a second, or any rate up to what was asked."""
    rate = Rate(60.0)
    for _ in range(2):
        rate.pushed_back(cycle(10, 0.02, 1.0), 500.0)
        assert not rate.is_bursty
    assert rate.value is not None
    assert 20 < rate.value < 250


def test_a_small_bucket_is_told_from_what_it_forgave() -> None:
    """75 a second and ten at once: emptied in no time, and then by steps that went on for as long as it let them."""
    rate = Rate(60.0)
    rate.pushed_back(cycle(10, 0.012, 1.0), 850.0)
    assert rate.value is not None
    windows = ((22, 0.177), (12, 0.086), (2, 0.012))  # at 109, 137 and 171 a second
    creep(rate, 0.0, until=109.0 * STEP**2)
    rate.pushed_back(Cycle(23, 1.2, windows), 171.0)
    assert rate.value == pytest.approx(JUST_UNDER * 75.0, rel=0.1)


def test_a_rate_that_is_no_more_let_through_as_ever_was_no_bucket_s() -> None:
    rate = bursty(20.0)
    rate.pushed_back(cycle(4, 4.0), 20.0)
    assert not rate.is_bursty


def test_only_answers_to_what_was_sent_since_a_step_are_counted_for_the_next() -> None:
    rate = Rate(60.0)
    rate.pushed_back(cycle(2, 0.002, 1.0), 1000.0)
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


@pytest.mark.parametrize(("held", "answers"), [(2, STEP_REQUESTS), (7, 7), (50, MOST_STEP_REQUESTS)])
def test_a_step_takes_as_many_answers_as_the_bucket_may_forgive(held: int, answers: int) -> None:
    rate = Rate(60.0)
    rate.pushed_back(cycle(held, 0.002, 1.0), 10_000.0)
    before = rate.value
    for _ in range(answers - 1):
        rate.speed_up(1.0, 0.5, 0.0, 0.0)
    assert rate.value == before
    rate.speed_up(1.0, 0.5, 0.0, 0.0)
    assert before is not None
    assert rate.value == pytest.approx(before * STEP)


@pytest.mark.parametrize("cost", [0.1, 0.25, 1.0])
def test_the_costlier_push_back_is_and_the_better_the_limit_is_known_the_longer_a_rate_is_held(cost: float) -> None:
    holds = []
    for floor in (80.0, 95.0):
        rate = Rate(60.0)
        rate.went_well(floor)
        rate.pushed_back(cycle(1, 0.01, 1.0), 100.0)
        held, now = rate.value, 0.0
        while rate.value == held:
            now += 0.01
            rate.speed_up(now, now, 0.0, cost)
            rate.answered(now)
        holds.append(now)
    assert holds == pytest.approx([max(QUIET_REQUESTS / (JUST_UNDER * 80), cost / 0.2), cost / 0.05], rel=0.05)


def test_a_count_that_grows_is_marked_each_time_that_the_rate_has() -> None:
    rate = pushed_back_at(100.0)
    first = rate.value
    assert first is not None
    assert not rate.has_grown()
    marks = 0
    now = 0.0
    while rate.value is not None and rate.value < 2 * first:
        now += 1 / rate.value
        rate.speed_up(now, now, 0.0, 0.0)
        rate.answered(now)
        marks += rate.has_grown()
    assert 4 <= marks <= math.log(2.2) / math.log(1.04)


def test_a_host_that_minds_the_number_at_once_has_no_rate() -> None:
    rate = pushed_back_at(100.0)
    rate.forget()
    assert rate.value is None
    assert not rate.is_at_ceiling()
