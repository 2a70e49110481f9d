"""A virtual-time event loop: hours of retries and back-off are tested in milliseconds, at exact times.

Contract: `time()` starts at 0 and moves only when nothing is ready to run: then it jumps to the next timer, which fires
at exactly its `when`. Where there is no timer either, every task waits for something that cannot come, and
`DeadlockError` is raised instead of hanging. Runs on every supported Python, using the public parts of asyncio (a
selector passed in, `call_at` overridden) but for one attribute, which says why.
Not in here: threads, subprocesses, signals and real sockets. Nothing outside the loop's own process and thread can be
waited for, as no real time passes; an executor's future is a deadlock.

    >>> import asyncio
    >>> async def a_long_day() -> float:
    ...     await asyncio.sleep(86_400)
    ...     return asyncio.get_running_loop().time()
    >>> run_virtual(a_long_day())
    86400.0
"""

from __future__ import annotations

import asyncio
import heapq
import math
import selectors
from collections.abc import Callable, Coroutine, Mapping
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple, Unpack

_T = TypeVar("_T")
_Ts = TypeVarTuple("_Ts")


class DeadlockError(RuntimeError):
    """Nothing is ready and no timer is set: what the tasks wait for will never come."""


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose time jumps from timer to timer. `start` is the first value of `time()`, in seconds.

    >>> with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
    ...     runner.run(asyncio.sleep(3600, "done"))
    'done'
    """

    def __init__(self, start: float = 0.0) -> None:
        self._now = start
        # (when, order of setting, handle): asyncio's own list of timers is private, and the timeout that it hands to
        # the selector is a difference of floats: adding it back would miss `when` by a rounding.
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timers_set = 0
        super().__init__(_JumpingSelector(self._jump))
        self._tell_resolution()

    def time(self) -> float:
        """The virtual time, in seconds."""
        return self._now

    def call_at(
        self, when: float, callback: Callable[[Unpack[_Ts]], object], *args: *_Ts, context: Context | None = None
    ) -> asyncio.TimerHandle:
        """Call `callback` at exactly `when`; `call_later` and `asyncio.sleep` come by here too."""
        handle = super().call_at(when, callback, *args, context=context)
        self._timers_set += 1
        heapq.heappush(self._timers, (when, self._timers_set, handle))
        return handle

    def _jump(self) -> None:
        """Move the time to the next timer. Raises DeadlockError where there is none."""
        while self._timers:
            when, _, handle = self._timers[0]
            if not handle.cancelled() and when > self._now:
                self._now = when
                self._tell_resolution()
                return
            heapq.heappop(self._timers)
        waiting = sorted(task.get_name() for task in asyncio.all_tasks(self) if not task.done())
        shown = ", ".join(waiting[:10]) + (", ..." if len(waiting) > 10 else "")
        raise DeadlockError(
            f"deadlock at virtual time {self._now:g} s: nothing is ready and no timer is set, but {len(waiting)} "
            f"task(s) wait: {shown or 'none'}. Something awaits what nobody will deliver (real sockets and threads "
            "cannot be waited for in virtual time)."
        )

    def _tell_resolution(self) -> None:
        # asyncio runs every timer that is due before time() + _clock_resolution. One unit in the last place makes that
        # "at or before now": neither early by a nanosecond nor, at times where a nanosecond is lost in rounding, never.
        self._clock_resolution = math.ulp(self._now)


class _JumpingSelector(selectors.BaseSelector):
    """Never waits: where asyncio would, the time is moved instead."""

    def __init__(self, jump: Callable[[], None]) -> None:
        self._jump = jump
        self._real = selectors.DefaultSelector()  # for the loop's self-pipe

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0)
        if not ready and (timeout is None or timeout > 0):
            self._jump()
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


def run_virtual(coro: Coroutine[Any, Any, _T]) -> _T:
    """Run `coro` to its end in a new `VirtualTimeLoop` and give its result; the loop is closed, tasks cancelled.

    Raises whatever `coro` raises, and DeadlockError. Call it from where no event loop runs (a plain `def test_...`).
    """
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(coro)
