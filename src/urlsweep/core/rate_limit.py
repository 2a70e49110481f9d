"""What a reply states of its host's limit: how many requests are left until when, and how long to leave it alone.

Contract: pure and total. Whatever the fields hold, nothing raises, counts and seconds stay within nine digits, and the
time taken is linear in the fields' length, of which only so much is read. What cannot be read is passed over.
Not in here: what is made of it (see `pacer`), Retry-After as the standard has it (see `retry_after`).

None of these fields is a standard yet, so each is read as it is met, in these forms:

- ``RateLimit-Limit: 100``, ``RateLimit-Remaining: 50``, ``RateLimit-Reset: 30``, in seconds:
  draft-polli-ratelimit-headers and draft-ietf-httpapi-ratelimit-headers-00 to -06 (express-rate-limit, Kong). GitLab
  and Bluesky put a Unix time there; Docker Hub states the window's length instead: ``RateLimit-Remaining: 89;w=21600``.
- ``RateLimit: limit=100, remaining=50, reset=30``: draft-ietf-httpapi-ratelimit-headers-07.
- ``RateLimit: "default";r=50;t=30``: drafts -08 to -11 (Cloudflare's API, express-rate-limit).
- ``RateLimit-Policy: 600;w=300`` (up to -07), ``"default";q=100;w=60`` (since): read for the window where no time is
  stated otherwise, and for `qu`, the unit, lest a count of bytes pass for one of requests.
- ``X-RateLimit-Limit``, ``-Remaining``, ``-Reset``, the reset being: a Unix time (GitHub, W3C, Zenodo), the same in
  milliseconds (Rocket.Chat), seconds (Reddit, Envoy, fastify-rate-limit), ISO 8601 (Mastodon, Vimeo, Atlassian), an
  HTTP-date, or a time as Ruby (Rack::Attack's README) or JavaScript (lemlist) prints it. Brave lists several policies:
  ``1, 15000``. Discord adds ``-Reset-After`` in decimal seconds, Akamai has ``-Next`` in place of ``-Reset``.
- ``X-Rate-Limit-*``: Twitter, AspNetCoreRateLimit.
- To be left alone: ``X-Retry-After`` (Docker Hub: a Unix time), ``X-RateLimit-Retry-After`` (MailerLite), and
  ``X-Rate-Limit-Retry-After-Seconds`` (Spring with Bucket4j).

Fields that come only with credentials of an API (OpenAI's, Linear's, Imgur's) or that state no time (Shopify's
``X-Shopify-Shop-Api-Call-Limit``, Laravel's and Spring Cloud Gateway's bare counts) are left out.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice
from typing import Final, NamedTuple

from urlsweep.core.model import Reply
from urlsweep.core.retry_after import retry_after


class Allowance(NamedTuple):
    """What is left of a limit."""

    remaining: int  # requests left until the limit starts anew
    seconds: float  # until it does; at most, where the reply states no more than how long the limit's window is


class _Family(NamedTuple):
    """The fields of one spelling: they speak of the same limits, in the same order."""

    remaining: str
    resets: tuple[str, ...]  # the first that is readable counts
    limit: str
    policy: str


_FAMILIES: Final = (
    _Family("ratelimit-remaining", ("ratelimit-reset",), "ratelimit-limit", "ratelimit-policy"),
    _Family(
        "x-ratelimit-remaining",
        ("x-ratelimit-reset-after", "x-ratelimit-reset", "x-ratelimit-next"),
        "x-ratelimit-limit",
        "x-ratelimit-policy",
    ),
    _Family("x-rate-limit-remaining", ("x-rate-limit-reset",), "x-rate-limit-limit", "x-rate-limit-policy"),
)
_COMBINED: Final = "ratelimit"
_POLICY: Final = "ratelimit-policy"
_WAITS: Final = ("retry-after", "x-retry-after", "x-ratelimit-retry-after", "x-rate-limit-retry-after-seconds")

RATE_LIMIT_FIELDS: Final = frozenset(
    {_COMBINED, *_WAITS, "age", "date"}.union(
        *((family.remaining, *family.resets, family.limit, family.policy) for family in _FAMILIES)
    )
)
"""The response fields, in lower case, that a transport must keep for what is read here."""

_COUNTS: Final = frozenset({_COMBINED, *(family.remaining for family in _FAMILIES)})
"""Without one of these there is no allowance: what nearly every reply is let go by."""

_LONGEST: Final = 999_999_999.0  # seconds: nine digits are 31 years, and longer is the same to every caller
_MOST: Final = 999_999_999  # requests, likewise

_LONGEST_VALUE: Final = 512  # characters; a longer one states no limit that anybody meant
_LONGEST_DATE: Final = 100  # characters; JavaScript's, with the name of its zone, have 70
_PARTS_READ: Final = 16  # values of a field, members of a value, parameters of a member: more than anybody has

# What a number is shows in its size. Below the first of these it is seconds from now, 31 years at most; then a Unix
# time from 2001 to 5138; then one in milliseconds from 1973 to the same year; then nothing that anybody documents.
_FIRST_EPOCH: Final = 1e9
_FIRST_EPOCH_MS: Final = 1e11
_PAST_EPOCHS: Final = 1e14

_Member = dict[str, str]  # of a list or dictionary: its parameters by name, the bare item as ""

_NUMBER: Final = re.compile(r"([0-9]{1,20})(?:\.[0-9]{0,20})?")
_QUOTED: Final = r'"(?:[^"\\]|\\.)*+"?'  # an open one ends with the value, so that no quote is looked at twice
_MEMBER: Final = re.compile(rf'(?:[^",]|{_QUOTED})++', re.DOTALL)
_PARAMETER: Final = re.compile(rf'(?:[^";]|{_QUOTED})++', re.DOTALL)

_REQUESTS: Final = frozenset({"request", "requests"})
"""The quota unit as the registry of draft-ietf-httpapi-ratelimit-headers-11 and as its section 3.1.2 spells it."""


def allowance(reply: Reply, wall: float) -> Allowance | None:
    """The tightest limit that `reply` states: fewest requests left, and of equal ones the longest wait.

    None where it states none that is readable, or comes from a cache, whose counts are of another time (section 7.3 of
    draft-ietf-httpapi-ratelimit-headers-11). `wall` is the time of day in seconds since the epoch; where the server
    sent a Date, times are held against that, so that neither clock has to be right.
    """
    for name, _ in reply.fields:
        if name in _COUNTS:
            return _tightest(reply, wall)
    return None


def stated_wait(reply: Reply, wall: float) -> float | None:
    """Seconds for which `reply` asks to be left alone; None where it does not say. `wall` is as for `allowance`.

    Retry-After goes before all others (section 7 of draft-ietf-httpapi-ratelimit-headers-11), also where it is not what
    the standard wants, as Shopify's ``2.0``. Then come its X- relatives; then, where no request is left, the time until
    the limit starts anew.
    """
    wait = retry_after(reply, wall)
    if wait is not None:
        return min(wait, _LONGEST)
    stated = _stated(reply)
    for name in _WAITS:
        if name in stated:
            waits = [wait for wait in _times(stated[name], _clock(reply, wall)) if wait is not None]
            if waits:
                return max(waits)
    left = allowance(reply, wall)
    return left.seconds if left is not None and left.remaining == 0 else None


class _Limit(NamedTuple):
    remaining: int
    is_bound: bool  # the time is the window's length: the limit starts anew then at the latest
    seconds: float

    @property
    def tightness(self) -> tuple[int, bool, float]:
        """Smaller is tighter. Of a limit stated in two spellings, as express-rate-limit can, the exact time counts."""
        return self.remaining, self.is_bound, -self.seconds


def _tightest(reply: Reply, wall: float) -> Allowance | None:
    age = reply.get("age")
    if age is not None and _count(age.partition(",")[0].strip()):
        return None
    stated = _stated(reply)
    now = _clock(reply, wall)
    limits: list[_Limit] = []
    for family in _FAMILIES:
        if family.remaining in stated:
            limits += _of_family(family, stated, now)
    if _COMBINED in stated:
        members = _members(stated[_COMBINED])
        limits += _of_items(members, _members(stated.get(_POLICY, ())), now) or _of_dictionary(members, now)
    if not limits:
        return None
    tightest = min(limits, key=lambda limit: limit.tightness)
    return Allowance(tightest.remaining, tightest.seconds)


def _of_family(family: _Family, stated: dict[str, list[str]], now: float) -> list[_Limit]:
    """The limits of three fields that belong together."""
    members = _members(stated[family.remaining])
    counts = [_count(member.get("")) for member in members]
    policies = _members(stated.get(family.limit, ()))
    if len(policies) == len(counts):
        # A limit of none at all is none: Brave documents "0 for unlimited".
        quotas = [_count(policy.get("")) for policy in policies]
        counts = [None if quota == 0 else count for count, quota in zip(counts, quotas, strict=True)]
    for name in family.resets:
        times = _times(stated.get(name, ()), now)
        if any(time is not None for time in times):
            return _paired(counts, times)
    windows = {_window(policy) for policy in (*policies, *_members(stated.get(family.policy, ())))} - {None}
    shared = windows.pop() if len(windows) == 1 else None  # of several, nothing says which one the count is for
    bounds = [shared if (own := _window(member)) is None else own for member in members]
    return [
        _Limit(count, True, bound)
        for count, bound in zip(counts, bounds, strict=True)
        if count is not None and bound is not None
    ]


def _of_items(members: list[_Member], policies: list[_Member], now: float) -> list[_Limit]:
    """``"default";r=50;t=30``, its policy being found by name (draft-ietf-httpapi-ratelimit-headers-08 to -11)."""
    named = {policy.get(""): policy for policy in policies}
    limits = []
    for member in members:
        policy = named.get(member.get(""), {})
        count = _count(member.get("r"))
        if count is None or policy.get("qu", "requests") not in _REQUESTS:
            continue
        time = _time(member.get("t", ""), now)
        if time is not None:
            limits.append(_Limit(count, False, time))
        elif (window := _window(policy)) is not None:
            limits.append(_Limit(count, True, window))
    return limits


def _of_dictionary(members: list[_Member], now: float) -> list[_Limit]:
    """``limit=100, remaining=50, reset=30`` (draft-ietf-httpapi-ratelimit-headers-07)."""
    counts = [_count(member["remaining"]) for member in members if "remaining" in member]
    return _paired(counts, [_time(member["reset"], now) for member in members if "reset" in member])


def _paired(counts: Sequence[int | None], times: Sequence[float | None]) -> list[_Limit]:
    """Counts and times of the same limits in the same order.

    Where there are more of one than of the other, nobody can tell which belong together (a gateway and what is behind
    it may each have added theirs): the fewest requests and the longest time are on the safe side.
    """
    pairs: Iterable[tuple[int | None, float | None]]
    if len(counts) == len(times):
        pairs = zip(counts, times, strict=True)
    else:
        fewest = min((count for count in counts if count is not None), default=None)
        pairs = [(fewest, max((time for time in times if time is not None), default=None))]
    return [_Limit(count, False, time) for count, time in pairs if count is not None and time is not None]


def _stated(reply: Reply) -> dict[str, list[str]]:
    """The values to be read, by the names of their fields."""
    stated: dict[str, list[str]] = {}
    for name, value in reply.fields:
        if name in RATE_LIMIT_FIELDS and len(value) <= _LONGEST_VALUE:
            values = stated.setdefault(name, [])
            if len(values) < _PARTS_READ:
                values.append(value)
    return stated


def _members(values: Iterable[str]) -> list[_Member]:
    """The members of structured fields (RFC 9651), a dictionary's being one parameter each.

    More tolerant than the RFC, which would have all of a field dropped for one stray comma, a capital letter in a key
    or a number of sixteen digits.
    """
    members: list[_Member] = []
    for value in values:
        if value.isdecimal():  # as nearly all are
            members.append({"": value})
            continue
        for match in islice(_MEMBER.finditer(value), _PARTS_READ):
            member: _Member = {}
            for parameter in islice(_PARAMETER.finditer(match[0]), _PARTS_READ):
                name, equals, content = parameter[0].partition("=")
                if equals and '"' not in name:
                    member[name.strip().lower()] = content.strip().strip('"')
                elif bare := parameter[0].strip():
                    member.setdefault("", bare.strip('"'))
            if member:
                members.append(member)
    return members


def _times(values: Iterable[str], now: float) -> list[float | None]:
    """Seconds until each of the times in `values`, which may be lists; None for those that are unreadable."""
    times: list[float | None] = []
    for value in values:
        time = _time(value, now)
        if time is not None:  # asked first: a date has a comma of its own
            times.append(time)
        else:
            times += [_time(member.get("", ""), now) for member in _members((value,))]
    return times


def _time(text: str, now: float) -> float | None:
    """Seconds from `now` until what `text` says in any form: a number of seconds, a Unix time, a date.

    Milliseconds from now (Prisjakt, SkuVault) cannot be told from seconds and are taken for them: too long a time,
    which callers bound, rather than too short a one.
    """
    text = text.strip().strip('"')
    if _NUMBER.fullmatch(text) is not None:
        seconds = float(text)
        if seconds >= _PAST_EPOCHS:
            return None
        if seconds >= _FIRST_EPOCH_MS:
            seconds = seconds / 1000 - now
        elif seconds >= _FIRST_EPOCH:
            seconds -= now
    else:
        moment = _moment(text)
        if moment is None:
            return None
        seconds = moment - now
    return min(max(seconds, 0.0), _LONGEST)


def _count(text: str | None) -> int | None:
    """A number of requests; a part of one (Reddit's are decimals) is none. Below zero may mean over the limit
    (rack-ratelimit) as well as without one (WPScan), and is unreadable.
    """
    number = _NUMBER.fullmatch(text) if text is not None else None
    return min(int(number[1]), _MOST) if number is not None else None


def _window(member: _Member) -> float | None:
    """Seconds that a limit's window is long: `w`, or `window` as WHOOP has it."""
    seconds = _count(member.get("w", member.get("window")))
    return float(seconds) if seconds else None


def _clock(reply: Reply, wall: float) -> float:
    """The server's own time of day where it sent it."""
    date = reply.get("date")
    sent = _moment(date.strip()) if date is not None else None
    return wall if sent is None else sent


def _moment(text: str) -> float | None:
    return _epoch(text) if len(text) <= _LONGEST_DATE else None


@lru_cache(maxsize=1024)  # all servers say the same Date for a second
def _epoch(text: str) -> float | None:
    """A date as Unix time: ISO 8601, also with Ruby's blank before the zone, where it begins with a digit; else an
    HTTP-date in any of its forms (RFC 9110 section 5.6.7), also with JavaScript's ``GMT+0100``. Without a zone: UTC.
    """
    from email.utils import parsedate_to_datetime  # 3 ms that few answers need

    try:
        if text[:1].isdigit():
            moment = dt.datetime.fromisoformat(text.replace(" UTC", "Z").replace(" +", "+").replace(" -", "-"))
        else:
            moment = parsedate_to_datetime(text.replace("GMT+", "+").replace("GMT-", "-"))
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
