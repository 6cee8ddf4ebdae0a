"""The wheel works alone: no checkout, no variables, an empty HOME, an empty folder."""

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from compiled_once import SYSTEM
from support import ROOT

# What was downloaded before is not downloaded again. The installed program gets none of this.
CACHE = {"HOME": pwd.getpwuid(os.getuid()).pw_dir}
INSTALLER = ("PIP_", "UV_", "SSL_", "REQUESTS_", "HTTP", "http", "NO_PROXY", "no_proxy")


def sh(*words: str | Path, environ: dict[str, str] | None = None, cwd: Path = ROOT) -> str:
    """Standard output of a program, with no more variables than the installers have."""
    kept = {name: text for name, text in os.environ.items() if name.startswith(INSTALLER)}
    answer = subprocess.run(
        list(map(str, words)),
        env={**SYSTEM, **kept, **CACHE} if environ is None else environ,
        cwd=cwd,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 0, answer.stdout[-2000:] + answer.stderr[-4000:]
    return answer.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A virtual environment with what is pinned and the wheel in it, as in docs/deployment.md."""
    folder = tmp_path_factory.mktemp("installed")
    sh(sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", folder)
    (wheel,) = folder.glob("*.whl")
    environment = ROOT / "tests" / "environment.sh"
    venv = folder / "venv"
    for what in (("-r", "requirements.txt"), (wheel,)):
        sh("bash", environment, sys.executable, venv, "--no-deps", *what)
    yield venv / "bin"


def test_a_wheel_has_no_need_of_a_checkout(installed: Path, tmp_path: Path) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    environ = {"PATH": f"{installed}:/usr/bin:/bin", "HOME": str(home)}

    def runner(*words: str, cwd: Path = work / "bill") -> str:
        return sh("runner", *words, environ=environ, cwd=cwd)

    made = runner("init", "bill", "--sample-rows", "2000", cwd=work)
    assert made.splitlines()[0].startswith(f"project         {work / 'bill'} was created, version ")
    _, _, printed = made.splitlines()[-1].partition("Next: ")
    assert printed == "runner run --tenant acme1281 --date 2024-11-01 --project-dir bill"
    document = json.loads(sh(*printed.split(), "--json", environ=environ, cwd=work))
    assert document["status"] == "COMPLETED" and document["rows"] > 200
    assert document["tests"]["failed"] == 0 and document["tests"]["passed"] > 50
    net = runner("query", "select sum(billed_cost) from acme1281.cost_daily", "--csv")
    assert float(net.splitlines()[1]) > 3000
    checks = json.loads(runner("doctor", "--json"))["checks"]
    found = {check["name"]: check["status"] for check in checks}
    assert (found["versions"], found["project"], found["tables"]) == ("ok", "ok", "ok")
    # Bare dbt, for analysts: a mart of theirs is built by it and stays with the project.
    model = work / "bill" / "models" / "marts" / "own_mart.sql"
    model.write_text("{{ config(materialized='view') }}\nselect 1 as answer\n")
    which = "{tenant_id: acme1281, date: 2024-11-01}"
    sh("dbt", "build", "--select", "own_mart", "--vars", which, environ=environ, cwd=work / "bill")
    assert "is up to date, version" in runner("init").splitlines()[0] and model.exists()
    assert [path.name for path in home.iterdir() if path.name != ".dbt"] == [], "HOME stays empty"
    assert [path.name for path in work.iterdir()] == ["bill"]


def test_outside_of_a_project_a_wheel_names_the_command_that_makes_one(
    installed: Path, tmp_path: Path
) -> None:
    answer = subprocess.run(
        ["runner", "tenant", "list"],
        env={"PATH": f"{installed}:/usr/bin:/bin", "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert answer.returncode == 2 and answer.stdout == ""
    assert answer.stderr == (
        f"Error: {tmp_path} has no dbt_project.yml: make a project with `runner init DIR`, or name"
        " the folder of one with --project-dir.\n"
    )
    assert list(tmp_path.iterdir()) == []
