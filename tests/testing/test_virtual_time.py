"""Virtual time is exact, needs no real time, and tells a deadlock instead of hanging."""

from __future__ import annotations

import asyncio
import random

import pytest

from urlsweep.testing import DeadlockError, VirtualTimeLoop, run_virtual


def test_a_year_passes_at_once() -> None:
    async def a_year() -> float:
        await asyncio.sleep(365 * 86_400)
        return asyncio.get_running_loop().time()

    assert run_virtual(a_year()) == 365 * 86_400


def test_timers_fire_at_exactly_their_time_whatever_the_rounding() -> None:
    draw = random.Random(7)
    whens = [draw.uniform(0, 10**exponent) for exponent in range(12) for _ in range(200)]

    async def run() -> list[tuple[float, float]]:
        loop = asyncio.get_running_loop()
        fired: list[tuple[float, float]] = []

        def fire(when: float) -> None:
            fired.append((when, loop.time()))

        for when in whens:
            loop.call_at(when, fire, when)
        await asyncio.sleep(10**12)
        return fired

    fired = run_virtual(run())
    assert [when for when, _ in fired] == sorted(whens)
    assert all(when == now for when, now in fired)


def test_timers_less_than_a_nanosecond_apart_do_not_fire_together() -> None:
    async def run() -> list[float]:
        loop = asyncio.get_running_loop()
        fired: list[float] = []
        for when in (1.0, 1.0 + 4e-10):
            loop.call_at(when, lambda: fired.append(loop.time()))
        await asyncio.sleep(2)
        return fired

    assert run_virtual(run()) == [1.0, 1.0 + 4e-10]


def test_time_stands_still_while_anything_is_ready() -> None:
    async def run() -> float:
        for _ in range(1000):
            await asyncio.sleep(0)
        return asyncio.get_running_loop().time()

    assert run_virtual(run()) == 0.0


def test_a_cancelled_timer_does_not_move_the_time() -> None:
    async def run() -> float:
        loop = asyncio.get_running_loop()
        loop.call_later(5, print).cancel()
        await asyncio.sleep(10)
        return loop.time()

    assert run_virtual(run()) == 10.0


def test_timeouts_work() -> None:
    async def run() -> float:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.5):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    assert run_virtual(run()) == 2.5


def test_a_deadlock_is_an_error_that_names_who_waits() -> None:
    was_cancelled = []

    async def waits_for_ever() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            was_cancelled.append(True)
            raise

    async def run() -> None:
        await asyncio.sleep(3)
        await asyncio.create_task(waits_for_ever(), name="the one that waits")

    with pytest.raises(DeadlockError, match=r"at virtual time 3 s.* the one that waits"):
        run_virtual(run())
    assert was_cancelled == [True]


def test_exceptions_pass_through_and_what_is_left_is_cancelled() -> None:
    ended = []

    async def forgotten() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            ended.append(asyncio.get_running_loop().time())

    async def run() -> None:
        task = asyncio.create_task(forgotten())
        await asyncio.sleep(1)
        raise KeyError(task.get_name())

    with pytest.raises(KeyError):
        run_virtual(run())
    assert ended == [1.0]


def test_start_is_the_first_time() -> None:
    async def now() -> float:
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=lambda: VirtualTimeLoop(start=1e9)) as runner:
        assert runner.run(now()) == 1e9
