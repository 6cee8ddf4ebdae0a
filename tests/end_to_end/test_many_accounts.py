"""Several accounts, exports and currencies of one tenant: nothing twice, nothing summed across."""

import json
from decimal import Decimal
from pathlib import Path

import pytest
from exports import DETAILED, OLDER, STANDARD, charge, credit, write_ndjson, write_parquet
from world import EMAIL, World, a_world

DAY = "2024-11-01"
DOLLARS, EUROS, YEN = "01AAA1-000000-AAAAAA", "01AAA2-000000-AAAAAA", "01AAA3-000000-AAAAAA"
ONE_EXPORT = "accounts_come_from_one_export"
NO_PROJECT = {"project": None}
pytestmark = pytest.mark.usefixtures("only_the_bill")


def exports(folder: Path) -> dict[str, Path]:
    """A detailed export with two accounts, a standard one with the third, and taxes."""
    euro = {"billing_account_id": EUROS, "currency": "EUR", "currency_conversion_rate": 0.8}
    yen = {"billing_account_id": YEN, "currency": "JPY", "currency_conversion_rate": 150.0}
    dollar = {"billing_account_id": DOLLARS}
    return {
        "detailed": write_parquet(
            folder / "detailed.parquet",
            [
                charge(DAY, 10.000000001, **dollar, credits=[credit(-1.0)]),
                charge(DAY, 2.0, **dollar, **NO_PROJECT, cost_type="tax"),
                charge(DAY, 8.0, **euro, credits=[credit(-4.0, "PROMOTION")]),
                charge("2024-11-02", 1.0, **euro),
            ],
            DETAILED,
        ),
        "standard": write_parquet(
            folder / "standard.parquet",
            [charge(DAY, 300.0, **yen), charge(DAY, 100.0, **yen, **NO_PROJECT, cost_type="tax")],
            STANDARD,
        ),
    }


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A tenant of three accounts in a detailed and a standard export, three currencies."""
    world = a_world(tmp_path_factory.mktemp("mixed"))
    found = exports(world.folder / "exports")
    world.add("mini", found["detailed"], "--export", str(found["standard"]))
    world.run("mini", DAY, "2024-11-02")
    return world


def test_each_currency_has_its_own_total(mixed: World) -> None:
    found = mixed.data(
        "mini",
        "select billing_account_id, currency, count(*), sum(billed_cost)"
        " from mini.gcp_silver_cost group by all order by 1",
    )
    assert found == [
        (DOLLARS, "USD", 2, Decimal("11.000000001")),
        (EUROS, "EUR", 2, Decimal(5)),
        (YEN, "JPY", 2, Decimal(400)),
    ]


def test_dollars_at_the_exports_rate_stand_beside_and_replace_nothing(mixed: World) -> None:
    found = mixed.data(
        "mini",
        "select currency, sum(billed_cost_usd), any_value(typeof(billed_cost_usd))"
        " from mini.gcp_silver_cost group by all order by 1",
    )
    decimal = "DECIMAL(38,9)"
    assert found == [
        ("EUR", Decimal("6.25"), decimal),
        ("JPY", Decimal("2.666666667"), decimal),
        ("USD", Decimal("11.000000001"), decimal),
    ]


def test_every_row_reports_which_export_it_came_from(mixed: World) -> None:
    found = mixed.data(
        "mini",
        "select billing_account_id, parse_filename(exports.export_ref), count(*)"
        " from mini.billing_cost_daily as bill"
        " inner join mini.x_meta_exports as exports on bill.export_ref = exports.export_id"
        " group by all order by 1",
    )
    assert found == [
        (DOLLARS, "detailed.parquet", 2),
        (EUROS, "detailed.parquet", 2),
        (YEN, "standard.parquet", 2),
    ]


@pytest.mark.parametrize("kind", ["standard", "ndjson"])
def test_a_standard_and_a_detailed_export_of_one_account_are_refused(
    empty_world: World, kind: str
) -> None:
    rows = [charge(DAY, 10.0, billing_account_id=DOLLARS), charge("2024-11-03", 1.0)]
    detailed = write_parquet(empty_world.folder / "detailed.parquet", rows)
    again = empty_world.folder / "again"
    if kind == "standard":
        other = write_parquet(again.with_suffix(".parquet"), rows, STANDARD)
    else:
        other = write_ndjson(again.with_suffix(".ndjson.gz"), rows)
    refs = ("--export", str(detailed), "--export", str(other))
    add = ("tenant", "add", "mini", "--admin-email", EMAIL, *refs, "--billing-account", DOLLARS)
    answer = empty_world(*add)
    assert answer.exit_code == 2, answer.output
    for reported in (DOLLARS, str(detailed), str(other), f"({DAY} to {DAY})", "same money"):
        assert reported in answer.stderr
    assert not empty_world.warehouse.exists() or not list(empty_world.warehouse.iterdir())


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A tenant of one account, in an export that ended and in the one that followed it."""
    world = a_world(tmp_path_factory.mktemp("moved"))
    folder = world.folder / "exports"
    write_parquet(folder / "old.parquet", [charge("2024-10-31", 1.0), charge(DAY, 2.0)], OLDER)
    write_parquet(folder / "new.parquet", [charge("2024-11-02", 4.0)])
    world.add("mini", folder / "old.parquet", "--export", str(folder / "new.parquet"))
    return world


def test_an_account_may_go_on_in_another_export(moved: World) -> None:
    assert moved.run("mini", "2024-10-31", "2024-11-02")["totals"][0]["cost"] == "7.00"


def test_an_account_that_two_exports_bill_for_one_date_fails_the_run_and_is_named(
    moved: World,
) -> None:
    folder = moved.folder / "exports"
    write_parquet(folder / "new.parquet", [charge(DAY, 2.0), charge("2024-11-02", 4.0)])
    answer = moved("run", "--tenant", "mini", "--from", DAY, "--to", "2024-11-02", "--json")
    document = json.loads(answer.stdout)
    assert (answer.exit_code, document["status"]) == (1, "FAILED")
    assert ONE_EXPORT in document["error"]
    found = moved.failed_expectations("mini", "billing_cost_daily__error", ONE_EXPORT)[-1]
    (row,) = found["samples"]
    assert found["status"] == "fail" and found["failing_rows"] == 2, "one account, two charges"
    assert row["ingestion_date"] == DAY
    assert row["billing_account_id"] == charge()["billing_account_id"]
    names = dict(moved.data("mini", "select export_id, export_ref from mini.x_meta_exports"))
    given = {names[row[f"{which}_export_ref"]] for which in ("one", "another")}
    assert {Path(name).name for name in given} == {"new.parquet", "old.parquet"}


def test_tables_from_before_the_columns_get_them_and_keep_their_rows(
    mixed: World, tmp_path: Path
) -> None:
    mine = mixed.copy(tmp_path)
    for table, column in (
        ("billing_cost_daily", "export_ref"),
        ("gcp_silver_cost", "billed_cost_usd"),
    ):
        mine.data("mini", f"alter table mini.{table} drop column {column}")
    # Built by an earlier version of the project, whose hash is another.
    mine.data("mini", "update mini.x_meta_deployments set project_hash = 'of before'")
    mine.run("mini", "2024-11-02")
    assert mine.bill("mini") == mixed.bill("mini")
    found = mine.data(
        "mini",
        "select ingestion_date::varchar, count(*), count(export_ref)"
        " from mini.billing_cost_daily group by all order by 1",
    )
    assert found == [(DAY, 5, 0), ("2024-11-02", 1, 1)]
