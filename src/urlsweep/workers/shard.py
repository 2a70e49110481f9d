"""Asking the hosts of one shard: what leads to a host of another is handed over, with all that was found out so far.

Contract: `Asking`, with three things more. A job whose next request is another shard's is sent there (`Move`), and is
settled where it ends; what it finds out about its own host's HEAD, and a robots.txt, is sent home (`Routed`). What is
met of the network is everybody's (`Shared`): it is one, and whether it is gone shows over all hosts only.
Not in here: where messages go (`sharded`), jobs' numbers and verdicts (`worker`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from urlsweep.asking import Asking, Job, Owner
from urlsweep.core.check import Check, HeadTrust, Verdict
from urlsweep.core.limits import Limits
from urlsweep.core.model import Reason
from urlsweep.core.network import HOSTS_GONE
from urlsweep.core.pacer import Pacer
from urlsweep.core.summary import Summary
from urlsweep.core.urls import Url
from urlsweep.transport import Transport
from urlsweep.workers.messages import (
    ROBOTS,
    Begin,
    Move,
    NetworkAnswered,
    NetworkFailed,
    NetworkMet,
    RobotsRead,
    Routed,
    Shared,
    Trusted,
)
from urlsweep.workers.sharding import Sharding

Tell = Callable[[Move | Routed | Shared], None]


class NumberedJob(Job):
    """A job as the run's process knows it."""

    __slots__ = ("number",)

    def __init__(self, url: Url, number: int) -> None:
        super().__init__(url)
        self.number = number


class _TrustElsewhere(HeadTrust):
    """Another shard's: it is told what a job of its own found out here."""

    __slots__ = ("_tell",)

    def __init__(self, tell: Tell) -> None:
        super().__init__()
        self._tell = tell

    def contradicted(self, host_key: str) -> None:
        self._tell(Trusted(host_key, "contradicted"))

    def pushed_back(self, host_key: str) -> None:
        self._tell(Trusted(host_key, "pushed_back"))

    def succeeded(self, host_key: str, method: str) -> None:
        self._tell(Trusted(host_key, "succeeded", method))

    def accepts_slowly(self, host_key: str) -> None:
        super().accepts_slowly(host_key)
        self._tell(Trusted(host_key, "accepts_slowly"))


class _ShardPacer(Pacer[Job]):
    """Tells the other shards what it meets of the network that could matter to them, and hears what they do."""

    def __init__(self, limits: Limits, tell: Tell) -> None:
        super().__init__(limits)
        self._tell = tell

    def network_met(self) -> None:
        super().network_met()
        if self._network.hosts_answered <= HOSTS_GONE:  # beyond it their number makes no difference
            self._tell(NetworkMet())

    def network_answered(self, host_key: str, sent_at: float) -> None:
        is_news = bool(self._network.suspects)
        super().network_answered(host_key, sent_at)
        if is_news:
            self._tell(NetworkAnswered(host_key, sent_at))

    def network_failed(self, host_key: str, reason: Reason, now: float, *, has_answered: bool) -> None:
        before = len(self._network.suspects)
        super().network_failed(host_key, reason, now, has_answered=has_answered)
        if len(self._network.suspects) > before:
            self._tell(NetworkFailed(host_key, reason, has_answered))

    def hear(self, news: Shared, now: float) -> None:
        match news:
            case NetworkMet():
                super().network_met()
            case NetworkAnswered(host_key, sent_at):
                super().network_answered(host_key, sent_at)
            case NetworkFailed(host_key, reason, has_answered):
                super().network_failed(host_key, reason, now, has_answered=has_answered)


class ShardAsking(Asking):
    """Asks what belongs to one shard."""

    def __init__(
        self,
        begin: Begin,
        transport: Transport,
        summary: Summary,
        owner: Owner,
        *,
        tell: Tell,
        moved: Callable[[Job], None],
        wall: Callable[[], float],
    ) -> None:
        """`tell` sends what other shards have to know; `moved` is called with each job that was handed over, and is
        nobody's here any more."""
        super().__init__(begin.policy, begin.limits, transport, summary, owner, seed=begin.seed, wall=wall)
        self._shard: Final = begin.shard
        self._sharding: Final = Sharding(begin.shards, begin.limits.pace_by)
        self._tell = tell
        self._moved = moved
        self._pacer = self._shard_pacer = _ShardPacer(begin.limits, tell)
        self._trust_elsewhere = _TrustElsewhere(tell)
        self._goes_anywhere = self._goes_straight_on
        self._goes_straight_on = False
        self._idle_since: float | None = None
        self.idle_seconds = 0.0
        """Seconds in which there was nothing to do here and nothing more to come: others had, or the run was over."""

    # -- jobs that move

    def _is_here(self, host_key: str) -> bool:
        return self._sharding.shard_of(host_key) == self._shard

    def _proceed(self, job: Job, now: float) -> None:
        ask, check = job.ask, self._check_of(job)
        assert ask is not None  # noqa: S101  what is proceeded with
        if not self._is_here(ask.request.host_key):
            number = job.number if isinstance(job, NumberedJob) else ROBOTS
            self._tell(Move(number, check.state(), ask, job.failed_at))
            job.check = job.ask = None  # the Pacer may remember the job: see `Owner.settled`
            self._moved(job)
        elif self._goes_anywhere:
            self._pacer.add(ask.request.host_key, job, now, delay=ask.delay, turn=ask.turn)
        else:
            super()._proceed(job, now)

    def taken_over(self, move: Move) -> Job:
        """The job that was handed over, of this shard from now on: see `go_on`."""
        job = Job(move.state.url) if move.number == ROBOTS else NumberedJob(move.state.url, move.number)
        if move.number == ROBOTS:
            job.body = b""
        job.ask = move.ask
        job.failed_at = move.failed_at
        is_at_home = self._is_here(job.url.host_key)
        trust = self._trust if is_at_home else self._trust_elsewhere
        job.check = Check.of_state(move.state, self._policy_of(job), trust)
        return job

    def go_on(self, job: Job, now: float) -> None:
        """Ask what a job that was handed over asks next. It may be settled there and then."""
        self._proceed(job, now)

    # -- news

    def hear(self, news: Routed | Shared, now: float) -> None:
        """Heed what another shard told."""
        match news:
            case RobotsRead():
                self._robots_known(news.origin, news.verdict, news.body)
            case Trusted(host_key, "succeeded", method):
                self._trust.succeeded(host_key, method)
            case Trusted(host_key, "pushed_back"):
                self._trust.pushed_back(host_key)
            case Trusted(host_key, "accepts_slowly"):
                self._trust.accepts_slowly(host_key)
            case Trusted(host_key):
                self._trust.contradicted(host_key)
            case _:
                self._shard_pacer.hear(news, now)

    def _settle_robots(self, job: Job, verdict: Verdict) -> None:
        if self._is_here(job.url.host_key):
            super()._settle_robots(job, verdict)
            return
        body, job.body = job.body or b"", b""
        self._tell(RobotsRead(job.url.host_key, job.url.origin, verdict, body))

    # -- how things stand

    def _account(self, now: float) -> None:
        if self._idle_since is not None:
            self.idle_seconds += now - self._idle_since
            self._limited_since = now
        super()._account(now)
        is_idle = self.is_fed and not self._pacer.waiting and not self._pacer.in_flight
        self._idle_since = now if is_idle else None
