"""Bot walls: the unmistakable markers, and what must not be taken for one."""

from __future__ import annotations

import pytest

from urlsweep.core.check import NEEDED_FIELDS
from urlsweep.core.model import Reply
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
