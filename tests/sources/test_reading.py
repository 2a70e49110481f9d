from __future__ import annotations

import functools
import gzip
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urlsweep.core.model import Outcome, Reason, Target
from urlsweep.sources import Child
from urlsweep.sources.input import Input
from urlsweep.sources.reading import SITEMAP_BYTES, SITEMAP_URLS, Reading
from urlsweep.sources.tabular import TabularParser

pack = functools.partial(gzip.compress, mtime=0)  # the same bytes, hence test names, in every process

TEXT = b"https://a.example/\nhttps://b.example/\nhttps://c.example/\n"
TABLE = b"name,url\nA,https://a.example/\nB,https://b.example/\nC,https://c.example/\n"
LINES = b'{"url": "https://a.example/"}\n{"url": "https://b.example/"}\n{"url": "https://c.example/"}\n'
SITEMAP = (
    b"<urlset>" + b"".join(b"<url><loc>https://%c.example/</loc></url>" % letter for letter in b"abc") + b"</urlset>"
)
UTF16 = TEXT.decode().encode("utf-16")
DOCUMENTS = [TEXT, TABLE, LINES, SITEMAP, UTF16]
URLS = ["https://a.example/", "https://b.example/", "https://c.example/"]


def read(reading: Reading, *chunks: bytes) -> list[Target | Child]:
    items = [item for chunk in chunks for item in reading.feed(chunk)]
    return [*items, *reading.close()]


def reading_of(name: str = "input", format_name: str | None = None, *, expects_sitemap: bool = False) -> Reading:
    return Reading(Input(name), format_name, expects_sitemap=expects_sitemap)


@pytest.mark.parametrize("document", DOCUMENTS)
@pytest.mark.parametrize("layers", [0, 1, 2])
def test_every_format_is_told_by_content_packed_or_not(document: bytes, layers: int) -> None:
    for _ in range(layers):
        document = pack(document)
    assert [item.url for item in read(reading_of(), document)] == URLS
    assert [item.url for item in read(reading_of(), *(bytes([byte]) for byte in document))] == URLS


@given(document=st.sampled_from(DOCUMENTS), cuts=st.lists(st.integers(0, 300), max_size=4), is_packed=st.booleans())
def test_chunks_make_no_difference(document: bytes, cuts: list[int], is_packed: bool) -> None:
    if is_packed:
        document = pack(document)
    edges = [0, *sorted(cuts), len(document) + 300]
    chunks = [document[start:end] for start, end in itertools.pairwise(edges)]
    assert read(reading_of(), *chunks) == read(reading_of(), document)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_packed_data_cut_off_gives_whole_urls_only_and_a_fault(document: bytes) -> None:
    packed = pack(document, compresslevel=0)  # stored: what is cut off is cut in the middle of a line
    for length in range(2, len(packed)):
        *rows, last = read(reading_of(), packed[:length])
        assert isinstance(last, Target)
        assert last.url == "input"
        assert last.fault is not None
        assert (last.fault.outcome, last.fault.reason) == (Outcome.BROKEN, Reason.SOURCE_TRUNCATED)
        assert [row.url for row in rows] == URLS[: len(rows)]


def test_nothing_is_read_after_a_fault() -> None:
    reading = reading_of()
    first = list(reading.feed(pack(TEXT) + b"garbage"))
    assert reading.is_over
    assert [item.url for item in first] == [*URLS, "input"]
    assert list(reading.feed(TEXT)) == []
    assert list(reading.close()) == []


def test_the_format_asked_for_is_used() -> None:
    (target, *_) = read(reading_of(format_name="text"), TABLE)
    assert target.url == "name,url"


def test_a_trickle_starts_at_the_first_line() -> None:
    reading = reading_of("stdin")
    assert list(reading.feed(b"https://a.example")) == []
    assert [item.url for item in reading.feed(b"/\n")] == ["https://a.example/"]


def test_a_packed_trickle_starts_before_its_end() -> None:
    reading = reading_of("stdin")
    packed = pack(b"".join(b"https://a.example/%d\n" % number for number in range(100_000)))
    assert len(list(reading.feed(packed[: len(packed) // 2]))) > 10_000


@pytest.mark.parametrize("document", [b"PK\x03\x04rest of a workbook", b"%PDF-1.7", b"\x28\xb5\x2f\xfd"])
def test_a_kind_that_nobody_reads_is_named(document: bytes) -> None:
    (row,) = read(reading_of(), document)
    assert isinstance(row, Target)
    assert row.fault is not None
    assert row.fault.reason == Reason.SOURCE_MALFORMED
    assert "this is" in row.fault.detail


def test_a_bomb_is_a_fault() -> None:
    *_, row = read(reading_of(), pack(b"https://a.example/\n" * 2_000_000))
    assert isinstance(row, Target)
    assert row.fault is not None
    assert row.fault.reason == Reason.SOURCE_UNSAFE


def test_a_fetched_document_is_bounded_and_a_local_one_is_not() -> None:
    bounded = Reading(Input("https://a.example/s.txt", url="https://a.example/s.txt"), limit_bytes=1000)
    count = 0
    while not bounded.is_over:
        items = list(bounded.feed(TEXT))
        count += len(items)
    assert isinstance(items[-1], Target)
    assert items[-1].fault is not None
    assert items[-1].fault.reason == Reason.SOURCE_UNSAFE
    assert count == 3 * (1000 // len(TEXT)) + 1
    local = reading_of()
    assert all(item.url in URLS for _ in range(100) for item in local.feed(TEXT))


def test_no_bytes_are_no_rows_for_a_list_and_a_fault_for_a_sitemap() -> None:
    assert read(reading_of()) == []
    assert read(reading_of(), b" \n\n") == []
    for blank in (b"", b"\n \n"):
        (row,) = read(reading_of(expects_sitemap=True), blank)
        assert isinstance(row, Target)
        assert row.fault is not None
        assert "empty" in row.fault.detail


def warnings_of(*chunks: bytes, expects_sitemap: bool = True) -> list[str]:
    warnings: list[str] = []
    reading = Reading(Input("sitemap", warn=warnings.append), expects_sitemap=expects_sitemap)
    for chunk in chunks:
        for _ in reading.feed(chunk):
            pass
    list(reading.close())
    return warnings


def test_the_limits_of_sitemaps_are_warned_about_once() -> None:
    entries = b"<url><loc>https://a.example/</loc></url>" * SITEMAP_URLS
    assert warnings_of(b"<urlset>", entries, b"</urlset>") == []
    (too_many,) = warnings_of(b"<urlset>", entries, entries, b"</urlset>", expects_sitemap=False)
    assert f"more than the {SITEMAP_URLS:,} URLs" in too_many
    (too_many_lines,) = warnings_of(b"https://a.example/\n" * (SITEMAP_URLS + 1))
    assert "50,000" in too_many_lines
    filling = b" " * 1_000_000
    (too_long,) = warnings_of(
        b"<urlset><url><loc>a</loc></url>", *([filling] * (SITEMAP_BYTES // 1_000_000 + 2)), b"</urlset>"
    )
    assert f"{SITEMAP_BYTES:,} bytes" in too_long


def test_a_sitemap_without_a_url_is_warned_about_and_a_list_without_one_is_not() -> None:
    assert warnings_of(b"<urlset/>") == ["sitemap holds no URL"]
    assert warnings_of(b"# nothing\n", expects_sitemap=False) == []
    assert warnings_of(b"https://a.example/\n" * (SITEMAP_URLS + 1), expects_sitemap=False) == []


def test_the_parser_can_be_asked_for_its_columns() -> None:
    reading = reading_of()
    list(reading.feed(TABLE))
    assert isinstance(reading.parser, TabularParser)
    assert reading.parser.columns == ("name", "url")


@pytest.mark.parametrize("magic", [b"PK\x03\x04", b"\x28\xb5\x2f\xfd", b"%PDF-"])
def test_a_foreign_document_is_told_however_it_is_cut(magic: bytes) -> None:
    reading = Reading(Input("list"))
    items = [item for byte in magic + b" more" for item in reading.feed(bytes([byte]))]
    items += reading.close()
    assert [item.fault is not None and item.fault.reason for item in items if isinstance(item, Target)] == [
        Reason.SOURCE_MALFORMED
    ]


def test_what_only_begins_like_a_foreign_document_is_read() -> None:
    reading = Reading(Input("list"))
    items = [item for byte in b"PK" for item in reading.feed(bytes([byte]))]
    assert items == []
    assert [item.url for item in reading.close()] == ["PK"]
