"""The outbox: alerts are rows first, then mails, sent now or by a later command."""

import hashlib
import json
import logging
import re
import smtplib
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from runner import control_sql as sql
from runner import notify
from runner.claim import Run
from runner.errors import RunnerError
from runner.invoke import Outcome, hostname_and_pid
from runner.warehouse import Row, Value, Warehouse

log = logging.getLogger(__name__)

STALE = timedelta(minutes=10)
GIVE_UP = timedelta(days=3)
LONGEST_PAUSE = timedelta(hours=1)


@dataclass(frozen=True)
class Statement:
    """A bound statement that goes into the transaction which ends the run."""

    sql: str
    values: dict[str, Value]


def failure(run: Run, outcome: Outcome, letter: notify.Letter, quiet_hours: float) -> Statement:
    """The alert of a failed run; the same failure within the quiet hours is kept but not sent."""
    now = datetime.now(UTC)
    return Statement(
        sql.ADD_FAILURE_ALERT.format(tenant=run.tenant_id),
        {
            **_values(run, letter, "failure"),
            "fingerprint": fingerprint(run, outcome),
            "quiet_since": now - timedelta(hours=quiet_hours),
            "now": now,
        },
    )


def recovery(run: Run, letter: notify.Letter) -> Statement:
    """The good news, if a failure of these dates was told."""
    return Statement(
        sql.ADD_RECOVERY_ALERT.format(tenant=run.tenant_id),
        {**_values(run, letter, "recovery"), "now": datetime.now(UTC)},
    )


def fingerprint(run: Run, outcome: Outcome) -> str:
    """What failed and how, without what differs from run to run: ids, dates, numbers."""
    node = outcome.failed_node
    failing = sorted(one.name for one in outcome.nodes if one.failed)
    how = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+", "#", outcome.error or "")
    what = "/".join(failing) if node else how
    return hashlib.sha256(f"{run.pipeline_id}\n{what}".encode()).hexdigest()


def deliver(
    warehouse: Warehouse, mailbox: notify.Mailbox, sender: str, tenant_id: str
) -> list[str]:
    """Send what is due of a tenant's alerts; why those that could not go did not.

    Never raises RunnerError, and never changes a run.
    """
    problems = []
    now = datetime.now(UTC)
    when: dict[str, Value] = {"now": now, "stale_since": now - STALE}
    me = f"{hostname_and_pid()}:{uuid.uuid4().hex[:8]}"
    try:
        for row in warehouse.read(sql.DUE_ALERTS.format(tenant=tenant_id), **when):
            taken = warehouse.write(
                sql.TAKE_ALERT.format(tenant=tenant_id),
                sql.TAKEN_ALERT.format(tenant=tenant_id),
                alert_id=row["alert_id"],
                taken_by=me,
                **when,
            )
            if not taken:
                continue  # another command is sending it
            problem, was_sent = _send(mailbox, sender, row)
            _close(warehouse, tenant_id, row, me, problem, was_sent)
            if problem:
                problems.append(problem)
    except RunnerError as error:
        log.warning("alerts of %s wait: %s", tenant_id, error.message)
        problems.append(error.message)
    return problems


def _send(mailbox: notify.Mailbox, sender: str, row: Row) -> tuple[str | None, bool]:
    """Send one alert: what went wrong, and whether anybody has it."""
    letter = notify.Letter(
        tuple(json.loads(row["recipients"])), row["subject"], row["body_text"], row["body_html"]
    )
    try:
        refused = mailbox.send(notify.message(letter, sender, row["pipeline_logging_id"]))
    except (OSError, smtplib.SMTPException, ValueError, OverflowError) as error:
        log.warning("alert %s could not go: %s: %s", row["alert_id"], type(error).__name__, error)
        return f"{type(error).__name__}: {error}", False
    if refused:
        return f"refused by the mail server: {', '.join(sorted(refused))}", True
    return None, True


def _close(
    warehouse: Warehouse, tenant_id: str, row: Row, me: str, problem: str | None, was_sent: bool
) -> None:
    """Record how sending went: SENT, or PENDING with a growing pause, or ABANDONED after days."""
    now = datetime.now(UTC)
    status = "SENT" if was_sent else "PENDING"
    if not was_sent and now - row["created_at"] > GIVE_UP:
        status = "ABANDONED"
    pause = min(timedelta(minutes=1) * 2 ** min(row["attempts"], 10), LONGEST_PAUSE)
    warehouse.write(
        sql.CLOSE_ALERT.format(tenant=tenant_id),
        alert_id=row["alert_id"],
        taken_by=me,
        status=status,
        last_error=problem,
        next_attempt_at=now + pause,
        sent_at=now if was_sent else None,
    )


def _values(run: Run, letter: notify.Letter, kind: str) -> dict[str, Value]:
    return {
        "alert_id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{run.id}/{kind}")),
        "run_id": run.id,
        "tenant_id": run.tenant_id,
        "pipeline_id": run.pipeline_id,
        "recipients": json.dumps(list(letter.to)),
        "subject": letter.subject,
        "body_text": letter.text,
        "body_html": letter.html,
        "run_date": run.run_date,
        "to_date": run.to_date,
    }
