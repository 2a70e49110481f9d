from __future__ import annotations

import pytest

from urlsweep.reports.figures import counted, duration, pace, rough_duration, share


@pytest.mark.parametrize(
    ("seconds", "text", "rough"),
    [
        (0, "0 ms", "under 1 s"),
        (0.0854, "85 ms", "under 1 s"),
        (0.9996, "1.0 s", "1 s"),
        (12.41, "12.4 s", "12 s"),
        (59.7, "59.7 s", "1 min 00 s"),
        (59.96, "1 min 00 s", "1 min 00 s"),
        (184, "3 min 04 s", "3 min 04 s"),
        (3599.6, "1 h 00 min", "1 h 00 min"),
        (7500, "2 h 05 min", "2 h 05 min"),
        (7_200_000, "2,000 h 00 min", "2,000 h 00 min"),
    ],
)
def test_durations(seconds: float, text: str, rough: str) -> None:
    assert (duration(seconds), rough_duration(seconds)) == (text, rough)


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (1234.5, "1,234 a second"),
        (398.7, "399 a second"),
        (99.96, "100 a second"),
        (19.37, "19.4 a second"),
        (20.0, "20 a second"),
        (2.5, "2.5 a second"),
        (1.0, "1 a second"),
        (0.1, "one every 10 s"),
        (0.8, "one every 1.25 s"),
        (1 / 59.996, "one every 1 min 00 s"),
        (0.0001, "one every 2 h 47 min"),
    ],
)
def test_paces(rate: float, text: str) -> None:
    assert pace(rate) == text


def test_counts_have_their_nouns_number() -> None:
    assert [counted(number, "URL") for number in (0, 1, 1234)] == ["0 URLs", "1 URL", "1,234 URLs"]


@pytest.mark.parametrize(("count", "text"), [(0, "< 0.1 %"), (1, "< 0.1 %"), (9999, "99.9 %"), (10_000, "100.0 %")])
def test_shares_never_round_to_nothing_or_all(count: int, text: str) -> None:
    assert share(count, 10_000) == text
