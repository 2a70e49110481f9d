"""SIGINT and SIGTERM: the first one asks the run to end well, the second one ends the process.

Contract: from the first signal the process has `GRACE` seconds, whatever blocks: a terminal that is not read, a
resolver's thread, a server that does not hang up. Installed by the command line alone, and taken back at the end.

Plain signal handlers rather than the event loop's own: those wait for the loop, which may be stuck in a write to a pipe
that nobody reads. They also work on loops (Windows) that have none.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Final, Self

GRACE: Final = 1.7
"""Seconds: two in all are promised, and the interpreter needs some to start and end."""

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Within it, signals are taken. Does nothing outside the main thread, where none arrive."""

    def __init__(self) -> None:
        self.signal: int | None = None  # the one that came
        self._stop: Callable[[], object] | None = None
        self._previous: dict[int, Any] = {}
        self._deadline: threading.Timer | None = None

    def calls(self, stop: Callable[[], object]) -> None:
        """`stop` is called, in the signal's handler, when one comes; at once if one has come already."""
        self._stop = stop
        if self.signal is not None:
            stop()

    @property
    def exit_code(self) -> int | None:
        """What the process is to end with because of a signal; None where none came."""
        return None if self.signal is None else 128 + self.signal

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._take) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for number, previous in self._previous.items():
            signal.signal(number, previous)
        if self._deadline is not None:
            self._deadline.cancel()

    def _take(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002  a handler's signature
        if self.signal is not None:
            os._exit(128 + number)
        self.signal = number
        self._deadline = threading.Timer(GRACE, os._exit, [128 + number])
        self._deadline.daemon = True
        self._deadline.start()
        if self._stop is not None:
            try:
                self._stop()
            except RuntimeError:
                pass  # the run is over and its loop closed
