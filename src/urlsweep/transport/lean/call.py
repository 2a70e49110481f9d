"""One request under way: from its addresses over a connection to its Reply or Failure.

Contract: ends once, with `finish`; what failed is told by `failures`, as for every transport. Follows nothing; sends
again only what a kept connection lost that was dead already (RFC 9112 section 9.3.1).
Not in here: bytes (`connection`), the clock (`transport` calls `on_due` when `due` has come).
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from urlsweep.core.model import Failure, Reason, Reply, Request
from urlsweep.core.urls import is_public
from urlsweep.transport import Done, bounds, failures
from urlsweep.transport.dns import Found, LookupFailedError, NotPublicError
from urlsweep.transport.exchange import Exchange, Stage
from urlsweep.transport.failures import Explanation
from urlsweep.transport.lean.body import Body
from urlsweep.transport.lean.connection import Connection
from urlsweep.transport.lean.head import HeadFault
from urlsweep.transport.lean.origin import Origin
from urlsweep.transport.lean.race import Race, sentence_of

if TYPE_CHECKING:
    from urlsweep.transport.lean.transport import LeanTransport

NEVER: Final = float("inf")


class Call:
    """One request."""

    # What most calls never set stands in the class: one is made for every request.
    _is_over = False
    _is_starting = True
    _is_reused = False
    _stage = Stage.CONNECT
    _connection: Connection | None = None
    _race: Race | None = None
    _addresses: Sequence[str] = ()
    _looked_up: str | None = None
    _refusal: Explanation | None = None  # why the first server's TLS came to nothing, ...
    _verify_code: int | None = None  # ... and what OpenSSL had against its certificate
    _pause = 0.0  # before the last attempt that met a shortage of ours
    _connect_by = NEVER
    _reach_by = NEVER

    def __init__(
        self,
        owner: LeanTransport,
        request: Request,
        origin: Origin,
        data: bytes,
        done: Done,
        now: float,
        *,
        wants_body: bool,
    ) -> None:
        self._owner = owner
        self._origin = origin
        self._done = done
        self._deadline = now + request.timeout
        self.request = request
        self.data = data
        self.begun = now
        self.due = self._deadline  # when `on_due` has to be called
        self.wants_body = wants_body

    # -- the way there

    def start(self) -> None:
        """Send the request on a kept connection, or on a new one. `done` is not called in here."""
        if self._origin.idle:
            self._owner.take_kept(self._origin).ask(self)
        else:
            self._connect(self.begun)
        self._is_starting = False

    def refuse(self, why: str) -> None:
        """Instead of `start`: the request is none that could be sent."""
        self._fail(failures.unsendable(why, self.exchange()))

    @property
    def body(self) -> Body | None:
        """The answer's, where it is wanted."""
        return self._connection.body if self.wants_body and self._connection is not None else None

    def _restart(self) -> None:
        """The connection was dead: on to another. Each round uses up one kept connection, so that it ends."""
        self._connection = None
        self._is_reused = False
        self._stage = Stage.CONNECT
        self._looked_up = None
        if self._origin.idle:
            self._owner.take_kept(self._origin).ask(self)
        else:
            self._connect(self._owner.now())

    def _connect(self, now: float) -> None:
        timeout = min(self.request.connect_timeout, self.request.timeout)
        self._connect_by = self.due = min(now + timeout, self._deadline)
        origin = self._origin
        if origin.literal is None:
            self._stage = Stage.LOOKUP
            found = self._owner.lookups.find(origin.host, origin.port, self._on_found)
            if found is not None:
                self._on_found(found)
        elif origin.is_guarded and not is_public(str(origin.literal)):
            self._fail(Explanation(self._guard, f"{origin.literal} is not a public address"))
        else:
            self._race_for((str(origin.literal),))

    @property
    def _guard(self) -> Reason:
        return self.request.public_only or Reason.SKIP_PRIVATE_ADDRESS

    def _on_found(self, found: Found | LookupFailedError) -> None:
        if self._is_over:
            return
        if isinstance(found, LookupFailedError):
            self._fail(Explanation(found.reason, found.detail))
            return
        addresses = found.addresses
        if self._origin.is_guarded:
            addresses = tuple(address for address in addresses if is_public(address))
            if not addresses:
                refusal = NotPublicError(self._origin.host, found.addresses)
                self._fail(Explanation(self._guard, refusal.detail))
                return
        self._looked_up = addresses[0]
        self._race_for(addresses)

    def _race_for(self, addresses: Sequence[str]) -> None:
        self._stage = Stage.CONNECT
        self._addresses = addresses
        self._race = self._owner.begin_race(self._origin, addresses, self)
        self._reach_by = NEVER if self._origin.is_slow else self._owner.now() + self.request.reach_timeout
        self._await_connection()

    def _await_connection(self) -> None:
        due = self._race.due if self._race is not None else None
        until = min(self._connect_by, self._reach_by)
        self.due = until if due is None else min(due, until)

    def on_connected(self, sock: socket.socket, address: str) -> None:
        """The race was won."""
        race = self._race
        if race is not None:
            self._addresses = race.untried
            self._origin.is_slow |= race.is_late
        self._race = None
        self._stage = Stage.HANDSHAKE if self._origin.is_tls else Stage.ANSWER
        self.due = self._connect_by
        try:
            connection = self._owner.connection(self._origin, sock, address)
        except ValueError as error:  # no name that TLS could ask for
            self._owner.poller.close(sock)
            self._fail(failures.unsendable(str(error), self.exchange()))
            return
        self._connection = connection
        connection.begin(self)

    def on_failed(self, errnos: Sequence[int]) -> None:
        """No address could be connected to."""
        self._race = None
        if self._refusal is not None:  # what a server that could be connected to did tells more
            self._end_refused(self._refusal)
            return
        exchange = self.exchange()
        if not failures.OUR_SHORTAGES.isdisjoint(errnos):
            self._pause = min(2 * self._pause, 1.0) if self._pause else bounds.SHORTAGE_PAUSE_SECONDS
            again_at = self._owner.now() + self._pause
            if again_at < self._connect_by:
                self._owner.drop_unused()  # the quickest way to descriptors of our own
                self.due = again_at
            else:
                self._fail(failures.shortage(exchange))
            return
        explanation = failures.unconnected(errnos, exchange)
        self._fail(explanation or failures.unconnectable(sentence_of(errnos), exchange))

    def on_tls_refused(self, error: ssl.SSLError | None) -> None:
        """TLS came to nothing; None: the connection ended in the middle of it."""
        connection = self._connection
        if connection is not None and connection.is_resuming and self._owner.now() < self._connect_by:
            self._connection = None
            self._race_for((connection.address, *self._addresses))  # once more without the session
            return
        if self._refusal is None:
            exchange = self.exchange()
            self._refusal = (
                failures.left_in_handshake(exchange) if error is None else failures.refused_tls(error, exchange)
            )
            if isinstance(error, ssl.SSLCertVerificationError):
                self._verify_code = int(getattr(error, "verify_code", 1))
        self._connection = None
        if self._addresses and self._owner.now() < self._connect_by:
            self._race_for(self._addresses)  # another server of that name may do better
        else:
            self._end_refused(self._refusal)

    def _end_refused(self, refusal: Explanation) -> None:
        if self._verify_code is None:
            self._fail(refusal)
            return
        self.due = NEVER  # the reading ends in time by itself
        self._stage = Stage.HANDSHAKE
        self._owner.describe(self, refusal, self._verify_code, self.exchange(), self._deadline)

    def on_described(self, explanation: Explanation) -> None:
        """What is wrong with the certificate is known better."""
        self._fail(explanation)

    # -- the answer

    def on_sent(self, connection: Connection, *, is_reused: bool) -> None:
        """The request goes out on `connection`."""
        self._connection = connection
        self._is_reused = is_reused
        self._stage = Stage.ANSWER
        self.due = self._deadline

    def on_draining(self, now: float) -> None:
        """The answer is known; a short body is being read to keep the connection."""
        self.due = now + bounds.DRAIN_SECONDS

    def on_fault(self, fault: HeadFault) -> None:
        """What came is no answer. On a kept connection it may be the late body of an earlier HEAD."""
        if self._is_reused and fault is not HeadFault.HEAD_TOO_LARGE:
            self._restart()
            return
        exchange = self.exchange()
        match fault:
            case HeadFault.GARBAGE:
                explanation = failures.garbage(exchange)
            case HeadFault.HEAD_TOO_LARGE:
                explanation = failures.head_too_large(exchange)
            case HeadFault.FIELD_TOO_LARGE:
                explanation = failures.field_too_large(exchange)
            case HeadFault.TOO_MANY_FIELDS:
                explanation = failures.too_many_fields(exchange)
        self._fail(explanation)

    def on_disconnected(self, number: int) -> None:
        """The connection ended before the answer's header section did."""
        if self._is_stale:
            self._restart()
        else:
            self._fail(failures.disconnected(self.exchange(), is_abrupt=number == errno.ECONNRESET))

    def on_tls_broken(self, error: ssl.SSLError) -> None:
        """TLS broke after the handshake: TLS 1.3 tells some refusals only then."""
        if self._is_stale:
            self._restart()
        else:
            self._fail(failures.refused_tls(error, self.exchange()))

    @property
    def _is_stale(self) -> bool:
        """Whether the connection was dead when the request went out: not a byte came back on one that was kept."""
        reader = self._connection.reader if self._connection is not None else None
        return self._is_reused and (reader is None or not reader.opening)

    # -- the end

    def on_due(self, now: float) -> None:
        """`due` has come."""
        if self._connection is not None and self._connection.is_draining:
            self._connection.on_drained_enough()
        elif now >= self._connect_by or now >= self._deadline:
            self._time_out()
        elif self._race is not None:
            if now >= self._reach_by:
                self._time_out()
                return
            self._race.on_due()
            self._await_connection()
        else:
            self._connect_again(now)

    def _time_out(self) -> None:
        explanation = failures.timed_out(self.exchange())
        race, under_way = self._race, 0.0
        if race is not None and self.request.attempt_timeout and self._refusal is None:
            self._race = None
            under_way = self._owner.leave_race(self._origin, race, self.request.attempt_timeout)
        self._fail(explanation, under_way)

    def _connect_again(self, now: float) -> None:
        """After a shortage of ours: within the time to connect that is left."""
        connect_by = self._connect_by
        self._connect(now)
        self._connect_by = connect_by
        self.due = min(self.due, connect_by)

    def cancel(self) -> None:
        """End it without a word: `done` is not called any more. Idempotent."""
        self._is_over_now()
        self._done = _nobody

    def give_up(self) -> None:
        """The transport is being closed."""
        exchange = self.exchange()
        if self._stage is Stage.ANSWER:
            self._fail(failures.disconnected(exchange, is_abrupt=False))
        else:
            self._fail(failures.unconnectable("the transport was closed", exchange, was_tried=False))

    def _fail(self, explanation: Explanation, under_way: float = 0.0) -> None:
        elapsed = self._owner.now() - self.begun
        self.finish(Failure(explanation.reason, explanation.detail, elapsed, explanation.unreached, under_way))

    def finish(self, event: Reply | Failure | Exception) -> None:
        """The end: tell who asked. An Exception is a bug's."""
        if self._is_over:
            return
        is_starting = self._is_starting
        self._is_over_now()
        if is_starting:
            self._owner.soon(self._tell, event)
        else:
            self._done(event)

    def _tell(self, event: Reply | Failure | Exception) -> None:
        self._done(event)

    def _is_over_now(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._owner.on_over(self, self._origin)
        if self._race is not None:
            self._race.cancel()
            self._race = None
        connection = self._connection
        if connection is not None and connection.call is self:
            connection.close()

    def exchange(self) -> Exchange:
        """What is known of the way so far, for `failures`."""
        origin, connection = self._origin, self._connection
        to_connect = min(self.request.connect_timeout, self.request.timeout)
        if self._stage is Stage.CONNECT and self._reach_by < NEVER:
            to_connect = min(to_connect, self.request.reach_timeout)
        return Exchange(
            origin.scheme,
            origin.host,
            origin.port,
            self.request.timeout,
            to_connect,
            stage=self._stage,
            wire=None if connection is None else connection.reader,
            looked_up=self._looked_up,
        )


def _nobody(event: Reply | Failure | Exception) -> None:
    """Is told what nobody waits for any more."""
