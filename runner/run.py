"""One run, in order: claim (quota, dedup), dbt, record, notify."""

import contextlib
import logging
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from runner import (
    alerts,
    claim,
    control_sql,
    credentials,
    deployment,
    landings,
    notify,
    pipelines,
    publications,
    quota,
    read_back,
    record,
    runlog,
    spool,
    tenants,
)
from runner.errors import (
    AccountRefused,
    Interrupted,
    Refused,
    StatementRefused,
    UsageProblem,
    WarehouseProblem,
    WarehouseUnreachable,
)
from runner.invoke import Event, Job, Outcome
from runner.pool import Pool
from runner.settings import Settings
from runner.warehouse import Warehouse

log = logging.getLogger(__name__)

# What macros/publish/export_files_unchanged.sql says of an upload that is not finished.
EXPORT_CHANGED = "the export changed while it was read"
# BigQuery's words for a transaction that was cancelled, for another changed the same table.
CONFLICT = "aborted due to concurrent update"
# And for a 403: a role that is missing, or a service that is not enabled.
ACCESS_DENIED = "Access Denied"
# How much more often than the others the run looks whose turn is next: each look costs a query.
NEXT_LOOKS = 3


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
    """How a run ended, for people and for machines. `interrupted`: the signal, 0 for none.

    `covered`: whether the run has all dates asked for; else nothing was started.
    """

    run: claim.Run
    status: str
    duration_ms: int
    outcome: Outcome | None = None
    totals: tuple[Total, ...] = ()
    warnings: tuple[str, ...] = ()
    interrupted: int = 0
    covered: bool = True

    @property
    def rows(self) -> int:
        """Charge rows loaded for the dates; for another's run as its record says."""
        return sum(total.rows for total in self.totals) or self.run.row_count or 0


class _ClosedElsewhere(Exception):
    """Somebody cancelled the run, or took it for dead: it is no longer ours."""


def run_slice(
    settings: Settings,
    warehouse: Warehouse,
    mailbox: notify.Mailbox,
    request: claim.Request,
    template: pipelines.Template,
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
            run = claimed(settings, warehouse, request, run_id, meanwhile)
        except WarehouseUnreachable:
            # Only the answer may be lost: then no other run is to wait for the lease of this one.
            with contextlib.suppress(WarehouseProblem):
                claim.cancel(warehouse, request.tenant_id, run_id, "its claim was not answered")
            raise
        if run.deduplicated:
            return of_another(warehouse, run, request)
        with runlog.of_run(settings, run.id, run.tenant_id):
            return execute(
                settings, warehouse, mailbox, template, request, run, on_event, pool, stopped_by
            )
    except Interrupted as stop:
        # Beside execute's own care: while the claim was made, or right after it.
        warehouse.hurry()
        with _undisturbed():
            why = _stopped_by(stop)
            try:
                withdrawn = claim.cancel(warehouse, request.tenant_id, run_id, why)
            except WarehouseUnreachable:
                withdrawn = None  # closed with its process, by whoever looks next
        if withdrawn is None:
            raise
        outcome = Outcome(False, why)
        return Report(withdrawn, withdrawn.status, 0, outcome, interrupted=stop.number)


def claimed(
    settings: Settings,
    warehouse: Warehouse,
    request: claim.Request,
    run_id: str,
    on_likely: Callable[[], None] | None,
) -> claim.Run:
    """A run of our own that waits or builds, or another's that has some of the dates.

    Raises DatesNotLanded before anything is claimed; Refused, with the refusal recorded. A queued
    run may be claimed while its landing is active: it waits in the queue.
    """
    try:
        landings.require_dates(warehouse, request)
    except landings.LandingIsActive:
        if not request.queued:
            raise
    run = claim.take(
        *(warehouse, request, settings.project_dir, run_id),
        on_likely=on_likely,
        starts=not request.queued,
    )
    if run.status == "REFUSED":
        why, what_to_do = run.error_message or "", _what_to_do(warehouse, run)
        raise Refused(f"Tenant {run.tenant_id} may not run: {why}. {what_to_do}", run)
    return run


def is_over_quota(run: claim.Run) -> bool:
    """Whether a refused run may be had later, without anybody's doing."""
    return "limit reached" in (run.error_message or "")


def _what_to_do(warehouse: Warehouse, run: claim.Run) -> str:
    """What helps a refused tenant: time or a higher limit, where one is reached, else a command."""
    tenant, why = run.tenant_id, run.error_message or ""
    if is_over_quota(run):
        found = quota.of(warehouse, tenant)
        name = why.split(" limit reached")[0]
        now = next(one.limit for one in found.limits if one.name == name)
        return (
            f"{found.in_words()} Raise it with `runner tenant update {tenant} --{name}-limit N`,"
            f" which is {now} now, or see `runner quota --tenant {tenant}`."
        )
    if why.startswith("tenant is"):
        return f"Let it run again with `runner tenant resume {tenant}`."
    return f"`runner doctor --tenant {tenant}` names the command that mends it."


def of_another(warehouse: Warehouse, run: claim.Run, request: claim.Request) -> Report:
    """What an active run means for who asked: theirs if it covers the dates, else an error."""
    run = replace(run, waits_for=claim.waiting_for(warehouse, run))
    if run.covers(request.from_date, request.to_date):
        return Report(run, run.status, 0)
    day = timedelta(days=1)
    left = [
        notify.span(first, last)
        for first, last in (
            (request.from_date, run.run_date - day),
            (run.to_date + day, request.to_date),
        )
        if first <= last
    ]
    waits = f", waiting for {run.waits_for} since {run.start_time:%Y-%m-%d %H:%M} UTC,"
    why = (
        f"Run {run.id} of {run.tenant_id} is {run.status}{waits if run.waits_for else ''} for"
        f" {notify.dates(run)} and will not load"
        f" {' and '.join(left)}; nothing was started that would: add --wait, or run again later."
    )
    return Report(run, run.status, 0, Outcome(False, why), covered=False)


def _stopped_by(stop: Interrupted) -> str:
    return f"stopped by {signal.Signals(stop.number).name}"


def execute(
    settings: Settings,
    warehouse: Warehouse,
    mailbox: notify.Mailbox,
    template: pipelines.Template,
    request: claim.Request,
    run: claim.Run,
    on_event: Callable[[Event], None],
    pool: Pool,
    stopped_by: Callable[[], int],
) -> Report:
    """What follows a claim of our own: dbt, the record, the alert.

    A run that had waited for a service waits again when it is stopped, for the next one.
    """
    log.info("run of %s by %s began", notify.dates(run), run.trigger_by)
    steps = record.StepLog(warehouse, run)
    steps.open("claim", "Claim the dates", "claim")
    steps.close("claim", "COMPLETED")
    interrupted = 0
    broke: BaseException | None = None
    totals: tuple[Total, ...] = ()
    try:
        if not request.queued:  # it was taken up in its turn
            _await_turn(warehouse, run, template, on_event, pool, stopped_by)
        outcome, totals = _build(
            settings, warehouse, request, run, template, steps, on_event, pool, stopped_by
        )
        status = "COMPLETED" if outcome.success else "FAILED"
    except landings.DatesNotLanded as problem:
        # The landing was run between the claim and now.
        if request.queued and isinstance(problem, landings.LandingIsActive):
            with _undisturbed():
                run = record.hand_back(settings, warehouse, run)
            log.info("run is %s again: %s", run.status, problem.message)
            return Report(run, run.status, 0)
        outcome = Outcome(False, problem.message)
        status = "FAILED"
    except Interrupted as stop:
        if request.queued:
            with _undisturbed():
                run = record.hand_back(settings, warehouse, run)
            log.info("run is %s again: %s", run.status, _stopped_by(stop))
            return Report(run, run.status, 0, interrupted=stop.number)
        interrupted = stop.number
        outcome = Outcome(False, _stopped_by(stop))
        status = "CANCELLED"
    except _ClosedElsewhere:
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
    run: claim.Run,
    steps: record.StepLog,
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
    run: claim.Run,
    template: pipelines.Template,
    on_event: Callable[[Event], None],
    pool: Pool,
    stopped_by: Callable[[], int],
) -> None:
    """Wait until no other run of the tenant builds and none that waits is older: now it is RUNNING.

    Raises _ClosedElsewhere, and Interrupted once `stopped_by` names a signal.
    """
    minutes, first = template.step.timeout_minutes, ""
    turn = record.start(warehouse, run, minutes)
    while turn.status == "PENDING":
        is_next = len(turn.ahead) <= 1
        if is_next:
            pool.warm_up()
        if turn.ahead and turn.ahead[0] != first:
            first = turn.ahead[0]
            log.info("it waits for run %s", first)
            on_event(Event("waiting", name=f"run {run.id} waits for run {first}"))
        _pause(warehouse.seconds_between_looks / (NEXT_LOOKS if is_next else 1), stopped_by)
        turn = claim.wait_for_turn(warehouse, run)
        if turn.status == "PENDING" and not turn.ahead:
            turn = record.start(warehouse, run, minutes)
    if turn.status != "RUNNING":
        raise _ClosedElsewhere


def _pause(seconds: float, stopped_by: Callable[[], int]) -> None:
    """Sleep; raises Interrupted once `stopped_by` names a signal."""
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        if number := stopped_by():
            raise Interrupted(number)
        time.sleep(min(0.2, left))


def _build(
    settings: Settings,
    warehouse: Warehouse,
    request: claim.Request,
    run: claim.Run,
    template: pipelines.Template,
    steps: record.StepLog,
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
        if not claim.is_ours(warehouse, run, steps.flush()):
            raise _ClosedElsewhere
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
                _pause(warehouse.seconds_between_looks, stopped_by)

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
    if message and account and credentials.REFUSED in message:
        return credentials.refusal(account, message)
    if message and CONFLICT in message:
        return f"another dbt run of this tenant is writing ({message})"
    if message and tenant and ACCESS_DENIED in message:
        return (
            f"{message.rstrip('.')}: run `runner doctor --tenant {tenant}`, which names the"
            " command that grants what is missing"
        )
    return message


def _finish(
    settings: Settings,
    warehouse: Warehouse,
    mailbox: notify.Mailbox,
    run: claim.Run,
    steps: record.StepLog,
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
        ended, outbox = record.finish(
            settings, warehouse, steps, run, status, error, warnings, rows, *alarms
        )
    except WarehouseProblem as problem:
        if status == "FAILED":
            _send_unrecorded(settings, mailbox, run, alarms)
        if not alarms or not isinstance(problem, StatementRefused):
            raise
        # The outbox may be what is broken: the end is written without it.
        ended, outbox = record.finish(
            settings, warehouse, steps, run, status, error, warnings, rows
        )
        warnings += (problem.message,)
    alerts.deliver(warehouse, mailbox, settings.mail, run.tenant_id, outbox)
    if (ended.status, ended.error_message) != (status, error):
        # Closed by another command meanwhile: its word stands.
        outcome = Outcome(False, ended.error_message, outcome.nodes)
        if steps.published:
            with contextlib.suppress(WarehouseProblem):  # the data has them, too
                record.keep_publications(warehouse, steps, run)
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
    known = tenants.known(warehouse, tenant)
    return request_of(known, template, from_date, to_date, trigger_type, trigger_by)


def request_of(
    known: tenants.Known,
    template: pipelines.Template,
    from_date: date,
    to_date: date,
    trigger_type: str,
    trigger_by: str,
) -> claim.Request:
    """The same of a tenant that was looked up. Raises UsageProblem for from after to."""
    if from_date > to_date:
        raise UsageProblem(f"--from {from_date} is after --to {to_date}: swap them.")
    return claim.Request(
        tenant_id=known.id,
        pipeline_id=pipelines.fill(template.pipeline_id, {"tenant_id": known.id}),
        template=template.name,
        from_date=from_date,
        to_date=to_date,
        trigger_type=trigger_type,
        trigger_by=trigger_by,
        timeout_minutes=template.step.timeout_minutes,
        admin_email=known.admin_email,
        company_name=known.company_name,
        landings=known.landings,
    )


def refuse(
    settings: Settings,
    warehouse: Warehouse,
    tenant: str,
    pipeline: str,
    from_date: date,
    to_date: date,
    trigger_by: str,
    why: str,
    trigger_type: str = "manual",
    user_id: str | None = None,
) -> None:
    """Leave the row of a run whose template cannot be had. Raises UsageProblem without a tenant."""
    tenants.find(warehouse, tenant)
    request = claim.Request(
        tenant_id=tenant,
        pipeline_id=pipeline,
        template=pipeline,
        from_date=from_date,
        to_date=to_date,
        trigger_type=trigger_type,
        trigger_by=trigger_by,
        timeout_minutes=0,
        user_id=user_id,
    )
    claim.refuse(warehouse, request, settings.project_dir, why)


def _totals(warehouse: Warehouse, run: claim.Run) -> tuple[Total, ...]:
    """What stands in billing_cost_daily for the run's dates, per currency."""
    is_landing = run.template == pipelines.LANDING
    statement = control_sql.LANDED_TOTALS if is_landing else control_sql.TOTALS
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


def _warnings(outcome: Outcome, totals: tuple[Total, ...]) -> tuple[str, ...]:
    warned = [node.message or node.name for node in outcome.nodes if node.status == "warn"]
    if outcome.success and not totals:
        warned.insert(0, "0 rows: the export has no usage for this date yet.")
    return tuple(warned)


def _send_unrecorded(
    settings: Settings, mailbox: notify.Mailbox, run: claim.Run, alarms: list[alerts.Alarm]
) -> None:
    """Mail though the warehouse, and so the outbox, is down; that it went waits in the spool."""
    for alarm in alarms:
        sent = alerts.send(mailbox, settings.mail.sender, run.id, alarm.letter)
        if sent.went:
            with contextlib.suppress(OSError):  # it goes again then: better twice than never
                spool.keep(settings, run.tenant_id, *alerts.mark_sent(alarm, sent.told))
