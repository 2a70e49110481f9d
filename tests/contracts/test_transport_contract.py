"""What `urlsweep.transport.Transport` promises, asked of every transport there is.

A new transport is one line in TRANSPORTS.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import socket
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from urlsweep.core.model import Failure, Reason, Reply, Request
from urlsweep.testing import dns
from urlsweep.transport import BodyError, Transport
from urlsweep.transport.lean.transport import LeanTransport
from urlsweep.transport.options import TransportOptions
from urlsweep.transport.session import SessionTransport

NEEDED_FIELDS = frozenset({"location", "retry-after", "x-note"})


def _session_transport(options: TransportOptions) -> Transport:
    return SessionTransport(options, needed_fields=NEEDED_FIELDS)


def _lean_transport(options: TransportOptions) -> Transport:
    return LeanTransport(options, needed_fields=NEEDED_FIELDS)


TRANSPORTS: dict[str, Callable[[TransportOptions], Transport]] = {
    "lean": _lean_transport,
    "session": _session_transport,
}

ZONE = {
    "here.test": dns.addresses("127.0.0.1"),
    "two.test": dns.addresses("127.0.0.2", "127.0.0.3"),
    "failing.test": dns.code(dns.SERVFAIL),
}


@pytest.fixture
async def name_server() -> AsyncIterator[dns.DnsServer]:
    async with dns.DnsServer(ZONE) as server:
        yield server


@pytest.fixture(params=list(TRANSPORTS.values()), ids=list(TRANSPORTS))
async def transport(request: pytest.FixtureRequest, name_server: dns.DnsServer) -> AsyncIterator[Transport]:
    options = TransportOptions(proxies_from_environment=False, resolvers=(name_server.address,))
    made: Transport = request.param(options)
    yield made
    await made.aclose()


Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Plays one script a connection and notes what arrives."""

    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self.open = 0
        self.changed = asyncio.Condition()
        self.url = ""

    async def head(self, reader: asyncio.StreamReader) -> bytes:
        """The next request."""
        request = await reader.readuntil(b"\r\n\r\n")
        async with self.changed:
            self.requests.append(request)
            self.changed.notify_all()
        return request

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to have happened on the server's side."""
        async with asyncio.timeout(5), self.changed:
            await self.changed.wait_for(condition)


@contextlib.asynccontextmanager
async def playing(*scripts: Callable[[Server], Script]) -> AsyncIterator[Server]:
    """A server that plays the nth script on the nth connection, the last one on later ones."""
    server = Server()
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        script = scripts[min(server.connections, len(scripts) - 1)]
        server.connections += 1
        server.open += 1
        try:
            await script(server)(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()
            tasks.discard(task)
            async with server.changed:
                server.open -= 1
                server.changed.notify_all()

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"
    try:
        yield server
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def answering(*answers: bytes) -> Callable[[Server], Script]:
    """The nth request of a connection gets the nth answer; after the last one the connection is closed."""

    def bound(server: Server) -> Script:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for answer in answers:
                await server.head(reader)
                writer.write(answer)
                await writer.drain()

        return script

    return bound


def forever(answer: bytes) -> Callable[[Server], Script]:
    """Every request gets `answer`."""

    def bound(server: Server) -> Script:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                await server.head(reader)
                writer.write(answer)
                await writer.drain()

        return script

    return bound


def holding(answer: bytes) -> Callable[[Server], Script]:
    """Sends `answer` and holds the connection open until the client leaves."""

    def bound(server: Server) -> Script:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.head(reader)
            writer.write(answer)
            while await reader.read(65536):
                pass

        return script

    return bound


def ask(url: str, method: str = "GET", **fields: object) -> Request:
    options: dict[str, object] = {"timeout": 5.0, "connect_timeout": 5.0, **fields}
    return Request(url, method, "host", **options)  # type: ignore[arg-type]  # as the test gives them


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
OK_WITHOUT_BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"

ANSWERS: dict[str, tuple[bytes, int]] = {
    "plain": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200),
    "redirect": (b"HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n", 302),
    "error": (b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", 503),
    "HTTP/1.0": (b"HTTP/1.0 200 OK\r\n\r\nbody", 200),
    "no reason phrase": (b"HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", 404),
    "no content-length": (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbody", 200),
    "chunked": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", 200),
    "early hints": (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 200 + OK, 200),
    "continue": (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 200),
    "switching": (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", 101),
    "unregistered": (b"HTTP/1.1 999 No\r\nContent-Length: 0\r\n\r\n", 999),
    "60 KB field": (b"HTTP/1.1 200 OK\r\nX-Big: " + b"x" * 60_000 + b"\r\nContent-Length: 0\r\n\r\n", 200),
    "10,000 fields": (b"HTTP/1.1 200 OK\r\n" + b"X-Many: y\r\n" * 10_000 + b"Content-Length: 0\r\n\r\n", 200),
    "204 with a body": (b"HTTP/1.1 204 No Content\r\n\r\nbody", 204),
    "gzip that is none": (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nok", 200),
    "length beside chunked": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        200,
    ),
    "body cut short": (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok", 200),
}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("answer", "status"), ANSWERS.values(), ids=ANSWERS.keys())
async def test_an_answer_is_a_reply(transport: Transport, answer: bytes, status: int, method: str) -> None:
    async with playing(answering(answer)) as server:
        for _ in range(2):
            reply = await transport.send(ask(server.url, method))
            assert isinstance(reply, Reply), reply
            assert reply.status == status
            assert reply.address == "127.0.0.1"
            assert 0 <= reply.elapsed < 5
            assert {name for name, _ in reply.fields} <= NEEDED_FIELDS
        assert len(server.requests) == 2


async def test_a_redirect_is_not_followed(transport: Transport) -> None:
    async with playing(forever(ANSWERS["redirect"][0])) as server:
        reply = await transport.send(ask(server.url))
        assert isinstance(reply, Reply)
        assert reply.get("location") == "/next"
        assert len(server.requests) == 1


async def test_the_request_goes_out_as_it_is(transport: Transport) -> None:
    async with playing(forever(OK)) as server:
        fields = (("User-Agent", "t"), ("X-Note", "1"), ("X-Note", "2"))
        await transport.send(ask(f"{server.url}p|q;r//s?", headers=fields))
        host = server.url.split("/")[2].encode()
        assert server.requests == [
            b"GET /p|q;r//s? HTTP/1.1\r\nHost: " + host + b"\r\nUser-Agent: t\r\nX-Note: 1\r\nX-Note: 2\r\n\r\n"
        ]


async def test_a_connection_is_kept(transport: Transport) -> None:
    async with playing(forever(OK)) as server:
        for _ in range(3):
            assert isinstance(await transport.send(ask(server.url)), Reply)
        assert (server.connections, len(server.requests)) == (1, 3)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_kept_connection_that_was_closed_costs_nothing(transport: Transport, method: str) -> None:
    def one_answer_then_a_hang_up(server: Server) -> Script:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await server.head(reader)
            writer.write(OK if method == "GET" else OK_WITHOUT_BODY)
            await server.head(reader)

        return script

    answer = OK if method == "GET" else OK_WITHOUT_BODY
    async with playing(one_answer_then_a_hang_up, forever(answer)) as server:
        for _ in range(2):
            assert isinstance(await transport.send(ask(server.url, method)), Reply)
        assert (server.connections, len(server.requests)) == (2, 3)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_new_connection_that_is_closed_is_a_failure(transport: Transport, method: str) -> None:
    async with playing(answering(b"")) as server:
        failure = await transport.send(ask(server.url, method))
        assert isinstance(failure, Failure)
        assert failure.reason is Reason.RESPONSE_RESET
        assert len(server.requests) == server.connections == 1


async def test_the_body_of_a_head_answer_reaches_nobody(transport: Transport) -> None:
    async with playing(forever(OK)) as server:
        for method in ("HEAD", "GET", "HEAD", "HEAD", "GET"):
            reply = await transport.send(ask(server.url, method))
            assert isinstance(reply, Reply)
            assert reply.status == 200


FAILURES: dict[str, tuple[bytes, Reason]] = {
    "another protocol": (b"SSH-2.0-OpenSSH_9\r\n", Reason.RESPONSE_INVALID),
    "TLS": (b"\x15\x03\x01\x00\x02\x02\x46", Reason.RESPONSE_INVALID),
    "no status": (b"HTTP/1.1 OK\r\n\r\n", Reason.RESPONSE_INVALID),
    "binary": (bytes(range(256)) * 10, Reason.RESPONSE_INVALID),
    "endless header": (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 100_000, Reason.RESPONSE_TOO_LARGE),
    "interim storm": (b"HTTP/1.1 103 Early Hints\r\n\r\n" * 20_000, Reason.RESPONSE_TOO_LARGE),
    "huge field": (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 400_000, Reason.RESPONSE_TOO_LARGE),
}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("answer", "reason"), FAILURES.values(), ids=FAILURES.keys())
async def test_what_is_no_answer_is_a_failure(transport: Transport, answer: bytes, reason: Reason, method: str) -> None:
    async with playing(holding(answer)) as server:
        failure = await transport.send(ask(server.url, method))
        assert isinstance(failure, Failure)
        assert failure.reason is reason
        assert failure.detail.isprintable()
        assert server.connections == 1
        await server.until(lambda: server.open == 0)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nX: "])
async def test_it_ends_in_time_and_leaves_nothing_open(transport: Transport, answer: bytes) -> None:
    async with playing(holding(answer)) as server:
        failure = await transport.send(ask(server.url, timeout=0.05))
        assert isinstance(failure, Failure)
        assert failure.reason is Reason.RESPONSE_TIMEOUT
        await server.until(lambda: server.open == 0)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 100_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffff\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n",
    ],
)
async def test_a_body_that_does_not_end_costs_nothing(transport: Transport, answer: bytes) -> None:
    async with playing(holding(answer)) as server:
        assert isinstance(await transport.send(ask(server.url)), Reply)
        await server.until(lambda: server.open == 0)


# --- no connection ----------------------------------------------------------------------------------------------------


@pytest.fixture
def closed_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def swallowing_port() -> Iterator[int]:
    """A port on 127.0.0.1 whose queue of connections is full: Linux drops every attempt that comes on top."""
    with socket.socket() as listener, socket.socket() as first:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        first.connect(listener.getsockname())
        yield int(listener.getsockname()[1])


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("localhost", "127.0.0.1"),
        ("here.test", "127.0.0.1"),
        ("two.test", "127.0.0.2"),
    ],
)
async def test_refused(transport: Transport, closed_port: int, host: str, address: str, scheme: str) -> None:
    failure = await transport.send(ask(f"{scheme}://{host}:{closed_port}/"))
    assert isinstance(failure, Failure)
    assert failure.reason in (Reason.CONNECT_REFUSED, Reason.CONNECT_UNREACHABLE)  # a machine may have no ::1
    assert failure.address == address


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full queue of connections refuses")
@pytest.mark.parametrize("host", ["127.0.0.1", "here.test"])
@pytest.mark.parametrize(("in_all", "to_connect"), [(0.2, 5.0), (5.0, 0.2)])
async def test_no_answer_to_the_connection_attempt(
    transport: Transport, swallowing_port: int, host: str, in_all: float, to_connect: float
) -> None:
    url = f"http://{host}:{swallowing_port}/"
    failure = await transport.send(ask(url, timeout=in_all, connect_timeout=to_connect))
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.CONNECT_TIMEOUT
    assert failure.address == "127.0.0.1"
    assert failure.under_way == 0


def open_descriptors() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full queue of connections refuses")
async def test_an_attempt_that_goes_on_is_told_and_ends_with_the_transport(
    transport: Transport, swallowing_port: int
) -> None:
    before = open_descriptors()
    url = f"http://127.0.0.1:{swallowing_port}/"
    under_way = []
    for _ in range(3):
        failure = await transport.send(ask(url, connect_timeout=0.2, reach_timeout=0.1, attempt_timeout=60.0))
        assert isinstance(failure, Failure)
        assert failure.reason is Reason.CONNECT_TIMEOUT
        under_way.append(failure.under_way)
    # The one attempt goes on and on, or none does: each of these took 0.1 s at the least.
    assert under_way == [0, 0, 0] or under_way[0] < under_way[1] < under_way[2]
    last = await transport.send(ask(url, connect_timeout=0.1))
    assert isinstance(last, Failure)
    assert last.under_way == 0
    await transport.aclose()
    assert open_descriptors() <= before


@pytest.mark.parametrize(
    ("host", "reason"), [("no.such.invalid", Reason.DNS_NOT_FOUND), ("failing.test", Reason.DNS_FAILURE)]
)
async def test_a_name_without_an_address(transport: Transport, host: str, reason: Reason) -> None:
    failure = await transport.send(ask(f"http://{host}/"))
    assert isinstance(failure, Failure)
    assert failure.reason is reason
    assert failure.address is None


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("script", [answering(b""), holding(b""), holding(b"SSH-2.0-x\r\n")])
async def test_a_failure_after_the_connection_stood_is_not_the_addresss(
    transport: Transport, script: Callable[[Server], Script], scheme: str
) -> None:
    for patience in (0.2, 2.0, 10.0):  # this process is the server, too, and may be busy for as long
        async with playing(script) as server:
            failure = await transport.send(ask(server.url.replace("http:", f"{scheme}:"), timeout=patience))
            if server.connections:
                break
    assert server.connections == 1
    assert isinstance(failure, Failure)
    assert failure.address is None


async def test_tls_that_is_none(transport: Transport) -> None:
    def no_tls(_: Server) -> Script:
        async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        return script

    async with playing(no_tls) as server:
        failure = await transport.send(ask(server.url.replace("http:", "https:")))
        assert isinstance(failure, Failure)
        assert failure.reason is Reason.TLS_HANDSHAKE


# --- guarded, cancelled, closed ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_the_guard_refuses_what_is_not_public(transport: Transport, host: str) -> None:
    async with playing(forever(OK)) as server:
        url = server.url.replace("127.0.0.1", host)
        assert isinstance(await transport.send(ask(url)), Reply)
        failure = await transport.send(ask(url, public_only=Reason.SKIP_PRIVATE_ADDRESS))
        assert isinstance(failure, Failure)
        assert failure.reason is Reason.SKIP_PRIVATE_ADDRESS
        assert "127.0.0.1" in failure.detail
        assert len(server.requests) == 1


async def test_cancellation_passes_and_leaves_nothing_open(transport: Transport) -> None:
    async with playing(holding(b"")) as server:
        task = asyncio.create_task(transport.send(ask(server.url)))
        await server.until(lambda: bool(server.requests))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.until(lambda: server.open == 0)


async def test_closing_ends_what_is_under_way(transport: Transport) -> None:
    async with playing(holding(b"")) as server:
        task = asyncio.create_task(transport.send(ask(server.url)))
        await server.until(lambda: bool(server.requests))
        await transport.aclose()
        (outcome,) = await asyncio.gather(task, return_exceptions=True)
        assert isinstance(outcome, Failure | asyncio.CancelledError)
        await server.until(lambda: server.open == 0)
        await transport.aclose()


async def test_many_at_once(transport: Transport) -> None:
    async with playing(forever(OK)) as server:
        replies = await asyncio.gather(*(transport.send(ask(f"{server.url}{n}")) for n in range(100)))
        assert all(isinstance(reply, Reply) for reply in replies)
        paths = sorted(int(request.split()[1][1:]) for request in server.requests)
        assert paths == list(range(100))


# --- look-ups ---------------------------------------------------------------------------------------------------------


async def test_each_look_up_costs_time_once(transport: Transport, name_server: dns.DnsServer) -> None:
    async with playing(forever(OK)) as server:
        for host in ("127.0.0.1", "localhost"):
            await transport.send(ask(server.url.replace("127.0.0.1", host)))
        assert transport.lookup_seconds == 0
        url = server.url.replace("127.0.0.1", "here.test")
        assert isinstance(await transport.send(ask(url)), Reply)
        once = transport.lookup_seconds
        assert once > 0
        await asyncio.gather(*(transport.send(ask(f"{url}{n}")) for n in range(10)))
        assert transport.lookup_seconds == once
        await transport.send(ask("http://failing.test/"))
        assert transport.lookup_seconds > once
        assert {query.name for query in name_server.queries} == {"here.test", "failing.test"}


# --- open -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "head",
    [b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n"],
)
@pytest.mark.parametrize("is_coded", [False, True])
async def test_a_body_is_given_decoded(transport: Transport, head: bytes, is_coded: bool) -> None:
    text = b"<urlset/>" * 10_000
    body = gzip.compress(text) if is_coded else text
    coding = b"Content-Encoding: gzip\r\n" if is_coded else b""
    answer = head + coding + b"Content-Length: %d\r\n\r\n" % len(body) + body
    async with playing(answering(answer)) as server, transport.open(ask(server.url)) as (reply, chunks):
        assert isinstance(reply, Reply)
        assert b"".join([chunk async for chunk in chunks]) == text


async def test_a_body_that_breaks_off_is_told(transport: Transport) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"
    async with playing(answering(answer)) as server, transport.open(ask(server.url)) as (_, chunks):
        with pytest.raises(BodyError) as caught:
            async for _ in chunks:
                pass
        assert caught.value.failure.reason is Reason.RESPONSE_RESET


async def test_a_body_may_be_left_unread(transport: Transport) -> None:
    async with playing(holding(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\nstart")) as server:
        async with transport.open(ask(server.url)) as (reply, chunks):
            assert isinstance(reply, Reply)
            assert await anext(chunks) == b"start"
        await server.until(lambda: server.open == 0)


async def test_opening_what_cannot_be_had_gives_the_failure(transport: Transport) -> None:
    async with transport.open(ask("http://no.such.invalid/")) as (failure, chunks):
        assert isinstance(failure, Failure)
        assert [chunk async for chunk in chunks] == []
