"""Kept connections over TLS: what nobody asked for answers nothing, and a server's whims are that server's alone."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trustme

from urlsweep.core.model import Failure, Reason, Reply, Request
from urlsweep.transport.lean.channel import Channel
from urlsweep.transport.lean.transport import LeanTransport
from urlsweep.transport.options import TransportOptions

if TYPE_CHECKING:
    from tests.transport.conftest import Peer, Serve

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
def context(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA).configure_cert(context)
    return context


@pytest.fixture
async def transport(authority: trustme.CA, tmp_path: Path) -> AsyncIterator[LeanTransport]:
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    made = LeanTransport(TransportOptions(cacert=str(path), proxies_from_environment=False), needed_fields=())
    yield made
    await made.aclose()


def ask(url: str, method: str = "GET") -> Request:
    return Request(url, method, "host", timeout=5.0, connect_timeout=5.0)


async def always_ok(peer: Peer) -> None:
    while True:
        await peer.head()
        await peer.say(OK)


@pytest.mark.parametrize("length", [0, 4])  # 4: the answer is told when its body has come
async def test_an_answer_that_nobody_asked_for_is_not_the_next_requests(
    serve: Serve, context: ssl.SSLContext, transport: LeanTransport, length: int
) -> None:
    async def twice(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length)
        await peer.say(b"body"[:length])
        await peer.say(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")  # in a record of its own
        await peer.gone()

    server = await serve(twice, always_ok, context=context)
    answers: asyncio.Queue[object] = asyncio.Queue()

    def on_first(answer: object) -> None:
        answers.put_nowait(answer)
        transport.start(ask(server.url("/second", scheme="https")), answers.put_nowait)

    transport.start(ask(server.url("/first", scheme="https")), on_first)
    statuses = [answer.status for answer in (await answers.get(), await answers.get()) if isinstance(answer, Reply)]
    assert statuses == [200, 200]
    assert [request.split()[1] for request in server.requests] == [b"/first", b"/second"]


async def test_a_server_that_begins_a_new_handshake_on_a_kept_connection_ends_no_run(
    serve: Serve, context: ssl.SSLContext, transport: LeanTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = await serve(always_ok, context=context)
    url = server.url(scheme="https")
    assert isinstance(await transport.send(ask(url)), Reply)
    real, refusals = Channel.write, 1

    def write(self: Channel, data: bytes) -> None:
        nonlocal refusals
        if refusals:  # as OpenSSL does in the middle of a renegotiation (TLS 1.2)
            refusals -= 1
            raise ssl.SSLWantReadError(ssl.SSL_ERROR_WANT_READ, "The operation did not complete (read)")
        real(self, data)

    monkeypatch.setattr(Channel, "write", write)
    assert isinstance(await transport.send(ask(url)), Reply)
    assert server.connections == 2


async def test_a_handshake_that_cannot_even_begin_is_a_failure(
    serve: Serve, context: ssl.SSLContext, transport: LeanTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shake_hands(self: Channel) -> bool:  # as under a policy of the system's that leaves no version of TLS
        raise ssl.SSLError(ssl.SSL_ERROR_SSL, "[SSL: NO_PROTOCOLS_AVAILABLE] no protocols available")

    monkeypatch.setattr(Channel, "shake_hands", shake_hands)
    server = await serve(always_ok, context=context)
    failure = await transport.send(ask(server.url(scheme="https")))
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.TLS_HANDSHAKE


async def test_a_server_that_cannot_take_up_its_own_session_is_asked_without_one(
    serve: Serve, context: ssl.SSLContext, transport: LeanTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def once(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")

    offered: list[bool] = []
    made, shaken = Channel.__init__, Channel.shake_hands

    def init(self: Channel, context: ssl.SSLContext, name: str, session: ssl.SSLSession | None) -> None:
        offered.append(session is not None)
        made(self, context, name, session)

    def shake_hands(self: Channel) -> bool:
        if offered[-1]:
            raise ssl.SSLError(ssl.SSL_ERROR_SSL, "[SSL: SSLV3_ALERT_HANDSHAKE_FAILURE] handshake failure")
        return shaken(self)

    monkeypatch.setattr(Channel, "__init__", init)
    monkeypatch.setattr(Channel, "shake_hands", shake_hands)
    server = await serve(once, context=context)
    for _ in range(4):
        assert isinstance(await transport.send(ask(server.url(scheme="https"))), Reply)
    assert offered == [False, False, True, False, False]  # and it is not tried again


async def test_a_session_is_taken_when_a_second_connection_needs_one(
    serve: Serve, context: ssl.SSLContext, transport: LeanTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    offered: list[bool] = []
    made = Channel.__init__

    def init(self: Channel, context: ssl.SSLContext, name: str, session: ssl.SSLSession | None) -> None:
        offered.append(session is not None)
        made(self, context, name, session)

    monkeypatch.setattr(Channel, "__init__", init)
    server = await serve(always_ok, context=context)
    url = server.url(scheme="https")
    assert isinstance(await transport.send(ask(url)), Reply)
    both = await asyncio.gather(transport.send(ask(url)), transport.send(ask(url)))
    assert all(isinstance(answer, Reply) for answer in both)
    assert offered == [False, True]  # the first of them went over the kept connection


async def test_a_host_that_is_asked_once_costs_no_copy_of_its_session(
    serve: Serve, context: ssl.SSLContext, transport: LeanTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_session(self: Channel) -> None:
        raise AssertionError("nobody needs one")

    monkeypatch.setattr(Channel, "session", property(no_session))
    server = await serve(always_ok, context=context)
    assert isinstance(await transport.send(ask(server.url(scheme="https"))), Reply)
    transport.drop_kept(keep=0)
