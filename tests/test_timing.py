"""Short waits have microseconds, long ones and strange ones are left to asyncio's own way."""

from __future__ import annotations

import asyncio
import select
import selectors
import socket
from collections.abc import Callable
from contextlib import closing

import pytest

from urlsweep import timing

needs_epoll = pytest.mark.skipif(not hasattr(selectors, "EpollSelector"), reason="epoll is Linux's")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds that select is told to wait for."""
    told: list[float] = []
    plain: Callable[..., object] = select.select

    def watched(reading: object, writing: object, failing: object, seconds: float) -> object:
        told.append(seconds)
        return plain(reading, writing, failing, seconds)

    monkeypatch.setattr(select, "select", watched)
    return told


@needs_epoll
@pytest.mark.parametrize(
    ("timeout", "is_exact"), [(0.0025, True), (0.0199, True), (timing.SHORT, False), (0, False), (-1, False)]
)
def test_short_waits_alone_are_exact(timeout: float, *, is_exact: bool, waits: list[float]) -> None:
    with closing(timing.ExactSelector()) as selector:
        assert selector.select(timeout) == []
    assert waits == ([timeout] if is_exact else [])


@needs_epoll
@pytest.mark.parametrize("timeout", [None, 0.001, 0.01, 5.0])
def test_what_is_ready_is_told_at_once(timeout: float | None) -> None:
    ours, theirs = socket.socketpair()
    with closing(timing.ExactSelector()) as selector, ours, theirs:
        key = selector.register(ours, selectors.EVENT_READ, "ours")
        theirs.send(b"x")
        assert selector.select(timeout) == [(key, selectors.EVENT_READ)]


@needs_epoll
def test_a_descriptor_that_select_cannot_watch_is_left_to_epoll(
    monkeypatch: pytest.MonkeyPatch, waits: list[float]
) -> None:
    with closing(timing.ExactSelector()) as selector:
        monkeypatch.setattr(timing, "MOST_WATCHED", selector.fileno())
        assert selector.select(0.001) == []
    assert waits == []


async def _loop() -> asyncio.AbstractEventLoop:
    await asyncio.sleep(0.001)
    return asyncio.get_running_loop()


@needs_epoll
def test_a_program_runs_on_a_loop_that_waits_so(waits: list[float]) -> None:
    assert timing.run(_loop()).is_closed()
    assert [seconds for seconds in waits if 0 < seconds <= 0.001]


def test_where_there_is_no_epoll_it_is_asyncios_own_loop(monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> None:
    monkeypatch.delattr(selectors, "EpollSelector", raising=False)
    loop = timing.run(_loop())
    assert isinstance(loop, asyncio.AbstractEventLoop)
    assert waits == []
