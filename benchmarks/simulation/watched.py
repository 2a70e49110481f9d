"""A Pacer that is watched: every step is held against what was promised, seen from outside.

Contract: as `run.Pacing`; an AssertionError names the promise that was broken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from benchmarks.simulation.run import Job
from benchmarks.simulation.world import Event
from urlsweep.core.groups import pace_key
from urlsweep.core.limits import Limits
from urlsweep.core.model import Reply
from urlsweep.core.pace import LATENESS
from urlsweep.core.pacer import Pacer
from urlsweep.core.pressure import Pressure, is_push_back, pressure_of
from urlsweep.core.rate_limit import stated_wait
from urlsweep.core.ticket import Ticket
from urlsweep.core.turn import Turn


class Watched:
    """One run's Pacer."""

    def __init__(self, limits: Limits) -> None:
        self.pacer: Pacer[Job] = Pacer(limits)
        self._limits = limits
        self._gap = limits.bounds_of("a.example:443").gap
        self._cap = limits.bounds_of("a.example:443").cap
        self._out: Counter[str] = Counter()  # by what is known to share a limit
        self._out_at_host: Counter[str] = Counter()
        self._ended: set[str] = set()
        self._sent_at: dict[str, float] = {}
        self._closed_until: dict[str, float] = {}
        self._is_pushed: dict[str, bool] = {}
        self._times: list[float] = []

    def _key(self, host_key: str) -> str:
        return pace_key(host_key, self._limits.pace_by)

    @property
    def waiting(self) -> int:
        return self.pacer.waiting

    @property
    def is_network_lost(self) -> bool:
        return self.pacer.is_network_lost

    def add(self, host_key: str, item: Job, now: float, *, delay: float = 0.0, turn: Turn = Turn.NEXT) -> None:
        self.pacer.add(host_key, item, now, delay=delay, turn=turn)

    def next(self, now: float) -> tuple[Ticket, Job] | None:
        ready = self.pacer.next(now)
        if ready is None:
            at = self.pacer.wake_at()
            assert at is None or at > now, "a time that is over: whoever waits for it would never rest"
            assert at is not None or self.pacer.in_flight or not self.pacer.waiting, "nothing will ever wake these"
            return None
        host = ready[0].host_key
        key = self._key(host)
        self._out[key] += 1
        self._out_at_host[host] += 1
        assert self._out[key] <= self._cap
        assert self._out.total() == self.pacer.in_flight <= self._limits.concurrency
        if host not in self._ended and self._limits.per_host is None:
            assert self._out_at_host[host] == 1, "a host that was never asked gets one request"
        assert now >= self._sent_at.get(key, -1e9) + self._gap
        assert now >= self._closed_until.get(host, 0.0), "the host said when to come again"
        self._sent_at[key] = now
        self._times.append(now)
        if self._limits.total_rate is not None:
            last = self._times[-11:]
            assert len(last) - 1 <= (now - last[0] + LATENESS) * self._limits.total_rate * (1 + 1e-9)
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
        host = ticket.host_key
        self._out[self._key(host)] -= 1
        self._out_at_host[host] -= 1
        self._ended.add(host)
        if isinstance(event, Reply):
            is_pushed = event.status >= 400 and is_push_back(event, wall)
            wait = stated_wait(event, wall) if is_pushed else None
            if wait is not None and not self._is_pushed.get(host):
                until = now + min(wait, self._limits.patience)
                self._closed_until[host] = max(until, self._closed_until.get(host, 0.0))
            self._is_pushed[host] = is_pushed
        is_free = self.pacer.release(ticket, event, now, wall, item=item, pressure=pressure, failed_at=failed_at)
        if pressure_of(event, wall) is Pressure.GOOD:
            assert not is_free
        return is_free

    def take_given_up(self) -> Sequence[tuple[str, Job, Event]]:
        return self.pacer.take_given_up()

    def wake_at(self) -> float | None:
        return self.pacer.wake_at()
