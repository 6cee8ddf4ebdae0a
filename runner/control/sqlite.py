"""The control tables of the local target: one SQLite file beside the tenants' DuckDB files."""

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from runner.control import schema
from runner.control.sqlite_connection import Connection, columns_of, execute, open_file
from runner.errors import NotInitialised, StatementRefused, WarehouseProblem, WarehouseUnreachable
from runner.sql import Row, Value, When, lacking

Answer = TypeVar("Answer")

# sqlite3's messages for a file that another process or thread has locked.
_BUSY = ("database is locked", "database table is locked", "database schema is locked")

# By process and file. Reentrant: the main thread may still hold it after a signal.
_WRITERS: dict[tuple[int, Path], threading.RLock] = {}

_DAMAGED = ("file is not a database", "malformed")


class SqliteStore:
    """Control tables in a file that many processes read and write at once; see store.Store.

    Raises NotInitialised, too, when there is no file.
    """

    poll_seconds = 1.0

    def __init__(self, path: Path, project_dir: Path, patience_seconds: float) -> None:
        self._path = path
        self.project_dir = project_dir
        self.patience_seconds = patience_seconds
        self._of_thread = threading.local()

    def read(self, sql: str, **values: Value) -> list[Row]:
        def ask() -> list[Row]:
            # A transaction turns it off; a signal may end this function at any point.
            connection = self._connection()
            connection.execute("pragma query_only = on")
            return execute(connection, sql, values)

        with self._errors(sql, values):
            return self._patiently(ask)

    def write(self, *statements: str, **values: Value) -> list[Row]:
        return self.write_in_turn(dict, *statements, **values)

    def write_in_turn(self, when: When, *statements: str, **values: Value) -> list[Row]:
        with self._errors("\n".join(statements), values), self._transaction() as connection:
            bound = {**values, **when()}
            rows: list[Row] = []
            for statement in statements:
                rows = execute(connection, statement, bound)
            return rows

    def exists(self) -> bool:
        return self._path.exists()

    def declared(self, folder: str) -> dict[str, dict[str, str]]:
        """The columns and their types of each table of `tenants` or `runs`."""
        return {table.name: table.columns for table in schema.tables(self.project_dir, folder)}

    def rows(self, dataset: str, table: str) -> list[tuple[Any, ...]]:
        """Every row of a table, each value as text."""
        columns = self.declared("tenants" if dataset == "tenants" else "runs")[table]
        ask = schema.as_text(dataset, table, columns)
        with self._errors(ask, {}):
            return self._patiently(lambda: self._connection().execute(ask).fetchall())

    def require_writable(self) -> None:
        if self._path.exists() and not os.access(self._path, os.W_OK):
            raise WarehouseUnreachable(f"{self._path} cannot be written: correct its permissions.")

    def columns(self, dataset: str) -> dict[str, set[str]]:
        if not self._path.exists():
            return {}
        with self._errors("", {}):
            return self._patiently(lambda: columns_of(self._connection(), dataset))

    def hurry(self) -> None:
        self.patience_seconds = min(self.patience_seconds, 5.0)

    def complete(self, tenant: str) -> bool:
        with self._errors("", {}):
            if not self._path.exists():
                self._make()
            with self._transaction() as connection:
                for dataset, folder in (("tenants", "tenants"), (tenant, "runs")):
                    found = columns_of(connection, dataset)
                    for table in schema.tables(self.project_dir, folder):
                        for statement in table.missing(dataset, found.get(table.name)):
                            connection.execute(statement)
        return True

    def _make(self) -> None:
        """Create the file with the central tables, atomically."""
        partial = self._path.with_name(f"{self._path.name}.{os.getpid()}-{threading.get_ident()}")
        try:
            with contextlib.closing(sqlite3.connect(partial)) as connection:
                for table in schema.tables(self.project_dir, "tenants"):
                    connection.execute(*table.missing("tenants", None))
                connection.commit()
            wal = self._path.with_name(f"{self._path.name}-wal")
            if wal.exists() and not self._path.exists():
                # SQLite would apply it to the new file.
                raise WarehouseUnreachable(
                    f"{wal} belongs to {self._path.name}, which is missing: move {wal.name} to the"
                    f" folder that has {self._path.name}."
                )
            with contextlib.suppress(FileExistsError):  # another command was faster
                os.link(partial, self._path)
        except OSError as error:
            raise _unreachable(self._path, error) from error
        finally:
            partial.unlink(missing_ok=True)

    def cancel_jobs(self, tenant: str, run_ids: Collection[str]) -> None:
        """Nothing: what a process does here ends with it."""

    def drop(self, tenant: str) -> None:
        with self._errors("", {}), self._transaction() as connection:
            for name in columns_of(connection, tenant):
                connection.execute(f"drop table `{tenant}.{name}`")

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """A transaction, the only one that writes the file now; committed at the end."""
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
        """Threads of one process write in turn: a thread that only polls may starve."""
        lock = _WRITERS.setdefault((os.getpid(), self._path), threading.RLock())
        if not lock.acquire(timeout=self.patience_seconds):
            raise sqlite3.OperationalError(_BUSY[0])
        try:
            yield
        finally:
            lock.release()

    def _patiently(self, act: Callable[[], Answer]) -> Answer:
        """Retry while another command has the file locked.

        SQLite's own wait delays signals, and its growing pauses starve some of many processes.
        """
        deadline = time.monotonic() + self.patience_seconds
        while True:
            try:
                return act()
            except sqlite3.OperationalError as error:
                if not _is_busy(error) or time.monotonic() > deadline:
                    raise
                time.sleep(0.002)

    def _connection(self) -> Connection:
        """The thread's connection; reopened when the file was replaced or the process forked."""
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
            self._of_thread.connection = open_file(self._path)
            self._of_thread.key = key
        connection: Connection = self._of_thread.connection
        if connection.in_transaction:  # that a signal ended before its rollback
            connection.execute("rollback")
        return connection

    @contextmanager
    def _errors(self, sql: str, values: Mapping[str, Value]) -> Iterator[None]:
        """Translate SQLite's errors to the runner's."""
        try:
            yield
        except WarehouseProblem:
            raise
        except ValueError as error:  # of a converter: the value was edited manually
            raise StatementRefused(
                f"{self._path} has a value that does not fit its column's type ({error}): write it"
                " in UTC, as 2024-11-01 06:30:00.000000 or 2024-11-01."
            ) from error
        except sqlite3.Error as error:
            text = str(error)
            if _is_busy(error):
                raise WarehouseUnreachable(
                    f"{self._path} has been in use by another command for over"
                    f" {self.patience_seconds:.0f} s: wait for that command, or end it."
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
        f"{path} is damaged ({why}): when no command is running, move it,"
        f" {path.name}-wal and {path.name}-shm away, restore {path.name} from a backup, and run"
        " `runner doctor`."
    )


def _unreachable(path: Path, error: Exception) -> WarehouseUnreachable:
    return WarehouseUnreachable(
        f"{path} cannot be used ({error}): check its permissions and the disk's free space,"
        " or name another folder with WAREHOUSE_DIR."
    )
