"""What is fuzzed: a name, a check that takes bytes, inputs to begin from and words to put into them.

Contract: a check raises for an input that shows a defect, whatever the exception; it is deterministic, so that one file
with the input is all that is needed to see it again. A new target is a line in `TARGETS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from tests.fuzz import documents, names, replies, seeds, texts


class Target(NamedTuple):
    """One thing that takes bytes from outside."""

    name: str
    check: Callable[[bytes], None]
    seeds: Callable[[], Iterable[bytes]]
    words: tuple[bytes, ...]
    is_slow: bool = False  # it opens sockets: thousands of inputs a minute instead of a second


TARGETS: Final[dict[str, Target]] = {
    target.name: target
    for target in (
        Target("reply", replies.check_reply, seeds.replies, seeds.HTTP_WORDS),
        Target("chunks", replies.check_chunks, seeds.chunked, seeds.CHUNK_WORDS),
        Target("body", replies.check_body, seeds.replies, (*seeds.HTTP_WORDS, *seeds.CHUNK_WORDS)),
        Target("transports", replies.check_transports, seeds.replies, seeds.HTTP_WORDS, is_slow=True),
        Target("decoding", documents.check_decoding, seeds.coded, seeds.CODED_WORDS),
        Target("names", names.check_names, names.seeds, names.WORDS),
        Target("limits", texts.check_limits, seeds.limits, seeds.LIMIT_WORDS),
        Target("cookies", texts.check_cookies, seeds.cookies, seeds.COOKIE_WORDS),
        Target("robots", texts.check_robots, seeds.robots, seeds.ROBOTS_WORDS),
        Target("urls", texts.check_urls, seeds.urls, seeds.URL_WORDS),
        Target("documents", documents.check_documents, seeds.documents, seeds.DOCUMENT_WORDS),
        Target("sitemaps", documents.check_sitemaps, seeds.sitemaps, seeds.XML_WORDS),
        Target("reports", texts.check_reports, seeds.rows, seeds.ROW_WORDS),
    )
}
