"""What changed between two runs over a list: a pure function over their rows.

Contract: each URL is told once, whatever the number of its rows; URLs are known as `standing.known_by` has it. Memory
grows with the URLs of the older run (some 200 bytes each) and with the differences.
Not in here: where rows come from, and how a difference is shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from urlsweep.core.model import Outcome, Result
from urlsweep.core.standing import Record, Standing, is_told, known_by

Rows = Callable[[], Iterable[Result]]
"""A run's rows, from the first one at each call."""


class Change(StrEnum):
    """What became of a URL, the most urgent first."""

    NEWLY_FAILING = "newly_failing"
    STILL_FAILING = "still_failing"
    RECOVERED = "recovered"
    NEWLY_REDIRECTED = "newly_redirected"
    NEW = "new"  # not in the older run, and it does not fail
    GONE = "gone"  # not in the newer one


class Brief(NamedTuple):
    """What is remembered of a row."""

    outcome: Outcome
    reason: str | None
    final_url: str | None  # where redirects led; None where there was none
    checked_at: str | None


class Difference(NamedTuple):
    """One URL that fares differently, or fails still."""

    change: Change
    url: str
    before: Brief | None  # None: not there, or not asked
    after: Brief | None
    found_in: str  # in the newer run, in the older one where it is gone
    since: str | None  # RFC 3339: since when it fails, where it does
    runs: int  # in how many runs in a row it has failed, where it does
    record: str  # see `Record.letters`; "" where nothing is known


def compare(
    old: Rows, new: Rows, failing: Collection[Outcome], standing: Standing | None = None
) -> Iterator[Difference]:
    """The differences, in the order of the newer run, those that are gone last.

    `standing` is how things stood after the newer run, where that is known: it tells since when. Else the two runs
    are all there is to say.
    """
    left = {_digest(known_by(row)): brief(row) for row in old()}
    told: set[bytes] = set()
    for row in new():
        url = known_by(row)
        digest = _digest(url)
        if digest in told:
            continue
        told.add(digest)
        known = digest in left
        before, after = left.pop(digest, None), brief(row)
        change = _change(before, after, failing, is_known=known)
        if change is not None:
            record = None if standing is None else standing.get(url)
            yield Difference(
                change, url, before, after, row.found_in, *_history(change, before, after, record, failing)
            )
    for row in old():
        url = known_by(row)
        if (gone := left.pop(_digest(url), _ABSENT)) is not _ABSENT:
            yield Difference(Change.GONE, url, gone, None, row.found_in, None, 0, "")


_ABSENT = Brief(Outcome.SKIPPED, "absent", None, None)


def brief(row: Result) -> Brief | None:
    """What of `row` a comparison looks at; None where it says nothing of its URL."""
    if not is_told(row):
        return None
    return Brief(row.outcome, row.reason, row.final_url if row.hops else None, row.checked_at)


def _change(
    before: Brief | None, after: Brief | None, failing: Collection[Outcome], *, is_known: bool
) -> Change | None:
    if after is None:  # not asked now: nothing is known to have changed
        return None
    was_failing = before is not None and before.outcome in failing
    if after.outcome in failing:
        return Change.STILL_FAILING if was_failing else Change.NEWLY_FAILING
    if was_failing:
        return Change.RECOVERED
    if not is_known:
        return Change.NEW
    if before is not None and after.final_url is not None and after.final_url != before.final_url:
        return Change.NEWLY_REDIRECTED
    return None


def _history(
    change: Change,
    before: Brief | None,
    after: Brief | None,
    record: Record | None,
    failing: Collection[Outcome],
) -> tuple[str | None, int, str]:
    letters = "" if record is None else record.letters
    if change not in (Change.NEWLY_FAILING, Change.STILL_FAILING):
        return None, 0, letters
    # The two runs say something by themselves: their lists may differ, and with them what the record knows.
    is_old = change is Change.STILL_FAILING
    told = [seen.checked_at for seen in (before if is_old else None, after) if seen is not None and seen.checked_at]
    runs = 2 if is_old else 1
    if record is not None and record.streak(failing):
        told.append(record.since)
        runs = max(runs, record.streak(failing))
    return min(told, default=None), runs, letters


def _digest(url: str) -> bytes:
    # 128 bits: among a billion URLs two meet with a chance of 1 in 10**21.
    return hashlib.blake2b(url.encode("utf-8", "surrogatepass"), digest_size=16).digest()
