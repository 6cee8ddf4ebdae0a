"""The SQL that README and docs/questions.md show is one that BigQuery takes."""

import json
from pathlib import Path

from analysis import analyze
from emulator import Statement
from questions import bigquery_columns, questions, readme_queries

QUERIES = [*(one.sql for one in questions()), *readme_queries()]


def test_the_analyzer_takes_every_query_that_is_shown(analyzer_venv: Path, tmp_path: Path) -> None:
    tables = {}
    for name, columns in bigquery_columns().items():
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(columns))
        tables[f"local.acme1281.{name}"] = path
    broken = "select no_such_column from acme1281.cost_daily"
    *verdicts, refused = analyze(
        analyzer_venv, [Statement(0, "shown", sql) for sql in [*QUERIES, broken]], tables=tables
    )
    assert [(one.error, one.sql) for one in verdicts if not one.ok] == []
    assert not refused.ok and "no_such_column" in (refused.error or ""), "it does judge them"
    assert [one.sql for one in verdicts if one.zoned] == []
