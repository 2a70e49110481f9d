"""Bot walls: the unmistakable markers, and what must not be taken for one."""

from __future__ import annotations

import itertools

import pytest

from urlsweep.core.check import CONTEXT_FIELDS, NEEDED_FIELDS
from urlsweep.core.model import Reply
from urlsweep.core.rate_limit import allowance, stated_wait
from urlsweep.core.walls import WALL_FIELDS, WALLS, wall_of


@pytest.mark.parametrize(
    ("status", "fields", "evidence"),
    [
        (403, (("cf-mitigated", "challenge"),), "Cloudflare challenge: cf-mitigated: challenge"),
        (200, (("cf-mitigated", " Challenge "),), "Cloudflare challenge: cf-mitigated: Challenge"),
        (202, (("x-amzn-waf-action", "challenge"),), "AWS WAF: x-amzn-waf-action: challenge"),
        (405, (("x-amzn-waf-action", "captcha"),), "AWS WAF: x-amzn-waf-action: captcha"),
        (403, (("x-vercel-mitigated", "challenge"),), "Vercel challenge: x-vercel-mitigated: challenge"),
        (403, (("x-datadome", "protected"),), "DataDome: x-datadome: protected"),
        (429, (("x-kpsdk-ct", "0abc"),), "Kasada: x-kpsdk-ct: 0abc"),
        (403, (("x-sucuri-block", "1"),), "Sucuri firewall: x-sucuri-block: 1"),
        (403, (("server", "AkamaiGHost"),), "Akamai edge: server: AkamaiGHost"),
        (999, (), "LinkedIn: answers robots with 999"),
        (999, (("server", "nginx"),), "LinkedIn: answers robots with 999"),
    ],
)
def test_walls(status: int, fields: tuple[tuple[str, str], ...], evidence: str) -> None:
    assert wall_of(Reply(status, fields)) == evidence


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (403, ()),
        (401, (("server", "cloudflare"),)),
        (403, (("server", "cloudflare"), ("cf-ray", "1"))),
        (403, (("cf-mitigated", "block"),)),
        (200, (("x-datadome", "protected"),)),
        (404, (("x-datadome", "protected"),)),
        (200, (("server", "AkamaiGHost"),)),
        (404, (("server", "AkamaiGHost"),)),
        (200, (("x-kpsdk-ct", "0abc"),)),
        (429, ()),
        (503, (("retry-after", "1"),)),
    ],
)
def test_what_is_no_wall(status: int, fields: tuple[tuple[str, str], ...]) -> None:
    assert wall_of(Reply(status, fields)) is None


def test_evidence_is_short_whatever_the_server_sends() -> None:
    evidence = wall_of(Reply(403, (("x-datadome", "x" * 100_000),)))
    assert evidence is not None
    assert len(evidence) < 200


def test_every_wall_names_its_source_and_its_field_is_kept() -> None:
    for wall in WALLS:
        assert wall.vendor
        assert wall.source
        assert wall.field is not None or wall.statuses, "a wall without any condition would be everything"
        assert wall.field is None or wall.field in WALL_FIELDS
        assert wall.field is None or wall.field == wall.field.lower()
        assert wall.values is None or all(value == value.lower() for value in wall.values)
    assert WALL_FIELDS < NEEDED_FIELDS


def test_no_field_shows_two_walls_at_once() -> None:
    for one, other in itertools.combinations(WALLS, 2):
        if one.field == other.field:
            assert one.statuses is not None
            assert other.statuses is not None
            assert not one.statuses & other.statuses


def test_the_context_of_a_good_answer_tells_nothing_by_itself() -> None:
    for status in (200, 202, 299):
        bare = Reply(status, (("server", "AkamaiGHost"), ("date", "Wed, 25 Nov 2026 12:00:00 GMT"), ("age", "9")))
        assert {name for name, _ in bare.fields} == CONTEXT_FIELDS
        assert wall_of(bare) is None
        assert allowance(bare, 0.0) is None
        assert stated_wait(bare, 0.0) is None
