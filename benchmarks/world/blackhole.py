"""Addresses that never answer: whoever connects waits until their own time-out.

A listener whose queue is full drops what comes in (tcp(7), listen(2)): a client sees what it sees of a host that is
switched off behind a firewall. No packet filter and no root are needed for it. Linux.
"""

from __future__ import annotations

import select
import socket
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Final, Self

_SETTLE_SECONDS: Final = 0.2


class Blackhole:
    """Loopback addresses and ports that swallow connections, from its making to `close`."""

    def __init__(self, places: Iterable[tuple[str, int]]) -> None:
        """`places`: addresses and ports; port 0 takes a free one. Raises OSError, also where one of them answers."""
        with ExitStack() as opened:
            self._listeners = [opened.enter_context(_listener(place)) for place in places]
            fillers, refused = [], []
            for listener in self._listeners:
                # The queue of a backlog of 0 holds one connection: the first fills it, the second must be swallowed.
                fillers.append(opened.enter_context(_connecting(listener.getsockname())))
                select.select([], [fillers[-1]], [], _SETTLE_SECONDS)
                refused.append(opened.enter_context(_connecting(listener.getsockname())))
            poll = select.poll()
            for client in refused:
                poll.register(client, select.POLLOUT)
            if poll.poll(_SETTLE_SECONDS * 1000):
                raise OSError("a full listener still takes connections: is this not Linux?")
            self._opened = opened.pop_all()

    @property
    def places(self) -> list[tuple[str, int]]:
        """Its addresses and ports, in the order given."""
        return [listener.getsockname() for listener in self._listeners]

    def close(self) -> None:
        """Give the addresses back."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _listener(place: tuple[str, int]) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(0)
    except BaseException:
        listener.close()
        raise
    return listener


def _connecting(place: tuple[str, int]) -> socket.socket:
    client = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    client.setblocking(False)
    client.connect_ex(place)
    return client
