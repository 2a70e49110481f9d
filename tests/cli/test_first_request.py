"""What is there when a run's first request goes out: nothing that it does without (a start takes 120 ms, most of them
imports). Seen in a process of its own, at the moment in which it connects."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys

def on_event(event, arguments):
    if event == "socket.connect" and not at_first:
        at_first.update(sys.modules)

at_first = {}
sys.addaudithook(on_event)
from urlsweep.cli import main
main(sys.argv[1:])
print(*at_first, file=sys.stderr)
print(*sys.modules, file=sys.stderr)
"""

OF_OTHER_RUNS = {"aiohttp", "aiodns", "cryptography", "tqdm", "protego", "certifi", "tomllib", "aiohttp_socks"}
LATER = {"urllib.request", "http.client", "email", "urlsweep.reports.summary", "urlsweep.transport.session"}
BY_NAME = {"pycares", "idna"}


def modules(arguments: list[str], directory: Path) -> tuple[set[str], set[str]]:
    """What was imported when `arguments` led to a request, and by the end."""
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, "check", *arguments, "--tries", "1", "--journal-dir", str(directory)],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
    )
    first, last = ran.stderr.splitlines()[-2:]
    assert "urlsweep.transport.lean.call" in first.split(), ran.stderr
    return set(first.split()), set(last.split())


@pytest.fixture
def url() -> str:
    """One that is refused at once."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{closed.getsockname()[1]}/"


@pytest.mark.parametrize("is_list", [False, True], ids=["an argument", "a list"])
def test_an_address_is_asked_before_anything_else_is_imported(url: str, tmp_path: Path, is_list: bool) -> None:
    listed = tmp_path / "urls.txt"
    listed.write_text(f"{url}\n")
    first, last = modules([str(listed) if is_list else url], tmp_path)
    assert first & (OF_OTHER_RUNS | LATER | BY_NAME) == set()
    assert last & OF_OTHER_RUNS == set()


def test_a_name_needs_c_ares_and_no_more(url: str, tmp_path: Path) -> None:
    resolver = url.removeprefix("http://").rstrip("/")  # nobody is there, which c-ares is told at once
    first, last = modules(["http://a.test/", url, "--resolver", resolver], tmp_path)
    assert first & (OF_OTHER_RUNS | LATER) == set()
    assert "pycares" in last
    assert last & OF_OTHER_RUNS == set()
