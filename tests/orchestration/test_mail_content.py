"""The failure mail at a real SMTP server: its recipients, its content, what it must not have."""

import smtplib
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from html import unescape

import pytest
from given import REPORTED, a_node, a_run, mail_at
from support import Inbox, free_port

from runner import mailing
from runner.control.runs import Run
from runner.engine.job import Outcome
from runner.expectations import FailedExpectation
from runner.orchestration.mail_content import message, of_end
from runner.pipelines import templates

ALERT = templates.load(templates.DEFAULT).alerts[0]


class Sent(list[str]):
    """The addresses it went to, and those that the server refused."""

    def __init__(self, to: list[str], refused: Mapping[str, object]) -> None:
        super().__init__(to)
        self.refused = refused


def send(
    inbox: Inbox,
    run: Run | None = None,
    outcome: Outcome = REPORTED,
    alert_to: str = "",
    **reported,
) -> Sent:
    values = {"tenant_id": "acme", "admin_email": "admin@acme.example", "alert_to": alert_to}
    mail = mail_at(inbox.port)
    values["company_name"] = reported.get("company", "Acme")
    failed = run or a_run()
    written = of_end(ALERT, failed, outcome, values)
    refused = mailing.SmtpMailbox(lambda: mail).send(message(written, mail.sender, failed.id))
    return Sent(list(written.to), refused)


def received(inbox: Inbox) -> EmailMessage:
    (envelope,) = inbox.mails
    content = envelope.original_content or envelope.content
    assert isinstance(content, bytes)
    message = message_from_bytes(content, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def part(inbox: Inbox, kind: str) -> str:
    body = received(inbox).get_body((kind,))
    assert body is not None
    return body.get_content()


def test_the_subject_is_the_predecessors_exactly(inbox: Inbox) -> None:
    send(inbox)
    assert received(inbox)["Subject"] == "[ALERT] Cost Billing Pipeline Failed - acme"


def test_the_tenants_admin_and_alert_to_are_mailed(inbox: Inbox) -> None:
    sent = send(inbox, alert_to="ops@ours.example,cfo@ours.example")
    expected = ["admin@acme.example", "ops@ours.example", "cfo@ours.example"]
    assert sent == expected and inbox.mails[0].rcpt_tos == expected
    assert received(inbox)["To"] == ", ".join(expected)
    assert received(inbox)["From"] == "billing@ours.example"


def test_mail_programs_can_sort_it_thread_it_and_leave_it_unanswered(inbox: Inbox) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    send(inbox)
    send(inbox)
    received_mails = [
        message_from_bytes(bytes(one.content or b""), policy=policy.default) for one in inbox.mails
    ]
    for one in received_mails:
        assert before <= one["Date"].datetime <= datetime.now(UTC)
        assert one["Message-ID"].endswith("@ours.example>")
        assert one["Auto-Submitted"] == "auto-generated"
    assert received_mails[0]["Message-ID"] != received_mails[1]["Message-ID"]


def test_no_recipient_gets_it_twice(inbox: Inbox) -> None:
    send(inbox, alert_to="ops@ours.example,admin@acme.example,ops@ours.example")
    assert inbox.mails[0].rcpt_tos == ["admin@acme.example", "ops@ours.example"]


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_both_parts_have_all_that_is_needed(inbox: Inbox, kind: str) -> None:
    send(inbox)
    text = part(inbox, kind)
    for needed in (
        *("acme", "Acme", "11111111-2222-3333-4444-555555555555", "2024-11-01"),
        *("2024-11-02 03:04:05 UTC", "cron", "test cost_type_is_known"),
        "billing_cost_daily: cost_type_is_known failed for 3 rows (cost_type is one that Google",
        *('for example {"cost_type": "surprise"}', "sku_is_not_null failed for 12 rows"),
        "runner status 11111111-2222-3333-4444-555555555555 --tenant acme",
        "runner run --tenant acme --date 2024-11-01",
    ):
        assert needed in (unescape(text) if kind == "html" else text), needed
    assert "Got it" not in text and "another" not in text
    assert "grain" not in text and "gcp_silver_cost" not in text, "only what failed is reported"


def test_a_range_is_reported_with_both_dates(inbox: Inbox) -> None:
    send(inbox, a_run(to_date=date(2024, 11, 30)))
    text = part(inbox, "plain")
    assert "2024-11-01 to 2024-11-30" in text
    assert "runner run --tenant acme --from 2024-11-01 --to 2024-11-30" in text


def test_the_html_part_escapes_all_texts(inbox: Inbox) -> None:
    evil = "<script>alert('x')</script> & \"more\""
    nodes = (a_node("<b>bold</b>", "fail", failures=1),)
    found = (FailedExpectation("test.p.b", "t", "<b>bold</b>", "fail", 1, evil, (evil,)),)
    send(
        inbox,
        outcome=Outcome(False, evil, nodes, failed_expectations=found),
        company="A & <i>B</i>",
    )
    html = part(inbox, "html")
    for tag in ("<script>", "<b>bold", "<i>B"):
        assert tag not in html
    assert "&lt;script&gt;" in html and "A &amp; &lt;i&gt;B" in html and "&lt;b&gt;bold" in html
    assert evil in part(inbox, "plain")


def test_characters_beyond_ascii_and_long_lines_arrive(inbox: Inbox) -> None:
    error = "größer ☃ " * 300
    send(inbox, outcome=Outcome(False, error.strip()), company="Müller & Söhne")
    assert error.strip() in part(inbox, "plain") and "Müller" in part(inbox, "plain")


def test_a_run_without_any_node_can_be_reported(inbox: Inbox) -> None:
    send(inbox, outcome=Outcome(False, "the dbt process was killed by signal 9"))
    assert "killed by signal 9" in part(inbox, "plain")


def test_an_error_with_line_ends_does_not_break_the_headers(inbox: Inbox) -> None:
    send(inbox, outcome=Outcome(False, "one\r\nBcc: evil@x.example\r\n.\r\nQUIT\r\ntwo"))
    assert inbox.mails[0].rcpt_tos == ["admin@acme.example"] and received(inbox)["Bcc"] is None
    assert "two" in part(inbox, "plain")


def test_a_server_that_is_down_is_an_error_the_run_can_catch() -> None:
    down = Inbox(free_port())
    with pytest.raises(OSError):
        send(down)


def test_without_a_server_the_error_names_what_to_set() -> None:
    mailbox = mailing.SmtpMailbox(lambda: mail_at(25, host=""))
    with pytest.raises(OSError, match="SMTP_HOST"):
        mailbox.send(EmailMessage())


def test_one_refused_recipient_is_reported_and_the_others_have_their_mail(inbox: Inbox) -> None:
    inbox.refuses.add("ops@ours.example")
    assert list(send(inbox, alert_to="ops@ours.example").refused) == ["ops@ours.example"]
    assert inbox.mails[0].rcpt_tos == ["admin@acme.example"]


def test_a_server_that_wants_a_password_it_does_not_get_is_an_error(inbox: Inbox) -> None:
    mail = mail_at(inbox.port, user="someone", password="wrong")
    message = EmailMessage()
    message["To"] = "a@x.example"
    with pytest.raises(smtplib.SMTPException):
        mailing.SmtpMailbox(lambda: mail).send(message)
    assert inbox.mails == []


def test_starttls_is_not_given_up_for_a_server_without_it(inbox: Inbox) -> None:
    mail = mail_at(inbox.port, starttls=True, user="someone", password="secret")
    message = EmailMessage()
    message["To"] = "a@x.example"
    with pytest.raises(smtplib.SMTPException):
        mailing.SmtpMailbox(lambda: mail).send(message)
    assert inbox.mails == []


def test_what_readers_see_now_is_in_the_mail(inbox: Inbox) -> None:
    send(inbox, outcome=replace(REPORTED, readers_see="All tables still have the rows of run r1."))
    assert "All tables still have the rows of run r1." in part(inbox, "plain")
