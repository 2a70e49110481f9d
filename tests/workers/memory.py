"""Workers without processes: in the run's own loop, spoken to in the same bytes, so that virtual time holds for all."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import pytest

from urlsweep.asking import Owner
from urlsweep.core.limits import Limits
from urlsweep.core.policy import Policy
from urlsweep.core.summary import Summary
from urlsweep.transport import Transport
from urlsweep.transport.options import TransportOptions
from urlsweep.workers.sharded import ShardedAsking
from urlsweep.workers.worker import Worker

SHARDS = int(os.environ.get("URLSWEEP_SHARDS", "1"))
"""Over how many workers every run is made that does not say: what holds of a run holds however many there are."""

of_one_process = pytest.mark.skipif(SHARDS > 1, reason="shared out among several workers")


class _Lent:
    """A transport that several use: none of them closes it."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    async def aclose(self) -> None:
        pass


class MemoryLink:
    """The way to a worker that is in this process."""

    def __init__(self, name: str, transport: Transport, wall: Callable[[], float], delay: float = 0.0) -> None:
        self.name = name
        self.worker: Worker | None = None
        self.frames_in = 0
        self.frames_out = 0
        self._transport = transport
        self._wall = wall
        self._delay = delay
        self._lost: Callable[[str], None] | None = None
        self._is_cut = False
        self.is_stuck = False  # the worker hears and says nothing any more
        self._ways: dict[Callable[[bytes], None], deque[bytes]] = {}

    def send(self, data: bytes) -> None:
        self.frames_in += 1
        assert self.worker is not None
        self._deliver(self.worker.received, data)

    def listen(self, received: Callable[[bytes], None], lost: Callable[[str], None]) -> None:
        self._lost = lost

        def send(data: bytes) -> None:
            self.frames_out += 1
            self._deliver(received, data)

        lent: Any = _Lent(self._transport)
        self.worker = Worker(send, lambda _: lent, lambda: None, self._wall)

    def _deliver(self, receive: Callable[[bytes], None], data: bytes) -> None:
        loop = asyncio.get_running_loop()
        way = self._ways.setdefault(receive, deque())
        way.append(data)

        def arrive() -> None:
            first = way.popleft()  # timers of one moment keep no order
            if not (self._is_cut or self.is_stuck):
                receive(first)

        if self._delay:
            loop.call_later(self._delay, arrive)
        else:
            loop.call_soon(arrive)

    def cut(self) -> None:
        """Nothing goes either way any more, and the run's process sees it."""
        self._is_cut = True
        if self._lost is not None:
            self._lost("was killed by SIGKILL")


class MemoryCrew:
    """Workers in this process, over one transport."""

    def __init__(
        self, number: int, transport: Transport, *, wall: Callable[[], float] = time.time, delay: float = 0.0
    ) -> None:
        """`delay`: seconds that a message is under way."""
        self.links = [MemoryLink(f"worker {position + 1}", transport, wall, delay) for position in range(number)]

    def asker(
        self, policy: Policy, limits: Limits, summary: Summary, owner: Owner, *, seed: int | None
    ) -> ShardedAsking:
        return ShardedAsking(self.links, TransportOptions(), policy, limits, summary, owner, seed=seed)
