"""``urlsweep plan``: what is told of a run before it, and that nothing is asked for it."""

from __future__ import annotations

import asyncio
import errno
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from urlsweep.cli.census import Census
from urlsweep.cli.console import Console
from urlsweep.cli.distinct import Distinct
from urlsweep.cli.interruption import Interruption
from urlsweep.cli.plan_page import HOSTS_SHOWN, Plan, plan_object, render_plan
from urlsweep.cli.plan_run import PlanRun
from urlsweep.core.forecast import Assumptions
from urlsweep.core.limits import Limits, PaceBy
from urlsweep.core.model import Target
from urlsweep.core.policy import Policy
from urlsweep.engine import WINDOW
from urlsweep.reports.layout import text_width
from urlsweep.settings import Settings
from urlsweep.testing.fake import FakeTransport, reply

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine


def planned(
    *urls: str,
    policy: Policy | None = None,
    limits: Limits | None = None,
    latency: float | None = None,
    hosts_apart: int = 100,
    documents: int = 0,
) -> Plan:
    with Distinct() as distinct:
        policy = policy or Policy()
        census = Census(policy, limits or Limits(), distinct, hosts_apart)
        for url in urls:
            census.take(Target(url))
        return Plan.of(census, Assumptions.of(policy, latency), documents)


def many(host: str, count: int) -> list[str]:
    return [f"https://{host}/{number}" for number in range(count)]


class TestText:
    """What people read."""

    def test_golden(self, cli: CommandLine) -> None:
        Path("urlsweep.toml").write_text(
            "[[rules]]\nurl = 'https://b.test/*'\ntimeout = 5\n"
            "[[rules]]\nurl = 'https://b.test/*'\nper_host = 2\n"
            "[[rules]]\nurl = 'https://b.test/slow/*'\nrate = 0.5\n"
        )
        Path("list.txt").write_text(
            "\n".join(
                [
                    *many("a.test", 1000),
                    *many("a.test", 3),
                    *many("b.test", 9),
                    *many("b.test/slow", 1),
                    "http://c.test:8080/",
                    "http://127.0.0.1/",
                    "https://a.test/private/",
                    "mailto:x@y.test",
                    "htp://x",
                    "foo",
                ]
            )
        )
        ran = cli("plan", "list.txt", "--exclude", "/private/")
        assert ran.code == 0
        assert ran.stderr == ""
        assert (
            ran.stdout
            == """\
A check would ask 1,012 URLs on 4 hosts, in about 22 s.
For this plan nothing was asked.

Hosts (4)            URLs   estimate  bounds
  b.test               10       22 s  2 at once (rule 2), one every 2 s (rule 3)
  a.test            1,000       13 s  4 to 32 at once, learned
  c.test:8080           1  under 1 s  4 to 32 at once, learned
  127.0.0.1:80          1  under 1 s  32 to 256 at once, learned

Rows (1,019)
  to ask     1,012
  duplicate      3  asked once, with a row for each
  invalid        2  url.malformed 1, url.unknown_scheme 1
  skipped        2  skip.excluded 1, skip.unsupported_scheme 1

Estimate: about 22 s, 1,214 requests
  limited by b.test, which takes longest: 10 URLs, 2 at once (rule 2), one every 2 s (rule 3)
  assuming 0.25 s a request (0.01 s to private hosts; --latency says otherwise), GET after HEAD for
  10 % and a redirect for 10 % of the URLs, no push-back and no later try
"""
        )

    def test_nothing_to_ask(self) -> None:
        assert render_plan(planned("mailto:a@b.test")) == (
            "A check would ask nothing.\nFor this plan nothing was asked.\n\n"
            "Rows (1)\n  to ask   0\n  skipped  1  skip.unsupported_scheme\n"
        )

    @pytest.mark.parametrize(
        ("limits", "limited_by"),
        [
            (Limits(concurrency=2), "limited by --concurrency: 2 requests at once in all"),
            (Limits(total_rate=5.0), "limited by --total-rate: 5 a second in all"),
            (Limits(), "limited by h0.test, which takes longest: 30 URLs, 4 to 32 at once, learned"),
        ],
    )
    def test_what_will_limit_the_run_is_named(self, limits: Limits, limited_by: str) -> None:
        urls = [url for number in range(20) for url in many(f"h{number}.test", 30 - number)]
        assert f"\n  {limited_by}\n" in render_plan(planned(*urls, limits=limits))

    def test_the_program_has_a_limit_too(self) -> None:
        plan = planned(*(f"http://127.0.0.1:8080/{number}" for number in range(50_000)))
        assert "\n  limited by the program itself: one core sends some 5,000 requests a second\n" in render_plan(plan)

    def test_one_latency_is_taken_for_granted_where_it_is_given(self) -> None:
        text = render_plan(planned(*many("a.test", 5), latency=2.0))
        assert text.startswith("A check would ask 5 URLs on 1 host, in about 6 s.\n")
        assert "\n  assuming 2 s a request, GET after HEAD" in text

    def test_the_list_of_hosts_is_bounded(self) -> None:
        urls = [url for number in range(HOSTS_SHOWN + 3) for url in many(f"h{number}.test", 50 - number)]
        lines = render_plan(planned(*urls)).splitlines()
        assert sum(" learned" in line for line in lines[:-4]) == HOSTS_SHOWN
        assert "  and 3 more hosts with 87 URLs, 2 s at most each" in lines

    def test_hosts_beyond_those_told_apart_are_counted_together(self) -> None:
        plan = planned(
            "http://a.test/", "http://b.test/", "http://c.test/", "http://c.test/", "http://b.test/2", hosts_apart=2
        )
        assert (plan.urls, plan.duplicates, len(plan.hosts), plan.urls_of_further_hosts) == (4, 1, 2, 1)
        text = render_plan(plan)
        assert text.startswith("A check would ask 4 URLs on 2 hosts or more, in under 1 s.\n")
        assert "\n  and 1 URL on further hosts: only 2 are told apart\n" in text
        assert plan.forecast.requests == 5

    def test_what_the_estimate_leaves_out_is_said(self) -> None:
        text = render_plan(planned("http://a.test/", policy=Policy(robots=True), limits=Limits(pace_by=PaceBy.ADDRESS)))
        flat = " ".join(text.split())
        assert "robots.txt is not asked for here: what it disallows or delays is not counted" in flat
        assert "which hosts share an address is not known before they are asked" in flat

    def test_a_list_longer_than_is_read_ahead_is_told_of(self) -> None:
        with Distinct() as distinct:
            census = Census(Policy(), Limits(), distinct)
            census.urls = WINDOW + 1
            assert "100,000 rows are read ahead at most" in " ".join(Plan.of(census, Assumptions(), 0).notes)

    def test_duplicates_that_could_not_be_told_are_told_of(self) -> None:
        distinct = Distinct()
        distinct.close()
        census = Census(Policy(), Limits(), distinct)
        census.take(Target("http://a.test/"))
        assert "some duplicates are counted" in " ".join(Plan.of(census, Assumptions(), 0).notes)

    def test_hosts_of_a_domain_are_counted_together_where_they_are_paced_so(self) -> None:
        urls = ["https://a.example.co.uk/", "http://b.example.co.uk:8080/", "http://127.0.0.1:80/"]
        plan = planned(*urls, limits=Limits(pace_by=PaceBy.DOMAIN))
        assert {host.host: host.urls for host in plan.hosts} == {"example.co.uk": 2, "127.0.0.1:80": 1}
        assert "on 2 domains" in render_plan(plan)

    @pytest.mark.parametrize("width", [1, 60, 80, 140, 300])
    def test_lines_keep_to_the_width(self, width: int) -> None:
        plan = planned(
            *many("a" * 60 + "." + "b" * 60 + ".test", 3), *many("b.test", 3), "no url", limits=Limits(delay=2.0)
        )
        lines = render_plan(plan, width=width).splitlines()
        assert max(map(text_width, lines)) <= max(60, min(width, 140))

    def test_colour_adds_nothing_but_colour(self) -> None:
        plan = planned("http://a.test/", documents=2)
        colored = render_plan(plan, color=True)
        assert "\x1b[1m" in colored
        for code in ("\x1b[0m", "\x1b[1m", "\x1b[2m"):
            colored = colored.replace(code, "")
        assert colored == render_plan(plan)

    def test_a_hostile_list_cannot_command_the_terminal(self, cli: CommandLine) -> None:
        ran = cli("plan", "-", stdin=b"http://\x1b[2Ja.test/\nno\x1b[2Jthing\nhttp://a.test/\xe2\x80\xae\n")
        assert ran.code == 0
        assert (ran.stdout + ran.stderr).replace("\n", "").isprintable()


class TestJson:
    """What scripts read."""

    def test_golden(self) -> None:
        plan = planned(
            *many("a.test", 10), *many("a.test", 1), "mailto:x@y.test", "htp://x", limits=Limits(per_host=2, rate=4.0)
        )
        assert plan_object(plan) == {
            "version": 1,
            "rows": 13,
            "urls": 10,
            "duplicates": 1,
            "not_asked": {
                "skipped": {"skip.unsupported_scheme": 1},
                "invalid": {"url.unknown_scheme": 1},
            },
            "documents_fetched": 0,
            "hosts": [
                {
                    "host": "a.test:443",
                    "urls": 10,
                    "seconds": 3.0,
                    "at_once": {"from": 2, "to": 2, "is_learned": False},
                    "delay": 0.25,
                    "rules": [],
                }
            ],
            "urls_of_further_hosts": 0,
            "estimate": {"seconds": 3.0, "requests": 12, "limited_by": "host"},
            "assumptions": {
                "latency": 0.25,
                "private_latency": 0.01,
                "get_share": 0.1,
                "redirect_share": 0.1,
                "requests_a_second": 5000.0,
            },
            "notes": [],
        }

    def test_every_host_is_in_it(self, cli: CommandLine) -> None:
        urls = "".join(f"http://h{number}.test/\n" for number in range(HOSTS_SHOWN * 2))
        ran = cli("plan", "-", "--format", "json", stdin=urls.encode())
        assert len(json.loads(ran.stdout)["hosts"]) == HOSTS_SHOWN * 2

    def test_a_format_of_reports_is_for_checks(self, cli: CommandLine) -> None:
        ran = cli("plan", "http://a.test/", "--format", "csv")
        assert (ran.code, ran.stdout) == (2, "")
        assert ran.stderr == "urlsweep: error: --format csv is for urlsweep check: a plan is text or json\n"
        Path("urlsweep.toml").write_text("format = 'csv'\n")
        assert cli("plan", "http://a.test/").stdout.startswith("A check would ask 1 URL")
        Path("urlsweep.toml").write_text("format = 'json'\n")
        assert json.loads(cli("plan", "http://a.test/").stdout)["urls"] == 1


class TestInputs:
    """Read as a check reads them, and asked nothing."""

    def test_no_url_is_asked(self, cli: CommandLine) -> None:
        Path("list.csv").write_text("Website,n\nhttp://a.test/ok,1\nhttp://a.test/gone,2\n")
        ran = cli("plan", "http://b.test/", "list.csv", "-", "--column", "Website", stdin=b"Website\nhttp://a.test/\n")
        assert ran.stdout.startswith("A check would ask 4 URLs on 2 hosts")
        assert (ran.code, ran.transport.log, ran.transport.is_closed) == (0, [], True)

    def test_a_sitemap_alone_is_fetched_and_that_is_said(self, cli: CommandLine) -> None:
        cli.world["http://a.test/index.xml"] = reply(
            200, body=b"<sitemapindex><sitemap><loc>http://a.test/sitemap.xml</loc></sitemap></sitemapindex>"
        )
        ran = cli("plan", "--sitemap", "http://a.test/index.xml")
        assert [exchange.request.url for exchange in ran.transport.log] == [
            "http://a.test/index.xml",
            "http://a.test/sitemap.xml",
        ]
        assert ran.stderr == (
            "urlsweep: fetching http://a.test/index.xml for the URLs that it lists; none of these is asked\n"
        )
        assert ran.stdout.startswith(
            "A check would ask 2 URLs on 1 host, in under 1 s.\n"
            "For this plan 2 documents (sitemaps, robots.txt for them) were asked for, and nothing else.\n"
        )
        assert cli("plan", "--sitemap", "http://a.test/sitemap.xml", "-q").stderr == ""

    def test_a_sitemap_is_fetched_with_the_login_that_it_needs(self, cli: CommandLine) -> None:
        ran = cli("plan", "--sitemap", "http://a.test/sitemap.xml", "--user", "me:pass")
        (exchange,) = ran.transport.log
        assert ("Authorization", "Basic bWU6cGFzcw==") in exchange.request.headers

    def test_a_credential_that_would_go_to_two_origins_is_told_before_the_run(self, cli: CommandLine) -> None:
        ran = cli("plan", "-", "--user", "me:s3cret", stdin=b"http://a.test/\nhttp://b.test/\n")
        assert (ran.code, ran.stdout) == (2, "")
        assert "would go to more than one origin (http://a.test and http://b.test)" in ran.stderr

    def test_a_sitemap_that_breaks_off_is_counted_with_what_could_be_read(self, cli: CommandLine) -> None:
        ran = cli("plan", "--sitemap", "http://a.test/broken.xml")
        assert ran.code == 0
        assert "\n  broken  1  source.truncated\n" in ran.stdout

    def test_passwords_are_in_no_output(self, cli: CommandLine) -> None:
        ran = cli("plan", "--sitemap", "http://me:pass-word@a.test/sitemap.xml", "http://me:pass-word@a.test/")
        assert ran.code == 0
        assert "pass-word" not in ran.stdout + ran.stderr

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            ([], 2, "nothing to check: give URLs, files, - for standard input, or --sitemap URL"),
            (["missing.txt"], 3, "there is no file 'missing.txt'"),
            (["-"], 3, "stdin holds no URL"),
            (["--sitemap", "http://a.test/none.xml", "-q"], 3, "http://a.test/none.xml could not be read"),
            (["http://a.test/", "--latency", "fast"], 2, "--latency: 'fast' is not a number of seconds"),
            (["http://a.test/", "--timout", "5"], 2, "there is no option --timout: did you mean '--timeout'?"),
        ],
    )
    def test_errors_and_their_exit_codes(self, arguments: list[str], code: int, message: str, cli: CommandLine) -> None:
        cli.world["http://a.test/none.xml"] = reply(404)
        ran = cli("plan", *arguments, stdin=b"")
        assert ran.code == code
        assert f"urlsweep: error: {message}" in ran.stderr

    def test_a_checks_command_line_will_do(self, cli: CommandLine) -> None:
        ran = cli(
            *("plan", "http://a.test/ok", "-o", "out.csv", "--fail-on", "broken", "--retry-delays", "1,2", "--sort"),
            *("--only", "ok", "--accept", "2xx", "--tries", "2", "--seed", "1", "--bom", "-v"),
        )
        assert ran.code == 0
        assert not Path("out.csv").exists()
        shown = cli("plan", "--help").stdout
        assert "--concurrency" in shown
        assert "--fail-on" not in shown
        assert "text or json" in shown

    def test_settings_are_held_to_what_they_may_be(self, cli: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("URLSWEEP_TIMEOT", "5")
        ran = cli("plan", "http://a.test/")
        assert ran.stderr == "urlsweep: warning: URLSWEEP_TIMEOT is no setting: did you mean URLSWEEP_TIMEOUT?\n"
        monkeypatch.setenv("NETRC", "missing")
        ran = cli("plan", "http://a.test/", "--netrc", "-q")
        assert (ran.code, ran.stdout) == (2, "")
        assert ran.stderr.startswith("urlsweep: error: --netrc: missing cannot be read")

    def test_a_concurrency_that_would_be_lowered_is_lowered(
        self, cli: CommandLine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("urlsweep.descriptors.make_room", lambda concurrency: 1)
        Path("urlsweep.toml").write_text("concurrency = 60\n")
        ran = cli("plan", *(f"http://h{number}.test/" for number in range(9)))
        assert "lowered to 1" in ran.stderr
        assert "limited by --concurrency: 1 request at once in all" in ran.stdout


class Full(io.BytesIO):
    """A disk that is."""

    def write(self, data: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")


class Left(io.BytesIO):
    """A pipe whose reader has gone."""

    def write(self, data: object) -> NoReturn:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def test_a_plan_that_cannot_be_written(cli: CommandLine) -> None:
    cli.stdout = Full()
    ran = cli("plan", "http://a.test/")
    assert ran.stderr == "urlsweep: error: standard output cannot be written (No space left on device)\n"
    assert ran.code == 70
    cli.stdout = Left()
    ran = cli("plan", "http://a.test/")
    assert (ran.code, ran.stderr) == (141, "")


class Interrupted(Interruption):
    """A signal that comes when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self._call: Callable[[], object] = lambda: None

    def calls(self, stop: Callable[[], object]) -> None:
        self._call = stop

    def come(self) -> None:
        self.signal = 2
        self._call()


async def test_a_signal_ends_the_reading() -> None:
    interruption = Interrupted()
    transport = FakeTransport({"http://a.test/map.xml": reply(200, after=3600.0)})

    def open_transport(settings: Settings) -> FakeTransport:
        asyncio.get_running_loop().call_soon(interruption.come)
        return transport

    console = Console(io.BytesIO(), io.StringIO(), {})
    run = PlanRun([], Settings(sitemap=("http://a.test/map.xml",)), console, open_transport)
    assert await run.run(interruption) == 130
    assert transport.is_closed
