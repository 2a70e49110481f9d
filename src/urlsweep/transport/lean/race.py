"""Connecting to the first of several addresses that lets itself be connected to (RFC 8305, happy eyeballs).

Contract: one attempt at a time while each fails quickly; one that takes longer than ATTEMPT_DELAY gets company. Ends
with one call, of `on_connected` or of `on_failed`, or none after `cancel`; never from within `start` or `join`.
Whoever wants the connection may leave before: attempts that go on are there for whoever joins next (see `leave`).
Not in here: look-ups, TLS, how many sockets there may be (`Room`), the clock: the owner calls `on_due` when `due` has
come.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections import deque
from collections.abc import Sequence
from itertools import chain, zip_longest
from typing import Final, Protocol

from urlsweep.transport.bounds import SOCKETS_PER_REQUEST
from urlsweep.transport.failures import OUR_SHORTAGES
from urlsweep.transport.lean.poller import Poller

ATTEMPT_DELAY: Final = 0.25
"""Seconds before the next address is tried beside the one that does not answer (RFC 8305 section 5)."""

HELD_SECONDS: Final = 60.0
"""How long a connection is held that came to stand when nobody was there: as long as many servers wait for a request
(nginx's client_header_timeout); its host's next try may have to wait for its turn."""

_UNDER_WAY: Final = frozenset({0, errno.EINPROGRESS, errno.EWOULDBLOCK, errno.EINTR})


class Racer(Protocol):
    """Who wants the connection."""

    def on_connected(self, sock: socket.socket, address: str) -> None:
        """`sock` stands; `address` is its peer."""

    def on_failed(self, errnos: Sequence[int]) -> None:
        """No address could be connected to."""


class Room(Protocol):
    """Where all races get their sockets."""

    attempts: int
    """Sockets of all races: of attempts that are under way, or came to stand and were not wanted yet."""

    def make_room(self) -> bool:
        """Whether there is room for one more socket; something that nobody uses is ended for it. Each race may have
        `SOCKETS_PER_REQUEST` all the same: an address of each family."""


class _Attempt:
    __slots__ = ("_race", "address", "begun", "sock")

    def __init__(self, race: Race, sock: socket.socket, address: str, begun: float) -> None:
        self._race = race
        self.begun = begun
        self.sock = sock
        self.address = address

    def on_ready(self) -> None:
        self._race.on_attempt_end(self, self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))


class Race:
    """One connection being made."""

    __slots__ = (
        "_attempts",
        "_begun",
        "_errnos",
        "_is_over",
        "_loop",
        "_poller",
        "_port",
        "_racer",
        "_room",
        "_waiting",
        "_winner",
        "due",
        "ends_at",
        "is_late",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        poller: Poller,
        room: Room,
        addresses: Sequence[str],
        port: int,
        racer: Racer,
    ) -> None:
        """`addresses`, at least one, best first; the families take turns (RFC 8305 section 4)."""
        self._loop = loop
        self._poller = poller
        self._room = room
        self._waiting = deque(_interleaved(addresses))
        self._port = port
        self._racer: Racer | None = racer
        self._begun = 0.0  # when the racer that is there began
        self._winner: _Attempt | None = None  # is connected, and nobody is there who wants it
        self._attempts: list[_Attempt] = []
        self._errnos: list[int] = []
        self._is_over = False
        self.due: float | None = None  # the loop's time
        self.is_late = False  # a connection came to stand when the request that it was begun for had given up
        self.ends_at = 0.0  # once it was left: when what goes on has had its time

    @property
    def untried(self) -> list[str]:
        """Addresses that there was no need to try."""
        return list(self._waiting)

    def start(self) -> None:
        """Begin."""
        self._begun = self._loop.time()
        self._try_next()

    def on_due(self) -> None:
        """`due` has come."""
        if not self._is_over:
            self._try_next()

    def cancel(self) -> None:
        """Give up."""
        self._is_over = True
        self.due = None
        self._racer = None
        if self._winner is not None:
            self._close(self._winner)
            self._winner = None
        self._close_all()

    # -- what goes on when nobody is there

    @property
    def is_over(self) -> bool:
        """Whether nothing goes on."""
        return self._is_over

    def leave(self, seconds: float) -> float:
        """The racer goes. Attempts go on until `ends_at`, `seconds` after they began: those that an earlier racer had
        left already, else this one's; whoever joins makes new ones beside them.

        Gives how long they have been under way. 0: there are none, it is over.
        """
        now = self._loop.time()
        alive = [attempt for attempt in self._attempts if attempt.begun + seconds > now]
        older = [attempt for attempt in alive if attempt.begun < self._begun]
        going_on = older or alive
        for attempt in self._attempts:
            if attempt not in going_on:
                self._close(attempt)
        self._attempts = going_on
        self._racer = None
        self._waiting.clear()
        self.due = None
        if self._winner is not None:  # it was about to be told
            return now - self._winner.begun
        if not going_on:
            self._is_over = True
            return 0.0
        self.ends_at = going_on[-1].begun + seconds
        return now - going_on[0].begun

    def join(self, racer: Racer, addresses: Sequence[str]) -> None:
        """`racer` takes over what goes on, and tries `addresses` anew beside it."""
        self._racer = racer
        self._begun = self._loop.time()
        self._errnos.clear()
        self._waiting.extend(_interleaved(addresses))
        if self._winner is None:
            self._try_next()
        else:
            self._loop.call_soon(self._tell_winner)

    def _tell_winner(self) -> None:
        winner, racer = self._winner, self._racer
        if winner is None or racer is None:  # given up, or closed, in this very moment
            return
        self._is_over = True
        self._winner = None
        self._room.attempts -= 1
        racer.on_connected(winner.sock, winner.address)

    def _close(self, attempt: _Attempt) -> None:
        self._room.attempts -= 1
        self._poller.close(attempt.sock)

    def _close_all(self) -> None:
        for attempt in self._attempts:
            self._close(attempt)
        self._attempts.clear()

    def on_attempt_end(self, attempt: _Attempt, number: int) -> None:
        """What became of an attempt: an error number, or 0."""
        if self._is_over:
            return
        if attempt is self._winner:  # closed, or spoken on, before anybody wanted it: no good any more
            self._close(attempt)
            self._winner = None
            if self._racer is None:
                self._is_over = True
            else:
                self._try_next()
            return
        self._attempts.remove(attempt)
        racer = self._racer
        if number:
            self._close(attempt)
            self._errnos.append(number)
            if self._waiting or not self._attempts:
                self._try_next()
            return
        self._close_all()
        self.is_late = attempt.begun < self._begun or racer is None
        if racer is None:
            self._winner = attempt
            self.ends_at = self._loop.time() + HELD_SECONDS
            self._poller.rewatch(attempt.sock, attempt)
            return
        self._is_over = True
        self.due = None
        self._room.attempts -= 1
        racer.on_connected(attempt.sock, attempt.address)

    def _try_next(self) -> None:
        while self._waiting:
            has_room = self._room.make_room() or len(self._attempts) < SOCKETS_PER_REQUEST
            number = self._try(self._waiting[0]) if has_room else errno.EMFILE
            if number in OUR_SHORTAGES and self._attempts:  # it was not tried: again when others have had their time
                self.due = self._loop.time() + ATTEMPT_DELAY
                return
            self._waiting.popleft()
            if number:
                self._errnos.append(number)
                continue
            self.due = self._loop.time() + ATTEMPT_DELAY if self._waiting else None
            return
        self.due = None
        if not self._attempts and not self._is_over:
            if self._racer is None:
                self._is_over = True
            else:
                self._loop.call_soon(self._fail)

    def _fail(self) -> None:
        if not self._is_over:
            self._is_over = True
            if self._racer is not None:
                self._racer.on_failed(self._errnos)

    def _try(self, address: str) -> int:
        """Begin to connect to `address`; the number of an error that came at once, or 0."""
        try:
            sock = socket.socket(
                socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM | _NONBLOCKING
            )
        except OSError as error:
            return error.errno or errno.EIO
        if not _NONBLOCKING:
            sock.setblocking(False)
        try:
            number = sock.connect_ex((address, self._port))
        except OSError as error:  # an address that this system cannot even spell
            number = error.errno or errno.EINVAL
        if number not in _UNDER_WAY:
            sock.close()
            return number
        attempt = _Attempt(self, sock, address, self._loop.time())
        self._attempts.append(attempt)
        self._room.attempts += 1
        self._poller.watch(sock, attempt, writing=True)
        return 0


_NONBLOCKING: Final = getattr(socket, "SOCK_NONBLOCK", 0)  # spares a system call where there is one


def _interleaved(addresses: Sequence[str]) -> Sequence[str]:
    if len(addresses) == 1:
        return addresses
    first_is_ipv6 = ":" in addresses[0]
    preferred = [address for address in addresses if (":" in address) == first_is_ipv6]
    others = [address for address in addresses if (":" in address) != first_is_ipv6]
    return [address for address in chain(*zip_longest(preferred, others)) if address is not None]


def sentence_of(errnos: Sequence[int]) -> str:
    """The system's own words for the last of `errnos`."""
    return os.strerror(errnos[-1]) if errnos else "no address"
