"""The DuckDB side of the warehouse: bound values, whole transactions, files that others hold."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from control_file import Control, dataset_tables
from support import ROOT

from runner import control_sql
from runner.errors import (
    NotInitialised,
    RunnerError,
    StatementRefused,
    UsageProblem,
    WarehouseUnreachable,
)
from runner.warehouse import (
    _GATES,
    _SPARE,
    SPARED_OPTIMIZERS,
    DuckDBWarehouse,
    _tenant_of,
    open_warehouse,
)

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


def impatient(control: Control, seconds: float = 0.3) -> DuckDBWarehouse:
    return DuckDBWarehouse(lambda file: control.path, patience_seconds=seconds)


HOSTILE = "'); drop table tenants.tenant_profiles; --"


@pytest.mark.parametrize(
    "value",
    [
        *(HOSTILE, 'quote " and back\\slash', "@now $now {tenant} %s", "", "ünï ☃ \n\t", None),
        *(True, -1, 2**62, date(2024, 2, 29)),
        *(Decimal("0.000000001"), Decimal("-12345678901234567890.123456789")),
    ],
)
def test_a_bound_value_comes_back_as_it_went_in(control: Control, value: object) -> None:
    (row,) = control.warehouse.read("select @value as told", value=value)
    assert row["told"] == value and type(row["told"]) is type(value)
    assert control.value("select count(*) from tenants.tenant_profiles") == 2


def test_times_go_in_and_come_out_as_utc(control: Control) -> None:
    berlin = datetime(2024, 11, 1, 1, 30, 15, 123456, tzinfo=timezone(timedelta(hours=1)))
    control.warehouse.write("update tenants.tenant_profiles set updated_at = @at", at=berlin)
    (row, _) = control.warehouse.read("select updated_at from tenants.tenant_profiles")
    assert row["updated_at"] == berlin and row["updated_at"].tzinfo is UTC


def test_each_statement_gets_only_the_values_that_it_names(control: Control) -> None:
    rows = control.warehouse.write(
        "update tenants.tenant_profiles set company_name = @name where tenant_id = @tenant",
        "select company_name from tenants.tenant_profiles where tenant_id = @tenant",
        tenant="acme",
        name="New",
        unused=1,
    )
    assert [row["company_name"] for row in rows] == ["New"]


def test_a_value_that_is_missing_is_an_error_and_writes_nothing(control: Control) -> None:
    with pytest.raises(KeyError):
        control.warehouse.write(
            "delete from tenants.tenant_profiles", "select @absent as x from (select 1 as one)"
        )
    assert control.value("select count(*) from tenants.tenant_profiles") == 2


def test_a_transaction_that_fails_midway_leaves_nothing(control: Control) -> None:
    with pytest.raises(StatementRefused):
        control.warehouse.write(
            "delete from acme.x_meta_lock",
            "update tenants.tenant_profiles set status = 'DELETED'",
            "insert into tenants.no_such_table values (1)",
        )
    assert control.value("select count(*) from acme.x_meta_lock") == 1
    assert control.sql("select distinct status from tenants.tenant_profiles") == [("ACTIVE",)]


def test_the_warehouse_can_be_used_after_a_failed_transaction(control: Control) -> None:
    with pytest.raises(StatementRefused):
        control.warehouse.write("select * from nowhere")
    assert control.warehouse.read("select 1 as one")[0]["one"] == 1


def test_a_read_cannot_write(control: Control) -> None:
    with pytest.raises(StatementRefused):
        control.warehouse.read("delete from tenants.tenant_profiles")
    assert control.value("select count(*) from tenants.tenant_profiles") == 2


@pytest.mark.parametrize(
    ("damage", "lacks"),
    [
        ("drop table acme.x_meta_lock", "x_meta_lock"),
        ("alter table acme.x_meta_lock drop column locked_by", "locked_by"),
        ("drop schema acme cascade", "acme"),
    ],
)
def test_a_table_or_column_that_is_missing_is_named_with_what_makes_it(
    control: Control, damage: str, lacks: str
) -> None:
    """The predecessor answered 500."""
    control.sql(damage)
    statement = control_sql.CLAIM_LOCK.format(tenant="acme")
    with pytest.raises(StatementRefused) as caught:
        control.warehouse.write(statement, run_id="r", now=datetime.now(UTC))
    assert caught.value.exit_code == 1 and "\n" not in caught.value.message
    assert lacks in caught.value.message and "runner tenant repair acme" in caught.value.message


@pytest.mark.parametrize("kind", ["FatalException", "OutOfMemoryException", "InternalException"])
def test_an_engine_that_breaks_is_unreachable(
    control: Control, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def breaks(*args: object) -> list[object]:
        raise getattr(duckdb, kind)("it broke")

    monkeypatch.setattr("runner.warehouse._execute", breaks)
    with pytest.raises(WarehouseUnreachable, match="it broke"):
        control.warehouse.write("select 1")


@pytest.mark.parametrize("kind", ["read", "write"])
def test_a_file_that_another_process_holds_is_waited_for(control: Control, kind: str) -> None:
    with held(control.path, 0.6):
        began = time.monotonic()
        ask = control.warehouse.read if kind == "read" else control.warehouse.write
        assert ask("select 1 as one")[0]["one"] == 1
        assert time.monotonic() - began > 0.2


def test_a_file_held_beyond_patience_is_unreachable_and_names_who_holds_it(
    control: Control,
) -> None:
    with held(control.path, 30) as holder, pytest.raises(WarehouseUnreachable) as caught:
        impatient(control).read("select 1")
    assert caught.value.exit_code == 4
    assert f"process {holder.pid}" in caught.value.message
    assert str(control.path) in caught.value.message and "\n" not in caught.value.message


def test_who_waits_for_another_program_hears_of_it_at_once_and_again(control: Control) -> None:
    path = control.path.with_name("tenant_acme.duckdb")
    duckdb.connect(str(path)).close()
    told: list[str] = []
    patient = open_warehouse(control.settings, 30)
    patient.seconds_between_looks = 0.2
    with held(path, 2) as holder, patient.alone_with("acme", told.append):
        pass
    assert len(told) > 2 and set(told) == {
        f"{path} is held open by another program (process {holder.pid}): waiting up to 30 s for it"
    }

    def stop(text: str) -> None:
        raise KeyboardInterrupt

    with held(path, 30), pytest.raises(KeyboardInterrupt), patient.alone_with("acme", stop):
        raise AssertionError("it was not waited for")


@pytest.mark.parametrize("file", ["control", "tenant_acme"])
def test_who_waits_in_the_middle_of_something_else_is_told_once(
    control: Control, capsys: pytest.CaptureFixture[str], file: str
) -> None:
    path = control.path.with_name(f"{file}.duckdb")
    duckdb.connect(str(path)).close()
    patient = open_warehouse(control.settings, 30)
    patient.seconds_between_looks = 0.1
    with held(path, 2) as holder:
        if file == "control":
            patient.write("select 1")
        else:
            patient.read_data("acme", "select 1")
    assert capsys.readouterr().err == (
        f"{path} is held open by another program (process {holder.pid}): waiting up to 30 s"
        " for it\n"
    )


def test_a_deleted_file_of_a_tenant_is_told_with_what_brings_it_back(control: Control) -> None:
    for ask in (
        lambda: control.warehouse.read_data("acme", "select 1"),
        lambda: control.warehouse.write_data("acme", "select 1"),
        lambda: control.warehouse.check_exports("acme"),
    ):
        with pytest.raises(NotInitialised, match=r"acme was deleted.*runner tenant repair acme"):
            ask()


def test_a_missing_file_names_the_command_that_makes_it(control: Control) -> None:
    control.path.unlink()
    assert not control.warehouse.exists()
    with pytest.raises(UsageProblem, match="runner init") as caught:
        control.warehouse.read("select 1")
    assert caught.value.exit_code == 2
    assert not control.path.exists(), "a look does not make the file"


def unreachable_soon(ask: Callable[[], object]) -> WarehouseUnreachable:
    began = time.monotonic()
    with pytest.raises(WarehouseUnreachable) as caught:
        ask()
    assert time.monotonic() - began < 2, "what cannot mend itself is not waited for"
    assert caught.value.exit_code == 4 and "\n" not in caught.value.message
    assert "held open" not in caught.value.message
    return caught.value


def test_a_file_that_is_no_database_is_unreachable_at_once(control: Control) -> None:
    control.path.write_bytes(b"this is no database at all" * 500)
    error = unreachable_soon(lambda: impatient(control, 3).read("select 1"))
    assert f"{control.path} is damaged" in error.message


def test_a_file_that_was_cut_off_is_damaged_and_not_a_matter_of_permissions(
    control: Control,
) -> None:
    control.path.write_bytes(control.path.read_bytes()[:100_000])
    error = unreachable_soon(lambda: impatient(control, 3).read("select 1"))
    assert f"{control.path} is damaged" in error.message
    assert "permissions" not in error.message


def test_a_damaged_block_is_unreachable_at_once(control: Control) -> None:
    """DuckDB's own words for this hold the word block: no reason to think of a lock."""
    content = bytearray(control.path.read_bytes())
    for start in range(12288, len(content), 4096):
        content[start : start + 64] = bytes(64)
    control.path.write_bytes(content)
    unreachable_soon(lambda: impatient(control, 3).read("select * from tenants.tenant_profiles"))


def test_a_folder_whose_name_has_lock_in_it_is_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "clocks" / "control.duckdb"
    path.parent.mkdir()
    path.write_bytes(b"this is no database at all" * 500)
    warehouse = DuckDBWarehouse(lambda file: path, patience_seconds=3)
    unreachable_soon(lambda: warehouse.read("select 1"))


def test_an_empty_file_is_no_crash(control: Control) -> None:
    """What a full disk leaves behind; DuckDB takes an empty file for a new database."""
    control.path.write_bytes(b"")
    with pytest.raises(WarehouseUnreachable, match="is damaged"):
        control.warehouse.read("select * from tenants.tenant_profiles")


def test_only_one_process_at_a_time_is_alone_with_a_tenant(control: Control) -> None:
    order: list[str] = []

    def second() -> None:
        with control.warehouse.alone_with("acme"):
            order.append("second")

    with control.warehouse.alone_with("acme"):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.2)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]


def test_whoever_makes_control_tables_waits_for_the_others_without_end(control: Control) -> None:
    order: list[str] = []

    def second() -> None:
        with impatient(control, 0.2).alone_with_control():
            order.append("second")

    with control.warehouse.alone_with_control():
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.8)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]


def test_two_tenants_are_alone_with_their_own_files(control: Control) -> None:
    done = threading.Event()

    def other() -> None:
        with control.warehouse.alone_with("globex"):
            done.set()

    with control.warehouse.alone_with("acme"):
        threading.Thread(target=other).start()
        assert done.wait(5)


def test_the_hold_on_a_tenant_ends_with_the_process_that_had_it(control: Control) -> None:
    script = (
        "import sys, time\nfrom pathlib import Path\n"
        "from runner.warehouse import DuckDBWarehouse\n"
        "w = DuckDBWarehouse(lambda file: Path(sys.argv[1]) / f'{file}.duckdb')\n"
        "with w.alone_with('acme'):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", script, str(control.path.parent)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout and holder.stdout.readline() == "held\n"
    threading.Timer(0.3, holder.kill).start()
    began = time.monotonic()
    with control.warehouse.alone_with("acme"):
        assert 0.1 < time.monotonic() - began < 5
    holder.wait()


def test_threads_of_one_process_may_read_and_write_at_once(control: Control) -> None:
    """DuckDB refuses one file opened both ways in one process; nobody outside should notice."""
    problems: list[Exception] = []

    def work(number: int) -> None:
        try:
            for turn in range(8):
                if (number + turn) % 2:
                    control.warehouse.write(
                        "update acme.x_meta_lock set locked_by = @who", who=f"{number}-{turn}"
                    )
                else:
                    control.warehouse.read("select count(*) as n from tenants.tenant_profiles")
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []


def test_a_thread_that_has_the_file_is_waited_for_no_longer_than_patience(control: Control) -> None:
    """Such as a reader of a tenant's data that itself waits for a run which loads."""
    warehouse = impatient(control)
    gate = _GATES.setdefault(control.path, threading.Lock())
    began = time.monotonic()
    with gate, pytest.raises(WarehouseUnreachable, match="busy"):
        warehouse.read("select 1 as one")
    assert time.monotonic() - began < 5
    assert warehouse.read("select 1 as one") == [{"one": 1}]


def test_the_engine_knows_what_it_is_spared() -> None:
    """Else it says so and plans as ever, and a claim takes a third more time."""
    known = duckdb.execute("select name from duckdb_optimizers()").fetchall()
    assert set(SPARED_OPTIMIZERS) <= {name for (name,) in known}


def test_an_engine_is_kept_for_the_next_opening_but_not_after_an_error(control: Control) -> None:
    control.warehouse.read("select 1 as one")
    engine = _SPARE[control.path]
    control.warehouse.read("select 1 as one")
    assert _SPARE[control.path] is engine
    with pytest.raises(StatementRefused):
        control.warehouse.read("select nothing from nowhere")
    assert engine not in _SPARE.values()
    assert control.warehouse.read("select 1 as one") == [{"one": 1}]


def test_a_tenants_data_is_planned_as_ever_and_spills_beside_its_file(control: Control) -> None:
    data = control.path.parent / "tenant_acme.duckdb"
    with duckdb.connect(str(data)) as connection:
        connection.execute("create schema acme")
    plain = "select current_setting('disabled_optimizers') as spared"
    assert "join_order" in control.warehouse.read(plain)[0]["spared"]
    assert control.warehouse.read_data("acme", plain) == [{"spared": ""}]
    spills = "select current_setting('temp_directory') as place"
    assert control.warehouse.read_data("acme", spills) == [{"place": f"{data}.tmp"}]


def test_statements_of_the_runner_reach_no_file_but_the_exports_of_the_tenant(
    control: Control, tmp_path: Path
) -> None:
    """The view over an export is read, whatever its name; nothing else, by no file's connection."""
    data = control.path.parent / "tenant_acme.duckdb"
    wanted = tmp_path / "exports" / "of[us]" / "a" / "b.parquet"
    landed = control.path.parent / "landing" / "shared" / "2024.parquet"
    secret = tmp_path / "secret.parquet"
    for path in (wanted, landed, secret):
        path.parent.mkdir(parents=True, exist_ok=True)
        duckdb.execute(f"copy (select 1 as one) to '{path}'")
    pattern = str(wanted.parent.parent / "*" / "b.parquet")
    with duckdb.connect(str(data)) as connection:
        connection.execute("create schema acme")
        for statement in dataset_tables("acme"):
            connection.execute(statement)
        connection.execute(
            "insert into acme.x_meta_exports by name select 'acme' as tenant_id, ? as export_ref",
            [pattern],
        )
        for name, path in (("mine", pattern.replace("[", "[[]")), ("landed", landed)):
            connection.execute(f"create view acme.{name} as select * from read_parquet('{path}')")
    shared = open_warehouse(control.settings, is_shared=True)
    for view in ("mine", "landed"):
        assert shared.read_data("acme", f"select one from acme.{view}") == [{"one": 1}]
    out = tmp_path / "out.csv"
    for attack in (
        f"select * from '{secret}'",
        f"copy (select 1 as one) to '{out}'",
        f"attach '{out}' as other",
        "set enable_external_access = true",
        "set allowed_directories = ['/']",
    ):
        for ask in (
            lambda sql: control.warehouse.read_data("acme", sql),
            lambda sql: control.warehouse.write_data("acme", sql),
            control.warehouse.read,
            control.warehouse.write,
            shared.write,
        ):
            with pytest.raises(RunnerError, match=r"disabled|locked|Cannot|cannot"):
                ask(attack)
    assert not out.exists()


def test_a_control_file_of_any_name_can_be_opened(control: Control) -> None:
    """An engine has databases of its own, and no place for these names."""
    for name in ("order", "memory", "temp", "with space", "control.v2"):
        path = control.path.with_name(f"{name}.duckdb")
        with duckdb.connect(str(path)) as connection:
            connection.execute("create table t as select 1 as one")
        for is_shared in (False, True):
            odd = DuckDBWarehouse(lambda file, path=path: path, 5, is_shared)
            assert odd.read("select one from t") == [{"one": 1}]
            odd.write("update t set one = 1")


FULL = """
import json, os, resource, signal, sys
from datetime import date, timedelta
from pathlib import Path
sys.path[:0] = sys.argv[1:3]
from control_file import DAY, Control
from runner import warehouse
from runner.errors import WarehouseUnreachable
prepare = warehouse._prepare
def prepared(connection, *args):
    prepare(connection, *args)
    connection.execute(f"set wal_autocheckpoint = '{sys.argv[4]}'")
warehouse._prepare = prepared
control = Control(Path(sys.argv[3]), dict(os.environ))
control.take(DAY - timedelta(days=1))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
size = control.path.stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
told = []
for n in range(30):
    try:
        told.append(control.take(DAY + timedelta(days=n)).id)
    except WarehouseUnreachable as error:
        told.append(None)
print(json.dumps(told))
"""


@pytest.mark.parametrize("log_size", ["16MB", "1KB"])
def test_what_was_committed_is_told_so_though_the_file_may_not_grow(
    control: Control, log_size: str
) -> None:
    """Such as on a full disk: it stays in the log beside the file, as long as that has room.

    The engine brings a long log into the file at a commit, a short one as it is closed.
    """
    control.subscribe(daily_limit=100, concurrent_limit=100)
    paths = (str(ROOT), str(ROOT / "tests" / "runner"), str(control.folder))
    run = subprocess.run(
        [sys.executable, "-c", FULL, *paths, log_size],
        env={**control.environ, "PYTHONPATH": str(ROOT / "tests")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    told = {run_id for run_id in json.loads(run.stdout) if run_id}
    runs = control.sql(
        "select pipeline_logging_id from acme.x_meta_pipeline_runs where run_date >= '2024-11-01'"
    )
    assert told == {run_id for (run_id,) in runs} and told


@pytest.mark.parametrize(
    ("statement", "values", "tenant"),
    [
        ("update `acme`.x_meta_lock set locked_by = 'x'", {}, "acme"),
        ("delete from `tenants`.a; update `acme`.b set c = 1", {}, "acme"),
        ("update tenants.tenant_profiles set status = 'x'", {"tenant_id": "acme"}, "acme"),
        ("update tenants.tenant_profiles set status = 'x'", {}, ""),
    ],
)
def test_whom_a_transaction_writes_for(statement: str, values: dict, tenant: str) -> None:
    """Two of one tenant are not at work at once."""
    assert _tenant_of(statement.split(";"), values) == tenant
