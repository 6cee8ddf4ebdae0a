"""The control tables' warehouse: one small SQL interface, DuckDB and BigQuery behind it.

Statements are written in BigQuery's dialect, with @named parameters, in words that DuckDB
also reads; see control_sql.
"""

import atexit
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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Protocol

from runner import control_sql, export_files
from runner.errors import NotInitialised, StatementRefused, UsageProblem, WarehouseUnreachable
from runner.findings import without_rows
from runner.settings import Settings
from runner.shared_file import NotFree, SharedFile

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger(__name__)

Value = str | int | bool | date | datetime | Decimal | None
When = Callable[[], Mapping[str, Value]]
Look = Callable[[str], None]
Row = Mapping[str, Any]


class Warehouse(Protocol):
    """What the runner asks of an engine. Timestamps go in and come out as aware UTC datetimes.

    Raises WarehouseUnreachable when the engine does not answer, StatementRefused when it refuses.
    """

    seconds_between_looks: float
    # Whether two runs of one tenant wait for each other; else dbt must find its tables made.
    has_one_writer: bool
    # Whether an export is read by its partitions; else all of it, whatever its rows' labels are.
    prunes_exports: bool

    def read(self, sql: str, **values: Value) -> list[Row]:
        """The rows of one query over the control tables."""

    def write(self, *statements: str, **values: Value) -> list[Row]:
        """Run the statements in one transaction; the rows of the last, if it is a query."""

    def write_in_turn(self, when: When, *statements: str, **values: Value) -> list[Row]:
        """The same; `when` gives further values once it is this transaction's turn: the moment."""

    def read_data(self, tenant: str, sql: str, **values: Value) -> list[Row]:
        """The rows of one query over the tenant's data tables."""

    def write_data(self, tenant: str, *statements: str, **values: Value) -> None:
        """Run the statements over the tenant's data tables in one transaction."""

    def alone_with(
        self, tenant: str, look: Look = lambda told: None
    ) -> AbstractContextManager[None]:
        """Hold the tenant's data where the engine lets only one process in; wait for it.

        Meanwhile `look` is called every `seconds_between_looks` with what is waited for; what it
        raises ends the wait. Raises WarehouseUnreachable when a program that is none of ours has
        the data for too long.
        """

    def alone_with_control(self) -> AbstractContextManager[None]:
        """Hold the control tables likewise, while dbt makes or completes them."""

    def account_of(self, tenant: str) -> str:
        """The service account as which a tenant's data is read and written; empty: our own.

        What the tenant's data is asked for below is asked as it. Raises AccountRefused when the
        process cannot act as it.
        """

    def look_at_export(self, tenant: str, ref: str) -> None:
        """Raises WarehouseProblem or UsageProblem when we may not read it, or not from here."""

    def check_exports(self, tenant: str) -> None:
        """Before a run. Raises UsageProblem when a file of an export, or of the data, is lost."""

    def bytes_read(self, tenant: str, sql: str, **values: Value) -> int | None:
        """Bytes that a query would read, asked without running it; None where nothing is billed."""

    def prepare(self, tenant: str) -> None:
        """Make the place where dbt will make the tenant's tables; there already is fine.

        Raises WarehouseUnreachable when it cannot be written.
        """

    def prepare_landing(self, tenant: str) -> None:
        """Make the place where a landing's rows are for others to read, where it is one apart."""

    def exists(self) -> bool:
        """Whether the control tables were ever made."""

    def columns(self, dataset: str, data: bool = False) -> dict[str, set[str]]:
        """The columns of each table of `tenants` or a tenant; empty without the dataset.

        `data`: where the engine keeps them apart, the tenant's data instead of its control tables.
        """

    def has_table(self, tenant: str, table: str) -> bool:
        """Whether the tenant's data has the table."""

    def drop_data(self, tenant: str) -> None:
        """Delete the tenant's data tables, and nothing of another's. Nothing to delete is fine."""

    def drop_control(self, tenant: str) -> None:
        """Delete the tenant's own control tables, and nothing of another's."""

    def dbt_vars_for_control(self) -> dict[str, str]:
        """The vars with which dbt makes the control tables."""


def open_warehouse(
    settings: Settings, patience_seconds: float = 60.0, is_shared: bool = False
) -> Warehouse:
    """The warehouse of the chosen target. Raises UsageProblem for a broken profile.

    `patience_seconds`: how long to wait for a file that another program has open.
    `is_shared`: threads of this process share the open control file, as long as no other command
    wants it.
    """
    target = settings.target({"tenant_id": "none"})
    if target.type == "bigquery":
        from runner.warehouse_bigquery import BigQueryWarehouse

        return BigQueryWarehouse(target, settings.environ)

    @cache
    def path(file: str) -> Path:
        found = settings.target({"duckdb_file": file})
        if not found.fields.get("path"):
            raise UsageProblem(
                f"{settings.profiles_path}: target '{found.name}' has no path: see"
                " profiles.yml.example."
            )
        return Path(str(found.fields["path"]))

    return DuckDBWarehouse(path, patience_seconds, is_shared)


# BigQuery's functions that the control SQL uses, in DuckDB's words.
BIGQUERYS_WORDS = (
    "parse_json(text) as cast(text as json)",
    "unix_millis(moment) as epoch_ms(moment)",
)

# For all connections of an engine, as none may set anything later.
IN_UTC = "set global TimeZone = 'UTC'"
# The files that DuckDB makes of a database: itself, its log, and the log while it is written back.
OWN_SUFFIXES = ("", ".wal", ".wal.checkpoint", ".wal.recovery")

# Work on a plan that is not worth it for a few rows.
SPARED_OPTIMIZERS = (
    "common_subexpressions",
    "common_subplan",
    "expression_rewriter",
    "join_order",
    "statistics_propagation",
)

# How DuckDB speaks of a file that another process, or another engine of this one, has open.
IN_USE = re.compile("Could not set lock|Unique file handle conflict")
# Who waits for it longer is told so.
SECONDS_IN_SILENCE = 0.5
# And of one that is cut off, overwritten or none of its own.
DAMAGED = re.compile("not a valid DuckDB|Could not read enough bytes|[Cc]orrupt")

# A statement of more letters, such as one of many steps, is not kept as it was parsed.
LONGEST_KEPT = 6000

# One gate a file, for the threads of this process.
_GATES: dict[Path, threading.Lock] = {}


# And one share of each control file that threads share.
_SHARED: dict[Path, SharedFile] = {}

# An engine that has no file open now: the control file is attached to it, as starting it costs most
# of opening.
_SPARE: "dict[Path, duckdb.DuckDBPyConnection]" = {}
# A file's name that is no name of DuckDB's own.
ATTACHABLE = re.compile("(?!(?:main|memory|system|temp)$)[a-z_][a-z0-9_]*", re.ASCII)


@atexit.register
def _close_shared() -> None:
    for shared in _SHARED.values():
        shared.close(1.0)


class DuckDBWarehouse:
    """Control tables in one file, opened for milliseconds; each tenant's data in a file of its own.

    One process at a time may have a DuckDB file open, so an open file is waited for: up to
    `patience_seconds`, then WarehouseUnreachable.
    """

    seconds_between_looks = 1.0
    has_one_writer = True
    prunes_exports = False

    def __init__(
        self,
        path: Callable[[str], Path],
        patience_seconds: float = 60.0,
        is_shared: bool = False,
    ) -> None:
        self._path = path
        self._patience_seconds = patience_seconds
        self._is_shared = is_shared

    def read(self, sql: str, **values: Value) -> list[Row]:
        with self._open(self._path("control"), read_only=True) as connection:
            return _execute(connection, sql, values)

    def write(self, *statements: str, **values: Value) -> list[Row]:
        return self._transaction(self._path("control"), statements, values)

    def write_in_turn(self, when: When, *statements: str, **values: Value) -> list[Row]:
        return self._transaction(self._path("control"), statements, values, when)

    def read_data(self, tenant: str, sql: str, **values: Value) -> list[Row]:
        path = self._data(tenant)
        with self._open(path, read_only=True, exports_of=tenant) as connection:
            return _execute(connection, sql, values)

    def write_data(self, tenant: str, *statements: str, **values: Value) -> None:
        self._transaction(self._data(tenant), statements, values)

    def _data(self, tenant: str) -> Path:
        """The tenant's file. Raises NotInitialised when it is not there."""
        path = self._path(f"tenant_{tenant}")
        if not path.exists():
            raise NotInitialised(
                f"The data of tenant {tenant} was deleted, there is no {path}: run `runner tenant"
                f" repair {tenant}`, then `runner catch-up --tenant {tenant}` to load its dates"
                " again."
            )
        return path

    @contextmanager
    def alone_with(self, tenant: str, look: Look = lambda told: None) -> Iterator[None]:
        path = self._path(f"tenant_{tenant}")
        with self._alone(path, lambda: look(f"another command has the data of {tenant}")):
            if path.exists():
                self._await_others(path, look)
            yield

    def _await_others(self, path: Path, look: Look) -> None:
        """Wait until no other program has the file: dbt would do so in silence, again and again."""
        import duckdb

        deadline = time.monotonic() + self._patience_seconds

        def open_it() -> None:
            with (
                _GATES.setdefault(path, threading.Lock()),
                self._gate(path, False, deadline),
            ):
                duckdb.connect(str(path)).close()

        self._when_free(path, deadline, open_it, look)

    @contextmanager
    def _alone(self, path: Path, look: Callable[[], None] = lambda: None) -> Iterator[None]:
        # The kernel lets go of the lock with the process, however that ends.
        with path.with_suffix(".lock").open("a") as file:
            next_look = time.monotonic()
            while not _locked(file, fcntl.LOCK_EX):
                if time.monotonic() >= next_look:
                    look()
                    next_look = time.monotonic() + self.seconds_between_looks
                time.sleep(random.uniform(0.02, 0.1))
            yield

    @contextmanager
    def alone_with_control(self) -> Iterator[None]:
        # One dbt after the other, however many wait; between two, other commands pass the gate.
        control = self._path("control")
        with (
            self._alone(control),
            self._gate(control, False, time.monotonic() + self._patience_seconds),
        ):
            yield

    def account_of(self, tenant: str) -> str:
        return ""

    def look_at_export(self, tenant: str, ref: str) -> None:
        export_files.check([ref])

    def check_exports(self, tenant: str) -> None:
        checked = self._data(tenant).with_suffix(".checked")
        rows = self.read(control_sql.EXPORTS, tenant_id=tenant)
        refs = (row["export_ref"] for row in rows)
        export_files.check((ref for ref in refs if not ref.startswith("tenant:")), checked)

    def bytes_read(self, tenant: str, sql: str, **values: Value) -> int | None:
        return None

    def prepare(self, tenant: str) -> None:
        control = self._path("control")
        try:
            control.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=control.parent):
                pass
        except OSError as error:
            raise WarehouseUnreachable(
                f"The warehouse folder {control.parent} cannot be written ({error.strerror}):"
                " mend its permissions, or name another with WAREHOUSE_DIR."
            ) from error
        for path in (control, self._path(f"tenant_{tenant}")):
            if path.exists() and not os.access(path, os.W_OK):
                raise WarehouseUnreachable(f"{path} cannot be written: mend its permissions.")

    def prepare_landing(self, tenant: str) -> None:
        self._landing(tenant).mkdir(parents=True, exist_ok=True)

    def _landing(self, tenant: str) -> Path:
        # Beside the tenant's file, as the macro landing_folder has it.
        return self._path(f"tenant_{tenant}").parent / "landing" / tenant

    def exists(self) -> bool:
        return self._path("control").exists()

    def columns(self, dataset: str, data: bool = False) -> dict[str, set[str]]:
        path = self._path(f"tenant_{dataset}" if data else "control")
        if not path.exists():
            return {}
        with self._open(path, read_only=True) as connection:
            return by_table(_execute(connection, control_sql.COLUMNS_DUCKDB, {"dataset": dataset}))

    def has_table(self, tenant: str, table: str) -> bool:
        return table in self.columns(tenant, data=True)

    def drop_data(self, tenant: str) -> None:
        data = self._path(f"tenant_{tenant}")
        with self.alone_with(tenant):
            for path in (data, data.with_name(f"{data.name}.wal"), data.with_suffix(".gate")):
                path.unlink(missing_ok=True)
        for suffix in (".lock", ".checked"):
            data.with_suffix(suffix).unlink(missing_ok=True)
        shutil.rmtree(self._landing(tenant), ignore_errors=True)

    def drop_control(self, tenant: str) -> None:
        self.write(f"drop schema if exists `{tenant}` cascade")

    def dbt_vars_for_control(self) -> dict[str, str]:
        return {"duckdb_file": "control"}

    def _transaction(
        self,
        path: Path,
        statements: Sequence[str],
        values: Mapping[str, Value],
        when: When = dict,
    ) -> list[Row]:
        import duckdb

        deadline = time.monotonic() + self._patience_seconds
        rows: list[Row] = []
        # One after the other for a tenant: what two of them look at first, the other may change.
        key = _tenant_of(statements, values)
        with (
            contextlib.suppress(_Committed),
            self._open(path, read_only=False, key=key) as connection,
        ):
            while True:
                connection.execute("begin transaction")
                try:
                    bound = {**values, **when()}
                    for statement in statements:
                        rows = _execute(connection, statement, bound)
                    _commit(connection, path)
                    break
                except BaseException as error:
                    with contextlib.suppress(duckdb.Error):
                        connection.execute("rollback")
                    if not isinstance(error, duckdb.TransactionException):
                        raise
                    # Threads of one process share the file; the loser of a conflict tries again.
                    if "conflict" not in str(error).lower():
                        raise _unreachable(path, error) from error
                    if time.monotonic() > deadline:
                        raise _busy(path) from error
                    time.sleep(random.uniform(0.005, 0.05))
        return rows

    @contextmanager
    def _open(
        self, path: Path, read_only: bool, key: str = "", exports_of: str = ""
    ) -> "Iterator[duckdb.DuckDBPyConnection]":
        """A connection that reaches no other file, but the exports of a tenant if one is named."""
        deadline = time.monotonic() + self._patience_seconds
        if self._is_shared and path == self._path("control"):
            with self._open_shared(path, deadline, key) as connection:
                yield connection
            return
        # Within a process DuckDB refuses one file opened both ways: threads take turns.
        gate = _GATES.setdefault(path, threading.Lock())
        if not gate.acquire(timeout=self._patience_seconds):
            raise _busy(path)
        try:
            with self._open_alone(path, read_only, deadline, exports_of) as connection:
                yield connection
        finally:
            gate.release()

    @contextmanager
    def _open_shared(
        self, path: Path, deadline: float, key: str
    ) -> "Iterator[duckdb.DuckDBPyConnection]":
        shared = _SHARED.get(path) or _SHARED.setdefault(
            path, SharedFile(lambda connection: _prepare(connection, path), lambda: _wanted(path))
        )
        with _told(path):
            try:
                # Both ways by one: a reader must not keep writers of this process out.
                with shared.used(
                    lambda: self._open_alone(path, False, deadline), self._patience_seconds, key
                ) as connection:
                    yield connection
            except NotFree:
                raise _busy(path) from None

    @contextmanager
    def _open_alone(
        self, path: Path, read_only: bool, deadline: float, exports_of: str = ""
    ) -> "Iterator[duckdb.DuckDBPyConnection]":
        if not path.exists():
            raise NotInitialised(f"{path} does not exist yet: run `runner init`.")
        is_control = path == self._path("control") and ATTACHABLE.fullmatch(path.stem)
        opened = (
            self._attached(path, read_only, deadline)
            if is_control
            else self._connected(path, read_only, deadline, exports_of)
        )
        with self._gate(path, read_only, deadline), _told(path), opened as connection:
            yield connection

    @contextmanager
    def _connected(
        self, path: Path, read_only: bool, deadline: float, exports_of: str
    ) -> "Iterator[duckdb.DuckDBPyConnection]":
        """The file by an engine of its own, that may spill beside it."""
        import duckdb

        connection = self._when_free(
            path, deadline, lambda: duckdb.connect(str(path), read_only=read_only)
        )
        try:
            connection.execute(IN_UTC)
            _prepare(connection)
            shut_in(connection, "directories", self._export_folders(connection, exports_of))
            yield connection
        finally:
            connection.close()

    def _export_folders(
        self, connection: "duckdb.DuckDBPyConnection", tenant: str
    ) -> Sequence[str]:
        """Where the files are that the tenant's views read: its exports' and the landings'."""
        if not tenant:
            return ()
        try:
            statement = control_sql.OWN_EXPORTS.format(tenant=tenant)
            rows = _execute(connection, statement, {"tenant_id": tenant})
        except StatementRefused:  # then no view reads any
            rows = []
        # Of a pattern, the part that has no wildcard yet.
        folders = [os.path.dirname(re.split(r"[*?[]", row["export_ref"])[0]) for row in rows]
        return [*filter(None, folders), str(self._landing(tenant).parent)]

    @contextmanager
    def _attached(
        self, path: Path, read_only: bool, deadline: float
    ) -> "Iterator[duckdb.DuckDBPyConnection]":
        """The file by an engine that stays, under the name by which its own views call it."""
        engine = _engine(path)
        is_free = False
        try:
            how = "(read_only)" if read_only else ""
            attach = f'attach $path as "{path.stem}" {how}'
            self._when_free(path, deadline, lambda: engine.execute(attach, {"path": str(path)}))
            engine.execute(f'use "{path.stem}"')
            yield engine
            is_free = _detached(engine, path)
        finally:
            if is_free and not _SPARE:
                _SPARE[path] = engine
            else:  # after an error it is closed with all it has
                engine.close()

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
                raise _unreachable(path, error) from error
            yield  # a warehouse that nobody can write has nothing to wait for
            return
        with file, contextlib.ExitStack() as stack:
            wanted = None
            while not _locked(file, fcntl.LOCK_SH if read_only else fcntl.LOCK_EX):
                if time.monotonic() > deadline:
                    raise WarehouseUnreachable(
                        f"{path} is in use by another command for over"
                        f" {self._patience_seconds:.0f} s: wait for that, or end it."
                    )
                # Who shares the file sees by this lock that it is waited for, see `_wanted`.
                with contextlib.suppress(OSError):
                    if wanted is None and path == self._path("control"):
                        wanted = stack.enter_context(path.with_suffix(".wanted").open("a"))
                    if wanted is not None:
                        _locked(wanted, fcntl.LOCK_SH)
                time.sleep(random.uniform(0.002, 0.02))
            stack.close()
            yield

    def _when_free(
        self,
        path: Path,
        deadline: float,
        open_it: Callable[[], Any],
        look: Look | None = None,
    ) -> Any:
        """Open the file, and wait for who has it; tell `look` at once, and again and again.

        Without one who waits is told once, when that is longer than programs of ours take.
        """
        import duckdb

        next_look = time.monotonic() + (0.0 if look else SECONDS_IN_SILENCE)
        while True:
            try:
                return open_it()
            except duckdb.Error as error:
                if not IN_USE.search(str(error)):
                    raise _unreachable(path, error) from error
                if time.monotonic() > deadline:
                    raise WarehouseUnreachable(
                        f"{path} is held open by another program for over"
                        f" {self._patience_seconds:.0f} s ({_holder(error)}): close that first."
                    ) from error
                if time.monotonic() >= next_look:
                    told = (
                        f"{path} is held open by another program ({_holder(error)}): waiting up to"
                        f" {self._patience_seconds:.0f} s for it"
                    )
                    if look:
                        look(told)
                    else:
                        sys.stderr.write(f"{told}\n")
                    next_look = time.monotonic() + self.seconds_between_looks if look else math.inf
                time.sleep(random.uniform(0.005, 0.05))


class _Committed(Exception):
    """It is, though nothing more can be done with the connection."""


def _commit(connection: "duckdb.DuckDBPyConnection", path: Path) -> None:
    """Commit the transaction. Raises _Committed for what is in the log and not in the file."""
    import duckdb

    try:
        connection.execute("commit")
    except duckdb.Error as error:
        if "COMMIT succeeded" not in str(error):
            raise
        log.warning("%s keeps its log: %s", path, _in_one_line(error))
        raise _Committed from error


def _engine(path: Path) -> "duckdb.DuckDBPyConnection":
    """An engine for that file, which it has not open, and rows by the dozen."""
    import duckdb

    for known in tuple(_SPARE):
        if spare := _SPARE.pop(known, None):
            if known == path:
                return spare
            spare.close()
    engine = duckdb.connect()
    # More threads wait for each other, a fifth of a claim.
    engine.execute("set threads = 1")
    # And to find the best plan takes longer than any, a fourth of it. A DuckDB that does not know
    # one of these says so, and spares itself none.
    with contextlib.suppress(duckdb.ParserException):
        spared = ",".join(SPARED_OPTIMIZERS)
        engine.execute("set disabled_optimizers = $spared", {"spared": spared})
    engine.execute(IN_UTC)
    _prepare(engine)
    shut_in(engine, "paths", [f"{path}{suffix}" for suffix in OWN_SUFFIXES])
    return engine


def shut_in(connection: "duckdb.DuckDBPyConnection", kind: str, allowed: Sequence[str]) -> None:
    """Let the engine reach its own file and these `directories` or `paths` only, for good."""
    connection.execute(f"set allowed_{kind} = $allowed", {"allowed": list(allowed)})
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


def _detached(engine: "duckdb.DuckDBPyConnection", path: Path) -> bool:
    """Let go of the file; whether the engine may have another.

    What was committed is: when it cannot be written into the file, it stays in the log beside it.
    """
    import duckdb

    try:
        engine.execute("use memory")
        engine.execute(f'detach "{path.stem}"')
    except duckdb.Error as error:
        log.warning("%s keeps its log: %s", path, _in_one_line(error))
        return False
    return True


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Raise what DuckDB says of the file in words of ours."""
    import duckdb

    try:
        yield
    except (duckdb.ProgrammingError, duckdb.DataError, duckdb.IntegrityError) as error:
        raise StatementRefused(
            f"{path} refused a statement ({_first_line(error)}): run `runner doctor`."
        ) from error
    except duckdb.Error as error:
        if missing := re.search('No files found that match the pattern "(.*?)"', str(error)):
            name = re.sub(r"\[(.)\]", r"\1", missing.group(1))
            raise UsageProblem(f"The export {name} was not found: no file is there.") from error
        raise _unreachable(path, error) from error


def _prepare(connection: "duckdb.DuckDBPyConnection", attached: Path | None = None) -> None:
    """What each connection needs before its first statement."""
    if attached is not None and ATTACHABLE.fullmatch(attached.stem):
        connection.execute(f'use "{attached.stem}"')
    for macro in BIGQUERYS_WORDS:
        connection.execute(f"create or replace temp macro {macro}")


def _locked(file: IO[str], how: int) -> bool:
    """Whether the kernel gave the lock; it never waits for it."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wanted(path: Path) -> bool:
    """Whether another command waits at the gate of the file."""
    try:
        with path.with_suffix(".wanted").open() as file:
            return not _locked(file, fcntl.LOCK_EX)
    except OSError:
        return False  # nobody ever has


def by_table(rows: Sequence[Row]) -> dict[str, set[str]]:
    """Rows of table_name and column_name, by table."""
    tables: dict[str, set[str]] = {}
    for row in rows:
        tables.setdefault(row["table_name"], set()).add(row["column_name"])
    return tables


def _execute(
    connection: "duckdb.DuckDBPyConnection", sql: str, values: Mapping[str, Value]
) -> list[Row]:
    """Run one statement; @name becomes DuckDB's $name, and each statement gets only its own."""
    import duckdb

    statement, names = (_parsed if len(sql) <= LONGEST_KEPT else _in_duckdbs_words)(sql)
    bound = {name: _to_duckdb(values[name]) for name in names}
    try:
        cursor = connection.execute(statement, bound or None)
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise lacking(_first_line(error), sql, values) from error
    if not cursor.description:
        return []
    columns = [column[0] for column in cursor.description]
    return [
        {name: _from_duckdb(value) for name, value in zip(columns, row, strict=True)}
        for row in cursor.fetchall()
    ]


def _in_duckdbs_words(sql: str) -> tuple[Any, frozenset[str]]:
    names = frozenset(re.findall(r"@(\w+)", sql))
    return re.sub(r"@(\w+)", r"$\1", sql).replace("`", '"'), names


@lru_cache(maxsize=512)
def _parsed(sql: str) -> tuple[Any, frozenset[str]]:
    """The same, parsed once: of a claim's time on an open file parsing is a quarter."""
    import duckdb

    text, names = _in_duckdbs_words(sql)
    statements = duckdb.extract_statements(text)
    return (statements[0] if len(statements) == 1 else text), names


def _to_duckdb(value: Value) -> Value:
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def _from_duckdb(value: Any) -> Any:
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value


def _holder(error: Exception) -> str:
    found = re.search(r"PID (\d+)", str(error))
    return f"process {found.group(1)}" if found else "its process is not known"


def lacking(told: str, sql: str, values: Mapping[str, Value]) -> StatementRefused:
    """What to raise for a missing table or column, in the engine's words, with the remedy."""
    named = re.search(r"`(\w+)`\.", sql)
    tenant = values.get("tenant_id") or (named.group(1) if named else "ID")
    return StatementRefused(
        f"The warehouse lacks a table or a column ({told}): run `runner tenant repair {tenant}`,"
        " or `runner doctor` to see all that is missing."
    )


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _first_line(error: Exception) -> str:
    return without_rows(str(error)).strip().splitlines()[0].rstrip("!.")


def _tenant_of(statements: Sequence[str], values: Mapping[str, Value]) -> str:
    """Whom a transaction writes for, by its values or by the dataset that it names; else empty."""
    if values.get("tenant_id"):
        return str(values["tenant_id"])
    named = (name for one in statements for name in re.findall(r"`(\w+)`\.", one))
    return next((name for name in named if name != "tenants"), "")


def _busy(path: Path) -> WarehouseUnreachable:
    return WarehouseUnreachable(f"{path} is busy: try again in a moment.")


def _unreachable(path: Path, error: Exception) -> WarehouseUnreachable:
    first = _first_line(error)
    if DAMAGED.search(first) and (str(path) in first or "database file" in first):
        return WarehouseUnreachable(
            f"{path} is damaged ({first}): put an older copy in its place, or move it away and"
            " run `runner doctor`."
        )
    return WarehouseUnreachable(
        f"{path} cannot be used ({first}): check its permissions and the disk's free space,"
        " or name another folder with WAREHOUSE_DIR."
    )
