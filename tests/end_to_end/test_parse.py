"""Each tenant has its own parse: a complete one the first time, then only of what has changed."""

import json
from pathlib import Path

import pytest
from support import ROOT, environment_in, project_copy

from runner.engine.job import Job
from runner.engine.process import Worker
from runner.settings import Settings

MODEL = "select {} as number from {{{{ ref('gcp_silver_cost') }}}}"
COMPILE = ("compile", "--select", "own_model")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A project of the test's own, with a model that a test may change."""
    project = project_copy(tmp_path / "project")
    (project / "models" / "marts" / "own_model.sql").write_text(MODEL.format(1))
    (tmp_path / "warehouse").mkdir()
    own = {"RUNNER_TARGET_DIR": str(tmp_path / "target"), "PYTHONPATH": str(ROOT)}
    return Settings(project, None, {**environment_in(tmp_path), **own})


def test_a_warm_process_parses_what_changed_and_nothing_else_again(
    settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    model = settings.project_dir / "models" / "marts" / "own_model.sql"

    def compiled(worker: Worker, tenant: str, date: str, folder: str = "warehouse") -> str:
        environ = {"WAREHOUSE_DIR": str(tmp_path / folder)}
        outcome = worker.run(Job(tenant, COMPILE, {"date": date}, environ=environ))
        assert outcome.success, outcome.error
        return outcome.nodes[0].compiled_code or ""

    def parsed(tenant: str) -> int:
        reported = settings.dbt_target_dir / "tenants" / tenant / "local" / "perf_info.json"
        return int(json.loads(reported.read_text())["parsed_path_count"])

    with Worker(settings, tmp_path / "logs") as worker:
        assert 'from "tenant_one"."one"."gcp_silver_cost"' in compiled(worker, "one", "2024-11-01")
        assert parsed("one") > 100
        assert 'from "tenant_two"."two"."gcp_silver_cost"' in compiled(worker, "two", "2024-11-01")
        # Neither another tenant since, nor another date or folder of the warehouse.
        assert "select 1 as number" in compiled(worker, "one", "2024-11-02", "elsewhere")
        assert parsed("one") == 0
        model.write_text(MODEL.format(2))
        assert "select 2 as number" in compiled(worker, "one", "2024-11-02")
        assert 0 < parsed("one") < 5
    with Worker(settings, tmp_path / "logs") as another:
        compiled(another, "one", "2024-11-03")
        assert parsed("one") == 0


def test_a_project_that_cannot_be_parsed_is_an_outcome_and_the_process_goes_on(
    settings: Settings, tmp_path: Path
) -> None:
    model = settings.project_dir / "models" / "marts" / "own_model.sql"
    with Worker(settings, tmp_path / "logs") as worker:
        model.write_text("select {{ nothing_of_that_name() }}")
        outcome = worker.run(Job("one", COMPILE, {"date": "2024-11-01"}))
        assert not outcome.success and "nothing_of_that_name" in (outcome.error or "")
        model.write_text(MODEL.format(1))
        assert worker.run(Job("one", COMPILE, {"date": "2024-11-01"})).success
