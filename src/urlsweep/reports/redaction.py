"""Keeps secrets out of everything that is shown or written: known ones wherever they stand, passwords in URLs always.

Contract: `Redactor` gives a copy where something had to go, and the very same object where nothing had. It is applied
once a row and once to the summary, before any report sees them.
Not in here: which values are secret (settings know).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from urlsweep.core.model import Hop, Result
from urlsweep.core.nesting import NESTING_LIMIT
from urlsweep.core.summary import Summary
from urlsweep.core.urls import redact

MASK: Final = "***"

SHORTEST_SECRET: Final = 4
"""Characters: to replace every occurrence of something shorter would make rows unreadable and tell what it was."""

_SHORTEST_BASE64_CORE: Final = 8
"""Characters of Base64 that are taken for a secret's without its first and last byte known: fewer would turn up by
chance."""

_PASSWORD_IN_TEXT: Final = re.compile(r"(//[^/?#\s:@]*:)[^/?#\s]*(?=@)")
"""A userinfo's password within any text; as in WHATWG's parser the last ``@`` before the path ends it."""


class Redactor:
    """Replaces secrets by ``***``: as they are, percent-encoded in any mix (RFC 3986), and within Base64 (Basic
    auth).
    """

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({secret for secret in secrets if len(secret) >= SHORTEST_SECRET}, key=len, reverse=True)
        patterns = [pattern for secret in known for pattern in _patterns(secret)]
        self._secrets = re.compile("|".join(patterns)) if patterns else None

    def may_change(self, *texts: str) -> bool:
        """A quick look: whether any of `texts` may hold a secret at all."""
        return self._secrets is not None or any("@" in text for text in texts)

    def text(self, text: str) -> str:
        """`text` without any secret and without any URL's password."""
        if self._secrets is not None:
            text = self._secrets.sub(MASK, text)
        if "@" in text:
            text = _PASSWORD_IN_TEXT.sub(rf"\1{MASK}", text)
        return text

    def result(self, result: Result) -> Result:
        """`result` without secrets in any of its texts, `input` at any depth included."""
        if self._secrets is None and not _may_hold_password(result):
            return result
        url = self._url(result.url)
        texts = {
            "url": url,
            "final_url": result.final_url and self._url(result.final_url),
            "detail": result.detail and self.text(result.detail),
            "found_in": self.text(result.found_in),
            "hops": tuple(self._hop(hop) for hop in result.hops),
            "input": self._input(result.input, {result.url: url}),
        }
        changed = {name: value for name, value in texts.items() if value != getattr(result, name)}
        return msgspec.structs.replace(result, **changed) if changed else result

    def summary(self, summary: Summary) -> Summary:
        """A copy of `summary` for showing: its examples and warnings without secrets."""
        return msgspec.structs.replace(
            summary,
            examples={key: [self.result(row) for row in rows] for key, rows in summary.examples.items()},
            warnings=[self.text(warning) for warning in summary.warnings],
        )

    def _url(self, url: str) -> str:
        return self.text(redact(url))

    def _hop(self, hop: Hop) -> Hop:
        url = self._url(hop.url)
        return hop if url == hop.url else Hop(url, hop.status)

    def _input(self, value: Any, urls: Mapping[str, str], depth: int = 0) -> Any:
        if isinstance(value, str):
            return urls[value] if value in urls else self.text(value)
        if not isinstance(value, Mapping | list | tuple):
            return value
        if depth > NESTING_LIMIT:  # it is masked whole
            return MASK
        if isinstance(value, Mapping):
            return {self._input(key, urls): self._input(item, urls, depth + 1) for key, item in value.items()}
        return [self._input(item, urls, depth + 1) for item in value]


def _may_hold_password(result: Result) -> bool:
    """A quick look that lets most rows pass: without a redirect, `final_url` holds no more than `url` does."""
    return bool(
        "@" in result.url
        or result.hops
        or result.input is not None
        or "@" in result.found_in
        or (result.detail is not None and "@" in result.detail)
    )


def _patterns(secret: str) -> Iterator[str]:
    yield "".join(map(_character_pattern, secret))
    for encoded in _base64_forms(secret.encode("utf-8", "surrogatepass")):
        yield re.escape(encoded)
        yield re.escape(encoded.translate(_URL_SAFE))


def _character_pattern(character: str) -> str:
    """The character itself or its octets percent-encoded, hexadecimal digits in either case; a space also as ``+``."""
    octets = "".join(
        "%" + "".join(digit if digit.isdigit() else f"[{digit}{digit.lower()}]" for digit in f"{octet:02X}")
        for octet in character.encode("utf-8", "surrogatepass")
    )
    return f"(?:{re.escape(character)}|{octets}{'|[+]' if character == ' ' else ''})"


_URL_SAFE: Final = str.maketrans("+/", "-_")  # RFC 4648 section 5


def _base64_forms(secret: bytes) -> Iterator[str]:
    """The Base64 of `secret`, and what of it is sure to appear where it stands in the middle of something
    (``user:secret``).

    Three octets make four characters, so there are three ways it can lie; characters that share bits with a neighbour
    drop out.
    """
    yield base64.b64encode(secret).decode()
    for offset in range(3):
        encoded = base64.b64encode(bytes(offset) + secret).decode().rstrip("=")
        first = -(-offset * 8 // 6)  # the characters that hold bits of what precedes
        last = (offset + len(secret)) * 8 // 6
        if last - first >= _SHORTEST_BASE64_CORE:
            yield encoded[first:last]
