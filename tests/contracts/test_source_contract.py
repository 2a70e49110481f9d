"""What every registered source format must keep, whatever it reads."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from urlsweep.core.model import Target
from urlsweep.sources import Child, Parser, SourceError
from urlsweep.sources.input import Input
from urlsweep.sources.registry import FORMATS

SAMPLES: dict[str, list[bytes]] = {
    # Documents with three URLs each, and with the edges of the format.
    "text": [
        b"https://a.example/\n# no row\n\n  https://b.example/x,y|z.  \r\nhttps://c.example/",
        b"\xef\xbb\xbfhttps://a.example/\rhttps://b.example/\r\rhttps://c.example/\xe9\r",
        "https://a.example/\r\nhttps://b.example/é\r\nhttps://c.example/\U0001f600".encode("utf-16"),
    ],
    "csv": [
        b'name,url,note\nA,https://a.example/,\nB,https://b.example/,"two\r\nlines, ""quoted"""\nC,https://c.example/',
        b"https://a.example/;1\nhttps://b.example/;2\nhttps://c.example/;3\n",
        b"\xef\xbb\xbfName;Link\r\nCaf\xe9;https://a.example/\r\n;https://b.example/\xe9\r\nx;https://c.example/;more\r\n",
        '\ufeffname\turl\nä\thttps://a.example/\n"b\t"\thttps://b.example/\nc\thttps://c.example/\n'.encode(
            "utf-16-be"
        ),
    ],
    "tsv": [
        b"name\turl\nA, B; C\thttps://a.example/\nB\thttps://b.example/\nC\thttps://c.example/",
        b"https://a.example/\t1\nhttps://b.example/\t2\nhttps://c.example/\t3\n",
    ],
    "jsonl": [
        b'{"url":"https://a.example/"}\n\n{"url":"https://b.example/","n":[1,2]}\r\n{"x":{},"url":"https://c.example/"}',
        b"""{"url": "https://a.example/"}
["https://no.example/"]
{"url": 7}
{"url": "https://b.example/"}
{"url": "https://no.example/\xe9"}
{"url": "https://c.example/"}
{"nothing": 1}
""",
    ],
    "sitemap": [
        b"""
<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">
<url><loc>https://a.example/?a=1&amp;b=2</loc></url>
<url><loc><![CDATA[https://b.example/]]></loc></url>
<url><loc>\r\n https://c.example/ </loc><lastmod>2024-01-01</lastmod></url>
</urlset>
""",
        b"""<sitemapindex>
<sitemap><loc>https://a.example/</loc></sitemap>
<sitemap><loc>https://b.example/</loc></sitemap>
<sitemap><loc>https://c.example/</loc></sitemap>
</sitemapindex>""",
        b"""<rss><channel><link>https://no.example/</link>
<item><link>https://a.example/</link></item>
<item><guid>https://b.example/</guid></item>
<item><link>https://c.example/</link></item>
</channel></rss>""",
        b"""<feed>
<entry><link href="https://a.example/"/></entry>
<entry><link rel="self" href="https://no.example/"/><link rel="alternate" href="https://b.example/"/></entry>
<entry><link href="https://c.example/"/></entry>
</feed>""",
        b"""<urlset>
<url><loc>https://a.example/</loc></url>
<url><loc>https://b.example/</loc></url>
<url><loc>https://c.example/</loc></url>
<url><loc>https://cut.example/""",
        """<urlset>
<url><loc>https://a.example/é</loc></url>
<url/>
<url><loc>https://b.example/</loc></url>
<url><loc>https://c.example/</loc></url>
</urlset>""".encode("utf-16"),
    ],
}

Item = Target | Child

formats = pytest.mark.parametrize("name", FORMATS)


def run(parser: Parser, chunks: Iterator[bytes]) -> list[Item]:
    items: list[Item] = []
    for chunk in chunks:
        items.extend(parser.feed(chunk))
    items.extend(parser.close())
    return items


def parse(name: str, *chunks: bytes) -> list[Item]:
    return run(FORMATS[name].parser(Input("the input")), iter(chunks))


def outcome(name: str, *chunks: bytes) -> list[Item] | str:
    """The items, or what was said where the input is of no use."""
    try:
        return parse(name, *chunks)
    except SourceError as error:
        return str(error)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


EVERY_SAMPLE = [
    pytest.param(name, document, id=f"{name}-{number}")
    for name, documents in SAMPLES.items()
    for number, document in enumerate(documents)
]
samples = pytest.mark.parametrize(("name", "document"), EVERY_SAMPLE)

WORDS = rb"""
https://a.example/ url " "" , ; # < > <urlset> <url> <loc> </loc> </url> </urlset> <![CDATA[ ]]> &amp; &nbsp; &#0;
<!-- --> <?xml version="1.0" encoding="shift_jis" ?> <!DOCTYPE a [ <rss> <channel> <item> <link> { } {"url":" "} : x
"""
SPACES_AND_ODD_BYTES = [b"\n", b"\r", b"\r\n", b"\t", b" ", b"\x00", b"\xff", b"\xe9", b"\xef\xbb\xbf", b"\xff\xfe"]
tokens = st.sampled_from([*WORDS.split(), *SPACES_AND_ODD_BYTES])
soup = st.one_of(st.binary(max_size=300), st.lists(tokens, max_size=40).map(b"".join))


def test_every_format_has_samples() -> None:
    assert set(SAMPLES) == set(FORMATS)


@samples
def test_samples_give_their_three_urls(name: str, document: bytes) -> None:
    urls = [item.url for item in parse(name, document) if isinstance(item, Child) or item.fault is None]
    hosts = [url.split("/")[2] for url in urls if url]
    assert hosts == ["a.example", "b.example", "c.example"]


@samples
def test_byte_by_byte_gives_the_same(name: str, document: bytes) -> None:
    assert parse(name, *(bytes([byte]) for byte in document)) == parse(name, document)


@samples
@given(places=st.lists(st.integers(min_value=0, max_value=10_000), max_size=6))
def test_any_chunks_of_a_sample_give_the_same(name: str, document: bytes, places: list[int]) -> None:
    assert parse(name, *cut(document, places)) == parse(name, document)


@formats
@given(data=soup, places=st.lists(st.integers(min_value=0, max_value=400), max_size=6))
@example(data=b"\xff", places=[])
@example(data=b"\xef\xbb", places=[1])
@example(data=b"\r\n", places=[1])
def test_any_bytes_in_any_chunks_raise_nothing_and_give_the_same(name: str, data: bytes, places: list[int]) -> None:
    whole = outcome(name, data)
    assert outcome(name, *cut(data, places)) == whole


@formats
@given(data=soup)
def test_every_item_says_where_it_was_found(name: str, data: bytes) -> None:
    items = outcome(name, data)
    if isinstance(items, str):
        assert items.startswith("the input")
    else:
        assert all(item.found_in.startswith("the input") for item in items)


@formats
@given(data=soup)
def test_faults_are_sentences_with_a_stable_reason(name: str, data: bytes) -> None:
    items = outcome(name, data)
    for item in items:
        if isinstance(item, Target) and item.fault is not None:
            assert item.fault.detail
            assert item.fault.reason.startswith(("source.", "url."))


@samples
def test_items_come_with_the_bytes_that_complete_them(name: str, document: bytes) -> None:
    """Nothing that is complete is held back to the end; some formats need a line end or the next row to be sure."""
    parser = FORMATS[name].parser(Input("the input"))
    before_the_end = [item for byte in document for item in parser.feed(bytes([byte]))]
    at_the_end = list(parser.close())
    assert len(at_the_end) <= 1
    assert len(before_the_end) >= 1


@formats
def test_an_empty_document_gives_no_url(name: str) -> None:
    for item in parse(name, b""):
        assert isinstance(item, Target)
        assert item.fault is not None


@samples
def test_a_fetched_document_is_named_by_its_url_alone(name: str, document: bytes) -> None:
    address = "https://lists.example/all"
    parser = FORMATS[name].parser(Input(address, url=address))
    assert {item.found_in for item in run(parser, iter([document]))} == {address}


@samples
def test_an_endless_document_is_read_as_it_comes(name: str, document: bytes) -> None:
    """The first item is there before the second chunk is asked for."""

    def chunks() -> Iterator[bytes]:
        yield document
        raise AssertionError("asked for more before giving what was there")

    parser = FORMATS[name].parser(Input("the input"))
    first = next(item for chunk in chunks() for item in parser.feed(chunk))
    assert first.url
