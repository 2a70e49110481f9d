"""Look-ups: what each resolver answer means, who shares one, and for how long it is remembered."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest
from dnslib import AAAA, CNAME, QTYPE, RCODE, RR, A, DNSRecord  # type: ignore[import-untyped]  # has no stubs

from urlsweep.core.model import Failure, Reason, Request
from urlsweep.transport import dns
from urlsweep.transport.dns import Found, LookupFailedError, Resolver, SystemBackend
from urlsweep.transport.hosts_file import HostsFile, hosts_path
from urlsweep.transport.lean.transport import LeanTransport
from urlsweep.transport.options import TransportOptions
from urlsweep.transport.session import SessionTransport
from urlsweep.transport.session_names import PublicResolver

Zone = dict[tuple[str, str], Any]
"""(name, "A" or "AAAA") -> addresses, an rcode, "drop", "truncate", or "garbage"; what is missing is NXDOMAIN, or
NODATA where the name has another type."""


class NameServer(asyncio.DatagramProtocol):
    """A DNS server on loopback, UDP and TCP, that counts what it is asked."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone
        self.queries: Counter[tuple[str, str]] = Counter()
        self.ttl = 60
        self.port = 0
        self.needs: dict[str, float] = {}  # seconds until the server has found out what a name's answer is
        self._found_out: dict[tuple[str, int], float] = {}  # when it has

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Any) -> None:
        answer = self.answer(data, is_tcp=False)
        if answer is not None:
            query = DNSRecord.parse(data)
            key = (str(query.q.qname), query.q.qtype)
            loop = asyncio.get_running_loop()
            ready = self._found_out.setdefault(key, loop.time() + self.needs.get(key[0].rstrip("."), 0.0))
            if ready <= loop.time():
                self._transport.sendto(answer, addr)
            else:
                loop.call_at(ready, self._transport.sendto, answer, addr)

    async def serve_tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(2), "big")
                answer = self.answer(await reader.readexactly(length), is_tcp=True)
                assert answer is not None
                writer.write(len(answer).to_bytes(2, "big") + answer)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    def answer(self, data: bytes, *, is_tcp: bool) -> bytes | None:
        query = DNSRecord.parse(data)
        name, kind = str(query.q.qname).rstrip(".").lower(), QTYPE[query.q.qtype]
        self.queries[name, kind] += 1
        reply = query.reply()
        what = self.zone.get((name, kind))
        if what == "truncate" and not is_tcp:
            reply.header.tc = 1
        elif what == "truncate":
            self._add(reply, query, kind, ["192.0.2.7"])
        elif what == "drop":
            return None
        elif what == "garbage":
            return bytes(data[:2]) + b"\x81\x80" + b"\xff" * 20
        elif isinstance(what, int):
            reply.header.rcode = what
        elif isinstance(what, list):
            self._add(reply, query, kind, what)
        elif not any(owner == name for owner, _ in self.zone):
            reply.header.rcode = RCODE.NXDOMAIN
        return bytes(reply.pack())

    def _add(self, reply: DNSRecord, query: DNSRecord, kind: str, addresses: list[str]) -> None:
        owner = query.q.qname
        for address in addresses:
            if address.startswith("="):
                reply.add_answer(RR(owner, QTYPE.CNAME, rdata=CNAME(address[1:]), ttl=self.ttl))
                owner = address[1:]
            else:
                data = A(address) if kind == "A" else AAAA(address)
                reply.add_answer(RR(owner, query.q.qtype, rdata=data, ttl=self.ttl))


@pytest.fixture
async def zone() -> Zone:
    return {}


@pytest.fixture
async def name_server(zone: Zone) -> AsyncIterator[NameServer]:
    loop = asyncio.get_running_loop()
    server = NameServer(zone)
    for _ in range(20):  # the TCP port of the same number may be taken
        transport, _ = await loop.create_datagram_endpoint(lambda: server, local_addr=("127.0.0.1", 0))
        try:
            tcp = await asyncio.start_server(server.serve_tcp, "127.0.0.1", transport.get_extra_info("sockname")[1])
            break
        except OSError:
            transport.close()
    server.port = transport.get_extra_info("sockname")[1]
    yield server
    transport.close()
    tcp.close()


MakeResolver = Callable[..., Resolver]


@pytest.fixture
async def make_resolver(name_server: NameServer) -> AsyncIterator[MakeResolver]:
    resolvers: list[Resolver] = []

    def make(backend: dns.Backend | None = None, **options: Any) -> Resolver:
        options.setdefault("resolvers", (f"127.0.0.1:{name_server.port}",))
        resolver = Resolver(TransportOptions(**options), backend)
        resolvers.append(resolver)
        return resolver

    yield make
    for resolver in resolvers:
        await resolver.aclose()


class LeanResolver:
    """The fast transport's look-ups, asked as the session's are."""

    def __init__(self, transport: LeanTransport) -> None:
        self._transport = transport
        self._names = transport.lookups._names

    async def addresses(self, host: str, port: int) -> tuple[str, ...]:
        asked = asyncio.create_task(self._transport.lookups.addresses(host, port))
        await asyncio.sleep(0)
        if self._transport._timer is None:
            self._transport._on_tick()  # as a request would see to
        return await asked

    async def aclose(self) -> None:
        await self._transport.aclose()


AnyResolver = Resolver | LeanResolver


@pytest.fixture(params=["aiodns", "lean"])
async def resolver(
    request: pytest.FixtureRequest, make_resolver: MakeResolver, name_server: NameServer
) -> AsyncIterator[AnyResolver]:
    if request.param == "aiodns":
        yield make_resolver()
        return
    options = TransportOptions(resolvers=(f"127.0.0.1:{name_server.port}",), proxies_from_environment=False)
    lean = LeanResolver(LeanTransport(options, needed_fields=()))
    yield lean
    await lean.aclose()


async def _denied(resolver: AnyResolver, host: str, port: int = 80) -> LookupFailedError:
    with pytest.raises(LookupFailedError) as caught:
        await resolver.addresses(host, port)
    assert caught.value.detail.isprintable()
    return caught.value


# --- answers ----------------------------------------------------------------------------------------------------------


async def test_both_families(resolver: AnyResolver, zone: Zone, monkeypatch: pytest.MonkeyPatch) -> None:
    zone["both.example", "A"], zone["both.example", "AAAA"] = ["192.0.2.1", "192.0.2.2"], ["2001:db8::1"]
    for prefers_ipv6 in (False, True):
        monkeypatch.setattr(dns, "_has_ipv6_route", lambda answer=prefers_ipv6: answer)
        addresses = await resolver.addresses("both.example", 80)
        assert sorted(addresses) == ["192.0.2.1", "192.0.2.2", "2001:db8::1"]
        assert (addresses[0] == "2001:db8::1") is prefers_ipv6
        resolver._names._remembered.clear()


@pytest.mark.parametrize(("family", "expected"), [("ipv4", ("192.0.2.1",)), ("ipv6", ("2001:db8::1",))])
async def test_one_family(
    make_resolver: MakeResolver, zone: Zone, name_server: NameServer, family: str, expected: tuple[str, ...]
) -> None:
    zone["both.example", "A"], zone["both.example", "AAAA"] = ["192.0.2.1"], ["2001:db8::1"]
    assert await make_resolver(family=family).addresses("both.example", 80) == expected
    assert name_server.queries.total() == 1


@pytest.fixture
def _no_ipv6(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns, "has_ipv6", lambda: False)


@pytest.mark.usefixtures("_no_ipv6")
@pytest.mark.parametrize(
    ("a", "aaaa", "expected", "questions"),
    [
        (["192.0.2.1"], ["2001:db8::1"], "192.0.2.1", 1),
        ([], ["2001:db8::1"], "2001:db8::1", 2),
        (RCODE.SERVFAIL, ["2001:db8::1"], "2001:db8::1", 2),
        (["192.0.2.1"], RCODE.SERVFAIL, "192.0.2.1", 1),
    ],
)
async def test_without_ipv6_the_second_family_is_asked_for_where_the_first_has_no_address(
    name_server: NameServer,
    zone: Zone,
    resolver: AnyResolver,
    a: list[str] | int,
    aaaa: list[str] | int,
    expected: str,
    questions: int,
) -> None:
    zone["some.example", "A"], zone["some.example", "AAAA"] = a, aaaa
    assert await resolver.addresses("some.example", 80) == (expected,)
    kinds = {kind for _, kind in name_server.queries}
    assert kinds == ({"A"} if questions == 1 else {"A", "AAAA"})


@pytest.mark.usefixtures("_no_ipv6")
async def test_without_ipv6_a_name_is_missing_if_both_families_are_denied(
    name_server: NameServer, zone: Zone, resolver: AnyResolver
) -> None:
    zone["mail.example", "MX"] = []
    for name, said in (("missing.example", "NXDOMAIN"), ("mail.example", "NODATA")):
        error = await _denied(resolver, name)
        assert error.reason is Reason.DNS_NOT_FOUND
        assert said in error.detail
        assert name_server.queries[name, "A"] == name_server.queries[name, "AAAA"] == 1


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("", False),
        ("00000000000000000000000000000001 01 80 10 80       lo\n", False),
        ("fe8000000000000000fc00fffe000001 04 40 20 80     eth0\n", False),
        ("fd000000000000000000000000000002 04 40 00 82     eth0\n", True),
        ("00000000000000000000000000000001 01 80 10 80 lo\n20010db8000000000000000000000001 02 40 00 80 eth0\n", True),
    ],
)
def test_whether_a_machine_has_ipv6(table: str, expected: bool) -> None:
    assert dns._names_ipv6(table) is expected


async def test_through_an_alias(resolver: AnyResolver, zone: Zone) -> None:
    zone["www.example", "A"] = ["=cdn.example", "192.0.2.1"]
    assert await resolver.addresses("www.example", 80) == ("192.0.2.1",)


@pytest.mark.parametrize("host", ["UPPER.example", "upper.example.", "under_score.example"])
async def test_names_as_urls_have_them(resolver: AnyResolver, zone: Zone, host: str) -> None:
    zone[host.lower().rstrip("."), "A"] = ["192.0.2.1"]
    assert await resolver.addresses(host, 80) == ("192.0.2.1",)


async def test_a_server_that_was_quick_so_far_is_waited_for(
    resolver: AnyResolver, zone: Zone, name_server: NameServer
) -> None:
    for number in range(20):  # c-ares makes its time-out from how long these took
        zone[f"quick-{number}.test", "A"] = ["192.0.2.1"]
        await resolver.addresses(f"quick-{number}.test", 80)
    zone["slow.test", "A"] = ["192.0.2.2"]
    name_server.needs["slow.test"] = 1.9  # three rounds of c-ares' are over after 1.75 s
    assert await resolver.addresses("slow.test", 80) == ("192.0.2.2",)


async def test_a_truncated_answer_is_asked_for_again_by_tcp(resolver: AnyResolver, zone: Zone) -> None:
    zone["long.example", "A"] = "truncate"
    assert await resolver.addresses("long.example", 80) == ("192.0.2.7",)


@pytest.mark.parametrize(
    ("ipv4", "ipv6", "reason", "told"),
    [
        (None, None, Reason.DNS_NOT_FOUND, "does not exist (NXDOMAIN)"),
        ([], [], Reason.DNS_NOT_FOUND, "has no address (NODATA)"),
        ([], RCODE.NXDOMAIN, Reason.DNS_NOT_FOUND, "has no address (NODATA)"),
        (RCODE.NXDOMAIN, [], Reason.DNS_NOT_FOUND, "has no address (NODATA)"),
        (RCODE.SERVFAIL, RCODE.SERVFAIL, Reason.DNS_FAILURE, "SERVFAIL"),
        (RCODE.SERVFAIL, RCODE.NXDOMAIN, Reason.DNS_FAILURE, "SERVFAIL"),
        (RCODE.NXDOMAIN, RCODE.SERVFAIL, Reason.DNS_FAILURE, "SERVFAIL"),
        (RCODE.SERVFAIL, [], Reason.DNS_FAILURE, "SERVFAIL"),
        ([], RCODE.SERVFAIL, Reason.DNS_FAILURE, "SERVFAIL"),
        (RCODE.REFUSED, RCODE.REFUSED, Reason.DNS_FAILURE, "REFUSED"),
        (RCODE.FORMERR, RCODE.FORMERR, Reason.DNS_FAILURE, "FORMERR"),
        (RCODE.NOTIMP, RCODE.NOTIMP, Reason.DNS_FAILURE, "NOTIMP"),
        (RCODE.NXDOMAIN, "drop", Reason.DNS_TIMEOUT, "no DNS server answered"),
        ("drop", RCODE.NXDOMAIN, Reason.DNS_TIMEOUT, "no DNS server answered"),
        ("drop", "drop", Reason.DNS_TIMEOUT, "no DNS server answered"),
        ("drop", RCODE.SERVFAIL, Reason.DNS_TIMEOUT, "no DNS server answered"),
    ],
)
async def test_what_no_address_means(
    resolver: AnyResolver,
    zone: Zone,
    monkeypatch: pytest.MonkeyPatch,
    ipv4: Any,
    ipv6: Any,
    reason: Reason,
    told: str,
) -> None:
    monkeypatch.setattr(dns, "LOOKUP_SECONDS", 0.2)
    for kind, what in (("A", ipv4), ("AAAA", ipv6)):
        if what is not None:
            zone["name.example", kind] = what
    error = await _denied(resolver, "name.example")
    assert error.reason is reason
    assert told in error.detail


@pytest.mark.parametrize(
    ("ipv4", "ipv6", "expected"),
    [
        (["192.0.2.1"], RCODE.SERVFAIL, "192.0.2.1"),
        (["192.0.2.1"], RCODE.NXDOMAIN, "192.0.2.1"),
        (["192.0.2.1"], "drop", "192.0.2.1"),
        (RCODE.SERVFAIL, ["2001:db8::1"], "2001:db8::1"),
        (RCODE.NXDOMAIN, ["2001:db8::1"], "2001:db8::1"),
        ("drop", ["2001:db8::1"], "2001:db8::1"),
    ],
)
async def test_one_half_is_enough(
    resolver: AnyResolver, zone: Zone, monkeypatch: pytest.MonkeyPatch, ipv4: Any, ipv6: Any, expected: str
) -> None:
    monkeypatch.setattr(dns, "LOOKUP_SECONDS", 0.2)
    zone["name.example", "A"], zone["name.example", "AAAA"] = ipv4, ipv6
    assert await resolver.addresses("name.example", 80) == (expected,)


async def test_an_unreadable_answer_is_no_denial(
    resolver: AnyResolver, zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns, "LOOKUP_SECONDS", 0.2)
    zone["bad.example", "A"] = zone["bad.example", "AAAA"] = "garbage"
    assert (await _denied(resolver, "bad.example")).reason in (Reason.DNS_FAILURE, Reason.DNS_TIMEOUT)


@pytest.mark.parametrize("host", [f"{'a' * 64}.example", "a..b.example", ".".join(["abcdefgh"] * 40)])
async def test_a_name_that_the_dns_cannot_hold(resolver: AnyResolver, name_server: NameServer, host: str) -> None:
    error = await _denied(resolver, host)
    assert error.reason is Reason.DNS_NOT_FOUND
    assert "cannot exist" in error.detail
    assert not name_server.queries


async def test_no_server_to_be_reached(make_resolver: MakeResolver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dns, "LOOKUP_SECONDS", 0.3)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    error = await _denied(make_resolver(resolvers=(f"127.0.0.1:{port}",)), "name.example")
    assert error.reason in (Reason.DNS_FAILURE, Reason.DNS_TIMEOUT)


# --- names that are not asked for -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "family", "expected"),
    [
        ("localhost", "any", ("127.0.0.1", "::1")),
        ("LOCALHOST.", "ipv4", ("127.0.0.1",)),
        ("app.localhost", "ipv6", ("::1",)),
    ],
)
async def test_localhost_is_loopback(
    make_resolver: MakeResolver, name_server: NameServer, host: str, family: str, expected: tuple[str, ...]
) -> None:
    assert await make_resolver(family=family).addresses(host, 80) == expected
    assert not name_server.queries


@pytest.mark.parametrize("host", ["invalid", "no.such.invalid", "duckduckgo.onion"])
async def test_names_that_do_not_exist_in_the_dns(resolver: AnyResolver, name_server: NameServer, host: str) -> None:
    assert (await _denied(resolver, host)).reason is Reason.DNS_NOT_FOUND
    assert not name_server.queries


async def test_names_that_only_look_special(resolver: AnyResolver, zone: Zone) -> None:
    zone["notlocalhost", "A"] = zone["localhost.example", "A"] = ["192.0.2.1"]
    assert await resolver.addresses("localhost.example", 80) == ("192.0.2.1",)
    assert await resolver.addresses("notlocalhost", 80) == ("192.0.2.1",)


async def test_overrides(make_resolver: MakeResolver, zone: Zone, name_server: NameServer) -> None:
    zone["a.example", "A"] = ["192.0.2.1"]
    resolver = make_resolver(
        resolve=(
            ("A.example", 443, "192.0.2.10"),
            ("a.example", 443, "[2001:db8::10]"),
            ("localhost", 80, "192.0.2.11"),
            ("*", 8080, "192.0.2.12"),
        )
    )
    assert await resolver.addresses("a.example.", 443) == ("192.0.2.10", "2001:db8::10")
    assert await resolver.addresses("localhost", 80) == ("192.0.2.11",)
    assert await resolver.addresses("any.invalid", 8080) == ("192.0.2.12",)
    assert not name_server.queries
    assert await resolver.addresses("a.example", 80) == ("192.0.2.1",)


async def test_the_hosts_file_comes_first_for_all_families(
    make_resolver: MakeResolver,
    zone: Zone,
    name_server: NameServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    (tmp_path / "hosts").write_text("127.0.0.9 pinned.example\n")
    monkeypatch.setattr(dns, "hosts_path", lambda: tmp_path / "hosts")
    zone["pinned.example", "A"], zone["pinned.example", "AAAA"] = ["192.0.2.1"], ["2001:db8::1"]
    assert await make_resolver().addresses("Pinned.example.", 80) == ("127.0.0.9",)
    assert not name_server.queries
    assert await make_resolver(family="ipv6").addresses("pinned.example", 80) == ("2001:db8::1",)


def test_what_a_hosts_file_says(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_bytes(
        b"\xef\xbb\xbf# comment\n127.0.0.1\tlocalhost  Alias.example. # more\r\n::1 localhost\nfe80::1%lo0 local\n"
        b"no-address name\n10.0.0.1\n\n192.0.2.1 alias.example \xff\n"
    )
    hosts = HostsFile(tmp_path / "hosts")
    both = (socket.AF_INET, socket.AF_INET6)
    assert hosts.addresses("localhost", both) == ("127.0.0.1", "::1")
    assert hosts.addresses("localhost", (socket.AF_INET6,)) == ("::1",)
    assert hosts.addresses("alias.example", both) == ("127.0.0.1", "192.0.2.1")
    assert hosts.addresses("local", both) == ("fe80::1",)
    assert hosts.addresses("name", both) == hosts.addresses("#", both) == ()
    assert HostsFile(tmp_path / "missing").addresses("localhost", both) == ()


def test_the_systems_own_hosts_file() -> None:
    assert hosts_path().name == "hosts"


# --- sharing and remembering ------------------------------------------------------------------------------------------


class Counting:
    """A backend under the test's control."""

    def __init__(self, *answers: Found | LookupFailedError) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_closed = False

    async def look_up(self, host: str, rounds: Sequence[Sequence[socket.AddressFamily]]) -> Found:
        self.asked.append(host)
        await self.gate.wait()
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if isinstance(answer, LookupFailedError):
            raise answer
        return answer

    async def aclose(self) -> None:
        self.is_closed = True


FOUND = Found(("192.0.2.1",), 60)


async def test_one_look_up_is_shared(make_resolver: MakeResolver) -> None:
    backend = Counting(FOUND)
    backend.gate.clear()
    resolver = make_resolver(backend)
    waiting = asyncio.gather(*(resolver.addresses("a.example", port) for port in (80, 443, 8080)))
    await asyncio.sleep(0)
    backend.gate.set()
    assert await waiting == [FOUND.addresses] * 3
    assert backend.asked == ["a.example"]


async def test_a_look_ups_time_counts_once_however_it_ends(
    make_resolver: MakeResolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = Counting(FOUND, LookupFailedError(Reason.DNS_FAILURE, "SERVFAIL"), FOUND)
    resolver = make_resolver(backend)
    loop = asyncio.get_running_loop()
    now = 1000.0
    monkeypatch.setattr(loop, "time", lambda: now)
    assert resolver.lookup_seconds == 0
    for name, expected in (("found", 1.5), ("failed", 3.0), ("found", 3.0)):
        backend.gate.clear()
        waiting = asyncio.gather(
            *(resolver.addresses(f"{name}.example", port) for port in (80, 443)), return_exceptions=True
        )
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        now += 1.5
        backend.gate.set()
        await waiting
        assert resolver.lookup_seconds == expected
    backend.gate.clear()
    given_up = asyncio.create_task(resolver.addresses("given-up.example", 80))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    now += 0.25
    await resolver.aclose()
    await asyncio.gather(given_up, return_exceptions=True)
    assert resolver.lookup_seconds == 3.25


async def test_one_who_waits_may_be_cancelled(make_resolver: MakeResolver) -> None:
    backend = Counting(FOUND)
    backend.gate.clear()
    resolver = make_resolver(backend)
    first, second = (asyncio.create_task(resolver.addresses("a.example", 80)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    backend.gate.set()
    assert await second == FOUND.addresses
    assert backend.asked == ["a.example"]


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (Found(("192.0.2.1",), 0), dns.MIN_REMEMBERED_SECONDS),
        (Found(("192.0.2.1",), 100), 100),
        (Found(("192.0.2.1",), 86400), dns.MAX_REMEMBERED_SECONDS),
        (LookupFailedError(Reason.DNS_NOT_FOUND, "gone"), dns.DENIAL_REMEMBERED_SECONDS),
        (LookupFailedError(Reason.DNS_FAILURE, "SERVFAIL"), 0),
        (LookupFailedError(Reason.DNS_TIMEOUT, "silence"), 0),
    ],
)
async def test_for_how_long_an_answer_is_remembered(
    make_resolver: MakeResolver, monkeypatch: pytest.MonkeyPatch, answer: Found | LookupFailedError, seconds: float
) -> None:
    backend = Counting(answer)
    resolver = make_resolver(backend)
    loop = asyncio.get_running_loop()
    now = loop.time()
    asked = []
    for later in (0, seconds - 0.5, seconds + 0.5):
        monkeypatch.setattr(loop, "time", lambda later=later: now + max(later, 0))
        await asyncio.gather(resolver.addresses("a.example", 80), return_exceptions=True)
        asked.append(len(backend.asked))
    assert asked == ([1, 1, 2] if seconds else [1, 2, 3])


async def test_as_many_names_are_remembered_as_fit(
    make_resolver: MakeResolver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dns, "REMEMBERED_HOSTS", 2)
    backend = Counting(FOUND)
    resolver = make_resolver(backend)
    for name in ("a", "b", "a", "c", "a", "b"):
        await resolver.addresses(f"{name}.example", 80)
    assert backend.asked == ["a.example", "b.example", "c.example", "b.example"]


async def test_closing_ends_every_look_up(make_resolver: MakeResolver) -> None:
    backend = Counting(FOUND)
    backend.gate.clear()
    resolver = make_resolver(backend)
    waiting = asyncio.create_task(resolver.addresses("a.example", 80))
    await asyncio.sleep(0)
    await resolver.aclose()
    with pytest.raises(LookupFailedError, match="closed"):
        await waiting
    assert backend.is_closed
    assert (await _denied(resolver, "b.example")).reason is Reason.DNS_FAILURE


async def test_closing_in_the_middle_of_a_real_look_up(resolver: AnyResolver, zone: Zone) -> None:
    zone["silent.example", "A"] = zone["silent.example", "AAAA"] = "drop"
    waiting = asyncio.create_task(resolver.addresses("silent.example", 80))
    await asyncio.sleep(0.01)
    await resolver.aclose()
    with pytest.raises(LookupFailedError):
        await waiting


# --- the guard --------------------------------------------------------------------------------------------------------


async def test_only_public_addresses_pass_the_guard(make_resolver: MakeResolver) -> None:
    backend = Counting(Found(("10.0.0.1", "93.184.215.14", "::1", "2606:4700::1"), 60))
    infos = await PublicResolver(make_resolver(backend)).resolve("mixed.example", 80)
    assert [info["host"] for info in infos] == ["93.184.215.14", "2606:4700::1"]
    assert [info["family"] for info in infos] == [socket.AF_INET, socket.AF_INET6]


async def test_no_public_address_is_an_error(make_resolver: MakeResolver) -> None:
    backend = Counting(Found(("10.0.0.1", "192.168.0.1"), 60))
    with pytest.raises(dns.NotPublicError) as caught:
        await PublicResolver(make_resolver(backend)).resolve("inner.example", 80)
    assert caught.value.detail == "inner.example has the address 10.0.0.1, which is not public"


# --- without aiodns ---------------------------------------------------------------------------------------------------


async def test_where_aiodns_cannot_run_the_system_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot(*_: Any, **__: Any) -> None:
        raise RuntimeError("aiodns needs a SelectorEventLoop on Windows")

    monkeypatch.setattr("aiodns.DNSResolver", cannot)
    assert isinstance(dns._backend(TransportOptions()), SystemBackend)
    monkeypatch.setitem(sys.modules, "aiodns", None)
    assert isinstance(dns._backend(TransportOptions()), SystemBackend)


async def test_the_systems_addresses() -> None:
    found = await SystemBackend().look_up("127.0.0.1", [(socket.AF_INET,)])
    assert found.addresses == ("127.0.0.1",)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (socket.gaierror(socket.EAI_NONAME, "unknown"), Reason.DNS_NOT_FOUND),
        (socket.gaierror(socket.EAI_AGAIN, "later"), Reason.DNS_FAILURE),
        (socket.gaierror(socket.EAI_FAIL, "failed"), Reason.DNS_FAILURE),
        (UnicodeError("label too long"), Reason.DNS_NOT_FOUND),
    ],
)
async def test_the_systems_errors(monkeypatch: pytest.MonkeyPatch, error: Exception, reason: Reason) -> None:
    async def fails(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", fails)
    with pytest.raises(LookupFailedError) as caught:
        await SystemBackend().look_up("name.example", [(socket.AF_INET, socket.AF_INET6)])
    assert caught.value.reason is reason


async def test_the_systems_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs(*_: Any, **__: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(dns, "LOOKUP_SECONDS", 0.01)
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", hangs)
    with pytest.raises(LookupFailedError) as caught:
        await SystemBackend().look_up("name.example", [(socket.AF_INET,)])
    assert caught.value.reason is Reason.DNS_TIMEOUT


# --- seen from a request ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "reason"),
    [(None, Reason.DNS_NOT_FOUND), (RCODE.SERVFAIL, Reason.DNS_FAILURE), ("drop", Reason.DNS_TIMEOUT)],
)
async def test_a_request_fails_with_the_look_ups_reason(
    zone: Zone, name_server: NameServer, monkeypatch: pytest.MonkeyPatch, what: Any, reason: Reason
) -> None:
    monkeypatch.setattr(dns, "LOOKUP_SECONDS", 0.2)
    if what is not None:
        zone["name.example", "A"] = zone["name.example", "AAAA"] = what
    options = TransportOptions(resolvers=(f"127.0.0.1:{name_server.port}",), proxies_from_environment=False)
    transport = SessionTransport(options, needed_fields=())
    failure = await transport.send(Request("http://name.example/", "GET", "name.example:80"))
    assert isinstance(failure, Failure)
    assert failure.reason is reason
    assert "name.example" in failure.detail
    await transport.aclose()


async def test_a_look_up_that_outlasts_the_connect_timeout(zone: Zone, name_server: NameServer) -> None:
    zone["name.example", "A"] = zone["name.example", "AAAA"] = "drop"
    options = TransportOptions(resolvers=(f"127.0.0.1:{name_server.port}",), proxies_from_environment=False)
    transport = SessionTransport(options, needed_fields=())
    request = Request("http://name.example/", "GET", "name.example:80", connect_timeout=0.05)
    failure = await transport.send(request)
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.DNS_TIMEOUT
    await transport.aclose()
