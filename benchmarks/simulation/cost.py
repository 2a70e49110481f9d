"""What the Pacer costs the processor: its calls timed within a real run, among everything else that fills the caches.

Contract: the time that taking the time takes is measured beforehand, and left out.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter, perf_counter_ns, process_time
from typing import Final

from benchmarks.simulation.run import Job, Pacing
from benchmarks.simulation.world import Event
from urlsweep.core.model import Reply
from urlsweep.core.pressure import Pressure
from urlsweep.core.ticket import Ticket
from urlsweep.core.turn import Turn

_CALIBRATION_CALLS: Final = 100_000
_CALIBRATION_ROUNDS: Final = 5


class MeteredPacer:
    """A Pacer whose calls are counted and timed."""

    def __init__(self, pacer: Pacing) -> None:
        self._pacer = pacer
        self.nanoseconds = 0  # in all calls, the metering's own included
        self.calls = 0

    def seconds(self, overhead: float, share: float = 1.0) -> float:
        """The processor's seconds in all calls, at `overhead` nanoseconds of metering for each.

        `share` is the part of the time for which this process had the processor (see `undisturbed`).
        """
        return max(0.0, self.nanoseconds * share - self.calls * overhead) / 1e9

    @property
    def waiting(self) -> int:
        """As the Pacer's; not metered, since only a message asks."""
        return self._pacer.waiting

    @property
    def is_network_lost(self) -> bool:
        """As the Pacer's; not metered: less than a call."""
        return self._pacer.is_network_lost

    def add(self, host_key: str, item: Job, now: float, *, delay: float = 0.0, turn: Turn = Turn.NEXT) -> None:
        """As the Pacer's, metered, as are all that follow."""
        start = perf_counter_ns()
        self._pacer.add(host_key, item, now, delay=delay, turn=turn)
        self.nanoseconds += perf_counter_ns() - start
        self.calls += 1

    def next(self, now: float) -> tuple[Ticket, Job] | None:
        """See `add`."""
        start = perf_counter_ns()
        ready = self._pacer.next(now)
        self.nanoseconds += perf_counter_ns() - start
        self.calls += 1
        return ready

    def release(
        self,
        ticket: Ticket,
        event: Event,
        now: float,
        wall: float,
        *,
        item: Job | None = None,
        pressure: Pressure | None = None,
        failed_at: float | None = None,
    ) -> bool:
        """See `add`."""
        start = perf_counter_ns()
        is_free = self._pacer.release(ticket, event, now, wall, item=item, pressure=pressure, failed_at=failed_at)
        self.nanoseconds += perf_counter_ns() - start
        self.calls += 1
        return is_free

    def take_given_up(self) -> Iterator[tuple[str, Job, Event]]:
        """See `add`."""
        start = perf_counter_ns()
        given_up = list(self._pacer.take_given_up())
        self.nanoseconds += perf_counter_ns() - start
        self.calls += 1
        return iter(given_up)

    def wake_at(self) -> float | None:
        """See `add`."""
        start = perf_counter_ns()
        when = self._pacer.wake_at()
        self.nanoseconds += perf_counter_ns() - start
        self.calls += 1
        return when


class _Nothing:
    """Answers as quickly as a Pacer could."""

    waiting = 0
    is_network_lost = False

    def add(self, host_key: str, item: Job, now: float, *, delay: float = 0.0, turn: Turn = Turn.NEXT) -> None:
        pass

    def next(self, now: float) -> tuple[Ticket, Job] | None:  # noqa: ARG002
        return None

    def release(
        self,
        ticket: Ticket,  # noqa: ARG002
        event: Event,  # noqa: ARG002
        now: float,  # noqa: ARG002
        wall: float,  # noqa: ARG002
        *,
        item: Job | None = None,  # noqa: ARG002
        pressure: Pressure | None = None,  # noqa: ARG002
        failed_at: float | None = None,  # noqa: ARG002
    ) -> bool:
        return False

    def take_given_up(self) -> Iterator[tuple[str, Job, Event]]:
        return iter(())

    def wake_at(self) -> float | None:
        return None


def overhead() -> float:
    """Nanoseconds that a metered call of nothing comes to: the quietest of a few rounds."""
    job, event = Job(0, 0), Reply(200)
    ticket = Ticket("a.example:443", 0, 0, 0.0)
    rounds = []
    for _ in range(_CALIBRATION_ROUNDS):
        metered = MeteredPacer(_Nothing())
        for _ in range(_CALIBRATION_CALLS // 4):
            metered.next(0.0)
            metered.release(ticket, event, 0.0, 0.0)
            metered.wake_at()
            metered.add("a.example:443", job, 0.0)
        rounds.append(metered.nanoseconds / metered.calls)
    return min(rounds)


class Processor:
    """How much of some time this process had the processor."""

    share = 1.0


@contextmanager
def undisturbed() -> Iterator[Processor]:
    """No garbage collection meanwhile: whose allocation sets one off is chance, and it looks at everybody's objects.

    What others took of the processor is told by what is yielded, afterwards: a clock that leaves it out (CPU time) is
    too slow to be read at each call.
    """
    processor = Processor()
    gc.collect()
    gc.disable()
    began, used = perf_counter(), process_time()
    try:
        yield processor
    finally:
        processor.share = min(1.0, (process_time() - used) / (perf_counter() - began))
        gc.enable()
