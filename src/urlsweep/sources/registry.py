"""The formats that URLs are read from. A new one is a file beside this one and a line here; the contract suite is
run over it because it stands here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from urlsweep.sources import Parser
from urlsweep.sources.head import Head
from urlsweep.sources.input import Input
from urlsweep.sources.jsonl import JsonLinesParser
from urlsweep.sources.sitemap import SitemapParser
from urlsweep.sources.tabular import TabularParser, TsvParser, resembles_table
from urlsweep.sources.text import TextParser


class Format(NamedTuple):
    """How a format is read and how it is known."""

    parser: Callable[[Input], Parser]
    starts: str = ""  # characters that nothing but this format begins with
    endings: tuple[str, ...] = ()  # of a file's name, in lower case
    resembles: Callable[[Head], bool | None] | None = None  # None: more of the document is needed to tell


FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        "text": Format(TextParser, endings=(".txt", ".text", ".list", ".lst", ".urls")),
        "csv": Format(TabularParser, endings=(".csv",), resembles=resembles_table),
        "tsv": Format(TsvParser, endings=(".tsv", ".tab")),
        "jsonl": Format(JsonLinesParser, starts="{[", endings=(".jsonl", ".ndjson", ".json")),
        "sitemap": Format(SitemapParser, starts="<", endings=(".xml", ".rss", ".atom")),
    }
)
"""By the names that `--input-format` takes."""

SITEMAP_FORMATS: Final[Mapping[str, Format]] = MappingProxyType(
    {
        "text": Format(TextParser),  # a text sitemap: sitemaps.org, "Other Sitemap formats"
        "sitemap": FORMATS["sitemap"]._replace(endings=()),
    }
)
"""What `--sitemap` and a sitemap's index may name: told by content alone, since servers give any name to anything."""
