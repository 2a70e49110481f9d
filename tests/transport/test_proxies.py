"""Requests through scripted proxies, HTTP and SOCKS: which one is chosen, and what their trouble reads like."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from urlsweep.core.model import Failure, Reason, Reply
from urlsweep.transport.options import TransportOptionError, TransportOptions
from urlsweep.transport.proxies import ProxyChoice


@pytest.fixture
def transport_kind() -> str:
    """The one that speaks to proxies."""
    return "session"


if TYPE_CHECKING:
    from tests.transport.conftest import Ask, MakeTransport, Peer, ScriptedServer, Serve

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def always_ok(peer: Peer) -> None:
    while True:
        await peer.head()
        await peer.say(OK)


async def _relay(peer: Peer, port: int) -> None:
    """Pass everything on to 127.0.0.1:`port` and back."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)

    async def back() -> None:
        while data := await reader.read(65536):
            await peer.say(data)

    task = asyncio.create_task(back())
    try:
        while data := await peer._reader.read(65536):
            writer.write(data)
    finally:
        task.cancel()
        writer.transport.abort()
        await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def secure(tmp_path: Path) -> tuple[ssl.SSLContext, str]:
    """A context for a.example, and the file of its authority."""
    authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
    authority.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("a.example", key_type=trustme.KeyType.ECDSA).configure_cert(context)
    return context, str(tmp_path / "authority.pem")


async def _failure(ask: Ask, url: str, proxy: str, make_transport: MakeTransport, **fields: Any) -> Failure:
    failure = await ask(url, transport=make_transport(proxy=proxy), **fields)
    assert isinstance(failure, Failure), failure
    assert failure.detail.startswith("the proxy "), failure.detail
    assert "secret" not in failure.detail
    assert failure.address is None
    return failure


# --- HTTP proxies -----------------------------------------------------------------------------------------------------


async def test_a_plain_request_goes_to_the_proxy_in_absolute_form(
    serve: Serve, ask: Ask, make_transport: MakeTransport
) -> None:
    proxy = await serve(always_ok)
    transport = make_transport(proxy=f"user%40x:s%C3%A9cret@127.0.0.1:{proxy.port}")
    for _ in range(2):
        reply = await ask("http://a.example.:81/p|q?", transport=transport, headers=(("User-Agent", "t"),))
        assert isinstance(reply, Reply)
        assert reply.address is None
    credentials = base64.b64encode("user@x:sécret".encode())
    assert proxy.requests[0] == (
        b"GET http://a.example.:81/p|q? HTTP/1.1\r\nHost: a.example.:81\r\nUser-Agent: t\r\n"
        b"Proxy-Authorization: Basic " + credentials + b"\r\n\r\n"
    )
    assert proxy.connections == 1


async def test_an_https_request_goes_through_a_tunnel(
    serve: Serve, ask: Ask, make_transport: MakeTransport, secure: tuple[ssl.SSLContext, str]
) -> None:
    context, cacert = secure
    origin = await serve(always_ok, context=context)

    async def tunnel(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await _relay(peer, origin.port)

    proxy = await serve(tunnel)
    transport = make_transport(proxy=f"http://user:secret@127.0.0.1:{proxy.port}", cacert=cacert)
    for _ in range(2):
        reply = await ask("https://a.example/", transport=transport, headers=(("User-Agent", "t"), ("Cookie", "c=1")))
        assert isinstance(reply, Reply)
        assert reply.address is None
    assert proxy.connections == origin.connections == 1
    request = proxy.requests[0]
    assert request.startswith(b"CONNECT a.example:443 HTTP/1.1\r\n")
    assert b"User-Agent: t\r\n" in request
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"user:secret") in request
    assert b"Cookie" not in request
    assert all(b"Proxy-Authorization" not in inner for inner in origin.requests)


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_may_be_spoken_to_in_tls(
    serve: Serve, ask: Ask, make_transport: MakeTransport, secure: tuple[ssl.SSLContext, str], scheme: str
) -> None:
    context, cacert = secure
    origin = await serve(always_ok, context=context)

    async def script(peer: Peer) -> None:
        request = await peer.head()
        if request.startswith(b"CONNECT"):
            await peer.say(b"HTTP/1.1 200 OK\r\n\r\n")
            await _relay(peer, origin.port)
        else:
            await peer.say(OK)

    proxy = await serve(script, context=context)
    transport = make_transport(
        proxy=f"https://a.example:{proxy.port}", cacert=cacert, resolve=(("a.example", proxy.port, "127.0.0.1"),)
    )
    reply = await ask(f"{scheme}://a.example/", transport=transport)
    assert isinstance(reply, Reply), reply
    assert len(proxy.requests) == 1
    assert len(origin.requests) == (scheme == "https")


@pytest.mark.parametrize(
    ("answer", "reason", "told"),
    [
        (b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", Reason.CONNECT_REFUSED, "credentials"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", Reason.CONNECT_REFUSED, "does not allow it"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 3\r\n\r\nbad", Reason.CONNECT_UNREACHABLE, "could not reach"),
        (b"HTTP/1.1 504 Gateway Timeout\r\n\r\n", Reason.CONNECT_TIMEOUT, "in time"),
        (b"HTTP/1.1 418 Teapot\r\n\r\n", Reason.CONNECT_REFUSED, "418"),
        (b"SSH-2.0\r\n", Reason.CONNECT_RESET, "did not answer in HTTP"),
        (b"", Reason.CONNECT_RESET, "closed the connection"),
    ],
)
async def test_no_tunnel(
    serve: Serve, ask: Ask, make_transport: MakeTransport, answer: bytes, reason: Reason, told: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.say(answer)

    proxy = await serve(script)
    url = f"http://user:secret@127.0.0.1:{proxy.port}"
    failure = await _failure(ask, "https://a.example/", url, make_transport)
    assert failure.reason is reason
    assert told in failure.detail
    assert proxy.connections == 1


async def test_a_tunnel_that_is_not_opened_in_time(serve: Serve, ask: Ask, make_transport: MakeTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.gone()

    proxy = await serve(script)
    failure = await _failure(
        ask, "https://a.example/", f"http://127.0.0.1:{proxy.port}", make_transport, connect_timeout=0.05
    )
    assert failure.reason is Reason.CONNECT_TIMEOUT
    assert "a.example:443" in failure.detail
    await asyncio.wait_for(proxy.gone.wait(), 5)


async def test_tls_trouble_in_a_tunnel_is_the_links_own(
    serve: Serve, ask: Ask, make_transport: MakeTransport, secure: tuple[ssl.SSLContext, str]
) -> None:
    origin = await serve(always_ok, context=secure[0])

    async def tunnel(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"HTTP/1.1 200 OK\r\n\r\n")
        await _relay(peer, origin.port)

    proxy = await serve(tunnel)
    failure = await ask("https://a.example/", transport=make_transport(proxy=f"http://127.0.0.1:{proxy.port}"))
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.TLS_UNTRUSTED
    assert failure.detail.startswith("the certificate of a.example")


async def test_a_proxys_407_is_not_the_links(serve: Serve, ask: Ask, make_transport: MakeTransport) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.head()
            await peer.say(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")

    proxy = await serve(script)
    failure = await _failure(ask, "http://a.example/", f"http://127.0.0.1:{proxy.port}", make_transport)
    assert failure.reason is Reason.CONNECT_REFUSED
    assert "credentials" in failure.detail


@pytest.mark.parametrize("url", ["http://a.example/", "https://a.example/"])
async def test_no_proxy_there(ask: Ask, make_transport: MakeTransport, closed_port: int, url: str) -> None:
    failure = await _failure(ask, url, f"http://user:secret@127.0.0.1:{closed_port}", make_transport)
    assert failure.reason is Reason.CONNECT_REFUSED


async def test_no_address_of_the_proxy(ask: Ask, make_transport: MakeTransport) -> None:
    failure = await _failure(ask, "http://a.example/", "http://proxy.invalid:3128", make_transport)
    assert failure.reason is Reason.DNS_NOT_FOUND
    assert "proxy.invalid" in failure.detail


async def test_a_proxy_may_be_private_where_the_link_must_be_public(
    serve: Serve, ask: Ask, make_transport: MakeTransport
) -> None:
    proxy = await serve(always_ok)
    transport = make_transport(proxy=f"http://127.0.0.1:{proxy.port}")
    guard = {"public_only": Reason.REDIRECT_FORBIDDEN}
    assert isinstance(await ask("http://a.example/", transport=transport, **guard), Reply)
    failure = await ask("http://10.0.0.1/", transport=transport, **guard)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.REDIRECT_FORBIDDEN
    assert len(proxy.requests) == 1


# --- the choice -------------------------------------------------------------------------------------------------------


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name.upper()}_PROXY", raising=False)
    return monkeypatch


def _chosen(choice: ProxyChoice, scheme: str, host: str, port: int = 80) -> str | None:
    server = choice.choose(scheme, host, port)
    return None if server is None else server.url


def test_the_environments_proxies_by_scheme(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("http_proxy", "plain.example:3128")
    environment.setenv("ALL_PROXY", "http://user:pass@all.example")
    choice = ProxyChoice(TransportOptions())
    assert _chosen(choice, "http", "a.example") == "http://plain.example:3128"
    assert _chosen(choice, "https", "a.example") == "http://all.example:80"


def test_no_proxy_exempts(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTP_PROXY", "http://p.example:1")
    environment.setenv("NO_PROXY", "localhost,.inner.example,a.example:8080")
    choice = ProxyChoice(TransportOptions())
    proxied = "http://p.example:1"
    assert _chosen(choice, "http", "localhost") is None
    assert _chosen(choice, "http", "x.inner.example") is None
    assert _chosen(choice, "http", "a.example", 8080) is None
    assert _chosen(choice, "http", "a.example", 80) == proxied
    assert _chosen(choice, "https", "b.example") is None
    environment.setenv("NO_PROXY", "*")
    assert _chosen(choice, "http", "a.example") == proxied  # the environment was read once, at the start
    assert _chosen(ProxyChoice(TransportOptions()), "http", "a.example") is None


def test_an_option_goes_before_the_environment(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTP_PROXY", "http://p.example:1")
    environment.setenv("NO_PROXY", "a.example")
    assert (
        _chosen(ProxyChoice(TransportOptions(proxy="http://q.example:2")), "http", "a.example") == "http://q.example:2"
    )
    for options in (TransportOptions(proxy=""), TransportOptions(proxies_from_environment=False)):
        assert _chosen(ProxyChoice(options), "http", "b.example") is None


def test_a_proxy_of_the_environment_that_cannot_be_used_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("HTTPS_PROXY", "gopher://p.example")
    with pytest.raises(TransportOptionError, match="https_proxy"):
        ProxyChoice(TransportOptions())


async def test_an_exempt_host_is_asked_directly(
    serve: Serve, ask: Ask, make_transport: MakeTransport, environment: pytest.MonkeyPatch, closed_port: int
) -> None:
    environment.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port}")
    environment.setenv("NO_PROXY", "127.0.0.1")
    server = await serve(always_ok)
    reply = await ask(server.url(), transport=make_transport(proxies_from_environment=True))
    assert isinstance(reply, Reply)
    assert reply.address == "127.0.0.1"


# --- SOCKS ------------------------------------------------------------------------------------------------------------


def _socks5(origin: ScriptedServer, asked: list[bytes], code: int = 0) -> Any:
    """A script: RFC 1928 without authentication; `asked` gets the destinations."""

    async def script(peer: Peer) -> None:
        _, count = await peer.read(2)
        await peer.read(count)
        await peer.say(b"\x05\x00")
        _, _, _, kind = await peer.read(4)
        length = (await peer.read(1))[0] if kind == 3 else 4
        asked.append(await peer.read(length + 2))
        await peer.say(bytes([5, code, 0, 1]) + socket.inet_aton("127.0.0.1") + b"\x00\x00")
        if code == 0:
            await _relay(peer, origin.port)

    return script


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
async def test_socks(serve: Serve, ask: Ask, make_transport: MakeTransport, scheme: str) -> None:
    asked: list[bytes] = []
    origin = await serve(always_ok)
    proxy = await serve(_socks5(origin, asked))
    transport = make_transport(proxy=f"{scheme}://127.0.0.1:{proxy.port}")
    for _ in range(2):
        reply = await ask("http://a.example/x?", transport=transport)
        assert isinstance(reply, Reply)
        assert reply.address is None
    assert asked == [b"a.example\x00\x50"]  # looked up by the proxy; one connection for both
    assert origin.requests[0] == b"GET /x? HTTP/1.1\r\nHost: a.example\r\n\r\n"


async def test_tls_through_socks(
    serve: Serve, ask: Ask, make_transport: MakeTransport, secure: tuple[ssl.SSLContext, str]
) -> None:
    context, cacert = secure
    origin = await serve(always_ok, context=context)
    proxy = await serve(_socks5(origin, []))
    url = f"socks5://127.0.0.1:{proxy.port}"
    assert isinstance(await ask("https://a.example/", transport=make_transport(proxy=url, cacert=cacert)), Reply)
    failure = await ask("https://a.example/", transport=make_transport(proxy=url))
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.TLS_UNTRUSTED


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (1, Reason.CONNECT_REFUSED),
        (2, Reason.CONNECT_REFUSED),
        (3, Reason.CONNECT_UNREACHABLE),
        (4, Reason.CONNECT_UNREACHABLE),
        (5, Reason.CONNECT_REFUSED),
        (6, Reason.CONNECT_TIMEOUT),
    ],
)
async def test_what_a_socks_proxy_answers(
    serve: Serve, ask: Ask, make_transport: MakeTransport, code: int, reason: Reason
) -> None:
    origin = await serve(always_ok)
    proxy = await serve(_socks5(origin, [], code))
    failure = await _failure(ask, "http://a.example/", f"socks5://127.0.0.1:{proxy.port}", make_transport)
    assert failure.reason is reason


async def test_no_socks_proxy_there(ask: Ask, make_transport: MakeTransport, closed_port: int) -> None:
    failure = await _failure(ask, "http://a.example/", f"socks5://127.0.0.1:{closed_port}", make_transport)
    assert failure.reason is Reason.CONNECT_REFUSED


async def test_a_socks_proxy_that_does_not_speak_socks(serve: Serve, ask: Ask, make_transport: MakeTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.say(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    proxy = await serve(script)
    await _failure(ask, "http://a.example/", f"socks5://127.0.0.1:{proxy.port}", make_transport)


async def test_a_socks_proxy_that_is_silent(serve: Serve, ask: Ask, make_transport: MakeTransport) -> None:
    async def script(peer: Peer) -> None:
        await peer.gone()

    proxy = await serve(script)
    url = f"socks5://127.0.0.1:{proxy.port}"
    failure = await _failure(ask, "http://a.example/", url, make_transport, connect_timeout=0.05)
    assert failure.reason is Reason.CONNECT_TIMEOUT
    await asyncio.wait_for(proxy.gone.wait(), 5)


async def test_without_the_extra_its_name_is_told(
    make_transport: MakeTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "aiohttp_socks", None)
    with pytest.raises(TransportOptionError, match=r"urlsweep\[socks\]"):
        make_transport(proxy="socks5://127.0.0.1:9050")
