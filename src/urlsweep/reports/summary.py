"""The summary that ends a run on the terminal: what needs a person's eye first, the verdict last, next to the prompt.

Contract: a pure function from a `Summary` to text. Every list is bounded and says what it left out. Lines keep to the
width given, save those that hold a URL: a cut URL cannot be opened. Nothing is told by colour alone.
Not in here: printing, and whether there is to be colour.
"""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from urlsweep.core.limits import Limits
from urlsweep.core.model import Category, Outcome, Reason, Result, http_reason
from urlsweep.core.summary import FAILING, Summary
from urlsweep.reports.escaping import escape_terminal
from urlsweep.reports.figures import counted, duration, share
from urlsweep.reports.layout import pad, shorten_end, shorten_middle, text_width
from urlsweep.reports.palette import OUTCOME_STYLES, Style, paint
from urlsweep.reports.slowness import limited_by, slowed_hosts

NARROWEST: Final = 50
"""Columns below which nothing is laid out any more; the terminal wraps."""

WIDEST: Final = 140
"""Columns above which lines do not grow: the eye loses its line between a URL and a place far to the right of it."""

URLS_PER_OUTCOME: Final = 40
URLS_PER_REASON: Final = 10
LEAST_URLS_PER_REASON: Final = 3
REASONS_PER_OUTCOME: Final = 15
PLACES_PER_URL: Final = 3
WARNINGS_SHOWN: Final = 10
SENTENCE_LINES: Final = 3
SLOWEST_HOSTS: Final = 5
LONGEST_URL: Final = 500
"""Characters of a URL that are shown; the reports have it whole."""

_PROBLEMS: Final = {
    Outcome.BROKEN: "the link is wrong",
    Outcome.DOWN: "the server is in trouble, confirmed by later tries",
    Outcome.INVALID: "not a URL that can be asked",
    Outcome.UNVERIFIED: "warnings: the server answers but will not tell",
}

_CATEGORY_NAMES: Final = {
    Category.INFORMATIONAL: "1xx informational",
    Category.SUCCESS: "2xx success",
    Category.REDIRECTION: "3xx redirection",
    Category.CLIENT_ERROR: "4xx client error",
    Category.SERVER_ERROR: "5xx server error",
    None: "no valid answer",  # none at all, or a code outside 100-599, which RFC 9110 section 15 calls invalid
}


def render_summary(
    summary: Summary,
    *,
    color: bool = False,
    width: int = 80,
    fail_on: Collection[Outcome] = FAILING,
    limits: Limits | None = None,
    excused: int = 0,
    flaky: Collection[tuple[str, str]] = (),
) -> str:
    """The summary as text that ends in a line feed.

    `width` is in terminal columns; `fail_on` are the outcomes that fail the run, as the exit code has them; `limits`
    are those that the run was under. `excused` rows have such an outcome and do not fail it, as the baseline knows
    them; `flaky` are URLs whose outcome goes back and forth, each with its record (see `core.standing`).
    """
    return _Page(color, max(NARROWEST, min(width, WIDEST))).render(summary, fail_on, limits, excused, flaky)


class _Page:
    """Text of one width, with or without colour."""

    def __init__(self, color: bool, width: int) -> None:
        self._color = color
        self._width = width

    def render(
        self,
        summary: Summary,
        fail_on: Collection[Outcome],
        limits: Limits | None,
        excused: int,
        flaky: Collection[tuple[str, str]],
    ) -> str:
        sections = [
            self._cut_short(summary),
            *(self._problems(summary, outcome) for outcome in _PROBLEMS),
            self._skipped(summary),
            self._flaky(flaky),
            self._warnings(summary.warnings),
            self._slowest_hosts(summary),
            limited_by(summary, limits, self._paint),
            slowed_hosts(summary, self._width, self._paint),
            self._totals(summary),
            self._verdict(summary, fail_on, excused),
        ]
        return "\n\n".join("\n".join(line.rstrip() for line in lines) for lines in map(list, sections) if lines) + "\n"

    def _paint(self, text: str, style: Style) -> str:
        return paint(text, style, color=self._color)

    def _heading(self, title: str, style: Style, meaning: str) -> str:
        fits = len(title) + 2 + len(meaning) <= self._width
        return self._paint(title, style) + (self._paint(f": {meaning}", Style.DIM) if fits else "")

    def _wrapped(self, text: str, indent: str) -> Iterator[str]:
        room = self._width - len(indent)
        for line in textwrap.wrap(text, room, max_lines=SENTENCE_LINES, placeholder=" …", break_on_hyphens=False):
            yield indent + shorten_end(line, room)  # textwrap counts characters, some of which are two columns wide

    # What went wrong -------------------------------------------------------------------------------------------------

    def _cut_short(self, summary: Summary) -> Iterator[str]:
        if not (summary.is_partial or summary.is_network_lost):
            return
        unfinished = summary.reasons[Outcome.SKIPPED, Reason.SKIP_UNFINISHED]
        why = "your network was lost, " if summary.is_network_lost else ""
        yield self._paint(f"Cut short: {why}this is not the whole picture.", Style.BOLD_YELLOW)
        if unfinished:
            yield f"  {counted(unfinished, 'URL')} read but not finished ({Reason.SKIP_UNFINISHED})"
        if not summary.input_exhausted:
            yield "  the input was not read to its end"

    def _problems(self, summary: Summary, outcome: Outcome) -> Iterator[str]:
        total = summary.outcomes[outcome]
        if not total:
            return
        yield self._heading(f"{outcome.capitalize()} ({total:,})", _bold(outcome), _PROBLEMS[outcome])
        groups = _reasons(summary, outcome)
        shown = groups[:REASONS_PER_OUTCOME]
        limit = max(LEAST_URLS_PER_REASON, min(URLS_PER_REASON, URLS_PER_OUTCOME // max(len(shown), 1)))
        digits = max((len(f"{count:,}") for _, count in shown), default=1)
        for reason, count in shown:
            yield ""
            yield from self._group(reason, count, summary.examples.get((outcome, reason), []), digits, limit)
        left = groups[len(shown) :]
        if left:
            rows = sum(count for _, count in left)
            yield ""
            yield f"  and {counted(len(left), 'more reason')} with {counted(rows, 'URL')}: see the report"

    def _group(self, reason: str, count: int, rows: list[Result], digits: int, limit: int) -> Iterator[str]:
        """One reason: what its rows have in common is said once above them, the rest beside each."""
        explanation = _shared(map(_explanation, rows))
        place = _shared(row.found_in for row in rows) if len(rows) > 1 else ""
        name = escape_terminal(reason)
        lead = f"  {count:>{digits},}  "
        indent = " " * len(lead)
        heading = lead + self._paint(name, Style.BOLD)
        if len(lead) + text_width(name) + 2 + text_width(explanation) <= self._width:
            yield f"{heading}  {explanation}"
        else:
            yield heading
            yield from self._wrapped(explanation, indent)
        if place:
            yield indent + self._paint(f"found in {shorten_middle(place, self._width - len(lead) - 9)}", Style.DIM)

        by_url: dict[str, list[Result]] = {}
        for row in rows:
            by_url.setdefault(row.url, []).append(row)
        shown = list(by_url.values())[:limit]
        urls = [shorten_middle(escape_terminal(same[0].url), LONGEST_URL) for same in shown]
        column = max((width for width in map(text_width, urls) if width <= self._width // 2), default=0)
        for url, same in zip(urls, shown, strict=True):
            places = [] if place else _places(same)
            yield from self._example(indent, url, column, places, "" if explanation else _explanation(same[0]))
            target = same[0].final_url
            if same[0].hops and target:
                yield indent + self._paint(f"  -> {shorten_middle(escape_terminal(target), LONGEST_URL)}", Style.DIM)
        left = count - sum(map(len, shown))
        if left:
            yield f"{indent}and {left:,} more: see the report"

    def _example(self, indent: str, url: str, column: int, places: list[str], explanation: str) -> Iterator[str]:
        beside = f"{indent}{pad(url, column)}  "
        if not places:
            yield indent + url
        elif text_width(beside) + text_width(together := ", ".join(places)) <= self._width:
            yield beside + self._paint(together, Style.DIM)
        else:
            yield indent + url
            for place in places:
                yield indent + self._paint(f"  in {shorten_middle(place, self._width - len(indent) - 5)}", Style.DIM)
        if explanation:
            yield from self._wrapped(explanation, indent + "  ")

    def _skipped(self, summary: Summary) -> Iterator[str]:
        groups = _reasons(summary, Outcome.SKIPPED)
        if not groups:
            return
        yield self._heading(f"Skipped ({summary.outcomes[Outcome.SKIPPED]:,})", Style.BOLD, "not asked")
        digits = len(f"{groups[0][1]:,}")
        for reason, count in groups[:REASONS_PER_OUTCOME]:
            yield f"  {count:>{digits},}  {escape_terminal(reason)}"

    def _warnings(self, warnings: list[str]) -> Iterator[str]:
        if not warnings:
            return
        yield self._paint("Warnings", Style.BOLD_YELLOW)
        for warning in warnings[:WARNINGS_SHOWN]:
            yield from self._wrapped(escape_terminal(warning), "  ")
        if len(warnings) > WARNINGS_SHOWN:
            yield f"  and {len(warnings) - WARNINGS_SHOWN:,} more"

    # Figures ---------------------------------------------------------------------------------------------------------

    def _slowest_hosts(self, summary: Summary) -> Iterator[str]:
        hosts = summary.slowest_hosts(SLOWEST_HOSTS)
        if not hosts:
            return
        names = [shorten_middle(escape_terminal(times.host.removesuffix(":443")), self._width - 37) for times in hosts]
        title = "Slowest hosts"
        column = max(len(title) - 2, *map(text_width, names))
        yield (
            self._paint(pad(title, column + 2), Style.BOLD)
            + self._paint(f"  {'mean':>9}  {'slowest':>9}  {'requests':>9}", Style.DIM)
        )
        for name, times in zip(names, hosts, strict=True):
            yield (
                f"  {pad(name, column)}  {duration(times.mean):>9}  {duration(times.slowest):>9}  {times.requests:>9,}"
            )

    def _totals(self, summary: Summary) -> Iterator[str]:
        if not summary.rows_out:
            return
        outcomes = self._table(
            "Outcomes",
            [(str(outcome), summary.outcomes[outcome], OUTCOME_STYLES[outcome]) for outcome in Outcome],
            summary.rows_out,
        )
        answers = self._table(
            "Final answers",
            [(name, summary.categories[category], None) for category, name in _CATEGORY_NAMES.items()],
            summary.rows_out,
        )
        widest = max(width for width, _ in outcomes)
        if widest + 6 + max(width for width, _ in answers) <= self._width:
            for (width, left), (_, right) in zip(outcomes, answers, strict=True):
                yield left + " " * (widest + 6 - width) + right
        else:
            yield from (line for _, line in outcomes)
            yield ""
            yield from (line for _, line in answers)

    def _table(self, title: str, rows: list[tuple[str, int, Style | None]], total: int) -> list[tuple[int, str]]:
        """Lines of label, count and share, each with its width."""
        label_width = max(len(label) for label, _, _ in rows)
        digits = max(len(f"{total:,}"), 5)
        lines = [(len(title), self._paint(title, Style.BOLD))]
        for label, count, style in rows:
            figures = f"  {count:>{digits},}  {share(count, total):>7}" if count else f"  {0:>{digits}}         "
            line = f"{label:<{label_width}}"
            if not count:
                painted = self._paint(line + figures, Style.DIM)
            else:
                painted = (self._paint(line, style) if style else line) + figures
            lines.append((2 + label_width + len(figures), f"  {painted}"))
        return lines

    # The verdict -----------------------------------------------------------------------------------------------------

    def _flaky(self, flaky: Collection[tuple[str, str]]) -> Iterator[str]:
        if not flaky:
            return
        meaning = "back and forth in the last runs (o ok, b broken, d down, u unverified)"
        yield self._heading("Flaky", Style.BOLD_YELLOW, meaning)
        width = max(len(record) for _, record in flaky)
        for url, record in flaky:
            yield f"  {record:>{width}}  {shorten_middle(escape_terminal(url), LONGEST_URL)}"

    def _verdict(self, summary: Summary, fail_on: Collection[Outcome], excused: int) -> Iterator[str]:
        yield from self._wrapped(_work_done(summary), "")
        verdict, style = _judgement(summary, fail_on, excused)
        unverified = 0 if Outcome.UNVERIFIED in fail_on else summary.outcomes[Outcome.UNVERIFIED]
        *lines, last = self._wrapped(verdict, "")
        yield from (self._paint(line, style) for line in lines)
        warning = f"{unverified:,} unverified." if unverified else ""
        if len(last) + 1 + len(warning) <= self._width:
            yield f"{self._paint(last, style)} {warning}"
        else:
            yield self._paint(last, style)
            yield warning
        if summary.rows_lost:
            yield self._paint(f"Internal error: {summary.rows_in:,} rows in, {summary.rows_out:,} out.", Style.BOLD_RED)


def _judgement(summary: Summary, fail_on: Collection[Outcome], excused: int = 0) -> tuple[str, Style]:
    """What the exit code says, in words."""
    if excused and not summary.is_network_lost:
        new = summary.failed(fail_on) - excused
        if new:
            return (
                f"Failed: {new:,} that the baseline does not excuse, beside {excused:,} that it does.",
                Style.BOLD_RED,
            )
        if not summary.is_partial:
            return f"Passed: nothing failed but {excused:,} that the baseline excuses.", Style.BOLD_GREEN
        return f"Cut short: nothing failed until then but {excused:,} that the baseline excuses.", Style.BOLD_YELLOW
    failed = ", ".join(
        f"{summary.outcomes[outcome]:,} {outcome}"
        for outcome in Outcome
        if outcome in fail_on and summary.outcomes[outcome]
    )
    if summary.is_network_lost:
        until_then = f" Failed until then: {failed}." if failed else ""
        return f"No verdict: your network was lost.{until_then}", Style.BOLD_YELLOW
    if failed:
        return f"Failed: {failed}.", Style.BOLD_RED
    if summary.is_partial:
        return "Cut short: no URL failed until then.", Style.BOLD_YELLOW
    if not summary.rows_out:
        return "Nothing was checked.", Style.BOLD_YELLOW
    if summary.outcomes[Outcome.OK] == summary.rows_out:
        return "Passed: every URL is ok.", Style.BOLD_GREEN
    return "Passed: no URL failed.", Style.BOLD_GREEN


def _work_done(summary: Summary) -> str:
    duplicates = f" ({counted(summary.duplicates, 'duplicate')})" if summary.duplicates else ""
    rate = ""
    if summary.seconds > 0 and summary.requests:
        per_second = summary.rows_out / summary.seconds
        rate = f", {per_second:,.0f} a second" if per_second >= 10 else f", {per_second:.1f} a second"
    urls = counted(summary.rows_out, "URL")
    requests = counted(summary.requests, "request")
    return f"{urls}{duplicates} in {duration(summary.seconds)}{rate}; {requests} sent."


def _bold(outcome: Outcome) -> Style:
    return Style.BOLD_YELLOW if outcome is Outcome.UNVERIFIED else Style.BOLD_RED


def _reasons(summary: Summary, outcome: Outcome) -> list[tuple[str, int]]:
    """The outcome's reasons with their counts, the most frequent first, equals by name."""
    counts = [(reason, count) for (of, reason), count in summary.reasons.items() if of is outcome]
    return sorted(counts, key=lambda item: (-item[1], item[0]))


def _explanation(row: Result) -> str:
    """The detail, with the status before it where the reason does not name it already."""
    status = "" if row.status is None or row.reason == http_reason(row.status) else f"status {row.status}"
    return escape_terminal(": ".join(filter(None, (status, row.detail))))


def _shared(texts: Iterable[str]) -> str:
    """What all of `texts` are, or "" where they differ."""
    distinct = set(texts)
    return escape_terminal(distinct.pop()) if len(distinct) == 1 else ""


def _places(rows: list[Result]) -> list[str]:
    places = list(dict.fromkeys(row.found_in for row in rows if row.found_in))
    shown = list(map(escape_terminal, places[:PLACES_PER_URL]))
    left = len(places) - PLACES_PER_URL
    if left > 0:
        shown[-1] += f" and {left:,} more"
    return shown
