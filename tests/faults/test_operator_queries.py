"""The four queries of the operators, as they are written for BigQuery: run, and right."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from control_file import DAY
from scene import ACCOUNT, Scene
from support import ROOT

RUNS = """
SELECT pipeline_logging_id, pipeline_id, status, run_date, start_time, duration_ms, error_message
FROM `my-project.acme.x_meta_pipeline_runs`
WHERE start_time >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 7 DAY)
ORDER BY start_time DESC
"""
STEPS = """
SELECT pipeline_logging_id, step_name, status, start_time, duration_ms
FROM `my-project.acme.x_meta_step_logs`
WHERE start_time >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 1 DAY)
ORDER BY start_time
"""
BILL = """
SELECT billing_account_id, service_id, COUNT(*) AS charge_rows, SUM(cost) AS cost,
    SUM(cost) + SUM(credits_total) AS net_cost,
    MIN(usage_start_time) AS first_usage, MAX(usage_end_time) AS last_usage
FROM `my-project.acme.billing_cost_daily`
WHERE DATE(ingestion_date) = '2024-11-01'
GROUP BY billing_account_id, service_id
ORDER BY cost DESC
"""
QUOTA = """
SELECT usage_date, pipelines_run_today, daily_limit - pipelines_run_today AS remaining_today,
    pipelines_run_month, monthly_limit - pipelines_run_month AS remaining_this_month,
    concurrent_pipelines_running,
    concurrent_limit - concurrent_pipelines_running AS remaining_at_once
FROM `my-project.tenants.tenant_usage_quotas`
WHERE tenant_id = 'acme' AND usage_date = CURRENT_DATE()
"""
QUERIES = ("runs_of_seven_days", "steps_of_one_day", "bill_of_loaded_date", "quota_today")


def compiled(scene: Scene, target: str, *flags: str, **environ: str) -> dict[str, str]:
    """What dbt makes of the four, in one call."""
    path = scene.folder / f"compiled_{target}"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "dbt.cli.main", "compile", "--select", *QUERIES),
            *("--vars", f"{{tenant_id: acme, date: {DAY}}}"),
            *("--project-dir", str(ROOT), "--profiles-dir", scene.environ["DBT_PROFILES_DIR"]),
            *("--target", target, "--target-path", str(path), *flags),
        ],
        cwd=ROOT,
        env={**os.environ, **scene.environ, **environ},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    found = path / "compiled" / "gcp_tenant_cost" / "dbt_project" / "analyses"
    return {name: (found / f"{name}.sql").read_text() for name in QUERIES}


@pytest.fixture(scope="module")
def history(scene: Scene) -> Iterator[Scene]:
    """A warehouse with a bill and some days of runs; written by hand, so that answers are known."""
    scene.sql(
        "create table acme.billing_cost_daily as select ? as billing_account_id, service_id,"
        " 'USD' as currency, cost::decimal(38, 9) as cost, credit::decimal(38, 9) as credits_total,"
        " day::timestamp + interval 3 hour as usage_start_time,"
        " day::timestamp + interval 4 hour as usage_end_time, day as ingestion_date"
        " from (values ('s1', 1.000000001, 0, date '2024-11-01'), ('s1', 2, -0.5, '2024-11-01'),"
        " ('s2', 0.25, 0, '2024-11-01'), ('s1', 77, 0, '2024-10-31'), ('s1', 88, 0, '2024-11-02'))"
        " as charges (service_id, cost, credit, day)",
        ACCOUNT,
        file="tenant_acme",
    )
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    ages = {
        "today": ("COMPLETED", now - (now - midnight) / 2),
        "failed": ("FAILED", now - (now - midnight) / 3),
        "running": ("RUNNING", now - (now - midnight) / 4),
        "refused": ("REFUSED", now - (now - midnight) / 5),
        "six_days": ("COMPLETED", now - timedelta(days=6, hours=23)),
        "eight_days": ("COMPLETED", now - timedelta(days=7, minutes=1)),
    }
    for run, (status, started) in ages.items():
        scene.sql(
            "insert into acme.x_meta_pipeline_runs by name select ? as pipeline_logging_id,"
            " 'acme' as tenant_id, ? as status, ? as start_time, ? as run_date, ? as to_date",
            *(run, status, started, DAY, DAY),
        )
        scene.sql(
            "insert into acme.x_meta_step_logs by name select ? as step_logging_id,"
            " ? as pipeline_logging_id, 'a step' as step_name, 0 as step_index, ? as start_time",
            *(run, run, started),
        )
        events = ["refused"] if status == "REFUSED" else ["started", "finished"]
        for event in events[: 1 if status == "RUNNING" else 2]:
            scene.sql(
                "insert into tenants.tenant_usage_events values (?, 'acme', ?, ?, ?, ?, ?)",
                *(f"{run}-{event}", run, event, status, started.date(), started),
            )
    yield scene


def answer(scene: Scene, sql: str) -> list[dict[str, Any]]:
    """The rows of a query, by the command."""
    done = scene.call("query", sql, "--json")
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


def test_the_history_has_the_runs_of_seven_days_newest_first(history: Scene) -> None:
    assert [row["pipeline_logging_id"] for row in answer(history, RUNS)] == [
        *("refused", "running", "failed", "today", "six_days")
    ]


def test_the_step_log_has_the_steps_of_one_day(history: Scene) -> None:
    found = {row["pipeline_logging_id"] for row in answer(history, STEPS)}
    assert found == {"today", "failed", "running", "refused"}


def test_the_bill_has_the_totals_of_the_date_and_no_other(history: Scene) -> None:
    rows = answer(history, BILL)
    found = [
        (row["billing_account_id"], row["service_id"], row["charge_rows"], row["cost"])
        for row in rows
    ]
    assert found == [(ACCOUNT, "s1", 2, "3.000000001"), (ACCOUNT, "s2", 1, "0.25")]
    assert rows[0]["net_cost"] == "2.500000001"
    assert rows[0]["first_usage"] == "2024-11-01T03:00:00"


def test_the_quota_of_today_reports_what_remains(history: Scene) -> None:
    (row,) = answer(history, QUOTA)
    today = datetime.now(UTC).date()
    ((this_month,),) = history.sql(
        "select count(*) from acme.x_meta_pipeline_runs"
        " where status <> 'REFUSED' and start_time >= ?",
        datetime(today.year, today.month, 1),
    )
    assert row["usage_date"] == str(today) and this_month >= 3
    assert (row["pipelines_run_today"], row["remaining_today"]) == (3, 97)
    assert row["pipelines_run_month"] == this_month
    assert row["remaining_this_month"] == 3000 - this_month
    assert (row["concurrent_pipelines_running"], row["remaining_at_once"]) == (1, 9)


def test_bill_and_runs_are_joined_in_one_statement(history: Scene) -> None:
    rows = answer(
        history,
        "select runs.pipeline_logging_id, sum(bill.cost) as cost from acme.billing_cost_daily as"
        " bill inner join acme.x_meta_pipeline_runs as runs on bill.ingestion_date = runs.run_date"
        " where runs.pipeline_logging_id = 'today' group by runs.pipeline_logging_id",
    )
    assert rows == [{"pipeline_logging_id": "today", "cost": "3.250000001"}]


def test_names_are_read_whatever_their_case(history: Scene) -> None:
    sql = "SELECT COUNT(*) AS runs FROM ACME.X_META_PIPELINE_RUNS"
    assert answer(history, sql) == [{"runs": 6}]


def test_the_same_rows_as_a_table_and_as_csv(history: Scene) -> None:
    sql = "select service_id, cost, null as nothing from billing_cost_daily order by cost limit 2"
    table = history.call("query", sql, "--tenant", "acme")
    assert table.stdout.splitlines() == [
        "service_id         cost  nothing",
        "s2                 0.25  -",
        "s1          1.000000001  -",
        "(2 rows)",
    ]
    lines = history.call("query", sql, "--tenant", "acme", "--csv").stdout.splitlines()
    assert lines == ["service_id,cost,nothing", "s2,0.25,", "s1,1.000000001,"]


@pytest.mark.parametrize(
    "sql",
    [
        "delete from acme.billing_cost_daily",
        "select 1; select 2",
        "with x as (copy (select 1) to '{folder}/out.parquet') select * from x",
        "with x as (insert into tenants.tenant_profiles (tenant_id) values ('x') returning *)"
        " select * from x",
        "copy (select 1) to '/tmp/out.csv'",
        "select * from read_csv('/etc/passwd')",
        "attach '/etc/passwd' as x",
        "selec 1",
        "select * from acme.no_such_table",
        "select * from globex.billing_cost_daily",
    ],
)
def test_whatever_is_not_one_select_of_our_tables_is_refused_in_one_sentence(
    history: Scene, sql: str
) -> None:
    done = history.call("query", sql.format(folder=history.folder), "--tenant", "acme")
    assert not (history.folder / "out.parquet").exists()
    assert (done.returncode, done.stdout) == (2, "") and "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("Error: ")


@pytest.mark.parametrize(
    ("sql", "near"),
    [
        ("select * from acme.x_meta_pipeline_run", "x_meta_pipeline_runs"),
        ("select\n  run_dat\nfrom acme.x_meta_pipeline_runs", "run_date"),
        ("select sums(1)", "sum"),
    ],
)
def test_a_mistyped_name_is_refused_with_the_nearest(history: Scene, sql: str, near: str) -> None:
    done = history.call("query", sql, "--tenant", "acme")
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert f'"{near}"' in done.stderr or f"{near}(" in done.stderr, done.stderr
    assert "LINE" not in done.stderr and done.stderr.endswith(": correct it.\n")


def test_a_value_that_cannot_be_converted_is_not_shown(history: Scene) -> None:
    """It may be another tenant's: views read exports that several tenants share."""
    sql = "select cast(status as int) from acme.x_meta_pipeline_runs"
    done = history.call("query", sql)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert "COMPLETED" not in done.stderr and "FAILED" not in done.stderr, done.stderr


def test_in_bigquerys_words_they_read_as_an_operator_would_write_them(scene: Scene) -> None:
    """Compiled only: their results are DuckDB's to prove, their words BigQuery's."""
    sql = compiled(
        scene,
        "bigquery",
        *("--no-introspect", "--no-populate-cache"),
        BIGQUERY_EMULATOR_HOST="http://127.0.0.1:9",
        GCP_PROJECT="proj",
    )
    assert "from `proj`.`acme`.`x_meta_pipeline_runs`" in sql["runs_of_seven_days"]
    assert "start_time >= current_timestamp() - interval 7 day" in sql["runs_of_seven_days"]
    assert "start_time >= current_timestamp() - interval 1 day" in sql["steps_of_one_day"]
    assert "date(ingestion_date) between date '2024-11-01'" in sql["bill_of_loaded_date"]
    assert "from `proj`.`tenants`.`tenant_usage_quotas`" in sql["quota_today"]


def test_each_query_is_described() -> None:
    import yaml

    folder = Path(ROOT) / "dbt_project" / "analyses"
    described = yaml.safe_load((folder / "_analyses.yml").read_text())["analyses"]
    assert {one["name"] for one in described} == {path.stem for path in folder.glob("*.sql")}
    assert all(one["description"] for one in described)
