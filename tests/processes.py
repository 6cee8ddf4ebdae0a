"""Programs that tests start: a command whose imports count, one that holds a file."""

import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from control_file import Control

LOADED = """
import sys
from runner.cli.app import main
sys.argv[0] = "runner"
try:
    main()
except SystemExit as end:
    code = end.code
heavy = ("dbt.cli", "google.cloud.bigquery", "google.api_core", "duckdb", "yaml", "jinja2")
print("LOADED", code, *[name for name in heavy if name in sys.modules], file=sys.stderr)
"""

FAR = {"dbt.cli", "google.cloud.bigquery", "google.api_core"}


def loaded(control: Control, *args: str) -> tuple[int, set[str]]:
    """The exit code of a command, and which heavy packages it imported."""
    answer = subprocess.run(
        [sys.executable, "-c", LOADED, *args],
        env={**os.environ, **control.environ},
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in answer.stderr, answer.stderr
    code, *names = answer.stderr.strip().splitlines()[-1].split()[1:]
    return int(code), set(names)


HOLD = """
import duckdb, sys, time
connection = duckdb.connect(sys.argv[1])
print("held", flush=True)
time.sleep(float(sys.argv[2]))
"""


@contextmanager
def held(path: Path, seconds: float):
    """Another process has the file open for so long."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout and holder.stdout.readline() == "held\n"
        yield holder
    finally:
        holder.kill()
        holder.wait()
