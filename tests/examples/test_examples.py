"""Every program in examples/ is run against a local site, as its docstring says it is."""

from __future__ import annotations

import csv
import http.server
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


class Page(http.server.BaseHTTPRequestHandler):
    """A site of four pages."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        origin = f"http://{self.headers['Host']}"
        body = b""
        if self.path == "/sitemap.xml":
            locations = "".join(f"<url><loc>{origin}{path}</loc></url>" for path in ("/", "/gone", "/old"))
            body = f'<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{locations}</urlset>'.encode()
        self.send_response({"/gone": 404, "/old": 301, "/admin": 401}.get(self.path, 200))
        if self.path == "/old":
            self.send_header("Location", "/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class's signature
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def run(example: str, *arguments: str) -> tuple[int, list[str]]:
    ran = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / example), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
    )
    assert ran.stderr == ""
    return ran.returncode, ran.stdout.splitlines()


def test_check_a_sitemap(site: str) -> None:
    assert run("check_a_sitemap.py", f"{site}/sitemap.xml") == (
        1,
        [f"http.404  {site}/gone", "3 pages, 1 wrong"],
    )


def test_ci_smoke_test(site: str) -> None:
    assert run("ci_smoke_test.py", site, "/", "/admin=401", "/old=301") == (0, ["all 3 pages are as they should be"])
    assert run("ci_smoke_test.py", site, "/", "/gone") == (1, [f"{site}/gone gave 404, not 200"])


def test_csv_enrich(site: str, tmp_path: Path) -> None:
    source, destination = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text(f"Name,Website\nHome,{site}/\nGone,{site}/gone\nAgain,{site}/\n")
    assert run("csv_enrich.py", str(source), "Website", str(destination)) == (0, ["1 broken, 2 ok"])
    with destination.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["Name"], row["Website"], row["status"]) for row in rows] == [
        ("Home", f"{site}/", "200"),
        ("Gone", f"{site}/gone", "404"),
        ("Again", f"{site}/", "200"),
    ]


def test_inside_an_app(site: str) -> None:
    assert run("inside_an_app.py", f"{site}/", f"{site}/gone", f"{site}/old") == (
        1,
        [f"{site}/gone: answered 404 Not Found", "3 links checked"],
    )


def test_every_example_says_how_it_is_run_and_is_tested() -> None:
    tests = Path(__file__).read_text(encoding="utf-8")
    examples = sorted(EXAMPLES.glob("*.py"))
    assert len(examples) >= 4
    for example in examples:
        assert re.search(rf"^    python examples/{example.name} ", example.read_text(encoding="utf-8"), re.MULTILINE)
        assert f'run("{example.name}"' in tests
