"""What the Pacer keeps of each host, and of each group of hosts that share a limit.

Contract: records, changed by the Pacer alone; small, since a hundred thousand of them may wait, and in few pieces: each
costs most by being fetched from memory. What only some need (who keeps silent, who shares) is made for these.
Not in here: who is asked next (`pacer`), what a host lets through (`pace`).
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import Any, Final, Generic, NamedTuple, TypeVar

from urlsweep.core.bottleneck import Cause, SlowedHost
from urlsweep.core.model import Failure, Reply
from urlsweep.core.pace import Pace

Item = TypeVar("Item")

SHORT_QUEUE: Final = 16
"""Items up to which a list is the better queue: an empty deque takes more memory than all else that a host needs."""

NO_ITEM: Final[Any] = object()
"""Stands where a host has no next item; any other value may be one."""

LEAST_HELD: Final = 0.5
"""Seconds for which work has to have waited for a group that never pushed back, to be worth telling."""


class State(IntEnum):
    """What is known of a host."""

    NEW = 0  # no request to it has ended
    ALIVE = 1  # it has answered
    SILENT = 2  # it has not, ever


OUT_OF_TURN: Final = -1  # not ready: nothing to ask, or no room
IDLE: Final = -2
GONE: Final = -3  # forgotten, or part of another group


_NEW: Final = State.NEW


class Host(Generic[Item]):
    """A host, and the group that it is paced as: each is one of its own, or its part in another's is `paced_with`."""

    __slots__ = (
        "after",
        "before",
        "control",
        "given_up",
        "held",
        "held_since",
        "in_flight",
        "is_active",
        "is_failing",
        "is_private",
        "is_silent",
        "item",
        "items",
        "key",
        "late",
        "most_at_first",
        "pace",
        "paced_with",
        "place",
        "put_off",
        "sharing",
        "silence",
        "size",
        "state",
        "timer_at",
    )

    def __init__(self, key: str, pace: Pace, most_at_first: int, *, is_private: bool) -> None:
        self.key = key
        self.is_private = is_private
        self.most_at_first = most_at_first
        self.state = _NEW
        self.item: Item = NO_ITEM  # the one that is next: most hosts have no more, and need no queue
        self.items: list[Item] | deque[Item] | None = None  # that come behind it; see `SHORT_QUEUE`
        self.late: deque[tuple[float, Item, bool]] | None = None  # with when each came in; whether it is a last try
        self.in_flight = 0  # requests that are out, until it has answered
        self.is_active = False  # has something to ask
        self.is_failing = False  # its last answer was none, or push-back
        self.silence: Silence | None = None  # before its first answer, once it has failed
        self.given_up: GivenUp | None = None
        self.paced_with: Host[Item] | None = None  # the host that stands for the group; None: this one does
        # Of the group that it stands for:
        self.pace = pace
        self.sharing: Sharing[Item] | None = None  # None: it is the only one, and the group has its key
        self.size = 0  # items that wait in its hosts' queues
        self.put_off = 0  # items that wait for a time of their own
        self.control: Item | None = None  # the last one that was answered well, where its host is the only one
        self.place = OUT_OF_TURN  # among the ready ones: the number of its ring; or one of the above
        self.after: Host[Item] = NOWHERE  # in that ring, and in the one of idle groups
        self.before: Host[Item] = NOWHERE
        self.timer_at = 0.0  # of the timer that is set for its pace; 0: none is
        self.is_silent = False  # trouble, and never an answer from any of its hosts
        self.held = 0.0  # seconds in which its pace held work back
        self.held_since = -1.0  # below 0: it does not now

    def take_all(self) -> list[Item]:
        """Every item, those for later included."""
        items = [] if self.item is NO_ITEM else [self.item]
        items += self.items or ()
        items += (item for _, item, _ in self.late or ())
        self.item = NO_ITEM
        self.items = self.late = None
        return items

    @property
    def queued(self) -> int:
        """Items that wait, but for those for later."""
        return 0 if self.item is NO_ITEM else 1 + len(self.items or ())

    @property
    def first_active(self) -> Host[Item]:
        """The host of the group whose turn is next; it has one that is active."""
        return self if self.sharing is None else self.sharing.active[0]

    @property
    def group_key(self) -> str:
        """A host, a domain or an address."""
        return self.key if self.sharing is None else self.sharing.key

    @property
    def members(self) -> Sequence[Host[Item]]:
        """The hosts of the group."""
        return (self,) if self.sharing is None else self.sharing.members

    @property
    def is_shared(self) -> bool:
        """Whether there are more than one."""
        return self.sharing is not None and len(self.sharing.members) > 1

    @property
    def has_answered(self) -> bool:
        """Whether one of them has."""
        if self.sharing is None:
            return self.state is State.ALIVE
        return any(member.state is State.ALIVE for member in self.sharing.members)

    def slowed(self, now: float) -> SlowedHost | None:
        """What the group's limit held back, if that is worth telling."""
        pace = self.pace
        held = self.held + (now - self.held_since if self.held_since >= 0 else 0.0)
        sharing = self.sharing  # of as many hosts as are forgotten: a generator costs as much as all the rest
        is_given_up = (
            self.given_up is not None
            if sharing is None
            else any(member.given_up is not None for member in sharing.members)
        )
        if not pace.push_backs and not is_given_up and (held < LEAST_HELD or self.is_silent):
            return None
        rate = pace.learned_rate
        is_rate_set = pace.gap > 0 and (rate is None or rate * pace.gap >= 1)
        if is_rate_set:
            rate = 1 / pace.gap
        cause = self._cause(is_rate_set=is_rate_set)
        return SlowedHost(
            host=self.group_key,
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


class Ring(Host[Item]):
    """Groups in the order of their turns, each linked to the next, and to what stands between the last and the first.

    Who leaves from anywhere within touches its two neighbours only, where a dictionary looks three tables up for it."""

    __slots__ = ()

    def __init__(self) -> None:  # no host: its links are all that it needs
        self.after = self.before = self

    def __iter__(self) -> Iterator[Host[Item]]:
        group = self.after
        while group is not self:
            yield group
            group = group.after

    def append(self, group: Host[Item]) -> None:
        last = self.before
        group.before = last
        group.after = self
        last.after = self.before = group

    def send_back(self, group: Host[Item]) -> None:
        """One within becomes the last."""
        last = self.before
        if group is last:
            return
        before, after = group.before, group.after
        before.after = after
        after.before = before
        last.after = self.before = group
        group.before = last
        group.after = self


NOWHERE: Final[Ring[Any]] = Ring()
"""What a group is linked to that is in no ring: it keeps no other alive."""


class Sharing(Generic[Item]):
    """The hosts of a group that has a key of its own."""

    __slots__ = ("active", "key", "members")

    def __init__(self, key: str, host: Host[Item]) -> None:
        self.key = key
        self.members = [host]
        self.active = [host] if host.is_active else []  # those that have something to ask, in turn

    @property
    def group(self) -> Host[Item]:
        """The one that stands for all."""
        return self.members[0]

    def admit(self, host: Host[Item]) -> None:
        """Pace `host`, so far a group of its own, with the others."""
        self.members.append(host)
        host.paced_with = self.group
        host.place = GONE
        host.size = 0
        if host.is_active:
            self.active.append(host)

    def note(self, host: Host[Item]) -> None:
        """Whether `host` has something to ask has changed."""
        if host.is_active:
            self.active.append(host)
        else:
            self.active.remove(host)

    def next_in_turn(self) -> Host[Item]:
        """Who is to be asked now: they take turns."""
        host = self.active.pop(0)
        self.active.append(host)
        return host


class Silence:
    """What is known of a host that has never answered."""

    __slots__ = ("address", "failed_at", "failed_probes", "later", "stalls")

    def __init__(self) -> None:
        self.failed_probes = 0  # one after the other
        self.failed_at = -1.0  # when the last of them was known
        self.stalls = 0  # of its requests
        self.later = 0  # later tries that are put off
        self.address: str | None = None  # what could not be connected to


class GivenUp(NamedTuple):
    """That a host was, ..."""

    evidence: Reply | Failure  # ... what for, ...
    at: float  # ... and when


class Address:
    """One address that could not be connected to."""

    __slots__ = ("failed_at", "hosts", "rounds")

    def __init__(self) -> None:
        self.rounds = 0  # failures one after the other, each sent when the one before it was known
        self.failed_at = -1.0
        self.hosts: set[str] = set()  # silent hosts that are there
