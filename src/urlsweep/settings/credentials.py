"""What goes with a request to whom: the fields for everybody, those for one origin, and those still without one.

Contract: pure, `read_netrc` apart, which reads one file when it is called.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from urlsweep._version import __version__
from urlsweep.core.policy import Fields, basic_authorization, is_secret_field
from urlsweep.settings.setting import SettingsError
from urlsweep.settings.values import Login, origin

DEFAULT_FIELDS: Final[Fields] = (
    ("User-Agent", f"urlsweep/{__version__}"),  # honest: a server's owner can tell who asks
    # text/html, because some bot walls show themselves only to what asks for a page; anything else is welcome too.
    ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
    ("Accept-Encoding", "gzip, deflate"),  # what can be undone without an extra package
)
"""Sent with every request unless told otherwise."""


def shared_fields(given: Iterable[tuple[str, str]], user_agent: str | None) -> Fields:
    """`DEFAULT_FIELDS` with those of `given` that are no secrets in their place or after them."""
    own = [pair for pair in given if not is_secret_field(pair[0])]
    if user_agent is not None:
        own.insert(0, ("User-Agent", user_agent))
    replaced = {name.lower() for name, _ in own}
    return (*(pair for pair in DEFAULT_FIELDS if pair[0].lower() not in replaced), *own)


def unscoped_fields(given: Iterable[tuple[str, str]], user: tuple[str, str] | None) -> Fields:
    """Those of `given` that are secrets, and the Authorization of `user`. Raises SettingsError for two of these."""
    own = tuple(pair for pair in given if is_secret_field(pair[0]))
    if user is None:
        return own
    if is_authorized(own):
        raise SettingsError("user: there is an Authorization header too: give one of the two")
    return (basic_authorization(*user), *own)


def is_authorized(fields: Fields) -> bool:
    """Whether an Authorization is among `fields`."""
    return any(name.lower() == "authorization" for name, _ in fields)


def scoped_fields(given: Iterable[tuple[str, str, str]], logins: Mapping[str, Login]) -> Mapping[str, Fields]:
    """Origin -> its fields: `given`, and where that has no Authorization the logins by host, for http and https at
    their default ports. Raises SettingsError for what is no origin."""
    by_origin: dict[str, list[tuple[str, str]]] = {}
    for where, name, value in given:
        try:
            by_origin.setdefault(origin(where), []).append((name, value))
        except ValueError as error:
            raise SettingsError(f"header_for: {error}") from None
    for host, entry in logins.items():
        for scheme in ("http", "https"):
            fields = by_origin.setdefault(f"{scheme}://{host}", [])
            if not is_authorized(tuple(fields)):
                fields.append(basic_authorization(*entry))
    return MappingProxyType({where: tuple(fields) for where, fields in by_origin.items()})


def read_netrc(environ: Mapping[str, str] = os.environ) -> dict[str, Login]:
    """Host -> login, from the file that the variable NETRC names, else from ``~/.netrc`` (``~/_netrc`` on Windows).

    A ``default`` entry is left out: it would give a password to every host of a list. Raises SettingsError where the
    file cannot be read.
    """
    import netrc  # only for those who ask for it

    name = environ.get("NETRC") or ("~/_netrc" if os.name == "nt" else "~/.netrc")
    path = Path(name).expanduser()
    try:
        entries = netrc.netrc(str(path)).hosts
    except OSError as error:
        raise SettingsError(
            f"netrc: {path} cannot be read ({error.strerror}): create it, or let NETRC name the file"
        ) from None
    except (netrc.NetrcParseError, UnicodeDecodeError) as error:
        problem = f"{error.msg}, line {error.lineno}" if isinstance(error, netrc.NetrcParseError) else "it is no text"
        raise SettingsError(f"netrc: {path} is not a netrc file: {problem}") from None
    logins = {}
    for host, (user, account, password) in entries.items():
        if host != "default" and password:
            logins[host.lower()] = Login(user or account or "", password)
    return logins


def secrets_in(fields: Iterable[tuple[str, str]]) -> set[str]:
    """The values of those of `fields` that are credentials, with and without their scheme (``Bearer``)."""
    found = set()
    for name, value in fields:
        if is_secret_field(name):
            found |= {value, value.partition(" ")[2].strip()}
    return found - {""}
