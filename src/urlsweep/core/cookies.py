"""The cookies of one redirect chain (RFC 6265): what makes a page that sets one and redirects to itself work.

Contract: lives as long as one chain, starts empty, is shared with nobody. Kept to what a chain of some seconds needs:
domain, path, Secure and deletion; there is no public suffix list, so a Domain must be the host's own registrable
part by the older rule of holding an inner dot.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple, Self

from urlsweep.core.urls import Url, address_of

MAX_COOKIES = 50
"""A chain's cookies, RFC 6265 section 6.1's least capability per domain."""

MAX_COOKIE_BYTES = 4096
"""Name and value together, the same section's figure: longer ones are not kept."""


_DELTA_SECONDS: Final = re.compile(r"-?[0-9]+")


class _Cookie(NamedTuple):
    value: str
    host_only: bool
    secure: bool


KeptCookie = tuple[str, str, str, str, bool, bool]
"""Domain, path, name, value, and whether it is for its host only and for https only."""


class CookieJar:
    """Cookies by (domain, path, name)."""

    __slots__ = ("_cookies",)

    def __init__(self) -> None:
        self._cookies: dict[tuple[str, str, str], _Cookie] = {}

    def store(self, url: Url, set_cookie: str) -> None:
        """Keep what one Set-Cookie field of an answer from `url` says (section 5.3); a malformed one is ignored."""
        pair, *attributes = set_cookie.split(";")
        name, equals, value = pair.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not name or len(name) + len(value) > MAX_COOKIE_BYTES or not (name + value).isprintable():
            return
        domain, host_only = url.host, True
        path = _default_path(url)
        secure = expired = False
        max_age_given = False
        for attribute in attributes:
            key, _, text = attribute.partition("=")
            key, text = key.strip().lower(), text.strip()
            if key == "domain" and text:
                wanted = text.lstrip(".").lower()
                if wanted != url.host:
                    if not _may_set_domain(url.host, wanted):
                        return
                    domain = wanted
                host_only = False
            elif key == "path" and text.startswith("/"):
                path = text
            elif key == "secure":
                secure = True
            elif key == "max-age" and _DELTA_SECONDS.fullmatch(text):
                max_age_given, expired = True, text.startswith("-") or not text.strip("0")
            elif key == "expires" and not max_age_given:
                expired = _long_gone(text)
        if secure and url.scheme != "https":
            return
        cookie = (domain, path, name)
        if expired:
            self._cookies.pop(cookie, None)
        elif cookie in self._cookies or len(self._cookies) < MAX_COOKIES:
            self._cookies[cookie] = _Cookie(value, host_only, secure)

    def kept(self) -> list[KeptCookie]:
        """All of them, as plain values: what another process makes the same jar of (see `of`)."""
        return [
            (domain, path, name, cookie.value, cookie.host_only, cookie.secure)
            for (domain, path, name), cookie in self._cookies.items()
        ]

    @classmethod
    def of(cls, kept: Iterable[KeptCookie]) -> Self:
        """A jar of what `kept` gave."""
        jar = cls()
        for domain, path, name, value, host_only, secure in kept:
            jar._cookies[domain, path, name] = _Cookie(value, host_only, secure)
        return jar

    def header(self, url: Url) -> str:
        """The Cookie field for a request to `url`, or "" (section 5.4: longer paths first)."""
        path = _path(url)
        found = [
            (len(cookie_path), name, cookie.value)
            for (domain, cookie_path, name), cookie in self._cookies.items()
            if (domain == url.host or (not cookie.host_only and url.host.endswith("." + domain)))
            and (not cookie.secure or url.scheme == "https")
            and _path_matches(path, cookie_path)
        ]
        found.sort(key=lambda item: -item[0])
        return "; ".join(f"{name}={value}" for _, name, value in found)


def _path(url: Url) -> str:
    authority_end = url.href.index("/", url.href.index("//") + 2)
    return url.href[authority_end:].partition("?")[0]


def _default_path(url: Url) -> str:
    return _path(url).rpartition("/")[0] or "/"


def _path_matches(path: str, cookie_path: str) -> bool:
    return path == cookie_path or (
        path.startswith(cookie_path) and (cookie_path.endswith("/") or path[len(cookie_path)] == "/")
    )


def _may_set_domain(host: str, domain: str) -> bool:
    return host.endswith("." + domain) and "." in domain and address_of(host) is None


def _long_gone(expires: str) -> bool:
    """Whether an Expires is a deletion: servers that delete a cookie date it back by decades, commonly to 1970."""
    from email.utils import parsedate_to_datetime  # 3 ms that few answers need

    try:
        return parsedate_to_datetime(expires.replace("-", " ")).year < 2000
    except (ValueError, TypeError, OverflowError, IndexError):
        return False
