"""What an argument means: a URL, a file, stdin, a sitemap. Opens it, and says at once where that cannot be done.

Contract: whatever can be known to be wrong before anything is asked is a SourceError here: a missing or unreadable
file, a kind that no source reads, a CSV column that is not there. Only regular files can be looked into beforehand:
what is taken from a pipe is gone.
"""

from __future__ import annotations

import io
import os
import stat
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Final

from urlsweep.core.documents import Fetcher
from urlsweep.core.model import Target
from urlsweep.core.urls import clip, is_web_url
from urlsweep.sources import SourceError
from urlsweep.sources.input import Input, ignore
from urlsweep.sources.pump import CHUNK, OpenStream, RawStream
from urlsweep.sources.reading import Reading
from urlsweep.sources.registry import FORMATS
from urlsweep.sources.source import DocumentSource, Source, UrlSource
from urlsweep.sources.tabular import TabularParser

STDIN: Final = "-"
STDIN_NAME: Final = "stdin"

_PREVIEW_BYTES: Final = 4 * 1024 * 1024
"""Looked at before a run to find a table's columns: what lies behind is read in the run like the rest."""


def open_source(
    argument: str,
    *,
    position: int = 1,
    input_format: str | None = None,
    column: str | None = None,
    fetcher: Fetcher | None = None,
    warn: Callable[[str], None] = ignore,
    stdin: RawStream | None = None,
) -> Source:
    """The source that `argument`, the `position`th of the command line, means: a URL, a file, or ``-`` for stdin.

    `input_format` is a name in `registry.FORMATS`; without it a file's format is told by its content and ending.
    `fetcher` fetches what a sitemap index in a file names. `stdin` stands in for the process's own: its `read` must
    give what is there without waiting for more.
    Raises SourceError where the input cannot be used.
    """
    if input_format is not None and input_format not in FORMATS:
        raise SourceError(f"{input_format!r} is no input format: choose one of {', '.join(FORMATS)}")
    if _is_url(argument):
        return UrlSource(argument, position)
    given = Input(STDIN_NAME if argument == STDIN else argument, column=column, warn=warn)
    if argument == STDIN:
        return DocumentSource(given, open_stream=_stdin_opener(stdin), format_name=input_format, fetcher=fetcher)
    columns = _look_into(given, input_format)
    return DocumentSource(
        given, open_stream=_file_opener(argument), format_name=input_format, columns=columns, fetcher=fetcher
    )


def open_sitemap(
    argument: str,
    *,
    fetcher: Fetcher | None = None,
    warn: Callable[[str], None] = ignore,
    stdin: RawStream | None = None,
) -> Source:
    """The sitemap that `argument` means: a sitemap's URL, a site's root URL, a file, or ``-`` for stdin.

    Raises SourceError where the input cannot be used; what a URL leads to is seen when its targets are taken.
    """
    if _is_url(argument):
        if not is_web_url(argument):
            raise SourceError(f"{clip(argument)!r} cannot be read as a URL: --sitemap takes an http(s) URL or a file")
        if fetcher is None:
            raise SourceError(f"{argument}: nothing was given to fetch it with")
        return DocumentSource(Input(argument, warn=warn), expects_sitemap=True, fetcher=fetcher)
    given = Input(STDIN_NAME if argument == STDIN else argument, warn=warn)
    if argument == STDIN:
        return DocumentSource(given, open_stream=_stdin_opener(stdin), expects_sitemap=True, fetcher=fetcher)
    _look_into(given, None, expects_sitemap=True)
    return DocumentSource(given, open_stream=_file_opener(argument), expects_sitemap=True, fetcher=fetcher)


def _is_url(argument: str) -> bool:
    # What begins like a URL was meant as one also where it is none: it becomes an `invalid` row, not a missing file.
    return argument.strip().lower().startswith(("http://", "https://")) or is_web_url(argument)


def _look_into(given: Input, input_format: str | None, *, expects_sitemap: bool = False) -> tuple[str, ...] | None:
    """A file's columns, if it is a regular one and a table; SourceError where it cannot be used."""
    path = Path(given.name)
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise SourceError(f"{clip(given.name)!r} is a directory: name a file in it")
        if not stat.S_ISREG(mode):
            if not os.access(path, os.R_OK):
                raise PermissionError(13, "Permission denied")
            return None
        reading = Reading(Input(given.name, column=given.column), input_format, expects_sitemap=expects_sitemap)
        with path.open("rb", buffering=0) as stream:
            return _preview(reading, stream)
    except FileNotFoundError as error:
        hint = "" if path.suffix in (".txt", ".csv", ".xml") else "; if it is a URL, put https:// before it"
        raise SourceError(f"there is no file {clip(given.name)!r}{hint}") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        what = error.strerror if isinstance(error, OSError) else error
        raise SourceError(
            f"{clip(given.name)!r} cannot be read ({what}): check the name and the permissions"
        ) from error


def _preview(reading: Reading, stream: io.FileIO) -> tuple[str, ...] | None:
    size = 0
    while size < _PREVIEW_BYTES and not reading.is_over:
        chunk = stream.read(CHUNK)
        size += len(chunk)
        for item in reading.feed(chunk) if chunk else reading.close():
            if reading.parser is None and isinstance(item, Target) and item.fault is not None:
                raise SourceError(f"{item.url}: {item.fault.detail}")
        parser = reading.parser
        if isinstance(parser, TabularParser):
            if parser.columns is not None:
                return parser.columns
        elif parser is not None:
            return None
    return None


def _file_opener(path: str) -> OpenStream:
    return partial(io.FileIO, path)


def _stdin_opener(stdin: RawStream | None) -> OpenStream:
    if stdin is not None:
        return lambda: nullcontext(stdin)
    try:
        descriptor = sys.stdin.fileno()
    except (AttributeError, OSError, ValueError) as error:  # none, not a file, or closed
        raise SourceError("there is no stdin to read: name a file instead of -") from error
    return partial(io.FileIO, descriptor, closefd=False)
