"""A plan, as text for people and as an object for scripts.

Contract: pure. The text's list of hosts is bounded and says what it left out, the object's has every host that is told
apart. Nothing is told by colour alone; what comes from a list is harmless for a terminal.
Not in here: counting (`census`), the estimate (`core.forecast`), writing (`plan_run`).
"""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self, assert_never

from urlsweep.cli.census import Census, HostPlan
from urlsweep.core.forecast import Assumptions, Constraint, Forecast, HostBounds, Load, forecast
from urlsweep.core.limits import Bounds, Limits, PaceBy
from urlsweep.core.model import Outcome
from urlsweep.engine import WINDOW
from urlsweep.reports.escaping import escape_terminal
from urlsweep.reports.figures import counted, pace, rough_duration
from urlsweep.reports.layout import pad, shorten_middle, text_width
from urlsweep.reports.palette import Style, paint

VERSION: Final = 1
"""The object's version. Keys are only ever added to it."""

HOSTS_SHOWN: Final = 20
REASONS_SHOWN: Final = 5
NARROWEST: Final = 60
WIDEST: Final = 140
LEAST_BOUNDS: Final = 24
"""Columns for a host's bounds; what is longer goes on in the next line."""

LEAST_HOST: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a check would do."""

    rows: int
    urls: int  # distinct ones that would be asked
    duplicates: int
    refused: Counter[tuple[Outcome, str]]  # rows that would not be asked, with the reason
    hosts: list[HostPlan]  # the one that takes longest first
    urls_of_further_hosts: int  # beyond those told apart
    documents: int  # fetched to know the URLs
    forecast: Forecast
    assumptions: Assumptions
    limits: Limits
    notes: tuple[str, ...]  # what the estimate leaves out, in sentences

    @classmethod
    def of(cls, census: Census, assumptions: Assumptions, documents: int) -> Self:
        """The plan for what `census` has counted."""
        limits = census.limits
        hosts = census.plans(assumptions)
        loads = [Load(host.urls, host.bounds.bounds, host.latency) for host in hosts]
        if census.urls_of_further_hosts:
            unbound = Bounds(limits.concurrency, limits.concurrency, first=limits.concurrency)
            loads.append(Load(census.urls_of_further_hosts, unbound, assumptions.latency))
        return cls(
            rows=census.rows,
            urls=census.urls,
            duplicates=census.duplicates,
            refused=census.refused,
            hosts=hosts,
            urls_of_further_hosts=census.urls_of_further_hosts,
            documents=documents,
            forecast=forecast(loads, limits, assumptions),
            assumptions=assumptions,
            limits=limits,
            notes=tuple(_notes(census)),
        )


def _notes(census: Census) -> Iterator[str]:
    if census.policy.robots_matter:
        yield "robots.txt is not asked for here: what it disallows or delays is not counted"
    if census.limits.pace_by is PaceBy.ADDRESS:
        yield "which hosts share an address is not known before they are asked: each is counted with a limit of its own"
    if census.urls > WINDOW:
        yield (
            f"{WINDOW:,} rows are read ahead at most: where a list is sorted by host, few hosts are asked at a time, "
            "and it takes longer"
        )
    if not census.is_exact:
        yield "the disk for temporary files is full or failing: some duplicates are counted as further URLs"


# Text ----------------------------------------------------------------------------------------------------------------


def render_plan(plan: Plan, *, color: bool = False, width: int = 80) -> str:
    """The plan as text that ends in a line feed; `width` is in terminal columns."""
    page = _Page(color, max(NARROWEST, min(width, WIDEST)))
    sections = [page.heading(plan), page.hosts(plan), page.rows(plan), page.estimate(plan)]
    return "\n\n".join("\n".join(line.rstrip() for line in lines) for lines in map(list, sections) if lines) + "\n"


class _Page:
    """Text of one width, with or without colour."""

    def __init__(self, color: bool, width: int) -> None:
        self._color = color
        self._width = width

    def _paint(self, text: str, style: Style) -> str:
        return paint(text, style, color=self._color)

    def _wrapped(self, text: str, indent: str = "  ", first: str | None = None) -> list[str]:
        return textwrap.wrap(
            text,
            self._width,
            initial_indent=indent if first is None else first,
            subsequent_indent=indent,
            break_on_hyphens=False,
        )

    def heading(self, plan: Plan) -> Iterator[str]:
        if plan.urls:
            hosts = counted(len(plan.hosts), _noun(plan)) + (" or more" if plan.urls_of_further_hosts else "")
            sentence = f"A check would ask {counted(plan.urls, 'URL')} on {hosts}, in {_time(plan)}."
        else:
            sentence = "A check would ask nothing."
        yield from (self._paint(line, Style.BOLD) for line in self._wrapped(sentence, ""))
        if plan.documents:
            yield from self._wrapped(
                f"For this plan {counted(plan.documents, 'document')} (sitemaps, robots.txt for them) "
                f"{'was' if plan.documents == 1 else 'were'} asked for, and nothing else.",
                "",
            )
        else:
            yield "For this plan nothing was asked."

    def hosts(self, plan: Plan) -> Iterator[str]:
        shown = plan.hosts[:HOSTS_SHOWN]
        if not shown:
            return
        title = f"{_noun(plan).capitalize()}s ({len(plan.hosts):,})"
        names = [escape_terminal(host.host.removesuffix(":443")) for host in shown]
        urls = [f"{host.urls:,}" for host in shown]
        times = [rough_duration(host.seconds) for host in shown]
        bounds = [_bounds(host.bounds) for host in shown]
        urls_width = max(map(len, ["URLs", *urls]))
        times_width = max(map(len, ["estimate", *times]))
        room = self._width - 2 - (2 + urls_width) - (2 + times_width) - 2  # for names and bounds
        wanted = max(map(len, bounds))
        longest = max(len(title) - 2, *map(text_width, names))
        column = max(LEAST_HOST, min(longest, room - min(wanted, LEAST_BOUNDS)))
        beside = max(LEAST_BOUNDS, room - column)
        headings = f"  {'URLs':>{urls_width}}  {'estimate':>{times_width}}  bounds"
        yield self._paint(pad(title, column + 2), Style.BOLD) + self._paint(headings, Style.DIM)
        for name, count, time, bound in zip(names, urls, times, bounds, strict=True):
            first, *more = textwrap.wrap(bound, beside)
            start = f"  {pad(shorten_middle(name, column), column)}  {count:>{urls_width}}  {time:>{times_width}}  "
            yield start + first
            yield from (" " * text_width(start) + line for line in more)
        left = plan.hosts[HOSTS_SHOWN:]
        if left:
            rest = counted(sum(host.urls for host in left), "URL")
            yield f"  and {counted(len(left), 'more ' + _noun(plan))} with {rest}, {_at_most(left[0].seconds)} each"
        if plan.urls_of_further_hosts:
            yield from self._wrapped(
                f"and {counted(plan.urls_of_further_hosts, 'URL')} on further {_noun(plan)}s: only {len(plan.hosts):,} "
                "are told apart"
            )

    def rows(self, plan: Plan) -> Iterator[str]:
        lines = [("to ask", plan.urls, "")]
        if plan.duplicates:
            lines.append(("duplicate", plan.duplicates, "asked once, with a row for each"))
        for outcome in Outcome:
            reasons = sorted(
                ((reason, count) for (of, reason), count in plan.refused.items() if of is outcome),
                key=lambda item: (-item[1], item[0]),
            )
            if reasons:
                lines.append((outcome, sum(count for _, count in reasons), _listed(reasons)))
        digits = max(len(f"{count:,}") for _, count, _ in lines)
        labels = max(len(label) for label, _, _ in lines)
        yield self._paint(f"Rows ({plan.rows:,})", Style.BOLD)
        for label, count, explanation in lines:
            start = f"  {label:<{labels}}  {count:>{digits},}  "
            yield from self._wrapped(explanation, " " * len(start), start) or [start]

    def estimate(self, plan: Plan) -> Iterator[str]:
        if not plan.urls:
            return
        requests = counted(plan.forecast.requests, "request")
        yield self._paint("Estimate", Style.BOLD) + f": {_time(plan)}, {requests}"
        yield from self._wrapped(f"limited by {_constraint(plan)}")
        yield from self._wrapped(_assumed(plan))
        for note in plan.notes:
            yield from self._wrapped(note)


def _noun(plan: Plan) -> str:
    return "domain" if plan.limits.pace_by is PaceBy.DOMAIN else "host"


def _time(plan: Plan) -> str:
    text = rough_duration(plan.forecast.seconds)
    return text if text.startswith("under") else f"about {text}"


def _at_most(seconds: float) -> str:
    text = rough_duration(seconds)
    return text if text.startswith("under") else f"{text} at most"


def _bounds(host: HostBounds) -> str:
    """How many at once and how far apart, and which rule says so."""
    start, cap, gap, *_ = host.bounds
    if host.is_learned and start < cap:
        at_once = f"{start:,} to {cap:,} at once, learned"
    else:
        at_once = f"{cap:,} at once{_by(host.at_once_rule)}"
    return f"{at_once}, {pace(1 / gap)}{_by(host.gap_rule)}" if gap else at_once


def _by(rule: int | None) -> str:
    return "" if rule is None else f" (rule {rule})"


def _listed(reasons: list[tuple[str, int]]) -> str:
    """Reasons with their counts; the count alone says nothing new where there is but one."""
    if len(reasons) == 1:
        return escape_terminal(reasons[0][0])
    text = ", ".join(f"{escape_terminal(reason)} {count:,}" for reason, count in reasons[:REASONS_SHOWN])
    left = sum(count for _, count in reasons[REASONS_SHOWN:])
    return f"{text} and {left:,} others" if left else text


def _constraint(plan: Plan) -> str:
    constraint = plan.forecast.constraint
    match constraint:
        case Constraint.HOST:
            host = plan.hosts[0]
            name = escape_terminal(shorten_middle(host.host.removesuffix(":443"), WIDEST // 2))
            return f"{name}, which takes longest: {counted(host.urls, 'URL')}, {_bounds(host.bounds)}"
        case Constraint.SLOTS:
            return f"--concurrency: {counted(plan.limits.concurrency, 'request')} at once in all"
        case Constraint.TOTAL_RATE:
            return f"--total-rate: {pace(plan.limits.total_rate or 1.0)} in all"
        case Constraint.PROGRAM:
            return f"the program itself: one core sends some {plan.assumptions.program_rate:,.0f} requests a second"
        case _:
            assert_never(constraint)


def _assumed(plan: Plan) -> str:
    assumptions = plan.assumptions
    latency = f"{assumptions.latency:g} s a request"
    if assumptions.private_latency != assumptions.latency:
        latency += f" ({assumptions.private_latency:g} s to private hosts; --latency says otherwise)"
    shares = [
        f"{what} for {100 * share:g} %"
        for share, what in ((assumptions.get_share, "GET after HEAD"), (assumptions.redirect_share, "a redirect"))
        if share
    ]
    further = f"{' and '.join(shares)} of the URLs, " if shares else ""
    return f"assuming {latency}, {further}no push-back and no later try"


# For scripts ---------------------------------------------------------------------------------------------------------


def plan_object(plan: Plan) -> dict[str, object]:
    """The plan as a JSON object; times are in seconds."""
    refused: dict[str, dict[str, int]] = {}
    for (outcome, reason), count in plan.refused.most_common():
        refused.setdefault(outcome, {})[reason] = count
    assumptions = plan.assumptions
    return {
        "version": VERSION,
        "rows": plan.rows,
        "urls": plan.urls,
        "duplicates": plan.duplicates,
        "not_asked": refused,
        "documents_fetched": plan.documents,
        "hosts": [_host_object(host) for host in plan.hosts],
        "urls_of_further_hosts": plan.urls_of_further_hosts,
        "estimate": {
            "seconds": round(plan.forecast.seconds, 3),
            "requests": plan.forecast.requests,
            "limited_by": str(plan.forecast.constraint),
        },
        "assumptions": {
            "latency": assumptions.latency,
            "private_latency": assumptions.private_latency,
            "get_share": assumptions.get_share,
            "redirect_share": assumptions.redirect_share,
            "requests_a_second": assumptions.program_rate,
        },
        "notes": list(plan.notes),
    }


def _host_object(host: HostPlan) -> dict[str, object]:
    start, cap, gap, *_ = host.bounds.bounds
    return {
        "host": host.host,
        "urls": host.urls,
        "seconds": round(host.seconds, 3),
        "at_once": {"from": min(start, cap), "to": cap, "is_learned": host.bounds.is_learned},
        "delay": gap,
        "rules": sorted({rule for rule in (host.bounds.at_once_rule, host.bounds.gap_rule) if rule is not None}),
    }
