"""SOCKS proxies, by the optional extra aiohttp-socks.

Contract: imported lazily; who asks for a SOCKS proxy without the extra is told how to get it. Names are looked up by
the proxy, for every kind of SOCKS: what a name is behind it (Tor, a company's network) only the proxy knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from urlsweep.transport.options import TransportOptionError
from urlsweep.transport.proxies import ProxyServer
from urlsweep.transport.wire import Wire


def check_socks_extra(servers: Iterable[ProxyServer]) -> None:
    """Raise TransportOptionError if one of `servers` needs an extra that is not installed."""
    for server in servers:
        if server.is_socks:
            try:
                import aiohttp_socks  # noqa: F401 - an extra
            except ImportError:
                raise TransportOptionError(
                    f"proxy: {server.url} needs an extra that is not installed: pip install 'urlsweep[socks]'"
                ) from None


def socks_connector(server: ProxyServer, settings: dict[str, Any]) -> aiohttp.TCPConnector:
    """A connector through `server`, its connections of our kind. `settings` are aiohttp's for a TCPConnector."""
    import aiohttp_socks  # an extra

    class SocksConnector(aiohttp_socks.ProxyConnector):
        async def _connect_via_proxy(self, *args: Any, **options: Any) -> tuple[asyncio.Transport, Wire]:
            transport, handler = await super()._connect_via_proxy(*args, **options)
            wire = Wire(self._loop)
            wire.keep_alive = handler  # it holds the stream's writer, which closes the transport when it is collected
            transport.set_protocol(wire)
            wire.connection_made(transport)
            return transport, wire

    parts = urlsplit(server.url)
    kind = aiohttp_socks.ProxyType.SOCKS4 if parts.scheme.startswith("socks4") else aiohttp_socks.ProxyType.SOCKS5
    return SocksConnector(
        parts.hostname or "",
        parts.port or 0,
        proxy_type=kind,
        username=server.username,
        password=server.password,
        rdns=True,
        **settings,
    )
