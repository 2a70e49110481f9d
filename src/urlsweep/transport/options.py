"""What a transport can be told: addresses, families, proxies, certificates.

Contract: frozen, checked when made; every default has its reason beside it. Nothing in here opens a file or a socket
(see `tls` for the files).
"""

from __future__ import annotations

import ipaddress
from typing import Final, Literal, get_args
from urllib.parse import urlsplit

import msgspec

from urlsweep.core.urls import redact

Family = Literal["any", "ipv4", "ipv6"]
Kind = Literal["auto", "lean", "session"]

PROXY_SCHEMES: Final = ("http", "https", "socks4", "socks4a", "socks5", "socks5h")
"""Kinds of proxy that are spoken; the SOCKS ones need the extra ``urlsweep[socks]``."""


class TransportOptionError(ValueError):
    """An option that cannot be used: the message names the option, what is wrong with its value, and the remedy."""


class TransportOptions(msgspec.Struct, frozen=True):
    """How to reach servers. Raises TransportOptionError for a value that cannot be used."""

    kind: Kind = "auto"
    """`lean` is several times faster; `session`, over aiohttp, speaks to proxies and runs on every event loop.
    ``auto``: lean unless a proxy is to be used or it cannot run."""

    resolvers: tuple[str, ...] = ()
    """DNS servers, each ``ADDR``, ``ADDR:PORT`` or ``[V6]:PORT``. None given: those the system is set up to use."""

    resolve: tuple[tuple[str, int, str], ...] = ()
    """(host, port, address): connect there instead of asking the DNS, as curl's --resolve. ``*`` is any host; several
    entries for one host and port are several addresses of it."""

    family: Family = "any"
    """``any``: both, raced (RFC 8305), because which one works from here is not known before it is tried."""

    proxy: str | None = None
    """URL of the proxy for every request; ``""`` is none at all. None: see `proxies_from_environment`."""

    proxies_from_environment: bool = True
    """HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY are obeyed, as curl and browsers do: behind a company's proxy
    every URL would else be called down."""

    cacert: str | None = None
    """PEM file, or directory of hashed certificates, trusted in addition to the system's: one private authority must
    not make the public links of the same list fail (curl's replaces them)."""

    cert: str | None = None
    """PEM file with the client's certificate, and its key unless `key` is given."""

    key: str | None = None
    """PEM file with the client certificate's key."""

    insecure: bool = False
    """Certificates are verified: a link that a browser refuses to open is not a working one."""

    concurrency: int = 256
    """Requests that may be under way at once, which the caller bounds; here it sizes what is kept: as many idle
    connections at most. The engine's own default."""

    def __post_init__(self) -> None:
        for resolver in self.resolvers:
            _check_resolver(resolver)
        for host, port, address in self.resolve:
            _check_resolve(host, port, address)
        if self.family not in get_args(Family):
            raise TransportOptionError(f"family: {self.family!r} is none of {', '.join(get_args(Family))}")
        if self.kind not in get_args(Kind):
            raise TransportOptionError(f"transport: {self.kind!r} is none of {', '.join(get_args(Kind))}")
        if self.proxy:
            check_proxy("proxy", self.proxy)
        if self.key is not None and self.cert is None:
            raise TransportOptionError(f"key: {self.key} is of no use without its certificate: give that with cert")
        if self.concurrency < 1:
            raise TransportOptionError(f"concurrency: {self.concurrency} is not a number of at least 1")


def _check_resolver(text: str) -> None:
    remedy = "give an IP address, ADDR:PORT or [V6]:PORT"
    host, port = text, ""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise TransportOptionError(f"resolvers: {text!r} is not a server's address: {remedy}")
        port = rest[1:]
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        raise TransportOptionError(f"resolvers: {text!r} is not a server's address: {remedy}") from None
    if port and not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise TransportOptionError(f"resolvers: {text!r} has no valid port: {remedy}")


def _check_resolve(host: str, port: int, address: str) -> None:
    entry = f"{host}:{port}:{address}"
    if not host:
        raise TransportOptionError(f"resolve: {entry!r} names no host: give HOST:PORT:ADDRESS")
    if not 0 < port < 65536:
        raise TransportOptionError(f"resolve: {entry!r} has no valid port: give HOST:PORT:ADDRESS")
    try:
        ipaddress.ip_address(address.strip("[]"))
    except ValueError:
        raise TransportOptionError(f"resolve: {entry!r} has no valid IP address: give HOST:PORT:ADDRESS") from None


def check_proxy(option: str, text: str) -> str:
    """The proxy URL `text`, ``http://`` put before one that has no scheme. `option` is named when it cannot be used."""
    url = text if "://" in text else f"http://{text}"
    kinds = ", ".join(PROXY_SCHEMES)
    try:
        parts = urlsplit(url)
        is_usable = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        is_usable = False
    if not is_usable:
        raise TransportOptionError(
            f"{option}: {redact(url)!r} is not a proxy's URL: give SCHEME://[USER:PASS@]HOST:PORT"
        )
    if parts.scheme.lower() not in PROXY_SCHEMES:
        raise TransportOptionError(f"{option}: {redact(url)!r} has a scheme that is not spoken: use one of {kinds}")
    return url
