"""An analyst adds a model to the project: the next run builds it, and no Python is touched."""

import re
import textwrap
from decimal import Decimal
from pathlib import Path

from support import ROOT, project_copy
from world import World

# What CONTRIBUTING shows, word for word.
SHOWN = re.findall(r"\n\n((?: {4,}.*\n|\n(?= {4}))+)", (ROOT / "CONTRIBUTING.md").read_text())


def shown(beginning: str) -> str:
    """The one block of CONTRIBUTING that begins so."""
    (block,) = [text for text in map(textwrap.dedent, SHOWN) if text.startswith(beginning)]
    return block


def test_a_model_that_an_analyst_adds_is_built_and_tested_by_the_next_run(
    shop: World, tmp_path: Path
) -> None:
    project = project_copy(tmp_path / "project")
    marts = project / "models" / "marts"
    (marts / "cost_by_region_daily.sql").write_text(shown("{# One row per usage date, region"))
    declared = textwrap.indent(shown("- name: cost_by_region_daily"), "  ")
    text = (marts / "_marts.yml").read_text()
    (marts / "_marts.yml").write_text(text.replace("\nexposures:", f"\n{declared}\nexposures:"))
    (project / "tests" / "dbt" / "unit" / "regions.yml").write_text(shown("unit_tests:"))
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
    unit = mine.dbt(
        *("test", "--select", "regions_and_currencies_stay_apart", "--vars", "{tenant_id: shop}"),
        *("--project-dir", str(project)),
    )
    assert unit.returncode == 0, unit.stdout
    assert "PASS cost_by_region_daily::regions_and_currencies_stay_apart" in unit.stdout
