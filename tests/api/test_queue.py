"""Runs that were claimed: requeued, lost, suspended; and maintenance that fails."""

import json
import logging
import threading
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from control_file import Control, request
from serving import DAY, RUN, RUNS, Held, Scene

from runner.api.auth import Authenticator
from runner.api.queue import Progress
from runner.control import claim, queue, spool
from runner.control.processes import this_host
from runner.control.runs import QUEUE, Run, cancel
from runner.control.sqlite import SqliteStore
from runner.engine.job import Event
from runner.errors import WarehouseUnreachable
from runner.orchestration import alerts
from runner.orchestration import run as one_run


def test_progress_never_exceeds_the_total_of_its_job() -> None:
    progress = Progress()
    for total in (3, 2):
        progress = progress.after(Event("planned", nodes=total))
        for done in range(1, total + 1):
            progress = progress.after(Event("finished", name="a"))
            assert (progress.done, progress.total) == (done, total)


def claimed(control: Control) -> str:
    """A run that waits for a service."""
    run = claim.take(control.context.store, request(queued=True))
    assert control.runs() == [("PENDING", None)]
    return run.id


def claimed_beside(control: Control) -> str:
    """Another run that waits for a service."""
    asked = request(date(2024, 11, 2), queued=True)
    return claim.take(control.context.store, asked).id


def whose(control: Control) -> tuple[Any, ...]:
    return control.sql("select status, worker_instance from acme.x_meta_pipeline_runs")[0]


def test_a_requeue_that_cannot_be_written_waits_in_the_spool(
    control: Control, dbt, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = SqliteStore.write

    def unreachable(self: SqliteStore, *statements: str, **values: Any) -> Any:
        if any("@me" in text for text in statements):
            raise WarehouseUnreachable("the disk is away.")
        return write(self, *statements, **values)

    with Scene(control, dbt, workers=1, grace=0.1) as scene:
        held = Held(dbt)
        run_id = scene.post(RUN, DAY).json()["pipeline_logging_id"]
        assert held.began.wait(20)
        monkeypatch.setattr(SqliteStore, "write", unreachable)
    monkeypatch.undo()
    assert whose(control)[0] == "RUNNING"
    (path,) = spool.waiting(scene.settings)
    entry = json.loads(path.read_text())
    assert spool.drain(scene.settings, control.context.store) == 1
    assert whose(control) == ("PENDING", QUEUE)

    # Written late, when another has the run, it changes nothing.
    assert queue.dequeue(control.context.store, "acme", run_id, 20, "elsewhere:1@2")
    path.touch(mode=0o600)
    path.write_text(json.dumps(entry))
    assert spool.drain(scene.settings, control.context.store) == 1
    assert whose(control) == ("RUNNING", "elsewhere:1@2")


def test_a_full_disk_of_the_logs_is_no_failed_run(
    control: Control, dbt, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(handler: logging.FileHandler) -> Any:
        return open("/dev/full", "w")

    monkeypatch.setattr(logging.FileHandler, "_open", full)
    with Scene(control, dbt, workers=1) as scene:
        run_id = scene.post(RUN, DAY).json()["pipeline_logging_id"]
        scene.until(run_id, "COMPLETED")
        deadline, counted = time.monotonic() + 20, ""
        while '"} 1.0' not in counted and time.monotonic() < deadline:
            counted = scene.client.get("/metrics").text
    assert 'runner_runs_total{status="COMPLETED"} 1.0' in counted
    assert 'runner_runs_total{status="FAILED"} 1.0' not in counted


def test_a_run_that_was_requeued_though_its_service_died_is_not_taken_for_dead(
    control: Control, dbt
) -> None:
    """What waits in the spool is written before dead runs are checked for."""
    run_id = claimed(control)
    gone = f"{this_host()}:999999@{datetime.now(UTC).timestamp():.6f}"
    assert queue.dequeue(control.context.store, "acme", run_id, 20, gone)
    named, values = queue.requeueing(run_id, gone)
    with Scene(control, dbt) as scene:
        pass  # only for its settings: nothing of it is at work when the spool is filled
    control.sql(
        "update acme.x_meta_pipeline_runs set status = 'RUNNING', worker_instance = ?,"
        " end_time = null, error_message = null",
        gone,
    )
    control.sql("delete from tenants.tenant_usage_events where event_type = 'finished'")
    spool.keep(scene.settings, "acme", named, values)
    with Scene(control, dbt) as after:
        assert after.until(run_id, "COMPLETED", "FAILED")["status"] == "COMPLETED"


def test_a_run_cancelled_while_it_is_requeued_is_reported_as_cancelled(
    control: Control, dbt, monkeypatch: pytest.MonkeyPatch
) -> None:
    ends: list[Any] = []
    execute = one_run.execute
    monkeypatch.setattr(one_run, "execute", lambda *args: ends.append(execute(*args)) or ends[-1])
    write = SqliteStore.write

    def cancelled_before(self: SqliteStore, *statements: str, **values: Any) -> Any:
        if any("@me" in text for text in statements):
            monkeypatch.setattr(SqliteStore, "write", write)
            cancel(self, "acme", values["run_id"], "by another user")
        return write(self, *statements, **values)

    with Scene(control, dbt, workers=1, grace=0.1) as scene:
        held = Held(dbt)
        scene.post(RUN, DAY)
        assert held.began.wait(20)
        monkeypatch.setattr(SqliteStore, "write", cancelled_before)
    assert [report.status for report in ends] == ["CANCELLED"]
    assert control.runs()[0][0] == "CANCELLED"


def test_a_dequeue_whose_answer_never_came_is_made_again(
    control: Control, dbt, monkeypatch: pytest.MonkeyPatch
) -> None:
    dequeue, lost = queue.dequeue, threading.Event()

    def loses(*args: Any) -> Any:
        run = dequeue(*args)
        if not lost.is_set():
            lost.set()
            raise WarehouseUnreachable("the answer to the commit is lost.")
        return run

    monkeypatch.setattr(queue, "dequeue", loses)
    with Scene(control, dbt) as scene:
        run_id = scene.post(RUN, DAY).json()["pipeline_logging_id"]
        assert lost.wait(20)
        assert scene.until(run_id, "COMPLETED")
    assert len(dbt.jobs) == 1


def test_a_run_at_work_is_not_taken_for_lost(control: Control, dbt) -> None:
    with Scene(control, dbt) as one, Scene(control, dbt) as two:
        held = Held(dbt)
        run_id = one.post(RUN, DAY).json()["pipeline_logging_id"]
        assert held.began.wait(20)
        before = whose(control)
        for scene in (one, two):
            scene.app.state.service.upkeep.sweep(control.context.store)
        assert whose(control) == before and before[0] == "RUNNING"
        held.go.set()
        one.until(run_id, "COMPLETED")
    assert len(dbt.jobs) == 1


def test_what_waits_is_found_before_maintenance_that_takes_long_or_fails(
    control: Control, dbt, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = claimed(control)
    stuck, mailed = threading.Event(), threading.Event()

    def broken(authenticator: Authenticator, store: Any) -> None:
        raise ZeroDivisionError("a mistake of ours")

    def slow(*args: Any) -> None:
        mailed.set()
        stuck.wait(60)

    monkeypatch.setattr(Authenticator, "write_uses", broken)
    deliver = alerts.deliver
    monkeypatch.setattr("runner.api.upkeep.alerts.deliver", slow)
    try:
        with Scene(control, dbt) as scene:
            assert mailed.wait(20), "what fails keeps no other from its turn"
            monkeypatch.setattr("runner.api.upkeep.alerts.deliver", deliver)
            assert scene.until(run_id, "COMPLETED")
            # Past the service, while the mail is stuck: a sweep finds it all the same.
            later = request(date(2024, 11, 2), queued=True)
            second = claim.take(control.context.store, later)
            assert scene.until(second.id, "COMPLETED")
            stuck.set()
    finally:
        stuck.set()
    assert "a mistake of ours" in scene.log() and "maintenance of keys failed" in scene.log()


def test_a_run_of_a_tenant_that_is_building_is_not_dequeued(control: Control, dbt) -> None:
    """Neither when it is asked for nor by a sweep; other tenants' runs are. Then it is."""
    own = claim.take(control.context.store, request(date(2024, 12, 1)))
    run_id = claimed_beside(control)
    with Scene(control, dbt) as scene:
        posted = scene.post(RUN, DAY | {"date": "2024-11-03"}).json()["pipeline_logging_id"]
        other = scene.post(RUN.replace("acme", "globex"), DAY, scene.other)
        scene.until(other.json()["pipeline_logging_id"], "COMPLETED", key=scene.other)
        for _ in range(2):
            scene.app.state.service.upkeep.sweep(control.context.store)
            time.sleep(0.2)
        for waiting in (run_id, posted):
            assert scene.get(f"{RUNS}/{waiting}").json()["status"] == "PENDING"
        assert len(dbt.jobs) == 1, "globex's alone"
        control.sql(
            "update acme.x_meta_pipeline_runs set status = 'COMPLETED'"
            " where pipeline_logging_id = ?",
            own.id,
        )
        for waiting in (run_id, posted):
            scene.until(waiting, "COMPLETED")
    assert len(dbt.jobs) == 3


def test_a_run_that_a_command_began_meanwhile_is_let_end_first(
    control: Control, dbt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decision is made where the run is dequeued, whatever a sweep saw before."""
    run_id, dequeue = claimed(control), queue.dequeue
    tried = threading.Event()
    began: list[Run] = []

    def begins_first(*args: Any) -> Any:
        if not began:
            asked = request(date(2024, 12, 1))
            began.append(claim.take(control.context.store, asked))
        taken = dequeue(*args)
        tried.set()
        return taken

    monkeypatch.setattr(queue, "dequeue", begins_first)
    with Scene(control, dbt) as scene:
        assert tried.wait(20)
        assert scene.get(f"{RUNS}/{run_id}").json()["status"] == "PENDING"
        cancel(control.context.store, "acme", began[0].id, "a test")
        scene.until(run_id, "COMPLETED")


def test_two_runs_of_a_tenant_follow_each_other_without_a_sweep_between(
    control: Control, dbt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep that sees this service's own run does not hold up the next."""
    with Scene(control, dbt) as scene:
        held = Held(dbt)
        runs = [
            scene.post(RUN, DAY | {"date": f"2024-11-0{n}"}).json()["pipeline_logging_id"]
            for n in (1, 2)
        ]
        assert held.began.wait(20)
        service = scene.app.state.service
        service.upkeep.sweep(control.context.store)
        assert service.queue._building == set() and service.queue.length == 1
        monkeypatch.setattr(service.upkeep, "sweep", lambda store: None)
        held.go.set()
        for run_id in runs:
            scene.until(run_id, "COMPLETED")


def test_the_service_rotates_the_log(control: Control, dbt, monkeypatch) -> None:
    monkeypatch.setattr("runner.logs.LOG_BYTES", 10)
    with Scene(control, dbt) as scene:
        scene.get("/health")
        scene.app.state.service.upkeep.maintain(control.context)
        scene.get("/health")
    assert (scene.settings.log_dir / "runner.jsonl.1").exists()
    assert "/health 200" in (scene.settings.log_dir / "runner.jsonl").read_text()


def test_a_run_of_a_tenant_that_was_suspended_meanwhile_is_not_run(control: Control, dbt) -> None:
    run_id = claimed(control)
    control.sql("update tenants.tenant_profiles set status = 'SUSPENDED'")
    with Scene(control, dbt) as scene:
        result = scene.until(run_id, "CANCELLED")
    assert "tenant is suspended" in result["error_message"] and dbt.jobs == []


def test_a_run_that_breaks_or_dies_is_counted_as_failed(
    control: Control, dbt, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any) -> None:
        raise ZeroDivisionError("a mistake of ours")

    dbt.during = staticmethod(broken)
    dead = control.add_run(
        "RUNNING", day=datetime(2024, 9, 1).date(), leased_for=timedelta(minutes=-1)
    )
    control.sql(
        "insert into tenants.tenant_usage_events by name select ? as event_id,"
        " 'acme' as tenant_id, ? as pipeline_logging_id, 'started' as event_type,"
        " ? as occurred_at, date('now') as usage_date",
        *(f"{dead}-started", dead, datetime.now(UTC).replace(tzinfo=None)),
    )
    with Scene(control, dbt) as scene:
        scene.until(dead, "FAILED")
        scene.until(scene.post(RUN, DAY).json()["pipeline_logging_id"], "FAILED")
        scene.app.state.service.close()
        text = scene.client.get("/metrics").text
    assert 'runner_runs_total{status="FAILED"} 2.0' in text
