"""TLS: every way a certificate or a handshake fails, told apart; and the files that options name."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import socket
import ssl
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import certifi
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from urlsweep.core.model import Failure, Reason, Reply
from urlsweep.transport import tls
from urlsweep.transport.certificates import Certificate, read_certificate, sentence
from urlsweep.transport.options import TransportOptionError, TransportOptions

if TYPE_CHECKING:
    from tests.transport.conftest import Ask, MakeTransport, Peer, Serve

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


async def always_ok(peer: Peer) -> None:
    while True:
        await peer.head()
        await peer.say(OK)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(organization_name="Test Authority", key_type=trustme.KeyType.ECDSA)


@pytest.fixture
def cacert(authority: trustme.CA, tmp_path: Path) -> str:
    path = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


IssueContext = Callable[..., ssl.SSLContext]


@pytest.fixture
def context_for(authority: trustme.CA) -> IssueContext:
    """``context_for(name, ...)``: a server's context with a certificate of the authority's for these names."""

    def make(*names: str, **options: Any) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names, key_type=trustme.KeyType.ECDSA, **options).configure_cert(context)
        return context

    return make


@pytest.fixture
def serve_blocking() -> Iterator[Callable[[ssl.SSLContext], str]]:
    """``serve_blocking(context)``: the URL of a server that sends its alerts before it closes, as OpenSSL's users do
    and asyncio does not."""
    listeners: list[socket.socket] = []
    threads: list[threading.Thread] = []

    def answer(listener: socket.socket, context: ssl.SSLContext) -> None:
        with contextlib.suppress(OSError):  # the listener was shut down: the test is over
            while True:
                raw, _ = listener.accept()
                with raw:
                    raw.settimeout(5)
                    try:
                        with context.wrap_socket(raw.dup(), server_side=True) as connection:
                            connection.recv(65536)
                            connection.sendall(OK)
                    except OSError:
                        with contextlib.suppress(OSError):
                            raw.shutdown(socket.SHUT_WR)
                            while raw.recv(65536):
                                pass

    def start(context: ssl.SSLContext) -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)
        threads.append(threading.Thread(target=answer, args=(listener, context), daemon=True))
        threads[-1].start()
        return f"https://localhost:{listener.getsockname()[1]}/"

    yield start
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for thread in threads:
        thread.join(5)


def _self_signed(directory: Path, name: str) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = directory / "self-signed.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def _failure(ask: Ask, url: str, **fields: Any) -> Failure:
    failure = await ask(url, **fields)
    assert isinstance(failure, Failure), failure
    assert failure.detail.isprintable()
    return failure


# --- certificates -----------------------------------------------------------------------------------------------------


async def test_a_good_certificate(
    serve: Serve, ask: Ask, make_transport: MakeTransport, context_for: IssueContext, cacert: str
) -> None:
    server = await serve(always_ok, context=context_for("localhost", "127.0.0.1"))
    transport = make_transport(cacert=cacert)
    for host in ("localhost", "127.0.0.1", "localhost."):
        for _ in range(2):
            assert isinstance(await ask(server.url(host=host, scheme="https"), transport=transport), Reply)
    assert server.connections == 3


async def test_an_unknown_authority(serve: Serve, ask: Ask, context_for: IssueContext) -> None:
    server = await serve(always_ok, context=context_for("localhost"))
    failure = await _failure(ask, server.url(host="localhost", scheme="https"))
    assert failure.reason is Reason.TLS_UNTRUSTED
    assert "Test Authority" in failure.detail
    assert "intermediate" in failure.detail
    assert server.requests == []


async def test_an_unverified_certificate_is_taken_when_told_so(
    serve: Serve, ask: Ask, make_transport: MakeTransport, context_for: IssueContext
) -> None:
    server = await serve(always_ok, context=context_for("other.example"))
    reply = await ask(server.url(host="localhost", scheme="https"), transport=make_transport(insecure=True))
    assert isinstance(reply, Reply)


async def test_an_expired_certificate(
    serve: Serve, ask: Ask, make_transport: MakeTransport, context_for: IssueContext, cacert: str
) -> None:
    context = context_for("localhost", not_before=NOW - 9 * DAY, not_after=NOW - 2 * DAY)
    server = await serve(always_ok, context=context)
    transport = make_transport(cacert=cacert)
    url = server.url(host="localhost", scheme="https")
    failure = await _failure(ask, url, transport=transport)
    assert failure.reason is Reason.TLS_EXPIRED
    assert failure.detail == f"the certificate expired on {NOW - 2 * DAY:%Y-%m-%d} (issued to localhost)"
    assert server.requests == []


async def test_what_was_read_of_a_certificate_is_remembered(
    serve: Serve, ask: Ask, make_transport: MakeTransport, context_for: IssueContext
) -> None:
    server = await serve(always_ok, context=context_for("localhost"))
    transport = make_transport()
    for _ in range(3):
        await _failure(ask, server.url(host="localhost", scheme="https"), transport=transport)
    await server.connected(1)
    assert server.connections == 1  # a handshake that the client gives up is not counted


async def test_as_many_certificates_are_remembered_as_fit(
    serve: Serve,
    ask: Ask,
    make_transport: MakeTransport,
    context_for: IssueContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("urlsweep.transport.certificates.REMEMBERED_ORIGINS", 1)
    servers = [await serve(always_ok, context=context_for("localhost")) for _ in range(2)]
    transport = make_transport()
    for server in (servers[0], servers[1], servers[0]):
        await _failure(ask, server.url(host="localhost", scheme="https"), transport=transport)
    await servers[0].connected(2)
    await servers[1].connected(1)
    assert [server.connections for server in servers] == [2, 1]


async def test_a_certificate_that_is_not_valid_yet(
    serve: Serve, ask: Ask, make_transport: MakeTransport, context_for: IssueContext, cacert: str
) -> None:
    context = context_for("localhost", not_before=NOW + 2 * DAY, not_after=NOW + 9 * DAY)
    server = await serve(always_ok, context=context)
    failure = await _failure(ask, server.url(host="localhost", scheme="https"), transport=make_transport(cacert=cacert))
    assert failure.reason is Reason.TLS_NOT_YET_VALID
    assert f"valid from {NOW + 2 * DAY:%Y-%m-%d}" in failure.detail


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
async def test_a_certificate_for_another_name(
    serve: Serve, ask: Ask, make_transport: MakeTransport, context_for: IssueContext, cacert: str, host: str
) -> None:
    server = await serve(always_ok, context=context_for("a.example", "b.example", "c.example", "d.example"))
    failure = await _failure(ask, server.url(host=host, scheme="https"), transport=make_transport(cacert=cacert))
    assert failure.reason is Reason.TLS_NAME_MISMATCH
    assert "is for a.example, b.example, c.example and 1 more, not for " + host in failure.detail


async def test_a_self_signed_certificate(serve: Serve, ask: Ask, tmp_path: Path) -> None:
    server = await serve(always_ok, context=_self_signed(tmp_path, "localhost"))
    failure = await _failure(ask, server.url(host="localhost", scheme="https"))
    assert failure.reason is Reason.TLS_SELF_SIGNED
    assert "signed by itself" in failure.detail


async def test_the_reason_stands_when_the_certificate_cannot_be_read_again(
    serve: Serve, ask: Ask, context_for: IssueContext
) -> None:
    context = context_for("localhost")
    server = await serve(always_ok, context=context)

    seen: list[str | None] = []

    def only_once(_: object, name: str | None, __: object) -> int | None:
        seen.append(name)
        return ssl.ALERT_DESCRIPTION_INTERNAL_ERROR if len(seen) > 1 else None

    context.sni_callback = only_once
    failure = await _failure(ask, server.url(host="localhost", scheme="https"))
    assert failure.reason is Reason.TLS_UNTRUSTED
    assert failure.detail == f"the certificate of localhost:{server.port} is from an authority that is not known"
    assert seen == ["localhost", "localhost"]


async def test_the_guard_holds_for_reading_a_certificate(
    serve: Serve, ask: Ask, context_for: IssueContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("session_names", "lean.call"):  # as if the name had moved in between
        monkeypatch.setattr(f"urlsweep.transport.{place}.is_public", lambda _: True)
    server = await serve(always_ok, context=context_for("localhost"))
    url = server.url(host="localhost", scheme="https")
    failure = await _failure(ask, url, public_only=Reason.REDIRECT_FORBIDDEN)
    assert failure.reason is Reason.TLS_UNTRUSTED
    await asyncio.sleep(0.01)
    assert server.connections <= 1


@pytest.mark.parametrize("code", [0, 1, 23, 66])
def test_other_verification_errors_have_nothing_to_add(code: int) -> None:
    assert sentence(Certificate(("a.example",), 0, "subject", "issuer", NOW, NOW), code, "host") is None


def test_what_a_certificate_holds_is_cleaned_and_bounded() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "evil\x1b[31m\n\u202e")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(f"{'a' * 300}{n}\x07") for n in range(2000)]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    read = read_certificate(certificate.public_bytes(serialization.Encoding.DER))
    assert read is not None
    assert read.issuer == "evil?[31m??"
    assert read.more_names == 1997
    for code in (9, 10, 18, 19, 20, 21, 62, 64):
        told = sentence(read, code, "x" * 1000)
        assert told is not None
        assert told.isprintable()
        assert len(told) < 600


def test_a_certificate_of_few_words() -> None:
    key = ec.generate_private_key(ec.SECP256R1())

    def encoded(*attributes: x509.NameAttribute[str]) -> bytes:
        name = x509.Name(list(attributes))
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        certificate = (
            builder.serial_number(1).not_valid_before(NOW - DAY).not_valid_after(NOW).sign(key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.DER)

    common_name_only = read_certificate(encoded(x509.NameAttribute(NameOID.COMMON_NAME, "old.example")))
    assert common_name_only is not None
    assert common_name_only.names == ("old.example",)
    nameless = read_certificate(encoded())
    assert nameless is not None
    assert (nameless.names, nameless.issuer) == ((), "an authority without a name")
    assert sentence(nameless, 62, "a.example") == "the certificate is for no name at all, not for a.example"


@pytest.mark.parametrize("encoded", [b"", b"\x30\x03\x02\x01\x01", b"\xff" * 100])
def test_what_is_no_certificate_is_none(encoded: bytes) -> None:
    assert read_certificate(encoded) is None


@pytest.mark.parametrize("serial_number", [0, -1])
@pytest.mark.parametrize("version", [1, 7, 255])
def test_an_odd_certificate_is_no_bug_and_no_warning(version: int, serial_number: int) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "odd.example")])
    encoded = (
        x509.CertificateBuilder(name, name, key.public_key(), 77, NOW, NOW + DAY)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )
    versioned, plain = b"\xa0\x03\x02\x01\x02\x02\x01\x4d", b"\xa0\x03\x02\x01"
    assert versioned in encoded
    odd = encoded.replace(versioned, plain + bytes([version, 2, 1, serial_number & 0xFF]))
    assert read_certificate(odd) is None
    odd = encoded.replace(versioned, plain + bytes([2, 2, 1, serial_number & 0xFF]))
    read = read_certificate(odd)
    assert read is not None
    assert read.names == ("odd.example",)


# --- handshakes -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_client_certificate_is_wanted(
    serve_blocking: Callable[[ssl.SSLContext], str],
    ask: Ask,
    make_transport: MakeTransport,
    context_for: IssueContext,
    authority: trustme.CA,
    cacert: str,
    tmp_path: Path,
    version: ssl.TLSVersion,
) -> None:
    context = context_for("localhost")
    context.verify_mode = ssl.CERT_REQUIRED
    context.minimum_version = context.maximum_version = version
    authority.configure_trust(context)
    url = serve_blocking(context)
    failure = await _failure(ask, url, transport=make_transport(cacert=cacert))
    assert failure.reason is Reason.TLS_HANDSHAKE
    assert "client certificate" in failure.detail

    client = authority.issue_cert("client@example.org", key_type=trustme.KeyType.ECDSA)
    (tmp_path / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in client.cert_chain_pems))
    client.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    client.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "both.pem"))
    for files in (
        {"cert": str(tmp_path / "cert.pem"), "key": str(tmp_path / "key.pem")},
        {"cert": str(tmp_path / "both.pem")},
    ):
        assert isinstance(await ask(url, transport=make_transport(cacert=cacert, **files)), Reply)


async def test_no_tls_version_in_common(
    serve_blocking: Callable[[ssl.SSLContext], str], ask: Ask, context_for: IssueContext
) -> None:
    context = context_for("localhost")
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that is the point of it
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    failure = await _failure(ask, serve_blocking(context))
    assert failure.reason is Reason.TLS_HANDSHAKE
    assert "no TLS version" in failure.detail


async def _hello(peer: Peer) -> None:
    await peer.read(5)


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak TLS"),
        (b"SSH-2.0-OpenSSH\r\n", "does not speak TLS"),
        (b"\x00" * 100, "does not speak TLS"),
        (b"\x15\x03\x03\x00\x02\x02\x28", "no way of encryption in common"),
        (b"\x15\x03\x03\x00\x02\x02\x70", "does not know the name"),
        (b"\x15\x03\x03\x00\x02\x02\x46", "no TLS version"),
        (b"\x15\x03\x03\x00\x02\x02\x50", "failed within"),
        (b"", "closed the connection during the TLS handshake"),
    ],
)
async def test_what_is_no_handshake(serve: Serve, ask: Ask, answer: bytes, detail: str) -> None:
    async def script(peer: Peer) -> None:
        await _hello(peer)
        await peer.say(answer)
        if answer:
            await peer.gone()

    server = await serve(script)
    failure = await _failure(ask, server.url(scheme="https"))
    assert failure.reason is Reason.TLS_HANDSHAKE
    assert detail in failure.detail
    assert server.connections == 1


async def test_a_reset_during_the_handshake(serve: Serve, ask: Ask) -> None:
    async def script(peer: Peer) -> None:
        await _hello(peer)
        peer.reset()

    server = await serve(script)
    failure = await _failure(ask, server.url(scheme="https"))
    assert failure.reason is Reason.TLS_HANDSHAKE
    assert "closed the connection during the TLS handshake" in failure.detail


async def test_a_handshake_that_hangs(serve: Serve, ask: Ask) -> None:
    async def script(peer: Peer) -> None:
        await peer.gone()

    server = await serve(script)
    failure = await _failure(ask, server.url(scheme="https"), connect_timeout=0.1)
    assert failure.reason is Reason.CONNECT_TIMEOUT
    assert "did not finish TLS within 0.1 s" in failure.detail
    await asyncio.wait_for(server.gone.wait(), 5)


@pytest.mark.parametrize("body", [b"", b"some body"])
async def test_a_close_without_farewell_after_the_answer(
    serve: Serve, ask: Ask, make_transport: MakeTransport, context_for: IssueContext, cacert: str, body: bytes
) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"HTTP/1.1 200 OK\r\n\r\n" + body)
        peer.hang_up()

    server = await serve(script, context=context_for("localhost"))
    reply = await ask(server.url(host="localhost", scheme="https"), transport=make_transport(cacert=cacert))
    assert isinstance(reply, Reply)


async def test_a_long_body_over_tls_ends_the_connection_at_once(
    serve: Serve, ask: Ask, make_transport: MakeTransport, context_for: IssueContext, cacert: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n")
        await peer.gone()

    server = await serve(script, context=context_for("localhost"))
    reply = await ask(server.url(host="localhost", scheme="https"), transport=make_transport(cacert=cacert))
    assert isinstance(reply, Reply)
    await asyncio.wait_for(server.gone.wait(), 5)


# --- contexts and files -----------------------------------------------------------------------------------------------


def test_the_context_is_the_same_on_every_python() -> None:
    context = tls.client_context(TransportOptions())
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN
    assert (
        context.minimum_version >= ssl.TLSVersion.TLSv1_2 or context.minimum_version is ssl.TLSVersion.MINIMUM_SUPPORTED
    )


def test_a_system_without_authorities_gets_certifis(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    monkeypatch.setattr(ssl, "create_default_context", lambda: bare)
    monkeypatch.setattr(tls, "_has_system_directory", lambda: False)
    expected = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    expected.load_verify_locations(certifi.where())
    assert tls.client_context(TransportOptions()).cert_store_stats() == expected.cert_store_stats()


def test_a_private_authority_is_trusted_beside_the_systems(cacert: str) -> None:
    alone = tls.client_context(TransportOptions()).cert_store_stats()["x509_ca"]
    assert tls.client_context(TransportOptions(cacert=cacert)).cert_store_stats()["x509_ca"] == alone + 1


async def test_http_needs_no_context(serve: Serve, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(_: object) -> ssl.SSLContext:
        raise AssertionError

    monkeypatch.setattr(tls, "client_context", never)
    server = await serve(always_ok)
    assert isinstance(await ask(server.url()), Reply)


@pytest.fixture
def files(tmp_path: Path, authority: trustme.CA) -> Path:
    one, other = (authority.issue_cert(f"{n}@example.org", key_type=trustme.KeyType.ECDSA) for n in "ab")
    one.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    one.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    other.private_key_pem.write_to_path(str(tmp_path / "other-key.pem"))
    (tmp_path / "text.pem").write_text("not PEM")
    key = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "encrypted.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    return tmp_path


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"cacert": "missing.pem"}, ["cacert", "missing.pem", "cannot be read", "No such file"]),
        ({"cacert": "text.pem"}, ["cacert", "text.pem", "holds no certificate"]),
        ({"cert": "missing.pem"}, ["cert", "missing.pem", "cannot be read"]),
        ({"cert": "cert.pem"}, ["cert", "cert.pem", "private key", "give the key"]),
        ({"cert": "cert.pem", "key": "missing.pem"}, ["key", "missing.pem", "cannot be read"]),
        ({"cert": "cert.pem", "key": "other-key.pem"}, ["cert.pem", "other-key.pem", "match"]),
        ({"cert": "text.pem", "key": "key.pem"}, ["text.pem", "key.pem"]),
        ({"cert": "cert.pem", "key": "encrypted.pem"}, ["encrypted.pem", "encrypted", "openssl pkey"]),
    ],
)
async def test_files_that_cannot_be_used_are_told_at_once(
    make_transport: MakeTransport, files: Path, options: dict[str, str], told: list[str]
) -> None:
    with pytest.raises(TransportOptionError) as caught:
        make_transport(**{option: str(files / name) for option, name in options.items()})
    for part in told:
        assert part in str(caught.value)


async def test_a_directory_of_authorities(make_transport: MakeTransport, tmp_path: Path) -> None:
    make_transport(cacert=str(tmp_path))
