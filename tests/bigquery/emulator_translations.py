"""What the emulator made of a statement is used again for statements that are alike.

To parse a statement, and to translate it for DuckDB, is most of what the emulator does; and of
those of a scenario more than half differ in nothing but dates, the ids of runs and the name of the
tenant's dataset. Such a statement gets the translation of the first one, with its own values in
it, if all that a translation depends on is as it was: the columns and kinds of the tables that it
reads, and the types of its parameters.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from local_bigquery.catalog import metadata, row_access
from local_bigquery.catalog import tables as catalog
from local_bigquery.engine import database
from local_bigquery.errors import BigQueryError
from local_bigquery.jobs import merge, query
from local_bigquery.models import Table
from local_bigquery.sql import script
from sqlglot import exp

DATE = r"\b\d{4}-\d{2}-\d{2}\b"
RUN_ID = r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"
# dbt's names for what it is about to merge.
TIME_OF_NAME = r"(?<=__dbt_tmp)\d{12}\b"
# Where a value stands in a template; a variable's table is its name between two \1.
PLACE = re.compile("\0(\\d+)\0")
# What is translated by more than the statement and its tables.
UNFIT = re.compile(
    r"(?i)@@|\*`|_session|system_time|session_user|current_user|information_schema|__tables__"
    r"|\btemp\b|\btemporary\b|\bfunction\b"
)
KINDS = (exp.Query, exp.Insert, exp.Update, exp.Delete, exp.Create)
# Of these a shell with the target's name is all that the emulator asks for after the translation.
SHELLS = (exp.Insert, exp.Update, exp.Delete)
HIDDEN = (
    "SELECT 1 FROM duckdb_columns() WHERE database_name = ? AND schema_name = ? "
    "AND table_name = ? AND column_name = ?"
)
# Shorter names may be words of the emulator's own.
DATASETS = (
    "SELECT DISTINCT schema_name FROM duckdb_schemas() WHERE list_contains(?, database_name)"
    " AND schema_name <> 'main' AND length(schema_name) > 3"
)

Ids = tuple[str, ...]


class Text:
    """A statement's text without its values, and the values in their order."""

    def __init__(self, sql: str, values: re.Pattern[str]) -> None:
        self.sql = sql
        self.places: dict[str, int] = {}
        self._pattern = values
        self.is_fit = not UNFIT.search(sql)
        self.template = values.sub(self._place, sql) if self.is_fit else sql
        self.values = list(self.places)
        self.translated = 0

    def _place(self, found: re.Match[str]) -> str:
        value = found.group()
        if value not in self.places and value[4:5] == "-" and not _is_date(value):
            return value  # which is refused
        return f"\0{self.places.setdefault(value, len(self.places))}\0"

    def without_values(self, made: str) -> str:
        """Another text that was made of this one, in the same way."""

        def place(found: re.Match[str]) -> str:
            at = self.places.get(found.group())
            return found.group() if at is None else f"\0{at}\0"

        return self._pattern.sub(place, made)

    def has_more(self, template: str) -> bool:
        """Whether a value is more often in what was made of it, and so may be a word of its own."""
        return Counter(PLACE.findall(template)) - Counter(PLACE.findall(self.template)) != Counter()

    def with_values(self, template: str) -> str:
        return PLACE.sub(lambda place: self.values[int(place.group(1))], template)


def _is_date(value: str) -> bool:
    try:
        date.fromisoformat(value)
    except ValueError:
        return False
    return True


def _kind(tree: exp.Expression) -> str:
    return "query" if isinstance(tree, exp.Query) else type(tree).__name__


def translate_once(remembered: Callable[..., Any]) -> None:
    """Have statements that are alike parsed and translated once.

    `remembered` makes a lookup in the catalog one that is done once, until the table changes.
    """
    translate, parse = query.translate, script.parse
    explain = query.from_duckdb
    now = threading.local()
    kept: dict[Any, Any] = {}
    shells: dict[Any, Any] = {}

    def values_in_texts() -> re.Pattern[str]:
        rows = database.fetch(DATASETS, [database.projects()])
        datasets = sorted((name for (name,) in rows), key=len, reverse=True)
        return re.compile(
            rf"{DATE}|{RUN_ID}|{TIME_OF_NAME}|\b(?:{'|'.join(map(re.escape, datasets))})\b"
        )

    def of_the_catalog(*ids: str) -> Any:
        try:
            columns = [str(column.dump()) for column in catalog.columns(*ids)]
        except BigQueryError:
            columns = []
        kinds = [kind for _, kind, _ in database.objects(*ids)]
        return kinds, columns, bool(database.fetch(HIDDEN, [*ids, catalog.INGESTION_TIME]))

    def state(ids: Ids) -> Any:
        """All that a translation takes from a table; of one that expires, nothing twice."""
        stored = metadata.load(Table, *ids) or Table()
        if stored.expirationTime or ids[1] == catalog.RESULTS:
            return object()
        by = stored.timePartitioning and stored.timePartitioning.field
        return stored.type, stored.requirePartitionFilter, by, catalog_of(*ids)

    values_of_texts = remembered(values_in_texts)
    catalog_of = remembered(of_the_catalog, slice(0, 3))

    @contextmanager
    def at(sql: str) -> Iterator[Text]:
        """While a statement is run, of which this is the text."""
        before, now.text = getattr(now, "text", None), Text(sql, values_of_texts())
        try:
            yield now.text
        finally:
            now.text = before

    def is_fit(text: Text, context: Any) -> bool:
        """Nothing else decides: no policy, no function, no parameter without a name."""
        others = row_access.secured() or context.functions or "p0" in context.parameters
        return text.is_fit and not others

    def key_of(text: Text, kind: str, context: Any) -> Any:
        return (
            *(text.template, text.translated, kind, context.project_id),
            text.places.get(context.dataset_id, context.dataset_id),
            *(frozenset(context.temporary), tuple(context.variables)),
            *context.parameters.items(),
        )

    def find(key: Any, text: Text, context: Any) -> tuple[str, dict[str, Any]] | None:
        """The translation that is kept, with this text's values, if it is still right."""
        for sql, used, tables, temporary in kept.get(key, ()):
            named = {tuple(map(text.with_values, ids)): was for ids, was in tables}
            if all(state(ids) == was for ids, was in named.items()):
                context.used = set(used)
                context.referenced |= set(named)
                context.temporary |= temporary
                filled = text.with_values(sql)
                for name, table in context.variables.items():
                    filled = filled.replace(f"\1{name}\1", table)
                return filled, {name: context.values[name] for name in used}
        return None

    def as_template(text: Text, ids: Ids) -> Ids:
        return tuple(map(text.without_values, ids))

    def keep(key: Any, text: Text, context: Any, tree: Any) -> tuple[str, dict[str, Any]]:
        read, context.referenced = context.referenced, set()
        before = set(context.temporary)
        try:
            sql, bound = translate(tree, context)
            tables = [(as_template(text, ids), state(ids)) for ids in context.referenced]
        finally:
            context.referenced |= read
        template = text.without_values(sql)
        if text.has_more(template):
            return sql, bound
        for name, table in context.variables.items():
            template = template.replace(table, f"\1{name}\1")
        kept.setdefault(key, []).insert(
            0, (template, tuple(context.used), tables, context.temporary - before)
        )
        del kept[key][4:]
        return sql, bound

    def translated(tree: Any, context: Any) -> tuple[str, dict[str, Any]]:
        text = getattr(now, "text", None)
        if not (text and isinstance(tree, KINDS) and is_fit(text, context)):
            answer: tuple[str, dict[str, Any]] = translate(complete(tree), context)
            return answer
        key = key_of(text, _kind(tree), context)
        text.translated += 1
        return find(key, text, context) or keep(key, text, context, complete(tree))

    def complete(tree: Any) -> Any:
        """The tree that a shell stands for."""
        sql = tree.meta.get("shell_of")
        return parse(sql)[0] if sql else tree

    def shell(text: Text) -> list[Any] | None:
        """A tree without what only its translation needs, of a statement like one before."""
        kind, ids = shells.get(text.template, (None, ()))
        if kind is None:
            return None
        names = {part: text.with_values(name) for part, name in ids}
        parts = {part: exp.to_identifier(name, quoted=True) for part, name in names.items()}
        tree = kind(this=exp.Table(**parts)) if parts else kind()
        tree.meta["shell_of"] = text.sql
        return [tree]

    def note_shell(text: Text, trees: list[Any]) -> None:
        if len(trees) != 1:
            return
        [tree] = trees
        if isinstance(tree, exp.Query):
            shells[text.template] = exp.Select, ()
        elif type(tree) in SHELLS:
            table = tree.find(exp.Table)
            parts = {"catalog": table.catalog, "db": table.db, "this": table.name}
            if isinstance(table.this, exp.Identifier):
                named = {part: text.without_values(name) for part, name in parts.items() if name}
                shells[text.template] = type(tree), tuple(named.items())

    def parse_once(sql: str) -> list[Any]:
        text = getattr(now, "text", None)
        if text is None or text.sql != sql or not text.is_fit:
            return list(parse(sql))
        trees = shell(text)
        if trees is None:
            trees = parse(sql)
            note_shell(text, trees)
        return trees

    def of_its_text(handle: Callable[..., None]) -> Callable[..., None]:
        def handled(self: Any, statement: Any) -> None:
            with at(statement.text):
                handle(self, statement)

        return handled

    def evaluate(self: Any, sql: str) -> Any:
        with at(sql) as text:
            key = key_of(text, "value", self.context)
            found = find(key, text, self.context) if is_fit(text, self.context) else None
            if found is None:
                select = script._select(self.expression(sql))
                if is_fit(text, self.context):
                    found = keep(key, text, self.context, select)
                else:
                    found = translate(select, self.context)
            asked, bound = found
            [(value,)] = self.cursor.sql(asked, params=bound).fetchall()
            return value

    interpreter = script.Interpreter
    for name in ("sql", "set", "declare"):
        setattr(interpreter, name, of_its_text(getattr(interpreter, name)))
    interpreter.evaluate = evaluate
    script.parse = parse_once
    query.translate = script.translate = merge.translate = translated
    query.from_duckdb = lambda error, context, tree: explain(error, context, complete(tree))
