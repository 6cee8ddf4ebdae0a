"""The control tables as their contracts in models/control declare them, for SQLite.

On BigQuery dbt makes the same tables from the same contracts.
"""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

# SQLite stores text unchanged; sqlite3 converts it by the type's first word when it reads.
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
    """A control table: its columns with the contract's types, and its grain."""

    name: str
    columns: dict[str, str]
    grain: tuple[str, ...]

    def missing(self, dataset: str, found: Collection[str] | None) -> Iterator[str]:
        """Statements that create the table or add its missing columns. `found`: its columns."""
        types = {name: SQLITE_TYPES[kind] for name, kind in self.columns.items()}
        if found is None:
            columns = ", ".join(f"{name} {kind}" for name, kind in types.items())
            grain = ", ".join(self.grain)
            yield f"create table `{dataset}.{self.name}` ({columns}, unique ({grain}))"
        for name in types.keys() - set(types if found is None else found):
            yield f"alter table `{dataset}.{self.name}` add column {name} {types[name]}"


def as_text(dataset: str, table: str, columns: Iterable[str]) -> str:
    """The query of all rows with every value as text."""
    texts = ", ".join(f"cast({name} as text)" for name in columns)
    return f"select {texts} from `{dataset}.{table}`"


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
