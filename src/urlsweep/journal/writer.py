"""Writes a run down as it goes, in a thread of its own.

Contract: `target` and `row` cost the loop a list's append. What they were given is on its way to the system within
`PAUSE` seconds and a write's time; a process that is killed loses no more than that. Where the file cannot be written
any more, `failure` says so and nothing is kept waiting. Not in here: what is written (`run_file`).
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final, TypeVar

from urlsweep.core.model import Result, Target
from urlsweep.journal import JournalError
from urlsweep.journal.run_file import RunFile, encode_fact

_Item = TypeVar("_Item")

PAUSE: Final = 0.02
"""Seconds between two writes: rows gather meanwhile, since a write costs the same for one and for a hundred."""

MOST_WAITING: Final = 10_000
"""Targets and rows that wait to be written: a disk that does not keep up slows the reading, not the memory's growth."""


class Writer:
    """Takes targets and rows of one run. To be used from one thread."""

    def __init__(
        self,
        run_file: RunFile,
        *,
        redact_target: Callable[[Target], Target] = lambda target: target,
        redact_row: Callable[[Result], Result] = lambda row: row,
        on_room: Callable[[], None] = lambda: None,
    ) -> None:
        """What is written has been through `redact_target` and `redact_row`. `on_room` is called, in the writer's own
        thread, after each write."""
        self._run_file = run_file
        self._redact_target = redact_target
        self._redact_row = redact_row
        self._on_room = on_room
        self._targets: deque[tuple[int, Target]] = deque()
        self._rows: deque[tuple[int, Result]] = deque()
        self._facts: dict[str, object] = {}
        self._being_written = 0
        self._has_news = threading.Event()
        self._closing = threading.Event()
        self.next_target = 0
        """One more than the number of the last target on disk that was given here."""
        self.failure: JournalError | None = None
        self._thread = threading.Thread(target=self._run, name="urlsweep-journal", daemon=True)
        self._thread.start()

    def target(self, index: int, target: Target) -> None:
        """Target number `index` has been read."""
        self._targets.append((index, target))
        if not self._has_news.is_set():
            self._has_news.set()

    def row(self, index: int, row: Result) -> None:
        """Target number `index` has its row."""
        self._rows.append((index, row))
        if not self._has_news.is_set():
            self._has_news.set()

    def fact(self, name: str, value: object) -> None:
        """What is to be known of the run as `name`: `value`, as it is when it is written."""
        self._facts[name] = value
        self._has_news.set()

    @property
    def is_full(self) -> bool:
        """Whether no more should be given for now."""
        return self.failure is None and len(self._targets) + len(self._rows) + self._being_written > MOST_WAITING

    def close(self) -> None:
        """Write what waits, and end. Idempotent. `failure` tells whether all is written."""
        self._closing.set()
        self._has_news.set()
        self._thread.join()

    def _run(self) -> None:
        while not (self._closing.is_set() and not (self._targets or self._rows or self._facts)):
            self._has_news.wait()
            self._has_news.clear()
            self._write_all()
            self._closing.wait(PAUSE)

    def _write_all(self) -> None:
        # A row is told after its target, and that an input is at its end after all of its targets: taken in this order,
        # nothing is written without what it speaks of.
        facts = {name: encode_fact(self._facts.pop(name)) for name in list(self._facts)}
        rows = _taken_from(self._rows)
        targets = _taken_from(self._targets)
        self._being_written = len(rows) + len(targets)
        try:
            if self.failure is None:
                self._run_file.add(
                    [(index, self._redact_target(target)) for index, target in targets],
                    [(index, self._redact_row(row)) for index, row in rows],
                    facts,
                )
                if targets:
                    self.next_target = targets[-1][0] + 1
        except JournalError as error:
            self.failure = error
        except Exception as error:  # a bug in here must be told, and not end in a thread that nobody looks at
            self.failure = JournalError(f"the run file {self._run_file.path} is not written any more ({error!r})")
        finally:
            self._being_written = 0
            self._on_room()


def _taken_from(waiting: deque[_Item]) -> list[_Item]:
    """What waits now. One by one: the loop goes on appending meanwhile, and a deque's ends are safe from threads."""
    return [waiting.popleft() for _ in range(len(waiting))]
