"""What a run was limited by: the figures add up to its time, and name what a person could do something about."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any

import pytest
from tests.workers.memory import of_one_process

from urlsweep.core.bottleneck import Limiter
from urlsweep.core.limits import Limits, PaceBy
from urlsweep.core.model import Outcome, Reason, Request, Target
from urlsweep.core.pacer import SLOWED_TOLD
from urlsweep.core.policy import Method, Policy
from urlsweep.core.summary import Summary
from urlsweep.engine import Sweep
from urlsweep.testing.fake import (
    Behaviour,
    ConcurrencyLimitedHost,
    DeadHost,
    FakeTransport,
    TokenBucketHost,
    failure,
    never,
    reply,
)
from urlsweep.testing.virtual_time import run_virtual

if TYPE_CHECKING:
    from tests.engine.conftest import Run, Swept

BY_GET = Policy(jitter=0, method=Method.GET)


def many(host: str, count: int) -> list[str]:
    return [f"http://{host}/{number}" for number in range(count)]


def share(run: Run, limiter: Limiter) -> float:
    return run.summary.bottleneck.seconds[limiter] / run.summary.seconds


# --- shares of the time -----------------------------------------------------------------------------------------------


@of_one_process
def test_slots(swept: Swept) -> None:
    hosts = {f"h{number}.test": reply(200, after=1.0) for number in range(50)}
    run = swept([f"http://{host}/" for host in hosts], hosts=hosts, limits=Limits(concurrency=5))
    assert share(run, Limiter.SLOTS) == 1.0
    run = swept([f"http://{host}/" for host in hosts], hosts=hosts, limits=Limits(total_rate=2))
    assert share(run, Limiter.TOTAL_RATE) > 0.9


def test_hosts(swept: Swept) -> None:
    bucket = TokenBucketHost(rate=10, burst=1, allowed=reply(200, after=0.05))
    assert share(swept(many("a.test", 300), hosts={"a.test": bucket}), Limiter.HOSTS) > 0.95
    run = swept(many("a.test", 100), hosts={"a.test": reply(200, after=1.0)}, limits=Limits(per_host=1))
    assert share(run, Limiter.HOSTS) == pytest.approx(0.99)


@of_one_process
def test_the_input(swept: Swept) -> None:
    async def slow() -> AsyncIterator[Target]:
        for url in many("a.test", 5):
            await asyncio.sleep(10)
            yield Target(url)

    run = swept(slow(), hosts={"a.test": reply(200, after=1.0)})
    assert run.summary.bottleneck.seconds == {
        **dict.fromkeys(Limiter, 0.0), Limiter.INPUT: 50.0, Limiter.ANSWERS: 1.0,
    }  # fmt: skip


def test_answers(swept: Swept) -> None:
    run = swept(many("a.test", 4), hosts={"a.test": reply(200, after=5.0)}, limits=Limits(per_host=9))
    assert share(run, Limiter.ANSWERS) == 1.0


@pytest.mark.parametrize("silent", [DeadHost(), never()])
def test_hosts_that_keep_silent(swept: Swept, silent: Behaviour) -> None:
    hosts = {f"h{number}.test": silent for number in range(5)}
    run = swept([f"http://{host}/" for host in hosts], hosts=hosts, policy=BY_GET)
    assert run.summary.bottleneck.seconds[Limiter.LATER_TRIES] == 6.0
    # The first round is taken for answers to come: nobody knows yet that they are silent.
    first = 4.0 if isinstance(silent, DeadHost) else 20.0
    assert run.summary.bottleneck.seconds[Limiter.ANSWERS] == first
    assert run.summary.bottleneck.seconds[Limiter.TIMEOUTS] == run.summary.seconds - first - 6.0
    took = 5 * (run.summary.seconds - 6.0)
    assert run.summary.bottleneck.timeout_seconds == run.summary.bottleneck.request_seconds == took


def test_later_tries(swept: Swept) -> None:
    run = swept(["http://a.test/"], hosts={"a.test": reply(500)}, policy=BY_GET)
    assert run.summary.bottleneck.seconds[Limiter.LATER_TRIES] == 6.0
    assert share(run, Limiter.LATER_TRIES) == 1.0


def test_figures_add_up_in_a_run_of_everything(swept: Swept) -> None:
    hosts: dict[str, Behaviour] = {
        "good.test": reply(200, after=0.2),
        "limited.test": TokenBucketHost(rate=5, burst=1),
        "dead.test": DeadHost(),
        "flaky.test": [reply(500), reply(200)],
        "localhost": reply(200),
    }
    run = swept([url for host in hosts for url in many(host, 60)], hosts=hosts, limits=Limits(concurrency=20))
    figures = run.summary.bottleneck
    assert sum(figures.seconds.values()) == pytest.approx(run.summary.seconds)
    assert min(figures.seconds.values()) >= 0
    took = sum(exchange.answered - exchange.sent for exchange in run.transport.log if exchange.answered is not None)
    assert figures.request_seconds == pytest.approx(took)
    assert figures.timeout_seconds == 4.0 + 4.0 + 10.0
    assert figures.cpu_seconds > 0


@pytest.mark.parametrize("stop_at", [0.0, 0.5, 7.0])
def test_figures_add_up_in_a_run_that_is_stopped(swept: Swept, stop_at: float) -> None:
    run = swept(many("a.test", 100), hosts={"a.test": reply(429)}, stop_at=stop_at)
    assert run.summary.seconds == stop_at
    assert sum(run.summary.bottleneck.seconds.values()) == pytest.approx(stop_at)


def test_figures_add_up_in_a_run_that_fails() -> None:
    def bug(request: Request, now: float, nth: int) -> Any:
        raise ZeroDivisionError

    async def source() -> AsyncIterator[Target]:
        yield Target("http://a.test/")
        await asyncio.sleep(3)
        yield Target("http://bug.test/")

    summary = Summary()
    transport = FakeTransport(hosts={"a.test": never(), "bug.test": bug})

    async def go() -> None:
        async for _ in Sweep(source(), BY_GET, Limits(), transport, summary=summary):
            pass

    with pytest.raises(ZeroDivisionError):
        run_virtual(go())
    assert sum(summary.bottleneck.seconds.values()) == summary.seconds == 3.0


def test_the_time_of_look_ups_is_this_runs(swept: Swept) -> None:
    transport = FakeTransport(hosts={"a.test": reply(200)})
    transport.lookup_seconds = 5.0  # of a run before
    summary = Summary()

    async def source() -> AsyncIterator[Target]:
        transport.lookup_seconds += 1.5
        yield Target("http://a.test/")

    async def go() -> None:
        async for _ in Sweep(source(), BY_GET, Limits(), transport, summary=summary):
            pass

    run_virtual(go())
    assert summary.bottleneck.lookup_seconds == 1.5


# --- slowed hosts -----------------------------------------------------------------------------------------------------


def test_a_limit_by_rate_is_told_with_what_taught_it(swept: Swept) -> None:
    bucket = TokenBucketHost(rate=20, burst=20, allowed=reply(200, after=0.05))
    run = swept([*many("a.test", 600), *many("b.test", 5)], hosts={"a.test": bucket, "b.test": reply(200)})
    (slowed,) = run.summary.bottleneck.slowed
    assert run.summary.bottleneck.slowed_hosts == 1
    assert slowed.host == "a.test:80"
    assert slowed.push_backs == {"429": bucket.refused}
    assert slowed.requests == 600 + bucket.refused
    assert slowed.rate == pytest.approx(20, rel=0.15)
    assert slowed.at_once is None
    assert run.summary.seconds * 0.9 <= slowed.held <= run.summary.seconds


def test_a_limit_by_number_is_told_with_what_taught_it(swept: Swept) -> None:
    host = ConcurrencyLimitedHost(6, served=reply(200, after=0.1), over=failure(Reason.CONNECT_REFUSED))
    run = swept(many("a.test", 600), hosts={"a.test": host})
    (slowed,) = run.summary.bottleneck.slowed
    assert (slowed.at_once, slowed.rate) == (6, None)
    assert slowed.push_backs == {"connect.refused": host.refused}


@pytest.mark.parametrize(
    ("limits", "rate"), [(Limits(delay=2.0), 0.5), (Limits(rate=4.0), 4.0), (Limits(rate=4.0, delay=1.0), 1.0)]
)
def test_a_bound_by_hand_is_told_as_what_held_the_host_back(swept: Swept, limits: Limits, rate: float) -> None:
    run = swept(many("a.test", 10), hosts={"a.test": reply(200)}, limits=limits)
    (slowed,) = run.summary.bottleneck.slowed
    assert (slowed.rate, slowed.at_once, slowed.pushed) == (rate, None, 0)
    assert slowed.held == pytest.approx(run.summary.seconds)


@pytest.mark.parametrize("answer", [reply(429), DeadHost(), failure(Reason.CONNECT_REFUSED)])
def test_a_host_that_was_given_up_is_told(swept: Swept, answer: Behaviour) -> None:
    run = swept(many("a.test", 10), hosts={"a.test": answer}, limits=Limits(patience=20.0))
    (slowed,) = run.summary.bottleneck.slowed
    assert (slowed.host, slowed.is_given_up, slowed.requests) == ("a.test:80", True, len(run.transport.log))


def test_hosts_that_were_not_held_back_are_not_told(swept: Swept) -> None:
    hosts: dict[str, Behaviour] = {
        "a.test": reply(200),
        "b.test": reply(404),
        "c.test": reply(500),
        "d.test": reply(301),
    }
    run = swept([url for host in hosts for url in many(host, 20)], hosts=hosts)
    assert run.summary.bottleneck.slowed == []
    assert run.summary.bottleneck.slowed_hosts == 0


def test_of_many_slowed_hosts_those_that_held_most_are_told_and_all_are_counted(swept: Swept) -> None:
    hosts = {f"h{number}.test": reply(200) for number in range(SLOWED_TOLD + 20)}
    urls = [url for number, host in enumerate(hosts) for url in many(host, 2 + number)]
    run = swept(urls, hosts=hosts, limits=Limits(delay=1.0))
    figures = run.summary.bottleneck
    assert figures.slowed_hosts == len(hosts)
    assert len(figures.slowed) == SLOWED_TOLD
    assert figures.slowed[0].host == f"h{SLOWED_TOLD + 19}.test:80"
    assert [slowed.held for slowed in figures.slowed] == sorted(
        (slowed.held for slowed in figures.slowed), reverse=True
    )


def test_a_group_is_told_by_what_its_hosts_share(swept: Swept) -> None:
    bucket = TokenBucketHost(rate=10, burst=1, allowed=reply(200, after=0.05))
    hosts: dict[str, Behaviour] = {"a.example.org": bucket, "b.example.org": bucket}
    run = swept([url for host in hosts for url in many(host, 50)], hosts=hosts, limits=Limits(pace_by=PaceBy.DOMAIN))
    assert [slowed.host for slowed in run.summary.bottleneck.slowed] == ["example.org"]
    assert {row.outcome for row in run.rows} == {Outcome.OK}
