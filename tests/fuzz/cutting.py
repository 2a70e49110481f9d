"""One input cut into pieces in several ways, as a network might."""

from __future__ import annotations

import itertools
import random
import zlib
from collections.abc import Iterator
from typing import Final

SMALL: Final = 400
"""Bytes, up to which an input is also cut into single ones."""


def cuttings(data: bytes) -> Iterator[list[bytes]]:
    """`data` in one piece, then in others; the same ones for the same data."""
    yield [data]
    chance = random.Random(zlib.crc32(data))
    if 1 < len(data) <= SMALL:
        yield [data[position : position + 1] for position in range(len(data))]
    for most in (1, 8):
        at = sorted({0, len(data), *(chance.randint(0, len(data)) for _ in range(most))})
        yield [data[start:end] for start, end in itertools.pairwise(at)]
