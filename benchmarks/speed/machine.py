"""What the figures were measured on: the machine in general words, and the versions of everything that took part."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

_LIBRARIES: Final = ("urlsweep", "aiohttp", "uvloop", "aiodns", "pycares", "httptools")

_ASK: Final = f"""
import importlib.metadata as m, json, platform, ssl, timeit

class Kept:
    __slots__ = ("number", "texts")

    def __init__(self, number):
        self.number = number
        self.texts = {{}}

    def keep(self, key):
        self.texts[key] = str(self.number).encode()
        return self.texts.get(key)

def work():
    for number in range(100_000):
        kept = Kept(number)
        kept.keep(number)
        kept.keep("last")

# The same version takes up to a third longer where it was built without the compiler's profile of it.
taken = min(timeit.repeat(work, number=1, repeat=5))
python = f"{{platform.python_version()}} ({{taken * 1000:.0f}} ms for 100,000 small objects)"
found = {{"Python": python, "OpenSSL": ssl.OPENSSL_VERSION.split()[1]}}
for name in {_LIBRARIES!r}:
    try:
        found[name] = m.version(name)
    except m.PackageNotFoundError:
        pass
print(json.dumps(found))
"""


def describe_machine() -> str:
    """Processors, memory and kernel; nothing that names the machine."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", _read("/proc/cpuinfo"), re.MULTILINE)
    memory = re.search(r"^MemTotal:\s*(\d+) kB", _read("/proc/meminfo"), re.MULTILINE)
    kernel = re.match(r"[\d.]+\d", platform.release())
    parts = [
        f"{len(os.sched_getaffinity(0))} processors ({cpu[1] if cpu else platform.machine()})",
        f"{int(memory[1]) / (1 << 20):.0f} GiB of memory" if memory else "",
        f"Linux {kernel[0] if kernel else platform.release()}",
    ]
    return ", ".join(part for part in parts if part)


def busy_seconds() -> float:
    """Processor time that everything on the machine has taken since its start, waiting for other machines included."""
    found = re.match(r"cpu +(.+)", _read("/proc/stat"))
    if found is None:
        return 0.0
    user, nice, system, _idle, _waiting, *interrupts_and_steal = map(int, found[1].split()[:8])
    return (user + nice + system + sum(interrupts_and_steal)) / os.sysconf("SC_CLK_TCK")


def seconds_of(processes: Collection[int]) -> float:
    """Processor time that these processes and their children, as they live now, have taken."""
    ticks = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        # proc_pid_stat(5): the name, in brackets, may hold anything; 4 is the parent, 14 and 15 the times.
        fields = _read(str(file)).rpartition(")")[2].split()
        if fields and (int(file.parent.name) in processes or int(fields[1]) in processes):
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def versions_of_python(python: str) -> dict[str, str]:
    """An interpreter and the libraries of its environment that matter here."""
    done = subprocess.run([python, "-I", "-c", _ASK], capture_output=True, check=True, text=True, timeout=60)
    found: dict[str, str] = json.loads(done.stdout)
    return found


def revision_of_python(python: str) -> str | None:
    """The commit of the checkout that an interpreter takes urlsweep from, where it is one."""
    where = "import importlib.util as u; print(u.find_spec('urlsweep').origin)"
    found = _said([python, "-I", "-c", where])
    folder = str(Path(found).parent) if found else "."
    commit = _said(["git", "-C", folder, "log", "-1", "--format=%h"])
    changes = _said(["git", "-C", folder, "status", "--porcelain", "--", ".."])
    return f"{commit}{' with changes' if changes else ''}" if commit else None


def version_of(command: Sequence[str]) -> str:
    """The first number with dots in what `command` says, on whichever stream."""
    done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=60)
    found = re.search(r"\d+(?:\.\d+)+", done.stdout + done.stderr)
    return found[0] if found else "unknown"


def openssl_of(nginx: str) -> str:
    """The OpenSSL that nginx runs with."""
    said = subprocess.run([nginx, "-V"], capture_output=True, check=False, text=True, timeout=60).stderr
    found = re.search(r"running with OpenSSL (\S+)", said) or re.search(r"built with OpenSSL (\S+)", said)
    return found[1] if found else "unknown"


def in_words(versions: Mapping[str, str]) -> str:
    """Names and versions in one line."""
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _said(command: Sequence[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
