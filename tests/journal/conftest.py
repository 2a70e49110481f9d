"""Targets and rows to keep."""

from __future__ import annotations

from hypothesis import strategies as st

from urlsweep.core.model import Category, Fault, Hop, Outcome, Result, Target

texts = st.text(st.characters(), max_size=20)  # lone surrogates included
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
faults = st.builds(Fault, st.sampled_from(Outcome), texts, texts, st.one_of(st.none(), st.integers(100, 999)))
targets = st.builds(
    Target, texts, texts, st.one_of(st.none(), st.dictionaries(texts, values, max_size=3)), st.one_of(st.none(), faults)
)


@st.composite
def rows(draw: st.DrawFn, target: Target) -> Result:
    status = draw(st.one_of(st.none(), st.integers(100, 999)))
    return Result(
        url=target.url,
        outcome=draw(st.sampled_from(Outcome)),
        reason=draw(st.one_of(st.none(), texts)),
        status=status,
        category=Category.of(status),
        detail=draw(st.one_of(st.none(), texts)),
        method=draw(st.sampled_from([None, "HEAD", "GET"])),
        final_url=draw(st.one_of(st.none(), texts.filter(bool), st.just(target.url or None))),
        hops=tuple(draw(st.lists(st.builds(Hop, texts, st.integers(300, 399)), max_size=3))),
        attempts=draw(st.integers(0, 9)),
        elapsed_ms=draw(st.one_of(st.none(), st.floats(0, 1e6))),
        found_in=target.found_in,
        checked_at=draw(st.one_of(st.none(), st.just("2026-01-31T12:00:00.000Z"))),
        cached_at=draw(st.one_of(st.none(), st.just("2026-01-30T12:00:00.000Z"))),
        input=target.input,
    )
