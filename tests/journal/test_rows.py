"""What goes into a run file comes out of it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.journal.conftest import rows, targets

from urlsweep.core.model import Outcome, Result, Target
from urlsweep.journal.rows import contiguous, decode_row, decode_targets, encode_row, encode_targets


@given(st.lists(targets, max_size=5))
def test_targets_come_out_as_they_went_in(given_targets: list[Target]) -> None:
    assert decode_targets(encode_targets(given_targets)) == given_targets


@given(st.data())
def test_a_row_comes_out_as_it_went_in(data: st.DataObject) -> None:
    target = data.draw(targets)
    row = data.draw(rows(target))
    assert decode_row(encode_row(row), target) == row


def test_what_no_encoding_holds_becomes_its_text() -> None:
    target = Target("http://a.test/", "", {"when": {1, 2}, 7: "seven"})  # type: ignore[dict-item] # as libraries do
    [found] = decode_targets(encode_targets([target]))
    assert found.input == {"when": [1, 2], 7: "seven"}


def test_what_nests_too_deep_is_left_out_with_a_word() -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    [found] = decode_targets(encode_targets([Target("u", "list:1", {"id": 7, "deep": deep})]))
    assert found == Target("u", "list:1", {"id": 7, "deep": "(nested too deep to be kept)"})


def test_a_row_costs_few_bytes() -> None:
    plain = Result(
        "https://example.com/some/page", Outcome.OK, status=200, method="HEAD", attempts=1, elapsed_ms=12.5,
        final_url="https://example.com/some/page", checked_at="2026-01-31T12:00:00.000Z",
    )  # fmt: skip
    assert len(encode_row(plain)) < 60
    many = [Target(f"https://example.com/pages/{number}", f"urls.txt:{number}") for number in range(1000)]
    assert len(encode_targets(many)) < 15 * len(many)


@pytest.mark.parametrize("data", [b"", b"M", b"J", b"Mxyz", b"J{}", b"\xff\xff"])
def test_other_bytes_are_told(data: bytes) -> None:
    with pytest.raises(ValueError):
        decode_row(data, Target(""))
    with pytest.raises(ValueError):
        decode_targets(data)


@pytest.mark.parametrize(
    ("numbers", "runs"),
    [([], []), ([3], [(3, 1)]), ([0, 1, 2], [(0, 3)]), ([0, 1, 5, 6, 4], [(0, 2), (5, 2), (4, 1)])],
)
def test_runs_of_numbers(numbers: list[int], runs: list[tuple[int, int]]) -> None:
    entries = [(number, Target(str(number))) for number in numbers]
    found = list(contiguous(entries))
    assert [(first, len(run)) for first, run in found] == runs
    assert [target for _, run in found for target in run] == [target for _, target in entries]


def test_an_older_row_is_still_read() -> None:
    """Fields are only ever added, with a default: a row without them is one of an earlier version."""
    full = msgspec.msgpack.decode(encode_row(Result("u", Outcome.OK, attempts=3))[1:])
    assert decode_row(b"M" + msgspec.msgpack.encode(full[:10]), Target("u")) == Result("u", Outcome.OK, attempts=3)
