"""The world's certificates: a private authority, and the TLS contexts that every host name is answered with.

Contract: one key for all leaves, and one certificate for many healthy hosts, made before anybody asks: what the server
does while it is measured beside is serving alone.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import ssl
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from benchmarks.world.plan import FAULTY_TLS, HostKind

HOSTS_A_CERTIFICATE: Final = 25
"""As on shared hosting. Its 25 names are less than a kilobyte more for each handshake; a certificate and a context for
each of some 7,000 hosts would cost the server seconds of processor time while it is being asked."""

_MARGIN: Final = dt.timedelta(days=2)
_WRONG_NAME: Final = "another-name.world.example"


class Authority:
    """A certificate authority and its leaves."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())
        self._leaf_key_pem = _pem(self._leaf_key)
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "urlsweep benchmark authority")])
        now = dt.datetime.now(dt.UTC)
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _MARGIN)
            .not_valid_after(now + _MARGIN)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .add_extension(_usage(is_authority=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM)

    def leaf(self, hosts: Sequence[str], kind: HostKind = HostKind.OK) -> bytes:
        """The PEM certificate that `hosts` (names, wildcards or addresses) of `kind` show."""
        now = dt.datetime.now(dt.UTC)
        shown = [_WRONG_NAME] if kind is HostKind.TLS_WRONG_NAME else hosts
        end = now - _MARGIN if kind is HostKind.TLS_EXPIRED else now + _MARGIN
        is_self_signed = kind is HostKind.TLS_SELF_SIGNED
        # A common name is at most 64 characters (RFC 5280 appendix A.1); host names are longer at times.
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, shown[0][:64])])
        signer = self._leaf_key if is_self_signed else self._key
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if is_self_signed else self._name)
            .public_key(self._leaf_key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 2 * _MARGIN)
            .not_valid_after(end)
            .add_extension(x509.SubjectAlternativeName(list(map(_general_name, shown))), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .add_extension(_usage(is_authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        )
        return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def chain(self, hosts: Sequence[str], kind: HostKind = HostKind.OK) -> bytes:
        """`leaf(hosts, kind)` with its key, as servers read it."""
        return self.leaf(hosts, kind) + self._leaf_key_pem

    def context(self, hosts: Sequence[str], kind: HostKind = HostKind.OK) -> ssl.SSLContext:
        """A server's context that shows `leaf(hosts, kind)`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:  # the ssl module reads chains from files alone
            file.write(self.chain(hosts, kind))
            file.flush()
            context.load_cert_chain(file.name)
        return context

    def save(self, path: Path) -> Self:
        """Write the authority's certificate to `path`, for clients to trust."""
        path.write_bytes(self.pem)
        return self


def server_context(authority: Authority, kinds: Mapping[str, HostKind]) -> ssl.SSLContext:
    """A context that shows every host of `kinds` its certificate, by the name in the TLS handshake (RFC 6066)."""
    contexts: dict[str, ssl.SSLContext] = {}
    healthy = [host for host, kind in kinds.items() if kind in _SHARING]
    for start in range(0, len(healthy), HOSTS_A_CERTIFICATE):
        hosts = healthy[start : start + HOSTS_A_CERTIFICATE]
        contexts |= dict.fromkeys(hosts, authority.context(hosts))
    for host, kind in kinds.items():
        if kind in FAULTY_TLS:
            contexts[host] = authority.context([host], kind)
    default = authority.context(["unnamed.world.example"])

    def choose(connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        connection.context = contexts.get(name or "", default)

    default.sni_callback = choose
    return default


_SHARING: Final = frozenset({HostKind.OK, HostKind.BUSY})


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
