"""One run's journal at work: what is read and found out goes to its run file, what is there already comes from it.

Contract: keeps `journal.Journal`, for the engine, and is told of inputs by `kept_inputs`. A run file that cannot be
written any more ends a run only where it was asked for by name; `failure` tells. Called from the loop's thread.
Not in here: the file (`journal`), what a run does (`running`), what is shown.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from urlsweep._version import __version__
from urlsweep.core.check import Verdict
from urlsweep.core.model import Outcome, Reason, Result, Target, rfc3339
from urlsweep.core.urls import Url
from urlsweep.journal import JournalError
from urlsweep.journal.run_file import PAGE, RunFile
from urlsweep.journal.writer import Writer
from urlsweep.reports.redaction import Redactor

HEAD_BYTES: Final = 64 * 1024
"""Of an input file, that are looked at to tell whether it is still the same."""


class State:
    """What became of a run, as its file says."""

    RUNNING: Final = "running"  # and nobody holds the file: it was killed
    CUT: Final = "cut"  # a signal, a budget, the network lost: its report is closed as a partial one
    FINISHED: Final = "finished"


class KeptInput(msgspec.Struct):
    """One input of a run, as far as it was read."""

    text: str  # the argument, without a password
    is_sitemap: bool = False
    first: int | None = None  # the number of its first target; None: not begun
    number: int | None = None  # of its targets; None: not read to its end
    withheld: int = 0  # of these, URLs whose password is not kept
    name: str = ""
    found: int = 0
    failed: bool = False
    columns: tuple[str, ...] | None = None
    url_column: str | None = None
    identity: tuple[int, int, str] | None = None  # a file's, see `identity_of`


class Recording:
    """A run that is being kept."""

    def __init__(self, run_file: RunFile, redactor: Redactor, *, is_asked_for: bool) -> None:
        """`is_asked_for`: the user named the file, and a run without it is not what was wanted. Raises JournalError."""
        self.run_file = run_file
        self.is_asked_for = is_asked_for
        self.facts: dict[str, Any] = run_file.facts()
        self.inputs = [msgspec.convert(entry, KeptInput) for entry in self.facts.get("inputs", ())]
        self.kept = run_file.number
        """Targets that were there before."""
        self.number = self.kept
        """Targets that are there by now, written or on their way."""
        self.lost: list[str] = []
        """Inputs that cannot be read any more and were not read to their end."""
        self._redactor = redactor
        self._page: dict[int, bytes] = {}
        self._page_start = -PAGE
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Event()
        self.is_trusting = False
        self._recall = _no_recall
        self._writer = Writer(run_file, redact_target=self.redacted, redact_row=redactor.result, on_room=self._on_room)

    # -- the engine's journal

    def earlier(self, index: int, target: Target) -> Result | None:
        """See `Journal.earlier`."""
        data = self._earlier_rows(index).get(index)
        return None if data is None else self.run_file.decoded(data, target)

    def has_earlier(self, index: int) -> bool:
        """Whether target number `index` has its row already."""
        return index < self.kept and index in self._earlier_rows(index)

    def _earlier_rows(self, index: int) -> Mapping[int, bytes]:
        if not self._page_start <= index < self._page_start + PAGE:
            self._page_start = index - index % PAGE
            self._page = self.run_file.encoded_rows(self._page_start, self._page_start + PAGE)
        return self._page

    def recall(self, url: Url) -> Verdict | None:
        """See `Journal.recall`."""
        return self._recall(url)

    def recalls(self, recall: Any) -> None:
        """`recall` knows what may be trusted from earlier runs."""
        self._recall = recall
        self.is_trusting = True

    def settled(self, index: int, row: Result) -> None:
        """See `Journal.settled`."""
        if row.reason != Reason.SKIP_UNFINISHED:
            self._writer.row(index, row)

    # -- what is read

    def begin_input(self, position: int, name: str) -> None:
        """Input number `position` is being read."""
        entry = self.inputs[position]
        entry.first, entry.name = self.number, self._redactor.text(name)
        self._writer.fact("inputs", self.inputs)

    def read(self, position: int, targets: Sequence[Target]) -> None:
        """`targets` were read from input number `position`."""
        tell = self._writer.target
        for index, target in enumerate(targets, start=self.number):
            if "@" in target.url and self.redacted(target).url != target.url:
                self.inputs[position].withheld += 1
            tell(index, target)
        self.number += len(targets)

    def end_input(
        self,
        position: int,
        *,
        found: int,
        failed: bool,
        columns: tuple[str, ...] | None,
        url_column: str | None,
    ) -> None:
        """Input number `position` was read to its end."""
        entry = self.inputs[position]
        assert entry.first is not None  # noqa: S101  it was begun
        entry.number = self.number - entry.first
        entry.found, entry.failed, entry.columns, entry.url_column = found, failed, columns, url_column
        self._writer.fact("inputs", self.inputs)

    async def room(self) -> None:
        """Wait while more is to be written than should be."""
        while self._writer.is_full:
            self._room.clear()
            await self._room.wait()

    async def written(self, index: int) -> None:
        """Wait until target number `index` is on disk. Raises JournalError where it cannot be."""
        while self._writer.next_target <= index:
            if self._writer.failure is not None:
                raise self._writer.failure
            self._room.clear()
            await self._room.wait()

    def redacted(self, target: Target) -> Target:
        """`target` without secrets: what is written of it."""
        if target.input is None and not self._redactor.may_change(target.url, target.found_in):
            return target  # as nearly all are
        row = Result(target.url, Outcome.OK, found_in=target.found_in, input=target.input)
        clean = self._redactor.result(row)
        if clean is row:
            return target
        return Target(clean.url, clean.found_in, clean.input, target.fault)

    def _on_room(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._room.set)
        except RuntimeError:
            pass  # the loop is closed: the last write

    # -- facts and the end

    def fact(self, name: str, value: object) -> None:
        """What is to be known of the run as `name`."""
        self.facts[name] = value
        self._writer.fact(name, value)

    @property
    def failure(self) -> JournalError | None:
        """Why the run file is not written any more."""
        return self._writer.failure

    def close(self, state: str | None = None, **facts: Any) -> None:
        """Write what waits, and that the run ended as `state` (None: not for good). Idempotent."""
        for name, value in facts.items():
            self._writer.fact(name, value)
        if state is not None:
            self._writer.fact("ended_at", now())
            self._writer.fact("state", state)
        self._writer.close()
        self.run_file.close()

    def discard(self) -> None:
        """Close it and remove it: the run never began."""
        self.close()
        self.run_file.path.unlink(missing_ok=True)


def _no_recall(url: Url) -> Verdict | None:  # noqa: ARG001  a Journal's signature
    return None


def now() -> str:
    """The time of day, RFC 3339."""
    return rfc3339(time.time())


def begun(
    run_file: RunFile,
    redactor: Redactor,
    *,
    arguments: Sequence[tuple[str, bool]],
    files: Sequence[Path | None],
    facts: Mapping[str, Any],
    is_asked_for: bool,
) -> Recording:
    """The recording of a new run over `arguments` (each with whether it is a sitemap), of which `files` are files.
    Raises JournalError."""
    inputs = [
        KeptInput(redactor.text(text), is_sitemap, identity=None if path is None else identity_of(path))
        for (text, is_sitemap), path in zip(arguments, files, strict=True)
    ]
    run_file.state(
        version=__version__,
        state=State.RUNNING,
        begun_at=now(),
        inputs=inputs,
        directory=str(Path.cwd()),
        **{name: _without_secrets(value, redactor) for name, value in facts.items()},
    )
    return Recording(run_file, redactor, is_asked_for=is_asked_for)


def _without_secrets(value: Any, redactor: Redactor) -> Any:
    if isinstance(value, str):
        return redactor.text(value)
    if isinstance(value, Mapping):
        return {key: _without_secrets(item, redactor) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_secrets(item, redactor) for item in value]
    return value


def identity_of(path: Path) -> tuple[int, int, str] | None:
    """What tells whether a file is the one it was: its size in bytes, when it was changed (ns), and a hash of its
    beginning. None for what is no regular file, or cannot be read."""
    try:
        if not path.is_file():
            return None
        status = path.stat()
        with path.open("rb") as stream:
            head = hashlib.blake2b(stream.read(HEAD_BYTES), digest_size=16).hexdigest()
    except (OSError, ValueError):
        return None
    return status.st_size, status.st_mtime_ns, head


def is_same(before: tuple[int, int, str] | None, after: tuple[int, int, str] | None) -> bool:
    """Whether two `identity_of` say the same file; a copy with another time counts, which a CI makes of everything."""
    if before is None or after is None:
        return before == after
    return (before[0], before[2]) == (after[0], after[2])


def same_folder(folder: str) -> bool:
    """Whether this process stands in `folder`."""
    try:
        return Path(folder).samefile(".")
    except OSError:
        return False
