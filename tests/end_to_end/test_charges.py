"""Every charge row arrives once and complete, however odd it is."""

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from exports import DETAILED
from shop_rows import BULK, ODD, traps
from support import shared
from world import World

DAY = date(2024, 11, 2)


def of(shop: World, trap: str, columns: str, table: str = "billing_cost_daily") -> list[Any]:
    return shop.data("shop", f"select {columns} from shop.{table} where sku_id = ?", trap)


def test_more_than_a_thousand_rows_of_a_date_all_load(shop: World) -> None:
    """The predecessor's LIMIT 1000 made a silently truncated, arbitrary bill."""
    row = shop.data(
        "shop",
        "select count(*), count(distinct sku_id), sum(cost) from shop.billing_cost_daily"
        " where sku_id like 'BULK-%'",
    )
    assert row == [(BULK, BULK, Decimal("5.2"))]


def test_every_trap_is_there_as_often_as_it_was_exported(shop: World) -> None:
    exported: dict[str, int] = {}
    for row in traps():
        exported[row["sku"]["id"]] = exported.get(row["sku"]["id"], 0) + 1
    for table, day in (("billing_cost_daily", "ingestion_date"), ("gcp_silver_cost", "usage_date")):
        loaded = shop.data(
            "shop", f"select sku_id, count(*) from shop.{table} where {day} = ? group by all", DAY
        )
        assert dict(loaded) == exported, table


def test_identical_twins_are_two_charges(shop: World) -> None:
    assert of(shop, "twin", "cost") == [(Decimal("2.5"),)] * 2


def test_null_arrays_are_empty_and_cost_no_row(shop: World) -> None:
    columns = "labels, system_labels, tags, credits, credits_total, cost"
    for trap in ("null-arrays", "empty-arrays"):
        assert of(shop, trap, columns) == [([], [], [], [], Decimal(0), Decimal(1))], trap


def test_null_records_are_nulls_and_cost_no_row(shop: World) -> None:
    columns = (
        "project_id, project_labels, project_ancestors, location_region, resource_name,"
        " price_list_price, usage_amount, subscription_instance_id, consumption_model_id,"
        " transaction_type, cost_at_list, cost"
    )
    nulls = [None] * 8
    assert of(shop, "null-records", columns) == [(None, [], [], *nulls, Decimal(1))]


def test_amounts_below_a_nano_are_rounded_row_by_row(shop: World) -> None:
    assert of(shop, "below-a-nano", "cost") == [(Decimal("0E-9"),)] * 3
    assert of(shop, "rounds-up", "cost") == [(Decimal("0.000000001"),)]
    assert of(shop, "one-nano", "cost") == [(Decimal("0.000000001"),)]


def test_a_floats_noise_is_no_money(shop: World) -> None:
    assert of(shop, "float-noise", "cost, typeof(cost)") == [(Decimal("0.3"), "DECIMAL(38,9)")]
    assert of(shop, "huge", "cost") == [(Decimal("1234567.123456789"),)]


def test_odd_text_arrives_as_it_is(shop: World) -> None:
    ((labels, labels_json, name),) = of(shop, "odd-text", "labels, labels_json, project_name")
    assert labels == [{"key": ODD, "value": ODD}] and name == ODD
    assert json.loads(labels_json) == [{"key": ODD, "value": ODD}]


def test_a_label_without_a_value_is_kept(shop: World) -> None:
    ((labels,),) = of(shop, "null-label", "labels")
    assert labels == [{"key": "k", "value": None}, {"key": None, "value": "v"}]


def test_labels_and_system_labels_of_one_key_are_kept_apart(shop: World) -> None:
    ((labels, system, project),) = of(shop, "same-key", "labels, system_labels, project_labels")
    assert labels == [{"key": "env", "value": "mine"}]
    assert system == [{"key": "env", "value": "system"}]
    assert project == [{"key": "team", "value": "core"}]


def test_several_credits_of_a_row_are_summed_without_repeating_its_cost(shop: World) -> None:
    ((cost, total, credits),) = of(shop, "credits", "cost, credits_total, credits")
    assert (cost, total) == (Decimal(10), Decimal("-1.750000001"))
    assert [one["type"] for one in credits] == ["DISCOUNT", "PROMOTION", "BRAND_NEW"]
    columns = "gross_cost, discount_credits, promotion_credits, other_credits, billed_cost"
    assert of(shop, "credits", columns, "gcp_silver_cost") == [
        tuple(Decimal(n) for n in ("10", "-1.5", "-0.25", "-0.000000001", "8.249999999"))
    ]


def test_a_credit_without_an_amount_is_no_credit_and_loses_no_row(shop: World) -> None:
    assert of(shop, "credit-without-amount", "cost, credits_total") == [(Decimal(1), Decimal(0))]


def test_negative_cost_is_kept(shop: World) -> None:
    assert of(shop, "negative", "cost") == [(Decimal("-7.25"),)]


@pytest.mark.parametrize("trap", ["tax", "rounding"])
def test_a_charge_without_a_project_is_named_unallocated(shop: World, trap: str) -> None:
    columns = "project_id, project_name, is_unallocated"
    assert of(shop, trap, columns, "gcp_silver_cost") == [("(unallocated)", "(unallocated)", True)]


def test_a_correction_weeks_later_belongs_to_its_old_usage_date(shop: World) -> None:
    columns = "ingestion_date, invoice_month, cost, adjustment_type"
    assert of(shop, "correction", columns) == [(DAY, "202412", Decimal(-10), "GOODWILL")]
    assert of(shop, "correction", "is_correction", "gcp_silver_cost") == [(True,)]


@pytest.mark.parametrize("trap", ["no-partition", "partition-a-day-early"])
def test_a_row_is_found_whatever_partition_it_is_in(shop: World, trap: str) -> None:
    assert len(of(shop, trap, "1")) == 1


def test_midnight_belongs_to_the_day_that_begins(shop: World) -> None:
    assert of(shop, "first-second", "ingestion_date, usage_date_pacific, usage_start_time") == [
        (DAY, date(2024, 11, 1), datetime(2024, 11, 2, 0, 0))
    ]
    assert of(shop, "last-second", "ingestion_date") == [(DAY,)]
    assert shop.bill("shop")[date(2024, 11, 3)] == (1, Decimal(3), Decimal(0))


def test_currencies_are_never_summed_together(shop: World) -> None:
    document = shop.run("shop", "2024-11-02")
    assert [total["currency"] for total in document["totals"]] == ["EUR", "USD"]
    assert document["totals"][0]["cost"] == "9.00"
    grouped = shop.data(
        "shop", "select billed_cost from shop.cost_by_service_daily where currency = 'EUR'"
    )
    assert grouped == [(Decimal(9),)]


def test_a_date_without_rows_completes_with_the_warning(shop: World) -> None:
    answer = shop("run", "--tenant", "shop", "--date", "2024-11-04", "--json")
    assert answer.exit_code == 0, answer.output
    document = json.loads(answer.stdout)
    assert (document["status"], document["rows"]) == ("COMPLETED", 0)
    assert document["warnings"] == ["0 rows: the export has no usage for these dates yet."]
    assert date(2024, 11, 4) not in shop.bill("shop")


def test_the_operators_query_of_the_predecessor_runs_unchanged(shop: World) -> None:
    rows = shop.data(
        "shop",
        "SELECT billing_account_id, service_id, cost, usage_start_time, usage_end_time"
        " FROM shop.billing_cost_daily WHERE DATE(ingestion_date) = '2024-11-05'",
    )
    assert len(rows) == 1 and rows[0][2] == Decimal(5)


def test_the_tests_own_exports_have_googles_columns() -> None:
    schema = json.loads(
        shared("data/schemas/gcp_billing_export_resource_v1.schema.json").read_text()
    )
    assert [column["name"] for column in schema] == [name for name in DETAILED if name[0] != "_"]
    for column in schema:
        for field in column.get("fields", []):
            assert field["name"] in DETAILED[column["name"]], f"{column['name']}.{field['name']}"
