"""Runs over HTTP: asked for, followed, found again after a restart; the predecessor's answers."""

import json
import re
import time
import uuid
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from control_file import judge, publish
from serving import ADMIN_KEY, DAY, RUN, RUNS, Held, Scene

from runner.api.queue import Progress, RunQueue
from runner.control import claim, queue, runs
from runner.engine.job import Outcome
from runner.pipelines import templates

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def test_a_post_answers_pending_as_the_predecessor_did(scene: Scene) -> None:
    answer = scene.post(RUN, DAY)
    assert answer.status_code == 202
    result = answer.json()
    assert str(uuid.UUID(result["pipeline_logging_id"])) == result["pipeline_logging_id"]
    assert result["pipeline_id"] == "acme-gcp-cost-billing" and result["tenant_id"] == "acme"
    assert result["status"] == "PENDING"
    assert result["message"] == (
        "Templated pipeline cost_billing triggered successfully for acme (async mode)"
    )


def test_a_run_is_polled_to_completed(scene: Scene) -> None:
    run_id = scene.post(RUN, DAY).json()["pipeline_logging_id"]
    result = scene.until(run_id, "COMPLETED")
    assert result["trigger_type"] == "api" and result["trigger_by"] == "docker_test"
    assert result["start_time"] and result["end_time"] and result["duration_ms"] >= 0
    assert result["row_count"] == 1 and result["run_date"] == result["to_date"] == "2024-11-01"
    (job,) = scene.dbt.jobs
    assert job.vars["pipeline_logging_id"] == run_id and job.vars["from_date"] == "2024-11-01"


def test_the_deprecated_path_does_the_same_with_a_header(scene: Scene) -> None:
    answer = scene.post("/api/v1/pipelines/run/acme-gcp-cost-billing", DAY)
    assert answer.status_code == 202 and answer.headers["Deprecation"] == "true"
    assert scene.until(answer.json()["pipeline_logging_id"], "COMPLETED")
    document = scene.client.get("/openapi.json").json()
    assert document["paths"]["/api/v1/pipelines/run/{pipeline_id}"]["post"]["deprecated"] is True


def test_runs_are_listed_newest_first_by_status_and_limit(scene: Scene) -> None:
    for day in (1, 2, 3):
        answer = scene.post(RUN, {"date": f"2024-11-0{day}"})
        scene.until(answer.json()["pipeline_logging_id"], "COMPLETED")
    listed = scene.get(RUNS, limit=2, status="COMPLETED").json()
    assert [run["run_date"] for run in listed] == ["2024-11-03", "2024-11-02"]
    assert scene.get(RUNS, limit=5, status="FAILED").json() == []
    assert len(scene.get(RUNS, date="2024-11-02").json()) == 1


def test_a_range_is_one_run(scene: Scene) -> None:
    answer = scene.post(RUN, {"from_date": "2024-11-01", "to_date": "2024-11-05"})
    scene.until(answer.json()["pipeline_logging_id"], "COMPLETED")
    (job,) = scene.dbt.jobs
    assert (job.vars["from_date"], job.vars["to_date"]) == ("2024-11-01", "2024-11-05")


def test_a_duplicate_is_answered_with_the_run_there_is(scene: Scene) -> None:
    held = Held(scene.dbt)
    first = scene.post(RUN, DAY).json()
    assert held.began.wait(20)
    second = scene.post(RUN, DAY)
    assert second.status_code == 200
    assert second.json()["pipeline_logging_id"] == first["pipeline_logging_id"]
    assert second.json()["status"] == "RUNNING" and second.json()["deduplicated"] is True
    held.go.set()
    scene.until(first["pipeline_logging_id"], "COMPLETED")
    assert len(scene.dbt.jobs) == 1


def test_a_run_that_shares_only_some_dates_is_a_conflict_not_an_answer(scene: Scene) -> None:
    held = Held(scene.dbt)
    first = scene.post(RUN, DAY).json()["pipeline_logging_id"]
    answer = scene.post(RUN, {"from_date": "2024-11-01", "to_date": "2024-11-02"})
    assert answer.status_code == 409 and answer.json()["pipeline_logging_id"] == first
    assert "2024-11-02" in answer.json()["message"] and "--wait" not in answer.text
    held.go.set()


def test_another_date_runs_beside_the_first(scene: Scene) -> None:
    held = Held(scene.dbt)
    first = scene.post(RUN, DAY).json()["pipeline_logging_id"]
    second = scene.post(RUN, {"date": "2024-11-02"})
    assert second.status_code == 202
    assert second.json()["pipeline_logging_id"] != first
    held.go.set()
    scene.until(second.json()["pipeline_logging_id"], "COMPLETED")
    assert {job.vars["from_date"] for job in scene.dbt.jobs} == {"2024-11-01", "2024-11-02"}


def test_a_run_shows_its_progress(scene: Scene) -> None:
    held = Held(scene.dbt)
    run_id = scene.post(RUN, DAY).json()["pipeline_logging_id"]
    assert held.began.wait(20)
    progress = scene.until(run_id, "RUNNING")["progress"]
    assert progress == {"done": 0, "total": 4, "at_work": "billing_cost_daily"}
    waits = "/srv/w/tenant_acme.duckdb is open in another program (process 4711)"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(RunQueue, "progress", lambda self, run: Progress(4, 0, waits))
        at_work = scene.get(f"{RUNS}/{run_id}").json()["progress"]["at_work"]
    assert at_work == "tenant_acme.duckdb is open in another program (another process)"
    held.go.set()
    assert scene.until(run_id, "COMPLETED")["progress"] is None
    names = [step["step_name"] for step in scene.get(f"{RUNS}/{run_id}/steps").json()]
    assert names == ["Claim the dates", "billing_cost_daily"]


def test_a_run_is_cancelled_and_its_process_stops(scene: Scene) -> None:
    held = Held(scene.dbt)
    run_id = scene.post(RUN, DAY).json()["pipeline_logging_id"]
    assert held.began.wait(20)
    answer = scene.post(f"{RUNS}/{run_id}/cancel")
    assert answer.status_code == 200 and answer.json()["status"] == "CANCELLED"
    again = scene.post(f"{RUNS}/{run_id}/cancel")
    assert again.status_code == 409 and "CANCELLED" in again.json()["message"]


def test_a_waiting_run_that_is_cancelled_never_starts(scene: Scene) -> None:
    held = Held(scene.dbt)
    first = scene.post(RUN, DAY).json()["pipeline_logging_id"]
    assert held.began.wait(20)
    second = scene.post(RUN, {"date": "2024-11-02"}).json()["pipeline_logging_id"]
    assert scene.post(f"{RUNS}/{second}/cancel").json()["status"] == "CANCELLED"
    held.go.set()
    scene.until(first, "COMPLETED")
    assert len(scene.dbt.jobs) == 1


def test_over_quota_is_429_with_what_is_left_and_when(scene: Scene) -> None:
    scene.control.subscribe(daily_limit=0)
    answer = scene.post(RUN, DAY)
    assert answer.status_code == 429 and int(answer.headers["Retry-After"]) > 0
    result = answer.json()
    assert result["error"] == "quota_exceeded" and "daily limit reached" in result["message"]
    limits = {one["name"]: one for one in result["limits"]}
    assert limits["daily"]["limit"] == 0 and limits["daily"]["remaining"] == 0
    assert limits["monthly"]["remaining"] == 750 and limits["daily"]["resets_at"]
    assert scene.control.runs()[-1][0] == "REFUSED", "a refusal is a row"


def test_too_many_at_once_is_asked_to_wait_seconds_not_a_day(scene: Scene) -> None:
    scene.control.subscribe(concurrent_limit=1)
    held = Held(scene.dbt)
    scene.post(RUN, DAY)
    answer = scene.post(RUN, {"date": "2024-11-02"})
    assert answer.status_code == 429 and int(answer.headers["Retry-After"]) == 30
    held.go.set()


def test_an_unknown_template_is_404_and_names_those_that_exist(scene: Scene) -> None:
    answer = scene.post("/api/v1/pipelines/run/acme/gcp/cost/cost_bills", DAY)
    assert answer.status_code == 404 and answer.json()["templates"] == templates.names()
    assert "gcp/cost/cost_billing" in answer.json()["message"]
    assert scene.control.runs()[-1][0] == "REFUSED", "a refusal is a row"
    assert scene.post("/api/v1/pipelines/run/acme-aws-bills", DAY).status_code == 404


def test_a_suspended_tenant_is_403(scene: Scene) -> None:
    scene.control.sql("update tenants.tenant_profiles set status = 'SUSPENDED'")
    answer = scene.post(RUN, DAY)
    assert answer.status_code == 403 and "suspended" in answer.json()["message"]
    assert "runner tenant resume acme" in answer.json()["message"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"date": "2024-13-01"},
        {"date": "2024-11-1"},
        {"date": 20241101},
        {"date": "2999-01-01"},
        {"date": "2024-11-01", "tenant_id": "globex"},
        {"date": "2024-11-01", "from_date": "2024-11-01", "to_date": "2024-11-02"},
        {"from_date": "2024-11-01"},
        {"from_date": "2024-11-02", "to_date": "2024-11-01"},
        {"from_date": "2020-01-01", "to_date": "2024-11-01"},
        {"date": "2024-11-01", "trigger_by": "x" * 201},
        {"date": "2024-11-01", "trigger_by": "two\nlines"},
        [],
        "2024-11-01",
        None,
    ],
)
def test_a_bad_date_or_an_extra_field_is_422_and_starts_nothing(scene: Scene, body) -> None:
    answer = scene.post(RUN, body)
    assert answer.status_code == 422 and answer.json()["error"] == "invalid_request"
    assert ".. See /openapi.json" not in answer.json()["message"]
    assert scene.control.runs() == []


def test_a_run_is_found_again_after_a_restart_and_runs_once(control, dbt) -> None:
    """Claimed by a service that ended before it took the run up."""
    with Scene(control, dbt, workers=1) as before:
        held = Held(dbt)
        first = before.post(RUN, DAY).json()["pipeline_logging_id"]
        assert held.began.wait(20)
        second = before.post(RUN, {"date": "2024-11-02"}).json()["pipeline_logging_id"]
        threading_release(held)
    with Scene(control, dbt, workers=1) as after:
        for run_id in (first, second):
            assert after.until(run_id, "COMPLETED")
    assert sorted(job.vars["pipeline_logging_id"] for job in dbt.jobs) == sorted([first, second])


def threading_release(held: Held) -> None:
    """Let go once the service has begun to stop."""
    import threading

    threading.Timer(0.3, held.go.set).start()


def test_a_run_that_does_not_end_in_time_is_requeued_and_runs_anew(control, dbt) -> None:
    with Scene(control, dbt, workers=1, grace=0.1) as before:
        held = Held(dbt)
        run_id = before.post(RUN, DAY).json()["pipeline_logging_id"]
        assert held.began.wait(20)
    assert control.runs() == [("PENDING", None)]
    assert control.value("select worker_instance from acme.x_meta_pipeline_runs") == runs.QUEUE
    assert control.sql("select 1 from acme.x_meta_step_logs") == []
    dbt.reset()
    with Scene(control, dbt, workers=1) as after:
        assert after.until(run_id, "COMPLETED")


def test_two_services_never_run_one_twice(control, dbt) -> None:
    control.subscribe(concurrent_limit=50, daily_limit=100)
    with Scene(control, dbt) as one, Scene(control, dbt) as two:
        ids = [
            (one if n % 2 else two)
            .post(RUN, {"date": f"2024-10-{n + 1:02d}"})
            .json()["pipeline_logging_id"]
            for n in range(8)
        ]
        for run_id in ids:
            one.until(run_id, "COMPLETED")
    assert sorted(job.vars["pipeline_logging_id"] for job in dbt.jobs) == sorted(ids)


def test_a_running_run_whose_process_died_is_closed(control, dbt) -> None:
    run_id = control.add_run("RUNNING", leased_for=timedelta(minutes=-1))
    control.sql(
        "insert into tenants.tenant_usage_events by name select ? as event_id,"
        " 'acme' as tenant_id, ? as pipeline_logging_id, 'started' as event_type,"
        " ? as occurred_at, date('now') as usage_date",
        f"{run_id}-started",
        run_id,
        datetime.now(UTC).replace(tzinfo=None),
    )
    with Scene(control, dbt) as scene:
        result = scene.until(run_id, "FAILED")
    assert "lease expired" in result["error_message"]


def test_a_run_that_waited_longer_than_the_service_lives_is_not_taken_for_dead(control) -> None:
    """The process that dequeued it is younger than the run."""
    from control_file import request

    run = claim.take(control.context.store, request(queued=True))
    control.sql(
        "update acme.x_meta_pipeline_runs set start_time = ?",
        (datetime.now(UTC) - timedelta(hours=5)).replace(tzinfo=None),
    )
    assert queue.sweep(control.context.store, "acme").waiting == (run.id,)
    taken = queue.dequeue(control.context.store, "acme", run.id, 20)
    assert taken and taken.status == "RUNNING"
    assert queue.dequeue(control.context.store, "acme", run.id, 20) is None
    runs.end_dead_leases(control.context.store, "acme")
    assert control.runs() == [("RUNNING", None)]
    worker = control.value("select worker_instance from acme.x_meta_pipeline_runs")
    control.sql(
        "update acme.x_meta_pipeline_runs set worker_instance = ?",
        re.sub(r":[0-9]+@", ":999999@", worker),
    )
    runs.end_dead_leases(control.context.store, "acme")
    assert control.runs()[0][0] == "FAILED"


def test_a_failed_run_shows_its_error_and_the_rows_that_failed(scene: Scene) -> None:
    from given import FAILED

    scene.dbt.outcome = FAILED
    run_id = scene.post(RUN, DAY).json()["pipeline_logging_id"]
    result = scene.until(run_id, "FAILED")
    assert result["error_message"]
    import duckdb

    with duckdb.connect(str(scene.control.path.parent / "tenant_acme.duckdb")) as connection:
        failed = {
            **{
                "expectation": "reconciles",
                "description": "cost is the export's",
                "status": "fail",
            },
            **{"failing_rows": 2, "node": "model.p.b", "samples": ['{"cost": 1}'], "message": None},
        }
        judge(connection, run_id, "billing_cost_daily", "FAIL", failed, passed=6)
        judge(connection, run_id, "billing_cost_daily", "PASS", passed=3, severity="warn")
    found, passed = scene.get(f"{RUNS}/{run_id}/dq-results").json()
    assert (found["table"], found["severity"]) == ("billing_cost_daily", "error")
    assert (found["status"], found["failed_rows"]) == ("FAIL", 2)
    assert (found["expectations_passed"], found["expectations_failed"]) == (6, 1)
    (one,) = found["failed_expectations"]
    assert one["samples"] == ['{"cost": 1}'] and one["severity"] == "error"
    assert one["sentence"] == (
        'reconciles failed for 2 rows (cost is the export\'s), for example {"cost": 1}'
    )
    assert passed["status"] == "PASS" and passed["failed_expectations"] == []


def test_no_answer_about_a_failed_run_has_a_path_of_the_server(scene: Scene) -> None:
    """As expectations, messages of tests, models and steps have them; an admin reads all of it."""
    import duckdb
    from given import a_node

    folder = "/srv/exports of all, (really)"
    fault = "The export file /srv/exports of all/e.csv is not valid in line 3: a second header."
    node = replace(a_node("billing_cost_daily", "error", "model"), message=fault)
    scene.dbt.outcome = Outcome(False, f"billing_cost_daily: {fault}", (node,))
    run_id = scene.post(RUN, DAY).json()["pipeline_logging_id"]
    scene.until(run_id, "FAILED")
    found = {
        "every_row_has_an_account_and_a_date": {"file": f"{folder}/e-1.csv", "without_date": 1},
        "matches_the_export": {"export_ref": f"{folder}/e-*.csv", "copied_rows": 1},
        "accounts_come_from_one_export": {"one_export_ref": f"{folder}/e'-1.csv"},
        "is_cut_off": {"name": "//compute.googleapis.com/vm", "file": f"{folder}/{'x' * 400}"},
    }
    failed = [
        {
            **{"expectation": name, "status": "fail", "failing_rows": 1, "node": "m"},
            **{"samples": [json.dumps(sample)[:400]], "message": None},
        }
        for name, sample in found.items()
    ]
    failed.append({"expectation": "grain", "status": "error", "node": "t", "message": fault})
    with duckdb.connect(str(scene.control.path.parent / "tenant_acme.duckdb")) as connection:
        judge(connection, run_id, "billing_cost_daily", "FAIL", *failed)
    for path in (RUNS, f"{RUNS}/{run_id}", f"{RUNS}/{run_id}/steps", f"{RUNS}/{run_id}/dq-results"):
        result = scene.get(path)
        assert result.status_code == 200
        assert "/srv" not in result.text and "exports of all" not in result.text, result.text
        assert "/srv/exports of all" in scene.get(path, ADMIN_KEY).text
    result = scene.get(f"{RUNS}/{run_id}/dq-results").text
    for kept in ("e-1.csv", "e-*.csv", "e'-1.csv", "//compute.googleapis.com/vm", "line 3"):
        assert kept in result, kept


def test_costs_are_exact_and_per_service(scene: Scene) -> None:
    run_id = scene.post(RUN, {"from_date": "2024-11-01", "to_date": "2024-11-07"}).json()
    scene.until(run_id["pipeline_logging_id"], "COMPLETED")
    rows = scene.get("/api/v1/tenants/acme/costs").json()
    assert len(rows) == 21 and rows[0]["billed_cost"] == "1.00"
    few = scene.get("/api/v1/tenants/acme/costs", from_date="2024-11-02", to_date="2024-11-02")
    assert {row["usage_date"] for row in few.json()} == {"2024-11-02"}
    assert {row["layers_agree"] for row in rows} == {None}, "no publication is recorded"


def test_costs_name_the_oldest_run_of_their_layers_and_where_these_disagree(
    scene: Scene,
) -> None:
    import duckdb

    first, second = date(2024, 11, 1), date(2024, 11, 2)
    old, new = datetime(2024, 11, 8, tzinfo=UTC), datetime(2024, 11, 9, tzinfo=UTC)
    bill, silver, mart = "billing_cost_daily", "gcp_silver_cost", "cost_by_service_daily"
    scene.control.add_run(day=first, to_day=second)
    with duckdb.connect(str(scene.control.path.parent / "tenant_acme.duckdb")) as connection:
        for n, (table, read) in enumerate(((bill, ()), (silver, (bill,)), (mart, (silver,)))):
            at = old + timedelta(seconds=n)
            publish(connection, "old", table, first, second, read=read, at=at)
        publish(connection, "new", bill, second, at=new)
        publish(connection, "new", "cost_daily", first, read=(silver,), at=new)
    rows = scene.get("/api/v1/tenants/acme/costs", from_date=first, to_date=second).json()
    result = {
        (row["usage_date"], row["pipeline_logging_id"], row["published_at"], row["layers_agree"])
        for row in rows
    }
    assert len(rows) == 6 and result == {
        ("2024-11-01", "old", "2024-11-08T00:00:00Z", True),
        ("2024-11-02", "old", "2024-11-08T00:00:01Z", False),
    }


def test_the_quota_is_that_of_the_command_line(scene: Scene) -> None:
    result = scene.get("/api/v1/tenants/acme/quota").json()
    assert [one["limit"] for one in result["limits"]] == [25, 750, 5]


def test_dates_that_the_landing_has_not_are_a_conflict_at_once_and_in_the_queue(
    scene: Scene,
) -> None:
    """Each POST is asked of the landing, whatever is kept of the one before."""
    landing = read_landing(scene)
    scene.control.add_run(day=november(1), to_day=november(2), **landing)
    held = Held(scene.dbt)
    first = scene.post(RUN, DAY).json()["pipeline_logging_id"]
    assert held.began.wait(20)
    answer = scene.post(RUN, {"date": "2024-11-03"})
    assert answer.status_code == 409 and answer.json()["error"] == "landing_not_ready"
    assert "runner run --tenant globex" in answer.json()["message"]
    queued = scene.post(RUN, {"date": "2024-11-02"}).json()["pipeline_logging_id"]
    scene.control.add_run("FAILED", day=november(2), **landing)
    held.go.set()
    scene.until(first, "COMPLETED")
    ended = scene.until(queued, "CANCELLED", "COMPLETED", "FAILED")
    assert ended["status"] == "CANCELLED" and "landing globex" in ended["error_message"]
    assert len(scene.dbt.jobs) == 1


def test_a_queued_run_waits_while_its_landing_is_active(scene: Scene) -> None:
    landing = read_landing(scene)
    busy = scene.control.add_run("RUNNING", day=november(1), **landing)
    queued = scene.post(RUN, {"date": "2024-11-01"}).json()["pipeline_logging_id"]
    time.sleep(3)  # the service has reconciled it
    scene.until(queued, "PENDING")
    assert scene.dbt.jobs == []
    scene.control.sql(
        "update globex.x_meta_pipeline_runs set status = 'COMPLETED' where pipeline_logging_id = ?",
        busy,
    )
    scene.until(queued, "COMPLETED")
    assert len(scene.dbt.jobs) == 1


def read_landing(scene: Scene) -> dict[str, str]:
    """Have acme read globex; what makes a run one of that landing."""
    scene.control.sql(
        "insert into tenants.tenant_exports by name select 'acme' as tenant_id,"
        " 'tenant:globex' as export_ref, '[]' as billing_account_ids, '[]' as project_ids,"
        " true as has_unallocated"
    )
    return {"tenant": "globex", "pipeline": "globex-gcp-export-landing"}


def november(number: int) -> date:
    return date(2024, 11, number)


def test_a_run_has_a_message_as_the_predecessors_had(scene: Scene) -> None:
    run_id = scene.post(RUN, DAY).json()["pipeline_logging_id"]
    result = scene.until(run_id, "COMPLETED")
    assert result["message"] == "Templated pipeline cost_billing is COMPLETED for acme"


def test_errors_of_the_deprecated_path_have_its_header_too(scene: Scene) -> None:
    path = "/api/v1/pipelines/run/acme-gcp-cost-billing"
    for answer, status in (
        (scene.post(path, DAY, "gtc_wrong"), 401),
        (scene.post(path, {"date": "never"}), 422),
        (scene.post(path, DAY, scene.other), 403),
        (scene.post("/api/v1/pipelines/run/acme-aws-bills", DAY), 404),
    ):
        assert answer.status_code == status and answer.headers["Deprecation"] == "true"
    assert "Deprecation" not in scene.post(RUN, {"date": "never"}).headers


def test_a_refusal_and_its_request_name_the_caller_in_the_log(scene: Scene) -> None:
    scene.post("/api/v1/pipelines/run/acme/gcp/cost/cost_bills", DAY)
    (user,) = scene.control.sql("select user_id from acme.x_meta_pipeline_runs")[0]
    assert user == scene.control.value(
        "select api_key_id from tenants.tenant_api_keys where tenant_id = 'acme'"
    )
    claimed = scene.post(RUN, DAY)
    scene.control.subscribe(daily_limit=0)
    refused = scene.post(RUN, {"date": "2024-11-02"})
    lines = [json.loads(line) for line in scene.log().splitlines()]
    for answer, word in ((claimed, "claimed"), (refused, "refused")):
        run_id, request_id = answer.json()["pipeline_logging_id"], answer.headers["X-Request-ID"]
        assert any(
            run_id in line["message"]
            and word in line["message"]
            and line.get("request_id") == request_id
            for line in lines
        )


def test_a_landings_template_is_for_landings(scene: Scene) -> None:
    answer = scene.post("/api/v1/pipelines/run/acme/gcp/cost/export_landing", DAY)
    assert answer.status_code == 422 and answer.json()["error"] == "not_a_landing"
    assert "gcp/cost/cost_billing" in answer.json()["message"] and scene.control.runs() == []


def test_a_run_without_a_start_is_listed_last(scene: Scene) -> None:
    scene.control.add_run()
    odd = scene.control.add_run()
    scene.control.sql(
        "update acme.x_meta_pipeline_runs set start_time = null where pipeline_logging_id = ?", odd
    )
    for key in (scene.key, ADMIN_KEY):
        listed = scene.get(RUNS, key)
        assert listed.status_code == 200, listed.text
        assert [run["pipeline_logging_id"] for run in listed.json()][-1] == odd


def test_a_tenants_own_run_is_found_without_the_table_of_all(scene: Scene) -> None:
    run_id = scene.control.add_run()
    assert scene.get(f"{RUNS}/{run_id}").status_code == 200, "no event of it was ever written"
    assert scene.get(f"{RUNS}/{run_id}", ADMIN_KEY).status_code == 404
