"""The export's columns change: a new one is reported once, a missing or retyped one stops runs."""

import json
from pathlib import Path
from typing import Any

import pytest
from exports import DETAILED, charge, write_ndjson, write_parquet
from world import EMAIL, World

pytestmark = pytest.mark.usefixtures("only_the_bill")

DAY = "2024-11-01"
NEW_COLUMN = "stg_gcp_billing__export_has_no_new_columns"
LOST_COLUMN = "stg_gcp_billing__export_has_lost_no_columns"
WARNINGS = "stg_gcp_billing__export__warn"
KEYS = 'struct("key" varchar, "value" varchar)'


@pytest.fixture
def drift(mini: World, tmp_path: Path) -> World:
    """Tenant mini, loaded; over an export of its own that may be written anew."""
    mine = mini.copy(tmp_path)
    write(mine, DETAILED)
    mine.add("mini", path(mine))
    return mine


def path(world: World) -> Path:
    return world.folder / "export.parquet"


def write(world: World, columns: dict[str, str], **changes: Any) -> None:
    write_parquet(path(world), [charge(DAY, 1.0, **changes), charge(DAY, 2.0, **changes)], columns)


def warned(world: World, test: str = NEW_COLUMN) -> list[str]:
    return [reported for reported in world.run("mini", DAY)["warnings"] if test in reported]


def test_a_new_column_is_reported_once_and_changes_nothing(drift: World, mini: World) -> None:
    before = mini.rows("mini", without="export_ref")
    nested = DETAILED["service"].replace("id varchar", "id varchar, tier varchar")
    write(drift, {**DETAILED, "carbon": "struct(grams double)", "service": nested})
    assert len(warned(drift)) == 1
    assert warned(drift) == []
    known = (
        "select column_name, column_type, tenant_id from mini.x_meta_export_columns"
        " where column_state = 'new' order by 1"
    )
    assert drift.data("mini", known) == [
        ("carbon.grams", "DOUBLE", "mini"),
        ("service.tier", "VARCHAR", "mini"),
    ]
    found = drift.failed_expectations("mini", WARNINGS, NEW_COLUMN)
    assert [one.get("status") for one in found] == [None, "warn", None]
    assert {row["column_name"] for row in found[1]["samples"]} == {"carbon.grams", "service.tier"}
    assert drift.rows("mini", without="export_ref") == before

    write(drift, {**DETAILED, "carbon": "struct(grams double)", "moon": "varchar"})
    assert len(warned(drift)) == 1, "another one is reported, too"
    assert warned(drift) == []
    assert [name for name, *_ in drift.data("mini", known)][1] == "moon"


RETYPED = {
    "cost": ("varchar", "cost as VARCHAR instead of FLOAT64"),
    "currency_conversion_rate": ("bigint", "currency_conversion_rate as BIGINT instead of FLOAT64"),
    "usage_start_time": ("varchar", "usage_start_time as VARCHAR instead of TIMESTAMP"),
    "invoice": (
        'struct("month" integer, publisher_type varchar)',
        "invoice.month as INTEGER instead of STRING",
    ),
    "labels": ("varchar", "labels as VARCHAR instead of RECORD"),
}


@pytest.mark.parametrize("column", RETYPED)
def test_a_retyped_column_fails_onboarding_with_its_name_and_both_types(
    empty_world: World, column: str
) -> None:
    type_, reported = RETYPED[column]
    write(empty_world, {**DETAILED, column: type_})
    add = ("tenant", "add", "mini", "--admin-email", EMAIL, "--export", str(path(empty_world)))
    answer = empty_world(*add)
    assert answer.exit_code == 2, answer.output
    assert reported in answer.stderr and str(path(empty_world)) in answer.stderr
    assert not empty_world.warehouse.exists() or not list(empty_world.warehouse.iterdir())


@pytest.mark.parametrize(
    ("columns", "reported"),
    [
        ({**DETAILED, "cost": "bigint"}, "has the column cost as BIGINT instead of FLOAT64"),
        (
            {name: type_ for name, type_ in DETAILED.items() if name not in ("cost", "currency")},
            "lacks the columns currency (STRING), cost (FLOAT64)",
        ),
    ],
)
def test_a_column_that_is_retyped_or_goes_later_fails_the_run_and_leaves_the_bill(
    drift: World, mini: World, columns: dict[str, str], reported: str
) -> None:
    write(drift, columns)
    answer = drift("run", "--tenant", "mini", "--date", DAY, "--json")
    document = json.loads(answer.stdout)
    assert (answer.exit_code, document["status"]) == (1, "FAILED")
    assert reported in document["error"] and "export.parquet" in document["error"]
    assert drift.rows("mini") == mini.rows("mini")


def test_an_optional_column_that_goes_is_reported_once_by_name_and_again_should_it_return_and_go(
    drift: World, mini: World
) -> None:
    without = {name: type_ for name, type_ in DETAILED.items() if name != "system_labels"}
    assert warned(drift, LOST_COLUMN) == [], "there, and remembered"
    write(drift, without)
    assert len(warned(drift, LOST_COLUMN)) == 1
    found = [one for one in drift.failed_expectations("mini", WARNINGS, LOST_COLUMN) if one]
    assert [one["status"] for one in found] == ["warn"]
    lost = {row["column_name"] for row in found[0]["samples"]}
    assert lost == {"system_labels.key", "system_labels.value"}
    assert drift.bill("mini") == mini.bill("mini")
    assert warned(drift, LOST_COLUMN) == []
    write(drift, DETAILED)
    assert warned(drift, LOST_COLUMN) == [], "back, and remembered"
    write(drift, without)
    assert len(warned(drift, LOST_COLUMN)) == 1


# -- Text has no types: there a value that does not fit shows that its column was retyped.

MISTYPED = {
    "cost": ({"cost": "much"}, "cost", "FLOAT64"),
    "usage_start_time": ({"usage_start_time": "some day"}, "usage_start_time", "TIMESTAMP"),
    "usage": ({"usage": {"amount": "lots"}}, "usage.amount", "FLOAT64"),
    "project": ({"project": 5}, "project", "RECORD"),
    "service": ({"service": "Compute"}, "service", "RECORD"),
    "credits": ({"credits": [{"amount": "x"}]}, "credits.amount", "FLOAT64"),
    "credits as numbers": ({"credits": [-0.5]}, "credits", "RECORD"),
    "credits as a record": ({"credits": {"amount": 1}}, "credits", "RECORD"),
}


@pytest.mark.parametrize("column", MISTYPED)
def test_a_retyped_column_of_text_fails_onboarding_with_its_name(
    empty_world: World, column: str
) -> None:
    changes, path, type_ = MISTYPED[column]
    reported = f"has in the column {path} a value that does not fit {type_}"
    rows = [charge(DAY, 1.0), {**charge(DAY, 2.0), **changes}]
    export = write_ndjson(empty_world.folder / "text.ndjson.gz", rows)
    answer = empty_world("tenant", "add", "mini", "--admin-email", EMAIL, "--export", str(export))
    assert answer.exit_code == 2, answer.output
    assert reported in answer.stderr and str(export) in answer.stderr


def test_a_column_of_text_that_is_retyped_later_fails_the_run_with_its_name_and_leaves_the_bill(
    empty_world: World,
) -> None:
    export = empty_world.folder / "text.ndjson.gz"
    empty_world.add("mini", write_ndjson(export, [charge(DAY, 1.0)]))
    empty_world.run("mini", DAY)
    before = empty_world.rows("mini")
    for column in ("cost", "project", "credits"):
        changes, path, type_ = MISTYPED[column]
        reported = f"has in the column {path} a value that does not fit {type_}"
        write_ndjson(export, [charge(DAY, 1.0), {**charge(DAY, 2.0), **changes}])
        failed = empty_world("run", "--tenant", "mini", "--date", DAY, "--json")
        document = json.loads(failed.stdout)
        assert (failed.exit_code, document["status"]) == (1, "FAILED")
        assert reported in document["error"] and str(export) in document["error"]
        assert empty_world.rows("mini") == before
