"""One request's way through the network, noted as it goes: what a failure needs to be told truthfully.

Contract: the transport opens one `Exchange` a request and makes it current; the resolver, the TLS handshake and the
connection each note their step on it. Nothing in here decides or waits.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from enum import Enum, auto
from typing import Protocol

import msgspec


class Stage(Enum):
    """How far a request has come."""

    LOOKUP = auto()  # waiting for the name's addresses
    CONNECT = auto()  # waiting for TCP
    HANDSHAKE = auto()  # waiting for TLS
    TUNNEL = auto()  # waiting for a proxy's answer to CONNECT
    ANSWER = auto()  # sent: waiting for the answer's header section


class Wire(Protocol):
    """The connection a request went out on, as far as it is of interest here."""

    opening: bytes
    """The first bytes that came back, at most a line's worth; empty while there are none."""


class Exchange(msgspec.Struct):
    """What is known about one request that is under way."""

    scheme: str
    host: str  # as the URL has it: IPv6 in brackets
    port: int
    timeout: float  # seconds
    connect_timeout: float  # seconds
    proxy: str | None = None  # the proxy's URL without credentials; None where there is none
    stage: Stage = Stage.CONNECT
    wire: Wire | None = None
    is_reused: bool = False  # the connection had carried a request before
    address: str | None = None  # the peer's
    looked_up: str | None = None  # the first of the addresses looked up; None where the host is one itself

    def restart(self) -> None:
        """Forget the connection: the request is to go out on another one."""
        self.stage = Stage.CONNECT
        self.wire = None
        self.is_reused = False
        self.address = None

    @property
    def origin(self) -> str:
        """``host:port``, for a sentence."""
        return f"{self.host}:{self.port}"

    @property
    def answered(self) -> bool:
        """Whether any byte of an answer has come."""
        return self.wire is not None and bool(self.wire.opening)


_current: ContextVar[Exchange | None] = ContextVar("urlsweep_exchange", default=None)


def current() -> Exchange | None:
    """The exchange that the running task, or the callback it caused, belongs to."""
    return _current.get()


def note(stage: Stage, *, looked_up: str | None = None) -> None:
    """Note on the current exchange that `stage` is reached, and the address that a look-up led to."""
    exchange = _current.get()
    if exchange is not None:
        exchange.stage = stage
        exchange.looked_up = looked_up or exchange.looked_up


@contextlib.contextmanager
def underway(exchange: Exchange) -> Iterator[None]:
    """Make `exchange` the current one."""
    token = _current.set(exchange)
    try:
        yield
    finally:
        _current.reset(token)
