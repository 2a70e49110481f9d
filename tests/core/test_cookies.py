"""The cookies of one redirect chain: RFC 6265's rules, as far as a chain of some seconds needs them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urlsweep.core.cookies import MAX_COOKIE_BYTES, MAX_COOKIES, CookieJar
from urlsweep.core.urls import Url, parse


def url(text: str) -> Url:
    parsed = parse(text)
    assert isinstance(parsed, Url)
    return parsed


@pytest.mark.parametrize(
    ("set_by", "set_cookie", "asked", "sent"),
    [
        # the pair
        ("http://a.test/", "n=v", "http://a.test/", "n=v"),
        ("http://a.test/", " n = v ; Path=/", "http://a.test/", "n=v"),
        ("http://a.test/", "n=", "http://a.test/", "n="),
        ("http://a.test/", 'n="a b=c"', "http://a.test/", 'n="a b=c"'),
        ("http://a.test/", "n", "http://a.test/", ""),
        ("http://a.test/", "=v", "http://a.test/", ""),
        ("http://a.test/", "", "http://a.test/", ""),
        ("http://a.test/", "n=a\x07b", "http://a.test/", ""),
        ("http://a.test/", "n=a\r\nX: y", "http://a.test/", ""),
        ("http://a.test/", "n=" + "v" * MAX_COOKIE_BYTES, "http://a.test/", ""),
        # hosts
        ("http://a.test/", "n=v", "http://a.test:8080/", "n=v"),  # section 8.5: ports do not isolate
        ("http://a.test/", "n=v", "http://b.test/", ""),
        ("http://a.test/", "n=v", "http://sub.a.test/", ""),
        ("http://a.test/", "n=v; Domain=a.test", "http://sub.a.test/", "n=v"),
        ("http://a.test/", "n=v; domain=.A.TEST", "http://sub.a.test/", "n=v"),
        ("http://sub.a.test/", "n=v; Domain=a.test", "http://a.test/", "n=v"),
        ("http://sub.a.test/", "n=v; Domain=a.test", "http://evila.test/", ""),
        ("http://a.test/", "n=v; Domain=b.test", "http://a.test/", ""),
        ("http://a.test/", "n=v; Domain=b.test", "http://b.test/", ""),
        ("http://a.test/", "n=v; Domain=sub.a.test", "http://sub.a.test/", ""),
        ("http://a.test/", "n=v; Domain=test", "http://b.test/", ""),
        ("http://a.test/", "n=v; Domain=", "http://a.test/", "n=v"),
        ("http://1.2.3.4/", "n=v; Domain=3.4", "http://1.2.3.4/", ""),
        ("http://1.2.3.4/", "n=v; Domain=1.2.3.4", "http://1.2.3.4/", "n=v"),
        ("http://[::1]/", "n=v", "http://[::1]/", "n=v"),
        # paths
        ("http://a.test/dir/page", "n=v", "http://a.test/dir/other", "n=v"),
        ("http://a.test/dir/page", "n=v", "http://a.test/dir", "n=v"),
        ("http://a.test/dir/page", "n=v", "http://a.test/", ""),
        ("http://a.test/page?x=/y/z", "n=v", "http://a.test/?q", "n=v"),
        ("http://a.test/", "n=v; Path=/x", "http://a.test/x", "n=v"),
        ("http://a.test/", "n=v; Path=/x", "http://a.test/x/y", "n=v"),
        ("http://a.test/", "n=v; Path=/x", "http://a.test/xy", ""),
        ("http://a.test/", "n=v; Path=/x/", "http://a.test/x", ""),
        ("http://a.test/", "n=v; Path=x", "http://a.test/y", "n=v"),
        # Secure
        ("https://a.test/", "n=v; Secure", "https://a.test/", "n=v"),
        ("https://a.test/", "n=v; Secure", "http://a.test/", ""),
        ("http://a.test/", "n=v; Secure", "https://a.test/", ""),
        ("https://a.test/", "n=v", "http://a.test/", "n=v"),
        # life
        ("http://a.test/", "n=v; Max-Age=60", "http://a.test/", "n=v"),
        ("http://a.test/", "n=v; Max-Age=0", "http://a.test/", ""),
        ("http://a.test/", "n=v; Max-Age=-1", "http://a.test/", ""),
        ("http://a.test/", "n=v; Max-Age=000", "http://a.test/", ""),
        ("http://a.test/", "n=v; Max-Age=" + "9" * 5000, "http://a.test/", "n=v"),
        ("http://a.test/", "n=v; Max-Age=0000000000060", "http://a.test/", "n=v"),
        ("http://a.test/", "n=v; Max-Age=--5", "http://a.test/", "n=v"),
        ("http://a.test/", "n=v; Max-Age=\u00b2", "http://a.test/", "n=v"),
        ("http://a.test/", "n=v; Max-Age=soon", "http://a.test/", "n=v"),
        ("http://a.test/", "n=v; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "http://a.test/", ""),
        ("http://a.test/", "n=v; Expires=Thu, 01-Jan-1970 00:00:00 GMT", "http://a.test/", ""),
        ("http://a.test/", "n=v; Expires=Fri, 01 Jan 2038 00:00:00 GMT", "http://a.test/", "n=v"),
        ("http://a.test/", "n=v; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "http://a.test/", "n=v"),
        ("http://a.test/", "n=v; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=60", "http://a.test/", "n=v"),
        ("http://a.test/", "n=v; Expires=nonsense", "http://a.test/", "n=v"),
        ("http://a.test/", "n=v; HttpOnly; SameSite=Lax; ;;Unknown=1", "http://a.test/", "n=v"),
    ],
)
def test_one_cookie(set_by: str, set_cookie: str, asked: str, sent: str) -> None:
    jar = CookieJar()
    jar.store(url(set_by), set_cookie)
    assert jar.header(url(asked)) == sent


def test_a_cookie_is_replaced_and_deleted_by_name_domain_and_path() -> None:
    jar, page = CookieJar(), url("http://a.test/")
    jar.store(page, "n=1")
    jar.store(page, "n=2")
    assert jar.header(page) == "n=2"
    jar.store(page, "n=3; Path=/x")
    assert jar.header(url("http://a.test/x")) == "n=3; n=2"  # longer paths first
    jar.store(page, "n=gone; Max-Age=0")
    assert jar.header(page) == ""
    assert jar.header(url("http://a.test/x")) == "n=3"


def test_the_jar_is_bounded_and_a_full_one_still_takes_new_values() -> None:
    jar, page = CookieJar(), url("http://a.test/")
    for number in range(MAX_COOKIES + 10):
        jar.store(page, f"n{number}={number}")
    assert jar.header(page).count("=") == MAX_COOKIES
    jar.store(page, "n0=new")
    assert "n0=new" in jar.header(page)


def test_a_long_cookie_is_measured_by_name_and_value() -> None:
    jar, page = CookieJar(), url("http://a.test/")
    jar.store(page, "n=" + "v" * (MAX_COOKIE_BYTES - 1))
    assert jar.header(page)


@given(st.lists(st.text(max_size=60), max_size=8))
def test_hostile_cookies_never_raise_and_never_break_the_header(cookies: list[str]) -> None:
    jar, page = CookieJar(), url("https://sub.a.test/dir/page")
    for cookie in cookies:
        jar.store(page, cookie)
        jar.store(page, f"n=v; {cookie}")
        jar.store(page, f"n=v; Max-Age={cookie}; Expires={cookie}")
        jar.store(page, f"n=v; Domain={cookie}; Path=/{cookie}")
    for asked in (page, url("http://a.test/"), url("https://x.sub.a.test/")):
        header = jar.header(asked)
        assert header == "" or header.isprintable()
