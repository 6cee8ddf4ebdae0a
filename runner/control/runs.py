"""Runs as the control tables have them, and how dead and cancelled runs are closed."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from typing import Literal, get_args

from runner.control import claim_sql, processes
from runner.control import runs_sql as sql
from runner.control.store import Store
from runner.dates import DateRange
from runner.errors import WarehouseProblem
from runner.expectations import parsed
from runner.names import EARLIEST
from runner.pipelines.templates import DEFAULT
from runner.sql import Row, Value

log = logging.getLogger(__name__)

Status = Literal["PENDING", "RUNNING", "COMPLETED", "FAILED", "CANCELLED", "REFUSED"]
STATUSES = get_args(Status)
# The statuses of a run that has not ended.
ACTIVE = ("PENDING", "RUNNING")

# The worker of a run that waits for a service: no process.
QUEUE = "queue"

# For a run without a start time.
LONG_AGO = datetime.min.replace(tzinfo=UTC)

# Usage events of this time are read: no run is active for longer.
EVENTS = timedelta(days=40)

DIED = "lease expired: the process that ran it ended without a report"


@dataclass(frozen=True)
class Run:
    """A row of x_meta_pipeline_runs. `deduplicated`: another command's run with some dates."""

    id: str
    pipeline_id: str
    tenant_id: str
    status: str
    run_date: date
    to_date: date
    start_time: datetime
    end_time: datetime | None
    duration_ms: int | None
    trigger_type: str
    trigger_by: str
    error_message: str | None
    template: str
    row_count: int | None
    user_id: str | None
    warnings: tuple[str, ...] = ()
    deduplicated: bool = False
    worker_instance: str | None = None
    # What a PENDING run waits for, as `waiting_for` reads it.
    waits_for: str | None = None

    @property
    def is_queued(self) -> bool:
        """Whether it waits for a service to dequeue it: no process has it."""
        return self.worker_instance == QUEUE

    @property
    def dates(self) -> DateRange:
        """The usage dates that it builds."""
        return DateRange(self.run_date, self.to_date)

    @property
    def rerun_command(self) -> str:
        """The command that runs the same dates again."""
        command = f"runner run --tenant {self.tenant_id}"
        if self.template != DEFAULT:
            command += f" --pipeline {self.template}"
        if self.run_date == self.to_date:
            return f"{command} --date {self.run_date}"
        return f"{command} --from {self.run_date} --to {self.to_date}"


def of_events(tenant_id: str, now: datetime) -> dict[str, Value]:
    """The bound values with which a statement reads only the tenant's newest usage events."""
    return {"tenant_id": tenant_id, "events_since": now.date() - EVENTS}


def tenant_of(store: Store, run_id: str) -> str | None:
    """The run's tenant, by the newest usage events or else by all; None for an unknown run."""
    for since in ((datetime.now(UTC) - EVENTS).date(), EARLIEST):
        if rows := store.read(sql.TENANT_OF_RUN, run_id=run_id, events_since=since):
            return str(rows[0]["tenant_id"])
    return None


def end_dead_leases(store: Store, tenant_id: str) -> None:
    """Close the tenant's dead runs. Called before its runs are read, so none is RUNNING for ever.

    A run is dead when its lease has expired or its process on this host has exited.
    """
    end_dead(store, tenant_id, store.read(sql.ACTIVE_RUNS.format(tenant=tenant_id)))


def end_dead(store: Store, tenant_id: str, active: Sequence[Row]) -> int:
    """Close the dead ones of the active runs (rows of ACTIVE_RUNS); returns their number."""
    now = datetime.now(UTC)
    dead = [
        row for row in active if processes.process_exited(row["worker_instance"], row["start_time"])
    ]
    closed = [row for row in active if row in dead or row["lease_expires_at"] <= now]
    if not closed:
        return 0
    # Else a job of the dead run could commit after the next run of its dates.
    if began := [row["pipeline_logging_id"] for row in closed if row["status"] == "RUNNING"]:
        store.cancel_jobs(tenant_id, began)
    statements = (claim_sql.CLAIM_LOCK, *[sql.END_LEASE] * len(dead))
    statements += (sql.EXPIRE, sql.CLOSE_STEPS, sql.MISSING_EVENTS)
    values: dict[str, Value] = {
        f"dead_{n}": row["pipeline_logging_id"] for n, row in enumerate(dead)
    }
    store.write(
        *(text.format(tenant=tenant_id, n=n - 1) for n, text in enumerate(statements)),
        run_id="sweep",
        now=now,
        step_status="FAILED",
        step_error=DIED,
        **of_events(tenant_id, now),
        **values,
    )
    return len(closed)


def still_owned(store: Store, run: Run, status: str | None = None) -> bool:
    """Whether the run is still active: no other command has cancelled it or closed it as dead.

    `status`: its status if it was just read. True when the warehouse does not answer: the write
    of the run's end checks it again.
    """
    if status is None:
        try:
            rows = store.read(sql.RUN_STATUS.format(tenant=run.tenant_id), run_id=run.id)
        except WarehouseProblem:
            return True
        status = rows[0]["status"] if rows else None
    return status in ACTIVE


def cancel(store: Store, tenant_id: str, run_id: str, why: str) -> Run | None:
    """Close an active run as CANCELLED; its process then stops. None when it has ended before."""
    now = datetime.now(UTC)
    statements = (sql.CANCEL, sql.CLOSE_STEPS, sql.MISSING_EVENTS, sql.RUN)
    rows = store.write(
        *(statement.format(tenant=tenant_id) for statement in statements),
        run_id=run_id,
        now=now,
        error_message=why,
        step_status="CANCELLED",
        step_error=None,
        **of_events(tenant_id, now),
    )
    if not rows or rows[0]["status"] != "CANCELLED" or rows[0]["end_time"] != now:
        return None
    # After closing the run, so that its process sees the cancellation and not a failed job.
    try:
        store.cancel_jobs(tenant_id, [run_id])
    except WarehouseProblem as problem:
        log.warning("jobs of the cancelled run %s may still publish: %s", run_id, problem.message)
    return run_from_row(rows[0])


_COLUMNS = {one.name for one in fields(Run)} - {"id", "warnings", "deduplicated", "waits_for"}


def run_from_row(row: Row, deduplicated: bool = False) -> Run:
    """A row with RUN_COLUMNS as a Run."""
    return Run(
        id=row["pipeline_logging_id"],
        warnings=tuple(parsed(row["warnings"]) or ()),
        deduplicated=deduplicated,
        **{name: row[name] for name in _COLUMNS},
    )


def steps_of(store: Store, tenant_id: str, run_id: str) -> list[Row]:
    """The written steps of a run, in order."""
    rows = store.read(sql.STEPS.format(tenant=tenant_id), run_id=run_id)
    return [{**row, "warnings": parsed(row["warnings"]) or []} for row in rows]
