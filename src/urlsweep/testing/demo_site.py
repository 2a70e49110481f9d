"""The demo site: a sitemap of some three hundred pages on loopback, with faults of every outcome planted among them.

Contract: an asynchronous context manager; everything it listens on is 127.0.0.1 and a free port, one port for each
"host". What every listed URL has to be called is in `DemoSite.expected`, so that a sweep can be proved right. Nothing
in it needs the internet, though some of its URLs lead to names that do not exist.
Not in here: how it is swept and shown. With ``timeout=1`` and ``retry_delays=(0.5, 1.5)`` a sweep takes some seven
seconds: pages that hang are asked to the end.

    >>> import asyncio
    >>> async def look() -> int:
    ...     async with DemoSite() as site:
    ...         return len(site.urls)
    >>> asyncio.run(look()) > 300
    True
"""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Final, NamedTuple, Self
from xml.sax.saxutils import escape

from urlsweep.core.model import Outcome, Reason, http_reason
from urlsweep.testing.certificates import Authority, self_signed, server_context
from urlsweep.testing.faults import FaultServer, Script
from urlsweep.testing.scripts import (
    big_header,
    by_method,
    challenge,
    close,
    close_after_reply_without_saying,
    early_hints,
    hang,
    http10,
    in_turn,
    later,
    rate_limited,
    raw,
    redirect,
    reset,
    respond,
    set_cookie_then,
)


class Expected(NamedTuple):
    """What a row of the demo site has to say."""

    outcome: Outcome
    reason: str | None = None
    status: int | None = None


_FINE: Final = Expected(Outcome.OK, None, 200)
_RATE_LIMITED: Final = Expected(Outcome.UNVERIFIED, Reason.RATE_LIMITED, 429)
_MALFORMED: Final = Expected(Outcome.INVALID, Reason.URL_MALFORMED)
_UNKNOWN_SCHEME: Final = Expected(Outcome.INVALID, Reason.URL_UNKNOWN_SCHEME)
_NOT_THE_WEBS: Final = Expected(Outcome.SKIPPED, Reason.SKIP_UNSUPPORTED_SCHEME)


def _broken(status: int) -> Expected:
    return Expected(Outcome.BROKEN, http_reason(status), status)


def _down(reason: Reason | int) -> Expected:
    if isinstance(reason, Reason):
        return Expected(Outcome.DOWN, reason)
    return Expected(Outcome.DOWN, http_reason(reason), reason)


def _wall(status: int) -> Expected:
    return Expected(Outcome.UNVERIFIED, Reason.BOT_WALL, status)


def _bad_redirect(reason: Reason) -> Expected:
    return Expected(Outcome.BROKEN, reason, 302)


_PAGE: Final = respond(200, ("Content-Type", "text/html"), body=b"<!doctype html><title>A page</title><p>Hello.")

_Planted = dict[str, tuple[Script, Expected]]
"""path -> what the server does, and what the row has to say."""

# Hosts that push back, and hosts whose trouble shows at the connection, are ports of their own: a checker may learn
# from one answer how to treat the rest of its host.

_SITE: Final[_Planted] = {
    "/moved": (redirect(301, "/articles/1"), _FINE),
    "/moved-twice": (redirect(302, "/moved"), _FINE),
    "/moved-for-now": (redirect(307, "articles/2#comments"), _FINE),
    "/with a space?and=query&more=ü": (_PAGE, _FINE),
    "/cookies-wanted": (set_cookie_then("seen=1", _PAGE), _FINE),
    "/with-early-hints": (early_hints(3, _PAGE), _FINE),
    "/very-old-server": (http10(), _FINE),
    "/big-header": (big_header(60), _FINE),
    "/empty": (respond(204), Expected(Outcome.OK, None, 204)),
    "/restarting": (in_turn(respond(503), respond(503), _PAGE), _FINE),
    "/deleted": (respond(404), _broken(404)),
    "/deleted?with=query": (respond(404), _broken(404)),
    "/misspelt-artcile": (respond(404), _broken(404)),
    "/moved-and-deleted": (redirect(301, "/deleted"), _broken(404)),
    "/gone-for-good": (respond(410), _broken(410)),
    "/members-only": (respond(401, ("WWW-Authenticate", 'Basic realm="members"')), _broken(401)),
    "/forbidden": (respond(403), _broken(403)),
    "/unavailable-for-legal-reasons": (respond(451), _broken(451)),
    "/loop": (redirect(302, "/loop"), _bad_redirect(Reason.REDIRECT_LOOP)),
    "/circle/a": (redirect(302, "/circle/b"), _bad_redirect(Reason.REDIRECT_LOOP)),
    "/circle/b": (redirect(302, "/circle/a"), _bad_redirect(Reason.REDIRECT_LOOP)),
    "/ever/0": (redirect(302, "/ever/1"), _bad_redirect(Reason.REDIRECT_TOO_MANY)),
    "/to-a-mail-address": (redirect(302, "mailto:us@shop.invalid"), _bad_redirect(Reason.REDIRECT_INVALID)),
    "/to-nothing-at-all": (respond(302), _broken(302)),
    "/to-a-name-that-is-gone": (
        redirect(302, "http://no-such-host.invalid/"),
        Expected(Outcome.BROKEN, Reason.DNS_NOT_FOUND),
    ),
}

_SHOP: Final[_Planted] = {  # HEAD is not to be trusted here
    "/basket": (by_method(HEAD=respond(405), GET=_PAGE), _FINE),
    "/offers": (by_method(HEAD=respond(404), GET=_PAGE), _FINE),
    "/search": (by_method(HEAD=respond(501), GET=_PAGE), _FINE),
    "/checkout": (by_method(HEAD=reset(), GET=_PAGE), _FINE),
    "/account": (by_method(HEAD=redirect(302, "/login-of-yesterday"), GET=_PAGE), _FINE),
    "/sold-out": (by_method(HEAD=respond(405), GET=respond(404)), _broken(404)),
}

_TROUBLED: Final[_Planted] = {
    "/crashes": (respond(500), _down(500)),
    "/maintenance": (respond(503), _down(503)),
    "/no-backend": (respond(502), _down(502)),
    "/crashed-just-now": (in_turn(respond(500), respond(500), _PAGE), _FINE),
    "/never-answers": (hang(), _down(Reason.RESPONSE_TIMEOUT)),
    "/resets": (reset(), _down(Reason.RESPONSE_RESET)),
    "/hangs-up": (close(), _down(Reason.RESPONSE_RESET)),
    "/talks-nonsense": (raw(b"Hello? Who is there?\r\n\r\n"), _down(Reason.RESPONSE_INVALID)),
    "/talks-too-much": (big_header(300), _down(Reason.RESPONSE_TOO_LARGE)),
}

_GUARDED: Final[_Planted] = {
    "/behind-cloudflare": (challenge("cloudflare"), _wall(403)),
    "/behind-aws-waf": (challenge("aws waf challenge"), _wall(202)),
    "/profile": (challenge("linkedin"), _wall(999)),
}

_RELENTING: Final[_Planted] = {
    f"/please-wait/{number}": (in_turn(respond(429, retry_after=1), _PAGE), _FINE) for number in range(3)
}

_UNRELENTING: Final[_Planted] = {"/too-many": (respond(429), _RATE_LIMITED)}

_NOT_ASKED: Final[dict[str, Expected]] = {
    "mailto:editor@shop.invalid": _NOT_THE_WEBS,
    "tel:+49-30-123456": _NOT_THE_WEBS,
    "ftp://ftp.shop.invalid/pub/catalogue.pdf": _NOT_THE_WEBS,
    "javascript:void(0)": _NOT_THE_WEBS,
    "http://exa mple/": _MALFORMED,
    "http://shop.invalid:99999/": _MALFORMED,
    "www.shop.invalid/forgot-the-scheme": _MALFORMED,
    "htp://shop.invalid/": _UNKNOWN_SCHEME,
    "http://no-such-host.invalid/": Expected(Outcome.BROKEN, Reason.DNS_NOT_FOUND),
    "http://no-such-host.invalid/page": Expected(Outcome.BROKEN, Reason.DNS_NOT_FOUND),
}

ARTICLES: Final = 120
ARCHIVED: Final = 80
PRODUCTS: Final = 30
SLOW_PAGES: Final = 12
BUSY_PAGES: Final = 12


class DemoSite:
    """A site to be swept, running within ``async with DemoSite() as site``. All below is known from then on."""

    def __init__(self) -> None:
        self.root_url = ""  # its robots.txt names the sitemap
        self.sitemap_url = ""
        self.urls: list[str] = []  # as the sitemaps list them, in their order; some twice
        self.expected: dict[str, Expected] = {}  # each of `urls` -> what its row has to say
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Listen. Raises OSError where a port cannot be had."""
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End everything."""
        await self._stack.aclose()

    async def _start(self, stack: AsyncExitStack) -> None:
        async def start(server: FaultServer) -> FaultServer:
            return await stack.enter_async_context(server)

        articles = {f"/articles/{number}": (_PAGE, _FINE) for number in range(1, ARTICLES + 1)}
        archive = {f"/archive/{2000 + number % 20}/{number}": (_PAGE, _FINE) for number in range(ARCHIVED)}
        site = await start(FaultServer())
        archived = self._plant(site, archive)
        pages = [site.url(), *self._plant(site, articles), *self._plant(site, _SITE)]
        self._plant(site, {"/": (_PAGE, _FINE)})
        for number in range(1, 20):  # where /ever/0 leads
            site.routes[f"/ever/{number}"] = redirect(302, f"/ever/{number + 1}")

        products = {f"/products/{number}": (_PAGE, _FINE) for number in range(PRODUCTS)}
        partners = self._plant(await start(FaultServer()), {**_SHOP, **products})
        slow = later(0.2, close_after_reply_without_saying(_PAGE))
        partners += self._plant(
            await start(FaultServer()), {f"/slow/{number}": (slow, _FINE) for number in range(SLOW_PAGES)}
        )
        busy = rate_limited(10, _PAGE, burst=8, retry_after=1)
        partners += self._plant(
            await start(FaultServer()), {f"/busy/{number}": (busy, _FINE) for number in range(BUSY_PAGES)}
        )
        for planted in (_TROUBLED, _GUARDED, _RELENTING, _UNRELENTING):
            partners += self._plant(await start(FaultServer()), planted)

        partners += await self._plant_unreachable(stack)
        partners += [self._expect(url, expected) for url, expected in _NOT_ASKED.items()]
        partners += [pages[1], pages[2], site.url("/deleted"), site.url("/articles/3#comments")]
        self._expect(site.url("/articles/3#comments"), _FINE)

        self.root_url = site.url()
        self.sitemap_url = site.url("/sitemap.xml")
        self.urls = pages + archived + partners
        self._publish(site, pages, archived, partners)

    async def _plant_unreachable(self, stack: AsyncExitStack) -> list[str]:
        """URLs whose trouble comes before HTTP."""
        # Bound but not listening: refuses connections, and nobody else can be given the port meanwhile.
        closed = stack.enter_context(socket.socket())
        closed.bind(("127.0.0.1", 0))
        refusing = f"http://127.0.0.1:{closed.getsockname()[1]}/"
        doubtful = await stack.enter_async_context(
            FaultServer(_PAGE, tls=server_context(self_signed("127.0.0.1", "localhost")))
        )
        unknown = await stack.enter_async_context(
            FaultServer(_PAGE, tls=server_context(Authority("An authority nobody knows").issue("127.0.0.1")))
        )
        plain = await stack.enter_async_context(FaultServer(on_connect=raw(b"HTTP/1.1 400 Bad Request\r\n\r\n")))
        return [
            self._expect(refusing, _down(Reason.CONNECT_REFUSED)),
            self._expect(doubtful.url("/signed-by-itself"), Expected(Outcome.BROKEN, Reason.TLS_SELF_SIGNED)),
            self._expect(unknown.url("/unknown-authority"), Expected(Outcome.BROKEN, Reason.TLS_UNTRUSTED)),
            self._expect(plain.url("/no-tls-here").replace("http:", "https:"), _down(Reason.TLS_HANDSHAKE)),
        ]

    def _plant(self, server: FaultServer, planted: _Planted) -> list[str]:
        """Plant on `server`; gives the URLs."""
        for path, (script, _) in planted.items():
            server.routes[_as_sent(path)] = script
        return [self._expect(server.url(path), expected) for path, (_, expected) in planted.items()]

    def _expect(self, url: str, expected: Expected) -> str:
        self.expected[url] = expected
        return url

    def _publish(self, site: FaultServer, pages: list[str], archived: list[str], partners: list[str]) -> None:
        xml, packed = ("Content-Type", "application/xml"), ("Content-Type", "application/gzip")
        site.routes |= {
            "/robots.txt": respond(200, body=f"User-agent: *\nSitemap: {self.sitemap_url}\n".encode()),
            "/sitemap.xml": respond(
                200, xml, body=_index(site.url(f"/sitemaps/{name}") for name in ("pages.xml", "archive.xml.gz", "more"))
            ),
            "/sitemaps/pages.xml": respond(200, xml, body=_urlset(pages, image=site.url("/picture-nobody-asks.jpg"))),
            "/sitemaps/archive.xml.gz": respond(200, packed, body=gzip.compress(_urlset(archived))),
            "/sitemaps/more": respond(200, xml, body=_index([site.url("/sitemaps/partners.xml")])),
            "/sitemaps/partners.xml": respond(200, xml, body=_urlset(partners)),
        }


def _as_sent(path: str) -> str:
    """The path of a listed URL as a request has it: without query, percent-encoded."""
    return path.partition("?")[0].replace(" ", "%20")


def _urlset(urls: Iterable[str], image: str | None = None) -> bytes:
    picture = "" if image is None else f"<image:image><image:loc>{escape(image)}</image:loc></image:image>"
    entries = "".join(f"  <url><loc>{escape(url)}</loc>{picture}</url>\n" for url in urls)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" '
        f'xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">\n{entries}</urlset>\n'
    ).encode()


def _index(urls: Iterable[str]) -> bytes:
    entries = "".join(f"  <sitemap><loc>{escape(url)}</loc></sitemap>\n" for url in urls)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<sitemapindex xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">\n{entries}</sitemapindex>\n'
    ).encode()
