"""The DNS server gives the answers it is told, held against another implementation of the wire format (dnslib)."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from dnslib import QTYPE, RCODE, DNSRecord  # type: ignore[import-untyped]  # has no stubs

from urlsweep.testing.dns import (
    AAAA,
    NOTIMP,
    NXDOMAIN,
    REFUSED,
    SERVFAIL,
    A,
    DnsServer,
    NameAnswer,
    Query,
    addresses,
    alias,
    code,
    later,
    silence,
    truncated,
)

ZONE = {
    "both.test": addresses("192.0.2.1", "192.0.2.2", "2001:db8::1"),
    "none.test": addresses(),
    "alias.test": alias("real.test", "192.0.2.3"),
    "servfail.test": code(SERVFAIL),
    "refused.test": code(REFUSED),
    "notimp.test": code(NOTIMP),
    "silent.test": silence(),
    "big.test": truncated("192.0.2.4"),
    "slow.test": later(0.01, addresses("192.0.2.5")),
}


@pytest.fixture
async def server() -> AsyncIterator[DnsServer]:
    async with DnsServer(ZONE) as running:
        yield running


async def ask(server: DnsServer, name: str, kind: str = "A") -> DNSRecord:
    """The answer by UDP."""
    loop = asyncio.get_running_loop()
    question = DNSRecord.question(name, kind)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect(("127.0.0.1", server.port))
        await loop.sock_sendall(client, question.pack())
        answer = DNSRecord.parse(await loop.sock_recv(client, 4096))
    assert answer.header.id == question.header.id
    assert answer.header.qr == 1
    assert str(answer.q.qname) == f"{name}."
    return answer


async def ask_by_tcp(server: DnsServer, *names: str) -> list[DNSRecord]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    answers = []
    for name in names:
        question = DNSRecord.question(name).pack()
        writer.write(len(question).to_bytes(2, "big") + question)
        length = int.from_bytes(await reader.readexactly(2), "big")
        answers.append(DNSRecord.parse(await reader.readexactly(length)))
    writer.close()
    return answers


def records(answer: DNSRecord) -> list[tuple[str, str, str]]:
    return [(str(record.rname), QTYPE[record.rtype], str(record.rdata)) for record in answer.rr]


async def test_addresses_come_in_the_family_asked_for(server: DnsServer) -> None:
    assert records(await ask(server, "both.test")) == [
        ("both.test.", "A", "192.0.2.1"),
        ("both.test.", "A", "192.0.2.2"),
    ]
    assert records(await ask(server, "both.test", "AAAA")) == [("both.test.", "AAAA", "2001:db8::1")]
    assert server.queries == [Query("both.test", A, False), Query("both.test", AAAA, False)]


async def test_a_name_without_addresses_exists(server: DnsServer) -> None:
    answer = await ask(server, "none.test")
    assert (answer.header.rcode, answer.rr) == (0, [])


async def test_an_alias_leads_to_its_addresses(server: DnsServer) -> None:
    assert records(await ask(server, "alias.test")) == [
        ("alias.test.", "CNAME", "real.test."),
        ("real.test.", "A", "192.0.2.3"),
    ]


@pytest.mark.parametrize(
    ("name", "rcode"),
    [
        ("nobody.test", NXDOMAIN),
        ("servfail.test", SERVFAIL),
        ("refused.test", REFUSED),
        ("notimp.test", NOTIMP),
        ("SERVFAIL.test", SERVFAIL),
    ],
)
async def test_errors(server: DnsServer, name: str, rcode: int) -> None:
    answer = await ask(server, name)
    assert (answer.header.rcode, answer.rr) == (rcode, [])
    assert rcode == {2: RCODE.SERVFAIL, 3: RCODE.NXDOMAIN, 4: RCODE.NOTIMP, 5: RCODE.REFUSED}[rcode]


async def test_a_truncated_answer_is_whole_by_tcp(server: DnsServer) -> None:
    by_udp = await ask(server, "big.test")
    assert (by_udp.header.tc, by_udp.rr) == (1, [])
    by_tcp, again = await ask_by_tcp(server, "big.test", "both.test")
    assert (by_tcp.header.tc, records(by_tcp)) == (0, [("big.test.", "A", "192.0.2.4")])
    assert len(again.rr) == 2
    assert server.queries[1].is_tcp


async def test_a_late_answer_comes(server: DnsServer) -> None:
    assert records(await ask(server, "slow.test")) == [("slow.test.", "A", "192.0.2.5")]


async def test_silence_ends_with_the_server() -> None:
    async with DnsServer({"silent.test": silence(), "late.test": later(3600, silence())}) as server:
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.setblocking(False)
            client.connect(("127.0.0.1", server.port))
            for name in ("silent.test", "late.test", "known.test"):
                await loop.sock_sendall(client, DNSRecord.question(name).pack())
            answer = DNSRecord.parse(await loop.sock_recv(client, 4096))
        assert str(answer.q.qname) == "known.test."  # nothing came for those before it
        assert {query.name for query in server.queries} == {"silent.test", "late.test", "known.test"}


async def test_nonsense_is_not_answered(server: DnsServer) -> None:
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect(("127.0.0.1", server.port))
        for nonsense in (b"", b"x" * 11, b"\xff" * 13, bytes(12) + b"\x05abc"):
            await loop.sock_sendall(client, nonsense)
        await loop.sock_sendall(client, DNSRecord.question("both.test").pack())
        assert len(DNSRecord.parse(await loop.sock_recv(client, 4096)).rr) == 2
    assert len(server.queries) == 1


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError, match=r"not\.an\.address"):
        addresses("not.an.address")


async def test_the_zone_may_change(server: DnsServer) -> None:
    server.zone["none.test"] = NameAnswer(("192.0.2.9",))
    assert len((await ask(server, "none.test")).rr) == 1
    assert server.address == f"127.0.0.1:{server.port}"


async def test_an_answer_is_not_answered(server: DnsServer) -> None:
    answer = (await ask(server, "both.test")).pack()
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.setblocking(False)
        client.connect(("127.0.0.1", server.port))
        await loop.sock_sendall(client, answer)
        await loop.sock_sendall(client, DNSRecord.question("none.test").pack())
        first = DNSRecord.parse(await loop.sock_recv(client, 4096))
    assert str(first.q.qname) == "none.test."
    assert [query.name for query in server.queries] == ["both.test", "none.test"]
