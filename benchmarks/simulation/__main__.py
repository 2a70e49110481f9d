"""`python -m benchmarks.simulation`: runs scenarios in a simulated internet and holds them against what was promised.

Each line is a case: the URLs, the simulated seconds beside the ideal, the requests and how many were turned away for
being too many, the URLs of which something untrue was said, and the most requests at once to one host. Nothing is sent
anywhere. A host is asked 32 at once at the most, so that its ideal time is never under URLs x latency / 32.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks.simulation import many_hosts, one_host, search, trouble
from benchmarks.simulation.findings import Finding, heading, lines_below, row, tally
from benchmarks.simulation.options import URLS, WORLDS, Options
from benchmarks.simulation.run import Clock

SCENARIOS: Final[Mapping[str, tuple[str, Callable[[Options], Iterator[Finding]]]]] = {
    "bucket": ("so many requests a second", one_host.token_buckets),
    "at-once": ("so many requests at once", one_host.servers_at_once),
    "full-cap": ("a host that is glad of all of them", one_host.healthy_hosts),
    "bad-host": ("one bad host among good ones", many_hosts.bad_hosts),
    "dead-hosts": ("one host in ten is dead", many_hosts.all_dead_hosts),
    "trouble": ("trouble that passes, or does not", trouble.all_trouble),
    "search": ("worlds drawn at random", search.search),
    "internet": ("all of it, in the shape of a real list", many_hosts.internets),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """0: every promise was kept; 1: one was not; 2: wrong usage (by argparse)."""
    chosen, options, only_misses = _parse(arguments)
    findings = []
    for name in chosen:
        title, run = SCENARIOS[name]
        print(f"\n{name}: {title}\n{heading()}", flush=True)
        started = time.perf_counter()
        own = []
        for finding in run(options):
            own.append(finding)
            if only_misses and finding.is_met is not False:
                continue
            print(row(finding), *lines_below(finding), sep="\n", flush=True)
        print(f"{name}: {tally(own)}, {time.perf_counter() - started:.0f} s of real time")
        findings += own
    print(f"\nall: {tally(findings)}")
    return 1 if any(finding.is_met is False for finding in findings) else 0


def _parse(arguments: Sequence[str] | None) -> tuple[list[str], Options, bool]:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.simulation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "scenario", nargs="*", help=f"one or more of: {', '.join(SCENARIOS)} (default: all, in this order)"
    )
    parser.add_argument("--urls", type=int, default=URLS, metavar="N",
                        help="of the internet scenario (default: %(default)s)")  # fmt: skip
    parser.add_argument("--hosts", type=int, metavar="N",
                        help="of the internet scenario (default: the URLs by 1,000, 100 and 10)")  # fmt: skip
    parser.add_argument("--list", type=Path, metavar="FILE",
                        help="take the internet scenario's sizes from a list of URLs, one a line")  # fmt: skip
    parser.add_argument("--worlds", type=int, default=WORLDS, metavar="N",
                        help="of the search scenario; a seed is a million of them (default: %(default)s)")  # fmt: skip
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="default: %(default)s")
    parser.add_argument("--trace", metavar="HOST",
                        help="print this host second by second (host.example:443 where there is but one)")  # fmt: skip
    parser.add_argument("--only-misses", action="store_true", help="leave out the lines of promises that were kept")
    parser.add_argument("--per-request", type=float, default=0.0, metavar="SECONDS",
                        help="of the processor's for each request (default: none)")  # fmt: skip
    parser.add_argument("--timer-step", type=float, default=0.0, metavar="SECONDS",
                        help="a timer fires at a multiple of this (default: exactly)")  # fmt: skip
    given = parser.parse_args(arguments)
    unknown = [name for name in given.scenario if name not in SCENARIOS]
    if unknown:
        parser.error(f"no scenario is called {unknown[0]!r}: choose from {', '.join(SCENARIOS)}")
    if given.list is not None and not given.list.is_file():
        parser.error(f"no list at {given.list}: give the path of a file with one URL a line")
    if not 1 <= (1_000 if given.hosts is None else given.hosts) <= given.urls:
        parser.error("each host needs one URL, and the internet scenario a thousand where no --hosts is given")
    options = Options(
        seed=given.seed,
        urls=given.urls,
        hosts=given.hosts,
        list=given.list,
        worlds=given.worlds,
        clock=Clock(given.per_request, given.timer_step),
        trace=given.trace,
    )
    return given.scenario or list(SCENARIOS), options, given.only_misses


if __name__ == "__main__":
    sys.exit(main())
