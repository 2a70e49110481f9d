"""Kinds of hosts to put into a made-up world: limited by rate, by window or by load, flaky, flapping, dead.

Contract: each is a `Behaviour`, deterministic, and driven by the times it is asked at. One instance is one host.
Not in here: single answers (see `answers`).

    >>> host = TokenBucketHost(rate=2, burst=1, retry_after=True)
    >>> request = Request("http://a.test/", "GET", "a.test:80")
    >>> [host(request, now, 1).event.status for now in (0.0, 0.2, 0.5)]
    [200, 429, 200]
"""

from __future__ import annotations

import heapq
import math
import random
from dataclasses import dataclass, field, replace

import msgspec

from urlsweep.core.model import Failure, Reason, Request
from urlsweep.testing.answers import Answer, Behaviour, answer_of, failure, reply


@dataclass(slots=True)
class TokenBucketHost:
    """Lets `rate` requests a second through, `burst` at once at most; the rest gets `over` (429 unless told otherwise).

    Each instance is one host with its own bucket. `retry_after` says whether a reply to what came on top tells in how
    many whole seconds a request will be let through again.

    >>> sheds_load = TokenBucketHost(rate=20, burst=5, over=reply(503), retry_after=True)
    >>> slams_the_door = TokenBucketHost(rate=20, over=failure(Reason.CONNECT_REFUSED))
    """

    rate: float
    burst: int = 1
    retry_after: bool = False
    allowed: Behaviour = field(default_factory=lambda: reply(200))
    over: Behaviour = field(default_factory=lambda: reply(429))
    refused: int = 0  # how many requests came on top
    _tokens: float = field(init=False, repr=False)
    _filled_at: float = field(init=False, default=float("-inf"), repr=False)

    def __post_init__(self) -> None:
        if self.rate <= 0 or self.burst < 1:
            raise ValueError(f"a token bucket needs a rate above 0 and a burst of 1 or more, not {self!r}")
        self._tokens = self.burst

    def __call__(self, request: Request, now: float, nth: int) -> Answer:
        self._tokens = min(self.burst, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
        # What a float loses in adding up must not cost a token: a client that waits exactly 1/rate is within the rate.
        if self._tokens >= 1 - 1e-9:
            self._tokens = max(0.0, self._tokens - 1)
            return answer_of(self.allowed, request, now, nth)
        self.refused += 1
        refusal = answer_of(self.over, request, now, nth)
        return _with_retry_after(refusal, (1 - self._tokens) / self.rate) if self.retry_after else refusal


@dataclass(slots=True)
class FixedWindowHost:
    """Lets `limit` requests through in each window of `seconds`; the rest gets `over` (429 unless told otherwise).

    A window opens with the first request after the last one has ended, as most limits by the minute or hour count.
    `retry_after` says whether a reply to what came on top tells in how many whole seconds the window ends.

    >>> by_the_minute = FixedWindowHost(60, 60.0, retry_after=True)
    >>> answers = [by_the_minute(Request("http://a.test/", "GET", "a.test:80"), 0.5, 1).event for _ in range(61)]
    >>> answers[59].status, answers[60].status, answers[60].get("retry-after")
    (200, 429, '60')
    """

    limit: int
    seconds: float
    retry_after: bool = False
    allowed: Behaviour = field(default_factory=lambda: reply(200))
    over: Behaviour = field(default_factory=lambda: reply(429))
    refused: int = 0  # how many requests came on top
    _left: int = field(init=False, default=0, repr=False)
    _ends: float = field(init=False, default=float("-inf"), repr=False)

    def __post_init__(self) -> None:
        if self.limit < 1 or self.seconds <= 0:
            raise ValueError(f"a window needs a limit of 1 or more and a length above 0, not {self!r}")

    def __call__(self, request: Request, now: float, nth: int) -> Answer:
        # As with a bucket's tokens: a client that waits exactly as long as it was told must find the window ended.
        if now >= self._ends - 1e-9:
            self._left, self._ends = self.limit, now + self.seconds
        if self._left:
            self._left -= 1
            return answer_of(self.allowed, request, now, nth)
        self.refused += 1
        refusal = answer_of(self.over, request, now, nth)
        return _with_retry_after(refusal, self._ends - now) if self.retry_after else refusal


def _with_retry_after(answer: Answer, seconds: float) -> Answer:
    """`answer`, if it is a reply, with the whole seconds that are enough to wait (RFC 9110 section 10.2.3)."""
    if isinstance(answer.event, Failure):
        return answer
    whole = str(max(1, math.ceil(seconds - 1e-9)))  # the hosts forgive a client that much
    return replace(
        answer, event=msgspec.structs.replace(answer.event, fields=(*answer.event.fields, ("retry-after", whole)))
    )


@dataclass(slots=True)
class ConcurrencyLimitedHost:
    """Serves `limit` requests at once; what comes on top gets `over` (503 unless told otherwise).

    A served request holds its place for as long as its answer takes, whether or not the client is still there: as with
    a real server that is busy with it.
    """

    limit: int
    served: Behaviour = field(default_factory=lambda: reply(200, after=0.1))
    over: Behaviour = field(default_factory=lambda: reply(503))
    refused: int = 0  # how many requests came on top
    _ends: list[float] = field(default_factory=list, repr=False)  # when each served one is done, a heap

    def __call__(self, request: Request, now: float, nth: int) -> Answer:
        while self._ends and self._ends[0] <= now:
            heapq.heappop(self._ends)
        if len(self._ends) >= self.limit:
            self.refused += 1
            return answer_of(self.over, request, now, nth)
        answer = answer_of(self.served, request, now, nth)
        heapq.heappush(self._ends, now + answer.after)
        return answer


@dataclass(frozen=True, slots=True)
class FlakyHost:
    """Fails a request with `probability` (0 to 1). Which ones is told by seed, URL, method and count, not by order."""

    probability: float
    seed: int = 0
    works: Behaviour = field(default_factory=lambda: reply(200))
    fails: Behaviour = field(default_factory=lambda: failure(Reason.CONNECT_RESET))

    def __call__(self, request: Request, now: float, nth: int) -> Answer:
        drawn = random.Random(f"{self.seed} {request.method} {request.url} {nth}").random()
        return answer_of(self.fails if drawn < self.probability else self.works, request, now, nth)


@dataclass(frozen=True, slots=True)
class FlappingHost:
    """Is up for `up` seconds, then down for `down`, and so on; the loop's time 0 begins the first `up`.

    >>> restarts_each_minute = FlappingHost(up=58.0, down=2.0)
    >>> overloaded_at_times = FlappingHost(10.0, 5.0, while_up=reply(200, after=0.1), while_down=reply(503))
    """

    up: float
    down: float
    while_up: Behaviour = field(default_factory=lambda: reply(200))
    while_down: Behaviour = field(default_factory=lambda: failure(Reason.CONNECT_REFUSED))

    def __post_init__(self) -> None:
        if self.up <= 0 or self.down <= 0:
            raise ValueError(f"a flapping host needs a time above 0 to be up and one to be down, not {self!r}")

    def __call__(self, request: Request, now: float, nth: int) -> Answer:
        is_up = now % (self.up + self.down) < self.up
        return answer_of(self.while_up if is_up else self.while_down, request, now, nth)


@dataclass(frozen=True, slots=True)
class DeadHost:
    """Never lets anybody connect: every request ends at its own `connect_timeout`."""

    def __call__(self, request: Request, now: float, nth: int) -> Answer:  # noqa: ARG002 - the Behaviour's arguments
        return failure(Reason.CONNECT_TIMEOUT, after=request.connect_timeout)
