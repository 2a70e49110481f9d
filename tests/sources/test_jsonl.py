from __future__ import annotations

from typing import Any

import pytest

from urlsweep.core.model import Outcome, Reason, Target
from urlsweep.sources.input import Input
from urlsweep.sources.jsonl import JsonLinesParser
from urlsweep.sources.lines import LONGEST_LINE


def read(data: bytes) -> list[Target]:
    parser = JsonLinesParser(Input("urls.jsonl"))
    return [*parser.feed(data), *parser.close()]


@pytest.mark.parametrize(
    ("line", "url", "beside"),
    [
        (b'{"url": "https://a.example/"}', "https://a.example/", None),
        (b' {"url": " https://a.example/ "} ', "https://a.example/", None),
        (b'{"id": 7, "url": "x", "tags": ["a", null]}', "x", {"id": 7, "tags": ["a", None]}),
        (
            b'{"url": "\\u00e9", "big": 123456789012345678901234567890}',
            "\u00e9",
            {"big": 123456789012345678901234567890},
        ),
        (b'{"url": ""}', "", None),
    ],
)
def test_an_object_is_a_target(line: bytes, url: str, beside: dict[str, Any] | None) -> None:
    assert read(b"\n" + line + b"\r\n\n") == [Target(url, "urls.jsonl:2", beside)]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (b"https://a.example/", "not JSON"),
        (b'{"url": "https://a.exa', "not JSON"),
        (b'{"url": "\xe9"}', "UTF-8"),
        (b'{"url": 1e999}', "not JSON"),
        (b"[" * 100_000, "nested too deep"),
        (b'[{"url": "https://a.example/"}]', "one object a line"),
        (b'"https://a.example/"', "not a JSON object"),
        (b"null", "not a JSON object"),
        (b'{"link": "https://a.example/"}', '"url" is missing'),
        (b'{"url": null}', '"url" is not a string'),
        (b'{"url": "' + b"x" * LONGEST_LINE + b'"}', "longer than"),
    ],
)
def test_any_other_line_is_an_invalid_row(line: bytes, said: str) -> None:
    first, wrong, last = read(b'{"url": "a"}\n' + line + b'\n{"url": "b"}')
    assert (first.url, last.url) == ("a", "b")
    assert wrong.found_in == "urls.jsonl:2"
    assert wrong.fault is not None
    assert (wrong.fault.outcome, wrong.fault.reason) == (Outcome.INVALID, Reason.URL_MALFORMED)
    assert said in wrong.fault.detail
    assert 0 < len(wrong.url) <= 200


def test_what_stands_beside_a_missing_url_comes_back() -> None:
    (target,) = read(b'{"id": 7, "link": "x"}')
    assert target.input == {"id": 7, "link": "x"}
