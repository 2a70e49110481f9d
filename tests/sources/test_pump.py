from __future__ import annotations

import asyncio
import io
import os
import threading
from collections.abc import Iterator
from contextlib import aclosing, nullcontext
from pathlib import Path

import pytest

from urlsweep.sources.pump import CHUNK, CHUNKS_AHEAD, pump


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read_end, write_end = os.pipe()
    yield read_end, write_end
    for end in (read_end, write_end):
        try:
            os.close(end)
        except OSError:  # the test closed it
            pass


def pumps() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "urlsweep-pump"}


async def ended(thread: threading.Thread) -> None:
    await asyncio.to_thread(thread.join, 10)
    assert not thread.is_alive()


async def test_a_file_comes_whole_and_in_order(tmp_path: Path) -> None:
    path = tmp_path / "list"
    data = bytes(range(256)) * 4000
    path.write_bytes(data)
    chunks = [chunk async for chunk in pump(lambda: io.FileIO(path))]
    assert b"".join(chunks) == data
    assert max(map(len, chunks)) <= CHUNK


async def test_a_trickle_is_passed_on_as_it_comes(pipe: tuple[int, int]) -> None:
    read_end, write_end = pipe
    async with aclosing(pump(lambda: io.FileIO(read_end, closefd=False))) as chunks:
        for line in (b"one\n", b"two\n"):
            os.write(write_end, line)
            assert await anext(chunks) == line
        os.close(write_end)
        with pytest.raises(StopAsyncIteration):
            await anext(chunks)


async def test_a_read_that_blocks_holds_nobody_up(pipe: tuple[int, int]) -> None:
    read_end, write_end = pipe
    before = pumps()
    async with aclosing(pump(lambda: io.FileIO(read_end, closefd=False))) as chunks:
        waiting = asyncio.ensure_future(anext(chunks))
        await asyncio.sleep(0)
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    (thread,) = pumps() - before
    assert thread.daemon
    os.write(write_end, b"late\n")  # lets the thread see that nobody waits any more
    await ended(thread)


class Endless:
    """A stream without an end that counts how often it is read."""

    def __init__(self) -> None:
        self.reads = 0
        self.is_ahead = threading.Event()

    def read(self, size: int, /) -> bytes:
        self.reads += 1
        if self.reads == CHUNKS_AHEAD:
            self.is_ahead.set()
        return b"x" * size

    def fileno(self) -> int:
        raise OSError


async def test_it_reads_ahead_within_bounds() -> None:
    stream = Endless()
    before = pumps()
    async with aclosing(pump(lambda: nullcontext(stream))) as chunks:
        assert len(await anext(chunks)) == CHUNK
        (thread,) = pumps() - before
        await asyncio.to_thread(stream.is_ahead.wait, 10)
        for _ in range(20):
            await anext(chunks)
        assert stream.reads <= 21 + CHUNKS_AHEAD
    await ended(thread)


async def test_what_cannot_be_opened_or_read_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        _ = [chunk async for chunk in pump(lambda: io.FileIO(tmp_path / "missing"))]
    directory = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(OSError, match="directory"):
            _ = [chunk async for chunk in pump(lambda: io.FileIO(directory, closefd=False))]
    finally:
        os.close(directory)


async def test_a_non_blocking_pipe_is_waited_for(pipe: tuple[int, int]) -> None:
    read_end, write_end = pipe
    os.set_blocking(read_end, False)
    async with aclosing(pump(lambda: io.FileIO(read_end, closefd=False))) as chunks:
        waiting = asyncio.ensure_future(anext(chunks))
        await asyncio.sleep(0.01)
        os.write(write_end, b"x")
        assert await waiting == b"x"
        os.close(write_end)
        with pytest.raises(StopAsyncIteration):
            await anext(chunks)


def test_a_loop_that_is_gone_ends_the_thread(pipe: tuple[int, int]) -> None:
    read_end, write_end = pipe

    async def leave_early() -> None:
        chunks = pump(lambda: io.FileIO(read_end, closefd=False))
        waiting = asyncio.ensure_future(anext(chunks))
        await asyncio.sleep(0)
        waiting.cancel()

    asyncio.run(leave_early())
    os.write(write_end, b"late")
    for thread in pumps():
        thread.join(10)
        assert not thread.is_alive()
