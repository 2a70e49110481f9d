"""``urlsweep diff``: what changed between two runs, or two reports.

Contract: reads only; the exit code says whether anything fails that did not. Not in here: what a change is
(`core.comparison`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

from urlsweep.cli.arguments import ArgumentParser, add_settings, configuration
from urlsweep.cli.console import Console
from urlsweep.cli.exit_codes import ExitCode, UsageError
from urlsweep.cli.reporting import rows_of
from urlsweep.cli.result_file import allow_long_cells, rows_of_file
from urlsweep.cli.runs import shelf_of
from urlsweep.core.comparison import Brief, Change, Difference, Rows, compare
from urlsweep.core.standing import LONGEST_RECORD, Standing, changes, of_text
from urlsweep.journal.run_file import RunFile
from urlsweep.reports.escaping import escape_terminal
from urlsweep.reports.figures import counted
from urlsweep.reports.json_lines import encode_value
from urlsweep.reports.palette import Style, paint
from urlsweep.settings import SETTINGS
from urlsweep.settings.flags import given

if TYPE_CHECKING:
    from urlsweep.journal.shelf import Shelf

USAGE: Final = "urlsweep diff OLD NEW [options]"

DESCRIPTION: Final = """\
Tell what changed between two runs: what fails now, what still does and since
when, what recovered, what redirects now, and which URLs came and went. OLD and
NEW are runs (names, beginnings of names, last, run files) or reports in JSON
Lines or CSV.
"""

EPILOG: Final = """\
exit codes:
  0    nothing fails that did not fail before
  1    something does (of the outcomes of --fail-on)
  2    wrong usage, or something that cannot be compared

examples:
  urlsweep diff 20260130 last
  urlsweep diff yesterday.jsonl today.jsonl
  urlsweep diff yesterday.csv today.csv --format json
"""

FORMATS: Final = ("text", "json")

TITLES: Final = {
    Change.NEWLY_FAILING: ("Newly failing", Style.BOLD_RED),
    Change.STILL_FAILING: ("Still failing", Style.BOLD_YELLOW),
    Change.RECOVERED: ("Recovered", Style.BOLD_GREEN),
    Change.NEWLY_REDIRECTED: ("Newly redirected", Style.BOLD),
    Change.NEW: ("New URLs", Style.BOLD),
    Change.GONE: ("Gone", Style.BOLD),
}

SHOWN: Final = {"format", "fail_on", "color", "journal_dir"}

LISTED: Final = 200
"""URLs of one kind that are listed as text; JSON has them all."""


def diff(arguments: Sequence[str], console: Console, *_: object) -> int:
    """Run the command; the process's exit code. Raises UsageError and JournalError."""
    parser = ArgumentParser(console, prog="urlsweep diff", usage=USAGE, description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("inputs", nargs="*", metavar="OLD NEW", help="The runs, or reports, to compare.")
    add_settings(parser, formats=" or ".join(FORMATS), without=set(SETTINGS) - SHOWN)
    namespace = parser.read(arguments)
    if len(namespace.inputs) != 2:
        raise UsageError("two runs are compared: write urlsweep diff OLD NEW, each a run or a report")
    format_name = given(namespace).get("format", "text")
    if format_name not in FORMATS:
        raise UsageError(f"--format {format_name}: a comparison is {' or '.join(FORMATS)}")
    settings = configuration(namespace).settings
    shelf = shelf_of(namespace)
    allow_long_cells()
    with ExitStack() as stack:
        old = _opened(namespace.inputs[0], shelf, stack)[0]
        new, standing = _opened(namespace.inputs[1], shelf, stack)
        differences = sorted(
            compare(old, new, frozenset(settings.failing), standing),
            key=lambda difference: (tuple(Change).index(difference.change), difference.url),
        )
    if format_name == "json":
        console.stdout.write(
            encode_value({"version": 1, "differences": [_object(each) for each in differences]}) + b"\n"
        )
    else:
        color = console.wants_color(settings.color, console.stdout)
        text = "\n".join(_page(differences, lambda text, style: paint(text, style, color=color))) + "\n"
        console.stdout.write(text.encode("utf-8", "backslashreplace"))
    return ExitCode.FAILED if any(each.change is Change.NEWLY_FAILING for each in differences) else ExitCode.OK


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
