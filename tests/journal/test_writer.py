"""The writer's thread: everything that it was given is written, in whole steps, or it says why not."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from urlsweep.core.model import Outcome, Result, Target
from urlsweep.journal import JournalError
from urlsweep.journal import writer as writer_module
from urlsweep.journal.run_file import RunFile
from urlsweep.journal.writer import Writer


def test_all_is_written_when_it_is_closed(tmp_path: Path) -> None:
    with RunFile.create(tmp_path / "a.run") as run_file:
        writer = Writer(run_file)
        for index in range(3_000):
            writer.target(index, Target(f"http://a.test/{index}"))
            writer.row(index, Result(f"http://a.test/{index}", Outcome.OK))
        writer.fact("state", "finished")
        writer.close()
        writer.close()
        assert writer.failure is None
        assert run_file.number == 3_000
        assert run_file.outcomes == {Outcome.OK: 3_000}
        assert run_file.facts()["state"] == "finished"


class Watched:
    """A run file that checks at each write that nothing is there without what it speaks of."""

    path = Path("a.run")

    def __init__(self) -> None:
        self.targets: set[int] = set()
        self.ends: list[int] = []

    def add(
        self, targets: Sequence[tuple[int, Target]], rows: Sequence[tuple[int, Result]], facts: Mapping[str, str]
    ) -> None:
        self.targets |= {index for index, _ in targets}
        assert {index for index, _ in rows} <= self.targets
        if "read" in facts:
            assert int(facts["read"]) <= len(self.targets)


def test_nothing_is_written_before_what_it_speaks_of() -> None:
    watched = Watched()
    writer = Writer(watched)  # type: ignore[arg-type] # stands in for a run file
    for index in range(20_000):
        writer.target(index, Target("x"))
        writer.row(index, Result("x", Outcome.OK))
        if not index % 100:
            writer.fact("read", index + 1)
    writer.close()
    assert writer.failure is None
    assert len(watched.targets) == 20_000


class Slow:
    """A disk that stands still until it is let go."""

    path = Path("a.run")

    def __init__(self) -> None:
        self.may_go = threading.Event()
        self.error: Exception | None = None

    def add(self, *_: object) -> None:
        self.may_go.wait()
        if self.error is not None:
            raise self.error


def test_it_is_full_while_the_disk_does_not_keep_up() -> None:
    disk = Slow()
    rooms: list[bool] = []
    writer = Writer(disk, on_room=lambda: rooms.append(writer.is_full))  # type: ignore[arg-type]
    for index in range(writer_module.MOST_WAITING + 1):
        assert not writer.is_full
        writer.target(index, Target("x"))
    assert writer.is_full
    disk.may_go.set()
    writer.close()
    assert not writer.is_full
    assert rooms[-1] is False


def test_a_failure_is_told_and_holds_nothing_up() -> None:
    for error, message in (
        (JournalError("the disk is full"), "the disk is full"),
        (ZeroDivisionError("a bug"), "is not written any more (ZeroDivisionError('a bug'))"),
    ):
        disk = Slow()
        disk.error = error
        disk.may_go.set()
        writer = Writer(disk)  # type: ignore[arg-type]
        for index in range(writer_module.MOST_WAITING + 10):
            writer.target(index, Target("x"))
        writer.close()
        assert message in str(writer.failure)
        assert not writer.is_full
