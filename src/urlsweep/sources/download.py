"""One fetched document that is read at the server's pace and parsed at the run's.

Contract: the fetch is one task, owned by the context; it is over, and its connection free, as soon as the body is in.
Why not parse straight from the connection: a run takes targets as slowly as it can ask them, and a server that cannot
go on sending for a minute hangs up. The sitemap would look truncated, and would not be.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from types import TracebackType
from typing import Final, Self

from urlsweep.core.documents import Fetcher
from urlsweep.core.urls import redact

BYTES_AHEAD: Final = 52_428_800
"""Bytes that may wait to be parsed: the longest that sitemaps.org allows a sitemap to be. Only beyond it is the server
kept waiting."""


class Download:
    """`async with Download(fetcher, url) as download`: the document's address and its chunks."""

    def __init__(
        self, fetcher: Fetcher, url: str, *, public_only: bool = False, bytes_ahead: int = BYTES_AHEAD
    ) -> None:
        """`public_only`: see `Fetcher.fetch`."""
        self._fetcher = fetcher
        self._url = url
        self._public_only = public_only
        self._bytes_ahead = bytes_ahead
        self._waiting: deque[bytes] = deque()
        self._size = 0  # bytes that wait
        self._changed = asyncio.Event()  # something arrived, or the fetch is over
        self._room = asyncio.Event()
        self._task: asyncio.Task[None]  # from __aenter__ on
        self._final_url: str | None = None
        self.is_public = True  # see `Document`; known once `final_url` is

    async def __aenter__(self) -> Self:
        # asyncio writes the names of tasks into its own warnings: no password in there.
        self._task = asyncio.create_task(self._fetch(), name=f"urlsweep-download {redact(self._url)}")
        self._task.add_done_callback(lambda _: self._changed.set())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.exception()  # taken, so that it is not logged: who left early did not want it

    async def final_url(self) -> str:
        """The URL after redirects. Raises FetchError where the document cannot be had."""
        while self._final_url is None:
            await self._news()
        return self._final_url

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """The body. Raises FetchError where it breaks off, after all that came before."""
        while True:
            while self._waiting:
                chunk = self._waiting.popleft()
                self._size -= len(chunk)
                self._room.set()
                yield chunk
            if self._task.done():
                self._task.result()
                return
            await self._news()

    async def _news(self) -> None:
        """Wait for the fetch to get on. Raises what ended it."""
        if self._task.done():
            self._task.result()
            return
        self._changed.clear()
        await self._changed.wait()

    async def _fetch(self) -> None:
        async with self._fetcher.fetch(self._url, public_only=self._public_only) as document:
            self.is_public = document.is_public
            self._final_url = document.url
            self._changed.set()
            async for chunk in document:
                if not chunk:
                    continue
                self._waiting.append(chunk)
                self._size += len(chunk)
                self._changed.set()
                while self._size >= self._bytes_ahead:
                    self._room.clear()
                    await self._room.wait()
