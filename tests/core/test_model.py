"""The words: what is public API must not change by accident."""

from __future__ import annotations

import datetime as dt

import msgspec
import pytest

from urlsweep.core.model import (
    RESULT_COLUMNS,
    Category,
    Fault,
    Outcome,
    Reason,
    Reply,
    Result,
    Target,
    http_reason,
    rfc3339,
)

REASONS = {
    "rate_limited", "bot_wall", "dns.not_found", "dns.failure", "dns.timeout", "connect.refused", "connect.timeout",
    "connect.unreachable", "connect.reset", "tls.expired", "tls.not_yet_valid", "tls.name_mismatch", "tls.self_signed",
    "tls.untrusted", "tls.handshake", "response.timeout", "response.reset", "response.invalid", "response.too_large",
    "redirect.loop", "redirect.too_many", "redirect.invalid", "redirect.forbidden", "url.malformed",
    "url.unknown_scheme", "skip.excluded", "skip.unsupported_scheme", "skip.private_address", "skip.robots",
    "skip.unfinished",
}  # fmt: skip


@pytest.mark.parametrize(
    ("status", "category"),
    [
        (None, None),
        (0, None),
        (99, None),
        (100, Category.INFORMATIONAL),
        (199, Category.INFORMATIONAL),
        (200, Category.SUCCESS),
        (304, Category.REDIRECTION),
        (499, Category.CLIENT_ERROR),
        (599, Category.SERVER_ERROR),
        (600, None),
        (999, None),
    ],
)
def test_category(status: int | None, category: Category | None) -> None:
    assert Category.of(status) is category


def test_the_schema_of_a_row_is_version_1() -> None:
    assert RESULT_COLUMNS == (
        "url", "outcome", "reason", "status", "category", "detail", "method", "final_url", "hops", "attempts",
        "elapsed_ms", "found_in", "checked_at", "cached_at",
    )  # fmt: skip
    assert Result.__struct_fields__ == (*RESULT_COLUMNS, "input")


def test_outcomes_and_reasons_are_never_renamed() -> None:
    assert {str(outcome) for outcome in Outcome} == {"ok", "broken", "down", "unverified", "invalid", "skipped"}
    assert {str(category) for category in Category} == {
        "informational", "success", "redirection", "client_error", "server_error",
    }  # fmt: skip
    assert {str(reason) for reason in Reason} >= REASONS
    assert http_reason(404) == "http.404"


def test_a_reply_gives_its_fields() -> None:
    reply = Reply(200, (("set-cookie", "a=1"), ("location", "/x"), ("set-cookie", "b=2")))
    assert reply.get("set-cookie") == "a=1"
    assert reply.get("date") is None
    assert reply.get_all("set-cookie") == ["a=1", "b=2"]
    assert reply.get_all("date") == []


def test_a_fault_makes_a_row_that_keeps_the_targets_own() -> None:
    target = Target("x", "urls.csv:3", input={"name": "n"})
    result = Result.of_fault(target, Fault(Outcome.DOWN, "http.503", "told", 503))
    assert (result.url, result.found_in, result.input) == ("x", "urls.csv:3", {"name": "n"})
    assert (result.outcome, result.reason, result.status, result.category, result.detail) == (
        Outcome.DOWN, "http.503", 503, Category.SERVER_ERROR, "told",
    )  # fmt: skip
    assert (result.attempts, result.checked_at, result.method, result.final_url) == (0, None, None, None)


def test_rows_are_frozen_and_survive_json() -> None:
    result = Result("http://a.test/", Outcome.OK, status=200, category=Category.SUCCESS, attempts=1)
    with pytest.raises(AttributeError):
        result.status = 404  # type: ignore[misc]  # what is tested
    assert msgspec.json.decode(msgspec.json.encode(result), type=Result) == result


def test_rfc3339_is_utc_with_milliseconds() -> None:
    noon = dt.datetime(2026, 1, 2, 12, 0, 0, 999_999, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    assert rfc3339(noon.timestamp()) == "2026-01-02T10:00:00.999Z"
    assert rfc3339(0) == "1970-01-01T00:00:00.000Z"
