"""Checks every page that a sitemap names, and prints the ones that are wrong.

    python examples/check_a_sitemap.py https://example.com/sitemap.xml

A small one is read here by hand, to show that targets can come from anywhere; `urlsweep check --sitemap URL` reads any
kind and size.
"""

import sys
import urllib.request
import xml.etree.ElementTree as ElementTree

import urlsweep


def pages(sitemap: str) -> list[urlsweep.Target]:
    """The pages that the sitemap at the URL `sitemap` names."""
    with urllib.request.urlopen(sitemap, timeout=20) as answer:
        document = ElementTree.parse(answer)
    return [
        urlsweep.Target((entry.text or "").strip(), found_in=sitemap) for entry in document.iterfind("{*}url/{*}loc")
    ]


def main(sitemap: str) -> int:
    """Check `sitemap`; 1 if a page is wrong, else 0."""
    results = urlsweep.check(pages(sitemap))
    wrong = [result for result in results if result.outcome in (urlsweep.Outcome.BROKEN, urlsweep.Outcome.DOWN)]
    for result in wrong:
        print(f"{result.reason}  {result.url}")
    print(f"{len(results)} pages, {len(wrong)} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
