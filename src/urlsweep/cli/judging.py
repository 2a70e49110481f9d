"""Which rows fail a run: all with an outcome that does, or only those that the baseline does not excuse.

Contract: told of every row once; carries on how the list stands (`core.standing`). Reads and writes the baseline.
Not in here: what is made of it (`running`), how records are kept (`core.standing`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from urlsweep.cli.exit_codes import UsageError
from urlsweep.cli.recording import State
from urlsweep.core.model import Outcome, Result
from urlsweep.core.standing import BaselineError, Record, Standing, Update, of_text, to_text
from urlsweep.journal import JournalError
from urlsweep.journal.run_file import opened
from urlsweep.journal.shelf import Shelf
from urlsweep.settings import Settings

FLAKY_TOLD: Final = 20

LOOKED_BACK: Final = 50
"""Runs that are looked at for the last one over the same inputs."""

_SQLITE: Final = b"SQLite format 3\0"


class Judge:
    """Counts the rows that fail a run."""

    def __init__(self, settings: Settings, before: Standing, moment: str) -> None:
        """`before` is how the list stood, `moment` the time of this run."""
        self._failing = frozenset(settings.failing)
        self._update = Update(before, self._failing, moment)
        self._is_ok_plain = not len(before) and Outcome.OK not in self._failing  # ok rows are nothing to remember
        self._is_excusing = settings.baseline is not None
        self._only_new = settings.fails_on_new_alone
        self._grace = settings.grace
        self.failed = 0
        """Rows that fail the run."""
        self.excused = 0
        """Rows that would fail it without the baseline."""
        self.flaky: dict[str, Record] = {}

    def take(self, row: Result) -> None:
        """Judge `row`."""
        if self._is_ok_plain and row.outcome is Outcome.OK:
            return  # as nearly all rows of most runs
        record = self._update.take(row)
        if row.outcome in self._failing:
            if self._is_excusing and record is not None and not self._fails(record):
                self.excused += 1
            else:
                self.failed += 1
        if record is not None and record.is_flaky and len(self.flaky) < FLAKY_TOLD:
            self.flaky[record.url] = record

    def _fails(self, record: Record) -> bool:
        if record.streak(self._failing) < self._grace:
            return False
        if not self._only_new:
            return True
        earlier = self._update.before.get(record.url)
        return earlier is None or earlier.streak(self._failing) < self._grace

    def standing(self, *, is_whole_run: bool) -> Standing:
        """How the list stands now."""
        return self._update.standing(is_whole_run=is_whole_run)


def standing_before(settings: Settings, series: str | None, begun_at: str | None, own: Path | None) -> Standing:
    """How the list stood: by the baseline, else by the last run over the same inputs that is kept.

    `series` tells which runs these are, `begun_at` when this one began, `own` its file. Raises UsageError for a
    baseline that cannot be used, and JournalError.
    """
    if settings.baseline is not None:
        return _of_baseline(settings, own)
    if series is None:
        return Standing()
    try:
        return _of_last_run(Shelf.usual(settings.journal_dir), series, begun_at, own)
    except JournalError:
        return Standing()  # what is known of earlier runs is a help, and no reason to do none


def _of_baseline(settings: Settings, own: Path | None) -> Standing:
    name = str(settings.baseline)
    path = Path(name)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        if settings.update_baseline:
            return Standing()  # the first time
        return _of_named_run(settings, name, own)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"--baseline {name} cannot be read ({why})") from None
    if data.startswith(_SQLITE):
        return _of_named_run(settings, name, own)
    try:
        return of_text(data.decode("utf-8", "replace"))
    except BaselineError as error:
        raise UsageError(f"--baseline {name}: {error}") from None


def _of_named_run(settings: Settings, name: str, own: Path | None) -> Standing:
    if settings.update_baseline:
        raise UsageError(f"--update-baseline needs a file to write, and {name} is a run")
    shelf = Shelf.usual(settings.journal_dir)
    try:
        path = shelf.find(name)
        if not path.exists():
            raise JournalError("there is none")
        if path == own:  # "last", and this one is there already
            path = next((run.path for run in shelf.runs() if run.path != own), path)
    except JournalError:
        raise UsageError(
            f"there is neither a file nor a run {name!r} to take for a baseline: --update-baseline writes the file"
        ) from None
    with opened(path) as run_file:
        facts = run_file.facts()
    if "standing" not in facts:
        raise UsageError(f"--baseline {name}: that run is not finished (urlsweep resume {name})")
    return of_text(facts["standing"])


def _of_last_run(shelf: Shelf, series: str, begun_at: str | None, own: Path | None) -> Standing:
    for run in shelf.runs()[:LOOKED_BACK]:
        if run.path == own:
            continue
        try:
            with opened(run.path) as run_file:
                facts = run_file.facts()
        except JournalError:
            continue
        if _is_earlier(facts, series, begun_at):
            return of_text(facts["standing"])
    return Standing()


def _is_earlier(facts: Mapping[str, Any], series: str, begun_at: str | None) -> bool:
    return (
        facts.get("series") == series
        and facts.get("state") == State.FINISHED
        and "standing" in facts
        and (begun_at is None or str(facts.get("begun_at")) < begun_at)
    )


def write_baseline(path: Path, standing: Standing) -> None:
    """Write `standing` to `path`, whole or not at all. Raises OSError."""
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.write_text(to_text(standing), encoding="utf-8", newline="\n")
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
