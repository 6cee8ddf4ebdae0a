"""The content of the mails about a run."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import localtime, make_msgid, parseaddr
from html import escape

from runner.control.runs import Run
from runner.engine.job import Outcome
from runner.expectations import FailedExpectation
from runner.pipelines.templates import Alert, fill


@dataclass(frozen=True)
class MailContent:
    """A mail's recipients and subject, and its content as text and as HTML."""

    to: tuple[str, ...]
    subject: str
    text: str
    html: str


def of_end(alert: Alert, run: Run, outcome: Outcome, values: Mapping[str, str]) -> MailContent:
    """The mail about a run that failed, or that completed after a reported failure.

    It has the failed step, its error, and what readers of the data see now.
    """
    company = values.get("company_name")
    facts = {
        "Tenant": f"{run.tenant_id} ({company})" if company else run.tenant_id,
        "Run": run.id,
        "Pipeline": run.pipeline_id,
        "Usage dates (UTC)": str(run.dates),
        "Started": f"{run.start_time:%Y-%m-%d %H:%M:%S} UTC by {run.trigger_by}",
    }
    failing: list[FailedExpectation] = []
    if run.status == "COMPLETED":
        facts["Readers see now"] = "this run's rows, tested and reconciled"
    else:
        node = outcome.failed_node
        failing = [one for one in outcome.failed_expectations if one.status != "warn"]
        facts |= {
            "Failed step": f"{node.type} {node.name}"
            if node
            else ", ".join(outcome.at_work) or "dbt",
            "First error": outcome.error or "unknown",
            "Readers see now": outcome.readers_see,
            "Show details": f"runner status {run.id} --tenant {run.tenant_id}",
            "Run again": run.rerun_command,
        }
    subject = alert.recovered_subject if run.status == "COMPLETED" else alert.subject
    # Each address once; a variable may have several addresses, or none.
    filled = ",".join(fill(entry, values) for entry in alert.to).split(",")
    to = tuple(dict.fromkeys(address.strip() for address in filled if address.strip()))
    return MailContent(to, fill(subject, values), _text(facts, failing), _html(facts, failing))


def _text(facts: Mapping[str, str], failing: list[FailedExpectation]) -> str:
    lines = [f"{name + ':':<19} {value}" for name, value in facts.items()]
    if failing:
        lines += ["", "Failed expectations, with an example of each:"]
    lines += [f"  {one.table + ': ' if one.table else ''}{one.sentence}" for one in failing]
    return "\n".join(lines) + "\n"


def _html(facts: Mapping[str, str], failing: list[FailedExpectation]) -> str:
    def rows(pairs: Iterable[tuple[str, str]], first: str) -> str:
        return "".join(
            f"<tr><{first} align='left' valign='top'>{escape(name)}</{first}>"
            f"<td>{escape(value)}</td></tr>"
            for name, value in pairs
        )

    html = f"<table cellpadding='4'>{rows(facts.items(), 'th')}</table>"
    if failing:
        found = rows(((one.table, one.sentence) for one in failing), "td")
        html += f"<h3>Failed expectations, with an example of each</h3><table>{found}</table>"
    return f"<html><body>{html}</body></html>"


def message(content: MailContent, sender: str, run_id: str) -> EmailMessage:
    """The mail with this content."""
    mail = EmailMessage()
    mail["Subject"] = content.subject
    mail["From"] = sender
    mail["To"] = ", ".join(content.to)
    mail["Date"] = localtime()
    mail["Message-ID"] = make_msgid(domain=parseaddr(sender)[1].partition("@")[2] or None)
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Pipeline-Logging-Id"] = run_id
    mail.set_content(content.text)
    mail.add_alternative(content.html, subtype="html")
    return mail
