"""`runner doctor` on a real warehouse: what it finds is there, and its remedies fix it."""

import json
import re
import shlex
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import Result
from exports import ACCOUNT, charge, write_parquet
from support import Inbox
from world import World

pytestmark = pytest.mark.usefixtures("only_the_bill")

CENTRAL = ("tenant_profiles", "tenant_subscriptions", "tenant_exports", "tenant_usage_events")
OWN = ("x_meta_lock", "x_meta_pipeline_runs", "x_meta_step_logs", "x_meta_alerts")


@pytest.fixture
def ill(mini: World, tmp_path: Path) -> World:
    """The tenant mini in a warehouse of the test's own, for the test to damage."""
    return mini.copy(tmp_path)


def examine(world: World, *args: str, **environ: str) -> dict[str, dict[str, Any]]:
    """What doctor found, by name; a tenant's own tables stand for `tables`."""
    answer = world("doctor", "--json", "--tenant", "mini", *args, **environ)
    found = json.loads(answer.stdout)
    assert answer.exit_code == (0 if found["ok"] else 1)
    return {f"{check['name']} {check['tenant'] or ''}".strip(): check for check in found["checks"]}


def follow(world: World, remedy: str) -> Result:
    """Type the remedy; `runner` is the first word."""
    for command in remedy.split(" && "):
        name, *words = shlex.split(command)
        assert name == "runner"
        answer = world(*words)
        assert answer.exit_code == 0, answer.output
    return answer


def damage(world: World, file: str, statement: str) -> None:
    if file == "control":
        for one in statement.split(";"):
            world.control(one.strip())
        return
    with duckdb.connect(str(world.warehouse / f"{file}.duckdb")) as connection:
        connection.execute(statement)


def rows(world: World) -> dict[str, list[Any]]:
    """All that the control tables have, but for when an export was written down."""
    tables = [f"tenants.{name}" for name in CENTRAL] + [f"mini.{name}" for name in OWN]
    return {table: sorted(world.control(f"select * from {table}"), key=repr) for table in tables}


def test_all_is_healthy(ill: World, inbox: Inbox) -> None:
    mail = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(inbox.port), "ALERT_TO": "ops@example.com"}
    found = examine(ill, **mail)
    # A file of 2024 is no longer fresh, and is not meant to be.
    stale = found.pop("freshness mini")
    assert (stale["status"], stale["remedy"]) == ("warn", "runner catch-up --tenant mini")
    assert {name: check["detail"] for name, check in found.items() if check["status"] != "ok"} == {}
    assert set(found) == {
        *("versions", "templates", "profile", "warehouse", "tables", "clock", "tenants"),
        *("tables mini", "data mini", "limits mini", "export mini", "runs mini", "alerts mini"),
        *("layers mini", "overlaps", "spool", "privacy", "disk", "mail", "project"),
    }
    assert all(check["remedy"] is None for check in found.values())


def test_a_terminal_gets_a_table_without_a_traceback(ill: World) -> None:
    answer = ill.cli("doctor")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "ok    export mini" in answer.stdout
    assert "\n      remedy: export SMTP_HOST=" in answer.stdout
    assert answer.stdout.splitlines()[-1].endswith(" warn, 0 fail")


def test_a_column_that_was_dropped_is_found_and_repaired_without_losing_a_row(ill: World) -> None:
    follow(ill, "runner tenant update mini --daily-limit 7 --concurrent-limit 2")
    before = rows(ill)
    bill = ill.rows("mini")
    dropped = "alter table tenants.tenant_subscriptions drop column max_team_members"
    damage(ill, "control", dropped)
    found = examine(ill)
    assert found["tables"]["detail"] == "tenant_subscriptions lacks max_team_members"
    follow(ill, found["tables"]["remedy"])
    assert examine(ill)["tables"]["status"] == "ok"
    after = rows(ill)
    for table in before:
        assert len(after[table]) == len(before[table]), table
        if table != "tenants.tenant_subscriptions":
            assert after[table] == before[table], table
    assert ill.rows("mini") == bill
    # What the plan reports is filled in; what was set manually is not changed by the plan.
    columns = "daily_limit, concurrent_limit, max_concurrent_pipelines, max_team_members"
    assert ill.control(f"select {columns} from tenants.tenant_subscriptions") == [(7, 2, 2, 11)]


def test_repairing_what_is_complete_changes_nothing(ill: World) -> None:
    before = rows(ill), ill.rows("mini")
    follow(ill, "runner tenant repair mini")
    assert (rows(ill), ill.rows("mini")) == before


def test_a_lock_without_its_row_is_repaired(ill: World) -> None:
    damage(ill, "control", "delete from mini.x_meta_lock")
    refused = ill("run", "--tenant", "mini", "--date", "2024-11-02")
    assert refused.exit_code == 1 and "runner tenant repair mini" in refused.output
    follow(ill, examine(ill)["tables mini"]["remedy"])
    ill.run("mini", "2024-11-02")


def test_repair_knows_only_tenants(ill: World) -> None:
    answer = ill("tenant", "repair", "minni")
    assert answer.exit_code == 2 and "did you mean mini?" in answer.output
    assert ill.control("select name from sqlite_master where name like 'minni.%'") == []


@pytest.mark.parametrize(
    ("file", "statement", "detail"),
    [
        (
            "control",
            "drop table mini.x_meta_alerts; alter table mini.x_meta_step_logs drop column metadata",
            "x_meta_step_logs lacks metadata; x_meta_alerts is missing",
        ),
        (
            "tenant_mini",
            "drop view mini.stg_gcp_billing__export; drop table mini.x_meta_exports;"
            " alter table mini.x_meta_dq_results drop column failed_expectations",
            "x_meta_exports is missing; x_meta_dq_results lacks failed_expectations;"
            " stg_gcp_billing__export is missing",
        ),
    ],
)
def test_what_a_tenant_lacks_is_repaired(
    ill: World, file: str, statement: str, detail: str
) -> None:
    bill = ill.rows("mini")
    damage(ill, file, statement)
    check = examine(ill)["tables mini"]
    assert (check["status"], check["detail"]) == ("fail", detail)
    follow(ill, check["remedy"])
    assert not any(check["status"] == "fail" for check in examine(ill).values())
    assert ill.rows("mini") == bill
    ill.run("mini", "2024-11-01")


def test_exports_that_the_central_table_forgot_come_back_from_the_tenants_own(ill: World) -> None:
    known = "select export_id, export_ref, has_unallocated from tenants.tenant_exports"
    before = ill.control(known)
    damage(ill, "control", "delete from tenants.tenant_exports")
    check = examine(ill)["export mini"]
    assert check["detail"] == "no export is registered"
    follow(ill, check["remedy"])
    assert ill.control(known) == before
    damage(ill, "control", "update tenants.tenant_exports set project_ids = null")
    damage(ill, "tenant_mini", "delete from mini.x_meta_exports")
    answer = ill("tenant", "repair", "mini")
    assert answer.exit_code == 2, "whose charges they are is not guessed"
    assert "runner tenant add mini" in answer.output


def test_a_warehouse_whose_control_file_is_missing_knows_no_tenant(ill: World) -> None:
    (ill.warehouse / "control.db").unlink()
    found = examine(ill)
    assert (found["warehouse"]["status"], found["warehouse"]["remedy"]) == ("fail", "runner init")


@pytest.mark.parametrize("statement", ["alter table {} drop column list_cost", "drop table {}"])
def test_a_bill_that_lacks_something_is_completed_by_a_run(ill: World, statement: str) -> None:
    ill.run("mini", "2024-11-01")  # with this file's selector, for what is deployed is by selector
    silver = ill.rows("mini", "gcp_silver_cost")
    damage(ill, "tenant_mini", statement.format("mini.gcp_silver_cost"))
    check = examine(ill)["data mini"]
    assert check["status"] == "fail"
    again = "runner run --tenant mini --from 2024-11-01 --to 2024-11-03"
    repair = "runner tenant repair mini && " if "column" in statement else ""
    assert check["remedy"] == repair + again
    follow(ill, check["remedy"])
    assert examine(ill)["data mini"]["status"] == "ok"
    assert len(ill.rows("mini", "gcp_silver_cost")) == len(silver)


@pytest.fixture
def own_export(ill: World) -> Callable[..., Path]:
    """An export of the test's own, for tenant mini and in its account."""

    def write(name: str) -> Path:
        path = write_parquet(ill.folder / "exports" / name, [charge("2024-11-01", 1.0)])
        ill.add("mini", path, "--company", "O'Neil & Söhne", "--billing-account", ACCOUNT)
        return path

    return write


def test_an_export_that_moved(ill: World, own_export: Callable[..., Path]) -> None:
    path = own_export("here.parquet")
    path.rename(path.with_name("there.parquet"))
    found = examine(ill)
    assert found["export mini"]["status"] == "fail"
    assert "here.parquet" in found["export mini"]["detail"]
    assert "freshness mini" not in found
    remedy = found["export mini"]["remedy"]
    assert shlex.split(remedy)[:4] == ["runner", "tenant", "add", "mini"]
    follow(ill, remedy.replace("NEW_EXPORT", shlex.quote(str(path.with_name("there.parquet")))))
    assert examine(ill)["export mini"]["status"] == "ok"
    profile = "select company_name, subscription_plan from tenants.tenant_profiles"
    assert ill.control(profile) == [("O'Neil & Söhne", "SCALE")]
    assert ill.control("select billing_account_ids from tenants.tenant_exports") == [
        (json.dumps([ACCOUNT]),)
    ]


def test_an_export_that_lost_a_column(ill: World, own_export: Callable[..., Path]) -> None:
    path = own_export("lean.parquet")
    lean = path.with_suffix(".lean")
    duckdb.execute(
        f"copy (select * exclude (currency, export_time) from '{path}')"
        f" to '{lean}' (format parquet)"
    )
    shutil.move(lean, path)
    check = examine(ill)["export mini"]
    assert check["status"] == "fail" and "lacks the columns" in check["detail"]
    assert "currency" in check["detail"] and "export_time" in check["detail"]
    assert "--export NEW_EXPORT" in check["remedy"]


def test_an_export_with_a_wrong_value_is_corrected_and_checked_again(
    ill: World, own_export: Callable[..., Path]
) -> None:
    path = own_export("wrong.parquet")
    right = path.read_bytes()
    write_parquet(path, [charge("2024-11-01", billing_account_id="not one")])
    check = examine(ill)["export mini"]
    assert check["status"] == "fail" and "wrong.parquet" in check["detail"]
    assert check["remedy"] == "runner doctor --tenant mini"
    path.write_bytes(right)
    assert examine(ill)["export mini"]["status"] == "ok"


def test_a_deleted_file_of_a_tenant_is_repaired_and_all_its_dates_are_loaded_again(
    empty_world: World,
) -> None:
    """Those, too, that lie before what catch-up checked last."""
    rows = [charge("2024-09-01", 1.0), charge("2024-11-20", 2.0)]
    empty_world.add("mini", write_parquet(empty_world.folder / "e.parquet", rows))
    follow(empty_world, "runner catch-up --tenant mini")
    before = empty_world.bill("mini")
    assert set(before) == {date(2024, 9, 1), date(2024, 11, 20)}
    (empty_world.warehouse / "tenant_mini.duckdb").unlink()

    refused = empty_world("run", "--tenant", "mini", "--date", "2024-11-20", "--json")
    assert refused.exit_code == 1
    error = json.loads(refused.stdout)["error"]
    assert "The data of tenant mini was deleted" in error
    remedies = re.findall("`(runner [^`]+)`", error)
    assert remedies == ["runner tenant repair mini", "runner catch-up --tenant mini"]
    for remedy in remedies:
        follow(empty_world, remedy)
    assert empty_world.bill("mini") == before
