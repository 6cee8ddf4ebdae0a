"""A real control file without dbt: plain tables, made from the contracts that dbt enforces."""

import json
import subprocess
import sys
import uuid
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import jinja2
import yaml
from compiled_once import SYSTEM
from control_db import ask
from support import ROOT

from runner.context import open_context
from runner.control import claim
from runner.control.runs import Run
from runner.control.sqlite import SqliteStore
from runner.dates import DateRange
from runner.settings import Settings

TENANTS = ("acme", "globex")
PIPELINE = "gcp-cost-billing"
DAY = date(2024, 11, 1)


def dataset_tables(tenant: str) -> Iterator[str]:
    """The DDL of what dbt's hooks and macros fill in a tenant's dataset."""
    models = ROOT / "models" / "control" / "dataset"
    for model in yaml.safe_load((models / "_dataset.yml").read_text())["models"]:
        columns = ", ".join(
            f"{column['name']} {_rendered(column['data_type'])}" for column in model["columns"]
        )
        yield f"create table {tenant}.{model['name']} ({columns})"


def at_once(
    control: "Control", script: str, calls: Iterable[Sequence[str]], ready: str = "ready"
) -> "list[subprocess.Popen[str]]":
    """Processes that run a script, one per list of arguments, started once all print `ready`."""
    paths = ":".join(map(str, (ROOT, ROOT / "tests", ROOT / "tests" / "onboarding")))
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**SYSTEM, **control.environ, "PYTHONPATH": paths},
        )
        for arguments in calls
    ]
    for one in processes:
        assert one.stdout and one.stdout.readline() == f"{ready}\n"
    for one in processes:
        assert one.stdin
        one.stdin.write("go\n")
        one.stdin.flush()
    return processes


def publish(
    connection: duckdb.DuckDBPyConnection,
    run_id: str,
    table: str,
    *days: date,
    read: tuple[str, ...] = (),
    at: datetime | None = None,
    rows: int = 2,
    net: dict[str, str] | None = None,
    tenant: str = "acme",
) -> None:
    """Write what a table's transaction writes: a row for each date."""
    for day in days:
        connection.execute(
            f"insert into {tenant}.x_meta_publications by name select ? as tenant_id,"
            " ? as target_table, ? as usage_date, ? as pipeline_logging_id, ? as row_count,"
            " ? as net, ? as read_tables, 7 as expectations_passed, ? as published_at",
            [
                *(tenant, table, day, run_id, rows, json.dumps(net) if net else None),
                json.dumps(list(read)),
                (at or datetime.now(UTC)).replace(tzinfo=None),
            ],
        )


def judge(
    connection: duckdb.DuckDBPyConnection,
    run_id: str,
    table: str,
    status: str,
    *failed: dict[str, Any],
    passed: int = 0,
    severity: str = "error",
    tenant: str = "acme",
) -> None:
    """Write the row of a table and severity, as the data-quality hook does."""
    connection.execute(
        f"insert into {tenant}.x_meta_dq_results by name select ? as pipeline_logging_id,"
        " ? as target_table, ? as dq_config_id, ? as severity, now()::timestamp as executed_at,"
        " ? as expectations_passed, ? as expectations_failed, ? as failed_rows,"
        " ?::json as failed_expectations, ? as overall_status, ? as error_message",
        [
            *(run_id, table, f"{table}__{severity}", severity, passed, len(failed)),
            sum(one.get("failing_rows") or 0 for one in failed),
            json.dumps(failed) if failed else None,
            *(status, f"{len(failed)} failed" if failed else None),
        ],
    )


def _rendered(data_type: str) -> str:
    """A contract's type as dbt renders it for DuckDB."""
    return jinja2.Template(data_type).render(target={"type": "duckdb"})


def write_control_file(path: Path, tenants: tuple[str, ...] = TENANTS) -> None:
    """A control file with these tenants, all alike."""
    store = SqliteStore(path, ROOT, 60)
    for tenant in tenants:
        store.complete(tenant)
        ask(
            path,
            "insert into tenants.tenant_profiles by name select ? as tenant_id,"
            " 'Acme & Sons' as company_name, 'admin@acme.example' as admin_email,"
            " 'ACTIVE' as status, 'PROFESSIONAL' as subscription_plan, ? as created_at",
            (tenant, datetime(2024, 1, 1)),
        )
        ask(
            path,
            "insert into tenants.tenant_subscriptions by name select 's' as subscription_id,"
            " ? as tenant_id, 'PROFESSIONAL' as plan_name, 'ACTIVE' as status,"
            " 25 as daily_limit, 750 as monthly_limit, 5 as concurrent_limit",
            (tenant,),
        )
        ask(path, f"insert into {tenant}.x_meta_lock by name select 'claim' as lock_name")
    # Into the file itself, so that a copy of it has everything.
    ask(path, "pragma wal_checkpoint(truncate)")


class Control:
    """A control file with two tenants, and short ways to read and write it."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folder = folder
        self.environ = environ
        self.settings = Settings(ROOT, None, environ)
        self.context = open_context(self.settings)

    @property
    def path(self) -> Path:
        return self.folder / "warehouse" / "control.db"

    def sql(self, text: str, *values: Any) -> list[tuple[Any, ...]]:
        return ask(self.path, text, values)

    def value(self, text: str, *values: Any) -> Any:
        return self.sql(text, *values)[0][0]

    def subscribe(self, tenant: str = "acme", **columns: Any) -> None:
        """Change a tenant's subscription."""
        for name, value in columns.items():
            self.sql(
                f"update tenants.tenant_subscriptions set {name} = ? where tenant_id = ?",
                value,
                tenant,
            )

    def add_run(
        self,
        status: str = "COMPLETED",
        tenant: str = "acme",
        started: datetime | None = None,
        day: date = date(2024, 10, 1),
        to_day: date | None = None,
        leased_for: timedelta = timedelta(minutes=30),
        pipeline: str | None = None,
    ) -> str:
        """Write a run as if a claim had made it; its id."""
        run_id = str(uuid.uuid4())
        began = started or datetime.now(UTC)
        self.sql(
            f"insert into {tenant}.x_meta_pipeline_runs by name select ? as pipeline_logging_id,"
            " ? as pipeline_id, ? as tenant_id, ? as status, ? as start_time, ? as run_date,"
            " ? as to_date, ? as lease_expires_at, 'manual' as trigger_type, 'test' as trigger_by,"
            " 'gcp/cost/cost_billing' as template",
            run_id,
            pipeline or f"{tenant}-{PIPELINE}",
            tenant,
            status,
            began.replace(tzinfo=None),
            day,
            to_day or day,
            (datetime.now(UTC) + leased_for).replace(tzinfo=None),
        )
        return run_id

    def runs(self, tenant: str = "acme") -> list[tuple[Any, ...]]:
        """Status and message of each run, oldest first."""
        return self.sql(
            f"select status, error_message from {tenant}.x_meta_pipeline_runs order by start_time"
        )

    def take(self, first: date = DAY, last: date | None = None, **changes: Any) -> Run:
        """Claim dates."""
        return claim.take(self.context.store, request(first, last, **changes))


def request(first: date = DAY, last: date | None = None, **changes: Any) -> claim.Request:
    """A request for the tenant acme."""
    tenant = changes.pop("tenant_id", "acme")
    trigger = claim.Trigger(
        changes.pop("trigger_type", "manual"),
        changes.pop("trigger_by", "test"),
        changes.pop("user_id", None),
    )
    values: dict[str, Any] = {
        "tenant_id": tenant,
        "pipeline_id": f"{tenant}-{PIPELINE}",
        "template": "gcp/cost/cost_billing",
        "contact": claim.Contact("admin@acme.example", "Acme & Sons"),
        "dates": DateRange(first, last or first),
        "trigger": trigger,
        "timeout_minutes": 20.0,
    }
    return claim.Request(**{**values, **changes})
