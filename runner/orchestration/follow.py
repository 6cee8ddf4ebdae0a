"""Waiting for a run that somebody else started."""

import time
from collections.abc import Callable
from dataclasses import replace

from runner.control import runs, turns
from runner.control import runs_sql as sql
from runner.engine.job import Outcome
from runner.errors import Interrupted
from runner.orchestration import landings
from runner.orchestration.report import Report
from runner.warehouse import Warehouse


def or_start(
    start: Callable[[], Report],
    warehouse: Warehouse,
    say: Callable[[str], None],
    stopped_by: Callable[[], int] = lambda: 0,
) -> Report:
    """Start a run; while another's has some of its dates, wait for that and start again.

    Another's run that covers the dates is the answer, however it ends. A run of the landing that
    the tenant reads is waited for, too.
    """
    while True:
        try:
            report = start()
        except landings.LandingIsActive as busy:
            to_its_end(warehouse, busy.run, say, stopped_by)
            continue
        if not report.run.deduplicated:
            return report
        ended = to_its_end(warehouse, report.run, say, stopped_by)
        if report.covered:
            return ended


def to_its_end(
    warehouse: Warehouse,
    run: runs.Run,
    say: Callable[[str], None],
    stopped_by: Callable[[], int] = lambda: 0,
) -> Report:
    """Look at the run until it has ended; its end as a report of our own, marked deduplicated.

    A run whose process is gone is closed on the way, so the wait always ends.
    """
    told = ""
    while True:
        if number := stopped_by():
            raise Interrupted(number)
        runs.end_dead_leases(warehouse, run.tenant_id)
        row = warehouse.read(sql.RUN.format(tenant=run.tenant_id), run_id=run.id)[0]
        now = replace(runs.as_run(row), deduplicated=True)
        if now.status not in ("PENDING", "RUNNING"):
            is_well = now.status == "COMPLETED"
            outcome = None if is_well else Outcome(False, now.error_message)
            return Report(now, now.status, now.duration_ms or 0, outcome)
        steps = warehouse.read(sql.STEPS.format(tenant=run.tenant_id), run_id=run.id)
        done = sum(step["status"] != "RUNNING" for step in steps)
        waits = turns.waiting_for(warehouse, now)
        doing = f"waits for {waits}" if waits else f"is {now.status}, {done} steps done"
        line = f"run {run.id} {doing}"
        if line != told:
            say(line)
            told = line
        time.sleep(warehouse.seconds_between_looks)
