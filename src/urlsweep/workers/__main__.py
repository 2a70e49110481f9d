"""A worker process: ``python -m urlsweep.workers``, started by `processes` and of no use to anybody else.

Contract: standard input and output are the pipes to the run's process. When the first one ends, so does this process,
at once and whatever it is doing. What anything in here should print goes to standard error.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Final

from urlsweep.collector import importing
from urlsweep.timing import run

STDIN: Final = 0
STDOUT: Final = 1
STDERR: Final = 2


def main() -> None:
    """Serve the run's process, and end this one."""
    incoming, outgoing = os.dup(STDIN), os.dup(STDOUT)
    nowhere = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nowhere, STDIN)
    os.dup2(STDERR, STDOUT)
    run(_serve(incoming, outgoing))


async def _serve(incoming: int, outgoing: int) -> None:
    with importing():
        from urlsweep.core.check import CONTEXT_FIELDS, NEEDED_FIELDS
        from urlsweep.transport import Transport
        from urlsweep.transport.choice import open_transport
        from urlsweep.transport.options import TransportOptions
        from urlsweep.workers.worker import Worker

    loop = asyncio.get_running_loop()
    writer, _ = await loop.connect_write_pipe(_Leaving, os.fdopen(outgoing, "wb", 0))

    def opened(options: TransportOptions) -> Transport:
        return open_transport(options, needed_fields=NEEDED_FIELDS, context_fields=CONTEXT_FIELDS)

    # What was written last is on its way when the pipe closes: see `_Leaving`.
    worker = Worker(writer.write, opened, writer.close)
    await loop.connect_read_pipe(lambda: _Obeying(worker.received), os.fdopen(incoming, "rb", 0))
    await loop.create_future()  # `_leave` ends it


def _leave() -> None:
    """No clean-up: a thread that looks up a name, or a server that does not hang up, would hold it for seconds."""
    os._exit(0)


class _Leaving(asyncio.BaseProtocol):
    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002  a Protocol's signature
        _leave()


class _Obeying(asyncio.Protocol):
    def __init__(self, received: Callable[[bytes], None]) -> None:
        self._received = received

    def data_received(self, data: bytes) -> None:
        self._received(data)

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002  a Protocol's signature
        _leave()


if __name__ == "__main__":
    main()
