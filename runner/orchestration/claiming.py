"""What is asked for, and what a claim answers."""

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta

from runner import dates
from runner.control import claim, quota, runs, tenants, turns
from runner.engine.job import Outcome
from runner.errors import (
    Refused,
    UsageProblem,
)
from runner.orchestration import landings
from runner.orchestration.report import Report
from runner.pipelines import templates
from runner.settings import Settings
from runner.warehouse import Warehouse


def claimed(
    settings: Settings,
    warehouse: Warehouse,
    request: claim.Request,
    run_id: str,
    on_likely: Callable[[], None] | None,
) -> runs.Run:
    """A run of our own that waits or builds, or another's that has some of the dates.

    Raises DatesNotLanded before anything is claimed; Refused, with the refusal recorded. A queued
    run may be claimed while its landing is active: it waits in the queue.
    """
    try:
        landings.require_dates(warehouse, request)
    except landings.LandingIsActive:
        if not request.queued:
            raise
    run = claim.take(
        *(warehouse, request, settings.project_dir, run_id),
        on_likely=on_likely,
        starts=not request.queued,
    )
    if run.status == "REFUSED":
        why, what_to_do = run.error_message or "", _what_to_do(warehouse, run)
        raise Refused(f"Tenant {run.tenant_id} may not run: {why}. {what_to_do}", run)
    return run


def is_over_quota(run: runs.Run) -> bool:
    """Whether a refused run may be had later, without anybody's doing."""
    return "limit reached" in (run.error_message or "")


def _what_to_do(warehouse: Warehouse, run: runs.Run) -> str:
    """What helps a refused tenant: time or a higher limit, where one is reached, else a command."""
    tenant, why = run.tenant_id, run.error_message or ""
    if is_over_quota(run):
        found = quota.of(warehouse, tenant)
        name = why.split(" limit reached")[0]
        now = next(one.limit for one in found.limits if one.name == name)
        return (
            f"{found.in_words()} Raise it with `runner tenant update {tenant} --{name}-limit N`,"
            f" which is {now} now, or see `runner quota --tenant {tenant}`."
        )
    if why.startswith("tenant is"):
        return f"Let it run again with `runner tenant resume {tenant}`."
    return f"`runner doctor --tenant {tenant}` names the command that mends it."


def of_another(warehouse: Warehouse, run: runs.Run, request: claim.Request) -> Report:
    """What an active run means for who asked: theirs if it covers the dates, else an error."""
    run = replace(run, waits_for=turns.waiting_for(warehouse, run))
    if run.covers(request.from_date, request.to_date):
        return Report(run, run.status, 0)
    day = timedelta(days=1)
    left = [
        dates.span(first, last)
        for first, last in (
            (request.from_date, run.run_date - day),
            (run.to_date + day, request.to_date),
        )
        if first <= last
    ]
    waits = f", waiting for {run.waits_for} since {run.start_time:%Y-%m-%d %H:%M} UTC,"
    why = (
        f"Run {run.id} of {run.tenant_id} is {run.status}{waits if run.waits_for else ''} for"
        f" {runs.dates(run)} and will not load"
        f" {' and '.join(left)}; nothing was started that would: add --wait, or run again later."
    )
    return Report(run, run.status, 0, Outcome(False, why), covered=False)


def request_for(
    warehouse: Warehouse,
    tenant: str,
    template: templates.Template,
    from_date: date,
    to_date: date,
    trigger_type: str,
    trigger_by: str,
) -> claim.Request:
    """The request for these dates. Raises UsageProblem for an unknown tenant or from after to."""
    known = tenants.known(warehouse, tenant)
    return request_of(known, template, from_date, to_date, trigger_type, trigger_by)


def request_of(
    known: tenants.Known,
    template: templates.Template,
    from_date: date,
    to_date: date,
    trigger_type: str,
    trigger_by: str,
) -> claim.Request:
    """The same of a tenant that was looked up. Raises UsageProblem for from after to."""
    if from_date > to_date:
        raise UsageProblem(f"--from {from_date} is after --to {to_date}: swap them.")
    return claim.Request(
        tenant_id=known.id,
        pipeline_id=templates.fill(template.pipeline_id, {"tenant_id": known.id}),
        template=template.name,
        from_date=from_date,
        to_date=to_date,
        trigger_type=trigger_type,
        trigger_by=trigger_by,
        timeout_minutes=template.step.timeout_minutes,
        admin_email=known.admin_email,
        company_name=known.company_name,
        landings=known.landings,
    )


def refuse(
    settings: Settings,
    warehouse: Warehouse,
    tenant: str,
    pipeline: str,
    from_date: date,
    to_date: date,
    trigger_by: str,
    why: str,
    trigger_type: str = "manual",
    user_id: str | None = None,
) -> None:
    """Leave the row of a run whose template cannot be had. Raises UsageProblem without a tenant."""
    tenants.find(warehouse, tenant)
    request = claim.Request(
        tenant_id=tenant,
        pipeline_id=pipeline,
        template=pipeline,
        from_date=from_date,
        to_date=to_date,
        trigger_type=trigger_type,
        trigger_by=trigger_by,
        timeout_minutes=0,
        user_id=user_id,
    )
    claim.refuse(warehouse, request, settings.project_dir, why)
