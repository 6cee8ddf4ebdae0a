"""The dbt project's own rules: all is described, a row is as declared, dates are vars."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
MODELS = {path.stem: path for path in sorted((ROOT / "models").rglob("*.sql"))}
GENERIC_TESTS = {path.stem: path for path in sorted((ROOT / "tests/dbt/generic").glob("*.sql"))}

# Row for row as the export, which has no row id: identical rows are separate charges, so no
# columns name a row. Reconciliation tests stand in for a grain test.
ROW_GRAIN = {
    "stg_gcp_billing__export",
    "billing_cost_daily",
    "export_landing",
    "gcp_silver_cost",
    "focus_cost_and_usage",
}

# What no model may contain: the rule, as a pattern, and a line that breaks it.
FORBIDDEN = {
    "dialect stands in macros, not in target.type": (
        r"\btarget\s*\.\s*(type|name)\b",
        "{% if target.type == 'bigquery' %}",
    ),
    "dates come from vars, not from the clock": (
        r"\b(current_date|current_timestamp|current_time|getdate|sysdate|today\s*\(|now\s*\()",
        "where usage_date < now()",
    ),
    "rows are never cut off": (
        r"\b(limit|fetch\s+first|tablesample|sample)\s",
        "select * from charges limit 1000",
    ),
    "identical rows are two charges": (
        r"\b(distinct|row_number|qualify|rank|dense_rank|first_value)\b",
        "select distinct billing_account_id from charges",
    ),
    "money is fixed point": (
        r"(\b(float(4|8|32|64)?|double|real)\b|'number')(?!.*\bas\s+"
        r"(currency_conversion_rate|usage_amount(_in_pricing_units)?)\b)",
        "cast(cost as double) as cost",
    ),
    "a model divides by the macro divide": (
        r"([\w)]\s*|^\s*)/\s*[\w(]",
        "sum(billed_cost) / count(*) as mean_cost",
    ),
    "a source's columns are taken by name": (
        r"(\*\s*(from|exclude|except|replace)\b.*(source\(|\.relation|read_))",
        "select * from {{ export.relation }}",
    ),
}

# A variance is a statistic, in floating point: no money is.
EXEMPT = {("cost_forecast", "a model divides by the macro divide")}


def yaml_models() -> dict[str, dict[str, Any]]:
    """Every model that the YAML under models/ declares, by name."""
    declared: dict[str, dict[str, Any]] = {}
    for path in sorted((ROOT / "models").rglob("*.yml")):
        for model in yaml.safe_load(path.read_text()).get("models", []):
            assert model["name"] not in declared, f"{model['name']} is declared twice: {path}"
            declared[model["name"]] = model
    return declared


DECLARED = yaml_models()


def expectations(name: str, severity: str) -> list[dict[str, Any]]:
    """What a model's tests `expectations` of one severity check, in order."""
    tests = [
        test["expectations"]
        for test in DECLARED[name].get("data_tests", [])
        if "expectations" in test
    ]
    return [
        one
        for test in tests
        if test.get("config", {}).get("severity", "error") == severity
        for one in test["arguments"]["expect"]
    ]


def code(path: Path) -> str:
    """The file without its comments, on lines that hold a complete Jinja call."""
    text = re.sub(r"\{#.*?#\}|--[^\n]*", "", path.read_text(), flags=re.DOTALL)
    return re.sub(
        r"\{\{.*?\}\}", lambda call: re.sub(r"\s+", " ", call.group()), text, flags=re.DOTALL
    )


def test_every_model_is_declared_in_yaml_and_every_declaration_has_a_model() -> None:
    assert set(MODELS) == set(DECLARED)


@pytest.mark.parametrize("name", DECLARED)
def test_a_model_and_each_of_its_columns_are_described(name: str) -> None:
    model = DECLARED[name]
    assert (model.get("description") or "").strip(), f"{name} has no description"
    assert model.get("columns"), f"{name} declares no columns"
    bare = [
        column["name"]
        for column in model["columns"]
        if not (column.get("description") or "").strip()
    ]
    assert not bare, f"{name} has columns without a description: {', '.join(bare)}"


def test_every_doc_block_that_is_named_exists_and_is_used() -> None:
    written = set()
    for path in sorted((ROOT / "dbt_project/docs").glob("*.md")):
        written |= set(re.findall(r"\{%\s*docs\s+(\w+)", path.read_text()))
    named = set()
    for path in sorted((ROOT / "models").rglob("*.yml")):
        named |= set(re.findall(r"doc\('(\w+)'\)", path.read_text()))
    assert named == written


def test_the_export_view_declares_the_columns_it_selects() -> None:
    # The one model without a contract to hold it to its YAML: its SQL is made per export.
    selected = re.findall(r"\}\} as (\w+)", code(MODELS["stg_gcp_billing__export"]))
    declared = [column["name"] for column in DECLARED["stg_gcp_billing__export"]["columns"]]
    assert selected == declared


# Google's names in schema files, and in SQL.
SQL_TYPES = {"FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}


def documented_columns(export: str) -> dict[str, str]:
    """Every scalar of an export as Google documents it: dotted path and type."""

    def scalars(fields: list[dict[str, Any]], above: str = "") -> dict[str, str]:
        found: dict[str, str] = {}
        for field in fields:
            if field["type"] == "RECORD":
                found |= scalars(field["fields"], f"{above}{field['name']}.")
            else:
                type_ = SQL_TYPES.get(field["type"], field["type"])
                found[above + field["name"]] = type_
        return found

    schema = ROOT / f"dbt_project/schemas/{export}.schema.json"
    return scalars(json.loads(schema.read_text()))


def test_the_columns_that_are_known_of_an_export_are_those_that_google_documents() -> None:
    reported: list[dict[str, Any]] = []
    jinja = jinja2.Environment(extensions=["jinja2.ext.do"])
    jinja.globals["return"] = reported.append
    macro = (ROOT / "macros/export/export_columns.sql").read_text()
    jinja.from_string(macro).module.export_columns()  # type: ignore[attr-defined]
    known = {path: type_ for type_, paths in reported[0]["types"].items() for path in paths}
    assert known == documented_columns("gcp_billing_export_resource_v1")
    standard = documented_columns("gcp_billing_export_v1")
    assert standard.items() <= known.items()
    assert set(reported[0]["required"]) <= set(standard), "a standard export can make a bill, too"


@pytest.mark.parametrize("name", DECLARED)
def test_a_model_has_a_grain_test_unless_it_is_row_for_row(name: str) -> None:
    grains = [one["grain"] for one in expectations(name, "error") if "grain" in one]
    if name in ROW_GRAIN:
        assert not grains, f"{name} has a grain after all: take it off ROW_GRAIN"
    else:
        assert len(grains) == 1, f"{name} needs one expectation of its grain"
        named = set(grains[0])
        missing = named - {column["name"] for column in DECLARED[name]["columns"]}
        assert not missing, f"the grain test of {name} names no column of it: {missing}"


@pytest.mark.parametrize("severity", ["error", "warn"])
@pytest.mark.parametrize("name", DECLARED)
def test_a_table_has_one_test_per_severity_whose_expectations_have_names_of_their_own(
    name: str, severity: str
) -> None:
    tests = [
        test["expectations"]
        for test in DECLARED[name].get("data_tests", [])
        if "expectations" in test
        and test["expectations"].get("config", {}).get("severity", "error") == severity
    ]
    assert len(tests) <= 1
    names = [one.get("name", next(iter(one))) for one in expectations(name, severity)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_has_at_most_150_lines(name: str) -> None:
    assert len(MODELS[name].read_text().splitlines()) <= 150


def test_a_folder_of_models_or_seeds_has_one_yaml_file_beside_them() -> None:
    folders = {path.parent for path in MODELS.values()} | {ROOT / "dbt_project/seeds"}
    for folder in folders:
        assert [path.name for path in folder.glob("*.yml")] == [f"_{folder.name}.yml"]


@pytest.mark.parametrize("name", MODELS)
def test_a_model_opens_with_what_a_row_is(name: str) -> None:
    opening = re.match(r"\{#\s*(.*?)#\}", MODELS[name].read_text(), flags=re.DOTALL)
    assert opening and opening.group(1).startswith("One row"), (
        f"{MODELS[name]} opens without {{# One row per ... #}}"
    )


@pytest.mark.parametrize("name", GENERIC_TESTS)
def test_a_generic_test_file_holds_the_test_it_is_named_after(name: str) -> None:
    assert re.findall(r"\{%-?\s*test\s+(\w+)", GENERIC_TESTS[name].read_text()) == [name]


@pytest.mark.parametrize("rule", FORBIDDEN)
def test_a_rule_catches_the_line_that_breaks_it(rule: str) -> None:
    pattern, offence = FORBIDDEN[rule]
    assert re.search(pattern, offence, flags=re.IGNORECASE)


@pytest.mark.parametrize("rule", FORBIDDEN)
@pytest.mark.parametrize("name", MODELS)
def test_no_model_breaks_a_rule(name: str, rule: str) -> None:
    if (name, rule) in EXEMPT:
        return
    pattern, _ = FORBIDDEN[rule]
    for line in code(MODELS[name]).splitlines():
        offence = re.search(pattern, line, flags=re.IGNORECASE)
        assert not offence, f"{name}: {rule}: {line.strip()}"


def test_every_mart_answers_a_question() -> None:
    """In `_marts.yml`, and in the YAML of a folder of one's own."""
    folder = ROOT / "models" / "marts"
    documents = [yaml.safe_load(path.read_text()) for path in sorted(folder.rglob("*.yml"))]
    exposures = [one for document in documents for one in document.get("exposures", ())]
    asked = [ref for one in exposures for ref in one["depends_on"]]
    marts = [path.stem for path in folder.rglob("*.sql")]
    assert sorted(asked) == sorted(f"ref('{mart}')" for mart in marts)
