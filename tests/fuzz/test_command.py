"""The fuzz command at a tiny size, in a process of its own: it needs the repository's root to import from."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

PLANTED = """
import sys
from tests.fuzz import command
from tests.fuzz.targets import Target

def check(data):
    assert b"def" not in data or b"ect" not in data

command.TARGETS["planted"] = Target("planted", check, lambda: (b"harmless",), (b"def", b"ect", b"x"))
sys.exit(command.main(sys.argv[1:]))
"""


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    # What a test run says of warnings and random is not for this process.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120
    )


def test_every_target_holds_for_a_moment(tmp_path: Path) -> None:
    ran = run("-m", "tests.fuzz", "--seconds", "1", "--crashes", str(tmp_path / "crashes"))
    assert ran.returncode == 0, ran.stdout + ran.stderr
    told = re.findall(r"^(\w+): nothing in ([0-9,]+) inputs$", ran.stdout, re.MULTILINE)
    assert len(told) == len(ran.stdout.splitlines()) >= 10
    assert not (tmp_path / "crashes").exists()


def test_a_defect_is_made_small_written_down_and_shown_again(tmp_path: Path) -> None:
    ran = run("-c", PLANTED, "planted", "--seconds", "5", "--crashes", str(tmp_path))
    assert ran.returncode == 1, ran.stderr
    (crash,) = tmp_path.iterdir()
    assert sorted(crash.read_bytes()) == sorted(b"defect")  # either way round, and nothing beside it
    assert f"python -m tests.fuzz planted --replay {crash}" in ran.stdout
    again = run("-c", PLANTED, "planted", "--replay", str(crash))
    assert again.returncode == 1
    assert "AssertionError" in again.stdout
    crash.write_bytes(b"harmless")
    assert run("-c", PLANTED, "planted", "--replay", str(crash)).returncode == 0


def test_a_target_that_there_is_not_is_wrong_usage() -> None:
    assert run("-m", "tests.fuzz", "nothing").returncode == 2
