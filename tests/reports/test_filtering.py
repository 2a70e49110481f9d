from __future__ import annotations

import io
import json

from urlsweep.core.model import Outcome, Result
from urlsweep.core.summary import Summary
from urlsweep.reports.filtering import OnlyOutcomes
from urlsweep.reports.registry import create


def test_rows_are_filtered_and_the_summary_is_not() -> None:
    stream, summary = io.BytesIO(), Summary()
    report = OnlyOutcomes(create("json", stream), [Outcome.BROKEN, Outcome.DOWN])
    for outcome in Outcome:
        row = Result(url=f"https://example.org/{outcome}", outcome=outcome)
        summary.add(row)
        report.write(row)
    report.close(summary)
    document = json.loads(stream.getvalue())
    assert [row["outcome"] for row in document["results"]] == ["broken", "down"]
    assert document["summary"]["outcomes"] == dict.fromkeys(map(str, Outcome), 1)
