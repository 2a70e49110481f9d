"""Plain questions by UDP: what is taken for an answer, and that all else is left to c-ares."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from typing import Any

import dnslib  # type: ignore[import-untyped]  # has no stubs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycares import errno as codes

from urlsweep.testing import dns as testing_dns
from urlsweep.transport import dns
from urlsweep.transport.dns import Half
from urlsweep.transport.lean import lookups
from urlsweep.transport.lean.nameserver import NameServer, read_answer
from urlsweep.transport.lean.poller import poller
from urlsweep.transport.lean.transport import LeanTransport
from urlsweep.transport.options import TransportOptions

NAME = "www.example"
TEXTS = {socket.AF_INET: "A", socket.AF_INET6: "AAAA"}
FAMILIES = st.sampled_from(list(TEXTS))
NOT_FOUND, NO_DATA = Half(codes.ARES_ENOTFOUND), Half(codes.ARES_ENODATA)


def reply(family: socket.AddressFamily, *records: str) -> dnslib.DNSRecord:
    """An answer with `records`: addresses, or names for aliases, each standing under the one before."""
    made = dnslib.DNSRecord.question(NAME, TEXTS[family]).reply()
    owner = NAME
    for record in records:
        if record[0].isalpha():
            made.add_answer(dnslib.RR(owner, dnslib.QTYPE.CNAME, rdata=dnslib.CNAME(record), ttl=7))
            owner = record
        else:
            address = ipaddress.ip_address(record)
            kind, data = (dnslib.QTYPE.A, dnslib.A) if address.version == 4 else (dnslib.QTYPE.AAAA, dnslib.AAAA)
            made.add_answer(dnslib.RR(owner, kind, rdata=data(tuple(address.packed)), ttl=60))
    return made


def read(made: dnslib.DNSRecord | bytes, family: socket.AddressFamily = socket.AF_INET) -> Half | None:
    message = made if isinstance(made, bytes) else bytes(made.pack())
    return read_answer(message, 12 + len(NAME) + 2 + 4, family)


def test_addresses_are_read() -> None:
    assert read(reply(socket.AF_INET, "192.0.2.1", "192.0.2.2")) == Half(None, ("192.0.2.1", "192.0.2.2"), 60)
    assert read(reply(socket.AF_INET6, "2001:db8::1"), socket.AF_INET6) == Half(None, ("2001:db8::1",), 60)


def test_aliases_are_followed_by_the_server() -> None:
    assert read(reply(socket.AF_INET, "a.example", "b.example", "192.0.2.1")) == Half(None, ("192.0.2.1",), 60)
    assert read(reply(socket.AF_INET, "a.example")) == NO_DATA


def test_addresses_of_the_other_family_are_none() -> None:
    assert read(reply(socket.AF_INET, "2001:db8::1")) == NO_DATA


def test_denials_are_told_apart() -> None:
    made = reply(socket.AF_INET)
    assert read(made) == NO_DATA
    made.header.rcode = dnslib.RCODE.NXDOMAIN
    assert read(made) == NOT_FOUND


@pytest.mark.parametrize("code", [code for code in range(16) if code not in (0, 3)])
def test_errors_are_for_c_ares(code: int) -> None:
    made = reply(socket.AF_INET, "192.0.2.1")
    made.header.rcode = code
    assert read(made) is None


@pytest.mark.parametrize(("field", "value"), [("tc", 1), ("qr", 0), ("opcode", 2)])
def test_what_is_no_whole_answer_is_for_c_ares(field: str, value: int) -> None:
    made = reply(socket.AF_INET, "192.0.2.1")
    setattr(made.header, field, value)
    assert read(made) is None


@given(
    FAMILIES,
    st.lists(st.one_of(st.ip_addresses().map(str), st.from_regex(r"[a-z]{1,9}\.test", fullmatch=True)), max_size=9),
)
def test_any_well_formed_answer_is_read_as_a_library_reads_it(family: socket.AddressFamily, records: list[str]) -> None:
    made = reply(family, *records)
    half = read(made, family)
    parsed = dnslib.DNSRecord.parse(made.pack())
    wanted = [str(ipaddress.ip_address(str(rr.rdata))) for rr in parsed.rr if dnslib.QTYPE[rr.rtype] == TEXTS[family]]
    assert half is not None
    assert [str(ipaddress.ip_address(address)) for address in half.addresses] == list(dict.fromkeys(wanted))
    assert half.status == (None if wanted else codes.ARES_ENODATA)


@given(FAMILIES, st.data())
def test_no_bytes_are_too_bad(family: socket.AddressFamily, data: st.DataObject) -> None:
    message = bytearray(reply(family, "a.example", "192.0.2.1", "2001:db8::1").pack())
    for _ in range(data.draw(st.integers(0, 4))):
        message[data.draw(st.integers(2, len(message) - 1))] = data.draw(st.integers(0, 255))
    half = read(bytes(message[: data.draw(st.integers(0, len(message)))]), family)
    if half is not None and half.status is None:
        assert all(ipaddress.ip_address(address) for address in half.addresses)


@pytest.mark.parametrize("records", [("192.0.2.1",), ("a.example", "192.0.2.1")])
def test_a_cut_off_answer_is_for_c_ares(records: tuple[str, ...]) -> None:
    message = bytes(reply(socket.AF_INET, *records).pack())
    assert [read(message[:length]) for length in range(len(message))] == [None] * len(message)


@pytest.mark.parametrize(
    "name", ["intranet", "a b.example", "back\\slash.example", "ü.example", "a..b", f"{'a' * 64}.b"]
)
def test_unusual_names_are_for_c_ares(name: str) -> None:
    assert not NameServer.can_ask_for(name)


class Server(asyncio.DatagramProtocol):
    """Answers as `answer` says, to each question with any number of datagrams."""

    def __init__(self, answer: Callable[[bytes], list[bytes]]) -> None:
        self.answer = answer
        self.asked = 0

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.asked += 1
        for message in self.answer(data):
            self.transport.sendto(message, addr)


async def halves_of(answer: Callable[[bytes], list[bytes]], count: int) -> list[Half | None]:
    """What a NameServer tells of the first `count` answers by a server that answers as `answer` says."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(lambda: Server(answer), local_addr=("127.0.0.1", 0))
    told: asyncio.Queue[Half | None] = asyncio.Queue()
    bugs: list[Exception] = []
    watching = poller(loop, bugs.append)
    port = transport.get_extra_info("sockname")[1]
    asker = NameServer(watching, f"127.0.0.1:{port}", lambda *said: told.put_nowait(said[2]), lambda: None)
    asker.ask(NAME, [socket.AF_INET], None)
    async with asyncio.timeout(5):
        halves = [await told.get() for _ in range(count)]
    await asyncio.sleep(0.01)
    assert told.empty()
    asker.close()
    watching.aclose()
    transport.close()
    assert server.asked == 1
    assert bugs == []
    return halves


def answer_to(query: bytes, name: str = NAME, kind: str = "A", shift: int = 0) -> bytes:
    made = dnslib.DNSRecord.question(name, kind).reply()
    made.header.id = (dnslib.DNSRecord.parse(query).header.id + shift) % 65536
    made.add_answer(dnslib.RR(name, dnslib.QTYPE.A, rdata=dnslib.A("192.0.2.9"), ttl=60))
    return bytes(made.pack())


async def test_an_answer_to_another_question_is_passed_over() -> None:
    def answer(query: bytes) -> list[bytes]:
        forged = [
            answer_to(query, shift=1),
            answer_to(query, name="www.exemple"),
            answer_to(query, kind="AAAA"),
            b"",
            query[:2],
        ]
        return [*forged, answer_to(query, name=NAME.upper()), answer_to(query)]  # the first right one counts, once

    assert await halves_of(answer, 1) == [Half(None, ("192.0.2.9",), 60)]


ZONE = {f"good{number}.test": testing_dns.addresses("192.0.2.1") for number in range(30)}


async def found_by(*resolvers: str, count: int = 1) -> set[tuple[str, ...]]:
    transport = LeanTransport(TransportOptions(resolvers=resolvers, proxies_from_environment=False), needed_fields=())
    try:
        asked = [asyncio.create_task(transport.lookups.addresses(f"good{number}.test", 80)) for number in range(count)]
        await asyncio.sleep(0)
        transport._on_tick()  # as a request would see to
        return set(await asyncio.gather(*asked))
    finally:
        await transport.aclose()


async def test_where_the_first_name_server_is_not_there_the_next_one_is_asked() -> None:
    async with testing_dns.DnsServer(ZONE) as server:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
            taken.bind(("127.0.0.2", 0))
            gone = f"127.0.0.3:{taken.getsockname()[1]}"
        assert await found_by(gone, server.address, count=30) == {("192.0.2.1",)}


async def test_where_the_first_name_server_is_silent_the_next_one_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "SLOW_SECONDS", 0.02)
    monkeypatch.setattr(dns, "QUERY_SECONDS", 0.25)
    loop = asyncio.get_running_loop()
    transport, silent = await loop.create_datagram_endpoint(
        lambda: Server(lambda query: []), local_addr=("127.0.0.1", 0)
    )
    async with testing_dns.DnsServer(ZONE) as server:
        address = f"127.0.0.1:{transport.get_extra_info('sockname')[1]}"
        assert await found_by(address, server.address, count=30) == {("192.0.2.1",)}
    assert silent.asked
    transport.close()


async def test_a_server_that_says_nothing_is_left_to_c_ares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "SLOW_SECONDS", 0.0)
    zone = {f"good{number}.test": testing_dns.silence() for number in range(lookups.UNHEARD_LIMIT)}
    async with testing_dns.DnsServer(zone) as server:
        options = TransportOptions(resolvers=(server.address,), proxies_from_environment=False)
        transport = LeanTransport(options, needed_fields=())
        for number in range(lookups.UNHEARD_LIMIT):
            assert transport.lookups.find(f"good{number}.test", 80, lambda found: None) is None
        assert transport.lookups._server is not None
        transport.lookups.on_tick(asyncio.get_running_loop().time())
        assert transport.lookups._server is None
        await transport.aclose()


async def test_c_ares_is_asked_once_for_each_family(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, socket.AddressFamily]] = []
    both = asyncio.Event()

    class Ares:
        first_server: str | None = None

        def __init__(self, loop: object, servers: list[str], on_answers: object) -> None:
            Ares.first_server = servers[0]

        def ask(self, name: str, family: socket.AddressFamily, mark: object) -> None:
            asked.append((name, family))
            if len(asked) == 2:
                both.set()

        def on_tick(self) -> None:
            """Nothing comes."""

        def close(self) -> None:
            """Nothing is open."""

    monkeypatch.setattr(lookups, "Ares", Ares)
    monkeypatch.setattr(lookups, "SLOW_SECONDS", 0.0)
    async with testing_dns.DnsServer({"good.test": testing_dns.code(testing_dns.SERVFAIL)}) as server:
        options = TransportOptions(resolvers=(server.address,), proxies_from_environment=False)
        transport = LeanTransport(options, needed_fields=())
        assert transport.lookups.find("good.test", 80, lambda found: None) is None
        assert asked == []
        async with asyncio.timeout(5):
            await both.wait()
        transport.lookups.on_tick(asyncio.get_running_loop().time())
        assert sorted(asked) == [("good.test", socket.AF_INET), ("good.test", socket.AF_INET6)]
        await transport.aclose()
