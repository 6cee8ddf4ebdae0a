"""Fixtures of the fast layer: a control file of each test's own, and the command line on it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from control_file import Control, write_control_file
from support import environment_in

from runner.cli import cli


@pytest.fixture(scope="session")
def control_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A control file with the tenants acme and globex, to be copied."""
    path = tmp_path_factory.mktemp("control") / "control.duckdb"
    write_control_file(path)
    return path


@pytest.fixture
def control(tmp_path: Path, control_file: Path) -> Control:
    """A control file of this test's own."""
    environ = environment_in(tmp_path)
    (tmp_path / "warehouse").mkdir()
    shutil.copyfile(control_file, tmp_path / "warehouse" / "control.duckdb")
    return Control(tmp_path, environ)


@pytest.fixture
def runner(control: Control) -> Callable[..., Result]:
    """The command line, called in this process on the test's control file."""

    def call(*args: str, **environ: str) -> Result:
        return CliRunner().invoke(cli, args, env={**control.environ, **environ})

    return call
