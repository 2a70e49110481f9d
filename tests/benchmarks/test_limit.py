"""What limits let through, and how loads are counted: tables of times."""

from __future__ import annotations

import pytest
from benchmarks.world.limit import AtOnce, TokenBucket
from benchmarks.world.load import Carried, Load


def test_a_bucket_lets_its_burst_through_and_then_its_rate() -> None:
    bucket = TokenBucket(rate=10, burst=3)
    times = [0.0, 0.0, 0.0, 0.0, 0.05, 0.11, 0.12, 0.21]
    assert [bucket.take(now) for now in times] == [True, True, True, False, False, True, False, True]


def test_a_bucket_holds_no_more_than_its_burst() -> None:
    bucket = TokenBucket(rate=10, burst=2)
    assert [bucket.take(now) for now in (0.0, 100.0, 100.0, 100.0)] == [True, True, True, False]


def test_in_the_long_run_a_bucket_gives_its_rate_however_much_is_asked() -> None:
    bucket = TokenBucket(rate=16, burst=1)
    assert sum(bucket.take(step / 1024) for step in range(30 * 1024)) == 30 * 16  # powers of 2: nothing is rounded


@pytest.mark.parametrize(("rate", "burst"), [(0, 1), (-1, 1), (5, 0.5)])
def test_a_bucket_that_lets_nothing_through_is_no_bucket(rate: float, burst: float) -> None:
    with pytest.raises(ValueError, match="lets nothing through"):
        TokenBucket(rate, burst)


def test_so_many_at_once_and_one_more_is_refused() -> None:
    limit = AtOnce(2)
    assert [limit.take(0.0, at_once) for at_once in (1, 2, 3, 2)] == [True, True, False, True]


def test_a_load_tells_the_most_at_once_and_when_it_was_reached() -> None:
    load = Load()
    for now, is_new in ((1.0, True), (1.1, True), (1.2, False), (1.3, True), (1.4, True)):
        if is_new:
            load.begin(now)
        else:
            load.end()
    assert load.climb == [1.0, 1.1, 1.4]
    assert (load.most_at_once, load.at_once) == (3, 3)


def test_the_busiest_second_may_begin_anywhere() -> None:
    load = Load()
    for now in (0.0, 0.9, 1.0, 1.5, 1.8, 1.95, 9.0):
        load.begin(now)
    load.refused += 1
    assert load.carried() == Carried(requests=7, refused=1, most_at_once=7, most_a_second=4, seconds=9.0)
    assert load.carried().let_through == 6


def test_a_host_that_nobody_asked_carried_nothing() -> None:
    assert Load().carried() == Carried(0, 0, 0, 0, 0.0)
