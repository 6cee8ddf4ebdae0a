"""Runs of more than one claim: a long range in parts, what moved, and each of every tenant."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial

from runner import dates
from runner.control import claim, runs, runs_sql, tenants
from runner.engine.job import Event, Outcome
from runner.engine.pool import Pool
from runner.errors import Refused, RunnerError, UsageProblem
from runner.orchestration import catch_up as catching
from runner.orchestration import claiming, follow, landings, run, threads
from runner import mailing
from runner.orchestration.report import Report
from runner.orchestration.threads import Done, Stop
from runner.pipelines import templates
from runner.settings import Settings
from runner.warehouse import Warehouse, open_warehouse

# A part that was loaded so lately is not loaded again by --resume.
RESUME_WITHIN = timedelta(days=1)


@dataclass(frozen=True)
class Order:
    """What is asked for of each tenant: usage dates from and to (both in, UTC), and how.

    A template of None is each tenant's own.
    """

    template: str | None
    from_date: date
    to_date: date
    trigger_type: str
    trigger_by: str
    wait: bool = False
    resume: bool = False


def load(
    settings: Settings,
    warehouse: Warehouse,
    mailbox: mailing.Mailbox,
    pool: Pool,
    known: tenants.Known,
    order: Order,
    on_event: Callable[[Event], None] = lambda event: None,
    say: Callable[[str], None] = lambda text: None,
    stopped_by: Callable[[], int] = lambda: 0,
) -> list[Report]:
    """The order for one tenant: a run for each part of its dates, oldest first.

    Ends with the first part that does not complete; what is done stays done, and is told beside a
    later part that was refused. Raises what run.run_slice raises.
    """
    tenant = known.id
    template = templates.load(order.template or known.pipeline)
    parts = threads.chunks(order.from_date, order.to_date)
    reports: list[Report] = []
    for n, (first, last) in enumerate(parts, start=1):
        which = f"part {n} of {len(parts)} ({dates.span(first, last)})"
        if order.resume and (done := _loaded_lately(warehouse, tenant, template, first, last)):
            say(f"{which} was loaded by run {done}")
            continue
        if len(parts) > 1:
            say(which)
        request = claiming.request_of(
            known, template, first, last, order.trigger_type, order.trigger_by
        )
        start = partial(
            run.run_slice,
            *(settings, warehouse, mailbox, request, template, on_event, pool, stopped_by),
        )
        try:
            ended = follow.or_start(start, warehouse, say, stopped_by) if order.wait else start()
        except Refused as refusal:
            if not reports or not isinstance(refusal.run, runs.Run):
                raise
            ended = Report(refusal.run, "REFUSED", 0, Outcome(False, refusal.message))
        reports.append(ended)
        if ended.status != "COMPLETED":
            break
    return reports


def load_all(
    settings: Settings,
    mailbox: mailing.Mailbox,
    waves: Sequence[Sequence[str]],
    order: Order,
    workers: int,
    stop: Stop,
    on_done: Callable[[Done[list[Report]]], None],
) -> list[Done[list[Report]]]:
    """The order for each tenant, `workers` at a time; one's failure leaves the others alone."""
    with Pool(settings) as pool:

        def one(tenant: str) -> list[Report]:
            warehouse = open_warehouse(settings)  # a client is a thread's own
            known = tenants.known(warehouse, tenant)
            return load(settings, warehouse, mailbox, pool, known, order, stopped_by=stop)

        return [done for wave in waves for done in threads.each(wave, one, workers, stop, on_done)]


def catch_up(
    settings: Settings,
    warehouse: Warehouse,
    mailbox: mailing.Mailbox,
    pool: Pool,
    known: tenants.Known,
    trigger_by: str,
    is_dry_run: bool,
    on_event: Callable[[Event], None] = lambda event: None,
    say: Callable[[str], None] = lambda text: None,
    stopped_by: Callable[[], int] = lambda: 0,
) -> catching.CatchUp:
    """Run what moved of one tenant, with its own template. Raises what catch_up.catch_up does."""
    template = templates.load(known.pipeline)

    def run_one(request: claim.Request, template: templates.Template) -> Report:
        return run.run_slice(
            settings, warehouse, mailbox, request, template, on_event, pool, stopped_by
        )

    return catching.catch_up(
        warehouse, known, template, trigger_by, run_one, say, is_dry_run, stopped_by
    )


def catch_up_all(
    settings: Settings,
    mailbox: mailing.Mailbox,
    waves: Sequence[Sequence[str]],
    trigger_by: str,
    is_dry_run: bool,
    workers: int,
    stop: Stop,
    on_done: Callable[[Done[catching.CatchUp]], None],
) -> list[Done[catching.CatchUp]]:
    """The same for each tenant, `workers` at a time; one's failure leaves the others alone."""
    with Pool(settings) as pool:

        def one(tenant: str) -> catching.CatchUp:
            warehouse = open_warehouse(settings)
            known = tenants.known(warehouse, tenant)
            return catch_up(
                settings, warehouse, mailbox, pool, known, trigger_by, is_dry_run, stopped_by=stop
            )

        return [done for wave in waves for done in threads.each(wave, one, workers, stop, on_done)]


def active_tenants(warehouse: Warehouse, part: str | None = None) -> list[list[str]]:
    """The ids of those that may run, in waves: landings first, then who may read them.

    `part`: only part i of n of each wave, as fanout.shard has it. Raises UsageProblem when there
    is no active tenant at all.
    """
    active = [one for one in tenants.every(warehouse) if one.status == "ACTIVE"]
    if not active:
        raise UsageProblem("There is no active tenant: see `runner tenant list`.")
    waves = [[one.id for one in wave] for wave in landings.waves(active)]
    return [threads.shard(wave, part) for wave in waves] if part else waves


def as_catch_up(done: Done[catching.CatchUp]) -> catching.CatchUp:
    """A tenant's catch-up, or one that tells why it broke."""
    if done.result:
        return done.result
    error = done.error or RunnerError("")
    return catching.CatchUp(done.name, None, error=error.message, error_code=error.exit_code)


def caught_up(done: Done[catching.CatchUp]) -> str:
    """One word for a tenant's catch-up."""
    return {0: "DONE", 3: "REFUSED"}.get(as_catch_up(done).exit_code, "FAILED")


def why_not_caught_up(done: Done[catching.CatchUp]) -> str:
    """The first error of a tenant's catch-up; empty when there was none."""
    one = as_catch_up(done)
    return one.error or next((part.error for part in one.parts if part.error), None) or ""


def status_of(done: Done[list[Report]]) -> str:
    """One word for a tenant: its worst run's status, REFUSED, or ERROR when none could begin."""
    if done.error:
        return "REFUSED" if isinstance(done.error, Refused) else "ERROR"
    reports = done.result or []
    if any(not report.covered for report in reports):
        return "OVERLAPS"
    return reports[-1].status if reports else "COMPLETED"


def exit_code(statuses: Sequence[str]) -> int:
    """1 when a tenant failed; 3 when none did, but the quota refused some; else 0."""
    if set(statuses) & {"FAILED", "CANCELLED", "ERROR", "OVERLAPS"}:
        return 1
    return Refused.exit_code if "REFUSED" in statuses else 0


def message_of(done: Done[list[Report]]) -> str:
    """Why a tenant's is not done, in a sentence; empty when it is."""
    if isinstance(done.error, RunnerError):
        return done.error.message
    last = done.result[-1] if done.result else None
    return (last.outcome.error if last and last.outcome else None) or ""


def _loaded_lately(
    warehouse: Warehouse, tenant: str, template: templates.Template, first: date, last: date
) -> str | None:
    """The id of a completed run of the last day that has all of these dates."""
    rows = warehouse.read(
        runs_sql.LOADED_LATELY.format(tenant=tenant),
        template=template.name,
        from_date=first,
        to_date=last,
        since=datetime.now(UTC) - RESUME_WITHIN,
    )
    return str(rows[0]["pipeline_logging_id"]) if rows else None
