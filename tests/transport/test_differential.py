"""Both transports are sent the same bytes by the same server, and have to tell the same of them."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from urlsweep.core.check import CONTEXT_FIELDS, NEEDED_FIELDS
from urlsweep.core.model import Reply, Request
from urlsweep.transport.lean.transport import LeanTransport
from urlsweep.transport.options import TransportOptions
from urlsweep.transport.session import SessionTransport

KINDS = (LeanTransport, SessionTransport)
HONEST = b"HTTP/1.1 299 Honest\r\nContent-Length: 0\r\n\r\n"

LINE_ENDS = st.sampled_from([b"\r\n", b"\r\n", b"\r\n", b"\n"])
STATUS_LINES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 200 OK",
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1 301 Moved",
        b"HTTP/1.1 404",
        b"HTTP/1.1 204 No Content",
        b"HTTP/1.1 304 Not Modified",
        b"HTTP/1.1 101 Switching Protocols",
        b"HTTP/1.1 503 Busy\xff",
        b"http/1.1 200 ok",
        b"HTTP/2 200",
        b"HTTP/1.1  200 OK",
        b"HTTP 200 OK",
        b"ICY 200 OK",
        b"HTTP/1.1 99 Low",
        b"HTTP/1.1 099 Low",
        b"HTTP/1.1 2000 High",
        b"HTTP/1.1 OK",
        b"SSH-2.0-x",
        b"",
    ]
)
FIELDS = st.sampled_from(
    [
        b"Content-Length: 0",
        b"Content-Length: 4",
        b"content-length:4",
        b"Content-Length: 4, 4",
        b"Content-Length: 5",
        b"Content-Length: -1",
        b"Content-Length: 99999999999999999999",
        b"Content-Length : 4",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: gzip, chunked",
        b"Transfer-Encoding: identity",
        b"Connection: close",
        b"Connection: keep-alive",
        b"Connection: Upgrade, Close",
        b"Location: /next",
        b"Location:/n\xc3\xa9xt \t",
        b"LOCATION: /caps",
        b"Retry-After: 1",
        b"Set-Cookie: a=b; Path=/",
        b"Server: x\0y",
        b"Server",
        b": no name",
        b" folded",
        b"\tfolded",
        b"X-Odd[]: z",
        b"Date: Wed, 25 Nov 2026 09:20:38 GMT",
        b"X-Many: y\r\n" * 50,
    ]
)
BODIES = st.sampled_from(
    [
        b"",
        b"body",
        b"bo",
        b"body and more",
        b"4\r\nbody\r\n0\r\n\r\n",
        b"4;x=y\r\nbody\r\n0\r\nTrailer: z\r\n\r\n",
        b"4\r\nbody\r\n0\r\n\r\nmore",
        b"ffffffffffffffffffff\r\n",
        b"HTTP/1.1 666 Smuggled\r\nContent-Length: 0\r\n\r\n",
    ]
)


@st.composite
def sections(draw: st.DrawFn) -> bytes:
    end = draw(LINE_ENDS)
    lines = [draw(STATUS_LINES), *draw(st.lists(FIELDS, max_size=4))]
    return end.join(lines) + end + end


INTERIM = st.sampled_from(
    [b"", b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n" * 100]
)
ANSWERS = st.builds(lambda interim, section, body: interim + section + body, INTERIM, sections(), BODIES)


@st.composite
def scripts(draw: st.DrawFn) -> bytes:
    answer: bytes = draw(ANSWERS)
    match draw(st.sampled_from(["whole", "whole", "cut", "changed", "random"])):
        case "cut":
            return answer[: draw(st.integers(0, len(answer)))]
        case "changed":
            position = draw(st.integers(0, len(answer) - 1))
            noise: bytes = draw(st.binary(max_size=4))
            return answer[:position] + noise + answer[position + 1 :]
        case "random":
            answer = draw(st.binary(max_size=200))
    return answer


@contextlib.asynccontextmanager
async def serving(script: bytes, cut_at: int) -> AsyncIterator[str]:
    """A server that answers its first request with `script` and then hangs up, and every later one honestly."""
    connections = 0

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            if connections == 1:
                writer.write(script[:cut_at])
                await asyncio.sleep(0)
                writer.write(script[cut_at:])
            else:
                writer.write(HONEST)
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def told(kind: type[LeanTransport | SessionTransport], script: bytes, cut_at: int, method: str) -> object:
    transport = kind(
        TransportOptions(proxies_from_environment=False), needed_fields=NEEDED_FIELDS, context_fields=CONTEXT_FIELDS
    )
    try:
        async with serving(script, cut_at) as url:
            request = Request(url, method, "host", timeout=5.0, connect_timeout=5.0)
            first = await transport.send(request)
            second = await transport.send(request)
    finally:
        await transport.aclose()
    assert isinstance(second, Reply), second
    assert second.status == 299  # nothing of the first answer is taken for the second's
    if isinstance(first, Reply):
        return first.status, sorted((name, value.strip(" \t")) for name, value in first.fields)
    return first.reason, re.sub(r":\d+", ":PORT", first.detail)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(scripts(), st.integers(0, 300), st.sampled_from(["HEAD", "GET"]))
@example(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 140_000 + b"\r\n\r\n", 0, "HEAD")
@example(b"HTTP/1.1 200 OK\r\n" + b"a:b\r\n" * 20_000 + b"\r\n", 0, "HEAD")
@example(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 15_000, 0, "GET")
@example(b"HTTP/1.1 200 " + b"y" * 140_000 + b"\r\n\r\n", 0, "HEAD")
@example(b"HTTP/1.1 200 OK\r\n\r\n", 0, "GET")
@example(b"RTSP/1.0 200 OK\r\n\r\n", 0, "GET")
@example(b"R", 0, "HEAD")
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 4, 4\r\nContent-Length: 5\r\n\r\n", 0, "GET")
def test_both_tell_the_same(script: bytes, cut_at: int, method: str) -> None:
    lean, session = (asyncio.run(told(kind, script, cut_at, method)) for kind in KINDS)
    assert lean == session


@pytest.mark.parametrize("kind", KINDS)
async def test_an_answer_behind_the_answer_is_nobodys(kind: type[LeanTransport | SessionTransport]) -> None:
    script = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 666 Smuggled\r\nContent-Length: 0\r\n\r\n"
    assert await told(kind, script, 0, "GET") == (200, [])
