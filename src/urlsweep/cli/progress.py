"""The progress line, drawn by tqdm on standard error while a run goes on.

Contract: drawn on a terminal only, a few times a second however fast rows finish, and gone when the run is over.
Not in here: any counting; the run's Summary is read.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Final, NamedTuple, Protocol, TextIO

from urlsweep.cli.console import Console
from urlsweep.core.model import Outcome
from urlsweep.core.pacer import Gated
from urlsweep.core.summary import Summary
from urlsweep.reports.figures import counted, rough_duration

TICK: Final = 0.15
"""Seconds between two drawings: looks alive, costs nothing."""


class Layout(NamedTuple):
    """What tqdm draws: with a total, without one (None: as it likes), and the columns that takes beside the notes."""

    of_total: str | None
    without_total: str | None
    beside: int


RUNNING: Final = Layout(None, None, 45)
WAITING: Final = Layout(  # a speed and a time left that come from better moments would be wrong
    "{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}{postfix}]", "{n_fmt} URLs [{elapsed}{postfix}]", 40
)
NARROW: Final = Layout("{percentage:3.0f}% {n_fmt}/{total_fmt}{postfix}", "{n_fmt} URLs{postfix}", 20)
"""What counts most where there is little room: a line that is longer than the terminal is wide is cut."""


class Run(Protocol):
    """What is watched: a Sweep."""

    summary: Summary

    @property
    def waiting_hosts(self) -> Gated:
        """Hosts that are being left alone, and when the first of them is asked again, on the loop's clock."""

    @property
    def is_network_down(self) -> bool:
        """Whether nothing but a few probes is sent, as nobody answers any more."""


class Progress:
    """One run's progress line."""

    def __init__(
        self,
        stream: TextIO,
        run: Run,
        fail_on: Collection[Outcome],
        *,
        clock: Callable[[], float],
        width: Callable[[], int],
    ) -> None:
        """`clock` is the loop's, in seconds; `width` gives the columns there are to draw on now."""
        self._run = run
        self._fail_on = fail_on
        self._clock = clock
        self._width = width
        from tqdm import tqdm  # 13 ms that a run without a terminal does not spend

        tqdm.monitor_interval = 0  # no thread of tqdm's: the drawing is done on time here
        self._bar = tqdm(
            file=stream, unit=" URLs", dynamic_ncols=True, leave=False, mininterval=0, miniters=0, smoothing=0.1
        )

    def draw(self) -> None:
        """Show how things stand."""
        summary = self._run.summary
        if summary.input_exhausted:
            self._bar.total = summary.rows_in
        layout, notes = self._fitting(f"{summary.failed(self._fail_on):,} failing", self._waiting())
        self._bar.bar_format = layout.without_total if self._bar.total is None else layout.of_total
        self._bar.set_postfix_str(notes, refresh=False)
        self._bar.update(summary.rows_out - self._bar.n)

    def _fitting(self, failing: str, waiting: tuple[str, ...]) -> tuple[Layout, str]:
        """The layout, and what is noted in it, that say most within the width."""
        together = [f"{failing}, {what}" for what in waiting] or [failing]
        choices = [(WAITING if waiting else RUNNING, notes) for notes in together]
        choices += [(NARROW, notes) for notes in (*together, *waiting)]
        width = self._width()
        return next((choice for choice in choices if choice[0].beside + len(choice[1]) <= width), choices[-1])

    def _waiting(self) -> tuple[str, ...]:
        """What is being waited for, the longest wording first; nothing where nothing is."""
        if self._run.is_network_down:
            return ("network down? probing",)
        hosts, until = self._run.waiting_hosts
        if not hosts:
            return ()
        waiting = f"{counted(hosts, 'host')} waiting"
        if until is None:
            return (waiting,)
        left = rough_duration(max(1, math.ceil(until - self._clock())))
        return (f"{waiting}{', the first' if hosts > 1 else ''} for {left}", f"{waiting} ({left})")

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
async def shown(console: Console, run: Run, fail_on: Collection[Outcome]) -> AsyncIterator[None]:
    """Within it, the progress of `run` is drawn, if there is a terminal to draw on and the console is not quiet."""
    if console.is_quiet or not console.shows_messages:
        yield
        return
    progress = Progress(
        console.stderr,
        run,
        fail_on,
        clock=asyncio.get_running_loop().time,
        width=lambda: console.width(console.stderr),
    )

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
