"""The names that dbt gives its Jinja, as far as this project uses them, for sqlfluff.

sqlfluff lints what a template renders to, without dbt: it reads macros/ itself, knows ref,
config and return, and takes the rest from here. Every answer is a fixed one for DuckDB.
"""

import datetime as datetime_module
import hashlib
import itertools
import json
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from jinja2 import pass_context
from jinja2.runtime import Context

VARS = {"tenant_id": "lint", "date": "2024-11-01"}


class _Adapter:
    @pass_context
    def dispatch(self, context: Context, name: str) -> Callable[..., str]:
        """The macro's DuckDB side, else its default one, as dbt would choose."""
        return context.get(f"duckdb__{name}") or context[f"default__{name}"]


def var(name: str, default: Any = None) -> Any:
    return VARS.get(name, default)


def run_query(sql: str) -> SimpleNamespace:
    """One row that reads as an export of the tenant: reference, accounts, projects, unallocated."""
    row = ("export.parquet", "[]", "[]", True)
    columns = [SimpleNamespace(values=lambda value=value: [value]) for value in row]
    return SimpleNamespace(rows=[row], columns=columns)


def load_relation(relation: Any) -> Any:
    return relation


def local_md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def fromjson(text: str) -> Any:
    """The lists of a row; its first value stands for a list of files, too."""
    return json.loads(text) if text.startswith("[") else [text]


def after_commit(sql: str) -> str:
    return sql


def datediff(first: str, second: str, part: str) -> str:
    return f"date_diff('{part}', {first}, {second})"


adapter = _Adapter()
api = SimpleNamespace(
    Column=lambda name, dtype: SimpleNamespace(flatten=lambda: []),
)
exceptions = SimpleNamespace(raise_compiler_error=lambda message: "")
dbt = SimpleNamespace(datediff=datediff)
execute = True
invocation_id = "00000000-0000-0000-0000-000000000000"
# A control table's YAML declares its columns: one stands for all.
model = SimpleNamespace(
    name="lint", columns={"id": SimpleNamespace(name="id", data_type="varchar")}
)
modules = SimpleNamespace(datetime=datetime_module, itertools=itertools, re=re)
