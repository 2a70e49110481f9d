"""What push-backs say of a token bucket: counting by hand, and buckets that are emptied in every way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urlsweep.core.bucket import CYCLES_KEPT, MARKS_KEPT, Bucket, Count, Cycle


def test_what_was_sent_between_two_push_backs_is_counted_less_what_was_turned_away() -> None:
    count = Count(10.0)
    assert count.turned_away(4)
    assert count.turned_away(6)  # the one that ends it
    first = count.end(6, 13.0)
    assert first == Cycle(4, 3.0, ((4, 3.0),), is_between=False)
    assert first.let_through == pytest.approx(4 / 3)
    assert not count.turned_away(5)  # sent before it, and known only now
    assert count.turned_away(8)
    count.opened(9, 15.0, 3)  # 7 was let through, and so was 9, the probe
    assert count.bound_then == 3
    count.grew(12, 16.0)
    assert count.turned_away(14)
    second = count.end(14, 17.0)
    assert second == Cycle(6, 4.0, ((4, 2.0), (1, 1.0)))
    assert second.admitted_since == 4


def test_as_many_marks_are_kept_the_first_of_all_among_them() -> None:
    count = Count(0.0)
    count.grew(3, 0.5)  # there is no gate yet to count from
    count.turned_away(1)
    count.end(1, 1.0)
    count.opened(2, 2.0, 1)
    for step in range(100):
        count.grew(3 + step, 3.0 + step)
    count.turned_away(200)
    cycle = count.end(200, 200.0)
    assert len(cycle.windows) == MARKS_KEPT
    assert cycle.windows[0] == (197, 198.0)
    assert cycle.windows[-1] == (97, 98.0)


def test_one_that_was_turned_away_after_all_is_taken_off() -> None:
    bucket = Bucket()
    bucket.one_less()
    bucket.add(Cycle(3, 1.0, ((2, 0.5), (0, 0.1))))
    bucket.one_less()
    assert bucket.most_held == 1
    assert bucket.let_through == 2.0


def test_what_is_told_is_about_the_last_cycles_alone() -> None:
    bucket = Bucket()
    bucket.add(Cycle(1, 1.0, ((1, 1.0),)))
    for _ in range(CYCLES_KEPT):
        bucket.add(Cycle(7, 1.0, ((7, 1.0),)))
    assert bucket.most_held == 7
    assert bucket.let_through == 7.0


class Emptied:
    """A token bucket that is asked evenly until it turns one away, time and again."""

    def __init__(self, rate: float, holds: float) -> None:
        self.rate = rate
        self.holds = holds
        self.now = 0.0
        self.tokens = holds
        self.number = 0
        self.count = Count(0.0)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.tokens = min(self.holds, self.tokens + seconds * self.rate)

    def ask(self) -> bool:
        self.number += 1
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True

    def empty(self, asked_at: float, pause: float) -> Cycle:
        if self.number:
            self.wait(pause)
            assert self.ask()  # the probe
            self.count.opened(self.number, self.now, 1)
        while self.ask():
            self.wait(1 / asked_at)
        self.count.turned_away(self.number)
        return self.count.end(self.number, self.now)


rates = st.floats(2.0, 500.0)


@given(rates, st.floats(1.0, 40.0), st.floats(1.5, 20.0))
def test_a_bucket_that_is_full_after_each_pause_is_never_taken_for_another(
    rate: float, holds: float, haste: float
) -> None:
    emptied, bucket = Emptied(rate, holds), Bucket()
    pause = holds / rate + 0.1
    for step in (haste, 1 + haste / 2, 1 + haste / 4):
        cycle = emptied.empty(step * rate, pause)
        most = bucket.most_if_full(cycle, max(step * rate, cycle.let_through))
        assert most is not None
        assert most >= rate * 0.999
        bucket.add(cycle)


@given(rates, st.floats(4.0, 100.0), st.floats(1.5, 20.0))
def test_a_bucket_that_is_never_full_again_lets_through_its_rate(rate: float, holds: float, haste: float) -> None:
    emptied, bucket = Emptied(rate, holds), Bucket()
    pause = 2 / rate  # in which it is filled by two
    for number in range(4):
        cycle = emptied.empty(haste * rate, pause)
        if number > 1:
            assert bucket.lets_through_as_ever(cycle)
        if number:
            assert cycle.let_through == pytest.approx(rate, abs=1.01 / cycle.seconds)
        bucket.add(cycle)


@given(rates, st.integers(5, 20), st.floats(1.2, 3.0))
def test_what_a_bucket_holds_and_how_fast_it_is_filled_is_told_by_two_ways_to_empty_it(
    rate: float, holds: int, haste: float
) -> None:
    emptied, bucket = Emptied(rate, holds), Bucket()
    pause = holds / rate + 0.1
    emptied.empty(1000 * rate, pause)
    for asked_at in (1000 * rate, haste * rate):
        cycle = emptied.empty(asked_at, pause)
        bucket.add(cycle)
    uncertain = 2.5 / cycle.windows[0][1]
    assert bucket.likely(cycle, haste * rate) == pytest.approx(rate, abs=uncertain, rel=0.02)
    assert bucket.held_at(rate, cycle) == pytest.approx(holds, abs=2.5)


def test_more_at_once_before_than_after_the_pause_was_not_of_a_full_bucket() -> None:
    bucket = Bucket()
    bucket.add(Cycle(50, 0.1, ((50, 0.1),), is_between=False))
    assert bucket.most_if_full(Cycle(10, 1.05, ((9, 0.05),)), 200.0) is None
    assert bucket.most_if_full(Cycle(48, 5.05, ((48, 0.1),)), 200.0) is not None
    assert bucket.most_if_full(Cycle(47, 5.05, ((47, 0.1),)), 200.0) is None


def test_where_less_is_let_through_than_ever_it_is_no_longer_the_same_bucket() -> None:
    bucket = Bucket()
    bucket.add(Cycle(200, 10.0, ((190, 9.0),)))
    assert bucket.lets_through_as_ever(Cycle(195, 10.0, ((190, 9.0),)))
    assert bucket.lets_through_as_ever(Cycle(1, 0.15, ((1, 0.05),)))  # too few to tell
    assert not bucket.lets_through_as_ever(Cycle(100, 10.0, ((90, 9.0),)))
