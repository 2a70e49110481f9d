"""A server that answers every page after the same time, on every address: what a network's latency makes of a client.

Contract: `python -m benchmarks.speed.delayed SECONDS PORT` answers STATUS_PATH at once, with counts in the form of
nginx's stub_status, until SIGTERM. It is kept as cheap as Python allows: one timer for all answers.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections import deque
from typing import Final, cast

from benchmarks.speed.pages import ANSWERS, Kind

STATUS_PATH: Final = "/status"
LATE_SECONDS: Final = 0.025
"""From when an answer counts as late: the server, not the client, was slow then."""

BODY: Final = b"ok\n"
_REASONS: Final = {200: "OK", 301: "Moved Permanently", 404: "Not Found", 410: "Gone", 500: "Internal Server Error"}


def answer(method: bytes, path: bytes) -> bytes:
    """The whole reply to one request."""
    kind, _, rest = path[1:].partition(b"/")
    try:
        status = ANSWERS[Kind(kind.decode("ascii"))]
    except ValueError:
        status = 404
    location = f"Location: /{Kind.PAGE}/moved-{rest.decode('ascii')}\r\n" if status == 301 else ""
    fields = f"Content-Type: text/html\r\nContent-Length: {len(BODY)}\r\n{location}"
    head = f"HTTP/1.1 {status} {_REASONS[status]}\r\n{fields}\r\n"
    return head.encode() if method == b"HEAD" else head.encode() + BODY


class Server:
    """All connections: what is due, and when."""

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._due: deque[tuple[float, asyncio.Transport, bytes]] = deque()
        self._loop = asyncio.get_running_loop()
        self.connections = self.requests = self.late = 0

    def asked(self, transport: asyncio.Transport, reply: bytes) -> None:
        """Have `reply` sent when its time has come."""
        self.requests += 1
        when = self._loop.time() + self._delay
        self._due.append((when, transport, reply))
        if len(self._due) == 1:
            self._loop.call_at(when, self._send)

    def _send(self) -> None:
        now = self._loop.time()
        while self._due and self._due[0][0] <= now:
            when, transport, reply = self._due.popleft()
            self.late += now - when > LATE_SECONDS
            transport.write(reply)
        if self._due:
            self._loop.call_at(self._due[0][0], self._send)

    def status(self) -> bytes:
        """The counts, as nginx tells them, this request included, and the late answers."""
        self.requests += 1
        text = (
            f"Active connections: 1 \nserver accepts handled requests\n {self.connections} {self.connections} "
            f"{self.requests} \nlate: {self.late}\n"
        )
        return f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}".encode()


class Connection(asyncio.Protocol):
    """One connection. Requests have no bodies."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._server.connections += 1

    def data_received(self, data: bytes) -> None:
        *requests, self._received = (self._received + data).split(b"\r\n\r\n")
        for request in requests:
            method, path, *_ = request.split(b" ", 2)
            if path == STATUS_PATH.encode():
                self._transport.write(self._server.status())
                self._transport.close()
            else:
                self._server.asked(self._transport, answer(method, path))


async def main(delay: float, port: int) -> None:
    """Serve until SIGTERM."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    server = Server(delay)
    listener = await loop.create_server(lambda: Connection(server), "0.0.0.0", port, backlog=4096)
    gc.disable()  # a collection would make answers late
    await stopped.wait()
    listener.close()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]), int(sys.argv[2])))
