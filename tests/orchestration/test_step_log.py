"""Steps and ends of runs, written down."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from control_file import Control

from runner.control import runs, turns
from runner.engine.job import Event, Node, Outcome
from runner.orchestration import step_log


@pytest.fixture
def run(control: Control) -> runs.Run:
    return control.take(user_id="u1")


@pytest.fixture
def steps(control: Control, run: runs.Run) -> step_log.StepLog:
    return step_log.StepLog(control.context.store, run)


def finish(control: Control, steps: step_log.StepLog, run: runs.Run, *end) -> int | None:
    return step_log.finish(control.context, steps, step_log.End(*end), [])[0].duration_ms


def node(**changes) -> Node:
    began = datetime(2024, 11, 2, 3, 0, tzinfo=UTC)
    values = {
        "unique_id": "model.p.billing_cost_daily",
        "name": "billing_cost_daily",
        "type": "model",
        "status": "success",
        "message": "OK",
        "failures": None,
        "severity": "",
        "rows": 7,
        "bytes_processed": None,
        "bytes_billed": None,
        "job_id": None,
        "started_at": began,
        "completed_at": began + timedelta(seconds=1.5),
    }
    return Node(**{**values, **changes})


def written(control: Control, columns: str = "step_id, status, row_count, error_message"):
    return control.sql(f"select {columns} from acme.x_meta_step_logs order by step_index")


def test_a_step_is_opened_running_and_closed_in_the_same_row(control, steps) -> None:
    steps.open("claim", "Claim the dates", "claim")
    steps.flush()
    assert written(control, "status, end_time, duration_ms") == [("RUNNING", None, None)]
    steps.close("claim", "COMPLETED")
    steps.flush()
    ((status, ended, duration),) = written(control, "status, end_time, duration_ms")
    assert status == "COMPLETED" and ended is not None and duration >= 0


def test_steps_keep_the_order_in_which_they_began(control, steps) -> None:
    for name in ("first", "second", "third"):
        steps.open(name, name, "model")
    steps.close("second", "COMPLETED")
    steps.flush()
    assert written(control, "step_id, step_index") == [("first", 0), ("second", 1), ("third", 2)]


def test_a_step_names_its_run_and_on_whose_behalf_it_was(control, steps, run) -> None:
    steps.open("claim", "Claim the dates", "claim")
    steps.flush()
    columns = "pipeline_logging_id, user_id, step_name, step_type"
    assert written(control, columns) == [(run.id, "u1", "Claim the dates", "claim")]


@pytest.mark.parametrize(
    ("dbt", "status"),
    [
        *(("success", "COMPLETED"), ("pass", "COMPLETED"), ("warn", "COMPLETED")),
        *(("fail", "FAILED"), ("error", "FAILED"), ("runtime error", "FAILED")),
        *(("partial success", "FAILED"), ("skipped", "SKIPPED"), ("a new one", "FAILED")),
    ],
)
def test_dbts_word_for_a_node_becomes_ours(control, steps, dbt: str, status: str) -> None:
    steps.close_node(node(status=dbt))
    steps.flush()
    assert written(control, "status, metadata->>'dbt_status'") == [(status, dbt)]


def test_a_models_rows_and_timings_are_dbts(control, steps) -> None:
    steps.follow(Event("started", "model.p.billing_cost_daily", "billing_cost_daily", "model"))
    steps.close_node(node())
    steps.flush()
    columns = "row_count, rows_processed, duration_ms, start_time, error_message"
    assert written(control, columns) == [(7, 7, 1500, datetime(2024, 11, 2, 3, 0), None)]


def test_a_tests_rows_are_the_failing_ones(control, steps) -> None:
    found = node(type="test", status="fail", failures=3, message="Got 3 results", severity="error")
    steps.close_node(found)
    steps.flush()
    assert written(control, "row_count, error_message") == [(3, "Got 3 results")]


def test_a_warning_keeps_its_message(control, steps) -> None:
    steps.close_node(node(type="test", status="warn", failures=2, message="Got 2 results"))
    steps.flush()
    columns = "status, error_message, warnings"
    assert written(control, columns) == [("COMPLETED", None, '["Got 2 results"]')]


def test_a_skipped_step_took_no_time(control, steps) -> None:
    steps.close_node(node(status="skipped", started_at=None, completed_at=None, rows=None))
    steps.flush()
    assert written(control, "status, duration_ms") == [("SKIPPED", 0)]


def test_what_bigquery_reports_is_kept_as_metadata(control, steps) -> None:
    steps.close_node(node(bytes_processed=10, bytes_billed=20, job_id="j"))
    steps.flush()
    ((metadata,),) = written(control, "metadata")
    assert json.loads(metadata) == {
        "dbt_status": "success",
        "bytes_processed": 10,
        "bytes_billed": 20,
        "job_id": "j",
    }


def test_steps_that_a_dead_dbt_left_open_are_closed(control, steps) -> None:
    steps.follow(Event("started", "model.p.a", "a", "model"))
    steps.close_node(node(unique_id="model.p.b"))
    steps.close_all(Outcome(False, "killed by signal 9"), "FAILED")
    steps.flush()
    assert written(control, "status, error_message") == [
        ("FAILED", "killed by signal 9"),
        ("COMPLETED", None),
    ]


def test_any_message_can_be_recorded(control, steps) -> None:
    words = "it's \"broken\"\nat '; drop table x -- \\ @now ☃"
    steps.close_node(node(status="error", message=words))
    steps.flush()
    assert written(control, "error_message") == [(words,)]


def test_a_thousand_steps_are_written_at_once(control, steps) -> None:
    for number in range(300):
        steps.close_node(node(unique_id=f"test.p.{number}"))
    steps.flush()
    assert len(written(control)) == 300


def test_start_moves_a_pending_run_and_only_that(control, run, steps) -> None:
    turns.start(control.context.store, run, 20)
    assert control.runs() == [("RUNNING", None)]
    control.sql("update acme.x_meta_pipeline_runs set status = 'CANCELLED'")
    turns.start(control.context.store, run, 20)
    assert control.runs() == [("CANCELLED", None)]


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED"])
def test_finish_writes_how_the_run_ended(control, run, steps, status: str) -> None:
    turns.start(control.context.store, run, 20)
    duration = finish(control, steps, run, status, "why", ("late.", "few rows."), 42)
    (row,) = control.sql(
        "select status, error_message, warnings, row_count, duration_ms, end_time >= start_time"
        " from acme.x_meta_pipeline_runs"
    )
    assert row == (status, "why", '["late.", "few rows."]', 42, duration, True)
    events = control.sql(
        "select event_type, run_status from tenants.tenant_usage_events order by occurred_at"
    )
    assert events == [("started", "PENDING"), ("finished", status)]


@pytest.mark.parametrize("status", ["CANCELLED", "FAILED", "COMPLETED"])
def test_a_run_that_another_command_closed_stays_as_it_left_it(
    control, run, steps, status: str
) -> None:
    control.sql("update acme.x_meta_pipeline_runs set status = ?, error_message = 'theirs'", status)
    finish(control, steps, run, "FAILED" if status == "COMPLETED" else "COMPLETED", "ours", (), 1)
    assert control.runs() == [(status, "theirs")]
    finished = "select run_status from tenants.tenant_usage_events where event_type = 'finished'"
    assert control.sql(finished) == [(status,)], "its end counts, however it came about"


def test_finishing_twice_is_one_event(control, run, steps) -> None:
    finish(control, steps, run, "COMPLETED", None, (), 1)
    finish(control, steps, run, "FAILED", "late", (), 0)
    assert control.runs() == [("COMPLETED", None)]
    finished = "select count(*) from tenants.tenant_usage_events where event_type = 'finished'"
    assert control.value(finished) == 1


def test_a_finish_leaves_other_runs_alone(control, run, steps) -> None:
    other = control.add_run("RUNNING")
    finish(control, steps, run, "COMPLETED", None, (), 1)
    status = control.value(
        "select status from acme.x_meta_pipeline_runs where pipeline_logging_id = ?", other
    )
    assert status == "RUNNING"


def test_the_last_steps_and_the_end_are_one_transaction(control, run, steps) -> None:
    turns.start(control.context.store, run, 20)
    steps.open("dbt", "dbt", "model")
    control.sql("drop table tenants.tenant_usage_events")
    with pytest.raises(Exception, match="tenant_usage_events"):
        finish(control, steps, run, "COMPLETED", None, (), 1)
    assert control.runs() == [("RUNNING", None)] and written(control) == []


def test_the_steps_of_a_run_are_read_in_order(control, run, steps) -> None:
    steps.open("a", "A", "claim")
    steps.close("a", "COMPLETED")
    steps.close_node(node())
    steps.flush()
    rows = runs.steps_of(control.context.store, "acme", run.id)
    assert [row["step_name"] for row in rows] == ["A", "billing_cost_daily"]
    assert rows[0]["start_time"].tzinfo is UTC
