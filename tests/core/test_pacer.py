"""Who may be asked next: the rules one by one, then any sequence of events, by hypothesis."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from urlsweep.core.bottleneck import Limiter
from urlsweep.core.limits import Limits, PaceBy
from urlsweep.core.model import Failure, Reason, Reply
from urlsweep.core.pacer import IDLE_GROUPS_KEPT, Gated, Pacer, Ticket
from urlsweep.core.policy import ByHand
from urlsweep.core.turn import Turn

A, B, C = "a.test:443", "b.test:443", "c.test:443"
GOOD = Reply(200, elapsed=0.05)
PUSHED = Reply(429)
SHUT = Failure(Reason.CONNECT_TIMEOUT, "silence", address="93.184.216.34")
REFUSED = Failure(Reason.CONNECT_REFUSED, "refused")


def pacer_of(limits: Limits | None = None, **items: int) -> Pacer[str]:
    """A pacer with so many items for hosts a, b, ...: named a0, a1, ...; each has answered once before."""
    pacer: Pacer[str] = Pacer(limits or Limits())
    for name in items:
        pacer.add(f"{name}.test:443", "x", 0.0)
        pacer.release(one(pacer), GOOD, 0.0, 0.0)
    for name, count in items.items():
        for number in range(count):
            pacer.add(f"{name}.test:443", f"{name}{number}", 0.0)
    return pacer


def fresh(limits: Limits | None = None, **items: int) -> Pacer[str]:
    """Like `pacer_of`, of hosts that were never asked."""
    pacer: Pacer[str] = Pacer(limits or Limits())
    for name, count in items.items():
        for number in range(count):
            pacer.add(f"{name}.test:443", f"{name}{number}", 0.0)
    return pacer


def take(pacer: Pacer[str], now: float = 0.0) -> list[tuple[Ticket, str]]:
    """Everything that may be asked at `now`."""
    taken = []
    while (ready := pacer.next(now)) is not None:
        taken.append(ready)
    return taken


def names(taken: list[tuple[Ticket, str]]) -> list[str]:
    return [item for _, item in taken]


def one(pacer: Pacer[str], now: float = 0.0) -> Ticket:
    ready = pacer.next(now)
    assert ready is not None
    return ready[0]


# --- who goes first ---------------------------------------------------------------------------------------------------


def test_a_hosts_bound_and_the_one_for_all() -> None:
    pacer = pacer_of(Limits(concurrency=6), a=10, b=10)
    assert Counter(name[0] for name in names(take(pacer))) == {"a": 3, "b": 3}
    assert (pacer.in_flight, pacer.waiting) == (6, 14)
    assert Counter(name[0] for name in names(take(pacer_of(a=10, b=10)))) == {"a": 4, "b": 4}


def test_the_host_with_most_work_left_goes_first_and_equals_take_turns() -> None:
    assert [name[0] for name in names(take(pacer_of(a=1, b=1000, c=30)))] == list("bbbbcccca")
    assert [name[0] for name in names(take(pacer_of(a=7, b=7, c=7)))] == list("abcabcabcabc")


def test_turns_within_a_host() -> None:
    pacer = pacer_of(Limits(per_host=1), a=2)
    pacer.add(A, "late", 0.0, turn=Turn.LATE)
    pacer.add(A, "hop", 0.0, turn=Turn.FIRST)
    order = []
    while (ready := pacer.next(0.0)) is not None:
        order.append(ready[1])
        pacer.release(ready[0], GOOD, 0.0, 0.0)
    assert order == ["hop", "a0", "a1", "late"]


def test_later_tries_meet_half_the_load_at_most() -> None:
    pacer = pacer_of(a=4)
    for number in range(5):
        pacer.add(A, f"late{number}", 0.0, turn=Turn.LATE)
    taken = take(pacer)
    assert names(taken) == ["a0", "a1", "a2", "a3"]
    for ticket, _ in taken[:3]:
        pacer.release(ticket, Reply(404), 0.0, 0.0)
    assert names(take(pacer)) == ["late0"]  # with the one that is out: two, of four


def test_what_is_put_off_holds_no_slot_and_comes_at_its_time() -> None:
    pacer = pacer_of(Limits(concurrency=1))
    pacer.add(A, "later", 10.0, delay=5.0)
    assert (pacer.wake_at(), pacer.waiting, pacer.put_off) == (15.0, 1, 1)
    assert pacer.next(14.999) is None
    assert names(take(pacer, 15.0)) == ["later"]
    assert (pacer.wake_at(), pacer.waiting, pacer.put_off) == (None, 0, 0)


def test_a_new_host_gets_one_request_until_that_has_ended_and_ones_own_all() -> None:
    pacer = fresh(a=10, b=10)
    taken = take(pacer)
    assert names(taken) == ["a0", "b0"]
    pacer.release(taken[0][0], GOOD, 0.0, 0.0)
    assert names(take(pacer)) == ["a1", "a2", "a3", "a4"]
    own: Pacer[str] = Pacer(Limits())
    for number in range(100):
        own.add("127.0.0.1:80", str(number), 0.0)
    assert len(take(own)) == 32


# --- by hand ----------------------------------------------------------------------------------------------------------


def sent_times(pacer: Pacer[str], until: float) -> list[float]:
    """When requests go that are answered at once."""
    now, times = 0.0, []
    while now <= until:
        ready = pacer.next(now)
        if ready is not None:
            times.append(now)
            pacer.release(ready[0], GOOD, now, 0.0)
            continue
        at = pacer.wake_at()
        if at is None:
            break
        now = at
    return times


@pytest.mark.parametrize(
    "limits", [Limits(rate=2), Limits(delay=0.5), Limits(rate=10, delay=0.5), Limits(total_rate=2)]
)
def test_gaps_are_kept(limits: Limits) -> None:
    assert sent_times(fresh(limits, a=5), 10.0) == pytest.approx([0.0, 0.5, 1.0, 1.5, 2.0])


def test_what_holds_for_all_holds_over_all() -> None:
    assert sent_times(fresh(Limits(total_rate=4), a=2, b=2), 10.0) == pytest.approx([0.0, 0.25, 0.5, 0.75])


def test_the_strictest_rule_of_a_hosts_urls_holds() -> None:
    pacer: Pacer[str] = Pacer(Limits())
    pacer.bind(A, ByHand(per_host=50), 0.0)
    assert len(take_all(pacer, 60)) == 50
    pacer.bind(A, ByHand(per_host=2, delay=1.0), 0.0)
    pacer.bind(A, ByHand(per_host=9), 0.0)
    pacer.add(A, "x", 0.0)
    pacer.add(A, "y", 0.0)
    assert (pacer.next(0.0), pacer.wake_at()) == (None, 1.0)  # the last one went at 0
    assert names(take(pacer, 1.0)) == ["x"]
    assert pacer.wake_at() == 2.0


def take_all(pacer: Pacer[str], count: int) -> list[Ticket]:
    for number in range(count):
        pacer.add(A, str(number), 0.0)
    taken = [ticket for ticket, _ in take(pacer)]
    for ticket in taken:
        pacer.release(ticket, GOOD, 0.0, 0.0)
    while (ready := pacer.next(0.0)) is not None:
        pacer.release(ready[0], GOOD, 0.0, 0.0)
    return taken


def test_hosts_of_one_domain_share_a_limit() -> None:
    pacer: Pacer[str] = Pacer(Limits(pace_by=PaceBy.DOMAIN, per_host=3))
    for host in ("a.example.co.uk:443", "b.example.co.uk:443", "other.co.uk:443"):
        for number in range(5):
            pacer.add(host, f"{host[:1]}{number}", 0.0)
    assert Counter(name[0] for name in names(take(pacer))) == {"a": 2, "b": 1, "o": 3}


def test_hosts_of_one_address_share_a_limit_once_it_is_known() -> None:
    pacer = fresh(Limits(pace_by=PaceBy.ADDRESS), a=9, b=9, c=9)
    taken = take(pacer)
    for ticket, _ in taken:
        address = "8.8.4.4" if ticket.host_key == C else "8.8.8.8"
        pacer.release(ticket, Reply(200, elapsed=0.05, address=address), 0.0, 0.0)
    out = take(pacer)
    assert Counter(name[0] for name in names(out)) == {"a": 2, "b": 2, "c": 4}
    for ticket, _ in out:
        pacer.release(ticket, Reply(404), 0.0, 0.0)
    rest = 0
    while (ready := pacer.next(0.0)) is not None:
        pacer.release(ready[0], Reply(404), 0.0, 0.0)
        rest += 1
    assert (rest, pacer.in_flight, pacer.waiting) == (16, 0, 0)


# --- push-back --------------------------------------------------------------------------------------------------------


def test_after_push_back_a_gate_then_a_probe_then_the_rest() -> None:
    pacer = pacer_of(a=20)
    taken = take(pacer)
    assert [pacer.release(ticket, Reply(429, (("retry-after", "7"),)), 0.0, 0.0) for ticket, _ in taken] == [True] * 4
    assert pacer.gated(0.5) == Gated(1, 7.0)
    assert take(pacer, 6.999) == []
    (probe,) = take(pacer, 7.0)
    assert pacer.gated(7.0) == Gated(0, None)
    pacer.release(probe[0], GOOD, 7.05, 0.0)
    assert len(take(pacer, 7.1)) == 1  # never together: evenly spaced from now on


def test_a_time_longer_than_patience_is_waited_for_as_long_as_patience_goes() -> None:
    pacer = pacer_of(a=3)
    pacer.release(one(pacer), Reply(429, (("retry-after", "86400"),)), 0.0, 0.0)
    assert pacer.wake_at() == 300.0
    pacer.release(one(pacer, 300.0), Reply(429, (("retry-after", "86400"),)), 300.0, 0.0)
    assert [(host, item) for host, item, _ in pacer.take_given_up()] == [(A, "a2")]


def test_an_allowance_of_nothing_closes_the_gate_before_there_is_push_back() -> None:
    pacer = pacer_of(a=3)
    fields = (("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "30"))
    pacer.release(one(pacer), Reply(200, fields, 0.05), 0.0, 0.0)
    assert pacer.wake_at() == 30.0


def probed_to_the_end(pacer: Pacer[str], event: Reply | Failure) -> tuple[float, int, list[Any]]:
    """Every request gets `event`, and every URL comes again: until when, by how many, and what was given up."""
    now, probes = 0.0, 0
    given_up: list[Any] = []
    while not given_up:
        ready = pacer.next(now)
        if ready is None:
            at = pacer.wake_at()
            assert at is not None
            now = at
            continue
        probes += 1
        assert pacer.release(ready[0], event, now, 0.0)  # free: it says nothing about the URL
        pacer.add(ready[0].host_key, ready[1], now)
        given_up = list(pacer.take_given_up())
    return now, probes, given_up


@pytest.mark.parametrize(("event", "limits"), [(PUSHED, Limits(patience=60.0)), (REFUSED, Limits())])
def test_patience_ends_and_everything_is_given_up_with_the_evidence(event: Reply | Failure, limits: Limits) -> None:
    pacer = pacer_of(limits, a=10)
    now, probes, given_up = probed_to_the_end(pacer, event)
    assert now == pytest.approx(60.0, abs=1.0)
    assert probes < 20
    assert len(given_up) == 10
    assert {found for _, _, found in given_up} == {event}
    pacer.add(A, "soon after", now + 1.0)
    assert [item for _, item, _ in pacer.take_given_up()] == ["soon after"]
    pacer.add(A, "much later", now + 1000.0)
    assert names(take(pacer, now + 1000.0)) == ["much later"]


def test_a_page_that_hangs_is_no_evidence_against_a_host_that_pushes_back() -> None:
    pacer = pacer_of(Limits(patience=10.0), a=9)
    pacer.release(one(pacer), PUSHED, 0.0, 0.0)
    at = pacer.wake_at()
    assert at is not None
    pacer.release(one(pacer, at), Failure(Reason.RESPONSE_TIMEOUT, "slow"), 20.0, 0.0)
    assert list(pacer.take_given_up()) == []


# --- hosts that do not answer -----------------------------------------------------------------------------------------


def tried_in_full(pacer: Pacer[str], host_key: str, now: float, event: Failure = SHUT) -> float:
    """One URL's three tries, as Check has them."""
    for delay in (1.0, 5.0, None):
        ready = pacer.next(now)
        assert ready is not None
        ticket, item = ready
        assert ticket.host_key == host_key
        assert pacer.next(now) is None  # the others wait for its verdict
        now += 4.0
        pacer.release(ticket, event, now, 0.0)
        if delay is not None:
            pacer.add(host_key, item, now, delay=delay, turn=Turn.LATE)
            assert pacer.next(now) is None
            now += delay
    return now


def test_a_dead_host_is_told_by_one_urls_tries() -> None:
    pacer = fresh(a=400)
    now = tried_in_full(pacer, A, 0.0)
    given_up = list(pacer.take_given_up())
    assert len(given_up) == 399
    assert {event for _, _, event in given_up} == {SHUT}
    pacer.add(A, "more", now)
    assert [item for _, item, _ in pacer.take_given_up()] == ["more"]
    pacer.add(A, "much later", now + 400.0)
    assert names(take(pacer, now + 400.0)) == ["much later"]
    assert (pacer.waiting, pacer.in_flight) == (0, 1)


def test_refusals_at_the_same_moment_are_one_try() -> None:
    pacer: Pacer[str] = Pacer(Limits())
    for number in range(40):
        pacer.add("127.0.0.1:80", str(number), 0.0)
    for ticket, _ in take(pacer):
        pacer.release(ticket, REFUSED, 0.001, 0.0)
    assert list(pacer.take_given_up()) == []


def test_hosts_at_a_dead_address_share_its_tries() -> None:
    pacer = fresh(a=5, b=5)
    (first, item), (second, _) = take(pacer)
    pacer.release(first, SHUT, 4.0, 0.0)
    pacer.release(second, SHUT, 4.0, 0.0)
    pacer.add(first.host_key, item, 4.0, delay=1.0, turn=Turn.LATE)
    pacer.add(second.host_key, "b0", 4.0, delay=100.0, turn=Turn.LATE)
    for now in (5.0, 15.0):
        ticket = one(pacer, now)
        assert ticket.host_key == A
        pacer.release(ticket, SHUT, now + 4.0, 0.0)
        if now == 5.0:
            pacer.add(A, item, 9.0, delay=6.0, turn=Turn.LATE)
    assert Counter(host for host, _, _ in pacer.take_given_up()) == {A: 4, B: 4}


def test_silent_hosts_come_last_and_hold_a_part_of_the_slots() -> None:
    pacer = fresh(Limits(concurrency=4, silent_share=0.25), a=9, b=9, c=9)
    for ticket, item in take(pacer):
        is_good = ticket.host_key == C
        pacer.release(ticket, GOOD if is_good else SHUT, 1.0, 0.0)
        if not is_good:
            pacer.add(ticket.host_key, item, 1.0, turn=Turn.LATE)
    assert Counter(name[0] for name in names(take(pacer, 1.0))) == {"c": 4}


# --- the network ------------------------------------------------------------------------------------------------------


def gone_dark(limits: Limits | None = None) -> tuple[Pacer[str], list[str]]:
    """Five hosts that answered and now fail, all of them."""
    pacer = pacer_of(limits, **dict.fromkeys("abcde", 3))
    taken = take(pacer)
    free = [pacer.release(ticket, SHUT, 4.0, 0.0) for ticket, _ in taken]
    assert all(free)
    for ticket, item in taken:
        pacer.add(ticket.host_key, item, 4.0)
    return pacer, names(taken)


def test_a_network_that_is_gone_gets_a_few_probes_and_comes_back() -> None:
    pacer, items = gone_dark()
    assert pacer.is_network_down
    assert pacer.next(4.0) is None
    at = pacer.wake_at()
    assert at == 5.0
    probes = take(pacer, at)
    assert len(probes) == 3
    pacer.release(probes[0][0], GOOD, 5.1, 0.0)
    assert not pacer.is_network_down
    rest = names(take(pacer, 6.0))
    assert rest
    assert len(items) == 15


def test_a_network_that_does_not_come_back_is_lost() -> None:
    pacer, _ = gone_dark()
    now, sent = 4.0, 0
    while not pacer.is_network_lost:
        at = pacer.wake_at()
        assert at is not None
        now = max(now, at)
        for ticket, item in take(pacer, now):
            sent += 1
            assert pacer.release(ticket, SHUT, now + 4.0, 0.0)
            pacer.add(ticket.host_key, item, now + 4.0)
        now += 4.0
    assert 60.0 <= now <= 90.0
    assert sent < 40
    assert list(pacer.take_given_up()) == []


def test_ones_own_hosts_are_no_sign_of_a_network() -> None:
    pacer: Pacer[str] = Pacer(Limits())
    for number in range(9):
        pacer.add(f"127.0.0.{number}:80", "x", 0.0)
    for ticket, _ in take(pacer):
        pacer.release(ticket, GOOD, 0.0, 0.0)
    for number in range(9):
        pacer.add(f"127.0.0.{number}:80", "x", 0.0)
    for ticket, _ in take(pacer):
        pacer.release(ticket, REFUSED, 0.0, 0.0)
    assert not pacer.is_network_down


# --- what is told, memory ---------------------------------------------------------------------------------------------


def test_what_limits_and_who_was_slowed() -> None:
    pacer = pacer_of(Limits(concurrency=2), a=5)
    assert pacer.limiter() is Limiter.HOSTS
    tickets = [ticket for ticket, _ in take(pacer)]
    assert pacer.limiter() is Limiter.SLOTS
    for ticket in tickets:
        pacer.release(ticket, PUSHED, 1.0, 0.0)
    (slowed,), count = pacer.slowed(3.0)
    assert (slowed.host, slowed.push_backs, count) == (A, {"429": 2}, 1)
    assert slowed.held > 1.0


def test_idle_hosts_are_forgotten_beyond_a_number_but_no_gate_is() -> None:
    pacer: Pacer[str] = Pacer(Limits())
    pacer.add(A, "x", 0.0)
    pacer.release(one(pacer), Reply(429, (("retry-after", "100"),)), 0.0, 0.0)
    for number in range(2 * IDLE_GROUPS_KEPT):
        pacer.add(f"h{number}.test:443", "x", 50.0)
        pacer.release(one(pacer, 50.0), GOOD, 50.0, 0.0)
    assert len(pacer._hosts) <= IDLE_GROUPS_KEPT + 1
    pacer.add(A, "again", 50.0)
    assert take(pacer, 99.0) == []
    assert names(take(pacer, 100.0)) == ["again"]


# --- any sequence of events -------------------------------------------------------------------------------------------

HOSTS = [A, B, "x.b.test:80", "127.0.0.1:80"]
EVENTS = [
    GOOD,
    GOOD,
    Reply(200, elapsed=0.1, address="8.8.8.8"),
    Reply(404),
    Reply(500),
    Reply(503),
    PUSHED,
    Reply(429, (("retry-after", "7"),)),
    Reply(200, (("ratelimit-remaining", "0"), ("ratelimit-reset", "9")), 0.1),
    SHUT,
    REFUSED,
    Failure(Reason.RESPONSE_TIMEOUT, "slow"),
    Failure(Reason.DNS_FAILURE, "servfail"),
    Failure(Reason.TLS_EXPIRED, "expired"),
]


class AnyRun(RuleBasedStateMachine):
    """The pacer beside a plain account of where every item is."""

    tickets: Bundle[tuple[Ticket, int]] = Bundle("tickets")

    @initialize(
        concurrency=st.integers(1, 6),
        per_host=st.sampled_from([None, None, 1, 2]),
        rate=st.sampled_from([None, None, 3.0]),
        total_rate=st.sampled_from([None, None, 5.0]),
        patience=st.sampled_from([0.0, 20.0, 300.0]),
        pace_by=st.sampled_from(PaceBy),
    )
    def start(self, **limits: Any) -> None:
        self.limits = Limits(host_start=2, host_cap=3, private_start=2, **limits)
        self.pacer: Pacer[int] = Pacer(self.limits)
        self.now = 0.0
        self.items = 0
        self.ready_at: dict[int, float] = {}  # waiting items: when they may go at the earliest
        self.host_of: dict[int, str] = {}
        self.out: Counter[str] = Counter()
        self.sent_at: dict[str, float] = {}
        self.done: set[int] = set()

    @rule(host=st.sampled_from(HOSTS), delay=st.sampled_from([0.0, 0.0, 1.0, 30.0]), turn=st.sampled_from(Turn))
    def add(self, host: str, delay: float, turn: Turn) -> None:
        self.items += 1
        self.pacer.add(host, self.items, self.now, delay=delay, turn=turn)
        self.ready_at[self.items] = self.now + delay
        self.host_of[self.items] = host

    @rule(target=tickets)
    def next(self) -> Any:
        ready = self.pacer.next(self.now)
        if ready is None:
            return (Ticket("", 0, 0, 0.0), 0)
        self.account_for(*ready)
        return ready

    def account_for(self, ticket: Ticket, item: int) -> None:
        host = ticket.host_key
        assert host == self.host_of[item]
        assert self.ready_at.pop(item) <= self.now  # waited for, and given once
        self.out[host] += 1
        assert self.out[host] <= self.limits.bounds_of(host).cap
        assert sum(self.out.values()) <= self.limits.concurrency
        gap = self.limits.bounds_of(host).gap
        if not self.pacer.is_network_down:
            assert self.now - self.sent_at.get(host, -1e9) >= gap - 1e-9
        self.sent_at[host] = self.now

    @rule(
        given_out=consumes(tickets),
        event=st.sampled_from(EVENTS),
        comes_again=st.booleans(),
        turn=st.sampled_from(Turn),
    )
    def release(self, given_out: tuple[Ticket, int], event: Reply | Failure, comes_again: bool, turn: Turn) -> None:
        ticket, item = given_out
        if item:
            self.give_back(ticket, item, event, comes_again, turn)

    def give_back(self, ticket: Ticket, item: int, event: Reply | Failure, comes_again: bool, turn: Turn) -> None:
        self.out[ticket.host_key] -= 1
        self.pacer.release(ticket, event, self.now, 0.0)
        if comes_again:
            self.pacer.add(ticket.host_key, item, self.now, delay=1.0, turn=turn)
            self.ready_at[item] = self.now + 1.0
        else:
            self.done.add(item)

    @rule(seconds=st.sampled_from([0.2, 1.0, 29.0, 301.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def settle_given_up(self) -> None:
        for host, item, _ in self.pacer.take_given_up():
            assert host == self.host_of[item]
            del self.ready_at[item]  # was waiting, and is given once
            self.done.add(item)

    @invariant()
    def counts_agree(self) -> None:
        if not hasattr(self, "pacer"):
            return
        pacer = self.pacer
        assert pacer.in_flight == sum(self.out.values())
        assert pacer.in_flight == sum(group.pace.in_flight for group in pacer._groups.values())
        silent = [group.pace.in_flight for group in pacer._groups.values() if group.is_silent]
        assert pacer._in_flight_silent == sum(silent)
        assert pacer.waiting + len(pacer._given_up) == len(self.ready_at)
        assert pacer.put_off == sum(group.put_off for group in pacer._groups.values())
        assert pacer.waiting - pacer.put_off == sum(group.size for group in pacer._groups.values())
        assert len(self.done) + len(self.ready_at) + sum(self.out.values()) == self.items

    def teardown(self) -> None:
        """However it stands, it can be brought to its end: nothing is lost and nothing waits for ever."""
        if not hasattr(self, "pacer"):
            return
        for host, count in self.out.items():
            for _ in range(count):
                self.pacer.release(Ticket(host, -1, 1, 0.0), GOOD, self.now, 0.0)
        self.out.clear()
        for _ in range(20 * self.items + 200):
            self.settle_given_up()
            ready = self.pacer.next(self.now)
            if ready is not None:
                self.account_for(*ready)
                self.give_back(*ready, GOOD, comes_again=False, turn=Turn.NEXT)
                continue
            at = self.pacer.wake_at()
            if at is None:
                break
            self.now = max(self.now, at)
        assert not self.ready_at
        assert self.pacer.waiting == self.pacer.in_flight == 0


TestAnyRun = AnyRun.TestCase
TestAnyRun.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
