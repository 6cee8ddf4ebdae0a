"""The queue of `runner serve`: runs that wait for a service to dequeue them."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from runner.control import claim_sql, queue_sql, runs, runs_sql, spooled, tenants_sql, turns
from runner.control.processes import hostname_and_pid
from runner.control.runs import QUEUE, Run
from runner.control.store import Store
from runner.sql import Value

# How long a run waits while no service runs.
QUEUE_PATIENCE = timedelta(hours=24)


@dataclass(frozen=True)
class SweepResult:
    """The tenant's queued runs, oldest first; how many dead runs were closed; runs of a process."""

    waiting: tuple[str, ...]
    closed: int
    owned: frozenset[str] = frozenset()


def sweep(store: Store, tenant_id: str, lost: Collection[str] = ()) -> SweepResult:
    """Find queued runs, close dead ones, and requeue those that were dequeued under a `lost` name.

    `lost`: the names, see `worker_name`, of failed attempts. A dequeue may be committed without an
    answer: then only the run's row has it.
    """
    active = store.read(runs_sql.ACTIVE_RUNS.format(tenant=tenant_id))
    closed = runs.end_dead(store, tenant_id, active)
    queued: list[str] = []
    owned: set[str] = set()
    for row in sorted(active, key=lambda row: row["start_time"]):
        name, run_id = row["worker_instance"] or "", row["pipeline_logging_id"]
        if name in lost:
            named, values = requeueing(run_id, name)
            store.write(*spooled.texts(tenant_id, named), **values)
        if name in lost or name == QUEUE:
            queued.append(run_id)
        else:
            owned.add(run_id)
    return SweepResult(tuple(queued), closed, frozenset(owned))


def worker_name() -> str:
    """This process as the worker of a run that it dequeues now.

    With the time, because the process may have started after the run; see `process_exited`.
    """
    return f"{hostname_and_pid()}@{datetime.now(UTC).timestamp():.6f}"


def dequeue(
    store: Store, tenant_id: str, run_id: str, minutes: float, me: str | None = None
) -> Run | None:
    """Assign a queued run to this process, RUNNING. None when it has left the queue.

    Compare and set in one transaction, so only one of several services gets it; none while the
    tenant is not ACTIVE or a process has another run of the tenant. `minutes`: the run's timeout.
    `me`: the name of the worker, see `worker_name`.
    """

    def when() -> dict[str, Value]:
        now = datetime.now(UTC)
        return {"now": now, "lease_expires_at": now + turns.build_lease(minutes)}

    statements = (claim_sql.CLAIM_LOCK, queue_sql.DEQUEUE, runs_sql.RUN)
    me = me or worker_name()
    rows = store.write_in_turn(
        when,
        *(statement.format(tenant=tenant_id) for statement in statements),
        run_id=run_id,
        tenant_id=tenant_id,
        worker_instance=me,
        queue=QUEUE,
    )
    is_dequeued = bool(rows) and rows[0]["worker_instance"] == me
    return runs.run_from_row(rows[0]) if is_dequeued else None


def cancel_suspended(store: Store, tenant_id: str, run_id: str) -> Run | None:
    """Cancel a queued run whose tenant is not ACTIVE. None when it is, or the run was dequeued."""
    status = store.read(tenants_sql.PROFILE_STATUS, tenant_id=tenant_id)
    rows = store.read(runs_sql.RUN.format(tenant=tenant_id), run_id=run_id)
    waits = bool(rows) and (rows[0]["status"], rows[0]["worker_instance"]) == ("PENDING", QUEUE)
    if not waits or (status and status[0]["status"] == "ACTIVE"):
        return None
    standing = (status[0]["status"] or "without a status").lower() if status else "deleted"
    return runs.cancel(store, tenant_id, run_id, f"not run, because the tenant is {standing}")


def requeueing(run_id: str, me: str | None) -> tuple[tuple[spooled.Named, ...], dict[str, Value]]:
    """The transaction that requeues a run dequeued by `me`, as if it had never started."""
    return (("REQUEUE", 0), ("DROP_RUN_STEPS", 0), ("RUN", 0)), {
        "run_id": run_id,
        "me": me,
        "queue": QUEUE,
        "lease_expires_at": datetime.now(UTC) + QUEUE_PATIENCE,
    }
