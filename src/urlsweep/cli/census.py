"""Counts what a list holds, as a run would take it: rows, URLs by host, duplicates, and what would not be asked.

Contract: nothing is sent. Memory is bounded: a few figures a host, for `HOSTS_APART` hosts; URLs of further ones are
counted together.
Not in here: reading (`inputs`), how long it takes (`core.forecast`), how it is shown (`plan_page`).
"""

from __future__ import annotations

from collections import Counter
from typing import Final, NamedTuple

from urlsweep.cli.distinct import Distinct
from urlsweep.core.forecast import Assumptions, HostBounds, RulesPace, bounds_of, pace_of, seconds_of
from urlsweep.core.groups import pace_key
from urlsweep.core.limits import Limits
from urlsweep.core.model import Outcome, Target
from urlsweep.core.policy import Policy
from urlsweep.core.urls import Url, parse
from urlsweep.engine import UnscopedCredentialError

HOSTS_APART: Final = 100_000
"""Hosts that are told apart: some 30 MB, and more than anybody reads."""


class HostPlan(NamedTuple):
    """What a run would do to one host."""

    host: str  # its host key; a domain where hosts are paced by domain
    urls: int  # distinct ones
    bounds: HostBounds
    latency: float  # seconds that a request is taken to last
    seconds: float  # estimated


class Census:
    """The counts so far."""

    def __init__(self, policy: Policy, limits: Limits, distinct: Distinct, hosts_apart: int = HOSTS_APART) -> None:
        self.policy = policy
        self.limits = limits
        self._distinct = distinct
        self._hosts_apart = hosts_apart
        self._has_pacing_rules = any(rule.sets_pace for rule in policy.rules)
        self._urls: Counter[str] = Counter()  # by host
        self._paces: dict[str, RulesPace] = {}  # by host, where rules say anything
        self.rows = 0
        self.urls = 0  # distinct ones that would be asked
        self.duplicates = 0
        self.urls_of_further_hosts = 0  # beyond those told apart
        self.refused: Counter[tuple[Outcome, str]] = Counter()  # rows that would not be asked, with the reason

    @property
    def is_exact(self) -> bool:
        """Whether every duplicate was told from a new URL."""
        return self._distinct.is_whole

    def take(self, target: Target) -> None:
        """Count one row. Raises UnscopedCredentialError where the run would."""
        self.rows += 1
        url = parse(target.url) if target.fault is None else target.fault
        refusal = self.policy.refusal(url) if isinstance(url, Url) else url
        if refusal is not None:
            self.refused[refusal.outcome, refusal.reason] += 1
        elif isinstance(url, Url):
            self._take_url(url)

    def _take_url(self, url: Url) -> None:
        self._bind_credentials(url)
        if not self._distinct.adds(url.duplicate_key):
            self.duplicates += 1
            return
        self.urls += 1
        key = pace_key(url.host_key, self.limits.pace_by)
        if key not in self._urls and len(self._urls) >= self._hosts_apart:
            self.urls_of_further_hosts += 1
            return
        self._urls[key] += 1
        if self._has_pacing_rules and (pace := pace_of(url, self.policy.rules)) is not None:
            before = self._paces.get(key)
            self._paces[key] = pace if before is None else before.strictest(pace)

    def _bind_credentials(self, url: Url) -> None:
        if self.policy.unscoped_credentials:
            self.policy = self.policy.bound_to(url.origin)
        exclusive = self.policy.exclusive_origin
        if exclusive is not None and url.origin != exclusive:
            raise UnscopedCredentialError(self.policy.exclusive_names, exclusive, url.origin)

    def plans(self, assumptions: Assumptions) -> list[HostPlan]:
        """Every host that is told apart, the one that takes longest first."""
        plans = []
        for key, urls in self._urls.items():
            bounds, latency = bounds_of(key, self.limits, self._paces.get(key)), assumptions.latency_of(key)
            seconds = seconds_of(assumptions.requests_of(urls), bounds.bounds, latency)
            plans.append(HostPlan(key, urls, bounds, latency, seconds))
        plans.sort(key=lambda plan: (-plan.seconds, -plan.urls, plan.host))
        return plans
