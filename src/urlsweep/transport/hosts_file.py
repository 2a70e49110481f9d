"""The system's hosts file: names that are pinned to addresses on this machine.

Contract: read once, when the first name is looked up; a file that is missing or cannot be read pins nothing.
Not in here: asking anybody.

c-ares reads the file as well, but one family at a time: a host pinned to an IPv4 address would get the DNS's IPv6 one
beside it. (Its `lookups` setting could tell file and DNS apart, but pycares 5.2 hands it over as memory already freed.)
"""

from __future__ import annotations

import functools
import ipaddress
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path


def hosts_path() -> Path:
    """Where this system keeps the file."""
    if sys.platform == "win32":
        return Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "System32" / "drivers" / "etc" / "hosts"
    return Path("/etc/hosts")


class HostsFile:
    """Names and their pinned addresses."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def addresses(self, name: str, families: Sequence[socket.AddressFamily]) -> tuple[str, ...]:
        """The addresses of `name` (lower case, no final dot) in the file's order; none if it is not pinned."""
        wanted = {4: socket.AF_INET in families, 6: socket.AF_INET6 in families}
        return tuple(address for version, address in self._entries.get(name, ()) if wanted[version])

    @functools.cached_property
    def _entries(self) -> dict[str, list[tuple[int, str]]]:
        """Name -> (IP version, address), hosts(5): an address and its names on a line, comments after ``#``."""
        entries: dict[str, list[tuple[int, str]]] = {}
        try:
            lines = self._path.read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return entries
        for line in lines:
            spelled, *names = line.partition("#")[0].split() or [""]
            try:
                address = ipaddress.ip_address(spelled.partition("%")[0])
            except ValueError:
                continue
            for name in names:
                entries.setdefault(name.lower().rstrip("."), []).append((address.version, str(address)))
        return entries
