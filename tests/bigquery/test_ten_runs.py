"""Ten runs of one tenant at once, where transactions that change one table cancel each other."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from billing_export import append_rows, ddl
from cloud import ACCOUNTS, EXPORT, SCHEMA, lines
from connection import connect
from emulator import Emulator, running_emulator
from exports import charge
from support import ROOT, environment_in
from warm import serving

# The runner, whose template builds few models: a node costs a second here.
RUNNER = (sys.executable, str(ROOT / "tests" / "faults" / "kill_at.py"), "only:layers")
DAYS = [date(2026, 7, 1) + timedelta(days=n) for n in range(10)]


@pytest.fixture(scope="module")
def busy(
    emulator_venv: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Emulator, dict[str, str]]]:
    """An emulator with the tenant alpha on plan SCALE, and the environment of its commands."""
    folder = tmp_path_factory.mktemp("busy")
    with running_emulator(emulator_venv, folder / "bigquery") as emulator:
        client = connect(emulator)
        client.create_dataset("billing")
        client.query_and_wait(ddl(EXPORT, json.loads(SCHEMA.read_text())))
        rows = [charge(day.isoformat(), float(n + 1)) for n, day in enumerate(DAYS)]
        append_rows(client, EXPORT, SCHEMA, lines(rows, "alpha"))
        place = {
            "DBT_TARGET": "bigquery",
            "GCP_PROJECT": emulator.project,
            "BIGQUERY_EMULATOR_HOST": emulator.url,
        }
        environ = {**os.environ, **environment_in(folder), **place}
        to = ("--admin-email", "a@b.example", "--plan", "scale", "--export", EXPORT)
        with serving("alpha", "bigquery", **place):
            added = call(
                environ, "tenant", "add", "alpha", *to, "--billing-account", ACCOUNTS["alpha"]
            )
            assert added.wait(300) == 0, added.stderr and added.stderr.read()
            yield emulator, environ


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
        " where ingestion_date > '2000-01-01' group by ingestion_date order by ingestion_date"
    )
    assert [(row.ingestion_date, row.cost) for row in found] == [
        (day, Decimal(n + 1)) for n, day in enumerate(DAYS)
    ]
    # Control statements may lose against each other and are repeated; what dbt writes never does.
    cancelled = [s.sql for s in emulator.statements() if "concurrent update" in (s.error or "")]
    assert [sql for sql in cancelled if "billing_cost_daily" in sql or "x_meta_dq" in sql] == []
    print(f"{len(cancelled)} control transactions were cancelled and repeated")
