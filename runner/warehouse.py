"""Control tables and the tenants' data behind one small SQL interface."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Protocol

from runner.control import tenants_sql
from runner.control.sqlite import SqliteStore
from runner.dataset import export_files, query
from runner.dataset.duckdb import DuckDBDataset
from runner.dataset.duckdb import Look as Look
from runner.errors import UsageProblem
from runner.settings import Settings
from runner.sql import Row as Row
from runner.sql import Value as Value
from runner.sql import When as When
from runner.sql import by_table


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

    def hurry(self) -> None:
        """After a signal: from now on other commands are waited for no longer than seconds."""

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

    def query(self, sql: str, tenants: Sequence[str]) -> tuple[list[str], list[tuple[Any, ...]]]:
        """The columns and rows of one SELECT over these tenants' tables and the central ones.

        Tables without a dataset are the first tenant's. Raises UsageProblem for anything else.
        """

    def complete_control(self, tenant: str) -> bool:
        """Create what is missing of the control tables; False where dbt does that."""


def open_warehouse(settings: Settings, patience_seconds: float = 60.0) -> Warehouse:
    """The warehouse of the chosen target. Raises UsageProblem for a broken profile.

    `patience_seconds`: how long to wait for a file that another program has open.
    """
    target = settings.target({"tenant_id": "none"})
    if target.type == "bigquery":
        from runner.warehouse_bigquery import BigQueryWarehouse

        return BigQueryWarehouse(target, settings.environ)

    @cache
    def path_of(tenant: str) -> Path:
        found = settings.target({"tenant_id": tenant})
        if not found.fields.get("path"):
            raise UsageProblem(
                f"{settings.profiles_path}: target '{found.name}' has no path: see"
                " profiles.yml.example."
            )
        return Path(str(found.fields["path"]))

    return DuckDBWarehouse(path_of, settings.project_dir, patience_seconds)


class DuckDBWarehouse:
    """Control tables in one SQLite file; each tenant's data in a DuckDB file of its own."""

    seconds_between_looks = 1.0
    has_one_writer = True
    prunes_exports = False

    def __init__(
        self, path_of: Callable[[str], Path], project_dir: Path, patience_seconds: float = 60.0
    ) -> None:
        """`path_of`: the DuckDB file of a tenant."""
        self._path_of = path_of
        self._project_dir = project_dir
        self._patience_seconds = patience_seconds
        self._data = DuckDBDataset(path_of, patience_seconds)

    @cached_property
    def _control(self) -> SqliteStore:
        path = self._path_of("none").with_name("control.db")
        return SqliteStore(path, self._project_dir, self._patience_seconds)

    def hurry(self) -> None:
        self._control.patience_seconds = min(self._control.patience_seconds, 5.0)

    def read(self, sql: str, **values: Value) -> list[Row]:
        return self._control.read(sql, **values)

    def write(self, *statements: str, **values: Value) -> list[Row]:
        return self._control.write(*statements, **values)

    def write_in_turn(self, when: When, *statements: str, **values: Value) -> list[Row]:
        return self._control.write_in_turn(when, *statements, **values)

    def read_data(self, tenant: str, sql: str, **values: Value) -> list[Row]:
        return self._data.read(tenant, sql, values)

    def write_data(self, tenant: str, *statements: str, **values: Value) -> None:
        self._data.write(tenant, statements, values)

    def alone_with(
        self, tenant: str, look: Look = lambda told: None
    ) -> AbstractContextManager[None]:
        return self._data.alone_with(tenant, look)

    def account_of(self, tenant: str) -> str:
        return ""

    def look_at_export(self, tenant: str, ref: str) -> None:
        export_files.check([ref])

    def check_exports(self, tenant: str) -> None:
        rows = self.read(tenants_sql.EXPORTS, tenant_id=tenant)
        self._data.check_exports(tenant, [row["export_ref"] for row in rows])

    def bytes_read(self, tenant: str, sql: str, **values: Value) -> int | None:
        return None

    def prepare(self, tenant: str) -> None:
        self._data.prepare(tenant)
        self._control.must_be_writable()

    def prepare_landing(self, tenant: str) -> None:
        self._data.prepare_landing(tenant)

    def exists(self) -> bool:
        return self._control.exists()

    def columns(self, dataset: str, data: bool = False) -> dict[str, set[str]]:
        return by_table(self._data.columns(dataset)) if data else self._control.columns(dataset)

    def has_table(self, tenant: str, table: str) -> bool:
        return table in self.columns(tenant, data=True)

    def drop_data(self, tenant: str) -> None:
        self._data.drop(tenant)

    def drop_control(self, tenant: str) -> None:
        self._control.drop(tenant)

    def query(self, sql: str, tenants: Sequence[str]) -> tuple[list[str], list[tuple[Any, ...]]]:
        return query.run(self._control, self._data, self._project_dir, tenants, sql)

    def complete_control(self, tenant: str) -> bool:
        self._control.complete(tenant)
        return True
