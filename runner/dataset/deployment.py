"""Whether a tenant's dataset has the views, seeds and control tables of this project."""

import hashlib
from functools import cache
from importlib.metadata import version
from pathlib import Path

from runner.dataset import data_sql as sql
from runner.dataset.dataset import Dataset
from runner.errors import WarehouseProblem

# Without tests: they deploy nothing.
_PATHS = ("model-paths", "macro-paths", "seed-paths")
_FILES = ("dbt_project.yml", "selectors.yml", "packages.yml", "package-lock.yml")


def project_hash(project_dir: Path, adapter: str, selector: str) -> str:
    """SHA-256 of what a deployment depends on: project files, dbt's versions and the selector.

    `adapter`: the profile's type, such as duckdb.
    """
    import yaml

    project = yaml.safe_load((project_dir / "dbt_project.yml").read_text(encoding="utf-8"))
    files = [project_dir / name for name in _FILES]
    for key in _PATHS:
        for folder in project.get(key, ()):
            files += (project_dir / folder).rglob("*")
    found = hashlib.sha256(f"{_versions(adapter)} {selector}".encode())
    for path in sorted({path for path in files if path.is_file()}):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        found.update(f"\n{path.relative_to(project_dir).as_posix()} {content}".encode())
    return found.hexdigest()


@cache
def _versions(adapter: str) -> str:
    return f"dbt-core {version('dbt-core')} dbt-{adapter} {version(f'dbt-{adapter}')}"


def has(dataset: Dataset, tenant: str, wanted: str) -> bool:
    """Whether the newest completed deployment into the tenant's dataset has this hash."""
    try:
        rows = dataset.read(tenant, sql.NEWEST_DEPLOYMENT.format(tenant=tenant))
    except WarehouseProblem:  # no such table yet; dbt reports what else is wrong
        return False
    return bool(rows) and rows[0]["project_hash"] == wanted
