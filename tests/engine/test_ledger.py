"""Verdicts kept for duplicates: exact whatever the list's length, in flat memory, harmless when the disk fails."""

from __future__ import annotations

import sqlite3
import tracemalloc

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from urlsweep.core.check import Verdict
from urlsweep.core.model import Hop, Outcome
from urlsweep.ledger import BATCH, Ledger, digest_of


def verdict(number: int) -> Verdict:
    return Verdict(
        outcome=Outcome.BROKEN,
        reason="http.404",
        status=404,
        detail="answered 404 Not Found",
        method="GET",
        final_url=f"http://a.test/{number}",
        hops=(Hop("http://a.test/", 301),),
        attempts=2,
        elapsed=0.25,
        checked_at=1e9 + number,
    )


def test_what_was_put_is_got() -> None:
    ledger = Ledger()
    assert ledger.get(digest_of("http://a.test/")) is None
    ledger.put(digest_of("http://a.test/"), verdict(1))
    assert ledger.get(digest_of("http://a.test/")) == verdict(1)
    assert ledger.get(digest_of("http://a.test/x")) is None
    ledger.put(digest_of("http://a.test/"), verdict(2))
    assert ledger.get(digest_of("http://a.test/")) == verdict(2)
    ledger.close()


def test_old_verdicts_come_back_from_the_disk() -> None:
    ledger, count = Ledger(in_memory=10), 4 * BATCH
    for number in range(count):
        ledger.put(digest_of(f"http://a.test/{number}"), verdict(number))
    assert len(ledger._recent) < 10 + BATCH
    assert all(ledger.get(digest_of(f"http://a.test/{number}")) == verdict(number) for number in range(count))
    assert ledger.get(digest_of("http://a.test/none")) is None
    assert ledger.is_whole
    ledger.close()


def test_giant_verdicts_go_to_the_disk_before_they_fill_the_memory() -> None:
    ledger = Ledger(bytes_in_memory=1_000_000)
    giant = msgspec.structs.replace(verdict(1), final_url="http://a.test/" + "x" * 100_000)
    for number in range(50):
        ledger.put(digest_of(f"http://a.test/{number}"), giant)
        assert ledger._size == sum(map(len, ledger._recent.values())) <= 1_000_000
    ledger.put(digest_of("http://a.test/49"), giant)
    assert ledger._size == sum(map(len, ledger._recent.values()))
    assert all(ledger.get(digest_of(f"http://a.test/{number}")) == giant for number in range(50))
    ledger.close()


@pytest.mark.parametrize("key", ["http://a.test/\ud800", "", " u:p@http://a.test/", "x" * 100_000])
def test_any_text_is_a_key(key: str) -> None:
    ledger = Ledger()
    ledger.put(digest_of(key), verdict(1))
    assert ledger.get(digest_of(key)) == verdict(1)
    ledger.close()


def test_closing_forgets_everything_and_may_be_done_twice() -> None:
    ledger = Ledger(in_memory=1)
    for number in range(BATCH + 5):
        ledger.put(digest_of(str(number)), verdict(number))
    ledger.close()
    ledger.close()
    assert ledger.get(digest_of("0")) is None


def test_a_disk_that_is_full_costs_old_verdicts_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> sqlite3.Connection:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("urlsweep.ledger._open", full)
    ledger = Ledger(in_memory=10)
    for number in range(3 * BATCH):
        ledger.put(digest_of(str(number)), verdict(number))
    assert not ledger.is_whole
    assert ledger.get(digest_of("0")) is None
    assert ledger.get(digest_of(str(3 * BATCH - 1))) == verdict(3 * BATCH - 1)
    ledger.close()


def test_a_disk_that_fails_while_reading_is_survived() -> None:
    ledger = Ledger(in_memory=1)
    for number in range(2 * BATCH):
        ledger.put(digest_of(str(number)), verdict(number))
    assert ledger._database is not None
    ledger._database.execute("DROP TABLE places")
    assert ledger.get(digest_of("0")) is None
    assert not ledger.is_whole
    ledger.put(digest_of("again"), verdict(1))
    assert ledger.get(digest_of("again")) == verdict(1)
    ledger.close()


def test_no_secret_of_a_key_is_kept() -> None:
    ledger = Ledger()
    ledger.put(digest_of(" user:s3cret@http://a.test/"), verdict(1))
    assert b"s3cret" not in repr(ledger._recent).encode()
    ledger.close()


def test_memory_per_verdict_is_what_the_module_says() -> None:
    ledger, count = Ledger(), 5000
    made = [(f"http://a.test/some/page-{number}.html", verdict(number)) for number in range(count)]
    tracemalloc.start()
    try:
        for key, each in made:
            ledger.put(digest_of(key), each)
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used / count < 600
    ledger.close()


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 1000)), max_size=200))
def test_like_a_dictionary(puts: list[tuple[int, int]]) -> None:
    ledger, plain = Ledger(in_memory=1), {}
    for key, number in puts:
        ledger.put(digest_of(str(key)), verdict(number))
        plain[key] = verdict(number)
        if len(ledger._recent) > 5:
            ledger._move_oldest()
    for key in range(31):
        assert ledger.get(digest_of(str(key))) == plain.get(key)
    ledger.close()
