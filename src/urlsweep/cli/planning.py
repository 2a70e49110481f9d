"""``urlsweep plan``: what a check with the same arguments would do, how long it would take and why, before one request.

Contract: the inputs are read just as a check reads them, and no URL of theirs is asked. A sitemap that is given by its
URL has to be fetched to be known: that alone is, and it is said. Light to import, as `checking` is.
Not in here: the reading (`plan_run`), the counting (`census`), the estimate (`core.forecast`), its look (`plan_page`).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from urlsweep.cli.arguments import ArgumentParser, add_settings, configuration
from urlsweep.cli.checking import within_descriptors
from urlsweep.cli.console import Console
from urlsweep.cli.exit_codes import UsageError
from urlsweep.settings import SettingsError, values
from urlsweep.settings.flags import given
from urlsweep.transport.options import TransportOptionError

if TYPE_CHECKING:
    from urlsweep.cli.running import TransportFactory
    from urlsweep.sources.pump import RawStream

USAGE: Final = "urlsweep plan [URL | FILE | -]... [--sitemap URL|FILE] [options]"

DESCRIPTION: Final = """\
Tell what urlsweep check would do with the same arguments: how many URLs on
which hosts, within which bounds, how long it would take and what would limit
it. No URL is asked; only a sitemap that is given by its URL is fetched. The
plan goes to standard output.
"""

EPILOG: Final = """\
Put plan where check stands in a command line: the options of urlsweep check
that make no difference to a plan are taken as well.

exit codes:
  0    the plan is told
  2    wrong usage or configuration
  3    an input could not be read or held no URL
  70   internal error, or standard output cannot be written
  130  interrupted (143: terminated)
  141  whoever read standard output left

examples:
  urlsweep plan links.txt
  urlsweep plan --sitemap https://example.com/ --rate 10/s
  urlsweep plan links.txt --format json
"""

FORMATS: Final = ("text", "json")
"""What a plan can be told as. Another format in the configuration is for checks, and no reason to tell no plan."""

WITHOUT_EFFECT: Final = (
    *("accept", "fail_on", "tries", "retry_delays", "patience", "seed", "processes"),
    *("output", "only", "sort", "bom"),
    *("journal", "run_file", "journal_dir", "journal_keep", "journal_size", "cache", "budget"),
    *("baseline", "update_baseline", "grace"),
)
"""Settings that make no difference here: taken, so that a check's command line will do, and left out of the help."""


def plan(
    arguments: Sequence[str], console: Console, open_transport: TransportFactory, stdin: RawStream | None = None
) -> int:
    """Run the command; the process's exit code. Raises UsageError, and what `exit_codes` are made of elsewhere."""
    parser = ArgumentParser(console, prog="urlsweep plan", usage=USAGE, description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("inputs", nargs="*", metavar="URL | FILE | -", help="What would be checked.")
    group = parser.add_argument_group("Estimate")
    group.add_argument(
        "--latency",
        metavar="SECONDS",
        help="Seconds that a request is taken to last. [0.25; 0.01 for private hosts]",
    )
    add_settings(parser, formats=" or ".join(FORMATS), without=WITHOUT_EFFECT)
    namespace = parser.read(arguments)
    configured = configuration(namespace)
    latency = _latency(namespace)
    output_format = given(namespace).get("format", configured.settings.format)
    if "format" in given(namespace) and output_format not in FORMATS:
        raise UsageError(f"--format {output_format} is for urlsweep check: a plan is {' or '.join(FORMATS)}")
    # What runs is imported only now.
    from urlsweep import timing
    from urlsweep.cli.interruption import Interruption
    from urlsweep.cli.plan_run import PlanRun

    console.is_quiet = configured.settings.quiet
    for warning in configured.warnings:
        console.warning(warning)
    try:
        run = PlanRun(
            namespace.inputs,
            within_descriptors(configured.settings, console),
            console,
            open_transport,
            stdin,
            latency=latency,
            as_json=output_format == "json",
        )
        with Interruption() as interruption:
            return timing.run(run.run(interruption))
    except (SettingsError, TransportOptionError) as error:  # of files that are named: read only when they are needed
        raise configured.placed(error) from None


def _latency(namespace: argparse.Namespace) -> float | None:
    if namespace.latency is None:
        return None
    try:
        return values.seconds(namespace.latency)
    except ValueError as error:
        raise UsageError(f"--latency: {error}") from None
