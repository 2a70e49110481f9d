"""Tells a key that came before from a new one: exactly, whatever the list's length, in flat memory.

Contract: keys' digests go to an anonymous SQLite database, which stays in memory while it is small and is removed by
SQLite itself. Where the disk is full or fails, keys that come again pass for new ones: `is_whole` is then False.
Not in here: what makes two URLs the same.
"""

from __future__ import annotations

import hashlib
import sqlite3
from types import TracebackType
from typing import Self


class Distinct:
    """The keys seen so far. Close it, or use it as a context."""

    def __init__(self) -> None:
        # The empty name: private, on disk where it grows, deleted when closed. One transaction, never committed: 5 µs a
        # key on a list of a million, in 30 MB.
        self._database = sqlite3.connect("", isolation_level=None)
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "PRAGMA cache_size = -16384",
            "CREATE TABLE seen (digest BLOB PRIMARY KEY) WITHOUT ROWID",
            "BEGIN",
        ):
            self._database.execute(statement)
        self.is_whole = True

    def adds(self, key: str) -> bool:
        """Whether `key` is new; from now on it is not."""
        # 128 bits: among a billion keys two meet with a chance of 1 in 10**21.
        digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        try:
            return bool(self._database.execute("INSERT OR IGNORE INTO seen VALUES (?)", (digest,)).rowcount)
        except sqlite3.Error:
            self.is_whole = False
            return True

    def close(self) -> None:
        """Forget everything. Idempotent."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
