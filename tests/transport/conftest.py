"""Scripted servers on loopback: one script a connection, and a count of everything that arrived."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import pytest

from urlsweep.core.model import Failure, Reply, Request
from urlsweep.transport import dns
from urlsweep.transport.lean.transport import LeanTransport
from urlsweep.transport.options import TransportOptions
from urlsweep.transport.session import SessionTransport


@pytest.fixture(autouse=True)
def _has_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever machine this is, both families are asked for at once."""
    monkeypatch.setattr(dns, "has_ipv6", lambda: True)


NEEDED_FIELDS = frozenset({"location", "retry-after", "set-cookie", "server", "x-note"})


class Peer:
    """The server's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, server: ScriptedServer) -> None:
        self._reader = reader
        self._writer = writer
        self._server = server

    async def head(self) -> bytes:
        """The next request, recorded."""
        request = await self._reader.readuntil(b"\r\n\r\n")
        self._server.record(request)
        return request

    async def say(self, data: bytes) -> None:
        """Send, and wait until the kernel has taken it."""
        self._writer.write(data)
        await self._writer.drain()

    async def read(self, count: int) -> bytes:
        """Exactly `count` bytes."""
        return await self._reader.readexactly(count)

    async def gone(self) -> None:
        """Wait until the client has closed the connection."""
        with contextlib.suppress(ConnectionError):
            while await self._reader.read(65536):
                pass
        self._server.gone.set()

    def reset(self) -> None:
        """End the connection with a RST."""
        raw: socket.socket = self._writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    def hang_up(self) -> None:
        """End the connection, without TLS's farewell."""
        self._writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]


class ScriptedServer:
    """Plays the nth script on the nth connection, the last one on all later ones."""

    def __init__(self, scripts: tuple[Script, ...]) -> None:
        self._scripts = scripts
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        self.requests: list[bytes] = []
        self.gone = asyncio.Event()
        self._news = asyncio.Event()
        self.errors: list[BaseException] = []

    async def start(self, context: ssl.SSLContext | None, host: str, **options: Any) -> None:
        self._server = await asyncio.start_server(self._accept, host, 0, ssl=context, limit=2**20, **options)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        script = self._scripts[min(self.connections, len(self._scripts) - 1)]
        self.connections += 1
        self._news.set()
        try:
            await script(Peer(reader, writer, self))
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            pass  # the client left
        except asyncio.CancelledError:
            pass  # the test is over
        except BaseException as error:
            self.errors.append(error)
        finally:
            if writer.transport.get_extra_info("sslcontext") is None:
                writer.close()
            else:
                writer.transport.abort()

    def record(self, request: bytes) -> None:
        self.requests.append(request)
        self._news.set()

    async def received(self, count: int) -> None:
        """Wait until `count` requests have arrived."""
        await self._until(lambda: len(self.requests) >= count)

    async def connected(self, count: int) -> None:
        """Wait until `count` connections have been made."""
        await self._until(lambda: self.connections >= count)

    async def _until(self, has_happened: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not has_happened():
                self._news.clear()
                await self._news.wait()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    def url(self, path: str = "/", host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        assert self.errors == []


Serve = Callable[..., Awaitable[ScriptedServer]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """``await serve(script, ..., context=None, host="127.0.0.1")``: a running ScriptedServer."""
    servers: list[ScriptedServer] = []

    async def start(
        *scripts: Script, context: ssl.SSLContext | None = None, host: str = "127.0.0.1", **options: Any
    ) -> ScriptedServer:
        server = ScriptedServer(scripts)
        await server.start(context, host, **options)
        servers.append(server)
        return server

    yield start
    for server in servers:
        await server.stop()


AnyTransport = SessionTransport | LeanTransport
MakeTransport = Callable[..., AnyTransport]
KINDS: dict[str, type[AnyTransport]] = {"session": SessionTransport, "lean": LeanTransport}


@pytest.fixture(params=list(KINDS))
def transport_kind(request: pytest.FixtureRequest) -> str:
    """Which transport a test is about: each in turn, unless it says otherwise (`SESSION_ONLY`)."""
    return str(request.param)


@pytest.fixture
async def make_transport(transport_kind: str) -> AsyncIterator[MakeTransport]:
    """``make_transport(**options)``: a transport, closed at the end; no proxy from the environment."""
    transports: list[AnyTransport] = []

    def make(**options: Any) -> AnyTransport:
        options.setdefault("proxies_from_environment", False)
        transport = KINDS[transport_kind](TransportOptions(**options), needed_fields=NEEDED_FIELDS)
        transports.append(transport)
        return transport

    yield make
    for transport in transports:
        await transport.aclose()


Ask = Callable[..., Coroutine[None, None, Reply | Failure]]


@pytest.fixture
def ask(make_transport: MakeTransport) -> Ask:
    """``await ask(url, method="GET", transport=None, **fields of the Request)``: what came back."""
    own: list[AnyTransport] = []

    async def send(
        url: str, method: str = "GET", *, transport: AnyTransport | None = None, **fields: Any
    ) -> Reply | Failure:
        if transport is None:
            if not own:
                own.append(make_transport())
            transport = own[0]
        fields.setdefault("timeout", 5.0)
        fields.setdefault("connect_timeout", 5.0)
        return await transport.send(Request(url, method, "host", **fields))

    return send


@pytest.fixture
def closed_port() -> int:
    """A port on 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
