"""Names to addresses: look-ups by aiodns, shared and remembered, and what each resolver's answer means.

Contract: `Resolver.addresses` gives at least one address or raises `LookupFailedError` with a reason that can be
trusted: `dns.not_found` only where the DNS denied the name for every family that was asked; anything else that went
wrong is `dns.failure` or `dns.timeout`, which may pass.
Not in here: connecting, and whether an address may be asked.

Choices:
- A and AAAA are asked apart. One c-ares call for both reports the status of whichever answer came last: a failure of
  one half could hide behind a denial of the other and a live name be called missing.
- Where this machine has no IPv6, AAAA is asked only for a name that has no A: nobody needs an address that cannot be
  reached (getaddrinfo's AI_ADDRCONFIG, RFC 3493 section 6.1). A name is missing only if both were denied.
- The hosts file comes first, for all families at once: a host pinned there must not get the DNS's other family.
- The search list is for names without a dot, as in `http://intranet/`. A name with a dot is absolute (libc, and with it
  most browsers, would try it under each search domain too, where a wildcard makes every dead link live).
"""

from __future__ import annotations

import asyncio
import functools
import pathlib
import socket
import sys
from collections import OrderedDict
from collections.abc import Sequence
from itertools import chain
from typing import Any, Final, NamedTuple, Protocol

from urlsweep.core.model import Reason
from urlsweep.core.urls import clip
from urlsweep.transport.hosts_file import HostsFile, hosts_path
from urlsweep.transport.options import Family, TransportOptions

LOOKUP_SECONDS: Final = 5.0
"""One whole look-up, its tries included: libc's own time-out, and half of the 10 s a connection may take."""

QUERY_SECONDS: Final = 1.5
"""A server's first query; c-ares then goes by how fast that server has been (250 ms at least), doubled each round."""

QUERY_TRIES: Final = 5
"""Rounds over the servers: from 250 ms on, doubling, five take 7.75 s, so that it is the look-up's time that ends it.
With three, a name that a quick server needs 2 s to find out was given up."""

RESOLUTION_DELAY_SECONDS: Final = 0.05
"""How long AAAA is waited for once A has come (RFC 8305 section 3): some name servers never answer it."""

MIN_REMEMBERED_SECONDS: Final = 30.0
"""A host's URLs are asked within a short while; a TTL of 0 would mean a look-up for each."""

MAX_REMEMBERED_SECONDS: Final = 300.0
"""A sweep runs for hours; an address that moved must be noticed."""

DENIAL_REMEMBERED_SECONDS: Final = 30.0
"""Denials (RFC 2308) are final for a URL at once; this spares the host's other URLs the look-up. What may pass is not
remembered at all: later tries must really ask again."""

REMEMBERED_HOSTS: Final = 20_000
"""Names kept: some 20 MB at the most, and many times what the engine has open or queued near its front."""

LONGEST_NAME: Final = 253  # octets, as it is written without the final dot
LONGEST_LABEL: Final = 63

_DENIALS: Final = frozenset({Reason.DNS_NOT_FOUND})
_FAMILIES: Final[dict[Family, tuple[socket.AddressFamily, ...]]] = {
    "any": (socket.AF_INET, socket.AF_INET6),
    "ipv4": (socket.AF_INET,),
    "ipv6": (socket.AF_INET6,),
}
_LOOPBACK: Final = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}


class LookupFailedError(OSError):
    """No address: `reason` and `detail` say why."""

    def __init__(self, reason: Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class NotPublicError(OSError):
    """The name has addresses, and none of them is public."""

    def __init__(self, host: str, addresses: Sequence[str]) -> None:
        super().__init__(f"{host} is not public")
        self.detail = f"{host} has the address {addresses[0]}, which is not public"


class Found(NamedTuple):
    """What one look-up gave."""

    addresses: tuple[str, ...]
    ttl: float  # seconds that it may be remembered


class Backend(Protocol):
    """Who really asks."""

    async def look_up(self, host: str, rounds: Sequence[Sequence[socket.AddressFamily]]) -> Found:
        """The addresses of `host`; see `Names.rounds`. Raises LookupFailedError, within LOOKUP_SECONDS."""

    async def aclose(self) -> None:
        """Give up what is still asked."""


def _rounds(families: tuple[socket.AddressFamily, ...]) -> Sequence[tuple[socket.AddressFamily, ...]]:
    return (families,) if len(families) == 1 or has_ipv6() else tuple((family,) for family in families)


class Names:
    """What is known of names without asking anybody: overrides, special names, earlier answers."""

    def __init__(self, options: TransportOptions) -> None:
        self.families = _FAMILIES[options.family]
        self.rounds = _rounds(self.families)
        """The families to ask for: those of a round together, a later round where none of them has an address."""
        self._overrides: dict[tuple[str, int], list[str]] = {}
        for host, port, address in options.resolve:
            self._overrides.setdefault((host.lower().rstrip("."), port), []).append(address.strip("[]"))
        self._remembered: OrderedDict[str, tuple[float, Found | LookupFailedError]] = OrderedDict()

    def known(self, name: str, port: int, now: float) -> Found | LookupFailedError | None:
        """What `name` (see `name_of`) leads to; None where it has to be looked up. `now` is the loop's time."""
        if self._overrides:
            pinned = self._overrides.get((name, port)) or self._overrides.get(("*", port))
            if pinned is not None:
                return Found(tuple(pinned), 0)
        special = _special(name, self.families)
        if special is not None:
            return special
        known = self._remembered.get(name)
        if known is None:
            return None
        until, found = known
        if now >= until:
            del self._remembered[name]
            return None
        self._remembered.move_to_end(name)
        return found

    def learn(self, name: str, found: Found | LookupFailedError, now: float) -> None:
        """Remember what a look-up gave, for as long as it may be."""
        if isinstance(found, Found):
            seconds = min(max(found.ttl, MIN_REMEMBERED_SECONDS), MAX_REMEMBERED_SECONDS)
        elif found.reason in _DENIALS:
            seconds = DENIAL_REMEMBERED_SECONDS
            found = found.with_traceback(None)
        else:
            return
        self._remembered[name] = (now + seconds, found)
        if len(self._remembered) > REMEMBERED_HOSTS:
            self._remembered.popitem(last=False)


def name_of(host: str) -> str:
    """The name that `host` is known by: lower case, without a final dot."""
    return host.lower().rstrip(".")


class Resolver:
    """Addresses of names: what is known, then the backend, each name asked once however many want it."""

    def __init__(self, options: TransportOptions, backend: Backend | None = None) -> None:
        self._names = Names(options)
        self._backend = backend or _backend(options)
        self._lookups: dict[str, asyncio.Task[Found | LookupFailedError]] = {}
        self._is_closed = False
        self.lookup_seconds = 0.0  # that the backend took so far, all look-ups added up

    async def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """The IP addresses of `host`, at least one. Raises LookupFailedError.

        A look-up goes on for the others that wait for it, and for later ones, when one who waits is cancelled.
        """
        name = name_of(host)
        found = self._names.known(name, port, asyncio.get_running_loop().time())
        if found is None:
            found = await self._shared(name)
        if isinstance(found, LookupFailedError):
            raise LookupFailedError(found.reason, found.detail)  # a fresh one: tracebacks grow with each raise
        return found.addresses

    async def _shared(self, name: str) -> Found | LookupFailedError:
        if self._is_closed:
            return CLOSED
        task = self._lookups.get(name)
        if task is None:
            task = asyncio.create_task(self._look_up(name), name=f"look-up of {name}")
            self._lookups[name] = task
            task.add_done_callback(lambda _: self._lookups.pop(name, None))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if self._is_closed and task.cancelled() and not _is_cancelling():
                return CLOSED
            raise

    async def _look_up(self, name: str) -> Found | LookupFailedError:
        found: Found | LookupFailedError
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            found = await self._backend.look_up(name, self._names.rounds)
        except LookupFailedError as error:
            found = error
        finally:
            self.lookup_seconds += loop.time() - begun
        self._names.learn(name, found, loop.time())
        return found

    async def aclose(self) -> None:
        """End every look-up; who waits for one gets LookupFailedError. Idempotent."""
        if self._is_closed:
            return
        self._is_closed = True
        tasks = list(self._lookups.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._backend.aclose()


def _special(name: str, families: Sequence[socket.AddressFamily]) -> Found | LookupFailedError | None:
    """The answer for a name that must not be asked for (RFC 6761, RFC 7686), or cannot be (RFC 1035 section 2.3.4)."""
    top = name.rpartition(".")[2]
    if top == "localhost":
        return Found(tuple(_LOOPBACK[family] for family in families), 0)
    if top == "invalid":
        return LookupFailedError(Reason.DNS_NOT_FOUND, f"{clip(name)} does not exist: no name under .invalid does")
    if top == "onion":
        return LookupFailedError(
            Reason.DNS_NOT_FOUND, f"{clip(name)} exists within Tor only: ask it through Tor's SOCKS proxy"
        )
    is_long = len(name) > LONGEST_LABEL and (len(name) > LONGEST_NAME or max(map(len, name.split("."))) > LONGEST_LABEL)
    if is_long or not name or name[0] == "." or ".." in name:
        return LookupFailedError(Reason.DNS_NOT_FOUND, f"{clip(name)} cannot exist: it is not a name the DNS can hold")
    return None


def _is_cancelling() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


CLOSED: Final = LookupFailedError(Reason.DNS_FAILURE, "the look-up was given up: the transport was closed")
"""What is told who waits for a look-up when the transport is closed."""


def _backend(options: TransportOptions) -> Backend:
    try:
        return AresBackend(options)
    except (ImportError, RuntimeError):
        # No wheel of c-ares for this platform; or Windows' Proactor loop without c-ares' own thread.
        return SystemBackend()


# --- aiodns -----------------------------------------------------------------------------------------------------------


class AresBackend:
    """Look-ups by c-ares (aiodns)."""

    def __init__(self, options: TransportOptions) -> None:
        """Raises RuntimeError where c-ares cannot run, ImportError where it is missing."""
        import aiodns  # 60 ms that whoever asks by the fast transport does not spend

        self._hosts_file = HostsFile(hosts_path())
        self._dns = aiodns.DNSResolver(list(options.resolvers) or None, timeout=QUERY_SECONDS, tries=QUERY_TRIES)

    async def look_up(self, host: str, rounds: Sequence[Sequence[socket.AddressFamily]]) -> Found:
        """The hosts file's addresses, or else the DNS's, the machine's preferred family first."""
        pinned = self._hosts_file.addresses(host, list(chain.from_iterable(rounds)))
        if pinned:
            return Found(pinned, MIN_REMEMBERED_SECONDS)
        name = f"{host}." if "." in host else host  # with a final dot c-ares leaves the search list alone
        due = asyncio.get_running_loop().time() + LOOKUP_SECONDS
        halves: dict[socket.AddressFamily, asyncio.Future[Any]] = {}
        error = CLOSED
        try:
            for families in rounds:
                halves |= {family: self._dns.getaddrinfo(name, family=family) for family in families}
                await self._wait(halves, due)
                found = combined(host, [_half_of(half) for half in halves.values()])
                if isinstance(found, Found):
                    return found
                error = found
        finally:
            for half in halves.values():
                if not half.cancel() and not half.cancelled():
                    half.exception()  # looked at, or asyncio would complain of it when nobody waits any more
        raise error

    @staticmethod
    async def _wait(halves: dict[socket.AddressFamily, asyncio.Future[Any]], due: float) -> None:
        """Until all have answered, or A has and AAAA takes too long, or it is `due`."""
        time = asyncio.get_running_loop().time
        ipv4 = halves.get(socket.AF_INET)
        if ipv4 is not None and len(halves) > 1:
            await asyncio.wait([ipv4], timeout=max(0.0, due - time()))
            if ipv4.done() and ipv4.exception() is None:
                due = time() + RESOLUTION_DELAY_SECONDS
        await asyncio.wait(halves.values(), timeout=max(0.0, due - time()))

    async def aclose(self) -> None:
        """End the channel; c-ares gives what is still asked up."""
        await self._dns.close()


def _half_of(answer: asyncio.Future[Any]) -> Half | None:
    if not answer.done():
        return None
    error = answer.exception()
    return Half.of(answer.result()) if error is None else Half(int(error.args[0]))


class Half(NamedTuple):
    """What c-ares says of one family."""

    status: int | None  # an error of c-ares; None: it has addresses
    addresses: tuple[str, ...] = ()
    ttl: int = 0

    @classmethod
    def of(cls, result: Any) -> Half:
        """`result` is c-ares' for getaddrinfo."""
        addresses = dict.fromkeys(node.addr[0].decode("ascii") for node in result.nodes)
        return cls(None, tuple(addresses), min((node.ttl for node in result.nodes), default=0))


def combined(host: str, halves: Sequence[Half | None]) -> Found | LookupFailedError:
    """What the answers of all families say together. None stands for one that did not come in time."""
    addresses: list[str] = []
    ttls: list[int] = []
    errors: list[int] = []
    for half in halves:
        if half is None:
            errors.append(_timed_out())
        elif half.status is not None:
            errors.append(half.status)
        else:
            addresses.extend(half.addresses)
            ttls.append(half.ttl)
    if not addresses:
        return _denied(host, errors)
    if len(ttls) > 1:
        prefers_ipv6 = _has_ipv6_route()  # RFC 6724: an address that no route leads to comes last
        addresses.sort(key=lambda address: (":" in address) != prefers_ipv6)
    return Found(tuple(addresses), min(ttls))


def _timed_out() -> int:
    from pycares import errno as codes

    return int(codes.ARES_ETIMEOUT)


def _denied(host: str, errors: Sequence[int]) -> LookupFailedError:
    """Why no family has an address: missing only if the DNS said so for each."""
    from pycares import errno as codes

    name = clip(host)
    failed = [error for error in errors if error not in (codes.ARES_ENOTFOUND, codes.ARES_ENODATA, codes.ARES_EBADNAME)]
    if codes.ARES_ETIMEOUT in failed:
        return LookupFailedError(Reason.DNS_TIMEOUT, f"no DNS server answered for {name} within {LOOKUP_SECONDS:g} s")
    if failed:
        told = {
            codes.ARES_ESERVFAIL: "the DNS server failed to resolve {} (SERVFAIL)",
            codes.ARES_EREFUSED: "the DNS server refused to resolve {} (REFUSED)",
            codes.ARES_EFORMERR: "the DNS server did not understand the query for {} (FORMERR)",
            codes.ARES_ENOTIMP: "the DNS server does not know the kind of query for {} (NOTIMP)",
            codes.ARES_EBADRESP: "the DNS server's answer for {} cannot be read",
            codes.ARES_ECONNREFUSED: "no DNS server could be reached to resolve {}",
            codes.ARES_ECANCELLED: "the look-up of {} was given up: the transport was closed",
        }
        sentence = told.get(failed[0], f"the look-up of {{}} failed (c-ares error {failed[0]})")
        return LookupFailedError(Reason.DNS_FAILURE, sentence.format(name))
    if codes.ARES_EBADNAME in errors:
        return LookupFailedError(Reason.DNS_NOT_FOUND, f"{name} cannot exist: it is not a name the DNS can hold")
    if codes.ARES_ENODATA in errors:
        return LookupFailedError(Reason.DNS_NOT_FOUND, f"{name} exists but has no address (NODATA)")
    return LookupFailedError(Reason.DNS_NOT_FOUND, f"{name} does not exist (NXDOMAIN)")


@functools.cache
def has_ipv6() -> bool:
    """Whether this machine has an IPv6 address beside ::1 and link-local ones. True where that is unknown."""
    try:
        return _names_ipv6(pathlib.Path("/proc/net/if_inet6").read_text("ascii"))
    except FileNotFoundError:
        return sys.platform != "linux"  # there it is missing where IPv6 is switched off
    except (OSError, ValueError, IndexError):
        return True


def _names_ipv6(table: str) -> bool:
    """Whether `table`, in the form of Linux's if_inet6, has an address whose scope is neither the host nor the link."""
    return any(line.split()[3] not in ("10", "20") for line in table.splitlines())


@functools.cache
def _has_ipv6_route() -> bool:
    """Whether this machine has a route to the IPv6 internet. Nothing is sent: UDP's connect only looks the route up."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.connect(("2001:4860:4860::8888", 53))  # any global address does
    except OSError:
        return False
    return True


# --- the system's resolver --------------------------------------------------------------------------------------------


class SystemBackend:
    """Look-ups by getaddrinfo on the loop's threads, where aiodns cannot run. Tells less apart, and knows no TTL."""

    async def look_up(self, host: str, rounds: Sequence[Sequence[socket.AddressFamily]]) -> Found:
        """The addresses of `host` in the system's own order."""
        families = list(chain.from_iterable(rounds))
        family = families[0] if len(families) == 1 else socket.AF_UNSPEC
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(LOOKUP_SECONDS):
                infos = await loop.getaddrinfo(host, None, family=family, type=socket.SOCK_STREAM)
        except TimeoutError:
            raise LookupFailedError(
                Reason.DNS_TIMEOUT, f"the system did not resolve {clip(host)} within {LOOKUP_SECONDS:g} s"
            ) from None
        except socket.gaierror as error:
            raise _system_denied(host, error) from None
        except UnicodeError:
            raise LookupFailedError(
                Reason.DNS_NOT_FOUND, f"{clip(host)} cannot exist: it is not a name the DNS can hold"
            ) from None
        addresses = tuple(dict.fromkeys(str(info[4][0]).partition("%")[0] for info in infos))
        return Found(addresses, MIN_REMEMBERED_SECONDS)

    async def aclose(self) -> None:
        """Nothing: the threads are the loop's."""


_SYSTEM_DENIALS: Final = frozenset(
    getattr(socket, name) for name in ("EAI_NONAME", "EAI_NODATA", "EAI_ADDRFAMILY") if hasattr(socket, name)
)


def _system_denied(host: str, error: socket.gaierror) -> LookupFailedError:
    if error.errno in _SYSTEM_DENIALS:
        return LookupFailedError(Reason.DNS_NOT_FOUND, f"{clip(host)} does not exist or has no address")
    return LookupFailedError(Reason.DNS_FAILURE, f"the system failed to resolve {clip(host)} ({error.strerror})")
