"""What fields, lists and servers say in words, and what is made of it on the way out."""

from __future__ import annotations

import csv
import io
import json
import math
from typing import Final, cast

import can_ada

from urlsweep.core.check import NEEDED_FIELDS
from urlsweep.core.cookies import MAX_COOKIE_BYTES, CookieJar
from urlsweep.core.model import Fault, Hop, Outcome, Reason, Reply, Result
from urlsweep.core.rate_limit import allowance, stated_wait
from urlsweep.core.retry_after import retry_after
from urlsweep.core.robots import LONGEST_CRAWL_DELAY, RobotsRules
from urlsweep.core.urls import Url, address_of, clip, is_public, names_private_host, parse, redact, resolve, utf8_of
from urlsweep.core.walls import wall_of
from urlsweep.reports.json_lines import encode_row
from urlsweep.reports.options import ReportOptions
from urlsweep.reports.redaction import Redactor
from urlsweep.reports.registry import create

WALL: Final = 1_795_600_000.0  # a moment in November 2026
BASE: Final = cast("Url", parse("https://a.test/dir/page?x#y"))
_FORMULAS: Final = tuple("=+-@\t\r\n")


def fields_of(data: bytes) -> tuple[tuple[str, str], ...]:
    """`data` as the lines of a header section, of which those that a Reply has."""
    pairs = (line.partition(b":") for line in data.split(b"\n"))
    found = ((name.strip().lower().decode("latin-1"), value.strip().decode("latin-1")) for name, _, value in pairs)
    return tuple((name, value) for name, value in found if name in NEEDED_FIELDS)


def check_limits(data: bytes) -> None:
    """Retry-After and the rate limit fields: a time that can be waited for, or nothing."""
    for status in (200, 429, 503):
        reply = Reply(status, fields_of(data))
        waits = [retry_after(reply, WALL), stated_wait(reply, WALL)]
        left = allowance(reply, WALL)
        if left is not None:
            assert left.remaining >= 0
            waits.append(left.seconds)
        for wait in waits:
            assert wait is None or (wait >= 0 and math.isfinite(wait)), waits
        wall_of(reply)


def check_cookies(data: bytes) -> None:
    """Cookies: none for another host, none that could break a request's line."""
    jar = CookieJar()
    lines = data.decode("latin-1").split("\n")
    for line in lines:
        jar.store(BASE, line)
    for text in ("https://a.test/", "http://a.test/dir/x", "https://www.a.test/dir/", "https://a.test/dir/page"):
        header = jar.header(cast("Url", parse(text)))
        assert header.isprintable()
        assert len(header) <= len(lines) * (MAX_COOKIE_BYTES + 3)
    assert jar.header(cast("Url", parse("https://b.test/dir/page"))) == ""


def check_robots(data: bytes) -> None:
    """robots.txt: rules that answer for every URL, and a delay within bounds."""
    rules = RobotsRules.parse(data, "urlsweep/1.0 (+https://a.test)")
    assert rules.crawl_delay is None or 0 < rules.crawl_delay <= LONGEST_CRAWL_DELAY
    for line in (b"/", *data.split(b"\n")[:20]):
        url = parse("https://a.test/" + line.decode("latin-1"))
        if isinstance(url, Url):
            assert rules.allows(url.href) in (True, False)


def check_urls(data: bytes) -> None:
    """URLs: what is read reads the same again, and holds nothing that could end a request's line."""
    text = data.decode("utf-8", "surrogateescape")
    for url in (parse(text), resolve(BASE, data.decode("latin-1"))):
        if isinstance(url, Fault):
            assert url.detail
            continue
        assert url.href.isascii()
        assert url.href.isprintable()
        assert " " not in url.href
        again = parse(url.href)
        assert isinstance(again, Url)
        assert again.href == url.href
        assert (again.host, again.port, again.scheme) == (url.host, url.port, url.scheme)
        names_private_host(url.host)
        if (address := address_of(url.host)) is not None:
            is_public(str(address))
        assert isinstance(resolve(url, "x"), Url)
    try:
        shown = can_ada.parse(redact(text))
    except (ValueError, TypeError):
        pass
    else:
        assert shown.password in ("", "***")
    utf8_of(data.decode("latin-1"))
    assert len(clip(text)) <= 200


def check_reports(data: bytes) -> None:
    """Rows: for a terminal without a control character, for a spreadsheet without a formula, for JSON without loss."""
    texts = [part.decode("utf-8", "surrogateescape") for part in data.split(b"\0")]
    url, detail, place, *cells = (*texts, "", "", "")
    row = Result(
        url, Outcome.BROKEN, Reason.URL_MALFORMED, detail=detail, found_in=place, final_url=detail,
        hops=(Hop(url, 301),), input={place: url, **{f"{number}": cell for number, cell in enumerate(cells)}},
    )  # fmt: skip
    row = Redactor(["s3cret"]).result(row)
    for width in (None, 80):
        shown = _written("text", row, ReportOptions(width=width, verbose=1))
        lines = shown.decode().split("\n")
        assert len(lines) == 2
        assert lines[0].isprintable(), lines
    on_terminal = _written("csv", row, ReportOptions(width=80)).decode()
    assert all(character.isprintable() or character in "\r\n" for character in on_terminal)
    for name, delimiter in (("csv", ","), ("tsv", "\t")):
        table = _written(name, row, ReportOptions()).decode()
        header, *rows = csv.reader(io.StringIO(table, newline=""), delimiter=delimiter)
        assert [len(cells) for cells in rows] == [len(header)]
        for cell in (*header, *rows[0]):
            assert not cell.startswith(_FORMULAS) or _is_number(cell), cell
    assert json.loads(encode_row(row))["outcome"] == "broken"
    assert encode_row(row, is_shown=True).decode().isprintable()
    json.loads(_written("json", row, ReportOptions()))


def _written(name: str, row: Result, options: ReportOptions) -> bytes:
    from urlsweep.core.summary import Summary

    stream = io.BytesIO()
    report = create(name, stream, options)
    report.write(row)
    summary = Summary(rows_in=1)
    summary.add(row)
    report.close(summary)
    return stream.getvalue()


def _is_number(cell: str) -> bool:
    return cell in ("+", "-") or all(character in "+-0123456789.,eE%" for character in cell)
