"""What a run was limited by: where its time went, and what each slowed host let through.

Contract: plain figures, filled in by the engine and the Pacer as the run goes on and read by the summary.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum

import msgspec


class Limiter(StrEnum):
    """What kept a run from being faster at one moment; there is always exactly one, the first that applies."""

    NETWORK = "network"  # it was taken for gone: nothing but probes was sent
    SLOTS = "slots"  # every slot of `concurrency` was taken
    TOTAL_RATE = "total_rate"  # somebody was ready to be asked, and `total_rate` was reached
    HOSTS = "hosts"  # URLs waited for their hosts' limits: gates, rates, requests at once
    INPUT = "input"  # nothing waited, and the input was not read to its end
    TIMEOUTS = "timeouts"  # nothing waited but for answers and later tries of hosts that keep silent
    LATER_TRIES = "later_tries"  # nothing was under way: only later tries were waited for
    ANSWERS = "answers"  # nothing waited: answers were under way


class Cause(StrEnum):
    """What held a host's URLs back."""

    HOST = "host"  # it pushed back: its limit was found
    ALLOWANCE = "allowance"  # it stated how much was left, until nothing was: it had no need to push back
    SETTING = "setting"  # what was set: --per-host, --rate, --delay, rules, a robots.txt
    DEFAULT = "default"  # the most that a host is asked at once, unless something is set
    GROWTH = "growth"  # how much it stands was not known yet, and it had not minded any of it


class SlowedHost(msgspec.Struct):
    """One host (or group, see `PaceBy`) whose limit held URLs back."""

    host: str  # its host key: "example.com:443"; a domain or an address where these are paced together
    requests: int = 0  # answered or failed
    push_backs: Counter[str] = msgspec.field(default_factory=Counter)
    """By what taught it: "429", "503", "connect.refused"."""
    at_once: int | None = None  # the limit found, or come to; None: not what held it back
    rate: float | None = None  # requests a second found, or set; None: not what held it back
    cause: Cause = Cause.HOST
    held: float = 0.0  # seconds in which URLs waited for its limit
    is_given_up: bool = False  # patience ended, or it is dead

    @property
    def pushed(self) -> int:
        """Push-backs of all kinds."""
        return self.push_backs.total()


class Bottleneck(msgspec.Struct):
    """Where a run's time went."""

    seconds: dict[Limiter, float] = msgspec.field(default_factory=lambda: dict.fromkeys(Limiter, 0.0))
    """The run's time, by what limited it."""
    slowed: list[SlowedHost] = msgspec.field(default_factory=list)  # those that held most, longest first
    slowed_hosts: int = 0  # how many there were in all
    cpu_seconds: float = 0.0  # of the process during the run; of the busiest one where there are several
    processes: int = 1  # that the run was made by
    request_seconds: float = 0.0  # of all requests together
    lookup_seconds: float = 0.0  # of these, for names to be looked up
    timeout_seconds: float = 0.0  # of these, for requests that timed out
