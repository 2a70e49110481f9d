from __future__ import annotations

import json
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urlsweep.reports.escaping import encode, escape_formula, escape_json, escape_terminal

EVERYTHING = st.text(st.characters())  # lone surrogates included


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("https://example.org/ü/日本", "https://example.org/ü/日本"),
        ("red \x1b[31m", "red \\x1b[31m"),
        ("two\r\nlines", "two\\r\\nlines"),
        ("C1 \x9b31m", "C1 \\x9b31m"),
        ("bell\a tab\t nul\0 del\x7f", "bell\\x07 tab\\t nul\\x00 del\\x7f"),
        ("txt\u202egpj.exe\u2066", "txt\\u202egpj.exe\\u2066"),
        ("line\u2028paragraph\u2029", "line\\u2028paragraph\\u2029"),
        ("hidden\u200b\ufeff\U000e0041", "hidden\\u200b\\ufeff\\U000e0041"),
        ("byte \udc80", "byte \\udc80"),
        ("no-break\u00a0space", "no-break\\xa0space"),
    ],
)
def test_what_is_not_plainly_visible_is_spelled_out(given_text: str, shown: str) -> None:
    assert escape_terminal(given_text) == shown


@given(EVERYTHING)
def test_escaped_text_holds_nothing_a_terminal_acts_on(text: str) -> None:
    escaped = escape_terminal(text)
    assert not [character for character in escaped if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    assert escape_terminal(escaped) == escaped


@given(st.text())
def test_json_made_visible_says_the_same(text: str) -> None:
    document = json.dumps(text, ensure_ascii=False)
    shown = escape_json(document)
    assert json.loads(shown) == text
    assert shown.isprintable()


@pytest.mark.parametrize("start", list("=+-@\t\r\n＝＋－＠"))  # noqa: RUF001
def test_a_formula_gets_an_apostrophe(start: str) -> None:
    assert escape_formula(f"{start}cmd|' /C calc'!A0") == f"'{start}cmd|' /C calc'!A0"


@pytest.mark.parametrize(
    "cell", ["", "-", "+", "-5", "+5", "-1,234.50", "-1e-9", "+3%", "text", "'quoted", "a=b", "https://example.org/"]
)
def test_numbers_and_plain_text_stay(cell: str) -> None:
    assert escape_formula(cell) == cell


@pytest.mark.parametrize("cell", ["-5+cmd|' /C calc'!A0", "--5", "-5\n", "+1-1", "-A1", "-٣", "@SUM(1)", "-5=1"])
def test_what_only_begins_like_a_number_does_not(cell: str) -> None:
    assert escape_formula(cell) == f"'{cell}"


@given(EVERYTHING)
def test_any_text_can_be_encoded(text: str) -> None:
    assert encode(text).decode() == text.encode("utf-8", "backslashreplace").decode()


def test_a_lone_surrogate_is_spelled() -> None:
    assert encode("a\udc80b") == b"a\\udc80b"
