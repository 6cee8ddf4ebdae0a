"""Copy a local (DuckDB) warehouse while commands and `runner serve` go on.

    python backup.py WAREHOUSE_DIR RUNNER_LOG_DIR FOLDER       FOLDER must not exist yet

FOLDER gets `warehouse`, and `logs/spool` with the records that were not yet written. Run it as the
runner's user, with the Python in which the runner is installed. The control tables are copied
first: the next `catch-up` may then repeat a run that ended meanwhile, but no run is recorded as
COMPLETED whose data is not in the copy. Tested by tests/end_to_end/test_backup.py.
"""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import duckdb

WAIT_SECONDS = 3600


def copy_control(source: Path, target: Path) -> None:
    """SQLite copies a database while others write it; the copy is consistent."""
    with closing(sqlite3.connect(source)) as database, closing(sqlite3.connect(target)) as copy:
        database.backup(copy)


def copy_tenant(source: Path, target: Path) -> None:
    """A run has its tenant's file to itself: wait for its end, then keep others from writing.

    `cp` copies in a process of its own, since a process loses its lock when it closes the file.
    """
    until = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            with duckdb.connect(str(source), read_only=True):
                for path in (source, source.with_name(f"{source.name}.wal")):
                    if path.exists():
                        subprocess.run(["cp", "-p", path, target.parent / path.name], check=True)
                return
        except duckdb.IOException:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)


def main(warehouse: Path, logs: Path, folder: Path) -> None:
    os.umask(0o077)
    copied = folder / "warehouse"
    copied.mkdir(parents=True)
    copy_control(warehouse / "control.db", copied / "control.db")
    if (logs / "spool").is_dir():
        shutil.copytree(logs / "spool", folder / "logs" / "spool")
    for path in sorted(warehouse.iterdir()):
        if path.suffix == ".duckdb":
            copy_tenant(path, copied / path.name)
        elif path.is_dir():  # a landing's files are replaced as complete files
            shutil.copytree(path, copied / path.name)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
