"""Two runs compared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urlsweep.core.comparison import Change, Difference, compare
from urlsweep.core.model import Hop, Outcome, Result
from urlsweep.core.standing import Record, Standing
from urlsweep.core.summary import FAILING

URL = "http://a.test/"
THEN, NOW = "2026-01-30T12:00:00.000Z", "2026-01-31T12:00:00.000Z"


def row(outcome: Outcome | str, **more: Any) -> Result:
    return Result(more.pop("url", URL), Outcome(outcome), **more)


def redirected(to: str) -> Result:
    return row("ok", hops=(Hop(URL, 301),), final_url=to)


def differences(old: Sequence[Result], new: Sequence[Result], standing: Standing | None = None) -> list[Difference]:
    return list(compare(lambda: old, lambda: new, FAILING, standing))


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (row("ok"), row("ok"), None),
        (row("ok"), row("broken"), Change.NEWLY_FAILING),
        (row("ok"), row("down"), Change.NEWLY_FAILING),
        (row("unverified"), row("broken"), Change.NEWLY_FAILING),
        (row("skipped"), row("broken"), Change.NEWLY_FAILING),
        (None, row("broken"), Change.NEWLY_FAILING),
        (row("down"), row("broken"), Change.STILL_FAILING),
        (row("invalid"), row("invalid"), Change.STILL_FAILING),
        (row("down"), row("ok"), Change.RECOVERED),
        (row("down"), row("unverified"), Change.RECOVERED),
        (row("down"), redirected("http://b.test/"), Change.RECOVERED),
        (row("ok"), redirected("http://b.test/"), Change.NEWLY_REDIRECTED),
        (redirected("http://c.test/"), redirected("http://b.test/"), Change.NEWLY_REDIRECTED),
        (redirected("http://b.test/"), redirected("http://b.test/"), None),
        (redirected("http://b.test/"), row("ok"), None),
        (row("ok"), row("unverified"), None),
        (None, row("ok"), Change.NEW),
        (row("skipped"), row("ok"), None),
        (row("ok"), None, Change.GONE),
        (row("broken"), None, Change.GONE),
        (row("skipped"), None, Change.GONE),
        (row("broken"), row("skipped"), None),  # not asked: nothing is known to have changed
        (None, row("skipped"), None),
    ],
)
def test_changes(old: Result | None, new: Result | None, change: Change | None) -> None:
    found = differences([old] if old else [], [new] if new else [])
    assert [difference.change for difference in found] == ([change] if change else [])


def test_each_url_is_told_once() -> None:
    found = differences([row("ok"), row("ok")], [row("broken"), row("broken")])
    assert [difference.url for difference in found] == [URL]


def test_since_when_and_how_often_without_a_history() -> None:
    [new] = differences([row("ok")], [row("down", checked_at=NOW)])
    assert (new.since, new.runs, new.record) == (NOW, 1, "")
    [still] = differences([row("down", checked_at=THEN)], [row("down", checked_at=NOW)])
    assert (still.since, still.runs) == (THEN, 2)
    [gone] = differences([row("down", checked_at=THEN)], [])
    assert (gone.since, gone.runs) == (None, 0)


def test_since_when_and_how_often_by_the_record() -> None:
    standing = Standing([Record(URL, "2026-01-01T00:00:00.000Z", "obbbb", "http.404")])
    [still] = differences([row("broken", checked_at=THEN)], [row("broken", checked_at=NOW)], standing)
    assert (still.since, still.runs, still.record) == ("2026-01-01T00:00:00.000Z", 4, "obbbb")
    [recovered] = differences([row("down")], [row("ok")], Standing([Record(URL, NOW, "bobo", "x")]))
    assert (recovered.since, recovered.runs, recovered.record) == (None, 0, "bobo")


rows = st.lists(
    st.builds(
        lambda number, outcome: row(outcome, url=f"http://a.test/{number}"),
        st.integers(0, 8),
        st.sampled_from(Outcome),
    ),
    max_size=12,
    unique_by=lambda row: row.url,
)


@given(rows, rows)
def test_every_url_has_its_place(old: list[Result], new: list[Result]) -> None:
    found = {difference.url: difference.change for difference in differences(old, new)}
    before = {row.url: row.outcome for row in old}
    after = {row.url: row.outcome for row in new}
    for url in before | after:
        is_failing, was_failing = after.get(url) in FAILING, before.get(url) in FAILING
        assert (found.get(url) is Change.GONE) == (url not in after)
        assert (found.get(url) is Change.NEWLY_FAILING) == (is_failing and not was_failing)
        assert (found.get(url) is Change.STILL_FAILING) == (is_failing and was_failing)
    assert differences(new, new) == [each for each in differences(new, new) if each.change is Change.STILL_FAILING]
