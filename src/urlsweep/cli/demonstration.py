"""``urlsweep demo``: sweeps a site that has faults planted in it, and holds every row against what was planted.

Contract: the site runs in this process, on loopback; the sweep is the one that ``urlsweep check`` runs, with settings
of its own, whatever the configuration says. The exit code is 0 if every verdict is right.
Not in here: the site (`urlsweep.testing.demo_site`), the run (`running`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from urlsweep import timing
from urlsweep.cli.arguments import ArgumentParser
from urlsweep.cli.console import Console
from urlsweep.cli.exit_codes import ExitCode
from urlsweep.cli.interruption import Interruption
from urlsweep.cli.running import CheckRun, TransportFactory
from urlsweep.core.model import Outcome, Result
from urlsweep.core.urls import clip
from urlsweep.settings import Color, Settings

if TYPE_CHECKING:
    from urlsweep.testing.demo_site import Expected

USAGE: Final = "urlsweep demo [options]"

DESCRIPTION: Final = """\
Start a small web site on this machine, with faults of every kind planted in it,
sweep its sitemap, and compare what was found with what was planted. Nothing
outside this machine is asked. Rows that need attention go to standard output,
everything else to standard error; all rows are written to demo.csv.
"""

EPILOG: Final = """\
exit codes:
  0    every verdict is right
  1    some are not, and are listed

examples:
  urlsweep demo
  urlsweep demo -o all.jsonl
"""

WRONG_SHOWN: Final = 20


def demo(arguments: Sequence[str], console: Console, open_transport: TransportFactory) -> int:
    """Run the command; the process's exit code. Raises UsageError."""
    parser = ArgumentParser(console, prog="urlsweep demo", usage=USAGE, description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("-o", "--output", metavar="FILE", default="demo.csv", help="The report. [demo.csv]")
    parser.add_argument(
        "--color", metavar="WHEN", choices=list(Color), default=Color.AUTO, help="auto, always or never. [auto]"
    )
    namespace = parser.read(arguments)
    with Interruption() as interruption:
        return timing.run(_demo(namespace.output, Color(namespace.color), console, open_transport, interruption))


async def _demo(
    output: str, color: Color, console: Console, open_transport: TransportFactory, interruption: Interruption
) -> int:
    from urlsweep.testing.demo_site import DemoSite

    async with DemoSite() as site:
        settings = Settings(
            sitemap=(site.root_url,),
            timeout=1.0,  # the site is next door, and pages that never answer are waited for to the end
            retry_delays=(0.5, 1.5),
            patience=5.0,  # one of its hosts says "too many requests" to the end
            output=(output,),
            color=color,
            proxy="",  # of no use for loopback, whatever the environment says
        )
        comparison = Comparison(site.urls, site.expected)
        run = CheckRun([], settings, console, open_transport, watch=comparison.take)
        console.write(_introduction(site.root_url, output, comparison))
        code = await run.run(interruption)
    if code not in (ExitCode.OK, ExitCode.FAILED):
        return code
    console.write("\n" + comparison.conclusion(output))
    return ExitCode.OK if comparison.is_right() else ExitCode.FAILED


def _introduction(root: str, output: str, comparison: Comparison) -> str:
    return (
        f"A site of {comparison.listed} URLs is running on {root} now; {comparison.planted} of them are not what they "
        "should be.\nThis sweeps it as the following command would:\n\n"
        f"  urlsweep check --sitemap {root} --timeout 1 --retry-delays 0.5,1.5 --patience 5 -o {output}\n\n"
        "It takes some seconds: pages that never answer are waited for, and asked again.\n\n"
    )


class Comparison:
    """Rows against what was planted."""

    def __init__(self, urls: Sequence[str], expected: Mapping[str, Expected]) -> None:
        self._expected = expected
        self._missing = Counter(urls)  # rows still to come
        self._wrong: list[str] = []
        self.listed = len(urls)
        self.planted = sum(map(self._is_fault, urls))
        self._found = 0
        self._false_alarms = 0

    def _is_fault(self, url: str) -> bool:
        return self._expected[url].outcome is not Outcome.OK

    def take(self, row: Result) -> None:
        """Hold one row against what was planted."""
        expected = self._expected.get(row.url)
        if expected is None or not self._missing[row.url]:
            self._wrong.append(f"nobody expected {clip(row.url)}: {_verdict(row.outcome, row.reason, row.status)}")
            return
        self._missing[row.url] -= 1
        is_right = (row.outcome, row.reason, row.status) == tuple(expected)
        if self._is_fault(row.url):
            self._found += is_right
        else:
            self._false_alarms += not is_right
        if not is_right:
            told = _verdict(row.outcome, row.reason, row.status)
            self._wrong.append(f"{clip(row.url)}: expected {_verdict(*expected)}, told {told} ({row.detail})")

    def is_right(self) -> bool:
        """Whether every URL got its row, and every row is right."""
        return not self._wrong and not self._missing.total()

    def conclusion(self, output: str) -> str:
        """What came out, as lines of text."""
        return "".join(f"{line}\n" for line in self._conclusion(output))

    def _conclusion(self, output: str) -> Iterator[str]:
        yield from self._wrong[:WRONG_SHOWN]
        if len(self._wrong) > WRONG_SHOWN:
            yield f"and {len(self._wrong) - WRONG_SHOWN} more"
        for url in +self._missing:
            yield f"{clip(url)}: there is no row for it"
        yield f"Planted faults found: {self._found} of {self.planted}."
        yield f"False alarms: {self._false_alarms} among {self.listed - self.planted} URLs that are fine."
        yield f"All rows are in {output}."


def _verdict(outcome: Outcome, reason: str | None, status: int | None) -> str:
    return " ".join(str(part) for part in (outcome, reason, status) if part is not None)
