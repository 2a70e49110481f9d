"""Who may be asked next: the rules one by one, then any sequence of events, by hypothesis."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from urlsweep.core.model import Failure, Reason, Reply
from urlsweep.core.pacer import IDLE_HOSTS_KEPT, Limits, Pacer, Pressure, Ticket, pressure_of
from urlsweep.core.policy import PolicyError

A, B = "a.test:443", "b.test:443"
NONE, ERROR, TROUBLE, PUSH_BACK = Pressure.NONE, Pressure.ERROR, Pressure.TROUBLE, Pressure.PUSH_BACK


def visit(pacer: Pacer[str], host_key: str, now: float = 0.0, pressure: Pressure = NONE) -> None:
    pacer.add(host_key, "x", now)
    ready = pacer.next(now)
    assert ready is not None
    pacer.release(ready[0], pressure, now, 100.0)


def pacer_of(limits: Limits | None = None, **items: int) -> Pacer[str]:
    """A pacer with so many items for hosts a, b, ...: named a0, a1, ...; each has answered once before."""
    pacer: Pacer[str] = Pacer(limits or Limits())
    for name in items:
        visit(pacer, f"{name}.test:443", pressure=ERROR)
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


# --- bounds -----------------------------------------------------------------------------------------------------------


def test_a_hosts_bound_and_the_one_for_all() -> None:
    pacer = pacer_of(Limits(concurrency=6), a=10, b=10)
    assert Counter(name[0] for name in names(take(pacer))) == {"a": 3, "b": 3}
    assert pacer.in_flight == 6
    assert pacer.waiting == 14
    pacer = pacer_of(Limits(concurrency=100), a=10, b=10)
    assert Counter(name[0] for name in names(take(pacer))) == {"a": 4, "b": 4}


@pytest.mark.parametrize(
    ("limits", "host_key", "bounds"),
    [
        (Limits(), A, (1, 4, 32)),
        (Limits(), "127.0.0.1:80", (32, 32, 256)),
        (Limits(), "[::1]:8080", (32, 32, 256)),
        (Limits(), "localhost:80", (32, 32, 256)),
        (Limits(), "192.168.1.1:80", (32, 32, 256)),
        (Limits(per_host=7), A, (7, 7, 7)),
        (Limits(per_host=7), "127.0.0.1:80", (7, 7, 7)),
        (Limits(host_start=2, host_cap=3), A, (1, 2, 3)),
    ],
)
def test_bounds_of(limits: Limits, host_key: str, bounds: tuple[int, int, int]) -> None:
    assert limits.bounds_of(host_key) == bounds


@pytest.mark.parametrize(
    "wrong",
    [
        {"concurrency": 0},
        {"concurrency": 100_001},
        {"per_host": 0},
        {"per_host": -1},
        {"silent_share": 0},
        {"silent_share": 1.1},
    ],
)
def test_limits_are_checked(wrong: dict[str, Any]) -> None:
    with pytest.raises(PolicyError, match=next(iter(wrong))):
        Limits(**wrong)


def at_once(pacer: Pacer[str], now: float = 0.0) -> int:
    """How many of one host go at once; all are given back without a word."""
    taken = take(pacer, now)
    for ticket, item in taken:
        pacer.release(ticket, ERROR, now)
        pacer.add(ticket.host_key, item, now)
    return len(taken)


def rounds(pacer: Pacer[str], count: int, pressure: Pressure, now: float = 0.0) -> None:
    """Give `count` answers of one kind."""
    for _ in range(count):
        ready = pacer.next(now)
        assert ready is not None
        pacer.release(ready[0], pressure, now)
        pacer.add(ready[0].host_key, ready[1], now)


def test_the_bound_grows_by_one_for_every_bounds_worth_of_good_answers_up_to_the_cap() -> None:
    pacer = pacer_of(a=100)
    assert at_once(pacer) == 4
    rounds(pacer, 3, NONE)
    assert at_once(pacer) == 4
    rounds(pacer, 1, NONE)
    assert at_once(pacer) == 5
    rounds(pacer, sum(range(5, 32)), NONE)
    assert at_once(pacer) == 32
    rounds(pacer, 100, NONE)
    assert at_once(pacer) == 32


def test_errors_never_speed_a_host_up() -> None:
    pacer = pacer_of(a=100)
    rounds(pacer, 100, ERROR)
    assert at_once(pacer) == 4


def test_a_fixed_bound_stays() -> None:
    pacer = pacer_of(Limits(per_host=3), a=100)
    rounds(pacer, 100, NONE)
    assert at_once(pacer) == 3


def test_trouble_halves_what_has_grown_and_no_more() -> None:
    pacer = pacer_of(a=100)
    rounds(pacer, sum(range(4, 20)), NONE)
    assert at_once(pacer) == 20
    rounds(pacer, 2, TROUBLE)
    assert at_once(pacer) == 20
    rounds(pacer, 1, TROUBLE)
    assert at_once(pacer) == 10
    rounds(pacer, 30, TROUBLE)
    assert at_once(pacer) == 4


def test_trouble_among_good_answers_is_a_bad_page_and_slows_nobody() -> None:
    pacer = pacer_of(a=100)
    rounds(pacer, sum(range(4, 20)), NONE)
    for _ in range(50):
        rounds(pacer, 2, TROUBLE)
        rounds(pacer, 1, NONE)
    assert at_once(pacer) > 20


def test_trouble_closes_no_gate() -> None:
    pacer = pacer_of(a=2)
    pacer.release(one(pacer), TROUBLE, 0.0)
    assert names(take(pacer)) == ["a1"]


# --- hosts that may not be there --------------------------------------------------------------------------------------


def fresh(limits: Limits | None = None, **items: int) -> Pacer[str]:
    """Like `pacer_of`, of hosts that were never asked."""
    pacer: Pacer[str] = Pacer(limits or Limits())
    for name, count in items.items():
        for number in range(count):
            pacer.add(f"{name}.test:443", f"{name}{number}", 0.0)
    return pacer


@pytest.mark.parametrize("pressure", [NONE, ERROR, TROUBLE])
def test_a_host_gets_one_request_until_that_has_ended(pressure: Pressure) -> None:
    pacer = fresh(a=10, b=10)
    assert names(take(pacer)) == ["a0", "b0"]
    pacer.release(Ticket(A, 0), pressure, 0.0)
    assert names(take(pacer)) == ["a1", "a2", "a3", "a4"]


def test_a_host_of_ones_own_is_asked_at_full_width_at_once() -> None:
    pacer: Pacer[str] = Pacer(Limits())
    for number in range(100):
        pacer.add("127.0.0.1:80", str(number), 0.0)
    assert len(take(pacer)) == 32
    assert len(take(fresh(Limits(per_host=7), a=100))) == 7


def silent_and_good(limits: Limits) -> tuple[Pacer[str], Ticket]:
    """Host a, which has kept silent, and b, which answers, with ten items each; one of b's is under way."""
    pacer = fresh(limits, a=11, b=11)
    for ticket, _ in take(pacer):
        pacer.release(ticket, TROUBLE if ticket.host_key == A else NONE, 0.0)
    ticket = one(pacer)
    assert ticket.host_key == B
    return pacer, ticket


def test_silent_hosts_come_last_and_hold_a_part_of_the_slots() -> None:
    pacer, _ = silent_and_good(Limits(concurrency=8, silent_share=0.25))
    assert names(take(pacer)) == ["b2", "b3", "b4", "a1", "a2"]
    assert pacer.in_flight == 6
    assert pacer.has_room_for_more


def test_silent_hosts_have_all_slots_while_nobody_else_is_asked() -> None:
    pacer = fresh(Limits(concurrency=3, silent_share=0.25), a=9)
    pacer.release(one(pacer), TROUBLE, 0.0)
    assert names(take(pacer)) == ["a1", "a2", "a3"]
    assert pacer.has_room_for_more  # two of the three would be another host's, once they end
    assert pacer.next(0.0) is None


def test_what_silent_hosts_wait_for_is_the_end_of_another_request() -> None:
    pacer, ticket = silent_and_good(Limits(concurrency=8, per_host=1, silent_share=0.01))
    pacer.add("c.test:443", "c0", 0.0)
    assert names(take(pacer)) == ["c0", "a1"]
    pacer.release(ticket, NONE, 0.0)
    assert names(take(pacer)) == ["b2"]


@pytest.mark.parametrize("answer", [NONE, ERROR, PUSH_BACK])
def test_one_answer_ends_a_hosts_silence_for_good(answer: Pressure) -> None:
    pacer, _ = silent_and_good(Limits(concurrency=100, per_host=4, silent_share=0.01))
    (*_, (ticket, item)) = take(pacer)
    assert item == "a4"  # the only one that silent hosts may have out
    pacer.release(ticket, answer, 0.0)
    for _ in range(2):
        taken = [ticket for ticket, _ in take(pacer, 10.0) if ticket.host_key == A]
        assert taken
        for ticket in taken:
            pacer.release(ticket, TROUBLE, 10.0)
    assert pacer._in_flight_silent == 0


# --- who goes first ---------------------------------------------------------------------------------------------------


def test_the_host_with_most_work_left_goes_first() -> None:
    pacer = pacer_of(a=1, b=1000, c=30)
    assert [name[0] for name in names(take(pacer))] == list("bbbbcccca")


def test_hosts_with_as_much_work_take_turns() -> None:
    pacer = pacer_of(a=7, b=7, c=7)  # 7 to 4 left: the same power of two
    assert [name[0] for name in names(take(pacer))] == list("abcabcabcabc")


def test_a_hosts_items_go_in_the_order_they_came() -> None:
    pacer = pacer_of(Limits(per_host=1), a=3)
    order = []
    while (ready := pacer.next(0.0)) is not None:
        order.append(ready[1])
        pacer.release(ready[0], NONE, 0.0)
    assert order == ["a0", "a1", "a2"]


def test_a_continuation_goes_before_what_has_not_begun() -> None:
    pacer = pacer_of(Limits(per_host=1), a=2)
    pacer.add(A, "next hop", 0.0, first=True)
    assert names(take(pacer)) == ["next hop"]


# --- waiting ----------------------------------------------------------------------------------------------------------


def test_what_is_put_off_holds_no_slot_and_comes_exactly_at_its_time() -> None:
    pacer = pacer_of(Limits(concurrency=1))
    pacer.add(A, "later", 10.0, delay=5.0)
    pacer.add(A, "now", 10.0)
    assert pacer.wake_at() == 15.0
    assert pacer.waiting == 2
    ticket = one(pacer, 10.0)
    pacer.release(ticket, NONE, 10.0)
    assert pacer.next(14.999) is None
    assert names(take(pacer, 15.0)) == ["later"]
    assert pacer.wake_at() is None
    assert pacer.waiting == 0


def test_what_is_put_off_waits_for_its_hosts_gate_too() -> None:
    pacer = pacer_of(a=1)
    pacer.release(one(pacer), PUSH_BACK, 0.0, wait=30.0)
    pacer.add(A, "again", 0.0, delay=1.0)
    assert take(pacer, 29.0) == []
    assert names(take(pacer, 30.0)) == ["again"]


def test_times_come_in_while_all_slots_are_taken() -> None:
    pacer = pacer_of(Limits(concurrency=1), a=1)
    ticket = one(pacer)
    pacer.add(B, "later", 0.0, delay=1.0)
    assert pacer.next(1.0) is None
    assert pacer.wake_at() is None  # nothing to wait for but a slot
    pacer.release(ticket, NONE, 1.0)
    assert names(take(pacer, 1.0)) == ["later"]


# --- push-back --------------------------------------------------------------------------------------------------------


def test_after_push_back_a_gate_then_a_probe_then_half() -> None:
    pacer = pacer_of(a=20)
    for ticket, _ in take(pacer):
        pacer.release(ticket, PUSH_BACK, 0.0)  # four of one storm
    assert take(pacer, 0.999) == []
    assert pacer.gated(0.5) == 1
    (probe,) = take(pacer, 1.0)
    assert pacer.gated(1.0) == 0
    pacer.release(probe[0], NONE, 1.0)
    assert len(take(pacer, 1.0)) == 2


def test_what_was_out_when_a_storm_was_heeded_is_no_news() -> None:
    pacer = pacer_of(a=20)
    first, second, *_ = [ticket for ticket, _ in take(pacer)]
    assert pacer.release(first, PUSH_BACK, 0.0)
    assert not pacer.release(second, PUSH_BACK, 0.5)
    assert pacer.wake_at() == 1.0  # an echo that names no time does not close the gate for longer


def test_an_echo_that_names_a_time_is_obeyed() -> None:
    pacer = pacer_of(a=20)
    first, second, third, fourth = [ticket for ticket, _ in take(pacer)]
    pacer.release(first, PUSH_BACK, 0.0)
    pacer.release(second, PUSH_BACK, 0.0, wait=40.0)
    pacer.release(third, PUSH_BACK, 0.0, wait=20.0)  # never shorter
    pacer.release(fourth, NONE, 0.0)
    assert take(pacer, 39.9) == []
    assert take(pacer, 40.0)


def test_the_gate_doubles_with_each_probe_that_is_pushed_back() -> None:
    pacer, now, opened = pacer_of(Limits(probes=10), a=20), 0.0, []
    for _ in range(9):
        pacer.release(one(pacer, now), PUSH_BACK, now)
        at = pacer.wake_at()
        assert at is not None
        opened.append(at - now)
        now = at
    assert opened == [1, 2, 4, 8, 16, 32, 64, 120, 120]


@pytest.mark.parametrize(("wait", "opens"), [(None, 1.0), (0.0, 1.0), (0.5, 1.0), (7.0, 7.0), (86_400.0, 120.0)])
def test_how_long_a_gate_is_closed(wait: float | None, opens: float) -> None:
    pacer = pacer_of(a=2)
    pacer.release(one(pacer), PUSH_BACK, 0.0, wait)
    assert pacer.wake_at() == opens


def test_after_push_back_growth_is_four_times_as_slow() -> None:
    pacer = pacer_of(a=50)
    pacer.release(one(pacer), PUSH_BACK, 0.0)
    rounds(pacer, 8, NONE, now=1.0)
    assert at_once(pacer, 1.0) == 3


def test_an_error_from_a_probe_opens_the_host_and_a_time_out_does_not() -> None:
    for pressure, expected in ((ERROR, 2), (TROUBLE, 1)):
        pacer = pacer_of(a=20)
        pacer.release(one(pacer), PUSH_BACK, 0.0)
        pacer.release(one(pacer, 1.0), pressure, 1.0)
        assert len(take(pacer, 1.0)) == expected


def test_one_hosts_gate_is_no_other_hosts_matter() -> None:
    pacer = pacer_of(a=400, b=1)
    for ticket, _ in take(pacer):
        pacer.release(ticket, PUSH_BACK if ticket.host_key == A else NONE, 0.0, 120.0)
    pacer.add(B, "b1", 0.0)
    assert names(take(pacer, 0.0)) == ["b1"]


def test_a_host_that_pushes_every_probe_back_is_exhausted_with_all_that_waits_for_it() -> None:
    pacer, now = pacer_of(Limits(probes=3, patience=0), a=10, b=1), 0.0
    pacer.add(A, "put off", 0.0, delay=100.0)
    asked: list[str] = []
    while True:
        ready = pacer.next(now)
        if ready is None:
            at = pacer.wake_at()
            if at is None or len(asked) == 4:
                break
            now = at
            continue
        asked.append(ready[1])
        pacer.release(ready[0], PUSH_BACK if ready[1] != "b0" else NONE, now)
    assert len(asked) == 4
    assert sorted([*pacer.take_exhausted(), *asked]) == sorted([*(f"a{n}" for n in range(10)), "b0", "put off"])
    assert pacer.waiting == 0
    assert pacer.in_flight == 0
    assert list(pacer.take_exhausted()) == []


@pytest.mark.parametrize(
    ("asked_to_wait", "probed_at"),
    [(None, [0, 1, 3, 7, 15, 31]), (60.0, [0, 60, 120]), (300.0, [0, 120, 240])],
)
def test_a_host_is_probed_three_times_and_for_half_a_minute_before_it_is_exhausted(
    asked_to_wait: float | None, probed_at: list[float]
) -> None:
    pacer = pacer_of(a=100)
    for now in probed_at:
        assert list(pacer.take_exhausted()) == []
        pacer.release(one(pacer, now), PUSH_BACK, now, asked_to_wait)
    assert len(list(pacer.take_exhausted())) == 100 - len(probed_at)


def test_an_exhausted_host_takes_nothing_more() -> None:
    pacer, now = pacer_of(Limits(probes=1, patience=0), a=1), 0.0
    pacer.release(one(pacer), PUSH_BACK, now)
    for delay in (0.0, 5.0):
        pacer.add(A, f"late {delay}", now, delay=delay)
        pacer.add(A, f"late hop {delay}", now, delay=delay, first=True)
    assert take(pacer, 10.0) == []
    assert list(pacer.take_exhausted()) == ["late 0.0", "late hop 0.0", "late 5.0", "late hop 5.0"]
    assert pacer.waiting == 0


def test_a_probe_waits_until_nothing_of_its_host_is_out() -> None:
    pacer = pacer_of(a=9)
    first, *others = [ticket for ticket, _ in take(pacer)]
    pacer.release(first, PUSH_BACK, 0.0)
    for ticket in others:
        assert take(pacer, 50.0) == []
        pacer.release(ticket, TROUBLE, 50.0)
    assert len(take(pacer, 50.0)) == 1


def test_good_answers_between_push_backs_keep_a_host_from_being_exhausted() -> None:
    pacer, now = pacer_of(Limits(probes=2, patience=0), a=50), 0.0
    for _ in range(10):
        pacer.release(one(pacer, now), PUSH_BACK, now)
        at = pacer.wake_at()
        assert at is not None
        now = at
        pacer.release(one(pacer, now), NONE, now)
    assert list(pacer.take_exhausted()) == []


# --- what an answer says ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (Reply(200), (NONE, None)),
        (Reply(301), (NONE, None)),
        (Reply(404), (NONE, None)),
        (Reply(500), (ERROR, None)),
        (Reply(503), (ERROR, None)),
        (Reply(999), (ERROR, None)),
        (Reply(429), (PUSH_BACK, None)),
        (Reply(429, (("retry-after", "7"),)), (PUSH_BACK, 7.0)),
        (Reply(503, (("retry-after", "7"),)), (PUSH_BACK, 7.0)),
        (Reply(503, (("retry-after", "soon"),)), (ERROR, None)),
        (Reply(500, (("retry-after", "7"),)), (ERROR, None)),
        (Failure(Reason.CONNECT_REFUSED, ""), (TROUBLE, None)),
        (Failure(Reason.CONNECT_TIMEOUT, ""), (TROUBLE, None)),
        (Failure(Reason.RESPONSE_TIMEOUT, ""), (TROUBLE, None)),
        (Failure(Reason.RESPONSE_RESET, ""), (TROUBLE, None)),
        (Failure(Reason.CONNECT_UNREACHABLE, ""), (TROUBLE, None)),
        (Failure(Reason.DNS_TIMEOUT, ""), (TROUBLE, None)),
        (Failure(Reason.DNS_FAILURE, ""), (TROUBLE, None)),
        (Failure(Reason.DNS_NOT_FOUND, ""), (ERROR, None)),
        (Failure(Reason.TLS_EXPIRED, ""), (ERROR, None)),
    ],
)
def test_pressure_of(event: Reply | Failure, expected: tuple[Pressure, float | None]) -> None:
    assert pressure_of(event, 0.0) == expected


# --- memory and cost --------------------------------------------------------------------------------------------------


def test_hosts_without_work_are_forgotten_beyond_a_number_and_the_rest_remembered() -> None:
    pacer: Pacer[str] = Pacer(Limits(host_start=1))
    for _ in range(3):  # learns: 1 -> 2 -> 3 at once
        visit(pacer, A)
    for number in range(IDLE_HOSTS_KEPT - 1):
        visit(pacer, f"h{number}.test:443")
    for number in range(5):
        pacer.add(A, f"a{number}", 0.0)
    assert len(take(pacer)) == 3
    for number in range(3 * IDLE_HOSTS_KEPT):
        visit(pacer, f"i{number}.test:443")
    assert len(pacer._hosts) <= IDLE_HOSTS_KEPT + 1
    assert len(pacer._idle) <= IDLE_HOSTS_KEPT


def test_a_gate_is_kept_whatever_number_of_hosts_comes_by() -> None:
    pacer: Pacer[str] = Pacer(Limits())
    visit(pacer, A, pressure=PUSH_BACK)  # for 100 s
    for number in range(2 * IDLE_HOSTS_KEPT):
        visit(pacer, f"h{number}.test:443", 50.0)
    pacer.add(A, "again", 50.0)
    assert take(pacer, 99.0) == []
    assert names(take(pacer, 100.0)) == ["again"]


def test_exhausted_and_once_gated_hosts_do_not_pile_up() -> None:
    pacer: Pacer[str] = Pacer(Limits(probes=1, patience=0))
    for number in range(IDLE_HOSTS_KEPT + 500):
        host_key = f"h{number}.test:443"
        visit(pacer, host_key, float(number), PUSH_BACK)
        pacer.add(host_key, "more", float(number))
    assert len(list(pacer.take_exhausted())) == IDLE_HOSTS_KEPT + 500
    gated: Pacer[str] = Pacer(Limits())
    for number in range(IDLE_HOSTS_KEPT + 500):
        visit(gated, f"h{number}.test:443", 200.0 * number, PUSH_BACK)
    assert gated.next(1e9) is None
    for each in (pacer, gated):
        assert len(each._hosts) <= IDLE_HOSTS_KEPT + 1
    assert gated._gated == {}
    assert gated._timers == []


def calls_of(work: Callable[[], object]) -> int:
    """How many functions, Python's and C's, `work` calls."""
    count = 0

    def profile(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def test_the_cost_of_a_step_does_not_grow_with_the_number_of_hosts() -> None:
    def steps(pacer: Pacer[str]) -> None:
        for _ in range(100):
            ready = pacer.next(0.0)
            assert ready is not None
            pacer.release(ready[0], NONE, 0.0)
            pacer.add(ready[0].host_key, "again", 0.0)
            pacer.wake_at()
            pacer.gated(0.0)

    counts = []
    for hosts in (100, 50_000):
        pacer: Pacer[str] = Pacer(Limits())
        for number in range(hosts):
            pacer.add(f"h{number}.test:443", "x", 0.0)
        counts.append(calls_of(lambda pacer=pacer: steps(pacer)))  # type: ignore[misc]  # bound at once on purpose
    assert counts[1] == counts[0]


# --- any sequence of events -------------------------------------------------------------------------------------------

HOSTS = [A, B, "127.0.0.1:80"]


class AnyRun(RuleBasedStateMachine):
    """The pacer beside a plain account of where every item is."""

    tickets: Bundle[tuple[Ticket, int]] = Bundle("tickets")

    @initialize(
        concurrency=st.integers(1, 6),
        per_host=st.sampled_from([None, None, 1, 2]),
        probes=st.integers(1, 4),
    )
    def start(self, concurrency: int, per_host: int | None, probes: int) -> None:
        self.limits = Limits(
            concurrency=concurrency, per_host=per_host, probes=probes, host_start=2, host_cap=3, private_start=2
        )
        self.pacer: Pacer[int] = Pacer(self.limits)
        self.now = 0.0
        self.items = 0
        self.ready_at: dict[int, float] = {}  # waiting items: when they may go at the earliest
        self.host_of: dict[int, str] = {}
        self.out: Counter[str] = Counter()
        self.gates: dict[str, float] = {}
        self.one_at_a_time: set[str] = set()
        self.done: set[int] = set()

    @rule(host=st.sampled_from(HOSTS), delay=st.sampled_from([0.0, 0.0, 1.0, 30.0]), first=st.booleans())
    def add(self, host: str, delay: float, first: bool) -> None:
        self.items += 1
        self.pacer.add(host, self.items, self.now, delay=delay, first=first)
        self.ready_at[self.items] = self.now + delay
        self.host_of[self.items] = host

    @rule(target=tickets)
    def next(self) -> Any:
        ready = self.pacer.next(self.now)
        if ready is None:
            return (Ticket("", -1), 0)
        ticket, item = ready
        self.account_for(ticket, item)
        return (ticket, item)

    def account_for(self, ticket: Ticket, item: int) -> None:
        host = ticket.host_key
        assert host == self.host_of[item]
        assert self.ready_at.pop(item) <= self.now  # waited for, and given once
        assert self.gates.get(host, 0.0) <= self.now
        assert not (host in self.one_at_a_time and self.out[host])
        self.out[host] += 1
        assert self.out[host] <= self.limits.bounds_of(host).cap
        assert sum(self.out.values()) <= self.limits.concurrency

    @rule(
        given_out=consumes(tickets),
        pressure=st.sampled_from([NONE, NONE, ERROR, TROUBLE, PUSH_BACK, PUSH_BACK]),
        wait=st.sampled_from([None, 0.0, 7.0, 1e6]),
        comes_again=st.booleans(),
    )
    def release(self, given_out: tuple[Ticket, int], pressure: Pressure, wait: float | None, comes_again: bool) -> None:
        ticket, item = given_out
        if not item:
            return
        host = ticket.host_key
        self.out[host] -= 1
        is_news = self.pacer.release(ticket, pressure, self.now, wait)
        if pressure is PUSH_BACK:
            least = 0.0 if wait is None else min(wait, self.limits.longest_wait)
            if is_news:
                self.one_at_a_time.add(host)
                least = max(least, self.limits.first_wait)
            self.gates[host] = max(self.gates.get(host, 0.0), self.now + least)
        elif pressure in (NONE, ERROR):
            assert is_news
            self.one_at_a_time.discard(host)
        if comes_again:
            self.pacer.add(host, item, self.now, delay=1.0)
            self.ready_at[item] = self.now + 1.0
        else:
            self.done.add(item)

    @rule(seconds=st.sampled_from([0.5, 1.0, 29.0, 121.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def settle_exhausted(self) -> None:
        for item in self.pacer.take_exhausted():
            del self.ready_at[item]  # was waiting, and is given once
            self.done.add(item)

    @invariant()
    def counts_agree(self) -> None:
        if not hasattr(self, "pacer"):
            return
        assert self.pacer.in_flight == sum(self.out.values())
        silent = [host.in_flight for host in self.pacer._hosts.values() if host.is_silent]
        assert self.pacer._in_flight_silent == sum(silent)
        assert self.pacer.waiting + len(self.pacer._exhausted) == len(self.ready_at)
        assert len(self.done) + len(self.ready_at) + sum(self.out.values()) == self.items

    def teardown(self) -> None:
        """However it stands, it can be brought to its end: nothing is lost and nothing waits for ever."""
        if not hasattr(self, "pacer"):
            return
        for host, count in self.out.items():
            for _ in range(count):
                self.pacer.release(Ticket(host, 0), NONE, self.now)
        self.out.clear()
        self.one_at_a_time.clear()
        for _ in range(10 * self.items + 100):
            self.settle_exhausted()
            ready = self.pacer.next(self.now)
            if ready is not None:
                self.account_for(*ready)
                self.out[ready[0].host_key] -= 1
                self.pacer.release(ready[0], NONE, self.now)
                continue
            at = self.pacer.wake_at()
            if at is None:
                break
            assert at >= self.now
            self.now = at
        assert not self.ready_at
        assert self.pacer.waiting == self.pacer.in_flight == 0
        assert self.pacer.wake_at() is None


TestAnyRun = AnyRun.TestCase
TestAnyRun.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
