from __future__ import annotations

import pytest

from urlsweep.sources import Child
from urlsweep.sources.input import Input
from urlsweep.sources.robots import RobotsParser


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", []),
        (b"User-agent: *\nDisallow: /\n", []),
        (b"Sitemap: https://a.example/s.xml\n", ["https://a.example/s.xml"]),
        (b"\xef\xbb\xbfsitemap:https://a.example/s.xml", ["https://a.example/s.xml"]),
        (b"  SITEMAP : https://a.example/s.xml  # ours\r\n", ["https://a.example/s.xml"]),
        (b"User-agent: a\rSitemap: /1.xml\rDisallow:\rSitemap: /2.xml#x\r", ["/1.xml", "/2.xml#x"]),
        (b"# Sitemap: https://no.example/\nSitemap:\nSitemap: # none\nSitemaps: no\n", []),
        (b"x" * 2_000_000 + b"\nSitemap: /s.xml\n", ["/s.xml"]),
        (b"<html>Sitemap</html>", []),
    ],
)
def test_sitemap_lines(data: bytes, expected: list[str]) -> None:
    parser = RobotsParser(Input("robots.txt"))
    assert [child.url for child in [*parser.feed(data), *parser.close()]] == expected


def test_children_are_found_by_line() -> None:
    parser = RobotsParser(Input("robots.txt"))
    assert list(parser.feed(b"User-agent: *\nSitemap: /s.xml\n")) == [Child("/s.xml", "robots.txt:2")]
