"""A run that is cut at any instant and finished is the run that was never cut: by hypothesis, under virtual time, and
with a process that is killed."""

from __future__ import annotations

import asyncio
import io
import json
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.cli.answering import AnsweringServer, page

from urlsweep.cli.console import Console
from urlsweep.cli.inputs import Argument
from urlsweep.cli.interruption import Interruption
from urlsweep.cli.journaling import GoingOn, NewRun
from urlsweep.cli.resuming import _arguments
from urlsweep.cli.running import CheckRun
from urlsweep.core.model import Reason, Target
from urlsweep.journal.run_file import RunFile
from urlsweep.settings import Settings
from urlsweep.testing.fake import Behaviour, FakeTransport, by_method, failure, reply
from urlsweep.testing.virtual_time import run_virtual

HOSTS = ["a.test", "b.test", "c.test"]

# The same answer whenever it is asked: a run that goes on is in the same world.
behaviours: st.SearchStrategy[Behaviour] = st.one_of(
    st.builds(lambda after: reply(200, after=after), st.sampled_from([0.0, 0.2, 3.0])),
    st.builds(lambda status: reply(status, after=0.1), st.sampled_from([404, 410, 500, 204])),
    st.builds(
        lambda host, number: reply(301, ("location", f"http://{host}/{number}"), after=0.1),
        st.sampled_from(HOSTS),
        st.integers(0, 9),
    ),
    st.builds(
        lambda reason: failure(reason, after=0.5),
        st.sampled_from([Reason.RESPONSE_RESET, Reason.TLS_EXPIRED, Reason.DNS_NOT_FOUND]),
    ),
    st.just(by_method(head=reply(405), get=reply(200, after=0.3))),
    st.just(reply(403, ("cf-mitigated", "challenge"))),
)
lines = st.one_of(
    st.builds(
        lambda host, number, fragment: f"http://{host}/{number}{fragment}",
        st.sampled_from(HOSTS),
        st.integers(0, 9),
        st.sampled_from(["", "", "#f", "#g"]),
    ),
    st.sampled_from(["nonsense", "mailto:x@y", "htp://z/", "http://a.test/excluded"]),
)


@dataclass(frozen=True)
class Case:
    """A list, a world, and when the run over it is cut."""

    lines: list[str]
    world: dict[str, Behaviour]
    settings: Settings
    pause: float  # of the source, in seconds, before each line
    cuts: list[float]  # seconds after which each sitting ends; the last one goes to the end


cases = st.builds(
    Case,
    lines=st.lists(lines, min_size=5, max_size=40),
    world=st.dictionaries(
        st.builds(lambda host, number: f"http://{host}/{number}", st.sampled_from(HOSTS), st.integers(0, 9)),
        behaviours,
        max_size=30,
    ),
    settings=st.builds(
        Settings,
        concurrency=st.integers(1, 6),
        per_host=st.sampled_from([None, 1, 1]),
        sort=st.booleans(),
        format=st.sampled_from(["jsonl", "csv"]),
        exclude=st.just((re.compile("excluded"),)),
        seed=st.integers(0, 3),
    ),
    pause=st.sampled_from([0.0, 0.3]),
    cuts=st.lists(st.sampled_from([0.05, 0.4, 0.45, 0.9, 1.3, 2.1, 3.7, 6.0]), min_size=1, max_size=4),
)


class Slow:
    """A source of lines that takes its time: no thread, so that it can be read under virtual time."""

    columns = None
    url_column = None

    def __init__(self, path: Path, pause: float) -> None:
        self.name = str(path)
        self.found = 0
        self.failed = False
        self._pause = pause
        self._lines = path.read_text().splitlines()

    async def blocks(self) -> AsyncGenerator[Sequence[Target], None]:
        for number, line in enumerate(self._lines, start=1):
            await asyncio.sleep(self._pause)
            self.found += 1
            yield (Target(line, f"{self.name}:{number}", {"number": number}),)


class Sitting:
    """One part of a run; its standard output."""

    def __init__(self) -> None:
        self.stdout = io.BytesIO()
        self.console = Console(cast("Any", self.stdout), io.StringIO(), {})

    def start(self, case: Case, path: Path | None, is_first: bool) -> CheckRun:
        here = FakeTransport(case.world, hosts={host: reply(200, after=0.4) for host in HOSTS})
        if path is None:
            return CheckRun(["list.txt"], case.settings, self.console, lambda _: here)
        if is_first:
            chosen = replace(case.settings, run_file=str(path))
            return CheckRun(["list.txt"], chosen, self.console, lambda _: here, keeping=NewRun(chosen, {}))
        run_file = RunFile.open(path, to_write=True)
        facts = run_file.facts()
        keeping = GoingOn(run_file, facts, case.settings)
        arguments = _arguments(facts, case.settings)
        return CheckRun([], case.settings, self.console, lambda _: here, keeping=keeping, arguments=arguments)


async def _run(run: CheckRun, seconds: float | None) -> int | None:
    """The run's exit code; None where it was cut after `seconds`."""
    try:
        return await asyncio.wait_for(run.run(Interruption()), seconds)
    except TimeoutError:
        return None


def told(text: str, format_name: str) -> list[str]:
    """The rows without what depends on when and how often a URL was asked."""
    if format_name == "csv":
        lines_of = [line.split(",") for line in text.splitlines()]
        return [",".join([*cells[:5], *cells[7:8], *cells[10:11]]) for cells in lines_of]
    rows = [json.loads(line) for line in text.splitlines()]
    varying = ("elapsed_ms", "checked_at", "attempts", "method", "detail")
    return [json.dumps({key: value for key, value in row.items() if key not in varying}) for row in rows]


@settings(deadline=None, max_examples=60)
@given(case=cases)
def test_cut_and_finished_is_uncut(case: Case) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        previous = Path.cwd()
        os.chdir(name)

        def opened(argument: Argument, *_: object) -> Slow:
            return Slow(Path(argument.text), case.pause)

        try:
            Path("list.txt").write_text("\n".join(case.lines))
            whole = Sitting()
            patch.setattr("urlsweep.cli.inputs.opened", opened)
            code = run_virtual(_run(whole.start(case, None, True), None))
            path = Path("a.run")
            for number, cut in enumerate([*case.cuts, None]):
                sitting = Sitting()
                finished = run_virtual(_run(sitting.start(case, path, number == 0), cut))
                if finished is not None:
                    break
                if not path.exists():  # it was cut before it began
                    return
            assert finished == code
            results = [told(each.stdout.getvalue().decode(), case.settings.format) for each in (whole, sitting)]
            if not case.settings.sort:
                results = [sorted(rows) for rows in results]
            assert results[1] == results[0]
            with closing(RunFile.open(path)) as run_file:
                assert run_file.facts()["state"] == "finished"
                assert run_file.number == sum(run_file.outcomes.values())
        finally:
            os.chdir(previous)


# A process that is killed --------------------------------------------------------------------------------------------

KILLS = int(os.environ.get("URLSWEEP_KILLS", "6"))
"""``URLSWEEP_KILLS=250 pytest tests/cli/test_cut_runs.py`` goes on for some minutes."""

LINES = 300
SITTING = 1.6
"""Seconds within which a process is killed: start-up takes about a third of a second, the run itself one."""


class Server(AnsweringServer):
    """Answers as the path says, always the same, after some milliseconds."""

    async def reply(self, number: int) -> bytes:
        await asyncio.sleep(0.02)
        if number % 11 == 5:
            return b"HTTP/1.1 301 Moved\r\nLocation: /%d\r\nContent-Length: 0\r\n\r\n" % (number + 1)
        return page(number)


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def sitting(folder: Path, *arguments: str, stdin: Path | None, seconds: float | None) -> int | None:
    """The exit code of a process; None where it was killed after `seconds`."""
    with (
        (stdin or Path(os.devnull)).open("rb") as source,
        (folder / "stdout").open("wb") as out,
        (folder / "stderr").open("wb") as errors,
    ):
        process = subprocess.Popen(
            [sys.executable, "-m", "urlsweep", *arguments],
            cwd=folder,
            stdin=source,
            stdout=out,
            stderr=errors,
            env={key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")},
        )
        try:
            return process.wait(seconds if seconds is not None else 120)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.wait()
            return None


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="nothing kills like that here")
def test_killed_at_any_instant_and_finished_is_uncut(server: Server, tmp_path: Path) -> None:
    chance = random.Random(7)
    urls = [f"http://127.0.0.1:{server.port}/{number % 250}" for number in range(LINES)]
    (tmp_path / "list.txt").write_text("".join(f"{url}\n" for url in urls))
    options = ("--format", "jsonl", "--sort", "-q", "--concurrency", "8")
    assert sitting(tmp_path, "check", "list.txt", "--no-journal", *options, stdin=None, seconds=None) == 1
    whole = told((tmp_path / "stdout").read_text(), "jsonl")
    assert len(whole) == LINES
    kills = finished = number = 0
    while kills < KILLS or not finished:
        number += 1
        path = tmp_path / f"{number}.run"
        from_stdin = number % 2 == 0
        arguments = ["check", "-" if from_stdin else "list.txt", "--run-file", str(path), *options]
        while True:
            # In the end the runs are let finish, so that each has been cut some times.
            seconds = chance.uniform(0.0, SITTING) if kills < KILLS else None
            code = sitting(tmp_path, *arguments, stdin=tmp_path / "list.txt" if from_stdin else None, seconds=seconds)
            if code is not None:
                break
            kills += 1
            if path.exists() and path.stat().st_size and _has_begun(path):
                arguments = ["resume", str(path)]
            else:
                path.unlink(missing_ok=True)
                break
        if code is None:
            continue
        told_last = (tmp_path / "stderr").read_text()
        rows = told((tmp_path / "stdout").read_text(), "jsonl")
        if not from_stdin:
            assert (code, rows) == (1, whole), told_last
        else:  # what of standard input was not read yet went with the process
            renamed = [row.replace('"list.txt:', '"stdin:') for row in whole]
            assert rows == renamed[: len(rows)], told_last
            assert code in (1, 3, 5), told_last
        finished += 1
    assert finished


LIMITED = """
import resource, runpy, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
sys.argv[0] = "urlsweep"
runpy.run_module("urlsweep", run_name="__main__")
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on the size of files")
def test_a_file_that_cannot_grow_any_more_ends_the_run_which_is_finished_later(server: Server, tmp_path: Path) -> None:
    urls = [f"http://127.0.0.1:{server.port}/{number % 250}" for number in range(LINES)]
    (tmp_path / "list.txt").write_text("".join(f"{url}\n" for url in urls))
    options = ("--format", "jsonl", "--sort", "-q", "--concurrency", "8")
    ran = subprocess.run(
        [sys.executable, "-c", LIMITED, "check", "list.txt", "--run-file", "a.run", *options, "--only", "down"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ran.returncode == 70, ran.stderr
    assert "the run file a.run cannot be" in ran.stderr
    assert "make room, and go on with urlsweep resume" in ran.stderr
    assert sitting(tmp_path, "resume", "a.run", *options, "--only", "ok,broken", stdin=None, seconds=None) == 1
    assert [json.loads(line)["url"] for line in (tmp_path / "stdout").read_text().splitlines()] == urls


def test_two_processes_on_one_run(server: Server, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("".join(f"http://127.0.0.1:{server.port}/{number}\n" for number in range(2000)))
    with subprocess.Popen(
        [sys.executable, "-m", "urlsweep", "check", "list.txt", "--run-file", "a.run", "--concurrency", "1", "-v"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    ) as first:  # fmt: skip
        assert first.stdout is not None
        assert first.stdout.readline()
        for command in ("resume", "retry", "report"):
            assert sitting(tmp_path, command, "a.run", stdin=None, seconds=None) == 2
            assert (
                "is in use by another urlsweep that is running: wait for its end" in (tmp_path / "stderr").read_text()
            )
        assert sitting(tmp_path, "runs", "rm", "a.run", stdin=None, seconds=None) == 2
        first.kill()
    assert (tmp_path / "a.run").exists()


def _has_begun(path: Path) -> bool:
    with closing(RunFile.open(path)) as run_file:
        return "inputs" in run_file.facts()
