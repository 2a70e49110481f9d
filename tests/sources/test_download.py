from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from urlsweep.core.documents import FetchError
from urlsweep.core.model import Fault, Outcome, Reason
from urlsweep.sources.download import Download

FAULT = Fault(Outcome.DOWN, Reason.RESPONSE_RESET, "the connection was reset")


class Body:
    """A document whose chunks are counted as they are taken."""

    def __init__(self, url: str, chunks: list[bytes], fault: Fault | None) -> None:
        self.url = url
        self.is_public = True
        self.taken = 0
        self._chunks = chunks
        self._fault = fault

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            self.taken += 1
            yield chunk
            await asyncio.sleep(0)
        if self._fault is not None:
            raise FetchError(self._fault)


class OneDocument:
    """Fetches one and the same document whatever is asked for."""

    def __init__(self, chunks: list[bytes], *, refusal: Fault | None = None, fault: Fault | None = None) -> None:
        self.body = Body("https://a.example/moved", chunks, fault)
        self.is_open = False
        self._refusal = refusal

    @asynccontextmanager
    async def fetch(self, url: str, *, public_only: bool = False) -> AsyncIterator[Body]:
        await asyncio.sleep(0)
        if self._refusal is not None:
            raise FetchError(self._refusal)
        self.is_open = True
        try:
            yield self.body
        finally:
            self.is_open = False


async def test_its_task_is_named_without_a_password() -> None:
    async with Download(OneDocument([b"a"]), "https://me:s3cret@a.example/"):
        assert {"urlsweep-download https://me:***@a.example/"} <= {task.get_name() for task in asyncio.all_tasks()}


async def test_chunks_come_in_order_under_the_final_url() -> None:
    fetcher = OneDocument([b"a", b"", b"b", b"c"])
    async with Download(fetcher, "https://a.example/") as download:
        assert await download.final_url() == "https://a.example/moved"
        assert [chunk async for chunk in download.chunks()] == [b"a", b"b", b"c"]


async def test_the_connection_is_free_before_the_document_is_parsed() -> None:
    fetcher = OneDocument([b"x"] * 50)
    async with Download(fetcher, "https://a.example/") as download:
        chunks = download.chunks()
        await anext(chunks)
        for _ in range(200):
            await asyncio.sleep(0)
        assert not fetcher.is_open
        assert len([chunk async for chunk in chunks]) == 49


async def test_only_so_much_is_held() -> None:
    fetcher = OneDocument([b"x" * 100] * 50)
    async with Download(fetcher, "https://a.example/", bytes_ahead=1000) as download:
        await download.final_url()
        for _ in range(500):
            await asyncio.sleep(0)
        assert fetcher.body.taken == 10
        assert len([chunk async for chunk in download.chunks()]) == 50


async def test_a_refusal_is_raised_for_who_asks() -> None:
    async with Download(OneDocument([], refusal=FAULT), "https://a.example/") as download:
        with pytest.raises(FetchError, match="reset"):
            await download.final_url()


async def test_a_body_that_breaks_off_gives_what_came_first() -> None:
    got: list[bytes] = []
    async with Download(OneDocument([b"a", b"b"], fault=FAULT), "https://a.example/") as download:
        chunks = download.chunks()
        got.append(await anext(chunks))
        got.append(await anext(chunks))
        with pytest.raises(FetchError):
            await anext(chunks)
    assert got == [b"a", b"b"]


async def test_leaving_early_ends_the_fetch() -> None:
    fetcher = OneDocument([b"x" * 100] * 50)
    async with Download(fetcher, "https://a.example/", bytes_ahead=100) as download:
        await download.final_url()
        assert fetcher.is_open
    assert not fetcher.is_open


async def test_leaving_without_asking_hides_no_warning_and_leaves_no_task() -> None:
    async with Download(OneDocument([], refusal=FAULT), "https://a.example/"):
        for _ in range(5):
            await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1
