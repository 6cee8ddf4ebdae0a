"""Tenants that read a shared export through a landing have the bill that they had without it."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from exports import ACCOUNT, charge, credit, write_parquet
from support import only
from world import EMAIL, World, a_world

OTHER = "01DDDD-EEEEEE-FFFFFF"
MINE = ("--billing-account", ACCOUNT)
THEIRS = ("--billing-account", OTHER, "--project", "proj-b", "--with-unallocated")
# (through the landing, directly)
PAIRS = [("mine", "mini"), ("split", "field")]


def of_other(day: str, cost: float, project: str | None = "proj-b", **changes: Any) -> dict:
    named = {"id": project, "name": project}
    return charge(day, cost, billing_account_id=OTHER, project=named, **changes)


ROWS = [
    *(charge(f"2024-11-0{n}", 1.1 * n, credits=[credit(-0.1)]) for n in (1, 2, 3)),
    charge("2024-11-01", 1.1, credits=[credit(-0.1)]),  # a twin: two charges
    *(of_other(f"2024-11-0{n}", 2.5 * n) for n in (1, 2, 4)),
    of_other("2024-11-02", 9.0, "proj-c"),
    of_other("2024-11-03", 0.000000007, None, currency="USD", cost_type="tax"),
]
LATE = {"export_time": "2024-11-20 07:00:00+00", "_PARTITIONTIME": "2024-11-20 00:00:00+00"}
# The second of the other's dates is empty now; two dates are corrected weeks later.
MOVED = [
    *(row for row in ROWS if row not in (ROWS[5], ROWS[7])),
    charge("2024-11-01", -0.5, invoice={"month": "202412"}, **LATE),
    of_other("2024-11-04", -1.0, **LATE),
    of_other("2024-11-05", 5.0),
]


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two tenants, through a landing and directly; then the export moves, and all catch up."""
    world = a_world(tmp_path_factory.mktemp("landed"))
    export = write_parquet(world.folder / "exports" / "shared.parquet", ROWS)
    world.add("shared", export, "--landing")
    for through, directly in PAIRS:
        filters = MINE if through == "mine" else THEIRS
        world.add(through, "tenant:shared", *filters)
        world.add(directly, export, *filters)
    with only("layers"):
        for tenant in ("shared", "mine", "split"):
            world.run(tenant, "2024-11-01", "2024-11-04")
        write_parquet(export, MOVED)
        answer = world("catch-up", "--all-tenants", "--json")
        assert answer.exit_code == 0, answer.output
    return world


@pytest.mark.parametrize(("through", "directly"), PAIRS)
def test_bill_and_silver_are_the_same_to_the_last_column(
    landed: World, through: str, directly: str
) -> None:
    for table in ("billing_cost_daily", "gcp_silver_cost"):
        rows = landed.rows(through, table)
        assert rows and rows == landed.rows(directly, table), table
    days = {day.day for day in landed.bill(through)}
    assert days == ({1, 2, 3} if through == "mine" else {1, 3, 4, 5})


def test_marts_are_the_same_and_made_without_the_export(landed: World, tmp_path: Path) -> None:
    world = landed.copy(tmp_path)
    export = landed.folder / "exports" / "shared.parquet"
    world.run("field", "2024-11-01", "2024-11-05")
    hidden = export.rename(export.with_suffix(".hidden"))
    try:
        world.run("split", "2024-11-01", "2024-11-05")
    finally:
        hidden.rename(export)
    tables = world.data(
        "split",
        "select table_name from information_schema.tables where table_type = 'BASE TABLE'"
        " and table_schema = 'split' and table_name not like 'x_meta_%'"
        " and table_name not in ('loaded_dates', 'restatement_ledger')",
    )
    assert len(tables) > 15
    for (table,) in tables:
        assert world.fingerprint("split", table) == world.fingerprint("field", table), table


def test_the_landings_run_reports_what_it_landed(landed: World) -> None:
    document = landed.run("shared", "2024-11-01", "2024-11-05")
    assert document["rows"] == len(MOVED) and document["pipeline_id"] == "shared-gcp-export-landing"
    files = {path.name for path in (landed.warehouse / "landing" / "shared").iterdir()}
    assert {f"2024-11-0{n}.parquet" for n in range(1, 6)} <= files


def test_dates_that_the_landing_lacks_are_refused_with_the_command_to_run(landed: World) -> None:
    answer = landed("run", "--tenant", "mine", "--from", "2024-11-04", "--to", "2024-11-08")
    assert answer.exit_code == 2
    assert "runner run --tenant shared --from 2024-11-06 --to 2024-11-08" in answer.stderr


def test_a_landing_that_lost_a_date_fails_the_run_and_the_bill_stays(
    landed: World, tmp_path: Path
) -> None:
    """An empty date has an empty file: one that is not there is no reason to load nothing."""
    world = landed.copy(tmp_path)
    before = world.rows("mine")
    (world.warehouse / "landing" / "shared" / "2024-11-02.parquet").unlink()
    one_model = ("run", "--select", "billing_cost_daily", "--vars")
    remedy = "runner run --tenant shared --from 2024-11-02 --to 2024-11-02"
    with only("layers"):
        answer = world("run", "--tenant", "mine", "--from", "2024-11-01", "--to", "2024-11-03")
        assert answer.exit_code == 1
        assert f"shared has not completely landed 2024-11-02: run `{remedy}`" in answer.stdout
        assert world.rows("mine") == before
        bare = world.dbt(*one_model, "{tenant_id: mine, date: 2024-11-02}")
        assert bare.returncode == 1 and remedy in bare.stdout + bare.stderr
        assert world.rows("mine") == before
        assert world(*remedy.split()[1:]).exit_code == 0
        world.run("mine", "2024-11-01", "2024-11-03")
    assert world.rows("mine") == before
    # However the folder is spelt: the engine has its own way of writing paths.
    odd = f"{world.folder}/profiles/../warehouse/"
    bare = world.dbt(*one_model, "{tenant_id: mine, date: 2024-11-02}", WAREHOUSE_DIR=odd)
    assert bare.returncode == 0, bare.stdout


def test_what_is_no_landing_cannot_be_read_as_one(landed: World) -> None:
    add = ("tenant", "add", "late", "--admin-email", EMAIL, *MINE, "--export")
    assert "is not a landing" in landed(*add, "tenant:mine").stderr
    assert "no tenant" in landed(*add, "tenant:unknown").stderr
    assert "must be a tenant's only" in landed(*add, "tenant:shared", "--export", "x").stderr
    unlimited = landed("tenant", "add", "late", "--admin-email", EMAIL, "--export", "tenant:shared")
    assert unlimited.exit_code == 2 and "also read by tenant" in unlimited.stderr


def test_a_landing_that_is_read_is_not_removed(landed: World) -> None:
    answer = landed("tenant", "remove", "shared", "--yes")
    assert answer.exit_code == 2 and "read by mine, split" in answer.stderr


def test_a_landing_stays_one_when_it_is_added_again(landed: World) -> None:
    landed.add("shared", landed.folder / "exports" / "shared.parquet")
    reported = json.loads(landed("tenant", "show", "shared", "--json").stdout)
    assert reported["pipeline"] == "gcp/cost/export_landing"


def test_dates_that_are_landed_late_are_loaded_by_the_next_catch_up(tmp_path: Path) -> None:
    """The landing keeps the export's partitions: they are older than what was read before."""
    world = a_world(tmp_path)
    export = write_parquet(
        tmp_path / "shared.parquet", [charge(f"2024-11-{n:02}", float(n)) for n in range(1, 13)]
    )
    world.add("shared", export, "--landing")
    world.add("mine", "tenant:shared", *MINE)

    def catch_up() -> None:
        answer = world("catch-up", "--tenant", "mine", "--json")
        assert answer.exit_code == 0, answer.output

    with only("layers"):
        world.run("shared", "2024-11-10", "2024-11-12")
        catch_up()
        assert {day.day for day in world.bill("mine")} == {10, 11, 12}
        world.run("shared", "2024-11-01", "2024-11-09")
        catch_up()
    assert {day.day for day in world.bill("mine")} == set(range(1, 13))


@pytest.fixture(scope="module")
def caught_up(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A landing and its tenant, both caught up. To be copied, never changed."""
    world = a_world(tmp_path_factory.mktemp("caught_up"))
    export = world.folder / "exports" / "shared.parquet"
    write_parquet(export, [charge(f"2024-11-{n:02}", float(n)) for n in range(1, 7)])
    world.add("shared", export, "--landing")
    world.add("mine", "tenant:shared", *MINE)
    with only("layers"):
        for tenant in ("shared", "mine"):
            catch_up(world, tenant)
    return world


@pytest.fixture
def night(caught_up: World, tmp_path: Path) -> Iterator[World]:
    export = caught_up.folder / "exports" / "shared.parquet"
    kept = export.read_bytes()
    world = caught_up.copy(tmp_path)
    # A view names the folder of the landing that it reads.
    view = "select sql from duckdb_views() where view_name = 'stg_gcp_billing__export'"
    ((sql,),) = world.data("mine", view)
    sql = sql.replace("CREATE VIEW", "create or replace view")
    world.data("mine", sql.replace(str(caught_up.warehouse), str(world.warehouse)))
    with only("layers"):
        yield world
    export.write_bytes(kept)


def catch_up(world: World, tenant: str, *options: str) -> dict[str, Any]:
    answer = world("catch-up", "--tenant", tenant, "--json", *options)
    assert answer.exit_code == 0, answer.output
    document: dict[str, Any] = json.loads(answer.stdout)
    return document


def moves(caught_up: World, rows: list[dict[str, Any]]) -> None:
    write_parquet(caught_up.folder / "exports" / "shared.parquet", rows)


def age(world: World, days: int = 5, *tenants: str) -> None:
    """All that was recorded of these tenants, or of both, happened so much earlier."""
    for tenant in tenants or ("shared", "mine"):
        for table, key, *columns in (
            ("x_meta_pipeline_runs", "pipeline_logging_id", "start_time", "end_time"),
            ("x_meta_catch_ups", "catch_up_id", "checked_at"),
        ):
            for name in columns:
                for id, at in world.control(f"select {key}, {name} from {tenant}.{table}"):
                    world.control(
                        f"update {tenant}.{table} set {name} = ? where {key} = ?",
                        *(at - timedelta(days=days), id),
                    )
    rows = world.control("select tenant_id, updated_at from tenants.tenant_exports")
    for tenant, at in rows:
        world.control(
            "update tenants.tenant_exports set updated_at = ? where tenant_id = ?",
            *(at - timedelta(days=days), tenant),
        )


def days_of(world: World) -> dict[int, Any]:
    return {day.day: cost for day, (_, cost, _) in world.bill("mine").items()}


def test_a_row_that_the_landing_has_late_is_found_by_each_tenants_next_catch_up(
    caught_up: World, night: World
) -> None:
    moves(
        caught_up,
        [
            *(charge(f"2024-11-{n:02}", float(n)) for n in range(1, 8)),
            charge("2024-11-02", 9, **LATE),
        ],
    )
    assert catch_up(night, "mine")["dates"] == [], "the landing lacks it so far"
    assert catch_up(night, "shared")["dates"] == ["2024-11-02", "2024-11-07"]
    assert catch_up(night, "mine")["dates"] == ["2024-11-02", "2024-11-07"]
    assert days_of(night) == {1: 1, 2: 11, 3: 3, 4: 4, 5: 5, 6: 6, 7: 7}
    assert catch_up(night, "mine")["dates"] == []


def test_of_a_landing_only_dates_that_its_runs_completed_since_the_last_catch_up_are_read(
    caught_up: World, night: World
) -> None:
    """The first date's file is missing: a reader would find that the date moved."""
    age(night, 1, "mine")
    age(night, 5, "shared")
    (night.warehouse / "landing" / "shared" / "2024-11-01.parquet").unlink()
    moves(caught_up, [charge(f"2024-11-{n:02}") for n in range(1, 7) for _ in range(2)])
    night.run("shared", "2024-11-03", "2024-11-04")
    assert catch_up(night, "mine")["dates"] == ["2024-11-03", "2024-11-04"]
    # Other rows of the landing are the tenant's now: all of it is checked anew.
    night.add("mine", "tenant:shared", *MINE, "--project", "proj-a", "--with-unallocated")
    assert "2024-11-01" in catch_up(night, "mine", "--dry-run")["skipped"]


def test_what_changed_on_the_tenants_own_side_is_found_by_its_next_catch_up(
    caught_up: World, night: World
) -> None:
    """Though the landing's runs since the last catch-up do not have it."""
    age(night)
    # No run ever had 7 to 9, on which others have charges and mine has none.
    given = [charge(f"2024-11-{n:02}", float(n)) for n in (1, 2, 3, 4, 5, 6, 10)]
    others = [of_other(f"2024-11-{n:02}", 1.0) for n in (7, 8, 9)]
    moves(caught_up, [*given, *others])
    assert catch_up(night, "shared")["dates"][-4:] == [f"2024-11-{n:02}" for n in (7, 8, 9, 10)]
    age(night)
    moves(caught_up, [*given, charge("2024-11-11", 11.0), *others])
    catch_up(night, "shared")
    found = catch_up(night, "mine")["dates"]
    assert found == [f"2024-11-{n:02}" for n in (7, 8, 9, 10, 11)]
    # Another account for a short time: what was loaded of it does not stay.
    age(night)
    night.add("mine", "tenant:shared", "--billing-account", OTHER)
    night.run("mine", "2024-11-08", "2024-11-08")
    age(night)
    night.add("mine", "tenant:shared", *MINE)
    assert days_of(night)[8] == 1
    assert catch_up(night, "mine")["dates"] == ["2024-11-08"]
    assert 8 not in days_of(night)
    # A bill that was lost and begun anew by a run of one date.
    age(night)
    (night.warehouse / "tenant_mine.duckdb").unlink()
    assert night("tenant", "repair", "mine").exit_code == 0
    night.run("mine", "2024-11-11", "2024-11-11")
    assert len(catch_up(night, "mine")["dates"]) == 10
    assert days_of(night) == {**{n: n for n in range(1, 7)}, 10: 10, 11: 11}
    assert catch_up(night, "mine")["dates"] == []


def test_a_landing_without_runs_is_reported_by_its_readers(tmp_path: Path) -> None:
    yesterday = str(datetime.now(UTC).date() - timedelta(days=1))
    world = a_world(tmp_path)
    export = write_parquet(tmp_path / "exports" / "shared.parquet", [charge(yesterday)])
    world.add("shared", export, "--landing")
    world.add("mine", "tenant:shared", *MINE)
    with only("layers"):
        catch_up(world, "shared")
        catch_up(world, "mine")
        age(world, 3)
        reported = world("catch-up", "--tenant", "mine")
        assert reported.exit_code == 1
        assert "The landing shared, which mine reads, has not been run since" in reported.output
        assert "runner catch-up --tenant shared" in reported.output
        catch_up(world, "shared")
        assert catch_up(world, "mine")["dates"] == []


def test_an_export_that_stopped_beside_one_that_is_written_is_reported(tmp_path: Path) -> None:
    today = datetime.now(UTC).date()
    stopped, yesterday = (str(today - timedelta(days=n)) for n in (4, 1))
    world = a_world(tmp_path)
    written = write_parquet(tmp_path / "exports" / "written.parquet", [charge(yesterday)])
    old = write_parquet(tmp_path / "exports" / "old.parquet", [of_other(stopped, 1.0)])
    world.add("shared", written, "--export", str(old), "--landing")
    with only("bill_run"):
        world.run("shared", stopped, stopped)
        landing = world("run", "--tenant", "shared", "--date", yesterday)
    assert landing.exit_code == 1 and "export_has_not_stopped" in landing.stdout


def test_a_date_that_a_landing_has_emptied_is_emptied_and_what_the_export_dropped_stays(
    caught_up: World, night: World
) -> None:
    moves(caught_up, [charge(f"2024-11-{n:02}", float(n)) for n in (2, 3, 5, 6)])
    night.run("shared", "2024-11-04", "2024-11-04")
    assert catch_up(night, "mine")["dates"] == ["2024-11-04"]
    assert days_of(night) == {1: 1, 2: 2, 3: 3, 5: 5, 6: 6}
    night.run("shared", "2024-11-01", "2024-11-01")
    reported = catch_up(night, "mine")
    assert (reported["dates"], reported["skipped"]) == ([], ["2024-11-01"])
    assert days_of(night)[1] == 1


def test_whether_a_landings_export_is_still_written_is_tested_by_its_own_run_alone(
    tmp_path: Path,
) -> None:
    """Mine has used nothing for four days, which is no fault of the export."""
    today = datetime.now(UTC).date()
    stopped, yesterday = (str(today - timedelta(days=n)) for n in (4, 1))
    old = [charge("2024-11-01"), charge(stopped)]
    world = a_world(tmp_path)
    export = write_parquet(
        tmp_path / "exports" / "shared.parquet", [*old, of_other(yesterday, 1.0)]
    )
    world.add("shared", export, "--landing")
    world.add("mine", "tenant:shared", *MINE)
    world.add("mine_direct", export, *MINE)
    with only("bill_run"):
        assert "written" not in str(world.run("shared", stopped, yesterday)["warnings"])
        assert "written" not in str(world.run("mine", stopped, yesterday)["warnings"])
        alone = world("run", "--tenant", "mine_direct", "--date", yesterday)
        assert alone.exit_code == 1 and "export_has_not_stopped" in alone.stdout
        write_parquet(export, old)
        landing = world("run", "--tenant", "shared", "--date", yesterday)
        assert landing.exit_code == 1 and "export_has_not_stopped" in landing.stdout
        assert world("run", "--tenant", "mine", "--date", yesterday).exit_code == 2, (
            "the landing lacks it"
        )
