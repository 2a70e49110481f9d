"""How long and how much: what every transport allows servers, beyond what a Request says.

Contract: numbers and their reasons. Those of header sections stand in `heads`, those of look-ups in `dns`.
"""

from __future__ import annotations

from typing import Final

KEEPALIVE_SECONDS: Final = 15.0
"""Idle connections are kept this long: a host whose turn comes again within seconds finds its own. Servers keep theirs
between 5 s (Apache) and 75 s (nginx); one that was closed sooner costs a silent second connection."""

SOCKETS_PER_REQUEST: Final = 2
"""Sockets that may be open for each request that may be under way: one is its own; the other is a second address that
is raced (RFC 8305), an attempt to connect that an earlier request left, or an idle connection."""

DRAIN_BYTES: Final = 64 * 1024
"""A body of a known length up to this is read to keep its connection: about what a new TLS connection costs in time."""

DRAIN_SECONDS: Final = 0.25
"""And no longer than this, the cost of a new connection to a distant server; a slow body is not worth a slot."""

SHORTAGE_PAUSE_SECONDS: Final = 0.1
"""First wait when this machine has run out of file descriptors, doubled each time up to a second."""

BODY_TIMEOUTS: Final = 30
"""A body that is read (`open`) may take this many times the request's timeout in all: 10 minutes by default, for 50 MB
(the largest sitemap) over 85 KB/s."""
