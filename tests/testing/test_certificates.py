"""Each certificate is good or bad in the one way it is meant to be, as OpenSSL sees it."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from urlsweep.testing.certificates import Authority, Identity, self_signed, server_context

AUTHORITY = Authority()


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str = "good.test") -> str | None:
    """Both sides in memory; gives the version agreed upon."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    unfinished = list(sides)
    for _ in range(10):
        for side in list(unfinished):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
            unfinished.remove(side)
    assert not unfinished
    return sides[0].version()


def client_context(*, strict: bool = True) -> ssl.SSLContext:
    context = ssl.create_default_context(cadata=AUTHORITY.pem().decode())
    if strict:
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


@pytest.mark.parametrize("name", ["good.test", "other.test", "127.0.0.1", "::1"])
def test_a_good_one_is_good_for_all_its_names(name: str) -> None:
    server = server_context(AUTHORITY.issue("good.test", "other.test", "127.0.0.1", "::1"))
    assert handshake(server, client_context(), name) == "TLSv1.3"


X509_V_ERR: dict[str, tuple[Identity, int]] = {
    "not yet valid": (AUTHORITY.issue("good.test", valid_days=(1, 30)), 9),
    "expired": (AUTHORITY.issue("good.test", valid_days=(-30, -1)), 10),
    "self-signed": (self_signed("good.test"), 18),
    "unknown authority": (Authority("somebody else").issue("good.test"), 20),
    "wrong name": (AUTHORITY.issue("bad.test"), 62),
}


@pytest.mark.parametrize("kind", X509_V_ERR)
def test_a_bad_one_is_bad_in_its_own_way(kind: str) -> None:
    identity, code = X509_V_ERR[kind]
    with pytest.raises(ssl.SSLCertVerificationError) as caught:
        handshake(server_context(identity), client_context(strict=False))
    assert caught.value.verify_code == code


def test_a_client_certificate_may_be_wanted(tmp_path: Path) -> None:
    server = server_context(AUTHORITY.issue("good.test"), client_authority=AUTHORITY)
    without = client_context()
    without.maximum_version = ssl.TLSVersion.TLSv1_2  # in 1.3 the client learns of it after its handshake
    with pytest.raises(ssl.SSLError):
        handshake(server, without)
    having_one = client_context()
    having_one.load_cert_chain(AUTHORITY.issue("client").write(tmp_path / "client.pem"))
    assert handshake(server, having_one) == "TLSv1.3"


def test_the_newest_version_may_be_an_older_one() -> None:
    server = server_context(AUTHORITY.issue("good.test"), newest=ssl.TLSVersion.TLSv1_2)
    assert handshake(server, client_context()) == "TLSv1.2"
    with pytest.raises(ssl.SSLError):
        handshake(server_context(AUTHORITY.issue("good.test"), newest=ssl.TLSVersion.TLSv1_1), client_context())


def test_the_authority_can_be_written_down(tmp_path: Path) -> None:
    context = ssl.create_default_context(cafile=AUTHORITY.write(tmp_path / "authority.pem"))
    assert handshake(server_context(AUTHORITY.issue("good.test")), context) == "TLSv1.3"
