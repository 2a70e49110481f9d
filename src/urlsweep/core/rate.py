"""How many requests a second a host lets through, learned from its push-backs.

Contract: pure; made at a host's first trouble, told of each push-back that is about the rate and of good answers since.
Not in here: whether push-back is about the rate or about requests at once, and the gate that it closes (see `pace`).

Two marks are kept: the highest rate that went well, and the last one that was too much. The limit is between them, and
the pace goes just under the lower one: a bucket without room for a burst answers at once for what is a hair too much,
and where push-back names whole seconds each one costs a second. From there the pace creeps up to where it is pushed
back, which tells the limit exactly. The nearer the two marks are, the later and the slower: less is to be won.

Where no rate is known to go well, the pace starts between what was let through (a token bucket is empty at each
push-back: what it let through since the one before is at most its rate) and what was asked, and grows in steps. Where
what went well does not any more, it was a burst that went well, and what was let through is the rate; or it is chance:
two requests that came closer together than they were sent. Bursts are told by how little is let through, or by
just as much being let through again.
"""

from __future__ import annotations

import math
from typing import Final

JUST_UNDER: Final = 0.98
"""The part of a known rate that is asked at: two in a hundred are less than what push-back would cost."""

STEP: Final = 1.25
STEP_REQUESTS: Final = 4
"""Where no rate is known to go well, the pace grows by a quarter every four answers to what was sent since, ..."""

NEAR: Final = 0.95
"""... not beyond this part of a rate that was too much."""

NARROWEST: Final = 0.03
WIDEST: Final = 0.25
"""How far apart the two marks are taken to be, as a share: with jitter, no nearer than the margin that is kept and the
overshoot; and no farther than a step. The pace is held for what push-back costs divided by that share, by when half of
it would have made good for the cost, and crosses it in the same time again, ..."""

CREEP: Final = 0.005
"""... by this share of itself a second at least, and by twice as much with every `CREEP_DOUBLES` seconds that bring no
push-back: the limit may be gone."""
CREEP_DOUBLES: Final = 8.0
STEEPEST_CREEP: Final = 0.25

BURSTY_CREEP: Final = 0.03
"""The same for a host that stands bursts: a bucket that is not empty forgives a while above its rate."""

BURST: Final = 0.5
"""No more than this part of a rate that went well was let through until it was pushed back: perhaps that was a burst.
It is one if as much is let through as the last time, or ..."""
CREDIBLE: Final = 4.0
"""... so many times less in fewer than `QUIET_REQUESTS`; by chance that is rare."""

QUIET_REQUESTS: Final = 66.0
"""A rate that goes well for so many requests goes well: then three in a hundred are never pushed back."""
LONGEST_HOLD: Final = 30.0
"""No rate is held for more seconds than that."""

SHORTEST_HOLD: Final = 2.0
"""For a host that stands bursts: doubles with every push-back at about the same rate, ..."""
SAME_RATE: Final = 1.05
"""... to within this factor."""

LESS_BY_CHANCE: Final = 0.95
"""Of a rate that went well, after push-back so soon that it is chance: requests come by so much closer together, now
and then."""

LESS_AFTER_LOSS: Final = 0.9
"""Of a rate that is not known to go well, after a 503 among good answers: one too many, or a bad page."""

LONGEST_INTERVAL: Final = 5.0
"""Seconds between two requests that a learned rate comes down to. Slower limits are kept by gates, which end; one URL
that is always pushed back, behind a redirect that is not, would bring its host's rate down for ever."""

FEWEST_TO_TELL: Final = 8
"""Answers between two push-backs that say what rate went well."""

WINDOW: Final = 20.0
"""Seconds of the past that an estimate reaches back at least: older push-backs are forgotten."""


class Rate:
    """One host's, as learned so far."""

    __slots__ = (
        "_admitted_before",
        "_began",
        "_ceiling",
        "_cycle_began",
        "_grown_at",
        "_hold",
        "_is_stepping",
        "_let_through",
        "_lowered_at",
        "_slowest",
        "_stepped_at",
        "_steps",
        "_sustained",
        "_width",
        "is_bursty",
        "value",
    )

    def __init__(self, began: float, longest_wait: float) -> None:
        """`began`: when the host was first asked. `longest_wait`: seconds that a gate of our own stays closed."""
        self._slowest = 1 / min(LONGEST_INTERVAL, longest_wait)
        self.value: float | None = None  # requests a second, from the first push-back on that was about them
        self.is_bursty = False  # it lets bursts through above its rate: higher rates that went well prove nothing
        self._ceiling = math.inf  # the last rate that was too much
        self._sustained = 0.0  # the highest rate that went well
        self._hold = SHORTEST_HOLD
        self._grown_at = 0.0
        self._steps = 0  # answers since the last step
        self._stepped_at = -math.inf  # the last step
        self._is_stepping = False  # no rate is known to go well
        self._width = NARROWEST  # between the two marks, as a share
        self._let_through = 0.0  # a second, at the last push-back
        self._lowered_at = -math.inf  # after a 503 among good answers
        self._began = began  # when the estimate's time began: the first request, later a push-back
        self._admitted_before = 0  # let through from then to ...
        self._cycle_began = began  # ... the last push-back

    def let_through(self, now: float, admitted: int) -> float:
        """Requests a second that the host has let through, at the least; `admitted` since the last push-back."""
        cycle = now - self._cycle_began
        self._admitted_before += admitted
        span = now - self._began
        of_all = self._admitted_before / span if span > 0 else 0.0
        of_cycle = admitted / cycle if cycle > 0 and admitted >= FEWEST_TO_TELL else 0.0
        return max(of_all, of_cycle)

    def begin_cycle(self, now: float, *, is_first: bool) -> None:
        """What is let through counts from this push-back on."""
        self._cycle_began = now
        if is_first or now - self._began >= WINDOW:
            self._began = now
            self._admitted_before = 0

    def went_well(self, let_through: float) -> None:
        """So many a second did, before anything is known of a rate: push-back was to too many at once, or to more."""
        if self.value is None:
            self._sustained = let_through

    def pushed_back(self, let_through: float, asked_at: float, admitted: int) -> None:
        """The host let through `let_through` a second, at the least, and minds `asked_at`; `admitted` since the last
        push-back."""
        is_confirmed = self._ceiling / SAME_RATE <= asked_at <= self._ceiling * SAME_RATE
        self._hold = min(LONGEST_HOLD, self._hold * 2) if is_confirmed else SHORTEST_HOLD
        is_soon = admitted < QUIET_REQUESTS
        had_gone_well = asked_at <= self._sustained
        let_the_same = self._let_through / SAME_RATE <= let_through <= self._let_through * SAME_RATE
        self._let_through = let_through
        if self.is_bursty:
            # A bucket that is asked for no more than it lets through is not empty so soon.
            self.is_bursty = not is_soon or asked_at > let_through
        elif had_gone_well and let_through < BURST * asked_at:
            # A bucket is filled while the gate is closed: as far each time, and by little beside what is asked.
            self.is_bursty = let_the_same or (is_soon and let_through < asked_at / CREDIBLE)
        self._is_stepping = not had_gone_well and self._sustained <= let_through
        if had_gone_well:
            is_chance = let_through >= BURST * asked_at
            self._sustained = (asked_at * LESS_BY_CHANCE if is_chance else let_through) if is_soon else asked_at
        if self.is_bursty:
            aim = let_through
        elif self._sustained > let_through:
            aim = self._sustained
        else:
            aim = math.sqrt(let_through * asked_at)
        self._ceiling = asked_at
        self._width = min(WIDEST, max(NARROWEST, 1 - self._sustained / asked_at))
        self.value = max(JUST_UNDER * aim, self._slowest)
        self._steps = 0

    def pushed_back_again(self, closed: float) -> None:
        """The probe that went after the gate had been closed for so many seconds was pushed back, too."""
        if self._sustained * closed > 1:
            self.is_bursty = True  # not even one after such a pause: what went well before was a burst

    def lost(self, now: float, sent_at: float) -> None:
        """A 503 among good answers, to what was sent at `sent_at`. One of several that were out together counts."""
        if self.value is not None and sent_at >= self._lowered_at:
            rate = self.value
            is_known = self._sustained * SAME_RATE >= rate
            self.value = max(rate * (JUST_UNDER if is_known else LESS_AFTER_LOSS), self._slowest)
            self._lowered_at = now  # and is held from then on
            self._ceiling = min(self._ceiling, rate)
            self._sustained = min(self._sustained, rate)
            self._width = NARROWEST
            self._is_stepping = False

    def is_at_ceiling(self) -> bool:
        """Whether push-back now is as before, at about this rate: about it, then, and not about the number at once."""
        return self.value is not None and self.value * SAME_RATE >= self._ceiling

    def learned(self) -> tuple[float | None, float]:
        """What `unlearn` puts back."""
        return self.value, self._ceiling

    def unlearn(self, learned: tuple[float | None, float]) -> None:
        """What was learned since was nothing."""
        self.value, self._ceiling = learned

    def answered(self, now: float) -> None:
        """A good answer has come: what `speed_up` grows by is counted from here."""
        self._grown_at = now

    def speed_up(self, now: float, sent_at: float, pushed_at: float, cost: float) -> None:
        """A good answer to a request that waited for its turn, sent at `sent_at`: the rate is in use. The last
        push-back was at `pushed_at`, and cost `cost` seconds without requests."""
        rate = self.value
        if rate is None:
            return
        if self._is_stepping and rate * STEP <= NEAR * self._ceiling and not self.is_bursty:
            if sent_at >= self._stepped_at:
                self._steps += 1
            if self._steps >= STEP_REQUESTS:
                self._steps = 0
                self._stepped_at = now
                self._sustained = max(self._sustained, rate)
                self.value = rate * STEP
            return
        if self.is_bursty:
            hold, start = self._hold, BURSTY_CREEP
        else:
            hold = max(min(LONGEST_HOLD, cost / self._width), min(self._hold, QUIET_REQUESTS / rate))
            start = max(CREEP, self._width / hold)
        quiet = now - max(pushed_at, self._lowered_at) - hold
        if quiet < 0:
            return
        self._sustained = max(self._sustained, rate)
        creep = min(STEEPEST_CREEP, start * 2.0 ** min(64.0, quiet / CREEP_DOUBLES))
        used = min(now - self._grown_at, 2 / rate)
        self.value = rate = rate * (1 + min(creep * used, STEP - 1))
        if rate > self._ceiling * SAME_RATE:
            self._ceiling = rate * STEP  # that was not too much after all
