"""One URL's life, as tables of what comes back and what follows; then any life at all, by hypothesis."""

from __future__ import annotations

import base64
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from urlsweep.core.check import (
    EARLY_CONNECT,
    JOINED_CONNECT,
    LONGEST_WAIT,
    NEEDED_FIELDS,
    PARKS,
    PARKS_UNSTATED,
    REDIRECTS,
    Ask,
    Check,
    CheckState,
    HeadTrust,
    Verdict,
)
from urlsweep.core.model import Category, Failure, Hop, Outcome, Reason, Reply, Request, Result, Target
from urlsweep.core.policy import Method, Policy, StatusSet, basic_authorization
from urlsweep.core.turn import Turn
from urlsweep.core.urls import LONGEST_URL, Url, origin_of, parse

WALL = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT
Event: TypeAlias = Reply | Failure

PLAIN = Policy(jitter=0)  # exact delays
GET_ONLY = replace(PLAIN, method=Method.GET)
ONE_TRY = replace(PLAIN, tries=1)
NO_FOLLOW = replace(PLAIN, follow=False)
START = "http://a.test/"


def url(text: str) -> Url:
    parsed = parse(text)
    assert isinstance(parsed, Url), parsed
    return parsed


def r(status: int, *fields: tuple[str, str], address: str | None = None) -> Reply:
    return Reply(status, fields, elapsed=0.5, address=address)


def to(location: str, status: int = 302, *fields: tuple[str, str], address: str | None = None) -> Reply:
    return r(status, ("location", location), *fields, address=address)


def f(reason: Reason) -> Failure:
    return Failure(reason, "it failed", elapsed=0.5)


def shown(ask: Ask) -> str:
    """``HEAD http://a.test/``, with ``+1`` for a delay and ``>`` where it goes before URLs not yet begun."""
    text = f"{ask.request.method} {ask.request.url}"
    text += f" +{ask.delay:g}" if ask.delay else ""
    return text + (" >" if ask.turn is Turn.FIRST else "")


def live(
    events: Sequence[Event], policy: Policy = PLAIN, start: str = START, trust: HeadTrust | None = None
) -> tuple[list[str], Verdict, list[Request]]:
    """A whole life: what was asked, what became of it. All of `events` have to be used up."""
    parsed = url(start)
    check = Check(parsed, policy.for_url(parsed), trust or HeadTrust())
    step: Ask | Verdict = check.first()
    asked, requests = [], []
    for event in events:
        assert isinstance(step, Ask), f"settled before {event}: {step}"
        asked.append(shown(step))
        requests.append(step.request)
        step = check.next(event, WALL, random.Random(0))
    assert isinstance(step, Verdict), f"goes on: {step}"
    return asked, step, requests


HEAD, GET = "HEAD http://a.test/", "GET http://a.test/"
OK, BROKEN, DOWN, UNVERIFIED = Outcome.OK, Outcome.BROKEN, Outcome.DOWN, Outcome.UNVERIFIED
SKIPPED = Outcome.SKIPPED
Fields: TypeAlias = tuple[str, str]


@dataclass(frozen=True)
class Life:
    """A row of the tables."""

    name: str
    events: Sequence[Event]
    asked: Sequence[str]
    verdict: tuple[Outcome, str | None, int | None]  # outcome, reason, status
    policy: Policy = PLAIN
    final: str = START
    hops: list[int] = field(default_factory=list)  # their status codes
    detail: str | None = None  # a part of it


LOOP = ("location", "/")
WAIT_7 = ("retry-after", "7")
WAIT_DATE = ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT")
WAIT_HOUR = ("retry-after", "3600")
NOTHING_LEFT = (("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "30"))
CHALLENGE = ("cf-mitigated", "challenge")

METHODS = [
    Life("HEAD proves success", [r(200)], [HEAD], (OK, None, 200)),
    Life("HEAD proves success with any 2xx", [r(204)], [HEAD], (OK, None, 204)),
    Life("HEAD never proves failure", [r(404), r(200)], [HEAD, GET + " >"], (OK, None, 200)),
    Life(
        "GET confirms HEAD's 404", [r(404), r(404)], [HEAD, GET + " >"], (BROKEN, "http.404", 404), detail="Not Found"
    ),
    Life("GET's answer decides, not HEAD's", [r(500), r(403)], [HEAD, GET + " >"], (BROKEN, "http.403", 403)),
    Life("405 to HEAD", [r(405), r(200)], [HEAD, GET + " >"], (OK, None, 200)),
    Life("501 to HEAD", [r(501), r(200)], [HEAD, GET + " >"], (OK, None, 200)),
    Life("304 to HEAD", [r(304), r(200)], [HEAD, GET + " >"], (OK, None, 200)),
    Life("nothing to HEAD", [f(Reason.RESPONSE_TIMEOUT), r(200)], [HEAD, GET + " >"], (OK, None, 200)),
    Life("HEAD hung up on", [f(Reason.RESPONSE_RESET), r(200)], [HEAD, GET + " >"], (OK, None, 200)),
    Life("garbage to HEAD", [f(Reason.RESPONSE_INVALID), r(200)], [HEAD, GET + " >"], (OK, None, 200)),
    Life("too much to HEAD", [f(Reason.RESPONSE_TOO_LARGE), r(200)], [HEAD, GET + " >"], (OK, None, 200)),
    Life("GET alone when told so", [r(404)], [GET], (BROKEN, "http.404", 404), GET_ONLY),
    Life("GET alone, well", [r(200)], [GET], (OK, None, 200), GET_ONLY),
]

CODES = [
    Life(
        "another accepted code", [r(404)], [HEAD], (OK, "http.404", 404), replace(PLAIN, accept=StatusSet.parse("404"))
    ),
    Life(
        "200 is not accepted where it is not listed",
        [r(200), r(200)],
        [HEAD, GET + " >"],
        (BROKEN, "http.200", 200),
        replace(PLAIN, accept=StatusSet.parse("404")),
        detail="not an accepted code",
    ),
    Life("410", [r(410)], [GET], (BROKEN, "http.410", 410), GET_ONLY),
    Life("418", [r(418)], [GET], (BROKEN, "http.418", 418), GET_ONLY),
    Life("101", [r(101)], [GET], (BROKEN, "http.101", 101), GET_ONLY, detail="not an accepted code"),
    Life("304", [r(304)], [GET], (BROKEN, "http.304", 304), GET_ONLY, detail="not an accepted code"),
    Life("300", [to("/x", 300)], [GET], (BROKEN, "http.300", 300), GET_ONLY),
    Life(
        "a code outside 100-599 is a 5xx",
        [r(777), r(777), r(777)],
        [GET, GET + " +1", GET + " +5"],
        (DOWN, "http.777", 777),
        GET_ONLY,
    ),
]

TRIES = [
    Life(
        "500 to the end",
        [r(500)] * 4,
        [HEAD, GET + " >", GET + " +1", GET + " +5"],
        (DOWN, "http.500", 500),
        detail="answered 500 Internal Server Error on the last of 3 tries",
    ),
    Life("500 passes", [r(500), r(500), r(200)], [HEAD, GET + " >", GET + " +1"], (OK, None, 200)),
    Life("500, then gone", [r(500), r(500), r(410)], [HEAD, GET + " >", GET + " +1"], (BROKEN, "http.410", 410)),
    Life(
        "503 without Retry-After", [r(503)] * 4, [HEAD, GET + " >", GET + " +1", GET + " +5"], (DOWN, "http.503", 503)
    ),
    Life("408", [r(408)] * 3, [GET, GET + " +1", GET + " +5"], (BROKEN, "http.408", 408), GET_ONLY),
    Life("425", [r(425), r(200)], [GET, GET + " +1"], (OK, None, 200), GET_ONLY),
    Life(
        "one try is one",
        [r(500), r(500)],
        [HEAD, GET + " >"],
        (DOWN, "http.500", 500),
        ONE_TRY,
        detail="answered 500 Internal Server Error",
    ),
    *(
        Life(
            f"{reason} before HTTP needs no other method",
            [f(reason)] * 3,
            [HEAD, GET + " +1", GET + " +5"],
            (DOWN, str(reason), None),
            detail="it failed on the last of 3 tries",
        )
        for reason in (
            Reason.CONNECT_REFUSED,
            Reason.CONNECT_TIMEOUT,
            Reason.CONNECT_UNREACHABLE,
            Reason.CONNECT_RESET,
            Reason.DNS_FAILURE,
            Reason.DNS_TIMEOUT,
            Reason.TLS_HANDSHAKE,
        )
    ),
    *(
        Life(
            f"{reason} is GET's to confirm",
            [f(reason)] * 4,
            [HEAD, GET + " >", GET + " +1", GET + " +5"],
            (DOWN, str(reason), None),
        )
        for reason in (
            Reason.RESPONSE_TIMEOUT,
            Reason.RESPONSE_RESET,
            Reason.RESPONSE_INVALID,
            Reason.RESPONSE_TOO_LARGE,
        )
    ),
    *(
        Life(f"{reason} is proof", [f(reason)], [HEAD], (BROKEN, str(reason), None), detail="it failed")
        for reason in (
            Reason.DNS_NOT_FOUND,
            Reason.TLS_EXPIRED,
            Reason.TLS_NOT_YET_VALID,
            Reason.TLS_NAME_MISMATCH,
            Reason.TLS_SELF_SIGNED,
            Reason.TLS_UNTRUSTED,
        )
    ),
    Life(
        "a private address where none is wanted",
        [f(Reason.SKIP_PRIVATE_ADDRESS)],
        [HEAD],
        (Outcome.SKIPPED, "skip.private_address", None),
    ),
    Life(
        "trouble of several kinds",
        [f(Reason.CONNECT_REFUSED), r(502), f(Reason.RESPONSE_TIMEOUT)],
        [HEAD, GET + " +1", GET + " +5"],
        (DOWN, "response.timeout", None),
    ),
]

WAITS = [
    Life(
        "429 to the end",
        [r(429)] * 3,
        [HEAD, GET + " +1", GET + " +5"],
        (UNVERIFIED, "rate_limited", 429),
        detail="answered 429 Too Many Requests 3 times",
    ),
    Life("429 passes", [r(429), r(200)], [HEAD, GET + " +1"], (OK, None, 200)),
    Life("429 with Retry-After", [r(429, WAIT_7), r(200)], [HEAD, GET + " +7"], (OK, None, 200)),
    Life("429 with a date", [r(429, WAIT_DATE), r(200)], [HEAD, GET + " +30"], (OK, None, 200)),
    Life("429 with too much", [r(429, WAIT_HOUR), r(200)], [HEAD, GET + " +120"], (OK, None, 200)),
    Life("429 with nonsense", [r(429, ("retry-after", "soon")), r(200)], [HEAD, GET + " +1"], (OK, None, 200)),
    Life(
        "a short Retry-After does not shorten the wait",
        [r(429, ("retry-after", "0")), r(200)],
        [HEAD, GET + " +1"],
        (OK, None, 200),
    ),
    Life("503 with Retry-After is a wait", [r(503, WAIT_7), r(200)], [HEAD, GET + " +7"], (OK, None, 200)),
    Life(
        "503 with Retry-After to the end",
        [r(503, WAIT_7)] * 3,
        [HEAD, GET + " +7", GET + " +7"],
        (UNVERIFIED, "rate_limited", 503),
        detail="answered 503 Service Unavailable 3 times, the last answer asking to wait 7 s",
    ),
    Life("403 that says when to come again is a wait", [r(403, WAIT_7), r(200)], [HEAD, GET + " +7"], (OK, None, 200)),
    Life(
        "403 that says so to the end",
        [r(403, WAIT_7)] * 3,
        [HEAD, GET + " +7", GET + " +7"],
        (UNVERIFIED, "rate_limited", 403),
        detail="answered 403 Forbidden 3 times, the last answer asking to wait 7 s",
    ),
    Life("403 with nothing left is a wait", [r(403, *NOTHING_LEFT), r(200)], [HEAD, GET + " +30"], (OK, None, 200)),
    Life(
        "403 with a Retry-After of 0 is a plain one",
        [r(403, ("retry-after", "0"))] * 2,
        [HEAD, GET + " >"],
        (BROKEN, "http.403", 403),
    ),
    Life("404 with Retry-After is a plain one", [r(404, WAIT_7)] * 2, [HEAD, GET + " >"], (BROKEN, "http.404", 404)),
    Life("500 with Retry-After is none", [r(500, WAIT_7), r(200)], [HEAD, GET + " >"], (OK, None, 200)),
    Life(
        "429 and one try",
        [r(429)],
        [HEAD],
        (UNVERIFIED, "rate_limited", 429),
        ONE_TRY,
        detail="answered 429 Too Many Requests",
    ),
    Life(
        "a wait and then trouble", [r(429), r(500), r(404)], [HEAD, GET + " +1", GET + " +5"], (BROKEN, "http.404", 404)
    ),
    Life(
        "429 that is accepted",
        [r(429)],
        [GET],
        (OK, "http.429", 429),
        replace(GET_ONLY, accept=StatusSet.parse("429")),
    ),
]

WALLS = [
    Life(
        "a wall, by GET too",
        [r(403, CHALLENGE)] * 2,
        [HEAD, GET + " >"],
        (UNVERIFIED, "bot_wall", 403),
        detail="cf-mitigated: challenge",
    ),
    Life("a wall before HEAD alone", [r(403, CHALLENGE), r(200)], [HEAD, GET + " >"], (OK, None, 200)),
    Life("a wall with 200 proves nothing", [r(200, CHALLENGE)] * 2, [HEAD, GET + " >"], (UNVERIFIED, "bot_wall", 200)),
    Life(
        "a wall is not a rate limit", [r(429, CHALLENGE, WAIT_7)] * 2, [HEAD, GET + " >"], (UNVERIFIED, "bot_wall", 429)
    ),
    Life("999", [r(999)] * 2, [HEAD, GET + " >"], (UNVERIFIED, "bot_wall", 999)),
    Life("a plain 403 is no wall", [r(403)] * 2, [HEAD, GET + " >"], (BROKEN, "http.403", 403)),
]

B = "http://b.test/"
HEAD_B, GET_B = "HEAD http://b.test/ >", "GET http://b.test/ >"

REDIRECTED = [
    *(
        Life(
            f"{status} is followed with the same method",
            [to("/x", status), r(200)],
            [HEAD, "HEAD http://a.test/x >"],
            (OK, None, 200),
            final="http://a.test/x",
            hops=[status],
        )
        for status in sorted(REDIRECTS)
    ),
    Life("to another host", [to(B), r(200)], [HEAD, HEAD_B], (OK, None, 200), final=B, hops=[302]),
    Life(
        "GET starts the chain anew",
        [to(B), r(404), to(B), r(200)],
        [HEAD, HEAD_B, GET + " >", GET_B],
        (OK, None, 200),
        final=B,
        hops=[302],
    ),
    Life(
        "what HEAD was told of the way is forgotten",
        [to(B), r(404), r(200)],
        [HEAD, HEAD_B, GET + " >"],
        (OK, None, 200),
    ),
    Life(
        "broken at its end",
        [to(B), r(404)] * 2,
        [HEAD, HEAD_B, GET + " >", GET_B],
        (BROKEN, "http.404", 404),
        final=B,
        hops=[302],
    ),
    Life(
        "a name at its end that does not exist",
        [to(B), f(Reason.DNS_NOT_FOUND)] * 2,
        [HEAD, HEAD_B, GET + " >", GET_B],
        (BROKEN, "dns.not_found", None),
        final=B,
        hops=[302],
    ),
    Life(
        "a later try starts at the chain's start",
        [to(B), r(500), to(B), r(200)],
        [GET, GET_B, GET + " +1", GET_B],
        (OK, None, 200),
        GET_ONLY,
        final=B,
        hops=[302],
    ),
    Life(
        "a wait within a chain",
        [to(B), r(429, WAIT_7), to(B), r(200)],
        [HEAD, HEAD_B, GET + " +7", GET_B],
        (OK, None, 200),
        final=B,
        hops=[302],
    ),
    Life(
        "as many as allowed",
        [to(f"/{n}") for n in range(10)] + [r(200)],
        [GET] + [f"GET http://a.test/{n} >" for n in range(10)],
        (OK, None, 200),
        GET_ONLY,
        final="http://a.test/9",
        hops=[302] * 10,
    ),
    Life(
        "too many",
        [to(f"/{n}") for n in range(11)],
        [GET] + [f"GET http://a.test/{n} >" for n in range(10)],
        (BROKEN, "redirect.too_many", 302),
        GET_ONLY,
        final="http://a.test/9",
        hops=[302] * 10,
        detail="more than 10 redirects",
    ),
    Life(
        "none allowed",
        [to("/x")] * 2,
        [HEAD, GET + " >"],
        (BROKEN, "redirect.too_many", 302),
        replace(PLAIN, max_redirects=0),
    ),
    Life(
        "too many for HEAD alone",
        [to("/x"), to("/y"), r(200)],
        [HEAD, "HEAD http://a.test/x >", GET + " >"],
        (OK, None, 200),
        replace(PLAIN, max_redirects=1),
    ),
    Life(
        "not followed: then it is the answer",
        [to("/x")],
        [HEAD],
        (OK, "http.302", 302),
        NO_FOLLOW,
        detail="answered 302 Found",
    ),
    Life(
        "not followed and not accepted",
        [to("/x")],
        [GET],
        (BROKEN, "http.302", 302),
        replace(GET_ONLY, follow=False, accept=StatusSet.parse("2xx")),
    ),
    Life(
        "followed though its code is accepted",
        [to("/x"), r(404)],
        [GET, "GET http://a.test/x >"],
        (BROKEN, "http.404", 404),
        replace(GET_ONLY, accept=StatusSet.parse("2xx,302")),
        final="http://a.test/x",
        hops=[302],
    ),
    Life(
        "to itself",
        [to("/")] * 2,
        [HEAD, GET + " >"],
        (BROKEN, "redirect.loop", 302),
        detail="redirected back to http://a.test/",
    ),
    Life("to itself with another fragment", [to("/#again")], [GET], (BROKEN, "redirect.loop", 302), GET_ONLY),
    Life(
        "in a circle", [to(B), to(START)], [GET, GET_B], (BROKEN, "redirect.loop", 302), GET_ONLY, final=B, hops=[302]
    ),
    Life(
        "to itself with a cookie",
        [to("/", 302, ("set-cookie", "seen=1")), r(200)],
        [GET, GET + " >"],
        (OK, None, 200),
        GET_ONLY,
        hops=[302],
    ),
    Life(
        "to itself with a cookie for ever",
        [to("/", 302, ("set-cookie", "seen=1"))] * 2,
        [GET, GET + " >"],
        (BROKEN, "redirect.loop", 302),
        GET_ONLY,
        hops=[302],
    ),
    Life(
        "to itself with a password",
        [to("http://u:p@a.test/"), r(200)],
        [GET, GET + " >"],
        (OK, None, 200),
        GET_ONLY,
        hops=[302],
    ),
    Life(
        "no Location", [r(302)] * 2, [HEAD, GET + " >"], (BROKEN, "http.302", 302), detail="without a Location to go to"
    ),
    Life("an empty Location", [to("  ")], [GET], (BROKEN, "http.302", 302), GET_ONLY),
    Life(
        "the first of two Locations",
        [to("/x", 301, ("location", "/y")), r(200)],
        [GET, "GET http://a.test/x >"],
        (OK, None, 200),
        GET_ONLY,
        final="http://a.test/x",
        hops=[301],
    ),
    Life(
        "a Location that is no URL",
        [to("http://")] * 2,
        [HEAD, GET + " >"],
        (BROKEN, "redirect.invalid", 302),
        detail="redirected to 'http://'",
    ),
    Life("out of the web", [to("mailto:a@b.test")], [GET], (BROKEN, "redirect.invalid", 302), GET_ONLY),
    Life(
        "a fragment on the way",
        [to("/x#part"), to("/y"), r(200)],
        [GET, "GET http://a.test/x >", "GET http://a.test/y >"],
        (OK, None, 200),
        GET_ONLY,
        final="http://a.test/y#part",
        hops=[302, 302],
    ),
    Life(
        "UTF-8 in the Location",
        [to("/caf\u00c3\u00a9"), r(200)],
        [GET, "GET http://a.test/caf%C3%A9 >"],
        (OK, None, 200),
        GET_ONLY,
        final="http://a.test/caf%C3%A9",
        hops=[302],
    ),
]

PUBLIC, PRIVATE = "93.184.215.14", "192.168.0.7"
LOCAL = "http://127.0.0.1/"
PRIVACY = [
    Life(
        "from a public address to a private host",
        [to(LOCAL, address=PUBLIC)],
        [GET],
        (BROKEN, "redirect.forbidden", 302),
        GET_ONLY,
        detail="private host 127.0.0.1",
    ),
    Life("from behind a proxy, by name", [to(LOCAL)], [GET], (BROKEN, "redirect.forbidden", 302), GET_ONLY),
    Life(
        "HEAD's forbidden redirect is confirmed",
        [to(LOCAL, address=PUBLIC), r(200)],
        [HEAD, GET + " >"],
        (OK, None, 200),
    ),
    Life(
        "from a private address",
        [to(LOCAL, address=PRIVATE), r(200)],
        [GET, "GET http://127.0.0.1/ >"],
        (OK, None, 200),
        GET_ONLY,
        final=LOCAL,
        hops=[302],
    ),
    Life(
        "when allowed",
        [to(LOCAL, address=PUBLIC), r(200)],
        [GET, "GET http://127.0.0.1/ >"],
        (OK, None, 200),
        replace(GET_ONLY, allow_private_redirects=True),
        final=LOCAL,
        hops=[302],
    ),
    Life(
        "by way of a private one",
        [to(B, address=PUBLIC), to(LOCAL, address=PRIVATE)],
        [GET, GET_B],
        (BROKEN, "redirect.forbidden", 302),
        GET_ONLY,
        final=B,
        hops=[302],
    ),
    Life(
        "where nothing private is wanted",
        [to(LOCAL, address=PRIVATE)],
        [GET],
        (BROKEN, "redirect.forbidden", 302),
        replace(GET_ONLY, allow_private=False),
    ),
    Life(
        "a name that turns out to be private",
        [to(B, address=PUBLIC), f(Reason.REDIRECT_FORBIDDEN)],
        [GET, GET_B],
        (BROKEN, "redirect.forbidden", None),
        GET_ONLY,
        final=B,
        hops=[302],
    ),
    Life(
        "decimal spelling",
        [to("http://2130706433/", address=PUBLIC)],
        [GET],
        (BROKEN, "redirect.forbidden", 302),
        GET_ONLY,
    ),
    Life(
        "a mapped address",
        [to("http://[::ffff:169.254.169.254]/", address=PUBLIC)],
        [GET],
        (BROKEN, "redirect.forbidden", 302),
        GET_ONLY,
    ),
]

LIVES = [*METHODS, *CODES, *TRIES, *WAITS, *WALLS, *REDIRECTED, *PRIVACY]


@pytest.mark.parametrize("life", LIVES, ids=lambda life: life.name)
def test_a_life(life: Life) -> None:
    asked, verdict, _ = live(life.events, life.policy)
    assert asked == list(life.asked)
    assert (verdict.outcome, verdict.reason, verdict.status) == life.verdict
    assert verdict.final_url == life.final
    assert [hop.status for hop in verdict.hops] == life.hops
    assert verdict.attempts == len(life.events)
    assert verdict.method == life.asked[-1].partition(" ")[0]
    assert verdict.elapsed == 0.5
    assert verdict.checked_at == WALL
    if life.detail is not None:
        assert life.detail in (verdict.detail or "")
    if verdict.outcome is not OK:
        assert verdict.detail


def test_names_of_lives_are_unique() -> None:
    assert len({life.name for life in LIVES}) == len(LIVES)


def test_what_a_transport_has_to_keep() -> None:
    assert {"location", "retry-after", "date", "set-cookie", "cf-mitigated", "server"} <= NEEDED_FIELDS


# --- delays -----------------------------------------------------------------------------------------------------------


@given(st.integers(), st.floats(0, 2))
def test_jitter_only_ever_adds_and_never_more_than_its_share(seed: int, jitter: float) -> None:
    check = Check(url(START), Policy(jitter=jitter), HeadTrust())
    chance = random.Random(seed)
    first = check.next(f(Reason.CONNECT_REFUSED), WALL, chance)
    second = check.next(f(Reason.CONNECT_REFUSED), WALL, chance)
    assert isinstance(first, Ask)
    assert isinstance(second, Ask)
    assert 1.0 <= first.delay <= 1.0 * (1 + jitter)
    assert 5.0 <= second.delay <= 5.0 * (1 + jitter)


def test_the_same_seed_gives_the_same_delays() -> None:
    delays = []
    for _ in range(2):
        check, chance = Check(url(START), Policy(), HeadTrust()), random.Random(7)
        step = check.next(f(Reason.CONNECT_REFUSED), WALL, chance)
        assert isinstance(step, Ask)
        delays.append(step.delay)
    assert delays[0] == delays[1]


# --- parked: what says nothing about the URL --------------------------------------------------------------------------


@pytest.mark.parametrize("event", [r(429), r(503, WAIT_7), r(403, WAIT_7), f(Reason.CONNECT_REFUSED)])
def test_parking_costs_no_try_but_not_for_ever(event: Event) -> None:
    check, chance = Check(url(START), PLAIN, HeadTrust()), random.Random(0)
    for _ in range(PARKS):
        step = check.next(event, WALL, chance, is_free=True)
        assert isinstance(step, Ask)
        assert (step.delay, step.turn, step.request.method) == (0.0, Turn.NEXT, "GET")
    tries = 0
    while isinstance(step, Ask):
        step = check.next(event, WALL, chance, is_free=True)
        tries += 1
    assert tries == PLAIN.tries
    assert step.attempts == PARKS + PLAIN.tries
    expected = (DOWN, "connect.refused") if isinstance(event, Failure) else (UNVERIFIED, "rate_limited")
    assert (step.outcome, step.reason) == expected


def test_a_503_that_names_no_time_is_parked_a_few_times_only() -> None:
    check, chance = Check(url(START), PLAIN, HeadTrust()), random.Random(0)
    step: Ask | Verdict = check.first()
    while isinstance(step, Ask):
        step = check.next(r(503), WALL, chance, is_free=True)
    assert (step.outcome, step.reason, step.attempts) == (DOWN, "http.503", PARKS_UNSTATED + PLAIN.tries)


def test_parking_goes_back_to_the_chains_start_by_get() -> None:
    check, chance = Check(url(START), PLAIN, HeadTrust()), random.Random(0)
    hop = check.next(to(B), WALL, chance)
    assert isinstance(hop, Ask)
    assert (hop.request.url, hop.turn) == (B, Turn.FIRST)
    again = check.next(r(429, WAIT_7), WALL, chance, is_free=True)
    assert isinstance(again, Ask)
    assert (again.request.method, again.request.url, again.turn) == ("GET", START, Turn.NEXT)
    verdict = check.next(r(200), WALL, chance)
    assert isinstance(verdict, Verdict)
    assert (verdict.outcome, verdict.hops, verdict.final_url, verdict.attempts) == (OK, (), START, 3)


def test_tries_go_on_where_they_were_before_the_parking() -> None:
    check, chance = Check(url(START), GET_ONLY, HeadTrust()), random.Random(0)
    delays = []
    step: Ask | Verdict = check.first()
    for event, is_free in [(r(500), False), (r(429), True), (r(500), False), (r(429), True), (r(500), False)]:
        assert isinstance(step, Ask)
        step = check.next(event, WALL, chance, is_free=is_free)
        delays.append(step.delay if isinstance(step, Ask) else None)
    assert delays == [1.0, 0.0, 5.0, 0.0, None]
    assert isinstance(step, Verdict)
    assert (step.outcome, step.reason, step.attempts) == (DOWN, "http.500", 5)


def test_what_a_parked_url_finds_contradicts_nothing_that_head_said_before() -> None:
    trust = HeadTrust()
    for number in range(3):
        check, chance = Check(url(f"{START}{number}"), PLAIN, trust), random.Random(0)
        check.next(r(405), WALL, chance)  # HEAD
        check.next(r(429), WALL, chance, is_free=True)  # GET
        assert isinstance(check.next(r(200), WALL, chance), Verdict)
    assert trust.is_trusted("a.test:80")


def test_head_that_is_pushed_back_proves_no_limit() -> None:
    """Two hosts push back HEAD: one for its method, and one since it is asked too much."""
    chance = random.Random(0)
    for does_head_work in (False, True):
        trust = HeadTrust()
        for number in range(HeadTrust.LIMIT):
            assert trust.is_trusted("a.test:80")
            parked = Check(url(f"{START}{number}"), PLAIN, trust)
            assert isinstance(parked.next(r(429), WALL, chance, is_free=True), Ask)
            # The next to be asked is the probe.
            probe = Check(url(f"{START}probe"), PLAIN, trust)
            assert probe.first().request.method == "GET"
            assert isinstance(probe.next(r(200), WALL, chance), Verdict)
            if does_head_work:
                live([r(200)], start=f"{START}head", trust=trust)
        assert trust.is_trusted("a.test:80") is does_head_work


def test_nothing_but_a_success_ends_the_doubt_about_head() -> None:
    trust, chance = HeadTrust(), random.Random(0)
    Check(url(START), PLAIN, trust).next(r(429), WALL, chance, is_free=True)
    for event in (r(404), r(429), f(Reason.RESPONSE_RESET)):
        check = Check(url(START + "x"), PLAIN, trust)
        assert check.first().request.method == "GET"
        check.next(event, WALL, chance, is_free=True)
    assert trust.is_trusted("b.test:80")
    Check(url(START), PLAIN, trust).next(r(204), WALL, chance)
    assert trust.is_trusted("a.test:80")


def test_a_connection_that_fails_says_nothing_of_head() -> None:
    trust = HeadTrust()
    Check(url(START), PLAIN, trust).next(f(Reason.CONNECT_REFUSED), WALL, random.Random(0), is_free=True)
    assert trust.is_trusted("a.test:80")


def test_a_wall_is_not_parked() -> None:
    check = Check(url(START), GET_ONLY, HeadTrust())
    verdict = check.next(r(429, CHALLENGE, WAIT_7), WALL, random.Random(0), is_free=True)
    assert isinstance(verdict, Verdict)
    assert (verdict.outcome, verdict.reason) == (UNVERIFIED, "bot_wall")


@pytest.mark.parametrize(
    ("event", "expected"),
    [(r(200), (OK, None)), (to(B), None), (f(Reason.CONNECT_REFUSED), None)],
)
def test_an_answer_that_decides_is_not_parked(event: Event, expected: tuple[Outcome, str | None] | None) -> None:
    step = Check(url(START), PLAIN, HeadTrust()).next(event, WALL, random.Random(0), is_free=True)
    if expected is None:
        assert isinstance(step, Ask)
        assert (step.turn, step.delay) == (Turn.FIRST if isinstance(event, Reply) else Turn.NEXT, 0.0)
    else:
        assert isinstance(step, Verdict)
        assert (step.outcome, step.reason) == expected


def test_push_back_to_the_end_tells_how_often_it_was_met() -> None:
    check, chance = Check(url(START), PLAIN, HeadTrust()), random.Random(0)
    step: Ask | Verdict = check.first()
    while isinstance(step, Ask):
        step = check.next(r(503, WAIT_7), WALL, chance, is_free=True)
    assert step.detail == (
        f"answered 503 Service Unavailable {PARKS + PLAIN.tries} times, the last answer asking to wait 7 s"
    )


def test_parking_is_no_try_even_where_there_is_only_one() -> None:
    check = Check(url(START), ONE_TRY, HeadTrust())
    assert isinstance(check.next(r(429, WAIT_7), WALL, random.Random(0), is_free=True), Ask)
    verdict = check.next(r(404), WALL, random.Random(0))
    assert isinstance(verdict, Verdict)
    assert verdict.outcome is BROKEN


def test_a_429_that_is_accepted_is_ok_at_once() -> None:
    policy = replace(PLAIN, accept=StatusSet.parse("2xx,429"))
    verdict = Check(url(START), policy, HeadTrust()).next(r(429, WAIT_7), WALL, random.Random(0), is_free=True)
    assert isinstance(verdict, Verdict)
    assert (verdict.outcome, verdict.status, verdict.attempts) == (OK, 429, 1)


def test_later_tries_come_late_and_only_the_last_may_connect_for_long() -> None:
    check, chance = Check(url(START), PLAIN, HeadTrust()), random.Random(0)
    step: Ask | Verdict = check.first()
    connects, turns = [], []
    while isinstance(step, Ask):
        connects.append(step.request.connect_timeout)
        turns.append(step.turn)
        step = check.next(f(Reason.CONNECT_TIMEOUT), WALL, chance)
    assert connects == [EARLY_CONNECT, EARLY_CONNECT, PLAIN.connect_timeout]
    assert turns == [Turn.NEXT, Turn.LATE, Turn.LAST]


def unaccepted(waited: float, under_way: float) -> Failure:
    return Failure(Reason.CONNECT_TIMEOUT, "no connection", waited, "192.0.2.1", under_way)


@pytest.mark.parametrize(
    ("policy", "reached", "whole"),
    [
        (PLAIN, [math.inf, JOINED_CONNECT, EARLY_CONNECT], 10.0),
        (replace(PLAIN, tries=1), [math.inf], 10.0),
        (replace(PLAIN, tries=2), [math.inf, 6.0], 10.0),
        (replace(PLAIN, tries=4), [math.inf, JOINED_CONNECT, JOINED_CONNECT, EARLY_CONNECT], 10.0),
        (replace(PLAIN, connect_timeout=20.0), [math.inf, JOINED_CONNECT, 14.0], 20.0),
        (replace(PLAIN, timeout=7.0), [math.inf, JOINED_CONNECT, EARLY_CONNECT], 7.0),
    ],
)
def test_no_time_is_waited_twice_while_an_attempt_goes_on(policy: Policy, reached: list[float], whole: float) -> None:
    check, chance = Check(url(START), policy, HeadTrust()), random.Random(0)
    step: Ask | Verdict = check.first()
    requests: list[Request] = []
    while isinstance(step, Ask):
        request = step.request
        requests.append(request)
        waited = min(request.connect_timeout, request.reach_timeout)
        check = Check.of_state(check.state(), policy, HeadTrust())  # another process may go on with it
        step = check.next(unaccepted(waited, waited if request.attempt_timeout else 0.0), WALL, chance)
    assert [request.reach_timeout for request in requests] == reached
    assert [request.attempt_timeout for request in requests] == [whole] * (len(requests) - 1) + [0.0]
    assert [request.connect_timeout for request in requests] == [EARLY_CONNECT] * (len(requests) - 1) + [whole]
    in_all = sum(min(request.connect_timeout, request.reach_timeout) for request in requests)
    assert in_all >= whole  # the first attempt's time is over before anything is said of the host
    assert (step.outcome, step.reason, step.attempts) == (DOWN, "connect.timeout", policy.tries)
    assert step.detail is not None
    assert step.detail.endswith(f" ({in_all:.0f} s in all)") is (policy.tries > 1)


@pytest.mark.parametrize(
    "between",
    [f(Reason.CONNECT_TIMEOUT), f(Reason.RESPONSE_TIMEOUT), f(Reason.CONNECT_REFUSED), r(500), r(408)],
    ids=["nothing goes on", "accepted", "refused", "answered", "answered late"],
)
def test_the_last_try_waits_in_full_where_nothing_goes_on(between: Reply | Failure) -> None:
    check, chance = Check(url(START), PLAIN, HeadTrust()), random.Random(0)
    check.first()
    check.next(unaccepted(4.0, 4.0), WALL, chance)
    last = check.next(between, WALL, chance)
    assert isinstance(last, Ask)
    assert (last.request.connect_timeout, last.request.reach_timeout) == (10.0, math.inf)
    verdict = check.next(unaccepted(10.0, 0.0), WALL, chance)
    assert isinstance(verdict, Verdict)
    assert verdict.detail == "no connection on the last of 3 tries"


@pytest.mark.parametrize(("under_way", "whole"), [(0.0, 10.0), (4.0, EARLY_CONNECT)])
def test_a_host_that_answered_before_and_accepts_late_is_waited_for_in_full_unless_an_attempt_goes_on(
    under_way: float, whole: float
) -> None:
    """Parking costs no try: none would ever be the last, and a host that takes 5 s to accept would never be met."""
    trust, chance = HeadTrust(), random.Random(0)
    check, other = Check(url(START), PLAIN, trust), Check(url("http://other.test/"), PLAIN, trust)
    assert check.first().request.connect_timeout == EARLY_CONNECT
    step = check.next(unaccepted(4.0, under_way), WALL, chance, is_free=True)
    assert isinstance(step, Ask)
    assert step.request.connect_timeout == whole
    assert Check(url(f"{START}another"), PLAIN, trust).first().request.connect_timeout == whole
    assert other.first().request.connect_timeout == EARLY_CONNECT


def test_what_was_refused_at_once_says_nothing_of_how_long_a_host_takes_to_accept() -> None:
    check, chance = Check(url(START), PLAIN, HeadTrust()), random.Random(0)
    check.first()
    step = check.next(f(Reason.CONNECT_REFUSED), WALL, chance, is_free=True)
    assert isinstance(step, Ask)
    assert step.request.connect_timeout == EARLY_CONNECT


def test_only_so_many_slow_hosts_are_remembered() -> None:
    trust = HeadTrust()
    for number in range(HeadTrust.HOSTS_KEPT + 1):
        trust.accepts_slowly(f"{number}.test:80")
    assert not trust.is_slow("0.test:80")
    assert trust.is_slow("1.test:80")


def test_what_goes_on_at_one_host_says_nothing_of_the_next() -> None:
    check, chance = Check(url(START), PLAIN, HeadTrust()), random.Random(0)
    check.first()
    check.next(unaccepted(4.0, 4.0), WALL, chance)
    step = check.next(to("http://other.test/"), WALL, chance)
    assert isinstance(step, Ask)
    assert step.request.host_key == "other.test:80"
    assert step.request.reach_timeout == math.inf


@pytest.mark.parametrize(
    ("policy", "connects"),
    [
        (replace(PLAIN, tries=1), [10.0]),
        (replace(PLAIN, tries=2), [EARLY_CONNECT, 10.0]),
        (replace(PLAIN, connect_timeout=2.0), [2.0, 2.0, 2.0]),
        (replace(PLAIN, timeout=7.0), [EARLY_CONNECT, EARLY_CONNECT, 7.0]),
        (replace(PLAIN, timeout=3.0), [3.0, 3.0, 3.0]),
    ],
)
def test_no_request_may_connect_for_longer_than_told(policy: Policy, connects: list[float]) -> None:
    _, _, requests = live([f(Reason.CONNECT_TIMEOUT)] * len(connects), policy)
    assert [min(request.connect_timeout, request.timeout) for request in requests] == connects
    assert {request.timeout for request in requests} == {policy.timeout}


# --- a host that was given up, a run that ends ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (r(429), (UNVERIFIED, "rate_limited")),
        (r(503, WAIT_7), (UNVERIFIED, "rate_limited")),
        (f(Reason.CONNECT_TIMEOUT), (DOWN, "connect.timeout")),
        (f(Reason.DNS_FAILURE), (DOWN, "dns.failure")),
    ],
)
def test_a_url_of_a_host_that_was_given_up_before_it_was_asked(event: Event, expected: tuple[Outcome, str]) -> None:
    verdict = Check(url(START + "#part"), PLAIN, HeadTrust()).given_up("a.test:80", event)
    assert (verdict.outcome, verdict.reason) == expected
    assert (verdict.status, verdict.method, verdict.attempts) == (None, None, 0)
    assert (verdict.elapsed, verdict.checked_at) == (None, None)
    assert "a.test:80" in (verdict.detail or "")
    assert "not asked itself" in (verdict.detail or "")


def test_a_url_of_a_host_that_was_given_up_after_it_was_asked() -> None:
    check = Check(url(START), GET_ONLY, HeadTrust())
    assert isinstance(check.next(r(429), WALL, random.Random(0), is_free=True), Ask)
    verdict = check.given_up("a.test:80", r(503, WAIT_7))
    assert (verdict.outcome, verdict.reason, verdict.status, verdict.method) == (UNVERIFIED, "rate_limited", 429, "GET")
    assert verdict.attempts == 1
    assert verdict.detail == (
        "a.test:80 answered 503 Service Unavailable for as long as it was waited for (--patience): not asked again"
    )


def test_a_url_that_had_trouble_of_its_own_and_whose_host_was_given_up_then() -> None:
    check = Check(url(START), GET_ONLY, HeadTrust())
    check.next(r(500), WALL, random.Random(0))
    verdict = check.given_up("a.test:80", r(429))
    assert (verdict.outcome, verdict.reason) == (UNVERIFIED, "rate_limited")
    # A 500 is no evidence of what was decided.
    assert (verdict.status, verdict.method, verdict.attempts) == (None, None, 1)


def test_a_url_whose_redirect_leads_to_a_host_that_was_given_up() -> None:
    check = Check(url(START), GET_ONLY, HeadTrust())
    check.next(to(B), WALL, random.Random(0))
    verdict = check.given_up("b.test:80", f(Reason.CONNECT_TIMEOUT))
    assert (verdict.outcome, verdict.reason) == (DOWN, "connect.timeout")
    assert (verdict.final_url, verdict.hops, verdict.attempts) == (B, (Hop(START, 302),), 1)
    assert "b.test:80" in (verdict.detail or "")


def test_a_url_that_met_the_outage_for_which_its_host_was_given_up() -> None:
    check = Check(url(START), GET_ONLY, HeadTrust())
    check.next(f(Reason.CONNECT_REFUSED), WALL, random.Random(0), is_free=True)
    verdict = check.given_up("a.test:80", f(Reason.CONNECT_TIMEOUT))
    assert (verdict.outcome, verdict.reason) == (DOWN, "connect.timeout")
    assert (verdict.status, verdict.method, verdict.elapsed, verdict.attempts) == (None, "GET", 0.5, 1)


def test_what_robots_txt_keeps_out() -> None:
    check = Check(url(START), PLAIN, HeadTrust())
    assert (check.kept_out(None).outcome, check.kept_out(None).reason) == (SKIPPED, "skip.robots")
    by_get = replace(ONE_TRY, method=Method.GET)
    refused = Check(url(START + "robots.txt"), by_get, HeadTrust()).next(r(500), WALL, random.Random(0))
    nobody = f(Reason.CONNECT_REFUSED)
    dead = Check(url(START + "robots.txt"), by_get, HeadTrust()).next(nobody, WALL, random.Random(0))
    assert isinstance(refused, Verdict)
    assert isinstance(dead, Verdict)
    assert (check.kept_out(refused).outcome, check.kept_out(refused).reason) == (SKIPPED, "skip.robots")
    assert (check.kept_out(dead).outcome, check.kept_out(dead).reason) == (DOWN, "connect.refused")
    pushed_back = Check(url(START + "robots.txt"), by_get, HeadTrust()).given_up("a.test:80", r(429))
    limited = check.kept_out(pushed_back)
    assert (limited.outcome, limited.reason) == (UNVERIFIED, "rate_limited")
    for verdict in (check.kept_out(None), check.kept_out(refused), check.kept_out(dead), limited):
        assert (verdict.attempts, verdict.status, verdict.method, verdict.checked_at) == (0, None, None, None)
        assert "robots.txt" in (verdict.detail or "")


def test_what_is_unfinished_has_no_status_whatever_came_before() -> None:
    check = Check(url(START), PLAIN, HeadTrust())
    check.next(r(404), WALL, random.Random(0))
    verdict = check.unfinished()
    assert (verdict.outcome, verdict.reason) == (Outcome.SKIPPED, "skip.unfinished")
    assert (verdict.status, verdict.method, verdict.elapsed, verdict.attempts) == (None, None, None, 1)


# --- rows -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("events", "asked", "own", "final_url"),
    [
        ([r(200)], "#one", "#two", "http://a.test/#two"),
        ([r(200)], "#one", "", "http://a.test/"),
        ([r(200)], "", "#two", "http://a.test/#two"),
        ([to("/x"), r(200)], "#one", "#two", "http://a.test/x#two"),
        ([to("/x"), r(200)], "#one", "", "http://a.test/x"),
        ([to("/x#own"), r(200)], "#one", "#two", "http://a.test/x#own"),
        ([to("/x#own"), to("/y"), r(200)], "", "#two", "http://a.test/y#own"),
    ],
)
def test_each_row_has_its_own_fragment(events: list[Event], asked: str, own: str, final_url: str) -> None:
    """RFC 9110 section 10.2.2: a redirect without a fragment inherits the one of the URL it came from."""
    _, verdict, requests = live(events, GET_ONLY, START + asked)
    row = verdict.row(Target(START + own, "list:7"), url(START + own))
    assert row.final_url == final_url
    assert all("#" not in request.url for request in requests)
    assert all("#" not in hop.url for hop in verdict.hops[:1])


def test_a_row() -> None:
    _, verdict, _ = live([to(B), r(404)], GET_ONLY)
    assert verdict.row(Target(" x ", "list:7", {"n": 1}), url(START)) == Result(
        url=" x ",
        outcome=BROKEN,
        reason="http.404",
        status=404,
        category=Category.CLIENT_ERROR,
        detail="answered 404 Not Found",
        method="GET",
        final_url=B,
        hops=(Hop(START, 302),),
        attempts=2,
        elapsed_ms=500.0,
        found_in="list:7",
        checked_at="1994-11-06T08:49:37.000Z",
        input={"n": 1},
    )


def test_https_to_http_is_recorded() -> None:
    _, verdict, _ = live([to("http://a.test/"), to("https://b.test/"), r(200)], GET_ONLY, "https://a.test/")
    assert (verdict.outcome, verdict.reason, verdict.detail) == (OK, None, "a redirect leads from https to http")
    _, verdict, _ = live([to("https://a.test/"), r(200)], GET_ONLY)
    assert verdict.detail is None


# --- HEAD's trust -----------------------------------------------------------------------------------------------------


def test_a_host_whose_head_was_contradicted_twice_is_asked_by_get() -> None:
    trust = HeadTrust()
    for number in range(2):
        asked, _, _ = live([r(405), r(200)], start=f"http://a.test/{number}", trust=trust)
        assert asked[0].startswith("HEAD")
    asked, _, _ = live([r(200)], start="http://a.test/3", trust=trust)
    assert asked == ["GET http://a.test/3"]
    asked, _, _ = live([r(200)], start="http://b.test/", trust=trust)
    assert asked == ["HEAD http://b.test/"]
    asked, _, _ = live([r(200)], start="http://a.test:8080/", trust=trust)
    assert asked == ["HEAD http://a.test:8080/"]


def test_a_head_that_told_the_truth_keeps_its_trust() -> None:
    trust = HeadTrust()
    for number in range(3):
        live([r(404), r(404)], start=f"http://a.test/{number}", trust=trust)
    assert trust.is_trusted("a.test:80")


def test_what_a_later_try_finds_contradicts_nothing() -> None:
    trust = HeadTrust()
    for number in range(3):
        live([r(500), r(500), r(200)], start=f"http://a.test/{number}", trust=trust)
        live([f(Reason.CONNECT_REFUSED), r(200)], start=f"http://a.test/x{number}", trust=trust)
        live([r(429), r(200)], start=f"http://a.test/y{number}", trust=trust)
    assert trust.is_trusted("a.test:80")


def test_trust_is_kept_for_a_bounded_number_of_hosts() -> None:
    trust = HeadTrust()
    for _ in range(2):
        trust.contradicted("first")
    assert not trust.is_trusted("first")
    for number in range(HeadTrust.HOSTS_KEPT):
        trust.contradicted(f"h{number}")
    assert trust.is_trusted("first")
    assert len(trust._heads) == HeadTrust.HOSTS_KEPT


# --- what a request carries -------------------------------------------------------------------------------------------

OWN = (("Authorization", "Bearer of-a"), ("X-Api-Key", "of-a"))


def test_a_request_has_the_policys_bounds() -> None:
    _, _, (request,) = live([r(200)], Policy(timeout=7, connect_timeout=3))
    assert request == Request(START, "HEAD", "a.test:80", (), 7, 3, None)


def test_credentials_do_not_follow_a_redirect_from_https_to_http() -> None:
    # As a netrc's login, which is for a host, whatever the scheme.
    policy = replace(GET_ONLY, credentials={"https://a.test": OWN, "http://a.test": OWN})
    events = [to("http://a.test/"), to("/again"), to("https://a.test/end"), r(200)]
    _, _, requests = live(events, policy, "https://a.test/")
    assert [request.headers for request in requests] == [OWN, (), (), OWN]
    _, _, requests = live([r(200)], policy, "http://a.test/")
    assert [request.headers for request in requests] == [OWN]


def test_a_chain_of_giant_urls_ends() -> None:
    events = [to("/" + str(hop) + "x" * 20_000) for hop in range(4)]
    _, verdict, requests = live(events, GET_ONLY)
    assert (verdict.outcome, verdict.reason) == (BROKEN, Reason.REDIRECT_INVALID)
    assert verdict.detail == "the redirects' URLs are longer than 65,536 characters together"
    assert sum(len(hop.url) for hop in verdict.hops) + len(verdict.final_url) <= LONGEST_URL
    assert len(requests) == 4


def test_credentials_are_dropped_on_any_other_origin_and_are_back_at_home() -> None:
    policy = replace(GET_ONLY, headers=(("Accept", "*/*"),), credentials={"https://a.test": OWN})
    _, _, requests = live(
        [to("https://b.test/"), to("http://a.test/"), to("https://a.test:444/"), to("https://a.test/x"), r(200)],
        policy,
        "https://a.test/",
    )
    accept = (("Accept", "*/*"),)
    assert [request.headers for request in requests] == [accept + OWN, accept, accept, accept, accept + OWN]


def test_userinfo_stays_with_its_origin() -> None:
    _, _, requests = live([to("/x"), to(B), r(200)], GET_ONLY, "http://u:p@a.test/")
    own = (basic_authorization("u", "p"),)
    assert [request.headers for request in requests] == [own, own, ()]
    assert all("@" not in request.url for request in requests)


def test_userinfo_in_a_location_is_for_that_request_and_what_is_relative_to_it() -> None:
    policy = replace(GET_ONLY, credentials={"http://b.test": (("authorization", "mine"), ("X-Api-Key", "k"))})
    _, _, requests = live([to("http://u:p@b.test/"), to("/x"), to("http://b.test/y"), r(200)], policy)
    theirs = (("X-Api-Key", "k"), basic_authorization("u", "p"))
    mine = (("authorization", "mine"), ("X-Api-Key", "k"))
    assert [request.headers for request in requests] == [(), theirs, theirs, mine]


def test_cookies_live_within_one_chain_and_join_the_users_own() -> None:
    policy = replace(GET_ONLY, credentials={"http://a.test": (("cookie", "mine=1"),)})
    cookie = ("set-cookie", "n=v; Path=/")
    _, _, requests = live([to("/x", 302, cookie), r(500), to("/x"), to(B, 302, cookie), r(200)], policy)
    assert [dict(request.headers) for request in requests] == [
        {"cookie": "mine=1"},
        {"Cookie": "mine=1; n=v"},
        {"cookie": "mine=1"},
        {"cookie": "mine=1"},
        {},
    ]


def test_cookies_of_the_last_answer_go_nowhere() -> None:
    _, _, requests = live([r(500, ("set-cookie", "n=v")), r(200)], GET_ONLY)
    assert requests[1].headers == ()


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (GET_ONLY, [None, Reason.REDIRECT_FORBIDDEN, Reason.REDIRECT_FORBIDDEN]),
        (replace(GET_ONLY, allow_private_redirects=True), [None, None, None]),
        (replace(GET_ONLY, allow_private=False), [Reason.SKIP_PRIVATE_ADDRESS] + [Reason.REDIRECT_FORBIDDEN] * 2),
        (
            replace(GET_ONLY, allow_private=False, allow_private_redirects=True),
            [Reason.SKIP_PRIVATE_ADDRESS] + [Reason.REDIRECT_FORBIDDEN] * 2,
        ),
    ],
)
def test_public_only(policy: Policy, expected: list[Reason | None]) -> None:
    _, _, requests = live([to(B, address=PUBLIC), to("/x", address=PRIVATE), r(200)], policy)
    assert [request.public_only for request in requests] == expected


# --- any life at all --------------------------------------------------------------------------------------------------

HOSTS = ["a.test", "sub.a.test", "b.test", "127.0.0.1"]


def _policy_of_secrets(policy: Policy) -> Policy:
    """Every origin has a secret that names it."""
    origins = [
        origin_of(scheme, host, port) for scheme in ("http", "https") for host in HOSTS for port in (80, 443, 81)
    ]
    return replace(policy, credentials={origin: (("X-Api-Key", f"secret of {origin}"),) for origin in origins})


locations = st.one_of(
    st.builds(
        lambda scheme, userinfo, host, port, path: f"{scheme}://{userinfo and f'for-{host}:pw@'}{host}{port}/{path}",
        st.sampled_from(["http", "https"]),
        st.sampled_from(["", "yes"]),
        st.sampled_from(HOSTS),
        st.sampled_from(["", ":81", ":443"]),
        st.sampled_from(["", "x", "y#f", "z?q"]),
    ),
    st.sampled_from(["/x", "y", "//b.test/x", "", "#f", "http://", "mailto:a@b"]),
    st.text(max_size=10),
)
addresses = st.sampled_from([None, PUBLIC, PRIVATE, "::1"])
set_cookies = st.builds(
    lambda name, domain, rest: (name, domain, rest),
    st.sampled_from("nm"),
    st.sampled_from(["", "a.test", ".a.test", "b.test", "test", "sub.a.test", "127.0.0.1", "0.0.1"]),
    st.sampled_from(["", "; Path=/", "; Secure", "; Max-Age=0", "; Path=/x; Secure"]),
)


@st.composite
def events(draw: st.DrawFn) -> tuple[Event, list[tuple[str, str, str]]]:
    """Anything that may come back, and the cookies it sets as (name, domain, the rest)."""
    if draw(st.booleans()) and draw(st.booleans()):
        return Failure(draw(st.sampled_from(Reason)), "failed"), []
    status = draw(
        st.one_of(st.sampled_from([200, 301, 302, 302, 302, 307, 404, 429, 500, 503, 999]), st.integers(100, 999))
    )
    fields = []
    if draw(st.integers(0, 3)):
        fields.append(("location", draw(locations)))
    if draw(st.booleans()):
        fields.append(("retry-after", draw(st.sampled_from(["0", "7", "99999", "soon"]))))
    if not draw(st.integers(0, 9)):
        fields.append(CHALLENGE)
    cookies = draw(st.lists(set_cookies, max_size=2))
    return Reply(status, tuple(fields), address=draw(addresses)), cookies


policies = st.builds(
    Policy,
    method=st.sampled_from(Method),
    tries=st.integers(1, 4),
    max_redirects=st.integers(0, 4),
    follow=st.sampled_from([True, True, True, False]),
    allow_private=st.booleans(),
    allow_private_redirects=st.booleans(),
    accept=st.sampled_from([None, None, StatusSet.parse("404,429")]),
)


def most_requests(policy: Policy) -> int:
    """The bound that `check` states."""
    return (1 + policy.tries + PARKS) * (policy.max_redirects + 1)


@settings(max_examples=400)
@given(policies, st.data())
def test_any_life_ends_and_keeps_its_secrets(plain: Policy, data: st.DataObject) -> None:
    policy = _policy_of_secrets(plain)
    start = url(data.draw(st.sampled_from(["http://a.test/", "https://for-a.test:pw@a.test/x#f", "http://127.0.0.1/"])))
    check = Check(start, policy.for_url(start), HeadTrust())
    step: Ask | Verdict = check.first()
    came_from_public = False
    chain = 0
    sent = 0
    method = ""
    setters: dict[str, tuple[str, str]] = {}  # a cookie's value -> the host that set it, the domain it gave
    while isinstance(step, Ask):
        request = step.request
        sent += 1
        assert sent <= most_requests(policy)
        if step.turn is not Turn.FIRST or request.method != method:  # a chain begins
            came_from_public, chain, method, setters = False, 0, request.method, {}
            assert request.url == start.href
        assert chain <= policy.max_redirects
        chain += 1
        target = url(request.url)
        _assert_only_its_own_secrets(request, target, setters)
        assert target.host_key == request.host_key
        assert not target.has_credentials
        assert not target.fragment
        assert request.method in ("HEAD", "GET")
        assert 0 <= step.delay <= max(LONGEST_WAIT, 5.0 * (1 + policy.jitter))
        if came_from_public and not policy.allow_private_redirects:
            assert request.public_only is Reason.REDIRECT_FORBIDDEN
            assert target.host != "127.0.0.1"
        if not policy.allow_private:
            assert request.public_only is not None
        event, cookies = data.draw(events())
        if isinstance(event, Reply):
            values = {f"{target.host}-{sent}-{number}": cookie for number, cookie in enumerate(cookies)}
            setters.update({value: (target.host, domain) for value, (_, domain, _) in values.items()})
            told = [
                ("set-cookie", f"{name}={value}{domain and f'; Domain={domain}'}{rest}")
                for value, (name, domain, rest) in values.items()
            ]
            event = Reply(event.status, (*event.fields, *told), address=event.address)
            is_public_answer = event.address == PUBLIC or (event.address is None and target.host != "127.0.0.1")
            came_from_public = came_from_public or is_public_answer
        step = check.next(event, WALL, random.Random(0), is_free=data.draw(st.booleans()))
    assert step.attempts == sent
    assert not url(step.final_url).has_credentials
    assert "secret of" not in repr(step)
    assert len(step.hops) <= policy.max_redirects


class _Told(HeadTrust):
    """Remembers what it was told."""

    def __init__(self) -> None:
        super().__init__()
        self.news: list[tuple[str, ...]] = []

    def contradicted(self, host_key: str) -> None:
        self.news.append(("contradicted", host_key))

    def pushed_back(self, host_key: str) -> None:
        self.news.append(("pushed back", host_key))

    def succeeded(self, host_key: str, method: str) -> None:
        self.news.append(("succeeded", host_key, method))


@settings(max_examples=200)
@given(policies, st.data())
def test_a_check_that_moves_from_process_to_process_lives_as_one_that_stays(plain: Policy, data: st.DataObject) -> None:
    policy = _policy_of_secrets(plain)
    start = url(data.draw(st.sampled_from(["http://a.test/", "https://for-a.test:pw@a.test/x#f", "http://127.0.0.1/"])))
    told, told_of_moving = _Told(), _Told()
    stays = Check(start, policy.for_url(start), told)
    moves = Check(start, policy.for_url(start), told_of_moving)
    step: Ask | Verdict = stays.first()
    assert moves.first() == step
    while isinstance(step, Ask):
        if data.draw(st.booleans()):
            sent = msgspec.msgpack.encode(moves.state())
            state = msgspec.msgpack.decode(sent, type=CheckState)
            moves = Check.of_state(state, policy.for_url(state.url), told_of_moving)
        event, cookies = data.draw(events())
        if isinstance(event, Reply) and cookies:
            lines = [
                ("set-cookie", f"{name}=v{domain and f'; Domain={domain}'}{rest}") for name, domain, rest in cookies
            ]
            event = Reply(event.status, (*event.fields, *lines), address=event.address)
        is_free = data.draw(st.booleans())
        assert moves.pressure_of(event, WALL) is stays.pressure_of(event, WALL)
        step = stays.next(event, WALL, random.Random(0), is_free=is_free)
        assert moves.next(event, WALL, random.Random(0), is_free=is_free) == step
        assert moves.unfinished() == stays.unfinished()
    assert told_of_moving.news == told.news


def _assert_only_its_own_secrets(request: Request, target: Url, setters: dict[str, tuple[str, str]]) -> None:
    for name, value in request.headers:
        if name == "X-Api-Key":
            assert value == f"secret of {target.origin}"
        elif name == "Authorization":
            decoded = base64.b64decode(value.removeprefix("Basic ")).decode()
            assert decoded == f"for-{target.host}:pw"
        else:
            assert name == "Cookie"
            for pair in value.split("; "):
                host, domain = setters[pair.partition("=")[2]]
                shared = domain.removeprefix(".")
                assert (
                    target.host == host
                    or (host.endswith(shared) and target.host.endswith("." + shared))
                    or target.host == shared
                )
                assert shared != "test"
