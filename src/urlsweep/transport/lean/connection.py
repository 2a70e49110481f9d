"""One socket: what goes out on it, and what comes in and to whom it belongs.

Contract: carries one call at a time; bytes that nobody asked for end it instead of answering the next request. All that
happens to a call that way is told to the call. Closing it tells nobody but the pool.
Not in here: connecting, deadlines, what a failure is called.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from typing import TYPE_CHECKING, Final, Protocol

from urlsweep.core.model import Reply
from urlsweep.transport import bounds
from urlsweep.transport.lean.body import Body
from urlsweep.transport.lean.channel import Channel
from urlsweep.transport.lean.chunks import ChunkError, Dechunker
from urlsweep.transport.lean.head import FieldFinder, Head, HeadFault, HeadReader
from urlsweep.transport.lean.origin import Origin
from urlsweep.transport.lean.poller import Poller

if TYPE_CHECKING:
    from urlsweep.transport.lean.call import Call

_READ_BYTES: Final = 64 * 1024
_WITHOUT_BODY: Final = frozenset({101, 204, 304})


class Pool(Protocol):
    """Where connections are kept."""

    def keep(self, connection: Connection) -> None:
        """`connection` may carry another request."""

    def forget(self, connection: Connection) -> None:
        """`connection` has been closed."""


class Connection:
    """A connection that stands, or on which TLS is being agreed."""

    __slots__ = (
        "_awaits_room",
        "_finder",
        "_left",
        "_loop",
        "_poller",
        "_pool",
        "_recv",
        "_reply",
        "_requests",
        "_sock",
        "_unsent",
        "address",
        "body",
        "call",
        "channel",
        "idle_since",
        "is_closed",
        "origin",
        "reader",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        poller: Poller,
        pool: Pool,
        finder: FieldFinder,
        origin: Origin,
        sock: socket.socket,
        address: str,
        channel: Channel | None,
    ) -> None:
        """`address` is the peer's. The connection belongs to the call that begins it (`begin`)."""
        self._loop = loop
        self._poller = poller
        self._pool = pool
        self._finder = finder
        self._sock = sock
        self._recv = sock.recv
        self._unsent = b""
        self._awaits_room = False  # in the kernel's buffer, for what is unsent
        self._requests = 0
        self._reply: Reply | None = None  # told when the body has been read; there only meanwhile
        self._left = 0  # bytes of that body
        self.origin = origin
        self.address = address
        self.channel = channel
        self.call: Call | None = None
        self.reader: HeadReader | None = None
        self.body: Body | None = None
        self.idle_since = 0.0
        self.is_closed = False

    # -- out

    def begin(self, call: Call) -> None:
        """Send the first request, once TLS stands."""
        self.call = call
        self._poller.rewatch(self._sock, self)
        if self.channel is None:
            self.ask(call)
        else:
            self._shake_hands(self.channel, is_over=False)

    def ask(self, call: Call) -> None:
        """Send the request of `call`."""
        self.call = call
        self.reader = None
        call.on_sent(self, is_reused=self._requests > 0)
        self._requests += 1
        if self.channel is None:
            self._send(call.data)
            return
        try:
            self.channel.write(call.data)
        except ssl.SSLError as error:  # the server has begun a handshake anew (TLS 1.2), which may never end
            self._on_broken_tls(error)
        else:
            self._send(self.channel.take())

    def _send(self, data: bytes) -> None:
        if self._unsent:
            self._unsent += data
        elif data:
            self._unsent = data
            self._poller.send_soon(self)

    def send_now(self) -> None:
        """Send what is to be sent, as far as the kernel takes it."""
        data = self._unsent
        if not data or self.is_closed:
            return
        try:
            sent = self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            sent = 0
        except OSError:
            sent = len(data)  # the connection has ended: reading tells so too, and what came before the end
        self._unsent = data[sent:]
        if self._unsent or self._awaits_room:
            self._awaits_room = bool(self._unsent)
            self._poller.rewatch(self._sock, self, writing=self._awaits_room)

    # -- in

    def on_ready(self) -> None:
        """The poller calls."""
        if self._awaits_room:
            self.send_now()
        try:
            data = self._recv(_READ_BYTES)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._on_end(error.errno or 0)
            return
        if self.channel is None:
            self._on_data(data)
        else:
            self._on_record(self.channel, data)

    def _on_record(self, channel: Channel, data: bytes) -> None:
        channel.put(data)
        if not channel.is_established and not self._shake_hands(channel, is_over=not data):
            return
        while not self.is_closed:
            try:
                plain = channel.read()
            except ssl.SSLError as error:
                self._on_broken_tls(error)
                return
            if plain is None:
                break
            self._on_data(plain)
            if not channel.may_have_more:
                break
        if not self.is_closed and (answer := channel.take()):
            self._send(answer)

    def _shake_hands(self, channel: Channel, *, is_over: bool) -> bool:
        call = self.call
        if call is None:
            self.close()
            return False
        try:
            is_established = channel.shake_hands()
        except ssl.SSLError as error:
            self._send(channel.take())  # why, so that the server need not guess
            self.send_now()
            self.close()
            call.on_tls_refused(error)
            return False
        if is_established:
            self.ask(call)
            return True
        self._send(channel.take())
        if is_over:
            self._on_end(0)
        return False

    def _on_data(self, data: bytes) -> None:
        call = self.call
        if not data:
            self._on_end(0)
        elif self.body is not None:
            self.body.feed(data)
        elif call is None:
            self.close()  # nobody asked: the body of a HEAD answer, or a second answer; no request may get to see it
        elif self._reply is not None:
            self._left -= len(data)
            if self._left <= 0:
                self._answer(call, self._reply, may_be_kept=self._left == 0)
        elif self.reader is None and (begun := self._finder.begin(data)) is not None:
            self._on_head(call, begun[0], data[begun[1] :])
        else:
            reader = self.reader
            if reader is None:
                reader = self.reader = HeadReader(self._finder)
            head = reader.feed(data)
            if head is None:
                return
            if isinstance(head, HeadFault):
                self.close()
                call.on_fault(head)
            else:
                self._on_head(call, head, reader.rest)

    def _on_head(self, call: Call, head: Head, rest: bytes) -> None:
        now = self._loop.time()
        reply = Reply(head.status, head.fields, now - call.begun, self.address)
        if self.channel is not None and self._requests == 1:
            self.origin.offer_session(self.channel)
        if head.status < 100:  # no status code (RFC 9110 section 15)
            self.close()
            call.on_fault(HeadFault.GARBAGE)
            return
        has_body = call.request.method != "HEAD" and head.status not in _WITHOUT_BODY
        if call.wants_body:
            self.body = Body(self, head, has_body=has_body)
            self.call = None
            self.body.feed(rest)
            call.finish(reply)
            return
        if not has_body or (head.length == 0 and not head.is_chunked):
            may_be_kept = head.is_persistent and not rest and head.status != 101
        elif not head.is_persistent:
            may_be_kept = False
        elif head.is_chunked:
            may_be_kept = _is_whole(rest)
        elif head.length is None or head.length > bounds.DRAIN_BYTES:
            may_be_kept = False
        else:
            self._left = head.length - len(rest)
            if self._left > 0:
                self._reply = reply
                call.on_draining(now)
                return
            may_be_kept = self._left == 0
        self._answer(call, reply, may_be_kept=may_be_kept)

    @property
    def is_resuming(self) -> bool:
        """Whether an earlier TLS session was offered to the server."""
        return self.channel is not None and self.channel.is_resuming

    @property
    def is_draining(self) -> bool:
        """Whether the answer is known, and only the rest of its body is awaited."""
        return self._reply is not None

    def on_drained_enough(self) -> None:
        """That takes too long."""
        if self.call is not None and self._reply is not None:
            self._answer(self.call, self._reply, may_be_kept=False)

    def _answer(self, call: Call, reply: Reply, *, may_be_kept: bool) -> None:
        self._reply = None
        self.call = None
        if may_be_kept and (self.channel is None or self.channel.is_read_out()):
            self._pool.keep(self)
        else:
            self.close()
        call.finish(reply)

    def _on_end(self, number: int) -> None:
        """The connection ended, with an error's number or without one."""
        call, is_established = self.call, self.channel is None or self.channel.is_established
        self.close()
        if call is None:
            return
        if self._reply is not None:
            reply, self._reply = self._reply, None
            call.finish(reply)
        elif is_established:
            call.on_disconnected(number)
        else:
            call.on_tls_refused(None)

    def _on_broken_tls(self, error: ssl.SSLError) -> None:
        call, reply = self.call, self._reply
        self.close()
        if call is not None:
            if reply is not None:
                call.finish(reply)
            else:
                call.on_tls_broken(error)

    # -- bodies

    def pause(self, *, is_paused: bool) -> None:
        """Read no more for now, or read on."""
        if not self.is_closed:
            self._poller.rewatch(self._sock, self, reading=not is_paused)

    def release(self, *, may_be_kept: bool) -> None:
        """The body is done with."""
        self.body = None
        if self.is_closed:
            return
        if may_be_kept:
            self._poller.rewatch(self._sock, self)
            self._pool.keep(self)
        else:
            self.close()

    def close(self) -> None:
        """End the connection now. Idempotent."""
        if self.is_closed:
            return
        self.is_closed = True
        self.call = None
        if self.channel is not None:
            self.origin.end_session(self.channel)
        self._poller.close(self._sock)
        self._pool.forget(self)
        if self.body is not None:
            self.body.on_end()


def _is_whole(rest: bytes) -> bool:
    """Whether `rest` is a whole chunked body and nothing else."""
    dechunker = Dechunker()
    try:
        dechunker.feed(rest)
    except ChunkError:
        return False
    return dechunker.is_complete and not dechunker.rest
