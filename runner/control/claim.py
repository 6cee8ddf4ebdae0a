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

# How often a claim is made again when a run in its way had ended before it could be read.
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
    """What is asked for: usage dates of one tenant through one pipeline.

    `config_version`: the project's commit, see `git_commit`.
    """

    tenant_id: str
    pipeline_id: str
    template: str
    dates: DateRange
    trigger: Trigger
    timeout_minutes: float
    config_version: str = "unknown"
    # Known before anything can break.
    contact: Contact = Contact()
    # The landings that the tenant reads, which must have the dates.
    landings: tuple[str, ...] = ()
    # Claimed for whichever service dequeues it, see `dequeue`.
    queued: bool = False


def take(
    store: Store,
    request: Request,
    run_id: str | None = None,
    on_likely: Callable[[], None] = lambda: None,
    starts: bool = False,
) -> Run:
    """Claim the dates: a run of our own, a REFUSED one, or the active one in the way.

    `starts`: the caller builds it; when no other run of the tenant does or waits, it is RUNNING.

    Checks for a duplicate before the quota: a duplicate is neither refused nor counted.
    Of several in the way it is one that covers the dates, else the oldest.
    `run_id`: for a caller that must know it before the claim, to withdraw it. `on_likely` is called
    before the claim when the rows show that it will be granted and its turn comes at once. That
    check closes dead runs; what died since counts as active.
    Raises StatementRefused without the tenant's lock: two claims would not see each other.
    """
    if _is_likely(store, request):
        on_likely()
    run_id = run_id or str(uuid.uuid4())
    for _ in range(TRIES):
        rows = _claim(store, request, run_id, starts)
        # On BigQuery the outcome is read after the commit: a run in the way may have ended since.
        if rows or not store.read(sql.LOCK.format(tenant=request.tenant_id)):
            break
    if not rows:
        raise StatementRefused(
            f"x_meta_lock of tenant {request.tenant_id} has lost its row, so no run can be claimed:"
            f" run `runner tenant repair {request.tenant_id}`."
        )
    oldest = sorted(rows, key=lambda row: row["start_time"] or LONG_AGO)
    found = [runs.run_from_row(row, row["pipeline_logging_id"] != run_id) for row in oldest]
    covering = (run for run in found if run.dates.covers(request.dates))
    own = next((run for run in found if not run.deduplicated), None)
    return own or next(covering, found[0])


def refuse(store: Store, request: Request, why: str) -> None:
    """Leave a REFUSED run with this reason, whatever the quota and other runs are."""
    _claim(store, request, str(uuid.uuid4()), False, why)


def _is_likely(store: Store, request: Request) -> bool:
    """Close dead runs; whether a claim made now would be granted, and its turn come at once."""
    rows = store.read(
        sql.LOOK_AHEAD.format(tenant=request.tenant_id),
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
    """Make the claim, or a refusal for the reason; rows of CLAIM_OUTCOME."""
    lease = QUEUE_PATIENCE if request.queued else WAITING_LEASE
    first, last = request.dates.first.isoformat(), request.dates.last.isoformat()
    parameters = {"date": first, "to_date": last, "trigger_by": request.trigger.by}

    def when() -> dict[str, Value]:
        now = datetime.now(UTC)
        return {
            **quota.times(now),
            "lease_expires_at": now + lease,
            "build_expires_at": now + turns.build_lease(request.timeout_minutes),
        }

    # The lock's row alone is updated: on BigQuery whatever an active run writes meanwhile would
    # cancel a claim that updates runs or steps.
    statements = (sql.CLAIM_LOCK, sql.CLAIM_INSERT, sql.CLAIM_EVENT, sql.CLAIM_OUTCOME)
    return store.write_in_turn(
        when,
        *(statement.format(tenant=request.tenant_id) for statement in statements),
        run_id=run_id,
        tenant_id=request.tenant_id,
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
    """The project's commit, `unknown` outside a checkout."""
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
