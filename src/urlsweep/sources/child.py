"""Another document that a document names: what a sitemap index and a robots.txt give beside, or instead of, targets."""

from __future__ import annotations

import msgspec


class Child(msgspec.Struct, frozen=True):
    """A document to be read in its turn."""

    url: str  # as written, white space around it dropped: not yet resolved, not yet trusted
    found_in: str = ""  # where it was named: "sitemap_index.xml:12", the index's URL
