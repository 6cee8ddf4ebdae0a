"""The examples of how to schedule the runner, each by the program or schema that it is for."""

import json
import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from click import Context
from support import ROOT

from runner.cli.app import cli

EXAMPLES = ROOT / "dbt_project" / "examples"
VENVS = ROOT / ".venvs"


def sh(*words: str | Path, **environ: str) -> str:
    """What a program prints; the test fails when it does."""
    done = subprocess.run(
        list(map(str, words)), env={**os.environ, **environ}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def commands() -> list[tuple[str, list[str]]]:
    """Every call of the runner in an example: its file and its words."""
    found = []
    for path in sorted(EXAMPLES.iterdir()):
        text = re.sub(r"\\\n\s*", " ", path.read_text())
        for line in text.splitlines():
            if not line.lstrip().startswith("#"):
                for call in re.findall(
                    r"(?:exec |/bin/|&& |-n \S+ |: |^\s*)runner ((?!=)[^'|>]*)", line
                ):
                    found.append((path.name, shlex.split(re.sub(r"\$\w+", "0", call))))
    return found


def test_every_example_that_calls_the_runner_is_read() -> None:
    names = {name for name, _ in commands()}
    assert names == {
        *("runner.cron", "runner-catch-up.service", "github-actions.yml", "cloud-run-job.sh"),
        "kubernetes-cronjob.yaml",
    }


@pytest.mark.parametrize(("name", "words"), commands(), ids=lambda one: " ".join(one)[:60])
def test_the_runner_takes_each_call_of_the_examples(name: str, words: list[str]) -> None:
    command = cli.get_command(Context(cli), words[0])
    assert command, words
    command.make_context(words[0], words[1:], resilient_parsing=False)


def test_the_crontab_is_one_that_cron_reads() -> None:
    lines = (EXAMPLES / "runner.cron").read_text().splitlines()
    fields = (r"[0-5]?\d", r"[01]?\d|2[0-3]", r"\*", r"\*", r"\*|[0-7]", r"\w+", r"cd /.+")
    for line in (line for line in lines if line and not line.startswith("#")):
        if not re.fullmatch(r"[A-Z_]+=.*", line):
            for field, value in zip(fields, line.split(None, 6), strict=True):
                assert re.fullmatch(field, value), line
            assert "%" not in line, "cron would take it for a line end"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd's units are NOT verified")
def test_systemd_reads_the_units(tmp_path: Path) -> None:
    """With the program that ExecStart names, as systemd checks that it exists."""
    program = tmp_path / "runner"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    for name in ("runner-catch-up.service", "runner-catch-up.timer"):
        text = (EXAMPLES / name).read_text().replace("/opt/runner/bin/runner", str(program))
        (tmp_path / name).write_text(text)
    printed = sh("systemd-analyze", "verify", "--man=no", *sorted(tmp_path.glob("runner-*")))
    assert [line for line in printed.splitlines() if "runner-catch-up" in line] == []
    printed = sh("systemd-analyze", "calendar", "*-*-* 06:00:00 UTC")
    assert "06:00:00 UTC" in printed


def test_actionlint_reads_the_workflow(tmp_path: Path) -> None:
    """The WebAssembly build of actionlint, which npm has."""
    package = VENVS / "actionlint" / "node_modules" / "@tktco" / "node-actionlint"
    if not package.exists():
        pytest.skip("npm could not install actionlint: the workflow is NOT linted")
    program = package / "bin" / "node-actionlint.js"
    assert "passed" in sh("node", program, EXAMPLES / "github-actions.yml")
    broken = tmp_path / "broken.yml"
    broken.write_text((EXAMPLES / "github-actions.yml").read_text().replace("runs-on", "runs"))
    wrong = subprocess.run(["node", program, broken], capture_output=True, text=True)
    assert wrong.returncode == 1 and '"runs-on" section is missing' in wrong.stdout


def test_kubernetes_takes_the_manifests(tmp_path: Path) -> None:
    program = VENVS / "kubernetes" / "bin" / "kubernetes-validate"
    printed = sh(program, "--strict", EXAMPLES / "kubernetes-cronjob.yaml")
    assert "ERROR" not in printed
    documents = [*yaml.safe_load_all((EXAMPLES / "kubernetes-cronjob.yaml").read_text())]
    job = documents[-1]["spec"]["jobTemplate"]["spec"]
    container = job["template"]["spec"]["containers"][0]
    assert job["completionMode"] == "Indexed"
    assert f'--shard "$JOB_COMPLETION_INDEX/{job["completions"]}"' in container["args"][0]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    broken = tmp_path / "broken.yaml"
    broken.write_text((EXAMPLES / "kubernetes-cronjob.yaml").read_text().replace("Indexed", "No"))
    wrong = subprocess.run([program, "--strict", broken], capture_output=True, text=True)
    assert wrong.returncode != 0, "it finds what is wrong"


def test_airflow_imports_the_dag(tmp_path: Path) -> None:
    """In its own environment; its commands are then read by the runner's command line."""
    script = (
        "import json, runpy\n"
        f"dag = runpy.run_path({str(EXAMPLES / 'airflow_dag.py')!r})['dag']\n"
        "print(json.dumps([[t.task_id, t.bash_command, t.cwd] for t in dag.tasks]))\n"
    )
    program = VENVS / "airflow" / "bin" / "python"
    printed = sh(program, "-c", script, AIRFLOW_HOME=str(tmp_path), HOME=str(tmp_path))
    tasks = json.loads(printed.splitlines()[-1])
    assert [name for name, _, _ in tasks] == [f"tenants_{n}_of_4" for n in range(4)]
    for _, command, cwd in tasks:
        words = shlex.split(command)
        assert (words[0], cwd) == ("/opt/runner/bin/runner", "/srv/billing")
        found = cli.get_command(Context(cli), words[1])
        assert found and found.make_context(words[1], words[2:])


def test_the_cloud_run_script_is_bash_and_names_what_was_not_executed() -> None:
    sh("bash", "-n", EXAMPLES / "cloud-run-job.sh")
    for name, words in {
        "cloud-run-job.sh": "there was no Google Cloud",
        "kubernetes-cronjob.yaml": "no cluster was there",
        "github-actions.yml": "it was not run by GitHub",
        "airflow_dag.py": "no scheduler has run it",
    }.items():
        assert words in " ".join((EXAMPLES / name).read_text().replace("#", "").split()), name
