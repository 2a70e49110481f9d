"""One target under atheris (libFuzzer), which goes by what an input makes run: a process of its own, as it ends it.

Contract: run as a program by `command`. An input that shows a defect lies where ``-artifact_prefix`` says.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["urlsweep"]):
    from tests.fuzz.targets import TARGETS


def main() -> None:
    """``guided.py TARGET [libFuzzer's arguments]``."""
    target = TARGETS[sys.argv.pop(1)]
    atheris.Setup(sys.argv, target.check)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
