"""TLS: whom to trust, and how to tell that a handshake is under way.

Contract: `check_files` is cheap and finds what is wrong with the files given; `client_context` is not (some 30 ms for
the system's authorities) and is called at the first https request.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Final

from urlsweep.transport.exchange import Stage, note
from urlsweep.transport.options import TransportOptionError, TransportOptions

_OP_LEGACY_SERVER_CONNECT: Final = getattr(ssl, "OP_LEGACY_SERVER_CONNECT", 0x4)  # named from Python 3.12 on


class _NotedObject(ssl.SSLObject):
    """Notes on the current exchange that the handshake has begun: a hang can then be told from TCP's own."""

    def do_handshake(self) -> None:
        note(Stage.HANDSHAKE)
        super().do_handshake()


def check_files(options: TransportOptions) -> None:
    """Read the certificate files that `options` names. Raises TransportOptionError for what cannot be used."""
    if options.cacert is not None or options.cert is not None:
        _load_files(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), options)


def client_context(options: TransportOptions) -> ssl.SSLContext:
    """The context for every https request.

    The same on every Python: 3.13 added X.509 strictness that no browser has, and left partial chains (an intermediate
    certificate as the trusted one) refused before; Debian's takes TLS 1.0 and 1.1, which no browser does (RFC 8996).
    Servers without secure renegotiation (RFC 5746) are connected to, as browsers do: a status is read, nothing is
    renegotiated.
    """
    context = ssl.create_default_context()
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if not context.cert_store_stats()["x509_ca"] and not _has_system_directory():
        # A system without authorities at all (slim containers): every https link would be called untrusted.
        import certifi  # 5 ms that a system with its own does not spend

        context.load_verify_locations(cafile=certifi.where())
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.options |= _OP_LEGACY_SERVER_CONNECT
    _load_files(context, options)
    if options.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.sslobject_class = _NotedObject
    return context


def unverified_context() -> ssl.SSLContext:
    """A context that accepts any certificate: only to read one that was refused, never to ask for anything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.options |= _OP_LEGACY_SERVER_CONNECT
    return context


def _has_system_directory() -> bool:
    """Whether the system keeps its authorities in a directory, which OpenSSL reads only when it meets one."""
    directory: str | None = ssl.get_default_verify_paths().capath  # None where it does not exist
    return directory is not None and any(Path(directory).iterdir())


def _load_files(context: ssl.SSLContext, options: TransportOptions) -> None:
    if options.cacert is not None:
        path = Path(options.cacert)
        try:
            if path.is_dir():
                context.load_verify_locations(capath=str(path))
            else:
                context.load_verify_locations(cafile=str(path))
        except ssl.SSLError:
            raise TransportOptionError(
                f"cacert: {path} holds no certificate that can be read: give a PEM file (-----BEGIN CERTIFICATE-----)"
            ) from None
        except OSError as error:
            raise TransportOptionError(
                f"cacert: {path} cannot be read ({error.strerror}): give a PEM file or a directory of certificates"
            ) from None
    if options.cert is not None:
        _load_client_certificate(context, options.cert, options.key)


def _load_client_certificate(context: ssl.SSLContext, cert: str, key: str | None) -> None:
    for option, path in (("cert", cert), ("key", key)):
        if path is not None:
            try:
                Path(path).read_bytes()  # load_cert_chain does not say which of the two it could not read
            except OSError as error:
                raise TransportOptionError(
                    f"{option}: {path} cannot be read ({error.strerror}): give a PEM file"
                ) from None
    is_encrypted = False

    def no_password() -> bytes:
        # Without this OpenSSL would ask on the terminal, in the middle of a run.
        nonlocal is_encrypted
        is_encrypted = True
        return b""

    try:
        context.load_cert_chain(cert, key, password=no_password)
    except (ssl.SSLError, ValueError, OSError):
        if is_encrypted:
            raise TransportOptionError(
                f"key: {key or cert} is encrypted: give one without a password (openssl pkey -in FILE -out PLAIN)"
            ) from None
        if key is None:
            raise TransportOptionError(
                f"cert: {cert} holds no certificate with its private key in PEM form: give the key's own file as key"
            ) from None
        raise TransportOptionError(
            f"cert: {cert} and key: {key} are not a certificate and its own key in PEM form: check that they match"
        ) from None
