"""Figures as people say them: counts, shares, durations, rates.

Contract: pure functions, plain ASCII. Not in here: colour, width, and what is worth telling.
"""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """``1 URL``, ``1,234 URLs``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def share(count: int, total: int) -> str:
    """A percentage that never says 0 for something nor 100 for less than all."""
    tenths = round(1000 * count / total)
    if not tenths:
        return "< 0.1 %"
    return f"{(1000 if count == total else min(tenths, 999)) / 10:.1f} %"


def duration(seconds: float) -> str:
    """`seconds` as people say it: ``85 ms``, ``12.4 s``, ``3 min 04 s``, ``2 h 05 min``."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    return _minutes(seconds)


def rough_duration(seconds: float) -> str:
    """The same for what is not known well: ``under 1 s``, ``12 s``, ``3 min 04 s``, ``2 h 05 min``."""
    if seconds < 0.9995:
        return "under 1 s"
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    return _minutes(seconds)


def _minutes(seconds: float) -> str:
    if seconds < 3599.5:
        minutes, rest = divmod(round(seconds), 60)
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours:,} h {minutes:02} min"


def pace(rate: float) -> str:
    """`rate` in requests a second: ``400 a second``, ``2.5 a second``, ``one every 10 s``, ``one every 2 min 30 s``."""
    if rate >= 1:
        return f"{_plain(rate)} a second"
    gap = 1 / rate
    return f"one every {_plain(gap)} s" if gap < 59.995 else f"one every {_minutes(gap)}"


def _plain(number: float) -> str:
    """Three digits that mean something, zeros behind the point left out."""
    if number >= 99.95:
        return f"{number:,.0f}"
    return f"{number:.{1 if number >= 9.995 else 2}f}".rstrip("0").rstrip(".")
