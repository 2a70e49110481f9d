"""The least that a client in Python can do for a host: connect, TLS where asked for, one HEAD, one read, close.

One process, `at_once` connections, bare epoll. Names are looked up by nobody: the file has an address, a name and a
path a line. With TLS nearly all that it takes are the handshakes, which OpenSSL computes.
"""

import select
import socket
import ssl
import sys
from collections.abc import Callable, Iterator


def main(lines: Iterator[str], at_once: int, authority: str | None) -> int:
    """Ask for every line; the number of answers that were no HTTP."""
    context = ssl.create_default_context(cafile=authority) if authority else None
    epoll = select.epoll()
    open_ones: dict[int, Iterator[int]] = {}
    failures = 0

    def failed() -> None:
        nonlocal failures
        failures += 1

    while True:
        while len(open_ones) < at_once and (line := next(lines, None)):
            address, name, path = line.split()
            connection = socket.socket()
            connection.setblocking(False)
            connection.connect_ex((address, 443 if context else 80))
            open_ones[connection.fileno()] = life(connection, context, name, path, failed)
            epoll.register(connection.fileno(), select.EPOLLOUT)
        if not open_ones:
            return failures
        for number, _ in epoll.poll():
            waits_for = next(open_ones[number], 0)
            if waits_for:
                epoll.modify(number, waits_for)
            else:
                del open_ones[number]  # its socket is closed, and so out of the epoll


def life(
    connection: socket.socket, context: ssl.SSLContext | None, name: str, path: str, failed: Callable[[], None]
) -> Iterator[int]:
    """One connection from its being connected; gives the event that it waits for."""
    stream = connection
    try:
        if context is not None:
            stream = context.wrap_socket(connection, server_hostname=name, do_handshake_on_connect=False)
            yield from handshake(stream)
        stream.send(f"HEAD {path} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
        yield select.EPOLLIN
        while True:
            try:
                reply = stream.recv(65536)
                break
            except (ssl.SSLWantReadError, BlockingIOError):  # session tickets came first
                yield select.EPOLLIN
        if not reply.startswith(b"HTTP/1.1 "):
            failed()
    except OSError:
        failed()
    finally:
        stream.close()


def handshake(stream: ssl.SSLSocket) -> Iterator[int]:
    """Until the connection can be written to."""
    while True:
        try:
            stream.do_handshake()
            return
        except ssl.SSLWantReadError:
            yield select.EPOLLIN
        except ssl.SSLWantWriteError:
            yield select.EPOLLOUT


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as listed:  # noqa: PTH123 - nothing more than is needed
        sys.exit(main(listed, int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None) > 0)
