"""The few colours there are, and what each outcome looks like.

Contract: colour repeats what a word beside it says; it never carries a meaning alone.
Not in here: whether there is to be colour (NO_COLOR, `--color`, a terminal), which the CLI decides.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from urlsweep.core.model import Outcome


class Style(StrEnum):
    """A look, as its ANSI parameters (ECMA-48 SGR); the eight colours every terminal and theme has."""

    BOLD = "1"
    DIM = "2"
    RED = "31"
    GREEN = "32"
    YELLOW = "33"
    BOLD_RED = "1;31"
    BOLD_GREEN = "1;32"
    BOLD_YELLOW = "1;33"


OUTCOME_STYLES: Final = {
    Outcome.OK: Style.GREEN,
    Outcome.BROKEN: Style.RED,
    Outcome.DOWN: Style.RED,
    Outcome.UNVERIFIED: Style.YELLOW,
    Outcome.INVALID: Style.RED,
    Outcome.SKIPPED: Style.DIM,
}


def paint(text: str, style: Style, *, color: bool) -> str:
    """`text` in `style`, or as it is without `color`."""
    return f"\x1b[{style}m{text}\x1b[0m" if color and text else text
