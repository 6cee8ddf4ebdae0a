"""Two runs of one tenant at the same time, for two dates: both load their date."""

import json
import sys
from datetime import date
from pathlib import Path

from world import World


def test_two_dates_of_a_tenant_run_at_once_and_both_complete(mini: World, tmp_path: Path) -> None:
    """The predecessor answered the second with the first's id, and never loaded it."""
    mine = mini.copy(tmp_path)
    before = mine.bill("mini")
    ends = [
        mine.popen(
            sys.executable, "-m", "runner", "run", "--tenant", "mini", "--date", day, "--json"
        )
        for day in ("2024-11-02", "2024-11-03")
    ]
    documents = []
    for end in ends:
        answer = end()
        assert answer.returncode == 0, answer.stderr
        documents.append(json.loads(answer.stdout))
    assert [one["status"] for one in documents] == ["COMPLETED"] * 2
    assert [one["deduplicated"] for one in documents] == [False] * 2
    assert mine.bill("mini") == before
    marks = dict(
        mine.data(
            "mini",
            "select ingestion_date, any_value(pipeline_logging_id) from mini.billing_cost_daily"
            " group by all",
        )
    )
    ids = [one["pipeline_logging_id"] for one in documents]
    assert [marks[date(2024, 11, 2)], marks[date(2024, 11, 3)]] == ids
    assert marks[date(2024, 11, 1)] not in ids
