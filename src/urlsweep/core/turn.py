"""Where an item is put in its host's queue: what `check` says and `pacer` does."""

from __future__ import annotations

from enum import IntEnum


class Turn(IntEnum):
    """When an item's turn comes among those of its host."""

    FIRST = 0  # before the others: it goes on with a URL already begun
    NEXT = 1  # behind those that wait already
    LATE = 2  # after other work of its host, or near its end: a later try, when what went wrong has had time to pass
    LAST = 3  # likewise, and not close behind another request: the try that decides
