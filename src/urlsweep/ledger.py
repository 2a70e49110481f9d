"""What became of every URL asked so far, so that a duplicate far down the list gets its row without being asked again.

Contract: exact, whatever the list's length, in flat memory: the newest verdicts stay in memory, older ones go to an
anonymous SQLite database on disk, which SQLite removes itself. Where the disk is full or fails, old verdicts are
forgotten: `is_whole` is then False, and a duplicate of one is asked again.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import OrderedDict
from itertools import islice
from typing import Final

import msgspec

from urlsweep.core.check import Verdict

IN_MEMORY: Final = 50_000
"""Verdicts kept in memory, about 400 bytes each: most duplicates stand near each other."""

BATCH: Final = 500
"""Verdicts moved to disk at once: some 2 ms of the event loop's time."""


class Ledger:
    """Verdicts by duplicate key."""

    def __init__(self, in_memory: int = IN_MEMORY) -> None:
        self._in_memory = in_memory
        self._recent: OrderedDict[bytes, bytes] = OrderedDict()
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Verdict)
        self._database: sqlite3.Connection | None = None
        self.is_whole = True

    def put(self, key: str, verdict: Verdict) -> None:
        """Keep `verdict` under `key`."""
        self._recent[_digest(key)] = self._encoder.encode(verdict)
        if len(self._recent) >= self._in_memory + BATCH:
            self._move_oldest()

    def get(self, key: str) -> Verdict | None:
        """The verdict kept under `key`, or None."""
        digest = _digest(key)
        found = self._recent.get(digest)
        if found is None and self._database is not None:
            found = self._on_disk(self._database, digest)
        return None if found is None else self._decoder.decode(found)

    def _on_disk(self, database: sqlite3.Connection, digest: bytes) -> bytes | None:
        try:
            row: tuple[bytes] | None = database.execute(
                "SELECT verdict FROM verdicts WHERE digest = ?", (digest,)
            ).fetchone()
        except sqlite3.Error:
            self.is_whole = False
            return None
        return row[0] if row is not None else None

    def close(self) -> None:
        """Forget everything. Idempotent."""
        if self._database is not None:
            self._database.close()
            self._database = None
        self._recent.clear()

    def _move_oldest(self) -> None:
        rows = list(islice(self._recent.items(), BATCH))
        if self.is_whole:
            try:
                if self._database is None:
                    self._database = _open()
                self._database.executemany("INSERT OR REPLACE INTO verdicts VALUES (?, ?)", rows)
            except sqlite3.Error:
                self.is_whole = False
        for digest, _ in rows:
            del self._recent[digest]


def _open() -> sqlite3.Connection:
    database = sqlite3.connect("", isolation_level=None)  # the empty name: private, on disk, deleted when closed
    # Scratch that nobody reads after a crash: nothing is spent on surviving one.
    for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -4096"):
        database.execute(f"PRAGMA {pragma}")
    database.execute("CREATE TABLE verdicts (digest BLOB PRIMARY KEY, verdict BLOB NOT NULL) WITHOUT ROWID")
    return database


def _digest(key: str) -> bytes:
    # 128 bits: among a billion URLs two meet with a chance of 1 in 10**21.
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
