"""A service on a control file, its keys, and short ways to call it."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import duckdb
from control_file import Control, dataset_tables
from fastapi.testclient import TestClient
from given import a_node
from httpx import Response

from runner import logs
from runner.api import app, auth
from runner.control import keys
from runner.engine.job import Event, Outcome

GOOD = Outcome(True, None, (a_node("billing_cost_daily", "success", "model"),))
ADMIN_KEY = keys.new(keys.ADMIN_PREFIX)
RUN = "/api/v1/pipelines/run/acme/gcp/cost/cost_billing"
RUNS = "/api/v1/pipelines/runs"
DAY = {"date": "2024-11-01", "trigger_by": "docker_test"}


def guess(text: object) -> str:
    """A key of the right form that does not exist."""
    return keys.PREFIX + f"guess{text}".ljust(43, "x")


def write_tenant_file(path: Path, tenant: str) -> None:
    """The data that answers read: a bill of two dates, and what tests found."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"create schema {tenant}")
        connection.execute(
            f"create table {tenant}.billing_cost_daily (ingestion_date date, currency varchar,"
            " cost decimal(38, 9), credits_total decimal(38, 9))"
        )
        connection.execute(
            f"insert into {tenant}.billing_cost_daily values ('2024-11-01', 'USD', 3, -0.5)"
        )
        connection.execute(
            f"create table {tenant}.cost_by_service_daily as select date '2024-11-01' + d::int"
            " as usage_date, 'A' as billing_account_id, 'p' as project_id, s as service_id,"
            " s || ' & <b>Co</b>' as service_description, 'USD' as currency, 2 as charge_rows,"
            " cast(1.5 * (d + 1) as decimal(38, 9)) as gross_cost,"
            " cast(-0.5 as decimal(38, 9)) as credits_total,"
            " cast(1.5 * (d + 1) - 0.5 as decimal(38, 9)) as billed_cost"
            " from range(7) days(d), (values ('Compute'), ('Storage'), ('BigQuery')) v(s)"
        )
        for statement in dataset_tables(tenant):
            connection.execute(statement)


class FakeDbt:
    """Stands where a dbt process would; `during` is called while a run is at work."""

    jobs: ClassVar[list[Any]] = []
    outcome: ClassVar[Outcome] = GOOD
    during: ClassVar[Callable[[Any, Callable[[], None]], None]]
    is_alive = True

    @classmethod
    def reset(cls) -> None:
        cls.jobs, cls.outcome = [], GOOD
        cls.during = staticmethod(lambda job, tick: None)

    def __init__(self, *args: Any) -> None: ...
    def warm_up(self) -> None: ...
    def stop(self, grace_seconds: float = 0) -> None: ...

    def run(self, job: Any, on_event: Any, timeout: float, on_tick: Any, **ticks: Any) -> Outcome:
        FakeDbt.jobs.append(job)
        on_event(Event("planned", nodes=4))
        on_event(Event("started", GOOD.nodes[0].unique_id, "billing_cost_daily", "model"))
        FakeDbt.during(job, on_tick)
        on_event(
            Event("finished", GOOD.nodes[0].unique_id, "billing_cost_daily", "model", "success")
        )
        return FakeDbt.outcome


class Scene:
    """The service in this process, behind its real middleware."""

    def __init__(
        self,
        control: Control,
        dbt: type[FakeDbt],
        workers: int = 2,
        grace: float = 5,
        **environ: str,
    ) -> None:
        self.control, self.dbt = control, dbt
        self.settings = replace(
            control.settings,
            environ={
                **control.environ,
                keys.ADMIN_HASH: keys.hash_of(ADMIN_KEY),
                "RUNNER_RATE_LIMIT": "100000",
                **environ,
            },
        )
        self.key = self.new_key("acme")
        self.other = self.new_key("globex")
        self.app = app.create(self.settings, auth.access(self.settings), workers, grace)
        self.client = TestClient(
            self.app,
            raise_server_exceptions=False,
            base_url="http://127.0.0.1",
            client=("127.0.0.1", 50000),
        )
        self.stack = contextlib.ExitStack()

    def __enter__(self) -> "Scene":
        logs.setup(self.settings)
        handler = logging.getLogger("runner").handlers[-1]
        self.stack.callback(logging.getLogger("runner").removeHandler, handler)
        self.stack.enter_context(self.client)
        return self

    def __exit__(self, *error: object) -> None:
        self.stack.close()

    def new_key(self, tenant: str, *scopes: str, days: int | None = 1) -> str:
        _, secret = keys.create(self.control.context.store, tenant, scopes, days, "test", "a test")
        return secret

    def get(self, path: str, key: str | None = None, **query: Any) -> Response:
        return self.client.get(path, params=query, headers=self._headers(key))

    def post(self, path: str, body: Any = None, key: str | None = None) -> Response:
        return self.client.post(path, json=body, headers=self._headers(key))

    def _headers(self, key: str | None) -> dict[str, str]:
        return {"X-API-Key": self.key if key is None else key}

    def until(self, run_id: str, *statuses: str, key: str | None = None) -> dict[str, Any]:
        """Poll a run, as callers do, until it has one of these statuses."""
        deadline = time.monotonic() + 60
        while True:
            answer = self.get(f"{RUNS}/{run_id}", key)
            assert answer.status_code == 200, answer.text
            if answer.json()["status"] in statuses:
                return answer.json()
            assert time.monotonic() < deadline, answer.text
            time.sleep(0.05)

    def log(self) -> str:
        """Everything in the service's log files."""
        return "".join(path.read_text() for path in self.settings.log_dir.rglob("*.jsonl"))


class Held:
    """Keeps runs at work until let go."""

    def __init__(self, dbt: type[FakeDbt]) -> None:
        self.began, self.go = threading.Event(), threading.Event()
        dbt.during = staticmethod(self._wait)

    def _wait(self, job: Any, tick: Callable[[], None]) -> None:
        self.began.set()
        while not self.go.wait(0.02):
            tick()
