"""Header sections as browsers read them: what breaks the rules but still says plainly what it means is put straight.

Contract: pure functions over the raw bytes of one header section. A section that keeps the rules comes back as it is;
one that nobody could make sense of does too, for the parser to refuse.
Not in here: connections.

Why: strict parsers (llhttp within aiohttp among them) refuse answers that every browser shows: a Content-Length beside
`Transfer-Encoding: chunked`, the same Content-Length twice, a stray line, a space before a colon. To call such a link
down would be a false alarm. Only a status and some fields are wanted here; where the length of the body is in doubt the
connection ends with the answer, so that nothing can be smuggled into the next one (RFC 9112 section 11.2).
"""

from __future__ import annotations

import re
from typing import Final

FIELD_LIMIT_BYTES: Final = 128 * 1024
"""One field or status line. aiohttp's own 8,190 bytes turn live sites into failures (long CSP and Link fields);
browsers take 256 KiB and more, curl 100 KiB."""

FIELDS_LIMIT: Final = 16_384
"""Fields in a header section: far above what a server sends, and cheap to hold."""

HEAD_LIMIT_BYTES: Final = 256 * 1024
"""All that may come before the final header section ends, interim answers included: Chromium's limit. Without it a
server could send fields until the time is up."""

OPENING_BYTES: Final = 80
"""Of an answer: enough to show what a server that does not speak HTTP said first."""

BLANK_LINES: Final = re.compile(rb"[\r\n]+")
"""Before a status line they mean nothing (RFC 9112 section 2.2). Taken all at once: each for itself would cost time."""

_SECTION_END: Final = re.compile(rb"\n\r?\n")  # RFC 9112 section 2.2: a lone LF ends a line too

_TOKEN: Final = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]"  # RFC 9110 section 5.6.2

WELL_FORMED: Final = re.compile(
    rb"HTTP/1\.([01]) ([0-9]{3})(?: [^\r\n\0]*+)?\r?\n(?:%b++:[^\r\n\0]*+\r?\n)*+\r?\n" % _TOKEN
)
"""A header section that keeps the rules: minor version, status code. Where one begins it matches to that one's end."""

_FRAMING: Final = re.compile(rb"\n(?:content-length|transfer-encoding):[ \t]*([^\r\n]*)", re.IGNORECASE)
LENGTH_DIGITS: Final = 18
"""Of a Content-Length that means something: below 2**63, which parsers can hold. A longer one is passed over, as
browsers do; the body then ends with the connection."""

_LENGTH: Final = re.compile(rb"[0-9]{1,%d}" % LENGTH_DIGITS)
_SIMPLE_FRAMING: Final = re.compile(rb"(?:%b|chunked)[ \t]*" % _LENGTH.pattern, re.IGNORECASE)
_STATUS: Final = re.compile(
    rb"[\r\n]*(?:HTTP(?:/(\d)(?:\.(\d))?)?|ICY)[ \t]+([0-9]{3})(?![0-9])[ \t]*([^\r\n\0]*)", re.IGNORECASE
)
_NAME: Final = re.compile(rb"(%b+)[ \t]*" % _TOKEN)
_LINE_END: Final = re.compile(rb"\r?\n")


def may_be_http(opening: bytes) -> bool:
    """Whether an answer that begins with `opening` may still turn out to be a status line."""
    start = opening.lstrip(b"\r\n")[:4].upper()
    return any(word.startswith(start) for word in (b"HTTP", b"ICY ", b"ICY\t"))


def end_of_section(begun: bytes | bytearray, data: bytes, start: int) -> int | None:
    """Where in `data`, from `start` on, the header section ends that `begun` has of it already; None: not in there."""
    if begun:
        seam = bytes(begun[-2:])  # the end may have begun in what was received before
        match = _SECTION_END.search(seam + data[start : start + 2])
        if match is not None:
            return start + match.end() - len(seam)
    # By position: a copy of the rest for each of a hundred thousand tiny sections would hold up the whole run.
    match = _SECTION_END.search(data, start)
    return None if match is None else match.end()


def straightened(section: bytes) -> bytes:
    """`section`, its end of two line ends included, as a browser would take it."""
    if WELL_FORMED.fullmatch(section) is not None:
        framing = _FRAMING.findall(section)
        if not framing or (len(framing) == 1 and _SIMPLE_FRAMING.fullmatch(framing[0])):
            return section
    status = _STATUS.match(section)
    if status is None:
        return section
    fields, is_certain = _straight_framing(_fields(section[status.end() :]))
    major, minor, code, phrase = status.groups()
    is_persistent = major == b"2" or minor not in (None, b"0")
    lines = [b"HTTP/1.%d %b %b" % (is_persistent, code, phrase), *(b"%b: %b" % field for field in fields)]
    if not is_certain:
        lines.append(b"Connection: close")
    return b"\r\n".join([*lines, b"", b""])


def _fields(text: bytes) -> list[tuple[bytes, bytes]]:
    """Names and values; lines that are no field are left out, folded ones joined (RFC 9112 section 5.2)."""
    fields: list[tuple[bytes, list[bytes]]] = []
    for line in _LINE_END.split(text):
        if line[:1] in (b" ", b"\t"):
            if fields:
                fields[-1][1].append(_value(line))
            continue
        label, colon, value = line.partition(b":")
        name_match = _NAME.fullmatch(label)
        if colon and name_match is not None:
            fields.append((name_match[1], [_value(value)]))
    return [(name, b" ".join(values)) for name, values in fields]


def _value(text: bytes) -> bytes:
    return text.replace(b"\0", b" ").replace(b"\r", b" ").strip()  # RFC 9110 section 5.5


def _straight_framing(fields: list[tuple[bytes, bytes]]) -> tuple[list[tuple[bytes, bytes]], bool]:
    """`fields` with at most one statement on where the body ends, and whether it is beyond doubt.

    Lengths that contradict each other are left as they are: browsers refuse them too.
    """
    codings = [value for name, value in fields if name.lower() == b"transfer-encoding"]
    lengths = {
        length.strip() for name, value in fields if name.lower() == b"content-length" for length in value.split(b",")
    }
    digits = [length for length in lengths if _LENGTH.fullmatch(length)]
    if len(digits) > 1 and not codings:
        return fields, True
    straight = [field for field in fields if field[0].lower() not in (b"transfer-encoding", b"content-length")]
    if codings:
        straight.append((b"Transfer-Encoding", b"chunked" if codings[-1].lower().endswith(b"chunked") else codings[-1]))
        return straight, not lengths and len(codings) == 1
    if digits:
        straight.append((b"Content-Length", digits[0]))
    return straight, len(lengths) == len(digits)
