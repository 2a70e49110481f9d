"""The header section of one answer, from the bytes as they come in.

Contract: bounded as `heads` says, interim answers included; a section that breaks the rules but says plainly what it
means is put straight by `heads`, as for every transport. Only what is wanted of it is kept.
Not in here: connections, what an answer means.

No parser of a library's: `heads` has to look at the section as a whole anyway, by one regular expression that admits
nothing but lines of a name, a colon and a value. What is left to do after that is to find some names in it, which
takes 2 µs; llhttp, by httptools, hands over each field of the section to Python for that.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import Enum, auto
from typing import Final, NamedTuple

from urlsweep.transport import heads
from urlsweep.transport.heads import (
    BLANK_LINES,
    FIELD_LIMIT_BYTES,
    FIELDS_LIMIT,
    HEAD_LIMIT_BYTES,
    LENGTH_DIGITS,
    OPENING_BYTES,
    WELL_FORMED,
    end_of_section,
    may_be_http,
)

_BLANK: Final = b"\r\n"
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.([01]) ([0-9]{3})(?=[ \r\n])")
_LONG_NAME: Final = re.compile(rb"^[^:\r\n]{%d}" % (FIELD_LIMIT_BYTES + 1), re.MULTILINE)
_LONG_VALUE: Final = re.compile(rb"^[^:\r\n]*:[ \t]*[^\r\n]{%d}" % (FIELD_LIMIT_BYTES + 1), re.MULTILINE)
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding", b"connection", b"content-encoding"})
_FEW_BYTES: Final = 3 * FIELDS_LIMIT  # of a section that cannot hold too many fields: the shortest is "a:\n"


class HeadFault(Enum):
    """Why a header section is none."""

    GARBAGE = auto()
    HEAD_TOO_LARGE = auto()
    FIELD_TOO_LARGE = auto()
    TOO_MANY_FIELDS = auto()


class Head(NamedTuple):
    """What is wanted of a header section."""

    status: int
    fields: tuple[tuple[str, str], ...]
    length: int | None  # of the body, as far as it is stated
    is_chunked: bool
    is_persistent: bool  # the connection may carry another request
    content_encoding: str


class FieldFinder:
    """Finds the fields that are wanted, and those that tell where the body ends."""

    def __init__(self, needed_fields: Collection[str], context_fields: Collection[str] = ()) -> None:
        """`needed_fields` and `context_fields` are as for `choice.open_transport`."""
        self._needed = {name.encode("ascii"): name for name in needed_fields}
        names = {*self._needed, *_FRAMING}
        telling = names - {name.encode("ascii") for name in context_fields} | _FRAMING
        self._all = _any_of(names)
        self._telling = self._all if telling == names else _any_of(telling)

    def begin(self, data: bytes) -> tuple[Head, int] | None:
        """The Head of the final answer that `data` begins with, and where its section ends.

        None: that is not plainly so, and a HeadReader has to see. Nearly every answer comes in one piece and keeps the
        rules; this takes half of the time for it.
        """
        match = WELL_FORMED.match(data)
        if match is None or match.end() > _FEW_BYTES or (status := int(match[2])) < 200:
            return None
        end = match.end()
        section = data if end == len(data) else data[:end]
        head = self._collect(section, status, match[1] == b"1", is_straight=False)
        return None if head is None else (head, end)

    def read(self, section: bytes) -> Head | HeadFault:
        """Read a whole section, its end included."""
        straight = heads.straightened(section)
        status_line = _STATUS_LINE.match(straight)
        if status_line is None:
            return HeadFault.GARBAGE
        if len(straight) > _FEW_BYTES and (fault := _excess(straight)) is not None:
            return fault
        head = self._collect(straight, int(status_line[2]), status_line[1] == b"1", is_straight=True)
        return HeadFault.GARBAGE if head is None else head

    def _collect(
        self,
        section: bytes,
        status: int,
        is_persistent: bool,
        *,
        is_straight: bool,
        wanted: re.Pattern[bytes] | None = None,
    ) -> Head | None:
        """The Head of `section`. None: where the body ends is in doubt, or, with `is_straight`, contradicted, which
        browsers refuse too."""
        if wanted is None:
            wanted = self._telling if 200 <= status <= 299 else self._all
        fields: list[tuple[str, str]] = []
        length: int | None = None
        codings: bytes | None = None
        content_encoding = ""
        needed = self._needed
        for found in wanted.finditer(section.lower()):
            name, value = found.groups()
            if name in needed:
                if wanted is not self._all:  # it is a telling one: so are the others
                    return self._collect(section, status, is_persistent, is_straight=is_straight, wanted=self._all)
                start, end = found.span(2)
                fields.append((needed[name], section[start:end].strip(b" \t\r").decode("latin-1")))
            if name not in _FRAMING:
                continue
            value = value.strip(b" \t\r")
            if name == b"content-length":
                if length is not None or not value.isdigit() or len(value) > LENGTH_DIGITS:
                    return None
                length = int(value)
            elif name == b"connection":
                if value == b"keep-alive":  # as most say
                    is_persistent = True
                    continue
                options = [option.strip() for option in value.split(b",")]
                is_persistent = b"close" not in options and (is_persistent or b"keep-alive" in options)
            elif name == b"transfer-encoding":
                if not is_straight and (codings is not None or value != b"chunked"):
                    return None
                codings = value
            else:
                coding = value.decode("latin-1")
                content_encoding = f"{content_encoding}, {coding}" if content_encoding else coding
        if codings is None:
            return Head(status, tuple(fields), length, False, is_persistent, content_encoding)
        if length is not None and not is_straight:
            return None
        # Another coding alone: the body ends with the connection (RFC 9112 section 6.3).
        return Head(status, tuple(fields), None, codings == b"chunked", is_persistent, content_encoding)


def _any_of(names: Collection[bytes]) -> re.Pattern[bytes]:
    """Fields of these names, in a section in lower case."""
    return re.compile(rb"\n(%b):([^\n]*)" % b"|".join(map(re.escape, sorted(names))))


def _excess(section: bytes) -> HeadFault | None:
    if section.count(b"\n") - 2 > FIELDS_LIMIT:
        return HeadFault.TOO_MANY_FIELDS
    if len(section) > FIELD_LIMIT_BYTES and (_LONG_NAME.search(section) or _LONG_VALUE.search(section)):
        return HeadFault.FIELD_TOO_LARGE
    return None


class HeadReader:
    """The header section of the answer to one request."""

    __slots__ = ("_finder", "_left", "_section", "opening", "rest")

    def __init__(self, finder: FieldFinder) -> None:
        self._finder = finder
        self._section: bytearray | None = None  # what has come of a section that is not whole yet
        self._left = HEAD_LIMIT_BYTES
        self.opening = b""  # the first bytes that came, at most a line's worth
        self.rest = b""  # what came after the header section

    def feed(self, data: bytes) -> Head | HeadFault | None:
        """Take what came in; the final answer's Head when it is whole, None while more is needed."""
        start, size = 0, len(data)
        if not self.opening:
            self.opening = data[:OPENING_BYTES]
        while start < size:
            begun = self._section
            if not begun and data[start] in _BLANK:
                blank = BLANK_LINES.match(data, start)
                end = start if blank is None else blank.end()
                self._left -= end - start
                if self._left < 0:
                    return HeadFault.HEAD_TOO_LARGE
                start = end
                continue
            ended = end_of_section(begun or b"", data, start)
            end = size if ended is None else ended
            self._left -= end - start
            if self._left < 0:
                return HeadFault.HEAD_TOO_LARGE
            part = data[start:end]
            start = end
            if ended is None:
                if begun is None:
                    begun = self._section = bytearray()
                begun += part
                return None if may_be_http(bytes(begun[:OPENING_BYTES])) else HeadFault.GARBAGE
            if begun is not None:
                part = bytes(begun) + part
                self._section = None
            head = self._finder.read(part)
            if isinstance(head, HeadFault) or not 100 <= head.status < 200 or head.status == 101:
                self.rest = data[start:]
                return head
        return None
