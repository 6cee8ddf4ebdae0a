"""The outbox: alerts are rows first, then mails, sent now or by a later command."""

import hashlib
import json
import logging
import re
import smtplib
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
from runner.orchestration import letters
from runner.orchestration.letters import Letter
from runner.orchestration.publications import readers_see_by_record
from runner.pipelines.templates import Template, load
from runner.settings import Mail
from runner.sql import Row, Value

log = logging.getLogger(__name__)

STALE = timedelta(minutes=10)
GIVE_UP = timedelta(days=3)
LONGEST_PAUSE = timedelta(hours=1)

# A server that works refuses one letter; another may go (smtplib's errors are OSErrors).
_OF_A_LETTER = (
    smtplib.SMTPRecipientsRefused,
    smtplib.SMTPSenderRefused,
    smtplib.SMTPDataError,
    smtplib.SMTPNotSupportedError,
)


@dataclass(frozen=True)
class Alert:
    """A letter, and the statements that put it into the outbox and among the run's steps."""

    alert_id: str
    letter: Letter
    named: tuple[spooled.Named, ...]
    values: dict[str, Value]


def raised(
    mail: Mail, template: Template, run: Run, outcome: Outcome, contact: Contact
) -> list[Alert]:
    """The alerts of a run's end, one for each entry of the template.

    For a failure; for a success, sent if it follows a failure that was reported; none for a
    cancelled run. The same failure within the quiet hours is kept but not sent. An alert's id
    follows from the run, so that it is raised once.
    """
    if run.status not in ("FAILED", "COMPLETED"):
        return []
    words = {
        "tenant_id": run.tenant_id,
        "company_name": contact.company_name,
        "admin_email": contact.admin_email,
        "alert_to": ",".join(mail.alert_to),
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
        letter = letters.of_end(entry, run, outcome, words)
        alert_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{run.id}/{kind}/{entry.id}"))
        values: dict[str, Value] = {
            f"alert_id_{n}": alert_id,
            f"recipients_{n}": json.dumps(list(letter.to)),
            f"subject_{n}": letter.subject,
            f"body_text_{n}": letter.text,
            f"body_html_{n}": letter.html,
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
        alerts.append(Alert(alert_id, letter, tuple((name, n) for name in names), values))
    return alerts


def fingerprint(run: Run, outcome: Outcome) -> str:
    """What failed and how, without what differs from run to run: ids, dates, numbers."""
    node = outcome.failed_node
    failing = sorted(
        {one.name for one in outcome.nodes if one.failed}
        | {one.expectation for one in outcome.findings if one.status != "warn"}
    )
    how = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+", "#", outcome.error or "")
    what = "/".join(failing) if node else how
    return hashlib.sha256(f"{run.pipeline_id}\n{what}".encode()).hexdigest()


def outbox_times() -> dict[str, Value]:
    """What OUTBOX and DUE_ALERTS are asked with, now."""
    now = datetime.now(UTC)
    return {"now": now, "stale_since": now - STALE, "since": now - GIVE_UP}


def deliver(context: Context, tenant_id: str, outbox: Row | None = None) -> None:
    """Send what is due of a tenant's alerts; those that cannot go wait for a later command.

    `outbox`: a row of OUTBOX that was just read. Once the mail server cannot be reached, the others
    count as tried: each would wait as long. Never raises RunnerError, and never changes a run.
    """
    store = context.store
    try:
        if outbox is None:
            (outbox,) = store.read(outbox_sql.OUTBOX.format(tenant=tenant_id), **outbox_times())
        if outbox["unreported"]:
            _raise_unreported(store, context.settings.mail, tenant_id)
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
                letter = Letter(to, row["subject"], row["body_text"], row["body_html"])
                sent = send(context, row["pipeline_logging_id"], letter)
            _close(store, tenant_id, row, me, sent)
    except RunnerError as error:
        log.warning("alerts of %s wait: %s", tenant_id, error.message)


@dataclass(frozen=True)
class Sent:
    """Whether a recipient has the letter, what went wrong, and whether the server was reached."""

    went: bool
    error: str | None
    is_reached: bool = True


def send(context: Context, run_id: str, letter: Letter) -> Sent:
    """Send one letter, to those of its addresses that are valid."""
    usable = tuple(address for address in letter.to if EMAIL.fullmatch(address))
    try:
        if not usable:
            raise ValueError(f"no mail address among '{', '.join(letter.to)}'")
        sender = context.settings.mail.sender
        refused = context.mailbox.send(letters.message(replace(letter, to=usable), sender, run_id))
    except (OSError, smtplib.SMTPException, ValueError, OverflowError) as error:
        log.warning("a mail of run %s could not go: %s: %s", run_id, type(error).__name__, error)
        is_reached = not isinstance(error, OSError) or isinstance(error, _OF_A_LETTER)
        return Sent(False, f"{type(error).__name__}: {error}", is_reached)
    lost = ", ".join(sorted({*refused, *({*letter.to} - {*usable})}))
    return Sent(True, f"refused by the mail server: {lost}" if lost else None)


def mark_sent(
    alert: Alert, error: str | None
) -> tuple[tuple[spooled.Named, ...], dict[str, Value]]:
    """The transaction that records for a spooled alert that its mail was sent."""
    values: dict[str, Value] = {
        "alert_id": alert.alert_id,
        "last_error": error,
        "step_status": "COMPLETED",
        "step_error": error,
        "now": datetime.now(UTC),
    }
    return (("MARK_SENT", 0), ("CLOSE_MAIL_STEP", 0)), values


def _raise_unreported(store: Store, mail: Mail, tenant_id: str) -> None:
    """Raise the alerts of failures without one: of runs whose process was killed."""
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
        for alert in raised(mail, template, run, outcome, contact):
            statements = spooled.texts(tenant_id, alert.named)
            store.write(*statements, now=datetime.now(UTC), **alert.values)


def _close(store: Store, tenant_id: str, row: Row, me: str, sent: Sent) -> None:
    """Record how sending went: SENT, or PENDING with a growing pause, or ABANDONED after days."""
    now = datetime.now(UTC)
    status, step_error = "SENT", sent.error
    if not sent.went:
        is_over = now - row["created_at"] > GIVE_UP
        status = "ABANDONED" if is_over else "PENDING"
        step_error = f"{sent.error}; {'given up' if is_over else 'a later command tries again'}"
    pause = min(timedelta(minutes=1) * 2 ** min(row["attempts"], 10), LONGEST_PAUSE)
    store.write(
        outbox_sql.CLOSE_ALERT.format(tenant=tenant_id),
        outbox_sql.CLOSE_MAIL_STEP.format(tenant=tenant_id),
        alert_id=row["alert_id"],
        taken_by=me,
        status=status,
        last_error=sent.error,
        next_attempt_at=now + pause,
        sent_at=now if sent.went else None,
        step_status="COMPLETED" if sent.went else "FAILED",
        step_error=step_error,
        now=now,
    )
