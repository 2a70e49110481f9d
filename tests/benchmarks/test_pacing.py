"""The pacing benchmark's own parts: its hosts by plain sockets, its judging by tables, one small sweep as a whole."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from benchmarks.pacing.__main__ import lines_of
from benchmarks.pacing.site import Host, Site
from benchmarks.pacing.sweep import SweepError, attempts_of, sweep, sweep_until, wrong_rows
from benchmarks.pacing.trials import TRIALS, Finding, middle, spacing, worst_of
from benchmarks.world.answers import End
from benchmarks.world.limit import AtOnce, TokenBucket

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="hosts are addresses of 127.0.0.0/8")

WAIT = 30.0


async def ask(site: Site, name: str, method: str = "GET") -> bytes:
    """All that comes back for one request; raises ConnectionResetError for a reset."""
    address, port = site.places[name]
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(f"{method} /0 HTTP/1.1\r\nHost: {name}:{port}\r\nConnection: close\r\n\r\n".encode())
        async with asyncio.timeout(WAIT):
            return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        return error.partial
    finally:
        writer.close()


async def test_every_host_has_an_address_of_its_own_and_is_answered_for() -> None:
    hosts = [Host(name=f"{number}.example.org", urls=2, latency=0.0) for number in range(300)]
    async with Site(hosts).served() as site:
        assert len({address for address, _ in site.places.values()}) == 300
        assert (await ask(site, "299.example.org", "HEAD")).startswith(b"HTTP/1.1 200 OK\r\n")
        address, port = site.places["7.example.org"]
        assert f"7.example.org:{port}:{address}" in list(site.resolutions())
        assert site.urls("7.example.org") == [f"http://7.example.org:{port}/{number}" for number in range(2)]
        assert site.loads["299.example.org"].first == site.first_request()


@pytest.mark.parametrize(
    ("limit", "refusal", "retry_after", "expected"),
    [
        (lambda: AtOnce(0), 429, None, b"HTTP/1.1 429 Too Many Requests\r\n"),
        (lambda: AtOnce(0), 503, 2, b"HTTP/1.1 503 Service Unavailable\r\n"),
        (lambda: TokenBucket(1, 1), 429, None, b"HTTP/1.1 200 OK\r\n"),
    ],
)
async def test_limits_refuse_as_they_are_told(
    limit: Callable[[], Any], refusal: int, retry_after: int | None, expected: bytes
) -> None:
    host = Host(name="a.example.org", urls=1, latency=0.0, limit=limit, refusal=refusal, retry_after=retry_after)
    async with Site([host]).served() as site:
        said = await ask(site, host.name)
    assert said.startswith(expected)
    assert (b"Retry-After: 2\r\n" in said) is (retry_after == 2)
    assert site.loads[host.name].refused == (0 if b" 200 " in expected else 1)


async def test_hosts_can_be_bad() -> None:
    resets = Host(name="resets.example.org", urls=1, latency=0.0, end=End.RESET)
    dead = Host(name="dead.example.org", urls=1, is_dead=True)
    async with Site([resets, dead]).served() as site:
        with pytest.raises(ConnectionResetError):
            await ask(site, resets.name)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await ask(site, dead.name)


def row(url: str, outcome: str = "ok", reason: str | None = None) -> dict[str, object]:
    return {"url": url, "outcome": outcome, "reason": reason, "detail": "why"}


def test_wrong_rows_are_those_that_differ_or_do_not_come_once() -> None:
    site = Site(
        [
            Host(name="good.example", urls=2),
            Host(name="dead.example", urls=1, expected=("down", "connect.timeout")),
        ]
    )
    urls = ["http://good.example:1/0", "http://good.example:1/1", "http://dead.example:2/0"]
    right = [row(urls[0]), row(urls[1]), row(urls[2], "down", "connect.timeout")]
    assert wrong_rows(site, urls, right) == []
    assert wrong_rows(site, urls, right[1:]) == [f"{urls[0]}: 1 row(s) too few"]
    assert wrong_rows(site, urls, [*right, right[0]]) == [f"{urls[0]}: 1 row(s) too many"]
    assert wrong_rows(site, urls, [*right[:2], row(urls[2])]) == [
        f"{urls[2]}: expected ('down', 'connect.timeout'), got ('ok', None): why"
    ]


async def test_a_sweep_is_measured_and_judged(tmp_path: Path) -> None:
    hosts = [Host(name=f"{name}.example.org", urls=3, latency=0.0) for name in "ab"]
    async with Site(hosts).served() as site:
        urls = [url for host in hosts for url in site.urls(host.name)]
        swept = await sweep(site, urls, tmp_path / "sweep", WAIT)
        assert swept.wrong == []
        assert (swept.requests, swept.refused, swept.refused_share) == (6, 0, 0.0)
        assert 0 < swept.seconds < swept.figures.wall
        assert attempts_of(tmp_path / "sweep", "//a.example.org") == 3


async def test_a_sweep_is_ended_once_enough_was_seen(tmp_path: Path) -> None:
    host = Host(name="never.example.org", urls=3, end=End.HANG)
    site = Site([host])
    seen = asyncio.Event()
    site.answer_seen = seen.set
    async with site.served():
        await sweep_until(site, site.urls(host.name), tmp_path / "sweep", seen, WAIT)
        assert site.loads[host.name].requests >= 1


async def test_a_sweep_that_ends_too_early_is_told(tmp_path: Path) -> None:
    host = Host(name="a.example.org", urls=1, latency=0.0)
    async with Site([host]).served() as site:
        with pytest.raises(SweepError, match="before it had asked everybody"):
            await sweep_until(site, site.urls(host.name), tmp_path / "sweep", asyncio.Event(), WAIT)


def test_findings_are_told_with_their_aim() -> None:
    met = Finding("time", "1.0 s", "at most 2 s", notes=["    a note"])
    assert list(lines_of(met)) == ["  PASS  time: 1.0 s  (aim: at most 2 s)", "    a note"]
    missed = Finding("time", "3.0 s", "at most 2 s", is_met=False)
    assert next(lines_of(missed)).startswith("  MISS  time: 3.0 s")
    assert next(lines_of(Finding("peak", "32", ""))) == "        peak: 32"


def test_spacing_is_that_of_the_later_half() -> None:
    early = [number / 1000 for number in range(100)]
    late = [1 + number / 100 for number in range(100)]
    assert spacing([*early, *late]) == "10.0, 10.0 and 10.0 ms"
    assert spacing([]) == spacing([1.0]) == "too rarely to tell"


def test_a_delay_of_every_run_is_told_and_one_of_a_few_is_not() -> None:
    usual = [[0.010, 0.020], [0.011, 0.021], [0.012, 0.022]]
    assert middle(usual) == [0.011, 0.021]
    assert worst_of(usual, [[first, second + 0.015] for first, second in usual]) == pytest.approx(0.015)
    assert worst_of(usual, [*usual[:2], [0.212, 0.222]]) == pytest.approx(0.0)
    # The first request of all was late, once: everybody after it looks early, which hides no delay.
    late = [[0.010, 0.035], [0.011, 0.036], [0.0, 0.005]]
    assert worst_of(usual, late) == pytest.approx(0.014)


def test_trials_are_those_of_the_readme() -> None:
    readme = (Path(__file__).parents[2] / "benchmarks" / "README.md").read_text(encoding="utf-8")
    for family in {name.rstrip("-0123456789") for name in TRIALS}:
        assert f"| `{family}" in readme
