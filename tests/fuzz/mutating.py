"""Inputs by hypothesis: seeds, edited and put together, which it makes smaller again once one shows a defect."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import strategies as st


def mutated(seeds: Sequence[bytes], words: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Seeds with up to eight edits; now and then something put together of words alone."""
    piece = st.one_of(st.sampled_from(words), st.binary(max_size=4), st.sampled_from(seeds))
    place = st.integers(0, 2**16 - 1)
    edit = st.tuples(
        st.sampled_from(["insert", "replace", "delete", "repeat", "cut"]), place, st.integers(0, 40), piece
    )
    edited = st.builds(_edited, st.sampled_from(seeds), st.lists(edit, max_size=8))
    return st.one_of(edited, edited, edited, st.lists(piece, max_size=12).map(b"".join))


def _edited(data: bytes, edits: Sequence[tuple[str, int, int, bytes]]) -> bytes:
    for kind, place, length, piece in edits:
        start = place % (len(data) + 1)
        before, within, after = data[:start], data[start : start + length], data[start + length :]
        match kind:
            case "insert":
                data = before + piece + within + after
            case "replace":
                data = before + piece + after
            case "delete":
                data = before + after
            case "repeat":
                data = before + within * (1 + length) + after
            case _:
                data = before
        data = data[:MOST_BYTES]
    return data


MOST_BYTES = 16 * 1024
"""Of one input, so that edits that repeat do not add up."""
