"""Workers as processes: started, spoken to over pipes, and gone when the run is.

Contract: a worker is this interpreter with this package, its standard input and output are the pipes, its standard
error is ours. It ends when its pipe does, so it outlives nobody, however the run's process ends. Keyboards and service
managers signal whole groups of processes: workers are started with SIGINT and SIGTERM blocked, and are told by the
pipe.
Not in here: what is said (`messages`), who says it (`sharded`, `worker`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import urlsweep
from urlsweep.asking import CrewError, Owner
from urlsweep.core.limits import Limits
from urlsweep.core.policy import Policy
from urlsweep.core.summary import Summary
from urlsweep.transport.options import TransportOptions
from urlsweep.workers.sharded import ShardedAsking

MODULE: Final = "urlsweep.workers"

LEAVING: Final = 0.2
"""Seconds that a worker which has said all may take to be gone; then it is killed. There is nothing left to lose."""

_BLOCKED: Final = (signal.SIGINT, signal.SIGTERM)


class Crew:
    """Workers that were started, and are there for one run."""

    def __init__(self, members: Sequence[Member], options: TransportOptions) -> None:
        self.members = members
        self._options = options

    def asker(
        self, policy: Policy, limits: Limits, summary: Summary, owner: Owner, *, seed: int | None
    ) -> ShardedAsking:
        """See `urlsweep.asking.Crew`."""
        return ShardedAsking(self.members, self._options, policy, limits, summary, owner, seed=seed)


@asynccontextmanager
async def crew(number: int, options: TransportOptions) -> AsyncIterator[Crew]:
    """`number` workers that ask by `options`. They are started at once, and are gone when this is left.

    Raises CrewError where they cannot be.
    """
    members: list[Member] = []
    try:
        members.extend(Member(position, _started()) for position in range(1, number + 1))
        for member in members:
            await member.connect()
        yield Crew(members, options)
    finally:
        for member in members:
            member.close()
        for member in members:
            await member.gone()


def _started() -> subprocess.Popen[bytes]:
    if not hasattr(signal, "pthread_sigmask"):
        raise CrewError("several processes need a system with POSIX signals and pipes (Linux, macOS): leave it at one")
    if not sys.executable or getattr(sys, "frozen", False):
        raise CrewError("there is no Python interpreter here to start more processes with: leave it at one")
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED)
    try:
        return subprocess.Popen(  # noqa: S603  ourselves
            [sys.executable, "-I" if sys.flags.isolated else "-P", "-m", MODULE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=_environment(),
        )
    except OSError as error:
        raise CrewError(f"a worker process cannot be started ({error.strerror or error})") from error
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _environment() -> dict[str, str]:
    """Ours, and where this package is found: it may be known to us by a path that was made while we ran."""
    environment = dict(os.environ)
    folder = Path(urlsweep.__file__).resolve().parents[1]
    # What is installed is found anyway; put first, its neighbours would hide the standard library's modules.
    if folder.name not in ("site-packages", "dist-packages"):
        paths = [str(folder), *filter(None, [environment.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(paths)
    return environment


class Member:
    """One worker process; the way to it (see `sharded.Link`)."""

    def __init__(self, position: int, process: subprocess.Popen[bytes]) -> None:
        self.name = f"worker {position} (process {process.pid})"
        self.process = process
        self._writer: asyncio.WriteTransport | None = None
        self._reader: asyncio.ReadTransport | None = None
        self._received: Callable[[bytes], None] | None = None
        self._lost: Callable[[str], None] | None = None
        self._is_lost = False
        self._is_gone = asyncio.Event()

    async def connect(self) -> None:
        """Be ready to send and to hear, on the running loop."""
        loop = asyncio.get_running_loop()
        self._writer, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, self.process.stdin)
        self._reader, _ = await loop.connect_read_pipe(lambda: _Hearing(self._hear, self._on_end), self.process.stdout)

    def send(self, data: bytes) -> None:
        """See `Link`."""
        if self._writer is not None and not self._writer.is_closing():
            self._writer.write(data)

    def listen(self, received: Callable[[bytes], None], lost: Callable[[str], None]) -> None:
        """See `Link`. What it said before is nothing: a worker speaks when it is spoken to."""
        self._received, self._lost = received, lost
        if self._is_lost:
            asyncio.get_running_loop().call_soon(self._tell_lost)

    def _hear(self, data: bytes) -> None:
        if self._received is not None:
            self._received(data)

    def _on_end(self) -> None:
        self._is_lost = True
        self._is_gone.set()
        self._tell_lost()

    def _tell_lost(self) -> None:
        if self._lost is not None:
            self._lost(self._how_it_ended())

    def _how_it_ended(self) -> str:
        try:
            code = self.process.wait(LEAVING)  # its output has ended: so has it, or is about to
        except subprocess.TimeoutExpired:
            return "closed its pipe"
        if code >= 0:
            return f"ended with exit code {code}"
        with contextlib.suppress(ValueError):
            return f"was killed by {signal.Signals(-code).name}"
        return f"was killed by signal {-code}"

    def close(self) -> None:
        """Let it go: its pipe ends, and so does it."""
        self._received = self._lost = None
        if self._writer is not None:
            if not self._writer.is_closing():
                self._writer.abort()
        elif self.process.stdin is not None:
            self.process.stdin.close()

    async def gone(self) -> None:
        """Wait until it is, after `close`; it is killed if that takes too long."""
        if self._reader is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LEAVING):
                    await self._is_gone.wait()
            self._reader.close()
        elif self.process.stdout is not None:
            self.process.stdout.close()
        try:
            self.process.wait(LEAVING if self._is_lost else 0)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class _Hearing(asyncio.Protocol):
    def __init__(self, received: Callable[[bytes], None], ended: Callable[[], None]) -> None:
        self._received = received
        self._ended = ended

    def data_received(self, data: bytes) -> None:
        self._received(data)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002  a Protocol's signature
        self._ended()
