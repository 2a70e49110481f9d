from __future__ import annotations

import functools
import gzip
import itertools
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urlsweep.core.model import Reason
from urlsweep.sources.gunzip import FREE_BYTES, HIGHEST_RATIO, PIECE, DamageError, Gunzip

pack = functools.partial(gzip.compress, mtime=0)  # the same bytes, hence test names, in every process

TEXT = b"".join(b"https://a.example/%d\n" % number for number in range(5000))
PACKED = pack(TEXT)


def unpack(*chunks: bytes) -> bytes:
    gunzip = Gunzip()
    pieces = [piece for chunk in chunks for piece in gunzip.feed(chunk)]
    return b"".join([*pieces, *gunzip.close()])


def unpack_until_fault(data: bytes) -> tuple[bytes, DamageError]:
    gunzip = Gunzip()
    pieces: list[bytes] = []
    try:
        for piece in itertools.chain(gunzip.feed(data), gunzip.close()):
            pieces.append(piece)  # noqa: PERF402  list() would lose what came before the fault
    except DamageError as error:
        return b"".join(pieces), error
    raise AssertionError("no fault was found")


@pytest.mark.parametrize("data", [b"", b"h", b"https://a.example/\n", b"\x1f", b"\x1fx", b"\0\0"])
def test_anything_else_passes_through(data: bytes) -> None:
    assert unpack(data) == data
    assert unpack(*(bytes([byte]) for byte in data)) == data


@pytest.mark.parametrize(
    "data",
    [
        PACKED,
        pack(TEXT[:1000]) + pack(b"") + pack(TEXT[1000:]),
        PACKED + b"\0" * 512,
        pack(TEXT[:1000]) + b"\0" * 7 + pack(TEXT[1000:]),
        pack(TEXT, compresslevel=0),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000, 10_000_000])
def test_gzip_is_undone_in_any_chunks(data: bytes, size: int) -> None:
    assert unpack(*(data[start : start + size] for start in range(0, len(data), size))) == TEXT


@given(data=st.binary(max_size=2000), size=st.integers(min_value=1, max_value=50))
def test_round_trip(data: bytes, size: int) -> None:
    packed = pack(data)
    assert unpack(*(packed[start : start + size] for start in range(0, len(packed), size))) == data


def test_pieces_are_small() -> None:
    pieces = list(Gunzip().feed(pack(b"https://a.example/\n" * 200_000)))
    assert max(map(len, pieces)) <= PIECE


@pytest.mark.parametrize("length", [2, 5, 10, 11, 500, len(PACKED) - 8, len(PACKED) - 1])
def test_a_file_cut_off_gives_what_is_there_and_says_so(length: int) -> None:
    got, error = unpack_until_fault(PACKED[:length])
    assert error.reason is Reason.SOURCE_TRUNCATED
    assert TEXT.startswith(got)
    if length >= len(PACKED) - 8:
        assert got == TEXT


def test_a_second_member_cut_off_is_told() -> None:
    got, error = unpack_until_fault(PACKED + PACKED[:50])
    assert error.reason is Reason.SOURCE_TRUNCATED
    assert got.startswith(TEXT)


def test_damage_gives_what_came_before() -> None:
    random_text = random.Random(1).randbytes(40_000).hex().encode()
    packed = pack(random_text)
    middle = len(packed) // 2
    got, error = unpack_until_fault(packed[:middle] + b"\xff" * 64 + packed[middle + 64 :])
    assert error.reason is Reason.SOURCE_MALFORMED
    assert len(got) > len(random_text) // 3
    assert got[: len(random_text) // 3] == random_text[: len(random_text) // 3]


def test_a_wrong_checksum_is_told_after_all_the_data() -> None:
    got, error = unpack_until_fault(PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:])
    assert got == TEXT
    assert error.reason is Reason.SOURCE_MALFORMED
    assert isinstance(error.__cause__, zlib.error)


def test_something_else_behind_the_gzip_data_is_told() -> None:
    got, error = unpack_until_fault(PACKED + b"https://plain.example/\n")
    assert got == TEXT
    assert error.reason is Reason.SOURCE_MALFORMED


def test_a_bomb_is_stopped_early() -> None:
    bomb = pack(b"\0" * (64 * 1024 * 1024))
    assert len(bomb) * HIGHEST_RATIO < 64 * 1024 * 1024
    got, error = unpack_until_fault(bomb)
    assert error.reason is Reason.SOURCE_UNSAFE
    assert len(got) <= max(FREE_BYTES, HIGHEST_RATIO * len(bomb)) + PIECE


def test_a_small_regular_list_is_no_bomb() -> None:
    text = b"https://a.example/\n" * 500_000
    assert len(text) < FREE_BYTES
    assert unpack(pack(text)) == text
