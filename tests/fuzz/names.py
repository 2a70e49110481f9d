"""A name server's answers, as the lean transport reads them itself."""

from __future__ import annotations

import ipaddress
import socket
from typing import Final

from urlsweep.transport.lean.nameserver import read_answer

QUESTION: Final = b"\1a\4test\0"
WORDS: Final = (
    b"\x81\x80\0\1\0\1\0\0\0\0", b"\x81\x83\0\1\0\0\0\0\0\0", b"\x83\x80\0\1\0\1\0\0\0\0", QUESTION + b"\0\1\0\1",
    b"\xc0\x0c", b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1", b"\xc0\x0c\0\x1c\0\1\0\0\0\x3c\0\x10" + b"\0" * 16,
    b"\xc0\x0c\0\5\0\1\0\0\0\x3c\0\4\1b\xc0\x0e", b"\xff\xff", b"\0\0", b"\x40", b"\x3f",
)  # fmt: skip


def seeds() -> tuple[bytes, ...]:
    """Answers with an address of each family, with an alias, with none, and a denial."""
    return (
        b"\x12\x34\x81\x80\0\1\0\1\0\0\0\0" + QUESTION + b"\0\1\0\1" + WORDS[5],
        b"\x12\x34\x81\x80\0\1\0\2\0\0\0\0" + QUESTION + b"\0\1\0\1" + WORDS[7] + WORDS[5],
        b"\x12\x34\x81\x80\0\1\0\1\0\0\0\0" + QUESTION + b"\0\x1c\0\1" + WORDS[6],
        b"\x12\x34\x81\x80\0\1\0\0\0\0\0\0" + QUESTION + b"\0\1\0\1",
        b"\x12\x34\x81\x83\0\1\0\0\0\0\0\0" + QUESTION + b"\0\1\0\1",
    )


def check_names(data: bytes) -> None:
    """Addresses of the family that was asked for, or that there are none, or nothing plain; never an exception."""
    for family in (socket.AF_INET, socket.AF_INET6):
        half = read_answer(data, 12 + len(QUESTION) + 4, family)
        if half is None:
            continue
        assert (half.status is None) == bool(half.addresses)
        assert half.ttl >= 0
        for address in half.addresses:
            assert ipaddress.ip_address(address).version == (4 if family == socket.AF_INET else 6)
            assert len(half.addresses) <= len(data) // 14
