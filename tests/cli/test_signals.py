"""Ctrl-C and SIGTERM, whatever the command and however early: 130 and 143, no traceback."""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from control_file import Control

STOPPED_BY = {signal.SIGINT: 130, signal.SIGTERM: 143}
RUN = ("run", "--tenant", "acme", "--date", "2024-11-01")


def start(control: Control, *args: str, **environ: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "runner", *args],
        env={**os.environ, **control.environ, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", STOPPED_BY, ids=lambda number: number.name)
@pytest.mark.parametrize("args", [RUN, ("tenant", "suspend", "acme")], ids=lambda args: args[0])
def test_a_command_that_waits_for_the_warehouse_is_stopped(
    control: Control, args: tuple[str, ...], number: signal.Signals
) -> None:
    with contextlib.closing(sqlite3.connect(control.path, isolation_level=None)) as other:
        other.execute("begin immediate")
        command = start(control, *args)
        log = control.folder / "logs" / "runner.jsonl"
        while not log.exists() and command.poll() is None:
            time.sleep(0.02)
        time.sleep(1.5)
        command.send_signal(number)
        out, err = command.communicate(timeout=20)
    assert (command.returncode, out) == (STOPPED_BY[number], "")
    assert err.splitlines()[-1] == f"Stopped by {number.name}." and "Traceback" not in err


@pytest.mark.parametrize("number", STOPPED_BY, ids=lambda number: number.name)
def test_a_command_is_stopped_before_it_is_all_imported(
    control: Control, tmp_path: Path, number: signal.Signals
) -> None:
    stub = tmp_path / "stub"
    stub.mkdir()
    (stub / "click.py").write_text(
        f"import os, time\nos.kill(os.getpid(), {int(number)})\ntime.sleep(20)\n"
    )
    command = start(control, "--help", PYTHONPATH=f"{stub}:{os.environ.get('PYTHONPATH', '')}")
    assert command.communicate(timeout=10) == ("", "")
    assert command.returncode == STOPPED_BY[number]
