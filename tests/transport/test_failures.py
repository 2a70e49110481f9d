"""The table: foreign exception and how far the request had come -> reason and sentence."""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp.client_reqrep import ConnectionKey

from urlsweep.core.model import Reason
from urlsweep.transport import failures, session_failures
from urlsweep.transport.dns import LookupFailedError
from urlsweep.transport.exchange import Exchange, Stage, Wire
from urlsweep.transport.session import DisconnectedError

KEY = ConnectionKey("a.example", 80, False, True, None, None, None)


def exchange(stage: Stage = Stage.CONNECT, *, opening: bytes = b"", proxy: str | None = None) -> Exchange:
    wire = cast("Wire", SimpleNamespace(opening=opening))
    return Exchange("https", "a.example", 443, 20.0, 10.0, proxy, stage, wire)


def explained(error: BaseException, at: Exchange) -> failures.Explanation:
    explanation = session_failures.explain(error, at)
    assert explanation is not None
    assert explanation.detail.isprintable()
    return explanation


def _connector_error(number: int | None, text: str = "") -> aiohttp.ClientConnectorError:
    error = OSError(number, text or os.strerror(number or 0)) if number is not None else OSError(text)
    return aiohttp.ClientConnectorError(KEY, error)


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ECONNREFUSED, Reason.CONNECT_REFUSED),
        (errno.ETIMEDOUT, Reason.CONNECT_TIMEOUT),
        (errno.EHOSTUNREACH, Reason.CONNECT_UNREACHABLE),
        (errno.ENETUNREACH, Reason.CONNECT_UNREACHABLE),
        (errno.ECONNRESET, Reason.CONNECT_RESET),
        (errno.ECONNABORTED, Reason.CONNECT_RESET),
        (errno.EADDRNOTAVAIL, Reason.CONNECT_UNREACHABLE),
        (errno.EACCES, Reason.CONNECT_UNREACHABLE),
        (errno.EAFNOSUPPORT, Reason.CONNECT_UNREACHABLE),
        (errno.EIO, Reason.CONNECT_UNREACHABLE),
    ],
)
def test_errno_while_connecting(number: int, reason: Reason) -> None:
    explanation = explained(_connector_error(number), exchange())
    assert explanation.reason is reason
    assert "a.example:443" in explanation.detail


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[Errno 101] Network unreachable, [Errno 111] Connect call failed", Reason.CONNECT_REFUSED),
        ("[Errno 101] Network unreachable, [Errno 110] Connect call failed", Reason.CONNECT_TIMEOUT),
        ("[Errno 101] Network unreachable, [Errno 113] No route to host", Reason.CONNECT_UNREACHABLE),
        ("nothing that is known", Reason.CONNECT_UNREACHABLE),
    ],
)
@pytest.mark.skipif(errno.ECONNREFUSED != 111, reason="Linux's numbers")
def test_several_addresses_failed_differently(text: str, reason: Reason) -> None:
    assert explained(_connector_error(None, f"Multiple exceptions: {text}"), exchange()).reason is reason


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM])
def test_this_machines_shortages_are_told_apart(number: int) -> None:
    assert session_failures.is_our_shortage(_connector_error(number))
    assert session_failures.is_our_shortage(
        _connector_error(None, f"Multiple exceptions: [Errno {number}] x, [Errno 111] y")
    )
    assert not session_failures.is_our_shortage(_connector_error(errno.ECONNREFUSED))


@pytest.mark.parametrize(
    ("stage", "reason"),
    [
        (Stage.LOOKUP, Reason.DNS_TIMEOUT),
        (Stage.CONNECT, Reason.CONNECT_TIMEOUT),
        (Stage.HANDSHAKE, Reason.CONNECT_TIMEOUT),
        (Stage.TUNNEL, Reason.CONNECT_TIMEOUT),
        (Stage.ANSWER, Reason.RESPONSE_TIMEOUT),
    ],
)
@pytest.mark.parametrize(
    "error", [TimeoutError(), aiohttp.ConnectionTimeoutError("x"), aiohttp.SocketTimeoutError("x")]
)
def test_what_took_too_long(stage: Stage, reason: Reason, error: Exception) -> None:
    assert explained(error, exchange(stage, proxy="http://p:1" if stage is Stage.TUNNEL else None)).reason is reason


@pytest.mark.parametrize(
    ("error", "stage", "unreached"),
    [
        (_connector_error(errno.ECONNREFUSED), Stage.CONNECT, True),
        (_connector_error(errno.ECONNRESET), Stage.CONNECT, True),
        (_connector_error(errno.ENETUNREACH), Stage.CONNECT, True),
        (_connector_error(errno.EIO), Stage.CONNECT, True),
        (TimeoutError(), Stage.CONNECT, True),
        (aiohttp.ConnectionTimeoutError("x"), Stage.CONNECT, True),
        (aiohttp.ClientConnectionError("Connector is closed"), Stage.CONNECT, False),
        (LookupFailedError(Reason.DNS_FAILURE, "SERVFAIL"), Stage.LOOKUP, False),
        (TimeoutError(), Stage.LOOKUP, False),
        (TimeoutError(), Stage.HANDSHAKE, False),
        (_connector_error(errno.ECONNRESET), Stage.HANDSHAKE, False),
        (TimeoutError(), Stage.ANSWER, False),
        (aiohttp.ClientOSError(errno.ECONNRESET, "reset"), Stage.ANSWER, False),
    ],
)
def test_the_address_is_told_where_connecting_failed(error: Exception, stage: Stage, unreached: bool) -> None:
    at = exchange(stage)
    assert explained(error, at).unreached is None  # no look-up led anywhere
    at.looked_up = "192.0.2.1"
    assert explained(error, at).unreached == ("192.0.2.1" if unreached else None)
    at.looked_up, at.host = None, "[2001:db8::1]"
    assert explained(error, at).unreached == ("2001:db8::1" if unreached else None)
    at.proxy = "http://proxy.example:3128"
    assert explained(error, at).unreached is None


@pytest.mark.parametrize(
    ("error", "stage", "reason"),
    [
        (aiohttp.ServerDisconnectedError(), Stage.ANSWER, Reason.RESPONSE_RESET),
        (aiohttp.ClientOSError(errno.ECONNRESET, "reset"), Stage.ANSWER, Reason.RESPONSE_RESET),
        (aiohttp.ClientConnectionResetError("Cannot write to closing transport"), Stage.ANSWER, Reason.RESPONSE_RESET),
        (DisconnectedError(), Stage.ANSWER, None),
        (aiohttp.ClientPayloadError("x"), Stage.CONNECT, Reason.RESPONSE_RESET),
        (ConnectionResetError(), Stage.HANDSHAKE, Reason.TLS_HANDSHAKE),
        (ConnectionAbortedError("SSL handshake is taking longer"), Stage.HANDSHAKE, Reason.CONNECT_TIMEOUT),
        (ConnectionResetError(errno.ECONNRESET, "reset"), Stage.CONNECT, Reason.CONNECT_RESET),
        (LookupFailedError(Reason.DNS_FAILURE, "SERVFAIL"), Stage.LOOKUP, Reason.DNS_FAILURE),
        (aiohttp.InvalidURL("http://x"), Stage.CONNECT, Reason.RESPONSE_INVALID),
        (ValueError("Newline in header"), Stage.CONNECT, Reason.RESPONSE_INVALID),
        (KeyError("bug"), Stage.ANSWER, None),
        (AssertionError(), Stage.CONNECT, None),
    ],
)
def test_everything_else(error: Exception, stage: Stage, reason: Reason | None) -> None:
    explanation = session_failures.explain(error, exchange(stage))
    assert (None if explanation is None else explanation.reason) is reason


def test_the_cause_is_what_counts() -> None:
    outer = DisconnectedError()
    outer.__cause__ = aiohttp.ClientOSError(errno.ECONNRESET, "reset")
    assert "reset the connection" in explained(outer, exchange(Stage.ANSWER)).detail


class _Verification(ssl.SSLCertVerificationError):
    def __init__(self, code: int, message: str = "") -> None:
        super().__init__(1, "certificate verify failed")
        self.verify_code = code
        self.verify_message = message


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (10, Reason.TLS_EXPIRED),
        (9, Reason.TLS_NOT_YET_VALID),
        (62, Reason.TLS_NAME_MISMATCH),
        (64, Reason.TLS_NAME_MISMATCH),
        (18, Reason.TLS_SELF_SIGNED),
        (19, Reason.TLS_UNTRUSTED),
        (20, Reason.TLS_UNTRUSTED),
        (21, Reason.TLS_UNTRUSTED),
        (23, Reason.TLS_UNTRUSTED),
        (66, Reason.TLS_UNTRUSTED),
        (1, Reason.TLS_UNTRUSTED),
    ],
)
def test_verification_codes(code: int, reason: Reason) -> None:
    error = aiohttp.ClientConnectorCertificateError(KEY, _Verification(code, "odd\x1b[31m"))
    assert explained(error, exchange(Stage.HANDSHAKE)).reason is reason
    assert session_failures.verify_code(error) == code


def test_no_certificate_no_code() -> None:
    assert session_failures.verify_code(_connector_error(errno.ECONNREFUSED)) is None


@pytest.mark.parametrize(
    ("reason", "told"),
    [
        ("TLSV13_ALERT_CERTIFICATE_REQUIRED", "client certificate"),
        ("TLSV1_ALERT_PROTOCOL_VERSION", "no TLS version"),
        ("UNSUPPORTED_PROTOCOL", "no TLS version"),
        ("WRONG_VERSION_NUMBER", "does not speak TLS"),
        ("SSLV3_ALERT_HANDSHAKE_FAILURE", "in common"),
        ("TLSV1_UNRECOGNIZED_NAME", "does not know the name"),
        ("DH_KEY_TOO_SMALL", "too weak"),
        ("SOMETHING_NEW", "something new"),
        (None, "failed"),
    ],
)
@pytest.mark.parametrize("stage", [Stage.HANDSHAKE, Stage.ANSWER])  # TLS 1.3 tells some after the handshake
def test_openssls_reasons(reason: str | None, told: str, stage: Stage) -> None:
    error = ssl.SSLError(1, f"[SSL: {reason}]")
    error.reason = cast("Any", reason)
    explanation = explained(error, exchange(stage))
    assert explanation.reason is Reason.TLS_HANDSHAKE
    assert told in explanation.detail


@pytest.mark.parametrize("error", [ssl.SSLEOFError(8, "EOF"), ssl.SSLZeroReturnError(6, "closed")])
def test_a_handshake_that_was_left(error: ssl.SSLError) -> None:
    assert "closed the connection during" in explained(error, exchange(Stage.HANDSHAKE)).detail


@pytest.mark.parametrize(
    ("opening", "told"),
    [
        (b"HTTP/1.1 x", "breaks the rules"),
        (b"", "began with ''"),
        (b"\r\n\r\n", "began with ''"),
        (b"\x16\x03\x01", "is it https?"),
        (b"evil\x1b]0;title\x07", "began with 'evil ]0;title'"),
    ],
)
def test_garbage_by_how_it_began(opening: bytes, told: str) -> None:
    explanation = failures.garbage(exchange(Stage.ANSWER, opening=opening))
    assert explanation.reason is Reason.RESPONSE_INVALID
    assert told in explanation.detail
    assert explanation.detail.isprintable()


def test_a_proxys_trouble_is_told_as_the_proxys() -> None:
    at = exchange(Stage.CONNECT, proxy="http://proxy.example:3128")
    for error in (
        _connector_error(errno.ECONNREFUSED),
        LookupFailedError(Reason.DNS_NOT_FOUND, "proxy.example does not exist"),
        TimeoutError(),
    ):
        assert explained(error, at).detail.startswith("the proxy http://proxy.example:3128 ")


async def test_cancellation_is_none_of_it() -> None:
    assert session_failures.explain(asyncio.CancelledError(), exchange()) is None
