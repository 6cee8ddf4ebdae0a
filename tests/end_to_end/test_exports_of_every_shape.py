"""Older, standard and text exports load: what they lack is a typed null, the money is the same."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from exports import DETAILED, OLDER, STANDARD, charge, credit, write_ndjson, write_parquet
from support import ROOT
from world import EMAIL, World, a_world

DAY = "2024-11-01"
OLD, PLAIN, TEXT = ("01AAA1-BBBBBB-CCCCCC", "01AAA2-BBBBBB-CCCCCC", "01AAA3-BBBBBB-CCCCCC")
SHOWN = "01ECB7-6EE0BA-7357F1"


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> World:
    """One tenant, four exports, an account in each.

    They are older, standard (a glob), NDJSON, and the CSV that docs/exports.md shows.
    """
    world = a_world(tmp_path_factory.mktemp("shapes"))
    folder = world.folder / "exports"

    def rows(account: str) -> list[dict]:
        return [
            charge(DAY, 1.25, billing_account_id=account, credits=[credit(-0.25)]),
            charge(DAY, 0.1, billing_account_id=account, project=None, labels=None),
        ]

    for n, row in enumerate(rows(PLAIN)):
        write_parquet(folder / f"standard_{n}.parquet", [row], STANDARD)
    document = (ROOT / "dbt_project" / "docs" / "exports.md").read_text(encoding="utf-8")
    shown = folder / "shown.csv"
    shown.write_text(document.split("```csv\n")[1].split("```")[0], encoding="utf-8")
    exports = (
        write_parquet(folder / "older.parquet", rows(OLD), OLDER),
        folder / "standard_*.parquet",
        write_ndjson(folder / "text.ndjson.gz", rows(TEXT)),
        shown,
    )
    options = [part for path in exports[1:] for part in ("--export", str(path))]
    world.add("mini", exports[0], *options)
    world.run("mini", DAY)
    return world


def test_each_export_gives_the_same_money(shapes: World) -> None:
    found = shapes.data(
        "mini",
        "select billing_account_id, count(*), sum(cost), sum(credits_total)"
        " from mini.billing_cost_daily group by all order by 1",
    )
    assert found == [(a, 2, Decimal("1.35"), Decimal("-0.25")) for a in (OLD, PLAIN, TEXT, SHOWN)]


def test_the_csv_that_the_documentation_shows_has_its_records(shapes: World) -> None:
    assert only(shapes, SHOWN, "service_description, project_id, labels, usage_amount") == (
        *("Compute Engine", "web", [{"key": "team", "value": "shop"}], 3600.0),
    )


def only(shapes: World, account: str, columns: str) -> tuple:
    (row,) = shapes.data(
        "mini",
        f"select {columns} from mini.billing_cost_daily where billing_account_id = ?"
        " and project_id is not null",
        account,
    )
    return row


def test_what_an_older_export_lacks_is_a_typed_null(shapes: World) -> None:
    columns = (
        "price_list_price, consumption_model_id, subscription_instance_id, cost_at_list,"
        " cost_at_effective_price_default, transaction_type, seller_name, invoice_publisher_type"
    )
    assert only(shapes, OLD, columns) == (None,) * 8
    assert only(shapes, OLD, "tags, price_effective_price, typeof(cost_at_list)") == (
        *([], Decimal("0.5"), "DECIMAL(38,9)"),
    )


def test_a_standard_export_has_no_resource_and_no_subscription(shapes: World) -> None:
    columns = "resource_name, resource_global_name, subscription_instance_id, cost_at_list"
    assert only(shapes, PLAIN, columns) == (None, None, None, Decimal("1.25"))


def test_a_text_export_has_everything_but_the_partition(shapes: World) -> None:
    columns = (
        "export_partition_time, labels, tags, price_list_price, usage_amount, resource_name,"
        " consumption_model_id, project_ancestors, usage_date_pacific"
    )
    assert only(shapes, TEXT, columns) == (
        None,
        [{"key": "env", "value": "prod"}],
        [{"key": "cc", "value": "42", "inherited": False, "namespace": "n"}],
        *(Decimal("0.75"), 3600.0, "vm-1", "7754-699E-0EBF"),
        [{"resource_name": "organizations/1", "display_name": "org"}],
        date(2024, 11, 1),
    )


@pytest.mark.parametrize(
    ("missing", "named"), [("cost", "cost"), ("invoice", "invoice.month"), ("credits", "credits")]
)
def test_an_export_without_a_required_column_is_refused_and_nothing_is_written(
    empty_world: World, missing: str, named: str
) -> None:
    columns = {name: type_ for name, type_ in DETAILED.items() if name != missing}
    export = write_parquet(empty_world.folder / "lacking.parquet", [charge()], columns)
    answer = empty_world("tenant", "add", "mini", "--admin-email", EMAIL, "--export", str(export))
    assert answer.exit_code == 2, answer.output
    assert named in answer.stderr and str(export) in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not empty_world.warehouse.exists() or not list(empty_world.warehouse.iterdir())


def test_a_file_that_is_no_export_is_refused_and_nothing_is_written(empty_world: World) -> None:
    for name, content in (("a.parquet", b"no parquet"), ("b.xlsx", b"no export")):
        export: Path = empty_world.folder / name
        export.write_bytes(content)
        answer = empty_world(
            "tenant", "add", "mini", "--admin-email", EMAIL, "--export", str(export)
        )
        assert answer.exit_code == 2 and name in answer.stderr, answer.output
        assert not empty_world.warehouse.exists() or not list(empty_world.warehouse.iterdir())


def test_timestamps_of_a_text_export_may_be_written_as_iso_has_them(
    shapes: World, tmp_path: Path
) -> None:
    mine = shapes.copy(tmp_path)
    text = shapes.folder / "exports" / "text.ndjson.gz"
    kept = text.read_bytes()
    times = {"usage_start_time": f"{DAY}T00:00:00Z", "usage_end_time": f"{DAY}T01:00:00"}
    times["export_time"] = f"{DAY}T23:30:00-07:00"
    try:
        write_ndjson(text, [charge(DAY, 1.0, billing_account_id=TEXT, **times)])
        assert mine.run("mini", DAY)["rows"] == 7
    finally:
        text.write_bytes(kept)
    columns = "usage_start_time, usage_end_time, export_time"
    at = (datetime(2024, 11, 1, 0), datetime(2024, 11, 1, 1), datetime(2024, 11, 2, 6, 30))
    assert mine.data(
        "mini",
        f"select {columns} from mini.billing_cost_daily where billing_account_id = ?",
        TEXT,
    ) == [at]
