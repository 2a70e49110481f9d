"""Makes the report of a run that is kept.

Contract: as `urlsweep report` (see `reporting`) promises. Not in here: its arguments.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from urlsweep.cli.console import Console
from urlsweep.cli.exit_codes import ExitCode
from urlsweep.cli.outputs import Outputs
from urlsweep.cli.recording import State
from urlsweep.cli.running import Layout
from urlsweep.core.model import Fault, Outcome, Reason, Result
from urlsweep.core.summary import Summary
from urlsweep.journal.run_file import RunFile
from urlsweep.reports.summary import render_summary
from urlsweep.settings import Settings

BATCH: Final = 1_000

UNFINISHED: Final = Fault(Outcome.SKIPPED, Reason.SKIP_UNFINISHED, "the run was cut before this was known")


def render(run_file: RunFile, settings: Settings, console: Console) -> int:
    """Write every report that `settings` ask for; the exit code. Raises UsageError and JournalError."""
    facts = run_file.facts()
    summary = Summary()
    layout = facts.get("layout")
    options = _NO_LAYOUT if layout is None else msgspec.convert(layout, Layout)
    outputs = Outputs.open(settings, options.options(), console)
    try:
        batch: list[Result] = []
        for row in rows_of(run_file):
            _count(summary, row)
            batch.append(row)
            if len(batch) >= BATCH:
                outputs.write(batch)
                batch = []
                if outputs.failure is not None:
                    break
        outputs.write(batch)
        _conclude(summary, facts)
    finally:
        outputs.close(summary)
    if outputs.reader_left:
        return ExitCode.OUTPUT_CLOSED
    if outputs.failure is not None:
        console.error(f"{outputs.failed_name} cannot be written ({outputs.failure.strerror or outputs.failure})")
        return ExitCode.INTERNAL
    if not console.is_quiet:
        text = render_summary(
            summary,
            color=console.wants_color(settings.color, console.stderr),
            width=console.width(console.stderr),
            fail_on=settings.failing,
        )
        console.write("\n" + text if console.mixes_streams else text)
    return ExitCode.OK


def rows_of(run_file: RunFile) -> Iterator[Result]:
    """A row for each target of a run, in order. Raises JournalError."""
    for _, target, row in run_file.rows():
        yield Result.of_fault(target, UNFINISHED) if row is None else row


_NO_LAYOUT: Final = Layout(
    makes_table=False, is_ordered=True, input_columns=(), columns_are_complete=False, url_column=None
)


def _count(summary: Summary, row: Result) -> None:
    summary.rows_in += 1
    summary.add(row)


def _conclude(summary: Summary, facts: Mapping[str, Any]) -> None:
    summary.requests = facts.get("requests", 0)
    summary.duplicates = facts.get("duplicates", 0)
    summary.seconds = facts.get("seconds", 0.0)
    summary.input_exhausted = all(entry["number"] is not None for entry in facts.get("inputs", ()))
    summary.is_partial = facts.get("state") != State.FINISHED
