"""A DNS server on loopback, UDP and TCP, that gives the answers it is told: true, wrong, late or none.

Contract: an asynchronous context manager that owns its sockets and tasks. The wire format is written out here (RFC 1035
sections 4 and 3.3, RFC 3596): a question and a few records are less code than a dependency would be. Names that the
zone does not hold do not exist.
Not in here: recursion, EDNS, anything a resolver's test does not need.

    >>> zone = {"a.test": addresses("127.0.0.1"), "b.test": code(SERVFAIL), "c.test": later(0.2, addresses("::1"))}
    >>> DnsServer(zone).queries
    []
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Final, NamedTuple, Self

A: Final = 1
CNAME: Final = 5
AAAA: Final = 28

SERVFAIL: Final = 2
NXDOMAIN: Final = 3
NOTIMP: Final = 4
REFUSED: Final = 5

_QR_AA_RA: Final = 0x8480  # a response, with authority, recursion available
_RD: Final = 0x0100
_TC: Final = 0x0200

PORT_TRIES: Final = 50
"""UDP and TCP need the same port number; how many are tried until one is free for both."""


@dataclass(frozen=True, slots=True)
class NameAnswer:
    """What becomes of a question for one name."""

    addresses: tuple[str, ...] = ()  # IPv4 for A, IPv6 for AAAA; none of a family is NODATA for it
    code: int = 0  # the RCODE
    alias_of: str | None = None  # the addresses stand under this name, a CNAME leads there
    is_silent: bool = False  # no answer ever
    is_truncated: bool = False  # by UDP only the TC bit: whoever asks has to come again by TCP
    after: float = 0.0  # seconds


def addresses(*given: str) -> NameAnswer:
    """The name exists and has these addresses, each in the family it is of; none at all: it exists without (NODATA).

    Raises ValueError for what is no IP address.
    """
    return NameAnswer(tuple(str(ipaddress.ip_address(address)) for address in given))


def alias(name: str, *given: str) -> NameAnswer:
    """The name is a CNAME of `name`, which has these addresses."""
    return replace(addresses(*given), alias_of=name)


def code(rcode: int) -> NameAnswer:
    """An error: `SERVFAIL`, `REFUSED`, `NXDOMAIN`, `NOTIMP` or any other RCODE (RFC 1035 section 4.1.1)."""
    return NameAnswer(code=rcode)


def silence() -> NameAnswer:
    """No answer ever."""
    return NameAnswer(is_silent=True)


def truncated(*given: str) -> NameAnswer:
    """These addresses, but only by TCP."""
    return replace(addresses(*given), is_truncated=True)


def later(seconds: float, answer: NameAnswer) -> NameAnswer:
    """`answer`, after some seconds."""
    return replace(answer, after=seconds)


class Query(NamedTuple):
    """A question that came in."""

    name: str  # lower case, without the last dot
    kind: int  # A, AAAA or whatever was asked for
    is_tcp: bool


class DnsServer:
    """Answers for `zone`: name -> answer. The zone may be changed while the server runs.

    `address` is what a resolver is to be pointed at: ``127.0.0.1:53001``.
    """

    def __init__(self, zone: Mapping[str, NameAnswer], *, ttl: int = 60) -> None:
        """`ttl`: seconds that answers may be remembered."""
        self.zone = dict(zone)
        self.ttl = ttl
        self.queries: list[Query] = []
        self.port = 0  # once the server runs
        self._tasks: set[asyncio.Task[None]] = set()
        self._udp: asyncio.DatagramTransport | None = None
        self._tcp: asyncio.Server | None = None

    @property
    def address(self) -> str:
        """Where it listens, ``ADDRESS:PORT``."""
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        """Listen. Raises OSError where no port is free."""
        loop = asyncio.get_running_loop()
        for tries_left in reversed(range(PORT_TRIES)):
            listener = socket.create_server(("127.0.0.1", 0))
            try:
                transport, _ = await loop.create_datagram_endpoint(
                    lambda: _Datagrams(self), local_addr=listener.getsockname()
                )
            except OSError:
                listener.close()
                if not tries_left:
                    raise
                continue
            self.port = listener.getsockname()[1]
            self._udp = transport
            self._tcp = await asyncio.start_server(self._accept, sock=listener)
            break
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End everything."""
        if self._udp is not None and self._tcp is not None:
            self._udp.close()
            self._tcp.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        await asyncio.sleep(0)  # closed transports close their sockets in the loop's next round

    def take(self, datagram: bytes, peer: Any) -> None:
        """Answer a question that came by UDP."""
        self._own(self._answer_datagram(datagram, peer))

    async def _answer_datagram(self, datagram: bytes, peer: Any) -> None:
        answer = await self._answer(datagram, is_tcp=False)
        if answer is not None and self._udp is not None:
            self._udp.sendto(answer, peer)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._own(self._converse(reader, writer))

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:  # RFC 1035 section 4.2.2: each message after its length
                length = int.from_bytes(await reader.readexactly(2), "big")
                answer = await self._answer(await reader.readexactly(length), is_tcp=True)
                if answer is not None:
                    writer.write(len(answer).to_bytes(2, "big") + answer)
                    await writer.drain()
        except (asyncio.IncompleteReadError, OSError):
            pass  # the client has left
        finally:
            writer.transport.abort()

    def _own(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, message: bytes, *, is_tcp: bool) -> bytes | None:
        question = _question(message)
        if question is None:
            return None
        name, kind, end = question
        self.queries.append(Query(name, kind, is_tcp))
        answer = self.zone.get(name, NameAnswer(code=NXDOMAIN))
        if answer.after:
            await asyncio.sleep(answer.after)
        if answer.is_silent:
            return None
        flags = _QR_AA_RA | (int.from_bytes(message[2:4], "big") & _RD) | answer.code
        records: list[bytes] = []
        if answer.is_truncated and not is_tcp:
            flags |= _TC
        else:
            records = self._records(answer, kind)
        header = message[:2] + struct.pack("!5H", flags, 1, len(records), 0, 0)
        return header + message[12:end] + b"".join(records)

    def _records(self, answer: NameAnswer, kind: int) -> list[bytes]:
        owner, records = b"\xc0\x0c", []  # a pointer to the question's name (RFC 1035 section 4.1.4)
        if answer.alias_of is not None:
            target = _encoded(answer.alias_of)
            records.append(_record(owner, CNAME, self.ttl, target))
            owner = target
        found = [ipaddress.ip_address(address) for address in answer.addresses]
        wanted = [address.packed for address in found if kind == (A if address.version == 4 else AAAA)]
        return records + [_record(owner, kind, self.ttl, packed) for packed in wanted]


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._server.take(data, addr)

    def error_received(self, exc: Exception) -> None:
        """A client that asked has closed its port: none of the server's business."""


def _question(message: bytes) -> tuple[str, int, int] | None:
    """Name, kind and end of a message's one question; None where there is none to be read.

    An answer is no question: on a port that a client has just left, one that comes late would be answered, and so on.
    """
    if len(message) > 2 and message[2] & 0x80:
        return None
    labels, position = [], 12
    while position < len(message) and (length := message[position]):
        labels.append(message[position + 1 : position + 1 + length].decode("latin-1").lower())
        position += 1 + length
    end = position + 5
    if end > len(message):
        return None
    kind = int.from_bytes(message[position + 1 : position + 3], "big")
    return ".".join(labels), kind, end


def _encoded(name: str) -> bytes:
    labels = [label.encode("ascii") for label in name.rstrip(".").split(".")]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def _record(owner: bytes, kind: int, ttl: int, content: bytes) -> bytes:
    internet = 1
    return owner + struct.pack("!HHIH", kind, internet, ttl, len(content)) + content
