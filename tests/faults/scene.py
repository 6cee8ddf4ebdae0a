"""A warehouse to break: tenants onboarded without dbt, an export to change, the real commands."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import psutil
import warm
import yaml
from control_db import ask
from control_file import DAY, write_control_file
from support import ROOT, environment_in

from runner.context import Context, open_context
from runner.control import quota
from runner.settings import Settings

KILL_AT = Path(__file__).with_name("kill_at.py")
ACCOUNT = "01ECB7-6EE0BA-7357F1"

# The columns that a bill needs, and no others: `rows` charges that cost as much together.
EXPORT = f"""
copy (
    select
        '{ACCOUNT}' as billing_account_id,
        {{'id': 's1', 'description': 'Compute Engine'}} as service,
        {{'id': 'k' || n % 7, 'description': 'N2 core'}} as sku,
        timestamptz '{DAY} 00:00:00+00' + to_seconds(n % 86000) as usage_start_time,
        timestamptz '{DAY} 00:00:00+00' + to_seconds(n % 86000 + 60) as usage_end_time,
        {{'id': 'acme-prod'}} as project,
        [{{'key': 'team', 'value': md5(n::varchar)}}] as labels,
        timestamptz '{DAY} 06:00:00+00' as export_time,
        ($cost / $rows)::double as cost,
        'USD' as currency,
        $rate::double as currency_conversion_rate,
        {{'amount': 60.0, 'unit': 'seconds'}} as usage,
        []::struct(name varchar, amount double)[] as credits,
        {{'month': '{DAY:%Y%m}'}} as invoice,
        'regular' as cost_type,
        timestamptz '{DAY} 00:00:00+00' as _PARTITIONTIME
    from range(0, $rows) as charges (n)
) to '@path' (format parquet)
"""


@dataclass(frozen=True)
class Bill:
    """What a reader finds for the date in billing_cost_daily and in gcp_silver_cost."""

    billing: tuple[int, Decimal]
    silver: tuple[int, Decimal]


class Scene:
    """One folder that holds a warehouse, its exports, logs and artefacts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = environment_in(folder)
        self._started: list[subprocess.Popen[str]] = []

    @property
    def settings(self) -> Settings:
        return Settings(ROOT, None, {**os.environ, **self.environ})

    @property
    def context(self) -> Context:
        return open_context(self.settings)

    def path(self, name: str) -> Path:
        """One of the files: `control`, which is SQLite's, or a tenant's, such as `tenant_acme`."""
        suffix = "db" if name == "control" else "duckdb"
        return Path(self.environ["WAREHOUSE_DIR"]) / f"{name}.{suffix}"

    # -- What is given

    def export(self, cost: int, rows: int = 4, tenant: str = "acme", rate: float = 1) -> None:
        """Put other charges into the tenant's export, all at once."""
        path = self.folder / f"export_{tenant}.parquet"
        partial = path.with_suffix(".partial")
        with duckdb.connect() as connection:
            connection.execute("set TimeZone = 'UTC'")
            connection.execute(
                EXPORT.replace("@path", str(partial)), {"cost": cost, "rows": rows, "rate": rate}
            )
        partial.replace(path)

    def sql(self, text: str, *values: Any, file: str = "control") -> list[tuple[Any, ...]]:
        """Run a statement on one of the files, waiting while a process has it open."""
        if file == "control":
            return ask(self.path(file), text, values)
        deadline = time.monotonic() + 60
        while True:
            try:
                with duckdb.connect(str(self.path(file))) as connection:
                    connection.execute("set TimeZone = 'UTC'")
                    return connection.execute(text, list(values)).fetchall()
            except duckdb.IOException as error:
                if "lock" not in str(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    # -- What is done

    def start(
        self, *args: str, at: str | None = None, under: tuple[str, ...] = (), **environ: str
    ) -> "subprocess.Popen[str]":
        """Start `runner`; `at` names a point of kill_at.py, `under` is put before it."""
        # What breaks is the same with few models, and complete runs are the end-to-end layer's.
        points = f"only:layers,{at}" if at else "only:layers"
        command = [sys.executable, str(KILL_AT), points]
        process = subprocess.Popen(
            [*under, *command, *args],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **self.environ, **environ},
        )
        self._started.append(process)
        return process

    def call(
        self, *args: str, at: str | None = None, under: tuple[str, ...] = (), **environ: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run `runner` to its end."""
        process = self.start(*args, at=at, under=under, **environ)
        out, err = process.communicate(timeout=240)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def run(
        self, at: str | None = None, under: tuple[str, ...] = (), **environ: str
    ) -> "subprocess.CompletedProcess[str]":
        """Run acme's date."""
        return self.call(*RUN, at=at, under=under, **environ)

    @contextlib.contextmanager
    def holding(self, name: str) -> Iterator[None]:
        """Have a tenant's file open, as another program would, or the control file locked."""
        code = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True); input()"
        if name == "control":
            code = (
                "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
                "c.execute('begin immediate'); print(1, flush=True); input()"
            )
        holder = subprocess.Popen(
            [sys.executable, "-c", code, str(self.path(name))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert holder.stdout and holder.stdout.readline() == "1\n"
            yield
        finally:
            holder.kill()
            holder.communicate()

    @contextlib.contextmanager
    def stuck(self) -> Iterator[None]:
        """Take acme's file from a run started at GATE: its dbt waits for it, and not the run.

        Before its dbt has the job, the run itself would wait.
        """
        until((self.folder / "at_gate").exists)
        with self.holding("tenant_acme"):
            (self.folder / "gate").touch()
            yield
        for name in ("at_gate", "gate"):
            (self.folder / name).unlink()

    def end(self) -> None:
        """Let no process outlive its test."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
                process.communicate()

    # -- What is found

    def bill(self, tenant: str = "acme") -> Bill:
        """What stands for the date: rows and cost."""
        found = []
        for table, column, cost in (
            ("billing_cost_daily", "ingestion_date", "cost"),
            ("gcp_silver_cost", "usage_date", "billed_cost"),
        ):
            ((rows, total),) = self.sql(
                f"select count(*), coalesce(sum({cost}), 0) from {tenant}.{table}"
                f" where {column} = ?",
                DAY,
                file=f"tenant_{tenant}",
            )
            found.append((rows, total))
        return Bill(*found)

    def last_run(self, tenant: str = "acme") -> dict[str, Any]:
        """The newest run's row."""
        path = f"{tenant}.x_meta_pipeline_runs"
        columns = ("pipeline_logging_id", "status", "error_message", "worker_instance")
        (row,) = self.sql(
            f"select {', '.join(columns)} from {path} order by start_time desc limit 1"
        )
        return dict(zip(columns, row, strict=True))

    def statuses(self, tenant: str = "acme") -> list[str]:
        """The status of each run, oldest first."""
        rows = self.sql(f"select status from {tenant}.x_meta_pipeline_runs order by start_time")
        return [status for (status,) in rows]

    def hanging(self, tenant: str = "acme") -> list[tuple[Any, ...]]:
        """Runs and steps that claim to be at work, slots that are taken. Should be none."""
        at_work = self.sql(
            f"select 'run', pipeline_logging_id from {tenant}.x_meta_pipeline_runs"
            f" where status in ('PENDING', 'RUNNING') union all"
            f" select 'step', step_id from {tenant}.x_meta_step_logs"
            f" where status in ('PENDING', 'RUNNING')"
        )
        _, viewed = self.context.dataset.query(
            "select 'quota view', concurrent_pipelines_running from tenants.tenant_usage_quotas"
            f" where tenant_id = '{tenant}' and concurrent_pipelines_running <> 0",
            [],
        )
        reported = quota.of(self.context.store, tenant)
        taken = [
            ("slot", one.used) for one in reported.limits if one.name == "concurrent" and one.used
        ]
        return at_work + viewed + taken


GATE = "child:gate"
RUN = ("run", "--tenant", "acme", "--date", str(DAY), "--json")


def made_in(folder: Path, *tenants: str, cost: int = 100) -> Scene:
    """A scene in which the tenants (acme, if none is named) are ready to run.

    Made from the contracts that dbt enforces, so that only what is tried costs time.
    """
    place = Scene(folder)
    tenants = tenants or ("acme",)
    place.path("control").parent.mkdir()
    write_control_file(place.path("control"), tenants)
    place.sql(
        "update tenants.tenant_subscriptions set plan_name = 'SCALE', daily_limit = 100,"
        " monthly_limit = 3000, concurrent_limit = 10"
    )
    place.sql(
        "update tenants.tenant_profiles set subscription_plan = 'SCALE',"
        " tenant_dataset_id = tenant_id"
    )
    place.sql("pragma wal_checkpoint(truncate)")
    document = yaml.safe_load((ROOT / "models/control/dataset/_dataset.yml").read_text())
    columns = {
        model["name"]: ", ".join(f"{one['name']} {one['data_type']}" for one in model["columns"])
        for model in document["models"]
    }
    for tenant in tenants:
        place.export(cost, tenant=tenant)
        with duckdb.connect(str(place.path(f"tenant_{tenant}"))) as connection:
            connection.execute(f"create schema {tenant}")
            for table, declared in columns.items():
                connection.execute(f"create table {tenant}.{table} ({declared})")
            connection.execute(
                f"insert into {tenant}.x_meta_exports by name select 'e' as export_id,"
                " ? as tenant_id, ? as export_ref, '[]' as billing_account_ids,"
                " '[]' as project_ids, true as has_unallocated",
                [tenant, str(folder / f"export_{tenant}.parquet")],
            )
    return place


def document(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    """What `--json` printed."""
    return dict(json.loads(done.stdout))


def until(true: Callable[[], Any], seconds: float = 60) -> Any:
    """Wait until it is true; what it then is."""
    deadline = time.monotonic() + seconds
    while True:
        found = true()
        if found:
            return found
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def children(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    """The living dbt processes of a runner."""
    name = warm.NAME.format(process.pid)
    return [
        one
        for one in psutil.process_iter(["name", "status"])
        if one.info["name"] == name and one.info["status"] != psutil.STATUS_ZOMBIE
    ]


def gone(processes: list[psutil.Process], seconds: float = 10) -> bool:
    """Whether they all end within some seconds."""
    return not psutil.wait_procs(processes, timeout=seconds)[1]


STOPPED_BY = {signal.SIGINT: 130, signal.SIGTERM: 143}
