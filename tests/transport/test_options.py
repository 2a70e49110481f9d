"""Options that cannot be used are refused when they are given, with the remedy."""

from __future__ import annotations

from typing import Any

import pytest

from urlsweep.transport.options import TransportOptionError, TransportOptions


@pytest.mark.parametrize(
    "options",
    [
        {
            "resolvers": (
                "192.0.2.1",
                "192.0.2.1:53",
                "2001:db8::1",
                "[2001:db8::1]",
                "[2001:db8::1]:53",
                "fe80::1%eth0",
            )
        },
        {"resolve": (("a.example", 443, "192.0.2.1"), ("*", 80, "[::1]"), ("b.example", 1, "::1"))},
        {"family": "ipv6"},
        {"proxy": "proxy.example:3128"},
        {"proxy": "http://user:pass@[2001:db8::1]:3128"},
        {"proxy": "HTTPS://proxy.example"},
        {"proxy": "socks5h://127.0.0.1:9050"},
        {"proxy": ""},
        {"concurrency": 1},
    ],
)
def test_what_can_be_used(options: dict[str, Any]) -> None:
    TransportOptions(**options)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"resolvers": ("dns.example",)}, ["resolvers", "dns.example", "IP address"]),
        ({"resolvers": ("192.0.2.1:0",)}, ["resolvers", "192.0.2.1:0", "port"]),
        ({"resolvers": ("192.0.2.1:99999",)}, ["resolvers", "port"]),
        ({"resolvers": ("192.0.2.1:dns",)}, ["resolvers", "port"]),
        ({"resolvers": ("[::1",)}, ["resolvers", "[::1"]),
        ({"resolvers": ("[::1]53",)}, ["resolvers", "[::1]53"]),
        ({"resolvers": ("",)}, ["resolvers"]),
        ({"resolve": (("", 80, "192.0.2.1"),)}, ["resolve", "HOST:PORT:ADDRESS"]),
        ({"resolve": (("a.example", 0, "192.0.2.1"),)}, ["resolve", "port"]),
        ({"resolve": (("a.example", 80, "b.example"),)}, ["resolve", "IP address"]),
        ({"family": "ipv5"}, ["family", "ipv5", "ipv4"]),
        ({"proxy": "ftp://proxy.example"}, ["proxy", "scheme", "socks5"]),
        ({"proxy": "http://:3128"}, ["proxy", "HOST:PORT"]),
        ({"proxy": "http://proxy.example:port"}, ["proxy", "HOST:PORT"]),
        ({"proxy": "http://proxy.example:0"}, ["proxy"]),
        ({"key": "key.pem"}, ["key", "key.pem", "cert"]),
        ({"concurrency": 0}, ["concurrency", "at least 1"]),
    ],
)
def test_what_cannot(options: dict[str, Any], told: list[str]) -> None:
    with pytest.raises(TransportOptionError) as caught:
        TransportOptions(**options)
    for part in told:
        assert part in str(caught.value)


def test_a_proxys_password_is_not_told() -> None:
    with pytest.raises(TransportOptionError) as caught:
        TransportOptions(proxy="ftp://user:secret@proxy.example")
    assert "secret" not in str(caught.value)


def test_options_do_not_change() -> None:
    with pytest.raises(AttributeError):
        TransportOptions().insecure = True  # type: ignore[misc]  # what is tested
