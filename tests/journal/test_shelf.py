"""The folder of runs: names, and which of them go."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from urlsweep.core.model import Target
from urlsweep.journal import JournalError
from urlsweep.journal.run_file import RunFile
from urlsweep.journal.shelf import Shelf, remove

MOMENT = dt.datetime(2026, 1, 31, 12, 0, tzinfo=dt.UTC)


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "runs")


def kept(shelf: Shelf, number: int) -> list[Path]:
    paths = [shelf.new_path(MOMENT + dt.timedelta(days=day)) for day in range(number)]
    for path in paths:
        RunFile.create(path).close()
    return paths


def names(shelf: Shelf) -> list[str]:
    return [run.name for run in shelf.runs()]


def test_runs_are_named_by_their_time_the_newest_first(shelf: Shelf) -> None:
    assert shelf.runs() == []
    first, second = kept(shelf, 2)
    (shelf.folder / "notes.txt").write_text("mine")
    assert first.name == "20260131-120000-000.run"
    assert shelf.new_path(MOMENT).name == "20260131-120000-001.run"
    assert names(shelf) == [second.stem, first.stem]


def test_a_run_is_found_by_name_beginning_last_and_file(shelf: Shelf, tmp_path: Path) -> None:
    first, second = kept(shelf, 2)
    assert shelf.find(first.stem) == shelf.find("20260131") == first
    assert shelf.find("last") == second
    assert shelf.find(str(first)) == first
    assert shelf.find("other.run") == Path("other.run")
    with pytest.raises(JournalError, match="several runs begin with '2026'"):
        shelf.find("2026")
    with pytest.raises(JournalError, match=r"there is no run '1999' \(urlsweep runs lists"):
        shelf.find("1999")
    with pytest.raises(JournalError, match="there is no run 'last'"):
        Shelf(tmp_path / "none").find("last")


def test_the_oldest_go_when_there_are_too_many(shelf: Shelf) -> None:
    paths = kept(shelf, 5)
    (shelf.folder / "notes.txt").write_text("mine")
    shelf.trim(3, 10**9)
    assert names(shelf) == [path.stem for path in paths[:1:-1]]
    assert (shelf.folder / "notes.txt").exists()


def test_the_oldest_go_when_they_take_too_much(shelf: Shelf) -> None:
    paths = kept(shelf, 5)
    size = shelf.runs()[0].size_bytes
    shelf.trim(100, 2 * size)
    assert names(shelf) == [path.stem for path in paths[:2:-1]]


def test_a_run_that_goes_on_or_is_the_callers_stays(shelf: Shelf) -> None:
    paths = kept(shelf, 3)
    with RunFile.open(paths[0], to_write=True) as going_on:
        going_on.add([(0, Target("x"))], [])
        shelf.trim(1, 10**9, without=paths[1])
        assert names(shelf) == [path.stem for path in reversed(paths)]
    shelf.trim(1, 10**9)
    assert names(shelf) == [paths[2].stem]


def test_what_is_no_run_is_not_removed(shelf: Shelf) -> None:
    shelf.folder.mkdir()
    foreign = shelf.folder / "20200101-000000-0000.run"
    foreign.write_text("mine")
    with pytest.raises(JournalError, match="left as it is"):
        remove(foreign)
    kept(shelf, 2)
    shelf.trim(1, 10**9)
    assert foreign.read_text() == "mine"


def test_what_lies_beside_a_run_goes_with_it(shelf: Shelf) -> None:
    [path] = kept(shelf, 1)
    run_file = RunFile.open(path, to_write=True)
    run_file.add([(0, Target("x"))], [])
    assert path.with_name(path.name + "-wal").exists()
    copy = path.with_name("copy.run")  # as a killed process leaves it
    for suffix in ("", "-wal"):
        copy.with_name(copy.name + suffix).write_bytes(path.with_name(path.name + suffix).read_bytes())
    run_file.close()
    remove(copy)
    assert list(shelf.folder.iterdir()) == [path]


def test_the_usual_place_is_the_users_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert Shelf.usual().folder.name == "runs"
    assert Shelf.usual("~/mine").folder == Path.home() / "mine"
