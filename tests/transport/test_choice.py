"""Which transport a run is made over."""

from __future__ import annotations

import sys

import pytest

from urlsweep.transport import choice
from urlsweep.transport.lean.transport import LeanTransport
from urlsweep.transport.options import Kind, TransportOptionError, TransportOptions
from urlsweep.transport.session import SessionTransport


@pytest.mark.parametrize(
    ("kind", "proxy", "expected"),
    [
        ("auto", "", LeanTransport),
        ("lean", "", LeanTransport),
        ("session", "", SessionTransport),
        ("auto", "http://127.0.0.1:9", SessionTransport),
        ("session", "http://127.0.0.1:9", SessionTransport),
    ],
)
async def test_what_is_chosen(kind: Kind, proxy: str, expected: type) -> None:
    transport = choice.open_transport(TransportOptions(kind=kind, proxy=proxy), needed_fields=())
    assert type(transport) is expected
    await transport.aclose()


async def test_a_proxy_of_the_environment_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    transport = choice.open_transport(TransportOptions(), needed_fields=())
    assert type(transport) is SessionTransport
    await transport.aclose()


async def test_lean_cannot_be_had_with_a_proxy() -> None:
    with pytest.raises(TransportOptionError, match=r"transport: lean .* http://127\.0\.0\.1:9 .* auto"):
        choice.open_transport(TransportOptions(kind="lean", proxy="http://u:p@127.0.0.1:9"), needed_fields=())


async def test_without_c_ares_the_session_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "urlsweep.transport.lean.transport", None)
    transport = choice.open_transport(TransportOptions(proxy=""), needed_fields=())
    assert type(transport) is SessionTransport
    await transport.aclose()
    with pytest.raises(TransportOptionError, match="cannot run here"):
        choice.open_transport(TransportOptions(kind="lean", proxy=""), needed_fields=())
