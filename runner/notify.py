"""The failure mail: who hears what when a run failed, and the sending of it."""

import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from html import escape
from typing import Protocol

from runner.claim import Run
from runner.invoke import Node, Outcome
from runner.pipelines import Alert, fill
from runner.settings import Mail


class Mailbox(Protocol):
    """Where mails go. Raises OSError or smtplib.SMTPException when one cannot go."""

    def send(self, message: EmailMessage) -> None: ...


class SmtpMailbox:
    """A mail server as SMTP_* names it."""

    def __init__(self, mail: Mail) -> None:
        self._mail = mail

    def send(self, message: EmailMessage) -> None:
        mail = self._mail
        if not mail.host:
            raise OSError("SMTP_HOST is not set, so no mail can go: set SMTP_HOST and SMTP_PORT")
        with smtplib.SMTP(mail.host, mail.port, timeout=mail.timeout_seconds) as server:
            if mail.starttls:
                server.starttls(context=ssl.create_default_context())
            if mail.user:
                server.login(mail.user, mail.password)
            refused = server.send_message(message)
        if refused:
            raise smtplib.SMTPRecipientsRefused(refused)


@dataclass(frozen=True)
class Failure:
    """All that a failure mail tells."""

    run: Run
    outcome: Outcome
    company_name: str


def failure(
    mailbox: Mailbox, mail: Mail, alert: Alert, told: Failure, values: Mapping[str, str]
) -> list[str]:
    """Send the failure mail; the addresses it went to.

    Raises OSError or smtplib.SMTPException when it cannot go.
    """
    recipients: list[str] = []
    for entry in alert.to:
        for address in fill(entry, values).split(","):
            if address.strip() and address.strip() not in recipients:
                recipients.append(address.strip())
    message = EmailMessage()
    message["Subject"] = fill(alert.subject, values)
    message["From"] = mail.sender
    message["To"] = ", ".join(recipients)
    message["X-Pipeline-Logging-Id"] = told.run.id
    facts = _facts(told)
    failing = [node for node in told.outcome.nodes if node.failed and node.type == "test"]
    message.set_content(_text(facts, failing))
    message.add_alternative(_html(facts, failing), subtype="html")
    mailbox.send(message)
    return recipients


def dates(run: Run) -> str:
    """The run's usage dates, for people: one date, or `from to`."""
    if run.run_date == run.to_date:
        return run.run_date.isoformat()
    return f"{run.run_date.isoformat()} to {run.to_date.isoformat()}"


def again(run: Run) -> str:
    """The command that runs the same dates again."""
    if run.run_date == run.to_date:
        return f"runner run --tenant {run.tenant_id} --date {run.run_date}"
    return f"runner run --tenant {run.tenant_id} --from {run.run_date} --to {run.to_date}"


def _facts(told: Failure) -> list[tuple[str, str]]:
    run, node = told.run, told.outcome.failed_node
    return [
        (
            "Tenant",
            f"{run.tenant_id} ({told.company_name})" if told.company_name else run.tenant_id,
        ),
        ("Run", run.id),
        ("Pipeline", run.pipeline_id),
        ("Usage dates (UTC)", dates(run)),
        ("Started", f"{run.start_time:%Y-%m-%d %H:%M:%S} UTC by {run.trigger_by}"),
        ("Failing step", f"{node.type} {node.name}" if node else "dbt"),
        ("First error", told.outcome.error or "unknown"),
        ("Look closer", f"runner status {run.id} --tenant {run.tenant_id}"),
        ("Run again", again(run)),
    ]


def _text(facts: list[tuple[str, str]], failing: list[Node]) -> str:
    lines = [f"{name + ':':<19} {value}" for name, value in facts]
    if failing:
        lines += ["", "Failing tests (rows found):"]
        lines += [f"  {node.failures or 0:>8}  {node.name}" for node in failing]
    lines += [
        "",
        "Each date keeps the rows of one run, whole: its last good one's, or this one's.",
    ]
    return "\n".join(lines) + "\n"


def _html(facts: list[tuple[str, str]], failing: list[Node]) -> str:
    rows = "".join(
        f"<tr><th align='left' valign='top'>{escape(name)}</th><td>{escape(value)}</td></tr>"
        for name, value in facts
    )
    tests = "".join(
        f"<tr><td align='right'>{node.failures or 0}</td><td>{escape(node.name)}</td></tr>"
        for node in failing
    )
    found = f"<h3>Failing tests (rows found)</h3><table>{tests}</table>" if failing else ""
    return f"<html><body><table cellpadding='4'>{rows}</table>{found}</body></html>"
