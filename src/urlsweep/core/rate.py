"""How many requests a second a host lets through, learned from its push-backs.

Contract: pure; made at a host's first trouble, told of each push-back that is about the rate and of good answers since.
Not in here: whether push-back is about the rate or about requests at once, and the gate that it closes (see `pace`).

A token bucket is empty at each push-back, so what it let through between two of them, divided by the time, is at most
its rate and mostly just that; the rate asked at when it pushed back was above it. The pace goes between the two, and
then up: in steps while it is far below the rate that was too much, by small shares of it otherwise.
"""

from __future__ import annotations

import math
from typing import Final

JUST_UNDER: Final = 0.97
"""The part of an estimated rate that is asked at: three in a hundred are less than what push-back would cost."""

STEP: Final = 1.25
STEP_REQUESTS: Final = 4
"""Far below the rate that was too much, the pace grows by a quarter every four answers, ..."""

NEAR: Final = 0.95
FARTHEST: Final = 0.8
"""... up to this part of it, and to twice as far below it with every push-back at about the same rate; ..."""

CREEP: Final = 0.01
"""... from there on, after a while, by this share of it a second, twice that with every `CREEP_DOUBLES` seconds that
bring no push-back: the limit may be gone."""

CREEP_A_HOLD: Final = 0.03
"""Or by this share in as long as the rate was held: at a fast host push-back that costs a few requests is made good."""

BURSTY_CREEP: Final = 0.03
"""The same for a host that stands bursts: a bucket that is not empty forgives a while above its rate."""

CREEP_DOUBLES: Final = 8.0
STEEPEST_CREEP: Final = 0.25

BURST: Final = 0.75
"""Pushed back at less than this part of a rate that went well before: that was a burst."""

HOLD_PER_WAIT: Final = 20.0
"""A rate is held, before it creeps up, for so many times as long as the gate was closed: not more than a twentieth of
the time is to be spent there. And for ..."""

QUIET_REQUESTS: Final = 66.0
"""... so many requests: then three in a hundred are never pushed back. ..."""
LONGEST_HOLD: Final = 30.0
"""... But no more seconds than that."""

SHORTEST_HOLD: Final = 2.0
"""The same for a host that stands bursts: doubles with every push-back at about the same rate, ..."""
SAME_RATE: Final = 1.1
"""... to within this factor."""

CREDIBLE: Final = 4.0
"""A rate that went well for a while counts for nothing where so many times less was let through over a longer time."""

LESS_AFTER_LOSS: Final = 0.9
"""Of a rate, after a 503 among good answers: one too many, or a bad page."""

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
        "_lowered_at",
        "_near",
        "_slowest",
        "_steps",
        "_sustained",
        "is_bursty",
        "value",
    )

    def __init__(self, began: float, longest_wait: float) -> None:
        """`began`: when the host was first asked. `longest_wait`: seconds that a gate of our own stays closed."""
        self._slowest = 1 / min(LONGEST_INTERVAL, longest_wait)
        self.value: float | None = None  # requests a second, from the first push-back on that was about them
        self.is_bursty = False  # it lets bursts through above its rate: higher rates that went well prove nothing
        self._ceiling = math.inf  # a rate that was too much
        self._near = NEAR  # how far up to the ceiling the pace grows in steps
        self._sustained = 0.0  # the highest rate that a step was taken from
        self._hold = SHORTEST_HOLD
        self._grown_at = 0.0
        self._steps = 0  # answers since the last step
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
        """Push-back was to too many at once, after so many a second: before anything is known of a rate."""
        if self.value is None:
            self._sustained = let_through

    def pushed_back(self, let_through: float, asked_at: float, admitted: int) -> None:
        """The host let through `let_through` a second, at the least, and minds `asked_at`; `admitted` since the last
        push-back."""
        is_confirmed = self._ceiling / SAME_RATE <= asked_at <= self._ceiling * SAME_RATE
        self._hold = min(LONGEST_HOLD, self._hold * 2) if is_confirmed else SHORTEST_HOLD
        # What went well before does not go well any more: it was a burst that went well.
        self.is_bursty = self.is_bursty or asked_at < BURST * self._sustained
        if admitted >= QUIET_REQUESTS:  # by chance, as when two come closer together than they were sent: no burst
            self._sustained = min(self._sustained, asked_at)
        self._near = max(FARTHEST, 2 * self._near - 1) if is_confirmed else NEAR
        self._ceiling = asked_at
        at_least = let_through
        if not self.is_bursty and self._sustained <= CREDIBLE * let_through:
            at_least = max(let_through, min(self._sustained, asked_at))
        aim = at_least if self.is_bursty else math.sqrt(at_least * asked_at)
        self.value = max(JUST_UNDER * aim, self._slowest)
        self._steps = 0

    def pushed_back_again(self, closed: float) -> None:
        """The probe that went after the gate had been closed for so many seconds was pushed back, too."""
        if self._sustained * closed > 1:
            self.is_bursty = True  # not even one after such a pause: what went well before was a burst

    def lost(self, now: float, sent_at: float) -> None:
        """A 503 among good answers, to what was sent at `sent_at`. One of several that were out together counts."""
        if self.value is not None and sent_at >= self._lowered_at:
            self._lowered_at = now
            self._ceiling = min(self._ceiling, self.value)
            self.value = max(self.value * LESS_AFTER_LOSS, self._slowest)

    def learned(self) -> tuple[float | None, float]:
        """What `unlearn` puts back."""
        return self.value, self._ceiling

    def unlearn(self, learned: tuple[float | None, float]) -> None:
        """What was learned since was nothing."""
        self.value, self._ceiling = learned

    def answered(self, now: float) -> None:
        """A good answer has come: what `speed_up` grows by is counted from here."""
        self._grown_at = now

    def speed_up(self, now: float, pushed_at: float, closed: float) -> None:
        """A good answer to a request that waited for its turn: the rate is in use. The last push-back was at
        `pushed_at`, and closed the gate for `closed` seconds."""
        rate = self.value
        if rate is None:
            return
        if rate < self._near * self._ceiling and not self.is_bursty:
            self._steps += 1
            if self._steps >= STEP_REQUESTS:
                self._steps = 0
                self._sustained = max(self._sustained, rate)
                self.value = min(rate * STEP, max(rate, self._near * self._ceiling))
            return
        if self.is_bursty:
            hold, start = self._hold, BURSTY_CREEP
        else:
            # A bucket goes on filling while the gate is closed; with room for no burst that time is lost.
            hold = max(min(self._hold, QUIET_REQUESTS / rate), min(LONGEST_HOLD, HOLD_PER_WAIT * closed))
            start = max(CREEP, CREEP_A_HOLD * rate / QUIET_REQUESTS)
        quiet = now - pushed_at - hold
        if quiet < 0:
            return
        creep = min(STEEPEST_CREEP, start * 2.0 ** min(64.0, quiet / CREEP_DOUBLES))
        used = min(now - self._grown_at, 2 / rate)
        self.value = rate = rate * (1 + min(creep * used, STEP - 1))
        if rate > self._ceiling * SAME_RATE:
            self._ceiling = rate * STEP  # that was not too much after all
