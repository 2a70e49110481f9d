"""A smoke test for CI: after a deployment, are these pages what they should be?

    python examples/ci_smoke_test.py https://staging.example.com / /login=200 /admin=401 /old-page=301

Each path is asked once, without following redirects, and has to answer with the code behind its ``=`` (200 if none).
"""

import asyncio
import sys
from contextlib import aclosing

import urlsweep

SETTINGS = urlsweep.Settings(
    follow=False,  # a redirect is an answer here
    accept=urlsweep.StatusSet.parse("100..599"),  # which code is right is decided below
    timeout=10,
    tries=2,
)


async def failures(expectations: dict[str, int]) -> list[str]:
    """What is not as it should be, in words."""
    found = []
    async with aclosing(urlsweep.sweep(expectations, SETTINGS)) as results:
        async for result in results:
            expected = expectations[result.url]
            if result.status != expected:
                found.append(f"{result.url} gave {result.status or result.reason}, not {expected}")
    return found


def main(base: str, *pages: str) -> int:
    """Check `pages` of the site at `base`; 1 if one is not as expected, else 0."""
    expectations = {}
    for page in pages:
        path, _, status = page.partition("=")
        expectations[base.rstrip("/") + path] = int(status or 200)
    found = asyncio.run(failures(expectations))
    print("\n".join(found) or f"all {len(expectations)} pages are as they should be")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
