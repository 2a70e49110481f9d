"""JSON Lines: one object a row, in the order and with the names of the row schema, version 1.

Contract: every line is a whole JSON document in UTF-8 (RFC 8259), so the output is valid wherever it ends. `input` is
there only where the row has one; every other key always is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, BinaryIO, Final

import msgspec

from urlsweep.core.model import Result
from urlsweep.core.summary import Summary
from urlsweep.reports.escaping import escape_json
from urlsweep.reports.options import ReportOptions

_NO_INPUT: Final = b',"input":null}'

NESTING_LIMIT: Final = 100
"""Levels of an input value that are written where it could not be encoded in one go: what nests deeper than that was
made to exhaust a parser."""


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
    encoded = encode_value(result)
    if result.input is None:
        encoded = encoded.removesuffix(_NO_INPUT) + b"}"
    return escape_json(encoded.decode()).encode() if is_shown else encoded


def encode_value(value: object) -> bytes:
    r"""`value` as JSON in UTF-8.

    A lone surrogate is spelled out (``\udc80``), a key or a value of no JSON type becomes its text, and what nests
    deeper than `NESTING_LIMIT` where nesting is the trouble is left out with a word in its place.
    """
    try:
        return _ENCODER.encode(value)
    except (UnicodeEncodeError, TypeError, RecursionError):
        return _ENCODER.encode(_plain(msgspec.structs.asdict(value) if isinstance(value, msgspec.Struct) else value))


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
