from __future__ import annotations

import tracemalloc
from collections.abc import Iterator

import pytest

from urlsweep.core.model import Fault, Outcome, Reason, Target
from urlsweep.sources import Child
from urlsweep.sources.input import Input
from urlsweep.sources.sitemap import SitemapParser

NAMESPACE = "http://www.sitemaps.org/schemas/sitemap/0.9"


def read(data: bytes | str, url: str | None = None) -> list[Target | Child]:
    parser = SitemapParser(Input(url or "sitemap.xml", url=url))
    content = data.encode() if isinstance(data, str) else data
    return [*parser.feed(content), *parser.close()]


def urls(data: bytes | str, url: str | None = None) -> list[str]:
    items = read(data, url)
    assert all(isinstance(item, Child) or item.fault is None for item in items), items
    return [item.url for item in items]


def fault_of(items: list[Target | Child]) -> Fault:
    last = items[-1]
    assert isinstance(last, Target)
    assert last.fault is not None
    return last.fault


def urlset(entries: str, attributes: str = f' xmlns="{NAMESPACE}"') -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<urlset{attributes}>{entries}</urlset>'


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (urlset(""), []),
        (urlset("<url><loc>https://a.example/</loc></url>"), ["https://a.example/"]),
        (urlset("<url><loc>\n\t https://a.example/ \n</loc></url>"), ["https://a.example/"]),
        (urlset("<url><loc>https://a.example/?a&amp;b&#61;&#x31;</loc></url>"), ["https://a.example/?a&b=1"]),
        (urlset("<url><loc><![CDATA[https://a.example/?a&b]]></loc></url>"), ["https://a.example/?a&b"]),
        (urlset("<url><loc>https://a.<!-- x -->example/<![CDATA[?a]]>&amp;b</loc></url>"), ["https://a.example/?a&b"]),
        (
            urlset("<url><lastmod>2024</lastmod><loc>a</loc><priority>1</priority></url><url><loc>b</loc></url>"),
            ["a", "b"],
        ),
        # Namespaces: none, a wrong one, a prefix, a prefix declared late, two names for the same one.
        (urlset("<url><loc>a</loc></url>", ""), ["a"]),
        (urlset("<url><loc>a</loc></url>", ' xmlns="http://www.google.com/schemas/sitemap/0.84"'), ["a"]),
        (f'<s:urlset xmlns:s="{NAMESPACE}"><s:url><s:loc>a</s:loc></s:url></s:urlset>', ["a"]),
        (f'<urlset xmlns="{NAMESPACE}"><s:url xmlns:s="{NAMESPACE}"><s:loc>a</s:loc></s:url></urlset>', ["a"]),
        (f'<s:urlset xmlns="{NAMESPACE}" xmlns:s="{NAMESPACE}"><url><s:loc>a</s:loc></url></s:urlset>', ["a"]),
        (urlset(f'<url xmlns="{NAMESPACE}"><loc>a</loc></url>', ""), ["a"]),
        # Extensions, declared or, as sloppy generators have it, not.
        (urlset("<url><loc>a</loc><image:image><image:loc>no</image:loc></image:image></url>"), ["a"]),
        (urlset("<url><loc>a</loc><image:loc>no</image:loc></url>"), ["a"]),
        (urlset('<url><loc>a</loc><image xmlns="urn:i"><loc>no</loc></image></url>'), ["a"]),
        (urlset('<url><loc>a</loc><loc xmlns="urn:i">no</loc></url>'), ["a"]),
        (urlset('<url><loc>a</loc><xhtml:link rel="alternate" hreflang="de" href="no"/></url>'), ["a"]),
        (urlset("<url><video:video><video:content_loc>no</video:content_loc></video:video><loc>a</loc></url>"), ["a"]),
        (urlset("<url><news:news><news:title>no</news:title></news:news><loc>a</loc></url>"), ["a"]),
        (urlset("<loc>no</loc><other><url><loc>no</loc></url></other><url><loc>a</loc></url>"), ["a"]),
        # An entry is a row also where it has no URL, and one with two has two.
        (urlset("<url></url><url><loc/></url><url><loc> </loc></url><url><loc>a</loc></url>"), ["", "", "", "a"]),
        (urlset("<url><loc>a</loc><loc>b</loc></url>"), ["a", "b"]),
        # What must not be there before the declaration, and often is.
        ("\n \n" + urlset("<url><loc>a</loc></url>"), ["a"]),
        ("\ufeff\n" + urlset("<url><loc>a</loc></url>"), ["a"]),
        (urlset("<url><loc>a</loc></url>") + "\n<!-- generated in 1 s -->\n", ["a"]),
        # Encodings.
        (
            '<?xml version="1.0" encoding="ISO-8859-1"?><urlset><url><loc>\u00e9</loc></url></urlset>'.encode(
                "latin-1"
            ),
            ["\u00e9"],
        ),
        (
            '<?xml version="1.0" encoding="windows-1252"?><urlset><url><loc>\u20ac</loc></url></urlset>'.encode(
                "cp1252"
            ),
            ["\u20ac"],
        ),
        (
            '<?xml version="1.0" encoding="UTF-16"?><urlset><url><loc>\u20ac</loc></url></urlset>'.encode("utf-16"),
            ["\u20ac"],
        ),
        # A DTD that is only referred to is not read.
        ('<!DOCTYPE urlset SYSTEM "file:///etc/passwd">' + "<urlset><url><loc>a</loc></url></urlset>", ["a"]),
    ],
)
def test_urlset(data: bytes | str, expected: list[str]) -> None:
    assert urls(data) == expected


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_line_end_that_is_cut_in_two_is_one(encoding: str) -> None:
    document = "<urlset>\r\n<url><loc>https://a.test/1</loc></url>\r\n</urlset>\r\nno XML\r\n"
    data = document.encode(encoding)
    bytewise = [data[at : at + 1] for at in range(len(data))]
    for pieces in [bytewise, *([data[:cut], data[cut:]] for cut in range(1, len(data)))]:
        parser = SitemapParser(Input("sitemap.xml"))
        items = [item for piece in pieces for item in parser.feed(piece)] + list(parser.close())
        assert [item.found_in for item in items] == ["sitemap.xml:2", "sitemap.xml:4"], pieces


def test_entries_are_found_by_line() -> None:
    items = read("\n\n" + urlset("\n<url>\n<loc>\na</loc></url>\n<url></url>"))
    assert [item.found_in for item in items] == ["sitemap.xml:6", "sitemap.xml:8"]


def test_an_index_names_children() -> None:
    index = f"""<sitemapindex xmlns="{NAMESPACE}">
    <sitemap><loc>https://a.example/1.xml</loc><lastmod>2024-01-01</lastmod></sitemap>
    <sitemap><loc> /2.xml.gz </loc></sitemap>
    <sitemap></sitemap>
    <url><loc>no</loc></url>
    </sitemapindex>"""
    assert read(index) == [
        Child("https://a.example/1.xml", "sitemap.xml:2"),
        Child("/2.xml.gz", "sitemap.xml:3"),
        Target("", "sitemap.xml:4"),
    ]


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ("<item><link>https://a.example/</link><guid>no</guid></item>", ["https://a.example/"]),
        ("<item><guid>https://no.example/</guid><link>https://a.example/</link></item>", ["https://a.example/"]),
        ("<item><guid>https://a.example/</guid></item>", ["https://a.example/"]),
        ('<item><guid isPermaLink="true">https://a.example/</guid><link/></item>', ["https://a.example/"]),
        ('<item><guid isPermaLink="false">https://no.example/</guid></item>', []),
        ("<item><guid>4711</guid></item>", []),
        ("<item><title>no link is lawful</title></item>", []),
        ('<item><atom:link href="no"/><atom:link>no</atom:link><link>a</link></item>', ["a"]),
        ('<item><media:content url="no"/><enclosure url="no"/><comments>no</comments><link>a</link></item>', ["a"]),
        ("<image><link>no</link></image><item><link><![CDATA[a&b]]></link></item>", ["a&b"]),
    ],
)
def test_rss(items: str, expected: list[str]) -> None:
    feed = f'<rss version="2.0"><channel><title>t</title><link>no</link><atom:link href="no"/>{items}</channel></rss>'
    assert urls(feed) == expected


@pytest.mark.parametrize(
    ("entries", "expected"),
    [
        ('<entry><link href="https://b.example/"/></entry>', ["https://b.example/"]),
        ('<entry><link rel="alternate" href="https://b.example/"/></entry>', ["https://b.example/"]),
        ('<entry><link rel="self" href="no"/><link rel="enclosure" href="no"/></entry>', []),
        ('<entry><link href="x?y#z"/></entry>', ["https://a.example/feeds/x?y#z"]),
        (
            '<entry xml:base="/blog/"><link href="x"/></entry><entry><link href="x"/></entry>',
            ["https://a.example/blog/x", "https://a.example/feeds/x"],
        ),
        ('<entry><link xml:base="https://c.example/" href="x"/></entry>', ["https://c.example/x"]),
        (
            '<entry><source><link href="no"/></source><content><a href="no"/></content><link href="mailto:x"/></entry>',
            ["mailto:x"],
        ),
        ('<entry><link href=""/></entry>', [""]),
    ],
)
def test_atom(entries: str, expected: list[str]) -> None:
    feed = f'<feed xmlns="http://www.w3.org/2005/Atom"><link href="no"/>{entries}</feed>'
    assert urls(feed, "https://a.example/feeds/all.xml") == expected


def test_a_relative_atom_link_in_a_file_is_given_as_it_stands() -> None:
    assert urls('<feed><entry><link href="/x"/></entry></feed>') == ["/x"]
    assert urls('<feed xml:base="mailto:x"><entry><link href="/x"/></entry></feed>') == ["/x"]
    assert urls('<feed xml:base="https://a.example/"><entry><link href="/x"/></entry></feed>') == [
        "https://a.example/x"
    ]


def test_a_fetched_sitemap_is_named_by_its_url() -> None:
    (item,) = read(urlset("<url><loc>a</loc></url>"), "https://a.example/sitemap.xml")
    assert item.found_in == "https://a.example/sitemap.xml"


SMALL = urlset(
    """
<url><loc>https://a.example/</loc><lastmod>2024-01-01</lastmod></url>
<url><loc><![CDATA[https://b.example/]]></loc><image:image><image:loc>no</image:loc></image:image></url>
<!-- a comment --><url><loc>https://c.example/?\u00e9&amp;d</loc></url>
"""
).encode()


def test_a_sitemap_cut_off_anywhere_says_so_and_keeps_what_came_before() -> None:
    whole = urls(SMALL)
    for length in range(len(SMALL)):
        *rows, _ = items = read(SMALL[:length])
        fault = fault_of(items)
        assert fault.outcome is Outcome.BROKEN
        assert fault.reason == (Reason.SOURCE_TRUNCATED if length else Reason.SOURCE_MALFORMED), length
        assert [row.url for row in rows] == whole[: SMALL[:length].count(b"</loc>")], length


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("<url><loc>b</url></urlset>", "mismatched tag"),
        ("<url><loc>b & c</loc></url></urlset>", "not well-formed"),
        ("<url><loc>b&nbsp;c</loc></url></urlset>", "undefined entity"),
        ("<url><loc>b\x00</loc></url></urlset>", "not well-formed"),
        ("</urlset><urlset></urlset>", "junk after document element"),
        ("<url a='1' a='2'></url></urlset>", "duplicate attribute"),
    ],
)
def test_malformed_xml_gives_what_came_before_and_a_fault_with_its_place(rest: str, said: str) -> None:
    first, *_ = items = read(f"<urlset>\n<url><loc>a</loc></url>\n{rest}")
    fault = fault_of(items)
    assert first.url == "a"
    assert (fault.outcome, fault.reason) == (Outcome.BROKEN, Reason.SOURCE_MALFORMED)
    assert said in fault.detail
    assert "line 3, column " in fault.detail
    assert items[-1].url == "sitemap.xml"
    assert items[-1].found_in == "sitemap.xml:3"


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("", "empty"),
        (" \n ", "empty"),
        ("<!DOCTYPE html><html><body>Not found</body></html>", "HTML page"),
        ("<html><head></head></html>", "HTML page"),
        ('<?xml version="1.0"?><!DOCTYPE HTML PUBLIC "-//W3C//DTD XHTML 1.0//EN" "x.dtd"><html/>', "HTML page"),
        ("<Error><Code>AccessDenied</Code></Error>", "root element <Error>"),
        ("<url><loc>https://a.example/</loc></url>", "root element <url>"),
        ('<?xml version="1.0" encoding="shift_jis"?><urlset/>', "encoding"),
        ('<?xml version="1.0" encoding="no-such"?><urlset/>', "encoding"),
        ('<?xml version="1.0" encoding="idna"?><urlset/>', "encoding"),
        ('<!DOCTYPE rss PUBLIC "x" "y.dtd"><rss><channel><item><link>a&nbsp;b</link></item></channel></rss>', "&nbsp;"),
        ("https://a.example/\n", "not well-formed"),
    ],
)
def test_what_is_no_sitemap_says_what_it_is(document: str, said: str) -> None:
    (fault_row,) = items = read(document)
    assert fault_row.url == "sitemap.xml"
    assert fault_of(items).reason == Reason.SOURCE_MALFORMED
    assert said in fault_of(items).detail


BILLION_LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE urlset [<!ENTITY a "https://a.example/">'
    + "".join(f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefgh", "bcdefghi", strict=True))
    + "]><urlset><url><loc>&i;</loc></url></urlset>"
)
EXTERNAL_ENTITY = (
    '<!DOCTYPE urlset [<!ENTITY a SYSTEM "file:///etc/passwd">]><urlset><url><loc>&a;</loc></url></urlset>'
)
PARAMETER_ENTITY = '<!DOCTYPE urlset [<!ENTITY % a SYSTEM "http://a.example/x.dtd"> %a;]><urlset></urlset>'
QUADRATIC = f'<!DOCTYPE urlset [<!ENTITY a "{"x" * 10_000}">]><urlset><url><loc>{"&a;" * 10_000}</loc></url></urlset>'


@pytest.mark.parametrize("bomb", [BILLION_LAUGHS, EXTERNAL_ENTITY, PARAMETER_ENTITY, QUADRATIC])
def test_entity_bombs_are_refused(bomb: str) -> None:
    items = read(bomb)
    assert len(items) == 1
    assert fault_of(items).reason == Reason.SOURCE_UNSAFE
    assert "DTD" in fault_of(items).detail


def endless(start: bytes, piece: bytes) -> Iterator[bytes]:
    yield start
    while True:
        yield piece


def many_names() -> Iterator[bytes]:
    yield b"<urlset>"
    for number in range(10_000_000):
        yield b"".join(b"<a%d/>" % (number * 1000 + offset) for offset in range(1000))


@pytest.mark.parametrize(
    ("chunks", "said"),
    [
        (endless(b"<urlset>", b"<a>" * 1000), "nested"),
        (endless(b"<urlset><!--", b"x" * 65_536), "tag or comment"),
        (endless(b"<urlset><url a='", b"x" * 65_536), "tag or comment"),
        (endless(b"<urlset><", b"x" * 65_536), "tag or comment"),
        (many_names(), "names"),
    ],
)
def test_what_would_fill_the_memory_is_refused(chunks: Iterator[bytes], said: str) -> None:
    parser = SitemapParser(Input("sitemap.xml"))
    tracemalloc.start()
    try:
        fault_row = next(item for chunk in chunks for item in parser.feed(chunk))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert fault_of([fault_row]).reason == Reason.SOURCE_UNSAFE
    assert said in fault_of([fault_row]).detail
    assert peak < 16 * 1024 * 1024
    assert list(parser.feed(b"<url><loc>a</loc></url>")) == []
    assert list(parser.close()) == []


def test_a_long_token_in_crumbs_is_not_read_again_and_again() -> None:
    calls = 0

    class Counting(SitemapParser):
        def _parse(self, is_end: bool = False) -> Iterator[Target | Child]:
            nonlocal calls
            calls += 1
            return super()._parse(is_end)

    parser = Counting(Input("sitemap.xml"))
    items = list(parser.feed(b"<urlset><url><loc>a</loc></url><!--"))
    for _ in range(500_000 // 10):
        items += parser.feed(b"x" * 10)
    items += parser.feed(b"--><url><loc>b</loc></url></urlset>")
    items += parser.close()
    assert [item.url for item in items] == ["a", "b"]
    assert calls < 1000


def test_a_url_without_end_is_an_invalid_row_and_is_not_held() -> None:
    parser = SitemapParser(Input("sitemap.xml"))
    items = list(parser.feed(b"<urlset><url><loc>https://a.example/"))
    for _ in range(100):
        items += parser.feed(b"x" * 65_536)
    items += parser.feed(b"</loc></url><url><loc>b</loc></url></urlset>")
    items += parser.close()
    long_one, next_one = items
    assert fault_of([long_one]).outcome is Outcome.INVALID
    assert len(long_one.url) <= 200
    assert next_one.url == "b"


def test_a_sitemap_of_200_000_urls_is_never_held() -> None:
    def chunks() -> Iterator[bytes]:
        yield b'<urlset xmlns="urn:x">'
        for number in range(2000):
            yield b"".join(
                b"<url><loc>https://a.example/%d</loc><changefreq>daily</changefreq></url>" % (number * 100 + offset)
                for offset in range(100)
            )
        yield b"</urlset>"

    parser = SitemapParser(Input("sitemap.xml"))
    count = 0
    tracemalloc.start()
    try:
        for chunk in chunks():
            for _ in parser.feed(chunk):
                count += 1
        count += len(list(parser.close()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 200_000
    assert peak < 1024 * 1024
