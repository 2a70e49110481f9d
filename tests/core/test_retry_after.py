"""Retry-After as it is met: seconds, the three forms of HTTP-date, and nonsense."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urlsweep.core.model import Reply
from urlsweep.core.retry_after import retry_after

WALL = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT, the example of RFC 9110 section 5.6.7


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("007", 7.0),
        ("9" * 400, 999_999_999.0),
        ("-1", None),
        ("+5", None),
        ("1.5", None),
        ("\u00b2", None),
        ("\u0663", None),
        ("soon", None),
        ("", None),
        ("Sun, 06 Nov 1994 08:50:07 GMT", 30.0),
        ("Sunday, 06-Nov-94 08:50:07 GMT", 30.0),
        ("Sun Nov  6 08:50:07 1994", 30.0),  # no zone: UTC, wherever this runs
        ("Sun, 06 Nov 1994 08:50:07 +0000", 30.0),
        ("Sun, 06 Nov 1994 09:50:07 +0100", 30.0),
        ("Sun, 06 Nov 1994 08:49:07 GMT", 0.0),  # has passed
        ("Sun, 99 Nov 1994 08:49:07 GMT", None),
        ("Sun, 06 Nov 99999 08:49:07 GMT", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after(Reply(429, (("retry-after", value),)), WALL) == seconds


def test_without_the_field() -> None:
    assert retry_after(Reply(429), WALL) is None


def test_a_date_is_held_against_the_servers_own_clock() -> None:
    fields = (("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"), ("date", "Sun, 06 Nov 1994 08:50:00 GMT"))
    assert retry_after(Reply(503, fields), WALL) == 7.0
    fields = (("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"), ("date", "nonsense"))
    assert retry_after(Reply(503, fields), WALL) == 30.0


@given(st.text(), st.text())
def test_nothing_raises(value: str, date: str) -> None:
    seconds = retry_after(Reply(429, (("retry-after", value), ("date", date))), WALL)
    assert seconds is None or seconds >= 0


@given(
    st.from_regex(
        r"\A[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,6} [0-9]{1,3}:[0-9]{2}:[0-9]{2} [-+A-Z0-9]{1,6}\Z"
    )
)
def test_nothing_that_looks_like_a_date_raises(value: str) -> None:
    seconds = retry_after(Reply(429, (("retry-after", value),)), WALL)
    assert seconds is None or seconds >= 0
