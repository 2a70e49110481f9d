"""Runs that were cut are finished: what is asked, what is told, what is refused."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import CommandLine, Ran

from urlsweep.core.model import Failure, Reply, Request
from urlsweep.journal.run_file import RunFile
from urlsweep.testing.fake import FakeTransport, reply
from urlsweep.transport import Done, Handle, started

URLS = [f"http://a.test/{number}" for number in range(30)]


class Breaks:
    """Ends the run, as a bug would, when it is asked for the `after`th time."""

    def __init__(self, transport: FakeTransport, after: int) -> None:
        self._transport = transport
        self._left = after
        self.lookup_seconds = 0.0

    def start(self, request: Request, done: Done) -> Handle:
        self._left -= 1
        if self._left < 0:  # by then, what was found out is on disk
            return asyncio.get_running_loop().call_later(0.1, done, ZeroDivisionError("cut"))
        return self._transport.start(request, done)

    async def send(self, request: Request) -> Reply | Failure:
        return await started(self, request)

    def open(self, request: Request) -> AbstractAsyncContextManager[Any]:
        return self._transport.open(request)

    async def aclose(self) -> None:
        await self._transport.aclose()


@pytest.fixture
def world(cli: CommandLine) -> CommandLine:
    cli.world |= {url: reply(404 if number % 7 == 3 else 200) for number, url in enumerate(URLS)}
    cli.hosts["a.test"] = reply(200)
    return cli


def cut(cli: CommandLine, *arguments: str, after: int = 12, stdin: bytes | None = None) -> Ran:
    """A run that ends after so many requests."""
    cli.wrapped = lambda transport: Breaks(transport, after)
    ran = cli("check", *arguments, "--per-host", "1", stdin=stdin)
    cli.wrapped = lambda transport: transport
    assert ran.code == 70
    assert "ZeroDivisionError" in ran.stderr
    return ran


def asked(ran: Ran) -> set[str]:
    return {exchange.request.url for exchange in ran.transport.log}


def rows(text: str) -> list[dict[str, Any]]:
    """Rows of JSON Lines without what depends on when and how often a URL was asked."""
    found = [json.loads(line) for line in text.splitlines()]
    return [
        {key: value for key, value in row.items() if key not in ("elapsed_ms", "checked_at", "attempts", "method")}
        for row in found
    ]


def listed(folder: Path, *lines: str) -> None:
    (folder / "urls.txt").write_text("".join(f"{line}\n" for line in lines))


def test_only_what_has_no_row_is_asked_and_the_report_is_that_of_an_uncut_run(
    world: CommandLine, tmp_path: Path
) -> None:
    listed(tmp_path, *URLS, *URLS[:5], "htp://typo", "mailto:x@y")
    uncut = world("check", "urls.txt", "--format", "jsonl", "--sort", "--no-journal")
    first = cut(world, "urls.txt", "--format", "jsonl", "--sort")
    second = world("resume")
    assert second.code == uncut.code == 1
    assert rows(second.stdout) == rows(uncut.stdout)
    assert 10 <= len(asked(first)) < len(URLS)
    assert len(asked(first) & asked(second)) <= 1  # what was open
    assert asked(first) | asked(second) == set(URLS)


def test_reports_are_written_anew_in_the_layout_that_they_had(world: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("id,url\n" + "".join(f"{n},{url}\n" for n, url in enumerate(URLS)))
    world("check", "t.csv", "-o", "whole.csv", "--no-journal")
    cut(world, "t.csv", "-o", "out.csv")
    assert "skip.unfinished" in (tmp_path / "out.csv").read_text()
    assert world("resume", "last").code == 1
    whole, resumed = [
        [line.split(",")[:5] for line in (tmp_path / name).read_text().splitlines()]
        for name in ("whole.csv", "out.csv")
    ]
    assert resumed == whole


def test_a_finished_run_is_reported_again_and_asks_nothing(world: CommandLine, tmp_path: Path) -> None:
    listed(tmp_path, *URLS)
    world("check", "urls.txt", "--format", "jsonl", "--sort", "--run-file", "a.run")
    again = world("resume", "a.run")
    assert (again.code, len(again.rows), asked(again)) == (1, len(URLS), set())
    ran = world("resume")
    assert (ran.code, ran.stderr) == (
        2,
        "urlsweep: error: no run is waiting to be finished (urlsweep runs lists those that are kept)\n",
    )


def test_standard_input_is_safe_from_the_moment_it_is_read(world: CommandLine) -> None:
    text = "".join(f"{url}\n" for url in URLS).encode()
    uncut = world("check", "-", "--format", "jsonl", "--sort", "--no-journal", stdin=text)
    first = cut(world, "-", "--format", "jsonl", "--sort", stdin=text, after=5)
    second = world("resume")
    assert rows(second.stdout) == rows(uncut.stdout)
    assert second.code == 1
    assert asked(first) | asked(second) == set(URLS)


def test_standard_input_that_was_not_read_to_its_end_is_said_to_be_lost(world: CommandLine) -> None:
    cut(world, "-", stdin="".join(f"{url}\n" for url in URLS).encode(), after=5)
    run = newest(world)
    with sqlite3.connect(run) as database:  # as if the process had been killed while it read
        inputs = json.loads(database.execute("SELECT value FROM facts WHERE name = 'inputs'").fetchone()[0])
        inputs[0]["number"] = None
        database.execute("UPDATE facts SET value = ? WHERE name = 'inputs'", (json.dumps(inputs),))
    database.close()
    ran = world("resume", "--fail-on", "none")
    assert "stdin cannot be read again, and was not read to its end when the run was cut" in ran.stderr
    assert "the input was not read to its end" in ran.stderr
    assert ran.code == 5


def newest(cli: CommandLine) -> Path:
    return Path(json.loads(cli("runs", "--format", "json").stdout)[0]["path"])


def test_a_changed_setting_is_told(world: CommandLine, tmp_path: Path) -> None:
    listed(tmp_path, *URLS)
    cut(world, "urls.txt", "--timeout", "7")
    ran = world("resume", "--timeout", "9")
    assert "urlsweep: warning: --timeout has changed since the run began: it was 7.0, it is 9.0" in ran.stderr
    assert ran.settings[0].timeout == 9.0


def test_the_settings_are_those_of_the_run(world: CommandLine, tmp_path: Path) -> None:
    listed(tmp_path, *URLS)
    cut(world, "urls.txt", "--timeout", "7", "--header", "X-A: b", "--tries", "2")
    [settings] = world("resume").settings
    assert (settings.timeout, settings.tries, settings.header) == (7.0, 2, (("X-A", "b"),))


def test_a_file_that_only_grew_is_read_on(world: CommandLine, tmp_path: Path) -> None:
    listed(tmp_path, *URLS)
    half_read(world, "urls.txt")
    listed(tmp_path, *URLS, "http://a.test/new")
    ran = world("resume", "--format", "jsonl", "--sort")
    assert "urls.txt has changed since the run began: it is read on only if what was read before is the same" in (
        ran.stderr
    )
    assert [row["url"] for row in rows(ran.stdout)] == [*URLS, "http://a.test/new"]


def test_a_file_that_is_another_is_refused_with_the_remedy(world: CommandLine, tmp_path: Path) -> None:
    listed(tmp_path, *URLS)
    half_read(world, "urls.txt")
    listed(tmp_path, "http://a.test/other", *URLS)
    ran = world("resume")
    assert ran.code == 3
    assert (
        "urls.txt has changed since the run was cut: 'http://a.test/0' was read at urls.txt:1, and it has "
        "'http://a.test/other' there: put the file back as it was and resume again, or check it anew"
    ) in ran.stderr
    listed(tmp_path, *URLS)
    ran = world("resume", "--format", "jsonl", "--sort")
    assert [row["url"] for row in rows(ran.stdout)] == URLS


def test_a_file_that_was_read_to_its_end_is_not_needed_any_more(world: CommandLine, tmp_path: Path) -> None:
    listed(tmp_path, *URLS)
    cut(world, "urls.txt")
    (tmp_path / "urls.txt").unlink()
    ran = world("resume", "--format", "jsonl", "--sort")
    assert [row["url"] for row in rows(ran.stdout)] == URLS
    assert "urls.txt has changed since the run began, or is gone: what was read of it then is finished" in ran.stderr


def half_read(cli: CommandLine, name: str) -> None:
    """A run over `name` that was cut when ten of its lines had been read."""
    cut(cli, name)
    with sqlite3.connect(newest(cli)) as database:
        inputs = json.loads(database.execute("SELECT value FROM facts WHERE name = 'inputs'").fetchone()[0])
        inputs[0]["number"] = None
        database.execute("UPDATE facts SET value = ? WHERE name = 'inputs'", (json.dumps(inputs),))
    database.close()
    with RunFile.open(newest(cli), to_write=True) as run_file:
        first = list(run_file.targets(0, 10))
        run_file._database.execute("DELETE FROM targets")
        run_file._database.execute("DELETE FROM results WHERE target >= 10")
        run_file.add(list(enumerate(first)), [])


def test_a_sitemap_that_was_cut_is_read_on(cli: CommandLine) -> None:
    def site(*paths: str) -> bytes:
        locations = "".join(f"<url><loc>http://a.test/{path}</loc></url>" for path in paths)
        return f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{locations}</urlset>'.encode()

    names = [str(number) for number in range(20)]
    cli.hosts["a.test"] = reply(200)
    cli.world["http://a.test/sitemap.xml"] = reply(200, body=site(*names))
    cli.wrapped = lambda transport: Breaks(transport, 3)
    assert cli("check", "--sitemap", "http://a.test/sitemap.xml", "--per-host", "1").code == 70
    cli.wrapped = lambda transport: transport
    with sqlite3.connect(newest(cli)) as database:
        inputs = json.loads(database.execute("SELECT value FROM facts WHERE name = 'inputs'").fetchone()[0])
        inputs[0]["number"] = None
        database.execute("UPDATE facts SET value = ? WHERE name = 'inputs'", (json.dumps(inputs),))
    database.close()
    cli.world["http://a.test/sitemap.xml"] = reply(200, body=site("new", *names, "20"))
    ran = cli("resume", "--format", "jsonl", "--sort")
    assert "has changed since the run was cut" in ran.stderr
    assert [row["url"].rpartition("/")[2] for row in rows(ran.stdout)] == [*names, "new", "20"]


# Secrets -------------------------------------------------------------------------------------------------------------

SECRET_FLAGS: Mapping[str, tuple[list[str], str]] = {
    "header": (["--header", "Authorization: Bearer s3cr3t-token"], "--header 'Authorization: ...'"),
    "header for": (
        ["--header-for", "http://a.test", "Cookie: id=s3cr3t-token"],
        "--header-for http://a.test 'Cookie: ...'",
    ),
    "user": (["--user", "me:s3cr3t-token"], "--user ..."),
    "proxy": (["--proxy", "http://me:s3cr3t-token@p.test:3128"], "--proxy http://me:***@p.test:3128/"),
}


@pytest.mark.parametrize("case", SECRET_FLAGS)
def test_secrets_are_not_kept_and_asked_for(case: str, world: CommandLine, tmp_path: Path) -> None:
    flags, asked_for = SECRET_FLAGS[case]
    listed(tmp_path, *URLS)
    cut(world, "urls.txt", *flags)
    assert b"s3cr3t" not in newest(world).read_bytes()
    ran = world("resume")
    assert (ran.code, ran.stderr) == (
        2,
        f"urlsweep: error: secrets are not kept with a run, and this one had some: give them again ({asked_for})\n",
    )
    ran = world("resume", *flags)
    assert ran.code == 1
    assert b"s3cr3t" not in newest(world).read_bytes()


def test_a_secret_of_the_environment_comes_from_there_again(
    world: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(tmp_path, *URLS)
    (tmp_path / "urlsweep.toml").write_text('[header_for."http://a.test"]\nX-Token = "${TOKEN}"\n')
    monkeypatch.setenv("TOKEN", "s3cr3t-token")
    cut(world, "urls.txt")
    assert b"s3cr3t" not in newest(world).read_bytes()
    ran = world("resume")
    assert ran.code == 1
    assert {dict(exchange.request.headers).get("X-Token") for exchange in ran.transport.log} == {"s3cr3t-token"}


def test_passwords_in_urls_are_not_kept_and_read_again_from_the_file(world: CommandLine, tmp_path: Path) -> None:
    urls = [f"http://me:s3cr3t@a.test/{number}" for number in range(20)]
    listed(tmp_path, *urls)
    cut(world, "urls.txt")
    assert b"s3cr3t" not in newest(world).read_bytes()
    ran = world("resume", "--format", "jsonl")
    assert {row["outcome"] for row in rows(ran.stdout)} == {"ok", "broken"}
    assert all("Authorization" in dict(exchange.request.headers) for exchange in ran.transport.log)
    assert "s3cr3t" not in ran.stdout


def test_passwords_in_urls_that_cannot_be_read_again_are_told(world: CommandLine) -> None:
    urls = [f"http://me:s3cr3t@a.test/{number}" for number in range(20)]
    cut(world, "-", stdin="\n".join(urls).encode(), after=5)
    assert b"s3cr3t" not in newest(world).read_bytes()
    ran = world("resume", "--format", "jsonl", "--sort")
    left = [row for row in rows(ran.stdout) if row["reason"] == "skip.unfinished"]
    assert 10 < len(left) < 20
    assert left[0]["detail"].startswith("the password in this URL was not kept with the run")
    assert asked(ran) == set()


# What is refused -----------------------------------------------------------------------------------------------------


def test_a_run_begun_elsewhere_says_where(world: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed(tmp_path, *URLS)
    cut(world, "urls.txt")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    ran = world("resume")
    begun = f"the run was begun in {tmp_path}, where its files are looked for: go there first (cd {tmp_path})"
    assert (ran.code, ran.stderr) == (2, f"urlsweep: error: {begun}\n")


@pytest.mark.parametrize("command", ["resume", "retry"])
def test_inputs_are_not_given_again(command: str, world: CommandLine) -> None:
    ran = world(command, "last", "urls.txt")
    assert ran.code == 2
    assert "'urls.txt' is given for a run that goes on: its inputs are what it was begun with" in ran.stderr


def test_a_run_file_that_is_there_is_not_overwritten(world: CommandLine, tmp_path: Path) -> None:
    listed(tmp_path, *URLS)
    world("check", "urls.txt", "--run-file", "a.run")
    before = (tmp_path / "a.run").read_bytes()
    ran = world("check", "urls.txt", "--run-file", "a.run")
    assert ran.code == 2
    assert "a.run holds a run already: go on with it (urlsweep resume a.run)" in ran.stderr
    assert (tmp_path / "a.run").read_bytes() == before


@pytest.mark.parametrize("arguments", [["resume", "x.run"], ["retry", "x.run"], ["report", "x.run"]])
def test_a_foreign_file_is_refused(arguments: list[str], world: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "x.run").write_text("my own notes")
    ran = world(*arguments)
    assert (ran.code, ran.stderr) == (
        2,
        "urlsweep: error: x.run is not a run file of urlsweep's: it was left as it is; name another file\n",
    )
    assert (tmp_path / "x.run").read_text() == "my own notes"


def test_wrong_usage_leaves_no_run_behind(world: CommandLine) -> None:
    for arguments in (["missing.txt"], ["http://a.test/", "-o", "no/such/folder.csv"]):
        assert world("check", *arguments).code in (2, 3)
    assert json.loads(world("runs", "--format", "json").stdout) == []


# Where runs cannot be kept -------------------------------------------------------------------------------------------


def test_a_folder_of_runs_that_cannot_be_written_is_a_warning(
    world: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("URLSWEEP_JOURNAL_DIR", str(tmp_path / "file" / "runs"))
    ran = world("check", *URLS[:3])
    assert ran.code == 0
    assert "cannot be created (Not a directory): the run is not kept, and cannot be resumed (--no-journal" in ran.stderr
    assert "--no-journal" not in world("check", *URLS[:3], "--no-journal").stderr


def test_a_run_file_asked_for_by_name_that_cannot_be_made_is_an_error(world: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    ran = world("check", *URLS[:3], "--run-file", "file/a.run")
    assert ran.code == 2
    assert "the run file file/a.run cannot be created (" in ran.stderr
    assert asked(ran) == set()


def fills_up(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """The disk is full once so many steps were written."""
    add = RunFile.add
    left = [after]

    def add_or_fail(run_file: RunFile, *arguments: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            with run_file._translating():
                raise error
        add(run_file, *arguments)

    monkeypatch.setattr(RunFile, "add", add_or_fail)


def test_a_full_disk_is_told_and_the_run_goes_on(world: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        fills_up(patch, 1)
        ran = world("check", *URLS, "--format", "jsonl")
    assert ran.code == 1
    assert len(ran.rows) == len(URLS)
    assert "cannot be written any more (the disk is full): the run goes on, and cannot be resumed beyond" in ran.stderr


def test_a_full_disk_ends_a_run_whose_file_was_asked_for(
    world: CommandLine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(tmp_path, *URLS)
    with monkeypatch.context() as patch:
        fills_up(patch, 2)
        ran = world(
            "check", "urls.txt", "--format", "jsonl", "--run-file", "a.run", "--per-host", "1", "--delay", "0.02"
        )
    assert ran.code == 70
    assert (
        "the run file a.run cannot be written any more (the disk is full): make room, and go on with urlsweep resume"
        in ran.stderr
    )
    ran = world("resume", "a.run", "--sort", "--delay", "0")
    assert [row["url"] for row in rows(ran.stdout)] == URLS


# Retrying ------------------------------------------------------------------------------------------------------------


def test_retry_asks_again_what_failed_and_merges(world: CommandLine, tmp_path: Path) -> None:
    listed(tmp_path, *URLS)
    world("check", "urls.txt", "--format", "jsonl", "--sort")
    failed = {url for number, url in enumerate(URLS) if number % 7 == 3}
    world.world |= dict.fromkeys(list(failed)[:2], reply(200))
    ran = world("retry", "last", "--outcome", "broken")
    assert "urlsweep: 4 rows are asked again" in ran.stderr
    assert asked(ran) == failed
    assert [row["url"] for row in rows(ran.stdout)] == URLS
    assert sum(row["outcome"] == "broken" for row in rows(ran.stdout)) == 2
    assert ran.code == 1
    assert sum(row["outcome"] == "broken" for row in rows(world("report", "last", "--format", "jsonl").stdout)) == 2


def test_a_retry_that_is_cut_loses_nothing(world: CommandLine, tmp_path: Path) -> None:
    listed(tmp_path, *URLS)
    world("check", "urls.txt")
    world.wrapped = lambda transport: Breaks(transport, 3)
    assert world("retry", "last", "--outcome", "ok,broken").code == 70
    world.wrapped = lambda transport: transport
    assert len(rows(world("report", "last", "--format", "jsonl").stdout)) == len(URLS)
    assert "skip.unfinished" not in world("report", "last", "--format", "jsonl").stdout
    ran = world("resume", "--format", "jsonl")
    assert 0 < len(asked(ran)) < len(URLS)
    assert len(ran.rows) == len(URLS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "no run given: write urlsweep retry last, or a name of urlsweep runs"),
        (["last", "--outcome", "dwon"], "--outcome: 'dwon' is not one of ok, broken, down"),
        (["last", "--outcome", "none"], "--outcome: none is nothing to ask again"),
        (["last"], "there is no run 'last' (urlsweep runs lists those that are kept)"),
    ],
)
def test_wrong_usage_of_retry(arguments: list[str], message: str, cli: CommandLine) -> None:
    ran = cli("retry", *arguments)
    assert ran.code == 2
    assert message in ran.stderr
