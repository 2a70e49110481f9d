"""One URL's life: a Reply or a Failure in, the next Request or the Verdict out.

Contract: the only place that decides on retry, fallback and redirect. Pure: the caller gives the time of day and the
random, and does the waiting. Every check ends: at most one chain by HEAD and `tries` + `PARKS` by GET are asked, each
of at most `max_redirects` + 1 requests.
Not in here: who may be asked when (see `pacer`), how a request travels (see `transport`).

The rules, in the order in which they apply to an answer:
1. a bot wall's answer tells nothing: `unverified` (after GET has met the wall too);
2. push-back (429, 503 with Retry-After, ...) says nothing about the URL: it is parked, and asked again when its host
   lets it, without losing a try;
3. a redirect is followed;
4. an accepted code is `ok`, by HEAD or by GET;
5. anything else that HEAD got is confirmed by GET, from the chain's start: servers treat HEAD carelessly;
6. what may pass (5xx, time-out, reset, refused, resolver trouble, 408, 425) is tried again later;
7. what remains is the verdict.
"""

from __future__ import annotations

import math
import random as random_module
from collections import OrderedDict
from datetime import datetime
from functools import lru_cache
from http import HTTPStatus
from typing import Final, Self

import msgspec

from urlsweep.core.cookies import CookieJar, KeptCookie
from urlsweep.core.model import (
    Category,
    Failure,
    Fault,
    Hop,
    Outcome,
    Reason,
    Reply,
    Request,
    Result,
    Target,
    http_reason,
    rfc3339,
)
from urlsweep.core.policy import Fields, Method, Policy, basic_authorization
from urlsweep.core.pressure import Pressure, is_push_back, pressure_of
from urlsweep.core.rate_limit import RATE_LIMIT_FIELDS, stated_wait
from urlsweep.core.turn import Turn
from urlsweep.core.urls import LONGEST_URL, Url, clip, is_public, names_private_host, redact, resolve, utf8_of
from urlsweep.core.walls import WALL_FIELDS, wall_of

REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
"""The codes whose Location is followed (RFC 9110 section 15.4); 300 and 304 are answers of their own."""

NEEDED_FIELDS: Final = WALL_FIELDS | RATE_LIMIT_FIELDS | {"location", "retry-after", "date", "set-cookie"}
"""The response fields, in lower case, that a transport must keep for a Check."""

CONTEXT_FIELDS: Final = frozenset({"age", "date", "server"})
"""Of these, the ones that tell nothing on a 2xx answer that has none of the others: when a stated limit is from, and
whose a refusal is. Nearly every answer carries two of them."""

_PASSING_CODES: Final = frozenset({408, 425})
"""4xx codes that invite the same request again (RFC 9110 section 15.5.9, RFC 8470 section 5.2)."""

_PROOFS: Final = frozenset(
    {
        Reason.DNS_NOT_FOUND,
        Reason.TLS_EXPIRED,
        Reason.TLS_NOT_YET_VALID,
        Reason.TLS_NAME_MISMATCH,
        Reason.TLS_SELF_SIGNED,
        Reason.TLS_UNTRUSTED,
        Reason.REDIRECT_FORBIDDEN,
        Reason.SKIP_PRIVATE_ADDRESS,
    }
)
"""Failures that another try would only repeat."""

PARKS: Final = 50
"""Times that a URL is given back to its host's queue without losing a try: a bound, so that every check ends. Hosts end
sooner, by their patience; this is for the one URL that is always pushed back by a host that answers all the others."""

PARKS_UNSTATED: Final = 20
"""The same where it is not said that it is asked too much: 503 without a word, or hung up on."""

OWN_PARKS: Final = 2
"""How often the same is done where the host answers others well: a limit may have met this URL by chance, again."""

EARLY_CONNECT: Final = 4.0
"""Seconds in which all tries but the last have to connect: three SYNs (at 0, 1 and 3 s, RFC 6298). What does not answer
holds a slot for as long; the last try, which decides, has the whole of `connect_timeout`. Name look-up and TLS are part
of it, so that the 1.3 s that would save a third of what a dead host costs are too little for good hosts far away.

A transport may let the attempt at TCP go on when such a try has ended, for `connect_timeout` from the attempt's begin,
and have the next try join it. Then no time need be waited twice: the last try's TCP has what is left of it, and at
least this much, for an attempt of its own."""

JOINED_CONNECT: Final = 2.0
"""Seconds for TCP in a try between the first and the last, where an earlier attempt goes on: two SYNs of its own (at 0
and 1 s). With three tries a slot is held for 4 + 2 + 4 s: one `connect_timeout` in all."""

LONGEST_WAIT: Final = 120.0
"""Seconds up to which a stated wait is obeyed where nobody parks (see `Check.next`)."""

_BEFORE_HTTP: Final = ("dns.", "connect.", "tls.", "skip.", "redirect.")
"""Families of failures that happen before the method is sent: GET would meet them too."""


class Ask(msgspec.Struct, frozen=True):
    """The next request, to be sent after `delay` seconds at the earliest."""

    request: Request
    delay: float = 0.0
    turn: Turn = Turn.NEXT  # a redirect's next hop and the GET after HEAD go first, later tries late


class Verdict(msgspec.Struct, frozen=True, array_like=True):
    """What became of a URL, whoever asked for it. Encoded without its fields' names: the ledger holds many."""

    outcome: Outcome
    reason: str | None
    status: int | None
    detail: str | None
    method: str | None
    final_url: str  # with a fragment only where a redirect gave one
    hops: tuple[Hop, ...]
    attempts: int
    elapsed: float | None  # seconds of the deciding request
    checked_at: float | None  # the last answer's time of day, in seconds since the epoch; None: nothing was asked
    is_cached: bool = False  # an earlier run's, trusted: nothing was asked in this one

    def row(self, target: Target, url: Url) -> Result:
        """The row of `target`, whose URL is `url`. Its fragment is inherited where no redirect gave another."""
        final_url = self.final_url
        if url.fragment and "#" not in final_url:
            final_url += url.fragment
        checked_at = None if self.checked_at is None else rfc3339(self.checked_at)
        return Result(
            url=target.url,
            outcome=self.outcome,
            reason=self.reason,
            status=self.status,
            category=Category.of(self.status),
            detail=self.detail,
            method=self.method,
            final_url=final_url,
            hops=self.hops,
            attempts=self.attempts,
            elapsed_ms=None if self.elapsed is None else round(self.elapsed * 1000, 1),
            found_in=target.found_in,
            checked_at=checked_at,
            cached_at=checked_at if self.is_cached else None,
            input=target.input,
        )

    @classmethod
    def of_row(cls, row: Result, url: Url) -> Self | None:
        """The verdict that gave `row` to `url`, so that a duplicate gets what it would have got; None where there was
        none: what was refused before it was asked has no final URL.

        A row does not tell whose a fragment is that both a redirect and the target have: the target's is assumed.
        """
        if row.final_url is None:
            return None
        # Half a millisecond more: rows are cut off to milliseconds, and this must not be cut to the one before.
        checked_at = None if row.checked_at is None else datetime.fromisoformat(row.checked_at).timestamp() + 0.0005
        return cls(
            outcome=row.outcome,
            reason=row.reason,
            status=row.status,
            detail=row.detail,
            method=row.method,
            final_url=row.final_url.removesuffix(url.fragment),
            hops=row.hops,
            attempts=row.attempts,
            elapsed=None if row.elapsed_ms is None else row.elapsed_ms / 1000,
            checked_at=checked_at,
            is_cached=row.cached_at is not None,
        )


class CheckState(msgspec.Struct, frozen=True, array_like=True):
    """A Check between two requests, as plain values: what another process goes on with (see `Check.state`)."""

    url: Url
    attempts: int
    tries_used: int
    parks: int
    parked_after_reply: Reply | None
    parked_after_failure: Failure | None
    head_said_no: bool
    answered_at: float | None
    method: str
    current: Url
    hops: tuple[Hop, ...]
    cookies: list[KeptCookie] | None
    visited: list[tuple[Url, str]] | None
    came_from_public: bool
    left_https: bool
    waited: float
    waited_for: str


class _Head:
    """What is known of one host's HEAD."""

    __slots__ = ("contradicted", "is_doubted", "refuted")

    def __init__(self) -> None:
        self.contradicted = 0  # times that GET succeeded where HEAD had not
        self.is_doubted = False  # HEAD was pushed back, and nothing has succeeded since
        self.refuted = 0  # how often GET was the first to, in a row


class HeadTrust:
    """Which hosts' HEAD answers were contradicted by GET: after two, such a host is asked by GET alone.

    HEAD that is pushed back proves no limit: until something succeeds, what is asked next is asked by GET. Some push
    back every HEAD, and would be given up without ever having been asked what they answer.

    It also knows which hosts take longer to accept a connection than the tries that are not the last have for it.
    """

    LIMIT: Final = 2
    HOSTS_KEPT: Final = 65_536  # the ones met longest ago are forgotten first; forgetting costs one HEAD

    __slots__ = ("_heads", "_slow")

    def __init__(self) -> None:
        self._heads: OrderedDict[str, _Head] = OrderedDict()  # of hosts that there is something to say of
        self._slow: dict[str, None] = {}

    def is_trusted(self, host_key: str) -> bool:
        """Whether HEAD is worth sending to this host, now."""
        head = self._heads.get(host_key)
        return head is None or not (head.is_doubted or head.contradicted >= self.LIMIT or head.refuted >= self.LIMIT)

    def contradicted(self, host_key: str) -> None:
        """GET succeeded where HEAD had not."""
        self._met(host_key).contradicted += 1

    def pushed_back(self, host_key: str) -> None:
        """HEAD was."""
        self._met(host_key).is_doubted = True

    def succeeded(self, host_key: str, method: str) -> None:
        """An accepted answer to `method`."""
        head = self._heads.get(host_key)
        if head is None:
            return
        if method == "HEAD":
            head.refuted = 0
        elif head.is_doubted:
            head.refuted += 1
        head.is_doubted = False

    def accepts_slowly(self, host_key: str) -> None:
        """It has answered before, and a connection was not accepted in `EARLY_CONNECT`, nor does the attempt go on."""
        self._slow[host_key] = None
        if len(self._slow) > self.HOSTS_KEPT:
            del self._slow[next(iter(self._slow))]

    def is_slow(self, host_key: str) -> bool:
        """Whether every request to it has the whole of `connect_timeout`."""
        return host_key in self._slow

    def _met(self, host_key: str) -> _Head:
        head = self._heads.setdefault(host_key, _Head())
        self._heads.move_to_end(host_key)
        if len(self._heads) > self.HOSTS_KEPT:
            self._heads.popitem(last=False)
        return head


@lru_cache(maxsize=64)  # nearly all requests of a run have the same
def _times(connect_timeout: float, timeout: float, is_last: bool, waited: float) -> tuple[float, float, float]:
    """How long a request may take to connect, its TCP alone, and each of its attempts at TCP: of the last try or not,
    where attempts to connect have been `waited` for so long."""
    whole = min(connect_timeout, timeout)
    if is_last:  # TLS may take the whole of it, once TCP stands
        left = math.ceil(10 * (whole - waited)) / 10  # rows tell of it
        return whole, max(EARLY_CONNECT, left) if waited else math.inf, 0.0
    early = min(whole, EARLY_CONNECT)
    return early, JOINED_CONNECT if waited else math.inf, whole if early < whole else 0.0


def _said(status: int) -> str:
    try:
        return f"answered {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"answered {status}"


def _is_overload(event: Reply | Failure) -> bool:
    return pressure_of(event, 0.0) is Pressure.OVERLOAD


def _on_the_last_of(tries: int) -> str:
    return f" on the last of {tries} tries" if tries > 1 else ""


class Check:
    """One URL being checked. `first` gives the first request; `next` takes each answer and gives what follows."""

    __slots__ = (
        "_answered_at",
        "_attempts",
        "_came_from_public",
        "_current",
        "_head_said_no",
        "_hops",
        "_jar",
        "_left_https",
        "_method",
        "_parked_after",
        "_parks",
        "_policy",
        "_tries_used",
        "_trust",
        "_visited",
        "_waited",
        "_waited_for",
        "url",
    )

    def __init__(self, url: Url, policy: Policy, trust: HeadTrust) -> None:
        """Check `url` under `policy`, which must be `Policy.for_url(url)`'s."""
        self.url = url
        self._policy = policy
        self._trust = trust
        self._attempts = 0
        self._tries_used = 0
        self._parks = 0
        self._parked_after: Reply | Failure | None = None
        self._head_said_no = False
        self._answered_at: float | None = None
        self._waited = 0.0  # seconds, over its last tries in a row, for attempts to connect that go on ...
        self._waited_for = ""  # ... to this host
        use_head = policy.method is Method.AUTO and trust.is_trusted(url.host_key)
        self._start_chain("HEAD" if use_head else "GET")

    def state(self) -> CheckState:
        """Where it stands."""
        parked_after = self._parked_after
        return CheckState(
            url=self.url,
            attempts=self._attempts,
            tries_used=self._tries_used,
            parks=self._parks,
            parked_after_reply=parked_after if isinstance(parked_after, Reply) else None,
            parked_after_failure=parked_after if isinstance(parked_after, Failure) else None,
            head_said_no=self._head_said_no,
            answered_at=self._answered_at,
            method=self._method,
            current=self._current,
            hops=self._hops,
            cookies=None if self._jar is None else self._jar.kept(),
            visited=None if self._visited is None else list(self._visited),
            came_from_public=self._came_from_public,
            left_https=self._left_https,
            waited=self._waited,
            waited_for=self._waited_for,
        )

    @classmethod
    def of_state(cls, state: CheckState, policy: Policy, trust: HeadTrust) -> Self:
        """The Check that gave `state`, under the same policy. `trust` is told what becomes of it."""
        check = cls(state.url, policy, trust)
        check._attempts = state.attempts
        check._tries_used = state.tries_used
        check._parks = state.parks
        check._parked_after = state.parked_after_reply or state.parked_after_failure
        check._head_said_no = state.head_said_no
        check._answered_at = state.answered_at
        check._method = state.method
        check._current = state.current
        check._hops = state.hops
        check._jar = None if state.cookies is None else CookieJar.of(state.cookies)
        check._visited = None if state.visited is None else set(state.visited)
        check._came_from_public = state.came_from_public
        check._left_https = state.left_https
        check._waited = state.waited
        check._waited_for = state.waited_for
        return check

    def first(self) -> Ask:
        """The first request."""
        return Ask(self._request())

    def next(
        self, event: Reply | Failure, wall: float, random: random_module.Random, *, is_free: bool = False
    ) -> Ask | Verdict:
        """What follows from `event`, the answer to the request given last.

        `wall` is the time of day in seconds since the epoch (for Retry-After dates); `random` spreads the retries.
        `is_free` says that the event tells nothing about this URL (see `Pacer.release`): it costs no try, up to `PARKS`
        times. Where nobody paces, push-back costs a try, put off for as long as it asks.
        """
        self._attempts += 1
        self._answered_at = wall
        if isinstance(event, Failure):
            return self._park(event, is_free=is_free) or self._after_failure(event, random)
        if not event.fields and 200 <= event.status <= 299 and self._policy.accept is None:
            return self._accept(event)  # as nearly always; what follows would find no more
        wall_evidence = wall_of(event)
        if wall_evidence is not None:
            return self._confirm() or self._verdict(Outcome.UNVERIFIED, Reason.BOT_WALL, event, wall_evidence)
        is_accepted = self._policy.accepts(event.status)
        if not is_accepted and event.status >= 400 and is_push_back(event, wall):
            return self._park(event, is_free=is_free) or self._after_push_back(event, wall, random)
        if self._policy.follow and event.status in REDIRECTS:
            location = event.get("location")
            if location is not None and location.strip():
                return self._follow(event, location)
        if is_accepted:
            return self._accept(event)
        return self._park(event, is_free=is_free) or self._confirm() or self._after_refusal(event, random)

    def pressure_of(self, event: Reply | Failure, wall: float) -> Pressure:
        """What `event`, the answer to the request given last, says of its host's load: for `Pacer.release`."""
        if isinstance(event, Reply) and event.status < 400:
            return Pressure.GOOD  # as nearly always, accepted or not
        is_accepted = isinstance(event, Reply) and self._policy.accepts(event.status)
        return pressure_of(event, wall, is_head=self._method == "HEAD", is_accepted=is_accepted)

    def unfinished(self) -> Verdict:
        """The verdict where the run ends now: no answer has decided anything."""
        detail = "the run ended before this URL was settled"
        return self._verdict(Outcome.SKIPPED, Reason.SKIP_UNFINISHED, None, detail)

    def is_from_public(self, reply: Reply) -> bool:
        """Whether `reply`, the answer to the request given last, comes from a public server or was led to by one."""
        if self._came_from_public:
            return True
        return is_public(reply.address) if reply.address is not None else not names_private_host(self._current.host)

    def given_up(self, host_key: str, event: Reply | Failure) -> Verdict:
        """The verdict where `host_key`, which was to be asked next, was given up (see `Pacer`) after `event`.

        `unverified` where it pushed back to the end, whatever code it used; `down` where it cannot be reached, or
        answered nothing but 503 without a word about when to come again.
        """
        asked = "asked again" if self._attempts else "asked itself"
        own = self._parked_after
        if _is_overload(event) and own is not None and _is_overload(own):
            event = own
        if isinstance(event, Reply) and not is_push_back(event, 0.0):
            detail = f"{host_key} {_said(event.status)} to the end, whatever it was asked: not {asked}"
            return self._verdict(Outcome.DOWN, http_reason(event.status), own, detail)
        if isinstance(event, Reply):
            detail = f"{host_key} {_said(event.status)} for as long as it was waited for (--patience): not {asked}"
            return self._verdict(Outcome.UNVERIFIED, Reason.RATE_LIMITED, own, detail)
        detail = f"{host_key} does not answer at all ({event.detail}): not {asked}"
        return self._verdict(Outcome.DOWN, event.reason, own if isinstance(own, Failure) else None, detail)

    def kept_out(self, because: Verdict | None) -> Verdict:
        """The verdict where the site's robots.txt keeps this URL from being asked.

        `because` is what became of asking for it where it cannot be had: then nothing may be asked (RFC 9309 section
        2.3.1.4). A site that does not answer at all is `down`, for its robots.txt as for its URLs.
        """
        if because is None:
            what = f"the redirect's target {self._current.shown}" if self._hops else "it"
            return self._verdict(Outcome.SKIPPED, Reason.SKIP_ROBOTS, None, f"robots.txt disallows {what}")
        if because.reason == Reason.RATE_LIMITED or because.status is None:
            detail = f"not asked: its robots.txt could not be had ({because.detail})"
            return self._verdict(because.outcome, because.reason, None, detail)
        detail = f"robots.txt {_said(because.status)}: nothing may be asked while it cannot be read"
        return self._verdict(Outcome.SKIPPED, Reason.SKIP_ROBOTS, None, detail)

    def _start_chain(self, method: str) -> None:
        self._method = method
        self._current = self.url._replace(fragment="") if self.url.fragment else self.url
        self._hops: tuple[Hop, ...] = ()
        self._jar: CookieJar | None = None
        self._visited: set[tuple[Url, str]] | None = None
        self._came_from_public = False
        self._left_https = False

    def _request(self) -> Request:
        url, policy = self._current, self._policy
        waited = self._waited if url.host_key == self._waited_for else 0.0
        is_last = self._tries_used + 1 >= policy.tries or self._trust.is_slow(url.host_key)
        connect_timeout, reach_timeout, attempt_timeout = _times(
            policy.connect_timeout, policy.timeout, is_last, waited
        )
        public_only: Reason | None = None
        if self._came_from_public and not policy.allow_private_redirects:
            public_only = Reason.REDIRECT_FORBIDDEN
        elif not policy.allow_private:
            public_only = Reason.REDIRECT_FORBIDDEN if self._hops else Reason.SKIP_PRIVATE_ADDRESS
        return Request(
            url=url.href,
            method=self._method,
            host_key=url.host_key,
            headers=self._fields(url) if policy.credentials or self._hops else policy.headers,
            timeout=policy.timeout,
            connect_timeout=connect_timeout,
            public_only=public_only,
            reach_timeout=reach_timeout,
            attempt_timeout=attempt_timeout,
        )

    def _fields(self, url: Url) -> Fields:
        policy = self._policy
        # A redirect that leaves https must not make anybody's password readable on the way, whoever it is for.
        is_in_the_clear = self._left_https and url.scheme == "http"
        fields = policy.headers if is_in_the_clear else policy.fields_for(url.origin)
        if self._hops and url.has_credentials:  # the server that redirected chose these, for that one request
            fields = (*(pair for pair in fields if pair[0].lower() != "authorization"), self._own_authorization())
        cookies = self._jar.header(url) if self._jar is not None else ""
        if cookies:
            given = [value for name, value in fields if name.lower() == "cookie"]
            fields = (
                *(pair for pair in fields if pair[0].lower() != "cookie"),
                ("Cookie", "; ".join([*given, cookies])),
            )
        return fields

    def _own_authorization(self) -> tuple[str, str]:
        return basic_authorization(self._current.username, self._current.password)

    def _accept(self, reply: Reply) -> Verdict:
        if self._method == "GET" and self._head_said_no:
            self._trust.contradicted(self.url.host_key)
        self._trust.succeeded(self.url.host_key, self._method)
        reason = None if 200 <= reply.status <= 299 else http_reason(reply.status)
        detail = None if reason is None else _said(reply.status)
        if self._left_https:
            detail = "a redirect leads from https to http"
        return self._verdict(Outcome.OK, reason, reply, detail)

    def _confirm(self) -> Ask | None:
        """The GET that has to confirm what HEAD was told; None where GET itself has spoken."""
        if self._method != "HEAD":
            return None
        self._head_said_no = True
        self._start_chain("GET")
        return Ask(self._request(), turn=Turn.FIRST)

    def _follow(self, reply: Reply, location: str) -> Ask | Verdict:
        if len(self._hops) >= self._policy.max_redirects:
            return self._bad_redirect(
                Reason.REDIRECT_TOO_MANY, reply, f"more than {self._policy.max_redirects} redirects"
            )
        base = self._current
        target = resolve(base, location)
        if isinstance(target, Fault):
            detail = f"redirected to {clip(redact(utf8_of(location)))!r}: {target.detail}"
            return self._bad_redirect(Reason.REDIRECT_INVALID, reply, detail)
        if len(base.href) + len(target.href) + sum(len(hop.url) for hop in self._hops) > LONGEST_URL:
            detail = f"the redirects' URLs are longer than {LONGEST_URL:,} characters together"
            return self._bad_redirect(Reason.REDIRECT_INVALID, reply, detail)
        set_cookies = reply.get_all("set-cookie")
        if set_cookies:
            self._jar = self._jar or CookieJar()
            for set_cookie in set_cookies:
                self._jar.store(base, utf8_of(set_cookie))
        if self._visited is None:
            self._visited = {(base, "")}
        seen = (target._replace(fragment=""), self._jar.header(target) if self._jar is not None else "")
        if seen in self._visited:
            return self._bad_redirect(Reason.REDIRECT_LOOP, reply, f"redirected back to {target.shown}")
        self._visited.add(seen)
        self._came_from_public = self.is_from_public(reply)
        forbidden = self._came_from_public and not self._policy.allow_private_redirects
        if (forbidden or not self._policy.allow_private) and names_private_host(target.host):
            detail = f"redirected to the private host {target.host}: see --allow-private-redirects"
            return self._bad_redirect(Reason.REDIRECT_FORBIDDEN, reply, detail)
        self._left_https = self._left_https or (base.scheme == "https" and target.scheme == "http")
        self._hops += (Hop(base.shown, reply.status),)
        self._current = target
        return Ask(self._request(), turn=Turn.FIRST)

    def _bad_redirect(self, reason: Reason, reply: Reply, detail: str) -> Ask | Verdict:
        return self._confirm() or self._verdict(Outcome.BROKEN, reason, reply, detail)

    def _park(self, event: Reply | Failure, *, is_free: bool) -> Ask | None:
        """Back to the queue's end, without losing a try; None where that is not right, or was done too often.

        By GET, since only GET can end it.
        """
        # What a URL is asked for again after it was parked, and fails when others do not, may yet be a limit's doing.
        pressure = pressure_of(event, 0.0)
        is_overload = pressure is Pressure.OVERLOAD
        in_doubt = not is_free and 0 < self._parks <= OWN_PARKS and is_overload
        most = PARKS_UNSTATED if is_overload else PARKS
        if not in_doubt and not (is_free and self._parks < most):
            return None
        self._parks += 1
        self._parked_after = event
        if isinstance(event, Failure) and event.reason is Reason.CONNECT_TIMEOUT and not event.under_way:
            # That cost no try, so that none would ever be the last, which waits in full.
            self._trust.accepts_slowly(self._current.host_key)
        self._head_said_no = False
        if self._method == "HEAD" and pressure is Pressure.PUSH_BACK:
            self._trust.pushed_back(self.url.host_key)
        self._start_chain("GET")
        return Ask(self._request(), turn=Turn.LATE if in_doubt else Turn.NEXT)

    def _after_push_back(self, reply: Reply, wall: float, random: random_module.Random) -> Ask | Verdict:
        self._waited = 0.0
        wait = stated_wait(reply, wall)
        again = self._try_again(random, at_least=None if wait is None else min(wait, LONGEST_WAIT))
        if again is not None:
            return again
        times = self._parks + self._tries_used
        asked_for = "" if wait is None else f", the last answer asking to wait {wait:.0f} s"
        detail = f"{_said(reply.status)} {times} times{asked_for}" if times > 1 else f"{_said(reply.status)}{asked_for}"
        return self._verdict(Outcome.UNVERIFIED, Reason.RATE_LIMITED, reply, detail)

    def _after_refusal(self, reply: Reply, random: random_module.Random) -> Ask | Verdict:
        status = reply.status
        self._waited = 0.0
        # RFC 9110 section 15: a code outside 100-599 is to be taken for a 5xx.
        is_server_error = status >= 500
        if is_server_error or status in _PASSING_CODES:
            again = self._try_again(random)
            if again is not None:
                return again
        outcome = Outcome.DOWN if is_server_error else Outcome.BROKEN
        return self._verdict(outcome, http_reason(status), reply, self._why_refused(status))

    def _why_refused(self, status: int) -> str:
        said = _said(status)
        if status in REDIRECTS and self._policy.follow:
            return f"{said} without a Location to go to"
        if status < 400 or status > 599:
            return f"{said}, which is not an accepted code"
        return said + _on_the_last_of(self._tries_used)

    def _after_failure(self, failure: Failure, random: random_module.Random) -> Ask | Verdict:
        reason = failure.reason
        is_last = self._tries_used + 1 >= self._policy.tries
        if not failure.under_way:
            if not is_last or self._waited_for != self._current.host_key:
                self._waited = 0.0
        elif self._waited and self._waited_for == self._current.host_key:
            self._waited += failure.elapsed
        else:
            self._waited, self._waited_for = failure.under_way, self._current.host_key
        if self._hops or not reason.startswith(_BEFORE_HTTP):
            confirmation = self._confirm()
            if confirmation is not None:
                return confirmation
        if reason not in _PROOFS:
            again = self._try_again(random)
            if again is not None:
                return again
        if reason is Reason.SKIP_PRIVATE_ADDRESS:
            outcome = Outcome.SKIPPED
        else:
            outcome = Outcome.BROKEN if reason in _PROOFS else Outcome.DOWN
        detail = failure.detail + _on_the_last_of(self._tries_used)
        if self._waited and reason is Reason.CONNECT_TIMEOUT and failure.address is not None:  # else it is TLS's
            detail += f" ({self._waited + failure.elapsed:.0f} s in all)"
        return self._verdict(outcome, reason, failure, detail)

    def _try_again(self, random: random_module.Random, at_least: float | None = None) -> Ask | None:
        """A later try, by GET since only GET can end it; None when all are used."""
        self._tries_used += 1
        if self._tries_used >= self._policy.tries:
            return None
        self._head_said_no = False  # what a later try finds contradicts nothing: that time has passed
        delay = self._policy.retry_delay(max(1, self._tries_used)) * (1 + self._policy.jitter * random.random())
        if at_least is not None:
            delay = max(delay, at_least)
        self._start_chain("GET")
        is_last = self._tries_used + 1 >= self._policy.tries
        return Ask(self._request(), delay=delay, turn=Turn.LAST if is_last else Turn.LATE)

    def _verdict(
        self, outcome: Outcome, reason: str | None, event: Reply | Failure | None, detail: str | None
    ) -> Verdict:
        return Verdict(
            outcome=outcome,
            reason=reason if reason is None else str(reason),
            status=event.status if isinstance(event, Reply) else None,
            detail=detail,
            method=self._method if event is not None else None,
            final_url=self._current.shown,
            hops=self._hops,
            attempts=self._attempts,
            elapsed=event.elapsed if event is not None else None,
            checked_at=self._answered_at,
        )
