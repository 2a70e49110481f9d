"""Whose a host is, and what each shard may do of what the whole run may.

Contract: pure. The same in every process: Python's own hash of a text is not.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from zlib import crc32

from urlsweep.core.groups import pace_key
from urlsweep.core.limits import Limits, PaceBy

SLOWEST: float = 0.0001
"""Requests a second: the least that Limits take."""


@dataclass(frozen=True, slots=True)
class Sharding:
    """How hosts are spread over `shards`: those that share a limit (`PaceBy`) belong to one."""

    shards: int
    pace_by: PaceBy

    def __post_init__(self) -> None:
        if self.shards > 1 and self.pace_by is PaceBy.ADDRESS:
            raise ValueError("which hosts share an address is known only when they have been asked")

    def shard_of(self, host_key: str) -> int:
        """The shard of `host_key`, from 0."""
        key = host_key if self.pace_by is PaceBy.HOST else pace_key(host_key, self.pace_by)
        return crc32(key.encode()) % self.shards

    def share_of(self, limits: Limits, shard: int) -> Limits:
        """What `shard` may do of `limits`: its part of what is for all hosts together, and the same for each host."""
        slots, more = divmod(limits.concurrency, self.shards)
        rate = None if limits.total_rate is None else max(SLOWEST, limits.total_rate / self.shards)
        return replace(limits, concurrency=slots + (shard < more), total_rate=rate)
