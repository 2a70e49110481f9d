"""The progress line, drawn by tqdm on standard error while a run goes on.

Contract: drawn on a terminal only, a few times a second however fast rows finish, and gone when the run is over.
Not in here: any counting; the run's Summary is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Final, TextIO

from tqdm import tqdm

from urlsweep.cli.console import Console
from urlsweep.core.model import Outcome
from urlsweep.core.summary import Summary
from urlsweep.engine import Sweep

TICK: Final = 0.15
"""Seconds between two drawings: looks alive, costs nothing."""


class Progress:
    """One run's progress line."""

    def __init__(self, stream: TextIO, sweep: Sweep, fail_on: Collection[Outcome]) -> None:
        self._sweep = sweep
        self._fail_on = fail_on
        tqdm.monitor_interval = 0  # no thread of tqdm's: the drawing is done on time here
        self._bar = tqdm(
            file=stream, unit=" URLs", dynamic_ncols=True, leave=False, mininterval=0, miniters=0, smoothing=0.1
        )

    def draw(self) -> None:
        """Show how things stand."""
        summary: Summary = self._sweep.summary
        if summary.input_exhausted:
            self._bar.total = summary.rows_in
        notes = [f"{summary.failed(self._fail_on):,} failing"]
        waiting = self._sweep.hosts_waiting
        if waiting:
            notes.append(f"{waiting:,} host{'s' if waiting != 1 else ''} waiting")
        self._bar.set_postfix_str(", ".join(notes), refresh=False)
        self._bar.update(summary.rows_out - self._bar.n)

    def hide(self) -> None:
        """Take it off the terminal."""
        self._bar.clear()

    def show(self) -> None:
        """Put it back."""
        self._bar.refresh()

    def close(self) -> None:
        """Take it off the terminal for good."""
        self._bar.close()


@asynccontextmanager
async def shown(console: Console, sweep: Sweep, fail_on: Collection[Outcome]) -> AsyncIterator[None]:
    """Within it, the progress of `sweep` is drawn, if there is a terminal to draw on and the console is not quiet."""
    if console.is_quiet or not console.shows_messages:
        yield
        return
    progress = Progress(console.stderr, sweep, fail_on)

    async def keep_drawing() -> None:
        while True:
            progress.draw()
            await asyncio.sleep(TICK)

    drawing = asyncio.create_task(keep_drawing(), name="urlsweep progress")
    try:
        with console.with_progress(progress):
            yield
    finally:
        drawing.cancel()
        await asyncio.gather(drawing, return_exceptions=True)  # a terminal that went away is no reason to fail a run
        progress.close()
