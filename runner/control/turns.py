"""The turn of a run among the runs of its tenant, and its leases."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from runner.control import claim_sql, queue_sql, runs, runs_sql
from runner.control.runs import LONG_AGO, QUEUE, Run
from runner.control.store import Store
from runner.sql import Row, Value

# A run whose lease has expired counts as dead; the grace covers the work after dbt's timeout.
LEASE_GRACE = timedelta(minutes=10)

# The lease of a run that waits for its turn. It is renewed when half of it is over.
WAITING_LEASE = timedelta(minutes=2)


def build_lease(timeout_minutes: float) -> timedelta:
    return timedelta(minutes=timeout_minutes) + LEASE_GRACE


@dataclass(frozen=True)
class Turn:
    """A run's status, None if it has ended, and the runs of its tenant that are before it.

    `ahead`: ids of the runs that build before it, in order.
    """

    status: str | None
    ahead: tuple[str, ...]


def turn_of(run: Run, active: Sequence[Row]) -> Turn:
    """The run's place among the tenant's active runs (rows of ACTIVE_RUNS).

    Runs in the service's queue are not counted: they wait until no other run is active.
    """

    def place(row: Row) -> tuple[bool, datetime, str]:
        return row["status"] != "RUNNING", row["start_time"], row["pipeline_logging_id"]

    mine = (True, run.start_time or LONG_AGO, run.id)
    others = (row for row in active if row["worker_instance"] != QUEUE)
    ahead = sorted(place(row) for row in others if row["pipeline_logging_id"] != run.id)
    status = next((row["status"] for row in active if row["pipeline_logging_id"] == run.id), None)
    return Turn(status, tuple(place[-1] for place in ahead if place < mine))


def start(store: Store, run: Run, timeout_minutes: float) -> Turn:
    """Make the run RUNNING, with its full lease, if it is its turn and the claim has not."""
    if run.status == "RUNNING":
        return Turn("RUNNING", ())

    def when() -> dict[str, Value]:
        now = datetime.now(UTC)
        return {"now": now, "lease_expires_at": now + build_lease(timeout_minutes)}

    statements = (claim_sql.CLAIM_LOCK, queue_sql.START, runs_sql.ACTIVE_RUNS)
    active = store.write_in_turn(
        when,
        *(statement.format(tenant=run.tenant_id) for statement in statements),
        run_id=run.id,
        start_time=run.start_time,
        queue=QUEUE,
    )
    return turn_of(run, active)


def wait_for_turn(store: Store, run: Run) -> Turn:
    """The turn of a waiting run. Renews its lease, and closes dead runs so that it need not wait
    for them."""
    statement = runs_sql.ACTIVE_RUNS.format(tenant=run.tenant_id)
    active = store.read(statement)
    now = datetime.now(UTC)
    for row in active:
        ends = row["lease_expires_at"]
        if row["pipeline_logging_id"] == run.id and ends < now + WAITING_LEASE / 2:
            # Before dead runs are closed: this one's machine may have been suspended.
            store.write(
                queue_sql.RENEW.format(tenant=run.tenant_id),
                run_id=run.id,
                lease_expires_at=now + WAITING_LEASE,
            )
    others = [row for row in active if row["pipeline_logging_id"] != run.id]
    if runs.end_dead(store, run.tenant_id, others):
        active = store.read(statement)
    return turn_of(run, active)


def waiting_for(store: Store, run: Run) -> str | None:
    """What a PENDING run waits for: "run ID", or the command that dequeues it; else None."""
    if run.status != "PENDING":
        return None
    if run.is_queued:
        return "`runner serve`"
    turn = turn_of(run, store.read(runs_sql.ACTIVE_RUNS.format(tenant=run.tenant_id)))
    return f"run {turn.ahead[0]}" if turn.ahead else None
