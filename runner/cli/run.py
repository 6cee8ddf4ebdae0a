"""`run` and `catch-up`: for one tenant, or for all of them."""

import itertools
from collections.abc import Callable, Sequence
from datetime import date
from typing import TypeVar

from runner import names
from runner.cli import options, progress, reports
from runner.cli.command import Result
from runner.cli.options import Selection, echo, flag, opened, value
from runner.context import Context
from runner.control import claim, tenants
from runner.dates import DateRange
from runner.errors import Refused, RunnerError, UsageProblem
from runner.orchestration import batch, claiming, estimate
from runner.orchestration import catch_up as catching
from runner.orchestration.report import Report
from runner.orchestration.threads import Done
from runner.pipelines import templates
from runner.settings import Settings

T = TypeVar("T")
EXIT_CODES = {"REFUSED": Refused.exit_code, "FAILED": 1, "CANCELLED": 1}


@options.command()
@options.selection
@value("--date day", "D", "Usage date (UTC), YYYY-MM-DD.", names.usage_date)
@value("--from first", "A", "First usage date, with --to.", names.usage_date)
@value("--to last", "B", "Last usage date, included.", names.usage_date)
@value("--pipeline", "P", "Template (default: the tenant's own).")
@flag("--wait", "If another run has some of the dates, wait for it.")
@flag("--resume", "Skip the parts of a long range that were loaded within the last day.")
@flag("--dry-run", "Only print the plan, and what it would read and cost; write nothing.")
def run(
    config: Settings,
    selection: Selection,
    day: date | None,
    first: date | None,
    last: date | None,
    pipeline: str | None,
    wait: bool,
    resume: bool,
    dry_run: bool,
) -> Result:
    """Extract, build, test and reconcile a tenant's bill for one usage date or a range.

    A range is one scan and one run; a range of over a year is run in parts of 366 days.
    """
    if dry_run and selection.tenant is None:
        raise UsageProblem("--dry-run needs --tenant ID: name one tenant.")
    dates = _dates(day, first, last)
    trigger = claim.Trigger("manual", selection.trigger_by)
    order = batch.Order(pipeline, dates, trigger, wait, resume)
    context = opened(config, sends_mail=True)
    if selection.tenant is None:
        if pipeline:
            templates.load(pipeline)
        return _run_all(context, selection, order)
    known = tenants.known(context.store, selection.tenant)
    name = pipeline or known.pipeline
    try:
        template = templates.load(name)
    except UsageProblem as unknown:
        if not dry_run:
            claiming.refuse(context, known.id, name, dates, trigger, unknown.message)
        raise
    if dry_run:
        return _estimate(context, known.id, template, dates)
    with progress.shown(context) as context:
        try:
            done = batch.load(context, known, order)
        except Refused as refusal:
            refusal.document = reports.refusal_document(refusal)
            raise
    return _result(context, known.id, dates, done)


@options.command("catch-up")
@options.selection
@flag("--dry-run", "Only print the dates; run and write nothing.")
def catch_up(config: Settings, selection: Selection, dry_run: bool) -> Result:
    """Run the dates whose export has changed, that were never loaded or that failed.

    The one command to schedule: a new tenant's first catch-up is its backfill, a later one reads
    only the export's newest partitions. Of an export that has stopped it runs yesterday, which
    fails and is mailed. Exits with 0 when there is nothing to run.
    """
    context = opened(config, sends_mail=True)

    def task(own: Context, known: tenants.Known) -> catching.CatchUp:
        return catching.catch_up(own, known, selection.trigger_by, dry_run)

    if selection.tenant is not None:
        known = tenants.known(context.store, selection.tenant)
        options.deliver_at_the_end(context, known.id)
        with progress.shown(context) as context:
            one = task(context, known)
        document, text = reports.catch_up_document(one), reports.catch_up(one, dry_run)
        return Result(document, text, exit_code=one.exit_code)
    ended = _for_all(context, selection, task, batch.caught_up, batch.why_not_caught_up)
    every = [batch.as_catch_up(done) for done in ended]
    documents = [reports.catch_up_document(one) for one in every]
    text = "\n".join(reports.catch_up(one, dry_run) for one in every)
    codes = {one.exit_code for one in every}
    code = _code(context, 1 if codes - {0, 3} else max(codes, default=0))
    return Result({"tenants": documents}, text, exit_code=code)


def _dates(day: date | None, first: date | None, last: date | None) -> DateRange:
    if day and not first and not last:
        return DateRange(day, day)
    if first and last and not day:
        return claiming.date_range(first, last)
    raise UsageProblem("Name the dates with either --date D, or --from A and --to B.")


def _run_all(context: Context, selection: Selection, order: batch.Order) -> Result:
    """Run the order for every tenant; the result is a table."""

    def task(own: Context, known: tenants.Known) -> list[Report]:
        return batch.load(own, known, order)

    ended = _for_all(context, selection, task, batch.status_of, batch.message_of)
    code = _code(context, batch.exit_code([batch.status_of(one) for one in ended]))
    return Result(reports.all_document(ended), reports.all_tenants(ended), exit_code=code)


def _for_all(
    context: Context,
    selection: Selection,
    task: Callable[[Context, tenants.Known], T],
    status: Callable[[Done[T]], str],
    message: Callable[[Done[T]], str],
) -> list[Done[T]]:
    """Do the task for every tenant, with a line on stderr when each ends."""
    waves = batch.active_tenants(context.store, selection.shard)
    count, total = itertools.count(1), sum(map(len, waves))

    def on_done(done: Done[T]) -> None:
        line = f"[{next(count)}/{total}] {done.name} {status(done)} {message(done)}"
        echo(" ".join(line.split()))

    with context:
        ended = batch.for_all(context, waves, task, selection.workers, on_done)
    if context.stop.number:
        echo(f"Stopped: {total - len(ended)} tenants were not started.")
    return ended


def _code(context: Context, code: int) -> int:
    """The exit code: 128 plus the signal's number after a signal, else `code`."""
    return 128 + context.stop.number if context.stop.number else code


def _estimate(
    context: Context, tenant: str, template: templates.Template, dates: DateRange
) -> Result:
    """What a run would read. Raises Refused when one of its queries is over the cap."""
    with progress.shown(context) as context:
        found = estimate.of(context, tenant, template, dates)
    document, text = reports.estimate_document(found), reports.estimate(found)
    if not found.over_the_cap:
        return Result(document, text)
    refusal = Refused(
        f"The query of {found.over_the_cap[0].model} would read more than maximum_bytes_billed"
        f" ({found.maximum_bytes_billed:,} bytes): use fewer dates, or raise"
        " BIGQUERY_MAXIMUM_BYTES_BILLED."
    )
    refusal.document, refusal.text = document, text
    raise refusal


def _result(context: Context, tenant: str, dates: DateRange, done: Sequence[Report]) -> Result:
    """How the runs of a tenant ended. Raises RunnerError when another run has some of the dates."""
    last = done[-1] if done else None
    if last is None:
        note = "All parts were loaded within the last day: nothing was run."
        return Result(reports.parts_document(tenant, done), None, (note,))
    has_parts = len(dates.chunks()) > 1
    document = reports.parts_document(tenant, done) if has_parts else reports.report_document(last)
    if not last.covered and last.status != "REFUSED" and last.outcome:
        error = RunnerError(last.outcome.error or "")
        error.document = document
        raise error
    settings = context.settings
    where = reports.location(settings, tenant)
    text = "\n".join(reports.summary(one, where, settings.target_name) for one in done)
    notes: tuple[str, ...] = ()
    if has_parts and last.status != "COMPLETED":
        notes = ("Completed parts are kept. To continue, run the same command with --resume.",)
    code = 128 + last.interrupted if last.interrupted else EXIT_CODES.get(last.status, 0)
    return Result(document, text, notes, code)
