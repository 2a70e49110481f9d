"""What becomes of one request in a made-up world: an answer, and the behaviours that choose one.

Contract: plain values and pure functions, but for `by_method`, which counts.
Not in here: whole hosts (see `hosts`), waiting (see `fake`).

    >>> moved = reply(301, ("Location", "/new"), after=0.25)
    >>> recovers = [failure(Reason.CONNECT_RESET), reply(503), reply(200)]
    >>> request = Request("http://a.test/", "GET", "a.test:80")
    >>> answer_of(recovers, request, now=0.0, nth=2).event.status
    503
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import msgspec

from urlsweep.core.model import Failure, Reason, Reply, Request

_UNREACHED: Final = frozenset(
    {Reason.CONNECT_REFUSED, Reason.CONNECT_TIMEOUT, Reason.CONNECT_UNREACHABLE, Reason.CONNECT_RESET}
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of one request."""

    after: float  # seconds from the send
    event: Reply | Failure
    body: tuple[bytes, ...] = ()  # the chunks that `open` gives
    breaks_off: Failure | None = None  # what ends the body instead of its end


Behaviour: TypeAlias = Answer | Sequence[Answer] | Callable[[Request, float, int], Answer]
"""How a URL or a host answers: always alike; in turn (the last one for ever); or as a function of the request, the
loop's time in seconds and how many requests this URL has had, this one included."""


def reply(
    status: int,
    *fields: tuple[str, str],
    after: float = 0.0,
    body: bytes | Sequence[bytes] = b"",
    breaks_off: Failure | None = None,
    address: str | None = None,
) -> Answer:
    """An answer with `status` and header `fields` ((name, value), names in any case) after `after` seconds.

    >>> reply(301, ("Location", "/new"), after=0.25).event.get("location")
    '/new'
    """
    chunks = (body,) if isinstance(body, bytes) else tuple(body)
    lowered = tuple((name.lower(), value) for name, value in fields)
    event = Reply(status, lowered, address=address)
    return Answer(after, event, tuple(chunk for chunk in chunks if chunk), breaks_off)


def failure(reason: Reason, detail: str = "", *, after: float = 0.0, address: str | None = None) -> Answer:
    """No answer, for `reason`, known after `after` seconds; `address` could not be connected to."""
    return Answer(after, Failure(reason, detail or f"planted: {reason}", address=address))


def never() -> Answer:
    """No answer ever: what asks waits until its own time-out."""
    return failure(Reason.RESPONSE_TIMEOUT, after=float("inf"))


def by_method(*, head: Behaviour, get: Behaviour) -> Behaviour:
    """HEAD is answered by `head`, everything else by `get`; lists within are in turn per method.

    >>> hates_head = by_method(head=reply(405), get=reply(200))
    """
    counts: Counter[tuple[str, str]] = Counter()

    def answer(request: Request, now: float, nth: int) -> Answer:  # noqa: ARG001 - counted per method instead
        counts[request.url, request.method] += 1
        behaviour = head if request.method == "HEAD" else get
        return answer_of(behaviour, request, now, counts[request.url, request.method])

    return answer


def at_address(address: str, behaviour: Behaviour) -> Behaviour:
    """`behaviour`, of a server at `address`: it stands in every reply, and in the failures to connect.

    >>> moody = at_address("192.0.2.1", [reply(200), failure(Reason.CONNECT_REFUSED), never()])
    >>> request = Request("http://a.test/", "GET", "a.test:80")
    >>> [moody(request, 0.0, nth).event.address for nth in (1, 2, 3)]
    ['192.0.2.1', '192.0.2.1', None]
    """

    def answer(request: Request, now: float, nth: int) -> Answer:
        given = answer_of(behaviour, request, now, nth)
        if isinstance(given.event, Failure) and given.event.reason not in _UNREACHED:
            return given
        return replace(given, event=msgspec.structs.replace(given.event, address=address))

    return answer


def answer_of(behaviour: Behaviour, request: Request, now: float, nth: int) -> Answer:
    """What `behaviour` makes of `request`, sent at `now`, the `nth` to its URL."""
    if isinstance(behaviour, Answer):
        return behaviour
    if isinstance(behaviour, Sequence):
        return behaviour[min(nth, len(behaviour)) - 1]
    return behaviour(request, now, nth)
