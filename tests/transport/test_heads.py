"""Header sections that break the rules, and what a browser makes of them: a table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urlsweep.transport.heads import may_be_http, straightened

WELL_FORMED = [
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200\r\n\r\n",
    b"HTTP/1.0 404 Not Found\r\nA: b\r\n\r\n",
    b"HTTP/1.1 200 OK\nA: b\n\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 12 \r\nA:\r\nB: \xff\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999999999\r\n\r\n",
]


@pytest.mark.parametrize("section", WELL_FORMED)
def test_what_keeps_the_rules_is_left_alone(section: bytes) -> None:
    assert straightened(section) is section


@pytest.mark.parametrize(
    "section",
    [b"", b"\r\n\r\n", b"HTTP/1.1 OK\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n", b"220 smtp\r\n\r\n", b"HTTP/1.1\r\n\r\n"],
)
def test_what_nobody_could_make_sense_of_is_left_to_the_parser(section: bytes) -> None:
    assert straightened(section) == section


@pytest.mark.parametrize(
    ("lines", "straight"),
    [
        ([b"HTTP/1.1 200 OK", b"no colon", b"A: b"], [b"HTTP/1.1 200 OK", b"A: b"]),
        ([b"HTTP/1.1 200 OK", b": nameless", b"A : b"], [b"HTTP/1.1 200 OK", b"A: b"]),
        ([b"HTTP/1.1 200 OK", b"X Y: z", b"A:b"], [b"HTTP/1.1 200 OK", b"A: b"]),
        ([b"HTTP/1.1 200 OK", b" stray", b"A: b", b"\tc"], [b"HTTP/1.1 200 OK", b"A: b c"]),
        ([b"HTTP/1.1 200 OK", b"A: b\0c\rd"], [b"HTTP/1.1 200 OK", b"A: b c d"]),
        ([b"http/1.1  200 OK", b"A: b"], [b"HTTP/1.1 200 OK", b"A: b"]),
        ([b"HTTP/2 301 Moved", b"A: b"], [b"HTTP/1.1 301 Moved", b"A: b"]),
        ([b"HTTP/1.2 200 OK"], [b"HTTP/1.1 200 OK"]),
        ([b"HTTP 200 OK"], [b"HTTP/1.0 200 OK"]),
        ([b"ICY 200 OK", b"icy-name: radio"], [b"HTTP/1.0 200 OK", b"icy-name: radio"]),
        ([b"", b"HTTP/1.1 200 OK", b"A: b"], [b"HTTP/1.1 200 OK", b"A: b"]),
        # Where the body ends: one statement, or the connection's end.
        (
            [b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", b"Content-Length: 5"],
            [b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", b"Connection: close"],
        ),
        (
            [b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", b"transfer-encoding: chunked"],
            [b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", b"Connection: close"],
        ),
        (
            [b"HTTP/1.1 200 OK", b"Content-Length: 5", b"content-length: 5"],
            [b"HTTP/1.1 200 OK", b"Content-Length: 5"],
        ),
        ([b"HTTP/1.1 200 OK", b"Content-Length: 5, 5"], [b"HTTP/1.1 200 OK", b"Content-Length: 5"]),
        ([b"HTTP/1.1 200 OK", b"Content-Length: -1"], [b"HTTP/1.1 200 OK", b"Connection: close"]),
        ([b"HTTP/1.1 200 OK", b"Content-Length:"], [b"HTTP/1.1 200 OK", b"Connection: close"]),
        ([b"HTTP/1.1 200 OK", b"Content-Length: " + b"9" * 30], [b"HTTP/1.1 200 OK", b"Connection: close"]),
        (
            [b"HTTP/1.1 200 OK", b"Content-Length: 5, " + b"9" * 19],
            [b"HTTP/1.1 200 OK", b"Content-Length: 5", b"Connection: close"],
        ),
        (
            [b"HTTP/1.1 200 OK", b"Content-Length: 5", b"Content-Length: 6"],
            [b"HTTP/1.1 200 OK", b"Content-Length: 5", b"Content-Length: 6"],
        ),
    ],
)
def test_what_says_plainly_what_it_means_is_put_straight(lines: list[bytes], straight: list[bytes]) -> None:
    assert straightened(b"\r\n".join([*lines, b"", b""])) == b"\r\n".join([*straight, b"", b""])


@given(st.binary(max_size=300))
def test_whatever_comes_after_a_status_line_is_put_straight_once_and_for_all(text: bytes) -> None:
    once = straightened(b"HTTP/1.1 200 OK\r\n" + text + b"\r\n\r\n")
    assert b"\0" not in once.partition(b"\r\n\r\n")[0]
    assert straightened(once) == once


@pytest.mark.parametrize(
    "opening", [b"", b"H", b"HTT", b"HTTP/1.1 200", b"http/1.1", b"\r\nHT", b"ICY 200", b"I", b"ICY\t"]
)
def test_what_may_be_http(opening: bytes) -> None:
    assert may_be_http(opening)


@pytest.mark.parametrize(
    "opening", [b"<html>", b"SSH-2.0", b"\x15\x03\x03", b"220 ", b"\x00", b"HTML", b"ICYX", b" HTTP/1.1"]
)
def test_what_cannot_be_http(opening: bytes) -> None:
    assert not may_be_http(opening)
