"""Full disks, read-only and locked files, broken ones, clocks that jump: reported, and survived."""

import contextlib
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from control_db import ask
from scene import GATE, KILL_AT, RUN, Bill, Scene, children, document, gone, made_in, until
from support import ROOT

from runner.context import open_context
from runner.control import spool

FAILS = "child:boot"
LEASE = "lease expired: the process that ran it ended without a report"
DAY_LONG = 86_400


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """A warehouse of this test's own."""
    place = made_in(tmp_path)
    yield place
    place.end()


def can_mount() -> bool:
    """Whether this user may mount in a namespace of its own, as root may outside of containers."""
    tried = subprocess.run(
        ["unshare", "-m", "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True
    )
    return tried.returncode == 0


# Mounts live and die with the namespace of one command: a test that is killed leaves none.
mounts = pytest.mark.skipif(
    not (sys.platform == "linux" and shutil.which("unshare") and can_mount()),
    reason="mounting is not allowed here: full and read-only disks are NOT proved on this machine",
)

# $1 is the room in KiB that is left on the warehouse's disk. Files go in and come out again.
FULL_DISK = """
set -e
room=$1; shift
cp -a "$WAREHOUSE_DIR" "$SAVED"
mount -t tmpfs -o mode=700,size=48m tmpfs "$WAREHOUSE_DIR"
cp -a "$SAVED/." "$WAREHOUSE_DIR"
free=$(df --output=avail -k "$WAREHOUSE_DIR" | tail -n 1)
head -c $(( (free - room) * 1024 )) /dev/zero > "$WAREHOUSE_DIR/filler"
"$@" && code=0 || code=$?
rm "$WAREHOUSE_DIR/filler"
rm -r "$SAVED"; mkdir "$SAVED"; cp -a "$WAREHOUSE_DIR/." "$SAVED"
exit $code
"""

READ_ONLY = """
mount --bind "$WAREHOUSE_DIR" "$WAREHOUSE_DIR"
mount -o remount,bind,ro "$WAREHOUSE_DIR"
exec "$@"
"""


def on_full_disk(scene: Scene, room: int) -> "subprocess.CompletedProcess[str]":
    """Run acme's date with so many KiB left, then free the disk; what the run left is in place."""
    saved = scene.folder / "saved"
    done = scene.run(
        under=("unshare", "-m", "bash", "-c", FULL_DISK, "full", str(room)), SAVED=str(saved)
    )
    warehouse = scene.path("control").parent
    shutil.rmtree(warehouse)
    saved.rename(warehouse)
    return done


def prints(*paths: Path) -> list[str]:
    """What shows whether files changed by a byte."""
    return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]


def complete_after(scene: Scene, rows: int, cost: int) -> None:
    """One plain run without a fault."""
    again = scene.run()
    assert again.returncode == 0, again.stderr
    total = (rows, Decimal(cost))
    assert scene.bill() == Bill(total, total)
    assert scene.hanging() == []


# -- The disk


@mounts
def test_a_disk_that_is_full_before_the_claim_is_reported_and_nothing_is_changed(
    scene: Scene,
) -> None:
    before = prints(scene.path("tenant_acme"))
    done = on_full_disk(scene, 0)
    assert done.returncode == 4, done.stderr
    assert str(scene.path("control")) in done.stderr and "free space" in done.stderr
    assert "internal error" not in done.stderr
    assert scene.statuses() in ([], ["PENDING"], ["FAILED"])
    assert prints(scene.path("tenant_acme")) == before


@mounts
@pytest.mark.heavy
def test_a_disk_that_fills_while_dbt_writes_is_a_failed_run_and_the_next_is_complete(
    scene: Scene,
) -> None:
    scene.export(cost=300, rows=60_000)
    done = on_full_disk(scene, 1500)
    assert done.returncode in (1, 4), done.stderr
    assert "internal error" not in done.stderr
    scene.call("quota", "--tenant", "acme")
    assert scene.statuses() == ["FAILED"]
    assert "space" in scene.last_run()["error_message"]
    assert scene.hanging() == []
    scene.export(cost=100, rows=4)
    complete_after(scene, 4, 100)


@mounts
def test_a_read_only_warehouse_is_reported_and_nothing_is_changed(scene: Scene) -> None:
    before = prints(scene.path("control"), scene.path("tenant_acme"))
    for args in (RUN, ("tenant", "suspend", "acme")):
        done = scene.call(*args, under=("unshare", "-m", "bash", "-c", READ_ONLY, "ro"))
        assert done.returncode == 4, done.stderr
        assert str(scene.path("control")) in done.stderr and "readonly" in done.stderr
        assert "internal error" not in done.stderr
    checked = scene.call(
        *("runs", "--tenant", "acme"), under=("unshare", "-m", "bash", "-c", READ_ONLY, "ro")
    )
    assert checked.returncode == 0, "a command that only reads need not write"
    assert prints(scene.path("control"), scene.path("tenant_acme")) == before


# How the disk of the logs takes no more: no byte, no file, nothing at all.
NO_LOG = """
mkdir -p "$RUNNER_LOG_DIR"
mount -t tmpfs -o mode=700,size=1m tmpfs "$RUNNER_LOG_DIR"
case $1 in
    full) head -c 2m /dev/zero > "$RUNNER_LOG_DIR/filler" 2>/dev/null ;;
    crowded) mount -o remount,nr_inodes=1 "$RUNNER_LOG_DIR" ;;
    read-only) mount -o remount,ro "$RUNNER_LOG_DIR" ;;
esac
shift
exec "$@"
"""


@mounts
@pytest.mark.parametrize("how", ["full", "crowded", "read-only"])
def test_a_disk_that_takes_no_log_decides_no_runs_end(scene: Scene, how: str) -> None:
    done = scene.run(under=("unshare", "-m", "bash", "-c", NO_LOG, "log", how))
    assert done.returncode == 0, done.stderr
    assert document(done)["status"] == "COMPLETED" and scene.statuses() == ["COMPLETED"]
    assert scene.bill().billing == (4, Decimal(100))
    assert how == "full" or "WARNING: no log is written" in done.stderr


@pytest.mark.parametrize("gone", ["reader", "disk"])
def test_a_run_whose_output_cannot_be_read_is_complete(scene: Scene, gone: str) -> None:
    """Its progress and its summary: a pipe that was closed, or a file on a full disk."""
    reads, writes = os.pipe()
    os.close(reads)
    full = os.open("/dev/full", os.O_WRONLY)
    to = writes if gone == "reader" else full
    command = ("env", sys.executable, str(KILL_AT), "only:copy", *RUN[:-1])
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **scene.environ}, stdout=to, stderr=to, timeout=240
    )
    for number in (writes, full):
        os.close(number)
    assert done.returncode == 0 and scene.statuses() == ["COMPLETED"]


def test_a_command_whose_answer_is_lost_reports_it_but_a_reader_may_stop_reading(
    scene: Scene,
) -> None:
    def listed(stdout: int) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            ["env", sys.executable, "-m", "runner", "tenant", "list"],
            cwd=ROOT,
            env={**os.environ, **scene.environ},
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
        )

    reads, writes = os.pipe()
    os.close(reads)
    done = listed(writes)
    assert (done.returncode, done.stderr) == (0, "")
    full = os.open("/dev/full", os.O_WRONLY)
    done = listed(full)
    assert done.returncode == 1 and "standard output: No space left" in done.stderr
    assert done.stderr.count("\n") == 1
    for number in (writes, full):
        os.close(number)


def test_a_warehouse_folder_that_is_a_file_starts_nothing(scene: Scene) -> None:
    """Without mounts: what chmod does not do to root, this does."""
    folder = scene.path("control").parent
    folder.rename(folder.with_name("away"))
    folder.write_text("not a folder")
    done = scene.run()
    assert done.returncode in (2, 4) and "internal error" not in done.stderr
    assert folder.read_text() == "not a folder"


# -- Locks


@contextlib.contextmanager
def held_for(scene: Scene, name: str, seconds: float) -> Iterator[None]:
    """Have another program hold a file for some seconds, beside what the test does."""
    ready = threading.Event()

    def hold() -> None:
        with scene.holding(name):
            ready.set()
            time.sleep(seconds)

    holder = threading.Thread(target=hold)
    holder.start()
    ready.wait(20)
    try:
        yield
    finally:
        holder.join()


@pytest.mark.heavy
def test_files_that_another_program_holds_for_seconds_are_waited_for(scene: Scene) -> None:
    began = time.monotonic()
    with held_for(scene, "control", 2), held_for(scene, "tenant_acme", 5):
        done = scene.run()
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began > 5
    assert document(done)["status"] == "COMPLETED" and scene.hanging() == []


def test_control_tables_held_beyond_patience_are_exit_4(scene: Scene) -> None:
    with scene.holding("control"):
        done = scene.run(at="patience:1")
    assert done.returncode == 4
    assert str(scene.path("control")) in done.stderr
    assert "has been in use by another command for over 1 s" in done.stderr
    assert scene.statuses() == []


def test_a_held_tenant_file_is_reported_at_once_and_waited_for_once(scene: Scene) -> None:
    """Without this dbt waited in silence, for three minutes; `patience` stands for the minute."""
    with scene.holding("tenant_acme"):
        began = time.monotonic()
        run = scene.start(*RUN, at="patience:8")
        assert run.stderr
        reported = run.stderr.readline()
        waited = time.monotonic() - began
        out, _ = run.communicate(timeout=60)
        ended = time.monotonic() - began
    path = scene.path("tenant_acme")
    assert reported.startswith(f"{path} is open in another program (process ")
    assert reported.endswith("): waiting up to 8 s\n") and waited < 8
    assert 8 <= ended < waited + 8 + 5, "once, and no dbt after it"
    assert run.returncode == 1 and scene.statuses() == ["FAILED"] and scene.hanging() == []
    error = json.loads(out)["error"]
    assert (
        "has been open in another program for over 8 s" in error and "close that program" in error
    )


def test_a_deleted_tenant_file_is_reported_and_repaired_and_loaded_again(scene: Scene) -> None:
    path = scene.path("tenant_acme")
    path.unlink()
    done = scene.run()
    assert done.returncode == 1
    reported = document(done)["error"]
    assert reported.startswith(f"The data of tenant acme was deleted ({path} does not exist): run")
    assert (
        "`runner tenant repair acme`" in reported and "`runner catch-up --tenant acme`" in reported
    )
    assert not path.exists(), "dbt was not asked"
    checked = scene.call("doctor", "--tenant", "acme", "--json")
    remedies = {one["remedy"] for one in document(checked)["checks"] if one["status"] == "fail"}
    assert "runner tenant repair acme" in remedies


def test_dbt_too_waits_for_thirty_seconds() -> None:
    """The issue's 30 s, reckoned: dbt-duckdb waits 2**n seconds after each attempt but the last."""
    profile = yaml.safe_load((ROOT / "profiles.yml.example").read_text())
    attempts = profile["gcp_tenant_cost"]["outputs"]["local"]["retries"]["connect_attempts"]
    assert sum(2**n for n in range(attempts - 1)) >= 30


def test_a_failed_run_does_not_wait_for_its_mails_sample_rows(scene: Scene) -> None:
    """What made the run fail may hold the file for long: the end is recorded first."""
    run = scene.start(*RUN, at=f"{GATE},patience:6,timeout:0.15")
    with scene.stuck():
        until(lambda: scene.statuses() == ["RUNNING"] and children(run))
        assert gone(children(run), 20)
        began = time.monotonic()
        run.communicate(timeout=60)
        assert time.monotonic() - began < 4


# -- Broken files


def broken(path: Path, how: str) -> None:
    """Break the control file, which has everything that was committed."""
    ask(path, "pragma wal_checkpoint(truncate)")
    complete = path.read_bytes()
    if how == "no database":
        path.write_bytes(b"this is no database, it only resembles a file\n" * 400)
    elif how == "truncated":
        path.write_bytes(complete[: len(complete) // 2])
    elif how == "header":
        path.write_bytes(os.urandom(4096) + complete[4096:])
    elif how == "blocks":
        path.write_bytes(complete[:4096] + os.urandom(len(complete) - 4096))
    elif how == "empty":
        path.write_bytes(b"")


@pytest.mark.parametrize("how", ["no database", "truncated", "header", "blocks", "empty"])
@pytest.mark.parametrize("args", [RUN, ("quota", "--tenant", "acme")], ids=lambda args: args[0])
def test_a_corrupt_control_file_is_named_and_nothing_else_is_touched(
    scene: Scene, how: str, args: tuple[str, ...]
) -> None:
    control, data = scene.path("control"), scene.path("tenant_acme")
    broken(control, how)
    before = prints(data, scene.folder / "export_acme.parquet")
    was = control.read_bytes()
    began = time.monotonic()
    done = scene.call(*args)
    assert time.monotonic() - began < 20, "it is no lock to be waited for"
    assert done.returncode == 4, done.stderr
    assert str(control) in done.stderr and "internal error" not in done.stderr
    assert prints(data, scene.folder / "export_acme.parquet") == before
    assert control.read_bytes() == was, "what may be saved by hand is left for that"
    files = {path.name for path in control.parent.iterdir() if path.suffix in (".duckdb", ".db")}
    assert files == {"control.db", "tenant_acme.duckdb"}


# -- The clock


def test_a_run_is_fenced_off_when_another_clock_takes_its_lease_for_over(scene: Scene) -> None:
    """A command whose clock is a day ahead closes the run; its process stops, nothing is lost."""
    run = scene.start(*RUN, at=GATE)
    with scene.stuck():
        until(lambda: scene.statuses() == ["RUNNING"] and children(run))
        dbt = children(run)
        ahead = scene.call("quota", "--tenant", "acme", at=f"clock:{DAY_LONG}")
        assert ahead.returncode == 0
        assert scene.statuses() == ["FAILED"]
        run.communicate(timeout=30)
    assert run.returncode == 1 and gone(dbt)
    assert scene.last_run()["error_message"] == LEASE
    assert scene.hanging() == []


@pytest.mark.parametrize("seconds", [DAY_LONG, -DAY_LONG], ids=["ahead", "behind"])
def test_runs_of_a_clock_that_is_a_day_off_leave_nothing_behind(scene: Scene, seconds: int) -> None:
    for point in (
        f"{FAILS},clock:{seconds}",
        f"after:runner.control.turns.start,clock:{seconds}",
    ):
        scene.run(at=point)
    assert scene.statuses() == ["FAILED", "RUNNING"]
    checked = scene.call("quota", "--tenant", "acme", "--json")
    assert checked.returncode == 0
    assert scene.statuses() == ["FAILED", "FAILED"] and scene.hanging() == []
    refused = scene.run(at=FAILS)
    assert refused.returncode == 1, "runs again, as ever"
    _, days = scene.context.dataset.query(
        "select usage_date, pipelines_run_today from tenants.tenant_usage_quotas"
        " where tenant_id = 'acme' and pipelines_run_today > 0 order by usage_date",
        [],
    )
    assert [runs for _, runs in days] == ([1, 2] if seconds > 0 else [2, 1])


@pytest.mark.parametrize("seconds", [DAY_LONG, -DAY_LONG], ids=["forth", "back"])
def test_a_clock_that_jumps_during_a_run_changes_neither_its_end_nor_its_timeout(
    scene: Scene, seconds: int
) -> None:
    done = scene.run(at=f"{FAILS},jump:runner.control.claim.take={seconds}")
    assert done.returncode == 1
    assert scene.statuses() == ["FAILED"] and "SIGKILL" in scene.last_run()["error_message"]
    assert scene.hanging() == []
    listed = scene.call("runs", "--tenant", "acme")
    assert listed.returncode == 0, listed.stderr


def test_no_run_lasts_less_than_no_time(scene: Scene) -> None:
    scene.run(at=f"{FAILS},jump:runner.control.claim.take=-{DAY_LONG}")
    ((duration,),) = scene.sql("select duration_ms from acme.x_meta_pipeline_runs")
    assert duration >= 0


# -- The spool


def restore(scene: Scene) -> None:
    """Bring the control tables back that `lost:` took away."""
    scene.path("control").with_suffix(".kept").replace(scene.path("control"))


def recorded(scene: Scene) -> list[Any]:
    """All that stands about runs, steps, events and alerts."""
    return [
        scene.sql(f"select * from {table} order by 1, 2")
        for table in (
            "acme.x_meta_pipeline_runs",
            "acme.x_meta_step_logs",
            "acme.x_meta_alerts",
            "tenants.tenant_usage_events",
        )
    ]


@pytest.mark.heavy
def test_a_record_that_cannot_be_written_is_written_by_the_next_command_once(
    scene: Scene,
) -> None:
    done = scene.run(at="lost:runner.orchestration.alerts.raised")
    assert done.returncode == 4, "the bill is loaded, but not recorded"
    (entry,) = spool.waiting(scene.settings)
    assert str(entry) in done.stderr and "the next command writes it" in done.stderr
    restore(scene)
    assert scene.last_run()["status"] == "RUNNING"
    kept = entry.read_bytes()
    assert scene.call("tenant", "list").returncode == 0, "whichever it is"
    assert spool.waiting(scene.settings) == []
    assert scene.statuses() == ["COMPLETED"] and scene.hanging() == []
    ((rows, steps, ran),) = scene.sql(
        "select max(runs.row_count), count(*), sum(steps.status = 'COMPLETED')"
        " from acme.x_meta_pipeline_runs as runs join acme.x_meta_step_logs as steps"
        " using (pipeline_logging_id)"
    )
    assert rows == 4 and steps == ran > 6, "its steps with it; proofs are none"
    # A command that died between writing an entry and removing it: again is as once.
    once = recorded(scene)
    entry.touch(mode=0o600)
    entry.write_bytes(kept)
    assert spool.drain(scene.settings, open_context(scene.settings).store) == 1
    assert recorded(scene) == once


def test_the_spool_waits_while_the_warehouse_is_away(scene: Scene) -> None:
    assert scene.run(at=f"{FAILS},lost:runner.orchestration.alerts.raised").returncode == 4
    assert scene.call("quota", "--tenant", "acme").returncode == 4
    assert len(spool.waiting(scene.settings)) == 1, "still there"
    restore(scene)
    assert scene.call("quota", "--tenant", "acme").returncode == 0
    assert scene.statuses() == ["FAILED"] and "SIGKILL" in scene.last_run()["error_message"]


def test_a_damaged_spool_entry_is_set_aside_and_holds_up_no_other(scene: Scene) -> None:
    assert scene.run(at=f"{FAILS},lost:runner.orchestration.alerts.raised").returncode == 4
    restore(scene)
    damaged = spool.folder(scene.settings) / "20000101T000000000000-0.json"
    damaged.touch(mode=0o600)
    damaged.write_text('{"target": "local", "statem')
    assert scene.call("quota", "--tenant", "acme").returncode == 0
    assert spool.waiting(scene.settings) == [] and damaged.with_suffix(".damaged").exists()
    assert scene.statuses() == ["FAILED"]
