"""Values and rows as the runner exchanges them with its stores."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from runner.errors import StatementRefused

Value = str | int | bool | date | datetime | Decimal | None

When = Callable[[], Mapping[str, Value]]

Row = Mapping[str, Any]


def lacking(message: str, sql: str, values: Mapping[str, Value]) -> StatementRefused:
    """What to raise for a missing table or column, in the engine's words, with the remedy."""
    named = re.search(r"`(?!tenants[.`])(\w+)`?\.", sql)
    tenant = values.get("tenant_id") or (named.group(1) if named else "ID")
    return StatementRefused(
        f"The warehouse lacks a table or a column ({message}): run `runner tenant repair {tenant}`,"
        " or `runner doctor` to see all that is missing."
    )


def by_table(rows: Sequence[Row]) -> dict[str, set[str]]:
    """Rows of table_name and column_name, by table."""
    tables: dict[str, set[str]] = {}
    for row in rows:
        tables.setdefault(row["table_name"], set()).add(row["column_name"])
    return tables


# -- What both stores are asked.

PROBE = "select 1 as answer"

COLUMNS_BIGQUERY = """
select lower(table_name) as table_name, lower(column_name) as column_name
from `{dataset}`.INFORMATION_SCHEMA.COLUMNS
"""
