"""A date is published only together with its proof: what is refused leaves the old rows.

The project of these tests is a copy in which each table of TABLES loses its rows when the var
`lose` names it among others, as a mistake in its SQL would.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from exports import charge, credit, write_parquet
from support import ROOT, environment_in, project_copy
from world import World

from runner.engine.job import Job, Outcome
from runner.engine.process import Worker
from runner.settings import Settings

DAY = "2024-11-01"
OWN = "cost_by_region_daily"
# A failed proof of each layer, and the expectation that names it. Those of marts fail in one run:
# none of them is built from another.
TABLES = {
    "billing_cost_daily": "matches_the_export",
    "gcp_silver_cost": "keeps_every_charge",
    "cost_by_service_daily": "sums_to_net",
    "focus_cost_and_usage": "has_the_same_bill",
    "loaded_dates": "has_every_date_of_the_call",
    "restatement_ledger": "changes_add_up_to_the_bill",
    OWN: "sums_to_silver",
}
LAYERS = {
    "bill": ["billing_cost_daily"],
    "silver": ["gcp_silver_cost"],
    "marts": [*TABLES][2:],
}
MART = """{# One row per usage date, region and currency. #}
with charges as (

    select * from {{ ref('gcp_silver_cost') }}
    where {{ date_in_slice('usage_date') }}

),

regions as (

    select usage_date, region, currency, {{ money('sum(billed_cost)') }} as billed_cost
    from charges
    group by usage_date, region, currency

)

select * from regions
"""
MARTS_YAML = f"""models:
  - name: {OWN}
    description: Cost by region.
    config: {{meta: {{net: billed_cost}}}}
    data_tests:
      - expectations:
          name: {OWN}_expectations
          arguments:
            expect:
              - grain: [usage_date, region, currency]
              - name: sums_to_silver
                sums_to: gcp_silver_cost
    columns:
      - name: region
        data_tests:
          - not_null
          - not_null: {{name: own_with_its_own_limit_of_errors, config: {{error_if: "> 0"}}}}
          - not_null: {{name: own_of_all_dates, config: {{meta: {{scope: all_dates}}}}}}
          - not_null: {{name: own_with_a_count, config: {{fail_calc: "coalesce(sum(1), 0)"}}}}
  - name: own_view
    description: A view.
    config: {{materialized: view}}
    columns:
      - name: region
        data_tests: [not_null]
  - name: own_log
    description: An incremental table without dates.
    config: {{materialized: incremental, incremental_strategy: append}}
    columns:
      - name: region
        data_tests: [not_null]
"""
# Error tests that are no proofs: they run as nodes, under the runner, too.
NODES = {
    "own_with_its_own_limit_of_errors",
    "own_of_all_dates",
    "own_with_a_count",
    "not_null_own_view_region",
    "not_null_own_log_region",
}


WRONG_MART = """{{ config(tags='wrong') }}
select
    case '{{ var('wrong', '') }}'
        when 'null' then null
        when 'dates' then date '2024-10-31'
        else usage_date
    end as usage_date,
    currency
from {{ ref('gcp_silver_cost') }}
where {{ date_in_slice('usage_date') }}
"""
HOOKED_MART = """{{ config(tags='wrong', post_hook="update {{ this }} set currency = 'x'") }}
select usage_date, currency
from {{ ref('gcp_silver_cost') }}
where {{ date_in_slice('usage_date') }}
"""


@dataclass
class Place:
    """A warehouse with one tenant, and dbt over the copied project."""

    world: World
    worker: Worker

    def export(self, cost: float, **changes: Any) -> None:
        """Two charges of the day, and one of a day that no test builds."""
        rows = [
            charge(DAY, cost, credits=[credit(-0.5)]),
            charge(DAY, 1.0, sku={"id": "second"}, **changes),
            charge("2024-11-05"),
        ]
        write_parquet(self.world.folder / "exports" / "a.parquet", rows)

    def build(self, run: str, *selection: str, **vars: str) -> Outcome:
        chosen = selection or ("--selector", "cost_billing_run")
        return self.worker.run(
            Job(
                "mini",
                ("build", "--exclude-resource-type", "unit_test", *chosen),
                {"date": DAY, "pipeline_logging_id": named(run), **vars},
            )
        )

    def tables(self) -> list[str]:
        found = self.world.data(
            "mini",
            "select table_name from duckdb_tables() where schema_name = 'mini'"
            " and table_name not like 'x_meta%' order by 1",
        )
        return [name for (name,) in found]

    def rows(self, table: str) -> list[Any]:
        return self.world.data("mini", f"select * from mini.{table} order by all")

    def published(self) -> dict[str, str]:
        """The run that last published the day, by table."""
        return dict(
            self.world.data(
                "mini",
                "select target_table, max_by(pipeline_logging_id, published_at)"
                f" from mini.x_meta_publications where usage_date = '{DAY}' group by all",
            )
        )

    def results(self, run: str) -> dict[str, Any]:
        return {
            row[0]: row[1:]
            for row in self.world.data(
                "mini",
                "select dq_config_id, overall_status, expectations_passed, expectations_failed,"
                " failed_expectations from mini.x_meta_dq_results where pipeline_logging_id = ?",
                named(run),
            )
        }


def named(run: str) -> str:
    """A run id, which has no underscores."""
    return run.replace("_", "-")


def project_in(folder: Path) -> Path:
    """A copy of the project with a mart of an analyst's, and tables that can lose their rows."""
    project_copy(folder)
    marts = folder / "models" / "marts"
    (marts / f"{OWN}.sql").write_text(MART)
    (marts / "_own.yml").write_text(MARTS_YAML)
    for name in ("own_view", "own_log"):
        (marts / f"{name}.sql").write_text("select region from {{ ref('gcp_silver_cost') }}\n")
    # Rows of another date, a row without a date, and rows changed after the proof.
    (marts / "own_wrong.sql").write_text(WRONG_MART)
    (marts / "own_hooked.sql").write_text(HOOKED_MART)
    selectors = folder / "selectors.yml"
    control = "            - method: path\n              value: models/control/tenants\n"
    text = selectors.read_text()
    assert text.count(control) == 1
    selectors.write_text(
        text.replace(control, control + "            - {method: tag, value: wrong}\n")
    )
    for table in TABLES:
        (path,) = (folder / "models").rglob(f"{table}.sql")
        text, changed = re.subn(
            r"\nselect \* from (\w+)\s*$",
            "\nselect * from \\1\n"
            "where {{ 'false' if model.name in var('lose', '').split() else 'true' }}\n",
            path.read_text(),
        )
        assert changed == 1, table
        path.write_text(text)
    # A file that joins the export after it was checked, as an upload in parts does.
    bill = folder / "models" / "billing" / "billing_cost_daily.sql"
    hook = (
        "{% if var('upload', '') %}copy (from read_parquet('{{ var('upload') }}/a.parquet'))"
        " to '{{ var('upload') }}/z.parquet'{% endif %}"
    )
    bill.write_text(f'{{{{ config(pre_hook="{hook}") }}}}\n{bill.read_text()}')
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("publish")
    project = project_in(folder / "project")
    own = {"RUNNER_TARGET_DIR": str(folder / "target"), "PYTHONPATH": str(ROOT)}
    settings = Settings(project, None, {**environment_in(folder), **own})
    world = World(folder, environment_in(folder))
    with Worker(settings, folder / "logs") as worker:
        made = Place(world, worker)
        (folder / "exports").mkdir()
        made.export(1.0)
        world.add("mini", folder / "exports" / "a.parquet")
        first = made.build("first")
        assert first.success, first.error
        yield made


def node(outcome: Outcome, name: str) -> Any:
    return next(one for one in outcome.nodes if one.name == name)


@pytest.mark.parametrize("layer", LAYERS)
def test_a_failed_proof_leaves_the_old_rows_and_one_plain_rerun_makes_all_layers_one_run(
    place: Place, layer: str
) -> None:
    tables = LAYERS[layer]
    place.export(10.0 + list(LAYERS).index(layer))
    before = {name: place.rows(name) for name in place.tables()}
    owners = place.published()

    failed = place.build(f"failed-{layer}", lose=" ".join(tables))

    assert not failed.success
    skipped = {one.name for one in failed.nodes if one.status == "skipped"}
    for name in {*tables, *(skipped & set(owners))}:
        assert place.published()[name] == owners[name], "and readers can see whose they are"
        assert place.rows(name) == before[name], "row for row"
    results = place.results(f"failed-{layer}")
    for table in tables:
        message = node(failed, table).message
        assert node(failed, table).status == "error" and "not published <failures>" in message
        assert TABLES[table] in message
        status, passed, failures, text = results[f"{table}__error"]
        found = json.loads(text)
        assert status == "FAIL" and TABLES[table] in {one["expectation"] for one in found}
        assert failures == len(found) and passed + failures > 0

    again = place.build(f"again-{layer}")
    assert again.success, again.error
    assert set(place.published().values()) == {named(f"again-{layer}")}
    for table in tables:
        assert place.rows(table) != before[table]


@pytest.mark.parametrize("table", ["gcp_silver_cost", OWN])
def test_a_first_build_is_held_back_too(place: Place, table: str) -> None:
    place.world.data("mini", f"drop table mini.{table}")
    place.world.data("mini", f"delete from mini.x_meta_publications where target_table = '{table}'")
    failed = place.build(f"first-{table}", "--select", table, lose=table)
    assert TABLES[table] in node(failed, table).message
    assert table not in place.tables() and table not in place.published()
    assert place.build(f"then-{table}", "--select", table).success
    assert place.published()[table] == named(f"then-{table}")


@pytest.mark.parametrize("wrong", ["dates", "null"])
def test_rows_that_are_not_of_the_calls_dates_are_not_published(place: Place, wrong: str) -> None:
    """Neither as the table's first build nor as a later one: no proof would see them."""
    place.world.data("mini", "drop table if exists mini.own_wrong")
    place.world.data(
        "mini", "delete from mini.x_meta_publications where target_table = 'own_wrong'"
    )
    first = place.build(f"first-{wrong}", "--select", "own_wrong", wrong=wrong)
    assert (
        "own_wrong has rows that are not of this call's dates" in node(first, "own_wrong").message
    )
    assert "own_wrong" not in place.tables()
    assert place.build("good", "--select", "own_wrong").success
    kept = place.rows("own_wrong")
    later = place.build(f"later-{wrong}", "--select", "own_wrong", wrong=wrong)
    assert (
        "own_wrong has rows that are not of this call's dates" in node(later, "own_wrong").message
    )
    assert place.rows("own_wrong") == kept


def test_a_hook_that_changes_rows_after_their_proof_is_refused(place: Place) -> None:
    hooked = place.build("hooked", "--select", "own_hooked")
    assert "changes rows after their proof" in node(hooked, "own_hooked").message
    assert "own_hooked" not in place.tables()


def test_a_damaged_export_leaves_every_layer_as_it_was(place: Place) -> None:
    assert place.build("good").success
    before = {name: place.rows(name) for name in place.tables()}
    place.export(7.0, currency_conversion_rate=0.9)
    failed = place.build("damaged")
    assert "rate_is_positive_and_1_for_usd" in node(failed, "billing_cost_daily").message
    assert {name: place.rows(name) for name in place.tables()} == before
    assert set(place.published().values()) == {"good"}
    place.export(1.0)


def test_an_export_that_changes_while_it_is_read_is_not_published(place: Place) -> None:
    exports = place.world.folder / "exports"
    place.world.data(
        "mini", "update mini.x_meta_exports set export_ref = ?", f"{exports}/*.parquet"
    )
    late = exports / "z.parquet"
    failed = place.build("uploading", upload=str(exports))
    assert "the export changed while it was read" in node(failed, "billing_cost_daily").message
    assert str(late) in node(failed, "billing_cost_daily").message
    assert "uploading" not in place.published().values()
    status, *_ = place.results("uploading")["billing_cost_daily__error"]
    assert status == "SKIPPED", "nothing was proved"
    late.unlink()
    place.world.data(
        "mini", "update mini.x_meta_exports set export_ref = ?", f"{exports}/a.parquet"
    )


def test_what_a_proof_reports_is_at_most_8_kilobytes_and_has_samples(place: Place) -> None:
    wide = {
        "currency_conversion_rate": 0.0,
        "cost_type": 'a "quoted" type ' * 500,
        "transaction_type": "x" * 9_000,
        "usage_end_time": "2024-10-01 00:00:00+00",
        "invoice": {"month": "month", "publisher_type": "y" * 9_000},
        "adjustment_info": {"mode": "z" * 9_000, "type": "z" * 9_000},
    }
    rows = [charge(DAY, 1.0 + n, **wide) for n in range(50)]
    write_parquet(place.world.folder / "exports" / "a.parquet", rows)
    failed = place.build("wide")
    (text,) = re.findall("<failures>.*</failures>", node(failed, "billing_cost_daily").message)
    found = json.loads(text.removeprefix("<failures>").removesuffix("</failures>"))
    assert len(text) <= 8_192 and len(found) >= 7
    assert all(one["failing_rows"] == 50 and 1 <= len(one["samples"]) <= 5 for one in found)
    place.export(1.0)


def test_under_bare_dbt_a_proof_runs_once_more_as_a_test_and_is_counted_once(place: Place) -> None:
    assert place.build("runner", "--selector", "bill_run").success
    bare = place.build("bare", "--selector", "bill")
    assert bare.success, bare.error
    assert node(bare, "gcp_silver_cost_expectations").status == "pass"
    counted = [place.results(run)["gcp_silver_cost__error"][:3] for run in ("runner", "bare")]
    assert counted[0] == counted[1] == ("PASS", 2, 0)


def test_a_date_without_charges_is_published_with_no_rows(place: Place) -> None:
    outcome = place.worker.run(
        Job(
            "mini",
            (
                *("build", "--select", "billing_cost_daily", "gcp_silver_cost", "cost_daily"),
                *("--indirect-selection", "cautious"),
            ),
            {"date": "2024-11-03", "pipeline_logging_id": "empty"},
        )
    )
    assert outcome.success, outcome.error
    found = place.world.data(
        "mini",
        "select distinct row_count, net from mini.x_meta_publications"
        " where usage_date = '2024-11-03'"
        " and target_table in ('billing_cost_daily', 'gcp_silver_cost', 'cost_daily')",
    )
    assert found == [(0, "{}")]


def test_a_ledger_is_the_same_whether_it_reads_its_own_rows_or_not(place: Place) -> None:
    """DuckDB evaluates a model before its old rows are deleted, BigQuery after."""
    without = "exclude (recorded_at, previous_recorded_at)"
    ledger = f"select * {without} from mini.restatement_ledger order by all"
    assert place.build("once", "--select", "restatement_ledger").success
    once = place.world.data("mini", ledger)
    assert place.build("once", "--select", "restatement_ledger").success
    assert place.world.data("mini", ledger) == once


# -- The rules that hold over the project


@pytest.fixture(scope="module")
def manifest(place: Place) -> dict[str, Any]:
    target = place.world.folder / "parsed"
    parsed = place.world.dbt(
        *("parse", "--project-dir", str(place.world.folder / "project"), "--quiet"),
        *("--vars", "{tenant_id: mini}", "--target-path", str(target)),
        *("--profiles-dir", place.world.environ["DBT_PROFILES_DIR"]),
    )
    assert parsed.returncode == 0, parsed.stdout + parsed.stderr
    found: dict[str, Any] = json.loads((target / "manifest.json").read_text())
    return found


def dated(manifest: dict[str, Any]) -> dict[str, Any]:
    return {
        name: one
        for name, one in manifest["nodes"].items()
        if one["resource_type"] == "model"
        and one["config"]["materialized"] == "incremental"
        and one["config"]["meta"].get("slice_by")
        and one["config"]["incremental_strategy"] == "slice"
        and not one["name"].startswith(("own_wrong", "own_hooked"))
    }


def proofs(manifest: dict[str, Any]) -> list[Any]:
    """By the rule of macros/publish/is_proof.sql."""
    tables = dated(manifest)
    return [
        one
        for one in manifest["nodes"].values()
        if one["resource_type"] == "test"
        and one.get("test_metadata")
        and one["attached_node"] in tables
        and one["config"]["severity"].lower() == "error"
        and one["config"]["meta"].get("scope") != "all_dates"
        and one["config"]["error_if"] == "!= 0"
        and one["config"]["fail_calc"] in ("count(*)", "count(distinct expectation)")
    ]


def test_a_proof_refers_only_to_models_that_its_table_selects_from(
    manifest: dict[str, Any],
) -> None:
    found = proofs(manifest)
    assert {one["attached_node"] for one in found} == set(dated(manifest)), "each table has one"
    for test in found:
        table = test["attached_node"]
        reads = {table, *manifest["nodes"][table]["depends_on"]["nodes"]}
        assert set(test["depends_on"]["nodes"]) <= reads, test["name"]


def test_the_selector_leaves_out_the_proofs_and_nothing_else(
    place: Place, manifest: dict[str, Any]
) -> None:
    listed = place.world.dbt(
        *("ls", "--selector", "proofs", "--quiet", "--output", "name"),
        *("--project-dir", str(place.world.folder / "project")),
        *("--vars", "{tenant_id: mini}", "--target-path", str(place.world.folder / "parsed")),
        *("--profiles-dir", place.world.environ["DBT_PROFILES_DIR"]),
    )
    assert listed.returncode == 0, listed.stdout
    proved = {one["name"] for one in proofs(manifest)}
    assert sorted(listed.stdout.split()) == sorted(proved)
    assert not proved & NODES
    assert {one["name"] for one in manifest["nodes"].values()} >= NODES


def test_every_table_that_is_published_is_proved_and_reports_so_in_one_place(
    manifest: dict[str, Any],
) -> None:
    for name, table in dated(manifest).items():
        hooks = [hook["sql"] for hook in table["config"]["post-hook"]]
        assert "{{ publish_dates() }}" in hooks, name
