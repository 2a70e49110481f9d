"""Who may be asked next: per-host queues, bounds and gates.

Contract: pure; the caller gives the time and does the waiting. An item is in exactly one place: waiting in its host's
queue, put off until a time, or out (between `next` and `release`). A waiting item holds no slot.
Not in here: what an answer means for a URL (see `check`), what an item is.

A host's bound starts small and grows by one for every bound's worth of good answers, up to a cap; trouble (time-outs,
resets) without a good answer in between halves it, but not below its start; push-back (429, 503 with Retry-After)
halves it down to one, closes the host's gate for as long as the server asks or for a doubling time, and then lets a
single probe through before the rest. A host that pushes every probe back for some time is exhausted: its items are
handed out by `take_exhausted`, to be settled without asking.
"""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Generic, NamedTuple, TypeVar

from urlsweep.core.model import Failure, Reason, Reply
from urlsweep.core.policy import PolicyError
from urlsweep.core.retry_after import retry_after
from urlsweep.core.urls import names_private_host

Item = TypeVar("Item")


class Pressure(Enum):
    """What one finished request says about its host's load."""

    NONE = auto()  # a good answer
    ERROR = auto()  # an answer or a failure that says nothing of load: never speeds a host up
    TROUBLE = auto()  # refused, reset, timed out, not found out where: it may be too much for the host, or not there
    PUSH_BACK = auto()  # the host says so itself


_TROUBLES: Final = frozenset(
    {
        Reason.CONNECT_REFUSED,
        Reason.CONNECT_RESET,
        Reason.CONNECT_TIMEOUT,
        Reason.CONNECT_UNREACHABLE,
        Reason.RESPONSE_RESET,
        Reason.RESPONSE_TIMEOUT,
        # No load of the host's, but as long a wait for nothing as a connection that is not accepted.
        Reason.DNS_TIMEOUT,
        Reason.DNS_FAILURE,
    }
)


def pressure_of(event: Reply | Failure, wall: float) -> tuple[Pressure, float | None]:
    """The pressure that `event` speaks of, and the seconds its host asks to be left alone (None: does not say)."""
    if isinstance(event, Failure):
        return (Pressure.TROUBLE if event.reason in _TROUBLES else Pressure.ERROR), None
    if event.status == 429:
        return Pressure.PUSH_BACK, retry_after(event, wall)
    if event.status == 503:
        wait = retry_after(event, wall)
        return (Pressure.ERROR if wait is None else Pressure.PUSH_BACK), wait
    return (Pressure.NONE if event.status < 500 else Pressure.ERROR), None


class Bounds(NamedTuple):
    """Requests at once to one host."""

    first: int  # until one of them has ended
    start: int  # from then on
    cap: int  # what that may grow to


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is asked at once."""

    concurrency: int = 256
    """Requests at once in all: keeps two cores busy, and stays far below the common descriptor limit of 1,024."""

    per_host: int | None = None
    """Requests at once to one host. None: start at `host_start` and grow to `host_cap` while the host is glad."""

    host_start: int = 4
    """What a shared host stands from a stranger; browsers use 6 connections to one HTTP/1.1 host."""

    host_cap: int = 32
    """A well-run site does not notice 32; more would look like an attack in its log."""

    private_start: int = 32
    """For a host that the URL itself names as loopback or private: it is the user's own, and has no cap."""

    first_wait: float = 1.0
    """Seconds that a gate stays closed after push-back that names no time; doubles with each probe pushed back."""

    longest_wait: float = 120.0
    """Seconds that a gate stays closed at most, whatever the server asks: a run has to end."""

    silent_share: float = 0.5
    """The part of all slots that silent hosts may hold while others are being asked. Less would draw the end of a run
    out, where it is they who remain; more would leave too little to those who answer."""

    probes: int = 3
    """Rounds of push-back without a good answer between them after which a host may be exhausted, ..."""

    patience: float = 30.0
    """... and the seconds from the first of them that have to have passed: a limit by the minute deserves more than the
    three seconds that three quick probes take. With gates that double, that is six probes."""

    def __post_init__(self) -> None:
        if not 1 <= self.concurrency <= 100_000:
            raise PolicyError(f"concurrency must be 1 to 100000, not {self.concurrency}")
        if self.per_host is not None and not 1 <= self.per_host <= 100_000:
            raise PolicyError(f"per_host must be 1 to 100000, not {self.per_host}")
        if not 0 < self.silent_share <= 1:
            raise PolicyError(f"silent_share must be more than 0 and at most 1, not {self.silent_share}")

    @property
    def silent_slots(self) -> int:
        """Requests at once to silent hosts, all together, while others are being asked."""
        return max(1, int(self.concurrency * self.silent_share))

    def bounds_of(self, host_key: str) -> Bounds:
        """What holds for a host that was not asked yet."""
        if self.per_host is not None:
            return Bounds(self.per_host, self.per_host, self.per_host)
        if names_private_host(host_key.rpartition(":")[0]):
            return Bounds(self.private_start, self.private_start, self.concurrency)
        return Bounds(1, self.host_start, self.host_cap)


TROUBLES_IN_A_ROW: Final = 3
"""Time-outs and resets that halve a host's bound. Among good answers they are a few bad pages, which say nothing of the
host's load."""


class Ticket(NamedTuple):
    """Leave to ask one host once: given by `Pacer.next`, handed back to `Pacer.release`."""

    host_key: str
    storm: int  # how many push-backs the host had heeded when this was given


class _Host(Generic[Item]):
    __slots__ = (
        "bound",
        "bucket",
        "cap",
        "first",
        "gate_timer",
        "good_answers",
        "has_answered",
        "in_flight",
        "is_exhausted",
        "is_probing",
        "is_silent",
        "key",
        "not_before",
        "pushed_since",
        "put_off",
        "rounds",
        "start",
        "storm",
        "troubles",
        "waiting",
        "was_pushed_back",
    )

    def __init__(self, key: str, bounds: Bounds) -> None:
        self.key = key
        self.first: int | None = bounds.first  # None once a request has ended
        self.start = bounds.start
        self.bound = bounds.start  # requests at once, as learned
        self.cap = bounds.cap
        self.has_answered = False
        self.is_silent = False  # trouble, and never an answer
        self.waiting: deque[Item] = deque()
        self.in_flight = 0
        self.put_off: dict[int, Item] = {}  # items waiting for a time of their own, by their timers' numbers
        self.bucket = -1  # where it stands among the ready ones; -1: not ready
        self.good_answers = 0  # since the bound last changed
        self.troubles = 0  # since the last good answer, or the last time they halved the bound
        self.not_before = 0.0  # the gate
        self.gate_timer = 0  # the number of the timer that opens it; 0: it is open
        self.is_probing = False  # after push-back: one at a time until a good answer
        self.was_pushed_back = False
        self.storm = 0
        self.rounds = 0  # push-backs heeded since the last good answer
        self.pushed_since = 0.0  # when the first of them came
        self.is_exhausted = False

    @property
    def room(self) -> bool:
        return self.in_flight < (1 if self.is_probing else self.first or self.bound)

    @property
    def is_idle(self) -> bool:
        return not (self.waiting or self.in_flight or self.put_off or self.gate_timer)


IDLE_HOSTS_KEPT: Final = 10_000
"""Hosts without work whose bound is remembered; beyond it the ones idle longest start anew."""


_BUCKETS: Final = 64
"""One for each length that a queue's length can have in bits; twice over: those of silent hosts stand below."""


class Pacer(Generic[Item]):
    """Hands out items, the host with most work left first (to within a factor of two), within every bound."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._hosts: dict[str, _Host[Item]] = {}
        self._idle: OrderedDict[str, None] = OrderedDict()
        # Ready hosts by the logarithm of their queue's length, each bucket an ordered set; a bit a bucket in use.
        self._ready: list[OrderedDict[str, _Host[Item]]] = [OrderedDict() for _ in range(2 * _BUCKETS)]
        self._used_buckets = 0
        self._timers: list[tuple[float, int, _Host[Item]]] = []  # an item put off comes in, or the gate opens
        self._sequence = 0
        self._gated: dict[str, _Host[Item]] = {}  # hosts whose gate is closed
        self._exhausted: deque[Item] = deque()
        self._in_flight_silent = 0  # to silent hosts
        self.in_flight = 0
        self.waiting = 0  # in queues and put off

    def add(self, host_key: str, item: Item, now: float, *, delay: float = 0.0, first: bool = False) -> None:
        """Queue `item` for `host_key`, put off by `delay` seconds; `first` puts it before the others there."""
        host = self._host(host_key)
        if host.is_exhausted:
            self._exhausted.append(item)
            self._retire(host)
            return
        self.waiting += 1
        if delay > 0:
            host.put_off[self._set_timer(now + delay, host)] = item
            return
        if first:
            host.waiting.appendleft(item)
        else:
            host.waiting.append(item)
        self._settle(host, now)

    def next(self, now: float) -> tuple[Ticket, Item] | None:
        """The item to ask now, or None: nothing is ready, or all slots are taken."""
        if self._timers and self._timers[0][0] <= now:
            self._wake(now)
        if self.in_flight >= self._limits.concurrency or not self._used_buckets:
            return None
        bucket = self._used_buckets.bit_length() - 1
        if bucket < _BUCKETS and self._limits.silent_slots <= self._in_flight_silent < self.in_flight:
            return None
        ready = self._ready[bucket]
        host = next(iter(ready.values()))
        ready.move_to_end(host.key)  # hosts with as much work left take turns
        item = host.waiting.popleft()
        host.in_flight += 1
        self.in_flight += 1
        self._in_flight_silent += host.is_silent
        self.waiting -= 1
        self._settle(host, now)
        return Ticket(host.key, host.storm), item

    def release(self, ticket: Ticket, pressure: Pressure, now: float, wait: float | None = None) -> bool:
        """Give the slot back and learn from how it went. `wait`: seconds the host asked to be left alone.

        Returns whether this was news: False for a push-back on a request that was already out when the host's
        push-back was first heeded.
        """
        host = self._hosts[ticket.host_key]
        host.in_flight -= 1
        self.in_flight -= 1
        self._in_flight_silent -= host.is_silent
        host.first = None
        if pressure is not Pressure.TROUBLE:
            host.has_answered = True
        self._count_silent(host, not host.has_answered)
        is_news = True
        if pressure is Pressure.PUSH_BACK:
            is_news = ticket.storm == host.storm
            self._push_back(host, now, wait, is_news)
        elif pressure is Pressure.NONE:
            host.rounds = 0
            host.is_probing = False
            host.troubles = 0
            self._grow(host)
        elif pressure is Pressure.TROUBLE:
            host.troubles += 1
            if host.troubles >= TROUBLES_IN_A_ROW:
                # Not below the start: a few pages that hang would bring all the others of their host to a standstill.
                host.bound = max(host.bound // 2, min(host.bound, host.start))
                host.troubles = host.good_answers = 0
        elif pressure is Pressure.ERROR:
            host.is_probing = False
        self._settle(host, now)
        self._retire(host)
        return is_news

    @property
    def has_room_for_more(self) -> bool:
        """Whether items of other hosts would find a slot: at once, or when a silent host gives one back."""
        return self.in_flight < self._limits.concurrency or self._in_flight_silent > self._limits.silent_slots

    def wake_at(self) -> float | None:
        """When something that is waiting for a time becomes ready at the earliest."""
        return self._timers[0][0] if self._timers else None

    def take_exhausted(self) -> Iterator[Item]:
        """Every item whose host has pushed back to the end, each once."""
        while self._exhausted:
            yield self._exhausted.popleft()

    def gated(self, now: float) -> int:
        """How many hosts with work are being left alone."""
        return sum(1 for host in self._gated.values() if host.not_before > now and (host.waiting or host.put_off))

    def _count_silent(self, host: _Host[Item], is_silent: bool) -> None:
        if is_silent != host.is_silent:
            host.is_silent = is_silent
            self._in_flight_silent += host.in_flight if is_silent else -host.in_flight

    def _grow(self, host: _Host[Item]) -> None:
        if host.bound >= host.cap:
            return
        host.good_answers += 1
        # After push-back the way up is four times as long: the host has shown where its limit is.
        if host.good_answers >= host.bound * (4 if host.was_pushed_back else 1):
            host.good_answers = 0
            host.bound += 1

    def _push_back(self, host: _Host[Item], now: float, wait: float | None, is_news: bool) -> None:
        if is_news:
            host.storm += 1
            host.rounds += 1
            host.bound = max(1, host.bound // 2)
            host.good_answers = 0
            host.was_pushed_back = host.is_probing = True
            if host.rounds == 1:
                host.pushed_since = now
            if host.rounds >= self._limits.probes and now - host.pushed_since >= self._limits.patience:
                self._exhaust(host)
                return
            own = self._limits.first_wait * 2.0 ** (host.rounds - 1)
            wait = own if wait is None else max(wait, own)
        if wait is not None:
            opens_at = now + min(wait, self._limits.longest_wait)
            if opens_at > host.not_before:
                host.not_before = opens_at
                host.gate_timer = self._set_timer(opens_at, host)
                self._gated[host.key] = host

    def _exhaust(self, host: _Host[Item]) -> None:
        host.is_exhausted = True
        self.waiting -= len(host.waiting) + len(host.put_off)
        self._exhausted.extend(host.waiting)
        self._exhausted.extend(host.put_off.values())
        host.waiting.clear()
        host.put_off.clear()

    def _host(self, key: str) -> _Host[Item]:
        host = self._hosts.get(key)
        if host is None:
            host = self._hosts[key] = _Host(key, self._limits.bounds_of(key))
        elif key in self._idle:
            del self._idle[key]
        return host

    def _retire(self, host: _Host[Item]) -> None:
        if not host.is_idle:
            return
        self._idle[host.key] = None
        if len(self._idle) > IDLE_HOSTS_KEPT:
            oldest, _ = self._idle.popitem(last=False)
            del self._hosts[oldest]

    def _set_timer(self, when: float, host: _Host[Item]) -> int:
        self._sequence += 1
        heapq.heappush(self._timers, (when, self._sequence, host))
        return self._sequence

    def _wake(self, now: float) -> None:
        while self._timers and self._timers[0][0] <= now:
            _, number, host = heapq.heappop(self._timers)
            if number in host.put_off:
                host.waiting.append(host.put_off.pop(number))
            elif number == host.gate_timer:
                host.gate_timer = 0
                del self._gated[host.key]
                self._retire(host)
            else:
                continue  # the gate was closed for longer, or the item went with its exhausted host
            self._settle(host, now)

    def _settle(self, host: _Host[Item], now: float) -> None:
        """Put `host` where it belongs among the ready ones."""
        is_ready = host.waiting and host.room and host.not_before <= now
        bucket = len(host.waiting).bit_length() + (0 if host.is_silent else _BUCKETS) if is_ready else -1
        if bucket == host.bucket:
            return
        if host.bucket >= 0:
            old = self._ready[host.bucket]
            del old[host.key]
            if not old:
                self._used_buckets &= ~(1 << host.bucket)
        if bucket >= 0:
            self._ready[bucket][host.key] = host
            self._used_buckets |= 1 << bucket
        host.bucket = bucket
