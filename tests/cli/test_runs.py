"""Runs that are kept: the list of them, their reports, and how they go."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import CommandLine

from urlsweep.journal.run_file import RunFile


def listed(cli: CommandLine) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(cli("runs", "--format", "json").stdout)
    return found


def test_every_run_is_kept_and_listed(cli: CommandLine) -> None:
    assert cli("runs").stderr.startswith("urlsweep: no run is kept in ")
    cli("check", "http://a.test/ok", "http://a.test/gone")
    cli("check", "http://a.test/", "--no-journal")
    cli("check", "-", stdin=b"http://a.test/\n")
    text = cli("runs").stdout
    lines = [re.split(r" {2,}", line) for line in text.splitlines()]
    assert lines[0] == ["run", "begun (UTC)", "state", "URLs", "failing", "inputs"]
    assert {tuple(line[2:]) for line in lines[1:]} == {
        ("finished", "1", "0", "-"),
        ("finished", "2", "1", "http://a.test/ok, http://a.test/gone"),
    }
    found = {run["outcomes"].get("broken", 0): run for run in listed(cli)}
    assert (found[1]["exit_code"], found[1]["rows"], found[1]["of"]) == (1, 2, 2)


def test_the_list_is_safe_for_a_terminal(cli: CommandLine) -> None:
    cli("check", "http://a.test/\x1b[31m")
    assert "\x1b" not in cli("runs").stdout


def test_a_run_is_removed_by_name(cli: CommandLine) -> None:
    cli("check", "http://a.test/ok")
    cli("check", "http://a.test/gone")
    first = listed(cli)[-1]
    assert cli("runs", "rm", first["name"]).code == 0
    assert [run["name"] for run in listed(cli)] != [first["name"]]
    assert not Path(first["path"]).exists()
    assert cli("runs", "rm", "last").code == 0
    assert listed(cli) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rm"], "write urlsweep runs, or urlsweep runs rm RUN... with the names to remove"),
        (["list"], "write urlsweep runs, or urlsweep runs rm RUN... with the names to remove"),
        (["rm", "1999"], "there is no run '1999' (urlsweep runs lists those that are kept)"),
        (["--format", "csv"], "--format csv: the list of runs is text or json"),
    ],
)
def test_wrong_usage(arguments: list[str], message: str, cli: CommandLine) -> None:
    ran = cli("runs", *arguments)
    assert (ran.code, ran.stderr) == (2, f"urlsweep: error: {message}\n")


def test_the_oldest_runs_go(cli: CommandLine) -> None:
    Path("urlsweep.toml").write_text("[journal]\nkeep = 2\n")
    for number in range(4):
        cli("check", f"http://a.test/{number}")
    assert len(listed(cli)) == 2


def test_a_run_that_is_going_on_is_listed_as_such(cli: CommandLine) -> None:
    cli("check", "http://a.test/ok")
    with RunFile.open(Path(listed(cli)[0]["path"]), to_write=True):
        assert listed(cli)[0]["state"] == "running"
        assert "running" in cli("runs").stdout
        ran = cli("resume", "last")
        assert ran.code == 2
        assert "is in use by another urlsweep that is running: wait for its end, or stop it" in ran.stderr


def test_one_that_cannot_be_read_does_not_hide_the_others(cli: CommandLine) -> None:
    cli("check", "http://a.test/ok")
    path = Path(listed(cli)[0]["path"])
    path.with_name("20000101-000000-0000.run").write_text("notes")
    assert [run["state"] for run in listed(cli)] == ["finished", "unreadable"]
    assert "is not a run file of urlsweep's" in cli("runs").stdout


# Reports -------------------------------------------------------------------------------------------------------------


def test_a_report_is_made_again_in_any_format(cli: CommandLine) -> None:
    Path("t.csv").write_text("id,url\n1,http://a.test/ok\n2,http://a.test/gone\n3,http://a.test/ok\n")
    ran = cli("check", "t.csv", "-o", "was.csv", "-o", "was.jsonl", "--sort")
    again = cli("report", "last", "-o", "now.csv", "-o", "now.jsonl", "--format", "text")
    assert again.code == 0
    assert again.transport.log == []
    assert again.stdout == ran.stdout
    for name in ("csv", "jsonl"):
        assert Path(f"now.{name}").read_bytes() == Path(f"was.{name}").read_bytes()
    assert "3 URLs (1 duplicate) in" in again.stderr
    assert "Failed: 1 broken." in again.stderr


def test_a_report_of_some_outcomes(cli: CommandLine) -> None:
    cli("check", "http://a.test/ok", "http://a.test/gone", "--run-file", "a.run")
    ran = cli("report", "a.run", "--only", "broken", "--format", "csv", "-q")
    assert [row["url"] for row in csv.DictReader(io.StringIO(ran.stdout))] == ["http://a.test/gone"]
    assert ran.stderr == ""


def test_a_report_of_a_run_that_was_cut_says_so(cli: CommandLine) -> None:
    cli("check", "http://a.test/ok", "http://a.test/gone", "--run-file", "a.run")
    with RunFile.open(Path("a.run"), to_write=True) as run_file:
        run_file._database.execute("DELETE FROM results WHERE target = 1")
        run_file.state(state="running")
    ran = cli("report", "a.run", "--format", "jsonl")
    assert [json.loads(line)["reason"] for line in ran.rows] == [None, "skip.unfinished"]
    assert "Cut short: this is not the whole picture." in ran.stderr


@pytest.mark.parametrize("arguments", [[], ["a", "b"]])
def test_one_run_at_a_time_is_reported(arguments: list[str], cli: CommandLine) -> None:
    ran = cli("report", *arguments)
    assert ran.code == 2
    assert "one run is reported at a time: write urlsweep report last, or a name of urlsweep runs" in ran.stderr
