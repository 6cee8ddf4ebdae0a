"""`tenant add` may be run again: the same rows, and whatever shape was lost comes back."""

import json
from pathlib import Path
from typing import Any

import pytest
from exports import ACCOUNT
from world import EMAIL, World

pytestmark = pytest.mark.usefixtures("only_the_bill")

TABLES = (
    *("tenants.tenant_profiles", "tenants.tenant_subscriptions", "tenants.tenant_exports"),
    *("mini.x_meta_lock", "mini.x_meta_pipeline_runs", "mini.x_meta_step_logs"),
)


COMPANY = ("--company", "O'Neil & Söhne")


@pytest.fixture(scope="module")
def again(mini: World, tmp_path_factory: pytest.TempPathFactory) -> World:
    """Tenant mini, to be added again."""
    return mini.copy(tmp_path_factory.mktemp("again"))


@pytest.fixture(scope="module")
def export(mini: World) -> Path:
    return mini.folder / "exports" / "mini.parquet"


def rows(world: World) -> dict[str, list[Any]]:
    """The tenant's rows, but for the time at which its exports were written again."""
    found = {}
    for table in TABLES:
        columns = [
            name for (name,) in world.control("select name from pragma_table_info(?)", table)
        ]
        if table.endswith("exports"):
            columns = [name for name in columns if name not in ("created_at", "updated_at")]
        where = "" if table.startswith("mini") else " where tenant_id = 'mini'"
        asked = world.control(f"select {', '.join(columns)} from {table}{where}")
        found[table] = sorted(asked, key=repr)
    return found


def test_a_table_that_lost_a_column_gets_it_back_and_no_row_is_lost(
    again: World, export: Path
) -> None:
    """The predecessor's onboarding failed on `Column max_team_members is not present`."""
    before = rows(again)
    again.control("alter table tenants.tenant_subscriptions drop column max_team_members")
    again.add("mini", export, *COMPANY)
    ours = "select max_team_members from tenants.tenant_subscriptions where tenant_id = 'mini'"
    assert again.control(ours) == [(11,)], "the plan's figure is filled in again"
    after = rows(again)
    for table, found in before.items():
        if table == "tenants.tenant_subscriptions":
            assert len(after[table]) == len(found) == 1
        else:
            assert after[table] == found, table


def test_adding_a_tenant_again_changes_nothing(again: World, export: Path) -> None:
    before, bill = rows(again), again.rows("mini")
    again.add("mini", export, *COMPANY)
    assert rows(again) == before
    assert again.rows("mini") == bill, "and what was loaded is still there"
    assert again.data("mini", "select count(*) from mini.x_meta_exports") == [(1,)]


def test_what_a_tenant_is_called_arrives_as_it_is(again: World) -> None:
    name = "select company_name from tenants.tenant_profiles where tenant_id = 'mini'"
    assert again.control(name) == [("O'Neil & Söhne",)]


def test_the_plan_sets_all_limits(again: World) -> None:
    limits = again.control(
        "select plan_name, daily_limit, monthly_limit, concurrent_limit, max_pipelines_per_day,"
        " max_concurrent_pipelines from tenants.tenant_subscriptions where tenant_id = 'mini'"
    )
    assert limits == [("SCALE", 100, 3000, 10, 100, 10)]


def test_the_predecessors_operators_queries_run(again: World) -> None:
    def answer(sql: str) -> list[dict[str, Any]]:
        return list(json.loads(again("query", sql, "--json").stdout))

    history = answer(
        "SELECT pipeline_logging_id, pipeline_id, status, trigger_type, trigger_by, start_time,"
        " end_time, duration_ms, run_date FROM mini.x_meta_pipeline_runs"
        " WHERE start_time >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 7 DAY)"
    )
    assert len(history) >= 1 and history[0]["status"] == "COMPLETED"
    steps = answer(
        "SELECT step_name, status, row_count, rows_processed, error_message FROM"
        " mini.x_meta_step_logs"
        " WHERE start_time >= TIMESTAMP_SUB(CURRENT_TIMESTAMP(), INTERVAL 1 DAY)"
    )
    assert len(steps) > 20
    quota = answer(
        "SELECT pipelines_run_today, daily_limit - pipelines_run_today AS remaining,"
        " pipelines_succeeded_today FROM tenants.tenant_usage_quotas"
        " WHERE tenant_id = 'mini' AND usage_date = CURRENT_DATE()"
    )
    (used,) = quota
    assert tuple(used.values()) == (1, 99, 1), "one run of a hundred, and it succeeded"


PROFILE = "select company_name, subscription_plan from tenants.tenant_profiles"
FILTERS = "select billing_account_ids, project_ids, has_unallocated from tenants.tenant_exports"


def test_what_is_not_named_stays_and_each_change_is_reported(
    mini: World, export: Path, tmp_path: Path
) -> None:
    """It used to fall back to starter, no company and, worst, all accounts."""
    world = mini.copy(tmp_path)
    add = ("tenant", "add", "mini", "--admin-email", EMAIL, "--export", str(export))
    limited = world(*add, "--billing-account", ACCOUNT, "--project", "proj-a", "--with-unallocated")
    assert "billing accounts: all -> " + ACCOUNT in limited.stderr.splitlines()
    assert "projects: all -> proj-a" in limited.stderr.splitlines()
    before = world.control(PROFILE), world.control(FILTERS)
    assert before == (
        [("O'Neil & Söhne", "SCALE")],
        [(f'["{ACCOUNT}"]', '["proj-a"]', True)],
    )

    answer = world(*add)
    assert answer.exit_code == 0 and " -> " not in answer.stderr
    assert (world.control(PROFILE), world.control(FILTERS)) == before

    answer = world(*add, "--plan", "starter", "--all-accounts")
    reported = answer.stderr.splitlines()
    assert (
        "plan: SCALE -> STARTER" in reported and f"billing accounts: {ACCOUNT} -> all" in reported
    )
    assert world.control(FILTERS) == [("[]", "[]", True)]


def test_a_tenant_without_its_profile_keeps_its_plan_and_its_accounts(
    mini: World, export: Path, tmp_path: Path
) -> None:
    """What `runner doctor` advises when the table of profiles is missing."""
    world = mini.copy(tmp_path)
    add = ("tenant", "add", "mini", "--admin-email", EMAIL, "--export", str(export))
    assert world(*add, "--billing-account", ACCOUNT).exit_code == 0
    world.control("drop table tenants.tenant_profiles")
    answer = world(*add)
    assert answer.exit_code == 0, answer.output
    assert world.control("select subscription_plan from tenants.tenant_profiles") == [("SCALE",)]
    assert world.control(FILTERS) == [(f'["{ACCOUNT}"]', "[]", True)]


def test_a_newcomer_that_is_refused_leaves_nothing_behind(empty_world: World) -> None:
    bad = empty_world.folder / "bad.parquet"
    bad.write_text("no parquet")
    answer = empty_world.cli("tenant", "add", "badco", "--admin-email", EMAIL, "--export", str(bad))
    assert answer.returncode == 2, answer.stderr
    assert list(empty_world.folder.rglob("badco")) == []


def test_charges_that_another_tenant_has_too_are_reported(again: World, export: Path) -> None:
    """The first has every row already. A parent company may want that: it is reported, aloud."""
    answer = again(
        *("tenant", "add", "field", "--admin-email", EMAIL, "--export", str(export)),
        *("--billing-account", ACCOUNT),
    )
    assert answer.exit_code == 0
    assert "WARNING" in answer.stderr and "also billed to mini" in answer.stderr
