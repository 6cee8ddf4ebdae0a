"""A tenant that reads a landing: which dates it may run, and when. dbt's outcome is given."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from control_file import DAY, Control, request

from runner.control import claim, runs
from runner.engine.job import Outcome
from runner.orchestration import claiming, follow, landings
from runner.orchestration.report import Report
from runner.orchestration.run import run_dates
from runner.pipelines import templates

TEMPLATE = templates.load(templates.DEFAULT)
LANDING = "globex-gcp-export-landing"
NEXT = DAY + timedelta(days=1)
COMPLETED = ("COMPLETED", None)


def landed(control: Control, status: str = "COMPLETED", **changes: Any) -> str:
    """A run of the landing globex for the day and the next."""
    given = {"day": DAY, "to_day": NEXT, "tenant": "globex", "pipeline": LANDING, **changes}
    return control.add_run(status, **given)


def asked(**changes: Any) -> claim.Request:
    """What acme asks for, which reads globex."""
    return request(DAY, NEXT, landings=("globex",), **changes)


def run(control: Control, on_event: Callable[[Any], None] = lambda event: None) -> Report:
    with replace(control.context, on_event=on_event) as context:
        return run_dates(context, asked(), TEMPLATE)


def end(control: Control, run_id: str, status: str) -> None:
    control.sql(
        "update globex.x_meta_pipeline_runs set status = ? where pipeline_logging_id = ?",
        status,
        run_id,
    )


def test_dates_whose_last_run_of_the_landing_completed_may_run(control: Control, dbt: Any) -> None:
    landed(control, "FAILED", started=datetime(2024, 12, 1, tzinfo=UTC))
    known = landed(control)
    landed(control, "FAILED", day=NEXT + timedelta(days=1), to_day=None)
    landed(control, "REFUSED")
    assert known in landings.require_dates(control.context.store, asked())
    assert run(control).status == "COMPLETED"


@pytest.mark.parametrize("last", ["FAILED", "CANCELLED"])
def test_a_date_whose_last_run_of_the_landing_did_not_complete_is_refused(
    control: Control, dbt: Any, last: str
) -> None:
    landed(control, started=datetime(2024, 12, 1, tzinfo=UTC))
    landed(control, last, day=NEXT, to_day=None)
    with pytest.raises(landings.DatesNotLanded) as lacking:
        run(control)
    assert f"--tenant globex --from {NEXT} --to {NEXT}" in lacking.value.message
    assert control.runs() == [] and dbt.jobs == []


@pytest.mark.parametrize("status", ["PENDING", "RUNNING"])
def test_while_a_run_of_the_landing_has_a_date_its_readers_are_refused(
    control: Control, dbt: Any, status: str
) -> None:
    landed(control, started=datetime(2024, 12, 1, tzinfo=UTC))
    busy = landed(control, status, day=NEXT, to_day=None)
    with pytest.raises(landings.LandingIsActive) as active:
        run(control)
    assert busy in active.value.message and active.value.exit_code == 2
    assert control.runs() == [] and dbt.jobs == []


def test_dates_that_no_active_run_will_land_are_not_worth_waiting_for(control: Control) -> None:
    landed(control, "RUNNING", to_day=None)
    with pytest.raises(landings.DatesNotLanded) as lacking:
        landings.require_dates(control.context.store, asked())
    assert not isinstance(lacking.value, landings.LandingIsActive)
    assert f"--from {NEXT} --to {NEXT}" in lacking.value.message


def test_a_dead_run_of_the_landing_is_closed_and_its_dates_are_refused(control: Control) -> None:
    landed(control, started=datetime(2024, 12, 1, tzinfo=UTC))
    landed(control, "RUNNING", leased_for=timedelta(minutes=-1))
    with pytest.raises(landings.DatesNotLanded, match="has no completed run"):
        landings.require_dates(control.context.store, asked())
    assert control.runs("globex")[-1][0] == "FAILED"


def test_a_queued_run_may_be_claimed_while_its_landing_is_active(control: Control) -> None:
    landed(control, "RUNNING")
    assert claiming.claimed(control.context, asked(queued=True), "a-run").status == "PENDING"


def test_with_wait_the_run_begins_when_the_landing_has_ended(
    control: Control, dbt: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = landed(control, "RUNNING")
    monkeypatch.setattr("time.sleep", lambda seconds: end(control, busy, "COMPLETED"))
    printed: list[str] = []
    report = follow.or_start(replace(control.context, echo=printed.append), lambda: run(control))
    assert report.status == "COMPLETED" and busy in printed[0]


@pytest.mark.parametrize(("landing", "status"), [("COMPLETED", "COMPLETED"), ("FAILED", "FAILED")])
def test_a_landing_that_is_run_between_claim_and_build_is_waited_for_before_dbt(
    control: Control, dbt: Any, monkeypatch: pytest.MonkeyPatch, landing: str, status: str
) -> None:
    landed(control)
    take, late = claim.take, []

    def taken(*args: Any, **named: Any) -> runs.Run:
        run = take(*args, **named)
        late.append(landed(control, "RUNNING"))
        return run

    def on_event(event: Any) -> None:
        if event.kind == "waiting" and "is RUNNING" in event.name:
            assert dbt.jobs == []
            end(control, late[0], landing)

    monkeypatch.setattr(claim, "take", taken)
    report = run(control, on_event)
    assert report.status == status
    assert bool(dbt.jobs) == (landing == "COMPLETED")


@pytest.mark.parametrize("status", ["RUNNING", "FAILED", "CANCELLED", "COMPLETED"])
def test_a_landing_that_is_run_while_dbt_works_fails_the_run(
    control: Control, dbt: Any, status: str
) -> None:
    landed(control)
    began: list[str] = []

    def on_event(event: Any) -> None:
        if event.kind == "started":
            began.append(landed(control, status, day=NEXT, to_day=None))

    report = run(control, on_event)
    ((ended, error),) = control.runs()
    assert (report.status, ended) == ("FAILED", "FAILED")
    assert began[0] in error and status in error and "run it again" in error


def test_a_landing_that_only_waits_or_has_other_dates_fails_nothing(
    control: Control, dbt: Any
) -> None:
    landed(control)

    def on_event(event: Any) -> None:
        if event.kind == "started":
            landed(control, "PENDING")
            landed(control, "RUNNING", day=NEXT + timedelta(days=1), to_day=None)

    assert run(control, on_event).status == "COMPLETED"
    assert control.runs() == [COMPLETED]


def test_a_failed_run_keeps_its_own_error(control: Control, dbt: Any) -> None:
    landed(control)
    dbt.outcome = Outcome(False, "its own error")
    report = run(control, lambda event: landed(control, "RUNNING") and None)
    assert report.outcome and (report.outcome.error or "").startswith("its own error.")
