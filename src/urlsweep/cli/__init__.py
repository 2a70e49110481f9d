"""The command line: `main` finds the command, and turns whatever ends it into an exit code and a message.

Contract: the only package that writes to the process's streams or takes its signals. Nothing heavy is imported before
it is needed: ``urlsweep --help`` costs the interpreter's start and little more. A new command is a module, a line in
`COMMANDS` and one in `HELP`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO, Final

from urlsweep._version import __version__
from urlsweep.cli.exit_codes import ExitCode, UsageError

if TYPE_CHECKING:
    from urlsweep.cli.console import Console
    from urlsweep.cli.running import TransportFactory
    from urlsweep.settings import Settings
    from urlsweep.sources.pump import RawStream
    from urlsweep.transport import Transport

HELP: Final = f"""\
urlsweep {__version__}: asks every URL of a list, a file or a sitemap, and says truthfully what became of each.

usage: urlsweep COMMAND [arguments]

commands:
  check    check URLs, files of URLs, standard input or a site's sitemap
  resume   finish a run that was cut short: killed, interrupted, out of time
  retry    ask again what a run found to be down or unverified
  report   write a run's report again, in any format, without asking anything
  diff     tell what changed between two runs or reports
  runs     list the runs that are kept, or remove some
  plan     tell what a check would ask and how long it would take, and ask nothing
  demo     check a site with planted faults, run on this machine, and show what comes out

options:
  -h, --help     show this help; urlsweep COMMAND --help shows a command's own
  -V, --version  show the version

examples:
  urlsweep demo
  urlsweep check https://example.com/
  urlsweep check --sitemap https://example.com/
  urlsweep check links.txt -o report.csv
"""

Command = Callable[[Sequence[str], "Console", "TransportFactory", "RawStream | None"], int]


def _check(
    arguments: Sequence[str], console: Console, open_transport: TransportFactory, stdin: RawStream | None
) -> int:
    from urlsweep.collector import importing

    with importing():
        from urlsweep.cli.checking import check

    return check(arguments, console, open_transport, stdin)


def _plan(arguments: Sequence[str], console: Console, open_transport: TransportFactory, stdin: RawStream | None) -> int:
    from urlsweep.cli.planning import plan

    return plan(arguments, console, open_transport, stdin)


def _demo(
    arguments: Sequence[str],
    console: Console,
    open_transport: TransportFactory,
    stdin: RawStream | None,  # noqa: ARG001  a Command's signature
) -> int:
    from urlsweep.cli.demonstration import demo

    return demo(arguments, console, open_transport)


def _resume(
    arguments: Sequence[str], console: Console, open_transport: TransportFactory, stdin: RawStream | None
) -> int:
    from urlsweep.cli.resuming import resume

    return resume(arguments, console, open_transport, stdin)


def _retry(
    arguments: Sequence[str], console: Console, open_transport: TransportFactory, stdin: RawStream | None
) -> int:
    from urlsweep.cli.resuming import retry

    return retry(arguments, console, open_transport, stdin)


def _report(arguments: Sequence[str], console: Console, *_: object) -> int:
    from urlsweep.cli.reporting import report

    return report(arguments, console)


def _diff(arguments: Sequence[str], console: Console, *_: object) -> int:
    from urlsweep.cli.comparing import diff

    return diff(arguments, console)


def _runs(arguments: Sequence[str], console: Console, *_: object) -> int:
    from urlsweep.cli.runs import runs

    return runs(arguments, console)


COMMANDS: Final[Mapping[str, Command]] = {
    "check": _check,
    "resume": _resume,
    "retry": _retry,
    "report": _report,
    "diff": _diff,
    "runs": _runs,
    "plan": _plan,
    "demo": _demo,
}


def main(
    argv: Sequence[str] | None = None,
    *,
    console: Console | None = None,
    open_transport: TransportFactory | None = None,
    stdin: RawStream | None = None,
) -> int:
    """Run the command line `argv` (without the program's name; None: the process's own) and give its exit code.

    The rest stands in for the process's streams and for the network.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments and arguments[0] in ("-h", "--help"):
        return _show(HELP, console)
    if arguments and arguments[0] in ("-V", "--version"):
        return _show(f"urlsweep {__version__}\n", console)

    from urlsweep.collector import importing

    with importing():
        from urlsweep.cli.console import Console

    console = Console.of_process() if console is None else console
    try:
        command = _command(arguments)
        code = command(arguments[1:], console, open_transport or _default_transport, stdin)
        console.stdout.flush()
    except KeyboardInterrupt:  # before the run took the signals over, or after
        code = 130
    except BrokenPipeError:
        code = ExitCode.OUTPUT_CLOSED
    except Exception as error:  # the seam: nothing leaves the program but a message and an exit code
        code = _told(error, console, is_verbose=_asks_for_details(arguments))
    if code == ExitCode.OUTPUT_CLOSED:
        _forget(console.stdout)
    return code


def _command(arguments: Sequence[str]) -> Command:
    if not arguments:
        raise UsageError("no command given: write urlsweep check, urlsweep demo or urlsweep --help")
    name = arguments[0]
    command = COMMANDS.get(name)
    if command is not None:
        return command
    if name.startswith(("http://", "https://")):
        raise UsageError(f"no command given: write urlsweep check {' '.join(arguments)}")
    from urlsweep.settings.values import did_you_mean

    raise UsageError(f"there is no command {name!r}{did_you_mean(name, COMMANDS)} (see urlsweep --help)")


def _show(text: str, console: Console | None) -> int:
    stream = sys.stdout.buffer if console is None else console.stdout
    try:
        stream.write(text.encode())
        stream.flush()
    except BrokenPipeError:
        _forget(stream)
    except OSError as error:  # a full disk
        return _unwritable(error, console)
    return ExitCode.OK


def _unwritable(error: OSError, console: Console | None) -> int:
    from urlsweep.cli.console import Console

    console = Console.of_process() if console is None else console
    console.error(f"standard output cannot be written ({error.strerror or error})")
    _forget(console.stdout)
    return ExitCode.INTERNAL


def _default_transport(settings: Settings) -> Transport:
    from urlsweep.api import open_transport

    return open_transport(settings)


def _told(error: Exception, console: Console, *, is_verbose: bool) -> int:
    """Say what `error` means for whoever typed the command; the exit code that goes with it."""
    from urlsweep.cli.arguments import HelpShown

    if isinstance(error, HelpShown):
        return ExitCode.OK
    from urlsweep.asking import CrewError
    from urlsweep.core.policy import PolicyError
    from urlsweep.engine import UnscopedCredentialError
    from urlsweep.journal import JournalError
    from urlsweep.settings import SettingsError
    from urlsweep.sources import SourceError
    from urlsweep.transport.options import TransportOptionError

    usage = UsageError | SettingsError | PolicyError | TransportOptionError | UnscopedCredentialError | CrewError
    if isinstance(error, usage):
        console.error(str(error))
        return ExitCode.USAGE
    if isinstance(error, JournalError):
        console.error(str(error))
        return ExitCode.USAGE
    if isinstance(error, SourceError):
        console.error(str(error))
        return ExitCode.INPUT
    console.error(f"internal error: {type(error).__name__}: {error}")
    if is_verbose:
        import traceback

        for line in "".join(traceback.format_exception(error)).splitlines():
            console.say(line)
    else:
        console.say("urlsweep: this is a bug. Please run it again with -v and report what it says.")
    return ExitCode.INTERNAL


def _asks_for_details(arguments: Sequence[str]) -> bool:
    """Whether -v is among `arguments`, told without reading them: what failed may be just that."""
    return any(
        argument == "--verbose" or (argument.startswith("-") and not argument.startswith("--") and "v" in argument)
        for argument in arguments
    )


def _forget(stream: BinaryIO) -> None:
    """Let the interpreter's last flush of `stream` go nowhere, where it is standard output: it would complain that
    nobody reads."""
    if stream is not getattr(sys.stdout, "buffer", None):
        return
    try:
        descriptor = sys.stdout.fileno()
    except (AttributeError, OSError, ValueError):
        return
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
