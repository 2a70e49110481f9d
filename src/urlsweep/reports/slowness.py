"""Why a run took as long as it did: what it was limited by, and which hosts were slowed.

Contract: pure functions from a `Summary` to lines of text within a width; no lines where there is nothing worth
telling. Lists are bounded and say what they left out. Colour is put on by `paint` and never tells anything alone.
Not in here: the rest of the summary's page (`summary`).
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from typing import Final, assert_never

from urlsweep.core.bottleneck import Bottleneck, Cause, Limiter, SlowedHost
from urlsweep.core.limits import Limits
from urlsweep.core.summary import Summary
from urlsweep.reports.escaping import escape_terminal
from urlsweep.reports.figures import duration, pace
from urlsweep.reports.layout import pad, shorten_end, shorten_middle, text_width
from urlsweep.reports.palette import Style

Paint = Callable[[str, Style], str]

SHORTEST_RUN: Final = 2.0
"""Seconds below which nobody asks why."""

LEAST_SHARE: Final = 0.03
"""Of the run's time; less would not have made a run that anybody notices to be shorter."""

LEAST_REQUESTS_SHARE: Final = 0.1
"""Of all requests' time; below it look-ups and time-outs are ordinary."""

BUSY: Final = 0.7
"""Of one core: from here on requests begin to wait for the program itself."""

SLOWED_HOSTS: Final = 5
PUSH_BACKS_PER_HOST: Final = 3
NARROWEST_HOST: Final = 20
"""Columns for a host's name; where a table leaves less, what is told of it goes below it."""


def limited_by(summary: Summary, limits: Limits | None, paint: Paint) -> Iterator[str]:
    """What the run was limited by, with each one's share of its time, the largest first."""
    bottleneck = summary.bottleneck
    total = sum(bottleneck.seconds.values())
    if summary.seconds < SHORTEST_RUN or total <= 0:
        return
    shares = sorted(
        ((limiter, seconds / total) for limiter, seconds in bottleneck.seconds.items()), key=lambda item: -item[1]
    )
    shown = [(limiter, share) for limiter, share in shares if share >= LEAST_SHARE]
    if not shown:
        return
    yield paint("Limited by", Style.BOLD) + paint(" (share of the run's time)", Style.DIM)
    for limiter, share in shown:
        yield f"  {_percent(share):>5}  {_cause(limiter, limits)}"
    if any(limiter in (Limiter.SLOTS, Limiter.ANSWERS) for limiter, _ in shown):
        yield from _spent_by_requests(bottleneck)
    busy = bottleneck.cpu_seconds / summary.seconds
    if busy >= BUSY:
        several = f"the busiest of {bottleneck.processes} processes, each of which uses one core"
        uses = "urlsweep uses one core (--processes)" if bottleneck.processes == 1 else several
        yield f"  CPU {_percent(min(busy, 1.0))} busy: {uses}"


def _cause(limiter: Limiter, limits: Limits | None) -> str:
    match limiter:
        case Limiter.SLOTS:
            slots = f"all {limits.concurrency:,} slots taken" if limits is not None else "every slot taken"
            return f"{slots} (--concurrency)"
        case Limiter.TOTAL_RATE:
            most = f": {pace(limits.total_rate)}" if limits is not None and limits.total_rate is not None else ""
            return f"--total-rate{most} in all"
        case Limiter.NETWORK:
            return "your network: nobody answered, and only probes were sent"
        case Limiter.HOSTS:
            return "hosts' own limits"
        case Limiter.INPUT:
            return "reading the input"
        case Limiter.TIMEOUTS:
            return "time-outs: nothing was left but hosts that keep silent"
        case Limiter.LATER_TRIES:
            return "later tries: nothing was left but what had to be asked again"
        case Limiter.ANSWERS:
            return "answers on their way: nothing had to wait"
        case _:
            assert_never(limiter)


def _spent_by_requests(bottleneck: Bottleneck) -> Iterator[str]:
    if bottleneck.request_seconds <= 0:
        return
    parts = [
        f"{_percent(share)} {name}"
        for name, seconds in (
            ("looking up names", bottleneck.lookup_seconds),
            ("requests that timed out", bottleneck.timeout_seconds),
        )
        if (share := min(seconds / bottleneck.request_seconds, 1.0)) >= LEAST_REQUESTS_SHARE
    ]
    if parts:
        yield f"  Of all requests' time: {', '.join(parts)}"


def _percent(share: float) -> str:
    """Whole percents; 100 for nothing less than all."""
    percent = round(100 * share)
    return f"{percent if share >= 1 else min(percent, 99)} %"


def slowed_hosts(summary: Summary, width: int, paint: Paint) -> Iterator[str]:
    """The hosts whose limits held most, each with the limit found and what taught it."""
    bottleneck = summary.bottleneck
    least_held = max(1.0, LEAST_SHARE * summary.seconds)
    shown = [
        slowed for slowed in bottleneck.slowed if slowed.pushed or slowed.is_given_up or slowed.held >= least_held
    ][:SLOWED_HOSTS]
    if not shown:
        return
    title = f"Slowed hosts ({bottleneck.slowed_hosts:,})"
    names = [escape_terminal(slowed.host.removesuffix(":443")) for slowed in shown]
    found = [_limit_found(slowed) for slowed in shown]
    held = [duration(slowed.held) for slowed in shown]
    lessons = [_lesson(slowed) for slowed in shown]
    column = max(len(title) - 2, *map(text_width, names))
    found_width = max(map(len, ["limit found", *found]))
    held_width = max(map(len, ["held back", *held]))
    lesson_width = max(map(text_width, ["push-backs", *lessons]))
    room = width - 2 - (2 + found_width) - (2 + held_width) - (2 + lesson_width)
    if room < min(column, NARROWEST_HOST):
        yield paint(title, Style.BOLD)
        for name, limit, seconds, lesson in zip(names, found, held, lessons, strict=True):
            yield f"  {shorten_middle(name, width - 2)}"
            yield from _wrapped(f"limit found: {limit}; held back: {seconds}; push-backs: {lesson}", width)
    else:
        column = min(column, room)
        headings = f"  {'limit found':>{found_width}}  {'held back':>{held_width}}  push-backs"
        yield paint(pad(title, column + 2), Style.BOLD) + paint(headings, Style.DIM)
        for name, limit, seconds, lesson in zip(names, found, held, lessons, strict=True):
            beside = f"  {limit:>{found_width}}  {seconds:>{held_width}}  {lesson}"
            yield f"  {pad(shorten_middle(name, column), column)}{beside}"
    left = bottleneck.slowed_hosts - len(shown)
    if left > 0:
        yield f"  and {left:,} more that held less"


def _wrapped(text: str, width: int) -> Iterator[str]:
    for line in textwrap.wrap(text, width - 4, break_on_hyphens=False):
        yield f"    {shorten_end(line, width - 4)}"


def _limit_found(slowed: SlowedHost) -> str:
    parts = [
        f"{slowed.at_once:,} at once" if slowed.at_once is not None else "",
        pace(slowed.rate) if slowed.rate is not None and slowed.rate > 0 else "",
    ]
    return ", ".join(filter(None, parts)) or "-"


def _lesson(slowed: SlowedHost) -> str:
    """The push-backs by kind, the most frequent first, and whether the host was given up; without any, what it was."""
    kinds = sorted(slowed.push_backs.items(), key=lambda item: (-item[1], item[0]))
    text = ", ".join(f"{count:,} x {escape_terminal(kind)}" for kind, count in kinds[:PUSH_BACKS_PER_HOST])
    left = sum(count for _, count in kinds[PUSH_BACKS_PER_HOST:])
    if left:
        text += f" and {left:,} others"
    if slowed.is_given_up:
        return f"given up: {text}" if text else "given up"
    return text or _WITHOUT_PUSH_BACK[slowed.cause]


_WITHOUT_PUSH_BACK: Final = {
    Cause.HOST: "none",
    Cause.ALLOWANCE: "none: it said what was left",
    Cause.SETTING: "none: a bound that was set",
    Cause.DEFAULT: "none: --per-host's default",
    Cause.GROWTH: "none: still growing",
}
