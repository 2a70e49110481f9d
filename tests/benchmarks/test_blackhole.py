"""Addresses that never answer: a connection to them neither succeeds nor fails."""

from __future__ import annotations

import select
import socket
import sys

import pytest
from benchmarks.world.blackhole import Blackhole

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other systems refuse what a full listener cannot take")


def test_connections_are_swallowed_until_it_is_closed() -> None:
    with Blackhole([("127.0.0.1", 0), ("127.0.0.1", 0)]) as blackhole:
        places = blackhole.places
        assert len(set(places)) == 2
        for place in places:
            with socket.socket() as client:
                client.setblocking(False)
                client.connect_ex(place)
                assert select.select([], [client], [client], 0.1) == ([], [], [])
    with socket.socket() as client, pytest.raises(ConnectionRefusedError):
        client.connect(places[0])


def test_an_address_that_is_taken_is_no_blackhole() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        Blackhole([taken.getsockname()])
