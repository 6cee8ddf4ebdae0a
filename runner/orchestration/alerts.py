"""The outbox: an alert is written as a row, then mailed, at once or by a later command."""

import hashlib
import json
import logging
import re
import smtplib
import socket
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from runner.context import Context
from runner.control import outbox_sql, spooled
from runner.control.claim import Contact
from runner.control.processes import hostname_and_pid
from runner.control.runs import Run, run_from_row
from runner.control.store import Store
from runner.engine.job import Outcome
from runner.errors import RunnerError, UsageProblem
from runner.names import EMAIL
from runner.orchestration import mail_content
from runner.orchestration.mail_content import MailContent
from runner.orchestration.publications import readers_see_by_record
from runner.pipelines.templates import Template, load
from runner.settings import Settings
from runner.sql import Row, Value

log = logging.getLogger(__name__)

STALE = timedelta(minutes=10)
GIVE_UP = timedelta(days=3)
LONGEST_PAUSE = timedelta(hours=1)

# The server works but refuses this mail; another may be accepted (smtplib's errors are OSErrors).
_OF_ONE_MAIL = (
    smtplib.SMTPRecipientsRefused,
    smtplib.SMTPSenderRefused,
    smtplib.SMTPDataError,
    smtplib.SMTPNotSupportedError,
)


@dataclass(frozen=True)
class Alert:
    """A mail's content, and the statements that add it to the outbox and to the run's steps."""

    alert_id: str
    content: MailContent
    named: tuple[spooled.Named, ...]
    values: dict[str, Value]


def raised(
    settings: Settings, template: Template, run: Run, outcome: Outcome, contact: Contact
) -> list[Alert]:
    """The alerts of a run's end, one for each entry of the template.

    A failure has alerts, which are kept but not mailed when it repeats within the quiet hours. A
    success has alerts that are mailed only after a reported failure. A cancelled run has none. An
    alert's id is derived from the run, so each alert is raised once.
    """
    if run.status not in ("FAILED", "COMPLETED"):
        return []
    mail = settings.mail
    words = {
        "tenant_id": run.tenant_id,
        "company_name": contact.company_name,
        "admin_email": contact.admin_email,
        "alert_to": ",".join(mail.alert_to),
        "project_dir": str(settings.project_dir),
        "host": socket.gethostname(),
        "pipeline_id": run.pipeline_id,
        "pipeline_logging_id": run.id,
        "date": run.run_date.isoformat(),
        "from_date": run.run_date.isoformat(),
        "to_date": run.to_date.isoformat(),
    }
    is_failure = run.status == "FAILED"
    kind, *names = (
        ("failure", "ADD_FAILURE_ALERT", "ADD_MAIL_STEP")
        if is_failure
        else ("recovery", "ADD_RECOVERY_ALERT")
    )
    alerts = []
    for n, entry in enumerate(template.alerts):
        content = mail_content.of_end(entry, run, outcome, words)
        alert_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{run.id}/{kind}/{entry.id}"))
        values: dict[str, Value] = {
            f"alert_id_{n}": alert_id,
            f"recipients_{n}": json.dumps(list(content.to)),
            f"subject_{n}": content.subject,
            f"body_text_{n}": content.text,
            f"body_html_{n}": content.html,
            "run_id": run.id,
            "tenant_id": run.tenant_id,
            "user_id": run.user_id,
            "pipeline_id": run.pipeline_id,
            "run_date": run.run_date,
            "to_date": run.to_date,
        }
        if is_failure:
            values |= {
                f"fingerprint_{n}": f"{fingerprint(run, outcome)}/{entry.id}",
                f"mail_step_{n}": entry.id,
                "quiet_since": datetime.now(UTC) - timedelta(hours=mail.quiet_hours),
            }
        alerts.append(Alert(alert_id, content, tuple((name, n) for name in names), values))
    return alerts


def fingerprint(run: Run, outcome: Outcome) -> str:
    """A hash of what failed and how, without ids, dates and numbers, which differ by run."""
    node = outcome.failed_node
    failing = sorted(
        {one.name for one in outcome.nodes if one.failed}
        | {one.expectation for one in outcome.failed_expectations if one.status != "warn"}
    )
    how = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+", "#", outcome.error or "")
    what = "/".join(failing) if node else how
    return hashlib.sha256(f"{run.pipeline_id}\n{what}".encode()).hexdigest()


def outbox_times() -> dict[str, Value]:
    """The values of OUTBOX and DUE_ALERTS, now."""
    now = datetime.now(UTC)
    return {"now": now, "stale_since": now - STALE, "since": now - GIVE_UP}


def deliver(context: Context, tenant_id: str, outbox: Row | None = None) -> None:
    """Send a tenant's due alerts; what cannot be sent now is sent by a later command.

    `outbox`: a row of OUTBOX that was just read. Once the mail server cannot be reached, no other
    mail is tried: each would time out. Never raises RunnerError, and never changes a run.
    """
    store = context.store
    try:
        if outbox is None:
            (outbox,) = store.read(outbox_sql.OUTBOX.format(tenant=tenant_id), **outbox_times())
        if outbox["unreported"]:
            _raise_unreported(store, context.settings, tenant_id)
        elif not outbox["due"]:
            return
        when = outbox_times()
        me = f"{hostname_and_pid()}:{uuid.uuid4().hex[:8]}"
        sent = Sent(False, None)
        for row in store.read(outbox_sql.DUE_ALERTS.format(tenant=tenant_id), **when):
            take = (outbox_sql.TAKE_ALERT, outbox_sql.TAKEN_ALERT)
            statements = (text.format(tenant=tenant_id) for text in take)
            if not store.write(*statements, alert_id=row["alert_id"], taken_by=me, **when):
                continue  # another command is sending it
            if sent.is_reached:
                to = tuple(json.loads(row["recipients"]))
                content = MailContent(to, row["subject"], row["body_text"], row["body_html"])
                sent = send(context, row["pipeline_logging_id"], content)
            _close(store, tenant_id, row, me, sent)
    except RunnerError as error:
        log.warning("alerts of %s cannot be sent now: %s", tenant_id, error.message)


@dataclass(frozen=True)
class Sent:
    """Whether some recipient got the mail, its error, and whether the server was reached."""

    is_sent: bool
    error: str | None
    is_reached: bool = True


def send(context: Context, run_id: str, content: MailContent) -> Sent:
    """Send one mail to its valid addresses."""
    usable = tuple(address for address in content.to if EMAIL.fullmatch(address))
    try:
        if not usable:
            raise ValueError(f"no valid mail address in '{', '.join(content.to)}'")
        message = mail_content.message(
            replace(content, to=usable), context.settings.mail.sender, run_id
        )
        refused = context.mailbox.send(message)
    except (OSError, smtplib.SMTPException, ValueError, OverflowError) as error:
        log.warning("a mail of run %s was not sent: %s: %s", run_id, type(error).__name__, error)
        is_reached = not isinstance(error, OSError) or isinstance(error, _OF_ONE_MAIL)
        return Sent(False, f"{type(error).__name__}: {error}", is_reached)
    lost = ", ".join(sorted({*refused, *({*content.to} - {*usable})}))
    return Sent(True, f"refused by the mail server: {lost}" if lost else None)


def mark_sent(
    alert: Alert, error: str | None
) -> tuple[tuple[spooled.Named, ...], dict[str, Value]]:
    """The transaction that marks a spooled alert as sent."""
    values: dict[str, Value] = {
        "alert_id": alert.alert_id,
        "last_error": error,
        "step_status": "COMPLETED",
        "step_error": error,
        "now": datetime.now(UTC),
    }
    return (("MARK_SENT", 0), ("CLOSE_MAIL_STEP", 0)), values


def _raise_unreported(store: Store, settings: Settings, tenant_id: str) -> None:
    """Raise the alerts of failures that have none, such as of a killed process."""
    for row in store.read(outbox_sql.UNREPORTED.format(tenant=tenant_id), **outbox_times()):
        run = run_from_row(row)
        found = store.read(outbox_sql.FAILED_STEPS.format(tenant=tenant_id), run_id=run.id)
        at_work = tuple(step["step_name"] for step in found)
        is_known = run.is_queued or row["publications"] is not None
        readers_see = readers_see_by_record(store, run, is_known)
        outcome = Outcome(False, run.error_message, at_work=at_work, readers_see=readers_see)
        contact = Contact(row["admin_email"] or "", row["company_name"] or "")
        try:
            template = load(run.template)
        except UsageProblem as error:
            log.warning("run %s has no alert: %s", run.id, error.message)
            continue
        for alert in raised(settings, template, run, outcome, contact):
            statements = spooled.texts(tenant_id, alert.named)
            store.write(*statements, now=datetime.now(UTC), **alert.values)


def _close(store: Store, tenant_id: str, row: Row, me: str, sent: Sent) -> None:
    """Record the result: SENT, or PENDING with a growing pause, or ABANDONED after days."""
    now = datetime.now(UTC)
    status, step_error = "SENT", sent.error
    if not sent.is_sent:
        is_over = now - row["created_at"] > GIVE_UP
        status = "ABANDONED" if is_over else "PENDING"
        step_error = f"{sent.error}; {'abandoned' if is_over else 'a later command tries again'}"
    pause = min(timedelta(minutes=1) * 2 ** min(row["attempts"], 10), LONGEST_PAUSE)
    store.write(
        outbox_sql.CLOSE_ALERT.format(tenant=tenant_id),
        outbox_sql.CLOSE_MAIL_STEP.format(tenant=tenant_id),
        alert_id=row["alert_id"],
        taken_by=me,
        status=status,
        last_error=sent.error,
        next_attempt_at=now + pause,
        sent_at=now if sent.is_sent else None,
        step_status="COMPLETED" if sent.is_sent else "FAILED",
        step_error=step_error,
        now=now,
    )
