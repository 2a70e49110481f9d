"""A scriptable server on loopback that speaks raw bytes over TCP or TLS, so that any misbehaviour can be planted.

Contract: an asynchronous context manager that owns every task and socket it opens; leaving it ends them all, hanging
scripts included. It waits by asyncio only. A client that leaves in the middle is normal; an exception in a script is a
bug and is raised when the server is left. What it saw is recorded: `requests`, `connections`, `peak_connections`.
Not in here: what is played (see `scripts`).

    >>> import asyncio
    >>> from urlsweep.testing.scripts import respond
    >>> async def ask() -> bytes:
    ...     async with FaultServer({"/": respond(418)}) as server:
    ...         reader, writer = await asyncio.open_connection(server.host, server.port)
    ...         writer.write(b"GET / HTTP/1.1\\r\\n\\r\\n")
    ...         line = await reader.readline()
    ...         writer.close()
    ...         return line
    >>> asyncio.run(ask())
    b"HTTP/1.1 418 I'm a Teapot\\r\\n"
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self, TypeAlias

REQUEST_LIMIT_BYTES: Final = 1024 * 1024
"""The longest request head that is read; what sends a longer one is disconnected."""

LINGER_SECONDS: Final = 1.0
"""How long a closed connection is drained: closing over unread bytes would send a RST and destroy the answer."""

_LINGER_NO_TIME: Final = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
"""SO_LINGER on, for 0 seconds: closing sends RST instead of FIN (socket(7))."""


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """A request as it came over the wire."""

    method: str
    target: bytes  # to the byte: what percent-encoding and query look like on the wire
    fields: tuple[tuple[str, str], ...] = ()  # names in lower case, in order; values as Latin-1
    connection: int = 0  # which connection brought it, from 1

    @property
    def path(self) -> str:
        """The target without its query; of a proxy's absolute target, without scheme and authority too."""
        target = self.target.decode("latin-1")
        if "://" in target:
            target = "/" + target.partition("://")[2].partition("/")[2]
        return target.partition("?")[0]

    def get(self, name: str) -> str | None:
        """The first value of field `name` (lower case), or None."""
        return next((value for field, value in self.fields if field == name), None)


class Connection:
    """The server's side of one connection, for scripts."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number  # from 1
        self.requests = 0  # read on it so far
        self.is_over = False  # closed or reset by this side
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Send `data`. Raises ConnectionError where the client has left."""
        self._writer.write(data)
        await self._writer.drain()
        await asyncio.sleep(0)  # drain does not wait while there is room: an endless body must let others run

    async def receive(self) -> bytes:
        """Whatever has come, b"" at the client's end of sending."""
        return await self._reader.read(65536)

    async def until_client_leaves(self) -> None:
        """Wait until the client closes the connection; what it sends meanwhile is dropped."""
        with contextlib.suppress(OSError):
            while await self.receive():
                pass

    async def close(self) -> None:
        """Close in the proper way: everything sent arrives, then the end of the connection."""
        if self.is_over:
            return
        self.is_over = True
        if self._writer.can_write_eof():
            self._writer.write_eof()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LINGER_SECONDS):
                    await self.until_client_leaves()
        self._writer.close()
        await self._writer.wait_closed()

    def cut(self) -> None:
        """End the connection at once: over TLS without close_notify."""
        self.is_over = True
        self._writer.transport.abort()

    def reset(self) -> None:
        """End the connection with a RST."""
        self._writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NO_TIME)
        self.cut()

    async def read_request(self) -> SeenRequest | None:
        """The next request, or None where the client has nothing more to ask, or asks what cannot be read."""
        try:
            head = await self._reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            return None
        line, *field_lines = head[:-4].split(b"\r\n")
        parts = line.split(b" ")
        if len(parts) != 3:
            return None
        self.requests += 1
        fields = (field.decode("latin-1").partition(":") for field in field_lines)
        return SeenRequest(
            method=parts[0].decode("latin-1"),
            target=parts[1],
            fields=tuple((name.strip().lower(), value.strip()) for name, _, value in fields),
            connection=self.number,
        )


@dataclass(frozen=True, slots=True)
class Visit:
    """One request being answered: what a script gets."""

    request: SeenRequest
    connection: Connection
    nth: int  # how many requests this path has had, this one included
    nth_of_method: int  # the same, of this method only


Script: TypeAlias = Callable[[Visit], Awaitable[None]]
"""What the server does with one request: any ``async def`` that takes a Visit. See `scripts` for the common ones."""


class FaultServer:
    """A server that plays a script per path: a mapping of paths, or one script for every path.

    `on_connect` is played as soon as a connection stands, before (and, unless it leaves the connection open, instead
    of) any request: a server that does not speak HTTP or TLS at all. `tls` is a server's SSLContext. A path without a
    script is answered 404. Routes may be changed while the server runs.

    >>> async def hang_up(visit: Visit) -> None:
    ...     await visit.connection.close()
    >>> FaultServer({"/a": hang_up}, port=8080).url("/a")
    'http://127.0.0.1:8080/a'
    """

    def __init__(
        self,
        routes: Mapping[str, Script] | Script | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        on_connect: Script | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.routes: dict[str, Script] = dict(routes) if isinstance(routes, Mapping) else {}
        self.host = host
        self.port = port  # the one that was bound, once the server runs
        self.requests: list[SeenRequest] = []
        self.connections = 0  # accepted in all
        self.open_connections = 0
        self.peak_connections = 0
        self._every_path = None if routes is None or isinstance(routes, Mapping) else routes
        self._tls = tls
        self._on_connect = on_connect
        self._by_path: Counter[str] = Counter()
        self._by_method: Counter[tuple[str, str]] = Counter()
        self._listener: socket.socket | None = None
        self._accepted: set[socket.socket] = set()
        self._accepting: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    def url(self, path: str = "/", *, host: str | None = None) -> str:
        """The URL of `path` on this server, named `host` instead of its address where given."""
        name = host if host is not None else f"[{self.host}]" if ":" in self.host else self.host
        return f"{'http' if self._tls is None else 'https'}://{name}:{self.port}{path}"

    def seen(self, path: str) -> list[SeenRequest]:
        """The requests for `path`, in order."""
        return [request for request in self.requests if request.path == path]

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Wait until `is_so` gives True; it is asked again whenever a connection or a request comes or ends.

        For example ``await server.until(lambda: server.open_connections == 0)``.
        """
        while not is_so():
            self._news.clear()
            await self._news.wait()

    async def __aenter__(self) -> Self:
        """Listen. Raises OSError where the address or port cannot be had."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        self._listener = socket.create_server((self.host, self.port), family=family, backlog=1024)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self._accepting = asyncio.create_task(self._accept(self._listener), name=f"fault server {self.port}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End everything. Raises the ExceptionGroup of what scripts raised."""
        await self.aclose()

    async def aclose(self) -> None:
        """End everything; idempotent. Raises the ExceptionGroup of what scripts raised."""
        task, self._accepting = self._accepting, None
        if task is None:
            return
        task.cancel()
        try:
            await asyncio.wait([task])
        finally:
            await asyncio.sleep(0)  # aborted transports close their sockets in the loop's next round
            for accepted in self._accepted:  # those whose task was cancelled before it began
                accepted.close()
            if self._listener is not None:
                self._listener.close()
        if not task.cancelled() and (bugs := task.exception()) is not None:
            raise bugs

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.TaskGroup() as connections:
                while True:
                    try:
                        accepted, _ = await loop.sock_accept(listener)
                    except OSError:  # the client gave up in the queue, or no descriptor is left for the moment
                        await asyncio.sleep(0.01)
                        continue
                    self._accepted.add(accepted)
                    connections.create_task(self._serve(accepted))
        finally:
            listener.close()

    async def _serve(self, accepted: socket.socket) -> None:
        self.connections += 1
        self.open_connections += 1
        self.peak_connections = max(self.peak_connections, self.open_connections)
        self._news.set()
        try:
            await self._converse(accepted, self.connections)
        except OSError:  # ssl.SSLError too: the client left, or did not want our certificate
            pass
        finally:
            self.open_connections -= 1
            self._news.set()

    async def _converse(self, accepted: socket.socket, number: int) -> None:
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=REQUEST_LIMIT_BYTES)
        protocol = asyncio.StreamReaderProtocol(reader)
        self._accepted.discard(accepted)
        transport, _ = await loop.connect_accepted_socket(
            lambda: protocol,
            accepted,
            ssl=self._tls,
            ssl_shutdown_timeout=None if self._tls is None else LINGER_SECONDS,
        )
        try:
            connection = Connection(number, reader, asyncio.StreamWriter(transport, protocol, reader, loop))
            if self._on_connect is not None:
                await self._on_connect(Visit(SeenRequest("", b""), connection, number, number))
            while not connection.is_over and (request := await connection.read_request()) is not None:
                await self._answer(request, connection)
        finally:
            transport.abort()

    async def _answer(self, request: SeenRequest, connection: Connection) -> None:
        self.requests.append(request)
        self._news.set()
        path = request.path
        self._by_path[path] += 1
        self._by_method[path, request.method] += 1
        visit = Visit(request, connection, self._by_path[path], self._by_method[path, request.method])
        script = self.routes.get(path, self._every_path)
        if script is None:
            await connection.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        else:
            await script(visit)
        if (request.get("connection") or "").lower() == "close":
            await connection.close()
