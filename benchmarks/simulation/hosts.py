"""Hosts that bound their visitors or fail them, each after a behaviour met on the web.

Contract: as `world.Host`. Bounds are kept to the letter, with no mercy at their edges.
"""

# ruff: noqa: ARG002  (of what is asked, each kind of host looks at what matters to it)

from __future__ import annotations

import heapq
import math
import random as random_module
from collections import deque
from collections.abc import Iterable, Mapping
from enum import Enum, auto
from typing import Final

from benchmarks.simulation.world import (
    CONNECT_TIMEOUT,
    EPOCH,
    OK,
    RATE_LIMITED,
    TIMEOUT,
    Answer,
    Host,
    Latency,
    Truth,
)
from urlsweep.core.model import Reason, Reply, http_reason
from urlsweep.core.policy import Policy

Fields = tuple[tuple[str, str], ...]

_ROUNDING: Final = 1e-6
"""Of sums of times: a request at the very moment at which a bound lets it through is let through."""


def _retry_after(seconds: float) -> Fields:
    return (("retry-after", str(max(1, math.ceil(seconds)))),)  # whole seconds (RFC 9110 section 10.2.3)


class TokenBucket(Host):
    """So many requests a second, and some at once: nginx's limit_req, gateways, CDNs."""

    __slots__ = ("_burst", "_filled_at", "_says_when", "_status", "_tokens", "rate")

    def __init__(
        self, key: str, latency: Latency, rate: float, burst: float, *, status: int | None = 429, says_when: bool = True
    ) -> None:
        """`status`: what is answered to the rest; None: a reset. `says_when`: push-backs have a Retry-After."""
        super().__init__(key, latency)
        self.rate = rate
        self._burst = max(1.0, burst)
        self._tokens = self._burst
        self._filled_at = 0.0
        self._status = status
        self._says_when = says_when

    def ask(self, now: float, page: int) -> Answer:
        self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self.rate)
        self._filled_at = now
        if self._tokens >= 1 - _ROUNDING:
            self._tokens -= 1
            return self.served()
        if self._status is None:
            self.pushed += 1
            return self.failed(Reason.RESPONSE_RESET)
        return self.turned_away(self._status, _retry_after((1 - self._tokens) / self.rate) if self._says_when else ())

    def ideal(self, urls: int) -> float:
        return max(super().ideal(urls), urls / self.rate)


class Jittery(TokenBucket):
    """A token bucket behind a network, and a machine, by which requests come later than they were sent: by `jitter`
    seconds on average, exponentially spread, and in their order."""

    __slots__ = ("_came", "_jitter", "_random")

    def __init__(self, key: str, latency: Latency, rate: float, burst: float, jitter: float) -> None:
        super().__init__(key, latency, rate, burst, says_when=False)
        self._jitter = jitter
        self._random = random_module.Random(rate)
        self._came = 0.0

    def ask(self, now: float, page: int) -> Answer:
        self._came = max(self._came, now + self._random.expovariate(1 / self._jitter))
        return super().ask(self._came, page)


class LimitedWithBadPages(TokenBucket):
    """A token bucket, some of whose URLs always fail, whenever they are let through."""

    __slots__ = ("_bad",)

    def __init__(self, key: str, latency: Latency, rate: float, burst: float, bad: Mapping[int, int | None]) -> None:
        """`bad`: by page, what is answered for it; None: a reset."""
        super().__init__(key, latency, rate, burst)
        self._bad = bad

    def ask(self, now: float, page: int) -> Answer:
        answer = super().ask(now, page)
        if page not in self._bad or not _is_served(answer):
            return answer
        status = self._bad[page]
        return self.failed(Reason.RESPONSE_RESET) if status is None else self.answered(status)

    def truth(self, page: int) -> frozenset[Truth]:
        if page not in self._bad:
            return super().truth(page)
        status = self._bad[page]
        return frozenset({Truth("down", Reason.RESPONSE_RESET if status is None else http_reason(status))})


def _is_served(answer: Answer) -> bool:
    return isinstance(answer[1], Reply) and answer[1].status < 400


class FixedWindow(Host):
    """So many requests in each window of time, whenever they come in it."""

    __slots__ = ("_allowed", "_seconds", "_status", "_used", "_window")

    def __init__(self, key: str, latency: Latency, allowed: int, seconds: float = 60.0, *, status: int = 429) -> None:
        super().__init__(key, latency)
        self._allowed = allowed
        self._seconds = seconds
        self._status = status
        self._window = 0
        self._used = 0

    def ask(self, now: float, page: int) -> Answer:
        window = int(now / self._seconds)
        if window != self._window:
            self._window, self._used = window, 0
        if self._used >= self._allowed:
            return self.turned_away(self._status, self._fields(now))
        self._used += 1
        return self.served(self._fields_when_served(now))

    def ideal(self, urls: int) -> float:
        return max(super().ideal(urls), (math.ceil(urls / self._allowed) - 1) * self._seconds)

    @property
    def _window_end(self) -> float:
        return (self._window + 1) * self._seconds

    def _fields(self, now: float) -> Fields:
        return ()

    def _fields_when_served(self, now: float) -> Fields:
        return ()


class ToldWindow(FixedWindow):
    """A fixed window whose push-backs say when the next one begins (Retry-After)."""

    __slots__ = ()

    def _fields(self, now: float) -> Fields:
        return _retry_after(self._window_end - now)


class Quota(FixedWindow):
    """A fixed window told by every answer, as GitHub's API does: X-RateLimit-Limit, -Remaining and -Reset."""

    __slots__ = ()

    def truth(self, page: int) -> frozenset[Truth]:
        # Where the next window is further away than anybody's patience, nothing can be told of the rest.
        return _NEVER_BROKEN if self._seconds > 300 else super().truth(page)

    def ideal(self, urls: int) -> float:
        return 0.0 if self._seconds > 300 else super().ideal(urls)

    def _fields(self, now: float) -> Fields:
        return (
            ("x-ratelimit-limit", str(self._allowed)),
            ("x-ratelimit-remaining", str(max(0, self._allowed - self._used))),
            ("x-ratelimit-reset", str(math.ceil(EPOCH + self._window_end))),
        )

    _fields_when_served = _fields


class Pessimist(Host):
    """Says with every answer that nothing is left for so many seconds, and answers whatever comes."""

    __slots__ = ("_seconds",)

    def __init__(self, key: str, latency: Latency, seconds: int) -> None:
        super().__init__(key, latency)
        self._seconds = seconds

    def ask(self, now: float, page: int) -> Answer:
        return self.served((("ratelimit-remaining", "0"), ("ratelimit-reset", str(self._seconds))))


_NEVER_BROKEN: Final = frozenset({OK, RATE_LIMITED})


class Over(Enum):
    """What a host with all its places taken does."""

    UNAVAILABLE = auto()  # a plain 503
    TOO_MANY = auto()  # 429
    REFUSED = auto()  # the connection is refused


class AtOnce(Host):
    """So many requests at once: a pool of workers with no queue before it."""

    __slots__ = ("_ends", "_over", "places")

    def __init__(self, key: str, latency: Latency, places: int, over: Over = Over.UNAVAILABLE) -> None:
        super().__init__(key, latency)
        self.places = places
        self._over = over
        self._ends: list[float] = []  # when those being served will have been

    def ask(self, now: float, page: int) -> Answer:
        while self._ends and self._ends[0] <= now + _ROUNDING:
            heapq.heappop(self._ends)
        if len(self._ends) < self.places:
            answer = self.served()
            heapq.heappush(self._ends, now + answer[0])
            return answer
        if self._over is Over.REFUSED:
            self.pushed += 1
            return self.failed(Reason.CONNECT_REFUSED)
        return self.turned_away(503 if self._over is Over.UNAVAILABLE else 429)

    def ideal(self, urls: int) -> float:
        return max(super().ideal(urls), urls * self.latency.mean / self.places)


class Dead(Host):
    """A host that nobody ever reaches: packets dropped, connections refused, a name that cannot be looked up."""

    __slots__ = ("_reason", "_seconds")

    def __init__(self, key: str, reason: Reason = Reason.CONNECT_TIMEOUT, seconds: float = CONNECT_TIMEOUT) -> None:
        super().__init__(key, Latency(seconds))
        self._reason = reason
        self._seconds = seconds

    def ask(self, now: float, page: int) -> Answer:
        return self.failed(self._reason, self._seconds)

    def truth(self, page: int) -> frozenset[Truth]:
        return frozenset({Truth("down", self._reason)})

    def ideal(self, urls: int) -> float:
        # One URL's tries, whatever the others: nobody who knew it dead would tell them apart.
        policy = Policy()
        return policy.tries * self._seconds + sum(policy.retry_delay(used) for used in range(1, policy.tries))


class Late(Host):
    """A host that takes its time to accept a connection, each time, and then answers at once."""

    __slots__ = ()

    def __init__(self, key: str, seconds: float) -> None:
        super().__init__(key, Latency(0.05))
        self.connect_seconds = seconds

    def ideal(self, urls: int) -> float:
        return self.connect_seconds + super().ideal(urls)


class Flapping(Host):
    """Up for a while, down for a while, over and over: a service that is restarted by its supervisor."""

    __slots__ = ("_down", "_is_bad_luck_allowed", "_reason", "_up")

    def __init__(
        self,
        key: str,
        latency: Latency,
        up: float,
        down: float,
        reason: Reason = Reason.CONNECT_REFUSED,
        *,
        is_bad_luck_allowed: bool = False,
    ) -> None:
        """`is_bad_luck_allowed`: a URL all of whose tries, however far apart, met it down is truly told so."""
        super().__init__(key, latency)
        self._up = up
        self._down = down
        self._reason = reason
        self._is_bad_luck_allowed = is_bad_luck_allowed

    def ask(self, now: float, page: int) -> Answer:
        if now % (self._up + self._down) < self._up:
            return self.served()
        return self.failed(self._reason, CONNECT_TIMEOUT if self._reason is Reason.CONNECT_TIMEOUT else None)

    def truth(self, page: int) -> frozenset[Truth]:
        return frozenset({OK, Truth("down", self._reason)}) if self._is_bad_luck_allowed else super().truth(page)

    def ideal(self, urls: int) -> float:
        work = super().ideal(urls)
        return work + self._down * (math.ceil(work / self._up) - 1)


class Interrupted(Host):
    """Well, then down for a time, then well again: a restart, or an outage."""

    __slots__ = ("_end", "_is_short", "_start", "_status")

    def __init__(
        self, key: str, latency: Latency, start: float, end: float, *, status: int | None = None, is_short: bool = True
    ) -> None:
        """`status`: what it answers meanwhile; None: it refuses connections. `is_short`: it has to be waited for."""
        super().__init__(key, latency)
        self._start = start
        self._end = end
        self._status = status
        self._is_short = is_short

    def ask(self, now: float, page: int) -> Answer:
        if not self._start <= now < self._end:
            return self.served()
        if self._status is None:
            return self.failed(Reason.CONNECT_REFUSED)
        return self.answered(self._status)

    def truth(self, page: int) -> frozenset[Truth]:
        if self._is_short:
            return super().truth(page)
        reason = Reason.CONNECT_REFUSED if self._status is None else http_reason(self._status)
        return frozenset({OK, Truth("down", reason)})

    def ideal(self, urls: int) -> float:
        work = super().ideal(urls)
        return work if work <= self._start or not self._is_short else work + self._end - self._start


class Flaky(Host):
    """Each request fails with some probability, for no reason of the visitor's."""

    __slots__ = ("_probability", "_random", "_status")

    def __init__(
        self, key: str, latency: Latency, probability: float, *, status: int | None = 503, seed: int = 0
    ) -> None:
        """`status`: what a failing request gets; None: a connection reset."""
        super().__init__(key, latency)
        self._probability = probability
        self._status = status
        self._random = random_module.Random(seed)

    def ask(self, now: float, page: int) -> Answer:
        if self._random.random() >= self._probability:
            return self.served()
        if self._status is None:
            return self.failed(Reason.RESPONSE_RESET)
        return self.answered(self._status)


class BadPages(Host):
    """Some URLs of a good host always fail: with a status, or by never being answered."""

    __slots__ = ("_fields", "_pages", "_status")

    def __init__(
        self, key: str, latency: Latency, pages: Iterable[int], status: int | None, *, retry_after: int | None = None
    ) -> None:
        """`status` None: such a page hangs. `retry_after`: seconds that it asks to wait."""
        super().__init__(key, latency)
        self._pages = frozenset(pages)
        self._status = status
        self._fields = () if retry_after is None else _retry_after(retry_after)

    def ask(self, now: float, page: int) -> Answer:
        if page not in self._pages:
            return self.served()
        if self._status is None:
            return self.failed(Reason.RESPONSE_TIMEOUT, TIMEOUT)
        return self.answered(self._status, self._fields)

    def truth(self, page: int) -> frozenset[Truth]:
        if page not in self._pages:
            return super().truth(page)
        if self._status is None:
            return frozenset({Truth("down", Reason.RESPONSE_TIMEOUT)})
        if self._status == 429:
            return frozenset({RATE_LIMITED})
        return frozenset({Truth("down", http_reason(self._status))})


class Hostile(Host):
    """429 to everybody, always."""

    __slots__ = ()

    def ask(self, now: float, page: int) -> Answer:
        return self.turned_away(429)

    def truth(self, page: int) -> frozenset[Truth]:
        return frozenset({RATE_LIMITED})

    def ideal(self, urls: int) -> float:
        return 0.0


class Banning(Host):
    """Pushed beyond a rate, it drops every packet of the visitor's for a while: fail2ban, a firewall's rule."""

    __slots__ = ("_allowed", "_banned_until", "_seconds", "_sent", "bans")

    def __init__(self, key: str, latency: Latency, allowed: int, seconds: float = 60.0) -> None:
        """`allowed`: requests within any second."""
        super().__init__(key, latency)
        self._allowed = allowed
        self._seconds = seconds
        self._sent: deque[float] = deque()
        self._banned_until = 0.0
        self.bans = 0

    def ask(self, now: float, page: int) -> Answer:
        if now < self._banned_until:
            self.pushed += 1
            return self.failed(Reason.CONNECT_TIMEOUT, CONNECT_TIMEOUT)
        while self._sent and self._sent[0] <= now - 1:
            self._sent.popleft()
        self._sent.append(now)
        if len(self._sent) > self._allowed:
            self._sent.clear()
            self._banned_until = now + self._seconds
            self.bans += 1
            self.pushed += 1
            return self.failed(Reason.CONNECT_TIMEOUT, CONNECT_TIMEOUT)
        return self.served()

    def ideal(self, urls: int) -> float:
        return max(super().ideal(urls), urls / self._allowed)


class Slow(Host):
    """Every answer takes its time, and comes."""

    __slots__ = ()

    def __init__(self, key: str, seconds: float = TIMEOUT - 1) -> None:
        super().__init__(key, Latency(seconds, 0.01))
