"""The two environments of their own, made once, and one emulator for the complete session."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# Rows of an export and a warehouse of DuckDB's, to compare with, are the end-to-end layer's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "end_to_end"))

from cloud import Story, live, make_export_of_two
from connection import connect
from emulator import Emulator, running_emulator
from google.cloud import bigquery

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
# As the caller has it: the tests themselves run with an empty HOME, where no pyenv is.
CALLERS = dict(os.environ)
ENVIRONMENTS = Path(CALLERS.get("BIGQUERY_TEST_ENVS") or ROOT / ".venvs")
NO_PYTHON = 3


def _environment(name: str) -> Path:
    path = ENVIRONMENTS / name
    command = ["bash", str(HERE / f"setup_{name}.sh"), str(path)]
    done = subprocess.run(command, env=CALLERS, check=False)
    if done.returncode == NO_PYTHON and not os.environ.get("CI"):
        pytest.skip(f"THE BIGQUERY LAYER IS NOT TESTED: no Python for the {name}")
    assert done.returncode == 0, f"setup_{name}.sh failed"
    return path


@pytest.fixture(scope="session")
def emulator_venv() -> Path:
    """The emulator's environment; without a Python for it, skips here and fails in CI."""
    return _environment("emulator")


@pytest.fixture(scope="session")
def analyzer_venv() -> Path:
    """The analyzer's environment; without a Python for it, skips here and fails in CI."""
    return _environment("analyzer")


@pytest.fixture(scope="session")
def emulator(emulator_venv: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """A running emulator, shared: give each test a dataset of its own."""
    with running_emulator(emulator_venv, tmp_path_factory.mktemp("bigquery")) as running:
        yield running


@pytest.fixture(scope="session")
def client(emulator: Emulator) -> bigquery.Client:
    """A client of the shared emulator."""
    return connect(emulator)


@pytest.fixture
def dataset(client: bigquery.Client, request: pytest.FixtureRequest) -> Iterator[str]:
    """A dataset that is this test's alone, gone after it."""
    name = request.node.originalname[:100]
    client.create_dataset(name)
    yield name
    client.delete_dataset(name, delete_contents=True)


@pytest.fixture
def rows(client: bigquery.Client) -> Callable[[str], list[tuple[object, ...]]]:
    """Run a query and give its rows as tuples."""
    return lambda sql: [tuple(row.values()) for row in client.query_and_wait(sql)]


@pytest.fixture(scope="session")
def two_accounts(
    emulator_venv: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Emulator]:
    """An emulator with an export of two accounts; who onboards alpha leaves it to the next test."""
    with running_emulator(emulator_venv, tmp_path_factory.mktemp("two_accounts")) as running:
        make_export_of_two(connect(running))
        yield running


@pytest.fixture(scope="session")
def story(emulator_venv: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Two tenants on an emulator of their own, from onboarding to a failed run."""
    folder = tmp_path_factory.mktemp("story")
    with running_emulator(emulator_venv, folder / "bigquery") as running:
        yield live(running, folder)
