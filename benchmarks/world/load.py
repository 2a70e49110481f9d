"""What one host had to carry: requests at once and in any second, and how many it refused.

Contract: pure; the caller gives the time, in seconds on any clock that does not go back.
"""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

WINDOW_SECONDS: Final = 1.0


class Carried(NamedTuple):
    """The figures, to be written down."""

    requests: int  # all of them, refused ones included
    refused: int
    most_at_once: int
    most_a_second: int  # in the busiest second, wherever it begins
    seconds: float  # from the first request to the last

    @property
    def let_through(self) -> int:
        """Requests that were not refused."""
        return self.requests - self.refused


class Load:
    """The load of one host, request by request."""

    __slots__ = ("_recent", "at_once", "climb", "first", "last", "most_a_second", "refused", "requests")

    def __init__(self) -> None:
        self.requests = 0
        self.refused = 0
        self.at_once = 0
        self.climb: list[float] = []  # when 1, 2, 3, ... at once was first reached
        self.most_a_second = 0
        self.first: float | None = None
        self.last = 0.0
        self._recent: deque[float] = deque()

    @property
    def most_at_once(self) -> int:
        """The most requests that were being answered at any one moment."""
        return len(self.climb)

    def begin(self, now: float) -> None:
        """A request has come in."""
        self.requests += 1
        self.last = now
        if self.first is None:
            self.first = now
        self.at_once += 1
        if self.at_once > len(self.climb):
            self.climb.append(now)
        recent = self._recent
        recent.append(now)
        while recent[0] <= now - WINDOW_SECONDS:
            recent.popleft()
        self.most_a_second = max(self.most_a_second, len(recent))

    def end(self) -> None:
        """A request has been answered, or its client has left."""
        self.at_once -= 1

    def carried(self) -> Carried:
        """The figures so far."""
        seconds = 0.0 if self.first is None else self.last - self.first
        return Carried(self.requests, self.refused, self.most_at_once, self.most_a_second, seconds)
