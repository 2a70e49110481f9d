"""Hosts that accept, refuse or reset a connection when the try that began it is over: whole runs, real sockets.

The hosts accept late: see `tests.transport.full`. The times of early tries are a tenth of what they are, but for one
test, which takes as long as it says.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import aclosing, asynccontextmanager, nullcontext
from pathlib import Path

import pytest
from tests.transport.full import Full

from urlsweep.core import check
from urlsweep.core.check import CONTEXT_FIELDS, NEEDED_FIELDS
from urlsweep.core.limits import Limits
from urlsweep.core.model import Outcome, Reason, Result, Target
from urlsweep.core.policy import Policy
from urlsweep.engine import Sweep
from urlsweep.transport.lean.transport import LeanTransport
from urlsweep.transport.options import TransportOptions
from urlsweep.transport.session import SessionTransport
from urlsweep.workers.processes import crew

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a full queue of connections refuses")

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
OPTIONS = TransportOptions(proxies_from_environment=False)
POLICY = Policy(timeout=3.0, connect_timeout=3.0, retry_delays=(0.01, 0.02))
LIMITS = Limits(first_wait=0.01, longest_wait=0.05, patience=3.0, outage_patience=30.0)

LINGER_NO_TIME = struct.pack("ii", 1, 0)

Kind = type[LeanTransport] | type[SessionTransport]
OVER_BOTH = pytest.mark.parametrize("kind", [LeanTransport, SessionTransport])


@pytest.fixture
def full() -> Iterator[Full]:
    made = Full()
    yield made
    made.close()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Early tries that are over before the kernel asks again, 1 s after the first time."""
    monkeypatch.setattr(check, "EARLY_CONNECT", 0.4)
    monkeypatch.setattr(check, "JOINED_CONNECT", 0.2)
    check._times.cache_clear()
    yield
    check._times.cache_clear()


def open_sockets() -> int:
    return sum(1 for place in Path("/proc/self/fd").iterdir() if is_socket(place))


def is_socket(place: Path) -> bool:
    try:
        return place.readlink().name.startswith("socket:")
    except OSError:  # it was the listing itself
        return False


@asynccontextmanager
async def opened(kind: Kind, full: Full) -> AsyncIterator[LeanTransport | SessionTransport]:
    """A transport; afterwards nothing may be left of it, neither a socket nor a task."""
    sockets, tasks = open_sockets() - full.open_sockets, asyncio.all_tasks()
    transport = kind(OPTIONS, needed_fields=NEEDED_FIELDS, context_fields=CONTEXT_FIELDS)
    try:
        yield transport
    finally:
        await transport.aclose()
    assert asyncio.all_tasks() == tasks
    async with asyncio.timeout(5):
        while open_sockets() - full.open_sockets > sockets:  # noqa: ASYNC110 - aiohttp's are closed in the loop's next rounds
            await asyncio.sleep(0.01)


async def run(kind: Kind, full: Full, then: Awaitable[None], policy: Policy = POLICY) -> list[Result]:
    async with opened(kind, full) as transport:
        acting = asyncio.ensure_future(then)
        try:
            return [row async for row in Sweep([Target(full.url)], policy, LIMITS, transport, seed=7)]
        finally:
            acting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await acting


async def serve(full: Full, after: float) -> None:
    """Let everybody in, `after` seconds late, and answer."""
    await asyncio.sleep(after)
    full.drain()
    while True:
        peer = await full.accept()
        with contextlib.suppress(OSError):
            if await asyncio.get_running_loop().sock_recv(peer, 65536):
                await asyncio.get_running_loop().sock_sendall(peer, OK)


async def reset(full: Full, after: float) -> None:
    """Let everybody in, `after` seconds late, and hang up."""
    await asyncio.sleep(after)
    full.drain()
    while True:
        peer = await full.accept()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NO_TIME)
        peer.close()


async def refuse(full: Full, after: float) -> None:
    await asyncio.sleep(after)
    full.refuse()


async def never(_: Full) -> None:
    return


@OVER_BOTH
@pytest.mark.usefixtures("hasty")
async def test_who_accepts_when_the_first_try_is_over_is_ok(full: Full, kind: Kind) -> None:
    (row,) = await run(kind, full, serve(full, 0.7))  # the third try is on its way, the second was too short
    assert (row.outcome, row.reason, row.status) == (Outcome.OK, None, 200)
    assert row.attempts == 3


@OVER_BOTH
@pytest.mark.usefixtures("hasty")
async def test_who_accepts_in_the_pause_before_the_last_try_is_ok(full: Full, kind: Kind) -> None:
    """As one does after 8 s: the first try ends after 4 s, the second after 7, the third begins after 12."""
    policy = Policy(timeout=3.0, connect_timeout=3.0, retry_delays=(0.01, 1.5), jitter=0)
    (row,) = await run(kind, full, serve(full, 0.7), policy)
    assert (row.outcome, row.reason, row.status) == (Outcome.OK, None, 200)
    assert row.attempts == 3
    if kind is LeanTransport:
        assert full.let_in == 2  # who filled the queue, and the first try's attempt: no other one was needed


@OVER_BOTH
@pytest.mark.usefixtures("hasty")
async def test_who_refuses_late_has_refused(full: Full, kind: Kind) -> None:
    (row,) = await run(kind, full, refuse(full, 0.5))
    assert (row.outcome, row.reason) == (Outcome.DOWN, Reason.CONNECT_REFUSED)
    assert row.attempts == 3


@OVER_BOTH
@pytest.mark.usefixtures("hasty")
async def test_who_hangs_up_late_has_hung_up(full: Full, kind: Kind) -> None:
    (row,) = await run(kind, full, reset(full, 0.7))
    assert row.outcome is Outcome.DOWN
    assert row.reason in {Reason.RESPONSE_RESET, Reason.CONNECT_RESET}
    assert row.attempts >= 3


@OVER_BOTH
@pytest.mark.usefixtures("hasty")
async def test_who_never_accepts_is_down_after_three_tries(full: Full, kind: Kind) -> None:
    policy = Policy(timeout=1.0, connect_timeout=1.0, retry_delays=(0.01, 0.02))
    (row,) = await run(kind, full, never(full), policy)
    assert (row.outcome, row.reason) == (Outcome.DOWN, Reason.CONNECT_TIMEOUT)
    assert row.attempts == 3


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize("how", ["stopped", "left", "cancelled"])
async def test_nothing_goes_on_when_the_run_has_ended(full: Full, how: str) -> None:
    """While the first try's attempt goes on: at one time beside the second try, at another between two."""
    for after in (0.45, 0.55, 0.62, 0.7):
        async with opened(LeanTransport, full) as transport:
            sweep = Sweep([Target(full.url)], POLICY, LIMITS, transport, seed=7)
            if how == "stopped":
                asyncio.get_running_loop().call_later(after, sweep.stop)
                assert [row.reason async for row in sweep] == [Reason.SKIP_UNFINISHED]
                continue
            batches = sweep.batches()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(after):
                    await anext(batches)
            if how == "left":
                await batches.aclose()


@pytest.mark.parametrize("kind", [LeanTransport, SessionTransport, None])
async def test_who_accepts_after_five_seconds_is_ok(full: Full, kind: Kind | None) -> None:
    """With the times as they are, which worker processes (None) keep, too."""
    policy = Policy(retry_delays=(0.1, 0.2))
    serving = asyncio.create_task(serve(full, 4.3))
    workers = crew(2, OPTIONS) if kind is None else nullcontext()
    async with opened(kind or LeanTransport, full) as transport, workers as many:
        sweep = Sweep([Target(full.url)], policy, LIMITS, transport, crew=many, seed=7)
        async with aclosing(sweep.batches()) as batches:
            ((row,),) = [batch async for batch in batches]
    serving.cancel()
    assert (row.outcome, row.status) == (Outcome.OK, 200)
    assert row.attempts == 2
