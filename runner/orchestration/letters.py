"""What the mails of a run say."""

from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import localtime, make_msgid, parseaddr
from html import escape

from runner.control.runs import Run
from runner.engine.job import Outcome
from runner.findings import Finding
from runner.pipelines.templates import Alert, fill


@dataclass(frozen=True)
class Letter:
    """A mail before it is one: addresses, subject, and the same words as text and as HTML."""

    to: tuple[str, ...]
    subject: str
    text: str
    html: str


def failure(
    alert: Alert,
    run: Run,
    outcome: Outcome,
    values: Mapping[str, str],
) -> Letter:
    """The mail about a failed run: what failed, why, and what readers of the data see now."""
    node = outcome.failed_node
    facts = [
        *_facts(run, values),
        (
            "Failing step",
            f"{node.type} {node.name}" if node else ", ".join(outcome.at_work) or "dbt",
        ),
        ("First error", outcome.error or "unknown"),
        ("Readers see now", outcome.readers_see),
        ("Look closer", f"runner status {run.id} --tenant {run.tenant_id}"),
        ("Run again", run.rerun_command),
    ]
    failing = [one for one in outcome.findings if one.status != "warn"]
    return Letter(
        _recipients(alert, values),
        fill(alert.subject, values),
        _text(facts, failing),
        _html(facts, failing),
    )


def recovery(alert: Alert, run: Run, values: Mapping[str, str]) -> Letter:
    """What is said of a success after a failure that was told."""
    facts = [*_facts(run, values), ("Readers see now", "this run's rows, tested and reconciled")]
    return Letter(
        _recipients(alert, values),
        fill(alert.recovered_subject, values),
        _text(facts, []),
        _html(facts, []),
    )


def _recipients(alert: Alert, values: Mapping[str, str]) -> tuple[str, ...]:
    """The alert's addresses, each once; a variable may hold several, or none."""
    filled = ",".join(fill(entry, values) for entry in alert.to).split(",")
    return tuple(dict.fromkeys(address.strip() for address in filled if address.strip()))


def _facts(run: Run, values: Mapping[str, str]) -> list[tuple[str, str]]:
    company = values.get("company_name")
    return [
        ("Tenant", f"{run.tenant_id} ({company})" if company else run.tenant_id),
        ("Run", run.id),
        ("Pipeline", run.pipeline_id),
        ("Usage dates (UTC)", str(run.dates)),
        ("Started", f"{run.start_time:%Y-%m-%d %H:%M:%S} UTC by {run.trigger_by}"),
    ]


def _text(facts: list[tuple[str, str]], failing: list[Finding]) -> str:
    lines = [f"{name + ':':<19} {value}" for name, value in facts]
    if failing:
        lines += ["", "Failed expectations, with an example of each:"]
    lines += [f"  {one.table + ': ' if one.table else ''}{one.sentence}" for one in failing]
    return "\n".join(lines) + "\n"


def _html(facts: list[tuple[str, str]], failing: list[Finding]) -> str:
    rows = "".join(
        f"<tr><th align='left' valign='top'>{escape(name)}</th><td>{escape(value)}</td></tr>"
        for name, value in facts
    )
    found = "".join(
        f"<tr><td valign='top'>{escape(one.table)}</td><td>{escape(one.sentence)}</td></tr>"
        for one in failing
    )
    told = f"<h3>Failed expectations, with an example of each</h3><table>{found}</table>"
    return (
        f"<html><body><table cellpadding='4'>{rows}</table>{told if failing else ''}</body></html>"
    )


def message(letter: Letter, sender: str, run_id: str) -> EmailMessage:
    """A letter as a mail."""
    mail = EmailMessage()
    mail["Subject"] = letter.subject
    mail["From"] = sender
    mail["To"] = ", ".join(letter.to)
    mail["Date"] = localtime()
    mail["Message-ID"] = make_msgid(domain=parseaddr(sender)[1].partition("@")[2] or None)
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Pipeline-Logging-Id"] = run_id
    mail.set_content(letter.text)
    mail.add_alternative(letter.html, subtype="html")
    return mail
