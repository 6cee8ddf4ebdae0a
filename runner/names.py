"""The few shapes that a name must have before it may come near SQL, a path or a mail."""

import re
from datetime import UTC, date, datetime

from runner.errors import UnknownTenant, UsageProblem

# Names that are taken in a warehouse: the central dataset, DuckDB's own, and `control`.
RESERVED = frozenset(
    {"tenants", "control", "main", "temp", "system", "memory", "pg_catalog", "information_schema"}
)
EARLIEST = date(2000, 1, 1)
TENANT = re.compile(r"[a-z][a-z0-9_]{0,62}")
BILLING_ACCOUNT = re.compile(r"[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}")
PROJECT = re.compile(r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
EMAIL = re.compile(rf"{_ATOM}(\.{_ATOM})*@({_LABEL}\.)+{_LABEL}")
# The control characters of ASCII and Latin-1, Unicode's line ends, and what turns the direction of
# the text that follows: in a log, a table or a mail each would show something else than is there.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
SERVICE_ACCOUNT = re.compile(
    r"[a-z][a-z0-9-]{4,28}[a-z0-9]"
    r"@(?P<project>[a-z][a-z0-9-]{4,28}[a-z0-9](\.[a-z0-9-]+)*)\.iam\.gserviceaccount\.com"
)
TABLE = re.compile(r"[A-Za-z0-9:.-]+\.[A-Za-z0-9_]{1,1024}\.[A-Za-z0-9_-]{1,1024}")


def line(text: str) -> str:
    """A text of one line, in UTF-8 and without control characters; else UsageProblem."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageProblem(f"{text!a} is not UTF-8: write it anew.") from None
    if CONTROL.search(text):
        raise UsageProblem(
            f"{text!a} has a line break or another control character: write one line of plain text."
        )
    return text


def tenant_id(text: str) -> str:
    """The text, if it may be a tenant's id and so a dataset's name; else UsageProblem."""
    if not TENANT.fullmatch(text):
        raise UnknownTenant(
            f"'{text}' is no tenant id: write 1 to 63 lower-case letters, digits and underscores,"
            " starting with a letter, such as acme1281."
        )
    if text in RESERVED:
        raise UnknownTenant(f"'{text}' is a reserved name: choose another tenant id.")
    return text


def day(text: str) -> date:
    """A date written YYYY-MM-DD; else UsageProblem."""
    try:
        parsed = datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        parsed = None
    if parsed is None or parsed.isoformat() != text:
        raise UsageProblem(f"'{text}' is not a date: write YYYY-MM-DD, such as 2024-11-01.")
    return parsed


def last_day(text: str) -> date:
    """A date written YYYY-MM-DD, or `never` as date.max; else UsageProblem."""
    return date.max if text == "never" else day(text)


def usage_date(text: str) -> date:
    """A usage date (UTC) written YYYY-MM-DD, since 2000 and not in the future; else UsageProblem.

    The lower bound is there for what is reckoned from a date: a week before 0001-01-01 is none.
    """
    parsed = day(text)
    if parsed < EARLIEST:
        raise UsageProblem(f"{text} is before {EARLIEST}: no export goes so far back, mend it.")
    today = datetime.now(UTC).date()
    if parsed > today:
        raise UsageProblem(
            f"{text} is in the future: the export has usage up to today, {today.isoformat()} (UTC)."
        )
    return parsed


def billing_account(text: str) -> str:
    """A billing account id as the export writes it; else UsageProblem."""
    if not BILLING_ACCOUNT.fullmatch(text):
        raise UsageProblem(
            f"'{text}' is no billing account: write it as the export does, 01ECB7-6EE0BA-7357F1."
        )
    return text


def project(text: str) -> str:
    """A Google Cloud project id; else UsageProblem."""
    if not PROJECT.fullmatch(text):
        raise UsageProblem(
            f"'{text}' is no project id: write the id (not the name or number), such as acme-prod."
        )
    return text


def service_account(text: str) -> str:
    """The address of a service account; else UsageProblem."""
    if not SERVICE_ACCOUNT.fullmatch(text):
        raise UsageProblem(
            f"'{text}' is no service account: write its address, such as"
            " acme-billing@my-project.iam.gserviceaccount.com."
        )
    return text


def email(text: str) -> str:
    """One mail address; else UsageProblem."""
    if not EMAIL.fullmatch(text):
        raise UsageProblem(f"'{text}' is no mail address: write it as name@example.com.")
    return text
