"""Values and rows that the runner exchanges with its stores, and statements that both use."""

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
    """The error for a missing table or column: the engine's message and the remedy."""
    named = re.search(r"`(?!tenants[.`])(\w+)`?\.", sql)
    tenant = values.get("tenant_id") or (named.group(1) if named else "ID")
    return StatementRefused(
        f"The warehouse has no such table or column ({message}): run `runner tenant repair"
        f" {tenant}`, or `runner doctor` to list everything that is missing."
    )


def by_table(rows: Sequence[Row]) -> dict[str, set[str]]:
    """Rows of table_name and column_name, by table."""
    tables: dict[str, set[str]] = {}
    for row in rows:
        tables.setdefault(row["table_name"], set()).add(row["column_name"])
    return tables


PROBE = "select 1 as answer"

COLUMNS_BIGQUERY = """
select lower(table_name) as table_name, lower(column_name) as column_name
from `{dataset}`.INFORMATION_SCHEMA.COLUMNS
"""
