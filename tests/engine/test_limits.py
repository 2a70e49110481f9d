"""Hosts that let only so much through, by their own limit or by ours: all is asked in the end, and nothing called
broken or down for it."""

from __future__ import annotations

import asyncio
import gc
import itertools
import math
import re
import weakref
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from tests.workers.memory import of_one_process

from urlsweep.core.limits import Limits, PaceBy
from urlsweep.core.model import Outcome, Reason, Reply, Request, Target
from urlsweep.core.policy import Method, Policy, Rule, StatusSet
from urlsweep.testing.fake import (
    Answer,
    Behaviour,
    ConcurrencyLimitedHost,
    FixedWindowHost,
    FlakyHost,
    FlappingHost,
    TokenBucketHost,
    at_address,
    by_method,
    failure,
    reply,
)

if TYPE_CHECKING:
    from tests.engine.conftest import Run, Swept

OK, UNVERIFIED = (Outcome.OK, None), (Outcome.UNVERIFIED, "rate_limited")
EXACT = Policy(jitter=0)
PAGE = reply(200, after=0.05)


def many(host: str, count: int) -> list[str]:
    return [f"http://{host}/{number}" for number in range(count)]


# --- limits by rate ---------------------------------------------------------------------------------------------------


class Quota:
    """Sixty requests a minute; what is left is told with every answer, and what comes on top gets 403, as GitHub does.

    Its times have whole seconds: at the end of a minute its reset is "now" while nothing is left yet.
    """

    def __init__(self) -> None:
        self._ends = 0.0
        self._left = 0

    def __call__(self, request: Request, now: float, nth: int) -> Answer:
        if now >= self._ends:
            self._ends, self._left = now + 60.0, 60
        self._left -= 1
        told = (
            ("x-ratelimit-limit", "60"),
            ("x-ratelimit-remaining", str(max(0, self._left))),
            ("x-ratelimit-reset", str(int(self._ends - now))),
        )
        return reply(403, *told) if self._left < 0 else reply(200, *told, after=0.05)


@pytest.mark.parametrize(
    ("host", "count", "ideal"),
    [
        (TokenBucketHost(rate=20, burst=20, allowed=PAGE), 1000, 50),
        (TokenBucketHost(rate=20, burst=20, retry_after=True, allowed=PAGE), 1000, 50),
        (TokenBucketHost(rate=20, burst=1, allowed=PAGE, over=reply(503)), 1000, 50),  # nginx's limit_req
        (TokenBucketHost(rate=20, burst=20, allowed=PAGE, over=reply(503), retry_after=True), 1000, 50),
        (TokenBucketHost(rate=2, burst=100, allowed=PAGE, over=reply(429)), 500, 200),
        (TokenBucketHost(rate=20, burst=1, allowed=PAGE, over=failure(Reason.CONNECT_REFUSED)), 1000, 50),
        (TokenBucketHost(rate=20, burst=20, allowed=PAGE, over=failure(Reason.RESPONSE_RESET)), 1000, 50),
        (FixedWindowHost(limit=600, seconds=30.0, retry_after=True, allowed=PAGE), 1000, 50),
        (FixedWindowHost(limit=60, seconds=60.0, retry_after=True, allowed=PAGE), 150, 150),
        # Gates of our own double: each of the two windows may be waited for as long again as it lasts.
        (FixedWindowHost(limit=60, seconds=60.0, allowed=PAGE), 150, 190),
        (Quota(), 200, 200),
    ],
    ids=[
        "429", "429 with Retry-After", "503 and nothing more", "503 with Retry-After", "429 after a burst", "refused",
        "reset", "so many in a window", "so many a minute", "so many a minute, without a word when it ends",
        "what is left is told",
    ],
)  # fmt: skip
def test_a_limited_host_is_swept_without_a_false_alarm(swept: Swept, host: Behaviour, count: int, ideal: float) -> None:
    run = swept(many("a.test", count), hosts={"a.test": deepcopy(host)})  # it counts
    assert run.outcomes == {OK: count}
    assert run.summary.seconds <= 1.25 * ideal
    extra = len(run.transport.log) - count  # pushed back, or asked once more to tell a page's trouble from its host's
    assert extra <= count / 5
    (slowed,) = run.summary.bottleneck.slowed
    assert (slowed.host, slowed.requests) == ("a.test:80", count + extra)
    assert extra - 5 <= slowed.pushed <= extra
    assert not slowed.is_given_up


@pytest.mark.parametrize(
    "over", [reply(503), reply(429), failure(Reason.CONNECT_REFUSED), failure(Reason.RESPONSE_RESET)]
)
def test_a_host_that_serves_a_few_at_once_is_kept_busy_with_just_these(swept: Swept, over: Answer) -> None:
    host = ConcurrencyLimitedHost(3, served=reply(200, after=0.1), over=over)
    run = swept(many("a.test", 600), hosts={"a.test": host})
    assert run.outcomes == {OK: 600}
    assert run.summary.seconds <= 1.25 * 600 * 0.1 / 3
    (slowed,) = run.summary.bottleneck.slowed
    assert (slowed.at_once, slowed.rate) == (3, None)


@pytest.mark.parametrize(
    "while_down", [reply(503), reply(503, ("retry-after", "2")), failure(Reason.CONNECT_REFUSED), reply(429)]
)
def test_a_host_that_restarts_now_and_then_is_waited_for(swept: Swept, while_down: Answer) -> None:
    host = FlappingHost(up=6.0, down=2.5, while_up=reply(200, after=0.1), while_down=while_down)
    run = swept(many("a.test", 2000), hosts={"a.test": host})
    assert run.outcomes == {OK: 2000}


def test_a_page_that_pushes_back_for_ever_does_not_hold_its_host_up(swept: Swept) -> None:
    run = swept(many("a.test", 300), {"http://a.test/7": reply(429)}, hosts={"a.test": PAGE})
    assert run.outcomes == {OK: 299, UNVERIFIED: 1}
    (slow,) = (row for row in run.rows if row.status == 429)
    assert slow.url == "http://a.test/7"
    assert max(at for row, at in zip(run.rows, run.times, strict=True) if row is not slow) < 60.0


def test_a_page_that_is_in_maintenance_for_ever_does_not_hold_its_host_up(swept: Swept) -> None:
    run = swept(many("a.test", 300), {"http://a.test/7": reply(503)}, hosts={"a.test": PAGE})
    assert run.outcomes == {OK: 299, (Outcome.DOWN, "http.503"): 1}
    assert run.summary.seconds < 60.0


@pytest.mark.parametrize(
    "head", [reply(429), reply(429, ("retry-after", "5")), reply(503, ("retry-after", "5")), reply(503)]
)
def test_a_host_that_pushes_back_head_alone_is_asked_by_get(swept: Swept, head: Answer) -> None:
    run = swept(many("a.test", 300), hosts={"a.test": by_method(head=head, get=PAGE)})
    assert run.outcomes == {OK: 300}
    assert run.summary.seconds < 30.0


@dataclass
class CountingDown:
    """Lets 50 requests through in each 10 s, and says with each answer how many of them are left."""

    pushed_back: int = 0
    _window: int = -1
    _asked: int = 0

    def __call__(self, request: Request, now: float, nth: int) -> Answer:
        if (window := int(now // 10)) != self._window:
            self._window, self._asked = window, 0
        self._asked += 1
        self.pushed_back += self._asked > 50
        left, reset = max(0, 50 - self._asked), math.ceil(10 * (window + 1) - now)
        fields = (("ratelimit", f"limit=50, remaining={left}, reset={reset}"),)
        return reply(200 if self._asked <= 50 else 429, *fields, after=0.1)


def test_a_host_that_says_how_many_are_left_is_never_asked_one_too_many(swept: Swept) -> None:
    host = CountingDown()
    run = swept(many("a.test", 220), hosts={"a.test": host})
    assert run.outcomes == {OK: 220}
    assert host.pushed_back == 0
    assert run.summary.seconds < 42.0
    times = [exchange.sent for exchange in run.transport.log]
    for opening in (10.0, 20.0, 30.0, 40.0):  # a probe goes first
        probe, follower = [time for time in times if time >= opening][:2]
        assert follower >= probe + 0.1


def test_while_nothing_is_left_the_host_is_told_of_as_waiting(swept: Swept) -> None:
    waiting: dict[int, int] = {}

    async def source() -> AsyncIterator[Target]:
        for url in many("a.test", 60):
            yield Target(url)
        for _ in range(3):
            await asyncio.sleep(4)
            yield Target("nonsense")

    def look(run: Run) -> None:
        if run.rows[-1].url == "nonsense":
            waiting[round(run.times[-1])] = run.sweep.waiting_hosts.hosts

    swept(source(), hosts={"a.test": CountingDown()}, each=look)
    assert waiting == {4: 1, 8: 1, 12: 0}


def test_a_limited_host_is_asked_by_head_all_the_same(swept: Swept) -> None:
    host = TokenBucketHost(rate=20, burst=20, allowed=PAGE)
    run = swept(many("a.test", 600), hosts={"a.test": host})
    methods = Counter(exchange.request.method for exchange in run.transport.log)
    assert methods["HEAD"] >= 570


def test_a_few_bad_answers_among_good_ones_are_told_apart_from_a_limit(swept: Swept) -> None:
    host = FlakyHost(0.02, works=PAGE, fails=reply(503))
    run = swept(many("a.test", 1000), hosts={"a.test": host})
    assert run.outcomes == {OK: 1000}
    assert run.summary.seconds < 60.0


# --- patience ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("patience", [20.0, 300.0])
@pytest.mark.parametrize("answer", [reply(429), reply(429, ("retry-after", "7")), reply(503, ("retry-after", "7"))])
def test_patience_ends_with_what_could_not_be_told(swept: Swept, answer: Answer, patience: float) -> None:
    run = swept(many("a.test", 500), hosts={"a.test": answer}, limits=Limits(patience=patience))
    assert run.outcomes == {UNVERIFIED: 500}
    assert run.summary.seconds == patience
    # One probe after the other: after the time that the host names, or after 1, 2, 4, ... seconds, 60 at most.
    assert len(run.transport.log) <= (11 if answer.event == Reply(429) else 2 + patience / 7)
    for row in run.rows:
        assert isinstance(answer.event, Reply)
        assert row.status == (answer.event.status if row.attempts else None)
    (slowed,) = run.summary.bottleneck.slowed
    assert slowed.is_given_up


def test_503_with_retry_after_to_the_end_is_never_down(swept: Swept) -> None:
    # Served well at first, then in maintenance for longer than anybody waits.
    host = FlappingHost(1.0, 1e9, while_up=PAGE, while_down=reply(503, ("retry-after", "30")))
    run = swept(many("a.test", 1000), hosts={"a.test": host})
    assert {outcome for outcome, _ in run.outcomes} == {Outcome.OK, Outcome.UNVERIFIED}
    assert run.outcomes[UNVERIFIED] > 0


def test_patience_begins_anew_with_every_answer(swept: Swept) -> None:
    host = FixedWindowHost(1, 200.0, retry_after=True)  # one URL every 200 seconds: slow, and not without progress
    run = swept(many("a.test", 5), hosts={"a.test": host}, limits=Limits(patience=300.0))
    assert run.outcomes == {OK: 5}
    assert run.summary.seconds >= 800.0


def test_a_wait_beyond_patience_is_not_waited_for_twice(swept: Swept) -> None:
    run = swept(many("a.test", 50), hosts={"a.test": reply(429, ("retry-after", "86400"))})
    assert run.outcomes == {UNVERIFIED: 50}
    assert run.sent("a.test:80") == [0.0, 300.0]


def test_no_patience_at_all(swept: Swept) -> None:
    run = swept(many("a.test", 50), hosts={"a.test": reply(429)}, limits=Limits(patience=0))
    assert run.outcomes == {UNVERIFIED: 50}
    assert run.sent("a.test:80") == [0.0]


def test_what_comes_in_long_after_its_host_was_given_up_is_asked_anew(swept: Swept) -> None:
    async def source() -> AsyncIterator[Target]:
        yield Target("http://a.test/first")
        await asyncio.sleep(100)
        yield Target("http://a.test/second")  # soon after: what is known of the host still holds
        await asyncio.sleep(100)
        for number in range(10):
            yield Target(f"http://a.test/{number}")

    def recovers(request: Request, now: float, nth: int) -> Answer:
        return PAGE if now > 150.0 else reply(429)

    run = swept(source(), hosts={"a.test": recovers}, limits=Limits(patience=60.0))
    assert run.verdicts["http://a.test/first"] == UNVERIFIED
    assert run.verdicts["http://a.test/second"] == UNVERIFIED
    assert run.outcomes == {UNVERIFIED: 2, OK: 10}


def test_an_accepted_429_is_an_answer_like_any_other(swept: Swept) -> None:
    policy = replace(EXACT, accept=StatusSet.parse("2xx,429"))
    run = swept(many("a.test", 5), hosts={"a.test": reply(429)}, policy=policy)
    assert run.outcomes == {(Outcome.OK, "http.429"): 5}
    assert {row.attempts for row in run.rows} == {1}


# --- who waits, and who does not --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad", [reply(429, ("retry-after", "30")), reply(503), failure(Reason.CONNECT_REFUSED), reply(500, after=19.0)]
)
def test_a_bad_host_delays_the_first_request_to_no_other(swept: Swept, bad: Answer) -> None:
    others = [f"b{number}.test" for number in range(20)]
    targets = [*many("bad.test", 5000), *itertools.chain.from_iterable(many(other, 3) for other in others)]
    run = swept(targets, hosts={"bad.test": bad, **dict.fromkeys(others, PAGE)}, stop_at=5.0)
    assert {run.sent(f"{other}:80")[0] for other in others} == {0.0}
    assert all(run.verdicts[f"http://{other}/{number}"] == OK for other in others for number in range(3))


def test_later_tries_come_after_all_other_work_of_their_host(swept: Swept) -> None:
    planted: dict[str, Behaviour] = {f"http://a.test/{number}": [reply(500), PAGE] for number in range(0, 100, 10)}
    run = swept(
        many("a.test", 100),
        planted,
        hosts={"a.test": reply(200, after=0.2)},
        policy=replace(EXACT, method=Method.GET, retry_delays=(0.1,)),
        limits=Limits(per_host=2),
    )
    assert run.outcomes == {OK: 100}
    order = [exchange.request.url for exchange in run.transport.log]
    again = [index for index, url in enumerate(order) if url in order[:index]]
    assert again == list(range(100, 110))


def test_other_hosts_work_does_not_keep_a_later_try_waiting(swept: Swept) -> None:
    run = swept(
        ["http://a.test/", *many("b.test", 500)],
        {"http://a.test/": [reply(500), reply(500), PAGE]},
        hosts={"b.test": reply(200, after=0.5)},
        limits=Limits(per_host=2),
    )
    assert run.sent("a.test:80") == [0.0, 0.0, 1.0]


# --- bounds by hand ---------------------------------------------------------------------------------------------------


@of_one_process
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "192.168.1.7", "10.0.0.1:8080", "app.localhost"])
def test_a_host_that_is_named_as_private_starts_fast_and_has_no_cap(swept: Swept, host: str) -> None:
    names = {host.removesuffix(":8080"): reply(200, after=1.0)}
    run = swept(many(host, 2000), hosts=names, limits=Limits(concurrency=64))
    key = host if host.endswith("8080") else f"{host}:80"
    assert run.sent(key)[:33].count(0.0) == 32
    assert run.transport.peak == 64
    assert run.outcomes == {OK: 2000}


@pytest.mark.parametrize("host", ["a.test", "93.184.215.14", "localhost.test"])
def test_a_public_host_gets_one_request_then_four_and_never_more_than_its_cap(swept: Swept, host: str) -> None:
    run = swept(many(host, 3000), hosts={host: reply(200, after=1.0)})
    sent = run.sent(f"{host}:80")
    assert (sent.count(0.0), sent.count(1.0)) == (1, 4)
    assert run.transport.peak == 32


def test_a_private_host_learns_too(swept: Swept) -> None:
    host = ConcurrencyLimitedHost(5, served=reply(200, after=0.1))
    run = swept(many("localhost", 1000), hosts={"localhost": host})
    assert run.outcomes == {OK: 1000}
    assert run.summary.seconds <= 1.25 * 1000 * 0.1 / 5


@of_one_process
@pytest.mark.parametrize("host", ["a.test", "localhost"])
def test_bounds_by_hand_are_kept_exactly(swept: Swept, host: str) -> None:
    def sent(limits: Limits) -> list[float]:
        run = swept(many(host, 6), hosts={host: reply(200, after=0.1)}, limits=limits)
        assert run.outcomes == {OK: 6}
        return [round(at, 9) for at in run.sent(f"{host}:80")]

    assert sent(Limits(per_host=2)) == [0.0, 0.0, 0.1, 0.1, 0.2, 0.2]
    assert sent(Limits(per_host=1, delay=2.0)) == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    assert sent(Limits(rate=0.5)) == [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    assert sent(Limits(rate=0.5, delay=3.0)) == [0.0, 3.0, 6.0, 9.0, 12.0, 15.0]
    assert sent(Limits(total_rate=4)) == [0.0, 0.25, 0.5, 0.75, 1.0, 1.25]


@of_one_process
def test_a_rate_in_all_is_for_all_hosts_together(swept: Swept) -> None:
    hosts = [f"h{number}.test" for number in range(10)]
    run = swept(
        [f"http://{host}/" for host in hosts],
        hosts=dict.fromkeys(hosts, reply(200, after=5.0)),
        limits=Limits(total_rate=2),
    )
    assert [exchange.sent for exchange in run.transport.log] == [pytest.approx(number / 2) for number in range(10)]


def test_a_rate_in_all_and_every_slot_taken(swept: Swept) -> None:
    """The next turn comes while there is no slot to ask with: a timer for it would go off for ever."""
    run = swept(
        many("a.test", 5), hosts={"a.test": reply(200, after=10.0)}, limits=Limits(concurrency=1, total_rate=10)
    )
    assert run.sent("a.test:80") == [0.0, 10.0, 20.0, 30.0, 40.0]


def test_a_rate_by_hand_is_not_learned_away_and_a_host_may_still_ask_for_less(swept: Swept) -> None:
    host = TokenBucketHost(rate=1, burst=1, allowed=PAGE)
    run = swept(many("a.test", 100), hosts={"a.test": host}, limits=Limits(rate=5))
    assert run.outcomes == {OK: 100}
    gaps = [later - earlier for earlier, later in itertools.pairwise(run.sent("a.test:80"))]
    assert min(gaps) >= 0.2 - 1e-9
    assert len(gaps) < 120


# --- rules ------------------------------------------------------------------------------------------------------------


def by_rule(*rules: Rule) -> Policy:
    return replace(EXACT, rules=rules)


def test_a_rule_bounds_the_host_of_the_urls_it_is_for_and_no_other(swept: Swept) -> None:
    policy = by_rule(Rule(re.compile("//a.test/"), delay=2.0, per_host=1))
    run = swept([*many("a.test", 4), *many("b.test", 4)], hosts={"a.test": PAGE, "b.test": PAGE}, policy=policy)
    assert run.sent("a.test:80") == [pytest.approx(at) for at in (0.0, 2.0, 4.0, 6.0)]
    assert max(run.sent("b.test:80")) < 0.2


def test_a_rule_is_stronger_than_what_holds_for_all(swept: Swept) -> None:
    policy = by_rule(Rule(re.compile("//a.test/"), per_host=8, delay=0.0))
    run = swept(
        [*many("a.test", 16), *many("b.test", 2)],
        hosts={"a.test": reply(200, after=1.0), "b.test": reply(200, after=1.0)},
        policy=policy,
        limits=Limits(per_host=1, delay=5.0),
    )
    assert run.sent("a.test:80") == [0.0] * 8 + [1.0] * 8
    assert run.sent("b.test:80") == [0.0, 5.0]


def test_of_several_rules_for_one_host_the_strictest_holds_from_when_it_is_met(swept: Swept) -> None:
    policy = by_rule(Rule(re.compile("//a.test/"), rate=2), Rule(re.compile("//a.test/slow"), delay=1.0))
    run = swept(
        ["http://a.test/0", "http://a.test/1", "http://a.test/slow", "http://a.test/2"],
        hosts={"a.test": reply(200)},
        policy=policy,
    )
    assert run.sent("a.test:80") == [pytest.approx(at) for at in (0.0, 1.0, 2.0, 3.0)]


def test_a_rule_holds_for_its_host_also_where_a_redirect_leads_to_it(swept: Swept) -> None:
    run = swept(
        many("a.test", 4),
        {f"http://a.test/{number}": reply(302, ("location", f"http://b.test/{number}")) for number in range(4)},
        hosts={"b.test": reply(200)},
        policy=by_rule(Rule(re.compile("//b.test/"), delay=2.0)),
    )
    assert run.outcomes == {OK: 4}
    assert max(run.sent("a.test:80")) == 0.0
    assert run.sent("b.test:80") == [0.0, 2.0, 4.0, 6.0]


# --- hosts that share a limit -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pace_by", "is_shared"), [(PaceBy.HOST, False), (PaceBy.DOMAIN, True), (PaceBy.ADDRESS, True)]
)
def test_hosts_that_share_a_limit_are_paced_together_where_told_so(
    swept: Swept, pace_by: PaceBy, is_shared: bool
) -> None:
    bucket = TokenBucketHost(rate=20, burst=5, allowed=PAGE)
    hosts = {f"h{number}.example.com": at_address("192.0.2.1", bucket) for number in range(8)}
    run = swept(
        [url for host in hosts for url in many(host, 50)], hosts=hosts, limits=Limits(pace_by=pace_by), policy=EXACT
    )
    assert run.outcomes == {OK: 400}
    slowed = run.summary.bottleneck.slowed
    assert (len(slowed) == 1) is is_shared
    if is_shared:
        assert slowed[0].host == ("example.com" if pace_by is PaceBy.DOMAIN else "192.0.2.1")
        assert slowed[0].requests == len(run.transport.log)
        assert run.summary.seconds < 40.0
        assert bucket.refused < 40


@pytest.mark.parametrize("pace_by", [PaceBy.DOMAIN, PaceBy.ADDRESS])
def test_a_bound_by_hand_is_the_groups(swept: Swept, pace_by: PaceBy) -> None:
    hosts = {f"h{number}.example.com": reply(200, after=1.0, address="192.0.2.1") for number in range(4)}
    run = swept(
        [url for host in hosts for url in many(host, 10)], hosts=hosts, limits=Limits(pace_by=pace_by, per_host=2)
    )
    assert run.outcomes == {OK: 40}
    # Where hosts are one server shows in their answers only.
    later = [exchange.sent for exchange in run.transport.log if pace_by is PaceBy.DOMAIN or exchange.sent > 1.0]
    assert max(later.count(at) for at in later) == 2


# --- what progress can be told ----------------------------------------------------------------------------------------


def test_until_when_hosts_are_left_alone_is_told(swept: Swept) -> None:
    told: list[tuple[int, float | None]] = []

    def look(run: Run) -> None:
        gated = run.sweep.waiting_hosts
        told.append((gated.hosts, gated.until))

    run = swept(
        [*many("a.test", 5), *many("b.test", 3), *many("c.test", 5)],
        hosts={
            "a.test": [reply(429, ("retry-after", "40"))],
            "b.test": reply(200, after=1.0),
            "c.test": [reply(429, ("retry-after", "30"))],
        },
        limits=Limits(patience=40.0),
        each=look,
    )
    assert told[0] == (2, 30.0)
    assert told[-1] == (0, None)
    assert run.outcomes == {OK: 3, UNVERIFIED: 10}


def test_what_a_host_is_remembered_by_holds_no_part_of_the_list(swept: Swept) -> None:
    """The URL that was answered well last is kept for each of thousands of hosts: not with what stands beside it."""

    class Row(dict[str, str]):
        """Something of a list that can be seen to be gone."""

    rows: list[weakref.ref[Row]] = []

    def targets() -> Iterator[Target]:
        for number in range(200):
            row = Row(page="...")
            rows.append(weakref.ref(row))
            yield Target(f"http://host{number // 2}.test/", "list:1", row)

    run = swept(targets(), hosts={f"host{number}.test": PAGE for number in range(100)})
    run.rows.clear()
    gc.collect()
    assert sum(row() is not None for row in rows) <= 2  # as long as there is the Sweep
    assert run.sweep.open_requests == 0
