"""What is known of a host that had trouble: what it was, how long it has gone on, and how long that is waited for.

Contract: pure; made at a host's first trouble, since most have none and there may be a hundred thousand of them.
Not in here: what follows for the number at once and the gate (`pace`) or for the rate (`rate`).
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Final

from urlsweep.core.blame import Blame
from urlsweep.core.bucket import Count
from urlsweep.core.doubt import Doubt
from urlsweep.core.limits import Limits

LOSSES_IN_A_ROW: Final = 3
"""Failed connections or 503s without a good answer in between that halve a bound. Among good answers they are a few
bad pages or bad moments, and cost the bound one each."""

CONTROLS_FIRST: Final = 2
"""Times in a row that a control ends an outage, and nothing but it is answered: from then on a page goes first. Where a
limit lets one request through in a while, a control that always goes first takes what the pages are waiting for."""

LOSS_SHARE: Final = 0.25
"""Of the last answers, about sixteen: with so many 503s it is the host and not its pages, ..."""
LEAST_LOSS_SHARE: Final = 0.065
"""With fewer, they are the pages' own. In between, a rate that was learned is lowered."""
LOSS_MEMORY: Final = 15 / 16


class Trouble:
    """One host's."""

    __slots__ = (
        "_limits",
        "_outage_patience",
        "_outage_since",
        "_pushed_since",
        "blame",
        "closed",
        "controls",
        "count",
        "doubt",
        "is_compared",
        "is_outage",
        "is_overloaded",
        "lone",
        "loss_share",
        "losses",
        "lost_again",
        "lost_at",
        "lost_sent_at",
        "overstates",
        "push_backs",
        "pushed_at",
        "rounds",
        "states",
        "told_until",
        "unlearned",
    )

    def __init__(self, limits: Limits, began: float, answered: int = 0) -> None:
        """`began`: when the host was first asked. `answered`: requests to it that were answered before."""
        self._limits = limits
        self.blame = Blame(answered)
        self.count = Count(began)  # of what is let through, from one push-back to the next
        self.doubt = Doubt()  # whether it minds the number at once
        self.push_backs: Counter[str] = Counter()  # by their kind
        # -- in a row
        self.rounds = 0  # push-backs heeded, since the last answer
        self.pushed_at = 0.0  # the last one heeded
        self._pushed_since = 0.0  # the first of `rounds`
        self.closed = 0.0  # seconds that the gate was closed for, last
        # -- it answered, and then could not be connected to any more, or answered nothing well
        self.is_outage = False
        self.is_overloaded = False  # it is the latter
        self._outage_since = 0.0
        self._outage_patience = 0.0  # seconds from then on
        self.unlearned: tuple[tuple[float | None, float], int] | None = None  # the rate and the bound before it
        self.controls = 0  # times that what ended one was answered well before, and nothing else was since
        self.lost_sent_at = math.inf  # when that was sent with which it was noticed, the last time
        # -- 503s and failed connections among good answers
        self.losses = 0  # in a row
        self.loss_share = 0.0  # 503s among the last answers
        self.lost_at = 0  # the bound at the last of them
        self.lost_again = 0  # times in a row at the same bound as the time before, as soon as that was reached
        # -- one page, when it is all that is left
        self.lone = 0  # times in a row that it was pushed back with nothing else out, and another was answered after it
        self.is_compared = False  # the latter has been, since it was pushed back last
        # -- what the host says
        self.states = False  # it says so when it is asked too much: what it answers 503 to is no matter of its rate
        self.overstates = False  # it was wrong by more than patience: what it says is about single pages
        self.told_until = -math.inf  # when it said last that it may be asked again

    def lost(self) -> bool:
        """One more failure among good answers. Gives whether they are too many in a row, and counts anew then."""
        self.losses += 1
        if self.losses < LOSSES_IN_A_ROW:
            return False
        self.losses = 0
        return True

    def overloaded(self) -> bool:
        """A 503. Gives whether there were too many, in a row or among the last answers, and counts anew then."""
        self.loss_share += (1 - self.loss_share) * (1 - LOSS_MEMORY)
        if not self.lost() and self.loss_share < LOSS_SHARE:
            return False
        self.losses = 0
        self.loss_share = 0.0
        return True

    def answered_well(self, now: float, sent_at: float, *, is_first: bool, is_control: bool) -> None:
        """A good answer; `is_first`: its page has never failed."""
        if not is_control and self.controls < CONTROLS_FIRST:
            self.controls = 0
        if now < self.told_until and sent_at > self.pushed_at:
            self.overstates = True
        self.blame.good(sent_at, is_first=is_first)
        self.loss_share *= LOSS_MEMORY

    def is_over(self) -> None:
        """It has answered what was sent since."""
        self.rounds = self.losses = 0
        self.is_outage = self.is_overloaded = False

    def begin_outage(self, now: float, patience: float, *, is_overloaded: bool) -> None:
        """From now on, unless one has begun already, it has `patience` seconds to answer something well."""
        if not self.is_outage:
            self.is_outage = True
            self._outage_since = now
            self._outage_patience = patience
        self.is_overloaded = self.is_overloaded or is_overloaded

    def heeded(self, now: float, kind: str) -> None:
        """A push-back, or what is taken for one, closes the gate."""
        self.push_backs[kind] += 1
        self.blame.closed(now)
        self.rounds += 1
        if self.rounds == 1:
            self._pushed_since = self._outage_since = now
        self.pushed_at = now

    def is_given_up(self, now: float) -> bool:
        """Whether patience has ended: push-back or no connection, and nothing else, for as long as it goes."""
        return self.rounds > 0 and now >= self.patience_ends_at

    @property
    def wants_control(self) -> bool:
        """Whether the next probe should be what was answered well before: see `Pace.wants_control`."""
        return self.is_overloaded and self.rounds % 2 == (self.controls < CONTROLS_FIRST)

    @property
    def patience_ends_at(self) -> float:
        """When it does, where nothing else comes."""
        pushed_until = self._pushed_since + self._limits.patience
        if not self.is_outage:
            return pushed_until
        # Of its own, from its start: what came before was another trouble. But two in turns end too.
        return min(self._outage_since, pushed_until) + self._outage_patience
