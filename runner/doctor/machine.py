"""Checks of the machine: packages, templates, the spool, permissions of files, disk space."""

import contextlib
import shlex
import shutil
import stat
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from runner.control import spool
from runner.doctor.check import CheckResult, Scope, fail, ok, quoted, warn
from runner.errors import UsageProblem
from runner.onboarding import project as project_files
from runner.pipelines import templates as pipelines

LITTLE_SPACE, NO_SPACE = 5e9, 5e8


def versions(scope: Scope) -> CheckResult:
    """Python and the packages are as our own requires; no package is imported."""
    import yaml

    text = (scope.settings.project_dir / "dbt_project.yml").read_text(encoding="utf-8")
    dbt = ",".join(yaml.safe_load(text)["require-dbt-version"])
    own = metadata.distribution("gcp-tenant-cost")
    lines = [f"Python{own.metadata['Requires-Python']}", *(own.requires or ())]
    # The project runs under versions of dbt that are not installed with it.
    wanted = [Requirement(f"dbt-core{dbt}" if line[:8] == "dbt-core" else line) for line in lines]
    found = {one: _version(one.name) for one in wanted}
    wrong = [
        one
        for one, version in found.items()
        if version == "none" or not one.specifier.contains(version, prereleases=True)
    ]
    if not wrong:
        return ok(", ".join(f"{one.name} {version}" for one, version in found.items()))
    detail = "; ".join(f"{one.name} {found[one]}, required {one.specifier}" for one in wrong)
    if wrong[0].name == "Python":
        return fail(detail, "python3.12 -m venv .venv && .venv/bin/pip install -e .")
    return fail(detail, shlex.join([sys.executable, "-m", "pip", "install", *map(str, wrong)]))


def _version(package: str) -> str:
    if package == "Python":
        return ".".join(map(str, sys.version_info[:3]))
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "none"


def project(scope: Scope) -> CheckResult:
    """The project's files are those of this version, where `runner init` made them."""
    folder = scope.settings.project_dir
    found = (
        project_files.sync(folder, upgrade=False, is_check=True) or [f"{folder} is a checkout"]
    )[0]
    detail, is_old = found.removeprefix("project").strip(" :"), "--upgrade" in found
    return warn(detail, f"runner init {quoted(folder)} --upgrade") if is_old else ok(detail)


def templates(scope: Scope) -> CheckResult:
    """Every template can be loaded, and its selectors exist."""
    import yaml

    project, folder = scope.settings.project_dir, quoted(pipelines.FOLDER)
    if pipelines.DEFAULT not in pipelines.names():
        checkout = f"git -C {quoted(project)} checkout -- {folder}"
        return fail(f"the template {pipelines.DEFAULT} is not in {folder}", checkout)
    document = yaml.safe_load((project / "selectors.yml").read_text(encoding="utf-8"))
    selectors = {selector["name"] for selector in document["selectors"]}
    for name in pipelines.names():
        edit = f"${{EDITOR:-vi}} {folder}/{name}.yml"
        try:
            step = pipelines.load(name).step
        except UsageProblem as error:
            return fail(error.message, edit)
        for selector in {step.selector, step.dates_selector} - selectors:
            return fail(f"{name}: selectors.yml has no '{selector}'.", edit)
    return ok(", ".join(pipelines.names()))


def spooled(scope: Scope) -> CheckResult:
    """The spool has no entries, and none that is damaged or belongs to another user."""
    folder, waiting = spool.folder(scope.settings), spool.waiting(scope.settings)
    for path in waiting:
        if why := spool.refusal(path.lstat()):
            return fail(f"{path} is not a valid entry: {why}", f"rm -i {quoted(path)}")
    if damaged := sorted(folder.glob("*.damaged")):
        names = shlex.join(map(str, damaged))
        return fail(f"{len(damaged)} damaged entries in {folder}", f"cat {names}; rm -i {names}")
    if waiting:
        return warn(f"{len(waiting)} entries to be written in {folder}", "runner tenant list")
    return ok("empty")


def privacy(scope: Scope) -> CheckResult:
    """No other user of this machine may read or replace the runner's files."""
    local = [scope.control_path.parent] if scope.engine == "duckdb" else []
    for folder in filter(_is_open, (*local, scope.settings.log_dir)):
        # In a folder that other users cannot open, files need no check.
        is_writable = folder.stat().st_mode & 0o022
        wide = folder if is_writable else next(filter(_is_open, folder.rglob("*")), None)
        if wide:
            mode = stat.S_IMODE(wide.stat().st_mode)
            return warn(f"others may read {wide} (mode {mode:o})", f"chmod -R go= {quoted(folder)}")
    return ok("no other user may read the warehouse and the logs")


def _is_open(path: Path) -> bool:
    """Whether its mode gives other users access; False for links and missing files."""
    with contextlib.suppress(OSError):
        mode = path.lstat().st_mode
        return not stat.S_ISLNK(mode) and bool(mode & 0o077)
    return False


def disk(scope: Scope) -> CheckResult:
    """The disk has space for the logs and, locally, for the warehouse."""
    warehouse = scope.settings.warehouse_dir
    free = {}
    for folder in (scope.settings.log_dir, *([warehouse] if warehouse.is_dir() else [])):
        there = next(path for path in (folder, *folder.parents) if path.is_dir())
        free[shutil.disk_usage(there).free] = folder
    least, folder = min(free.items())
    detail = f"{least / 1e9:.1f} GB free in {folder}"
    if least >= LITTLE_SPACE:
        return ok(detail)
    return (fail if least < NO_SPACE else warn)(detail, f"du -xh {quoted(folder)} | sort -h | tail")
