"""The look at dbt's engine for `runner doctor`: which it is, and whether it can do its work."""

import re
import subprocess
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from runner.check import FAIL, OK, Finding, quoted
from runner.engine_v2 import version_of
from runner.errors import UsageProblem
from runner.invoke import Job, engine
from runner.settings import Settings

UNSET = "unset RUNNER_DBT"
ROOT = Path(__file__).resolve().parent.parent


def fitness(settings: Settings) -> Finding:
    """dbt-core as installed; else the executable of RUNNER_DBT is dbt v2 and opens a warehouse."""
    try:
        program = settings.dbt_executable
    except UsageProblem as error:
        return FAIL, error.message, UNSET
    if program is None:
        return OK, f"dbt-core {metadata.version('dbt-core')}, in a process of the runner's", None
    try:
        said = version_of(program)
    except (OSError, subprocess.SubprocessError):
        said = ""
    name = re.search(r"(dbt[-\w]*)\W+(\d+\.[\w.-]+)|installed: +(\d+\.[\w.]+)", said)
    if name is None:
        return FAIL, f"{program} is no dbt: its --version names none", UNSET
    version = name[2] or name[3]
    if version.startswith(("0.", "1.")):
        told = f"{program} is dbt {version}, not dbt v2: unset it, and the runner's own dbt is used"
        return FAIL, told, UNSET
    if wrong := _trial(settings):
        return FAIL, f"{program}, dbt {version}, cannot open the warehouse: {wrong}", _remedy(wrong)
    return OK, f"{program}, {name[1] or 'dbt'} {version}: opens the warehouse", None


def _trial(settings: Settings) -> str | None:
    """What goes wrong with a statement in a warehouse as the runner makes them; None if nothing."""
    with TemporaryDirectory() as folder:
        if settings.target({"tenant_id": "none"}).type == "duckdb":
            import duckdb

            # A file of our own DuckDB: an older library in the engine's driver cannot read it.
            duckdb.connect(str(Path(folder) / "tenant_none.duckdb")).close()
        with engine(settings, settings.log_dir / "doctor") as dbt:
            job = Job("none", ("show", "--inline", "select 1"), environ={"WAREHOUSE_DIR": folder})
            outcome = dbt.run(job, timeout=120)
    return None if outcome.success else outcome.error


def _remedy(wrong: str) -> str:
    if "driver" in wrong or "newer version of DuckDB" in wrong:
        script = quoted(ROOT / "tests" / "v2" / "setup_v2.sh")
        return f"bash {script} .venvs/v2 && export RUNNER_DBT=.venvs/v2/dbt"
    return UNSET
