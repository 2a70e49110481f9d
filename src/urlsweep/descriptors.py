"""The limit on open file descriptors: raised as far as a run needs it, and what a run may ask at once within it.

Contract: called by the command line alone, since the limit belongs to the whole process, and before it starts threads.
Where the system has no such limit (Windows) nothing is done. Not in here: telling anybody.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

from urlsweep.transport.bounds import SOCKETS_PER_REQUEST

SPARE: Final = 64
"""Kept for everything else: standard streams, inputs, outputs, the resolver, the event loop, the ledger's database."""

_USUAL_CEILING: Final = 10_240
"""What macOS lets one process have (OPEN_MAX), whatever greater number it names as the hard limit."""


def make_room(concurrency: int) -> int:
    """Raise the soft limit as far as `concurrency` requests at once need; return how many there is room for, 1 to
    `concurrency`. Never lowers the limit. The system's table of this process's descriptors is made as large, too."""
    try:
        import resource
    except ImportError:  # Windows: sockets are no file descriptors there
        return concurrency
    needed = _open_now() + SPARE + SOCKETS_PER_REQUEST * concurrency
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if _reaches(soft, needed):
        _unfold_table(needed)
        return concurrency
    wanted = needed if _reaches(hard, needed) else hard
    for attempt in (wanted, min(wanted, _USUAL_CEILING)):
        if not _reaches(soft, attempt):
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (attempt, hard))
            except (ValueError, OSError):
                continue
            soft = attempt
            break
    _unfold_table(min(needed, soft))
    return max(1, min(concurrency, (soft - _open_now() - SPARE) // SOCKETS_PER_REQUEST))


def _reaches(limit: int, number: int) -> bool:
    """Whether `limit`, which below zero is none at all (RLIM_INFINITY), lets `number` be open."""
    return limit < 0 or limit >= number


def _unfold_table(number: int) -> None:
    """Have the system make the table of descriptors large enough for `number` of them, at once.

    Linux makes it larger when the 65th, the 129th, the 257th ... descriptor is opened. Where the process has threads by
    then (the journal's, a reader's) it waits for an RCU grace period each time (`expand_fdtable` in fs/file.c), and the
    whole loop with it: 8 to 24 ms, measured, in each of the first seconds' most crowded moments. Without threads it is
    done in microseconds, and what was made is never made smaller.
    """
    with contextlib.suppress(OSError, ImportError):
        import fcntl

        opened = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.close(fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, number - 1))
        finally:
            os.close(opened)


def _open_now() -> int:
    """Descriptors that are open already; 3, the standard streams, where the system does not tell."""
    for place in ("/proc/self/fd", "/dev/fd"):
        if Path(place).is_dir():
            return sum(1 for _ in Path(place).iterdir())
    return 3
