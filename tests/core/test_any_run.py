"""Any sequence of events, by hypothesis: the Pacer beside a plain account of where every item is.

The account knows what was promised and nothing of how that is done: nothing lost, nothing twice, every bound kept,
nobody woken in vain, nothing waiting for what never comes. A second look goes inside, where a mistake that shows only
much later would have its cause: counts that no longer agree, and hosts or groups that nothing will ever wake.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, precondition, rule

import urlsweep.core.pacer as pacer_module
from urlsweep.core.hosts import IDLE, NO_ITEM, Host, State
from urlsweep.core.limits import Bounds, Limits, PaceBy
from urlsweep.core.model import Failure, Reason, Reply
from urlsweep.core.pace import Pace
from urlsweep.core.pacer import Pacer
from urlsweep.core.policy import ByHand
from urlsweep.core.ticket import Ticket
from urlsweep.core.turn import Turn

HOSTS = ["a.one.test:443", "b.one.test:443", "c.two.test:443", "d.tri.test:80", "127.0.0.1:80"]

EVENTS: list[Reply | Failure] = [
    Reply(200, elapsed=0.05),
    Reply(200, elapsed=0.1, address="8.8.8.8"),
    Reply(404, elapsed=0.0, address="8.8.4.4"),
    Reply(200, (("ratelimit-remaining", "0"), ("ratelimit-reset", "9")), 0.1),
    Reply(500),
    Reply(503, address="8.8.8.8"),
    Reply(429),
    Reply(429, (("retry-after", "7"),), address="8.8.8.8"),
    Reply(429, (("retry-after", "86400"),)),
    Failure(Reason.CONNECT_TIMEOUT, "silence", address="8.8.8.8"),
    Failure(Reason.CONNECT_REFUSED, "refused", address="8.8.4.4"),
    Failure(Reason.CONNECT_UNREACHABLE, "no route"),
    Failure(Reason.DNS_FAILURE, "servfail"),
    Failure(Reason.RESPONSE_TIMEOUT, "not a word"),
    Failure(Reason.TLS_EXPIRED, "expired"),
]

PARKS, TRIES = 50, 3  # as in Check: what costs no try comes back so often, what costs one so often

HANDS = [ByHand(per_host=1), ByHand(per_host=2, delay=0.5), ByHand(rate=0.3), ByHand(per_host=4, delay=0.0)]

NONE = (Ticket("", 0, 0, 0.0), 0)


class AnyRun(RuleBasedStateMachine):
    """One run of the Pacer."""

    tickets: Bundle[tuple[Ticket, int]] = Bundle("tickets")

    # -- what can happen

    @initialize(
        kept=st.sampled_from([1, 10_000]),
        concurrency=st.integers(1, 6),
        per_host=st.sampled_from([None, None, 1, 2]),
        rate=st.sampled_from([None, None, None, 3.0]),
        total_rate=st.sampled_from([None, None, 5.0]),
        patience=st.sampled_from([0.0, 20.0, 300.0]),
        outage_patience=st.sampled_from([0.0, 5.0, 60.0]),
        probes=st.integers(1, 3),
        silent_share=st.sampled_from([0.01, 0.5]),
        pace_by=st.sampled_from(PaceBy),
    )
    def start(self, kept: int, **limits: Any) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(pacer_module, "IDLE_GROUPS_KEPT", kept)
        self.remembers = kept > 1  # else what was said by hand for an idle host is forgotten with it
        self.limits = Limits(host_start=2, host_cap=3, private_start=2, **limits)
        self.pacer: Pacer[int] = Pacer(self.limits)
        self.now = 1000.0
        self.items = 0
        self.ready_at: dict[int, float] = {}  # waiting items: when they may go at the earliest
        self.host_of: dict[int, str] = {}
        self.parks: Counter[int] = Counter()
        self.tries: Counter[int] = Counter()
        self.out: Counter[str] = Counter()
        self.hands: dict[str, list[ByHand]] = {}
        self.sent_at: dict[str, float] = {}
        self.ended: set[str] = set()  # hosts to which a request has ended
        self.done: set[int] = set()

    @rule(host=st.sampled_from(HOSTS), delay=st.sampled_from([0.0, 0.0, 1.0, 30.0]), turn=st.sampled_from(Turn))
    def add(self, host: str, delay: float, turn: Turn) -> None:
        self.items += 1
        self.put(self.items, host, delay, turn)

    def put(self, item: int, host: str, delay: float, turn: Turn) -> None:
        self.pacer.add(host, item, self.now, delay=delay, turn=turn)
        self.ready_at[item] = self.now + delay
        self.host_of[item] = host

    @precondition(lambda self: self.remembers)
    @rule(host=st.sampled_from(HOSTS), by_hand=st.sampled_from(HANDS))
    def bind(self, host: str, by_hand: ByHand) -> None:
        self.pacer.bind(host, by_hand, self.now)
        self.hands.setdefault(host, []).append(by_hand)
        self.add(host, 0.0, Turn.NEXT)  # as the engine does: a rule is met with its URL

    @rule(target=tickets)
    def next(self) -> Any:
        return self.ask()

    def ask(self) -> tuple[Ticket, int]:
        opened = {host: self.group_of(host).pace.opens_at for host in self.pacer._hosts}
        ready = self.pacer.next(self.now)
        if ready is None:
            self.expect_something_to_come()
            return NONE
        assert opened.get(ready[0].host_key, 0.0) <= self.now
        self.account_for(*ready)
        return ready

    @rule(
        given_out=consumes(tickets),
        event=st.sampled_from(EVENTS),
        goes_to=st.sampled_from(HOSTS),
        delay=st.sampled_from([0.0, 1.0, 100.0]),
        turn=st.sampled_from(Turn),
    )
    def release(
        self, given_out: tuple[Ticket, int], event: Reply | Failure, goes_to: str, delay: float, turn: Turn
    ) -> None:
        ticket, item = given_out
        if not item:
            return
        host = ticket.host_key
        self.out[host] -= 1
        self.ended.add(host)
        is_free = self.pacer.release(ticket, event, self.now, 0.0)
        is_good = isinstance(event, Reply) and event.status < 400
        if is_free and self.parks[item] < PARKS:
            self.parks[item] += 1
            self.put(item, host, 0.0, Turn.NEXT)
        elif is_good or self.tries[item] + 1 >= TRIES:
            self.done.add(item)
        elif turn is Turn.FIRST:  # a redirect
            self.tries[item] += 1
            self.put(item, goes_to, 0.0, Turn.FIRST)
        else:
            self.tries[item] += 1
            self.put(item, host, delay, Turn.LAST if self.tries[item] + 1 >= TRIES else Turn.LATE)

    @rule(seconds=st.sampled_from([0.2, 1.0, 29.0, 301.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def time_passes_until_something_is_ready(self) -> None:
        at = self.pacer.wake_at()
        if at is not None:
            self.now = max(self.now, at)

    @rule()
    def settle_given_up(self) -> None:
        for host, item, _ in self.pacer.take_given_up():
            assert host == self.host_of[item]
            del self.ready_at[item]  # was waiting, and is given once
            self.done.add(item)

    # -- what was promised

    def group_of(self, host: str) -> Host[int]:
        return self.pacer._hosts[host].paced_with or self.pacer._hosts[host]

    def bounds_of(self, host: str) -> list[Bounds]:
        """All that holds for a host."""
        if host not in self.hands:
            return [self.limits.bounds_of(host)]
        return [self.limits.bounds_of(host, by_hand) for by_hand in self.hands[host]]

    def account_for(self, ticket: Ticket, item: int) -> None:
        host = ticket.host_key
        assert host == self.host_of[item]
        assert self.ready_at.pop(item) <= self.now  # waited for, and given once
        self.out[host] += 1
        assert sum(self.out.values()) <= self.limits.concurrency
        members = [member.key for member in self.group_of(host).members]
        bounds = [each for member in members for each in self.bounds_of(member)]
        assert sum(self.out[member] for member in members) <= min(each.cap for each in bounds)
        gap = max(each.gap for each in bounds)
        assert all(self.now >= self.sent_at.get(member, 0.0) + gap for member in members)
        if host not in self.ended and self.remembers:
            assert self.out[host] <= max(each.first for each in self.bounds_of(host))
        self.sent_at[host] = self.now

    def expect_something_to_come(self) -> None:
        """Nothing is ready: if anything waits, an answer is to come or a time, and that time is not over."""
        at = self.pacer.wake_at()
        assert at is None or at > self.now
        assert at is not None or self.pacer.in_flight or not self.pacer.waiting

    @invariant()
    def nothing_is_lost(self) -> None:
        if not hasattr(self, "pacer"):
            return
        pacer = self.pacer
        assert pacer.in_flight == sum(self.out.values())
        assert pacer.waiting + len(pacer._given_up) == len(self.ready_at)
        assert len(self.done) + len(self.ready_at) + sum(self.out.values()) == self.items

    # -- inside

    @invariant()
    def every_group_will_be_looked_at_again(self) -> None:
        if not hasattr(self, "pacer"):
            return
        pacer = self.pacer
        timed = Counter(id(timer[2]) for timer in pacer._timers if len(timer) == 3)
        for group in self.groups:
            assert group.sharing is None or pacer._shared[group.group_key].group is group
            assert group.is_shared is (len(group.members) > 1)
            assert group.control is None or not group.is_shared  # nobody vouches for another host
            assert timed[id(group)] == bool(group.timer_at)
            pace = group.pace
            active = [member for member in group.members if member.is_active]
            if group.sharing is not None:
                assert Counter(map(id, group.sharing.active)) == Counter(map(id, active))
            if group.place >= 0:
                assert group in pacer._ready[group.place]
                assert active
                assert pace.in_flight < pace.room
            elif active:
                assert group.timer_at or pace.in_flight >= pace.room > 0
            for host in group.members:
                self.look_at(host, group)
            has_work = group.size or group.put_off or pace.in_flight
            assert (group.place == IDLE) is (group in pacer._idle)
            assert (group.place == IDLE or bool(group.timer_at)) if not has_work else group.place != IDLE
        for number, ready in enumerate(pacer._ready):
            assert (ready.after is ready) is not bool(pacer._used_buckets >> number & 1)
            assert all(group.place == number and group in self.groups for group in ready)
        assert len(list(pacer._idle)) == pacer._idle_groups
        assert all(group in self.groups for group in pacer._idle)
        assert all(group in self.groups for group in pacer._gates)
        for pace, bounds in zip(pacer._unasked, pacer._bounds, strict=True):  # nobody's: it is told nothing
            fresh = Pace(bounds, self.limits)
            assert all(getattr(pace, slot) == getattr(fresh, slot) for slot in Pace.__slots__)

    @property
    def groups(self) -> list[Host[int]]:
        return [host for host in self.pacer._hosts.values() if host.paced_with is None]

    def look_at(self, host: Host[int], group: Host[int]) -> None:
        assert (host.paced_with or host) is group
        assert self.pacer._hosts[host.key] is host
        assert host.state is State.ALIVE or host.in_flight == self.out[host.key]
        has_work = host.item is not NO_ITEM or bool(host.late)
        if host.is_active:
            assert has_work
        elif has_work:  # something of its own is to come: an answer, or the later try that the others wait for
            later = host.silence.later if host.silence is not None else 0
            assert self.out[host.key] or (later and host.state is State.SILENT)
            assert host.given_up is None
        assert host.item is not NO_ITEM or not host.items

    @invariant()
    def counts_agree(self) -> None:
        if not hasattr(self, "pacer"):
            return
        pacer, groups = self.pacer, self.groups
        assert sum(len(group.members) for group in groups) == len(pacer._hosts)
        for group in groups:
            assert group.pace.in_flight == sum(self.out[host.key] for host in group.members)
            assert group.size == sum(
                (host.item is not NO_ITEM) + len(host.items or ()) + len(host.late or ()) for host in group.members
            )
        assert pacer.in_flight == sum(group.pace.in_flight for group in groups)
        assert pacer._in_flight_silent == sum(group.pace.in_flight for group in groups if group.is_silent)
        assert pacer.put_off == sum(group.put_off for group in groups)
        assert pacer.waiting - pacer.put_off == sum(group.size for group in groups)
        later = Counter(timer[2].key for timer in pacer._timers if len(timer) == 5 and timer[4] >= Turn.LATE)
        silent = [host for host in pacer._hosts.values() if host.state is State.SILENT]
        assert all(host.silence is not None and host.silence.later == later[host.key] for host in silent)

    # -- the end

    def teardown(self) -> None:
        """However it stands, whatever the answers are from now on: it comes to an end."""
        if not hasattr(self, "pacer"):
            return
        try:
            self.come_to_an_end(EVENTS[self.items % len(EVENTS)])
        finally:
            self.patch.undo()

    def come_to_an_end(self, event: Reply | Failure) -> None:
        for host in list(self.out):  # whatever they were for
            while self.out[host]:
                self.out[host] -= 1
                self.pacer.release(Ticket(host, -1, 1, self.now), event, self.now, 0.0)
                self.items -= 1
        for _ in range((PARKS + 20) * self.items + 200):
            ready = self.ask()
            self.settle_given_up()
            if ready is not NONE:
                self.now += 0.01
                self.release(ready, event, ready[0].host_key, 1.0, Turn.LATE)
                continue
            at = self.pacer.wake_at()
            if at is None or self.pacer.is_network_lost:
                break
            self.now = max(self.now, at)
        if not self.pacer.is_network_lost:
            assert not self.ready_at
            assert self.pacer.waiting == self.pacer.in_flight == 0
        self.nothing_is_lost()


TestAnyRun = AnyRun.TestCase
TestAnyRun.settings = settings(max_examples=100, stateful_step_count=60, deadline=None)
