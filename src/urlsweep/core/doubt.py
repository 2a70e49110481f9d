"""Whether a host minds how many requests are out at once or how fast they come, where it looks like the former.

Contract: pure; made at a host's first trouble, told of its good answers.
Not in here: what follows for the bound or the rate (`pace`).

Where 50 a second are let through and each takes 50 ms, a third request at once is always one too many: with three of
them, evenly spaced, they come at 60 a second. So after a few push-backs at the same number at once the rate is tried:
as many may be out, and they come a little slower. Where it is the number that the host minds, hardly any of those are
answered well.
"""

from __future__ import annotations

from typing import Final

FEW: Final = 0.35
"""Of all good answers, those to as many at once as are doubted: with fewer, it is the number that the host minds. (Some
are answered well, as one place has become free before its answer is here.)"""


class Doubt:
    """One host's."""

    __slots__ = ("_level", "_served", "_served_at_level", "minds_number")

    def __init__(self) -> None:
        self._level = 0  # requests at once that are being tried; 0: none are
        self._served = 0  # since then
        self._served_at_level = 0
        self.minds_number: bool | None = None  # None: nobody knows

    @property
    def is_open(self) -> bool:
        """Whether it is being tried."""
        return self._level > 0

    def begin(self, level: int) -> None:
        """Push-back on `level` at once was taken for the number's, again and again."""
        self._level = level
        self._served = self._served_at_level = 0

    def served(self, level: int) -> None:
        """With `level` at once, a request was answered well."""
        if self._level:
            self._served += 1
            self._served_at_level += level >= self._level

    def end(self) -> bool:
        """It was pushed back again. Gives whether it minds the number."""
        self._level = 0
        self.minds_number = self._served_at_level < FEW * self._served
        return self.minds_number
