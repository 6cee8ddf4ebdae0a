"""What changes only with the project is built and compared when the project changed; what stays of
a tenant that is removed."""

import re
import subprocess
from pathlib import Path

import pytest
from support import ROOT, project_copy
from world import World

DAY = "2024-11-01"
RUN = ("run", "--tenant", "mini", "--date", DAY)


@pytest.fixture
def mine(mini: World, tmp_path: Path) -> World:
    return mini.copy(tmp_path)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return project_copy(tmp_path / "project")


def built(world: World) -> dict[str, str]:
    """Names of what dbt did in the newest run, with their kinds."""
    return dict(
        world.control(
            "select step_name, step_type from mini.x_meta_step_logs where step_id like '%.%'"
            " and pipeline_logging_id = ("
            "select pipeline_logging_id from mini.x_meta_pipeline_runs"
            " order by start_time desc limit 1)"
        )
    )


def newest_hash(world: World) -> str | None:
    (row,) = world.data(
        "mini",
        "select project_hash from mini.x_meta_deployments order by deployed_at desc limit 1",
    )
    return None if row[0] is None else str(row[0])


def test_the_same_project_is_deployed_once(mine: World) -> None:
    deployed = newest_hash(mine)
    assert deployed
    bare = "select table_name, column_name from duckdb_columns() where schema_name = 'mini'"
    assert mine.data("mini", f"{bare} and comment is null") == []
    mine.data("mini", "comment on column mini.gcp_silver_cost.currency is 'by hand'")
    mine.run("mini", DAY)
    assert mine.data("mini", f"{bare} and comment is null") == []
    kept = mine.data("mini", f"{bare} and comment = 'by hand'")
    assert kept == [("gcp_silver_cost", "currency")], "comments are written by a deployment only"
    steps = built(mine)
    models = {name for name, kind in steps.items() if kind == "model"}
    assert "stg_gcp_billing__export" in models and "gcp_silver_cost" in models
    assert not models & {"usage_calendar", "cost_movers", "x_meta_exports"}
    assert "seed" not in steps.values()
    assert "cost_movers_expectations" in steps, "its rows are new, so they are tested"
    assert len(steps) <= 60
    assert newest_hash(mine) == deployed


def test_after_bare_dbt_built_a_view_the_next_run_builds_all_again(mine: World) -> None:
    deployed = newest_hash(mine)
    done = mine.dbt("run", "--select", "usage_calendar", "--vars", "{tenant_id: mini}")
    assert done.returncode == 0 and newest_hash(mine) is None, done.stdout
    mine.run("mini", DAY)
    assert {"usage_calendar", "budgets", "x_meta_exports"} <= set(built(mine))
    assert newest_hash(mine) == deployed


def test_repair_has_the_next_run_build_all_again(mine: World) -> None:
    answer = mine("tenant", "repair", "mini")
    assert answer.exit_code == 0 and newest_hash(mine) is None, answer.output


def test_a_changed_view_and_a_changed_seed_are_built_by_the_next_run(
    mine: World, project: Path
) -> None:
    view = next(project.rglob("usage_calendar.sql"))
    text = view.read_text()
    view.write_text(text + "\nwhere {{ date_in_slice('usage_date') }}\n")
    wrong = mine.cli(*RUN, "--project-dir", str(project))
    assert wrong.returncode == 1 and newest_hash(mine) is None
    assert "The view usage_calendar uses the dates of a call" in wrong.stderr + wrong.stdout

    view.write_text(f"select * from (\n{text}\n) as days where 'of this test' <> ''\n")
    budgets = project / "dbt_project" / "seeds" / "budgets.csv"
    with budgets.open("a") as file:
        file.write("mini,202411,all,,USD,5\n")
    right = mine.cli(*RUN, "--project-dir", str(project))
    assert right.returncode == 0, right.stderr + right.stdout
    (sql,) = mine.data("mini", "select sql from duckdb_views() where view_name = 'usage_calendar'")
    assert "of this test" in sql[0]
    assert mine.data("mini", "select count(*) from mini.budgets") == [(1,)]
    deployed = newest_hash(mine)
    assert deployed
    mine.run("mini", DAY)
    assert "usage_calendar" in built(mine) and newest_hash(mine) != deployed


def test_selector_and_macro_name_the_same_nodes(mine: World) -> None:
    """Of the default selector's nodes: the runner leaves out what hooks count as deployed."""
    listed = mine.dbt(
        *("ls", "--quiet", "--selector", "deployed_once", "--output", "name"),
        *("--resource-type", "model", "seed", "--vars", "{tenant_id: mini}"),
    )
    inline = (
        "{% for node in graph.nodes.values() if is_deployed_once(node) %}"
        "deployed: {{ node.name }}\n{% endfor %}"
    )
    compiled = mine.dbt("compile", "--quiet", "--inline", inline, "--vars", "{tenant_id: mini}")
    by_macro = {
        line.split()[1] for line in compiled.stdout.splitlines() if line.startswith("deployed: ")
    }
    assert by_macro and set(listed.stdout.split()) == by_macro, listed.stdout + compiled.stdout


def test_a_changed_contract_is_held_against_the_model(mine: World, project: Path) -> None:
    yaml = project / "models" / "marts" / "cost" / "_cost.yml"
    yaml.write_text(yaml.read_text().replace("data_type: bigint", "data_type: string", 1))
    wrong = mine.cli(*RUN, "--project-dir", str(project))
    assert wrong.returncode == 1 and newest_hash(mine) is None
    assert "enforced contract that failed" in wrong.stderr + wrong.stdout


def test_only_what_reads_the_export_is_compared_with_its_contract_in_every_run(mine: World) -> None:
    inline = (
        "{% for node in graph.nodes.values()"
        " if is_dated(node) and not reads_only_contracts(node.unique_id) %}"
        "compared: {{ node.name }}\n{% endfor %}"
    )
    compiled = mine.dbt("compile", "--quiet", "--inline", inline, "--vars", "{tenant_id: mini}")
    compared = {
        line.split()[1] for line in compiled.stdout.splitlines() if line.startswith("compared: ")
    }
    assert compared == {"billing_cost_daily", "export_landing"}, compiled.stdout


def test_of_a_removed_tenant_the_lines_of_deployment_delete_the_logs_and_no_other_tenants(
    mine: World,
) -> None:
    mine.run("mini", DAY)
    runs = mine.folder / "logs" / "runs"
    (runs / "other").mkdir()
    (runs / "other" / "run.jsonl").write_text('{"tenant_id": "other"}\n')
    assert mine("tenant", "remove", "mini", "--yes").exit_code == 0
    (run,) = [path for path in runs.glob("*/run.jsonl") if "mini" in path.read_text()]
    text = (ROOT / "dbt_project" / "docs" / "deployment.md").read_text()
    (lines,) = re.findall(r"\n\n((?: {4}.*\n)*    grep -ls .*\n(?: {4}.*\n)*)", text)
    assert lines.count("acme") == 3 and len(lines.splitlines()) == 3
    (mine.folder / "target" / "tenants" / "mini").mkdir(parents=True)
    script = lines.replace("acme", "mini")
    subprocess.run(["sh", "-ec", script], cwd=mine.folder, check=True)
    assert not run.parent.exists() and (runs / "other").exists()
    left = {path.name for path in (mine.folder / "logs").rglob("*") if path.is_file()}
    assert left == {"run.jsonl", "runner.lock"}
    assert not (mine.folder / "target" / "tenants" / "mini").exists()
    again = subprocess.run(["sh", "-ec", script], cwd=mine.folder, capture_output=True)
    assert (again.returncode, again.stdout, again.stderr) == (0, b"", b""), "nothing is left of it"
