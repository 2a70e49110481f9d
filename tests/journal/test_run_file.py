"""Run files: what is written is there, what is not ours is told and left alone."""

from __future__ import annotations

import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from urlsweep.core.model import Outcome, Result, Target
from urlsweep.journal import JournalError
from urlsweep.journal.run_file import APPLICATION_ID, PAGE, ROWS_A_STATEMENT, VERSION, RunFile


def target(number: int) -> Target:
    return Target(f"http://a.test/{number}", f"list:{number}")


def row(number: int, outcome: Outcome = Outcome.OK) -> Result:
    return Result(f"http://a.test/{number}", outcome, found_in=f"list:{number}", attempts=number)


def filled(path: Path, number: int, with_rows: range) -> None:
    with RunFile.create(path) as run_file:
        run_file.add([(index, target(index)) for index in range(number)], [(index, row(index)) for index in with_rows])


def test_what_is_written_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "a.run"
    with RunFile.create(path) as run_file:
        run_file.state(state="running", inputs=[{"text": "x"}])
        run_file.add([(0, target(0)), (1, target(1))], [(1, row(1))], {"state": '"cut"'})
        run_file.add([(2, target(2))], [(0, row(0, Outcome.DOWN))])
    with RunFile.open(path) as run_file:
        assert run_file.facts() == {"held": True, "state": "cut", "inputs": [{"text": "x"}]}
        assert run_file.number == 3
        assert run_file.outcomes == {Outcome.OK: 1, Outcome.DOWN: 1}
        assert list(run_file.rows()) == [
            (0, target(0), row(0, Outcome.DOWN)),
            (1, target(1), row(1)),
            (2, target(2), None),
        ]


def test_it_is_one_file_that_nobody_else_reads(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder" / "a.run"
    with RunFile.create(path) as run_file:
        run_file.add([(0, target(0))], [])
        for part in path.parent.iterdir():
            assert stat.S_IMODE(part.stat().st_mode) == 0o600, part
    assert [part.name for part in path.parent.iterdir()] == ["a.run"]
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("start", [0, 1, PAGE - 1, PAGE, 2 * PAGE + 5, 3 * PAGE, 4 * PAGE])
def test_targets_are_read_from_anywhere_by_pages(tmp_path: Path, start: int) -> None:
    number = 3 * PAGE
    with RunFile.create(tmp_path / "a.run") as run_file:
        for first in range(0, number, 700):
            run_file.add([(index, target(index)) for index in range(first, min(first + 700, number))], [])
        expected = [target(index) for index in range(start, number)]
        assert list(run_file.targets(start)) == expected
        assert list(run_file.targets(start, start + 10)) == expected[:10]


def test_more_rows_than_a_statement_takes(tmp_path: Path) -> None:
    number = 2 * ROWS_A_STATEMENT[0] + 3
    filled(tmp_path / "a.run", number, range(number))
    with RunFile.open(tmp_path / "a.run") as run_file:
        assert sum(found is not None for _, _, found in run_file.rows()) == number


def test_a_write_that_fails_leaves_nothing_of_itself(tmp_path: Path) -> None:
    with RunFile.create(tmp_path / "a.run") as run_file:
        run_file.add([(0, target(0))], [])
        run_file._database.execute("CREATE TRIGGER no BEFORE INSERT ON results BEGIN SELECT RAISE(ABORT, 'no'); END")
        with pytest.raises(JournalError, match="cannot be used"):
            run_file.add([(1, target(1))], [(0, row(0))])
        assert run_file.number == 1


def test_rows_to_be_asked_again_stand_until_they_have_been(tmp_path: Path) -> None:
    with RunFile.create(tmp_path / "a.run") as run_file:
        run_file.add(
            [(index, target(index)) for index in range(3)],
            [(0, row(0)), (1, row(1, Outcome.DOWN)), (2, row(2, Outcome.UNVERIFIED))],
        )
        assert run_file.put_off([Outcome.DOWN, Outcome.UNVERIFIED]) == 2
        assert set(run_file.encoded_rows(0, 10)) == {0}
        assert [found.outcome for _, _, found in run_file.rows() if found is not None] == ["ok", "down", "unverified"]
        run_file.add([], [(1, row(1))])
        assert set(run_file.encoded_rows(0, 10)) == {0, 1}
        assert [found.outcome for _, _, found in run_file.rows() if found is not None] == ["ok", "ok", "unverified"]


# What is not ours, or not whole --------------------------------------------------------------------------------------


def with_head(path: Path, offset: int, number: int) -> None:
    filled(path, 1, range(1))
    data = bytearray(path.read_bytes())
    data[offset : offset + 4] = number.to_bytes(4, "big")
    path.write_bytes(data)


def foreign_database(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE t (x)")
    database.close()


CASES: dict[str, tuple[Callable[[Path], object], str]] = {
    "empty": (lambda path: path.write_bytes(b""), "is empty: it was left as it is"),
    "text": (lambda path: path.write_text("http://a.test/\n" * 50), "is not a run file of urlsweep's: it was left"),
    "another program's": (foreign_database, "is not a run file of urlsweep's: it was left as it is"),
    "newer": (
        lambda path: with_head(path, 60, VERSION + 1),
        f"written by a newer urlsweep (format {VERSION + 1}, this one knows {VERSION}): upgrade urlsweep",
    ),
    "older": (
        lambda path: with_head(path, 60, VERSION - 1),
        f"written by an older urlsweep (format {VERSION - 1}, this one knows {VERSION}): finish it with that one",
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("to_write", [False, True])
def test_what_is_no_run_file_is_refused_and_left_as_it_is(case: str, to_write: bool, tmp_path: Path) -> None:
    path = tmp_path / "x.run"
    make, message = CASES[case]
    make(path)
    before = path.read_bytes()
    with pytest.raises(JournalError) as caught:
        RunFile.open(path, to_write=to_write)
    assert message in str(caught.value)
    with pytest.raises(JournalError, match="is there already"):
        RunFile.create(path)
    assert path.read_bytes() == before


def test_a_damaged_file_is_told_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.run"
    filled(path, 5_000, range(5_000))
    data = bytearray(path.read_bytes())
    data[4096:-4096] = os.urandom(len(data) - 8192)
    path.write_bytes(data)
    with pytest.raises(JournalError, match=r"is damaged .*: it was left as it is"), RunFile.open(path) as run_file:
        list(run_file.rows())
    assert path.read_bytes() == data


def test_rows_of_nonsense_are_told_as_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.run"
    filled(path, 1, range(1))
    with sqlite3.connect(path) as database:
        database.execute("UPDATE results SET row = x'4dff'")
    database.close()
    with pytest.raises(JournalError, match="is damaged"), RunFile.open(path) as run_file:
        list(run_file.rows())


def test_a_run_that_is_there_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.run"
    filled(path, 1, range(1))
    before = path.read_bytes()
    with pytest.raises(JournalError, match=r"holds a run already: go on with it \(urlsweep resume .*a\.run\), remove"):
        RunFile.create(path)
    assert path.read_bytes() == before


def test_one_that_is_missing_or_cannot_be_made(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="there is no run file"):
        RunFile.open(tmp_path / "a.run")
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot be created"):
        RunFile.create(tmp_path / "file" / "a.run")


HOLDER = """
import sys
from pathlib import Path
from urlsweep.journal.run_file import RunFile
run_file = RunFile.open(Path(sys.argv[1]), to_write=True)
print("held", flush=True)
sys.stdin.read()
"""


def test_a_second_process_is_refused_until_the_first_one_ends_in_whatever_way(tmp_path: Path) -> None:
    path = tmp_path / "a.run"
    filled(path, 1, range(1))
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        for to_write in (True, False):
            with pytest.raises(JournalError, match="is in use by another urlsweep that is running"):
                RunFile.open(path, to_write=to_write)
        holder.kill()
    with RunFile.open(path, to_write=True) as run_file:
        assert run_file.number == 1


def test_the_head_says_what_it_is_from_the_first_moment(tmp_path: Path) -> None:
    """Also before the write-ahead log is taken over: a killed run must not pass for a foreign file."""
    with RunFile.create(tmp_path / "a.run"):
        head = (tmp_path / "a.run").read_bytes()[:100]
    assert int.from_bytes(head[68:72], "big") == APPLICATION_ID
    assert int.from_bytes(head[60:64], "big") == VERSION
