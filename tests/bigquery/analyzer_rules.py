"""What BigQuery asks of a statement beyond what ZetaSQL checks."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from analyzer_catalog import Column
from analyzer_engine import Refused
from analyzer_nodes import children, column_names, function_name, node_in, type_of
from zetasql.wasi._pb2.zetasql.public import type_pb2

# Prefixes BigQuery keeps for itself: no column of a table or a view may start so.
RESERVED_PREFIXES = (
    "_PARTITION",
    "_TABLE_",
    "_FILE_",
    "_ROW_TIMESTAMP",
    "__ROOT__",
    "_COLIDENTIFIER",
)
PARTITION_FUNCTIONS = ("date", "date_trunc", "datetime_trunc", "timestamp_trunc", "range_bucket")
NOT_CLUSTERABLE = ("TYPE_ARRAY", "TYPE_STRUCT", "TYPE_DOUBLE", "TYPE_JSON")


def check_columns(columns: Iterable[Column]) -> None:
    """Refuse columns that no table or view may have."""
    seen: set[str] = set()
    for column in columns:
        name = column.name
        if name.startswith("$") or not name:
            raise Refused("every column must have a name")
        if name.upper().startswith(RESERVED_PREFIXES):
            raise Refused(f"Invalid field name {name}: its prefix is reserved")
        if name.lower() in seen:
            raise Refused(f"Duplicate column name {name}")
        seen.add(name.lower())


def check_casts(message: Any) -> None:
    """Refuse CAST to a type with parameters, which BigQuery takes in DDL only."""
    if type(message).__name__ == "ResolvedCastProto":
        modifiers = message.type_modifiers
        if modifiers.HasField("type_parameters") and modifiers.type_parameters.ByteSize():
            raise Refused("Parameterized types are not allowed in CAST expressions")
    for child in children(message):
        check_casts(child)


def check_table(statement: Any, base: Any) -> None:
    """Refuse keys that claim to be enforced, and partitions and clusters BigQuery lacks."""
    if base.HasField("primary_key") and not base.primary_key.unenforced:
        raise Refused("a PRIMARY KEY must be NOT ENFORCED")
    if any(key.enforced for key in base.foreign_key_list):
        raise Refused("a FOREIGN KEY must be NOT ENFORCED")
    for any_expression in statement.partition_by_list:
        _check_partition(node_in(any_expression))
    if len(statement.cluster_by_list) > 4:
        raise Refused("CLUSTER BY takes four columns at most")
    for any_expression in statement.cluster_by_list:
        kind = type_pb2.TypeKind.Name(type_of(node_in(any_expression)).type_kind)
        if kind in NOT_CLUSTERABLE:
            raise Refused(f"CLUSTER BY does not take {kind}")


def _check_partition(expression: Any) -> None:
    call = function_name(expression)
    is_date = type_of(expression).type_kind == type_pb2.TYPE_DATE
    if call is None and not is_date:
        raise Refused(
            "PARTITION BY takes a DATE column or one of: " + ", ".join(PARTITION_FUNCTIONS)
        )
    if call is not None and call not in PARTITION_FUNCTIONS:
        raise Refused(f"PARTITION BY does not take {call}()")


def is_ingestion_partitioned(statement: Any) -> bool:
    """Whether CREATE TABLE partitions by _PARTITIONDATE or _PARTITIONTIME."""
    pseudo = {column.name.upper() for column in statement.parent.pseudo_column_list}
    return any(
        name.upper() in pseudo
        for expression in statement.partition_by_list
        for name in column_names(expression)
    )
