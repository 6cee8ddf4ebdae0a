"""Would BigQuery accept these statements, and which tables does each touch?

Runs inside the analyzer's environment (setup_analyzer.sh). Reads JSON lines
{"id", "sql", "parameters": {name: type}} in the order of execution, and prints for each
{"id", "ok", "error", "kind", "exemption", "tables", "written", "statements",
"zoned"}: tables read and
written, by their full names, and each SQL statement that a script consists of, as it was analyzed
(SET as the INSERT that it is checked as); and what depends on the
project's `default_time_zone`. CREATE, ALTER and DROP change what later statements
see; so does a line {"table", "schema"}, which is answered by nothing. What cannot be followed is
refused, never passed over; the only exemption is METADATA_VIEWS.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import asdict, dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from analyzer_catalog import VARIABLES, Catalog, Column, renamed
from analyzer_engine import Engine, Refused
from analyzer_nodes import (
    is_script_statement,
    kind_of,
    location_of,
    node_in,
    nodes,
    snake_case,
    table_scans,
)
from analyzer_rules import (
    check_casts,
    check_columns,
    check_table,
    is_ingestion_partitioned,
    zone_dependent_calls,
    zone_dependent_literals,
)
from zetasql.wasi._pb2.zetasql.resolved_ast import resolved_ast_enums_pb2 as enums

# The exemption: views over BigQuery's own metadata, whose columns are not ours to know.
METADATA_VIEWS = ("INFORMATION_SCHEMA", "__TABLES__", "__TABLES_SUMMARY__")

# Statements that leave the catalog as it is.
WITHOUT_EFFECT = {
    "alter_schema",
    "alter_table_set_options",
    "assert",
    "assignment",
    "begin",
    "commit",
    "create_schema",
    "query",
    "rollback",
}
DML = {"delete", "insert", "merge", "truncate", "update"}
# Changes of a table that leave its columns as they are.
ACTIONS_WITHOUT_EFFECT = {
    "add_constraint",
    "alter_column_drop_not_null",
    "alter_column_drop_default",
    "alter_column_options",
    "alter_column_set_default",
    "drop_constraint",
    "drop_primary_key",
    "set_options",
}
# Script statements in which there is nothing to resolve.
JUMPS = ("ReturnStatement", "BreakStatement", "ContinueStatement")

LEXEME = re.compile(
    r"""
    '''(?:\\.|[^\\])*?''' | \"\"\"(?:\\.|[^\\])*?\"\"\"   # strings in triple quotes
    | '(?:\\.|[^'\\\n])*' | "(?:\\.|[^"\\\n])*"             # strings
    | (?:\#|--)[^\n]* | /\*.*?\*/                           # comments
    | `[^`]*`                                               # names
    """,
    re.VERBOSE | re.DOTALL,
)
# A text that may be taken for a time: not one that is a DATE, or has an offset.
TIME_IN_TEXT = re.compile(
    r"""(?i)(?<!\bdate )(['"])\s*\d{4}-\d{1,2}-\d{1,2}"""
    r"""(?![^'"]*(?:[+-]\d\d(?::\d\d)?|Z|UTC)\1)(?!\1 as date\b)"""
)
# What differs from run to run: dates, and the ids of runs.
VALUE = re.compile(r"\b(\d{4}-\d{2}-\d{2})\b|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b")


@dataclass
class Verdict:
    """What is printed about one SQL text."""

    id: str
    ok: bool = True
    error: str | None = None
    kind: str | None = None
    exemption: str | None = None
    tables: set[str] = field(default_factory=set)
    written: set[str] = field(default_factory=set)
    statements: list[str] = field(default_factory=list)
    zoned: set[str] = field(default_factory=set)

    def line(self) -> str:
        """The JSON line that is printed."""
        return json.dumps(asdict(self), default=sorted)


class Analyzer:
    """Follows statements in their order of execution."""

    def __init__(self, project: str) -> None:
        self.engine = Engine()
        self.catalog = Catalog(self.engine, project)
        # By what is known of the tables, and the text but for its dates and run ids.
        self.resolved: dict[Any, Any] = {}
        # The resolved statements that are others where the project's time zone is another.
        self.elsewhere: set[int] = set()
        # What a resolved statement reads, writes and takes from the zone, by its identity, for
        # `resolved` keeps it alive.
        self.collected: dict[int, tuple[set[str], set[str], set[str]]] = {}

    def judge(self, id_: str, sql: str, parameters: dict[str, str]) -> Verdict:
        """Analyze one SQL text of one or more statements, each seeing what those before made."""
        verdict = Verdict(id_)
        verdict.zoned |= set(zone_dependent_literals(sql))
        sql = self.catalog.make_alike(split_quoted_paths(sql))
        original = self.catalog.alike.original
        try:
            _Script(self, sql, parameters, verdict).run()
        except Refused as refusal:
            verdict.ok, verdict.error = False, original(str(refusal))
        verdict.tables = set(map(original, verdict.tables))
        verdict.written = set(map(original, verdict.written))
        verdict.statements = list(map(original, verdict.statements))
        # A refusal may have left a block in the middle.
        self.catalog.set_variables({})
        return verdict


def _same(value: re.Match[str]) -> str:
    """One value for all that are alike; a date that does not exist stays, for it is refused."""
    if value.group(1):
        try:
            date.fromisoformat(value.group(1))
        except ValueError:
            return value.group()
        return "<date>"
    return "<id>"


def _as_long(value: re.Match[str]) -> str:
    """One value of the same length for all that are alike."""
    is_same = _same(value) != value.group()
    return re.sub("[0-9a-f]", "1", value.group()) if is_same else value.group()


def split_quoted_paths(sql: str) -> str:
    """Write `a.b.c` as `a`.`b`.`c`: BigQuery takes both, ZetaSQL only the second as a path."""

    def split(match: re.Match[str]) -> str:
        text = match.group()
        return text.replace(".", "`.`") if text.startswith("`") else text

    return LEXEME.sub(split, sql)


class _Script:
    """One SQL text on its way through the analyzer."""

    def __init__(
        self, analyzer: Analyzer, sql: str, parameters: dict[str, str], verdict: Verdict
    ) -> None:
        self.engine, self.catalog = analyzer.engine, analyzer.catalog
        self.resolved, self.collected = analyzer.resolved, analyzer.collected
        self.elsewhere = analyzer.elsewhere
        self.text = sql.encode()
        self.parameters = parameters
        self.verdict = verdict
        self.is_in_transaction = False

    def run(self) -> None:
        # As long as the text: places in its tree are places in the text.
        tree = self.engine.parse_script(VALUE.sub(_as_long, self.text.decode()))
        statements = tree.statement_list_node.statement_list
        if len(statements) != 1 or is_script_statement(node_in(statements[0])):
            self.verdict.kind = "script"
        self.block(tree.statement_list_node)

    def block(self, statements: Any) -> None:
        outer = dict(self.catalog.variables)
        is_start = True
        for any_statement in statements.statement_list:
            node = node_in(any_statement)
            is_declaration = type(node).__name__ == "ASTVariableDeclarationProto"
            if is_declaration and not is_start:
                raise Refused("declarations are allowed only at the start of a block or script")
            is_start = is_declaration
            self.statement(node)
        # What an inner block declared ends with it.
        self.catalog.set_variables(outer)

    def statement(self, node: Any) -> None:
        name = type(node).__name__.removeprefix("AST").removesuffix("Proto")
        handler = getattr(self, f"on_{snake_case(name)}", None)
        if handler is not None:
            handler(node)
        elif is_script_statement(node) and name not in JUMPS:
            raise Refused(f"not followed by this analyzer: {name}")
        elif name not in JUMPS:
            self.sql(self.slice(node))

    def slice(self, node: Any) -> str:
        place = location_of(node)
        return self.text[place.start : place.end].decode()

    # -- scripting -------------------------------------------------------------------------

    def on_if_statement(self, node: Any) -> None:
        self.condition(node.condition)
        self.block(node.then_list)
        for clause in node.elseif_clauses.elseif_clauses:
            self.condition(clause.condition)
            self.block(clause.body)
        self.block(node.else_list)

    def on_while_statement(self, node: Any) -> None:
        if node.HasField("condition"):
            self.condition(node.condition)
        self.block(node.parent.body)

    def on_begin_end_block(self, node: Any) -> None:
        self.block(node.statement_list_node)
        for handler in node.handler_list.exception_handler_list:
            self.block(handler.statement_list)

    def on_raise_statement(self, node: Any) -> None:
        if node.HasField("message"):
            self.collect(
                self.resolve(f"SELECT CAST({self.slice(node_in(node.message))} AS STRING)")
            )

    def on_variable_declaration(self, node: Any) -> None:
        names = [identifier.id_string for identifier in node.variable_list.identifier_list]
        default = (
            self.slice(node_in(node.default_value)) if node.HasField("default_value") else None
        )
        if node.HasField("type"):
            kind = self.engine.type_of(self.slice(node_in(node.type)))
        else:
            query = self.resolve(f"SELECT ({default})")
            kind = query.output_column_list[0].column.type
        self.catalog.set_variables({**self.catalog.variables, **dict.fromkeys(names, kind)})
        if default is not None:
            self.assign(names[:1], f"VALUES ({default})")

    def on_single_assignment(self, node: Any) -> None:
        self.assign([node.variable.id_string], f"VALUES ({self.slice(node_in(node.expression))})")

    def on_assignment_from_struct(self, node: Any) -> None:
        names = [identifier.id_string for identifier in node.variables.identifier_list]
        value = self.slice(node_in(node.struct_expression))
        self.assign(names, f"SELECT _value.* FROM (SELECT ({value}) AS _value)")

    def assign(self, names: list[str], source: str) -> None:
        for name in names:
            if name.lower() not in {known.lower() for known in self.catalog.variables}:
                raise Refused(f"Undeclared variable: {name}")
        columns = ", ".join(f"`{name}`" for name in names)
        # A variable takes what a column of its type takes.
        self.collect(self.resolve(f"INSERT INTO {VARIABLES} ({columns}) {source}"))
        self.verdict.written.discard(VARIABLES)

    def condition(self, node: Any) -> None:
        self.collect(self.resolve(f"ASSERT ({self.slice(node_in(node))})"))

    # -- SQL -------------------------------------------------------------------------------

    def sql(self, sql: str) -> None:
        named = self.engine.named_tables(VALUE.sub(_as_long, sql))
        metadata = [path for path in named if _is_metadata(path)]
        if metadata:
            self.verdict.exemption = "METADATA_VIEWS"
            self.verdict.tables |= {".".join(path) for path in named}
            self.verdict.kind = self.verdict.kind or "metadata"
            return
        statement = self.resolve(sql)
        kind = kind_of(statement)
        self.verdict.kind = self.verdict.kind or kind
        self.collect(statement)
        self.apply(kind, statement)

    def resolve(self, sql: str) -> Any:
        known = self.catalog.known(sql)
        key = (known.key, VALUE.sub(_same, sql), *self.parameters.items())
        if key not in self.resolved:
            self.catalog.register(known)
            resolved = node_in(self.engine.analyze(sql, self.parameters))
            self.resolved[key] = resolved
            if TIME_IN_TEXT.search(sql):  # it may be cast without a word, as in a comparison
                elsewhere = self.engine.analyze(sql, self.parameters, "America/Los_Angeles")
                if node_in(elsewhere).SerializeToString() != resolved.SerializeToString():
                    self.elsewhere.add(id(resolved))
        self.verdict.statements.append(sql)
        return self.resolved[key]

    def collect(self, statement: Any) -> None:
        """Note the tables that a resolved statement reads and the one it writes."""
        if id(statement) not in self.collected:
            check_casts(statement)
            is_dml = kind_of(statement) in DML
            written = {statement.table_scan.table.full_name} if is_dml else set()
            read = {
                scan.table.full_name
                for child in nodes(statement, but="table_scan" if is_dml else None)
                for scan in table_scans(child)
            }
            zoned = set(zone_dependent_calls(statement))
            if id(statement) in self.elsewhere:
                zoned.add("a literal")
            self.collected[id(statement)] = read, written, zoned
        read, written, zoned = self.collected[id(statement)]
        self.verdict.tables |= read
        self.verdict.written |= written
        self.verdict.zoned |= zoned

    def apply(self, kind: str, statement: Any) -> None:
        """Let the statement change what is known."""
        if kind in ("begin", "commit", "rollback"):
            self.is_in_transaction = kind == "begin"
        elif self.is_in_transaction and kind.startswith(("create_", "alter_", "drop")):
            # BigQuery takes it of temporary tables; we have none.
            raise Refused(f"no transaction takes DDL of a table that stays: {kind}")
        if kind in WITHOUT_EFFECT or kind in DML:
            return
        if kind in ("create_table", "create_table_as_select", "create_view"):
            self.create(kind, statement)
        elif kind == "create_materialized_view":
            self.create("create_view", statement)
        elif kind in ("drop", "drop_materialized_view"):
            self.drop(statement)
        elif kind in ("alter_table", "alter_view"):
            self.alter(statement.parent)
        else:
            raise Refused(f"not followed by this analyzer: {kind}")

    def create(self, kind: str, statement: Any) -> None:
        base = statement.parent
        common = base.parent
        name = self.catalog.full_name(common.name_path)
        self.verdict.written.add(name)
        if kind == "create_view":
            columns = [Column(c.name, c.column.type) for c in base.output_column_list]
        else:
            columns = [Column(c.name, c.type) for c in base.column_definition_list]
            check_table(statement, base)
        if kind == "create_table":
            columns += self._copied(statement, base)
        check_columns(columns)
        if kind != "create_view" and is_ingestion_partitioned(statement):
            columns += self.catalog.pseudo_columns()
        mode = enums.ResolvedCreateStatementEnums.CreateMode.Name(common.create_mode)
        if name in self.catalog and mode != "CREATE_OR_REPLACE":
            if mode == "CREATE_DEFAULT":
                raise Refused(f"Already Exists: Table {name}")
            return
        self.catalog.put(name, columns)

    def _copied(self, statement: Any, base: Any) -> list[Column]:
        if base.like_table.full_name:
            self.verdict.tables.add(base.like_table.full_name)
            return self._columns_of(base.like_table)
        for source in (statement.clone_from, statement.copy_from):
            for scan in table_scans(source):
                return self._columns_of(scan.table)
        return []

    def _columns_of(self, table: Any) -> list[Column]:
        return list(self.catalog.columns(self.catalog.alike.original(table.full_name)))

    def drop(self, statement: Any) -> None:
        if getattr(statement, "object_type", "MATERIALIZED VIEW") == "SCHEMA":
            raise Refused("not followed by this analyzer: DROP SCHEMA")
        name = self.catalog.full_name(statement.name_path)
        self.verdict.written.add(name)
        if name in self.catalog or not statement.is_if_exists:
            self.catalog.drop(name)

    def alter(self, statement: Any) -> None:
        name = self.catalog.full_name(statement.name_path)
        self.verdict.written.add(name)
        if name not in self.catalog and statement.is_if_exists:
            return
        columns = list(self.catalog.columns(name))
        for any_action in statement.alter_action_list:
            action = node_in(any_action)
            kind = snake_case(type(action).__name__.removeprefix("Resolved").removesuffix("Proto"))
            kind = kind.removesuffix("_action")
            if kind == "add_column":
                added = action.column_definition
                known = {column.name.lower() for column in columns}
                if added.name.lower() not in known:
                    columns.append(Column(added.name, added.type))
                elif not action.is_if_not_exists:
                    raise Refused(f"Column already exists: {added.name}")
            elif kind == "drop_column":
                columns = [c for c in columns if c.name.lower() != action.name.lower()]
            elif kind == "rename_column":
                columns = renamed(columns, action.name, action.new_name)
            elif kind == "rename_to":
                self.catalog.drop(name)
                name = self.catalog.full_name([*name.split(".")[:-1], action.new_path[-1]])
                self.verdict.written.add(name)
            elif kind == "alter_column_set_data_type":
                columns = [
                    replace(c, type=action.updated_type)
                    if c.name.lower() == action.parent.column.lower()
                    else c
                    for c in columns
                ]
            elif kind not in ACTIONS_WITHOUT_EFFECT:
                raise Refused(f"not followed by this analyzer: ALTER {kind}")
        check_columns(c for c in columns if not c.is_pseudo)
        self.catalog.put(name, columns)


def _is_metadata(path: list[str]) -> bool:
    return any(part.upper() in METADATA_VIEWS for part in path)


def main() -> None:
    """Read statements from stdin and print a verdict for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--project", default="local", help="of names written without one")
    for option, meaning in (
        ("--table", "a table that no statement creates"),
        ("--ingestion-table", "the same, partitioned by ingestion time"),
    ):
        parser.add_argument(
            option,
            action="append",
            default=[],
            metavar="PROJECT.DATASET.NAME=SCHEMA.json",
            help=meaning,
        )
    options = parser.parse_args()
    analyzer = Analyzer(options.project)
    for given, is_ingestion in ((options.table, False), (options.ingestion_table, True)):
        for item in given:
            name, _, schema = item.partition("=")
            analyzer.catalog.put_schema(name, json.loads(Path(schema).read_text()), is_ingestion)
    for line in sys.stdin:
        item = json.loads(line)
        if "table" in item:
            analyzer.catalog.put_schema(item["table"], item["schema"])
            continue
        verdict = analyzer.judge(item["id"], item["sql"], item.get("parameters") or {})
        print(verdict.line(), flush=True)


if __name__ == "__main__":
    main()
