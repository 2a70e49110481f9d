"""What becomes of every URL of the world, by a stable hash: the truth that the tools' answers are held against.

Contract: pure. The same list and options give the same plan on every machine, and in the server's process as in the
one that judges. Hosts are planned first (their faults hide every path behind them), then each URL by itself.
Not in here: how a behaviour looks on the wire (`answers`), who is right (`judge`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

import can_ada

TEN_THOUSAND: Final = 10_000
"""Shares below are counted in ten-thousandths."""

BIG_HOST_URLS: Final = 50
"""A host with more URLs than this is not planted dead: one hash value must not decide on a third of the list."""

NAMED_LIMITS: Final[Mapping[str, float]] = {"github.com": 400.0, "metacpan.org": 200.0}
"""Requests a second that the list's two largest hosts let through."""

LIMITED_HOSTS: Final = 200
"""Hosts beside those, the largest that answer at all, that let through `COMMON_LIMIT`."""

COMMON_LIMIT: Final = 20.0
"""Requests a second; what cautious administrators write into nginx's limit_req."""

LANDING_HOSTS: Final = 64
"""Hosts of the world's own that redirects lead to: enough that none becomes the run's bottleneck."""

LANDING_PREFIX: Final = "/urlsweep-world/landing/"
"""Paths below it are ok on every host."""


SERVER_ADDRESSES: Final = tuple(f"127.7.0.{number}" for number in range(1, 65))
"""Where all hosts live: several, since a client has some 28,000 ports for one address and port of a server."""


class Truth(NamedTuple):
    """What urlsweep has to say of a URL."""

    outcome: str
    reason: str | None = None
    status: int | None = None

    @property
    def works(self) -> bool | None:
        """What any link checker has to say: True for a working link, False for one that is not, None: cannot tell."""
        return {"ok": True, "unverified": None, "skipped": None}.get(self.outcome, False)


OK: Final = Truth("ok", None, 200)


class PageKind(StrEnum):
    """How one URL behaves."""

    OK = "ok"
    NOT_FOUND = "not_found"
    GONE = "gone"
    FORBIDDEN = "forbidden"
    REDIRECT_301 = "redirect_301"  # to a page of the same host
    REDIRECT_302 = "redirect_302"
    REDIRECT_308 = "redirect_308"
    REDIRECT_AWAY = "redirect_away"  # to a page of another host, over two hops
    REDIRECT_HTTPS = "redirect_https"  # http to https; an https URL that draws it is plainly ok
    REDIRECT_LOOP = "redirect_loop"
    ERROR_500 = "error_500"  # to the end
    FLAKY_503 = "flaky_503"  # the first two requests, then ok
    HEAD_405 = "head_405"  # HEAD is refused, GET is ok; so the next three
    HEAD_404 = "head_404"
    HEAD_501 = "head_501"
    HEAD_HANGS_UP = "head_hangs_up"
    SLOW = "slow"  # a second
    RESET = "reset"  # a TCP reset after the request, to the end
    EMPTY = "empty"  # closed after the request without a byte, to the end
    FLAKY_RESET = "flaky_reset"  # the first two requests, then ok
    GARBAGE = "garbage"  # bytes that are no HTTP
    CHALLENGE = "challenge"  # Cloudflare's, with its documented field
    HANG = "hang"  # never answered


class RateLimit(NamedTuple):
    """What a host lets through; it answers 429 to the rest."""

    rate: float  # requests a second
    burst: float  # requests with no time between
    tells_when: bool  # whether its 429 carries a Retry-After of one second


class HostKind(StrEnum):
    """How a whole host behaves; pages are reached on the ones that are `OK` or `BUSY`, and on `TLS_*` ones by http."""

    OK = "ok"
    BUSY = "busy"  # 429 with Retry-After: 1 for a moment from its first request on, then ok
    NO_NAME = "no_name"  # NXDOMAIN
    NAME_FAILURE = "name_failure"  # SERVFAIL
    NO_SERVER = "no_server"  # an address at which nothing listens
    SILENT = "silent"  # an address that never answers
    SILENT_NAME = "silent_name"  # the DNS never answers
    TLS_EXPIRED = "tls_expired"
    TLS_SELF_SIGNED = "tls_self_signed"
    TLS_WRONG_NAME = "tls_wrong_name"


class Planted(NamedTuple):
    """One row of a table below."""

    share: int  # ten-thousandths of all
    truth: Truth


PAGES: Final[Mapping[PageKind, Planted]] = {
    PageKind.NOT_FOUND: Planted(500, Truth("broken", "http.404", 404)),
    PageKind.GONE: Planted(50, Truth("broken", "http.410", 410)),
    PageKind.FORBIDDEN: Planted(100, Truth("broken", "http.403", 403)),
    PageKind.REDIRECT_301: Planted(250, OK),
    PageKind.REDIRECT_302: Planted(150, OK),
    PageKind.REDIRECT_308: Planted(50, OK),
    PageKind.REDIRECT_AWAY: Planted(200, OK),
    PageKind.REDIRECT_HTTPS: Planted(200, OK),
    PageKind.REDIRECT_LOOP: Planted(20, Truth("broken", "redirect.loop", 302)),
    PageKind.ERROR_500: Planted(60, Truth("down", "http.500", 500)),
    PageKind.FLAKY_503: Planted(80, OK),
    PageKind.HEAD_405: Planted(80, OK),
    PageKind.HEAD_404: Planted(40, OK),
    PageKind.HEAD_501: Planted(30, OK),
    PageKind.HEAD_HANGS_UP: Planted(30, OK),
    PageKind.SLOW: Planted(60, OK),
    PageKind.RESET: Planted(30, Truth("down", "response.reset")),
    PageKind.EMPTY: Planted(30, Truth("down", "response.reset")),
    PageKind.FLAKY_RESET: Planted(40, OK),
    PageKind.GARBAGE: Planted(20, Truth("down", "response.invalid")),
    PageKind.CHALLENGE: Planted(100, Truth("unverified", "bot_wall", 403)),
    PageKind.HANG: Planted(5, Truth("down", "response.timeout")),
}
"""The mix: made up, with every behaviour often enough to be seen; what is left is `OK`, some 78 %."""

HOSTS: Final[Mapping[HostKind, Planted]] = {
    HostKind.BUSY: Planted(100, OK),
    HostKind.NO_NAME: Planted(250, Truth("broken", "dns.not_found")),
    HostKind.NAME_FAILURE: Planted(30, Truth("down", "dns.failure")),
    HostKind.NO_SERVER: Planted(80, Truth("down", "connect.refused")),
    HostKind.TLS_EXPIRED: Planted(60, Truth("broken", "tls.expired")),
    HostKind.TLS_SELF_SIGNED: Planted(40, Truth("broken", "tls.self_signed")),
    HostKind.TLS_WRONG_NAME: Planted(60, Truth("broken", "tls.name_mismatch")),
    HostKind.SILENT: Planted(80, Truth("down", "connect.timeout")),
    HostKind.SILENT_NAME: Planted(30, Truth("down", "dns.timeout")),
}

HIDES_PAGES: Final = frozenset(
    {HostKind.NO_NAME, HostKind.NAME_FAILURE, HostKind.NO_SERVER, HostKind.SILENT, HostKind.SILENT_NAME}
)
FAULTY_TLS: Final = frozenset({HostKind.TLS_EXPIRED, HostKind.TLS_SELF_SIGNED, HostKind.TLS_WRONG_NAME})


@dataclass(frozen=True, slots=True)
class Page:
    """One URL of the world, normalised, and what it does."""

    href: str
    scheme: str
    host: str
    target: str  # path and query, as they travel
    kind: PageKind
    host_kind: HostKind


class Row(NamedTuple):
    """One line of the list and what must come out for it."""

    line: str
    label: str  # what was planted, for people
    truth: Truth


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole world."""

    rows: tuple[Row, ...]  # as the list, line by line
    pages: Mapping[str, Page]  # by normalised URL
    hosts: Mapping[str, HostKind]
    limits: Mapping[str, RateLimit]  # by host, the host with most URLs first

    def urls_of_limited(self) -> Counter[str]:
        """How many URLs of the list each limited host has."""
        return Counter(page.host for page in self.pages.values() if page.host in self.limits)


def landing_host(number: int) -> str:
    """The name of one of the hosts that redirects lead to."""
    return f"landing-{number % LANDING_HOSTS}.world.example"


def number_of(kind: str, key: str) -> int:
    """A stable number for `key`, 0 to 2**64 - 1; different kinds give unrelated numbers."""
    digest = hashlib.blake2b(key.encode(), digest_size=8, person=kind.encode()).digest()
    return int.from_bytes(digest, "big")


def make_plan(lines: Iterable[str], *, hangs: bool = True) -> Plan:
    """Plan the world of a list, one URL a line. `hangs` False makes the pages that never answer plain ones."""
    parsed = [(line, _parse(line)) for line in map(str.strip, lines) if line and not line.startswith("#")]
    urls_of = Counter(url.hostname for url in {one.href: one for _, one in parsed if isinstance(one, Web)}.values())
    hosts = {host: _host_kind(host, count) for host, count in urls_of.items()}
    limits = _limits(urls_of, hosts)
    hosts |= {landing_host(number): HostKind.OK for number in range(LANDING_HOSTS)}
    pages: dict[str, Page] = {}
    rows = []
    for line, url in parsed:
        if not isinstance(url, Web):
            rows.append(Row(line, url.reason or "", url))
            continue
        page = pages.get(url.href)
        if page is None:
            page = pages[url.href] = _page(url, hosts[url.hostname], hangs)
        rows.append(Row(line, _label(page, page.host in limits), _truth(page)))
    return Plan(tuple(rows), pages, hosts, limits)


class Web(NamedTuple):
    """The parts of an http(s) URL."""

    href: str
    scheme: str
    hostname: str
    target: str


def _parse(line: str) -> Web | Truth:
    try:
        url = can_ada.parse(line)
    except ValueError:
        return Truth("invalid", "url.malformed")
    if url.protocol not in ("http:", "https:"):
        return Truth("skipped", "skip.unsupported_scheme")
    url.hash = ""
    return Web(url.href, url.protocol[:-1], url.hostname, url.pathname + url.search)


def _drawn(table: Mapping[PageKind, Planted] | Mapping[HostKind, Planted], number: int) -> str | None:
    number %= TEN_THOUSAND
    for kind, planted in table.items():
        number -= planted.share
        if number < 0:
            return kind
    return None


def _limits(urls_of: Counter[str], hosts: Mapping[str, HostKind]) -> dict[str, RateLimit]:
    largest = sorted(urls_of, key=lambda host: (-urls_of[host], host))
    named = [host for host in largest if host in NAMED_LIMITS]
    common = [host for host in largest if hosts[host] is HostKind.OK and host not in NAMED_LIMITS][:LIMITED_HOSTS]
    limits = {}
    for number, host in enumerate([*named, *common]):
        rate = NAMED_LIMITS.get(host, COMMON_LIMIT)
        limits[host] = RateLimit(rate, burst=rate, tells_when=number % 2 == 1)  # a burst of one second's worth
    return limits


def _host_kind(host: str, urls: int) -> HostKind:
    kind = HostKind(_drawn(HOSTS, number_of("host", host)) or HostKind.OK)
    if host in NAMED_LIMITS:
        return HostKind.OK
    return HostKind.OK if urls > BIG_HOST_URLS and kind is not HostKind.BUSY else kind


def _page(url: Web, host_kind: HostKind, hangs: bool) -> Page:
    kind = PageKind(_drawn(PAGES, number_of("page", url.href)) or PageKind.OK)
    if (kind is PageKind.HANG and not hangs) or (kind is PageKind.REDIRECT_HTTPS and url.scheme == "https"):
        kind = PageKind.OK
    return Page(url.href, url.scheme, url.hostname, url.target, kind, host_kind)


def _host_decides(page: Page) -> bool:
    if page.host_kind in FAULTY_TLS:
        return page.scheme == "https" or page.kind is PageKind.REDIRECT_HTTPS
    return page.host_kind in HIDES_PAGES


def _truth(page: Page) -> Truth:
    if _host_decides(page):
        return HOSTS[page.host_kind].truth
    return OK if page.kind is PageKind.OK else PAGES[page.kind].truth


def _label(page: Page, is_limited: bool) -> str:
    if _host_decides(page):
        return f"host {page.host_kind}"
    if is_limited:
        return f"{page.kind} on a limited host"
    return f"{page.kind} on a busy host" if page.host_kind is HostKind.BUSY else str(page.kind)
