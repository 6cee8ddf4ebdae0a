"""Waiting for a run that another command started."""

from collections.abc import Callable
from dataclasses import replace

from runner.context import Context
from runner.control import runs, runs_sql, turns
from runner.engine.job import Outcome
from runner.orchestration import landings
from runner.orchestration.report import Report


def or_start(context: Context, start: Callable[[], Report]) -> Report:
    """Start a run; while another run has some of its dates, wait for that one and retry.

    If the other run covers the dates, its end is the result. Also waits for a run of the landing
    that the tenant reads. Raises Interrupted.
    """
    while True:
        try:
            report = start()
        except landings.LandingIsActive as busy:
            to_its_end(context, busy.run)
            continue
        if not report.run.deduplicated:
            return report
        ended = to_its_end(context, report.run)
        if report.covered:
            return ended


def to_its_end(context: Context, run: runs.Run) -> Report:
    """Wait until the run has ended; returns its report, marked deduplicated.

    Dead runs are closed meanwhile, so the wait always ends.
    """
    store, shown = context.store, ""
    while True:
        context.stop.check()
        runs.end_dead_leases(store, run.tenant_id)
        row = store.read(runs_sql.RUN.format(tenant=run.tenant_id), run_id=run.id)[0]
        now = replace(runs.run_from_row(row), deduplicated=True)
        if now.status not in runs.ACTIVE:
            has_completed = now.status == "COMPLETED"
            outcome = None if has_completed else Outcome(False, now.error_message)
            return Report(now, now.status, now.duration_ms or 0, outcome)
        if waits := turns.waiting_for(store, now):
            state = f"waits for {waits}"
        else:
            steps = store.read(runs_sql.STEPS.format(tenant=run.tenant_id), run_id=run.id)
            done = sum(step["status"] != "RUNNING" for step in steps)
            state = f"is {now.status}, {done} steps done"
        line = f"run {run.id} {state}"
        if line != shown:
            context.echo(line)
            shown = line
        context.stop.sleep(store.poll_seconds)
