"""URLs as browsers read them: the web platform's own cases, then what urlsweep makes of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urlsweep.core.model import Fault, Outcome, Reason
from urlsweep.core.urls import (
    KNOWN_SCHEMES,
    LONGEST_URL,
    Url,
    address_of,
    can_parse,
    clip,
    is_public,
    is_web_url,
    names_private_host,
    origin_of,
    parse,
    redact,
    resolve,
    utf8_of,
)

CASES: list[dict[str, Any]] = json.loads((Path(__file__).parent / "urltestdata.json").read_text(encoding="utf-8"))[
    "cases"
]


def url(text: str) -> Url:
    parsed = parse(text)
    assert isinstance(parsed, Url), parsed
    return parsed


def fault(text: str) -> Fault:
    parsed = parse(text)
    assert isinstance(parsed, Fault), parsed
    return parsed


# --- the web platform tests -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{number}-{ascii(case['input'])[1:40]}" for number, case in enumerate(CASES)]
)
def test_web_platform_case(case: dict[str, Any]) -> None:
    read = parse(case["input"]) if case["base"] is None else resolve(url(case["base"]), case["input"])
    if case.get("failure"):
        assert isinstance(read, Fault)
        return
    assert isinstance(read, Url), read
    without_userinfo = (
        re.sub(r"//[^/?#]*@", "//", case["href"]) if case["username"] or case["password"] else case["href"]
    )
    assert read.href == without_userinfo.partition("#")[0]
    assert read.fragment == case["hash"]
    assert read.host == case["hostname"]
    assert read.port == int(case["port"] or (80 if read.scheme == "http" else 443))
    assert read.has_credentials == bool(case["username"] or case["password"])


def test_the_web_platform_cases_are_all_there() -> None:
    assert len(CASES) == 405
    assert sum(1 for case in CASES if case.get("failure")) == 194


# --- what is asked ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "href"),
    [
        # case, ports, dots
        ("HTTP://EXAMPLE.COM", "http://example.com/"),
        ("http://example.com:80/", "http://example.com/"),
        ("https://example.com:443/", "https://example.com/"),
        ("https://example.com:80/", "https://example.com:80/"),
        ("http://example.com:/", "http://example.com/"),
        ("http://example.com:00080/x", "http://example.com/x"),
        ("http://example.com./", "http://example.com./"),
        ("http://example.com/a/./b/../c", "http://example.com/a/c"),
        ("http://example.com/%2e%2E/a", "http://example.com/a"),
        ("http://example.com/../../a", "http://example.com/a"),
        # white space, tabs and line ends; backslashes; slashes too many and too few
        ("  http://example.com/  ", "http://example.com/"),
        ("ht\ntp://exa\tmple.com/a\r\nb", "http://example.com/ab"),
        ("http:\\\\example.com\\a\\b", "http://example.com/a/b"),
        ("http:////example.com//a", "http://example.com//a"),
        ("http:example.com/a", "http://example.com/a"),
        # percent-encoding: what is encoded stays as it is, what has to be gets encoded
        ("http://example.com/a b", "http://example.com/a%20b"),
        ("http://example.com/%7Euser/%2F%zz", "http://example.com/%7Euser/%2F%zz"),
        ("http://example.com/ä/€", "http://example.com/%C3%A4/%E2%82%AC"),
        ("http://example.com/a|b{c}'\"<>`^", "http://example.com/a|b%7Bc%7D'%22%3C%3E%60^"),
        ("http://example.com/100%", "http://example.com/100%"),
        # queries: kept byte for byte, an empty one too
        ("http://example.com?q", "http://example.com/?q"),
        ("http://example.com/?", "http://example.com/?"),
        ("http://example.com/?a=1&b=2&a=3;c=/?d", "http://example.com/?a=1&b=2&a=3;c=/?d"),
        ("http://example.com/?q=a b+c'd\"", "http://example.com/?q=a%20b+c%27d%22"),
        ("http://example.com/?q=ä", "http://example.com/?q=%C3%A4"),
        # names: IDN
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://BÜCHER.example/", "http://xn--bcher-kva.example/"),
        ("http://faß.example/", "http://xn--fa-hia.example/"),
        ("http://日本語。jp/", "http://xn--wgv71a119e.jp/"),
        ("http://\uff45\uff58\uff41mple.com/", "http://example.com/"),
        ("http://ex%41mple.com/", "http://example.com/"),
        ("http://exa\u00admple.com/", "http://example.com/"),
        ("http://a_b.example/", "http://a_b.example/"),
        # IPv4 in its odd spellings
        ("http://127.1/", "http://127.0.0.1/"),
        ("http://0x7f.1/", "http://127.0.0.1/"),
        ("http://0177.0.0.01/", "http://127.0.0.1/"),
        ("http://2130706433/", "http://127.0.0.1/"),
        ("http://0/", "http://0.0.0.0/"),
        ("http://192.168.257/", "http://192.168.1.1/"),
        ("http://127.0.0.1./", "http://127.0.0.1/"),
        ("http://\uff11\uff12\uff17.0.0.1/", "http://127.0.0.1/"),
        # IPv6
        ("http://[0:0:0:0:0:0:0:1]/", "http://[::1]/"),
        ("http://[2001:DB8::0:1]:8080/", "http://[2001:db8::1]:8080/"),
        ("http://[::ffff:192.0.2.1]/", "http://[::ffff:c000:201]/"),
        # userinfo and fragments never go out
        ("http://user:pass@example.com/", "http://example.com/"),
        ("http://user@example.com/", "http://example.com/"),
        ("http://:pass@example.com/", "http://example.com/"),
        ("http://@example.com/", "http://example.com/"),
        ("http://a@b@example.com/", "http://example.com/"),
        ("http://example.com/#", "http://example.com/"),
        ("http://example.com/?#", "http://example.com/?"),
        ("http://example.com/a#b#c?d", "http://example.com/a"),
    ],
)  # fmt: skip
def test_the_href_is_what_a_browser_would_ask(text: str, href: str) -> None:
    assert url(text).href == href


@pytest.mark.parametrize(
    "text",
    [
        "http://", "http:///", "https://?q", "http://#f", "http://:80/", "http://user@/", "http://a b/", "http://a<b/",
        "http://a%00b/", "http://exam^ple.com/", "http://a:65536/", "http://a:-1/", "http://a:8o/", "http://[::1", "http://[::1]x/",
        "http://[1:2:3]/", "http://[::1%25eth0]/", "http://[fe80::1%eth0]/", "http://256.0.0.1/", "http://1.2.3.4.5/",
        "http://0x100000000/", "http://1.2.3.08/", "http://foo.0x4/", "http://xn--/", "http://xn--a/", "http://\u00ad/",
        "", "   ", "//example.com/", "/path", "example.com/path", "?q", "#f", "http", "://x",
        "http://a/\ud800", "\ud800",
    ],
)  # fmt: skip
def test_malformed(text: str) -> None:
    found = fault(text)
    assert (found.outcome, found.reason) == (Outcome.INVALID, Reason.URL_MALFORMED)
    found.detail.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "detail"),
    [
        ("", "empty: a URL was expected"),
        ("example.com/a", "has no scheme: did you mean https://example.com/a ?"),
        ("//example.com/a", "has no scheme: did you mean https://example.com/a ?"),
        ("//user:secret@example.com/", "has no scheme: did you mean https://user:***@example.com/ ?"),
        ("http://a b/", "cannot be read as a URL (host or port not valid)"),
        ("http://a/\udcff", "holds bytes that are no text"),
    ],
)
def test_a_malformed_url_says_what_to_do(text: str, detail: str) -> None:
    assert fault(text).detail == detail


@pytest.mark.parametrize("scheme", ["mailto", "tel", "ftp", "data", "javascript", "file", "ws", "urn", "MailTo"])
def test_known_schemes_that_are_not_the_webs_are_skipped(scheme: str) -> None:
    found = fault(f"{scheme}:whatever")
    assert (found.outcome, found.reason) == (Outcome.SKIPPED, Reason.SKIP_UNSUPPORTED_SCHEME)
    assert scheme.lower() in KNOWN_SCHEMES


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("htp://example.com/", "did you mean https?"),
        ("htttps://example.com/", "did you mean https?"),
        ("example.com:8080/x", "put https:// or http:// before it"),
        ("localhost:8080/x", "put https:// or http:// before it"),
        ("nonsense:x", "only http and https URLs can be asked"),
    ],
)
def test_unknown_schemes_are_invalid_and_the_message_helps(text: str, hint: str) -> None:
    found = fault(text)
    assert (found.outcome, found.reason) == (Outcome.INVALID, Reason.URL_UNKNOWN_SCHEME)
    assert hint in found.detail


def test_the_parts_of_a_url() -> None:
    parsed = url("HTTPS://us%65r:p%40ss@Example.COM:8443/a?b#c")
    assert parsed == Url(
        "https://example.com:8443/a?b", "#c", "https", "example.com", 8443, "example.com:8443", "user", "p@ss"
    )
    assert parsed.origin == "https://example.com:8443"
    assert parsed.host_key == "example.com:8443"
    assert parsed.shown == "https://example.com:8443/a?b#c"


def test_http_and_https_of_a_host_wait_in_queues_of_their_own() -> None:
    assert url("http://a.test/").host_key == "a.test:80"
    assert url("https://a.test/").host_key == "a.test:443"
    assert url("http://a.test:443/").host_key == "a.test:443"
    assert url("http://[::1]/").host_key == "[::1]:80"


@pytest.mark.parametrize(
    ("arguments", "origin"),
    [
        (("http", "a", 80), "http://a"),
        (("https", "a", 443), "https://a"),
        (("http", "a", 443), "http://a:443"),
        (("https", "[::1]", 80), "https://[::1]:80"),
    ],
)
def test_origin(arguments: tuple[str, str, int], origin: str) -> None:
    assert origin_of(*arguments) == origin


@given(st.text())
def test_parse_never_raises_and_is_idempotent(text: str) -> None:
    parsed = parse(text)
    assert is_web_url(text) == isinstance(parsed, Url)
    if isinstance(parsed, Url):
        assert can_parse(text)
        assert parse(parsed.href) == parsed._replace(fragment="", username="", password="")
        assert "#" not in parsed.href


@given(st.text(alphabet=st.characters(), max_size=40), st.text(alphabet=st.characters(codec="latin-1"), max_size=40))
def test_hostile_text_never_raises(text: str, location: str) -> None:
    base = url("https://example.com/a/b?c#d")
    for read in (parse(f"http://{text}"), resolve(base, text), resolve(base, location)):
        assert isinstance(read, Url | Fault)


# --- Location ---------------------------------------------------------------------------------------------------------

BASE = "https://example.com/dir/page?q#frag"


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("/new", "https://example.com/new#frag"),
        ("new", "https://example.com/dir/new#frag"),
        ("../new", "https://example.com/new#frag"),
        ("?x=1", "https://example.com/dir/page?x=1#frag"),
        ("#other", "https://example.com/dir/page?q#other"),
        ("/new#other", "https://example.com/new#other"),
        ("", "https://example.com/dir/page?q#frag"),
        (".", "https://example.com/dir/#frag"),
        ("//other.example/x", "https://other.example/x#frag"),
        ("\\\\other.example\\x", "https://other.example/x#frag"),
        ("http://other.example", "http://other.example/#frag"),
        ("https:/x", "https://example.com/x#frag"),
        ("HTTP://OTHER.example:80/x", "http://other.example/x#frag"),
        ("  /with spaces/a b  ", "https://example.com/with%20spaces/a%20b#frag"),
        ("/a\tb\nc", "https://example.com/abc#frag"),
        ("/caf\u00c3\u00a9", "https://example.com/caf%C3%A9#frag"),  # UTF-8 that was read as Latin-1
        ("/caf\u00e9", "https://example.com/caf%C3%A9#frag"),  # Latin-1
        ("/caf%C3%A9", "https://example.com/caf%C3%A9#frag"),
        ("/\u20ac", "https://example.com/%E2%82%AC#frag"),
        ("//b\u00c3\u00bccher.example/", "https://xn--bcher-kva.example/#frag"),
        ("http://u:p@other.example/", "http://other.example/#frag"),
    ],
)
def test_resolve(location: str, shown: str) -> None:
    target = resolve(url(BASE), location)
    assert isinstance(target, Url)
    assert target.shown == shown


def test_userinfo_in_a_location_is_kept_apart() -> None:
    target = resolve(url("http://first:one@example.com/"), "http://second:two@example.com/")
    assert isinstance(target, Url)
    assert (target.username, target.password) == ("second", "two")
    absolute = resolve(url("http://first:one@example.com/"), "http://example.com/next")
    assert isinstance(absolute, Url)
    assert not absolute.has_credentials
    relative = resolve(url("http://fi%40r%25st:o%2Fne@example.com/"), "/next")
    assert isinstance(relative, Url)
    assert (relative.username, relative.password) == ("fi@r%st", "o/ne")


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http://", Reason.URL_MALFORMED),
        ("http://a:99999/", Reason.URL_MALFORMED),
        ("/\ud800", Reason.URL_MALFORMED),
        ("mailto:a@b", Reason.SKIP_UNSUPPORTED_SCHEME),
        ("htp://x/", Reason.URL_UNKNOWN_SCHEME),
    ],
)
def test_locations_that_lead_nowhere(location: str, reason: Reason) -> None:
    target = resolve(url(BASE), location)
    assert isinstance(target, Fault)
    assert target.reason == reason


@given(st.text())
def test_utf8_read_as_latin1_comes_back(text: str) -> None:
    try:
        raw = text.encode("utf-8")
    except UnicodeEncodeError:
        return
    assert utf8_of(raw.decode("latin-1")) == text


# --- addresses --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", True),
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("100.64.0.1", False),
        ("127.0.0.1", False),
        ("127.255.255.254", False),
        ("169.254.169.254", False),
        ("172.16.0.1", False),
        ("172.32.0.1", True),
        ("192.0.0.1", False),
        ("192.0.2.1", False),
        ("192.168.0.1", False),
        ("198.18.0.1", False),
        ("203.0.113.1", False),
        ("224.0.0.1", False),
        ("240.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("::7f00:1", False),  # IPv4-compatible
        ("fc00::1", False),
        ("fe80::1", False),
        ("fe80::1%eth0", False),
        ("fec0::1", False),
        ("::ffff:0:7f00:1", False),  # IPv4-translated (RFC 2765)
        ("4000::1", False),  # not given out
        ("2606:4700::1111", True),
        ("ff02::1", False),
        ("ff0e::1", False),
        ("2001:db8::1", False),
        ("3fff::1", False),
        ("100::1", False),
        ("::ffff:8.8.8.8", True),  # mapped
        ("::ffff:127.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::808:808", True),  # NAT64
        ("64:ff9b::7f00:1", False),
        ("64:ff9b::a9fe:a9fe", False),
        ("64:ff9b:1::808:808", False),
        ("2002:808:808::1", True),  # 6to4
        ("2002:7f00:1::1", False),
        ("2002:c0a8:101::1", False),
    ],
)
def test_is_public(address: str, expected: bool) -> None:
    assert is_public(address) is expected


def test_a_url_has_a_longest_length() -> None:
    longest = "http://a.test/" + "x" * (LONGEST_URL - len("http://a.test/"))
    assert isinstance(parse(longest), Url)
    fault = parse(longest + "x")
    assert isinstance(fault, Fault)
    assert (fault.outcome, fault.reason) == (Outcome.INVALID, Reason.URL_MALFORMED)
    assert fault.detail == "longer than 65,536 characters"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://localhost/", True),
        ("http://LOCALHOST:8080/", True),
        ("http://localhost./", True),
        ("http://api.localhost/", True),
        ("http://127.1/", True),
        ("http://0/", True),
        ("http://0x7f000001/", True),
        ("http://[::1]/", True),
        ("http://[::ffff:127.0.0.1]/", True),
        ("http://[64:ff9b::7f00:1]/", True),
        ("http://192.168.1.1/", True),
        ("http://169.254.169.254/latest/meta-data", True),
        ("http://8.8.8.8/", False),
        ("http://[2606:4700::1111]/", False),
        ("http://example.com/", False),
        ("http://localhost.example.com/", False),
        ("http://notlocalhost/", False),
        ("http://127.0.0.1.nip.example/", False),
    ],
)
def test_names_private_host(text: str, expected: bool) -> None:
    assert names_private_host(url(text).host) is expected


def test_address_of() -> None:
    assert str(address_of("[::1]")) == "::1"
    assert str(address_of("10.0.0.1")) == "10.0.0.1"
    assert address_of("example.com") is None
    assert address_of("[nonsense]") is None


# --- text -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://example.com/", "http://example.com/"),
        ("http://user:secret@example.com/a@b", "http://user:***@example.com/a@b"),
        ("http://:secret@example.com/", "http://:***@example.com/"),
        ("http://user@example.com/", "http://user@example.com/"),
        ("http://user:@example.com/", "http://user:@example.com/"),
        ("ftp://user:secret@example.com/", "ftp://user:***@example.com/"),
        ("mailto:somebody@example.com", "mailto:somebody@example.com"),
        ("not a url with user:secret@example.com", "not a url with user:***@example.com"),
        ("http://user:secret@exa mple.com/", "http://user:***@exa mple.com/"),
        ("//user:secret@example.com/", "//user:***@example.com/"),
        ("http://user:se:cret@@exa mple/", "http://user:***@exa mple/"),
        ("somebody@example.com", "somebody@example.com"),
        ("user:secret@example.com/", "user:***@example.com/"),
        ("localhost:8080/@somebody", "localhost:8080/@somebody"),
        ("http:user:secret@example.com//\udc80", "http:user:***@example.com//\udc80"),
        ("\\/user:secret@exa mple//", "\\/user:***@exa mple//"),
    ],
)
def test_redact(text: str, expected: str) -> None:
    assert redact(text) == expected


@given(
    st.text(alphabet="abcXYZ019", min_size=8, max_size=12),
    st.sampled_from(["http://%s", "//%s", "%s", "ftp://%s", "http:%s"]),
)
def test_a_password_is_never_shown(password: str, form: str) -> None:
    for host in ("example.com/", "exa mple.com/", "[::1]:99999/x", "h/a@b", "h//\udc80"):
        assert password not in redact(form % f"user:{password}@{host}").partition("/a@b")[0]


def test_clip() -> None:
    assert clip("a" * 200) == "a" * 200
    assert clip("a" * 201) == "a" * 199 + "…"
    assert clip("abcdef", 3) == "ab…"
