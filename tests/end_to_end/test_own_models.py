"""An analyst adds a model to the project: the next run builds it, and no Python is touched."""

import re
import shlex
import textwrap
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from support import ROOT, project_copy
from world import World

# What CONTRIBUTING shows, word for word.
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
SHOWN = re.findall(r"\n\n((?: {4,}.*\n|\n(?= {4}))+)", TEXT)
# The files that it has an analyst write, by the beginnings of their blocks.
FILES = {
    "models/marts/own/cost_by_region_daily.sql": "{# One row per usage date, region",
    "models/marts/own/_own.yml": "anchors:",
    "tests/dbt/unit/regions.yml": "unit_tests:",
}


def shown(beginning: str) -> str:
    """The one block of CONTRIBUTING that begins so."""
    (block,) = [text for text in map(textwrap.dedent, SHOWN) if text.startswith(beginning)]
    return block


def test_the_files_are_those_that_contributing_names() -> None:
    assert set(re.findall(r"models/marts/own/\w+\.\w+", TEXT)) == {*FILES} - {
        "tests/dbt/unit/regions.yml"
    }
    marts = yaml.safe_load((ROOT / "models/marts/_marts.yml").read_text())
    assert yaml.safe_load(shown("anchors:"))["anchors"] == marts["anchors"], "copied"


@pytest.mark.parametrize("column", ["region", "currency"])
def test_the_unit_test_fails_where_one_of_its_columns_is_not_kept_apart(column: str) -> None:
    """Two of its rows differ in nothing else, and only the amounts of equal rows are added."""
    (unit,) = yaml.safe_load(shown("unit_tests:"))["unit_tests"]
    rows = unit["given"][0]["rows"]
    others = [
        {name: row[name] for name in row if name not in (column, "billed_cost")} for row in rows
    ]
    assert any(
        one == other and rows[here][column] != rows[there][column]
        for here, one in enumerate(others)
        for there, other in enumerate(others)
    )
    assert len(unit["expect"]["rows"]) == len(rows) - 1


def test_a_model_that_an_analyst_adds_is_built_and_tested_by_the_next_run(
    shop: World, tmp_path: Path
) -> None:
    project = project_copy(tmp_path / "project")
    shipped = {path: path.read_bytes() for path in project.rglob("*") if path.is_file()}
    for name, block in FILES.items():
        (project / name).parent.mkdir(exist_ok=True)
        (project / name).write_text(shown(block))
    assert {path: path.read_bytes() for path in shipped} == shipped, "an upgrade keeps none of them"
    before = sorted(project.rglob("*"))

    mine = shop.copy(tmp_path / "world")
    # What is parsed of a copy must not be what other tests find of the tenant.
    own = {"RUNNER_TARGET_DIR": str(tmp_path / "target")}
    answer = mine.cli(
        *("run", "--tenant", "shop", "--from", "2024-11-02", "--to", "2024-11-03"),
        *("--project-dir", str(project)),
        **own,
    )
    assert answer.returncode == 0, answer.stderr + answer.stdout
    assert "cost_by_region_daily: success" in answer.stderr
    regions = mine.data(
        "shop",
        "select usage_date::varchar, sum(billed_cost) from shop.cost_by_region_daily"
        " where usage_date = '2024-11-03' group by all",
    )
    assert regions == [("2024-11-03", Decimal(3))]
    tested = mine.data(
        "shop",
        "select dq_config_id, overall_status, expectations_passed from shop.x_meta_dq_results"
        " where target_table = 'cost_by_region_daily'",
    )
    assert tested == [("cost_by_region_daily__error", "PASS", 2)]
    assert sorted(project.rglob("*")) == before, "a run writes nothing into the project"
    (command,) = re.findall("`dbt (test --select regions.*)`", TEXT)
    words = shlex.split(command.replace("acme1281", "shop"))
    unit = mine.dbt(*words, "--project-dir", str(project))
    assert unit.returncode == 0, unit.stdout
    assert "PASS cost_by_region_daily::regions_and_currencies_stay_apart" in unit.stdout
