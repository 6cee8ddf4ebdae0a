"""The routes that start runs."""

import logging
import uuid
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Response
from fastapi.encoders import jsonable_encoder

from runner.api import schemas
from runner.api.bodies import Trigger
from runner.api.errors import Problem
from runner.api.service import Call, TenantId, Writer, problems
from runner.control import claim, quota, runs, tenants
from runner.errors import Refused, UsageProblem
from runner.orchestration import claiming, landings
from runner.pipelines import templates

log = logging.getLogger(__name__)
router = APIRouter(prefix="/api/v1/pipelines/run", tags=["runs"])
load_template = cache(templates.load)

# Retry-After for the concurrent limit: an estimate of when an active run ends.
RETRY_SECONDS = 30

STARTED: dict[int | str, dict[str, Any]] = {
    **problems(404, 409, 422),
    200: {"model": schemas.Accepted, "description": "An active run has these dates already"},
}


def _template_name(
    provider: Annotated[str, Path(examples=["gcp"], max_length=200)],
    domain: Annotated[str, Path(examples=["cost"], max_length=200)],
    template_name: Annotated[str, Path(examples=["cost_billing"], max_length=200)],
) -> str:
    return f"{provider}/{domain}/{template_name}"


@router.post(
    "/{tenant_id}/{provider}/{domain}/{template_name}",
    status_code=202,
    response_model=schemas.Accepted,
    responses=STARTED,
)
def run_template(
    call: Writer,
    tenant_id: TenantId,
    name: Annotated[str, Depends(_template_name)],
    body: Trigger,
    response: Response,
) -> dict[str, Any]:
    """Claim the dates and respond at once; the run is built in the background."""
    return _start(call, tenant_id, name, body, response)


@router.post(
    "/{pipeline_id}",
    status_code=202,
    response_model=schemas.Accepted,
    responses=STARTED,
    deprecated=True,
)
def run_pipeline(
    call: Writer,
    pipeline_id: Annotated[str, Path(examples=["acme1281-gcp-cost-billing"], max_length=200)],
    body: Trigger,
    response: Response,
) -> dict[str, Any]:
    """The same by the pipeline's id. Deprecated: use the path with tenant and template."""
    tenant_id, name = _tenant_and_template(pipeline_id)
    call.principal.require_tenant(tenant_id)
    return _start(call, tenant_id, name, body, response)


def _start(
    call: Call, tenant_id: str, name: str, body: Trigger, response: Response
) -> dict[str, Any]:
    """Claim the dates for the queue: 202; 200 when an active run has them all."""
    context, store = call.service.context(), call.store
    trigger = claim.Trigger("api", body.trigger_by, call.principal.id)
    template = _template(call, tenant_id, name, body, trigger)
    known = tenants.known(store, tenant_id)
    if template.name == templates.LANDING != known.pipeline:
        raise Problem(
            422,
            "not_a_landing",
            f"{template.name} is only for landings, and tenant {tenant_id} is not one: run"
            f" {known.pipeline}.",
        )
    request = claiming.request_of(context.settings, known, template, body.dates, trigger)
    request = replace(request, queued=True)
    try:
        run = claiming.claimed(context, request, str(uuid.uuid4()))
    except Refused as refusal:
        raise _refused(call, tenant_id, refusal) from None
    except landings.DatesNotLanded as lacking:
        raise Problem(409, "landing_not_ready", lacking.message) from None
    result = "has the dates already" if run.deduplicated else "claimed"
    log.info("run %s of %s %s: %s", run.id, tenant_id, result, run.dates)
    if not run.deduplicated:
        call.service.queue.put(tenant_id, run.id)
        message = f"Templated pipeline {name.rpartition('/')[2]} triggered successfully for"
        return {**vars(run), "message": f"{message} {tenant_id} (async mode)"}
    report = claiming.report_of_active_run(store, run, request)
    if not report.covered:
        error = (report.outcome and report.outcome.error) or ""
        raise Problem(
            409,
            "dates_are_shared",
            error.replace("add --wait, or run again later", "send it again after its end"),
            pipeline_logging_id=run.id,
            status=run.status,
        )
    response.status_code = 200
    return {**vars(run), "message": f"Run {run.id} has these dates already and is {run.status}"}


def _template(
    call: Call, tenant_id: str, name: str, body: Trigger, trigger: claim.Trigger
) -> templates.Template:
    """The template. Raises Problem, and records the refusal, when it does not exist."""
    try:
        return load_template(name)
    except UsageProblem as unknown:
        tenant, why = tenants.find(call.store, tenant_id).id, unknown.message
        if templates.is_name(name):
            claiming.refuse(call.service.context(), tenant, name, body.dates, trigger, why)
            log.info("run of %s for %s refused: %s", name, tenant, why)
        known = templates.names()
        raise Problem(404, "unknown_template", why, templates=known) from None


def _refused(call: Call, tenant_id: str, refusal: Refused) -> Problem:
    """429 with the limits when a later try may succeed, 403 when an operator must act."""
    run = refusal.run
    assert isinstance(run, runs.Run)
    log.info("run %s of %s refused: %s", run.id, tenant_id, run.error_message)
    if not claiming.is_over_quota(run):
        return Problem(403, "tenant_may_not_run", refusal.message, pipeline_logging_id=run.id)
    call.service.metrics.refusals.inc()
    left, now = quota.of(call.store, tenant_id), datetime.now(UTC)
    resets = [one.resets_at for one in left.limits if one.remaining == 0 and one.resets_at]
    seconds = max([RETRY_SECONDS, *(int((at - now).total_seconds()) + 1 for at in resets)])
    return Problem(
        429,
        "quota_exceeded",
        refusal.message,
        {"Retry-After": str(seconds)},
        pipeline_logging_id=run.id,
        limits=jsonable_encoder(left.document()["limits"]),
    )


def _tenant_and_template(pipeline_id: str) -> tuple[str, str]:
    """The tenant and the template of a pipeline's id. Raises Problem when no template has it."""
    for name in templates.names():
        before, _, after = load_template(name).pipeline_id.partition("{tenant_id}")
        tenant_id = pipeline_id.removeprefix(before).removesuffix(after)
        if f"{before}{tenant_id}{after}" == pipeline_id and tenant_id:
            return tenant_id, name
    raise Problem(
        404,
        "unknown_template",
        "No template has a pipeline with this id: use"
        " POST /api/v1/pipelines/run/{tenant_id}/{provider}/{domain}/{template_name}.",
        templates=templates.names(),
    )
