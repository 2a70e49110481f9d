"""The JSON Lines source: one object a line, its URL under ``url``, whatever else it holds under the row's ``input``.

Contract: a line that is no such object is an `invalid` row; blank lines are no rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from urlsweep.core.model import Fault, Outcome, Reason, Target
from urlsweep.core.nesting import is_too_deep
from urlsweep.core.urls import clip
from urlsweep.sources.input import Input
from urlsweep.sources.lines import PERCENT, Block, Lines, LongLine


class JsonLinesParser:
    """Reads one JSON object a line."""

    def __init__(self, given: Input) -> None:
        self._given = given
        self._lines = Lines()
        self._decode = msgspec.json.Decoder().decode

    def feed(self, data: bytes) -> Iterator[Target]:
        """The objects of the lines that `data` completes."""
        return self._targets(self._lines.feed(data))

    def close(self) -> Iterator[Target]:
        """The last line's object, where no line end followed it."""
        return self._targets(self._lines.close())

    def _targets(self, blocks: Iterator[Block | LongLine]) -> Iterator[Target]:
        for block in blocks:
            if isinstance(block, LongLine):
                yield _malformed(block.beginning, self._given.at(block.number), block.detail)
                continue
            for number, line in enumerate(block.content.split(b"\n"), block.number):
                if line and not line.isspace():
                    yield self._target(line, self._given.at(number))

    def _target(self, line: bytes, found_in: str) -> Target:
        try:
            value = self._decode(line)
        except msgspec.DecodeError as error:
            return _malformed(_shown(line), found_in, f"not JSON: {error}")
        except UnicodeDecodeError:
            return _malformed(_shown(line), found_in, "not JSON: its text is not UTF-8")
        except RecursionError:
            return _malformed(_shown(line), found_in, _TOO_DEEP)
        if isinstance(value, list):
            hint = "one object a line was expected (`jq -c '.[]'` makes that of a JSON array)"
            return _malformed(_shown(line), found_in, hint)
        if is_too_deep(value):
            return _malformed(_shown(line), found_in, _TOO_DEEP)
        if not isinstance(value, dict):
            return _malformed(_shown(line), found_in, 'not a JSON object: {"url": ...} was expected')
        url = value.get("url")
        if not isinstance(url, str):
            wrong = "is not a string" if "url" in value else "is missing"
            return _malformed(_shown(line), found_in, f'"url" {wrong}: {{"url": "https://..."}} was expected', value)
        del value["url"]
        return Target(url.strip(), found_in, value or None)


_TOO_DEEP: Final = "not readable as JSON: nested too deep"


def _malformed(url: str, found_in: str, detail: str, beside: dict[str, Any] | None = None) -> Target:
    return Target(url, found_in, beside, Fault(Outcome.INVALID, Reason.URL_MALFORMED, detail))


def _shown(line: bytes) -> str:
    return clip(line.decode("utf-8", PERCENT).strip())
