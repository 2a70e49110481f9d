"""The library's public face: its names, `sweep` and `check`."""

from __future__ import annotations

import asyncio
import doctest
import re
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing
from pathlib import Path

import pytest

import urlsweep
from urlsweep.api import sweep
from urlsweep.core.model import Reason
from urlsweep.testing.fake import FakeTransport, failure, reply

DOCUMENTED = """
    sweep check read_sitemap
    Settings Method StatusSet
    Target Result Hop Outcome Category Reason Summary
    SweepError SourceError
    __version__
"""


def test_the_public_names_are_the_documented_ones() -> None:
    assert sorted(urlsweep.__all__) == sorted(DOCUMENTED.split())
    assert dir(urlsweep) == sorted(urlsweep.__all__)
    for name in urlsweep.__all__:
        assert getattr(urlsweep, name) is not None


def test_there_are_no_other_names() -> None:
    with pytest.raises(AttributeError, match="module 'urlsweep' has no attribute 'Swepe'"):
        _ = urlsweep.Swepe


def test_every_public_name_is_documented_where_it_is_defined() -> None:
    for name in urlsweep.__all__:
        assert name == "__version__" or (getattr(urlsweep, name).__doc__ or "").strip(), name


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(urlsweep.__file__).parent / "py.typed").is_file()
    assert re.fullmatch(r"\d+\.\d+\.\d+", urlsweep.__version__)


def test_importing_costs_nothing_until_a_name_is_used() -> None:
    script = "import sys, urlsweep; print(sorted(name for name in sys.modules if name.startswith('urlsweep.')))"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout == "['urlsweep._version']\n"


def test_the_examples_in_the_documentation_hold() -> None:
    import urlsweep.api
    import urlsweep.settings

    for module in (urlsweep.api, urlsweep.settings):
        found = doctest.testmod(module)
        assert found.attempted
        assert not found.failed


def world(count: int = 3) -> FakeTransport:
    return FakeTransport({f"http://a.test/{number}": reply(200) for number in range(count)})


async def test_sweep_gives_a_result_for_each_of_texts_and_targets() -> None:
    transport = world()
    summary = urlsweep.Summary()
    targets: list[str | urlsweep.Target] = [
        " http://a.test/0 ",
        urlsweep.Target("http://a.test/1", "here:7"),
        "nonsense",
    ]
    results = {
        result.url: (result.outcome, result.found_in)
        async for result in urlsweep.sweep(targets, summary=summary, transport=transport)
    }
    assert results == {
        "http://a.test/0": ("ok", ""),
        "http://a.test/1": ("ok", "here:7"),
        "nonsense": ("invalid", ""),
    }
    assert (summary.rows_in, summary.rows_out, summary.requests, summary.is_partial) == (3, 3, 2, False)


async def test_sweep_follows_its_settings() -> None:
    transport = FakeTransport({"http://a.test/": reply(404), "http://b.test/": reply(200)})
    settings = urlsweep.Settings(
        method=urlsweep.Method.GET, accept=urlsweep.StatusSet.parse("404"), header=(("X-A", "b"),), sort=True
    )
    results = [r async for r in urlsweep.sweep(["http://a.test/", "http://b.test/"], settings, transport=transport)]
    assert [(result.url, result.outcome) for result in results] == [
        ("http://a.test/", "ok"),
        ("http://b.test/", "broken"),
    ]
    assert {exchange.request.method for exchange in transport.log} == {"GET"}
    assert all(("X-A", "b") in exchange.request.headers for exchange in transport.log)


async def test_a_transport_that_is_given_stays_open() -> None:
    transport = world()
    async for _ in sweep(["http://a.test/0"], transport=transport):
        pass
    assert not transport.is_closed


async def test_a_transport_of_its_own_is_closed_also_when_left_early(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[FakeTransport] = []

    def open_transport(settings: urlsweep.Settings) -> FakeTransport:
        made.append(world())
        return made[-1]

    monkeypatch.setattr("urlsweep.api.open_transport", open_transport)
    assert len([result async for result in sweep(["http://a.test/0", "http://a.test/1"])]) == 2
    async with aclosing(sweep(["http://a.test/0", "http://a.test/1"])) as results:
        async for _ in results:
            break
    assert [transport.is_closed for transport in made] == [True, True]


async def test_an_endless_list_is_read_no_faster_than_results_are_taken() -> None:
    taken = 0
    is_closed = False

    async def endless() -> AsyncIterator[str]:
        nonlocal taken, is_closed
        try:
            while True:
                taken += 1
                yield f"http://a.test/{taken}"
        finally:
            is_closed = True

    transport = FakeTransport(hosts={"a.test": reply(200)})
    async with aclosing(sweep(endless(), urlsweep.Settings(concurrency=2, per_host=2), transport=transport)) as results:
        async for number in counted(results):
            if number == 10:
                break
        assert not is_closed
    assert is_closed
    assert taken < 200


async def counted(results: AsyncIterator[urlsweep.Result]) -> AsyncIterator[int]:
    number = 0
    async for _ in results:
        number += 1
        yield number


def numbers() -> Iterator[str]:
    yield "http://a.test/0"
    raise OSError("the list broke off")


async def test_what_reading_the_targets_raises_comes_through() -> None:
    with pytest.raises(OSError, match="the list broke off"):
        async for _ in sweep(numbers(), transport=world()):
            pass


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        ("http://a.test/0", "a list of URLs is expected, not a single text"),
        (b"http://a.test/0", "a list of URLs is expected, not a single text"),
        ([1], "a URL is expected, as text or as a Target, not int: 1"),
    ],
)
async def test_what_are_no_targets_is_misuse(targets: list[str], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        async for _ in sweep(targets, transport=world()):
            pass


async def test_a_credential_without_an_origin_is_refused_for_two() -> None:
    transport = FakeTransport(hosts={"a.test": reply(200), "b.test": reply(200)})
    settings = urlsweep.Settings(header=(("Authorization", "Bearer x"),))
    with pytest.raises(urlsweep.SweepError, match="Authorization would go to more than one origin"):
        async for _ in sweep(["http://a.test/", "http://b.test/"], settings, transport=transport):
            pass


def test_check_gives_the_results_in_the_order_given(monkeypatch: pytest.MonkeyPatch) -> None:
    slow_first = {"http://a.test/0": reply(200, after=0.05), "http://a.test/1": reply(404)}
    monkeypatch.setattr("urlsweep.api.open_transport", lambda settings: FakeTransport(slow_first))
    urls = ["http://a.test/0", "http://a.test/1", "http://a.test/0"]
    assert [(result.url, result.status) for result in urlsweep.check(urls)] == list(
        zip(urls, [200, 404, 200], strict=True)
    )
    assert urlsweep.check([]) == []


def test_check_follows_its_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    down = FakeTransport({"http://a.test/": failure(Reason.CONNECT_REFUSED)})
    monkeypatch.setattr("urlsweep.api.open_transport", lambda settings: down)
    [result] = urlsweep.check(["http://a.test/"], urlsweep.Settings(tries=1))
    assert (result.outcome, result.reason, result.attempts) == ("down", "connect.refused", 1)


async def test_check_does_not_block_a_running_loop() -> None:
    with pytest.raises(RuntimeError, match=r"use 'async for result in urlsweep\.sweep"):
        urlsweep.check(["http://a.test/"])


def test_the_library_writes_nothing_and_takes_no_signals(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    monkeypatch.setattr("urlsweep.api.open_transport", lambda settings: world())
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    async def run() -> None:
        async for _ in urlsweep.sweep(["http://a.test/0", "http://nowhere.test/", "x"]):
            assert signal.getsignal(signal.SIGTERM) == handlers[signal.SIGTERM]

    asyncio.run(run())
    urlsweep.check(["http://a.test/0", "x"])
    assert {number: signal.getsignal(number) for number in handlers} == handlers
    assert capfd.readouterr() == ("", "")


SITEMAP = b"""<?xml version="1.0"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"><url><loc>http://a.test/one</loc></url><url>"""


async def test_a_sitemap_is_read_and_swept_its_fault_included() -> None:
    world = FakeTransport({"http://a.test/sitemap.xml": reply(200, body=SITEMAP), "http://a.test/one": reply(200)})
    async with aclosing(urlsweep.read_sitemap("http://a.test/sitemap.xml", transport=world)) as targets:
        rows = {row.url: row async for row in sweep(targets, transport=world)}
    assert rows["http://a.test/one"].outcome is urlsweep.Outcome.OK
    assert rows["http://a.test/sitemap.xml"].reason == Reason.SOURCE_TRUNCATED
    assert not world.is_closed


async def test_a_login_for_the_run_opens_the_sitemap_too() -> None:
    world = FakeTransport({"http://a.test/sitemap.xml": reply(200, body=SITEMAP)})
    settings = urlsweep.Settings(header=(("Authorization", "Bearer abc"),))
    targets = [target async for target in urlsweep.read_sitemap("http://a.test/sitemap.xml", settings, transport=world)]
    assert [target.url for target in targets] == ["http://a.test/one", "http://a.test/sitemap.xml"]
    assert ("Authorization", "Bearer abc") in world.log[0].request.headers


async def test_a_sitemap_that_is_not_there_is_said_so_before_anything_is_asked() -> None:
    with pytest.raises(urlsweep.SourceError, match=r"there is no file 'missing\.xml'"):
        await anext(urlsweep.read_sitemap("missing.xml", transport=FakeTransport()))
