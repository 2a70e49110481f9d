"""The only folder that touches the network. This module holds the protocol that every transport keeps."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from urlsweep.core.model import Failure, Reply, Request

Done = Callable[[Reply | Failure | Exception], None]
"""Is told what came of a request. An Exception is none of the network's: it is a bug, and has to end the run."""


class Handle(Protocol):
    """A request that was started."""

    def cancel(self) -> None:
        """End it: nothing of it stays open, and nobody is told. Idempotent; once it has ended, nothing happens."""


class Transport(Protocol):
    """Sends one request and tells what came back. Follows nothing, retries nothing that was seen by a server."""

    @property
    def lookup_seconds(self) -> float:
        """Seconds that name look-ups took so far, all added up.

        Each look-up counts once, when it has ended, however many requests wait for it; what costs no look-up (a
        remembered name, a literal address, a name that is left to a proxy) adds nothing.
        """

    def start(self, request: Request, done: Done) -> Handle:
        """Send `request`, and call `done` at the end of the answer's header section; the body is not read.

        `done` is called once, in the loop's thread, not from within `start`, and not at all after `Handle.cancel`.
        Never raises for the network: whatever went wrong there is a Failure. Ends within `request.timeout` seconds.
        Where no connection could be made, the Failure (`connect.*`) carries the address that was tried, the first one
        where the name has several; None behind a proxy, and for all that fails before (`dns.*`) or after.
        Interim (1xx) answers other than 101 are skipped over.

        A request that ends because nobody accepted its connection may leave its attempts at TCP going, each for
        `request.attempt_timeout` in all; its Failure then says for how long one has been `under_way`, and a later
        request to the same host takes them over. They count among the sockets that nobody uses, as idle connections
        do. Not every transport does so.
        """

    async def send(self, request: Request) -> Reply | Failure:
        """`start`, and wait for what comes of it. Cancellation passes through and leaves nothing open."""

    def open(self, request: Request) -> AbstractAsyncContextManager[tuple[Reply | Failure, AsyncIterator[bytes]]]:
        """Like `send`, with the body of a Reply to be read: chunks with the content-encoding undone.

        The iterator raises `BodyError` when the body breaks off; leaving the context closes what is open.
        """

    async def aclose(self) -> None:
        """Close every connection. Idempotent; a request that is under way ends with a Failure."""


async def started(transport: Transport, request: Request) -> Reply | Failure:
    """What comes of `request`: what `Transport.send` is made of."""
    import asyncio  # --help knows of transports too, and does without

    ended: asyncio.Future[Reply | Failure | Exception] = asyncio.get_running_loop().create_future()

    def done(event: Reply | Failure | Exception) -> None:
        if not ended.done():  # cancelled in this very moment, which its task is yet to hear of
            ended.set_result(event)

    handle = transport.start(request, done)
    try:
        event = await ended
    except asyncio.CancelledError:
        handle.cancel()
        raise
    if isinstance(event, Exception):
        raise event
    return event


class BodyError(Exception):
    """A body broke off while it was read; `failure` says how."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure
