"""How a list stands over its runs: what fails, since when, and how often it did of late. And the baseline file of it.

Contract: pure. A `Standing` holds only URLs that failed in one of the last `LONGEST_RECORD` runs, at most `MOST_KEPT`;
it is updated row by row, and turned into a small sorted text that suits a version control system, and back.
Not in here: the comparison of two runs (`comparison`), files.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

from urlsweep.core.model import Outcome, Reason, Result

LONGEST_RECORD: Final = 10
"""Runs that a URL's record tells of: enough to see what is flaky, and a line that says no more changes no more, so that
a baseline in a repository has no new version every night."""

MOST_KEPT: Final = 100_000
"""URLs. Where more than that fail, nobody looks at them one by one; memory stays flat."""

FIRST_LINE: Final = "# urlsweep baseline 1"
_COLUMNS: Final = "# url, since, record of the last runs (o ok, b broken, d down, u unverified, i invalid), reason"

_LETTERS: Final = {
    Outcome.OK: "o",
    Outcome.BROKEN: "b",
    Outcome.DOWN: "d",
    Outcome.UNVERIFIED: "u",
    Outcome.INVALID: "i",
}
_OUTCOMES: Final = {letter: outcome for outcome, letter in _LETTERS.items()}


class BaselineError(ValueError):
    """A text that is no baseline; the message says which line and what is wrong with it."""


class Record(NamedTuple):
    """How one URL fared."""

    url: str
    since: str  # RFC 3339: when it began to fail, or to be as it is now
    letters: str  # an outcome each, the newest run's last
    reason: str  # of the newest run that it failed in

    def streak(self, failing: Collection[Outcome]) -> int:
        """In how many runs in a row it has failed, up to now; 0 where it does not. `LONGEST_RECORD`: or more."""
        letters = self.letters
        length = 0
        while length < len(letters) and _OUTCOMES[letters[-1 - length]] in failing:
            length += 1
        return length

    @property
    def is_flaky(self) -> bool:
        """Whether it went back and forth: its answer changed more than once."""
        return changes(self.letters) > 1


def changes(letters: str) -> int:
    """How often an outcome differs from the one before it."""
    return sum(first != second for first, second in itertools.pairwise(letters))


def known_by(row: Result) -> str:
    """What a URL is known by over several runs: as it was given, but for what no line of a baseline could hold."""
    url = re.sub(_UNSAFE, lambda match: f"%{ord(match[0]):02X}", row.url)
    return f"%23{url[1:]}" if url.startswith("#") else url or "(empty)"


_UNSAFE: Final = r"[\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff]"  # compiled at its first use


def is_told(row: Result) -> bool:
    """Whether `row` says anything about its URL: what was skipped does not."""
    return row.outcome is not Outcome.SKIPPED


class Standing:
    """The records that matter, by URL."""

    def __init__(self, records: Collection[Record] = ()) -> None:
        self._records = {record.url: record for record in records}
        self.is_whole = True  # nothing had to be left out

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[Record]:
        """The records, sorted."""
        for url in sorted(self._records):
            yield self._records[url]

    def get(self, url: str) -> Record | None:
        """What is known of `url` (see `known_by`), or None: it has not failed of late."""
        return self._records.get(url)

    def after(self, row: Result, failing: Collection[Outcome], moment: str) -> Record | None:
        """The record of the URL of `row`, with this row as its newest; None where there is nothing to remember.

        `moment` is the time of the run, RFC 3339.
        """
        if not is_told(row):
            return self.get(known_by(row))
        url = known_by(row)
        before = self.get(url)
        letter = _LETTERS[row.outcome]
        is_failing = row.outcome in failing
        if before is None:
            return Record(url, moment, letter, row.reason or "") if is_failing else None
        letters = (before.letters + letter)[-LONGEST_RECORD:]
        if not any(_OUTCOMES[known] in failing for known in letters):
            return None
        was_failing = _OUTCOMES[before.letters[-1]] in failing
        since = before.since if was_failing == is_failing else moment
        return Record(url, since, letters, (row.reason or "") if is_failing else before.reason)

    def keep(self, url: str, record: Record | None) -> None:
        """Remember `record` of `url`; None forgets it."""
        if record is None:
            self._records.pop(url, None)
        elif len(self._records) < MOST_KEPT or url in self._records:
            self._records[url] = record
        else:
            self.is_whole = False


class Update:
    """A standing being carried on by one run: each URL once, however many rows it has; what the run did not hold goes,
    once it is known to have been whole."""

    def __init__(self, before: Standing, failing: Collection[Outcome], moment: str) -> None:
        self.before = before
        self._failing = failing
        self._moment = moment
        self._after = Standing()

    def take(self, row: Result) -> Record | None:
        """Carry on with `row`; the URL's record from now on."""
        record = self.before.after(row, self._failing, self._moment)
        if record is not None and row.reason != Reason.SKIP_UNFINISHED:
            self._after.keep(record.url, record)
        return record

    def standing(self, *, is_whole_run: bool) -> Standing:
        """How things stand after it. Of a run that was cut, what it did not come to stands as it stood."""
        if not is_whole_run:
            for record in self.before:
                if self._after.get(record.url) is None:
                    self._after.keep(record.url, record)
        return self._after


def to_text(standing: Standing) -> str:
    """`standing` as the text of a baseline file: sorted, a line a URL, tabs between."""
    lines = [FIRST_LINE, _COLUMNS]
    lines += ["\t".join(record) for record in standing]
    return "\n".join(lines) + "\n"


_RECORD: Final = f"[{''.join(_OUTCOMES)}]{{1,{LONGEST_RECORD}}}"


def of_text(text: str) -> Standing:
    """The standing that `to_text` made `text` of; lines may be edited, added and removed by hand. Raises
    BaselineError."""
    lines = text.splitlines()
    if not lines or lines[0].strip() != FIRST_LINE:
        raise BaselineError(f"is no baseline of urlsweep's: its first line is to be {FIRST_LINE!r}")
    records = []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip() or line.startswith("#"):
            continue
        cells = line.split("\t")
        if len(cells) != len(Record._fields) or not re.fullmatch(_RECORD, cells[2]):
            raise BaselineError(f"line {number} is not a URL, a time, a record and a reason with tabs between")
        records.append(Record(*cells))
    return Standing(records)
