"""The fake world answers as told, at the exact time, and keeps the Transport protocol."""

from __future__ import annotations

import asyncio

import pytest

from urlsweep.core.model import Failure, Reason, Reply, Request
from urlsweep.testing import run_virtual
from urlsweep.testing.fake import (
    Answer,
    ConcurrencyLimitedHost,
    DeadHost,
    FakeTransport,
    FixedWindowHost,
    FlakyHost,
    FlappingHost,
    NetworkOutage,
    TokenBucketHost,
    at_address,
    by_method,
    failure,
    never,
    reply,
)
from urlsweep.transport import BodyError, Transport


def ask(
    url: str = "http://a.test/", method: str = "GET", timeout: float = 20.0, connect_timeout: float = 10.0
) -> Request:
    host = url.split("/")[2]
    return Request(url, method, host if ":" in host else f"{host}:80", (), timeout, connect_timeout)


def statuses(events: list[Reply | Failure]) -> list[int | str]:
    return [event.status if isinstance(event, Reply) else event.reason.value for event in events]


async def in_turn(transport: Transport, *requests: Request) -> list[Reply | Failure]:
    return [await transport.send(request) for request in requests]


async def at_once(transport: Transport, *requests: Request) -> list[Reply | Failure]:
    return list(await asyncio.gather(*map(transport.send, requests)))


def test_answers_come_after_their_delay_with_their_fields() -> None:
    world = FakeTransport({"http://a.test": reply(301, ("Location", "/b"), after=0.3)})
    event = run_virtual(world.send(ask()))
    assert event == Reply(301, (("location", "/b"),), elapsed=0.3)
    assert [(e.sent, e.answered, e.event) for e in world.log] == [(0.0, 0.3, event)]


def test_a_list_answers_in_turn_and_its_last_one_for_ever() -> None:
    world = FakeTransport({"http://a.test/": [reply(503), failure(Reason.CONNECT_RESET), reply(200)]})
    assert statuses(run_virtual(in_turn(world, *[ask()] * 4))) == [503, "connect.reset", 200, 200]


def test_a_function_gets_request_time_and_count() -> None:
    seen: list[tuple[str, float, int]] = []

    def answer(request: Request, now: float, nth: int) -> Answer:
        seen.append((request.method, now, nth))
        return reply(200, after=1.5)

    run_virtual(in_turn(FakeTransport({"http://a.test/": answer}), ask(method="HEAD"), ask()))
    assert seen == [("HEAD", 0.0, 1), ("GET", 1.5, 2)]


def test_by_method_counts_each_method_for_itself() -> None:
    world = FakeTransport({"http://a.test/": by_method(head=reply(405), get=[reply(500), reply(200)])})
    requests = [ask(method="HEAD"), ask(), ask(method="HEAD"), ask()]
    assert statuses(run_virtual(in_turn(world, *requests))) == [405, 500, 405, 200]
    assert world.methods_of("http://a.test/") == ["HEAD", "GET", "HEAD", "GET"]


def test_what_nobody_planted_does_not_exist() -> None:
    event = run_virtual(FakeTransport().send(ask("http://nobody.test/x")))
    assert event == Failure(Reason.DNS_NOT_FOUND, "the name nobody.test does not exist")


def test_a_host_is_found_with_and_without_its_port() -> None:
    world = FakeTransport(hosts={"a.test": reply(200), "a.test:8080": reply(204)})
    events = run_virtual(in_turn(world, ask("http://a.test/x"), ask("http://a.test:8080/x"), ask("http://a.test:81/")))
    assert statuses(events) == [200, 204, 200]


def test_the_requests_time_out_is_kept() -> None:
    world = FakeTransport({"http://a.test/": never()})
    event = run_virtual(world.send(ask(timeout=2.0)))
    assert isinstance(event, Failure)
    assert (event.reason, event.elapsed) == (Reason.RESPONSE_TIMEOUT, 2.0)


def test_a_world_keyed_by_what_is_no_url_is_refused() -> None:
    with pytest.raises(ValueError, match="not an http"):
        FakeTransport({"a.test/": reply(200)})


def test_peaks_are_counted_in_all_and_by_host() -> None:
    world = FakeTransport(hosts={"a.test": reply(200, after=1), "b.test": reply(200, after=2)})

    async def run() -> None:
        await at_once(world, ask("http://a.test/1"), ask("http://a.test/2"), ask("http://b.test/"))
        await world.send(ask("http://b.test/"))

    run_virtual(run())
    assert (world.peak, world.peak_by_host["a.test:80"], world.peak_by_host["b.test:80"]) == (3, 2, 1)
    assert (world.in_flight, world.in_flight_by_host["a.test:80"]) == (0, 0)
    assert world.sent_to("http://b.test/") == [0.0, 2.0]


def test_cancellation_passes_through_and_is_logged() -> None:
    world = FakeTransport({"http://a.test/": reply(200, after=10)})

    async def run() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(world.send(ask()), 1)

    run_virtual(run())
    assert world.log[0].is_cancelled
    assert world.in_flight == 0


def test_closing_ends_what_is_under_way_and_forbids_more() -> None:
    world = FakeTransport({"http://a.test/": reply(200, after=10)})

    async def run() -> Reply | Failure:
        task = asyncio.create_task(world.send(ask()))
        await asyncio.sleep(1)
        await world.aclose()
        await world.aclose()
        event = await task
        with pytest.raises(RuntimeError, match="closed transport"):
            await world.send(ask())
        return event

    assert statuses([run_virtual(run())]) == ["response.reset"]


async def test_bodies_are_given_and_may_break_off() -> None:
    broken = Failure(Reason.RESPONSE_RESET, "cut")
    world = FakeTransport(
        {"http://a.test/": [reply(200, body=[b"a", b"b"]), reply(200, body=b"half", breaks_off=broken)]}
    )
    async with world.open(ask()) as (event, chunks):
        assert isinstance(event, Reply)
        assert [chunk async for chunk in chunks] == [b"a", b"b"]
    async with world.open(ask()) as (_, chunks):
        assert await anext(chunks) == b"half"
        with pytest.raises(BodyError) as caught:
            await anext(chunks)
    assert caught.value.failure == broken


def test_a_token_bucket_lets_the_burst_and_then_the_rate_through() -> None:
    host = TokenBucketHost(rate=2, burst=3, retry_after=True)
    world = FakeTransport(hosts={"a.test": host})

    async def run() -> list[Reply | Failure]:
        events = await at_once(world, *[ask()] * 5)
        await asyncio.sleep(0.5)
        return events + await at_once(world, ask(), ask())

    events = run_virtual(run())
    assert statuses(events) == [200, 200, 200, 429, 429, 200, 429]
    assert isinstance(events[3], Reply)
    assert events[3].get("retry-after") == "1"
    assert host.refused == 3


def test_a_token_bucket_never_refuses_a_client_that_keeps_its_rate() -> None:
    host = TokenBucketHost(rate=3)
    world = FakeTransport(hosts={"a.test": host})

    async def run() -> None:
        for _ in range(1000):
            await world.send(ask())
            await asyncio.sleep(1 / 3)

    run_virtual(run())
    assert host.refused == 0


def test_retry_after_is_long_enough() -> None:
    world = FakeTransport(hosts={"a.test": TokenBucketHost(rate=0.3, retry_after=True)})

    async def run() -> list[int | str]:
        await world.send(ask())
        refused = await world.send(ask())
        assert isinstance(refused, Reply)
        await asyncio.sleep(int(refused.get("retry-after") or "0"))
        return statuses([await world.send(ask())])

    assert run_virtual(run()) == [200]


@pytest.mark.parametrize(
    ("over", "second", "retry_after"),
    [(reply(503), 503, "1"), (failure(Reason.CONNECT_REFUSED), "connect.refused", None)],
)
def test_a_token_bucket_answers_what_comes_on_top_as_told(
    over: Answer, second: int | str, retry_after: str | None
) -> None:
    host = TokenBucketHost(rate=1, over=over, retry_after=True)
    events = run_virtual(in_turn(FakeTransport(hosts={"a.test": host}), ask(), ask()))
    assert statuses(events) == [200, second]
    assert host.refused == 1
    assert (events[1].get("retry-after") if isinstance(events[1], Reply) else None) == retry_after


def test_a_fixed_window_opens_with_the_first_request_after_the_last_one() -> None:
    host = FixedWindowHost(2, 10.0)
    world = FakeTransport(hosts={"a.test": host})

    async def run() -> list[Reply | Failure]:
        events = []
        for pause in (3.0, 9.0, 0.9, 0.1, 1.0, 0.0, 0.0):  # sent at 3, 12, 12.9, 13, 14, 14, 14
            await asyncio.sleep(pause)
            events.append(await world.send(ask()))
        return events

    assert statuses(run_virtual(run())) == [200, 200, 429, 200, 200, 429, 429]
    assert host.refused == 3


def test_a_windows_retry_after_is_long_enough() -> None:
    host = FixedWindowHost(1, 7.3, retry_after=True, over=reply(503))
    world = FakeTransport(hosts={"a.test": host})

    async def run() -> list[int | str]:
        await asyncio.sleep(0.1)
        seen = []
        for _ in range(100):
            await world.send(ask())
            await asyncio.sleep(0.3)
            refused = await world.send(ask())
            assert isinstance(refused, Reply)
            assert refused.get("retry-after") == "7"
            seen += statuses([refused])
            await asyncio.sleep(7)
        return seen

    assert run_virtual(run()) == [503] * 100
    assert host.refused == 100


@pytest.mark.parametrize(("limit", "seconds"), [(0, 1.0), (1, 0.0)])
def test_a_window_needs_sense(limit: int, seconds: float) -> None:
    with pytest.raises(ValueError, match="limit of 1 or more"):
        FixedWindowHost(limit, seconds)


def test_a_token_bucket_needs_sense() -> None:
    with pytest.raises(ValueError, match="rate above 0"):
        TokenBucketHost(rate=0)


def test_a_concurrency_limited_host_refuses_what_comes_on_top() -> None:
    host = ConcurrencyLimitedHost(2, served=reply(200, after=1))
    world = FakeTransport(hosts={"a.test": host})

    async def run() -> list[Reply | Failure]:
        return await at_once(world, *[ask()] * 3) + await at_once(world, ask(), ask())

    assert statuses(run_virtual(run())) == [200, 200, 503, 200, 200]
    assert host.refused == 1


def test_a_flaky_host_fails_about_as_often_as_told_and_alike_each_time() -> None:
    def run() -> list[int | str]:
        world = FakeTransport(hosts={"a.test": FlakyHost(0.25, seed=4)})
        return statuses(run_virtual(in_turn(world, *[ask(f"http://a.test/{n}") for n in range(1000)])))

    first = run()
    assert 200 < first.count("connect.reset") < 300
    assert run() == first


def test_a_flapping_host_is_up_and_down_in_turn() -> None:
    world = FakeTransport(
        hosts={"a.test": FlappingHost(2.0, 1.0), "b.test": FlappingHost(2.0, 1.0, while_down=never())}
    )

    async def run() -> list[int | str]:
        events = []
        for _ in range(7):
            events.append(await world.send(ask()))
            await asyncio.sleep(1)
        assert statuses([await world.send(ask("http://b.test/")) for _ in range(2)]) == [200, 200]
        await asyncio.sleep(1)
        assert statuses([await world.send(ask("http://b.test/", timeout=0.5))]) == ["response.timeout"]
        return statuses(events)

    assert run_virtual(run()) == [200, 200, "connect.refused", 200, 200, "connect.refused", 200]


@pytest.mark.parametrize(("up", "down"), [(0.0, 1.0), (1.0, 0.0)])
def test_a_flapping_host_needs_sense(up: float, down: float) -> None:
    with pytest.raises(ValueError, match="a time above 0"):
        FlappingHost(up, down)


def test_a_dead_host_takes_the_whole_connect_timeout() -> None:
    event = run_virtual(FakeTransport(hosts={"a.test": DeadHost()}).send(ask(connect_timeout=3.0)))
    assert isinstance(event, Failure)
    assert (event.reason, event.elapsed) == (Reason.CONNECT_TIMEOUT, 3.0)


# --- addresses and look-ups -------------------------------------------------------------------------------------------


def test_answers_carry_the_addresses_that_were_given() -> None:
    answers = [reply(200, address="192.0.2.1"), failure(Reason.CONNECT_REFUSED, address="192.0.2.1"), reply(200)]
    events = run_virtual(in_turn(FakeTransport({"http://a.test/": answers}), *[ask()] * 3))
    assert [event.address for event in events] == ["192.0.2.1", "192.0.2.1", None]


@pytest.mark.parametrize(
    ("answer", "address"),
    [
        (reply(429), "192.0.2.1"),
        (failure(Reason.CONNECT_REFUSED), "192.0.2.1"),
        (failure(Reason.CONNECT_TIMEOUT), "192.0.2.1"),
        (failure(Reason.CONNECT_UNREACHABLE), "192.0.2.1"),
        (failure(Reason.CONNECT_RESET), "192.0.2.1"),
        (failure(Reason.DNS_FAILURE), None),
        (failure(Reason.TLS_EXPIRED), None),
        (failure(Reason.RESPONSE_RESET), None),
    ],
)
def test_a_servers_address_is_told_where_the_protocol_tells_it(answer: Answer, address: str | None) -> None:
    world = FakeTransport(hosts={"a.test": at_address("192.0.2.1", answer)})
    assert run_virtual(world.send(ask())).address == address


def test_the_time_of_look_ups_is_what_the_test_says() -> None:
    world = FakeTransport()
    assert world.lookup_seconds == 0
    world.lookup_seconds = 1.5
    transport: Transport = world
    assert transport.lookup_seconds == 1.5


# --- outages ----------------------------------------------------------------------------------------------------------


def told(event: Reply | Failure) -> tuple[int | str, float, str | None]:
    return statuses([event])[0], event.elapsed, event.address


def test_in_an_outage_nothing_is_reached() -> None:
    host = TokenBucketHost(rate=1, burst=9)
    world = FakeTransport(
        {"http://new.test/": [reply(200), reply(404)]},
        hosts={"a.test": at_address("192.0.2.1", host), "8.8.8.8": reply(200)},
        outages=[NetworkOutage(5.0, 30.0), (40.0, 50.0)],
    )

    async def run() -> None:
        assert told(await world.send(ask())) == (200, 0, "192.0.2.1")
        assert told(await world.send(ask("http://missing.test/"))) == ("dns.not_found", 0, None)
        await asyncio.sleep(5)
        events = await at_once(
            world,
            ask(),
            ask(connect_timeout=3.0),
            ask("http://new.test/"),
            ask("http://new.test/", connect_timeout=3.0),
            ask("http://missing.test/"),
            ask("http://8.8.8.8/"),
        )
        assert [told(event) for event in events] == [
            ("connect.timeout", 10, "192.0.2.1"),
            ("connect.timeout", 3, "192.0.2.1"),
            ("dns.timeout", 5, None),
            ("dns.timeout", 3, None),
            ("dns.timeout", 5, None),
            ("connect.timeout", 10, "8.8.8.8"),
        ]
        await asyncio.sleep(15)
        assert statuses(await in_turn(world, ask("http://new.test/"), ask("http://new.test/"))) == [200, 404]
        await asyncio.sleep(10)
        assert statuses([await world.send(ask())]) == ["connect.timeout"]
        assert asyncio.get_running_loop().time() == 50
        assert statuses([await world.send(ask())]) == [200]

    run_virtual(run())
    assert host._tokens == 8
    assert host.refused == 0


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (reply(200, after=0.5), (200, 0.5)),
        (reply(200, after=1.0), (200, 1.0)),
        (reply(200, after=2.0), ("response.timeout", 20.0)),
        (reply(200, after=8.0), ("response.timeout", 20.0)),
        (failure(Reason.RESPONSE_RESET, after=2.0), ("response.timeout", 20.0)),
        (failure(Reason.CONNECT_TIMEOUT, after=10.0), ("connect.timeout", 10.0)),
        (failure(Reason.DNS_TIMEOUT, after=5.0), ("dns.timeout", 5.0)),
        (never(), ("response.timeout", 20.0)),
    ],
)
def test_what_is_under_way_when_an_outage_begins_gets_no_answer(
    answer: Answer, expected: tuple[int | str, float]
) -> None:
    world = FakeTransport(hosts={"a.test": answer}, outages=[(1.0, 4.0)])
    assert told(run_virtual(world.send(ask())))[:2] == expected


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "192.168.1.1", "[::1]:80", "app.localhost"])
def test_an_outage_leaves_private_hosts_alone(host: str) -> None:
    names = ["localhost", "127.0.0.1", "192.168.1.1", "[::1]", "app.localhost"]
    world = FakeTransport(hosts=dict.fromkeys(names, reply(200, after=2.0)), outages=[(0.0, 1.0), (1.5, 9.0)])
    assert statuses([run_virtual(world.send(ask(f"http://{host}/")))]) == [200]


@pytest.mark.parametrize("outage", [(2.0, 1.0), (1.0, 1.0)])
def test_an_outage_needs_sense(outage: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="end after its start"):
        FakeTransport(outages=[outage])
