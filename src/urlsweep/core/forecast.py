"""How long a run takes if nothing goes wrong: arithmetic on counts and bounds, before the first request.

Contract: pure. What is taken for granted is one value, `Assumptions`, so that whoever shows an estimate can show it
with them.
Not in here: the counting of URLs, and any word for people.

A host's time is the longer of two: that of its requests in rounds of one latency each, as many at once as its bound
has grown to (`rounds_of`), and that of its gaps. A run's time is the longest of four (`Constraint`): hosts are asked
side by side, the one with most work left first, so that the shorter ones fit beside the longest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from urlsweep.core.limits import Bounds, Limits
from urlsweep.core.policy import ByHand, Method, Policy, Rule
from urlsweep.core.urls import Url, names_private_host


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumptions:
    """What nobody can know before the first request."""

    latency: float = 0.25
    """Seconds a request takes: a round trip or two across an ocean and a page that is made when it is asked for."""

    private_latency: float = 0.01
    """The same for hosts that the URL itself names as loopback or private: they are next door."""

    get_share: float = 0.1
    """The part of URLs asked with GET after HEAD: about one link in ten is dead, or its server does not take HEAD."""

    redirect_share: float = 0.1
    """Next hops of redirects a URL: about one link in ten has moved."""

    program_rate: float = 5_000.0
    """Requests a second that one core of an ordinary machine can send and read: 12,800 to one host and 3,000 to 10,000
    hosts, one each, were measured on loopback without TLS."""

    @classmethod
    def of(cls, policy: Policy, latency: float | None = None) -> Assumptions:
        """Those that fit `policy`; `latency` (seconds, for every host) where somebody knows better."""
        known = {} if latency is None else {"latency": latency, "private_latency": latency}
        return cls(
            get_share=cls().get_share if policy.method is Method.AUTO else 0.0,
            redirect_share=cls().redirect_share if policy.follow else 0.0,
            **known,
        )

    @property
    def requests_per_url(self) -> float:
        """Requests sent for one URL on average."""
        return 1 + self.get_share + self.redirect_share

    def requests_of(self, urls: int) -> int:
        """The requests that `urls` of one host take."""
        return max(urls, round(urls * self.requests_per_url))

    def latency_of(self, host_key: str) -> float:
        """Seconds that a request to the host `host_key` takes."""
        return self.private_latency if names_private_host(host_key.rpartition(":")[0]) else self.latency


class Said(NamedTuple):
    """A bound, and the rule that says it."""

    value: float
    rule: int  # its number in `[[rules]]`, from 1


class RulesPace(NamedTuple):
    """What rules say of how fast a host is asked; None where they do not say."""

    per_host: Said | None = None
    rate: Said | None = None
    delay: Said | None = None

    def strictest(self, other: RulesPace) -> RulesPace:
        """What holds for a host where one of its URLs is told this and another one `other`."""
        return RulesPace(
            _least(self.per_host, other.per_host),
            _least(self.rate, other.rate),
            max(filter(None, (self.delay, other.delay)), default=None, key=lambda said: said.value),
        )


def _least(one: Said | None, other: Said | None) -> Said | None:
    return min(filter(None, (one, other)), default=None, key=lambda said: said.value)


def pace_of(url: Url, rules: Sequence[Rule]) -> RulesPace | None:
    """What `rules` say for `url`, later ones over earlier ones; None where none of them says anything."""
    pace: RulesPace | None = None
    for number, rule in enumerate(rules, start=1):
        if rule.sets_pace and rule.matches(url):
            before = pace or RulesPace()
            pace = RulesPace(
                before.per_host if rule.per_host is None else Said(rule.per_host, number),
                before.rate if rule.rate is None else Said(rule.rate, number),
                before.delay if rule.delay is None else Said(rule.delay, number),
            )
    return pace


class HostBounds(NamedTuple):
    """What holds for one host, and where it comes from."""

    bounds: Bounds
    is_learned: bool  # requests at once are learned, from `bounds.start` to `bounds.cap`
    at_once_rule: int | None = None  # the rule that says how many at once
    gap_rule: int | None = None  # the rule that says how far apart


def bounds_of(host_key: str, limits: Limits, pace: RulesPace | None = None) -> HostBounds:
    """The bounds of the host `host_key` under `limits`, with what rules say of it (`pace`) in their place."""
    per_host, rate, delay = pace or RulesPace()
    by_hand = ByHand(
        None if per_host is None else int(per_host.value),
        None if rate is None else rate.value,
        None if delay is None else delay.value,
    )
    bounds = limits.bounds_of(host_key, by_hand)
    deciding = next((said for said, gap in _gaps(rate, delay) if gap == bounds.gap > 0), None)
    return HostBounds(
        bounds=bounds,
        is_learned=per_host is None and limits.per_host is None,
        at_once_rule=None if per_host is None else per_host.rule,
        gap_rule=None if deciding is None else deciding.rule,
    )


def _gaps(rate: Said | None, delay: Said | None) -> Iterator[tuple[Said, float]]:
    if rate is not None:
        yield rate, 1 / rate.value
    if delay is not None:
        yield delay, delay.value


def rounds_of(requests: int, bounds: Bounds) -> int:
    """Rounds of one latency that `requests` take, as many at once as `bounds` allow.

    The first ones go alone; then `bounds.start` at once, and one more after as many answers as there are at once, which
    is one more each round, up to `bounds.cap`.
    """
    if requests <= 0:
        return 0
    start = min(bounds.start, bounds.cap)
    alone = min(bounds.first, start, requests) if bounds.first < start else 0
    rounds, requests = (1, requests - alone) if alone else (0, requests)
    climb = bounds.cap - start  # rounds below the cap
    climbed = climb * (start + bounds.cap - 1) // 2  # requests in these
    if requests > climbed:
        return rounds + climb + math.ceil((requests - climbed) / bounds.cap)
    # The least k with start + (start + 1) + ... + (start + k - 1) >= requests.
    half = start - 0.5
    return rounds + math.ceil(math.sqrt(half**2 + 2 * requests) - half)


def seconds_of(requests: int, bounds: Bounds, latency: float) -> float:
    """Seconds that `requests` to one host take that answers each within `latency` seconds and never pushes back."""
    if requests <= 0:
        return 0.0
    return max(rounds_of(requests, bounds) * latency, (requests - 1) * bounds.gap + latency)


class Constraint(StrEnum):
    """What a run cannot be faster than."""

    HOST = "host"  # the host that takes longest
    SLOTS = "slots"  # all requests, `concurrency` at once
    TOTAL_RATE = "total_rate"  # all requests, `total_rate` a second
    PROGRAM = "program"  # all requests, as fast as the program itself can be


class Load(NamedTuple):
    """What one host is to be asked."""

    urls: int
    bounds: Bounds
    latency: float  # seconds a request


class Forecast(NamedTuple):
    """How long a run takes, and why not less."""

    seconds: float
    constraint: Constraint
    requests: int


def forecast(loads: Iterable[Load], limits: Limits, assumptions: Assumptions) -> Forecast:
    """The run that asks all of `loads` under `limits`."""
    urls = 0
    work = longest = slowest_answer = 0.0
    for load in loads:
        urls += load.urls
        work += load.urls * load.latency
        longest = max(longest, seconds_of(assumptions.requests_of(load.urls), load.bounds, load.latency))
        slowest_answer = max(slowest_answer, load.latency)
    requests = assumptions.requests_of(urls)
    times = {
        Constraint.HOST: longest,
        Constraint.SLOTS: work * assumptions.requests_per_url / limits.concurrency,
        Constraint.TOTAL_RATE: 0.0
        if limits.total_rate is None or not requests
        else (requests - 1) / limits.total_rate + slowest_answer,
        Constraint.PROGRAM: requests / assumptions.program_rate,
    }
    constraint = max(times, key=lambda each: times[each])
    return Forecast(times[constraint], constraint, requests)
