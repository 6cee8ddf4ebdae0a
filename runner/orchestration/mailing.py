"""Mail as it leaves: a mailbox and a message."""

import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from email.utils import localtime, make_msgid, parseaddr
from typing import Protocol

from runner.orchestration.letters import Letter
from runner.settings import Mail


class Mailbox(Protocol):
    """Where mails go. Raises OSError or smtplib.SMTPException when none of it can go."""

    def send(self, message: EmailMessage) -> Mapping[str, object]:
        """Send to all recipients; those that the server refused, empty if none."""


class SmtpMailbox:
    """A mail server as SMTP_* names it."""

    def __init__(self, mail: Mail) -> None:
        self._mail = mail

    def send(self, message: EmailMessage) -> Mapping[str, object]:
        mail = self._mail
        if not mail.host:
            raise OSError("SMTP_HOST is not set, so no mail can go: set SMTP_HOST and SMTP_PORT")
        with smtplib.SMTP(mail.host, mail.port, timeout=mail.timeout_seconds) as server:
            if mail.starttls:
                server.starttls(context=ssl.create_default_context())
            if mail.user:
                server.login(mail.user, mail.password)
            return server.send_message(message)


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
