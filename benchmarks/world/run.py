"""One tool in a fresh world: start the servers, run and measure the tool, stop the servers, judge.

Contract: to be called inside a sealed namespace only. Every wait is bounded, and every process that is started is ended
by its id, whatever happens.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from benchmarks.programs import Figures, end, run_measured
from benchmarks.world.judge import Judgement, judge
from benchmarks.world.plan import LANDING_PREFIX, Plan, landing_host
from benchmarks.world.tools import Place, Tool

START_SECONDS: Final = 60.0
"""For a server to read the list and listen."""

PROBE: Final = f"http://{landing_host(0)}{LANDING_PREFIX}probe"


class WorldError(RuntimeError):
    """The world or a tool did not do what it was started for."""


@dataclass(frozen=True)
class Options:
    """What a run may differ in."""

    latency: tuple[float, float]  # seconds
    hangs: bool
    limit: float  # seconds a tool may take


@dataclass(frozen=True)
class Run:
    """What came of it."""

    tool: str
    tells_reasons: bool
    command: list[str]
    figures: Figures
    counts: dict[str, Any]  # what the web servers saw: see `server.Counts`
    name_counts: dict[str, Any]  # what the DNS saw
    judgement: Judgement | None  # None: it was ended for taking too long, and had reported nothing that counts


def run(tool: Tool, plan: Plan, urls: Path, directory: Path, options: Options) -> Run:
    """Run `tool` over `urls` in a world of its own. Raises WorldError where the world or the tool did not work."""
    directory.mkdir()
    place = Place(urls, directory / "authority.pem", directory)
    flags = [] if options.hangs else ["--no-hangs"]
    latency = ["--latency", *map(str, options.latency)]
    with ExitStack() as stack:
        names = stack.enter_context(Servant("names", place, flags))
        server = stack.enter_context(Servant("server", place, [str(place.authority), *flags, *latency]))
        _check_served()
        command = tool.command(place)
        figures = run_measured(command, tool.environment(place), directory, options.limit)
    counts, name_counts = server.counts(), names.counts()
    judgement = None
    if not figures.is_cut_short:
        if figures.exit not in tool.good_exits:
            said = (directory / "stderr").read_text(encoding="utf-8", errors="replace")[-2000:]
            raise WorldError(f"{tool.name} ended with exit code {figures.exit}:\n{said}")
        judgement = judge(plan, tool.answers(place), by_reason=tool.tells_reasons)
    return Run(tool.name, tool.tells_reasons, command, figures, counts, name_counts, judgement)


def _check_served() -> None:
    """Ask one page as a tool would, by name: a world that does not answer must not be held against a tool."""
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(PROBE, timeout=10) as page:
            page.read()
    except OSError as error:
        raise WorldError(f"the world does not answer {PROBE}: {error}") from error


class Servant:
    """One of the world's server programs, from "ready" to its end."""

    def __init__(self, module: str, place: Place, arguments: list[str]) -> None:
        """Start `benchmarks.world.<module>`. Raises WorldError where it does not come up."""
        self._counts = place.directory / f"{module}.json"
        command = [sys.executable, "-m", f"benchmarks.world.{module}", str(place.urls), str(self._counts), *arguments]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        timer = threading.Timer(START_SECONDS, self._process.kill)
        timer.start()
        try:
            assert self._process.stdout is not None
            is_ready = self._process.stdout.readline() == "ready\n"
        except BaseException:
            self._end()
            raise
        finally:
            timer.cancel()
        if not is_ready:
            self._end()
            raise WorldError(f"the world's {module} did not start: its message stands above")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def _end(self) -> None:
        end(self._process)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def counts(self) -> dict[str, Any]:
        """What it has seen; after its end. Raises WorldError where it left nothing."""
        try:
            counts: dict[str, Any] = json.loads(self._counts.read_text(encoding="utf-8"))
        except OSError:
            raise WorldError(f"{self._counts.stem} left no counts (exit code {self._process.returncode})") from None
        return counts
