"""The workloads: what is asked for, where, how many at once, and what urlsweep is meant to reach.

Contract: data, and its arithmetic. A size is that of a full run; `Workload.scaled` gives the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from benchmarks.speed.pages import ALL_FAULTS, PASSING, Kind

LEAST_URLS: Final = 8
"""Of a scaled workload: with fewer, not every kind of page would be planted."""


class Limit(StrEnum):
    """What no client can be faster than, for comparison."""

    WRK = "wrk"  # wrk's requests on one URL
    BARE = "bare"  # a loop that connects, sends, receives and closes: neither names nor lists nor answers are looked at
    LATENCY = "latency"  # the servers' own time
    NONE = "none"


class Measure(StrEnum):
    """What a goal is a bound of."""

    FASTER = "times as fast as lychee"  # at least
    IDEAL = "times the ideal time"  # at most
    MEMORY = "MiB"  # at most


@dataclass(frozen=True)
class Goals:
    """What urlsweep has to reach, and what it would like to."""

    measure: Measure
    must: float
    aim: float
    moonshot: float

    def reached(self, value: float) -> str:
        """The best of the three that `value` reaches."""
        sign = 1 if self.measure is Measure.FASTER else -1
        for name in ("moonshot", "aim", "must"):
            if sign * value >= sign * float(getattr(self, name)):
                return name
        return "missed"


@dataclass(frozen=True)
class Workload:
    """One list and how it is run."""

    name: str
    title: str
    urls: int
    hosts: int  # 0: one, named by its address 127.0.0.1 and without a look-up
    scheme: str = "http"
    at_once: int = 256
    latency: float = 0.0  # seconds from a request to its answer
    planted: tuple[Kind, ...] = PASSING
    limit: Limit = Limit.NONE
    goals: Goals | None = None
    goals_of_two: Goals | None = None  # with two processes
    rounds: int | None = None  # a number of its own
    is_timed: bool = True  # False: it is about the answers alone

    def scaled(self, scale: float) -> Workload:
        """The same with other numbers of URLs and hosts."""
        urls = max(LEAST_URLS, round(self.urls * scale))
        hosts = max(1, round(self.hosts * scale)) if self.hosts else 0
        return replace(self, urls=urls, hosts=hosts)

    @property
    def ideal(self) -> float | None:
        """Seconds that the servers' latency leaves to any client."""
        return self.urls / self.at_once * self.latency or None


WORKLOADS: Final[Sequence[Workload]] = (
    Workload(
        "one-host", "One host, http", 100_000, 0,
        limit=Limit.WRK, goals=Goals(Measure.FASTER, 2.5, 3.5, 6.0),
    ),
    Workload(
        "one-host-tls", "One host, TLS, connections kept alive", 60_000, 0, "https",
        limit=Limit.WRK, goals=Goals(Measure.FASTER, 1.6, 2.2, 3.0),
    ),
    Workload(
        "hosts", "10,000 hosts, http, look-ups included", 10_000, 10_000,
        limit=Limit.BARE, goals=Goals(Measure.FASTER, 1.5, 2.5, 4.0),
    ),
    Workload(
        "hosts-tls", "6,000 hosts, TLS, look-ups included", 6_000, 6_000, "https",
        limit=Limit.BARE, goals=Goals(Measure.FASTER, 0.75, 0.85, 1.2),
        goals_of_two=Goals(Measure.FASTER, 1.05, 1.15, 1.4),
    ),
    Workload(
        "latency", "10,000 URLs on 1,000 hosts that answer after 100 ms, 1,000 at once", 10_000, 1_000,
        at_once=1_000, latency=0.1, limit=Limit.LATENCY, goals=Goals(Measure.IDEAL, 1.4, 1.27, 1.15),
    ),
    Workload("memory", "Memory: one host, http, 200,000 URLs", 200_000, 0, rounds=1),
    Workload(
        "faults", "Truth: 2,000 URLs on 100 hosts, 500s among them, every tool with its own later tries", 2_000, 100,
        planted=ALL_FAULTS, rounds=1, is_timed=False,
    ),
)  # fmt: skip

SCALING: Final = Workload("scaling", "Scaling: one host, http", 1_000_000, 0, rounds=1)
"""urlsweep alone, at this size and at a tenth, a hundredth and a thousandth of it."""

SCALING_SHARES: Final = (0.001, 0.01, 0.1, 1.0)
SCALING_GOALS: Final = Goals(Measure.MEMORY, 80.0, 50.0, 35.0)

START_UP: Final = "start-up"

NAMES: Final = (*(workload.name for workload in WORKLOADS), SCALING.name, START_UP)
