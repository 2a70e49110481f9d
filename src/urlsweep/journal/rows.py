"""Targets and rows as bytes, and back: what a run file holds of them.

Contract: pure. What goes in comes out equal, lone surrogates and JSON values of any kind included; what no encoding
can hold (a library's own objects as `input`) comes out as its text. A row is kept without what its target tells.
Not in here: the file, and secrets, which have to be gone by now.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from urlsweep.core.model import Category, Fault, Hop, Outcome, Result, Target
from urlsweep.core.nesting import is_too_deep

_SAME: Final = ""  # in the place of a final URL: it is the URL as given. No URL is empty

_PACKED: Final = b"M"  # what follows is MessagePack, ...
_SPELLED: Final = b"J"  # ... or JSON

_TOO_DEEP: Final = "(nested too deep to be kept)"

_FASTEST: Final = 1  # zlib's level: 6 saves a tenth more of a list of URLs and takes four times as long


class _Kept(msgspec.Struct, array_like=True):
    """A row without what its target tells. Only ever added to, at the end and with a default."""

    outcome: Outcome
    reason: str | None
    status: int | None
    detail: str | None
    method: str | None
    final_url: str | None
    hops: tuple[tuple[str, int], ...]
    attempts: int
    elapsed_ms: float | None
    checked_at: str | None
    cached_at: str | None = None


class _Listed(msgspec.Struct, array_like=True):
    """A target. Only ever added to, at the end and with a default."""

    url: str
    found_in: str
    input: Any = None
    fault: Fault | None = None


def _other(value: Any) -> object:
    return dict(value) if isinstance(value, Mapping) else str(value)


_pack = msgspec.msgpack.Encoder(enc_hook=_other).encode
_unpack_row = msgspec.msgpack.Decoder(_Kept).decode
_unpack_targets = msgspec.msgpack.Decoder(list[_Listed]).decode


def encode_row(row: Result) -> bytes:
    """`row` without its URL, its place and its input."""
    final_url = row.final_url
    kept = _Kept(
        row.outcome,
        row.reason,
        row.status,
        row.detail,
        row.method,
        _SAME if final_url == row.url else final_url,
        tuple((hop.url, hop.status) for hop in row.hops) if row.hops else (),
        row.attempts,
        row.elapsed_ms,
        row.checked_at,
        row.cached_at,
    )
    return _encode(kept)


def decode_row(data: bytes, target: Target) -> Result:
    """The row that `encode_row` made `data` of; `target` is its target. Raises ValueError for what is no row."""
    kept = _unpack_row(data[1:]) if data[:1] == _PACKED else _convert(data, _Kept)
    return Result(
        url=target.url,
        outcome=kept.outcome,
        reason=kept.reason,
        status=kept.status,
        category=Category.of(kept.status),
        detail=kept.detail,
        method=kept.method,
        final_url=target.url if kept.final_url == _SAME else kept.final_url,
        hops=tuple(Hop(url, status) for url, status in kept.hops),
        attempts=kept.attempts,
        elapsed_ms=kept.elapsed_ms,
        found_in=target.found_in,
        checked_at=kept.checked_at,
        cached_at=kept.cached_at,
        input=target.input,
    )


def encode_targets(targets: Iterable[Target]) -> bytes:
    """A run of targets, compressed together: lists of URLs shrink to a fifth."""
    listed = [
        _Listed(target.url, target.found_in, target.input and _kept(target.input), target.fault) for target in targets
    ]
    return zlib.compress(_encode(listed), _FASTEST)


def _kept(given: Mapping[str, Any]) -> Mapping[str, Any]:
    """`given`, but for what nests too deep: it was made to exhaust whoever reads it."""
    if not is_too_deep(given):
        return given
    return {name: _TOO_DEEP if is_too_deep(item, 1) else item for name, item in given.items()}


def decode_targets(data: bytes) -> list[Target]:
    """The targets that `encode_targets` made `data` of. Raises ValueError for what is none."""
    try:
        plain = zlib.decompress(data)
    except zlib.error as error:
        raise ValueError(str(error)) from None
    listed = _unpack_targets(plain[1:]) if plain[:1] == _PACKED else _convert(plain, list[_Listed])
    return [Target(entry.url, entry.found_in, entry.input, entry.fault) for entry in listed]


def _encode(value: object) -> bytes:
    try:
        return _PACKED + _pack(value)
    except (UnicodeEncodeError, OverflowError, TypeError):
        # Lone surrogates, integers beyond 64 bits, keys that are no texts: the standard library's JSON holds them all.
        return _SPELLED + json.dumps(_plain(value), default=str).encode("ascii")


def _plain(value: object) -> object:
    return msgspec.to_builtins(value, enc_hook=_other, str_keys=True)


def _convert(data: bytes, kind: Any) -> Any:
    return msgspec.convert(json.loads(data[1:]), kind)


def contiguous(entries: Sequence[tuple[int, Target]]) -> Iterable[tuple[int, list[Target]]]:
    """`entries` in runs whose numbers follow one another: each with its first number."""
    first, run = 0, list[Target]()
    for index, target in entries:
        if run and index != first + len(run):
            yield first, run
            run = []
        if not run:
            first = index
        run.append(target)
    if run:
        yield first, run
