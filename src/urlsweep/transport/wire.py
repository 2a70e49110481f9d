"""The client's side of one HTTP/1.1 connection: aiohttp's, with the bounds and the care that hostile servers need.

Contract: a header section is bounded as a whole, interim answers included; a final header section that has come is
never lost to what comes after it; bytes that nobody asked for end the connection instead of answering the next request.
Nothing in here knows about redirects, retries or rows.

aiohttp (3.14) offers no public way to any of this: its own limits hold for one line, one field and the number of
fields; a stream of interim answers has none. So `Wire` subclasses `ResponseHandler` and wraps five of its methods
(`set_response_params`, `data_received`, `feed_data`, `set_exception`, `close`); `tests/transport/test_wire.py` holds
that to what an installed aiohttp really does.
"""

from __future__ import annotations

import asyncio
import functools
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import HttpProcessingError

from urlsweep.transport import heads
from urlsweep.transport.exchange import Stage, current
from urlsweep.transport.heads import BLANK_LINES, HEAD_LIMIT_BYTES, OPENING_BYTES, end_of_section


class HeadTooLargeError(aiohttp.ClientError):
    """The header section, interim answers included, went beyond HEAD_LIMIT_BYTES."""


class Wire(ResponseHandler):
    """One connection; a request begins with `set_response_params`."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.opening = b""  # the first bytes of the answer to the request that is under way
        self.is_idle = False  # kept for a later request; set by the transport, unset here
        self.keep_alive: object = None  # what must live as long as the connection does
        self._requests = 0
        self._head_left: int | None = None  # bytes the header section may still have; None: none is awaited
        self._section = bytearray()  # what has come of the header section that is awaited

    def set_response_params(self, **params: Any) -> None:
        """A request goes out on this connection; aiohttp calls this just before it writes."""
        self.opening = b""
        self._section = bytearray()
        self.is_idle = False
        self._head_left = HEAD_LIMIT_BYTES
        exchange = current()
        if exchange is not None and self.transport is not None:
            exchange.wire = self
            exchange.is_reused = self._requests > 0
            peer = self.transport.get_extra_info("peername")
            exchange.address = peer[0] if isinstance(peer, tuple) else None
            is_tls = self.transport.get_extra_info("sslcontext") is not None
            is_tunnel_request = exchange.proxy is not None and exchange.scheme == "https" and not is_tls
            exchange.stage = Stage.TUNNEL if is_tunnel_request else Stage.ANSWER
        self._requests += 1
        super().set_response_params(**params)

    @property
    def will_close(self) -> bool:
        """Whether the answer said that the connection ends with it."""
        return self._should_close

    @property
    def is_busy(self) -> bool:
        """Whether an answer is awaited."""
        return self._head_left is not None

    def data_received(self, data: bytes) -> None:
        """Take what the server sent; while the final header section is awaited, one section at a time.

        aiohttp's parser would drop a complete answer when bytes that it cannot read follow in the same segment: a HEAD
        answer with a body would be called invalid though it says all that was asked.
        """
        data, start = bytes(data), 0
        while start < len(data) and self._head_left is not None:
            blank = None if self._section else BLANK_LINES.match(data, start)
            end = end_of_section(self._section, data, start) if blank is None else blank.end()
            is_complete = blank is None and end is not None
            part = data[start:end]
            start += len(part)
            self._head_left -= len(part)
            if blank is None:
                self._section += part
            if not self.opening:
                self.opening = part[:OPENING_BYTES]
            if self._head_left < 0:
                self.set_exception(HeadTooLargeError(f"more than {HEAD_LIMIT_BYTES} bytes"))
                self.drop()
            elif not heads.may_be_http(bytes(self._section[:OPENING_BYTES])):
                # llhttp takes RTSP's answers, too, and so may wait for the rest of one.
                self.set_exception(HttpProcessingError(message="not HTTP"))
                self.drop()
            elif is_complete:
                section, self._section = bytes(self._section), bytearray()
                super().data_received(heads.straightened(section))
            if self.transport is None or self.transport.is_closing():
                return  # refused
        data = data[start:]
        if data and self._is_answer_complete():
            self.drop()  # nobody asked: the body of a HEAD answer, or a second answer; no request may get to see it
        elif data or self._head_left is None:
            super().data_received(data)  # body; or b"" from aiohttp's own flow control

    def feed_data(self, data: Any, size: int = 0) -> None:
        """aiohttp's parser hands over the header section of one answer."""
        status = data[0].code
        if not 100 <= status < 200 or status == 101:
            self._head_left = None
        super().feed_data(data, size)

    def set_exception(self, exc: BaseException, *cause: BaseException) -> None:
        """The connection failed: end the reading of a body too, which aiohttp leaves waiting after a bad chunk."""
        super().set_exception(exc, *cause)
        if self._payload is not None and not self._payload.is_eof() and self._payload.exception() is None:
            self._payload.set_exception(exc, *cause)

    def _is_answer_complete(self) -> bool:
        return self._payload is None or self._payload.is_eof()

    def close(self) -> None:
        """aiohttp ends the connection."""
        if self.transport is not None and self.transport.get_extra_info("sslcontext") is not None:
            self.drop()
        super().close()

    def drop(self) -> None:
        """End the connection now, without a TLS farewell that a hostile peer could leave unanswered for 30 s."""
        self.force_close()
        if self.transport is not None:
            self.transport.abort()


class Connector(aiohttp.TCPConnector):
    """aiohttp's connector, making connections of our kind."""

    def __init__(self, **params: Any) -> None:
        super().__init__(**params)
        self._factory = functools.partial(Wire, loop=self._loop)  # type: ignore[assignment]  # narrower
