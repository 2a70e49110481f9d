"""Worker processes as the library starts and ends them."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence
from contextlib import aclosing

import pytest

import urlsweep
from urlsweep.asking import CrewError, WorkerError
from urlsweep.core.limits import Limits
from urlsweep.core.model import Result, Target
from urlsweep.core.policy import Policy
from urlsweep.engine import Sweep
from urlsweep.testing.fake import FakeTransport
from urlsweep.testing.faults import FaultServer
from urlsweep.testing.scripts import hang, redirect, respond
from urlsweep.transport.options import TransportOptions
from urlsweep.workers import processes
from urlsweep.workers.processes import Crew, Member, crew

OPTIONS = TransportOptions(proxy="")
SETTINGS = urlsweep.Settings(processes=2, proxy="", sort=True)


def hosts_of(server: FaultServer, count: int = 8) -> list[str]:
    """Hosts that `server` answers for, of both shards."""
    return [f"http://127.0.0.{number}:{server.port}" for number in range(1, count + 1)]


def is_gone(crew: Crew) -> bool:
    return all(member.process.returncode is not None for member in crew.members)


async def test_the_library_asks_over_processes_too() -> None:
    async with FaultServer({"/": respond(200), "/gone": respond(404)}, host="0.0.0.0") as server:
        hosts = hosts_of(server)
        server.routes["/moved"] = redirect(302, f"{hosts[-1]}/gone")
        urls = [f"{host}{path}" for path in ("/", "/gone", "/moved") for host in hosts]
        summary = urlsweep.Summary()
        rows = [row async for row in urlsweep.sweep(urls, SETTINGS, summary=summary)]
    assert [row.url for row in rows] == urls
    assert [row.status for row in rows] == [200] * 8 + [404] * 16
    assert {row.final_url for row in rows[16:]} == {f"{hosts[-1]}/gone"}
    assert summary.requests == len(server.requests)


async def test_whoever_leaves_early_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Crew] = []

    class Seen(Crew):
        def __init__(self, members: Sequence[Member], options: TransportOptions) -> None:
            super().__init__(members, options)
            opened.append(self)

    monkeypatch.setattr(processes, "Crew", Seen)
    async with FaultServer({"/": respond(200), "/hangs": hang()}, host="0.0.0.0") as server:
        urls = [f"{host}{path}" for host in hosts_of(server) for path in ("/", "/hangs")]
        async with aclosing(urlsweep.sweep(urls, SETTINGS)) as results:
            async for row in results:
                assert row.status == 200
                break
        assert is_gone(opened[0])


async def test_a_worker_that_goes_away_is_an_error_after_the_rows() -> None:
    async with FaultServer({"/": hang()}, host="0.0.0.0") as server, crew(2, OPTIONS) as workers:
        targets = [Target(f"{host}/") for host in hosts_of(server)]
        sweep = Sweep(targets, Policy(), Limits(), FakeTransport(), crew=workers)
        loop = asyncio.get_running_loop()
        loop.call_later(0.5, os.kill, workers.members[0].process.pid, signal.SIGKILL)
        rows: list[Result] = []

        async def take() -> None:
            async for row in sweep:
                rows.append(row)  # noqa: PERF401  those before the error are wanted

        with pytest.raises(WorkerError, match=r"worker 1 \(process [0-9]+\) was killed by SIGKILL"):
            await take()
        assert [row.reason for row in rows] == ["skip.unfinished"] * 8
    assert is_gone(workers)


async def test_workers_that_were_never_told_anything_go_as_well() -> None:
    async with crew(2, OPTIONS) as workers:
        assert not is_gone(workers)
    assert is_gone(workers)


async def test_a_worker_that_is_gone_before_the_run_begins_is_told() -> None:
    async with crew(1, OPTIONS) as workers:
        workers.members[0].process.kill()
        await asyncio.sleep(0.05)
        sweep = Sweep([Target("http://127.0.0.1:9/")], Policy(), Limits(), FakeTransport(), crew=workers)
        with pytest.raises(WorkerError, match="was killed by SIGKILL"):
            assert [row.reason async for row in sweep] == []


async def test_a_transport_that_is_given_is_for_one_process() -> None:
    with pytest.raises(ValueError, match="cannot be used by several processes"):
        async for _ in urlsweep.sweep(["http://a.test/"], SETTINGS, transport=FakeTransport()):
            pass


async def test_workers_that_cannot_be_started_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    with pytest.raises(CrewError, match="a worker process cannot be started"):
        async for _ in urlsweep.sweep(["http://a.test/"], SETTINGS):
            pass


def test_on_uvloop() -> None:
    uvloop = pytest.importorskip("uvloop")

    async def go() -> list[int | None]:
        async with FaultServer({"/": respond(200)}, host="0.0.0.0") as server:
            urls = [f"{host}/" for host in hosts_of(server)]
            return [row.status async for row in urlsweep.sweep(urls, SETTINGS)]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(go()) == [200] * 8
