"""The fast transport itself: origins, kept connections, and the one clock for all deadlines.

Contract: `urlsweep.transport.Transport`. A deadline is kept to within TICK_SECONDS.
Not in here: what becomes of one request (`call`).
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

from urlsweep.core.model import Failure, Reply, Request
from urlsweep.transport import BodyError, Done, bounds, failures, started, tls
from urlsweep.transport.certificates import CertificateReader
from urlsweep.transport.decoding import PIECE_BYTES, Decoder, DecodingError
from urlsweep.transport.exchange import Exchange
from urlsweep.transport.failures import Explanation
from urlsweep.transport.lean.body import Body, BodyFault, BodyFaultError
from urlsweep.transport.lean.call import Call
from urlsweep.transport.lean.channel import Channel
from urlsweep.transport.lean.connection import Connection
from urlsweep.transport.lean.head import FieldFinder
from urlsweep.transport.lean.origin import Origin
from urlsweep.transport.lean.poller import Poller, poller
from urlsweep.transport.lean.race import Race
from urlsweep.transport.options import TransportOptions

if TYPE_CHECKING:
    from urlsweep.transport.lean.lookups import Lookups

TICK_SECONDS: Final = 0.05
"""How often deadlines are looked at, and so how late one may be kept."""

ORIGINS_KEPT: Final = 512
"""Origins that are remembered, twice as many at the most, and more only where more are in use: a TLS session, where one
was needed, holds the server's certificates, some 22 KiB. Forgetting one costs a whole handshake where its host comes
again."""


class LeanTransport:
    """Sends requests over sockets of its own. Create it within a running event loop; close it with `aclose`."""

    def __init__(
        self, options: TransportOptions, *, needed_fields: Collection[str], context_fields: Collection[str] = ()
    ) -> None:
        """`needed_fields` and `context_fields` are as for `choice.open_transport`. Proxies are not spoken here.

        Raises TransportOptionError for options that cannot be used; reads the files they name. Raises
        NotImplementedError on an event loop that cannot watch sockets, ImportError where c-ares is not installed.
        """
        if find_spec("pycares") is None:
            raise ImportError("pycares is not installed")
        tls.check_files(options)
        self._options = options
        self._loop = asyncio.get_running_loop()
        self.poller: Poller = poller(self._loop, self.on_bug)
        self._lookups: Lookups | None = None  # made at the first name
        self.now: Callable[[], float] = self._loop.time
        self._finder = FieldFinder(needed_fields, context_fields)
        # Twice what may be in use, asked or with an idle connection: else each new one would look through all of them.
        self._origins_kept = max(ORIGINS_KEPT, 2 * options.concurrency)
        self._origins: dict[str, Origin] = {}
        self._guarded_origins: dict[str, Origin] = {}
        self._calls: set[Call] = set()
        self._connections: set[Connection] = set()
        self._kept: OrderedDict[Connection, None] = OrderedDict()  # longest idle first
        self._left: dict[Race, Origin] = {}  # attempts to connect that go on after their request; the longest first
        self.attempts = 0  # see `Room`
        self._most_sockets = bounds.SOCKETS_PER_REQUEST * options.concurrency
        self._timer: asyncio.TimerHandle | None = None
        self._tls_context: ssl.SSLContext | None = None  # made at the first https request
        self._certificates: CertificateReader | None = None  # made when the first one is refused
        self._tasks: dict[Call, asyncio.Task[None]] = {}  # that read refused certificates
        self._is_closed = False

    # --- the protocol -------------------------------------------------------------------------------------------------

    @property
    def lookup_seconds(self) -> float:
        """See `Transport.lookup_seconds`."""
        return 0.0 if self._lookups is None else self._lookups.lookup_seconds

    @property
    def lookups(self) -> Lookups:
        """Who looks names up: 10 ms that a run over addresses does not spend, and none before its first look-up."""
        if self._lookups is None:
            from urlsweep.transport.lean.lookups import Lookups

            self._lookups = Lookups(self._options, self._loop, self.poller, self.on_bug)
            if self._is_closed:
                self._lookups.close()
        return self._lookups

    async def send(self, request: Request) -> Reply | Failure:
        """See `Transport.send`."""
        return await started(self, request)

    @contextlib.asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[tuple[Reply | Failure, AsyncIterator[bytes]]]:
        """See `Transport.open`. `request.timeout` bounds the wait for the header section and then for each piece of the
        body; the whole body may take `bounds.BODY_TIMEOUTS` times that."""
        answered: asyncio.Future[Reply | Failure | Exception] = self._loop.create_future()

        def done(event: Reply | Failure | Exception) -> None:
            if not answered.done():  # cancelled in this very moment: see `started`
                answered.set_result(event)

        call = self.start(request, done, wants_body=True)
        try:
            event = await answered
        except asyncio.CancelledError:
            call.cancel()
            if call.body is not None:  # the answer came in the same moment
                call.body.close()
            raise
        if isinstance(event, Exception):
            raise event
        body = call.body
        if body is None:
            yield event, _nothing()
            return
        chunks = self._chunks(body, call.exchange())
        try:
            yield event, chunks
        finally:
            await chunks.aclose()
            body.close()

    async def aclose(self) -> None:
        """See `Transport.aclose`."""
        if self._is_closed:
            return
        self._is_closed = True
        for call in list(self._calls):
            call.give_up()
        for task in list(self._tasks.values()):
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        if self._lookups is not None:
            self._lookups.close()
        for race, origin in list(self._left.items()):
            self._end_left(race, origin)
        for connection in list(self._connections):
            connection.close()
        self.poller.aclose()
        if self._timer is not None:
            self._timer.cancel()

    # --- requests -----------------------------------------------------------------------------------------------------

    def start(self, request: Request, done: Done, *, wants_body: bool = False) -> Call:
        """See `Transport.start`. With `wants_body` the answer's is left to be read: see `open`."""
        if self._is_closed:
            raise RuntimeError("the transport is closed")
        url = request.url
        end = url.find("/", 8)
        target = url[end:]
        if end < 0 or url.find("?", 8, end) >= 0:  # no URL that WHATWG's rules have been over
            end = url.find("?", 8) if "?" in url else len(url)
            target = f"/{url[end:]}"
        origins = self._origins if request.public_only is None else self._guarded_origins
        origin = origins.get(url[:end])
        if origin is None:
            origin = self._new_origin(origins, url[:end], is_guarded=request.public_only is not None)
        why = ""
        try:
            data = f"{request.method} {target}{origin.tail(request.headers)}".encode()
        except ValueError as error:
            why = str(error)
        if " " in target or not target.isprintable():
            why = "its URL holds what no request line can"
        call = Call(self, request, origin, b"" if why else data, done, self._loop.time(), wants_body=wants_body)
        self._calls.add(call)
        origin.calls += 1
        origin.asked += 1
        if why:
            call.refuse(why)
        else:
            call.start()
        if self._timer is None:
            self._timer = self._loop.call_later(TICK_SECONDS, self._on_tick)
        return call

    def _new_origin(self, origins: dict[str, Origin], key: str, *, is_guarded: bool) -> Origin:
        if len(origins) >= 2 * self._origins_kept:
            unused = [known for known, origin in origins.items() if origin.is_unused]
            for known in unused[: len(origins) - self._origins_kept]:
                del origins[known]
        scheme, _, authority = key.partition("://")
        origin = origins[key] = Origin(scheme, authority, is_guarded=is_guarded)
        return origin

    def soon(self, callback: Callable[..., None], *arguments: Any) -> None:
        """Call `callback` in the loop's next round."""
        self._loop.call_soon(callback, *arguments)

    def on_over(self, call: Call, origin: Origin) -> None:
        """`call` has ended."""
        self._calls.discard(call)
        origin.calls -= 1
        task = self._tasks.get(call)
        if task is not None:
            task.cancel()

    def on_bug(self, error: Exception) -> None:
        """Something in here went wrong that is none of the network's: nobody must take it for a dead link."""
        if not self._calls:
            raise error
        for call in list(self._calls):
            call.finish(error)

    def _on_tick(self) -> None:
        try:
            self._look_at_deadlines()
        except Exception as error:
            self.on_bug(error)

    def _look_at_deadlines(self) -> None:
        now = self._loop.time()
        for call in [call for call in self._calls if call.due <= now]:
            call.on_due(now)
        is_looking_up = self._lookups is not None and self._lookups.is_busy
        if is_looking_up:
            self.lookups.on_tick(now)
        while self._kept and next(iter(self._kept)).idle_since + bounds.KEEPALIVE_SECONDS < now:
            next(iter(self._kept)).close()
        for race, origin in list(self._left.items()):
            if race.is_over or race.ends_at <= now:
                self._end_left(race, origin)
        is_needed = bool(self._calls or self._kept or self._left or is_looking_up) and not self._is_closed
        self._timer = self._loop.call_later(TICK_SECONDS, self._on_tick) if is_needed else None

    # --- connections --------------------------------------------------------------------------------------------------

    def begin_race(self, origin: Origin, addresses: Sequence[str], call: Call) -> Race:
        """A connection for `call`: a new one, beside what earlier requests to `origin` have left."""
        while origin.left:
            race = origin.left.popleft()
            del self._left[race]
            if not race.is_over:
                race.join(call, addresses)
                return race
            origin.is_slow |= race.is_late
        race = Race(self._loop, self.poller, self, addresses, origin.port, call)
        race.start()
        return race

    def leave_race(self, origin: Origin, race: Race, seconds: float) -> float:
        """Let the attempts of `race` go on, each for `seconds` in all, where there is room for them: all that is open
        beyond a socket for each request is as much as there may be requests, at the most. Idle connections give way.

        Gives how long they have been under way. 0: there is no room, or there are none; they are closed.
        """
        under_way = race.leave(seconds)
        if not under_way:
            return 0.0
        beside = self._open_sockets - (len(self._calls) - 1)  # its own request is about to end
        if beside > self._options.concurrency:
            excess = beside - self._options.concurrency
            if excess > len(self._kept):
                race.cancel()
                return 0.0
            self.drop_kept(keep=len(self._kept) - excess)
        origin.left.append(race)
        self._left[race] = origin
        return under_way

    @property
    def _open_sockets(self) -> int:
        return len(self._connections) + self.attempts

    def make_room(self) -> bool:
        """See `Room.make_room`: of what nobody uses, idle connections go first, then what was left longest ago."""
        while self._open_sockets >= self._most_sockets:
            if self._kept:
                next(iter(self._kept)).close()
            elif self._left:
                self._lose_left(*next(iter(self._left.items())))
            else:
                return False
        return True

    def drop_unused(self) -> None:
        """End whatever nobody uses at this moment."""
        self.drop_kept(keep=0)
        for race, origin in list(self._left.items()):
            self._lose_left(race, origin)

    def _lose_left(self, race: Race, origin: Origin) -> None:
        """End what was not to end yet."""
        self._end_left(race, origin)
        origin.is_slow = True  # for all that is known

    def _end_left(self, race: Race, origin: Origin) -> None:
        del self._left[race]
        origin.left.remove(race)
        origin.is_slow |= race.is_late
        race.cancel()

    def connection(self, origin: Origin, sock: socket.socket, address: str) -> Connection:
        """What `sock` becomes. Raises ValueError for a host that TLS cannot ask for."""
        channel = Channel(self._context(), origin.server_hostname, origin.session()) if origin.is_tls else None
        connection = Connection(self._loop, self.poller, self, self._finder, origin, sock, address, channel)
        self._connections.add(connection)
        return connection

    def take_kept(self, origin: Origin) -> Connection:
        """A kept connection to `origin`, of which there is one."""
        connection = origin.idle.pop()
        del self._kept[connection]
        return connection

    def keep(self, connection: Connection) -> None:
        """See `Pool.keep`."""
        connection.idle_since = self._loop.time()
        connection.origin.idle.append(connection)
        self._kept[connection] = None
        if len(self._kept) > self._options.concurrency:
            self.drop_kept(keep=self._options.concurrency)

    def forget(self, connection: Connection) -> None:
        """See `Pool.forget`."""
        self._connections.discard(connection)
        if connection in self._kept:
            del self._kept[connection]
            connection.origin.idle.remove(connection)

    def drop_kept(self, keep: int) -> None:
        """End idle connections, longest idle first, until `keep` are left: on a list of many hosts each leaves one."""
        while len(self._kept) > keep:
            next(iter(self._kept)).close()

    def _context(self) -> ssl.SSLContext:
        if self._tls_context is None:
            self._tls_context = tls.client_context(self._options)
        return self._tls_context

    # --- refused certificates -----------------------------------------------------------------------------------------

    def describe(self, call: Call, known: Explanation, code: int, exchange: Exchange, deadline: float) -> None:
        """Find out more about a refused certificate than OpenSSL's `code`, and tell `call`."""
        if self._certificates is None:
            self._certificates = CertificateReader(self.lookups)
        task = self._loop.create_task(self._describe(self._certificates, call, known, code, exchange, deadline))
        self._tasks[call] = task
        task.add_done_callback(lambda _: self._tasks.pop(call, None))

    async def _describe(
        self,
        certificates: CertificateReader,
        call: Call,
        known: Explanation,
        code: int,
        exchange: Exchange,
        deadline: float,
    ) -> None:
        is_guarded = call.request.public_only is not None
        try:
            detail = await certificates.describe(exchange, code, is_guarded, deadline)
        except Exception as error:  # a bug; nothing else would ever end the call
            self._tasks.pop(call, None)
            call.finish(error)
            return
        self._tasks.pop(call, None)  # it is not to be cancelled by its own end
        call.on_described(known._replace(detail=detail or known.detail))

    # --- bodies -------------------------------------------------------------------------------------------------------

    async def _chunks(self, body: Body, exchange: Exchange) -> AsyncGenerator[bytes, None]:
        patience = exchange.timeout
        deadline = self._loop.time() + bounds.BODY_TIMEOUTS * patience
        try:
            decoder = Decoder(body.content_encoding)
            while True:
                async with asyncio.timeout_at(min(self._loop.time() + patience, deadline)):
                    data = await body.read()
                if not data:
                    break
                for start in range(0, len(data), PIECE_BYTES):
                    for piece in decoder.feed(data[start : start + PIECE_BYTES]):
                        yield piece
            decoder.finish()
        except (TimeoutError, BodyFaultError, DecodingError) as error:
            explanation = _explain_body(error, exchange)
            raise BodyError(Failure(explanation.reason, explanation.detail)) from error


def _explain_body(error: TimeoutError | BodyFaultError | DecodingError, exchange: Exchange) -> Explanation:
    if isinstance(error, DecodingError):
        return failures.undecodable_body(str(error), exchange)
    if isinstance(error, TimeoutError):
        return failures.late_body(exchange)
    if error.fault is BodyFault.MALFORMED:
        return failures.malformed_body(exchange)
    return failures.broken_body(exchange)


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""
