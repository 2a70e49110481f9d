"""`python -m benchmarks.world`: sweeps a list of URLs in a simulated world and prints what each tool made of it.

Nobody is asked: everything happens in a network namespace that has a loopback and nothing else.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from benchmarks.programs import ProgramMissingError
from benchmarks.world import namespace
from benchmarks.world.judge import EXAMPLES
from benchmarks.world.plan import make_plan
from benchmarks.world.run import Options, Run, WorldError, run
from benchmarks.world.tools import Lychee, Tool, Urlsweep

REPOSITORY: Final = Path(__file__).resolve().parents[2]
DEFAULT_LIST: Final = REPOSITORY.parent / "shared" / "data" / "debian-homepages.txt"


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
    parser.add_argument("--tool", choices=("urlsweep", "lychee", "both"), default="both")
    parser.add_argument("--sample", type=int, default=1, metavar="N", help="every N-th URL only")
    parser.add_argument("--latency", type=float, nargs=2, default=(0.02, 0.05), metavar=("LOW", "HIGH"),
                        help="seconds from request to answer (default: 0.02 0.05)")  # fmt: skip
    parser.add_argument("--no-hangs", action="store_true", help="no pages that never answer: without the time-outs "
                        "that every tool has to wait for, the wall time is that of the work")  # fmt: skip
    parser.add_argument(
        "--limit", type=float, default=1800.0, help="seconds that a tool may take (default: %(default)s)"
    )
    parser.add_argument(
        "--lychee-defaults", action="store_true", help="leave lychee's pause between requests to one host"
    )
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
    print(f"{len(plan.rows)} rows, {len(plan.pages)} URLs on {len({page.host for page in plan.pages.values()})} hosts")
    tools: list[Tool] = [Urlsweep(), Lychee(is_tuned=not options.lychee_defaults)]
    is_right = True
    for tool in tools:
        if options.tool not in (tool.name, "both"):
            continue
        done = run(
            tool,
            plan,
            urls,
            directory / tool.name,
            Options(latency=tuple(options.latency), hangs=not options.no_hangs, limit=options.limit),
        )
        _show(done, tool)
        if tool.tells_reasons:
            is_right = is_right and done.judgement.is_flawless
    return 0 if is_right else 1


def _show(done: Run, tool: Tool) -> None:
    figures, counts, names, judgement = done.figures, done.counts, done.name_counts, done.judgement
    print(f"\n== {done.tool}: {' '.join(done.command)}")
    print(figures)
    print(f"rows asked for {judgement.rows}, answers {judgement.answered}, lines without one {len(judgement.missing)}, "
          f"answers nobody asked for {len(judgement.unasked)}")  # fmt: skip
    methods = ", ".join(f"{count} {method}" for method, count in sorted(counts["methods"].items()))
    print(f"the world saw {counts['requests']} requests ({methods}) over {counts['connections']} connections, "
          f"{counts['strange']} not of the plan; 429 given {counts['push_backs']}")  # fmt: skip
    print(f"at once {counts['peak']} in all, by host {counts['peak_by_host'][:3]}; DNS queries {names['queries']}, "
          f"{names['strange']} for names not of the plan")  # fmt: skip
    print(f"the world itself: processor {counts['cpu_seconds'] + names['cpu_seconds']:.1f} s")
    for example in counts["strange_examples"]:
        print(f"    not of the plan: {example}")
    _show_urls("without an answer", judgement.missing)
    _show_urls("nobody asked for", judgement.unasked)
    _show_urls("not told", (f"{said.url} {said.outcome} {said.detail or ''}" for said in judgement.untold))
    print(f"working links called broken: {judgement.false_alarm_count}; broken links called fine: "
          f"{judgement.false_calm_count}; not told: {len(judgement.untold)}")  # fmt: skip
    for title, groups in (("called broken", judgement.false_alarms), ("called fine", judgement.false_calms)):
        for label, answers in sorted(groups.items()):
            print(f"  planted {label}, {title}: {len(answers)} of {judgement.planted[label]}")
            for said in answers[:EXAMPLES]:
                print(f"    {said.url}  {said.outcome} {said.reason or ''} {said.status or ''} {said.detail or ''}")
    if tool.tells_reasons:
        print(f"rows whose outcome, reason or status is not the planted one: {judgement.inexact_count}")
        for label, pairs in sorted(judgement.inexact.items()):
            print(f"  planted {label}: {len(pairs)} of {judgement.planted[label]}")
            for row, said in pairs[:EXAMPLES]:
                print(f"    {said.url}  expected {row.truth.outcome} {row.truth.reason} {row.truth.status}, "
                      f"got {said.outcome} {said.reason} {said.status}: {said.detail} "
                      f"({counts['by_page'].get(said.url, 0)} requests seen)")  # fmt: skip
    sys.stdout.flush()


def _show_urls(title: str, urls: Iterable[str]) -> None:
    for url in list(urls)[:EXAMPLES]:
        print(f"    {title}: {url}")


def _fail(message: str) -> int:
    print(f"benchmarks.world: {message}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
