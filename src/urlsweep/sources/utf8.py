"""One encoding for the line-based parsers and for telling formats apart: what a BOM says is done, and the BOM dropped.

Contract: push-style. Windows Notepad and PowerShell write UTF-16 with a BOM; other encodings tell nothing of
themselves and are left to the parsers.
"""

from __future__ import annotations

import codecs


class Utf8:
    """Makes UTF-8 without a BOM of a document that is UTF-8 (or not told to be anything else) or UTF-16 with a BOM."""

    def __init__(self) -> None:
        self._head: bytes | None = b""  # what came before the encoding was known; None afterwards
        self._utf16: codecs.IncrementalDecoder | None = None

    def decode(self, data: bytes, *, is_end: bool = False) -> bytes:
        """What `data` completes, as UTF-8. Bytes that are no UTF-8 are left as they are."""
        if self._head is not None:
            data = self._head + data
            self._head = None
            if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                self._utf16 = codecs.getincrementaldecoder("utf-16")("replace")
            elif data.startswith(codecs.BOM_UTF8):
                return data[len(codecs.BOM_UTF8) :]
            elif not is_end and _may_become_bom(data):
                self._head = data
                return b""
        if self._utf16 is None:
            return data
        # A surrogate pair may be cut between two chunks; what a decoder cannot make sense of becomes U+FFFD.
        return self._utf16.decode(data, is_end).encode("utf-8", "replace")


def _may_become_bom(data: bytes) -> bool:
    return any(bom.startswith(data) for bom in (codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
