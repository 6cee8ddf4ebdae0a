"""Runs of more than one claim: a long range in parts, and a range of every tenant."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial

from runner import control_sql, fanout, follow, notify, pipelines, run, tenants
from runner.errors import Refused, RunnerError, UsageProblem
from runner.fanout import Done, Stop
from runner.invoke import Event
from runner.pool import Pool
from runner.run import Report
from runner.settings import Settings
from runner.warehouse import Warehouse, open_warehouse

# A part that was loaded so lately is not loaded again by --resume.
RESUME_WITHIN = timedelta(days=1)


@dataclass(frozen=True)
class Order:
    """What is asked for of each tenant: usage dates from and to (both in, UTC), and how."""

    template: str
    from_date: date
    to_date: date
    trigger_type: str
    trigger_by: str
    wait: bool = False
    resume: bool = False


def load(
    settings: Settings,
    warehouse: Warehouse,
    mailbox: notify.Mailbox,
    pool: Pool,
    tenant: str,
    order: Order,
    on_event: Callable[[Event], None] = lambda event: None,
    say: Callable[[str], None] = lambda text: None,
    stopped_by: Callable[[], int] = lambda: 0,
) -> list[Report]:
    """The order for one tenant: a run for each part of its dates, oldest first.

    Ends with the first part that does not complete; what is done stays done. Raises what
    run.run_slice raises.
    """
    template = pipelines.load(order.template)
    parts = fanout.chunks(order.from_date, order.to_date)
    reports: list[Report] = []
    for n, (first, last) in enumerate(parts, start=1):
        which = f"part {n} of {len(parts)} ({notify.span(first, last)})"
        if order.resume and (done := _loaded_lately(warehouse, tenant, template, first, last)):
            say(f"{which} was loaded by run {done}")
            continue
        if len(parts) > 1:
            say(which)
        request = run.request_for(
            warehouse, tenant, template, first, last, order.trigger_type, order.trigger_by
        )
        start = partial(
            run.run_slice,
            *(settings, warehouse, mailbox, request, template, on_event, pool, stopped_by),
        )
        ended = follow.or_start(start, warehouse, say, stopped_by) if order.wait else start()
        reports.append(ended)
        if ended.status != "COMPLETED":
            break
    return reports


def load_all(
    settings: Settings,
    mailbox: notify.Mailbox,
    names: Sequence[str],
    order: Order,
    workers: int,
    stop: Stop,
    on_done: Callable[[Done[list[Report]]], None],
) -> list[Done[list[Report]]]:
    """The order for each tenant, `workers` at a time; one's failure leaves the others alone."""
    with Pool(settings) as pool:

        def one(tenant: str) -> list[Report]:
            warehouse = open_warehouse(settings)  # a client is a thread's own
            return load(settings, warehouse, mailbox, pool, tenant, order, stopped_by=stop)

        return fanout.each(names, one, workers, stop, on_done)


def active_tenants(warehouse: Warehouse) -> list[str]:
    """The ids of those that may run. Raises UsageProblem when there is none."""
    names = [one.id for one in tenants.every(warehouse) if one.status == "ACTIVE"]
    if not names:
        raise UsageProblem("There is no active tenant: see `runner tenant list`.")
    return names


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
    warehouse: Warehouse, tenant: str, template: pipelines.Template, first: date, last: date
) -> str | None:
    """The id of a completed run of the last day that has all of these dates."""
    rows = warehouse.read(
        control_sql.LOADED_LATELY.format(tenant=tenant),
        template=template.name,
        from_date=first,
        to_date=last,
        since=datetime.now(UTC) - RESUME_WITHIN,
    )
    return str(rows[0]["pipeline_logging_id"]) if rows else None
