"""Checks of the mail server; a test mail is only sent on request."""

import smtplib

from runner.control import tenants
from runner.doctor.check import CheckResult, Scope, fail, ok, remedy_for, warn
from runner.mailing import SmtpMailbox, connected
from runner.orchestration import mail_content

EXPORT_HOST = "export SMTP_HOST=smtp.example.com SMTP_PORT=587 SMTP_STARTTLS=1"
EXPORT_TO = "export ALERT_TO=ops@example.com"


def server(scope: Scope) -> CheckResult:
    """The mail server accepts a connection with these settings. No mail is sent."""
    mail = scope.settings.mail
    if not mail.host:
        return warn("SMTP_HOST is not set: no alert can be sent", EXPORT_HOST)
    place = f"{mail.host}:{mail.port}"
    try:
        with connected(mail) as connection:
            connection.noop()
    except OSError as error:  # smtplib's and ssl's errors are OSErrors too
        detail = f"{place}: {type(error).__name__}: {error}"
        remedy = remedy_for(
            detail,
            ("Authentication", "export SMTP_USER=... SMTP_PASSWORD=..."),
            ("SSL|STARTTLS", f"curl -v --ssl-reqd smtp://{place}"),
            ("", f"nc -vz {mail.host} {mail.port}"),
        )
        return fail(detail, remedy)
    if not mail.alert_to:
        detail = f"{place} accepts mail; without ALERT_TO, only the tenant's admin gets alerts"
        return warn(detail, EXPORT_TO)
    return ok(f"{place} accepts mail; alerts go to {', '.join(mail.alert_to)}")


def test_message(scope: Scope) -> CheckResult:
    """A test mail is sent to all recipients of failure mails."""
    mail, tenant = scope.settings.mail, scope.tenant
    admin = tenants.find(scope.store, tenant).admin_email if tenant else ""
    to = tuple(dict.fromkeys(address for address in (*mail.alert_to, admin) if address))
    if not mail.host:
        return fail("SMTP_HOST is not set: no mail can be sent", EXPORT_HOST)
    if not to:
        return fail("no recipient: ALERT_TO is not set", EXPORT_TO)
    text = "A test of `runner doctor --send-mail`: nothing has failed."
    content = mail_content.MailContent(to, "[TEST] runner doctor", text, f"<p>{text}</p>")
    message = mail_content.message(content, mail.sender, "doctor")
    try:
        refused = set(SmtpMailbox(lambda: mail).send(message))
    except smtplib.SMTPRecipientsRefused as error:
        refused = set(error.recipients)
    except (smtplib.SMTPNotSupportedError, UnicodeError):
        refused = {address for address in to if not address.isascii()}
    if not refused:
        return ok(f"sent to {', '.join(to)}")
    update = f"runner tenant update {tenant} --admin-email name@example.com"
    detail = f"the mail server refuses {', '.join(sorted(refused))}"
    return fail(detail, update if refused == {admin} else EXPORT_TO)
