"""``urlsweep demo``: the sweep of the demo site, and what is said where a verdict is wrong."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import pytest

from urlsweep.core.model import Outcome
from urlsweep.testing.demo_site import Expected
from urlsweep.testing.fake import reply

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine

FINE = Expected(Outcome.OK, None, 200)
GONE = Expected(Outcome.BROKEN, "http.404", 404)


class SmallSite:
    """A demo site of the made-up network."""

    root_url = "http://a.test/"
    expected: ClassVar = {"http://a.test/ok": FINE, "http://a.test/gone": GONE}
    urls: ClassVar = ["http://a.test/ok", "http://a.test/gone"]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        """Nothing to end."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> type[SmallSite]:
    class OwnSite(SmallSite):
        """One that a test may change."""

    monkeypatch.setattr("urlsweep.testing.demo_site.DemoSite", OwnSite)
    return OwnSite


def test_a_right_sweep_ends_well_although_urls_are_broken(cli: CommandLine, site: type[SmallSite]) -> None:
    ran = cli("demo")
    assert ran.code == 0
    assert ran.stderr.startswith(
        "A site of 2 URLs is running on http://a.test/ now; 1 of them are not what they should be.\n"
    )
    command = "urlsweep check --sitemap http://a.test/ --timeout 1 --retry-delays 0.5,1.5 --patience 5 -o demo.csv"
    assert f"\n  {command}\n" in ran.stderr
    assert ran.stderr.endswith(
        "\nPlanted faults found: 1 of 1.\nFalse alarms: 0 among 1 URLs that are fine.\nAll rows are in demo.csv.\n"
    )
    assert [row.split()[2] for row in ran.rows] == ["http://a.test/gone"]
    with Path("demo.csv").open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 2


def test_wrong_verdicts_are_listed_and_fail_it(cli: CommandLine, site: type[SmallSite]) -> None:
    site.expected = {"http://a.test/ok": GONE, "http://a.test/gone": FINE, "http://a.test/": FINE}
    site.urls = ["http://a.test/ok", "http://a.test/gone", "http://a.test/"]
    ran = cli("demo", "-o", "all.jsonl")
    assert ran.code == 1
    conclusion = ran.stderr.splitlines()[-6:]
    assert sorted(conclusion[:2]) == [
        "http://a.test/gone: expected ok 200, told broken http.404 404 (answered 404 Not Found)",
        "http://a.test/ok: expected broken http.404 404, told ok 200 (None)",
    ]
    assert conclusion[2:] == [
        "http://a.test/: there is no row for it",
        "Planted faults found: 0 of 1.",
        "False alarms: 1 among 2 URLs that are fine.",
        "All rows are in all.jsonl.",
    ]
    assert len(Path("all.jsonl").read_text().splitlines()) == 2


def test_rows_that_nobody_expected_fail_it(cli: CommandLine, site: type[SmallSite]) -> None:
    site.urls = ["http://a.test/ok"]
    ran = cli("demo")
    assert ran.code == 1
    assert "nobody expected http://a.test/gone: broken http.404 404\n" in ran.stderr


def test_a_demo_that_cannot_run_says_why(cli: CommandLine, site: type[SmallSite]) -> None:
    cli.world["http://a.test/sitemap.xml"] = reply(404)
    assert cli("demo").code == 3
    ran = cli("demo", "-o", "demo.pdf")
    assert (ran.code, ran.stdout) == (2, "")
    ran = cli("demo", "links.txt")
    assert ran.stderr == (
        "urlsweep: error: urlsweep demo takes no input, and 'links.txt' is one (see urlsweep demo --help)\n"
    )
    assert ran.code == 2


def test_the_configuration_does_not_touch_it(cli: CommandLine, site: type[SmallSite]) -> None:
    Path("urlsweep.toml").write_text("exclude = ['gone']\nformat = 'json'\n")
    assert cli("demo").code == 0


def test_the_real_site_is_swept_rightly(cli: CommandLine) -> None:
    from urlsweep.api import open_transport

    cli.makes = open_transport
    ran = cli("demo")
    assert "there is no row" not in ran.stderr
    assert ran.code == 0, ran.stderr
