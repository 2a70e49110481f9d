"""What a foreign exception means: one table, from exception to reason and sentence. The seam of the transports.

Contract: `explain` reads the exception and its causes and gives None for what is no trouble of the network (a bug must
not be reported as a dead link). Sentences are for people, hold no line breaks and nothing unprintable, and never more
than a clipped bit of what a server sent.
Not in here: what follows from a failure (see `core.check`).
"""

from __future__ import annotations

import errno
import re
import socket
import ssl
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeGuard

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from urlsweep.core.model import Reason
from urlsweep.core.urls import address_of, clip
from urlsweep.transport.decoding import DecodingError
from urlsweep.transport.dns import LookupFailedError
from urlsweep.transport.exchange import Exchange, Stage
from urlsweep.transport.wire import FIELD_LIMIT_BYTES, FIELDS_LIMIT, HEAD_LIMIT_BYTES, HeadTooLargeError


class Explanation(NamedTuple):
    """Why there is no answer."""

    reason: Reason
    detail: str
    unreached: str | None = None  # the address that could not be connected to, where that is what failed


# --- errno ------------------------------------------------------------------------------------------------------------

_CONNECT_ERRNOS: Final[dict[int, tuple[Reason, str]]] = {
    errno.ECONNREFUSED: (Reason.CONNECT_REFUSED, "{} refused the connection"),
    errno.ETIMEDOUT: (Reason.CONNECT_TIMEOUT, "{} did not answer the connection attempt"),
    errno.ECONNRESET: (Reason.CONNECT_RESET, "{} reset the connection while it was made"),
    errno.ECONNABORTED: (Reason.CONNECT_RESET, "the connection to {} was aborted while it was made"),
    errno.EPIPE: (Reason.CONNECT_RESET, "{} closed the connection while it was made"),
    errno.EHOSTUNREACH: (Reason.CONNECT_UNREACHABLE, "no route leads to {}"),
    errno.EHOSTDOWN: (Reason.CONNECT_UNREACHABLE, "{} is not reachable in its network"),
    errno.ENETUNREACH: (Reason.CONNECT_UNREACHABLE, "no route leads to the network of {}"),
    errno.ENETDOWN: (Reason.CONNECT_UNREACHABLE, "this machine's network is down, {} was not asked"),
    errno.EADDRNOTAVAIL: (
        Reason.CONNECT_UNREACHABLE,
        "this machine has no address or no free port to reach {} from",
    ),
    errno.EAFNOSUPPORT: (Reason.CONNECT_UNREACHABLE, "this machine does not speak the address family of {}"),
    errno.EACCES: (Reason.CONNECT_UNREACHABLE, "this machine forbids connections to {} (a firewall?)"),
    errno.EPERM: (Reason.CONNECT_UNREACHABLE, "this machine forbids connections to {} (a firewall?)"),
    errno.EINVAL: (Reason.CONNECT_UNREACHABLE, "the address of {} cannot be connected to"),
}
"""In the order of what tells most: the first that is found among several addresses' errors is the one told."""

_OUR_SHORTAGES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""This machine's trouble, not the link's (see `is_our_shortage`)."""

_ERRNO_IN_TEXT: Final = re.compile(r"\[(?:Errno|WinError) (\d+)\]")
"""aiohappyeyeballs tells several addresses' different errors as one text without an errno."""


def is_our_shortage(error: BaseException) -> bool:
    """Whether this machine ran out of file descriptors or memory for sockets: says nothing about the link."""
    return any(number in _OUR_SHORTAGES for cause in causes(error) for number in _errnos(cause))


def shortage(exchange: Exchange) -> Explanation:
    """What is told when a shortage of ours lasted."""
    return Explanation(
        Reason.CONNECT_TIMEOUT,
        f"{exchange.origin} was not asked: this machine ran out of file descriptors or socket memory"
        " (raise the limit with ulimit -n, or lower the concurrency)",
    )


def _errnos(error: BaseException) -> list[int]:
    if not isinstance(error, OSError) or isinstance(error, ssl.SSLError):
        return []
    if error.errno is not None:
        return [error.errno]
    return [int(number) for number in _ERRNO_IN_TEXT.findall(str(error))]


# --- TLS --------------------------------------------------------------------------------------------------------------

_VERIFY_CODES: Final[dict[int, tuple[Reason, str]]] = {
    # X509_V_ERR_*, openssl-verify(1)
    9: (Reason.TLS_NOT_YET_VALID, "the certificate of {} is not valid yet"),
    10: (Reason.TLS_EXPIRED, "the certificate of {} has expired"),
    18: (Reason.TLS_SELF_SIGNED, "the certificate of {} is signed by itself"),
    62: (Reason.TLS_NAME_MISMATCH, "the certificate of {} is for another name"),
    64: (Reason.TLS_NAME_MISMATCH, "the certificate of {} is for another address"),
    19: (Reason.TLS_UNTRUSTED, "the certificate of {} leads to an authority that is not trusted"),
    20: (Reason.TLS_UNTRUSTED, "the certificate of {} is from an authority that is not known"),
    21: (Reason.TLS_UNTRUSTED, "the certificate of {} is from an authority that is not known"),
    23: (Reason.TLS_UNTRUSTED, "the certificate of {} was revoked"),
    26: (Reason.TLS_UNTRUSTED, "the certificate of {} is not meant for web servers"),
    66: (Reason.TLS_UNTRUSTED, "the certificate of {} has a key that is too weak"),
    67: (Reason.TLS_UNTRUSTED, "an authority of the certificate of {} has a key that is too weak"),
    68: (Reason.TLS_UNTRUSTED, "the certificate of {} is signed with a digest that is too weak"),
}

_HANDSHAKE_REASONS: Final[tuple[tuple[str, str], ...]] = (
    # Parts of OpenSSL's reason strings, most telling first.
    ("CERTIFICATE_REQUIRED", "{} wants a client certificate"),
    ("ALERT_PROTOCOL_VERSION", "{} speaks no TLS version that is still accepted (1.2 or 1.3)"),
    ("UNSUPPORTED_PROTOCOL", "{} speaks no TLS version that is still accepted (1.2 or 1.3)"),
    ("NO_PROTOCOLS_AVAILABLE", "{} speaks no TLS version that is still accepted (1.2 or 1.3)"),
    ("WRONG_SSL_VERSION", "{} speaks no TLS version that is still accepted (1.2 or 1.3)"),
    ("WRONG_VERSION_NUMBER", "{} does not speak TLS on this port (is it http?)"),
    ("HTTP_REQUEST", "{} does not speak TLS on this port (is it http?)"),
    ("UNKNOWN_PROTOCOL", "{} does not speak TLS on this port (is it http?)"),
    ("RECORD_LAYER_FAILURE", "{} does not speak TLS on this port (is it http?)"),
    ("PACKET_LENGTH_TOO_LONG", "{} does not speak TLS on this port"),
    ("BAD_RECORD_TYPE", "{} does not speak TLS on this port"),
    ("UNRECOGNIZED_NAME", "{} does not know the name it was asked for"),
    ("HANDSHAKE_FAILURE", "{} and this client have no way of encryption in common, or it wants a client certificate"),
    ("NO_SHARED_CIPHER", "{} and this client have no way of encryption in common"),
    ("DH_KEY_TOO_SMALL", "{} encrypts with a key that is too weak"),
    ("EE_KEY_TOO_SMALL", "{} has a certificate with a key that is too weak"),
    ("BAD_CERTIFICATE", "{} does not accept the client certificate"),
    ("CERTIFICATE_UNKNOWN", "{} does not accept the client certificate"),
    ("UNKNOWN_CA", "{} does not accept the client certificate"),
    ("ACCESS_DENIED", "{} refused the TLS connection"),
    ("INTERNAL_ERROR", "{} failed within the TLS handshake"),
    ("UNEXPECTED_EOF", "{} closed the connection during the TLS handshake"),
)


def verify_code(error: BaseException) -> int | None:
    """OpenSSL's verification error code, where a certificate was refused."""
    for cause in causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError) and _is_openssls(cause):
            return int(getattr(cause, "verify_code", 1))
    return None


def _is_openssls(error: BaseException) -> TypeGuard[ssl.SSLError]:
    """Whether `error` is the one that says what happened: aiohttp's own are SSLErrors as well, without the codes."""
    return isinstance(error, ssl.SSLError) and not isinstance(error, aiohttp.ClientError)


def _explain_tls(error: ssl.SSLError, server: str) -> Explanation:
    if isinstance(error, ssl.SSLCertVerificationError):
        known = _VERIFY_CODES.get(getattr(error, "verify_code", 1))
        if known is not None:
            return Explanation(known[0], known[1].format(server))
        message = _plain(getattr(error, "verify_message", "") or "refused")
        return Explanation(Reason.TLS_UNTRUSTED, f"the certificate of {server} was not accepted: {message}")
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return Explanation(Reason.TLS_HANDSHAKE, f"{server} closed the connection during the TLS handshake")
    told = (getattr(error, "reason", None) or str(error)).upper().replace(" ", "_")
    for part, sentence in _HANDSHAKE_REASONS:
        if part in told:
            return Explanation(Reason.TLS_HANDSHAKE, sentence.format(server))
    told = _plain(getattr(error, "reason", None) or str(error)).replace("_", " ").lower()
    return Explanation(Reason.TLS_HANDSHAKE, f"TLS with {server} failed: {told}")


# --- the table --------------------------------------------------------------------------------------------------------


def explain(error: BaseException, exchange: Exchange) -> Explanation | None:
    """What `error` means for the request that `exchange` tells of; None where it is no trouble of the network."""
    explanation = _explain_proxy(error, exchange)
    if explanation is None:
        explanation = _explain_server(error, exchange)
    return explanation


def timed_out(exchange: Exchange) -> Explanation:
    """What is told when the time was up, by how far the request had come."""
    server = _server(exchange)
    seconds = f"{exchange.connect_timeout:g} s"
    match exchange.stage:
        case Stage.LOOKUP:
            return Explanation(Reason.DNS_TIMEOUT, f"no DNS server answered for {clip(exchange.host)} within {seconds}")
        case Stage.CONNECT:
            return Explanation(
                Reason.CONNECT_TIMEOUT, f"{server} did not accept a connection within {seconds}", _unreached(exchange)
            )
        case Stage.HANDSHAKE:
            return Explanation(
                Reason.CONNECT_TIMEOUT, f"{server} accepted the connection but did not finish TLS within {seconds}"
            )
        case Stage.TUNNEL:
            return Explanation(
                Reason.CONNECT_TIMEOUT,
                f"the proxy {exchange.proxy} did not open a tunnel to {exchange.origin} within {seconds}",
            )
        case Stage.ANSWER:
            within = f"within {exchange.timeout:g} s"
            if exchange.answered:
                return Explanation(
                    Reason.RESPONSE_TIMEOUT, f"{server} did not finish the header of its answer {within}"
                )
            return Explanation(Reason.RESPONSE_TIMEOUT, f"{server} accepted the request but did not answer {within}")


def explain_body(error: BaseException, exchange: Exchange) -> Explanation:
    """Why a body broke off."""
    server = clip(exchange.origin)
    for cause in causes(error):
        if isinstance(cause, DecodingError):
            return Explanation(Reason.RESPONSE_INVALID, f"the body from {server} {_plain(str(cause))}")
        if isinstance(cause, TimeoutError):
            return Explanation(Reason.RESPONSE_TIMEOUT, f"the body from {server} did not come in time")
        if isinstance(cause, HttpProcessingError) and "Not enough data" not in cause.message:
            return Explanation(Reason.RESPONSE_INVALID, f"the body from {server} breaks the rules of HTTP")
    return Explanation(Reason.RESPONSE_RESET, f"{server} broke the body off")


def _explain_server(error: BaseException, exchange: Exchange) -> Explanation | None:
    chain = list(causes(error))
    server = _server(exchange)
    for cause in chain:
        if isinstance(cause, LookupFailedError):
            return Explanation(cause.reason, cause.detail)
        if isinstance(cause, HeadTooLargeError):
            return Explanation(
                Reason.RESPONSE_TOO_LARGE,
                f"{server} sent more than {HEAD_LIMIT_BYTES // 1024} KiB before its header ended",
            )
        if isinstance(cause, LineTooLong):
            return Explanation(
                Reason.RESPONSE_TOO_LARGE, f"{server} sent a header field of more than {FIELD_LIMIT_BYTES // 1024} KiB"
            )
        if _is_openssls(cause):
            return _explain_tls(cause, server)
    for cause in chain:
        if isinstance(cause, TimeoutError) and cause.errno is None:
            return timed_out(exchange)
        if isinstance(cause, HttpProcessingError):
            if "Too many headers" in cause.message:
                return Explanation(Reason.RESPONSE_TOO_LARGE, f"{server} sent more than {FIELDS_LIMIT} header fields")
            return garbage(exchange)
    numbers = [number for cause in chain for number in _errnos(cause)]
    if exchange.stage is Stage.ANSWER:
        if any(isinstance(cause, aiohttp.ClientConnectionError | OSError) for cause in chain):
            return _explain_reset(exchange, is_abrupt=errno.ECONNRESET in numbers)
    elif exchange.stage is Stage.HANDSHAKE:
        if any(isinstance(cause, ConnectionAbortedError) and cause.errno is None for cause in chain):
            return timed_out(exchange)  # asyncio's own limit for a handshake
        if any(isinstance(cause, aiohttp.ClientConnectionError | OSError) for cause in chain):
            return Explanation(Reason.TLS_HANDSHAKE, f"{server} closed the connection during the TLS handshake")
    else:
        for number, (reason, sentence) in _CONNECT_ERRNOS.items():
            if number in numbers:
                return Explanation(reason, sentence.format(server), _unreached(exchange))
        if any(isinstance(cause, aiohttp.ClientConnectionError | OSError) for cause in chain):
            was_tried = any(isinstance(cause, OSError) for cause in chain)  # or the transport was closed before that
            return Explanation(
                Reason.CONNECT_UNREACHABLE,
                f"{server} could not be connected to: {_plain(str(chain[-1]))}",
                _unreached(exchange) if was_tried else None,
            )
    if isinstance(error, aiohttp.ClientPayloadError):
        return Explanation(Reason.RESPONSE_RESET, f"{server} broke its answer off")
    if isinstance(error, aiohttp.ClientError | ValueError):
        return Explanation(Reason.RESPONSE_INVALID, f"the request to {server} could not be made: {_plain(str(error))}")
    return None


def _unreached(exchange: Exchange) -> str | None:
    """The address that was tried in vain, spelled as the system spells a peer's; the first one of several.

    None unless connecting is what failed: a server that hangs in TLS was reached, and behind a proxy nobody knows.
    """
    if exchange.stage is not Stage.CONNECT or exchange.proxy is not None:
        return None
    address = address_of(exchange.looked_up or exchange.host)
    if address is None:
        return None
    return socket.inet_ntop(socket.AF_INET if address.version == 4 else socket.AF_INET6, address.packed)


def _explain_reset(exchange: Exchange, *, is_abrupt: bool) -> Explanation:
    verb = "reset" if is_abrupt else "closed"
    when = "in the middle of the answer's header" if exchange.answered else "without an answer"
    return Explanation(Reason.RESPONSE_RESET, f"{_server(exchange)} {verb} the connection {when}")


def garbage(exchange: Exchange) -> Explanation:
    """What is told of an answer that is none, by how it began."""
    server = _server(exchange)
    opening = exchange.wire.opening if exchange.wire is not None else b""
    if opening.startswith(b"HTTP/"):
        return Explanation(Reason.RESPONSE_INVALID, f"{server} sent an answer that breaks the rules of HTTP")
    if opening[:1] in (b"\x15", b"\x16") and opening[1:2] == b"\x03":
        return Explanation(Reason.RESPONSE_INVALID, f"{server} answered in TLS (is it https?)")
    first = _plain(opening.splitlines()[0].decode("latin-1")) if opening.splitlines() else ""
    return Explanation(Reason.RESPONSE_INVALID, f"{server} did not answer in HTTP; it began with {clip(first, 40)!r}")


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
            return Explanation(Reason.CONNECT_REFUSED, f"{asked} opened no connection: {_plain(str(cause))}")
        if isinstance(cause, LookupFailedError):
            return Explanation(cause.reason, f"{proxy} has no usable address: {cause.detail}")
    if exchange.stage is Stage.TUNNEL and not any(isinstance(cause, TimeoutError) for cause in causes(error)):
        return Explanation(Reason.CONNECT_RESET, f"{asked} did not answer in HTTP, or closed the connection")
    return None


# --- helpers of the sentences -----------------------------------------------------------------------------------------


def causes(error: BaseException) -> Iterator[BaseException]:
    """`error` and what led to it, nearest first."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or getattr(following, "os_error", None)


def _server(exchange: Exchange) -> str:
    """Who is spoken to now: the proxy until it has let us through."""
    if exchange.proxy is not None and exchange.stage in (Stage.LOOKUP, Stage.CONNECT):
        return f"the proxy {exchange.proxy}"
    return clip(exchange.origin)


def _plain(text: str) -> str:
    """`text` on one line, without anything that a terminal would act on."""
    return clip("".join(character if character.isprintable() else " " for character in text).strip(), 120)
