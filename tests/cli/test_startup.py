"""Help and refusals are quick: what they do not need is not imported."""

import os
import subprocess
import sys

import pytest
from control_file import Control
from processes import FAR, loaded


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("--help",), 0),
        (("rum",), 2),
        (("run", "--tenant", "Bad!", "--date", "2024-11-01"), 2),
        (("run", "--tenant", "acme", "--date", "2024-13-01"), 2),
        (("tenant", "add", "Bad!", "--admin-email", "a@b.co", "--export", "x"), 2),
    ],
)
def test_help_and_mistypes_import_nothing_heavy(control: Control, args, code: int) -> None:
    assert loaded(control, *args) == (code, set())


@pytest.mark.parametrize(
    ("args", "code"),
    [
        (("run", "--tenant", "acmee", "--date", "2024-11-01"), 2),
        (("quota", "--tenant", "acme"), 0),
    ],
)
def test_what_only_reads_imports_neither_dbt_nor_google(control: Control, args, code) -> None:
    exit_code, names = loaded(control, *args)
    assert exit_code == code and not names & FAR


def test_a_refusal_by_quota_imports_neither_dbt_nor_google(control: Control) -> None:
    control.subscribe(daily_limit=0)
    code, names = loaded(control, "run", "--tenant", "acme", "--date", "2024-11-01")
    assert code == 3 and not names & FAR


def test_python_dash_m_is_the_command(control: Control) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "runner", "--version"],
        env={**os.environ, **control.environ},
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0 and answer.stdout.startswith("runner, version ")


def test_a_shell_gets_its_completion_from_the_command(control: Control) -> None:
    """By the name `runner`, however it is called."""
    environ = {**os.environ, **control.environ, "_RUNNER_COMPLETE": "bash_source"}
    command = [sys.executable, "-m", "runner"]
    script = subprocess.run(command, env=environ, capture_output=True, text=True).stdout
    assert "complete -o nosort -F _runner_completion runner" in script
    asked = {"COMP_WORDS": "runner run --tenant g", "COMP_CWORD": "3"}
    environ |= {"_RUNNER_COMPLETE": "bash_complete", **asked}
    answer = subprocess.run(command, env=environ, capture_output=True, text=True)
    assert (answer.stdout, answer.stderr) == ("plain,globex\n", "")
