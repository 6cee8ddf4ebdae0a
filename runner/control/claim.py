"""Quota and dedup: one transaction decides whether a run may start, or records why not."""

import json
import subprocess
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from runner.control import claim_sql as sql
from runner.control import quota, runs, turns
from runner.control.processes import hostname_and_pid
from runner.control.queue import QUEUE_PATIENCE
from runner.control.runs import LONG_AGO, QUEUE, Run
from runner.control.store import Store
from runner.control.turns import WAITING_LEASE
from runner.dates import DateRange
from runner.errors import StatementRefused
from runner.sql import Row, Value

# Attempts to claim: the conflicting run may end before its row is read.
TRIES = 3


@dataclass(frozen=True)
class Trigger:
    """What started a run: its type (`manual`, `api`, `catch-up`), by whom, and for which user."""

    type: str
    by: str
    user_id: str | None = None


@dataclass(frozen=True)
class Contact:
    """Where a tenant's alerts go, and the company's name."""

    admin_email: str = ""
    company_name: str = ""


@dataclass(frozen=True)
class Request:
    """A requested run: usage dates of one tenant through one pipeline.

    `config_version`: the project's commit, see `git_commit`.
    """

    tenant_id: str
    pipeline_id: str
    template: str
    dates: DateRange
    trigger: Trigger
    timeout_minutes: float
    config_version: str = "unknown"
    # Read before the claim, so that a failure can be mailed while the warehouse is down.
    contact: Contact = Contact()
    # The landings that the tenant reads, which must have the dates.
    landings: tuple[str, ...] = ()
    # For the first service that dequeues it, see `dequeue`.
    queued: bool = False


def take(
    store: Store,
    request: Request,
    run_id: str | None = None,
    on_likely: Callable[[], None] = lambda: None,
    starts: bool = False,
) -> Run:
    """Claim the dates: returns a new run, a REFUSED run, or the active run that has some dates.

    A duplicate is found before the quota is checked: it is neither refused nor counted. Of several
    active runs it is one that covers the dates, else the oldest.
    `starts`: the caller builds the run, which is RUNNING at once if no other run of the tenant
    builds or waits. `run_id`: known to the caller before the claim, so that it can be withdrawn.
    `on_likely` is called before the claim if it will probably be granted and start at once; dead
    runs are closed first, and a run that dies later still counts as active.
    Raises StatementRefused when the tenant's lock row is missing: claims would not conflict.
    """
    if _is_likely(store, request):
        on_likely()
    run_id = run_id or str(uuid.uuid4())
    for _ in range(TRIES):
        rows = _claim(store, request, run_id, starts)
        # On BigQuery the outcome is read after the commit: the active run may have ended since.
        if rows or not store.read(sql.LOCK.format(tenant=request.tenant_id)):
            break
    if not rows:
        raise StatementRefused(
            f"No run can be claimed, because the row of x_meta_lock of tenant {request.tenant_id}"
            f" is missing: run `runner tenant repair {request.tenant_id}`."
        )
    oldest = sorted(rows, key=lambda row: row["start_time"] or LONG_AGO)
    found = [runs.run_from_row(row, row["pipeline_logging_id"] != run_id) for row in oldest]
    covering = (run for run in found if run.dates.covers(request.dates))
    own = next((run for run in found if not run.deduplicated), None)
    return own or next(covering, found[0])


def refuse(store: Store, request: Request, why: str) -> None:
    """Record a REFUSED run with this reason, regardless of the quota and of other runs."""
    _claim(store, request, str(uuid.uuid4()), False, why)


def _is_likely(store: Store, request: Request) -> bool:
    """Close dead runs; return whether a claim would be granted now and its run start at once."""
    rows = store.read(
        sql.PREVIEW.format(tenant=request.tenant_id),
        tenant_id=request.tenant_id,
        **quota.times(datetime.now(UTC)),
    )
    active = [row for row in rows if row["pipeline_logging_id"]]
    runs.end_dead(store, request.tenant_id, active)
    return (
        bool(rows)
        and rows[0]["refusal"] is None
        and not any(
            row["worker_instance"] != QUEUE
            or (
                row["pipeline_id"] == request.pipeline_id
                and row["run_date"] <= request.dates.last
                and row["to_date"] >= request.dates.first
            )
            for row in active
        )
    )


def _claim(
    store: Store, request: Request, run_id: str, starts: bool, reason: str | None = None
) -> list[Row]:
    """Claim, or record a refusal for the reason; returns rows of CLAIM_OUTCOME."""
    lease = QUEUE_PATIENCE if request.queued else WAITING_LEASE
    first, last = request.dates.first.isoformat(), request.dates.last.isoformat()
    parameters = {"date": first, "to_date": last, "trigger_by": request.trigger.by}

    def when() -> dict[str, Value]:
        now = datetime.now(UTC)
        return {
            **quota.times(now),
            **runs.of_events(request.tenant_id, now),
            "lease_expires_at": now + lease,
            "build_expires_at": now + turns.build_lease(request.timeout_minutes),
        }

    # Only the lock's row is updated: on BigQuery a claim that updates runs or steps would be
    # cancelled by the writes of an active run.
    statements = (sql.CLAIM_LOCK, sql.CLAIM_INSERT, sql.CLAIM_EVENT, sql.CLAIM_OUTCOME)
    return store.write_in_turn(
        when,
        *(statement.format(tenant=request.tenant_id) for statement in statements),
        run_id=run_id,
        pipeline_id=request.pipeline_id,
        template=request.template,
        from_date=request.dates.first,
        to_date=request.dates.last,
        trigger_type=request.trigger.type,
        trigger_by=request.trigger.by,
        user_id=request.trigger.user_id,
        config_version=request.config_version,
        worker_instance=QUEUE if request.queued else hostname_and_pid(),
        parameters=json.dumps(parameters),
        starts=starts,
        queue=QUEUE,
        reason=reason,
    )


@cache
def git_commit(project_dir: Path) -> str:
    """The project's git commit; `unknown` outside a checkout."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "--short=12", "HEAD"],
            cwd=project_dir,
            capture_output=True,
            text=True,
            timeout=5,
        )
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return answer.stdout.strip() if answer.returncode == 0 else "unknown"
