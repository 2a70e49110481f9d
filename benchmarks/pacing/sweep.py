"""One sweep of a site by the urlsweep command, as a process of its own and on its defaults, and what came of it.

Contract: the process never outlives the call. Times are on the event loop's clock, which is the monotonic one.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import measured
from benchmarks.pacing.site import Site
from benchmarks.programs import END_SECONDS, Figures, find_urlsweep, plain_environment

_EXAMPLES: Final = 3
_GOOD_EXITS: Final = frozenset({0, 1})


class SweepError(RuntimeError):
    """The command did not do what it was started for; the message says what it said."""


@dataclass(frozen=True)
class Swept:
    """A sweep that came to its end."""

    seconds: float  # from the first request that a host saw to the end of the process
    figures: Figures
    wrong: list[str]  # rows that are not what they have to be, and URLs with too few or too many: sentences
    refused: int
    requests: int

    @property
    def refused_share(self) -> float:
        """The part of all requests that was not let through."""
        return self.refused / max(1, self.requests)


async def sweep(site: Site, urls: Sequence[str], directory: Path, limit: float) -> Swept:
    """Sweep `urls` of a site that is being served. Raises SweepError where that takes longer than `limit` seconds."""
    process = await _start(site, urls, directory, limit)
    try:
        await asyncio.wait_for(process.wait(), limit + 2 * measured.GRACE + END_SECONDS)
        ended = asyncio.get_running_loop().time()
    finally:
        await _end(process)
    figures = Figures(**json.loads((directory / "measured.json").read_text(encoding="utf-8")))
    if figures.is_cut_short or figures.exit not in _GOOD_EXITS:
        said = (directory / "stderr").read_text(encoding="utf-8", errors="replace")[-2000:]
        raise SweepError(f"urlsweep: {figures}\n{said}")
    with (directory / "stdout").open(encoding="utf-8") as lines:
        wrong = wrong_rows(site, urls, map(json.loads, lines))
    loads = site.loads.values()
    return Swept(
        ended - site.first_request(),
        figures,
        wrong,
        sum(load.refused for load in loads),
        sum(load.requests for load in loads),
    )


async def sweep_until(site: Site, urls: Sequence[str], directory: Path, seen: asyncio.Event, limit: float) -> None:
    """Sweep until `seen` is set, and no further. Raises SweepError where it never is."""
    process = await _start(site, urls, directory, limit)
    ending = asyncio.create_task(process.wait())
    awaiting = asyncio.create_task(seen.wait())
    try:
        await asyncio.wait((ending, awaiting), timeout=limit, return_when=asyncio.FIRST_COMPLETED)
        if not seen.is_set():
            said = (directory / "stderr").read_text(encoding="utf-8", errors="replace")[-2000:]
            raise SweepError(f"urlsweep ended, or took {limit:.0f} s, before it had asked everybody\n{said}")
    finally:
        awaiting.cancel()
        await _end(process)
        await ending


async def _start(site: Site, urls: Sequence[str], directory: Path, limit: float) -> asyncio.subprocess.Process:
    directory.mkdir()
    listed = directory / "urls.txt"
    listed.write_text("".join(f"{url}\n" for url in urls), encoding="ascii")
    command = [find_urlsweep(), "check", str(listed), "--format", "jsonl"]
    for resolution in site.resolutions():
        command += ["--resolve", resolution]
    program = [sys.executable, "-I", "-S", str(measured.__file__), str(limit), str(directory / "measured.json")]
    with (directory / "stdout").open("wb") as stdout, (directory / "stderr").open("wb") as stderr:
        return await asyncio.create_subprocess_exec(
            *program,
            *command,
            cwd=directory,
            env=plain_environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
        )


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()  # it ends the command in turn
    try:
        await asyncio.wait_for(process.wait(), END_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()


def wrong_rows(site: Site, urls: Sequence[str], rows: Iterable[dict[str, object]]) -> list[str]:
    """What is wrong with a report: none where every URL has one row, and that what its host has to come out as."""
    missing = Counter(urls)
    found = []
    for row in rows:
        url = str(row["url"])
        missing[url] -= 1
        name = url.partition("://")[2].partition(":")[0]
        expected = site.hosts[name].expected if name in site.hosts else None
        given = (row["outcome"], row["reason"])
        if given != expected:
            found.append(f"{url}: expected {expected}, got {given}: {row['detail']}")
    found += [
        f"{url}: {abs(count)} row(s) too {'few' if count > 0 else 'many'}" for url, count in missing.items() if count
    ]
    return found


def examples(wrong: Sequence[str]) -> list[str]:
    """A few of them."""
    return [f"    {sentence}" for sentence in wrong[:_EXAMPLES]]


def attempts_of(directory: Path, part: str) -> int:
    """Requests sent for the rows of a sweep whose URL contains `part`, as the rows tell."""
    with (directory / "stdout").open(encoding="utf-8") as lines:
        return sum(row["attempts"] for row in map(json.loads, lines) if part in row["url"])
