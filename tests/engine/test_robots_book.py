"""Which URLs wait for a robots.txt, and what is kept of each."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import urlsweep.robots
from urlsweep.core.check import Verdict
from urlsweep.core.model import Outcome, Reason
from urlsweep.core.policy import Fields
from urlsweep.core.robots import ALLOW_ALL, RobotsRules
from urlsweep.robots import RobotsBook

ORIGIN = "https://a.test"
HREF = f"{ORIGIN}/private/page"
KEPT_OUT = b"User-agent: *\nDisallow: /private\nCrawl-delay: 3\n"


def verdict(outcome: Outcome, reason: str | None = None, status: int | None = None) -> Verdict:
    return Verdict(outcome, reason, status, "told", "GET", f"{ORIGIN}/robots.txt", (), 1, 0.1, 1.0)


OK = verdict(Outcome.OK, None, 200)


def book(headers: Fields = ()) -> RobotsBook[str]:
    return RobotsBook(headers)


def test_one_robots_txt_is_asked_for_once_however_many_wait_for_it() -> None:
    waiting = book()
    assert waiting.known(ORIGIN) is None
    assert waiting.wait(ORIGIN, "first")
    assert not waiting.wait(ORIGIN, "second")
    assert waiting.wait("https://b.test", "other origin")
    assert not waiting.wait(ORIGIN, "third")
    assert waiting.settle(ORIGIN, OK, KEPT_OUT) == ["first", "second", "third"]
    assert waiting.settle("https://b.test", OK, b"") == ["other origin"]


def test_origins_differ_by_scheme_and_port() -> None:
    waiting = book()
    for origin in ("http://a.test", "https://a.test", "https://a.test:8443"):
        assert waiting.wait(origin, origin)
    waiting.settle("https://a.test", OK, KEPT_OUT)
    assert waiting.known("http://a.test") is None
    assert waiting.known("https://a.test:8443") is None


def test_its_rules_are_those_for_ones_own_user_agent() -> None:
    body = b"User-agent: probe\nDisallow: /private\n\nUser-agent: urlsweep\nAllow: /\n\nUser-agent: *\nDisallow: /\n"
    for headers, allowed in (
        ((("Accept", "*/*"), ("USER-AGENT", "Probe/2.0 (urlsweep)")), False),
        ((("user-agent", "urlsweep/1.0"),), True),
        ((), True),
        ((("User-Agent", "nobody/1.0"),), False),
    ):
        known = book(headers)
        known.settle(ORIGIN, OK, body)
        rules = known.known(ORIGIN)
        assert isinstance(rules, RobotsRules)
        assert rules.allows(HREF) is allowed


def test_what_was_read_is_known_from_then_on() -> None:
    known = book()
    known.settle(ORIGIN, OK, KEPT_OUT)
    rules = known.known(ORIGIN)
    assert isinstance(rules, RobotsRules)
    assert (rules.allows(HREF), rules.allows(f"{ORIGIN}/"), rules.crawl_delay) == (False, True, 3.0)
    assert known.wait("https://b.test", "x")  # nobody else's


@pytest.mark.parametrize(
    "because",
    [
        verdict(Outcome.BROKEN, "http.404", 404),
        verdict(Outcome.BROKEN, "http.403", 403),
        verdict(Outcome.BROKEN, "http.410", 410),
        verdict(Outcome.BROKEN, Reason.REDIRECT_LOOP, 301),
        verdict(Outcome.BROKEN, Reason.TLS_EXPIRED),
        verdict(Outcome.UNVERIFIED, Reason.BOT_WALL, 403),
    ],
)
def test_what_is_not_there_forbids_nothing(because: Verdict) -> None:
    known = book()
    known.wait(ORIGIN, "job")
    assert known.settle(ORIGIN, because, KEPT_OUT) == ["job"]  # a body that is no robots.txt says nothing
    assert known.known(ORIGIN) is ALLOW_ALL


@pytest.mark.parametrize(
    "because",
    [
        verdict(Outcome.DOWN, "http.503", 503),
        verdict(Outcome.DOWN, "http.500", 500),
        verdict(Outcome.DOWN, Reason.CONNECT_TIMEOUT),
        verdict(Outcome.UNVERIFIED, Reason.RATE_LIMITED, 429),
    ],
)
def test_what_cannot_be_had_is_told_with_what_became_of_asking(because: Verdict) -> None:
    known = book()
    known.wait(ORIGIN, "job")
    assert known.settle(ORIGIN, because, b"") == ["job"]
    assert known.known(ORIGIN) is because


def test_settling_what_nobody_waits_for_gives_nobody() -> None:
    known = book()
    assert known.settle(ORIGIN, OK, b"") == []
    assert known.known(ORIGIN) is ALLOW_ALL


def rules(number: int) -> bytes:
    return b"User-agent: *\n" + b"".join(b"Disallow: /%d\n" % n for n in range(number))


def test_rules_not_used_for_longest_are_forgotten_and_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urlsweep.robots, "RULES_KEPT", 10)
    known = book()
    for name in "abc":
        known.settle(name, OK, rules(3))
    assert known.known("a") is not None  # used: now b is the one that was not for longest
    known.settle("d", OK, rules(3))
    assert [known.known(name) is not None for name in "abcd"] == [True, False, True, True]
    assert known.wait("b", "asks again")
    known.settle("big", OK, rules(50))  # alone more than all may have: it is kept, or its site would be asked for ever
    assert [known.known(name) is not None for name in ("a", "c", "d", "big")] == [False, False, False, True]
    known.settle("e", OK, rules(3))
    assert [known.known(name) is not None for name in ("big", "e")] == [False, True]


def test_origins_without_a_rule_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urlsweep.robots, "ORIGINS_KEPT", 3)
    known = book()
    down = verdict(Outcome.DOWN, Reason.CONNECT_TIMEOUT)
    for name in "abcde":
        known.settle(name, down if name in "ace" else OK, b"")
    assert [known.known(name) is not None for name in "abcde"] == [False, False, True, True, True]


def test_who_waits_is_not_forgotten_with_the_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(urlsweep.robots, "ORIGINS_KEPT", 1)
    known = book()
    assert known.wait("slow", "patient")
    for name in "abcdefg":
        known.settle(name, OK, b"")
    assert not known.wait("slow", "another")  # asked for already
    assert known.settle("slow", OK, b"") == ["patient", "another"]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("abcd"), st.booleans(), st.integers(0, 4)), max_size=40))
def test_every_job_is_given_back_once_and_asked_for_once(events: list[tuple[str, bool, int]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(urlsweep.robots, "RULES_KEPT", 5)
        patch.setattr(urlsweep.robots, "ORIGINS_KEPT", 2)
        waiting: RobotsBook[int] = RobotsBook(())
        jobs: dict[str, list[int]] = {}
        for number, (origin, is_answer, size) in enumerate(events):
            if is_answer:
                if origin in jobs:
                    assert waiting.settle(origin, OK, rules(size)) == jobs.pop(origin)
                    assert waiting.known(origin) is not None
            elif waiting.known(origin) is None:
                assert waiting.wait(origin, number) is (origin not in jobs)
                jobs.setdefault(origin, []).append(number)
        assert len(waiting._known) <= 2
        assert waiting._rules == sum(each.rules for each in waiting._known.values() if isinstance(each, RobotsRules))
        assert set(waiting._waiting) == set(jobs)
