"""The world's certificates: a private authority, and a TLS context for every host name, made when first asked for.

Contract: one key for all leaves (making keys is what takes time); contexts are kept within a bound.
"""

from __future__ import annotations

import datetime as dt
import functools
import ssl
import tempfile
from pathlib import Path
from typing import Final, Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from benchmarks.world.plan import HostKind

CONTEXTS_KEPT: Final = 1024
"""Some 50 KB each; a run meets most names for a few seconds only."""

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

    def leaf(self, host: str, kind: HostKind) -> bytes:
        """The PEM certificate that `host` shows."""
        now = dt.datetime.now(dt.UTC)
        shown = _WRONG_NAME if kind is HostKind.TLS_WRONG_NAME else host
        end = now - _MARGIN if kind is HostKind.TLS_EXPIRED else now + _MARGIN
        is_self_signed = kind is HostKind.TLS_SELF_SIGNED
        # A common name is at most 64 characters (RFC 5280 appendix A.1); host names are longer at times.
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, shown[:64])])
        signer = self._leaf_key if is_self_signed else self._key
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if is_self_signed else self._name)
            .public_key(self._leaf_key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 2 * _MARGIN)
            .not_valid_after(end)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(shown)]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .add_extension(_usage(is_authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        )
        return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def context(self, host: str, kind: HostKind) -> ssl.SSLContext:
        """A server's context that shows `leaf(host, kind)`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with tempfile.NamedTemporaryFile(suffix=".pem") as file:  # the ssl module reads chains from files alone
            file.write(self.leaf(host, kind) + self._leaf_key_pem)
            file.flush()
            context.load_cert_chain(file.name)
        return context

    def save(self, path: Path) -> Self:
        """Write the authority's certificate to `path`, for clients to trust."""
        path.write_bytes(self.pem)
        return self


def server_context(authority: Authority, kinds: dict[str, HostKind]) -> ssl.SSLContext:
    """A context that shows every host of `kinds` its own certificate, by the name in the TLS handshake (RFC 6066)."""

    @functools.lru_cache(maxsize=CONTEXTS_KEPT)
    def context_of(host: str) -> ssl.SSLContext:
        return authority.context(host, kinds.get(host, HostKind.OK))

    def choose(connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext) -> None:
        if name is not None:
            connection.context = context_of(name)

    default = authority.context("unnamed.world.example", HostKind.OK)
    default.sni_callback = choose
    return default


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
