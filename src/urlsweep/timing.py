"""An event loop whose timers are on time.

Contract: as `asyncio.run`, for the programs that the package brings along; a library's user has a loop already.

epoll waits for whole milliseconds, and asyncio rounds up to them: a timer is a millisecond late (0.6 ms after 2.5, 1.1
ms after 10). That is much where a host lets through 400 requests a second, and no burst: on loopback sockets such a
one took 1.6 times its ideal and now takes 1.2, one of 100 a second 1.4 and 1.2. select waits for microseconds, and can
watch the epoll itself; the system wakes it some 0.1 ms late. kqueue (macOS) is as exact by itself.
"""

from __future__ import annotations

import asyncio
import select
import selectors
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

_T = TypeVar("_T")

SHORT: Final = 0.02
"""Seconds: what a wait is longer by than it should be, when it is longer than that, is less than a twentieth of it. The
second system call costs 2 µs, and most waits of a busy run end with an answer."""

MOST_WATCHED: Final = 1024
"""Descriptors that select can watch are less than this (FD_SETSIZE, in the C library's headers)."""


def run(program: Coroutine[Any, Any, _T]) -> _T:
    """Run `program` to its end on a loop of its own, and give what it returns."""
    with asyncio.Runner(loop_factory=_exact_loop if hasattr(selectors, "EpollSelector") else None) as runner:
        return runner.run(program)


def _exact_loop() -> asyncio.AbstractEventLoop:
    return asyncio.SelectorEventLoop(ExactSelector())


if hasattr(selectors, "EpollSelector"):

    class ExactSelector(selectors.EpollSelector):
        """That of asyncio on Linux, with microseconds."""

        def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
            """What is ready within `timeout` seconds, as `selectors.BaseSelector.select`."""
            if timeout is not None and 0 < timeout < SHORT and self.fileno() < MOST_WATCHED:
                select.select((self.fileno(),), (), (), timeout)
                timeout = 0
            return super().select(timeout)
