"""Every tenant by one command, with warm dbt processes; each bill as if it had run alone."""

import json
from pathlib import Path

from exports import ACCOUNT, charge, write_parquet
from shop_rows import EUROS, OTHER, shared_rows
from support import only
from world import World

DATES = ("2024-11-01", "2024-11-03")
ACCOUNTS = {"shop": ACCOUNT, "split": EUROS, "field": OTHER}


# What differs from run to run: when it was, and what it was called.
OURS = ("pipeline_logging_id", "loaded_at", "x_pipelinerunid")


def everything(world: World, tenant: str) -> dict[str, tuple[object, ...]]:
    """A fingerprint of each table and view of a tenant, but for the records of runs."""
    columns: dict[str, list[str]] = {}
    for table, column in world.data(
        tenant,
        "select table_name, lower(column_name) from information_schema.columns"
        f" where table_schema = '{tenant}' and table_name not like 'x_meta%'"
        " and table_name not in ('restatement_ledger', 'bill_after_run')",
    ):
        columns.setdefault(table, []).append(column)
    assert "gcp_silver_cost" in columns and len(columns) > 20
    found = {}
    for table, names in columns.items():
        knows_itself = table in ("billing_cost_daily", "gcp_silver_cost")
        left_out = [name for name in names if name in OURS and not knows_itself]
        found[table] = world.fingerprint(tenant, table, ", ".join(left_out))
    return found


def test_two_warm_processes_load_what_each_tenant_alone_would(empty_world: World) -> None:
    """A process serves one tenant after another: nothing of one may show in another's."""
    world = empty_world
    export = write_parquet(world.folder / "exports" / "shared.parquet", shared_rows())
    for tenant, account in ACCOUNTS.items():
        world.add(tenant, export, "--billing-account", account)
    broken = world.folder / "exports" / "broken.parquet"
    write_parquet(broken, [charge("2024-11-01", 1.0)])
    world.add("mini", broken)
    broken.unlink()

    answer = world.cli(
        *("run", "--all-tenants", "--from", DATES[0], "--to", DATES[1], "--workers", "2", "--json")
    )
    assert answer.returncode == 1, answer.stderr
    document = json.loads(answer.stdout)
    assert document["statuses"] == {"COMPLETED": 3, "FAILED": 1}
    (failed,) = (one for one in document["tenants"] if one["status"] == "FAILED")
    assert failed["tenant_id"] == "mini" and "broken.parquet" in failed["error"]
    together = {tenant: everything(world, tenant) for tenant in ACCOUNTS}

    for tenant, account in ACCOUNTS.items():
        alone = world.dbt(
            *("run", "--vars"),  # what tests leave is not compared
            json.dumps({"tenant_id": tenant, "from_date": DATES[0], "to_date": DATES[1]}),
            *("--target-path", str(world.folder / "alone" / tenant)),
        )
        assert alone.returncode == 0, alone.stdout
        assert everything(world, tenant) == together[tenant]
        accounts = world.data(
            tenant, f"select distinct billing_account_id from {tenant}.gcp_silver_cost"
        )
        assert accounts == [(account,)]


def test_a_range_of_all_tenants_is_reported_as_a_table(mini: World, tmp_path: Path) -> None:
    world = mini.copy(tmp_path)
    with only("bill_run"):
        answer = world("run", "--all-tenants", "--date", "2024-11-02", "--workers", "1")
    assert answer.exit_code == 0, answer.output
    lines = answer.stdout.splitlines()
    assert lines[0].split() == ["tenant", "status", "rows", "net", "seconds", "message"]
    assert lines[1].split()[:5] == ["mini", "COMPLETED", "1", "3.00", "USD"]
    assert lines[2] == "1 tenants: 1 COMPLETED" and "[1/1] mini COMPLETED" in answer.stderr


def test_a_shard_without_tenants_does_nothing(mini: World, tmp_path: Path) -> None:
    world = mini.copy(tmp_path)
    with only("bill_run"):
        answers = [
            world("run", "--all-tenants", "--date", "2024-11-02", "--shard", f"{i}/2", "--json")
            for i in range(2)
        ]
    assert [answer.exit_code for answer in answers] == [0, 0]
    counts = [len(json.loads(answer.stdout)["tenants"]) for answer in answers]
    assert sorted(counts) == [0, 1]
