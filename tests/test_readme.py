"""What the README says is so: its command lines are understood, its tables are whole."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path

import pytest

from urlsweep.cli import COMMANDS
from urlsweep.cli.arguments import ArgumentParser, add_settings
from urlsweep.cli.console import Console
from urlsweep.cli.exit_codes import ExitCode
from urlsweep.core.model import RESULT_COLUMNS, Outcome, Reason
from urlsweep.reports.registry import REPORTS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
GUIDE = (ROOT / "docs" / "long-lists.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    """Every command line of the README and the guide, as a shell would be given it."""
    blocks = BLOCKS + re.findall(r"```(\w+)\n(.*?)```", GUIDE, re.DOTALL)
    text = "\n".join(text for language, text in blocks if language in ("sh", "yaml"))
    return re.findall(rf"urlsweep (?:{'|'.join(COMMANDS)})\b(?! \|\|).*", text)


@pytest.mark.parametrize("command", commands())
def test_every_command_line_is_understood(command: str) -> None:
    words = shlex.split(command.partition(" > ")[0], comments=True)
    parser = ArgumentParser(
        Console(io.BytesIO(), io.StringIO(), {}), prog="urlsweep", usage="", description="", epilog=""
    )
    parser.add_argument("inputs", nargs="*")
    if words[1] == "plan":
        parser.add_argument("--latency")
    if words[1] == "retry":
        parser.add_argument("--outcome")
    add_settings(parser)
    namespace = parser.read(words[2:])  # raises UsageError for what it does not know
    assert namespace.inputs or "--sitemap" in words or words[1] in ("demo", "resume", "runs")


def test_there_are_command_lines_to_try() -> None:
    assert len(commands()) >= 40


def test_the_python_examples_compile() -> None:
    examples = [text for language, text in BLOCKS if language == "python"]
    assert examples
    for text in examples:
        compile(text, "README.md", "exec")


def test_every_outcome_column_exit_code_and_format_is_named() -> None:
    for outcome in Outcome:
        assert f"| `{outcome}` |" in README
    for column in RESULT_COLUMNS:
        assert f"`{column}`" in README
    for code in ExitCode:
        assert re.search(rf"^\| ([\d, ]+, )?{code.value}\b", README, re.MULTILINE), code
    assert f"--format {'|'.join(REPORTS)}" in README


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_named(reason: Reason) -> None:
    family, _, member = reason.value.rpartition(".")
    if not family:
        assert f"`{reason.value}`" in README
        return
    listed = re.search(rf"`{re.escape(family)}\.([a-z_|\n]+)`", README)
    assert listed is not None
    assert member in listed[1].split("|")
