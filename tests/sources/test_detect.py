from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urlsweep.sources.detect import detect, foreign_kind
from urlsweep.sources.head import HEAD_LIMIT, Head
from urlsweep.sources.registry import FORMATS, SITEMAP_FORMATS


def kind(data: bytes, ending: str = "", *, is_whole: bool = True, column: bool = False) -> str | None:
    return detect(Head(data, is_whole=is_whole, ending=ending, is_column_asked_for=column), FORMATS)


@pytest.mark.parametrize(
    ("data", "ending", "expected"),
    [
        (b"", "", "text"),
        (b" \n\n", "", "text"),
        (b"https://a.example/\n", "", "text"),
        (b"# my list\nhttps://a.example/\n", "", "text"),
        (b"nonsense\n", "", "text"),
        # One URL is one URL, whatever stands in it.
        (b"https://a.example/a,b;c\nhttps://b.example/\n", "", "text"),
        (b"htp://a.example/a,b\nhttps://b.example/\n", "", "text"),
        (b"words, with commas\nhttps://b.example/x,y\n", "", "text"),
        # Tables without a telling name.
        (b"url\nhttps://a.example/\n", "", "csv"),
        (b'"id","URL"\n1,https://a.example/\n', "", "csv"),
        (b"name;url\nA;https://a.example/\n", "", "csv"),
        (b"A,https://a.example/\n", "", "csv"),
        (b"https://a.example/\tA\n", "", "csv"),
        (b"\nname,link\n\nA,https://a.example/\n", "", "csv"),
        (b"name,link\r\nA,https://a.example/", "", "csv"),
        (b"name,link\n", "", "text"),
        # Endings.
        (b"name,link\n", ".csv", "csv"),
        (b"https://a.example/\n", ".csv", "csv"),
        (b"https://a.example/\n", ".tsv", "tsv"),
        (b"https://a.example/,x\n", ".txt", "text"),
        (b"not JSON\n", ".ndjson", "jsonl"),
        (b"not XML\n", ".xml", "sitemap"),
        (b"https://a.example/\n", ".unheard", "text"),
        # Content tells before the ending does.
        (b"<urlset/>", ".csv", "sitemap"),
        (b'\xef\xbb\xbf\n <?xml version="1.0"?><rss/>', ".txt", "sitemap"),
        ("<feed/>".encode("utf-16"), "", "sitemap"),
        (b'{"url": "https://a.example/"}\n', ".txt", "jsonl"),
        (b'[{"url": "https://a.example/"}]', ".json", "jsonl"),
        ('\ufeff{"url": 1}'.encode("utf-16-be"), "", "jsonl"),
    ],
)
def test_formats(data: bytes, ending: str, expected: str) -> None:
    assert kind(data, ending) == expected


def test_a_column_asks_for_a_table_where_the_name_does_not_say_text() -> None:
    assert kind(b"name,link\n", column=True) == "csv"
    assert kind(b"name,link\n", ".txt", column=True) == "text"
    assert kind(b'{"url": ""}\n', column=True) == "jsonl"


@pytest.mark.parametrize(
    ("data", "expected"),
    [(b"<urlset/>", "sitemap"), (b"https://a.example/\n", "text"), (b"url\n", "text"), (b'{"url": ""}', "text")],
)
def test_a_sitemap_is_xml_or_text(data: bytes, expected: str) -> None:
    assert detect(Head(data, is_whole=True, ending=".csv"), SITEMAP_FORMATS) == expected


@pytest.mark.parametrize(
    ("data", "is_known"),
    [
        (b"", False),
        (b"\xef\xbb", False),
        (b" \n", False),
        (b"<", True),
        (b"{", True),
        (b"https://a.exam", False),
        (b"https://a.example/\n", True),
        (b"name,link\n", False),
        (b"name,link\nA,https://a.example/", False),
        (b"name,link\nA,https://a.example/\n", True),
    ],
)
def test_it_is_told_as_soon_as_it_can_be(data: bytes, is_known: bool) -> None:
    assert (kind(data, is_whole=False) is not None) is is_known


def test_an_endless_first_line_is_judged_by_its_beginning() -> None:
    assert kind(b"x" * (HEAD_LIMIT - 1), is_whole=False) is None
    assert kind(b"x" * HEAD_LIMIT, is_whole=False) == "text"


words = st.sampled_from(
    ["https://a.example/", "url", ",", ";", "\t", "\n", "\r\n", "<", "{", "#", "x", " ", '"', "\u00e9"]
)
texts = st.lists(words, max_size=12).map("".join)


@given(
    text=texts, encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]), ending=st.sampled_from(["", ".csv", ".txt"])
)
def test_more_bytes_never_change_what_was_told(text: str, encoding: str, ending: str) -> None:
    data = text.encode(encoding)
    told = [kind(data[:length], ending, is_whole=False) for length in range(len(data) + 1)]
    known = [name for name in told if name is not None]
    assert len({*known, *([kind(data, ending)] if known else [])}) <= 1


def test_kinds_that_no_source_reads_are_called_by_name() -> None:
    assert "workbook" in (foreign_kind(b"PK\x03\x04....") or "")
    assert foreign_kind(b"https://a.example/") is None
