"""The text source: one URL a line.

Contract: the line is the URL, with its dots, commas and bars; nothing is looked for within it. White space around it is
dropped, and blank lines and lines that begin with ``#`` are no rows. A line that is no URL is a row like any other:
what is wrong with it is said by who parses it.
"""

from __future__ import annotations

from collections.abc import Iterator

from urlsweep.core.model import Fault, Outcome, Reason, Target
from urlsweep.sources.input import Input
from urlsweep.sources.lines import PERCENT, Block, Lines, LongLine

_BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"  # at the start of a line: where files with a BOM were joined


class TextParser:
    """Reads one URL a line."""

    def __init__(self, given: Input) -> None:
        self._given = given
        self._lines = Lines()

    def feed(self, data: bytes) -> Iterator[Target]:
        """The URLs of the lines that `data` completes."""
        return self._targets(self._lines.feed(data))

    def close(self) -> Iterator[Target]:
        """The last line's URL, where no line end followed it."""
        return self._targets(self._lines.close())

    def _targets(self, blocks: Iterator[Block | LongLine]) -> Iterator[Target]:
        place = self._given.at
        for block in blocks:
            if isinstance(block, LongLine):
                fault = Fault(Outcome.INVALID, Reason.URL_MALFORMED, block.detail)
                yield Target(block.beginning, place(block.number), fault=fault)
                continue
            text = block.content.decode("utf-8", PERCENT)
            if _BOM in text:
                text = "\n".join(line.lstrip(_BOM) for line in text.split("\n"))
            for number, line in enumerate(text.split("\n"), block.number):
                url = line.strip()
                if url and url[0] != "#":
                    yield Target(url, place(number))
