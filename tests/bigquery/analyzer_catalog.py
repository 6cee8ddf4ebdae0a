"""The tables and views known so far, as the analyzer wants them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from typing import Any

from analyzer_engine import PSEUDO_COLUMNS, Engine, Refused
from zetasql.wasi._pb2.zetasql.proto import simple_catalog_pb2
from zetasql.wasi._pb2.zetasql.public import type_pb2

# REST's names for types that SQL calls otherwise.
REST_TYPES = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}
TEMPORARY = "_SESSION"
VARIABLES = "_script_variables"


@dataclass(frozen=True)
class Column:
    """A column; its type is ZetaSQL's TypeProto."""

    name: str
    type: Any = field(hash=False)
    is_pseudo: bool = False


@dataclass(frozen=True)
class Known:
    """Tables that a statement may name, and a key that is the same while they and variables are."""

    tables: dict[str, tuple[Column, ...]]
    key: tuple[Any, ...]


class Alike:
    """Names that differ from tenant to tenant and from run to run, and what stands for them.

    Those of datasets, where they qualify a table or are a text of their own, and the numbers in
    dbt's names of what it is about to merge. Without them most statements come several times.
    """

    def __init__(self, datasets: frozenset[str] = frozenset(), sql: str = "") -> None:
        self._pattern = _names(datasets)
        self._others: dict[str, str] = {}
        self.sql = self._pattern.sub(self._stand_in, sql)
        self._originals = {other: name for name, other in self._others.items()}
        self._again = re.compile("|".join(self._originals) or "(?!)")

    def _stand_in(self, found: re.Match[str]) -> str:
        name, n = found.group(), len(self._others)
        return self._others.setdefault(name, f"{n:012}" if name[0].isdigit() else f"dataset_{n}_")

    def other(self, full_name: str) -> str:
        """A table's name as it is in the text that is analyzed."""
        return self._pattern.sub(lambda one: self._others.get(one.group(), one.group()), full_name)

    def original(self, text: str) -> str:
        """A name or a text of the analyzer's as it is in the text that was given."""
        return self._again.sub(lambda one: self._originals[one.group()], text)


@cache
def _names(datasets: frozenset[str]) -> re.Pattern[str]:
    # Shorter ones may be words of SQL's, or aliases.
    long = "|".join(sorted(name for name in datasets if len(name) > 3)) or "(?!)"
    return re.compile(rf"(?<=__dbt_tmp)\d{{12}}\b|(?<![\w-])(?:{long})(?=`?\.|')")


@dataclass
class Catalog:
    """Every known table by its full name `project.dataset.table`, and a script's variables.

    Names are matched without regard to case, as ZetaSQL does; BigQuery's tables do have it.
    """

    engine: Engine
    project: str
    tables: dict[str, tuple[Column, ...]] = field(default_factory=dict)
    variables: dict[str, Any] = field(default_factory=dict)
    # What the statement that is being judged has other names for.
    alike: Alike = field(default_factory=Alike)

    def full_name(self, path: Iterable[str]) -> str:
        """The name that a path written in SQL stands for; one part alone is a temporary table."""
        parts = self.alike.original(".".join(path)).split(".")
        if len(parts) == 1:
            return f"{TEMPORARY}.{parts[0]}"
        if len(parts) == 2 and parts[0].upper() != TEMPORARY:
            return ".".join([self.project, *parts])
        return ".".join(parts)

    def make_alike(self, sql: str) -> str:
        """The text with names in it as any other that differs only in them has."""
        datasets = {name.split(".")[-2] for name in self.tables if not name.startswith(TEMPORARY)}
        self.alike = Alike(frozenset(datasets), sql)
        return self.alike.sql

    def columns(self, name: str) -> tuple[Column, ...]:
        """A table's columns; raises Refused when it is not known."""
        key = self._key(name)
        if key is None:
            raise Refused(f"Table not found: {name}")
        return self.tables[key]

    def __contains__(self, name: str) -> bool:
        return self._key(name) is not None

    def put(self, name: str, columns: Iterable[Column]) -> None:
        """Add a table or replace the one of that name."""
        self.tables[self._key(name) or name] = tuple(columns)

    def drop(self, name: str) -> None:
        """Forget a table; raises Refused when it is not known."""
        self.columns(name)
        del self.tables[self._key(name) or name]

    def set_variables(self, variables: dict[str, Any]) -> None:
        """These and no other variables are in scope from now on."""
        self.variables = dict(variables)

    def put_schema(
        self, name: str, schema: list[dict[str, Any]], is_ingestion_partitioned: bool = False
    ) -> None:
        """Add or change a table by its BigQuery schema JSON; it keeps its pseudo-columns."""
        columns = [Column(f["name"], self._field_type(f)) for f in schema]
        if is_ingestion_partitioned:
            columns += self.pseudo_columns()
        elif name in self:
            columns += [column for column in self.columns(name) if column.is_pseudo]
        self.put(name, columns)

    def pseudo_columns(self) -> list[Column]:
        """What an ingestion-time partitioned table has beside its columns."""
        return [Column(n, self.engine.type_of(t), True) for n, t in PSEUDO_COLUMNS.items()]

    def known(self, sql: str) -> Known:
        """What is known of the tables that a statement may name, and of the variables."""
        words = set(re.findall(r"\w+", sql.lower()))
        named = {
            other: columns
            for name, columns in self.tables.items()
            if words.issuperset(_words(other := self.alike.other(name)))
        }
        variables = {name: kind.SerializeToString() for name, kind in self.variables.items()}
        return Known(named, (*named.items(), *variables.items()))

    def register(self, known: Known) -> None:
        """Have the engine analyze against it."""
        self.engine.use_catalog(known.key, lambda: self._catalog_of(known.tables))

    def _catalog_of(self, tables: dict[str, tuple[Column, ...]]) -> Any:
        root = simple_catalog_pb2.SimpleCatalogProto()
        catalogs: dict[tuple[str, ...], Any] = {(): root}
        for name, columns in tables.items():
            *place, table = name.split(".")
            for path in self._places(place):
                _add_table(_catalog(catalogs, path), table, name, columns)
        if self.variables:
            held = [Column(name, kind) for name, kind in self.variables.items()]
            _add_table(root, VARIABLES, VARIABLES, held)
            for name, kind in self.variables.items():
                root.constant.add(name_path=[name], type=kind)
        return root

    def _places(self, place: list[str]) -> list[tuple[str, ...]]:
        if place == [TEMPORARY]:
            return [(), (TEMPORARY,)]
        is_own = place[0] == self.project
        return [tuple(place), tuple(place[1:])] if is_own else [tuple(place)]

    def _key(self, name: str) -> str | None:
        return next((key for key in self.tables if key.lower() == name.lower()), None)

    def _field_type(self, schema: dict[str, Any]) -> Any:
        if schema.get("mode") == "REPEATED":
            kind = type_pb2.TypeProto(type_kind=type_pb2.TYPE_ARRAY)
            element = self._field_type({**schema, "mode": "NULLABLE"})
            kind.array_type.element_type.CopyFrom(element)
            return kind
        if schema["type"] in ("RECORD", "STRUCT"):
            kind = type_pb2.TypeProto(type_kind=type_pb2.TYPE_STRUCT)
            kind.struct_type.SetInParent()
            for inner in schema["fields"]:
                kind.struct_type.field.add(
                    field_name=inner["name"], field_type=self._field_type(inner)
                )
            return kind
        return self.engine.type_of(REST_TYPES.get(schema["type"], schema["type"]))


@lru_cache(1 << 16)
def _words(name: str) -> list[str]:
    """What is written of a table's full name at least."""
    return name.lower().removeprefix(f"{TEMPORARY.lower()}.").split(".")[-2:]


def renamed(columns: Iterable[Column], old: str, new: str) -> list[Column]:
    """The columns, one of them under another name."""
    return [replace(c, name=new) if c.name.lower() == old.lower() else c for c in columns]


def _catalog(catalogs: dict[tuple[str, ...], Any], path: tuple[str, ...]) -> Any:
    if path not in catalogs:
        catalogs[path] = _catalog(catalogs, path[:-1]).catalog.add(name=path[-1])
    return catalogs[path]


def _add_table(catalog: Any, name: str, full_name: str, columns: Iterable[Column]) -> None:
    table = catalog.table.add(name=name, full_name=full_name)
    for column in columns:
        table.column.add(
            name=column.name,
            type=column.type,
            is_pseudo_column=column.is_pseudo,
            is_writable_column=True,
        )
