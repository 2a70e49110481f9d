"""What the Pacer costs the processor: all that is asked of one in a run is asked of a second one too, and timed.

Contract: a Pacer is deterministic, so that its twin does the same work. Batches of calls are timed as a whole, by the
time that this process has had the processor: neither reading the clock at each call nor other programs are part of the
figure. What it takes to call from a loop is: 0.6 us for the seven calls of a URL, where an engine takes 0.2. Between
batches the run goes on and fills the caches with its own, as an engine does.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from functools import partial
from time import process_time
from typing import Final, ParamSpec, TypeVar

from benchmarks.simulation.run import Job
from urlsweep.core.pacer import Pacer

BATCH: Final = 256
"""Calls that are timed together: with thousands, what they wait in pushes what the Pacer needs out of the caches."""

_P = ParamSpec("_P")
_R = TypeVar("_R")


class MeteredPacer:
    """A Pacer with a twin that is timed."""

    def __init__(self, pacer: Pacer[Job], twin: Pacer[Job]) -> None:
        """`twin` is made as `pacer` is, and neither has been asked anything."""
        self._pacer = pacer
        self._batch: list[Callable[[], object]] = []
        self._seconds = 0.0
        self._calls = 0
        self.add = self._noted(pacer.add, twin.add)
        self.next = self._noted(pacer.next, twin.next)
        self.release = self._noted(pacer.release, twin.release)
        self.wake_at = self._noted(pacer.wake_at, twin.wake_at)
        self.take_given_up = self._noted(pacer.take_given_up, twin.take_given_up)

    def _noted(self, call: Callable[_P, _R], twins: Callable[_P, object]) -> Callable[_P, _R]:
        batch = self._batch

        def noted(*args: _P.args, **kwargs: _P.kwargs) -> _R:
            if len(batch) >= BATCH:
                self._replay()
            batch.append(partial(twins, *args, **kwargs))
            return call(*args, **kwargs)

        return noted

    def _replay(self) -> None:
        batch = self._batch
        was_enabled = gc.isenabled()
        gc.disable()  # whose allocation sets a collection off is chance, and it looks at everybody's objects
        began = process_time()
        for call in batch:
            call()
        self._seconds += process_time() - began
        if was_enabled:
            gc.enable()
        self._calls += len(batch)
        batch.clear()

    @property
    def seconds(self) -> float:
        """The processor's, in all calls so far."""
        self._replay()
        return self._seconds

    @property
    def calls(self) -> int:
        """How many these were."""
        return self._calls + len(self._batch)

    @property
    def waiting(self) -> int:
        """As the Pacer's; not metered, since only a message asks."""
        return self._pacer.waiting

    @property
    def is_network_lost(self) -> bool:
        """As the Pacer's; not metered: less than a call."""
        return self._pacer.is_network_lost
