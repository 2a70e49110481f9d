"""Every exit code, proven by a run that ends with it."""

from __future__ import annotations

import asyncio
import errno
import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from urlsweep.cli import main
from urlsweep.cli.console import Console
from urlsweep.cli.interruption import Interruption
from urlsweep.core.model import Failure, Outcome, Reason, Reply, Request, Result
from urlsweep.engine import Sweep
from urlsweep.testing.fake import FakeTransport, reply
from urlsweep.transport import Done

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine


def test_0_when_nothing_fails_the_run(cli: CommandLine) -> None:
    ran = cli("check", "http://a.test/ok", "-", stdin=b"http://a.test/moved\nmailto:somebody@a.test\n")
    assert ran.code == 0
    assert "Passed" in ran.stderr


def test_1_when_a_url_fails_it(cli: CommandLine) -> None:
    assert cli("check", "http://a.test/ok", "http://a.test/gone").code == 1
    assert cli("check", "http://nowhere.test/").code == 1
    assert cli("check", "http://down.test/", "--retry-delays", "0").code == 1


@pytest.mark.parametrize(
    ("fail_on", "code"), [("broken", 1), ("down,invalid", 0), ("none", 0), ("ok", 1), ("unverified", 0)]
)
def test_fail_on_chooses_what_fails_it(fail_on: str, code: int, cli: CommandLine) -> None:
    assert cli("check", "http://a.test/ok", "http://a.test/gone", "--fail-on", fail_on).code == code


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no command given: write urlsweep check, urlsweep demo or urlsweep --help"),
        (["chekc"], "there is no command 'chekc': did you mean 'check'? (see urlsweep --help)"),
        (["http://a.test/"], "no command given: write urlsweep check http://a.test/"),
        (["check"], "nothing to check: give URLs, files, - for standard input, or --sitemap URL"),
        (["check", "-", "-"], "standard input (-) can be read only once"),
        (["check", "-", "--sitemap", "-"], "standard input (-) can be read only once"),
        (
            ["check", "x", "--timout=5"],
            "there is no option --timout: did you mean '--timeout'? (see urlsweep check --help)",
        ),
        (
            ["check", "x", "--timout", "5"],
            "there is no option --timout: did you mean '--timeout'? (see urlsweep check --help)",
        ),
        (["check", "x", "--timeout"], "--timeout: expected one argument (see urlsweep check --help)"),
        (["check", "x", "--timeout", "soon"], "--timeout: 'soon' is not a number of seconds"),
        (
            ["check", "x", "--config", "none.toml"],
            "none.toml: the configuration file cannot be read (No such file or directory)",
        ),
        (["check", "x", "--format", "xml"], "--format: 'xml' is not one of text, csv, tsv, jsonl, json"),
        (["check", "x", "-o", "x.pdf"], "--output x.pdf: the ending '.pdf' names no format; use one of .txt, .csv, "),
        (["check", "x", "-o", "a.csv", "-o", "./a.csv"], "--output ./a.csv is given twice"),
        (
            ["check", "http://a.test/", "-o", "no/such/folder/a.csv"],
            "--output no/such/folder/a.csv cannot be written (No such file or directory)",
        ),
        (
            ["check", "x", "--user", "me:pass", "--header", "Authorization: y"],
            "--user: there is an Authorization header too: give one of the two",
        ),
        (["check", "x", "--netrc"], "--netrc: missing cannot be read (No such file or directory): "),
    ],
)
def test_2_for_wrong_usage_or_configuration(
    arguments: list[str], message: str, cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NETRC", "missing")
    ran = cli(*arguments)
    assert ran.stderr.startswith(f"urlsweep: error: {message}")
    assert ran.stderr.count("\n") == 1
    assert (ran.code, ran.stdout, ran.transport.log) == (2, "", [])


def test_2_for_an_output_that_is_an_input(cli: CommandLine) -> None:
    Path("links.csv").write_text("url\nhttp://a.test/ok\n")
    Path("same.csv").symlink_to("links.csv")
    ran = cli("check", "links.csv", "-o", "same.csv")
    assert ran.code == 2
    assert ran.stderr == "urlsweep: error: --output same.csv would overwrite the input links.csv: name another file\n"
    assert Path("links.csv").read_text() == "url\nhttp://a.test/ok\n"


def test_2_for_a_credential_that_would_go_to_two_origins(cli: CommandLine) -> None:
    ran = cli("check", "http://a.test/", "http://b.test/", "--user", "me:s3cret")
    assert ran.code == 2
    assert ran.stderr == (
        "urlsweep: error: Authorization would go to more than one origin (http://a.test and http://b.test): say which "
        "one it is for, with --header-for http://a.test 'Authorization: ...'\n"
    )
    assert ran.transport.log == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["missing.txt"], "there is no file 'missing.txt'"),
        (["http://a.test/ok", "missing.txt"], "there is no file 'missing.txt'"),
        (["."], "'.' is a directory: name a file in it"),
        (["links.csv", "--column", "Website"], "links.csv"),
        (["--sitemap", "missing.xml"], "there is no file 'missing.xml'"),
    ],
)
def test_3_for_an_input_that_cannot_be_read_before_anything_is_asked(
    arguments: list[str], message: str, cli: CommandLine
) -> None:
    Path("links.csv").write_text("url\nhttp://a.test/ok\n")
    ran = cli("check", *arguments, "-o", "out.csv")
    assert ran.stderr.startswith(f"urlsweep: error: {message}")
    assert (ran.code, ran.stdout, ran.transport.log) == (3, "", [])
    assert not Path("out.csv").exists()


def test_3_for_an_input_without_a_url_even_where_others_have_some(cli: CommandLine) -> None:
    Path("empty.txt").write_text("# nothing here\n\n")
    ran = cli("check", "empty.txt", "http://a.test/gone")
    assert ran.code == 3
    assert ran.stderr.endswith("urlsweep: error: empty.txt holds no URL\n")
    assert "http://a.test/gone" in ran.stdout


def test_3_for_an_empty_stdin(cli: CommandLine) -> None:
    ran = cli("check", "-", "-q", stdin=b"")
    assert (ran.code, ran.stderr) == (3, "urlsweep: error: stdin holds no URL\n")


def test_3_for_a_sitemap_that_cannot_be_had(cli: CommandLine) -> None:
    ran = cli("check", "--sitemap", "http://a.test/")
    assert ran.code == 1
    cli.world["http://a.test/sitemap.xml"] = reply(404)
    ran = cli("check", "--sitemap", "http://a.test/", "-q")
    assert ran.code == 3
    assert ran.stderr == "urlsweep: error: http://a.test/ could not be read: no URL was got from it\n"


def test_3_for_a_pipe_without_the_column_that_was_asked_for(cli: CommandLine) -> None:
    ran = cli("check", "-", "--input-format", "csv", "--column", "Website", "-q", stdin=b"url\nhttp://a.test/ok\n")
    assert ran.code == 3
    assert "Website" in ran.stderr


def test_a_sitemap_that_breaks_off_fails_the_run_with_all_that_could_be_read(cli: CommandLine) -> None:
    ran = cli("check", "--sitemap", "http://a.test/broken.xml", "--format", "jsonl")
    assert ran.code == 1
    outcomes = {row["url"]: row["reason"] for row in map(json.loads, ran.rows)}
    assert outcomes == {"http://a.test/ok": None, "http://a.test/broken.xml": "source.truncated"}
    assert ran.stderr.startswith("urlsweep: warning: http://a.test/broken.xml: ")


def lose_the_network(monkeypatch: pytest.MonkeyPatch, *, is_input_read: bool = True) -> None:
    """From now on every run finds that its network is lost, once all its rows are settled but those of down.test."""
    line_up = Sweep._line_up

    def losing(sweep: Sweep, index: int, row: Result) -> None:
        if "down.test" in row.url:
            row = Result(row.url, Outcome.SKIPPED, Reason.SKIP_UNFINISHED)
            sweep.summary.is_network_lost = sweep.summary.is_partial = True
            sweep.summary.input_exhausted = is_input_read
        line_up(sweep, index, row)

    monkeypatch.setattr(Sweep, "_line_up", losing)


def test_4_when_the_network_is_lost(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    lose_the_network(monkeypatch)
    Path("empty.txt").write_text("")
    for others, reached in (  # stronger than 1, and than 3
        (["http://a.test/gone"], "any more, not even hosts that had answered before"),
        (["empty.txt"], "at all"),
    ):
        ran = cli("check", "http://down.test/", *others, "-q", "--retry-delays", "0")
        assert ran.code == 4
        assert ran.stderr == (
            f"urlsweep: error: your network, not the links: nothing could be reached {reached} "
            "(1 URL read and not finished). Check this machine's connection (cable, Wi-Fi, VPN, proxy, DNS) and run it "
            "again\n"
        )
    assert "No verdict: your network was lost." in cli("check", "http://down.test/", "--retry-delays", "0").stderr


def test_4_says_that_the_input_was_not_read_to_its_end(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    lose_the_network(monkeypatch, is_input_read=False)
    ran = cli("check", "http://down.test/", "-q", "--retry-delays", "0")
    assert "(1 URL read and not finished, the rest of the input not read)" in ran.stderr


class Interrupted(Interruption):
    """A signal that comes when the run is under way."""

    def calls(self, stop: Callable[[], object]) -> None:
        self.signal = 15
        super().calls(stop)


def test_an_interruption_is_stronger_than_a_lost_network(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    lose_the_network(monkeypatch)
    monkeypatch.setattr("urlsweep.cli.interruption.Interruption", Interrupted)
    assert cli("check", "http://down.test/").code == 143


class BuggyTransport:
    """Breaks its promise not to raise."""

    lookup_seconds = 0.0

    def __init__(self, closed: list[bool]) -> None:
        self._closed = closed

    def start(self, request: Request, done: Done) -> asyncio.Handle:
        return asyncio.get_running_loop().call_soon(done, ZeroDivisionError("a bug"))

    async def send(self, request: Request) -> Reply | Failure:
        raise AssertionError("nobody waits here")

    def open(self, request: Request) -> AbstractAsyncContextManager[tuple[Reply | Failure, AsyncIterator[bytes]]]:
        raise AssertionError("no document is wanted here")

    async def aclose(self) -> None:
        self._closed.append(True)


@pytest.mark.parametrize("flag", ["-v", "--verbose", "-qv"])
def test_70_for_a_bug_with_its_traceback_for_those_who_ask(flag: str, cli: CommandLine) -> None:
    closed: list[bool] = []
    cli.wrapped = lambda transport: BuggyTransport(closed)
    ran = cli("check", "http://a.test/", "-o", "out.json")
    assert ran.code == 70
    assert ran.stderr == (
        "urlsweep: error: internal error: ZeroDivisionError: a bug\n"
        "urlsweep: this is a bug. Please run it again with -v and report what it says.\n"
    )
    assert closed == [True]
    assert json.loads(Path("out.json").read_text())["summary"]["is_partial"] is True
    ran = cli("check", "http://a.test/", flag)
    assert ran.code == 70
    assert "Traceback (most recent call last):\n" in ran.stderr


def test_70_when_rows_are_lost(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    line_up = Sweep._line_up

    def lose_some(sweep: Sweep, index: int, row: Result) -> None:
        if "gone" not in row.url:
            line_up(sweep, index, row)

    monkeypatch.setattr(Sweep, "_line_up", lose_some)
    ran = cli("check", "http://a.test/ok", "http://a.test/gone")
    assert ran.code == 70
    assert ran.stderr.startswith("urlsweep: error: internal error: RowCountError: 2 targets were read, 1 rows given\n")


class Full(io.BytesIO):
    """A disk that is."""

    def write(self, data: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_70_when_the_report_cannot_be_written(cli: CommandLine) -> None:
    cli.stdout = Full()
    ran = cli("check", "http://a.test/gone", "-o", "out.json")
    assert ran.code == 70
    assert (
        "urlsweep: error: standard output cannot be written any more (No space left on device): the run was ended\n"
        "urlsweep: to finish this run: urlsweep resume "
    ) in ran.stderr
    document = json.loads(Path("out.json").read_text())
    assert [row["url"] for row in document["results"]] == ["http://a.test/gone"]


class Left(io.BytesIO):
    """A pipe whose reader has gone."""

    def write(self, data: object) -> int:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def test_141_quietly_when_the_reader_left(cli: CommandLine) -> None:
    cli.stdout = Left()
    ran = cli("check", "http://a.test/gone", "-o", "out.csv")
    assert (ran.code, ran.stderr) == (141, "")
    assert len(Path("out.csv").read_text().splitlines()) == 2


def test_70_when_a_file_cannot_be_written_any_more(cli: CommandLine) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no device that is always full")
    Path("full.csv").symlink_to("/dev/full")
    ran = cli("check", "http://a.test/gone", "http://a.test/ok", "-o", "full.csv", "-o", "out.json")
    assert ran.code == 70
    assert "urlsweep: error: full.csv cannot be written any more (No space left on device): the run was ended\n" in (
        ran.stderr
    )
    assert "cut short" in ran.stdout
    document = json.loads(Path("out.json").read_text())
    assert {row["url"] for row in document["results"]} == {"http://a.test/gone", "http://a.test/ok"}


def test_130_for_an_interrupt_before_the_run(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(settings: object) -> NoReturn:
        raise KeyboardInterrupt

    cli.makes = interrupted
    assert cli("check", "http://a.test/").code == 130


def test_2_for_a_file_of_the_transports_that_cannot_be_read(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    from urlsweep.api import open_transport

    monkeypatch.setenv("URLSWEEP_CACERT", "missing.pem")
    cli.makes = open_transport
    ran = cli("check", "http://a.test/")
    assert ran.code == 2
    assert ran.stderr.startswith("urlsweep: error: URLSWEEP_CACERT: missing.pem cannot be read")


def test_2_for_a_standard_output_that_is_an_input(cli: CommandLine) -> None:
    path = Path("links.txt")
    path.write_text("http://a.test/ok\n")
    with path.open("ab") as stream:
        code = main(
            ["check", "links.txt"],
            console=Console(stream, stderr := io.StringIO(), {}),
            open_transport=lambda settings: FakeTransport(),
        )
    assert code == 2
    assert stderr.getvalue() == "urlsweep: error: standard output is the input links.txt: send it to another file\n"
    assert path.read_text() == "http://a.test/ok\n"


def test_2_for_an_output_that_is_read_from_standard_input(cli: CommandLine) -> None:
    path = Path("links.csv")
    path.write_text("url\nhttp://127.0.0.1:9/\n")
    with path.open("rb") as stream:
        ran = subprocess.run(
            [sys.executable, "-m", "urlsweep", "check", "-", "-o", "links.csv"],
            stdin=stream,
            capture_output=True,
            text=True,
            check=False,
        )
    assert ran.returncode == 2
    assert ran.stderr == (
        "urlsweep: error: --output links.csv would overwrite the input that is read from standard input: "
        "name another file\n"
    )
    assert path.read_text() == "url\nhttp://127.0.0.1:9/\n"


def test_the_transport_is_closed_however_a_run_ends(cli: CommandLine) -> None:
    for arguments in (["http://a.test/"], ["missing.txt"], ["http://a.test/", "-o", "no/folder.csv"]):
        ran = cli("check", *arguments)
        assert isinstance(ran.transport, FakeTransport)
        assert ran.transport.is_closed
