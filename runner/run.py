"""One run, in order: claim (quota, dedup), dbt, record, notify."""

import logging
import smtplib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from runner import claim, control_sql, notify, pipelines, record, tenants
from runner.errors import Refused, RunnerError, UsageProblem
from runner.invoke import Event, Job, Outcome, Worker
from runner.settings import Settings
from runner.warehouse import Warehouse

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Total:
    """What the loaded dates cost in one currency: rows, and money before, of and after credits."""

    currency: str
    rows: int
    cost: Decimal
    credits: Decimal
    net: Decimal


@dataclass(frozen=True)
class Report:
    """How a run ended, for people and for machines."""

    run: claim.Run
    status: str
    duration_ms: int
    outcome: Outcome | None = None
    totals: tuple[Total, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    @property
    def rows(self) -> int:
        return sum(total.rows for total in self.totals)


def run_slice(
    settings: Settings,
    warehouse: Warehouse,
    mailbox: notify.Mailbox,
    request: claim.Request,
    template: pipelines.Template,
    on_event: Callable[[Event], None],
) -> Report:
    """Build and test the dates asked for and record what happened.

    Raises Refused before dbt starts, with the refusal recorded. A failed run is a report,
    returned after it was recorded and mailed.
    """
    run = claim.take(warehouse, request, settings.project_dir)
    if run.deduplicated:
        return Report(run, run.status, 0)
    if run.status == "REFUSED":
        raise Refused(
            f"Tenant {run.tenant_id} may not run: {run.error_message}."
            f" See `runner quota --tenant {run.tenant_id}`."
        )
    steps = record.StepLog(warehouse, run)
    steps.open("claim", "Claim the dates", "claim")
    steps.close("claim", "COMPLETED")
    record.start(steps, run)

    def follow(event: Event) -> None:
        steps.follow(event)
        on_event(event)

    with (
        warehouse.alone_with(run.tenant_id),
        Worker(settings, settings.log_dir / "runs" / run.id) as worker,
    ):
        outcome = worker.run(
            Job(
                tenant_id=run.tenant_id,
                command=(
                    *("build", "--selector", template.step.selector),
                    *("--exclude-resource-type", "unit_test"),
                ),
                vars={
                    "from_date": run.run_date.isoformat(),
                    "to_date": run.to_date.isoformat(),
                    "pipeline_logging_id": run.id,
                    **({"user_id": run.user_id} if run.user_id else {}),
                },
            ),
            follow,
            timeout=template.step.timeout_minutes * 60,
        )
        totals, outcome = _totals(warehouse, run, outcome)
    for node in outcome.nodes:
        steps.close_node(node)
    steps.close_open("FAILED", outcome.error)
    warnings = _warnings(outcome, totals)
    status = "COMPLETED" if outcome.success else "FAILED"
    error = outcome.error or "; ".join(warnings) or None
    try:
        duration_ms = record.finish(
            steps, run, status, error, sum(total.rows for total in totals) if totals else 0
        )
    finally:
        # The mail goes even when the warehouse, and so the record, is down.
        if not outcome.success:
            _notify(settings, warehouse, mailbox, template, run, outcome, steps)
    return Report(run, status, duration_ms, outcome, totals, warnings)


def request_for(
    warehouse: Warehouse,
    tenant: str,
    template: pipelines.Template,
    from_date: date,
    to_date: date,
    trigger_type: str,
    trigger_by: str,
) -> claim.Request:
    """The request for these dates. Raises UsageProblem for an unknown tenant or from after to."""
    if from_date > to_date:
        raise UsageProblem(f"--from {from_date} is after --to {to_date}: swap them.")
    tenants.find(warehouse, tenant)
    return claim.Request(
        tenant_id=tenant,
        pipeline_id=pipelines.fill(template.pipeline_id, {"tenant_id": tenant}),
        template=template.name,
        from_date=from_date,
        to_date=to_date,
        trigger_type=trigger_type,
        trigger_by=trigger_by,
        timeout_minutes=template.step.timeout_minutes,
    )


def _totals(
    warehouse: Warehouse, run: claim.Run, outcome: Outcome
) -> tuple[tuple[Total, ...], Outcome]:
    """The loaded totals per currency; a warehouse that will not tell them fails the run."""
    if not outcome.success:
        return (), outcome
    try:
        rows = warehouse.read_data(
            run.tenant_id,
            control_sql.TOTALS.format(tenant=run.tenant_id),
            from_date=run.run_date,
            to_date=run.to_date,
        )
    except RunnerError as error:
        return (), Outcome(False, error.message, outcome.nodes)
    return tuple(
        Total(row["currency"], row["charge_rows"], row["cost"], row["credits"], row["net"])
        for row in rows
    ), outcome


def _warnings(outcome: Outcome, totals: tuple[Total, ...]) -> tuple[str, ...]:
    warned = [f"{node.name}: {node.message}" for node in outcome.nodes if node.status == "warn"]
    if outcome.success and not totals:
        warned.insert(0, "0 rows: the export has no usage for this date yet")
    return tuple(warned)


def _notify(
    settings: Settings,
    warehouse: Warehouse,
    mailbox: notify.Mailbox,
    template: pipelines.Template,
    run: claim.Run,
    outcome: Outcome,
    steps: record.StepLog,
) -> None:
    """Mail the failure and record how that went; never raises, never changes the run."""
    for alert in template.alerts:
        steps.open(alert.id, "Mail the failure", "notify")
        try:
            tenant = tenants.find(warehouse, run.tenant_id)
            values = {
                "tenant_id": run.tenant_id,
                "company_name": tenant.company_name,
                "admin_email": tenant.admin_email,
                "alert_to": ",".join(settings.mail.alert_to),
                "pipeline_id": run.pipeline_id,
                "pipeline_logging_id": run.id,
                "date": run.run_date.isoformat(),
                "from_date": run.run_date.isoformat(),
                "to_date": run.to_date.isoformat(),
            }
            told = notify.Failure(run, outcome, tenant.company_name)
            sent = notify.failure(mailbox, settings.mail, alert, told, values)
            log.info("failure mail of run %s sent to %s", run.id, ", ".join(sent))
            steps.close(alert.id, "COMPLETED")
        except (OSError, smtplib.SMTPException, RunnerError) as error:
            log.warning("failure mail of run %s could not go: %s", run.id, error)
            steps.close(alert.id, "FAILED", f"{type(error).__name__}: {error}")
    try:
        steps.flush()
    except RunnerError as error:
        log.warning("the outcome of the mail of run %s was not recorded: %s", run.id, error)
