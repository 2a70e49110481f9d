"""``python -m tests.fuzz``: hostile bytes at everything that takes bytes from outside.

Contract: each target gets its share of ``--seconds``. An input that shows a defect is made as small as it can be and
written to a file, with the command that shows it again; the exit code is 1 then. ``--seed`` makes a run of hypothesis
(the default) give the same inputs again, as long as the time lasts as long; with atheris installed (``pip install
'.[fuzz]'``) ``--guided`` goes by coverage instead, keeps what it learned in ``--corpus`` and is far deeper in an hour.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import resource
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import hypothesis
from tests.fuzz.mutating import mutated
from tests.fuzz.targets import TARGETS, Target

AT_ONCE: Final = 50
"""Inputs between two looks at the clock; of a slow target a tenth, and its seeds only as they are drawn."""

HANG_SECONDS: Final = 10.0
"""Of the processor's time, for one input of 16 KB: far above what any takes, and far below what a server could do with
an algorithm that takes the square of it."""

MOST_MIB: Final = 1024
"""Of memory; without atheris that is of addresses, of which a process of Python has a few hundred before it begins."""


class HangError(Exception):
    """An input takes too long."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; its exit code: 0 nothing found, 1 a defect, 2 wrong usage."""
    options = _options(arguments)
    if options.replay is not None:
        return _replay(TARGETS[options.target[0]], options.replay)
    targets = [TARGETS[name] for name in options.target or TARGETS]
    share = options.seconds / len(targets)
    if options.guided:
        if importlib.util.find_spec("atheris") is None:
            _say("--guided needs atheris: pip install '.[fuzz]'")
            return 2
        found = [_guide(target, share, options) for target in targets]
    else:
        _, most = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (2 * MOST_MIB * 2**20, most))  # too much is a MemoryError: a defect
        found = [_try_out(target, share, options) for target in targets]
    return int(any(found))


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("target", nargs="*", help=f"what to fuzz; all of it by default: {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=float, default=240.0, help="for all targets together (default: 240)")
    parser.add_argument("--seed", type=int, default=0, help="another one, other inputs (default: 0)")
    parser.add_argument("--guided", action="store_true", help="go by coverage, with atheris")
    parser.add_argument("--corpus", type=Path, help="where --guided keeps its inputs, from run to run")
    parser.add_argument("--crashes", type=Path, default=Path("fuzz-crashes"), help="where what was found is written")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="run one target on this input alone")
    options = parser.parse_args(arguments)
    if unknown := set(options.target) - set(TARGETS):
        parser.error(f"there is no target {', '.join(sorted(unknown))}: choose of {', '.join(TARGETS)}")
    if options.replay is not None and len(options.target) != 1:
        parser.error("--replay goes with one target")
    return options


def checked(target: Target, data: bytes) -> None:
    """Give `data` to the target. Raises whatever shows a defect."""
    before = time.process_time()
    target.check(data)
    if time.process_time() - before > HANG_SECONDS:
        raise HangError(f"{len(data)} bytes took {time.process_time() - before:.1f} s")


def _try_out(target: Target, seconds: float, options: argparse.Namespace) -> bool:
    """Whether hypothesis found anything within `seconds`."""
    inputs, smallest, ends = 0, b"", time.monotonic() + seconds

    def look(data: bytes) -> None:
        nonlocal inputs, smallest
        inputs += 1
        smallest = data  # the last one to fail is the smallest
        checked(target, data)

    for seed in () if target.is_slow else target.seeds():
        if error := _error_of(target, seed):
            return _found(target, seed, error, options)
    given = hypothesis.given(mutated(tuple(target.seeds()), target.words))
    chapter = 0
    while not chapter or time.monotonic() < ends:
        chapter += 1
        run = hypothesis.settings(
            max_examples=AT_ONCE // 10 if target.is_slow else AT_ONCE,
            deadline=None,
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
            print_blob=False,
        )(hypothesis.seed(options.seed * 1_000_003 + chapter)(given(look)))
        try:
            run()
        except Exception:  # several defects are a group of them
            return _found(target, smallest, traceback.format_exc(), options)
    _say(f"{target.name}: nothing in {inputs:,} inputs")
    return False


def _guide(target: Target, seconds: float, options: argparse.Namespace) -> bool:
    """Whether atheris found anything within `seconds`."""
    options.crashes.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as given:
        folder = Path(given)
        (folder / "seeds").mkdir()
        for seed in target.seeds():
            (folder / "seeds" / hashlib.sha1(seed).hexdigest()).write_bytes(seed)
        words = ("".join(f"\\x{byte:02x}" for byte in word) for word in target.words)
        (folder / "words").write_text("".join(f'"{word}"\n' for word in words))
        corpus = folder / "corpus" if options.corpus is None else options.corpus / target.name
        corpus.mkdir(parents=True, exist_ok=True)
        prefix = f"{options.crashes}/{target.name}-"
        command = [
            sys.executable, "-m", "tests.fuzz.guided", target.name, str(corpus), str(folder / "seeds"),
            f"-max_total_time={max(1, round(seconds))}", f"-seed={options.seed + 1}", f"-dict={folder / 'words'}",
            f"-artifact_prefix={prefix}", f"-timeout={HANG_SECONDS:.0f}", f"-rss_limit_mb={MOST_MIB}",
            "-max_len=16384", "-verbosity=0", "-print_final_stats=1",
        ]  # fmt: skip
        before = set(options.crashes.glob(f"{target.name}-*"))
        ran = subprocess.run(command, capture_output=True, text=True, errors="replace")
        new = sorted(set(options.crashes.glob(f"{target.name}-*")) - before)
    if ran.returncode and not new:
        _say(f"{target.name}: atheris ended with exit code {ran.returncode}\n{ran.stderr[-4000:]}")
        return True
    for path in new:
        why = [line for line in ran.stderr.splitlines() if not line.startswith(("INFO:", "WARNING:", "stat::"))]
        _say(f"{target.name}: {chr(10).join(why)[-4000:]}\nsee it again: {_command(target, path)}")
    executed = [line.split()[-1] for line in ran.stderr.splitlines() if "number_of_executed_units" in line]
    if not new:
        _say(f"{target.name}: nothing in {int(executed[0]) if executed else 0:,} inputs, by coverage")
    return bool(new)


def _error_of(target: Target, data: bytes) -> str | None:
    try:
        checked(target, data)
    except Exception:
        return traceback.format_exc()
    return None


def _found(target: Target, data: bytes, error: str, options: argparse.Namespace) -> bool:
    options.crashes.mkdir(parents=True, exist_ok=True)
    path = options.crashes / f"{target.name}-{hashlib.sha1(data).hexdigest()[:16]}"
    path.write_bytes(data)
    _say(f"{target.name}: {error}\n{data[:2000]!r}\nsee it again: {_command(target, path)}")
    return True


def _command(target: Target, path: Path) -> str:
    return f"python -m tests.fuzz {target.name} --replay {path}"


def _replay(target: Target, path: Path) -> int:
    error = _error_of(target, path.read_bytes())
    _say(f"{target.name}: {error or 'all is well'}")
    return int(error is not None)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
