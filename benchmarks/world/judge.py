"""Holds what a tool said against the plan.

Contract: pure. Every line of the list has to be answered once; a tool that tells reasons is judged by them word for
word, and every tool by the one question all of them answer: does the link work. Where the truth is "cannot tell" (a bot
wall), no tool is called wrong by that question.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import can_ada

from benchmarks.world.plan import Plan, Row
from benchmarks.world.tools import Said

EXAMPLES: Final = 5
"""Wrong answers shown for each kind."""


@dataclass
class Judgement:
    """What a tool got right."""

    rows: int = 0  # lines of the list
    answered: int = 0  # answers given
    missing: list[str] = field(default_factory=list)  # lines without an answer
    unasked: list[str] = field(default_factory=list)  # answers to what no line asked
    untold: list[Said] = field(default_factory=list)  # answers that do not tell what could be told
    false_alarms: dict[str, list[Said]] = field(default_factory=lambda: defaultdict(list))  # works, said not to
    false_calms: dict[str, list[Said]] = field(default_factory=lambda: defaultdict(list))  # works not, said to
    inexact: dict[str, list[tuple[Row, Said]]] = field(default_factory=lambda: defaultdict(list))
    planted: Counter[str] = field(default_factory=Counter)  # rows by what was planted

    @property
    def false_alarm_count(self) -> int:
        """Working links called broken."""
        return sum(map(len, self.false_alarms.values()))

    @property
    def false_calm_count(self) -> int:
        """Broken links called fine."""
        return sum(map(len, self.false_calms.values()))

    @property
    def inexact_count(self) -> int:
        """Rows whose outcome, reason or status is not the planted one."""
        return sum(map(len, self.inexact.values()))

    @property
    def is_flawless(self) -> bool:
        """Every row answered once and every answer right."""
        return not (
            self.missing or self.unasked or self.false_alarm_count or self.false_calm_count or self.inexact_count
        )


def normal(url: str) -> str:
    """`url` as browsers write it, fragment apart; as it is where it is no URL. Some tools report no other form."""
    try:
        parsed = can_ada.parse(url)
    except ValueError:
        return url
    parsed.hash = ""
    return str(parsed.href)


def judge(plan: Plan, answers: Iterable[Said], *, by_reason: bool) -> Judgement:
    """Compare. `by_reason` also holds outcome, reason and status against the plan."""
    judgement = Judgement(rows=len(plan.rows))
    open_rows: defaultdict[str, list[Row]] = defaultdict(list)
    for row in plan.rows:
        judgement.planted[row.label] += 1
        open_rows[row.line if by_reason else normal(row.line)].append(row)
    for said in answers:
        judgement.answered += 1
        rows = open_rows.get(said.url if by_reason else normal(said.url))
        if not rows:
            if by_reason or rows is None:  # by URL: another line of it has been given the answer
                judgement.unasked.append(said.url)
            continue
        # A tool that reports by URL answers all lines of that URL at once.
        for row in [rows.pop()] if by_reason else [rows.pop() for _ in range(len(rows))]:
            _compare(judgement, row, said, by_reason)
    judgement.missing = [row.line for rows in open_rows.values() for row in rows]
    return judgement


def _compare(judgement: Judgement, row: Row, said: Said, by_reason: bool) -> None:
    if row.truth.works is True and said.works is False:
        judgement.false_alarms[row.label].append(said)
    elif row.truth.works is False and said.works is True:
        judgement.false_calms[row.label].append(said)
    elif row.truth.works is not None and said.works is None:
        judgement.untold.append(said)
    if by_reason and (said.outcome, said.reason, said.status) != tuple(row.truth):
        judgement.inexact[row.label].append((row, said))
