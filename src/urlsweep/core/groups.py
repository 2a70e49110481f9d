"""Which hosts are paced together: the key of the group that a host belongs to.

Contract: pure functions over host keys. Nothing is fetched or written: the Public Suffix List is the one that the
package publicsuffixlist brings along, read once, when the first registrable domain is asked for.
Not in here: what a group is allowed to do (see `limits`), and that hosts of one address belong together: their
addresses are known only from their answers, so the Pacer joins them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, assert_never

from urlsweep.core.limits import PaceBy
from urlsweep.core.urls import address_of, names_private_host

if TYPE_CHECKING:
    from publicsuffixlist import PublicSuffixList


def pace_key(host_key: str, pace_by: PaceBy) -> str:
    """The key of the group that the host `host_key` (``www.example.com:443``) is paced with.

    For `PaceBy.DOMAIN` the registrable domain (``example.com``) whatever the port: the part of the name that one party
    registered below a public suffix. Suffixes that are not a registry's count too (the list's private section): the
    users of github.io are different sites. What has no registrable domain stands for itself with its port: IP
    addresses, names of one label, public suffixes, and hosts that the URL itself names as loopback or private.
    For `PaceBy.HOST` and, until its address is known, `PaceBy.ADDRESS` the host key itself.
    """
    match pace_by:
        case PaceBy.HOST | PaceBy.ADDRESS:
            return host_key
        case PaceBy.DOMAIN:
            return _registrable_domain(host_key.rpartition(":")[0]) or host_key
        case _:
            assert_never(pace_by)


@lru_cache(maxsize=16_384)  # a look-up takes 5 µs; this many hosts are more than most runs have under way
def _registrable_domain(host: str) -> str | None:
    if names_private_host(host) or address_of(host) is not None or "." not in host.rstrip("."):
        return None
    return _public_suffixes().privatesuffix(host)


@lru_cache(maxsize=1)
def _public_suffixes() -> PublicSuffixList:
    from publicsuffixlist import PublicSuffixList  # 60 ms and 3 MiB, for those who pace by domain alone

    return PublicSuffixList()
