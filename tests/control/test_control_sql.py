"""No value of a caller ever becomes SQL text: statements are constants, values are bound."""

import ast
import re
from pathlib import Path
from string import Formatter

import pytest
import sqlglot
from sqlglot import exp
from statements import every
from support import ROOT

from runner.bigquery_jobs import _type_of
from runner.control import schema, spooled

STATEMENTS = every()
MODULES = sorted((ROOT / "runner").rglob("*.py"))
SQL = re.compile(
    r"\b(select\b.+\bfrom|insert\s+into|update\s+\S+\s+set|delete\s+from|create\s+table"
    r"|drop\s+table|merge\s+into|alter\s+table|begin\s+transaction)\b",
    re.IGNORECASE | re.DOTALL,
)
# f-strings that put our own constants together: names that may stand in their braces.
CONSTANTS = {
    "RUN_COLUMNS",
    "REFUSAL",
    "ACTIVE_RUNS",
    "MISSING_EVENTS",
    "STANDING",
    "_ADD_ALERT",
    "_PUBLICATION",
    "PUBLICATIONS",
    "EARLIEST",
    "SHARED_EXPORT",
    "LAYERS",
    "_DUE",
    "_UNREPORTED",
    "OUTBOX",
    "_RUNS",
    "_LANDED_RUNS",
    "body",
    "last",
    # Names of a contract, and of the dataset of a validated tenant.
    "self.name",
    "table.name",
    "name",
    "dataset",
    "tenant",
    "', '.join(columns)",
    "columns",
    "', '.join(values)",
    "', '.join(values.values())",
    "changes",
    "condition",
    "table",
    "where",
    "absent",
    "', '.join(_STEP)",
    "kind",
    "column",
    "grain",
    "texts",
    "types[name]",
    "unnested",
    "sql",
    "function",
}


def test_the_statements_were_found() -> None:
    assert len(STATEMENTS) > 20


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_has_no_placeholders_but_the_four_identifiers(name: str) -> None:
    parts = list(Formatter().parse(STATEMENTS[name]))
    fields = {field for _, field, _, _ in parts if field is not None}
    numbered = {"DROP_STEPS": {"step_ids"}, "ADD_STEPS": {"step_rows"}}.get(name, set())
    assert fields <= {"tenant", "dataset", "table", "n"} | numbered
    assert not any(spec or conversion for _, _, spec, conversion in parts)


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_binds_values_by_name_only(name: str) -> None:
    text = re.sub(r"'[^']*'|@@time_zone", "''", STATEMENTS[name])
    assert not re.search(r"%s|%\(|\?|\$\w", text)
    assert all(re.fullmatch(r"@[a-z_]+(\{n\})?", found) for found in re.findall(r"@[^\s,)]+", text))


USAGE_EVENTS = {name for name, text in STATEMENTS.items() if "tenant_usage_events" in text}
# Over all tenants, or before it is known of which.
OF_ALL_TENANTS = {"BUSY_TENANTS", "NEWEST_EVENT", "TENANT_OF_RUN"}


def unbounded_reads(sql: str, *columns: str) -> list[str]:
    """The reads of the events that do not compare each of these columns with a bound value."""
    found = []
    for table in sqlglot.parse_one(sql, read="bigquery").find_all(exp.Table):
        select = table.find_ancestor(exp.Select)
        if not table.name.endswith("tenant_usage_events") or select is None:
            continue
        condition = table.parent.args.get("on") if isinstance(table.parent, exp.Join) else None
        condition = condition or select.args["where"].this
        bound = {
            one.this.name
            for one in condition.find_all(exp.EQ, exp.GTE)
            if isinstance(one.this, exp.Column)
            and one.this.table in ("", table.alias)
            and one.expression.find(exp.Parameter)
            and not one.expression.find(exp.Column)
            and not one.find_ancestor(exp.Or)
        }
        found += [f"{table.alias} without {name}" for name in columns if name not in bound]
    return found


@pytest.mark.parametrize("name", sorted(USAGE_EVENTS))
def test_usage_events_are_read_by_tenant_and_date(name: str) -> None:
    """All tenants share the table; by bound values BigQuery reads only some of its blocks."""
    columns = ("usage_date",) if name in OF_ALL_TENANTS else ("usage_date", "tenant_id")
    assert unbounded_reads(STATEMENTS[name].format(tenant="acme"), *columns) == []


def test_an_unbounded_read_of_usage_events_would_be_found() -> None:
    assert USAGE_EVENTS > OF_ALL_TENANTS
    sql = STATEMENTS["CLAIM_EVENT"].format(tenant="acme")
    for old, new, lacks in (
        ("= @tenant_id", "= runs.tenant_id", "tenant_id"),
        (">= @events_since", ">= date(runs.start_time, 'UTC')", "usage_date"),
    ):
        assert f"events without {lacks}" in unbounded_reads(sql.replace(old, new), lacks)


def test_many_steps_are_two_statements_of_numbered_values() -> None:
    dropped, added = spooled.texts("acme", [("DROP_STEPS", 3), ("ADD_STEPS", 3)])
    assert dropped.endswith("in (@step_logging_id_0, @step_logging_id_1, @step_logging_id_2)")
    for n in range(3):
        assert f"@metadata_{n})" in added
    assert "{" not in dropped + added and "_3" not in dropped + added


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_tenants_name_stands_only_where_a_dataset_does(name: str) -> None:
    for found in re.finditer(r"\{(tenant|dataset)\}(.)", STATEMENTS[name]):
        assert found.group(2) in ".`", STATEMENTS[name][found.start() - 20 : found.end() + 20]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_no_module_makes_sql_from_f_strings(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.JoinedStr):
            continue
        text = "".join(
            str(part.value) if isinstance(part, ast.Constant) else " x " for part in node.values
        )
        if SQL.search(text):
            names = {
                ast.unparse(part.value)
                for part in node.values
                if isinstance(part, ast.FormattedValue)
            }
            assert names <= CONSTANTS, f"{path.name}:{node.lineno} puts {names} into SQL"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_no_module_adds_to_sql_with_plus_or_percent(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Mod):
            constants = [
                part.value
                for part in ast.walk(node)
                if isinstance(part, ast.Constant) and isinstance(part.value, str)
            ]
            assert not any(SQL.search(text) for text in constants), f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_statements_are_formatted_with_identifiers_only(path: Path) -> None:
    """Every `.format(` on a statement names tenant, dataset, table or n, and nothing else."""
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "format"
            and re.search("sql|statement", ast.unparse(node.func.value))
        ):
            assert {keyword.arg for keyword in node.keywords} <= {"tenant", "dataset", "table", "n"}
            assert not node.args, f"{path.name}:{node.lineno}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_only_the_warehouses_send_sql(path: Path) -> None:
    """A statement stands in a file of its owner's that ends in _sql, or in a store itself."""
    stores = ("sql", "schema", "statements", "sqlite", "duckdb", "query", "bigquery")
    if path.stem.endswith("_sql") or path.stem in (*stores, "sqlite_connection"):
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            assert not SQL.search(node.value), f"{path.name}:{node.lineno}: {node.value[:60]}"


CONTROL = {
    name: text for name, text in STATEMENTS.items() if re.search(r"`[^`\s]+\.[^`\s]+`", text)
}
# What SQLite reads as something else than BigQuery does, or not at all.
NOT_FOR_BOTH = {
    "a cast": r"\bcast\(",
    "a literal with a type": r"\b(date|timestamp|interval)\s+'",
    "an interval": r"\binterval\b",
    "concat": r"\bconcat\(",
    "the date of a timestamp without its zone": r"\bdate\([^,()]+\)",
    "a table whose parts are quoted apart": r"`\.",
    "a list that SQLite lacks": r"\b(array_agg|unnest|struct|safe_\w+|countif|any_value)\b",
    "quotes that name a column": r'"',
    "order of nulls": r"\bnulls (first|last)\b",
}


def test_the_control_statements_are_distinguished_from_those_over_data() -> None:
    assert len(CONTROL) > 50 and "TOTALS" not in CONTROL and "CLAIM_INSERT" in CONTROL


@pytest.mark.parametrize("what", NOT_FOR_BOTH)
def test_a_control_statement_has_one_text_that_both_engines_read_alike(what: str) -> None:
    found = {name for name, text in CONTROL.items() if re.search(NOT_FOR_BOTH[what], text, re.I)}
    assert found == set(), what


BIGQUERY_TYPES = {
    **{"bigint": "INT64", "boolean": "BOOL", "json": "STRING", "array<string>": "STRING"},
    **{kind: kind.upper() for kind in ("string", "date", "timestamp")},
}


@pytest.mark.parametrize("folder", ["tenants", "runs"])
def test_a_null_is_bound_as_its_columns_type(folder: str) -> None:
    """BigQuery gets the type of each parameter, as a null has none."""
    bound = set(re.findall(r"@(\w+)", "\n".join(CONTROL.values())))
    for table in schema.tables(ROOT, folder):
        for column, kind in table.columns.items():
            # These two are never null.
            if column in bound and column not in ("moved_dates", "partition_lag_days"):
                assert _type_of(column, None) == BIGQUERY_TYPES[kind], column
