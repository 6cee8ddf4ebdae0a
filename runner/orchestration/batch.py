"""Several runs in one command: the parts of a long range, and every tenant's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

from runner.context import Context
from runner.control import claim, runs, runs_sql, tenants
from runner.control.store import Store
from runner.dates import DateRange
from runner.engine.job import Outcome
from runner.errors import Refused, RunnerError, UsageProblem
from runner.orchestration import catch_up as catching
from runner.orchestration import claiming, follow, landings, run, threads
from runner.orchestration.report import Report
from runner.orchestration.threads import Done
from runner.pipelines import templates

Result = TypeVar("Result")


# --resume skips parts that were loaded within this time.
RESUME_WITHIN = timedelta(days=1)


@dataclass(frozen=True)
class Order:
    """What to run for each tenant: usage dates, and how. Template None: the tenant's own."""

    template: str | None
    dates: DateRange
    trigger: claim.Trigger
    wait: bool = False
    resume: bool = False


def load(context: Context, known: tenants.Known, order: Order) -> list[Report]:
    """Run the order for one tenant: a run for each part of its dates, oldest first.

    Stops at the first part that does not complete. Completed parts stay, and are reported also
    when a later part is refused. Raises what run.run_dates raises.
    """
    template = templates.load(order.template or known.pipeline)
    parts = order.dates.chunks()
    reports: list[Report] = []
    for n, dates in enumerate(parts, start=1):
        which = f"part {n} of {len(parts)} ({dates})"
        if order.resume and (done := _recently_loaded(context.store, known.id, template, dates)):
            context.echo(f"{which} skipped: run {done} loaded it")
            continue
        if len(parts) > 1:
            context.echo(which)
        request = claiming.request_of(context.settings, known, template, dates, order.trigger)
        start = partial(run.run_dates, context, request, template)
        try:
            last = follow.or_start(context, start) if order.wait else start()
        except Refused as refusal:
            if not reports or not isinstance(refusal.run, runs.Run):
                raise
            last = Report(refusal.run, "REFUSED", 0, Outcome(False, refusal.message), covered=False)
        reports.append(last)
        if last.status != "COMPLETED":
            break
    return reports


def for_all(
    context: Context,
    waves: Sequence[Sequence[str]],
    task: Callable[[Context, tenants.Known], Result],
    workers: int,
    on_done: Callable[[Done[Result]], None],
) -> list[Done[Result]]:
    """Do the task for each tenant, `workers` at a time; a failure does not end the others."""

    def one(tenant: str) -> Result:
        own = context.for_thread()
        return task(own, tenants.known(own.store, tenant))

    return [
        done for wave in waves for done in threads.each(wave, one, workers, context.stop, on_done)
    ]


def active_tenants(store: Store, part: str | None = None) -> list[list[str]]:
    """The ids of active tenants in waves: landings first, then the tenants that may read them.

    `part`: only part i of n of each wave, see threads.shard. Raises UsageProblem when no tenant is
    active.
    """
    active = [one for one in tenants.every(store) if one.status == "ACTIVE"]
    if not active:
        raise UsageProblem("No tenant is active: see `runner tenant list`.")
    waves = [[one.id for one in wave] for wave in landings.waves(active)]
    return [threads.shard(wave, part) for wave in waves] if part else waves


def as_catch_up(done: Done[catching.CatchUp]) -> catching.CatchUp:
    """A tenant's catch-up, or one with the error that ended it."""
    if done.result:
        return done.result
    error = done.error or RunnerError("")
    return catching.CatchUp(done.name, None, error=error.message, error_code=error.exit_code)


def caught_up(done: Done[catching.CatchUp]) -> str:
    """The status of a tenant's catch-up: DONE, REFUSED or FAILED."""
    return {0: "DONE", 3: "REFUSED"}.get(as_catch_up(done).exit_code, "FAILED")


def why_not_caught_up(done: Done[catching.CatchUp]) -> str:
    """The first error of a tenant's catch-up; empty when there was none."""
    one = as_catch_up(done)
    return one.error or next((part.error for part in one.parts if part.error), None) or ""


def status_of(done: Done[list[Report]]) -> str:
    """A tenant's status: its last run's, OVERLAPS, REFUSED, or ERROR when no run could start."""
    if done.error:
        return "REFUSED" if isinstance(done.error, Refused) else "ERROR"
    reports = done.result or []
    if any(not report.covered and report.status != "REFUSED" for report in reports):
        return "OVERLAPS"
    return reports[-1].status if reports else "COMPLETED"


def exit_code(statuses: Sequence[str]) -> int:
    """1 when a tenant failed; else 3 when the quota refused a tenant; else 0."""
    if set(statuses) & {"FAILED", "CANCELLED", "ERROR", "OVERLAPS"}:
        return 1
    return Refused.exit_code if "REFUSED" in statuses else 0


def message_of(done: Done[list[Report]]) -> str:
    """The error of a tenant's runs; empty when there is none."""
    if done.error:
        return done.error.message
    outcome = done.result[-1].outcome if done.result else None
    return (outcome and outcome.error) or ""


def _recently_loaded(
    store: Store, tenant: str, template: templates.Template, dates: DateRange
) -> str | None:
    """The id of a completed run of the last day with all of these dates; None without one."""
    rows = store.read(
        runs_sql.RECENTLY_LOADED.format(tenant=tenant),
        template=template.name,
        from_date=dates.first,
        to_date=dates.last,
        since=datetime.now(UTC) - RESUME_WITHIN,
    )
    return str(rows[0]["pipeline_logging_id"]) if rows else None
