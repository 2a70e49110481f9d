"""A network of one's own: a namespace that holds nothing but its loopback, and name look-ups that stay in it.

Contract: `enter` starts the program again inside new network and mount namespaces; `seal`, called there first, proves
that no packet can leave and raises otherwise. Nothing may be sent before it has returned. Linux and root only.
"""

from __future__ import annotations

import errno
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NoReturn

_TOOLS: Final = ("unshare", "ip", "mount")
_OUTSIDE: Final = (  # documentation addresses (RFC 5737, RFC 3849) and one that the whole world knows
    (socket.AF_INET, "192.0.2.1"),
    (socket.AF_INET, "1.1.1.1"),
    (socket.AF_INET6, "2001:db8::1"),
)
_KINDS: Final = ("net", "mnt")


class NotSealedError(RuntimeError):
    """The namespace is not what it has to be: nothing may be sent in it."""


def why_not_possible() -> str | None:
    """What this machine lacks, as a sentence with a remedy, or None."""
    if sys.platform != "linux":
        return f"network namespaces are Linux's: this is {sys.platform}; use a Linux machine, or a container on one"
    if os.geteuid() != 0:
        return "namespaces and the ports 80, 443 and 53 in them need root: run it with sudo, or as root of a container"
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        return f"not installed: {', '.join(missing)} (Debian packages util-linux, mount and iproute2)"
    return None


def identities() -> list[str]:
    """What tells this process's namespaces from others."""
    return [str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in _KINDS]


def enter(command: Sequence[str]) -> NoReturn:
    """Become `command` inside new namespaces, given the identities of the ones left."""
    unshare = shutil.which("unshare") or "unshare"
    sys.stdout.flush()
    os.execv(  # the same process goes on: nothing to wait for, nothing to be left behind
        unshare, [unshare, "--net", "--mount", "--propagation", "private", "--", *command, "--left", *identities()]
    )


def seal(left: Sequence[str], resolv_conf: Path) -> None:
    """Bring the loopback up and send name look-ups to 127.0.0.1. Raises NotSealedError where anything leads out.

    `left`: the identities of the namespaces that were left.
    """
    if any(own == other for own, other in zip(identities(), left, strict=True)):
        raise NotSealedError("this is not a namespace of its own: start the benchmark without --left")
    interfaces = [name for _, name in socket.if_nameindex()]
    if interfaces != ["lo"]:
        raise NotSealedError(f"the namespace has other interfaces than the loopback: {', '.join(interfaces)}")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True, timeout=10)
    for family, address in _OUTSIDE:
        _check_unreachable(family, address)
    # "search ." keeps libc from trying names that do not exist a second time under this machine's own domain.
    resolv_conf.write_text("nameserver 127.0.0.1\nsearch .\n", encoding="ascii")
    real = os.path.realpath("/etc/resolv.conf")
    subprocess.run(["mount", "--bind", str(resolv_conf), real], check=True, timeout=10)


def _check_unreachable(family: socket.AddressFamily, address: str) -> None:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((address, 9))  # looks the route up; a datagram socket sends nothing by it
    except OSError as error:
        if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            return
        raise NotSealedError(f"cannot tell whether {address} is out of reach: {error.strerror}") from error
    raise NotSealedError(f"the namespace has a route to {address}")
