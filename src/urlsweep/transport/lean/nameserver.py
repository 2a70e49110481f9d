"""Plain questions to one name server by UDP, which is what nearly every look-up comes to.

Contract: only what leaves no doubt is taken for an answer: addresses, that there is no such name (NXDOMAIN), or no
address (NODATA), in reply to a question that is open. Anything else, errors, cut-off and unreadable answers, is told as
None, for c-ares to ask again: other servers, TCP, later tries and what their failures mean are its business.
Not in here: which names are asked for, how long an answer is waited for.

c-ares spends 97 µs on a name's two questions, pycares included; this, 27. Its queries are no easier to forge an answer
to: a random number each, from one random port of a socket that is connected to the server.
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from pycares import errno as codes

from urlsweep.transport.dns import Half
from urlsweep.transport.lean.poller import Poller

BUFFER_BYTES: Final = 512
"""The longest answer by UDP to a question without EDNS (RFC 1035 section 4.2.1); a longer one is sent cut off."""

READ_AT_ONCE: Final = 64
"""Answers that are read before others get their turn."""

_PLAIN_NAME: Final = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})+")
"""Whose spelling is its own: no escapes, no search list."""

_HEADER: Final = struct.Struct("!6H")  # RFC 1035 section 4.1.1: number, flags, and how many of each section
_RECORD: Final = struct.Struct("!HHIH")  # section 4.1.3, after the owner's name: type, class, TTL, length
_RECURSION_DESIRED: Final = 0x0100
_IS_RESPONSE: Final = 0x8000
_UNPLAIN: Final = 0xFA00  # response, opcode and truncation: what must be `_IS_RESPONSE` alone
_CODE: Final = 0x000F
_NXDOMAIN: Final = 3
_INTERNET: Final = 1
_KINDS: Final = {socket.AF_INET: (1, 4), socket.AF_INET6: (28, 16)}  # A, AAAA (RFC 3596), and an address's bytes
_QUESTION_ENDS: Final = {family: struct.pack("!2H", kind, _INTERNET) for family, (kind, _) in _KINDS.items()}

OnHalf = Callable[[Any, socket.AddressFamily, Half | None], None]


class NameServer:
    """One name server. Everything asked of it carries a mark of the asker's choice."""

    def __init__(self, poller: Poller, address: str, on_half: OnHalf, on_lost: Callable[[], None]) -> None:
        """`address` as c-ares spells it: ``127.0.0.1:53``, ``[::1]:53``, ``[fe80::1]:53%eth0``.

        `on_half` is called with a mark, a family and what came of the question, `on_lost` when the server cannot be
        spoken to at all; neither from within `ask`. Raises OSError or ValueError for what cannot be asked.
        """
        host, port, scope = _parts(address)
        self._poller = poller
        self._on_half = on_half
        self._on_lost = on_lost
        self._open: dict[int, tuple[bytes, Any, socket.AddressFamily]] = {}  # number -> question, mark, family
        self._numbers = _random_numbers()
        self._is_closed = False
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._sock.setblocking(False)
            self._sock.connect((host, port, 0, scope) if family == socket.AF_INET6 else (host, port))
        except OSError:
            self._sock.close()
            raise
        poller.watch(self._sock, self)

    @staticmethod
    def can_ask_for(name: str) -> bool:
        """Whether a question for `name`, which is in lower case, is a plain one."""
        return _PLAIN_NAME.fullmatch(name) is not None

    def ask(self, name: str, families: Iterable[socket.AddressFamily], mark: Any) -> list[int]:
        """Ask for the addresses of `name`; the questions' numbers, for `forget`. Raises OSError where it cannot."""
        encoded = b"".join([b"%c%b" % (len(label), label) for label in name.encode("ascii").split(b".")]) + b"\0"
        numbers = []
        try:
            for family in families:
                number = next(self._numbers)
                while number in self._open:
                    number = next(self._numbers)
                question = encoded + _QUESTION_ENDS[family]
                self._sock.send(_HEADER.pack(number, _RECURSION_DESIRED, 1, 0, 0, 0) + question)
                self._open[number] = question, mark, family
                numbers.append(number)
        except OSError:
            self.forget(numbers, mark)
            raise
        return numbers

    def forget(self, numbers: Iterable[int], mark: Any) -> None:
        """Take no answers to these questions of `mark` any more; a number that was answered may be another's by now."""
        for number in numbers:
            known = self._open.get(number)
            if known is not None and known[1] is mark:
                del self._open[number]

    def close(self) -> None:
        """Ask no more. Idempotent."""
        if not self._is_closed:
            self._is_closed = True
            self._open.clear()
            self._poller.close(self._sock)

    def on_ready(self) -> None:
        """The poller calls, and who wants to know what has come by now."""
        for _ in range(READ_AT_ONCE):
            try:
                message = self._sock.recv(BUFFER_BYTES)
            except (BlockingIOError, InterruptedError):
                break
            except OSError:  # nobody is there, or no way leads there
                self._on_lost()
                return
            self._take(message)
            if self._is_closed:
                return

    def _take(self, message: bytes) -> None:
        number = int.from_bytes(message[:2], "big")
        known = self._open.get(number)
        if known is None:
            return
        question, mark, family = known
        if message[12 : 12 + len(question)].lower() != question:  # servers may give a name back in other case
            return
        del self._open[number]
        self._on_half(mark, family, read_answer(message, 12 + len(question), family))


def read_answer(message: bytes, start: int, family: socket.AddressFamily) -> Half | None:
    """What `message`, with its answer section at `start`, says of the addresses of `family`; None: nothing plain."""
    kind, size = _KINDS[family]
    addresses: dict[str, int] = {}
    try:
        _, flags, questions, answers, _, _ = _HEADER.unpack_from(message)
        if flags & _UNPLAIN != _IS_RESPONSE or questions != 1:
            return None
        if flags & _CODE:
            return _NOT_FOUND if flags & _CODE == _NXDOMAIN else None
        position = start
        for _ in range(answers):
            while label := message[position]:
                if label >= 0xC0:  # a pointer to where the rest of the name stands (section 4.1.4)
                    position += 1
                    break
                if label > 63:
                    return None
                position += 1 + label
            found, network, ttl, length = _RECORD.unpack_from(message, position + 1)
            position += 1 + _RECORD.size
            if found == kind and network == _INTERNET:
                if length != size:
                    return None
                address = socket.inet_ntop(family, message[position : position + size])
                addresses[address] = min(ttl, addresses.get(address, ttl))
            position += length
        if position > len(message):
            return None
    except (IndexError, struct.error, ValueError):  # it ends where it must not
        return None
    return Half(None, tuple(addresses), min(addresses.values())) if addresses else _NO_DATA


_NOT_FOUND: Final = Half(codes.ARES_ENOTFOUND)
_NO_DATA: Final = Half(codes.ARES_ENODATA)


def _random_numbers() -> Iterator[int]:
    while True:
        yield from struct.unpack("!256H", os.urandom(512))


def _parts(address: str) -> tuple[str, int, int]:
    """Host, port and scope. Raises ValueError, or OSError for an interface that is not there."""
    address, percent, interface = address.partition("%")
    host, colon, port = address.rpartition(":")
    host = host.strip("[]")
    if not colon or not port.isdigit():
        raise ValueError(f"{address!r} is not a server's address")
    ipaddress.ip_address(host)
    scope = 0
    if percent:
        scope = int(interface) if interface.isdigit() else socket.if_nametoindex(interface)
    return host, int(port), scope
