"""The logs: JSON lines with what they are about, and never a secret."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner import runlog
from runner.settings import Settings

SECRET = 'pa"ss\\wö1'


@pytest.fixture
def logged(tmp_path: Path) -> Iterator[Settings]:
    """Settings with a secret; handlers that a test adds are taken off again."""
    logger = logging.getLogger("runner")
    before = list(logger.handlers)
    yield Settings(
        tmp_path,
        None,
        {"SMTP_PASSWORD": SECRET, "SMTP_PASS": "abcd", "RUNNER_LOG_DIR": str(tmp_path)},
    )
    for handler in [one for one in logger.handlers if one not in before]:
        logger.removeHandler(handler)
        handler.close()


def test_no_secret_stands_in_a_log_nor_on_the_terminal(
    logged: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    path = runlog.setup(logged, verbose=True)
    try:
        raise ValueError(f"login with {SECRET}")
    except ValueError:
        logging.getLogger("runner.x").exception("could not log in with %s or abcd", SECRET)
    shown = capsys.readouterr().err
    assert "could not log in with *** or ***" in shown and "ValueError: login with ***" in shown
    line = path.read_text()
    assert SECRET not in line and json.dumps(SECRET, ensure_ascii=False)[1:-1] not in line
    document = json.loads(line)
    assert document["message"] == "could not log in with *** or ***"
    assert "ValueError: login with ***" in document["traceback"]


def test_each_line_says_which_run_and_tenant_it_is_about(logged: Settings) -> None:
    path = runlog.setup(logged)
    logger = logging.getLogger("runner.x")
    with runlog.of_run(logged, "run1", "acme"):
        logger.info("inside", extra={"step": "model.p.silver"})
    logger.info("outside")
    inside, outside = map(json.loads, path.read_text().splitlines())
    assert (inside["run_id"], inside["tenant_id"], inside["step"]) == (
        *("run1", "acme"),
        "model.p.silver",
    )
    assert "run_id" not in outside
    own = path.parent / "runs" / "run1" / "run.jsonl"
    assert [json.loads(line)["message"] for line in own.read_text().splitlines()] == ["inside"]
