"""The logs: JSON lines with what they are about, and never a secret nor a lost line."""

import io
import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import click
import pytest
from control_file import Control

from runner import logs
from runner.errors import UsageProblem
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
        {
            **{"SMTP_PASSWORD": SECRET, "SMTP_PASS": "abcd", "RUNNER_ADMIN_KEY_SHA256": "0f" * 32},
            "RUNNER_LOG_DIR": str(tmp_path),
        },
    )
    for handler in [one for one in logger.handlers if one not in before]:
        logger.removeHandler(handler)
        handler.close()


def test_no_secret_stands_in_a_log_nor_on_the_terminal(
    logged: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    path = logs.setup(logged, verbose=True)
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
    logging.getLogger("runner.x").error("the hash is %s", "0f" * 32)
    assert json.loads(path.read_text().splitlines()[-1])["message"] == "the hash is ***"
    assert "ValueError: login with ***" in document["traceback"]


@pytest.mark.parametrize("secret", ["time", "4096", "message", "INFO", "null", '": "'])
def test_a_secret_that_a_line_has_in_its_own_form_does_not_break_it(secret: str) -> None:
    formatter = logs.JsonLines({"API_TOKEN": secret})
    text = {"msg": f"it is <{secret}>", "levelname": "INFO", "name": "time", "process": 40961}
    document = json.loads(formatter.format(logging.makeLogRecord(text)))
    assert document["message"] == "it is <***>"
    assert (document["severity"], document["logger"], document["pid"]) == ("INFO", "time", 40961)
    assert datetime.fromisoformat(document["time"])


def test_each_line_reports_which_run_and_tenant_it_is_about(logged: Settings) -> None:
    path = logs.setup(logged)
    logger = logging.getLogger("runner.x")
    with logs.of_run(logged, "run1", "acme"):
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


def test_lines_that_a_full_disk_does_not_take_are_lost_and_no_more(logged: Settings) -> None:
    """Its end, too: what is left in the buffer cannot be written either."""
    folder = logged.log_dir
    (folder / "runs" / "run1").mkdir(parents=True)
    for name in ("runner.jsonl", "runs/run1/run.jsonl"):
        (folder / name).symlink_to("/dev/full")
    logs.setup(logged)
    with logs.of_run(logged, "run1", "acme"):
        logging.getLogger("runner.x").info("this is not read")
    logging.shutdown()


def test_a_log_folder_that_goes_away_ends_nothing(logged: Settings, tmp_path: Path) -> None:
    settings = replace(logged, environ={"RUNNER_LOG_DIR": str(tmp_path / "logs")})
    logs.setup(settings)
    (tmp_path / "logs").rename(tmp_path / "away")
    (tmp_path / "logs").write_text("no folder")
    with logs.of_run(settings, "run1", "acme"):
        logging.getLogger("runner.x").info("this is not read")


def test_without_a_folder_for_the_log_the_command_goes_on_and_reports_it(
    logged: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").write_text("no folder")
    logs.setup(replace(logged, environ={"RUNNER_LOG_DIR": str(tmp_path / "logs")}))
    printed = capsys.readouterr().err
    assert printed.startswith("WARNING: no log is written, as") and printed.count("\n") == 1
    assert "RUNNER_LOG_DIR" in printed


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


def test_a_log_that_begins_anew_loses_no_line_of_a_process_that_writes_already(
    control: Control, logger: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each that rotates it for itself pushes the others' lines out of the last file."""
    monkeypatch.setattr(logs, "LOG_BYTES", 2_000)
    for _ in range(8):  # as many commands, all at work
        path = logs.setup(control.settings)
    handlers = list(logger.handlers)
    for number in range(8):
        for handler in handlers:
            handler.emit(logging.makeLogRecord({"msg": f"line {number}", "name": "x" * 100}))
        logger.handlers.remove(handlers[number])
        logs.setup(control.settings)
    lines = [
        json.loads(line)["message"]
        for file in path.parent.glob("runner.jsonl*")
        for line in file.read_text().splitlines()
    ]
    assert sorted(lines) == sorted(f"line {number}" for number in range(8) for _ in handlers)


class Terminal(io.StringIO):
    """Standard error on a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("chosen", "is_job", "stream", "is_json"),
    [
        ("", True, io.StringIO, True),
        ("auto", True, io.StringIO, True),
        ("auto", True, Terminal, False),
        ("auto", False, io.StringIO, False),
        ("text", True, io.StringIO, False),
        ("json", False, Terminal, True),
        ("yaml", True, io.StringIO, False),  # which `setup` refuses
    ],
)
def test_jobs_log_as_json_without_a_terminal_and_others_where_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, chosen: str, is_job: bool, stream: type, is_json: bool
) -> None:
    shown = stream()
    monkeypatch.setattr("sys.stderr", shown)
    monkeypatch.setenv("LOG_FORMAT", chosen)
    with logs.console(is_job):
        click.echo("Error: no such thing", err=True)
    assert sys.stderr is shown, "it is put back"
    if not is_json:
        assert shown.getvalue() == "Error: no such thing\n"
        return
    (line,) = shown.getvalue().splitlines()
    document = json.loads(line)
    assert (document["severity"], document["message"]) == ("ERROR", "Error: no such thing")
    assert datetime.fromisoformat(document["time"]).utcoffset() == timedelta(0)


def test_standard_error_as_json_has_the_log_and_every_text_once(
    logged: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also a text in pieces, one of several lines, and one whose line never ends; no secret."""
    shown = io.StringIO()
    monkeypatch.setattr("sys.stderr", shown)
    monkeypatch.setenv("SMTP_PASSWORD", SECRET)
    monkeypatch.setenv("LOG_FORMAT", "json")
    with logs.console(False):
        logs.setup(logged, verbose=True)
        with logs.of_run(logged, "run1", "acme"):
            logging.getLogger("runner.x").warning("logged", extra={"step": "model.p.silver"})
            print("in", "pieces", file=sys.stderr)
        sys.stderr.write(f"WARNING: {SECRET}\nin two lines\n\n")
        sys.stderr.write("Type the id to confirm: ")
        sys.stderr.flush()
        prompt = shown.getvalue().splitlines()[-1]
        assert json.loads(prompt)["message"] == "Type the id to confirm:", "while it is answered"
        sys.stderr.write("unended")
    documents = [json.loads(line) for line in shown.getvalue().splitlines()]
    assert [(one["severity"], one["message"]) for one in documents] == [
        ("WARNING", "logged"),
        ("INFO", "in pieces"),
        ("WARNING", "WARNING: ***\nin two lines"),
        ("INFO", "Type the id to confirm:"),
        ("INFO", "unended"),
    ]
    assert documents[0]["step"] == "model.p.silver"
    assert {one.get("run_id") for one in documents[:2]} == {"run1"}
    assert "run_id" not in documents[2]


def test_an_unknown_log_format_is_refused(logged: Settings) -> None:
    with pytest.raises(UsageProblem, match="LOG_FORMAT is 'yaml': set it to one of auto, json, t"):
        logs.setup(replace(logged, environ={"LOG_FORMAT": "yaml"}))
