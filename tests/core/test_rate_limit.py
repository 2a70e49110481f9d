"""Stated limits as they are met: what real hosts and frameworks send, and what nobody should."""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from urlsweep.core.model import Reply
from urlsweep.core.rate_limit import RATE_LIMIT_FIELDS, Allowance, allowance, stated_wait
from urlsweep.core.retry_after import retry_after

WALL = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT
LONGEST = 999_999_999.0


def reply(*lines: str, status: int = 200) -> Reply:
    """A reply with these header lines, names in lower case as a transport gives them."""
    fields = (line.partition(":") for line in lines)
    return Reply(status, tuple((name.lower(), value.strip()) for name, _, value in fields))


class Case(NamedTuple):
    """What one host sends, with the place it is documented or was seen at."""

    name: str
    source: str
    lines: tuple[str, ...]
    left: Allowance | None
    wait: float | None = None


CASES = (
    # The drafts.
    Case(
        "draft -00 to -06",
        "draft-ietf-httpapi-ratelimit-headers-06 appendix B",
        ("RateLimit-Limit: 100, 100;w=60, 1000;w=86400", "RateLimit-Remaining: 50", "RateLimit-Reset: 50"),
        Allowance(50, 50.0),
    ),
    Case(
        "draft -07",
        "draft-ietf-httpapi-ratelimit-headers-07 section 3",
        ("RateLimit: limit=100, remaining=50, reset=30", "RateLimit-Policy: 100;w=60"),
        Allowance(50, 30.0),
    ),
    Case(
        "draft -08 to -11",
        "draft-ietf-httpapi-ratelimit-headers-11 section 4",
        ('RateLimit: "default";r=50;t=30',),
        Allowance(50, 30.0),
    ),
    Case(
        "draft -11, used up",
        "draft-ietf-httpapi-ratelimit-headers-11 appendix B.2.3",
        ('RateLimit-Policy: "dynamic";q=15;w=20', 'RateLimit: "dynamic";r=0;t=20'),
        Allowance(0, 20.0),
        20.0,
    ),
    Case(
        "draft -11, throttled, with Retry-After",
        "draft-ietf-httpapi-ratelimit-headers-11 appendix B.1.4",
        (
            "Date: Mon, 05 Aug 2019 09:27:00 GMT",
            "Retry-After: Mon, 05 Aug 2019 09:27:05 GMT",
            'RateLimit: "default";r=0;t=5',
        ),
        Allowance(0, 5.0),
        5.0,
    ),
    Case(
        "draft -11, a window without an end",
        "draft-ietf-httpapi-ratelimit-headers-11 section 4.2",
        ('RateLimit: "default";r=999;pk=:dHJpYWwxMjEzMjM=:',),
        None,
    ),
    Case(
        "draft -11, no time but a policy of that name",
        "draft-ietf-httpapi-ratelimit-headers-11 sections 3.1 and 4.1: `t` and `w` are optional",
        ('RateLimit: "daily";r=4;pk=:ZQ==:', 'RateLimit-Policy: "burst";q=100;w=60,"daily";q=1000;w=86400'),
        Allowance(4, 86_400.0),
    ),
    Case(
        "draft -11, counted in bytes",
        "draft-ietf-httpapi-ratelimit-headers-11 section 3.2",
        (
            'RateLimit: "peruser";r=0;t=7, "calls";r=30;t=10',
            'RateLimit-Policy: "peruser";q=65535;qu="content-bytes";w=10, "calls";q=60;qu="requests";w=60',
        ),
        Allowance(30, 10.0),
    ),
    # Hosts.
    Case(
        "GitHub",
        "docs.github.com/rest: rate limits; as quoted in zalando/restful-api-guidelines#379",
        (
            "Date: Mon, 01 Jul 2013 17:27:06 GMT",
            "X-RateLimit-Limit: 60",
            "X-RateLimit-Remaining: 56",
            "X-RateLimit-Reset: 1372700873",
            "X-RateLimit-Used: 4",
        ),
        Allowance(56, 1247.0),
    ),
    Case(
        "GitHub, used up",
        "docs.github.com: with remaining 0, do not ask before the reset",
        (
            "Date: Mon, 01 Jul 2013 17:27:06 GMT",
            "X-RateLimit-Limit: 60",
            "X-RateLimit-Remaining: 0",
            "X-RateLimit-Reset: 1372700873",
        ),
        Allowance(0, 1247.0),
        1247.0,
    ),
    Case(
        "GitLab",
        "gitlab.com/gitlab-org/gitlab/-/issues/199738",
        (
            "Date: Thu, 30 Jan 2020 14:14:16 GMT",
            "RateLimit-Limit: 600",
            "RateLimit-Observed: 5",
            "RateLimit-Remaining: 595",
            "RateLimit-Reset: 1580393717",
            "RateLimit-ResetTime: Thu, 30 Jan 2020 14:15:17 GMT",
        ),
        Allowance(595, 61.0),
    ),
    Case(
        "Cloudflare's API",
        "developers.cloudflare.com/fundamentals/api/reference/limits",
        ('Ratelimit: "default";r=50;t=30', 'Ratelimit-Policy: "burst";q=100;w=60'),
        Allowance(50, 30.0),
    ),
    Case(
        "Discord",
        "docs.discord.com/developers/topics/rate-limits",
        (
            "X-RateLimit-Limit: 5",
            "X-RateLimit-Remaining: 0",
            "X-RateLimit-Reset: 1470173023",
            "X-RateLimit-Reset-After: 1",
            "X-RateLimit-Bucket: abcd1234",
        ),
        Allowance(0, 1.0),
        1.0,
    ),
    Case(
        "Discord, to the millisecond",
        "docs.discord.com/developers/topics/rate-limits: the time can have decimals",
        ("X-RateLimit-Remaining: 1", "X-RateLimit-Reset: 1470173023.123", "X-RateLimit-Reset-After: 64.57"),
        Allowance(1, 64.57),
    ),
    Case(
        "Twitter",
        "docs.x.com/fundamentals/rate-limits",
        (
            "Date: Tue, 16 Jan 2024 15:45:00 GMT",
            "x-rate-limit-limit: 900",
            "x-rate-limit-remaining: 847",
            "x-rate-limit-reset: 1705420800",
        ),
        Allowance(847, 900.0),
    ),
    Case(
        "Reddit",
        "github.com/reddit-archive/reddit/wiki/API; decimals as in praw-dev/praw#2046",
        ("x-ratelimit-used: 2", "x-ratelimit-remaining: 998.0", "x-ratelimit-reset: 599"),
        Allowance(998, 599.0),
    ),
    Case(
        "Docker Hub's registry",
        "docs.docker.com/docker-hub/usage/pulls",
        ("ratelimit-limit: 100;w=21600", "ratelimit-remaining: 76;w=21600", "docker-ratelimit-source: 192.0.2.1"),
        Allowance(76, 21_600.0),
    ),
    Case(
        "Docker Hub's API",
        "docker/docs#22916: X-Retry-After was a Unix time",
        ("Date: Tue, 14 Nov 2023 22:13:00 GMT", "X-Retry-After: 1700000000"),
        None,
        20.0,
    ),
    Case(
        "Shopify",
        "shopify.dev/docs/api/admin-rest/usage/rate-limits: the bucket's level, and no time",
        ("X-Shopify-Shop-Api-Call-Limit: 40/40", "Retry-After: 2.0"),
        None,
        2.0,
    ),
    Case(
        "Stack Exchange",
        "api.stackexchange.com/docs/throttle: backoff and quota stand in the body",
        ("Content-Type: application/json; charset=utf-8", "Cache-Control: private"),
        None,
    ),
    Case(
        "Bluesky",
        "docs.bsky.app/docs/advanced-guides/rate-limits",
        (
            "Date: Tue, 14 Nov 2023 22:13:20 GMT",
            "RateLimit-Limit: 3000",
            "RateLimit-Remaining: 2999",
            "RateLimit-Reset: 1700000300",
            "RateLimit-Policy: 3000;w=300",
        ),
        Allowance(2999, 300.0),
    ),
    Case(
        "Zenodo",
        "PyPSA/pypsa-eur#1865",
        (
            "Date: Mon, 20 Oct 2025 14:21:45 GMT",
            "x-ratelimit-limit: 133",
            "x-ratelimit-remaining: 131",
            "x-ratelimit-reset: 1760970155",
        ),
        Allowance(131, 50.0),
    ),
    Case(
        "Vimeo",
        "pastebin.com/XkyyXMXj",
        (
            "Date: Tue, 30 Aug 2016 11:26:40 GMT",
            "X-RateLimit-Limit: 100",
            "X-RateLimit-Remaining: 97",
            "X-RateLimit-Reset: 2016-08-30T11:41:40+00:00",
        ),
        Allowance(97, 900.0),
    ),
    Case(
        "Mastodon",
        "docs.joinmastodon.org/api/rate-limits; as seen at qiita.com/KEINOS/items/8ad7a88d42e94d894f0d",
        (
            "date: Tue, 08 Sep 2020 13:20:30 GMT",
            "x-ratelimit-limit: 7500",
            "x-ratelimit-remaining: 7495",
            "x-ratelimit-reset: 2020-09-08T13:25:00.500000Z",
        ),
        Allowance(7495, 270.5),
    ),
    Case(
        "Atlassian Cloud",
        "jira.atlassian.com/browse/JRACLOUD-69262: yyyy-MM-ddTHH:mmZ",
        ("Date: Tue, 14 Nov 2023 22:13:20 GMT", "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 2023-11-14T22:15Z"),
        Allowance(0, 100.0),
        100.0,
    ),
    Case(
        "Akamai",
        "techdocs.akamai.com/netstorage/reference/rate-limiting",
        (
            "Date: Tue, 14 Nov 2023 22:13:20 GMT",
            "X-RateLimit-Limit: 50",
            "X-RateLimit-Remaining: 0",
            "X-RateLimit-Next: 2023-11-14T22:13:21.250Z",
        ),
        Allowance(0, 1.25),
        1.25,
    ),
    Case(
        "lemlist",
        "developer.lemlist.com/api-reference/getting-started/rate-limits",
        (
            "Date: Tue, 16 Feb 2021 08:02:40 GMT",
            "X-RateLimit-Limit: 20",
            "X-RateLimit-Remaining: 7",
            "X-RateLimit-Reset: Tue Feb 16 2021 09:02:42 GMT+0100 (Central European Standard Time)",
        ),
        Allowance(7, 2.0),
    ),
    Case(
        "Rocket.Chat",
        "RocketChat/docs-old#1358: milliseconds",
        (
            "Date: Fri, 05 Jul 2019 00:52:00 GMT",
            "x-ratelimit-limit: 10",
            "x-ratelimit-remaining: 9",
            "x-ratelimit-reset: 1562287945706",
        ),
        Allowance(9, 25.706),
    ),
    Case(
        "Brave Search",
        "api-dashboard.search.brave.com/documentation/guides/rate-limiting",
        (
            "X-RateLimit-Limit: 1, 15000",
            "X-RateLimit-Policy: 1;w=1, 15000;w=2592000",
            "X-RateLimit-Remaining: 1, 1000",
            "X-RateLimit-Reset: 1, 1419704",
        ),
        Allowance(1, 1.0),
    ),
    Case(
        "Brave Search, no monthly limit",
        "api-dashboard.search.brave.com/documentation/guides/rate-limiting: 0 for unlimited",
        ("X-RateLimit-Limit: 50, 0", "X-RateLimit-Remaining: 49, 0", "X-RateLimit-Reset: 1, 1419704"),
        Allowance(49, 1.0),
    ),
    Case(
        "WHOOP",
        "developer.whoop.com/docs/developing/rate-limiting",
        (
            "X-RateLimit-Limit: 100, 100;window=60, 10000;window=86400",
            "X-RateLimit-Remaining: 98",
            "X-RateLimit-Reset: 3",
        ),
        Allowance(98, 3.0),
    ),
    Case(
        "MailerLite",
        "developers-classic.mailerlite.com/docs/api-rate-limits",
        (
            "Date: Tue, 14 Nov 2023 22:13:20 GMT",
            "X-RateLimit-Limit: 60",
            "X-RateLimit-Remaining: 0",
            "X-RateLimit-Reset: 2023-11-14 22:14:00",
            "X-RateLimit-Retry-After: 41",
        ),
        Allowance(0, 40.0),
        41.0,
    ),
    # Frameworks and gateways, which any host may have before it.
    Case(
        "express-rate-limit, draft-8",
        "express-rate-limit/express-rate-limit: source/headers.ts, draft-8",
        (
            'RateLimit-Policy: "100-in-15min"; q=100; w=900; pk=:NzE2M2IzYzc0ODEz:',
            'RateLimit: "100-in-15min"; r=99; t=900',
        ),
        Allowance(99, 900.0),
    ),
    Case(
        "express-rate-limit, both spellings",
        "express-rate-limit/express-rate-limit: source/headers.ts, legacy and draft-7",
        (
            "Date: Tue, 14 Nov 2023 22:13:20 GMT",
            "X-RateLimit-Limit: 100",
            "X-RateLimit-Remaining: 99",
            "X-RateLimit-Reset: 1700000060",
            "RateLimit-Policy: 100;w=60",
            "RateLimit: limit=100, remaining=99, reset=60",
        ),
        Allowance(99, 60.0),
    ),
    Case(
        "Kong",
        "docs.konghq.com/hub/kong-inc/rate-limiting: headers sent to the client",
        (
            "RateLimit-Limit: 6",
            "RateLimit-Remaining: 4",
            "RateLimit-Reset: 47",
            "X-RateLimit-Limit-Minute: 10",
            "X-RateLimit-Remaining-Minute: 9",
        ),
        Allowance(4, 47.0),
    ),
    Case(
        "Envoy",
        "envoyproxy.io: envoy.extensions.filters.http.ratelimit.v3, enable_x_ratelimit_headers",
        (
            'x-ratelimit-limit: 10, 10;w=1;name="per-ip", 1000;w=3600',
            "x-ratelimit-remaining: 9",
            "x-ratelimit-reset: 1",
        ),
        Allowance(9, 1.0),
    ),
    Case(
        "AspNetCoreRateLimit",
        "stefanprodan/AspNetCoreRateLimit#31: the limit is a period, the reset has seven decimals",
        (
            "Date: Thu, 21 Dec 2017 13:06:06 GMT",
            "X-Rate-Limit-Limit: 1s",
            "X-Rate-Limit-Remaining: 49",
            "X-Rate-Limit-Reset: 2017-12-21T13:06:06.6567371Z",
        ),
        Allowance(49, 0.656737),
    ),
    Case(
        "Rack::Attack in New York",
        "rack/rack-attack#193: README, Time#to_s",
        (
            "Date: Wed, 03 Aug 2016 18:05:14 GMT",
            "X-RateLimit-Limit: 60",
            "X-RateLimit-Remaining: 0",
            "X-RateLimit-Reset: 2016-08-03 14:06:00 -0400",
        ),
        Allowance(0, 46.0),
        46.0,
    ),
    Case(
        "Rack::Attack in UTC",
        "rack/rack-attack#193: README, Time#to_s",
        (
            "Date: Wed, 03 Aug 2016 18:05:14 GMT",
            "X-RateLimit-Remaining: 0",
            "X-RateLimit-Reset: 2016-08-03 18:06:00 UTC",
        ),
        Allowance(0, 46.0),
        46.0,
    ),
    Case(
        "Spring with Bucket4j",
        "williansmartins/springboot-ratelimit",
        ("X-Rate-Limit-Retry-After-Seconds: 299",),
        None,
        299.0,
    ),
    Case(
        "Laravel",
        "Illuminate\\Routing\\Middleware\\ThrottleRequests: a time with refusals alone",
        ("X-RateLimit-Limit: 60", "X-RateLimit-Remaining: 59"),
        None,
    ),
    Case(
        "Laravel, used up",
        "Illuminate\\Routing\\Middleware\\ThrottleRequests",
        (
            "Date: Tue, 14 Nov 2023 22:13:20 GMT",
            "X-RateLimit-Limit: 60",
            "X-RateLimit-Remaining: 0",
            "Retry-After: 30",
            "X-RateLimit-Reset: 1700000030",
        ),
        Allowance(0, 30.0),
        30.0,
    ),
    Case(
        "Atlassian Data Center",
        "confluence.atlassian.com/conf87/_ratelimiting_httpheaders-1333822054.html: Retry-After is 0 while tokens last",
        ("X-RateLimit-Limit: 100", "X-RateLimit-Remaining: 99", "X-RateLimit-FillRate: 5", "retry-after: 0"),
        None,
        0.0,
    ),
)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_what_hosts_send(case: Case) -> None:
    got = reply(*case.lines)
    assert allowance(got, WALL) == pytest.approx(case.left)
    assert stated_wait(got, WALL) == pytest.approx(case.wait)


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_the_fields_that_a_transport_keeps_are_enough(case: Case) -> None:
    got = reply(*case.lines)
    kept = Reply(got.status, tuple(field for field in got.fields if field[0] in RATE_LIMIT_FIELDS))
    assert allowance(kept, WALL) == allowance(got, WALL)
    assert stated_wait(kept, WALL) == stated_wait(got, WALL)


def test_the_names_are_in_lower_case() -> None:
    assert all(name == name.lower() for name in RATE_LIMIT_FIELDS)


@pytest.mark.parametrize(
    ("lines", "left"),
    [
        # Several limits: the fewest requests; of equal ones the longest wait.
        (('RateLimit: "burst";r=50;t=30, "daily";r=9;t=40000',), Allowance(9, 40_000.0)),
        (('RateLimit: "burst";r=0;t=3', 'RateLimit: "daily";r=0;t=500'), Allowance(0, 500.0)),
        (("RateLimit: limit=9,remaining=5,reset=1, limit=99,remaining=2,reset=60",), Allowance(2, 60.0)),
        (("RateLimit-Remaining: 5", "RateLimit-Reset: 9", "X-RateLimit-Remaining: 3", "X-RateLimit-Reset: 7"), (3, 7)),
        # The same limit twice, once without an exact time: that one counts, though it is the shorter.
        (
            ('RateLimit: "a";r=9', 'RateLimit-Policy: "a";w=60', "X-RateLimit-Remaining: 9", "X-RateLimit-Reset: 12"),
            (9, 12),
        ),
        # Repeated or joined by an intermediary: pairs in their order; where they do not pair, the safe side.
        (
            ("X-RateLimit-Remaining: 8", "X-RateLimit-Remaining: 3", "X-RateLimit-Reset: 5", "X-RateLimit-Reset: 60"),
            (3, 60),
        ),
        (("X-RateLimit-Remaining: 3, 8", "X-RateLimit-Reset: 5, 60"), Allowance(3, 5.0)),
        (("X-RateLimit-Remaining: 8, 3", "X-RateLimit-Reset: 5"), Allowance(3, 5.0)),
        (("X-RateLimit-Remaining: 8", "X-RateLimit-Reset: 5, 60, x"), Allowance(8, 60.0)),
        (("X-RateLimit-Remaining: x, 3", "X-RateLimit-Reset: 5, 60"), Allowance(3, 60.0)),
        (("X-RateLimit-Remaining: 1,, ,; , 3,", "X-RateLimit-Reset: 5, 60"), Allowance(1, 5.0)),
        # Without a reset, a window; of several, nothing says which.
        (("RateLimit-Remaining: 5", "RateLimit-Policy: 600;w=300"), Allowance(5, 300.0)),
        (("RateLimit-Remaining: 5", "RateLimit-Limit: 10;w=1, 600;w=300"), None),
        (("RateLimit-Remaining: 5, 7;w=60", "RateLimit-Limit: 10;w=1, 600;w=60"), Allowance(7, 60.0)),
        (("RateLimit-Remaining: 5;w=0",), None),
        (("RateLimit-Remaining: 9;w=60", "X-RateLimit-Remaining: 9", "X-RateLimit-Reset: 12"), Allowance(9, 12.0)),
        (('RateLimit: "a=b";r=4', 'RateLimit-Policy: "a=b";q=9;w=60, "x=y";q=9;w=9'), Allowance(4, 60.0)),
        # An unreadable reset does not hide a readable one.
        (("X-RateLimit-Remaining: 5", "X-RateLimit-Reset-After: soon", "X-RateLimit-Reset: 30"), Allowance(5, 30.0)),
        # Tolerated.
        (("RateLimit: Limit=10; Remaining=5; Reset=3",), Allowance(5, 3.0)),
        (('RateLimit: "a";R=5;T=3',), Allowance(5, 3.0)),
        (("RateLimit: default;t=3;r=5,",), Allowance(5, 3.0)),
        (("RateLimit-Remaining: 5;x;w=60",), Allowance(5, 60.0)),
        (('RateLimit: "r=0;t=9, \\"";r=5;t=3',), Allowance(5, 3.0)),
        (('RateLimit: "open;r=5;t=3',), None),
        (('RateLimit: "a";r=1;t=2;r=5;t=3',), Allowance(5, 3.0)),  # the last counts: RFC 9651 section 4.2.3.2
        (('RateLimit-Remaining: "580"', 'RateLimit-Reset: "39"'), Allowance(580, 39.0)),
        # Unreadable.
        (("X-RateLimit-Remaining: -1", "X-RateLimit-Reset: 30"), None),
        (("X-RateLimit-Remaining: 5", "X-RateLimit-Reset: -1"), None),
        (("X-RateLimit-Remaining: 5", "X-RateLimit-Reset:"), None),
        (("X-RateLimit-Remaining: \u0663", "X-RateLimit-Reset: 30"), None),
        (("X-RateLimit-Remaining: 5", "X-RateLimit-Reset: \u00b2"), None),
        (("X-RateLimit-Remaining: 1e3", "X-RateLimit-Reset: inf"), None),
        (("X-RateLimit-Remaining: 5", "X-RateLimit-Reset: nan"), None),
        (("X-RateLimit-Remaining: 5", "X-RateLimit-Reset: Wed, 99 Jul 2019 00:58:57 GMT"), None),
        (("X-RateLimit-Remaining: 5", "X-RateLimit-Reset: 2019-13-01T00:00:00Z"), None),
        (("X-RateLimit-Reset: 30",), None),
        (('RateLimit: "a";r=-5;t=3',), None),
        (("RateLimit:",), None),
    ],
)
def test_lists_repetitions_and_nonsense(lines: tuple[str, ...], left: tuple[int, float] | None) -> None:
    assert allowance(reply(*lines), WALL) == left


@pytest.mark.parametrize(
    ("reset", "seconds"),
    [
        ("0", 0.0),
        ("007", 7.0),
        ("0.25", 0.25),
        ("999999999", LONGEST),
        ("999999999.9", LONGEST),
        ("1000000000", 0.0),  # from here on a Unix time: this one has passed
        ("1700000030", 30.0),
        ("1700000030.5", 30.5),
        ("99999999999", LONGEST),
        ("1700000030500", 30.5),
        ("1699999999999", 0.0),
        ("1700000030000000", None),  # microseconds: nobody documents them
        ("9" * 400, None),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0),
        ("Tuesday, 14-Nov-23 22:13:50 GMT", 30.0),
        ("Tue Nov 14 22:13:50 2023", 30.0),
        ("2023-11-14T22:13:50Z", 30.0),
        ("2023-11-14T23:13:50+01:00", 30.0),
        ("2023-11-14 22:13:50", 30.0),
        ("2023-11-14 23:13:50 +0100", 30.0),
        ("9999-12-31T23:59:59Z", LONGEST),
        ("0001-01-01T00:00:00+23:59", 0.0),
        ("Tue, 14 Nov 2023 22:13:50 GMT" + " " * 20 + "(" + "x" * 200 + ")", None),
    ],
)
def test_the_time_until_the_reset(reset: str, seconds: float | None) -> None:
    left = allowance(reply("X-RateLimit-Remaining: 5", f"X-RateLimit-Reset: {reset}"), WALL)
    assert left == (None if seconds is None else Allowance(5, seconds))


@pytest.mark.parametrize("reset", ["1700000030", "1700000030000", "2023-11-14T22:13:50Z"])
def test_times_are_held_against_the_servers_own_clock(reset: str) -> None:
    lines = ("X-RateLimit-Remaining: 5", f"X-RateLimit-Reset: {reset}")
    assert allowance(reply(*lines, "Date: Tue, 14 Nov 2023 22:13:43 GMT"), 0.0) == Allowance(5, 7.0)
    assert allowance(reply(*lines, "Date: nonsense"), WALL) == Allowance(5, 30.0)
    assert allowance(reply(*lines, "Date: " + "1" * 5000), WALL) == Allowance(5, 30.0)


def test_seconds_need_no_clock() -> None:
    lines = ("X-RateLimit-Remaining: 5", "X-RateLimit-Reset: 30", "Date: Sun, 06 Nov 1994 08:49:37 GMT")
    assert allowance(reply(*lines), WALL) == Allowance(5, 30.0)


@pytest.mark.parametrize(
    ("age", "is_heeded"), [("0", True), ("", True), ("soon", True), ("9" * 5000, True), ("1", False), ("60, 0", False)]
)
def test_counts_from_a_cache_are_of_another_time(age: str, is_heeded: bool) -> None:
    got = reply(f"Age: {age}", "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 30")
    assert allowance(got, WALL) == (Allowance(0, 30.0) if is_heeded else None)
    assert stated_wait(got, WALL) == (30.0 if is_heeded else None)


def test_counts_are_capped() -> None:
    left = allowance(reply("RateLimit-Remaining: 18446744073709551615", "RateLimit-Reset: 30"), WALL)
    assert left == Allowance(999_999_999, 30.0)


@pytest.mark.parametrize(
    "lines",
    [
        ["X-RateLimit-Remaining: 5"] * 16 + ["X-RateLimit-Remaining: 0"],  # values of one field
        ["X-RateLimit-Remaining: " + "5, " * 16 + "0"],  # members of one value
        ["X-RateLimit-Remaining: 0" + " " * 600 + ", 0", "X-RateLimit-Remaining: 5"],  # characters of one value
        ['RateLimit: "a"' + ";x" * 16 + ";r=0;t=30", 'RateLimit: "b";r=5;t=30'],  # parameters of one member
    ],
)
def test_only_so_much_is_read(lines: list[str]) -> None:
    assert allowance(reply(*lines, "X-RateLimit-Reset: 30"), WALL) == Allowance(5, 30.0)


@pytest.mark.parametrize(
    ("lines", "seconds"),
    [
        ((), None),
        (("Retry-After: 120",), 120.0),
        (("Retry-After: " + "9" * 400,), LONGEST),
        (("Retry-After: 0", "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 30"), 0.0),
        (("Retry-After: soon", "X-RateLimit-Remaining: 0", "X-RateLimit-Reset: 30"), 30.0),
        (("Retry-After: 1.5",), 1.5),
        (("Retry-After: 2, 7",), 7.0),
        (("Retry-After: 2023-11-14T22:13:50Z",), 30.0),
        (("Retry-After: Fri, 31 Dec 9999 23:59:59 GMT",), LONGEST),
        (("Retry-After: 9", "X-Retry-After: 99"), 9.0),
        (("X-Retry-After: 9", "X-Retry-After: 11"), 11.0),
        (("X-Retry-After: -1", "X-RateLimit-Retry-After: 8"), 8.0),
        (("X-RateLimit-Remaining: 1", "X-RateLimit-Reset: 30"), None),
        (('RateLimit: "a";r=0;t=30, "b";r=5;t=90',), 30.0),
        (("X-RateLimit-Reset: 30",), None),
    ],
)
def test_stated_wait(lines: tuple[str, ...], seconds: float | None) -> None:
    assert stated_wait(reply(*lines, status=429), WALL) == seconds


@given(
    st.integers(0, 999_999_999).map(str)
    | st.sampled_from(["Tue, 14 Nov 2023 22:13:50 GMT", "Tuesday, 14-Nov-23 22:13:50 GMT", "Tue Nov 14 22:13:50 2023"])
)
def test_the_standards_retry_after_is_left_to_its_own_reader(value: str) -> None:
    got = reply(f"Retry-After: {value}", status=503)
    assert stated_wait(got, WALL) == retry_after(got, WALL)


# Values that are nearly right, so that the search gets past the first check.
WORDS = ["limit", "remaining", "reset", "r", "t", "w", "qu", "q", "window", "GMT", "UTC", "Z", "T", "Nov", "Tue"]
MARKS = [",", ";", "=", '"', "\\", " ", "-", "+", ".", ":", "/", "(", "\n"]
NEARLY = st.lists(st.sampled_from(WORDS) | st.sampled_from(MARKS) | st.integers(0, 10**16).map(str)).map("".join)
VALUES = st.text() | NEARLY | st.datetimes().map(str) | st.floats().map(str) | st.integers().map(str)
FIELDS = st.lists(st.tuples(st.sampled_from(sorted(RATE_LIMIT_FIELDS)), VALUES), max_size=12)


@given(FIELDS, st.floats(-1e12, 1e12))
@example([("ratelimit", '"\\' * 256)] * 20, WALL)
@example([(name, "1," * 256) for name in sorted(RATE_LIMIT_FIELDS) for _ in range(20)], WALL)
@example([(name, ";a=1" * 128) for name in sorted(RATE_LIMIT_FIELDS) for _ in range(20)], WALL)
@example([(name, "9" * 100_000) for name in sorted(RATE_LIMIT_FIELDS)], WALL)
def test_nothing_raises_and_all_is_within_range(fields: list[tuple[str, str]], wall: float) -> None:
    got = Reply(429, tuple(fields))
    left = allowance(got, wall)
    if left is not None:
        assert 0 <= left.remaining <= 999_999_999
        assert 0.0 <= left.seconds <= LONGEST
    wait = stated_wait(got, wall)
    assert wait is None or 0.0 <= wait <= LONGEST


POLICIES = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), min_size=1, max_size=5)


@given(POLICIES)
def test_every_form_of_the_drafts_says_the_same(policies: list[tuple[int, int]]) -> None:
    tightest = min(policies, key=lambda policy: (policy[0], -policy[1]))
    remaining, resets = zip(*policies, strict=True)
    forms = (
        ("RateLimit: " + ", ".join(f'"p{n}";r={r};t={t}' for n, (r, t) in enumerate(policies)),),
        tuple(f'RateLimit: "p{n}"; t={t}; r={r}' for n, (r, t) in enumerate(policies)),
        ("RateLimit: " + ", ".join(f"limit=9, remaining={r}, reset={t}" for r, t in policies),),
        tuple(f"RateLimit-Remaining: {r}" for r in remaining) + tuple(f"RateLimit-Reset: {t}" for t in resets),
        (f"X-RateLimit-Remaining: {str(remaining)[1:-1]}", f"X-RateLimit-Reset: {str(resets)[1:-1]}"),
        (f"X-Rate-Limit-Remaining: {str(remaining)[1:-1]}", f"X-Rate-Limit-Reset: {str(resets)[1:-1]}"),
    )
    for lines in forms:
        assert allowance(reply(*lines), WALL) == tightest


@given(st.integers(0, 10**6), st.integers(0, 10**7))
def test_the_same_moment_in_every_form_is_as_far_away(remaining: int, seconds: int) -> None:
    moment = int(WALL) + seconds
    for reset in (f"{seconds}", f"{seconds}.000", f"{moment}", f"{moment}.0", f"{moment}000"):
        left = allowance(reply(f"X-RateLimit-Remaining: {remaining}", f"X-RateLimit-Reset: {reset}"), WALL)
        assert left == Allowance(remaining, float(seconds))
