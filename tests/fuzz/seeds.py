"""Inputs to begin from: what the fault matrix's servers say, and small documents of every kind."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, cast

from tests.engine import test_fault_matrix as matrix

from urlsweep.testing.faults import FaultServer, Script, SeenRequest, Visit
from urlsweep.testing.virtual_time import run_virtual

SECONDS: Final = 60.0
"""Of virtual time, for one script: those that say nothing for ever are cut off."""

MOST_BYTES: Final = 4096
"""Of one script: a field of 400 KB is no better a beginning than one of four."""

HTTP_WORDS: Final = (
    b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 ", b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n", b"HTTP/1.1 101 Switching Protocols\r\n", b"HTTP/2 200\r\n", b"ICY 200 OK\r\n",
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\n\n", b": ", b" ", b"\t", b"\0", b"\xff",
    b"Content-Length: 0\r\n", b"Content-Length: 4\r\n", b"Content-Length: 4, 4\r\n", b"Content-Length: -1\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip, chunked\r\n", b"Connection: close\r\n",
    b"Connection: keep-alive, close\r\n", b"Content-Encoding: gzip\r\n", b"Location: /x\r\n", b"Set-Cookie: a=b\r\n",
    b"Retry-After: 1\r\n", b"Date: Wed, 25 Nov 2026 09:20:38 GMT\r\n", b"body",
)  # fmt: skip
CHUNK_WORDS: Final = (
    b"0\r\n\r\n",
    b"4\r\nbody\r\n",
    b";x=y",
    b"\r\n",
    b"\n",
    b"fffffffffffffff\r\n",
    b"T: x\r\n",
    b" ",
)
CODED_WORDS: Final = (b"\x1f\x8b\x08\0", b"\x78\x9c", b"\0\0\xff\xff", b"\0" * 8)
LIMIT_WORDS: Final = (
    b"Retry-After: ", b"Date: Wed, 25 Nov 2026 09:20:38 GMT\n", b"X-RateLimit-Limit: 60\n", b"X-RateLimit-Reset: ",
    b"X-RateLimit-Remaining: 0\n", b"RateLimit: ", b'"default";r=0;t=10', b"RateLimit-Policy: ", b'"a";q=100;w=60',
    b"limit=10, remaining=0, reset=1", b"1795600000", b"2026-11-25T09:20:38Z", b"Wed, 25 Nov 2026 09:20:38 GMT+0100",
    b"-1", b"1e999", b"nan", b"99999999999999999999", b"0.5", b", ", b";", b"=", b'"', b"s", b"1h2m3s", b"\n",
)  # fmt: skip
COOKIE_WORDS: Final = (
    b"a=b", b"; Path=/", b"; Path=/dir", b"; Domain=a.test", b"; Domain=.test", b"; Secure", b"; Max-Age=0",
    b"; Expires=Thu, 01-Jan-1970 00:00:00 GMT", b"__Host-", b"=", b";", b"\r", b"\x85", b"\n",
)  # fmt: skip
ROBOTS_WORDS: Final = (
    b"User-agent: *\n", b"User-agent: urlsweep\n", b"Disallow: /", b"Allow: /", b"Crawl-delay: ", b"Request-rate: 1/5",
    b"*", b"$", b"%2F", b"#", b"\n", b"\r", b"\xef\xbb\xbf", b"0.5", b"1e9", b"Sitemap: https://a.test/x\n", b"***$",
)  # fmt: skip
URL_WORDS: Final = (
    b"http://", b"https://", b"//", b"@", b":", b"/", b"?", b"#", b"[::1]", b"127.1", b"0x7f.1", b"%2e", b"..", b"\\",
    b"xn--", b"\xc3\xa9", b"\xe3\x80\x82", b"%00", b"\t", b"\n", b" ", b"user:pass@", b"a.test", b":80", b":65536",
)  # fmt: skip
DOCUMENT_WORDS: Final = (
    b"url,name\n", b"https://a.test/\n", b'"', b",", b"\t", b";", b"\r\n", b"\n", b"\r", b'{"url": "https://a.test/"}',
    b"[", b"]", b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b"#", b"<urlset>", b"\x1f\x8b\x08\0", b"null", b"\\ud800", b"{",
)  # fmt: skip
XML_WORDS: Final = (
    b"<urlset>", b"</urlset>", b"<url>", b"</url>", b"<loc>", b"</loc>", b"https://a.test/", b"<sitemapindex>",
    b"<sitemap>", b"</sitemap>", b"</sitemapindex>", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"&amp;", b"&#0;", b"&x;",
    b'<?xml version="1.0" encoding="UTF-16"?>', b"<!DOCTYPE a [<!ENTITY x 'y'>]>", b"<rss><channel><item><link>",
    b'<feed xmlns="http://www.w3.org/2005/Atom"><entry><link href="', b"\xef\xbb\xbf", b"\n", b"\x1f\x8b\x08\0",
)  # fmt: skip
ROW_WORDS: Final = (
    b"=1+1", b"+", b"-", b"@", b"\t", b"\r", b"\n", b"\0", b"\x1b[31m", b"\xe2\x80\xae", b"\xff", b'"', b",",
    b"\xef\xbc\x9d", b"s3cret", b"https://u:p@a.test/", b"\xf0\x9f\x98\x80", b"\xcc\x81", b"\xe2\x80\xa8", b"'",
)  # fmt: skip


class _EnoughError(Exception):
    """The script has said what it says."""


class _Connection:
    """Takes down what a script sends."""

    def __init__(self) -> None:
        self.number = self.requests = 1
        self.is_over = False
        self.sent = b""

    async def send(self, data: bytes) -> None:
        self.sent += data
        if len(self.sent) > MOST_BYTES:
            raise _EnoughError
        await asyncio.sleep(0)

    async def close(self) -> None:
        self.is_over = True

    def cut(self) -> None:
        self.is_over = True

    def reset(self) -> None:
        self.is_over = True

    async def receive(self) -> bytes:
        raise _EnoughError

    async def until_client_leaves(self) -> None:
        raise _EnoughError


@cache
def replies() -> tuple[bytes, ...]:
    """What each server of the fault matrix says to a first GET."""
    return tuple(sorted({*run_virtual(_said()), b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbody"}))


async def _said() -> set[bytes]:
    found: set[bytes] = set()
    tables = (matrix.ANSWERS, matrix.PUSH_BACK, matrix.REDIRECTS, matrix.WALLS, matrix.HEADERS, matrix.BODIES)
    for table in (*tables, matrix.HEAD_FALLBACKS, matrix.RETRIES, matrix.CONNECTIONS):
        for case in table:
            for script in _scripts(case.plays):
                connection = _Connection()
                visit = Visit(SeenRequest("GET", b"/"), cast("Any", connection), 1, 1)
                try:
                    async with asyncio.timeout(SECONDS):
                        await script(visit)
                except (_EnoughError, TimeoutError):
                    pass
                found.add(connection.sent[:MOST_BYTES])
    return found - {b""}


def _scripts(plays: object) -> list[Script]:
    if isinstance(plays, Mapping):
        return list(plays.values())
    if isinstance(plays, FaultServer):
        every = [] if plays._every_path is None else [plays._every_path]
        return [*plays.routes.values(), *every]
    return [cast("Script", plays)] if callable(plays) else []


def chunked() -> tuple[bytes, ...]:
    """Chunked bodies, whole and broken."""
    return (
        b"4\r\nbody\r\n0\r\n\r\n", b"4;x=y\r\nbody\r\n0\r\nT: z\r\n\r\nmore", b"4 \nbody\n0\n\n", b"0\r\n\r\n",
        b"fffffffffffffff\r\n", b"4\r\nbo",
    )  # fmt: skip


def coded() -> tuple[bytes, ...]:
    """Compressed bodies, of one member and of two, and a small bomb."""
    raw = zlib.compressobj(wbits=-15)
    return (
        gzip.compress(b"body", mtime=0), gzip.compress(b"a", mtime=0) + gzip.compress(b"b", mtime=0) + b"\0\0",
        zlib.compress(b"body"), raw.compress(b"body") + raw.flush(), gzip.compress(b"\0" * 300_000, mtime=0), b"plain",
    )  # fmt: skip


def limits() -> tuple[bytes, ...]:
    """Header lines that state limits, as they are in the wild."""
    return (
        b"Retry-After: 120\nDate: Wed, 25 Nov 2026 09:20:38 GMT",
        b"Retry-After: Wed, 25 Nov 2026 09:20:38 GMT",
        b"X-RateLimit-Limit: 60\nX-RateLimit-Remaining: 0\nX-RateLimit-Reset: 1795600010",
        b"X-RateLimit-Limit: 1, 100\nX-RateLimit-Remaining: 0, 50\nX-RateLimit-Reset: 1, 60",
        b'RateLimit-Policy: "burst";q=100;w=60\nRateLimit: "burst";r=0;t=10',
        b"RateLimit: limit=10, remaining=0, reset=1\nAge: 0",
        b"RateLimit-Remaining: 5\nRateLimit-Reset: 2026-11-25T09:20:38+01:00",
    )


def cookies() -> tuple[bytes, ...]:
    """Set-Cookie values, a line each."""
    return (b"a=b; Path=/; Secure\nc=d; Domain=a.test; Max-Age=10", b"a=; Expires=Thu, 01-Jan-1970 00:00:00 GMT")


def robots() -> tuple[bytes, ...]:
    """robots.txt files."""
    return (
        b"User-agent: *\nDisallow: /private\nAllow: /private/not\nCrawl-delay: 2\n",
        b"\xef\xbb\xbfUser-agent: urlsweep\r\nUser-agent: other\r\nDisallow: /*.pdf$\r\nRequest-rate: 1/5\r\n",
    )


def urls() -> tuple[bytes, ...]:
    """URLs, good and bad."""
    return (
        b"https://user:pass@example.com:8443/a/../b?c=d#e", b"http://[::ffff:127.0.0.1]/", b"http://0x7f.1/",
        b"//b.test/x", b"../x?y", b"mailto:a@b.test", b"htp://x", b"user:pass@host/x", b"http://xn--mnchen-3ya.de/",
        b"http://ex%41mple.com\\x", b"https://m\xc3\xbcnchen.de/\xc3\xa9", b"?", b"http://a.test:65536/",
    )  # fmt: skip


def documents() -> tuple[bytes, ...]:
    """Lists, tables, JSON lines."""
    return (
        b"https://a.test/\n# a comment\nhttps://b.test/\n", b"id,url\n1,https://a.test/\n2,\"https://b.test/,\"\n",
        b"id\turl\n1\thttps://a.test/\n", b'{"url": "https://a.test/", "n": 1}\n{"url": "https://b.test/"}\n',
        b'["https://a.test/", {"url": "https://b.test/"}]', gzip.compress(b"https://a.test/\n", mtime=0),
        "https://a.test/é\n".encode("utf-16"), b"a;url\r\nx;https://a.test/\r\n", *sitemaps(),
    )  # fmt: skip


def sitemaps() -> tuple[bytes, ...]:
    """Sitemaps, indexes and feeds."""
    urlset = (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
        b"<url><loc> https://a.test/?a&amp;b </loc></url></urlset>"
    )
    return (
        urlset, gzip.compress(urlset, mtime=0), gzip.compress(gzip.compress(urlset, mtime=0), mtime=0),
        b"<sitemapindex><sitemap><loc>https://a.test/1.xml</loc></sitemap></sitemapindex>",
        b"<rss><channel><item><link>https://a.test/</link></item></channel></rss>",
        b'<feed xmlns="http://www.w3.org/2005/Atom"><entry><link href="https://a.test/"/></entry></feed>',
        urlset.decode().replace("UTF-8", "UTF-16").encode("utf-16"), b"https://a.test/\nhttps://b.test/\n",
    )  # fmt: skip


def rows() -> tuple[bytes, ...]:
    """A URL, a sentence, a place and cells, with NULs between them."""
    return (
        b"https://a.test/\0the server said \x1b[31mno\0list.txt:1\0=cmd()\0-5",
        "https://a.test/é\0‮txt\0list.csv:2\0\uff1d1\0+1,234.5".encode(),
    )
