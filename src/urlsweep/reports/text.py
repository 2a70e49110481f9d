"""Text: a line a row, for people and for grep.

``broken      404  https://example.org/old  urls.txt:7  http.404: Not Found``

that is: outcome, final status (``-`` where there was no answer), URL, where it was found, then the reason and the
sentence that goes with it, and ``-> URL`` where redirects led elsewhere. Columns stand two spaces apart; they start
narrow and grow with what comes, up to a bound, since rows are written before the longest is known.

Rows that need a person's eye are written: all but `ok` and `skipped`. `ReportOptions.verbose` from 1 on adds those.

Contract: one line is one row, whatever a URL holds (see `escape_terminal`). A URL is never cut to the terminal's width,
because a cut one can be neither opened nor searched for; what gives way is the sentence at the end, then the place,
then all of the sentence but the reason: the summary tells them again. A run that was cut short ends with a line that
says so.
"""

from __future__ import annotations

from typing import BinaryIO, Final

from urlsweep.core.model import Outcome, Result
from urlsweep.core.summary import Summary
from urlsweep.reports.escaping import encode, escape_terminal
from urlsweep.reports.layout import pad, shorten_end, shorten_middle, text_width
from urlsweep.reports.options import ReportOptions
from urlsweep.reports.palette import OUTCOME_STYLES, Style, paint

QUIET_OUTCOMES: Final = frozenset({Outcome.OK, Outcome.SKIPPED})
"""What is not written without `verbose`."""

LONGEST_TEXT: Final = 2000
"""Columns of a URL, a place or a sentence that are shown: nobody follows a longer link by hand, and a hostile list
may hold lines of megabytes. CSV and JSON have it whole."""

_WIDEST_URL_COLUMN: Final = 60
_WIDEST_PLACE_COLUMN: Final = 28
_OUTCOME_WIDTH: Final = max(map(len, Outcome))
_STATUS_WIDTH: Final = 3
_LEAST_TAIL: Final = 24  # columns; with fewer left the sentence would be nothing but its ellipsis
_GAP: Final = "  "


class TextReport:
    """Writes each row as a line of text."""

    def __init__(self, stream: BinaryIO, options: ReportOptions) -> None:
        self._stream = stream
        self._color = options.color
        self._width = options.width
        self._shows_all = options.verbose > 0
        self._widest_url = min(_WIDEST_URL_COLUMN, (options.width or 2 * _WIDEST_URL_COLUMN) // 2)
        self._url_width = 0
        self._place_width = 0

    def write(self, result: Result) -> None:
        """Write one row and flush it, if it is one that is shown."""
        if self._shows_all or result.outcome not in QUIET_OUTCOMES:
            self._stream.write(encode(self._line(result) + "\n"))
            self._stream.flush()

    def close(self, summary: Summary) -> None:
        """Say so if the run was cut short."""
        if summary.is_partial:
            self._stream.write(encode(f"cut short after {summary.rows_out:,} rows: not every URL was asked\n"))
        self._stream.flush()

    def _line(self, result: Result) -> str:
        url = shorten_middle(escape_terminal(result.url), LONGEST_TEXT)
        longest_place = LONGEST_TEXT if self._width is None else _WIDEST_PLACE_COLUMN
        place = shorten_middle(escape_terminal(result.found_in), longest_place)
        self._url_width = _grown(self._url_width, text_width(url), self._widest_url)
        self._place_width = _grown(self._place_width, text_width(place), _WIDEST_PLACE_COLUMN)

        status = "-" if result.status is None else str(result.status)
        outcome = f"{result.outcome:<{_OUTCOME_WIDTH}}"
        before = _GAP.join((f"{status:>{_STATUS_WIDTH}}", pad(url, self._url_width), ""))
        place_and_gap = pad(place, self._place_width) + _GAP if place or self._place_width else ""
        tail = _tail(result)
        if self._width is not None:
            room = self._width - len(outcome) - len(_GAP) - text_width(before)
            if room - text_width(place_and_gap) < min(text_width(tail), _LEAST_TAIL):
                place_and_gap = place = ""
            left = room - text_width(place_and_gap)
            tail = shorten_end(tail, left) if left >= _LEAST_TAIL else escape_terminal(result.reason or "")
        if not tail:
            place_and_gap = place
        style = OUTCOME_STYLES[result.outcome]
        line = (
            f"{paint(outcome, style, color=self._color)}{_GAP}{before}"
            f"{paint(place_and_gap, Style.DIM, color=self._color)}{tail}"
        )
        return line.rstrip()


def _grown(column: int, width: int, bound: int) -> int:
    """The column's width once something `width` wide stood in it; what is beyond the bound sticks out, alone."""
    return max(column, width) if width <= bound else column


def _tail(result: Result) -> str:
    reason = ": ".join(filter(None, (result.reason, result.detail)))
    target = f"-> {result.final_url}" if result.hops and result.final_url else ""
    return shorten_end(escape_terminal(_GAP.join(filter(None, (reason, target)))), LONGEST_TEXT)
