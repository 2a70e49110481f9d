"""A body that is read, as it comes in and no faster than it is read.

Contract: `read` gives its bytes, b"" at its end, and raises BodyFaultError where it ends before that. At most
BUFFER_BYTES and one reading wait in memory.
Not in here: deadlines, content codings.
"""

from __future__ import annotations

import asyncio
from collections import deque
from enum import Enum, auto
from typing import TYPE_CHECKING, Final

from urlsweep.transport.lean.chunks import ChunkError, Dechunker
from urlsweep.transport.lean.head import Head

if TYPE_CHECKING:
    from urlsweep.transport.lean.connection import Connection

BUFFER_BYTES: Final = 128 * 1024
"""That wait to be read, before the connection is read from no more."""


class BodyFault(Enum):
    """Why a body is none."""

    BROKEN_OFF = auto()
    MALFORMED = auto()


class BodyFaultError(Exception):
    """The body ends here, and not where it should."""

    def __init__(self, fault: BodyFault) -> None:
        super().__init__(fault.name)
        self.fault = fault


class Body:
    """The body of one answer."""

    def __init__(self, connection: Connection, head: Head, *, has_body: bool) -> None:
        self._connection = connection
        self._head = head
        self._dechunker = Dechunker() if head.is_chunked else None
        self._left = head.length if has_body and not head.is_chunked else None
        self._is_complete = not has_body or (head.length == 0 and not head.is_chunked)
        self._is_clean = True  # nothing came after its end
        self._fault: BodyFault | None = None
        self._pieces: deque[bytes] = deque()
        self._buffered = 0
        self._is_paused = False
        self._waiter: asyncio.Future[None] | None = None

    @property
    def content_encoding(self) -> str:
        """As the answer says; "" where it says nothing."""
        return self._head.content_encoding

    def feed(self, data: bytes) -> None:
        """The connection got `data`."""
        if not data:
            return
        if self._is_complete or self._fault is not None:
            self._is_clean = False
        elif self._dechunker is not None:
            try:
                for piece in self._dechunker.feed(data):
                    self._add(piece)
            except ChunkError:
                self._fault = BodyFault.MALFORMED
            else:
                self._is_complete = self._dechunker.is_complete
                self._is_clean = not self._dechunker.rest
        elif self._left is not None:
            self._add(data[: self._left])
            self._is_clean = len(data) <= self._left
            self._left -= min(self._left, len(data))
            self._is_complete = not self._left
        else:
            self._add(data)
        self._wake()

    def on_end(self) -> None:
        """The connection ended."""
        if not self._is_complete and self._fault is None:
            if self._dechunker is None and self._left is None:
                self._is_complete = True  # RFC 9112 section 6.3: such a body ends with its connection
            else:
                self._fault = BodyFault.BROKEN_OFF
        self._wake()

    async def read(self) -> bytes:
        """What comes next; b"" at the end. Raises BodyFaultError."""
        while not self._pieces:
            if self._fault is not None:
                raise BodyFaultError(self._fault)
            if self._is_complete:
                return b""
            if self._is_paused:
                self._is_paused = False
                self._connection.pause(is_paused=False)
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        piece = self._pieces.popleft()
        self._buffered -= len(piece)
        return piece

    def close(self) -> None:
        """Be done with it, read or not."""
        is_over = self._is_complete and self._is_clean and not self._pieces
        ends_with_connection = self._dechunker is None and self._left is None and self._head.length != 0
        may_be_kept = is_over and self._head.is_persistent and not ends_with_connection and self._head.status != 101
        self._connection.release(may_be_kept=may_be_kept)

    def _add(self, piece: bytes) -> None:
        if not piece:
            return
        self._pieces.append(piece)
        self._buffered += len(piece)
        if self._buffered > BUFFER_BYTES and not self._is_paused:
            self._is_paused = True
            self._connection.pause(is_paused=True)

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
