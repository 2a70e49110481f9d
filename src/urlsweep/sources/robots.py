"""The `Sitemap:` lines of a robots.txt (sitemaps.org, "Specifying the Sitemap location in your robots.txt file").

Contract: nothing but those lines is read; they belong to no group of rules (RFC 9309 section 2.2.4), so a scan of lines
is the whole grammar and needs no robots.txt library. Whether a URL may be asked is not decided here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from urlsweep.sources.child import Child
from urlsweep.sources.input import Input
from urlsweep.sources.lines import PERCENT, Block, Lines, LongLine

ROBOTS_LIMIT: Final = 1024 * 1024
"""Bytes: who fetches one need read no more of it. RFC 9309 section 2.5 asks for 500 KiB at least."""

_SITEMAP: Final = re.compile(r"\s*sitemap\s*:\s*(\S+)", re.IGNORECASE)  # a comment after it has white space before


class RobotsParser:
    """Reads the sitemaps that a robots.txt names."""

    def __init__(self, given: Input) -> None:
        self._given = given
        self._lines = Lines()

    def feed(self, data: bytes) -> Iterator[Child]:
        """The sitemaps of the lines that `data` completes."""
        return self._children(self._lines.feed(data))

    def close(self) -> Iterator[Child]:
        """The last line's sitemap."""
        return self._children(self._lines.close())

    def _children(self, blocks: Iterator[Block | LongLine]) -> Iterator[Child]:
        for block in blocks:
            if isinstance(block, LongLine):
                continue
            for number, line in enumerate(block.content.decode("utf-8", PERCENT).split("\n"), block.number):
                match = _SITEMAP.match(line)
                if match is not None and not match[1].startswith("#"):
                    yield Child(match[1], self._given.at(number))
