"""What one answer says of its host's load: every kind of event once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from urlsweep.core.model import Failure, Reason, Reply
from urlsweep.core.pressure import Pressure, is_push_back, pressure_of

WALL = 1_700_000_000.0
GOOD, ERROR, OVERLOAD = Pressure.GOOD, Pressure.ERROR, Pressure.OVERLOAD
STALL, UNREACHED, PUSH_BACK = Pressure.STALL, Pressure.UNREACHED, Pressure.PUSH_BACK
SOON = (("retry-after", "7"),)
AT_ONCE = (("retry-after", "0"),)
EXHAUSTED = (("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", str(int(WALL) + 60)))
EXHAUSTED_UNTIL_NOW = (("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", str(int(WALL))))
LEFT = (("x-ratelimit-remaining", "9"), ("x-ratelimit-reset", str(int(WALL) + 60)))


@pytest.mark.parametrize(
    ("status", "fields", "pressure"),
    [
        (200, (), GOOD),
        (204, EXHAUSTED, GOOD),  # served: that it was the last one is the allowance's matter
        (301, (), GOOD),
        (304, SOON, GOOD),
        (401, (), GOOD),
        (404, SOON, GOOD),  # a page that is not there is no trouble to tell of
        (410, (), GOOD),
        (429, (), PUSH_BACK),
        (429, AT_ONCE, PUSH_BACK),
        (429, SOON, PUSH_BACK),
        (429, (("retry-after", "soon"),), PUSH_BACK),
        (403, (), GOOD),
        (403, AT_ONCE, GOOD),  # some put it on every answer
        (403, SOON, PUSH_BACK),
        (403, EXHAUSTED, PUSH_BACK),
        (403, EXHAUSTED_UNTIL_NOW, PUSH_BACK),
        (403, LEFT, GOOD),
        (500, SOON, ERROR),
        (502, (), ERROR),
        (503, (), OVERLOAD),
        (503, (("retry-after", "soon"),), OVERLOAD),
        (503, LEFT, OVERLOAD),
        (503, AT_ONCE, PUSH_BACK),
        (503, SOON, PUSH_BACK),
        (503, EXHAUSTED, PUSH_BACK),
        (504, (), ERROR),
        (599, (), ERROR),
        (999, (), ERROR),
    ],
)
def test_replies(status: int, fields: tuple[tuple[str, str], ...], pressure: Pressure) -> None:
    reply = Reply(status, fields)
    assert pressure_of(reply, WALL) is pressure
    if status >= 400:
        assert is_push_back(reply, WALL) is (pressure is PUSH_BACK)


FAILURES = {
    Reason.CONNECT_REFUSED: UNREACHED,
    Reason.CONNECT_RESET: UNREACHED,
    Reason.CONNECT_TIMEOUT: UNREACHED,
    Reason.CONNECT_UNREACHABLE: UNREACHED,
    Reason.DNS_TIMEOUT: UNREACHED,
    Reason.DNS_FAILURE: UNREACHED,
    Reason.RESPONSE_RESET: OVERLOAD,
    Reason.RESPONSE_TIMEOUT: STALL,
}


@pytest.mark.parametrize("reason", Reason)
def test_failures(reason: Reason) -> None:
    assert pressure_of(Failure(reason, ""), WALL) is FAILURES.get(reason, ERROR)


@pytest.mark.parametrize(
    ("event", "pressure"),
    [
        (Reply(200), GOOD),
        (Reply(503), Pressure.DOUBT),
        (Reply(503, SOON), PUSH_BACK),
        (Reply(429), PUSH_BACK),
        (Reply(500), ERROR),
        (Failure(Reason.RESPONSE_RESET, ""), Pressure.DOUBT),
        (Failure(Reason.RESPONSE_TIMEOUT, ""), STALL),
        (Failure(Reason.CONNECT_REFUSED, ""), UNREACHED),
    ],
)
def test_head_is_not_believed_where_servers_are_careless_with_it(event: Reply | Failure, pressure: Pressure) -> None:
    assert pressure_of(event, WALL, is_head=True) is pressure


@pytest.mark.parametrize("reply", [Reply(429), Reply(503), Reply(503, SOON), Reply(403, EXHAUSTED), Reply(500)])
def test_a_status_that_is_expected_says_nothing_of_load(reply: Reply) -> None:
    assert pressure_of(reply, WALL, is_accepted=True) is ERROR


@given(
    st.integers(0, 1100),
    st.lists(
        st.tuples(
            st.sampled_from(["retry-after", "x-ratelimit-remaining", "x-ratelimit-reset", "ratelimit", "date"]),
            st.text(max_size=20) | st.integers(-10, 10**12).map(str),
        ),
        max_size=4,
    ),
    st.floats(0, 4e9),
)
def test_whatever_a_server_sends_says_something_and_raises_nothing(
    status: int, fields: list[tuple[str, str]], wall: float
) -> None:
    pressure = pressure_of(Reply(status, tuple(fields)), wall)
    assert pressure in (GOOD, ERROR, OVERLOAD, PUSH_BACK)
    if status < 400:
        assert pressure is GOOD
    if pressure is PUSH_BACK:
        assert status in (403, 429, 503)
