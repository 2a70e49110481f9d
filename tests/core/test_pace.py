"""How fast one host may be asked: each rule by itself, then any sequence of answers, by hypothesis."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from urlsweep.core.blame import GATES_KEPT
from urlsweep.core.limits import Bounds, Limits
from urlsweep.core.pace import MOST_CAUTION, Pace
from urlsweep.core.rate import (
    JUST_UNDER,
    LESS_AFTER_LOSS,
    LONGEST_INTERVAL,
    MOST_STEP_REQUESTS,
    SAME_RATE,
    STEEPEST_CREEP,
    STEP,
)
from urlsweep.core.ticket import Ticket

LATENCY = 0.1


def pace_of(limits: Limits | None = None, bounds: Bounds | None = None) -> Pace:
    limits = limits or Limits()
    return Pace(bounds or limits.bounds_of("a.test:443"), limits)


class Asked:
    """A pace, and what is out under it: the oldest request is answered first."""

    def __init__(self, pace: Pace | None = None) -> None:
        self.pace = pace or pace_of()
        self.now = 0.0
        self.out: list[Ticket] = []
        self.sent_at: list[float] = []

    def send(self, count: int | None = None) -> int:
        """As many as may go at this moment, at most `count`."""
        before = len(self.sent_at)
        while self.pace.in_flight < self.pace.room and self.pace.opens_at <= self.now:
            if count is not None and len(self.sent_at) - before >= count:
                break
            level = self.pace.sent(self.now)
            self.out.append(Ticket("a.test:443", self.pace.storm, level, self.now, self.pace.requests))
            self.sent_at.append(self.now)
        return len(self.sent_at) - before

    def fill(self) -> None:
        """As many as may be out, one after the other where they are spaced."""
        while self.pace.in_flight < self.pace.room:
            self.wait()
            self.send(1)

    def wait(self) -> None:
        """Until the next one may go."""
        self.now = max(self.now, self.pace.opens_at)

    def back(self) -> Ticket:
        self.pace.in_flight -= 1
        return self.out.pop(0)

    def good(self, count: int = 1) -> None:
        for _ in range(count):
            self.pace.good(self.now, self.back(), LATENCY)

    def good_in_use(self, count: int) -> None:
        """Good answers, each to the oldest of as many requests as may be out."""
        for _ in range(count):
            self.fill()
            self.good()

    def push(self, wait: float | None = None, kind: str = "429") -> None:
        self.pace.push_back(self.now, kind, self.back(), wait)

    def overload(self, failed_at: float | None = None, *, is_late: bool = False) -> bool:
        return self.pace.overload(self.now, "503", replace(self.back(), is_late=is_late), failed_at)

    def refuse(self) -> None:
        self.pace.unreached(self.now, "connect.refused", self.back())

    def stall(self, failed_at: float | None = None) -> None:
        self.back()
        self.pace.stall("response.timeout", failed_at)

    def drain(self) -> None:
        """All that is out is answered well."""
        self.good(len(self.out))

    def served(self, seconds: float, rate: float) -> None:
        """So many seconds of requests that are answered well, one at a time, at most so many a second."""
        until = self.now + seconds
        while self.now < until:
            self.wait()
            assert self.send(1) == 1
            self.good()
            self.now += 1 / rate


# --- requests at once -------------------------------------------------------------------------------------------------


def test_the_bound_grows_by_one_for_every_bounds_worth_of_good_answers_up_to_the_cap() -> None:
    asked = Asked()
    assert asked.pace.room == 4
    asked.good_in_use(3)
    assert asked.pace.room == 4
    asked.good_in_use(1)
    assert asked.pace.room == 5
    asked.good_in_use(sum(range(5, 32)) - 1)
    assert asked.pace.room == 31
    asked.good_in_use(1)
    assert asked.pace.room == 32
    asked.good_in_use(500)
    assert asked.pace.room == 32
    assert asked.pace.push_backs is None


def own() -> Asked:
    """A pace for the user's own host."""
    return Asked(pace_of(bounds=Bounds(32, 256, doubles=True)))


def test_what_ones_own_host_is_asked_at_once_doubles_with_each_round_up_to_the_cap() -> None:
    asked = own()
    for bound in (32, 64, 128, 256, 256):
        assert asked.pace.room == bound
        asked.good_in_use(bound)


def test_doubling_ends_for_good_with_the_first_trouble() -> None:
    asked = own()
    asked.good_in_use(32)
    asked.fill()
    asked.stall()
    bound = asked.pace.bound
    assert bound == 63
    asked.good_in_use(bound)
    assert asked.pace.bound <= bound + 1


def test_ones_own_hosts_bound_that_is_not_in_use_does_not_double() -> None:
    asked = own()
    for _ in range(100):
        asked.send(20)
        asked.good(20)
    assert asked.pace.bound == 32


def test_a_host_that_shares_a_limit_with_a_strangers_does_not_double() -> None:
    asked = own()
    asked.pace.narrow(Bounds(4, 200))
    asked.good_in_use(32)
    assert asked.pace.bound == 33


def test_a_bound_that_is_not_in_use_does_not_grow() -> None:
    asked = Asked()
    for _ in range(500):
        asked.send(2)
        asked.good(2)
    assert asked.pace.bound == 4


def test_errors_never_speed_a_host_up() -> None:
    asked = Asked()
    for _ in range(500):
        asked.send()
        asked.pace.error(asked.back())
    assert asked.pace.bound == 4


def test_a_bound_by_hand_stays() -> None:
    limits = Limits(per_host=3)
    asked = Asked(pace_of(limits))
    asked.good_in_use(500)
    assert asked.pace.bound == 3


@pytest.mark.parametrize(("bound", "calm"), [(1, 1), (2, 1), (3, 1), (4, 2), (9, 4)])
def test_calm_is_half_of_what_may_be_out(bound: int, calm: int) -> None:
    pace = pace_of(bounds=Bounds(bound, 32))
    out = 0
    while pace.is_calm:
        pace.sent(0.0)
        out += 1
    assert out == calm


def test_single_failures_cost_the_bound_one_each_and_three_in_a_row_half() -> None:
    asked = Asked()
    asked.good_in_use(sum(range(4, 20)))
    assert asked.pace.bound == 20
    asked.stall()
    asked.send()
    asked.good()
    asked.stall()
    assert asked.pace.bound == 18
    asked.stall()
    asked.stall()
    assert asked.pace.bound == 8  # (18 - 2) / 2
    for _ in range(3):
        asked.stall()
    assert asked.pace.bound == 4  # not below the start: pages that hang are no reason to stand still
    assert asked.pace.push_backs == {"response.timeout": 7}
    assert asked.pace.storm == 0


def test_caution_doubles_where_a_host_fails_at_the_same_bound_again() -> None:
    asked = Asked()
    asked.good_in_use(4)
    grown = []
    for _ in range(8):
        asked.stall()
        assert asked.pace.bound == 4
        asked.send()
        before = asked.pace.bound
        count = 0
        while asked.pace.bound == before:
            asked.good_in_use(1)
            count += 1
        grown.append(count / 4)
    assert grown == [2, 2, 4, 8, 16, 32, 64, 64]  # once more may be chance
    assert grown[-1] == MOST_CAUTION


def test_a_failure_elsewhere_takes_the_caution_away_again() -> None:
    asked = Asked()
    asked.good_in_use(4)
    for _ in range(4):
        asked.stall()
        asked.good_in_use(16 * 4)
    asked.good_in_use(4000)
    assert asked.pace.bound > 8
    asked.stall()
    asked.send()
    bound = asked.pace.bound
    asked.good_in_use(2 * bound)
    assert asked.pace.bound == bound + 1


# --- push-back: at once, or a second? ---------------------------------------------------------------------------------


def test_more_at_once_than_were_served_lowers_the_bound_to_one_less() -> None:
    asked = Asked()
    asked.good_in_use(4 + 5)
    assert asked.pace.bound == 6
    asked.send()
    *_, ticket = asked.out
    assert ticket.level == 6
    asked.pace.in_flight -= 1
    asked.pace.push_back(0.5, "429", ticket, None)
    assert asked.pace.bound == 5
    assert asked.pace.learned_rate is None
    assert asked.pace.push_backs == {"429": 1}


def test_fewer_than_were_served_before_is_about_the_rate() -> None:
    asked = flooded()
    assert asked.pace.bound == 10
    let_through, asked_at = (39 + 10 + 100) / 10.0, 8 / LATENCY
    assert asked.pace.learned_rate == pytest.approx(JUST_UNDER * math.sqrt(let_through * asked_at), rel=0.05)


def test_push_back_never_raises_the_bound() -> None:
    asked = Asked()
    asked.good_in_use(sum(range(4, 20)))
    asked.send()
    *_, ticket = asked.out
    assert ticket.level == 20
    for _ in range(6):
        asked.stall()
    bound = asked.pace.bound
    assert bound < 10
    asked.pace.in_flight -= 1
    asked.pace.push_back(1.0, "429", replace(ticket, level=33), None)  # sent when the bound was far higher
    assert asked.pace.bound <= bound


def test_the_very_first_answer_pushed_back_halves_the_bound() -> None:
    asked = Asked()
    asked.send()
    asked.push()
    assert asked.pace.bound == 2
    assert asked.pace.learned_rate is None


def test_what_was_out_in_a_storm_that_is_heeded_is_counted_and_no_more() -> None:
    asked = Asked()
    asked.good_in_use(3)
    asked.send()
    asked.push()
    state = (asked.pace.bound, asked.pace.opens_at, asked.pace.rounds, asked.pace.storm)
    asked.push()
    asked.push()
    assert (asked.pace.bound, asked.pace.opens_at, asked.pace.rounds, asked.pace.storm) == state
    assert asked.pace.push_backs == {"429": 3}


def test_an_echo_that_names_a_time_is_obeyed_and_a_shorter_one_changes_nothing() -> None:
    asked = Asked()
    asked.send()
    asked.push()
    asked.push(40.0)
    asked.push(20.0)
    assert asked.pace.opens_at == 40.0
    assert asked.pace.rounds == 1


# --- gates ------------------------------------------------------------------------------------------------------------


def gates(asked: Asked, wait: float | None, count: int) -> list[float]:
    """How long each of so many gates is closed, all probes being pushed back."""
    closed = []
    for _ in range(count):
        asked.wait()
        assert asked.send() >= 1
        asked.push(wait)
        asked.out.clear()
        asked.pace.in_flight = 0
        closed.append(asked.pace.opens_at - asked.now)
    return closed


@pytest.mark.parametrize(
    ("wait", "closed"),
    [
        (None, [1, 2, 4, 8, 16, 32, 60, 60]),
        (0.0, [1, 2, 4, 8, 16, 32, 60, 60]),
        (7.0, [7, 7, 7, 8, 16, 32, 60, 60]),
        (100.0, [100, 100, 100, 0]),  # patience: 300
        (86_400.0, [300, 0]),
    ],
)
def test_how_long_a_gate_is_closed(wait: float | None, closed: list[float]) -> None:
    assert gates(Asked(), wait, len(closed)) == closed


def test_a_gate_of_our_own_is_short_where_a_host_is_quick() -> None:
    asked = Asked()
    asked.good_in_use(4)
    asked.drain()
    asked.send(1)
    asked.push()
    assert asked.pace.opens_at == pytest.approx(4 * LATENCY / asked.pace.bound)


def test_one_probe_goes_and_the_rest_after_it_succeeds() -> None:
    for answer in ("good", "error"):
        asked = Asked()
        asked.send()
        for _ in range(4):
            asked.push()
        asked.now = 0.999
        assert asked.send() == 0
        asked.now = 1.0
        assert asked.send() == 1
        assert asked.pace.is_probing
        if answer == "good":
            asked.good()
        else:
            asked.pace.error(asked.back())
        assert not asked.pace.is_probing
        assert asked.pace.rounds == 0
        assert asked.pace.room == 2


def test_a_stall_is_no_answer_to_a_probe() -> None:
    asked = Asked()
    asked.send(1)
    asked.push()
    asked.wait()
    asked.send()
    asked.stall()
    assert asked.pace.is_probing


@pytest.mark.parametrize(("patience", "seconds"), [(300.0, 300.0), (20.0, 20.0), (0.0, 0.0)])
def test_patience_ends_with_a_probe_at_its_very_end(patience: float, seconds: float) -> None:
    asked = Asked(pace_of(Limits(patience=patience)))
    asked.send(1)
    asked.push()
    while not asked.pace.is_given_up(asked.now):
        asked.wait()
        assert asked.send() == 1
        asked.push()
    assert asked.now == seconds


def test_one_answer_starts_patience_anew() -> None:
    asked = Asked(pace_of(Limits(patience=20.0)))
    for _ in range(50):
        asked.wait()
        asked.send(1)
        asked.push()
        asked.wait()
        asked.send(1)
        asked.good()
        assert not asked.pace.is_given_up(asked.now)
    assert asked.now > 20.0


def test_a_gate_that_is_shut_is_shut_for_patience_at_most_and_never_opened_sooner() -> None:
    pace = pace_of(Limits(patience=50.0))
    pace.shut(10.0, 30.0)
    assert pace.opens_at == 40.0
    pace.shut(10.0, 5.0)
    assert pace.opens_at == 40.0
    pace.shut(10.0, 1e9)
    assert pace.opens_at == 60.0
    assert not pace.is_probing  # nothing was pushed back: all may go on then


def test_begun_anew_one_goes_as_a_probe() -> None:
    asked = Asked(pace_of(Limits(patience=0.0)))
    asked.send(1)
    asked.push()
    assert asked.pace.is_given_up(0.0)
    asked.pace.begin_anew()
    assert not asked.pace.is_given_up(1e6)
    asked.now = 1e6
    assert asked.send() == 1


# --- spacing and rates ------------------------------------------------------------------------------------------------


def test_before_any_push_back_nothing_is_spaced() -> None:
    asked = Asked()
    assert asked.send() == 4
    assert asked.pace.opens_at == 0.0


@pytest.mark.parametrize("gap", [0.5, 3.0])
def test_a_gap_by_hand_is_between_any_two(gap: float) -> None:
    asked = Asked(pace_of(bounds=Bounds(4, 32, gap)))
    for _ in range(20):
        asked.wait()
        assert asked.send() == 1
        asked.good()
        asked.now += 0.1
    asked.now += 100.0  # no time is saved up while nothing is sent
    assert asked.send() == 1
    assert min(later - sooner for sooner, later in itertools.pairwise(asked.sent_at)) >= gap


def test_after_the_first_storm_as_many_a_latency_as_are_let_out_at_once() -> None:
    asked = Asked()
    asked.good_in_use(4 + 5)
    asked.send()
    asked.now = 1.0
    asked.out.reverse()  # the one with most others out is pushed back
    asked.push()
    asked.drain()
    assert asked.pace.learned_rate is None
    asked.wait()
    start = len(asked.sent_at)
    for _ in range(5):
        asked.wait()
        assert asked.send() == 1
    times = asked.sent_at[start:]
    assert [later - sooner for sooner, later in itertools.pairwise(times)] == pytest.approx(
        [LATENCY / asked.pace.bound] * 4
    )


def test_after_a_single_503_no_two_are_sent_at_the_same_moment() -> None:
    asked = Asked()
    asked.good_in_use(20)
    asked.drain()
    assert asked.send(2) == 2
    asked.overload()
    asked.drain()
    asked.wait()
    assert asked.send() == 1
    assert 0 < asked.pace.opens_at - asked.now < LATENCY / asked.pace.bound


def flooded() -> Asked:
    """A pace that was served ten at once and ten a second, and then was pushed back on eight at the same moment."""
    asked = Asked()
    asked.good_in_use(sum(range(4, 10)) + 4)
    asked.drain()
    asked.served(10.0, 10)
    asked.send(8)
    asked.out.reverse()
    asked.push()
    asked.drain()
    return asked


def paced(rate: float = 10.0, seconds: float = 10.0) -> Asked:
    """A pace that was served `rate` a second, one at a time, and was pushed back then, by a level that was served."""
    asked = Asked()
    asked.served(seconds, rate)
    asked.wait()
    asked.send(1)
    asked.push()
    return asked


def test_the_first_rate_is_between_what_was_let_through_and_what_was_asked() -> None:
    asked = paced()
    rate = asked.pace.learned_rate
    assert rate == pytest.approx(JUST_UNDER * 10.0, rel=0.02)
    asked.wait()
    asked.send(1)
    asked.good()
    for _ in range(3):
        sent = asked.now
        asked.wait()
        rate = asked.pace.learned_rate
        assert rate is not None
        assert asked.now - sent == pytest.approx(1 / rate, rel=0.3)
        asked.send(1)
        asked.good()


def test_a_bucket_that_was_asked_far_above_its_rate_is_estimated_by_what_it_let_through() -> None:
    """20 a second and 40 at once, asked 80 a second: it is empty after two thirds of a second."""
    asked = Asked()
    asked.served(0.66, 80)
    storms = []
    tokens, filled_at = 0.0, asked.now
    while asked.now < 30.0:
        asked.wait()
        tokens = min(40.0, tokens + (asked.now - filled_at) * 20)
        filled_at = asked.now
        asked.send(1)
        if tokens >= 1:
            tokens -= 1
            asked.good()
        else:
            asked.push()
            storms.append((asked.now, asked.pace.learned_rate))
    assert len(storms) < 30
    served = sum(when > 10.0 for when in asked.sent_at) / 20
    assert served == pytest.approx(20.0, rel=0.15)


def climb(asked: Asked, answers: int) -> list[float]:
    """The rates after so many good answers, each sent as soon as it may be and answered at once."""
    rates = []
    for _ in range(answers):
        asked.wait()
        assert asked.send(1) == 1
        asked.good()
        assert asked.pace.learned_rate is not None
        rates.append(asked.pace.learned_rate)
    return rates


def test_far_below_what_was_too_much_the_rate_grows_in_steps() -> None:
    asked = flooded()
    first = asked.pace.learned_rate
    assert first is not None
    rates = climb(asked, 3 * MOST_STEP_REQUESTS)
    assert sorted(set(rates)) == pytest.approx([first * STEP**step for step in range(4)])


def test_steps_end_near_what_was_too_much_and_after_a_hold_it_creeps() -> None:
    asked = flooded()
    too_much = 8 / LATENCY
    rates = climb(asked, 1000)
    crept = [rate for rate in rates if 0.95 * too_much < rate < SAME_RATE * too_much]
    growth = [(later / sooner - 1) * sooner for sooner, later in itertools.pairwise(crept)]  # a second
    assert 0 < min(growth) <= max(growth) < 1.1 * STEEPEST_CREEP
    assert max(rates) > SAME_RATE * too_much  # and it is: what was too much is no more


def test_no_rate_is_so_slow_that_nothing_goes_on() -> None:
    asked = Asked()
    asked.send(1)
    asked.good()
    for _ in range(20):
        asked.now += 1e5
        asked.send(1)
        asked.push()
        asked.wait()
        asked.send(1)
        asked.good()
        rate = asked.pace.learned_rate
        assert rate is None or rate >= 1 / LONGEST_INTERVAL
        assert asked.pace.opens_at <= asked.now + LONGEST_INTERVAL


# --- 503 without a word -----------------------------------------------------------------------------------------------


def test_a_503_among_good_answers_says_nothing_yet_and_closes_no_gate() -> None:
    asked = Asked()
    for _ in range(20):
        asked.good_in_use(15)
        asked.send()
        assert asked.overload() is True
    assert asked.pace.storm == 0
    assert asked.pace.bound > 4


def test_a_page_that_failed_while_others_were_answered_is_to_blame_the_next_time() -> None:
    asked = Asked()
    asked.good_in_use(20)
    asked.drain()
    asked.now = 1.0
    asked.send(1)
    assert asked.overload() is True
    asked.now = 2.0
    asked.fill()
    bound = asked.pace.bound
    assert asked.overload(failed_at=1.0) is True  # nothing was answered that was sent since
    asked.good()
    for is_late in (False, True):
        assert asked.overload(failed_at=1.0, is_late=is_late) is False
        asked.fill()
    asked.stall(failed_at=1.0)
    assert (asked.pace.bound, asked.pace.storm) == (bound - 1, 0)


def test_a_page_that_failed_just_before_push_back_is_not_to_blame() -> None:
    asked = Asked()
    asked.good_in_use(20)
    asked.drain()
    asked.now = 1.0
    asked.send(4)
    asked.overload()
    while asked.out:
        asked.push()
    asked.wait()
    asked.send(1)
    asked.good()
    asked.wait()
    asked.send(1)
    assert asked.overload(failed_at=1.0) is True


def test_so_many_gates_later_nobody_knows_any_more() -> None:
    asked = Asked()
    asked.good_in_use(20)
    asked.drain()
    asked.now = 1.0
    asked.send(2)
    asked.overload()
    asked.good()
    for is_known in (True, False):
        for _ in range(GATES_KEPT // 2 + 1):
            asked.wait()
            asked.send(1)
            asked.push()
            asked.wait()
            asked.send(1)
            asked.good()
        asked.wait()
        asked.send(1)
        assert asked.overload(failed_at=0.5) is not is_known


def test_three_503s_in_a_row_are_push_back() -> None:
    asked = Asked()
    asked.good_in_use(20)
    asked.send()
    assert [asked.overload() for _ in range(3)] == [True, True, True]
    assert asked.pace.storm == 1
    assert asked.pace.is_probing
    assert asked.pace.opens_at > asked.now
    assert asked.overload() is True  # the storm's echo
    assert asked.pace.storm == 1


def test_where_many_new_pages_fail_none_is_to_blame() -> None:
    asked = Asked()
    asked.good_in_use(20)
    asked.drain()
    for number in range(200):
        asked.wait()
        asked.send(1)
        if number % 5:
            asked.good()
        else:
            asked.overload()
    asked.wait()
    asked.send(1)
    assert asked.overload(failed_at=asked.now - 1.0) is True


def test_a_host_that_says_when_it_is_asked_too_much_has_no_other_way() -> None:
    asked = paced()
    climb(asked, 20)
    rate = asked.pace.learned_rate
    for _ in range(30):
        asked.wait()
        asked.send(1)
        asked.overload()
        if asked.pace.is_probing:
            break
    assert asked.pace.learned_rate == rate


def test_so_many_503s_among_good_answers_are_push_back_too() -> None:
    asked = Asked()
    asked.good_in_use(20)
    free = []
    for _ in range(20):
        asked.fill()
        if asked.pace.storm:
            break
        free.append(asked.overload())
        if not asked.pace.storm:
            asked.fill()
            asked.good()
    assert free[-1] is True
    assert 4 < len(free) < 12


def test_a_learned_rate_goes_down_by_a_tenth_for_a_few_503s() -> None:
    asked = paced()
    asked.pace._troubled().states = False  # as if all of that had been plain 503s
    climb(asked, 10)
    rate = asked.pace.learned_rate
    assert rate is not None
    asked.wait()
    asked.send(1)
    asked.overload()
    assert asked.pace.learned_rate == rate  # one of many may be the page's own
    climb(asked, 1)
    before = asked.pace.learned_rate
    asked.wait()
    asked.send(1)
    asked.overload()
    after = asked.pace.learned_rate
    assert before is not None
    assert after == pytest.approx(before * LESS_AFTER_LOSS)
    assert asked.pace.storm == 1


def test_503s_to_whatever_is_asked_end_with_a_patience_of_their_own() -> None:
    asked = Asked()
    asked.good_in_use(20)
    asked.drain()
    asked.send(3)
    assert [asked.overload() for _ in range(3)] == [True] * 3
    began, rests = asked.now, []
    while not asked.pace.is_given_up(asked.now):
        assert asked.pace.is_outage
        rests.append(asked.pace.opens_at - asked.now)
        asked.wait()
        assert asked.send() == 1
        assert asked.overload() is True
    assert asked.now == pytest.approx(began + 75.0)
    assert rests[:-1] == sorted(rests[:-1])


def test_what_was_learned_when_an_outage_began_is_forgotten_when_it_ends() -> None:
    asked = flooded()
    asked.pace._troubled().states = False  # as if all of that had been plain 503s
    climb(asked, 20)
    learned = asked.pace.learned_rate
    assert learned is not None
    began = asked.pace.storm
    while asked.pace.storm == began:
        asked.wait()
        asked.send(1)
        asked.overload()
    while_down = asked.pace.learned_rate
    assert while_down is not None
    while asked.pace.opens_at - asked.now < 3.0:
        asked.wait()
        asked.send(1)
        asked.overload()
    asked.wait()
    asked.send(1)
    asked.good()
    assert asked.pace.learned_rate is not None
    assert while_down < asked.pace.learned_rate
    assert asked.pace.learned_rate <= learned
    assert not asked.pace.is_outage


def test_what_was_sent_after_a_failed_request_and_is_answered_well_ends_the_gates_probe() -> None:
    asked = Asked()
    asked.good_in_use(20)
    asked.drain()
    asked.send(3)
    asked.now = 0.01
    asked.send(1)
    for _ in range(3):
        asked.overload()
    assert asked.pace.is_probing
    asked.good()
    assert not asked.pace.is_probing


def test_what_was_sent_before_a_push_back_does_not_end_it() -> None:
    asked = Asked()
    asked.good_in_use(20)
    asked.drain()
    asked.send(4)
    asked.push(5.0)
    asked.drain()
    assert asked.pace.is_probing
    assert asked.pace.rounds == 1


def test_a_host_that_overstates_its_waits_is_told_by_its_next_good_answer() -> None:
    asked = Asked(pace_of(Limits(patience=10.0)))
    asked.good_in_use(20)
    asked.drain()
    asked.send(1)
    asked.push(3600.0)
    assert asked.pace.opens_at == 10.0
    asked.wait()
    asked.send(1)
    asked.good()
    asked.wait()
    asked.send(1)
    asked.push(3600.0)
    assert asked.pace.opens_at < asked.now + 2.0
    asked.wait()
    asked.send(1)
    asked.good()
    asked.wait()
    asked.send(1)
    asked.push(7.0)  # within patience it is obeyed
    assert asked.pace.opens_at == asked.now + 7.0


# --- connections that fail --------------------------------------------------------------------------------------------


def test_one_refusal_is_a_moment_and_three_in_a_row_an_outage() -> None:
    asked = Asked()
    asked.good_in_use(4 + 5)
    asked.send()
    asked.refuse()
    asked.refuse()
    assert (asked.pace.bound, asked.pace.is_outage, asked.pace.opens_at) == (4, False, 0.0)
    asked.refuse()
    assert (asked.pace.bound, asked.pace.is_outage, asked.pace.room) == (2, True, 1)
    assert asked.pace.opens_at == 1.0
    asked.refuse()
    assert (asked.pace.storm, asked.pace.push_backs) == (1, {"connect.refused": 4})


def outage(limits: Limits, asked: Asked | None = None) -> Asked:
    """A host that answered, and now refuses."""
    if asked is None:
        asked = Asked(pace_of(limits))
        asked.send()
        asked.drain()
    for _ in range(3):
        asked.wait()
        asked.send(1)
        asked.refuse()
    assert asked.pace.is_outage
    return asked


def probed_in_vain(asked: Asked) -> list[float]:
    """When an outage is probed, until it is given up."""
    times = []
    while not asked.pace.is_given_up(asked.now):
        asked.wait()
        times.append(asked.now)
        assert asked.send() == 1
        asked.refuse()
    return times


def test_an_outage_has_a_patience_of_its_own() -> None:
    assert probed_in_vain(outage(Limits())) == [1, 3, 7, 15, 31, 60]
    assert probed_in_vain(outage(Limits(outage_patience=5.0))) == [1, 3, 5]
    assert probed_in_vain(outage(Limits(outage_patience=100.0, patience=5.0))) == [1, 3, 7, 15, 31, 63, 100]
    assert probed_in_vain(outage(Limits(outage_patience=0.0))) == []


def test_an_outage_ends_with_one_answer() -> None:
    asked = outage(Limits())
    asked.wait()
    asked.send()
    asked.good()
    assert (asked.pace.is_outage, asked.pace.rounds, asked.pace.is_probing) == (False, 0, False)


def test_an_outage_after_push_back_is_waited_for_from_its_own_beginning() -> None:
    asked = Asked()
    asked.send(1)
    asked.push(120.0)
    asked.wait()
    outage(Limits(), asked)
    assert not asked.pace.is_given_up(asked.now)
    assert probed_in_vain(asked)[-1] == 120.0 + 60.0


def test_push_back_is_an_answer_and_ends_an_outage() -> None:
    asked = outage(Limits())
    asked.now = 50.0
    asked.send()
    asked.push()
    assert not asked.pace.is_outage
    assert not asked.pace.is_given_up(299.0)
    assert asked.pace.is_given_up(300.0)


def test_push_back_and_outages_in_turns_end_too() -> None:
    asked = Asked()
    rounds = 0
    while not asked.pace.is_given_up(asked.now):
        asked.wait()
        asked.send(1)
        asked.push()
        if asked.pace.is_given_up(asked.now):
            break
        outage(Limits(), asked)
        rounds += 1
    assert rounds > 3
    assert 300.0 <= asked.now <= 360.0


# --- bounds by hand, late ---------------------------------------------------------------------------------------------


def test_the_strictest_bounds_hold() -> None:
    asked = Asked()
    asked.good_in_use(sum(range(4, 10)))
    asked.drain()
    pace = asked.pace
    pace.narrow(Bounds(32, 256, 0.0))
    assert (pace.bound, pace.cap, pace.gap) == (10, 32, 0.0)
    pace.narrow(Bounds(3, 3, 2.0))
    assert (pace.bound, pace.cap, pace.gap) == (3, 3, 2.0)
    pace.narrow(Bounds(9, 9, 1.0))
    assert (pace.bound, pace.cap, pace.gap) == (3, 3, 2.0)


def test_a_gap_that_is_learned_of_late_counts_from_the_last_request() -> None:
    asked = Asked()
    asked.now = 10.0
    asked.send(1)
    asked.pace.narrow(Bounds(4, 32, 5.0))
    assert asked.pace.opens_at == 15.0
    fresh = pace_of()
    fresh.narrow(Bounds(4, 32, 5.0))
    assert fresh.opens_at == 0.0  # nothing was asked


def test_what_was_out_before_it_was_narrowed_does_not_widen_it() -> None:
    asked = Asked()
    asked.good_in_use(sum(range(4, 20)))
    asked.send()
    asked.out.reverse()
    asked.pace.narrow(Bounds(2, 2))
    asked.push()
    assert asked.pace.bound <= 2


def test_joined_paces_keep_what_either_was_bound_to() -> None:
    one, other = pace_of(bounds=Bounds(4, 32, 1.0)), pace_of(bounds=Bounds(3, 9))
    one.sent(5.0)
    other.sent(5.5)
    other.shut(5.5, 30.0)
    other.join(one)
    assert (other.bound, other.cap, other.gap, other.in_flight, other.opens_at) == (3, 9, 1.0, 2, 35.5)
    later = pace_of(bounds=Bounds(3, 9, 2.0))
    later.sent(5.0)
    unbound = pace_of()
    unbound.sent(6.5)
    later.join(unbound)
    assert later.opens_at == 8.5  # two seconds after the last request to any of its hosts


# --- any sequence -----------------------------------------------------------------------------------------------------

ANSWERS = ["good", "good", "good", "error", "stall", "overload", "unreached", "push", "push 3", "push 1e9", "shut 9"]


@settings(max_examples=200, deadline=None)
@given(
    bounds=st.tuples(st.integers(1, 5), st.integers(0, 30), st.sampled_from([0.0, 0.0, 0.3, 7.0])),
    patience=st.sampled_from([0.0, 10.0, 300.0]),
    events=st.lists(
        st.tuples(
            st.sampled_from(ANSWERS),
            st.integers(0, 40),  # which of those that are out
            st.sampled_from([0.0, 0.001, 0.05, 1.0, 100.0, 1e5]),  # seconds that pass before
            st.sampled_from([0.0, 0.001, 0.1, 20.0]),  # how long it took
            st.booleans(),
        ),
        max_size=120,
    ),
)
def test_whatever_happens_a_pace_stays_within_its_bounds_and_opens_again(
    bounds: tuple[int, int, float], patience: float, events: list[tuple[Any, ...]]
) -> None:
    start, more, gap = bounds
    limits = Limits(patience=patience, outage_patience=patience / 5)
    pace = Pace(Bounds(start, start + more, gap), limits)
    longest = max(patience, limits.longest_wait, LONGEST_INTERVAL, gap)
    now, opened, sent_at = 0.0, 0.0, -math.inf
    out: list[Ticket] = []
    for kind, which, passes, elapsed, is_waited_for in events:
        now += passes
        if is_waited_for:
            now = max(now, pace.opens_at)
        while pace.in_flight < pace.room and pace.opens_at <= now:
            assert now >= sent_at + gap
            sent_at = now
            out.append(Ticket("a.test:443", pace.storm, pace.sent(now), now, pace.requests))
            assert pace.in_flight <= start + more
            assert pace.opens_at <= now + longest
        if out:
            ticket = out.pop(which % len(out))
            pace.in_flight -= 1
            is_news = ticket.storm == pace.storm
            if kind == "good":
                pace.good(now, ticket, elapsed)
                assert not is_news or not pace.is_given_up(now + 1e9)
            elif kind == "error":
                pace.error(ticket)
                assert not is_news or pace.is_overloaded or not pace.is_given_up(now + 1e9)
            elif kind == "stall":
                pace.stall(kind, None)
            elif kind == "overload":
                assert pace.overload(now, kind, ticket)
            elif kind == "unreached":
                pace.unreached(now, kind, ticket)
            elif kind == "shut 9":
                pace.shut(now, 9.0)
            else:
                wait = None if kind == "push" else float(kind.split()[1])
                pace.push_back(now, kind, ticket, wait)
                assert pace.opens_at > now or pace.is_given_up(now) or patience == 0 or ticket.storm != pace.storm
        assert 1 <= pace.bound <= start + more
        assert pace.learned_rate is None or pace.learned_rate >= 1 / LONGEST_INTERVAL
        assert opened <= pace.opens_at <= now + longest + 1e-9 * now
        opened = pace.opens_at
        if pace.rounds:
            assert pace.is_given_up(now + patience + max(limits.outage_patience, limits.overload_patience))
        assert pace.room >= 1


# --- what is said to be left ------------------------------------------------------------------------------------------


def closed_for(pace: Pace, now: float, remaining: int = 0) -> float:
    """Seconds for which the gate is closed after a good answer that states what is left for five minutes."""
    level = pace.sent(now)
    pace.in_flight -= 1
    ticket = Ticket("a.test:443", pace.storm, level, now, pace.requests)
    pace.good(now, ticket, LATENCY)
    pace.told_left(now, ticket.sent_at, remaining, 300.0)
    return max(0.0, pace.opens_at - now)


def test_that_nothing_is_left_is_believed_less_and_less_where_it_never_comes_true() -> None:
    pace, now, closed = pace_of(), 0.0, []
    for _ in range(6):
        closed.append(closed_for(pace, now))
        now = pace.opens_at
    assert closed == pytest.approx([300.0, 300.0, 75.0, 18.75, 300 / 64, 300 / 256])


def test_answers_to_what_was_out_together_say_it_once() -> None:
    pace = pace_of()
    for _ in range(5):
        pace.told_left(1.0, 0.0, 0, 300.0)
    assert closed_for(pace, pace.opens_at) == pytest.approx(300.0)


def test_a_count_that_goes_down_to_nothing_is_always_believed() -> None:
    pace, now = pace_of(), 0.0
    for _ in range(5):
        assert closed_for(pace, now, remaining=1) == 0.0
        assert closed_for(pace, now + 1) == pytest.approx(300.0)
        now = pace.opens_at


def test_who_pushes_back_then_is_believed_for_good() -> None:
    pace, now = pace_of(), 0.0
    for _ in range(3):
        closed_for(pace, now)
        now = pace.opens_at
    level = pace.sent(now)
    pace.in_flight -= 1
    pace.push_back(now, "429", Ticket("a.test:443", pace.storm, level, now, pace.requests), 225.0)
    for _ in range(3):
        now = pace.opens_at
        assert closed_for(pace, now) == pytest.approx(300.0)


def test_no_more_are_out_than_are_left_and_answers_that_overtake_each_other_raise_nothing() -> None:
    pace = pace_of()
    pace.told_left(1.0, 0.9, 5, 60.0)
    assert pace.room == min(pace.bound, 5)
    pace.told_left(1.0, 0.9, 2, 60.0)
    pace.told_left(1.0, 0.9, 4, 60.0)
    assert pace.room == 2
    pace.told_left(1.2, 1.1, 50, 60.0)  # asked since: it has begun anew
    assert pace.room == pace.bound


@pytest.mark.parametrize("says_so_again", [True, False])
def test_a_count_that_never_goes_down_or_is_not_told_any_more_holds_nobody_back(says_so_again: bool) -> None:
    pace = pace_of()
    pace.told_left(1.0, 0.5, 1, 60.0)
    assert pace.room == 1
    for now in range(2, 5):
        if says_so_again:
            pace.told_left(now + 0.1, now, 1, 60.0)
        else:
            pace.told_nothing()
    assert pace.room == pace.bound


def test_what_was_out_when_nothing_was_left_does_not_open_the_gate() -> None:
    pace = pace_of()
    pace.sent(0.0)
    pace.told_left(1.0, 0.0, 0, 60.0)
    pace.in_flight -= 1
    pace.good(1.1, Ticket("a.test:443", pace.storm, 1, 0.0), LATENCY)
    pace.told_left(1.1, 0.0, 3, 60.0)
    assert pace.is_probing
    assert pace.opens_at == pytest.approx(61.0)
    pace.sent(61.0)
    pace.in_flight -= 1
    pace.good(61.1, Ticket("a.test:443", pace.storm, 1, 61.0), LATENCY)
    assert not pace.is_probing
