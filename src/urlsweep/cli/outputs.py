"""The reports of one run: standard output and the files of ``--output``, written at the same time.

Contract: rows reach every report as they finish. A report that cannot be written to any more is let go and remembered,
and the others go on: whoever runs the sweep looks at `failure` and ends it. Closing leaves each of the others valid,
after a run that was cut short too.
Not in here: formats (`reports`), which rows there are.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from stat import S_ISREG
from typing import BinaryIO, Final, NamedTuple

import msgspec

from urlsweep.cli.console import Console
from urlsweep.cli.exit_codes import UsageError
from urlsweep.core.model import Result
from urlsweep.core.summary import Summary
from urlsweep.reports import Report
from urlsweep.reports.filtering import OnlyOutcomes
from urlsweep.reports.options import ReportOptions
from urlsweep.reports.registry import UnknownFormatError, create, for_path
from urlsweep.settings import Settings

STANDARD_OUTPUT: Final = "standard output"
TABLES: Final = ("csv", "tsv")


class KnownColumns:
    """Passes rows on to a table whose columns are all known, without what stood beyond a malformed row's last one."""

    def __init__(self, report: Report, columns: Collection[str], warn: Callable[[str], None]) -> None:
        self._report = report
        self._columns = frozenset(columns)
        self._warn: Callable[[str], None] | None = warn

    def write(self, result: Result) -> None:
        """Write the row."""
        given = result.input
        if given is not None and not self._columns.issuperset(given):
            if self._warn is not None:
                self._warn(
                    f"{result.found_in} has more cells than its table has columns: what is left over in such rows is "
                    "not in the CSV report (JSON Lines has it)"
                )
                self._warn = None
            kept = {name: value for name, value in given.items() if name in self._columns}
            result = msgspec.structs.replace(result, input=kept)
        self._report.write(result)

    def close(self, summary: Summary) -> None:
        """Close the table."""
        self._report.close(summary)


class _Output(NamedTuple):
    name: str
    report: Report
    stream: BinaryIO
    is_ours: bool  # to be closed
    batch: io.BytesIO  # what the report wrote: a stream that is flushed for each row costs more than the row


class Outputs:
    """Open reports."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._open: list[_Output] = []
        self.failure: OSError | None = None  # the first one
        self.failed_name = ""

    @classmethod
    def open(cls, settings: Settings, options: ReportOptions, console: Console) -> Outputs:
        """The reports that `settings` ask for, their files emptied.

        `options` tell of the input; what concerns the streams is filled in here. Raises UsageError for a file that
        cannot be written.
        """
        outputs = cls(console)
        on_terminal = msgspec.structs.replace(
            options,
            bom=settings.bom,
            # Whoever asks for the rows that are ok wants to see them.
            verbose=max(settings.verbose, 1 if settings.only else 0),
            color=console.wants_color(settings.color, console.stdout),
            width=console.width(console.stdout) if console.shows_output else None,
        )
        in_files = msgspec.structs.replace(on_terminal, color=False, width=None)
        outputs._add(STANDARD_OUTPUT, settings.format, console.stdout, on_terminal, settings, is_ours=False)
        try:
            for path in settings.output:
                try:
                    stream = Path(path).open("wb")  # noqa: SIM115  closed by `close`
                except (OSError, ValueError) as error:
                    why = error.strerror if isinstance(error, OSError) else error
                    raise UsageError(f"--output {path} cannot be written ({why})") from None
                outputs._add(path, for_path(path), stream, in_files, settings, is_ours=True)
        except UsageError:
            for output in outputs._open:
                if output.is_ours:
                    output.stream.close()
            raise
        return outputs

    def _add(
        self,
        name: str,
        format_name: str,
        stream: BinaryIO,
        options: ReportOptions,
        settings: Settings,
        *,
        is_ours: bool,
    ) -> None:
        batch = io.BytesIO()
        report = create(format_name, batch, options)
        if format_name in TABLES and options.columns_are_complete:
            report = KnownColumns(report, options.input_columns, self._console.warning)
        if settings.only:
            report = OnlyOutcomes(report, settings.only)
        self._open.append(_Output(name, report, stream, is_ours, batch))

    def write(self, rows: Sequence[Result]) -> None:
        """Write `rows` to every report that can still be written to."""
        for output in list(self._open):
            try:
                for row in rows:
                    output.report.write(row)
                self._show(output)
            except OSError as error:
                self._let_go(output, error)

    def _show(self, output: _Output) -> None:
        """Write what the report wrote, at once."""
        if not output.batch.tell():
            return
        written = output.batch.getvalue()
        output.batch.seek(0)
        output.batch.truncate()
        if output.is_ours or not self._console.shows_output:
            output.stream.write(written)
            output.stream.flush()
            return
        # On a terminal, rows have to be written around the progress line, which is moved only where there are any.
        with self._console.above_progress():
            output.stream.write(written)
            output.stream.flush()

    def close(self, summary: Summary) -> None:
        """End every report that can still be written to."""
        for output in list(self._open):
            try:
                output.report.close(summary)
                self._show(output)
                if output.is_ours:
                    output.stream.close()
            except OSError as error:
                self._let_go(output, error)
        self._open.clear()

    def _let_go(self, output: _Output, error: OSError) -> None:
        self._open.remove(output)
        if self.failure is None:
            self.failure, self.failed_name = error, output.name
        if output.is_ours:
            try:
                output.stream.close()
            except OSError:
                pass  # what could not be written before cannot be now

    @property
    def reader_left(self) -> bool:
        """Whether whoever read standard output does not any more."""
        return self.failed_name == STANDARD_OUTPUT and isinstance(self.failure, BrokenPipeError)


def check_names(settings: Settings) -> None:
    """Raises UsageError for outputs that name no format, or one file twice."""
    seen: set[Path] = set()
    for path in settings.output:
        try:
            for_path(path)
        except UnknownFormatError as error:
            raise UsageError(f"--output {error}") from None
        absolute = Path(path).absolute()
        if absolute in seen:
            raise UsageError(f"--output {path} is given twice")
        seen.add(absolute)


def check_overwriting(inputs: Sequence[Path], outputs: Sequence[str], stdout: BinaryIO, stdin: int | None) -> None:
    """Raises UsageError where an output is one of the files `inputs`, or the one that the descriptor `stdin` reads,
    however it is named."""
    known: dict[tuple[int, int], str] = {}
    if stdin is not None and (found := _identity(stdin)) is not None:
        known[found] = "that is read from standard input"
    known |= {found: str(path) for path in inputs if (found := _identity(path)) is not None}
    for output in outputs:
        found = _identity(Path(output))
        if found in known:
            raise UsageError(f"--output {output} would overwrite the input {known[found]}: name another file")
    try:
        found = _identity(stdout.fileno())
    except (OSError, ValueError):  # not a file at all
        return
    if found in known:
        raise UsageError(f"standard output is the input {known[found]}: send it to another file")


def _identity(place: Path | int) -> tuple[int, int] | None:
    """Device and number of a regular file; None for anything else, and for what is not there."""
    try:
        status = os.fstat(place) if isinstance(place, int) else place.stat()
    except (OSError, ValueError):
        return None
    return (status.st_dev, status.st_ino) if S_ISREG(status.st_mode) else None


def makes_table(settings: Settings) -> bool:
    """Whether any of the reports is CSV or TSV."""
    return settings.format in TABLES or any(for_path(path) in TABLES for path in settings.output)
