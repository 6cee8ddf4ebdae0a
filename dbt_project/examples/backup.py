"""Copy a local (DuckDB) warehouse while commands and `runner serve` go on, and restore the copy.

    python backup.py WAREHOUSE_DIR RUNNER_LOG_DIR FOLDER       FOLDER has no copy yet
    python backup.py --restore FOLDER WAREHOUSE_DIR RUNNER_LOG_DIR      with nothing running

A restore keeps what is there as WAREHOUSE_DIR.old and spool.old, and refuses when these exist.
FOLDER gets `warehouse`, `logs/spool` with the records that were not yet written, and at the end
`complete.txt`. What is there is replaced once all of it has been copied beside it. Run it as the
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
# Written last: what the copy has.
COMPLETE = "complete.txt"


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


def summary(warehouse: Path, spool: Path) -> str:
    """What a copy has."""
    tenants = len(list(warehouse.glob("tenant_*.duckdb")))
    records = len(list(spool.iterdir())) if spool.is_dir() else 0
    return f"control.db, tenants: {tenants}, files of the spool: {records}"


def back_up(warehouse: Path, logs: Path, folder: Path) -> None:
    copied = folder / "warehouse"
    if not (warehouse / "control.db").is_file():
        sys.exit(f"{warehouse} has no control.db: name the folder WAREHOUSE_DIR.")
    if copied.exists():
        sys.exit(f"{copied} exists: name a folder that does not exist yet.")
    copied.mkdir(parents=True)
    copy_control(warehouse / "control.db", copied / "control.db")
    if (logs / "spool").is_dir():
        shutil.copytree(logs / "spool", folder / "logs" / "spool")
    for path in sorted(warehouse.iterdir()):
        if path.suffix == ".duckdb":
            copy_tenant(path, copied / path.name)
        elif path.is_dir():  # a landing's files are replaced as complete files
            shutil.copytree(path, copied / path.name)
    found = summary(copied, folder / "logs" / "spool")
    (folder / COMPLETE).write_text(f"{found}\n")
    print(f"{warehouse} was copied to {folder}: {found}.")


def restore(folder: Path, warehouse: Path, logs: Path) -> None:
    spool = logs / "spool"
    if not (folder / COMPLETE).is_file():
        sys.exit(f"{folder} has no file {COMPLETE}: name the folder of a copy that was completed.")
    places = {path: path.with_name(f"{path.name}.old") for path in (warehouse, spool)}
    for old in places.values():
        if old.exists():
            sys.exit(f"{old} exists: move or delete it first.")
    copies = {path: path.with_name(f"{path.name}.new") for path in (warehouse, spool)}
    for path, source in ((warehouse, folder / "warehouse"), (spool, folder / "logs" / "spool")):
        shutil.rmtree(copies[path], ignore_errors=True)  # of a restore that broke off
        if source.is_dir():
            shutil.copytree(source, copies[path])
    for path, old in places.items():
        if path.exists():
            path.rename(old)
            print(f"{path} was kept as {old}.")
        if copies[path].exists():
            copies[path].rename(path)
    print(f"{folder} was restored to {warehouse}: {summary(warehouse, spool)}.")


def main(words: list[str]) -> None:
    os.umask(0o077)
    is_restore = words[:1] == ["--restore"]
    paths = [Path(word) for word in words[is_restore:]]
    if len(paths) != 3:
        sys.exit(__doc__)
    (restore if is_restore else back_up)(*paths)


if __name__ == "__main__":
    main(sys.argv[1:])
