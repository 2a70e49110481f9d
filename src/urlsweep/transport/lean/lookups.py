"""Names to addresses for the fast transport, without a thread, task or timer a name.

Contract: one look-up a name, however many wait for it; what each answer means, what needs no asking and what is
remembered are `dns`'s. The owner calls `on_tick` some twenty times a second while `is_busy`.
Not in here: connecting.

The first name server is asked by a socket of our own (`nameserver`). Whatever it does not answer plainly and soon is
left to c-ares, driven by the event loop: it has the last word on all that is not well. It takes 97 µs a look-up, within
the thread that aiodns runs for the session transport half as much again; a socket of our own takes 27.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from collections import deque
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from urlsweep.transport import dns
from urlsweep.transport.dns import CLOSED, Found, Half, LookupFailedError, Names, combined, name_of
from urlsweep.transport.hosts_file import HostsFile, hosts_path
from urlsweep.transport.lean.nameserver import NameServer
from urlsweep.transport.lean.poller import Poller
from urlsweep.transport.options import TransportOptions

if TYPE_CHECKING:
    import pycares  # 8 ms that a run over addresses does not spend, and that no run spends before its first look-up

AT_ONCE: Final = 100
"""Look-ups that are sent and not answered yet: their answers have to fit the socket's buffer, or they are lost."""

SLOW_SECONDS: Final = 0.5
"""What takes longer counts no more among these: names whose servers are dead must not keep all others waiting. It is
c-ares' from then on."""

UNHEARD_LIMIT: Final = 8
"""Names in a row that the name server we ask ourselves says nothing about, before c-ares is asked at once: it knows of
other servers."""

_AI_NOSORT: Final = 1 << 7
"""ares.h's ARES_AI_NOSORT. For the order of RFC 6724 c-ares would make a socket for each address; the families' order,
which matters, is `dns.combined`'s."""

OnFound = Callable[[Found | LookupFailedError], None]


class _Lookup:
    __slots__ = ("begun", "due", "halves", "is_slow", "name", "numbers", "waiting")

    def __init__(self, name: str) -> None:
        self.name = name
        self.waiting: list[OnFound] = []
        self.halves: dict[socket.AddressFamily, Half | None] = {}
        self.begun = 0.0
        self.due = 0.0  # when what has come by then must do
        self.is_slow = False
        self.numbers: list[int] = []  # of the questions that we asked ourselves


class Lookups:
    """Looks names up and remembers what they lead to."""

    def __init__(
        self,
        options: TransportOptions,
        loop: asyncio.AbstractEventLoop,
        poller: Poller,
        on_bug: Callable[[Exception], None],
    ) -> None:
        """`on_bug` is told what goes wrong in here that is none of the network's. Raises ImportError without c-ares."""
        if find_spec("pycares") is None:
            raise ImportError("pycares is not installed")
        self._loop = loop
        self._poller = poller
        self._on_bug = on_bug
        self._servers = list(options.resolvers)
        self._names = Names(options)
        self._hosts_file = HostsFile(hosts_path())
        self._channel: pycares.Channel | None = None  # made at the first look-up
        self._server: NameServer | None = None  # made then, too; none where it would be of no use
        self._unheard = 0  # look-ups since it last said something
        self._watched: dict[int, tuple[bool, bool]] = {}  # c-ares' sockets: to be read from, to be written to
        self._queue: deque[_Lookup] = deque()
        self._lookups: dict[str, _Lookup] = {}  # queued ones included
        self._sent: dict[str, _Lookup] = {}
        self._counted = 0  # of those sent, the ones that are not slow
        self._answers: list[tuple[_Lookup, socket.AddressFamily, Half]] = []
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
        if self._channel is not None and self._sent:
            import pycares

            self._channel.process_fd(pycares.ARES_SOCKET_BAD, pycares.ARES_SOCKET_BAD)
        for lookup in list(self._sent.values()):
            if now >= lookup.due:
                self._settle(lookup, now)
            elif not lookup.is_slow and now - lookup.begun >= SLOW_SECONDS:
                lookup.is_slow = True
                self._counted -= 1
                if lookup.numbers:
                    self._unheard += 1
                    self._ask_ares(lookup)  # an answer to what was asked before still counts
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
        if self._channel is not None:
            self._channel.cancel()
            for number in list(self._watched):
                self._on_socket(number, False, False)
            self._channel.close()  # by a thread of pycares' own, which nobody must hear from
        self._answers.clear()
        for lookup in lookups:
            for on_found in lookup.waiting:
                on_found(CLOSED)

    # -- asking

    def _send_queued(self) -> None:
        while self._queue and self._counted < AT_ONCE:
            self._send(self._queue.popleft())

    def _send(self, lookup: _Lookup) -> None:
        import pycares

        if self._channel is None:
            self._open_channel()
        lookup.begun = self._loop.time()
        lookup.due = lookup.begun + dns.LOOKUP_SECONDS
        self._sent[lookup.name] = lookup
        self._counted += 1
        for family in self._names.families:
            lookup.halves[family] = None
        if self._server is not None and self._server.can_ask_for(lookup.name):
            try:
                lookup.numbers = self._server.ask(lookup.name, self._names.families, lookup)
                return
            except OSError:  # no room for it in the kernel, or nobody there: c-ares will see
                pass
        self._ask_ares(lookup)

    def _open_channel(self) -> None:
        channel = self._channel = pycares.Channel(
            sock_state_cb=self._on_socket,
            timeout=dns.QUERY_SECONDS,
            tries=dns.QUERY_TRIES,
            servers=self._servers or None,
        )
        try:
            address = channel.servers[0]
            self._server = NameServer(self._poller, address, self._on_plain_half, self._leave_server, self._send_queued)
        except (OSError, ValueError, IndexError, pycares.AresError):
            self._server = None

    def _leave_server(self) -> None:
        """Ask the name server no more ourselves: it cannot be reached, or is silent."""
        if self._server is None:
            return
        self._server.close()
        self._server = None
        for lookup in list(self._sent.values()):
            if lookup.numbers:
                lookup.numbers = []
                if not lookup.is_slow:
                    self._ask_ares(lookup)

    def _ask_ares(self, lookup: _Lookup) -> None:
        for family in self._names.families:
            if lookup.halves[family] is None:
                self._ask_ares_for(lookup, family)

    def _ask_ares_for(self, lookup: _Lookup, family: socket.AddressFamily) -> None:
        if self._channel is None:
            return
        name = f"{lookup.name}." if "." in lookup.name else lookup.name  # see `dns` on the search list
        told = functools.partial(self._on_half, lookup, family)
        try:
            self._channel.getaddrinfo(name, None, family=family, flags=_AI_NOSORT, callback=told)
        except pycares.AresError as error:
            told(None, int(error.args[0]))
        except UnicodeError:
            told(None, pycares.errno.ARES_EBADNAME)

    def _on_plain_half(self, lookup: _Lookup, family: socket.AddressFamily, half: Half | None) -> None:
        """The name server that we ask ourselves says something."""
        self._unheard = 0
        if half is not None:
            self._take(lookup, family, half, self._loop.time())
        elif not lookup.is_slow:
            self._ask_ares_for(lookup, family)

    def _on_half(self, lookup: _Lookup, family: socket.AddressFamily, result: Any, status: int | None) -> None:
        """c-ares calls: nothing may be raised, and nobody asked for more, in the middle of its work."""
        if not self._is_closed:
            if not self._answers:
                self._loop.call_soon(self._on_answers)
            self._answers.append((lookup, family, Half.of(result) if status is None else Half(status)))

    def _on_answers(self) -> None:
        try:
            self._take_answers()
        except Exception as error:
            self._on_bug(error)

    def _take_answers(self) -> None:
        answers, self._answers = self._answers, []
        now = self._loop.time()
        for lookup, family, half in answers:
            self._take(lookup, family, half, now)
        self._send_queued()

    def _take(self, lookup: _Lookup, family: socket.AddressFamily, half: Half, now: float) -> None:
        halves = lookup.halves
        if self._sent.get(lookup.name) is not lookup or halves[family] is not None:
            return
        halves[family] = half
        if None not in halves.values():
            self._settle(lookup, now)
        elif family is socket.AF_INET and half.status is None:
            lookup.due = min(lookup.due, now + dns.RESOLUTION_DELAY_SECONDS)

    def _settle(self, lookup: _Lookup, now: float) -> None:
        del self._sent[lookup.name], self._lookups[lookup.name]
        if not lookup.is_slow:
            self._counted -= 1
        if self._server is not None:
            self._server.forget(lookup.numbers)
        self.lookup_seconds += now - lookup.begun
        found = combined(lookup.name, list(lookup.halves.values()))
        self._names.learn(lookup.name, found, now)
        for on_found in lookup.waiting:
            on_found(found)

    # -- c-ares' sockets

    def _on_socket(self, number: int, is_read: bool, is_written: bool) -> None:
        """c-ares calls, whenever what it waits for changes."""
        if self._is_closed and number not in self._watched:
            return
        import pycares

        was_read, was_written = self._watched.pop(number, (False, False))
        channel = self._channel
        if is_read and not was_read and channel is not None:
            self._loop.add_reader(number, channel.process_fd, number, pycares.ARES_SOCKET_BAD)
        elif was_read and not is_read:
            self._loop.remove_reader(number)
        if is_written and not was_written and channel is not None:
            self._loop.add_writer(number, channel.process_fd, pycares.ARES_SOCKET_BAD, number)
        elif was_written and not is_written:
            self._loop.remove_writer(number)
        if is_read or is_written:
            self._watched[number] = (is_read, is_written)
