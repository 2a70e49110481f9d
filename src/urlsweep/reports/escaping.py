"""Makes text from outside harmless for whoever reads the report: a terminal, a spreadsheet.

Contract: pure functions over strings, each total: any string goes in, lone surrogates included.
Not in here: quoting, which is the format's own business.
"""

from __future__ import annotations

import re
from typing import Final


def escape_terminal(text: str) -> str:
    r"""`text` with every character that is not plainly visible written as Python's `repr` writes it: ``\x1b``,
    ``\u202e``.

    That is whatever `str.isprintable` denies: C0 and C1 controls, line and paragraph separators, bidirectional and
    other format characters, lone surrogates, spaces other than U+0020. So a server or a list can neither send the
    terminal commands nor reorder, hide or break the line it stands on.
    """
    if text.isprintable():
        return text
    return "".join(character if character.isprintable() else _spelled(character) for character in text)


def _spelled(character: str) -> str:
    return repr(character)[1:-1]


def escape_json(document: str) -> str:
    r"""JSON text with every character that is not plainly visible as a ``\uXXXX`` escape: the same values, safe to
    show.

    Line feeds outside strings are not told from others, so `document` must be without them, as one row of JSON Lines
    is.
    """
    if document.isprintable():
        return document
    return "".join(character if character.isprintable() else _json_escape(character) for character in document)


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")  # RFC 8259 section 7: beyond U+FFFF a surrogate pair
    return "".join(f"\\u{units[index]:02x}{units[index + 1]:02x}" for index in range(0, len(units), 2))


# OWASP "CSV Injection" names = + - @, tab, carriage return, line feed and the full-width forms, which some versions of
# Excel read as the plain ones.
_FORMULA_STARTS: Final = frozenset("=+-@\t\r\n＝＋－＠")  # noqa: RUF001
_SIGNED_NUMBER: Final = re.compile(r"[+-](?:[0-9][0-9.,]*(?:[eE][+-]?[0-9]+)?%?)?", re.ASCII)


def escape_formula(cell: str) -> str:
    """`cell` with an apostrophe before it where a spreadsheet would take it for a formula (OWASP, "CSV Injection").

    A number with its sign (``-5``, ``+1,234.5``, ``-1e9``, ``-3%``) and a lone ``-`` or ``+`` stay as they are: they
    can do nothing, and an enriched file's figures must stay figures.
    """
    if cell and cell[0] in _FORMULA_STARTS and not _SIGNED_NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def encode(text: str) -> bytes:
    r"""`text` as UTF-8; a lone surrogate, which UTF-8 cannot hold, as its spelling (``\udc80``)."""
    return text.encode("utf-8", "backslashreplace")
