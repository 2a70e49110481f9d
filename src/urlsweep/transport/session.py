"""The reference transport, over aiohttp: connection pools, proxies, TLS, whatever servers do.

Contract: `urlsweep.transport.Transport`. Every exception of the network ends as a Failure here, by `failures`.
Not in here: what an exception means (`failures`), the bounds of one connection (`wire`), names (`dns`).
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import math
import ssl
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Collection
from typing import Any, Final, NamedTuple

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from urlsweep.core.model import Failure, Reason, Reply, Request
from urlsweep.core.urls import address_of, is_public
from urlsweep.transport import BodyError, Done, Handle, bounds, failures, session_failures, tls
from urlsweep.transport.certificates import CertificateReader
from urlsweep.transport.decoding import PIECE_BYTES, Decoder, DecodingError
from urlsweep.transport.dns import NotPublicError, Resolver
from urlsweep.transport.exchange import Exchange, current, underway
from urlsweep.transport.heads import FIELD_LIMIT_BYTES, FIELDS_LIMIT
from urlsweep.transport.options import TransportOptions
from urlsweep.transport.proxies import ProxyChoice, ProxyServer
from urlsweep.transport.session_names import AnyResolver, PublicResolver
from urlsweep.transport.socks import check_socks_extra, socks_connector
from urlsweep.transport.wire import Connector, Wire

IDLE_CONNECTIONS: Final = 64
"""Idle connections kept in all, and no more than requests may be open. On a list of many hosts most never carry another
request, and asyncio gives each that speaks TLS 256 KiB to read into."""

_SKIPPED_FIELDS: Final = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")


class DisconnectedError(Exception):
    """The connection ended before an answer. Not of aiohttp's family: it would send the request again on its own, and
    the row would tell of one request where the server saw two."""


class SessionTransport:
    """Sends requests through aiohttp. Create it within a running event loop; close it with `aclose`."""

    def __init__(
        self, options: TransportOptions, *, needed_fields: Collection[str], context_fields: Collection[str] = ()
    ) -> None:
        """`needed_fields` and `context_fields` are as for `choice.open_transport`.

        Raises TransportOptionError for options that cannot be used; reads the files they name.
        """
        self._options = options
        self._proxies = ProxyChoice(options)
        check_socks_extra(self._proxies.servers)
        tls.check_files(options)
        self._needed = frozenset(name.encode("ascii") for name in needed_fields)
        self._context_fields = frozenset(context_fields)
        self._resolver = Resolver(options)
        self._certificates = CertificateReader(self._resolver)
        self._sessions: dict[tuple[bool, ProxyServer | None], aiohttp.ClientSession] = {}
        self._tls_context: ssl.SSLContext | None = None  # made at the first https request
        self._idle: OrderedDict[Wire, None] = OrderedDict()  # longest idle first
        self._tasks: set[asyncio.Task[Reply | Failure]] = set()  # of requests that were started
        self._given_up: set[asyncio.Task[Reply | Failure]] = set()  # of these, when the transport was closed
        self._is_closed = False

    # --- the protocol -------------------------------------------------------------------------------------------------

    @property
    def lookup_seconds(self) -> float:
        """See `Transport.lookup_seconds`."""
        return self._resolver.lookup_seconds

    def start(self, request: Request, done: Done) -> Handle:
        """See `Transport.start`."""
        task = asyncio.get_running_loop().create_task(self.send(request))
        self._tasks.add(task)
        task.add_done_callback(functools.partial(self._on_end, done))
        return _Started(task)

    def _on_end(self, done: Done, task: asyncio.Task[Reply | Failure]) -> None:
        if task.cancelled():
            if task in self._given_up:
                done(Failure(Reason.RESPONSE_RESET, "the transport was closed"))
        elif isinstance(error := task.exception(), Exception):
            done(error)
        elif error is None:
            done(task.result())
        self._tasks.discard(task)

    async def send(self, request: Request) -> Reply | Failure:
        """See `Transport.send`."""
        answer = await self._ask(request)
        if isinstance(answer, Failure):
            return answer
        try:
            await self._drain(answer.response, answer.exchange)
        finally:
            self._release(answer)
        return answer.reply

    @contextlib.asynccontextmanager
    async def open(self, request: Request) -> AsyncIterator[tuple[Reply | Failure, AsyncIterator[bytes]]]:
        """See `Transport.open`. `request.timeout` bounds the wait for the header section and then for each piece of the
        body; the whole body may take `bounds.BODY_TIMEOUTS` times that."""
        answer = await self._ask(request)
        if isinstance(answer, Failure):
            yield answer, _nothing()
            return
        chunks = self._body(answer)
        try:
            yield answer.reply, chunks
        finally:
            await chunks.aclose()
            self._release(answer)

    async def aclose(self) -> None:
        """See `Transport.aclose`."""
        if self._is_closed:
            return
        self._is_closed = True
        self._given_up = {task for task in self._tasks if task.cancel()}
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for session in self._sessions.values():
            await session.close()
        await self._resolver.aclose()
        self._idle.clear()
        await asyncio.sleep(0)  # the loop closes the sockets of aborted connections in its next round

    # --- one request --------------------------------------------------------------------------------------------------

    async def _ask(self, request: Request) -> _Answer | Failure:
        """Send `request` and wait for the end of the header section. The answer must be given to `_release`."""
        if self._is_closed:
            raise RuntimeError("the transport is closed")
        begun = time.perf_counter()
        scheme, authority, target = _split(request.url)
        host, port = _host_and_port(scheme, authority)
        proxy = self._proxies.choose(scheme, host, port)
        connect_timeout = min(request.connect_timeout, request.timeout)
        exchange = Exchange(scheme, host, port, request.timeout, connect_timeout, None if proxy is None else proxy.url)
        if request.public_only is not None:
            address = address_of(host)
            if address is not None and not is_public(str(address)):
                return Failure(request.public_only, f"{address} is not a public address")
        deadline = asyncio.get_running_loop().time() + request.timeout
        url = URL.build(scheme=scheme, authority=authority, path=target, encoded=True)
        try:
            with underway(exchange):
                async with asyncio.timeout_at(deadline):
                    response = await self._connect_and_ask(
                        request, url, proxy, exchange, headers=_headers(request, authority, proxy)
                    )
        except Exception as error:
            elapsed = time.perf_counter() - begun
            reason, detail, unreached = await self._explained(error, request, exchange, deadline)
            return Failure(reason, detail, elapsed, unreached)
        elapsed = time.perf_counter() - begun
        answer = _Answer(self._reply(response, exchange, elapsed), response, exchange)
        refused = _refused(response.status, exchange)
        if refused is None:
            return answer
        self._release(answer)
        return Failure(refused.reason, refused.detail, elapsed)

    async def _explained(
        self, error: Exception, request: Request, exchange: Exchange, deadline: float
    ) -> failures.Explanation:
        """Why there is no answer. Raises `error` itself where it is no trouble of the network but a bug."""
        if request.public_only is not None:
            for cause in session_failures.causes(error):
                if isinstance(cause, NotPublicError):
                    return failures.Explanation(request.public_only, cause.detail)
        if session_failures.is_our_shortage(error):
            return failures.shortage(exchange)
        explanation = session_failures.explain(error, exchange)
        if explanation is None:
            raise error
        code = session_failures.verify_code(error)
        if code is not None and exchange.proxy is None:
            detail = await self._certificates.describe(exchange, code, request.public_only is not None, deadline)
            explanation = explanation._replace(detail=detail or explanation.detail)
        return explanation

    async def _connect_and_ask(
        self,
        request: Request,
        url: URL,
        proxy: ProxyServer | None,
        exchange: Exchange,
        *,
        headers: list[tuple[str, str]],
    ) -> aiohttp.ClientResponse:
        session = self._session(is_guarded=request.public_only is not None, proxy=proxy)
        options: dict[str, Any] = {}
        if exchange.scheme == "https":
            options["ssl"] = self._context()
        if proxy is not None and not proxy.is_socks:
            options["proxy"] = URL(proxy.url)
            options["proxy_headers"] = _proxy_headers(request, proxy)
            if proxy.url.startswith("https:"):
                options["ssl"] = self._context()
        loop = asyncio.get_running_loop()
        connect_by = loop.time() + exchange.connect_timeout
        pause = bounds.SHORTAGE_PAUSE_SECONDS
        while True:
            try:
                return await session.request(
                    request.method,
                    url,
                    headers=headers,
                    timeout=aiohttp.ClientTimeout(
                        connect=max(connect_by - loop.time(), 0.001), ceil_threshold=math.inf
                    ),
                    allow_redirects=False,
                    **options,
                )
            except OSError as error:
                if not session_failures.is_our_shortage(error) or loop.time() + pause >= connect_by:
                    raise
            self._drop_idle(keep=0)  # the quickest way to descriptors of our own
            await asyncio.sleep(pause)
            pause = min(2 * pause, 1.0)

    def _reply(self, response: aiohttp.ClientResponse, exchange: Exchange, elapsed: float) -> Reply:
        needed = self._needed
        fields = tuple(
            (name.lower().decode("ascii"), value.decode("latin-1"))
            for name, value in response.raw_headers
            if name.lower() in needed
        )
        if 200 <= response.status <= 299 and all(name in self._context_fields for name, _ in fields):
            fields = ()
        return Reply(response.status, fields, elapsed, exchange.address if exchange.proxy is None else None)

    # --- bodies and what becomes of the connection --------------------------------------------------------------------

    async def _drain(self, response: aiohttp.ClientResponse, exchange: Exchange) -> None:
        """Read a short body so that its connection can carry the next request."""
        if response.connection is None or not isinstance(exchange.wire, Wire) or exchange.wire.will_close:
            return
        length = response.content_length
        if length is None or length > bounds.DRAIN_BYTES or "transfer-encoding" in response.headers:
            return
        try:
            async with asyncio.timeout(bounds.DRAIN_SECONDS):
                await response.content.read()
        except (TimeoutError, aiohttp.ClientError, OSError):
            pass  # the status is known; the connection is dropped for it

    async def _body(self, answer: _Answer) -> AsyncGenerator[bytes, None]:
        loop = asyncio.get_running_loop()
        content, patience = answer.response.content, answer.exchange.timeout
        deadline = loop.time() + bounds.BODY_TIMEOUTS * patience
        try:
            decoder = Decoder(", ".join(answer.response.headers.getall("Content-Encoding", ())))
            while True:
                async with asyncio.timeout_at(min(loop.time() + patience, deadline)):
                    data = await content.read(PIECE_BYTES)
                if not data:
                    break
                for piece in decoder.feed(data):
                    yield piece
            decoder.finish()
        except (TimeoutError, aiohttp.ClientError, OSError, HttpProcessingError, DecodingError) as error:
            explanation = session_failures.explain_body(error, answer.exchange)
            raise BodyError(Failure(explanation.reason, explanation.detail)) from error

    def _release(self, answer: _Answer) -> None:
        """Give the connection back to the pool where its answer is complete, or end it."""
        connection = answer.response.connection
        if connection is not None:
            if connection.transport is not None:
                connection.transport.abort()
            answer.response.close()
        wire = answer.exchange.wire
        if isinstance(wire, Wire) and wire.is_connected() and not wire.is_busy:
            wire.is_idle = True
            self._idle[wire] = None
            self._idle.move_to_end(wire)
            self._drop_idle(keep=min(self._options.concurrency, IDLE_CONNECTIONS))

    def _drop_idle(self, keep: int) -> None:
        """End idle connections, longest idle first, until `keep` are left. aiohttp bounds their age, not their number:
        on a list of many hosts each leaves one behind."""
        while len(self._idle) > keep:
            wire, _ = self._idle.popitem(last=False)
            if wire.is_idle:
                wire.drop()

    # --- what is made when it is first needed -------------------------------------------------------------------------

    def _session(self, *, is_guarded: bool, proxy: ProxyServer | None) -> aiohttp.ClientSession:
        """The session whose pool such requests share. Guarded ones get no connection made without the guard.

        Behind a proxy, which may well be private itself, the guard is for the hosts that are literal addresses alone:
        what a name is there only the proxy knows.
        """
        socks = proxy if proxy is not None and proxy.is_socks else None
        key = (is_guarded and proxy is None, socks)
        session = self._sessions.get(key)
        if session is None:
            # No limit of aiohttp's: the engine bounds what is under way, and waiting here would look like a slow link.
            settings: dict[str, Any] = {"limit": 0, "keepalive_timeout": bounds.KEEPALIVE_SECONDS}
            if socks is not None:
                connector = socks_connector(socks, settings)
            else:
                resolver = PublicResolver(self._resolver) if key[0] else AnyResolver(self._resolver)
                connector = Connector(resolver=resolver, use_dns_cache=False, **settings)
            session = self._sessions[key] = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                skip_auto_headers=_SKIPPED_FIELDS,
                middlewares=(_again_if_stale,),
                auto_decompress=False,
                max_line_size=FIELD_LIMIT_BYTES,
                max_field_size=FIELD_LIMIT_BYTES,
                max_headers=FIELDS_LIMIT,
                read_bufsize=PIECE_BYTES,
            )
        return session

    def _context(self) -> ssl.SSLContext:
        if self._tls_context is None:
            self._tls_context = tls.client_context(self._options)
        return self._tls_context


class _Started(NamedTuple):
    """A request's task, for whoever started it."""

    task: asyncio.Task[Reply | Failure]

    def cancel(self) -> None:
        """See `Handle.cancel`."""
        self.task.cancel()


class _Answer(NamedTuple):
    """An answer whose header section has come, and what is still open for it."""

    reply: Reply
    response: aiohttp.ClientResponse
    exchange: Exchange


async def _again_if_stale(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Send `request` again where a kept connection turned out to be dead (RFC 9112 section 9.3.1).

    Dead: it had carried a request before, and either ended before a byte of this one's answer came, or gave what is no
    answer (the late body of an earlier HEAD). Each round uses up one kept connection, so that it ends. A new connection
    that ends without an answer is the server's own doing: it counts, and is not tried again here.
    """
    while True:
        try:
            return await handler(request)
        except (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError, aiohttp.ClientHttpProxyError):
            raise
        except (aiohttp.ClientConnectionError, aiohttp.ClientResponseError) as error:
            exchange = current()
            is_stale = exchange is not None and exchange.is_reused
            if isinstance(error, aiohttp.ClientConnectionError) and exchange is not None and exchange.answered:
                is_stale = False
            if not is_stale or exchange is None:
                raise DisconnectedError from error
            exchange.restart()


def _refused(status: int, exchange: Exchange) -> failures.Explanation | None:
    """Why an answer with `status` is not the link's, where it is not."""
    if status == 407 and exchange.proxy is not None:
        return session_failures.proxy_wants_credentials(exchange)
    if status < 100:  # no status code (RFC 9110 section 15), though the parser lets it pass
        return failures.garbage(exchange)
    return None


def _split(url: str) -> tuple[str, str, str]:
    """Scheme, authority and request target of a WHATWG-serialised URL, to the letter.

    yarl's own parsing would drop an empty query and the dot of ``example.com.``; what a browser sends is this.
    """
    scheme, _, rest = url.partition("://")
    for position, character in enumerate(rest):
        if character in "/?":
            target = rest[position:]
            return scheme, rest[:position], target if character == "/" else f"/{target}"
    return scheme, rest, "/"


def _host_and_port(scheme: str, authority: str) -> tuple[str, int]:
    host, colon, port = authority.rpartition(":")
    if colon and port.isdigit():
        return host, int(port)
    return authority, 443 if scheme == "https" else 80


def _headers(request: Request, authority: str, proxy: ProxyServer | None) -> list[tuple[str, str]]:
    headers = [("Host", authority), *request.headers]  # a Host among the request's own replaces ours
    if proxy is not None and proxy.authorization is not None and not proxy.is_socks and request.url.startswith("http:"):
        headers.append(("Proxy-Authorization", proxy.authorization))
    return headers


def _proxy_headers(request: Request, proxy: ProxyServer) -> dict[str, str]:
    """What goes to the proxy alone, with CONNECT."""
    headers = {name: value for name, value in request.headers if name.lower() == "user-agent"}
    if proxy.authorization is not None:
        headers["Proxy-Authorization"] = proxy.authorization
    return headers


async def _nothing() -> AsyncIterator[bytes]:
    return
    yield b""
