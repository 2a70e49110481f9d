"""Which hosts share a limit: the registrable domain, and what has none."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urlsweep.core.groups import pace_key
from urlsweep.core.limits import PaceBy


@pytest.mark.parametrize(
    ("host_key", "group"),
    [
        ("example.com:443", "example.com"),
        ("www.example.com:443", "example.com"),
        ("a.b.c.example.com:8080", "example.com"),
        ("www.example.com.:443", "example.com"),  # the root's dot: the same host to DNS
        ("shop.example.co.uk:443", "example.co.uk"),
        # The list's private section: the users of a hoster are different sites, each with all its own hosts.
        ("alice.github.io:443", "alice.github.io"),
        ("www.alice.github.io:443", "alice.github.io"),
        ("bob.github.io:443", "bob.github.io"),
        # Wildcards and their exceptions: *.ck and !www.ck.
        ("www.a.co.ck:443", "a.co.ck"),
        ("x.www.ck:443", "www.ck"),
        # Internationalised names, as a URL's host has them.
        ("www.xn--e1afmkfd.xn--p1ai:443", "xn--e1afmkfd.xn--p1ai"),
        ("www.xn--85x722f.xn--55qx5d.cn:443", "xn--85x722f.xn--55qx5d.cn"),
        # A suffix that nobody listed counts as one (the list's rule "*").
        ("a.wiki.corp:80", "wiki.corp"),
    ],
)
def test_hosts_of_one_registrable_domain_are_one_group(host_key: str, group: str) -> None:
    assert pace_key(host_key, PaceBy.DOMAIN) == group


@pytest.mark.parametrize(
    "host_key",
    [
        "github.io:443",  # public suffixes themselves
        "co.uk:443",
        "com:80",
        "intranet:80",  # one label
        "intranet.:80",
        "192.0.2.1:80",  # addresses
        "8.8.8.8:443",
        "[2001:4860:4860::8888]:443",
        "localhost:3000",  # named as private
        "a.b.localhost:3000",
        "127.0.0.1:3000",
        "192.168.1.1:8080",
        "[::1]:8000",
        "a..example.com:80",  # no name at all
        ".com:80",
    ],
)
def test_what_has_no_registrable_domain_stands_for_itself_with_its_port(host_key: str) -> None:
    assert pace_key(host_key, PaceBy.DOMAIN) == host_key


@pytest.mark.parametrize("pace_by", [PaceBy.HOST, PaceBy.ADDRESS])
@pytest.mark.parametrize("host_key", ["www.example.com:443", "127.0.0.1:80", "com:80"])
def test_by_host_and_by_an_address_not_yet_known_each_host_stands_for_itself(host_key: str, pace_by: PaceBy) -> None:
    assert pace_key(host_key, pace_by) == host_key


@given(st.text(max_size=80), st.integers(1, 65535))
def test_every_host_has_a_group_of_its_own_or_is_within_it(host: str, port: int) -> None:
    host_key = f"{host}:{port}"
    group = pace_key(host_key, PaceBy.DOMAIN)
    assert group == host_key or f".{host.rstrip('.').lower()}".endswith(f".{group}")


WATCHED = """
import sys
from urlsweep.core.groups import pace_key
from urlsweep.core.limits import PaceBy

def watch(event, args):
    is_written = event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")
    assert not event.startswith("socket.") and not is_written, (event, args)

sys.dont_write_bytecode = True
sys.addaudithook(watch)
pace_key("www.example.com:443", PaceBy.HOST)
pace_key("127.0.0.1:443", PaceBy.DOMAIN)
print("publicsuffixlist" in sys.modules)
print(pace_key("www.example.com:443", PaceBy.DOMAIN), "publicsuffixlist" in sys.modules)
"""


def test_the_list_is_loaded_when_it_is_needed_from_no_network_and_into_no_file() -> None:
    ran = subprocess.run([sys.executable, "-c", WATCHED], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "example.com", "True"]
