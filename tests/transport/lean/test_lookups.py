"""Look-ups of the fast transport: shared, bounded, and none kept waiting by names whose servers are dead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

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
    options = TransportOptions(resolvers=(server.address,), proxies_from_environment=False)
    made = LeanTransport(options, needed_fields=())
    yield made
    await made.aclose()


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


async def test_dead_names_keep_no_others_waiting(transport: LeanTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookups, "AT_ONCE", 4)
    monkeypatch.setattr(lookups, "SLOW_SECONDS", 0.05)
    dead = [asyncio.create_task(transport.send(ask(f"dead{number}.test", 2.0))) for number in range(8)]
    await asyncio.sleep(0)
    good = await transport.send(ask("good1.test", 2.0))
    assert isinstance(good, Failure)
    assert good.reason is Reason.CONNECT_REFUSED
    assert not any(task.done() for task in dead)
    for task in dead:
        task.cancel()
    await asyncio.gather(*dead, return_exceptions=True)


async def test_closing_ends_look_ups(transport: LeanTransport) -> None:
    task = asyncio.create_task(transport.send(ask("dead1.test")))
    await asyncio.sleep(0.01)
    await transport.aclose()
    event = await task
    assert isinstance(event, Failure)
