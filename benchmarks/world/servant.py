"""What the world's server programs have in common: their arguments, and a life from "ready" to SIGTERM.

Contract: a servant says "ready" on standard output when it can be asked; at SIGTERM it writes its counts, with what the
process itself has used, as one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from benchmarks.world.plan import Plan, make_plan


def parser(description: str) -> argparse.ArgumentParser:
    """The arguments that every servant takes."""
    arguments = argparse.ArgumentParser(description=description)
    arguments.add_argument("list", type=Path, help="the URLs, one a line")
    arguments.add_argument("counts", type=Path, help="where the counts are written at the end")
    arguments.add_argument("--no-hangs", action="store_true")
    return arguments


def plan_of(options: argparse.Namespace) -> Plan:
    """The plan of the list that was given."""
    return make_plan(options.list.read_text(encoding="utf-8").splitlines(), hangs=not options.no_hangs)


def run(start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[dict[str, Any]]], counts: Path) -> None:
    """Live: `start` returns when everything listens, `stop` closes it and gives the counts."""

    async def live() -> None:
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        await start()
        print("ready", flush=True)
        await stopped.wait()
        seen = await stop()
        usage = resource.getrusage(resource.RUSAGE_SELF)
        seen |= {"cpu_seconds": usage.ru_utime + usage.ru_stime, "peak_rss_mb": usage.ru_maxrss / 1024}
        counts.write_text(json.dumps(seen), encoding="utf-8")

    asyncio.run(live())
