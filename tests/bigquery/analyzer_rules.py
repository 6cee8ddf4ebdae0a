"""What BigQuery asks of a statement beyond what ZetaSQL checks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from analyzer_catalog import Column
from analyzer_engine import Refused
from analyzer_nodes import column_names, function_name, node_in, nodes, type_of
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
    for child in nodes(message):
        check_casts(child)


# Calls that without their last argument, a zone, use the project's `default_time_zone`: how many
# arguments they have with it, when the first is of that type.
ZONED_CALLS = {
    ("date", "TYPE_TIMESTAMP"): 2,
    ("datetime", "TYPE_TIMESTAMP"): 2,
    ("time", "TYPE_TIMESTAMP"): 2,
    ("string", "TYPE_TIMESTAMP"): 2,
    ("timestamp", "TYPE_STRING"): 2,
    ("timestamp", "TYPE_DATE"): 2,
    ("timestamp", "TYPE_DATETIME"): 2,
    ("parse_timestamp", "TYPE_STRING"): 3,
    ("timestamp_trunc", "TYPE_TIMESTAMP"): 3,
    ("$extract_date", "TYPE_TIMESTAMP"): 2,
    ("$extract_datetime", "TYPE_TIMESTAMP"): 2,
    ("$extract_time", "TYPE_TIMESTAMP"): 2,
    ("$extract", "TYPE_TIMESTAMP"): 3,
}
# Calls that use it unless a zone is their argument.
NOW_CALLS = {"current_date", "current_datetime", "current_time"}
ZONED_CASTS = {"TYPE_STRING", "TYPE_DATE", "TYPE_DATETIME", "TYPE_TIME"}
LITERAL = re.compile(r"(?i)\b(?:timestamp\s+|cast\(\s*)'([^']*)'(?:\s+as\s+timestamp)?")
WITH_OFFSET = re.compile(r"(?i):\d\d(?:\.\d+)?\s*(?:[+-]\d\d(?::\d\d)?|Z|UTC)$")


def zone_dependent_literals(sql: str) -> Iterator[str]:
    """The timestamp literals that mean another time where the project's zone is another."""
    for literal in LITERAL.finditer(sql):
        is_timestamp = "timestamp" in literal.group().lower().replace(literal.group(1).lower(), "")
        if is_timestamp and not WITH_OFFSET.search(literal.group(1)):
            yield literal.group()


def zone_dependent_calls(message: Any) -> Iterator[str]:
    """The casts and calls of a resolved statement that use the project's `default_time_zone`."""
    if type(message).__name__ == "ResolvedCastProto":
        of, to = _kind(node_in(message.expr)), _kind(message)
        is_zoned = "TYPE_TIMESTAMP" in (of, to) and ZONED_CASTS & {of, to}
        if is_zoned and not message.HasField("time_zone"):
            yield f"cast of {of} to {to}"
    name = function_name(message) if type(message).__name__ == "ResolvedFunctionCallProto" else None
    if name is not None:
        given = [_kind(node_in(one)) for one in message.parent.argument_list]
        wanted = ZONED_CALLS.get((name, given[0] if given else ""))
        if (wanted is not None and len(given) < wanted) or (name in NOW_CALLS and not given):
            yield f"{name} of {', '.join(given)}"
        if "TYPE_TIMESTAMP" in given and (
            name == "format" or (name == "format_timestamp" and len(given) < 3)
        ):
            yield f"{name} of {', '.join(given)}"
    for child in nodes(message, but="partition_by_list"):  # partitions are UTC days always
        yield from zone_dependent_calls(child)


def _kind(expression: Any) -> str:
    return str(type_pb2.TypeKind.Name(type_of(expression).type_kind))


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
