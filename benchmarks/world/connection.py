"""One client's connection to a planted host: HTTP/1.1 without bodies, one request after another.

Contract: lean, since the server shares its processors with what it measures. It reads a request, asks the site what to
do, waits as long as that says, and does it. Not in here: any decision on an answer (see `Site`).
"""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Final, Protocol

from benchmarks.world.answers import Answer, End

KEEP_ALIVE_SECONDS: Final = 5.0
"""How long an idle connection is kept: Apache's own default. Clients meet connections that close under their hands."""

BACKLOG: Final = 1024
LONGEST_REQUEST_BYTES: Final = 64 * 1024
_NO_LINGER: Final = struct.pack("ii", 1, 0)


class Site(Protocol):
    """What connections ask and tell."""

    connections: set[Connection]

    def connected(self, connection: Connection) -> None:
        """A client has connected."""

    def answer(self, method: str, scheme: str, host: str, target: str, now: float) -> Answer:
        """What to do about a request that has come in; `host` without its port, in lower case."""

    def answered(self, host: str) -> None:
        """A request has been answered, or its client has left. Called once for each `answer`."""

    def was_late(self, seconds: float) -> None:
        """An answer went out that much after it was due: the server's own slowness."""


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, site: Site, scheme: str) -> None:
        self._site = site
        self._scheme = scheme
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._host: str | None = None  # of the request that is being answered
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._site.connected(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._transport = None
        self._site.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        self._finish()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > LONGEST_REQUEST_BYTES:
            self.abort()
        elif self._host is None:
            self._read_request()

    def abort(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _read_request(self) -> None:
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator or self._transport is None:
            return
        self._buffer = rest
        request_line, *fields = head.decode("latin-1").split("\r\n")
        method, _, line_rest = request_line.partition(" ")
        target = line_rest.rpartition(" ")[0]
        host = ""
        for line in fields:
            name, _, value = line.partition(":")
            if name.lower() == "host":
                host = value.strip().lower().partition(":")[0]
        if self._timer is not None:
            self._timer.cancel()
        self._host = host
        now = self._loop.time()
        given = self._site.answer(method, self._scheme, host, target, now)
        due = now + given.delay
        self._timer = self._loop.call_at(due, self._play, given, due)

    def _play(self, given: Answer, due: float) -> None:
        transport = self._transport
        if given.end is End.HANG or transport is None:
            return
        self._site.was_late(self._loop.time() - due)
        self._finish()
        if given.data:
            transport.write(given.data)
        match given.end:
            case End.CLOSE:
                transport.close()
            case End.RESET:
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                transport.abort()
            case _:
                self._timer = self._loop.call_later(KEEP_ALIVE_SECONDS, self._close)
                self._read_request()

    def _finish(self) -> None:
        if self._host is not None:
            self._site.answered(self._host)
            self._host = None
