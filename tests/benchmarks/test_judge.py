"""The judge: what a tool said against the plan."""

from __future__ import annotations

from benchmarks.world.judge import judge, normal
from benchmarks.world.plan import OK, Plan, Row, Truth
from benchmarks.world.tools import Said

MISSING = Truth("broken", "http.404", 404)
WALL = Truth("unverified", "bot_wall", 403)
PLAN = Plan(
    (
        Row("https://a.example/", "ok", OK),
        Row("https://a.example/gone", "not_found", MISSING),
        Row("https://A.example", "ok", OK),
        Row("https://w.example/", "challenge", WALL),
    ),
    {},
    {},
    {},
)
RIGHT = [Said(row.line, *row.truth) for row in PLAN.rows]


def test_right_answers_are_flawless() -> None:
    judgement = judge(PLAN, reversed(RIGHT), by_reason=True)
    assert judgement.is_flawless
    assert (judgement.rows, judgement.answered) == (4, 4)
    assert judgement.planted["ok"] == 2


def test_a_wrong_reason_is_inexact_but_no_false_alarm() -> None:
    judgement = judge(PLAN, [*RIGHT[:1], Said(PLAN.rows[1].line, "down", "http.500", 500), *RIGHT[2:]], by_reason=True)
    assert (judgement.inexact_count, judgement.false_alarm_count, judgement.false_calm_count) == (1, 0, 0)
    assert not judgement.is_flawless


def test_false_alarms_and_false_calms_are_told_apart() -> None:
    swapped = [RIGHT[0]._replace(outcome="down"), RIGHT[1]._replace(outcome="ok"), *RIGHT[2:]]
    judgement = judge(PLAN, swapped, by_reason=True)
    assert list(judgement.false_alarms) == ["ok"]
    assert list(judgement.false_calms) == ["not_found"]


def test_rows_without_an_answer_and_answers_without_a_row() -> None:
    judgement = judge(PLAN, [*RIGHT[1:], Said("https://else.example/", "ok"), RIGHT[1]], by_reason=True)
    assert judgement.missing == ["https://a.example/"]
    assert judgement.unasked == ["https://else.example/", "https://a.example/gone"]
    assert not judgement.is_flawless


def test_a_tool_that_answers_by_url_answers_all_its_lines() -> None:
    said = [
        Said("https://a.example/", "ok"),
        Said("https://a.example/gone", "broken"),
        Said("https://w.example/", "broken"),
    ]
    judgement = judge(PLAN, said, by_reason=False)
    assert judgement.is_flawless  # a wall may be called broken or not: nobody can tell
    assert judgement.answered == 3
    assert judge(PLAN, [*said, said[0]], by_reason=False).unasked == []


def test_a_link_that_was_passed_over_is_told() -> None:
    skipped = RIGHT[1]._replace(outcome="skipped")
    assert judge(PLAN, [RIGHT[0], skipped, RIGHT[3]], by_reason=False).untold == [skipped]


def test_urls_are_compared_as_browsers_write_them() -> None:
    assert normal("HTTPS://A.example:443#top") == "https://a.example/"
    assert normal("no url") == "no url"
