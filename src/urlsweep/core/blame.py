"""Whose fault a page that fails is: its own, or its host's.

Contract: pure; one for a host or a group that had trouble, told of its good answers, first failures and gates.
Not in here: what follows from it (`pace` for the host, `check` for the URL).

A 503 without a word and a reset may be a limit as well as a bad page. The page is to blame if, after a request for it
that failed, the host answered well what was asked next, before any push-back. That is chance where many pages fail:
then nobody is blamed.
"""

from __future__ import annotations

import math
from typing import Final

MOST_FAIL_SHARE: Final = 0.15
FAIL_MEMORY: Final = 63 / 64
"""Where more than that of the pages asked for the first time fail, of about the last hundred, one that fails again
tells nothing."""

GATES_KEPT: Final = 64
"""Of those closed last, what was answered well before each. An older failure is nobody's own fault for certain."""


class Blame:
    """What is known of one host's good answers and failures, in the order in which they were asked for."""

    __slots__ = ("_asked_share", "_fail_share", "_gates", "_good_sent_at")

    def __init__(self, answered: int = 0) -> None:
        """`answered`: requests to the host that were answered before it had any trouble."""
        self._fail_share = 0.0  # of pages asked for the first time, ...
        self._asked_share = 1 - FAIL_MEMORY**answered  # ... as far as there were any: 1 where the memory is full
        self._good_sent_at = -math.inf  # when the last request that was answered well was sent
        self._gates: list[tuple[float, float]] = []  # when each was closed, and `_good_sent_at` then

    def good(self, sent_at: float, *, is_first: bool) -> None:
        """A request of that time was answered well; `is_first`: its page has never failed."""
        if sent_at > self._good_sent_at:
            self._good_sent_at = sent_at
        if is_first:
            self._fail_share *= FAIL_MEMORY
            self._asked_share += (1 - self._asked_share) * (1 - FAIL_MEMORY)

    def failed_first(self) -> None:
        """A page failed when it was asked for the first time."""
        self._fail_share += (1 - self._fail_share) * (1 - FAIL_MEMORY)
        self._asked_share += (1 - self._asked_share) * (1 - FAIL_MEMORY)

    def closed(self, now: float) -> None:
        """The gate was closed."""
        self._gates.append((now, self._good_sent_at))
        if len(self._gates) > GATES_KEPT:
            del self._gates[0]

    def closed_for_nothing(self) -> None:
        """The gate that was closed last: what came of it was that the host is well, and its pages are not."""
        if self._gates:
            self._gates.pop()

    def is_the_pages_own(self, failed_at: float | None) -> bool:
        """Whether, after a request of this time that failed, another was answered well before any push-back."""
        if failed_at is None or self._fail_share >= MOST_FAIL_SHARE * self._asked_share:
            return False
        gates = self._gates
        if len(gates) == GATES_KEPT and failed_at <= gates[0][0]:
            return False
        for closed_at, good_sent_at in gates:
            if closed_at >= failed_at:
                return good_sent_at > failed_at
        return self._good_sent_at > failed_at
