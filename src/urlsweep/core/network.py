"""Is it the links, or is it the network of the machine that asks?

Contract: pure; the caller gives the time. Told of every finished request, it says when nothing is to be sent but a few
probes, and when the run had better end.
Not in here: which requests the probes are (`pacer`).

One host that cannot be reached is that host's matter. Where several that answered before fail one after the other and
nobody at all answers in between, the network is taken for gone; likewise where none ever answered, and every one failed
as on a machine without a network. Hosts that were never asked before may be dead links, or all that a list of a URL a
host has left: where several of them fail so, one that answered well and has nothing left is asked as a witness, and
more of them if that fails, too, while all else goes on. Hosts that the URL itself names as loopback or private answer
without a network: whoever calls leaves them out.
"""

from __future__ import annotations

from typing import Final

from urlsweep.core.model import Reason

HOSTS_GONE: Final = 5
"""Hosts that answered before and fail together: all of them where there are fewer, but not less than ..."""
FEWEST_HOSTS: Final = 3
"""... this many: two may be one data centre's."""

FIRST_PROBE: Final = 1.0
"""Seconds until the first probes; they double up to ..."""
LONGEST_PAUSE: Final = 15.0
PROBES_AT_ONCE: Final = 3

_OFFLINE: Final = frozenset({Reason.DNS_FAILURE, Reason.DNS_TIMEOUT, Reason.CONNECT_UNREACHABLE})
"""What a machine without a network meets at once."""
_UNREACHED: Final = _OFFLINE | {Reason.CONNECT_TIMEOUT}


class NetworkWatch:
    """Tells a network that is gone from links that are down."""

    __slots__ = (
        "_down_since",
        "_excluded",
        "_failed",
        "_is_offline",
        "_is_suspicious",
        "_most_strangers",
        "_patience",
        "_pause",
        "_rounds",
        "_strangers",
        "hosts_answered",
        "is_alarmed",
        "is_down",
        "is_lost",
        "probe_at",
        "witnesses_wanted",
    )

    def __init__(self, patience: float) -> None:
        """`patience`: seconds for which a network that is gone is probed."""
        self._patience = patience
        self._failed: dict[str, None] = {}  # hosts that failed since the last answer, in their order
        self._strangers: set[str] = set()  # that failed likewise and never answered, while others had before
        self._most_strangers = HOSTS_GONE  # before a witness is asked: twice as many each time that it answered
        self._is_suspicious = False  # there were so many
        self._excluded: set[str] = set()  # whose failures were shown to be their own
        self._is_offline = True  # all of these failed as they do without a network
        self._down_since = 0.0
        self._pause = 0.0
        self._rounds = 0  # of probes
        self.hosts_answered = 0  # ever; counted by the caller
        self.is_alarmed = False  # some host has failed since the last answer
        self.witnesses_wanted = 0  # hosts that answered before and had better be asked again; lowered by the caller
        self.is_down = False
        self.is_lost = False  # down for longer than anybody's patience
        self.probe_at = 0.0  # when the next probes may go, while it is down

    @property
    def suspects(self) -> tuple[str, ...]:
        """The hosts whose requests are the probes."""
        return tuple(self._failed)

    def is_refuted_by(self, host_key: str, sent_at: float) -> bool:
        """Whether an answer of `host_key` means that the network was never gone, and not that it is back: another host
        than those that failed, asked (at `sent_at`) since then and in the first round of probes, says no good of them.
        """
        return self._rounds <= 1 and sent_at > self._down_since and host_key not in self._failed

    def acquit(self) -> None:
        """It was never gone: those that failed are no sign of it any more."""
        self._excluded.update(self._failed)

    def answered(self) -> None:
        """An answer, or a failure that somebody's answer caused."""
        self._failed.clear()
        self._strangers.clear()
        if self._is_suspicious:
            self._most_strangers *= 2
        self._is_offline = True
        self._is_suspicious = self.is_alarmed = self.is_down = False
        self.witnesses_wanted = 0

    def failed(self, host_key: str, reason: Reason, now: float, *, has_answered: bool) -> None:
        """A request that reached nobody; `has_answered` says whether its host did before."""
        if self.is_down:
            self.is_lost = self.is_lost or now - self._down_since >= self._patience
            return
        if host_key in self._excluded:
            return
        self.is_alarmed = True
        if self.hosts_answered and not has_answered:
            if not self._is_suspicious:
                self._strangers.add(host_key)
                self._is_suspicious = len(self._strangers) >= self._most_strangers
                if self._is_suspicious:
                    self.witnesses_wanted = HOSTS_GONE - len(self._failed) if self._failed else 1
            return
        if self._is_suspicious and not self._failed:  # the first witness: all others at once, if this is silence
            self.witnesses_wanted = HOSTS_GONE - 1
        if len(self._failed) < HOSTS_GONE:  # more prove no more
            self._failed[host_key] = None
        self._is_offline = self._is_offline and reason in _OFFLINE
        gone = len(self._failed)
        if self.hosts_answered:
            is_enough = gone >= FEWEST_HOSTS or self._is_suspicious
            self.is_down = is_enough and gone >= min(HOSTS_GONE, self.hosts_answered)
        else:
            self.is_down = gone >= FEWEST_HOSTS and self._is_offline
        if self.is_down:
            self._down_since = now
            self._pause = FIRST_PROBE
            self._rounds = 0
            self.probe_at = now + self._pause

    def probing(self, now: float) -> None:
        """The probes are going out."""
        self._rounds += 1
        self._pause = min(LONGEST_PAUSE, self._pause * 2)
        self.probe_at = now + self._pause


def reaches_nobody(reason: Reason) -> bool:
    """Whether a failure for `reason` is what a network that is gone looks like."""
    return reason in _UNREACHED
