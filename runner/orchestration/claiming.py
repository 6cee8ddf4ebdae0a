"""Requests for runs, their claims, and the messages of refused claims."""

from dataclasses import replace
from datetime import date

from runner.context import Context
from runner.control import claim, quota, runs, tenants, turns
from runner.control.store import Store
from runner.dates import DateRange
from runner.engine.job import Outcome
from runner.errors import Refused, UsageProblem
from runner.orchestration import landings
from runner.orchestration.report import Report
from runner.pipelines import templates
from runner.settings import Settings


def claimed(context: Context, request: claim.Request, run_id: str) -> runs.Run:
    """Claim the dates: returns the new run, or another command's that has some of the dates.

    Raises DatesNotLanded before anything is claimed, and Refused after recording the refusal. A
    queued run may be claimed while its landing is active: it waits in the queue.
    """
    try:
        landings.require_dates(context.store, request)
    except landings.LandingIsActive:
        if not request.queued:
            raise
    # Where a claim takes seconds, dbt starts meanwhile. Locally a claim takes milliseconds, and of
    # fifty claims at once only one needs a process.
    warms_up = not request.queued and not context.dataset.single_writer
    run = claim.take(
        context.store,
        request,
        run_id,
        on_likely=context.pool.warm_up if warms_up else lambda: None,
        starts=not request.queued,
    )
    if run.status == "REFUSED":
        why, what_to_do = run.error_message or "", _what_to_do(context.store, run)
        raise Refused(f"The run of tenant {run.tenant_id} was refused: {why}. {what_to_do}", run)
    return run


def is_over_quota(run: runs.Run) -> bool:
    """Whether a refused run will be allowed later without a change."""
    return "limit reached" in (run.error_message or "")


def _what_to_do(store: Store, run: runs.Run) -> str:
    """The remedy of a refusal: to wait or raise the limit if one is reached, else a command."""
    tenant, why = run.tenant_id, run.error_message or ""
    if is_over_quota(run):
        found = quota.of(store, tenant)
        name = why.split(" limit reached")[0]
        now = next(one.limit for one in found.limits if one.name == name)
        return (
            f"{found.in_words()} Raise the limit, now {now}, with `runner tenant update {tenant}"
            f" --{name}-limit N`, or see `runner quota --tenant {tenant}`."
        )
    if why.startswith("tenant is"):
        return f"Resume it with `runner tenant resume {tenant}`."
    return f"Run `runner doctor --tenant {tenant}`, which prints the command that fixes it."


def report_of_active_run(store: Store, run: runs.Run, request: claim.Request) -> Report:
    """The report of an active run: its status if it covers the dates, else an error."""
    run = replace(run, waits_for=turns.waiting_for(store, run))
    if run.dates.covers(request.dates):
        return Report(run, run.status, 0)
    left = " and ".join(map(str, request.dates.without(run.dates)))
    waits = f", waiting for {run.waits_for} since {run.start_time:%Y-%m-%d %H:%M} UTC,"
    why = (
        f"Run {run.id} of {run.tenant_id} is {run.status}{waits if run.waits_for else ''} for"
        f" {run.dates} and will not load {left}, and no other run was started: add --wait, or run"
        " again later."
    )
    return Report(run, run.status, 0, Outcome(False, why), covered=False)


def date_range(first: date, last: date) -> DateRange:
    """The dates that the caller named. Raises UsageProblem when the first is after the last."""
    if first > last:
        raise UsageProblem(f"--from {first} is after --to {last}: swap them.")
    return DateRange(first, last)


def request_of(
    settings: Settings,
    known: tenants.Known,
    template: templates.Template,
    dates: DateRange,
    trigger: claim.Trigger,
) -> claim.Request:
    """The request of a tenant for these dates."""
    return claim.Request(
        tenant_id=known.id,
        pipeline_id=template.pipeline_of(known.id),
        template=template.name,
        dates=dates,
        trigger=trigger,
        timeout_minutes=template.step.timeout_minutes,
        config_version=claim.git_commit(settings.project_dir),
        contact=claim.Contact(known.admin_email, known.company_name),
        landings=known.landings,
    )


def refuse(
    context: Context, tenant: str, pipeline: str, dates: DateRange, trigger: claim.Trigger, why: str
) -> None:
    """Record the refusal of a run whose template cannot be loaded. Raises UsageProblem for an
    unknown tenant."""
    tenants.find(context.store, tenant)
    version = claim.git_commit(context.settings.project_dir)
    request = claim.Request(tenant, pipeline, pipeline, dates, trigger, 0, version)
    claim.refuse(context.store, request, why)
