"""The fault server sends what its scripts say, to the byte, records what it saw, and ends when it is told to."""

from __future__ import annotations

import asyncio
import gzip
import ssl

import pytest

from urlsweep.testing.faults import FaultServer, Script, Visit
from urlsweep.testing.scripts import (
    CHALLENGES,
    big_header,
    by_method,
    challenge,
    close,
    close_after_reply_without_saying,
    cut,
    drip,
    early_hints,
    endless_body,
    endless_headers,
    endless_hints,
    gzip_bomb_body,
    hang,
    hang_after_headers,
    hang_within_headers,
    head_with_body,
    http10,
    in_turn,
    later,
    many_headers,
    no_reason_phrase,
    rate_limited,
    raw,
    redirect,
    reset,
    respond,
    set_cookie_then,
)

Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def connect(server: FaultServer, context: ssl.SSLContext | None = None) -> Stream:
    return await asyncio.open_connection(
        server.host, server.port, ssl=context, server_hostname="good.test" if context else None, limit=2**22
    )


def write_request(stream: Stream, method: str = "GET", target: str = "/", *fields: str) -> None:
    lines = [f"{method} {target} HTTP/1.1", "Host: x", *fields, "", ""]
    stream[1].write("\r\n".join(lines).encode())


async def ask(stream: Stream, method: str = "GET", target: str = "/", *fields: str) -> bytes:
    """The header section of the answer."""
    write_request(stream, method, target, *fields)
    return await stream[0].readuntil(b"\r\n\r\n")


async def everything(script: Script, method: str = "GET", *fields: str) -> bytes:
    """All that one request gets, to the end of the connection, which the client asks for."""
    async with FaultServer(script) as server:
        stream = await connect(server)
        write_request(stream, method, "/", "Connection: close", *fields)
        data = await stream[0].read(-1)
        stream[1].close()
        return data


async def statuses(script: Script, *methods: str) -> list[bytes]:
    async with FaultServer(script) as server:
        stream = await connect(server)
        got = []
        for method in methods:
            head = await ask(stream, method)
            length = next((line for line in head.split(b"\r\n") if line.startswith(b"Content-Length")), b": 0")
            if method != "HEAD":
                await stream[0].readexactly(int(length.split(b": ")[1]))
            got.append(head[9:12])
        stream[1].close()
        return got


# --- answers ----------------------------------------------------------------------------------------------------------

PLAIN = [
    (respond(200, body=b"hi"), "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"),
    (respond(200, body=b"hi"), "HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"),
    (respond(204), "GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
    (respond(777), "HEAD", b"HTTP/1.1 777 Unregistered\r\nContent-Length: 0\r\n\r\n"),
    (respond(200, reason=""), "HEAD", b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"),
    (
        respond(503, retry_after=7),
        "GET",
        b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n",
    ),
    (redirect(302, "/ü"), "GET", b"HTTP/1.1 302 Found\r\nLocation: /\xc3\xbc\r\nContent-Length: 0\r\n\r\n"),
    (redirect(302, b"/\xfc"), "GET", b"HTTP/1.1 302 Found\r\nLocation: /\xfc\r\nContent-Length: 0\r\n\r\n"),
    (raw(b"any", b"thing"), "GET", b"anything"),
    (drip(b"slow", every=0, piece=3), "GET", b"slow"),
    (http10(), "GET", b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nold but fine"),
    (http10(), "HEAD", b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n"),
    (no_reason_phrase(404), "HEAD", b"HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n"),
    (head_with_body(body=b"oh"), "HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\noh"),
    (later(0, respond(204)), "GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
    (close(), "GET", b""),
    (hang_after_headers(length=5), None, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
    (hang_within_headers(), None, b"HTTP/1.1 200 OK\r\nContent-Ty"),
]


@pytest.mark.parametrize(("script", "method", "expected"), PLAIN, ids=[repr(row[2][:24]) for row in PLAIN])
async def test_what_is_sent_is_what_was_told(script: Script, method: str | None, expected: bytes) -> None:
    if method is not None:
        assert await everything(script, method) == expected
        return
    async with FaultServer(script) as server:  # one that hangs
        stream = await connect(server)
        write_request(stream)
        assert await stream[0].readexactly(len(expected)) == expected
        stream[1].close()


async def test_early_hints_come_before_the_answer() -> None:
    answer = await everything(early_hints(3, respond(200)))
    assert answer.count(b"HTTP/1.1 103 Early Hints\r\n") == 3
    assert answer.endswith(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")


async def test_header_sections_have_the_size_told() -> None:
    assert len(await everything(big_header(60))) > 60 * 1024
    assert (await everything(many_headers(10_000))).count(b"\r\nX-") == 10_000


async def test_a_gzip_bomb_blows_up() -> None:
    head, _, body = (await everything(gzip_bomb_body(3))).partition(b"\r\n\r\n")
    assert b"Content-Encoding: gzip" in head
    assert len(body) < 10_000
    assert len(gzip.decompress(body)) == 3 * 1024 * 1024


@pytest.mark.parametrize("vendor", CHALLENGES)
async def test_challenges_carry_status_and_fields(vendor: str) -> None:
    status, fields = CHALLENGES[vendor]
    answer = await everything(challenge(vendor))
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert all(f"\r\n{name}: {value!s}\r\n".encode() in answer for name, value in fields)


@pytest.mark.parametrize("script", [endless_body(), endless_headers(), endless_hints()])
async def test_endless_scripts_go_on_until_the_client_leaves(script: Script) -> None:
    async with FaultServer(script) as server:
        stream = await connect(server)
        write_request(stream)
        assert len(await stream[0].readexactly(500_000)) == 500_000
        stream[1].close()
        await server.until(lambda: server.open_connections == 0)


async def test_an_endless_body_is_not_given_to_head() -> None:
    assert await statuses(endless_body(), "HEAD", "HEAD") == [b"200", b"200"]


# --- which one --------------------------------------------------------------------------------------------------------


async def test_in_turn_counts_the_paths_requests_and_stays_at_the_last() -> None:
    script = in_turn(respond(503), respond(404), respond(200))
    assert await statuses(script, "GET", "HEAD", "GET", "GET") == [b"503", b"404", b"200", b"200"]


async def test_by_method_counts_each_method_for_itself() -> None:
    script = by_method(HEAD=respond(405), GET=in_turn(respond(500), respond(200)))
    assert await statuses(script, "HEAD", "GET", "HEAD", "GET") == [b"405", b"500", b"405", b"200"]


async def test_a_rate_limit_lets_the_burst_through() -> None:
    script = rate_limited(1e-6, respond(200), burst=2, retry_after=3)
    assert await statuses(script, "GET", "GET", "GET") == [b"200", b"200", b"429"]


async def test_a_rate_limit_fills_again() -> None:
    assert await statuses(rate_limited(1e9, respond(200)), "GET", "GET", "GET") == [b"200", b"200", b"200"]


async def test_a_cookie_wall_opens_to_who_brings_the_cookie() -> None:
    async with FaultServer(set_cookie_then("pass=1", respond(200))) as server:
        stream = await connect(server)
        first = await ask(stream, "GET", "/door?x=1")
        assert b"\r\nLocation: /door?x=1\r\nSet-Cookie: pass=1; Path=/\r\n" in first
        assert (await ask(stream, "GET", "/door", "Cookie: a=b; pass=1")).startswith(b"HTTP/1.1 200")
        stream[1].close()


# --- connections ------------------------------------------------------------------------------------------------------


async def test_a_reset_is_a_reset() -> None:
    async with FaultServer(reset()) as server:
        stream = await connect(server)
        write_request(stream)
        with pytest.raises(ConnectionResetError):
            await stream[0].read()
        stream[1].close()


async def test_what_was_sent_before_the_connection_is_cut_arrives() -> None:
    answer = await everything(cut(respond(200)))
    assert answer == b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("at_once", [True, False])
async def test_a_stale_connection_answers_once(at_once: bool) -> None:
    async with FaultServer(close_after_reply_without_saying(at_once=at_once)) as server:
        stream = await connect(server)
        assert (await ask(stream)).startswith(b"HTTP/1.1 200")
        if not at_once:
            write_request(stream)
        assert await stream[0].read() == b""
        stream[1].close()
        assert len(server.requests) == (1 if at_once else 2)


async def test_what_is_played_on_connecting_needs_no_request() -> None:
    async with FaultServer(on_connect=raw(b"220 mail.test ESMTP\r\n")) as server:
        stream = await connect(server)
        write_request(stream)  # lies unread in the server: the greeting must come all the same
        assert await stream[0].read() == b"220 mail.test ESMTP\r\n"
        stream[1].close()
        assert server.requests == []


# --- the server itself ------------------------------------------------------------------------------------------------


async def test_requests_are_recorded_to_the_byte() -> None:
    async with FaultServer({"/a b": respond(200), "/x": respond(204)}) as server:
        stream = await connect(server)
        await ask(stream, "GET", "/x?q=%C3%BC&y=|", "X-One: 1", "x-one: 2")
        await ask(stream, "HEAD", "http://proxied.test/x")
        await ask(stream, "GET", "/nothing")
        stream[1].close()
        first, second, third = server.requests
        assert (first.method, first.target, first.path) == ("GET", b"/x?q=%C3%BC&y=|", "/x")
        assert first.fields == (("host", "x"), ("x-one", "1"), ("x-one", "2"))
        assert first.get("x-one") == "1"
        assert (second.method, second.path, third.get("nothing")) == ("HEAD", "/x", None)
        assert server.seen("/x") == [first, second]


async def test_a_path_without_a_script_is_404() -> None:
    async with FaultServer({"/": respond(200)}) as server:
        stream = await connect(server)
        assert (await ask(stream, "GET", "/else")).startswith(b"HTTP/1.1 404 ")
        stream[1].close()


async def test_connections_are_counted() -> None:
    async with FaultServer(respond(200)) as server:
        streams = [await connect(server) for _ in range(3)]
        for stream in streams:
            await ask(stream)
            stream[1].close()
        await server.until(lambda: server.open_connections == 0)
        await ask(last := await connect(server))
        last[1].close()
        assert (server.connections, server.peak_connections) == (4, 3)
        assert [request.connection for request in server.requests] == [1, 2, 3, 4]


async def test_nonsense_is_disconnected() -> None:
    async with FaultServer(respond(200)) as server:
        stream = await connect(server)
        stream[1].write(b"nonsense\r\n\r\n")
        assert await stream[0].read() == b""
        stream[1].close()


async def test_leaving_the_server_ends_whatever_hangs() -> None:
    async with FaultServer(hang()) as server:
        stream = await connect(server)
        write_request(stream)
        await server.until(lambda: len(server.requests) == 1)
    assert await stream[0].read() == b""
    stream[1].close()
    with pytest.raises(ConnectionRefusedError):
        await connect(server)
    await server.aclose()


async def test_a_bug_in_a_script_is_raised() -> None:
    async def buggy(visit: Visit) -> None:
        raise ZeroDivisionError

    server = FaultServer(buggy)
    await server.__aenter__()
    stream = await connect(server)
    write_request(stream)
    assert await stream[0].read() == b""
    stream[1].close()
    with pytest.raises(ExceptionGroup) as caught:
        await server.aclose()
    assert caught.group_contains(ZeroDivisionError)


async def test_ipv6_urls() -> None:
    server = FaultServer(host="::1", port=80)
    assert server.url("/a") == "http://[::1]:80/a"
    assert server.url("/a", host="b.test") == "http://b.test:80/a"
