"""What holds for every test."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# No example has a deadline: on a machine that is busy with other tests any may take a second. CI tries the same ones
# every time, so that it fails for what was changed alone; whoever works on something, and tests.fuzz, try new ones.
hypothesis.settings.register_profile("new", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.register_profile("same", hypothesis.settings.get_profile("new"), derandomize=True)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "new"))


@pytest.fixture(autouse=True)
def _runs_of_its_own(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs are kept in a folder of the test's own, also by the processes that it starts."""
    monkeypatch.setenv("URLSWEEP_JOURNAL_DIR", str(_fresh(tmp_path_factory)))


@pytest.fixture(autouse=True)
def _collector_as_it_was() -> Iterator[None]:
    """The command line sets the garbage collector as suits a process of its own: what a test leaves unclosed has to be
    found in that test."""
    threshold = gc.get_threshold()
    yield
    gc.set_threshold(*threshold)
    gc.unfreeze()


def _fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")
