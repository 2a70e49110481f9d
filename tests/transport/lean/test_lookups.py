"""Look-ups of the fast transport: shared, bounded, and none kept waiting by names whose servers are dead."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import pytest
from dnslib import QTYPE, RR, A, DNSRecord  # type: ignore[import-untyped]  # has no stubs

from urlsweep.core.model import Failure, Reason, Request
from urlsweep.testing import dns
from urlsweep.transport.lean import lookups
from urlsweep.transport.lean.transport import LeanTransport
from urlsweep.transport.options import TransportOptions

ZONE = {
    **{f"dead{number}.test": dns.silence() for number in range(8)},
    **{f"good{number}.test": dns.addresses("127.0.0.1") for number in range(300)},
}


@pytest.fixture
async def server() -> AsyncIterator[dns.DnsServer]:
    async with dns.DnsServer(ZONE) as running:
        yield running


@pytest.fixture
async def transport(server: dns.DnsServer) -> AsyncIterator[LeanTransport]:
    made = transport_by(server)
    yield made
    await made.aclose()


def transport_by(server: dns.DnsServer) -> LeanTransport:
    options = TransportOptions(resolvers=(server.address,), proxies_from_environment=False)
    return LeanTransport(options, needed_fields=())


def ask(host: str, seconds: float = 5.0) -> Request:
    return Request(f"http://{host}:9/", "HEAD", host, timeout=seconds, connect_timeout=seconds)


async def test_more_names_than_fit_are_all_looked_up(
    transport: LeanTransport, server: dns.DnsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "SLOW_SECONDS", 60.0)  # on a busy machine they would be asked again
    hosts = [f"good{number}.test" for number in range(300)]
    events = await asyncio.gather(*(transport.send(ask(host)) for host in [*hosts, *hosts]))
    assert {event.reason for event in events if isinstance(event, Failure)} == {Reason.CONNECT_REFUSED}
    asked = [(query.name, query.kind) for query in server.queries if query.name in ZONE]
    assert len(asked) == len(set(asked)) == 600  # A and AAAA, once each


async def test_dead_names_keep_no_others_waiting(server: dns.DnsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "QUESTIONS_AT_ONCE", 8)
    monkeypatch.setattr(lookups, "SLOW_SECONDS", 0.05)
    transport = transport_by(server)
    dead = [asyncio.create_task(transport.send(ask(f"dead{number}.test", 2.0))) for number in range(8)]
    await asyncio.sleep(0)
    good = await transport.send(ask("good1.test", 2.0))
    assert isinstance(good, Failure)
    assert good.reason is Reason.CONNECT_REFUSED
    assert not any(task.done() for task in dead)
    for task in dead:
        task.cancel()
    await asyncio.gather(*dead, return_exceptions=True)
    await transport.aclose()


async def test_answers_that_came_while_the_loop_was_busy_are_not_late() -> None:
    """Or a program that begins with work of its own would lose its name server to c-ares, which is slower."""
    names = [f"good{number}.test" for number in range(lookups.UNHEARD_LIMIT)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(5)
        resolvers = (f"127.0.0.1:{server.getsockname()[1]}",)
        transport = LeanTransport(
            TransportOptions(resolvers=resolvers, family="ipv4", proxies_from_environment=False), needed_fields=()
        )
        asked = [asyncio.create_task(transport.lookups.addresses(name, 80)) for name in names]
        await asyncio.sleep(0)
        for _ in names:  # from here on the loop does not run
            query, client = server.recvfrom(512)
            reply = DNSRecord.parse(query).reply()
            reply.add_answer(RR(reply.q.qname, QTYPE.A, rdata=A("127.0.0.1"), ttl=60))
            server.sendto(reply.pack(), client)
        transport.lookups.on_tick(asyncio.get_running_loop().time() + lookups.SLOW_SECONDS)
        assert not transport.lookups.is_busy
        assert await asyncio.gather(*asked) == [("127.0.0.1",)] * len(names)
        await transport.aclose()


async def test_closing_ends_look_ups(transport: LeanTransport) -> None:
    task = asyncio.create_task(transport.send(ask("dead1.test")))
    await asyncio.sleep(0.01)
    await transport.aclose()
    event = await task
    assert isinstance(event, Failure)
