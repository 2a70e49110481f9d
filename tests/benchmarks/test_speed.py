"""The speed benchmark: its lists, judging, turns and pages; and all of it at a tiny size where its programs exist."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.programs import Figures, plain_environment
from benchmarks.speed import command, delayed, machine, peers, startup
from benchmarks.speed.judge import Judgement, Said, judge
from benchmarks.speed.pages import (
    ALL_FAULTS,
    LOOPBACK,
    PASSING,
    Kind,
    address_of,
    hosts_of,
    kind_of,
    listing,
    right_statuses,
)
from benchmarks.speed.results import Results, page, plain_command, ratios
from benchmarks.speed.servers import Site, nginx_configuration
from benchmarks.speed.startup import BARE, Start
from benchmarks.speed.tools import Job, Lychee, PlainAiohttp, Siteprobe, Tool, Urlsweep
from benchmarks.speed.trial import LimitRun, Run, Trial, run_once, try_out
from benchmarks.speed.workloads import LEAST_URLS, SCALING, WORKLOADS, Goals, Limit, Measure, Workload
from benchmarks.world import namespace

REPOSITORY = Path(__file__).parents[2]
FEW = Workload("few", "A few", 12, 3, limit=Limit.NONE, goals=Goals(Measure.FASTER, 1.0, 2.0, 3.0))

# --- lists and what is right


@pytest.mark.parametrize("count", [LEAST_URLS, 100, 5000])
@pytest.mark.parametrize("planted", [PASSING, ALL_FAULTS])
def test_every_kind_is_planted_and_no_url_comes_twice(count: int, planted: tuple[Kind, ...]) -> None:
    urls = list(listing("http", hosts_of(7), count, planted))
    kinds = Counter(map(kind_of, urls))
    assert len(set(urls)) == count
    assert set(kinds) == {Kind.PAGE, *planted}
    assert kinds[Kind.PAGE] >= count / 2


def test_planting_costs_a_large_list_next_to_nothing() -> None:
    kinds = Counter(map(kind_of, listing("http", [LOOPBACK], 10_000)))
    assert 10_000 - kinds[Kind.PAGE] == 40


def test_without_hosts_there_is_one_by_its_address() -> None:
    assert next(listing("https", hosts_of(0), 9)) == "https://127.0.0.1/page/0"


def test_every_host_has_an_address_of_its_own_on_the_loopback() -> None:
    addresses = [address_of(number) for number in range(70_000)]
    assert len(set(addresses)) == 70_000
    assert LOOPBACK not in addresses
    assert {socket.inet_aton(address)[0] for address in addresses} == {127}


def test_what_has_moved_may_be_told_by_either_status() -> None:
    assert right_statuses("http://h/page/1") == {200}
    assert right_statuses("http://h/moved/1") == {301, 200}
    assert right_statuses("http://h/failing/1") == {500}
    with pytest.raises(ValueError, match="elsewhere"):
        right_statuses("http://h/elsewhere/1")


URLS = ["http://h/page/0", "http://h/missing/1", "http://h/moved/2"]
RIGHT = [Said(URLS[0], 200), Said(URLS[1], 404), Said(URLS[2], 301)]


def test_right_answers_in_any_order_are_right() -> None:
    judged = judge(URLS, reversed(RIGHT))
    assert judged.is_right
    assert str(judged) == "all right"


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ([], "3 missing"),
        (RIGHT[1:], "1 missing"),
        ([*RIGHT, RIGHT[0]], "1 repeated"),
        ([*RIGHT, Said("http://h/page/9", 200)], "1 strange"),
        ([Said(URLS[0], 404), *RIGHT[1:]], "1 wrong"),
        ([Said(URLS[0], None), *RIGHT[1:]], "1 wrong"),
        ([Said("http://h/page/moved-2", 200), *RIGHT[:2]], "1 missing, 1 strange"),
    ],
)
def test_whatever_is_not_right_is_told(said: list[Said], words: str) -> None:
    judged = judge(URLS, said)
    assert not judged.is_right
    assert str(judged) == words
    assert judged.examples


# --- workloads


def test_a_scaled_workload_keeps_what_it_is_about() -> None:
    for workload in (*WORKLOADS, SCALING):
        small = workload.scaled(0.0001)
        assert small.urls >= LEAST_URLS
        assert bool(small.hosts) == bool(workload.hosts)
        assert workload.scaled(1) == workload


def test_goals_are_reached_from_their_own_side() -> None:
    faster, ideal = Goals(Measure.FASTER, 2.5, 3.5, 6), Goals(Measure.IDEAL, 1.4, 1.27, 1.15)
    assert [faster.reached(value) for value in (2.4, 2.5, 3.6, 6)] == ["missed", "must", "aim", "moonshot"]
    assert [ideal.reached(value) for value in (1.5, 1.4, 1.2, 1.1)] == ["missed", "must", "aim", "moonshot"]


def test_the_ideal_is_what_latency_leaves() -> None:
    ideals = {workload.name: workload.ideal for workload in WORKLOADS}
    assert ideals["latency"] == pytest.approx(1.0)
    assert ideals["hosts"] is None


# --- tools: fake ones in turns, real ones' reports


class FakeSite(Site):
    """Counts as if every tool had asked for three URLs."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory, directory / "authority.pem", "")
        self._asked = 0

    def counted(self) -> tuple[int, int]:
        self._asked += 4
        return self._asked, 0


class FakeTool:
    """A small program that writes every URL's right status, but for those it leaves out, and notes its turn."""

    good_exits = frozenset({0})

    def __init__(self, name: str, turns: Path, *, leaves_out: int = 0, exit_code: int = 0) -> None:
        self.name = name
        self._code = (
            f"import sys; open({str(turns)!r}, 'a').write({name!r} + ' '); "
            f"print(open(sys.argv[1]).read(), end=''); sys.exit({exit_code})"
        )
        self._leaves_out = leaves_out

    def why_not(self, workload: Workload) -> str | None:
        return "cannot" if self.name == "unable" else None

    def command(self, job: Job) -> list[str]:
        return [sys.executable, "-c", self._code, str(job.urls)]

    def environment(self, job: Job) -> dict[str, str]:
        return plain_environment()

    def answers(self, job: Job) -> Iterator[Said]:
        for url in (job.directory / "stdout").read_text(encoding="ascii").split()[self._leaves_out :]:
            yield Said(url, min(right_statuses(url)))


linux_only = pytest.mark.skipif(sys.platform != "linux", reason="programs are measured by Linux's wait4")


@linux_only
def test_tools_take_turns_after_a_warm_up(tmp_path: Path) -> None:
    turns = tmp_path / "turns"
    tools: Sequence[Tool] = [FakeTool("a", turns), FakeTool("b", turns, leaves_out=2), FakeTool("unable", turns)]
    heard: list[str] = []
    done = try_out(FEW, tools, FakeSite(tmp_path), tmp_path, 2, 30, heard.append)
    assert turns.read_text(encoding="ascii").split() == ["a", "b"] * 3
    assert {name: len(runs) for name, runs in done.runs.items()} == {"a": 2, "b": 2}
    assert done.is_right("a")
    assert not done.is_right("b")
    assert [str(run.judgement) for run in done.runs["b"]] == ["2 missing"] * 2
    assert [run.requests for run in done.runs["a"]] == [3, 3]
    assert done.cannot == {"unable": "cannot"}
    assert len(heard) == 4
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["0-limit", "1-limit"]


@linux_only
def test_a_tool_that_fails_is_told_and_not_raised(tmp_path: Path) -> None:
    urls = tmp_path / "urls.txt"
    urls.write_text("", encoding="ascii")
    job = Job(urls, "", None, 1, tmp_path)
    run = run_once(FakeTool("a", tmp_path / "turns", exit_code=9), job, [], FakeSite(tmp_path), 30)
    assert not run.is_right
    assert "exit code 9" in (run.fault or "")


def _job(directory: Path, stdout: str) -> Job:
    (directory / "stdout").write_text(stdout, encoding="utf-8")
    return Job(directory / "urls.txt", "http://sitemap", directory / "ca.pem", 256, directory)


def test_the_tools_reports_are_read(tmp_path: Path) -> None:
    rows = '{"url":"u","outcome":"ok","status":200}\n{"url":"v","outcome":"down","status":null}\n'
    assert list(Urlsweep("python").answers(_job(tmp_path, rows))) == [Said("u", 200), Said("v", None)]
    lychee = """{"success_map": {"urls.txt": [{"url": "u", "status": {"text": "OK", "code": 200}}]}, "error_map":
        {"urls.txt": [{"url": "v", "status": {"text": "refused"}}]}, "timeout_map": {}, "excluded_map": {}}"""
    assert list(Lychee("lychee").answers(_job(tmp_path, lychee))) == [Said("u", 200), Said("v", None)]
    siteprobe = '{"responses": [{"url": "u", "statusCode": 404}]}'
    assert list(Siteprobe("siteprobe").answers(_job(tmp_path, siteprobe))) == [Said("u", 404)]
    assert list(PlainAiohttp("python").answers(_job(tmp_path, "200 u\n0 v\n"))) == [Said("u", 200), Said("v", None)]


def test_commands_are_the_fastest_that_there_are(tmp_path: Path) -> None:
    job = _job(tmp_path, "")
    own = plain_command(Urlsweep("/venv/bin/python3.11", flags=["--transport", "session"]).command(job))
    assert own == (
        "python -m urlsweep check urls.txt --concurrency 256 --format jsonl --cacert ca.pem --transport session"
    )
    lychee = plain_command(Lychee("/venv/bin/lychee").command(job))
    for flag in ("--method head", "--max-concurrency 256", "--host-concurrency 256", "--host-request-interval 0ms"):
        assert flag in lychee
    assert "--concurrency-limit 100 http://sitemap" in plain_command(Siteprobe("siteprobe").command(job))
    assert Siteprobe("siteprobe").why_not(replace(FEW, scheme="https")) is not None


# --- pages


def _run(wall: float, *, wrong: int = 0, memory: float = 30.0) -> Run:
    figures = Figures(wall, wall / 2, wall / 4, memory, 0, is_cut_short=False)
    return Run(figures, 12, 0, 0.01, Judgement(12, 0, 0, 0, wrong, ("http://h/page/1: 404",) * bool(wrong)))


def _results(**others: list[Run]) -> Results:
    runs = {"urlsweep": [_run(1.0), _run(2.0), _run(1.0)]} | {name.replace("_", " "): of for name, of in others.items()}
    done = Trial(FEW, runs, {name: [f"/somewhere/bin/{name}", "/somewhere/urls.txt"] for name in runs})
    return Results("a machine", {"urlsweep": "Python 3"}, 1.0, 3, trials=[done])


def test_ratios_are_those_of_each_round() -> None:
    found = _results(lychee=[_run(3.0), _run(4.0), _run(2.0)])
    assert ratios(found.trials[0], "lychee", "urlsweep") == [3.0, 2.0, 2.0]
    text = "\n".join(page(found))
    assert "| 2.00 (2.00 to 3.00) times as fast |" in text
    assert "| few | 2.00 times as fast as lychee | at least 1 | at least 2 | at least 3 | aim |" in text
    assert "does not lead" not in text
    assert "/somewhere" not in text
    assert "Other processes took 1% of the processors in the middle run, 1% in the worst" in text


def test_a_wrong_tool_is_shown_as_wrong_and_never_as_fast() -> None:
    found = _results(lychee=[_run(0.1), _run(0.1, wrong=5), _run(0.1)])
    text = "\n".join(page(found))
    row = next(line for line in text.splitlines() if line.startswith("| lychee"))
    assert "**WRONG**: 5 wrong" in row
    assert "times as fast" not in row
    assert "no right answers to compare" in text
    assert "does not lead" not in text
    assert "`http://h/page/1: 404`" in text
    assert found.is_right


def test_a_machine_that_is_not_quiet_is_told() -> None:
    found = _results()
    found.trials[0].runs["urlsweep"][2] = replace(_run(1.0), others=0.4)
    assert "40% in the worst: not a quiet machine**" in "\n".join(page(found))


def test_urlsweep_wrong_is_a_failed_run() -> None:
    found = _results(lychee=[_run(1.0)] * 3)
    found.trials[0].runs["urlsweep"][1] = _run(0.1, wrong=1)
    assert not found.is_right
    assert ratios(found.trials[0], "lychee", "urlsweep") is None


def test_where_a_right_peer_is_ahead_is_said() -> None:
    text = "\n".join(page(_results(lychee=[_run(0.5, memory=60.0)] * 3)))
    assert "## Where urlsweep does not lead" in text
    assert "- few, wall time: lychee 2.00 times better" in text
    assert "few, peak memory" not in text
    assert "| few | 0.50 times as fast as lychee | at least 1 | at least 2 | at least 3 | missed |" in text
    assert "Missed: few." in text
    assert "| few | 12 | **24** | 0.50 times lychee |" in text


def test_limits_scaling_and_starts_have_their_tables() -> None:
    found = _results()
    found.trials[0].limits = [LimitRun(0.5, 0.1)]
    found.trials[0].workload = replace(FEW, limit=Limit.WRK)
    found.trials[0].cannot = {"siteprobe": "no TLS"}
    tenth = Trial(replace(SCALING, urls=100_000), {"urlsweep": [_run(2.0, memory=29.0)]})
    found.scaling = [tenth, Trial(SCALING, {"urlsweep": [_run(20.0, memory=49.0)]})]
    found.starts = [Start(BARE, [0.010]), Start("urlsweep --version", [0.030]), Start("urlsweep, first request", [0.2])]
    text = "\n".join(page(found))
    assert "| limit: wrk, one URL | 0.50 | 24 |" in text
    assert "at 2.00 times its time" in text
    assert "not run: no TLS" in text
    assert "| urlsweep | 1,000,000 | 20.00 | 20 | 15 | 49 | all right |" in text
    assert "| peak memory at 1,000,000 URLs | 49 MiB | at most 80 | at most 50 | at most 35 | aim |" in text
    assert "time a URL goes from 20 to 20 µs, 1.00 times: flat" in text
    assert "its memory from 29 to 49 MiB, 23 bytes for each further URL: flat" in text
    assert "| urlsweep --version | 20 ms over bare Python |  | at most 30 |  | aim |" in text
    assert "| first request | 200 ms from the start |  | at most 150 |  | missed |" in text
    assert "Missed: first request." in text


def test_what_grows_with_the_list_is_said() -> None:
    found = _results()
    tenth = Trial(replace(SCALING, urls=100_000), {"urlsweep": [_run(2.0, memory=29.0)]})
    found.scaling = [tenth, Trial(SCALING, {"urlsweep": [_run(25.0, memory=129.0)]})]
    text = "\n".join(page(found))
    assert "20 to 25 µs, 1.25 times: **not flat**" in text
    assert "117 bytes for each further URL: **not flat**" in text


def test_every_row_of_a_table_has_its_cells() -> None:
    found = _results(lychee=[_run(3.0)] * 3, siteprobe=[replace(_run(1.0), judgement=None, fault="a | b\nc")] * 3)
    found.trials[0].limits = [LimitRun(0.5, None)]
    found.trials[0].workload = replace(FEW, limit=Limit.LATENCY)
    found.trials[0].cannot = {"other": "cannot"}
    lines = [line.replace("\\|", "") for line in page(found)]
    table = lines[lines.index("## few: A few") :]
    rows = [line for line in table if line.startswith("|")]
    assert len(rows) == 7
    assert {row.count("|") for row in rows} == {9}


# --- the servers' own parts


def test_the_configuration_stays_in_its_folder(tmp_path: Path) -> None:
    text = nginx_configuration(tmp_path, tmp_path / "leaf.pem", serves_pages=True)
    assert text.count("_temp_path") == 5
    assert "location /missing/ { return 404; }" in text
    assert text.count("{") == text.count("}")
    assert "listen 443" not in nginx_configuration(tmp_path, tmp_path / "leaf.pem", serves_pages=False)


@pytest.mark.parametrize("kind", list(Kind))
def test_the_delayed_server_answers_as_planted(kind: Kind) -> None:
    head = delayed.answer(b"HEAD", f"/{kind}/7".encode())
    status = int(head.split(b" ")[1])
    assert status in right_statuses(f"http://h/{kind}/7")
    assert head.endswith(b"\r\n\r\n")
    assert (b"Location: /page/moved-7\r\n" in head) == (kind is Kind.MOVED)
    assert delayed.answer(b"GET", f"/{kind}/7".encode()) == head + delayed.BODY


@linux_only
async def test_the_delayed_server_keeps_order_and_counts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "benchmarks.speed.delayed", "0.001", str(port)]
    process = await asyncio.create_subprocess_exec(*command)
    try:
        async with asyncio.timeout(20):
            while True:
                try:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    break
                except ConnectionRefusedError:
                    await asyncio.sleep(0.02)
        writer.write(b"GET /page/1 HTTP/1.1\r\n\r\nHEAD /missing/2 HTTP/1.1\r\nHost: h\r")
        writer.write(b"\n\r\n")
        got = await reader.readuntil(delayed.BODY) + await reader.readuntil(b"\r\n\r\n")
        writer.write(f"GET {delayed.STATUS_PATH} HTTP/1.1\r\n\r\n".encode())
        status = (await reader.read()).decode()
        writer.close()
        await writer.wait_closed()
    finally:
        process.terminate()
        assert await process.wait() == 0
    assert got.index(b" 200 ") < got.index(b" 404 ")
    assert "\n 1 1 3 \n" in status


@linux_only
def test_starts_are_measured(tmp_path: Path) -> None:
    ask = "import sys, urllib.request as r; r.build_opener(r.ProxyHandler({})).open(%s).read()"
    ways = {
        startup.URL: ask % "sys.argv[1]",
        startup.LIST: ask % "open(sys.argv[1]).readline()",
        startup.PIPED: ask % "sys.stdin.readline()",
    }
    first = {way: [sys.executable, "-c", script, way] for way, script in ways.items()}
    found = startup.measure_starts({BARE: [sys.executable, "-c", "pass"]}, first, tmp_path, 2)
    assert [(start.name, len(start.seconds)) for start in found] == [(name, 2) for name in (BARE, *ways)]
    assert all(start.median > 0 for start in found)
    with pytest.raises(startup.StartError, match="exit code 3"):
        startup.measure_starts({"bad": [sys.executable, "-c", "import sys; sys.exit(3)"]}, {}, tmp_path, 1)


@linux_only
def test_processor_time_is_told_by_process() -> None:
    busy, own = machine.busy_seconds(), machine.seconds_of({os.getpid()})
    assert 0 < own < busy
    assert machine.seconds_of(set()) == 0


@linux_only
def test_the_machine_is_told_without_its_name() -> None:
    text = machine.describe_machine()
    assert "processors" in text
    assert socket.gethostname() not in text.split()
    assert "OpenSSL" in machine.in_words(machine.versions_of_python(sys.executable))


# --- all of it


def why_not_run() -> str | None:
    """What keeps the whole benchmark from being run here."""
    lacking = [name for name in ("nginx", "dnsmasq", "wrk", "taskset") if shutil.which(name) is None]
    if lacking:
        return f"not installed: {', '.join(lacking)}"
    reason = namespace.why_not_possible()
    if reason is None:
        tried = subprocess.run(["unshare", "--net", "--mount", "true"], capture_output=True, check=False)
        if tried.returncode:
            reason = f"namespaces are not allowed here: {tried.stderr.decode(errors='replace').strip()}"
    return reason


_TINY = ("one-host", "one-host-tls", "hosts", "hosts-tls", "latency", "scaling")
"""Those that wait for nothing but the machine."""


def test_the_whole_benchmark_runs_at_a_tiny_size(tmp_path: Path) -> None:
    reason = why_not_run()
    if reason is not None:
        pytest.skip(reason)
    own = REPOSITORY / ".venv-peers"
    tools = ["urlsweep"]
    tools += [name for name in ("lychee", "siteprobe") if not peers.missing(own, [name])]
    tools += [] if peers.missing(own, ["python"]) else ["aiohttp"]
    output = tmp_path / "results.md"
    program = [sys.executable, "-m", "benchmarks", "--scale", "0.0002", "--rounds", "1", "--output", str(output)]
    program += ["--tools", *tools, "--only", *_TINY]
    done = subprocess.run(program, cwd=REPOSITORY, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    text = output.read_text(encoding="utf-8")
    for name in _TINY:
        assert f"## {name}: " in text
    assert "WRONG" not in text
    assert str(REPOSITORY) not in text


def test_a_missing_peer_is_noticed(tmp_path: Path) -> None:
    assert peers.missing(tmp_path, ["lychee", "python"]) == ["lychee", "python"]
    (tmp_path / "bin").mkdir()
    peers.program(tmp_path, "lychee").touch()
    assert peers.missing(tmp_path, ["lychee", "python"]) == ["python"]


@linux_only
def test_all_that_is_missing_is_said_at_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks"])
    monkeypatch.setattr(namespace, "why_not_possible", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert command.main() == 2
    said = capsys.readouterr().err
    for remedy in ("nginx is not installed", "dnsmasq-base", "Debian's wrk"):
        assert remedy in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["--write", "--scale", "0.5"],
        ["--write", "--only", "hosts"],
        ["--write", "--rounds", "1"],
        ["--write", "--urlsweep-flags=--tries 1"],
        ["--tools", "lychee"],
        ["--scale", "0"],
        ["--rounds", "0"],
        ["--only", "nothing"],
    ],
)
def test_runs_that_would_mislead_are_refused(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["benchmarks", *arguments])
    with pytest.raises(SystemExit, match="2"):
        command.main()
