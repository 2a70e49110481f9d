"""Who may be asked next: queues by host, paces by group, and the clock.

Contract: pure; the caller gives the time and does the waiting. An item is in exactly one place: waiting in its host's
queue, put off until a time, out (between `next` and `release`), or given up (until `take_given_up`). A waiting item
holds no slot.
Not in here: what a host lets through (`pace`), what an answer means for a URL (`check`), what an item is.

Hosts are paced in groups: each its own, or those that share a domain or an address (`PaceBy`). The group with most work
left goes first, and its hosts take turns. A host that was never asked gets one request until that has ended. One that
keeps silent is probed by one URL at a time, and after a few tries in a row taken for dead, as is one that pushed back
or could not be connected to for as long as patience goes: what waits for it is given up, with the evidence.
"""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Final, Generic, NamedTuple

from urlsweep.core.bottleneck import Limiter, SlowedHost
from urlsweep.core.groups import pace_key
from urlsweep.core.hosts import (
    GONE,
    IDLE,
    NO_ITEM,
    NOWHERE,
    OUT_OF_TURN,
    SHORT_QUEUE,
    Address,
    GivenUp,
    Host,
    Item,
    Ring,
    Sharing,
    Silence,
    State,
)
from urlsweep.core.limits import Limits, PaceBy
from urlsweep.core.model import Failure, Reason, Reply
from urlsweep.core.network import PROBES_AT_ONCE, NetworkWatch, reaches_nobody
from urlsweep.core.pace import LATENESS, Pace
from urlsweep.core.policy import ByHand
from urlsweep.core.pressure import Pressure, pressure_of
from urlsweep.core.rate_limit import allowance, stated_wait
from urlsweep.core.ticket import Ticket
from urlsweep.core.turn import Turn
from urlsweep.core.urls import names_private_host


class Gated(NamedTuple):
    """Hosts that are being left alone."""

    hosts: int
    until: float | None  # when the first of them is asked again, on the caller's clock; None: there are none


_NEW: Final = State.NEW
_ALIVE: Final = State.ALIVE
_SILENT: Final = State.SILENT
_GOOD: Final = Pressure.GOOD
_NEXT: Final = Turn.NEXT
_LATE: Final = Turn.LATE
_LAST: Final = Turn.LAST

STALLS_UNTIL_DEAD: Final = 3
"""Times `Limits.probes`: a host that lets itself be connected to and then says nothing may have bad pages; so many of
them, each tried in full, say that it has nothing else."""

PROBES_APART: Final = 0.5
"""Seconds from one failure to the next that proves any more: what fails at once fails three times in a moment, and that
may be a limit on the first requests, or a server that is just being restarted."""

STALLING_AT_ONCE: Final = 3
"""URLs of such a host that are tried at once."""

LATE_AT_MOST: Final = 60.0
"""Seconds that a later try waits for the other work of its host to end, ..."""

LATE_BEFORE_END: Final = 10.0
"""... or to come down to so many seconds of it, where the host's rate is known: two later tries, with the pauses before
them (`Policy.retry_delays`), would else be all that a run waits for, at a host that has nothing else to do."""

IDLE_GROUPS_KEPT: Final = 10_000
"""Groups without work whose limits are remembered; beyond it the ones idle longest start anew."""

ADDRESSES_KEPT: Final = 10_000
"""Addresses that could not be connected to, the latest."""

SLOWED_TOLD: Final = 100
"""Slowed hosts that are told of at most, those that held most."""

_BUCKETS: Final = 64
"""One for each length that a queue's length can have in bits; twice over: those of silent hosts stand below."""
_BITS: Final = tuple(1 << number for number in range(2 * _BUCKETS))
_SILENT_BUCKETS: Final = (1 << _BUCKETS) - 1


def _may_be_asked(host: Host[Item]) -> bool:
    return host.is_active and (host.paced_with or host).place >= 0


def _known_rate(pace: Pace) -> float:
    """Requests a second that a host is asked at; 0 where nobody said, and it did not."""
    return 1 / pace.gap if pace.gap else pace.learned_rate or 0.0


class Pacer(Generic[Item]):
    """Hands out items, the group with most work left first (to within a factor of two), within every bound."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._bounds = limits.bounds(is_private=False), limits.bounds(is_private=True)  # where nothing is said by hand
        self._unasked = Pace(self._bounds[False], limits), Pace(self._bounds[True], limits)  # of all that wait for that
        self._concurrency = limits.concurrency
        self._silent_slots = limits.silent_slots
        self._silent_first = limits.silent_slots // 2
        self._total_gap = 0.0 if limits.total_rate is None else 1 / limits.total_rate
        self._opens_at = 0.0  # when the next request may go at all
        self._hosts: dict[str, Host[Item]] = {}
        self._shared: dict[str, Sharing[Item]] = {}
        self._idle: Ring[Item] = Ring()  # longest idle first
        self._idle_groups = 0
        # Ready groups by the logarithm of their queue's length; a bit a bucket in use.
        self._ready: list[Ring[Item]] = [Ring() for _ in range(2 * _BUCKETS)]
        self._used_buckets = 0
        # (when, number, host, item, turn): an item put off comes in. (when, number, group): its pace lets one go.
        self._timers: list[tuple[float, int, Host[Item], Item, Turn] | tuple[float, int, Host[Item]]] = []
        self._sequence = 0
        self._due = math.inf  # when the first of them is
        self._gates: set[Host[Item]] = set()  # groups that wait for a gate
        self._given_up: list[tuple[str, Item, Reply | Failure]] = []
        self._addresses: OrderedDict[str, Address] = OrderedDict()
        self._in_flight_silent = 0
        self._network = NetworkWatch(limits.outage_patience)
        self._probes: list[Host[Item]] = []  # hosts to be asked while the network is down, ...
        self._witness: Host[Item] | None = None  # ... and one that answered well and has nothing left
        self._slowed: list[tuple[float, int, SlowedHost]] = []  # a heap, of groups that were forgotten
        self._slowed_groups = 0
        self.in_flight = 0
        self.waiting = 0  # in queues and put off
        self.put_off = 0  # of these, waiting for a time of their own

    # -- in

    def add(self, host_key: str, item: Item, now: float, *, delay: float = 0.0, turn: Turn = Turn.NEXT) -> None:
        """Queue `item` for `host_key`, put off by `delay` seconds."""
        host = self._hosts.get(host_key)
        if host is None:
            host = self._new_host(host_key)
        group = host.paced_with or host
        if group.place == IDLE:
            self._leave_ring(group)
        if delay > 0.0:
            self._put_off(host, item, now, delay, turn)
            return
        if host.given_up is not None and not self._is_asked_anew(host, host.given_up, now):
            self._given_up.append((host.key, item, host.given_up.evidence))
            self._retire(group, now)
            return
        if turn >= _LATE:
            if host.late is None:
                host.late = deque()
            host.late.append((now, item, turn is _LAST))
            if host.item is NO_ITEM and host.late[0][2]:
                self._own_pace(group).rest()
        elif host.item is NO_ITEM:
            host.item = item
        else:
            items = host.items
            if items is None:
                items = host.items = []
            elif len(items) == SHORT_QUEUE and isinstance(items, list):
                items = host.items = deque(items)
            if turn is _NEXT:
                items.append(item)
            else:
                items.insert(0, host.item)
                host.item = item
        self.waiting += 1
        group.size = size = group.size + 1
        # One more behind others changes nothing, unless the group moves up among the ready ones: at a power of two.
        if not host.is_active or (group.place >= 0 and not size & (size - 1)):
            self._settle(host, group, now)

    def _put_off(self, host: Host[Item], item: Item, now: float, delay: float, turn: Turn) -> None:
        group = host.paced_with or host
        if turn >= _LATE and host.state is not _ALIVE:
            self._silence_of(host).later += 1
        group.put_off += 1
        self.put_off += 1
        self.waiting += 1
        self._sequence += 1
        heapq.heappush(self._timers, (now + delay, self._sequence, host, item, turn))
        self._due = self._timers[0][0]
        if host.state is not _ALIVE:  # the others wait for what becomes of this one
            self._settle(host, group, now)

    def bind(self, host_key: str, by_hand: ByHand, now: float) -> None:
        """Keep the group of `host_key` within what was said by hand for one of its URLs, the strictest of all."""
        host = self._hosts.get(host_key)
        if host is None:
            self._new_host(host_key, by_hand)
            return
        bounds = self._limits.bounds(by_hand, is_private=host.is_private)
        host.most_at_first = min(host.most_at_first, bounds.first)
        group = host.paced_with or host
        self._own_pace(group).narrow(bounds)
        self._settle(host, group, now)  # it may be out of room now

    # -- out

    def next(self, now: float) -> tuple[Ticket, Item] | None:
        """The item to ask now, or None: nothing is ready, or all slots are taken."""
        if self._due <= now:
            self._wake(now)
        if self.in_flight >= self._concurrency:
            return None
        used = self._used_buckets
        if not used or now < self._opens_at:
            return None
        place = OUT_OF_TURN
        is_witness = False
        asked: Host[Item] | None = None  # out of turn, to see whether the network is there
        if self._network.is_alarmed:
            if self._network.is_down:
                asked = self._next_probe(now)
                if asked is None:
                    return None
            elif self._network.witnesses_wanted:
                self._network.witnesses_wanted -= 1
                asked = self._find_witness()
                if asked is not None:
                    self._leave_ring(asked)
        if asked is not None:
            host = asked
            group = host.paced_with or host
            is_witness = not group.size  # once more what it answered well
        else:
            if used & _SILENT_BUCKETS:
                if self._is_a_slot_awaited:
                    return None
                used = self._first_buckets
            place = used.bit_length() - 1
            host = group = self._ready[place].after
            if group.sharing is not None:
                host = group.sharing.next_in_turn()
        pace = group.pace
        if not pace.requests:
            pace = self._own_pace(group)
        late = host.late
        is_late = is_control = False
        if (
            (pace.is_probing or is_witness)
            and group.control is not None
            and (is_witness or pace.wants_control or (group.size == 1 and pace.wants_comparison))
        ):
            item = group.control
            is_control = True
        else:
            if late and (
                host.state is not _ALIVE
                or now - late[0][0] >= LATE_AT_MOST
                or host.queued <= _known_rate(pace) * LATE_BEFORE_END
            ):
                _, item, _ = late.popleft()
                is_late = True
            else:
                item, items = host.item, host.items
                if items:
                    host.item = items[0]
                    del items[0]
                else:
                    host.item = NO_ITEM
            group.size -= 1
            self.waiting -= 1
        level = pace.sent(now)
        if late and late[0][2] and host.item is NO_ITEM:
            pace.rest()
        self.in_flight += 1
        if self._total_gap:
            # A little lateness (a busy machine's timers) is made up for, or the rate would not be reached.
            self._opens_at = max(self._opens_at, now - min(self._total_gap, LATENESS)) + self._total_gap
        if host.state is not _ALIVE:
            host.in_flight += 1
            if group.is_silent:
                self._in_flight_silent += 1
            self._settle(host, group, now)
        elif host.item is NO_ITEM or not host.is_active:
            self._settle(host, group, now)
        else:  # as most: nothing changes but the room
            self._place(group, now)
        if group.place == place >= 0:  # hosts with as much work left take turns
            self._ready[place].send_back(group)
        return Ticket(host.key, pace.storm, level, now, pace.requests, is_late, is_control), item

    def release(
        self,
        ticket: Ticket,
        event: Reply | Failure,
        now: float,
        wall: float,
        *,
        item: Item | None = None,
        pressure: Pressure | None = None,
        failed_at: float | None = None,
    ) -> bool:
        """Give the slot back and learn from `event`. `wall` is the time of day in seconds since the epoch.

        `item` is what was asked: if that was answered well it may be asked once more, with a ticket that `is_control`.
        `pressure` is what the event says of its host's load (None: what it says by itself, whatever was asked and by
        which method). `failed_at` is when that was sent by which the item had trouble before (see `Pace.overload`).

        Returns whether the event says nothing about its URL: the host pushes back, or cannot be reached at all just
        now, or nobody can.
        """
        host = self._hosts[ticket.host_key]
        group = host.paced_with or host
        pace = group.pace
        pace.in_flight -= 1
        self.in_flight -= 1
        if host.state is not _ALIVE:
            host.in_flight -= 1
            if group.is_silent:
                self._in_flight_silent -= 1
        if pressure is None:
            pressure = pressure_of(event, wall)
        is_free = False
        if group.sharing is not None and group.is_shared:
            item = failed_at = None  # nobody vouches for another host
        if pressure is _GOOD:
            host.is_failing = False
            if host.state is not _ALIVE or host.given_up is not None or self._network.is_alarmed:
                self._answered(host, group, ticket, event)
                if group.place == GONE:  # see `_join`
                    group, item = host.paced_with or host, None
                    pace = group.pace
            pace.good(now, ticket, event.elapsed, is_first=failed_at is None)
            if item is not None:
                group.control = item
            if isinstance(event, Reply) and event.fields:
                self._heed_allowance(group, ticket, event, now, wall)
            elif pace.left < pace.bound:
                pace.told_nothing()
        else:
            is_free = self._troubled(host, ticket, event, pressure, now, wall, failed_at)
            group = host.paced_with or host
        if not group.size:  # nothing waits: there is nothing to place
            self._retire(group, now)
        elif host.item is NO_ITEM or host.state is not _ALIVE or not host.is_active:
            self._settle(host, group, now)
        else:
            self._place(group, now)
        return is_free

    def _troubled(
        self,
        host: Host[Item],
        ticket: Ticket,
        event: Reply | Failure,
        pressure: Pressure,
        now: float,
        wall: float,
        failed_at: float | None,
    ) -> bool:
        """Learn from what was not answered well; returns as `release` does."""
        host.is_failing = pressure >= Pressure.OVERLOAD
        group = host.paced_with or host
        pace = group.pace
        is_free = False
        if ticket.is_control:
            pace.not_compared()
        if ticket.is_control and pace.is_overloaded and pressure is not Pressure.PUSH_BACK:
            pace.control_failed(now, str(event.status) if isinstance(event, Reply) else event.reason)
        elif isinstance(event, Failure) and pressure is not Pressure.ERROR:
            is_free = self._failed(host, group, ticket, event, pressure, now, failed_at)
        else:
            self._answered(host, group, ticket, event)
            group = host.paced_with or host  # see `_join`
            pace = group.pace
            kind = str(event.status) if isinstance(event, Reply) else ""
            if pressure is Pressure.PUSH_BACK and isinstance(event, Reply):
                is_free = not pace.push_back(now, kind, ticket, stated_wait(event, wall))
            elif pressure is Pressure.OVERLOAD and pace.served_well:
                is_free = pace.overload(now, kind, ticket, failed_at)
            elif pressure is Pressure.DOUBT:
                pace.doubt(kind)
            else:
                pace.error(ticket)
        says_so = pressure >= Pressure.OVERLOAD and pressure is not Pressure.STALL  # only these are evidence
        if says_so and pace.rounds and not self._network.is_down and pace.is_given_up(now):
            for member in tuple(group.members):
                if member.is_failing:
                    self._give_up(member, event, now)
        return is_free

    def take_given_up(self) -> Sequence[tuple[str, Item, Reply | Failure]]:
        """Every item, each once, whose host was given up, with the host's key and what it was given up for."""
        if not self._given_up:
            return ()
        given_up, self._given_up = self._given_up, []
        return given_up

    # -- how things stand

    @property
    def is_ready(self) -> bool:
        """Whether some host may be asked more, and a slot is free for it."""
        return self._used_buckets > 0 and self.in_flight < self._concurrency

    @property
    def has_room_for_more(self) -> bool:
        """Whether items of other hosts would find a slot: at once, or when a silent host gives one back."""
        return self.in_flight < self._concurrency or self._in_flight_silent > self._silent_slots

    @property
    def is_network_down(self) -> bool:
        """Whether nothing but a few probes is sent, as nobody answers any more."""
        return self._network.is_down

    @property
    def is_network_lost(self) -> bool:
        """Whether that has lasted for as long as patience goes: the run had better end."""
        return self._network.is_lost

    def wake_at(self) -> float | None:
        """When something that is waiting for a time becomes ready at the earliest."""
        at = None if self._due == math.inf else self._due
        if self._used_buckets and self.in_flight < self._concurrency:  # else it is a slot that is waited for
            if self._network.is_down:
                is_probing = self._probes or self._witness is not None
                probe_at = max(self._opens_at, 0.0 if is_probing else self._network.probe_at)
                return probe_at if at is None else min(at, probe_at)
            if self._total_gap and not self._is_a_slot_awaited:
                return self._opens_at if at is None else min(at, self._opens_at)
        return at

    def gated(self, now: float) -> Gated:
        """The groups with work that are being left alone after push-back."""
        closed = [group.pace.opens_at for group in self._gates if group.pace.opens_at > now and group.size]
        return Gated(len(closed), min(closed, default=None))

    def limiter(self) -> Limiter:
        """What keeps the run from being faster at this moment, as far as the Pacer can tell."""
        if self._network.is_down:
            return Limiter.NETWORK
        if self.in_flight >= self._concurrency:
            return Limiter.SLOTS
        if self._used_buckets and self._total_gap:
            return Limiter.TOTAL_RATE
        if self.waiting > self.put_off:
            return Limiter.TIMEOUTS if self.in_flight and self.in_flight == self._in_flight_silent else Limiter.HOSTS
        if not self.in_flight:
            return Limiter.LATER_TRIES
        return Limiter.TIMEOUTS if self.in_flight == self._in_flight_silent else Limiter.ANSWERS

    def slowed(self, now: float) -> tuple[list[SlowedHost], int]:
        """The hosts whose limits held work back, those that held most first, and how many there were in all."""
        told = [slowed for _, _, slowed in self._slowed]
        count = self._slowed_groups
        for host in self._hosts.values():
            slowed = host.slowed(now) if host.paced_with is None else None
            if slowed is not None:
                count += 1
                told.append(slowed)
        return heapq.nlargest(SLOWED_TOLD, told, key=lambda slowed: (slowed.held, slowed.pushed)), count

    @property
    def _first_buckets(self) -> int:
        """Hosts that answer go first, but for a few slots: it takes long to tell who is dead, whenever it is begun."""
        if self._in_flight_silent < self._silent_first:
            return self._used_buckets & _SILENT_BUCKETS
        return self._used_buckets

    @property
    def _is_a_slot_awaited(self) -> bool:
        """Whether nothing is ready but silent hosts, and these have all the slots that they may hold."""
        is_silent = self._used_buckets >> _BUCKETS == 0
        return is_silent and self._silent_slots <= self._in_flight_silent < self.in_flight

    # -- answers

    def _answered(self, host: Host[Item], group: Host[Item], ticket: Ticket, event: Reply | Failure) -> None:
        if not host.is_private:
            if host.state is not _ALIVE:
                self.network_met()
            self.network_answered(host.key, ticket.sent_at)
        host.state = _ALIVE
        host.given_up = None
        if group.is_silent:
            group.is_silent = False
            self._in_flight_silent -= group.pace.in_flight
        if host.silence is not None:
            if host.silence.address is not None:
                self._addresses.pop(host.silence.address, None)
            host.silence = None
        if self._limits.pace_by is PaceBy.ADDRESS and isinstance(event, Reply) and event.address is not None:
            self._join(host, event.address)

    def _failed(
        self,
        host: Host[Item],
        group: Host[Item],
        ticket: Ticket,
        event: Failure,
        pressure: Pressure,
        now: float,
        failed_at: float | None,
    ) -> bool:
        if not host.is_private and (self._network.is_down or reaches_nobody(event.reason)):
            self.network_failed(host.key, event.reason, now, has_answered=host.state is _ALIVE)
        if self._network.is_down and not host.is_private:
            return True
        if host.state is _ALIVE:
            pace = group.pace
            if pressure is Pressure.UNREACHED:
                pace.unreached(now, event.reason, ticket)
                return True
            if pressure is Pressure.OVERLOAD and pace.served_well:
                return pace.overload(now, event.reason, ticket, failed_at)
            if pressure is Pressure.DOUBT:
                pace.doubt(event.reason)
            else:
                pace.stall(event.reason, failed_at)
            return False
        host.state = _SILENT
        if not group.has_answered and not group.is_silent:
            group.is_silent = True
            self._in_flight_silent += group.pace.in_flight
        silence = self._silence_of(host)
        if ticket.sent_at >= silence.failed_at and now >= silence.failed_at + PROBES_APART:
            silence.failed_probes += 1
            silence.failed_at = now
        # While an attempt to connect goes on, nothing is decided.
        is_dead = silence.failed_probes >= self._limits.probes and not event.under_way
        if pressure is not Pressure.UNREACHED:
            silence.stalls += 1
            is_dead = is_dead and silence.stalls >= STALLS_UNTIL_DEAD * self._limits.probes
        elif event.address is not None:
            self._count_at_address(host, event, ticket, now)
        if is_dead:
            self._give_up(host, event, now)
        return False

    def _count_at_address(self, host: Host[Item], event: Failure, ticket: Ticket, now: float) -> None:
        key = self._silence_of(host).address = f"{event.address}:{host.key.rpartition(':')[2]}"
        address = self._addresses.get(key)
        if address is None:
            if len(self._addresses) >= ADDRESSES_KEPT:
                self._addresses.popitem(last=False)
            address = self._addresses[key] = Address()
        address.hosts.add(host.key)
        if ticket.sent_at >= address.failed_at and now >= address.failed_at + PROBES_APART:
            address.rounds += 1
            address.failed_at = now
        if address.rounds >= self._limits.probes and not event.under_way:
            for host_key in address.hosts:
                other = self._hosts.get(host_key)
                if other is not None and other.state is _SILENT:
                    self._give_up(other, event, now)
            address.hosts.clear()

    def _heed_allowance(self, group: Host[Item], ticket: Ticket, event: Reply, now: float, wall: float) -> None:
        """Close the gate before the host has to push back, where it says that nothing is left for a while."""
        stated = allowance(event, wall)
        if stated is None:
            if group.pace.left < group.pace.bound:
                group.pace.told_nothing()
        elif 0 < stated.seconds <= self._limits.patience:
            group.pace.told_left(now, ticket.sent_at, stated.remaining, stated.seconds)

    # -- given up

    def _give_up(self, host: Host[Item], evidence: Reply | Failure, now: float) -> None:
        host.given_up = GivenUp(evidence, now)
        group = host.paced_with or host
        items = host.take_all()
        self.waiting -= len(items)
        group.size -= len(items)
        self._given_up.extend((host.key, item, evidence) for item in items)
        self._settle(host, group, now)
        self._retire(group, now)

    def _is_asked_anew(self, host: Host[Item], given_up: GivenUp, now: float) -> bool:
        """Whether it is long enough ago that `host` was given up: one URL is asked, and decides."""
        if now - given_up.at <= self._limits.patience:  # with no patience at all not in the same moment either
            return False
        host.given_up = None
        if host.state is not _ALIVE:
            self._silence_of(host).failed_probes = max(0, self._limits.probes - 1)
        (host.paced_with or host).pace.begin_anew()
        return True

    # -- the network: also told of what others met who ask over the same one

    def network_met(self) -> None:
        """A public host answered for the first time."""
        self._network.hosts_answered += 1

    def network_answered(self, host_key: str, sent_at: float) -> None:
        """A public host answered what was sent then."""
        if self._network.is_down:
            self._probes.clear()
            self._witness = None
            if self._network.is_refuted_by(host_key, sent_at):
                self._network.acquit()
            else:
                self._forgive()
        if self._network.is_alarmed:
            self._network.answered()

    def network_failed(self, host_key: str, reason: Reason, now: float, *, has_answered: bool) -> None:
        """A request to a public host reached nobody; `has_answered` says whether that host did before."""
        self._network.failed(host_key, reason, now, has_answered=has_answered)

    def _forgive(self) -> None:
        """The network is back: that hosts could not be reached was not theirs."""
        for host in self._hosts.values():
            if host.paced_with is None and host.pace.is_outage:
                host.pace.begin_anew()

    def _next_probe(self, now: float) -> Host[Item] | None:
        """Who is asked while the network is down: one that failed, or one that answered well and has nothing left."""
        network = self._network
        while True:
            group, self._witness = self._witness, None
            if group is not None and group.place == IDLE and group.control is not None:
                self._leave_ring(group)
                return group
            while self._probes:
                host = self._probes.pop()
                if _may_be_asked(host):
                    return host
            if now < network.probe_at:
                return None
            network.probing(now)
            suspects = [self._hosts[key] for key in network.suspects if key in self._hosts]
            able = [host for host in suspects if _may_be_asked(host)]
            if not able:  # what these hosts were asked is settled, or they are closed: any other will do
                able = [group.first_active for ready in self._ready for group in ready]
            self._probes = able[:PROBES_AT_ONCE]
            self._witness = self._find_witness()

    def _find_witness(self) -> Host[Item] | None:
        """Whom to ask whether the network is gone, or only those who fail: near its end a run may have no others left.

        The one that has had nothing to do for longest, which puts it behind all others."""
        suspects = set(self._network.suspects)
        for group in self._idle:
            if (
                group.control is not None
                and not group.is_private
                and suspects.isdisjoint(host.key for host in group.members)
            ):
                return group
        return None

    # -- hosts, groups and their places

    def _new_host(self, host_key: str, by_hand: ByHand | None = None) -> Host[Item]:
        is_private = names_private_host(host_key.rpartition(":")[0])
        bounds = self._bounds[is_private] if by_hand is None else self._limits.bounds(by_hand, is_private=is_private)
        pace = self._unasked[is_private] if by_hand is None else Pace(bounds, self._limits)
        host: Host[Item] = Host(host_key, pace, bounds.first, is_private=is_private)
        self._hosts[host_key] = host
        if self._limits.pace_by is PaceBy.DOMAIN:
            domain = pace_key(host_key, PaceBy.DOMAIN)
            sharing = self._shared.get(domain)
            if sharing is None:
                host.sharing = self._shared[domain] = Sharing(domain, host)
            else:
                self._own_pace(sharing.group).narrow(bounds)
                sharing.group.control = None  # how well one host answers says nothing of another
                sharing.admit(host)
        return host

    def _own_pace(self, group: Host[Item]) -> Pace:
        """The group's own, made when it is first asked or bound: hosts that only wait have none to be looked after."""
        if group.pace in self._unasked:
            group.pace = Pace(self._bounds[group.is_private], self._limits)
        return group.pace

    def _silence_of(self, host: Host[Item]) -> Silence:
        if host.silence is None:
            host.silence = Silence()
        return host.silence

    def _join(self, host: Host[Item], address: str) -> None:
        """Pace `host`, so far a group of its own, with all others that `address` answers for."""
        if host.paced_with is not None or host.sharing is not None:
            return
        if host.place != OUT_OF_TURN:
            self._leave_ring(host)
        self._gates.discard(host)
        sharing = self._shared.get(address)
        if sharing is None:
            host.sharing = self._shared[address] = Sharing(address, host)
            return
        group = sharing.group
        if group.place == IDLE:
            self._leave_ring(group)
        group.control = None
        group.size += host.size
        group.put_off += host.put_off
        group.held += host.held
        group.pace.join(host.pace)
        sharing.admit(host)

    def _settle(self, host: Host[Item], group: Host[Item], now: float) -> None:
        """See whether `host` has something to ask, and put its group where it belongs among the ready ones."""
        if host.state is _ALIVE:
            is_active = host.item is not NO_ITEM
            if not is_active and host.late:
                is_active = group.is_shared or group.pace.is_calm
        else:
            is_active = self._may_be_probed(host)
        if is_active is not host.is_active:
            host.is_active = is_active
            if group.sharing is not None:
                group.sharing.note(host)
        self._place(group, now)

    def _may_be_probed(self, host: Host[Item]) -> bool:
        silence = host.silence
        if host.state is _NEW or silence is None:
            return (host.item is not NO_ITEM or bool(host.late)) and host.in_flight < host.most_at_first
        at_once = STALLING_AT_ONCE if silence.stalls else 1
        if host.late:
            return host.in_flight < at_once
        # What cannot be connected to is told by one URL. What keeps silent may have bad pages: others are tried first.
        later = 0 if silence.stalls else silence.later
        return host.item is not NO_ITEM and host.in_flight + later < at_once

    def _place(self, group: Host[Item], now: float) -> None:
        """Put `group` where it belongs: among the ready ones with as much work left, or nowhere."""
        place = group.place
        sharing = group.sharing
        if group.is_active if sharing is None else sharing.active:
            pace = group.pace
            in_flight = pace.in_flight
            if in_flight < pace.bound and (not in_flight or (in_flight < pace.left and not pace.is_probing)):
                if pace.opens_at <= now:
                    if group.held_since >= 0.0:
                        group.held += now - group.held_since
                        group.held_since = -1.0
                    bucket = group.size.bit_length()
                    if not group.is_silent:
                        bucket += _BUCKETS
                    if bucket != place:
                        if place >= 0:
                            self._leave_ring(group)
                        self._ready[bucket].append(group)
                        self._used_buckets |= _BITS[bucket]
                        group.place = bucket
                    return
                if not group.timer_at:
                    self._set_timer(group)
                if pace.is_probing:
                    self._gates.add(group)
            if group.held_since < 0.0:
                group.held_since = now
        elif group.held_since >= 0.0:
            group.held += now - group.held_since
            group.held_since = -1.0
        if place >= 0:
            self._leave_ring(group)

    def _set_timer(self, group: Host[Item]) -> None:
        """`group` is looked at again when its pace lets one go."""
        self._sequence += 1
        group.timer_at = opens_at = group.pace.opens_at
        heapq.heappush(self._timers, (opens_at, self._sequence, group))
        self._due = self._timers[0][0]

    def _leave_ring(self, group: Host[Item]) -> None:
        """Take `group` from among the ready ones, or from the idle ones: it is in a ring."""
        before, after, place = group.before, group.after, group.place
        before.after = after
        after.before = before
        group.before = group.after = NOWHERE
        group.place = OUT_OF_TURN
        if place == IDLE:
            self._idle_groups -= 1
        elif before is after:  # nothing is left but the ring's end
            self._used_buckets ^= _BITS[place]

    def _wake(self, now: float) -> None:
        timers = self._timers
        while self._due <= now:
            timer = heapq.heappop(timers)
            self._due = timers[0][0] if timers else math.inf
            if len(timer) == 3:
                group = timer[2]
                if group.place != GONE:
                    group.timer_at = 0.0
                    self._gates.discard(group)
                    self._place(group, now)
                    self._retire(group, now)
                continue
            _, _, host, item, turn = timer
            if turn >= _LATE and host.silence is not None:
                host.silence.later -= 1
            (host.paced_with or host).put_off -= 1
            self.put_off -= 1
            self.waiting -= 1  # and is counted anew
            self.add(host.key, item, now, turn=turn)

    def _retire(self, group: Host[Item], now: float) -> None:
        """Remember an idle group among the others, and forget the one that has been idle longest."""
        pace = group.pace
        if group.size or group.put_off or pace.in_flight or group.place != OUT_OF_TURN:
            return
        if pace.opens_at > now:  # a gate outlives its queue
            if not group.timer_at:
                self._set_timer(group)
            return
        self._idle.append(group)
        group.place = IDLE
        self._idle_groups += 1
        if self._idle_groups > IDLE_GROUPS_KEPT:
            self._forget(self._idle.after, now)

    def _forget(self, group: Host[Item], now: float) -> None:
        self._leave_ring(group)
        group.place = GONE
        slowed = group.slowed(now)
        if slowed is not None:
            self._slowed_groups += 1
            heapq.heappush(self._slowed, (slowed.held, self._slowed_groups, slowed))
            if len(self._slowed) > SLOWED_TOLD:
                heapq.heappop(self._slowed)
        for host in group.members:
            del self._hosts[host.key]
        if group.sharing is not None:
            del self._shared[group.sharing.key]
            group.sharing = None  # they name each other: this frees them at once
        group.control = None
