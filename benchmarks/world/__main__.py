"""`python -m benchmarks.world`: sweeps a list of URLs in a world with limits and prints what each tool made of it.

Nobody is asked: everything happens in a network namespace that has a loopback and nothing else.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks.programs import ProgramMissingError
from benchmarks.world import namespace
from benchmarks.world.account import AIM_SECONDS, account, ideal_of, side_by_side
from benchmarks.world.plan import make_plan
from benchmarks.world.run import Options, Run, WorldError, run
from benchmarks.world.tools import Lychee, Tool, Urlsweep

REPOSITORY: Final = Path(__file__).resolve().parents[2]
DEFAULT_LIST: Final = REPOSITORY.parent / "shared" / "data" / "debian-homepages.txt"

LYCHEE_DEFAULTS_LIMIT: Final = 1300.0
"""Seconds after which lychee on its defaults is ended: its 50 ms between two requests alone need 637 s here."""


def main() -> int:
    """0: every tool ran and urlsweep was right throughout; 1: it was not; 2: the world cannot be built."""
    options = _parse()
    reason = namespace.why_not_possible()
    if reason is not None:
        return _fail(reason)
    if not options.list.is_file():
        return _fail(f"no list at {options.list}: give the path of a file with one URL a line")
    if options.left is None:
        namespace.enter([sys.executable, "-m", "benchmarks.world", *sys.argv[1:]])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as an exception, so that everything started is ended
    directory = Path(tempfile.mkdtemp(prefix="urlsweep-world-"))
    try:
        namespace.seal(options.left, directory / "resolv.conf")
        return _run_all(options, directory)
    except (namespace.NotSealedError, WorldError, ProgramMissingError) as error:
        return _fail(str(error))
    finally:
        if options.keep:
            print(f"kept: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.world", description=__doc__)
    parser.add_argument(
        "list", type=Path, nargs="?", default=DEFAULT_LIST, help="one URL a line (default: %(default)s)"
    )
    parser.add_argument("--tool", choices=("urlsweep", "lychee", "both", "none"), default="both",
                        help="lychee: tuned (default: both)")  # fmt: skip
    parser.add_argument("--sample", type=int, default=1, metavar="N", help="every N-th URL only")
    parser.add_argument("--latency", type=float, nargs=2, default=(0.05, 0.05), metavar=("LOW", "HIGH"),
                        help="seconds from request to answer, by a hash of the URL (default: 0.05 0.05)")  # fmt: skip
    parser.add_argument("--no-hangs", action="store_true", help="no pages that never answer: without the time-outs "
                        "that every tool has to wait for, the wall time is that of the work")  # fmt: skip
    parser.add_argument(
        "--limit", type=float, default=1800.0, help="seconds that a tool may take (default: %(default)s)"
    )
    parser.add_argument("--lychee-defaults", action="store_true", help="also run lychee with its defaults, for at most "
                        f"{LYCHEE_DEFAULTS_LIMIT:.0f} s")  # fmt: skip
    parser.add_argument("--keep", action="store_true", help="keep the reports, and tell where they are")
    parser.add_argument("--left", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.sample < 1:
        parser.error("--sample must be at least 1")
    return options


def _run_all(options: argparse.Namespace, directory: Path) -> int:
    lines = [line.strip() for line in options.list.read_text(encoding="utf-8").splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")][:: options.sample]
    urls = directory / "urls.txt"
    urls.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    plan = make_plan(lines, hangs=not options.no_hangs)
    ideal = ideal_of(plan)
    hosts = {page.host for page in plan.pages.values()}
    _print(f"{len(plan.rows)} rows, {len(plan.pages)} URLs on {len(hosts)} hosts, {len(plan.limits)} with a limit")
    if ideal is not None:
        _print(f"ideal: {ideal.seconds:.1f} s, {ideal.urls} URLs of {ideal.host} at {ideal.rate:.0f}/s")
    runs = []
    for tool, limit in _tools(options):
        settings = Options(latency=tuple(options.latency), hangs=not options.no_hangs, limit=limit)
        runs.append(run(tool, plan, urls, directory / tool.name, settings))
        _print("", *account(runs[-1], plan))
    _print("", *side_by_side(runs, plan))
    own = [each for each in runs if each.tells_reasons]
    for each in own:
        is_met = each.figures.wall <= AIM_SECONDS and _is_right(each)
        verdict = "PASS" if is_met else "MISS"
        _print(f"{verdict}: at most {AIM_SECONDS:.0f} s for Debian's list with --no-hangs, and nothing wrong")
    return 0 if all(map(_is_right, own)) else 1


def _tools(options: argparse.Namespace) -> Iterator[tuple[Tool, float]]:
    """Each tool with the seconds that it may take."""
    if options.tool in ("urlsweep", "both"):
        yield Urlsweep(), options.limit
    if options.tool in ("lychee", "both"):
        yield Lychee(is_tuned=True), options.limit
    if options.lychee_defaults:
        yield Lychee(is_tuned=False), LYCHEE_DEFAULTS_LIMIT


def _is_right(run: Run) -> bool:
    return run.judgement is not None and run.judgement.is_flawless


def _print(*lines: str) -> None:
    for line in lines:
        print(line)
    sys.stdout.flush()


def _fail(message: str) -> int:
    print(f"benchmarks.world: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
