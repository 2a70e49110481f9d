"""How deep what stands beside a URL may nest.

Contract: pure, and the same on every Python: how deep an interpreter itself can go depends on its version and on the
stack it happens to have, and what one part of a program could write another could not read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

NESTING_LIMIT: Final = 100
"""Levels: people write a handful. Python code can go 1,000 deep; Python 3.14 lets C code go on to the stack's end."""


def is_too_deep(value: object, depth: int = 0) -> bool:
    """Whether `value`, a JSON value, nests deeper than `NESTING_LIMIT`."""
    if not isinstance(value, Mapping | list | tuple):
        return False
    if depth > NESTING_LIMIT:
        return True
    items = value.values() if isinstance(value, Mapping) else value
    return any(is_too_deep(item, depth + 1) for item in items)
