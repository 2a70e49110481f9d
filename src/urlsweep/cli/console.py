"""The streams of the command line: data goes to standard output, everything else to standard error.

Contract: whatever is said comes out harmless for a terminal, without secrets, on a line of its own, and never in the
middle of the progress line. Not in here: what is said and when.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import BinaryIO, Final, Protocol, TextIO

from urlsweep.reports.escaping import escape_terminal
from urlsweep.reports.redaction import Redactor
from urlsweep.settings import Color

_ORDINARY_WIDTH: Final = 80


class LiveLine(Protocol):
    """Something that redraws the last line of the terminal: the progress."""

    def hide(self) -> None:
        """Take it off the terminal."""

    def show(self) -> None:
        """Put it back."""


class Console:
    """Where a command writes."""

    def __init__(self, stdout: BinaryIO, stderr: TextIO, environ: Mapping[str, str] | None = None) -> None:
        self.stdout = stdout
        self.stderr = stderr
        self._environ = os.environ if environ is None else environ
        self.is_quiet = False
        self.redactor = Redactor()  # one that knows the run's secrets takes its place
        self._live: LiveLine | None = None

    @classmethod
    def of_process(cls) -> Console:
        """The process's own streams."""
        return cls(sys.stdout.buffer, sys.stderr)

    @property
    def shows_output(self) -> bool:
        """Whether standard output is a terminal."""
        return is_terminal(self.stdout)

    @property
    def mixes_streams(self) -> bool:
        """Whether rows and messages come out one below the other: on a terminal, or in one file or pipe (``2>&1``)."""
        if self.shows_output:
            return True
        try:
            return os.path.sameopenfile(self.stdout.fileno(), self.stderr.fileno())
        except (OSError, ValueError):
            return False

    @property
    def shows_messages(self) -> bool:
        """Whether standard error is a terminal."""
        return is_terminal(self.stderr)

    def error(self, message: str) -> None:
        """Say what ended the command."""
        self.say(f"urlsweep: error: {message}")

    def warning(self, message: str) -> None:
        """Say what somebody may want to look at; not when quiet."""
        if not self.is_quiet:
            self.say(f"urlsweep: warning: {message}")

    def say(self, line: str) -> None:
        """One line to standard error, whatever it holds."""
        self.write(escape_terminal(self.redactor.text(line)) + "\n")

    def write(self, text: str) -> None:
        """Text that is harmless already, to standard error."""
        with self.above_progress():
            self.stderr.write(
                text.encode(self.stderr.encoding or "utf-8", "backslashreplace").decode(self.stderr.encoding or "utf-8")
            )
            self.stderr.flush()

    @contextmanager
    def above_progress(self) -> Iterator[None]:
        """Within it the progress line is out of the way."""
        if self._live is None:
            yield
            return
        self._live.hide()
        try:
            yield
        finally:
            self._live.show()

    @contextmanager
    def with_progress(self, live: LiveLine) -> Iterator[None]:
        """Within it, `live` makes room for whatever else is written."""
        self._live = live
        try:
            yield
        finally:
            self._live = None

    def wants_color(self, color: Color, stream: BinaryIO | TextIO) -> bool:
        """Whether `stream` is to be sent colours (NO_COLOR: no-color.org)."""
        if color is Color.AUTO:
            return is_terminal(stream) and not self._environ.get("NO_COLOR") and self._environ.get("TERM") != "dumb"
        return color is Color.ALWAYS

    def width(self, stream: BinaryIO | TextIO) -> int:
        """The columns that text on `stream` may take: COLUMNS, else the terminal's, else 80."""
        given = self._environ.get("COLUMNS", "")
        if given.isascii() and given.isdigit() and int(given) > 0:
            return int(given)
        try:
            return os.get_terminal_size(stream.fileno()).columns or _ORDINARY_WIDTH
        except (OSError, ValueError):
            return _ORDINARY_WIDTH


def is_terminal(stream: BinaryIO | TextIO) -> bool:
    """Whether `stream` is a terminal; a closed one is none."""
    try:
        return stream.isatty()
    except ValueError:
        return False
