"""Runs as the control tables have them, and how one that died or is cancelled is closed."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from runner.control import claim_sql, processes, runs_sql
from runner.control import runs_sql as sql
from runner.control.store import Store
from runner.dates import DateRange
from runner.errors import WarehouseProblem
from runner.findings import parsed
from runner.pipelines.templates import DEFAULT
from runner.sql import Row, Value

# Closing dead runs, and their steps with them.
_EXPIRE = (runs_sql.CLAIM_EXPIRE_STEPS, runs_sql.CLAIM_EXPIRE)

# A run that has not ended has one of these.
ACTIVE = ("PENDING", "RUNNING")

# Whose a run is that was asked for and waits for a service to take it up: nobody's process.
QUEUE = "queue"

# When a run began that nobody knows of when.
LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Run:
    """A row of x_meta_pipeline_runs. `deduplicated`: it is another's run that has some dates."""

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
        """Whether it waits for a service to take it up: no process has it."""
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


def end_dead_leases(store: Store, tenant_id: str) -> None:
    """Close what nobody runs any more: its lease is over, or its process on this host is gone.

    Whoever looks at a tenant's runs calls this first, so that no run stays RUNNING for ever.
    """
    end_dead(store, tenant_id, store.read(runs_sql.ACTIVE_RUNS.format(tenant=tenant_id)))


def end_dead(store: Store, tenant_id: str, active: Sequence[Row]) -> int:
    """Close those of the active runs (rows of ACTIVE_RUNS) that are dead; how many that were."""
    now = datetime.now(UTC)
    dead = [row for row in active if processes.is_gone(row["worker_instance"], row["start_time"])]
    closed = len([row for row in active if row in dead or row["lease_expires_at"] <= now])
    if not closed:
        return 0
    values: dict[str, Value] = {
        f"dead_{n}": row["pipeline_logging_id"] for n, row in enumerate(dead)
    }
    store.write(
        claim_sql.CLAIM_LOCK.format(tenant=tenant_id),
        *(runs_sql.END_LEASE.format(tenant=tenant_id, n=n) for n in range(len(dead))),
        *(statement.format(tenant=tenant_id) for statement in (*_EXPIRE, runs_sql.MISSING_EVENTS)),
        run_id="sweep",
        now=now,
        **values,
    )
    return closed


def is_ours(store: Store, run: Run, status: str | None = None) -> bool:
    """Whether the run is still active; False once somebody cancelled it or took it for dead.

    `status`: as just read, if it was. A warehouse that does not answer leaves it ours: the end
    will tell.
    """
    if status is None:
        try:
            rows = store.read(runs_sql.RUN_STATUS.format(tenant=run.tenant_id), run_id=run.id)
        except WarehouseProblem:
            return True
        status = rows[0]["status"] if rows else None
    return status in ACTIVE


def cancel(store: Store, tenant_id: str, run_id: str, why: str) -> Run | None:
    """Close an active run as CANCELLED; its process stops at its next look. None: it had ended."""
    now = datetime.now(UTC)
    rows = store.write(
        runs_sql.CANCEL_STEPS.format(tenant=tenant_id),
        runs_sql.CANCEL.format(tenant=tenant_id),
        runs_sql.FINISH_EVENT.format(tenant=tenant_id),
        runs_sql.RUN.format(tenant=tenant_id),
        run_id=run_id,
        now=now,
        error_message=why,
    )
    was_ours = bool(rows) and rows[0]["status"] == "CANCELLED" and rows[0]["end_time"] == now
    return as_run(rows[0]) if was_ours else None


def as_run(row: Row, deduplicated: bool = False) -> Run:
    """A row with control_sql.RUN_COLUMNS as a Run."""
    return Run(
        id=row["pipeline_logging_id"],
        pipeline_id=row["pipeline_id"],
        tenant_id=row["tenant_id"],
        status=row["status"],
        run_date=row["run_date"],
        to_date=row["to_date"],
        start_time=row["start_time"],
        end_time=row["end_time"],
        duration_ms=row["duration_ms"],
        trigger_type=row["trigger_type"],
        trigger_by=row["trigger_by"],
        error_message=row["error_message"],
        template=row["template"],
        row_count=row["row_count"],
        user_id=row["user_id"],
        warnings=tuple(parsed(row["warnings"]) or ()),
        deduplicated=deduplicated,
        worker_instance=row["worker_instance"],
    )


def steps_of(store: Store, tenant_id: str, run_id: str) -> list[Row]:
    """The written steps of a run, in order."""
    rows = store.read(sql.STEPS.format(tenant=tenant_id), run_id=run_id)
    return [{**row, "warnings": parsed(row["warnings"]) or []} for row in rows]
