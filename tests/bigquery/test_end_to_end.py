"""The complete path on BigQuery's side: the runner, dbt-bigquery and Google's client over HTTP."""

import gzip
import json
import re
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cloud import ACCOUNTS, AGAIN, BETA, EMPTIED, FIRST, LAST, LATE, NEWCOMER, NISE, Story, parts_of
from cloud import alpha_lines as lines_of_alpha
from connection import Transaction
from control_file import request
from google.api_core.exceptions import BadRequest
from support import ROOT
from world import a_world

from runner import settings
from runner.context import open_context
from runner.control import claim, runs, runs_sql, spooled
from runner.errors import StatementRefused
from runner.orchestration.step_log import StepLog

EXPECTATION = "cost_type_is_known"
ENDED = {
    **{"status": "COMPLETED", "duration_ms": 1, "error_message": None, "row_count": 0},
    **{"warnings": "[]", "publications": None, "now": datetime.now(UTC)},
}
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
    assert NEWCOMER not in {dataset.dataset_id for dataset in story.client.list_datasets()}


def test_a_dataset_that_is_not_ours_is_neither_taken_nor_removed(story: Story) -> None:
    taken = story.steps["add billing"].result
    assert taken.exit_code == 2 and "was not made by the runner" in taken.output, taken.output
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


def test_a_dry_run_lists_each_model_and_writes_nothing(story: Story) -> None:
    step = story.steps["dry run"]
    assert step.result.exit_code == 0, step.result.output
    asked = {model["model"] for model in step.document["models"]}
    assert {"billing_cost_daily", "billing_cost_daily_expectations"} <= asked, "copy and proof"
    assert "stg_gcp_billing__export" not in asked, "a view has no bounds of its own"
    inside = [s.sql for s in story.emulator.statements() if step.since <= s.at <= step.until]
    written = ("merge into", "insert into", "delete from")
    assert not [sql for sql in inside if any(word in sql.lower() for word in written)]


def test_onboarding_publishes_nothing_and_a_repair_leaves_what_is_there(story: Story) -> None:
    assert story.bills["add alpha"] == {} and story.publications["add alpha"] == []
    assert story.steps["repair"].result.exit_code == 0, story.steps["repair"].result.output
    assert story.bills["repair"] == story.bills["reshaped"] != {}
    assert story.publications["repair"] == story.publications["reshaped"] != []


def test_the_totals_are_those_of_duckdb_to_the_last_digit(story: Story, tmp_path: Path) -> None:
    step = story.steps["run"]
    assert step.result.exit_code == 0, step.result.output
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
    first, newest = (story.steps[name].document for name in ("catch-up", "caught up"))
    assert (first["dates"], first["complete"], first["partitions_from"]) == (
        [],
        True,
        None,
    )
    assert newest["dates"] == [] and date.fromisoformat(newest["partitions_from"]) > LATE


def test_through_a_landing_the_bill_is_the_same_and_the_export_is_not_read(story: Story) -> None:
    for name in ("add shared", "land", "add gamma", "gamma"):
        assert story.steps[name].result.exit_code == 0, story.steps[name].result.output
    days = [day for day in story.bills["again"] if AGAIN <= day <= EMPTIED]
    assert days and set(story.bills["gamma"]) == set(days)
    tests = story.steps["gamma"].document["tests"]
    assert tests["failed"] == 0 and tests["passed"] > 20, "it is the complete run"
    for day in days:
        assert story.bills["gamma"][day][:3] == story.bills["again"][day][:3], day
    run = story.steps["gamma"]
    sent = [s.sql for s in story.emulator.statements() if run.since <= s.at <= run.until]
    assert sent and not [sql for sql in sent if "gcp_billing_export_resource" in sql]


@pytest.mark.parametrize(
    ("name", "most_jobs", "most_tables", "most_read", "most_billed"),
    [
        ("add gamma", 165, 140, 140, 150),
        ("gamma again", 62, 118, 100, 178),
        ("caught up", 8, 12, 12, 12),
        ("gamma caught up", 8, 14, 14, 14),
    ],
)
def test_a_command_is_few_jobs_that_name_few_tables(
    story: Story, name: str, most_jobs: int, most_tables: int, most_read: int, most_billed: int
) -> None:
    """Each job takes a second or more, and each table that it reads is billed as 10 MB.

    A table that a job only inserts into is named, but not read. How often a run checks whether
    it was cancelled depends on how long it takes: not counted.
    """
    step = story.steps[name]
    assert step.result.exit_code == 0, step.result.output
    check = runs_sql.RUN_STATUS.format(tenant=step.tenant).strip()
    inside = [one for one in story.emulator.statements() if step.since <= one.at <= step.until]
    sent = [one for one in inside if check not in one.sql]
    tables = sum(len(tables_of(one.sql)) for one in sent)
    read = sum(len(tables_of(re.sub(r"insert into \S+", "", one.sql))) for one in sent)
    # Each statement of a script is billed by itself.
    parts = [part for one in sent for part in one.sql.split(";")]
    billed = sum(len(tables_of(re.sub(r"insert into \S+", "", part))) for part in parts)
    print(
        f"{name}: {len(sent)} jobs, {tables} references to tables, {read} of them read;"
        f" {billed} tables in all statements"
    )
    assert billed <= most_billed
    assert len(sent) <= most_jobs and tables <= most_tables and read <= most_read


def tables_of(sql: str) -> set[str]:
    """The tables that a statement names, each once, whatever quotes it uses."""
    names = "|".join((*ACCOUNTS, "gamma", "shared", "tenants", "billing"))
    return set(re.findall(rf"\b((?:{names})\.\w+)", sql.replace("`", "")))


def test_an_emptied_date_is_empty_downstream_too(story: Story) -> None:
    days = story.rows(
        "select distinct usage_date from alpha.gcp_silver_cost where usage_date > '2000-01-01'"
    )
    assert (EMPTIED,) not in days and (LATE,) in days


def test_a_new_column_of_the_export_is_reported_once_to_each_tenant(story: Story) -> None:
    name = "stg_gcp_billing__export_has_no_new_columns"
    reported = story.rows(
        f"select strpos(coalesce(to_json_string(failed_expectations), ''), '{name}') > 0"
        " from alpha.x_meta_dq_results where dq_config_id = 'stg_gcp_billing__export__warn'"
        " order by executed_at"
    )
    assert reported[:3] == [(False,), (True,), (False,)]
    assert story.rows(
        "select column_name, column_type from alpha.x_meta_export_columns"
        " where column_state = 'new'"
    ) == [("carbon_grams", "FLOAT64")]


def test_doctor_asks_what_only_a_real_project_can_answer(story: Story) -> None:
    checks = {one["name"]: one for one in story.steps["doctor"].document["checks"]}
    assert checks["permissions"]["status"] == "ok", checks
    assert checks["time zone"]["status"] == "ok" and "UTC" in checks["time zone"]["detail"], checks
    # A gap of the emulator's: once this fails, `quota` can be expected to be ok.
    assert 'Referenced table "error_result" not found' in checks["quota"]["detail"], checks
    # The emulator counts no bytes, and the story's rows are of another week.
    assert checks["pruning"]["status"] == checks["partitions"]["status"] == "warn", checks
    assert "an empty export cannot show whether pruning works" in checks["pruning"]["detail"]


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


def test_usage_events_are_partitioned_by_date_and_clustered_by_tenant(story: Story) -> None:
    table = story.client.get_table("tenants.tenant_usage_events")
    assert table.time_partitioning and table.time_partitioning.field == "usage_date"
    assert table.clustering_fields == ["tenant_id", "event_id"]


def test_whatever_writes_for_a_run_carries_the_runs_id(story: Story) -> None:
    """By this label the jobs of a run whose process was killed are found and cancelled."""
    step = story.steps["gamma again"]
    sent = [
        one["configuration"]
        for one in story.emulator.jobs(step.since)
        if int(one["statistics"]["creationTime"]) <= step.until
        and "query" in one["configuration"]  # a seed is loaded
    ]
    writes = re.compile(r"\b(insert into|delete from|update|merge into)\b")
    of_dbt = [one for one in sent if one["query"]["query"].lstrip().startswith("/* {")]
    writing = [one for one in of_dbt if writes.search(one["query"]["query"])]
    assert len(writing) > 15
    run_id = step.document["pipeline_logging_id"]
    assert {one.get("labels", {}).get("run") for one in writing} == {run_id}


class Kept:
    """A store that runs no transaction, and keeps what it was to be."""

    def __init__(self, store: Any) -> None:
        self.read = store.read
        self.kept: list[tuple[tuple[str, ...], dict[str, Any]]] = []

    def write(self, *statements: str, **values: Any) -> list[Any]:
        self.kept.append((statements, values))
        return []

    def write_in_turn(self, when: Any, *statements: str, **values: Any) -> list[Any]:
        return self.write(*statements, **{**values, **when()})


def test_step_writes_of_two_runs_of_a_tenant_never_cancel_a_claim(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither of them, nor a run's end: committed while a claim is open, or open when it begins."""
    for name, value in story.environ.items():
        monkeypatch.setenv(name, value)
    store = open_context(settings.load(str(ROOT), None)).store
    asked = partial(request, tenant_id="gamma", timeout_minutes=30.0)
    earlier = [claim.take(store, asked(date(2026, 9, day))) for day in (1, 2)]
    kept = Kept(store)
    for run in earlier:
        steps = StepLog(kept, run)  # type: ignore[arg-type]
        steps.open("claim", "Claim the dates", "claim")
        steps.flush()
        named, values = steps.pending(("FINISH", 0), ("MISSING_EVENTS", 0), **ENDED)
        values |= runs.of_events("gamma", datetime.now(UTC))
        kept.write(*spooled.texts("gamma", named), **values)
    with pytest.raises(StatementRefused):
        claim.take(kept, asked(date(2026, 9, 3)))  # type: ignore[arg-type]
    *writes, (claiming, of_claim) = kept.kept[:5]
    waits, claimed = Transaction(story.client), Transaction(story.client)
    statements, values = writes[0]
    for statement in statements:
        waits.run(statement, **values)
    claimed.run(claiming[0], **of_claim)
    claimed.run(claiming[1], **of_claim)
    waits.commit()
    for statements, values in writes[1:]:
        other = Transaction(story.client)
        for statement in statements:
            other.run(statement, **values)
        other.commit()
    for statement in claiming[2:]:
        claimed.run(statement, **of_claim)
    claimed.commit()
    made = store.read(runs_sql.RUN.format(tenant="gamma"), run_id=of_claim["run_id"])
    assert [row["status"] for row in made] == ["PENDING"]
    runs.cancel(store, "gamma", of_claim["run_id"], "seen")


# -- What is published, and what is not


def test_a_date_that_has_become_empty_is_published_with_no_rows(story: Story) -> None:
    run_id = story.steps["again"].document["pipeline_logging_id"]
    published = [row for row in story.publications["again"] if row[1:3] == (EMPTIED, run_id)]
    assert sorted(published) == [
        (table, EMPTIED, run_id, 0, "{}") for table in ("billing_cost_daily", "gcp_silver_cost")
    ]


def test_a_first_build_is_held_back_too(story: Story) -> None:
    step = story.steps["beta"]
    assert step.result.exit_code == 1, step.result.output
    assert step.document["status"] == "FAILED" and EXPECTATION in step.document["error"]
    assert story.bills["beta"] == {} and story.silver["beta"] == []
    assert story.publications["beta"] == []


def test_what_a_failing_proof_found_is_kept(story: Story) -> None:
    run_id = story.steps["beta"].document["pipeline_logging_id"]
    assert story.rows(
        f"select status from beta.x_meta_pipeline_runs where pipeline_logging_id = '{run_id}'"
    ) == [("FAILED",)]
    [(status, passed, failed, rows, failures)] = story.rows(
        "select overall_status, expectations_passed, expectations_failed, failed_rows,"
        " to_json_string(failed_expectations) from beta.x_meta_dq_results"
        f" where pipeline_logging_id = '{run_id}' and dq_config_id = 'billing_cost_daily__error'"
    )
    [failure] = json.loads(failures)
    assert (status, failed, rows) == ("FAIL", 1, 3) and passed > 10
    assert (failure["expectation"], failure["failing_rows"]) == (EXPECTATION, 3)
    assert len(failure["samples"]) == 3 and "surprise" in failure["samples"][0]
    assert story.rows(
        "select distinct overall_status from beta.x_meta_dq_results"
        f" where pipeline_logging_id = '{run_id}' and dq_config_id = 'gcp_silver_cost__error'"
    ) == [("SKIPPED",)]


def test_a_failing_proof_leaves_the_old_rows_in_each_layer(story: Story) -> None:
    step = story.steps["bad"]
    assert step.document["status"] == "FAILED" and EXPECTATION in step.document["error"]
    assert story.bills["bad"] == story.bills["good"] != {}
    assert story.silver["bad"] == story.silver["good"] != []
    assert story.publications["bad"] == story.publications["good"]


def test_a_failing_proof_of_silver_leaves_its_old_rows(story: Story) -> None:
    """Silver as it comes is right: an UPDATE in its transaction spoils it."""
    spoil = (
        "update beta.gcp_silver_cost set billed_cost = billed_cost + 1"
        " where usage_date > '2000-01-01';"
    )
    script = story.script("beta", "gcp_silver_cost")
    script = script.replace("set failures", f"{spoil} set failures", 1)
    with pytest.raises(
        BadRequest, match=r"not published <failures>.*keeps_every_charge"
    ) as refused:
        story.client.query_and_wait(script)
    found = re.search("<failures>(.*)</failures>", str(refused.value))
    assert found is not None
    [failure] = json.loads(found.group(1))
    sample = json.loads(failure["samples"][0])
    sums = (sample["sum_2_here"], sample["sum_2_of_billing_cost_daily"])
    assert tuple(map(Decimal, sums)) == (Decimal("5.5"), Decimal("3.5"))
    story.remember("spoiled", "beta")
    assert story.silver["spoiled"] == story.silver["good"]
    assert story.publications["spoiled"] == story.publications["good"]


def test_a_charge_that_comes_between_copy_and_proof_is_neither_seen_nor_lost(story: Story) -> None:
    """BigQuery's transactions read one snapshot, and so do the emulator's."""
    old, new = story.bills["again"][AGAIN], story.bills["meanwhile"][AGAIN]
    assert old[:3] == new[:3] and old[3] < new[3], "published once more, without it"
    assert story.tested is not None and story.tested.success, "bare dbt test leaves it out"
    found = story.steps["late"].document
    assert AGAIN.isoformat() in found["dates"], found
    assert story.bills["late"][AGAIN][0] == old[0] + 1, "and catch-up finds it"


def test_a_column_that_silver_lacks_is_added_before_the_transaction(story: Story) -> None:
    step = story.steps["again"]
    inside = [s.sql for s in story.emulator.statements() if step.since <= s.at <= step.until]
    [added] = [sql for sql in inside if "alter table `local`.`alpha`.`gcp_silver_cost`" in sql]
    assert "add column if not exists zone string" in added
    assert inside.index(added) < inside.index(story.script("alpha", "gcp_silver_cost", step))


def test_a_column_that_is_missing_or_retyped_stops_the_run_until_it_is_repaired(
    story: Story,
) -> None:
    step = story.steps["reshaped"]
    reported = step.document["error"]
    assert step.document["status"] == "FAILED"
    assert "gone, which the model has no more" in reported
    assert "usage_amount as INT64 instead of float64" in reported
    assert "`runner tenant repair beta`" in reported
    published = {row[0] for row in story.publications["reshaped"]}
    assert published == {"billing_cost_daily"}
    assert story.steps["good"].document["status"] == "COMPLETED"
    types = {f.name: f.field_type for f in story.client.get_table("beta.gcp_silver_cost").schema}
    assert types["usage_amount"] == "FLOAT" and "gone" not in types


def test_the_ledger_gives_the_same_rows_before_and_after_its_delete(story: Story) -> None:
    """It reads its own table: on BigQuery once its run's old rows are gone, on DuckDB before."""
    script = story.script("gamma", "restatement_ledger")
    [insert] = [
        part for part in parts_of(script) if part.startswith("insert into `local`.`gamma`.`rest")
    ]
    columns, query = re.fullmatch(r"insert into \S+ \((.*?)\)(.*)", insert, re.DOTALL).groups()
    run_id = story.steps["gamma again"].document["pipeline_logging_id"]
    compared = "select * except (recorded_at) from"
    before = story.rows(f"{compared} ({query})")
    story.client.query_and_wait(script)
    after = story.rows(
        f"{compared} (select {columns} from gamma.restatement_ledger"
        f" where pipeline_logging_id = '{run_id}' and usage_date > '2000-01-01')"
    )
    assert sorted(map(repr, before)) == sorted(map(repr, after)) and len(before) > 5


def test_each_tenant_has_only_its_own_account(story: Story) -> None:
    for table, day in (
        ("alpha.billing_cost_daily", "ingestion_date"),
        ("alpha.gcp_silver_cost", "usage_date"),
        ("beta.billing_cost_daily", "ingestion_date"),
    ):
        assert story.rows(
            f"select distinct billing_account_id from {table} where {day} > '2000-01-01'"
        ) == [(ACCOUNTS[table.split(".")[0]],)], table
    bill = {day: row[:3] for day, row in story.bills["good"].items()}
    assert bill == {date.fromisoformat(BETA): (2, Decimal("3.75"), Decimal("-0.25"))}
