"""Rows of every kind for the reports' tests, hostile ones first among them."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from urlsweep.core.model import Category, Hop, Outcome, Reason, Result, http_reason

STATUSES = st.integers(100, 999)
# Text as it may come from a list or a server: whatever Unicode has, lone surrogates (Cs) too, and starts of formulas.
TEXTS = st.one_of(
    st.text(st.characters(), max_size=30),
    st.text(st.characters(categories=["Cc", "Cf", "Cs", "Zl", "Zp", "Lo", "Nd"]), max_size=10),
    st.builds(str.__add__, st.sampled_from(list("=+-@\t\r\n'\",;\x1b\u202e\udc80")), st.text(max_size=10)),
)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(TEXTS, children, max_size=3),
    max_leaves=6,
)


def _rows(
    inputs: SearchStrategy[dict[str, object] | None],
) -> SearchStrategy[Result]:
    return st.builds(
        Result,
        url=st.one_of(st.just("https://example.org/a"), TEXTS),
        outcome=st.sampled_from(Outcome),
        reason=st.one_of(st.none(), st.sampled_from(Reason).map(str), STATUSES.map(http_reason)),
        status=st.one_of(st.none(), STATUSES),
        category=st.one_of(st.none(), st.sampled_from(Category)),
        detail=st.one_of(st.none(), TEXTS),
        method=st.sampled_from([None, "HEAD", "GET"]),
        final_url=st.one_of(st.none(), TEXTS),
        hops=st.lists(st.builds(Hop, url=st.just("http://example.org/x") | TEXTS, status=STATUSES), max_size=3).map(
            tuple
        ),
        attempts=st.integers(0, 5),
        elapsed_ms=st.one_of(st.none(), st.floats(0, 1e6)),
        found_in=TEXTS,
        checked_at=st.one_of(st.none(), st.just("2025-03-01T12:00:00.000Z")),
        input=inputs,
    )


@pytest.fixture(scope="session")
def any_rows() -> SearchStrategy[Result]:
    """Rows with any input or none."""
    return _rows(st.none() | st.dictionaries(TEXTS, JSON_VALUES, max_size=3))


@pytest.fixture(scope="session")
def json_values() -> SearchStrategy[object]:
    """Values that a JSON document can hold, texts with lone surrogates among them."""
    return JSON_VALUES


@pytest.fixture(scope="session")
def any_texts() -> SearchStrategy[str]:
    """Text as it may come from outside."""
    return TEXTS
