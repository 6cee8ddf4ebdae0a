"""Statements on one DuckDB connection: bound values, translated errors, restricted file access."""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runner.errors import StatementRefused, UsageProblem, WarehouseUnreachable
from runner.expectations import without_rows
from runner.sql import Row, Value, lacking

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger(__name__)

# Global, because the configuration is locked afterwards.
IN_UTC = "set global TimeZone = 'UTC'"
# DuckDB's messages about a file that is truncated, overwritten or not a DuckDB file.
DAMAGED = re.compile("not a valid DuckDB|Could not read enough bytes|[Cc]orrupt")


class Committed(Exception):
    """The transaction was committed, but the connection cannot be used any more."""


def commit(connection: "duckdb.DuckDBPyConnection", path: Path) -> None:
    """Commit the transaction. Raises Committed when it is in the write-ahead log only."""
    import duckdb

    try:
        connection.execute("commit")
    except duckdb.Error as error:
        if "COMMIT succeeded" not in str(error):
            raise
        log.warning("%s keeps its log: %s", path, " ".join(str(error).split()))
        raise Committed from error


def shut_in(connection: "duckdb.DuckDBPyConnection", folders: Sequence[str]) -> None:
    """Restrict the engine to its own file and these folders, irrevocably."""
    connection.execute("set allowed_directories = $folders", {"folders": list(folders)})
    connection.execute("set enable_external_access = false")
    connection.execute("set lock_configuration = true")


@contextmanager
def translated_errors(path: Path) -> Iterator[None]:
    """Translate DuckDB's errors about the file to the runner's."""
    import duckdb

    try:
        yield
    except (duckdb.ProgrammingError, duckdb.DataError, duckdb.IntegrityError) as error:
        raise StatementRefused(
            f"{path} refused a statement ({first_line(error)}): run `runner doctor`."
        ) from error
    except duckdb.Error as error:
        if missing := re.search('No files found that match the pattern "(.*?)"', str(error)):
            name = re.sub(r"\[(.)\]", r"\1", missing.group(1))
            raise UsageProblem(f"The export {name} was not found: no file matches it.") from error
        raise unreachable(path, error) from error


def execute(
    connection: "duckdb.DuckDBPyConnection", sql: str, values: Mapping[str, Value]
) -> list[Row]:
    """Run one statement of BigQuery's dialect in DuckDB's, with the values that it names."""
    import duckdb

    names = set(re.findall(r"@(\w+)", sql))
    statement = re.sub(r"@(\w+)", r"$\1", sql).replace("`", '"')
    # Times are UTC without a zone here; BigQuery needs it named.
    statement = re.sub(r"\bdate\((\w+), 'UTC'\)", r"cast(\1 as date)", statement)
    statement = re.sub(r"\bdate_diff\((\w+), (\w+), day\)", r"date_diff('day', \2, \1)", statement)
    bound = {name: _to_duckdb(values[name]) for name in names}
    try:
        cursor = connection.execute(statement, bound or None)
    except (duckdb.CatalogException, duckdb.BinderException) as error:
        raise lacking(first_line(error), sql, values) from error
    if not cursor.description:
        return []
    columns = [column[0] for column in cursor.description]
    return [
        {name: _from_duckdb(value) for name, value in zip(columns, row, strict=True)}
        for row in cursor.fetchall()
    ]


def _to_duckdb(value: Value) -> Value:
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value


def _from_duckdb(value: Any) -> Any:
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value


def first_line(error: Exception) -> str:
    """The first line of DuckDB's message, without the rows that it quotes."""
    return without_rows(str(error)).strip().splitlines()[0].rstrip("!.")


def unreachable(path: Path, error: Exception) -> WarehouseUnreachable:
    first = first_line(error)
    if DAMAGED.search(first) and (str(path) in first or "database file" in first):
        return WarehouseUnreachable(
            f"{path} is damaged ({first}): restore it from a backup, or move it away and run"
            " `runner doctor`."
        )
    return WarehouseUnreachable(
        f"{path} cannot be used ({first}): check its permissions and the disk's free space,"
        " or name another folder with WAREHOUSE_DIR."
    )
