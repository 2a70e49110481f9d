"""What changed between two runs or reports: found, and laid out.

Contract: as `urlsweep diff` (see `comparing`) promises. Not in here: its arguments, what a change is
(`core.comparison`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from urlsweep.cli.rendering import rows_of
from urlsweep.cli.result_file import long_cells, rows_of_file
from urlsweep.core.comparison import Brief, Change, Difference, Rows, compare
from urlsweep.core.model import Outcome
from urlsweep.core.standing import LONGEST_RECORD, Standing, changes, of_text
from urlsweep.journal.run_file import RunFile
from urlsweep.journal.shelf import Shelf
from urlsweep.reports.escaping import escape_terminal
from urlsweep.reports.figures import counted
from urlsweep.reports.json_lines import encode_value
from urlsweep.reports.palette import Style, paint

TITLES: Final = {
    Change.NEWLY_FAILING: ("Newly failing", Style.BOLD_RED),
    Change.STILL_FAILING: ("Still failing", Style.BOLD_YELLOW),
    Change.RECOVERED: ("Recovered", Style.BOLD_GREEN),
    Change.NEWLY_REDIRECTED: ("Newly redirected", Style.BOLD),
    Change.NEW: ("New URLs", Style.BOLD),
    Change.GONE: ("Gone", Style.BOLD),
}

LISTED: Final = 200
"""URLs of one kind that are listed as text; JSON has them all."""


def found(old_name: str, new_name: str, shelf: Shelf, failing: Collection[Outcome]) -> list[Difference]:
    """The differences between what two names mean, the most urgent first. Raises UsageError and JournalError."""
    with ExitStack() as stack:
        stack.enter_context(long_cells())
        old = _opened(old_name, shelf, stack)[0]
        new, standing = _opened(new_name, shelf, stack)
        return sorted(
            compare(old, new, frozenset(failing), standing),
            key=lambda difference: (tuple(Change).index(difference.change), difference.url),
        )


def as_json(differences: Sequence[Difference]) -> bytes:
    """For scripts: one document, its keys only ever added to."""
    return encode_value({"version": 1, "differences": [_object(each) for each in differences]}) + b"\n"


def as_text(differences: Sequence[Difference], *, color: bool) -> str:
    """For people."""
    return "\n".join(_page(differences, lambda text, style: paint(text, style, color=color))) + "\n"


def _opened(name: str, shelf: Shelf, stack: ExitStack) -> tuple[Rows, Standing | None]:
    """The rows of what `name` means, and how the list stood after it, where that is known."""
    path = Path(name)
    if path.is_file() and not path.read_bytes()[:16].startswith(b"SQLite format 3\0"):
        return lambda: rows_of_file(path), None
    run_file = stack.enter_context(RunFile.open(shelf.find(name)))
    text = run_file.facts().get("standing")
    return lambda: rows_of(run_file), None if text is None else of_text(text)


def _object(difference: Difference) -> dict[str, object]:
    return {
        "change": difference.change,
        "url": difference.url,
        "before": None if difference.before is None else difference.before._asdict(),
        "after": None if difference.after is None else difference.after._asdict(),
        "found_in": difference.found_in,
        "failing_since": difference.since,
        "failing_runs": difference.runs,
        "record": difference.record or None,
        "is_flaky": changes(difference.record) > 1,
    }


def _page(differences: Sequence[Difference], painted: Callable[[str, Style], str]) -> Iterator[str]:
    if not differences:
        yield "Nothing has changed."
        return
    for change, (title, style) in TITLES.items():
        found = [difference for difference in differences if difference.change is change]
        if not found:
            continue
        yield painted(f"{title} ({len(found):,})", style)
        for difference in found[:LISTED]:
            yield f"  {escape_terminal(difference.url)}"
            notes = [escape_terminal(note) for note in _notes(difference)]
            if notes:
                yield f"      {'; '.join(notes)}"
        if len(found) > LISTED:
            yield f"  and {len(found) - LISTED:,} more: --format json has them all"
        yield ""
    counts = [
        f"{counted_change(change, differences):,} {title[0].lower()}{title[1:]}"
        for change, (title, _) in TITLES.items()
        if counted_change(change, differences)
    ]
    yield ", ".join(counts) + "."


def counted_change(change: Change, differences: Sequence[Difference]) -> int:
    """How many of `differences` are of this kind."""
    return sum(difference.change is change for difference in differences)


def _notes(difference: Difference) -> Iterator[str]:
    before, after = difference.before, difference.after
    if difference.change is Change.NEWLY_REDIRECTED and after is not None:
        yield f"to {after.final_url}"
    elif difference.change in (Change.NEWLY_FAILING, Change.STILL_FAILING):
        yield _said(after) + (f", was {_said(before)}" if before is not None and _said(before) != _said(after) else "")
    elif difference.change is Change.RECOVERED:
        yield f"was {_said(before)}"
    if difference.change is Change.STILL_FAILING:
        or_more = " or more" if difference.runs >= LONGEST_RECORD else ""
        since = f"since {difference.since[:10]}, " if difference.since else ""
        yield f"{since}{counted(difference.runs, 'run')}{or_more} in a row"
    if changes(difference.record) > 1:
        yield f"flaky: {difference.record}"
    if difference.found_in and difference.change is not Change.GONE:
        yield difference.found_in


def _said(row: Brief | None) -> str:
    if row is None:
        return "not asked"
    return f"{row.outcome} ({row.reason})" if row.reason else str(row.outcome)
