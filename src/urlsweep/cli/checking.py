"""``urlsweep check``: its arguments, its help, and what is made of them.

Contract: light to import, so that ``--help`` and a misspelled option answer at once. Not in here: the run (`running`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from urlsweep import descriptors
from urlsweep.cli.arguments import ArgumentParser, add_settings, configuration
from urlsweep.cli.console import Console
from urlsweep.collector import importing
from urlsweep.settings import Settings, SettingsError
from urlsweep.settings.flags import given
from urlsweep.transport.options import TransportOptionError

if TYPE_CHECKING:
    from urlsweep.cli.running import TransportFactory
    from urlsweep.sources.pump import RawStream

USAGE: Final = "urlsweep check [URL | FILE | -]... [--sitemap URL|FILE] [options]"

DESCRIPTION: Final = """\
Ask every URL once and tell what became of each.

An argument that is an http(s) URL is checked itself; any other is a file of
URLs (text, CSV, JSON Lines, a sitemap, or gzip of these), and - is standard
input. Rows that need attention go to standard output as they finish, the
summary to standard error.
"""

EPILOG: Final = """\
Every option can also be set by an environment variable (--max-redirects:
URLSWEEP_MAX_REDIRECTS) or by a key in the configuration file (max_redirects =
5); flags are the strongest, then variables.

exit codes:
  0    nothing that fails the run
  1    some URL failed it (see --fail-on)
  2    wrong usage or configuration
  3    an input could not be read or held no URL
  4    your network, not the links: nothing could be reached any more
  5    nothing failed, but the run is not complete (see --budget)
  70   internal error, or an output that cannot be written any more
  130  interrupted (143: terminated); the reports are valid, partial ones
  141  whoever read standard output left

examples:
  urlsweep check https://example.com/ https://example.org/about
  urlsweep check --sitemap https://example.com/
  urlsweep check links.txt --only broken,down --format csv > problems.csv
  urlsweep check customers.csv --column Website -o checked.csv -o all.jsonl
  grep -oE 'https?://[^ ]+' notes.md | urlsweep check -
  urlsweep check links.txt --header-for https://example.com 'Cookie: id=SECRET'
"""


def check(
    arguments: Sequence[str], console: Console, open_transport: TransportFactory, stdin: RawStream | None = None
) -> int:
    """Run the command; the process's exit code. Raises UsageError, and what `exit_codes` are made of elsewhere."""
    parser = ArgumentParser(console, prog="urlsweep check", usage=USAGE, description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("inputs", nargs="*", metavar="URL | FILE | -", help="What to check.")
    add_settings(parser)
    namespace = parser.read(arguments)
    configured = configuration(namespace)
    with importing():  # what runs, only now
        from urlsweep import timing
        from urlsweep.cli.interruption import Interruption
        from urlsweep.cli.journaling import NewRun
        from urlsweep.cli.running import CheckRun

    keeping = None
    if configured.settings.journal:
        keeping = NewRun(configured.settings, given(namespace), no_config=namespace.no_config)
    console.is_quiet = configured.settings.quiet
    for warning in configured.warnings:
        console.warning(warning)
    settings = within_descriptors(configured.settings, console)
    try:
        run = CheckRun(namespace.inputs, settings, console, open_transport, stdin, keeping=keeping)
        with Interruption() as interruption:
            return timing.run(run.run(interruption))
    except (SettingsError, TransportOptionError) as error:  # of files that are named: read only when they are needed
        raise configured.placed(error) from None


def within_descriptors(settings: Settings, console: Console) -> Settings:
    """`settings`, their concurrency lowered where the limit on open files leaves no room for it; says so."""
    share = -(-settings.concurrency // settings.processes)  # of the worker that may ask most; the limit is a process's
    room = descriptors.make_room(share)
    if room == share:
        return settings
    room *= settings.processes
    console.warning(
        f"--concurrency {settings.concurrency} is more than the limit on open files leaves room for: lowered to {room} "
        "(raise the limit with ulimit -n)"
    )
    return replace(settings, concurrency=room)
