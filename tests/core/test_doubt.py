"""Is it the number at once that a host minds, or how fast they come?"""

from __future__ import annotations

import pytest

from urlsweep.core.doubt import Doubt


@pytest.mark.parametrize(
    ("levels", "minds_number"),
    [
        ([], False),
        ([2, 2, 2, 2], True),
        ([2, 3, 2, 3], False),
        ([2, 2, 2, 3], True),
        ([2, 2, 4, 4], False),
    ],
)
def test_it_is_the_number_where_hardly_any_were_answered_at_it(levels: list[int], *, minds_number: bool) -> None:
    doubt = Doubt()
    assert doubt.minds_number is None
    doubt.begin(3)
    for level in levels:
        assert doubt.is_open
        doubt.served(level)
    assert doubt.end() is minds_number
    assert doubt.minds_number is minds_number
    assert not doubt.is_open


def test_what_is_answered_when_nothing_is_tried_does_not_count() -> None:
    doubt = Doubt()
    for _ in range(10):
        doubt.served(3)
    doubt.begin(3)
    doubt.served(1)
    assert doubt.end()
