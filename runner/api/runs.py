"""The routes that follow and cancel runs."""

import contextlib
import logging
import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from runner import expectations
from runner.api import schemas
from runner.api.bodies import UsageDate
from runner.api.errors import Problem
from runner.api.service import Call, Reader, Writer, problems
from runner.control import runs as control_runs
from runner.control import runs_sql, tenants
from runner.dataset import publications_sql
from runner.orchestration import publications
from runner.orchestration.standing import standing_document
from runner.sql import Row

log = logging.getLogger(__name__)
router = APIRouter(prefix="/api/v1/pipelines", tags=["runs"])

MOST_ROWS = 1000

RunId = Annotated[str, Path(examples=[schemas.RUN_ID], max_length=200)]


@router.get("/runs", response_model=list[schemas.Run], responses=problems(404, 422))
def runs(
    call: Reader,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS)] = 20,
    status: control_runs.Status | None = None,
    date: UsageDate | None = None,
    tenant_id: Annotated[str | None, Query(max_length=200)] = None,
) -> list[dict[str, Any]]:
    """Runs, newest first: of the key's tenant; with the admin key, of one or all tenants."""
    store = call.store
    named = tenant_id if call.principal.is_admin else call.principal.tenant_id
    found: list[Row] = []
    for tenant in [tenants.find(store, named)] if named else tenants.every(store):
        values = {"status": status or "", "day": date, "pipeline": "", "limit": limit}
        found += store.read(runs_sql.RUNS.format(tenant=tenant.id), **values)
    found.sort(key=lambda row: row["start_time"] or control_runs.LONG_AGO, reverse=True)
    return [_run(call, row) for row in found[:limit]]


@router.get("/runs/{run_id}", response_model=schemas.RunInFull, responses=problems(404, 422))
def run(call: Reader, run_id: RunId) -> dict[str, Any]:
    """One run, and which runs published its dates last."""
    row = _row(call, run_id)
    _, found = publications.published_dates(call.store, control_runs.run_from_row(row))
    return {
        **_run(call, row),
        "publications": expectations.parsed(row["publications"]),
        "published_dates": standing_document(found),
    }


@router.get("/runs/{run_id}/steps", response_model=list[schemas.Step], responses=problems(404, 422))
def steps(call: Reader, run_id: RunId) -> list[dict[str, Any]]:
    """The steps of a run so far, in order."""
    tenant_id = _row(call, run_id)["tenant_id"]
    found = control_runs.steps_of(call.store, tenant_id, run_id)
    return [{**step, **_messages(call, step)} for step in found]


@router.get(
    "/runs/{run_id}/dq-results", response_model=list[schemas.Quality], responses=problems(404, 422)
)
def quality(call: Reader, run_id: RunId) -> list[dict[str, Any]]:
    """The run's data-quality results by table and severity, failed ones first.

    503 while a run of the tenant builds.
    """
    tenant_id = _row(call, run_id)["tenant_id"]
    rows = call.service.data(tenant_id, publications_sql.DQ_RESULTS, run_id=run_id)
    return [
        {
            **row,
            "error_message": call.principal.readable(row["error_message"]),
            "failed_expectations": [
                {
                    **call.principal.readable({**vars(one), "sentence": one.sentence}),
                    "severity": row["severity"],
                }
                for one in expectations.of_rows([row])
            ],
        }
        for row in rows
    ]


@router.post("/runs/{run_id}/cancel", response_model=schemas.Run, responses=problems(404, 409, 422))
def cancel(call: Writer, run_id: RunId) -> dict[str, Any]:
    """Cancel an active run: its status changes at once, its process ends within seconds."""
    tenant_id, why = _row(call, run_id)["tenant_id"], f"cancelled by {call.principal.id}"
    was_active = control_runs.cancel(call.store, tenant_id, run_id, why)
    row = _row(call, run_id)
    if not was_active:
        status = row["status"]
        raise Problem(409, "already_ended", f"Run {run_id} has ended already: it is {status}.")
    return _run(call, row)


def _row(call: Call, run_id: str) -> Row:
    """A run's row. Raises Problem: 404 when there is none, 403 when it is another tenant's."""
    store, tenant_id = call.store, call.principal.tenant_id
    with contextlib.suppress(ValueError):
        # In the form of stored ids; a text that is not a UUID is no run's id.
        run_id = str(uuid.UUID(run_id))
        # Usually it is a run of the key's tenant; then the events of all tenants are not read.
        if tenant_id and (rows := store.read(runs_sql.RUN.format(tenant=tenant_id), run_id=run_id)):
            return rows[0]
        if owner := control_runs.tenant_of(store, run_id):
            call.principal.require_tenant(owner)
            if rows := store.read(runs_sql.RUN.format(tenant=owner), run_id=run_id):
                return rows[0]
    raise Problem(404, "unknown_run", "This run does not exist: see GET /api/v1/pipelines/runs.")


def _messages(call: Call, row: Row) -> dict[str, Any]:
    """The error and the warnings of a run or a step, as the principal may read them."""
    messages = {
        "error_message": row["error_message"],
        "warnings": expectations.parsed(row["warnings"]) or [],
    }
    return dict(call.principal.readable(messages))


def _run(call: Call, row: Row) -> dict[str, Any]:
    """A run as the service returns it, with its progress if this process builds it."""
    progress = call.service.queue.progress(row["pipeline_logging_id"])
    is_at_work = progress is not None and row["status"] == "RUNNING"
    messages = _messages(call, row)
    name = (row["template"] or row["pipeline_id"] or "").rpartition("/")[2]
    message = f"Templated pipeline {name} is {row['status']} for {row['tenant_id']}"
    message += f": {messages['error_message']}" if messages["error_message"] else ""
    return {
        **row,
        **messages,
        "message": message,
        "progress": call.principal.readable(vars(progress)) if is_at_work else None,
    }
