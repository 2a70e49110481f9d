"""What a Policy answers: accepted codes, which fields go to which origin, which URLs are asked at all."""

from __future__ import annotations

import base64
import re
from types import MappingProxyType
from typing import Any

import pytest

from urlsweep.core.model import Outcome, Reason
from urlsweep.core.policy import (
    ByHand,
    Method,
    Policy,
    PolicyError,
    Rule,
    StatusSet,
    basic_authorization,
    glob_pattern,
    is_secret_field,
)
from urlsweep.core.urls import Url, parse


def url(text: str) -> Url:
    parsed = parse(text)
    assert isinstance(parsed, Url)
    return parsed


@pytest.mark.parametrize(
    ("text", "shown", "inside", "outside"),
    [
        ("200", "200", [200], [199, 201]),
        ("200..299", "200..299", [200, 250, 299], [199, 300]),
        ("200..=299", "200..299", [299], [300]),
        ("200-299", "200..299", [299], [300]),
        ("2xx", "200..299", [200, 299], [300]),
        ("3XX", "300..399", [301], [299, 400]),
        ("200..299, 401 ,404", "200..299,401,404", [204, 401, 404], [400, 403]),
        (",200,", "200", [200], [0]),
        ("999", "999", [999], [599]),
        ("100..999", "100..999", [100, 999], [99]),
    ],
)
def test_status_set(text: str, shown: str, inside: list[int], outside: list[int]) -> None:
    statuses = StatusSet.parse(text)
    assert str(statuses) == shown
    assert StatusSet.parse(shown) == statuses
    assert all(status in statuses for status in inside)
    assert not any(status in statuses for status in outside)


@pytest.mark.parametrize(
    "text",
    ["", " , ", "20", "2000", "ok", "299..200", "099", "2x", "200..", "..299", "200...299", "\u0662\u0660\u0660"],
)  # fmt: skip
def test_a_status_set_that_is_none_is_told(text: str) -> None:
    with pytest.raises(PolicyError):
        StatusSet.parse(text)


@pytest.mark.parametrize(
    ("name", "is_secret"),
    [
        ("Authorization", True),
        ("Proxy-Authorization", True),
        ("COOKIE", True),
        ("X-API-Key", True),
        ("apikey", True),
        ("X-Auth-Token", True),
        ("X-Auth", True),
        ("PRIVATE-TOKEN", True),
        ("X-Amz-Security-Token", True),
        ("X-Client-Secret", True),
        ("X-Session-Id", True),
        ("Ocp-Apim-Subscription-Key", True),
        ("x-functions-key", True),
        ("Auth", True),
        ("X-Jwt-Assertion", True),
        ("X-Passphrase", True),
        ("X-Monkey", False),
        ("Keep-Alive", False),
        ("User-Agent", False),
        ("Accept-Language", False),
        ("Author", False),
        ("X-Authored-By", True),  # too much rather than too little: asked for an origin, the user can give one
        ("Referer", False),
        ("X-Request-Id", False),
    ],
)
def test_secret_fields_are_known_by_name(name: str, is_secret: bool) -> None:
    assert is_secret_field(name) is is_secret


def test_basic_authorization_is_utf8() -> None:
    name, value = basic_authorization("Jürgen", "p:w")
    assert name == "Authorization"
    assert base64.b64decode(value.removeprefix("Basic ")) == "Jürgen:p:w".encode()


@pytest.mark.parametrize(
    ("policy", "ok", "not_ok"),
    [
        (Policy(), [200, 204, 299], [100, 199, 300, 301, 304, 404, 500, 999]),
        (Policy(follow=False), [200, 300, 301, 304, 399], [199, 400, 404, 500]),
        (Policy(accept=StatusSet.parse("401,404")), [401, 404], [200, 403]),
        (Policy(accept=StatusSet.parse("2xx"), follow=False), [200], [301]),
    ],
)
def test_accepted_codes(policy: Policy, ok: list[int], not_ok: list[int]) -> None:
    assert all(policy.accepts(status) for status in ok)
    assert not any(policy.accepts(status) for status in not_ok)


def test_the_last_retry_delay_repeats() -> None:
    policy = Policy(retry_delays=(1.0, 5.0))
    assert [policy.retry_delay(tries_used) for tries_used in (1, 2, 3, 10)] == [1.0, 5.0, 5.0, 5.0]


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": 3601},
        {"timeout": float("nan")},
        {"timeout": float("inf")},
        {"connect_timeout": 0},
        {"max_redirects": -1},
        {"max_redirects": 101},
        {"tries": 0},
        {"tries": 21},
        {"retry_delays": ()},
        {"retry_delays": (1.0, -0.1)},
        {"retry_delays": (float("nan"),)},
        {"jitter": -0.1},
        {"jitter": float("nan")},
    ],
)
def test_values_out_of_range_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(PolicyError, match=next(iter(wrong))):
        Policy(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout": 0},
        {"per_host": 0},
        {"per_host": 100_001},
        {"rate": 0.0},
        {"rate": -1.0},
        {"rate": 1e7},
        {"rate": float("nan")},
        {"delay": -0.1},
        {"delay": 3601.0},
        {"delay": float("nan")},
    ],
)
def test_a_rules_values_are_checked_when_it_is_made_and_not_in_the_middle_of_a_run(wrong: dict[str, Any]) -> None:
    with pytest.raises(PolicyError, match=next(iter(wrong))):
        Rule(re.compile("x"), **wrong)


# --- filters ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "text", "reason"),
    [
        (Policy(), "http://a.test/", None),
        (Policy(exclude=(re.compile("/private/"),)), "http://a.test/private/x", Reason.SKIP_EXCLUDED),
        (Policy(exclude=(re.compile("/private/"),)), "http://a.test/public", None),
        (Policy(include=(re.compile(r"^https://"),)), "http://a.test/", Reason.SKIP_EXCLUDED),
        (Policy(include=(re.compile(r"^ftp:"), re.compile(r"^http:"))), "http://a.test/", None),
        (Policy(include=(re.compile("a"),), exclude=(re.compile("b"),)), "http://a.test/b", Reason.SKIP_EXCLUDED),
        (Policy(exclude=(re.compile("secret"),)), "http://u:secret@a.test/#secret", None),  # the request is looked at
        (Policy(), "http://127.0.0.1/", None),
        (Policy(allow_private=False), "http://127.0.0.1/", Reason.SKIP_PRIVATE_ADDRESS),
        (Policy(allow_private=False), "http://[::ffff:10.0.0.1]/", Reason.SKIP_PRIVATE_ADDRESS),
        (Policy(allow_private=False), "http://localhost:8080/", Reason.SKIP_PRIVATE_ADDRESS),
        (Policy(allow_private=False), "http://a.test/", None),
        (Policy(rules=(Rule(re.compile("a"), skip=True),)), "http://a.test/", Reason.SKIP_EXCLUDED),
        (
            Policy(rules=(Rule(re.compile("a"), skip=True), Rule(re.compile("/keep"), skip=False))),
            "http://a.test/keep",
            None,
        ),
        (
            Policy(rules=(Rule(re.compile("a"), skip=True), Rule(re.compile("a")))),
            "http://a.test/",
            Reason.SKIP_EXCLUDED,
        ),
    ],
)  # fmt: skip
def test_refusal(policy: Policy, text: str, reason: Reason | None) -> None:
    fault = policy.refusal(url(text))
    assert (None if fault is None else fault.reason) == reason
    if fault is not None:
        assert fault.outcome is Outcome.SKIPPED
        assert fault.detail


def test_a_glob_is_over_the_whole_url() -> None:
    rule = Rule(glob_pattern("https://example.com/docs/*"))
    assert rule.matches(url("https://example.com/docs/a/b"))
    assert not rule.matches(url("https://example.com/blog"))
    assert not rule.matches(url("http://x.test/?https://example.com/docs/a"))


@pytest.mark.parametrize(
    ("glob", "inside", "outside"),
    [
        ("https://*.example.com/*", "https://a.b.example.com/x?y", "https://evil.test/.example.com/"),
        ("https://*.example.com/*", "https://a.example.com/", "https://evil.test/?.example.com/"),
        ("*://example.com/*", "http://example.com/a", "https://evil.test/?https://example.com/"),
        ("http?://example.com/*", "https://example.com/a", "http://evil.test/?http://example.com/"),
        ("https://*[!a]example.com/*", "https://b.example.com/", "https://evil.test/example.com/"),
        ("https://www?example.com/*", "https://www.example.com/", "https://www/example.com/"),
        ("https://e[xy]ample.com/[ab]?/*", "https://eyample.com/a1/b/c", "https://ezample.com/a1/b"),
        ("https://*", "https://a.test/b/c", "http://a.test/b/c"),
        ("*.pdf", "https://a.test/b.pdf", "https://a.test/b.html"),
    ],
)
def test_a_globs_wildcards_before_the_path_stay_within_the_host(glob: str, inside: str, outside: str) -> None:
    rule = Rule(glob_pattern(glob))
    assert rule.matches(url(inside))
    assert not rule.matches(url(outside))


# --- fields -----------------------------------------------------------------------------------------------------------


def test_credentials_go_to_their_origin_and_no_other() -> None:
    policy = Policy(headers=(("Accept", "*/*"),), credentials={"https://a.test": (("Authorization", "x"),)})
    assert policy.fields_for("https://a.test") == (("Accept", "*/*"), ("Authorization", "x"))
    for other in ("http://a.test", "https://a.test:8443", "https://b.test", "https://sub.a.test"):
        assert policy.fields_for(other) == (("Accept", "*/*"),)


def test_an_origins_own_field_replaces_the_one_for_all() -> None:
    policy = Policy(
        headers=(("User-Agent", "all"), ("Accept", "*/*")), credentials={"http://a.test": (("user-agent", "own"),)}
    )
    assert policy.fields_for("http://a.test") == (("Accept", "*/*"), ("user-agent", "own"))
    assert policy.fields_for("http://b.test") == policy.headers


def test_userinfo_is_bound_to_the_urls_origin_and_stronger_than_what_was_given_for_it() -> None:
    given = Policy(credentials={"http://a.test": (("authorization", "Bearer x"), ("X-Api-Key", "k"))})
    policy = given.for_url(url("http://user:pw@a.test/"))
    assert policy.fields_for("http://a.test") == (("X-Api-Key", "k"), basic_authorization("user", "pw"))
    assert policy.fields_for("http://b.test") == ()
    assert given.fields_for("http://a.test")[0] == ("authorization", "Bearer x")


def test_rules_apply_in_their_order_and_only_where_they_match() -> None:
    policy = Policy(
        timeout=20,
        rules=(
            Rule(re.compile("a.test"), accept=StatusSet.parse("401"), timeout=5, headers=(("X-Api-Key", "1"),)),
            Rule(re.compile("/slow"), method=Method.GET, timeout=60, headers=(("x-api-key", "2"),)),
        ),
    )
    assert policy.for_url(url("http://b.test/")) is policy
    quick = policy.for_url(url("http://a.test/"))
    assert (str(quick.accept), quick.timeout, quick.connect_timeout, quick.method) == ("401", 5, 5, Method.AUTO)
    slow = policy.for_url(url("http://a.test/slow"))
    assert (str(slow.accept), slow.timeout, slow.connect_timeout, slow.method) == ("401", 60, 5, Method.GET)
    assert slow.fields_for("http://a.test") == (("x-api-key", "2"),)
    assert slow.fields_for("http://b.test") == ()


def test_what_rules_say_of_a_hosts_pace_later_ones_over_earlier_ones() -> None:
    policy = Policy(
        rules=(
            Rule(re.compile("a.test"), per_host=2, rate=5.0),
            Rule(re.compile("a.test"), timeout=5),  # says nothing of it
            Rule(re.compile("/slow"), rate=1.0, delay=0.0),
        )
    )
    assert policy.paces_by_rule
    assert policy.by_hand(url("http://b.test/")) is None
    assert policy.by_hand(url("http://a.test/")) == ByHand(2, 5.0, None)
    assert policy.by_hand(url("http://a.test/slow")) == ByHand(2, 1.0, 0.0)
    assert policy.by_hand(url("http://b.test/slow")) == ByHand(None, 1.0, 0.0)


def test_rules_that_say_nothing_of_pace_bound_nothing() -> None:
    policy = Policy(rules=(Rule(re.compile(""), timeout=5, robots=True),))
    assert not policy.paces_by_rule
    assert policy.by_hand(url("http://a.test/")) is None


def test_whose_robots_txt_is_obeyed() -> None:
    def obeyed(policy: Policy) -> list[str]:
        return [name for name in "abc" if policy.obeys_robots(url(f"http://{name}.test/"))]

    some = (Rule(re.compile("[ab].test"), robots=True), Rule(re.compile("b.test"), robots=False))
    assert obeyed(Policy()) == []
    assert obeyed(Policy(robots=True)) == ["a", "b", "c"]
    assert obeyed(Policy(rules=some)) == ["a"]
    assert obeyed(Policy(robots=True, rules=some)) == ["a", "c"]
    assert obeyed(Policy(robots=True, rules=(*some, Rule(re.compile("b.test"), delay=1.0)))) == ["a", "c"]


@pytest.mark.parametrize(
    ("policy", "matter"),
    [
        (Policy(), False),
        (Policy(robots=True), True),
        (Policy(rules=(Rule(re.compile("a"), robots=False),)), False),
        (Policy(rules=(Rule(re.compile("a"), robots=True),)), True),
        (Policy(robots=True, rules=(Rule(re.compile("a"), robots=False),)), True),
    ],
)
def test_whether_any_robots_txt_may_have_to_be_asked_for(policy: Policy, matter: bool) -> None:
    assert policy.robots_matter is matter


def test_unscoped_credentials_are_bound_to_one_origin() -> None:
    policy = Policy(
        unscoped_credentials=(("Authorization", "unscoped"), ("X-Api-Key", "k")),
        credentials={"http://a.test": (("authorization", "by name"),), "http://b.test": (("Cookie", "b"),)},
    )
    assert policy.fields_for("http://a.test") == (("authorization", "by name"),)
    bound = policy.bound_to("http://a.test")
    assert bound.fields_for("http://a.test") == (("X-Api-Key", "k"), ("authorization", "by name"))
    assert bound.fields_for("http://b.test") == (("Cookie", "b"),)
    assert bound.unscoped_credentials == ()
    assert (bound.exclusive_origin, bound.exclusive_names) == ("http://a.test", ("Authorization", "X-Api-Key"))


def test_a_policys_repr_shows_no_secret() -> None:
    policy = Policy(
        unscoped_credentials=(("Authorization", "s3cret"),),
        credentials=MappingProxyType({"http://a.test": (("Authorization", "s3cret"),)}),
        rules=(Rule(re.compile("a"), headers=(("Authorization", "s3cret"),)),),
    )
    assert "s3cret" not in repr(policy.for_url(url("http://u:s3cret@a.test/")))
