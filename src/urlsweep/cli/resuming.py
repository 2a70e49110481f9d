"""``urlsweep resume`` and ``urlsweep retry``: go on with a run that is kept.

Contract: a run goes on with the settings that it was begun with, those given now in their place; what is never kept,
credentials, has to be given again. Not in here: the run (`running`), how it goes on (`journaling`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from urlsweep.cli.arguments import CHOICES, ArgumentParser, add_settings
from urlsweep.cli.checking import within_descriptors
from urlsweep.cli.console import Console
from urlsweep.cli.exit_codes import UsageError
from urlsweep.core.model import Outcome
from urlsweep.core.urls import redact
from urlsweep.settings import Settings, SettingsError, values
from urlsweep.settings.configuration import Configuration, load
from urlsweep.settings.flags import given
from urlsweep.settings.keeping import withheld_names
from urlsweep.settings.setting import Raw
from urlsweep.transport.options import TransportOptionError

if TYPE_CHECKING:
    import argparse

    from urlsweep.cli.inputs import Argument
    from urlsweep.cli.running import TransportFactory
    from urlsweep.journal.run_file import RunFile
    from urlsweep.sources.pump import RawStream

RESUME_USAGE: Final = "urlsweep resume [RUN] [options]"

RESUME_DESCRIPTION: Final = """\
Finish a run that was cut short: killed, interrupted, out of time, out of disk.

RUN is a run's name (urlsweep runs), the beginning of one, last, or a run file;
without it, the newest run that is not finished. Only what has no row yet is
asked. The reports are written anew, and are those of a run that was never cut.
"""

RESUME_EPILOG: Final = """\
The settings are those of the run; options given here take their place. Secrets
are never kept: credentials have to be given again.

examples:
  urlsweep resume
  urlsweep resume nightly.run --budget 8m
  urlsweep resume last --header-for https://example.com 'Cookie: id=SECRET'
"""

RETRY_USAGE: Final = "urlsweep retry RUN [--outcome OUTCOME,...] [options]"

RETRY_DESCRIPTION: Final = """\
Ask again what a run found to be down or unverified, and put what is found now
in its place. The reports are those of the whole run.
"""

RETRY_EPILOG: Final = """\
A row stands until its URL has been asked again: a retry that is cut loses
nothing, and urlsweep resume finishes it.

examples:
  urlsweep retry last
  urlsweep retry last --outcome broken,down -o report.csv
"""

DIFFERENT: Final = "given for a run that goes on: its inputs are what it was begun with"


def resume(
    arguments: Sequence[str], console: Console, open_transport: TransportFactory, stdin: RawStream | None = None
) -> int:
    """Run the command; the process's exit code. Raises UsageError, JournalError, and what `check` raises."""
    parser = ArgumentParser(
        console, prog="urlsweep resume", usage=RESUME_USAGE, description=RESUME_DESCRIPTION, epilog=RESUME_EPILOG
    )
    parser.add_argument("inputs", nargs="*", metavar="RUN", help="The run to finish.")
    add_settings(parser)
    namespace = parser.read(arguments)
    if len(namespace.inputs) > 1:
        raise UsageError(f"{namespace.inputs[1]!r} is {DIFFERENT}")
    name = namespace.inputs[0] if namespace.inputs else None
    return _go_on(namespace, name, console, open_transport, stdin)


def retry(
    arguments: Sequence[str], console: Console, open_transport: TransportFactory, stdin: RawStream | None = None
) -> int:
    """Run the command; the process's exit code. Raises UsageError, JournalError, and what `check` raises."""
    parser = ArgumentParser(
        console, prog="urlsweep retry", usage=RETRY_USAGE, description=RETRY_DESCRIPTION, epilog=RETRY_EPILOG
    )
    parser.add_argument("inputs", nargs="*", metavar="RUN", help="The run whose rows are asked again.")
    parser.add_argument(
        "--outcome",
        metavar="OUTCOME,...",
        default="down,unverified",
        help="What is asked again. [down,unverified]",
    )
    add_settings(parser)
    namespace = parser.read(arguments)
    if not namespace.inputs:
        raise UsageError("no run given: write urlsweep retry last, or a name of urlsweep runs")
    if len(namespace.inputs) > 1:
        raise UsageError(f"{namespace.inputs[1]!r} is {DIFFERENT}")
    outcomes = _outcomes(namespace.outcome)

    def put_off(run_file: RunFile) -> None:
        number = run_file.put_off(outcomes)
        if not namespace_is_quiet(namespace):
            console.say(f"urlsweep: {number:,} {'row is' if number == 1 else 'rows are'} asked again")

    return _go_on(namespace, namespace.inputs[0], console, open_transport, stdin, put_off)


def namespace_is_quiet(namespace: argparse.Namespace) -> bool:
    """Whether ``--quiet`` is among the flags."""
    return given(namespace).get("quiet") == values.TRUE


def _outcomes(text: str) -> tuple[Outcome, ...]:
    try:
        outcomes = values.outcomes(text)
    except ValueError as error:
        raise UsageError(f"--outcome: {error}") from None
    if not outcomes:
        raise UsageError("--outcome: none is nothing to ask again")
    return outcomes


def _go_on(
    namespace: argparse.Namespace,
    name: str | None,
    console: Console,
    open_transport: TransportFactory,
    stdin: RawStream | None,
    prepare: Callable[[RunFile], None] | None = None,
) -> int:
    from urlsweep import timing
    from urlsweep.cli.interruption import Interruption
    from urlsweep.cli.journaling import GoingOn
    from urlsweep.cli.kept_runs import newest_unfinished, shelf_of
    from urlsweep.cli.running import CheckRun
    from urlsweep.journal.run_file import RunFile

    shelf = shelf_of(namespace)
    path = newest_unfinished(shelf) if name is None else shelf.find(name)
    with closing(RunFile.open(path, to_write=True)) as run_file:
        facts = run_file.facts()
        if "inputs" not in facts:
            raise UsageError(f"{path} holds no run: it was cut before it began; check anew")
        _look_where_it_began(facts, console)
        configured = _configuration(namespace, facts)
        console.is_quiet = configured.settings.quiet
        for warning in configured.warnings:
            console.warning(warning)
        settings = within_descriptors(configured.settings, console)
        if prepare is not None:
            prepare(run_file)
        try:
            run = CheckRun(
                [],
                settings,
                console,
                open_transport,
                stdin,
                keeping=GoingOn(run_file, facts, settings),
                arguments=_arguments(facts, settings),
            )
            with Interruption() as interruption:
                return timing.run(run.run(interruption))
        except (SettingsError, TransportOptionError) as error:  # of files that are named: read only when needed
            raise configured.placed(error) from None


def _look_where_it_began(facts: Mapping[str, Any], console: Console) -> None:
    from urlsweep.cli.recording import same_folder

    folder = str(facts.get("directory", "."))
    if same_folder(folder):
        return
    if Path(folder).is_dir():
        raise UsageError(f"the run was begun in {folder}, where its files are looked for: go there first (cd {folder})")
    console.warning(f"the folder that the run was begun in is gone ({folder}): its files are looked for here")


def _configuration(namespace: argparse.Namespace, facts: Mapping[str, Any]) -> Configuration:
    """The run's own flags, those given now over them, over variables and the configuration file as they are now."""
    now = given(namespace)
    flags: dict[str, Raw] = {**facts.get("flags", {}), **now}
    if "header" in now and "header" in facts.get("flags", {}):
        flags["header"] = [*facts["flags"]["header"], *now["header"]]
    configured = load(
        flags,
        config=namespace.config,
        use_file=not (namespace.no_config or facts.get("no_config")),
        choices=CHOICES,
    )
    withheld: Sequence[str] = facts.get("withheld", ())
    missing = withheld_names(withheld) - (configured.places.keys() - (facts.get("flags", {}).keys() - now.keys()))
    if missing:
        listed = " ".join(words for words in withheld if withheld_names([words]) & missing)
        raise UsageError(f"secrets are not kept with a run, and this one had some: give them again ({listed})")
    return configured


def _arguments(facts: Mapping[str, Any], settings: Settings) -> list[Argument]:
    from urlsweep.cli.inputs import Argument

    with_passwords = {redact(text): text for text in settings.sitemap}
    arguments = []
    for position, entry in enumerate(facts["inputs"], start=1):
        is_sitemap = bool(entry["is_sitemap"])
        text = with_passwords.get(entry["text"], entry["text"]) if is_sitemap else entry["text"]
        arguments.append(Argument(text, 0 if is_sitemap else position, is_sitemap))
    return arguments
