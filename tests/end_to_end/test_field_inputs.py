"""Inputs that people met in the field: every row of every file becomes a charge, or it is refused.

The names of the first tests are those of ../shared/data/field/PROVENANCE.md.
"""

import gzip
import json
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from exports import ACCOUNT, DETAILED, charge, credit, write_csv, write_ndjson, write_parquet
from support import only, shared
from world import EMAIL, World


DAY = "2024-11-01"
FIELD = "01ABCD-111111-222222"


@pytest.fixture(scope="module", autouse=True)
def bill_alone() -> Iterator[None]:
    """Runs of this file leave the marts out."""
    with only("bill_run"):
        yield


def refused(world: World, export: Path | str, *options: str) -> str:
    """Why onboarding refuses the export; it leaves no tenant behind."""
    answer = world(
        *("tenant", "add", "field", "--admin-email", EMAIL, "--export", str(export), *options)
    )
    assert answer.exit_code == 2, answer.output
    assert "Traceback" not in answer.output
    assert not world.warehouse.exists() or not list(world.warehouse.iterdir())
    assert not list(world.folder.rglob("tenants/field"))
    return answer.stderr


def loaded(world: World, export: Path | str, *options: str) -> tuple[int, Decimal]:
    """Rows and cost of the day, once the tenant is added and its day is loaded."""
    world.add("field", export, *options)
    world.run("field", DAY)
    rows = world.data("field", "select count(*), sum(cost) from field.billing_cost_daily")
    return rows[0][0], rows[0][1]


def fails(world: World, *options: str) -> str:
    """Why the run of the day fails."""
    answer = world("run", "--tenant", "field", "--date", DAY, "--json", *options)
    document = json.loads(answer.stdout)
    assert (answer.exit_code, document["status"]) == (1, "FAILED"), document
    return str(document["error"])


# -- The rows of PROVENANCE.md.


def test_concatenated_csv_of_two_schema_ages(empty_world: World) -> None:
    told = refused(empty_world, shared("data/field/concatenated_csv_of_two_schema_ages.csv"))
    assert "concatenated_csv_of_two_schema_ages.csv has in line 4 a second header" in told


def test_glob_with_a_cut_csv(empty_world: World) -> None:
    export = shared("data/field/glob_with_a_cut_csv") / "e-*.csv"
    told = refused(empty_world, export, "--billing-account", FIELD)
    assert "e-1.csv has in line 3" in told and "was cut" in told and "e-0.csv" not in told


def test_glob_with_a_file_without_account(empty_world: World) -> None:
    export = shared("data/field/glob_with_a_file_without_account") / "p*.parquet"
    told = refused(empty_world, export, "--billing-account", FIELD)
    assert "p1.parquet lacks the columns billing_account_id" in told
    assert "usage_start_time" in told and "p0.parquet" not in told


def test_nanosecond_timestamps_with_zone(empty_world: World) -> None:
    export = shared("data/field/nanosecond_timestamps_with_zone.parquet")
    assert loaded(empty_world, export) == (1, Decimal(1))


def test_all_null_column_by_pandas(empty_world: World) -> None:
    rows, _ = loaded(empty_world, shared("data/field/all_null_column_by_pandas.parquet"))
    assert rows == 1
    found = empty_world.data("field", "select adjustment_id from field.billing_cost_daily")
    assert found == [(None,)]


def test_only_tax_rows(empty_world: World) -> None:
    export = shared("data/field/only_tax_rows.ndjson")
    lines = export.read_text().splitlines()
    cost = sum(Decimal(str(json.loads(line)["cost"])) for line in lines)
    assert loaded(empty_world, export) == (len(lines), cost)


def test_json_array(empty_world: World) -> None:
    told = refused(empty_world, shared("data/field/json_array.json"))
    assert "json_array.json is a JSON array: newline-delimited JSON is wanted" in told
