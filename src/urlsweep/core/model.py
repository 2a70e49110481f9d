"""The words of urlsweep as types: what goes in, what is sent, what comes back, what is reported.

Contract: frozen values with stable string forms. `Category`, `Outcome` and `Reason` values and the field names of
`Result` are public API: never renamed, only added to.
Not in here: any decision (see `check`), any counting (see `summary`), any I/O.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Mapping
from enum import StrEnum
from functools import lru_cache
from typing import Any, Self

import msgspec


class Category(StrEnum):
    """The class of a final status code by its first digit (RFC 9110 section 15)."""

    INFORMATIONAL = "informational"
    SUCCESS = "success"
    REDIRECTION = "redirection"
    CLIENT_ERROR = "client_error"
    SERVER_ERROR = "server_error"

    @classmethod
    def of(cls, status: int | None) -> Category | None:
        """The category of `status`; None where there was no answer or the code is outside 100-599."""
        return _CATEGORIES.get(status // 100) if status is not None else None


_CATEGORIES = dict(enumerate(Category, start=1))


class Outcome(StrEnum):
    """What a person needs to know about a URL."""

    OK = "ok"
    BROKEN = "broken"
    DOWN = "down"
    UNVERIFIED = "unverified"
    INVALID = "invalid"
    SKIPPED = "skipped"


class Reason(StrEnum):
    """Why a row is not plainly ok. The family `http.<code>` is open: see `http_reason`."""

    RATE_LIMITED = "rate_limited"
    BOT_WALL = "bot_wall"

    DNS_NOT_FOUND = "dns.not_found"
    DNS_FAILURE = "dns.failure"
    DNS_TIMEOUT = "dns.timeout"

    CONNECT_REFUSED = "connect.refused"
    CONNECT_TIMEOUT = "connect.timeout"
    CONNECT_UNREACHABLE = "connect.unreachable"
    CONNECT_RESET = "connect.reset"

    TLS_EXPIRED = "tls.expired"
    TLS_NOT_YET_VALID = "tls.not_yet_valid"
    TLS_NAME_MISMATCH = "tls.name_mismatch"
    TLS_SELF_SIGNED = "tls.self_signed"
    TLS_UNTRUSTED = "tls.untrusted"
    TLS_HANDSHAKE = "tls.handshake"

    RESPONSE_TIMEOUT = "response.timeout"
    RESPONSE_RESET = "response.reset"
    RESPONSE_INVALID = "response.invalid"
    RESPONSE_TOO_LARGE = "response.too_large"

    REDIRECT_LOOP = "redirect.loop"
    REDIRECT_TOO_MANY = "redirect.too_many"
    REDIRECT_INVALID = "redirect.invalid"
    REDIRECT_FORBIDDEN = "redirect.forbidden"

    URL_MALFORMED = "url.malformed"
    URL_UNKNOWN_SCHEME = "url.unknown_scheme"

    SKIP_EXCLUDED = "skip.excluded"
    SKIP_UNSUPPORTED_SCHEME = "skip.unsupported_scheme"
    SKIP_PRIVATE_ADDRESS = "skip.private_address"
    SKIP_ROBOTS = "skip.robots"
    SKIP_UNFINISHED = "skip.unfinished"

    # An input that could not be read to its end: the row that says so carries the input's own name as its URL.
    SOURCE_UNREADABLE = "source.unreadable"
    SOURCE_MALFORMED = "source.malformed"
    SOURCE_TRUNCATED = "source.truncated"
    SOURCE_UNSAFE = "source.unsafe"


def http_reason(status: int) -> str:
    """The reason code of an HTTP answer that decided a row: ``http.404``."""
    return f"http.{status}"


class Fault(msgspec.Struct, frozen=True):
    """What was wrong with an input, told as a row: nothing that was read is lost, nothing that was not is hidden."""

    outcome: Outcome
    reason: str  # a Reason value or http.<code>
    detail: str  # one plain sentence: what, where, what to do
    status: int | None = None  # the HTTP status where the input was fetched and refused


class Target(msgspec.Struct, frozen=True):
    """One URL and where it was found."""

    url: str  # as given, white space around it dropped
    found_in: str = ""  # "urls.txt:7", a sitemap's URL, "argument 2"
    input: Mapping[str, Any] | None = None  # the row it came in: a CSV row's columns, a JSON object's other keys
    fault: Fault | None = None  # set when this stands for an input's fault and must not be asked


class Request(msgspec.Struct, frozen=True):
    """One thing to send. The URL is serialised as WHATWG says and has no fragment and no userinfo."""

    url: str
    method: str  # "HEAD" or "GET"
    host_key: str  # the queue it waits in: scheme-independent "host:port"
    headers: tuple[tuple[str, str], ...] = ()  # all of the request's own fields, credentials and cookies included
    timeout: float = 20.0  # seconds for the whole request
    connect_timeout: float = 10.0  # seconds of it for name look-up, TCP and TLS together
    public_only: Reason | None = None  # when set: an address that is not public is refused with this reason
    reach_timeout: float = math.inf  # seconds, once addresses are known, in which one of them has to accept TCP
    attempt_timeout: float = 0.0  # seconds for each attempt at TCP, where it may go on after the request; 0: it may not


class Reply(msgspec.Struct, frozen=True):
    """An HTTP answer: its status and the fields the Check needs (`check.NEEDED_FIELDS`), names in lower case."""

    status: int
    fields: tuple[tuple[str, str], ...] = ()
    elapsed: float = 0.0  # seconds from the send to the end of the header section
    address: str | None = None  # the peer's IP address; None behind a proxy

    def get(self, name: str) -> str | None:
        """The first value of field `name` (lower case), or None."""
        for field, value in self.fields:
            if field == name:
                return value
        return None

    def get_all(self, name: str) -> list[str]:
        """Every value of field `name` (lower case), in order."""
        return [value for field, value in self.fields if field == name]


class Failure(msgspec.Struct, frozen=True):
    """No HTTP answer, and why."""

    reason: Reason
    detail: str  # one plain sentence
    elapsed: float = 0.0  # seconds until it was known
    address: str | None = None  # the IP address that could not be connected to; None where that was not what failed
    under_way: float = 0.0  # seconds for which an attempt at TCP has been, which goes on (see `Request`); 0: none does


class Hop(msgspec.Struct, frozen=True):
    """One redirect that was followed: the URL that answered and the status it gave."""

    url: str
    status: int


class Result(msgspec.Struct, frozen=True):
    """The row. Field names and order are the JSON Lines and CSV schema, version 1."""

    url: str
    outcome: Outcome
    reason: str | None = None  # null when plainly ok
    status: int | None = None  # the last HTTP status
    category: Category | None = None
    detail: str | None = None
    method: str | None = None  # of the answer that decided
    final_url: str | None = None
    hops: tuple[Hop, ...] = ()
    attempts: int = 0  # requests sent for this URL
    elapsed_ms: float | None = None  # of the deciding request
    found_in: str = ""
    checked_at: str | None = None  # RFC 3339, UTC; null where nothing was asked
    cached_at: str | None = None  # when the answer was got that an earlier run is trusted for; null where asked now
    input: Mapping[str, Any] | None = None  # what else stood in the input row; left out where there was none

    @classmethod
    def of_fault(cls, target: Target, fault: Fault) -> Self:
        """The row of a target that was never asked because of `fault`."""
        return cls(
            url=target.url,
            outcome=fault.outcome,
            reason=fault.reason,
            status=fault.status,
            category=Category.of(fault.status),
            detail=fault.detail,
            found_in=target.found_in,
            input=target.input,
        )


RESULT_COLUMNS: tuple[str, ...] = tuple(name for name in Result.__struct_fields__ if name != "input")
"""The row's columns in their order, without the input's own."""


@lru_cache(maxsize=64)
def rfc3339(seconds: float) -> str:
    """`seconds` since the epoch as RFC 3339 in UTC with milliseconds and a Z.

    Kept for a while: the answers of one batch have one time.
    """
    whole, milliseconds = divmod(int(seconds * 1000), 1000)
    return f"{_second(whole)}.{milliseconds:03d}Z"


@lru_cache(maxsize=64)
def _second(whole: int) -> str:
    """Kept for a while: rows come by the thousand a second."""
    return datetime.datetime.fromtimestamp(whole, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")
