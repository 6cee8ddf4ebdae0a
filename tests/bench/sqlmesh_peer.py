"""SQLMesh as a peer: the extraction as one of its incremental models, a date of it anew.

sqlmesh_peer.py FOLDER make EXPORT     a project in the folder, planned and loaded once
sqlmesh_peer.py FOLDER again DATE      that date replaced, as SQLMesh's users do: a restatement
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SQLMESH = ROOT / ".venvs" / "sqlmesh" / "bin" / "sqlmesh"
CONFIG = """
gateways:
  local:
    connection: {type: duckdb, database: "@folder/peer.duckdb"}
default_gateway: local
model_defaults: {dialect: duckdb, start: "2024-01-01", cron: "@daily"}
disable_anonymized_analytics: true
"""
# The columns of row_by_row.py, and one of SQLMesh's own audits.
MODEL = """
model (
    name bench.billing_cost_daily,
    kind incremental_by_time_range (time_column ingestion_date),
    start "2024-01-01",
    end "2024-01-28",
    audits (not_null(columns := (billing_account_id, cost, currency)))
);
select
    uuid()::text as ingestion_id,
    usage_start_time::date as ingestion_date,
    billing_account_id,
    service.id as service_id,
    sku.id as sku_id,
    project.id as project_id,
    labels::text as labels,
    cost::decimal(38, 9) as cost,
    coalesce(list_sum([c.amount::decimal(38, 9) for c in credits]), 0)::decimal(38, 9) as credits,
    currency
from read_parquet('@export')
where usage_start_time between @start_ts and @end_ts
"""


def make(folder: Path, export: str) -> None:
    (folder / "models").mkdir(parents=True)
    (folder / "config.yaml").write_text(CONFIG.replace("@folder", str(folder)))
    (folder / "models" / "billing_cost_daily.sql").write_text(MODEL.replace("@export", export))
    sqlmesh(folder, "plan")


def again(folder: Path, date: str) -> None:
    dates = ("--start", date, "--end", date)
    sqlmesh(folder, "plan", "--restate-model", "bench.billing_cost_daily", *dates)


def sqlmesh(folder: Path, command: str, *options: str) -> None:
    called = (str(SQLMESH), "-p", str(folder), command, "--auto-apply", "--no-prompts", *options)
    environ = {
        **os.environ,
        "SQLMESH__DISABLE_ANONYMIZED_ANALYTICS": "true",
        "MAX_FORK_WORKERS": "1",
    }
    done = subprocess.run(called, capture_output=True, text=True, env=environ)
    if done.returncode:
        sys.exit(f"{called}: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    {"make": make, "again": again}[sys.argv[2]](Path(sys.argv[1]), sys.argv[3])
