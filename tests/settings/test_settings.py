"""What a Settings object becomes: the policy, the limits, the transport's options, the secrets."""

from __future__ import annotations

from pathlib import Path

import pytest

import urlsweep
from urlsweep.core.limits import Limits, PaceBy
from urlsweep.core.policy import Method, Policy, PolicyError, basic_authorization
from urlsweep.settings import Family, Settings, SettingsError
from urlsweep.settings.credentials import DEFAULT_FIELDS, read_netrc
from urlsweep.settings.values import Login, ScopedField
from urlsweep.transport.options import TransportOptionError, TransportOptions


def test_the_defaults_are_those_of_policy_limits_and_transport() -> None:
    settings = Settings()
    assert settings.policy() == Policy(headers=DEFAULT_FIELDS)
    assert settings.limits() == Limits()
    assert settings.transport_options() == TransportOptions()
    assert settings.secrets() == frozenset()


def test_every_request_says_who_asks_and_what_for() -> None:
    assert Settings().policy().headers == (
        ("User-Agent", f"urlsweep/{urlsweep.__version__}"),
        ("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"),
        ("Accept-Encoding", "gzip, deflate"),
    )


def test_a_given_field_replaces_the_default_of_its_name() -> None:
    settings = Settings(header=(("ACCEPT", "text/plain"), ("X-A", "b")), user_agent="me/1")
    assert settings.policy().headers == (
        ("Accept-Encoding", "gzip, deflate"),
        ("User-Agent", "me/1"),
        ("ACCEPT", "text/plain"),
        ("X-A", "b"),
    )


@pytest.mark.parametrize(
    ("settings", "effective"),
    [(Settings(), 10.0), (Settings(timeout=3.0), 3.0), (Settings(connect_timeout=15.0), 15.0)],
)
def test_the_time_to_connect_is_part_of_the_whole(settings: Settings, effective: float) -> None:
    assert settings.policy().connect_timeout == effective


def test_secret_fields_wait_for_their_origin() -> None:
    settings = Settings(header=(("X-Api-Key", "k3y"), ("X-A", "b")), user=Login("me", "pass"))
    policy = settings.policy()
    assert policy.unscoped_credentials == (basic_authorization("me", "pass"), ("X-Api-Key", "k3y"))
    assert ("X-Api-Key", "k3y") not in policy.headers
    assert {"k3y", "pass", "bWU6cGFzcw=="} <= settings.secrets()
    assert "k3y" not in repr(settings)
    assert "pass'" not in repr(settings)


def test_a_librarys_caller_may_write_plain_tuples_and_words() -> None:
    plain = Settings(
        user=("me", "opensesame"),
        header_for=(("https://a.example", "X-Team", "two"),),
        method="get",  # type: ignore[arg-type]  # what an untyped caller writes
        family="ipv4",  # type: ignore[arg-type]
        pace_by="address",  # type: ignore[arg-type]
    )
    assert plain.policy().method is Method.GET
    assert plain.limits().pace_by is PaceBy.ADDRESS
    assert plain.transport_options().family == "ipv4"
    assert plain.policy().credentials == {"https://a.example": (("X-Team", "two"),)}
    assert "opensesame" in plain.secrets()
    with pytest.raises(ValueError, match="'ipv5' is not a valid Family"):
        Settings(family="ipv5")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'hosts' is not a valid PaceBy"):
        Settings(pace_by="hosts")  # type: ignore[arg-type]


def test_fields_for_an_origin_go_to_it_alone() -> None:
    scoped = (
        ScopedField("https://a.example", "Authorization", "Bearer one"),
        ScopedField("https://b.example", "X-Team", "two"),
        ScopedField("https://a.example", "X-Team", "three"),
    )
    policy = Settings(header_for=scoped).policy()
    assert policy.credentials == {
        "https://a.example": (("Authorization", "Bearer one"), ("X-Team", "three")),
        "https://b.example": (("X-Team", "two"),),
    }
    assert Settings(header_for=scoped).secrets() == {"Bearer one", "one"}


def test_two_ways_to_say_who_asks_are_one_too_many() -> None:
    with pytest.raises(SettingsError, match=r"^user: there is an Authorization header too"):
        Settings(header=(("authorization", "Bearer x"),), user=Login("me", "pass"))


def test_the_pace_is_handed_on() -> None:
    settings = Settings(
        concurrency=9, total_rate=50.0, per_host=3, rate=0.5, delay=1.5, pace_by=PaceBy.DOMAIN, patience=600.0
    )
    assert settings.limits() == Limits(
        concurrency=9, total_rate=50.0, per_host=3, rate=0.5, delay=1.5, pace_by=PaceBy.DOMAIN, patience=600.0
    )


def test_robots_is_handed_on() -> None:
    assert not Settings().policy().robots
    assert Settings(robots=True).policy().robots


def test_the_network_options_are_handed_on() -> None:
    settings = Settings(
        resolver=("127.0.0.1",),
        resolve=(("a.example", 443, "127.0.0.1"),),
        family=Family.IPV6,
        proxy="http://me:p%40ss@p.example:1",
        cert="c.pem",
        key="k.pem",
        cacert="ca.pem",
        insecure=True,
        concurrency=9,
    )
    assert settings.transport_options() == TransportOptions(
        resolvers=("127.0.0.1",),
        resolve=(("a.example", 443, "127.0.0.1"),),
        family="ipv6",
        proxy="http://me:p%40ss@p.example:1",
        cert="c.pem",
        key="k.pem",
        cacert="ca.pem",
        insecure=True,
        concurrency=9,
    )
    assert settings.secrets() == {"p%40ss"}


def test_values_that_no_run_could_use_are_refused_at_once() -> None:
    with pytest.raises(PolicyError, match="timeout must be more than 0"):
        Settings(timeout=0)
    with pytest.raises(PolicyError, match="concurrency must be 1 to 100000"):
        Settings(concurrency=0)
    with pytest.raises(PolicyError, match=r"rate must be 0\.0001 to 1000000 requests a second, not 0"):
        Settings(rate=0)
    with pytest.raises(PolicyError, match="patience must be 0 to 604800"):
        Settings(patience=-1)
    with pytest.raises(TransportOptionError, match="of no use without its certificate"):
        Settings(key="k.pem")


NETRC = """\
machine a.example login me password s3cret
machine B.Example
  login you
  password hush-hush
machine c.example login nobody
default login me password for-everybody
"""


@pytest.fixture
def netrc_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "logins"
    path.write_text(NETRC)
    monkeypatch.setenv("NETRC", str(path))
    return path


def test_netrc_gives_logins_by_host_and_nothing_for_all(netrc_file: Path) -> None:
    assert read_netrc() == {"a.example": Login("me", "s3cret"), "b.example": Login("you", "hush-hush")}


def test_netrc_is_read_only_when_asked_for(netrc_file: Path) -> None:
    assert Settings().policy().credentials == {}
    policy = Settings(netrc=True).policy()
    expected = (basic_authorization("me", "s3cret"),)
    assert policy.credentials["https://a.example"] == policy.credentials["http://a.example"] == expected
    assert {"s3cret", "hush-hush"} <= Settings(netrc=True).secrets()


def test_what_is_given_for_the_run_is_stronger_than_netrc(netrc_file: Path) -> None:
    assert Settings(netrc=True, user=Login("x", "y")).policy().credentials == {}
    scoped = (ScopedField("https://a.example", "Authorization", "Bearer x"),)
    credentials = Settings(netrc=True, header_for=scoped).policy().credentials
    assert credentials["https://a.example"] == (("Authorization", "Bearer x"),)
    assert credentials["http://a.example"] == (basic_authorization("me", "s3cret"),)


def test_a_netrc_that_cannot_be_used_is_told(netrc_file: Path) -> None:
    netrc_file.write_text("machine a.example bogus x\n")
    with pytest.raises(SettingsError, match=rf"^netrc: {netrc_file} is not a netrc file: .*line 1"):
        Settings(netrc=True).policy()
    netrc_file.unlink()
    with pytest.raises(SettingsError, match=rf"^netrc: {netrc_file} cannot be read \(No such file or directory\)"):
        Settings(netrc=True).policy()


def test_without_the_variable_netrc_is_looked_for_at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text("machine a.example login me password s3cret\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert read_netrc({}) == {"a.example": Login("me", "s3cret")}


def test_an_origin_is_spelled_as_urls_are_compared() -> None:
    settings = Settings(header_for=(("https://EXAMPLE.com:443/", "Authorization", "Bearer abc"),))
    assert settings.policy().fields_for("https://example.com")[-1] == ("Authorization", "Bearer abc")
    with pytest.raises(SettingsError, match=r"^header_for: 'https://example\.com/page' is not an origin"):
        Settings(header_for=(("https://example.com/page", "Authorization", "Bearer abc"),)).policy()
