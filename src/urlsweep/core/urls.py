"""URLs as browsers read them (WHATWG URL Standard): parsing, resolving a Location, and the keys the engine sorts by.

Contract: pure functions over strings. can_ada (bindings of Ada, the parser of Node.js) does the parsing: it agrees with
browsers on every http(s) case of the web platform tests.
Not in here: whether a URL should be asked (see `policy`).
"""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

import can_ada

from urlsweep.core.model import Fault, Outcome, Reason

KNOWN_SCHEMES: Final = frozenset(
    # Registered or in wide use (IANA URI Schemes registry) and not the web's: real links that have no HTTP status.
    """about acct android-app apt bitcoin blob cid content data dav dict dns doi ed2k facetime feed file
    filesystem finger fish ftp ftps geo git gopher gs h323 hdfs im imap info intent ipfs ipn ipns irc irc6 ircs itms
    itms-apps jar javascript jdbc ldap ldaps magnet mailto maps market matrix message mid mms modem moz-extension
    chrome chrome-extension ms-settings msteams mumble news nfs nntp oid onenote opaquelocktoken openpgp4fpr pop pres
    proxy resource rmi rsync rtmp rtsp rtsps s3 secondlife sftp sgn shttp sip sips skype slack smb sms smsto snmp ssh
    steam stun stuns svn tag teamspeak tel telnet tg tftp tip turn turns udp unreal urn ut2004 vbscript vemmi
    view-source vnc webcal wais whatsapp ws wss wtai xmpp xri ymsgr zoommtg z39.50""".split()  # noqa: SIM905  a list of a hundred quoted words is not read by anybody
)

LONGEST_URL: Final = 64 * 1024
"""Characters. Common servers take a request line of 8 to 16 KiB, some a megabyte; a run that holds a hundred thousand
URLs and has to stay small needs some bound."""

_COMMON_TYPOS: Final = {"htp", "http", "https", "htps", "htttp", "htttps", "hhttp", "hhttps", "ttp", "ttps", "hppt"}
_SCHEMES: Final = {"http:": ("http", 80), "https:": ("https", 443)}  # one string each, however many URLs wait


class Url(NamedTuple):
    """One http(s) URL, serialised."""

    href: str  # what is asked: no fragment, no userinfo
    fragment: str  # "#part" or ""
    scheme: str  # "http" or "https"
    host: str  # lower case, IDNA-encoded; IPv6 in brackets
    port: int
    host_key: str  # ``example.com:443``: the queue this URL waits in. One server, whatever the path
    username: str = ""  # percent-decoded
    password: str = ""  # percent-decoded

    @property
    def origin(self) -> str:
        """``https://example.com`` or ``https://example.com:8443`` (RFC 6454): what credentials are bound to."""
        return origin_of(self.scheme, self.host, self.port)

    @property
    def duplicate_key(self) -> str:
        """What two URLs share that ask for the same. No href begins with a space."""
        if self.username or self.password:
            return f" {self.username}:{self.password}@{self.href}"
        return self.href

    @property
    def shown(self) -> str:
        """The URL with its fragment, as it is put in a row: never with userinfo."""
        return self.href + self.fragment

    @property
    def has_credentials(self) -> bool:
        """Whether a user name or a password stood in it."""
        return bool(self.username or self.password)


@lru_cache(maxsize=1024)
def host_key_of(host: str, port: int) -> str:
    """See `Url.host_key`. One string for many URLs, as far as they stand near each other: it is looked up by."""
    return f"{host}:{port}"


def origin_of(scheme: str, host: str, port: int) -> str:
    """The serialised origin, its default port left out."""
    if port == (443 if scheme == "https" else 80):
        return f"{scheme}://{host}"
    return f"{scheme}://{host}:{port}"


def parse(text: str) -> Url | Fault:
    """Read `text` as an absolute http(s) URL.

    Gives a Fault for anything else: `invalid` for what is no URL or has a scheme nobody knows, `skipped` for a known
    scheme that is not the web's. Never raises.
    """
    if len(text) > LONGEST_URL:
        return Fault(Outcome.INVALID, Reason.URL_MALFORMED, f"longer than {LONGEST_URL:,} characters")
    try:
        parsed = can_ada.parse(text)
    except (ValueError, TypeError):  # TypeError: a lone surrogate, which no URL can hold
        return _why_malformed(text)
    return _url(parsed)


def resolve(base: Url, location: str) -> Url | Fault:
    """The URL that a Location of `base` names: relative, scheme-relative and untidy ones as browsers take them.

    A fragment is inherited from `base` where `location` has none (RFC 9110 section 10.2.2), userinfo where `location`
    is relative (WHATWG).
    """
    start = can_ada.parse(base.href)
    if base.has_credentials:
        start.username, start.password = quote(base.username, safe=""), quote(base.password, safe="")
    try:
        parsed = start + utf8_of(location)
    except (ValueError, TypeError):
        return Fault(Outcome.INVALID, Reason.URL_MALFORMED, f"{clip(location)!r} is not a URL")
    url = _url(parsed)
    if isinstance(url, Url) and not url.fragment and base.fragment:
        return url._replace(fragment=base.fragment)
    return url


def utf8_of(value: str) -> str:
    """A field value whose bytes were read as Latin-1, as field values are: read as UTF-8 where they are that."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return value


def _url(parsed: can_ada.URL) -> Url | Fault:
    scheme = parsed.protocol
    if scheme not in _SCHEMES:
        return _why_not_web(scheme[:-1])
    name, default_port = _SCHEMES[scheme]
    port = int(parsed.port or default_port)
    username = password = ""
    if parsed.has_credentials():
        username, password = unquote(parsed.username), unquote(parsed.password)
        parsed.username = parsed.password = ""
    fragment = ""
    if parsed.has_hash():
        fragment = parsed.hash
        parsed.hash = ""
    host = parsed.hostname
    return Url(parsed.href, fragment, name, host, port, host_key_of(host, port), username, password)


def _why_malformed(text: str) -> Fault:
    if not text.strip():
        detail = "empty: a URL was expected"
    elif "://" not in text and can_parse(f"https://{text.lstrip('/')}"):
        detail = f"has no scheme: did you mean {clip(redact('https://' + text.lstrip('/')))} ?"
    elif any("\ud800" <= character <= "\udfff" for character in text):
        detail = "holds bytes that are no text"
    else:
        detail = "cannot be read as a URL (host or port not valid)"
    return Fault(Outcome.INVALID, Reason.URL_MALFORMED, detail)


def _why_not_web(scheme: str) -> Fault:
    if scheme in KNOWN_SCHEMES:
        return Fault(Outcome.SKIPPED, Reason.SKIP_UNSUPPORTED_SCHEME, f"{scheme}: links have no HTTP status")
    if scheme in _COMMON_TYPOS:
        hint = "did you mean https?"
    elif "." in scheme or scheme == "localhost":
        hint = "if it is a host name, put https:// or http:// before it"
    else:
        hint = "only http and https URLs can be asked"
    return Fault(Outcome.INVALID, Reason.URL_UNKNOWN_SCHEME, f"nobody knows the scheme {clip(scheme)!r}: {hint}")


def can_parse(text: str) -> bool:
    """Whether `text` is an absolute URL of any scheme."""
    try:
        return bool(can_ada.can_parse(text))
    except TypeError:
        return False


def is_web_url(text: str) -> bool:
    """Whether `text` is an absolute http(s) URL: what tells an argument that is a target from one that is a file."""
    return isinstance(parse(text), Url)


def clip(text: str, limit: int = 200) -> str:
    """`text`, shortened for a sentence."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that a URL's host spells, or None for a name."""
    if not host or (not host[-1].isdigit() and ":" not in host):  # as nearly all: a name ends in a letter
        return None
    try:
        return ipaddress.ip_address(host[1:-1] if host.startswith("[") else host)
    except ValueError:
        return None


_GLOBAL_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
"""All of IPv6 that is given out to be reachable from everywhere (RFC 4291 section 2.4, IANA's address space registry).
Outside of it are old ways to write an IPv4 address in (::/96, ::ffff:0:0:0/96) and what is local in some sense."""
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: the last 32 bits are an IPv4 address

# Not globally reachable as the registries of 2025 say, and not known as such to every supported Python's ipaddress.
_NOT_PUBLIC: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "192.0.0.0/24",  # IETF protocol assignments, RFC 6890
        "3fff::/20",  # documentation, RFC 9637
    )
)


@lru_cache(maxsize=4096)
def is_public(address: str) -> bool:
    """Whether `address` (an IP address as text) is reachable from everywhere (IANA special-purpose registries).

    An IPv4 address within an IPv6 one (mapped, 6to4, NAT64) is judged itself: it is where the packets go.
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            ip = inner
        elif ip not in _GLOBAL_UNICAST:
            return False
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in _NOT_PUBLIC)


def names_private_host(host: str) -> bool:
    """Whether the URL itself names a loopback or private host: ``localhost`` or a private address.

    What a public name happens to resolve to is another matter (RFC 6761 section 6.3 for localhost).
    """
    name = host.rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    ip = address_of(host)
    return ip is not None and not is_public(str(ip))


def redact(text: str) -> str:
    """`text` with the password of its userinfo, if it is or means to be a URL that has one, replaced by ``***``."""
    if "@" not in text:
        return text
    try:
        parsed = can_ada.parse(text)
    except (ValueError, TypeError):
        begun = _BEGINNING.match(text)
        start = begun.end() if begun is not None else 0
        return text[:start] + _without_password(text[start:])
    if parsed.has_non_empty_password():
        parsed.password = "***"  # noqa: S105
        return parsed.href
    authority, slash, path = text.partition("/")
    if not path.startswith("/") and parsed.protocol[:-1] not in KNOWN_SCHEMES:
        return _without_password(authority) + slash + path  # user:password@host reads as a URL of the scheme "user"
    return text


_BEGINNING: Final = re.compile(r"\s*(?:(?:[a-z][a-z0-9+.-]*:)?[/\\]{2,}|(?:https?|wss?|ftp):[/\\]?)", re.IGNORECASE)
"""What stands before the userinfo: WHATWG lets the web's own schemes go without their slashes."""


def _without_password(text: str) -> str:
    userinfo, at, tail = text.rpartition("@")
    user, colon, _ = userinfo.partition(":")
    return f"{user}:***{at}{tail}" if colon else text
