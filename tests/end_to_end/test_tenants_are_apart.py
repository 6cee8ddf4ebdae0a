"""Tenants share an export, and never a row."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb
from exports import ACCOUNT
from shop_rows import BULK, EUROS, OTHER
from support import only
from world import EMAIL, World

FIRST = date(2024, 11, 1)


def costs(world: World, tenant: str) -> list[Decimal]:
    return [
        cost
        for (cost,) in world.data(
            tenant,
            f"select cost from {tenant}.billing_cost_daily where ingestion_date = ? order by 1",
            FIRST,
        )
    ]


def test_a_tenant_of_accounts_has_those_accounts_rows_and_no_others(shop: World) -> None:
    """Each tenant of the predecessor copied the complete shared export."""
    found = shop.data(
        "shop",
        "select distinct billing_account_id from shop.billing_cost_daily union all"
        " select distinct billing_account_id from shop.gcp_silver_cost union all"
        " select distinct billing_account_id from shop.cost_by_service_daily union all"
        " select distinct billing_account_id from shop.stg_gcp_billing__export",
    )
    assert set(found) == {(ACCOUNT,), (EUROS,)}
    assert len(costs(shop, "shop")) == BULK + 1


def test_a_tenant_of_a_project_has_its_rows_and_none_without_a_project(split: World) -> None:
    assert costs(split, "split") == [Decimal(100)]
    assert split.bill("split")[date(2024, 11, 2)] == (1, Decimal(800), Decimal(0))


def test_a_tenant_of_projects_has_what_is_of_no_project_when_it_asks_for_it(
    split: World, tmp_path: Path
) -> None:
    mine = split.copy(tmp_path)
    export = split.folder / "exports" / "shared.parquet"
    complete = ("--project", "proj-b", "--project", "proj-c")
    add = ("tenant", "add", "split", "--admin-email", EMAIL, "--export", str(export))
    answer = mine(*add, "--billing-account", OTHER, *complete, "--with-unallocated")
    assert answer.exit_code == 0 and "--with-unallocated" not in answer.stdout
    with only("bill_run"):
        mine.run("split", "2024-11-01")
    assert costs(mine, "split") == [Decimal(100), Decimal(200), Decimal(400)]


def test_one_tenants_runs_change_nothing_of_anothers(split: World, tmp_path: Path) -> None:
    other = split.copy(tmp_path)
    files = {path.name: path.read_bytes() for path in other.warehouse.glob("tenant_*.duckdb")}
    other.run("shop", "2024-11-05")
    assert "tenant_split.duckdb" in files
    for path in other.warehouse.glob("tenant_*.duckdb"):
        if path.name != "tenant_shop.duckdb":
            assert path.read_bytes() == files[path.name], path.name


def test_a_shared_export_without_a_filter_is_refused_and_writes_nothing(shop: World) -> None:
    export = shop.folder / "exports" / "shared.parquet"
    before = sorted(shop.warehouse.iterdir())
    answer = shop("tenant", "add", "mini", "--admin-email", EMAIL, "--export", str(export))
    assert answer.exit_code == 2
    assert "also read by tenant" in answer.stderr and "--billing-account" in answer.stderr
    assert sorted(shop.warehouse.iterdir()) == before
    listed = json.loads(shop("tenant", "list", "--json").stdout)
    assert "mini" not in {one["id"] for one in listed}


def test_another_tenants_plans_are_never_sent_to_this_ones_dataset(
    shop: World, tmp_path: Path
) -> None:
    """A seed is one file for all; what a hook deletes BigQuery would keep for seven days."""
    mine = shop.copy(tmp_path)
    logs = tmp_path / "logs"
    seeds = ("seed", "--select", "budgets", "unit_counts", "--log-path", str(logs))
    seeded = mine.dbt(*seeds, "--target-path", str(tmp_path), "--vars", "{tenant_id: shop}")
    assert seeded.returncode == 0, seeded.stdout
    plans = (Path(__file__).parents[2] / "dbt_project/seeds/budgets.csv").read_text()
    assert "acme1281" in plans and "shop" not in plans
    sent = (logs / "dbt.log").read_text()
    assert "insert into" in sent and "acme1281" not in sent and "COPY " not in sent
    for seed in ("budgets", "unit_counts"):
        assert mine.data("shop", f"select count(*) from shop.{seed}") == [(0,)]


def test_a_seed_whose_columns_have_moved_is_loaded_by_their_names(
    shop: World, tmp_path: Path
) -> None:
    mine = shop.copy(tmp_path)
    seed = ("seed", "--select", "budgets", "--target-path", str(tmp_path))
    plans = "select tenant_id, scope, scope_id, currency, budget from acme1281.budgets order by all"
    assert mine.dbt(*seed, "--vars", "{tenant_id: acme1281}").returncode == 0
    loaded = mine.data("acme1281", plans)
    assert loaded
    with duckdb.connect(str(mine.warehouse / "tenant_acme1281.duckdb")) as connection:
        connection.execute(
            "create or replace table acme1281.budgets as"
            " select scope, currency, scope_id, tenant_id, budget_month, budget"
            " from acme1281.budgets"
        )
    again = mine.dbt(*seed, "--vars", "{tenant_id: acme1281}")
    assert again.returncode == 0, again.stdout
    assert mine.data("acme1281", plans) == loaded
