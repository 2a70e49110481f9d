"""Which proxy a request goes through, if any.

Contract: decided by scheme, host and port alone, from options and an environment that is read once.
"""

from __future__ import annotations

import base64
import functools
import os
import sys
from typing import NamedTuple, Self
from urllib.parse import unquote, urlsplit

from urlsweep.transport.options import TransportOptions, check_proxy


class ProxyServer(NamedTuple):
    """One proxy."""

    url: str  # scheme, host and port; no credentials: fit to be shown
    authorization: str | None  # the value of Proxy-Authorization
    username: str | None
    password: str | None

    @classmethod
    def parse(cls, option: str, text: str) -> Self:
        """Read a proxy's URL. Raises TransportOptionError, naming `option`."""
        parts = urlsplit(check_proxy(option, text))
        host = parts.hostname or ""
        default = {"http": 80, "https": 443}.get(parts.scheme.lower(), 1080)
        url = f"{parts.scheme.lower()}://{f'[{host}]' if ':' in host else host}:{parts.port or default}"
        if parts.username is None:
            return cls(url, None, None, None)
        username, password = unquote(parts.username), unquote(parts.password or "")
        credentials = base64.b64encode(f"{username}:{password}".encode()).decode("ascii")  # RFC 7617: UTF-8
        return cls(url, f"Basic {credentials}", username, password)

    @property
    def is_socks(self) -> bool:
        """Whether it speaks SOCKS instead of HTTP."""
        return self.url.startswith("socks")


class ProxyChoice:
    """Chooses by `options`: the proxy given, or else those of the environment."""

    def __init__(self, options: TransportOptions) -> None:
        self._by_scheme: dict[str, ProxyServer] = {}
        self._environment: dict[str, str] = {}
        if options.proxy is not None:
            if options.proxy:
                server = ProxyServer.parse("proxy", options.proxy)
                self._by_scheme = {"http": server, "https": server}
        elif options.proxies_from_environment:
            self._read_environment()

    def _read_environment(self) -> None:
        if not _may_name_proxies():
            return
        from urllib.request import getproxies  # loads http.client: 8 ms

        self._environment = getproxies()
        for scheme in ("http", "https"):
            for name in (scheme, "all"):
                if self._environment.get(name):
                    self._by_scheme[scheme] = ProxyServer.parse(f"{name}_proxy", self._environment[name])
                    break

    @property
    def servers(self) -> frozenset[ProxyServer]:
        """Every proxy that may be chosen."""
        return frozenset(self._by_scheme.values())

    def choose(self, scheme: str, host: str, port: int) -> ProxyServer | None:
        """The proxy for requests to this origin; None: ask it directly. `host` is as in the URL: IPv6 in brackets."""
        if not self._by_scheme:
            return None
        server = self._by_scheme.get(scheme)
        return None if server is None or self._is_exempt(host, port) else server

    @functools.lru_cache(maxsize=4096)  # noqa: B019 - one instance a transport, which lives as long as the run
    def _is_exempt(self, host: str, port: int) -> bool:
        if not self._environment.get("no"):
            return False
        from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]  # typeshed lacks it

        return bool(proxy_bypass_environment(f"{host}:{port}", self._environment))


def _may_name_proxies() -> bool:
    """Whether there is anything for `urllib.request.getproxies` to find: variables, or settings of the whole system."""
    return sys.platform in ("win32", "darwin") or any(name.lower().endswith("_proxy") for name in os.environ)
