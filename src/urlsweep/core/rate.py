"""How many requests a second a host lets through, learned from its push-backs.

Contract: pure; made at a host's first trouble, told of each push-back that is about the rate and of good answers since.
Not in here: what push-backs say of a token bucket (`bucket`); whether push-back is about the rate or about requests at
once, and the gate that it closes (`pace`).

Two marks are kept: the highest rate that went well, and the last one that was too much. The limit is between them, and
the pace goes just under the lower one: a bucket without room for a burst answers at once for what is a hair too much,
and where push-back names whole seconds each one costs a second. From there the pace creeps up to where it is pushed
back, which tells the limit exactly. The nearer the two marks are, the later and the slower: less is to be won.

Where no rate is known to go well, the pace starts between what was let through and what was asked, and grows in steps.
Where what went well does not any more, it was a burst that went well, or it is chance: two requests that came closer
together than they were sent. The bucket that explains the last push-backs tells which.
"""

from __future__ import annotations

import math
from typing import Final

from urlsweep.core.bucket import Bucket, Cycle

JUST_UNDER: Final = 0.98
"""The part of a known rate that is asked at: two in a hundred are less than what push-back would cost."""

STEP: Final = 1.25
STEP_REQUESTS: Final = 4
MOST_STEP_REQUESTS: Final = 10
"""Where no rate is known to go well, the pace grows by a quarter every four answers to what was sent since, or, with a
bucket that holds more than that, every ten: it forgives as many, ..."""

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

GROWN: Final = 1.04
"""From one mark in a cycle's count to the next: so much faster."""

QUIET_REQUESTS: Final = 66.0
"""A rate that goes well for so many requests goes well: then three in a hundred are never pushed back."""
LONGEST_HOLD: Final = 30.0
"""No rate is held for more seconds than that."""

SHORTEST_HOLD: Final = 2.0
"""For a host that stands bursts: doubles with every push-back at about the same rate, ..."""
SAME_RATE: Final = 1.05
"""... to within this factor."""

LESS_BY_CHANCE: Final = 0.95
MOST_CHANCES: Final = 4
"""Of a rate that went well, after push-back so soon that it is chance: requests come by so much closer together, now
and then. By twice as much with each that follows so soon, up to so many times."""
FEWEST_TO_TELL: Final = 3
"""Requests let through since the gate opened, with which one can tell chance from a rate that is too much."""

LEAST_AFTER_GROWTH: Final = 0.8
"""Of a rate that was crept up to, that is the most a bucket can have forgiven."""

LESS_AFTER_LOSS: Final = 0.9
"""Of a rate that is not known to go well, after a 503 among good answers: one too many, or a bad page."""

LONGEST_INTERVAL: Final = 5.0
"""Seconds between two requests that a learned rate comes down to. Slower limits are kept by gates, which end; one URL
that is always pushed back, behind a redirect that is not, would bring its host's rate down for ever."""


class Rate:
    """One host's, as learned so far."""

    __slots__ = (
        "_bucket",
        "_ceiling",
        "_chances",
        "_grown_at",
        "_hold",
        "_is_stepping",
        "_lowered_at",
        "_marked",
        "_slowest",
        "_step_requests",
        "_stepped_at",
        "_steps",
        "_sustained",
        "_width",
        "is_bursty",
        "is_steady",
        "value",
    )

    def __init__(self, longest_wait: float) -> None:
        """`longest_wait`: seconds that a gate of our own stays closed."""
        self._slowest = 1 / min(LONGEST_INTERVAL, longest_wait)
        self.value: float | None = None  # requests a second, from the first push-back on that was about them
        self._bucket = Bucket()
        self.is_bursty = False  # its bucket is never full: what is let through between two push-backs is its rate
        self.is_steady = True  # it has been asked at the same rate since the last push-back
        self._ceiling = math.inf  # the last rate that was too much
        self._sustained = 0.0  # the highest rate that went well; 0: none is known to
        self._width = NARROWEST  # between the two, as a share
        self._hold = SHORTEST_HOLD
        self._chances = 0  # push-backs in a row by chance, each soon after the one before
        self._grown_at = 0.0
        self._marked = 0.0  # the rate at the last mark in the cycle's count
        self._is_stepping = False  # no rate is known to go well
        self._step_requests = float(STEP_REQUESTS)
        self._steps = 0  # answers since the last step
        self._stepped_at = -math.inf  # the last step
        self._lowered_at = -math.inf  # after a 503 among good answers

    # -- push-backs

    def took_in(self, cycle: Cycle) -> None:
        """Push-back that is about the number at once has ended `cycle`."""
        self._bucket.add(cycle)

    def forget(self) -> None:
        """It was the number at once that the host minded, each time."""
        self.value = None
        self._ceiling = math.inf
        self._sustained = 0.0

    def one_less(self) -> None:
        """One request that was taken for let through before the last push-back was pushed back, too."""
        self._bucket.one_less()

    def went_well(self, rate: float) -> None:
        """So many a second did, in the cycle that is ending, before anything is known of a rate."""
        self._sustained = rate

    def pushed_back(self, cycle: Cycle, asked_at: float) -> None:
        """The host minds `asked_at` requests a second, and has let `cycle` through."""
        bucket = self._bucket
        let_through = cycle.let_through
        asked_at = max(asked_at, let_through)
        is_confirmed = self._ceiling / SAME_RATE <= asked_at <= self._ceiling * SAME_RATE
        self._hold = min(LONGEST_HOLD, self._hold * 2) if is_confirmed else SHORTEST_HOLD
        is_soon = cycle.admitted < QUIET_REQUESTS
        most = bucket.most_if_full(cycle, asked_at) if self.is_steady else asked_at
        self.is_bursty = bucket.lets_through_as_ever(cycle) and (self.is_bursty or most is None)
        bucket.add(cycle)
        likely = bucket.likely(cycle, asked_at)
        self._is_stepping = False
        if not is_soon:
            self._chances = 0
        if self.is_bursty:
            aim = self._sustained = max(let_through, bucket.let_through)
        elif asked_at <= self._sustained:
            aim = self._sustained = self._aim_again(cycle, asked_at, most, likely, is_soon=is_soon)
        elif most is not None and min(self._sustained, most) > let_through:
            aim = self._sustained = self._aim_below(cycle, min(self._sustained, most), likely)
        else:
            self._sustained = 0.0
            self._is_stepping = True
            aim = math.sqrt(let_through * (most or let_through))
        self.value = self._marked = max(JUST_UNDER * aim, self._slowest)
        self._ceiling = asked_at
        self._width = self._width_below(cycle, asked_at, likely)
        self._step_requests = max(STEP_REQUESTS, min(bucket.most_held, MOST_STEP_REQUESTS))
        self._steps = 0
        self.is_steady = True

    def _aim_again(self, cycle: Cycle, asked_at: float, most: float | None, likely: float, *, is_soon: bool) -> float:
        """What goes well, where `asked_at` did and does not any more."""
        let_through = cycle.let_through
        if self.is_steady and is_soon:
            self._chances += 1
            by_chance = asked_at * math.pow(LESS_BY_CHANCE, 1 << min(self._chances, MOST_CHANCES) - 1)
            if most is None or cycle.admitted_since < FEWEST_TO_TELL:
                return max(let_through, by_chance)
            return max(let_through, min(by_chance, math.sqrt(asked_at * likely), most))
        if most is not None and most < asked_at:
            likely = self._bucket.likely(cycle, most)
        return max(let_through, likely, asked_at * LEAST_AFTER_GROWTH)

    def _aim_below(self, cycle: Cycle, sustained: float, likely: float) -> float:
        """What goes well, where `sustained` seems to."""
        if self._bucket.held_at(sustained, cycle) > STEP_REQUESTS / 2:
            return min(sustained, likely)
        return sustained

    def _width_below(self, cycle: Cycle, asked_at: float, likely: float) -> float:
        """How far apart the two marks are."""
        most = asked_at
        if self._bucket.held_at(self._sustained, cycle) > STEP_REQUESTS / 2:
            # What is known of the bucket tells more than what it has forgiven, to within a few requests.
            known = max(self._sustained, likely)
            most = min(most, known * (1 + 3 / max(1, cycle.admitted_since)))
        return min(WIDEST, max(NARROWEST, 1 - self._sustained / most)) if most > 0 else WIDEST

    def pushed_back_again(self, closed: float) -> None:
        """The probe that went after the gate had been closed for so many seconds was pushed back, too."""
        if self._sustained * closed > 1:
            self.is_bursty = True  # not even one after such a pause: what went well before was a burst

    # -- 503s among good answers

    def lost(self, now: float, sent_at: float) -> None:
        """A 503 among good answers, to what was sent at `sent_at`. One of several that were out together counts."""
        if self.value is not None and sent_at >= self._lowered_at:
            rate = self.value
            is_known = self._sustained * SAME_RATE >= rate
            self.value = max(rate * (JUST_UNDER if is_known else LESS_AFTER_LOSS), self._slowest)
            self._lowered_at = now  # and is held from then on
            self._ceiling = min(self._ceiling, rate)
            self._sustained = min(self._sustained, rate)
            self._width = NARROWEST if is_known else WIDEST
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

    # -- good answers

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
            if self._steps >= self._step_requests:
                self._steps = 0
                self._stepped_at = now
                self._sustained = max(self._sustained, rate)
                self.value = rate * STEP
                self.is_steady = False
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
        self.is_steady = False
        creep = min(STEEPEST_CREEP, start * 2.0 ** min(64.0, quiet / CREEP_DOUBLES))
        used = min(now - self._grown_at, 2 / rate)
        self.value = rate = rate * (1 + min(creep * used, STEP - 1))
        if rate > self._ceiling * SAME_RATE:
            self._ceiling = rate * STEP  # that was not too much after all

    def has_grown(self) -> bool:
        """Whether it is worth a mark in the cycle's count, since the last one."""
        if self.value is None or self.value <= self._marked * GROWN:
            return False
        self._marked = self.value
        return True
