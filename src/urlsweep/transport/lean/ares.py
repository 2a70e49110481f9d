"""c-ares, driven by the event loop: no thread, task or timer a name.

Contract: every question is answered, by addresses or by one of c-ares' errors, unless `close` comes first. The owner
calls `on_tick` some twenty times a second while anything is asked.
Not in here: what the errors mean (`dns`).
"""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Callable, Sequence
from typing import Any, Final

import pycares

from urlsweep.transport import dns
from urlsweep.transport.dns import Half

Answer = tuple[Any, socket.AddressFamily, Half]
"""The mark that a question was given, the family it was about, and what c-ares says."""

_AI_NOSORT: Final = 1 << 7
"""ares.h's ARES_AI_NOSORT. For the order of RFC 6724 c-ares would make a socket for each address; the families' order,
which matters, is `dns.combined`'s."""


class Ares:
    """One channel of c-ares."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, servers: Sequence[str], on_answers: Callable[[list[Answer]], None]
    ) -> None:
        """`servers`: none are those that the system is set up to use. `on_answers` is called by the loop alone."""
        self._loop = loop
        self._on_answers = on_answers
        self._watched: dict[int, tuple[bool, bool]] = {}  # c-ares' sockets: to be read from, to be written to
        self._answers: list[Answer] = []
        self._is_closed = False
        self._channel = pycares.Channel(
            sock_state_cb=self._on_socket,
            timeout=dns.QUERY_SECONDS,
            tries=dns.QUERY_TRIES,
            servers=list(servers) or None,
        )

    @property
    def first_server(self) -> str | None:
        """The name server that is asked first, as c-ares spells it: ``127.0.0.1:53``, ``[fe80::1]:53%eth0``."""
        try:
            return next(iter(self._channel.servers), None)
        except pycares.AresError:
            return None

    def ask(self, name: str, family: socket.AddressFamily, mark: Any) -> None:
        """Ask for the addresses of `name`."""
        name = f"{name}." if "." in name else name  # see `dns` on the search list
        told = functools.partial(self._on_half, mark, family)
        try:
            self._channel.getaddrinfo(name, None, family=family, flags=_AI_NOSORT, callback=told)
        except pycares.AresError as error:
            told(None, int(error.args[0]))
        except UnicodeError:
            told(None, pycares.errno.ARES_EBADNAME)

    def on_tick(self) -> None:
        """Let time-outs happen."""
        self._channel.process_fd(pycares.ARES_SOCKET_BAD, pycares.ARES_SOCKET_BAD)

    def close(self) -> None:
        """End it; nobody is told anything any more. Idempotent."""
        if self._is_closed:
            return
        self._is_closed = True
        self._channel.cancel()
        for number in list(self._watched):
            self._on_socket(number, False, False)
        self._channel.close()  # by a thread of pycares' own, which nobody must hear from
        self._answers.clear()

    def _on_half(self, mark: Any, family: socket.AddressFamily, result: Any, status: int | None) -> None:
        """c-ares calls: nothing may be raised, and nobody asked for more, in the middle of its work."""
        if not self._is_closed:
            if not self._answers:
                self._loop.call_soon(self._tell)
            self._answers.append((mark, family, Half.of(result) if status is None else Half(status)))

    def _tell(self) -> None:
        answers, self._answers = self._answers, []
        self._on_answers(answers)

    def _on_socket(self, number: int, is_read: bool, is_written: bool) -> None:
        """c-ares calls, whenever what it waits for changes."""
        if self._is_closed and number not in self._watched:
            return
        was_read, was_written = self._watched.pop(number, (False, False))
        process = self._channel.process_fd
        if is_read and not was_read:
            self._loop.add_reader(number, process, number, pycares.ARES_SOCKET_BAD)
        elif was_read and not is_read:
            self._loop.remove_reader(number)
        if is_written and not was_written:
            self._loop.add_writer(number, process, pycares.ARES_SOCKET_BAD, number)
        elif was_written and not is_written:
            self._loop.remove_writer(number)
        if is_read or is_written:
            self._watched[number] = (is_read, is_written)
