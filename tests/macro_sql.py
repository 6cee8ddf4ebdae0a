"""The project's macros as SQL of DuckDB, rendered without dbt."""

from types import SimpleNamespace
from typing import Any

import jinja2
from support import ROOT

# What only the macros that open an export need, and dbt alone has.
FOLDERS = ("money", "export", "control", "engine")
RETURNS = ("export_columns", "has_column", "is_float")


class Returned(Exception):
    """What a macro returned."""


def load_macros() -> Any:
    """The macros as callables: `load_macros().money("cost")`.

    A macro that returns a value in place of text is one of RETURNS, called by way of a function.
    """
    environment = jinja2.Environment(extensions=["jinja2.ext.do"])

    def give_back(value: Any) -> None:
        raise Returned(value)

    def dispatch(name: str) -> Any:
        return getattr(macros, f"duckdb__{name}", None) or getattr(macros, f"default__{name}")

    def returns(name: str) -> Any:
        def call(*args: Any) -> Any:
            try:
                getattr(macros, f"{name}_")(*args)
            except Returned as returned:
                return returned.args[0]
            raise AssertionError(f"{name} returned nothing")

        return call

    environment.globals |= {
        "adapter": SimpleNamespace(dispatch=dispatch),
        "return": give_back,
        **{name: returns(name) for name in RETURNS},
    }
    text = "".join(
        path.read_text()
        for folder in FOLDERS
        for path in sorted((ROOT / "macros" / folder).glob("*.sql"))
    )
    for name in RETURNS:
        text = text.replace(f"macro {name}(", f"macro {name}_(")
    macros: Any = environment.from_string(text).module
    return macros
