"""What a tenant has used: counted from its runs, and the view that operators query."""

from datetime import UTC, datetime, timedelta

import pytest
from control_file import DAY, Control

from runner.control import quota, runs
from runner.errors import UsageProblem
from runner.orchestration import step_log


def used(control: Control) -> dict[str, tuple[int, int, int]]:
    reported = quota.of(control.context.store, "acme")
    return {limit.name: (limit.used, limit.limit, limit.remaining) for limit in reported.limits}


def test_a_new_tenant_has_used_nothing(control: Control) -> None:
    assert used(control) == {
        "daily": (0, 25, 25),
        "monthly": (0, 750, 750),
        "concurrent": (0, 5, 5),
    }


def test_runs_are_counted_refused_ones_are_not(control: Control) -> None:
    for status in ("COMPLETED", "FAILED", "CANCELLED", "REFUSED", "RUNNING"):
        control.add_run(status)
    assert used(control)["daily"] == (4, 25, 21)
    assert used(control)["concurrent"] == (1, 5, 4)


def test_a_dead_lease_takes_no_slot(control: Control) -> None:
    control.add_run("RUNNING", leased_for=timedelta(seconds=-1))
    assert used(control)["concurrent"] == (0, 5, 5)


def test_what_remains_is_never_below_nothing(control: Control) -> None:
    control.add_run()
    control.add_run()
    control.subscribe(daily_limit=1)
    assert used(control)["daily"] == (2, 1, 0)


def test_limits_have_the_time_of_their_reset(control: Control) -> None:
    now = datetime.now(UTC)
    daily, monthly, concurrent = quota.of(control.context.store, "acme").limits
    assert daily.resets_at == datetime(now.year, now.month, now.day, tzinfo=UTC) + timedelta(1)
    assert monthly.resets_at is not None
    assert monthly.resets_at.day == 1 and timedelta() < monthly.resets_at - now < timedelta(32)
    assert concurrent.resets_at is None


def test_what_is_left_is_reported_with_when_there_is_more(control: Control) -> None:
    control.subscribe(concurrent_limit=1)
    control.add_run("RUNNING")
    reported = quota.of(control.context.store, "acme").in_words()
    daily, monthly, concurrent = reported.removeprefix("Left: ").split(", ")
    assert daily.startswith("24 daily (resets ") and monthly.startswith("749 monthly (resets ")
    assert concurrent == "0 concurrent (when a run ends)."


def test_an_unknown_tenant_is_answered_with_near_ones(control: Control) -> None:
    with pytest.raises(UsageProblem, match="did you mean acme"):
        quota.of(control.context.store, "acmee")


def test_the_claim_and_the_quota_agree(control: Control) -> None:
    control.subscribe(daily_limit=3)
    for n in range(3):
        assert used(control)["daily"][2] == 3 - n
        control.take(DAY + timedelta(days=n))
    assert used(control)["daily"] == (3, 3, 0)
    assert control.take(DAY + timedelta(days=9)).status == "REFUSED"


def todays_row(control: Control, tenant: str = "acme") -> tuple:
    _, (row,) = control.context.dataset.query(
        "select pipelines_run_today, pipelines_succeeded_today, pipelines_failed_today,"
        " pipelines_run_month, concurrent_pipelines_running, daily_limit"
        f" from tenants.tenant_usage_quotas where tenant_id = '{tenant}'"
        " and usage_date = current_date",
        [],
    )
    return row


def test_the_view_has_a_row_for_today_without_any_run(control: Control) -> None:
    """The predecessor's nightly reset zeroed old rows and never made today's."""
    assert todays_row(control) == (0, 0, 0, 0, 0, 25)


def finish(control: Control, run: runs.Run, *end) -> None:
    steps = step_log.StepLog(control.context.store, run)
    step_log.finish(control.context, steps, step_log.End(*end), [])


def test_the_view_moves_with_each_run(control: Control) -> None:
    """The predecessor's counters were written to one dataset and read from another."""
    first = control.take(DAY)
    second = control.take(DAY + timedelta(days=1))
    assert todays_row(control) == (2, 0, 0, 2, 2, 25)
    finish(control, first, "COMPLETED", None, (), 1)
    finish(control, second, "FAILED", "x", (), 0)
    assert todays_row(control) == (2, 1, 1, 2, 0, 25)
    assert todays_row(control, "globex") == (0, 0, 0, 0, 0, 25)


def test_the_view_counts_no_refusal_and_no_duplicate(control: Control) -> None:
    control.take()
    control.take()
    control.subscribe(daily_limit=1)
    control.take(DAY + timedelta(days=1))
    assert todays_row(control)[0] == 1


def test_the_view_frees_the_slot_of_a_dead_run(control: Control) -> None:
    run = control.take()
    control.sql("update acme.x_meta_pipeline_runs set lease_expires_at = ?", datetime(2000, 1, 1))
    control.take()
    assert run.id and todays_row(control)[:5] == (2, 0, 1, 2, 1)
