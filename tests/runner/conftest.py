"""Fixtures of the fast layer: a control file of each test's own, and the command line on it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result
from control_file import TENANTS, Control, control_tables
from support import environment_in

from runner.cli import cli


@pytest.fixture(scope="session")
def control_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A control file with the tenants acme and globex, to be copied."""
    path = tmp_path_factory.mktemp("control") / "control.duckdb"
    with duckdb.connect(str(path)) as connection:
        for statement in control_tables(TENANTS):
            connection.execute(statement)
        for tenant in TENANTS:
            connection.execute(
                "insert into tenants.tenant_profiles by name select ? as tenant_id,"
                " 'Acme & Sons' as company_name, 'admin@acme.example' as admin_email,"
                " 'ACTIVE' as status, 'PROFESSIONAL' as subscription_plan,"
                " timestamp '2024-01-01' as created_at",
                [tenant],
            )
            connection.execute(
                "insert into tenants.tenant_subscriptions by name select 's' as subscription_id,"
                " ? as tenant_id, 'PROFESSIONAL' as plan_name, 'ACTIVE' as status,"
                " 25 as daily_limit, 750 as monthly_limit, 5 as concurrent_limit",
                [tenant],
            )
            connection.execute(
                f"insert into {tenant}.x_meta_lock by name select 'claim' as lock_name"
            )
    return path


@pytest.fixture
def control(tmp_path: Path, control_file: Path) -> Control:
    """A control file of this test's own."""
    environ = environment_in(tmp_path)
    (tmp_path / "warehouse").mkdir()
    shutil.copyfile(control_file, tmp_path / "warehouse" / "control.duckdb")
    return Control(tmp_path, environ)


@pytest.fixture
def runner(control: Control) -> Callable[..., Result]:
    """The command line, called in this process on the test's control file."""

    def call(*args: str, **environ: str) -> Result:
        return CliRunner().invoke(cli, args, env={**control.environ, **environ})

    return call
