from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urlsweep.reports.layout import pad, shorten_end, shorten_middle, text_width


@pytest.mark.parametrize(
    ("text", "width"),
    [("", 0), ("abc", 3), ("日本", 4), ("ｗｉｄｅ", 8), ("é", 1), ("e\u0301", 1), ("🙂", 2)],  # noqa: RUF001
)
def test_width_in_columns(text: str, width: int) -> None:
    assert text_width(text) == width


def test_pad_counts_columns_not_characters() -> None:
    assert pad("日本", 6) == "日本  "
    assert pad("longer", 3) == "longer"


@pytest.mark.parametrize(
    ("text", "width", "end", "middle"),
    [
        ("abcdefghij", 10, "abcdefghij", "abcdefghij"),
        ("abcdefghij", 7, "abcdef…", "abc…hij"),
        ("abcdefghij", 6, "abcde…", "abc…ij"),
        ("abcdefghij", 1, "…", "…"),
        ("日本語日本語", 6, "日本…", "日…語"),
    ],
)
def test_shortening(text: str, width: int, end: str, middle: str) -> None:
    assert shorten_end(text, width) == end
    assert shorten_middle(text, width) == middle


@given(st.text(max_size=40), st.integers(1, 30))
def test_shortened_text_fits(text: str, width: int) -> None:
    assert text_width(shorten_end(text, width)) <= width
    assert text_width(shorten_middle(text, width)) <= width
