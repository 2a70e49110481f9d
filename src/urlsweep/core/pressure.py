"""What one answer says of its host's load.

Contract: pure, one look at one event. Not in here: what follows from it for the host (`pace`) or for the URL (`check`).
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from urlsweep.core.model import Failure, Reason, Reply
from urlsweep.core.rate_limit import allowance, stated_wait


class Pressure(IntEnum):
    """What one finished request says about its host's load."""

    GOOD = 0  # an answer that was no trouble to give
    ERROR = 1  # an answer or a failure that says nothing of load: never speeds a host up
    DOUBT = 2  # what OVERLOAD is, to HEAD: servers treat HEAD carelessly, GET has to say
    OVERLOAD = 3  # 503 without a word about when to come again, or connected and then hung up on: maybe the page's own
    STALL = 4  # connected, and then not a word
    UNREACHED = 5  # not connected, or not even found: too much for the host, or it is not there
    PUSH_BACK = 6  # the host says so itself


MAYBE_ITS_OWN: Final = (Pressure.OVERLOAD, Pressure.STALL)
"""What may be the URL's own trouble as well as its host's."""

_FAILURES: Final = {
    Reason.CONNECT_REFUSED: Pressure.UNREACHED,
    Reason.CONNECT_RESET: Pressure.UNREACHED,
    Reason.CONNECT_TIMEOUT: Pressure.UNREACHED,
    Reason.CONNECT_UNREACHABLE: Pressure.UNREACHED,
    # No load of the host's, but as long a wait for nothing as a connection that is not accepted.
    Reason.DNS_TIMEOUT: Pressure.UNREACHED,
    Reason.DNS_FAILURE: Pressure.UNREACHED,
    Reason.RESPONSE_RESET: Pressure.OVERLOAD,
    Reason.RESPONSE_TIMEOUT: Pressure.STALL,
}


def pressure_of(event: Reply | Failure, wall: float, *, is_head: bool = False, is_accepted: bool = False) -> Pressure:
    """The pressure that `event` speaks of. `wall` is the time of day in seconds since the epoch.

    `is_head`: it is the answer to a HEAD; `is_accepted`: to have just this status is what a person expects of the URL.
    """
    if isinstance(event, Failure):
        pressure = _FAILURES.get(event.reason, Pressure.ERROR)
    elif event.status < 400:
        return Pressure.GOOD
    elif is_accepted:
        return Pressure.ERROR
    elif is_push_back(event, wall):
        return Pressure.PUSH_BACK
    elif event.status == 503:
        pressure = Pressure.OVERLOAD
    else:
        return Pressure.GOOD if event.status < 500 else Pressure.ERROR
    return Pressure.DOUBT if is_head and pressure is Pressure.OVERLOAD else pressure


def is_push_back(reply: Reply, wall: float) -> bool:
    """Whether `reply` says that its host is asked too much: 429 (RFC 6585 section 4); 503 with Retry-After (RFC 9110
    section 15.6.4); 403 that says when to come again, or that nothing of an allowance is left, as GitHub's does. (A
    Retry-After of 0 is put on every answer by some.)"""
    status = reply.status
    if status == 429:
        return True
    if status not in (403, 503):
        return False
    wait = stated_wait(reply, wall)
    if wait is None or wait > 0 or status == 503:
        return wait is not None
    # In the very second in which an allowance starts anew, nothing of it may be left yet.
    left = allowance(reply, wall)
    return left is not None and left.remaining == 0
