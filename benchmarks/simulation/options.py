"""What all scenarios are run with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.simulation.run import Clock

URLS: Final = 1_000_000
WORLDS: Final = 2_000
"""Some thirty seconds of real time."""
EXACT: Final = Clock()


@dataclass(frozen=True, slots=True)
class Options:
    """Chosen on the command line; the defaults are what the figures are promised for."""

    seed: int = 1
    urls: int = URLS  # of the internet scenario
    hosts: int | None = None  # likewise; None: a thousandth, a hundredth and a tenth of its URLs, one after the other
    list: Path | None = None  # a list whose hosts' sizes are taken instead
    worlds: int = WORLDS  # of the search scenario
    clock: Clock = EXACT
    trace: str | None = None  # the key of a host to be watched
