"""The settings as flags of a command line: argparse options made from the table, and their raw values read back.

Contract: nothing is interpreted here; a flag's text goes to `configuration.load` as it was typed, so that a flag, a
variable and a key of the file are judged by the same words.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

from urlsweep.core.policy import StatusSet
from urlsweep.settings import SETTINGS, Settings
from urlsweep.settings.setting import Raw, Setting, Shape, flag_of

_DEST: Final = "setting_"  # argparse's namespace holds the flags under these names, apart from a command's own


class _Constant(argparse.Action):
    """A flag without a value that stands for one: ``--no-follow``."""

    def __init__(
        self, option_strings: Sequence[str], dest: str, *, constants: Mapping[str, str], **others: Any
    ) -> None:
        super().__init__(option_strings, dest, nargs=0, **others)
        self._constants = constants

    def __call__(
        self,
        parser: argparse.ArgumentParser,  # noqa: ARG002  argparse's signature, and below
        namespace: argparse.Namespace,
        values: object,  # noqa: ARG002
        option_string: str | None = None,
    ) -> None:
        assert option_string is not None  # noqa: S101  only positionals have none
        setattr(namespace, self.dest, self._constants[option_string])


def add_flags(parser: argparse.ArgumentParser, words: Mapping[str, str]) -> None:
    """Add a flag for every setting to `parser`, by the table's groups. `words` fill in what the meanings leave open."""
    groups: dict[str, argparse._ArgumentGroup] = {}
    for name, setting in SETTINGS.items():
        group = groups.get(setting.group)
        if group is None:
            group = groups[setting.group] = parser.add_argument_group(setting.group)
        _add(group, name, setting, words)


def _add(group: argparse._ArgumentGroup, name: str, setting: Setting, words: Mapping[str, str]) -> None:
    dest, flag = _DEST + name, flag_of(name)
    short = [setting.short] if setting.short else []
    explained = explain(name, words).replace("%", "%%")
    constants = dict(setting.constants)
    if setting.shape is Shape.COUNT:
        group.add_argument(*short, flag, dest=dest, action="count", help=explained)
        return
    if setting.metavar:
        is_repeated = setting.shape is Shape.REPEATED
        group.add_argument(
            *short,
            flag,
            dest=dest,
            metavar=setting.metavar if len(setting.metavar) > 1 else setting.metavar[0],
            nargs=len(setting.metavar) if len(setting.metavar) > 1 else None,
            action="append" if is_repeated else "store",
            help=explained,
        )
        explained = "The same as " + " and ".join(f"{flag} {value}" for value in constants.values())
    if constants:
        if not setting.metavar:
            constants |= dict.fromkeys(short, next(iter(setting.constants.values())))
        order = sorted(constants, key=len) if short else list(constants)
        group.add_argument(*order, dest=dest, action=_Constant, constants=constants, help=explained)


def given(namespace: argparse.Namespace) -> dict[str, Raw]:
    """The settings that were given as flags, raw, by name."""
    raw: dict[str, Raw] = {}
    for name, setting in SETTINGS.items():
        value = getattr(namespace, _DEST + name, None)
        if value is None:
            continue
        if setting.shape is Shape.COUNT:
            raw[name] = str(min(value, 3))
        elif len(setting.metavar) > 1:
            raw[name] = [" ".join(parts) for parts in value]
        else:
            raw[name] = value
    return raw


def explain(name: str, words: Mapping[str, str]) -> str:
    """What the setting `name` means, its default and whether it may be repeated, for people."""
    setting = SETTINGS[name]
    text = setting.meaning.format_map(words)
    if setting.shape is Shape.REPEATED:
        text += " May be given several times."
    default = default_of(name)
    return f"{text} [{default}]" if default else text


def default_of(name: str) -> str:
    """The default of the setting `name` in words; nothing where there is none to speak of."""
    setting = SETTINGS[name]
    if setting.default_is:
        return setting.default_is
    return _spelled(getattr(_DEFAULTS, name))


_DEFAULTS: Final = Settings()


def _spelled(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(_spelled, value))
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, str | StrEnum | StatusSet) or (isinstance(value, int) and value > 0):
        return str(value)
    return ""
