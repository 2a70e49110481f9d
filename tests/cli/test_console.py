"""What the command line writes where: escapes, colours, widths, the progress line."""

from __future__ import annotations

import asyncio
import io
import os
import re
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO, cast

import pytest

from urlsweep.cli.console import Console
from urlsweep.cli.outputs import Outputs
from urlsweep.cli.progress import Progress, shown
from urlsweep.core.limits import Limits
from urlsweep.core.model import Outcome, Result, Target
from urlsweep.core.pacer import Gated
from urlsweep.core.policy import Policy
from urlsweep.core.summary import FAILING, Summary
from urlsweep.engine import Sweep
from urlsweep.reports.options import ReportOptions
from urlsweep.reports.redaction import Redactor
from urlsweep.settings import Color, Settings
from urlsweep.testing.fake import FakeTransport, reply


class TerminalText(io.StringIO):
    def isatty(self) -> bool:
        return True


class TerminalBytes(io.BytesIO):
    def isatty(self) -> bool:
        return True


def console(environ: dict[str, str] | None = None, *, on_terminal: bool = False) -> Console:
    streams: tuple[io.BytesIO, io.StringIO] = (
        (TerminalBytes(), TerminalText()) if on_terminal else (io.BytesIO(), io.StringIO())
    )
    return Console(cast("BinaryIO", streams[0]), streams[1], environ or {})


def said(console: Console) -> str:
    assert isinstance(console.stderr, io.StringIO)
    return console.stderr.getvalue()


def test_messages_are_harmless_and_keep_secrets() -> None:
    made = console()
    made.redactor = Redactor(["s3cret"])
    made.error("a\x1b[2Jb\nc s3cret http://me:pass@a.test/")
    assert said(made) == "urlsweep: error: a\\x1b[2Jb\\nc *** http://me:***@a.test/\n"


def test_quiet_silences_warnings_and_not_errors() -> None:
    made = console()
    made.is_quiet = True
    made.warning("a")
    made.error("b")
    assert said(made) == "urlsweep: error: b\n"


def test_what_the_terminals_encoding_has_not_is_spelled_out() -> None:
    raw = io.BytesIO()
    made = Console(io.BytesIO(), io.TextIOWrapper(raw, encoding="ascii"), {})
    made.warning("caf\u00e9")
    assert raw.getvalue() == b"urlsweep: warning: caf\\xe9\n"


@pytest.mark.parametrize(
    ("color", "on_terminal", "environ", "wanted"),
    [
        (Color.AUTO, True, {}, True),
        (Color.AUTO, False, {}, False),
        (Color.AUTO, True, {"NO_COLOR": "1"}, False),
        (Color.AUTO, True, {"NO_COLOR": ""}, True),
        (Color.AUTO, True, {"TERM": "dumb"}, False),
        (Color.ALWAYS, False, {"NO_COLOR": "1"}, True),
        (Color.NEVER, True, {}, False),
    ],
)
def test_colours(color: Color, on_terminal: bool, environ: dict[str, str], wanted: bool) -> None:
    made = console(environ, on_terminal=on_terminal)
    assert made.wants_color(color, made.stderr) is wanted


@pytest.mark.parametrize(
    ("environ", "width"), [({}, 80), ({"COLUMNS": "42"}, 42), ({"COLUMNS": "wide"}, 80), ({"COLUMNS": "0"}, 80)]
)
def test_the_width_of_what_is_no_terminal(environ: dict[str, str], width: int) -> None:
    made = console(environ)
    assert made.width(made.stderr) == width


def test_the_width_of_a_terminal() -> None:
    termios = pytest.importorskip("termios")
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    with os.fdopen(ours, "rb", buffering=0), os.fdopen(theirs, "wb", buffering=0) as terminal:
        termios.tcsetwinsize(theirs, (24, 57))
        made = Console(cast("BinaryIO", terminal), io.StringIO(), {})
        assert made.shows_output
        assert made.width(made.stdout) == 57


def test_rows_and_messages_that_share_a_file(tmp_path: Path) -> None:
    with (tmp_path / "log").open("wb") as rows, (tmp_path / "log").open("a") as messages:
        assert Console(rows, messages, {}).mixes_streams
        with (tmp_path / "other").open("a") as elsewhere:
            assert not Console(rows, elsewhere, {}).mixes_streams
    assert console(on_terminal=True).mixes_streams
    assert not console().mixes_streams


class Line:
    """A progress line that notes what happens around it."""

    def __init__(self, stream: io.StringIO | io.BytesIO) -> None:
        self._stream = stream

    def hide(self) -> None:
        self._write("<")

    def show(self) -> None:
        self._write(">")

    def _write(self, text: str) -> None:
        if isinstance(self._stream, io.BytesIO):
            self._stream.write(text.encode())
        else:
            self._stream.write(text)


def test_messages_stand_above_the_progress() -> None:
    made = console()
    assert isinstance(made.stderr, io.StringIO)
    with made.with_progress(Line(made.stderr)):
        made.warning("a")
    made.warning("b")
    assert said(made) == "<urlsweep: warning: a\n>urlsweep: warning: b\n"


def test_rows_on_a_terminal_stand_above_the_progress_which_moves_for_nothing_else() -> None:
    made = console(on_terminal=True)
    assert isinstance(made.stdout, io.BytesIO)
    outputs = Outputs.open(Settings(color=Color.NEVER), ReportOptions(), made)
    ok = Result("http://a.test/", Outcome.OK)
    gone = Result("http://a.test/gone", Outcome.BROKEN, "http.404", 404)
    with made.with_progress(Line(made.stdout)):
        outputs.write([ok, ok])
        assert made.stdout.getvalue() == b""
        outputs.write([gone, ok, gone])
        outputs.write([ok])
        outputs.close(Summary())
    text = made.stdout.getvalue().decode()
    assert re.fullmatch(r"<(broken .*\n){2}>", text)


def sweep_of(count: int, transport: FakeTransport) -> Sweep:
    targets = [Target(f"http://a.test/{number}") for number in range(count)]
    return Sweep(targets, Policy(), Limits(per_host=count), transport)


async def drawn(made: Console) -> str:
    sweep = sweep_of(30, FakeTransport(hosts={"a.test": reply(404, after=0.2)}))
    async with shown(made, sweep, FAILING):
        async for _ in sweep:
            pass
    return said(made)


async def test_the_progress_tells_done_total_and_failing_and_goes_away() -> None:
    made = console(on_terminal=True)
    text = await drawn(made)
    assert "0/30 [" in text or "/30 [" in text
    assert "failing]" in text
    assert text.endswith("\r")
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "urlsweep progress"]


async def test_there_is_no_progress_without_a_terminal_or_when_quiet() -> None:
    assert await drawn(console()) == ""
    made = console(on_terminal=True)
    made.is_quiet = True
    assert await drawn(made) == ""


async def test_the_progress_names_hosts_that_wait() -> None:
    made = console(on_terminal=True)
    pushed_back = [reply(429, ("retry-after", "1")), reply(200)]
    sweep = sweep_of(1, FakeTransport({"http://a.test/0": pushed_back}))
    async with shown(made, sweep, FAILING):
        async for _ in sweep:
            pass
    assert "1 host waiting for 1 s]" in said(made)


NO_HOSTS = Gated(0, None)


@dataclass
class Standing:
    """A run that stands as it is said to."""

    waiting_hosts: Gated = NO_HOSTS
    is_network_down: bool = False
    summary: Summary = field(default_factory=Summary)


@pytest.mark.parametrize(
    ("run", "width", "end"),
    [
        (Standing(), 80, "? URLs/s, 0 failing]"),
        (Standing(), 30, "0 URLs, 0 failing"),
        (Standing(Gated(1, 112.4)), 80, "[00:00, 0 failing, 1 host waiting for 13 s]"),
        (Standing(Gated(3, 111.9)), 91, "[00:00, 0 failing, 3 hosts waiting, the first for 12 s]"),
        (Standing(Gated(1200, 175.0)), 101, "0 failing, 1,200 hosts waiting, the first for 1 min 15 s]"),
        (Standing(Gated(1200, 175.0)), 90, "0 failing, 1,200 hosts waiting (1 min 15 s)]"),  # else it does not fit
        (Standing(Gated(3, 111.9)), 55, "0 URLs, 0 failing, 3 hosts waiting (12 s)"),
        (Standing(Gated(3, 111.9)), 42, "0 URLs, 3 hosts waiting (12 s)"),
        (Standing(Gated(1200, 175.0)), 10, "0 URLs, 1,200 hosts waiting (1 min 15 s)"),
        (Standing(Gated(1, 99.0)), 80, "0 failing, 1 host waiting for 1 s]"),  # about to be asked
        (Standing(Gated(2, None)), 80, "0 failing, 2 hosts waiting]"),
        (Standing(Gated(9, 175.0), is_network_down=True), 80, "0 failing, network down? probing]"),
    ],
)
def test_the_progress_says_what_is_waited_for(run: Standing, width: int, end: str) -> None:
    stream = TerminalText()
    progress = Progress(stream, run, FAILING, clock=lambda: 100.0, width=lambda: width)
    progress.draw()
    progress.show()
    progress.close()
    assert stream.getvalue().rstrip("\r ").endswith(end)


def test_while_hosts_wait_no_time_left_is_made_up() -> None:
    stream, run = TerminalText(), Standing(Gated(1, 112.4))
    run.summary.rows_in, run.summary.rows_out, run.summary.input_exhausted = 4, 3, True
    for width in (80, 40):
        progress = Progress(stream, run, FAILING, clock=lambda: 100.0, width=partial(int, width))
        progress.draw()
        progress.close()
    assert "| 3/4 [00:00, 0 failing, 1 host waiting for 13 s]" in stream.getvalue()
    assert " 75% 3/4, 1 host waiting (13 s)" in stream.getvalue()
