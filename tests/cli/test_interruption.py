"""Signals as they are taken within a process that lives on (see test_processes for those that end)."""

from __future__ import annotations

import signal
import threading

import pytest

from urlsweep.cli.interruption import SIGNALS, Interruption


@pytest.fixture
def endings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The exit codes with which the process would have ended."""
    codes: list[int] = []
    monkeypatch.setattr("os._exit", codes.append)
    return codes


@pytest.mark.parametrize("number", SIGNALS)
def test_the_first_signal_calls_and_is_remembered(number: signal.Signals, endings: list[int]) -> None:
    calls: list[str] = []
    with Interruption() as interruption:
        assert interruption.exit_code is None
        interruption.calls(lambda: calls.append("stop"))
        signal.raise_signal(number)
        assert calls == ["stop"]
        assert interruption.exit_code == 128 + number
    assert endings == []


def test_a_second_signal_ends_the_process(endings: list[int]) -> None:
    with Interruption():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
    assert endings == [143]


def test_a_signal_before_there_is_anything_to_stop_stops_it_at_once(endings: list[int]) -> None:
    calls: list[str] = []
    with Interruption() as interruption:
        signal.raise_signal(signal.SIGINT)
        interruption.calls(lambda: calls.append("stop"))
    assert (calls, endings) == (["stop"], [])


def test_a_loop_that_is_closed_already_needs_no_stopping(endings: list[int]) -> None:
    def stop() -> None:
        raise RuntimeError("Event loop is closed")

    with Interruption() as interruption:
        interruption.calls(stop)
        signal.raise_signal(signal.SIGINT)
    assert interruption.exit_code == 130


def test_the_handlers_of_before_come_back_and_no_timer_stays(endings: list[int]) -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with Interruption():
        signal.raise_signal(signal.SIGINT)
        timers = [thread for thread in threading.enumerate() if isinstance(thread, threading.Timer)]
        assert timers
    assert [signal.getsignal(number) for number in SIGNALS] == before
    for timer in timers:
        timer.join()
    assert endings == []


def test_outside_the_main_thread_nothing_is_installed() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    seen: list[list[object]] = []

    def run() -> None:
        with Interruption():
            seen.append([signal.getsignal(number) for number in SIGNALS])

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]
