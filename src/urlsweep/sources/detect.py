"""Tells a document's format from its first bytes and its name's ending.

Contract: pure; the registry says what each format looks like. First what a document unmistakably begins with, then
the ending, then what its lines resemble; what is left is text, whose every line is a row: nothing can be lost by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from urlsweep.sources.head import Head
from urlsweep.sources.registry import Format

FALLBACK: Final = "text"

_FOREIGN: Final = {
    # First bytes -> what it is and what to do. From the formats' own specifications.
    b"PK\x03\x04": "a ZIP archive or a workbook (.xlsx, .ods): unpack it, or save the sheet as CSV",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an old Office document (.xls, .doc): save the sheet as CSV",
    b"BZh": "compressed with bzip2: decompress it first (bzcat FILE | urlsweep check -)",
    b"\xfd7zXZ\x00": "compressed with xz: decompress it first (xzcat FILE | urlsweep check -)",
    b"\x28\xb5\x2f\xfd": "compressed with zstd: decompress it first (zstdcat FILE | urlsweep check -)",
    b"%PDF-": "a PDF document: its text has to be taken out first",
}


def foreign_kind(data: bytes) -> str | None:
    """What a document that begins with `data` is, if it is of a well-known kind that no source reads."""
    return next((kind for magic, kind in _FOREIGN.items() if data.startswith(magic)), None)


def may_be_foreign(data: bytes) -> bool:
    """Whether a document that begins with `data` may still turn out to be of one of these kinds."""
    return any(magic.startswith(data) for magic in _FOREIGN)


def detect(head: Head, formats: Mapping[str, Format]) -> str | None:
    """The name of the format among `formats`; None while more of the document is needed to tell."""
    if not head.text and not head.is_whole:
        return None
    first = head.text[:1]
    for name, candidate in formats.items():
        if first and first in candidate.starts:
            return name
    for name, candidate in formats.items():
        if head.ending in candidate.endings:
            return name
    for name, candidate in formats.items():
        if candidate.resembles is not None:
            verdict = candidate.resembles(head)
            if verdict is None:
                return None
            if verdict:
                return name
    return FALLBACK
