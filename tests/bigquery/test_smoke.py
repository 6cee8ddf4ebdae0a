"""`make smoke-bigquery`: one call, which fails when one of its steps does, and leaves no tenant."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support import ROOT

SMOKE = ROOT / "tests" / "bigquery" / "smoke.sh"
NAMES = ("profile", "clock", "time zone", "quota", "credentials", "pruning")
CHECKS = [
    {"name": name, "status": "ok", "detail": "as it should be", "remedy": None}
    for name in (*NAMES, "partitions", "permissions", "data")
]
RUNS = [{"rows": 7, "totals": [{"currency": "USD", "net": "1.5"}]}] * 2
# Stands for the runner: notes each command, and answers with what the test wrote.
STAND_IN = """#!/usr/bin/env bash
echo "$@" >>"$ANSWERS/commands"
case "$*" in
    doctor*) cat "$ANSWERS/doctor" ;;
    run*--json) cat "$ANSWERS/run.$(grep -c -e "^run.*--json" "$ANSWERS/commands")" ;;
esac
"""


@pytest.fixture
def smoke(tmp_path: Path) -> Any:
    """The script with a runner that answers so: its outcome, and the commands that it gave."""

    def run(
        checks: list[dict[str, Any]], runs: list[dict[str, Any]]
    ) -> tuple[subprocess.CompletedProcess[str], list[str]]:
        runner = tmp_path / "runner"
        runner.write_text(STAND_IN)
        runner.chmod(runner.stat().st_mode | stat.S_IXUSR)
        (tmp_path / "doctor").write_text(json.dumps({"ok": True, "checks": checks}))
        for n, one in enumerate(runs, 1):
            (tmp_path / f"run.{n}").write_text(json.dumps(one))
        given = {"RUNNER": str(runner), "PYTHON": sys.executable, "ANSWERS": str(tmp_path)}
        command = ["bash", str(SMOKE), "p", "p.d.t", "01ECB7-6EE0BA-7357F1", "2024-11-01"]
        # A project folder of its own: the script makes a profile where there is none.
        folder = tmp_path / "project" / "tests" / "bigquery"
        folder.mkdir(parents=True)
        (folder / "smoke.sh").write_text(SMOKE.read_text())
        (tmp_path / "project" / "profiles.yml").write_text("")
        command[1] = str(folder / "smoke.sh")
        done = subprocess.run(command, env={**os.environ, **given}, capture_output=True, text=True)
        return done, (tmp_path / "commands").read_text().splitlines()

    return run


def test_one_call_makes_the_first_days_checks_and_removes_its_tenant(smoke: Any) -> None:
    done, commands = smoke(CHECKS, RUNS)
    assert done.returncode == 0, done.stderr
    assert "smoke test passed" in done.stdout and "ok    time zone: as it should be" in done.stdout
    assert [" ".join(line.split()[:2]) for line in commands] == [
        *("tenant add", "doctor --tenant", "run --tenant", "run --tenant", "run --tenant"),
        *("catch-up --tenant", "quota --tenant", "doctor --tenant", "tenant remove"),
    ]


@pytest.mark.parametrize(
    ("checks", "runs", "words"),
    [
        (CHECKS[1:], RUNS, "doctor has no check 'profile'"),
        ([{**CHECKS[0], "status": "fail", "remedy": "export X"}, *CHECKS[1:]], RUNS, "export X"),
        (CHECKS, [{**RUNS[0], "rows": 0}] * 2, "no usage for this date"),
        (CHECKS, [RUNS[0], {**RUNS[0], "rows": 8}], "AssertionError"),
    ],
)
def test_whatever_fails_fails_the_call_and_its_tenant_is_removed_all_the_same(
    smoke: Any, checks: list[dict[str, Any]], runs: list[dict[str, Any]], words: str
) -> None:
    done, commands = smoke(checks, runs)
    assert done.returncode != 0 and words in done.stderr, done.stderr
    assert "passed" not in done.stdout and commands[-1].startswith("tenant remove smoke_")
