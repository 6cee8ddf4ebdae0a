"""Reading ZetaSQL's messages: syntax trees and resolved statements."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from analyzer_engine import Refused


def node_in(message: Any) -> Any:
    """The node inside the Any... messages that wrap it."""
    while "node" in message.DESCRIPTOR.oneofs_by_name:
        chosen = message.WhichOneof("node")
        if chosen is None:
            raise Refused("the analyzer returned an empty node")
        message = getattr(message, chosen)
    return message


def ancestry(message: Any) -> Iterator[Any]:
    """The node and, in turn, each of its parents."""
    while message is not None:
        yield message
        has_parent = "parent" in message.DESCRIPTOR.fields_by_name
        message = message.parent if has_parent else None


def location_of(node: Any) -> Any:
    """The bytes of the text that a syntax node stands for."""
    for level in ancestry(node):
        if "parse_location_range" in level.DESCRIPTOR.fields_by_name:
            return level.parse_location_range
    raise Refused("a syntax node has no place in the text")


def is_script_statement(node: Any) -> bool:
    """Whether a syntax node is scripting and not SQL."""
    return any(type(level).__name__ == "ASTScriptStatementProto" for level in ancestry(node))


def kind_of(statement: Any) -> str:
    """A resolved statement's kind: query, create_table_as_select, merge."""
    name = type(statement).__name__.removeprefix("Resolved").removesuffix("Proto")
    return snake_case(name.removesuffix("Stmt"))


def snake_case(name: str) -> str:
    """CreateView as create_view."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def children(message: Any, but: str | None = None) -> Iterator[Any]:
    """The messages directly inside a message, but for the field of that name."""
    for descriptor, value in message.ListFields():
        if descriptor.message_type is not None and descriptor.name != but:
            yield from value if descriptor.is_repeated else [value]


@cache
def _is_of_nodes(message_type: str) -> bool:
    """Whether a message can be a node; most are columns, types and places in the text."""
    is_node = message_type.startswith(("Resolved", "AnyResolved"))
    return is_node and message_type != "ResolvedColumnProto"


def nodes(message: Any, but: str | None = None) -> Iterator[Any]:
    """The nodes directly inside a resolved node, but for the field of that name."""
    for descriptor, value in message.ListFields():
        kind = descriptor.message_type
        if kind is not None and _is_of_nodes(kind.name) and descriptor.name != but:
            yield from value if descriptor.is_repeated else [value]


def table_scans(message: Any) -> Iterator[Any]:
    """Every scan of a table, the message itself included."""
    if type(message).__name__ == "ResolvedTableScanProto":
        yield message
    for child in nodes(message):
        yield from table_scans(child)


def column_names(message: Any) -> Iterator[str]:
    """The names of the columns that an expression mentions."""
    for child in children(message):
        if type(child).__name__ == "ResolvedColumnProto":
            yield child.name
        yield from column_names(child)


def type_of(expression: Any) -> Any:
    """The type of a resolved expression."""
    for level in ancestry(expression):
        if type(level).__name__ == "ResolvedExprProto":
            return level.type
    raise Refused("an expression has no type")


def function_name(expression: Any) -> str | None:
    """The function that an expression calls, None when it is no call."""
    for level in ancestry(expression):
        if type(level).__name__ == "ResolvedFunctionCallBaseProto":
            return str(level.function.name).rpartition(":")[2].lower()
    return None
