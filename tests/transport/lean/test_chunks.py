"""Chunked bodies undone, however they come in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urlsweep.transport.lean.chunks import ChunkError, Dechunker


def undone(data: bytes, sizes: list[int]) -> tuple[bytes, bool, bytes]:
    dechunker, pieces = Dechunker(), []
    start = 0
    for size in [*sizes, len(data)]:
        pieces += dechunker.feed(data[start : start + size])
        start += size
        if dechunker.is_complete:
            break
    return b"".join(pieces), dechunker.is_complete, dechunker.rest + data[start:]


@given(st.lists(st.binary(min_size=1, max_size=40)), st.binary(max_size=10), st.lists(st.integers(1, 9), max_size=60))
def test_however_it_comes_in(chunks: list[bytes], rest: bytes, sizes: list[int]) -> None:
    data = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n" + rest
    assert undone(data, sizes) == (b"".join(chunks), True, rest)


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (b"4;a=b\r\nbody\r\n0\r\n\r\n", b"body"),
        (b"4 \t\r\nbody\r\n0\r\n\r\n", b"body"),
        (b"4\nbody\n0\n\n", b"body"),
        (b"0004\r\nbody\r\n0\r\nTrailer: x\r\n\r\n", b"body"),
    ],
)
def test_what_is_allowed(data: bytes, body: bytes) -> None:
    assert undone(data, []) == (body, True, b"")


@pytest.mark.parametrize(
    "data",
    [
        b"x\r\n",
        b"\r\n",
        b"-4\r\nbody\r\n",
        b"0x4\r\nbody\r\n",
        b"4\r\nbodyx\r\n",
        b"f" * 16 + b"\r\n",
        b"4;" + b"a" * 5000,
        b"0\r\n" + b"A: b\r\n" * 20_000,
    ],
)
def test_what_is_none(data: bytes) -> None:
    with pytest.raises(ChunkError):
        undone(data, [])


@given(st.binary(max_size=300), st.lists(st.integers(1, 9), max_size=60))
def test_nothing_else_is_raised(data: bytes, sizes: list[int]) -> None:
    try:
        body, _, _ = undone(data, sizes)
    except ChunkError:
        return
    assert len(body) <= len(data)
