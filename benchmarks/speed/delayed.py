"""A server that answers every page after the same time, on every address: what a network's latency makes of a client.

Contract: `python -m benchmarks.speed.delayed SECONDS PORT` answers STATUS_PATH at once, with counts in the form of
nginx's stub_status, until SIGTERM. It is kept as cheap as Python allows, for a thousand connections come at once: an
epoll loop of its own (asyncio would spend 150 µs on each), and one clock for all answers.
"""

from __future__ import annotations

import gc
import select
import signal
import socket
import sys
import time
from collections import deque
from typing import Final

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
    """All connections: what is due, and when. Requests have no bodies."""

    def __init__(self, delay: float, port: int) -> None:
        self._delay = delay
        self._due: deque[tuple[float, socket.socket, bytes]] = deque()
        self._epoll = select.epoll()
        self._listener = socket.create_server(("0.0.0.0", port), backlog=4096)
        self._listener.setblocking(False)
        self._epoll.register(self._listener, select.EPOLLIN)
        self._open: dict[int, tuple[socket.socket, bytes]] = {}  # by descriptor: what has come of the next request
        self._connections = self._requests = self._late = 0

    def serve(self) -> None:
        """Serve for ever."""
        while True:
            wait = max(0.0, self._due[0][0] - time.monotonic()) if self._due else -1.0
            for number, _ in self._epoll.poll(wait):
                if number == self._listener.fileno():
                    self._accept()
                else:
                    self._read(number)
            self._send_due()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except BlockingIOError:
                return
            self._connections += 1
            sock.setblocking(False)
            self._open[sock.fileno()] = sock, b""
            self._epoll.register(sock, select.EPOLLIN)

    def _read(self, number: int) -> None:
        sock, received = self._open[number]
        try:
            data = sock.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        *requests, rest = (received + data).split(b"\r\n\r\n")
        self._open[number] = sock, rest
        for request in requests:
            self._requests += 1
            method, path, *_ = request.split(b" ", 2)
            if path == STATUS_PATH.encode():
                _send(sock, self._status())
                data = b""
            else:
                self._due.append((time.monotonic() + self._delay, sock, answer(method, path)))
        if not data:
            del self._open[number]
            sock.close()

    def _send_due(self) -> None:
        now = time.monotonic()
        while self._due and self._due[0][0] <= now:
            when, sock, reply = self._due.popleft()
            self._late += now - when > LATE_SECONDS
            _send(sock, reply)

    def _status(self) -> bytes:
        """The counts, as nginx tells them, this request included, and the late answers."""
        text = (
            f"Active connections: 1 \nserver accepts handled requests\n {self._connections} {self._connections} "
            f"{self._requests} \nlate: {self._late}\n"
        )
        return f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n{text}".encode()


def _send(sock: socket.socket, reply: bytes) -> None:
    try:
        sock.send(reply)  # some hundred bytes: a buffer that has no room for them is a client that does not read
    except OSError:
        pass  # the client has gone


def _stop(*_: object) -> None:
    sys.exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _stop)
    gc.disable()  # a collection would make answers late
    Server(float(sys.argv[1]), int(sys.argv[2])).serve()
