"""The data of tenants on the local target: a DuckDB file for each."""

import contextlib
import fcntl
import logging
import math
import os
import random
import re
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from runner.dataset import data_sql, export_files, query
from runner.dataset.dataset import Look
from runner.dataset.session import (
    IN_UTC,
    Committed,
    commit,
    execute,
    shut_in,
    translated_errors,
    unreachable,
)
from runner.errors import NotInitialised, StatementRefused, WarehouseUnreachable
from runner.sql import Row, Value, by_table

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger(__name__)
# DuckDB's message about a file that another process, or another engine of this one, has open.
IN_USE = re.compile("Could not set lock|Unique file handle conflict")
# A longer wait is reported.
SECONDS_IN_SILENCE = 0.5

# One gate a file, for the threads of this process: DuckDB refuses a file opened both ways.
_GATES: dict[Path, threading.Lock] = {}


class DuckDBDataset:
    """Each tenant's data in a file of its own.

    One process at a time may have a DuckDB file open, so an open file is waited for: up to
    `patience_seconds`, then WarehouseUnreachable.
    """

    poll_seconds = 1.0
    has_one_writer = True
    prunes_exports = False

    def __init__(
        self, path_of: Callable[[str], Path], patience_seconds: float, control: query.ControlTables
    ) -> None:
        """`path_of`: the file of a tenant. `control`: the control tables, for `query`."""
        self._path_of = path_of
        self._patience_seconds = patience_seconds
        self._control = control

    def read(self, tenant: str, sql: str, **values: Value) -> list[Row]:
        """The rows of one query, which may read the tenant's exports through its views."""
        with self._open(self._must_exist(tenant), exports_of=tenant) as connection:
            return execute(connection, sql, values)

    def write(self, tenant: str, *statements: str, **values: Value) -> None:
        """Run the statements in one transaction."""
        import duckdb

        path = self._must_exist(tenant)
        with contextlib.suppress(Committed), self._open(path, read_only=False) as connection:
            connection.execute("begin transaction")
            try:
                for statement in statements:
                    execute(connection, statement, values)
                commit(connection, path)
            except BaseException:
                with contextlib.suppress(duckdb.Error):
                    connection.execute("rollback")
                raise

    def query(self, sql: str, tenants: Sequence[str]) -> tuple[list[str], list[tuple[Any, ...]]]:
        return query.run(self._control, self, tenants, sql)

    def account_of(self, tenant: str) -> str:
        return ""

    def check_export(self, tenant: str, ref: str) -> None:
        export_files.check([ref])

    def bytes_read(self, tenant: str, sql: str, **values: Value) -> int | None:
        return None

    def columns(self, tenant: str) -> dict[str, set[str]]:
        path = self._path_of(tenant)
        if not path.exists():
            return {}
        with self._open(path) as connection:
            return by_table(execute(connection, data_sql.COLUMNS_DUCKDB, {"dataset": tenant}))

    def has_table(self, tenant: str, table: str) -> bool:
        return table in self.columns(tenant)

    @contextmanager
    def attached(self, connection: "duckdb.DuckDBPyConnection", tenant: str) -> Iterator[bool]:
        """Attach the tenant's file for reading as `tenant_ID`; False when there is none."""
        path = self._path_of(tenant)
        if not path.exists():
            yield False
            return
        deadline = time.monotonic() + self._patience_seconds
        attach = f'attach $path as "tenant_{tenant}" (read_only)'
        with self._gate(path, True, deadline):
            self._when_free(path, deadline, lambda: connection.execute(attach, {"path": str(path)}))
            yield True

    def check_exports(self, tenant: str, refs: Sequence[str]) -> None:
        """Raises UsageProblem when a file of an export, or of the data, is lost."""
        checked = self._must_exist(tenant).with_suffix(".checked")
        export_files.check((ref for ref in refs if not ref.startswith("tenant:")), checked)

    def prepare(self, tenant: str) -> None:
        """Make the folder. Raises WarehouseUnreachable when it or a file cannot be written."""
        path = self._path_of(tenant)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path.parent):
                pass
        except OSError as error:
            raise WarehouseUnreachable(
                f"The warehouse folder {path.parent} cannot be written ({error.strerror}):"
                " mend its permissions, or name another with WAREHOUSE_DIR."
            ) from error
        if path.exists() and not os.access(path, os.W_OK):
            raise WarehouseUnreachable(f"{path} cannot be written: mend its permissions.")

    def prepare_landing(self, tenant: str) -> None:
        """Make the folder from which other tenants read what the landing publishes."""
        self._landing(tenant).mkdir(parents=True, exist_ok=True)

    def drop(self, tenant: str) -> None:
        """Delete the tenant's data. Nothing to delete is fine."""
        path = self._path_of(tenant)
        with self.exclusive(tenant):
            for file in (path, path.with_name(f"{path.name}.wal"), path.with_suffix(".gate")):
                file.unlink(missing_ok=True)
        for suffix in (".lock", ".checked"):
            path.with_suffix(suffix).unlink(missing_ok=True)
        shutil.rmtree(self._landing(tenant), ignore_errors=True)

    @contextmanager
    def exclusive(self, tenant: str, look: Look = lambda told: None) -> Iterator[None]:
        """Hold the tenant's data; meanwhile `look` is called with what is waited for.

        What `look` raises ends the wait.
        """
        path = self._path_of(tenant)
        # The kernel lets go of the lock with the process, however that ends.
        with path.with_suffix(".lock").open("a") as file:
            next_look = time.monotonic()
            while not _locked(file, fcntl.LOCK_EX):
                if time.monotonic() >= next_look:
                    look(f"another command has the data of {tenant}")
                    next_look = time.monotonic() + self.poll_seconds
                time.sleep(random.uniform(0.02, 0.1))
            if path.exists():
                self._await_others(path, look)
            yield

    def _await_others(self, path: Path, look: Look) -> None:
        """Wait until no other program has the file: dbt would do so in silence, again and again."""
        import duckdb

        deadline = time.monotonic() + self._patience_seconds

        def open_it() -> None:
            with _GATES.setdefault(path, threading.Lock()), self._gate(path, False, deadline):
                duckdb.connect(str(path)).close()

        self._when_free(path, deadline, open_it, look)

    def _must_exist(self, tenant: str) -> Path:
        """The tenant's file. Raises NotInitialised when it is not there."""
        path = self._path_of(tenant)
        if not path.exists():
            raise NotInitialised(
                f"The data of tenant {tenant} was deleted, there is no {path}: run `runner tenant"
                f" repair {tenant}`, then `runner catch-up --tenant {tenant}` to load its dates"
                " again."
            )
        return path

    def _landing(self, tenant: str) -> Path:
        # Beside the tenant's file, as the macro landing_folder has it.
        return self._path_of(tenant).parent / "landing" / tenant

    @contextmanager
    def _open(
        self, path: Path, read_only: bool = True, exports_of: str = ""
    ) -> "Iterator[duckdb.DuckDBPyConnection]":
        """A connection that reaches no other file, but the exports of a tenant if one is named."""
        import duckdb

        deadline = time.monotonic() + self._patience_seconds
        gate = _GATES.setdefault(path, threading.Lock())
        if not gate.acquire(timeout=self._patience_seconds):
            raise WarehouseUnreachable(f"{path} is busy: try again in a moment.")
        try:
            with self._gate(path, read_only, deadline), translated_errors(path):
                connection = self._when_free(
                    path, deadline, lambda: duckdb.connect(str(path), read_only=read_only)
                )
                try:
                    connection.execute(IN_UTC)
                    folders = self.export_folders(connection, exports_of)
                    shut_in(connection, folders)
                    yield connection
                finally:
                    connection.close()
        finally:
            gate.release()

    def export_folders(
        self, connection: "duckdb.DuckDBPyConnection", tenant: str, is_attached: bool = False
    ) -> Sequence[str]:
        """Where the files are that the tenant's views read: its exports' and its landings'."""
        if not tenant:
            return ()
        try:
            place = f"tenant_{tenant}`.`{tenant}" if is_attached else tenant
            statement = data_sql.OWN_EXPORTS.format(tenant=place)
            rows = execute(connection, statement, {"tenant_id": tenant})
        except StatementRefused:  # then no view reads any
            rows = []
        refs = [row["export_ref"] for row in rows]
        landings = [str(self._landing(ref[7:])) for ref in refs if ref.startswith("tenant:")]
        # Of a pattern, the part that has no wildcard yet.
        folders = [os.path.dirname(re.split(r"[*?[]", ref)[0]) for ref in refs]
        return [*filter(None, folders), *landings]

    @contextmanager
    def _gate(self, path: Path, read_only: bool, deadline: float) -> Iterator[None]:
        """Keep other commands out from before the file is opened until after it is closed.

        DuckDB's own lock is not enough: of two processes that write one after the other, the
        second may open the file while the first is still tidying up, and miss what it wrote
        (seen once in about 200 claims; DECISIONS has the measurement).
        """
        try:
            file = path.with_suffix(".gate").open("a")
        except OSError as error:
            if not read_only:
                raise unreachable(path, error) from error
            yield  # a warehouse that no process can write has nothing to wait for
            return
        with file:
            while not _locked(file, fcntl.LOCK_SH if read_only else fcntl.LOCK_EX):
                if time.monotonic() > deadline:
                    raise WarehouseUnreachable(
                        f"{path} is in use by another command for over"
                        f" {self._patience_seconds:.0f} s: wait for that, or end it."
                    )
                time.sleep(random.uniform(0.002, 0.02))
            yield

    def _when_free(
        self,
        path: Path,
        deadline: float,
        open_it: Callable[[], Any],
        look: Look | None = None,
    ) -> Any:
        """Open the file, and wait for who has it; tell `look` at once, and again and again.

        Without one a wait that is longer than programs of ours take is reported once.
        """
        import duckdb

        next_look = time.monotonic() + (0.0 if look else SECONDS_IN_SILENCE)
        while True:
            try:
                return open_it()
            except duckdb.Error as error:
                if not IN_USE.search(str(error)):
                    raise unreachable(path, error) from error
                if time.monotonic() > deadline:
                    raise WarehouseUnreachable(
                        f"{path} is held open by another program for over"
                        f" {self._patience_seconds:.0f} s ({_holder(error)}): close that first."
                    ) from error
                if time.monotonic() >= next_look:
                    message = (
                        f"{path} is held open by another program ({_holder(error)}): waiting up to"
                        f" {self._patience_seconds:.0f} s for it"
                    )
                    if look:
                        look(message)
                    else:
                        sys.stderr.write(f"{message}\n")
                    next_look = time.monotonic() + self.poll_seconds if look else math.inf
                time.sleep(random.uniform(0.005, 0.05))


def _locked(file: IO[str], how: int) -> bool:
    """Whether the kernel gave the lock; it never waits for it."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(error: Exception) -> str:
    found = re.search(r"PID (\d+)", str(error))
    return f"process {found.group(1)}" if found else "its process is not known"
