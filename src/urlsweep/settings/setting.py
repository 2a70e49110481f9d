"""One setting as the table's line tells it: everything that flags, environment, file and documentation need to know.

Contract: data. A raw value is text, as it was typed; `Setting.read` turns it into the setting's value or raises
ValueError with a message that names the value and what is allowed, never where it was given (see `configuration`).
Not in here: any particular setting (see the package), where raw values come from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from types import MappingProxyType
from typing import Any, Final

import msgspec

Raw = str | Sequence[str]
"""A value as it was typed: one text, or one each time for what may be given more than once."""


class SettingsError(ValueError):
    """A setting that cannot be used. The message says where it was given, its name, its value and what is allowed."""


class Shape(Enum):
    """How often a setting may be given and what one raw value holds."""

    SINGLE = auto()
    COMMA_LIST = auto()  # one text, "a,b"; an array in a file
    REPEATED = auto()  # a flag given several times; an array in a file; lines in an environment variable
    COUNT = auto()  # a flag that is counted: -vv


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the table."""

    meaning: str  # the help text, in one sentence or two
    group: str
    parse: Callable[[str], Any]
    shape: Shape = Shape.SINGLE
    metavar: tuple[str, ...] = ()  # one name for each of the flag's values; none: the flag stands alone
    short: str | None = None  # "-o"
    constants: Mapping[str, str] = MappingProxyType({})  # flag -> the value it stands for
    default_is: str = ""  # the default in words where its value does not say it
    from_table: Callable[[Mapping[str, Any]], Sequence[str]] | None = None  # a TOML table -> the texts it stands for
    alone: str = ""  # the value that the flag has where none stands behind it; nothing: one has to

    def read(self, raw: Raw) -> Any:
        """The value that `raw` spells. Raises ValueError."""
        if self.shape is Shape.REPEATED:
            return tuple(self.parse(text) for text in ([raw] if isinstance(raw, str) else raw))
        if not isinstance(raw, str):
            raise ValueError("is given more than once")
        return self.parse(raw)


_KEY: Final = "setting"


def line(
    meaning: str,
    *,
    group: str,
    parse: Callable[[str], Any] = str,
    shape: Shape = Shape.SINGLE,
    metavar: str | tuple[str, ...] = (),
    short: str | None = None,
    constants: Mapping[str, str] | None = None,
    default_is: str = "",
    from_table: Callable[[Mapping[str, Any]], Sequence[str]] | None = None,
    alone: str = "",
) -> dict[str, Setting]:
    """The metadata that makes a dataclass's field a setting: see `Setting` for what each says."""
    return {
        _KEY: Setting(
            meaning=meaning,
            group=group,
            parse=parse,
            shape=shape,
            metavar=(metavar,) if isinstance(metavar, str) else metavar,
            short=short,
            constants=MappingProxyType(constants or {}),
            default_is=default_is,
            from_table=from_table,
            alone=alone,
        )
    }


def table_of(fields: Sequence[Any]) -> Mapping[str, Setting]:
    """Name -> setting, for those of a dataclass's `fields` that are settings, in their order."""
    return MappingProxyType({item.name: item.metadata[_KEY] for item in fields if _KEY in item.metadata})


def flag_of(name: str) -> str:
    """The flag of the setting `name`: ``--max-redirects``."""
    return "--" + name.replace("_", "-")


def variable_of(name: str) -> str:
    """The environment variable of the setting `name`: ``URLSWEEP_MAX_REDIRECTS``."""
    return "URLSWEEP_" + name.upper()
