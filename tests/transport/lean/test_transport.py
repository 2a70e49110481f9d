"""What is the fast transport's own: bugs are told as such, sockets are watched alike everywhere, shortages pass."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from urlsweep.core.model import Failure, Reason, Reply, Request
from urlsweep.transport.lean import poller
from urlsweep.transport.lean.head import FieldFinder
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


@pytest.mark.parametrize("place", [(FieldFinder, "begin"), (Race, "on_attempt_end"), (Race, "start")])
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
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # an earlier test may have left it in TIME_WAIT
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


@pytest.mark.parametrize("is_read", [False, True])
@pytest.mark.parametrize("is_told_first", [False, True])
async def test_an_answer_in_the_moment_of_cancelling_is_nobodys(
    serve: Serve, is_read: bool, is_told_first: bool
) -> None:
    """Both answers come in together; the one to the first request cancels who waits for the other."""
    peers: list[Peer] = []

    async def script(peer: Peer) -> None:
        await peer.head()
        peers.append(peer)
        if len(peers) == 2:
            for each in peers[::-1] if is_told_first else peers:
                await each.say(OK)
        await peer.gone()

    async def wait() -> None:
        if is_read:
            async with transport.open(ask(server.url())):
                await asyncio.sleep(60)
        await transport.send(ask(server.url()))
        await asyncio.sleep(60)

    async def later(peer: Peer) -> None:
        await peer.head()
        await is_over.wait()
        await peer.say(OK)

    is_over = asyncio.Event()
    server, other = await serve(script), await serve(later)
    transport = made()
    told: asyncio.Queue[object] = asyncio.Queue()

    def on_first(answer: object) -> None:
        waiting.cancel()
        told.put_nowait(answer)

    bystander = asyncio.create_task(transport.send(ask(other.url())))
    await other.received(1)
    transport.start(ask(server.url()), on_first)
    await server.received(1)
    waiting = asyncio.create_task(wait())
    assert isinstance(await told.get(), Reply)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    is_over.set()
    assert isinstance(await bystander, Reply)
    if is_read:
        async with asyncio.timeout(5):
            await server.gone.wait()  # nothing of it stays open
    await transport.aclose()


async def test_a_bug_in_reading_a_certificate_is_not_waited_for_for_ever(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def describe(*_: Any) -> str:
        raise KeyError("bug")

    monkeypatch.setattr("urlsweep.transport.certificates.CertificateReader.describe", describe)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA(key_type=trustme.KeyType.ECDSA).issue_cert("127.0.0.1").configure_cert(context)
    server = await serve(always_ok, context=context)
    transport = made()
    with pytest.raises(KeyError):
        async with asyncio.timeout(5):
            await transport.send(ask(server.url(scheme="https")))
    await transport.aclose()
