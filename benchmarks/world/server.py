"""The world's web servers: every host of the plan over http and https on loopback addresses.

Contract: plays what `answers` says, after a latency, on one event loop; counts what it sees. State (what flaky pages
have had, what is in the hosts' token buckets) lives in one `World`: a new one is a fresh world.
Not in here: what a page answers (`answers`), which page it is (`plan`), the wire (`connection`), names (`names`).
"""

from __future__ import annotations

import asyncio
import functools
import heapq
import ssl
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.world import answers, servant
from benchmarks.world.answers import Answer
from benchmarks.world.blackhole import Blackhole
from benchmarks.world.certificates import Authority, server_context
from benchmarks.world.connection import BACKLOG, Connection
from benchmarks.world.limit import TokenBucket
from benchmarks.world.load import Carried, Load
from benchmarks.world.names import SILENT_ADDRESSES
from benchmarks.world.plan import LANDING_PREFIX, SERVER_ADDRESSES, HostKind, Plan, number_of

BUSY_SECONDS: Final = 0.5
"""How long a busy host answers 429 from its first request on; it asks to be left alone for 1 s."""

LATE_SECONDS: Final = 0.025
"""Half of the world's latency: an answer that much after it was due was held up by the server itself."""

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
    at_once: list[tuple[str, int]] = field(default_factory=list)  # the most of any host, the highest first
    a_second: list[tuple[str, int]] = field(default_factory=list)  # the same for requests in any one second
    limited: dict[str, Carried] = field(default_factory=dict)  # what each host of `Plan.limits` had to carry
    late: int = 0  # answers that went out `LATE_SECONDS` after they were due, or later
    latest: float = 0.0  # seconds


class World:
    """The plan, being served."""

    def __init__(self, plan: Plan, authority: Authority, latency: tuple[float, float] = (0.0, 0.0)) -> None:
        """`latency`: seconds from a request to its answer, lowest and highest."""
        self.plan = plan
        self.authority = authority
        self._latency = latency
        self._earlier: Counter[str] = Counter()  # requests that a page has had
        self._busy_until: dict[str, float] = {}
        self._buckets = {host: TokenBucket(limit.rate, limit.burst) for host, limit in plan.limits.items()}
        self._loads: dict[str, Load] = {}
        self._all_open = 0
        self._servers: list[asyncio.Server] = []
        self.connections: set[Connection] = set()
        self.counts = Counts()

    async def start(
        self, addresses: Sequence[str] = SERVER_ADDRESSES, ports: tuple[int, int] = (80, 443)
    ) -> tuple[int, int]:
        """Listen. `ports`: http and https; 0 takes a free one, for a single address. Returns them. Raises OSError."""
        loop = asyncio.get_running_loop()
        context = server_context(self.authority, self.plan.hosts)
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
        counts = self.counts
        carried = {host: load.carried() for host, load in self._loads.items()}
        counts.at_once = _highest((host, each.most_at_once) for host, each in carried.items())
        counts.a_second = _highest((host, each.most_a_second) for host, each in carried.items())
        counts.limited = {host: carried[host] for host in self.plan.limits if host in carried}
        counts.by_page = dict(self._earlier)
        return counts

    def connected(self, connection: Connection) -> None:
        """A client has connected."""
        self.connections.add(connection)
        self.counts.connections += 1

    def answer(self, method: str, scheme: str, host: str, target: str, now: float) -> Answer:
        """The answer to one request, its latency included in the delay. `answered` has to follow."""
        counts = self.counts
        counts.requests += 1
        counts.methods[method] = counts.methods.get(method, 0) + 1
        self._all_open += 1
        counts.peak = max(counts.peak, self._all_open)
        load = self._loads.get(host)
        if load is None:
            load = self._loads[host] = Load()
        load.begin(now)
        is_head = method == "HEAD"
        given = self._push_back(host, now, is_head)
        if given is None:
            given = self._page(method, scheme, host, target)
        else:
            counts.push_backs += 1
            load.refused += 1
        low, high = self._latency
        spread = number_of("latency", f"{host}{target}") % 1000 / 1000 if high > low else 0.0
        return given._replace(delay=given.delay + low + (high - low) * spread)

    def answered(self, host: str) -> None:
        """A request has been answered, or its client has left."""
        self._all_open -= 1
        self._loads[host].end()

    def was_late(self, seconds: float) -> None:
        """An answer went out that much after it was due."""
        if seconds >= LATE_SECONDS:
            self.counts.late += 1
        self.counts.latest = max(self.counts.latest, seconds)

    def _push_back(self, host: str, now: float, is_head: bool) -> Answer | None:
        bucket = self._buckets.get(host)
        if bucket is not None and not bucket.take(now):
            return answers.push_back(tells_when=self.plan.limits[host].tells_when, is_head=is_head)
        if self.plan.hosts.get(host) is HostKind.BUSY and now < self._busy_until.setdefault(host, now + BUSY_SECONDS):
            return answers.push_back(tells_when=True, is_head=is_head)
        return None

    def _page(self, method: str, scheme: str, host: str, target: str) -> Answer:
        page = self.plan.pages.get(f"{scheme}://{host}{target}")
        if page is not None:
            earlier = self._earlier[page.href]
            self._earlier[page.href] += 1
            return answers.answer(page, method, earlier)
        is_head = method == "HEAD"
        if target.startswith(LANDING_PREFIX):
            return answers.landing_answer(target, is_head)
        counts = self.counts
        counts.strange += 1
        if len(counts.strange_examples) < _EXAMPLES:
            counts.strange_examples.append(f"{method} {scheme}://{host}{target}"[:200])
        return Answer(answers.response("421 Misdirected Request", body=b"not of this world\n", is_head=is_head))


def _highest(figures: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    return heapq.nlargest(_EXAMPLES, figures, key=lambda figure: figure[1])


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

    with Blackhole((address, port) for address in SILENT_ADDRESSES for port in (80, 443)):
        servant.run(start, stop, options.counts)


if __name__ == "__main__":
    main()
