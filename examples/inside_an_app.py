"""Inside an asyncio application: links are checked in the background, a few at a time, while the application goes on.

    python examples/inside_an_app.py https://example.com/ https://example.com/nothing

What comes in goes to a queue; `urlsweep.sweep` takes from it as fast as it can ask, and no faster.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing

import urlsweep


class LinkWatch:
    """Checks the links that it is given, and remembers the ones that do not work."""

    def __init__(self) -> None:
        self.wrong: dict[str, str] = {}  # URL -> why
        self._links: asyncio.Queue[str | None] = asyncio.Queue()

    def add(self, link: str) -> None:
        """Have `link` checked some time soon."""
        self._links.put_nowait(link)

    def finish(self) -> None:
        """No more links will come."""
        self._links.put_nowait(None)

    async def _waiting(self) -> AsyncIterator[str]:
        while (link := await self._links.get()) is not None:
            yield link

    async def run(self) -> urlsweep.Summary:
        """Check links until `finish`; what became of them all."""
        summary = urlsweep.Summary()
        settings = urlsweep.Settings(concurrency=10, user_agent="link-watch/1.0")
        async with aclosing(urlsweep.sweep(self._waiting(), settings, summary=summary)) as results:
            async for result in results:
                if result.outcome is not urlsweep.Outcome.OK:
                    self.wrong[result.url] = result.detail or str(result.reason)
        return summary


async def main(*links: str) -> int:
    """The application: it hands over links one by one; 1 if any does not work, else 0."""
    watch = LinkWatch()
    async with asyncio.TaskGroup() as tasks:
        checking = tasks.create_task(watch.run())
        for link in links:
            watch.add(link)
            await asyncio.sleep(0)  # the application's other work
        watch.finish()
    for link, why in watch.wrong.items():
        print(f"{link}: {why}")
    print(f"{checking.result().rows_out} links checked")
    return 1 if watch.wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
