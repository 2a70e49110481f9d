from __future__ import annotations

import asyncio
import functools
import gzip
import io
import os
import subprocess
import sys
from contextlib import aclosing
from pathlib import Path

import pytest

from urlsweep.core.model import Outcome, Reason, Target
from urlsweep.sources import SourceError
from urlsweep.sources.opening import open_sitemap, open_source
from urlsweep.sources.source import Source

pack = functools.partial(gzip.compress, mtime=0)  # the same bytes, hence test names, in every process


async def collect(source: Source) -> list[Target]:
    async with aclosing(source.blocks()) as blocks:
        return [target async for block in blocks for target in block]


@pytest.mark.parametrize(
    "argument", ["https://a.example/", "HTTP://a.example", " http://a.example/x ", "http://exa mple/"]
)
async def test_an_http_url_is_a_target(argument: str) -> None:
    source = open_source(argument, position=3)
    assert await collect(source) == [Target(argument.strip(), "argument 3")]
    assert (source.found, source.failed, source.columns) == (1, False, None)


@pytest.mark.parametrize(
    ("name", "content", "urls"),
    [
        ("urls.txt", b"a\nb\n", ["a", "b"]),
        ("urls.txt.gz", pack(b"a\nb\n"), ["a", "b"]),
        ("list.csv", b"name,url\nA,a\nB,b\n", ["a", "b"]),
        ("LIST.CSV.GZ", pack(b"name,url\nA,a\nB,b\n"), ["a", "b"]),
        ("list.tsv", b"url\ta,b;c\na\tx\nb\ty\n", ["a", "b"]),
        ("list.jsonl.gz", pack(b'{"url":"a"}\n{"url":"b"}\n'), ["a", "b"]),
        ("sitemap.xml", b"<urlset><url><loc>a</loc></url><url><loc>b</loc></url></urlset>", ["a", "b"]),
        ("no-ending", b"https://a.example/\n", ["https://a.example/"]),
        ("misnamed.gz", b"a\nb\n", ["a", "b"]),
        ("empty.txt", b"", []),
    ],
)
async def test_a_file_is_read_as_what_it_is(tmp_path: Path, name: str, content: bytes, urls: list[str]) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    source = open_source(str(path))
    targets = await collect(source)
    assert [target.url for target in targets] == urls
    assert all(target.found_in.startswith(f"{path}:") for target in targets)
    assert source.found == len(urls)
    assert not source.failed


async def test_the_format_can_be_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(b"url,a\nx,y\n")
    targets = await collect(open_source(str(path), input_format="text"))
    assert [target.url for target in targets] == ["url,a", "x,y"]


def test_an_unknown_format_names_those_there_are() -> None:
    with pytest.raises(SourceError, match="text, csv, tsv, jsonl, sitemap"):
        open_source("-", input_format="excel")


def test_what_cannot_be_used_is_told_when_opened(tmp_path: Path) -> None:
    cases = {
        str(tmp_path / "missing.txt"): "there is no file",
        "www.a.example": "put https:// before it",
        str(tmp_path): "is a directory",
        "a\0b": "cannot be read",
    }
    workbook = tmp_path / "book.csv"
    workbook.write_bytes(b"PK\x03\x04....")
    cases[str(workbook)] = "workbook"
    cut_off = tmp_path / "urls.gz"
    cut_off.write_bytes(pack(b"a\n")[:6])
    cases[str(cut_off)] = "cut off"
    for argument, said in cases.items():
        for opened in (open_source, open_sitemap):
            with pytest.raises(SourceError) as caught:
                opened(argument)
            assert said in str(caught.value)


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="permissions do not bind this user")
def test_a_file_that_may_not_be_read_is_told_when_opened(tmp_path: Path) -> None:
    path = tmp_path / "urls.txt"
    path.write_bytes(b"a\n")
    path.chmod(0)
    with pytest.raises(SourceError, match="Permission denied"):
        open_source(str(path))


def test_an_empty_sitemap_file_is_told_when_opened(tmp_path: Path) -> None:
    path = tmp_path / "sitemap.xml"
    path.write_bytes(b"\n")
    with pytest.raises(SourceError, match="empty"):
        open_sitemap(str(path))


async def test_a_broken_sitemap_file_is_a_row(tmp_path: Path) -> None:
    path = tmp_path / "sitemap.xml"
    path.write_bytes(b"<urlset><url><loc>a")
    source = open_sitemap(str(path))
    (row,) = await collect(source)
    assert row.fault is not None
    assert (row.fault.outcome, row.fault.reason) == (Outcome.BROKEN, Reason.SOURCE_TRUNCATED)
    assert source.failed


def test_a_missing_column_is_told_when_opened(tmp_path: Path) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(b"name,link\nA,https://a.example/\n")
    with pytest.raises(SourceError, match="its columns are 'name', 'link'"):
        open_source(str(path), column="url")
    path.write_bytes(b"name,site\nA,B\n")
    with pytest.raises(SourceError, match="--column"):
        open_source(str(path))


async def test_a_missing_column_of_a_pipe_is_told_before_its_first_target() -> None:
    source = open_source("-", column="link", stdin=io.BytesIO(b"name,url\nA,https://a.example/\n"))
    with pytest.raises(SourceError, match="stdin has no column 'link'"):
        await collect(source)


@pytest.mark.parametrize(
    ("content", "columns"),
    [
        (b"name,url\nA,https://a.example/\n", ("name", "url")),
        (b"name;link\n;\nA;https://a.example/\n", ("name", "link")),
        (b"https://a.example/,x\n", ("column_1", "column_2")),
        (pack(b"name,url\n"), ("name", "url")),
        (b"name,url", ("name", "url")),
        (b"", None),
    ],
)
def test_a_tables_columns_are_known_from_the_start(
    tmp_path: Path, content: bytes, columns: tuple[str, ...] | None
) -> None:
    path = tmp_path / "list.csv"
    path.write_bytes(content)
    assert open_source(str(path)).columns == columns


def test_only_tables_in_files_have_columns(tmp_path: Path) -> None:
    path = tmp_path / "urls.txt"
    path.write_bytes(b"https://a.example/\n" * 100_000)
    assert open_source(str(path)).columns is None
    assert open_source("-", stdin=io.BytesIO()).columns is None
    assert open_source("https://a.example/list.csv").columns is None


async def test_stdin_is_read(tmp_path: Path) -> None:
    source = open_source("-", stdin=io.BytesIO(b"url,n\nhttps://a.example/,1\n"))
    assert await collect(source) == [Target("https://a.example/", "stdin:2", {"url": "https://a.example/", "n": "1"})]
    assert source.name == "stdin"
    sitemap = open_sitemap("-", stdin=io.BytesIO(b"<urlset><url><loc>a</loc></url></urlset>"))
    assert await collect(sitemap) == [Target("a", "stdin:1")]


def test_no_stdin_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SourceError, match="no stdin"):
        open_source("-")


async def test_a_named_pipe_does_not_block_the_loop(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    source = open_source(str(path))
    async with aclosing(source.blocks()) as blocks:
        first = asyncio.ensure_future(anext(blocks))
        await asyncio.sleep(0)
        writer = await asyncio.to_thread(path.open, "wb", buffering=0)
        writer.write(b"https://a.example/\n")
        assert [target.url for target in await first] == ["https://a.example/"]
        writer.close()
        with pytest.raises(StopAsyncIteration):
            await anext(blocks)


def test_a_sitemap_argument_must_be_usable() -> None:
    with pytest.raises(SourceError, match="cannot be read as a URL"):
        open_sitemap("https://exa mple/")
    with pytest.raises(SourceError, match="fetch"):
        open_sitemap("https://a.example/sitemap.xml")


TAKE_ONE = """
import asyncio
from urlsweep.sources.opening import open_source

async def main():
    async for block in open_source("-").blocks():
        for target in block:
            print(target.url, target.found_in, flush=True)
        if target.url.endswith("/last"):
            break

asyncio.run(main())
"""


def test_a_program_ends_while_its_stdin_stays_open() -> None:
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", TAKE_ONE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        assert program.stderr is not None
        program.stdin.write(b"https://a.example/\n")
        assert program.stdout.readline() == b"https://a.example/ stdin:1\n"
        program.stdin.write(b"https://a.example/last\n")
        assert program.stdout.readline() == b"https://a.example/last stdin:2\n"
        assert program.wait(timeout=20) == 0
        assert program.stderr.read() == b""
