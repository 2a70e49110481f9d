"""Every fault that the demo site plants is what a real sweep of its real sitemaps says it is."""

from __future__ import annotations

from collections import Counter
from contextlib import aclosing

from urlsweep import Settings, Target, sweep
from urlsweep.api import open_transport
from urlsweep.core.model import Outcome
from urlsweep.fetch import DocumentFetcher
from urlsweep.sources.input import Input
from urlsweep.sources.source import DocumentSource
from urlsweep.testing.demo_site import DemoSite

SETTINGS = Settings(timeout=1, retry_delays=(0.05, 0.1), patience=5, proxy="", seed=1)


async def listed(url: str) -> list[Target]:
    """What the site's sitemaps list, read as a run reads them."""
    transport = open_transport(SETTINGS)
    try:
        source = DocumentSource(Input(url), fetcher=DocumentFetcher(transport, SETTINGS.policy()))
        async with aclosing(source.blocks()) as blocks:
            return [target async for block in blocks for target in block]
    finally:
        await transport.aclose()


async def test_a_sweep_finds_every_planted_verdict() -> None:
    async with DemoSite() as site:
        targets = await listed(site.sitemap_url)
        assert [target.url for target in targets] == site.urls
        results = [result async for result in sweep(targets, SETTINGS)]
        wrong = {
            result.url: (found, site.expected[result.url], result.detail)
            for result in results
            if (found := (result.outcome, result.reason, result.status)) != site.expected[result.url]
        }
        assert wrong == {}
        assert Counter(result.url for result in results) == Counter(site.urls)


async def test_the_root_leads_to_the_sitemap() -> None:
    async with DemoSite() as site:
        assert len(await listed(site.root_url)) == len(site.urls)


async def test_it_shows_every_outcome_and_lists_some_urls_twice() -> None:
    async with DemoSite() as site:
        assert {expected.outcome for expected in site.expected.values()} == set(Outcome)
        assert set(site.urls) == set(site.expected)
        assert len(site.urls) > len(site.expected) > 290
        assert len({url.split("/")[2] for url in site.urls if "127.0.0.1" in url}) >= 10
