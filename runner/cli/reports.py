"""The results of runs, estimates and catch-ups: a document for machines, a text for people."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from runner.cli.text import columns, seconds, short, table
from runner.control.runs import ACTIVE, Run
from runner.dates import in_words
from runner.engine.job import Outcome
from runner.errors import Refused
from runner.orchestration import batch
from runner.orchestration.catch_up import CatchUp
from runner.orchestration.estimate import Estimate
from runner.orchestration.report import Report
from runner.orchestration.threads import Done
from runner.settings import Settings
from runner.text import money


def report_document(report: Report) -> dict[str, Any]:
    """A run as `run --json` prints it: the keys of DESIGN 6, and totals, tests and warnings."""
    run = report.run
    return {
        "pipeline_logging_id": run.id,
        "pipeline_id": run.pipeline_id,
        "tenant_id": run.tenant_id,
        "status": report.status,
        "run_date": run.run_date,
        "to_date": run.to_date,
        "rows": report.rows,
        "duration_ms": report.duration_ms,
        "deduplicated": run.deduplicated,
        "covered": report.covered,
        "error": report.outcome.error if report.outcome else None,
        "totals": report.totals,
        "tests": dict(zip(("passed", "warned", "failed"), test_counts(report), strict=True)),
        "warnings": report.warnings,
    }


def parts_document(tenant: str, reports: Sequence[Report]) -> dict[str, Any]:
    """The runs of a range in parts as `run --json` prints them; none if all parts were skipped."""
    return {
        "tenant_id": tenant,
        "status": reports[-1].status if reports else "COMPLETED",
        "rows": sum(report.rows for report in reports),
        "runs": [report_document(report) for report in reports],
    }


def all_document(ended: Sequence[Done[list[Report]]]) -> dict[str, Any]:
    """The results of all tenants as `run --all-tenants --json` prints them."""
    statuses = [batch.status_of(done) for done in ended]
    return {
        "statuses": {status: statuses.count(status) for status in sorted(set(statuses))},
        "tenants": [
            {
                "tenant_id": done.name,
                "status": status,
                "error": batch.message_of(done) or None,
                "runs": [report_document(report) for report in done.result or []],
            }
            for done, status in zip(ended, statuses, strict=True)
        ],
    }


def all_tenants(ended: Sequence[Done[list[Report]]]) -> str:
    """A line for each tenant, and the number of tenants by status."""
    rows = []
    statuses = [batch.status_of(done) for done in ended]
    for done, status in zip(ended, statuses, strict=True):
        reports = done.result or []
        net: dict[str, Decimal] = {}
        for total in (total for report in reports for total in report.totals):
            net[total.currency] = net.get(total.currency, Decimal(0)) + total.net
        rows.append(
            (
                done.name,
                status,
                sum(report.rows for report in reports),
                ", ".join(f"{money(amount)} {currency}" for currency, amount in net.items()),
                seconds(sum(report.duration_ms for report in reports)),
                short(batch.message_of(done), 80),
            )
        )
    counts = ", ".join(f"{statuses.count(name)} {name}" for name in sorted(set(statuses)))
    head = ("tenant", "status", "rows", "net", "seconds", "message")
    return f"{table(head, rows)}\n{len(ended)} tenants: {counts or 'none'}"


def refusal_document(refusal: Refused) -> dict[str, Any]:
    """A refusal as `run --json` prints it, with the keys of a run."""
    assert isinstance(refusal.run, Run)
    outcome = Outcome(False, refusal.message)
    return report_document(Report(refusal.run, refusal.run.status, 0, outcome, covered=False))


def test_counts(report: Report) -> tuple[int, int, int]:
    """The number of expectations that passed, that warned, and that failed or had an error."""
    if report.outcome is None:
        return 0, 0, 0
    failed = report.outcome.failed_expectations
    warned = sum(one.status == "warn" for one in failed)
    return report.outcome.expectations_passed, warned, len(failed) - warned


def location(settings: Settings, tenant: str) -> str:
    """Where a tenant's tables are, for people."""
    target = settings.target({"tenant_id": tenant})
    if target.type == "duckdb":
        return f"{target.fields['path']}, tables {tenant}.*"
    return f"{target.fields['project']}.{tenant}"


def summary(report: Report, where: str, target: str | None = None) -> str:
    """A run's result for people. `target`: as the caller named it, for the next command."""
    run = report.run
    on = f" --target {target}" if target else ""
    status_command = f"runner status {run.id} --tenant {run.tenant_id}{on}"
    if run.deduplicated and report.status in ACTIVE:
        return _active_run(report, status_command, on)
    head = f"{report.status}  {run.tenant_id}  {run.dates}"
    error = [("error", report.outcome.error)] if report.outcome and report.outcome.error else []
    if run.deduplicated:
        rows = "" if run.row_count is None else f", {run.row_count:,} rows"
        return _block(f"{head}  by run {run.id}{rows}", [*error, ("next", status_command)])
    passed, warned, failed = test_counts(report)
    rerun = "" if report.status == "COMPLETED" else f", then {run.rerun_command}{on}"
    return _block(
        f"{head}  in {report.duration_ms / 1000:.1f} s",
        [
            ("run", run.id),
            *(("bill", line) for line in _bill(report)),
            ("tests", f"{passed} passed, {warned} warned, {failed} failed"),
            *(("warning", warning) for warning in report.warnings),
            *error,
            ("data", where),
            ("next", f"{status_command}{rerun}"),
        ],
    )


def _active_run(report: Report, status_command: str, on: str) -> str:
    """An active run that covers the dates, and the next command."""
    run = report.run
    covers = f"Run {run.id} of {run.tenant_id} covers {run.dates} and"
    if run.is_queued and report.status == "PENDING":
        return (
            f"{covers} has waited for `runner serve` since {run.start_time:%Y-%m-%d %H:%M} UTC:"
            f" nothing was started.\nStart `runner serve`{on}, or cancel it: runner cancel {run.id}"
            f" --tenant {run.tenant_id}{on}"
        )
    state = f"waits for {run.waits_for}" if run.waits_for else f"is {run.status}"
    return f"{covers} {state}: nothing was started.\nFollow it with: {status_command}"


def _block(head: str, lines: Sequence[tuple[str, str]]) -> str:
    return "\n".join([head, *(f"  {name:<9} {text}" for name, text in lines)])


def _bill(report: Report) -> list[str]:
    """The totals by currency; nothing for a run that failed."""
    if not report.totals:
        return ["no rows"] if report.status == "COMPLETED" else []
    rows = [(one.currency, one.rows, one.cost, one.credits, one.net) for one in report.totals]
    return columns([("currency", "rows", "gross", "credits", "net"), *rows])


def estimate(result: Estimate) -> str:
    """What a run would do; and what it would read, model by model, where that is billed."""
    days = f"{result.dates.days} date{'s' if result.dates.days > 1 else ''}"
    text = _block(
        f"PLAN  {result.tenant_id}  {result.dates}  ({days}, pipeline {result.template})",
        [
            *((f"{n}. table", name) for n, name in enumerate(result.tables, 1)),
            ("tests", f"{result.tests} dbt tests, each of one or more expectations"),
            ("writes", "nothing: without --dry-run the dates are replaced in these tables"),
        ],
    )
    if all(one.bytes_billed is None and not one.why for one in result.models):
        return f"{text}\nThis target reads local files: nothing is billed."
    rows = [(one.model, one.bytes_billed, short(one.why, 60)) for one in result.models]
    text += "\n" + table(("model or test", "bytes", ""), rows)
    price = f"about ${result.dollars} at ${result.dollars_per_tib} a TiB"
    return f"{text}\nat least {result.bytes_billed:,} bytes are billed, {price}"


def estimate_document(result: Estimate) -> dict[str, Any]:
    """An estimate as `run --dry-run --json` prints it."""
    names = ("tenant_id", "template", "tables", "tests", "models", "bytes_billed", "dollars")
    return {
        **{name: getattr(result, name) for name in (*names, "maximum_bytes_billed")},
        "run_date": result.dates.first,
        "to_date": result.dates.last,
    }


def catch_up(result: CatchUp, is_dry_run: bool = False) -> str:
    """The result of one tenant's catch-up: a line for it, and one for each range."""
    if result.found is None:
        return f"{result.tenant_id}: {result.error}"
    dates = result.found.dates
    head = "nothing to run: no date has changed since it was loaded."
    if dates:
        verb = "to run" if is_dry_run else "were to be run"
        head = f"{len(dates)} date{'s' if len(dates) > 1 else ''} {verb}: {in_words(dates)}"
    rows = [
        (
            "" if is_dry_run else part.status,
            part.dates,
            f"{part.dates.days} d",
            "" if part.rows is None else f"{part.rows:,} rows",
            part.run_id,
            part.error,
        )
        for part in result.parts
    ]
    notes = (*columns(rows), *result.notes, *([result.error] if result.error else ()))
    return "\n".join([f"{result.tenant_id}: {head}", *(f"  {note.lstrip()}" for note in notes)])


def catch_up_document(result: CatchUp) -> dict[str, Any]:
    """One tenant's catch-up as `catch-up --json` prints it."""
    found = result.found
    return {
        "tenant_id": result.tenant_id,
        "complete": result.is_complete,
        "exit_code": result.exit_code,
        "error": result.error,
        "checked_at": found.checked_at if found else None,
        "partitions_from": found.partitions_from if found else None,
        "dates": found.dates if found else [],
        "skipped": found.skipped if found else [],
        "runs": [
            {
                "run_date": part.dates.first,
                "to_date": part.dates.last,
                "status": part.status,
                "pipeline_logging_id": part.run_id,
                "rows": part.rows,
                "error": part.error,
            }
            for part in result.parts
        ],
        "notes": result.notes,
    }
