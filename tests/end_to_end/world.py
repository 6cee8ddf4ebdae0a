"""A warehouse and the commands on it. One dbt process serves most tests.

Starting dbt costs seconds, so commands are called in this process with one shared worker, as a
long-lived runner would have; `cli` starts the real thing.
"""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pytest
from click.testing import CliRunner, Result
from compiled_once import SYSTEM
from control_db import ask
from few_models import as_dbt_knows_it
from support import ROOT, environment_in

from runner.cli.app import cli as command_line
from runner.engine.job import Event, Job, Outcome
from runner.engine.process import Worker
from runner.settings import Settings

ONE_PARSE = Path(__file__).with_name("one_parse.py")
EMAIL = "admin@acme.example"
# Onboarding's first job: the control tables of a tenant's dataset.
DATASET = ("run", "--selector", "dataset")


def worker_of_one_parse(settings: Settings, log_path: Path) -> Worker:
    """The runner's dbt process, for which one_parse.py is started."""
    start = subprocess.Popen

    def popen(command: list[str], **options: Any) -> Any:
        if command[1:] == ["-m", "runner.engine.worker"]:
            command = [command[0], str(ONE_PARSE)]
        return start(command, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subprocess, "Popen", popen)
        return Worker(settings, log_path)


class SharedWorker:
    """Stands where a Worker would, and hands each job to the one dbt process of the session."""

    process: Worker | None = None
    turn = threading.Lock()
    is_alive = True
    settings: Settings
    # A new tenant's file as the first job of DATASET left it, by its name, and how that job ended.
    made: ClassVar[dict[str, tuple[bytes, Outcome]]] = {}
    uses_made = False

    def __init__(self, settings: Settings, log_path: Path) -> None:
        self._warehouse = str(settings.warehouse_dir)
        if self.process is None:
            # Not where an onboarding that is refused removes what was parsed for the newcomer.
            target = str(settings.dbt_target_dir / "kept")
            kept = replace(settings, environ={**settings.environ, "RUNNER_TARGET_DIR": target})
            type(self).process = worker_of_one_parse(kept, log_path)

    def __enter__(self) -> "SharedWorker":
        return self

    def __exit__(self, *error: object) -> None: ...
    def warm_up(self) -> None: ...
    def stop(self) -> None: ...

    def run(
        self,
        job: Job,
        on_event: Callable[[Event], None] = lambda event: None,
        timeout: float = 400,
        **ticks: Any,
    ) -> Outcome:
        assert self.process is not None
        environ = {"WAREHOUSE_DIR": self._warehouse, **job.environ}
        moved = as_dbt_knows_it(Job(job.tenant_id, job.command, job.vars, environ))
        # All tenants at once are threads: they take turns at the one process.
        with self.turn:
            if job.command != DATASET:
                return self.process.run(moved, on_event, min(timeout, 400), **ticks)
            file = Path(environ["WAREHOUSE_DIR"]) / f"tenant_{job.tenant_id}.duckdb"
            is_new = not file.exists()
            if is_new and self.uses_made and file.name in self.made:
                content, outcome = self.made[file.name]
                file.write_bytes(content)
                return outcome
            outcome = self.process.run(moved, on_event, min(timeout, 400), **ticks)
            if is_new and outcome.success:
                self.made[file.name] = (file.read_bytes(), outcome)
            return outcome


@dataclass
class World:
    """A warehouse, and the commands on it."""

    folder: Path
    environ: dict[str, str]

    @property
    def warehouse(self) -> Path:
        return Path(self.environ["WAREHOUSE_DIR"])

    def __call__(self, *args: str, **environ: str) -> Result:
        """A command in this process."""
        return CliRunner().invoke(
            command_line, args, env={**self.environ, **environ}, catch_exceptions=False
        )

    def cli(self, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """A command in a process of its own, as a user types it."""
        return self.popen(sys.executable, "-m", "runner", *args, **environ)()

    def dbt(self, *args: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Bare dbt, as an analyst types it in the project's folder."""
        return self.popen(sys.executable, "-m", "dbt.cli.main", *args, **environ)()

    def popen(
        self, *args: str, cwd: Path = ROOT, **environ: str
    ) -> Callable[[], subprocess.CompletedProcess[str]]:
        """Starts a program; call the answer to wait for its end."""
        process = subprocess.Popen(
            args,
            cwd=cwd,
            env={**SYSTEM, "HOME": os.environ["HOME"], **self.environ, **environ},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

        def end() -> subprocess.CompletedProcess[str]:
            stdout, stderr = process.communicate(timeout=400)
            return subprocess.CompletedProcess(args, process.returncode, stdout, stderr)

        return end

    def add(self, tenant: str, export: Path | str, *options: str) -> str:
        """Onboarding that must succeed, as a test's beginning; what it printed.

        dbt makes the control tables of a dataset once for each name. A test of onboarding itself
        gives the command.
        """
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SharedWorker, "uses_made", True)
            answer = self(
                *("tenant", "add", tenant, "--admin-email", EMAIL, "--plan", "scale"),
                *("--export", str(export), *options),
            )
        assert answer.exit_code == 0, answer.output
        return answer.stdout

    def run(self, tenant: str, first: str, last: str | None = None) -> dict[str, Any]:
        """A run that must complete; its JSON document."""
        answer = self(
            *("run", "--tenant", tenant, "--from", first, "--to", last or first, "--json")
        )
        assert answer.exit_code == 0, answer.output
        document: dict[str, Any] = json.loads(answer.stdout)
        assert document["status"] == "COMPLETED"
        return document

    def data(self, tenant: str, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the tenant's file."""
        with duckdb.connect(str(self.warehouse / f"tenant_{tenant}.duckdb")) as connection:
            connection.execute("set TimeZone = 'UTC'")
            return connection.execute(sql, list(values)).fetchall()

    def control(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the control file."""
        return ask(self.warehouse / "control.db", sql, values)

    def failed_expectations(self, tenant: str, row: str, expectation: str) -> list[dict[str, Any]]:
        """What an expectation found in each call, in order, its samples as objects; {} if it held.

        `row` is that of the table and severity in x_meta_dq_results.
        """
        calls = self.data(
            tenant,
            f"select failed_expectations from {tenant}.x_meta_dq_results"
            " where dq_config_id = ? order by executed_at",
            row,
        )
        assert calls, f"{row} was never tested"
        found: list[dict[str, Any]] = []
        for (failed,) in calls:
            named = [one for one in json.loads(failed or "[]") if one["expectation"] == expectation]
            found.append(named[0] if named else {})
            for one in named:
                one["samples"] = [json.loads(sample) for sample in one["samples"]]
        return found

    def bill(self, tenant: str) -> dict[date, tuple[Any, ...]]:
        """Rows, cost and credits of each loaded date."""
        rows = self.data(
            tenant,
            "select ingestion_date, count(*), sum(cost), sum(credits_total)"
            f" from {tenant}.billing_cost_daily group by ingestion_date",
        )
        return {row[0]: row[1:] for row in rows}

    def rows(self, tenant: str, table: str = "billing_cost_daily", without: str = "") -> list[Any]:
        """Every row of a table in a stable order, but for what differs from run to run."""
        ours = "pipeline_logging_id, loaded_at" if table == "billing_cost_daily" else ""
        if table == "gcp_silver_cost":
            ours = "pipeline_logging_id"
        left_out = ", ".join(filter(None, (ours, without)))
        excluded = f" exclude ({left_out})" if left_out else ""
        return self.data(tenant, f"select *{excluded} from {tenant}.{table} order by all")

    def fingerprint(self, tenant: str, table: str, without: str = "") -> tuple[Any, ...]:
        """What `rows` would give, as a count and two hashes: for tables of many rows."""
        ours = {"billing_cost_daily": "pipeline_logging_id, loaded_at"}
        ours["gcp_silver_cost"] = "pipeline_logging_id"
        left_out = ", ".join(filter(None, (ours.get(table, ""), without)))
        excluded = f" exclude ({left_out})" if left_out else ""
        (found,) = self.data(
            tenant,
            "select count(*), bit_xor(hash(row)), sum(cast(hash(row) as hugeint))"
            f" from (select *{excluded} from {tenant}.{table}) as row",
        )
        return found

    def copy(self, folder: Path) -> "World":
        """The same warehouse in another folder, for a test that changes it."""
        environ = environment_in(folder)
        shutil.copytree(self.warehouse, environ["WAREHOUSE_DIR"])
        return World(folder, environ)


def a_world(folder: Path) -> World:
    return World(folder, environment_in(folder))
