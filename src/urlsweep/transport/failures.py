"""What is told of each trouble of the network: one table, from errno, OpenSSL's code and what else went wrong to reason
and sentence. What every transport tells by.

Contract: sentences are for people, hold no line breaks and nothing unprintable, and never more than a clipped bit of
what a server sent.
Not in here: aiohttp's exceptions (`session_failures`), what follows from a failure (see `core.check`).
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Collection
from typing import Final, NamedTuple

from urlsweep.core.model import Reason
from urlsweep.core.urls import address_of, clip
from urlsweep.transport.exchange import Exchange, Stage
from urlsweep.transport.heads import FIELD_LIMIT_BYTES, FIELDS_LIMIT, HEAD_LIMIT_BYTES


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

OUR_SHORTAGES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""This machine ran out of file descriptors or memory for sockets: says nothing about the link."""


def shortage(exchange: Exchange) -> Explanation:
    """What is told when a shortage of ours lasted."""
    return Explanation(
        Reason.CONNECT_TIMEOUT,
        f"{exchange.origin} was not asked: this machine ran out of file descriptors or socket memory"
        " (raise the limit with ulimit -n, or lower the concurrency)",
    )


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


def refused_tls(error: ssl.SSLError, exchange: Exchange) -> Explanation:
    """Why TLS came to nothing, the certificate's fault or another."""
    server = server_of(exchange)
    if isinstance(error, ssl.SSLCertVerificationError):
        known = _VERIFY_CODES.get(getattr(error, "verify_code", 1))
        if known is not None:
            return Explanation(known[0], known[1].format(server))
        message = plain(getattr(error, "verify_message", "") or "refused")
        return Explanation(Reason.TLS_UNTRUSTED, f"the certificate of {server} was not accepted: {message}")
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return left_in_handshake(exchange)
    told = (getattr(error, "reason", None) or str(error)).upper().replace(" ", "_")
    for part, sentence in _HANDSHAKE_REASONS:
        if part in told:
            return Explanation(Reason.TLS_HANDSHAKE, sentence.format(server))
    told = plain(getattr(error, "reason", None) or str(error)).replace("_", " ").lower()
    return Explanation(Reason.TLS_HANDSHAKE, f"TLS with {server} failed: {told}")


# --- the table --------------------------------------------------------------------------------------------------------


def timed_out(exchange: Exchange) -> Explanation:
    """What is told when the time was up, by how far the request had come."""
    server = server_of(exchange)
    seconds = f"{exchange.connect_timeout:g} s"
    match exchange.stage:
        case Stage.LOOKUP:
            return Explanation(Reason.DNS_TIMEOUT, f"no DNS server answered for {clip(exchange.host)} within {seconds}")
        case Stage.CONNECT:
            return Explanation(
                Reason.CONNECT_TIMEOUT, f"{server} did not accept a connection within {seconds}", unreached_of(exchange)
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


def unconnected(errnos: Collection[int], exchange: Exchange) -> Explanation | None:
    """Why no connection came about, by the error numbers of all addresses; None where none of them is known."""
    for number, (reason, sentence) in _CONNECT_ERRNOS.items():
        if number in errnos:
            return Explanation(reason, sentence.format(server_of(exchange)), unreached_of(exchange))
    return None


def unconnectable(why: str, exchange: Exchange, *, was_tried: bool = True) -> Explanation:
    """No connection came about, for a reason that is only known as a text."""
    unreached = unreached_of(exchange) if was_tried else None
    detail = f"{server_of(exchange)} could not be connected to: {plain(why)}"
    return Explanation(Reason.CONNECT_UNREACHABLE, detail, unreached)


def left_in_handshake(exchange: Exchange) -> Explanation:
    """The connection ended before TLS stood."""
    detail = f"{server_of(exchange)} closed the connection during the TLS handshake"
    return Explanation(Reason.TLS_HANDSHAKE, detail)


def head_too_large(exchange: Exchange) -> Explanation:
    """More than HEAD_LIMIT_BYTES came, and the header section did not end."""
    limit = HEAD_LIMIT_BYTES // 1024
    detail = f"{server_of(exchange)} sent more than {limit} KiB before its header ended"
    return Explanation(Reason.RESPONSE_TOO_LARGE, detail)


def field_too_large(exchange: Exchange) -> Explanation:
    """One field, or the status line, is longer than FIELD_LIMIT_BYTES."""
    detail = f"{server_of(exchange)} sent a header field of more than {FIELD_LIMIT_BYTES // 1024} KiB"
    return Explanation(Reason.RESPONSE_TOO_LARGE, detail)


def too_many_fields(exchange: Exchange) -> Explanation:
    """More than FIELDS_LIMIT."""
    detail = f"{server_of(exchange)} sent more than {FIELDS_LIMIT} header fields"
    return Explanation(Reason.RESPONSE_TOO_LARGE, detail)


def unsendable(why: str, exchange: Exchange) -> Explanation:
    """The request itself is none that could be sent."""
    detail = f"the request to {server_of(exchange)} could not be made: {plain(why)}"
    return Explanation(Reason.RESPONSE_INVALID, detail)


def undecodable_body(why: str, exchange: Exchange) -> Explanation:
    """A body is not what its Content-Encoding says."""
    return Explanation(Reason.RESPONSE_INVALID, f"the body from {clip(exchange.origin)} {plain(why)}")


def late_body(exchange: Exchange) -> Explanation:
    """A body did not come in time."""
    return Explanation(Reason.RESPONSE_TIMEOUT, f"the body from {clip(exchange.origin)} did not come in time")


def malformed_body(exchange: Exchange) -> Explanation:
    """A chunked body cannot be read."""
    return Explanation(Reason.RESPONSE_INVALID, f"the body from {clip(exchange.origin)} breaks the rules of HTTP")


def broken_body(exchange: Exchange) -> Explanation:
    """A body ended before its end."""
    return Explanation(Reason.RESPONSE_RESET, f"{clip(exchange.origin)} broke the body off")


def unreached_of(exchange: Exchange) -> str | None:
    """The address that was tried in vain, spelled as the system spells a peer's; the first one of several.

    None unless connecting is what failed: a server that hangs in TLS was reached, and behind a proxy nobody knows.
    """
    if exchange.stage is not Stage.CONNECT or exchange.proxy is not None:
        return None
    address = address_of(exchange.looked_up or exchange.host)
    if address is None:
        return None
    return socket.inet_ntop(socket.AF_INET if address.version == 4 else socket.AF_INET6, address.packed)


def disconnected(exchange: Exchange, *, is_abrupt: bool) -> Explanation:
    """The connection ended before the answer's header section did."""
    verb = "reset" if is_abrupt else "closed"
    when = "in the middle of the answer's header" if exchange.answered else "without an answer"
    return Explanation(Reason.RESPONSE_RESET, f"{server_of(exchange)} {verb} the connection {when}")


def garbage(exchange: Exchange) -> Explanation:
    """What is told of an answer that is none, by how it began."""
    server = server_of(exchange)
    opening = exchange.wire.opening if exchange.wire is not None else b""
    if opening.startswith(b"HTTP/"):
        return Explanation(Reason.RESPONSE_INVALID, f"{server} sent an answer that breaks the rules of HTTP")
    if opening[:1] in (b"\x15", b"\x16") and opening[1:2] == b"\x03":
        return Explanation(Reason.RESPONSE_INVALID, f"{server} answered in TLS (is it https?)")
    first = plain(opening.splitlines()[0].decode("latin-1")) if opening.splitlines() else ""
    return Explanation(Reason.RESPONSE_INVALID, f"{server} did not answer in HTTP; it began with {clip(first, 40)!r}")


# --- helpers of the sentences -----------------------------------------------------------------------------------------


def server_of(exchange: Exchange) -> str:
    """Who is spoken to now: the proxy until it has let us through."""
    if exchange.proxy is not None and exchange.stage in (Stage.LOOKUP, Stage.CONNECT):
        return f"the proxy {exchange.proxy}"
    return clip(exchange.origin)


def plain(text: str) -> str:
    """`text` on one line, without anything that a terminal would act on."""
    return clip("".join(character if character.isprintable() else " " for character in text).strip(), 120)
