"""Limits, robots.txt and the network, through the whole engine, under virtual time."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest

from urlsweep.core.limits import Limits
from urlsweep.core.model import Outcome, Reason, Result, Target
from urlsweep.core.policy import Policy, Rule
from urlsweep.core.summary import Summary
from urlsweep.engine import Sweep
from urlsweep.testing.fake import (
    Behaviour,
    DeadHost,
    FakeTransport,
    FixedWindowHost,
    TokenBucketHost,
    failure,
    reply,
)
from urlsweep.testing.virtual_time import run_virtual

OK, DOWN, SKIPPED = Outcome.OK, Outcome.DOWN, Outcome.SKIPPED


def swept(
    urls: list[str],
    world: dict[str, Behaviour] | None = None,
    *,
    hosts: dict[str, Behaviour] | None = None,
    policy: Policy | None = None,
    limits: Limits | None = None,
    **options: Any,
) -> tuple[list[Result], Summary, FakeTransport]:
    transport = FakeTransport(world or {}, hosts=hosts or {}, **options)
    summary = Summary()

    async def go() -> list[Result]:
        targets = [Target(url) for url in urls]
        sweep = Sweep(targets, policy or Policy(), limits or Limits(), transport, summary=summary, seed=1)
        return [row async for row in sweep]

    rows = run_virtual(go())
    assert len(rows) == len(urls)
    return rows, summary, transport


def many(host: str, count: int) -> list[str]:
    return [f"http://{host}/{number}" for number in range(count)]


@pytest.mark.parametrize(
    "host",
    [
        TokenBucketHost(rate=20, burst=20, allowed=reply(200, after=0.05)),
        TokenBucketHost(rate=20, burst=20, retry_after=True, allowed=reply(200, after=0.05)),
        TokenBucketHost(rate=20, burst=1, allowed=reply(200, after=0.05), over=reply(503)),  # nginx's limit_req
        FixedWindowHost(limit=600, seconds=30.0, retry_after=True, allowed=reply(200, after=0.05)),
    ],
    ids=["429", "429 with Retry-After", "503 and nothing more", "so many a window"],
)
def test_a_limited_host_is_swept_without_a_false_alarm(host: Behaviour) -> None:
    rows, summary, transport = swept(many("a.test", 1000), hosts={"a.test": host})
    assert Counter(row.outcome for row in rows) == {OK: 1000}
    assert summary.seconds <= 1.25 * 50
    assert len(transport.log) <= 1100
    (slowed,) = summary.bottleneck.slowed
    assert slowed.host == "a.test:80"
    assert slowed.pushed == len(transport.log) - 1000
    assert sum(summary.bottleneck.seconds.values()) == pytest.approx(summary.seconds)


def test_a_dead_hosts_urls_share_one_urls_tries() -> None:
    rows, summary, transport = swept(many("a.test", 400), hosts={"a.test": DeadHost()})
    assert {(row.outcome, row.reason) for row in rows} == {(DOWN, "connect.timeout")}
    assert Counter(row.attempts for row in rows) == {3: 1, 0: 399}
    assert len(transport.log) == 3
    assert summary.seconds < 30.0


def test_a_network_that_goes_for_a_while_costs_nobody_anything() -> None:
    hosts: dict[str, Behaviour] = {f"h{number}.test": reply(200, after=0.1) for number in range(30)}
    urls = [url for host in hosts for url in many(host, 100)]
    rows, summary, _ = swept(urls, hosts=hosts, outages=[(0.5, 20.0)])
    assert {row.outcome for row in rows} == {OK}
    assert not summary.is_network_lost


def test_a_network_that_is_lost_ends_the_run_and_calls_nothing_down() -> None:
    hosts: dict[str, Behaviour] = {f"h{number}.test": reply(200, after=0.1) for number in range(30)}
    urls = [url for host in hosts for url in many(host, 100)]
    rows, summary, _ = swept(urls, hosts=hosts, outages=[(0.5, 1e9)])
    assert summary.is_network_lost
    assert summary.is_partial
    assert {row.reason for row in rows} == {None, "skip.unfinished"}
    assert summary.seconds < 120.0


def test_a_rule_bounds_the_host_of_the_urls_it_is_for() -> None:
    policy = Policy(rules=(Rule(re.compile("a.test"), delay=2.0, per_host=1),))
    hosts: dict[str, Behaviour] = {"a.test": reply(200), "b.test": reply(200)}
    _, _, transport = swept([*many("a.test", 4), *many("b.test", 4)], hosts=hosts, policy=policy)
    sent = [exchange.sent for exchange in transport.log if exchange.request.host_key == "a.test:80"]
    assert sent == pytest.approx([0.0, 2.0, 4.0, 6.0])
    assert max(exchange.sent for exchange in transport.log if exchange.request.host_key == "b.test:80") == 0.0


# --- robots.txt -------------------------------------------------------------------------------------------------------

ROBOTS = "http://a.test/robots.txt"
OBEDIENT = Policy(robots=True)


def robots_of(
    behaviour: Behaviour, policy: Policy = OBEDIENT
) -> tuple[list[tuple[Outcome, str | None]], FakeTransport]:
    rows, _, transport = swept(
        ["http://a.test/public", "http://a.test/private", "http://a.test/private"],
        {ROBOTS: behaviour},
        hosts={"a.test": reply(200)},
        policy=policy,
    )
    return [(row.outcome, row.reason) for row in sorted(rows, key=lambda row: row.url, reverse=True)], transport


def test_robots_txt_is_asked_for_once_and_obeyed() -> None:
    told, transport = robots_of(reply(200, body=b"User-agent: *\nDisallow: /private\n"))
    assert told == [(OK, None), (SKIPPED, "skip.robots"), (SKIPPED, "skip.robots")]
    assert transport.methods_of(ROBOTS) == ["GET"]
    assert transport.sent_to("http://a.test/private") == []


@pytest.mark.parametrize("status", [404, 403, 410])
def test_what_is_not_there_forbids_nothing(status: int) -> None:
    told, _ = robots_of(reply(status))
    assert told == [(OK, None)] * 3


def test_where_it_cannot_be_had_nothing_is_asked() -> None:
    told, transport = robots_of(reply(500))
    assert told == [(SKIPPED, "skip.robots")] * 3
    assert transport.sent_to("http://a.test/public") == []
    told, _ = robots_of(failure(Reason.CONNECT_REFUSED))
    assert told == [(DOWN, "connect.refused")] * 3


def test_crawl_delay_is_kept_and_one_rule_lets_a_site_off() -> None:
    told, transport = robots_of(reply(200, body=b"User-agent: urlsweep\nCrawl-delay: 3\n"))
    assert told == [(OK, None)] * 3
    assert [exchange.sent for exchange in transport.log] == pytest.approx([0.0, 3.0, 6.0], abs=3.0)
    assert transport.log[-1].sent - transport.log[-2].sent >= 3.0
    policy = Policy(robots=True, rules=(Rule(re.compile("a.test"), robots=False),))
    told, transport = robots_of(reply(200, body=b"User-agent: *\nDisallow: /\n"), policy)
    assert told == [(OK, None)] * 3
    assert transport.sent_to(ROBOTS) == []
