"""What one case of a scenario came to, and the table that says so.

Contract: a Finding is data; `is_met` is None where nothing was promised.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from benchmarks.simulation.run import Record, Second


@dataclass(frozen=True, slots=True)
class Finding:
    """One case."""

    case: str
    record: Record
    ideal: float | None  # seconds; None: time is not what this is about
    most_at_once: int  # at the host that this is about, or at any
    figure: str = ""  # what else was measured, beside what was promised
    is_met: bool | None = None
    notes: tuple[str, ...] = ()  # lines of their own

    @property
    def ratio(self) -> float | None:
        """The time taken, as a multiple of the ideal."""
        return self.record.seconds / self.ideal if self.ideal else None

    @property
    def wrong(self) -> int:
        """URLs of which something was said that is not so."""
        return self.record.wrong.total()

    @property
    def verdict(self) -> str:
        """PASS, MISS, or nothing where nothing was promised."""
        return {True: "PASS", False: "MISS", None: ""}[self.is_met]


_COLUMNS: Final = (
    # heading, width; a negative width is flush left
    ("case", -46),
    ("URLs", 9),
    ("time s", 9),
    ("ideal s", 9),
    ("ratio", 6),
    ("requests", 9),
    ("pushed", 7),
    ("share", 6),
    ("wrong", 6),
    ("peak", 5),
    ("", -4),
    ("figure", -1),
)


def heading() -> str:
    """The table's first line."""
    return _line([name for name, _ in _COLUMNS])


def row(finding: Finding) -> str:
    """One line of the table."""
    record = finding.record
    return _line(
        [
            finding.case,
            f"{record.urls:,}",
            f"{record.seconds:,.2f}",
            "" if finding.ideal is None else f"{finding.ideal:,.2f}",
            "" if finding.ratio is None else f"{finding.ratio:.2f}",
            f"{record.requests:,}",
            f"{record.pushed:,}",
            f"{record.pushed_share:.1%}",
            f"{finding.wrong:,}",
            f"{finding.most_at_once}",
            finding.verdict,
            finding.figure,
        ]
    )


def lines_below(finding: Finding, most: int = 5) -> Iterator[str]:
    """What is told below a case's row: what was said that is not so, notes, and the trace, where there is one."""
    for (host, truth), count in finding.record.wrong.most_common(most):
        yield f"    wrong: {count:,} of {host} told {truth.outcome} ({truth.reason})"
    for note in finding.notes:
        yield f"    {note}"
    yield from _trace_lines(finding.record.trace)


def _trace_lines(trace: Mapping[int, Second]) -> Iterator[str]:
    """A host's seconds, those in which nothing happened left out."""
    for number, second in sorted(trace.items()):
        pushed = second.sent - second.served
        bar = "#" * math.ceil(second.served / 10) + "!" * math.ceil(pushed / 10)
        yield (
            f"    {number:>6} s  sent {second.sent:>5}  served {second.served:>5}  not served {pushed:>5}"
            f"  at once {second.most_at_once:>3}  {bar}"
        )


def tally(findings: Iterable[Finding]) -> str:
    """How many cases were met, of those of which something was promised."""
    verdicts = [finding.is_met for finding in findings if finding.is_met is not None]
    return f"{sum(verdicts)} of {len(verdicts)} met"


def _line(cells: Iterable[str]) -> str:
    parts = []
    for cell, (_, width) in zip(cells, _COLUMNS, strict=True):
        parts.append(cell.ljust(-width) if width < 0 else cell.rjust(width))
    return " ".join(parts).rstrip()
