"""Checks of the machine: packages, templates, the spool, who may read what is there, disk space."""

import contextlib
import shlex
import shutil
import stat
import sys
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from runner.control import spool
from runner.doctor.check import CheckResult, Scope, fail, ok, quoted, warn
from runner.errors import UsageProblem
from runner.pipelines import templates as pipelines

LITTLE_SPACE, NO_SPACE = 5e9, 5e8


def versions(scope: Scope) -> CheckResult:
    """Python and the packages are those that pyproject.toml asks for; none is imported."""
    text = (scope.settings.project_dir / "pyproject.toml").read_text(encoding="utf-8")
    project = tomllib.loads(text)["project"]
    wanted = [*map(Requirement, (f"Python{project['requires-python']}", *project["dependencies"]))]
    found = {one: _version(one.name) for one in wanted}
    wrong = [
        one
        for one, version in found.items()
        if version == "none" or not one.specifier.contains(version, prereleases=True)
    ]
    if not wrong:
        return ok(", ".join(f"{one.name} {version}" for one, version in found.items()))
    detail = "; ".join(f"{one.name} {found[one]}, wanted {one.specifier}" for one in wrong)
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


def templates(scope: Scope) -> CheckResult:
    """Every template loads, and dbt has its selectors."""
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
    """Nothing waits on disk to be written, and nothing of it is damaged or put there by others."""
    folder, waiting = spool.folder(scope.settings), spool.waiting(scope.settings)
    for path in waiting:
        if why := spool.refusal(path.lstat()):
            return fail(f"{path} is refused: {why}", f"rm -i {quoted(path)}")
    if damaged := sorted(folder.glob("*.damaged")):
        names = shlex.join(map(str, damaged))
        return fail(f"{len(damaged)} damaged in {folder}", f"cat {names}; rm -i {names}")
    if waiting:
        return warn(f"{len(waiting)} wait to be written in {folder}", "runner tenant list")
    return ok("nothing waits")


def privacy(scope: Scope) -> CheckResult:
    """No other user of this machine may read what commands left there, or replace it."""
    local = [scope.control_path.parent] if scope.engine == "duckdb" else []
    for folder in filter(_is_open, (*local, scope.settings.log_dir)):
        # What is in a folder that lets nobody in need not be checked.
        is_writable = folder.stat().st_mode & 0o022
        wide = folder if is_writable else next(filter(_is_open, folder.rglob("*")), None)
        if wide:
            mode = stat.S_IMODE(wide.stat().st_mode)
            return warn(f"others may use {wide} (mode {mode:o})", f"chmod -R go= {quoted(folder)}")
    return ok("nobody else may read the warehouse and the logs")


def _is_open(path: Path) -> bool:
    """Whether its mode lets other users in; not for a link, which has none, or what is gone."""
    with contextlib.suppress(OSError):
        mode = path.lstat().st_mode
        return not stat.S_ISLNK(mode) and bool(mode & 0o077)
    return False


def disk(scope: Scope) -> CheckResult:
    """There is room for the logs and, locally, for the warehouse."""
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
