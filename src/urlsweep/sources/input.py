"""What a parser is told of the document it reads, and how it says where in it something stood.

Not in here: the bytes and where they come from.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath

import msgspec

from urlsweep.core.model import Fault, Outcome, Reason, Target


def ignore(message: str) -> None:
    """A `warn` for who does not care."""


class Input(msgspec.Struct, frozen=True):
    """One document as its parser knows it."""

    name: str  # as people know it: a path as given, "stdin", a URL
    url: str | None = None  # where it was fetched from, after redirects; what its relative URLs are resolved against
    column: str | None = None  # the CSV column that was asked for: a name or a 1-based number
    warn: Callable[[str], None] = ignore  # takes one sentence about something odd that loses no row

    def at(self, line: int) -> str:
        """Where `line` (1-based) stands: ``urls.txt:7``.

        A fetched document is named by its URL alone: with a line behind it, it would no longer be a URL to click on,
        and 50,000 rows can share the one string.
        """
        return f"{self.name}:{line}" if self.url is None else self.name

    def fault(self, reason: Reason, detail: str, line: int | None = None) -> Target:
        """The row that says what was wrong with the document itself."""
        found_in = self.name if line is None else self.at(line)
        return Target(self.name, found_in, fault=Fault(Outcome.BROKEN, reason, detail))

    @property
    def ending(self) -> str:
        """The name's ending in lower case, ``.gz`` passed over: ``.csv`` for ``Links.CSV.gz``; "" where it has none."""
        path = PurePath(self.name)
        if path.suffix.lower() in (".gz", ".gzip"):
            path = path.with_suffix("")
        return path.suffix.lower()
