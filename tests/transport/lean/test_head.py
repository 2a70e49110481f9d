"""Header sections, however they come in; and whatever comes in."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.transport.test_differential import scripts

from urlsweep.transport.heads import HEAD_LIMIT_BYTES
from urlsweep.transport.lean.head import FieldFinder, Head, HeadFault, HeadReader

FINDER = FieldFinder({"location", "set-cookie", "date", "server"})


def read(data: bytes, sizes: list[int]) -> tuple[Head | HeadFault | None, bytes]:
    reader = HeadReader(FINDER)
    start = 0
    for size in [*sizes, len(data)]:
        head = reader.feed(data[start : start + size])
        start += size
        if head is not None:
            return head, reader.rest + data[start:]
    return None, b""


@settings(max_examples=300)
@given(scripts(), st.lists(st.integers(1, 30), max_size=40))
def test_however_it_comes_in(script: bytes, sizes: list[int]) -> None:
    """Fuzz of the reply path: nothing is raised, and how the bytes are cut up changes nothing but when it is known."""
    whole, rest = read(script, [])
    in_parts, rest_in_parts = read(script, sizes)
    if isinstance(whole, Head) or isinstance(in_parts, Head):
        assert (whole, rest) == (in_parts, rest_in_parts)
        assert isinstance(whole, Head)
        assert 0 <= whole.status <= 999
        assert whole.length is None or whole.length >= 0
    else:
        assert whole == in_parts


@given(st.binary(min_size=1, max_size=64), st.integers(1, 400))
def test_a_section_without_end_is_bounded(piece: bytes, size: int) -> None:
    reader = HeadReader(FINDER)
    data = (piece * size)[: 8 * 1024]
    for _ in range(HEAD_LIMIT_BYTES // len(data) + 2):
        if reader.feed(data) is not None:
            return
    raise AssertionError("more than the limit was taken")


def test_an_answer() -> None:
    head, rest = read(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 302 Found\r\nLOCATION:  /a b \r\nX: y\r\nset-cookie: a\r\n"
        b"Set-Cookie: b\r\nContent-Length: 3\r\nContent-Encoding: gzip\r\n\r\nabc",
        [],
    )
    fields = (("location", "/a b"), ("set-cookie", "a"), ("set-cookie", "b"))
    assert head == Head(302, fields, 3, is_chunked=False, is_persistent=True, content_encoding="gzip")
    assert rest == b"abc"


@settings(max_examples=300)
@given(scripts())
def test_the_short_way_says_what_the_long_one_does(script: bytes) -> None:
    begun = FINDER.begin(script)
    if begun is not None:
        head, end = begun
        assert read(script, []) == (head, script[end:])


@pytest.mark.parametrize(
    ("section", "is_plain"),
    [
        (b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 3\r\n\r\nabc", True),
        (b"HTTP/1.0 404\nTransfer-Encoding: chunked\n\n", True),
        (b"HTTP/1.1 204 No Content\r\nConnection: Keep-Alive, Close\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nServer: x\r\n", False),  # not whole
        (b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", False),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 19 + b"\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nno field\r\n\r\n", False),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 50_000 + b"\r\n\r\n", False),
        (b"\r\nHTTP/1.1 200 OK\r\n\r\n", False),
    ],
)
def test_what_goes_the_short_way(section: bytes, *, is_plain: bool) -> None:
    begun = FINDER.begin(section)
    assert (begun is not None) == is_plain
    if begun is not None:
        assert read(section, []) == (begun[0], section[begun[1] :])


@pytest.mark.parametrize(
    ("status", "more", "names"),
    [
        (b"200", b"", []),
        (b"204", b"Location: /x\r\n", ["server", "location", "date"]),
        (b"301", b"", ["server", "date"]),
        (b"404", b"", ["server", "date"]),
    ],
)
def test_context_comes_with_what_it_is_the_context_of(status: bytes, more: bytes, names: list[str]) -> None:
    finder = FieldFinder({"location", "server", "date"}, {"server", "date"})
    section = b"HTTP/1.1 %b X\r\nServer: s\r\nX-Other: 1\r\n%bDate: d\r\nContent-Length: 0\r\n\r\n" % (status, more)
    begun = finder.begin(section)
    assert begun is not None
    assert [name for name, _ in begun[0].fields] == names
    assert begun[0].length == 0
    assert finder.read(section) == begun[0]
