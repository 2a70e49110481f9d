"""The results as Markdown: a table a workload, the goals, where urlsweep does not lead, and the command lines.

Contract: pure. A tool whose answers were wrong gets its faults in place of a comparison.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.speed.startup import BARE, Start
from benchmarks.speed.tools import LYCHEE, TWO_PROCESSES, URLSWEEP
from benchmarks.speed.trial import Run, Trial
from benchmarks.speed.workloads import SCALING, SCALING_GOALS, Goals, Limit, Measure

START_GOALS: Final = {"--version": 0.030, "--help": 0.030}
"""Seconds over bare Python, at most: the aims."""

FIRST_REQUEST_GOAL: Final = 0.150
"""Seconds, at most."""

FLAT_TIME: Final = 1.15
"""Times the time a URL took on a list a tenth as long."""

FLAT_BYTES: Final = 32.0
"""Of memory for each further URL: less than its text has, so the list is not held."""

DISTURBED_SHARE: Final = 0.1
"""Of the processors, taken by others in any run: from there on the figures are not to be trusted to a tenth."""

_LIMIT_NAMES: Final = {
    Limit.WRK: "limit: wrk, one URL",
    Limit.BARE: "limit: bare epoll loop, addresses known",
    Limit.LATENCY: "limit: the servers' latency",
}


_NONE: Final = "-"
_MISSED: Final = "missed"

_WHY: Final = {
    "wall time": "Wall time: urlsweep runs Python on one processor unless it is told otherwise; lychee and siteprobe "
    "are machine code on all. It has started after some 0.1 s, before which they have asked for hundreds of URLs.",
    "hosts, wall time": "hosts: each URL brings a look-up, a connection and a place for its host among all that are "
    "paced; nothing of it is shared with another URL, so what is interpreted weighs most here.",
    "hosts-tls, wall time": "hosts-tls: handshakes are nearly all of it. One process makes them one after the other; "
    "what that takes at least, without anything of urlsweep's, is the bare loop's line.",
    "processor time": "Processor time: all of it but parsing and cryptography is interpreted.",
    "peak memory": "Peak memory: Python with the libraries that a check needs is that large before the first URL; how "
    "it grows is in the scaling table.",
}
"""What is known of each, for all workloads or for one."""


@dataclass
class Results:
    """Everything that was measured."""

    machine: str
    versions: dict[str, str]  # what of -> versions, in words
    scale: float
    rounds: int
    flags: Sequence[str] = ()
    trials: list[Trial] = field(default_factory=list)
    scaling: list[Trial] = field(default_factory=list)
    starts: list[Start] = field(default_factory=list)

    @property
    def is_right(self) -> bool:
        """urlsweep was, everywhere."""
        return all(trial.is_right(URLSWEEP) for trial in (*self.trials, *self.scaling))


def wall(run: Run) -> float:
    """Seconds."""
    return run.figures.wall


def cpu(run: Run) -> float:
    """Seconds of processor time."""
    return run.figures.user + run.figures.system


def memory(run: Run) -> float:
    """MiB."""
    return run.figures.peak_rss_mb


def ratios(trial: Trial, slower: str, faster: str) -> list[float] | None:
    """How many times as fast as `slower` the tool `faster` was, round by round; None where one of them was wrong."""
    if not (trial.is_right(slower) and trial.is_right(faster)):
        return None
    rounds = zip(trial.values(slower, wall), trial.values(faster, wall), strict=True)
    return [theirs / ours for theirs, ours in rounds]


def page(results: Results) -> Iterator[str]:
    """RESULTS.md, line by line."""
    yield "# Results"
    yield ""
    yield (
        "Written by `python -m benchmarks`; what is measured and how is told in [README.md](README.md). Medians of "
        "as many rounds as each table says, least and most in brackets. A tool with a wrong or "
        "missing answer is shown as wrong, whatever its time."
    )
    yield ""
    if results.scale != 1:
        yield f"**A small run, of {results.scale:g} of the full size: starting the programs weighs more than in a"
        yield "full one, which the goals are for.**"
        yield ""
    yield f"- Machine: {results.machine}; the servers share it with the tools"
    for name, versions in results.versions.items():
        yield f"- {name}: {versions}"
    if runs := [run for trial in results.trials for of_tool in trial.runs.values() for run in of_tool]:
        shares = [run.others for run in runs]
        line = (
            f"Other processes took {statistics.median(shares):.0%} of the processors in the middle run, "
            f"{max(shares):.0%} in the worst"
        )
        yield f"- {line}" if max(shares) <= DISTURBED_SHARE else f"- **{line}: not a quiet machine**"
    if results.flags:
        yield f"- urlsweep's extra flags: `{' '.join(results.flags)}`"
    yield from _in_short(results.trials)
    yield from _goals(results)
    yield from _not_leading(results)
    for trial in results.trials:
        yield from _trial(trial)
    if results.scaling:
        yield from _scaling(results.scaling)
    if results.starts:
        yield from _starts(results.starts)
    yield from _commands([*results.trials, *results.scaling])


def _in_short(trials: Sequence[Trial]) -> Iterator[str]:
    timed = [trial for trial in trials if trial.workload.is_timed]
    if not timed:
        return
    tools = list(dict.fromkeys(tool for trial in timed for tool in trial.runs))
    yield from ("", "## In short: URLs a second", "")
    yield _row(["workload", *tools, "urlsweep to the fastest of the others"])
    yield "|---|" + "---|" * (len(tools) + 1)
    for trial in timed:
        rates = {tool: trial.workload.urls / trial.median(tool, wall) for tool in trial.runs if trial.is_right(tool)}
        fastest = max(rates, key=lambda tool: rates[tool], default=None)
        peers = [tool for tool in _others(trial) if tool in rates]
        compared = ""
        if peers and URLSWEEP in rates:
            best = max(peers, key=lambda tool: rates[tool])
            compared = f"{rates[URLSWEEP] / rates[best]:.2f} times {best}"
            if TWO_PROCESSES in rates:
                compared += f"; with 2 processes {rates[TWO_PROCESSES] / rates[best]:.2f}"
        cells = []
        for tool in tools:
            rate = f"{rates[tool]:,.0f}" if tool in rates else "wrong" if tool in trial.runs else _NONE
            cells.append(f"**{rate}**" if tool == fastest else rate)
        yield _row([trial.workload.name, *cells, compared])


def _trial(trial: Trial) -> Iterator[str]:
    workload = trial.workload
    rounds = max(map(len, trial.runs.values()), default=0)
    yield from ("", f"## {workload.name}: {workload.title}", "")
    yield f"{workload.urls:,} URLs, {workload.at_once:,} at once, {rounds} {'round' if rounds == 1 else 'rounds'}."
    yield ""
    compared = " urlsweep is |" if workload.is_timed else ""
    yield f"| tool | wall, s | URLs/s | CPU a URL, µs | peak memory, MiB | requests a URL | answers |{compared}"
    yield "|---|---|---|---|---|---|---|" + ("---|" if compared else "")
    for tool in trial.runs:
        cells = [tool, *_figures(trial, tool)]
        if workload.is_timed:
            cells.append(_compared(trial, tool))
        yield _row(cells)
    if trial.limits:
        yield _row(_limit_cells(trial))
    for tool, reason in trial.cannot.items():
        yield _row([tool, *[_NONE] * 5, f"not run: {reason}", *([""] if compared else [])])
    late = sum(run.late for runs in trial.runs.values() for run in runs)
    if workload.latency:
        yield ""
        yield f"The server sent {late:,} answers 25 ms late or more, in all of these runs together."
    for tool, runs in trial.runs.items():
        for run in runs:
            if run.judgement is not None and run.judgement.examples:
                yield ""
                yield f"{tool}, for example: " + "; ".join(f"`{example}`" for example in run.judgement.examples)
                break


def _figures(trial: Trial, tool: str) -> list[str]:
    urls = trial.workload.urls
    walls = trial.values(tool, wall)
    cells = [
        _spread(walls, 2),
        f"{urls / statistics.median(walls):,.0f}",
        f"{trial.median(tool, cpu) / urls * 1e6:,.0f}",
        f"{trial.median(tool, memory):,.0f}",
        f"{trial.median(tool, lambda run: run.requests) / urls:.2f}",
    ]
    faults = [run.fault or str(run.judgement) for run in trial.runs[tool] if not run.is_right]
    return [*cells, f"**WRONG**: {_cell(faults[0])}" if faults else "all right"]


def _compared(trial: Trial, tool: str) -> str:
    if tool == URLSWEEP:
        return ""
    found = ratios(trial, tool, URLSWEEP)
    return "" if found is None else f"{_spread(found, 2)} times as fast"


def _limit_cells(trial: Trial) -> list[str]:
    urls = trial.workload.urls
    seconds = [limit.seconds for limit in trial.limits]
    cpus = [limit.cpu for limit in trial.limits if limit.cpu is not None]
    found = ""
    if trial.is_right(URLSWEEP):
        found = f"at {statistics.median(trial.values(URLSWEEP, wall)) / statistics.median(seconds):.2f} times its time"
    cpu_cell = f"{statistics.median(cpus) / urls * 1e6:,.0f}" if cpus else _NONE
    rate = f"{urls / statistics.median(seconds):,.0f}"
    return [_LIMIT_NAMES[trial.workload.limit], _spread(seconds, 2), rate, cpu_cell, _NONE, _NONE, _NONE, found]


def _goals(results: Results) -> Iterator[str]:
    lines = list(_goal_lines(results))
    if not lines:
        return
    yield from ("", "## Goals", "")
    yield "| what | measured | must | aim | moonshot | reached |"
    yield "|---|---|---|---|---|---|"
    yield from map(_row, lines)
    missed = [line[0] for line in lines if line[-1] == _MISSED]
    yield ""
    yield f"Missed: {', '.join(missed)}." if missed else "None of them is missed."


def _goal_lines(results: Results) -> Iterator[list[str]]:
    for trial in results.trials:
        for tool, goals in ((URLSWEEP, trial.workload.goals), (TWO_PROCESSES, trial.workload.goals_of_two)):
            if goals is not None and tool in trial.runs:
                name = trial.workload.name + (", two processes" if tool == TWO_PROCESSES else "")
                yield _goal_line(name, goals, _goal_value(trial, tool, goals))
    if results.scaling:
        largest = results.scaling[-1]
        value = largest.median(URLSWEEP, memory) if largest.is_right(URLSWEEP) else None
        yield _goal_line(f"peak memory at {largest.workload.urls:,} URLs", SCALING_GOALS, value)
    by_name = {start.name: start.median for start in results.starts}
    for flag, goal in START_GOALS.items():
        if (found := by_name.get(f"urlsweep {flag}")) is not None:
            over = found - by_name[BARE]
            yield _start_line(f"urlsweep {flag}", over, "ms over bare Python", goal)
    if (found := by_name.get("urlsweep, first request")) is not None:
        yield _start_line("first request", found, "ms from the start", FIRST_REQUEST_GOAL)


def _start_line(name: str, seconds: float, unit: str, goal: float) -> list[str]:
    verdict = "aim" if seconds <= goal else _MISSED
    return [name, f"{seconds * 1000:.0f} {unit}", "", f"at most {goal * 1000:.0f}", "", verdict]


def _goal_value(trial: Trial, tool: str, goals: Goals) -> float | None:
    if not trial.is_right(tool):
        return None
    if goals.measure is Measure.FASTER:
        found = ratios(trial, LYCHEE, tool) if LYCHEE in trial.runs else None
        return statistics.median(found) if found else None
    if goals.measure is Measure.IDEAL:
        return trial.median(tool, wall) / trial.workload.ideal if trial.workload.ideal else None
    return trial.median(tool, memory)


def _goal_line(name: str, goals: Goals, value: float | None) -> list[str]:
    digits = 0 if goals.measure is Measure.MEMORY else 2
    measured = "no right answers to compare" if value is None else f"{value:.{digits}f} {goals.measure}"
    reached = _NONE if value is None else goals.reached(value)
    sign = "at least" if goals.measure is Measure.FASTER else "at most"
    return [name, measured, *(f"{sign} {bound:g}" for bound in (goals.must, goals.aim, goals.moonshot)), reached]


def _not_leading(results: Results) -> Iterator[str]:
    lines = []
    for trial in results.trials:
        if not trial.workload.is_timed or not trial.is_right(URLSWEEP):
            continue
        for name, of in (("wall time", wall), ("processor time", cpu), ("peak memory", memory)):
            ours = trial.median(URLSWEEP, of)
            better = [tool for tool in _others(trial) if trial.is_right(tool) and trial.median(tool, of) < ours]
            if better:
                figures = ", ".join(f"{tool} {ours / trial.median(tool, of):.2f} times better" for tool in better)
                figures += _of_the_limit(trial, ours) if of is wall else ""
                lines.append(f"- {trial.workload.name}, {name}: {figures}")
    if lines:
        yield from ("", "## Where urlsweep does not lead", "", *lines, "", "Why, as far as it is known:", "")
        for what, reason in _WHY.items():
            if any(f" {what}:" in line for line in lines):
                yield f"- {reason}"


def _of_the_limit(trial: Trial, ours: float) -> str:
    if not trial.limits:
        return ""
    share = statistics.median(limit.seconds for limit in trial.limits) / ours
    return f" ({_LIMIT_NAMES[trial.workload.limit]}: {share:.0%} of urlsweep's time)"


def _others(trial: Trial) -> Iterable[str]:
    """The peers: urlsweep's own variants are none."""
    return (tool for tool in trial.runs if not tool.startswith(URLSWEEP))


def _scaling(trials: Sequence[Trial]) -> Iterator[str]:
    yield from ("", f"## {SCALING.name}: {SCALING.title}", "")
    yield "Time and memory a URL have to be flat; on short lists it is starting the program that is seen."
    yield ""
    yield "| tool | URLs | wall, s | wall a URL, µs | CPU a URL, µs | peak memory, MiB | answers |"
    yield "|---|---|---|---|---|---|---|"
    for tool in dict.fromkeys(tool for trial in trials for tool in trial.runs):
        for trial in trials:
            urls = trial.workload.urls
            cells = _figures(trial, tool)
            each = f"{trial.median(tool, wall) / urls * 1e6:,.0f}"
            yield _row([tool, f"{urls:,}", cells[0], each, cells[2], cells[3], cells[5]])
    if len(trials) > 1 and all(trial.is_right(URLSWEEP) for trial in trials[-2:]):
        yield from ("", _growth(*trials[-2:]))


def _growth(shorter: Trial, longer: Trial) -> str:
    few, many = shorter.workload.urls, longer.workload.urls
    before, after = (trial.median(URLSWEEP, wall) / trial.workload.urls * 1e6 for trial in (shorter, longer))
    least, most = (trial.median(URLSWEEP, memory) for trial in (shorter, longer))
    each = (most - least) * 2**20 / (many - few)
    return (
        f"From {few:,} to {many:,} URLs, urlsweep's time a URL goes from {before:,.0f} to {after:,.0f} µs, "
        f"{after / before:.2f} times: {_flat(after <= FLAT_TIME * before)} (up to {FLAT_TIME:g} times); its memory "
        f"from {least:,.0f} to {most:,.0f} MiB, {each:,.0f} bytes for each further URL: {_flat(each <= FLAT_BYTES)} "
        f"(up to {FLAT_BYTES:g} bytes)."
    )


def _flat(is_flat: bool) -> str:
    return "flat" if is_flat else "**not flat**"


def _starts(starts: Sequence[Start]) -> Iterator[str]:
    bare = next((start.median for start in starts if start.name == BARE), 0.0)
    yield from ("", f"## start-up: the median of {len(starts[0].seconds)} starts", "")
    yield "| command | ms | over bare Python, ms |"
    yield "|---|---|---|"
    for start in starts:
        over = "" if start.name == BARE else f"{(start.median - bare) * 1000:.0f}"
        yield _row([start.name, _spread([seconds * 1000 for seconds in start.seconds], 0), over])


def _commands(trials: Sequence[Trial]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for trial in trials:
        for tool, command in trial.commands.items():
            seen.setdefault(plain_command(command), f"{trial.workload.name}, {tool}")
    if not seen:
        return
    yield from ("", "## Command lines", "")
    yield "Each the first time that it differs from those above it."
    yield ""
    for line, where in seen.items():
        yield f"- {where}: `{line}`"


def plain_command(command: Sequence[str]) -> str:
    """A command without this machine's paths."""
    program, *arguments = command
    name = "python" if Path(program).name.startswith("python") else Path(program).name
    return " ".join([name, *(Path(part).name if part.startswith("/") else part for part in arguments)])


def _spread(values: Sequence[float], digits: int) -> str:
    middle = f"{statistics.median(values):,.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):,.{digits}f} to {max(values):,.{digits}f})"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """Text of a program, so that it stays within its cell."""
    return " ".join(text.replace("|", "\\|").split())
