"""What aiohttp's exceptions, and those of the proxies' libraries, mean: from exception to `failures`' table.

Contract: `explain` reads the exception and its causes and gives None for what is no trouble of the network (a bug must
not be reported as a dead link).
Not in here: the sentences (`failures`), but for those on proxies.
"""

from __future__ import annotations

import errno
import re
import ssl
from collections.abc import Iterator
from typing import Final, TypeGuard

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from urlsweep.core.model import Reason
from urlsweep.transport import failures
from urlsweep.transport.decoding import DecodingError
from urlsweep.transport.dns import LookupFailedError
from urlsweep.transport.exchange import Exchange, Stage
from urlsweep.transport.failures import Explanation
from urlsweep.transport.wire import HeadTooLargeError

_ERRNO_IN_TEXT: Final = re.compile(r"\[(?:Errno|WinError) (\d+)\]")
"""aiohappyeyeballs tells several addresses' different errors as one text without an errno."""


def is_our_shortage(error: BaseException) -> bool:
    """Whether this machine ran out of file descriptors or memory for sockets: says nothing about the link."""
    return any(number in failures.OUR_SHORTAGES for cause in causes(error) for number in _errnos(cause))


def _errnos(error: BaseException) -> list[int]:
    if not isinstance(error, OSError) or isinstance(error, ssl.SSLError):
        return []
    if error.errno is not None:
        return [error.errno]
    return [int(number) for number in _ERRNO_IN_TEXT.findall(str(error))]


def verify_code(error: BaseException) -> int | None:
    """OpenSSL's verification error code, where a certificate was refused."""
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError) and _is_openssls(cause):
            return int(getattr(cause, "verify_code", 1))
    return None


def _is_openssls(error: BaseException) -> TypeGuard[ssl.SSLError]:
    """Whether `error` is the one that says what happened: aiohttp's own are SSLErrors as well, without the codes."""
    return isinstance(error, ssl.SSLError) and not isinstance(error, aiohttp.ClientError)


def explain(error: BaseException, exchange: Exchange) -> Explanation | None:
    """What `error` means for the request that `exchange` tells of; None where it is no trouble of the network."""
    explanation = _explain_proxy(error, exchange)
    if explanation is None:
        explanation = _explain_server(error, exchange)
    return explanation


def explain_body(error: BaseException, exchange: Exchange) -> Explanation:
    """Why a body broke off."""
    for cause in causes(error):
        if isinstance(cause, DecodingError):
            return failures.undecodable_body(str(cause), exchange)
        if isinstance(cause, TimeoutError):
            return failures.late_body(exchange)
        if isinstance(cause, HttpProcessingError) and "Not enough data" not in cause.message:
            return failures.malformed_body(exchange)
    return failures.broken_body(exchange)


def _explain_server(error: BaseException, exchange: Exchange) -> Explanation | None:
    chain = list(causes(error))
    for cause in chain:
        if isinstance(cause, LookupFailedError):
            return Explanation(cause.reason, cause.detail)
        if isinstance(cause, HeadTooLargeError):
            return failures.head_too_large(exchange)
        if isinstance(cause, LineTooLong):
            return failures.field_too_large(exchange)
        if _is_openssls(cause):
            return failures.refused_tls(cause, exchange)
    for cause in chain:
        if isinstance(cause, TimeoutError) and cause.errno is None:
            return failures.timed_out(exchange)
        if isinstance(cause, HttpProcessingError):
            is_too_many = "Too many headers" in cause.message
            return failures.too_many_fields(exchange) if is_too_many else failures.garbage(exchange)
    numbers = [number for cause in chain for number in _errnos(cause)]
    is_disconnected = any(isinstance(cause, aiohttp.ClientConnectionError | OSError) for cause in chain)
    if exchange.stage is Stage.ANSWER:
        if is_disconnected:
            return failures.disconnected(exchange, is_abrupt=errno.ECONNRESET in numbers)
    elif exchange.stage is Stage.HANDSHAKE:
        if any(isinstance(cause, ConnectionAbortedError) and cause.errno is None for cause in chain):
            return failures.timed_out(exchange)  # asyncio's own limit for a handshake
        if is_disconnected:
            return failures.left_in_handshake(exchange)
    else:
        if (explanation := failures.unconnected(numbers, exchange)) is not None:
            return explanation
        if is_disconnected:
            was_tried = any(isinstance(cause, OSError) for cause in chain)  # or the transport was closed before that
            return failures.unconnectable(str(chain[-1]), exchange, was_tried=was_tried)
    if isinstance(error, aiohttp.ClientPayloadError):
        return Explanation(Reason.RESPONSE_RESET, f"{failures.server_of(exchange)} broke its answer off")
    if isinstance(error, aiohttp.ClientError | ValueError):
        return failures.unsendable(str(error), exchange)
    return None


# --- proxies ----------------------------------------------------------------------------------------------------------

_TUNNEL_STATUSES: Final[dict[int, tuple[Reason, str]]] = {
    403: (Reason.CONNECT_REFUSED, "does not allow it"),
    407: (Reason.CONNECT_REFUSED, "wants other credentials (USER:PASSWORD@ in its URL)"),
    502: (Reason.CONNECT_UNREACHABLE, "could not reach it"),
    503: (Reason.CONNECT_UNREACHABLE, "could not reach it"),
    504: (Reason.CONNECT_TIMEOUT, "got no answer from it in time"),
}

_SOCKS_CODES: Final[dict[int, tuple[Reason, str]]] = {
    # RFC 1928 section 6
    2: (Reason.CONNECT_REFUSED, "does not allow it"),
    3: (Reason.CONNECT_UNREACHABLE, "has no route to its network"),
    4: (Reason.CONNECT_UNREACHABLE, "could not reach it"),
    5: (Reason.CONNECT_REFUSED, "was refused by it"),
    6: (Reason.CONNECT_TIMEOUT, "got no answer from it in time"),
}


def proxy_wants_credentials(exchange: Exchange) -> Explanation:
    """A proxy answered a plain request itself, with 407."""
    reason, what = _TUNNEL_STATUSES[407]
    return Explanation(reason, f"the proxy {exchange.proxy} {what}")


def _explain_proxy(error: BaseException, exchange: Exchange) -> Explanation | None:
    if exchange.proxy is None:
        return None
    proxy = f"the proxy {exchange.proxy}"
    asked = f"{proxy} was asked for {exchange.origin} and"
    for cause in causes(error):
        if isinstance(cause, aiohttp.ClientHttpProxyError):
            reason, what = _TUNNEL_STATUSES.get(cause.status, (Reason.CONNECT_REFUSED, "opened no tunnel"))
            return Explanation(reason, f"{asked} {what} (status {cause.status})")
        if type(cause).__module__.partition(".")[0] in ("aiohttp_socks", "python_socks"):
            code = getattr(cause, "error_code", None)
            if code in _SOCKS_CODES:
                reason, what = _SOCKS_CODES[code]
                return Explanation(reason, f"{asked} {what}")
            if isinstance(cause, OSError | TimeoutError):
                break  # the proxy itself could not be reached: told below from the errno
            return Explanation(Reason.CONNECT_REFUSED, f"{asked} opened no connection: {failures.plain(str(cause))}")
        if isinstance(cause, LookupFailedError):
            return Explanation(cause.reason, f"{proxy} has no usable address: {cause.detail}")
    if exchange.stage is Stage.TUNNEL and not any(isinstance(cause, TimeoutError) for cause in causes(error)):
        return Explanation(Reason.CONNECT_RESET, f"{asked} did not answer in HTTP, or closed the connection")
    return None


def causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and what led to it, nearest first."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or getattr(following, "os_error", None)
