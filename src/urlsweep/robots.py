"""Which URLs of a run wait for a robots.txt, and what each robots.txt said.

Contract: one robots.txt is asked for once per origin, however many URLs wait for it; bounded in memory. Not in here:
asking (the engine does, through the Pacer like any other request), what the lines mean (`core.robots`).
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final, Generic, TypeVar

from urlsweep.core.check import Verdict
from urlsweep.core.model import Outcome, Reason
from urlsweep.core.policy import Fields
from urlsweep.core.robots import ALLOW_ALL, RobotsRules

Job = TypeVar("Job")

RULES_KEPT: Final = 200_000
"""Rules of all robots.txt together, about 160 MB at most; those not used for longest are forgotten, and asked again."""

ORIGINS_KEPT: Final = 100_000


class RobotsBook(Generic[Job]):
    """What is known of each origin's robots.txt."""

    def __init__(self, headers: Fields) -> None:
        """`headers` are what every request carries: the User-Agent among them is who the rules are read for."""
        self._user_agent = next((value for name, value in headers if name.lower() == "user-agent"), "urlsweep")
        self._known: OrderedDict[str, RobotsRules | Verdict] = OrderedDict()
        self._rules = 0
        self._waiting: dict[str, list[Job]] = {}

    def known(self, origin: str) -> RobotsRules | Verdict | None:
        """The rules of `origin`; the Verdict where its robots.txt cannot be had; None: that is not known yet."""
        known = self._known.get(origin)
        if known is not None:
            self._known.move_to_end(origin)
        return known

    def wait(self, origin: str, job: Job) -> bool:
        """Let `job` wait for the robots.txt of `origin`. Whether that has to be asked for now."""
        jobs = self._waiting.setdefault(origin, [])
        jobs.append(job)
        return len(jobs) == 1

    def settle(self, origin: str, verdict: Verdict, body: bytes) -> list[Job]:
        """Note what became of asking for it: who waited may go on.

        RFC 9309 section 2.3.1: what is not there (4xx, redirects that lead nowhere) forbids nothing; where the server
        is in trouble, nothing may be asked.
        """
        known: RobotsRules | Verdict
        if verdict.outcome is Outcome.OK:
            known = RobotsRules.parse(body, self._user_agent)
        elif verdict.outcome is Outcome.DOWN or verdict.reason == Reason.RATE_LIMITED:
            known = verdict
        else:
            known = ALLOW_ALL
        self._known[origin] = known
        self._rules += _rules_of(known)
        while len(self._known) > 1 and (self._rules > RULES_KEPT or len(self._known) > ORIGINS_KEPT):
            _, forgotten = self._known.popitem(last=False)
            self._rules -= _rules_of(forgotten)
        return self._waiting.pop(origin, [])


def _rules_of(known: RobotsRules | Verdict) -> int:
    return known.rules if isinstance(known, RobotsRules) else 0
