"""A host that accepts late: a listener on loopback whose queue of connections is full.

Linux drops every attempt that comes on top of it, and the client sends it again after 1, 3 and 7 s; what has been
accepted by then makes room for it. Nothing of that is made up: it is what a host does that is too busy for a while.
Elsewhere a full queue refuses.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack, closing


class Full:
    """A listener whose queue is full, until `accept`."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._opened = ExitStack()
        self._let_in: list[socket.socket] = []
        self._listener = self._opened.enter_context(socket.socket())
        self._listener.bind((host, 0))
        self._listener.listen(0)
        self._opened.enter_context(socket.socket()).connect(self._listener.getsockname())
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"

    def drain(self) -> None:
        """Let the next attempt in."""
        self._keep(self._listener.accept()[0])

    async def accept(self) -> socket.socket:
        """The next one that was let in."""
        self._listener.setblocking(False)
        async with asyncio.timeout(10):
            accepted, _ = await asyncio.get_running_loop().sock_accept(self._listener)
        accepted.setblocking(False)
        return self._keep(accepted)

    def _keep(self, accepted: socket.socket) -> socket.socket:
        self._let_in.append(accepted)
        return self._opened.enter_context(closing(accepted))

    @property
    def let_in(self) -> int:
        """Connections that were accepted, the one that filled the queue included."""
        return len(self._let_in)

    @property
    def open_sockets(self) -> int:
        """Of those that were let in, this side's that are open."""
        return sum(1 for accepted in self._let_in if accepted.fileno() >= 0)

    def refuse(self) -> None:
        """From now on nobody is let in, and who is waiting is told so when it asks again."""
        self._listener.close()

    def close(self) -> None:
        """The end of it, and of all that was let in."""
        self._opened.close()
