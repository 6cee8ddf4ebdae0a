"""Fixtures of the fast layer: a control file of each test's own, and the command line on it."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import duckdb
import pytest
from click.testing import CliRunner, Result
from control_file import Control, dataset_tables, write_control_file
from given import GOOD
from support import environment_in

from runner.cli.app import cli
from runner.engine import pool
from runner.engine.job import Event, Outcome


@pytest.fixture(scope="session")
def control_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A control file with the tenants acme and globex, to be copied."""
    path = tmp_path_factory.mktemp("control") / "control.db"
    write_control_file(path)
    return path


@pytest.fixture
def control(tmp_path: Path, control_file: Path) -> Control:
    """A control file of this test's own."""
    environ = environment_in(tmp_path)
    (tmp_path / "warehouse").mkdir()
    shutil.copyfile(control_file, tmp_path / "warehouse" / "control.db")
    return Control(tmp_path, environ)


@pytest.fixture
def runner(control: Control) -> Callable[..., Result]:
    """The command line, called in this process on the test's control file."""

    def call(*args: str, **environ: str) -> Result:
        return CliRunner().invoke(cli, args, env={**control.environ, **environ})

    return call


@pytest.fixture(scope="session")
def tenant_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of acme's data, to be copied."""
    path = tmp_path_factory.mktemp("tenant") / "tenant_acme.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "create schema acme; create table acme.billing_cost_daily (ingestion_date date,"
            " currency varchar, cost decimal(38, 9), credits_total decimal(38, 9))"
        )
        connection.execute(
            "insert into acme.billing_cost_daily values"
            " ('2024-11-01', 'USD', 1.000000001, -0.5), ('2024-11-01', 'EUR', 2, 0),"
            " ('2024-11-02', 'USD', 100, 0)"
        )
        for statement in dataset_tables("acme"):
            connection.execute(statement)
    return path


@pytest.fixture
def dbt(control: Control, tenant_file: Path, monkeypatch: pytest.MonkeyPatch):
    """A dbt that ends as reported, and notes which jobs it was given."""

    class Dbt:
        jobs: ClassVar[list[Any]] = []
        outcome = GOOD
        is_alive = True

        def __init__(self, *args: Any) -> None: ...
        def warm_up(self) -> None: ...
        def stop(self) -> None: ...
        def run(self, job: Any, on_event: Any, timeout: float, **ticks: Any) -> Outcome:
            Dbt.jobs.append((job, timeout))
            assert control.runs()[-1][0] == "RUNNING", "the run is RUNNING while dbt works"
            on_event(Event("started", "model.p.billing_cost_daily", "billing_cost_daily", "model"))
            return Dbt.outcome

    monkeypatch.setattr(pool, "Worker", Dbt)
    shutil.copyfile(tenant_file, control.path.parent / "tenant_acme.duckdb")
    return Dbt
