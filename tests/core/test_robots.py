"""robots.txt as sites write it: whose rules apply, what they match, and what a hostile one may cost."""

from __future__ import annotations

import doctest
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urlsweep.core import robots
from urlsweep.core.robots import (
    ALLOW_ALL,
    DISALLOW_ALL,
    LONGEST_CRAWL_DELAY,
    LONGEST_ROBOTS,
    RobotsRules,
    product_token,
    robots_url,
)
from urlsweep.core.urls import Url, parse

SITE = "https://a.example"
AGENT = "urlsweep/0.1"


def rules(text: str, agent: str = AGENT) -> RobotsRules:
    return RobotsRules.parse(text.encode(), agent)


def allowed(text: str, *paths: str, agent: str = AGENT) -> list[str]:
    parsed = rules(text, agent)
    return [path for path in paths if parsed.allows(SITE + path)]


@pytest.mark.parametrize(
    ("user_agent", "token"),
    [
        ("urlsweep/0.1", "urlsweep"),
        ("UrlSweep", "urlsweep"),
        ("  my-bot_2 (comment)", "my-bot_2"),
        ("archive.org_bot/1.0 (+https://example.com)", "archive.org_bot"),
        ("Mozilla/5.0 (compatible; Foobot/2.1)", "mozilla"),
        ("(nameless)", ""),
        ("", ""),
        ("ü/1", ""),
    ],
)
def test_the_product_token_is_the_first_products_name(user_agent: str, token: str) -> None:
    assert product_token(user_agent) == token


def test_the_examples_in_the_documentation_hold() -> None:
    assert doctest.testmod(robots) == (0, 1)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://Example.com/a/b?c#d", "https://example.com/robots.txt"),
        ("http://example.com:80/", "http://example.com/robots.txt"),
        ("http://example.com:8080/", "http://example.com:8080/robots.txt"),
        ("https://me:secret@[::1]:8443/x", "https://[::1]:8443/robots.txt"),
    ],
)
def test_the_rules_stand_at_the_top_of_the_origin(url: str, expected: str) -> None:
    parsed = parse(url)
    assert isinstance(parsed, Url)
    assert robots_url(parsed) == expected


def test_unavailable_allows_and_unreachable_disallows_everything() -> None:
    assert ALLOW_ALL.allows("https://a.example/")
    assert not DISALLOW_ALL.allows("https://a.example/")
    assert ALLOW_ALL.crawl_delay is DISALLOW_ALL.crawl_delay is None


@pytest.mark.parametrize(
    ("text", "is_allowed"),
    [
        # Nothing that speaks to us.
        ("", True),
        ("<!doctype html><title>Not found</title>", True),
        ("Disallow: /", True),  # no group
        ("User-agent: other\nDisallow: /", True),
        ("User-agent: url\nDisallow: /", True),  # a part of our name is another's name
        ("User-agent: urlsweeper\nDisallow: /", True),
        ("User-agent:\nDisallow: /", True),
        # Ours, however it is spelled.
        ("User-agent: urlsweep\nDisallow: /", False),
        ("USER-AGENT:URLSWEEP\nDISALLOW:/", False),
        ("  User-agent : urlsweep/2.0 # that one\n\tDisallow : / # all", False),
        ("User-agent: *urlsweep*\nDisallow: /", False),
        ("useragent urlsweep\ndisalow /", False),
        ("\ufeffUser-agent: urlsweep\r\nDisallow: /\r\n", False),
        ("User-agent: urlsweep\rDisallow: /\r", False),
        # Everybody's.
        ("User-agent: *\nDisallow: /", False),
        ("User-agent: * and all\nDisallow: /", False),
        # Ours goes before everybody's, wherever it stands and even if it says nothing.
        ("User-agent: *\nDisallow: /\nUser-agent: urlsweep\nDisallow:", True),
        ("User-agent: urlsweep\nAllow: /\n\nUser-agent: *\nDisallow: /", True),
        ("User-agent: *\nDisallow: /\nUser-agent: urlsweep", True),
        ("User-agent: urlsweep\nDisallow: /\n\nUser-agent: *\nAllow: /", False),
        # Several names above the rules of one group; blank lines and foreign lines between them change nothing.
        ("User-agent: other\nUser-agent: urlsweep\nDisallow: /", False),
        ("User-agent: urlsweep\n\nUser-agent: other\nDisallow: /", False),
        ("User-agent: urlsweep\nSitemap: https://a.example/s.xml\nUser-agent: other\nDisallow: /", False),
        ("User-agent: urlsweep\nNoindex: /x\nUser-agent: other\nDisallow: /", False),
        ("User-agent: urlsweep\nUser-agent: *\nDisallow: /", False),
        # A rule ends the names: these are two groups.
        ("User-agent: urlsweep\nDisallow:\nUser-agent: other\nDisallow: /", True),
        ("User-agent: urlsweep\nCrawl-delay: 2\nUser-agent: other\nDisallow: /", True),
        # Groups that name us twice are one.
        ("User-agent: urlsweep\nAllow: /b\nUser-agent: other\nAllow: /\nUser-agent: urlsweep\nDisallow: /", False),
    ],
)
def test_whose_rules_apply(text: str, is_allowed: bool) -> None:
    assert rules(text).allows("https://a.example/page") == is_allowed


def test_a_user_agent_of_the_users_own_finds_its_own_group() -> None:
    text = "User-agent: *\nDisallow: /\nUser-agent: x\nAllow: /x\nDisallow: /"
    assert allowed(text, "/x", "/y", agent="X/1.0") == ["/x"]
    assert allowed(text, "/x", "/y", agent="(nameless)") == []
    assert allowed(text, "/x", "/y") == []


@pytest.mark.parametrize(
    ("text", "paths", "expected"),
    [
        # The most specific rule wins, whatever the order; Allow wins a draw (RFC 9309 section 2.2.2).
        ("Disallow: /a\nAllow: /a/b", ["/", "/a", "/a/", "/a/b", "/a/bc"], ["/", "/a/b", "/a/bc"]),
        ("Allow: /a/b\nDisallow: /a", ["/a", "/a/b"], ["/a/b"]),
        ("Disallow: /a\nAllow: /a", ["/a"], ["/a"]),
        # Case counts in paths.
        ("Disallow: /A", ["/a", "/A"], ["/a"]),
        # Section 2.2.3: the wildcard, and the end.
        ("Disallow: /*.php", ["/a.php", "/b/a.php5?x", "/a.ph"], ["/a.ph"]),
        ("Disallow: /*.php$", ["/a.php", "/a.php?x", "/a.php5"], ["/a.php?x", "/a.php5"]),
        ("Disallow: /*?", ["/a", "/a?", "/a?b=1"], ["/a"]),
        ("Disallow: /*s=", ["/", "/s/", "/?s=1"], ["/", "/s/"]),
        ("Disallow: /a**b", ["/ab", "/axb", "/ax"], ["/ax"]),
        ("Disallow: /$", ["/", "/a"], ["/a"]),
        ("Disallow: *", ["/", "/a"], []),
        # The same octets are the same path, percent-encoded or not; an encoded slash is none.
        ("Disallow: /~joe/", ["/%7Ejoe/x", "/~joe/x"], []),
        ("Disallow: /%7ejoe/", ["/%7Ejoe/x", "/~joe/x"], []),
        ("Disallow: /a%3Db", ["/a=b"], []),
        ("Disallow: /a%2fb", ["/a/b", "/a%2Fb"], ["/a/b"]),
        ("Disallow: /ü", ["/%C3%BC", "/u"], ["/u"]),
        ("Disallow: /a b", ["/a%20b"], []),
        ("Disallow: /?q=ä", ["/?q=%C3%A4", "/?q=a"], ["/?q=a"]),
        ("Disallow: /a%2Ab", ["/a*b", "/axb"], ["/axb"]),
        ("Disallow: /a%24", ["/a$", "/a"], ["/a"]),
        ("Disallow: /%zz", ["/%zz", "/a"], ["/a"]),
        # A path that begins with two slashes is no host.
        ("Disallow: /b", ["//b/c", "//c/b"], ["//b/c", "//c/b"]),
        ("Disallow: //b", ["//b/c", "/b"], ["/b"]),
        # The file itself may always be read.
        ("Disallow: /", ["/robots.txt", "/robots.txt.bak"], ["/robots.txt"]),
        # What nobody can obey is left aside.
        ("Noindex: /\nAllow\nDisallow\n:\nDisallow", ["/"], ["/"]),
    ],
)
def test_what_rules_match(text: str, paths: list[str], expected: list[str]) -> None:
    assert allowed(f"User-agent: *\n{text}", *paths) == expected


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Disallow: /a", None),
        ("Crawl-delay: 5", 5.0),
        ("crawl-delay:0.5", 0.5),
        ("Crawl-delay 3", 3.0),
        ("Crawl-delay: 0", None),
        ("Crawl-delay: 60", 60.0),
        ("Crawl-delay: 86400", 60.0),
        ("Crawl-delay: 1e300", 60.0),
        ("Crawl-delay: -1", None),
        ("Crawl-delay: inf", None),
        ("Crawl-delay: nan", None),
        ("Crawl-delay: soon", None),
        ("Crawl-delay:", None),
        ("Crawl-delay: " + "9" * 5000, None),
        ("Crawl-delay: 2 # seconds", 2.0),
        ("Request-rate: 1/5", 5.0),
        ("Request-rate: 10/1m", 6.0),
        ("Request-rate: 4/1", 0.25),
        ("Request-rate: 1/10s 0600-0845", 10.0),
        ("Request-rate: 1/1d", 60.0),
        ("Request-rate: 1/0", None),
        ("Request-rate: 0/5", None),
        ("Request-rate: often", None),
        ("Request-rate: 1/" + "9" * 4000, 60.0),
        ("Request-rate: " + "9" * 4000 + "/1", None),
        ("Request-rate: " + "9" * 4000 + "/" + "9" * 4000, 1.0),
        ("Crawl-delay: 3\nRequest-rate: 1/5", 5.0),
        ("Crawl-delay: 7\nRequest-rate: 1/5", 7.0),
    ],
)
def test_how_fast(text: str, seconds: float | None) -> None:
    assert rules(f"User-agent: *\n{text}").crawl_delay == seconds
    assert rules(f"User-agent: other\n{text}").crawl_delay is None
    own_first = f"User-agent: urlsweep\n{text}\nUser-agent: *\nCrawl-delay: 33"
    assert rules(own_first).crawl_delay == seconds  # the group for everybody has nothing to add to ours


def test_a_delay_alone_disallows_nothing() -> None:
    delayed = rules("User-agent: *\nCrawl-delay: 5")
    assert delayed.allows("https://a.example/x")
    assert delayed.rules == 0


def test_bytes_that_are_no_text_hide_nothing_else() -> None:
    body = b"\xff\xfe\x00\nUser-agent: *\nDisallow: /caf\xe9\nDisallow: /a\n"
    parsed = RobotsRules.parse(body, AGENT)
    assert not parsed.allows("https://a.example/a")
    assert parsed.allows("https://a.example/caf")


def test_what_lies_beyond_the_limit_is_not_read_nor_half_a_line() -> None:
    head, inside, beyond = b"User-agent: *\n", b"Disallow: /inside\n", b"Disallow: /beyond\n"
    cut = LONGEST_ROBOTS - len(b"Disallow: /")  # the limit falls right behind the slash
    body = head + inside + b"#" * (cut - len(head) - len(inside) - 1) + b"\n" + beyond
    assert body[:LONGEST_ROBOTS].endswith(b"\nDisallow: /")
    for read in (body, body[:LONGEST_ROBOTS]):
        parsed = RobotsRules.parse(read, AGENT)
        assert parsed.allows("https://a.example/")
        assert parsed.allows("https://a.example/beyond")
        assert not parsed.allows("https://a.example/inside")
    assert RobotsRules.parse(b"x" * (LONGEST_ROBOTS + 1), AGENT) is ALLOW_ALL


def test_a_file_of_the_full_length_is_read_to_its_end() -> None:
    tail = b"\nDisallow: /end\n"
    body = b"User-agent: *".ljust(LONGEST_ROBOTS - len(tail)) + tail
    assert len(body) == LONGEST_ROBOTS
    assert not RobotsRules.parse(body, AGENT).allows("https://a.example/end")


def test_thousands_of_names_and_rules_do_not_cost_their_product() -> None:
    names = "".join(f"User-agent: bot{number}\n" for number in range(10_000))
    parsed = rules(f"{names}User-agent: *\n" + "".join(f"Disallow: /{number}/\n" for number in range(10_000)))
    assert parsed.rules == 10_000
    assert not parsed.allows("https://a.example/9999/x")
    assert parsed.allows("https://a.example/x")


def test_a_rule_that_is_repeated_is_kept_once() -> None:
    assert rules("User-agent: *\n" + "Disallow: /a\n" * 1000).rules == 1


@pytest.mark.parametrize(
    "pattern",
    ["/" + "*a" * 1000 + "b", "/" + "*" * 100_000 + "b", "/" + "a*" * 2000 + "b$", "/*" + "a" * 5000 + "b"],
)
def test_many_wildcards_in_one_rule_still_match_exactly(pattern: str) -> None:
    # Backtracking over these takes longer than the universe has; that this ends is the proof.
    assert not rules(f"User-agent: *\nDisallow: {pattern}").allows(f"{SITE}/x{'*' * 3 + 'a' * 5000}b")


def test_wildcards_beyond_what_a_url_may_cost_are_taken_to_disallow_it() -> None:
    text = "User-agent: *\nDisallow: /none\n" + "".join(f"Disallow: /*x{number}\n" for number in range(2000))
    parsed = rules(text)
    assert parsed.allows(f"{SITE}/{'a' * 200}")
    assert not parsed.allows(f"{SITE}/{'a' * 60_000}")
    assert rules(text.replace("*", "")).allows(f"{SITE}/{'a' * 60_000}")  # without wildcards it costs next to nothing


LINES = st.one_of(
    st.text(max_size=40),
    st.builds(
        "{}{}{}".format,
        st.sampled_from(
            ["User-agent", "Disallow", "Allow", "Crawl-delay", "Request-rate", "Visit-time", "Sitemap", "Host", "dis"]
        ),
        st.sampled_from([":", ": ", " ", "", " : "]),
        st.one_of(
            st.text(max_size=30),
            st.text("/*$%aA0?=&#.;\\", max_size=30),
            st.text("0123456789/smhd -.eE", max_size=12),
            st.sampled_from(["*", "urlsweep", "urlsweep/1", "/"]),
        ),
    ),
)
URLS = st.text("/*$%aA0?=&.;:@[]|\\ü", max_size=40).map(lambda text: parse(f"https://a.example/{text}"))


@given(st.lists(LINES, max_size=30).map("\n".join), URLS)
def test_nothing_that_a_server_writes_raises(text: str, url: Url) -> None:
    parsed = RobotsRules.parse(text.encode("utf-8", "replace"), AGENT)
    assert parsed.allows(url.href) in (True, False)
    assert parsed.crawl_delay is None or 0 < parsed.crawl_delay <= LONGEST_CRAWL_DELAY


@given(st.binary(max_size=300), st.text(max_size=30))
def test_no_bytes_and_no_user_agent_raise(body: bytes, agent: str) -> None:
    RobotsRules.parse(b"User-agent: *\n" + body, agent).allows("https://a.example/a?b")


@given(st.lists(LINES, max_size=20).map("\n".join), URLS)
def test_groups_of_others_change_nothing(text: str, url: Url) -> None:
    alone = f"User-agent: urlsweep\n{text}"
    foreign = "User-agent: other\nDisallow: /\nCrawl-delay: 59\n"
    one, both = rules(alone), rules(foreign + alone)
    assert (one.allows(url.href), one.crawl_delay) == (both.allows(url.href), both.crawl_delay)


def test_the_parser_is_loaded_when_a_file_with_rules_is_met() -> None:
    script = (
        "import sys; from urlsweep.core.robots import RobotsRules\n"
        "RobotsRules.parse(b'User-agent: *\\nDisallow:', 'x'); print('protego' in sys.modules)\n"
        "RobotsRules.parse(b'User-agent: *\\nDisallow: /a', 'x'); print('protego' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False", "True"]
