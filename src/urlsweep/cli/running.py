"""One run of the command line: inputs in, reports and a summary out, an exit code at the end.

Contract: whatever can be known to be wrong is told before anything is asked: usage and settings first (2), inputs next
(3). From then on every way to end, a signal, a reader that left, a full disk, a bug, closes the reports as valid files.
Not in here: what becomes of a URL (`engine`), how anything looks (`reports`, `console`), arguments (`checking`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing, closing
from pathlib import Path
from typing import Final

import msgspec

from urlsweep.api import open_crew
from urlsweep.asking import Crew, WorkerError
from urlsweep.cli import inputs as inputs_module
from urlsweep.cli import outputs as outputs_module
from urlsweep.cli.console import Console
from urlsweep.cli.exit_codes import ExitCode
from urlsweep.cli.inputs import Argument, Inputs
from urlsweep.cli.interruption import Interruption
from urlsweep.cli.journaling import Keeping
from urlsweep.cli.judging import Judge, standing_before, write_baseline
from urlsweep.cli.outputs import Outputs
from urlsweep.cli.progress import shown
from urlsweep.cli.recording import Recording, State, now
from urlsweep.cli.trust import Trust
from urlsweep.core.model import Outcome, Reason, Result
from urlsweep.core.policy import Policy
from urlsweep.core.standing import MOST_KEPT, Standing, to_text
from urlsweep.core.summary import Summary
from urlsweep.engine import Sweep
from urlsweep.fetch import DocumentFetcher
from urlsweep.journal import Journal
from urlsweep.journal.shelf import Shelf
from urlsweep.reports.figures import counted
from urlsweep.reports.options import ReportOptions
from urlsweep.reports.redaction import Redactor
from urlsweep.settings import Settings
from urlsweep.settings.keeping import fingerprint
from urlsweep.sources.pump import RawStream
from urlsweep.sources.source import Source
from urlsweep.transport import Transport

BUDGET_SHARE_TO_CLOSE: Final = 0.05
MOST_TO_CLOSE: Final = 5.0
"""Share of the time that a run may take, and seconds, that are kept for closing its report: a full window of unfinished
rows is written in about two."""

TransportFactory = Callable[[Settings], Transport]

STDIN_DESCRIPTOR: Final = 0  # POSIX and Windows alike


class Layout(msgspec.Struct, frozen=True):
    """How a run's rows are laid out in reports."""

    makes_table: bool  # what stands below about columns is known
    is_ordered: bool
    input_columns: tuple[str, ...]
    columns_are_complete: bool
    url_column: str | None

    def options(self) -> ReportOptions:
        """What reports are told of the input."""
        return ReportOptions(
            input_columns=self.input_columns,
            columns_are_complete=self.columns_are_complete,
            url_column=self.url_column,
        )


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
        keeping: Keeping | None = None,
        arguments: Sequence[Argument] | None = None,
        watch: Callable[[Result], None] | None = None,
    ) -> None:
        """`keeping` says how the run is kept; None: not at all. `arguments` stand in for `positional`.
        `watch` is called with every row. Raises UsageError."""
        self._settings = settings
        self._console = console
        self._open_transport = open_transport
        self._stdin = stdin
        self._watch = watch
        self._keeping = keeping
        self._recording: Recording | None = None
        self._judge: Judge | None = None
        self._is_budget_spent = False
        self._worker_error: WorkerError | None = None
        self._is_failure_told = False
        self._arguments = inputs_module.arguments_of(positional, settings) if arguments is None else list(arguments)
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
            inputs = self._open_inputs(fetcher)
            try:
                async with open_crew(self._settings) as crew:  # started while the inputs are being looked at
                    return await self._run(inputs, policy, transport, crew, interruption)
            finally:
                if self._recording is not None:
                    self._recording.close()
        finally:
            await transport.aclose()

    def _open_inputs(self, fetcher: DocumentFetcher) -> Inputs:
        def open_source(argument: Argument) -> Source:
            return inputs_module.opened(argument, self._settings, fetcher, self._console, self._stdin)

        if self._keeping is None:
            return Inputs([open_source(argument) for argument in self._arguments], self._console)
        inputs, self._recording = self._keeping.open(self._arguments, open_source, self._console, self._redactor)
        return inputs

    async def _run(
        self, inputs: Inputs, policy: Policy, transport: Transport, crew: Crew | None, interruption: Interruption
    ) -> int:
        try:
            if self._makes_table and (interrupted := await self._begin(inputs, interruption)) is not None:
                self._give_up_recording()
                return interrupted
            layout = self._layout(inputs)
            judge = self._judge = self._open_judge()
            outputs = self._open_outputs(layout)
        except BaseException:
            self._give_up_recording()
            raise
        with closing(self._open_trust(policy)) as trust:
            await self._ask(inputs, policy, transport, crew, layout, outputs, trust, interruption)
        code = self._exit_code(inputs, outputs, interruption)
        standing = judge.standing(is_whole_run=not self.summary.is_partial)
        if self._settings.update_baseline:
            code = self._write_baseline(standing, code)
        return self._end_recording(code, standing)

    async def _ask(
        self,
        inputs: Inputs,
        policy: Policy,
        transport: Transport,
        crew: Crew | None,
        layout: Layout,
        outputs: Outputs,
        trust: Trust,
        interruption: Interruption,
    ) -> None:
        journal: Journal | None = self._recording
        if trust.is_of_use:
            if self._recording is None:
                journal = trust
            else:
                self._recording.recalls(trust.recall)
        async with aclosing(inputs.blocks()) as blocks:
            sweep = Sweep(
                blocks,
                policy,
                self._settings.limits(),
                transport,
                crew=crew,
                summary=self.summary,
                journal=journal,
                is_ordered=layout.is_ordered,
                seed=self._settings.seed,
            )
            await self._sweep(sweep, outputs, interruption)

    def _open_judge(self) -> Judge:
        facts = {} if self._recording is None else self._recording.facts
        begun_at = facts.get("begun_at")
        own = None if self._recording is None else self._recording.run_file.path
        before = standing_before(self._settings, facts.get("series"), begun_at, own)
        return Judge(self._settings, before, begun_at or now())

    def _open_trust(self, policy: Policy) -> Trust:
        trust = Trust(dict(self._settings.cache), policy, time.time())
        if self._settings.cache:
            own = None if self._recording is None else self._recording.run_file.path
            trust.read(Shelf.usual(self._settings.journal_dir), fingerprint(self._settings), without=own)
        return trust

    def _write_baseline(self, standing: Standing, code: int) -> int:
        """Write the baseline; the exit code, which is another where that fails."""
        name = str(self._settings.baseline)
        if not standing.is_whole:
            self._console.warning(f"--baseline {name} does not hold all: more than {MOST_KEPT:,} URLs fail")
        try:
            write_baseline(Path(name), standing)
        except OSError as error:
            self._console.error(f"--baseline {name} cannot be written ({error.strerror or error})")
            return ExitCode.INTERNAL
        return code

    def _give_up_recording(self) -> None:
        """The run did not begin: a new one leaves no file behind."""
        if self._recording is not None and not self._recording.kept:
            self._recording.discard()

    def _end_recording(self, code: int, standing: Standing) -> int:
        recording = self._recording
        if recording is None:
            return code
        state = State.CUT if self.summary.is_partial else State.FINISHED
        recording.close(
            state,
            exit_code=code,
            seconds=self.summary.seconds + recording.facts.get("seconds", 0.0),
            requests=self.summary.requests,
            duplicates=self.summary.duplicates,
            outcomes={outcome: count for outcome, count in self.summary.outcomes.items() if count},
            standing=to_text(standing),
        )
        if self._keeping is not None:
            self._keeping.tidy(self._console)
        if recording.failure is not None and not self._is_failure_told:
            self._tell_recording_failed()
            return ExitCode.INTERNAL if recording.is_asked_for else code
        if (
            state == State.CUT
            and code != ExitCode.OUTPUT_CLOSED
            and self._keeping is not None
            and not self._console.is_quiet
        ):
            self._console.say(f"urlsweep: to finish this run: urlsweep resume {self._keeping.name}")
        return code

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

    def _layout(self, inputs: Inputs) -> Layout:
        """How the rows are laid out; as they were, in a run that goes on."""
        kept = None if self._recording is None else self._recording.facts.get("layout")
        # Columns are known only to whoever makes a table of them: a run that made none is not held to it.
        if kept is not None and (kept["makes_table"] or not self._makes_table):
            layout = msgspec.convert(kept, Layout)
        else:
            layout = Layout(
                makes_table=self._makes_table,
                is_ordered=self._makes_table
                and inputs_module.is_sorted_by_default(self._arguments, inputs, self._settings),
                input_columns=inputs.columns,
                columns_are_complete=self._makes_table
                and inputs_module.columns_are_known(self._arguments, inputs, self._settings),
                url_column=inputs_module.url_column(inputs, self._settings),
            )
            if self._recording is not None:
                self._recording.fact("layout", layout)
        return (
            layout if self._settings.sort is None else msgspec.structs.replace(layout, is_ordered=self._settings.sort)
        )

    def _open_outputs(self, layout: Layout) -> Outputs:
        files = [argument.path for argument in self._arguments if argument.path is not None]
        stdin = STDIN_DESCRIPTOR if self._stdin is None and inputs_module.reads_stdin(self._arguments) else None
        outputs_module.check_overwriting(files, self._settings.output, self._console.stdout, stdin)
        return Outputs.open(self._settings, layout.options(), self._console)

    async def _sweep(self, sweep: Sweep, outputs: Outputs, interruption: Interruption) -> None:
        loop = asyncio.get_running_loop()
        interruption.calls(lambda: loop.call_soon_threadsafe(sweep.stop))
        bell = self._start_budget(loop, sweep)
        is_over = False
        try:
            async with shown(self._console, sweep, self._settings.failing), aclosing(sweep.batches()) as batches:
                async for batch in batches:
                    self._take(batch, outputs)
                    if outputs.failure is not None or self._must_end_for_recording():
                        sweep.stop()
            is_over = True
        except WorkerError as error:  # all that is known is in the reports; told when these are written
            self._worker_error = error
        finally:
            if bell is not None:
                bell.cancel()
            if self._recording is not None and self._recording.lost:
                self.summary.input_exhausted = False
            if not is_over or not self.summary.input_exhausted:
                self.summary.is_partial = True
            outputs.close(self._redactor.summary(self.summary))

    def _start_budget(self, loop: asyncio.AbstractEventLoop, sweep: Sweep) -> asyncio.TimerHandle | None:
        budget = self._settings.budget
        if budget is None:
            return None

        def spend() -> None:
            self._is_budget_spent = True
            sweep.stop()

        return loop.call_later(budget - min(budget * BUDGET_SHARE_TO_CLOSE, MOST_TO_CLOSE), spend)

    def _must_end_for_recording(self) -> bool:
        """Whether the run file cannot be written any more, and the run is nothing without it; says so once."""
        recording = self._recording
        if recording is None or recording.failure is None:
            return False
        if not self._is_failure_told:
            self._tell_recording_failed()
        return recording.is_asked_for

    def _tell_recording_failed(self) -> None:
        assert self._recording is not None  # noqa: S101  it is what failed
        self._is_failure_told = True
        if self._recording.is_asked_for:
            self._console.error(f"{self._recording.failure}: make room, and go on with urlsweep resume")
        else:
            self._console.warning(
                f"{self._recording.failure}: the run goes on, and cannot be resumed beyond this point"
            )

    def _take(self, batch: Sequence[Result], outputs: Outputs) -> None:
        if self._watch is not None:
            for row in batch:
                self._watch(row)
        rows = [self._redactor.result(row) for row in batch]
        if self._judge is not None:
            for row in rows:
                self._judge.take(row)
        outputs.write(rows)

    def _exit_code(self, inputs: Inputs, outputs: Outputs, interruption: Interruption) -> int:
        if outputs.reader_left:
            return ExitCode.OUTPUT_CLOSED
        self._tell_summary()
        if outputs.failure is not None:
            why = outputs.failure.strerror or outputs.failure
            self._console.error(f"{outputs.failed_name} cannot be written any more ({why}): the run was ended")
            return ExitCode.INTERNAL
        if self._must_end_for_recording():
            return ExitCode.INTERNAL
        if self._worker_error is not None:
            self._tell_worker_error(self._worker_error)
            return ExitCode.INTERNAL
        if interruption.exit_code is not None:
            return interruption.exit_code
        if self.summary.is_network_lost:
            self._tell_network_lost()
            return ExitCode.NETWORK
        if inputs.is_empty_handed():
            return ExitCode.INPUT
        if self._judge is not None and self._judge.failed:
            return ExitCode.FAILED
        return ExitCode.INCOMPLETE if self.summary.is_partial else ExitCode.OK

    def _tell_worker_error(self, error: WorkerError) -> None:
        unfinished = self.summary.reasons[Outcome.SKIPPED, Reason.SKIP_UNFINISHED]
        self._console.error(f"{error}: the run was ended, with {counted(unfinished, 'URL')} read and not finished")
        if self._settings.verbose:
            for line in "".join(getattr(error, "__notes__", ())).splitlines():
                self._console.say(line)

    def _tell_network_lost(self) -> None:
        unfinished = self.summary.reasons[Outcome.SKIPPED, Reason.SKIP_UNFINISHED]
        left = f"{counted(unfinished, 'URL')} read and not finished" if unfinished else "every URL read was finished"
        if not self.summary.input_exhausted:
            left += ", the rest of the input not read"
        has_answered = any(count for category, count in self.summary.categories.items() if category is not None)
        reached = "any more, not even hosts that had answered before" if has_answered else "at all"
        self._console.error(
            f"your network, not the links: nothing could be reached {reached} ({left}). "
            "Check this machine's connection (cable, Wi-Fi, VPN, proxy, DNS) and run it again"
        )

    def _tell_summary(self) -> None:
        if self._console.is_quiet:
            return
        from urlsweep.reports.summary import render_summary  # not before the first request

        text = render_summary(
            self._redactor.summary(self.summary),
            color=self._console.wants_color(self._settings.color, self._console.stderr),
            width=self._console.width(self._console.stderr),
            fail_on=self._settings.failing,
            limits=self._settings.limits(),
            excused=0 if self._judge is None else self._judge.excused,
            flaky=() if self._judge is None else [(url, record.letters) for url, record in self._judge.flaky.items()],
        )
        self._console.write("\n" + text if self._console.mixes_streams else text)
