"""How deep a value nests, told without going deeper than the limit."""

from __future__ import annotations

from types import MappingProxyType

import pytest

from urlsweep.core.nesting import NESTING_LIMIT, is_too_deep


def nested(levels: int, *, in_mappings: bool) -> object:
    value: object = "the innermost"
    for _ in range(levels):
        value = MappingProxyType({"a": value}) if in_mappings else (value, 1)
    return value


@pytest.mark.parametrize("in_mappings", [False, True])
def test_the_limit_is_the_last_level_that_is_let_through(in_mappings: bool) -> None:
    assert not is_too_deep(nested(NESTING_LIMIT + 1, in_mappings=in_mappings))
    assert is_too_deep(nested(NESTING_LIMIT + 2, in_mappings=in_mappings))
    assert is_too_deep(nested(100_000, in_mappings=in_mappings))


@pytest.mark.parametrize("value", ["text", 1, None, {}, [], {"a": [1, {"b": 2}]}])
def test_what_people_write_is_not(value: object) -> None:
    assert not is_too_deep(value)
