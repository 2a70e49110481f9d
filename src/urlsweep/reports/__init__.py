"""What rows are written as: the protocol that every report keeps. Members are a file each, registered in `registry`."""

from __future__ import annotations

from typing import Protocol

from urlsweep.core.model import Result
from urlsweep.core.summary import Summary


class Report(Protocol):
    """Writes rows to one binary stream as they finish. The stream is opened and closed by whoever made the report.

    The stream is a buffered one, so that `stream.write` takes all it is given. What it raises (`BrokenPipeError`, a
    full disk) passes up untouched. Making a report writes nothing.
    """

    def write(self, result: Result) -> None:
        """Write one row and flush it."""

    def close(self, summary: Summary) -> None:
        """Write what ends the report. After it the output is valid and complete, also when the run was cut short
        (`summary.is_partial`) and also when no row was written. Does not close the stream.
        """
