"""Runs one command and measures it: wall, processor time, peak memory. A small program of its own.

It is small on purpose: Linux counts into a child's peak memory what its parent held when it forked (getrusage(2)), so
the parent must be smaller than anything that is measured. Started as `python -I -S measured.py LIMIT FILE COMMAND...`.
"""

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

GRACE = 5.0
"""Seconds between asking the command to end and killing it."""


def measure(limit: float, command: list[str]) -> dict[str, Any]:
    """Run `command` for at most `limit` seconds. Times are in seconds, `peak_rss_mb` in MiB."""
    started = time.monotonic()
    child = subprocess.Popen(command)
    ends = [child.kill, child.terminate]

    def end(*_: object) -> None:
        ends.pop()()
        if ends:
            signal.setitimer(signal.ITIMER_REAL, GRACE)

    # An alarm instead of looking at the command now and then: the wait ends at the very moment that the command does.
    signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, limit)
    try:
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.monotonic() - started
        child.returncode = os.waitstatus_to_exitcode(status)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if child.returncode is None:
            child.kill()
            child.wait()
    return {
        "wall": wall,
        "user": usage.ru_utime,
        "system": usage.ru_stime,
        "peak_rss_mb": usage.ru_maxrss / 1024,
        "exit": child.returncode,
        "is_cut_short": len(ends) < 2,
    }


def main() -> None:
    """Measure the command given and write what was measured to the file given."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    limit, file, *command = sys.argv[1:]
    measured = measure(float(limit), command)
    with open(file, "w", encoding="utf-8") as stream:  # noqa: PTH123 - pathlib would double the memory of this program
        json.dump(measured, stream)


if __name__ == "__main__":
    main()
