"""The world's DNS: a small UDP server that answers as planned, in a process of its own: busy web servers slow no DNS.

Contract: authoritative for every name there is: what the plan does not know does not exist. Loopback addresses only.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from dnslib import (  # type: ignore[import-untyped]  # it has neither types nor stubs
    CLASS,
    QTYPE,
    RCODE,
    RR,
    SOA,
    A,
    DNSError,
    DNSHeader,
    DNSRecord,
)

from benchmarks.world import servant
from benchmarks.world.plan import SERVER_ADDRESSES, HostKind, number_of

NO_SERVER_ADDRESSES: Final = tuple(f"127.7.255.{number}" for number in range(1, 65))
"""Nothing listens there: a connection is refused."""

SILENT_ADDRESSES: Final = tuple(f"127.7.254.{number}" for number in range(1, 33))
"""Nothing comes back from there: the server's process keeps them silent."""

TTL_SECONDS: Final = 300

_SOA: Final = SOA("ns.world.example", "nobody.world.example", (1, 3600, 600, 86400, TTL_SECONDS))


class NameServer(asyncio.DatagramProtocol):
    """Answers A with the host's address, AAAA with "none", and the planted faults."""

    def __init__(self, hosts: Mapping[str, HostKind], addresses: Sequence[str]) -> None:
        self._hosts = hosts
        self._addresses = addresses
        self._transport: asyncio.DatagramTransport | None = None
        self.queries: Counter[str] = Counter()  # by type
        self.strange: Counter[str] = Counter()  # names that no row of the list needs

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast: until Python 3.12 asyncio's own datagram transports were no DatagramTransport by class.
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        try:
            query = DNSRecord.parse(data)
        except DNSError:
            return
        reply = self.answer(query)
        if self._transport is not None and reply is not None:
            self._transport.sendto(reply.pack(), addr)

    def answer(self, query: DNSRecord) -> DNSRecord | None:
        """The reply to `query`, or None where nothing is said."""
        name = str(query.q.qname).rstrip(".").lower()
        kind = self._hosts.get(name)
        self.queries[QTYPE.get(query.q.qtype)] += 1
        if kind is HostKind.SILENT_NAME:
            return None
        # Without recursion "available" some resolvers look for another server.
        reply = DNSRecord(DNSHeader(id=query.header.id, qr=1, aa=1, ra=1), q=query.q)
        if kind is None:
            self.strange[name] += 1
        if kind is None or kind is HostKind.NO_NAME:
            reply.header.rcode = RCODE.NXDOMAIN
        elif kind is HostKind.NAME_FAILURE:
            reply.header.rcode = RCODE.SERVFAIL
            return reply
        elif query.q.qtype == QTYPE.A:
            reply.add_answer(RR(query.q.qname, QTYPE.A, CLASS.IN, TTL_SECONDS, A(self.address_of(name, kind))))
            return reply
        reply.add_auth(RR("example", QTYPE.SOA, CLASS.IN, TTL_SECONDS, _SOA))  # RFC 2308: how long the denial holds
        return reply

    def address_of(self, name: str, kind: HostKind) -> str:
        """The address of a host that has one."""
        addresses = {HostKind.NO_SERVER: NO_SERVER_ADDRESSES, HostKind.SILENT: SILENT_ADDRESSES}.get(
            kind, self._addresses
        )
        return addresses[number_of("address", name) % len(addresses)]


def main() -> None:
    """`python -m benchmarks.world.names`: for `benchmarks.world`, inside its namespace."""
    options = servant.parser("answer for every name of a list").parse_args()
    server = NameServer(servant.plan_of(options).hosts, SERVER_ADDRESSES)

    async def start() -> None:
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: server, ("127.0.0.1", 53))

    async def stop() -> dict[str, Any]:
        return {"queries": dict(server.queries), "strange": server.strange.total()}

    servant.run(start, stop, options.counts)


if __name__ == "__main__":
    main()
