"""robots.txt through the whole engine: asked for once a site, obeyed, and what follows where it cannot be had."""

from __future__ import annotations

import asyncio
import itertools
import re
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from urlsweep.core.limits import Limits
from urlsweep.core.model import Failure, Outcome, Reason, Reply, Request, Result, Target
from urlsweep.core.policy import Method, Policy, Rule, StatusSet, basic_authorization
from urlsweep.core.robots import LONGEST_ROBOTS
from urlsweep.engine import Sweep
from urlsweep.testing.fake import Answer, Behaviour, DeadHost, FakeTransport, TokenBucketHost, failure, never, reply
from urlsweep.testing.virtual_time import run_virtual

if TYPE_CHECKING:
    from tests.engine.conftest import Swept

OK, DISALLOWED = (Outcome.OK, None), (Outcome.SKIPPED, "skip.robots")
UNFINISHED = (Outcome.SKIPPED, "skip.unfinished")
ROBOTS = "http://a.test/robots.txt"
OBEDIENT = Policy(jitter=0, robots=True)
SITE = ["http://a.test/public", "http://a.test/private", "http://a.test/private/page"]
PRIVATE = b"User-agent: *\nDisallow: /private\n"
PAGE = reply(200, after=0.1)


def many(host: str, count: int) -> list[str]:
    return [f"http://{host}/{number}" for number in range(count)]


# --- obeyed -----------------------------------------------------------------------------------------------------------


def test_it_is_asked_for_once_and_obeyed(swept: Swept) -> None:
    run = swept(SITE, {ROBOTS: reply(200, body=PRIVATE, after=1.0)}, hosts={"a.test": PAGE}, policy=OBEDIENT)
    assert run.verdicts == {SITE[0]: OK, SITE[1]: DISALLOWED, SITE[2]: DISALLOWED}
    assert run.transport.methods_of(ROBOTS) == ["GET"]
    assert [exchange.request.url for exchange in run.transport.log] == [ROBOTS, SITE[0]]
    for row in run.of("a.test"):
        if row.outcome is Outcome.SKIPPED:
            assert (row.attempts, row.status, row.method, row.checked_at) == (0, None, None, None)
            assert row.detail == "robots.txt disallows it"
    assert run.summary.requests == 2  # one more than the rows say: nobody asked for robots.txt itself


def test_without_being_told_nobody_asks_for_it(swept: Swept) -> None:
    run = swept(SITE, {ROBOTS: reply(200, body=PRIVATE)}, hosts={"a.test": PAGE})
    assert run.outcomes == {OK: 3}
    assert run.transport.sent_to(ROBOTS) == []


def test_each_origin_has_its_own(swept: Swept) -> None:
    sites = ["http://a.test", "https://a.test", "http://a.test:8080", "http://b.test"]
    world = {f"{site}/robots.txt": reply(404) for site in sites}
    world["https://a.test/robots.txt"] = reply(200, body=PRIVATE)
    targets = [f"{site}/{path}" for site in sites for path in ("private", "x", "y")]
    run = swept(targets, world, hosts={"a.test": PAGE, "b.test": PAGE}, policy=OBEDIENT)
    assert run.outcomes == {OK: 11, DISALLOWED: 1}
    assert run.verdicts["https://a.test/private"] == DISALLOWED
    assert all(run.transport.methods_of(f"{site}/robots.txt") == ["GET"] for site in sites)


def test_the_rules_for_who_asks_hold(swept: Swept) -> None:
    body = b"User-agent: urlsweep\nDisallow: /private\n\nUser-agent: somebody\nDisallow: /public\n\nUser-agent: *\n"

    def disallowed(*headers: tuple[str, str]) -> set[str]:
        policy = replace(OBEDIENT, headers=headers)
        run = swept(SITE[:2], {ROBOTS: reply(200, body=body)}, hosts={"a.test": PAGE}, policy=policy)
        assert {exchange.request.headers for exchange in run.transport.log} == {headers}
        return {row.url for row in run.rows if row.outcome is Outcome.SKIPPED}

    assert disallowed(("User-Agent", "urlsweep/1.0 (+https://example.com)")) == {SITE[1]}
    assert disallowed(("user-agent", "Somebody/2")) == {SITE[0]}
    assert disallowed(("User-Agent", "Nobody")) == set()
    assert disallowed() == {SITE[1]}


def test_robots_txt_itself_may_always_be_asked_for(swept: Swept) -> None:
    """RFC 9309 section 2.2.2."""
    run = swept([ROBOTS], {ROBOTS: reply(200, body=b"User-agent: *\nDisallow: /\n")}, policy=OBEDIENT)
    assert run.outcomes == {OK: 1}


def test_one_rule_lets_a_site_off_and_another_asks_for_it(swept: Swept) -> None:
    world = {f"http://{site}.test/robots.txt": reply(200, body=b"User-agent: *\nDisallow: /\n") for site in "ab"}
    targets = ["http://a.test/", "http://b.test/"]
    hosts = {"a.test": PAGE, "b.test": PAGE}
    let_off = replace(OBEDIENT, rules=(Rule(re.compile("//a.test/"), robots=False),))
    run = swept(targets, world, hosts=hosts, policy=let_off)
    assert run.verdicts == {"http://a.test/": OK, "http://b.test/": DISALLOWED}
    assert run.transport.sent_to(ROBOTS) == []
    asked_for = Policy(jitter=0, rules=(Rule(re.compile("//a.test/"), robots=True),))
    run = swept(targets, world, hosts=hosts, policy=asked_for)
    assert run.verdicts == {"http://a.test/": DISALLOWED, "http://b.test/": OK}
    assert run.transport.sent_to("http://b.test/robots.txt") == []


def test_what_is_meant_for_targets_is_not_for_robots_txt(swept: Swept) -> None:
    policy = replace(
        OBEDIENT,
        method=Method.AUTO,
        accept=StatusSet.parse("404"),
        follow=False,
        rules=(Rule(re.compile("robots"), accept=StatusSet.parse("500"), skip=True),),
        exclude=(re.compile("robots.txt"),),
    )
    world: dict[str, Behaviour] = {
        ROBOTS: reply(302, ("location", "/real.txt")),
        "http://a.test/real.txt": reply(200, body=PRIVATE),
        "http://a.test/private": reply(404),
        "http://a.test/public": reply(404),
    }
    run = swept(SITE[:2], world, policy=policy)
    assert run.verdicts == {SITE[0]: (Outcome.OK, "http.404"), SITE[1]: DISALLOWED}


def test_credentials_go_with_it(swept: Swept) -> None:
    policy = replace(OBEDIENT, credentials={"http://a.test": (("X-Api-Key", "k"),)})
    run = swept(["http://u:p@a.test/"], {ROBOTS: reply(404)}, hosts={"a.test": PAGE}, policy=policy)
    assert {exchange.request.headers for exchange in run.transport.log} == {
        (("X-Api-Key", "k"), basic_authorization("u", "p"))
    }


# --- Crawl-delay ------------------------------------------------------------------------------------------------------


def test_crawl_delay_is_kept_from_the_first_page_on(swept: Swept) -> None:
    body = b"User-agent: *\nCrawl-delay: 3\n"
    run = swept(
        [*many("a.test", 4), *many("b.test", 4)],
        {ROBOTS: reply(200, body=body), "http://b.test/robots.txt": reply(404)},
        hosts={"a.test": PAGE, "b.test": PAGE},
        policy=OBEDIENT,
    )
    assert run.outcomes == {OK: 8}
    assert run.sent("a.test:80") == [0.0, 3.0, 6.0, 9.0, 12.0]
    assert max(run.sent("b.test:80")) < 1.0


def test_of_crawl_delay_and_what_was_said_by_hand_the_slower_holds(swept: Swept) -> None:
    def gaps(said: str, limits: Limits, *rules: Rule) -> list[float]:
        body = f"User-agent: *\nCrawl-delay: {said}\n".encode()
        policy = replace(OBEDIENT, rules=rules)
        run = swept(
            many("a.test", 2), {ROBOTS: reply(200, body=body)}, hosts={"a.test": PAGE}, policy=policy, limits=limits
        )
        return run.sent("a.test:80")

    rule = Rule(re.compile("//a.test/"), delay=4.0)
    assert gaps("3", Limits(delay=1.0)) == [0.0, 3.0, 6.0]
    assert gaps("1", Limits(delay=3.0)) == [0.0, 3.0, 6.0]
    assert gaps("3", Limits(), rule) == [0.0, 4.0, 8.0]
    assert gaps("5", Limits(), rule) == [0.0, pytest.approx(5.0), pytest.approx(10.0)]


def test_the_slower_holds_for_a_host_that_was_forgotten_too(swept: Swept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urlsweep.core.pacer.IDLE_GROUPS_KEPT", 0)

    async def source() -> AsyncIterator[Target]:
        yield Target("http://a.test/early")
        await asyncio.sleep(60.0)
        for number in range(3):
            yield Target(f"http://a.test/{number}")

    world = {ROBOTS: reply(200, body=b"User-agent: *\nCrawl-delay: 1\n")}
    run = swept(source(), world, hosts={"a.test": PAGE}, policy=OBEDIENT, limits=Limits(delay=5.0))
    assert run.sent("a.test:80") == [0.0, 5.0, 60.0, 65.0, 70.0]


def test_a_rules_pace_holds_for_robots_txt_too(swept: Swept) -> None:
    policy = replace(OBEDIENT, rules=(Rule(re.compile("//a.test/"), delay=2.0),))
    run = swept(many("a.test", 2), {ROBOTS: reply(404)}, hosts={"a.test": PAGE}, policy=policy)
    assert run.sent("a.test:80") == [0.0, 2.0, 4.0]


# --- what is not there forbids nothing --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        reply(404),
        reply(403),
        reply(410),
        reply(401),
        reply(204),
        reply(304),
        reply(200, body=b"<!doctype html><title>Not here</title>"),
        reply(200, body=b"\xff\xfe\x00\x01" * 100),
        reply(403, ("cf-mitigated", "challenge")),
        reply(302, ("location", "/robots.txt")),
        reply(302, ("location", "http://127.0.0.1/robots.txt"), address="93.184.215.14"),
        reply(302),
    ],
    ids=lambda answer: str(answer.event.status),
)
def test_what_is_not_there_forbids_nothing(swept: Swept, answer: Behaviour) -> None:
    run = swept(SITE, {ROBOTS: answer}, hosts={"a.test": PAGE}, policy=OBEDIENT)
    assert run.outcomes == {OK: 3}
    assert len(run.transport.sent_to(ROBOTS)) == 1


@pytest.mark.parametrize(
    ("reason", "outcome"), [(Reason.DNS_NOT_FOUND, Outcome.BROKEN), (Reason.TLS_EXPIRED, Outcome.BROKEN)]
)
def test_a_site_that_cannot_be_asked_for_anything_is_told_by_its_own_urls(
    swept: Swept, reason: Reason, outcome: Outcome
) -> None:
    run = swept(SITE, hosts={"a.test": failure(reason)}, policy=OBEDIENT)
    assert run.outcomes == {(outcome, reason): 3}
    assert {row.attempts for row in run.rows} == {1}


def test_redirects_are_followed_to_other_sites_too(swept: Swept) -> None:
    """RFC 9309 section 2.3.1.2: at least five, and the rules found hold for where they began."""
    world: dict[str, Behaviour] = {ROBOTS: reply(301, ("location", "http://b.test/0"))}
    world |= {f"http://b.test/{number}": reply(302, ("location", f"/{number + 1}")) for number in range(4)}
    world["http://b.test/4"] = reply(200, body=PRIVATE)
    run = swept(SITE, world, hosts={"a.test": PAGE}, policy=OBEDIENT)
    assert run.verdicts == {SITE[0]: OK, SITE[1]: DISALLOWED, SITE[2]: DISALLOWED}
    assert run.exchanges("b.test:80")


# --- what cannot be had forbids everything ----------------------------------------------------------------------------


@pytest.mark.parametrize("status", [500, 502, 503])
def test_where_the_server_is_in_trouble_nothing_is_asked(swept: Swept, status: int) -> None:
    run = swept(SITE, {ROBOTS: reply(status)}, hosts={"a.test": PAGE}, policy=OBEDIENT)
    assert run.outcomes == {DISALLOWED: 3}
    assert [exchange.request.url for exchange in run.transport.log] == [ROBOTS] * 3  # its tries
    assert all(f"robots.txt answered {status}" in str(row.detail) and row.attempts == 0 for row in run.rows)


@pytest.mark.parametrize("answer", [reply(429), reply(503, ("retry-after", "20"))])
def test_where_the_server_pushes_back_to_the_end_it_cannot_be_told(swept: Swept, answer: Answer) -> None:
    run = swept(SITE, {ROBOTS: answer}, hosts={"a.test": answer}, policy=OBEDIENT, limits=Limits(patience=60.0))
    assert run.outcomes == {(Outcome.UNVERIFIED, "rate_limited"): 3}
    assert {exchange.request.url for exchange in run.transport.log} == {ROBOTS}
    assert run.summary.seconds == 60.0


@pytest.mark.parametrize(
    "answer",
    [DeadHost(), failure(Reason.CONNECT_REFUSED), failure(Reason.DNS_TIMEOUT), never(), failure(Reason.TLS_HANDSHAKE)],
)
def test_a_site_that_does_not_answer_is_down_and_not_skipped(swept: Swept, answer: Behaviour) -> None:
    run = swept(SITE, hosts={"a.test": answer}, policy=OBEDIENT)
    ((outcome, reason),) = run.outcomes
    assert (outcome, reason) == (Outcome.DOWN, run.transport.log[0].event.reason)  # type: ignore[union-attr]
    assert {row.attempts for row in run.rows} == {0}
    assert all("robots.txt could not be had" in str(row.detail) for row in run.rows)
    assert [exchange.request.url for exchange in run.transport.log] == [ROBOTS] * 3


BROKEN_OFF = reply(200, body=[b"User-agent: *\n", b"Allow: /"], breaks_off=Failure(Reason.RESPONSE_RESET, "hung up"))


def test_one_that_breaks_off_is_not_taken_for_the_whole(swept: Swept) -> None:
    run = swept(SITE, {ROBOTS: [BROKEN_OFF, reply(200, body=PRIVATE)]}, hosts={"a.test": PAGE}, policy=OBEDIENT)
    assert run.verdicts == {SITE[0]: OK, SITE[1]: DISALLOWED, SITE[2]: DISALLOWED}
    run = swept(SITE, {ROBOTS: BROKEN_OFF}, hosts={"a.test": PAGE}, policy=OBEDIENT)
    assert run.outcomes == {(Outcome.DOWN, "response.reset"): 3}


def test_what_passes_is_waited_for(swept: Swept) -> None:
    answers = [reply(503), reply(429, ("retry-after", "5")), reply(200, body=PRIVATE)]
    run = swept(SITE, {ROBOTS: answers}, hosts={"a.test": PAGE}, policy=OBEDIENT)
    assert run.verdicts == {SITE[0]: OK, SITE[1]: DISALLOWED, SITE[2]: DISALLOWED}
    assert run.transport.sent_to(ROBOTS) == [0.0, 1.0, 6.0]


def test_a_huge_one_is_read_as_far_as_it_counts(swept: Swept) -> None:
    read = 0

    class Endless(tuple[bytes, ...]):
        """A body without an end: a reader that does not stop never comes back."""

        def __iter__(self):  # type: ignore[no-untyped-def]  # what a tuple's gives
            nonlocal read
            yield PRIVATE
            while True:
                read += 1000
                assert read < 2 * LONGEST_ROBOTS
                yield b"#" * 999 + b"\n"

    answer = Answer(0.0, reply(200).event, Endless())
    run = swept(SITE, {ROBOTS: answer}, hosts={"a.test": PAGE}, policy=OBEDIENT)
    assert run.verdicts == {SITE[0]: OK, SITE[1]: DISALLOWED, SITE[2]: DISALLOWED}
    assert LONGEST_ROBOTS - 1000 <= read <= LONGEST_ROBOTS + 1000


# --- among everything else --------------------------------------------------------------------------------------------


def test_a_site_whose_robots_txt_is_slow_delays_no_other(swept: Swept) -> None:
    run = swept(
        [*many("a.test", 500), *many("b.test", 3)],
        {ROBOTS: never(), "http://b.test/robots.txt": reply(404)},
        hosts={"a.test": PAGE, "b.test": PAGE},
        policy=OBEDIENT,
    )
    assert max(run.sent("b.test:80")) < 1.0
    assert {row.outcome for row in run.of("b.test")} == {Outcome.OK}
    assert len(run.of("a.test")) == 500


def test_stop_closes_the_rows_that_wait_for_it(swept: Swept) -> None:
    targets = [*many("a.test", 50), "http://a.test/0", *many("b.test", 2)]
    run = swept(
        targets,
        {ROBOTS: reply(200, after=10.0), "http://b.test/robots.txt": reply(404)},
        hosts={"a.test": PAGE, "b.test": PAGE},
        policy=OBEDIENT,
        stop_at=5.0,
    )
    assert run.summary.seconds == 5.0
    assert run.outcomes == {UNFINISHED: 51, OK: 2}
    assert run.summary.is_partial


def test_rows_are_in_order_and_duplicates_share_what_was_found(swept: Swept) -> None:
    targets = [*SITE, *many("b.test", 3), *SITE, "http://a.test/private#part"]
    run = swept(
        targets,
        {ROBOTS: reply(200, body=PRIVATE, after=3.0), "http://b.test/robots.txt": reply(404)},
        hosts={"a.test": PAGE, "b.test": PAGE},
        policy=OBEDIENT,
        is_ordered=True,
    )
    assert [row.url for row in run.rows] == targets
    assert run.outcomes == {OK: 5, DISALLOWED: 5}
    assert run.summary.duplicates == 4


def test_a_limited_host_is_swept_with_it_too(swept: Swept) -> None:
    bucket = TokenBucketHost(rate=10, burst=1, allowed=PAGE)
    run = swept(many("a.test", 100), {ROBOTS: reply(404)}, hosts={"a.test": bucket}, policy=OBEDIENT)
    assert run.outcomes == {OK: 100}


def test_robots_txt_of_many_sites_in_a_small_window(swept: Swept) -> None:
    hosts: dict[str, Behaviour] = {}
    for number in range(40):
        hosts[f"h{number}.test"] = [PAGE, reply(500), failure(Reason.CONNECT_REFUSED), reply(404)][number % 4]
    targets = [url for host in hosts for url in many(host, 5)]
    run = swept(targets, hosts=hosts, policy=OBEDIENT, window=7, limits=Limits(concurrency=2), is_ordered=True)
    assert [row.url for row in run.rows] == targets
    robots = Counter(
        exchange.request.url for exchange in run.transport.log if exchange.request.url.endswith("/robots.txt")
    )
    assert set(robots.values()) == {1, 3}


def test_where_a_redirect_leads_is_held_against_the_robots_txt_there(swept: Swept) -> None:
    world: dict[str, Behaviour] = {
        ROBOTS: reply(200, body=PRIVATE),
        "http://a.test/to-b": reply(302, ("location", "http://b.test/private")),
        "http://a.test/to-b-too": reply(302, ("location", "http://b.test/public")),
        "http://a.test/within": reply(302, ("location", "/private/page")),
        "http://a.test/to-c": reply(302, ("location", "http://c.test/")),
        "http://b.test/robots.txt": reply(200, body=PRIVATE, after=1.0),
        "http://c.test/robots.txt": reply(500),
    }
    targets = ["http://a.test/to-b", "http://a.test/to-b-too", "http://a.test/within", "http://a.test/to-c"]
    run = swept(targets, world, hosts={"b.test": PAGE, "c.test": PAGE}, policy=OBEDIENT)
    assert run.verdicts == dict(zip(targets, [DISALLOWED, OK, DISALLOWED, DISALLOWED], strict=True))
    asked = Counter(exchange.request.url for exchange in run.transport.log)
    assert asked["http://b.test/robots.txt"] == 1
    assert not {"http://b.test/private", "http://a.test/private/page", "http://c.test/"} & asked.keys()
    (row,) = (row for row in run.rows if row.url == targets[0])
    assert row.detail == "robots.txt disallows the redirect's target http://b.test/private"
    assert (row.final_url, row.attempts, [hop.url for hop in row.hops]) == ("http://b.test/private", 1, [targets[0]])


def test_crawl_delay_holds_where_redirects_lead(swept: Swept) -> None:
    world: dict[str, Behaviour] = {
        "http://b.test/robots.txt": reply(200, body=b"User-agent: *\nCrawl-delay: 5\n"),
        ROBOTS: reply(404),
    }

    def away(request: Request, now: float, nth: int) -> Answer:
        return reply(302, ("location", f"http://b.test{request.url.removeprefix('http://a.test')}"))

    run = swept(many("a.test", 4), world, hosts={"a.test": away, "b.test": PAGE}, policy=OBEDIENT)
    assert run.outcomes == {OK: 4}
    times = [
        exchange.sent for exchange in run.exchanges("b.test:80") if not exchange.request.url.endswith("robots.txt")
    ]
    assert all(later - sooner >= 5.0 for sooner, later in itertools.pairwise(times))


def test_what_was_read_of_it_is_not_kept(swept: Swept) -> None:
    hosts = [f"host{number}.test" for number in range(20)]
    world = {
        f"http://{host}/robots.txt": reply(200, body=[b"User-agent: *\nDisallow: /\n", *[b"#" * 999 + b"\n"] * 400])
        for host in hosts
    }
    tracemalloc.start()
    try:
        run = swept([f"http://{host}/" for host in hosts], world, policy=OBEDIENT)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert run.outcomes == {(Outcome.SKIPPED, "skip.robots"): 20}
    assert held < 20 * 400_000 / 4
    assert run.sweep.open_requests == 0


def test_one_that_drips_is_not_waited_for_for_ever() -> None:
    class Dripping(FakeTransport):
        """Every piece comes in time, and there is no end of them."""

        @asynccontextmanager
        async def open(self, request: Request) -> AsyncIterator[tuple[Reply | Failure, AsyncIterator[bytes]]]:
            async with super().open(request) as (event, _):
                yield event, self._pieces()

        async def _pieces(self) -> AsyncIterator[bytes]:
            while True:
                await asyncio.sleep(10.0)
                yield b"#"

    async def go() -> list[Result]:
        transport = Dripping(hosts={"a.test": PAGE})
        sweep = Sweep([Target(url) for url in SITE], OBEDIENT, Limits(), transport, seed=1)
        return [row async for row in sweep]

    async def timed() -> tuple[list[Result], float]:
        return await go(), asyncio.get_running_loop().time()

    rows, seconds = run_virtual(timed())
    assert {(row.outcome, row.reason) for row in rows} == {(Outcome.DOWN, "response.timeout")}
    assert seconds == pytest.approx(3 * (0.1 + OBEDIENT.timeout) + 1.0 + 5.0)
