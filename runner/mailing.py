"""The mailbox, which sends mails."""

import smtplib
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Protocol

from runner.settings import Mail


class Mailbox(Protocol):
    """Sends mails."""

    def send(self, message: EmailMessage) -> Mapping[str, object]:
        """Send to all recipients; returns those that the server refused, empty if none.

        Raises OSError or smtplib.SMTPException when it was sent to no recipient.
        """


class SmtpMailbox:
    """The mail server of the SMTP_* variables."""

    def __init__(self, mail: Callable[[], Mail]) -> None:
        """`mail`: returns the settings; only called when a mail is sent."""
        self._mail = mail

    def send(self, message: EmailMessage) -> Mapping[str, object]:
        mail = self._mail()
        if not mail.host:
            raise OSError("SMTP_HOST is not set, so no mail can be sent: set it and SMTP_PORT")
        with connected(mail) as server:
            return server.send_message(message)


@contextmanager
def connected(mail: Mail) -> Iterator[smtplib.SMTP]:
    """A connection, encrypted and logged in as the settings ask for. Raises OSError."""
    with smtplib.SMTP(mail.host, mail.port, timeout=mail.timeout_seconds) as server:
        if mail.starttls:
            server.starttls(context=ssl.create_default_context())
        if mail.user:
            server.login(mail.user, mail.password)
        yield server
