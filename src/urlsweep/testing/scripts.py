"""What a `FaultServer` can do with a request, from an honest 200 to a broken connection. Each is one small function.

Contract: a function here gives a Script; it may be used for several paths and servers at once. Scripts that count,
count the requests of their path (`Visit.nth`); the one that keeps a state of its own says so. Bytes are written as they
are told, whatever HTTP says; only an answer to HEAD is kept free of a body, unless the script is about that.
Not in here: sockets (see `faults`).

    >>> story = in_turn(respond(503), respond(503, retry_after=1), redirect(302, "/new"))
    >>> page = by_method(HEAD=respond(405), GET=respond(200, body=b"hello"))
"""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Iterable
from dataclasses import replace
from http import HTTPStatus
from typing import Final, TypeAlias

from urlsweep.testing.faults import Script, Visit

Field: TypeAlias = tuple[str, str | bytes]
"""A header field; text is sent as UTF-8, which is what untidy servers do."""

# --- answers ----------------------------------------------------------------------------------------------------------


def respond(
    status: int,
    *fields: Field,
    body: bytes = b"",
    reason: str | None = None,
    retry_after: int | str | None = None,
    version: str = "1.1",
) -> Script:
    """A well-formed answer on a connection that is kept. `reason`: the reason phrase, the registered one by default."""
    if retry_after is not None:
        fields = (*fields, ("Retry-After", str(retry_after)))
    if status >= 200 and status not in (204, 304):  # RFC 9110 section 8.6: no length where there can be no content
        fields = (*fields, ("Content-Length", str(len(body))))
    head = head_of(status, fields, reason=reason, version=version)

    async def script(visit: Visit) -> None:
        await visit.connection.send(head if visit.request.method == "HEAD" else head + body)

    return script


def redirect(status: int, location: str | bytes, *fields: Field) -> Script:
    """A redirect to `location`, written as it is."""
    return respond(status, ("Location", location), *fields)


def challenge(vendor: str) -> Script:
    """A bot wall's answer, as `vendor` sends it: a key of `CHALLENGES`."""
    status, fields = CHALLENGES[vendor]
    return respond(status, *fields, body=b"<title>Just a moment...</title>")


CHALLENGES: Final[dict[str, tuple[int, tuple[Field, ...]]]] = {
    "cloudflare": (403, (("Server", "cloudflare"), ("CF-Mitigated", "challenge"))),
    "cloudflare 503": (503, (("Server", "cloudflare"), ("cf-mitigated", "challenge"))),
    "aws waf challenge": (202, (("Server", "awselb/2.0"), ("x-amzn-waf-action", "challenge"))),
    "aws waf captcha": (405, (("x-amzn-waf-action", "captcha"),)),
    "vercel": (429, (("Server", "Vercel"), ("x-vercel-mitigated", "challenge"))),
    "datadome": (403, (("Server", "DataDome"), ("x-datadome", "protected"))),
    "kasada": (429, (("x-kpsdk-ct", "0a1b2c"),)),
    "sucuri": (403, (("Server", "Sucuri/Cloudproxy"), ("X-Sucuri-Block", "GEO02"))),
    "akamai": (403, (("Server", "AkamaiGHost"),)),
    "linkedin": (999, ()),
}
"""Bot walls by vendor: status and fields as documented by each (see `urlsweep.core.walls` for the sources)."""


def set_cookie_then(cookie: str, then: Script) -> Script:
    """A cookie wall: sets ``name=value`` and redirects to itself until the cookie comes back; then plays `then`."""

    async def script(visit: Visit) -> None:
        if cookie in (visit.request.get("cookie") or ""):
            await then(visit)
        else:
            await redirect(302, visit.request.target, ("Set-Cookie", f"{cookie}; Path=/"))(visit)

    return script


# --- which one --------------------------------------------------------------------------------------------------------


def by_method(*, HEAD: Script, GET: Script) -> Script:  # noqa: N803 - methods are written like that
    """Plays `HEAD` for HEAD and `GET` for everything else; scripts in turn within count their own method only."""

    async def script(visit: Visit) -> None:
        chosen = HEAD if visit.request.method == "HEAD" else GET
        await chosen(replace(visit, nth=visit.nth_of_method))

    return script


def in_turn(*scripts: Script) -> Script:
    """Plays the nth script for the path's nth request, the last one for all later ones."""

    async def script(visit: Visit) -> None:
        await scripts[min(visit.nth, len(scripts)) - 1](visit)

    return script


def later(seconds: float, then: Script) -> Script:
    """Plays `then` after some seconds."""

    async def script(visit: Visit) -> None:
        await asyncio.sleep(seconds)
        await then(visit)

    return script


def rate_limited(per_second: float, then: Script, *, burst: int = 1, retry_after: int | None = None) -> Script:
    """Plays `then` at most `per_second` times a second (`burst` at once) and answers the rest with 429.

    Keeps its own state: all paths that share one such script share its bucket.
    """
    tokens, filled_at = float(burst), float("-inf")
    refuse = respond(429, retry_after=retry_after)

    async def script(visit: Visit) -> None:
        nonlocal tokens, filled_at
        now = asyncio.get_running_loop().time()
        tokens, filled_at = min(burst, tokens + (now - filled_at) * per_second), now
        if tokens < 1:
            await refuse(visit)
        else:
            tokens -= 1
            await then(visit)

    return script


# --- bytes ------------------------------------------------------------------------------------------------------------


def raw(*pieces: bytes, keep_open: bool = False) -> Script:
    """Sends exactly these bytes and closes the connection, or leaves it open for the next request."""

    async def script(visit: Visit) -> None:
        for piece in pieces:
            await visit.connection.send(piece)
        if not keep_open:
            await visit.connection.close()

    return script


def drip(data: bytes, *, every: float = 0.05, piece: int = 1) -> Script:
    """Sends `data` in pieces of so many bytes, `every` so many seconds, and closes the connection."""

    async def script(visit: Visit) -> None:
        for position in range(0, len(data), piece):
            await visit.connection.send(data[position : position + piece])
            await asyncio.sleep(every)
        await visit.connection.close()

    return script


def http10(status: int = 200, body: bytes = b"old but fine") -> Script:
    """HTTP/1.0 as it used to be: no length; the end of the connection is the end of the body."""
    head = head_of(status, (("Content-Type", "text/plain"),), version="1.0")

    async def script(visit: Visit) -> None:
        await visit.connection.send(head if visit.request.method == "HEAD" else head + body)
        await visit.connection.close()

    return script


def no_reason_phrase(status: int = 200) -> Script:
    """A status line that ends after the code, without the space that RFC 9112 section 4 asks for."""
    return raw(b"HTTP/1.1 %d\r\nContent-Length: 0\r\n\r\n" % status, keep_open=True)


def head_with_body(status: int = 200, body: bytes = b"nobody asked for this") -> Script:
    """Answers HEAD like GET, with a body: it must not be taken for the next answer."""
    return raw(head_of(status, (("Content-Length", str(len(body))),)) + body, keep_open=True)


# --- header sections --------------------------------------------------------------------------------------------------


def big_header(kilobytes: int) -> Script:
    """200 with one header field of so many KiB."""
    return respond(200, ("X-Big", "x" * (kilobytes * 1024)))


def many_headers(count: int) -> Script:
    """200 with so many small header fields."""
    return respond(200, *((f"X-{number}", "1") for number in range(count)))


def endless_headers() -> Script:
    """A header section that never ends, as fast as the client reads."""
    return _endless(b"HTTP/1.1 200 OK\r\n", b"".join(b"X-Storm-%d: %s\r\n" % (n, b"x" * 100) for n in range(100)))


def early_hints(count: int, then: Script) -> Script:
    """So many 103 Early Hints (RFC 8297), then the answer that `then` gives."""
    hint = head_of(103, (("Link", "</style.css>; rel=preload; as=style"),))

    async def script(visit: Visit) -> None:
        await visit.connection.send(hint * count)
        await then(visit)

    return script


def endless_hints() -> Script:
    """103 Early Hints without end, as fast as the client reads."""
    return _endless(b"", head_of(103, (("Link", "</style.css>; rel=preload; as=style"),)) * 50)


# --- bodies -----------------------------------------------------------------------------------------------------------


def endless_body() -> Script:
    """200 and, to GET, a body that never ends, as fast as the client reads."""
    head = head_of(200, (("Transfer-Encoding", "chunked"),))
    endless = _endless(head, b"10000\r\n" + b"x" * 0x10000 + b"\r\n")

    async def script(visit: Visit) -> None:
        if visit.request.method == "HEAD":
            await visit.connection.send(head)
        else:
            await endless(visit)

    return script


def gzip_bomb_body(megabytes: int = 100) -> Script:
    """200 with a small body that its Content-Encoding blows up to so many MiB of zeros."""
    # Members of one MiB each, one after the other, are one gzip body (RFC 1952 section 2.2), quick to make.
    bomb = gzip.compress(bytes(1024 * 1024)) * megabytes
    return respond(200, ("Content-Encoding", "gzip"), ("Content-Type", "text/plain"), body=bomb)


# --- connections ------------------------------------------------------------------------------------------------------


async def _close(visit: Visit) -> None:
    await visit.connection.close()


async def _cut(visit: Visit) -> None:
    visit.connection.cut()


async def _reset(visit: Visit) -> None:
    visit.connection.reset()


async def _hang(visit: Visit) -> None:
    await visit.connection.until_client_leaves()


def close() -> Script:
    """Closes the connection without an answer."""
    return _close


def cut(then: Script | None = None) -> Script:
    """Drops the connection, after `then` where given: over TLS without a close_notify."""
    return _cut if then is None else _after(then, _cut)


def reset(then: Script | None = None) -> Script:
    """Resets the connection (RST), after `then` where given."""
    return _reset if then is None else _after(then, _reset)


def hang() -> Script:
    """Takes the request and never answers."""
    return _hang


def hang_after_headers(*, length: int = 1000) -> Script:
    """A complete header section that promises a body, which never comes."""
    return _after(raw(head_of(200, (("Content-Length", str(length)),)), keep_open=True), _hang)


def hang_within_headers() -> Script:
    """A header section that stops in the middle of a field."""
    return _after(raw(b"HTTP/1.1 200 OK\r\nContent-Ty", keep_open=True), _hang)


def close_after_reply_without_saying(then: Script | None = None, *, at_once: bool = False) -> Script:
    """A stale keep-alive: plays `then` (200 by default) on a connection that it seems to keep, and closes it.

    It does so when the connection's second request has come, which is the client's hardest case: it cannot know
    whether that was seen. With `at_once` right after the first answer.
    """
    answer = then if then is not None else respond(200)

    async def script(visit: Visit) -> None:
        if visit.connection.requests > 1:
            await visit.connection.close()
            return
        await answer(visit)
        if at_once:
            await visit.connection.close()

    return script


# --- building blocks --------------------------------------------------------------------------------------------------


def head_of(status: int, fields: Iterable[Field] = (), *, reason: str | None = None, version: str = "1.1") -> bytes:
    """A header section with its empty line.

    >>> head_of(404, [("X", "1")])
    b'HTTP/1.1 404 Not Found\\r\\nX: 1\\r\\n\\r\\n'
    """
    if reason is None:
        try:
            reason = HTTPStatus(status).phrase
        except ValueError:
            reason = "Unregistered"
    lines = [f"HTTP/{version} {status:03d} {reason}".encode()]
    for name, value in fields:
        lines.append(name.encode() + b": " + (value if isinstance(value, bytes) else value.encode()))
    return b"\r\n".join(lines) + b"\r\n\r\n"


def _after(first: Script, second: Script) -> Script:
    async def script(visit: Visit) -> None:
        await first(visit)
        await second(visit)

    return script


def _endless(opening: bytes, piece: bytes) -> Script:
    async def script(visit: Visit) -> None:
        await visit.connection.send(opening)
        while True:
            await visit.connection.send(piece)

    return script
