"""The world's web servers: every host of the plan over http and https on loopback addresses.

Contract: plays what `answers` says, after a latency, on one event loop; counts what it sees. State (what flaky pages
have had) lives in one `World`: a new one is a fresh world.
Not in here: what a page answers (`answers`), which page it is (`plan`), names (`names`).
"""

from __future__ import annotations

import asyncio
import functools
import socket
import ssl
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.world import answers, servant
from benchmarks.world.answers import Answer, End
from benchmarks.world.certificates import Authority, server_context
from benchmarks.world.plan import LANDING_PREFIX, SERVER_ADDRESSES, HostKind, Plan, number_of

BUSY_SECONDS: Final = 0.5
"""How long a busy host answers 429 from its first request on; it asks to be left alone for 1 s."""

KEEP_ALIVE_SECONDS: Final = 5.0
"""How long an idle connection is kept: Apache's own default. Clients meet connections that close under their hands."""

BACKLOG: Final = 1024
LONGEST_REQUEST_BYTES: Final = 64 * 1024
_NO_LINGER: Final = struct.pack("ii", 1, 0)
_EXAMPLES: Final = 5


@dataclass
class Counts:
    """What the servers saw."""

    connections: int = 0
    requests: int = 0
    methods: dict[str, int] = field(default_factory=dict)
    push_backs: int = 0  # 429 given
    strange: int = 0  # requests for pages that are not in the list, or not spelled as there
    strange_examples: list[str] = field(default_factory=list)
    by_page: dict[str, int] = field(default_factory=dict)  # requests that a page of the list has answered, by URL
    peak: int = 0  # requests being answered at once
    peak_by_host: list[tuple[str, int]] = field(default_factory=list)  # the highest first


class World:
    """The plan, being served."""

    def __init__(self, plan: Plan, authority: Authority, latency: tuple[float, float] = (0.0, 0.0)) -> None:
        """`latency`: seconds from a request to its answer, lowest and highest."""
        self.plan = plan
        self.authority = authority
        self._latency = latency
        self._earlier: Counter[str] = Counter()  # requests that a page has had
        self._busy_until: dict[str, float] = {}
        self._open_requests: Counter[str] = Counter()  # by host
        self._peaks: Counter[str] = Counter()
        self._all_open = 0
        self._servers: list[asyncio.Server] = []
        self.connections: set[Connection] = set()
        self.counts = Counts()

    async def start(
        self, addresses: Sequence[str] = SERVER_ADDRESSES, ports: tuple[int, int] = (80, 443)
    ) -> tuple[int, int]:
        """Listen. `ports`: http and https; 0 takes a free one, for a single address. Returns them. Raises OSError."""
        loop = asyncio.get_running_loop()
        context = server_context(self.authority, dict(self.plan.hosts))
        schemes: tuple[tuple[str, ssl.SSLContext | None], ...] = (("http", None), ("https", context))
        taken = []
        for (scheme, tls), port in zip(schemes, ports, strict=True):
            server = await loop.create_server(
                functools.partial(Connection, self, scheme),
                list(addresses),
                port,
                ssl=tls,
                backlog=BACKLOG,
            )
            self._servers.append(server)
            taken.append(int(server.sockets[0].getsockname()[1]))
        return taken[0], taken[1]

    async def stop(self) -> Counts:
        """Close everything and give the counts."""
        for server in self._servers:
            server.close()
        for connection in list(self.connections):
            connection.abort()
        for server in self._servers:
            await server.wait_closed()
        await asyncio.sleep(0)  # closed transports tell their protocols on the loop's next turn
        self.counts.peak_by_host = self._peaks.most_common(_EXAMPLES)
        self.counts.by_page = dict(self._earlier)
        return self.counts

    def answer(self, method: str, scheme: str, host: str, target: str, now: float) -> Answer:
        """The answer to one request, its latency included in the delay."""
        counts = self.counts
        counts.requests += 1
        counts.methods[method] = counts.methods.get(method, 0) + 1
        is_head = method == "HEAD"
        page = self.plan.pages.get(f"{scheme}://{host}{target}")
        if self.plan.hosts.get(host) is HostKind.BUSY and now < self._busy_until.setdefault(host, now + BUSY_SECONDS):
            counts.push_backs += 1
            given = answers.busy_answer(is_head)
        elif page is not None:
            given = answers.answer(page, method, self._earlier[page.href])
            self._earlier[page.href] += 1
        elif target.startswith(LANDING_PREFIX):
            given = answers.landing_answer(target, is_head)
        else:
            counts.strange += 1
            if len(counts.strange_examples) < _EXAMPLES:
                counts.strange_examples.append(f"{method} {scheme}://{host}{target}"[:200])
            given = Answer(answers.response("421 Misdirected Request", body=b"not of this world\n", is_head=is_head))
        low, high = self._latency
        spread = number_of("latency", f"{host}{target}") % 1000 / 1000
        return given._replace(delay=given.delay + low + (high - low) * spread)

    def begin(self, host: str) -> None:
        """Count a request that is being answered."""
        open_requests = self._open_requests
        open_requests[host] += 1
        self._all_open += 1
        self._peaks[host] = max(self._peaks[host], open_requests[host])
        self.counts.peak = max(self.counts.peak, self._all_open)

    def end(self, host: str) -> None:
        """Count it out again."""
        self._all_open -= 1
        self._open_requests[host] -= 1
        if not self._open_requests[host]:
            del self._open_requests[host]


class Connection(asyncio.Protocol):
    """One client's connection: reads requests without bodies, one after another."""

    def __init__(self, world: World, scheme: str) -> None:
        self._world = world
        self._scheme = scheme
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self._host: str | None = None  # of the request that is being answered
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._world.connections.add(self)
        self._world.counts.connections += 1

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._transport = None
        self._world.connections.discard(self)
        if self._timer is not None:
            self._timer.cancel()
        self._finish()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if len(self._buffer) > LONGEST_REQUEST_BYTES:
            self.abort()
        elif self._host is None:
            self._read_request()

    def abort(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _read_request(self) -> None:
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator or self._transport is None:
            return
        self._buffer = rest
        request_line, *fields = head.decode("latin-1").split("\r\n")
        method, _, line_rest = request_line.partition(" ")
        target = line_rest.rpartition(" ")[0]
        host = ""
        for line in fields:
            name, _, value = line.partition(":")
            if name.lower() == "host":
                host = value.strip().lower().partition(":")[0]
        if self._timer is not None:
            self._timer.cancel()
        self._host = host
        self._world.begin(host)
        given = self._world.answer(method, self._scheme, host, target, self._loop.time())
        self._timer = self._loop.call_later(given.delay, self._play, given)

    def _play(self, given: Answer) -> None:
        transport = self._transport
        if given.end is End.HANG or transport is None:
            return
        self._finish()
        if given.data:
            transport.write(given.data)
        match given.end:
            case End.CLOSE:
                transport.close()
            case End.RESET:
                transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
                transport.abort()
            case _:
                self._timer = self._loop.call_later(KEEP_ALIVE_SECONDS, self._close)
                self._read_request()

    def _finish(self) -> None:
        if self._host is not None:
            self._world.end(self._host)
            self._host = None


def main() -> None:
    """`python -m benchmarks.world.server`: for `benchmarks.world`, inside its namespace."""
    parser = servant.parser("serve every host of a list over http and https")
    parser.add_argument("authority", type=Path, help="where the authority's certificate is written")
    parser.add_argument("--latency", type=float, nargs=2, default=(0.0, 0.0))
    options = parser.parse_args()
    world = World(servant.plan_of(options), Authority().save(options.authority), tuple(options.latency))

    async def start() -> None:
        await world.start()

    async def stop() -> dict[str, Any]:
        return asdict(await world.stop())

    servant.run(start, stop, options.counts)


if __name__ == "__main__":
    main()
