"""The claim: one transaction that decides whether a run may start, and reports why not."""

import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pytest
from control_file import DAY, Control, request, write_control_file

from runner import names
from runner.control import claim, queue, quota, runs, turns
from runner.control.processes import this_host
from runner.errors import StatementRefused, UsageProblem, WarehouseUnreachable


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch):
    """Sets what the claim takes for now."""

    def at(time: datetime) -> datetime:
        class Clock(datetime):
            @classmethod
            def now(cls, tz=None) -> datetime:
                return time

        for module in (claim, quota, runs, turns, queue):
            monkeypatch.setattr(module, "datetime", Clock)
        return time

    return at


def refused(control: Control, **changes) -> str:
    """The reason for which a claim is refused, read from the row that it left."""
    run = control.take(**changes)
    assert run.status == "REFUSED" and not run.deduplicated
    (row,) = control.sql(
        "select status, error_message, end_time, duration_ms, lease_expires_at"
        " from acme.x_meta_pipeline_runs where pipeline_logging_id = ?",
        run.id,
    )
    assert row[0] == "REFUSED" and row[2] is not None and row[3] == 0 and row[4] is None
    assert row[1] == run.error_message
    return run.error_message or ""


def test_a_first_claim_is_pending_and_written_complete(control: Control) -> None:
    run = control.take(DAY, DAY + timedelta(days=2), trigger_by="cron", user_id="u1")
    assert (run.status, run.deduplicated) == ("PENDING", False)
    (row,) = control.sql(
        "select pipeline_logging_id, pipeline_id, tenant_id, status, trigger_type, trigger_by,"
        " user_id, run_date, to_date, template, parameters->>'date', parameters->>'to_date',"
        " end_time, error_message from acme.x_meta_pipeline_runs"
    )
    assert row == (
        *(run.id, "acme-gcp-cost-billing", "acme", "PENDING", "manual", "cron", "u1"),
        *(DAY, DAY + timedelta(days=2), "gcp/cost/cost_billing", "2024-11-01", "2024-11-03"),
        *(None, None),
    )


def test_a_claim_is_leased_for_the_wait_and_not_for_the_timeout(control: Control) -> None:
    control.take(timeout_minutes=20)
    ((start_time, lease_ends),) = control.sql(
        "select start_time, lease_expires_at from acme.x_meta_pipeline_runs"
    )
    assert lease_ends - start_time == turns.WAITING_LEASE


def test_a_claim_of_the_builder_is_running_at_once_when_no_other_run_is_ahead(
    control: Control,
) -> None:
    days = [DAY + timedelta(days=n) for n in range(3)]
    control.take(days[0], queued=True)

    def started(day: date) -> runs.Run:
        return claim.take(control.context.store, request(day), starts=True)

    first = started(days[1])
    assert first.status == "RUNNING", "what waits for a service is not ahead"
    ((start_time, lease_ends),) = control.sql(
        "select start_time, lease_expires_at from acme.x_meta_pipeline_runs"
        " where pipeline_logging_id = ?",
        first.id,
    )
    assert lease_ends - start_time == timedelta(minutes=20) + turns.LEASE_GRACE
    assert started(days[2]).status == "PENDING", "the first is ahead"
    assert started(days[1]).deduplicated


def test_the_same_date_again_is_the_first_runs(control: Control) -> None:
    first, second = control.take(), control.take()
    assert (second.id, second.status, second.deduplicated) == (first.id, "PENDING", True)
    assert control.runs() == [("PENDING", None)]


def test_a_running_run_is_found_by_a_duplicate_too(control: Control) -> None:
    running = control.add_run("RUNNING", day=DAY)
    assert (control.take().id, len(control.runs())) == (running, 1)


@pytest.mark.parametrize(
    ("first", "last"), [(-2, 0), (0, 5), (1, 1), (-5, 9), (2, 2), (2, 8)], ids=str
)
def test_ranges_that_share_a_date_are_duplicates(control: Control, first: int, last: int) -> None:
    run = control.take(DAY, DAY + timedelta(days=2))
    again = control.take(DAY + timedelta(days=first), DAY + timedelta(days=last))
    assert (again.id, again.deduplicated) == (run.id, True)


@pytest.mark.parametrize(("first", "last"), [(-1, -1), (-9, -1), (3, 3), (3, 40)], ids=str)
def test_another_date_is_not_held_up_by_a_run(control: Control, first: int, last: int) -> None:
    """The predecessor's dedup ignored the date: the second date was never loaded."""
    run = control.take(DAY, DAY + timedelta(days=2))
    other = control.take(DAY + timedelta(days=first), DAY + timedelta(days=last))
    assert (other.status, other.deduplicated) == ("PENDING", False) and other.id != run.id


def test_another_pipeline_may_run_for_the_same_date(control: Control) -> None:
    control.take()
    assert not control.take(pipeline_id="acme-other").deduplicated


def test_another_tenant_may_run_for_the_same_date(control: Control) -> None:
    control.take()
    assert control.take(tenant_id="globex").status == "PENDING"


@pytest.mark.parametrize("status", ["COMPLETED", "FAILED", "CANCELLED", "REFUSED"])
def test_a_run_that_has_ended_is_no_duplicate(control: Control, status: str) -> None:
    control.add_run(status, day=DAY)
    assert control.take().status == "PENDING"


def test_of_several_active_runs_the_oldest_is_named(control: Control) -> None:
    now = datetime.now(UTC)
    control.add_run("RUNNING", started=now - timedelta(minutes=1), day=DAY)
    oldest = control.add_run("RUNNING", started=now - timedelta(minutes=5), day=DAY)
    assert control.take(DAY, DAY + timedelta(days=3)).id == oldest


def test_the_daily_limit_is_refused_with_its_count(control: Control) -> None:
    control.subscribe(daily_limit=2)
    control.add_run("COMPLETED")
    control.add_run("FAILED")
    assert refused(control) == "daily limit reached: 2 of 2 runs used today"


def test_one_below_the_daily_limit_may_run(control: Control) -> None:
    control.subscribe(daily_limit=2)
    control.add_run("COMPLETED")
    assert control.take().status == "PENDING"


def test_the_monthly_limit_is_refused_with_its_count(control: Control, clock) -> None:
    now = clock(datetime(2024, 11, 20, 12, tzinfo=UTC))
    control.subscribe(monthly_limit=3)
    for day in (1, 10, 20):
        control.add_run("COMPLETED", started=now.replace(day=day))
    assert refused(control) == "monthly limit reached: 3 of 3 runs used this month"


def test_the_concurrent_limit_is_refused_with_its_count(control: Control) -> None:
    control.subscribe(concurrent_limit=2)
    control.add_run("RUNNING", day=date(2024, 10, 1))
    control.add_run("PENDING", day=date(2024, 10, 2))
    assert refused(control) == "concurrent limit reached: 2 of 2 runs are active now"


def test_yesterdays_runs_are_not_counted_today(control: Control, clock) -> None:
    midnight = clock(datetime(2024, 11, 20, tzinfo=UTC))
    control.subscribe(daily_limit=1)
    control.add_run("COMPLETED", started=midnight - timedelta(microseconds=1))
    assert control.take().status == "PENDING"


def test_last_months_runs_are_not_counted_this_month(control: Control, clock) -> None:
    first = clock(datetime(2024, 11, 1, tzinfo=UTC))
    control.subscribe(monthly_limit=1)
    control.add_run("COMPLETED", started=first - timedelta(microseconds=1))
    assert control.take().status == "PENDING"


def test_a_run_at_the_first_second_of_today_is_counted(control: Control, clock) -> None:
    midnight = clock(datetime(2024, 11, 20, tzinfo=UTC))
    control.subscribe(daily_limit=1)
    control.add_run("COMPLETED", started=midnight)
    assert "daily limit" in refused(control)


def test_another_tenants_runs_are_not_counted(control: Control) -> None:
    control.subscribe(daily_limit=1)
    control.add_run("COMPLETED", tenant="globex")
    assert control.take().status == "PENDING"


def test_refused_runs_are_not_counted(control: Control) -> None:
    control.subscribe(daily_limit=1)
    for _ in range(3):
        control.add_run("REFUSED")
    assert control.take().status == "PENDING"


def test_a_duplicate_is_searched_before_the_quota_and_not_counted(control: Control) -> None:
    control.subscribe(daily_limit=1, concurrent_limit=1)
    first = control.take()
    again = control.take()
    assert (again.id, again.deduplicated) == (first.id, True)
    assert control.runs() == [("PENDING", None)]
    assert quota.of(control.context.store, "acme").limits[0].used == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": "EXPIRED"}, "subscription is expired"),
        ({"status": "CANCELLED"}, "subscription is cancelled"),
        ({"status": "TRIAL", "trial_end_date": date(2024, 11, 19)}, "trial ended on 2024-11-19"),
        ({"subscription_end_date": date(2024, 11, 19)}, "subscription ended on 2024-11-19"),
    ],
)
def test_a_subscription_that_does_not_allow_it_is_the_reason(
    control: Control, clock, change: dict, reason: str
) -> None:
    clock(datetime(2024, 11, 20, tzinfo=UTC))
    control.subscribe(**change)
    assert refused(control) == reason


@pytest.mark.parametrize(
    "change",
    [
        {"status": "TRIAL", "trial_end_date": date(2024, 11, 20)},
        {"status": "TRIAL", "trial_end_date": None},
        {"status": "ACTIVE", "trial_end_date": date(2024, 1, 1)},
        {"subscription_end_date": date(2024, 11, 20)},
    ],
)
def test_the_last_day_of_a_subscription_still_allows_it(
    control: Control, clock, change: dict
) -> None:
    clock(datetime(2024, 11, 20, 23, 59, tzinfo=UTC))
    control.subscribe(**change)
    assert control.take().status == "PENDING"


def test_a_suspended_tenant_may_not_run(control: Control) -> None:
    control.sql("update tenants.tenant_profiles set status = 'SUSPENDED' where tenant_id = 'acme'")
    assert refused(control) == "tenant is suspended"
    assert control.take(tenant_id="globex").status == "PENDING"


def test_a_tenant_without_a_subscription_may_not_run(control: Control) -> None:
    """For the predecessor a missing quota row was an error 500 with nothing in any log."""
    control.sql("delete from tenants.tenant_subscriptions where tenant_id = 'acme'")
    assert refused(control) == "tenant has no subscription"


def test_a_subscription_without_limits_allows_nothing_unlimited(control: Control) -> None:
    """A null limit compares as unknown, which must not read as no limit at all."""
    control.subscribe(daily_limit=None, monthly_limit=None, concurrent_limit=None)
    assert "limit" in refused(control)


def test_a_dead_lease_is_closed_and_its_slot_is_free(control: Control) -> None:
    """A killed run of the predecessor kept its slot for ever."""
    control.subscribe(concurrent_limit=1)
    dead = control.add_run("RUNNING", day=DAY, leased_for=timedelta(seconds=-1))
    run = control.take()
    assert (run.status, run.deduplicated) == ("PENDING", False)
    (row,) = control.sql(
        "select status, error_message, end_time from acme.x_meta_pipeline_runs"
        " where pipeline_logging_id = ?",
        dead,
    )
    assert row[0] == "FAILED" and "lease expired" in row[1] and row[2] is not None


@pytest.mark.parametrize("is_reaped", [True, False])
def test_a_run_whose_process_on_this_host_has_exited_is_closed_before_its_lease(
    control: Control, is_reaped: bool
) -> None:
    """After a kill or a crash no user wants to wait half an hour (DESIGN 4).

    In a container the parent may never read that a process has exited: it is a zombie then.
    """
    gone = subprocess.Popen([sys.executable, "-c", ""])
    os.waitid(os.P_PID, gone.pid, os.WEXITED | (0 if is_reaped else os.WNOWAIT))
    killed = control.add_run("RUNNING", day=DAY)
    control.sql(
        "update acme.x_meta_pipeline_runs set worker_instance = ?",
        f"{this_host()}:{gone.pid}",
    )
    run = control.take()
    assert run.id != killed and run.status == "PENDING"


def test_a_dead_runs_jobs_end_before_its_dates_are_free(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On BigQuery they go on without the process, and could commit after the next run."""
    dead = control.add_run("RUNNING", day=DAY, leased_for=timedelta(seconds=-1))
    store, asked = control.context.store, []

    def cancel_jobs(tenant: str, run_ids: list[str]) -> None:
        asked.append((tenant, run_ids, control.runs()[0][0]))
        if len(asked) == 1:
            raise WarehouseUnreachable("The BigQuery job j of a run that has died does not end.")

    monkeypatch.setattr(store, "cancel_jobs", cancel_jobs)
    with pytest.raises(WarehouseUnreachable):
        control.take()
    assert control.runs() == [("RUNNING", None)], "nothing is claimed while it is at work"
    assert control.take().status == "PENDING"
    assert asked == [("acme", [dead], "RUNNING")] * 2


def test_the_jobs_of_a_cancelled_run_are_cancelled_too(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, asked = control.add_run("RUNNING", day=DAY), []

    def cancel_jobs(tenant: str, run_ids: list[str]) -> None:
        asked.append((run_ids, control.runs()[0][0]))
        raise WarehouseUnreachable("BigQuery did not answer.")

    monkeypatch.setattr(control.context.store, "cancel_jobs", cancel_jobs)
    assert runs.cancel(control.context.store, "acme", run, "by hand")
    assert asked == [([run], "CANCELLED")]
    assert runs.cancel(control.context.store, "acme", run, "by hand") is None and len(asked) == 1


def test_a_pid_that_another_program_was_given_since_frees_the_dates(control: Control) -> None:
    killed = control.add_run("RUNNING", day=DAY, started=datetime.now(UTC) - timedelta(minutes=5))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        control.sql(
            "update acme.x_meta_pipeline_runs set worker_instance = ?",
            f"{this_host()}:{other.pid}",
        )
        run = control.take()
    assert run.id != killed and run.status == "PENDING"


def test_a_run_whose_process_is_there_since_its_start_keeps_its_dates(control: Control) -> None:
    """Whatever its program is called: another program may embed the runner."""
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as same:
        alive = control.add_run("RUNNING", day=DAY)
        control.sql(
            "update acme.x_meta_pipeline_runs set worker_instance = ?",
            f"{this_host()}:{same.pid}",
        )
        assert control.take().id == alive


def test_without_the_locks_row_nothing_is_claimed(control: Control) -> None:
    """On BigQuery two such claims would conflict over nothing, and both be made."""
    control.sql("delete from acme.x_meta_lock")
    with pytest.raises(StatementRefused, match="runner tenant repair acme"):
        control.take()
    assert control.runs() == []
    assert control.value("select count(*) from tenants.tenant_usage_events") == 0


def test_a_refusal_is_recorded_without_the_locks_row(control: Control) -> None:
    control.sql("delete from acme.x_meta_lock")
    claim.refuse(control.context.store, request(), "there is no such template")
    assert control.runs() == [("REFUSED", "there is no such template")]


def test_a_dead_runs_duration_is_reported(control: Control) -> None:
    began = datetime.now(UTC) - timedelta(hours=1)
    control.add_run("RUNNING", started=began, leased_for=timedelta(seconds=-1))
    control.take()
    duration = control.value(
        "select duration_ms from acme.x_meta_pipeline_runs where status = 'FAILED'"
    )
    assert duration is not None and abs(duration - 3_600_000) < 60_000


@pytest.mark.parametrize("closed_by", ["lease", "cancel"])
def test_the_steps_of_a_run_that_was_closed_have_their_durations(
    control: Control, closed_by: str
) -> None:
    began = datetime.now(UTC) - timedelta(hours=1)
    leased = timedelta(minutes=-1 if closed_by == "lease" else 1)
    run_id = control.add_run("RUNNING", started=began, leased_for=leased)
    control.sql(
        "insert into acme.x_meta_step_logs by name select 's' as step_logging_id,"
        " ? as pipeline_logging_id, 'RUNNING' as status, ? as start_time",
        run_id,
        began.replace(tzinfo=None),
    )
    if closed_by == "lease":
        runs.end_dead_leases(control.context.store, "acme")
    else:
        assert runs.cancel(control.context.store, "acme", run_id, "cancelled by root")
    duration = control.value("select duration_ms from acme.x_meta_step_logs")
    assert duration is not None and abs(duration - 3_600_000) < 60_000


def test_a_run_with_a_valid_lease_is_not_closed(control: Control) -> None:
    alive = control.add_run("RUNNING", leased_for=timedelta(minutes=1))
    control.take()
    status = control.value(
        "select status from acme.x_meta_pipeline_runs where pipeline_logging_id = ?", alive
    )
    assert status == "RUNNING"


def test_a_run_that_started_is_an_event(control: Control) -> None:
    run = control.take()
    events = control.sql(
        "select event_type, run_status, tenant_id, usage_date, pipeline_logging_id"
        " from tenants.tenant_usage_events"
    )
    assert events == [("started", "PENDING", "acme", run.start_time.date(), run.id)]


def test_a_refusal_is_an_event_and_no_start(control: Control) -> None:
    control.subscribe(daily_limit=0)
    control.take()
    events = control.sql("select event_type, run_status from tenants.tenant_usage_events")
    assert events == [("refused", "REFUSED")]


def test_a_dead_lease_is_an_event(control: Control) -> None:
    dead = control.add_run("RUNNING", leased_for=timedelta(seconds=-1))
    control.take()
    events = control.sql(
        "select event_type, run_status from tenants.tenant_usage_events"
        " where pipeline_logging_id = ?",
        dead,
    )
    assert events == [("finished", "FAILED")]


def test_a_duplicate_is_no_event(control: Control) -> None:
    control.take()
    control.take()
    assert control.value("select count(*) from tenants.tenant_usage_events") == 1


def test_what_callers_send_is_stored_and_never_run(control: Control) -> None:
    words = "'); delete from tenants.tenant_profiles; --"
    run = control.take(trigger_by=words, user_id=words)
    assert run.trigger_by == words and run.user_id == words
    assert control.value("select count(*) from tenants.tenant_profiles") == 2


@pytest.mark.parametrize("word", ["order", "select", "group", "user", "all", "table", "end"])
def test_an_sql_word_is_a_tenant_id_that_works_or_is_refused(control: Control, word: str) -> None:
    try:
        names.tenant_id(word)
    except UsageProblem:
        return
    write_control_file(control.path, (word,))
    assert control.take(tenant_id=word).status == "PENDING"


def test_a_run_that_no_service_dequeued_fails_with_that_message(control: Control) -> None:
    run = control.take(queued=True)
    control.sql("update acme.x_meta_pipeline_runs set lease_expires_at = ?", datetime(2024, 1, 1))
    assert queue.sweep(control.context.store, "acme") == queue.SweepResult((run.id,), 1)
    ((status, reported),) = control.runs()
    assert status == "FAILED" and reported.startswith("no service dequeued it within a day")
    assert "runner serve" in reported


def test_a_waiting_run_of_a_suspended_tenant_is_not_dequeued(control: Control) -> None:
    run = control.take(queued=True)
    assert queue.cancel_suspended(control.context.store, "acme", run.id) is None
    control.sql("update tenants.tenant_profiles set status = 'SUSPENDED'")
    assert queue.dequeue(control.context.store, "acme", run.id, 20) is None
    ended = queue.cancel_suspended(control.context.store, "acme", run.id)
    assert ended and ended.status == "CANCELLED"
    assert ended.error_message == "not run, because the tenant is suspended"
