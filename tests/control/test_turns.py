"""Turns: runs of one tenant build one after another, oldest first, and none waits for the dead."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from control_file import DAY, Control, request
from given import GOOD, mail_at

from runner import mailing
from runner.context import Stop
from runner.control import queue, turns
from runner.control import queue_sql as sql
from runner.control import runs as control_runs
from runner.control.processes import this_host
from runner.control.sqlite import SqliteStore
from runner.control.turns import LEASE_GRACE, WAITING_LEASE, Turn, wait_for_turn
from runner.engine.job import Event, Outcome
from runner.engine.pool import Pool
from runner.errors import Interrupted
from runner.orchestration import follow
from runner.orchestration.report import Report
from runner.orchestration.run import run_dates
from runner.pipelines import templates

TEMPLATE = templates.load(templates.DEFAULT)


def dates(count: int) -> list[Any]:
    return [DAY + timedelta(days=n) for n in range(count)]


def start(control: Control, run: control_runs.Run) -> Turn:
    """Have the run ask for its turn."""
    return turns.start(control.context.store, run, 20)


def end(control: Control, run: control_runs.Run) -> None:
    control.sql(
        "update acme.x_meta_pipeline_runs set status = 'COMPLETED' where pipeline_logging_id = ?",
        run.id,
    )


def row(control: Control, run: control_runs.Run) -> tuple[str, datetime]:
    ((status, lease),) = control.sql(
        "select status, lease_expires_at from acme.x_meta_pipeline_runs"
        " where pipeline_logging_id = ?",
        run.id,
    )
    return status, lease.replace(tzinfo=UTC)


def set_lease(control: Control, run: control_runs.Run, ahead: timedelta) -> None:
    control.sql(
        "update acme.x_meta_pipeline_runs set lease_expires_at = ? where pipeline_logging_id = ?",
        (datetime.now(UTC) + ahead).replace(tzinfo=None),
        run.id,
    )


def set_worker(control: Control, run: control_runs.Run, worker: str) -> None:
    control.sql(
        "update acme.x_meta_pipeline_runs set worker_instance = ? where pipeline_logging_id = ?",
        worker,
        run.id,
    )


def a_dead_process() -> str:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    return f"{this_host()}:{gone.pid}"


# -- Whose turn it is


def test_the_oldest_builds_and_the_others_follow_by_age(control: Control) -> None:
    runs = [control.take(day) for day in dates(3)]
    assert start(control, runs[2]) == Turn("PENDING", (runs[0].id, runs[1].id))
    assert start(control, runs[0]) == Turn("RUNNING", ())
    assert start(control, runs[1]) == Turn("PENDING", (runs[0].id,))
    end(control, runs[0])
    assert start(control, runs[2]) == Turn("PENDING", (runs[1].id,))
    assert start(control, runs[1]).status == "RUNNING"


def test_of_runs_of_one_time_the_id_decides(control: Control) -> None:
    runs = sorted((control.take(day) for day in dates(2)), key=lambda run: run.id)
    at = datetime.now(UTC)
    control.sql("update acme.x_meta_pipeline_runs set start_time = ?", at.replace(tzinfo=None))
    first, second = (replace(run, start_time=at) for run in runs)
    assert start(control, second) == Turn("PENDING", (first.id,))
    assert start(control, first).status == "RUNNING"


def test_what_builds_is_waited_for_though_it_is_younger(control: Control) -> None:
    older, younger = (control.take(day) for day in dates(2))
    control.sql(
        "update acme.x_meta_pipeline_runs set status = 'RUNNING' where pipeline_logging_id = ?",
        younger.id,
    )
    assert start(control, older) == Turn("PENDING", (younger.id,))


def test_runs_of_another_tenant_and_of_the_queue_are_not_waited_for(control: Control) -> None:
    control.take(tenant_id="globex")
    control.take(DAY - timedelta(days=1), queued=True)
    assert start(control, control.take()).status == "RUNNING"


def test_another_pipeline_of_the_tenant_is_waited_for(control: Control) -> None:
    """It may change the same tables."""
    first = control.take(pipeline_id="acme-other")
    assert start(control, control.take()) == Turn("PENDING", (first.id,))


def test_of_runs_that_ask_at_the_same_time_one_builds(control: Control) -> None:
    runs = [control.take(day) for day in dates(5)]
    turns: list[Turn] = []
    together = threading.Barrier(len(runs))

    def ask(run: control_runs.Run) -> None:
        together.wait()
        turns.append(start(control, run))

    threads = [threading.Thread(target=ask, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(turn.status or "" for turn in turns) == ["PENDING"] * 4 + ["RUNNING"]
    assert row(control, runs[0])[0] == "RUNNING", "the oldest"


def test_a_waiting_run_counts_toward_the_concurrent_limit(control: Control) -> None:
    control.subscribe(concurrent_limit=2)
    first, second, third = (control.take(day) for day in dates(3))
    start(control, first)
    assert (second.status, third.status) == ("PENDING", "REFUSED")


# -- The lease


def test_the_full_lease_begins_with_the_turn(control: Control) -> None:
    run = control.take()
    assert row(control, run)[1] - run.start_time == WAITING_LEASE
    before = datetime.now(UTC)
    start(control, run)
    full = timedelta(minutes=20) + LEASE_GRACE
    assert before + full <= row(control, run)[1] <= datetime.now(UTC) + full


def test_a_turn_that_does_not_come_changes_no_lease(control: Control) -> None:
    control.take()
    run = control.take(DAY + timedelta(days=1))
    before = row(control, run)
    start(control, run)
    assert row(control, run) == before


@pytest.mark.parametrize(("left", "is_renewed"), [(90, False), (50, True), (-50, True)])
def test_a_waiting_run_renews_its_lease_when_half_of_it_is_over(
    control: Control, left: int, is_renewed: bool
) -> None:
    """Also when it is all over, such as after the machine slept, and no command has closed it."""
    first, waits = control.take(), control.take(DAY + timedelta(days=1))
    set_lease(control, waits, timedelta(seconds=left))
    before = row(control, waits)[1]
    assert wait_for_turn(control.context.store, waits) == Turn("PENDING", (first.id,))
    assert (row(control, waits)[1] > before) == is_renewed
    assert row(control, waits)[0] == "PENDING"


def test_a_run_that_builds_is_not_given_a_shorter_lease(control: Control) -> None:
    run = control.take()
    start(control, run)
    full = row(control, run)
    control.context.store.write(
        sql.RENEW.format(tenant="acme"), run_id=run.id, lease_expires_at=datetime.now(UTC)
    )
    assert row(control, run) == full


# -- The dead


@pytest.mark.parametrize("was", ["PENDING", "RUNNING"])
@pytest.mark.parametrize("by", ["process", "lease"])
def test_a_dead_run_is_closed_by_the_command_that_waits_for_it(
    control: Control, was: str, by: str
) -> None:
    dead, waits = control.take(), control.take(DAY + timedelta(days=1))
    if was == "RUNNING":
        start(control, dead)
    if by == "process":
        set_worker(control, dead, a_dead_process())
    else:
        set_worker(control, dead, "elsewhere:1")
        set_lease(control, dead, timedelta(seconds=-1))
    assert wait_for_turn(control.context.store, waits) == Turn("PENDING", ())
    assert row(control, dead)[0] == "FAILED"
    assert start(control, waits).status == "RUNNING"


def test_a_waiting_run_of_another_host_is_dead_after_two_minutes(control: Control) -> None:
    dead = control.take(timeout_minutes=600)
    set_worker(control, dead, "elsewhere:1")
    set_lease(control, dead, timedelta(minutes=-0.001))
    assert control.take().status == "PENDING", "the same date is free again"


def test_a_waiting_run_that_was_taken_for_dead_does_not_build(control: Control) -> None:
    run = control.take()
    set_lease(control, run, timedelta(seconds=-1))
    control_runs.end_dead_leases(control.context.store, "acme")
    assert start(control, run) == Turn(None, ())
    assert row(control, run)[0] == "FAILED"


# -- The service's queue


@pytest.mark.parametrize("status", ["PENDING", "RUNNING"])
def test_a_queued_run_is_not_dequeued_while_a_process_has_one(
    control: Control, status: str
) -> None:
    queued, own = control.take(queued=True), control.take(DAY + timedelta(days=1))
    if status == "RUNNING":
        start(control, own)
    assert queue.dequeue(control.context.store, "acme", queued.id, 20) is None
    assert row(control, queued)[0] == "PENDING"
    end(control, own)
    taken = queue.dequeue(control.context.store, "acme", queued.id, 20)
    assert taken and taken.status == "RUNNING"


def test_of_two_queued_runs_of_a_tenant_one_is_dequeued(control: Control) -> None:
    first, second = (control.take(day, queued=True) for day in dates(2))
    assert queue.dequeue(control.context.store, "acme", second.id, 20, "a:1@1")
    assert queue.dequeue(control.context.store, "acme", first.id, 20, "b:1@1") is None


def test_a_run_waits_for_what_a_service_has_dequeued(control: Control) -> None:
    queued = control.take(queued=True)
    queue.dequeue(control.context.store, "acme", queued.id, 20)
    assert start(control, control.take(DAY + timedelta(days=1))).ahead == (queued.id,)


def test_a_sweep_distinguishes_what_waits_for_a_service_from_what_a_process_has(
    control: Control,
) -> None:
    queued, own = control.take(queued=True), control.take(DAY + timedelta(days=1))
    found = queue.sweep(control.context.store, "acme")
    assert (found.waiting, found.owned) == ((queued.id,), frozenset({own.id}))


# -- What is printed of it


def test_messages_distinguish_a_turn_from_the_queue(control: Control, runner) -> None:
    first, waits = control.take(), control.take(DAY + timedelta(days=1))
    queued = control.take(DAY + timedelta(days=2), queued=True)
    start(control, first)

    def status(run: control_runs.Run) -> str:
        answer = runner("status", run.id, "--tenant", "acme")
        return next(line for line in answer.stdout.splitlines() if line.startswith("status"))

    assert "RUNNING" in status(first) and "waits" not in status(first)
    assert status(waits).endswith(f"PENDING, waits for run {first.id}")
    assert status(queued).endswith("PENDING, waits for `runner serve`")


def test_a_request_for_the_dates_of_a_waiting_run_shows_what_that_waits_for(
    control: Control, runner
) -> None:
    first, waits = control.take(), control.take(DAY + timedelta(days=1))
    day = str(DAY + timedelta(days=1))
    answer = runner("run", "--tenant", "acme", "--date", day)
    assert answer.exit_code == 0, answer.output
    assert f"Run {waits.id} of acme covers {day} and waits for run {first.id}" in answer.stdout
    some = runner("run", "--tenant", "acme", "--from", day, "--to", "2024-11-09")
    assert some.exit_code == 1 and f"waiting for run {first.id} since" in some.output


def test_following_a_waiting_run_shows_what_that_waits_for(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, waits = control.take(), control.take(DAY + timedelta(days=1))
    printed: list[str] = []

    def echo(line: str) -> None:
        printed.append(line)
        end(control, waits)

    follow.to_its_end(replace(control.context, echo=echo), waits)
    assert printed == [f"run {waits.id} waits for run {first.id}"]


# -- A complete run


@pytest.fixture
def quick(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SqliteStore, "poll_seconds", 0.06)


def run(
    control: Control,
    on_event: Callable[[Event], None] = lambda event: None,
    stop: Stop | None = None,
) -> Report:
    """A run of DAY, as a command begins it."""
    context = replace(
        control.context,
        mailbox=mailing.SmtpMailbox(lambda: mail_at(9)),
        on_event=on_event,
        stop=stop or Stop(),
        pool=Pool(control.settings),
    )
    with context:
        return run_dates(context, request(), TEMPLATE)


class Waiting:
    """Calls `act` once a run reports that it waits; keeps what it printed."""

    def __init__(self, act: Callable[[], None]) -> None:
        self.printed: list[str] = []
        self._act = act

    def __call__(self, event: Event) -> None:
        if event.kind == "waiting" and "waits for run" in event.name:
            self.printed.append(event.name)
            self._act()


@pytest.fixture
def before(control: Control) -> Iterator[control_runs.Run]:
    """Another run of the tenant, that builds."""
    first = control.take(DAY - timedelta(days=1))
    start(control, first)
    yield first


def test_a_run_waits_for_its_turn_reports_the_run_before_it_and_then_builds(
    control: Control, dbt, quick, before: control_runs.Run
) -> None:
    waiting = Waiting(lambda: end(control, before))
    report = run(control, waiting)
    assert report.status == "COMPLETED" and len(dbt.jobs) == 1
    assert waiting.printed == [f"run {report.run.id} waits for run {before.id}"]


def test_a_run_that_waits_is_pending_and_starts_no_dbt(
    control: Control, dbt, quick, before: control_runs.Run
) -> None:
    seen: list[Any] = []

    def check() -> None:
        seen.append((control.runs()[-1][0], list(dbt.jobs)))
        end(control, before)

    run(control, Waiting(check))
    assert seen == [("PENDING", [])]


def test_a_run_that_was_cancelled_while_it_waited_reports_it_and_does_not_build(
    control: Control, dbt, quick, before: control_runs.Run
) -> None:
    def cancel() -> None:
        run_id = control.value(
            "select pipeline_logging_id from acme.x_meta_pipeline_runs where status = 'PENDING'"
        )
        control_runs.cancel(control.context.store, "acme", run_id, "cancelled by root")

    report = run(control, Waiting(cancel))
    assert (report.status, report.outcome and report.outcome.error) == (
        "CANCELLED",
        "cancelled by root",
    )
    assert dbt.jobs == [] and row(control, before)[0] == "RUNNING"


def test_ctrl_c_while_it_waits_cancels_the_run(
    control: Control, dbt, quick, before: control_runs.Run
) -> None:
    def interrupt() -> None:
        raise Interrupted(2)

    report = run(control, Waiting(interrupt))
    assert (report.status, report.interrupted, dbt.jobs) == ("CANCELLED", 2, [])
    assert control.runs()[-1] == ("CANCELLED", "stopped by SIGINT")


def test_a_thread_that_is_stopped_while_it_waits_ends_at_once(
    control: Control, dbt, before: control_runs.Run
) -> None:
    stop = Stop()
    began = time.monotonic()
    report = run(control, Waiting(lambda: stop.now(15)), stop)
    assert (report.status, report.interrupted) == ("CANCELLED", 15)
    assert time.monotonic() - began < 5


def test_a_run_taken_for_dead_while_it_waited_does_not_build(
    control: Control, dbt, quick, before: control_runs.Run
) -> None:
    def closed_by_another_host() -> None:
        control.sql(
            "update acme.x_meta_pipeline_runs set status = 'FAILED', error_message = 'lease'"
            " where status = 'PENDING'"
        )

    report = run(control, Waiting(closed_by_another_host))
    assert (report.status, dbt.jobs) == ("FAILED", [])
    assert control.runs()[-1] == ("FAILED", "lease")


def test_the_timeout_begins_with_the_turn(
    control: Control, dbt, quick, before: control_runs.Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn: list[float] = []

    def wait() -> None:
        time.sleep(0.3)
        turn.append(time.monotonic())
        end(control, before)

    def built(self: Any, *args: Any, began: float, timeout: float, **values: Any) -> Outcome:
        assert began >= turn[0] and timeout == TEMPLATE.step.timeout_minutes * 60
        return GOOD

    monkeypatch.setattr(dbt, "run", built)
    assert run(control, Waiting(wait)).status == "COMPLETED"


def test_a_cancelled_transaction_is_reported_in_plain_words(control: Control, dbt) -> None:
    reported = "Transaction is aborted due to concurrent update against table local:acme.t."
    node = replace(GOOD.nodes[0], status="error", message=reported)
    dbt.outcome = Outcome(False, f"{node.name}: {reported}", (node,))
    run(control)
    ((_, error),) = control.runs()
    assert error.startswith(
        f"another dbt run of this tenant is writing the same table ({node.name}: {reported})"
    )
    step = "select error_message from acme.x_meta_step_logs where step_type = 'model'"
    assert (
        control.value(step)
        == f"another dbt run of this tenant is writing the same table ({reported})"
    )
