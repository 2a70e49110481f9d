"""Third-party truth: a run against httpbin, whose authors never heard of urlsweep, served on loopback."""

from __future__ import annotations

import importlib
import logging
import threading
import warnings
from collections.abc import Iterator

import pytest

from urlsweep import Outcome, Result, Settings, check
from urlsweep.core.policy import StatusSet
from urlsweep.settings.values import ScopedField

CODES = [
    200,
    201,
    204,
    206,
    226,
    400,
    401,
    402,
    403,
    404,
    405,
    406,
    409,
    410,
    418,
    421,
    422,
    451,
    500,
    501,
    502,
    504,
    599,
]


@pytest.fixture(scope="module")
def httpbin() -> Iterator[str]:
    """The root URL of an httpbin of this test's own, without the last slash."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own affair
        logging.disable(logging.CRITICAL)
        app = importlib.import_module("httpbin").app
        serving = importlib.import_module("werkzeug.serving")
    server = serving.make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        logging.disable(logging.NOTSET)


def rows(root: str, *paths: str, settings: Settings | None = None) -> dict[str, Result]:
    quick = settings if settings is not None else Settings(retry_delays=(0.01,))
    return {row.url.removeprefix(root): row for row in check([root + path for path in paths], quick)}


def test_every_status_is_told_as_it_is(httpbin: str) -> None:
    found = rows(httpbin, *(f"/status/{code}" for code in CODES))
    for code in CODES:
        row = found[f"/status/{code}"]
        expected = Outcome.OK if code < 300 else Outcome.BROKEN if code < 500 else Outcome.DOWN
        assert (row.outcome, row.status) == (expected, code)


def test_redirects_are_followed_to_their_end(httpbin: str) -> None:
    paths = (
        "/redirect/5",
        "/relative-redirect/4",
        "/absolute-redirect/3",
        "/redirect-to?url=/get&status_code=307",
        "/redirect-to?url=/status/404",
        "/redirect/11",
        "/cookies/set?taste=sweet",
    )
    found = rows(httpbin, *paths)
    assert [len(found[path].hops) for path in paths] == [5, 4, 3, 1, 1, 10, 1]
    assert [found[path].reason for path in paths] == [None, None, None, None, "http.404", "redirect.too_many", None]
    assert found["/redirect/5"].final_url == f"{httpbin}/get"


def test_logins_and_fields(httpbin: str) -> None:
    with_login = httpbin.replace("http://", "http://ann:secret@")
    paths = ("/basic-auth/ann/secret", "/hidden-basic-auth/ann/secret", "/basic-auth/ann/other")
    assert [row.status for row in check([with_login + path for path in paths])] == [200, 200, 401]
    assert rows(httpbin, paths[0])[paths[0]].reason == "http.401"
    [row] = check([httpbin + "/bearer"], Settings(header_for=(ScopedField(httpbin, "Authorization", "Bearer abc"),)))
    assert row.outcome is Outcome.OK


def test_bodies_of_every_kind_are_left_alone(httpbin: str) -> None:
    paths = [
        *("/gzip", "/deflate", "/brotli", "/stream/20", "/bytes/100000", "/image/png", "/encoding/utf8", "/html"),
        "/drip?duration=0.2&numbytes=5&code=200&delay=0",
        "/anything/%7Ea%2Fb?q=%20",
    ]
    found = rows(httpbin, *paths)
    assert {path: row.outcome for path, row in found.items()} == dict.fromkeys(paths, Outcome.OK)


def test_a_slow_answer_times_out_and_a_slower_limit_waits(httpbin: str) -> None:
    impatient = Settings(timeout=0.2, connect_timeout=0.2, tries=1)
    assert rows(httpbin, "/delay/1", settings=impatient)["/delay/1"].reason == "response.timeout"
    assert rows(httpbin, "/delay/1")["/delay/1"].outcome is Outcome.OK


def test_accepted_codes_are_ok(httpbin: str) -> None:
    settings = Settings(accept=StatusSet.parse("2xx,404"))
    row = rows(httpbin, "/status/404", settings=settings)["/status/404"]
    assert (row.outcome, row.reason, row.status) == (Outcome.OK, "http.404", 404)
