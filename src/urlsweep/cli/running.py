"""One run of the command line: inputs in, reports and a summary out, an exit code at the end.

Contract: whatever can be known to be wrong is told before anything is asked: usage and settings first (2), inputs next
(3). From then on every way to end, a signal, a reader that left, a full disk, a bug, closes the reports as valid files.
Not in here: what becomes of a URL (`engine`), how anything looks (`reports`, `console`), arguments (`checking`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from typing import Final

from urlsweep.cli import inputs as inputs_module
from urlsweep.cli import outputs as outputs_module
from urlsweep.cli.console import Console
from urlsweep.cli.exit_codes import ExitCode
from urlsweep.cli.inputs import Inputs
from urlsweep.cli.interruption import Interruption
from urlsweep.cli.outputs import Outputs
from urlsweep.cli.progress import shown
from urlsweep.core.model import Outcome, Reason, Result
from urlsweep.core.summary import Summary
from urlsweep.engine import Sweep
from urlsweep.fetch import DocumentFetcher
from urlsweep.reports.figures import counted
from urlsweep.reports.options import ReportOptions
from urlsweep.reports.redaction import Redactor
from urlsweep.reports.summary import render_summary
from urlsweep.settings import Settings
from urlsweep.sources.pump import RawStream
from urlsweep.transport import Transport

TransportFactory = Callable[[Settings], Transport]

STDIN_DESCRIPTOR: Final = 0  # POSIX and Windows alike


class CheckRun:
    """One run of the command."""

    def __init__(
        self,
        positional: Sequence[str],
        settings: Settings,
        console: Console,
        open_transport: TransportFactory,
        stdin: RawStream | None = None,
        *,
        watch: Callable[[Result], None] | None = None,
    ) -> None:
        """`watch` is called with every row. Raises UsageError."""
        self._settings = settings
        self._console = console
        self._open_transport = open_transport
        self._stdin = stdin
        self._watch = watch
        self._arguments = inputs_module.arguments_of(positional, settings)
        self._redactor = console.redactor = Redactor(settings.secrets())
        self.summary = Summary()
        outputs_module.check_names(settings)
        self._makes_table = outputs_module.makes_table(settings)  # only a table asks for the inputs' columns

    async def run(self, interruption: Interruption) -> int:
        """Ask everything; the exit code. Raises UsageError, SourceError, SweepError, ValueError for settings."""
        policy = await inputs_module.bound(self._settings.policy(), self._arguments, self._settings)
        transport = self._open_transport(self._settings)
        try:
            fetcher = DocumentFetcher(transport, policy, seed=self._settings.seed)
            inputs = Inputs.open(self._arguments, self._settings, fetcher, self._console, self._stdin)
            if self._makes_table and (interrupted := await self._begin(inputs, interruption)) is not None:
                return interrupted
            async with aclosing(inputs.targets()) as targets:
                sweep = Sweep(
                    targets,
                    policy,
                    self._settings.limits(),
                    transport,
                    summary=self.summary,
                    is_ordered=self._is_ordered(inputs),
                    seed=self._settings.seed,
                )
                outputs = self._open_outputs(inputs)
                await self._sweep(sweep, outputs, interruption)
            return self._exit_code(inputs, outputs, interruption)
        finally:
            await transport.aclose()

    async def _begin(self, inputs: Inputs, interruption: Interruption) -> int | None:
        """Begin to read the inputs; the exit code where a signal came before there was anything to read."""
        loop = asyncio.get_running_loop()
        beginning = loop.create_task(inputs.begin(self._arguments))
        interruption.calls(lambda: loop.call_soon_threadsafe(beginning.cancel))
        try:
            await beginning
        except asyncio.CancelledError:
            if interruption.exit_code is None:
                raise
            return interruption.exit_code
        return None

    def _is_ordered(self, inputs: Inputs) -> bool:
        if self._settings.sort is not None:
            return self._settings.sort
        return self._makes_table and inputs_module.is_sorted_by_default(self._arguments, inputs, self._settings)

    def _open_outputs(self, inputs: Inputs) -> Outputs:
        files = [argument.path for argument in self._arguments if argument.path is not None]
        stdin = STDIN_DESCRIPTOR if self._stdin is None and inputs_module.reads_stdin(self._arguments) else None
        outputs_module.check_overwriting(files, self._settings.output, self._console.stdout, stdin)
        options = ReportOptions(
            input_columns=inputs.columns,
            columns_are_complete=self._makes_table
            and inputs_module.columns_are_known(self._arguments, inputs, self._settings),
            url_column=inputs_module.url_column(inputs, self._settings),
        )
        return Outputs.open(self._settings, options, self._console)

    async def _sweep(self, sweep: Sweep, outputs: Outputs, interruption: Interruption) -> None:
        loop = asyncio.get_running_loop()
        interruption.calls(lambda: loop.call_soon_threadsafe(sweep.stop))
        is_over = False
        try:
            async with shown(self._console, sweep, self._settings.fail_on), aclosing(sweep.batches()) as batches:
                async for batch in batches:
                    self._take(batch, outputs)
                    if outputs.failure is not None:
                        sweep.stop()
            is_over = True
        finally:
            if not is_over:
                self.summary.is_partial = True
            outputs.close(self._redactor.summary(self.summary))

    def _take(self, batch: Sequence[Result], outputs: Outputs) -> None:
        if self._watch is not None:
            for row in batch:
                self._watch(row)
        outputs.write([self._redactor.result(row) for row in batch])

    def _exit_code(self, inputs: Inputs, outputs: Outputs, interruption: Interruption) -> int:
        if outputs.reader_left:
            return ExitCode.OUTPUT_CLOSED
        self._tell_summary()
        if outputs.failure is not None:
            why = outputs.failure.strerror or outputs.failure
            self._console.error(f"{outputs.failed_name} cannot be written any more ({why}): the run was ended")
            return ExitCode.INTERNAL
        if interruption.exit_code is not None:
            return interruption.exit_code
        if self.summary.is_network_lost:
            self._tell_network_lost()
            return ExitCode.NETWORK
        if inputs.is_empty_handed():
            return ExitCode.INPUT
        return ExitCode.FAILED if self.summary.failed(self._settings.fail_on) else ExitCode.OK

    def _tell_network_lost(self) -> None:
        unfinished = self.summary.reasons[Outcome.SKIPPED, Reason.SKIP_UNFINISHED]
        left = f"{counted(unfinished, 'URL')} read and not finished" if unfinished else "every URL read was finished"
        if not self.summary.input_exhausted:
            left += ", the rest of the input not read"
        self._console.error(
            "your network, not the links: nothing could be reached any more, not even hosts that had answered before "
            f"({left}). Check this machine's connection (cable, Wi-Fi, VPN, proxy, DNS) and run it again"
        )

    def _tell_summary(self) -> None:
        if self._console.is_quiet:
            return
        text = render_summary(
            self._redactor.summary(self.summary),
            color=self._console.wants_color(self._settings.color, self._console.stderr),
            width=self._console.width(self._console.stderr),
            fail_on=self._settings.fail_on,
            limits=self._settings.limits(),
        )
        self._console.write("\n" + text if self._console.mixes_streams else text)
