"""Looks into the runs that are kept, for the list of them and for what needs one of them.

Contract: reads only. Not in here: arguments (`runs`), what else is in a run (`rendering`), where they lie (`shelf`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from urlsweep.cli.arguments import CHOICES
from urlsweep.cli.exit_codes import UsageError
from urlsweep.cli.recording import State
from urlsweep.journal import InUseError, JournalError
from urlsweep.journal.run_file import RunFile, opened
from urlsweep.journal.shelf import KeptRun, Shelf
from urlsweep.reports.escaping import escape_terminal
from urlsweep.reports.layout import pad, shorten_middle, text_width
from urlsweep.settings.configuration import load
from urlsweep.settings.flags import given

if TYPE_CHECKING:
    import argparse

KILLED: Final = "killed"
UNREADABLE: Final = "unreadable"

WIDEST_INPUTS: Final = 60


class ListedRun(msgspec.Struct):
    """A line of the list."""

    name: str
    path: str
    begun_at: str | None
    state: str  # finished, cut, killed, running, unreadable
    rows: int | None  # URLs with a row; None where it cannot be looked into now
    of: int | None  # URLs read
    outcomes: dict[str, int]
    exit_code: int | None
    inputs: list[str]
    bytes: int
    trouble: str | None = None


def shelf_of(namespace: argparse.Namespace) -> Shelf:
    """Where runs are kept, by the flags, variables and the file of this call."""
    flags = {name: raw for name, raw in given(namespace).items() if name == "journal_dir"}
    configured = load(flags, config=namespace.config, use_file=not namespace.no_config, choices=CHOICES)
    return Shelf.usual(configured.settings.journal_dir)


def newest_unfinished(shelf: Shelf) -> Path:
    """The newest run that can be resumed. Raises UsageError where there is none."""
    for run in shelf.runs():
        if look(run).state in (State.CUT, KILLED):
            return run.path
    raise UsageError("no run is waiting to be finished (urlsweep runs lists those that are kept)")


def look(run: KeptRun) -> ListedRun:
    """What the file of `run` says of it."""
    try:
        with opened(run.path) as run_file:
            return _listed(run, run_file, run_file.facts())
    except JournalError as error:
        is_running = isinstance(error, InUseError)
        return ListedRun(
            name=run.name,
            path=str(run.path),
            begun_at=None,
            state=State.RUNNING if is_running else UNREADABLE,
            rows=None,
            of=None,
            outcomes={},
            exit_code=None,
            inputs=[],
            bytes=run.size_bytes,
            trouble=None if is_running else str(error),
        )


def _listed(run: KeptRun, run_file: RunFile, facts: dict[str, Any]) -> ListedRun:
    state = str(facts.get("state", KILLED))
    counted = facts.get("outcomes") if state == State.FINISHED else None  # else every row is looked at
    outcomes = {str(outcome): count for outcome, count in (counted or run_file.outcomes).items()}
    return ListedRun(
        name=run.name,
        path=str(run.path),
        begun_at=facts.get("begun_at"),
        state=KILLED if state == State.RUNNING else state,
        rows=sum(outcomes.values()),
        of=run_file.number,
        outcomes=outcomes,
        exit_code=facts.get("exit_code"),
        inputs=[entry["text"] for entry in facts.get("inputs", ())],
        bytes=run.size_bytes,
    )


def lines_of(listed: Sequence[ListedRun]) -> Iterator[str]:
    """The list for people: a table."""
    table = [("run", "begun (UTC)", "state", "URLs", "failing", "inputs")]
    for run in listed:
        urls = "?" if run.rows is None or run.of is None else f"{run.rows:,}"
        if run.rows is not None and run.of is not None and run.of > run.rows:
            urls += f" of {run.of:,}"
        failing = sum(run.outcomes.get(outcome, 0) for outcome in ("broken", "down", "invalid"))
        inputs = escape_terminal(", ".join(run.inputs[:5]) + (", ..." if len(run.inputs) > 5 else ""))
        begun = "?" if run.begun_at is None else run.begun_at[:16].replace("T", " ")
        what = run.trouble if run.trouble is not None else shorten_middle(inputs, WIDEST_INPUTS)
        table.append((run.name, begun, run.state, urls, "?" if run.rows is None else f"{failing:,}", what))
    widths = [max(text_width(row[column]) for row in table) for column in range(5)]
    for row in table:
        cells = [
            pad(cell, width) if column not in (3, 4) else " " * (width - text_width(cell)) + cell
            for column, (cell, width) in enumerate(zip(row, widths, strict=False))
        ]
        yield "  ".join([*cells, row[5]]).rstrip()
