"""An analyst adds a model to the project: the next run builds it, and no Python is touched."""

from decimal import Decimal
from pathlib import Path

from support import project_copy
from world import World

MODEL = """{# One row per usage date, region and currency: where the money goes on the map. #}
with charges as (

    select * from {{ ref('gcp_silver_cost') }}
    where {{ date_in_slice('usage_date') }}

),

regions as (

    select
        usage_date,
        region,
        currency,
        {{ money('sum(billed_cost)') }} as billed_cost
    from charges
    group by usage_date, region, currency

)

select * from regions
"""
YAML = """models:
  - name: cost_by_region_daily
    description: Where the money goes on the map.
    data_tests:
      - expectations:
          name: cost_by_region_daily_expectations
          arguments:
            expect:
              - grain: [usage_date, region, currency]
              - name: sums_to_net
                sums_to: gcp_silver_cost
"""


def test_a_model_that_an_analyst_adds_is_built_and_tested_by_the_next_run(
    shop: World, tmp_path: Path
) -> None:
    project = project_copy(tmp_path / "project")
    (project / "models" / "marts" / "cost_by_region_daily.sql").write_text(MODEL)
    (project / "models" / "marts" / "_regions.yml").write_text(YAML)
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
