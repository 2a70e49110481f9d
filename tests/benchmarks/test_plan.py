"""The world's plan is stable, near to its shares, and speaks urlsweep's words."""

from __future__ import annotations

from collections import Counter

import pytest
from benchmarks.world.plan import (
    BIG_HOST_URLS,
    COMMON_LIMIT,
    FAULTY_TLS,
    HIDES_PAGES,
    HOSTS,
    LANDING_HOSTS,
    LIMITED_HOSTS,
    NAMED_LIMITS,
    OK,
    PAGES,
    TEN_THOUSAND,
    HostKind,
    PageKind,
    Plan,
    Truth,
    landing_host,
    make_plan,
    number_of,
)

from urlsweep.core.model import Outcome, Reason, http_reason

URLS = [f"https://host-{number % 2000}.example/page/{number}" for number in range(20_000)]


@pytest.fixture(scope="module")
def plan() -> Plan:
    return make_plan(URLS)


def test_the_hash_is_the_same_everywhere() -> None:
    assert number_of("page", "https://example.org/") == 3987670283573423506
    assert number_of("host", "https://example.org/") != number_of("page", "https://example.org/")


def test_truths_are_outcomes_and_reasons_that_rows_can_have() -> None:
    reasons = {str(reason) for reason in Reason}
    for truth in [planted.truth for table in (PAGES, HOSTS) for planted in table.values()]:
        assert Outcome(truth.outcome)
        if truth.status is not None and truth.reason not in reasons:
            assert truth.reason == (None if truth.outcome == "ok" else http_reason(truth.status))
        elif truth.status is None:
            assert truth.reason in reasons


def test_kinds_come_as_often_as_their_shares_say(plan: Plan) -> None:
    counts = Counter(page.kind for page in plan.pages.values())
    for kind, planted in PAGES.items():
        if kind is PageKind.REDIRECT_HTTPS:
            continue  # https URLs that draw it are plain ones
        expected = planted.share / TEN_THOUSAND * len(URLS)
        assert abs(counts[kind] - expected) < 5 * expected**0.5 + 1, kind  # five standard deviations
    assert 0.75 < counts[PageKind.OK] / len(URLS) < 0.85


def test_every_host_has_one_kind_and_its_faults_hide_its_pages(plan: Plan) -> None:
    truths = {row.line: row.truth for row in plan.rows}
    assert {page.host_kind for page in plan.pages.values()} == set(HostKind)
    for page in plan.pages.values():
        assert plan.hosts[page.host] is page.host_kind
        if page.host_kind in HIDES_PAGES | FAULTY_TLS:
            assert truths[page.href] == HOSTS[page.host_kind].truth
        else:
            assert truths[page.href] == (OK if page.kind is PageKind.OK else PAGES[page.kind].truth)


def test_big_hosts_are_never_planted_dead() -> None:
    dead = next(host for host, kind in make_plan(URLS).hosts.items() if kind is HostKind.NO_NAME)
    plan = make_plan(f"https://{dead}/{number}" for number in range(BIG_HOST_URLS + 1))
    assert plan.hosts[dead] is HostKind.OK


def test_the_largest_hosts_that_answer_have_limits() -> None:
    lines = [f"https://host-{host}.example/{page}" for host in range(400) for page in range(1 + host // 4)]
    lines += [f"https://{host}/{page}" for host in NAMED_LIMITS for page in range(2)]
    plan = make_plan(lines)
    rates = {host: limit.rate for host, limit in plan.limits.items()}
    assert list(plan.limits)[:2] == sorted(NAMED_LIMITS)  # of as many URLs each
    assert {host: rates.pop(host) for host in NAMED_LIMITS} == NAMED_LIMITS
    assert set(rates.values()) == {COMMON_LIMIT}
    assert len(rates) == LIMITED_HOSTS
    assert {plan.hosts[host] for host in plan.limits} == {HostKind.OK}
    urls = Counter(page.host for page in plan.pages.values())
    smallest = min(urls[host] for host in rates)
    unlimited = [host for host, kind in plan.hosts.items() if kind is HostKind.OK and host not in plan.limits]
    assert all(urls[host] <= smallest for host in unlimited)
    assert plan.urls_of_limited() == {host: urls[host] for host in plan.limits}


def test_limits_hold_a_second_s_worth_and_every_other_host_tells_when() -> None:
    limits = list(make_plan(URLS).limits.values())
    assert all(limit.burst == limit.rate for limit in limits)
    assert sum(limit.tells_when for limit in limits) == len(limits) // 2


def test_faulty_tls_is_met_over_https_alone() -> None:
    faulty = next(host for host, kind in make_plan(URLS).hosts.items() if kind is HostKind.TLS_EXPIRED)
    rows = make_plan(f"http://{faulty}/{number}" for number in range(BIG_HOST_URLS)).rows
    met = {row.label: row.truth for row in rows}
    assert met.get("ok") == OK
    assert met.get(f"host {HostKind.TLS_EXPIRED}", HOSTS[HostKind.TLS_EXPIRED].truth).reason == "tls.expired"


def test_lines_that_are_one_url_or_none_have_rows_of_their_own() -> None:
    lines = [
        "# comment",
        "",
        "https://EXAMPLE.org:443/a/../b#x",
        "https://example.org/b",
        "ftp://example.org/",
        "http://[",
    ]
    plan = make_plan(lines)
    assert [row.line for row in plan.rows] == lines[2:]
    assert list(plan.pages) == ["https://example.org/b"]
    assert plan.rows[0].truth == plan.rows[1].truth
    assert plan.rows[2].truth == Truth("skipped", "skip.unsupported_scheme")
    assert plan.rows[3].truth == Truth("invalid", "url.malformed")


def test_pages_that_never_answer_can_be_left_out() -> None:
    hanging = [page.href for page in make_plan(URLS).pages.values() if page.kind is PageKind.HANG]
    assert hanging
    assert {page.kind for page in make_plan(hanging, hangs=False).pages.values()} == {PageKind.OK}


def test_redirects_lead_to_hosts_that_exist(plan: Plan) -> None:
    assert all(plan.hosts[landing_host(number)] is HostKind.OK for number in range(2 * LANDING_HOSTS))
