"""What the engine tells a journal, and what it makes of what it is told."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.conftest import Swept

from urlsweep.core.check import Verdict
from urlsweep.core.model import Hop, Outcome, Reason, Result, Target
from urlsweep.core.policy import Policy
from urlsweep.core.urls import Url, parse
from urlsweep.testing.fake import reply

URLS = ["http://a.test/0", "http://a.test/1", "http://a.test/0#part", "nonsense", "http://a.test/2"]
WORLD = {f"http://a.test/{number}": reply(200, after=2.0 - number) for number in range(3)}


class Notes:
    """A journal that remembers."""

    def __init__(self, rows: dict[int, Result] | None = None, known: dict[str, Verdict] | None = None) -> None:
        self.rows = rows or {}
        self.kept = max(self.rows, default=-1) + 1
        self.known = known or {}
        self.is_trusting = bool(known)
        self.told: list[tuple[int, Result]] = []

    def earlier(self, index: int, target: Target) -> Result | None:
        return self.rows.get(index)

    def recall(self, url: Url) -> Verdict | None:
        return self.known.get(url.href)

    def settled(self, index: int, row: Result) -> None:
        self.told.append((index, row))


def run(swept: Swept, notes: Notes, **options: Any) -> Any:
    return swept(URLS, WORLD, journal=notes, **options)


@pytest.mark.parametrize("is_ordered", [False, True])
def test_every_row_is_told_with_its_number_as_soon_as_it_is_known(swept: Swept, is_ordered: bool) -> None:
    notes = Notes()
    found = run(swept, notes, is_ordered=is_ordered)
    assert [index for index, _ in notes.told] == [3, 0, 2, 4, 1]  # one first: the host is new
    assert {index: row.url for index, row in notes.told} == dict(enumerate(URLS))
    assert {row.url: row for _, row in notes.told} == {row.url: row for row in found.rows}


def test_what_has_its_row_already_is_given_and_not_asked(swept: Swept) -> None:
    whole = run(swept, Notes(), is_ordered=True)
    notes = Notes({index: row for index, row in enumerate(whole.rows) if index in (0, 3)})
    found = run(swept, notes, is_ordered=True)
    told = [msgspec.structs.replace(row, elapsed_ms=0, checked_at="") for row in found.rows]
    assert told == [msgspec.structs.replace(row, elapsed_ms=0, checked_at="") for row in whole.rows]
    assert {exchange.request.url for exchange in found.transport.log} == {"http://a.test/1", "http://a.test/2"}
    assert sorted(index for index, _ in notes.told) == [1, 2, 4]
    for figure in ("rows_in", "rows_out", "duplicates", "requests", "outcomes"):
        assert getattr(found.summary, figure) == getattr(whole.summary, figure), figure


def test_a_verdict_that_is_recalled_is_nobodys_request_and_no_duplicate(swept: Swept) -> None:
    [row] = swept(["http://a.test/0"], WORLD).rows
    url = parse("http://a.test/0")
    assert isinstance(url, Url)
    verdict = Verdict.of_row(row, url)
    assert verdict is not None
    known = {"http://a.test/0": msgspec.structs.replace(verdict, is_cached=True, attempts=0)}
    notes = Notes(known=known)
    found = run(swept, notes)
    assert found.transport.methods_of("http://a.test/0") == []
    of_url = {row.url: row for row in found.rows}
    assert of_url["http://a.test/0"].cached_at == row.checked_at
    assert of_url["http://a.test/0#part"].final_url == "http://a.test/0#part"
    assert found.summary.duplicates == 1
    assert len(notes.told) == len(URLS)


def test_what_is_refused_is_not_recalled(swept: Swept) -> None:
    url = parse("http://a.test/0")
    assert isinstance(url, Url)
    verdict = Verdict(Outcome.OK, None, 200, None, "HEAD", url.href, (), 1, 0.1, 1e9)
    found = run(swept, Notes(known={url.href: verdict}), policy=Policy(exclude=(re.compile("/0"),)))
    assert {row.reason for row in found.rows if "/0" in row.url} == {Reason.SKIP_EXCLUDED}


@given(
    status=st.one_of(st.none(), st.integers(100, 599)),
    final=st.sampled_from(["http://a.test/", "http://b.test/x", "http://b.test/#theirs"]),
    fragment=st.sampled_from(["", "#ours"]),
    other=st.sampled_from(["", "#ours", "#another"]),
    elapsed=st.one_of(st.none(), st.floats(0, 100).map(lambda seconds: round(seconds, 4))),
    checked_at=st.one_of(st.none(), st.integers(0, 2**31).map(float)),
    is_cached=st.booleans(),
    hops=st.sampled_from([(), (Hop("http://a.test/", 301),)]),
)
def test_a_row_gives_back_the_verdict_that_its_duplicates_need(
    status: int | None,
    final: str,
    fragment: str,
    other: str,
    elapsed: float | None,
    checked_at: float | None,
    is_cached: bool,
    hops: tuple[Hop, ...],
) -> None:
    verdict = Verdict(Outcome.OK, None, status, None, "HEAD", final, hops, 1, elapsed, checked_at, is_cached)
    urls = [parse(f"http://a.test/{part}") for part in (fragment, other)]
    assert all(isinstance(url, Url) for url in urls)
    targets = [Target(f"http://a.test/{part}", "list:1") for part in (fragment, other)]
    again = Verdict.of_row(verdict.row(targets[0], urls[0]), urls[0])  # type: ignore[arg-type]
    assert again is not None
    assert again.row(targets[1], urls[1]) == verdict.row(targets[1], urls[1])  # type: ignore[arg-type]
