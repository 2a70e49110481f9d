"""How much room text takes on a terminal, and how it is made to fit.

Contract: pure functions; widths are terminal columns. The text given is already harmless (see `escaping`) and plain: an
escape sequence is put around it afterwards (see `palette`).
Not in here: colour, and what is worth showing.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from itertools import accumulate
from typing import Final

ELLIPSIS: Final = "…"


def text_width(text: str) -> int:
    """The columns that `text` takes: two for wide and full-width characters (UAX 11), none for combining ones."""
    if text.isascii():
        return len(text)
    return sum(map(_character_width, text))


def _character_width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1


def pad(text: str, width: int) -> str:
    """`text` with spaces after it up to `width`; what is wider stays whole."""
    return text + " " * (width - text_width(text))


def shorten_end(text: str, width: int) -> str:
    """`text`, its end replaced by an ellipsis where it is wider than `width`."""
    if text_width(text) <= width:
        return text
    return _head(text, width - 1) + ELLIPSIS


def shorten_middle(text: str, width: int) -> str:
    """`text`, its middle replaced by an ellipsis where it is wider than `width`: of a URL, the host and the end
    stay.
    """
    if text_width(text) <= width:
        return text
    tail = max(width - 1, 0) // 2
    return _head(text, width - 1 - tail) + ELLIPSIS + _head(text[::-1], tail)[::-1]


def _head(text: str, width: int) -> str:
    return text[: bisect_right(list(accumulate(map(_character_width, text))), width)]
