"""The log of all commands: no line of it is lost when several write and it begins anew."""

import json
import logging
from collections.abc import Iterator

import pytest
from control_file import Control

from runner import runlog


@pytest.fixture
def logger() -> Iterator[logging.Logger]:
    """The runner's logger, as it was found."""
    found = logging.getLogger("runner")
    before = list(found.handlers)
    found.handlers.clear()
    yield found
    for handler in found.handlers:
        handler.close()
    found.handlers[:] = before


def test_a_log_that_begins_anew_loses_no_line_of_who_writes_already(
    control: Control, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each that rotates it for itself pushes the others' lines out of the last file."""
    monkeypatch.setattr(runlog, "LOG_BYTES", 2_000)
    for _ in range(8):  # as many commands, all at work
        path = runlog.setup(control.settings)
    handlers = list(logger.handlers)
    for number in range(8):
        for handler in handlers:
            handler.emit(logging.makeLogRecord({"msg": f"line {number}", "name": "x" * 100}))
        logger.handlers.remove(handlers[number])
        runlog.setup(control.settings)
    lines = [
        json.loads(line)["message"]
        for file in path.parent.glob("runner.jsonl*")
        for line in file.read_text().splitlines()
    ]
    assert sorted(lines) == sorted(f"line {number}" for number in range(8) for _ in handlers)
