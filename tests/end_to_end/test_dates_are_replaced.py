"""A run replaces its dates completely, and touches no other date and no other tenant."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from exports import ACCOUNT, charge, write_parquet
from shop_rows import EUROS
from world import SharedWorker, World

from runner.engine.job import Job

FIRST, SECOND, THIRD = date(2024, 11, 1), date(2024, 11, 2), date(2024, 11, 3)


@pytest.fixture(scope="module")
def moved(
    mini: World, mini_rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory
) -> tuple[World, dict, dict]:
    """The export moves on all three dates that were loaded, and two of them are loaded again."""
    world = mini.copy(tmp_path_factory.mktemp("moved"))
    before: dict[Any, Any] = dict(world.bill("mini"))
    before["third"] = third_as_it_is(world)
    late = charge(
        "2024-11-01",
        -0.5,
        export_time="2025-02-01 00:00:00+00",
        _PARTITIONTIME="2025-02-01 00:00:00+00",
        invoice={"month": "202501"},
    )
    export = mini.folder / "exports" / "mini.parquet"
    try:
        write_parquet(export, [*mini_rows[:2], late, charge("2024-11-03", 99.0)])
        world.run("mini", "2024-11-01", "2024-11-02")
    finally:
        write_parquet(export, mini_rows)
    return world, before, world.bill("mini")


def third_as_it_is(world: World) -> list[Any]:
    """The third date's rows with every column, the run's id and the time of loading included."""
    return world.data(
        "mini", "select * from mini.billing_cost_daily where ingestion_date = ?", THIRD
    )


def test_before_the_export_moved_its_rows_were_loaded(moved) -> None:
    _, before, _ = moved
    assert before[FIRST] == (2, Decimal(3), Decimal(0)) and SECOND in before


def test_rows_that_come_late_in_a_late_partition_are_picked_up(moved) -> None:
    """The predecessor lost for ever what arrived after its run."""
    *_, after = moved
    assert after[FIRST] == (3, Decimal("2.5"), Decimal(0))


def test_a_date_that_has_become_empty_is_empty_everywhere(moved) -> None:
    world, _, after = moved
    assert SECOND not in after
    for table in ("gcp_silver_cost", "cost_by_service_daily", "invoice_cost_daily"):
        dates = {day for (day,) in world.data("mini", f"select usage_date from mini.{table}")}
        assert dates == {FIRST, THIRD}, table


def test_a_date_that_was_not_asked_for_keeps_its_rows_to_the_byte(moved) -> None:
    world, before, after = moved
    assert after[THIRD] == (1, Decimal(4), Decimal(0))
    assert third_as_it_is(world) == before["third"]


def test_a_restated_invoice_shows_the_correction(moved) -> None:
    world, *_ = moved
    invoices = world.data(
        "mini",
        "select invoice_month, billed_cost, cross_month_billed_cost"
        " from mini.invoice_reconciliation order by 1",
    )
    assert invoices == [
        ("202411", Decimal(7), Decimal(0)),
        ("202501", Decimal("-0.5"), Decimal("-0.5")),
    ]


def test_one_process_serves_two_tenants_and_three_dates_and_touches_nothing_else(
    split: World,
) -> None:
    """Whatever stands in config() is read when dbt parses: yesterday's dates must not stick."""
    shop = split
    assert SharedWorker.process is not None

    def marks(tenant: str) -> dict[date, str]:
        return dict(
            shop.data(
                tenant,
                "select ingestion_date, string_agg(distinct pipeline_logging_id)"
                f" from {tenant}.billing_cost_daily group by all",
            )
        )

    bills = {tenant: shop.bill(tenant) for tenant in ("shop", "split")}
    expected = {tenant: marks(tenant) for tenant in bills}
    for step, (tenant, day) in enumerate(
        [("shop", FIRST), ("split", THIRD), ("shop", SECOND), ("split", FIRST), ("shop", THIRD)]
    ):
        outcome = SharedWorker.process.run(
            Job(
                tenant,
                ("run", "--select", "billing_cost_daily"),
                {"date": day.isoformat(), "pipeline_logging_id": f"step-{step}"},
                environ={"WAREHOUSE_DIR": str(shop.warehouse)},
            )
        )
        assert outcome.success, outcome.error
        expected[tenant][day] = f"step-{step}"
        assert {name: marks(name) for name in bills} == expected
    assert {tenant: shop.bill(tenant) for tenant in bills} == bills
    accounts = shop.data("shop", "select distinct billing_account_id from shop.billing_cost_daily")
    assert sorted(accounts) == [(ACCOUNT,), (EUROS,)]
