"""What became of every URL asked so far, so that a duplicate far down the list gets its row without being asked again.

Contract: exact, whatever the list's length, in flat memory: the newest verdicts stay in memory, older ones go to an
anonymous SQLite database on disk, which SQLite removes itself. Where the disk is full or fails, old verdicts are
forgotten: `is_whole` is then False, and a duplicate of one is asked again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from hashlib import blake2b
from itertools import islice
from struct import Struct
from typing import Final

import msgspec

from urlsweep.core.check import Verdict

IN_MEMORY: Final = 20_000
"""Verdicts kept in memory, about 400 bytes each: most duplicates stand near each other."""

BYTES_IN_MEMORY: Final = 64 * 1024 * 1024
"""And as many bytes: servers that redirect from one giant URL to the next must not fill the memory."""

BATCH: Final = 1_000
"""Verdicts moved to disk at once: some 2 ms of the event loop's time, a fourth of what they would take as they come."""

FILTER_BITS: Final = 24
"""Of a digest, by which it is told that a verdict is not on disk without looking there (2 µs): 2 MB of bits. Of a
million URLs that are no duplicates 6 % are looked for in vain, of ten million nearly half."""

_DIGEST_BYTES: Final = 16
_SCHEMA: Final = (
    # Scratch that nobody reads after a crash: nothing is spent on surviving one.
    "PRAGMA journal_mode = OFF",
    "PRAGMA synchronous = OFF",
    "PRAGMA cache_size = -4096",
    "CREATE TABLE batches (number INTEGER PRIMARY KEY, records BLOB NOT NULL)",
    "CREATE TABLE places (digest INTEGER PRIMARY KEY, place INTEGER NOT NULL)",
)
"""Verdicts lie as they came, a batch in a row of its own; only a digest's first half and where its verdict begins are
put in order. To sort the verdicts themselves in, at random among ever more of them, takes three times as long."""


class Ledger:
    """Verdicts by the digest of a duplicate key (`digest_of`)."""

    def __init__(self, in_memory: int = IN_MEMORY, bytes_in_memory: int = BYTES_IN_MEMORY) -> None:
        self._full_at = in_memory + BATCH
        self._bytes_in_memory = bytes_in_memory
        self._size = 0  # bytes of the verdicts in memory
        self._recent: dict[bytes, bytes] = {}  # the oldest first
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Verdict)
        self._database: sqlite3.Connection | None = None
        self._filter = bytearray()  # a bit for each `_bit` of what is on disk; made with the database
        self.is_whole = True

    def put(self, digest: bytes, verdict: Verdict) -> None:
        """Keep `verdict` under `digest`."""
        encoded = self._encoder.encode(verdict)
        recent = self._recent
        if recent.setdefault(digest, encoded) is not encoded:
            self._size -= len(recent[digest])
            recent[digest] = encoded
        self._size += len(encoded)
        if len(recent) >= self._full_at or self._size > self._bytes_in_memory:
            self._move_oldest()

    def get(self, digest: bytes) -> Verdict | None:
        """The verdict kept under `digest`, or None."""
        found = self._recent.get(digest)
        if found is None and self._database is not None and self._may_be_on_disk(digest):
            found = self._on_disk(self._database, digest)
        return None if found is None else self._decoder.decode(found)

    def _may_be_on_disk(self, digest: bytes) -> bool:
        bit = _bit(digest)
        return bool(self._filter[bit >> 3] & (1 << (bit & 7)))

    def _on_disk(self, database: sqlite3.Connection, digest: bytes) -> bytes | None:
        try:
            row: tuple[int] | None = database.execute(
                "SELECT place FROM places WHERE digest = ?", (_first_half(digest),)
            ).fetchone()
            if row is None:
                return None
            number, start = divmod(row[0], _PLACES)
            with database.blobopen("batches", "records", number, readonly=True) as records:
                records.seek(start)
                found, size = _HEADING.unpack(records.read(_HEADING.size))
                return records.read(size) if found == digest else None
        except sqlite3.Error:
            self.is_whole = False
            return None

    def close(self) -> None:
        """Forget everything. Idempotent."""
        if self._database is not None:
            self._database.close()
            self._database = None
        self._recent.clear()
        self._filter = bytearray()
        self._size = 0

    def _move_oldest(self) -> None:
        batch = list(islice(self._recent.items(), BATCH))
        if self.is_whole:
            try:
                if self._database is None:
                    self._database = _open()
                    self._filter = bytearray(1 << (FILTER_BITS - 3))
                _store(self._database, batch)
            except sqlite3.Error:
                self.is_whole = False
        for digest, encoded in batch:
            del self._recent[digest]
            self._size -= len(encoded)
            if self._filter:
                bit = _bit(digest)
                self._filter[bit >> 3] |= 1 << (bit & 7)


def _open() -> sqlite3.Connection:
    database = sqlite3.connect("", isolation_level=None)  # the empty name: private, on disk, deleted when closed
    for statement in _SCHEMA:
        database.execute(statement)
    return database


_HEADING: Final = Struct(f"<{_DIGEST_BYTES}sI")
"""Before each verdict in a batch: its digest, whole, and its length."""

_PLACES: Final = 1 << 32
"""Bytes that a batch may have: a place is its number times this, and the byte where a heading begins. SQLite allows a
fourth of it."""


def _store(database: sqlite3.Connection, batch: Sequence[tuple[bytes, bytes]]) -> None:
    number = int(database.execute("SELECT coalesce(max(number), 0) + 1 FROM batches").fetchone()[0])
    records: list[bytes] = []
    places: list[tuple[int, int]] = []
    place = number * _PLACES
    for digest, encoded in batch:
        records += (_HEADING.pack(digest, len(encoded)), encoded)
        places.append((_first_half(digest), place))
        place += _HEADING.size + len(encoded)
    places.sort()
    with database:
        database.execute("BEGIN")
        database.execute("INSERT INTO batches VALUES (?, ?)", (number, b"".join(records)))
        # One statement: to be given row by row would take a third longer.
        values = ",".join(["(?,?)"] * len(places))
        database.execute(
            f"INSERT OR REPLACE INTO places VALUES {values}",  # noqa: S608  question marks
            [value for place in places for value in place],
        )


def digest_of(key: str) -> bytes:
    """What `key` is known by. 128 bits: among a billion URLs two meet with a chance of 1 in 10**21."""
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=_DIGEST_BYTES).digest()


def _first_half(digest: bytes) -> int:
    """A key that SQLite finds fastest. Of two digests that share it only the later one is found: among ten million that
    happens with a chance of 1 in 400,000, and one URL is asked again then."""
    return int.from_bytes(digest[:8], "little", signed=True)


def _bit(digest: bytes) -> int:
    return int.from_bytes(digest[-FILTER_BITS // 8 :], "little")
