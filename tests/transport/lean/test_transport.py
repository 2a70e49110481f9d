"""What is the fast transport's own: bugs are told as such, sockets are watched alike everywhere, shortages pass."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import TYPE_CHECKING, Any

import pytest

from urlsweep.core.model import Failure, Reason, Reply, Request
from urlsweep.transport.lean import poller
from urlsweep.transport.lean.head import HeadReader
from urlsweep.transport.lean.race import Race
from urlsweep.transport.lean.transport import LeanTransport
from urlsweep.transport.options import TransportOptions

if TYPE_CHECKING:
    from tests.transport.conftest import Peer, Serve

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def always_ok(peer: Peer) -> None:
    while True:
        await peer.head()
        await peer.say(OK)


def ask(url: str, method: str = "GET", **fields: Any) -> Request:
    return Request(url, method, "host", **{"timeout": 5.0, "connect_timeout": 5.0, **fields})


def made() -> LeanTransport:
    return LeanTransport(TransportOptions(proxies_from_environment=False), needed_fields=())


@pytest.mark.parametrize("place", [(HeadReader, "feed"), (Race, "on_attempt_end"), (Race, "start")])
async def test_a_bug_is_not_called_a_dead_link(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, place: tuple[type, str]
) -> None:
    def buggy(*_: Any) -> Any:
        raise KeyError("bug")

    server = await serve(always_ok)
    transport = made()
    monkeypatch.setattr(*place, buggy)
    with pytest.raises(KeyError):
        await transport.send(ask(server.url()))
    await transport.aclose()


async def test_a_loop_watches_as_an_epoll_does(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("urlsweep.transport.lean.transport.poller", poller.LoopPoller)
    server = await serve(always_ok)
    transport = made()
    events = await asyncio.gather(*(transport.send(ask(server.url(f"/{number}"))) for number in range(50)))
    assert {event.status for event in events if isinstance(event, Reply)} == {200}
    async with transport.open(ask(server.url())) as (reply, chunks):
        assert isinstance(reply, Reply)
        assert [chunk async for chunk in chunks] == [b"ok"]
    await transport.aclose()


async def test_a_great_body_waits_for_its_reader(serve: Serve) -> None:
    body = bytes(range(256)) * 20_000

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await peer.head()
        await peer.say(OK)

    server = await serve(script)
    transport = made()
    read = bytearray()
    async with transport.open(ask(server.url())) as (_, chunks):
        async for chunk in chunks:
            read += chunk
            await asyncio.sleep(0)
    assert bytes(read) == body
    assert isinstance(await transport.send(ask(server.url())), Reply)
    assert server.connections == 1
    await transport.aclose()


async def test_a_shortage_of_descriptors_gives_idle_connections_up(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, other = await serve(always_ok), await serve(always_ok)
    transport = made()
    assert isinstance(await transport.send(ask(server.url())), Reply)
    real, refusals = Race._try, 1

    def scarce(self: Race, address: str) -> int:
        nonlocal refusals
        if refusals:
            refusals -= 1
            return errno.EMFILE
        return real(self, address)

    monkeypatch.setattr(Race, "_try", scarce)
    assert isinstance(await transport.send(ask(other.url())), Reply)
    assert isinstance(await transport.send(ask(server.url())), Reply)
    assert server.connections == 2
    await transport.aclose()


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ((("X", "a\r\nY: b"),), "http://127.0.0.1:9/"),
        ((("X Y", "a"),), "http://127.0.0.1:9/"),
        ((), "http://127.0.0.1:9/a b"),
        ((), "http://127.0.0.1:9/a\r\nX: y"),
    ],
)
async def test_what_cannot_be_sent_is_not(fields: tuple[tuple[str, str], ...], url: str) -> None:
    transport = made()
    event = await transport.send(ask(url, headers=fields))
    assert isinstance(event, Failure)
    assert event.reason is Reason.RESPONSE_INVALID
    assert "could not be made" in event.detail
    await transport.aclose()


async def test_after_cancelling_nobody_is_told(serve: Serve) -> None:
    server = await serve(always_ok)
    transport = made()
    told: asyncio.Queue[object] = asyncio.Queue()
    handles = [transport.start(ask(server.url()), told.put_nowait) for _ in range(3)]
    handles[1].cancel()
    handles[1].cancel()
    for _ in range(2):
        assert isinstance(await told.get(), Reply)
    for handle in handles:
        handle.cancel()
    await transport.aclose()
    assert told.empty()


async def test_the_address_of_the_second_family_is_tried_beside_a_silent_first(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("urlsweep.transport.lean.race.ATTEMPT_DELAY", 0.01)
    server = await serve(always_ok, host="127.0.0.2")
    with socket.socket() as listener, socket.socket() as first:
        listener.bind(("127.0.0.1", server.port))
        listener.listen(0)
        first.connect(listener.getsockname())  # its queue is full: Linux drops every attempt that comes on top
        resolve = tuple(("two.test", server.port, address) for address in ("127.0.0.1", "127.0.0.2"))
        options = TransportOptions(resolve=resolve, proxies_from_environment=False)
        transport = LeanTransport(options, needed_fields=())
        reply = await transport.send(ask(server.url(host="two.test")))
        assert isinstance(reply, Reply)
        assert reply.address == "127.0.0.2"
        await transport.aclose()
