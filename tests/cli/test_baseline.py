"""Baselines, grace, flaky URLs and `urlsweep diff`."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from tests.cli.conftest import CommandLine

from urlsweep.testing.fake import reply

URL = "http://a.test/page"
KNOWN = ("--baseline", "known.txt", "--update-baseline")


def nights(cli: CommandLine, letters: str, *flags: str) -> list[int]:
    """The exit codes of a run a letter, in which a page is ok (o) or broken (b)."""
    codes = []
    for letter in letters:
        cli.world[URL] = reply(404 if letter == "b" else 200)
        codes.append(int(cli("check", URL, "http://a.test/gone", *flags).code))
    return codes


def test_only_what_is_new_fails(cli: CommandLine) -> None:
    cli("check", "http://a.test/gone", *KNOWN)
    assert nights(cli, "oobbob", *KNOWN, "--fail-on", "new") == [0, 0, 1, 0, 0, 1]


def test_without_a_word_of_new_the_baseline_excuses_nothing(cli: CommandLine) -> None:
    assert nights(cli, "oo", *KNOWN) == [1, 1]


def test_grace_waits_for_some_runs_in_a_row(cli: CommandLine) -> None:
    cli.world["http://a.test/gone"] = reply(200)
    assert nights(cli, "bbobbbb", *KNOWN, "--grace", "3") == [0, 0, 0, 0, 0, 1, 1]


def test_grace_and_new_fail_once(cli: CommandLine) -> None:
    cli.world["http://a.test/gone"] = reply(200)
    assert nights(cli, "bbbbo", *KNOWN, "--grace", "3", "--fail-on", "new") == [0, 0, 1, 0, 0]


def test_the_summary_says_what_was_excused(cli: CommandLine) -> None:
    cli("check", "http://a.test/gone", *KNOWN)
    ran = cli("check", "http://a.test/gone", "--baseline", "known.txt", "--fail-on", "new")
    assert ran.stderr.endswith("Passed: nothing failed but 1 that the baseline excuses.\n")
    cli.world[URL] = reply(404)
    ran = cli("check", "http://a.test/gone", URL, "--baseline", "known.txt", "--fail-on", "new")
    assert ran.stderr.endswith("Failed: 1 that the baseline does not excuse, beside 1 that it does.\n")


def test_the_file_is_left_as_it_is_unless_asked(cli: CommandLine) -> None:
    cli("check", "http://a.test/gone", *KNOWN)
    before = Path("known.txt").read_text()
    nights(cli, "bb", "--baseline", "known.txt", "--fail-on", "new")
    assert Path("known.txt").read_text() == before
    assert [path.name for path in Path().iterdir() if "known" in path.name] == ["known.txt"]


def test_the_file_has_no_secrets(cli: CommandLine) -> None:
    cli("check", "http://me:s3cr3t@a.test/gone", *KNOWN)
    assert "http://me:***@a.test/gone\t" in Path("known.txt").read_text()


def test_a_run_is_a_baseline(cli: CommandLine) -> None:
    codes = nights(cli, "b")
    assert codes == [1]
    assert nights(cli, "bb", "--baseline", "last", "--fail-on", "new") == [0, 0]
    assert nights(cli, "o", "--baseline", "last", "--fail-on", "new") == [0]
    assert nights(cli, "b", "--baseline", "last", "--fail-on", "new") == [1]


def test_flaky_urls_are_told_with_their_record(cli: CommandLine) -> None:
    nights(cli, "obob")
    ran = cli("check", URL, "http://a.test/gone")
    assert "Flaky: back and forth in the last runs" in ran.stderr
    assert f"  bobb  {URL}\n" in ran.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--update-baseline"], "--update-baseline: needs --baseline FILE"),
        (["--grace", "2"], "--grace: needs --baseline FILE"),
        (["--fail-on", "new"], "--fail-on: new needs --baseline, a file or an earlier run"),
        (
            ["--baseline", "missing.txt"],
            "there is neither a file nor a run 'missing.txt' to take for a baseline: --update-baseline writes the file",
        ),
        (["--baseline", "other.txt"], "--baseline other.txt: is no baseline of urlsweep's: its first line is to be "),
        (["--baseline", "."], "--baseline . cannot be read (Is a directory)"),
        (["--baseline", "a.run", "--update-baseline"], "--update-baseline needs a file to write, and a.run is a run"),
    ],
)
def test_wrong_usage(flags: list[str], message: str, cli: CommandLine) -> None:
    Path("other.txt").write_text("http://a.test/\n")
    cli("check", "http://a.test/", "--run-file", "a.run")
    ran = cli("check", "http://a.test/", *flags)
    assert (ran.code, ran.transport.log) == (2, [])
    assert message in ran.stderr
    assert Path("other.txt").read_text() == "http://a.test/\n"


def test_a_baseline_that_cannot_be_written_is_an_error(cli: CommandLine) -> None:
    ran = cli("check", "http://a.test/", "--baseline", "no/such/folder.txt", "--update-baseline")
    assert ran.code == 70
    assert "--baseline no/such/folder.txt cannot be written (No such file or directory)" in ran.stderr


# Comparing -----------------------------------------------------------------------------------------------------------


def test_two_runs_are_compared(cli: CommandLine) -> None:
    cli.world |= {f"http://a.test/{number}": reply(200) for number in range(6)}
    nights(cli, "b", "http://a.test/0", "http://a.test/1", "http://a.test/2")
    cli.world |= {
        "http://a.test/0": reply(500),
        "http://a.test/1": reply(301, ("location", "/0/")),
        "http://a.test/0/": reply(200),
    }
    first = json.loads(cli("runs", "--format", "json").stdout)[0]["name"]
    nights(cli, "o", "http://a.test/0", "http://a.test/1", "http://a.test/3", "--tries", "1")
    ran = cli("diff", first, "last")
    assert ran.code == 1
    today = ran.stdout.partition("since ")[2][:10]
    assert ran.stdout == (
        "Newly failing (1)\n"
        "  http://a.test/0\n"
        "      down (http.500), was ok; argument 3\n"
        "\n"
        "Still failing (1)\n"
        "  http://a.test/gone\n"
        f"      broken (http.404); since {today}, 2 runs in a row; argument 2\n"
        "\n"
        "Recovered (1)\n"
        "  http://a.test/page\n"
        "      was broken (http.404); argument 1\n"
        "\n"
        "Newly redirected (1)\n"
        "  http://a.test/1\n"
        "      to http://a.test/0/; argument 4\n"
        "\n"
        "New URLs (1)\n"
        "  http://a.test/3\n"
        "      argument 5\n"
        "\n"
        "Gone (1)\n"
        "  http://a.test/2\n"
        "\n"
        "1 newly failing, 1 still failing, 1 recovered, 1 newly redirected, 1 new URLs, 1 gone.\n"
    )
    again = cli("diff", "last", "last")
    assert (again.code, again.stdout.splitlines()[-1]) == (0, "2 still failing.")


def test_how_long_it_has_failed_is_told_over_many_runs(cli: CommandLine) -> None:
    nights(cli, "obbb")
    first = json.loads(cli("runs", "--format", "json").stdout)[1]["name"]
    found = json.loads(cli("diff", first, "last", "--format", "json").stdout)["differences"]
    page = next(each for each in found if each["url"] == URL)
    assert (page["change"], page["failing_runs"], page["record"], page["is_flaky"]) == (
        "still_failing",
        3,
        "bbb",
        False,
    )


@pytest.mark.parametrize("ending", ["jsonl", "csv", "tsv"])
def test_reports_are_compared(cli: CommandLine, ending: str) -> None:
    for name, status in (("old", 200), ("new", 404)):
        cli.world[URL] = reply(status)
        cli("check", URL, "http://a.test/moved", "-o", f"{name}.{ending}", "--no-journal")
    ran = cli("diff", f"old.{ending}", f"new.{ending}", "--format", "json")
    assert ran.code == 1
    [found] = json.loads(ran.stdout)["differences"]
    assert (found["change"], found["url"], found["after"]["reason"]) == ("newly_failing", URL, "http.404")
    assert cli("diff", f"new.{ending}", f"old.{ending}").code == 0
    assert cli("diff", f"new.{ending}", f"new.{ending}", "--fail-on", "down").stdout == "Nothing has changed.\n"


def test_a_table_that_has_columns_of_these_names_itself_is_understood(cli: CommandLine) -> None:
    Path("t.csv").write_text(f"outcome,url\nmine,{URL}\n")
    for name, status in (("old", 200), ("new", 404)):
        cli.world[URL] = reply(status)
        cli("check", "t.csv", "-o", f"{name}.csv", "--no-journal")
    assert "Newly failing (1)" in cli("diff", "old.csv", "new.csv").stdout


def test_long_cells_are_read_and_the_process_keeps_its_limit(cli: CommandLine) -> None:
    before = csv.field_size_limit()
    for name, reason in (("old", ""), ("new", "http.404")):
        long_chain = "x" * (before + 1)
        outcome = "broken" if reason else "ok"
        Path(f"{name}.csv").write_text(f'url,outcome,reason,hops\n{URL},{outcome},{reason},"{long_chain}"\n')
    assert "Newly failing (1)" in cli("diff", "old.csv", "new.csv").stdout
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a"], "two runs are compared: write urlsweep diff OLD NEW, each a run or a report"),
        (["a", "b", "--format", "csv"], "--format csv: a comparison is text or json"),
        (["a", "b"], "there is no run 'a' (urlsweep runs lists those that are kept)"),
        (["x.txt", "x.txt"], "x.txt cannot be compared: give runs, or reports in JSON Lines (.jsonl) or CSV (.csv)"),
        (["x.jsonl", "x.jsonl"], "x.jsonl:1 is no row of a report ("),
        (["x.csv", "x.csv"], "x.csv has no column 'outcome': give a report of urlsweep's"),
        (["y.csv", "y.csv"], "y.csv:2 has the outcome 'fine', which there is not"),
    ],
)
def test_what_cannot_be_compared(arguments: list[str], message: str, cli: CommandLine) -> None:
    for name in ("x.txt", "x.jsonl", "x.csv"):
        Path(name).write_text("url,\n")
    Path("y.csv").write_text("url,outcome\nhttp://a.test/,fine\n")
    ran = cli("diff", *arguments)
    assert (ran.code, ran.stdout) == (2, "")
    assert message in ran.stderr


def test_a_comparison_is_safe_for_a_terminal(cli: CommandLine) -> None:
    Path("old.jsonl").write_text("")
    Path("new.jsonl").write_text('{"url":"http://a.test/\\u001b[31m","outcome":"broken","reason":"\\u202e"}\n')
    text = cli("diff", "old.jsonl", "new.jsonl").stdout
    assert "\x1b" not in text
    assert "\u202e" not in text
