"""`python -m benchmarks`: urlsweep beside its peers on the same lists and servers, every answer checked.

Nobody is asked: everything happens in a network namespace that has a loopback and nothing else. The peers are installed
before it is entered.
"""

from __future__ import annotations

import argparse
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.programs import ProgramMissingError, find_program
from benchmarks.speed import machine, peers
from benchmarks.speed.results import Results, page
from benchmarks.speed.servers import DNSMASQ_REMEDY, NGINX_REMEDY, ServerError, serving
from benchmarks.speed.startup import BARE, LINES, LIST, PIPED, RUNS, URL, Start, StartError, measure_starts
from benchmarks.speed.tools import (
    AGAINST,
    TWO_PROCESSES,
    Lychee,
    PlainAiohttp,
    Siteprobe,
    Tool,
    Urlsweep,
)
from benchmarks.speed.trial import WRK_REMEDY, Trial, try_out
from benchmarks.speed.workloads import NAMES, SCALING, SCALING_SHARES, START_UP, WORKLOADS, Workload
from benchmarks.world import namespace

REPOSITORY: Final = Path(__file__).resolve().parents[2]
RESULTS: Final = REPOSITORY / "benchmarks" / "RESULTS.md"
PEERS: Final = REPOSITORY / ".venv-peers"
ROUNDS: Final = 5

TOOLS: Final = {"urlsweep": None, "lychee": "lychee", "siteprobe": "siteprobe", "aiohttp": "python"}
"""What --tools knows -> the program of the peers' environment that it needs."""


def main() -> int:
    """0: urlsweep was right throughout; 1: it was not; 2: it cannot be measured here."""
    options = _parse()
    reason = namespace.why_not_possible()
    if reason is not None:
        return _fail(reason)
    try:
        if options.left is None:
            _prepare(options)
            namespace.enter([sys.executable, "-m", "benchmarks", *sys.argv[1:]])
        return _inside(options)
    except (
        namespace.NotSealedError,
        ProgramMissingError,
        ServerError,
        StartError,
        subprocess.SubprocessError,
    ) as error:
        return _fail(str(error))


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=list(NAMES), metavar="WORKLOAD",
                        help=f"run some of {', '.join(NAMES)} (default: all)")  # fmt: skip
    parser.add_argument("--tools", nargs="+", choices=TOOLS, default=list(TOOLS), metavar="TOOL",
                        help=f"some of {', '.join(TOOLS)} (default: all)")  # fmt: skip
    parser.add_argument("--scale", type=float, default=1.0, help="the share of every workload's URLs and hosts that is "
                        "asked for (default: 1)")  # fmt: skip
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="(default: %(default)s)")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds that one run of a tool may take (default: "
                        "%(default)s)")  # fmt: skip
    parser.add_argument("--urlsweep-flags", default="", metavar="FLAGS", help="more flags for urlsweep, in one "
                        "argument, as in --urlsweep-flags='--transport session'")  # fmt: skip
    parser.add_argument("--against", metavar="PYTHON", help="an interpreter with another urlsweep, to run as well")
    parser.add_argument("--peers", type=Path, default=PEERS, metavar="FOLDER", help="the virtual environment of the "
                        "peers, made where it is not there (default: .venv-peers in the repository)")  # fmt: skip
    parser.add_argument("--write", action="store_true", help="write benchmarks/RESULTS.md; of a full run only")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the results to a file, of any run")
    parser.add_argument("--left", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.flags = shlex.split(options.urlsweep_flags)
    options.peers = options.peers.absolute()
    if "urlsweep" not in options.tools:
        parser.error("--tools has to hold urlsweep, which everything is compared with")
    if not 0 < options.scale <= 1:
        parser.error("--scale must be above 0 and at most 1")
    if options.rounds < 1:
        parser.error("--rounds must be at least 1")
    is_full = (options.scale, set(options.only), set(options.tools)) == (1.0, set(NAMES), set(TOOLS))
    if options.write and not (is_full and options.rounds >= ROUNDS and not options.flags and not options.against):
        parser.error(f"--write is for full runs: all workloads and tools, no other flags, {ROUNDS} rounds or more")
    return options


def _prepare(options: argparse.Namespace) -> None:
    """Find or install everything; raises ProgramMissingError with all that is missing."""
    lacking = []
    for name, remedy in (("nginx", NGINX_REMEDY), ("dnsmasq", DNSMASQ_REMEDY), ("wrk", WRK_REMEDY),
                         ("taskset", "install Debian's util-linux")):  # fmt: skip
        try:
            find_program(name, remedy)
        except ProgramMissingError as error:
            lacking.append(str(error))
    if lacking:
        raise ProgramMissingError("\n".join(lacking))
    needed = [program for tool in options.tools if (program := TOOLS[tool])]
    if peers.missing(options.peers, needed):
        _print(f"installing the peers into {options.peers}")
        peers.make(options.peers)


def _inside(options: argparse.Namespace) -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # as an exception, so that everything started is ended
    directory = Path(tempfile.mkdtemp(prefix="urlsweep-speed-"))
    directory.chmod(0o755)  # started by root, nginx reads its files as nobody
    try:
        namespace.seal(options.left, directory / "resolv.conf")
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # the same for every tool
        started = time.monotonic()
        results = _measure(options, directory)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    text = "".join(f"{line}\n" for line in page(results))
    _print("", text, f"all of it took {(time.monotonic() - started) / 60:.1f} minutes")
    for file in [RESULTS] * options.write + [options.output] * (options.output is not None):
        file.write_text(text, encoding="utf-8")
    return 0 if results.is_right else 1


def _measure(options: argparse.Namespace, directory: Path) -> Results:
    tools = _tools(options)
    results = Results(machine.describe_machine(), _versions(options), options.scale, options.rounds, options.flags)
    for workload in WORKLOADS:
        if workload.name in options.only:
            own = [*tools, _two_processes(options)] if workload.goals is not None else tools
            results.trials.append(_one(workload.scaled(options.scale), own, options, directory))
    if SCALING.name in options.only:
        own = [tool for tool in tools if isinstance(tool, Urlsweep)]
        for share in SCALING_SHARES:
            results.scaling.append(_one(SCALING.scaled(options.scale * share), own, options, directory))
    if START_UP in options.only:
        _print(f"{START_UP}: {RUNS} starts each")
        results.starts = _starts(options, directory)
    return results


def _one(workload: Workload, tools: Sequence[Tool], options: argparse.Namespace, directory: Path) -> Trial:
    rounds = min(workload.rounds or options.rounds, options.rounds)
    _print(f"{workload.name}: {workload.title}: {workload.urls:,} URLs")
    own = directory / f"{workload.name}-{workload.urls}"
    served = own / "served"
    served.mkdir(parents=True)
    own.chmod(0o755)
    with serving(workload, served) as site:
        trial = try_out(workload, tools, site, own, rounds, options.limit, _print)
    shutil.rmtree(own)
    return trial


def _tools(options: argparse.Namespace) -> list[Tool]:
    tools: list[Tool] = [Urlsweep(sys.executable, flags=options.flags)]
    if options.against:
        tools.append(Urlsweep(options.against, AGAINST, options.flags))
    for name, make in (("lychee", Lychee), ("siteprobe", Siteprobe), ("aiohttp", PlainAiohttp)):
        if name in options.tools:
            tools.append(make(str(peers.program(options.peers, TOOLS[name] or name))))
    return tools


def _two_processes(options: argparse.Namespace) -> Tool:
    """urlsweep with two processes that ask, beside its own."""
    return Urlsweep(sys.executable, TWO_PROCESSES, [*options.flags, "--processes", "2"])


def _starts(options: argparse.Namespace, directory: Path) -> list[Start]:
    commands = {BARE: [sys.executable, "-c", "pass"]}
    first = {}
    pythons = {"urlsweep": sys.executable} | ({AGAINST: options.against} if options.against else {})
    for name, python in pythons.items():
        commands |= {f"{name} {flag}": [python, "-m", "urlsweep", flag] for flag in ("--version", "--help")}
        check = [python, "-m", "urlsweep", "check", *options.flags]
        first[f"{name}, first request"] = [*check, URL]
        first[f"{name}, first request of {LINES:,} lines"] = [*check, LIST]
        first[f"{name}, first request of {LINES:,} lines through a pipe"] = [*check, PIPED]
    if "lychee" in options.tools:
        lychee = str(peers.program(options.peers, "lychee"))
        commands["lychee --version"] = [lychee, "--version"]
    return measure_starts(commands, first, directory, RUNS)


def _versions(options: argparse.Namespace) -> dict[str, str]:
    found = {"urlsweep": _of_python(sys.executable)}
    if options.against:
        found[AGAINST] = _of_python(options.against)
    if "aiohttp" in options.tools:
        of_script = machine.versions_of_python(str(peers.program(options.peers, "python")))
        found["aiohttp script"] = machine.in_words(of_script)
    found |= {
        name: machine.version_of([str(peers.program(options.peers, name)), "--version"])
        for name in ("lychee", "siteprobe")
        if name in options.tools
    }
    nginx, dnsmasq, wrk = find_program("nginx", NGINX_REMEDY), find_program("dnsmasq", ""), find_program("wrk", "")
    found["servers"] = (
        f"nginx {machine.version_of([nginx, '-v'])} with OpenSSL {machine.openssl_of(nginx)}, "
        f"dnsmasq {machine.version_of([dnsmasq, '--version'])}; wrk {machine.version_of([wrk, '-v'])}"
    )
    return found


def _of_python(python: str) -> str:
    revision = machine.revision_of_python(python)
    return machine.in_words(machine.versions_of_python(python)) + (f" (commit {revision})" if revision else "")


def _print(*lines: str) -> None:
    for line in lines:
        print(line)
    sys.stdout.flush()


def _fail(message: str) -> int:
    print(f"benchmarks: {message}", file=sys.stderr)
    return 2
