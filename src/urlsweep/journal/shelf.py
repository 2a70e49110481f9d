"""Where runs are kept: a folder of run files, of which the oldest go when there are too many.

Contract: `Shelf` never touches a file that is no run file by its name, and never removes a run that is going on.
Not in here: what is in a run file (`run_file`).
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from urlsweep.journal import JournalError
from urlsweep.journal.run_file import RunFile

SUFFIX: Final = ".run"
LAST: Final = "last"
"""What the newest run is called."""

_BESIDE: Final = ("-wal", "-shm", "-journal")  # what SQLite puts beside a file while it is written


class KeptRun(NamedTuple):
    """A run file on the shelf."""

    name: str
    path: Path

    @property
    def size_bytes(self) -> int:
        """What it takes on disk, what lies beside it included."""
        return sum(part.stat().st_size for part in _parts(self.path) if part.exists())


class Shelf:
    """The runs in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def usual(cls, folder: str | None = None) -> Shelf:
        """The one in `folder`, else in the user's state directory (XDG_STATE_HOME and its kin on other systems)."""
        if folder is not None:
            return cls(Path(folder).expanduser())
        import platformdirs  # only where a run is kept

        return cls(platformdirs.user_state_path("urlsweep", appauthor=False) / "runs")

    def new_path(self, moment: dt.datetime) -> Path:
        """Where a run that begins at `moment` is kept: names sort by time, to the millisecond."""
        moment = moment.astimezone(dt.UTC)
        while True:
            path = self.folder / f"{moment:%Y%m%d-%H%M%S}-{moment.microsecond // 1000:03}{SUFFIX}"
            if not path.exists():
                return path
            moment += dt.timedelta(milliseconds=1)

    def runs(self) -> list[KeptRun]:
        """The runs there are, the newest first. Raises JournalError."""
        try:
            paths = sorted((entry.path for entry in os.scandir(self.folder) if _is_run(entry)), reverse=True)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise JournalError(f"the folder of runs {self.folder} cannot be read ({error.strerror})") from None
        return [KeptRun(Path(path).stem, Path(path)) for path in paths]

    def find(self, name: str) -> Path:
        """The run file that `name` means: a file, ``last``, or a run's name or the beginning of it. Raises
        JournalError."""
        if Path(name).suffix or Path(name).name != name or Path(name).is_file():
            return Path(name)
        runs = self.runs()
        if name == LAST and runs:
            return runs[0].path
        found = [run for run in runs if run.name.startswith(name)]
        if len(found) == 1:
            return found[0].path
        if len(found) > 1:
            raise JournalError(f"several runs begin with {name!r}: {', '.join(run.name for run in found[:5])}")
        raise JournalError(f"there is no run {name!r} (urlsweep runs lists those that are kept)")

    def trim(self, keep: int, size_bytes: int, without: Path | None = None) -> None:
        """Remove the oldest runs beyond `keep`, and beyond `size_bytes` for all together; `without` is never one of
        them, nor is a run that is going on."""
        total = 0
        for position, run in enumerate(self.runs()):
            total += run.size_bytes
            if (position >= keep or total > size_bytes) and run.path != without:
                try:
                    remove(run.path)
                except JournalError:
                    pass  # going on, damaged or of another version: somebody may want to look at it


def remove(path: Path) -> None:
    """Remove the run file at `path` and what lies beside it. Raises JournalError where it is none, or is in use."""
    if not _is_empty(path):
        with RunFile.open(path, to_write=True):
            pass
    for part in _parts(path):
        try:
            part.unlink(missing_ok=True)
        except OSError as error:
            raise JournalError(f"the run file {part} cannot be removed ({error.strerror})") from None


def _is_empty(path: Path) -> bool:
    """Whether it is a file that a process was killed over before anything was in it."""
    try:
        return path.suffix == SUFFIX and not path.stat().st_size
    except OSError:
        return False


def _is_run(entry: os.DirEntry[str]) -> bool:
    return entry.name.endswith(SUFFIX) and entry.is_file()


def _parts(path: Path) -> Iterator[Path]:
    yield path
    for suffix in _BESIDE:
        yield path.with_name(path.name + suffix)
