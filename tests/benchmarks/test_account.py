"""The lines that tell what came of the world's runs."""

from __future__ import annotations

from typing import Any

from benchmarks.programs import Figures
from benchmarks.world.account import account, ideal_of, side_by_side
from benchmarks.world.judge import Judgement, judge
from benchmarks.world.plan import OK, HostKind, Page, PageKind, Plan, RateLimit, Row
from benchmarks.world.run import Run
from benchmarks.world.tools import Said

HOSTS = [f"host-{number}.example" for number in range(6)]
PAGES = [f"https://{host}/{page}" for host in HOSTS for page in range(40)]
LIMITS = {host: RateLimit(20.0 if host != HOSTS[0] else 400.0, 20.0, tells_when=False) for host in HOSTS}
PLAN = Plan(
    tuple(Row(url, "ok", OK) for url in PAGES),
    {url: Page(url, "https", url.split("/")[2], "/", PageKind.OK, HostKind.OK) for url in PAGES},
    dict.fromkeys(HOSTS, HostKind.OK),
    LIMITS,
)
COUNTS: dict[str, Any] = {
    "methods": {"HEAD": 260},
    "requests": 260,
    "connections": 9,
    "strange": 0,
    "strange_examples": [],
    "push_backs": 13,
    "peak": 8,
    "at_once": [[HOSTS[0], 32], ["", 1]],
    "a_second": [[HOSTS[1], 25]],
    "limited": {host: [44, 4, 3, 25, 2.5] for host in HOSTS},
    "late": 0,
    "latest": 0.001,
    "cpu_seconds": 1.0,
    "by_page": {},
}
NAMES: dict[str, Any] = {"queries": {"A": 6}, "strange": 0, "cpu_seconds": 0.1}
FLAWLESS = judge(PLAN, [Said(row.line, *row.truth) for row in PLAN.rows], by_reason=True)
ALARMED = judge(PLAN, [Said(row.line, "down", "http.503", 503) for row in PLAN.rows], by_reason=True)


def made(judgement: Judgement | None, *, wall: float = 4.0, is_cut_short: bool = False) -> Run:
    figures = Figures(wall, 1.0, 0.5, 100.0, 0, is_cut_short)
    return Run("urlsweep", True, ["urlsweep", "check"], figures, COUNTS, NAMES, judgement)


def test_the_ideal_is_the_slowest_host_s() -> None:
    ideal = ideal_of(PLAN)
    assert ideal is not None
    assert (ideal.host, ideal.seconds) == (HOSTS[1], 2.0)  # 40 URLs at 20/s
    assert ideal_of(Plan((), {}, {}, {})) is None


def test_hosts_with_a_limit_are_told_one_by_one_and_the_rest_together() -> None:
    lines = list(account(made(FLAWLESS), PLAN))
    by_host = {line.split()[0]: line.split()[1:] for line in lines if line.startswith("host-")}
    assert list(by_host) == HOSTS[:4]
    assert by_host[HOSTS[0]] == ["400/s", "40", "40", "4", "9.1%", "3", "25", "0.1", "s"]
    rest = next(line for line in lines if line.startswith("2 more"))
    assert rest.removeprefix("2 more (most of any)").split() == ["20/s", "80", "80", "8", "9.1%", "3", "25", "2.0", "s"]
    assert not any("expected" in line for line in lines)


def test_wrong_answers_come_with_examples() -> None:
    lines = list(account(made(ALARMED), PLAN))
    assert f"working links called broken: {len(PAGES)}; broken links called fine: 0; not told: 0" in lines
    assert sum("expected ok None 200, got down http.503 503" in line for line in lines) == 5


def test_a_run_that_was_ended_says_so_and_is_not_judged() -> None:
    run = made(None, wall=1300.0, is_cut_short=True)
    lines = list(account(run, PLAN))
    assert lines[1].startswith("NOT DONE, ended: wall 1300.0 s")
    assert not any("called broken" in line for line in lines)


def test_all_runs_stand_side_by_side() -> None:
    table = {line[:32].strip(): line[32:].split("  ") for line in side_by_side(
        [made(FLAWLESS), made(None, wall=1300.0, is_cut_short=True)], PLAN
    )}  # fmt: skip
    cells = {title: [cell.strip() for cell in row if cell.strip()] for title, row in table.items()}
    assert cells["wall time, s"] == ["4.0", "> 1300.0"]
    assert cells["... over the ideal 2.0 s"] == ["2.00", "650.00"]
    assert cells["... over its own work"] == ["2.00 (2.0 s)", "650.00 (2.0 s)"]
    assert cells["working links called broken"] == ["0", "-"]
    assert cells["pushed back (429)"] == ["5.0%", "5.0%"]
    assert cells["most at once to one host"] == [f"32 ({HOSTS[0]})"] * 2
