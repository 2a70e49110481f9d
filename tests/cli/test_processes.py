"""The program as a process of its own: signals, pipes, a reader that leaves."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

PATIENCE = 60  # seconds for a process to end: far more than it may take, and not what is tested
PROGRAM = [sys.executable, "-m", "urlsweep"]


class HangingServer:
    """Takes every connection and answers nothing; or 404 to everything, when it `answers`."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.was_asked = threading.Event()
        self.answers = False
        self._taken: list[socket.socket] = []
        threading.Thread(target=self._take, daemon=True).start()

    def _take(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._taken.append(connection)
            threading.Thread(target=self._serve, args=[connection], daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            while connection.recv(65536):
                self.was_asked.set()
                if self.answers:
                    connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        except OSError:
            return

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._taken:
            connection.close()


@pytest.fixture
def server() -> Iterator[HangingServer]:
    server = HangingServer()
    yield server
    server.close()


def start(*arguments: str, folder: Path, script: str | None = None) -> subprocess.Popen[bytes]:
    program = PROGRAM if script is None else [sys.executable, "-c", script]
    return subprocess.Popen(
        [*program, *arguments],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")},
    )


def ended(process: subprocess.Popen[bytes]) -> tuple[int, str, str]:
    with process:
        stdin, process.stdin = process.stdin, None  # stays open: whoever feeds it goes on doing so
        stdout, stderr = process.communicate(timeout=PATIENCE)
        if stdin is not None:
            stdin.close()
    return process.returncode, stdout.decode(), stderr.decode()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_with_valid_partial_reports(
    number: signal.Signals, code: int, server: HangingServer, tmp_path: Path
) -> None:
    arguments = ["check", f"{server.url}/one", "-", "--format", "jsonl", "-o", "out.json", "-o", "out.csv"]
    process = start(*arguments, folder=tmp_path)  # its stdin blocks, its server hangs
    assert server.was_asked.wait(PATIENCE)
    process.send_signal(number)
    returned, stdout, stderr = ended(process)
    assert returned == code
    row = json.loads(stdout)
    assert (row["url"], row["outcome"], row["reason"]) == (f"{server.url}/one", "skipped", "skip.unfinished")
    document = json.loads((tmp_path / "out.json").read_text())
    assert document["results"] == [row]
    assert document["summary"]["is_partial"] is True
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 2
    assert "Cut short" in stderr
    assert "Traceback" not in stderr


LINGERING = """
import sys, time
from urlsweep.api import open_transport
from urlsweep.cli import main

def lingering(settings):
    transport = open_transport(settings)
    async def aclose():
        print("closing", flush=True)
        while True:  # a signal in the moment before a sleep is heard when that ends
            time.sleep(0.01)
    transport.aclose = aclose
    return transport

sys.exit(main(open_transport=lingering))
"""


def test_what_lingers_is_cut_off_after_the_reports_are_closed(server: HangingServer, tmp_path: Path) -> None:
    process = start("check", f"{server.url}/one", "-o", "out.json", folder=tmp_path, script=LINGERING)
    assert server.was_asked.wait(PATIENCE)
    process.send_signal(signal.SIGINT)
    returned, _, stderr = ended(process)
    assert returned == 130
    assert json.loads((tmp_path / "out.json").read_text())["summary"]["is_partial"] is True
    assert "Cut short" in stderr


def test_a_second_signal_ends_the_process_at_once(server: HangingServer, tmp_path: Path) -> None:
    process = start("check", f"{server.url}/one", folder=tmp_path, script=LINGERING)
    assert server.was_asked.wait(PATIENCE)
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    while b"closing" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGTERM)
    assert ended(process)[0] == 143  # by the first one alone it would have been 130


def test_a_reader_that_leaves_ends_the_run_quietly(server: HangingServer, tmp_path: Path) -> None:
    server.answers = True
    (tmp_path / "many.txt").write_text("".join(f"{server.url}/{number}\n" for number in range(5000)))
    process = start("check", "many.txt", folder=tmp_path)
    assert process.stdout is not None
    assert b"404" in process.stdout.readline()
    process.stdout.close()
    with process:
        assert process.stderr is not None
        stderr = process.stderr.read()
        assert process.wait(PATIENCE) == 141
    assert stderr == b""


def test_the_help_may_be_read_by_head(tmp_path: Path) -> None:
    for arguments in (["--help"], ["check", "--help"]):
        read_end, write_end = os.pipe()
        os.close(read_end)
        with os.fdopen(write_end, "wb") as pipe:
            ran = subprocess.run(
                [*PROGRAM, *arguments], stdout=pipe, stderr=subprocess.PIPE, timeout=PATIENCE, check=False
            )
        assert ran.stderr == b""
        assert ran.returncode in (0, 141)


def test_standard_input_is_read_when_it_is_named(server: HangingServer, tmp_path: Path) -> None:
    server.answers = True
    process = start("check", "-", "-q", folder=tmp_path)
    with process:
        stdout, stderr = process.communicate(f"{server.url}/x\n".encode(), timeout=PATIENCE)
    assert process.returncode == 1
    assert stdout.decode() == f"broken      404  {server.url}/x  stdin:1  http.404: answered 404 Not Found\n"
    assert stderr == b""
