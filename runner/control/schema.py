"""The control tables as their contracts in models/control declare them, for SQLite.

On BigQuery dbt makes the same tables from the same contracts.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# Text in SQLite keeps what it is given; the first word tells sqlite3 how to read it back.
SQLITE_TYPES = {
    "bigint": "INTEGER",
    "boolean": "BOOLEAN",
    "date": "DATE TEXT",
    "json": "JSON TEXT",
    "string": "TEXT",
    "timestamp": "TIMESTAMP TEXT",
    "array<string>": "ARRAY TEXT",
}


@dataclass(frozen=True)
class Table:
    """A control table: its columns with the contract's types, and the columns that name a row."""

    name: str
    columns: dict[str, str]
    grain: tuple[str, ...]

    def ddl(self, dataset: str) -> str:
        """The statement that creates the table for `tenants` or a tenant."""
        columns = [f"{name} {SQLITE_TYPES[kind]}" for name, kind in self.columns.items()]
        return (
            f"create table `{dataset}.{self.name}`"
            f" ({', '.join(columns)}, unique ({', '.join(self.grain)}))"
        )

    def as_text(self, dataset: str) -> str:
        """The query of all rows with every value as text."""
        columns = ", ".join(f"cast({name} as text)" for name in self.columns)
        return f"select {columns} from `{dataset}.{self.name}`"

    def add_column(self, dataset: str, column: str) -> str:
        """The statement that adds a column of the contract to a table that lacks it."""
        kind = SQLITE_TYPES[self.columns[column]]
        return f"alter table `{dataset}.{self.name}` add column {column} {kind}"


@cache
def tables(project_dir: Path, folder: str) -> tuple[Table, ...]:
    """The tables of `tenants` or `runs`, without the views over them."""
    return tuple(_tables(project_dir / "models" / "control" / folder))


def _tables(folder: Path) -> Iterator[Table]:
    import yaml

    for path in sorted(folder.glob("*.yml")):
        for model in yaml.safe_load(path.read_text(encoding="utf-8"))["models"]:
            if model.get("config", {}).get("materialized") == "view":
                continue
            columns = {column["name"]: column["data_type"] for column in model["columns"]}
            expected = model["data_tests"][0]["expectations"]["arguments"]["expect"]
            grain = next(one["grain"] for one in expected if "grain" in one)
            yield Table(model["name"], columns, tuple(grain))
