"""The pages that are asked for, and what each has to answer: its path alone tells, so that no list is too long.

Contract: pure. The servers (`servers`, `delayed`) answer these paths as `ANSWERS` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final

DOMAIN: Final = "speed.internal"
"""Every name is below it. ICANN keeps this top-level domain for private use; those of RFC 2606 lychee does not ask."""

LOOPBACK: Final = "127.0.0.1"

PLANT_EVERY: Final = 250
"""One URL in so many is planted: enough to see that a tool looks at answers, too few to be what is measured."""


class Kind(StrEnum):
    """The first segment of a page's path."""

    PAGE = "page"
    MISSING = "missing"
    GONE = "gone"
    MOVED = "moved"
    FAILING = "failing"


ANSWERS: Final = {Kind.PAGE: 200, Kind.MISSING: 404, Kind.GONE: 410, Kind.MOVED: 301, Kind.FAILING: 500}

PASSING: Final = (Kind.MISSING, Kind.MOVED, Kind.GONE)
"""Planted everywhere. A 500 is not among them: tools ask for it again after pauses of their own choice, and in a run of
seconds these pauses would be all that is measured. The workload `faults` has them."""

ALL_FAULTS: Final = (*PASSING, Kind.FAILING)


def name_of(number: int) -> str:
    """The host with this number."""
    return f"h{number}.{DOMAIN}"


def address_of(number: int) -> str:
    """Its address: one of its own, so that a client's ports are not used up by connections to one address."""
    number += 1
    return f"127.{1 + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def hosts_of(count: int) -> list[str]:
    """The names of `count` hosts; no name but the loopback's address where there is to be none."""
    return [name_of(number) for number in range(count)] or [LOOPBACK]


def listing(scheme: str, hosts: Sequence[str], count: int, planted: Sequence[Kind] = PASSING) -> Iterator[str]:
    """`count` different URLs, host by host in turn, some of them planted."""
    every = max(2, min(PLANT_EVERY, count // (2 * len(planted))))
    for number in range(count):
        turn, place = divmod(number, every)
        # A step further each time: where `every` divides the hosts, a few would have nothing but planted pages.
        kind = planted[turn % len(planted)] if place == (every // 2 + turn) % every else Kind.PAGE
        yield f"{scheme}://{hosts[number % len(hosts)]}/{kind}/{number}"


def kind_of(url: str) -> Kind:
    """What a URL of a list is. Raises ValueError for any other."""
    _, _, rest = url.partition("://")
    return Kind(rest.split("/")[1])


def right_statuses(url: str) -> frozenset[int]:
    """What may be said of a URL: its status, or for one that has moved the status of the page that it leads to, too."""
    kind = kind_of(url)
    return _MOVED if kind is Kind.MOVED else frozenset({ANSWERS[kind]})


_MOVED: Final = frozenset({ANSWERS[Kind.MOVED], ANSWERS[Kind.PAGE]})
