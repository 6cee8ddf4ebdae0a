"""Waiting for a run that somebody else started."""

import time
from collections.abc import Callable
from dataclasses import replace

from runner import claim
from runner import control_sql as sql
from runner.run import Report
from runner.warehouse import Warehouse


def to_its_end(warehouse: Warehouse, run: claim.Run, say: Callable[[str], None]) -> Report:
    """Look at the run until it has ended; its end as a report of our own, marked deduplicated.

    A run whose process is gone is closed on the way, so the wait always ends.
    """
    told = ""
    while True:
        claim.end_dead_leases(warehouse, run.tenant_id)
        row = warehouse.read(sql.RUN.format(tenant=run.tenant_id), run_id=run.id)[0]
        now = replace(claim.as_run(row), deduplicated=True)
        if now.status not in ("PENDING", "RUNNING"):
            return Report(now, now.status, now.duration_ms or 0)
        steps = warehouse.read(sql.STEPS.format(tenant=run.tenant_id), run_id=run.id)
        done = sum(step["status"] != "RUNNING" for step in steps)
        line = f"run {run.id} is {now.status}, {done} steps done"
        if line != told:
            say(line)
            told = line
        time.sleep(warehouse.seconds_between_looks)
