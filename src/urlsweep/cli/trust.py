"""What earlier runs found out, for `--cache`: verdicts by URL, of runs that asked in the same way.

Contract: read once, before the run; exact and in flat memory, as the engine's own ledger is. What a credential was sent
with is never trusted: who it was is not kept. Not in here: how long a row is trusted (`core.freshness`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from urlsweep.cli.recording import State
from urlsweep.core.check import Verdict
from urlsweep.core.freshness import is_fresh, is_within
from urlsweep.core.model import Outcome, Result, Target
from urlsweep.core.policy import Policy
from urlsweep.core.urls import Url, parse
from urlsweep.journal import JournalError
from urlsweep.journal.run_file import RunFile, opened
from urlsweep.journal.shelf import Shelf
from urlsweep.ledger import Ledger, digest_of


class Trust:
    """Verdicts of earlier runs. Close it."""

    kept = 0  # no run goes on: see `earlier`
    is_trusting = True

    def __init__(self, times_to_live: Mapping[Outcome, float], policy: Policy, now: float) -> None:
        """`now` is the time of day in seconds since the epoch."""
        self._times_to_live = times_to_live
        self._policy = policy
        self._now = now
        self._ledger = Ledger()

    def read(self, shelf: Shelf, fingerprint: str, without: Path | None) -> None:
        """Take in what the runs on `shelf` with the same `fingerprint` say, `without` one of them."""
        for run in reversed(shelf.runs()):  # the newest last: its word counts
            if run.path == without:
                continue
            try:
                with opened(run.path) as run_file:
                    facts = run_file.facts()
                    if facts.get("fingerprint") == fingerprint and self._may_be_fresh(facts):
                        for url, verdict in self._fresh(run_file):
                            self._ledger.put(digest_of(url.duplicate_key), verdict)
            except JournalError:
                continue  # in use, or damaged: no help, and no reason not to ask

    def _may_be_fresh(self, facts: Mapping[str, Any]) -> bool:
        """Whether a run is not altogether too old: what a finished one found out is older than its end."""
        longest = max(self._times_to_live.values(), default=0.0)
        return facts.get("state") != State.FINISHED or is_within(str(facts.get("ended_at")), longest, self._now)

    def _fresh(self, run_file: RunFile) -> Iterator[tuple[Url, Verdict]]:
        for _, target, row in run_file.rows():
            if row is None or target.fault is not None or not is_fresh(row, self._times_to_live, self._now):
                continue
            url = parse(target.url)
            if isinstance(url, Url) and (verdict := Verdict.of_row(row, url)) is not None:
                yield url, msgspec.structs.replace(verdict, attempts=0, is_cached=True)

    @property
    def is_of_use(self) -> bool:
        """Whether anything may be trusted at all."""
        return bool(self._times_to_live)

    # A Journal for the engine where the run itself is not kept:

    def earlier(self, index: int, target: Target) -> Result | None:  # noqa: ARG002  a Journal's signature
        """Nothing: no run goes on."""
        return None

    def settled(self, index: int, row: Result) -> None:
        """Nothing is kept."""

    def recall(self, url: Url) -> Verdict | None:
        """What is to be trusted about `url`."""
        if url.has_credentials or self._policy.unscoped_credentials:
            return None
        verdict = self._ledger.get(digest_of(url.duplicate_key))
        if verdict is None or self._policy.for_url(url).credentials.get(url.origin):
            return None
        return verdict

    def close(self) -> None:
        """Forget everything. Idempotent."""
        self._ledger.close()
