"""What a refused certificate says: the names and dates that matter, for the sentence beside the reason.

Contract: best effort, and nothing depends on it. One more handshake to the same origin, unverified, over which nothing
is sent; bounded in time, remembered by origin. What a certificate holds is hostile text: clipped, counted, cleaned.
"""

from __future__ import annotations

import asyncio
import datetime
import socket
import warnings
from collections import OrderedDict
from typing import Final, NamedTuple, Protocol

from urlsweep.core.urls import address_of, clip, is_public
from urlsweep.transport import tls
from urlsweep.transport.dns import LookupFailedError
from urlsweep.transport.exchange import Exchange

HANDSHAKE_SECONDS: Final = 5.0
"""For the extra handshake: the first one has shown how quick the server is, and the reason is known without it."""

REMEMBERED_ORIGINS: Final = 4_096
NAMES_SHOWN: Final = 3
NAME_CHARACTERS: Final = 80  # of 253 that a name may have

_EXPIRED: Final = 10
_NOT_YET_VALID: Final = 9
_SELF_SIGNED: Final = 18
_SELF_SIGNED_CHAIN: Final = 19
_MISSING_ISSUER: Final = (20, 21)
_NAME_MISMATCH: Final = (62, 64)


class Certificate(NamedTuple):
    """What matters of one."""

    names: tuple[str, ...]  # it is for these; cleaned
    more_names: int  # and as many others
    subject: str
    issuer: str
    not_before: datetime.datetime
    not_after: datetime.datetime


class AddressBook(Protocol):
    """Who knows the addresses of names."""

    async def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """The IP addresses of `host`, at least one. Raises LookupFailedError."""


class CertificateReader:
    """Reads the certificates of servers whose own was refused."""

    def __init__(self, resolver: AddressBook) -> None:
        self._resolver = resolver
        self._context = tls.unverified_context()
        self._remembered: OrderedDict[tuple[str, int, bool], Certificate | None] = OrderedDict()

    async def describe(self, exchange: Exchange, code: int, public_only: bool, deadline: float) -> str | None:
        """A sentence on why OpenSSL's verification `code` came up for the origin of `exchange`; None: nothing to add.

        With `public_only` no other address is connected to. Ends by `deadline` (the loop's time). Never raises but for
        cancellation.
        """
        certificate = await self._certificate(exchange.host, exchange.port, public_only, deadline)
        return None if certificate is None else sentence(certificate, code, exchange.host)

    async def _certificate(self, host: str, port: int, public_only: bool, deadline: float) -> Certificate | None:
        key = (host, port, public_only)
        if key in self._remembered:
            self._remembered.move_to_end(key)
            return self._remembered[key]
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(min(deadline, loop.time() + HANDSHAKE_SECONDS)):
                encoded = await self._fetch(host, port, public_only)
        except (OSError, TimeoutError, LookupFailedError):
            return None  # perhaps next time
        certificate = None if encoded is None else read_certificate(encoded)
        self._remembered[key] = certificate
        if len(self._remembered) > REMEMBERED_ORIGINS:
            self._remembered.popitem(last=False)
        return certificate

    async def _fetch(self, host: str, port: int, public_only: bool) -> bytes | None:
        literal = address_of(host)
        addresses = [str(literal)] if literal is not None else await self._resolver.addresses(host, port)
        if public_only:
            addresses = [address for address in addresses if is_public(address)]
        if not addresses:
            return None
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(
            asyncio.Protocol,
            addresses[0],
            port,
            ssl=self._context,
            server_hostname=host.strip("[]").rstrip("."),
            flags=socket.AI_NUMERICHOST,
        )
        try:
            encoded = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
            return bytes(encoded) if encoded else None
        finally:
            transport.abort()


def read_certificate(encoded: bytes) -> Certificate | None:
    """What `encoded` (DER) says; None where it cannot be read."""
    from cryptography import x509  # 40 ms that a run without refused certificates does not spend
    from cryptography.x509.oid import NameOID

    def name_of(name: x509.Name) -> str:
        for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME):
            for attribute in name.get_attributes_for_oid(oid):
                return _clean(str(attribute.value))
        return "an authority without a name"

    def names_in(parsed: x509.Certificate) -> list[str]:
        try:
            alternatives = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return [str(attribute.value) for attribute in parsed.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        return [
            *alternatives.get_values_for_type(x509.DNSName),
            *(str(address) for address in alternatives.get_values_for_type(x509.IPAddress)),
        ]

    try:
        # cryptography warns of odd ones (a serial number of 0): nothing that whoever runs the program can change.
        with warnings.catch_warnings(action="ignore"):
            parsed = x509.load_der_x509_certificate(encoded)
            names = names_in(parsed)
            return Certificate(
                tuple(_clean(name) for name in names[:NAMES_SHOWN]),
                max(0, len(names) - NAMES_SHOWN),
                name_of(parsed.subject),
                name_of(parsed.issuer),
                parsed.not_valid_before_utc,
                parsed.not_valid_after_utc,
            )
    except (ValueError, TypeError, x509.InvalidVersion, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        return None


def sentence(certificate: Certificate, code: int, host: str) -> str | None:
    """What `certificate` has to do with verification `code`."""
    names = ", ".join(certificate.names) or "no name at all"
    if certificate.more_names:
        names += f" and {certificate.more_names} more"
    if code == _EXPIRED:
        return f"the certificate expired on {certificate.not_after:%Y-%m-%d} (issued to {names})"
    if code == _NOT_YET_VALID:
        return f"the certificate is valid from {certificate.not_before:%Y-%m-%d} only (issued to {names})"
    if code in _NAME_MISMATCH:
        return f"the certificate is for {names}, not for {clip(host)}"
    if code == _SELF_SIGNED:
        return f"the certificate is signed by itself (issued to {names})"
    if code == _SELF_SIGNED_CHAIN:
        return (
            f"the certificate leads to an authority that is not trusted ({certificate.issuer}); trust it with --cacert"
        )
    if code in _MISSING_ISSUER:
        return (
            f"the certificate is from {certificate.issuer}, which is not known here: the server may not send its"
            " intermediate certificate, or a private authority has to be trusted with --cacert"
        )
    return None


def _clean(text: str) -> str:
    """`text` without what a terminal would act on, shortened."""
    return clip("".join(character if character.isprintable() else "?" for character in text), NAME_CHARACTERS)
