"""The control tables of the local target: one SQLite file beside the tenants' DuckDB files."""

import contextlib
import json
import os
import re
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from runner.control import schema
from runner.errors import NotInitialised, StatementRefused, WarehouseProblem, WarehouseUnreachable
from runner.sql import Row, Value, When, lacking

Answer = TypeVar("Answer")

_STAMP = "%Y-%m-%d %H:%M:%S.%f"

# How sqlite3 names what another process or thread holds.
_BUSY = ("database is locked", "database table is locked", "database schema is locked")

# By process and file.
_WRITERS: dict[tuple[int, Path], threading.Lock] = {}

_DAMAGED = ("file is not a database", "malformed")


class _Connection(sqlite3.Connection):
    """A connection that keeps what `error` was called with: sqlite3 itself drops the message."""

    refusal = ""

    def refuse(self, message: str) -> None:
        self.refusal = message
        raise ValueError(message)


class SqliteStore:
    """Control tables in a file that many processes read and write at once.

    Raises WarehouseUnreachable when the file cannot be used, StatementRefused when SQLite refuses a
    statement, NotInitialised when there is no file. Timestamps go in and come out as aware UTC
    datetimes, dates as dates.
    """

    poll_seconds = 1.0

    def __init__(self, path: Path, project_dir: Path, patience_seconds: float) -> None:
        self._path = path
        self.project_dir = project_dir
        self.patience_seconds = patience_seconds
        self._of_thread = threading.local()

    def read(self, sql: str, **values: Value) -> list[Row]:
        def ask() -> list[Row]:
            # A transaction turns it off again, for a signal may end this at any point.
            connection = self._connection()
            connection.execute("pragma query_only = on")
            return _execute(connection, sql, values)

        with self._errors(sql, values):
            return self._patiently(ask)

    def write(self, *statements: str, **values: Value) -> list[Row]:
        """Run the statements in one transaction; the rows of the last, if it is a query."""
        return self.write_in_turn(dict, *statements, **values)

    def write_in_turn(self, when: When, *statements: str, **values: Value) -> list[Row]:
        """The same; `when` gives further values once the transaction has the file to itself."""
        with self._errors("\n".join(statements), values), self._transaction() as connection:
            bound = {**values, **when()}
            rows: list[Row] = []
            for statement in statements:
                rows = _execute(connection, statement, bound)
            return rows

    def exists(self) -> bool:
        return self._path.exists()

    def tables(self, folder: str) -> tuple[schema.Table, ...]:
        """The tables that the contracts of `tenants` or `runs` declare."""
        return schema.tables(self.project_dir, folder)

    def declared(self, folder: str) -> dict[str, dict[str, str]]:
        """The columns and their types of each table of `tenants` or `runs`."""
        return {table.name: table.columns for table in self.tables(folder)}

    def rows(self, dataset: str, table: str) -> list[tuple[Any, ...]]:
        """Every row of a table, each value as text."""
        folder = "tenants" if dataset == "tenants" else "runs"
        ask = next(one for one in self.tables(folder) if one.name == table).as_text(dataset)
        with self._errors(ask, {}):
            return self._patiently(lambda: self._connection().execute(ask).fetchall())

    def must_be_writable(self) -> None:
        """Raises WarehouseUnreachable when the file may only be read."""
        if self._path.exists() and not os.access(self._path, os.W_OK):
            raise WarehouseUnreachable(f"{self._path} cannot be written: mend its permissions.")

    def columns(self, dataset: str) -> dict[str, set[str]]:
        """The columns of each table of `tenants` or a tenant."""
        if not self._path.exists():
            return {}
        with self._errors("", {}):
            return self._patiently(lambda: _columns(self._connection(), dataset))

    def hurry(self) -> None:
        self.patience_seconds = min(self.patience_seconds, 5.0)

    def complete(self, tenant: str) -> bool:
        """Create the tables and columns of `tenants` and of the tenant that are missing."""
        with self._errors("", {}):
            if not self._path.exists():
                self._make()
            with self._transaction() as connection:
                for dataset, folder in (("tenants", "tenants"), (tenant, "runs")):
                    found = _columns(connection, dataset)
                    for table in self.tables(folder):
                        if table.name not in found:
                            connection.execute(table.ddl(dataset))
                            continue
                        for column in table.columns.keys() - found[table.name]:
                            connection.execute(table.add_column(dataset, column))
        return True

    def _make(self) -> None:
        """Put a file with the central tables in place, whole or not at all."""
        partial = self._path.with_name(f"{self._path.name}.{os.getpid()}-{threading.get_ident()}")
        try:
            with contextlib.closing(sqlite3.connect(partial)) as connection:
                for table in self.tables("tenants"):
                    connection.execute(table.ddl("tenants"))
                connection.commit()
            wal = self._path.with_name(f"{self._path.name}-wal")
            if wal.exists() and not self._path.exists():
                # SQLite would take it for the new file's.
                raise WarehouseUnreachable(
                    f"{wal} is there without {self._path.name}, to which it belongs: move it to"
                    " where that is."
                )
            with contextlib.suppress(FileExistsError):  # another command was faster
                os.link(partial, self._path)
        except OSError as error:
            raise _unreachable(self._path, error) from error
        finally:
            partial.unlink(missing_ok=True)

    def drop(self, tenant: str) -> None:
        """Delete the tenant's own tables, and nothing of another's."""
        with self._errors("", {}), self._transaction() as connection:
            for name in _columns(connection, tenant):
                connection.execute(f"drop table `{tenant}.{name}`")

    @contextmanager
    def _transaction(self) -> Iterator[_Connection]:
        """A transaction that has the file to itself for writing, committed at the end."""
        connection = self._patiently(self._connection)
        connection.execute("pragma query_only = off")
        connection.refusal = ""
        with self._turn_among_threads():
            try:
                self._patiently(lambda: connection.execute("begin immediate"))
                yield connection
                connection.execute("commit")
            except BaseException:
                # After some errors, such as a full disk, SQLite has rolled back already.
                if connection.in_transaction:
                    connection.execute("rollback")
                raise

    @contextmanager
    def _turn_among_threads(self) -> Iterator[None]:
        """Threads of one process write in turn: who only tries again and again may starve."""
        lock = _WRITERS.setdefault((os.getpid(), self._path), threading.Lock())
        if not lock.acquire(timeout=self.patience_seconds):
            raise sqlite3.OperationalError(_BUSY[0])
        try:
            yield
        finally:
            lock.release()

    def _patiently(self, act: Callable[[], Answer]) -> Answer:
        """Do it again while another command has the file.

        SQLite's own wait holds up signals, and sleeps longer and longer: in a crowd some starve.
        """
        deadline = time.monotonic() + self.patience_seconds
        while True:
            try:
                return act()
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.002)

    def _connection(self) -> _Connection:
        """The thread's own; opened again when the file was replaced or the process forked."""
        try:
            found = self._path.stat()
        except FileNotFoundError as error:
            raise NotInitialised(f"{self._path} does not exist yet: run `runner init`.") from error
        except OSError as error:
            raise _unreachable(self._path, error) from error
        if not found.st_size:
            raise _damaged(self._path, "it is empty")
        key = (os.getpid(), found.st_dev, found.st_ino)
        if getattr(self._of_thread, "key", None) != key:
            self._of_thread.connection = _open(self._path)
            self._of_thread.key = key
        connection: _Connection = self._of_thread.connection
        if connection.in_transaction:  # that a signal ended before its rollback
            connection.execute("rollback")
        return connection

    @contextmanager
    def _errors(self, sql: str, values: Mapping[str, Value]) -> Iterator[None]:
        """Raise SQLite's errors as ours."""
        try:
            yield
        except WarehouseProblem:
            raise
        except ValueError as error:  # of a converter: a value that a hand wrote
            raise StatementRefused(
                f"{self._path} has a value that is not of its column's type ({error}): correct it,"
                " in UTC as 2024-11-01 06:30:00.000000 or 2024-11-01."
            ) from error
        except sqlite3.Error as error:
            text = str(error)
            if _is_busy(error):
                raise WarehouseUnreachable(
                    f"{self._path} is in use by another command for over"
                    f" {self.patience_seconds:.0f} s: wait for that, or end it."
                ) from error
            if text.startswith(("no such table", "no such column")) or "has no column" in text:
                raise lacking(text, sql, values) from error
            if "user-defined function" in text:
                text = self._of_thread.connection.refusal or text
            elif isinstance(error, sqlite3.OperationalError):
                raise _unreachable(self._path, error) from error
            if any(mark in text for mark in _DAMAGED):
                raise _damaged(self._path, text) from error
            raise StatementRefused(
                f"{self._path} refused a statement ({text}): run `runner doctor`."
            ) from error


def _is_busy(error: sqlite3.Error) -> bool:
    return any(mark in str(error) for mark in _BUSY)


def _damaged(path: Path, why: str) -> WarehouseUnreachable:
    return WarehouseUnreachable(
        f"{path} is damaged ({why}): while no command runs, move it away together with"
        f" {path.name}-wal and {path.name}-shm, put an older copy in its place, and run"
        " `runner doctor`."
    )


def _unreachable(path: Path, error: Exception) -> WarehouseUnreachable:
    return WarehouseUnreachable(
        f"{path} cannot be used ({error}): check its permissions and the disk's free space,"
        " or name another folder with WAREHOUSE_DIR."
    )


def _connect(uri: str) -> _Connection:
    return sqlite3.connect(
        uri,
        timeout=0,
        isolation_level=None,
        detect_types=sqlite3.PARSE_DECLTYPES,
        factory=_Connection,
        uri=True,
    )


def _open(path: Path) -> _Connection:
    """A connection that writes each commit to the disk before it returns."""
    connection = _connect(path.absolute().as_uri())
    try:
        try:
            connection.execute("pragma journal_mode = wal")
        except sqlite3.OperationalError:
            wal = path.with_name(f"{path.name}-wal")
            if os.access(path.parent, os.W_OK) or (wal.exists() and wal.stat().st_size):
                raise
            # A disk that may only be read, with nothing that waits to be written back.
            connection.close()
            connection = _connect(f"{path.absolute().as_uri()}?immutable=1")
        connection.execute("pragma synchronous = full")
        # No statement reaches another file.
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.execute("pragma trusted_schema = off")
    except BaseException:
        connection.close()
        raise
    # The functions of BigQuery that the statements use.
    connection.create_function("date", 2, _date_of)
    connection.create_function("error", 1, connection.refuse)
    connection.create_function("format", -1, _format)
    connection.create_function("parse_json", 1, lambda text: text)
    connection.create_function("split", 2, _split)
    connection.create_function("unix_millis", 1, _unix_millis)
    return connection


def _date_of(stamp: str | None, zone: str) -> str | None:
    assert zone == "UTC", "stamps are stored in UTC"
    return None if stamp is None else stamp[:10]


def _format(text: str, *values: Value) -> str | None:
    """As in BigQuery, with %t for any value; null if a value is."""
    return None if None in values else text.replace("%t", "%s") % values


def _split(text: str | None, separator: str) -> str | None:
    return None if text is None else json.dumps(text.split(separator))


def _unix_millis(stamp: str | None) -> int | None:
    if stamp is None:
        return None
    return (_timestamp(stamp) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def _timestamp(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


# By the first word of the declared type, see schema.SQLITE_TYPES.
sqlite3.register_converter("TIMESTAMP", lambda text: _timestamp(text.decode()))
sqlite3.register_converter("DATE", lambda text: date.fromisoformat(text.decode()))
sqlite3.register_converter("BOOLEAN", lambda text: text == b"1")
sqlite3.register_converter("ARRAY", json.loads)


def _execute(connection: sqlite3.Connection, sql: str, values: Mapping[str, Value]) -> list[Row]:
    """Run one statement with the values that it names."""
    cursor = connection.execute(sql, {name: _bound(values[name]) for name in _names(sql)})
    if not cursor.description:
        return []
    columns = [column[0] for column in cursor.description]
    return [
        {name: _unbound(name, value) for name, value in zip(columns, row, strict=True)}
        for row in cursor.fetchall()
    ]


@lru_cache(maxsize=512)
def _names(sql: str) -> frozenset[str]:
    return frozenset(re.findall(r"@(\w+)", sql))


def _bound(value: Value) -> Value:
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime(_STAMP)
    return value.isoformat() if isinstance(value, date) else value


def _unbound(name: str, value: Any) -> Any:
    """What an expression gave: its name says whether it is a timestamp, a date or a boolean."""
    if isinstance(value, str):
        if name.endswith(("_at", "_time")):
            return _timestamp(value)
        return date.fromisoformat(value) if name.endswith("_date") else value
    return bool(value) if name.startswith(("is_", "has_")) and value is not None else value


def _columns(connection: sqlite3.Connection, dataset: str) -> dict[str, set[str]]:
    prefix = f"{dataset}."
    names = connection.execute("select name from sqlite_master where type = 'table'").fetchall()
    return {
        name.removeprefix(prefix): {
            row[0] for row in connection.execute("select name from pragma_table_info(?)", (name,))
        }
        for (name,) in names
        if name.startswith(prefix)
    }
