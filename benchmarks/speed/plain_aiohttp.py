"""What one writes in an afternoon: HEAD for every URL of a file with aiohttp, `at_once` tasks, a line for each answer.

Tuned as far as its options go: uvloop, one look-up a host by aiodns, no time-out objects, no cookies, no limit a host.
"""

import asyncio
import ssl
import sys
from collections.abc import Iterator
from typing import TextIO

import aiohttp
import uvloop  # type: ignore[import-not-found,unused-ignore]  # of the peers' environment, not of this repository's


async def ask(session: aiohttp.ClientSession, urls: Iterator[str]) -> None:
    """Ask for one URL after another until there is none left; the tasks share `urls`."""
    for line in urls:
        url = line.rstrip("\n")
        try:
            async with session.head(url, allow_redirects=True) as response:
                status = response.status
        except (aiohttp.ClientError, OSError) as error:
            print(f"{url}: {error!r}", file=sys.stderr)
            status = 0
        sys.stdout.write(f"{status} {url}\n")


async def main(urls: TextIO, at_once: int, authority: str | None) -> None:
    """Ask for all of them."""
    context = ssl.create_default_context(cafile=authority) if authority else True
    resolver = aiohttp.AsyncResolver()
    connector = aiohttp.TCPConnector(
        limit=at_once, limit_per_host=0, ttl_dns_cache=None, resolver=resolver, ssl=context
    )
    timeout, no_cookies = aiohttp.ClientTimeout(total=None), aiohttp.DummyCookieJar()
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=no_cookies) as session:
        await asyncio.gather(*(ask(session, urls) for _ in range(at_once)))


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as lines:  # noqa: PTH123 - as plain as it gets
        uvloop.run(main(lines, int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else None))
