"""Connections: kept, retried, bounded, guarded, given up; and bodies that are read."""

from __future__ import annotations

import asyncio
import errno
import gzip
import socket
import zlib
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from urlsweep.core.model import Failure, Reason, Reply, Request
from urlsweep.transport import BodyError, Transport, bounds, session_failures
from urlsweep.transport.decoding import PIECE_BYTES

if TYPE_CHECKING:
    from tests.transport.conftest import Ask, MakeTransport, Peer, Serve

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

SESSION_ONLY = pytest.mark.parametrize("transport_kind", ["session"])  # what is planted is aiohttp's


async def always_ok(peer: Peer) -> None:
    while True:
        await peer.head()
        await peer.say(OK)


async def silent(peer: Peer) -> None:
    await peer.head()
    await peer.gone()


# --- keeping connections ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_connection_is_kept_for_the_next_request(serve: Serve, ask: Ask, method: str) -> None:
    async def script(peer: Peer) -> None:
        while True:
            request = await peer.head()
            await peer.say(OK if request.startswith(b"GET") else OK[:-2])

    server = await serve(script)
    for _ in range(3):
        assert isinstance(await ask(server.url(), method), Reply)
    assert server.connections == 1


async def test_a_body_of_64_kib_is_drained(serve: Serve, ask: Ask) -> None:
    body = b"x" * bounds.DRAIN_BYTES

    async def script(peer: Peer) -> None:
        while True:
            await peer.head()
            await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
            await asyncio.sleep(0.01)
            await peer.say(body)

    server = await serve(script)
    for _ in range(2):
        assert isinstance(await ask(server.url()), Reply)
    assert server.connections == 1


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000000\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"\0" * 10_000_000, mtime=0),
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\n",
    ],
    ids=["long", "chunked", "until closed", "gzip bomb", "closing"],
)
async def test_a_longer_body_is_not_read(serve: Serve, ask: Ask, head: bytes) -> None:
    async def endless(peer: Peer) -> None:
        await peer.head()
        await peer.say(head)
        for _ in range(16):
            await peer.say(b"x" * 65536)
        await peer.gone()

    server = await serve(endless)
    reply = await ask(server.url())
    assert isinstance(reply, Reply)
    assert reply.status == 200
    await asyncio.wait_for(server.gone.wait(), 5)
    assert isinstance(await ask(server.url()), Reply)
    assert server.connections == 2


async def test_a_short_body_that_does_not_come_costs_the_connection_not_the_reply(
    serve: Serve, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "DRAIN_SECONDS", 0.02)

    async def stingy(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await peer.gone()

    server = await serve(stingy)
    assert isinstance(await ask(server.url()), Reply)
    await asyncio.wait_for(server.gone.wait(), 5)


async def test_as_many_idle_connections_are_kept_as_requests_may_be_open(
    serve: Serve, ask: Ask, make_transport: MakeTransport
) -> None:
    transport = make_transport(concurrency=2)
    first = await serve(always_ok)
    others = [await serve(always_ok) for _ in range(2)]
    for server in (first, *others):
        assert isinstance(await ask(server.url(), transport=transport), Reply)
    for server in (others[1], others[0], first):
        assert isinstance(await ask(server.url(), transport=transport), Reply)
    assert [server.connections for server in (first, *others)] == [2, 1, 1]


# --- connections that end ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["close", "reset"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_kept_connection_that_ends_under_a_request_is_replaced(
    serve: Serve, ask: Ask, ending: str, method: str
) -> None:
    async def one_request_only(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await peer.head()
        if ending == "reset":
            peer.reset()

    server = await serve(one_request_only, always_ok)
    assert isinstance(await ask(server.url("/1"), method), Reply)
    reply = await ask(server.url("/2"), method)
    assert isinstance(reply, Reply)
    assert [request.split()[1] for request in server.requests] == [b"/1", b"/2", b"/2"]
    assert server.connections == 2


async def test_every_kept_connection_may_have_ended(serve: Serve, ask: Ask) -> None:
    gate = asyncio.Event()

    async def one_request_only(peer: Peer) -> None:
        await peer.head()
        await gate.wait()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await peer.head()

    server = await serve(one_request_only, one_request_only, one_request_only, always_ok)
    together = asyncio.gather(*(ask(server.url("/1")) for _ in range(3)))
    await server.received(3)
    gate.set()
    assert all(isinstance(reply, Reply) for reply in await together)
    assert isinstance(await ask(server.url("/2")), Reply)
    assert [request.split()[1] for request in server.requests] == [b"/1"] * 3 + [b"/2"] * 4
    assert server.connections == 4


@pytest.mark.parametrize("ending", ["close", "reset"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_new_connection_that_ends_without_an_answer_is_a_failure_at_once(
    serve: Serve, ask: Ask, ending: str, method: str
) -> None:
    async def rude(peer: Peer) -> None:
        await peer.head()
        if ending == "reset":
            peer.reset()

    server = await serve(rude)
    failure = await ask(server.url(), method)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.RESPONSE_RESET
    assert "without an answer" in failure.detail
    assert server.connections == len(server.requests) == 1


@pytest.mark.parametrize("ending", ["close", "reset"])
async def test_an_answer_that_breaks_off_in_its_header_is_not_asked_for_again(
    serve: Serve, ask: Ask, ending: str
) -> None:
    async def half(peer: Peer) -> None:
        await peer.head()
        await peer.say(OK)
        await peer.head()
        await peer.say(b"HTTP/1.1 200 OK\r\nX-Note:")
        await asyncio.sleep(0.01)
        if ending == "reset":
            peer.reset()

    server = await serve(half)
    assert isinstance(await ask(server.url()), Reply)
    failure = await ask(server.url())
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.RESPONSE_RESET
    assert "middle" in failure.detail
    assert server.connections == 1


async def test_a_connection_closed_before_the_request_is_read(serve: Serve, ask: Ask) -> None:
    async def shut(peer: Peer) -> None:
        peer.reset()

    server = await serve(shut)
    failure = await ask(server.url())
    assert isinstance(failure, Failure)
    assert failure.reason in (Reason.RESPONSE_RESET, Reason.CONNECT_RESET)
    assert server.connections == 1


# --- not getting there ------------------------------------------------------------------------------------------------


async def test_refused(ask: Ask, closed_port: int) -> None:
    failure = await ask(f"http://127.0.0.1:{closed_port}/")
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.CONNECT_REFUSED
    assert failure.detail == f"127.0.0.1:{closed_port} refused the connection"


async def test_refused_at_every_address(ask: Ask, closed_port: int) -> None:
    failure = await ask(f"http://localhost:{closed_port}/")
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.CONNECT_REFUSED
    assert failure.address == "127.0.0.1"


async def test_the_address_is_spelled_as_a_peers_is(ask: Ask, make_transport: MakeTransport, closed_port: int) -> None:
    transport = make_transport(resolve=(("pinned.example", closed_port, "0:0::0001"),))
    failure = await ask(f"http://pinned.example:{closed_port}/", transport=transport)
    assert isinstance(failure, Failure)
    assert failure.address == "::1"


async def test_a_server_that_has_left_since_its_kept_connection_is_unreached(ask: Ask, serve: Serve) -> None:
    async def once(peer: Peer) -> None:
        await peer.head()
        await peer.say(OK)
        await peer.head()

    server = await serve(once)
    url = server.url(host="localhost")
    assert isinstance(await ask(url), Reply)
    assert server._server is not None
    server._server.close()
    failure = await ask(url)
    assert isinstance(failure, Failure)
    assert (failure.reason, failure.address) == (Reason.CONNECT_REFUSED, "127.0.0.1")


async def test_the_next_address_is_tried(serve: Serve, ask: Ask) -> None:
    for _ in range(20):
        server = await serve(always_ok, host="::1")
        with socket.socket() as nobody:
            nobody.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                nobody.bind(("127.0.0.1", server.port))  # and not listening: whoever asks there is refused
            except OSError:  # another test's server is at the other family's port
                continue
            reply = await ask(server.url(host="localhost"))
        break
    assert isinstance(reply, Reply)
    assert reply.address == "::1"


@SESSION_ONLY
async def test_no_answer_to_the_connection_attempt(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()

    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(loop, "sock_connect", never)  # no address on loopback would swallow a SYN everywhere
    failure = await ask("http://127.0.0.1:9/", timeout=5.0, connect_timeout=0.05)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.CONNECT_TIMEOUT
    assert "0.05 s" in failure.detail
    assert failure.address == "127.0.0.1"


async def test_no_answer_to_the_request(serve: Serve, ask: Ask) -> None:
    server = await serve(silent)
    failure = await ask(server.url(), timeout=0.05)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.RESPONSE_TIMEOUT
    assert "did not answer within 0.05 s" in failure.detail
    await asyncio.wait_for(server.gone.wait(), 5)
    assert server.connections == 1


async def test_a_header_that_does_not_end_in_time(serve: Serve, ask: Ask) -> None:
    async def slow(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"HTTP/1.1 200 OK\r\n")
        await peer.gone()

    server = await serve(slow)
    failure = await ask(server.url(), timeout=0.05)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.RESPONSE_TIMEOUT
    assert "did not finish" in failure.detail


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE])
async def test_a_shortage_of_descriptors_is_waited_for(
    serve: Serve, ask: Ask, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(bounds, "SHORTAGE_PAUSE_SECONDS", 0.001)
    server = await serve(always_ok)
    real, refusals = socket.socket, 3

    def scarce(*args: Any, **kwargs: Any) -> socket.socket:
        nonlocal refusals
        if refusals:
            refusals -= 1
            raise OSError(number, "Too many open files")
        return real(*args, **kwargs)

    monkeypatch.setattr("aiohappyeyeballs.impl.socket.socket", scarce)
    assert isinstance(await ask(server.url()), Reply)
    assert refusals == 0


async def test_a_shortage_that_lasts_is_told_as_this_machines(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(*_: Any, **__: Any) -> socket.socket:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr("aiohappyeyeballs.impl.socket.socket", none_left)
    failure = await ask("http://127.0.0.1:9/", connect_timeout=0.05)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.CONNECT_TIMEOUT
    assert "this machine ran out of file descriptors" in failure.detail
    assert failure.address is None


@SESSION_ONLY
async def test_a_shortage_gives_idle_connections_up(serve: Serve, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    server = await serve(always_ok)
    other = await serve(always_ok)
    assert isinstance(await ask(server.url()), Reply)
    real = aiohttp.TCPConnector._create_connection
    calls = 0

    async def scarce(self: aiohttp.TCPConnector, *args: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise OSError(errno.EMFILE, "Too many open files")
        return await real(self, *args)

    monkeypatch.setattr(aiohttp.TCPConnector, "_create_connection", scarce)
    assert isinstance(await ask(other.url()), Reply)
    assert isinstance(await ask(server.url()), Reply)
    assert server.connections == 2


# --- the guard --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "10.0.0.1"])
async def test_a_literal_address_that_is_not_public_is_refused_before_anything_is_sent(
    serve: Serve, ask: Ask, host: str
) -> None:
    server = await serve(always_ok)
    failure = await ask(f"http://{host}:{server.port}/", public_only=Reason.SKIP_PRIVATE_ADDRESS)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.SKIP_PRIVATE_ADDRESS
    assert "not a public address" in failure.detail
    assert server.connections == 0


@pytest.mark.parametrize("host", ["localhost", "rebound.example"])
async def test_a_name_of_no_public_address_is_refused(
    serve: Serve, ask: Ask, make_transport: MakeTransport, host: str
) -> None:
    server = await serve(always_ok)
    transport = make_transport(resolve=(("rebound.example", server.port, "127.0.0.1"),))
    assert isinstance(await ask(server.url(host=host), transport=transport), Reply)
    failure = await ask(server.url(host=host), transport=transport, public_only=Reason.REDIRECT_FORBIDDEN)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.REDIRECT_FORBIDDEN
    assert failure.detail == f"{host} has the address 127.0.0.1, which is not public"
    assert (server.connections, len(server.requests)) == (1, 1)


async def test_only_the_public_ones_of_a_names_addresses_are_connected_to(
    serve: Serve, ask: Ask, make_transport: MakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    private, public = await serve(always_ok, host="127.0.0.1"), await serve(always_ok, host="::1")
    for place in ("session_names", "lean.call"):
        monkeypatch.setattr(f"urlsweep.transport.{place}.is_public", lambda address: address == "::1")
    transport = make_transport(
        resolve=(("both.example", public.port, "127.0.0.1"), ("both.example", public.port, "::1"))
    )
    reply = await ask(public.url(host="both.example"), transport=transport, public_only=Reason.REDIRECT_FORBIDDEN)
    assert isinstance(reply, Reply)
    assert reply.address == "::1"
    assert private.connections == 0


# --- ending -----------------------------------------------------------------------------------------------------------


async def test_cancelling_ends_the_connection(serve: Serve, ask: Ask) -> None:
    server = await serve(silent)
    task = asyncio.create_task(ask(server.url()))
    await server.received(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.wait_for(server.gone.wait(), 5)


async def test_closing_ends_what_is_under_way(serve: Serve, ask: Ask, make_transport: MakeTransport) -> None:
    transport = make_transport()
    server = await serve(silent)
    task = asyncio.create_task(ask(server.url(), transport=transport))
    await server.received(1)
    await transport.aclose()
    await transport.aclose()
    assert isinstance(await task, Failure)
    await asyncio.wait_for(server.gone.wait(), 5)
    with pytest.raises(RuntimeError, match="closed"):
        await ask(server.url(), transport=transport)


@SESSION_ONLY
async def test_a_bug_is_not_called_a_dead_link(serve: Serve, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    async def buggy(*_: Any) -> None:
        raise KeyError("bug")

    monkeypatch.setattr(aiohttp.TCPConnector, "_create_connection", buggy)
    with pytest.raises(KeyError):
        await ask("http://127.0.0.1:9/")


# --- bodies -----------------------------------------------------------------------------------------------------------


async def _read(transport: Transport, url: str, patience: float = 5.0) -> bytes:
    async with transport.open(Request(url, "GET", "host", timeout=patience)) as (reply, chunks):
        assert isinstance(reply, Reply)
        parts = [chunk async for chunk in chunks]
    assert all(0 < len(part) <= PIECE_BYTES for part in parts)
    return b"".join(parts)


@pytest.mark.parametrize(
    ("coding", "encode"),
    [
        (b"", bytes),
        (b"Content-Encoding: gzip\r\n", gzip.compress),
        (b"Content-Encoding: deflate\r\n", zlib.compress),
        (b"Content-Encoding: deflate\r\n", lambda data: zlib.compress(data)[2:-4]),
        (b"Content-Encoding: identity\r\n", bytes),
    ],
    ids=["plain", "gzip", "deflate", "raw deflate", "identity"],
)
@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
async def test_a_body_is_given_decoded(
    serve: Serve, make_transport: MakeTransport, coding: bytes, encode: Any, framing: str
) -> None:
    text = b"<urlset/>" * 50_000
    body = encode(text)

    async def script(peer: Peer) -> None:
        await peer.head()
        if framing == "length":
            await peer.say(b"HTTP/1.1 200 OK\r\n" + coding + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        elif framing == "chunked":
            await peer.say(b"HTTP/1.1 200 OK\r\n" + coding + b"Transfer-Encoding: chunked\r\n\r\n")
            await peer.say(b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n")
        else:
            await peer.say(b"HTTP/1.0 200 OK\r\n" + coding + b"\r\n" + body)

    server = await serve(script)
    assert await _read(make_transport(), server.url()) == text


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", Reason.RESPONSE_RESET),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", Reason.RESPONSE_RESET),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n", Reason.RESPONSE_INVALID),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\nnot gzip..", Reason.RESPONSE_INVALID),
        (
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(range(256)) * 99, mtime=0)[:-20],
            Reason.RESPONSE_INVALID,
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 4\r\n\r\nbrbr", Reason.RESPONSE_INVALID),
    ],
)
async def test_a_body_that_breaks_off_says_how(
    serve: Serve, make_transport: MakeTransport, answer: bytes, reason: Reason
) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.say(answer)

    server = await serve(script)
    with pytest.raises(BodyError) as caught:
        await _read(make_transport(), server.url())
    assert caught.value.failure.reason is reason


async def test_a_body_that_stalls_is_given_up(serve: Serve, make_transport: MakeTransport) -> None:
    async def stall(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
        await peer.gone()

    server = await serve(stall)
    with pytest.raises(BodyError) as caught:
        await _read(make_transport(), server.url(), patience=0.05)
    assert caught.value.failure.reason is Reason.RESPONSE_TIMEOUT


async def test_a_body_that_drips_on_is_given_up(
    serve: Serve, make_transport: MakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounds, "BODY_TIMEOUTS", 0.01)

    async def drip(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await peer.say(b"x")
            await asyncio.sleep(0.001)

    server = await serve(drip)
    with pytest.raises(BodyError) as caught:
        await _read(make_transport(), server.url())
    assert caught.value.failure.reason is Reason.RESPONSE_TIMEOUT


async def test_a_bomb_is_given_in_small_pieces(serve: Serve, make_transport: MakeTransport) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb) + bomb)
        await peer.gone()

    server = await serve(script)
    transport = make_transport()
    total = 0
    async with transport.open(Request(server.url(), "GET", "host")) as (_, chunks):
        async for chunk in chunks:
            assert len(chunk) <= PIECE_BYTES
            total += len(chunk)
            if total > 1_000_000:
                break
    assert 1_000_000 < total <= 1_000_000 + PIECE_BYTES


async def test_opening_what_cannot_be_had_gives_the_failure(make_transport: MakeTransport, closed_port: int) -> None:
    async with make_transport().open(Request(f"http://127.0.0.1:{closed_port}/", "GET", "host")) as (failure, chunks):
        assert isinstance(failure, Failure)
        assert [chunk async for chunk in chunks] == []


def test_a_cause_is_looked_for_once_in_a_circle() -> None:
    first, second = OSError(1), OSError(2)
    first.__cause__, second.__cause__ = second, first
    assert list(session_failures.causes(first)) == [first, second]
