"""`--only`: leaves rows out of a report.

Contract: the rows alone are filtered; the summary counts every row, whatever is shown.
"""

from __future__ import annotations

from collections.abc import Iterable

from urlsweep.core.model import Outcome, Result
from urlsweep.core.summary import Summary
from urlsweep.reports import Report


class OnlyOutcomes:
    """Passes on to `report` the rows whose outcome is one of `outcomes`."""

    def __init__(self, report: Report, outcomes: Iterable[Outcome]) -> None:
        self._report = report
        self._outcomes = frozenset(outcomes)

    def write(self, result: Result) -> None:
        """Write the row if its outcome is wanted."""
        if result.outcome in self._outcomes:
            self._report.write(result)

    def close(self, summary: Summary) -> None:
        """Close the report with the whole run's summary."""
        self._report.close(summary)
