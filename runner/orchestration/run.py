"""One run, in order: claim (quota, dedup), dbt, record, notify."""

import contextlib
import logging
import signal
import uuid
from dataclasses import dataclass, replace

from runner import logs, signals
from runner.context import Context
from runner.control import claim, runs, spool, turns
from runner.engine.job import Event, Outcome
from runner.errors import Interrupted, StatementRefused, WarehouseProblem, WarehouseUnreachable
from runner.orchestration import alerts, build, claiming, landings, publications, step_log
from runner.orchestration.build import ClosedElsewhere
from runner.orchestration.report import Report, Total
from runner.pipelines.templates import Template

log = logging.getLogger(__name__)

# The next run checks its turn this many times as often as the others; each check is a query.
NEXT_CHECKS = 3


@dataclass(frozen=True)
class _End:
    """How a run ended, before it is recorded. `error`: the exception to raise afterwards."""

    status: str
    outcome: Outcome
    totals: tuple[Total, ...] = ()
    signal: int = 0
    error: BaseException | None = None


def run_dates(context: Context, request: claim.Request, template: Template) -> Report:
    """Build and test the requested dates, and record the result.

    Raises Refused before dbt starts, with the refusal recorded, and WarehouseProblem when the end
    could not be written and was spooled. A failed or interrupted run returns a report.
    """
    _ = context.settings.mail  # raises for invalid settings before anything is claimed
    run_id = str(uuid.uuid4())
    try:
        try:
            run = claiming.claimed(context, request, run_id)
        except WarehouseUnreachable:
            # The claim may be committed: other runs must not wait for its lease.
            with contextlib.suppress(WarehouseProblem):
                why = "the claim got no answer from the warehouse"
                runs.cancel(context.store, request.tenant_id, run_id, why)
            raise
        if run.deduplicated:
            return claiming.report_of_active_run(context.store, run, request)
        with logs.of_run(context.settings, run.id, run.tenant_id):
            return execute(context, template, request, run)
    except Interrupted as stop:
        # During the claim or right after it; execute handles later signals.
        context.store.hurry()
        with signals.ignored():
            why = _stopped_by(stop)
            try:
                cancelled = runs.cancel(context.store, request.tenant_id, run_id, why)
            except WarehouseUnreachable:
                cancelled = None  # the next command closes it as dead
        if cancelled is None:
            raise
        outcome = Outcome(False, why)
        return Report(cancelled, cancelled.status, 0, outcome, interrupted=stop.number)


def execute(context: Context, template: Template, request: claim.Request, run: runs.Run) -> Report:
    """Execute a claimed run: dbt, the record, the alerts.

    A queued run that is stopped is requeued, for the next service.
    """
    log.info("run of %s by %s began", run.dates, run.trigger_by)
    steps = step_log.StepLog(context.store, run)
    steps.open("claim", "Claim the dates", "claim")
    steps.close("claim", "COMPLETED")
    try:
        if not request.queued:  # a queued run is dequeued in its turn
            _await_turn(context, run, template)
        outcome, totals = build.build_dates(context, request, run, template, steps)
        end = _End("COMPLETED" if outcome.success else "FAILED", outcome, totals)
    except landings.DatesNotLanded as problem:
        # The landing was run between the claim and now.
        if request.queued and isinstance(problem, landings.LandingIsActive):
            return _requeued(context, run, problem.message)
        end = _End("FAILED", Outcome(False, problem.message))
    except Interrupted as stop:
        if request.queued:
            return _requeued(context, run, _stopped_by(stop), stop.number)
        end = _End("CANCELLED", Outcome(False, _stopped_by(stop)), signal=stop.number)
    except ClosedElsewhere:
        end = _End("CANCELLED", Outcome(False, "closed by another command"))
    except (Exception, KeyboardInterrupt) as error:
        # An error of the runner or the warehouse: recorded before it is raised.
        log.exception("run %s failed", run.id)
        why = getattr(error, "message", f"{type(error).__name__}: {error}")
        status = "FAILED" if isinstance(error, Exception) else "CANCELLED"
        end = _End(status, Outcome(False, why), error=error)
    with signals.ignored():
        report = _finish(context, template, request, steps, end)
    if end.error is not None:
        raise end.error
    return report


def _stopped_by(stop: Interrupted) -> str:
    return f"stopped by {signal.Signals(stop.number).name}"


def _requeued(context: Context, run: runs.Run, why: str, number: int = 0) -> Report:
    with signals.ignored():
        run = step_log.requeue(context, run)
    log.info("run is %s again: %s", run.status, why)
    return Report(run, run.status, 0, interrupted=number)


def _await_turn(context: Context, run: runs.Run, template: Template) -> None:
    """Wait until no other run of the tenant builds and no older one waits.

    Raises ClosedElsewhere, and Interrupted after a signal.
    """
    store, minutes, first = context.store, template.step.timeout_minutes, ""
    turn = turns.start(store, run, minutes)
    while turn.status == "PENDING":
        is_next = len(turn.ahead) <= 1
        if is_next:
            context.pool.warm_up()
        if turn.ahead and turn.ahead[0] != first:
            first = turn.ahead[0]
            log.info("it waits for run %s", first)
            context.on_event(Event("waiting", name=f"run {run.id} waits for run {first}"))
        context.stop.sleep(store.poll_seconds / (NEXT_CHECKS if is_next else 1))
        turn = turns.wait_for_turn(store, run)
        if turn.status == "PENDING" and not turn.ahead:
            turn = turns.start(store, run, minutes)
    if turn.status != "RUNNING":
        raise ClosedElsewhere


def _finish(
    context: Context, template: Template, request: claim.Request, steps: step_log.StepLog, end: _End
) -> Report:
    """Record the end and its alerts in one transaction, then send due alerts."""
    run, outcome = steps.run, replace(end.outcome, at_work=steps.at_work)
    mailed = _with_what_readers_see(context, steps, outcome, end.error)
    raised = alerts.raised(
        context.settings, template, replace(run, status=end.status), mailed, request.contact
    )
    steps.close_all(outcome, "CANCELLED" if end.status == "CANCELLED" else "FAILED")
    for node in outcome.nodes:
        if node.is_reported:
            level = logging.ERROR if node.failed else logging.WARNING
            log.log(level, "%s: %s", node.status, node.message, extra={"step": node.unique_id})
    level = logging.INFO if end.status == "COMPLETED" else logging.ERROR
    log.log(level, "run ended %s%s", end.status, f": {outcome.error}" if outcome.error else "")
    if outcome.readers_see:
        # Not in the alert's fingerprint: the same failure is mailed once, whatever readers see.
        error = f"{(outcome.error or '').rstrip('.')}. {outcome.readers_see}"
        outcome = replace(outcome, error=error)
    rows = sum(total.rows for total in end.totals) if end.status == "COMPLETED" else None
    recorded = step_log.End(end.status, outcome.error, _warnings(outcome, end.totals), rows)
    try:
        ended, outbox = step_log.finish(context, steps, recorded, raised)
    except WarehouseProblem as problem:
        if end.status == "FAILED":
            _send_unrecorded(context, run, raised)
        if not raised or not isinstance(problem, StatementRefused):
            raise
        # The outbox may be the reason: write the end without it.
        ended, outbox = step_log.finish(context, steps, recorded, [])
        recorded = replace(recorded, warnings=(*recorded.warnings, problem.message))
    alerts.deliver(context, run.tenant_id, outbox)
    if (ended.status, ended.error_message) != (end.status, outcome.error):
        # Another command has closed the run meanwhile: its record is kept.
        outcome = Outcome(False, ended.error_message, outcome.nodes)
        if steps.published:
            with contextlib.suppress(WarehouseProblem):  # the data has them too
                step_log.keep_publications(context.store, steps)
    duration_ms, warnings = ended.duration_ms or 0, recorded.warnings
    return Report(
        run, ended.status, duration_ms, outcome, end.totals, warnings, interrupted=end.signal
    )


def _with_what_readers_see(
    context: Context, steps: step_log.StepLog, outcome: Outcome, error: BaseException | None
) -> Outcome:
    """The outcome with what readers see now, by the records of runs if the data was not read."""
    if outcome.success or outcome.readers_see:
        return outcome
    if isinstance(error, WarehouseUnreachable):  # another query would time out too
        seen = "What is published could not be read: the warehouse cannot be reached."
        return replace(outcome, readers_see=seen)
    is_known = not steps.has_begun_a_model
    seen = publications.readers_see_by_record(context.store, steps.run, is_known)
    return replace(outcome, readers_see=seen)


def _warnings(outcome: Outcome, totals: tuple[Total, ...]) -> tuple[str, ...]:
    warned = [node.message or node.name for node in outcome.nodes if node.status == "warn"]
    if outcome.success and not totals:
        warned.insert(0, "0 rows: the export has no usage for these dates yet.")
    return tuple(warned)


def _send_unrecorded(context: Context, run: runs.Run, raised: list[alerts.Alert]) -> None:
    """Mail without the outbox, while the warehouse is down; the spool marks the alert as sent."""
    for alert in raised:
        sent = alerts.send(context, run.id, alert.content)
        if sent.is_sent:
            with contextlib.suppress(OSError):  # then a later command sends the mail twice
                spool.keep(context.settings, run.tenant_id, *alerts.mark_sent(alert, sent.error))
