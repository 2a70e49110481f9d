"""Programs are measured, bounded and never left behind; the namespace says what it lacks."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from benchmarks.programs import ProgramMissingError, find_program, plain_environment, run_measured
from benchmarks.world import namespace

linux_only = pytest.mark.skipif(sys.platform == "win32", reason="os.wait4 is Unix's")


@linux_only
def test_a_program_is_measured(tmp_path: Path) -> None:
    code = "import sys; data = bytearray(50 << 20); print('out'); print('err', file=sys.stderr); sys.exit(3)"
    figures = run_measured([sys.executable, "-c", code], dict(os.environ), tmp_path, limit=60)
    assert figures.exit == 3
    assert not figures.is_cut_short
    assert figures.wall > 0
    assert 50 < figures.peak_rss_mb < 500
    assert (tmp_path / "stdout").read_text(encoding="utf-8").strip() == "out"
    assert (tmp_path / "stderr").read_text(encoding="utf-8").strip() == "err"


@linux_only
def test_a_program_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(60)"
    figures = run_measured([sys.executable, "-c", code], dict(os.environ), tmp_path, limit=0.5)
    assert figures.is_cut_short
    assert figures.exit < 0
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "stdout").read_text(encoding="utf-8") or "0"), 0)


def test_a_missing_program_comes_with_its_remedy() -> None:
    with pytest.raises(ProgramMissingError, match="no-such-program is not installed: get it"):
        find_program("no-such-program", "get it")


def test_the_environment_has_no_proxies_and_no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("URLSWEEP_TRIES", "1")
    monkeypatch.setenv("KEPT", "1")
    names = plain_environment()
    assert "KEPT" in names
    assert "URLSWEEP_TRIES" not in names
    assert not [name for name in names if name.lower().endswith("_proxy")]


def test_a_machine_that_cannot_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert "this is darwin" in (namespace.why_not_possible() or "")


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")
def test_a_namespace_that_was_not_left_is_never_used(tmp_path: Path) -> None:
    with pytest.raises(namespace.NotSealedError, match="not a namespace of its own"):
        namespace.seal(namespace.identities(), tmp_path / "resolv.conf")
    assert not (tmp_path / "resolv.conf").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="namespaces are Linux's")
def test_whoever_is_not_root_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "sudo" in (namespace.why_not_possible() or "")
