"""What the process ends with. Public: scripts and CI depend on the numbers, and none of them ever changes."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes there are; one that a signal caused is 128 and its number (130 for SIGINT, 143 for SIGTERM)."""

    OK = 0  # nothing that fails the run
    FAILED = 1  # some URL failed it (`--fail-on`)
    USAGE = 2  # wrong usage or configuration
    INPUT = 3  # an input could not be read or held no URL; stronger than 1
    NETWORK = 4  # nothing could be reached any more: the network at this end, not the links; stronger than 1 and 3
    INCOMPLETE = 5  # nothing failed, and not everything was asked: the time was spent (`--budget`)
    INTERNAL = 70  # an internal error, rows that differ in number or cannot be written included (EX_SOFTWARE)
    OUTPUT_CLOSED = 141  # whoever read standard output left (`| head`): as if SIGPIPE had ended the program


class UsageError(Exception):
    """The command line cannot be run as it stands. The message says what is wrong and what to write instead."""
