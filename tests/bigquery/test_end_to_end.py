"""The whole path on BigQuery's side: the runner, dbt-bigquery and Google's client over HTTP."""

import gzip
import json
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from cloud import ACCOUNTS, AGAIN, BETA, BROKEN, EMPTIED, FIRST, LAST, LATE, NISE, Story
from cloud import alpha_lines as lines_of_alpha
from google.api_core.exceptions import BadRequest
from world import a_world

TEST = "billing_cost_daily_cost_type_is_known"
NISES = {
    "currency": "USD",
    "rows": 20928,
    "cost": "169.309983456",
    "credits": "-3.0171648",
    "net": "166.292818656",
}


@pytest.mark.parametrize("name", [f"add {tenant}" for tenant in ACCOUNTS])
def test_a_tenant_is_added(story: Story, name: str) -> None:
    assert story.steps[name].result.exit_code == 0, story.steps[name].result.output


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gone", "local.billing.gone was not found"),
        ("flat", "not partitioned by day"),
        ("narrow", "lacks the columns"),
        ("retyped", "has the column cost as INT64 instead of FLOAT64"),
        ("twice", f"account {ACCOUNTS['beta']} is in two exports, local.billing.standard and"),
    ],
)
def test_an_export_that_cannot_be_used_is_refused_and_leaves_nothing(
    story: Story, name: str, words: str
) -> None:
    result = story.steps[name].result
    assert result.exit_code == 2 and words in result.output, result.output
    assert name not in {dataset.dataset_id for dataset in story.client.list_datasets()}


def test_a_dataset_that_is_not_ours_is_neither_taken_nor_removed(story: Story) -> None:
    taken = story.steps["add billing"].result
    assert taken.exit_code == 2 and "not ours" in taken.output, taken.output
    assert "billing" in {dataset.dataset_id for dataset in story.client.list_datasets()}


def test_an_export_elsewhere_is_refused_before_anything_is_made(story: Story) -> None:
    refused = story.steps["elsewhere"].result
    assert refused.exit_code == 2 and "BIGQUERY_LOCATION=US" in refused.output, refused.output
    assert "elsewhere" not in {dataset.dataset_id for dataset in story.client.list_datasets()}


def test_a_tenants_tables_are_there_before_its_first_run(story: Story) -> None:
    """Else two first runs at once would each make them, the later over the earlier."""
    first = story.steps["run"]
    made = [
        statement.sql
        for statement in story.emulator.statements()
        if first.since <= statement.at <= first.until
        and "create or replace table" in statement.sql
        and "__dbt_tmp" not in statement.sql
        # A seed is replaced each time, in one statement.
        and "from unnest(" not in " ".join(statement.sql.split())
    ]
    assert made == []


def test_a_dry_run_tells_each_model_and_writes_nothing(story: Story) -> None:
    step = story.steps["dry run"]
    assert step.result.exit_code == 0, step.result.output
    asked = {model["model"] for model in step.document["models"]}
    assert {"billing_cost_daily", "billing_cost_daily_reconciles_to_export"} <= asked
    assert "stg_gcp_billing__export" not in asked, "a view has no bounds of its own"
    inside = [s.sql for s in story.emulator.statements() if step.since <= s.at <= step.until]
    assert not [sql for sql in inside if "merge into" in sql.lower() or "insert" in sql.lower()]


def test_the_totals_are_those_of_duckdb_to_the_last_digit(story: Story, tmp_path: Path) -> None:
    step = story.steps["run"]
    assert step.result.exit_code == 0, step.result.output
    assert step.document["tests"]["failed"] == 0 and step.document["tests"]["passed"] > 20
    if NISE.exists():
        assert step.document["totals"] == [NISES]
        return
    print(f"{NISE} is not there: an export of our own is compared with DuckDB's run of it")
    export = tmp_path / "export.ndjson.gz"
    rows = [json.loads(line) for line in lines_of_alpha().splitlines()]
    export.write_bytes(gzip.compress("".join(json.dumps(r) + "\n" for r in rows).encode()))
    local = a_world(tmp_path)
    added = local.cli("tenant", "add", "alpha", "--admin-email", "a@b.example", "--export", export)
    assert added.returncode == 0, added.stderr
    ran = local.cli("run", "--tenant", "alpha", "--from", FIRST, "--to", LAST, "--json")
    assert ran.returncode == 0, ran.stderr
    assert step.document["totals"] == json.loads(ran.stdout)["totals"]


def test_a_rerun_leaves_identical_rows(story: Story) -> None:
    assert story.steps["again"].result.exit_code == 0, story.steps["again"].result.output
    before, after = story.rows_again
    assert before == after and before != []
    written = [story.bills[name][AGAIN][-1] for name in ("run", "again")]
    assert written[0] < written[1], "and yet they were written again"


def test_late_rows_are_picked_up_an_emptied_date_is_empty_and_no_other_is_touched(
    story: Story,
) -> None:
    before, after = dict(story.bills["run"]), dict(story.bills["again"])
    old, new = before.pop(LATE), after.pop(LATE)
    assert new[0] - old[0] == 2 and new[1] - old[1] == Decimal("11.500000007")
    assert before.pop(EMPTIED)[0] > 0 and EMPTIED not in after
    for day in [day for day in before if AGAIN <= day <= EMPTIED]:
        assert before.pop(day)[:3] == after.pop(day)[:3], "the same bill, written again"
    assert before == after and before, "no other date was written"


def test_catch_up_finds_nothing_moved_and_then_reads_the_newest_partitions(story: Story) -> None:
    whole, newest = (story.steps[name].document for name in ("catch-up", "caught up"))
    assert (whole["dates"], whole["complete"], whole["partitions_from"]) == ([], True, None)
    assert newest["dates"] == [] and date.fromisoformat(newest["partitions_from"]) > LATE


def test_through_a_landing_the_bill_is_the_same_and_the_export_is_not_read(story: Story) -> None:
    for name in ("add shared", "land", "add gamma", "gamma"):
        assert story.steps[name].result.exit_code == 0, story.steps[name].result.output
    days = [day for day in story.bills["again"] if AGAIN <= day <= EMPTIED]
    assert days and set(story.bills["gamma"]) == set(days)
    for day in days:
        assert story.bills["gamma"][day][:3] == story.bills["again"][day][:3], day
    run = story.steps["gamma"]
    sent = [s.sql for s in story.emulator.statements() if run.since <= s.at <= run.until]
    assert sent and not [sql for sql in sent if "gcp_billing_export_resource" in sql]


def test_an_emptied_date_is_empty_downstream_too(story: Story) -> None:
    days = story.rows(
        "select distinct usage_date from alpha.gcp_silver_cost where usage_date > '2000-01-01'"
    )
    assert (EMPTIED,) not in days and (LATE,) in days


def test_a_new_column_of_the_export_is_told_once_to_each_tenant(story: Story) -> None:
    name = "stg_gcp_billing__export_has_no_new_columns"
    statuses = story.rows(
        "select overall_status from alpha.x_meta_dq_results"
        f" where dq_config_id = '{name}' order by executed_at"
    )
    assert statuses == [("PASS",), ("WARNING",), ("PASS",)]
    assert story.rows(
        "select column_name, column_type from alpha.x_meta_export_columns"
        " where column_state = 'new'"
    ) == [("carbon_grams", "FLOAT64")]
    assert any(name in told for told in story.steps["again"].document["warnings"])


def test_doctor_asks_what_only_a_real_project_can_answer(story: Story) -> None:
    looks = {look["name"]: look for look in story.steps["doctor"].document["checks"]}
    assert looks["permissions"]["status"] == "ok", looks
    # A gap of the emulator's: once this fails, `quota` can be expected to be ok.
    assert 'Referenced table "error_result" not found' in looks["quota"]["detail"], looks
    # The emulator tells no bytes, and the story's rows are of another week.
    assert looks["pruning"]["status"] == looks["partitions"]["status"] == "warn", looks
    assert "nothing to judge pruning by" in looks["pruning"]["detail"]


def test_the_big_table_cannot_be_read_without_its_partition(story: Story) -> None:
    with pytest.raises(BadRequest, match="without a filter"):
        story.rows("select count(*) from alpha.billing_cost_daily")
    assert story.rows(
        f"select count(*) > 0 from alpha.billing_cost_daily where date(ingestion_date) = '{AGAIN}'"
    ) == [(True,)], "as the operators of the predecessor ask"


def test_a_run_over_the_quota_is_refused_and_recorded(story: Story) -> None:
    step = story.steps["refused"]
    assert step.result.exit_code == 3, step.result.output
    assert story.rows(
        "select count(*) from alpha.x_meta_pipeline_runs where status = 'REFUSED'"
    ) == [(1,)]


def test_a_run_of_dates_that_an_active_run_covers_is_that_run(story: Story) -> None:
    step = story.steps["active"]
    assert step.result.exit_code == 0, step.result.output
    assert step.document["deduplicated"] is True
    assert step.document["pipeline_logging_id"] == story.active_id


def test_a_failing_test_fails_the_run_and_keeps_sample_rows(story: Story) -> None:
    step = story.steps["beta"]
    assert step.result.exit_code == 1, step.result.output
    run_id = step.document["pipeline_logging_id"]
    assert step.document["status"] == "FAILED" and TEST in step.document["error"]
    assert story.rows(
        f"select status from beta.x_meta_pipeline_runs where pipeline_logging_id = '{run_id}'"
    ) == [("FAILED",)]
    failed = story.rows(
        "select * from beta.x_meta_dq_results"
        f" where pipeline_logging_id = '{run_id}' and overall_status = 'FAIL'"
    )
    assert any("surprise" in str(value) for row in failed for value in row), failed
    summary = story.rows(
        "select expectations_failed, failed_rows, overall_status from beta.x_meta_dq_results"
        f" where pipeline_logging_id = '{run_id}'"
        " and dq_config_id = 'billing_cost_daily__summary'"
    )
    # The three rows of an unknown type are alike, too, and that is a warning.
    assert summary == [(2, 4, "FAIL")]


def test_each_tenant_has_only_its_own_account(story: Story) -> None:
    for table, day in (
        ("alpha.billing_cost_daily", "ingestion_date"),
        ("alpha.gcp_silver_cost", "usage_date"),
        ("beta.billing_cost_daily", "ingestion_date"),
    ):
        assert story.rows(
            f"select distinct billing_account_id from {table} where {day} > '2000-01-01'"
        ) == [(ACCOUNTS[table.split(".")[0]],)], table
    story.remember("beta", "beta")
    bill = {
        day: (rows, cost + credits) for day, (rows, cost, credits, _) in story.bills["beta"].items()
    }
    assert bill == {
        date.fromisoformat(BETA): (2, Decimal("3.5")),
        date.fromisoformat(BROKEN): (3, Decimal(18)),
    }
