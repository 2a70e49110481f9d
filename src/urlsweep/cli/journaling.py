"""How a run begins that is kept: a new one, and one that goes on.

Contract: a run that cannot be kept where runs are kept by default is done all the same, with a warning; one whose file
was asked for by name is refused. Not in here: what happens while it runs (`recording`, `running`).
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from urlsweep.cli.console import Console
from urlsweep.cli.inputs import Argument, Inputs
from urlsweep.cli.kept_inputs import resumed, wrapped
from urlsweep.cli.recording import Recording, State, begun
from urlsweep.journal import JournalError
from urlsweep.journal.run_file import RunFile
from urlsweep.journal.shelf import Shelf
from urlsweep.reports.redaction import Redactor
from urlsweep.settings import Settings
from urlsweep.settings.keeping import changed, fingerprint, keepable, what_matters
from urlsweep.settings.setting import Raw, flag_of
from urlsweep.sources.source import Source

OpenSource = Callable[[Argument], Source]

NOT_CARRIED: Final = ("run_file", "journal", "journal_dir", "journal_keep", "journal_size", "config")
"""Flags that say where a run is kept: of no use to the one that goes on."""


class Keeping(Protocol):
    """How one run is kept."""

    def open(
        self, arguments: Sequence[Argument], open_source: OpenSource, console: Console, redactor: Redactor
    ) -> tuple[Inputs, Recording | None]:
        """The inputs, and what keeps them. Raises SourceError and JournalError."""

    def tidy(self, console: Console) -> None:
        """Make room among the runs that are kept, once this one is over."""

    @property
    def name(self) -> str:
        """What the run is called, for the commands that take one."""


class NewRun:
    """Begins one."""

    def __init__(self, settings: Settings, flags: Mapping[str, Raw], *, no_config: bool = False) -> None:
        """`flags` are those of the command line, raw."""
        self._settings = settings
        self._flags = flags
        self._no_config = no_config
        self.name = ""
        self._path: Path | None = None

    def open(
        self, arguments: Sequence[Argument], open_source: OpenSource, console: Console, redactor: Redactor
    ) -> tuple[Inputs, Recording | None]:
        """See `Keeping.open`."""
        inputs = Inputs([open_source(argument) for argument in arguments], console)
        recording = self._recording(arguments, console, redactor)
        if recording is not None:
            inputs.wrap(lambda source, position: wrapped(source, position, arguments[position], recording))
        return inputs, recording

    def _recording(self, arguments: Sequence[Argument], console: Console, redactor: Redactor) -> Recording | None:
        settings = self._settings
        if settings.run_file is not None:
            path = Path(settings.run_file)
            recording = self._begun(path, arguments, redactor, is_asked_for=True)
        else:
            shelf = Shelf.usual(settings.journal_dir)
            path = shelf.new_path(dt.datetime.now(dt.UTC))
            try:
                recording = self._begun(path, arguments, redactor, is_asked_for=False)
            except JournalError as error:
                console.warning(
                    f"{error}: the run is not kept, and cannot be resumed (--no-journal says so beforehand)"
                )
                return None
        self._path = path
        self.name = path.stem if settings.run_file is None and settings.journal_dir is None else str(path)
        return recording

    def tidy(self, console: Console) -> None:
        """Remove the oldest runs where there are too many: not before the first request, which would wait for it."""
        settings = self._settings
        if not self.name or settings.run_file is not None:
            return
        try:
            Shelf.usual(settings.journal_dir).trim(settings.journal_keep, settings.journal_size, without=self._path)
        except JournalError as error:
            console.warning(f"{error}: no room is made there")

    def _begun(self, path: Path, arguments: Sequence[Argument], redactor: Redactor, *, is_asked_for: bool) -> Recording:
        kept, withheld = keepable({name: raw for name, raw in self._flags.items() if name not in NOT_CARRIED})
        run_file = RunFile.create(path)
        try:
            return begun(
                run_file,
                redactor,
                arguments=[(argument.text, argument.is_sitemap) for argument in arguments],
                files=[argument.path for argument in arguments],
                facts={
                    "flags": kept,
                    "withheld": withheld,
                    "no_config": self._no_config,
                    "settings": what_matters(self._settings),
                    "fingerprint": fingerprint(self._settings),
                    "series": series_of(arguments, redactor),
                },
                is_asked_for=is_asked_for,
            )
        except BaseException:
            run_file.close()
            path.unlink(missing_ok=True)
            raise


class GoingOn:
    """Goes on with one that was cut, or whose rows are to be got again."""

    def __init__(self, run_file: RunFile, facts: Mapping[str, Any], settings: Settings) -> None:
        self._run_file = run_file
        self._facts = facts
        self._settings = settings
        self.name = str(run_file.path)

    def open(
        self, arguments: Sequence[Argument], open_source: OpenSource, console: Console, redactor: Redactor
    ) -> tuple[Inputs, Recording | None]:
        """See `Keeping.open`."""
        for name, (before, now) in changed(self._facts.get("settings", {}), what_matters(self._settings)).items():
            console.warning(
                f"{flag_of(name)} has changed since the run began: it was {before or 'not set'}, it is "
                f"{now or 'not set'} for what is asked from here on"
            )
        self._run_file.state(state=State.RUNNING)
        recording = Recording(self._run_file, redactor, is_asked_for=True)
        try:
            sources = [
                resumed(argument, position, recording, open_source=open_source, warn=console.warning)
                for position, argument in enumerate(arguments)
            ]
        except BaseException:
            recording.close()
            raise
        for name in recording.lost:
            console.warning(
                f"{name} cannot be read again, and was not read to its end when the run was cut: what was read of it "
                "is finished, the rest is lost"
            )
        return Inputs(sources, console), recording

    def tidy(self, console: Console) -> None:
        """Nothing: there are no more runs than before."""


def series_of(arguments: Sequence[Argument], redactor: Redactor) -> str:
    """What runs over the same inputs in the same folder share: they are compared with each other."""
    inputs = [[redactor.text(argument.text), argument.is_sitemap] for argument in arguments]
    told = json.dumps([str(Path.cwd()), *inputs])
    return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()
