"""How each planted behaviour looks on the wire.

Contract: pure: a page, the method and the number of requests it has had give an `Answer`; the server plays it.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, NamedTuple, assert_never

from benchmarks.world.plan import LANDING_PREFIX, Page, PageKind, landing_host, number_of

SLOW_SECONDS: Final = 1.0
"""What a slow page takes on top of the world's latency."""

FLAKY_REQUESTS: Final = 2
"""Requests that a flaky page fails: HEAD and the GET that confirms it, so that only a later try can find it well."""

BODY: Final = b"<!doctype html><title>A page</title><p>" + b"planted " * 256 + b"</p>\n"
"""Some 2 KB: what is worth reading of a homepage is often no more, and what is sent for nothing can be seen."""


class End(Enum):
    """What happens after the answer's bytes."""

    KEEP = auto()  # the connection stays open
    CLOSE = auto()
    RESET = auto()  # a TCP reset
    HANG = auto()  # nothing at all until the client leaves


class Answer(NamedTuple):
    """What the server does."""

    data: bytes
    end: End = End.KEEP
    delay: float = 0.0  # seconds on top of the latency


def response(status: str, *fields: str, body: bytes = b"", is_head: bool = False) -> bytes:
    """An HTTP/1.1 response; to HEAD without its body (RFC 9110 section 9.3.2)."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Content-Type: text/html", *fields, "", ""]
    head = "\r\n".join(lines).encode("latin-1")
    return head if is_head else head + body


def landing_url(page: Page, kind: str) -> str:
    """Where a redirecting page of this world leads to."""
    number = number_of("landing", page.href)
    match kind:
        case "same":
            return f"{LANDING_PREFIX}{number:016x}"
        case "https":
            return f"https://{page.host}{LANDING_PREFIX}{number:016x}"
        case _:
            return f"https://{landing_host(number)}{LANDING_PREFIX}via/{number:016x}"


def landing_answer(target: str, is_head: bool) -> Answer:
    """A page that redirects lead to; those below ``via/`` redirect once more."""
    rest = target.removeprefix(f"{LANDING_PREFIX}via/")
    if rest != target:
        return Answer(response("302 Found", f"Location: {LANDING_PREFIX}{rest}", is_head=is_head))
    return Answer(response("200 OK", body=BODY, is_head=is_head))


def push_back(*, tells_when: bool, is_head: bool) -> Answer:
    """A host's refusal to answer for now; `tells_when`: it says for how long, in whole seconds as the field has it."""
    fields = ("Retry-After: 1",) if tells_when else ()
    return Answer(response("429 Too Many Requests", *fields, body=b"later\n", is_head=is_head))


def answer(page: Page, method: str, earlier: int) -> Answer:
    """The answer of `page` to `method` after it has had `earlier` requests."""
    is_head = method == "HEAD"
    ok = Answer(response("200 OK", body=BODY, is_head=is_head))
    match page.kind:
        case PageKind.OK:
            return ok
        case PageKind.NOT_FOUND:
            return Answer(response("404 Not Found", body=BODY, is_head=is_head))
        case PageKind.GONE:
            return Answer(response("410 Gone", body=BODY, is_head=is_head))
        case PageKind.FORBIDDEN:
            return Answer(response("403 Forbidden", body=BODY, is_head=is_head))
        case PageKind.REDIRECT_301 | PageKind.REDIRECT_302 | PageKind.REDIRECT_308:
            status = page.kind.removeprefix("redirect_")
            return Answer(response(f"{status} Moved", f"Location: {landing_url(page, 'same')}", is_head=is_head))
        case PageKind.REDIRECT_AWAY:
            return Answer(response("302 Found", f"Location: {landing_url(page, 'away')}", is_head=is_head))
        case PageKind.REDIRECT_HTTPS:
            location = landing_url(page, "https")
            return Answer(response("301 Moved Permanently", f"Location: {location}", is_head=is_head))
        case PageKind.REDIRECT_LOOP:
            return Answer(response("302 Found", f"Location: {page.href}", is_head=is_head))
        case PageKind.ERROR_500:
            return Answer(response("500 Internal Server Error", body=b"oops\n", is_head=is_head))
        case PageKind.FLAKY_503:
            if earlier < FLAKY_REQUESTS:
                return Answer(response("503 Service Unavailable", body=b"restarting\n", is_head=is_head))
            return ok
        case PageKind.HEAD_405:
            return Answer(response("405 Method Not Allowed", "Allow: GET", is_head=True)) if is_head else ok
        case PageKind.HEAD_404:
            return Answer(response("404 Not Found", is_head=True)) if is_head else ok
        case PageKind.HEAD_501:
            return Answer(response("501 Not Implemented", is_head=True)) if is_head else ok
        case PageKind.HEAD_HANGS_UP:
            return Answer(b"", End.CLOSE) if is_head else ok
        case PageKind.SLOW:
            return ok._replace(delay=SLOW_SECONDS)
        case PageKind.RESET:
            return Answer(b"", End.RESET)
        case PageKind.EMPTY:
            return Answer(b"", End.CLOSE)
        case PageKind.FLAKY_RESET:
            return Answer(b"", End.RESET) if earlier < FLAKY_REQUESTS else ok
        case PageKind.GARBAGE:
            return Answer(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", End.CLOSE)
        case PageKind.CHALLENGE:
            return Answer(response("403 Forbidden", "cf-mitigated: challenge", body=BODY, is_head=is_head))
        case PageKind.HANG:
            return Answer(b"", End.HANG)
        case _:
            assert_never(page.kind)
