from __future__ import annotations

import re
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from urlsweep.core.bottleneck import Bottleneck, Limiter, SlowedHost
from urlsweep.core.limits import Limits
from urlsweep.core.model import Category, Hop, Outcome, Reason, Result, http_reason
from urlsweep.core.summary import Summary
from urlsweep.reports.layout import text_width
from urlsweep.reports.summary import (
    NARROWEST,
    REASONS_PER_OUTCOME,
    URLS_PER_REASON,
    WARNINGS_SHOWN,
    WIDEST,
    render_summary,
)

SITEMAP = "https://example.org/sitemap.xml"


def row(url: str, outcome: Outcome, reason: str | None = None, status: int | None = None, **more: object) -> Result:
    return Result(url, outcome, reason, status, Category.of(status), **more)  # type: ignore[arg-type]  # fields by name


def summary_of(*rows: Result) -> Summary:
    summary = Summary(seconds=12.41, input_exhausted=True)
    for each in rows:
        summary.rows_in += 1
        summary.add(each)
    return summary


@pytest.fixture
def mixed() -> Summary:
    """A run with a bit of everything."""
    summary = summary_of(
        *(row(f"https://example.org/{n}", Outcome.OK, status=200) for n in range(1180)),
        *(
            row(f"https://example.org/old/{n}", Outcome.BROKEN, "http.404", 404, detail="Not Found", found_in=SITEMAP)
            for n in range(12)
        ),
        row(
            "https://nope.example/",
            Outcome.BROKEN,
            "dns.not_found",
            detail="the name nope.example does not exist",
            found_in="urls.txt:7",
        ),
        row(
            "http://example.net/日本語",
            Outcome.DOWN,
            "http.503",
            503,
            detail="Service Unavailable, 3 times in 24 s",
            found_in="urls.txt:8",
            hops=(Hop("http://example.net/日本語", 301),),
            final_url="https://example.net/",
        ),
        row("http://example.net/", Outcome.DOWN, "http.503", 503, detail="again", found_in="urls.txt:9"),
        row("http://example.net/", Outcome.DOWN, "http.503", 503, detail="again", found_in="list.csv:2"),
        row("htp://x", Outcome.INVALID, "url.unknown_scheme", detail="did you mean https?", found_in="urls.txt:10"),
        row("https://shop.example/", Outcome.UNVERIFIED, "bot_wall", 403, detail="cf-mitigated: challenge"),
        row("mailto:a@b", Outcome.SKIPPED, "skip.unsupported_scheme"),
    )
    summary.duplicates = 1
    for host, seconds in (("slow.example:443", 9.5), ("example.org:443", 0.12), ("example.org:443", 0.08)):
        summary.asked(host, seconds)
    summary.warnings.append("https://example.org/sitemap.xml holds 50,001 URLs; sitemaps.org allows 50,000")
    return summary


def test_golden(mixed: Summary) -> None:
    assert (
        render_summary(mixed, width=80)
        == """\
Broken (13): the link is wrong

  12  http.404  Not Found
      found in https://example.org/sitemap.xml
      https://example.org/old/0
      https://example.org/old/1
      https://example.org/old/2
      https://example.org/old/3
      https://example.org/old/4
      https://example.org/old/5
      https://example.org/old/6
      https://example.org/old/7
      https://example.org/old/8
      https://example.org/old/9
      and 2 more: see the report

   1  dns.not_found  the name nope.example does not exist
      https://nope.example/  urls.txt:7

Down (3): the server is in trouble, confirmed by later tries

  3  http.503
     http://example.net/日本語  urls.txt:8
       Service Unavailable, 3 times in 24 s
       -> https://example.net/
     http://example.net/        urls.txt:9, list.csv:2
       again

Invalid (1): not a URL that can be asked

  1  url.unknown_scheme  did you mean https?
     htp://x  urls.txt:10

Unverified (1): warnings: the server answers but will not tell

  1  bot_wall  status 403: cf-mitigated: challenge
     https://shop.example/

Skipped (1): not asked
  1  skip.unsupported_scheme

Warnings
  https://example.org/sitemap.xml holds 50,001 URLs; sitemaps.org allows 50,000

Slowest hosts        mean    slowest   requests
  slow.example      9.5 s      9.5 s          1
  example.org      100 ms     120 ms          2

Outcomes                          Final answers
  ok          1,180   98.4 %        1xx informational      0
  broken         13    1.1 %        2xx success        1,180   98.4 %
  down            3    0.3 %        3xx redirection        0
  unverified      1    0.1 %        4xx client error      13    1.1 %
  invalid         1    0.1 %        5xx server error       3    0.3 %
  skipped         1    0.1 %        no valid answer        3    0.3 %

1,199 URLs (1 duplicate) in 12.4 s, 97 a second; 3 requests sent.
Failed: 13 broken, 3 down, 1 invalid. 1 unverified.
"""
    )


def test_all_is_well() -> None:
    text = render_summary(summary_of(row("https://example.org/", Outcome.OK, status=200)))
    assert text.endswith("1 URL in 12.4 s; 0 requests sent.\nPassed: every URL is ok.\n")
    assert "Broken (" not in text


def test_nothing_came() -> None:
    assert render_summary(Summary()) == "0 URLs in 0 ms; 0 requests sent.\nNothing was checked.\n"


def test_a_run_that_was_cut_short_says_so_first() -> None:
    summary = summary_of(
        row("https://example.org/", Outcome.OK, status=200),
        row("https://example.org/b", Outcome.SKIPPED, Reason.SKIP_UNFINISHED),
    )
    summary.is_partial, summary.input_exhausted = True, False
    text = render_summary(summary)
    assert text.startswith(
        "Cut short: this is not the whole picture.\n"
        "  1 URL read but not finished (skip.unfinished)\n"
        "  the input was not read to its end\n\n"
    )
    assert text.endswith("\nCut short: no URL failed until then.\n")


def test_a_run_that_lost_its_network_gives_no_verdict() -> None:
    summary = summary_of(
        row("https://a.example/", Outcome.DOWN, "connect.timeout"),
        row("https://b.example/", Outcome.SKIPPED, Reason.SKIP_UNFINISHED),
    )
    summary.is_partial = summary.is_network_lost = True
    text = render_summary(summary)
    assert text.startswith(
        "Cut short: your network was lost, this is not the whole picture.\n"
        "  1 URL read but not finished (skip.unfinished)\n\n"
    )
    assert text.endswith("\nNo verdict: your network was lost. Failed until then: 1 down.\n")
    assert render_summary(summary, fail_on=[]).endswith("\nNo verdict: your network was lost.\n")


def test_the_verdict_is_that_of_fail_on() -> None:
    summary = summary_of(
        row("https://a.example/", Outcome.BROKEN, "http.404", 404),
        row("https://b.example/", Outcome.UNVERIFIED, "rate_limited", 429),
    )
    assert render_summary(summary).endswith("Failed: 1 broken. 1 unverified.\n")
    assert render_summary(summary, fail_on=[Outcome.DOWN]).endswith("Passed: no URL failed. 1 unverified.\n")
    assert render_summary(summary, fail_on=[Outcome.UNVERIFIED]).endswith("Failed: 1 unverified.\n")


def test_why_it_took_so_long_stands_between_the_rows_and_the_totals(mixed: Summary) -> None:
    mixed.bottleneck = Bottleneck(
        seconds={Limiter.HOSTS: 9.0, Limiter.SLOTS: 3.41},
        slowed=[SlowedHost("slow.example:443", 40, Counter({"429": 12}), rate=4.0, held=9.0)],
        slowed_hosts=1,
    )
    assert """
  example.org      100 ms     120 ms          2

Limited by (share of the run's time)
   73 %  hosts' own limits
   27 %  all 64 slots taken (--concurrency)

Slowed hosts (1)  limit found  held back  push-backs
  slow.example     4 a second      9.0 s  12 x 429

Outcomes  """ in render_summary(mixed, limits=Limits(concurrency=64))


def test_lost_rows_are_told() -> None:
    assert render_summary(Summary(rows_in=3)).endswith("Internal error: 3 rows in, 0 out.\n")


def test_a_place_that_does_not_fit_beside_goes_below() -> None:
    long = "https://example.org/" + "a" * 70
    text = render_summary(
        summary_of(
            row(long, Outcome.BROKEN, "http.404", 404, found_in="urls.txt:1"),
            row("https://b.example/", Outcome.BROKEN, "http.404", 404, found_in="urls.txt:2"),
        )
    )
    assert f"     {long}\n       in urls.txt:1\n     https://b.example/  urls.txt:2\n" in text


def test_a_long_sentence_is_wrapped_and_bounded() -> None:
    sentence = "the certificate is for " + ", ".join(f"www{n}.example.org" for n in range(40))
    text = render_summary(summary_of(row("https://a.example/", Outcome.BROKEN, "tls.name_mismatch", detail=sentence)))
    assert "\n  1  tls.name_mismatch\n     the certificate is for www0.example.org," in text
    assert text.count("www1") == 1
    assert " …\n" in text


def test_one_url_names_a_few_of_its_places() -> None:
    rows = [row("https://a.example/", Outcome.BROKEN, "http.404", 404, found_in=f"a.txt:{n}") for n in range(9)]
    assert "     https://a.example/  a.txt:0, a.txt:1, a.txt:2 and 6 more\n" in render_summary(summary_of(*rows))


def test_places_that_do_not_fit_beside_their_url_have_a_line_each() -> None:
    rows = [
        row("https://a.example/", Outcome.BROKEN, "http.404", 404, found_in=f"https://a.example/sitemaps/{n}.xml")
        for n in range(4)
    ]
    assert (
        "     https://a.example/\n"
        "       in https://a.example/sitemaps/0.xml\n"
        "       in https://a.example/sitemaps/1.xml\n"
        "       in https://a.example/sitemaps/2.xml and 1 more\n"
    ) in render_summary(summary_of(*rows))


def test_lists_are_bounded_and_say_what_they_left_out() -> None:
    summary = summary_of(
        *(
            row(f"https://example.org/{code}/{n}", Outcome.BROKEN, http_reason(code), code)
            for code in range(400, 450)
            for n in range(20)
        )
    )
    summary.warnings = [f"warning {n}" for n in range(WARNINGS_SHOWN + 5)]
    text = render_summary(summary)
    assert (
        f"  and {50 - REASONS_PER_OUTCOME} more reasons with {20 * (50 - REASONS_PER_OUTCOME)} URLs: see the report"
        in text
    )
    assert text.count("and 17 more: see the report") == REASONS_PER_OUTCOME
    assert "  and 5 more\n" in text
    assert len(text.splitlines()) < 150


def test_one_reason_shows_more_urls_than_one_of_many() -> None:
    summary = summary_of(*(row(f"https://example.org/{n}", Outcome.DOWN, "http.500", 500) for n in range(5000)))
    text = render_summary(summary)
    assert text.count("https://example.org/") == URLS_PER_REASON
    assert f"and {5000 - URLS_PER_REASON:,} more: see the report" in text


@pytest.mark.parametrize("width", [1, 40, 60, 80, 100, 140, 200])
def test_lines_without_a_url_keep_to_the_width(mixed: Summary, width: int) -> None:
    for line in render_summary(mixed, width=width).splitlines():
        if "://" not in line:
            assert text_width(line) <= max(NARROWEST, min(width, WIDEST))


def test_where_two_tables_do_not_fit_they_stand_one_below_the_other(mixed: Summary) -> None:
    lines = render_summary(mixed, width=50).splitlines()
    assert lines[lines.index("Outcomes") + 8] == "Final answers"


def test_colour_adds_nothing_but_colour(mixed: Summary) -> None:
    mixed.is_partial = True
    plain, colored = render_summary(mixed), render_summary(mixed, color=True)
    assert "\x1b" not in plain
    assert "\x1b[1;31mFailed" in colored
    assert re.sub(r"\x1b\[[0-9;]*m", "", colored).split() == plain.split()
    assert [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", colored).splitlines()] == plain.splitlines()


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), width=st.integers(1, 220))
def test_any_rows_give_visible_text(any_rows: SearchStrategy[Result], data: st.DataObject, width: int) -> None:
    rows = data.draw(st.lists(any_rows, max_size=6))
    summary = summary_of(*rows)
    summary.warnings.extend(each.url for each in rows)
    summary.asked("host\x1b[0m\u202e", 1.0)
    text = render_summary(summary, width=width)
    assert text.replace("\n", "").isprintable()
    assert text.endswith("\n")


@pytest.mark.parametrize(("ok", "share"), [(1, "< 0.1 %"), (9999, "99.9 %"), (10_000, "100.0 %")])
def test_shares_never_round_to_nothing_or_all(ok: int, share: str) -> None:
    rows = [row("u", Outcome.OK, status=200)] * ok + [row("u", Outcome.BROKEN, "http.404", 404)] * (10_000 - ok)
    line = next(line for line in render_summary(summary_of(*rows)).splitlines() if line.startswith("  ok "))
    assert share in line
