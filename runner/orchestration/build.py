"""The dbt build of a claimed run."""

import contextlib
import logging
import time
from dataclasses import dataclass, field, replace

from runner import dates, refusals
from runner.context import Context
from runner.control import claim, runs, tenants
from runner.dataset import data_sql, deployment
from runner.dataset.dataset import Dataset
from runner.engine.job import Event, Job, Outcome
from runner.errors import AccountRefused, UsageProblem, WarehouseProblem, WarehouseUnreachable
from runner.orchestration import landings, read_back
from runner.orchestration.report import Total
from runner.orchestration.step_log import StepLog
from runner.pipelines import templates

log = logging.getLogger(__name__)

# The message of macros/publish/export_files_unchanged.sql about an unfinished upload.
EXPORT_CHANGED = "the export changed while it was read"
# BigQuery's messages about a transaction that conflicts with another, and about a missing role or
# a disabled service.
CONFLICT = "due to concurrent update"
ACCESS_DENIED = "Access Denied"


class ClosedElsewhere(Exception):
    """Another command has cancelled the run, or closed it as dead."""


def build_dates(
    context: Context,
    request: claim.Request,
    run: runs.Run,
    template: templates.Template,
    steps: StepLog,
) -> tuple[Outcome, tuple[Total, ...]]:
    """Build and test the dates with dbt; returns the outcome and, after a success, the totals.

    Raises DatesNotLanded before dbt starts, ClosedElsewhere and Interrupted at any time.
    """
    dataset, tenant = context.dataset, run.tenant_id
    try:
        account = dataset.account_of(tenant)
    except AccountRefused as refused:
        return Outcome(False, refused.message), ()
    build = _Build(context, request, run, template, steps)
    landed = build.await_landings()
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(dataset.exclusive(tenant, build.wait))
        except WarehouseUnreachable as problem:  # of the data; the control tables can be written
            return Outcome(False, problem.message), ()
        has_ended = False
        try:
            outcome = build.run_dbt(account)
            if EXPORT_CHANGED in (outcome.error or ""):
                log.warning("%s; the build is repeated once", outcome.error)
                outcome = build.run_dbt(account)
            has_ended = outcome.success
        finally:
            if not has_ended:
                # dbt was killed or stopped: its BigQuery jobs must not publish anything later.
                with contextlib.suppress(WarehouseProblem):
                    context.store.cancel_jobs(tenant, [run.id])
            # Also after a failure: some tables may have been published.
            if steps.has_begun_a_model:
                steps.published = read_back.published(dataset, run)
        nodes = (replace(node, message=_in_words(node.message, account)) for node in outcome.nodes)
        error = _in_words(outcome.error, account, tenant)
        outcome = replace(outcome, error=error, nodes=tuple(nodes))
        if steps.has_begun_a_model:
            outcome = read_back.explained(dataset, run, outcome)
        if outcome.success and (error := landings.landed_since(context.store, request, landed)):
            outcome = replace(outcome, success=False, error=error)
        return outcome, _totals(dataset, run) if outcome.success else ()


@dataclass
class _Build:
    """One build from its first wait to its timeout."""

    context: Context
    request: claim.Request
    run: runs.Run
    template: templates.Template
    steps: StepLog
    began: float = field(default_factory=time.monotonic)
    next_check: float = 0.0

    @property
    def timeout(self) -> float:
        return self.template.step.timeout_minutes * 60

    def check(self) -> None:
        """Raises Interrupted, or, checked every `poll_seconds`, ClosedElsewhere."""
        self.context.stop.check()
        if time.monotonic() < self.next_check:
            return
        # One transaction writes changed steps and reads the status.
        if not runs.still_owned(self.context.store, self.run, self.steps.flush()):
            raise ClosedElsewhere
        self.next_check = time.monotonic() + self.context.store.poll_seconds

    def wait(self, what: str) -> None:
        """Report what is waited for, and check."""
        self.context.on_event(Event("waiting", name=what))
        self.check()

    def await_landings(self) -> frozenset[str]:
        """Wait while a run of a landing has some of the dates; returns what is landed."""
        while True:
            try:
                return landings.require_dates(self.context.store, self.request)
            except landings.LandingIsActive as problem:
                if self.request.queued or time.monotonic() > self.began + self.timeout:
                    raise
                self.wait(problem.message)
                self.context.stop.sleep(self.context.store.poll_seconds)

    def run_dbt(self, account: str) -> Outcome:
        """Run the job. Files are checked first, as DuckDB ignores the checksum of a gzip file."""
        context, tenant = self.context, self.run.tenant_id
        if not context.dataset.prunes_exports:
            refs = [export.ref for export in tenants.exports(context.store, tenant)]
            try:
                context.dataset.check_exports(tenant, refs)
            except UsageProblem as problem:
                return Outcome(False, problem.message)
        with context.pool.lend() as worker:
            context.on_event(Event("waiting", name="starting dbt"))
            return worker.run(
                self._job(account),
                self._follow,
                timeout=self.timeout,
                on_tick=self.check,
                tick_seconds=min(1.0, context.store.poll_seconds),
                began=self.began,
            )

    def _follow(self, event: Event) -> None:
        if event.is_reported:
            step = {"step": event.unique_id}
            log.info("%s %s: %s", event.type, event.name, event.status, extra=step)
        self.steps.follow(event)
        self.context.on_event(event)

    def _job(self, account: str) -> Job:
        """The job that builds the dates; with views, seeds and control tables if not deployed."""
        run, step, settings = self.run, self.template.step, self.context.settings
        adapter = settings.target({"tenant_id": run.tenant_id}).type
        project = deployment.project_hash(settings.project_dir, adapter, step.selector)
        is_deployed = deployment.has(self.context.dataset, run.tenant_id, project)
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
                "pipeline": self.template.name,
                **({"user_id": run.user_id} if run.user_id else {}),
                **({} if is_deployed else {"project_hash": project}),
            },
            log_path=settings.log_dir / "runs" / run.id,
            account=account,
        )


def _in_words(message: str | None, account: str, tenant: str = "") -> str | None:
    """A message of dbt's, with the cause where BigQuery's message has only the symptom.

    `tenant`: adds the remedy of a 403 for this tenant.
    """
    if message and account and refusals.REFUSED in message:
        return refusals.refusal(account, message)
    if message and CONFLICT in message:
        return f"another dbt run of this tenant is writing the same table ({message})"
    if message and tenant and ACCESS_DENIED in message:
        return (
            f"{message.rstrip('.')}: run `runner doctor --tenant {tenant}`, which prints the"
            " command that grants the missing role"
        )
    return message


def _totals(dataset: Dataset, run: runs.Run) -> tuple[Total, ...]:
    """The totals of the run's charge rows, per currency."""
    is_landing = run.template == templates.LANDING
    statement = data_sql.LANDED_TOTALS if is_landing else data_sql.TOTALS
    rows = dataset.read(
        run.tenant_id,
        statement.format(tenant=run.tenant_id),
        from_date=run.run_date,
        to_date=run.to_date,
        from_time=dates.midnight(run.run_date),
        before_time=dates.midnight(run.to_date + dates.DAY),
    )
    return tuple(
        Total(row["currency"], row["charge_rows"], row["cost"], row["credits"], row["net"])
        for row in rows
    )
