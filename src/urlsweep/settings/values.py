"""How each kind of value is spelled: text in, the typed value out.

Contract: pure functions. Each raises ValueError with a message that quotes the text (secrets apart) and says what is
allowed; where the text was given is the caller's to add.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeVar
from urllib.parse import urlsplit

from urlsweep.core.limits import LONGEST_PATIENCE
from urlsweep.core.model import Fault, Outcome
from urlsweep.core.urls import clip, parse, redact

_Choice = TypeVar("_Choice", bound=StrEnum)

TRUE: Final = "true"
FALSE: Final = "false"
_SWITCH_WORDS: Final = {
    TRUE: True,
    "1": True,
    "yes": True,
    "on": True,
    FALSE: False,
    "0": False,
    "no": False,
    "off": False,
}


class ScopedField(NamedTuple):
    """A request field that goes to one origin only."""

    origin: str  # as `core.urls.Url.origin` spells it
    name: str
    value: str


class Login(NamedTuple):
    """A user name and its password."""

    name: str
    password: str


def switch(text: str) -> bool:
    """``true`` or ``false``, and the words usual in environment variables."""
    try:
        return _SWITCH_WORDS[text.strip().lower()]
    except KeyError:
        raise ValueError(f"{quoted(text)} is neither true nor false") from None


def whole_number(low: int, high: int) -> Callable[[str], int]:
    """A parser of whole numbers from `low` to `high`."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = low - 1
        if not low <= number <= high:
            raise ValueError(f"{quoted(text)} is not a whole number from {low} to {high}")
        return number

    return read


def seconds(text: str) -> float:
    """A time, more than 0 and at most an hour, in seconds."""
    number = _number_of_seconds(text)
    if not 0 < number <= 3600:
        raise ValueError(f"{quoted(text)} is not within bounds: more than 0 and at most 3600 seconds")
    return number


def delays(text: str) -> tuple[float, ...]:
    """``1,5,30``: times of 0 or more, in seconds."""
    numbers = tuple(_number_of_seconds(part) for part in text.split(","))
    for number in numbers:
        if not 0 <= number <= 3600:
            raise ValueError(f"{quoted(text)} holds {number:g}: each is to be 0 to 3600 seconds")
    return numbers


def delay(text: str) -> float:
    """A time between two requests, in seconds: 0 is none at all."""
    number = _number_of_seconds(text)
    if not 0 <= number <= 3600:
        raise ValueError(f"{quoted(text)} is not within bounds: 0 to 3600 seconds")
    return number


def patience(text: str) -> float:
    """A time to wait for something that may pass, in seconds: 0 is not at all, a week the most."""
    number = _number_of_seconds(text)
    if not 0 <= number <= LONGEST_PATIENCE:
        raise ValueError(f"{quoted(text)} is not within bounds: 0 to {LONGEST_PATIENCE:.0f} seconds (a week)")
    return number


_TIME: Final = re.compile(r"(.*?)(ms|s|m|h|d|)", re.DOTALL)
_SECONDS: Final = {"ms": 0.001, "": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def _number_of_seconds(text: str) -> float:
    """``90``, ``1.5``, ``500ms``, ``90s``, ``5m``, ``1h`` or ``7d``, in seconds; may be negative."""
    spelled = _TIME.fullmatch(text.strip().lower())
    assert spelled is not None  # noqa: S101  every text has the form; the number in it is what may be wrong
    number = _number(spelled[1]) * _SECONDS[spelled[2]]
    if not math.isfinite(number):
        raise ValueError(f"{quoted(text)} is not a number of seconds, nor a time like 500ms, 5m or 1h")
    return number


_PER: Final = {"s": 1, "m": 60, "h": 3600}


def rate(text: str) -> float:
    """``0.5``, ``10/s``, ``30/m`` or ``100/h``, in requests a second."""
    count, slash, unit = text.strip().lower().partition("/")
    number = _number(count) / _PER.get(unit.strip(), math.nan) if slash else _number(count)
    if not math.isfinite(number):
        raise ValueError(f"{quoted(text)} is not a rate: write requests a second (0.5), or 10/s, 30/m, 100/h")
    if not 0.0001 <= number <= 1_000_000:
        raise ValueError(f"{quoted(text)} is not within bounds: 0.0001 to 1000000 requests a second")
    return number


def _number(text: str) -> float:
    """The number that `text` spells; not a finite one where it spells none."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def choice(kind: type[_Choice]) -> Callable[[str], _Choice]:
    """A parser of the values of `kind`."""

    def read(text: str) -> _Choice:
        try:
            return kind(text.strip().lower())
        except ValueError:
            raise ValueError(not_one_of(text, kind)) from None

    return read


def outcomes(text: str) -> tuple[Outcome, ...]:
    """``broken,down``: some of the outcomes, each once; ``none`` is no outcome at all."""
    if text.strip().lower() == "none":
        return ()
    read = choice(Outcome)
    return tuple(dict.fromkeys(read(part) for part in text.split(",")))


class Newly(StrEnum):
    """What `fail_on` may hold beside outcomes."""

    NEW = "new"  # fail on what the baseline does not know alone


def failing(text: str) -> tuple[Outcome | Newly, ...]:
    """As `outcomes`, and ``new``."""
    if text.strip().lower() == "none":
        return ()
    words = [word.strip().lower() for word in text.split(",")]
    allowed: dict[str, Outcome | Newly] = {**{str(o): o for o in Outcome}, **{str(n): n for n in Newly}}
    for word in words:
        if word not in allowed:
            raise ValueError(not_one_of(word, allowed))
    return tuple(dict.fromkeys(allowed[word] for word in words))


def budget(text: str) -> float:
    """A time for a whole run, in seconds: more than 0, a month at most."""
    number = _number_of_seconds(text)
    if not 0 < number <= 31 * 86_400:
        raise ValueError(f"{quoted(text)} is not within bounds: more than 0 and at most 31 days")
    return number


def times_to_live(text: str) -> tuple[tuple[Outcome, float], ...]:
    """``1d``: for what is ok; or ``ok=1d,broken=1h``: by outcome, in seconds."""
    if text.strip().lower() == "none":
        return ()
    found: dict[Outcome, float] = {}
    for part in text.split(","):
        name, equals, time = part.rpartition("=")
        outcome = choice(Outcome)(name) if equals else Outcome.OK
        if outcome in (Outcome.INVALID, Outcome.SKIPPED):
            raise ValueError(f"{outcome} is not asked: there is nothing to remember")
        number = _number_of_seconds(time)
        if not 0 < number <= 366 * 86_400:
            raise ValueError(f"{quoted(text)} is not within bounds: more than 0 and at most 366 days")
        found[outcome] = number
    return tuple(found.items())


_BYTES: Final = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}


def size(text: str) -> int:
    """``500MB`` or ``2GB``, in bytes."""
    spelled = re.fullmatch(r"\s*([0-9.]+)\s*([a-z]*)\s*", text.lower())
    factor = _BYTES.get(spelled[2]) if spelled is not None else None
    number = _number(spelled[1]) * factor if spelled is not None and factor is not None else math.nan
    if not math.isfinite(number):
        raise ValueError(f"{quoted(text)} is not a size: write bytes, or 500MB, 2GB")
    return int(number)


def pattern(text: str) -> re.Pattern[str]:
    """A regular expression of Python's `re`."""
    try:
        return re.compile(text)
    except re.error as error:
        where = "" if error.pos is None else f" at position {error.pos + 1}"
        raise ValueError(f"{quoted(text)} is not a regular expression: {error.msg}{where}") from None


_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")  # RFC 9110 section 5.6.2
_NOT_IN_VALUES: Final = r"[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]"  # section 5.5: CR, LF and NUL above all
_FRAMING: Final = frozenset({"content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"})


def request_field(text: str) -> tuple[str, str]:
    """``Name: value``, a request's header field (RFC 9110 section 5). Errors name the field, never its value."""
    name, colon, value = text.partition(":")
    name = name.strip()
    if not colon:
        raise ValueError("a header field is written 'Name: value': the colon is missing")
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{quoted(name)} is not the name of a header field: letters, digits and - are allowed")
    if name.lower() in _FRAMING:
        raise ValueError(f"{name} says how a message is framed, which is the connection's own business: leave it out")
    value = value.strip(" \t")
    if found := re.search(_NOT_IN_VALUES, value):
        raise ValueError(f"the value of {name} holds {found[0]!r}: no control character may stand in a header field")
    return name, value


def shared_field(text: str) -> tuple[str, str]:
    """`request_field`, for every origin. ``Host`` is refused: there is no host that it would be right for."""
    name, value = request_field(text)
    if name.lower() == "host":
        raise ValueError(f"Host belongs to one origin: give it with --header-for ORIGIN 'Host: {clip(value, 60)}'")
    return name, value


def scoped_field(text: str) -> ScopedField:
    """``ORIGIN Name: value``: a field for one origin."""
    first, _, rest = text.strip().partition(" ")
    if not rest.strip():
        raise ValueError("is written as an origin and a field: https://example.com 'Name: value'")
    return ScopedField(origin(first), *request_field(rest))


def origin(text: str) -> str:
    """``https://example.com`` or ``http://example.com:8080``, spelled as URLs are compared."""
    url = parse(text)
    if isinstance(url, Fault) or url.has_credentials or url.fragment or url.href != f"{url.origin}/":
        raise ValueError(
            f"{quoted(redact(text))} is not an origin: write https://example.com or http://example.com:8080"
        )
    return url.origin


def login(text: str) -> Login:
    """``NAME:PASSWORD``. The error repeats neither."""
    name, colon, password = text.partition(":")
    if not colon:
        raise ValueError("a name and a password are written NAME:PASSWORD: the colon is missing")
    if re.search(_NOT_IN_VALUES, text):
        raise ValueError("no control character may stand in a name or a password")
    return Login(name, password)


def password_in(url: str) -> str:
    """The password in a URL's userinfo as it is spelled there, or nothing."""
    return urlsplit(url if "://" in url else f"//{url}").password or ""


def user_agent(text: str) -> str:
    """The value of a User-Agent field."""
    return request_field(f"User-Agent: {text}")[1]


def resolve_entry(text: str) -> tuple[str, int, str]:
    """``HOST:PORT:ADDRESS``, as curl's --resolve; the address may stand in brackets. Its meaning is not judged here."""
    host, _, rest = text.partition(":")
    port, _, address = rest.partition(":")
    if not host or not (port.isascii() and port.isdigit()) or not address:
        raise ValueError(f"{quoted(text)} is not written HOST:PORT:ADDRESS, for example example.com:443:127.0.0.1")
    return host.lower(), int(port), address.strip("[]")


def lines_of_table(table: Mapping[str, Any]) -> Sequence[str]:
    """``{Name = "value"}`` as ``Name: value`` texts."""
    return [f"{name}: {_text(name, value)}" for name, value in table.items()]


def lines_of_origins(table: Mapping[str, Any]) -> Sequence[str]:
    """``{"https://example.com" = {Name = "value"}}`` as ``ORIGIN Name: value`` texts."""
    lines = []
    for where, fields in table.items():
        if not isinstance(fields, Mapping):
            raise ValueError(f"{quoted(where)} has no table of header fields: write {{ Name = 'value' }}")
        lines += [f"{where} {line}" for line in lines_of_table(fields)]
    return lines


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{quoted(name)} has a value that is no text: write it in quotes")
    return value


def quoted(text: str) -> str:
    """`text` for a message: in quotes, shortened, its control characters spelled out."""
    return repr(clip(text, 100))


def not_one_of(text: str, allowed: Iterable[str]) -> str:
    """The sentence for a word that is none of `allowed`, with the one that was probably meant."""
    allowed = list(allowed)
    return f"{quoted(text)} is not one of {', '.join(allowed)}{did_you_mean(text, allowed)}"


def did_you_mean(text: str, allowed: Iterable[str]) -> str:
    """``: did you mean 'timeout'?`` where one of `allowed` is close, else nothing."""
    close = closest(text, allowed)
    return f": did you mean {close!r}?" if close is not None else ""


def closest(text: str, allowed: Iterable[str]) -> str | None:
    """The one of `allowed` that `text` was probably meant to be, or None."""
    import difflib  # for an error's sake alone

    by_spelling = {word.lower(): str(word) for word in allowed}
    close = difflib.get_close_matches(text.lower(), list(by_spelling), n=1)
    return by_spelling[close[0]] if close else None
