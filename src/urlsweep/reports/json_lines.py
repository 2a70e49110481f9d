"""JSON Lines: one object a row, in the order and with the names of the row schema, version 1.

Contract: every line is a whole JSON document in UTF-8 (RFC 8259), so the output is valid wherever it ends. `input` is
there only where the row has one; every other key always is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO, Final

import msgspec

from urlsweep.core.model import Result
from urlsweep.core.nesting import NESTING_LIMIT, is_too_deep
from urlsweep.core.summary import Summary
from urlsweep.reports.escaping import escape_json
from urlsweep.reports.options import ReportOptions

_NO_INPUT: Final = b',"input":null}'


class JsonLinesReport:
    """Writes each row as a line of JSON."""

    def __init__(self, stream: BinaryIO, options: ReportOptions) -> None:
        self._stream = stream
        self._is_shown = options.width is not None

    def write(self, result: Result) -> None:
        """Write one row and flush it."""
        self._stream.write(encode_row(result, is_shown=self._is_shown) + b"\n")
        self._stream.flush()

    def close(self, summary: Summary) -> None:  # noqa: ARG002 - the protocol's
        """Flush; there is nothing left to write."""
        self._stream.flush()


def encode_row(result: Result, *, is_shown: bool = False) -> bytes:
    """The row as one JSON object without a line feed; safe for a terminal where `is_shown`."""
    # `input` is the struct's last field: to cut its null off is cheaper than to build another struct without it.
    if result.input is None:
        encoded = _encoded(result).removesuffix(_NO_INPUT) + b"}"
    else:
        encoded = _encoded(_plain(result) if is_too_deep(result.input) else result)
    return escape_json(encoded.decode()).encode() if is_shown else encoded


def encode_value(value: object) -> bytes:
    r"""`value` as JSON in UTF-8.

    A lone surrogate is spelled out (``\udc80``), a key or a value of no JSON type becomes its text, and what nests
    deeper than `NESTING_LIMIT` is left out with a word in its place.
    """
    return _encoded(_plain(value) if is_too_deep(value) else value)


def _encoded(value: object) -> bytes:
    try:
        return _ENCODER.encode(value)
    except (UnicodeEncodeError, TypeError):
        return _ENCODER.encode(_plain(value))


def _other(value: Any) -> object:
    return dict(value) if isinstance(value, Mapping) else str(value)


_ENCODER: Final = msgspec.json.Encoder(enc_hook=_other)


def _plain(value: Any, depth: int = 0) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if depth > NESTING_LIMIT:
        return "(nested too deep to be written)"
    if isinstance(value, msgspec.Struct):
        value = msgspec.structs.asdict(value)
    if isinstance(value, Mapping):
        return {_plain(str(key)): _plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item, depth + 1) for item in value]
    return value
