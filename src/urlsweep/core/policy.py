"""What one URL's check may do: frozen data, every default with its reason beside it.

Contract: a Policy decides nothing over time (that is `check`); it answers "is this code accepted", "does this URL get
asked", "which fields go to this origin".
"""

from __future__ import annotations

import base64
import fnmatch
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType
from typing import Final, NamedTuple, Self

from urlsweep.core.model import Fault, Outcome, Reason
from urlsweep.core.urls import Url, names_private_host

Fields = tuple[tuple[str, str], ...]
"""HTTP field lines as (name, value) pairs."""


class PolicyError(ValueError):
    """A value that no Policy can hold; the message names the value and what is allowed."""


class ByHand(NamedTuple):
    """What a rule, or robots.txt, says for the host of a URL; None leaves a value as it is."""

    per_host: int | None = None
    rate: float | None = None
    delay: float | None = None


def check_by_hand(per_host: int | None, rate: float | None, delay: float | None) -> None:
    """Raises PolicyError for bounds that nothing can be asked within."""
    if per_host is not None and not 1 <= per_host <= 100_000:
        raise PolicyError(f"per_host must be 1 to 100000, not {per_host}")
    if rate is not None:
        check_rate("rate", rate)
    if delay is not None and not 0 <= delay <= 3600:
        raise PolicyError(f"delay must be 0 to 3600 seconds, not {delay}")


def check_rate(name: str, rate: float) -> None:
    """Raises PolicyError for a rate that nothing can be asked at."""
    if not 0.0001 <= rate <= 1_000_000:
        raise PolicyError(f"{name} must be 0.0001 to 1000000 requests a second, not {rate}")


class Method(StrEnum):
    """How a URL is asked."""

    AUTO = "auto"  # HEAD first, anything but a success confirmed by GET
    GET = "get"  # GET only


@dataclass(frozen=True, slots=True)
class StatusSet:
    """Status codes, written ``200..299,401``."""

    ranges: tuple[tuple[int, int], ...]  # inclusive

    def __contains__(self, status: int) -> bool:
        return any(low <= status <= high for low, high in self.ranges)

    def __str__(self) -> str:
        return ",".join(str(low) if low == high else f"{low}..{high}" for low, high in self.ranges)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``200..299,401``, ``2xx`` or ``404``. Raises PolicyError naming the part that is wrong."""
        ranges = []
        for part in filter(None, (piece.strip() for piece in text.split(","))):
            if match := re.fullmatch(r"([1-9])xx", part, re.IGNORECASE):
                low, high = int(match[1]) * 100, int(match[1]) * 100 + 99
            elif match := re.fullmatch(r"([0-9]{3})(?:(?:\.\.=?|-)([0-9]{3}))?", part):
                low, high = int(match[1]), int(match[2] or match[1])
            else:
                raise PolicyError(f"{part!r} is not a status code or range: write 200, 200..299 or 2xx")
            if not 100 <= low <= high:
                raise PolicyError(f"{part!r} is not a range of status codes: they go from 100 to 999, low to high")
            ranges.append((low, high))
        if not ranges:
            raise PolicyError("no status code given: write for example 200..299,401")
        return cls(tuple(ranges))


_SECRET_NAMES: Final = re.compile(
    # "key" ends many gateways' names (Ocp-Apim-Subscription-Key, x-functions-key, X-Access-Key).
    r"authorization|cookie|api[-_]?key|[-_]key$|^key$|token|secret|passw|passphrase|credential|session|signature|bearer"
    r"|jwt|(?:^|[-_])auth(?:$|[-_])|^x-auth",
    re.IGNORECASE,
)


def is_secret_field(name: str) -> bool:
    """Whether a request field of this name carries a credential: it must be bound to one origin."""
    return _SECRET_NAMES.search(name) is not None


def basic_authorization(username: str, password: str) -> tuple[str, str]:
    """The Authorization field of the Basic scheme (RFC 7617, UTF-8)."""
    token = base64.b64encode(f"{username}:{password}".encode()).decode("ascii")
    return ("Authorization", f"Basic {token}")


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of ``[[rules]]``: what differs for the URLs that match. None leaves a value as it is."""

    pattern: re.Pattern[str]
    accept: StatusSet | None = None
    method: Method | None = None
    headers: Fields = field(default=(), repr=False)  # bound to the origin of the URL that matched
    timeout: float | None = None
    skip: bool | None = None
    robots: bool | None = None
    per_host: int | None = None  # requests at once to the host of a URL that matched
    rate: float | None = None  # requests a second to it
    delay: float | None = None  # seconds between two requests to it

    def __post_init__(self) -> None:
        if self.timeout is not None:
            _check_seconds("timeout", self.timeout)
        check_by_hand(self.per_host, self.rate, self.delay)

    @property
    def sets_pace(self) -> bool:
        """Whether this rule bounds how fast its hosts are asked."""
        return self.per_host is not None or self.rate is not None or self.delay is not None

    def matches(self, url: Url) -> bool:
        """Whether this rule is for `url` (fragment apart)."""
        return self.pattern.search(url.href) is not None


_WILDCARD: Final = re.compile(r"\*|\?|\[!?\]?[^\]]*\]")
_END: Final = re.compile(r"\\[Zz]\Z")  # of what fnmatch translates, as of any Python


def glob_pattern(glob: str) -> re.Pattern[str]:
    """A shell glob over the whole URL (``https://example.com/*``) as a pattern.

    Where it has a scheme and a path, its wildcards before the path stay within the host: fields of a rule for
    ``https://*.example.com/*`` must not go to ``https://evil.test/?.example.com/``. Anchored for the same reason.
    """
    scheme, separator, rest = glob.partition("://")
    host, slash, path = rest.partition("/")
    if not slash:
        return re.compile(r"\A" + fnmatch.translate(glob))
    parts, position, site = [], 0, scheme + separator + host
    for wildcard in _WILDCARD.finditer(site):
        parts.append(re.escape(site[position : wildcard.start()]))
        parts.append("[^/]*" if wildcard[0] == "*" else "(?!/)" + _END.sub("", fnmatch.translate(wildcard[0])))
        position = wildcard.end()
    parts.append(re.escape(site[position:]))
    return re.compile(r"\A" + "".join(parts) + fnmatch.translate(slash + path))


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One URL's check: bounds, accepted codes, fields, filters."""

    method: Method = Method.AUTO
    """HEAD spares servers the body; GET decides whatever HEAD does not prove."""

    accept: StatusSet | None = None
    """Codes that are ok. None: 200..299, and 3xx where redirects are not followed (they are then the answer)."""

    timeout: float = 20.0
    """Seconds for a whole request. A slow page is not a broken one; past 20 s nobody waits for it any more."""

    connect_timeout: float = 10.0
    """Seconds of it for DNS, TCP and TLS: three SYN retransmissions (1, 3 and 7 s, RFC 6298) fit in."""

    max_redirects: int = 10
    """Browsers allow 20; a link that needs more than 10 hops is worth a look."""

    follow: bool = True

    tries: int = 3
    """For what may pass. Two failures can be one bad moment; three, seconds apart, are evidence."""

    retry_delays: tuple[float, ...] = (1.0, 5.0)
    """Seconds before the second and the third try: past a restart's blink, past a short overload. The last repeats."""

    jitter: float = 0.5
    """Up to this share is added to a delay at random, so that URLs that failed together are not asked together."""

    headers: Fields = ()
    """Sent to every origin: nothing in here is a credential."""

    credentials: Mapping[str, Fields] = field(default_factory=lambda: MappingProxyType({}), repr=False)
    """Origin -> fields sent to it and to no other (RFC 9110 section 15.4: drop them when a redirect leaves it)."""

    unscoped_credentials: Fields = field(default=(), repr=False)
    """Fields given without an origin: bound to the targets' one origin by `bound_to` before anything is asked."""

    exclusive_origin: str | None = None
    """Set by `bound_to`: every target must have this origin, or a credential given without one would be ambiguous."""

    exclusive_names: tuple[str, ...] = ()
    """The names of the fields that were bound by `bound_to`, for the message."""

    allow_private: bool = True
    """Loopback and private targets are what CI checks. Turn off where the list comes from strangers."""

    allow_private_redirects: bool = False
    """A public page that sends its visitor to 127.0.0.1 or 169.254.169.254 is broken at best, an attack at worst."""

    include: tuple[re.Pattern[str], ...] = ()
    """Where any are given, only URLs that one of them finds are asked."""

    exclude: tuple[re.Pattern[str], ...] = ()
    """URLs that one of these finds are not asked; stronger than `include`."""

    robots: bool = False
    """Whether robots.txt is asked for and obeyed (RFC 9309). A link checker asks for what a person linked to, as a
    browser does; a crawler's rules are for whoever wants to be one."""

    rules: tuple[Rule, ...] = ()
    """All that match apply, later ones over earlier ones."""

    def __post_init__(self) -> None:
        _check_seconds("timeout", self.timeout)
        _check_seconds("connect_timeout", self.connect_timeout)
        if not 0 <= self.max_redirects <= 100:
            raise PolicyError(f"max_redirects must be 0 to 100, not {self.max_redirects}")
        if not 1 <= self.tries <= 20:
            raise PolicyError(f"tries must be 1 to 20, not {self.tries}")
        if not self.retry_delays or not all(0 <= delay <= 3600 for delay in self.retry_delays):
            raise PolicyError("retry_delays must be one or more numbers of seconds, each 0 to 3600")
        if not 0 <= self.jitter <= 10:
            raise PolicyError(f"jitter must be 0 to 10, not {self.jitter}")

    def accepts(self, status: int) -> bool:
        """Whether an answer with this code is ok."""
        if self.accept is not None:
            return status in self.accept
        return 200 <= status <= 299 or (not self.follow and 300 <= status <= 399)

    def retry_delay(self, tries_used: int) -> float:
        """Seconds before the next try after `tries_used` (1 or more) have failed, jitter apart."""
        return self.retry_delays[min(tries_used, len(self.retry_delays)) - 1]

    def fields_for(self, origin: str) -> Fields:
        """All the request fields that `origin` may see; its own are stronger than ones of the same name for all."""
        own = tuple(self.credentials.get(origin, ()))
        if not own:
            return self.headers
        names = {name.lower() for name, _ in own}
        return tuple(pair for pair in self.headers if pair[0].lower() not in names) + own

    @property
    def refuses_any(self) -> bool:
        """Whether there may be a URL that is not to be asked."""
        return bool(self.exclude or self.include or self.rules) or not self.allow_private

    def refusal(self, url: Url) -> Fault | None:
        """Why `url` is not to be asked, or None."""
        for pattern in self.exclude:
            if pattern.search(url.href):
                return _excluded(f"matches exclude {pattern.pattern!r}")
        if self.include and not any(pattern.search(url.href) for pattern in self.include):
            return _excluded("matches no include pattern")
        if not self.allow_private and names_private_host(url.host):
            return Fault(
                Outcome.SKIPPED,
                Reason.SKIP_PRIVATE_ADDRESS,
                f"{url.host} is private: see --allow-private/--deny-private",
            )
        skip: bool | None = None
        for rule in self.rules:
            if rule.skip is not None and rule.matches(url):
                skip = rule.skip
        return _excluded("a rule says skip") if skip else None

    def for_url(self, url: Url) -> Policy:
        """This policy with the rules that match `url` and the credentials in it applied."""
        policy = self
        for rule in self.rules:
            if rule.matches(url):
                policy = replace(
                    policy,
                    accept=rule.accept or policy.accept,
                    method=rule.method or policy.method,
                    timeout=rule.timeout or policy.timeout,
                    connect_timeout=min(policy.connect_timeout, rule.timeout or policy.connect_timeout),
                    credentials=_merged(policy.credentials, url.origin, rule.headers),
                )
        if url.has_credentials:
            own = (basic_authorization(url.username, url.password),)
            policy = replace(policy, credentials=_merged(policy.credentials, url.origin, own))
        return policy

    def obeys_robots(self, url: Url) -> bool:
        """Whether robots.txt is asked for and obeyed for `url`, rules applied."""
        obeys = self.robots
        for rule in self.rules:
            if rule.robots is not None and rule.matches(url):
                obeys = rule.robots
        return obeys

    @property
    def robots_matter(self) -> bool:
        """Whether robots.txt is obeyed for any URL."""
        return self.robots or any(rule.robots for rule in self.rules)

    @property
    def paces_by_rule(self) -> bool:
        """Whether any rule bounds how fast its hosts are asked."""
        return any(rule.sets_pace for rule in self.rules)

    def by_hand(self, url: Url) -> ByHand | None:
        """What the rules that match `url` say about its host's pace, later ones over earlier ones; None: nothing."""
        found = ByHand()
        for rule in self.rules:
            if rule.sets_pace and rule.matches(url):
                found = ByHand(
                    found.per_host if rule.per_host is None else rule.per_host,
                    found.rate if rule.rate is None else rule.rate,
                    found.delay if rule.delay is None else rule.delay,
                )
        return None if found == (None, None, None) else found

    def bound_to(self, origin: str) -> Policy:
        """This policy with its unscoped credentials bound to `origin`; ones scoped to it by name are stronger."""
        own = _merged({origin: self.unscoped_credentials}, origin, self.credentials.get(origin, ()))
        return replace(
            self,
            credentials=MappingProxyType({**self.credentials, **own}),
            unscoped_credentials=(),
            exclusive_origin=origin,
            exclusive_names=tuple(name for name, _ in self.unscoped_credentials),
        )


def _check_seconds(name: str, seconds: float) -> None:
    if not 0 < seconds <= 3600:
        raise PolicyError(f"{name} must be more than 0 and at most 3600 seconds, not {seconds}")


def _excluded(detail: str) -> Fault:
    return Fault(Outcome.SKIPPED, Reason.SKIP_EXCLUDED, detail)


def _merged(credentials: Mapping[str, Fields], origin: str, fields: Iterable[tuple[str, str]]) -> Mapping[str, Fields]:
    """`credentials` with `fields` for `origin`, replacing those of the same name (RFC 9110 section 5.1: any case)."""
    fields = tuple(fields)
    if not fields:
        return credentials
    names = {name.lower() for name, _ in fields}
    kept = tuple(pair for pair in credentials.get(origin, ()) if pair[0].lower() not in names)
    return MappingProxyType({**credentials, origin: kept + fields})
