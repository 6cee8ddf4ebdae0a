"""`runner query` on the local target: a DuckDB session over the bill and the control tables."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from runner.dataset.session import IN_UTC, first_line, shut_in
from runner.errors import UsageProblem

if TYPE_CHECKING:
    import duckdb

# How DuckDB types what SQLite stores.
DUCKDB_TYPES = {"string": "varchar", "array<string>": "json"}
# BigQuery's functions that DuckDB lacks.
FUNCTIONS = (
    "timestamp_sub(stamp, duration) as stamp - duration",
    "timestamp_add(stamp, duration) as stamp + duration",
    "safe_divide(a, b) as a / nullif(b, 0)",
)
_QUOTED = re.compile(r"`([^`]+)`")


class ControlTables(Protocol):
    """The local control tables: their declared columns, and their rows."""

    project_dir: Path

    def declared(self, folder: str) -> Mapping[str, Mapping[str, str]]:
        """The columns and their types of each table of `tenants` or `runs`."""

    def rows(self, dataset: str, table: str) -> list[tuple[Any, ...]]:
        """Every row of a table, each value as text."""


# Attaches a tenant's file read-only as `tenant_ID`; returns the folders that its views read, or
# None when there is no file.
Attach = Callable[["duckdb.DuckDBPyConnection", str], AbstractContextManager[Sequence[str] | None]]


def run(
    store: ControlTables, attach: Attach, tenants: Sequence[str], sql: str
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """The columns and rows of one SELECT. A table without a dataset is the first tenant's.

    `tenants`: validated ids, whose tables the query may read. Raises UsageProblem when `sql` is
    not one SELECT or DuckDB refuses it.
    """
    import duckdb

    text = re.sub(r"(?i)\bcurrent_timestamp\(\)", "current_timestamp", _QUOTED.sub(_parts, sql))
    try:
        with _session(store, attach, tenants, text) as connection:
            statements = connection.extract_statements(text)
            if [one.type for one in statements] != [duckdb.StatementType.SELECT]:
                raise UsageProblem("Only one SELECT statement can be run: nothing was run.")
            # A nested query cannot write, not even in WITH.
            connection.execute("explain select * from query($text)", {"text": text})
            cursor = connection.execute(text)
            return [column[0] for column in cursor.description or []], cursor.fetchall()
    except duckdb.Error as error:
        why = first_line(error)
        if isinstance(error, duckdb.CatalogException | duckdb.BinderException):
            # With the names that are near; the rest is the query itself.
            why = " ".join(re.split(r"\n\s*LINE \d", str(error))[0].split())
        raise UsageProblem(f"DuckDB refused the query ({why}): correct it.") from error


def _parts(quoted: re.Match[str]) -> str:
    """`project.dataset.table`, as BigQuery quotes it, in DuckDB's quotes without the project."""
    return ".".join(f'"{part}"' for part in quoted.group(1).split(".")[-2:])


@contextmanager
def _session(
    store: ControlTables, attach: Attach, tenants: Sequence[str], text: str
) -> "Iterator[duckdb.DuckDBPyConnection]":
    import duckdb

    paths: list[str] = []
    with ExitStack() as files, duckdb.connect() as connection:
        connection.execute(IN_UTC)
        folders: list[str] = []
        for tenant in tenants:
            paths.append(f"memory.{tenant}")
            read = files.enter_context(attach(connection, tenant))
            if read is not None:
                paths.append(f"tenant_{tenant}.{tenant}")
                folders += read
            _copy(connection, store, "runs", tenant, text)
        _copy(connection, store, "tenants", "tenants", text)
        _quotas(connection, store.project_dir)
        for function in FUNCTIONS:
            connection.execute(f"create macro {function}")
        names = ",".join([*paths, "memory.tenants", "memory.main"])
        connection.execute("set search_path = $names", {"names": names})
        shut_in(connection, folders)
        yield connection


def _copy(
    connection: "duckdb.DuckDBPyConnection",
    store: ControlTables,
    folder: str,
    dataset: str,
    text: str,
) -> None:
    """The control tables of a dataset, with the rows of those that the query mentions."""
    connection.execute(f'create schema "{dataset}"')
    for table, declared in store.declared(folder).items():
        types = {name: DUCKDB_TYPES.get(kind, kind) for name, kind in declared.items()}
        name = f'"{dataset}".{table}'
        columns = ", ".join(f"{column} {kind}" for column, kind in types.items())
        connection.execute(f"create table {name} ({columns})")
        # The view of quotas reads two of the tables.
        if table not in text.lower() and "tenant_usage_quotas" not in text.lower():
            continue
        rows = store.rows(dataset, table)
        if rows:
            lists = dict(zip(types, map(list, zip(*rows, strict=True)), strict=True))
            unnested = ", ".join(f"unnest(${name}::varchar[])::{types[name]}" for name in types)
            connection.execute(f"insert into {name} select {unnested}", lists)


def _quotas(connection: "duckdb.DuckDBPyConnection", project_dir: Path) -> None:
    """The view of quotas, from the model with which dbt makes it on BigQuery."""
    import jinja2

    model = project_dir / "models" / "control" / "tenants" / "tenant_usage_quotas.sql"
    sql = jinja2.Template(model.read_text(encoding="utf-8")).render(
        ref=lambda name: f"tenants.{name}",
        now_utc=lambda: "cast(now() as timestamp)",
        utc_date=lambda timestamp: f"cast({timestamp} as date)",
        engine_type=lambda name: {"text": "varchar"}[name],
    )
    connection.execute(f"create view tenants.tenant_usage_quotas as {sql}")
