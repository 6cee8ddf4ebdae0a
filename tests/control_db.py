"""The control tables of the local target, as a test asks and changes them."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from runner.control.sqlite_connection import from_sqlite, open_file

_TABLE = re.compile(
    r"(?<![`\w.\"])(tenants\.tenant_\w+|\w+\.x_meta_(?:pipeline_runs|step_logs|lock|alerts|api_keys"
    r"|catch_ups|cloud_credentials))\b"
)
_BY_NAME = re.compile(r"by name select (.*?)(?= from | where |$)", re.DOTALL)


def ask(path: Path, text: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The rows of a statement over control tables, timestamps without their zone, which is UTC.

    Tables are written `acme.x_meta_pipeline_runs`. `insert into T by name select 1 as a` names the
    columns beside their values.
    """
    connection = open_file(path)
    # Python's own wait: a service may be writing.
    connection.execute("pragma busy_timeout = 30000")
    try:
        cursor = connection.execute(_in_sqlite(text), [_bound(value) for value in values])
        if not cursor.description:
            return []
        names = [column[0] for column in cursor.description]
        return [
            tuple(
                _without_zone(from_sqlite(name, value))
                for name, value in zip(names, row, strict=True)
            )
            for row in cursor.fetchall()
        ]
    finally:
        connection.close()


def _in_sqlite(text: str) -> str:
    named = _TABLE.sub(r"`\1`", text)
    if found := _BY_NAME.search(named):
        columns = re.findall(r" as (\w+)(?=,|$)", found.group(1))
        named = named.replace("by name", f"({', '.join(columns)})", 1)
    return named


def _bound(value: Any) -> Any:
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value


def _without_zone(value: Any) -> Any:
    return value.replace(tzinfo=None) if isinstance(value, datetime) else value
