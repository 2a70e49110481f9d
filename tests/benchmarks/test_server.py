"""The world's servers play the plan: seen by plain sockets, on loopback, on free ports."""

from __future__ import annotations

import asyncio
import ssl
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from benchmarks.world.answers import BODY, FLAKY_REQUESTS
from benchmarks.world.certificates import Authority
from benchmarks.world.names import NO_SERVER_ADDRESSES, SILENT_ADDRESSES, NameServer
from benchmarks.world.plan import HostKind, Page, PageKind, Plan, RateLimit, make_plan
from benchmarks.world.server import LATE_SECONDS, World
from dnslib import QTYPE, RCODE, DNSRecord  # type: ignore[import-untyped]  # has no stubs

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the benchmark's servers are for Linux")

HOST = "site.example"
KINDS = {f"/{kind}": kind for kind in PageKind}
HOSTS = {f"{kind.replace('_', '-')}.example": kind for kind in HostKind}
WAIT = 10.0


def planned() -> Plan:
    """One host with a page of every kind, and a host of every kind."""
    pages = [Page(f"http://{HOST}{path}", "http", HOST, path, kind, HostKind.OK) for path, kind in KINDS.items()]
    for host, host_kind in HOSTS.items():
        pages.append(Page(f"https://{host}/", "https", host, "/", PageKind.OK, host_kind))
    hosts = {HOST: HostKind.OK, **HOSTS}
    return Plan((), {page.href: page for page in pages}, hosts, {})


@dataclass
class Client:
    """Asks the world."""

    world: World
    names: NameServer
    http: int
    https: int
    dns: int

    async def ask(self, path: str, method: str = "GET") -> bytes:
        """All that comes back; raises ConnectionResetError for a reset."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.http)
        try:
            writer.write(f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
            async with asyncio.timeout(WAIT):
                head = await reader.readuntil(b"\r\n\r\n")
                length = 0 if method == "HEAD" else int(head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
                return head + await reader.readexactly(length)
        except asyncio.IncompleteReadError as error:
            return error.partial
        finally:
            writer.close()

    async def certificate_fault(self, host: str) -> int:
        """OpenSSL's verification error code for `host`; 0: none."""
        context = ssl.create_default_context(cadata=self.world.authority.pem.decode())
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", self.https, ssl=context, server_hostname=host)
        except ssl.SSLCertVerificationError as error:
            return error.verify_code
        writer.transport.abort()
        return 0

    async def look_up(self, name: str, kind: str) -> tuple[int, list[str]]:
        """The answer's code and its addresses."""
        loop = asyncio.get_running_loop()
        reply: asyncio.Future[bytes] = loop.create_future()

        class Reader(asyncio.DatagramProtocol):
            def datagram_received(self, data: bytes, addr: object) -> None:
                reply.set_result(data)

        transport, _ = await loop.create_datagram_endpoint(Reader, remote_addr=("127.0.0.1", self.dns))
        try:
            transport.sendto(DNSRecord.question(name, kind).pack())
            async with asyncio.timeout(WAIT):
                record = DNSRecord.parse(await reply)
        finally:
            transport.close()
        return record.header.rcode, [str(answer.rdata) for answer in record.rr if answer.rtype == QTYPE.A]


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
async def client(authority: Authority) -> AsyncIterator[Client]:
    world = World(planned(), authority)
    names = NameServer(world.plan.hosts, ["127.0.0.1"])
    ports = await world.start(["127.0.0.1"], (0, 0))
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: names, ("127.0.0.1", 0))
    yield Client(world, names, *ports, transport.get_extra_info("sockname")[1])
    transport.close()
    await world.stop()


@pytest.mark.parametrize(
    ("kind", "statuses"),
    [
        (PageKind.OK, [200, 200]),
        (PageKind.NOT_FOUND, [404]),
        (PageKind.GONE, [410]),
        (PageKind.FORBIDDEN, [403]),
        (PageKind.REDIRECT_301, [301]),
        (PageKind.REDIRECT_302, [302]),
        (PageKind.REDIRECT_308, [308]),
        (PageKind.REDIRECT_AWAY, [302]),
        (PageKind.REDIRECT_HTTPS, [301]),
        (PageKind.REDIRECT_LOOP, [302]),
        (PageKind.ERROR_500, [500, 500, 500, 500]),
        (PageKind.FLAKY_503, [503] * FLAKY_REQUESTS + [200]),
        (PageKind.CHALLENGE, [403]),
    ],
)
async def test_pages_answer_as_planned(client: Client, kind: PageKind, statuses: list[int]) -> None:
    assert [int((await client.ask(f"/{kind}"))[9:12]) for _ in statuses] == statuses


@pytest.mark.parametrize(("kind", "status"), [("head_405", 405), ("head_404", 404), ("head_501", 501)])
async def test_pages_that_know_get_alone(client: Client, kind: str, status: int) -> None:
    head = await client.ask(f"/{kind}", "HEAD")
    assert int(head[9:12]) == status
    assert head.endswith(b"\r\n\r\n")
    assert (await client.ask(f"/{kind}")).endswith(BODY)


async def test_connections_end_as_planned(client: Client) -> None:
    assert await client.ask("/head_hangs_up", "HEAD") == b""
    assert await client.ask("/empty") == b""
    assert (await client.ask("/garbage")).startswith(b"SSH-")
    with pytest.raises(ConnectionResetError):
        await client.ask("/reset")
    for _ in range(FLAKY_REQUESTS):
        with pytest.raises(ConnectionResetError):
            await client.ask("/flaky_reset")
    assert (await client.ask("/flaky_reset")).endswith(BODY)


async def test_requests_on_one_connection_are_answered_in_turn(client: Client) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", client.http)
    request = f"HEAD /ok HTTP/1.1\r\nhost: {HOST}\r\n\r\n".encode()
    writer.write(request[:10])
    await writer.drain()
    writer.write(request[10:] + request)
    async with asyncio.timeout(WAIT):
        answers = [await reader.readuntil(b"\r\n\r\n") for _ in range(2)]
    writer.close()
    assert all(answer.startswith(b"HTTP/1.1 200 ") for answer in answers)
    assert client.world.counts.connections == 1


async def test_every_redirect_ends_at_a_page(client: Client) -> None:
    world = client.world
    for kind, hops in (("redirect_301", 1), ("redirect_away", 2), ("redirect_https", 1)):
        scheme, host, target = "http", HOST, f"/{kind}"
        for _ in range(hops):
            head = world.answer("GET", scheme, host, target, 0.0).data.decode()
            location = head.partition("Location: ")[2].partition("\r\n")[0]
            if not location.startswith("/"):
                scheme, _, rest = location.partition("://")
                host, slash, path = rest.partition("/")
                location = slash + path
            target = location
        assert world.answer("GET", scheme, host, target, 0.0).data.startswith(b"HTTP/1.1 200 ")


async def test_busy_hosts_push_back_for_a_moment(client: Client) -> None:
    statuses = [client.world.answer("GET", "https", "busy.example", "/", now).data[9:12] for now in (5.0, 5.4, 5.6)]
    assert statuses == [b"429", b"429", b"200"]
    assert client.world.counts.push_backs == 2


@pytest.mark.parametrize("tells_when", [True, False])
async def test_limited_hosts_push_back_whoever_is_too_fast(authority: Authority, tells_when: bool) -> None:
    plan = planned()
    world = World(Plan((), plan.pages, plan.hosts, {HOST: RateLimit(2.0, 2.0, tells_when)}), authority)
    given = [world.answer("GET", "http", HOST, "/ok", now).data for now in (5.0, 5.1, 5.2, 5.3, 5.6)]
    assert [data[9:12] for data in given] == [b"200", b"200", b"429", b"429", b"200"]
    assert (b"\r\nRetry-After: 1\r\n" in given[2]) is tells_when
    counts = await world.stop()
    assert counts.push_backs == 2
    assert counts.by_page == {f"http://{HOST}/ok": 3}  # what was refused is no page's doing
    carried = counts.limited[HOST]
    assert (carried.requests, carried.refused, carried.let_through) == (5, 2, 3)
    assert (carried.most_at_once, carried.most_a_second) == (5, 5)
    assert counts.a_second == counts.at_once == [(HOST, 5)]


async def test_answers_that_are_late_are_told(client: Client) -> None:
    for seconds in (0.001, LATE_SECONDS, 0.2):
        client.world.was_late(seconds)
    assert (client.world.counts.late, client.world.counts.latest) == (2, 0.2)


async def test_requests_that_are_not_of_the_plan_are_told(client: Client) -> None:
    assert (await client.ask("/OK"))[9:12] == b"421"
    assert client.world.counts.strange_examples == [f"GET http://{HOST}/OK"]


@pytest.mark.parametrize(
    ("kind", "code"),
    [(HostKind.OK, 0), (HostKind.TLS_EXPIRED, 10), (HostKind.TLS_SELF_SIGNED, 18), (HostKind.TLS_WRONG_NAME, 62)],
)
async def test_certificates_are_as_planned(client: Client, kind: HostKind, code: int) -> None:
    assert await client.certificate_fault(f"{kind.replace('_', '-')}.example") == code


async def test_names_are_as_planned(client: Client) -> None:
    assert await client.look_up("ok.example", "A") == (RCODE.NOERROR, ["127.0.0.1"])
    assert await client.look_up("OK.example", "AAAA") == (RCODE.NOERROR, [])
    for name, addresses in (("no-server.example", NO_SERVER_ADDRESSES), ("silent.example", SILENT_ADDRESSES)):
        code, found = await client.look_up(name, "A")
        assert code == RCODE.NOERROR
        assert set(found) < set(addresses)
    assert await client.look_up("no-name.example", "A") == (RCODE.NXDOMAIN, [])
    assert await client.look_up("name-failure.example", "AAAA") == (RCODE.SERVFAIL, [])
    assert await client.look_up("never-planned.example", "A") == (RCODE.NXDOMAIN, [])
    assert dict(client.names.strange) == {"never-planned.example": 1}
    assert client.names.answer(DNSRecord.question("silent-name.example", "A")) is None


async def test_the_counts_say_what_was_seen(client: Client) -> None:
    await asyncio.gather(*(client.ask(f"/{kind}") for kind in ("ok", "not_found", "ok")))
    counts = await client.world.stop()
    assert counts.requests == 3
    assert counts.methods == {"GET": 3}
    assert counts.by_page == {f"http://{HOST}/ok": 2, f"http://{HOST}/not_found": 1}
    assert counts.at_once[0][0] == HOST
    assert 1 <= counts.peak <= 3
    assert counts.strange == 0


async def test_a_plan_of_lines_is_served(authority: Authority) -> None:
    plan = make_plan(["http://one.example/", "http://two.example/"])
    world = World(plan, authority, latency=(0.5, 0.7))
    first = world.answer("GET", "http", "one.example", "/", 0.0)
    assert 0.5 <= first.delay < 0.7
    assert first == world.answer("GET", "http", "one.example", "/", 0.0)
