"""Two commands at the same time: runs of one tenant both load, tenants never share in silence."""

import json
import sys
from datetime import date
from pathlib import Path

from exports import charge, write_parquet
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


def test_two_tenants_are_added_to_one_export_at_once_and_one_is_refused(
    empty_world: World,
) -> None:
    """Both used to pass the check, and every charge was billed twice."""
    export = write_parquet(empty_world.folder / "e.parquet", [charge("2024-11-01", 1.0)])
    ends = {
        name: empty_world.popen(
            *(sys.executable, "-m", "runner", "tenant", "add", name),
            *("--admin-email", "a@b.example", "--export", str(export)),
        )
        for name in ("mini", "field")
    }
    reported = {name: end() for name, end in ends.items()}
    codes = {name: answer.returncode for name, answer in reported.items()}
    assert sorted(codes.values()) == [0, 2], [answer.stderr for answer in reported.values()]
    (winner,) = (name for name in codes if codes[name] == 0)
    (loser,) = set(codes) - {winner}
    assert f"also read by tenant {winner}" in reported[loser].stderr
    found = empty_world.control("select tenant_id from tenants.tenant_exports")
    assert found == [(winner,)]
