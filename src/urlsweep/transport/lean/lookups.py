"""Names to addresses for the fast transport, without a thread, task or timer a name.

Contract: one look-up a name, however many wait for it; what each answer means, what needs no asking and what is
remembered are `dns`'s. The owner calls `on_tick` some twenty times a second while `is_busy`.
Not in here: connecting.

The first name server is asked by a socket of our own (`nameserver`). Whatever it does not answer plainly and soon is
left to c-ares (`ares`), which has the last word on all that is not well. It takes 97 µs a look-up, and more by aiodns,
which runs it in a thread for the session transport; a socket of our own takes 27.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from urlsweep.transport import dns
from urlsweep.transport.dns import CLOSED, Found, Half, LookupFailedError, Names, combined, name_of
from urlsweep.transport.hosts_file import HostsFile, hosts_path
from urlsweep.transport.lean.ares import Answer, Ares
from urlsweep.transport.lean.nameserver import NameServer
from urlsweep.transport.lean.poller import Poller
from urlsweep.transport.options import TransportOptions

QUESTIONS_AT_ONCE: Final = 128
"""Questions that are sent and not answered yet. Each answer is a datagram, and Linux holds some 166 small ones for a
socket (212,992 bytes, at 1,280 each). Of more a few are lost, here or at a name server beside us."""

SLOW_SECONDS: Final = 0.5
"""What takes longer counts no more among these: names whose servers are dead must not keep all others waiting. It is
c-ares' from then on."""

UNHEARD_LIMIT: Final = 8
"""Names in a row that the name server we ask ourselves says nothing about, before c-ares is asked at once: it knows of
other servers."""

OnFound = Callable[[Found | LookupFailedError], None]


class _Lookup:
    __slots__ = ("begun", "due", "halves", "is_slow", "left", "name", "numbers", "rounds", "waiting")

    def __init__(self, name: str) -> None:
        self.name = name
        self.waiting: list[OnFound] = []
        self.halves: dict[socket.AddressFamily, Half | None] = {}
        self.begun = 0.0
        self.due = 0.0  # when what has come by then must do
        self.is_slow = False
        self.numbers: list[int] = []  # of the questions that we asked ourselves
        self.left: tuple[socket.AddressFamily, ...] = ()  # the families that c-ares has been asked for
        self.rounds = 0  # of the families, that have been asked for


class Lookups:
    """Looks names up and remembers what they lead to."""

    def __init__(
        self,
        options: TransportOptions,
        loop: asyncio.AbstractEventLoop,
        poller: Poller,
        on_bug: Callable[[Exception], None],
    ) -> None:
        """`on_bug` is told what goes wrong in here that is none of the network's."""
        self._loop = loop
        self._poller = poller
        self._on_bug = on_bug
        self._servers = list(options.resolvers)
        self._names = Names(options)
        self._most_counted = QUESTIONS_AT_ONCE // len(self._names.rounds[0])
        self._hosts_file = HostsFile(hosts_path())
        self._ares: Ares | None = None  # made at the first look-up
        self._server: NameServer | None = None  # made then, too; none where it would be of no use
        self._unheard = 0  # look-ups since it last said something
        self._queue: deque[_Lookup] = deque()
        self._lookups: dict[str, _Lookup] = {}  # queued ones included
        self._sent: dict[str, _Lookup] = {}
        self._counted = 0  # of those sent, the ones that are not slow
        self._is_closed = False
        self.lookup_seconds = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether anything is being looked up."""
        return bool(self._lookups)

    def find(self, host: str, port: int, on_found: OnFound) -> Found | LookupFailedError | None:
        """What `host` leads to, if that is known; else None, and `on_found` is called when it is."""
        name = name_of(host)
        found = self._names.known(name, port, self._loop.time())
        if found is not None:
            return found
        if self._is_closed:
            return CLOSED
        lookup = self._lookups.get(name)
        if lookup is None:
            pinned = self._hosts_file.addresses(name, self._names.families)
            if pinned:
                return Found(pinned, 0)
            lookup = self._lookups[name] = _Lookup(name)
            self._queue.append(lookup)
            self._send_queued()
        lookup.waiting.append(on_found)
        return None

    async def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """Like `Resolver.addresses`: at least one. Raises LookupFailedError."""
        future: asyncio.Future[Found | LookupFailedError] = self._loop.create_future()

        def on_found(found: Found | LookupFailedError) -> None:
            if not future.done():
                future.set_result(found)

        found = self.find(host, port, on_found)
        if found is None:
            found = await future
        if isinstance(found, LookupFailedError):
            raise LookupFailedError(found.reason, found.detail)
        return found.addresses

    def on_tick(self, now: float) -> None:
        """Let time-outs happen."""
        if self._ares is not None and self._sent:
            if self._server is not None:
                self._server.on_ready()  # what came while the loop was busy is not late
            self._ares.on_tick()
        for lookup in list(self._sent.values()):
            if now >= lookup.due:
                self._settle(lookup, now)
            elif not lookup.is_slow and now - lookup.begun >= SLOW_SECONDS:
                lookup.is_slow = True
                self._counted -= 1
                if lookup.numbers and self._ares is not None:
                    self._unheard += 1
                    # An answer to what was asked before still counts.
                    self._leave_to(self._ares, lookup, lookup.halves)
        if self._unheard >= UNHEARD_LIMIT:
            self._leave_server()
        self._send_queued()

    def close(self) -> None:
        """End every look-up; who waits for one is told so. Idempotent."""
        if self._is_closed:
            return
        self._is_closed = True
        lookups = list(self._lookups.values())
        self._lookups.clear()
        self._sent.clear()
        self._queue.clear()
        if self._server is not None:
            self._server.close()
        if self._ares is not None:
            self._ares.close()
        for lookup in lookups:
            for on_found in lookup.waiting:
                on_found(CLOSED)

    # -- asking

    def _send_queued(self) -> None:
        while self._queue and self._counted < self._most_counted:
            self._send(self._queue.popleft())

    def _send(self, lookup: _Lookup) -> None:
        lookup.begun = self._loop.time()
        lookup.due = lookup.begun + dns.LOOKUP_SECONDS
        self._sent[lookup.name] = lookup
        self._counted += 1
        self._ask_next(lookup)

    def _ask_next(self, lookup: _Lookup) -> None:
        """Ask for the families of the next round."""
        ares = self._ares or self._begin()
        families = self._names.rounds[lookup.rounds]
        lookup.rounds += 1
        for family in families:
            lookup.halves[family] = None
        if self._server is not None and not lookup.is_slow and self._server.can_ask_for(lookup.name):
            try:
                lookup.numbers += self._server.ask(lookup.name, families, lookup)
                return
            except OSError:  # no room for it in the kernel, or nobody there: c-ares will see
                pass
        self._leave_to(ares, lookup, families)

    def _begin(self) -> Ares:
        ares = self._ares = Ares(self._loop, self._servers, self._on_ares)
        if (address := ares.first_server) is not None:
            try:
                self._server = NameServer(self._poller, address, self._on_plain_half, self._leave_server)
            except (OSError, ValueError):
                pass  # not where we could ask it
        return ares

    def _leave_server(self) -> None:
        """Ask the name server no more ourselves: it cannot be reached, or is silent."""
        if self._server is None or self._ares is None:
            return
        self._server.close()
        self._server = None
        for lookup in list(self._sent.values()):
            if lookup.numbers and not lookup.is_slow:
                self._leave_to(self._ares, lookup, lookup.halves)
            lookup.numbers = []

    def _leave_to(self, ares: Ares, lookup: _Lookup, families: Iterable[socket.AddressFamily]) -> None:
        for family in families:
            if lookup.halves[family] is None and family not in lookup.left:
                lookup.left += (family,)
                ares.ask(lookup.name, family, lookup)

    def _on_plain_half(self, lookup: _Lookup, family: socket.AddressFamily, half: Half | None) -> None:
        """The name server that we ask ourselves says something; None: nothing plain."""
        self._unheard = 0
        if half is not None:
            self._take(lookup, family, half, self._loop.time())
        elif self._ares is not None and not lookup.is_slow:
            self._leave_to(self._ares, lookup, (family,))

    def _on_ares(self, answers: list[Answer]) -> None:
        try:
            now = self._loop.time()
            for lookup, family, half in answers:
                self._take(lookup, family, half, now)
        except Exception as error:
            self._on_bug(error)

    def _take(self, lookup: _Lookup, family: socket.AddressFamily, half: Half, now: float) -> None:
        halves = lookup.halves
        if self._sent.get(lookup.name) is not lookup or halves[family] is not None:
            return
        halves[family] = half
        if None not in halves.values():
            if half.status is not None and lookup.rounds < len(self._names.rounds):
                self._ask_next(lookup)
            else:
                self._settle(lookup, now)
        elif family is socket.AF_INET and half.status is None:
            lookup.due = min(lookup.due, now + dns.RESOLUTION_DELAY_SECONDS)

    def _settle(self, lookup: _Lookup, now: float) -> None:
        del self._sent[lookup.name], self._lookups[lookup.name]
        if not lookup.is_slow:
            self._counted -= 1
        if self._server is not None:
            self._server.forget(lookup.numbers, lookup)
        self.lookup_seconds += now - lookup.begun
        found = combined(lookup.name, list(lookup.halves.values()))
        self._names.learn(lookup.name, found, now)
        self._send_queued()  # first: the name server is at it while others are called
        for on_found in lookup.waiting:
            on_found(found)
