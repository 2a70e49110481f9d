"""Keys that came before."""

from __future__ import annotations

import sqlite3

import pytest

from urlsweep.cli.distinct import Distinct


def test_a_key_is_new_once() -> None:
    with Distinct() as distinct:
        assert [distinct.adds(key) for key in ("a", "b", "a", "", "", "\udc80", "\udc80")] == [
            True, True, False, True, False, True, False,
        ]  # fmt: skip
        assert distinct.is_whole


def test_a_disk_that_fails_makes_duplicates_new_and_is_remembered() -> None:
    distinct = Distinct()
    assert distinct.adds("a")
    distinct.close()
    distinct.close()
    assert distinct.adds("a")
    assert not distinct.is_whole


def test_nothing_is_left_open() -> None:
    with Distinct() as distinct:
        database = distinct._database
    with pytest.raises(sqlite3.ProgrammingError):
        database.execute("SELECT 1")
