"""One run on disk: a SQLite file, made, opened and read here.

Contract: nobody but the owner can read it (0600). A file that is not a run's, is damaged, or was written by another
version is refused with what to do, and left as it is; one that a running urlsweep writes is refused, too. What was
written survives the process whatever ends it; after a power cut the last moments may be missing, never more.
Not in here: when what is written (`writer`), where run files lie (`shelf`).

The tables: `facts` (name -> JSON: what was to be done, and how it ended), `targets` (runs of them, compressed, by the
number of the first) and `results` (a row each, by the target's number; `due` where it is to be asked again).
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self
from urllib.parse import quote

import msgspec

from urlsweep.core.model import Outcome, Result, Target
from urlsweep.journal import InUseError, JournalError
from urlsweep.journal.rows import contiguous, decode_row, decode_targets, encode_row, encode_targets

APPLICATION_ID: Final = 0x75726C73
"""``urls`` in ASCII, at byte 68 of the file (sqlite.org/fileformat2.html section 1.3)."""

VERSION: Final = 1
"""Of the tables and of what is in them, at byte 60."""

PAGE: Final = 2_000
"""Targets or rows that are read at once."""

ROWS_A_STATEMENT: Final = (4_096, 1_024, 256, 64, 16, 4, 1)
"""Rows that one INSERT takes, the most first. Python gives the interpreter's lock away at each statement and waits up
to 5 ms to get it back from a busy loop: with executemany, which does so for each row, a row took 870 µs beside one. In
few sizes, for SQLite to compile each once: one for every number of rows took nearly half of a row's time (1.4 µs; now
0.8)."""

_SCHEMA: Final = (
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {VERSION}",
    "CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    "CREATE TABLE targets (first INTEGER PRIMARY KEY, number INTEGER NOT NULL, listed BLOB NOT NULL)",
    """CREATE TABLE results
    (target INTEGER PRIMARY KEY, outcome TEXT NOT NULL, row BLOB NOT NULL, due INTEGER NOT NULL DEFAULT 0)""",
)


class RunFile:
    """An open run file. Close it, or use it as a context. May be used by several threads."""

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        """For `create` and `open`."""
        self.path = path
        self._database = database
        self._lock = threading.RLock()
        self._is_held = False

    # -- making and opening

    @classmethod
    def create(cls, path: Path) -> Self:
        """A new run file at `path`, held by this process alone. Raises JournalError; a file that is there is left."""
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.path.lexists(path):
                raise JournalError(_in_the_way(path))
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else error
            raise JournalError(f"the run file {path} cannot be created ({why})") from None
        try:
            run_file = cls(path, _connect(path))
            try:
                # In one step, and with the old journal mode: the file is empty, or its first page says what it is.
                # Not synced, as there is nothing to lose yet: a dozen syncs take longer than many a run.
                for statement in ("PRAGMA synchronous = OFF", "BEGIN", *_SCHEMA, "COMMIT"):
                    run_file._database.execute(statement)
                run_file._hold()
            except BaseException:
                run_file._database.close()
                raise
        except sqlite3.Error as error:
            path.unlink(missing_ok=True)
            raise JournalError(f"the run file {path} cannot be written ({error})") from None
        return run_file

    @classmethod
    def open(cls, path: Path, *, to_write: bool = False) -> Self:
        """The run file at `path`, for reading, or held by this process alone. Raises JournalError."""
        _check_head(path)
        try:
            run_file = cls(path, _connect(path))
            try:
                if to_write:
                    run_file._hold()
                run_file._database.execute("SELECT count(*) FROM facts").fetchone()
            except BaseException:
                run_file._database.close()
                raise
        except sqlite3.Error as error:
            raise _translated(path, error) from None
        return run_file

    def _hold(self) -> None:
        """Keep every other process out, until this one ends in whatever way."""
        self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._database.execute("PRAGMA journal_mode = WAL")
        # Not a word to the disk until a checkpoint: a killed process loses nothing, a power cut the last moments.
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute("BEGIN IMMEDIATE")
        self._database.execute("INSERT OR REPLACE INTO facts VALUES ('held', 'true')")
        self._database.execute("COMMIT")
        self._is_held = True

    def close(self) -> None:
        """Close it; where it was held, as one file that needs nothing beside it. Idempotent."""
        with self._lock:
            try:
                if self._is_held:
                    self._is_held = False
                    self._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
                    self._database.execute("PRAGMA synchronous = OFF")  # all is safe by now; either mode will do
                    self._database.execute("PRAGMA journal_mode = DELETE")
            except sqlite3.Error:
                pass  # what was not taken over from the log beside it is taken over when it is next opened
            finally:
                self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- facts

    def facts(self) -> dict[str, Any]:
        """Everything that is known of the run, by name. Raises JournalError."""
        with self._reading() as database:
            return {name: json.loads(value) for name, value in database.execute("SELECT name, value FROM facts")}

    def state(self, **facts: Any) -> None:
        """Write `facts` down, over what they were. Raises JournalError."""
        self.add((), (), {name: encode_fact(value) for name, value in facts.items()})

    # -- targets and rows

    def add(
        self,
        targets: Sequence[tuple[int, Target]],
        rows: Sequence[tuple[int, Result]],
        facts: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Write targets and rows, each with its target's number, and facts as `encode_fact` made them: all or none.
        Raises JournalError."""
        runs = [(first, len(run), encode_targets(run)) for first, run in contiguous(targets)]
        encoded = [(index, row.outcome.value, encode_row(row)) for index, row in rows]
        with self._lock, self._translating():
            self._database.execute("BEGIN")
            try:
                for run in runs:
                    self._database.execute("INSERT OR REPLACE INTO targets VALUES (?, ?, ?)", run)
                start = 0
                for size in ROWS_A_STATEMENT:
                    while len(encoded) - start >= size:
                        self._insert(encoded[start : start + size])
                        start += size
                for fact in facts.items():
                    self._database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", fact)
                self._database.execute("COMMIT")
            except BaseException:
                self._roll_back()
                raise

    def _insert(self, rows: Sequence[tuple[int, str, bytes]]) -> None:
        values = ",".join(["(?,?,?)"] * len(rows))
        self._database.execute(
            f"INSERT OR REPLACE INTO results (target, outcome, row) VALUES {values}",  # noqa: S608  question marks
            [value for row in rows for value in row],
        )

    def targets(self, start: int = 0, stop: int | None = None) -> Iterator[Target]:
        """The targets from number `start` up to before `stop`, in order, as they were written until each page is read.
        Raises JournalError."""
        while stop is None or start < stop:
            page = self._page_of_targets(start)
            if not page:
                return
            yield from page if stop is None else page[: stop - start]
            start += len(page)

    def _page_of_targets(self, start: int) -> list[Target]:
        with self._reading() as database:
            found: tuple[int, int, bytes] | None = database.execute(
                "SELECT first, number, listed FROM targets WHERE first <= ? ORDER BY first DESC LIMIT 1", (start,)
            ).fetchone()
            if found is None or start >= found[0] + found[1]:
                return []
            runs = database.execute(
                "SELECT first, number, listed FROM targets WHERE first >= ? ORDER BY first LIMIT 256", (found[0],)
            )
            page: list[Target] = []
            for first, _, listed in runs:
                if first > start + len(page):
                    break
                page += decode_targets(listed)[max(0, start - first) :] if first < start else decode_targets(listed)
                if len(page) >= PAGE:
                    break
            return page

    def encoded_rows(self, start: int, stop: int) -> dict[int, bytes]:
        """The rows of targets number `start` to before `stop` that are not to be asked again, as `decode_row` reads
        them. Raises JournalError."""
        with self._reading() as database:
            return dict(
                database.execute(
                    "SELECT target, row FROM results WHERE target >= ? AND target < ? AND NOT due", (start, stop)
                )
            )

    def rows(self) -> Iterator[tuple[int, Target, Result | None]]:
        """Every target with its number and its row, in order; None where it has none yet. Raises JournalError."""
        encoded: dict[int, bytes] = {}
        for index, target in enumerate(self.targets()):
            if not index % PAGE:
                encoded = self._all_rows(index, index + PAGE)
            data = encoded.get(index)
            yield index, target, None if data is None else self.decoded(data, target)

    def _all_rows(self, start: int, stop: int) -> dict[int, bytes]:
        with self._reading() as database:
            return dict(
                database.execute("SELECT target, row FROM results WHERE target >= ? AND target < ?", (start, stop))
            )

    def decoded(self, data: bytes, target: Target) -> Result:
        """The row of `target` that is kept as `data`. Raises JournalError."""
        try:
            return decode_row(data, target)
        except ValueError as error:
            raise JournalError(_damaged(self.path, error)) from None

    def put_off(self, outcomes: Collection[Outcome]) -> int:
        """Mark the rows with one of `outcomes` as to be asked again, and give their number. They stand until they have
        been. Raises JournalError."""
        marks = ",".join("?" * len(outcomes))
        with self._lock, self._translating():
            changed = self._database.execute(
                f"UPDATE results SET due = 1 WHERE outcome IN ({marks})",  # noqa: S608  question marks
                [outcome.value for outcome in outcomes],
            )
            return changed.rowcount

    @property
    def number(self) -> int:
        """How many targets there are. Raises JournalError."""
        with self._reading() as database:
            return int(database.execute("SELECT coalesce(max(first + number), 0) FROM targets").fetchone()[0])

    @property
    def outcomes(self) -> dict[Outcome, int]:
        """How many rows have which outcome. Raises JournalError."""
        with self._reading() as database:
            counted = database.execute("SELECT outcome, count(*) FROM results GROUP BY outcome")
            return {Outcome(outcome): count for outcome, count in counted}

    # -- errors

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, self._translating():
            yield self._database

    @contextmanager
    def _translating(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _translated(self.path, error) from error
        except ValueError as error:  # msgspec's and zlib's, of what was read
            raise JournalError(_damaged(self.path, error)) from error

    def _roll_back(self) -> None:
        try:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
        except sqlite3.Error:
            pass  # the error that led here is the one to tell


def encode_fact(value: object) -> str:
    """`value` as JSON; what a path may hold beside text is spelled out."""
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:  # a lone surrogate: a file's name in another encoding
        return json.dumps(msgspec.to_builtins(value))


def _connect(path: Path) -> sqlite3.Connection:
    # Never made by opening it; a second process learns at once that the file is taken. All statements that are used
    # again and again are remembered; one that inserts some hundred rows takes a hundred kilobytes.
    absolute = path.absolute().as_posix()
    slash = "" if absolute.startswith("/") else "/"  # before a drive's letter
    return sqlite3.connect(
        f"file://{slash}{quote(os.fsencode(absolute), safe='/:')}?mode=rw",  # Path.as_uri imports an HTTP client
        uri=True,
        isolation_level=None,
        timeout=0.2,
        check_same_thread=False,
        cached_statements=len(ROWS_A_STATEMENT) + 8,
    )


def _check_head(path: Path) -> None:
    try:
        with path.open("rb") as stream:
            head = stream.read(100)
    except FileNotFoundError:
        raise JournalError(f"there is no run file {path} (urlsweep runs lists those that are kept)") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise JournalError(f"the run file {path} cannot be read ({why})") from None
    if head[:16] != b"SQLite format 3\0" or int.from_bytes(head[68:72], "big") != APPLICATION_ID:
        what = "is empty" if not head else "is not a run file of urlsweep's"
        raise JournalError(f"{path} {what}: it was left as it is; name another file")
    version = int.from_bytes(head[60:64], "big")
    if version > VERSION:
        raise JournalError(
            f"{path} was written by a newer urlsweep (format {version}, this one knows {VERSION}): upgrade urlsweep, "
            "or check anew"
        )
    if version < VERSION:
        raise JournalError(
            f"{path} was written by an older urlsweep (format {version}, this one knows {VERSION}): finish it with "
            "that one, or check anew"
        )


def _in_the_way(path: Path) -> str:
    try:
        _check_head(path)
    except JournalError:
        return f"{path} is there already and is no run file of this urlsweep's: it was left as it is; name another file"
    return (
        f"{path} holds a run already: go on with it (urlsweep resume {path}), remove it (urlsweep runs rm {path}) or "
        "name another file"
    )


def _translated(path: Path, error: sqlite3.Error) -> JournalError:
    # Only sqlite3's own errors of Python 3.11 on have the code; it is there for all that come from the library.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return InUseError(f"{path} is in use by another urlsweep that is running: wait for its end, or stop it")
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return JournalError(_damaged(path, error))
    if code == sqlite3.SQLITE_FULL:
        return JournalError(f"the run file {path} cannot be written any more (the disk is full)")
    if code == sqlite3.SQLITE_IOERR:
        return JournalError(f"the run file {path} cannot be read or written any more ({error})")
    return JournalError(f"the run file {path} cannot be used ({error})")


def _damaged(path: Path, error: Exception) -> str:
    return (
        f"the run file {path} is damaged ({error}): it was left as it is; check anew, or try to save what is in it "
        "with sqlite3's .recover"
    )


@contextmanager
def opened(path: Path) -> Iterator[RunFile]:
    """The run file at `path`, for reading. Raises JournalError."""
    with closing(RunFile.open(path)) as run_file:
        yield run_file
