"""`--cache`: what earlier runs found out is not asked again. And `--budget`: what there was no time for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.conftest import CommandLine, Ran

from urlsweep.testing.fake import reply

URLS = ("http://a.test/ok", "http://a.test/gone", "http://a.test/moved")


def rows(ran: Ran) -> dict[str, dict[str, Any]]:
    return {row["url"]: row for row in map(json.loads, ran.rows)}


def asked(ran: Ran) -> set[str]:
    return {exchange.request.url for exchange in ran.transport.log}


def test_what_was_ok_is_not_asked_again_and_says_so(cli: CommandLine) -> None:
    first = rows(cli("check", *URLS, "--format", "jsonl"))
    ran = cli("check", *URLS, "http://a.test/", "http://a.test/ok#part", "--format", "jsonl", "--cache")
    second = rows(ran)
    assert asked(ran) == {"http://a.test/gone", "http://a.test/"}
    for url in ("http://a.test/ok", "http://a.test/moved"):
        assert second[url]["cached_at"] == second[url]["checked_at"] == first[url]["checked_at"]
        assert (second[url]["attempts"], second[url]["final_url"]) == (0, first[url]["final_url"])
    assert second["http://a.test/ok#part"]["final_url"] == "http://a.test/ok#part"
    assert second["http://a.test/gone"]["cached_at"] is None
    # and on to the next run, as long as it is fresh
    assert asked(cli("check", "http://a.test/ok", "--cache")) == set()


def test_failures_are_trusted_where_it_is_said(cli: CommandLine) -> None:
    cli("check", *URLS)
    assert asked(cli("check", *URLS, "--cache", "broken=1h")) == {"http://a.test/ok", "http://a.test/moved"}


def test_a_time_to_live(cli: CommandLine) -> None:
    cli("check", "http://a.test/ok")
    assert asked(cli("check", "http://a.test/ok", "--cache", "1ms")) == {"http://a.test/ok"}
    assert asked(cli("check", "http://a.test/ok", "--cache", "12h")) == set()


def test_nothing_is_trusted_unasked(cli: CommandLine) -> None:
    cli("check", "http://a.test/ok")
    assert asked(cli("check", "http://a.test/ok")) == {"http://a.test/ok"}


@pytest.mark.parametrize(
    "flags",
    [["--method", "get"], ["--no-follow"], ["--accept", "2xx,404"], ["--user-agent", "me"], ["--header", "X-A: b"]],
)
def test_what_was_asked_in_another_way_is_asked_again(flags: list[str], cli: CommandLine) -> None:
    cli("check", "http://a.test/ok")
    assert asked(cli("check", "http://a.test/ok", "--cache", *flags)) == {"http://a.test/ok"}
    assert asked(cli("check", "http://a.test/ok", "--cache", *flags)) == set()


def test_other_settings_make_no_difference(cli: CommandLine) -> None:
    cli("check", "http://a.test/ok")
    assert asked(cli("check", "http://a.test/ok", "--cache", "--concurrency", "3", "--sort")) == set()


@pytest.mark.parametrize(
    ("url", "flags"),
    [
        ("http://me:pass@a.test/ok", []),
        ("http://a.test/ok", ["--user", "me:pass"]),
        ("http://a.test/ok", ["--header-for", "http://a.test", "X-Who: me"]),
    ],
)
def test_what_was_asked_with_a_credential_is_never_trusted(url: str, flags: list[str], cli: CommandLine) -> None:
    cli("check", url, *flags)
    assert asked(cli("check", url, "--cache", *flags)) == {"http://a.test/ok"}


def test_a_run_that_is_not_kept_trusts_too(cli: CommandLine) -> None:
    cli("check", "http://a.test/ok")
    assert asked(cli("check", "http://a.test/ok", "--cache", "--no-journal")) == set()


def test_a_file_behind_cache_is_no_time(cli: CommandLine) -> None:
    Path("list.txt").write_text("http://a.test/ok\n")
    cli("check", "http://a.test/ok")
    ran = cli("check", "--cache", "list.txt")
    assert (ran.code, asked(ran)) == (0, set())
    assert cli("check", "--cache").stderr.startswith("urlsweep: error: nothing to check")
    assert "--cache: '1 week' is not a number of seconds" in cli("check", "list.txt", "--cache=1 week").stderr


def test_what_is_excluded_is_excluded_whatever_is_known(cli: CommandLine) -> None:
    cli("check", "http://a.test/ok")
    ran = cli("check", "http://a.test/ok", "--cache", "--exclude", "ok", "--format", "jsonl")
    assert rows(ran)["http://a.test/ok"]["reason"] == "skip.excluded"


# The budget ----------------------------------------------------------------------------------------------------------


def slow(cli: CommandLine, *statuses: int) -> list[str]:
    """URLs that are answered at once, and as many that never are in time."""
    urls = [f"http://a.test/{status}" for status in statuses]
    cli.world |= {url: reply(status) for url, status in zip(urls, statuses, strict=True)}
    cli.world |= {f"http://slow.test/{number}": reply(200, after=15.0) for number in range(3)}
    return [*urls, *(f"http://slow.test/{number}" for number in range(3))]


def test_5_when_time_is_up_and_nothing_failed_and_resume_goes_on(cli: CommandLine) -> None:
    urls = slow(cli, 200, 204)
    ran = cli("check", *urls, "--budget", "300ms", "--format", "jsonl")
    assert ran.code == 5
    assert {url for url, row in rows(ran).items() if row["reason"] == "skip.unfinished"} == set(urls[2:])
    assert "Cut short: no URL failed until then." in ran.stderr
    assert "urlsweep: to finish this run: urlsweep resume " in ran.stderr
    cli.world |= {url: reply(200) for url in urls[2:]}
    ran = cli("resume", "--format", "jsonl", "--budget", "1h")
    assert (ran.code, asked(ran)) == (0, set(urls[2:]))
    assert {row["outcome"] for row in rows(ran).values()} == {"ok"}


def test_1_when_time_is_up_and_something_failed(cli: CommandLine) -> None:
    assert cli("check", *slow(cli, 200, 404), "--budget", "300ms").code == 1


def test_a_run_that_is_done_in_time_is_whole(cli: CommandLine) -> None:
    assert cli("check", "http://a.test/ok", "--budget", "1h").code == 0


def test_a_run_that_is_cut_writes_what_it_knows_into_the_baseline(cli: CommandLine) -> None:
    flags = ("--baseline", "known.txt", "--update-baseline")
    cli.world["http://slow.test/0"] = reply(404)
    cli("check", "http://slow.test/0", *flags)
    urls = slow(cli, 404)
    cli("check", *urls, "--budget", "300ms", *flags)
    assert {line.split("\t")[0] for line in Path("known.txt").read_text().splitlines()[2:]} == {
        "http://a.test/404",
        "http://slow.test/0",
    }
