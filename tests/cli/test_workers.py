"""``--processes``: worker processes, from the outside. What they do to rows is told by `tests/workers`."""

from __future__ import annotations

import asyncio
import csv
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cli.answering import PATIENCE, AnsweringServer, page

from urlsweep.testing.demo_site import DemoSite
from urlsweep.workers.sharding import Sharding

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

PROC = Path("/proc")

of_processes = pytest.mark.skipif(not (PROC / "self" / "stat").exists(), reason="no /proc to look processes up in")


class Site(AnsweringServer):
    """Several hosts, 127.0.0.1 to 127.0.0.20, each answering after a while, or never: also HEAD, always 200 or 404."""

    address = "0.0.0.0"

    def __init__(self) -> None:
        self.hangs = threading.Event()  # set: nobody answers any more
        self.asked = 0
        super().__init__()

    async def reply(self, number: int) -> bytes:
        self.asked += 1
        await asyncio.sleep(0.01)
        while self.hangs.is_set():  # noqa: ASYNC110  another thread sets it
            await asyncio.sleep(0.05)
        return page(number)

    def urls(self, count: int, hosts: int = 20) -> list[str]:
        return [f"http://127.0.0.{1 + number % hosts}:{self.port}/{number}" for number in range(count)]


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.close()


def started(*arguments: str, folder: Path) -> subprocess.Popen[bytes]:
    """The program, in a process group of its own, as a shell starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", "urlsweep", *arguments],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
    )


def ended(process: subprocess.Popen[bytes]) -> tuple[int, list[dict[str, str]], str]:
    with process:
        stdout, stderr = process.communicate(timeout=PATIENCE)
    return process.returncode, [json.loads(line) for line in stdout.splitlines()], stderr.decode()


def run(*arguments: str, folder: Path) -> tuple[int, list[dict[str, str]], str]:
    return ended(started(*arguments, folder=folder))


def workers_of(process: subprocess.Popen[bytes]) -> list[int]:
    """The process ids of its children that are there."""
    found = []
    for stat in PROC.glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:  # it went meanwhile
            continue
        if int(parent) == process.pid and state != "Z":
            found.append(int(stat.parent.name))
    return found


def is_there(pid: int) -> bool:
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, "it does not come"
        time.sleep(0.01)


def under_way(
    site: Site, urls: Sequence[str], *options: str, folder: Path
) -> tuple[subprocess.Popen[bytes], list[int]]:
    """A run over two workers that has got some rows and now waits for answers; and its workers."""
    (folder / "list.txt").write_text("".join(f"{url}\n" for url in urls))
    process = started("check", "list.txt", "--processes", "2", "--format", "jsonl", *options, folder=folder)
    until(lambda: site.asked > 40)
    site.hangs.set()
    workers = workers_of(process)
    assert len(workers) == 2
    return process, workers


# --- rows -------------------------------------------------------------------------------------------------------------


async def test_the_demo_site_over_several_processes(tmp_path: Path) -> None:
    async with DemoSite() as site:
        (tmp_path / "list.txt").write_text("".join(f"{url}\n" for url in site.urls))
        options = [
            "--processes",
            "3",
            "--timeout",
            "1",
            "--retry-delays",
            "0.5,1",
            "--patience",
            "4",
            "--proxy",
            "none",
        ]
        process = await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "urlsweep", "check", "list.txt", "--sort", "-o", "out.csv", "-q", *options],
            cwd=tmp_path,
        )
        assert await process.wait() == 1
        with (tmp_path / "out.csv").open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines))
        assert [row["url"] for row in rows] == site.urls
        for row in rows:
            outcome, reason, status = site.expected[row["url"]]
            assert (row["outcome"], row["reason"], row["status"]) == (
                outcome, reason or "", "" if status is None else str(status),
            ), row  # fmt: skip


def test_both_workers_have_hosts_in_these_tests() -> None:
    sharding = Sharding(2, "host")  # type: ignore[arg-type]  # the enum's value
    assert {sharding.shard_of(f"127.0.0.{number}:{port}") for number in range(1, 21) for port in (8000,)} == {0, 1}


# --- how it ends ------------------------------------------------------------------------------------------------------


@of_processes
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_to_all_of_them_ends_the_run_well(
    number: signal.Signals, code: int, site: Site, tmp_path: Path
) -> None:
    """As a terminal's Ctrl-C, and service managers: the whole group is signalled, and only the run's process heeds."""
    urls = site.urls(300)
    process, workers = under_way(site, urls, "--concurrency", "16", folder=tmp_path)
    os.killpg(process.pid, number)
    returned, rows, stderr = ended(process)
    assert returned == code
    assert [row["url"] for row in rows if row["outcome"] == "ok"]
    # Whether a page that is missing was among those that were asked in time is chance.
    assert {None, "skip.unfinished"} <= {row["reason"] for row in rows} <= {None, "http.404", "skip.unfinished"}
    assert "Traceback" not in stderr
    assert "Cut short" in stderr
    assert not any(map(is_there, workers))


@of_processes
def test_a_worker_that_is_killed_ends_the_run_which_can_be_resumed(site: Site, tmp_path: Path) -> None:
    urls = site.urls(300)
    process, workers = under_way(site, urls, "--concurrency", "16", "--run-file", "a.run", folder=tmp_path)
    os.kill(workers[1], signal.SIGKILL)
    code, rows, stderr = ended(process)
    assert code == 70
    assert f"(process {workers[1]}) was killed by SIGKILL: the run was ended" in stderr
    assert "urlsweep resume" in stderr
    assert "Traceback" not in stderr
    # Whether a page that is missing was among those that were asked in time is chance.
    assert {None, "skip.unfinished"} <= {row["reason"] for row in rows} <= {None, "http.404", "skip.unfinished"}
    assert not any(map(is_there, workers))
    site.hangs.clear()
    code, rows, _ = run("resume", "a.run", "--format", "jsonl", "--sort", folder=tmp_path)
    assert code == 1
    assert [row["url"] for row in rows] == urls
    assert {row["reason"] for row in rows} == {None, "http.404"}


@of_processes
def test_no_worker_outlives_a_run_that_is_killed_and_nothing_is_lost(site: Site, tmp_path: Path) -> None:
    urls = site.urls(300)
    process, workers = under_way(site, urls, "--concurrency", "16", "--run-file", "a.run", folder=tmp_path)
    os.kill(process.pid, signal.SIGKILL)
    assert ended(process)[0] == -signal.SIGKILL
    until(lambda: not any(map(is_there, workers)))
    site.hangs.clear()
    code, rows, _ = run("resume", "a.run", "--processes", "3", "--format", "jsonl", "--sort", folder=tmp_path)
    assert code == 1
    assert [row["url"] for row in rows] == urls
    assert Counter(row["reason"] for row in rows) == {None: 257, "http.404": 43}


@of_processes
def test_secrets_go_over_the_pipe_alone(site: Site, tmp_path: Path) -> None:
    secret = "s3cr3t-of-the-house"
    origin = f"http://127.0.0.1:{site.port}"
    options = ["--header-for", origin, f"Authorization: Bearer {secret}", "--user-agent", "x", "--concurrency", "16"]
    process, workers = under_way(site, site.urls(300), *options, folder=tmp_path)
    for worker in workers:
        for place in ("cmdline", "environ"):
            assert secret.encode() not in (PROC / str(worker) / place).read_bytes()
    process.terminate()
    assert ended(process)[0] == 143


def test_a_budget_ends_the_workers_in_time(site: Site, tmp_path: Path) -> None:
    site.hangs.set()
    urls = site.urls(50)
    code, rows, stderr = run(
        "check", *urls, "--processes", "2", "--budget", "2", "--format", "jsonl", "--run-file", "a.run", folder=tmp_path
    )
    assert code == 5, stderr
    assert Counter(row["reason"] for row in rows) == {"skip.unfinished": 50}


# --- usage ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--processes", "0"], "--processes: '0' is not a whole number from 1 to 64"),
        (["--processes", "3", "--concurrency", "2"], "--processes: 3 of them cannot share --concurrency 2"),
        (
            ["--processes", "2", "--pace-by", "address"],
            "--processes: more than one cannot be had with --pace-by address: which hosts share an address is known",
        ),
    ],
)
def test_what_several_processes_cannot_do_is_refused(cli: CommandLine, arguments: list[str], message: str) -> None:
    ran = cli("check", "http://a.test/", *arguments)
    assert ran.code == 2
    assert message in ran.stderr
    assert ran.transport.log == []


def test_where_there_is_no_interpreter_to_start_it_is_said(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    ran = cli("check", "http://a.test/", "--processes", "2")
    assert ran.code == 2
    assert "there is no Python interpreter here to start more processes with" in ran.stderr


def test_a_plan_takes_the_option_for_it_makes_no_difference_there(cli: CommandLine) -> None:
    assert cli("plan", "http://a.test/", "--processes", "2").stdout == cli("plan", "http://a.test/").stdout
