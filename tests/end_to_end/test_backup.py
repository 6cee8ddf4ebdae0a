"""A warehouse is copied while a service runs and restored elsewhere: the same bill, to the nano."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import ROOT
from test_served import ADMIN_KEY, Server
from world import World

from runner.control import keys, spool
from runner.settings import Settings

BACKUP = ROOT / "dbt_project" / "examples" / "backup.py"
RUN = "/api/v1/pipelines/run/mini/gcp/cost/cost_billing"
TABLES = ("billing_cost_daily", "gcp_silver_cost", "cost_daily")


def backed_up(world: World, folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, BACKUP, world.warehouse, world.environ["RUNNER_LOG_DIR"], folder],
        stderr=subprocess.PIPE,
        text=True,
    )


def restored(folder: Path, tmp_path: Path, world: World) -> World:
    """The copy in another place, on the same export."""
    there = World(folder, {**world.environ, "WAREHOUSE_DIR": str(tmp_path / "elsewhere")})
    there.environ["RUNNER_LOG_DIR"] = str(tmp_path / "other-logs")
    (folder / "warehouse").rename(there.warehouse)
    if (folder / "logs").exists():
        (folder / "logs").rename(there.environ["RUNNER_LOG_DIR"])
    return there


def checks(world: World, *names: str) -> dict[str, Any]:
    answer = world("doctor", "--tenant", "mini", "--json")
    found = {one["name"]: one for one in json.loads(answer.stdout)["checks"]}
    return {name: found[name]["status"] for name in names}


@pytest.fixture
def served(mini: World, tmp_path: Path) -> World:
    world = mini.copy(tmp_path / "world")
    world.environ[keys.ADMIN_HASH] = keys.hash_of(ADMIN_KEY)
    return world


def test_a_copy_made_while_a_service_runs_is_restored_elsewhere_and_reconciles(
    served: World, tmp_path: Path
) -> None:
    """The copy begins while a run of the service loads a fourth date, and waits for its end."""
    service = Server(served.environ)
    try:
        body = {"date": "2024-11-03", "trigger_by": "backup"}
        status, run = service.call("POST", RUN, body, ADMIN_KEY)
        assert status == 202, run
        copying = backed_up(served, tmp_path / "backup")
        found = f"/api/v1/pipelines/runs/{run['pipeline_logging_id']}"
        ended = service.until(lambda: service.call("GET", found, key=ADMIN_KEY)[1], "COMPLETED")
        assert copying.wait(120) == 0, copying.stderr and copying.stderr.read()
    finally:
        service.stop()
    world = restored(tmp_path / "backup", tmp_path, served)
    for table in TABLES:
        assert world.rows("mini", table) == served.rows("mini", table), table
    caught_up = json.loads(world("catch-up", "--tenant", "mini", "--json").stdout)
    failed = [one["run_date"] for one in caught_up["runs"] if one["status"] != "COMPLETED"]
    assert failed == ["2024-11-04"], "its rows never passed their tests"
    for table in TABLES:
        assert world.rows("mini", table) == served.rows("mini", table), table
    assert checks(world, "warehouse", "tables", "data", "layers", "runs") == {
        name: "ok" for name in ("warehouse", "tables", "data", "layers", "runs")
    }
    # What was under way when the control tables were copied is closed; every other run is the same.
    asked = "select pipeline_logging_id, status from mini.x_meta_pipeline_runs"
    before, after = dict(served.control(asked)), dict(world.control(asked))
    different = {one for one in before if after.get(one) != before[one]}
    assert different <= {ended["pipeline_logging_id"]} and len(before) > 1
    assert set(after.values()) <= {"COMPLETED", "FAILED"}


def test_records_that_wait_on_disk_are_copied_and_written_after_the_restore(
    mini: World, tmp_path: Path
) -> None:
    original = mini.copy(tmp_path / "world")
    ((step,), *_) = original.control("select step_logging_id from mini.x_meta_step_logs")
    asked = f"select count(*) from mini.x_meta_step_logs where step_logging_id = '{step}'"
    settings = Settings(ROOT, None, original.environ)
    entry = spool.keep(settings, "mini", (("DROP_STEPS", 1),), {"step_logging_id_0": step})
    copying = backed_up(original, tmp_path / "backup")
    assert copying.wait(60) == 0, copying.stderr and copying.stderr.read()
    world = restored(tmp_path / "backup", tmp_path, original)
    assert spool.waiting(Settings(ROOT, None, world.environ))[0].name == entry.name
    assert world.control(asked) == [(1,)]
    assert world("tenant", "list").exit_code == 0
    assert world.control(asked) == [(0,)]
    assert original.control(asked) == [(1,)] and entry.exists()
