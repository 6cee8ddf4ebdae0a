"""What commands leave behind is for their own user: bills, logs, artefacts, keys, locks."""

import os
import stat
from pathlib import Path

from exports import charge, write_parquet
from world import a_world


def test_no_file_that_a_run_leaves_is_for_other_users(tmp_path: Path) -> None:
    before = os.umask(0o022)  # as a shell mostly has it
    try:
        world = a_world(tmp_path / "world")
        export = write_parquet(tmp_path / "e.parquet", [charge("2024-11-01", 1.0)])
        given = set(world.folder.rglob("*"))
        target = {"RUNNER_TARGET_DIR": str(world.folder / "artefacts")}
        for args in (
            ("tenant", "add", "solo", "--admin-email", "a@b.example", "--export", str(export)),
            ("run", "--tenant", "solo", "--date", "2024-11-01"),
            ("tenant", "key", "create", "--tenant", "solo"),
            ("doctor", "--tenant", "solo"),
        ):
            done = world.cli(*args, **target)
            assert done.returncode == 0, done.stderr
    finally:
        os.umask(before)
    left = set(world.folder.rglob("*")) - given
    names = {path.name for path in left}
    assert {"control.db", "tenant_solo.duckdb", "runner.jsonl", "run.jsonl"} <= names
    assert {"partial_parse.msgpack", "dbt.log", "tenant_solo.gate"} <= names
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in left}
    assert {path: f"{mode:o}" for path, mode in modes.items() if mode & 0o077} == {}
    assert "others may read" not in done.stdout
