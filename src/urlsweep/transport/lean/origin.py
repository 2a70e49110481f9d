"""What all requests to one server share: where it is, what stands in each of their heads, connections that are kept.

Contract: nothing in here waits or decides.
"""

from __future__ import annotations

import ipaddress
import ssl
from collections import deque
from functools import lru_cache
from typing import TYPE_CHECKING

from urlsweep.core.urls import address_of

if TYPE_CHECKING:
    from urlsweep.transport.lean.channel import Channel
    from urlsweep.transport.lean.connection import Connection
    from urlsweep.transport.lean.race import Race

Fields = tuple[tuple[str, str], ...]


class Origin:
    """A scheme, a host and a port; and whether none but public addresses may be connected to."""

    __slots__ = (
        "_fields",
        "_session",
        "_tail",
        "_witness",
        "asked",
        "authority",
        "calls",
        "host",
        "idle",
        "is_guarded",
        "is_slow",
        "is_tls",
        "left",
        "literal",
        "port",
        "resumes",
        "scheme",
    )

    def __init__(self, scheme: str, authority: str, *, is_guarded: bool) -> None:
        self.scheme = scheme
        self.authority = authority
        self.is_guarded = is_guarded
        self.is_tls = scheme == "https"
        host, colon, port = authority.rpartition(":")
        if colon and port.isdigit():
            self.host, self.port = host, int(port)
        else:
            self.host, self.port = authority, 443 if self.is_tls else 80
        self.literal: ipaddress.IPv4Address | ipaddress.IPv6Address | None = address_of(self.host)
        self.idle: list[Connection] = []  # kept ones, the one used last at the end
        self.left: deque[Race] = deque()  # attempts to connect that go on, of requests that have ended
        self.is_slow = False  # such an attempt succeeded, or was lost: who comes later must wait in full
        self.calls = 0  # requests under way
        self.asked = 0  # requests so far
        self.resumes = True  # TLS sessions, unless that has failed once
        self._session: ssl.SSLSession | None = None
        self._witness: Channel | None = None  # has a session, not taken yet
        self._fields: Fields | None = None
        self._tail = ""

    @property
    def is_unused(self) -> bool:
        """Whether nothing would be lost with it but a TLS session."""
        return not (self.calls or self.idle or self.left or self.is_slow)

    @property
    def server_hostname(self) -> str:
        """The name that the certificate has to be for."""
        return self.host.strip("[]").rstrip(".")

    def session(self) -> ssl.SSLSession | None:
        """What spares a new connection the most of its TLS handshake, if there is such a thing."""
        if self._witness is not None:
            self._session, self._witness = self._witness.session, None
        return self._session

    def offer_session(self, channel: Channel) -> None:
        """`channel`, which stands, has a session. It is taken when a connection needs one: OpenSSL copies it by
        writing and reading it again, certificates included, which costs a quarter of a handshake."""
        if self.resumes:
            self._witness = channel

    def end_session(self, channel: Channel) -> None:
        """`channel` is being closed. Its session stays, but that of a host that was asked once will not be missed."""
        if channel.is_resuming and not channel.is_established:
            self.resumes = False  # some servers cannot take up what they gave: the next time without it
            self._session = self._witness = None
        elif self._witness is channel:
            if self.asked > 1:
                self.session()
            self._witness = None

    def tail(self, fields: Fields) -> str:
        """All of a request's head after its target. Raises ValueError where that could not be told apart any more."""
        if fields is not self._fields:  # nearly always the very same object
            lines, names_host = _lines_of(fields)
            host = "" if names_host else f"Host: {self.authority}\r\n"
            self._tail = f" HTTP/1.1\r\n{host}{lines}\r\n"
            self._fields = fields
        return self._tail


@lru_cache(maxsize=16)  # of a list of many hosts each one's first request comes by here, with the same fields
def _lines_of(fields: Fields) -> tuple[str, bool]:
    """`fields` as they are sent, and whether one of them is the host. Raises ValueError: see `Origin.tail`."""
    lines = []
    for name, value in fields:
        if not (name and name.isascii() and name.isprintable()) or any(sign in name for sign in " :"):
            raise ValueError(f"{name!r} cannot be a field's name")
        if any(sign in value for sign in "\r\n\0"):
            raise ValueError(f"the value of the field {name} holds a line break or a NUL")
        lines.append(f"{name}: {value}\r\n")
    return "".join(lines), "host" in {name.lower() for name, _ in fields}
