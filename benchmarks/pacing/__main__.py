"""`python -m benchmarks.pacing`: the urlsweep command against hosts with known limits, on loopback sockets.

Nobody else is asked: the hosts' names are joined to loopback addresses on the command line.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.pacing.sweep import SweepError
from benchmarks.pacing.trials import TRIALS, Finding, Place
from benchmarks.programs import ProgramMissingError

_MARKS: Final = {True: "PASS", False: "MISS"}


def main() -> int:
    """0: every figure is what it has to be; 1: one is not; 2: it cannot be tried here."""
    options = _parse()
    if sys.platform != "linux":
        return _fail(f"it needs Linux's 127.0.0.0/8 and full listeners: this is {sys.platform}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as an exception, so that everything started is ended
    directory = Path(tempfile.mkdtemp(prefix="urlsweep-pacing-"))
    try:
        return asyncio.run(_try_all(options, Place(directory, options.limit, options.retry_after)))
    except (SweepError, ProgramMissingError, OSError) as error:
        return _fail(str(error))
    finally:
        if options.keep:
            print(f"kept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pacing", description=__doc__)
    parser.add_argument("trial", nargs="*", metavar="TRIAL", help=f"one or more of {', '.join(TRIALS)} (default: all)")
    parser.add_argument("--retry-after", type=int, metavar="SECONDS", help="what refusals tell (default: nothing)")
    parser.add_argument(
        "--limit", type=float, default=400.0, help="seconds that one sweep may take (default: %(default)s)"
    )
    parser.add_argument("--keep", action="store_true", help="keep the reports, and tell where they are")
    options = parser.parse_args()
    unknown = [name for name in options.trial if name not in TRIALS]
    if unknown:
        parser.error(f"no such trial: {', '.join(unknown)}")
    return options


async def _try_all(options: argparse.Namespace, place: Place) -> int:
    misses = 0
    for name, (title, trial) in TRIALS.items():
        if options.trial and name not in options.trial:
            continue
        print(f"{name}: {title}", flush=True)
        try:
            findings = await trial(place)
        except SweepError as error:  # the others are worth knowing all the same
            findings = [Finding("not done", str(error), "an end", is_met=False)]
        for finding in findings:
            misses += not finding.is_met
            print("\n".join(lines_of(finding)), flush=True)
    print(f"{misses} missed" if misses else "nothing missed")
    return 1 if misses else 0


def lines_of(finding: Finding) -> Iterator[str]:
    """A finding for people."""
    mark = _MARKS[finding.is_met] if finding.aim else "    "
    aim = f"  (aim: {finding.aim})" if finding.aim else ""
    yield f"  {mark}  {finding.what}: {finding.found}{aim}"
    yield from finding.notes


def _fail(message: str) -> int:
    print(f"benchmarks.pacing: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
