"""Where a macro stands: apart what differs between engines, and what replaces a macro of dbt's."""

import re
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
from support import ROOT

MACROS = {
    path.stem: path
    for folder in ("macros", "tests/dbt/macros")
    for path in sorted((ROOT / folder).rglob("*.sql"))
}
ENGINE = ROOT / "macros/engine"
OVERRIDES = ROOT / "macros/overrides"
SIDE = re.compile(r"(duckdb|bigquery|default)__")
DEFINED = re.compile(r"\{%-?\s*(?:macro|test)\s+(\w+)|\{%-?\s*materialization\s+(\w+)")
DIFFERS = re.compile(
    r"adapter\.dispatch\('\w+'\)|\b(?:duckdb|bigquery)__\w+|\btarget\s*\.\s*type\b"
)
SHADOWS = re.compile(r"Shadows (\w+) of (dbt|dbt-bigquery|dbt-duckdb) because \w+", re.DOTALL)
# The distributions whose macros every project inherits.
INHERITED = {"dbt-adapters": "dbt", "dbt-bigquery": "dbt-bigquery", "dbt-duckdb": "dbt-duckdb"}


def macros_of(path: Path) -> list[str]:
    """The names of the macros that a file defines."""
    return [macro or other for macro, other in DEFINED.findall(path.read_text())]


def inherited() -> dict[str, set[str]]:
    """The macros of dbt and of both adapters: their names, and whose they are."""
    found: dict[str, set[str]] = {}
    for name, owner in INHERITED.items():
        for file in distribution(name).files or ():
            if re.search(r"dbt/include/.*\.sql$", str(file)):
                for macro in macros_of(Path(str(file.locate()))):
                    found.setdefault(macro, set()).add(owner)
    return found


THEIRS = inherited()


def shadowed(path: Path) -> Iterator[str]:
    """The macros of a file that dbt takes in place of one of its own, or of a side of one."""
    for macro in macros_of(path):
        if macro in THEIRS or (SIDE.match(macro) and SIDE.sub("", macro, count=1) in THEIRS):
            yield macro


def code(path: Path) -> str:
    return re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.DOTALL)


@pytest.mark.parametrize("name", MACROS)
def test_a_macro_file_holds_the_macro_it_is_named_after(name: str) -> None:
    found = macros_of(MACROS[name])
    assert [macro for macro in found if not SIDE.match(macro)] == [name]


def test_every_dispatched_macro_has_both_sides_and_every_side_is_dispatched() -> None:
    text = "\n".join(path.read_text() for path in MACROS.values())
    dispatched = set(re.findall(r"adapter\.dispatch\('(\w+)'\)", text))
    sides = {macro for path in MACROS.values() for macro in macros_of(path) if SIDE.match(macro)}
    for macro in dispatched:
        for engine in ("duckdb__", "bigquery__"):
            assert {engine + macro, "default__" + macro} & sides, f"{engine}{macro} is not written"
    assert {SIDE.sub("", side, count=1) for side in sides} == dispatched


def test_what_differs_between_engines_stands_in_engine_alone() -> None:
    outside = [
        f"{path.relative_to(ROOT)}: {found.group()}"
        for path in (ROOT / "macros").rglob("*.sql")
        if path.parent != ENGINE and (found := DIFFERS.search(code(path)))
    ]
    assert not outside
    for line in (
        "{{ adapter.dispatch('x')(y) }}",
        "{% macro duckdb__x() %}",
        "{% if target.type %}",
    ):
        assert DIFFERS.search(line)


@pytest.mark.parametrize("name", [name for name, path in MACROS.items() if path.parent == ENGINE])
def test_a_macro_of_engine_has_two_sides_or_is_used_by_one(name: str) -> None:
    if "adapter.dispatch(" not in MACROS[name].read_text():
        users = [
            path.stem
            for path in MACROS.values()
            if path.stem != name and re.search(rf"\b{name}\(", code(path))
        ]
        assert users and all(MACROS[user].parent == ENGINE for user in users), users


def test_the_macros_of_dbt_and_of_both_adapters_are_found() -> None:
    assert {"generate_schema_name", "get_where_subquery", "default__load_csv_rows"} <= set(THEIRS)
    assert THEIRS["bq_create_table_as"] == {"dbt-bigquery"}
    assert "duckdb__create_table_as" in THEIRS


def test_what_shadows_a_macro_of_dbts_stands_in_overrides_alone() -> None:
    outside = [
        f"{path.relative_to(ROOT)}: {macro}"
        for path in MACROS.values()
        if path.parent != OVERRIDES
        for macro in shadowed(path)
    ]
    assert not outside


@pytest.mark.parametrize("path", sorted(OVERRIDES.glob("*.sql")), ids=lambda path: path.stem)
def test_an_override_reports_what_it_shadows_and_why(path: Path) -> None:
    assert list(shadowed(path)) == [path.stem]
    comment = " ".join(re.match(r"\{#(.*?)#\}", path.read_text(), re.DOTALL)[1].split())
    printed = SHADOWS.search(comment)
    assert printed, f"{path.stem} has no line: Shadows {path.stem} of dbt because ..."
    assert printed[1] == path.stem
    assert printed[2] in THEIRS[path.stem]
