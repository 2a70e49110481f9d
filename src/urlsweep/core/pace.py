"""How fast one host (or a group of hosts that share a limit) may be asked: two learned limits and a gate.

Contract: pure; the caller gives the time. A Pace holds no queue and does no waiting: it says how many requests may be
out (`room`) and from when on the next one may go (`opens_at`).
Not in here: what an answer says (`pressure`), whose fault a failure is (`blame`), who is asked next (`pacer`).

Requests at once: a small start, one more for every bound's worth of good answers while the bound is in use; for the
user's own hosts (`Bounds.doubles`) one more for each, until the first trouble (RFC 5681's slow start). Push-back
on more requests at once than were ever served lowers the bound to one less than that. Requests a second: learned where
a host pushes back on no more requests at once than it served before. A token bucket is empty at each push-back, so
what it let through between two of them, divided by the time, is at most its rate and mostly just that; the rate asked
at when it pushed back was above it. The pace goes between the two, and then up: in steps while it is far below the
rate that was too much, by small shares of it otherwise. From the first push-back on requests are evenly spaced: a
server that counts sees no bursts.

Every push-back closes the gate: until the time that the host names, or for a doubling time of our own. When it opens,
one request goes as a probe, and the rest after it succeeds (as TCP's congestion control, RFC 5681, with pacing).
Where nothing but 503s without a word and resets come, the probe is a *control*: what was answered well before.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

from urlsweep.core.blame import Blame
from urlsweep.core.limits import Bounds, Limits
from urlsweep.core.ticket import Ticket

MOST_CAUTION: Final = 64
"""Bound's worths of good answers that a step up takes at most, on a host that pushed back at just that step again and
again: doubles from 1 with each."""

CAUTION_AFTER_LOSS: Final = 2
"""The same after a 503 or a failed connection at another bound than the last one: it may as well be a bad page."""

LOSSES_IN_A_ROW: Final = 3
"""Failed connections or 503s without a good answer in between that halve a bound. Among good answers they are a few
bad pages or bad moments, and cost the bound one each."""

JUST_UNDER: Final = 0.97
"""The part of an estimated rate that is asked at: three in a hundred are less than what push-back would cost."""

STEP: Final = 1.25
STEP_REQUESTS: Final = 4
"""Far below the rate that was too much, the pace grows by a quarter every four answers, ..."""

LESS_AFTER_LOSS: Final = 0.9
"""Of a rate, after a 503 among good answers: one too many, or a bad page."""

NEAR: Final = 0.95
FARTHEST: Final = 0.8
"""... up to this part of it, and to twice as far below it with every push-back at about the same rate; ..."""

BURST: Final = 0.75
"""Pushed back at less than this part of a rate that went well before: that was a burst."""

CREEP: Final = 0.01
"""... from there on, after a while, by this share of it a second, twice that with every `CREEP_DOUBLES` seconds that
bring no push-back: the limit may be gone."""

BURSTY_CREEP: Final = 0.03
"""The same for a host that stands bursts: a bucket that is not empty forgives a while above its rate."""

CREEP_DOUBLES: Final = 8.0
STEEPEST_CREEP: Final = 0.25

SHORTEST_HOLD: Final = 2.0
"""Seconds for which a rate is held before it creeps up; doubles with every push-back at about the same rate, ..."""
LONGEST_HOLD: Final = 30.0
SAME_RATE: Final = 1.1
"""... to within this factor. And at the least ..."""
HOLD_PER_WAIT: Final = 20.0
"""... for so many times as long as the gate was closed: not more than a twentieth of the time is to be spent there."""

CREDIBLE: Final = 4.0
"""A rate that went well for a while counts for nothing where so many times less was let through over a longer time."""

ROUNDS_FOR_COUNT: Final = 2
"""Bound's worths of answers that have to have gone well for push-back to be about the number at once. One that comes
sooner, with fewer at once than before, is about the rate."""

LONGEST_INTERVAL: Final = 5.0
"""Seconds between two requests that a learned rate comes down to. Slower limits are kept by gates, which end; one URL
that is always pushed back, behind a redirect that is not, would bring its host's rate down for ever."""

FEWEST_TO_TELL: Final = 8
"""Answers between two push-backs that say what rate went well."""

WINDOW: Final = 20.0
"""Seconds of the past that an estimate reaches back at least: older push-backs are forgotten."""

SPREAD: Final = 0.5
"""Of a request's time over the bound: so far apart requests are kept where neither a rate nor a limit is known."""

LATENESS: Final = 0.01
"""Seconds of lateness (a busy machine's timers) that evenly spaced requests make up for, on a host that is known to
stand bursts; others are not sent one."""

LOSS_SHARE: Final = 0.25
"""Of the last answers, about sixteen: with so many 503s it is the host and not its pages, ..."""
LEAST_LOSS_SHARE: Final = 0.065
"""With fewer, they are the pages' own. In between, a rate that was learned is lowered."""
LOSS_MEMORY: Final = 15 / 16

GATE_INTERVALS: Final = 4
"""A gate of our own stays closed for the time in which the host let so many requests through, `first_wait` at most."""


class Pace:
    """The limits of one group, as learned so far."""

    __slots__ = (
        "_admitted",
        "_admitted_before",
        "_began",
        "_blame",
        "_caution",
        "_ceiling",
        "_closed",
        "_cycle_began",
        "_doubles",
        "_good_answers",
        "_grown_at",
        "_hold",
        "_is_about_count",
        "_is_bursty",
        "_is_paced",
        "_latency",
        "_limits",
        "_loss_share",
        "_losses",
        "_lost_again",
        "_lost_at",
        "_lost_sent_at",
        "_near",
        "_outage_patience",
        "_outage_since",
        "_overstates",
        "_pushed_at",
        "_pushed_since",
        "_rate",
        "_sent_at",
        "_served_at_once",
        "_slowest",
        "_start",
        "_states",
        "_steps",
        "_sustained",
        "_told_until",
        "_unlearned",
        "bound",
        "cap",
        "gap",
        "in_flight",
        "is_outage",
        "is_overloaded",
        "is_probing",
        "opens_at",
        "push_backs",
        "rounds",
        "storm",
    )

    def __init__(self, bounds: Bounds, limits: Limits) -> None:
        self._limits = limits
        self._slowest = 1 / min(LONGEST_INTERVAL, limits.longest_wait)
        self._start = bounds.start
        self._doubles = bounds.doubles  # the bound, with every bound's worth of good answers, until the first trouble
        self.gap = bounds.gap
        self.bound = bounds.start  # requests at once, as learned
        self.cap = bounds.cap
        self.in_flight = 0
        self.opens_at = 0.0  # when the next request may go: the gate, or the spacing
        self._sent_at = -math.inf  # the last request
        self.is_probing = False  # after push-back: one at a time until an answer
        self.is_outage = False  # it answered, and then could not be connected to any more, or answered nothing well
        self.is_overloaded = False  # it is the latter
        self.storm = 0  # push-backs heeded
        self.rounds = 0  # of them, since the last answer
        self.push_backs: Counter[str] | None = None  # by their kind
        self._pushed_since = 0.0  # when the first of `rounds` came
        self._outage_since = 0.0  # when that began
        self._outage_patience = 0.0  # seconds from then on
        self._pushed_at = 0.0  # the last one heeded
        self._losses = 0  # in a row
        self._lost_again = 0  # times in a row at the same bound as the time before, as soon as that was reached
        self._lost_at = 0  # the bound at the last of them
        self._lost_sent_at = math.inf  # when that was sent with which an outage was noticed, the last time
        self._loss_share = 0.0  # 503s among the last answers
        self._blame: Blame | None = None  # from the first trouble on
        self._unlearned: tuple[float | None, float, int] | None = None  # rate, ceiling and bound before the outage
        self._states = False  # it says so when it is asked too much: what it answers 503 to is no matter of its rate
        self._told_until = -math.inf  # when the host said last that it may be asked again
        self._overstates = False  # it was wrong by more than patience: what it says is about single pages
        self._caution = 1
        self._good_answers = 0  # since the bound last changed, with the bound in use
        self._served_at_once = 0  # the most that were out when one was sent that was answered well
        self._began = -1.0  # when the estimate's time began: the first request, later a push-back
        self._admitted_before = 0  # let through from then to ...
        self._cycle_began = -1.0  # ... the last push-back, ...
        self._admitted = 0  # and since
        self._latency = 0.0  # seconds, smoothed; known from the first push-back on
        self._rate: float | None = None  # requests a second, as learned
        self._ceiling = math.inf  # a rate that was too much
        self._near = NEAR  # how far up to the ceiling the pace grows in steps
        self._sustained = 0.0  # the highest rate that a step was taken from
        self._is_about_count = False  # the last push-back was to more at once than were ever served
        self._is_bursty = False  # it lets bursts through above its rate: higher rates that went well prove nothing
        self._hold = SHORTEST_HOLD
        self._closed = 0.0  # seconds that the gate was closed for, last
        self._is_paced = False  # the last request waited for its turn
        self._grown_at = 0.0
        self._steps = 0  # answers since the last step

    @property
    def room(self) -> int:
        """Requests that may be out at once, now."""
        return 1 if self.is_probing else self.bound

    @property
    def wants_control(self) -> bool:
        """Whether the next probe should be a request that was answered well before: if it is again, it is not the host
        that fails but its pages. Every other one: that page may have gone, too."""
        return self.is_probing and self.is_overloaded and self.rounds % 2 == 1

    @property
    def is_calm(self) -> bool:
        """Whether a request would meet no more than half the load that the host stands."""
        return self.in_flight < max(1, self.bound // 2)

    @property
    def served_well(self) -> bool:
        """Whether it has given a good answer, ever."""
        return self._served_at_once > 0

    @property
    def learned_rate(self) -> float | None:
        """Requests a second that the host lets through; None where that was not what it minded."""
        return self._rate

    def narrow(self, bounds: Bounds) -> None:
        """Keep within `bounds` as well: the strictest of what its hosts' rules say holds for a group."""
        self.cap = min(self.cap, bounds.cap)
        self._start = min(self._start, bounds.start)
        self._doubles = self._doubles and bounds.doubles
        self.bound = min(self.bound, bounds.cap)
        self.gap = max(self.gap, bounds.gap)
        if self.gap:
            self.opens_at = max(self.opens_at, self._sent_at + self.gap)

    def join(self, other: Pace) -> None:
        """Stand for `other` too from now on: its bounds, its gate, and what is out under it."""
        self._sent_at = max(self._sent_at, other._sent_at)
        self.opens_at = max(self.opens_at, other.opens_at)
        self.narrow(Bounds(other._start, other.cap, other.gap, doubles=other._doubles))
        self.in_flight += other.in_flight

    def sent(self, now: float) -> int:
        """One more is out. Gives its level: how many are out with it, at once."""
        self.in_flight += 1
        self._sent_at = now
        if self._began < 0:
            self._began = self._cycle_began = now
        if self.storm or self._loss_share or self.gap:
            self._space(now)
        return self.in_flight

    def _space(self, now: float) -> None:
        interval = self._interval()
        self._is_paced = now - self.opens_at <= interval
        late_by = LATENESS if self._is_bursty else 0.0
        self.opens_at = max(now + self.gap, max(self.opens_at, now - late_by) + interval)

    def _interval(self) -> float:
        if self._rate is not None:
            return 1 / self._rate
        if not self.storm and not self._loss_share:
            return 0.0
        # Also after a single 503: two at the same moment may be more than a strict limit lets through. Where it is not
        # known that there is one, half the distance leaves the bound in use, whatever the latency does.
        is_limited = self._states or self._caution > CAUTION_AFTER_LOSS
        return (1.0 if is_limited else SPREAD) * self._latency / self.bound

    # -- answers; in_flight is lowered by the caller first

    def good(self, now: float, ticket: Ticket, elapsed: float, *, is_first: bool = True) -> None:
        """A good answer, which took `elapsed` seconds. `is_first`: its page has never failed."""
        if self.push_backs is not None or self.is_probing:
            self._recover(now, ticket, is_first=is_first)
        self._admitted += 1
        if ticket.level > self._served_at_once:
            self._served_at_once = ticket.level
        is_bound_in_use = self.in_flight >= self.bound - 1
        if is_bound_in_use and self.bound < self.cap:
            self._good_answers += 1
            if self._good_answers >= self.bound * self._caution or (self._doubles and self.push_backs is None):
                self._good_answers = 0
                self.bound += 1
        if self.storm or self._loss_share:
            self._latency += (elapsed - self._latency) * 0.2
            if self._is_paced and (not is_bound_in_use or self.bound == 1):
                self._speed_up(now)
            self._grown_at = now
        elif self._good_answers == 0:
            self._latency = elapsed

    def _recover(self, now: float, ticket: Ticket, *, is_first: bool) -> None:
        """What a good answer says where there was trouble before."""
        is_news = ticket.storm == self.storm
        if self.is_outage:
            if is_news and self._unlearned is not None and self._closed >= 2 * self._limits.first_wait:
                # It failed a single request too, after a rest: what was learned when that began was nothing.
                self._rate, self._ceiling, self.bound = self._unlearned
            if ticket.is_control and self.rounds == 1 and self._blame is not None:
                self._blame.closed_for_nothing()
        # What was sent before the last push-back says nothing of the time after it, unless it was too many at once that
        # the host minded, or what was sent after a failed one is answered well.
        if is_news or self._is_about_count or (self.is_outage and ticket.sent_at > self._lost_sent_at):
            self.rounds = self._losses = 0
            self.is_probing = self.is_outage = self.is_overloaded = self._is_about_count = False
        if now < self._told_until and ticket.sent_at > self._pushed_at:
            self._overstates = True
        if self._blame is not None:
            self._blame.good(ticket.sent_at, is_first=is_first)
        self._loss_share *= LOSS_MEMORY

    def error(self, ticket: Ticket) -> None:
        """An answer, or a failure, that says nothing of load."""
        self._admitted += 1
        if ticket.storm == self.storm and not self.is_overloaded:
            self.rounds = 0
            self.is_probing = self.is_outage = False

    def doubt(self, kind: str) -> None:
        """What `overload` is, to a HEAD: GET will tell."""
        if self.served_well:
            self._count(kind)

    def stall(self, kind: str, failed_at: float | None) -> None:
        """A time-out after the connection stood: it may be the page. `failed_at`: see `overload`."""
        if self._is_to_blame(failed_at):
            self._count(kind)
            return
        self._lose(kind)
        self._losses += 1
        if self._losses >= LOSSES_IN_A_ROW:
            # Not below the start: a few pages that hang would bring all the others of their host to a standstill.
            self.bound = max(self.bound // 2, min(self.bound, self._start))
            self._losses = 0

    def overload(self, now: float, kind: str, ticket: Ticket, failed_at: float | None = None) -> bool:
        """A 503 that names no time, or a reset, from a host that answered well before: is it asked too much, or is it
        the page? Many of them are push-back (nginx's limit_req says nothing else).

        `failed_at`: when that was sent to which the same page failed before (None: nothing). If the host answered well
        what was sent next, the page is to blame; where that is so of a later try, it is no sign of load either.
        Gives whether the failure says nothing about its URL.
        """
        is_own = self._is_to_blame(failed_at)
        if is_own:
            self._pushed_at = now  # load or not: nothing is speeded up meanwhile
        if ticket.storm != self.storm or is_own:
            self._count(kind)
            return not is_own
        if self.is_probing:
            self._begin_outage(now)
            self._lost_sent_at = ticket.sent_at
            self._close(now, kind, None)
            return True
        if failed_at is None:
            self._blamed().failed_first()
        self._loss_share += (1 - self._loss_share) * (1 - LOSS_MEMORY)
        self._losses += 1
        if self._losses >= LOSSES_IN_A_ROW or self._loss_share >= LOSS_SHARE:
            self._losses = 0
            self._loss_share = 0.0
            self._unlearned = self._rate, self._ceiling, self.bound
            if not self._states:
                self._learn(now, ticket.level)
            self._close(now, kind, None)
            self._begin_outage(now)
            self._lost_sent_at = ticket.sent_at
            return True
        self._lose(kind)
        if self._rate is not None and not self._states and self._loss_share >= LEAST_LOSS_SHARE:
            self._ceiling = min(self._ceiling, self._rate)
            self._rate = max(self._rate * LESS_AFTER_LOSS, self._slowest)
        return True

    def _is_to_blame(self, failed_at: float | None) -> bool:
        """Whether a page that failed at this time before, and does again, is to blame and not its host."""
        return self._blame is not None and self._blame.is_the_pages_own(failed_at)

    def _begin_outage(self, now: float) -> None:
        """From now on, unless one has begun already, it has `overload_patience` to answer something well."""
        if not self.is_outage:
            self.is_outage = True
            self._outage_since = now
            self._outage_patience = self._limits.overload_patience
        self.is_overloaded = True

    def unreached(self, now: float, kind: str, ticket: Ticket) -> None:
        """A connection that failed, to a host that answered before."""
        if ticket.storm != self.storm:
            self._count(kind)
        elif self.is_outage:
            self._close(now, kind, None)
        else:
            self._losses += 1
            if self._losses < LOSSES_IN_A_ROW:
                self._lose(kind)
                return
            self._losses = 0
            self.bound = max(1, self.bound // 2)
            self.is_outage = True
            self._outage_since = now
            self._outage_patience = self._limits.outage_patience
            self._unlearned = None
            self._lost_sent_at = now
            self._close(now, kind, None)

    def control_failed(self, now: float, kind: str) -> None:
        """What was answered well before is not any more: it is the host."""
        self._close(now, kind, None)

    def push_back(self, now: float, kind: str, ticket: Ticket, wait: float | None) -> None:
        """The host says that it is asked too much, and to wait so many seconds (None: does not say)."""
        self._states = True
        if wait is not None and wait > self._limits.patience and self._overstates:
            wait = None
        if ticket.storm != self.storm:  # one more of a storm that is being heeded
            self._count(kind)
            if wait is not None:
                self.shut(now, wait)
            return
        self._losses = 0
        self.is_outage = self.is_overloaded = False
        if self.rounds == 0:
            self._learn(now, ticket.level)
        elif wait is None and self._sustained * self._closed > 1:
            self._is_bursty = True  # not even one after such a pause: what went well before was a burst
        self._close(now, kind, wait)
        self._is_about_count = self._is_about_count and wait is None

    def shut(self, now: float, wait: float) -> None:
        """Close the gate for `wait` seconds, `patience` at most: the host has said so."""
        self._told_until = max(self._told_until, now + wait)
        self.opens_at = max(self.opens_at, now + min(wait, self._limits.patience))

    def is_given_up(self, now: float) -> bool:
        """Whether patience has ended: push-back or no connection, and nothing else, for as long as it goes."""
        return self.rounds > 0 and now >= self._patience_ends_at

    @property
    def _patience_ends_at(self) -> float:
        limits = self._limits
        pushed_until = self._pushed_since + limits.patience
        if not self.is_outage:
            return pushed_until
        # Of its own, from its start: what came before was another trouble. But two in turns end too.
        return min(self._outage_since, pushed_until) + self._outage_patience

    def begin_anew(self) -> None:
        """After it was given up, for URLs that come much later: one is asked, as a probe."""
        self.rounds = 0
        self.is_probing = True

    def _lose(self, kind: str) -> None:
        self._count(kind)
        is_there_again = self.bound == self._lost_at and self._good_answers <= 2 * self.bound
        self._lost_at = self.bound
        self._lost_again = self._lost_again + 1 if is_there_again else 0
        # Once more may be chance; again and again it is one too many.
        self._caution = min(MOST_CAUTION, self._caution * 2) if self._lost_again > 1 else CAUTION_AFTER_LOSS
        self.bound = max(1, self.bound - 1)

    def _count(self, kind: str) -> None:
        self._blamed()
        if self.push_backs is None:
            self.push_backs = Counter()
        self.push_backs[kind] += 1

    def _blamed(self) -> Blame:
        if self._blame is None:
            self._blame = Blame()
        return self._blame

    def _close(self, now: float, kind: str, wait: float | None) -> None:
        self._count(kind)
        self._blamed().closed(now)
        self.storm += 1
        self.is_probing = True
        self.rounds += 1
        if self.rounds == 1:
            self._pushed_since = self._outage_since = now
        self._pushed_at = now
        limits = self._limits
        first = limits.first_wait
        if self._rate is not None:
            first = min(first, GATE_INTERVALS / self._rate)
        elif self._latency and not self.is_outage:
            first = min(first, GATE_INTERVALS * self._latency / self.bound)
        own = min(limits.longest_wait, first * 2.0 ** min(self.rounds - 1, 64))
        closed = own
        if wait is not None:
            closed = max(own, wait)
            self._told_until = now + wait
        self._closed = closed
        # The last probe goes just when patience ends.
        self.opens_at = max(self.opens_at, min(now + closed, max(now, self._patience_ends_at)))

    def _learn(self, now: float, level: int) -> None:
        """The first push-back after good answers: what does the host mind?"""
        self._good_answers = 0
        let_through = self._let_through(now)
        by_count = self._admitted >= ROUNDS_FOR_COUNT * self.bound if self.storm else self._admitted > 0
        self._is_about_count = by_count and level > 1 and level >= self._served_at_once
        if self._is_about_count:
            self._served_at_once = level - 1
            self.bound = min(self.bound, level - 1)
            self._caution = min(MOST_CAUTION, self._caution * 2)
            if self._rate is None and self._admitted >= FEWEST_TO_TELL:
                self._sustained = let_through
        elif let_through:
            self._set_rate(let_through, level)
        else:
            self.bound = max(1, self.bound // 2)
        self._cycle_began = now
        self._admitted = 0
        if self.storm == 0 or now - self._began >= WINDOW:
            self._began = now
            self._admitted_before = 0

    def _let_through(self, now: float) -> float:
        """Requests a second that the host has let through, at the least."""
        cycle = now - self._cycle_began
        self._admitted_before += self._admitted
        span = now - self._began
        of_all = self._admitted_before / span if span > 0 else 0.0
        of_cycle = self._admitted / cycle if cycle > 0 and self._admitted >= FEWEST_TO_TELL else 0.0
        return max(of_all, of_cycle)

    def _set_rate(self, let_through: float, level: int) -> None:
        interval = self._interval()
        asked_at = max(let_through, 1 / interval if interval else level / self._latency if self._latency else 0.0)
        is_confirmed = self._ceiling / SAME_RATE <= asked_at <= self._ceiling * SAME_RATE
        self._hold = min(LONGEST_HOLD, self._hold * 2) if is_confirmed else SHORTEST_HOLD
        # What went well before does not go well any more: it was a burst that went well.
        self._is_bursty = self._is_bursty or asked_at < BURST * self._sustained
        self._near = max(FARTHEST, 2 * self._near - 1) if is_confirmed else NEAR
        self._ceiling = asked_at
        at_least = let_through
        if not self._is_bursty and self._sustained <= CREDIBLE * let_through:
            at_least = max(let_through, min(self._sustained, asked_at))
        aim = at_least if self._is_bursty else math.sqrt(at_least * asked_at)
        self._rate = max(JUST_UNDER * aim, self._slowest)
        self._steps = 0

    def _speed_up(self, now: float) -> None:
        if self._rate is None:
            return
        if self._rate < self._near * self._ceiling and not self._is_bursty:
            self._steps += 1
            if self._steps >= STEP_REQUESTS:
                self._steps = 0
                self._sustained = max(self._sustained, self._rate)
                self._rate = min(self._rate * STEP, max(self._rate, self._near * self._ceiling))
            return
        # A bucket goes on filling while the gate is closed; with room for no burst that time is lost.
        hold = self._hold if self._is_bursty else max(self._hold, min(LONGEST_HOLD, HOLD_PER_WAIT * self._closed))
        quiet = now - self._pushed_at - hold
        if quiet < 0:
            return
        start = BURSTY_CREEP if self._is_bursty else CREEP
        creep = min(STEEPEST_CREEP, start * 2.0 ** min(64.0, quiet / CREEP_DOUBLES))
        used = min(now - self._grown_at, 2 / self._rate)
        self._rate *= 1 + min(creep * used, STEP - 1)
