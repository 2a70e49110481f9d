"""The program around the commands: help, version, modules."""

from __future__ import annotations

import errno
import io
import re
import runpy
import subprocess
import sys
from typing import TYPE_CHECKING, NoReturn

import pytest

import urlsweep
from urlsweep.cli import COMMANDS, HELP, main
from urlsweep.cli.console import Console
from urlsweep.settings import SETTINGS
from urlsweep.settings.setting import flag_of

if TYPE_CHECKING:
    from tests.cli.conftest import CommandLine


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_the_help_names_every_command(flag: str, cli: CommandLine) -> None:
    ran = cli(flag)
    assert (ran.code, ran.stderr, ran.stdout) == (0, "", HELP)
    assert re.findall(r"^  (\w+) {2,}\w", HELP, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("flag", ["-V", "--version"])
def test_the_version(flag: str, cli: CommandLine) -> None:
    assert cli(flag).stdout == f"urlsweep {urlsweep.__version__}\n"


class FullDisk(io.BytesIO):
    """A stream that takes nothing."""

    def write(self, data: object) -> NoReturn:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("flag", ["--help", "--version"])
def test_a_help_that_cannot_be_written_is_told_without_a_traceback(flag: str) -> None:
    stderr = io.StringIO()
    assert main([flag], console=Console(FullDisk(), stderr, {})) == 70
    assert stderr.getvalue() == "urlsweep: error: standard output cannot be written (No space left on device)\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_help_with_examples_that_fits_the_terminal(command: str, cli: CommandLine) -> None:
    ran = cli(command, "--help")
    assert (ran.code, ran.stderr) == (0, "")
    assert ran.stdout.startswith(f"usage: urlsweep {command}")

    main([command, "--help"], console=Console(narrow := io.BytesIO(), io.StringIO(), {"COLUMNS": "80"}))
    assert max(map(len, narrow.getvalue().decode().splitlines())) <= 80


def test_the_help_of_check_has_every_setting_and_exit_code(cli: CommandLine) -> None:
    text = cli("check", "--help").stdout
    assert not [name for name in SETTINGS if flag_of(name) not in text]
    assert re.findall(r"^  (\d+) {2,}", text, re.MULTILINE) == ["0", "1", "2", "3", "4", "5", "70", "130", "141"]


@pytest.mark.parametrize("command", ["check", "plan"])
def test_the_examples_in_the_help_are_understood(command: str, cli: CommandLine) -> None:
    text = cli(command, "--help").stdout + cli("--help").stdout
    examples = re.findall(rf"^  .*urlsweep {command} .*$", text, re.MULTILINE)
    options = set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", "\n".join(examples)))
    assert options
    known = set(re.findall(r"(?<!\S)--?[a-z][a-z-]*", cli(command, "--help").stdout))
    assert options - {"-oE"} <= known


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "demo"])
def test_help_needs_nothing_heavy(command: str) -> None:
    script = (
        f"import sys; from urlsweep.cli import main; main(['{command}', '--help']); "
        "print(*{'aiohttp', 'asyncio', 'tqdm', 'aiodns', 'ssl', 'sqlite3'} & set(sys.modules), file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith(f"usage: urlsweep {command}")
    assert ran.stderr.split() == []


def test_the_package_runs_as_a_module(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    monkeypatch.setattr(sys, "argv", ["urlsweep", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("urlsweep", run_name="__main__")
    assert ended.value.code == 0
    assert capsysbinary.readouterr().out == f"urlsweep {urlsweep.__version__}\n".encode()
