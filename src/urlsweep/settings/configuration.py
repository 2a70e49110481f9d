"""Where settings come from: defaults < configuration file < environment < flags, each stronger than the one before.

Contract: `load` reads at most one file and gives a `Configuration`. A stronger place replaces a value whole, lists too.
Every error is a SettingsError that says where the value was given (file and key, variable, or flag), what it is and
what is allowed. ``${NAME}`` in a text of the file becomes the value of that environment variable, which is from then on
a secret: no message and no output shows it.
Not in here: what any setting means (see the package), which file formats exist for reports (given by the caller).
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from urlsweep.core.limits import MOST_AT_ONCE
from urlsweep.core.policy import Method, Rule, StatusSet, glob_pattern
from urlsweep.settings import SETTINGS, Settings, values
from urlsweep.settings.setting import Raw, Setting, SettingsError, Shape, flag_of, variable_of
from urlsweep.settings.values import closest, did_you_mean, not_one_of, quoted

OWN_FILE: Final = "urlsweep.toml"
PROJECT_FILE: Final = "pyproject.toml"
PREFIX: Final = variable_of("")
CONFIG_VARIABLE: Final = variable_of("config")


class Configuration(msgspec.Struct, frozen=True):
    """Settings, and where each that is not a default was given."""

    settings: Settings
    places: Mapping[str, str]  # setting's name -> "urlsweep.toml: format", "URLSWEEP_FORMAT" or "--format"
    path: Path | None  # the file that was read
    warnings: tuple[str, ...] = ()

    def place(self, name: str) -> str:
        """Where the setting `name` was given, for a message about it."""
        return self.places.get(name, flag_of(name))

    def placed(self, error: ValueError) -> SettingsError:
        """`error`, which begins with a setting's name (``cacert: ...``), as one that says where that was given."""
        return SettingsError(_placed(str(error), self.places))


def load(
    flags: Mapping[str, Raw] | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    directory: str | os.PathLike[str] = ".",
    config: str | os.PathLike[str] | None = None,
    use_file: bool = True,
    choices: Mapping[str, Collection[str]] | None = None,
) -> Configuration:
    """The settings of a run.

    `flags` are the raw values of the command line by setting's name. `config` (else the variable URLSWEEP_CONFIG) names
    the file; else ``urlsweep.toml`` in `directory`, else its ``pyproject.toml`` where that has ``[tool.urlsweep]``.
    `use_file` false: none is read. `choices` says which words a setting may hold where the table leaves that open.
    Raises SettingsError.
    """
    environ = os.environ if environ is None else environ
    reading = _Reading(environ, choices or {})
    path = None
    if use_file:
        named = config or environ.get(CONFIG_VARIABLE)
        found = _read_named(Path(named)) if named else _read_usual(Path(directory))
        if found is not None:
            path = found.path
            reading.take_file(found)
    reading.take_environment()
    for name, raw in (flags or {}).items():
        with reading.at(flag_of(name)):
            reading.take(name, flag_of(name), raw)
    return Configuration(reading.settings(), reading.places, path, tuple(reading.warnings))


class _File(NamedTuple):
    """A configuration file that was read."""

    path: Path
    shown: str  # how messages call it
    prefix: str  # what stands before a key in it: "tool.urlsweep." in a pyproject.toml
    table: Mapping[str, Any]


def _read_named(path: Path) -> _File:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: the configuration file cannot be read ({error.strerror})") from None
    if path.name == PROJECT_FILE:
        found = _project_table(path, data)
        if found is None:
            raise SettingsError(f"{path}: has no [tool.urlsweep]")
        return found
    return _File(path, str(path), "", _toml(path, data))


def _read_usual(directory: Path) -> _File | None:
    own = directory / OWN_FILE
    if own.is_file():
        return _read_named(own)
    project = directory / PROJECT_FILE
    try:
        return _project_table(project, project.read_bytes())
    except OSError:
        return None


def _project_table(path: Path, data: bytes) -> _File | None:
    if b"urlsweep" not in data:  # spares most projects the parsing, and broken ones an error that is not ours to give
        return None
    tool = _toml(path, data).get("tool")
    table = tool.get("urlsweep") if isinstance(tool, dict) else None
    if table is None:
        return None
    if not isinstance(table, dict):
        raise SettingsError(f"{path}: tool.urlsweep: is not a table: write [tool.urlsweep]")
    return _File(path, str(path), "tool.urlsweep.", table)


def _toml(path: Path, data: bytes) -> dict[str, Any]:
    import tomllib  # only where there is a file

    try:
        return tomllib.loads(data.decode())
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: is not UTF-8 (byte {error.start + 1})") from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path}: is not valid TOML: {error}") from None


class _Reading:
    """Values taken so far, weakest place first."""

    def __init__(self, environ: Mapping[str, str], choices: Mapping[str, Collection[str]]) -> None:
        self._environ = environ
        self._choices = choices
        self._values: dict[str, Any] = {}
        self._disclosed: set[str] = set()
        self.places: dict[str, str] = {}
        self.warnings: list[str] = []

    def take_file(self, file: _File) -> None:
        """Every key of a configuration file."""
        for key, value in file.table.items():
            place = f"{file.shown}: {file.prefix}{key}"
            if key == "rules":
                self._values["rules"] = tuple(self._rules(place, value))
            elif key == "journal" and isinstance(value, Mapping):
                # A table says it all in one place: [journal] keep = 20 is journal_keep = 20.
                nested = {f"{key}_{name}": item for name, item in value.items()}
                self.take_file(_File(file.path, file.shown, file.prefix, nested))
            elif key in SETTINGS:
                with self.at(place):
                    self.take(key, place, _raw(SETTINGS[key], self._filled(value)))
            else:
                known = [*SETTINGS, "rules"]
                raise SettingsError(f"{place}: there is no such setting{did_you_mean(key.replace('-', '_'), known)}")

    def take_environment(self) -> None:
        """Every variable that is a setting's; an empty one counts as not set, as CI systems leave them."""
        variables = {variable_of(name): name for name in SETTINGS}
        for variable, text in self._environ.items():
            if not variable.startswith(PREFIX) or not text:
                continue
            name = variables.get(variable)
            if name is not None:
                is_list = SETTINGS[name].shape is Shape.REPEATED
                with self.at(variable):
                    self.take(name, variable, list(filter(str.strip, text.splitlines())) if is_list else text)
            elif variable != CONFIG_VARIABLE and (meant := closest(variable.removeprefix(PREFIX), SETTINGS)):
                # Others are nobody's business: people keep their own variables under this name too.
                self.warnings.append(f"{variable} is no setting: did you mean {variable_of(meant)}?")

    def take(self, name: str, place: str, raw: Raw) -> None:
        """The setting `name`, as it was given at `place`. Raises ValueError."""
        value = SETTINGS[name].read(raw)
        allowed = self._choices.get(name)
        if allowed is not None and value not in allowed:
            raise ValueError(not_one_of(str(value), allowed))
        self._values[name] = value
        self.places[name] = place

    def settings(self) -> Settings:
        """All of it. Raises SettingsError for values that contradict each other."""
        try:
            return Settings(**self._values, disclosed=frozenset(self._disclosed))
        except ValueError as error:
            raise self._error(_placed(str(error), self.places)) from None

    @contextmanager
    def at(self, place: str) -> Iterator[None]:
        """Within it, a ValueError becomes a SettingsError that names `place`."""
        try:
            yield
        except ValueError as error:
            raise self._error(f"{place}: {error}") from None

    def _error(self, message: str) -> SettingsError:
        for secret in sorted(self._disclosed, key=len, reverse=True):
            for spelled in (secret, repr(secret)[1:-1]):
                message = message.replace(spelled, "***")
        return SettingsError(message)

    def _filled(self, value: Any) -> Any:
        """`value` with every ``${NAME}`` in its texts filled in; ``$${`` stands for a plain ``${``."""
        if isinstance(value, str):
            return _REFERENCE.sub(self._variable, value)
        if isinstance(value, list):
            return [self._filled(item) for item in value]
        if isinstance(value, dict):
            return {key: self._filled(item) for key, item in value.items()}
        return value

    def _variable(self, match: re.Match[str]) -> str:
        name = match["name"]
        if name is None:
            return "${"
        text = self._environ.get(name)
        if not text:
            # An empty one is what CI systems make of a secret that is not there: it must not be sent as an empty token.
            raise ValueError(f"the environment variable {name} is {'not set' if text is None else 'empty'}")
        self._disclosed.add(text)
        return text

    def _rules(self, place: str, entries: object) -> Iterator[Rule]:
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            raise SettingsError(f"{place}: is not a list of tables: write [[rules]] before each rule")
        for number, entry in enumerate(entries, start=1):
            yield self._rule(f"{place}: rule {number}", entry)

    def _rule(self, place: str, entry: Mapping[str, Any]) -> Rule:
        read: dict[str, Any] = {}
        for key, value in entry.items():
            line = _RULE.get(key)
            if line is None:
                raise SettingsError(f"{place}: {key}: is not one of {', '.join(_RULE)}{did_you_mean(key, _RULE)}")
            with self.at(f"{place}: {key}"):
                read[key] = line.read(_raw(line, self._filled(value)))
        if ("url" in read) == ("regex" in read):
            raise SettingsError(f"{place}: give url (a glob, 'https://example.com/*') or regex, one of the two")
        pattern = read.pop("url", None) or read.pop("regex")
        return Rule(pattern, **read)


def _placed(message: str, places: Mapping[str, str]) -> str:
    name, colon, rest = message.partition(": ")
    return f"{places.get(name, name)}{colon}{rest}"


_REFERENCE: Final = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}")

_RULE: Final[Mapping[str, Setting]] = {
    "url": Setting(meaning="a glob over the whole URL", group="", parse=glob_pattern),
    "regex": Setting(meaning="a regular expression found in the URL", group="", parse=values.pattern),
    "accept": Setting(meaning="", group="", parse=StatusSet.parse, shape=Shape.COMMA_LIST),
    "method": Setting(meaning="", group="", parse=values.choice(Method)),
    "headers": Setting(
        meaning="",
        group="",
        parse=values.request_field,
        shape=Shape.REPEATED,
        from_table=values.lines_of_table,
    ),
    "timeout": Setting(meaning="", group="", parse=values.seconds),
    "skip": Setting(meaning="", group="", parse=values.switch),
    "robots": Setting(meaning="", group="", parse=values.switch),
    "per_host": Setting(meaning="", group="", parse=values.whole_number(1, MOST_AT_ONCE)),
    "rate": Setting(meaning="", group="", parse=values.rate),
    "delay": Setting(meaning="", group="", parse=values.delay),
}
"""What a rule may say, each read as a setting is."""


def _raw(setting: Setting, value: object) -> Raw:
    """A TOML value as the text or texts that a flag would have given. Raises ValueError."""
    if isinstance(value, Mapping):
        if setting.from_table is None:
            raise ValueError("is a table: a value is expected")
        return setting.from_table(value)
    if isinstance(value, list):
        texts = [_scalar(setting, item) for item in value]
        if setting.shape is Shape.COMMA_LIST:
            return ",".join(texts)
        if setting.shape is Shape.REPEATED:
            return texts
        raise ValueError("is a list: one value is expected")
    return _scalar(setting, value)


def _scalar(setting: Setting, value: object) -> str:
    if isinstance(value, bool):
        if setting.parse is not values.switch:
            raise ValueError(f"{str(value).lower()} is not a value for it: it is not switched on or off")
        return values.TRUE if value else values.FALSE
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return str(value)
    raise ValueError(f"{quoted(str(value))} is neither a text nor a number")
