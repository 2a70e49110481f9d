"""Whose fault a failure is: tables of what was asked when, and what came of it."""

from __future__ import annotations

import pytest

from urlsweep.core.blame import GATES_KEPT, Blame


def blame_of(*events: tuple[str, float]) -> Blame:
    """`good` answers by when their requests were sent, gates by when they were `closed`."""
    blame = Blame()
    for kind, at in events:
        if kind == "good":
            blame.good(at, is_first=True)
        else:
            blame.closed(at)
    return blame


@pytest.mark.parametrize(
    ("events", "is_own"),
    [
        ([], False),
        ([("good", 1.0)], False),  # before it failed
        ([("good", 2.0)], False),  # in the same moment
        ([("good", 3.0)], True),
        ([("closed", 2.5), ("good", 3.0)], False),  # the host had to rest before
        ([("good", 2.2), ("closed", 2.5)], True),
        ([("good", 1.0), ("closed", 1.5), ("good", 3.0)], True),  # an older gate
        ([("closed", 2.0), ("good", 3.0)], False),  # it was this very failure that closed it
        ([("good", 3.0), ("good", 1.0)], True),  # answers come in any order
    ],
)
def test_a_page_that_failed_at_2(events: list[tuple[str, float]], is_own: bool) -> None:
    assert blame_of(*events).is_the_pages_own(2.0) is is_own


def test_a_page_that_never_failed_is_not_to_blame() -> None:
    assert not blame_of(("good", 3.0)).is_the_pages_own(None)


def test_a_gate_that_was_closed_for_nothing_does_not_count() -> None:
    blame = blame_of(("good", 1.0), ("closed", 2.0))
    blame.closed_for_nothing()
    blame.good(3.0, is_first=False)
    assert blame.is_the_pages_own(2.0)
    blame.closed_for_nothing()  # there is none: nothing happens


def test_where_many_new_pages_fail_nobody_is_to_blame_until_they_do_not_any_more() -> None:
    blame = blame_of(("good", 3.0))
    for _ in range(15):
        blame.failed_first()
    assert not blame.is_the_pages_own(2.0)
    for _ in range(50):
        blame.good(4.0, is_first=False)  # pages that failed before tell nothing of new ones
    assert not blame.is_the_pages_own(2.0)
    for _ in range(50):
        blame.good(4.0, is_first=True)
    assert blame.is_the_pages_own(2.0)


@pytest.mark.parametrize(
    ("answered", "good", "failed", "is_own"),
    [
        (0, 0, 1, False),
        (0, 9, 1, True),
        (9, 0, 1, True),
        (4, 0, 1, False),
        (2, 0, 5, False),  # at a limit of two a second
        (40, 0, 5, True),
        (10_000, 0, 8, True),  # what was long ago does not count for ever ...
        (10_000, 0, 12, False),
        (0, 10_000, 8, True),  # ... whenever the trouble began
        (0, 10_000, 12, False),
    ],
)
def test_of_few_pages_a_few_that_fail_are_many(answered: int, good: int, failed: int, is_own: bool) -> None:
    blame = Blame(answered)
    for _ in range(good):
        blame.good(1.0, is_first=True)
    for _ in range(failed):
        blame.failed_first()
    blame.good(3.0, is_first=False)
    assert blame.is_the_pages_own(2.0) is is_own


def test_what_is_further_back_than_the_gates_that_are_remembered_is_nobodys_fault() -> None:
    blame = blame_of(("good", 3.0), *(("closed", 10.0 + number) for number in range(GATES_KEPT - 1)))
    assert blame.is_the_pages_own(2.0)
    blame.closed(100.0)
    assert not blame.is_the_pages_own(2.0)
