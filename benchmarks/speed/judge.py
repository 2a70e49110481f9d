"""Holds what a tool said against the list: every URL once, each with its right status.

Contract: pure. A tool that is not right here is never shown as fast.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from benchmarks.speed.pages import right_statuses

EXAMPLES: Final = 3


class Said(NamedTuple):
    """One answer of a tool."""

    url: str
    status: int | None  # None: it gives no status for it


@dataclass(frozen=True)
class Judgement:
    """What is wrong with a tool's answers."""

    urls: int
    missing: int  # URLs of the list without an answer
    repeated: int  # answers to a URL that had one
    strange: int  # answers to what is not on the list
    wrong: int  # answers with another status than the planted one
    examples: tuple[str, ...] = ()

    @property
    def is_right(self) -> bool:
        """Nothing is wrong."""
        return not (self.missing or self.repeated or self.strange or self.wrong)

    def __str__(self) -> str:
        if self.is_right:
            return "all right"
        parts = ("missing", "repeated", "strange", "wrong")
        return ", ".join(f"{getattr(self, part):,} {part}" for part in parts if getattr(self, part))


def judge(urls: Iterable[str], said: Iterable[Said]) -> Judgement:
    """Compare. `urls` holds no URL twice."""
    open_urls = set(urls)
    count = len(open_urls)
    answered: set[str] = set()
    repeated = strange = wrong = 0
    examples: list[str] = []
    for url, status in said:
        if url in open_urls:
            open_urls.remove(url)
            answered.add(url)
        elif url in answered:
            repeated += 1
            examples += _example(examples, f"{url} twice")
            continue
        else:
            strange += 1
            examples += _example(examples, f"{url} is not on the list")
            continue
        if status not in right_statuses(url):
            wrong += 1
            examples += _example(examples, f"{url}: {status}")
    for url in open_urls:
        examples += _example(examples, f"{url}: no answer")
        if len(examples) == EXAMPLES:
            break
    return Judgement(count, len(open_urls), repeated, strange, wrong, tuple(examples))


def _example(known: list[str], text: str) -> Iterator[str]:
    if len(known) < EXAMPLES:
        yield text
