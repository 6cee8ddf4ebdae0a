"""The real application on a control file of each test's own; dbt alone is replaced."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from control_file import Control, write_control_file
from serving import FakeDbt, Scene, write_tenant_file
from support import environment_in

from runner.engine import pool


@pytest.fixture(scope="session")
def template_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with two tenants, to be copied."""
    folder = tmp_path_factory.mktemp("warehouse")
    write_control_file(folder / "control.db")
    for tenant in ("acme", "globex"):
        write_tenant_file(folder / f"tenant_{tenant}.duckdb", tenant)
    return folder


@pytest.fixture
def control(tmp_path: Path, template_folder: Path) -> Control:
    """A warehouse of this test's own."""
    import shutil

    environ = environment_in(tmp_path)
    shutil.copytree(template_folder, tmp_path / "warehouse")
    return Control(tmp_path, environ)


@pytest.fixture
def dbt(monkeypatch: pytest.MonkeyPatch) -> type[FakeDbt]:
    """A dbt that succeeds, or does as a test sets it, with rows for the bill."""
    FakeDbt.reset()
    monkeypatch.setattr(pool, "Worker", FakeDbt)
    return FakeDbt


@pytest.fixture
def scene(control: Control, dbt: type[FakeDbt]) -> Iterator[Scene]:
    """The service with two workers, and keys for both tenants."""
    with Scene(control, dbt) as made:
        yield made
