"""Reads a file, pipe or terminal into the event loop, in a thread of its own.

Contract: a read that blocks for ever (`tail -f`, a terminal) blocks neither the loop nor the end of the program; chunks
are passed on as they come; no more than `CHUNKS_AHEAD` of them wait. Not in here: what the bytes mean.

A thread, because the loops of some systems cannot watch files and none can watch all kinds of them; a daemon, because a
blocked read cannot be taken back. For the same reason the stream must be unbuffered: a daemon thread that holds
sys.stdin.buffer's lock makes the interpreter abort at exit.
"""

from __future__ import annotations

import asyncio
import select
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager
from typing import Final, Protocol

CHUNK: Final = 64 * 1024  # bytes: the capacity of a pipe on Linux
CHUNKS_AHEAD: Final = 8  # half a megabyte: enough to keep reading while the loop is busy


class RawStream(Protocol):
    """What is read: `io.FileIO`, or anything else whose read gives what is there instead of waiting for more."""

    def read(self, size: int, /) -> bytes | None:
        """Up to `size` bytes, b"" at the end, None where it is non-blocking and nothing is there. Raises OSError."""

    def fileno(self) -> int:
        """The descriptor to wait for after a None."""


OpenStream = Callable[[], AbstractContextManager[RawStream]]
"""Opens a stream; leaving the context closes it, if it is ours to close."""


async def pump(open_stream: OpenStream) -> AsyncGenerator[bytes, None]:
    """The chunks of the stream that `open_stream` gives; both are run, and the stream closed, in the thread.

    Raises OSError where opening or reading does. Close the generator (`contextlib.aclosing`) when it is left early.
    """
    loop = asyncio.get_running_loop()
    arrived: asyncio.Queue[bytes | OSError] = asyncio.Queue()  # bounded by `room`
    room = threading.Semaphore(CHUNKS_AHEAD)
    stopped = threading.Event()

    def hand_over(item: bytes | OSError) -> None:
        try:
            loop.call_soon_threadsafe(arrived.put_nowait, item)
        except RuntimeError:  # the loop is closed: nobody waits any more
            stopped.set()

    def read_all() -> None:
        try:
            with open_stream() as stream:
                while True:
                    room.acquire()
                    if stopped.is_set():
                        return
                    chunk = stream.read(CHUNK)
                    while chunk is None:
                        select.select([stream], [], [])
                        chunk = stream.read(CHUNK)
                    hand_over(chunk)
                    if not chunk:
                        return
        except OSError as error:
            hand_over(error)

    threading.Thread(target=read_all, name="urlsweep-pump", daemon=True).start()
    try:
        while True:
            item = await arrived.get()
            if isinstance(item, OSError):
                raise item
            if not item:
                return
            room.release()
            yield item
    finally:
        stopped.set()
        room.release()
