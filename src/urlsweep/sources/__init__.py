"""Where targets come from: the protocol that every source keeps. Members are a file each, registered in `registry`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from urlsweep.core.model import Target
from urlsweep.sources.child import Child

__all__ = ["Child", "Parser", "SourceError"]


class SourceError(Exception):
    """An input that cannot be used at all: the message says what, where, and what to do."""


class Parser(Protocol):
    """Turns a document's bytes into targets, incrementally: pure, push-style, one instance a document.

    The same parser serves files, pipes and fetched bodies, and gives the same items however the bytes are cut into
    chunks. What cannot be read is given as a Target with a `fault`; nothing that was read before the fault is held
    back. The iterators are lazy: run each to its end before the next call.
    """

    def feed(self, data: bytes) -> Iterator[Target | Child]:
        """Everything that `data` completes. Raises SourceError where the input is of no use as it was asked for."""

    def close(self) -> Iterator[Target | Child]:
        """Everything that the end of the document completes, its truncation included. Called once, and last."""
