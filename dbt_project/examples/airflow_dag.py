"""Load every tenant's bill each night with Airflow 3. Copy to the DAGs folder.

One task for each landing, then SHARDS tasks for the tenants. `make test-release` imports this file
with Airflow 3 and has the runner read the tasks' commands; no scheduler has run it.

RUNNER is installed in an environment of its own: Airflow's pins and dbt's do not agree. A retry is
cheap, because a repeated catch-up loads only what is still missing. On a local (DuckDB) target all
tasks must run on the machine that has the warehouse; on BigQuery they can run anywhere.
"""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

PROJECT = "/srv/billing"
RUNNER = "/opt/runner/bin/runner"
CATCH_UP = f"{RUNNER} catch-up --trigger-by airflow"
LANDINGS: tuple[str, ...] = ()  # such as ("shared",): exports that are loaded once for many tenants
SHARDS = 4

with DAG(
    dag_id="billing_catch_up",
    schedule="0 6 * * *",
    start_date=datetime(2024, 11, 1),
    catchup=False,  # the command finds by itself which dates are missing
    max_active_runs=1,
    dagrun_timeout=timedelta(hours=20),
    default_args={
        "owner": "finops",
        "retries": 1,
        "retry_delay": timedelta(minutes=30),
        "cwd": PROJECT,
        "env": {"LOG_FORMAT": "text"},
        "append_env": True,
    },
    tags=["billing", "dbt"],
) as dag:
    shards = [
        BashOperator(
            task_id=f"tenants_{part}_of_{SHARDS}",
            bash_command=f"{CATCH_UP} --all-tenants --shard {part}/{SHARDS}",
        )
        for part in range(SHARDS)
    ]
    for landing in LANDINGS:
        first = BashOperator(
            task_id=f"landing_{landing}",
            bash_command=f"{CATCH_UP} --tenant {landing}",
        )
        first >> shards
