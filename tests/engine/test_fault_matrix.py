"""The fault matrix: what a server may do to a client, and what urlsweep has to call it.

Every case is a server of its own on loopback, so that no case can tell the engine anything about another's host. They
are asked together, by the real engine over the real transport, once for the module; each case is then a test. A case is
a name, what the server plays (a script, or one by path), and the verdict: outcome, reason, status.
"""

from __future__ import annotations

import asyncio
import copy
import datetime as dt
import re
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, replace
from email.utils import format_datetime
from typing import Any, NamedTuple, Self

import pytest

from urlsweep.core.check import CONTEXT_FIELDS, NEEDED_FIELDS
from urlsweep.core.limits import Limits
from urlsweep.core.model import Outcome, Reason, Result, Target, http_reason
from urlsweep.core.policy import Method, Policy
from urlsweep.engine import Sweep
from urlsweep.testing import dns
from urlsweep.testing.certificates import Authority, Identity, self_signed, server_context
from urlsweep.testing.faults import FaultServer, Script, SeenRequest, Visit
from urlsweep.testing.scripts import (
    CHALLENGES,
    big_header,
    by_method,
    challenge,
    close,
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
    head_of,
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
from urlsweep.testing.scripts import (
    close_after_reply_without_saying as stale,
)
from urlsweep.transport.lean.transport import LeanTransport
from urlsweep.transport.options import TransportOptions
from urlsweep.transport.session import SessionTransport
from urlsweep.workers.processes import crew

# --- the words of the table -------------------------------------------------------------------------------------------


class Verdict(NamedTuple):
    outcome: Outcome
    reason: str | None = None
    status: int | None = None


def ok(status: int = 200) -> Verdict:
    return Verdict(Outcome.OK, None, status)


def broken(why: Reason | int, status: int | None = None) -> Verdict:
    if isinstance(why, Reason):
        return Verdict(Outcome.BROKEN, why, status)
    return Verdict(Outcome.BROKEN, http_reason(why), why)


def down(why: Reason | int) -> Verdict:
    if isinstance(why, Reason):
        return Verdict(Outcome.DOWN, why)
    return Verdict(Outcome.DOWN, http_reason(why), why)


def walled(status: int) -> Verdict:
    return Verdict(Outcome.UNVERIFIED, Reason.BOT_WALL, status)


REFUSED = down(Reason.CONNECT_REFUSED)
UNREACHABLE = down(Reason.CONNECT_UNREACHABLE)
DNS_TROUBLE = down(Reason.DNS_FAILURE)
DNS_SILENCE = down(Reason.DNS_TIMEOUT)
OTHER_NAME = broken(Reason.TLS_NAME_MISMATCH)
NO_TLS = down(Reason.TLS_HANDSHAKE)
TIMEOUT = down(Reason.RESPONSE_TIMEOUT)
RESET = down(Reason.RESPONSE_RESET)
NOT_HTTP = down(Reason.RESPONSE_INVALID)
TOO_LARGE = down(Reason.RESPONSE_TOO_LARGE)
NO_SUCH_NAME = broken(Reason.DNS_NOT_FOUND)
LOOP = broken(Reason.REDIRECT_LOOP, 302)
TOO_MANY = broken(Reason.REDIRECT_TOO_MANY, 302)
TO_NO_URL = broken(Reason.REDIRECT_INVALID, 302)
FORBIDDEN = broken(Reason.REDIRECT_FORBIDDEN, 302)
RATE_LIMITED = Verdict(Outcome.UNVERIFIED, Reason.RATE_LIMITED, 429)
LIMITED_503 = Verdict(Outcome.UNVERIFIED, Reason.RATE_LIMITED, 503)


class Refusing:
    """A port that is taken but not listened on: it refuses every connection."""

    def __init__(self) -> None:
        self.requests: list[SeenRequest] = []
        self.port = 0

    async def __aenter__(self) -> Self:
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._socket.close()

    def url(self, path: str = "/", *, host: str | None = None) -> str:
        return f"http://{host or '127.0.0.1'}:{self.port}{path}"


@dataclass(frozen=True)
class Case:
    name: str
    plays: Script | Mapping[str, Script] | FaultServer | Refusing
    verdict: Verdict
    path: str = "/"
    host: str | None = None  # the name to ask for; it leads to 127.0.0.1
    url: str | None = None  # the whole URL, in which {port} stands for the server's
    methods: str | None = None  # all requests that the server saw, in order; None: not looked at
    attempts: int | None = None
    hops: int | None = None
    final: str | None = None  # path, query and fragment of the last URL
    target: bytes | None = None  # of the last request, as it came over the wire
    detail: str = ""  # is found in the row's
    patience: float = 20.0  # seconds before a request is given up: little where it has to be

    def server(self) -> FaultServer | Refusing:
        """A new one: every transport meets a server that was never asked."""
        if isinstance(self.plays, Refusing):
            return Refusing()
        if not isinstance(self.plays, FaultServer):
            return FaultServer(self.plays)
        server = copy.copy(self.plays)
        server.requests, server._by_path, server._by_method = [], Counter(), Counter()
        server._accepted, server._news, server.port = set(), asyncio.Event(), 0
        return server

    def url_on(self, server: FaultServer | Refusing) -> str:
        if self.url is not None:
            return self.url.replace("{port}", str(server.port))
        return server.url(self.path, host=self.host)


IMPATIENT = 0.5

# --- scripts of these cases alone -------------------------------------------------------------------------------------

OK = respond(200, body=b"fine")


def sends_to(location: str, status: int = 302) -> dict[str, Script]:
    """A redirect to `location`, in which HOST stands for the server itself; what it may lead to is fine."""

    async def script(visit: Visit) -> None:
        await redirect(status, location.replace("HOST", visit.request.get("host") or ""))(visit)

    return {"/": script, "/a/old": script, "/new": OK, "/a/new": OK, "/new%20page": OK, "/n%C3%A9": OK, "/n%c3%a9": OK}


def chain(length: int) -> dict[str, Script]:
    """So many redirects, one after the other, and then a page."""
    hops = {f"/{number}": redirect(302, f"/{number + 1}") for number in range(1, length)}
    return {"/": redirect(302, "/1"), **hops, f"/{length}": OK}


def unless(target: bytes, otherwise: Script) -> Script:
    """A page to requests for exactly this target; `otherwise` to any other."""

    async def script(visit: Visit) -> None:
        await (OK if visit.request.target == target else otherwise)(visit)

    return script


def page_for(field: str, value: str) -> Script:
    """A page to requests with this field; 403 to any other."""

    async def script(visit: Visit) -> None:
        await (OK if visit.request.get(field) == value else respond(403))(visit)

    return script


async def another_cookie(visit: Visit) -> None:
    await redirect(302, "/", ("Set-Cookie", f"visit={visit.nth}"))(visit)


async def gives_a_cookie(visit: Visit) -> None:
    """Gives a cookie to who has none, and is cross with who comes back with it."""
    await (respond(403) if visit.request.get("cookie") else redirect(302, "/in", ("Set-Cookie", "a=b")))(visit)


LONG_HEAD = head_of(200, [("X-Long", "y" * 99)])


def body_of(data: bytes, *fields: tuple[str, str], then: Script | None = None) -> Script:
    """A 200 with these fields and this body, to GET alone; then `then`, or the end of the connection."""
    head = head_of(200, fields)
    after = then if then is not None else close()

    async def script(visit: Visit) -> None:
        await raw(head + data, keep_open=True)(visit)
        await after(visit)

    return by_method(HEAD=respond(405), GET=script)


def said(line: bytes) -> Script:
    """An answer that is well-formed but for its first line."""
    return raw(line + b"\r\nContent-Length: 0\r\n\r\n")


def with_lines(*lines: bytes) -> Script:
    """A 200 with these lines for a header."""
    return raw(b"".join(line + b"\r\n" for line in (b"HTTP/1.1 200 OK", *lines, b"")))


STALE = {"/": stale(redirect(302, "/b")), "/b": stale(OK)}
WITH_LOGIN = page_for("authorization", "Basic bWU6cGFzcw==")  # me:pass


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


def http_date(**offset: float) -> str:
    return format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(**offset), usegmt=True)


# --- answers ----------------------------------------------------------------------------------------------------------

ANSWERS = [
    Case("200", OK, ok(), methods="HEAD"),
    Case("204", respond(204), ok(204)),
    Case("205", respond(205), ok(205)),
    Case("206 though no range was asked for", respond(206), ok(206)),
    Case("299, which nobody registered", respond(299), ok(299)),
    Case("100 and nothing more", raw(head_of(100), keep_open=True), TIMEOUT, patience=IMPATIENT),
    Case("101 though no upgrade was asked for", respond(101), broken(101)),
    Case("102 and then 204", raw(head_of(102) + head_of(204)), ok(204)),
    Case("300 with a Location", respond(300, ("Location", "/new")), broken(300), methods="HEAD GET"),
    Case("304 though nothing was conditional", respond(304), broken(304)),
    Case("305, deprecated, with a Location", respond(305, ("Location", "http://127.0.0.1:9/")), broken(305)),
    Case("306, unused", respond(306), broken(306)),
    Case("400", respond(400), broken(400), methods="HEAD GET"),
    Case("401", respond(401, ("WWW-Authenticate", "Basic")), broken(401)),
    Case("403", respond(403), broken(403)),
    Case("404", respond(404), broken(404), methods="HEAD GET", detail="Not Found"),
    Case("407 from a server that is no proxy", respond(407, ("Proxy-Authenticate", "Basic")), broken(407)),
    Case("410", respond(410), broken(410)),
    Case("418", respond(418), broken(418)),
    Case("421", respond(421), broken(421)),
    Case("426", respond(426, ("Upgrade", "h2c")), broken(426)),
    Case("451", respond(451), broken(451)),
    Case("499, which nobody registered", respond(499), broken(499)),
    Case("500 to the end", respond(500), down(500), methods="HEAD GET GET GET", detail="on the last of 3 tries"),
    Case("501 to everything", respond(501), down(501)),
    Case("599, which nobody registered", respond(599), down(599)),
    Case("600, to be taken for a 5xx", respond(600), down(600), methods="HEAD GET GET GET"),
    Case("777", respond(777), down(777)),
    Case("999, a wall against robots", respond(999), walled(999), methods="HEAD GET"),
    Case("000", said(b"HTTP/1.1 000 None"), NOT_HTTP),
    Case("099", said(b"HTTP/1.1 099 Low"), NOT_HTTP),
    Case("2000", said(b"HTTP/1.1 2000 Plenty"), NOT_HTTP),
]

# --- HEAD is a hint, GET is the truth ---------------------------------------------------------------------------------

HEAD_FALLBACKS = [
    *(
        Case(f"HEAD {status}, GET 200", by_method(HEAD=respond(status), GET=OK), ok(), methods="HEAD GET")
        for status in (300, 400, 401, 403, 404, 405, 406, 408, 410, 500, 501, 502, 503, 600, 999)
    ),
    Case("HEAD 200, GET 404: nobody asks further", by_method(HEAD=OK, GET=respond(404)), ok(), methods="HEAD"),
    Case("HEAD 405, GET 404", by_method(HEAD=respond(405), GET=respond(404)), broken(404), methods="HEAD GET"),
    Case("HEAD 404, GET 410", by_method(HEAD=respond(404), GET=respond(410)), broken(410), methods="HEAD GET"),
    Case("HEAD 500, GET 404", by_method(HEAD=respond(500), GET=respond(404)), broken(404), methods="HEAD GET"),
    Case("HEAD 405, GET 500 to the end", by_method(HEAD=respond(405), GET=respond(500)), down(500)),
    Case("HEAD hangs", by_method(HEAD=hang(), GET=OK), ok(), methods="HEAD GET", patience=IMPATIENT),
    Case("HEAD is hung up on", by_method(HEAD=close(), GET=OK), ok(), methods="HEAD GET"),
    Case("HEAD is reset", by_method(HEAD=reset(), GET=OK), ok(), methods="HEAD GET"),
    Case("HEAD gets nonsense", by_method(HEAD=raw(b"what?\r\n\r\n"), GET=OK), ok(), methods="HEAD GET"),
    Case("HEAD gets a storm of fields", by_method(HEAD=endless_headers(), GET=OK), ok(), methods="HEAD GET"),
    Case("HEAD is sent to a 404", {"/": by_method(HEAD=redirect(302, "/no"), GET=OK)}, ok(), methods="HEAD HEAD GET"),
    Case("HEAD is sent in circles", by_method(HEAD=redirect(302, "/"), GET=OK), ok(), methods="HEAD GET"),
    Case("HEAD is sent to a mail address", by_method(HEAD=redirect(302, "mailto:a@b.c"), GET=OK), ok()),
    Case("HEAD is sent to a name that is gone", by_method(HEAD=redirect(302, "http://gone.invalid/"), GET=OK), ok()),
    Case("HEAD meets a wall", by_method(HEAD=challenge("cloudflare"), GET=OK), ok(), methods="HEAD GET"),
    Case("HEAD 429", by_method(HEAD=respond(429), GET=OK), ok(), methods="HEAD GET"),
    Case("HEAD 503 with Retry-After", by_method(HEAD=respond(503, retry_after=1), GET=OK), ok(), methods="HEAD GET"),
]

# --- what may pass is asked again -------------------------------------------------------------------------------------

RETRIES = [
    *(
        Case(f"{status} at first", in_turn(respond(status), respond(status), OK), ok(), methods="HEAD GET GET")
        for status in (408, 425, 500, 502, 503, 504, 520, 600)
    ),
    Case("500 until the last try", in_turn(*[respond(500)] * 3, OK), ok(), methods="HEAD GET GET GET"),
    Case("500 for longer than that", in_turn(*[respond(500)] * 4, OK), down(500), methods="HEAD GET GET GET"),
    Case("500, then 404", in_turn(respond(500), respond(500), respond(404)), broken(404), methods="HEAD GET GET"),
    Case("404, which is not asked again", in_turn(respond(404), respond(404), OK), broken(404), methods="HEAD GET"),
    Case("408 to the end", respond(408), broken(408), methods="HEAD GET GET GET"),
    Case("425 to the end", respond(425), broken(425), methods="HEAD GET GET GET"),
    Case("resets at first", in_turn(reset(), reset(), OK), ok(), methods="HEAD GET GET"),
    Case("hangs up at first", in_turn(close(), close(), OK), ok(), methods="HEAD GET GET"),
    Case("hangs at first", in_turn(hang(), hang(), OK), ok(), methods="HEAD GET GET", patience=IMPATIENT),
    Case("nonsense at first", in_turn(raw(b"!\r\n\r\n"), raw(b"!\r\n\r\n"), OK), ok(), methods="HEAD GET GET"),
    Case("another trouble each time", in_turn(reset(), respond(500), close(), OK), ok(), methods="HEAD GET GET GET"),
    Case("500 behind a redirect, at first", {**chain(1), "/1": in_turn(respond(500), respond(500), OK)}, ok(), hops=1),
    Case("resets to the end", reset(), RESET, methods="HEAD GET GET GET"),
    Case("hangs up to the end", close(), RESET, methods="HEAD GET GET GET"),
    Case("hangs to the end", hang(), TIMEOUT, methods="HEAD GET GET GET", patience=IMPATIENT),
    Case("slow, but in time", later(0.3, OK), ok(), methods="HEAD"),
]

PUSH_BACK = [
    Case("429 to the end", respond(429), RATE_LIMITED),
    Case("429 with Retry-After to the end", respond(429, retry_after=1), RATE_LIMITED),
    Case("503 with Retry-After to the end", respond(503, retry_after=1), LIMITED_503),
    Case("429 behind a redirect to the end", {**chain(1), "/1": respond(429)}, RATE_LIMITED),
    Case("429 at first", in_turn(respond(429), OK), ok(), methods="HEAD GET"),
    Case("429 behind a redirect, at first", {**chain(1), "/1": in_turn(respond(429), OK)}, ok(), hops=1),
    Case("429, then 404", in_turn(respond(429), respond(404)), broken(404), methods="HEAD GET"),
    Case("429, then 500, then 200", in_turn(respond(429), respond(500), OK), ok(), methods="HEAD GET GET"),
    Case("404 with Retry-After, which is a 404", respond(404, retry_after=1), broken(404), methods="HEAD GET"),
    Case("a limit that is kept to", rate_limited(1000, OK), ok(), methods="HEAD"),
    *(
        Case(f"{status}, Retry-After {name}", in_turn(respond(status, retry_after=value), OK), ok(), methods="HEAD GET")
        for name, value in {
            "in seconds": "1",
            "of 0": "0",
            "as a date": http_date(seconds=1),
            "as a date that has passed": http_date(days=-30),
            "as a date far away": "Fri, 31 Dec 9999 23:59:59 GMT",
            "as a date of the old kind": "Sunday, 06-Nov-94 08:49:37 GMT",
            "beyond all numbers": "9" * 400,
        }.items()
        for status in (429, 503)
    ),
    *(
        # 429 means what it says whatever the field is worth; 503 alone is a server error, which GET has to confirm
        Case(f"{status}, Retry-After {name}", in_turn(*answers, OK), ok(), methods=methods)
        for name, value in {
            "garbage": "soon, dear",
            "negative": "-5",
            "a fraction": "0.5",  # seconds: twice that has to be well within the patience
            "no date that exists": "Mon, 99 Feb 2026 99:99:99 GMT",
            "empty": "",
            "not ASCII": "\uff11\uff12",
        }.items()
        for status, answers, methods in (
            (429, [respond(429, retry_after=value)], "HEAD GET"),
            (503, [respond(503, retry_after=value)] * 2, "HEAD GET GET"),
        )
    ),
]

# --- redirects --------------------------------------------------------------------------------------------------------

REDIRECTS = [
    *(Case(f"{code}", sends_to("/new", code), ok(), hops=1, final="/new") for code in (301, 302, 303, 307, 308)),
    *(Case(f"{code} without a Location", respond(code), broken(code)) for code in (301, 302, 303, 307, 308)),
    Case("an empty Location", redirect(302, ""), broken(302), detail="without a Location"),
    Case("a Location of blanks", redirect(302, b" \t "), broken(302), detail="without a Location"),
    Case("relative to the directory", sends_to("new"), ok(), path="/a/old", final="/a/new"),
    Case("relative, upwards", sends_to("../new"), ok(), path="/a/old", final="/new"),
    Case("relative, above the root", sends_to("../../../new"), ok(), final="/new"),
    Case("a query alone", unless(b"/?q=1", redirect(302, "?q=1")), ok(), target=b"/?q=1", hops=1),
    Case("absolute", sends_to("http://HOST/new"), ok(), final="/new"),
    Case("absolute, shouted", sends_to("HTTP://HOST/new"), ok(), final="/new"),
    Case("without a scheme", sends_to("//HOST/new"), ok(), final="/new"),
    Case("with backslashes", sends_to("\\new"), ok(), final="/new"),
    Case("with a space in it", sends_to("/new page"), ok(), target=b"/new%20page"),
    Case("with blanks around it", sends_to(" \t /new  "), ok(), target=b"/new"),
    Case("in UTF-8", sends_to("/né"), ok(), target=b"/n%C3%A9"),
    Case("in Latin-1", {**sends_to(""), "/": redirect(302, b"/n\xe9")}, ok(), target=b"/n%C3%A9"),
    Case("percent-encoded, left alone", sends_to("/n%c3%a9?x=%7C|"), ok(), target=b"/n%c3%a9?x=%7C|"),
    Case("with a fragment", sends_to("/new#part"), ok(), final="/new#part", target=b"/new"),
    Case("the fragment is inherited", sends_to("/new"), ok(), path="/#mine", final="/new#mine", target=b"/new"),
    Case("a fragment over the inherited one", sends_to("/new#its"), ok(), path="/#mine", final="/new#its"),
    Case("back to a page by another fragment", redirect(302, "/#top"), LOOP),
    Case("with a login", {**sends_to("http://me:pass@HOST/in"), "/in": WITH_LOGIN}, ok(), final="/in"),
    Case("to a 404", sends_to("/nowhere"), broken(404), hops=1),
    Case("to a crash", {**sends_to("/crash"), "/crash": respond(500)}, down(500), hops=1),
    Case("to a name that is gone", sends_to("http://gone.invalid/"), NO_SUCH_NAME, hops=1),
    Case("to where no route leads", sends_to("http://255.255.255.255/"), UNREACHABLE, hops=1),
    Case("to itself", redirect(302, "/"), LOOP, methods="HEAD GET"),
    Case("to each other", {"/": redirect(301, "/b"), "/b": redirect(301, "/")}, broken(Reason.REDIRECT_LOOP, 301)),
    Case("a cookie wall that opens", set_cookie_then("seen=1", OK), ok(), methods="HEAD HEAD", hops=1),
    Case("a cookie wall behind a page", {"/": redirect(302, "/b"), "/b": set_cookie_then("seen=1", OK)}, ok(), hops=2),
    Case("a cookie wall that stays shut", redirect(302, "/", ("Set-Cookie", "a=b")), LOOP),
    Case("another cookie each time", another_cookie, TOO_MANY),
    Case("cookies end with their chain", {"/": gives_a_cookie, "/in": in_turn(*[respond(500)] * 2, OK)}, ok(), hops=1),
    Case("ten redirects", chain(10), ok(), hops=10),
    Case("eleven redirects", chain(11), TOO_MANY),
    *(
        Case(f"to {location.partition(':')[0]}:", redirect(302, location), TO_NO_URL)
        for location in ("mailto:a@b.c", "ftp://b.invalid/", "javascript:void(0)", "data:,x", "about:blank", "htp://b/")
    ),
    *(
        Case(f"to {location!r}", redirect(302, location), TO_NO_URL)
        for location in ("http://", "http://exa mple/", "http://[::1", "http://b:99999/", "//", "https://")
    ),
]

# --- bot walls --------------------------------------------------------------------------------------------------------

WALLS = [
    *(
        Case(f"{vendor}", challenge(vendor), walled(status), methods="HEAD GET")
        for vendor, (status, _) in CHALLENGES.items()
    ),
    Case("behind a redirect", {**chain(1), "/1": challenge("sucuri")}, walled(403), hops=1, detail="x-sucuri-block"),
    Case("a 403 of Cloudflare's that is no challenge", respond(403, ("Server", "cloudflare")), broken(403)),
    Case("cf-mitigated with another word", respond(403, ("cf-mitigated", "no")), broken(403)),
    Case("a page that DataDome let through", respond(200, ("x-datadome", "protected")), ok()),
    Case("a 403 of an origin behind Akamai", respond(403, ("Server", "nginx"), ("Via", "AkamaiGHost")), broken(403)),
]

# --- header sections --------------------------------------------------------------------------------------------------

HEADERS = [
    Case("a field of 60 KiB", big_header(60), ok(), methods="HEAD"),
    Case("a field of 120 KiB", big_header(120), ok(), methods="HEAD"),
    Case("10,000 small fields", many_headers(10_000), ok(), methods="HEAD"),
    Case("a field of 140 KiB", big_header(140), TOO_LARGE),
    Case("a section of 300 KiB", respond(200, *[("X-Much", "y" * 1000)] * 300), TOO_LARGE),
    Case("20,000 small fields", many_headers(20_000), TOO_LARGE),
    Case("fields without end", endless_headers(), TOO_LARGE),
    Case("a status line without end", raw(b"HTTP/1.1 200 " + b"O" * 400_000), TOO_LARGE),
    Case("early hints without end", endless_hints(), TOO_LARGE),
    Case("one early hint", early_hints(1, OK), ok(), methods="HEAD"),
    Case("1,000 early hints", early_hints(1000, OK), ok(), methods="HEAD"),
    Case("early hints, then 404", early_hints(3, respond(404)), broken(404)),
    Case("no reason phrase, and no space for it", no_reason_phrase(), ok(), methods="HEAD"),
    Case("no reason phrase, 404", no_reason_phrase(404), broken(404)),
    Case("an empty reason phrase", respond(200, reason=""), ok()),
    Case("a phrase in another alphabet", respond(404, reason="\u041d\u0435\u0442"), broken(404), detail="Not Found"),
    Case("a phrase that paints the terminal", respond(404, reason="\x1b[31mgone"), broken(404), detail="Not Found"),
    Case("HTTP/1.0", http10(), ok(), methods="HEAD"),
    Case("HTTP/1.0, 404", http10(404), broken(404)),
    Case("HTTP/1.0 that keeps the connection", respond(200, ("Connection", "keep-alive"), version="1.0"), ok()),
    Case("HTTP/1.2, which does not exist", respond(200, version="1.2"), ok()),
    Case("HTTP/2.0 in words", said(b"HTTP/2.0 200 OK"), ok()),
    Case("HTTP/2 in words", said(b"HTTP/2 404"), broken(404)),
    Case("ICY, as radio stations say", said(b"ICY 200 OK"), ok()),
    Case("http in small letters", said(b"http/1.1 200 OK"), ok()),
    Case("an empty line first", raw(b"\r\n" + head_of(200, [("Content-Length", "0")])), ok()),
    Case("lines that end in LF alone", raw(b"HTTP/1.1 200 OK\nContent-Length: 0\n\n"), ok()),
    Case("two spaces in the status line", said(b"HTTP/1.1  200  OK"), ok()),
    Case("a line that is no field", with_lines(b"what is this", b"Content-Length: 0"), ok()),
    Case("a blank before the colon", with_lines(b"Content-Length : 0"), ok()),
    Case("a folded field", with_lines(b"X-Long: one", b"  two", b"Content-Length: 0"), ok()),
    Case("a field without a name", with_lines(b": nothing", b"Content-Length: 0"), ok()),
    Case("NUL in a field", with_lines(b"X-Nul: a\0b", b"Content-Length: 0"), ok()),
    Case("bytes that are no text in a field", with_lines(b"X-Bytes: \xff\xfe\x01", b"Content-Length: 0"), ok()),
    Case("no field at all", with_lines(), ok()),
    Case("not a status", said(b"HTTP/1.1 OK"), NOT_HTTP),
    Case("a status in words", said(b"HTTP/1.1 two hundred"), NOT_HTTP),
    Case("HTTP/0.9: a page and nothing else", raw(b"<html>hello</html>"), NOT_HTTP, detail="<html>"),
    Case("an SSH server", FaultServer(on_connect=raw(b"SSH-2.0-OpenSSH_9.2\r\n")), NOT_HTTP, detail="SSH-2.0"),
    Case("a mail server", FaultServer(on_connect=raw(b"220 mx.example ESMTP\r\n")), NOT_HTTP),
    Case("random bytes", raw(bytes(range(256)) * 4), NOT_HTTP),
    Case("nothing but line ends", raw(b"\r\n" * 20), RESET),
    Case("a header that drips, in time", drip(head_of(200, [("Content-Length", "0")]), every=0.001, piece=3), ok()),
    Case("a header that drips on", drip(LONG_HEAD, every=0.05), TIMEOUT, patience=IMPATIENT, detail="did not finish"),
    Case("a header that stops", hang_within_headers(), TIMEOUT, patience=IMPATIENT, detail="did not finish"),
    Case("a header that is broken off", raw(b"HTTP/1.1 200 OK\r\nConte"), RESET, detail="in the middle"),
    Case("a header that is reset", reset(raw(b"HTTP/1.1 200 OK\r\nConte", keep_open=True)), RESET),
]

# --- bodies, which nobody wants ---------------------------------------------------------------------------------------

BODIES = [
    Case("no length: the body ends with the connection", body_of(b"hello"), ok(), methods="HEAD GET"),
    Case("longer than it says", body_of(b"hello", ("Content-Length", "2")), ok()),
    Case("shorter than it says", body_of(b"hello", ("Content-Length", "50")), ok()),
    Case("shorter than it says, and it hangs", body_of(b"hello", ("Content-Length", "50"), then=hang()), ok()),
    Case("shorter than it says, and it is reset", body_of(b"hello", ("Content-Length", "50"), then=reset()), ok()),
    Case("a length that is no number", body_of(b"hello", ("Content-Length", "many")), ok()),
    Case("a negative length", body_of(b"hello", ("Content-Length", "-5")), ok()),
    Case("a length beyond all bounds", body_of(b"hello", ("Content-Length", "9" * 18)), ok()),
    Case("the same length twice", body_of(b"hello", ("Content-Length", "5"), ("Content-Length", "5")), ok()),
    Case("two lengths", body_of(b"hello", ("Content-Length", "5"), ("Content-Length", "6")), NOT_HTTP),
    Case("a length and chunks", body_of(b"0\r\n\r\n", ("Content-Length", "5"), ("Transfer-Encoding", "chunked")), ok()),
    Case("chunks that are none", body_of(b"not a size\r\n", ("Transfer-Encoding", "chunked")), ok()),
    Case("chunks that break off", body_of(b"5\r\nhe", ("Transfer-Encoding", "chunked")), ok()),
    Case("a coding nobody knows", body_of(b"hello", ("Transfer-Encoding", "zip")), ok()),
    Case("not the gzip it says", body_of(b"hello", ("Content-Encoding", "gzip"), ("Content-Length", "5")), ok()),
    Case("without end", by_method(HEAD=respond(405), GET=endless_body()), ok()),
    Case("a gzip bomb", by_method(HEAD=respond(405), GET=gzip_bomb_body(50)), ok()),
    Case("promised and never sent", by_method(HEAD=respond(405), GET=hang_after_headers()), ok()),
    Case("HEAD answered with a body", head_with_body(), ok(), methods="HEAD"),
    Case(
        "HEAD redirected with a body", {"/": raw(head_of(302, [("Location", "/b")]) + b"HTTP/"), "/b": OK}, ok(), hops=1
    ),
    Case("204 with a body", raw(head_of(204) + b"hello", keep_open=True), ok(204)),
    Case("304 with a body", raw(head_of(304) + b"hello", keep_open=True), broken(304)),
]

# --- connections ------------------------------------------------------------------------------------------------------

CONNECTIONS = [
    Case("refused", Refusing(), REFUSED, detail="refused"),
    # The kernel refuses to connect to a broadcast address: nothing is sent.
    Case("no route leads there", OK, UNREACHABLE, url="http://255.255.255.255:{port}/"),
    Case("closed as soon as it stands", FaultServer(on_connect=close()), RESET),
    Case("reset as soon as it stands", FaultServer(on_connect=reset()), RESET),
    # With a patience of its own, and so asked alone: among hundreds of others its connection may not be kept.
    Case("a kept connection that ends under a request", STALE, ok(), methods="HEAD HEAD HEAD", attempts=2, patience=4),
    Case(
        "a kept connection that ends at once", {"/": stale(redirect(302, "/b"), at_once=True), "/b": OK}, ok(), hops=1
    ),
    Case("a connection for each answer", respond(200, ("Connection", "close")), ok()),
    Case("cut after the answer", cut(OK), ok(), methods="HEAD"),
    Case("reset after a redirect", {"/": reset(redirect(302, "/b")), "/b": OK}, ok(), hops=1),
    Case("IPv4 as one number", OK, ok(), url="http://2130706433:{port}/"),
    Case("IPv4 in hexadecimal", OK, ok(), url="http://0x7f.1:{port}/"),
    Case("127.0.0.1 in full-width digits", OK, ok(), url="http://\uff11\uff12\uff17.0.0.1:{port}/"),
    *([Case("IPv6", FaultServer(OK, host="::1"), ok())] if has_ipv6() else []),
    Case("localhost", OK, ok(), url="http://localhost:{port}/"),
    Case("as browsers send it", OK, ok(), path="/a b/%7e/é?q=[|]&u=%2F#no", target=b"/a%20b/%7e/%C3%A9?q=[|]&u=%2F"),
    Case("dots are resolved", OK, ok(), path="/a/./b/../c/%2e%2e/d", target=b"/a/d"),
    Case("an empty query is kept", OK, ok(), path="/?", target=b"/?"),
    Case("a login in the URL", WITH_LOGIN, ok(), url="http://me:pass@127.0.0.1:{port}/"),
]

# --- TLS --------------------------------------------------------------------------------------------------------------

AUTHORITY = Authority()
NAME = "good.example"
DEEP = "deep.good.example"
DEEPER = "deeper.deep.good.example"
STRANGE = Authority("somebody else").issue(NAME)
TLS_1_2 = ssl.TLSVersion.TLSv1_2


def over_tls(
    plays: Script | Mapping[str, Script] | str = OK,
    *,
    valid_days: tuple[float, float] = (-1, 30),
    identity: Identity | None = None,
    **context: Any,
) -> FaultServer:
    """A server over TLS whose certificate is good in all ways but those named; a text is the name it is for."""
    name, script = (plays, OK) if isinstance(plays, str) else (NAME, plays)
    shown = identity if identity is not None else AUTHORITY.issue(name, valid_days=valid_days)
    return FaultServer(script, tls=server_context(shown, **context))


def not_tls(script: Script) -> FaultServer:
    return FaultServer(on_connect=script)


HTTPS = "https://good.example:{port}/"

TLS = [
    Case("good", over_tls(), ok(), host=NAME, methods="HEAD"),
    Case("good, for an address", over_tls("127.0.0.1"), ok()),
    Case("good, for all names of a domain", over_tls("*.good.example"), ok(), host=DEEP),
    Case("good, 404", over_tls(respond(404)), broken(404), host=NAME),
    Case("good, crash", over_tls(respond(500)), down(500), host=NAME),
    Case("good, TLS 1.2 at most", over_tls(newest=TLS_1_2), ok(), host=NAME),
    Case("good, sent on within https", over_tls(sends_to("https://HOST/new")), ok(), host=NAME, hops=1),
    Case("expired", over_tls(valid_days=(-30, -2)), broken(Reason.TLS_EXPIRED), host=NAME, detail="expired"),
    Case("not valid yet", over_tls(valid_days=(2, 30)), broken(Reason.TLS_NOT_YET_VALID), host=NAME),
    Case("for another name", over_tls("other.example"), OTHER_NAME, host=NAME, detail="other.example", attempts=1),
    Case("for a name, asked by address", over_tls(), OTHER_NAME),
    Case("for a domain's names, but a deeper one", over_tls("*.good.example"), OTHER_NAME, host=DEEPER),
    Case(
        "signed by itself", over_tls(identity=self_signed(NAME)), broken(Reason.TLS_SELF_SIGNED), host=NAME, attempts=1
    ),
    Case(
        "of an authority nobody knows", over_tls(identity=STRANGE), broken(Reason.TLS_UNTRUSTED), host=NAME, attempts=1
    ),
    Case("a client certificate is wanted, silently", over_tls(client_authority=AUTHORITY), RESET, host=NAME),
    Case("a client certificate is wanted", over_tls(client_authority=AUTHORITY, newest=TLS_1_2), NO_TLS, host=NAME),
    Case("TLS 1.1 at most", over_tls(newest=ssl.TLSVersion.TLSv1_1), NO_TLS, host=NAME),
    Case("plain HTTP on the port", not_tls(raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")), NO_TLS, url=HTTPS),
    Case("nonsense for a handshake", not_tls(raw(bytes(range(256)))), NO_TLS, url=HTTPS),
    Case("closed during the handshake", not_tls(close()), NO_TLS, url=HTTPS),
    Case("reset during the handshake", not_tls(reset()), NO_TLS, url=HTTPS),
    Case("a handshake that hangs", not_tls(hang()), down(Reason.CONNECT_TIMEOUT), url=HTTPS, patience=IMPATIENT),
    Case("refused", Refusing(), REFUSED, url=HTTPS),
    Case("closed without an answer", over_tls(close()), RESET, host=NAME),
    Case("cut without an answer", over_tls(cut()), RESET, host=NAME),
    Case("cut after the answer, without close_notify", over_tls(cut(OK)), ok(), host=NAME, methods="HEAD"),
    Case("a body without length, cut without close_notify", over_tls(body_of(b"hello", then=cut())), ok(), host=NAME),
    Case("cut within the header", over_tls(cut(raw(b"HTTP/1.1 200 OK\r\nConte", keep_open=True))), RESET, host=NAME),
    Case("hangs", over_tls(hang()), TIMEOUT, host=NAME, patience=IMPATIENT),
    Case("a kept connection that ends under a request", over_tls(STALE), ok(), host=NAME, attempts=2),
    Case("a wall", over_tls(challenge("cloudflare")), walled(403), host=NAME),
    Case("nonsense for an answer", over_tls(raw(b"what?\r\n\r\n")), NOT_HTTP, host=NAME),
]

# --- names ------------------------------------------------------------------------------------------------------------

HERE = dns.addresses("127.0.0.1")

ZONE = {
    "name.example": HERE,
    "xn--bcher-kva.example": HERE,
    "moved.example": HERE,
    "alias.example": dns.alias("real.example", "127.0.0.1"),
    "big.example": dns.truncated("127.0.0.1"),
    "slow.example": dns.later(0.1, HERE),
    "two.example": dns.addresses("127.0.0.2", "127.0.0.1"),
    "empty.example": dns.addresses(),
    "fails.example": dns.code(dns.SERVFAIL),
    "fails-too.example": dns.code(dns.SERVFAIL),
    "refuses.example": dns.code(dns.REFUSED),
    "cannot.example": dns.code(dns.NOTIMP),
    "silent.example": dns.silence(),
    "late.example": dns.later(9, HERE),
}

NAMES = [
    Case("a name", OK, ok(), host="name.example"),
    Case("a name in capitals", OK, ok(), url="http://NAME.Example:{port}/"),
    Case("a name in another alphabet", OK, ok(), url="http://bücher.example:{port}/"),
    Case("an alias", OK, ok(), host="alias.example"),
    Case("an answer that needs TCP", OK, ok(), host="big.example"),
    Case("a slow answer", OK, ok(), host="slow.example"),
    Case("two addresses, one refuses", OK, ok(), host="two.example"),
    Case("no such name", OK, NO_SUCH_NAME, host="no.example", methods="", detail="NXDOMAIN"),
    Case("no address", OK, NO_SUCH_NAME, host="empty.example", methods="", detail="NODATA"),
    Case("the server fails", OK, DNS_TROUBLE, host="fails.example", methods="", detail="SERVFAIL"),
    Case("the server refuses", OK, DNS_TROUBLE, host="refuses.example", methods=""),
    Case("the server cannot", OK, DNS_TROUBLE, host="cannot.example", methods=""),
    Case("no answer", OK, DNS_SILENCE, host="silent.example", methods="", patience=IMPATIENT),
    Case("an answer too late", OK, DNS_SILENCE, host="late.example", methods="", patience=IMPATIENT),
    Case("sent to a name that fails", sends_to("http://fails-too.example/"), DNS_TROUBLE, host="moved.example"),
    Case("no name at all", OK, NO_SUCH_NAME, url=f"http://{'x' * 64}.example:{{port}}/", methods=""),
]

# --- through a proxy --------------------------------------------------------------------------------------------------

FAR = "http://far.example/"
FAR_TLS = "https://far.example/"

PROXIED = [
    Case("an answer", OK, ok(), url=FAR + "a?b", target=b"http://far.example/a?b"),
    Case("a 404", respond(404), broken(404), url=FAR),
    Case("to a private host", redirect(302, "http://127.0.0.1:9/"), FORBIDDEN, url=FAR),
    Case("to a cloud's secrets", redirect(302, "http://169.254.169.254/"), FORBIDDEN, url=FAR),
    Case("wants credentials", respond(407), REFUSED, url=FAR, detail="proxy"),
    Case("hangs up", close(), RESET, url=FAR),
    Case("refuses", Refusing(), REFUSED, url=FAR, detail="proxy"),
    Case("opens no tunnel", respond(403), REFUSED, url=FAR_TLS),
    Case("cannot reach the server", respond(502), UNREACHABLE, url=FAR_TLS),
    Case("gets no answer from the server", respond(504), down(Reason.CONNECT_TIMEOUT), url=FAR_TLS),
    Case("hangs up instead of a tunnel", close(), down(Reason.CONNECT_RESET), url=FAR_TLS),
]

# --- what is not asked ------------------------------------------------------------------------------------------------


def skipped(reason: Reason) -> Verdict:
    return Verdict(Outcome.SKIPPED, reason)


def invalid(reason: Reason) -> Verdict:
    return Verdict(Outcome.INVALID, reason)


NOT_ASKED = {
    "": invalid(Reason.URL_MALFORMED),
    "http://": invalid(Reason.URL_MALFORMED),
    "http://exa mple/": invalid(Reason.URL_MALFORMED),
    "http://a.example:99999/": invalid(Reason.URL_MALFORMED),
    "http://[::1": invalid(Reason.URL_MALFORMED),
    "http://256.256.256.256/": invalid(Reason.URL_MALFORMED),
    "www.example.com": invalid(Reason.URL_MALFORMED),
    "/relative": invalid(Reason.URL_MALFORMED),
    "htp://a.example/": invalid(Reason.URL_UNKNOWN_SCHEME),
    "hhtps://a.example/": invalid(Reason.URL_UNKNOWN_SCHEME),
    "mailto:a@b.example": skipped(Reason.SKIP_UNSUPPORTED_SCHEME),
    "tel:+491234": skipped(Reason.SKIP_UNSUPPORTED_SCHEME),
    "ftp://a.example/": skipped(Reason.SKIP_UNSUPPORTED_SCHEME),
    "data:,hello": skipped(Reason.SKIP_UNSUPPORTED_SCHEME),
    "javascript:void(0)": skipped(Reason.SKIP_UNSUPPORTED_SCHEME),
    "http://a.example/logout": skipped(Reason.SKIP_EXCLUDED),
    "http://127.0.0.1/": skipped(Reason.SKIP_PRIVATE_ADDRESS),
    "http://10.1.2.3/": skipped(Reason.SKIP_PRIVATE_ADDRESS),
    "http://[::1]/": skipped(Reason.SKIP_PRIVATE_ADDRESS),
    "http://localhost/": skipped(Reason.SKIP_PRIVATE_ADDRESS),
}

# --- the run ----------------------------------------------------------------------------------------------------------


def named(**tables: list[Case]) -> dict[str, Case]:
    return {f"{table}: {case.name}": case for table, cases in tables.items() for case in cases}


DIRECT = named(
    answer=ANSWERS,
    head=HEAD_FALLBACKS,
    retry=RETRIES,
    push_back=PUSH_BACK,
    redirect=REDIRECTS,
    wall=WALLS,
    header=HEADERS,
    body=BODIES,
    connection=CONNECTIONS,
    tls=TLS,
)
BY_NAME = named(name=NAMES)
BY_PROXY = named(proxy=PROXIED)
MATRIX = DIRECT | BY_NAME | BY_PROXY

POLICY = Policy(timeout=20, connect_timeout=20, retry_delays=(0.01, 0.02))
CAREFUL = replace(POLICY, allow_private=False, exclude=(re.compile("/logout"),))
LIMITS = Limits(first_wait=0.01, longest_wait=0.05, patience=3.0, outage_patience=3.0)


class Asked(NamedTuple):
    """What became of a case: its row, and the requests that its server saw."""

    row: Result
    seen: list[SeenRequest]


class TwoProcesses(LeanTransport):
    """Not used as what it is: its options are what worker processes ask by."""

    def __init__(self, options: TransportOptions, **fields: Collection[str]) -> None:
        super().__init__(options, **fields)
        self.options = options


AnyTransport = LeanTransport | SessionTransport
Kind = type[LeanTransport] | type[SessionTransport]
KINDS: tuple[Kind, ...] = (LeanTransport, SessionTransport)
OVER_BOTH = pytest.mark.parametrize("kind", KINDS)


@asynccontextmanager
async def transport(kind: Kind, **options: Any) -> AsyncIterator[AnyTransport]:
    made = kind(
        TransportOptions(**{"proxies_from_environment": False, **options}),
        needed_fields=NEEDED_FIELDS,
        context_fields=CONTEXT_FIELDS,
    )
    try:
        yield made
    finally:
        await made.aclose()


async def sweep(urls: Iterable[str], over: AnyTransport, policy: Policy = POLICY) -> dict[str, Result]:
    """Ask every URL; the rows by URL."""
    targets = [Target(url) for url in urls]
    async with crew(2, over.options) if isinstance(over, TwoProcesses) else nullcontext() as workers:
        rows = [row async for row in Sweep(targets, policy, LIMITS, over, crew=workers, seed=7)]
    assert len(rows) == len(targets)
    return {row.url: row for row in rows}


async def ask(kind: Kind, cases: Mapping[str, Case], **options: Any) -> dict[str, Asked]:
    """Start every case's server and ask them all, those with little patience when the others are done: some keep this
    process, which is also their server, busy for longer than that."""
    async with AsyncExitStack() as stack:
        servers = {name: case.server() for name, case in cases.items()}
        for server in servers.values():
            await stack.enter_async_context(server)
        urls = {name: cases[name].url_on(server) for name, server in servers.items()}
        if "resolvers" not in options and "proxy" not in options:
            ports = [server.port for server in servers.values()]
            options["resolve"] = [(host, port, "127.0.0.1") for host in (NAME, DEEP, DEEPER) for port in ports]
        if options.get("proxy") == "":
            options["proxy"] = next(iter(servers.values())).url()
        over = await stack.enter_async_context(transport(kind, **options))
        rows: dict[str, Result] = {}
        for patience in sorted({case.patience for case in cases.values()}, reverse=True):
            wanted = [urls[name] for name, case in cases.items() if case.patience == patience]
            rows |= await sweep(wanted, over, replace(POLICY, timeout=patience, connect_timeout=patience))
        return {name: Asked(rows[urls[name]], servers[name].requests) for name in cases}


async def ask_everything(kind: Kind, cacert: str) -> dict[str, Asked]:
    asked = await ask(kind, DIRECT, cacert=cacert)
    if kind is TwoProcesses:  # each of them looks names up as one does
        return asked
    async with dns.DnsServer(ZONE) as name_server:
        asked |= await ask(kind, BY_NAME, resolvers=(name_server.address,))
    if kind is SessionTransport:  # the one that speaks to proxies
        for name, case in BY_PROXY.items():
            asked |= await ask(kind, {name: case}, proxy="")
    return asked


@pytest.fixture(scope="module")
def cacert(tmp_path_factory: pytest.TempPathFactory) -> str:
    return AUTHORITY.write(tmp_path_factory.mktemp("tls") / "authority.pem")


@pytest.fixture(scope="module")
def asked(cacert: str) -> dict[Kind, dict[str, Asked]]:
    return {kind: asyncio.run(ask_everything(kind, cacert)) for kind in (*KINDS, TwoProcesses)}


@pytest.mark.parametrize(
    ("kind", "name"),
    [*((LeanTransport, name) for name in DIRECT | BY_NAME), *((SessionTransport, name) for name in MATRIX)],
)
def test_the_verdict_is_the_truth(asked: dict[Kind, dict[str, Asked]], kind: Kind, name: str) -> None:
    case, (row, seen) = MATRIX[name], asked[kind][name]
    assert Verdict(row.outcome, row.reason, row.status) == case.verdict, row
    detail = row.detail or ""
    assert detail.isprintable()
    assert case.detail in detail
    assert bool(detail) or row.reason is None
    if case.methods is not None:
        assert " ".join(request.method for request in seen) == case.methods
    if case.attempts is not None:
        assert row.attempts == case.attempts
    if case.hops is not None:
        assert len(row.hops) == case.hops
    if case.final is not None:
        assert row.final_url is not None
        assert "/" + row.final_url.split("/", 3)[3] == case.final
        assert "@" not in row.final_url
    if case.target is not None:
        assert seen[-1].target == case.target


def test_both_transports_and_several_processes_give_the_same_rows(asked: dict[Kind, dict[str, Asked]]) -> None:
    def told(row: Result) -> tuple[Any, ...]:
        detail = re.sub(r":[0-9]+", ":PORT", row.detail or "")
        final = re.sub(r":[0-9]+", ":PORT", row.final_url or "")
        if row.reason == Reason.RATE_LIMITED:  # given up for the time, or for the times: as it comes
            return (row.outcome, row.reason, row.status)
        return (row.outcome, row.reason, row.status, detail, row.method, final, len(row.hops), row.attempts)

    lean = {name: told(found.row) for name, found in asked[LeanTransport].items()}
    assert lean == {name: told(asked[SessionTransport][name].row) for name in lean}
    # When a RST comes is the moment's matter where the server is another process: before the request, or behind it.
    several = {name: found.row for name, found in asked[TwoProcesses].items()}
    assert {name: row.outcome for name, row in several.items()} == {name: lean[name][0] for name in several}
    by_name = {name: told(row) for name, row in several.items() if "reset" not in name}
    assert by_name == {name: lean[name] for name in by_name}


def test_every_reason_is_in_the_matrix() -> None:
    elsewhere = {reason for reason in Reason if reason.startswith("source.")} | {
        Reason.SKIP_UNFINISHED,  # of a run that is cut short, not of a server
        Reason.SKIP_ROBOTS,  # no run gives it yet
    }
    verdicts = [case.verdict for case in MATRIX.values()] + list(NOT_ASKED.values())
    assert {verdict.reason for verdict in verdicts} >= set(Reason) - elsewhere
    assert {verdict.outcome for verdict in verdicts} == set(Outcome)


@OVER_BOTH
async def test_what_is_not_asked(kind: Kind) -> None:
    async with transport(kind) as over:
        rows = await sweep(NOT_ASKED, over, CAREFUL)
    assert {url: Verdict(row.outcome, row.reason, row.status) for url, row in rows.items()} == NOT_ASKED
    assert {row.attempts for row in rows.values()} == {0}


def expected_of(status: int) -> Verdict:
    if status <= 299:
        return ok(status)
    return broken(status) if status <= 499 else down(status)


@OVER_BOTH
async def test_every_status_there_is(kind: Kind) -> None:
    """101 is an answer too; other 1xx are only ever followed by one, and 429 is a story of its own."""
    statuses = [101, *range(200, 429), *range(430, 600), *range(600, 999, 57)]
    async with FaultServer({f"/{status}": respond(status) for status in statuses}) as server, transport(kind) as over:
        rows = await sweep([server.url(f"/{status}") for status in statuses], over)
        found = {status: rows[server.url(f"/{status}")] for status in statuses}
    for status, row in found.items():
        expected = broken(101) if status == 101 else expected_of(status)
        assert Verdict(row.outcome, row.reason, row.status) == expected, row
        assert (row.category is None) == (status >= 600)


@OVER_BOTH
async def test_redirects_between_http_and_https(kind: Kind, cacert: str) -> None:
    async with FaultServer() as plain, over_tls({"/": OK}) as secure:
        name = (NAME, secure.port, "127.0.0.1")
        plain.routes = {"/": OK, "/up": redirect(301, secure.url(host=NAME))}
        secure.routes["/down"] = redirect(301, plain.url())
        up, down_again = plain.url("/up"), secure.url("/down", host=NAME)
        async with transport(kind, cacert=cacert, resolve=(name,)) as over:
            rows = await sweep([up, down_again], over)
    assert [Verdict(row.outcome, row.reason, row.status) for row in (rows[up], rows[down_again])] == [ok(), ok()]
    assert rows[up].final_url == secure.url(host=NAME)
    assert rows[up].detail is None
    assert rows[down_again].detail == "a redirect leads from https to http"


@OVER_BOTH
async def test_head_is_given_up_for_a_host_that_contradicts_it_twice(kind: Kind) -> None:
    paths = [f"/{number}" for number in range(6)]
    async with FaultServer(by_method(HEAD=respond(404), GET=OK)) as server, transport(kind) as over:
        run = Sweep([Target(server.url(path)) for path in paths], POLICY, Limits(concurrency=1), over)
        assert [row.outcome async for row in run] == [Outcome.OK] * 6
        assert [request.method for request in server.requests] == ["HEAD", "GET", "HEAD", "GET", *["GET"] * 4]


@OVER_BOTH
async def test_only_get_where_only_get_is_wanted(kind: Kind) -> None:
    routes = {"/": OK, "/404": respond(404), "/moved": redirect(301, "/")}
    async with FaultServer(routes) as server, transport(kind) as over:
        await sweep(map(server.url, routes), over, replace(POLICY, method=Method.GET))
        assert {request.method for request in server.requests} == {"GET"}
