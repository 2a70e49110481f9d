"""How much may be asked at once and how fast: frozen data, every default with its reason beside it.

Contract: Limits decide nothing over time (that is `pace` for one host, `pacer` for all of them).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from urlsweep.core.policy import ByHand, PolicyError, check_by_hand, check_rate
from urlsweep.core.urls import names_private_host

MOST_AT_ONCE: Final = 100_000
LONGEST_PATIENCE: Final = 7 * 86_400.0


class PaceBy(StrEnum):
    """What shares one limit."""

    HOST = "host"  # each host and port its own
    DOMAIN = "domain"  # all hosts of one registrable domain (Public Suffix List)
    ADDRESS = "address"  # all hosts that one IP address answers for


class Bounds(NamedTuple):
    """What holds for the requests to one group of hosts, as long as nothing was learned."""

    start: int  # at once
    cap: int  # what that may grow to
    gap: float = 0.0  # seconds between two of them, at the least
    first: int = 1  # at once to one host until a request to it has ended
    doubles: bool = False  # what is allowed at once, with each round of good answers, until the first trouble


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is asked at once, and how fast."""

    concurrency: int = 256
    """Requests at once in all: keeps two cores busy, and stays far below the common descriptor limit of 1,024."""

    total_rate: float | None = None
    """Requests a second in all, evenly spaced. None: no bound."""

    per_host: int | None = None
    """Requests at once to one host. None: start at `host_start` and learn, up to `host_cap`."""

    rate: float | None = None
    """Requests a second to one host at most, evenly spaced. None: learned from the host alone."""

    delay: float = 0.0
    """Seconds between two requests to one host, from start to start, as robots.txt's Crawl-delay."""

    pace_by: PaceBy = PaceBy.HOST
    """What a limit is learned for. Hosts of one domain are mostly servers of their own."""

    patience: float = 300.0
    """Seconds for which a host that says it is asked too much is waited for without progress: past most limits by the
    minute, and five of them."""

    outage_patience: float = 60.0
    """Seconds for which a host that answered before and cannot be connected to any more is tried again, and a network
    that has gone: past a restart; longer is an outage that a person wants to hear of."""

    overload_patience: float = 75.0
    """The same for a host that answers 503 without saying when to come again, or hangs up, whatever it is asked: past a
    limit by the minute, which some servers keep in just these ways."""

    host_start: int = 4
    """What a shared host stands from a stranger; browsers use 6 connections to one HTTP/1.1 host."""

    host_cap: int = 32
    """A well-run site does not notice 32; more would look like an attack in its log."""

    private_start: int = 32
    """For a host that the URL itself names as loopback or private: it is the user's own, has no cap, and what it is
    asked at once doubles with each round of good answers until the first trouble."""

    first_wait: float = 1.0
    """Seconds that a gate stays closed after push-back that names no time; doubles with each probe pushed back."""

    longest_wait: float = 60.0
    """What that doubles up to. A time that the host names itself is obeyed up to `patience`."""

    probes: int = 3
    """Tries in a row, one after the other, without any answer ever, after which a host is taken for dead."""

    silent_share: float = 0.5
    """The part of all slots that silent hosts may hold while others are being asked. Less would draw the end of a run
    out, where it is they who remain; more would leave too little to those who answer."""

    def __post_init__(self) -> None:
        _check("concurrency", self.concurrency, 1, MOST_AT_ONCE)
        check_by_hand(self.per_host, self.rate, self.delay)
        if self.total_rate is not None:
            check_rate("total_rate", self.total_rate)
        _check("patience", self.patience, 0, LONGEST_PATIENCE)
        _check("outage_patience", self.outage_patience, 0, LONGEST_PATIENCE)
        _check("overload_patience", self.overload_patience, 0, LONGEST_PATIENCE)
        if not 0 < self.silent_share <= 1:
            raise PolicyError(f"silent_share must be more than 0 and at most 1, not {self.silent_share}")

    @property
    def silent_slots(self) -> int:
        """Requests at once to silent hosts, all together, while others are being asked."""
        return max(1, int(self.concurrency * self.silent_share))

    def bounds_of(self, host_key: str, by_hand: ByHand | None = None) -> Bounds:
        """What holds for a host that was not asked yet; `by_hand` is stronger than what holds for all."""
        return self.bounds(by_hand, is_private=names_private_host(host_key.rpartition(":")[0]))

    def bounds(self, by_hand: ByHand | None = None, *, is_private: bool) -> Bounds:
        """The same for any host that the URL names as private, or does not."""
        per_host, rate, delay = by_hand if by_hand is not None else (None, None, None)
        per_host = self.per_host if per_host is None else per_host
        rate = self.rate if rate is None else rate
        delay = self.delay if delay is None else delay
        gap = max(delay, 1 / rate if rate is not None else 0.0)
        if per_host is not None:
            return Bounds(per_host, per_host, gap, per_host)
        if is_private:
            return Bounds(self.private_start, self.concurrency, gap, self.private_start, doubles=True)
        return Bounds(self.host_start, self.host_cap, gap)


def _check(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        raise PolicyError(f"{name} must be {least:g} to {most:.0f}, not {value}")
