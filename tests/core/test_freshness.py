"""How long a row is trusted."""

from __future__ import annotations

import datetime as dt

import pytest

from urlsweep.core.freshness import is_fresh
from urlsweep.core.model import Outcome, Result

CHECKED = "2026-01-31T12:00:00.000Z"
THEN = dt.datetime(2026, 1, 31, 12, tzinfo=dt.UTC).timestamp()
DAY = 86_400.0


@pytest.mark.parametrize(
    ("outcome", "times_to_live", "age", "fresh"),
    [
        (Outcome.OK, {Outcome.OK: DAY}, 0.0, True),
        (Outcome.OK, {Outcome.OK: DAY}, DAY - 1, True),
        (Outcome.OK, {Outcome.OK: DAY}, DAY, False),
        (Outcome.OK, {Outcome.OK: DAY}, -1.0, False),  # from the future
        (Outcome.OK, {}, 0.0, False),
        (Outcome.BROKEN, {Outcome.OK: DAY}, 0.0, False),  # failures are trusted only where it is said
        (Outcome.BROKEN, {Outcome.BROKEN: 60.0}, 59.0, True),
        (Outcome.DOWN, {Outcome.BROKEN: 60.0}, 59.0, False),
    ],
)
def test_fresh(outcome: Outcome, times_to_live: dict[Outcome, float], age: float, fresh: bool) -> None:
    assert is_fresh(Result("u", outcome, checked_at=CHECKED), times_to_live, THEN + age) is fresh


@pytest.mark.parametrize("checked_at", [None, "yesterday"])
def test_what_has_no_time_is_not_trusted(checked_at: str | None) -> None:
    assert not is_fresh(Result("u", Outcome.OK, checked_at=checked_at), {Outcome.OK: DAY}, THEN)


def test_it_counts_from_when_it_was_asked_however_often_it_was_trusted_since() -> None:
    row = Result("u", Outcome.OK, checked_at=CHECKED, cached_at=CHECKED)
    assert is_fresh(row, {Outcome.OK: DAY}, THEN + DAY - 1)
    assert not is_fresh(row, {Outcome.OK: DAY}, THEN + DAY)
