"""The child process in which dbt works: its events, its end, and an unplanned end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from support import DBT_TARGET, environment_in

from runner.engine.job import Event, Job, Outcome
from runner.engine.process import Worker
from runner.settings import Settings

NODE = (
    '{"unique_id": "model.p.a", "name": "a", "type": "model", "status": "error",'
    ' "message": "broke", "failures": null, "severity": "", "rows": 3, "bytes_processed": null,'
    ' "bytes_billed": null, "job_id": null, "started_at": "2024-11-01T00:00:00",'
    ' "completed_at": "2024-11-01T00:00:01"}'
)


@pytest.fixture
def child(tmp_path: Path):
    """Runs a job in a child that does what the given lines of Python do, in place of dbt."""
    package = tmp_path / "project" / "runner"
    (package / "engine").mkdir(parents=True)
    for folder in (package, package / "engine"):
        (folder / "__init__.py").touch()

    def run(body: str, timeout: float = 10) -> tuple[Outcome, list[Event]]:
        (package / "engine" / "worker.py").write_text(
            f"import json, os, sys, time\njob = json.loads(sys.stdin.readline())\n{body}\n"
        )
        events: list[Event] = []
        settings = Settings(tmp_path / "project", None, environment_in(tmp_path))
        with Worker(settings, tmp_path / "logs" / "run") as worker:
            outcome = worker.run(Job("acme", ("build",), {"a": "b"}), events.append, timeout)
        return outcome, events

    return run


def test_a_good_end_is_reported(child) -> None:
    outcome, _ = child('print(\'{"event": "result", "success": true, "error": null}\')')
    assert outcome == Outcome(True, None, ())


def test_events_are_passed_on_in_order(child) -> None:
    _, events = child(
        'print(\'{"event": "planned", "nodes": 2}\')\n'
        'print(\'{"event": "started", "unique_id": "model.p.a", "name": "a", "type": "model",'
        ' "status": "started"}\')\n'
        'print(\'{"event": "result", "success": true, "error": null, "nodes": []}\')'
    )
    assert events == [
        Event("planned", nodes=2),
        Event("started", "model.p.a", "a", "model", "started"),
    ]


def test_a_failed_node_is_the_error_when_dbt_names_none(child) -> None:
    outcome, _ = child(
        f'print(\'{{"event": "result", "success": false, "error": null, "nodes": [{NODE}]}}\')'
    )
    assert (outcome.success, outcome.error) == (False, "a: broke")
    assert outcome.failed_node is not None and outcome.failed_node.rows == 3


def test_a_failure_without_a_word_is_still_an_error(child) -> None:
    outcome, _ = child('print(\'{"event": "result", "success": false, "error": null}\')')
    assert not outcome.success and "without a message" in outcome.error


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_child_that_is_killed_is_an_outcome_that_names_the_signal(child, number: int) -> None:
    outcome, _ = child(f"os.kill(os.getpid(), {int(number)})")
    assert not outcome.success and f"killed by {signal.Signals(number).name}" in outcome.error


def test_a_child_that_is_killed_in_the_midst_of_a_line_is_an_outcome(child) -> None:
    outcome, _ = child(
        'sys.stdout.write(\'{"event": "resu\'); sys.stdout.flush()\nos.kill(os.getpid(), 9)'
    )
    assert not outcome.success and "SIGKILL (out of memory?)" in outcome.error


def test_a_child_that_ends_early_is_an_outcome_that_names_its_log(child) -> None:
    outcome, _ = child("print('some reason', file=sys.stderr)\nsys.exit(7)")
    assert not outcome.success and "exit code 7" in outcome.error
    log = Path(outcome.error.split("see ")[1])
    assert "some reason" in log.read_text()


def test_a_child_that_was_dead_before_the_job_is_an_outcome(child) -> None:
    outcome, _ = child("")
    assert not outcome.success and "exit code 0" in outcome.error


def test_a_timeout_is_a_failure_and_ends_the_child(child) -> None:
    """A timeout of the predecessor was reported as success."""
    before = set(psutil.Process().children(recursive=True))
    began = time.monotonic()
    outcome, _ = child("time.sleep(60)", timeout=0.6)
    assert not outcome.success and "timed out" in outcome.error
    assert time.monotonic() - began < 10
    assert set(psutil.Process().children(recursive=True)) <= before


def test_a_child_that_keeps_talking_is_timed_out_too(child) -> None:
    talk = 'print(\'{"event": "planned", "nodes": 2}\', flush=True)'
    outcome, _ = child(f"while True:\n    {talk}\n    time.sleep(0.05)", timeout=0.6)
    assert not outcome.success and "timed out" in outcome.error


def test_the_child_gets_the_tenant_the_vars_and_paths_of_its_own(child) -> None:
    outcome, _ = child(
        'print(json.dumps({"event": "result", "success": False, "error": json.dumps(job)}))'
    )
    assert '"tenant_id": "acme"' in outcome.error and '"vars": {"a": "b"}' in outcome.error
    assert str(DBT_TARGET / "tenants" / "acme") in outcome.error


def test_the_worker_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    """Else a killed runner leaves a dbt that holds the tenant's file and goes on writing."""
    script = (
        "import os, sys, time\nfrom pathlib import Path\n"
        "from runner.engine.process import Worker\nfrom runner.settings import Settings\n"
        "w = Worker(Settings(Path(sys.argv[1]), None, dict(os.environ)), Path(sys.argv[2]))\n"
        "print(w._process.pid, flush=True)\ntime.sleep(60)\n"
    )
    environ = {**os.environ, **environment_in(tmp_path)}
    parent = subprocess.Popen(
        [sys.executable, "-c", script, environ["RUNNER_PROJECT_DIR"], str(tmp_path / "log")],
        stdout=subprocess.PIPE,
        env=environ,
    )
    assert parent.stdout
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.wait()
    child.wait(timeout=15)
    assert not child.is_running()
