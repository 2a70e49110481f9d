"""``urlsweep report``: renders a run that is kept, without asking anything.

Contract: any report that the run itself could have made, of any run, a cut one included: what it has no row of is
`skip.unfinished`. Not in here: how it is made (`rendering`), formats (`reports`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from urlsweep.cli.arguments import ArgumentParser, add_settings, configuration
from urlsweep.cli.console import Console
from urlsweep.cli.exit_codes import UsageError
from urlsweep.cli.outputs import check_names
from urlsweep.settings import SETTINGS

USAGE: Final = "urlsweep report RUN [options]"

DESCRIPTION: Final = """\
Write the report of a run that is kept again, in any format, without asking
anything. RUN is a run's name (urlsweep runs), the beginning of one, last, or a
run file. Rows come in the order of the input.
"""

EPILOG: Final = """\
exit code: 0, whatever the run found.

examples:
  urlsweep report last --format csv > report.csv
  urlsweep report last --only broken,down
  urlsweep report nightly.run -o report.json
"""

SHOWN: Final = {"format", "output", "only", "bom", "color", "quiet", "verbose", "journal_dir"}


def report(arguments: Sequence[str], console: Console, *_: object) -> int:
    """Run the command; the process's exit code. Raises UsageError and JournalError."""
    parser = ArgumentParser(console, prog="urlsweep report", usage=USAGE, description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("inputs", nargs="*", metavar="RUN", help="The run to report.")
    add_settings(parser, without=set(SETTINGS) - SHOWN)
    namespace = parser.read(arguments)
    if len(namespace.inputs) != 1:
        raise UsageError("one run is reported at a time: write urlsweep report last, or a name of urlsweep runs")
    settings = configuration(namespace).settings
    # What runs is imported only now.
    from urlsweep.cli.kept_runs import shelf_of
    from urlsweep.cli.rendering import render
    from urlsweep.journal.run_file import opened

    check_names(settings)
    console.is_quiet = settings.quiet
    with opened(shelf_of(namespace).find(namespace.inputs[0])) as run_file:
        return render(run_file, settings, console)
