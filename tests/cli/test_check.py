"""``urlsweep check``: what comes out for what goes in."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from urlsweep.core.model import RESULT_COLUMNS
from urlsweep.testing.fake import reply

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine


def table(text: str) -> tuple[list[str], list[dict[str, str]]]:
    reader = csv.DictReader(io.StringIO(text, newline=""))
    rows = list(reader)
    return list(reader.fieldnames or ()), rows


def test_rows_that_need_attention_go_to_stdout_and_the_summary_to_stderr(cli: CommandLine) -> None:
    ran = cli("check", "http://a.test/ok", "http://a.test/gone", "http://a.test/moved")
    assert ran.stdout == "broken      404  http://a.test/gone  argument 2  http.404: answered 404 Not Found\n"
    assert ran.stderr.splitlines()[-1] == "Failed: 1 broken."
    assert "\x1b" not in ran.stdout + ran.stderr


def test_quiet_leaves_the_rows_and_the_errors(cli: CommandLine) -> None:
    ran = cli("check", "http://a.test/gone", "-q")
    assert (len(ran.rows), ran.stderr) == (1, "")


def test_verbose_shows_every_row(cli: CommandLine) -> None:
    assert len(cli("check", "http://a.test/ok", "http://a.test/gone", "-v").rows) == 2


def test_only_filters_the_rows_and_never_the_summary(cli: CommandLine) -> None:
    ran = cli("check", "http://a.test/ok", "http://a.test/gone", "--only", "ok")
    assert [row.split()[0] for row in ran.rows] == ["ok"]
    assert ran.code == 1
    assert "Failed: 1 broken." in ran.stderr


def test_inputs_and_options_may_be_mixed(cli: CommandLine) -> None:
    Path("-odd.txt").write_text("http://b.test/\n")
    ran = cli("check", "http://a.test/ok", "--format", "jsonl", "http://a.test/gone", "--sort", "--", "-odd.txt")
    rows = [(row["url"], row["found_in"]) for row in map(json.loads, ran.rows)]
    assert rows == [
        ("http://a.test/ok", "argument 1"),
        ("http://a.test/gone", "argument 2"),
        ("http://b.test/", "-odd.txt:1"),
    ]


def test_every_kind_of_input_in_one_run(cli: CommandLine) -> None:
    Path("list.txt").write_text("http://b.test/\n")
    Path("rows.jsonl").write_text('{"url": "http://a.test/", "owner": "me"}\n')
    ran = cli(
        "check", "list.txt", "-", "rows.jsonl", "--sitemap", "http://a.test/sitemap.xml", "--format", "jsonl", "--sort",
        stdin=b"http://a.test/moved\n",
    )  # fmt: skip
    rows = [json.loads(row) for row in ran.rows]
    assert [(row["url"], row["found_in"]) for row in rows] == [
        ("http://b.test/", "list.txt:1"),
        ("http://a.test/moved", "stdin:1"),
        ("http://a.test/", "rows.jsonl:1"),
        ("http://a.test/ok", "http://a.test/sitemap.xml"),
        ("http://a.test/gone", "http://a.test/sitemap.xml"),
    ]
    assert rows[2]["input"] == {"owner": "me"}


def test_reports_for_stdout_and_files_are_written_in_one_run(cli: CommandLine) -> None:
    ran = cli("check", "http://a.test/ok", "--format", "jsonl", "-o", "a.csv", "-o", "a.json", "-o", "a.txt", "-v")
    assert json.loads(ran.stdout)["url"] == "http://a.test/ok"
    assert Path("a.csv").read_text().startswith("url,outcome,")
    assert json.loads(Path("a.json").read_text())["summary"]["rows_out"] == 1
    assert Path("a.txt").read_text().startswith("ok          200  http://a.test/ok")


def test_csv_of_urls_alone_has_the_schemas_columns(cli: CommandLine) -> None:
    Path("list.txt").write_text("http://a.test/ok\n")
    for arguments in (["list.txt"], ["http://a.test/ok"], ["--sitemap", "http://a.test/sitemap.xml"]):
        header, _ = table(cli("check", *arguments, "--format", "csv").stdout)
        assert tuple(header) == RESULT_COLUMNS


def test_a_spreadsheet_comes_back_with_its_columns_duplicates_and_order(cli: CommandLine) -> None:
    cli.world["http://slow.test/"] = reply(200, after=0.05)
    Path("in.csv").write_text(
        "Name,Website,status\nSlow,http://slow.test/,old\nB,http://b.test/,\nAgain,http://slow.test/,\nNone,,x\n"
    )
    ran = cli("check", "in.csv", "--column", "Website", "--format", "csv")
    header, rows = table(ran.stdout)
    assert header == [
        "Name", "Website", "status", "outcome", "reason", "urlsweep_status", *RESULT_COLUMNS[4:]
    ]  # fmt: skip
    assert [(row["Name"], row["Website"], row["status"], row["outcome"]) for row in rows] == [
        ("Slow", "http://slow.test/", "old", "ok"),
        ("B", "http://b.test/", "", "ok"),
        ("Again", "http://slow.test/", "", "ok"),
        ("None", "", "x", "invalid"),
    ]
    assert len(ran.transport.sent_to("http://slow.test/")) == 1


def test_a_column_can_be_named_by_number_and_rows_given_as_they_finish(cli: CommandLine) -> None:
    cli.world["http://slow.test/"] = reply(200, after=0.05)
    Path("in.csv").write_text("Name,Website\nSlow,http://slow.test/\nB,http://b.test/\n")
    ran = cli("check", "in.csv", "--column", "2", "--format", "csv", "--no-sort")
    header, rows = table(ran.stdout)
    assert header[:3] == ["Name", "Website", "outcome"]
    assert [row["Name"] for row in rows] == ["B", "Slow"]


def test_tables_with_differing_columns_are_united(cli: CommandLine) -> None:
    Path("one.csv").write_text("url,name\nhttp://a.test/ok,one\n")
    Path("two.tsv").write_text("owner\turl\nme\thttp://b.test/\n")
    Path("list.txt").write_text("http://a.test/gone\n")
    header, rows = table(cli("check", "one.csv", "two.tsv", "list.txt", "--format", "csv").stdout)
    assert header == ["url", "name", "owner", *RESULT_COLUMNS[1:]]
    assert [(row["url"], row["name"], row["owner"], row["status"]) for row in rows] == [
        ("http://a.test/ok", "one", "", "200"),
        ("http://b.test/", "", "me", "200"),
        ("http://a.test/gone", "", "", "404"),
    ]


def test_surplus_cells_are_left_out_of_the_table_and_said_to_be(cli: CommandLine) -> None:
    Path("in.csv").write_text("url,name\nhttp://a.test/ok,one,more\nhttp://b.test/,two,more,more\n")
    ran = cli("check", "in.csv", "--format", "csv", "-o", "out.jsonl")
    header, rows = table(ran.stdout)
    assert header == ["url", "name", *RESULT_COLUMNS[1:]]
    assert [row["name"] for row in rows] == ["one", "two"]
    assert ran.stderr.count("in.csv:2 has more cells than its table has columns") == 1
    assert json.loads(Path("out.jsonl").read_text().splitlines()[0])["input"]["column_3"] == "more"


def test_what_else_stands_in_json_lines_comes_back_in_a_column_of_its_own(cli: CommandLine) -> None:
    Path("in.jsonl").write_text('{"url": "http://a.test/ok"}\n{"url": "http://b.test/", "owner": "me"}\n')
    header, rows = table(cli("check", "in.jsonl", "--format", "csv", "--sort").stdout)
    assert tuple(header) == (*RESULT_COLUMNS, "input")
    assert [row["input"] for row in rows] == ["", '{"owner":"me"}']


def test_what_a_pipe_brings_is_known_when_its_format_is(cli: CommandLine) -> None:
    for arguments, has_other in ((["--input-format", "text"], False), ([], False), (["--input-format", "csv"], False)):
        ran = cli("check", "-", "--format", "csv", *arguments, stdin=b"url\nhttp://a.test/ok\n")
        assert ("input" in table(ran.stdout)[0]) is has_other


def test_csv_from_a_pipe_comes_back_as_a_file_does(cli: CommandLine) -> None:
    cli.world["http://slow.test/"] = reply(200, after=0.05)
    ran = cli("check", "-", "--format", "csv", stdin=b"n,site\n1,http://slow.test/\n2,http://b.test/\n")
    header, rows = table(ran.stdout)
    assert header == ["n", "site", *RESULT_COLUMNS[1:]]
    assert [row["n"] for row in rows] == ["1", "2"]


def test_a_pipe_behind_another_input_does_not_hold_it_up(cli: CommandLine) -> None:
    ran = cli("check", "http://a.test/ok", "-", "--format", "csv", stdin=b"url,n\nhttp://b.test/,2\n")
    header, rows = table(ran.stdout)
    assert tuple(header) == (*RESULT_COLUMNS, "input")
    assert {row["url"]: row["input"] for row in rows}["http://b.test/"] == '{"url":"http://b.test/","n":"2"}'


def test_the_column_called_url_is_found_in_any_case(cli: CommandLine) -> None:
    Path("in.csv").write_text("Name,URL\nB,http://b.test/\n")
    assert table(cli("check", "in.csv", "--format", "csv").stdout)[0][:3] == ["Name", "URL", "outcome"]


def test_a_column_found_by_its_values_is_not_repeated(cli: CommandLine) -> None:
    Path("in.csv").write_text("Name,Link\nB,http://b.test/\n")
    assert table(cli("check", "in.csv", "--format", "csv").stdout)[0][:3] == ["Name", "Link", "outcome"]


def test_what_was_meant_as_a_url_is_a_row_and_not_a_file(cli: CommandLine) -> None:
    ran = cli("check", "http://exa mple/", "--format", "csv")
    header, rows = table(ran.stdout)
    assert tuple(header) == RESULT_COLUMNS
    assert [row["reason"] for row in rows] == ["url.malformed"]


def test_bom_is_for_excel(cli: CommandLine) -> None:
    assert cli("check", "http://a.test/ok", "--format", "csv", "--bom").stdout.startswith("\ufeffurl,")


def test_settings_come_from_file_environment_and_flags(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("urlsweep.toml").write_text("tries = 1\ntimeout = 3\nformat = 'jsonl'\n")
    monkeypatch.setenv("URLSWEEP_TIMEOUT", "4")
    monkeypatch.setenv("URLSWEEP_TIMEOT", "5")
    ran = cli("check", "http://a.test/ok", "--per-host", "2")
    assert json.loads(ran.stdout)["outcome"] == "ok"
    assert [(made.tries, made.timeout, made.per_host) for made in ran.settings] == [(1, 4.0, 2)]
    assert ran.stderr.startswith("urlsweep: warning: URLSWEEP_TIMEOT is no setting: did you mean URLSWEEP_TIMEOUT?\n")
    assert [made.tries for made in cli("check", "http://a.test/ok", "--no-config").settings] == [3]


def test_the_limit_on_open_files_is_each_processs_own(cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    asked_for: list[int] = []

    def make_room(share: int) -> int:
        asked_for.append(share)
        return min(share, 10)

    monkeypatch.setattr("urlsweep.descriptors.make_room", make_room)
    monkeypatch.setattr("sys.executable", "")  # so that none is started
    ran = cli("check", "http://a.test/ok", "--concurrency", "50", "--processes", "3")
    assert asked_for == [17]
    assert "--concurrency 50 is more than the limit on open files leaves room for: lowered to 30" in ran.stderr


def test_a_concurrency_beyond_the_limit_on_open_files_is_lowered_and_said(
    cli: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("urlsweep.descriptors.make_room", lambda concurrency: min(concurrency, 50))
    ran = cli("check", "http://a.test/ok", "--concurrency", "60")
    assert [made.concurrency for made in ran.settings] == [50]
    assert ran.stderr.startswith(
        "urlsweep: warning: --concurrency 60 is more than the limit on open files leaves room for: lowered to 50 "
    )


class TestCredentials:
    """Who gets what, as far as the command line decides it."""

    def sent(self, ran: object) -> dict[str, str]:
        from tests.cli.conftest import Ran

        assert isinstance(ran, Ran)
        return {
            exchange.request.url: dict(exchange.request.headers).get("Authorization", "")
            for exchange in ran.transport.log
        }

    def test_a_login_goes_to_the_sitemap_and_its_pages(self, cli: CommandLine) -> None:
        ran = cli("check", "--sitemap", "http://a.test/sitemap.xml", "--user", "me:pass")
        assert ran.code == 1
        urls = ("http://a.test/sitemap.xml", "http://a.test/ok", "http://a.test/gone")
        assert self.sent(ran) == dict.fromkeys(urls, "Basic bWU6cGFzcw==")

    def test_a_sitemap_of_another_origin_is_an_error(self, cli: CommandLine) -> None:
        ran = cli("check", "http://b.test/", "--sitemap", "http://a.test/sitemap.xml", "--user", "me:pass")
        assert (ran.code, ran.transport.log) == (2, [])

    def test_files_are_looked_at_before_anything_is_asked(self, cli: CommandLine) -> None:
        Path("list.txt").write_text("http://a.test/ok\nhttp://b.test/\n")
        ran = cli("check", "list.txt", "--header", "Authorization: Bearer t0k3n")
        assert (ran.code, ran.transport.log) == (2, [])
        assert "t0k3n" not in ran.stderr
        ran = cli("check", "list.txt", "--header", "Authorization: Bearer t0k3n", "--exclude", "b[.]test")
        assert ran.code == 0
        assert self.sent(ran) == {"http://a.test/ok": "Bearer t0k3n"}

    def test_a_stream_is_held_to_its_first_origin(self, cli: CommandLine) -> None:
        ran = cli("check", "-", "--user", "me:pass", stdin=b"http://a.test/ok\nhttp://b.test/\n")
        assert ran.code == 2
        assert "http://b.test/" not in self.sent(ran)

    def test_scoped_fields_need_no_single_origin(self, cli: CommandLine) -> None:
        ran = cli("check", "http://a.test/ok", "http://b.test/", "--header-for", "http://b.test", "Authorization: x")
        assert ran.code == 0
        assert self.sent(ran) == {"http://a.test/ok": "", "http://b.test/": "x"}

    def test_secrets_are_in_no_output(self, cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SECRET", "hush-hush")
        Path("urlsweep.toml").write_text("header_for = ['http://a.test X-Key: ${SECRET}']\n")
        cli.world["http://a.test/leak"] = reply(302, ("location", "/gone?key=hush-hush"))
        cli.world["http://a.test/gone?key=hush-hush"] = reply(404)
        ran = cli("check", "http://me:pass-word@a.test/leak", "--format", "jsonl", "-o", "a.json", "-o", "a.csv")
        everything = ran.stdout + ran.stderr + Path("a.json").read_text() + Path("a.csv").read_text()
        assert "hush-hush" not in everything
        assert "pass-word" not in everything
        assert json.loads(ran.stdout)["final_url"] == "http://a.test/gone?key=***"


def test_a_hostile_list_cannot_command_the_terminal(cli: CommandLine) -> None:
    ran = cli("check", "-", stdin=b"http://a.test/\x1b[2J\nno\x1b[2Jthing\n")
    assert "\x1b" not in ran.stdout + ran.stderr


def test_many_faulty_inputs_do_not_flood_the_terminal(cli: CommandLine) -> None:
    entries = b"".join(b"<sitemap><loc>http://a.test/no%d.xml</loc></sitemap>" % number for number in range(30))
    cli.world["http://a.test/index.xml"] = reply(200, body=b"<sitemapindex>" + entries + b"</sitemapindex>")
    cli.hosts["a.test"] = reply(404)
    ran = cli("check", "--sitemap", "http://a.test/index.xml", "--format", "jsonl")
    assert len(ran.rows) == 30
    warnings = [line for line in ran.stderr.splitlines() if line.startswith("urlsweep: warning: ")]
    assert len(warnings) == 21
    assert warnings[-1] == "urlsweep: warning: further inputs that could not be read are in the report alone"
