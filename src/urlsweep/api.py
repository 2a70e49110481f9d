"""The library: `sweep`, `check` and `read_sitemap`.

Contract: nothing is printed, no signal is caught, no file or variable is read for settings. What is opened here is
closed here. Not in here: any decision of a run (see `engine` and `core`).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import replace

from urlsweep.asking import Crew
from urlsweep.core.check import CONTEXT_FIELDS, NEEDED_FIELDS
from urlsweep.core.model import Result, Target
from urlsweep.core.summary import Summary
from urlsweep.core.urls import Url, parse
from urlsweep.engine import Sweep
from urlsweep.fetch import DocumentFetcher
from urlsweep.settings import Settings
from urlsweep.transport import Transport

AnyTargets = AsyncIterable[str | Target] | Iterable[str | Target]
"""URLs, as text or as Targets that say where they were found."""


async def sweep(
    targets: AnyTargets,
    settings: Settings | None = None,
    *,
    summary: Summary | None = None,
    transport: Transport | None = None,
) -> AsyncGenerator[Result, None]:
    """Ask every one of `targets` and give a Result for each, as they finish (in the targets' order with
    ``Settings(sort=True)``).

    Targets are read no faster than they can be asked and results are taken: an endless list is fine. An asynchronous
    generator of targets is closed at the end. `summary` is filled in as the run goes on. A `transport` that is given
    stays the caller's to close. What a URL, a server or the network does wrong is a Result. Whoever leaves the loop
    early should close the generator, so that the run ends there and then:

        async with contextlib.aclosing(urlsweep.sweep(urls)) as results:
            async for result in results:
                ...

    Raises SweepError where the run cannot go on (a credential without an origin, and targets of several; a worker
    process that cannot be started or went away, see `Settings.processes`); TypeError for targets that are no URLs at
    all; ValueError for settings that name files which cannot be used, and for several processes over a `transport` of
    the caller's; and whatever reading `targets` raises.
    """
    settings = settings if settings is not None else Settings()
    if settings.processes > 1 and transport is not None:
        raise ValueError("a transport that is given cannot be used by several processes: leave processes at 1")
    run_transport = transport if transport is not None else open_transport(settings)
    try:
        async with open_crew(settings) as crew, aclosing(_as_targets(targets)) as wanted:
            run = Sweep(
                wanted,
                settings.policy(),
                settings.limits(),
                run_transport,
                crew=crew,
                summary=summary,
                is_ordered=bool(settings.sort),
                seed=settings.seed,
            )
            async with aclosing(run.batches()) as batches:
                async for batch in batches:
                    for row in batch:
                        yield row
    finally:
        if transport is None:
            await run_transport.aclose()


def check(urls: Iterable[str | Target], settings: Settings | None = None) -> list[Result]:
    """Ask every one of `urls` and give their Results, in the order of `urls`.

    >>> [str(result.reason) for result in check(["mailto:somebody@example.com", "htp://example.com/"])]
    ['skip.unsupported_scheme', 'url.unknown_scheme']

    Raises what `sweep` raises, and RuntimeError within a running event loop, which this would block.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(_check(urls, replace(settings if settings is not None else Settings(), sort=True)))
    raise RuntimeError(
        "check() would block the event loop that is running: use 'async for result in urlsweep.sweep(urls)' in here"
    )


async def _check(urls: Iterable[str | Target], settings: Settings) -> list[Result]:
    return [result async for result in sweep(urls, settings)]


async def read_sitemap(
    location: str,
    settings: Settings | None = None,
    *,
    transport: Transport | None = None,
    warn: Callable[[str], None] | None = None,
) -> AsyncGenerator[Target, None]:
    """The targets of a sitemap, as they are read: what `sweep` takes.

        results = urlsweep.sweep(urlsweep.read_sitemap("https://example.com/sitemap.xml"))

    `location` is a sitemap's URL, a site's root URL (its robots.txt's Sitemap: lines, else /sitemap.xml) or a file.
    Nested indexes, gzip, text, RSS 2.0 and Atom are understood. What cannot be read is a target with a `fault`, which
    `sweep` gives a row of its own. `warn` is called with a sentence for whatever is odd but does no harm. Raises
    SourceError where `location` is of no use, before anything is fetched.
    """
    # Those who read no sitemap need none of it.
    from urlsweep.sources.input import ignore
    from urlsweep.sources.opening import open_sitemap
    from urlsweep.sources.source import each_target

    settings = settings if settings is not None else Settings()
    run_transport = transport if transport is not None else open_transport(settings)
    try:
        policy = settings.policy()
        origin = parse(location)
        if policy.unscoped_credentials and isinstance(origin, Url):
            policy = policy.bound_to(origin.origin)
        fetcher = DocumentFetcher(run_transport, policy, seed=settings.seed)
        source = open_sitemap(location, fetcher=fetcher, warn=warn if warn is not None else ignore)
        async with aclosing(each_target(source)) as targets:
            async for target in targets:
                yield target
    finally:
        if transport is None:
            await run_transport.aclose()


def open_transport(settings: Settings) -> Transport:
    """The transport that `settings` ask for, in a running event loop. Raises TransportOptionError (a ValueError)."""
    # Those with a transport of their own need none of ours.
    from urlsweep.transport import choice

    return choice.open_transport(
        settings.transport_options(), needed_fields=NEEDED_FIELDS, context_fields=CONTEXT_FIELDS
    )


def open_crew(settings: Settings) -> AbstractAsyncContextManager[Crew | None]:
    """The worker processes that ask, as `settings` say, to be entered in a running event loop; None where this process
    asks itself. Entering raises CrewError where they cannot be had."""
    if settings.processes == 1:
        return nullcontext()
    # Those who ask in one process need none of it.
    from urlsweep.workers import processes

    return processes.crew(settings.processes, settings.transport_options())


async def _as_targets(targets: AnyTargets) -> AsyncGenerator[Target, None]:
    if isinstance(targets, str | bytes):
        raise TypeError("a list of URLs is expected, not a single text: write [url]")
    if isinstance(targets, AsyncIterable):
        iterator = aiter(targets)
        try:
            async for target in iterator:
                yield _as_target(target)
        finally:
            if isinstance(iterator, AsyncGenerator):
                await iterator.aclose()
        return
    for target in targets:  # the engine sees to it that others get their turn
        yield _as_target(target)


def _as_target(target: str | Target) -> Target:
    if isinstance(target, Target):
        return target
    if isinstance(target, str):
        return Target(target.strip())
    raise TypeError(f"a URL is expected, as text or as a Target, not {type(target).__name__}: {target!r}")
