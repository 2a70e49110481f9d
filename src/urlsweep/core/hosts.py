"""What the Pacer keeps of each host, and of each group of hosts that share a limit.

Contract: records, changed by the Pacer alone; small, since a hundred thousand of them may wait.
Not in here: who is asked next (`pacer`), what a host lets through (`pace`).
"""

from __future__ import annotations

from collections import Counter, deque
from enum import IntEnum
from typing import Final, Generic, TypeVar

from urlsweep.core.bottleneck import Cause, SlowedHost
from urlsweep.core.model import Failure, Reply
from urlsweep.core.pace import Pace

Item = TypeVar("Item")

SHORT_QUEUE: Final = 16
"""Items up to which a list is the better queue: an empty deque takes as much memory as all else that a host needs."""

LEAST_HELD: Final = 0.5
"""Seconds for which work has to have waited for a group that never pushed back, to be worth telling."""


class State(IntEnum):
    """What is known of a host."""

    NEW = 0  # no request to it has ended
    ALIVE = 1  # it has answered
    SILENT = 2  # it has not, ever


class Host(Generic[Item]):
    __slots__ = (
        "address",
        "evidence",
        "failed_at",
        "failed_probes",
        "given_up_at",
        "group",
        "in_flight",
        "is_active",
        "is_failing",
        "is_private",
        "key",
        "late",
        "later",
        "most_at_first",
        "stalls",
        "state",
        "waiting",
    )

    def __init__(self, key: str, group: Group[Item], most_at_first: int, *, is_private: bool) -> None:
        self.key = key
        self.group = group
        self.most_at_first = most_at_first
        self.is_private = is_private
        self.state = State.NEW
        self.waiting: list[Item] | deque[Item] = []  # see `SHORT_QUEUE`
        self.late: deque[tuple[float, Item, bool]] | None = (
            None  # with when each came in, and whether it is the last try
        )
        self.later = 0  # later tries that are put off
        self.in_flight = 0
        self.is_active = False  # among its group's hosts that have something to ask
        self.is_failing = False  # its last answer was none, or push-back
        self.failed_probes = 0  # one after the other, without an answer ever
        self.failed_at = -1.0  # when the last of them was known
        self.stalls = 0  # of its requests, without an answer ever
        self.address: str | None = None  # what could not be connected to
        self.evidence: Reply | Failure | None = None  # set when it was given up
        self.given_up_at = 0.0


class Group(Generic[Item]):
    __slots__ = (
        "active",
        "bucket",
        "control",
        "has_answered",
        "held",
        "held_since",
        "is_shared",
        "is_silent",
        "key",
        "members",
        "pace",
        "put_off",
        "size",
        "timer_at",
    )

    def __init__(self, key: str, pace: Pace) -> None:
        self.key = key
        self.pace = pace
        self.members: list[Host[Item]] = []
        self.active: list[Host[Item]] = []  # hosts that have something to ask, in turn
        self.size = 0  # items that wait in its hosts' queues
        self.put_off = 0  # items that wait for a time of their own
        self.control: Item | None = None  # the last one that was answered well, where its host is the only one
        self.bucket = -1  # where it stands among the ready ones; -1: not ready
        self.timer_at = 0.0  # of the timer that is set for its pace; 0: none is
        self.is_shared = False  # by more hosts than one
        self.is_silent = False  # trouble, and never an answer from any of its hosts
        self.has_answered = False
        self.held = 0.0  # seconds in which its pace held work back
        self.held_since = -1.0  # -1: it does not now

    def slowed(self, now: float) -> SlowedHost | None:
        """What its limit held back, if that is worth telling."""
        pace = self.pace
        held = self.held + (now - self.held_since if self.held_since >= 0 else 0.0)
        is_given_up = False
        for host in self.members:  # of as many hosts as are forgotten: a generator costs as much as all the rest
            is_given_up = is_given_up or host.evidence is not None
        if not pace.push_backs and not is_given_up and (held < LEAST_HELD or self.is_silent):
            return None
        rate = pace.learned_rate
        is_rate_set = pace.gap > 0 and (rate is None or rate * pace.gap >= 1)
        if is_rate_set:
            rate = 1 / pace.gap
        cause = self._cause(is_rate_set=is_rate_set)
        return SlowedHost(
            host=self.key,
            requests=pace.requests,
            push_backs=Counter(pace.push_backs or ()),
            # Who answered nothing well has shown no limit to tell of, nor has who stated an allowance.
            at_once=pace.bound if rate is None and pace.served_well and cause is not Cause.ALLOWANCE else None,
            rate=rate,
            cause=cause,
            held=held,
            is_given_up=is_given_up,
        )

    def _cause(self, *, is_rate_set: bool) -> Cause:
        pace = self.pace
        if is_rate_set:
            return Cause.SETTING
        if pace.push_backs:
            return Cause.HOST
        if pace.ran_out:
            return Cause.ALLOWANCE
        if pace.is_set:
            return Cause.SETTING
        return Cause.GROWTH if pace.bound < pace.cap else Cause.DEFAULT


class Address:
    """One address that could not be connected to."""

    __slots__ = ("failed_at", "hosts", "rounds")

    def __init__(self) -> None:
        self.rounds = 0  # failures one after the other, each sent when the one before it was known
        self.failed_at = -1.0
        self.hosts: set[str] = set()  # silent hosts that are there
