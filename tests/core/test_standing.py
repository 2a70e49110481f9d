"""Records over runs, and the baseline file."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urlsweep.core import standing as standing_module
from urlsweep.core.model import Outcome, Result
from urlsweep.core.standing import (
    LONGEST_RECORD,
    BaselineError,
    Record,
    Standing,
    Update,
    known_by,
    of_text,
    to_text,
)
from urlsweep.core.summary import FAILING

OUTCOMES = {
    "o": Outcome.OK,
    "b": Outcome.BROKEN,
    "d": Outcome.DOWN,
    "u": Outcome.UNVERIFIED,
    "i": Outcome.INVALID,
    "s": Outcome.SKIPPED,
}


def row(letter: str, url: str = "http://a.test/") -> Result:
    return Result(url, OUTCOMES[letter], reason=None if letter == "o" else f"because.{letter}")


def after_runs(letters: str) -> Record | None:
    """The record of a URL that fared so in runs 1, 2, ... (a blank: it was not in the run)."""
    standing = Standing()
    for number, letter in enumerate(letters, start=1):
        update = Update(standing, FAILING, f"time {number}")
        if letter != " ":
            update.take(row(letter))
        standing = update.standing(is_whole_run=True)
    return standing.get("http://a.test/")


@pytest.mark.parametrize(
    ("letters", "record", "since", "streak", "is_flaky"),
    [
        ("b", "b", "time 1", 1, False),
        ("ob", "b", "time 2", 1, False),
        ("oobb", "bb", "time 3", 2, False),
        ("bd", "bd", "time 1", 2, False),
        ("bo", "bo", "time 2", 0, False),
        ("bob", "bob", "time 3", 1, True),
        ("bs", "b", "time 1", 1, False),  # what was skipped says nothing
        ("bub", "bub", "time 3", 1, True),
        ("b" * 15, "b" * 10, "time 1", 10, False),
        ("b" + "o" * 9, "b" + "o" * 9, "time 2", 0, False),
        ("i", "i", "time 1", 1, False),
    ],
)
def test_a_record_of_runs(letters: str, record: str, since: str, streak: int, is_flaky: bool) -> None:
    found = after_runs(letters)
    assert found is not None
    assert (found.letters, found.since, found.streak(FAILING), found.is_flaky) == (record, since, streak, is_flaky)


@pytest.mark.parametrize("letters", ["", "o", "u", "s", "b ", "b" + "o" * LONGEST_RECORD])
def test_what_has_not_failed_of_late_is_not_remembered(letters: str) -> None:
    assert after_runs(letters) is None


def test_the_reason_is_that_of_the_newest_failure() -> None:
    for letters, reason in (("bd", "because.d"), ("bdo", "because.d"), ("b", "because.b")):
        found = after_runs(letters)
        assert found is not None
        assert found.reason == reason


def test_several_rows_of_a_url_are_one_word_about_it() -> None:
    update = Update(Standing(), FAILING, "now")
    for _ in range(3):
        update.take(row("b"))
    assert [record.letters for record in update.standing(is_whole_run=True)] == ["b"]


def test_what_a_cut_run_did_not_come_to_stands_as_it_stood() -> None:
    before = Standing([Record("http://a.test/", "then", "b", "x"), Record("http://b.test/", "then", "bb", "y")])
    for is_whole, urls in ((True, ["http://a.test/"]), (False, ["http://a.test/", "http://b.test/"])):
        update = Update(before, FAILING, "now")
        update.take(row("b"))
        assert [record.url for record in update.standing(is_whole_run=is_whole)] == urls


def test_it_is_bounded_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing_module, "MOST_KEPT", 3)
    update = Update(Standing(), FAILING, "now")
    for number in range(5):
        update.take(row("b", f"http://a.test/{number}"))
    standing = update.standing(is_whole_run=True)
    assert (len(standing), standing.is_whole) == (3, False)


# The file ------------------------------------------------------------------------------------------------------------


def test_the_file_is_sorted_and_small() -> None:
    standing = Standing(
        [
            Record("http://b.test/", "2026-01-31T12:00:00.000Z", "bb", "http.404"),
            Record("http://a.test/", "t", "do", "r"),
        ]
    )
    assert to_text(standing) == (
        "# urlsweep baseline 1\n"
        "# url, since, record of the last runs (o ok, b broken, d down, u unverified, i invalid), reason\n"
        "http://a.test/\tt\tdo\tr\n"
        "http://b.test/\t2026-01-31T12:00:00.000Z\tbb\thttp.404\n"
    )


urls = st.text(st.characters(), max_size=30)
records = st.builds(
    Record,
    urls.map(lambda url: known_by(Result(url, Outcome.OK))),
    st.just("2026-01-31T12:00:00.000Z"),
    st.text("obdui", min_size=1, max_size=LONGEST_RECORD),
    st.sampled_from(["http.404", "dns.not_found", ""]),
)


@given(st.lists(records, max_size=6, unique_by=lambda record: record.url))
def test_a_baseline_comes_out_as_it_went_in(given_records: list[Record]) -> None:
    text = to_text(Standing(given_records))
    assert list(of_text(text)) == sorted(given_records)
    assert list(of_text(text.replace("\n", "\r\n"))) == sorted(given_records)  # git on Windows
    assert to_text(of_text(text)) == text


def test_lines_may_be_taken_out_and_noted_by_hand() -> None:
    standing = of_text("# urlsweep baseline 1\n\n# known since the move\nhttp://a.test/\tt\tb\tr\n")
    assert [record.url for record in standing] == ["http://a.test/"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no baseline of urlsweep's: its first line is to be '# urlsweep baseline 1'"),
        ("http://a.test/\n", "is no baseline of urlsweep's"),
        ("# urlsweep baseline 2\n", "is no baseline of urlsweep's"),
        ("# urlsweep baseline 1\nhttp://a.test/\n", "line 2 is not a URL, a time, a record and a reason with tabs"),
        ("# urlsweep baseline 1\n\nu\tt\tbxb\tr\n", "line 3 is not a URL"),
        (f"# urlsweep baseline 1\nu\tt\t{'b' * 11}\tr\n", "line 2 is not a URL"),
        ("# urlsweep baseline 1\n<<<<<<< HEAD\n", "line 2 is not a URL"),
    ],
)
def test_what_is_no_baseline_is_told(text: str, message: str) -> None:
    with pytest.raises(BaselineError) as caught:
        of_text(text)
    assert message in str(caught.value)
