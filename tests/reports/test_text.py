from __future__ import annotations

import io
import re
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from urlsweep.core.model import Hop, Outcome, Result
from urlsweep.core.summary import Summary
from urlsweep.reports.layout import text_width
from urlsweep.reports.options import ReportOptions
from urlsweep.reports.palette import Style, paint
from urlsweep.reports.registry import create

ROWS = [
    Result(url="https://example.org/", outcome=Outcome.OK, status=200, found_in="urls.txt:1"),
    Result(
        url="http://example.org/old",
        outcome=Outcome.BROKEN,
        reason="http.404",
        status=404,
        detail="Not Found",
        found_in="urls.txt:2",
        final_url="https://www.example.org/old",
        hops=(Hop("http://example.org/old", 301),),
    ),
    Result(
        url="https://nope.example/日本",
        outcome=Outcome.BROKEN,
        reason="dns.not_found",
        detail="the name nope.example does not exist",
        found_in="urls.txt:3",
    ),
    Result(url="mailto:a@b", outcome=Outcome.SKIPPED, reason="skip.unsupported_scheme", found_in="urls.txt:4"),
    Result(url="https://x.example/", outcome=Outcome.UNVERIFIED, reason="rate_limited", status=429, found_in="a:10"),
    Result(
        url="https://moved.example/",
        outcome=Outcome.OK,
        status=200,
        final_url="https://www.moved.example/",
        hops=(Hop("https://moved.example/", 308),),
    ),
]


def written(rows: Iterable[Result], options: ReportOptions | None = None, summary: Summary | None = None) -> str:
    stream = io.BytesIO()
    report = create("text", stream, options)
    for row in rows:
        report.write(row)
    report.close(summary or Summary())
    return stream.getvalue().decode()


def test_golden_what_needs_a_persons_eye() -> None:
    assert written(ROWS) == (
        "broken      404  http://example.org/old  urls.txt:2  http.404: Not Found  -> https://www.example.org/old\n"
        "broken        -  https://nope.example/日本  urls.txt:3  dns.not_found: the name nope.example does not exist\n"
        "unverified  429  https://x.example/         a:10        rate_limited\n"
    )


def test_golden_every_row_with_verbose() -> None:
    assert written(ROWS, ReportOptions(verbose=1)) == (
        "ok          200  https://example.org/  urls.txt:1\n"
        "broken      404  http://example.org/old  urls.txt:2  http.404: Not Found  -> https://www.example.org/old\n"
        "broken        -  https://nope.example/日本  urls.txt:3  dns.not_found: the name nope.example does not exist\n"
        "skipped       -  mailto:a@b                 urls.txt:4  skip.unsupported_scheme\n"
        "unverified  429  https://x.example/         a:10        rate_limited\n"
        "ok          200  https://moved.example/                 -> https://www.moved.example/\n"
    )


def test_a_run_that_was_cut_short_says_so_at_the_end() -> None:
    summary = Summary(rows_out=1200, is_partial=True)
    assert written([], summary=summary) == "cut short after 1,200 rows: not every URL was asked\n"
    assert written([]) == ""


def test_on_a_terminal_the_sentence_is_cut_and_the_url_is_not() -> None:
    line = written(ROWS[2:3], ReportOptions(width=80)).rstrip("\n")
    assert text_width(line) == 80
    assert ROWS[2].url in line
    assert line.endswith("…")
    long = Result(url="https://example.org/" + "a" * 300, outcome=Outcome.DOWN, reason="http.503", detail="whole")
    assert written([long], ReportOptions(width=80)).endswith(f"{long.url}  http.503\n")


def test_on_a_narrow_terminal_the_place_gives_way_before_the_sentence() -> None:
    row = Result(
        url="https://example.org/a/page/of/some/length",
        outcome=Outcome.DOWN,
        reason="response.timeout",
        detail="did not answer",
        found_in="sitemap.xml:123",
    )
    assert written([row], ReportOptions(width=90)) == (
        "down          -  https://example.org/a/page/of/some/length  response.timeout: did not ans…\n"
    )


def test_in_a_file_a_place_of_any_length_stands_in_its_row() -> None:
    sitemap = "https://example.org/sitemaps/articles.xml"
    rows = [
        Result(url="https://x.example/", outcome=Outcome.DOWN, reason="http.503", found_in=place)
        for place in (sitemap, "a:10", sitemap)
    ]
    assert written(rows).splitlines() == [
        f"down          -  https://x.example/  {sitemap}  http.503",
        "down          -  https://x.example/  a:10  http.503",
        f"down          -  https://x.example/  {sitemap}  http.503",
    ]


def test_a_long_url_does_not_push_the_next_rows_aside() -> None:
    long = Result(url="https://example.org/" + "a" * 300, outcome=Outcome.DOWN, reason="http.503")
    assert written([long, ROWS[4]]).splitlines()[1] == "unverified  429  https://x.example/  a:10  rate_limited"


def test_a_url_of_a_megabyte_is_cut() -> None:
    row = Result(url="https://example.org/" + "a" * 1_000_000, outcome=Outcome.INVALID, found_in="x" * 1_000_000)
    assert len(written([row])) < 5000


@pytest.mark.parametrize("row", ROWS)
def test_colour_adds_nothing_but_colour(row: Result) -> None:
    plain = written([row], ReportOptions(verbose=1))
    colored = written([row], ReportOptions(verbose=1, color=True))
    assert "\x1b" not in plain
    assert colored != plain
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored) == plain


def test_paint_without_colour_or_text_gives_the_text() -> None:
    assert paint("word", Style.RED, color=False) == "word"
    assert paint("", Style.RED, color=True) == ""
    assert paint("word", Style.BOLD_RED, color=True) == "\x1b[1;31mword\x1b[0m"


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), width=st.none() | st.integers(1, 200))
def test_any_row_is_one_visible_line(any_rows: SearchStrategy[Result], data: st.DataObject, width: int | None) -> None:
    rows = data.draw(st.lists(any_rows, max_size=4))
    text = written(rows, ReportOptions(verbose=1, width=width))
    assert text.count("\n") == len(rows)
    assert text.replace("\n", "").isprintable()
    for row, line in zip(rows, text.splitlines(), strict=True):
        assert line.startswith(row.outcome)
