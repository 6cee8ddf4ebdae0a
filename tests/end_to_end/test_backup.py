"""A warehouse is copied while a service runs and restored elsewhere: the same bill, to the nano."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from compiled_once import SYSTEM
from support import ROOT
from test_served import ADMIN_KEY, Server
from world import World

from runner.control import keys, spool
from runner.settings import Settings

BACKUP = ROOT / "dbt_project" / "examples" / "backup.py"
DEPLOYMENT = (ROOT / "dbt_project" / "docs" / "deployment.md").read_text()
RUN = "/api/v1/pipelines/run/mini/gcp/cost/cost_billing"
TABLES = ("billing_cost_daily", "gcp_silver_cost", "cost_daily")


def backed_up(world: World, folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, BACKUP, world.warehouse, world.environ["RUNNER_LOG_DIR"], folder],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def shown(beginning: str) -> list[str]:
    """The one block of deployment.md that begins so, without its comments."""
    blocks = [block for block in re.findall(r"\n\n((?: {4}.*\n)+)", DEPLOYMENT)]
    (lines,) = [block.splitlines() for block in blocks if block.startswith(f"    {beginning}")]
    return [line.partition("  #")[0].strip() for line in lines]


def in_shell(folder: Path, *lines: str) -> None:
    """Lines of deployment.md in a shell, with the test's folders in place of its own."""
    programs = folder / "bin"
    programs.mkdir(exist_ok=True)
    for name, words in (("runner", "-m runner "), ("python", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec {sys.executable} {words}"$@"\n')
        (programs / name).chmod(0o755)
    script = "\n".join(lines).replace("/srv/billing", str(folder / "billing"))
    done = subprocess.run(
        ["sh", "-ec", script.replace("/backup/2024-11-01", str(folder / "backup"))],
        env={
            **SYSTEM,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(folder),
        },
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def restored(tmp_path: Path, world: World) -> World:
    """The copy in another place, on the same export."""
    there = World(tmp_path, {**world.environ, "WAREHOUSE_DIR": f"{tmp_path}/billing/warehouse"})
    there.environ["RUNNER_LOG_DIR"] = f"{tmp_path}/billing/logs"
    return there


def back(words: list[str | Path]) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, BACKUP, *words], capture_output=True, text=True, check=False
    )


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
    assert copying.stdout and "tenants: 1, files of the spool: 0." in copying.stdout.read()
    *makes_it, catches_up, checks_all = shown("runner init /srv/billing")
    in_shell(tmp_path, *makes_it)
    world = restored(tmp_path, served)
    listed = json.loads(world("tenant", "list", "--json").stdout)
    assert [row["id"] for row in listed] == ["mini"], "not the demo tenant of `init`"
    assert [catches_up, checks_all] == ["runner catch-up --all-tenants", "runner doctor"]
    for table in TABLES:
        assert world.rows("mini", table) == served.rows("mini", table), table
    (caught_up,) = json.loads(world(*shlex.split(catches_up)[1:], "--json").stdout)["tenants"]
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
    world = restored(tmp_path, original)
    to: list[str | Path] = [world.warehouse, world.environ["RUNNER_LOG_DIR"]]
    done = back(["--restore", tmp_path / "backup", *to])
    assert done.returncode == 0 and "tenants: 1, files of the spool: 1." in done.stdout, done.stderr
    assert spool.waiting(Settings(ROOT, None, world.environ))[0].name == entry.name
    assert world.control(asked) == [(1,)]
    assert world("tenant", "list").exit_code == 0
    assert world.control(asked) == [(0,)]
    assert original.control(asked) == [(1,)] and entry.exists()


def test_a_restore_in_place_keeps_what_was_there_and_the_next_is_refused(
    mini: World, tmp_path: Path
) -> None:
    world = mini.copy(tmp_path / "world")
    logs = Path(world.environ["RUNNER_LOG_DIR"])
    places: list[str | Path] = [world.warehouse, logs]
    assert back([*places, tmp_path / "backup"]).returncode == 0
    (logs / "spool").mkdir(parents=True, exist_ok=True)
    (logs / "spool" / "newer").touch()
    (world.warehouse / "newer").touch()
    done = back(["--restore", tmp_path / "backup", *places])
    assert done.returncode == 0, done.stderr
    kept = world.warehouse.with_name(f"{world.warehouse.name}.old")
    assert (kept / "newer").exists() and (logs / "spool.old" / "newer").exists()
    assert not (world.warehouse / "newer").exists() and not (logs / "spool").exists()
    assert world("tenant", "show", "mini").exit_code == 0
    for words, problem in (
        (["--restore", tmp_path / "backup", *places], f"{kept} exists: move or delete it first.\n"),
        ([*places, tmp_path / "backup"], "warehouse exists: name a folder that does not"),
        (["--restore", tmp_path, *places], "has no file complete.txt: name the folder"),
        ([logs, logs, tmp_path / "other"], "has no control.db: name the folder"),
        (places, "python backup.py WAREHOUSE_DIR RUNNER_LOG_DIR FOLDER"),
    ):
        refused = back([*words])
        assert refused.returncode == 1 and problem in refused.stderr, refused.stderr
    assert not (tmp_path / "other").exists()
