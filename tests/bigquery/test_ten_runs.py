"""Ten runs of one tenant at once, where transactions that change one table cancel each other."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

import pytest
from billing_export import append_rows
from cloud import ACCOUNTS, BETA, EXPORT, SCHEMA, is_onboarded, lines
from connection import connect
from emulator import Emulator
from exports import charge
from support import ROOT, environment_in
from warm import serving

# The runner, whose template builds few models: a node costs a second here.
RUNNER = (sys.executable, str(ROOT / "tests" / "faults" / "kill_at.py"), "only:layers")
DAYS = [date(2026, 6, 1) + timedelta(days=n) for n in range(10)]


@pytest.fixture(scope="module")
def busy(
    two_accounts: Emulator, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Emulator, dict[str, str]]]:
    """An emulator with the tenant alpha on plan SCALE, and the environment of its commands.

    Nothing is loaded but BETA, by test_accounts.py; no run has built the selector of this test.
    """
    client, folder = connect(two_accounts), tmp_path_factory.mktemp("busy")
    rows = [charge(day.isoformat(), float(n + 1)) for n, day in enumerate(DAYS)]
    append_rows(client, EXPORT, SCHEMA, lines(rows, "alpha"))
    place = {
        "DBT_TARGET": "bigquery",
        "GCP_PROJECT": two_accounts.project,
        "BIGQUERY_EMULATOR_HOST": two_accounts.url,
    }
    environ = {**os.environ, **environment_in(folder), **place}
    to = ("--admin-email", "a@b.example", "--plan", "scale", "--export", EXPORT)
    command = ("add", "alpha", *to, "--billing-account", ACCOUNTS["alpha"])
    if is_onboarded(client, "alpha"):
        # By test_accounts.py, as the account that only its gate knows.
        command = ("credentials", "clear", "--tenant", "alpha")
    with serving("alpha", "bigquery", **place):
        begun = call(environ, "tenant", *command)
        _, printed = begun.communicate(timeout=300)
        assert begun.returncode == 0, printed
        yield two_accounts, environ


def call(environ: dict[str, str], *args: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*RUNNER, *args],
        cwd=ROOT,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_ten_runs_of_one_tenant_for_ten_dates_at_once_all_complete(
    busy: tuple[Emulator, dict[str, str]],
) -> None:
    emulator, environ = busy
    began = time.time_ns() // 1_000_000
    runs = [call(environ, "run", "--tenant", "alpha", "--date", str(d), "--json") for d in DAYS]
    try:
        ends = [run.communicate(timeout=1200) for run in runs]
    finally:
        for run in runs:
            run.kill()
    failed = [err for run, (_, err) in zip(runs, ends, strict=True) if run.returncode]
    assert failed == []
    reported = [json.loads(out) for out, _ in ends]
    assert [one["status"] for one in reported] == ["COMPLETED"] * 10
    assert not any(one["deduplicated"] for one in reported)
    found = connect(emulator).query_and_wait(
        "select ingestion_date, sum(cost) as cost from alpha.billing_cost_daily"
        f" where ingestion_date > '2000-01-01' and ingestion_date != '{BETA}'"
        " group by ingestion_date order by ingestion_date"
    )
    assert [(row.ingestion_date, row.cost) for row in found] == [
        (day, Decimal(n + 1)) for n, day in enumerate(DAYS)
    ]
    # Control statements may lose against each other and are repeated; what dbt writes never does.
    sent = emulator.statements(began)
    cancelled = [s.sql for s in sent if "concurrent update" in (s.error or "")]
    assert [sql for sql in cancelled if "billing_cost_daily" in sql or "x_meta_dq" in sql] == []
    print(f"{len(cancelled)} control transactions were cancelled and repeated")
