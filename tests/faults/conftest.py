"""The layer that breaks things on purpose: real processes, real files, a real mail server."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

# The tables without dbt are the fast layer's.
from control_file import Control
from scene import Scene, made_in
from support import of_session
from warm import serving


@pytest.fixture(scope="session", autouse=True)
def warm_programs(
    clean_environment: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[None]:
    """What a test starts is forked, but for what `unshare` starts."""
    with serving("acme", shared=of_session(tmp_path_factory)):
        yield


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A warehouse with the tenant acme, for the tests of one file; dbt parses it once."""
    place = made_in(tmp_path_factory.mktemp("scene"))
    yield place
    place.end()


@pytest.fixture(scope="session")
def control_only(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A control file with the tenant acme, to be copied."""
    return made_in(tmp_path_factory.mktemp("control")).path("control")


@pytest.fixture
def control(tmp_path: Path, control_only: Path) -> Control:
    """A control file of this test's own, for what needs no dbt."""
    place = Scene(tmp_path)
    place.path("control").parent.mkdir()
    shutil.copyfile(control_only, place.path("control"))
    return Control(tmp_path, place.environ)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "heavy: takes both cores for half a minute")
