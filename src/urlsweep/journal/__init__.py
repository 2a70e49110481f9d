"""What is kept of a run, so that none is ever lost: the protocol that the engine knows, and the one error.

Contract: importing this is free; the database is opened by `run_file` alone. A run is one SQLite file; secrets are in
none. Not in here: what a run asks (`engine`), where its inputs come from (`sources`), what is shown of it (`reports`).
"""

from __future__ import annotations

from typing import Protocol

from urlsweep.core.check import Verdict
from urlsweep.core.model import Result, Target
from urlsweep.core.urls import Url


class JournalError(Exception):
    """A run file that cannot be used. The message says which, why, and what to do; nothing in it was changed."""


class InUseError(JournalError):
    """A run file that another process writes."""


class Journal(Protocol):
    """What the engine tells about a run as it goes, and asks about what was before. Called on the loop: never waits."""

    kept: int  # targets that were read before the run was cut: the only ones that `earlier` is asked about
    is_trusting: bool  # whether `recall` may know anything, which does not change

    def earlier(self, index: int, target: Target) -> Result | None:
        """The row that target number `index` has already, from before the run was cut; it is not asked again."""

    def recall(self, url: Url) -> Verdict | None:
        """What an earlier run found out about `url`, where that is still to be trusted."""

    def settled(self, index: int, row: Result) -> None:
        """Target number `index` has got its row."""
