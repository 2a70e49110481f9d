"""What goes over the pipes comes out of them as it was, in whatever pieces."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from urlsweep.core.limits import Limits, PaceBy
from urlsweep.core.policy import Method, Policy, Rule, StatusSet
from urlsweep.core.urls import Url, parse
from urlsweep.transport.options import TransportOptions
from urlsweep.workers.messages import Begin, Fed, Frames, Stop, Take, frame, from_worker, to_worker


def url(text: str) -> Url:
    parsed = parse(text)
    assert isinstance(parsed, Url)
    return parsed


def test_all_that_a_worker_needs_arrives() -> None:
    rules = (
        Rule(re.compile("//a", re.IGNORECASE), accept=StatusSet.parse("2xx,404"), headers=(("X-Key", "s"),)),
        Rule(re.compile("b$"), method=Method.GET, per_host=2, robots=False),
    )
    policy = Policy(
        accept=StatusSet.parse("200..299"),
        headers=(("User-Agent", "me"),),
        unscoped_credentials=(("Authorization", "secret"),),
        rules=rules,
        robots=True,
    ).bound_to("https://a.test")
    options = TransportOptions(
        resolvers=("127.0.0.1:5353",), resolve=(("a.test", 443, "127.0.0.1"),), proxy="http://u:p@proxy.test:1"
    )
    limits = Limits(concurrency=7, rate=2.5, pace_by=PaceBy.DOMAIN, patience=1.0)
    begin = Begin(1, 3, policy, limits, options, 5)
    take = Take([(4, url("https://u:p@a.test/x?y#z")), (5, url("http://[::1]:8080/"))])
    (body,) = Frames().bodies(frame([begin, take, Fed(), Stop()]))
    got = to_worker(body)
    assert got == [begin, take, Fed(), Stop()]
    assert isinstance(got[0], Begin)
    assert got[0].policy.for_url(url("https://A.test/")).fields_for("https://a.test") == policy.for_url(
        url("https://A.test/")
    ).fields_for("https://a.test")


@given(st.lists(st.integers(0, 300), max_size=6), st.data())
def test_frames_may_come_in_any_pieces(sizes: list[int], data: st.DataObject) -> None:
    sent = [[Take([(number, url("http://a.test/")) for number in range(size)])] for size in sizes]
    stream = b"".join(frame(messages) for messages in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    frames = Frames()
    got = [
        to_worker(body)
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for body in frames.bodies(stream[start:end])
    ]
    assert got == sent


def test_what_is_no_message_is_told() -> None:
    (body,) = Frames().bodies(frame([Fed()]))
    with pytest.raises(msgspec.DecodeError):
        from_worker(body)  # of those that workers send, it is none
