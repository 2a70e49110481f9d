"""The limit on open file descriptors, with the system's made up."""

from __future__ import annotations

import subprocess
import sys

import pytest

from urlsweep import descriptors
from urlsweep.transport.bounds import SOCKETS_PER_REQUEST

resource = pytest.importorskip("resource")


class Limits:
    """A process with `is_open` descriptors and limits that can be set up to `ceiling`."""

    def __init__(self, soft: int, hard: int, is_open: int = 10, ceiling: int = 1_000_000) -> None:
        self.soft, self.hard, self.is_open, self.ceiling = soft, hard, is_open, ceiling

    def get(self, which: int) -> tuple[int, int]:
        assert which == resource.RLIMIT_NOFILE
        return self.soft, self.hard

    def set(self, which: int, limits: tuple[int, int]) -> None:
        soft, hard = limits
        assert which == resource.RLIMIT_NOFILE
        assert hard == self.hard
        if soft > self.ceiling or (hard >= 0 and soft > hard):
            raise ValueError("not allowed to raise maximum limit")
        self.soft = soft


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> object:
    def make(limits: Limits) -> Limits:
        monkeypatch.setattr(resource, "getrlimit", limits.get)
        monkeypatch.setattr(resource, "setrlimit", limits.set)
        monkeypatch.setattr(descriptors, "_open_now", lambda: limits.is_open)
        return limits

    return make


@pytest.mark.parametrize(
    ("limits", "concurrency", "room", "soft_afterwards"),
    [
        (Limits(1024, 4096), 256, 256, 1024),  # enough as it is: left alone
        (Limits(1024, 4096), 1000, 1000, 10 + 64 + 2000),  # raised as far as needed
        (Limits(1024, 4096), 5000, (4096 - 74) // 2, 4096),  # raised as far as it goes
        (Limits(1024, -1), 5000, 5000, 10 + 64 + 10_000),  # no hard limit
        (Limits(256, -1, ceiling=10_240), 50_000, (10_240 - 74) // 2, 10_240),  # macOS says none and means one
        (Limits(-1, -1), 50_000, 50_000, -1),  # no limit at all
        (Limits(256, 256), 256, (256 - 74) // 2, 256),
        (Limits(64, 64), 256, 1, 64),  # always one
        (Limits(1024, 4096, ceiling=0), 1000, (1024 - 74) // 2, 1024),  # not allowed
    ],
)
def test_room_is_made_as_far_as_needed_and_allowed(
    limits: Limits, concurrency: int, room: int, soft_afterwards: int, given: object
) -> None:
    assert callable(given)
    given(limits)
    assert descriptors.make_room(concurrency) == room
    assert limits.soft == soft_afterwards


def test_without_such_a_limit_there_is_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    assert descriptors.make_room(100_000) == 100_000


def test_what_is_open_is_counted() -> None:
    assert descriptors._open_now() >= 3


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nobody tells how large the table is")
def test_the_table_is_as_large_as_the_room_before_anything_is_opened() -> None:
    """Later, beside a thread, each step would stop the whole loop for an RCU grace period."""
    program = (
        "from pathlib import Path\n"
        "from urlsweep import descriptors\n"
        "room = descriptors.make_room(256)\n"
        "status = Path('/proc/self/status').read_text()\n"
        "print(room, status.partition('FDSize:')[2].split()[0], len(list(Path('/proc/self/fd').iterdir())))\n"
    )
    told = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    room, size, is_open = map(int, told.split())
    assert size >= room * SOCKETS_PER_REQUEST + descriptors.SPARE
    assert is_open <= 6  # what made it so large is closed again
