"""What the README says is so: its command lines are understood, its tables are whole."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path

import pytest

from urlsweep.cli.arguments import ArgumentParser, add_settings
from urlsweep.cli.console import Console
from urlsweep.cli.exit_codes import ExitCode
from urlsweep.core.model import RESULT_COLUMNS, Outcome, Reason
from urlsweep.reports.registry import REPORTS

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", README, re.DOTALL)


def commands() -> list[str]:
    """Every `urlsweep check ...` and `urlsweep plan ...` of the README, as a shell would be given it."""
    text = "\n".join(text for language, text in BLOCKS if language in ("sh", "yaml"))
    return re.findall(r"urlsweep (?:check|plan) .*", text)


@pytest.mark.parametrize("command", commands())
def test_every_command_line_is_understood(command: str) -> None:
    words = shlex.split(command.partition(" > ")[0], comments=True)
    parser = ArgumentParser(
        Console(io.BytesIO(), io.StringIO(), {}), prog="urlsweep", usage="", description="", epilog=""
    )
    parser.add_argument("inputs", nargs="*")
    if words[1] == "plan":
        parser.add_argument("--latency")
    add_settings(parser)
    namespace = parser.read(words[2:])  # raises UsageError for what it does not know
    assert namespace.inputs or "--sitemap" in words


def test_there_are_command_lines_to_try() -> None:
    assert len(commands()) >= 19


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
