"""Documents that URLs are read from, and bodies that are unpacked on the way."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Final

from tests.fuzz.cutting import cuttings

from urlsweep.core.model import Outcome, Reason, Target
from urlsweep.sources import SourceError
from urlsweep.sources.child import Child
from urlsweep.sources.gunzip import FREE_BYTES, HIGHEST_RATIO
from urlsweep.sources.input import Input
from urlsweep.sources.reading import Reading
from urlsweep.transport.decoding import PIECE_BYTES, Decoder, DecodingError

NAMES: Final = ("list", "list.txt", "list.csv", "list.tsv", "list.jsonl", "list.xml")
LONGEST: Final = 64 * 1024
MOST_UNPACKED: Final = 32 * 1024 * 1024
"""Bytes of one input, whatever it is a bomb of: it is let go then."""


def check_documents(data: bytes) -> None:
    """Whatever it is called: the same targets however it is cut, each a row that names where it stood."""
    data = data[:LONGEST]
    for name in NAMES:
        _check(data, lambda warn, name=name: Reading(Input(name, warn=warn)))  # type: ignore[misc]
    _check(data, lambda warn: Reading(Input("list.csv", column="url", warn=warn), "csv"))
    for format_name in ("text", "jsonl", "sitemap"):
        _check(data, lambda warn, format_name=format_name: Reading(Input("list", warn=warn), format_name))  # type: ignore[misc]


def check_sitemaps(data: bytes) -> None:
    """The same of what was fetched as a sitemap."""
    url = "https://a.test/sitemap.xml"
    _check(data[:LONGEST], lambda warn: Reading(Input(url, url=url, warn=warn), expects_sitemap=True))


def _check(data: bytes, open_reading: Callable[[Callable[[str], None]], Reading]) -> None:
    ends = [_read(pieces, open_reading) for pieces in cuttings(data)]
    for items, *rest in ends[1:]:
        assert [_told(item) for item in items] == [_told(item) for item in ends[0][0]]
        assert rest == list(ends[0][1:])
    for item in ends[0][0]:
        if isinstance(item, Target):
            assert item.fault is None or item.fault.outcome in (Outcome.INVALID, Outcome.BROKEN)
            assert item.found_in


def _told(item: Target | Child) -> object:
    """`item` without what is wrong with XML, and where: of two faults behind the document's end, which one expat names
    depends on how it is cut."""
    if isinstance(item, Target) and item.fault is not None:
        is_xml = item.fault.reason in (Reason.SOURCE_MALFORMED, Reason.SOURCE_TRUNCATED)
        if is_xml:
            return item.url, item.input, item.fault.outcome
        return item.url, item.found_in, item.input, item.fault.outcome, item.fault.reason
    return item


def _read(
    pieces: list[bytes], open_reading: Callable[[Callable[[str], None]], Reading]
) -> tuple[list[Target | Child], list[str], str]:
    items: list[Target | Child] = []
    warnings: list[str] = []
    reading = open_reading(warnings.append)
    try:
        for piece in pieces:
            items += reading.feed(piece)
        items += reading.close()
    except SourceError as error:  # a document that is of no use as it was asked for
        return items, [], str(error)  # it may have been warned of something behind the trouble
    assert reading.is_over
    return items, warnings, ""


def check_decoding(data: bytes) -> None:
    """Pieces of bounded size, and the same ones together however it is cut; no more than deflate can make of it."""
    for coding in ("gzip", "deflate", "identity"):
        ends = [_decoded(pieces, coding) for pieces in cuttings(data)]
        whole, fault = ends[0]
        for end in ends:
            assert end[1] == fault, ends
            assert fault or end[0] == whole
        assert len(whole) <= max(MOST_UNPACKED + PIECE_BYTES, FREE_BYTES, HIGHEST_RATIO * len(data))


def _decoded(pieces: list[bytes], coding: str) -> tuple[bytes, str]:
    decoder = Decoder(coding)
    size, check = 0, b""
    parts: list[bytes] = []
    try:
        for piece in pieces:
            for part in decoder.feed(piece):
                assert 0 < len(part) <= PIECE_BYTES
                size += len(part)
                if size > MOST_UNPACKED:
                    return check, "a bomb"
                parts.append(part)
        decoder.finish()
    except DecodingError as error:
        return b"".join(parts), str(error)
    except zlib.error as error:  # foreign: must not come out
        raise AssertionError from error
    return b"".join(parts), ""
