"""What goes out and comes in on one connection, byte for byte."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from urlsweep.core.model import Failure, Reason, Reply

if TYPE_CHECKING:
    from tests.transport.conftest import Ask, MakeTransport, Peer, Serve

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def always_ok(peer: Peer) -> None:
    while True:
        await peer.head()
        await peer.say(OK)


def answers(data: bytes) -> object:
    """A script: every request gets `data`."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.head()
            await peer.say(data)

    return script


# --- requests ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/?",
        "/a?",
        "/a|b",
        "/it's",
        "/%7euser",
        "/%7Euser",
        "/a;b=c;d",
        "//double//slash/",
        "/a?b?c",
        "/?a=b&c=%20&d=+&e='",
        "/a%2Fb/..%2f",
        "/?q=%zz",
        "/[x]{y}^`",
        "/?next=http://other.example/?x#"[:-1],
        "/%C3%A9?%e9",
        "/a:80/",
        "/@user:pass@host/",
    ],
)
async def test_the_target_goes_out_as_it_is_written(serve: Serve, ask: Ask, target: str) -> None:
    server = await serve(always_ok)
    assert isinstance(await ask(server.url(target)), Reply)
    assert server.requests[0].split(b"\r\n")[0] == b"GET " + target.encode() + b" HTTP/1.1"


@pytest.mark.parametrize(
    "host", ["example.com", "example.com.", "under_score.example", "xn--bcher-kva.example", "A-1.example"]
)
async def test_the_host_goes_out_as_it_is_written(
    serve: Serve, ask: Ask, make_transport: MakeTransport, host: str
) -> None:
    server = await serve(always_ok)
    transport = make_transport(resolve=(("*", server.port, "127.0.0.1"),))
    assert isinstance(await ask(server.url(host=host), transport=transport), Reply)
    assert f"\r\nHost: {host}:{server.port}\r\n".encode() in server.requests[0]


async def test_an_ipv6_host(serve: Serve, ask: Ask) -> None:
    server = await serve(always_ok, host="::1")
    reply = await ask(server.url("/six", host="[::1]"))
    assert isinstance(reply, Reply)
    assert reply.address == "::1"
    assert f"\r\nHost: [::1]:{server.port}\r\n".encode() in server.requests[0]


async def test_nothing_but_the_requests_own_fields_and_host_goes_out(serve: Serve, ask: Ask) -> None:
    server = await serve(always_ok)
    headers = (("User-Agent", "t"), ("X-A", "1"), ("X-A", "2"), ("Cookie", "a=b; c=d"))
    await ask(server.url("/"), headers=headers)
    assert server.requests[0].split(b"\r\n") == [
        b"GET / HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}".encode(),
        b"User-Agent: t",
        b"X-A: 1",
        b"X-A: 2",
        b"Cookie: a=b; c=d",
        b"",
        b"",
    ]


async def test_a_host_field_of_ones_own_replaces_ours(serve: Serve, ask: Ask) -> None:
    server = await serve(always_ok)
    await ask(server.url("/"), headers=(("Host", "other.example"),))
    assert server.requests[0] == b"GET / HTTP/1.1\r\nHost: other.example\r\n\r\n"


async def test_a_field_that_cannot_be_sent_is_a_failure(serve: Serve, ask: Ask) -> None:
    server = await serve(always_ok)
    failure = await ask(server.url("/"), headers=(("Cookie", "a=b\r\nX-Evil: 1"),))
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.RESPONSE_INVALID
    assert server.requests == []


# --- header sections --------------------------------------------------------------------------------------------------


async def test_a_field_of_60_kb_is_fine(serve: Serve, ask: Ask) -> None:
    server = await serve(answers(b"HTTP/1.1 200 OK\r\nX-Note: " + b"n" * 60_000 + b"\r\nContent-Length: 0\r\n\r\n"))
    reply = await ask(server.url())
    assert isinstance(reply, Reply)
    assert reply.get("x-note") == "n" * 60_000


@pytest.mark.parametrize("storm", [b"\r\n" * 50_000, b"\n" * 100_000, b"HTTP/1.1 103\r\n\r\n" * 10_000])
async def test_a_storm_before_the_answer_does_not_hide_it(serve: Serve, ask: Ask, storm: bytes) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.say(storm + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        await peer.head()
        await peer.say(b"HTTP/1.1 204 No Content\r\n\r\n")

    server = await serve(script)
    first, second = await ask(server.url()), await ask(server.url())
    assert (getattr(first, "status", first), getattr(second, "status", second)) == (200, 204)
    assert server.connections == 1


async def test_blank_lines_are_taken_together(serve: Serve, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    sections: list[bytes] = []

    def straightened(section: bytes) -> bytes:
        sections.append(section)
        return section

    monkeypatch.setattr("urlsweep.transport.heads.straightened", straightened)

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"\r\n" * 50_000 + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    server = await serve(script)
    assert isinstance(await ask(server.url()), Reply)
    assert sections == [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]  # not 25,000 empty ones before it


async def test_ten_thousand_small_fields_are_fine(serve: Serve, ask: Ask) -> None:
    fields = b"".join(b"X-%05d: y\r\n" % number for number in range(10_000))
    server = await serve(answers(b"HTTP/1.1 200 OK\r\n" + fields + b"Location: /end\r\nContent-Length: 0\r\n\r\n"))
    reply = await ask(server.url())
    assert isinstance(reply, Reply)
    assert reply.get("location") == "/end"


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"X: " + b"y" * 140_000 + b"\r\n", id="one field"),
        pytest.param(b"a:\r\n" * 17_000, id="many fields"),
        pytest.param(b"".join(b"X-%d: %s\r\n" % (n, b"y" * 60_000) for n in range(8)), id="in total"),
    ],
)
async def test_a_header_section_beyond_the_limits_is_too_large(serve: Serve, ask: Ask, head: bytes) -> None:
    server = await serve(answers(b"HTTP/1.1 200 OK\r\n" + head + b"\r\n"))
    failure = await ask(server.url())
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.RESPONSE_TOO_LARGE
    assert server.connections == 1


@pytest.mark.parametrize(
    "piece",
    [b"X-Drip: drop\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n"[:-2] + b"Link: </a>\r\n\r\n"],
    ids=["fields", "interim"],
)
async def test_a_header_section_that_never_ends_is_cut_off(serve: Serve, ask: Ask, piece: bytes) -> None:
    async def endless(peer: Peer) -> None:
        await peer.head()
        if piece.startswith(b"X"):
            await peer.say(b"HTTP/1.1 200 OK\r\n")
        while True:
            await peer.say(piece * 10)
            await asyncio.sleep(0)

    server = await serve(endless)
    failure = await ask(server.url(), timeout=60.0)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.RESPONSE_TOO_LARGE


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("eol", [b"\r\n", b"\n"])
async def test_a_header_section_may_come_in_any_pieces(serve: Serve, ask: Ask, method: str, eol: bytes) -> None:
    answer = eol.join(
        [
            b"HTTP/1.1 100 Continue",
            b"",
            b"HTTP/1.1 103 Early Hints",
            b"Link: x",
            b"",
            b"HTTP/1.1 200",
            b"X-Note: n",
            b"Content-Length: 0",
            b"",
            b"",
        ]
    )

    async def dribble(peer: Peer) -> None:
        while True:
            await peer.head()
            for position in range(len(answer)):
                await peer.say(answer[position : position + 1])
                await asyncio.sleep(0)

    server = await serve(dribble)
    for _ in range(2):
        reply = await ask(server.url(), method)
        assert isinstance(reply, Reply)
        assert (reply.status, reply.fields) == (200, (("x-note", "n"),))
    assert server.connections == 1


async def test_only_needed_fields_are_given_in_lower_case_and_latin_1(serve: Serve, ask: Ask) -> None:
    server = await serve(
        answers(
            b"HTTP/1.1 302 Found\r\nLOCATION: /caf\xc3\xa9\r\nX-Other: 1\r\n"
            b"Set-Cookie: a=1\r\nset-cookie: b=\xff\r\nContent-Length: 0\r\n\r\n"
        )
    )
    reply = await ask(server.url())
    assert isinstance(reply, Reply)
    assert reply.fields == (("location", "/caf\xc3\xa9"), ("set-cookie", "a=1"), ("set-cookie", "b=\xff"))


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n", 200),
        (b"HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n", 200),
        (b"HTTP/1.0 404 Not Found\r\n\r\nbody", 404),
        (b"HTTP/1.1 999 Denied\r\nContent-Length: 0\r\n\r\n", 999),
        (b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n\x00\x01", 101),
        (b"HTTP/1.1 204 No Content\r\n\r\nyet a body", 204),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n", 304),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 200),
        (b"\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnonsense", 200),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnogz", 200),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 4\r\n\r\nnobr", 200),
        (b"HTTP/1.1 200 OK\r\nSet-Cookie: \xff\xfe=\x01\r\nContent-Length: 0\r\n\r\n", 200),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_odd_answers_are_answers(serve: Serve, ask: Ask, answer: bytes, status: int, method: str) -> None:
    async def once(peer: Peer) -> None:
        await peer.head()
        await peer.say(answer)

    server = await serve(once)
    for _ in range(2):
        reply = await ask(server.url(), method)
        assert isinstance(reply, Reply), reply
        assert reply.status == status


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-OpenSSH_9.2"),
        (b"220 mail.example ESMTP \x1b[31m\r\n", "220 mail.example ESMTP"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "is it https?"),
        (b"HTTP/1.1 OK\r\n\r\n", "breaks the rules"),
        (b"HTTP/1.1 000 None\r\n\r\n", "breaks the rules"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "breaks the rules"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "breaks the rules"),
        (b"<html>", "<html>"),
        (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", "did not answer in HTTP"),
    ],
)
async def test_what_is_not_http_is_invalid(serve: Serve, ask: Ask, answer: bytes, detail: str) -> None:
    async def once(peer: Peer) -> None:
        await peer.head()
        await peer.say(answer)
        await peer.gone()

    server = await serve(once)
    failure = await ask(server.url())
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.RESPONSE_INVALID
    assert detail in failure.detail
    assert failure.detail.isprintable()
    assert server.connections == 1


# --- bytes that nobody asked for --------------------------------------------------------------------------------------


@pytest.mark.parametrize("pause", [False, True], ids=["at once", "later"])
@pytest.mark.parametrize(
    "body", [b"<html>not asked for</html>", b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"]
)
async def test_the_body_of_a_head_answer_does_not_reach_the_next_request(
    serve: Serve, ask: Ask, body: bytes, pause: bool
) -> None:
    sent = asyncio.Event()

    async def with_body(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body))
        if pause:
            await asyncio.sleep(0.01)
        await peer.say(body)
        sent.set()
        await peer.head()
        await peer.say(OK)
        await peer.gone()

    server = await serve(with_body, always_ok)
    assert isinstance(await ask(server.url(), "HEAD"), Reply)
    await sent.wait()
    await asyncio.sleep(0.01)
    reply = await ask(server.url())
    assert isinstance(reply, Reply)
    assert reply.status == 200
    assert server.connections == 2


async def test_the_late_body_of_a_head_answer_is_not_taken_for_the_next_answer(serve: Serve, ask: Ask) -> None:
    async def with_late_body(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
        await peer.head()
        await peer.say(b"late body" + OK)
        await peer.gone()

    server = await serve(with_late_body, always_ok)
    assert isinstance(await ask(server.url("/1"), "HEAD"), Reply)
    reply = await ask(server.url("/2"))
    assert isinstance(reply, Reply)
    assert reply.status == 200
    assert [request.split()[1] for request in server.requests] == [b"/1", b"/2", b"/2"]


async def test_an_unasked_408_on_an_idle_connection_answers_nobody(serve: Serve, ask: Ask) -> None:
    said = asyncio.Event()

    async def impatient(peer: Peer) -> None:
        await peer.head()
        await peer.say(OK)
        await asyncio.sleep(0.01)
        await peer.say(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        said.set()
        await peer.gone()

    server = await serve(impatient, always_ok)
    assert isinstance(await ask(server.url()), Reply)
    await said.wait()
    await asyncio.sleep(0.01)
    reply = await ask(server.url())
    assert isinstance(reply, Reply)
    assert reply.status == 200
    assert server.connections == 2
