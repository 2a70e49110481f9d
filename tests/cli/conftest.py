"""A command line without a process: streams and the network are made up."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from urlsweep.cli import main
from urlsweep.cli.console import Console
from urlsweep.settings import Settings
from urlsweep.testing.fake import Behaviour, FakeTransport, reply
from urlsweep.transport import Transport

OK = reply(200)
WORLD: Mapping[str, Behaviour] = {
    "http://a.test/": OK,
    "http://a.test/ok": OK,
    "http://a.test/gone": reply(404),
    "http://a.test/moved": reply(301, ("location", "/ok")),
    "http://b.test/": OK,
    "http://down.test/": reply(500),
    "http://a.test/sitemap.xml": reply(
        200,
        body=b'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
        b"<url><loc>http://a.test/ok</loc></url><url><loc>http://a.test/gone</loc></url></urlset>",
    ),
    "http://a.test/broken.xml": reply(200, body=b"<urlset><url><loc>http://a.test/ok</loc></url><url>"),
    "http://a.test/robots.txt": reply(404),
}


class Pipe(io.BytesIO):
    """Standard input as a source reads it."""

    def fileno(self) -> int:
        return -1


@dataclass
class Ran:
    """What a command left behind."""

    code: int
    stdout: str
    stderr: str
    transport: FakeTransport
    settings: list[Settings]  # what the transport was made of; empty where it never was

    @property
    def rows(self) -> list[str]:
        return self.stdout.splitlines()


@dataclass
class CommandLine:
    """Runs commands in the folder it was made for."""

    world: dict[str, Behaviour] = field(default_factory=lambda: dict(WORLD))
    hosts: dict[str, Behaviour] = field(default_factory=dict)
    stdout: io.BytesIO = field(default_factory=io.BytesIO)
    wrapped: Callable[[FakeTransport], Transport] = lambda transport: transport
    makes: Callable[[Settings], Transport] | None = None  # a real one instead

    def __call__(self, *arguments: str, stdin: bytes | None = None) -> Ran:
        stderr = io.StringIO()
        transport = FakeTransport(self.world, hosts=self.hosts)
        made: list[Settings] = []

        def open_transport(settings: Settings) -> Transport:
            made.append(settings)
            return self.wrapped(transport) if self.makes is None else self.makes(settings)

        self.stdout.seek(0)
        self.stdout.truncate()
        code = main(
            arguments,
            console=Console(cast("BinaryIO", self.stdout), stderr, {"COLUMNS": "100"}),
            open_transport=open_transport,
            stdin=None if stdin is None else Pipe(stdin),
        )
        return Ran(code, self.stdout.getvalue().decode(), stderr.getvalue(), transport, made)


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CommandLine:
    """A command line in an empty folder, without settings from elsewhere."""
    monkeypatch.chdir(tmp_path)
    for name in ("URLSWEEP_CONFIG", "NO_COLOR", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    return CommandLine()
