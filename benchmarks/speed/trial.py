"""One workload: its servers, every tool in turn and again, every answer judged.

Contract: to be called inside a sealed namespace only. In every round each tool runs once, so that what the machine does
meanwhile falls on all of them; a warm-up round at a tenth of the size counts for nothing.
"""

from __future__ import annotations

import os
import re
import shutil
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.programs import Figures, find_program, run_measured
from benchmarks.speed import machine
from benchmarks.speed.judge import Judgement, Said, judge
from benchmarks.speed.pages import LOOPBACK, Kind, address_of, hosts_of, listing, name_of
from benchmarks.speed.servers import ServerError, Site, on_processor
from benchmarks.speed.tools import Job, Tool
from benchmarks.speed.workloads import Limit, Workload

WARM_UP_SHARE: Final = 0.1
WRK_SECONDS: Final = 3
WRK_REMEDY: Final = "install Debian's wrk"

_BARE: Final = Path(__file__).with_name("bare.py")


@dataclass(frozen=True)
class Run:
    """One run of one tool."""

    figures: Figures
    requests: int  # that the server answered
    late: int  # answers that the server sent late
    others: float  # the share of the machine's processors that neither the tool nor the servers took
    judgement: Judgement | None  # None: there was no report to judge
    fault: str | None = None  # why there was none

    @property
    def is_right(self) -> bool:
        """It ended, and every answer is right."""
        return self.judgement is not None and self.judgement.is_right


@dataclass(frozen=True)
class LimitRun:
    """What the workload would take something that does nothing but ask."""

    seconds: float  # for all of the workload's URLs
    cpu: float | None  # seconds of processor time for them; None: not measured


@dataclass
class Trial:
    """What came of a workload."""

    workload: Workload
    runs: dict[str, list[Run]] = field(default_factory=dict)  # by tool, round by round
    commands: dict[str, list[str]] = field(default_factory=dict)
    cannot: dict[str, str] = field(default_factory=dict)  # tool -> why it did not take part
    limits: list[LimitRun] = field(default_factory=list)

    def is_right(self, tool: str) -> bool:
        """It was right in every round."""
        return bool(self.runs.get(tool)) and all(run.is_right for run in self.runs[tool])

    def values(self, tool: str, of: Callable[[Run], float]) -> list[float]:
        """One figure of every round."""
        return [of(run) for run in self.runs[tool]]

    def median(self, tool: str, of: Callable[[Run], float]) -> float:
        """The middle one."""
        return statistics.median(self.values(tool, of))


def try_out(
    workload: Workload, tools: Sequence[Tool], site: Site, directory: Path, rounds: int, seconds: float,
    say: Callable[[str], None],
) -> Trial:  # fmt: skip
    """Run every tool `rounds` times, each for at most `seconds`. `site` serves the workload."""
    trial = Trial(workload)
    trial.cannot = {tool.name: reason for tool in tools if (reason := tool.why_not(workload))}
    able = [tool for tool in tools if tool.name not in trial.cannot]
    small = workload.scaled(WARM_UP_SHARE)
    _one_round(small, able, site, directory / "warm-up", seconds)
    for number in range(rounds):
        for name, (run, command) in _one_round(workload, able, site, directory / str(number), seconds).items():
            trial.runs.setdefault(name, []).append(run)
            trial.commands[name] = command
            told = f"{run.figures.wall:.2f} s, {run.fault or run.judgement}"
            say(f"  {number + 1}/{rounds}  {name}: {told} (others {run.others:.0%})")
        limit = _limit(workload, site, directory / f"{number}-limit", seconds)
        if limit is not None:
            trial.limits.append(limit)
            say(f"  {number + 1}/{rounds}  limit ({workload.limit}): {limit.seconds:.2f} s")
    return trial


def _one_round(
    workload: Workload, tools: Sequence[Tool], site: Site, directory: Path, seconds: float
) -> dict[str, tuple[Run, list[str]]]:
    directory.mkdir()
    urls = list(listing(workload.scheme, hosts_of(workload.hosts), workload.urls, workload.planted))
    file = directory / "urls.txt"
    file.write_text("".join(f"{url}\n" for url in urls), encoding="ascii")
    site.write_sitemap(urls)
    done = {}
    for number, tool in enumerate(tools):
        own = directory / str(number)
        own.mkdir()
        job = Job(file, site.sitemap, site.authority if workload.scheme == "https" else None, workload.at_once, own)
        done[tool.name] = run_once(tool, job, urls, site, seconds), tool.command(job)
        shutil.rmtree(own)
    shutil.rmtree(directory)
    return done


def run_once(tool: Tool, job: Job, urls: Sequence[str], site: Site, seconds: float) -> Run:
    """Run `tool` and judge it. What it does wrong is told in what is given, never raised."""
    requests, late = site.counted()
    busy, served = machine.busy_seconds(), machine.seconds_of(site.processes)
    figures = run_measured(tool.command(job), tool.environment(job), job.directory, seconds)
    own = figures.user + figures.system + machine.seconds_of(site.processes) - served
    others = (machine.busy_seconds() - busy - own) / figures.wall / (os.cpu_count() or 1)
    now_requests, now_late = site.counted()
    # Asking for the counts is a request, too.
    counts = now_requests - requests - 1, now_late - late, max(0.0, others)
    if figures.is_cut_short:
        return Run(figures, *counts, None, f"ended after {seconds:.0f} s")
    if figures.exit not in tool.good_exits:
        said = (job.directory / "stderr").read_text(encoding="utf-8", errors="replace").strip()[-300:]
        return Run(figures, *counts, None, f"exit code {figures.exit}: {said}")
    try:
        answers: list[Said] = list(tool.answers(job))
    except (OSError, ValueError, KeyError) as error:
        return Run(figures, *counts, None, f"its report cannot be read: {error}")
    return Run(figures, *counts, judge(urls, answers))


def _limit(workload: Workload, site: Site, directory: Path, seconds: float) -> LimitRun | None:
    directory.mkdir()
    if workload.limit is Limit.WRK:
        return _wrk(workload, directory)
    if workload.limit is Limit.BARE:
        return _bare(workload, site, directory, seconds)
    if workload.limit is Limit.LATENCY and workload.ideal is not None:
        return LimitRun(workload.ideal, None)
    return None


def _apart() -> list[str]:
    """Keeps a limit off the servers' processor, so that it is one: the kernel sometimes leaves both on the same."""
    return on_processor(min(os.sched_getaffinity(0)))


def _wrk(workload: Workload, directory: Path) -> LimitRun:
    wrk = find_program("wrk", WRK_REMEDY)
    page = f"{workload.scheme}://{LOOPBACK}/{Kind.PAGE}/0"
    command = [*_apart(), wrk, "-t1", f"-c{workload.at_once}", f"-d{WRK_SECONDS}s", page]
    figures = run_measured(command, {}, directory, WRK_SECONDS + 20)
    text = (directory / "stdout").read_text(encoding="utf-8")
    rate = re.search(r"^Requests/sec:\s*([\d.]+)$", text, re.MULTILINE)
    total = re.search(r"^\s*(\d+) requests in", text, re.MULTILINE)
    if rate is None or total is None or not float(rate[1]) or "Non-2xx" in text:
        raise ServerError(f"wrk did not measure {page}: {text[-500:]}")
    share = workload.urls / int(total[1])
    return LimitRun(workload.urls / float(rate[1]), (figures.user + figures.system) * share)


def _bare(workload: Workload, site: Site, directory: Path, seconds: float) -> LimitRun:
    lines = directory / "lines.txt"
    with lines.open("w", encoding="ascii") as stream:
        for number in range(workload.urls):
            host = number % workload.hosts
            stream.write(f"{address_of(host)} {name_of(host)} /{Kind.PAGE}/{number}\n")
    trust = [str(site.authority)] if workload.scheme == "https" else []
    command = [*_apart(), sys.executable, "-I", str(_BARE), str(lines), str(workload.at_once), *trust]
    figures = run_measured(command, {}, directory, seconds)
    if figures.exit:
        said = (directory / "stderr").read_text(encoding="utf-8", errors="replace")[-500:]
        raise ServerError(f"the bare loop got answers that are none: {said}")
    return LimitRun(figures.wall, figures.user + figures.system)
