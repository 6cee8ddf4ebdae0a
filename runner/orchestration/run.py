"""One run, in order: claim (quota, dedup), dbt, record, notify."""

import contextlib
import logging
import signal
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace

from runner import logs
from runner.control import claim, runs, spool, turns
from runner.engine.job import Event, Outcome
from runner.engine.pool import Pool
from runner.errors import (
    Interrupted,
    StatementRefused,
    WarehouseProblem,
    WarehouseUnreachable,
)
from runner.orchestration import (
    alerts,
    build,
    claiming,
    landings,
    publications,
    step_log,
)
from runner.orchestration.build import ClosedElsewhere
from runner.mailing import Mailbox
from runner.orchestration.report import Report, Total
from runner.pipelines import templates
from runner.settings import Settings
from runner.warehouse import Warehouse

log = logging.getLogger(__name__)

# How much more often than the others the run looks whose turn is next: each look costs a query.
NEXT_LOOKS = 3


def run_slice(
    settings: Settings,
    warehouse: Warehouse,
    mailbox: Mailbox,
    request: claim.Request,
    template: templates.Template,
    on_event: Callable[[Event], None],
    pool: Pool | None = None,
    stopped_by: Callable[[], int] = lambda: 0,
) -> Report:
    """Build and test the dates asked for and record what happened.

    `pool`: who has dbt processes already. `stopped_by`: the signal that ends the run, for a thread
    that gets none. Raises Refused before dbt starts, with the refusal recorded; WarehouseProblem
    when the end could not be written (it is then in the spool). A failed or interrupted run is a
    report.
    """
    if pool is None:
        with Pool(settings) as own:
            return run_slice(
                settings, warehouse, mailbox, request, template, on_event, own, stopped_by
            )
    run_id = str(uuid.uuid4())
    try:
        # Where a claim takes seconds, dbt is made ready meanwhile. On DuckDB it takes milliseconds,
        # and of fifty that ask at once, one needs a process.
        meanwhile = (lambda: None) if warehouse.has_one_writer else pool.warm_up
        try:
            run = claiming.claimed(settings, warehouse, request, run_id, meanwhile)
        except WarehouseUnreachable:
            # Only the answer may be lost: then no other run is to wait for the lease of this one.
            with contextlib.suppress(WarehouseProblem):
                runs.cancel(warehouse, request.tenant_id, run_id, "its claim was not answered")
            raise
        if run.deduplicated:
            return claiming.of_another(warehouse, run, request)
        with logs.of_run(settings, run.id, run.tenant_id):
            return execute(
                settings, warehouse, mailbox, template, request, run, on_event, pool, stopped_by
            )
    except Interrupted as stop:
        # Beside execute's own care: while the claim was made, or right after it.
        warehouse.hurry()
        with _undisturbed():
            why = _stopped_by(stop)
            try:
                withdrawn = runs.cancel(warehouse, request.tenant_id, run_id, why)
            except WarehouseUnreachable:
                withdrawn = None  # closed with its process, by whoever looks next
        if withdrawn is None:
            raise
        outcome = Outcome(False, why)
        return Report(withdrawn, withdrawn.status, 0, outcome, interrupted=stop.number)


def _stopped_by(stop: Interrupted) -> str:
    return f"stopped by {signal.Signals(stop.number).name}"


def execute(
    settings: Settings,
    warehouse: Warehouse,
    mailbox: Mailbox,
    template: templates.Template,
    request: claim.Request,
    run: runs.Run,
    on_event: Callable[[Event], None],
    pool: Pool,
    stopped_by: Callable[[], int],
) -> Report:
    """What follows a claim of our own: dbt, the record, the alert.

    A run that had waited for a service waits again when it is stopped, for the next one.
    """
    log.info("run of %s by %s began", runs.dates(run), run.trigger_by)
    steps = step_log.StepLog(warehouse, run)
    steps.open("claim", "Claim the dates", "claim")
    steps.close("claim", "COMPLETED")
    interrupted = 0
    broke: BaseException | None = None
    totals: tuple[Total, ...] = ()
    try:
        if not request.queued:  # it was taken up in its turn
            _await_turn(warehouse, run, template, on_event, pool, stopped_by)
        outcome, totals = build.build_dates(
            settings, warehouse, request, run, template, steps, on_event, pool, stopped_by
        )
        status = "COMPLETED" if outcome.success else "FAILED"
    except landings.DatesNotLanded as problem:
        # The landing was run between the claim and now.
        if request.queued and isinstance(problem, landings.LandingIsActive):
            with _undisturbed():
                run = step_log.hand_back(settings, warehouse, run)
            log.info("run is %s again: %s", run.status, problem.message)
            return Report(run, run.status, 0)
        outcome = Outcome(False, problem.message)
        status = "FAILED"
    except Interrupted as stop:
        if request.queued:
            with _undisturbed():
                run = step_log.hand_back(settings, warehouse, run)
            log.info("run is %s again: %s", run.status, _stopped_by(stop))
            return Report(run, run.status, 0, interrupted=stop.number)
        interrupted = stop.number
        outcome = Outcome(False, _stopped_by(stop))
        status = "CANCELLED"
    except ClosedElsewhere:
        outcome = Outcome(False, "closed by another command")
        status = "CANCELLED"
    except (Exception, KeyboardInterrupt) as error:
        # Ours or the warehouse's: recorded like any other end before it goes on.
        broke = error
        outcome = Outcome(False, getattr(error, "message", f"{type(error).__name__}: {error}"))
        status = "FAILED" if isinstance(error, Exception) else "CANCELLED"
        log.exception("run %s broke", run.id)
    with _undisturbed():
        outcome = replace(outcome, at_work=steps.at_work)
        alarms = alerts.raised(
            settings.mail,
            template,
            run,
            status,
            _for_mail(warehouse, run, steps, outcome, broke),
            request.admin_email,
            request.company_name,
        )
        report = _finish(
            settings, warehouse, mailbox, run, steps, status, outcome, totals, interrupted, alarms
        )
    if broke is not None:
        raise broke
    return report


def _for_mail(
    warehouse: Warehouse,
    run: runs.Run,
    steps: step_log.StepLog,
    outcome: Outcome,
    broke: BaseException | None,
) -> Outcome:
    """The outcome with what readers see now, by the records where the data did not say."""
    if outcome.success or outcome.readers_see:
        return outcome
    if isinstance(broke, WarehouseUnreachable):  # asking again would wait as long again
        return replace(outcome, readers_see="It could not be looked up: the warehouse is down.")
    is_known = not steps.has_begun_a_model
    return replace(
        outcome, readers_see=publications.readers_see_by_record(warehouse, run, is_known)
    )


def _await_turn(
    warehouse: Warehouse,
    run: runs.Run,
    template: templates.Template,
    on_event: Callable[[Event], None],
    pool: Pool,
    stopped_by: Callable[[], int],
) -> None:
    """Wait until no other run of the tenant builds and none that waits is older: now it is RUNNING.

    Raises ClosedElsewhere, and Interrupted once `stopped_by` names a signal.
    """
    minutes, first = template.step.timeout_minutes, ""
    turn = step_log.start(warehouse, run, minutes)
    while turn.status == "PENDING":
        is_next = len(turn.ahead) <= 1
        if is_next:
            pool.warm_up()
        if turn.ahead and turn.ahead[0] != first:
            first = turn.ahead[0]
            log.info("it waits for run %s", first)
            on_event(Event("waiting", name=f"run {run.id} waits for run {first}"))
        build.pause(warehouse.seconds_between_looks / (NEXT_LOOKS if is_next else 1), stopped_by)
        turn = turns.wait_for_turn(warehouse, run)
        if turn.status == "PENDING" and not turn.ahead:
            turn = step_log.start(warehouse, run, minutes)
    if turn.status != "RUNNING":
        raise ClosedElsewhere


def _finish(
    settings: Settings,
    warehouse: Warehouse,
    mailbox: Mailbox,
    run: runs.Run,
    steps: step_log.StepLog,
    status: str,
    outcome: Outcome,
    totals: tuple[Total, ...],
    interrupted: int,
    alarms: list[alerts.Alarm],
) -> Report:
    """Record the end and its alarms in one transaction, then send what is due."""
    for node in outcome.nodes:
        steps.close_node(node)
    steps.close_open("CANCELLED" if status == "CANCELLED" else "FAILED", outcome.error)
    warnings = _warnings(outcome, totals)
    for node in outcome.nodes:
        if node.failed or node.status == "warn":
            log.warning("%s: %s", node.status, node.message, extra={"step": node.unique_id})
    log.info("run ended %s%s", status, f": {outcome.error}" if outcome.error else "")
    if outcome.readers_see:
        # After the alert: the same failure is told once, whatever readers see meanwhile.
        outcome = replace(
            outcome, error=f"{(outcome.error or '').rstrip('.')}. {outcome.readers_see}"
        )
    error = outcome.error
    rows = sum(total.rows for total in totals) if status == "COMPLETED" else None
    try:
        ended, outbox = step_log.finish(
            settings, warehouse, steps, run, status, error, warnings, rows, *alarms
        )
    except WarehouseProblem as problem:
        if status == "FAILED":
            _send_unrecorded(settings, mailbox, run, alarms)
        if not alarms or not isinstance(problem, StatementRefused):
            raise
        # The outbox may be what is broken: the end is written without it.
        ended, outbox = step_log.finish(
            settings, warehouse, steps, run, status, error, warnings, rows
        )
        warnings += (problem.message,)
    alerts.deliver(warehouse, mailbox, settings.mail, run.tenant_id, outbox)
    if (ended.status, ended.error_message) != (status, error):
        # Closed by another command meanwhile: its word stands.
        outcome = Outcome(False, ended.error_message, outcome.nodes)
        if steps.published:
            with contextlib.suppress(WarehouseProblem):  # the data has them, too
                step_log.keep_publications(warehouse, steps, run)
    duration_ms = ended.duration_ms or 0
    return Report(run, ended.status, duration_ms, outcome, totals, warnings, interrupted)


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """A second Ctrl-C does not stop the record of the first."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _warnings(outcome: Outcome, totals: tuple[Total, ...]) -> tuple[str, ...]:
    warned = [node.message or node.name for node in outcome.nodes if node.status == "warn"]
    if outcome.success and not totals:
        warned.insert(0, "0 rows: the export has no usage for this date yet.")
    return tuple(warned)


def _send_unrecorded(
    settings: Settings, mailbox: Mailbox, run: runs.Run, alarms: list[alerts.Alarm]
) -> None:
    """Mail though the warehouse, and so the outbox, is down; that it went waits in the spool."""
    for alarm in alarms:
        sent = alerts.send(mailbox, settings.mail.sender, run.id, alarm.letter)
        if sent.went:
            with contextlib.suppress(OSError):  # it goes again then: better twice than never
                spool.keep(settings, run.tenant_id, *alerts.mark_sent(alarm, sent.told))
