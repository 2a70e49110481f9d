"""How a source gets a document that lives on the web (a sitemap, a robots.txt): the protocol, not the doing.

Contract: sources depend on `Fetcher` alone; what implements it decides on redirects, retries and credentials exactly
as for any checked URL.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from urlsweep.core.model import Fault


class Document(Protocol):
    """A fetched body, streamed."""

    url: str  # after redirects
    is_public: bool  # a public server gave it, or redirected to it

    def __aiter__(self) -> AsyncIterator[bytes]:
        """The body's chunks as they arrive, content-encoding undone. Raises FetchError when it breaks off."""


class FetchError(Exception):
    """A document could not be had, or broke off: `fault` tells it as a row would."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.detail)
        self.fault = fault


class Fetcher(Protocol):
    """Opens documents by URL."""

    def fetch(self, url: str, *, public_only: bool = False) -> AbstractAsyncContextManager[Document]:
        """GET `url` and give its body. Raises FetchError where the answer is not an accepted one.

        `public_only` is for what a public document names: it must not lead inside, no more than a public redirect may.
        """
