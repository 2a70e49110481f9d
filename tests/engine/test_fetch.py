"""Documents for the sources: judged as any URL is, with the body handed over."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from urlsweep.core.check import EARLY_CONNECT, LONGEST_WAIT
from urlsweep.core.documents import FetchError
from urlsweep.core.model import Failure, Fault, Outcome, Reason, Reply
from urlsweep.core.policy import Method, Policy, Rule, StatusSet, basic_authorization
from urlsweep.fetch import DocumentFetcher
from urlsweep.testing.fake import Answer, Behaviour, DeadHost, FakeTransport, failure, reply
from urlsweep.testing.virtual_time import run_virtual

MAP = "http://a.test/sitemap.xml"
EXACT = Policy(jitter=0)


def fetched(
    world: Mapping[str, Behaviour], url: str = MAP, policy: Policy = EXACT
) -> tuple[FakeTransport, str, bytes, float]:
    """The whole of a document, where it was in the end, and when it had come."""
    transport = FakeTransport(world)

    async def go() -> tuple[FakeTransport, str, bytes, float]:
        async with DocumentFetcher(transport, policy, seed=1, wall=lambda: 1e9).fetch(url) as document:
            body = b"".join([chunk async for chunk in document])
            return transport, document.url, body, asyncio.get_running_loop().time()

    return run_virtual(go())


def fault_of(world: Mapping[str, Behaviour], url: str = MAP, policy: Policy = EXACT) -> Fault:
    with pytest.raises(FetchError) as caught:
        fetched(world, url, policy)
    return caught.value.fault


def test_a_document() -> None:
    transport, url, body, _ = fetched({MAP: reply(200, body=[b"<urlset>", b"</urlset>"])})
    assert (url, body) == (MAP, b"<urlset></urlset>")
    assert transport.methods_of(MAP) == ["GET"]


def test_redirects_are_followed_and_the_last_url_told() -> None:
    world = {
        MAP: reply(301, ("location", "//b.test/map.xml"), body=b"moved"),
        "http://b.test/map.xml": reply(200, body=b"<urlset/>"),
    }
    _, url, body, _ = fetched(world)
    assert (url, body) == ("http://b.test/map.xml", b"<urlset/>")


def test_what_may_pass_is_asked_again_later() -> None:
    answers = [reply(503), reply(429, ("retry-after", "30")), reply(200, body=b"here")]
    transport, _, body, ended_at = fetched({MAP: answers})
    assert body == b"here"
    assert transport.sent_to(MAP) == [0.0, 1.0, 31.0]
    assert ended_at == 31.0


def test_push_back_costs_a_try_and_a_wait_that_ends() -> None:
    """Nobody paces documents: a server that asks for a day is waited for as long as a person would, twice."""
    transport = FakeTransport({MAP: reply(429, ("retry-after", "86400"))})
    fetcher = DocumentFetcher(transport, EXACT)

    async def go() -> float:
        with pytest.raises(FetchError, match="answered 429 Too Many Requests 3 times"):
            async with fetcher.fetch(MAP):
                pass
        return asyncio.get_running_loop().time()

    assert run_virtual(go()) == 2 * LONGEST_WAIT
    assert transport.sent_to(MAP) == [0.0, LONGEST_WAIT, 2 * LONGEST_WAIT]


def test_a_dead_server_does_not_hold_the_first_tries_for_long() -> None:
    transport = FakeTransport(hosts={"a.test": DeadHost()})

    async def go() -> float:
        with pytest.raises(FetchError):
            async with DocumentFetcher(transport, EXACT).fetch(MAP):
                pass
        return asyncio.get_running_loop().time()

    assert run_virtual(go()) == EARLY_CONNECT + 1 + EARLY_CONNECT + 5 + EXACT.connect_timeout


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (reply(404), (Outcome.BROKEN, "http.404", 404)),
        (reply(500), (Outcome.DOWN, "http.500", 500)),
        (reply(304), (Outcome.BROKEN, "http.304", 304)),
        (reply(429), (Outcome.UNVERIFIED, "rate_limited", 429)),
        (reply(503), (Outcome.DOWN, "http.503", 503)),
        (reply(503, ("retry-after", "1")), (Outcome.UNVERIFIED, "rate_limited", 503)),
        (reply(403, ("retry-after", "1")), (Outcome.UNVERIFIED, "rate_limited", 403)),
        (reply(403, ("cf-mitigated", "challenge")), (Outcome.UNVERIFIED, "bot_wall", 403)),
        (reply(302, ("location", "/sitemap.xml")), (Outcome.BROKEN, "redirect.loop", 302)),
        (failure(Reason.DNS_NOT_FOUND), (Outcome.BROKEN, "dns.not_found", None)),
        (failure(Reason.CONNECT_REFUSED), (Outcome.DOWN, "connect.refused", None)),
    ],
)
def test_a_document_that_cannot_be_had(answer: Behaviour, expected: tuple[Outcome, str, int | None]) -> None:
    fault = fault_of({MAP: answer})
    assert (fault.outcome, fault.reason, fault.status) == expected
    assert fault.detail.startswith(f"{MAP} could not be fetched: ")


@pytest.mark.parametrize(
    ("url", "reason"),
    [("nonsense", "url.malformed"), ("ftp://a.test/", "skip.unsupported_scheme"), ("htp://a/", "url.unknown_scheme")],
)
def test_what_is_no_web_url(url: str, reason: str) -> None:
    assert fault_of({}, url).reason == reason


def test_a_body_that_breaks_off_is_told_after_what_came() -> None:
    broken = Failure(Reason.RESPONSE_RESET, "the server hung up")
    transport = FakeTransport({MAP: reply(200, body=[b"<urlset>"], breaks_off=broken)})
    came: list[bytes] = []

    async def go() -> None:
        async with DocumentFetcher(transport, EXACT).fetch(MAP) as document:
            async for chunk in document:
                came.append(chunk)  # noqa: PERF401  what came before the fault is wanted

    with pytest.raises(FetchError) as caught:
        run_virtual(go())
    assert came == [b"<urlset>"]
    assert caught.value.fault == Fault(Outcome.DOWN, "response.reset", f"{MAP} broke off: the server hung up")


@pytest.mark.parametrize(
    "policy",
    [
        Policy(accept=StatusSet.parse("404")),
        Policy(follow=False),
        Policy(method=Method.AUTO),
        Policy(exclude=(re.compile("sitemap"),)),
        Policy(include=(re.compile("nothing"),)),
        Policy(rules=(Rule(re.compile("a.test"), method=Method.AUTO, accept=StatusSet.parse("404"), skip=True),)),
    ],
)
def test_what_is_meant_for_targets_is_not_for_documents(policy: Policy) -> None:
    world = {
        MAP: reply(302, ("location", "/real.xml")),
        "http://a.test/real.xml": reply(200, body=b"<urlset/>"),
    }
    transport, _, body, _ = fetched(world, policy=policy)
    assert body == b"<urlset/>"
    assert {exchange.request.method for exchange in transport.log} == {"GET"}
    assert fault_of({MAP: reply(404)}, policy=policy).reason == "http.404"


def test_credentials_go_with_the_document_to_its_origin_alone() -> None:
    policy = Policy(
        headers=(("User-Agent", "x"),),
        credentials={"http://a.test": (("X-Api-Key", "k"),)},
        rules=(Rule(re.compile("sitemap"), headers=(("X-Token", "t"),), timeout=5.0),),
    )
    world = {MAP: reply(302, ("location", "http://b.test/")), "http://b.test/": reply(200)}
    transport, *_ = fetched(world, "http://u:p@a.test/sitemap.xml", policy)
    first, second = (exchange.request for exchange in transport.log)
    assert first.headers == (
        ("User-Agent", "x"), ("X-Api-Key", "k"), ("X-Token", "t"), basic_authorization("u", "p"),
    )  # fmt: skip
    assert first.timeout == 5.0
    assert second.headers == (("User-Agent", "x"),)


def test_a_public_sitemap_may_not_lead_inside() -> None:
    fault = fault_of({MAP: reply(302, ("location", "http://169.254.169.254/latest"))})
    assert fault.reason == "redirect.forbidden"


@pytest.mark.parametrize("url", ["http://127.0.0.1/1.xml", "http://localhost./1.xml", "http://[::ffff:10.0.0.1]/1.xml"])
def test_what_a_public_document_names_may_not_be_private(url: str) -> None:
    transport = FakeTransport({url: reply(200)})

    async def refused(policy: Policy) -> Fault:
        with pytest.raises(FetchError) as caught:
            async with DocumentFetcher(transport, policy).fetch(url, public_only=True):
                pass
        return caught.value.fault

    fault = run_virtual(refused(EXACT))
    assert (fault.outcome, fault.reason) == (Outcome.BROKEN, Reason.SOURCE_UNSAFE)
    assert "--allow-private-redirects" in fault.detail
    fault = run_virtual(refused(replace(EXACT, allow_private=False)))
    assert (fault.outcome, fault.reason) == (Outcome.SKIPPED, Reason.SKIP_PRIVATE_ADDRESS)
    assert transport.log == []

    async def allowed() -> bool:
        fetcher = DocumentFetcher(transport, replace(EXACT, allow_private_redirects=True))
        async with fetcher.fetch(url, public_only=True) as document:
            return document.is_public

    assert run_virtual(allowed()) is False


def test_what_a_public_document_names_may_not_turn_out_to_be_private() -> None:
    # The transport says so where a name's addresses are private, as it is asked to look.
    transport = FakeTransport({MAP: failure(Reason.SKIP_PRIVATE_ADDRESS)})

    async def go() -> Fault:
        with pytest.raises(FetchError) as caught:
            async with DocumentFetcher(transport, EXACT).fetch(MAP, public_only=True):
                pass
        return caught.value.fault

    assert run_virtual(go()).reason == Reason.SOURCE_UNSAFE
    assert [exchange.request.public_only for exchange in transport.log] == [Reason.SKIP_PRIVATE_ADDRESS]


@pytest.mark.parametrize(
    ("answer", "is_public"),
    [
        (Answer(0.0, Reply(200, address="10.0.0.1")), False),
        (Answer(0.0, Reply(200, address="93.184.215.14")), True),
        (reply(200), True),
        (reply(302, ("location", "http://127.0.0.1/")), True),
    ],
)
def test_whether_a_public_server_led_to_it_is_told(answer: Answer, is_public: bool) -> None:
    async def go() -> bool:
        transport = FakeTransport({MAP: answer, "http://127.0.0.1/": reply(200)})
        async with DocumentFetcher(transport, replace(EXACT, allow_private_redirects=True)).fetch(MAP) as document:
            return document.is_public

    assert run_virtual(go()) is is_public


@pytest.mark.parametrize("answer", [reply(404), failure(Reason.DNS_NOT_FOUND)])
def test_no_password_is_told(answer: Behaviour) -> None:
    fault = fault_of({MAP: answer}, "http://me:s3cret@a.test/sitemap.xml")
    assert fault.detail.startswith("http://me:***@a.test/sitemap.xml could not be fetched")
    fault = fault_of({}, "http://me:s3cret@127.0.0.1/", replace(EXACT, allow_private=False))
    assert "s3cret" not in fault.detail


def test_leaving_early_closes_the_answer() -> None:
    closed: list[str] = []

    class Watched(FakeTransport):
        def open(self, request: Any) -> Any:
            inner = super().open(request)

            class Context:
                async def __aenter__(self) -> Any:
                    return await inner.__aenter__()

                async def __aexit__(self, *error: object) -> Any:
                    closed.append(request.url)
                    return await inner.__aexit__(*error)  # type: ignore[arg-type]  # passed on

            return Context()

    async def go() -> None:
        transport = Watched({MAP: [reply(503), reply(200, body=[b"a", b"b"])]})
        async with DocumentFetcher(transport, EXACT).fetch(MAP) as document:
            assert closed == [MAP]  # the 503's
            async for _ in document:
                break
        assert closed == [MAP, MAP]

    run_virtual(go())
