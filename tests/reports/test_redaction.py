from __future__ import annotations

import base64
import json
from urllib.parse import quote, quote_plus

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from urlsweep.core.model import Hop, Outcome, Result
from urlsweep.core.nesting import NESTING_LIMIT
from urlsweep.core.summary import Summary
from urlsweep.reports.json_lines import encode_row
from urlsweep.reports.redaction import Redactor

SECRET = "p@ss/wörd +1"


def basic(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "shown",
    [
        SECRET,
        quote(SECRET, safe=""),
        quote(SECRET, safe="").lower(),
        quote(SECRET),
        quote_plus(SECRET),
        "".join(f"%{octet:02x}" for octet in SECRET.encode()),
        basic(SECRET),
    ],
)
def test_a_secret_goes_in_every_spelling(shown: str) -> None:
    assert Redactor([SECRET]).text(f"<{shown}>") == "<***>"


@pytest.mark.parametrize("user", ["", "u", "us", "use", "user"])
def test_a_secret_within_basic_credentials_cannot_be_read_back(user: str) -> None:
    token = "correct-horse-battery"
    text = Redactor([token]).text(f"Authorization: Basic {basic(f'{user}:{token}')}")
    assert "***" in text
    left = text.removeprefix("Authorization: Basic ").split("***")
    # What may stay is the user's part and two characters at each end that share bits with a neighbour.
    assert len(left[1]) <= 3
    assert token[1:3] not in base64.b64decode(left[0] + "=" * (-len(left[0]) % 4), validate=False).decode("latin-1")


def test_url_safe_base64_goes_too() -> None:
    secret = "\xff\xfe~~~???>>>"
    encoded = base64.urlsafe_b64encode(secret.encode()).decode()
    assert "-" in encoded or "_" in encoded
    assert Redactor([secret]).text(encoded) == "***"


def test_the_longer_of_two_secrets_goes_first() -> None:
    assert Redactor(["hunter22", "user:hunter22"]).text("user:hunter22 hunter22") == "*** ***"


def test_what_is_too_short_is_no_secret() -> None:
    assert Redactor(["abc", ""]).text("abc abc") == "abc abc"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("sitemap http://me:pw@host/x was cut", "sitemap http://me:***@host/x was cut"),
        ("http://me:p@w@host/", "http://me:***@host/"),
        ("http://:pw@host/ and //a:b@c", "http://:***@host/ and //a:***@c"),
        ("http://me@host/", "http://me@host/"),
        ("mail: bob@example.org", "mail: bob@example.org"),
        ("http://host/a:b@c", "http://host/a:b@c"),
        ("http://host:80/?q=a@b", "http://host:80/?q=a@b"),
    ],
)
def test_a_urls_password_goes_and_nothing_that_looks_a_little_like_one(text: str, shown: str) -> None:
    assert Redactor().text(text) == shown


def test_every_text_of_a_row_is_looked_through() -> None:
    token = "tok-12345678"
    row = Result(
        url=f"https://me:{token}@example.org/",
        outcome=Outcome.BROKEN,
        detail=f"asked for https://me:pw@example.org/?key={token}",
        final_url=f"https://example.org/?key={token}",
        hops=(Hop(f"https://example.org/?k={token}", 302), Hop("https://a:b@example.org/", 301)),
        found_in=f"https://me:{token}@example.org/sitemap.xml",
        input={"url": f"https://me:{token}@example.org/", "more": [{"deep": token, token: 1}], "n": 5},
    )
    redacted = Redactor([token]).result(row)
    assert redacted == Result(
        url="https://me:***@example.org/",
        outcome=Outcome.BROKEN,
        detail="asked for https://me:***@example.org/?key=***",
        final_url="https://example.org/?key=***",
        hops=(Hop("https://example.org/?k=***", 302), Hop("https://a:***@example.org/", 301)),
        found_in="https://me:***@example.org/sitemap.xml",
        input={"url": "https://me:***@example.org/", "more": [{"deep": "***", "***": 1}], "n": 5},
    )


@pytest.mark.parametrize("secrets", [[], ["not in there"]])
@pytest.mark.parametrize(
    "row",
    [
        Result(url="https://example.org/", outcome=Outcome.OK, found_in="urls.txt:1"),
        Result(url="mailto:bob@example.org", outcome=Outcome.SKIPPED),
        Result(url="http://a/", outcome=Outcome.OK, hops=(Hop("http://a/", 301),), input={"mail": "x: b@c", "n": None}),
    ],
)
def test_a_row_without_secrets_is_the_same_object(secrets: list[str], row: Result) -> None:
    assert Redactor(secrets).result(row) is row


def test_input_nested_too_deep_to_look_through_is_masked() -> None:
    value: list[object] = ["secret-value"]
    for _ in range(NESTING_LIMIT + 50):
        value = [value]
    row = Redactor(["secret-value"]).result(Result(url="u", outcome=Outcome.OK, input={"a": value}))
    encoded = encode_row(row)
    assert b"secret-value" not in encoded
    assert b'"***"' in encoded


def test_the_summary_is_a_redacted_copy() -> None:
    summary = Summary(warnings=["http://me:pw@host/sitemap.xml is large"])
    summary.add(Result(url="http://me:pw@host/", outcome=Outcome.BROKEN, reason="http.404"))
    summary.asked("host:80", 1.0)
    shown = Redactor().summary(summary)
    assert shown.warnings == ["http://me:***@host/sitemap.xml is large"]
    assert [row.url for rows in shown.examples.values() for row in rows] == ["http://me:***@host/"]
    assert shown.slowest_hosts(1) == summary.slowest_hosts(1)
    assert shown.outcomes == summary.outcomes
    assert summary.warnings == ["http://me:pw@host/sitemap.xml is large"]


@given(data=st.data(), secret=st.text(st.characters(codec="utf-8"), min_size=4, max_size=12))
def test_no_known_secret_is_left_in_any_row(any_rows: SearchStrategy[Result], data: st.DataObject, secret: str) -> None:
    row = data.draw(any_rows)
    place = data.draw(st.sampled_from(["url", "detail", "final_url", "found_in"]))
    spelling = data.draw(st.sampled_from([secret, quote(secret, safe=""), basic(secret)]))
    row = msgspec.structs.replace(row, input={"x": f"a{spelling}b"}, **{place: f"({spelling})"})
    redacted = Redactor([secret]).result(row)
    assert redacted.input is not None
    if "*" not in secret:
        for text in (getattr(redacted, place), redacted.input["x"]):
            assert secret not in text
    assert json.loads(encode_row(redacted))["outcome"] == row.outcome
