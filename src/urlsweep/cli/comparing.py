"""``urlsweep diff``: what changed between two runs, or two reports.

Contract: reads only; the exit code says whether anything fails that did not. Not in here: how it is found and laid out
(`differences`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from urlsweep.cli.arguments import ArgumentParser, add_settings, configuration
from urlsweep.cli.console import Console
from urlsweep.cli.exit_codes import ExitCode, UsageError
from urlsweep.settings import SETTINGS
from urlsweep.settings.flags import given

USAGE: Final = "urlsweep diff OLD NEW [options]"

DESCRIPTION: Final = """\
Tell what changed between two runs: what fails now, what still does and since
when, what recovered, what redirects now, and which URLs came and went. OLD and
NEW are runs (names, beginnings of names, last, run files) or reports in JSON
Lines or CSV.
"""

EPILOG: Final = """\
exit codes:
  0    nothing fails that did not fail before
  1    something does (of the outcomes of --fail-on)
  2    wrong usage, or something that cannot be compared

examples:
  urlsweep diff 20260130 last
  urlsweep diff yesterday.jsonl today.jsonl
  urlsweep diff yesterday.csv today.csv --format json
"""

FORMATS: Final = ("text", "json")

SHOWN: Final = {"format", "fail_on", "color", "journal_dir"}


def diff(arguments: Sequence[str], console: Console, *_: object) -> int:
    """Run the command; the process's exit code. Raises UsageError and JournalError."""
    parser = ArgumentParser(console, prog="urlsweep diff", usage=USAGE, description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("inputs", nargs="*", metavar="OLD NEW", help="The runs, or reports, to compare.")
    add_settings(parser, formats=" or ".join(FORMATS), without=set(SETTINGS) - SHOWN)
    namespace = parser.read(arguments)
    if len(namespace.inputs) != 2:
        raise UsageError("two runs are compared: write urlsweep diff OLD NEW, each a run or a report")
    format_name = given(namespace).get("format", "text")
    if format_name not in FORMATS:
        raise UsageError(f"--format {format_name}: a comparison is {' or '.join(FORMATS)}")
    settings = configuration(namespace).settings
    # What runs is imported only now.
    from urlsweep.cli.differences import as_json, as_text, found
    from urlsweep.cli.kept_runs import shelf_of
    from urlsweep.core.comparison import Change

    old, new = namespace.inputs
    differences = found(old, new, shelf_of(namespace), settings.failing)
    if format_name == "json":
        console.stdout.write(as_json(differences))
    else:
        color = console.wants_color(settings.color, console.stdout)
        console.stdout.write(as_text(differences, color=color).encode("utf-8", "backslashreplace"))
    return ExitCode.FAILED if any(each.change is Change.NEWLY_FAILING for each in differences) else ExitCode.OK
