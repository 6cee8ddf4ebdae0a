"""The data of tenants on the local target: a DuckDB file for each."""

import contextlib
import fcntl
import logging
import os
import random
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.dataset import data_sql, export_files, query
from runner.dataset.dataset import OnWait
from runner.dataset.locks import Opening, locked
from runner.dataset.session import IN_UTC, Committed, commit, execute, shut_in, translated_errors
from runner.errors import NotInitialised, StatementRefused, WarehouseUnreachable
from runner.sql import Row, Value, by_table

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger(__name__)


class DuckDBDataset:
    """Each tenant's data in a DuckDB file; see dataset.Dataset.

    Only one process at a time may have a DuckDB file open. Each method waits for the file up to
    `patience_seconds`, then raises WarehouseUnreachable.
    """

    poll_seconds = 1.0
    single_writer = True
    prunes_exports = False

    def __init__(
        self, path_of: Callable[[str], Path], patience_seconds: float, control: query.ControlTables
    ) -> None:
        """`path_of`: the file of a tenant. `control`: the control tables, for `query`."""
        self._path_of = path_of
        self._patience_seconds = patience_seconds
        self._control = control

    def read(self, tenant: str, sql: str, **values: Value) -> list[Row]:
        with self._open(self._must_exist(tenant), exports_of=tenant) as connection:
            return execute(connection, sql, values)

    def write(self, tenant: str, *statements: str, **values: Value) -> None:
        path = self._must_exist(tenant)
        # An error closes the connection without a commit, which rolls back.
        with contextlib.suppress(Committed), self._open(path, read_only=False) as connection:
            connection.execute("begin transaction")
            for statement in statements:
                execute(connection, statement, values)
            commit(connection, path)

    def query(self, sql: str, tenants: Sequence[str]) -> tuple[list[str], list[tuple[Any, ...]]]:
        return query.run(self._control, self._attached, tenants, sql)

    def account_of(self, tenant: str) -> str:
        return ""

    def check_export(self, tenant: str, ref: str) -> None:
        export_files.check([ref])

    def bytes_read(self, tenant: str, sql: str, **values: Value) -> int | None:
        return None

    def bytes_billed(self, tenant: str, sql: str) -> int | None:
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
    def _attached(
        self, connection: "duckdb.DuckDBPyConnection", tenant: str
    ) -> Iterator[Sequence[str] | None]:
        path = self._path_of(tenant)
        if not path.exists():
            yield None
            return
        attach = f'attach $path as "tenant_{tenant}" (read_only)'
        opening = Opening(path, self._patience_seconds)
        with opening.gate(read_only=True):
            opening.when_free(lambda: connection.execute(attach, {"path": str(path)}))
            yield self._export_folders(connection, tenant, f"tenant_{tenant}`.`{tenant}")

    def check_exports(self, tenant: str, refs: Sequence[str]) -> None:
        checked = self._must_exist(tenant).with_suffix(".checked")
        export_files.check((ref for ref in refs if not ref.startswith("tenant:")), checked)

    def prepare(self, tenant: str) -> None:
        path = self._path_of(tenant)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=path.parent):
                pass
        except OSError as error:
            raise WarehouseUnreachable(
                f"The warehouse folder {path.parent} cannot be written ({error.strerror}):"
                " fix its permissions, or name another with WAREHOUSE_DIR."
            ) from error
        if path.exists() and not os.access(path, os.W_OK):
            raise WarehouseUnreachable(f"{path} cannot be written: fix its permissions.")

    def prepare_landing(self, tenant: str) -> None:
        self._landing(tenant).mkdir(parents=True, exist_ok=True)

    def drop(self, tenant: str) -> None:
        path = self._path_of(tenant)
        with self.exclusive(tenant):
            for file in (path, path.with_name(f"{path.name}.wal"), path.with_suffix(".gate")):
                file.unlink(missing_ok=True)
        for suffix in (".lock", ".checked"):
            path.with_suffix(suffix).unlink(missing_ok=True)
        shutil.rmtree(self._landing(tenant), ignore_errors=True)

    @contextmanager
    def exclusive(self, tenant: str, on_wait: OnWait = lambda message: None) -> Iterator[None]:
        path = self._path_of(tenant)
        # The kernel releases the lock when the process ends, also after a crash.
        with path.with_suffix(".lock").open("a") as file:
            next_report = time.monotonic()
            while not locked(file, fcntl.LOCK_EX):
                if time.monotonic() >= next_report:
                    on_wait(f"another command has the data of {tenant}")
                    next_report = time.monotonic() + self.poll_seconds
                time.sleep(random.uniform(0.02, 0.1))
            if path.exists():
                # Else dbt would retry without a message while another program has the file.
                opening = Opening(path, self._patience_seconds)

                def open_it() -> None:
                    import duckdb

                    with opening.one_thread(), opening.gate(read_only=False):
                        duckdb.connect(str(path)).close()

                opening.when_free(open_it, on_wait, self.poll_seconds)
            yield

    def _must_exist(self, tenant: str) -> Path:
        """The tenant's file. Raises NotInitialised when it is not there."""
        path = self._path_of(tenant)
        if not path.exists():
            raise NotInitialised(
                f"The data of tenant {tenant} was deleted ({path} does not exist): run `runner"
                f" tenant repair {tenant}`, then `runner catch-up --tenant {tenant}` to load its"
                " dates again."
            )
        return path

    def _landing(self, tenant: str) -> Path:
        # As the macro landing_folder names it.
        return self._path_of(tenant).parent / "landing" / tenant

    @contextmanager
    def _open(
        self, path: Path, read_only: bool = True, exports_of: str = ""
    ) -> "Iterator[duckdb.DuckDBPyConnection]":
        """A connection that can read no other files, except the named tenant's exports."""
        import duckdb

        opening = Opening(path, self._patience_seconds)

        def connect() -> "duckdb.DuckDBPyConnection":
            return opening.when_free(lambda: duckdb.connect(str(path), read_only=read_only))

        with (
            opening.one_thread(),
            opening.gate(read_only),
            translated_errors(path),
            closing(connect()) as connection,
        ):
            connection.execute(IN_UTC)
            shut_in(connection, self._export_folders(connection, exports_of, exports_of))
            yield connection

    def _export_folders(
        self, connection: "duckdb.DuckDBPyConnection", tenant: str, dataset: str
    ) -> Sequence[str]:
        """The folders of the files that the tenant's views read: of its exports and landings."""
        if not tenant:
            return ()
        try:
            statement = data_sql.OWN_EXPORTS.format(tenant=dataset)
            rows = execute(connection, statement, {"tenant_id": tenant})
        except StatementRefused:  # no table of exports: no view reads files
            rows = []
        refs = [row["export_ref"] for row in rows]
        landings = [str(self._landing(ref[7:])) for ref in refs if ref.startswith("tenant:")]
        # Of a pattern, the folders before the first wildcard.
        folders = [os.path.dirname(re.split(r"[*?[]", ref)[0]) for ref in refs]
        return [*filter(None, folders), *landings]
