"""What of a run's settings is kept with it: enough to go on where it was cut, and to tell what has changed since.

Contract: pure, and no secret is in what it gives: of credentials it tells the names alone. Not in here: where it is
kept, and what is made of a difference.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping
from dataclasses import fields
from enum import StrEnum
from typing import Any, Final

from urlsweep.core.policy import Rule, StatusSet, is_secret_field
from urlsweep.core.urls import redact
from urlsweep.settings import SETTINGS, Settings
from urlsweep.settings.setting import Raw, flag_of

_WHAT_IS_READ: Final = ("sitemap", "input_format", "column")
_WHAT_IS_ASKED: Final = ("include", "exclude", "allow_private", "allow_private_redirects", "robots")
_HOW: Final = (
    *("method", "timeout", "connect_timeout", "tries", "retry_delays", "follow", "max_redirects", "user_agent"),
    *("header", "header_for", "user", "netrc", "accept", "proxy", "cacert", "cert", "key", "insecure"),
    *("resolver", "resolve", "family", "rules"),
)

_SECRETIVE: Final = ("header", "header_for", "user", "proxy")
"""Settings whose values are, or may hold, credentials."""


def what_matters(settings: Settings) -> dict[str, str]:
    """Name -> value as text, of all settings that a row may depend on."""
    return {name: _told(name, getattr(settings, name)) for name in (*_WHAT_IS_READ, *_WHAT_IS_ASKED, *_HOW)}


def fingerprint(settings: Settings) -> str:
    """What two runs share that ask a URL in the same way, and so may trust each other's verdicts."""
    told = "\n".join(f"{name}={_told(name, getattr(settings, name))}" for name in _HOW)
    return hashlib.blake2b(told.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def changed(before: Mapping[str, str], now: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Name -> what a setting that matters was, and is now; those alone that differ. What only one of the two versions
    of urlsweep knows is left out."""
    return {name: (before[name], now[name]) for name in now if name in before and before[name] != now[name]}


def keepable(flags: Mapping[str, Raw]) -> tuple[dict[str, Raw], list[str]]:
    """`flags` (raw values by setting's name) that may be written down, and what may not, in words: as the flag that
    has to be given again."""
    kept: dict[str, Raw] = {}
    withheld: list[str] = []
    for name, raw in flags.items():
        texts = [raw] if isinstance(raw, str) else list(raw)
        if name == "header":
            public = [text for text in texts if not is_secret_field(text.partition(":")[0].strip())]
            withheld += [
                f"{flag_of(name)} '{text.partition(':')[0].strip()}: ...'" for text in texts if text not in public
            ]
            if public:
                kept[name] = public
        elif name == "header_for":
            withheld += [f"{flag_of(name)} {text.partition(' ')[0]} '{_field_name(text)}: ...'" for text in texts]
        elif name == "user":
            withheld.append(f"{flag_of(name)} ...")
        elif name in SETTINGS and any(redact(text) != text for text in texts):
            withheld.append(f"{flag_of(name)} {redact(texts[0])}")
        else:
            kept[name] = raw
    return kept, withheld


def withheld_names(withheld: Collection[str]) -> set[str]:
    """The settings' names of what `keepable` withheld."""
    return {words.split(" ")[0].removeprefix("--").replace("-", "_") for words in withheld}


def _field_name(text: str) -> str:
    return text.partition(" ")[2].partition(":")[0].strip()


def _told(name: str, value: Any) -> str:
    if name == "header":
        return _told("", tuple(field if is_secret_field(field) else f"{field}: {text}" for field, text in value))
    if name == "header_for":
        return _told("", tuple(f"{origin} {field}" for origin, field, _ in value))
    if name == "user":
        return "" if value is None else "given"
    if name in _SECRETIVE and value:
        return redact(str(value))
    if isinstance(value, tuple):
        return ",".join(_told("", item) for item in value)
    if isinstance(value, re.Pattern):
        return str(value.pattern)
    if isinstance(value, Rule):
        told = {field.name: getattr(value, field.name) for field in fields(value)}
        told["headers"] = tuple(field for field, _ in value.headers)
        return " ".join(f"{key}={_told('', item)}" for key, item in told.items() if item not in (None, ()))
    if isinstance(value, StrEnum | StatusSet):
        return str(value)
    return "" if value is None else f"{value}"
