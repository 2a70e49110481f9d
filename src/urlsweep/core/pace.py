"""How fast one host (or a group of hosts that share a limit) may be asked: two learned limits and a gate.

Contract: pure; the caller gives the time. A Pace holds no queue and does no waiting: it says how many requests may be
out (`room`) and from when on the next one may go (`opens_at`). What only hosts in trouble need is made at the first.
Not in here: what an answer says (`pressure`), whose fault a failure is (`blame`), who is asked next (`pacer`).

Requests at once: a small start, one more for every bound's worth of good answers while the bound is in use; for the
user's own hosts (`Bounds.doubles`) one more for each, until the first trouble (RFC 5681's slow start). Push-back
on more requests at once than were ever served lowers the bound to one less than that. Requests a second (`rate`) are
learned where a host pushes back on no more requests at once than it served before, or on one more again and again
(see `doubt`). From the first push-back on
requests are evenly spaced: a server that counts sees no bursts.

Every push-back closes the gate: until the time that the host names, or for a doubling time of our own. When it opens,
one request goes as a probe, and the rest after it succeeds (as TCP's congestion control, RFC 5681, with pacing).
Where nothing but 503s without a word and resets come, the probe is a *control*: what was answered well before.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

from urlsweep.core.limits import Bounds, Limits
from urlsweep.core.rate import Rate
from urlsweep.core.ticket import Ticket
from urlsweep.core.trouble import LEAST_LOSS_SHARE, Trouble

MOST_CAUTION: Final = 64
"""Bound's worths of good answers that a step up takes at most, on a host that pushed back at just that step again and
again: doubles from 1 with each."""

CAUTION_AFTER_LOSS: Final = 2
"""The same after a 503 or a failed connection at another bound than the last one: it may as well be a bad page."""

ROUNDS_FOR_COUNT: Final = 2
"""Bound's worths of answers that have to have gone well for push-back to be about the number at once. One that comes
sooner, with fewer at once than before, is about the rate."""

MOST_CERTAIN: Final = 4
"""Up to this caution push-back on one more at once than went well is about the number. After as many as that takes, it
is doubted (see `doubt`)."""

ROUNDS_FOR_RATE: Final = 4
"""Bound's worths that have to have gone well for the bound before the last step up to say which rate does."""

CLIMB: Final = 6
"""Of a bound, one part in so many is added for each bound's worth from the first push-back to the next: what was sent
at the same moment as others then tells little of what can be sent evenly."""

NEVER_LONE: Final = -1
LONE_TIMES: Final = 4
LONE_WITHIN: Final = 1.5
"""Times in a row that the last page of a host is pushed back, after rests of 2, 4 and 8 seconds, while another is
answered well within so many `first_wait`s after it, before it is the page's own matter. A limit that does the first
once, by what it lets through in a while, cannot do it the next time: the rests are further apart than that."""

EMPTIES_OBEYED: Final = 2
EMPTIES_DISBELIEF: Final = 4.0
"""What is said each time with a good answer, that nothing is left for a while, is obeyed twice, and for a quarter of
the time with each further one. Where it is true, that costs the host one request too many."""

PLENTY: Final = 1_000_000_000
"""Requests left of an allowance, where none is stated: more than are ever out."""

SPREAD: Final = 0.5
"""Of a request's time over the bound: so far apart requests are kept where neither a rate nor a limit is known."""

LATENESS: Final = 0.01
"""Seconds of lateness (a busy machine's timers) that evenly spaced requests make up for, on a host that is known to
stand bursts; others are not sent one."""

REST: Final = 3.0
"""Intervals between requests, as learned, before a URL's last try: what was learned may be a hair too fast, or twice
too fast, and then whatever comes right behind a request that was let through is not."""

GATE_INTERVALS: Final = 4
"""A gate of our own stays closed for the time in which the host let so many requests through, `first_wait` at most."""


class Pace:
    """The limits of one group, as learned so far."""

    __slots__ = (
        "_admitted",
        "_began",
        "_bounds",
        "_caution",
        "_emptied_at",
        "_empties",
        "_good_answers",
        "_is_about_count",
        "_is_climbing",
        "_is_paced",
        "_latency",
        "_left_at",
        "_limits",
        "_rate",
        "_sent_at",
        "_served_at_once",
        "_told_left",
        "_trouble",
        "bound",
        "in_flight",
        "is_probing",
        "left",
        "opens_at",
        "requests",
        "storm",
    )

    def __init__(self, bounds: Bounds, limits: Limits) -> None:
        self._limits = limits
        self._bounds = bounds
        self.bound = bounds.start  # requests at once, as learned
        self.in_flight = 0
        self.requests = 0  # so far
        self.opens_at = 0.0  # when the next request may go: the gate, or the spacing
        self._sent_at = self._began = -math.inf  # the last request and the first
        self.is_probing = False  # after push-back: one at a time until an answer
        self.storm = 0  # push-backs heeded
        self._caution = 1
        self._empties = 0  # answers in a row, each asked after the one before, with which it said that nothing is left
        self._emptied_at = 0.0  # the last of them
        self.left = PLENTY  # requests that may be out, by what the host says is left ...
        self._told_left = PLENTY  # ... as it was put, ...
        self._left_at = -math.inf  # ... then
        self._good_answers = 0  # since the bound last changed, with the bound in use
        self._served_at_once = 0  # the most that were out when one was sent that was answered well
        self._admitted = 0  # let through since the first request, later since the last push-back
        self._latency = 0.0  # seconds, smoothed; known from the first push-back on
        self._is_about_count = False  # the last push-back was to more at once than were ever served
        self._is_climbing = False  # from its first push-back to the next
        self._is_paced = False  # the last request waited for its turn
        self._trouble: Trouble | None = None  # from the first on, and ...
        self._rate: Rate | None = None  # ... from the first push-back on

    @property
    def room(self) -> int:
        """Requests that may be out at once, now."""
        return 1 if self.is_probing else max(1, min(self.bound, self.left))

    @property
    def cap(self) -> int:
        """Requests at once that the bound may grow to."""
        return self._bounds.cap

    @property
    def gap(self) -> float:
        """Seconds between two requests, by hand."""
        return self._bounds.gap

    @property
    def ran_out(self) -> bool:
        """Whether it has said with a good answer that nothing was left for a while."""
        return self._emptied_at > 0

    @property
    def is_set(self) -> bool:
        """Whether requests at once are not learned: where it starts it stays."""
        return self._bounds.start >= self._bounds.cap

    @property
    def wants_control(self) -> bool:
        """Whether the next probe should be a request that was answered well before: if it is again, it is not the host
        that fails but its pages. Every other one: that page may have gone, too."""
        return self.is_probing and self._trouble is not None and self._trouble.wants_control

    @property
    def wants_comparison(self) -> bool:
        """Whether the same is true of the last page that waits, which was pushed back with nothing else out: if what
        was answered well before still is, it may be what this page is always answered."""
        trouble = self._trouble
        return trouble is not None and 0 < trouble.lone < LONE_TIMES and not trouble.is_compared

    @property
    def is_calm(self) -> bool:
        """Whether a request would meet no more than half the load that the host stands."""
        return self.in_flight < max(1, self.bound // 2)

    @property
    def served_well(self) -> bool:
        """Whether it has given a good answer, ever."""
        return self._served_at_once > 0

    @property
    def is_outage(self) -> bool:
        """Whether it answered, and then could not be connected to any more, or answered nothing well."""
        return self._trouble is not None and self._trouble.is_outage

    @property
    def is_overloaded(self) -> bool:
        """Whether it answers nothing well: 503s without a word, or resets."""
        return self._trouble is not None and self._trouble.is_overloaded

    @property
    def rounds(self) -> int:
        """Push-backs heeded since the last answer."""
        return 0 if self._trouble is None else self._trouble.rounds

    @property
    def push_backs(self) -> Counter[str] | None:
        """By their kind; None where there were none."""
        return None if self._trouble is None else self._trouble.push_backs

    @property
    def learned_rate(self) -> float | None:
        """Requests a second that the host lets through; None where that was not what it minded."""
        return None if self._rate is None else self._rate.value

    def narrow(self, bounds: Bounds) -> None:
        """Keep within `bounds` as well: the strictest of what its hosts' rules say holds for a group."""
        own = self._bounds
        self._bounds = Bounds(
            start=min(own.start, bounds.start),
            cap=min(own.cap, bounds.cap),
            gap=max(own.gap, bounds.gap),
            doubles=own.doubles and bounds.doubles,
        )
        self.bound = min(self.bound, bounds.cap)
        if self.gap:
            self.opens_at = max(self.opens_at, self._sent_at + self.gap)

    def join(self, other: Pace) -> None:
        """Stand for `other` too from now on: its bounds, its gate, and what is out under it."""
        self._sent_at = max(self._sent_at, other._sent_at)
        self.opens_at = max(self.opens_at, other.opens_at)
        self.narrow(other._bounds)
        self.in_flight += other.in_flight
        self.requests += other.requests

    def sent(self, now: float) -> int:
        """One more is out. Gives its level: how many are out with it, at once."""
        self.in_flight += 1
        self.requests += 1
        if self._began < 0:
            self._began = now
        self._sent_at = now
        if self._trouble is not None or self._bounds.gap:
            self._space(now)
        return self.in_flight

    @property
    def _is_wary(self) -> bool:
        """Whether requests are kept apart: it has pushed back, or answered 503 among the last answers."""
        return self.storm > 0 or (self._trouble is not None and self._trouble.loss_share > 0)

    def _space(self, now: float) -> None:
        if not self._is_wary and not self.gap:
            return
        interval = self._interval()
        self._is_paced = now - self.opens_at <= interval
        late_by = LATENESS if self._rate is not None and self._rate.is_bursty else 0.0
        self.opens_at = max(now + self.gap, max(self.opens_at, now - late_by) + interval)

    def rest(self) -> None:
        """What goes next decides whether its page fails: not too close behind what went last."""
        if self._is_wary:
            self.opens_at = max(self.opens_at, self._sent_at + REST * self._interval())

    def _interval(self) -> float:
        rate = self.learned_rate
        if rate is not None:
            return 1 / rate
        if not self._is_wary or self._trouble is None:
            return 0.0
        # Also after a single 503: two at the same moment may be more than a strict limit lets through. Where it is not
        # known that there is one, half the distance leaves the bound in use, whatever the latency does.
        is_limited = self._trouble.states or self._caution > CAUTION_AFTER_LOSS
        return (1.0 if is_limited else SPREAD) * self._latency / self.bound

    # -- answers; in_flight is lowered by the caller first

    def good(self, now: float, ticket: Ticket, elapsed: float, *, is_first: bool = True) -> None:
        """A good answer, which took `elapsed` seconds. `is_first`: its page has never failed."""
        if self._trouble is not None:
            self._recover(self._trouble, now, ticket, is_first=is_first)
            self._trouble.doubt.served(ticket.level)
        elif self.is_probing and ticket.sent_at >= self._emptied_at:
            self.is_probing = False
        self._admitted += 1
        if ticket.level > self._served_at_once and ticket.storm == self.storm:
            self._served_at_once = ticket.level
        is_bound_in_use = self.in_flight >= self.bound - 1
        if (is_bound_in_use or (self._is_climbing and self._is_paced)) and self.bound < self._bounds.cap:
            self._good_answers += 1
            if self._is_climbing:
                if self._good_answers >= self.bound:
                    self._good_answers = 0
                    self.bound = min(self._bounds.cap, self.bound + max(1, self.bound // CLIMB))
            elif self._good_answers >= self.bound * self._caution or (self._bounds.doubles and self._trouble is None):
                self._good_answers = 0
                self.bound += 1
        if self._trouble is not None and self._is_wary:
            self._latency += (elapsed - self._latency) * 0.2
            if self._rate is not None:
                # With one at once, whichever takes longer holds it back: the answer, or the spacing.
                is_held_back = is_bound_in_use and (self.bound > 1 or elapsed > self._interval())
                if self._is_paced and not is_held_back:
                    self._rate.speed_up(
                        now, ticket.sent_at, self._trouble.pushed_at, self._trouble.closed + self._latency
                    )
                    if self._rate.has_grown():
                        self._trouble.count.grew(self.requests, now)
                self._rate.answered(now)
        elif self._good_answers == 0:
            self._latency = elapsed

    def _recover(self, trouble: Trouble, now: float, ticket: Ticket, *, is_first: bool) -> None:
        """What a good answer says where there was trouble before."""
        is_news = ticket.storm == self.storm
        if trouble.lone > 0:
            is_soon = ticket.sent_at <= trouble.pushed_at + LONE_WITHIN * self._limits.first_wait
            if ticket.is_control and is_soon and self.wants_comparison:
                trouble.is_compared = True
                rest = self._limits.first_wait * 2.0 ** min(trouble.lone, LONE_TIMES - 1)
                self.opens_at = max(self.opens_at, now + rest)
            else:
                trouble.lone = NEVER_LONE
        if trouble.is_outage:
            if is_news and trouble.unlearned is not None and trouble.closed >= 2 * self._limits.first_wait:
                # It failed a single request too, after a rest: what was learned when that began was nothing.
                rate, self.bound = trouble.unlearned
                if self._rate is not None:
                    self._rate.unlearn(rate)
            if ticket.is_control:
                trouble.controls += 1
                if trouble.rounds == 1:
                    trouble.blame.closed_for_nothing()
        # What was sent before the last push-back says nothing of the time after it, unless it was too many at once that
        # the host minded, or what was sent after a failed one is answered well.
        if is_news or self._is_about_count or (trouble.is_outage and ticket.sent_at > trouble.lost_sent_at):
            trouble.is_over()
            if self.is_probing:
                trouble.count.opened(self.requests, now, self.bound)
            self.is_probing = ticket.sent_at < self._emptied_at
            self._is_about_count = False
        trouble.answered_well(now, ticket.sent_at, is_first=is_first, is_control=ticket.is_control)

    def error(self, ticket: Ticket) -> None:
        """An answer, or a failure, that says nothing of load."""
        self._admitted += 1
        if ticket.storm == self.storm and not self.is_overloaded:
            self.is_probing = False
            if self._trouble is not None:
                self._trouble.rounds = 0
                self._trouble.is_outage = False

    def doubt(self, kind: str) -> None:
        """What `overload` is, to a HEAD: GET will tell."""
        if self.served_well:
            self._troubled().push_backs[kind] += 1

    def stall(self, kind: str, failed_at: float | None) -> None:
        """A time-out after the connection stood: it may be the page. `failed_at`: see `overload`."""
        trouble = self._troubled()
        trouble.count.turned_away(self.requests)
        if trouble.blame.is_the_pages_own(failed_at):
            trouble.push_backs[kind] += 1
            return
        self._lose(trouble, kind)
        if trouble.lost():
            # Not below the start: a few pages that hang would bring all the others of their host to a standstill.
            self.bound = max(self.bound // 2, min(self.bound, self._bounds.start))

    def overload(self, now: float, kind: str, ticket: Ticket, failed_at: float | None = None) -> bool:
        """A 503 that names no time, or a reset, from a host that answered well before: is it asked too much, or is it
        the page? Many of them are push-back (nginx's limit_req says nothing else).

        `failed_at`: when that was sent to which the same page failed before (None: nothing). If the host answered well
        what was sent next, the page is to blame; where that is so of a later try, it is no sign of load either.
        Gives whether the failure says nothing about its URL.
        """
        trouble = self._troubled()
        trouble.count.turned_away(ticket.number)
        is_own = trouble.blame.is_the_pages_own(failed_at)
        if is_own:
            trouble.pushed_at = now  # load or not: nothing is speeded up meanwhile
        if ticket.storm != self.storm or is_own:
            trouble.push_backs[kind] += 1
            return not is_own
        if self.is_probing:
            trouble.begin_outage(now, self._limits.overload_patience, is_overloaded=True)
            trouble.lost_sent_at = ticket.sent_at
            self._close(trouble, now, kind, None)
            return True
        if failed_at is None:
            trouble.blame.failed_first()
        if trouble.overloaded():
            rate = self._rated()
            trouble.unlearned = rate.learned(), self.bound
            if not trouble.states:
                self._learn(ticket)
            self._close(trouble, now, kind, None)  # for a short while, as after too many at once: it may be no outage
            trouble.begin_outage(now, self._limits.overload_patience, is_overloaded=True)
            trouble.lost_sent_at = ticket.sent_at
            return True
        self._lose(trouble, kind)
        if self._rate is not None and not trouble.states and trouble.loss_share >= LEAST_LOSS_SHARE:
            self._rate.lost(now, ticket.sent_at)
        return True

    def unreached(self, now: float, kind: str, ticket: Ticket) -> None:
        """A connection that failed, to a host that answered before."""
        trouble = self._troubled()
        trouble.count.turned_away(ticket.number)
        if ticket.storm != self.storm:
            trouble.push_backs[kind] += 1
        elif trouble.is_outage:
            self._close(trouble, now, kind, None)
        elif not trouble.lost():
            self._lose(trouble, kind)
        else:
            self.bound = max(1, self.bound // 2)
            trouble.begin_outage(now, self._limits.outage_patience, is_overloaded=False)
            trouble.unlearned = None
            trouble.lost_sent_at = now
            self._close(trouble, now, kind, None)

    def not_compared(self) -> None:
        """What was to be held against a page that is pushed back was not answered well."""
        if self._trouble is not None and self._trouble.lone > 0:
            self._trouble.lone = NEVER_LONE

    def control_failed(self, now: float, kind: str) -> None:
        """What was answered well before is not any more: it is the host."""
        self._close(self._troubled(), now, kind, None)

    def push_back(self, now: float, kind: str, ticket: Ticket, wait: float | None) -> bool:
        """The host says that it is asked too much, and to wait so many seconds (None: does not say).

        Gives whether it is no limit, but what this page is always answered: pushed back with nothing else out, after
        longer and longer rests, while another was answered well right after it each time."""
        trouble, rate = self._troubled(), self._rated()
        trouble.states = True
        is_of_cycle = trouble.count.turned_away(ticket.number)
        if wait is not None and wait > self._limits.patience and trouble.overstates:
            wait = None
        if ticket.storm != self.storm:  # one more of a storm that is being heeded
            trouble.push_backs[kind] += 1
            if not is_of_cycle:
                rate.one_less()
            if wait is not None:
                self.shut(now, wait)
            return False
        is_compared, trouble.is_compared = trouble.is_compared, False
        if trouble.lone >= 0:
            # When a time is named, that is for the page to be asked at, and not for another that may take its place.
            is_alone = ticket.level == 1 and not ticket.is_control and wait is None
            if is_alone and (is_compared or not trouble.lone or trouble.lone >= LONE_TIMES):
                trouble.lone += 1
            elif trouble.lone:
                trouble.lone = NEVER_LONE
        trouble.losses = 0
        trouble.is_outage = trouble.is_overloaded = False
        if trouble.rounds == 0 and trouble.lone <= 1:
            self._learn(ticket, says_when=wait is not None)
        elif wait is None:
            rate.pushed_back_again(trouble.closed)
        self._close(trouble, now, kind, wait)
        self._is_about_count = self._is_about_count and wait is None
        return trouble.lone >= LONE_TIMES

    def told_left(self, now: float, sent_at: float, remaining: int, seconds: float) -> None:
        """With a good answer, to what was sent at `sent_at`, the host says how much is left for so many seconds.

        No more are out than are left: some of these may not be counted yet. When nothing is, the gate closes, and a
        probe goes first when it opens.

        Nothing is, each time, and yet it answers: some put that on every answer. It is obeyed `EMPTIES_OBEYED` times,
        and then less and less; a single push-back, and it is believed for good."""
        if remaining > 0:
            if sent_at >= self._emptied_at:
                self._empties = 0
                self._told_of(now, sent_at, remaining)
            return
        if sent_at >= self._emptied_at:
            self._empties += 1
            self._emptied_at = now
        is_believed = self._empties <= EMPTIES_OBEYED or (self._trouble is not None and self._trouble.states)
        if is_believed:
            self.is_probing = True
        else:
            seconds /= EMPTIES_DISBELIEF ** min(16, self._empties - EMPTIES_OBEYED)
        self.left = PLENTY
        self.shut(now, seconds)

    def _told_of(self, now: float, sent_at: float, remaining: int) -> None:
        """Answers overtake each other: what was out when so few were left cannot tell of more."""
        if sent_at >= self._left_at:
            self.left = min(PLENTY, 2 * self.left) if remaining == self._told_left else remaining  # no countdown
        elif remaining < self.left:
            self.left = remaining
        else:
            return
        self._told_left = remaining
        self._left_at = now

    def told_nothing(self) -> None:
        """A good answer states no allowance: there may be none any more."""
        self.left = min(PLENTY, 2 * self.left)

    def shut(self, now: float, wait: float) -> None:
        """Close the gate for `wait` seconds, `patience` at most: the host has said so."""
        if self._trouble is not None:
            self._trouble.told_until = max(self._trouble.told_until, now + wait)
        self.opens_at = max(self.opens_at, now + min(wait, self._limits.patience))

    def is_given_up(self, now: float) -> bool:
        """Whether patience has ended: push-back or no connection, and nothing else, for as long as it goes."""
        return self._trouble is not None and self._trouble.is_given_up(now)

    def begin_anew(self) -> None:
        """After it was given up, for URLs that come much later: one is asked, as a probe."""
        self.is_probing = True
        if self._trouble is not None:
            self._trouble.rounds = 0

    def _troubled(self) -> Trouble:
        if self._trouble is None:
            self._trouble = Trouble(self._limits, self._began, self._admitted)
        return self._trouble

    def _rated(self) -> Rate:
        if self._rate is None:
            self._rate = Rate(self._limits.longest_wait)
        return self._rate

    def _lose(self, trouble: Trouble, kind: str) -> None:
        trouble.push_backs[kind] += 1
        is_there_again = self.bound == trouble.lost_at and self._good_answers <= 2 * self.bound
        trouble.lost_at = self.bound
        trouble.lost_again = trouble.lost_again + 1 if is_there_again else 0
        # Once more may be chance; again and again it is one too many.
        self._caution = min(MOST_CAUTION, self._caution * 2) if trouble.lost_again > 1 else CAUTION_AFTER_LOSS
        self.bound = max(1, self.bound - 1)

    def _close(self, trouble: Trouble, now: float, kind: str, wait: float | None) -> None:
        trouble.heeded(now, kind)
        self.storm += 1
        self.is_probing = True
        limits = self._limits
        first = limits.first_wait
        rate = self.learned_rate
        if rate is not None:
            first = min(first, GATE_INTERVALS / rate)
        elif self._latency and not trouble.is_outage:
            first = min(first, GATE_INTERVALS * self._latency / self.bound)
        closed = min(limits.longest_wait, first * 2.0 ** min(trouble.rounds - 1, 64))
        if wait is not None:
            closed = max(closed, wait)
            trouble.told_until = now + wait
        trouble.closed = closed
        # The last probe goes just when patience ends.
        self.opens_at = max(self.opens_at, min(now + closed, max(now, trouble.patience_ends_at)))

    def _learn(self, ticket: Ticket, *, says_when: bool = False) -> None:
        """The first push-back after good answers: what does the host mind?"""
        rate, trouble = self._rated(), self._troubled()
        cycle = trouble.count.end(ticket.number, ticket.sent_at)
        self._good_answers = 0
        self._is_about_count = self._minds_number(rate, trouble, ticket.level, says_when=says_when)
        self._is_climbing = self.storm == 0
        if self._is_about_count:
            self._served_at_once = min(self._served_at_once, ticket.level - 1)
            self.bound = min(self.bound, ticket.level - 1)
            self._caution = min(MOST_CAUTION, self._caution * 2)
            rate.took_in(cycle)
            if trouble.doubt.minds_number:
                rate.forget()
        elif cycle.let_through > 0:
            interval = self._interval()
            asked_at = 1 / interval if interval else ticket.level / self._latency if self._latency else 0.0
            if rate.value is None and self.bound != trouble.count.bound_then:
                rate.is_steady = False
                if cycle.admitted_since >= ROUNDS_FOR_RATE * self.bound and 0 < trouble.count.bound_then < self.bound:
                    # The bound went well that this one was reached from.
                    rate.went_well(asked_at * min(1 - 1 / self.bound, CLIMB / (CLIMB + 1)))
            rate.pushed_back(cycle, asked_at)
        else:
            self.bound = max(1, self.bound // 2)
        self._admitted = 0

    def _minds_number(self, rate: Rate, trouble: Trouble, level: int, *, says_when: bool) -> bool:
        """Whether this push-back is about requests at once, and not about the rate."""
        doubt = trouble.doubt
        if doubt.is_open:
            return doubt.end() and level > 1
        if self.storm == 0:
            is_late = self._admitted > 0
        else:  # who says when to come again has a clock in mind
            rounds = 1 if self._is_climbing else ROUNDS_FOR_COUNT
            is_late = not says_when and self._admitted >= rounds * self.bound and not rate.is_at_ceiling()
        if level == 1 or not is_late or level < self._served_at_once or doubt.minds_number is False:
            return False
        if doubt.minds_number is None and self._caution > MOST_CERTAIN:
            doubt.begin(level)
            return False
        return True
