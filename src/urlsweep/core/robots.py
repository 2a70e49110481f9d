"""What a robots.txt allows (RFC 9309, the Robots Exclusion Protocol): its bytes in, an answer for each URL out.

Contract: pure, and never raises for what a server sent. Which group of rules is ours is decided here; what a rule
matches is protego's business (scrapy's parser of robots.txt). A hostile file costs bounded time: at most
`LONGEST_ROBOTS` of it is read, and matching one URL takes some 10 ms at the most.
Not in here: fetching the file and what its status means (`ALLOW_ALL` and `DISALLOW_ALL` are for that), its `Sitemap:`
lines (see `sources.robots`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from urlsweep.core.urls import Url

if TYPE_CHECKING:
    from protego import Protego

LONGEST_ROBOTS: Final = 512 * 1024
"""Bytes. RFC 9309 section 2.5 asks for at least 500 KiB; what lies beyond is not read."""

LONGEST_CRAWL_DELAY: Final = 60.0
"""Seconds between two requests. A site of a hundred pages takes longer than anybody waits with more; the values met
above it (an hour, a day) are meant to say "not at all", for which there is Disallow."""

_MOST_WORK: Final = 2_000_000
"""Characters that the wildcards of one robots.txt may look at for one URL: some 10 ms. A URL of 100 characters may meet
4,400 wildcards, one of 1,000 characters 1,400; a site that has more for it is taken to disallow it. Without a bound,
the 40,000 of them that 512 KiB hold take more than 2 s for a URL of 64 KiB."""

_WORK_PER_WILDCARD: Final = 350  # what the call for one costs, in characters looked at


class RobotsRules(msgspec.Struct, frozen=True, eq=False):
    """What one site's robots.txt asks of one user agent."""

    crawl_delay: float | None = None
    """Seconds between the starts of two requests, more than 0 and at most `LONGEST_CRAWL_DELAY`; None: nothing said.
    ``Crawl-delay`` or ``Request-rate``, whichever is slower; neither is in the RFC, both are in use."""

    rules: int = 0
    """Rules held, each about 800 bytes: what whoever keeps many of these can bound them by."""

    _allows_all: bool = True  # where there are no rules to ask
    _matcher: Protego | None = None
    _wildcards: int = 0

    @classmethod
    def parse(cls, body: bytes, user_agent: str) -> RobotsRules:
        """Read `body` for the product that the User-Agent field `user_agent` names first. Never raises.

        Bytes that are not UTF-8 are replaced. What no rule of ours can be read in allows everything (section 2.2.1).
        """
        lines = _own_rules(_text(body), product_token(user_agent))
        if not lines:
            return ALLOW_ALL
        from protego import Protego  # only where a robots.txt with rules was met

        matcher = Protego.parse("\n".join(("User-agent: *", *lines)))
        rules = sum(re.match(_PATH_RULE, line) is not None for line in lines)
        return cls(
            crawl_delay=_crawl_delay(matcher),
            rules=rules,
            _matcher=matcher if rules else None,
            _wildcards=sum(line.count("*") for line in lines),
        )

    def allows(self, href: str) -> bool:
        """Whether the http(s) URL `href`, serialised as `Url.href` is, may be asked for."""
        if self._matcher is None:
            return self._allows_all
        target = href[href.index("/", len("https://")) :]  # path and query, which is all that rules speak of
        if self._wildcards * (_WORK_PER_WILDCARD + len(target)) > _MOST_WORK:
            return False
        return self._matcher.can_fetch(f"http://host{target}", "*")


ALLOW_ALL: Final = RobotsRules()
"""For a robots.txt that is not there: 4xx, "unavailable" (RFC 9309 section 2.3.1.3)."""

DISALLOW_ALL: Final = RobotsRules(_allows_all=False)
"""For one that cannot be had now: 5xx or no answer, "unreachable" (RFC 9309 section 2.3.1.4)."""


def robots_url(url: Url) -> str:
    """Where the rules for `url` stand: ``https://example.com:8443/robots.txt`` (RFC 9309 section 2.3)."""
    return f"{url.origin}/robots.txt"


_PRODUCT: Final = r"[!$%&'+\-.^_`|~0-9A-Za-z]+"
"""RFC 9110's token (section 5.6.2) without ``*`` and ``#``, which mean something else in a robots.txt. RFC 9309 knows
letters, ``-`` and ``_`` alone, but robots are called MJ12bot and archive.org_bot."""


def product_token(user_agent: str) -> str:
    """The name by which a robots.txt speaks to who sends this User-Agent: its first product, in lower case.

    >>> product_token("urlsweep/0.1 (+https://example.com)")
    'urlsweep'
    """
    match = re.match(_PRODUCT, user_agent.strip())
    return match[0].lower() if match is not None else ""


def _text(body: bytes) -> str:
    if len(body) >= LONGEST_ROBOTS:  # whoever fetched it may have stopped just there
        # The line that is cut is left out: half of "Disallow: /private" would disallow the whole site.
        body = body[:LONGEST_ROBOTS]
        body = body[: max(body.rfind(b"\n"), body.rfind(b"\r")) + 1]
    return body.decode("utf-8-sig", "replace")


# Compiled at their first use: few runs read rules.
# Spelled as loosely as protego does: a blank for the hyphen or the colon, letters of "disallow" mixed up.
_PATH_RULE: Final = r"(?i)\s*(?:allow|di[a-z]+w)(?:\s*:|\s)"
_RULE: Final = r"(?i)\s*(?:allow|di[a-z]+w|crawl[- ]delay|request[- ]rate)(?:\s*:|\s)\s*(?P<value>.*)"
_AGENT: Final = r"(?i)\s*user[- ]?agent(?:\s*:|\s)\s*(?P<value>.*)"


def _own_rules(text: str, token: str) -> list[str]:
    """The lines of the rules for `token`: of all groups that name it, else of those for everybody (section 2.2.1).

    Done here and not by protego, which takes a group for "url" to be ours too, and keeps every group's rules: a file
    with thousands of names and of rules would cost their product.
    """
    own: dict[str, None] = {}  # as a set that keeps its order: a rule that stands twice says nothing more
    everybody: dict[str, None] = {}
    is_own = is_for_everybody = is_among_names = has_own = False
    for raw in text.splitlines():
        line = raw.partition("#")[0].strip()
        if agent := re.match(_AGENT, line):
            if not is_among_names:
                is_own = is_for_everybody = False
            is_among_names = True
            name = agent["value"]
            if name.partition(" ")[0] == "*":
                is_for_everybody = True
            elif token and product_token(name.lstrip("*")) == token:
                is_own = has_own = True
        elif rule := re.match(_RULE, line):
            # Crawl-delay ends the list of names too. RFC 9309 knows no such rule (section 2.2.4), but who writes one
            # below a name and another name below that means two groups.
            is_among_names = False
            if rule["value"]:  # "Disallow:" disallows nothing
                if is_own:
                    own[line] = None
                if is_for_everybody:
                    everybody[line] = None
    return list(own if has_own else everybody)


def _crawl_delay(matcher: Protego) -> float | None:
    """The slower of the two ways to say it. The hours that a Request-rate may name are left aside: always is kinder."""
    delay = matcher.crawl_delay("*") or 0.0
    rate = matcher.request_rate("*")
    if rate is not None:
        # In whole numbers first: they may be too large for a float.
        is_beyond = rate.seconds >= rate.requests * int(LONGEST_CRAWL_DELAY)
        delay = max(delay, LONGEST_CRAWL_DELAY if is_beyond else rate.seconds / rate.requests)
    return min(delay, LONGEST_CRAWL_DELAY) or None
