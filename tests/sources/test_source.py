from __future__ import annotations

import asyncio
import functools
import gzip
import io
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, nullcontext
from pathlib import Path

import pytest

from urlsweep.core.documents import FetchError
from urlsweep.core.model import Fault, Outcome, Reason, Target
from urlsweep.sources import source as source_module
from urlsweep.sources.input import Input
from urlsweep.sources.opening import open_sitemap, open_source
from urlsweep.sources.source import DEEPEST_INDEX, MOST_IN_BLOCK, DocumentSource, Source

pack = functools.partial(gzip.compress, mtime=0)  # the same bytes, hence test names, in every process

SITE = "https://a.example"
BROKEN_OFF = Fault(Outcome.DOWN, Reason.RESPONSE_RESET, "the connection was reset")


def urlset(*locs: str) -> bytes:
    return f"<urlset>{''.join(f'<url><loc>{loc}</loc></url>' for loc in locs)}</urlset>".encode()


def index(*locs: str) -> bytes:
    return f"<sitemapindex>{''.join(f'<sitemap><loc>{loc}</loc></sitemap>' for loc in locs)}</sitemapindex>".encode()


class Body:
    def __init__(self, url: str, content: bytes | Fault | tuple[bytes, Fault]) -> None:
        self.url = url
        self.is_public = ".example" in url
        self._content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        content, fault = self._content if isinstance(self._content, tuple) else (self._content, None)
        assert isinstance(content, bytes)
        size = max(7, len(content) // 100)
        for start in range(0, len(content), size):
            await asyncio.sleep(0)
            yield content[start : start + size]
        if fault is not None:
            raise FetchError(fault)


class Site:
    """Serves documents from a dict: bytes, a Fault in place of them, or bytes with a Fault in their middle."""

    def __init__(
        self, pages: dict[str, bytes | Fault | tuple[bytes, Fault]], moved: dict[str, str] | None = None
    ) -> None:
        self.asked: list[str] = []
        self.asked_for_public: list[str] = []  # those of them that must not be private
        self._pages = pages
        self._moved = moved or {}

    @asynccontextmanager
    async def fetch(self, url: str, *, public_only: bool = False) -> AsyncIterator[Body]:
        self.asked.append(url)
        if public_only:
            self.asked_for_public.append(url)
        final = self._moved.get(url, url)
        content = self._pages.get(final)
        if content is None:
            raise FetchError(Fault(Outcome.BROKEN, "http.404", "the server answered 404", 404))
        if isinstance(content, Fault):
            raise FetchError(content)
        yield Body(final, content)


async def collect(source: Source) -> list[Target]:
    async with aclosing(source.blocks()) as blocks:
        return [target async for block in blocks for target in block]


async def sweep(site: Site, argument: str, warnings: list[str] | None = None) -> tuple[list[Target], Source]:
    source = open_sitemap(argument, fetcher=site, warn=(warnings if warnings is not None else list[str]()).append)
    return await collect(source), source


def reasons(targets: list[Target]) -> list[str]:
    return [target.fault.reason for target in targets if target.fault is not None]


async def test_a_sitemap_is_fetched_and_its_urls_say_where_they_were_found() -> None:
    site = Site({f"{SITE}/s.xml": pack(urlset(f"{SITE}/1", f"{SITE}/2"))})
    targets, source = await sweep(site, f"{SITE}/s.xml")
    assert targets == [Target(f"{SITE}/1", f"{SITE}/s.xml"), Target(f"{SITE}/2", f"{SITE}/s.xml")]
    assert (source.found, source.failed, source.name) == (2, False, f"{SITE}/s.xml")


async def test_an_index_is_descended_in_order_each_document_to_its_end() -> None:
    site = Site(
        {
            f"{SITE}/i.xml": index("/a.xml", "b/index.xml", "https://b.example/c.txt"),
            f"{SITE}/a.xml": urlset("a1", "a2"),
            f"{SITE}/b/index.xml": index("1.xml", "2.xml"),
            f"{SITE}/b/1.xml": urlset("b1"),
            f"{SITE}/b/2.xml": urlset("b2"),
            "https://b.example/c.txt": b"https://b.example/c1\n# comment\nhttps://b.example/c2\n",
        }
    )
    targets, source = await sweep(site, f"{SITE}/i.xml")
    assert [target.url for target in targets] == [
        "a1",
        "a2",
        "b1",
        "b2",
        "https://b.example/c1",
        "https://b.example/c2",
    ]
    assert targets[2].found_in == f"{SITE}/b/1.xml"
    assert source.found == 6


async def test_children_are_resolved_against_where_the_index_was_in_the_end() -> None:
    pages: dict[str, bytes | Fault | tuple[bytes, Fault]] = {
        "https://b.example/deep/i.xml": index("s.xml"),
        "https://b.example/deep/s.xml": urlset("x"),
    }
    site = Site(pages, moved={f"{SITE}/i.xml": "https://b.example/deep/i.xml"})
    targets, _ = await sweep(site, f"{SITE}/i.xml")
    assert [target.url for target in targets] == ["x"]


async def test_a_child_that_cannot_be_had_is_a_row_and_the_others_go_on() -> None:
    site = Site(
        {
            f"{SITE}/i.xml": index("/missing.xml", "/a.xml", "/down.xml", "mailto:x", "http://", "/b.xml"),
            f"{SITE}/a.xml": urlset("a"),
            f"{SITE}/b.xml": urlset("b"),
            f"{SITE}/down.xml": Fault(Outcome.DOWN, Reason.CONNECT_REFUSED, "refused"),
        }
    )
    targets, source = await sweep(site, f"{SITE}/i.xml")
    # What is no URL to fetch is told where the index names it, the rest when it is its turn.
    assert [target.url for target in targets] == [
        "mailto:x",
        "http://",
        f"{SITE}/missing.xml",
        "a",
        f"{SITE}/down.xml",
        "b",
    ]
    assert reasons(targets) == ["skip.unsupported_scheme", "url.malformed", "http.404", "connect.refused"]
    missing = targets[2]
    assert missing.found_in == f"{SITE}/i.xml"
    assert missing.fault is not None
    assert missing.fault.status == 404
    assert not source.failed


async def test_a_child_is_never_a_file() -> None:
    site = Site({f"{SITE}/i.xml": index("file:///etc/passwd")})
    targets, source = await sweep(site, f"{SITE}/i.xml")
    assert reasons(targets) == ["skip.unsupported_scheme"]
    assert site.asked == [f"{SITE}/i.xml"]
    assert source.failed


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (Fault(Outcome.BROKEN, "http.410", "gone", 410), "http.410"),
        (b"", Reason.SOURCE_MALFORMED),
        (b"<!DOCTYPE html><html></html>", Reason.SOURCE_MALFORMED),
        (pack(urlset("x"))[:12], Reason.SOURCE_TRUNCATED),
        (b"<urlset><url><loc>https://a.ex", Reason.SOURCE_TRUNCATED),
        ((b"<urlset><url><loc>https://a.ex", BROKEN_OFF), Reason.RESPONSE_RESET),
        (b'<!DOCTYPE urlset [<!ENTITY a "a">]><urlset/>', Reason.SOURCE_UNSAFE),
    ],
)
async def test_a_sitemap_of_which_nothing_can_be_read_is_one_row_and_a_failure(
    content: bytes | Fault | tuple[bytes, Fault], reason: str
) -> None:
    targets, source = await sweep(Site({f"{SITE}/s.xml": content}), f"{SITE}/s.xml")
    assert reasons(targets) == [reason]
    assert targets[0].url == f"{SITE}/s.xml"
    assert targets[0].found_in == f"{SITE}/s.xml"
    assert (source.found, source.failed) == (0, True)


async def test_a_body_that_breaks_off_gives_what_came_before() -> None:
    content = urlset("https://a.example/1")[: -len("</urlset>")] + b"<url><loc>https://a.example/cu"
    targets, source = await sweep(Site({f"{SITE}/s.xml": (content, BROKEN_OFF)}), f"{SITE}/s.xml")
    assert targets[0].url == "https://a.example/1"
    assert reasons(targets) == [Reason.RESPONSE_RESET]
    assert len(targets) == 2
    assert (source.found, source.failed) == (1, False)


async def test_a_text_sitemap_that_breaks_off_does_not_give_half_a_url() -> None:
    targets, _ = await sweep(
        Site({f"{SITE}/s.txt": (b"https://a.example/1\nhttps://a.exam", BROKEN_OFF)}), f"{SITE}/s.txt"
    )
    assert [target.url for target in targets] == ["https://a.example/1", f"{SITE}/s.txt"]


async def test_cycles_and_repeats_are_read_once_and_warned_about() -> None:
    site = Site(
        {
            f"{SITE}/i.xml": index("/i.xml", "/a.xml", "/a.xml#again", "/j.xml"),
            f"{SITE}/j.xml": index("/i.xml", "/j.xml"),
            f"{SITE}/a.xml": urlset("a"),
        }
    )
    warnings: list[str] = []
    targets, _ = await sweep(site, f"{SITE}/i.xml", warnings)
    assert [target.url for target in targets] == ["a"]
    assert sorted(site.asked) == [f"{SITE}/a.xml", f"{SITE}/i.xml", f"{SITE}/j.xml"]
    assert warnings == [
        f"{SITE}/i.xml names 2 sitemap(s) again that were already named: read once",
        f"{SITE}/j.xml names 2 sitemap(s) again that were already named: read once",
    ]


async def test_indexes_without_end_are_refused() -> None:
    class Endless(Site):
        @asynccontextmanager
        async def fetch(self, url: str, *, public_only: bool = False) -> AsyncIterator[Body]:
            self.asked.append(url)
            yield Body(url, index(f"{url}x"))

    site = Endless({})
    targets, source = await sweep(site, f"{SITE}/i.xml")
    assert reasons(targets) == [Reason.SOURCE_UNSAFE]
    assert len(site.asked) == DEEPEST_INDEX + 1
    assert source.failed


async def test_what_a_public_site_names_must_be_public() -> None:
    inside = "http://10.0.0.1/1.xml"
    site = Site({f"{SITE}/robots.txt": f"Sitemap: {inside}".encode(), inside: urlset("a")})
    await sweep(site, SITE)
    assert site.asked_for_public == [inside]
    site = Site({f"{SITE}/i.xml": index("/j.xml"), f"{SITE}/j.xml": index(inside), inside: urlset("a")})
    await sweep(site, f"{SITE}/i.xml")
    assert site.asked == [f"{SITE}/i.xml", f"{SITE}/j.xml", inside]
    assert site.asked_for_public == [f"{SITE}/j.xml", inside]


async def test_what_a_private_site_names_may_be_private() -> None:
    site = Site({"http://10.0.0.1/i.xml": index("/1.xml"), "http://10.0.0.1/1.xml": urlset("a")})
    await sweep(site, "http://10.0.0.1/i.xml")
    assert site.asked_for_public == []


async def test_sitemaps_without_number_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "MOST_SITEMAPS", 3)
    site = Site({f"{SITE}/i.xml": index("/1", "/2", "/3", "/4"), f"{SITE}/1": urlset("a"), f"{SITE}/2": urlset("b")})
    targets, _ = await sweep(site, f"{SITE}/i.xml")
    assert [target.url for target in targets] == [f"{SITE}/3", f"{SITE}/4", "a", "b"]
    assert reasons(targets) == [Reason.SOURCE_UNSAFE] * 2


@pytest.mark.parametrize("root", [SITE, f"{SITE}/", "HTTPS://A.example:443/#top"])
async def test_a_sites_root_means_what_its_robots_txt_names(root: str) -> None:
    site = Site(
        {
            f"{SITE}/robots.txt": b"Disallow:\r\nSitemap: https://a.example/1.xml\r\nsitemap: /2.xml\nSitemap: 1.xml",
            f"{SITE}/1.xml": urlset("a"),
            f"{SITE}/2.xml": urlset("b"),
        }
    )
    targets, source = await sweep(site, root)
    assert [target.url for target in targets] == ["a", "b"]
    assert source.found == 2


@pytest.mark.parametrize(
    ("robots", "warns"),
    [
        (None, False),
        (b"User-agent: *\nDisallow:\n", False),
        (Fault(Outcome.BROKEN, "http.403", "forbidden", 403), False),
        (Fault(Outcome.DOWN, "http.503", "unavailable", 503), True),
        (Fault(Outcome.DOWN, Reason.RESPONSE_TIMEOUT, "timed out"), True),
        (b"Sitemap: mailto:x\n", True),
    ],
)
async def test_a_robots_txt_that_names_none_leads_to_sitemap_xml(robots: bytes | Fault | None, warns: bool) -> None:
    pages: dict[str, bytes | Fault | tuple[bytes, Fault]] = {f"{SITE}/sitemap.xml": urlset("a")}
    if robots is not None:
        pages[f"{SITE}/robots.txt"] = robots
    warnings: list[str] = []
    targets, _ = await sweep(Site(pages), SITE, warnings)
    assert [target.url for target in targets] == ["a"]
    assert len(warnings) == warns


async def test_a_site_without_any_sitemap_fails_with_a_row() -> None:
    site = Site({})
    targets, source = await sweep(site, SITE)
    assert site.asked == [f"{SITE}/robots.txt", f"{SITE}/sitemap.xml"]
    assert [target.url for target in targets] == [f"{SITE}/sitemap.xml"]
    assert reasons(targets) == ["http.404"]
    assert source.failed


async def test_an_endless_robots_txt_is_left() -> None:
    lines = b"Sitemap: /1.xml\n" + b"Disallow: /x\n" * 100_000
    site = Site({f"{SITE}/robots.txt": lines + b"Sitemap: /late.xml\n", f"{SITE}/1.xml": urlset("a")})
    targets, _ = await sweep(site, SITE)
    assert [target.url for target in targets] == ["a"]


async def test_credentials_are_used_for_the_site_and_shown_nowhere() -> None:
    page = "https://me:s%40cret@a.example"
    site = Site({f"{page}/robots.txt": b"", f"{page}/sitemap.xml": b"<urlset><url><loc>x</loc></url>"})
    targets, source = await sweep(site, f"{page}/")
    assert [target.url for target in targets if target.fault is None] == ["x"]
    assert "cret" not in repr(targets)
    assert "cret" not in source.name


async def test_a_file_index_is_fetched_from_the_web(tmp_path: Path) -> None:
    path = tmp_path / "index.xml"
    path.write_bytes(index(f"{SITE}/a.xml", "relative.xml"))
    site = Site({f"{SITE}/a.xml": urlset("a")})
    for source in (open_sitemap(str(path), fetcher=site), open_source(str(path), fetcher=site)):
        targets = await collect(source)
        assert [target.url for target in targets] == ["relative.xml", "a"]
        assert targets[0].found_in == f"{path}:1"
        assert reasons(targets) == [Reason.URL_MALFORMED]


async def test_a_file_index_without_a_fetcher_says_so(tmp_path: Path) -> None:
    path = tmp_path / "index.xml"
    path.write_bytes(index(f"{SITE}/a.xml"))
    source = open_sitemap(str(path))
    (row,) = await collect(source)
    assert row.fault is not None
    assert row.fault.reason == Reason.SOURCE_UNREADABLE
    assert source.failed


class Failing(io.RawIOBase):
    """A stream that breaks after its first chunk."""

    def __init__(self) -> None:
        self._is_read = False

    def read(self, size: int = -1, /) -> bytes:
        if self._is_read:
            raise OSError(5, "Input/output error")
        self._is_read = True
        return b"https://a.example/\nhttps://b.ex"


async def test_a_read_error_gives_what_came_before_and_a_fault() -> None:
    source = DocumentSource(Input("urls.txt"), open_stream=lambda: nullcontext(Failing()))
    targets = await collect(source)
    assert [target.url for target in targets] == ["https://a.example/", "urls.txt"]
    assert reasons(targets) == [Reason.SOURCE_UNREADABLE]
    assert not source.failed


async def test_leaving_early_leaves_nothing_behind() -> None:
    site = Site({f"{SITE}/s.xml": urlset(*(f"{SITE}/{number}" for number in range(1000)))})
    source = open_sitemap(f"{SITE}/s.xml", fetcher=site)
    async with aclosing(source.blocks()) as blocks:
        assert (await anext(blocks))[0].url == f"{SITE}/0"
    assert len(asyncio.all_tasks()) == 1


async def test_targets_come_in_blocks_of_what_is_there_already() -> None:
    lines = b"".join(b"https://a.example/%d\n" % number for number in range(MOST_IN_BLOCK + 10))
    source = DocumentSource(Input("urls.txt"), open_stream=lambda: nullcontext(io.BytesIO(lines)))
    async with aclosing(source.blocks()) as blocks:
        assert [len(block) async for block in blocks] == [MOST_IN_BLOCK, 10]
    assert source.found == MOST_IN_BLOCK + 10
