"""Content-Encoding undone in bounded pieces."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urlsweep.transport.decoding import PIECE_BYTES, Decoder, DecodingError


def _decoded(content_encoding: str, pieces: list[bytes]) -> bytes:
    decoder = Decoder(content_encoding)
    decoded = [piece for data in pieces for piece in decoder.feed(data)]
    decoder.finish()
    assert all(0 < len(piece) <= PIECE_BYTES for piece in decoded)
    return b"".join(decoded)


def _bare_deflate(data: bytes) -> bytes:
    return zlib.compress(data)[2:-4]


@pytest.mark.parametrize(
    ("content_encoding", "encode"),
    [
        ("", bytes),
        ("identity", bytes),
        ("gzip", gzip.compress),
        ("X-GZIP", gzip.compress),
        (" gzip , identity", gzip.compress),
        ("deflate", zlib.compress),
        ("deflate", _bare_deflate),
        ("gzip", lambda data: gzip.compress(data) + gzip.compress(data)),
    ],
)
@given(data=st.binary(max_size=500), size=st.integers(1, 40))
def test_the_body_comes_back_however_it_arrives(
    content_encoding: str, encode: Callable[[bytes], bytes], data: bytes, size: int
) -> None:
    coded = encode(data)
    expected = gzip.decompress(coded) if "gzip" in content_encoding.lower() else data
    assert _decoded(content_encoding, [coded[i : i + size] for i in range(0, len(coded), size)]) == expected


@pytest.mark.parametrize("encode", [gzip.compress, zlib.compress])
def test_a_bomb_comes_in_small_pieces(encode: Callable[[bytes], bytes]) -> None:
    name = "gzip" if encode is gzip.compress else "deflate"
    assert _decoded(name, [encode(b"\0" * 3_000_000)]) == b"\0" * 3_000_000


@pytest.mark.parametrize("behind", [b"\0" * 100, b"\0", b"x\x1f\x8b", b"\0" + gzip.compress(b"more", mtime=0)])
@pytest.mark.parametrize("encode", [gzip.compress, zlib.compress])
def test_what_comes_behind_the_body_is_left_out_however_it_arrives(
    encode: Callable[[bytes], bytes], behind: bytes
) -> None:
    name = "gzip" if encode is gzip.compress else "deflate"
    coded = encode(b"text")
    for pieces in ([coded + behind], [coded, behind], [bytes([byte]) for byte in coded + behind]):
        assert _decoded(name, pieces) == b"text"


@pytest.mark.parametrize("coded", [b"\x08K", b"\x78\x9d", b"\x78"])
def test_which_deflate_it_is_does_not_depend_on_how_it_arrives(coded: bytes) -> None:
    faults = []
    for pieces in ([coded], [bytes([byte]) for byte in coded]):
        with pytest.raises(DecodingError) as error:
            _decoded("deflate", pieces)
        faults.append(str(error.value))
    assert faults[0] == faults[1]


def test_an_empty_body_needs_no_encoding() -> None:
    assert _decoded("gzip", []) == b""


@pytest.mark.parametrize(
    ("content_encoding", "body"),
    [
        ("gzip", gzip.compress(b"text", mtime=0)[:-1]),
        ("gzip", gzip.compress(b"text", mtime=0)[:5]),
        ("deflate", zlib.compress(b"text")[:-1]),
        ("gzip", b"plain text"),
        ("deflate", b"\xff\xff\xff\xff"),
    ],
)
def test_what_is_not_whole_is_an_error(content_encoding: str, body: bytes) -> None:
    with pytest.raises(DecodingError):
        _decoded(content_encoding, [body])


@pytest.mark.parametrize("content_encoding", ["br", "zstd", "gzip, gzip", "\x1b[31m"])
def test_other_encodings_are_not_spoken(content_encoding: str) -> None:
    with pytest.raises(DecodingError, match="not spoken"):
        Decoder(content_encoding)
