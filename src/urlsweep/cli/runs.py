"""``urlsweep runs`` and ``urlsweep runs rm``: which runs are kept.

Contract: reads, and removes what it is told to. Not in here: how they are looked into (`kept_runs`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from urlsweep.cli.arguments import ArgumentParser, add_settings
from urlsweep.cli.console import Console
from urlsweep.cli.exit_codes import ExitCode, UsageError
from urlsweep.settings import SETTINGS
from urlsweep.settings.flags import given

USAGE: Final = "urlsweep runs [options]\n       urlsweep runs rm RUN... [options]"

DESCRIPTION: Final = """\
List the runs that are kept, the newest first: when, how they ended, how many
URLs they have and how many of these fail, and what was checked. With rm, remove
runs: by name (or the beginning of it), by file, or last.
"""

EPILOG: Final = """\
examples:
  urlsweep runs
  urlsweep runs --format json
  urlsweep runs rm 20260131
"""

FORMATS: Final = ("text", "json")


def runs(arguments: Sequence[str], console: Console, *_: object) -> int:
    """Run the command; the process's exit code. Raises UsageError and JournalError."""
    parser = ArgumentParser(console, prog="urlsweep runs", usage=USAGE, description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("inputs", nargs="*", metavar="rm RUN", help="What to remove.")
    add_settings(parser, formats=" or ".join(FORMATS), without=set(SETTINGS) - {"format", "journal_dir"})
    namespace = parser.read(arguments)
    # What runs is imported only now.
    import msgspec

    from urlsweep.cli.kept_runs import lines_of, look, shelf_of
    from urlsweep.journal.shelf import remove

    shelf = shelf_of(namespace)
    if namespace.inputs:
        if namespace.inputs[0] != "rm" or len(namespace.inputs) == 1:
            raise UsageError("write urlsweep runs, or urlsweep runs rm RUN... with the names to remove")
        for path in [shelf.find(name) for name in namespace.inputs[1:]]:
            remove(path)
        return ExitCode.OK
    format_name = given(namespace).get("format", "text")
    if format_name not in FORMATS:
        raise UsageError(f"--format {format_name}: the list of runs is {' or '.join(FORMATS)}")
    listed = [look(run) for run in shelf.runs()]
    if format_name == "json":
        console.stdout.write(msgspec.json.format(msgspec.json.encode(listed)) + b"\n")
    elif listed:
        text = "".join(f"{line}\n" for line in lines_of(listed))
        console.stdout.write(text.encode("utf-8", "backslashreplace"))
    else:
        console.say(f"urlsweep: no run is kept in {shelf.folder}")
    return ExitCode.OK
