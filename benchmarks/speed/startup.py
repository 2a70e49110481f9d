"""Start-up: how long until a command has said its version, its help, or sent its first request.

Contract: the first request goes to a socket of this process; its time is from starting the program to that request's
bytes being here.
"""

from __future__ import annotations

import socket
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks.programs import end, plain_environment, run_measured

RUNS: Final = 15
SECONDS: Final = 30.0
"""For one start."""

LINES: Final = 100_000
"""Of the long lists: the first request must not wait for all of them to be read."""

URL: Final = "{url}"
LIST: Final = "{list}"
PIPED: Final = "-"
"""In a command that asks for something: the URL, a file that begins with it, the same lines on standard input."""

BARE: Final = "bare Python"
"""The interpreter that does nothing: what no program in Python starts faster than."""

_REPLY: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class StartError(RuntimeError):
    """A program did not start, or asked for nothing."""


@dataclass(frozen=True)
class Start:
    """A command and how long it took, again and again."""

    name: str
    seconds: list[float]

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)


def measure_starts(
    commands: Mapping[str, Sequence[str]], first_requests: Mapping[str, Sequence[str]], directory: Path, runs: int
) -> list[Start]:
    """Run every command in turn, `runs` times; in `first_requests` `URL`, `LIST` or `PIPED` stands for what to ask.

    Raises StartError.
    """
    starts: dict[str, list[float]] = {}
    for number in range(-1, runs):  # the first round warms up
        found = {}
        for name, command in commands.items():
            figures = run_measured(command, plain_environment(), directory, SECONDS)
            if figures.exit:
                raise StartError(f"{name} ended with exit code {figures.exit}")
            found[name] = figures.wall
        for name, command in first_requests.items():
            found[name] = first_request(command, directory)
        if number >= 0:
            for name, seconds in found.items():
                starts.setdefault(name, []).append(seconds)
    return [Start(name, seconds) for name, seconds in starts.items()]


def first_request(command: Sequence[str], directory: Path) -> float:
    """Seconds from starting `command` to its first request. Raises StartError where none comes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        listed = directory / "long-list.txt"
        is_long = LIST in command or PIPED in command
        if is_long:
            listed.write_text("".join(f"{url}{number}\n" for number in range(LINES)), encoding="ascii")
        pipe = subprocess.Popen(["cat", str(listed)], stdout=subprocess.PIPE) if PIPED in command else None
        started = time.perf_counter()
        child = subprocess.Popen(
            [{URL: url, LIST: str(listed)}.get(part, part) for part in command],
            cwd=directory, env=plain_environment() | {"XDG_STATE_HOME": str(directory)},
            stdin=subprocess.DEVNULL if pipe is None else pipe.stdout,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(SECONDS)
                if not connection.recv(65536):
                    raise StartError(f"{command[0]} connected and asked for nothing")
                taken = time.perf_counter() - started
                connection.sendall(_REPLY)
            if not is_long:
                child.wait(SECONDS)
        except (TimeoutError, subprocess.TimeoutExpired) as error:
            raise StartError(f"{' '.join(command)}: {error}") from error
        finally:
            end(child)
            if pipe is not None:
                end(pipe)
                assert pipe.stdout is not None
                pipe.stdout.close()
    return taken
