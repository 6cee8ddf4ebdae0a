"""A connection to the control file: its values, and BigQuery's functions that statements use."""

import json
import os
import sqlite3
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from runner.sql import Row, Value


class Connection(sqlite3.Connection):
    """A connection that keeps the message of SQL's `error`, which sqlite3 itself drops."""

    refusal = ""

    def refuse(self, message: str) -> None:
        self.refusal = message
        raise ValueError(message)


def open_file(path: Path) -> Connection:
    """A connection that writes each commit to the disk before it returns."""
    connection = _connect(path.absolute().as_uri())
    try:
        try:
            connection.execute("pragma journal_mode = wal")
        except sqlite3.OperationalError:
            wal = path.with_name(f"{path.name}-wal")
            if os.access(path.parent, os.W_OK) or (wal.exists() and wal.stat().st_size):
                raise
            # A read-only disk, and no changes that are not in the file yet.
            connection.close()
            connection = _connect(f"{path.absolute().as_uri()}?immutable=1")
        connection.execute("pragma synchronous = full")
        # No statement reaches another file.
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.execute("pragma trusted_schema = off")
    except BaseException:
        connection.close()
        raise
    connection.create_function("date", 2, _date_of)
    connection.create_function("error", 1, connection.refuse)
    connection.create_function("format", -1, _format)
    connection.create_function("parse_json", 1, lambda text: text)
    connection.create_function("split", 2, lambda text, by: text and json.dumps(text.split(by)))
    connection.create_function("unix_millis", 1, _unix_millis)
    return connection


def _connect(uri: str) -> Connection:
    return sqlite3.connect(
        uri,
        timeout=0,
        isolation_level=None,
        detect_types=sqlite3.PARSE_DECLTYPES,
        factory=Connection,
        uri=True,
    )


def _date_of(stamp: str | None, zone: str) -> str | None:
    assert zone == "UTC", "stamps are stored in UTC"
    return None if stamp is None else stamp[:10]


def _format(text: str, *values: Value) -> str | None:
    """As in BigQuery, with %t for any value; null if a value is."""
    return None if None in values else text.replace("%t", "%s") % values


def _unix_millis(stamp: str | None) -> int | None:
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return None if stamp is None else (_timestamp(stamp) - epoch) // timedelta(milliseconds=1)


def _timestamp(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# By the first word of the declared type, see schema.SQLITE_TYPES.
sqlite3.register_converter("TIMESTAMP", lambda text: _timestamp(text.decode()))
sqlite3.register_converter("DATE", lambda text: date.fromisoformat(text.decode()))
sqlite3.register_converter("BOOLEAN", lambda text: text == b"1")
sqlite3.register_converter("ARRAY", json.loads)


# As naive UTC, which sorts as text.
sqlite3.register_adapter(datetime, lambda at: f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}")
sqlite3.register_adapter(date, date.isoformat)


def execute(connection: sqlite3.Connection, sql: str, values: Mapping[str, Value]) -> list[Row]:
    """Run one statement with the values that it names."""
    cursor = connection.execute(sql, values)
    names = [column[0] for column in cursor.description or ()]
    return [
        {name: from_sqlite(name, value) for name, value in zip(names, row, strict=True)}
        for row in cursor.fetchall()
    ]


def columns_of(connection: sqlite3.Connection, dataset: str) -> dict[str, set[str]]:
    """The columns of each table of `tenants` or a tenant."""
    prefix = f"{dataset}."
    names = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
    return {
        name.removeprefix(prefix): {
            row[0] for row in connection.execute("select name from pragma_table_info(?)", (name,))
        }
        for (name,) in names
        if name.startswith(prefix)
    }


def from_sqlite(name: str, value: Any) -> Any:
    """An expression's value, converted by its name: to a timestamp, a date or a boolean."""
    if isinstance(value, str):
        if name.endswith(("_at", "_time")):
            return _timestamp(value)
        return date.fromisoformat(value) if name.endswith("_date") else value
    return bool(value) if name.startswith(("is_", "has_")) and value is not None else value
