"""Certificates of every kind, good and bad, and the TLS contexts of servers that show them.

Contract: made anew each time, in memory, with `cryptography`; nothing is trusted by anybody unless its authority's file
is handed over. What is made here is for tests and demonstrations: keys are written to temporary files for as long as
OpenSSL reads them.
Not in here: sockets (see `faults`), and what a client makes of it.

    >>> authority = Authority()
    >>> context = server_context(authority.issue("shop.test", "127.0.0.1"))
    >>> expired = server_context(authority.issue("shop.test", valid_days=(-30, -1)))
    >>> authority.certificate.subject.rfc4514_string()
    'CN=urlsweep test authority'
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import tempfile
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

VALID_DAYS: Final = (-1, 30)
"""Valid from yesterday (clocks differ) for a month: long enough for anything that is thrown away at its end."""


@dataclass(frozen=True, slots=True)
class Identity:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey = field(repr=False)

    def pem(self) -> bytes:
        """Key and certificate, as OpenSSL reads them from one file."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return key + self.certificate.public_bytes(Encoding.PEM)

    def write(self, path: Path) -> str:
        """Write `pem` to `path` and give its name, for what wants a file (`Settings.cert`)."""
        path.write_bytes(self.pem())
        return str(path)


class Authority:
    """A certificate authority of one's own.

    `names` are DNS names or IP addresses. `valid_days` are counted from now: ``(-30, -1)`` has expired yesterday,
    ``(1, 30)`` is not valid before tomorrow.
    """

    def __init__(self, name: str = "urlsweep test authority") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        self.certificate = (
            _begun(_name(name), _name(name), self._key, VALID_DAYS)
            # What RFC 5280 section 4.2 asks of an authority; Python 3.13 verifies strictly by default.
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )

    def issue(self, *names: str, valid_days: tuple[float, float] = VALID_DAYS) -> Identity:
        """An identity of a server, or of a client, for `names`."""
        key = ec.generate_private_key(ec.SECP256R1())
        issuer = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        certificate = (
            _begun(_name(names[0]), self.certificate.subject, key, valid_days)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer),
                critical=False,
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_alternative_names(names), critical=False)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        return Identity(certificate, key)

    def write(self, path: Path) -> str:
        """Write the authority's certificate to `path` and give its name, for who shall trust it (`Settings.cacert`)."""
        path.write_bytes(self.pem())
        return str(path)

    def pem(self) -> bytes:
        """The authority's certificate."""
        return self.certificate.public_bytes(Encoding.PEM)


def self_signed(*names: str, valid_days: tuple[float, float] = VALID_DAYS) -> Identity:
    """An identity that vouches for itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        _begun(_name(names[0]), _name(names[0]), key, valid_days)
        .add_extension(_alternative_names(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Identity(certificate, key)


def server_context(
    identity: Identity, *, client_authority: Authority | None = None, newest: ssl.TLSVersion | None = None
) -> ssl.SSLContext:
    """A server's context that shows `identity`.

    `client_authority`: clients must show a certificate that it issued. `newest`: the newest version of TLS that is
    spoken; with `ssl.TLSVersion.TLSv1_1` the long outdated ones only (RFC 8996).
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as directory:
        context.load_cert_chain(identity.write(Path(directory, "identity.pem")))
    if client_authority is not None:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(cadata=client_authority.pem().decode())
    if newest is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # that they are outdated is the point
            context.minimum_version = min(newest, ssl.TLSVersion.TLSv1_2)
            context.maximum_version = newest
        if newest < ssl.TLSVersion.TLSv1_2:
            context.set_ciphers("DEFAULT:@SECLEVEL=0")  # their digests are too weak for OpenSSL's own default
    return context


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, valid_days: tuple[float, float]
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    first, last = (now + dt.timedelta(days=days) for days in valid_days)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(first)
        .not_valid_after(last)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name[:64])])  # its bound in RFC 5280 appendix A


def _alternative_names(names: tuple[str, ...]) -> x509.SubjectAlternativeName:
    general: list[x509.GeneralName] = []
    for name in names:
        try:
            general.append(x509.IPAddress(ipaddress.ip_address(name)))
        except ValueError:
            general.append(x509.DNSName(name))
    return x509.SubjectAlternativeName(general)
