"""The run, in a made-up world under virtual time: who is asked when, to the exact second, and how every run ends."""

from __future__ import annotations

import asyncio
import gc
import itertools
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import pytest
from tests.workers.memory import SHARDS, MemoryCrew, of_one_process

from urlsweep.asking import Asking
from urlsweep.core.limits import Limits
from urlsweep.core.model import Failure, Fault, Outcome, Reason, Reply, Request, Result, Target
from urlsweep.core.policy import Method, Policy, basic_authorization
from urlsweep.core.summary import Summary
from urlsweep.engine import (
    BREATH,
    FAR_AHEAD,
    IN_A_ROW,
    READ_AHEAD,
    WINDOW_CHARACTERS,
    RowCountError,
    Sweep,
    Targets,
    UnscopedCredentialError,
)
from urlsweep.ledger import BATCH, Ledger
from urlsweep.testing.fake import (
    Behaviour,
    DeadHost,
    FakeTransport,
    TokenBucketHost,
    by_method,
    failure,
    never,
    reply,
)
from urlsweep.testing.virtual_time import run_virtual
from urlsweep.transport import Done

WALL = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT
EXACT = Policy(jitter=0)
GET_ONLY = replace(EXACT, method=Method.GET)
OK, BROKEN, DOWN, UNVERIFIED, SKIPPED = (
    Outcome.OK, Outcome.BROKEN, Outcome.DOWN, Outcome.UNVERIFIED, Outcome.SKIPPED,
)  # fmt: skip


class World:
    """A run, its world, and what came of it: rows with the times at which they were given."""

    def __init__(
        self,
        targets: Targets | Iterable[str],
        world: Mapping[str, Behaviour] | None = None,
        *,
        hosts: Mapping[str, Behaviour] | None = None,
        policy: Policy = EXACT,
        limits: Limits | None = None,
        **options: Any,
    ) -> None:
        if isinstance(targets, list | tuple):
            targets = [target if isinstance(target, Target) else Target(target) for target in targets]
        self.transport = FakeTransport(world, hosts=hosts)
        self.summary = Summary()
        if SHARDS > 1 and (limits or Limits()).concurrency >= SHARDS:
            options.setdefault("crew", MemoryCrew(SHARDS, self.transport, wall=lambda: WALL))
        self.sweep = Sweep(
            targets,  # type: ignore[arg-type]  # strings are Targets by now
            policy,
            limits or Limits(),
            self.transport,
            summary=self.summary,
            wall=lambda: WALL,
            **{"seed": 1, **options},
        )
        self.rows: list[Result] = []
        self.times: list[float] = []
        self.ended_at = 0.0

    async def run(self, each: Callable[[Result], Any] | None = None) -> World:
        loop = asyncio.get_running_loop()
        try:
            async for row in self.sweep:
                self.rows.append(row)
                self.times.append(loop.time())
                if each is not None and (awaitable := each(row)) is not None:
                    await awaitable
        finally:
            self.ended_at = loop.time()
            assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
            assert self.transport.in_flight == 0
        return self

    @property
    def verdicts(self) -> dict[str, tuple[Outcome, str | None]]:
        return {row.url: (row.outcome, row.reason) for row in self.rows}


def swept(*arguments: Any, **options: Any) -> World:
    """A whole run."""
    return run_virtual(World(*arguments, **options).run())


def asking_of(world: World) -> Asking:
    assert isinstance(world.sweep._asking, Asking)
    return world.sweep._asking


def urls(host: str, count: int) -> list[str]:
    return [f"http://{host}/{number}" for number in range(count)]


# --- times ------------------------------------------------------------------------------------------------------------


def test_one_url() -> None:
    world = swept([Target("http://a.test/", "list:1", {"n": 1})], {"http://a.test/": reply(200, after=0.25)})
    assert world.rows == [
        Result(
            url="http://a.test/",
            outcome=OK,
            status=200,
            category="success",  # type: ignore[arg-type]  # the enum's value
            method="HEAD",
            final_url="http://a.test/",
            attempts=1,
            elapsed_ms=250.0,
            found_in="list:1",
            checked_at="1994-11-06T08:49:37.000Z",
            input={"n": 1},
        )
    ]
    assert world.times == [0.25]
    summary = world.summary
    assert (summary.rows_in, summary.rows_out, summary.requests, summary.seconds) == (1, 1, 1, 0.25)
    assert summary.input_exhausted
    assert not summary.is_partial


def test_nothing_at_all() -> None:
    world = swept([])
    assert world.rows == []
    assert world.summary.input_exhausted


def test_tries_are_spread_out_exactly() -> None:
    world = swept(["http://a.test/"], {"http://a.test/": reply(500, after=0.5)})
    # HEAD at once, GET to confirm it, a second later, five seconds later: each counted from the answer before
    assert world.transport.sent_to("http://a.test/") == [0.0, 0.5, 2.0, 7.5]
    assert world.transport.methods_of("http://a.test/") == ["HEAD", "GET", "GET", "GET"]
    assert world.times == [8.0]
    assert world.verdicts == {"http://a.test/": (DOWN, "http.500")}


def test_jitter_stays_within_its_share_and_hangs_on_the_seed_alone() -> None:
    def sent(seed: int) -> list[float]:
        world = swept(["http://a.test/"], {"http://a.test/": reply(500)}, policy=Policy(method=Method.GET), seed=seed)
        return world.transport.sent_to("http://a.test/")

    first, second, third = sent(7)
    assert first == 0.0
    assert 1.0 <= second <= 1.5
    assert 5.0 <= third - second <= 7.5
    assert sent(7) == [first, second, third]
    assert sent(8) != [first, second, third]


@pytest.mark.parametrize(
    ("field", "again"),
    [("3", 3.0), ("0", 1.0), ("3600", 300.0), ("Sun, 06 Nov 1994 08:50:07 GMT", 30.0), ("nonsense", 1.0)],
)
def test_retry_after_is_obeyed_to_the_second(field: str, again: float) -> None:
    answers = [reply(429, ("Retry-After", field)), reply(200)]
    world = swept(["http://a.test/"], {"http://a.test/": answers})
    assert world.transport.sent_to("http://a.test/") == [0.0, again]
    assert world.verdicts == {"http://a.test/": (OK, None)}


def test_other_work_goes_on_while_one_waits() -> None:
    planted = {"http://a.test/0": [reply(500), reply(500), reply(200)]}
    world = swept(urls("a.test", 50), planted, hosts={"a.test": reply(200, after=0.01)}, limits=Limits(concurrency=1))
    assert [row.url for row in world.rows[-1:]] == ["http://a.test/0"]
    assert world.times[-2] < 1.0
    assert world.times[-1] == 1.0


def test_a_redirects_next_hop_waits_in_its_own_hosts_queue() -> None:
    world = swept(
        ["http://a.test/", *urls("b.test", 3)],
        {"http://a.test/": reply(302, ("location", "http://b.test/end"), after=0.5), "http://b.test/end": reply(200)},
        hosts={"b.test": reply(200, after=1.0)},
        limits=Limits(per_host=1),
    )
    # b's first URL is out until 1.0; the hop then goes before the two that have not begun
    assert world.transport.sent_to("http://b.test/end") == [1.0]
    assert world.transport.peak_by_host["b.test:80"] == 1


def test_a_throttled_host_delays_nobody_else() -> None:
    """400 URLs of a host that lets five through a second, and then one URL of another."""
    bucket = TokenBucketHost(rate=5, burst=5, retry_after=True)
    world = swept(
        [*urls("slow.test", 400), "http://quick.test/"], hosts={"slow.test": bucket, "quick.test": reply(200)}
    )
    assert world.transport.sent_to("http://quick.test/") == [0.0]
    assert world.verdicts["http://quick.test/"] == (OK, None)
    assert world.ended_at > 60
    assert len(world.rows) == 401


@pytest.mark.parametrize("dead", [DeadHost(), never(), failure(Reason.CONNECT_REFUSED), reply(429)])
def test_a_dead_host_delays_nobody_else(dead: Behaviour) -> None:
    names = urls("dead.test", 400)
    world = swept([*names, *urls("live.test", 40)], hosts={"dead.test": dead, "live.test": reply(200, after=0.01)})
    last_sent = max(exchange.sent for exchange in world.transport.log if exchange.request.host_key == "live.test:80")
    assert last_sent < 0.2
    assert all(world.verdicts[name][0] in (DOWN, UNVERIFIED) for name in names)


@pytest.mark.parametrize("is_sorted", [True, False])
def test_hosts_that_are_not_there_do_not_take_the_others_slots(is_sorted: bool) -> None:
    # Twice as many dead hosts as slots, each with more work than a good one, and before the good ones in the list.
    dead, good = [f"dead{number}.test" for number in range(40)], [f"good{number}.test" for number in range(40)]
    listed = [url for host in (*dead, *good) for url in urls(host, 10)]
    if not is_sorted:
        listed.sort(key=lambda url: url.rpartition("/")[2])
    hosts: dict[str, Behaviour] = {**dict.fromkeys(dead, DeadHost()), **dict.fromkeys(good, reply(200, after=0.1))}
    world = swept(listed, hosts=hosts, limits=Limits(concurrency=20))
    times = [at for row, at in zip(world.rows, world.times, strict=True) if row.outcome is OK]
    assert len(times) == 400
    # Two rounds of time-outs in which each dead host shows itself, then half of the slots; not all 40 rounds there are.
    assert max(times) < 35.0
    # The dead ones are told by three tries of one URL each, two of 4 s and one of 10 s, in 10 to 20 slots.
    assert world.ended_at < 80.0
    assert Counter(row.attempts for row in world.rows if row.outcome is DOWN) == {3: 40, 0: 360}


def test_waiting_holds_no_slot() -> None:
    """Two slots, two hosts that push back for a minute: a third host has both slots."""
    wait = reply(429, ("retry-after", "60"))
    world = swept(
        [*urls("x.test", 9), *urls("y.test", 9), *urls("z.test", 20)],
        hosts={"x.test": wait, "y.test": wait, "z.test": reply(200, after=1.0)},
        limits=Limits(concurrency=2),
    )
    sent = [exchange.sent for exchange in world.transport.log if exchange.request.host_key == "z.test:80"]
    assert max(sent) < 20
    assert world.transport.peak == 2


def test_a_host_that_pushes_back_to_the_end_is_left_alone_and_told() -> None:
    world = swept(urls("a.test", 100), hosts={"a.test": reply(429, ("retry-after", "10"))})
    assert len(world.transport.log) < 40  # one probe every ten seconds or more, for five minutes
    assert Counter(row.outcome for row in world.rows) == {UNVERIFIED: 100}
    assert {row.reason for row in world.rows} == {"rate_limited"}
    unasked = [row for row in world.rows if row.attempts == 0]
    assert unasked
    assert all(row.checked_at is None and row.status is None and "a.test:80" in str(row.detail) for row in unasked)


def test_maintenance_that_says_when_to_come_again_is_no_false_alarm() -> None:
    world = swept(urls("a.test", 20), hosts={"a.test": reply(503, ("retry-after", "10"))})
    for row in world.rows:
        assert (row.outcome, row.reason, row.status) == (UNVERIFIED, "rate_limited", 503 if row.attempts else None)


def test_a_host_that_hates_head_is_asked_by_get_after_two() -> None:
    world = swept(
        urls("a.test", 10), hosts={"a.test": by_method(head=reply(405), get=reply(200))}, limits=Limits(per_host=1)
    )
    assert [exchange.request.method for exchange in world.transport.log] == ["HEAD", "GET", "HEAD", "GET"] + ["GET"] * 8


# --- bounds -----------------------------------------------------------------------------------------------------------


@of_one_process
def test_bounds_are_used_and_kept() -> None:
    names = [f"http://h{number % 20}.test/{number}" for number in range(400)]
    hosts = {f"h{number}.test": reply(200, after=1.0) for number in range(20)}
    world = swept(names, hosts=hosts, limits=Limits(concurrency=30, per_host=2))
    assert world.transport.peak == 30
    assert set(world.transport.peak_by_host.values()) == {2}
    assert world.ended_at == pytest.approx(400 / 30, abs=1.0)


# --- reading ahead ----------------------------------------------------------------------------------------------------


class Counted:
    """An endless or long list that knows how far it was read."""

    def __init__(self, name: Callable[[int], str], count: int | None = None) -> None:
        self.read = 0
        self._name = name
        self._count = count

    def __iter__(self) -> Iterator[Target]:
        while self._count is None or self.read < self._count:
            self.read += 1
            yield Target(self._name(self.read - 1))


class CountedAsync(Counted):
    """The same from a source that never waits."""

    async def __aiter__(self) -> AsyncIterator[Target]:
        for target in self:
            yield target


@of_one_process
@pytest.mark.parametrize(
    ("url", "ahead"),
    [
        (lambda number: f"http://h{number}.test/", FAR_AHEAD),
        (lambda number: f"http://127.0.0.1/{number}", READ_AHEAD),  # no other hosts are to be found
    ],
)
def test_an_endless_list_with_a_slow_consumer_is_read_no_further_than_needed(
    url: Callable[[int], str], ahead: int
) -> None:
    source = Counted(url)
    limits = Limits(concurrency=8)

    async def go() -> None:
        world = World(source, limits=limits)
        async with aclosing(world.sweep.batches()) as batches:
            given = 0
            async for batch in batches:
                given += len(batch)
                assert source.read - given <= ahead * limits.concurrency + limits.concurrency
                await asyncio.sleep(10)
                assert source.read - given <= ahead * limits.concurrency + limits.concurrency
                if given > 500:
                    break

    run_virtual(go())

    assert source.read < 500 + (ahead + 20) * limits.concurrency


@of_one_process
@pytest.mark.parametrize(("in_a_row", "is_found"), [(1, True), (IN_A_ROW, True), (4 * IN_A_ROW, False)])
def test_who_takes_long_is_found_while_all_slots_are_taken(in_a_row: int, is_found: bool) -> None:
    """At a line that is further down the list than is read ahead for the slots' sake."""
    long = [f"http://long.test/{number}" for number in range(IN_A_ROW + 1)]  # and has most to be asked for
    before = [f"http://10.0.0.{number // in_a_row}/{number}" for number in range(100)]
    hosts = {f"10.0.0.{number}": reply(200, after=1.0) for number in range(100)}
    run = swept([*before, *long], hosts=hosts | {"long.test": reply(200, after=1.0)}, limits=Limits(concurrency=4))
    assert set(run.verdicts.values()) == {(OK, None)}
    assert (run.transport.sent_to(long[0])[0] < 3.0) is is_found


@pytest.mark.parametrize("kind", [Counted, CountedAsync])
def test_invalid_lines_without_end_do_not_outrun_the_consumer(kind: type[Counted]) -> None:
    source = kind(lambda _: "not a url")

    async def go() -> None:
        world = World(source, limits=Limits(concurrency=4))
        async with aclosing(world.sweep.batches()) as batches:
            given = 0
            async for batch in batches:
                given += len(batch)
                await asyncio.sleep(1)
                assert source.read - given <= READ_AHEAD * 4 + 1
                if given > 200:
                    break

    run_virtual(go())


@of_one_process
@pytest.mark.parametrize("kind", [Counted, CountedAsync])
def test_a_list_sorted_by_host_still_finds_other_hosts(kind: type[Counted]) -> None:
    source = kind(lambda number: f"http://h{number // 1000}.test/{number}", 5000)
    hosts = {f"h{number}.test": reply(200, after=1.0) for number in range(5)}

    async def go() -> World:
        return await World(source, hosts=hosts, limits=Limits(per_host=2), policy=GET_ONLY).run()

    world = run_virtual(go())
    assert {host: world.transport.sent_to(f"http://h{host}.test/{1000 * host}") for host in range(5)} == {
        host: [0.0] for host in range(5)
    }
    assert world.ended_at == pytest.approx(500, abs=2)


def test_the_window_is_a_bound() -> None:
    source = Counted(lambda number: f"http://a.test/{number}")

    async def go() -> None:
        world = World(source, hosts={"a.test": reply(200, after=1.0)}, window=50)
        async with aclosing(world.sweep.batches()) as batches:
            given = 0
            async for batch in batches:
                given += len(batch)
                assert source.read - given <= 50
                if given > 300:
                    break

    run_virtual(go())


@pytest.mark.parametrize(
    "beside",
    [None, {"text": "x" * 1_000_000}, {"deep": [{"x" * 1_000_000: ({"a": 1}, None)}]}],
    ids=["urls", "text", "deep"],
)
def test_the_window_is_a_bound_for_memory_too(beside: dict[str, Any] | None) -> None:
    url = "http://a.test/" + "x" * 60_000
    read = 0

    def source() -> Iterator[Target]:
        nonlocal read
        for number in range(5000):
            read = number
            yield Target(f"{url}{number}", input=beside)

    async def go() -> None:
        world = World(source(), hosts={"a.test": never()})
        asyncio.get_running_loop().call_later(1.0, world.sweep.stop)
        await world.run()
        assert len(world.rows) == read + 1

    run_virtual(go())
    size = 60_000 if beside is None else 1_060_000
    assert WINDOW_CHARACTERS / size - 1 < read < WINDOW_CHARACTERS / size + 2


def test_a_source_that_never_waits_lets_others_have_their_turn() -> None:
    source = CountedAsync(lambda _: "http://a.test/", 50 * BREATH)
    turns = []

    async def go() -> None:
        world = World(source, {"http://a.test/": reply(200, after=1.0)})

        async def other() -> None:
            while source.read < 50 * BREATH:
                turns.append(source.read)
                await asyncio.sleep(0)

        task = asyncio.ensure_future(other())
        async for _ in world.sweep:
            pass
        await task

    run_virtual(go())
    assert len(turns) >= 50
    assert max(later - earlier for earlier, later in itertools.pairwise(turns)) <= BREATH


def test_the_first_request_goes_out_before_the_second_target_is_there() -> None:
    async def stdin() -> AsyncIterator[Target]:
        for number in range(3):
            yield Target(f"http://a.test/{number}")
            await asyncio.sleep(100)

    world = swept(stdin(), hosts={"a.test": reply(200, after=0.5)})
    assert [world.transport.sent_to(f"http://a.test/{number}") for number in range(3)] == [[0.0], [100.0], [200.0]]
    assert world.times == [0.5, 100.5, 200.5]
    assert world.ended_at == 300.0


def test_a_slow_consumer_gets_every_row_and_the_end() -> None:
    """The end must not be missed by a consumer that is busy when it comes."""
    for pause in (0.0, 0.5, 3.0, 100.0):
        world = World(urls("a.test", 20), hosts={"a.test": reply(200, after=1.0)})
        run_virtual(world.run(lambda _, pause=pause: asyncio.sleep(pause)))  # type: ignore[misc]  # bound at once
        assert len(world.rows) == 20


# --- duplicates -------------------------------------------------------------------------------------------------------


def test_duplicates_are_asked_once_and_each_has_its_row() -> None:
    same = [
        "http://a.test/x",
        "HTTP://A.test:80/x",
        "http://a.test/./x#one",
        "http://a.test/x#two",
        " http://a.test/x ",
    ]
    world = swept(
        [Target(url, f"list:{number}") for number, url in enumerate(same)], {"http://a.test/x": reply(404, after=1.0)}
    )
    assert world.transport.methods_of("http://a.test/x") == ["HEAD", "GET"]
    assert [(row.url, row.found_in) for row in world.rows] == [(url, f"list:{n}") for n, url in enumerate(same)]
    assert [row.final_url for row in world.rows] == [
        "http://a.test/x", "http://a.test/x", "http://a.test/x#one", "http://a.test/x#two", "http://a.test/x",
    ]  # fmt: skip
    assert {(row.outcome, row.attempts, row.checked_at) for row in world.rows} == {
        (BROKEN, 2, world.rows[0].checked_at)
    }
    assert world.summary.duplicates == 4
    assert world.summary.requests == 2


def test_a_fragment_is_each_rows_own_when_the_first_has_one() -> None:
    async def apart() -> AsyncIterator[Target]:
        yield Target("http://a.test/#one")
        yield Target("http://a.test/#two")
        yield Target("http://a.test/")
        await asyncio.sleep(10)  # by now from the ledger
        yield Target("http://a.test/#three")
        yield Target("http://a.test/")

    world = swept(apart(), {"http://a.test/": reply(302, ("location", "/x")), "http://a.test/x": reply(200, after=1.0)})
    assert [row.final_url for row in world.rows] == [
        "http://a.test/x#one", "http://a.test/x#two", "http://a.test/x", "http://a.test/x#three", "http://a.test/x",
    ]  # fmt: skip
    assert {row.hops[0].url for row in world.rows} == {"http://a.test/"}
    assert len(world.transport.log) == 2


def test_another_user_is_another_request() -> None:
    world = swept(
        ["http://a.test/", "http://u:p@a.test/", "http://u:q@a.test/", "http://u@a.test/", "http://u:p@a.test/#again"],
        hosts={"a.test": reply(200)},
    )
    assert sorted(exchange.request.headers for exchange in world.transport.log) == sorted(
        [(), *(((basic_authorization("u", password)),) for password in ("p", "q", ""))]
    )
    assert len(world.rows) == 5


def test_no_url_can_pass_for_another_with_userinfo() -> None:
    world = swept(
        ["http://evil.test/@http://a.test/", "http://http:%2F%2Fevil.test%2F@a.test/"],
        {"http://evil.test/@http://a.test/": reply(200)},
        hosts={"a.test": reply(404)},
    )
    assert [row.outcome for row in world.rows] == [OK, BROKEN]


def test_duplicates_far_apart_come_from_the_ledger() -> None:
    count = 3 * BATCH
    world = World([*urls("127.0.0.1", count), *urls("127.0.0.1", count)], hosts={"127.0.0.1": reply(200, after=0.001)})
    world.sweep._ledger = Ledger(in_memory=10)
    world.sweep._window = 200  # so that the second half is read when the first is settled
    run_virtual(world.run())
    assert world.summary.duplicates == count
    assert len(world.transport.log) == count
    assert Counter(row.url for row in world.rows) == Counter(urls("127.0.0.1", count) * 2)


@of_one_process
def test_a_duplicate_from_the_ledger_says_when_it_was_checked() -> None:
    now = [WALL]

    async def apart() -> AsyncIterator[Target]:
        yield Target("http://a.test/")
        await asyncio.sleep(10)
        now[0] = WALL + 3600
        yield Target("http://a.test/")

    world = World(apart(), hosts={"a.test": reply(200)})
    asking_of(world)._wall = lambda: now[0]
    run_virtual(world.run())
    assert [row.checked_at for row in world.rows] == ["1994-11-06T08:49:37.000Z"] * 2


def test_what_is_not_asked_is_a_row() -> None:
    world = swept(
        [
            "",
            "nonsense",
            "htp://a.test/",
            "mailto:x@a.test",
            "http://a.test/private",
            Target("s.xml", "s.xml", fault=Fault(DOWN, Reason.SOURCE_TRUNCATED, "broke off")),
        ],
        policy=replace(EXACT, exclude=(re.compile("private"),)),
    )
    assert [row.reason for row in world.rows] == [
        "url.malformed", "url.malformed", "url.unknown_scheme", "skip.unsupported_scheme", "skip.excluded",
        "source.truncated",
    ]  # fmt: skip
    assert all(row.checked_at is None and row.attempts == 0 for row in world.rows)
    assert world.transport.log == []


# --- ordered runs -----------------------------------------------------------------------------------------------------


def test_ordered_rows_whatever_finishes_first() -> None:
    targets = ["http://a.test/slow", "nonsense", *urls("a.test", 30), "http://b.test/", "http://a.test/slow"]
    world = swept(
        targets,
        {"http://a.test/slow": reply(200, after=15.0), "http://a.test/3": reply(500)},
        hosts={"a.test": reply(200, after=0.1), "b.test": reply(200)},
        is_ordered=True,
    )
    assert [row.url for row in world.rows] == targets
    assert world.times[0] == 15.0


def test_an_ordered_run_ends_though_its_first_row_fills_the_window() -> None:
    targets = ["http://a.test/slow", *urls("b.test", 500)]
    world = swept(
        targets,
        {"http://a.test/slow": never()},
        hosts={"b.test": reply(200)},
        is_ordered=True,
        window=20,
        policy=GET_ONLY,
    )
    assert [row.url for row in world.rows] == targets


def test_an_ordered_run_that_is_stopped_is_in_order_too() -> None:
    targets = ["http://a.test/slow", *urls("b.test", 10)]
    world = World(targets, {"http://a.test/slow": never()}, hosts={"b.test": reply(200)}, is_ordered=True)

    async def go() -> None:
        asyncio.get_running_loop().call_later(5.0, world.sweep.stop)
        await world.run()

    run_virtual(go())
    assert [row.url for row in world.rows] == targets
    assert world.rows[0].reason == "skip.unfinished"
    assert {row.outcome for row in world.rows[1:]} == {OK}


# --- stopping ---------------------------------------------------------------------------------------------------------


def test_stop_closes_every_row_at_once() -> None:
    names = [*urls("a.test", 30), *urls("late.test", 3), *urls("gone.test", 2)]
    world = World(
        [*names, names[0]],
        {"http://late.test/0": reply(500), "http://late.test/1": reply(429)},
        hosts={"a.test": never(), "late.test": reply(200, after=0.5), "gone.test": reply(404)},
    )

    async def go() -> None:
        asyncio.get_running_loop().call_later(0.75, world.sweep.stop)
        asyncio.get_running_loop().call_later(0.8, world.sweep.stop)
        await world.run()

    run_virtual(go())
    assert world.ended_at == 0.75
    summary = world.summary
    assert summary.is_partial
    assert summary.rows_in == summary.rows_out == len(world.rows) == len(names) + 1
    assert world.verdicts["http://gone.test/0"] == (BROKEN, "http.404")
    assert world.verdicts["http://a.test/0"] == (SKIPPED, "skip.unfinished")
    tried = next(row for row in world.rows if row.url == "http://late.test/0")
    assert (tried.reason, tried.status, tried.category, tried.attempts) == ("skip.unfinished", None, None, 2)
    assert tried.checked_at is not None
    untried = next(row for row in world.rows if row.url == "http://a.test/29")
    assert (untried.reason, untried.attempts, untried.checked_at) == ("skip.unfinished", 0, None)


def test_stop_before_the_start() -> None:
    world = World(urls("a.test", 5), hosts={"a.test": reply(200)})
    world.sweep.stop()
    run_virtual(world.run())
    assert world.rows == []
    assert world.transport.log == []
    assert world.summary.is_partial
    assert not world.summary.input_exhausted


def test_stop_while_the_source_blocks() -> None:
    is_closed = []

    async def stdin() -> AsyncIterator[Target]:
        try:
            yield Target("http://a.test/")
            await asyncio.Event().wait()
        finally:
            is_closed.append(True)

    world = World(stdin(), hosts={"a.test": reply(200)})

    async def go() -> None:
        asyncio.get_running_loop().call_later(5.0, world.sweep.stop)
        await world.run()

    run_virtual(go())
    assert len(world.rows) == 1
    assert world.ended_at == 5.0
    assert is_closed
    assert not world.summary.input_exhausted


def test_stop_by_the_consumer_with_rows_in_hand() -> None:
    world = World(urls("a.test", 100), hosts={"a.test": reply(200, after=0.1)})
    run_virtual(world.run(lambda _: world.sweep.stop()))
    assert len(world.rows) == world.summary.rows_in == world.summary.rows_out == 100
    assert world.ended_at == 0.1


def test_stop_after_the_end_changes_nothing() -> None:
    world = swept(urls("a.test", 2), hosts={"a.test": reply(200)})
    rows = list(world.rows)
    world.sweep.stop()
    assert world.rows == rows


@pytest.mark.parametrize("rows_taken", [0, 1, 7])
def test_a_consumer_that_goes_away_leaves_nothing_running(rows_taken: int) -> None:
    async def go() -> None:
        world = World(urls("a.test", 100), hosts={"a.test": reply(200, after=0.1)})
        rows = aiter(world.sweep)
        for _ in range(rows_taken):
            await anext(rows)
        await rows.aclose()  # type: ignore[attr-defined]  # an asynchronous generator
        assert len(asyncio.all_tasks()) == 1
        assert world.transport.in_flight == 0
        assert world.summary.is_partial == bool(rows_taken)

    run_virtual(go())


def test_a_consumer_that_is_cancelled_leaves_nothing_running() -> None:
    async def go() -> None:
        world = World(urls("a.test", 100), hosts={"a.test": never()})
        task = asyncio.ensure_future(anext(aiter(world.sweep)))
        await asyncio.sleep(3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(asyncio.all_tasks()) == 1
        assert world.transport.in_flight == 0

    run_virtual(go())


def test_a_consumer_that_raises_leaves_nothing_running() -> None:
    async def go() -> None:
        world = World(urls("a.test", 100), hosts={"a.test": reply(200, after=0.1)})

        async def stumble() -> None:
            async with aclosing(world.sweep.batches()) as batches:
                async for batch in batches:
                    raise ZeroDivisionError(batch)

        with pytest.raises(ZeroDivisionError):
            await stumble()
        assert len(asyncio.all_tasks()) == 1

    run_virtual(go())


def test_a_sweep_is_iterated_once() -> None:
    world = swept([])
    with pytest.raises(RuntimeError, match="once"):
        run_virtual(world.run())


# --- when something raises --------------------------------------------------------------------------------------------


def raised_by(world: World, kind: type[BaseException]) -> BaseException:
    with pytest.raises(kind) as caught:
        run_virtual(world.run())
    return caught.value


def test_a_source_that_raises_midway_ends_the_run_with_every_row_closed() -> None:
    async def source() -> AsyncIterator[Target]:
        yield Target("http://a.test/")
        yield Target("http://b.test/")
        await asyncio.sleep(1)
        raise OSError("the disk is gone")

    world = World(source(), hosts={"a.test": reply(200), "b.test": never()})
    assert str(raised_by(world, OSError)) == "the disk is gone"
    assert world.verdicts == {"http://a.test/": (OK, None), "http://b.test/": (SKIPPED, "skip.unfinished")}
    assert world.summary.is_partial
    assert world.summary.rows_lost == 0


@of_one_process
def test_a_transports_bug_is_raised_and_the_rows_are_closed() -> None:
    def bug(request: Request, now: float, nth: int) -> Any:
        raise ZeroDivisionError(request.url)

    world = World(
        [*urls("a.test", 3), "http://bug.test/"], {"http://bug.test/": bug}, hosts={"a.test": never()}, is_ordered=True
    )
    raised_by(world, ZeroDivisionError)
    assert [row.reason for row in world.rows] == ["skip.unfinished"] * 4
    assert world.summary.is_partial


@of_one_process
def test_a_bug_in_what_a_timer_starts_ends_the_run_too() -> None:
    world = World(["http://a.test/"], hosts={"a.test": reply(500)})

    async def go() -> None:
        def broken(_now: float) -> None:
            raise ZeroDivisionError

        asyncio.get_running_loop().call_later(0.5, setattr, asking_of(world)._pacer, "next", broken)
        await world.run()

    with pytest.raises(ZeroDivisionError):
        run_virtual(go())


def test_a_failure_that_nobody_waits_for_is_not_shouted_about() -> None:
    """The consumer leaves with rows in hand while the run has failed: asyncio must not log an exception never seen."""

    async def go() -> None:
        complaints: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

        def bug(request: Request, now: float, nth: int) -> Any:
            raise ZeroDivisionError(request.url)

        world = World(["nonsense", "http://bug.test/"], {"http://bug.test/": bug})
        batches = world.sweep.batches()
        await anext(batches)
        await asyncio.sleep(1)
        await batches.aclose()
        del world, batches
        gc.collect()
        assert complaints == []

    run_virtual(go())


def test_a_lost_row_is_an_error() -> None:
    world = World(urls("a.test", 2), hosts={"a.test": reply(200)})
    world.summary.rows_in = 1  # as if one had been read and forgotten
    assert "3 targets were read, 2 rows given" in str(raised_by(world, RowCountError))


# --- credentials without an origin ------------------------------------------------------------------------------------

SECRET = (("Authorization", "Bearer secret"),)


def test_an_unscoped_credential_goes_to_the_origin_that_all_targets_share() -> None:
    world = swept(
        ["nonsense", *urls("a.test", 3)],
        {"http://a.test/0": reply(302, ("location", "http://b.test/"))},
        hosts={"a.test": reply(200), "b.test": reply(200)},
        policy=replace(EXACT, unscoped_credentials=SECRET),
    )
    assert Counter((exchange.request.host_key, exchange.request.headers) for exchange in world.transport.log) == {
        ("a.test:80", SECRET): 3,
        ("b.test:80", ()): 1,
    }


@pytest.mark.parametrize("other", ["http://b.test/", "https://a.test/", "http://a.test:8080/", "http://sub.a.test/"])
def test_an_unscoped_credential_with_several_origins_is_an_error_before_anything_is_asked(other: str) -> None:
    async def source() -> AsyncIterator[Target]:
        for name in urls("a.test", 2000):
            yield Target(name)
        await asyncio.sleep(100)
        yield Target(other)
        yield Target("http://never.test/")

    world = World(source(), hosts={"a.test": reply(200)}, policy=replace(EXACT, unscoped_credentials=SECRET))
    message = str(raised_by(world, UnscopedCredentialError))
    assert "Authorization" in message
    assert "http://a.test" in message
    assert other.rstrip("/") in message
    assert "--header-for" in message
    assert "secret" not in message
    assert world.transport.log == []
    assert len(world.rows) == world.summary.rows_in == 2001
    assert {row.reason for row in world.rows} == {"skip.unfinished"}


def test_with_an_unscoped_credential_an_endless_list_is_asked_once_the_window_is_full() -> None:
    source = Counted(lambda number: f"http://a.test/{number}")

    async def go() -> World:
        world = World(
            source, hosts={"a.test": reply(200)}, policy=replace(EXACT, unscoped_credentials=SECRET), window=300
        )
        async for _ in world.sweep:
            if len(world.transport.log) > 1000:
                world.sweep.stop()
        return world

    world = run_virtual(go())
    assert len(world.transport.log) > 1000


def test_a_stop_while_credentials_hold_everything_back() -> None:
    async def source() -> AsyncIterator[Target]:
        yield Target("http://a.test/")
        await asyncio.Event().wait()

    world = World(source(), hosts={"a.test": reply(200)}, policy=replace(EXACT, unscoped_credentials=SECRET))

    async def go() -> None:
        asyncio.get_running_loop().call_later(5.0, world.sweep.stop)
        await world.run()

    run_virtual(go())
    assert world.verdicts == {"http://a.test/": (SKIPPED, "skip.unfinished")}
    assert world.transport.log == []


# --- what progress can be told ----------------------------------------------------------------------------------------


def test_open_requests_and_waiting_hosts_can_be_asked_at_any_time() -> None:
    world = World(
        [*urls("a.test", 10), *urls("b.test", 3)],
        hosts={"a.test": reply(429, ("retry-after", "60")), "b.test": reply(200, after=10.0)},
        limits=Limits(patience=20.0),
    )
    assert (world.sweep.open_requests, world.sweep.waiting_hosts.hosts) == (0, 0)
    told = []

    async def go() -> None:
        loop = asyncio.get_running_loop()
        for at in (5.0, 15.0):
            loop.call_later(at, lambda: told.append((world.sweep.open_requests, world.sweep.waiting_hosts.hosts)))
        await world.run()

    run_virtual(go())
    assert told == [(1, 1), (2, 1)]  # b.test: one request, and once that has been answered the others
    assert (world.sweep.open_requests, world.sweep.waiting_hosts.hosts) == (0, 0)


def test_requests_and_their_times_are_counted_by_host() -> None:
    world = swept(
        ["http://a.test/", "http://b.test/"],
        {"http://a.test/": reply(404, after=2.0), "http://b.test/": failure(Reason.DNS_NOT_FOUND, after=1.0)},
    )
    assert world.summary.requests == 3
    assert [(times.host, times.requests, times.mean) for times in world.summary.slowest_hosts(9)] == [
        ("a.test:80", 2, 2.0), ("b.test:80", 1, 1.0),
    ]  # fmt: skip


def test_events_of_a_transport_are_taken_as_they_are() -> None:
    class Odd:
        lookup_seconds = 0.0

        def start(self, request: Request, done: Done) -> asyncio.Handle:
            event = Reply(200) if request.method == "GET" else Failure(Reason.RESPONSE_RESET, "hung up")
            return asyncio.get_running_loop().call_soon(done, event)

        async def send(self, request: Request) -> Reply | Failure:
            raise NotImplementedError

        def open(self, request: Request) -> Any:
            raise NotImplementedError

        async def aclose(self) -> None:
            raise AssertionError("the transport is the caller's to close")

    async def go() -> list[Result]:
        return [row async for row in Sweep([Target("http://a.test/")], EXACT, Limits(), Odd())]

    (row,) = run_virtual(go())
    assert (row.outcome, row.method, row.attempts) == (OK, "GET", 2)


def test_a_target_that_is_none_of_its_kind_ends_an_ordered_run_with_every_other_row_given() -> None:
    source = [Target("http://a.test/slow"), Target("http://a.test/"), Target(None), Target("http://a.test/never")]  # type: ignore[arg-type]  # what is tested
    world = World(source, {"http://a.test/slow": never()}, hosts={"a.test": reply(200)}, is_ordered=True)
    raised_by(world, TypeError)
    assert [row.url for row in world.rows] == ["http://a.test/slow", "http://a.test/"]
    assert world.summary.rows_lost == 1  # told: the one that could not be read
