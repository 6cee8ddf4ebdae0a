"""Runs that wait for a service to take them up."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from runner.control import claim_sql, queue_sql, runs, runs_sql, spooled, tenants_sql, turns
from runner.control.processes import hostname_and_pid
from runner.control.runs import QUEUE, Run
from runner.control.store import Store
from runner.sql import Value

# So long it waits, though no service runs.
QUEUE_PATIENCE = timedelta(hours=24)


@dataclass(frozen=True)
class Swept:
    """What a sweep found: runs that wait to be taken up, oldest first; how many it closed.

    `owned`: active runs that a process has, such as those that build.
    """

    waiting: tuple[str, ...]
    closed: int
    owned: frozenset[str] = frozenset()


def sweep(store: Store, tenant_id: str, lost: Collection[str] = ()) -> Swept:
    """Find what waits; close what died; hand back what this process took up and nobody runs.

    `lost`: the names, see `name_of_taker`, by which it tried and then broke. A take-up may be
    committed though its answer never came: nobody knows of such a run but its row.
    """
    active = store.read(runs_sql.ACTIVE_RUNS.format(tenant=tenant_id))
    closed = runs.end_dead(store, tenant_id, active)
    found: list[str] = []
    owned: set[str] = set()
    for row in sorted(active, key=lambda row: row["start_time"]):
        name = row["worker_instance"] or ""
        if name in lost:
            named, values = requeueing(row["pipeline_logging_id"], name)
            store.write(*spooled.texts(tenant_id, named), **values)
        is_waiting = name in lost or name == QUEUE
        (found.append if is_waiting else owned.add)(row["pipeline_logging_id"])
    return Swept(tuple(found), closed, frozenset(owned))


def name_of_taker() -> str:
    """A name for who takes a run up: this process, now.

    With the moment: the process may be younger than the run, see `is_gone`.
    """
    return f"{hostname_and_pid()}@{datetime.now(UTC).timestamp():.6f}"


def dequeue(
    store: Store, tenant_id: str, run_id: str, minutes: float, me: str | None = None
) -> Run | None:
    """Make a waiting run this process's own, RUNNING. None: another took it, or it has ended.

    Compare and set in one transaction, so of several services one has it; none while the tenant is
    not ACTIVE, or a process has another run of it. `minutes`: its timeout. `me`: the name to take
    it up by.
    """

    def when() -> dict[str, Value]:
        now = datetime.now(UTC)
        return {"now": now, "lease_expires_at": now + turns.build_lease(minutes)}

    rows = store.write_in_turn(
        when,
        *(
            text.format(tenant=tenant_id)
            for text in (claim_sql.CLAIM_LOCK, queue_sql.TAKE_UP, queue_sql.TAKEN_UP)
        ),
        run_id=run_id,
        tenant_id=tenant_id,
        worker_instance=me or name_of_taker(),
        queue=QUEUE,
    )
    return runs.as_run(rows[0]) if rows else None


def cancel_suspended(store: Store, tenant_id: str, run_id: str) -> Run | None:
    """Close a run that waits while its tenant may not run. None: it may, or it waits no more."""
    status = store.read(tenants_sql.PROFILE_STATUS, tenant_id=tenant_id)
    rows = store.read(runs_sql.RUN.format(tenant=tenant_id), run_id=run_id)
    waits = bool(rows) and (rows[0]["status"], rows[0]["worker_instance"]) == ("PENDING", QUEUE)
    if not waits or (status and status[0]["status"] == "ACTIVE"):
        return None
    told = (status[0]["status"] or "without a status").lower() if status else "gone"
    return runs.cancel(store, tenant_id, run_id, f"tenant is {told}: it was not run")


def requeueing(run_id: str, me: str | None) -> tuple[tuple[spooled.Named, ...], dict[str, Value]]:
    """The transaction that lets a run taken up by `me` wait again, as if it had never begun."""
    return (("HAND_BACK", 0), ("DROP_RUN_STEPS", 0), ("RUN", 0)), {
        "run_id": run_id,
        "me": me,
        "queue": QUEUE,
        "lease_expires_at": datetime.now(UTC) + QUEUE_PATIENCE,
    }
