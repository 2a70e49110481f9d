"""Bot walls: answers that say "prove that you are a browser" rather than anything about the page.

Contract: one table; each row names its vendor and where the marker is documented. A wall makes a row `unverified`
with the deciding field as evidence. Only unmistakable markers are in here: a plain 403 stays a 403.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from urlsweep.core.model import Reply


class Wall(NamedTuple):
    """One vendor's marker. All of its conditions have to hold."""

    vendor: str
    source: str  # where the marker is described
    statuses: frozenset[int] | None = None  # None: any status
    field: str | None = None  # lower case; None: the status alone tells
    values: frozenset[str] | None = None  # lower case; None: any value


WALLS: Final[tuple[Wall, ...]] = (
    Wall(
        "Cloudflare challenge",
        "developers.cloudflare.com/cloudflare-challenges/challenge-types/challenge-pages/detect-response",
        field="cf-mitigated",
        values=frozenset({"challenge"}),
    ),
    Wall(
        "AWS WAF",  # a challenge comes as 202, a CAPTCHA as 405
        "docs.aws.amazon.com/waf/latest/developerguide/waf-captcha-and-challenge-actions.html",
        field="x-amzn-waf-action",
        values=frozenset({"challenge", "captcha"}),
    ),
    Wall(
        "Vercel challenge",
        "vercel.com/docs/attack-challenge-mode; the field as seen by urlcheckr.app/docs/troubleshooting",
        field="x-vercel-mitigated",
        values=frozenset({"challenge"}),
    ),
    Wall(
        "DataDome",  # the field comes with every answer of a protected site; with a refusal it is DataDome's own
        "docs.datadome.co/reference/validate-request",
        statuses=frozenset({401, 403, 429}),
        field="x-datadome",
    ),
    Wall(
        "Kasada",
        "docs.kasada.io: a request without a valid token is answered 429 with x-kpsdk-ct",
        statuses=frozenset({403, 429}),
        field="x-kpsdk-ct",
    ),
    Wall(
        "Sucuri firewall",
        "docs.sucuri.net/website-firewall: blocked requests carry x-sucuri-block",
        statuses=frozenset({403}),
        field="x-sucuri-block",
    ),
    Wall(
        "Akamai edge",  # AkamaiGHost signs what the edge itself answers; an origin's own 403 keeps the origin's Server
        "techdocs.akamai.com/edge-diagnostics: edge-generated denials",
        statuses=frozenset({403}),
        field="server",
        values=frozenset({"akamaighost"}),
    ),
    Wall(
        "LinkedIn",  # outside 100-599 and so no HTTP status at all; LinkedIn and some clones answer robots with it
        "http.dev/999",
        statuses=frozenset({999}),
    ),
)

WALL_FIELDS: Final = frozenset(wall.field for wall in WALLS if wall.field)
"""The response fields that have to be kept for `wall_of`."""


def _by_field(status: int | None) -> dict[str | None, Wall]:
    """The walls that an answer of `status` may be, by the field that shows them: no field shows two."""
    return {wall.field: wall for wall in WALLS if wall.statuses is None or status in wall.statuses}


_OF_ANY_STATUS: Final = _by_field(None)
_BY_STATUS: Final = {status: _by_field(status) for wall in WALLS for status in wall.statuses or ()}


def wall_of(reply: Reply) -> str | None:
    """One sentence with vendor and evidence where `reply` is a bot wall's, else None."""
    walls = _BY_STATUS.get(reply.status, _OF_ANY_STATUS)
    for name, value in reply.fields:
        wall = walls.get(name)
        if wall is not None and (wall.values is None or value.strip().lower() in wall.values):
            return f"{wall.vendor}: {name}: {value.strip()[:80]}"
    wall = walls.get(None)
    return None if wall is None else f"{wall.vendor}: answers robots with {reply.status}"
