"""The list of settings for the documentation, made from the table: a test holds the page against it.

Contract: a pure function to Markdown.
"""

from __future__ import annotations

from collections.abc import Mapping

from urlsweep.settings import SETTINGS
from urlsweep.settings.flags import default_of
from urlsweep.settings.setting import Shape, flag_of


def option_list(words: Mapping[str, str]) -> str:
    """Every setting as Markdown tables, one a group. `words` fills in what the meanings leave open."""
    parts: list[str] = []
    group = ""
    for name, setting in SETTINGS.items():
        if setting.group != group:
            group = setting.group
            parts += ["", f"### {group}", "", "| flag | key in the file | meaning | default |", "|---|---|---|---|"]
        cells = (_flags(name), f"`{name}`", setting.meaning.format_map(words), default_of(name))
        parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(parts[1:]) + "\n"


def _flags(name: str) -> str:
    setting = SETTINGS[name]
    flags = [] if setting.constants and not setting.metavar else [" ".join((flag_of(name), *setting.metavar))]
    flags += setting.constants
    if setting.short:
        flags.insert(0, setting.short)
    several = {Shape.REPEATED: " (repeatable)", Shape.COUNT: " (counted)"}.get(setting.shape, "")
    return ", ".join(f"`{flag}`" for flag in flags) + several
