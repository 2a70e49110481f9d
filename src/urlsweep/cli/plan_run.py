"""One run of ``urlsweep plan``: inputs in, a plan out, an exit code at the end.

Contract: asks for nothing but the documents that name the URLs: sitemaps given by their URLs, and what these name.
Not in here: arguments (`planning`), counting (`census`), how a plan looks (`plan_page`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing

from urlsweep.cli import inputs as inputs_module
from urlsweep.cli.census import Census
from urlsweep.cli.console import Console
from urlsweep.cli.distinct import Distinct
from urlsweep.cli.exit_codes import ExitCode
from urlsweep.cli.inputs import Inputs
from urlsweep.cli.interruption import Interruption
from urlsweep.cli.plan_page import Plan, plan_object, render_plan
from urlsweep.cli.running import TransportFactory
from urlsweep.core.documents import Document, Fetcher
from urlsweep.core.forecast import Assumptions
from urlsweep.fetch import DocumentFetcher
from urlsweep.reports.escaping import encode
from urlsweep.reports.json_lines import encode_value
from urlsweep.reports.redaction import Redactor
from urlsweep.settings import Settings
from urlsweep.sources.pump import RawStream


class CountingFetcher:
    """Passes on what it is asked for, and counts it."""

    def __init__(self, fetcher: Fetcher, on_first: Callable[[str], None]) -> None:
        """`on_first` is called with the URL of the first document, before it is asked for."""
        self._fetcher = fetcher
        self._on_first = on_first
        self.documents = 0

    def fetch(self, url: str, *, public_only: bool = False) -> AbstractAsyncContextManager[Document]:
        """See `Fetcher.fetch`."""
        self.documents += 1
        if self.documents == 1:
            self._on_first(url)
        return self._fetcher.fetch(url, public_only=public_only)


class PlanRun:
    """One run of the command."""

    def __init__(
        self,
        positional: Sequence[str],
        settings: Settings,
        console: Console,
        open_transport: TransportFactory,
        stdin: RawStream | None = None,
        *,
        latency: float | None = None,
        as_json: bool = False,
    ) -> None:
        """`latency` is what a request is taken to last, in seconds. Raises UsageError."""
        self._settings = settings
        self._console = console
        self._open_transport = open_transport
        self._stdin = stdin
        self._latency = latency
        self._as_json = as_json
        self._arguments = inputs_module.arguments_of(positional, settings)
        console.redactor = Redactor(settings.secrets())

    async def run(self, interruption: Interruption) -> int:
        """Tell the plan; the exit code. Raises UsageError, SourceError, SweepError, ValueError for settings."""
        loop = asyncio.get_running_loop()
        making = loop.create_task(self._run())
        interruption.calls(lambda: loop.call_soon_threadsafe(making.cancel))
        try:
            return await making
        except asyncio.CancelledError:
            if interruption.exit_code is None:
                raise
            return interruption.exit_code

    async def _run(self) -> int:
        settings = self._settings
        policy = await inputs_module.bound(settings.policy(), self._arguments, settings)
        transport = self._open_transport(settings)
        try:
            fetcher = CountingFetcher(DocumentFetcher(transport, policy, seed=settings.seed), self._tell_fetching)
            inputs = Inputs(
                [
                    inputs_module.opened(argument, settings, fetcher, self._console, self._stdin)
                    for argument in self._arguments
                ],
                self._console,
            )
            with Distinct() as distinct:
                census = Census(policy, settings.limits(), distinct)
                await self._count(inputs, census)
                plan = Plan.of(census, Assumptions.of(policy, self._latency), fetcher.documents)
        finally:
            await transport.aclose()
        return self._show(plan) or (ExitCode.INPUT if inputs.is_empty_handed() else ExitCode.OK)

    async def _count(self, inputs: Inputs, census: Census) -> None:
        async with aclosing(inputs.blocks()) as blocks:
            async for block in blocks:
                for target in block:
                    census.take(target)
                await asyncio.sleep(0)  # a source may never wait, and signals have to be heard

    def _tell_fetching(self, url: str) -> None:
        if not self._console.is_quiet:
            self._console.say(f"urlsweep: fetching {url} for the URLs that it lists; none of these is asked")

    def _show(self, plan: Plan) -> int:
        """Write it; the exit code where that cannot be done, else 0."""
        console = self._console
        if self._as_json:
            told = encode_value(plan_object(plan)) + b"\n"
        else:
            color = console.wants_color(self._settings.color, console.stdout)
            told = encode(render_plan(plan, color=color, width=console.width(console.stdout)))
        try:
            console.stdout.write(told)
            console.stdout.flush()
        except BrokenPipeError:
            return ExitCode.OUTPUT_CLOSED
        except OSError as error:  # a full disk
            console.error(f"standard output cannot be written ({error.strerror or error})")
            return ExitCode.INTERNAL
        return ExitCode.OK
