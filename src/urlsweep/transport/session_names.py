"""Names for aiohttp: our Resolver in the form that its connectors ask, and the guard that knows no private address.

Contract: each step is noted on the current exchange. Not in here: looking anything up (`dns`).
"""

from __future__ import annotations

import socket
from collections.abc import Sequence

import aiohttp.abc

from urlsweep.core.urls import is_public
from urlsweep.transport.dns import NotPublicError, Resolver
from urlsweep.transport.exchange import Stage, note


class AnyResolver(aiohttp.abc.AbstractResolver):
    """What aiohttp asks: every address."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[aiohttp.abc.ResolveResult]:
        """`host`'s addresses in aiohttp's form; the families are those the options name."""
        del family
        note(Stage.LOOKUP)
        addresses = self._admitted(host, await self._resolver.addresses(host, port))
        note(Stage.CONNECT, looked_up=addresses[0])
        return [
            {
                "hostname": host,
                "host": address,
                "port": port,
                "family": socket.AF_INET6 if ":" in address else socket.AF_INET,
                "proto": socket.IPPROTO_TCP,
                "flags": socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            }
            for address in addresses
        ]

    def _admitted(self, host: str, addresses: Sequence[str]) -> Sequence[str]:
        del host
        return addresses

    async def close(self) -> None:
        """Nothing: the Resolver is closed by who made it."""


class PublicResolver(AnyResolver):
    """What aiohttp asks where only public addresses may be connected to. Raises NotPublicError where none is left.

    A connection is made to the very address that was judged, so an answer that changes (DNS rebinding) gains nothing.
    """

    def _admitted(self, host: str, addresses: Sequence[str]) -> Sequence[str]:
        public = [address for address in addresses if is_public(address)]
        if not public:
            raise NotPublicError(host, addresses)
        return public
