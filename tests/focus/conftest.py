"""The validator's environment, and the mart of three exports as files for it to judge."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# A warehouse with real dbt on DuckDB is the end-to-end layer's.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "end_to_end"))

from support import only
from validator import Validator
from world import SharedWorker, World, a_world

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
# As the caller has it: the tests themselves run with an empty HOME, where no pyenv is.
CALLERS = dict(os.environ)
ENVIRONMENT = Path(CALLERS.get("FOCUS_TEST_ENV") or ROOT / ".venvs" / "validator")
NO_PYTHON = 3


@pytest.fixture(scope="session")
def validator() -> Validator:
    """The FOCUS validator; without a Python for it, skips here and fails in CI."""
    command = ["bash", str(HERE / "setup_validator.sh"), str(ENVIRONMENT)]
    done = subprocess.run(command, env=CALLERS, check=False)
    if done.returncode == NO_PYTHON and not os.environ.get("CI"):
        pytest.skip("FOCUS IS NOT VALIDATED: no Python 3.12 for the validator")
    assert done.returncode == 0, "setup_validator.sh failed"
    return Validator(ENVIRONMENT)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A warehouse whose commands share one dbt, and whose runs build the mart and what it reads."""
    with only("focus"), pytest.MonkeyPatch.context() as patch:
        patch.setattr("runner.engine.pool.Worker", SharedWorker)
        patch.setattr("runner.onboarding.builder.Worker", SharedWorker)
        yield a_world(tmp_path_factory.mktemp("focus"))
        if SharedWorker.process is not None:
            SharedWorker.process.stop()
