"""The sitemap source: XML sitemaps and their indexes (sitemaps.org), RSS 2.0 and Atom feeds.

Contract: streaming; what a document holds before a fault is given before the fault, and a document that ends early or
is no sitemap says so in a row. A sitemap's own URLs are told by their place alone (urlset/url/loc and so on), so that
what extensions add (image:loc, video:content_loc, hreflang's xhtml:link) is never taken for them; a wrong or missing
namespace, which many sites have, does no harm.

What is taken: every ``loc`` of a ``url``; an RSS item's ``link``, or its ``guid`` where that is a permalink and there
is no link; an Atom entry's alternate ``link``. An entry of a sitemap without a ``loc`` is a row with an empty URL.

Why expat, driven directly: it is in the standard library, pushes, and holds nothing but the token it is at.
ElementTree's pull parser builds the tree that must not be built and hides declarations; lxml is a large dependency
that keeps libxml2's own limits and recovery; defusedxml wraps this same expat. Safe by what is refused before it
can act: any DTD with declarations of its own (entities live nowhere else: billion laughs, quadratic blow-up,
external entities), nesting, tokens and numbers of names beyond reason. An external DTD is never read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple
from xml.parsers import expat

from urlsweep.core.model import Fault, Outcome, Reason, Target
from urlsweep.core.urls import Url, can_parse, clip, is_web_url, parse, resolve
from urlsweep.sources.child import Child
from urlsweep.sources.input import Input

_PIECE: Final = 64 * 1024  # bytes given to expat at a time
_DEEPEST: Final = 64  # elements within each other; sitemaps have 3, feeds with embedded XHTML some 20
_LONGEST_TOKEN: Final = 1024 * 1024  # bytes of one tag or comment: expat has to hold it whole
_LONG_TOKEN: Final = 4096
"""Bytes. expat before 2.6 looks at an unfinished token again from its start with every call (CVE-2023-52425): from here
on it is given no less than half as much again, as later versions do themselves."""
_MOST_NAMES: Final = 10_000  # different element and attribute names: expat remembers each of them
_LONGEST_URL: Final = 64 * 1024  # characters; sitemaps.org allows 2,048

_LEADING: Final = b" \t\r\n\xef\xbb\xbf"
"""Dropped before the XML declaration, which must come first but often does not: white space and a UTF-8 BOM."""

_END_ERRORS: Final = frozenset(
    # What expat says of a document whose only fault is that it stops.
    expat.errors.codes[message]
    for message in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
)


class _Format(NamedTuple):
    """Where a kind of document has its URLs."""

    path: tuple[str, ...]  # the elements from the root to one entry
    text: str  # the entry's element whose text is a URL; "" where it has none
    is_index: bool = False
    is_complete: bool = False  # whether every entry must have a URL


_FORMATS: Final = {
    "urlset": _Format(("urlset", "url"), "loc", is_complete=True),
    "sitemapindex": _Format(("sitemapindex", "sitemap"), "loc", is_index=True, is_complete=True),
    "rss": _Format(("rss", "channel", "item"), "link"),
    "feed": _Format(("feed", "entry"), ""),
}


class _Refusal(Exception):  # noqa: N818  it is thrown through expat to stop it, and caught on the other side
    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class SitemapParser:
    """Reads one XML document."""

    def __init__(self, given: Input) -> None:
        self._given = given
        self._names: dict[str, str] = {}
        self._expat = self._new_expat()
        self._bytes_fed = 0
        self._backlog = 0  # bytes of a token whose end has not come yet
        self._held = bytearray()  # not given to expat yet
        self._lines_dropped = 0  # blank ones before the XML declaration
        self._is_over = False  # a fault was told: what follows is not looked at
        self._found: list[Target | Child] = []

        self._format: _Format | None = None  # by the root element; None before it
        self._prefixes: set[str] = set()  # that stand for the root element's namespace
        self._namespace: str | None = None  # the root element's
        self._depth = 0
        self._matched = 0  # how many of the innermost elements' path lie on the format's path
        self._entry_line = 0
        self._entry_has_url = False
        self._guid = ""  # an RSS item's permalink
        self._text: list[str] | None = None  # of the element that is being read; None outside of one
        self._text_size = 0
        self._text_line = 0
        self._text_is_guid = False
        self._bases: list[str] = [given.url or ""]  # Atom: xml:base of the elements around (RFC 4287 section 2)

    def feed(self, data: bytes) -> Iterator[Target | Child]:
        """The URLs that `data` completes."""
        if self._bytes_fed == 0:
            data = self._without_leading_space(data)
        for start in range(0, len(data), _PIECE):
            self._held += data[start : start + _PIECE]
            if self._backlog < _LONG_TOKEN or len(self._held) >= self._backlog // 2:
                yield from self._parse()

    def close(self) -> Iterator[Target | Child]:
        """What the end completes: a fault, where it comes too early."""
        if self._bytes_fed == 0:
            self._is_over = True
            yield self._given.fault(Reason.SOURCE_MALFORMED, "the document is empty: a sitemap was expected")
        yield from self._parse(is_end=True)

    def _new_expat(self) -> expat.XMLParserType:
        parser = expat.ParserCreate(intern=self._names)
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.SkippedEntityHandler = self._skipped_entity
        return parser

    def _without_leading_space(self, data: bytes) -> bytes:
        rest = data.lstrip(_LEADING)
        dropped = data[: len(data) - len(rest)]
        self._lines_dropped += dropped.count(b"\n")
        return rest

    def _parse(self, is_end: bool = False) -> Iterator[Target | Child]:
        data = bytes(self._held)
        self._held.clear()
        if not is_end and (end := data.find(b"\r", max(0, len(data) - 3))) >= 0:
            # CR LF, four bytes in UTF-16: of one that is cut in two expat makes two lines.
            self._held += data[end:]
            data = data[:end]
        if self._is_over:
            return
        self._bytes_fed += len(data)
        fault = None
        try:
            self._expat.Parse(data, is_end)
            self._check_memory()
        except _Refusal as refusal:
            fault = self._fault(refusal.reason, refusal.detail)
        except expat.ExpatError as error:
            is_cut_off = is_end and error.code in _END_ERRORS
            what = "ends before its end, cut off" if is_cut_off else f"is not well-formed XML ({_message(error.code)})"
            fault = self._fault(
                Reason.SOURCE_TRUNCATED if is_cut_off else Reason.SOURCE_MALFORMED,
                f"the sitemap {what} at line {self._line(error.lineno)}, column {error.offset + 1}: "
                "what came before it was read",
                error.lineno,
            )
        except (LookupError, ValueError) as error:  # an encoding that Python does not know, or one of many bytes
            if self._format is not None:
                raise
            fault = self._fault(Reason.SOURCE_MALFORMED, f"the sitemap's encoding cannot be read ({error}): use UTF-8")
        yield from self._found
        self._found.clear()
        if fault is not None:
            self._is_over = True
            yield fault

    def _check_memory(self) -> None:
        self._backlog = self._bytes_fed - self._expat.CurrentByteIndex
        if self._backlog > _LONGEST_TOKEN:
            raise _Refusal(Reason.SOURCE_UNSAFE, f"refused: a tag or comment of more than {_LONGEST_TOKEN:,} bytes")
        if len(self._names) > _MOST_NAMES:
            raise _Refusal(Reason.SOURCE_UNSAFE, f"refused: more than {_MOST_NAMES:,} element and attribute names")

    def _line(self, expat_line: int) -> int:
        return expat_line + self._lines_dropped

    def _fault(self, reason: Reason, detail: str, expat_line: int | None = None) -> Target:
        line = self._expat.CurrentLineNumber if expat_line is None else expat_line
        return self._given.fault(reason, detail, self._line(line))

    # What expat calls.

    def _doctype(self, name: str, _system_id: str | None, _public_id: str | None, has_declarations: int) -> None:
        if name.lower() == "html":
            raise _Refusal(Reason.SOURCE_MALFORMED, "the document is an HTML page, not a sitemap")
        if has_declarations:
            raise _Refusal(
                Reason.SOURCE_UNSAFE, "refused: it declares a DTD of its own, as entity bombs do; a sitemap needs none"
            )

    def _skipped_entity(self, name: str, _is_parameter_entity: bool) -> None:
        raise _Refusal(Reason.SOURCE_MALFORMED, f"the sitemap uses the entity &{clip(name, 40)}; which XML has not")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        depth = self._depth
        if depth > _DEEPEST:
            raise _Refusal(Reason.SOURCE_UNSAFE, f"refused: elements nested more than {_DEEPEST} deep")
        document_format = self._format or self._read_root(name, attributes)
        path = document_format.path
        if self._matched != depth - 1 or depth > len(path) + 1:
            return
        prefix, _, local_name = name.rpartition(":")
        if not self._is_own(prefix, attributes):
            return
        if depth <= len(path):
            if local_name == path[depth - 1]:
                self._matched = depth
                if document_format is _FORMATS["feed"]:
                    self._bases.append(_joined(self._bases[-1], attributes.get("xml:base", "")))
                if depth == len(path):
                    self._entry_line = self._expat.CurrentLineNumber
                    self._entry_has_url = False
                    self._guid = ""
        elif local_name == document_format.text:
            self._read_text(is_guid=False)
        elif local_name == "guid" and document_format is _FORMATS["rss"]:
            if attributes.get("isPermaLink", "true") == "true":
                self._read_text(is_guid=True)
        elif local_name == "link" and document_format is _FORMATS["feed"]:
            self._atom_link(attributes)

    def _end(self, _name: str) -> None:
        depth = self._depth
        self._depth = depth - 1
        if self._matched < depth - 1 or self._format is None:
            return
        if self._text is not None:
            if depth == len(self._format.path) + 1:
                self._end_text(self._format)
        elif self._matched == depth:
            self._matched = depth - 1
            if self._format is _FORMATS["feed"]:
                self._bases.pop()
            if depth == len(self._format.path):
                self._end_entry(self._format)

    def _character_data(self, text: str) -> None:
        if self._text is not None and self._text_size <= _LONGEST_URL:
            self._text.append(text)
            self._text_size += len(text)

    # What they mean.

    def _read_root(self, name: str, attributes: dict[str, str]) -> _Format:
        prefix, _, local_name = name.rpartition(":")
        found = _FORMATS.get(local_name)
        if found is None:
            what = "is an HTML page" if local_name.lower() == "html" else f"has the root element <{clip(name, 40)}>"
            raise _Refusal(
                Reason.SOURCE_MALFORMED, f"the document {what}: urlset, sitemapindex, rss or feed was expected"
            )
        self._format = found
        self._namespace = attributes.get(f"xmlns:{prefix}" if prefix else "xmlns")
        self._prefixes = {prefix}
        if self._namespace is not None:
            for attribute, value in attributes.items():
                if value == self._namespace and (attribute == "xmlns" or attribute.startswith("xmlns:")):
                    self._prefixes.add(attribute[6:])
        return found

    def _is_own(self, prefix: str, attributes: dict[str, str]) -> bool:
        """Whether `prefix` stands for the root element's namespace on an element with these attributes."""
        declared = attributes.get(f"xmlns:{prefix}" if prefix else "xmlns") if attributes else None
        if declared is None or self._namespace is None:
            return prefix in self._prefixes
        if declared == self._namespace:
            self._prefixes.add(prefix)
            return True
        return False

    def _read_text(self, is_guid: bool) -> None:
        self._text = []
        self._text_size = 0
        self._text_line = self._expat.CurrentLineNumber
        self._text_is_guid = is_guid
        self._expat.CharacterDataHandler = self._character_data

    def _end_text(self, document_format: _Format) -> None:
        text = "".join(self._text or ())
        self._text = None
        self._expat.CharacterDataHandler = None
        url = text.strip()
        if self._text_size > _LONGEST_URL:
            self._entry_has_url = True
            fault = Fault(Outcome.INVALID, Reason.URL_MALFORMED, f"longer than {_LONGEST_URL:,} characters")
            self._found.append(Target(clip(url), self._given.at(self._line(self._text_line)), fault=fault))
        elif self._text_is_guid:
            self._guid = url
        elif document_format.is_complete or url:
            self._give(url, self._text_line, document_format.is_index)

    def _end_entry(self, document_format: _Format) -> None:
        if self._entry_has_url:
            return
        if document_format.is_complete:
            self._give("", self._entry_line, is_index=False)
        elif self._guid and is_web_url(self._guid):
            self._give(self._guid, self._entry_line, is_index=False)

    def _atom_link(self, attributes: dict[str, str]) -> None:
        if attributes.get("rel", "alternate") == "alternate":  # RFC 4287 section 4.2.7.2
            href = attributes.get("href", "").strip()
            base = _joined(self._bases[-1], attributes.get("xml:base", ""))
            self._give(_joined(base, href) if href else "", self._expat.CurrentLineNumber, is_index=False)

    def _give(self, url: str, expat_line: int, is_index: bool) -> None:
        self._entry_has_url = True
        found_in = self._given.at(self._line(expat_line))
        if is_index and url:
            self._found.append(Child(url, found_in))
        else:
            self._found.append(Target(url, found_in))


def _joined(base: str, reference: str) -> str:
    """`reference`, resolved against `base` where it is relative and that can be done; else as it stands."""
    if not reference:
        return base
    if can_parse(reference) or not base:
        return reference
    base_url = parse(base)
    if not isinstance(base_url, Url):
        return reference
    resolved = resolve(base_url._replace(fragment=""), reference)
    return resolved.shown if isinstance(resolved, Url) else reference


def _message(code: int) -> str:
    return expat.ErrorString(code) or "unknown fault"
