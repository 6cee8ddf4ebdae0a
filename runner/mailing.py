"""A mailbox: where mails go."""

import smtplib
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from email.message import EmailMessage
from typing import Protocol

from runner.settings import Mail


class Mailbox(Protocol):
    """Where mails go. Raises OSError or smtplib.SMTPException when none of it can go."""

    def send(self, message: EmailMessage) -> Mapping[str, object]:
        """Send to all recipients; those that the server refused, empty if none."""


class SmtpMailbox:
    """A mail server as SMTP_* names it."""

    def __init__(self, mail: Callable[[], Mail]) -> None:
        """`mail`: the settings, read when a mail is sent; commands without mail need none."""
        self._mail = mail

    def send(self, message: EmailMessage) -> Mapping[str, object]:
        mail = self._mail()
        if not mail.host:
            raise OSError("SMTP_HOST is not set, so no mail can go: set SMTP_HOST and SMTP_PORT")
        with connected(mail) as server:
            return server.send_message(message)


@contextmanager
def connected(mail: Mail) -> Iterator[smtplib.SMTP]:
    """The mail server, encrypted and logged in as the settings name it. Raises OSError."""
    with smtplib.SMTP(mail.host, mail.port, timeout=mail.timeout_seconds) as server:
        if mail.starttls:
            server.starttls(context=ssl.create_default_context())
        if mail.user:
            server.login(mail.user, mail.password)
        yield server
