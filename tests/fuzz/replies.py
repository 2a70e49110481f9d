"""The path of a reply: bytes as a server sends them, through the lean transport's reader and both transports."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, Final, cast

from tests.fuzz.cutting import cuttings
from tests.transport.test_differential import KINDS, told

from urlsweep.core.check import NEEDED_FIELDS
from urlsweep.core.model import Reply, Request
from urlsweep.transport.heads import HEAD_LIMIT_BYTES
from urlsweep.transport.lean.body import Body, BodyFaultError
from urlsweep.transport.lean.chunks import ChunkError, Dechunker
from urlsweep.transport.lean.connection import Connection
from urlsweep.transport.lean.head import FieldFinder, Head, HeadReader
from urlsweep.transport.lean.origin import Origin

FINDER: Final = FieldFinder(NEEDED_FIELDS)
LONGEST: Final = 64 * 1024
"""Bytes. Longer ones are left alone: which of two bounds a head breaks first depends on how it is cut."""


class _Stage:
    """Stands in for the loop, the poller and the pool."""

    def __init__(self) -> None:
        self.kept = 0
        self.forgotten = 0

    def time(self) -> float:
        return 0.0

    def rewatch(self, *_: object, **__: object) -> None: ...

    def send_soon(self, _: object) -> None: ...

    def keep(self, _: object) -> None:
        self.kept += 1

    def forget(self, _: object) -> None:
        self.forgotten += 1

    def close(self, _: object) -> None: ...


class _Socket:
    """Receives what is planned, one piece at a time."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = deque(pieces)

    def recv(self, _: int) -> bytes:
        return self.pieces.popleft() if self.pieces else b""

    def send(self, data: bytes) -> int:
        return len(data)


class _Call:
    """Stands in for the call: notes what it is told."""

    def __init__(self, method: str) -> None:
        self.request = Request("http://a.test/", method, "a.test:80")
        self.wants_body = False
        self.begun = 0.0
        self.data = b"asks"
        self.told: list[object] = []

    def on_sent(self, *_: object, **__: object) -> None: ...

    def on_draining(self, _: float) -> None: ...

    def on_fault(self, fault: object) -> None:
        self.told.append(fault)

    def on_disconnected(self, number: int) -> None:
        self.told.append(f"ended {number}")

    def finish(self, reply: Reply) -> None:
        self.told.append((reply.status, reply.fields))


def check_reply(data: bytes) -> None:
    """One verdict on what came, the same however it was cut, and a connection that is kept or closed, once."""
    data = data[:LONGEST]
    for method in ("HEAD", "GET"):
        verdicts = [_verdict(pieces, method) for pieces in cuttings(data)]
        assert verdicts.count(verdicts[0]) == len(verdicts), verdicts


def _verdict(pieces: list[bytes], method: str) -> object:
    stage, call = _Stage(), _Call(method)
    sock = _Socket([piece for piece in pieces if piece])
    connection = Connection(
        *cast("Any", (stage, stage, stage, FINDER, Origin("http", "a.test", is_guarded=False), sock, "192.0.2.1", None))
    )
    connection.begin(cast("Any", call))
    connection.send_now()
    while not connection.is_closed and not stage.kept:
        connection.on_ready()
    assert stage.kept + stage.forgotten == 1
    if stage.kept:  # what comes now was asked for by nobody
        assert not sock.pieces or len(pieces) > 1
        connection.on_ready()
        assert connection.is_closed
    (verdict,) = call.told
    return verdict


def check_chunks(data: bytes) -> None:
    """The same body, end and rest however it was cut; never more bytes than came."""
    ends = [_dechunked(pieces) for pieces in cuttings(data)]
    assert ends.count(ends[0]) == len(ends), ends
    if ends[0] is not None:
        assert len(ends[0][0]) <= len(data)


def _dechunked(pieces: list[bytes]) -> tuple[bytes, bool, bytes] | None:
    dechunker = Dechunker()
    body = rest = b""
    try:
        for piece in pieces:
            if dechunker.is_complete:
                rest += piece
            else:
                body += b"".join(dechunker.feed(piece))
    except ChunkError:
        return None
    return body, dechunker.is_complete, dechunker.rest + rest


class _Pipe:
    """Stands in for a body's connection."""

    def __init__(self) -> None:
        self.released: list[bool] = []

    def pause(self, *, is_paused: bool) -> None: ...

    def release(self, *, may_be_kept: bool) -> None:
        self.released.append(may_be_kept)


def check_body(data: bytes) -> None:
    """A body that is wanted: the same bytes or the same fault, and no connection kept that has bytes of nobody's."""
    data = data[:LONGEST]
    reader = HeadReader(FINDER)
    head = reader.feed(data)
    assert len(data) <= HEAD_LIMIT_BYTES
    if not isinstance(head, Head):
        return
    for has_body in (False, True):
        ends = [_read(head, pieces, has_body=has_body) for pieces in cuttings(reader.rest)]
        whole, fault, may_be_kept = ends[0]
        for end in ends:
            assert end[1:] == (fault, may_be_kept), ends
            assert fault is not None or end[0] == whole, ends  # up to a fault, as much as had come before it
        assert len(whole) <= len(reader.rest)


def _read(head: Head, pieces: list[bytes], *, has_body: bool) -> tuple[bytes, object, bool]:
    pipe = _Pipe()
    body = Body(cast("Any", pipe), head, has_body=has_body)
    for piece in pieces:
        body.feed(piece)
    body.on_end()
    whole, fault = b"", None
    try:
        while piece := _now(body):
            whole += piece
    except BodyFaultError as error:
        fault = error.fault
    body.close()
    (may_be_kept,) = pipe.released
    return whole, fault, may_be_kept


def _now(body: Body) -> bytes:
    """What `body.read` gives, which has nothing to wait for."""
    reading = body.read()
    try:
        reading.send(None)
    except StopIteration as ended:
        return cast("bytes", ended.value)
    finally:
        reading.close()
    raise AssertionError("a body that has ended is waited for")


def check_transports(data: bytes) -> None:
    """Both transports, over real sockets, tell the same of it, and take none of it for the next answer."""
    data = data[:LONGEST]
    for method in ("HEAD", "GET"):
        lean, session = (asyncio.run(told(kind, data, len(data) // 2, method)) for kind in KINDS)
        assert lean == session, method
