"""Checks every page that a sitemap names, and prints the ones that are wrong.

    python examples/check_a_sitemap.py https://example.com/sitemap.xml

Pages are asked while the sitemap is still being read, so that its size does not matter.
"""

import asyncio
import sys
from contextlib import aclosing

import urlsweep


async def main(sitemap: str) -> int:
    """Check `sitemap`; 1 if a page is wrong, else 0."""
    summary = urlsweep.Summary()
    async with aclosing(urlsweep.sweep(urlsweep.read_sitemap(sitemap), summary=summary)) as results:
        async for result in results:
            if result.outcome in (urlsweep.Outcome.BROKEN, urlsweep.Outcome.DOWN):
                print(f"{result.reason}  {result.url}")
    wrong = summary.failed()
    print(f"{summary.rows_out} pages, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(*sys.argv[1:])))
