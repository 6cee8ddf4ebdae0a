"""dbt v2 driven by its executable: what it tells becomes the answers that a Worker gives.

The executable is a script here; tests/end_to_end runs the real one where RUNNER_DBT names it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
from support import ROOT, environment_in

from runner import doctor_engine
from runner.check import FAIL
from runner.engine_v2 import Executable
from runner.errors import UsageProblem
from runner.invoke import Event, Job, Outcome, Worker, engine
from runner.settings import Settings
from runner.story import sentence

BEGIN = """
import json, os, sys, time
from pathlib import Path
target = Path(sys.argv[sys.argv.index("--target-path") + 1])
def say(name, level="info", msg="", **data):
    info = {"name": name, "level": level, "msg": msg}
    print(json.dumps({"info": info, "data": data}), flush=True)
def node(name, status, type="model"):
    return {"unique_id": f"{type}.p.{name}", "node_name": name, "resource_type": type,
            "node_status": status, "node_started_at": "2024-11-01T00:00:00.123456789Z"}
say("MainReportVersion", version="=2.0.0-alpha.4")
"""
Run = Callable[..., tuple[Outcome, list[Event]]]


def settings_for(folder: Path, program: Path | str) -> Settings:
    own = {"RUNNER_TARGET_DIR": str(folder / "target"), "RUNNER_DBT": str(program)}
    return Settings(ROOT, None, {**environment_in(folder), **own})


def script(path: Path, body: str) -> Path:
    path.write_text(f"#!{sys.executable}\n{body}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def dbt(tmp_path: Path) -> Run:
    """Runs a job with an executable that does what the given lines of Python say."""

    def run(body: str, **named: Any) -> tuple[Outcome, list[Event]]:
        events: list[Event] = []
        settings = settings_for(tmp_path, script(tmp_path / "dbt", BEGIN + body))
        with engine(settings, tmp_path / "logs" / "run") as it:
            assert isinstance(it, Executable)
            outcome = it.run(Job("acme", ("build",), {"a": "b"}), events.append, **named)
        assert not list((tmp_path / "target").iterdir()), "no artefact is left behind"
        return outcome, events

    return run


def test_without_runner_dbt_the_engine_is_our_own_child(tmp_path: Path) -> None:
    environ = {**environment_in(tmp_path), "RUNNER_DBT": ""}
    with engine(Settings(ROOT, None, environ), tmp_path / "log") as it:
        assert isinstance(it, Worker)


def test_nodes_and_hooks_are_told_and_answered_as_dbt_core_would(dbt: Run) -> None:
    outcome, events = dbt("""
say("NodeStart", node_info=node("t", "started", "test"))
say("NodeFinished", node_info=node("t", "warn", "test"))
say("LogHookStartLine", node_info=node("h", "started", "operation"))
say("LogHookEndLine", node_info=node("h", "success", "operation"))
result = {"unique_id": "test.p.t", "status": "warn", "message": "Warn", "failures": 2,
          "timing": []}
(target / "run_results.json").write_text(json.dumps({"results": [result]}))
test = {"config": {"severity": "WARN", "warn_if": "!= 0"}}
(target / "manifest.json").write_text(json.dumps({"nodes": {"test.p.t": test}}))
""")
    assert [(event.kind, event.name, event.type, event.status) for event in events] == [
        ("started", "t", "test", "started"),
        ("finished", "t", "test", "warn"),
        ("started", "h", "operation", "started"),
        ("finished", "h", "operation", "success"),
    ]
    assert (outcome.success, outcome.error) == (True, None)
    test, hook = outcome.nodes
    assert test.message == "Got 2 results, configured to warn if != 0"
    assert (test.severity, test.failures, test.failed) == ("warn", 2, False)
    assert test.started_at is not None and test.started_at.isoformat() == (
        "2024-11-01T00:00:00.123456+00:00"
    )
    assert (hook.name, hook.type, hook.status) == ("h", "operation", "success")


def test_a_failed_node_is_the_error_in_one_sentence(dbt: Run) -> None:
    outcome, _ = dbt("""
say("Generic", "error", "[error] [X (dbt1)]: Database Error in model a (a.sql)\\n"
    "  Catalog Error: no\\n  table\\n  (in run/a.sql:1:1)\\n   0: <unknown>",
    node_info=node("a", "error"))
say("NodeFinished", node_info=node("a", "error"))
result = {"unique_id": "model.p.a", "status": "error", "message": "whatever", "timing": []}
(target / "run_results.json").write_text(json.dumps({"results": [result]}))
sys.exit(1)
""")
    assert (outcome.success, outcome.error) == (False, "a: Catalog Error: no table")
    assert outcome.failed_node is not None and outcome.failed_node.name == "a"


def test_a_failed_hook_has_the_error_that_is_of_no_node(dbt: Run) -> None:
    outcome, _ = dbt("""
say("Generic", "error", "[error] [X (dbt1)]: no such table")
say("NodeFinished", node_info=node("a", "success"))
say("LogHookEndLine", node_info=node("h", "error", "operation"))
result = {"unique_id": "model.p.a", "status": "error", "message": "Compilation Error"}
(target / "run_results.json").write_text(json.dumps({"results": [result]}))
sys.exit(1)
""")
    assert outcome.error == "h: no such table"
    assert [node.status for node in outcome.nodes] == ["success", "error"]


def test_an_error_of_no_node_is_told(dbt: Run) -> None:
    outcome, _ = dbt("""
say("Generic", "error", "[error] [SelectorError (dbt1600)]: Unknown selector `x`\\n   0: <unknown>")
sys.exit(1)
""")
    assert outcome == Outcome(False, "Unknown selector `x`")


def test_a_failure_without_a_word_is_still_an_error(dbt: Run) -> None:
    outcome, _ = dbt("sys.exit(2)")
    assert not outcome.success and "without saying why" in (outcome.error or "")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_a_process_that_is_killed_is_an_outcome_that_names_the_signal(
    dbt: Run, number: int
) -> None:
    outcome, _ = dbt(f"os.kill(os.getpid(), {int(number)})")
    assert f"killed by {signal.Signals(number).name}" in (outcome.error or "")


def test_a_program_that_is_no_dbt_is_an_outcome_that_names_its_log(tmp_path: Path) -> None:
    program = script(tmp_path / "dbt", "import sys\nsys.exit('what is that')")
    with engine(settings_for(tmp_path, program), tmp_path / "log") as it:
        outcome = it.run(Job("acme", ("build",)))
    assert "exit code 1" in (outcome.error or "")
    assert "what is that" in Path((outcome.error or "").split("see ")[1]).read_text()


def test_dbt_v1_is_refused_before_it_does_anything(dbt: Run) -> None:
    outcome, _ = dbt('say("MainReportVersion", version="=1.11.16")\ntime.sleep(60)')
    assert outcome == Outcome(False, "RUNNER_DBT names dbt 1.11.16, not dbt v2: unset it.")


@pytest.mark.parametrize(
    "body", ["time.sleep(60)", "while True:\n    say('x')\n    time.sleep(.05)"]
)
def test_a_timeout_is_a_failure_and_ends_the_process(dbt: Run, body: str) -> None:
    before, began = set(psutil.Process().children(recursive=True)), time.monotonic()
    outcome, _ = dbt(body, timeout=0.6)
    assert not outcome.success and "timed out" in (outcome.error or "")
    assert time.monotonic() - began < 10
    assert set(psutil.Process().children(recursive=True)) <= before


def test_what_a_tick_raises_ends_the_process(dbt: Run) -> None:
    def stop() -> None:
        raise UsageProblem("closed elsewhere")

    before = set(psutil.Process().children(recursive=True))
    with pytest.raises(UsageProblem):
        dbt("time.sleep(60)", on_tick=stop, tick_seconds=0.1)
    assert set(psutil.Process().children(recursive=True)) <= before


def test_a_file_that_another_program_has_open_is_waited_for(dbt: Run, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    outcome, _ = dbt(f"""
if not os.path.exists({str(seen)!r}):
    open({str(seen)!r}, "w").close()
    say("Generic", "error", "[error] [X (dbt1)]: IO Error: Could not set lock on file x")
    sys.exit(1)
""")
    assert outcome == Outcome(True, None)


def test_the_process_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    program = script(
        tmp_path / "dbt",
        f"import os, time\nopen({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\n"
        "time.sleep(60)",
    )
    code = (
        "import os\nfrom pathlib import Path\n"
        "from runner.invoke import Job, engine\nfrom runner.settings import Settings\n"
        f"s = Settings(Path({str(ROOT)!r}), None, dict(os.environ))\n"
        f"engine(s, Path({str(tmp_path / 'log')!r})).run(Job('acme', ('build',)))\n"
    )
    environ = {**os.environ, **settings_for(tmp_path, program).environ}
    parent = subprocess.Popen([sys.executable, "-c", code], env=environ, cwd=ROOT)
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        time.sleep(0.05)
    child = psutil.Process(int((tmp_path / "pid").read_text()))
    parent.kill()
    parent.wait()
    child.wait(timeout=15)
    assert not child.is_running()


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (
            "[error] [JinjaError (dbt1501)]: Failed to render SQL invalid operation: Compilation"
            " Error for model.p.a from models/a.sql: The date is missing.\n(in models/a.sql:1:1)",
            "The date is missing.",
        ),
        (
            "[error] [JinjaError (dbt1501)]: Failed to run operation invalid operation: Compilation"
            " Error: The export lacks: x.\n(in :4:26)\n  --> a.sql:1:1\n   0: <unknown>",
            "The export lacks: x.",
        ),
        ("[error] [D (dbt1308)]: IO Error: No files found\n(in :4:26)", "IO Error: No files found"),
        ("plain", "plain"),
    ],
)
def test_an_error_is_told_without_what_dbt_wraps_it_in(told: str, said: str) -> None:
    assert sentence(told) == said


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("/nope/dbt", "is no program"),
        ("true", "is no dbt"),
        ("print('Core:\\n  - installed: 1.11.16')", "is dbt 1.11.16, not dbt v2"),
        ("import sys; sys.exit(3)", "is no dbt"),
    ],
)
def test_the_doctor_tells_of_an_executable_that_does_not_fit(
    tmp_path: Path, program: str, told: str
) -> None:
    if " " in program:
        program = str(script(tmp_path / "dbt", program))
    settings = settings_for(tmp_path, program)
    status, detail, remedy = doctor_engine.fitness(settings)
    assert (status, remedy) == (FAIL, "unset RUNNER_DBT") and told in detail


def test_the_doctor_tells_why_an_executable_cannot_open_the_warehouse(tmp_path: Path) -> None:
    body = BEGIN.replace('target = Path(sys.argv[sys.argv.index("--target-path") + 1])', "")
    body = 'import sys\nif "--version" in sys.argv: sys.exit(print("dbt-core 2.0.0"))\n' + body
    wrong = json.dumps("[error] [X (dbt1)]: Failed to load `duckdb` driver")
    program = script(tmp_path / "dbt", f"{body}\nsay('Generic', 'error', {wrong})\nsys.exit(1)")
    status, detail, remedy = doctor_engine.fitness(settings_for(tmp_path, program))
    assert status == FAIL and "Failed to load `duckdb` driver" in detail
    assert remedy is not None and "setup_v2.sh" in remedy
