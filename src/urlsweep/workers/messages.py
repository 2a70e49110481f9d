"""What the run's process and a worker tell each other, and how that is laid out in bytes.

Contract: typed and plain, never code (no pickle). A frame is four bytes that say how long it is, and a list of messages
in MessagePack. Both ends are one program in one version: nothing in here is an interface. Secrets (a policy's
credentials, cookies of a chain) go over these pipes alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import Any, Final, get_origin

import msgspec

from urlsweep.core.bottleneck import Limiter, SlowedHost
from urlsweep.core.check import Ask, CheckState, Verdict
from urlsweep.core.limits import Limits
from urlsweep.core.model import Reason
from urlsweep.core.policy import Policy
from urlsweep.core.summary import HostTime
from urlsweep.core.urls import Url
from urlsweep.transport.options import TransportOptions

ROBOTS: Final = -1
"""In place of a job's number: a robots.txt, which is nobody's row."""


class _Message(msgspec.Struct, frozen=True, array_like=True):
    """Encoded as a list that begins with the class's name."""


class Begin(_Message, frozen=True, tag=True):
    """To a worker, first of all: what it asks with."""

    shard: int
    shards: int
    policy: Policy
    limits: Limits  # the shard's share
    options: TransportOptions
    seed: int | None


class Take(_Message, frozen=True, tag=True):
    """To a worker: jobs, by number."""

    jobs: list[tuple[int, Url]]


class Fed(_Message, frozen=True, tag=True):
    """To a worker: there will be no more jobs, but for what is moved there."""


class Stop(_Message, frozen=True, tag=True):
    """To a worker: drop what is open, say `Closing`, and end."""


class Move(_Message, frozen=True, tag=True):
    """A job that has to ask a host of another shard next."""

    number: int  # or ROBOTS
    state: CheckState
    ask: Ask
    failed_at: float | None  # on the monotonic clock, which is the same for all processes of a machine


class Trusted(_Message, frozen=True, tag=True):
    """To the shard of `host_key`: what a job of its own, which had moved, found out about it (see `HeadTrust`)."""

    host_key: str
    news: str  # the name of HeadTrust's method
    method: str = ""


class RobotsRead(_Message, frozen=True, tag=True):
    """To the shard of `host_key`: what became of its robots.txt, which had moved."""

    host_key: str
    origin: str
    verdict: Verdict
    body: bytes


class NetworkMet(_Message, frozen=True, tag=True):
    """To all other shards: see `Pacer.network_met`."""


class NetworkAnswered(_Message, frozen=True, tag=True):
    """To all other shards: see `Pacer.network_answered`."""

    host_key: str
    sent_at: float


class NetworkFailed(_Message, frozen=True, tag=True):
    """To all other shards: see `Pacer.network_failed`."""

    host_key: str
    reason: Reason
    has_answered: bool


class Settled(_Message, frozen=True, tag=True):
    """From a worker: jobs by number, and their verdicts."""

    verdicts: list[tuple[int, Verdict]]


class Standing(_Message, frozen=True, tag=True):
    """From a worker: how things stand there."""

    taken: int  # jobs, when it was so
    has_room: bool  # for jobs of other hosts
    open_requests: int
    requests: int  # so far, all answered or failed
    waiting_hosts: int
    waiting_until: float | None  # on the monotonic clock
    is_network_down: bool
    is_network_lost: bool


class Failed(_Message, frozen=True, tag=True):
    """From a worker: a bug."""

    what: str
    traceback: str


class Closing(_Message, frozen=True, tag=True):
    """From a worker, last of all: its part of the summary."""

    request_seconds: float
    timeout_seconds: float
    lookup_seconds: float
    cpu_seconds: float
    seconds: dict[Limiter, float]
    slowed: list[SlowedHost]
    slowed_hosts: int
    hosts: list[HostTime]


Routed = Trusted | RobotsRead
"""Goes to the shard of its `host_key`."""

Shared = NetworkMet | NetworkAnswered | NetworkFailed
"""Goes to every other shard."""

ToWorker = Begin | Take | Fed | Stop | Move | Routed | Shared
FromWorker = Settled | Standing | Move | Routed | Shared | Failed | Closing

_LENGTH: Final = 4


def _plain(value: Any) -> Any:
    if isinstance(value, re.Pattern):
        return value.pattern, value.flags
    if isinstance(value, MappingProxyType):
        return dict(value)
    raise NotImplementedError(f"{type(value).__name__} is nothing that is sent")


def _made(kind: type, value: Any) -> Any:
    if get_origin(kind) is re.Pattern:
        pattern, flags = value
        return re.compile(pattern, flags)
    if get_origin(kind) is Counter:
        return Counter(value)
    raise NotImplementedError(f"{kind} is nothing that is sent")


_encoder: Final = msgspec.msgpack.Encoder(enc_hook=_plain)
_to_worker: Final = msgspec.msgpack.Decoder(list[ToWorker], dec_hook=_made)
_from_worker: Final = msgspec.msgpack.Decoder(list[FromWorker], dec_hook=_made)


def frame(messages: Sequence[ToWorker | FromWorker]) -> bytes:
    """`messages`, as they are sent."""
    encoded = _encoder.encode(messages)
    return len(encoded).to_bytes(_LENGTH, "big") + encoded


class Frames:
    """Bytes as they come in, and the frames in them."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def bodies(self, data: bytes) -> Iterator[bytes]:
        """The frames that `data` completes."""
        rest = self._rest
        rest += data
        start = 0
        while len(rest) - start >= _LENGTH:
            end = start + _LENGTH + int.from_bytes(rest[start : start + _LENGTH], "big")
            if len(rest) < end:
                break
            yield bytes(memoryview(rest)[start + _LENGTH : end])
            start = end
        del rest[:start]


def to_worker(body: bytes) -> list[ToWorker]:
    """The messages of a frame that a worker got. Raises msgspec.DecodeError."""
    return _to_worker.decode(body)


def from_worker(body: bytes) -> list[FromWorker]:
    """The messages of a frame that a worker sent. Raises msgspec.DecodeError."""
    return _from_worker.decode(body)
