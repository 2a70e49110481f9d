from __future__ import annotations

import pytest

from urlsweep.core.model import Outcome, Reason, Target
from urlsweep.sources.input import Input
from urlsweep.sources.lines import LONGEST_LINE
from urlsweep.sources.text import TextParser


def read(*chunks: bytes) -> list[Target]:
    parser = TextParser(Input("urls.txt"))
    return [target for chunk in chunks for target in parser.feed(chunk)] + list(parser.close())


def rows(data: bytes) -> list[tuple[str, str]]:
    return [(target.url, target.found_in) for target in read(data)]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"\n \n\t\n", []),
        (b"https://a.example/", [("https://a.example/", "urls.txt:1")]),
        (b"# a comment\n\n  https://a.example/  \n", [("https://a.example/", "urls.txt:3")]),
        (b"  # an indented comment\n", []),
        (b"https://a.example/#part\n", [("https://a.example/#part", "urls.txt:1")]),
        (b"x\r\ny\r\n", [("x", "urls.txt:1"), ("y", "urls.txt:2")]),
        (b"x\ry\r", [("x", "urls.txt:1"), ("y", "urls.txt:2")]),
        (b"x\n\ry", [("x", "urls.txt:1"), ("y", "urls.txt:3")]),
        (b"\xef\xbb\xbfx\n", [("x", "urls.txt:1")]),
        # Files with a BOM each, joined by cat.
        (b"x\n\xef\xbb\xbfy\n\xef\xbb\xbf# no row\n", [("x", "urls.txt:1"), ("y", "urls.txt:2")]),
        ("x\r\n\u00e9\r\n".encode("utf-16"), [("x", "urls.txt:1"), ("\u00e9", "urls.txt:2")]),
        ("\ufeffx\n\U0001f600".encode("utf-16-be"), [("x", "urls.txt:1"), ("\U0001f600", "urls.txt:2")]),
        # The line is the URL, whatever stands in it.
        (b"https://a.example/a,b|c.d;e (f).\n", [("https://a.example/a,b|c.d;e (f).", "urls.txt:1")]),
        (
            b"not a URL\nhttps://a.example/ trailing words\n",
            [("not a URL", "urls.txt:1"), ("https://a.example/ trailing words", "urls.txt:2")],
        ),
        # A no-break space is white space to people.
        ("\u00a0https://a.example/\u00a0\n".encode(), [("https://a.example/", "urls.txt:1")]),
        # Bytes that are not UTF-8 are what they would be on the wire.
        (b"https://a.example/caf\xe9?\xff\xfe\n", [("https://a.example/caf%E9?%FF%FE", "urls.txt:1")]),
        (b"a\x00b\x1bc\n", [("a\x00b\x1bc", "urls.txt:1")]),
    ],
)
def test_lines(data: bytes, expected: list[tuple[str, str]]) -> None:
    assert rows(data) == expected


def test_a_line_that_is_too_long_is_one_invalid_row_and_the_next_line_is_read() -> None:
    data = b"https://a.example/\nhttps://long.example/" + b"x" * LONGEST_LINE + b"\nhttps://b.example/\n"
    first, long_line, last = read(data)
    assert (first.url, last.url) == ("https://a.example/", "https://b.example/")
    assert (first.found_in, last.found_in) == ("urls.txt:1", "urls.txt:3")
    assert long_line.found_in == "urls.txt:2"
    assert long_line.url.startswith("https://long.example/xxx")
    assert len(long_line.url) <= 200
    assert long_line.fault is not None
    assert (long_line.fault.outcome, long_line.fault.reason) == (Outcome.INVALID, Reason.URL_MALFORMED)


@pytest.mark.parametrize("extra", [-1, 0, 1, 70_000])
@pytest.mark.parametrize("size", [1000, 64 * 1024, LONGEST_LINE, 3 * LONGEST_LINE])
def test_the_limit_does_not_depend_on_the_chunks(extra: int, size: int) -> None:
    data = b"a\n" + b"x" * (LONGEST_LINE + extra) + b"\nb\n"
    targets = read(*(data[start : start + size] for start in range(0, len(data), size)))
    assert [target.found_in for target in targets] == ["urls.txt:1", "urls.txt:2", "urls.txt:3"]
    assert (targets[1].fault is not None) is (extra > 0)


def test_an_endless_line_is_not_held() -> None:
    parser = TextParser(Input("urls.txt"))
    targets = [target for _ in range(400) for target in parser.feed(b"x" * 65_536)]
    assert len(targets) == 1
    assert len(parser._lines._tail) <= LONGEST_LINE
    assert list(parser.close()) == []


def test_a_trickle_is_passed_on_line_by_line() -> None:
    parser = TextParser(Input("stdin"))
    assert list(parser.feed(b"https://a.exam")) == []
    assert [target.url for target in parser.feed(b"ple/\nhttps")] == ["https://a.example/"]
    assert [target.url for target in parser.close()] == ["https"]
