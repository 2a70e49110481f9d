"""A whole run in a made-up world, under virtual time, in one call."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from tests.workers.memory import SHARDS, MemoryCrew

from urlsweep.core.limits import Limits, PaceBy
from urlsweep.core.model import Outcome, Result, Target
from urlsweep.core.policy import Policy
from urlsweep.core.summary import Summary
from urlsweep.engine import Sweep, Targets
from urlsweep.testing.fake import Behaviour, Exchange, FakeTransport
from urlsweep.testing.virtual_time import run_virtual

START = 1_900_000_000.0
"""The time of day when a run's loop stands at 0: servers that name a time of day mean the same as the run does."""


@dataclass
class Run:
    """What came of a run."""

    rows: list[Result]
    times: list[float]  # when each row was given
    summary: Summary
    transport: FakeTransport
    sweep: Sweep

    @property
    def outcomes(self) -> Counter[tuple[Outcome, str | None]]:
        """How many rows have which outcome and reason."""
        return Counter((row.outcome, row.reason) for row in self.rows)

    @property
    def verdicts(self) -> dict[str, tuple[Outcome, str | None]]:
        return {row.url: (row.outcome, row.reason) for row in self.rows}

    def of(self, host: str) -> list[Result]:
        """The rows of the URLs of `host`."""
        return [row for row in self.rows if row.url.split("/")[2] == host]

    def exchanges(self, host_key: str) -> list[Exchange]:
        """What `host_key` was asked, in order."""
        return [exchange for exchange in self.transport.log if exchange.request.host_key == host_key]

    def sent(self, host_key: str) -> list[float]:
        """When `host_key` was asked."""
        return [exchange.sent for exchange in self.exchanges(host_key)]


def swept(
    targets: Targets | Iterable[str],
    world: Mapping[str, Behaviour] | None = None,
    *,
    hosts: Mapping[str, Behaviour] | None = None,
    policy: Policy | None = None,
    limits: Limits | None = None,
    outages: Sequence[tuple[float, float]] = (),
    stop_at: float | None = None,
    shards: int = SHARDS,
    delay: float = 0.0,
    each: Callable[[Run], None] | None = None,
    **options: Any,
) -> Run:
    """A run to its end, or to `stop_at` on the loop's clock; `each` is called after every row. It is made over so many
    `shards`, which are told things `delay` seconds late, where its limits can be shared out.

    Whatever is asked of it, a run gives a row for each target read, leaves no task and no request behind, and its
    figures of what limited it add up to its time.
    """
    transport = FakeTransport(world, hosts=hosts, outages=outages)
    summary = Summary()
    if isinstance(targets, list | tuple):
        targets = [target if isinstance(target, Target) else Target(target) for target in targets]

    async def go() -> Run:
        loop = asyncio.get_running_loop()
        options.setdefault("wall", lambda: START + loop.time())
        bounds = limits or Limits()
        if shards > 1 and bounds.concurrency >= shards and bounds.pace_by is not PaceBy.ADDRESS:
            options.setdefault("crew", MemoryCrew(shards, transport, wall=options["wall"], delay=delay))
        sweep = Sweep(
            targets,  # type: ignore[arg-type]  # strings are Targets by now
            policy or Policy(jitter=0),
            bounds,
            transport,
            summary=summary,
            **{"seed": 1, **options},
        )
        if stop_at is not None:
            loop.call_later(stop_at, sweep.stop)
        run = Run([], [], summary, transport, sweep)
        async for row in sweep:
            run.rows.append(row)
            run.times.append(loop.time())
            if each is not None:
                each(run)
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []
        return run

    run = run_virtual(go())
    assert transport.in_flight == 0
    assert len(run.rows) == summary.rows_in == summary.rows_out
    assert sum(summary.bottleneck.seconds.values()) == pytest.approx(summary.seconds)
    return run


Swept = Callable[..., Run]


@pytest.fixture(name="swept")
def swept_fixture() -> Swept:
    """The function `swept`: what it takes and gives stands there."""
    return swept
