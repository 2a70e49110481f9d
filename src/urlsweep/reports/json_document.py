"""JSON: the whole run as one document, streamed.

``{"version": 1, "results": [row, ...], "summary": {...}}``: the rows come first because they are written as they
finish; memory stays flat. Rows are those of JSON Lines, one to a line.

Contract: the document is valid once it is closed, after a run that was cut short too (`summary.is_partial` is in it). A
process that was killed leaves it open at the end: JSON Lines is the format for that case.
"""

from __future__ import annotations

from typing import BinaryIO, Final

from urlsweep.core.model import Category, Outcome, Result
from urlsweep.core.summary import Summary
from urlsweep.reports.escaping import escape_json
from urlsweep.reports.json_lines import encode_row, encode_value
from urlsweep.reports.options import ReportOptions

VERSION: Final = 1
"""The schema's version. Keys are only ever added to it."""

NO_CATEGORY: Final = "none"
"""The key in `summary.categories` that counts the rows without a valid HTTP answer."""

SLOWEST_HOSTS: Final = 10


class JsonReport:
    """Writes the run as one JSON document."""

    def __init__(self, stream: BinaryIO, options: ReportOptions) -> None:
        self._stream = stream
        self._is_shown = options.width is not None
        self._before_row = f'{{"version":{VERSION},"results":[\n'.encode()

    def write(self, result: Result) -> None:
        """Write one row and flush it."""
        self._stream.write(self._before_row + encode_row(result, is_shown=self._is_shown))
        self._stream.flush()
        self._before_row = b",\n"

    def close(self, summary: Summary) -> None:
        """End the array of rows and write the summary."""
        start = b"" if self._before_row == b",\n" else self._before_row
        ending = encode_value(summary_object(summary))
        if self._is_shown:
            ending = escape_json(ending.decode()).encode()
        self._stream.write(start + b'\n],"summary":' + ending + b"}\n")
        self._stream.flush()


def summary_object(summary: Summary) -> dict[str, object]:
    """`summary` as a JSON object: every outcome and category is there, also with 0; reasons only where they
    occurred.
    """
    reasons: dict[str, dict[str, int]] = {}
    for outcome in Outcome:
        counts = {reason: count for (of, reason), count in summary.reasons.most_common() if of is outcome}
        if counts:
            reasons[outcome] = counts
    return {
        "rows_in": summary.rows_in,
        "rows_out": summary.rows_out,
        "requests": summary.requests,
        "duplicates": summary.duplicates,
        "seconds": round(summary.seconds, 3),
        "is_partial": summary.is_partial,
        "input_exhausted": summary.input_exhausted,
        "is_network_lost": summary.is_network_lost,
        "outcomes": {str(outcome): summary.outcomes[outcome] for outcome in Outcome},
        "reasons": reasons,
        "categories": {str(category): summary.categories[category] for category in Category}
        | {NO_CATEGORY: summary.categories[None]},
        "slowest_hosts": [
            {
                "host": times.host,
                "requests": times.requests,
                "mean_seconds": round(times.mean, 3),
                "slowest_seconds": round(times.slowest, 3),
            }
            for times in summary.slowest_hosts(SLOWEST_HOSTS)
        ],
        "limited_by": {str(limiter): round(seconds, 3) for limiter, seconds in summary.bottleneck.seconds.items()},
        "slowed_hosts": [
            {
                "host": slowed.host,
                "requests": slowed.requests,
                "at_once": slowed.at_once,
                "rate": None if slowed.rate is None else round(slowed.rate, 3),
                "cause": str(slowed.cause),
                "held_seconds": round(slowed.held, 3),
                "push_backs": dict(slowed.push_backs),
                "is_given_up": slowed.is_given_up,
            }
            for slowed in summary.bottleneck.slowed
        ],
        "warnings": list(summary.warnings),
    }
