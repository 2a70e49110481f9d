"""The hosts that are swept: each with a public name, an address and a port of its own, and one way to behave.

Contract: everything listens on loopback addresses alone; names are joined to them by urlsweep's own --resolve, so that
its defaults for public hosts hold. Needs no root. Linux, where all of 127.0.0.0/8 can be listened on.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final

from benchmarks.world.answers import Answer, End, response
from benchmarks.world.blackhole import Blackhole
from benchmarks.world.connection import BACKLOG, Connection
from benchmarks.world.limit import Limit
from benchmarks.world.load import Load

LATENCY: Final = 0.05
"""Seconds from a request to its answer: a server on the same continent."""

REASON_PHRASES: Final = {200: "OK", 429: "Too Many Requests", 503: "Service Unavailable"}


@dataclass(frozen=True, kw_only=True)
class Host:
    """One host and its pages, all of them alike."""

    name: str
    urls: int
    latency: float = LATENCY
    limit: Callable[[], Limit] | None = None  # makes what decides on each request; None: all are let through
    refusal: int = 429  # the status of what is not let through
    retry_after: int | None = None  # seconds, told with a refusal
    end: End = End.KEEP  # RESET and HANG: what becomes of every request
    is_dead: bool = False  # nobody answers at its address
    expected: tuple[str, str | None] = ("ok", None)  # outcome and reason of every row


class Site:
    """The hosts, being served."""

    def __init__(self, hosts: Iterable[Host]) -> None:
        self.hosts = {host.name: host for host in hosts}
        self.loads = {name: Load() for name in self.hosts}
        self.arrivals: list[float] = []  # of all requests to hosts that have a limit, on the loop's clock
        self.places: dict[str, tuple[str, int]] = {}  # address and port, by name
        self.connections: set[Connection] = set()
        self.latest = 0.0  # seconds by which the latest answer was late: the server's own fault
        self.answer_seen: Callable[[], None] | None = None  # called at each request
        self._limits = {name: host.limit() for name, host in self.hosts.items() if host.limit is not None}

    @asynccontextmanager
    async def served(self) -> AsyncIterator[Site]:
        """Listen, until the context is left. Raises OSError."""
        loop = asyncio.get_running_loop()
        addresses = dict(zip(self.hosts, _addresses(), strict=False))
        dead = [name for name, host in self.hosts.items() if host.is_dead]
        servers = []
        with ExitStack() as stack:
            try:
                blackhole = stack.enter_context(Blackhole((addresses[name], 0) for name in dead))
                self.places |= zip(dead, blackhole.places, strict=True)
                connect = functools.partial(Connection, self, "http")
                for name in self.hosts.keys() - self.places.keys():
                    servers.append(await loop.create_server(connect, addresses[name], 0, backlog=BACKLOG))
                    self.places[name] = servers[-1].sockets[0].getsockname()
                yield self
            finally:
                for server in servers:
                    server.close()
                for connection in list(self.connections):
                    connection.abort()
                for server in servers:
                    await server.wait_closed()

    def urls(self, name: str) -> list[str]:
        """The URLs of one host, once it is served."""
        port = self.places[name][1]
        return [f"http://{name}:{port}/{number}" for number in range(self.hosts[name].urls)]

    def resolutions(self) -> Iterator[str]:
        """What --resolve has to be told."""
        for name, (address, port) in self.places.items():
            yield f"{name}:{port}:{address}"

    def first_request(self) -> float:
        """When the first request of all came in, on the loop's clock. Raises ValueError where none did."""
        return min(load.first for load in self.loads.values() if load.first is not None)

    def connected(self, connection: Connection) -> None:
        """A client has connected."""
        self.connections.add(connection)

    def answer(self, method: str, scheme: str, host: str, target: str, now: float) -> Answer:
        """What to do about a request; whatever is asked of a host, its pages are all alike."""
        del scheme, target
        asked, load = self.hosts[host], self.loads[host]
        load.begin(now)
        if self.answer_seen is not None:
            self.answer_seen()
        limit = self._limits.get(host)
        if limit is not None:
            self.arrivals.append(now)
        if limit is not None and not limit.take(now, load.at_once):
            load.refused += 1
            fields = () if asked.retry_after is None else (f"Retry-After: {asked.retry_after}",)
            status = f"{asked.refusal} {REASON_PHRASES[asked.refusal]}"
            # At once: what turns requests away stands before the pages.
            return Answer(response(status, *fields, body=b"slower\n", is_head=method == "HEAD"))
        if asked.end is not End.KEEP:
            return Answer(b"", asked.end, asked.latency)
        return Answer(response("200 OK", body=b"a page\n", is_head=method == "HEAD"), delay=asked.latency)

    def answered(self, host: str) -> None:
        """A request has been answered, or its client has left."""
        self.loads[host].end()

    def was_late(self, seconds: float) -> None:
        """An answer went out that much after it was due."""
        self.latest = max(self.latest, seconds)


def _addresses() -> Iterator[str]:
    """Loopback addresses: one for each host, since what an address is learned for must not spread to others."""
    for number in range(1, 1 << 16):
        yield f"127.21.{number >> 8}.{number & 255}"
