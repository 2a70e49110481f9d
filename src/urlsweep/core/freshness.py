"""How long what a run found out may be trusted by a later one.

Contract: pure. Not in here: where earlier rows are kept, and whether they were asked in the same way.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from urlsweep.core.model import Outcome, Result


def is_fresh(row: Result, times_to_live: Mapping[Outcome, float], now: float) -> bool:
    """Whether `row` is still to be trusted at `now` (seconds since the epoch).

    `times_to_live` holds seconds by outcome: what is not in it is never trusted. A row counts from when its URL was
    asked, however often it has been trusted since; one that comes from the future, by a clock that was wrong, is not.
    """
    time_to_live = times_to_live.get(row.outcome)
    return time_to_live is not None and row.checked_at is not None and is_within(row.checked_at, time_to_live, now)


def is_within(moment: str, seconds: float, now: float) -> bool:
    """Whether `moment` (RFC 3339) is at most so long ago, and not to come."""
    try:
        return 0 <= now - dt.datetime.fromisoformat(moment).timestamp() < seconds
    except ValueError:
        return False
