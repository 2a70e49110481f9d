"""Attempts to connect that go on after their request: who takes them over, when they end, what they count for.

The hosts accept late: see `tests.transport.full`.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from tests.transport.full import Full

from urlsweep.core.model import Failure, Reason, Reply, Request
from urlsweep.transport.lean import transport as lean
from urlsweep.transport.lean.poller import poller
from urlsweep.transport.lean.race import Race
from urlsweep.transport.lean.transport import LeanTransport
from urlsweep.transport.options import TransportOptions

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full queue of connections refuses")

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def full() -> Iterator[Full]:
    made = Full()
    yield made
    made.close()


def made(concurrency: int = 256) -> LeanTransport:
    options = TransportOptions(proxies_from_environment=False, concurrency=concurrency)
    return LeanTransport(options, needed_fields=())


def early(url: str, **fields: Any) -> Request:
    times = {"timeout": 5.0, "connect_timeout": 0.1, "attempt_timeout": 30.0}
    return Request(url, "GET", "host", **{**times, **fields})


def last(url: str, reach: float = 0.1) -> Request:
    return Request(url, "GET", "host", timeout=5.0, connect_timeout=5.0, reach_timeout=reach)


async def unaccepted(transport: LeanTransport, request: Request) -> Failure:
    failure = await transport.send(request)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.CONNECT_TIMEOUT
    return failure


def open_sockets() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def settled(is_so: Any) -> None:
    async with asyncio.timeout(10):
        while not is_so():  # noqa: ASYNC110 - the system's table of descriptors tells nobody
            await asyncio.sleep(0.01)


async def answer(peer: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(10):
        while (data := await loop.sock_recv(peer, 65536)) and not data.endswith(b"\r\n\r\n"):
            pass
    if data:
        await loop.sock_sendall(peer, OK)


async def test_a_host_that_accepts_late_is_met_by_the_first_attempt(full: Full) -> None:
    transport = made()
    failure = await unaccepted(transport, early(full.url))
    assert 0.1 <= failure.under_way <= failure.elapsed
    full.drain()
    peer = await full.accept()  # nobody is asking: it is the first request's
    asked = asyncio.create_task(transport.send(last(full.url)))
    await answer(peer)
    reply = await asked
    assert isinstance(reply, Reply)
    assert reply.address == "127.0.0.1"
    await transport.aclose()


async def test_a_host_that_accepts_while_it_is_asked_again_is_met(full: Full) -> None:
    async def serve() -> None:
        while True:
            peer = await full.accept()
            answers.append(asyncio.create_task(answer(peer)))

    answers: list[asyncio.Task[None]] = []
    transport = made()
    await unaccepted(transport, early(full.url))
    asked = asyncio.create_task(transport.send(last(full.url, 5.0)))
    full.drain()
    serving = asyncio.create_task(serve())
    assert isinstance(await asked, Reply)
    tasks = [serving, *answers]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await transport.aclose()


async def test_a_connection_that_was_about_to_be_told_stays_for_the_next(full: Full) -> None:
    transport = made()
    await unaccepted(transport, early(full.url))
    full.drain()
    peer = await full.accept()
    await asyncio.sleep(0.05)  # the transport has seen it, too
    told: asyncio.Queue[object] = asyncio.Queue()
    hasty = transport.start(early(full.url), told.put_nowait)
    hasty.on_due(hasty.due)
    assert isinstance(told.get_nowait(), Failure)
    asked = asyncio.create_task(transport.send(last(full.url)))
    await answer(peer)
    assert isinstance(await asked, Reply)
    await transport.aclose()


async def test_of_the_attempts_the_oldest_goes_on_for_its_own_time(full: Full) -> None:
    transport = made()
    before = open_sockets()
    times = [(await unaccepted(transport, early(full.url))).under_way for _ in range(4)]
    assert times == sorted(set(times))
    assert times[-1] >= 0.4
    assert open_sockets() == before + 1
    await unaccepted(transport, last(full.url))  # it leaves nothing
    assert open_sockets() == before
    failure = await unaccepted(transport, early(full.url, attempt_timeout=0.3))
    assert failure.under_way > 0
    await settled(lambda: open_sockets() == before)
    await transport.aclose()


async def test_an_attempt_that_has_had_its_time_does_not_go_on(full: Full) -> None:
    transport = made()
    before = open_sockets()
    failure = await unaccepted(transport, early(full.url, attempt_timeout=0.05))
    assert failure.under_way == 0
    assert open_sockets() == before
    await transport.aclose()


async def test_no_more_go_on_than_there_are_requests_at_once() -> None:
    with ExitStack() as stack:
        hosts = [stack.enter_context(closing(Full())) for _ in range(3)]
        transport = made(concurrency=2)
        before = open_sockets()
        failures = [await unaccepted(transport, early(host.url)) for host in hosts]
        assert [bool(failure.under_way) for failure in failures] == [True, True, False]
        assert open_sockets() == before + 2
        await transport.aclose()
        assert open_sockets() < before


async def test_one_that_was_joined_counts_on() -> None:
    with ExitStack() as stack:
        hosts = [stack.enter_context(closing(Full())) for _ in range(3)]
        transport = made(concurrency=2)
        for host in hosts[:2]:
            assert (await unaccepted(transport, early(host.url))).under_way
        joined = transport.start(last(hosts[0].url, 5.0), lambda _: None)
        assert not (await unaccepted(transport, early(hosts[2].url))).under_way  # beside it, and the one that is left
        joined.cancel()
        assert (await unaccepted(transport, early(hosts[2].url))).under_way
        await transport.aclose()


async def test_there_are_never_more_sockets_than_two_for_each_request() -> None:
    with ExitStack() as stack:
        late, *others = [stack.enter_context(closing(Full())) for _ in range(3)]
        transport = made(concurrency=1)
        before = open_sockets()
        assert (await unaccepted(transport, early(late.url))).under_way
        handles = []
        for count, other in enumerate(others, start=1):  # one more than there may be, so that it gets tight
            handles.append(transport.start(last(other.url, 5.0), lambda _: None))
            assert open_sockets() == before + 2, count
        for handle in handles:
            handle.cancel()
        asked = asyncio.create_task(transport.send(last(late.url, reach=0.0)))  # it has lost time, and is waited for
        late.drain()
        await answer(await late.accept())
        assert isinstance(await asked, Reply)
        await transport.aclose()


class Crowded:
    """Room for no more sockets, or for some."""

    attempts = 0
    has_room = False

    def make_room(self) -> bool:
        return self.has_room


class Waiting:
    def on_connected(self, sock: socket.socket, address: str) -> None:
        raise AssertionError(address)

    def on_failed(self, errnos: Sequence[int]) -> None:
        raise AssertionError(errnos)


async def test_a_third_address_waits_for_room_and_a_second_does_not() -> None:
    loop, room = asyncio.get_running_loop(), Crowded()
    with closing(Full("0.0.0.0")) as full:
        watching = poller(loop, lambda error: None)
        addresses = [f"127.0.0.{number}" for number in range(1, 5)]
        race = Race(loop, watching, room, addresses, full.port, Waiting())
        race.start()
        for count in (2, 2, 2):
            race.on_due()
            assert room.attempts == count
            assert race.due is not None
        assert race.untried == addresses[2:]
        room.has_room = True
        race.on_due()
        race.on_due()
        assert room.attempts == 4
        assert race.due is None
        race.cancel()
        assert room.attempts == 0
        watching.aclose()


async def test_idle_connections_make_room(full: Full) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65536):
            writer.write(OK)
        writer.close()
        is_closed.set()

    is_closed = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    transport = made(concurrency=1)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    assert isinstance(await transport.send(last(url, 5.0)), Reply)
    assert (await unaccepted(transport, early(full.url))).under_way
    async with asyncio.timeout(5):
        await is_closed.wait()
    await transport.aclose()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("end", ["cancel", "aclose"])
async def test_nothing_stays_open(full: Full, end: str) -> None:
    transport = made()
    before = open_sockets()
    await unaccepted(transport, early(full.url))
    handle = transport.start(last(full.url, 5.0), lambda _: None)
    assert open_sockets() == before + 2
    if end == "cancel":
        handle.cancel()
        assert open_sockets() == before
    await transport.aclose()
    assert open_sockets() < before  # the transport's own went with them


async def test_a_host_that_left_before_its_connection_was_wanted_is_waited_for_in_full(full: Full) -> None:
    transport = made()
    before = open_sockets()
    await unaccepted(transport, early(full.url))
    full.drain()
    (await full.accept()).close()
    await settled(lambda: open_sockets() == before + 1)  # the one that was drained
    request = asyncio.create_task(transport.send(last(full.url, reach=0.0)))
    await answer(await full.accept())
    assert isinstance(await request, Reply)
    await transport.aclose()


async def test_a_shortage_of_ours_costs_nobody_its_time(full: Full) -> None:
    transport = made()
    before = open_sockets()
    await unaccepted(transport, early(full.url))
    transport.drop_unused()
    assert open_sockets() == before
    asked = asyncio.create_task(transport.send(last(full.url, reach=0.0)))
    full.drain()
    await answer(await full.accept())
    assert isinstance(await asked, Reply)
    await transport.aclose()


async def test_what_goes_on_is_not_forgotten_with_its_origin(full: Full, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean, "ORIGINS_KEPT", 2)
    transport = made(concurrency=1)
    times = [(await unaccepted(transport, early(full.url))).under_way]
    for port in range(1, 9):
        await transport.send(last(f"http://127.0.0.1:{port}/", 5.0))
    times.append((await unaccepted(transport, early(full.url))).under_way)
    assert times[1] >= times[0] + 0.1
    await transport.aclose()
