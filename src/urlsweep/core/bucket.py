"""What a host's push-backs say of the token bucket that may stand behind them.

Contract: pure; made at a host's first trouble. Counts what is let through from one push-back to the next (a cycle), and
tells from the last few cycles at which rate the bucket is filled.
Not in here: how fast the host is asked then (`rate`), and whether it is a bucket at all (`pace`).

A bucket that is filled at r a second and holds b lets through b + r t in t seconds at most, and at each push-back it is
empty. So what was let through between two push-backs is r times the time between them, unless it ran over meanwhile.
It did if it was full when the gate opened, after a pause that was long for so small a bucket: then it was b and r times
the time from there. The cycles tell which, as only one of the two explains them all.
"""

from __future__ import annotations

from typing import Final, NamedTuple

CYCLES_KEPT: Final = 4
"""The latest: a limit may change."""

MARKS_KEPT: Final = 16
"""Times at which the rate had grown: of a cycle's, the latest, and the first of all."""

UNCERTAIN: Final = 2.0
"""Requests by which two counts may be apart: a bucket that is empty holds less than one, and the probe took one."""

AS_EVER: Final = 0.97
"""Of what was let through a second between two other push-backs, as much is the same again."""

FINENESS: Final = 0.99
"""From one rate that is tried to the next one."""


class Cycle(NamedTuple):
    """What was let through from one push-back to the next, counted by when it was sent."""

    admitted: int
    seconds: float
    windows: tuple[tuple[int, float], ...]  # as many in so many seconds: since the gate opened, and since each growth
    is_between: bool = True  # two push-backs; else from the first request to the first push-back

    @property
    def let_through(self) -> float:
        """A second, pause and all."""
        return self.admitted / self.seconds if self.seconds > 0 else 0.0

    @property
    def admitted_since(self) -> int:
        """Since the gate opened."""
        return self.windows[0][0]

    def beyond(self, rate: float) -> float:
        """How many more than `rate` a second were let through, in the window in which that is most: as many were in
        the bucket."""
        return max(count - rate * seconds for count, seconds in self.windows)


class Count:
    """Counts one cycle after the other. Requests have numbers, in the order in which they are sent."""

    __slots__ = ("_began", "_marks", "_since", "_turned_away", "bound_then")

    def __init__(self, began: float) -> None:
        """`began`: when the first request was sent."""
        self._began = began
        self._since = 0  # the number of the request that was pushed back
        self._turned_away = 0  # of those sent since
        self._marks: list[tuple[int, float]] | None = None  # let through until then, and when; None: before the first
        self.bound_then = 0  # requests at once when the gate opened

    def turned_away(self, number: int) -> bool:
        """A request was not let through. Gives whether it belongs to this cycle, and not to the one before."""
        if number <= self._since:
            return False
        self._turned_away += 1
        return True

    def opened(self, sent: int, now: float, bound: int) -> None:
        """The probe was answered: `sent` requests have been sent so far, of all."""
        self._marks = [(sent - self._since - self._turned_away, now)]
        self.bound_then = bound

    def grew(self, sent: int, now: float) -> None:
        """What is sent from now on is sent faster."""
        if self._marks is None:
            return
        self._marks.append((sent - self._since - self._turned_away, now))
        if len(self._marks) > MARKS_KEPT:
            del self._marks[1]

    def end(self, number: int, sent_at: float) -> Cycle:
        """The cycle that ends with this push-back, and begin the next."""
        admitted = max(0, number - self._since - self._turned_away)
        seconds = sent_at - self._began
        if self._marks is None:
            cycle = Cycle(admitted, seconds, ((admitted, seconds),), is_between=self._since > 0)
        else:
            windows = tuple((max(0, admitted - before), sent_at - at) for before, at in self._marks if at < sent_at)
            cycle = Cycle(admitted, seconds, windows or ((0, 0.0),), is_between=self._since > 0)
        self._since, self._began, self._turned_away = number, sent_at, 0
        self._marks = []
        return cycle


class Bucket:
    """The last cycles of one host, and what they have in common."""

    __slots__ = ("_cycles",)

    def __init__(self) -> None:
        self._cycles: list[Cycle] = []

    def add(self, cycle: Cycle) -> None:
        """One more has ended."""
        self._cycles.append(cycle)
        if len(self._cycles) > CYCLES_KEPT:
            del self._cycles[0]

    def one_less(self) -> None:
        """Of those that were taken for let through in the last cycle one was not, as turned out after its end."""
        if self._cycles:
            last = self._cycles[-1]
            windows = tuple((max(0, count - 1), seconds) for count, seconds in last.windows)
            self._cycles[-1] = last._replace(admitted=max(0, last.admitted - 1), windows=windows)

    @property
    def most_held(self) -> int:
        """The fewest that were let through at once, so that it holds no more if it was full then."""
        return min((cycle.admitted_since for cycle in self._cycles), default=1)

    @property
    def let_through(self) -> float:
        """A second, over all of the last cycles between two push-backs."""
        seconds = sum(cycle.seconds for cycle in self._cycles if cycle.is_between)
        return sum(cycle.admitted for cycle in self._cycles if cycle.is_between) / seconds if seconds > 0 else 0.0

    def most_if_full(self, cycle: Cycle, asked_at: float) -> float | None:
        """The highest rate at which it is filled if it was full when the gate opened for `cycle`, which was asked for
        at one and the same rate. None: it was not."""
        low, high = cycle.let_through, asked_at
        count, seconds = cycle.windows[0]
        for earlier in self._cycles:
            more, longer = count - earlier.windows[0][0], seconds - earlier.windows[0][1]
            if longer > 0:  # it held what was let through then, at the least
                high = min(high, (more + UNCERTAIN) / longer)
            elif longer < 0:
                low = max(low, (more + UNCERTAIN) / longer)
            elif more < -UNCERTAIN:
                return None
        return high if low <= high else None

    def lets_through_as_ever(self, cycle: Cycle) -> bool:
        """Whether as much was let through a second as between any two push-backs before: so it is where each began with
        what the one before had left, which is nothing."""
        most = max((earlier.let_through for earlier in self._cycles if earlier.is_between), default=0.0)
        return cycle.admitted + UNCERTAIN >= AS_EVER * most * cycle.seconds

    def held_at(self, rate: float, cycle: Cycle) -> float:
        """What it holds if it is filled at `rate`, by all cycles but `cycle`."""
        others = (each.beyond(rate) for each in self._cycles if each.is_between and each is not cycle)
        return max(1.0, min(others, default=1.0))

    def likely(self, cycle: Cycle, asked_at: float) -> float:
        """The highest rate, up to `asked_at`, at which `cycle` used up what it holds by the other cycles."""
        rate = asked_at
        while rate > cycle.let_through and cycle.beyond(rate) < self.held_at(rate, cycle):
            rate *= FINENESS
        return max(rate, cycle.let_through)
