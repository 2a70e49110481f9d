"""Counts rows into what a run's end has to tell. Memory is bounded whatever the list's length.

Contract: `add` is told each row once, `asked` is called once a finished request; nothing in here reads a clock.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable

import msgspec

from urlsweep.core.bottleneck import Bottleneck
from urlsweep.core.model import Category, Outcome, Result

FAILING = (Outcome.BROKEN, Outcome.DOWN, Outcome.INVALID)
"""What fails a run by default (`--fail-on`)."""

EXAMPLES_PER_REASON = 100
"""Rows kept for the summary's listing per outcome and reason: enough to act on, flat on a list of a million; the
report has them all."""

EXAMPLE_CHARACTERS = 32 * 1024 * 1024
"""Of URLs within these rows, all together: a hostile server can make each of them a hundred kilobytes long."""

HOSTS_KEPT = 10_000
"""Hosts whose times are kept: the slowest of more than that many would not be read by anybody."""


class HostTime(msgspec.Struct):
    """How long one host's answers took."""

    host: str
    requests: int = 0
    seconds: float = 0.0  # of all its requests together
    slowest: float = 0.0  # seconds of the slowest one

    @property
    def mean(self) -> float:
        """Seconds a request took on average."""
        return self.seconds / self.requests if self.requests else 0.0


class Summary(msgspec.Struct):
    """What became of a run."""

    rows_in: int = 0  # targets read
    rows_out: int = 0  # rows given
    requests: int = 0  # requests sent, redirects and later tries included
    duplicates: int = 0  # rows that shared another row's answer
    seconds: float = 0.0  # from the start to the last row
    is_partial: bool = False  # the run was cut short
    input_exhausted: bool = False  # every input was read to its end
    is_network_lost: bool = False  # the run was ended since nothing could be reached any more
    outcomes: Counter[Outcome] = msgspec.field(default_factory=Counter)
    reasons: Counter[tuple[Outcome, str]] = msgspec.field(default_factory=Counter)  # (outcome, reason)
    categories: Counter[Category | None] = msgspec.field(default_factory=Counter)  # None: no HTTP answer
    examples: dict[tuple[Outcome, str], list[Result]] = msgspec.field(default_factory=dict)  # neither ok nor skipped
    bottleneck: Bottleneck = msgspec.field(default_factory=Bottleneck)
    warnings: list[str] = msgspec.field(default_factory=list)  # what the sources and the engine had to say
    _hosts: dict[str, HostTime] = msgspec.field(default_factory=dict)
    _example_characters: int = 0

    def add(self, *results: Result) -> None:
        """Count these rows."""
        outcomes, categories = self.outcomes, self.categories
        for result in results:
            outcomes[result.outcome] += 1
            categories[result.category] += 1
            if result.reason is not None:
                self._add_reason(result, result.reason)
        self.rows_out += len(results)

    def _add_reason(self, result: Result, reason: str) -> None:
        key = (result.outcome, reason)
        self.reasons[key] += 1
        if result.outcome not in (Outcome.OK, Outcome.SKIPPED):
            rows = self.examples.setdefault(key, [])
            if len(rows) < EXAMPLES_PER_REASON and self._example_characters < EXAMPLE_CHARACTERS:
                rows.append(result)
                self._example_characters += len(result.url) + sum(len(hop.url) for hop in result.hops)

    def asked(self, host: str, seconds: float) -> None:
        """Count one finished request to `host` that took `seconds`."""
        self.requests += 1
        self.bottleneck.request_seconds += seconds
        times = self._hosts.get(host)
        if times is None:
            if len(self._hosts) >= HOSTS_KEPT:
                self._forget_fast_hosts()
            times = self._hosts[host] = HostTime(host)
        times.requests += 1
        times.seconds += seconds
        if seconds > times.slowest:
            times.slowest = seconds

    def add_hosts(self, hosts: Iterable[HostTime]) -> None:
        """Count the times of hosts that were asked elsewhere, and not here."""
        self._hosts.update((times.host, times) for times in hosts)
        if len(self._hosts) > HOSTS_KEPT:
            self._forget_fast_hosts()

    def _forget_fast_hosts(self) -> None:
        kept = heapq.nlargest(HOSTS_KEPT // 2, self._hosts.values(), key=lambda times: times.mean)
        self._hosts = {times.host: times for times in kept}

    def slowest_hosts(self, count: int) -> list[HostTime]:
        """The `count` hosts with the longest mean time, slowest first."""
        return heapq.nlargest(count, self._hosts.values(), key=lambda times: (times.mean, times.host))

    def failed(self, fail_on: Iterable[Outcome] = FAILING) -> int:
        """How many rows have an outcome that fails the run."""
        return sum(self.outcomes[outcome] for outcome in set(fail_on))

    @property
    def rows_lost(self) -> int:
        """Rows in that gave no row out: 0, or the run has a bug and says so (exit code 70)."""
        return self.rows_in - self.rows_out
