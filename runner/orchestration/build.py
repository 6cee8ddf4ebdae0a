"""The dbt build of a claimed run."""

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace

from runner import refusals
from runner.control import claim, runs
from runner.dataset import data_sql, deployment
from runner.engine.job import Event, Job, Outcome
from runner.engine.pool import Pool
from runner.errors import (
    AccountRefused,
    Interrupted,
    UsageProblem,
    WarehouseUnreachable,
)
from runner.orchestration import landings, read_back, step_log
from runner.orchestration.report import Total
from runner.pipelines import templates
from runner.settings import Settings
from runner.warehouse import Warehouse

log = logging.getLogger(__name__)

# What macros/publish/export_files_unchanged.sql says of an upload that is not finished.
EXPORT_CHANGED = "the export changed while it was read"

# BigQuery's words for a transaction that was cancelled, for another changed the same table.
CONFLICT = "aborted due to concurrent update"

# And for a 403: a role that is missing, or a service that is not enabled.
ACCESS_DENIED = "Access Denied"


class ClosedElsewhere(Exception):
    """Somebody cancelled the run, or took it for dead: it is no longer ours."""


def pause(seconds: float, stopped_by: Callable[[], int]) -> None:
    """Sleep; raises Interrupted once `stopped_by` names a signal."""
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        if number := stopped_by():
            raise Interrupted(number)
        time.sleep(min(0.2, left))


def build_dates(
    settings: Settings,
    warehouse: Warehouse,
    request: claim.Request,
    run: runs.Run,
    template: templates.Template,
    steps: step_log.StepLog,
    on_event: Callable[[Event], None],
    pool: Pool,
    stopped_by: Callable[[], int],
) -> tuple[Outcome, tuple[Total, ...]]:
    """Have dbt build and test the dates; its outcome and, when all is well, the totals.

    Raises DatesNotLanded before dbt starts.
    """
    try:
        account = warehouse.account_of(run.tenant_id)
    except AccountRefused as refused:
        return Outcome(False, refused.message), ()

    def follow(event: Event) -> None:
        log.info("%s %s", event.kind, event.status, extra={"step": event.unique_id})
        steps.follow(event)
        on_event(event)

    began, timeout = time.monotonic(), template.step.timeout_minutes * 60
    next_look = began

    def look() -> None:
        nonlocal next_look
        if number := stopped_by():
            raise Interrupted(number)
        if time.monotonic() < next_look:
            return
        # The steps are written and the status read in one go, where there is something to write.
        if not runs.is_ours(warehouse, run, steps.flush()):
            raise ClosedElsewhere
        next_look = time.monotonic() + warehouse.seconds_between_looks

    def wait(told: str) -> None:
        on_event(Event("waiting", name=told))
        look()

    def job() -> Job:
        step = template.step
        adapter = settings.target({"tenant_id": run.tenant_id}).type
        project = deployment.project_hash(settings.project_dir, adapter, step.selector)
        is_deployed = deployment.has(warehouse, run.tenant_id, project)
        return Job(
            tenant_id=run.tenant_id,
            command=(
                *("build", "--selector", step.dates_selector if is_deployed else step.selector),
                *("--exclude-resource-type", "unit_test"),
            ),
            vars={
                "from_date": run.run_date.isoformat(),
                "to_date": run.to_date.isoformat(),
                "pipeline_logging_id": run.id,
                "pipeline": template.name,
                **({"user_id": run.user_id} if run.user_id else {}),
                **({} if is_deployed else {"project_hash": project}),
            },
            log_path=settings.log_dir / "runs" / run.id,
            account=account,
        )

    def dbt_build() -> Outcome:
        """Its files looked at first: DuckDB does not look at the checksum of a gzip file."""
        try:
            warehouse.check_exports(run.tenant_id)
        except UsageProblem as problem:
            return Outcome(False, problem.message)
        with pool.lend() as worker:
            on_event(Event("waiting", name="starting dbt"))
            return worker.run(
                job(),
                follow,
                timeout=timeout,
                on_tick=look,
                tick_seconds=min(1.0, warehouse.seconds_between_looks),
                began=began,
            )

    def landed() -> frozenset[str]:
        """What is landed of the dates, once no run of a landing has some of them."""
        while True:
            try:
                return landings.require_dates(warehouse, request)
            except landings.LandingIsActive as problem:
                if request.queued or time.monotonic() > began + timeout:
                    raise
                on_event(Event("waiting", name=problem.message))
                look()
                pause(warehouse.seconds_between_looks, stopped_by)

    known = landed()
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(warehouse.alone_with(run.tenant_id, wait))
        except WarehouseUnreachable as problem:  # only the data: the record can be written
            return Outcome(False, problem.message), ()
        try:
            outcome = dbt_build()
            if EXPORT_CHANGED in (outcome.error or ""):
                log.warning("%s; the build is repeated once", outcome.error)
                outcome = dbt_build()
        finally:
            # However dbt ended, what it published stands.
            if steps.has_begun_a_model:
                steps.published = read_back.published(warehouse, run)
        outcome = replace(
            outcome,
            error=_in_words(outcome.error, account, run.tenant_id),
            nodes=tuple(
                replace(node, message=_in_words(node.message, account)) for node in outcome.nodes
            ),
        )
        if steps.has_begun_a_model:
            outcome = read_back.explained(warehouse, run, outcome)
        if outcome.success and (error := landings.landed_since(warehouse, request, known)):
            outcome = replace(outcome, success=False, error=error)
        return outcome, _totals(warehouse, run) if outcome.success else ()


def _in_words(message: str | None, account: str, tenant: str = "") -> str | None:
    """A message of dbt's, with the reason in plain words where BigQuery names only the symptom.

    `tenant`: for whom the remedy of a 403 is named.
    """
    if message and account and refusals.REFUSED in message:
        return refusals.refusal(account, message)
    if message and CONFLICT in message:
        return f"another dbt run of this tenant is writing ({message})"
    if message and tenant and ACCESS_DENIED in message:
        return (
            f"{message.rstrip('.')}: run `runner doctor --tenant {tenant}`, which names the"
            " command that grants what is missing"
        )
    return message


def _totals(warehouse: Warehouse, run: runs.Run) -> tuple[Total, ...]:
    """What stands in billing_cost_daily for the run's dates, per currency."""
    is_landing = run.template == templates.LANDING
    statement = data_sql.LANDED_TOTALS if is_landing else data_sql.TOTALS
    rows = warehouse.read_data(
        run.tenant_id,
        statement.format(tenant=run.tenant_id),
        from_date=run.run_date,
        to_date=run.to_date,
    )
    return tuple(
        Total(row["currency"], row["charge_rows"], row["cost"], row["credits"], row["net"])
        for row in rows
    )
