"""The four queries of the operators: compiled by dbt, run, and right."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from control_file import DAY
from scene import ACCOUNT, Scene
from support import ROOT

QUERIES = ("runs_of_seven_days", "steps_of_one_day", "bill_of_loaded_date", "quota_today")


def compiled(scene: Scene, target: str, *flags: str, **environ: str) -> dict[str, str]:
    """What dbt makes of the four, in one call."""
    path = scene.folder / f"compiled_{target}"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "dbt.cli.main", "compile", "--select", *QUERIES),
            *("--vars", f"{{tenant_id: acme, date: {DAY}, duckdb_file: control}}"),
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
def sql(scene: Scene) -> dict[str, str]:
    return compiled(scene, "local")


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
    now = datetime.now(UTC).replace(tzinfo=None)
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


def answer(scene: Scene, file: str, text: str) -> list[dict[str, Any]]:
    """The rows of a query; `control` is what it was compiled for."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        connection.execute(f"attach '{scene.path(file)}' as control (read_only)")
        cursor = connection.execute(text)
        names = [column[0] for column in cursor.description or []]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def test_the_history_has_the_runs_of_seven_days_newest_first(history: Scene, sql: Any) -> None:
    rows = answer(history, "control", sql["runs_of_seven_days"])
    assert [row["pipeline_logging_id"] for row in rows] == [
        *("refused", "running", "failed", "today", "six_days")
    ]


def test_the_step_log_has_the_steps_of_one_day(history: Scene, sql: Any) -> None:
    rows = answer(history, "control", sql["steps_of_one_day"])
    assert {row["pipeline_logging_id"] for row in rows} == {"today", "failed", "running", "refused"}


def test_the_bill_has_the_totals_of_the_date_and_no_other(history: Scene, sql: Any) -> None:
    rows = answer(history, "tenant_acme", sql["bill_of_loaded_date"])
    told = [
        (row["billing_account_id"], row["service_id"], row["charge_rows"], row["cost"])
        for row in rows
    ]
    assert told == [
        (ACCOUNT, "s1", 2, Decimal("3.000000001")),
        (ACCOUNT, "s2", 1, Decimal("0.25")),
    ]
    assert rows[0]["net_cost"] == Decimal("2.500000001")
    assert rows[0]["first_usage_start_time"] == datetime(2024, 11, 1, 3)


def test_the_quota_of_today_says_what_remains(history: Scene, sql: Any) -> None:
    (row,) = answer(history, "control", sql["quota_today"])
    today = datetime.now(UTC).date()
    ((this_month,),) = history.sql(
        "select count(*) from acme.x_meta_pipeline_runs"
        " where status <> 'REFUSED' and start_time >= ?",
        datetime(today.year, today.month, 1),
    )
    assert row["usage_date"] == today and this_month >= 3
    assert (row["pipelines_run_today"], row["remaining_today"]) == (3, 97)
    assert row["pipelines_run_month"] == this_month
    assert row["remaining_this_month"] == 3000 - this_month
    assert (row["concurrent_pipelines_running"], row["remaining_at_once"]) == (1, 9)


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
