"""Validators of names: only a valid name may be used in SQL, a path or a mail.

Each returns the text, or the date in it, and raises UsageProblem for an invalid one.
"""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime

from runner.errors import UnknownTenant, UsageProblem

# Names that a warehouse uses itself: the central dataset, DuckDB's own, and `control`.
RESERVED = frozenset(
    {"tenants", "control", "main", "temp", "system", "memory", "pg_catalog", "information_schema"}
)
EARLIEST = date(2000, 1, 1)
_PROJECT = r"[a-z][a-z0-9-]{4,28}[a-z0-9]"
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
TENANT = re.compile(r"[a-z][a-z0-9_]{0,62}")
EMAIL = re.compile(rf"{_ATOM}(\.{_ATOM})*@({_LABEL}\.)+{_LABEL}")
# Control characters of ASCII and Latin-1, Unicode's line ends and changes of the text's direction:
# each would change how a log, a table or a mail is displayed.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
SERVICE_ACCOUNT = re.compile(
    rf"{_PROJECT}@(?P<project>{_PROJECT}(\.[a-z0-9-]+)*)\.iam\.gserviceaccount\.com"
)
TABLE = re.compile(r"[A-Za-z0-9:.-]+\.[A-Za-z0-9_]{1,1024}\.[A-Za-z0-9_-]{1,1024}")


def _matching(
    pattern: str | re.Pattern[str], what: str, remedy: str, error: type[UsageProblem] = UsageProblem
) -> Callable[[str], str]:
    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise error(f"'{text}' is not a valid {what}: {remedy}.")
        return text

    return check


billing_account = _matching(
    r"[0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6}",
    "billing account",
    "write it as the export does, 01ECB7-6EE0BA-7357F1",
)
project = _matching(
    rf"([a-z0-9.-]+:)?{_PROJECT}",
    "project id",
    "write the id (not the name or number), such as acme-prod",
)
service_account = _matching(
    SERVICE_ACCOUNT,
    "service account",
    "write its address, such as acme-billing@my-project.iam.gserviceaccount.com",
)
email = _matching(EMAIL, "mail address", "write it as name@example.com")
_tenant_id = _matching(
    TENANT,
    "tenant id",
    "write 1 to 63 characters from a to z, 0 to 9 and _, beginning with a to z, such as acme1281",
    UnknownTenant,
)


def tenant_id(text: str) -> str:
    """A tenant's id, which is also a dataset's name."""
    if text in RESERVED:
        raise UnknownTenant(f"'{text}' is a reserved name: choose another tenant id.")
    return _tenant_id(text)


def line(text: str) -> str:
    """A text of one line, in UTF-8 and without control characters."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageProblem(f"{text!a} is not valid UTF-8: type it again.") from None
    if CONTROL.search(text):
        raise UsageProblem(f"{text!a} has a line break or another control character: remove it.")
    return text


def day(text: str) -> date:
    """A date in the form YYYY-MM-DD only."""
    if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise UsageProblem(f"'{text}' is not a date: write YYYY-MM-DD, such as 2024-11-01.")


def last_day(text: str) -> date:
    """A date written YYYY-MM-DD, or `never` as date.max."""
    return date.max if text == "never" else day(text)


def usage_date(text: str) -> date:
    """A usage date (UTC) written YYYY-MM-DD, since 2000 and not in the future.

    The lower bound keeps date arithmetic valid: there is no week before 0001-01-01.
    """
    parsed, today = day(text), datetime.now(UTC).date()
    if parsed < EARLIEST:
        raise UsageProblem(f"{text} is before {EARLIEST}, where no export begins: use a later one.")
    if parsed > today:
        raise UsageProblem(f"{text} is in the future: use a date up to today, {today} (UTC).")
    return parsed
