"""The command line's grammar: what commands have in common when their arguments are read.

Contract: an `ArgumentParser` writes to the console's streams and never ends the process: wrong usage is a UsageError,
and ``--help`` ends with `HelpShown`. Options and inputs may come in any order.
Not in here: any command's own arguments.
"""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import IO, Any, Final, NoReturn

from urlsweep.cli.console import Console
from urlsweep.cli.exit_codes import UsageError
from urlsweep.reports.registry import ENDINGS, REPORTS
from urlsweep.settings import SETTINGS
from urlsweep.settings.configuration import Configuration, load
from urlsweep.settings.flags import add_flags, given
from urlsweep.settings.setting import flag_of
from urlsweep.settings.values import did_you_mean
from urlsweep.sources.registry import FORMATS

CHOICES: Final[Mapping[str, Collection[str]]] = {"format": tuple(REPORTS), "input_format": tuple(FORMATS)}
"""What the registries know: the words that these settings may hold."""


def _listed(words: Collection[str], last: str) -> str:
    *most, final = words
    return f"{', '.join(most)} {last} {final}"


WORDS: Final[Mapping[str, str]] = {
    "formats": _listed(CHOICES["format"], "or"),
    "input_formats": _listed(CHOICES["input_format"], "or"),
    "endings": _listed(ENDINGS, "or"),
}
"""The same for people: what the settings' meanings leave open."""


class HelpShown(Exception):  # noqa: N818  no error: what was asked for is done
    """``--help`` was given, and the help is written."""


class ArgumentParser(argparse.ArgumentParser):
    """argparse's, on a console."""

    def __init__(self, console: Console, *, prog: str, usage: str, description: str, epilog: str) -> None:
        super().__init__(
            prog=prog,
            usage=usage,
            description=description,
            epilog=epilog,
            allow_abbrev=False,
            formatter_class=lambda prog: argparse.RawDescriptionHelpFormatter(
                prog, max_help_position=28, width=min(console.width(console.stdout), 100)
            ),
        )
        self._console = console

    def read(self, arguments: Sequence[str]) -> argparse.Namespace:
        """The arguments' namespace, their plain ones in `inputs`. Raises UsageError and HelpShown."""
        split = list(arguments)
        behind = []
        if "--" in split:  # everything behind it is an input, whatever it looks like
            position = split.index("--")
            split, behind = split[:position], split[position + 1 :]
        namespace, unknown = self.parse_known_intermixed_args(list(_completed(split)))
        for wrong in (text.partition("=")[0] for text in unknown if text.startswith("-")):
            flags = [flag for action in self._actions for flag in action.option_strings]
            self.error(f"there is no option {wrong}{did_you_mean(wrong, flags)}")
        if unknown:
            self.error(f"{self.prog} takes no input, and {unknown[0]!r} is one")
        namespace.inputs = [*(getattr(namespace, "inputs", None) or ()), *behind]
        return namespace

    def hide(self, flags: Iterable[str]) -> None:
        """Leave `flags` out of the help."""
        for flag in flags:
            if flag in self._option_string_actions:
                self._option_string_actions[flag].help = argparse.SUPPRESS

    def error(self, message: str) -> NoReturn:
        """Raises UsageError."""
        raise UsageError(f"{message.removeprefix('argument ')} (see {self.prog} --help)")

    def exit(self, status: int = 0, message: str | None = None) -> NoReturn:  # noqa: ARG002  argparse's signature
        """Raises HelpShown: nothing else in argparse ends a program well."""
        raise HelpShown

    def _print_message(self, message: str, file: IO[str] | Any = None) -> None:  # noqa: ARG002  argparse's signature
        self._console.stdout.write(message.encode("utf-8", "backslashreplace"))
        self._console.stdout.flush()


def _completed(arguments: Sequence[str]) -> Iterator[str]:
    """`arguments`, with its value behind a flag that stands alone and may: ``--cache links.txt`` names no time."""
    for position, argument in enumerate(arguments):
        yield argument
        setting = _MAY_STAND_ALONE.get(argument)
        if setting is not None:
            try:
                setting.read(arguments[position + 1])
            except (IndexError, ValueError):
                yield setting.alone


_MAY_STAND_ALONE: Final = {flag_of(name): setting for name, setting in SETTINGS.items() if setting.alone}


def add_settings(parser: ArgumentParser, *, formats: str = WORDS["formats"], without: Collection[str] = ()) -> None:
    """Add what says where settings come from, and a flag for each of them.

    `formats` is what standard output can get, in words. Settings in `without` are taken and not shown in the help.
    """
    group = parser.add_argument_group("Configuration")
    group.add_argument(
        "--config",
        metavar="FILE",
        help="Read this file. [urlsweep.toml in the current directory, else [tool.urlsweep] in its pyproject.toml]",
    )
    group.add_argument("--no-config", action="store_true", help="Read no configuration file.")
    add_flags(parser, {**WORDS, "formats": formats})
    parser.hide(flag for name in without for flag in (flag_of(name), *SETTINGS[name].constants))


def configuration(namespace: argparse.Namespace) -> Configuration:
    """The settings of the run. Raises SettingsError."""
    return load(given(namespace), config=namespace.config, use_file=not namespace.no_config, choices=CHOICES)
