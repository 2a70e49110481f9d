"""A server for tests that start the program as a process: a thread of its own answers by the last number of a path."""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod

PATIENCE = 60.0


class AnsweringServer(ABC):
    """Listens on `address` as long as it is not closed. HEAD and GET are one to it."""

    address = "127.0.0.1"

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._is_up = threading.Event()
        self._is_over = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        assert self._is_up.wait(PATIENCE)

    @abstractmethod
    async def reply(self, number: int) -> bytes:
        """The whole reply to the page with this number, when its time has come. Called in the server's thread."""

    def _serve(self) -> None:
        async def serve() -> None:
            async with await asyncio.start_server(self._answer, self.address, 0) as server:
                self.port = server.sockets[0].getsockname()[1]
                self._is_up.set()
                await self._is_over.wait()
                for writer in list(self._writers):
                    writer.transport.abort()
                await asyncio.gather(*(writer.wait_closed() for writer in self._writers), return_exceptions=True)

        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(serve())

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                writer.write(await self.reply(int(head.split(b" ")[1].rpartition(b"/")[2])))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    def close(self) -> None:
        """End it."""
        self._loop.call_soon_threadsafe(self._is_over.set)
        self._thread.join()


def page(number: int) -> bytes:
    """The reply to a page that is there, or one in seven that is not."""
    status = b"404 Not Found" if number % 7 == 3 else b"200 OK"
    return b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status
