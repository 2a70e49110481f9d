"""The programs that are measured: found, started in a plain environment, bounded in time, and ended by their id.

Contract: nothing that is started here outlives the call. Not in here: what a program's output means.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import measured

END_SECONDS: Final = 20.0
"""For a program that was told to end."""


class ProgramMissingError(RuntimeError):
    """A program is not installed; the message says how to get it."""


@dataclass(frozen=True)
class Figures:
    """What one run of a program took."""

    wall: float  # seconds
    user: float  # seconds of processor time
    system: float
    peak_rss_mb: float  # MiB
    exit: int  # negative: the signal that ended it
    is_cut_short: bool  # it was ended for taking longer than it was allowed

    def __str__(self) -> str:
        return (
            f"wall {self.wall:.1f} s, processor {self.user + self.system:.1f} s ({self.user:.1f} user + "
            f"{self.system:.1f} system), peak memory {self.peak_rss_mb:.0f} MiB, exit code {self.exit}"
        )


def find_program(name: str, remedy: str) -> str:
    """The path of a program, of this Python's own environment first. Raises ProgramMissingError with the remedy."""
    beside = Path(sys.executable).with_name(name)
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise ProgramMissingError(f"{name} is not installed: {remedy}")
    return found


def find_urlsweep() -> str:
    """The installed command line."""
    return find_program("urlsweep", "run `pip install -e .` in the repository")


def plain_environment() -> dict[str, str]:
    """This process's environment without proxies, which would be asked instead, and without urlsweep's settings.

    Runs are kept, as they always are, but not among the user's own. Python may keep its bytecode, as it does wherever
    pip has installed a program: without it urlsweep spends 100 ms on compiling itself, each time.
    """
    plain = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy")
        and not name.startswith("URLSWEEP_")
        and name != "PYTHONDONTWRITEBYTECODE"
    }
    return plain | {"URLSWEEP_JOURNAL_DIR": str(Path(tempfile.gettempdir()) / "urlsweep-benchmark-runs")}


def run_measured(command: Sequence[str], environment: dict[str, str], directory: Path, limit: float) -> Figures:
    """Run `command` in `directory` for at most `limit` seconds.

    Its standard output and error go to the files ``stdout`` and ``stderr`` there.
    """
    figures = directory / "measured.json"
    program = [sys.executable, "-I", "-S", str(measured.__file__), str(limit), str(figures), *command]
    with (directory / "stdout").open("wb") as stdout, (directory / "stderr").open("wb") as stderr:
        child = subprocess.Popen(
            program, cwd=directory, env=environment, stdin=subprocess.DEVNULL, stdout=stdout, stderr=stderr
        )
        try:
            child.wait(limit + 2 * measured.GRACE + END_SECONDS)
        finally:
            end(child)
    return Figures(**json.loads(figures.read_text(encoding="utf-8")))


def end(child: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """End `child`, kindly first. Returns when it is gone."""
    if child.poll() is not None:
        return
    child.terminate()
    try:
        child.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
