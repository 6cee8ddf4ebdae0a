"""The control tables on SQLite: bound values, complete transactions, files that others write."""

import contextlib
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest
from compiled_once import SYSTEM
from control_db import ask
from control_file import Control, at_once
from support import ROOT

from runner.context import open_context
from runner.control import claim_sql
from runner.control.sqlite import SqliteStore
from runner.errors import (
    RunnerError,
    StatementRefused,
    UsageProblem,
    WarehouseUnreachable,
)


def impatient(control: Control, seconds: float = 0.3) -> SqliteStore:
    return SqliteStore(control.path, ROOT, seconds)


@contextlib.contextmanager
def written_by_another(path: Path) -> Iterator[None]:
    """Another program is in the middle of a transaction."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("begin immediate")
        yield
        other.execute("rollback")


HOSTILE = "'); drop table `tenants.tenant_profiles`; --"


@pytest.mark.parametrize(
    "value",
    [
        *(HOSTILE, 'quote " and back\\slash', "@now $now {tenant} %s", "", "ünï ☃ \n\t", None),
        *(-1, 2**62),
    ],
)
def test_a_bound_value_comes_back_as_it_went_in(control: Control, value: object) -> None:
    (row,) = control.context.store.read("select @value as reported", value=value)
    assert row["reported"] == value and type(row["reported"]) is type(value)
    assert control.value("select count(*) from tenants.tenant_profiles") == 2


def test_times_go_in_and_come_out_as_utc(control: Control) -> None:
    berlin = datetime(2024, 11, 1, 1, 30, 15, 123456, tzinfo=timezone(timedelta(hours=1)))
    control.context.store.write("update `tenants.tenant_profiles` set updated_at = @at", at=berlin)
    (row, _) = control.context.store.read("select updated_at from `tenants.tenant_profiles`")
    assert row["updated_at"] == berlin and row["updated_at"].tzinfo is UTC


def test_dates_and_booleans_come_back_as_such(control: Control) -> None:
    control.context.store.write(
        "update `tenants.tenant_subscriptions` set trial_end_date = @day", day=date(2024, 2, 29)
    )
    (row, _) = control.context.store.read(
        "select trial_end_date, daily_limit > 3 as is_large from `tenants.tenant_subscriptions`"
    )
    assert row == {"trial_end_date": date(2024, 2, 29), "is_large": True}


def test_each_statement_gets_only_the_values_that_it_names(control: Control) -> None:
    rows = control.context.store.write(
        "update `tenants.tenant_profiles` set company_name = @name where tenant_id = @tenant",
        "select company_name from `tenants.tenant_profiles` where tenant_id = @tenant",
        tenant="acme",
        name="New",
        unused=1,
    )
    assert [row["company_name"] for row in rows] == ["New"]


def test_a_value_that_is_missing_is_an_error_and_writes_nothing(control: Control) -> None:
    with pytest.raises(StatementRefused, match="absent"):
        control.context.store.write(
            "delete from `tenants.tenant_profiles`", "select @absent as x from (select 1 as one)"
        )
    assert control.value("select count(*) from tenants.tenant_profiles") == 2


def test_a_transaction_that_fails_midway_leaves_nothing(control: Control) -> None:
    with pytest.raises(StatementRefused):
        control.context.store.write(
            "delete from `acme.x_meta_lock`",
            "update `tenants.tenant_profiles` set status = 'DELETED'",
            "insert into `tenants.no_such_table` values (1)",
        )
    assert control.value("select count(*) from acme.x_meta_lock") == 1
    assert control.sql("select distinct status from tenants.tenant_profiles") == [("ACTIVE",)]


def test_the_warehouse_can_be_used_after_a_failed_transaction(control: Control) -> None:
    with pytest.raises(StatementRefused):
        control.context.store.write("select * from nowhere")
    assert control.context.store.read("select 1 as one")[0]["one"] == 1


def test_a_read_cannot_write(control: Control) -> None:
    with pytest.raises(WarehouseUnreachable, match="readonly"):
        control.context.store.read("delete from `tenants.tenant_profiles`")
    assert control.value("select count(*) from tenants.tenant_profiles") == 2


@pytest.mark.parametrize(
    ("damage", "lacks"),
    [
        ("drop table acme.x_meta_lock", "x_meta_lock"),
        ("alter table acme.x_meta_lock drop column locked_by", "locked_by"),
    ],
)
def test_a_table_or_column_that_is_missing_is_named_with_what_makes_it(
    control: Control, damage: str, lacks: str
) -> None:
    """The predecessor answered 500."""
    control.sql(damage)
    statement = claim_sql.CLAIM_LOCK.format(tenant="acme")
    with pytest.raises(StatementRefused) as caught:
        control.context.store.write(statement, run_id="r", now=datetime.now(UTC))
    assert caught.value.exit_code == 1 and "\n" not in caught.value.message
    assert lacks in caught.value.message and "runner tenant repair acme" in caught.value.message


@pytest.mark.parametrize("kind", ["read", "write"])
def test_a_transaction_of_another_program_is_waited_for_by_a_writer(
    control: Control, kind: str
) -> None:
    with contextlib.closing(
        sqlite3.connect(control.path, isolation_level=None, check_same_thread=False)
    ) as other:
        other.execute("begin immediate")
        ends = threading.Timer(0.5, other.execute, ("rollback",))
        ends.start()
        began = time.monotonic()
        getattr(control.context.store, kind)("select 1 as one")
        assert (time.monotonic() - began > 0.3) == (kind == "write")
        ends.join()


def test_a_file_written_beyond_patience_is_unreachable(control: Control) -> None:
    with written_by_another(control.path), pytest.raises(WarehouseUnreachable) as caught:
        impatient(control).write("select 1")
    assert caught.value.exit_code == 4
    assert str(control.path) in caught.value.message and "\n" not in caught.value.message


def test_a_missing_file_names_the_command_that_makes_it(control: Control) -> None:
    control.path.unlink()
    assert not control.context.store.exists()
    with pytest.raises(UsageProblem, match="runner init") as caught:
        control.context.store.read("select 1")
    assert caught.value.exit_code == 2
    assert not control.path.exists(), "a read does not make the file"


def unreachable_soon(ask: Callable[[], object]) -> WarehouseUnreachable:
    began = time.monotonic()
    with pytest.raises(WarehouseUnreachable) as caught:
        ask()
    assert time.monotonic() - began < 2, "what cannot recover is not waited for"
    assert caught.value.exit_code == 4 and "\n" not in caught.value.message
    assert "in use" not in caught.value.message
    return caught.value


def test_a_file_that_is_no_database_is_unreachable_at_once(control: Control) -> None:
    control.path.write_bytes(b"this is no database at all" * 500)
    error = unreachable_soon(lambda: impatient(control, 3).read("select 1"))
    assert f"{control.path} is damaged" in error.message


def test_a_file_that_was_cut_off_is_damaged_and_not_a_matter_of_permissions(
    control: Control,
) -> None:
    control.path.write_bytes(control.path.read_bytes()[:10_000])
    everything = "select * from `acme.x_meta_alerts`"
    error = unreachable_soon(lambda: impatient(control, 3).read(everything))
    assert f"{control.path} is damaged" in error.message
    assert "permissions" not in error.message


def test_a_damaged_block_is_unreachable_at_once(control: Control) -> None:
    content = bytearray(control.path.read_bytes())
    for start in range(4096, len(content), 4096):
        content[start : start + 64] = bytes(64)
    control.path.write_bytes(content)
    unreachable_soon(lambda: impatient(control, 3).read("select * from `tenants.tenant_profiles`"))


def test_an_empty_file_is_damaged(control: Control) -> None:
    """What a full disk leaves behind; SQLite takes an empty file for a new database."""
    control.path.write_bytes(b"")
    with pytest.raises(WarehouseUnreachable, match="is damaged"):
        control.context.store.read("select * from `tenants.tenant_profiles`")


def test_a_turn_that_a_signal_left_with_its_thread_holds_up_no_write_of_it(
    control: Control,
) -> None:
    """A handler may raise between the lock's answer and the block that gives it back."""
    store = open_context(control.settings, 0.2).store
    left_behind = store._turn_among_threads()
    left_behind.__enter__()
    store.write("update `tenants.tenant_lock` set locked_by = 'x' where lock_name = 'none'")
    left_behind.__exit__(None, None, None)


def test_threads_of_one_process_may_read_and_write_at_once(control: Control) -> None:
    problems: list[Exception] = []

    def work(number: int) -> None:
        try:
            for turn in range(8):
                if (number + turn) % 2:
                    control.context.store.write(
                        "update `acme.x_meta_lock` set locked_by = @who", who=f"{number}-{turn}"
                    )
                else:
                    control.context.store.read(
                        "select count(*) as n from `tenants.tenant_profiles`"
                    )
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_a_file_that_was_replaced_is_opened_again(control: Control) -> None:
    assert control.context.store.read("select 1 as one") == [{"one": 1}]
    ask(control.path, "pragma wal_checkpoint(truncate)")
    copy = control.path.with_suffix(".copy")
    copy.write_bytes(control.path.read_bytes())
    ask(copy, "update tenants.tenant_profiles set company_name = 'Restored'")
    ask(copy, "pragma wal_checkpoint(truncate)")
    for suffix in ("-wal", "-shm"):
        control.path.with_name(control.path.name + suffix).unlink(missing_ok=True)
    copy.replace(control.path)
    rows = control.context.store.read("select company_name from `tenants.tenant_profiles`")
    assert rows[0]["company_name"] == "Restored"


def test_a_child_process_opens_the_file_for_itself(control: Control) -> None:
    """SQLite forbids the use of a connection that was opened before a fork."""
    statement = "update `acme.x_meta_lock` set locked_by = @who"
    control.context.store.write(statement, who="parent")
    if (child := os.fork()) == 0:
        status = 1
        with contextlib.suppress(BaseException):
            control.context.store.write(statement, who="child")
            status = 0
        os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert control.value("select locked_by from acme.x_meta_lock") == "child"
    control.context.store.write(statement, who="parent")
    assert control.value("select locked_by from acme.x_meta_lock") == "parent"


def test_statements_reach_no_other_file(control: Control, tmp_path: Path) -> None:
    out = tmp_path / "out.db"
    for attack in (f"attach '{out}' as other", f"vacuum into '{out}'"):
        for send in (control.context.store.read, control.context.store.write):
            with pytest.raises(RunnerError):
                send(attack)
    assert not out.exists()


def test_a_row_twice_is_refused_by_the_grain_of_the_contract(control: Control) -> None:
    run_id = control.add_run()
    with pytest.raises(StatementRefused, match="UNIQUE"):
        control.context.store.write(
            "insert into `acme.x_meta_pipeline_runs` (pipeline_logging_id) values (@run_id)",
            run_id=run_id,
        )


def test_missing_tables_and_columns_are_added_and_rows_stay(control: Control) -> None:
    run_id = control.add_run()
    complete = impatient(control).columns("acme")
    control.sql("drop table acme.x_meta_alerts")
    control.sql("alter table acme.x_meta_pipeline_runs drop column warnings")
    assert impatient(control).columns("acme") != complete
    control.context.store.complete("acme")
    assert impatient(control).columns("acme") == complete
    assert control.value("select pipeline_logging_id from acme.x_meta_pipeline_runs") == run_id


FULL = """
import json, os, resource, signal, sys
from datetime import date, timedelta
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from control_file import DAY, Control
from runner.errors import WarehouseUnreachable
control = Control(Path(sys.argv[3]), dict(os.environ))
control.take(DAY - timedelta(days=1))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
size = control.path.with_name("control.db-wal").stat().st_size + int(sys.argv[4])
sys.dont_write_bytecode = True  # or it is cut off
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
reported = []
for n in range(30):
    try:
        reported.append(control.take(DAY + timedelta(days=n)).id)
    except WarehouseUnreachable as error:
        reported.append(None)
print(json.dumps(reported))
"""


@pytest.mark.parametrize("more", [0, 100_000, 300_000])
def test_what_was_committed_is_reported_as_such_though_no_file_may_grow(
    control: Control, more: int
) -> None:
    """Such as on a full disk: a claim is complete or not made, and its caller knows which."""
    control.subscribe(daily_limit=100, concurrent_limit=100)
    paths = (str(ROOT), str(ROOT / "tests"), str(control.folder))
    run = subprocess.run(
        [sys.executable, "-c", FULL, *paths, str(more)],
        env={**SYSTEM, **control.environ, "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    reported = {run_id for run_id in json.loads(run.stdout) if run_id}
    runs = control.sql(
        "select pipeline_logging_id from acme.x_meta_pipeline_runs where run_date >= '2024-11-01'"
    )
    assert reported == {run_id for (run_id,) in runs}
    assert (None in json.loads(run.stdout)) and bool(reported) == (more > 0)


MAKE = """
import os, sys
from pathlib import Path
from runner.control.sqlite import SqliteStore
from support import ROOT
print("ready", flush=True)
sys.stdin.readline()
SqliteStore(Path(sys.argv[1]), ROOT, 60).complete(sys.argv[2])
print("done", flush=True)
"""


def test_commands_that_make_the_file_at_once_make_one(control: Control) -> None:
    control.path.unlink()
    names = [f"t{n}" for n in range(6)]
    made = at_once(control, MAKE, [(str(control.path), name) for name in names])
    for one in made:
        assert one.communicate(timeout=60)[0] == "done\n" and one.returncode == 0
    for dataset in ("tenants", *names):
        assert impatient(control).columns(dataset), dataset
    assert [path.name for path in control.path.parent.iterdir() if ".db." in path.name] == []


def test_a_file_that_could_not_be_made_is_not_there(
    control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    control.path.unlink()

    def breaks(*args: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "link", breaks)
    with pytest.raises(WarehouseUnreachable, match="no space left"):
        impatient(control).complete("acme")
    assert list(control.path.parent.glob("control*")) == []


def test_a_log_without_its_file_is_not_taken_for_the_next_files(control: Control) -> None:
    wal = control.path.with_name("control.db-wal")
    control.path.unlink()
    wal.write_bytes(b"of another")
    with pytest.raises(WarehouseUnreachable, match=r"belongs to control.db, which is missing"):
        impatient(control).complete("acme")
    assert not control.path.exists() and wal.read_bytes() == b"of another"


def test_a_transaction_that_a_signal_left_open_is_rolled_back_by_the_next(control: Control) -> None:
    store = impatient(control)
    store.read("select 1 as one")
    left = store._of_thread.connection
    left.execute("pragma query_only = off")
    left.execute("begin immediate")
    left.execute("delete from `acme.x_meta_lock`")
    store.write("update `acme.x_meta_lock` set locked_by = 'next'")
    assert control.value("select locked_by from acme.x_meta_lock") == "next"


def test_a_value_of_another_type_that_a_hand_wrote_is_named(control: Control) -> None:
    control.sql("update acme.x_meta_lock set locked_at = 'yesterday'")
    with pytest.raises(StatementRefused, match=r"does not fit its column's type .*yesterday"):
        control.context.store.read("select locked_at from `acme.x_meta_lock`")
