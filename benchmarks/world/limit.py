"""What a host lets through: a token bucket, as rate limiters keep it, and a bound on requests at once.

Contract: pure; the caller gives the time, in seconds on any clock that does not go back.
"""

from __future__ import annotations

from typing import Protocol


class Limit(Protocol):
    """Decides on every request as it comes in."""

    def take(self, now: float, at_once: int) -> bool:
        """Whether a request is let through. `at_once`: requests being answered by the host, this one included."""


class TokenBucket:
    """`rate` requests a second in the long run, `burst` of them with no time between; whoever asks more is refused.

    A refused request costs no token, as in nginx's limit_req and Cloudflare's and GitHub's primary limits.
    """

    __slots__ = ("_at", "_tokens", "burst", "rate")

    def __init__(self, rate: float, burst: float) -> None:
        """The bucket is full at first. `rate` is in requests a second, `burst` at least 1."""
        if rate <= 0 or burst < 1:
            raise ValueError(f"a bucket of {burst} filled at {rate}/s lets nothing through")
        self.rate = rate
        self.burst = burst
        self._tokens = float(burst)
        self._at: float | None = None

    def take(self, now: float, at_once: int = 0) -> bool:
        """Whether a request is let through, whatever else is being answered."""
        del at_once
        if self._at is not None:
            self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class AtOnce:
    """At most `most` requests being answered, as nginx's limit_conn: one more is refused."""

    __slots__ = ("most",)

    def __init__(self, most: int) -> None:
        self.most = most

    def take(self, now: float, at_once: int) -> bool:
        """Whether a request is let through, however soon after another."""
        del now
        return at_once <= self.most
