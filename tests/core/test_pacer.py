"""Who may be asked next: the rules one by one. Any sequence of events: see test_any_run.py and test_any_world.py."""

from __future__ import annotations

import gc
import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

import msgspec
import pytest

import urlsweep.core.pacer as pacer_module
from urlsweep.core.bottleneck import Cause, Limiter
from urlsweep.core.limits import Limits, PaceBy
from urlsweep.core.model import Failure, Reason, Reply
from urlsweep.core.pacer import (
    LATE_AT_MOST,
    LATE_BEFORE_END,
    SLOWED_TOLD,
    STALLING_AT_ONCE,
    STALLS_UNTIL_DEAD,
    Gated,
    Pacer,
)
from urlsweep.core.policy import ByHand
from urlsweep.core.pressure import Pressure
from urlsweep.core.ticket import Ticket
from urlsweep.core.turn import Turn

A, B, C = "a.test:443", "b.test:443", "c.test:443"
OWN = "127.0.0.1:80"
GOOD = Reply(200, elapsed=0.05)
PUSHED = Reply(429)
SHUT = Failure(Reason.CONNECT_TIMEOUT, "silence", address="93.184.216.34")
REFUSED = Failure(Reason.CONNECT_REFUSED, "refused")
STALLED = Failure(Reason.RESPONSE_TIMEOUT, "not a word")

Event = Reply | Failure


def pacer_of(limits: Limits | None = None, /, **items: int) -> Pacer[str]:
    """A pacer with so many items for hosts a, b, ...: named a0, a1, ...; each has answered once before."""
    pacer: Pacer[str] = Pacer(limits or Limits())
    for name in items:
        visit(pacer, f"{name}.test:443")
    fill(pacer, **items)
    return pacer


def fresh(limits: Limits | None = None, /, **items: int) -> Pacer[str]:
    """Like `pacer_of`, of hosts that were never asked."""
    pacer: Pacer[str] = Pacer(limits or Limits())
    fill(pacer, **items)
    return pacer


def fill(pacer: Pacer[str], now: float = 0.0, /, **items: int) -> None:
    """So many more for hosts a, b, ..."""
    for name, count in items.items():
        for number in range(count):
            pacer.add(f"{name}.test:443", f"{name}{number}", now)


def visit(pacer: Pacer[str], host_key: str, now: float = 0.0, event: Event = GOOD) -> None:
    """One request to a host that has nothing else to ask."""
    pacer.add(host_key, "visit", now)
    pacer.release(one(pacer, now), event, now, 0.0)


def take(pacer: Pacer[str], now: float = 0.0) -> list[tuple[Ticket, str]]:
    """Everything that may be asked at `now`."""
    taken = []
    while (ready := pacer.next(now)) is not None:
        taken.append(ready)
    return taken


def names(taken: list[tuple[Ticket, str]]) -> list[str]:
    return [item for _, item in taken]


def letters(taken: list[tuple[Ticket, str]]) -> Counter[str]:
    """How many of each host's."""
    return Counter(item[0] for _, item in taken)


def one(pacer: Pacer[str], now: float = 0.0) -> Ticket:
    ready = pacer.next(now)
    assert ready is not None
    return ready[0]


def give_back(pacer: Pacer[str], taken: list[tuple[Ticket, str]], event: Event = GOOD, now: float = 0.0) -> list[bool]:
    return [pacer.release(ticket, event, now, 0.0) for ticket, _ in taken]


def woken(pacer: Pacer[str], now: float) -> float:
    """When it is next worth asking for something, where nothing is ready at `now`."""
    assert pacer.next(now) is None
    at = pacer.wake_at()
    assert at is not None
    assert at > now  # in the past, whoever waits for it would never rest
    return at


def given_up(pacer: Pacer[str]) -> list[str]:
    return [item for _, item, _ in pacer.take_given_up()]


# --- who goes first ---------------------------------------------------------------------------------------------------


def test_a_hosts_bound_and_the_one_for_all() -> None:
    pacer = pacer_of(Limits(concurrency=6), a=10, b=10)
    assert letters(take(pacer)) == {"a": 3, "b": 3}
    assert (pacer.in_flight, pacer.waiting) == (6, 14)
    assert letters(take(pacer_of(a=10, b=10))) == {"a": 4, "b": 4}


def test_the_host_with_most_work_left_goes_first_and_equals_take_turns() -> None:
    assert [name[0] for name in names(take(pacer_of(a=1, b=1000, c=30)))] == list("bbbbcccca")
    assert [name[0] for name in names(take(pacer_of(a=7, b=7, c=7)))] == list("abcabcabcabc")


def test_nobody_is_passed_over_for_ever() -> None:
    pacer = pacer_of(Limits(concurrency=1), a=500, b=3)
    served: Counter[str] = Counter()
    while (ready := pacer.next(0.0)) is not None:
        served[ready[1][0]] += 1
        pacer.release(ready[0], GOOD, 0.0, 0.0)
    assert served == {"a": 500, "b": 3}


def test_turns_within_a_host() -> None:
    pacer = pacer_of(Limits(per_host=1), a=2)
    pacer.add(A, "late", 0.0, turn=Turn.LATE)
    pacer.add(A, "hop", 0.0, turn=Turn.FIRST)
    pacer.add(A, "later", 0.0, turn=Turn.LATE)
    order = []
    while (ready := pacer.next(0.0)) is not None:
        order.append(ready[1])
        pacer.release(ready[0], GOOD, 0.0, 0.0)
    assert order == ["hop", "a0", "a1", "late", "later"]


def test_later_tries_meet_half_the_load_at_most() -> None:
    pacer = pacer_of(a=4)
    for number in range(5):
        pacer.add(A, f"late{number}", 0.0, turn=Turn.LATE)
    taken = take(pacer)
    assert names(taken) == ["a0", "a1", "a2", "a3"]
    give_back(pacer, taken[:2], Reply(404))
    assert take(pacer) == []
    give_back(pacer, taken[2:3], Reply(404))
    assert names(take(pacer)) == ["late0"]  # with the one that is out: two, of four


def test_a_later_try_does_not_wait_for_ever_for_other_work_to_end() -> None:
    pacer = pacer_of(Limits(per_host=1), a=3)
    pacer.add(A, "late", 10.0, turn=Turn.LATE)
    for now, item in ((10.0, "a0"), (9.9 + LATE_AT_MOST, "a1"), (10.0 + LATE_AT_MOST, "late")):
        taken = take(pacer, now)
        assert names(taken) == [item]
        give_back(pacer, taken, now=now)
    assert names(take(pacer, 100.0)) == ["a2"]


def test_a_later_try_goes_before_the_other_work_where_that_is_about_to_end() -> None:
    per_second = 2.0
    pacer = pacer_of(Limits(rate=per_second), a=40)
    give_back(pacer, take(pacer, 0.0), now=0.1)
    pacer.add(A, "late", 0.2, turn=Turn.LATE)
    order = []
    for step in range(1, 42):
        taken = take(pacer, step / per_second)
        order += names(taken)
        give_back(pacer, taken, now=step / per_second + 0.1)
    left = len(order) - 1 - order.index("late")
    assert left == per_second * LATE_BEFORE_END
    assert order[-1] == "a39"


def test_a_later_try_of_a_new_host_needs_nobodys_answer() -> None:
    pacer: Pacer[str] = Pacer(Limits())
    pacer.add(A, "late", 0.0, turn=Turn.LATE)
    assert names(take(pacer)) == ["late"]


def test_what_is_put_off_holds_no_slot_and_comes_at_its_time() -> None:
    pacer = pacer_of(Limits(concurrency=1))
    pacer.add(A, "later", 10.0, delay=5.0)
    pacer.add(A, "now", 10.0)
    assert (pacer.wake_at(), pacer.waiting, pacer.put_off) == (15.0, 2, 1)
    give_back(pacer, take(pacer, 10.0), now=10.0)
    assert pacer.next(14.999) is None
    assert names(take(pacer, 15.0)) == ["later"]
    assert (pacer.wake_at(), pacer.waiting, pacer.put_off) == (None, 0, 0)


@pytest.mark.parametrize(
    ("turn", "order"), [(Turn.FIRST, ["x", "a0"]), (Turn.NEXT, ["a0", "x"]), (Turn.LATE, ["a0", "x"])]
)
def test_what_was_put_off_takes_the_turn_it_was_given(turn: Turn, order: list[str]) -> None:
    pacer = pacer_of(Limits(per_host=1), a=1)
    pacer.add(A, "x", 0.0, delay=1.0, turn=turn)
    served = []
    while (ready := pacer.next(1.0)) is not None:
        served.append(ready[1])
        pacer.release(ready[0], GOOD, 1.0, 0.0)
    assert served == order


def test_times_come_in_while_all_slots_are_taken() -> None:
    pacer = pacer_of(Limits(concurrency=1), a=1)
    ticket = one(pacer)
    pacer.add(B, "later", 0.0, delay=1.0)
    assert pacer.next(1.0) is None
    assert pacer.wake_at() is None  # nothing to wait for but a slot
    pacer.release(ticket, GOOD, 1.0, 0.0)
    assert names(take(pacer, 1.0)) == ["later"]


def test_what_is_put_off_waits_for_its_hosts_gate_too() -> None:
    pacer = pacer_of(a=1)
    pacer.release(one(pacer), Reply(429, (("retry-after", "30"),)), 0.0, 0.0)
    pacer.add(A, "again", 0.0, delay=1.0)
    assert take(pacer, 29.9) == []
    assert names(take(pacer, 30.0)) == ["again"]


def test_a_new_host_gets_one_request_until_that_has_ended_and_ones_own_all() -> None:
    for event in (GOOD, Reply(500), Reply(404), Failure(Reason.TLS_EXPIRED, ""), Failure(Reason.DNS_NOT_FOUND, "")):
        pacer = fresh(a=10, b=10)
        taken = take(pacer)
        assert names(taken) == ["a0", "b0"]
        give_back(pacer, taken[:1], event)
        assert names(take(pacer)) == ["a1", "a2", "a3", "a4"]
    own: Pacer[str] = Pacer(Limits())
    for number in range(100):
        own.add(OWN, str(number), 0.0)
    assert len(take(own)) == 32
    assert len(take(fresh(Limits(per_host=7), a=100))) == 7


# --- by hand ----------------------------------------------------------------------------------------------------------


def sent_times(pacer: Pacer[str], now: float, until: float) -> list[float]:
    """When requests go that are answered at once."""
    times = []
    while now <= until:
        ready = pacer.next(now)
        if ready is not None:
            times.append(now)
            pacer.release(ready[0], GOOD, now, 0.0)
            continue
        if pacer.wake_at() is None:
            break
        now = woken(pacer, now)
    return times


@pytest.mark.parametrize("start", [0.0, 86_400.0])
@pytest.mark.parametrize("limits", [Limits(rate=2), Limits(delay=0.5), Limits(rate=10, delay=0.5)])
def test_gaps_are_kept_from_the_first_two_requests_on(limits: Limits, start: float) -> None:
    times = sent_times(fresh(limits, a=5), start, start + 10.0)
    assert times == pytest.approx([start, start + 0.5, start + 1.0, start + 1.5, start + 2.0])


@pytest.mark.parametrize("start", [0.0, 86_400.0])
def test_what_holds_for_all_holds_over_all(start: float) -> None:
    times = sent_times(fresh(Limits(total_rate=4), a=2, b=2, c=1), start, start + 10.0)
    assert times == pytest.approx([start + step / 4 for step in range(5)], abs=0.02)  # some lateness is made up for


def test_a_machine_that_is_late_by_a_little_still_reaches_the_total_rate() -> None:
    pacer, now, sent = pacer_of(Limits(total_rate=100), a=1000), 50.0, 0
    while now < 55.0:
        sent += len(give_back(pacer, take(pacer, now), now=now))
        now = woken(pacer, now) + 0.004
    assert sent == pytest.approx(500, rel=0.02)


def test_waiting_for_a_slot_is_not_waiting_for_a_time() -> None:
    """A time that has passed would wake whoever waits for it again and again."""
    pacer = fresh(Limits(total_rate=10, concurrency=2), a=5, b=5, c=5)
    one(pacer, 50.0)
    ticket = one(pacer, woken(pacer, 50.0))
    assert pacer.next(60.0) is None
    assert pacer.wake_at() is None
    pacer.release(ticket, GOOD, 61.0, 0.0)
    assert len(take(pacer, 61.0)) == 1


def test_silent_hosts_that_wait_for_a_slot_wait_for_no_time_either() -> None:
    pacer = fresh(Limits(total_rate=10, concurrency=4, silent_share=0.25), a=5, b=5, c=5)
    taken = [(one(pacer, now), "") for now in (50.0, 50.1, 50.2)]
    for ticket, _ in taken[:2]:
        pacer.release(ticket, SHUT, 55.0, 0.0)
    silent = one(pacer, 56.0)
    assert pacer.next(60.0) is None
    assert pacer.wake_at() is None
    pacer.release(silent, SHUT, 61.0, 0.0)
    assert pacer.next(61.0) is not None


def test_the_strictest_rule_of_a_hosts_urls_holds() -> None:
    pacer: Pacer[str] = Pacer(Limits())
    pacer.bind(A, ByHand(per_host=50), 0.0)
    fill(pacer, a=60)
    taken = take(pacer)
    assert len(taken) == 50
    pacer.bind(A, ByHand(per_host=2, delay=1.0), 0.0)
    pacer.bind(A, ByHand(per_host=9), 0.0)
    give_back(pacer, taken)
    assert woken(pacer, 0.0) == 1.0  # the last one went at 0
    assert len(take(pacer, 1.0)) == 1
    assert len(take(pacer, 2.0)) == 1
    assert take(pacer, 100.0) == []


def test_a_rule_of_its_own_is_stronger_than_what_holds_for_all() -> None:
    pacer: Pacer[str] = Pacer(Limits(per_host=2, delay=5.0))
    pacer.bind(A, ByHand(per_host=6, delay=0.0), 0.0)
    fill(pacer, a=9)
    assert len(take(pacer)) == 6


def test_a_bound_that_is_learned_of_late_holds_at_once() -> None:
    pacer = pacer_of(a=9)
    assert len([pacer.next(0.0), pacer.next(0.0)]) == 2
    pacer.bind(A, ByHand(per_host=2), 0.0)
    pacer.add(A, "more", 0.0)
    assert pacer.next(0.0) is None


def test_a_gap_that_is_learned_of_late_counts_from_the_last_request() -> None:
    """robots.txt's Crawl-delay: what asked for it was a request too."""
    pacer = pacer_of(a=9)
    give_back(pacer, [(one(pacer, 10.0), "")], now=10.1)
    pacer.bind(A, ByHand(delay=5.0), 10.1)
    pacer.add(A, "more", 10.1)
    assert take(pacer, 10.1) == []
    assert woken(pacer, 10.1) == 15.0
    assert len(take(pacer, 15.0)) == 1


# --- groups -----------------------------------------------------------------------------------------------------------


def test_hosts_of_one_domain_share_a_limit_and_take_turns() -> None:
    pacer: Pacer[str] = Pacer(Limits(pace_by=PaceBy.DOMAIN, per_host=3))
    for host in ("a.example.co.uk:443", "b.example.co.uk:443", "other.co.uk:443"):
        for number in range(5):
            pacer.add(host, f"{host[:1]}{number}", 0.0)
    taken = take(pacer)
    assert letters(taken) == {"a": 2, "b": 1, "o": 3}
    give_back(pacer, taken)
    assert letters(take(pacer)) == {"a": 1, "b": 2, "o": 2}


def test_a_gate_is_its_whole_domains() -> None:
    pacer: Pacer[str] = Pacer(Limits(pace_by=PaceBy.DOMAIN))
    visit(pacer, "a.example.com:443")
    visit(pacer, "b.example.com:80")
    visit(pacer, "a.example.com:443", event=Reply(429, (("retry-after", "9"),)))
    pacer.add("c.example.com:443", "c", 0.0)
    pacer.add("b.example.com:80", "b", 0.0)
    assert take(pacer, 8.9) == []
    assert len(take(pacer, 9.0)) == 1  # one probe, whose ever


def test_the_strictest_rule_of_a_domains_hosts_holds_for_all_of_them() -> None:
    pacer: Pacer[str] = Pacer(Limits(pace_by=PaceBy.DOMAIN))
    pacer.bind("a.example.com:443", ByHand(delay=2.0), 0.0)
    pacer.bind("b.example.com:443", ByHand(delay=3.0), 0.0)
    for host in "abc":
        pacer.add(f"{host}.example.com:443", host, 0.0)
    assert sent_times(pacer, 0.0, 100.0) == [0.0, 3.0, 6.0]


ADDRESS = Reply(200, elapsed=0.05, address="8.8.8.8")


def joined(**items: int) -> Pacer[str]:
    """Hosts at one address that have answered, each with so many items."""
    pacer: Pacer[str] = Pacer(Limits(pace_by=PaceBy.ADDRESS))
    for name in items:
        visit(pacer, f"{name}.test:443", event=ADDRESS)
    fill(pacer, **items)
    return pacer


def test_hosts_of_one_address_share_a_limit_once_it_is_known() -> None:
    pacer = fresh(Limits(pace_by=PaceBy.ADDRESS), a=9, b=9, c=9)
    for ticket, _ in take(pacer):
        address = "8.8.4.4" if ticket.host_key == C else "8.8.8.8"
        pacer.release(ticket, Reply(200, elapsed=0.05, address=address), 0.0, 0.0)
    out = take(pacer)
    assert letters(out) == {"a": 2, "b": 2, "c": 4}
    give_back(pacer, out, Reply(404))
    rest = 0
    while (ready := pacer.next(0.0)) is not None:
        pacer.release(ready[0], Reply(404), 0.0, 0.0)
        rest += 1
    assert (rest, pacer.in_flight, pacer.waiting) == (16, 0, 0)


@pytest.mark.parametrize("event", [ADDRESS, Reply(500, address="8.8.8.8"), Reply(404, address="8.8.8.8")])
def test_a_host_that_joins_others_loses_nothing(event: Reply) -> None:
    pacer = joined(a=6)
    pacer.bind(OWN, ByHand(per_host=3), 0.0)
    for number in range(6):
        pacer.add(OWN, f"o{number}", 0.0, delay=30.0 if number == 5 else 0.0)
    out = take(pacer)
    assert letters(out) == {"a": 4, "o": 3}
    (ticket, _) = next(each for each in out if each[0].host_key == OWN)
    pacer.release(ticket, event, 0.0, 0.0)
    assert (pacer.in_flight, pacer.waiting) == (6, 5)
    assert pacer.next(0.0) is None  # six are out where three may be
    left = [each for each in out if each[0] is not ticket]
    give_back(pacer, left, ADDRESS)
    now, served = 0.0, 0
    while pacer.waiting or pacer.in_flight:
        if taken := take(pacer, now):
            assert len(taken) <= 3
            served += len(give_back(pacer, taken, ADDRESS, now))
        else:
            now = woken(pacer, now)
    assert served == 5
    assert now == 30.0


def test_a_host_that_pushes_back_at_its_first_answer_closes_the_gate_of_those_it_joins() -> None:
    pacer = joined(a=3)
    fill(pacer, b=3)
    ticket = next(ticket for ticket, _ in take(pacer) if ticket.host_key == B)
    pacer.release(ticket, Reply(429, (("retry-after", "9"),), address="8.8.8.8"), 0.0, 0.0)
    fill(pacer, a=2)
    assert take(pacer, 8.9) == []


def test_rules_of_a_host_hold_for_the_group_that_it_joins() -> None:
    pacer = joined(a=3)
    pacer.bind(B, ByHand(delay=2.0), 0.0)
    fill(pacer, b=3)
    out = take(pacer)
    give_back(pacer, out, ADDRESS)
    assert (len(out), pacer.waiting) == (4, 2)
    assert sent_times(pacer, 0.0, 100.0) == [2.0, 4.0]


def test_a_host_stays_with_the_address_that_answered_first() -> None:
    pacer = joined(a=2, b=2)
    give_back(pacer, take(pacer), Reply(500, address="9.9.9.9"))
    fill(pacer, a=9, b=9)
    assert len(take(pacer)) == 4


def test_a_gate_that_a_host_waits_for_opens_after_it_has_joined() -> None:
    pacer = fresh(Limits(pace_by=PaceBy.ADDRESS), a=2, b=2)
    tickets = {ticket.host_key: ticket for ticket, _ in take(pacer)}
    pacer.release(tickets[A], Reply(429, (("retry-after", "9"),), address="8.8.8.8"), 0.0, 0.0)
    assert pacer.gated(0.0) == Gated(1, 9.0)
    pacer.release(tickets[B], ADDRESS, 1.0, 0.0)
    now = 9.0
    served = []
    while taken := take(pacer, now):
        served += names(taken)
        give_back(pacer, taken, ADDRESS, now)
        now = woken(pacer, now) if pacer.waiting else now
    assert sorted(served) == ["a1", "b1"]


# --- push-back --------------------------------------------------------------------------------------------------------


def test_after_push_back_a_gate_then_a_probe_then_the_rest() -> None:
    pacer = pacer_of(a=20)
    assert give_back(pacer, take(pacer), Reply(429, (("retry-after", "7"),))) == [True] * 4
    assert pacer.gated(0.5) == Gated(1, 7.0)
    assert take(pacer, 6.999) == []
    (probe,) = take(pacer, 7.0)
    assert pacer.gated(7.0) == Gated(0, None)
    pacer.release(probe[0], GOOD, 7.05, 0.0)
    assert len(take(pacer, 7.1)) == 1  # never together: evenly spaced from now on


def test_one_hosts_gate_is_no_other_hosts_matter() -> None:
    pacer = pacer_of(a=400, b=1)
    for ticket, _ in take(pacer):
        pacer.release(ticket, PUSHED if ticket.host_key == A else GOOD, 0.0, 0.0)
    pacer.add(B, "b1", 0.0)
    assert names(take(pacer)) == ["b1"]


def test_a_probe_waits_until_nothing_of_its_host_is_out() -> None:
    pacer = pacer_of(a=9)
    first, *others = take(pacer)
    give_back(pacer, [first], PUSHED)
    for other in others:
        assert take(pacer, 50.0) == []
        give_back(pacer, [other], STALLED, 50.0)
    assert len(take(pacer, 50.0)) == 1


def test_gates_of_hosts_without_work_are_not_told() -> None:
    pacer = pacer_of(a=1, b=2)
    for ticket, _ in take(pacer):
        wait = "30" if ticket.host_key == A else "60"
        pacer.release(ticket, Reply(429, (("retry-after", wait),)), 0.0, 0.0)
    assert pacer.gated(0.0) == Gated(0, None)  # what was pushed back is not back yet
    pacer.add(B, "b0", 0.0)
    assert pacer.gated(0.0) == Gated(1, 60.0)
    pacer.add(A, "a0", 0.0)
    assert pacer.gated(0.0) == Gated(2, 30.0)
    assert pacer.gated(45.0) == Gated(1, 60.0)


def test_a_time_longer_than_patience_is_waited_for_as_long_as_patience_goes() -> None:
    pacer = pacer_of(a=3)
    pacer.release(one(pacer), Reply(429, (("retry-after", "86400"),)), 0.0, 0.0)
    assert woken(pacer, 0.0) == 300.0
    pacer.release(one(pacer, 300.0), Reply(429, (("retry-after", "86400"),)), 300.0, 0.0)
    assert given_up(pacer) == ["a2"]


@pytest.mark.parametrize(
    ("remaining", "reset", "wakes_at"), [("0", "30", 30.0), ("1", "30", None), ("0", "0", None), ("0", "301", None)]
)
def test_an_allowance_of_nothing_closes_the_gate_before_there_is_push_back(
    remaining: str, reset: str, wakes_at: float | None
) -> None:
    pacer = pacer_of(a=3)
    fields = (("x-ratelimit-remaining", remaining), ("x-ratelimit-reset", reset))
    assert pacer.release(one(pacer), Reply(200, fields, 0.05), 0.0, 0.0) is False
    assert pacer.wake_at() == wakes_at
    if wakes_at is not None:
        assert take(pacer, wakes_at - 0.1) == []
        assert len(take(pacer, wakes_at)) == 1  # a probe goes first


def test_503_from_a_host_that_never_answered_well_is_its_page() -> None:
    pacer = fresh(a=20)
    for _ in range(10):
        assert not any(give_back(pacer, take(pacer), Reply(503)))
    assert pacer.wake_at() is None


def test_echoes_of_a_storm_say_nothing_about_their_urls() -> None:
    pacer = pacer_of(a=20)
    taken = take(pacer)
    events: list[Event] = [PUSHED, PUSHED, Reply(503), REFUSED]
    assert [pacer.release(ticket, event, 0.0, 0.0) for (ticket, _), event in zip(taken, events, strict=True)] == [
        True
    ] * 4
    (slowed,), _ = pacer.slowed(0.0)
    assert slowed.push_backs == {"429": 2, "503": 1, "connect.refused": 1}


# --- given up ---------------------------------------------------------------------------------------------------------


def probed_to_the_end(pacer: Pacer[str], event: Event) -> tuple[float, int, list[tuple[str, str, Event]]]:
    """Every request gets `event`, and every URL comes again: until when, by how many, and what was given up."""
    now, probes = 0.0, 0
    found: list[tuple[str, str, Event]] = []
    while not found:
        ready = pacer.next(now)
        if ready is None:
            now = woken(pacer, now)
            continue
        probes += 1
        assert pacer.release(ready[0], event, now, 0.0)  # free: it says nothing about the URL
        pacer.add(ready[0].host_key, ready[1], now)
        found = list(pacer.take_given_up())
    return now, probes, found


@pytest.mark.parametrize(
    ("event", "limits", "seconds"),
    [
        (PUSHED, Limits(), 300.0),
        (PUSHED, Limits(patience=60.0), 60.0),
        (Reply(503, (("retry-after", "5"),)), Limits(patience=60.0), 60.0),
        (Reply(403, (("retry-after", "5"),)), Limits(patience=60.0), 60.0),
        (REFUSED, Limits(), 60.0),
        (SHUT, Limits(outage_patience=10.0), 10.0),
    ],
)
def test_patience_ends_and_everything_is_given_up_with_the_evidence(
    event: Event, limits: Limits, seconds: float
) -> None:
    pacer = pacer_of(limits, a=10)
    pacer.add(A, "put off", 0.0, delay=1000.0)
    now, probes, found = probed_to_the_end(pacer, event)
    assert now == pytest.approx(seconds, abs=1.0)
    assert probes < 25
    assert len(found) == 10
    assert {host for host, _, _ in found} == {A}
    assert {evidence for _, _, evidence in found} == {event}
    pacer.add(A, "soon after", now + 1.0)
    pacer.add(A, "hop", now + 1.0, turn=Turn.FIRST)
    pacer.add(A, "try", now + 1.0, turn=Turn.LATE)
    assert given_up(pacer) == ["soon after", "hop", "try"]
    assert take(pacer, now + 2.0) == []
    assert pacer.waiting == pacer.put_off == 1
    assert given_up(pacer) == []  # each once
    pacer.add(A, "much later", now + 500.0)
    pacer.add(A, "and another", now + 500.0)
    assert names(take(pacer, now + 500.0)) == ["much later"]  # one is asked, and decides


def test_what_is_put_off_is_given_up_when_it_comes() -> None:
    pacer = pacer_of(Limits(patience=10.0), a=2)
    pacer.add(A, "put off", 0.0, delay=12.0)
    probed_to_the_end(pacer, PUSHED)
    assert pacer.next(12.0) is None
    assert given_up(pacer) == ["put off"]
    assert (pacer.waiting, pacer.put_off, pacer.wake_at()) == (0, 0, None)


def test_a_host_that_was_given_up_and_answers_after_all_is_asked_again() -> None:
    pacer = pacer_of(Limits(patience=10.0), a=9)
    first, second, slow, slower = take(pacer)
    give_back(pacer, [first], PUSHED, 0.0)
    give_back(pacer, [second], PUSHED, 11.0)
    assert len(given_up(pacer)) == 5
    pacer.add(A, "before", 11.5)
    assert given_up(pacer) == ["before"]
    give_back(pacer, [slow, slower], GOOD, 12.0)
    pacer.add(A, "after", 12.0)
    assert given_up(pacer) == []
    assert names(take(pacer, 12.0)) == ["after"]


@pytest.mark.parametrize(
    ("answer", "goes_on"),
    [(GOOD, True), (Reply(404), True), (Reply(500), True), (Reply(429, (("retry-after", "9"),)), False)],
)
def test_asked_anew_much_later_one_answer_decides(answer: Event, goes_on: bool) -> None:
    pacer = pacer_of(a=2)
    now = probed_to_the_end(pacer, PUSHED)[0] + 1000.0
    for number in range(5):
        pacer.add(A, str(number), now)
    (probe,) = take(pacer, now)
    give_back(pacer, [probe], answer, now)
    assert given_up(pacer) == []  # patience begins anew as well
    assert bool(take(pacer, now + 1.0)) is goes_on
    assert take(pacer, now + 9.0)


def test_a_page_that_hangs_is_no_evidence_against_a_host_that_pushes_back() -> None:
    pacer = pacer_of(Limits(patience=10.0), a=9)
    pacer.release(one(pacer), PUSHED, 0.0, 0.0)
    pacer.release(one(pacer, woken(pacer, 0.0)), STALLED, 20.0, 0.0)
    assert given_up(pacer) == []


def test_all_hosts_of_a_group_are_given_up_together() -> None:
    pacer = joined(a=9, b=9)
    found = probed_to_the_end(pacer, PUSHED)[2]
    assert Counter(host for host, _, _ in found)[A] + Counter(host for host, _, _ in found)[B] == len(found) >= 17
    assert pacer.waiting == 0


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
        assert pacer.release(ticket, event, now, 0.0) is False
        if delay is not None:
            pacer.add(host_key, item, now, delay=delay, turn=Turn.LATE)
            assert pacer.next(now) is None
            now += delay
    return now


@pytest.mark.parametrize("event", [SHUT, REFUSED, Failure(Reason.DNS_TIMEOUT, ""), Failure(Reason.DNS_FAILURE, "")])
def test_a_dead_host_is_told_by_one_urls_tries(event: Failure) -> None:
    pacer = fresh(a=400)
    pacer.add(A, "put off", 0.0, delay=1000.0)
    now = tried_in_full(pacer, A, 0.0, event)
    found = list(pacer.take_given_up())
    assert len(found) == 399
    assert {evidence for _, _, evidence in found} == {event}
    pacer.add(A, "more", now)
    assert given_up(pacer) == ["more"]
    pacer.add(A, "much later", now + 400.0)
    pacer.add(A, "and another", now + 400.0)
    (probe,) = take(pacer, now + 400.0)
    assert probe[1] == "much later"
    give_back(pacer, [probe], event, now + 404.0)
    assert given_up(pacer) == ["and another"]  # one failure is enough
    assert (pacer.waiting, pacer.put_off, pacer.in_flight) == (1, 1, 0)


def test_while_an_attempt_to_connect_goes_on_no_host_is_dead() -> None:
    pacer, now = fresh(a=9), 0.0
    goes_on = msgspec.structs.replace(SHUT, under_way=4.0)
    for _ in range(5):
        pacer.release(one(pacer, now), goes_on, now + 4.0, 0.0)
        now += 4.0
    assert given_up(pacer) == []
    pacer.release(one(pacer, now), SHUT, now + 10.0, 0.0)
    assert len(given_up(pacer)) == 3


def test_a_dead_host_that_is_there_much_later_is_asked_as_a_good_one() -> None:
    pacer = fresh(a=9)
    now = tried_in_full(pacer, A, 0.0) + 1000.0
    assert len(given_up(pacer)) == 8
    fill(pacer, now, a=9)
    give_back(pacer, take(pacer, now), GOOD, now)
    assert len(take(pacer, now)) == 4


def test_one_answer_ends_a_hosts_silence() -> None:
    for answer in (GOOD, Reply(500), PUSHED):
        pacer = fresh(a=50)
        for _ in range(2):
            pacer.release(one(pacer), SHUT, 1.0, 0.0)
        pacer.release(one(pacer, 1.0), answer, 2.0, 0.0)
        taken = take(pacer, 9.0)
        assert taken
        assert all(give_back(pacer, taken, REFUSED, 9.0))  # it has answered: such failures are its load's
        assert given_up(pacer) == []


def test_refusals_at_the_same_moment_are_one_try() -> None:
    pacer: Pacer[str] = Pacer(Limits())
    for number in range(40):
        pacer.add(OWN, str(number), 0.0)
    taken = take(pacer)
    assert len(taken) == 32
    give_back(pacer, taken, REFUSED, 0.001)
    assert given_up(pacer) == []
    for now in (1.0, 2.0):
        ((ticket, _),) = take(pacer, now)
        pacer.release(ticket, REFUSED, now + 0.5, 0.0)
    assert len(given_up(pacer)) == 6


def test_a_host_that_lets_itself_be_connected_to_and_says_nothing_gets_more_tries() -> None:
    pacer, now, tries = fresh(a=400), 0.0, 0
    while not (found := given_up(pacer)):
        taken = take(pacer, now)
        assert len(taken) == (1 if tries == 0 else STALLING_AT_ONCE)
        now += 20.0
        for each in taken:
            give_back(pacer, [each], STALLED, now)
            tries += 1
            if pacer.waiting == 0:
                break
    assert tries == STALLS_UNTIL_DEAD * Limits().probes
    assert len(found) + tries + pacer.in_flight == 400


@pytest.mark.parametrize("event", [REFUSED, Failure(Reason.RESPONSE_RESET, "reset")])
def test_what_fails_in_one_moment_fails_once(event: Failure) -> None:
    """The first requests to a host of one's own go together, and the limit that they meet is no death."""
    pacer: Pacer[str] = Pacer(Limits())
    for number in range(60):
        pacer.add(OWN, f"o{number}", 0.0)
    now = 0.0
    for _ in range(9):
        out = take(pacer, now)
        now += 0.02
        give_back(pacer, out, event, now)
    assert given_up(pacer) == []


def test_a_host_with_a_page_that_hangs_is_not_dead() -> None:
    pacer = fresh(a=9)
    for _ in range(5):
        give_back(pacer, take(pacer)[:1], STALLED, 20.0)
    pacer = fresh(a=9)
    pacer.release(one(pacer), STALLED, 20.0, 0.0)
    give_back(pacer, take(pacer, 20.0), GOOD, 20.1)
    assert len(take(pacer, 20.1)) == 4


def test_while_a_silent_hosts_url_waits_for_its_later_try_so_do_the_others() -> None:
    pacer = fresh(a=5)
    ticket, item = pacer.next(0.0) or pytest.fail("nothing")
    pacer.release(ticket, SHUT, 4.0, 0.0)
    pacer.add(A, item, 4.0, delay=60.0, turn=Turn.LATE)
    assert pacer.next(63.9) is None
    assert woken(pacer, 4.0) == 64.0
    assert names(take(pacer, 64.0)) == [item]


def test_a_silent_hosts_url_that_is_settled_lets_the_next_one_try() -> None:
    pacer = fresh(Limits(probes=9), a=5)
    for number in range(5):
        taken = take(pacer, float(number))
        assert names(taken) == [f"a{number}"]
        give_back(pacer, taken, SHUT, number + 0.5)
    assert (pacer.waiting, pacer.wake_at()) == (0, None)


def at_address(reason: Reason = Reason.CONNECT_TIMEOUT) -> Failure:
    return Failure(reason, "", address="192.0.2.1")


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
    assert pacer.next(104.0) is None
    assert given_up(pacer) == ["b0"]


def test_a_further_host_at_a_dead_address_pays_one_try() -> None:
    pacer = fresh(a=5)
    now = tried_in_full(pacer, A, 0.0)
    given_up(pacer)
    fill(pacer, now, b=5)
    give_back(pacer, take(pacer, now), SHUT, now + 4.0)
    assert given_up(pacer) == ["b1", "b2", "b3", "b4"]


def test_a_dead_port_is_not_a_dead_address() -> None:
    pacer = fresh(a=5)
    now = tried_in_full(pacer, A, 0.0)
    given_up(pacer)
    for number in range(5):
        pacer.add("b.test:8443", f"b{number}", now)
    give_back(pacer, take(pacer, now), SHUT, now + 4.0)
    assert given_up(pacer) == []


def test_a_host_that_answers_at_an_address_clears_it() -> None:
    pacer = fresh(a=5, b=5)
    taken = take(pacer)
    give_back(pacer, taken, SHUT, 4.0)
    give_back(pacer, take(pacer, 4.0), SHUT, 8.0)  # twice each, and twice the address
    again = take(pacer, 8.0)
    for ticket, _ in again:
        pacer.release(ticket, GOOD if ticket.host_key == A else SHUT, 12.0, 0.0)
    assert letters(take(pacer, 12.0)) == {"a": 2}
    assert given_up(pacer) == ["b3", "b4"]  # by its own three tries: the address was cleared


def test_those_who_answered_are_not_given_up_with_their_address() -> None:
    pacer = pacer_of(b=5)
    fill(pacer, a=5)
    out = take(pacer)
    give_back(pacer, [each for each in out if each[0].host_key == B], SHUT, 1.0)
    for now in (1.0, 5.0, 9.0):
        silent = [each for each in out if each[0].host_key == A]
        give_back(pacer, silent, SHUT, now)
        out = take(pacer, now)
    assert {host for host, _, _ in pacer.take_given_up()} == {A}


def test_silent_hosts_come_last_and_hold_a_part_of_the_slots() -> None:
    pacer = fresh(Limits(concurrency=4, silent_share=0.25), a=9, b=9, c=9)
    for ticket, item in take(pacer):
        is_good = ticket.host_key == C
        pacer.release(ticket, GOOD if is_good else SHUT, 1.0, 0.0)
        if not is_good:
            pacer.add(ticket.host_key, item, 1.0, turn=Turn.LATE)
    out = take(pacer, 1.0)
    assert letters(out) == {"c": 4}
    give_back(pacer, out[:3], now=1.0)
    fill(pacer, 1.0, d=1)
    assert letters(take(pacer, 1.0)) == {"c": 3}
    give_back(pacer, out[3:], now=1.0)
    assert len(take(pacer, 1.0)) == 1


def test_silent_hosts_have_all_slots_while_nobody_else_is_asked() -> None:
    pacer = fresh(Limits(concurrency=3, silent_share=0.25), a=3, b=3, c=3)
    give_back(pacer, take(pacer), SHUT, 4.0)
    assert letters(take(pacer, 4.0)) == {"a": 1, "b": 1, "c": 1}
    assert pacer.has_room_for_more  # two of the three would be another host's, once they end
    assert pacer.next(4.0) is None


# --- the network ------------------------------------------------------------------------------------------------------


def gone_dark(limits: Limits | None = None, /, **more: int) -> tuple[Pacer[str], list[tuple[Ticket, str]]]:
    """Five hosts that answered and now fail, all of them, at 4.0; and what is out of others."""
    pacer = pacer_of(limits, **dict.fromkeys("abcde", 3), **more)
    taken = take(pacer)
    failing = [each for each in taken if each[1][0] in "abcde"]
    assert all(give_back(pacer, failing, SHUT, 4.0))
    for ticket, item in failing:
        pacer.add(ticket.host_key, item, 4.0)
    assert pacer.is_network_down
    return pacer, [each for each in taken if each not in failing]


def test_a_network_that_is_gone_gets_a_few_probes_and_comes_back() -> None:
    pacer, _ = gone_dark()
    assert pacer.next(4.0) is None
    probes = take(pacer, woken(pacer, 4.0))
    assert len(probes) == 3
    assert len({ticket.host_key for ticket, _ in probes}) == 3
    pacer.release(probes[0][0], GOOD, 5.1, 0.0)
    assert not pacer.is_network_down
    assert {ticket.host_key for ticket, _ in take(pacer, 6.0)} >= {A, B}


def test_who_was_in_an_outage_when_it_came_back_is_not_held_to_it() -> None:
    pacer = pacer_of(Limits(outage_patience=30.0), **dict.fromkeys("abcde", 9), f=9)
    taken = take(pacer)
    give_back(pacer, [each for each in taken if each[1][0] == "f"], SHUT, 0.0)  # an outage of its own
    give_back(pacer, [each for each in taken if each[1][0] != "f"], SHUT, 2.0)
    assert pacer.is_network_down
    probe = one(pacer, woken(pacer, 2.0))
    pacer.release(probe, GOOD, 29.0, 0.0)
    assert not pacer.is_network_down
    ticket = next(ticket for ticket, item in take(pacer, 29.0) if item[0] == "f")
    pacer.release(ticket, SHUT, 39.0, 0.0)
    assert given_up(pacer) == []
    ticket = next(ticket for ticket, item in take(pacer, 69.0) if item[0] == "f")
    pacer.release(ticket, SHUT, 70.0, 0.0)
    assert len(given_up(pacer)) > 0


def test_a_network_that_does_not_come_back_is_lost() -> None:
    for event in (SHUT, REFUSED, STALLED, Failure(Reason.CONNECT_RESET, "")):
        pacer, _ = gone_dark()
        now, sent = 4.0, 0
        while not pacer.is_network_lost:
            now = woken(pacer, now)
            for ticket, item in take(pacer, now):
                sent += 1
                assert pacer.release(ticket, event, now + 0.5, 0.0)
                pacer.add(ticket.host_key, item, now + 0.5)
            now += 0.5
        assert 60.0 <= now <= 90.0
        assert sent < 40
        assert given_up(pacer) == []


def test_probes_keep_every_bound() -> None:
    limits = Limits(per_host=1, delay=3.0, total_rate=1.0)
    pacer: Pacer[str] = Pacer(limits)
    now = 0.0
    for name in "abcdefgh":
        visit(pacer, f"{name}.test:443", now)
        now += 5.0
    fill(pacer, now, **dict.fromkeys("abcdefgh", 3))
    out = []
    for _ in range(7):
        out.append(pacer.next(now) or pytest.fail("not ready"))
        now += 1.0
    for each in out[:5]:
        give_back(pacer, [each], SHUT, now)
        pacer.add(each[0].host_key, each[1], now)
    assert pacer.is_network_down
    hanging = {ticket.host_key for ticket, _ in out[5:]}
    sent: dict[str, float] = {ticket.host_key: ticket.sent_at for ticket, _ in out}
    last = max(sent.values())
    for _ in range(12):
        now = woken(pacer, now)
        for ticket, item in take(pacer, now):
            assert ticket.host_key not in hanging  # one at once
            assert now - sent.get(ticket.host_key, -9.0) >= 3.0
            assert now - last >= 0.98
            sent[ticket.host_key] = last = now
            pacer.release(ticket, SHUT, now, 0.0)
            pacer.add(ticket.host_key, item, now)


def test_while_probes_have_no_slot_nobody_is_woken_in_vain() -> None:
    pacer = pacer_of(Limits(concurrency=8), **dict.fromkeys("abcde", 2), f=3)
    taken = [(one(pacer), ""), *take(pacer)]
    dark = {ticket.host_key: ticket for ticket, _ in taken if ticket.host_key != "f.test:443"}
    assert len(taken) == 8
    assert len(dark) == 5
    for host, ticket in dark.items():
        pacer.release(ticket, SHUT, 4.0, 0.0)
        pacer.add(host, "again", 4.0)
    sent = len(take(pacer, woken(pacer, 4.0)))
    sent += len(take(pacer, woken(pacer, 5.0)))
    assert (sent, pacer.in_flight) == (5, 8)
    assert pacer.wake_at() is None


def test_without_a_suspect_that_may_be_asked_any_other_host_is_the_probe() -> None:
    pacer = pacer_of(**dict.fromkeys("abcde", 1), f=3)
    taken = take(pacer)
    give_back(pacer, [each for each in taken if each[1][0] != "f"], SHUT, 4.0)  # settled: these have nothing left
    assert pacer.is_network_down
    assert pacer.wake_at() is None  # there is nothing to probe with but what is out
    pacer.add("f.test:443", "f3", 4.0)
    assert names(take(pacer, woken(pacer, 4.0))) == ["f3"]


def test_what_is_out_elsewhere_and_answers_ends_the_alarm() -> None:
    pacer, out = gone_dark(f=4)
    give_back(pacer, out[:1], Reply(404), 4.5)
    assert not pacer.is_network_down
    assert take(pacer, 5.0)


def test_a_machine_without_a_network_is_told_at_once_and_its_hosts_are_not_dead() -> None:
    pacer = fresh(**dict.fromkeys("abcdefgh", 2))
    offline = Failure(Reason.CONNECT_UNREACHABLE, "")
    free = [pacer.release(ticket, offline, 0.01, 0.0) for ticket, _ in take(pacer)]
    assert free == [False, False, True, True, True, True, True, True]
    assert pacer.is_network_down
    give_back(pacer, take(pacer, woken(pacer, 0.01)), GOOD, 2.0)
    assert not pacer.is_network_down
    assert given_up(pacer) == []


def test_ones_own_hosts_are_no_sign_of_a_network() -> None:
    pacer: Pacer[str] = Pacer(Limits())
    own = [f"127.0.0.{number}:80" for number in range(9)]
    for host in own:
        visit(pacer, host)
    for host in own:
        pacer.add(host, "x", 0.0)
    give_back(pacer, take(pacer), Failure(Reason.CONNECT_UNREACHABLE, ""))
    assert not pacer.is_network_down
    for name in "abc":
        pacer.add(f"{name}.test:443", name, 0.0)
    offline = Failure(Reason.CONNECT_UNREACHABLE, "")
    give_back(pacer, take(pacer), offline)
    assert pacer.is_network_down  # nobody but oneself has answered
    visit_own = one(pacer, woken(pacer, 0.0)) if pacer.waiting else None
    assert visit_own is None or visit_own.host_key in own


# --- what is told -----------------------------------------------------------------------------------------------------


def test_what_limits_at_each_moment() -> None:
    pacer = pacer_of(Limits(concurrency=2), a=0)
    assert pacer.limiter() is Limiter.LATER_TRIES
    fill(pacer, a=3)
    assert pacer.limiter() is Limiter.HOSTS
    tickets = take(pacer)
    assert pacer.limiter() is Limiter.SLOTS
    give_back(pacer, tickets)
    assert len(take(pacer)) == 1
    assert pacer.limiter() is Limiter.ANSWERS


def test_what_limits_where_hosts_keep_silent() -> None:
    pacer = fresh(a=2)
    pacer.release(one(pacer), SHUT, 4.0, 0.0)
    ticket = one(pacer, 4.0)
    assert pacer.limiter() is Limiter.TIMEOUTS
    pacer.add(A, "again", 4.0)
    assert pacer.limiter() is Limiter.TIMEOUTS
    pacer.release(ticket, SHUT, 8.0, 0.0)


def test_what_limits_at_a_total_rate() -> None:
    pacer = fresh(Limits(total_rate=1), a=2, b=2)
    take(pacer)
    assert pacer.limiter() is Limiter.TOTAL_RATE


def test_what_limits_where_the_network_is_gone() -> None:
    pacer, _ = gone_dark()
    assert pacer.limiter() is Limiter.NETWORK


def test_who_was_slowed_by_push_back() -> None:
    pacer = pacer_of(a=5, b=5)
    for ticket, _ in take(pacer):
        pacer.release(ticket, PUSHED if ticket.host_key == A else GOOD, 0.0, 0.0)
    (slowed,), count = pacer.slowed(3.0)
    assert (slowed.host, slowed.push_backs, count, slowed.requests) == (A, {"429": 4}, 1, 5)
    assert (slowed.at_once, slowed.cause) == (2, Cause.HOST)
    assert slowed.held == pytest.approx(3.0)
    assert not slowed.is_given_up


def test_who_was_held_by_a_bound_without_push_back_and_who_was_given_up() -> None:
    pacer = pacer_of(Limits(delay=1.0), a=3)
    fill(pacer, b=3)
    now = 0.0
    while pacer.waiting:
        for ticket, _ in take(pacer, now):
            now += 0.01
            pacer.release(ticket, GOOD if ticket.host_key == A else SHUT, now, 0.0)
        if pacer.waiting:
            now = woken(pacer, now)
    told = {slowed.host: slowed for slowed in pacer.slowed(now)[0]}
    assert set(told) == {A, B}
    assert (told[A].rate, told[A].at_once, told[A].is_given_up) == (1.0, None, False)
    assert told[A].cause is Cause.SETTING
    assert told[A].held == pytest.approx(3.0)
    assert told[B].is_given_up


def test_what_lets_nothing_through_has_no_limit_that_was_found() -> None:
    pacer = fresh(a=2)
    pacer.release(one(pacer), PUSHED, 0.0, 0.0)
    (slowed,), _ = pacer.slowed(1.0)
    assert (slowed.at_once, slowed.rate, slowed.push_backs) == (None, None, {"429": 1})


@pytest.mark.parametrize(
    ("limits", "at_once", "cause"),
    [
        (Limits(), 5, Cause.GROWTH),
        (Limits(host_cap=5), 5, Cause.DEFAULT),
        (Limits(per_host=3), 3, Cause.SETTING),
    ],
)
def test_who_was_held_back_and_never_minded(limits: Limits, at_once: int, cause: Cause) -> None:
    pacer = pacer_of(limits, a=40)
    out = take(pacer)
    for _ in range(6):
        pacer.release(out.pop(0)[0], GOOD, 0.0, 0.0)
        out += take(pacer)
    (slowed,), _ = pacer.slowed(9.0)
    assert (slowed.at_once, slowed.rate, slowed.cause) == (at_once, None, cause)


def test_who_was_held_back_by_the_allowance_that_it_stated() -> None:
    pacer = pacer_of(a=40)
    fields = (("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "30"))
    pacer.release(one(pacer), Reply(200, fields, 0.05), 1.0, 0.0)
    (slowed,), _ = pacer.slowed(9.0)
    assert (slowed.at_once, slowed.rate, slowed.cause, slowed.held) == (None, None, Cause.ALLOWANCE, 8.0)


def test_a_learned_rate_below_the_one_that_was_set_is_the_hosts() -> None:
    pacer = pacer_of(Limits(rate=1000.0), a=400)
    now = 0.0
    for number in range(120):
        found = pacer.next(now)
        if found is None:
            now = woken(pacer, now)
            continue
        now += 0.01
        pacer.release(found[0], PUSHED if number % 20 == 19 else GOOD, now, 0.0)
    (slowed,), _ = pacer.slowed(now)
    assert slowed.cause is Cause.HOST
    assert slowed.rate is not None
    assert slowed.rate < 500.0


def test_slowed_hosts_are_told_longest_first_and_those_forgotten_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacer_module, "IDLE_GROUPS_KEPT", 10)
    pacer: Pacer[str] = Pacer(Limits())
    hosts = SLOWED_TOLD + 30
    for number in range(hosts):
        host = f"h{number}.test:443"
        now = 1000.0 * number
        visit(pacer, host, now)
        pacer.add(host, "x", now)
        pacer.release(one(pacer, now), Reply(429, (("retry-after", str(1 + number)),)), now, 0.0)
        pacer.add(host, "x", now)
        now = woken(pacer, now)
        pacer.release(one(pacer, now), GOOD, now, 0.0)
    told, count = pacer.slowed(now)
    assert (len(told), count) == (SLOWED_TOLD, hosts)
    assert [slowed.host for slowed in told] == [f"h{number}.test:443" for number in range(hosts - 1, 29, -1)]


# --- memory and cost --------------------------------------------------------------------------------------------------


@pytest.fixture
def few_kept(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(pacer_module, "IDLE_GROUPS_KEPT", 100)
    return 100


def test_hosts_without_work_are_forgotten_beyond_a_number_and_the_rest_remembered(few_kept: int) -> None:
    pacer: Pacer[str] = Pacer(Limits(host_start=1))
    for _ in range(3):  # learns: 1 -> 2 -> 3 at once
        visit(pacer, A)
    for number in range(few_kept - 1):
        visit(pacer, f"h{number}.test:443")
    fill(pacer, a=5)
    assert len(take(pacer)) > 1
    for number in range(3 * few_kept):
        visit(pacer, f"i{number}.test:443")
    assert len(pacer._hosts) <= few_kept + 1
    assert A in pacer._hosts


def test_a_gate_is_kept_whatever_number_of_hosts_comes_by(few_kept: int) -> None:
    pacer: Pacer[str] = Pacer(Limits())
    visit(pacer, A, event=Reply(429, (("retry-after", "100"),)))
    for number in range(2 * few_kept):
        visit(pacer, f"h{number}.test:443", 50.0)
    assert len(pacer._hosts) <= few_kept + 1
    pacer.add(A, "again", 50.0)
    assert take(pacer, 99.0) == []
    assert names(take(pacer, 100.0)) == ["again"]


@pytest.mark.parametrize(
    "event",
    [
        PUSHED,
        SHUT,
        REFUSED,
        STALLED,
        at_address(),
        Failure(Reason.DNS_FAILURE, ""),
        Failure(Reason.TLS_EXPIRED, ""),
        Reply(200, address="8.8.8.8"),
    ],
)
@pytest.mark.parametrize("pace_by", PaceBy)
def test_nothing_piles_up_whatever_becomes_of_the_hosts(few_kept: int, event: Event, pace_by: PaceBy) -> None:
    pacer: Pacer[str] = Pacer(Limits(probes=1, patience=0.0, pace_by=pace_by))
    for number in range(5 * few_kept):
        now = 200.0 * number
        host = f"h{number}.h{number}.test:443"
        pacer.add(host, "x", now)
        pacer.add(host, "y", now)
        pacer.add(host, "put off", now, delay=50.0)
        while (ready := pacer.next(now)) is not None or pacer.waiting:
            if ready is None:
                now = woken(pacer, now)
                continue
            pacer.release(ready[0], event, now, 0.0)
            given_up(pacer)
        given_up(pacer)
    pacer.next(1e9)
    assert len(pacer._hosts) <= few_kept + 1 or pace_by is PaceBy.DOMAIN or event == Reply(200, address="8.8.8.8")
    assert sum(host.paced_with is None for host in pacer._hosts.values()) <= few_kept + 1
    assert len(pacer._shared) <= few_kept + 1
    assert pacer._timers == []
    assert pacer._gates == set()
    assert pacer._used_buckets == 0
    assert (pacer.waiting, pacer.in_flight, pacer._in_flight_silent) == (0, 0, 0)


def test_hosts_at_one_dead_address_do_not_pile_up_either(few_kept: int) -> None:
    pacer: Pacer[str] = Pacer(Limits(concurrency=1000))
    for number in range(3 * few_kept):
        for item in "vwxyz":
            pacer.add(f"h{number}.test:443", item, 0.0)
    for now in (0.0, 4.0, 8.0):
        give_back(pacer, take(pacer, now), at_address(), now + 4.0)
    assert len(given_up(pacer)) == 2 * 3 * few_kept  # three tries for all of them
    assert pacer.waiting == 0
    assert len(pacer._hosts) <= few_kept + 1
    assert sum(len(address.hosts) for address in pacer._addresses.values()) <= 1


def calls_of(work: Callable[[], object]) -> int:
    """How many functions, Python's and C's, `work` calls."""
    count = 0

    def profile(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    gc.disable()  # what other tests left behind may call something when it goes
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(before)
        gc.enable()
    return count


@pytest.mark.parametrize("event", [GOOD, PUSHED, SHUT, Reply(500)])
def test_the_cost_of_a_step_does_not_grow_with_the_number_of_hosts(event: Event) -> None:
    def steps(pacer: Pacer[str]) -> None:
        for number in range(100):
            now = float(number)
            ready = pacer.next(now)
            assert ready is not None
            pacer.release(ready[0], event, now, 0.0)
            pacer.add(ready[0].host_key, "again", now)
            pacer.add(ready[0].host_key, "later", now, delay=1e6, turn=Turn.LATE)
            pacer.wake_at()
            pacer.limiter()

    counts = []
    for hosts in (200, 20_000):
        pacer: Pacer[str] = Pacer(Limits())
        for number in range(hosts):
            pacer.add(f"h{number}.test:443", "x", 0.0)
        counts.append(calls_of(lambda pacer=pacer: steps(pacer)))  # type: ignore[misc]  # bound at once on purpose
    assert counts[1] == counts[0]


def test_waiting_costs_no_slot_and_no_task() -> None:
    pacer = pacer_of(Limits(concurrency=2), a=1)
    for number in range(1000):
        pacer.add(B, str(number), 0.0, delay=10.0)
    assert (pacer.in_flight, pacer.has_room_for_more, len(take(pacer))) == (0, True, 1)


def test_any_item_will_do() -> None:
    pacer: Pacer[Any] = Pacer(Limits())
    for item in (object(), None, lambda: 1):
        pacer.add(A, item, 0.0)
        pacer.add(A, item, 0.0, delay=1.0)
    assert (pacer.waiting, pacer.put_off) == (6, 3)
    assert pacer.next(1.0) is not None


# --- whose fault ------------------------------------------------------------------------------------------------------

UNAVAILABLE = Reply(503)


def overloaded(pacer: Pacer[str], now: float) -> None:
    """Three pages fail in a row, and are asked again."""
    taken = take(pacer, now)
    assert len(taken) == 3
    assert give_back(pacer, taken, UNAVAILABLE, now) == [True] * 3
    for ticket, item in taken:
        pacer.add(ticket.host_key, item, now)


def test_what_was_answered_well_is_asked_once_more_where_everything_fails() -> None:
    pacer = pacer_of()
    for _ in range(20):
        visit(pacer, A)  # else three pages that fail are too many to be blamed
    pacer.add(A, "well", 0.0)
    (taken,) = take(pacer)
    pacer.release(taken[0], GOOD, 0.0, 0.0, item=taken[1])
    fill(pacer, a=3)
    overloaded(pacer, 1.0)
    ready = pacer.next(now := woken(pacer, 1.0))
    assert ready is not None
    assert ready[0].is_control
    assert ready[1] == "well"
    assert (pacer.in_flight, pacer.waiting) == (1, 3)
    assert pacer.next(now) is None
    pacer.release(ready[0], GOOD, now, 0.0)
    later = now
    while not (taken_now := take(pacer, later)):
        later = woken(pacer, later)
    assert not any(ticket.is_control for ticket, _ in taken_now)
    assert pacer.release(taken_now[0][0], UNAVAILABLE, later, 0.0, failed_at=1.0) is False  # it is the page's own


def test_where_that_fails_too_it_is_the_host_and_every_other_probe_is_a_page() -> None:
    pacer = pacer_of()
    pacer.add(A, "well", 0.0)
    (taken,) = take(pacer)
    pacer.release(taken[0], GOOD, 0.0, 0.0, item=taken[1])
    fill(pacer, a=3)
    overloaded(pacer, 1.0)
    now, kinds = 1.0, []
    while not (unanswered := given_up(pacer)):
        now = woken(pacer, now)
        ready = pacer.next(now)
        assert ready is not None
        kinds.append(ready[0].is_control)
        pacer.release(ready[0], UNAVAILABLE, now, 0.0, failed_at=1.0)
        if not ready[0].is_control:
            pacer.add(A, ready[1], now)
    assert kinds[:4] == [True, False, True, False]
    assert len(unanswered) == 3
    assert now == pytest.approx(1.0 + Limits().overload_patience)


def test_a_time_that_the_control_is_told_is_obeyed() -> None:
    pacer = pacer_of()
    pacer.add(A, "well", 0.0)
    (taken,) = take(pacer)
    pacer.release(taken[0], GOOD, 0.0, 0.0, item=taken[1])
    fill(pacer, a=3)
    overloaded(pacer, 1.0)
    now = woken(pacer, 1.0)
    pacer.release(one(pacer, now), Reply(429, (("retry-after", "120"),)), now, 0.0)
    assert woken(pacer, now) == now + 120.0
    assert take(pacer, now + 120.0)
    assert given_up(pacer) == []


def test_hosts_that_share_a_limit_do_not_vouch_for_one_another() -> None:
    pacer: Pacer[str] = Pacer(Limits(pace_by=PaceBy.DOMAIN))
    for host in ("x.a.test:443", "y.a.test:443"):
        pacer.add(host, "well", 0.0)
        (taken,) = take(pacer)
        pacer.release(taken[0], GOOD, 0.0, 0.0, item=taken[1])
    for number in range(3):
        pacer.add("x.a.test:443", str(number), 0.0)
    overloaded(pacer, 1.0)
    ready = pacer.next(woken(pacer, 1.0))
    assert ready is not None
    assert not ready[0].is_control


def test_of_hosts_that_share_a_limit_those_that_fail_are_given_up() -> None:
    pacer: Pacer[str] = Pacer(Limits(pace_by=PaceBy.DOMAIN, patience=5.0))
    good, bad = "x.a.test:443", "y.a.test:443"
    for host in (good, bad):
        visit(pacer, host)
    pacer.add(bad, "bad", 0.0)
    pacer.release(one(pacer), PUSHED, 0.0, 0.0)
    pacer.add(bad, "bad", 0.0)
    now = 0.0
    while not (lost := given_up(pacer)):
        now = woken(pacer, now)
        pacer.release(one(pacer, now), PUSHED, now, 0.0)
        pacer.add(bad, "bad", now)
    assert lost == ["bad"]
    pacer.add(good, "good", now)
    assert given_up(pacer) == []


def test_a_head_that_gets_503_says_nothing_and_neither_does_a_status_that_was_expected() -> None:
    pacer = pacer_of(a=40)
    for _ in range(20):
        for pressure in (Pressure.DOUBT, Pressure.ERROR):
            pacer.release(one(pacer), UNAVAILABLE, 0.0, 0.0, pressure=pressure)
    assert pacer.gated(0.0) == Gated(0, None)


def test_silent_hosts_are_begun_early_and_then_wait_for_those_that_answer() -> None:
    limits = Limits(concurrency=16)
    pacer = pacer_of(limits, a=0, b=0, c=0)
    for number in range(8):
        pacer.add(f"dead{number}.test:443", "x", 0.0)
    for ticket, item in take(pacer):
        pacer.release(ticket, SHUT, 1.0, 0.0)
        pacer.add(ticket.host_key, item, 1.0)
    fill(pacer, 1.0, a=50, b=50, c=50)
    taken = [ticket.host_key for ticket, _ in take(pacer, 1.0)]
    dead = [host for host in taken if host.startswith("dead")]
    assert taken[:4] == dead[:4]
    assert len(dead) == 4  # a quarter: half of what silent hosts may hold at all
    assert len(taken) == 16


# --- the last page ----------------------------------------------------------------------------------------------------


def asked_to_the_end(is_let_through: Callable[[str, float], bool]) -> tuple[list[bool], list[str], float]:
    """A host with one page that was answered well and one that waits, which is asked until it is or is told to be its
    own matter. What `release` said of it, what was asked, and how long it took."""
    pacer = pacer_of()
    pacer.add(A, "good", 0.0)
    pacer.release(one(pacer), GOOD, 0.0, 0.0, item="good")
    pacer.add(A, "last", 0.0)
    now = 0.0
    said: list[bool] = []
    asked: list[str] = []
    while now < 3_000:
        ready = pacer.next(now)
        if ready is None:
            now = woken(pacer, now)
            continue
        ticket, item = ready
        asked.append(item)
        is_well = is_let_through(item, now)
        is_free = pacer.release(ticket, GOOD if is_well else PUSHED, now, 0.0, item=item)
        if item == "last":
            if is_well:
                break
            said.append(is_free)
            if not is_free:
                break
            pacer.add(A, item, now)
    return said, asked, now


def test_a_page_that_is_pushed_back_while_another_is_answered_each_time_is_its_own_matter() -> None:
    said, asked, seconds = asked_to_the_end(lambda item, _: item == "good")
    assert said == [True, True, True, False]
    assert asked == ["last", "good"] * 3 + ["last"]
    assert 14.0 <= seconds < 20.0  # rests of 2, 4 and 8 s


@pytest.mark.parametrize("seconds", [0.5, 3.0, 10.0, 30.0, 60.0, 200.0])
def test_no_limit_is_taken_for_a_page_of_its_own(seconds: float) -> None:
    """One request in so many seconds is let through, whatever it asks for, and "good" was."""
    open_at = [seconds]

    def limit(_: str, now: float) -> bool:
        if now < open_at[0]:
            return False
        open_at[0] = now + seconds
        return True

    said, _, _ = asked_to_the_end(limit)
    assert all(said)
