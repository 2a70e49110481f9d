"""The only folder that touches the network. This module holds the protocol that every transport keeps."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from urlsweep.core.model import Failure, Reply, Request


class Transport(Protocol):
    """Sends one request and tells what came back. Follows nothing, retries nothing that was seen by a server."""

    @property
    def lookup_seconds(self) -> float:
        """Seconds that name look-ups took so far, all added up.

        Each look-up counts once, when it has ended, however many requests wait for it; what costs no look-up (a
        remembered name, a literal address, a name that is left to a proxy) adds nothing.
        """

    async def send(self, request: Request) -> Reply | Failure:
        """Send `request` and wait for the end of the answer's header section; the body is not read.

        Never raises for the network: whatever went wrong there is a Failure. Ends within `request.timeout` seconds.
        Where no connection could be made, the Failure (`connect.*`) carries the address that was tried, the first one
        where the name has several; None behind a proxy, and for all that fails before (`dns.*`) or after.
        Cancellation passes through and leaves nothing open. Interim (1xx) answers other than 101 are skipped over.
        """

    def open(self, request: Request) -> AbstractAsyncContextManager[tuple[Reply | Failure, AsyncIterator[bytes]]]:
        """Like `send`, with the body of a Reply to be read: chunks with the content-encoding undone.

        The iterator raises `BodyError` when the body breaks off; leaving the context closes what is open.
        """

    async def aclose(self) -> None:
        """Close every connection. Idempotent; a request that is under way ends with a Failure or a cancellation."""


class BodyError(Exception):
    """A body broke off while it was read; `failure` says how."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.detail)
        self.failure = failure
